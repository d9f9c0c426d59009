// SPDX-License-Identifier: MIT
// The library's loop of coroutines on the module's pipes and ports.
#include <gtest/gtest.h>

#include "uring.hpp"

#ifdef HAVE_LIBURING
#include <poll.h>
#include <sys/eventfd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <ipcshim/uring.hpp>
#include <optional>
#include <stop_token>
#include <thread>

#include "uring_support.hpp"

namespace {

using namespace std::chrono_literals;
using ipcshim::deadline;
using ipcshim::io_result;
using ipcshim::task;
using ipcshim::wait_limits;
using test::matching;
using test::patterned;
using test::workers;

deadline soon(std::chrono::milliseconds after = 20ms) {
    return deadline::clock::now() + after;
}

class UringAwait : public ::testing::Test {
protected:
    // Turns until everybody waits.
    void settle() {
        while (loop.run_once(soon(0ms)) != 0)
            ;
    }
    task<int> errno_of(task<> work) {
        try {
            co_await std::move(work);
        } catch (const std::system_error& error) {
            co_return error.code().value();
        }
        co_return 0;
    }
    task<> into(int& error, task<> work) { error = co_await errno_of(std::move(work)); }
    task<> read_one(const ipcshim::receiver& from, wait_limits limits = {}) {
        std::array<std::byte, 1> in{};
        static_cast<void>(co_await loop.read(from, in, std::move(limits)));
    }
    task<> write_all(const ipcshim::sender& to, std::size_t size, wait_limits limits = {}) {
        const auto out = patterned(size);
        co_await loop.write(to, out, std::move(limits));
    }
    task<> next_event(const ipcshim::port& from, wait_limits limits = {}) {
        static_cast<void>(co_await loop.read_event(from, std::move(limits)));
    }

