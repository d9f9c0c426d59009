// SPDX-License-Identifier: MIT
//
// Waiting at a mapped pipe: looking again, sleeping, waking, deadlines, signals; and
// both sides at once.
#include <gtest/gtest.h>

#include <array>
#include <chrono>
#include <cstring>
#include <thread>
#include <vector>

#include "fake_kernel.hpp"
#include "fake_mapped_pipe.hpp"

namespace {

using namespace ipcshim;
using namespace ipcshim::test;
using namespace std::chrono_literals;

class mapped_waits : public ::testing::TestWithParam<pipe_mode> {
protected:
    static constexpr std::size_t area = 17 * 4096;

    // What the other side does while this one sleeps.
    void when_asleep(std::function<int()> action) {
        pipe.on_wait = [action = std::move(action)](pipe_end, const ::ipcshim_pipe_wait&) {
            return action();
        };
    }

    fake_kernel kernel;
    fake_mapped_pipe pipe{kernel, GetParam(), area};
    mapped_sender out{pipe.take_sender()};
    mapped_receiver in{pipe.take_receiver()};
    std::array<std::byte, 64> piece{};
    std::error_code error;
};

TEST_P(mapped_waits, a_reader_sleeps_for_what_it_needs) {
    when_asleep([&] {
        out.write(piece);
        return 0;
    });
    EXPECT_EQ(in.read(piece).moved(), piece.size());
    EXPECT_EQ(pipe.waits, 1);
    EXPECT_EQ(pipe.last_wait.need, GetParam() == pipe_mode::raw ? 64U : 1U);
    EXPECT_EQ(pipe.last_wait.deadline, 0U);
    EXPECT_EQ(pipe.last_wait.flags, 0U);
}

TEST_P(mapped_waits, a_writer_sleeps_for_what_it_needs) {
    while (out.write(piece, io_mode::fail, error).moved() != 0) {
    }
    when_asleep([&] { return in.read(piece).moved() == 64 ? 0 : -EIO; });
    out.write(piece);
    EXPECT_EQ(pipe.waits, 1);
    EXPECT_EQ(pipe.last_wait.need, GetParam() == pipe_mode::raw ? 64U : 72U);
}

TEST_P(mapped_waits, waking_for_no_reason_does_no_harm) {
    when_asleep([&] {
        if (pipe.waits == 3) {
            out.write(piece);
        }
        return 0;
    });
    EXPECT_EQ(in.read(piece).moved(), piece.size());
    EXPECT_EQ(pipe.waits, 3);
}

TEST_P(mapped_waits, a_deadline_goes_to_the_driver_and_ends_the_wait) {
    when_asleep([] { return -ETIMEDOUT; });
    const io_result result = in.read(piece, deadline(123ns), error);
    EXPECT_EQ(error, std::errc::timed_out);
    EXPECT_EQ(result.cause(), cause::deadline);
    EXPECT_EQ(result.moved(), 0U);
    EXPECT_EQ(pipe.last_wait.deadline, 123U);
    EXPECT_TRUE(in.peek(1, deadline(124ns), error).empty());
    EXPECT_EQ(error, std::errc::timed_out);
    EXPECT_EQ(thrown_errno([&] { static_cast<void>(in.peek(1, deadline(1ns))); }), ETIMEDOUT);
}

TEST_P(mapped_waits, what_came_by_the_deadline_is_taken) {
    when_asleep([&] {
        out.write(piece);
        return -ETIMEDOUT;
    });
    EXPECT_EQ(in.read(piece, deadline(123ns), error).moved(), piece.size());
    EXPECT_FALSE(error);
}

TEST_P(mapped_waits, a_signal_is_told) {
    when_asleep([] { return -EINTR; });
    EXPECT_EQ(in.read(piece, io_mode::all, error).cause(), cause::signal);
    EXPECT_EQ(error, std::errc::interrupted);
    EXPECT_EQ(pipe.waits, 1);
    while (out.write(piece, io_mode::fail, error).moved() != 0) {
    }
    out.write(piece, io_mode::all, error);
    EXPECT_EQ(error, std::errc::interrupted);
    static_cast<void>(out.reserve(area / 2, io_mode::all, error));
    EXPECT_EQ(error, std::errc::interrupted);
}

TEST_P(mapped_waits, a_peer_that_ends_ends_the_wait) {
    when_asleep([&] {
        pipe.producer().closed = IPCSHIM_HOW_KILLED;
        return 0;
    });
    EXPECT_TRUE(in.read(piece).closed());
    while (out.write(piece, io_mode::fail, error).moved() != 0) {
    }
    when_asleep([&] {
        pipe.consumer().closed = IPCSHIM_HOW_KILLED;
        return 0;
    });
    out.write(piece, io_mode::all, error);
    EXPECT_EQ(error, std::errc::broken_pipe);
}

TEST_P(mapped_waits, the_drivers_refusal_is_told) {
    when_asleep([] { return -EBUSY; });
    const std::string text = thrown<io_error>([&] { static_cast<void>(in.read(piece)); });
    EXPECT_NE(text.find("another process has this end mapped"), std::string::npos) << text;
    when_asleep([] { return -EPROTO; });
    static_cast<void>(in.read(piece, io_mode::all, error));
    EXPECT_EQ(error, std::errc::protocol_error);
}

TEST_P(mapped_waits, the_other_side_is_woken_when_it_sleeps_and_only_then) {
    out.write(piece);
    EXPECT_EQ(pipe.wakes, 0);
    pipe.consumer().wake = 1;
    out.write(piece);
    EXPECT_EQ(pipe.wakes, 1);
    EXPECT_EQ(pipe.consumer().wake, 0U);
    static_cast<void>(out.reserve(8));
    pipe.consumer().wake = area;
    out.commit(8);
    EXPECT_EQ(pipe.wakes, 1) << "it waits for more than there is";
    pipe.producer().wake = area;
    EXPECT_EQ(in.read(piece).moved(), 64U);
    EXPECT_EQ(pipe.wakes, 1);
    pipe.producer().wake = 1;
    EXPECT_FALSE(in.peek().empty());
    in.release();
    EXPECT_EQ(pipe.wakes, 2);
}

INSTANTIATE_TEST_SUITE_P(of, mapped_waits, ::testing::Values(pipe_mode::raw, pipe_mode::message),
                         [](const auto& info) { return std::string(to_string(info.param)); });

TEST(mapped_raw_waits, a_long_piece_goes_in_steps_and_tells_what_moved_by_a_deadline) {
    fake_kernel kernel;
    fake_mapped_pipe pipe(kernel, pipe_mode::raw, 64 * 1024);
    mapped_sender out(pipe.take_sender());
    mapped_receiver in(pipe.take_receiver());
    const std::vector<std::byte> large(200'000);
    std::vector<std::byte> some(20'000);
    pipe.on_wait = [&](pipe_end, const ::ipcshim_pipe_wait& asked) {
        EXPECT_EQ(asked.need, 16U * 1024);
        return pipe.waits == 1 && in.read(some).moved() == some.size() ? 0 : -ETIMEDOUT;
    };
    std::error_code error;
    io_result result = out.write(large, deadline(1ns), error);
    EXPECT_EQ(error, std::errc::timed_out);
    EXPECT_EQ(result.moved(), 64U * 1024 + 20'000);
    EXPECT_EQ(result.cause(), cause::deadline);
    pipe.on_wait = [&](pipe_end, const ::ipcshim_pipe_wait&) { return -EINTR; };
    EXPECT_EQ(in.read(some).moved(), some.size());
    result = out.write(large, io_mode::all, error);
    EXPECT_FALSE(error) << "something had moved";
    EXPECT_EQ(result.moved(), 20'000U);
    EXPECT_EQ(result.cause(), cause::signal);
}

// Both sides at once, in two threads, where each has its own turn to be slow.
class mapped_streams : public ::testing::TestWithParam<unsigned> {
protected:
    void run(pipe_mode mode, std::size_t total, bool copies) {
        fake_kernel kernel;
        kernel.allowed_processors = GetParam();
        fake_mapped_pipe pipe(kernel, mode, mode == pipe_mode::raw ? 4096 : 17 * 4096);
        mapped_sender out(pipe.take_sender());
        mapped_receiver in(pipe.take_receiver());
        const bool messages = mode == pipe_mode::message;
        std::jthread writer([&] {
            std::vector<std::byte> piece(3000);
            std::size_t place = 0;
            for (std::size_t size = 1; place < total; size = size % 2900 + 7) {
                const std::size_t count = std::min(size, total - place);
                std::span<std::byte> room(piece.data(), count);
                if (!copies) {
                    room = out.reserve(count);
                }
                for (std::size_t i = 0; i < count; ++i) {
                    room[i] = static_cast<std::byte>((place + i) % 253);
                }
                if (copies) {
                    out.write(room);
                } else {
                    out.commit(count);
                }
                place += count;
            }
            pipe.end_of(pipe_end::sender);
        });
        std::vector<std::byte> piece(3000);
        std::size_t place = 0;
        std::size_t wrong = 0;
        for (std::size_t size = 3;; size = size % 2800 + 11) {
            std::span<const std::byte> next;
            if (copies) {
                const std::size_t count = messages ? piece.size() : size;
                next = std::span(piece).first(in.read(std::span(piece).first(count)).moved());
            } else {
                next = in.peek();
            }
            if (next.empty()) {
                break;
            }
            for (const std::byte found : next) {
                wrong += found == static_cast<std::byte>(place++ % 253) ? 0 : 1;
            }
            if (!copies) {
                in.release();
            }
        }
        EXPECT_EQ(place, total);
        EXPECT_EQ(wrong, 0U);
        EXPECT_EQ(pipe.producer().position, pipe.consumer().position);
    }
};

TEST_P(mapped_streams, copy_raw_bytes) {
    run(pipe_mode::raw, 500'000, true);
}
TEST_P(mapped_streams, show_raw_bytes) {
    run(pipe_mode::raw, 500'000, false);
}
TEST_P(mapped_streams, copy_messages) {
    run(pipe_mode::message, 500'000, true);
}
TEST_P(mapped_streams, show_messages) {
    run(pipe_mode::message, 500'000, false);
}

// On one processor nobody looks twice: there they sleep and wake.
INSTANTIATE_TEST_SUITE_P(on, mapped_streams, ::testing::Values(1U, 2U), [](const auto& info) {
    return std::to_string(info.param) + "_processors";
});

TEST(mapped_spins, look_for_a_while_before_they_sleep_and_longer_where_it_helped) {
    fake_kernel kernel;
    kernel.allowed_processors = 2;
    fake_mapped_pipe pipe(kernel, pipe_mode::raw);
    mapped_receiver in(pipe.take_receiver());
    std::array<std::byte, 1> one{};
    pipe.on_wait = [](pipe_end, const ::ipcshim_pipe_wait&) { return -ETIMEDOUT; };
    std::error_code error;
    static_cast<void>(in.read(one, deadline(1ns), error));
    EXPECT_EQ(error, std::errc::timed_out);
    EXPECT_EQ(pipe.waits, 1) << "it gives up looking";
    // One that ends is seen by looking alone.
    pipe.end_of(pipe_end::sender);
    EXPECT_TRUE(in.read(one).closed());
    EXPECT_EQ(pipe.waits, 1);
}

} // namespace
