// SPDX-License-Identifier: MIT
// The loop and its tasks, on Linux's own pipes.
#include <poll.h>
#include <pthread.h>

#include <csignal>
#include <stdexcept>
#include <string>
#include <thread>

#include "uring_support.hpp"

namespace ipcshim::test {
namespace {

using namespace std::chrono_literals;

class uring_loop : public loop_test {};

TEST_F(uring_loop, gives_what_a_task_gives) {
    auto work = []() -> task<int> { co_return 42; };
    EXPECT_EQ(loop().run(work()), 42);
    EXPECT_EQ(loop().tasks(), 0U);
}

TEST_F(uring_loop, throws_what_a_task_throws) {
    auto work = []() -> task<int> {
        throw std::runtime_error("broken");
        co_return 1;
    };
    EXPECT_THROW(static_cast<void>(loop().run(work())), std::runtime_error);
    EXPECT_EQ(loop().tasks(), 0U);
}

TEST_F(uring_loop, reads_what_another_task_writes) {
    const plain_pipe pipe;
    const auto out = bytes(5'000);
    std::vector<std::byte> in(5'000);
    auto reader = [&]() -> task<io_result> { co_return co_await loop().read(pipe.receiver, in); };
    auto writer = [&]() -> task<> {
        // In parts, so that the read goes on more than once.
        const std::span<const std::byte> all(out);
        co_await loop().write(pipe.sender, all.first(10));
        co_await loop().sleep_until(soon(1ms));
        co_await loop().write(pipe.sender, all.subspan(10, 3'000));
        co_await loop().sleep_until(soon(1ms));
        co_await loop().write(pipe.sender, all.subspan(3'010));
    };
    loop().spawn(writer());
    const io_result result = loop().run(reader());
    EXPECT_EQ(result.moved(), 5'000U);
    EXPECT_EQ(result.cause(), cause::none);
    EXPECT_EQ(in, out);
    loop().run();
}

TEST_F(uring_loop, writes_more_than_a_pipe_holds) {
    const plain_pipe pipe;
    const auto out = bytes(300'000);
    std::vector<std::byte> in(300'000);
    std::size_t written = 0;
    auto writer = [&]() -> task<> { written = (co_await loop().write(pipe.sender, out)).moved(); };
    auto reader = [&]() -> task<> { static_cast<void>(co_await loop().read(pipe.receiver, in)); };
    loop().spawn(writer());
    loop().spawn(reader());
    loop().run();
    EXPECT_EQ(written, 300'000U);
    EXPECT_EQ(in, out);
}

TEST_F(uring_loop, takes_what_is_there) {
    const plain_pipe pipe;
    std::vector<std::byte> in(100);
    auto work = [&]() -> task<std::size_t> {
        co_await loop().write(pipe.sender, bytes_of("seven!!"));
        co_return (co_await loop().read_some(pipe.receiver, in)).moved();
    };
    EXPECT_EQ(loop().run(work()), 7U);
}

TEST_F(uring_loop, tells_of_the_end_of_a_pipe) {
    plain_pipe pipe;
    std::vector<std::byte> in(100);
    auto work = [&]() -> task<io_result> {
        co_await loop().write(pipe.sender, bytes_of("rest"));
        pipe.sender.close();
        co_return co_await loop().read(pipe.receiver, in);
    };
    const io_result result = loop().run(work());
    EXPECT_EQ(result.moved(), 4U);
    EXPECT_TRUE(result.closed());
}

TEST_F(uring_loop, does_nothing_for_no_bytes) {
    const plain_pipe pipe;
    auto work = [&]() -> task<std::size_t> {
        const io_result result = co_await loop().read(pipe.receiver, {});
        co_return result.moved() + (co_await loop().write(pipe.sender, {})).moved();
    };
    EXPECT_EQ(loop().run(work()), 0U);
}

TEST_F(uring_loop, reads_messages_whole) {
    plain_pipe pipe(pipe_mode::message);
    const auto sent = bytes(900, 4);
    std::vector<std::vector<std::byte>> got;
    auto work = [&]() -> task<> {
        co_await loop().write(pipe.sender, sent);
        co_await loop().write(pipe.sender, bytes_of("short"));
        pipe.sender.close();
        std::vector<std::byte> message;
        while (co_await loop().read_message(pipe.receiver, message)) {
            got.push_back(message);
        }
        EXPECT_TRUE(message.empty());
    };
    loop().run(work());
    ASSERT_EQ(got.size(), 2U);
    EXPECT_EQ(got[0], sent);
    EXPECT_EQ(got[1].size(), 5U);
}

TEST_F(uring_loop, refuses_messages_of_a_raw_pipe) {
    const plain_pipe pipe;
    std::string message;
    auto work = [&]() -> task<bool> {
        co_return co_await loop().read_message(pipe.receiver, message);
    };
    EXPECT_EQ(loop().run(errno_of(work())), EINVAL);
}

TEST_F(uring_loop, throws_or_sets_the_error) {
    const plain_pipe pipe;
    std::array<std::byte, 4> in{};
    std::error_code error;
    auto work = [&]() -> task<> {
        // A sender's descriptor can't be read.
        const receiver wrong(detail::handle(detail::real_syscalls(), ::dup(pipe.sender.fd())),
                             pipe_mode::raw);
        const io_result result = co_await loop().read(wrong, in, {}, error);
        EXPECT_EQ(result.moved(), 0U);
        co_await loop().read(wrong, in);
    };
    try {
        loop().run(work());
        ADD_FAILURE() << "nothing was thrown";
    } catch (const io_error& thrown) {
        EXPECT_EQ(thrown.code().value(), EBADF);
        EXPECT_NE(std::string(thrown.what()).find("cannot read from the pipe"), std::string::npos)
            << thrown.what();
    }
    EXPECT_EQ(error.value(), EBADF);
    error = std::make_error_code(std::errc::io_error);
    auto good = [&]() -> task<> { co_await loop().write(pipe.sender, bytes_of("x"), {}, error); };
    loop().run(good());
    EXPECT_FALSE(error);
}

TEST_F(uring_loop, refuses_a_closed_end) {
    auto work = [&]() -> task<> { co_await loop().write(sender(), bytes_of("x")); };
    EXPECT_THROW(loop().run(work()), std::logic_error);
}

TEST_F(uring_loop, polls_and_reads_other_descriptors) {
    const sender counter(detail::handle(detail::real_syscalls(), ::eventfd(0, EFD_CLOEXEC)),
                         pipe_mode::raw); // owns it; any descriptor will do
    std::uint64_t count = 0;
    short seen = 0;
    auto reader = [&]() -> task<> {
        seen = co_await loop().poll(counter.fd(), POLLIN);
        static_cast<void>(
            co_await loop().read_some(counter.fd(), std::as_writable_bytes(std::span(&count, 1))));
    };
    const std::uint64_t five = 5;
    auto writer = [&]() -> task<std::size_t> {
        co_return co_await loop().write_some(counter.fd(), std::as_bytes(std::span(&five, 1)));
    };
    loop().spawn(reader());
    EXPECT_EQ(loop().run(writer()), 8U);
    loop().run();
    EXPECT_EQ(seen & POLLIN, POLLIN);
    EXPECT_EQ(count, 5U);
}

TEST_F(uring_loop, goes_on_with_the_others_after_an_exception) {
    const plain_pipe pipe;
    std::array<std::byte, 1> in{};
    bool read = false;
    auto failing = []() -> task<> {
        throw std::runtime_error("broken");
        co_return;
    };
    auto reader = [&]() -> task<> {
        static_cast<void>(co_await loop().read(pipe.receiver, in));
        read = true;
    };
    loop().spawn(failing());
    loop().spawn(reader());
    EXPECT_THROW(loop().run(), std::runtime_error);
    EXPECT_EQ(loop().tasks(), 1U);
    static_cast<void>(pipe.sender.fd());
    EXPECT_EQ(::write(pipe.sender.fd(), "x", 1), 1);
    loop().run();
    EXPECT_TRUE(read);
}

TEST_F(uring_loop, destroys_the_task_that_it_runs_when_another_fails) {
    const plain_pipe pipe;
    auto failing = [&]() -> task<> {
        co_await loop().sleep_until(soon(1ms));
        throw std::runtime_error("broken");
    };
    auto waiting = [&]() -> task<int> {
        std::array<std::byte, 1> in{};
        static_cast<void>(co_await loop().read(pipe.receiver, in));
        co_return 1;
    };
    loop().spawn(failing());
    EXPECT_THROW(static_cast<void>(loop().run(waiting())), std::runtime_error);
    EXPECT_EQ(loop().tasks(), 0U);
}

TEST_F(uring_loop, cannot_be_run_by_its_own_task) {
    auto work = [&]() -> task<> {
        loop().run();
        co_return;
    };
    EXPECT_THROW(loop().run(work()), std::logic_error);
}

TEST_F(uring_loop, cannot_be_run_by_another_thread) {
    bool refused = false;
    std::thread([&] {
        try {
            loop().run_once(soon(0ms));
        } catch (const std::logic_error&) {
            refused = true;
        }
    }).join();
    EXPECT_TRUE(refused);
    EXPECT_THROW(loop().spawn({}), std::logic_error);
}

TEST_F(uring_loop, stops_when_another_thread_says_so) {
    const plain_pipe pipe;
    std::array<std::byte, 1> in{};
    auto reader = [&]() -> task<> { static_cast<void>(co_await loop().read(pipe.receiver, in)); };
    loop().spawn(reader());
    std::thread other([&] { loop().stop(); });
    loop().run();
    other.join();
    EXPECT_EQ(loop().tasks(), 1U);
    // It goes on with the next run.
    EXPECT_EQ(::write(pipe.sender.fd(), "x", 1), 1);
    loop().run();
    EXPECT_EQ(loop().tasks(), 0U);
}

TEST_F(uring_loop, a_stopped_run_of_a_task_says_so) {
    const plain_pipe pipe;
    auto reader = [&]() -> task<> {
        std::array<std::byte, 1> in{};
        static_cast<void>(co_await loop().read(pipe.receiver, in));
    };
    loop().stop();
    try {
        loop().run(reader());
        ADD_FAILURE() << "nothing was thrown";
    } catch (const std::system_error& error) {
        EXPECT_EQ(error.code(), std::errc::operation_canceled);
    }
    EXPECT_EQ(loop().tasks(), 0U);
}

TEST_F(uring_loop, turns_once) {
    EXPECT_EQ(loop().run_once(soon(10s)), 0U); // nothing to wait for
    const plain_pipe pipe;
    std::array<std::byte, 1> in{};
    auto reader = [&]() -> task<> { static_cast<void>(co_await loop().read(pipe.receiver, in)); };
    loop().spawn(reader());
    EXPECT_EQ(loop().run_once(), 1U); // it begins
    const deadline until = soon(5ms);
    EXPECT_EQ(loop().run_once(until), 0U);
    EXPECT_GE(deadline::clock::now(), until);
    EXPECT_EQ(::write(pipe.sender.fd(), "x", 1), 1);
    EXPECT_EQ(loop().run_once(soon(10s)), 1U);
    EXPECT_EQ(loop().tasks(), 0U);
}

// More than the rings hold: requests wait for room, completions are kept by the kernel.
TEST_F(uring_loop, has_more_under_way_than_its_queues_hold) {
    uring small(4);
    constexpr std::size_t many = 300;
    const plain_pipe pipe;
    std::size_t done = 0;
    auto reader = [&]() -> task<> {
        std::array<std::byte, 1> in{};
        done += (co_await small.read(pipe.receiver, in, soon(20s))).moved();
    };
    for (std::size_t i = 0; i < many; ++i) {
        small.spawn(reader());
    }
    auto writer = [&]() -> task<> {
        const auto out = bytes(many);
        co_await small.write(pipe.sender, out);
    };
    small.spawn(writer());
    small.run();
    EXPECT_EQ(done, many);
}

extern "C" void ignore_signal(int /*signo*/) {}

TEST_F(uring_loop, goes_on_after_a_signal) {
    const plain_pipe pipe;
    struct sigaction action {};
    action.sa_handler = ignore_signal; // without SA_RESTART
    struct sigaction before {};
    ASSERT_EQ(::sigaction(SIGUSR1, &action, &before), 0);
    std::array<std::byte, 1> in{};
    auto reader = [&]() -> task<std::size_t> {
        co_return (co_await loop().read(pipe.receiver, in)).moved();
    };
    const auto target = ::pthread_self();
    std::jthread other([&] {
        for (int i = 0; i < 100; ++i) {
            ::pthread_kill(target, SIGUSR1);
            std::this_thread::yield();
        }
        EXPECT_EQ(::write(pipe.sender.fd(), "x", 1), 1);
    });
    EXPECT_EQ(loop().run(reader()), 1U);
    other.join();
    ASSERT_EQ(::sigaction(SIGUSR1, &before, nullptr), 0);
}

} // namespace
} // namespace ipcshim::test