    ipcshim::uring loop;
};

TEST_F(UringAwait, TwoCoroutinesPlayOnOneThread) {
    const auto there = test::raw_pair();
    const auto back = test::raw_pair();
    constexpr std::uint64_t rounds = 300;
    std::uint64_t last = 0;
    auto pong = [&]() -> task<> {
        std::uint64_t ball = 0;
        const auto bytes = std::as_writable_bytes(std::span(&ball, 1));
        while ((co_await loop.read(there.receiver, bytes)).moved() == sizeof(ball)) {
            ++ball;
            co_await loop.write(back.sender, bytes);
        }
    };
    auto ping = [&]() -> task<> {
        std::uint64_t ball = 0;
        const auto bytes = std::as_writable_bytes(std::span(&ball, 1));
        for (std::uint64_t i = 0; i < rounds; ++i) {
            co_await loop.write(there.sender, bytes);
            EXPECT_EQ((co_await loop.read(back.receiver, bytes)).moved(), sizeof(ball));
        }
        last = ball;
        there.sender.close_pipe();
    };
    loop.spawn(pong());
    loop.spawn(ping());
    loop.run();
    EXPECT_EQ(last, rounds);
    EXPECT_EQ(workers(), 0);
}

TEST_F(UringAwait, AHundredPipesOnOneThread) {
    constexpr std::size_t pipes = 100;
    constexpr int messages = 5;
    std::vector<ipcshim::pipe_pair> pairs;
    std::size_t received = 0;
    for (std::size_t i = 0; i < pipes; ++i)
        pairs.push_back(test::message_pair());
    auto reader = [&](std::size_t which) -> task<> {
        std::vector<std::byte> message;
        for (int i = 0; co_await loop.read_message(pairs[which].receiver, message); ++i) {
            EXPECT_EQ(message.size(), which + 1);
            EXPECT_EQ(matching(message, which), which + 1) << "message " << i;
            ++received;
        }
    };
    auto writer = [&]() -> task<> {
        for (int i = 0; i < messages; ++i)
            for (std::size_t which = 0; which < pipes; ++which)
                co_await loop.write(pairs[which].sender, patterned(which + 1, which));
        for (auto& pair : pairs)
            pair.sender.close();
    };
    for (std::size_t i = 0; i < pipes; ++i)
        loop.spawn(reader(i));
    settle();
    EXPECT_EQ(loop.tasks(), pipes);
    EXPECT_EQ(workers(), 0);
    loop.spawn(writer());
    loop.run();
    EXPECT_EQ(received, pipes * messages);
    EXPECT_EQ(workers(), 0);
}

TEST_F(UringAwait, ABigTransferGoesThroughASmallPipe) {
    const auto pair = test::raw_pair();
    constexpr std::size_t size = 10 * ipcshim::capacity_unit + 123;
    std::vector<std::byte> in(size);
    auto reader = [&]() -> task<> {
        const io_result result = co_await loop.read(pair.receiver, in);
        EXPECT_EQ(result.moved(), size);
    };
    loop.spawn(write_all(pair.sender, size));
    loop.spawn(reader());
    loop.run();
    EXPECT_EQ(matching(in), size);
    EXPECT_EQ(workers(), 0);
}

TEST_F(UringAwait, MessagesOfEveryLength) {
    const auto pair = test::message_pair(2 * ipcshim::capacity_unit);
    const std::array<std::size_t, 6> sizes{1, 4095, 4096, 4097, 30'000, ipcshim::message_max};
    auto work = [&]() -> task<> {
        for (const std::size_t size : sizes) {
            // A container that is too small at first.
            std::vector<std::byte> message;
            const auto out = patterned(size, size);
            EXPECT_EQ((co_await loop.write(pair.sender, out)).moved(), size);
            EXPECT_TRUE(co_await loop.read_message(pair.receiver, message));
            EXPECT_EQ(message.size(), size);
            EXPECT_EQ(matching(message, size), size);
        }
        // A buffer that is too small is told, and the message stays.
        co_await loop.write(pair.sender, patterned(10, 3));
        std::array<std::byte, 9> small{};
        std::error_code error;
        const io_result result = co_await loop.read(pair.receiver, small, {}, error);
        EXPECT_EQ(error, std::errc::message_size);
        EXPECT_EQ(result.cause(), ipcshim::cause::too_long);
        std::string text;
        EXPECT_TRUE(co_await loop.read_message(pair.receiver, text));
        EXPECT_EQ(text.size(), 10U);
        EXPECT_EQ(co_await errno_of(write_all(pair.sender, ipcshim::message_max + 1)), EMSGSIZE);
    };
    loop.run(work());
    EXPECT_EQ(workers(), 0);
}

TEST_F(UringAwait, AMessageWaitsForRoomAsAWhole) {
    const auto pair = test::message_pair();
    auto work = [&]() -> task<> {
        co_await loop.write(pair.sender, patterned(60'000, 1));
        co_await loop.write(pair.sender, patterned(20'000, 2));
    };
    loop.spawn(work());
    settle();
    EXPECT_EQ(pair.receiver.info().messages_waiting(), 1U);
    std::vector<std::byte> message;
    ASSERT_TRUE(pair.receiver.read_message(message));
    loop.run();
    ASSERT_TRUE(pair.receiver.read_message(message));
    EXPECT_EQ(matching(message, 2), 20'000U);
    EXPECT_EQ(workers(), 0);
}

TEST_F(UringAwait, EventsOfAPortAndWhatTheyAnnounce) {
    const auto port = test::listening_port();
    std::string got;
    std::optional<ipcshim::pipe_closed> closed;
    auto serve = [&]() -> task<> {
        const ipcshim::event announced = co_await loop.read_event(port);
        const auto in = port.claim_receiver(announced);
        std::string text; // which is a buffer until the message is there
        EXPECT_TRUE(co_await loop.read_message(in, text));
        got = text;
        std::array<ipcshim::event, 4> events;
        EXPECT_EQ(co_await loop.read_events(port, events), 1U);
        closed = events[0].as_pipe_closed();
        EXPECT_EQ(co_await loop.read_events(port, {}), 0U);
    };
    loop.spawn(serve());
    settle();
    EXPECT_EQ(loop.tasks(), 1U);
    test::process other([parent = ::getpid()](const test::line& line) {
        auto out = ipcshim::port::open().open_sender(parent, {.mode = ipcshim::pipe_mode::message});
        out.write(ipcshim::bytes_of("hello"));
        static_cast<void>(line.get());
    });
    while (got.empty())
        loop.run_once();
    EXPECT_EQ(got, "hello");
    other.kill();
    loop.run();
    ASSERT_TRUE(closed);
    EXPECT_EQ(closed->how, ipcshim::how::killed);
    EXPECT_EQ(workers(), 0);
}

TEST_F(UringAwait, ADeadlineEndsWhateverWaits) {
    const auto pair = test::raw_pair();
    const auto other = test::raw_pair();
    const auto messages = test::message_pair();
    const auto port = test::listening_port();
    std::string text;
    auto message = [&](deadline until) -> task<> {
        static_cast<void>(co_await loop.read_message(messages.receiver, text, until));
    };
    auto polling = [&](deadline until) -> task<> {
        static_cast<void>(co_await loop.poll(port.fd(), POLLIN, until));
    };
    const deadline until = soon();
    std::array<int, 5> errors{};
    loop.spawn(into(errors[0], read_one(other.receiver, until)));
    loop.spawn(into(errors[1], write_all(pair.sender, ipcshim::capacity_unit + 1, until)));
    loop.spawn(into(errors[2], message(until)));
    loop.spawn(into(errors[3], polling(until)));
    loop.spawn(into(errors[4], next_event(port, until)));
    loop.run();
    EXPECT_GE(deadline::clock::now(), until);
    EXPECT_EQ(errors, (std::array<int, 5>{ETIMEDOUT, ETIMEDOUT, ETIMEDOUT, ETIMEDOUT, ETIMEDOUT}));
    // Nothing was taken, and the pipes are as they were.
    other.sender.write(patterned(1, 9));
    // One that has passed leaves what can be done at once.
    EXPECT_EQ(loop.run(errno_of(read_one(other.receiver, soon(-1s)))), 0);
    EXPECT_EQ(loop.run(errno_of(read_one(other.receiver, soon(-1s)))), ETIMEDOUT);
    EXPECT_EQ(workers(), 0);
}

TEST_F(UringAwait, ADeadlineTellsHowMuchWasWritten) {
    const auto pair = test::raw_pair();
    std::error_code error;
    auto work = [&]() -> task<io_result> {
        const auto out = patterned(ipcshim::capacity_unit + 5'000);
        co_return co_await loop.write(pair.sender, out, soon(), error);
    };
    const io_result result = loop.run(work());
    EXPECT_EQ(error, std::errc::timed_out);
    EXPECT_EQ(result.cause(), ipcshim::cause::deadline);
    EXPECT_EQ(result.moved(), ipcshim::capacity_unit);
    EXPECT_EQ(matching(test::read_bytes(pair.receiver.fd(), result.moved())), result.moved());
}

TEST_F(UringAwait, AnotherThreadStopsWhateverWaits) {
    const auto pair = test::raw_pair();
    const auto full = test::raw_pair();
    full.sender.write(patterned(ipcshim::capacity_unit));
    const auto port = test::listening_port();
    std::stop_source source;
    const auto stop = source.get_token();
    std::array<int, 3> errors{};
    loop.spawn(into(errors[0], read_one(pair.receiver, stop)));
    loop.spawn(into(errors[1], write_all(full.sender, 1, {soon(60s), stop})));
    loop.spawn(into(errors[2], next_event(port, stop)));
    settle();
    EXPECT_EQ(loop.tasks(), 3U);
    std::jthread other([&] { source.request_stop(); });
    loop.run();
    EXPECT_EQ(errors, (std::array<int, 3>{ECANCELED, ECANCELED, ECANCELED}));
    EXPECT_EQ(workers(), 0);
}

TEST_F(UringAwait, APeerThatDiesIsSeen) {
    auto in = test::raw_pair();
    auto out = test::raw_pair();
    test::process other([&](const test::line& parent) {
        in.receiver.close();
        out.sender.close();
        in.sender.write(patterned(5, 1));
        parent.put(1);
        static_cast<void>(parent.get());
    });
    in.sender.close();
    out.receiver.close();
    static_cast<void>(other.get());
    out.sender.write(patterned(ipcshim::capacity_unit));
    io_result read;
    int write_error = 0;
    auto reader = [&]() -> task<> {
        std::array<std::byte, 10> buffer{};
        read = co_await loop.read(in.receiver, buffer);
    };
    auto writer = [&]() -> task<> { write_error = co_await errno_of(write_all(out.sender, 10)); };
    loop.spawn(reader());
    loop.spawn(writer());
    settle();
    EXPECT_EQ(loop.tasks(), 2U);
    other.kill();
    loop.run();
    EXPECT_EQ(read.moved(), 5U);
    EXPECT_TRUE(read.closed());
    // And no SIGPIPE, neither where it waited nor at once: that would have ended this process.
    EXPECT_EQ(write_error, EPIPE);
    EXPECT_EQ(loop.run(errno_of(write_all(out.sender, 10))), EPIPE);
    EXPECT_EQ(workers(), 0);
}

TEST_F(UringAwait, TheLoopGoesOnWhileAllElseWaits) {
    const auto empty = test::raw_pair();
    const auto full = test::raw_pair();
    const auto port = test::listening_port();
    full.sender.write(patterned(ipcshim::capacity_unit));
    ipcshim_pipe_io io{};
    std::array<std::byte, 8> in{};
    int ticks = 0;
    {
        ipcshim::uring mine;
        auto reading = [&]() -> task<> {
            static_cast<void>(co_await mine.read(empty.receiver, in));
        };
        auto writing = [&]() -> task<> { co_await mine.write(full.sender, patterned(10)); };
        auto listening = [&]() -> task<> { static_cast<void>(co_await mine.read_event(port)); };
        auto calling = [&]() -> task<> {
            io = test::io_args(in.data(), in.size(), IPCSHIM_IO_ALL);
            co_await mine.command(empty.receiver, IPCSHIM_PIPE_READ, io);
        };
        auto ticking = [&]() -> task<> {
            for (ticks = 0; ticks < 20; ++ticks)
                co_await mine.sleep_until(soon(1ms));
        };
        mine.spawn(reading());
        mine.spawn(writing());
        mine.spawn(listening());
        mine.spawn(calling());
        mine.run(ticking());
        EXPECT_EQ(ticks, 20);
        EXPECT_EQ(mine.tasks(), 4U);
    } // ends all of them, and lets go of `in`
    in = {};
    empty.sender.write(patterned(8, 5));
    EXPECT_EQ(in, (std::array<std::byte, 8>{}));
    EXPECT_EQ(matching(test::read_bytes(empty.receiver.fd(), 8), 5), 8U);
}

TEST_F(UringAwait, WhatIsDestroyedWhileItWaitsLeavesNothing) {
    const auto before = test::totals();
    {
        const auto pair = test::raw_pair();
        ipcshim::uring mine;
        auto reader = [&]() -> task<> {
            std::vector<std::byte> in(10'000);
            static_cast<void>(co_await mine.read(pair.receiver, in));
        };
        for (int i = 0; i < 20; ++i)
            mine.spawn(reader());
        mine.run_once();          // they begin
        mine.run_once(soon(0ms)); // and wait
    }
    // The ring itself goes in the kernel's own time.
    test::wait_until([&] { return test::totals() == before; });
}

// --- calls ------------------------------------------------------------------

class UringCommand : public UringAwait {};

TEST_F(UringCommand, WhatCanBeDoneAtOnceNeedsNoWorker) {
    const auto port = test::listening_port();
    ASSERT_TRUE(port.query().has(IPCSHIM_FEATURE_URING));
    auto work = [&]() -> task<> {
        ipcshim_query query{};
        EXPECT_EQ(co_await loop.command(port, IPCSHIM_QUERY, query), 0);
        EXPECT_EQ(query.abi_version, std::uint32_t{IPCSHIM_ABI_VERSION});
        ipcshim_open_pipe open{};
        open.pid = static_cast<std::uint32_t>(::getpid());
        open.direction = IPCSHIM_END_SENDER;
        open.mode = IPCSHIM_PIPE_MESSAGE;
        co_await loop.command(port, IPCSHIM_OPEN_PIPE, open);
        const ipcshim::sender out(ipcshim::adopt_fd, open.fd);
        const auto announced = co_await loop.read_event(port);
        ipcshim_claim claim{};
        claim.token = static_cast<std::uint64_t>(announced.token());
        co_await loop.command(port, IPCSHIM_CLAIM, claim);
        const ipcshim::receiver in(ipcshim::adopt_fd, claim.fd);
        auto bytes = patterned(100, 7);
        auto io = test::io_args(bytes.data(), bytes.size(), IPCSHIM_IO_ALL);
        co_await loop.command(out, IPCSHIM_PIPE_WRITE, io);
        EXPECT_EQ(io.moved, 100U);
        ipcshim_pipe_info info{};
        co_await loop.command(in, IPCSHIM_PIPE_INFO, info);
        EXPECT_EQ(info.messages_waiting, 1U);
        std::vector<std::byte> buffer(200);
        io = test::io_args(buffer.data(), buffer.size(), IPCSHIM_IO_ALL);
        co_await loop.command(in, IPCSHIM_PIPE_READ, io);
        EXPECT_EQ(io.moved, 100U);
        EXPECT_EQ(matching(std::span(buffer).first(100), 7), 100U);
    };
    loop.run(work());
    EXPECT_EQ(workers(), 0);
}

TEST_F(UringCommand, BatchesMoveManyMessages) {
    const auto pair = test::message_pair();
    auto work = [&]() -> task<> {
        std::array<std::array<std::byte, 16>, 8> messages{};
        std::array<ipcshim_batch_entry, 8> entries{};
        ipcshim_pipe_batch batch{};
        for (std::size_t i = 0; i < entries.size(); ++i) {
            messages[i].fill(std::byte(i + 1));
            entries[i].buffer = reinterpret_cast<std::uintptr_t>(messages[i].data());
            entries[i].size = 16;
        }
        batch.entries = reinterpret_cast<std::uintptr_t>(entries.data());
        batch.count = entries.size();
        batch.mode = IPCSHIM_IO_ALL;
        co_await loop.command(pair.sender, IPCSHIM_WRITE_BATCH, batch);
        EXPECT_EQ(batch.moved, 8U);
        messages = {};
        batch.moved = 0;
        batch.remains = batch.lacks = 0;
        co_await loop.command(pair.receiver, IPCSHIM_READ_BATCH, batch);
        EXPECT_EQ(batch.moved, 8U);
        EXPECT_EQ(messages[7][15], std::byte{8});
    };
    loop.run(work());
    EXPECT_EQ(workers(), 0);
}

TEST_F(UringCommand, WhatHasToWaitDoesSoInAWorker) {
    const auto pair = test::raw_pair();
    std::array<std::byte, 100> in{};
    auto io = test::io_args(in.data(), in.size(), IPCSHIM_IO_ALL);
    auto work = [&]() -> task<> { co_await loop.command(pair.receiver, IPCSHIM_PIPE_READ, io); };
    loop.spawn(work());
    settle();
    EXPECT_EQ(loop.tasks(), 1U);
    EXPECT_EQ(workers(), 1);
    pair.sender.write(patterned(60, 3));
    pair.sender.write(patterned(40, 3, 60));
    loop.run();
    EXPECT_EQ(io.moved, 100U);
    EXPECT_EQ(matching(in, 3), 100U);
}

TEST_F(UringCommand, ADeadlineAndAStopEndWhatWaitsInAWorker) {
    const auto pair = test::raw_pair();
    std::array<std::byte, 100> in{};
    auto io = test::io_args(in.data(), in.size(), IPCSHIM_IO_ALL);
    auto call = [&](wait_limits limits) -> task<> {
        co_await loop.command(pair.receiver, IPCSHIM_PIPE_READ, io, std::move(limits));
    };
    EXPECT_EQ(loop.run(errno_of(call(soon()))), ETIMEDOUT);
    std::stop_source source;
    int error = 0;
    loop.spawn(into(error, call(source.get_token())));
    settle();
    std::jthread other([&] { source.request_stop(); });
    loop.run();
    EXPECT_EQ(error, ECANCELED);
    // Nobody reads any more.
    pair.sender.write(patterned(10, 4));
    EXPECT_EQ(matching(test::read_bytes(pair.receiver.fd(), 10), 4), 10U);
}

TEST_F(UringCommand, ErrorsAreThoseOfTheCall) {
    const auto pair = test::raw_pair();
    ipcshim_pipe_io io{};
    auto call = [&](int fd, std::uint32_t number) -> task<> {
        co_await loop.command(fd, number, io);
    };
    EXPECT_EQ(loop.run(errno_of(call(pair.sender.fd(), 0x1234))), ENOTTY);
    io.mode = 77;
    EXPECT_EQ(loop.run(errno_of(call(pair.sender.fd(), IPCSHIM_PIPE_WRITE))), EINVAL);
    const test::unique_fd other(CHECK_CALL(::eventfd(0, EFD_CLOEXEC)));
    EXPECT_EQ(loop.run(errno_of(call(other.get(), IPCSHIM_PIPE_WRITE))), EOPNOTSUPP);
    std::error_code error;
    auto twin = [&]() -> task<int> {
        co_return co_await loop.command(pair.sender.fd(), 0x1234, io, {}, error);
    };
    EXPECT_EQ(loop.run(twin()), -ENOTTY);
    EXPECT_EQ(error.value(), ENOTTY);
}

} // namespace

#endif
