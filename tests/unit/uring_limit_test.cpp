// SPDX-License-Identifier: MIT
// Deadlines, stop tokens, and what is destroyed while it waits; on Linux's own pipes.
#include <poll.h>

#include <atomic>
#include <functional>
#include <memory>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <thread>

#include "uring_support.hpp"

namespace ipcshim::test {
namespace {

using namespace std::chrono_literals;

class uring_limit : public loop_test {
protected:
    task<> read_one(const receiver& from, wait_limits limits = {}) {
        std::array<std::byte, 1> in{};
        static_cast<void>(co_await loop().read(from, in, std::move(limits)));
    }
    // Turns until what was spawned waits.
    void settle() {
        while (loop().run_once(soon(0ms)) != 0) {
        }
    }
    // Nothing ever comes from it.
    plain_pipe& empty() { return empty_; }

private:
    plain_pipe empty_;
};

TEST_F(uring_limit, a_deadline_ends_a_read) {
    const plain_pipe pipe;
    const deadline until = soon();
    EXPECT_EQ(loop().run(errno_of(read_one(pipe.receiver, until))), ETIMEDOUT);
    EXPECT_GE(deadline::clock::now(), until);
}

TEST_F(uring_limit, a_deadline_tells_what_had_moved) {
    const plain_pipe pipe;
    auto work = [&]() -> task<io_result> {
        co_await loop().write(pipe.sender, bytes_of("abc"));
        std::array<std::byte, 10> in{};
        std::error_code error;
        const io_result result = co_await loop().read(pipe.receiver, in, soon(), error);
        EXPECT_EQ(error, std::errc::timed_out);
        co_return result;
    };
    const io_result result = loop().run(work());
    EXPECT_EQ(result.moved(), 3U);
    EXPECT_EQ(result.cause(), cause::deadline);
}

TEST_F(uring_limit, a_deadline_that_has_passed_takes_what_is_there) {
    const plain_pipe pipe;
    const deadline past = deadline::clock::now() - 1s;
    ASSERT_EQ(::write(pipe.sender.fd(), "x", 1), 1);
    EXPECT_EQ(loop().run(errno_of(read_one(pipe.receiver, past))), 0);
    EXPECT_EQ(loop().run(errno_of(read_one(pipe.receiver, past))), ETIMEDOUT);
    EXPECT_EQ(loop().run(errno_of(read_one(pipe.receiver, deadline()))), ETIMEDOUT);
}

TEST_F(uring_limit, a_deadline_that_is_not_needed_does_no_harm) {
    const plain_pipe pipe;
    auto work = [&]() -> task<> {
        for (int i = 0; i < 100; ++i) {
            co_await loop().write(pipe.sender, bytes_of("x"), soon(100s));
            co_await read_one(pipe.receiver, soon(100s));
        }
    };
    loop().run(work());
}

TEST_F(uring_limit, a_deadline_ends_a_write_and_a_poll) {
    const plain_pipe pipe;
    auto work = [&]() -> task<> {
        const auto out = bytes(200'000);
        co_await loop().write(pipe.sender, out, soon());
    };
    EXPECT_EQ(loop().run(errno_of(work())), ETIMEDOUT);
    const plain_pipe empty;
    auto polling = [&]() -> task<short> {
        co_return co_await loop().poll(empty.receiver.fd(), POLLIN, soon());
    };
    EXPECT_EQ(loop().run(errno_of(polling())), ETIMEDOUT);
}

TEST_F(uring_limit, sleeps_until_a_point_in_time) {
    const deadline until = soon();
    auto work = [&]() -> task<> { co_await loop().sleep_until(until); };
    loop().run(work());
    EXPECT_GE(deadline::clock::now(), until);
}

TEST_F(uring_limit, a_stop_token_of_another_thread_ends_each_kind) {
    const plain_pipe pipe;
    const auto out = bytes(200'000);
    auto write = [&](std::stop_token stop) -> task<> {
        co_await loop().write(pipe.sender, out, stop);
    };
    auto read = [&](std::stop_token stop) -> task<> { co_await read_one(empty().receiver, stop); };
    auto poll = [&](std::stop_token stop) -> task<> {
        static_cast<void>(co_await loop().poll(empty().receiver.fd(), POLLIN, stop));
    };
    auto sleep = [&](std::stop_token stop) -> task<> {
        co_await loop().sleep_until(no_deadline, stop);
    };
    auto both = [&](std::stop_token stop) -> task<> {
        co_await read_one(empty().receiver, {soon(100s), stop});
    };
    using kind = std::function<task<>(std::stop_token)>;
    for (const kind& each : {kind(write), kind(read), kind(poll), kind(sleep), kind(both)}) {
        std::stop_source source;
        std::atomic<bool> waits{false};
        std::jthread other([&] {
            waits.wait(false);
            source.request_stop();
        });
        auto begun = [&]() -> task<> {
            co_await loop().sleep_until(deadline());
            waits = true;
            waits.notify_one();
        };
        loop().spawn(begun());
        EXPECT_EQ(loop().run(errno_of(each(source.get_token()))), ECANCELED);
        loop().run();
    }
}

TEST_F(uring_limit, a_stop_that_came_before_asks_the_kernel_nothing) {
    const plain_pipe pipe;
    ASSERT_EQ(::write(pipe.sender.fd(), "x", 1), 1);
    std::stop_source source;
    source.request_stop();
    EXPECT_EQ(loop().run(errno_of(read_one(pipe.receiver, source.get_token()))), ECANCELED);
    // It is there still.
    EXPECT_EQ(loop().run(errno_of(read_one(pipe.receiver))), 0);
}

TEST_F(uring_limit, a_stop_by_the_same_turn_ends_what_was_not_submitted) {
    const plain_pipe pipe;
    std::stop_source source;
    auto stopping = [&]() -> task<> {
        source.request_stop();
        co_return;
    };
    int error = 0;
    auto reading = [&]() -> task<> {
        error = co_await errno_of(read_one(pipe.receiver, source.get_token()));
    };
    loop().spawn(reading());
    loop().spawn(stopping());
    loop().run();
    EXPECT_EQ(error, ECANCELED);
}

// Both at once, many times: whoever wins, nothing is left and nothing is lost.
TEST_F(uring_limit, a_stop_races_with_what_comes) {
    constexpr int rounds = 300;
    int read = 0;
    int stopped = 0;
    std::atomic<int> round{-1};
    std::atomic<std::stop_source*> current{nullptr};
    const plain_pipe pipe;
    std::jthread other([&] {
        for (int i = 0; i < rounds; ++i) {
            while (round.load() < i) {
                std::this_thread::yield();
            }
            static_cast<void>(::write(pipe.sender.fd(), "x", 1));
            current.load()->request_stop();
        }
    });
    for (int i = 0; i < rounds; ++i) {
        std::stop_source source;
        auto work = [&]() -> task<int> {
            current = &source;
            round = i;
            co_return co_await errno_of(read_one(pipe.receiver, source.get_token()));
        };
        const int error = loop().run(work());
        ASSERT_TRUE(error == 0 || error == ECANCELED) << error;
        (error == 0 ? read : stopped) += 1;
        if (error != 0) { // what was written waits, or comes
            ASSERT_EQ(loop().run(errno_of(read_one(pipe.receiver))), 0);
        }
        // The source must live until the other thread has used it.
        while (!source.stop_requested()) {
            std::this_thread::yield();
        }
        // request_stop() may still be at work; joining it is what destroying a callback does.
        const std::stop_callback joined(source.get_token(), [] {});
    }
    EXPECT_EQ(read + stopped, rounds);
}

TEST_F(uring_limit, a_destroyed_task_leaves_the_pipe_alone) {
    const plain_pipe pipe;
    {
        uring mine;
        auto reader = [&]() -> task<> {
            std::array<std::byte, 64> in{};
            static_cast<void>(co_await mine.read(pipe.receiver, in));
            ADD_FAILURE() << "it went on";
        };
        mine.spawn(reader());
        while (mine.run_once(soon(0ms)) != 0) {
        }
    } // with the reader's buffer
    ASSERT_EQ(::write(pipe.sender.fd(), "y", 1), 1);
    char got = 0;
    EXPECT_EQ(::read(pipe.receiver.fd(), &got, 1), 1);
    EXPECT_EQ(got, 'y');
}

TEST_F(uring_limit, a_task_is_destroyed_by_another_while_it_waits) {
    const plain_pipe pipe;
    // Awaits on behalf of a coroutine that is not the loop's own: it can be destroyed alone.
    struct alone {
        struct promise_type {
            alone get_return_object() {
                return {std::coroutine_handle<promise_type>::from_promise(*this)};
            }
            std::suspend_never initial_suspend() noexcept { return {}; }
            std::suspend_always final_suspend() noexcept { return {}; }
            void return_void() {}
            void unhandled_exception() { std::terminate(); }
        };
        std::coroutine_handle<promise_type> frame;
    };
    auto reading = [](uring& with, const receiver& from) -> alone {
        std::vector<std::byte> in(4096);
        static_cast<void>(co_await with.read(from, in));
    };
    const auto pending = reading(loop(), pipe.receiver); // never submitted
    pending.frame.destroy();
    const auto flying = reading(loop(), pipe.receiver);
    settle();
    auto killing = [&]() -> task<> {
        flying.frame.destroy();
        co_return;
    };
    loop().run(killing());
    // The kernel has let go of the buffer: what comes now stays, also when the loop turns.
    ASSERT_EQ(::write(pipe.sender.fd(), "k", 1), 1);
    auto pause = [&]() -> task<> { co_await loop().sleep_until(soon(1ms)); };
    loop().run(pause());
    std::array<std::byte, 1> kept{};
    auto keeping = [&]() -> task<io_result> {
        co_return co_await loop().read(pipe.receiver, kept, soon(10s));
    };
    EXPECT_EQ(loop().run(keeping()).moved(), 1U);
    EXPECT_EQ(kept[0], std::byte{'k'});
    const auto ready = reading(loop(), pipe.receiver);
    const auto outliving = reading(loop(), pipe.receiver);
    settle();
    ready.frame.destroy();
    destroy_loop();
    outliving.frame.destroy(); // the loop has let go of it before
    ASSERT_EQ(::write(pipe.sender.fd(), "y", 1), 1);
    char got = 0;
    EXPECT_EQ(::read(pipe.receiver.fd(), &got, 1), 1);
}

TEST_F(uring_limit, a_task_is_destroyed_that_would_be_resumed_next) {
    const plain_pipe one;
    const plain_pipe other;
    std::optional<uring> mine(std::in_place);
    // Both are ready in the same turn; whichever is first ends the other.
    std::optional<uring>* const loop_of = &mine;
    bool begun = false;
    auto reader = [&](const receiver& from) -> task<> {
        std::array<std::byte, 1> in{};
        static_cast<void>(co_await (*loop_of)->read(from, in));
        EXPECT_FALSE(begun) << "both went on";
        begun = true;
        throw std::runtime_error("enough");
    };
    mine->spawn(reader(one.receiver));
    mine->spawn(reader(other.receiver));
    while (mine->run_once(soon(0ms)) != 0) {
    }
    ASSERT_EQ(::write(one.sender.fd(), "x", 1), 1);
    ASSERT_EQ(::write(other.sender.fd(), "x", 1), 1);
    EXPECT_THROW(mine->run_once(soon(10s)), std::runtime_error);
    mine.reset();
    EXPECT_TRUE(begun);
}

} // namespace
} // namespace ipcshim::test
