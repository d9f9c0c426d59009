// SPDX-License-Identifier: MIT
// A signal in every call that blocks: nothing moved, restart or EINTR;
// something moved, the count.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/ioctl.h>

#include <chrono>

#include "support.hpp"

namespace {

using test::patterned;
using namespace std::chrono_literals;

constexpr std::size_t unit = ipcshim::capacity_unit;

volatile sig_atomic_t signals_seen = 0;

void count_signal(int) {
    signals_seen = signals_seen + 1;
}

void install(int flags) {
    struct sigaction action {};
    action.sa_handler = count_signal;
    action.sa_flags = flags;
    CHECK_CALL(::sigaction(SIGUSR1, &action, nullptr));
}

// What a call in another process came to.
struct outcome {
    std::int64_t result;
    std::uint64_t error;
    std::uint64_t signals;
};

using call = std::function<std::int64_t()>;

test::process::body calling(int flags, const call& run) {
    return [flags, run](const test::line& parent) {
        install(flags);
        parent.put(1);
        errno = 0;
        const std::int64_t result = run();
        const int error = errno;
        parent.put(static_cast<std::uint64_t>(result));
        parent.put(static_cast<std::uint64_t>(result < 0 ? error : 0));
        parent.put(static_cast<std::uint64_t>(signals_seen));
    };
}

outcome outcome_of(test::process& process) {
    outcome seen{};
    seen.result = static_cast<std::int64_t>(process.get());
    seen.error = process.get();
    seen.signals = process.get();
    process.join();
    return seen;
}

// It runs, waits in the state that "waits" tells, and gets a signal.
void interrupt(test::process& process, const std::function<bool()>& waits) {
    static_cast<void>(process.get());
    test::wait_until(waits);
    test::wait_until([&] { return test::sleeps(process.pid()); });
    CHECK_CALL(::kill(process.pid(), SIGUSR1));
}

// The handler has run and the call waits again: nothing but that can be seen.
void wait_for_restart(test::process& process, const std::function<bool()>& waits) {
    test::wait_until([&] {
        const auto status =
            test::file_content("/proc/" + std::to_string(process.pid()) + "/status");
        const auto place = status.find("ShdPnd:\t");
        return place != std::string::npos && status.compare(place + 8, 16, "0000000000000000") == 0;
    });
    test::wait_until([&] { return waits() && test::sleeps(process.pid()); });
}

class BlockingRead : public ::testing::TestWithParam<bool> {
protected:
    ipcshim::pipe_pair pair = GetParam() ? test::message_pair() : test::raw_pair();
    std::function<bool()> read_waits = [this] { return pair.sender.info().read_waits(); };
    std::function<bool()> write_waits = [this] { return pair.receiver.info().write_waits(); };
};

TEST_P(BlockingRead, ReadIsEINTRWithoutSaRestart) {
    test::process reader(calling(0, [&] {
        char byte = 0;
        return ::read(pair.receiver.fd(), &byte, 1);
    }));
    interrupt(reader, read_waits);
    const auto seen = outcome_of(reader);
    EXPECT_EQ(seen.result, -1);
    EXPECT_EQ(seen.error, static_cast<std::uint64_t>(EINTR));
    EXPECT_EQ(seen.signals, 1U);
    EXPECT_FALSE(pair.sender.info().read_locked());
}

TEST_P(BlockingRead, ReadIsRestartedWithSaRestart) {
    test::process reader(calling(SA_RESTART, [&] {
        char byte = 0;
        return ::read(pair.receiver.fd(), &byte, 1);
    }));
    interrupt(reader, read_waits);
    wait_for_restart(reader, read_waits);
    pair.sender.write(patterned(1));
    const auto seen = outcome_of(reader);
    EXPECT_EQ(seen.result, 1);
    EXPECT_EQ(seen.signals, 1U);
}

TEST_P(BlockingRead, PipeReadIsEINTRWithoutSaRestart) {
    test::process reader(calling(0, [&] {
        std::vector<std::byte> buffer(100);
        auto args = test::io_args(buffer.data(), 100, IPCSHIM_IO_ALL);
        const int result = ::ioctl(pair.receiver.fd(), IPCSHIM_PIPE_READ, &args);
        CHECK(args.moved == 0 && args.cause == IPCSHIM_CAUSE_SIGNAL);
        errno = EINTR;
        return static_cast<std::int64_t>(result);
    }));
    interrupt(reader, read_waits);
    EXPECT_EQ(outcome_of(reader).result, -1);
}

TEST_P(BlockingRead, PipeReadIsRestartedWithSaRestart) {
    test::process reader(calling(SA_RESTART, [&] {
        std::vector<std::byte> buffer(10);
        auto args = test::io_args(buffer.data(), 10, IPCSHIM_IO_ALL);
        CHECK_CALL(::ioctl(pair.receiver.fd(), IPCSHIM_PIPE_READ, &args));
        return static_cast<std::int64_t>(args.moved);
    }));
    interrupt(reader, read_waits);
    wait_for_restart(reader, read_waits);
    pair.sender.write(patterned(10));
    const auto seen = outcome_of(reader);
    EXPECT_EQ(seen.result, 10);
    EXPECT_EQ(seen.signals, 1U);
}

TEST_P(BlockingRead, PipeReadRestartedKeepsItsDeadline) {
    const auto until = test::now() + 300'000'000;
    test::process reader(calling(SA_RESTART, [&] {
        std::vector<std::byte> buffer(10);
        auto args = test::io_args(buffer.data(), 10, IPCSHIM_IO_ALL, until);
        return static_cast<std::int64_t>(::ioctl(pair.receiver.fd(), IPCSHIM_PIPE_READ, &args));
    }));
    interrupt(reader, read_waits);
    const auto seen = outcome_of(reader);
    EXPECT_EQ(seen.result, -1);
    EXPECT_EQ(seen.error, static_cast<std::uint64_t>(ETIMEDOUT));
    EXPECT_EQ(seen.signals, 1U);
    EXPECT_GE(test::now(), until);
}

TEST_P(BlockingRead, WriteIsEINTRWhenNothingHadMoved) {
    pair.sender.write(patterned(unit));
    test::process writer(calling(0, [&] { return ::write(pair.sender.fd(), "x", 1); }));
    interrupt(writer, write_waits);
    const auto seen = outcome_of(writer);
    EXPECT_EQ(seen.result, -1);
    EXPECT_EQ(seen.error, static_cast<std::uint64_t>(EINTR));
    EXPECT_EQ(pair.receiver.info().bytes_waiting(), unit);
}

TEST_P(BlockingRead, WriteIsRestartedWithSaRestartWhenNothingHadMoved) {
    pair.sender.write(patterned(unit));
    test::process writer(calling(SA_RESTART, [&] { return ::write(pair.sender.fd(), "x", 1); }));
    interrupt(writer, write_waits);
    wait_for_restart(writer, write_waits);
    std::vector<std::byte> buffer(unit);
    EXPECT_EQ(pair.receiver.read(buffer).moved(), unit);
    const auto seen = outcome_of(writer);
    EXPECT_EQ(seen.result, 1);
    EXPECT_EQ(seen.signals, 1U);
}

INSTANTIATE_TEST_SUITE_P(Signals, BlockingRead, ::testing::Bool(),
                         [](const auto& info) { return info.param ? "Message" : "Raw"; });

TEST(Signals, WriteIsShortWhenSomethingHadMoved) {
    for (const int flags : {0, SA_RESTART}) {
        auto pair = test::raw_pair();
        test::process writer(calling(flags, [&] {
            const auto bytes = patterned(3 * unit, 1);
            return ::write(pair.sender.fd(), bytes.data(), bytes.size());
        }));
        interrupt(writer, [&] { return pair.receiver.info().write_waits(); });
        const auto seen = outcome_of(writer);
        EXPECT_EQ(seen.result, static_cast<std::int64_t>(unit));
        EXPECT_EQ(test::matching(test::read_bytes(pair.receiver.fd(), unit), 1), unit);
        EXPECT_EQ(pair.receiver.info().bytes_waiting(), 0U);
    }
}

TEST(Signals, PipeWriteSucceedsWithTheCountWhenSomethingHadMoved) {
    auto pair = test::raw_pair();
    test::process writer(calling(0, [&] {
        auto bytes = patterned(3 * unit, 1);
        auto args = test::io_args(bytes.data(), bytes.size(), IPCSHIM_IO_ALL);
        CHECK_CALL(::ioctl(pair.sender.fd(), IPCSHIM_PIPE_WRITE, &args));
        CHECK(args.cause == IPCSHIM_CAUSE_SIGNAL);
        return static_cast<std::int64_t>(args.moved);
    }));
    interrupt(writer, [&] { return pair.receiver.info().write_waits(); });
    EXPECT_EQ(outcome_of(writer).result, static_cast<std::int64_t>(unit));
}

TEST(Signals, PipeReadSucceedsWithTheCountWhenSomethingHadMoved) {
    auto pair = test::raw_pair();
    pair.sender.write(patterned(40, 2));
    test::process reader(calling(SA_RESTART, [&] {
        std::vector<std::byte> buffer(100);
        auto args = test::io_args(buffer.data(), buffer.size(), IPCSHIM_IO_ALL);
        CHECK_CALL(::ioctl(pair.receiver.fd(), IPCSHIM_PIPE_READ, &args));
        CHECK(args.cause == IPCSHIM_CAUSE_SIGNAL);
        CHECK(test::matching({buffer.data(), 40}, 2) == 40);
        return static_cast<std::int64_t>(args.moved);
    }));
    interrupt(reader, [&] { return pair.sender.info().read_waits(); });
    EXPECT_EQ(outcome_of(reader).result, 40);
}

TEST(Signals, AWriterWaitingForItsTurnIsEINTR) {
    auto pair = test::raw_pair();
    test::process holder(
        [&](const test::line&) { test::write_bytes(pair.sender.fd(), patterned(3 * unit)); });
    test::wait_until([&] { return pair.receiver.info().write_waits(); });
    test::process second(calling(0, [&] { return ::write(pair.sender.fd(), "x", 1); }));
    interrupt(second, [] { return true; });
    const auto seen = outcome_of(second);
    EXPECT_EQ(seen.result, -1);
    EXPECT_EQ(seen.error, static_cast<std::uint64_t>(EINTR));
    EXPECT_EQ(test::read_bytes(pair.receiver.fd(), 3 * unit).size(), 3 * unit);
    holder.join();
    EXPECT_EQ(pair.receiver.info().bytes_waiting(), 0U);
}

TEST(Signals, AReaderWaitingForItsTurnIsEINTR) {
    auto pair = test::raw_pair();
    const auto read_one = [&] {
        char byte = 0;
        return static_cast<std::int64_t>(::read(pair.receiver.fd(), &byte, 1));
    };
    test::process first(calling(0, read_one));
    static_cast<void>(first.get());
    test::wait_until([&] { return pair.sender.info().read_waits(); });
    test::process second(calling(0, read_one));
    interrupt(second, [] { return true; });
    EXPECT_EQ(outcome_of(second).error, static_cast<std::uint64_t>(EINTR));
    pair.sender.write(patterned(1));
    EXPECT_EQ(outcome_of(first).result, 1);
}

TEST(Signals, ReadOfAPortIsEINTRWithoutSaRestart) {
    test::process owner(calling(0, [] {
        const test::unique_fd port(::open(IPCSHIM_DEVICE, O_RDWR | O_CLOEXEC));
        ipcshim_event event{};
        return static_cast<std::int64_t>(::read(port.get(), &event, sizeof(event)));
    }));
    interrupt(owner, [] { return true; });
    const auto seen = outcome_of(owner);
    EXPECT_EQ(seen.result, -1);
    EXPECT_EQ(seen.error, static_cast<std::uint64_t>(EINTR));
}

TEST(Signals, ReadOfAPortIsRestartedWithSaRestart) {
    const auto opener = ipcshim::port::open();
    test::process owner(calling(SA_RESTART, [] {
        const auto port = test::listening_port();
        const test::unique_fd blocking(::dup(port.fd()));
        // The library makes it O_NONBLOCK; this read has to wait.
        CHECK_CALL(::fcntl(blocking.get(), F_SETFL, 0));
        ipcshim_event event{};
        return static_cast<std::int64_t>(::read(blocking.get(), &event, sizeof(event)));
    }));
    interrupt(owner,
              [&] { return opener.is_handled(ipcshim::event_code::recv_pipe, owner.pid()); });
    wait_for_restart(owner, [] { return true; });
    const auto sender = opener.open_sender(owner.pid());
    const auto seen = outcome_of(owner);
    EXPECT_EQ(seen.result, 64);
    EXPECT_EQ(seen.signals, 1U);
}

TEST(Signals, EveryWaitCanBeKilled) {
    auto pair = test::raw_pair();
    auto full = test::raw_pair();
    full.sender.write(patterned(unit));
    test::process reader(
        [&](const test::line&) { static_cast<void>(test::read_bytes(pair.receiver.fd(), 1)); });
    test::process second_reader(
        [&](const test::line&) { static_cast<void>(test::read_bytes(pair.receiver.fd(), 1)); });
    test::process writer(
        [&](const test::line&) { test::write_bytes(full.sender.fd(), patterned(9)); });
    test::process port_reader(
        [&](const test::line&) { static_cast<void>(ipcshim::port::open().read_event()); });
    test::wait_until(
        [&] { return pair.sender.info().read_waits() && full.receiver.info().write_waits(); });
    reader.kill();
    second_reader.kill();
    writer.kill();
    port_reader.kill();
    EXPECT_FALSE(pair.sender.info().read_locked());
    EXPECT_FALSE(full.receiver.info().write_locked());
}

} // namespace
