// SPDX-License-Identifier: MIT
//
// The two ends of a pipe: reading, writing, handing over, owning.
#include <gtest/gtest.h>

#include <fcntl.h>

#include <array>
#include <chrono>
#include <cstring>
#include <utility>

#include "fake_kernel.hpp"

namespace {

using namespace ipcshim;
using namespace ipcshim::test;
using namespace std::chrono_literals;

class pipe_ends : public ::testing::Test {
protected:
    ~pipe_ends() override {
        writer.close();
        reader.close();
        EXPECT_TRUE(kernel.open_fds().empty()) << "a descriptor leaked";
        EXPECT_EQ(kernel.bad_closes(), 0) << "a descriptor was closed twice";
    }

    // Both transfers answer this, after the function filled in the results.
    void answer_io(int answer, const std::function<void(::ipcshim_pipe_io&)>& fill = {}) {
        const auto reply = [this, answer, fill](int, ::ipcshim_pipe_io& raw) {
            asked = raw;
            if (fill) {
                fill(raw);
            }
            return answer;
        };
        kernel.on<::ipcshim_pipe_io>(IPCSHIM_PIPE_WRITE, reply);
        kernel.on<::ipcshim_pipe_io>(IPCSHIM_PIPE_READ, reply);
    }

    fake_kernel kernel;
    sender writer{detail::handle(kernel, kernel.make_fd()), pipe_mode::raw};
    receiver reader{detail::handle(kernel, kernel.make_fd()), pipe_mode::message};
    ::ipcshim_pipe_io asked{};
    std::array<std::byte, 32> buffer{};
};

TEST_F(pipe_ends, write_passes_address_size_and_mode) {
    answer_io(0, [](::ipcshim_pipe_io& raw) { raw.moved = raw.size; });
    const io_result result = writer.write(buffer, io_mode::fail);
    EXPECT_EQ(result.moved(), buffer.size());
    EXPECT_EQ(asked.buffer, reinterpret_cast<std::uintptr_t>(buffer.data()));
    EXPECT_EQ(asked.size, buffer.size());
    EXPECT_EQ(asked.mode, static_cast<std::uint32_t>(IPCSHIM_IO_FAIL));
    EXPECT_EQ(asked.deadline, 0U);
    EXPECT_EQ(asked.flags, 0U);
    EXPECT_EQ(asked.reserved, 0U);
}

TEST_F(pipe_ends, a_deadline_goes_with_mode_all_as_absolute_nanoseconds) {
    answer_io(0);
    (void)reader.read(buffer, deadline(123456789ns));
    EXPECT_EQ(asked.deadline, 123456789U);
    EXPECT_EQ(asked.mode, static_cast<std::uint32_t>(IPCSHIM_IO_ALL));
}

TEST_F(pipe_ends, a_closed_and_drained_pipe_is_no_error_for_a_reader) {
    answer_io(0, [](::ipcshim_pipe_io& raw) { raw.cause = IPCSHIM_CAUSE_CLOSED; });
    const io_result result = reader.read(buffer);
    EXPECT_TRUE(result.closed());
    EXPECT_EQ(result.moved(), 0U);
}

TEST_F(pipe_ends, eagain_locked_names_the_process_that_writes) {
    answer_io(-EAGAIN, [](::ipcshim_pipe_io& raw) {
        raw.cause = IPCSHIM_CAUSE_LOCKED;
        raw.pid = 812;
    });
    const std::string text = thrown<io_error>([&] { writer.write(buffer, io_mode::fail); });
    EXPECT_NE(text.find("cannot write 32 bytes to the pipe: process 812 is writing"),
              std::string::npos)
        << text;
}

TEST_F(pipe_ends, eagain_full_says_how_many_bytes_are_missing) {
    answer_io(-EAGAIN, [](::ipcshim_pipe_io& raw) {
        raw.cause = IPCSHIM_CAUSE_FULL;
        raw.lacks = 11;
    });
    const std::string text = thrown<io_error>([&] { writer.write(buffer, io_mode::fail); });
    EXPECT_NE(text.find("11 bytes of room are missing"), std::string::npos) << text;
}

TEST_F(pipe_ends, the_exception_carries_the_result) {
    answer_io(-ETIMEDOUT, [](::ipcshim_pipe_io& raw) {
        raw.cause = IPCSHIM_CAUSE_DEADLINE;
        raw.moved = 5;
    });
    try {
        writer.write(buffer, deadline::clock::now());
        FAIL() << "nothing was thrown";
    } catch (const io_error& error) {
        EXPECT_EQ(error.code(), std::errc::timed_out);
        EXPECT_EQ(error.result().moved(), 5U);
        EXPECT_EQ(error.result().cause(), cause::deadline);
        EXPECT_NE(std::string(error.what()).find("the deadline passed when 5 bytes had moved"),
                  std::string::npos)
            << error.what();
    }
}

TEST_F(pipe_ends, the_twin_answers_errno_and_result_and_does_not_throw) {
    answer_io(-EAGAIN, [](::ipcshim_pipe_io& raw) {
        raw.cause = IPCSHIM_CAUSE_EMPTY;
        raw.lacks = 32;
    });
    std::error_code error;
    const io_result result = reader.read(buffer, io_mode::fail, error);
    EXPECT_EQ(error, std::errc::resource_unavailable_try_again);
    EXPECT_EQ(result.cause(), cause::empty);
    EXPECT_EQ(result.lacks(), 32U);
    static_assert(noexcept(reader.read(buffer, io_mode::fail, error)));
    static_assert(noexcept(writer.write(buffer, no_deadline, error)));
}

TEST_F(pipe_ends, eintr_is_told_and_not_hidden_by_trying_again) {
    answer_io(-EINTR);
    EXPECT_EQ(thrown_errno([&] { writer.write(buffer); }), EINTR);
    EXPECT_EQ(kernel.ioctl_count[IPCSHIM_PIPE_WRITE], 1);
}

TEST_F(pipe_ends, a_short_write_after_a_signal_is_success_with_its_cause) {
    answer_io(0, [](::ipcshim_pipe_io& raw) {
        raw.moved = 3;
        raw.cause = IPCSHIM_CAUSE_SIGNAL;
    });
    const io_result result = writer.write(buffer);
    EXPECT_EQ(result.moved(), 3U);
    EXPECT_EQ(result.cause(), cause::signal);
}

TEST_F(pipe_ends, epipe_in_mid_write_says_how_much_had_moved) {
    answer_io(-EPIPE, [](::ipcshim_pipe_io& raw) {
        raw.moved = 9;
        raw.cause = IPCSHIM_CAUSE_CLOSED;
    });
    const std::string text = thrown<io_error>([&] { writer.write(buffer); });
    EXPECT_NE(text.find("the pipe was closed when 9 bytes had moved"), std::string::npos) << text;
}

TEST_F(pipe_ends, a_count_beyond_the_buffer_is_clamped) {
    answer_io(0, [](::ipcshim_pipe_io& raw) { raw.moved = 1ULL << 40; });
    EXPECT_EQ(reader.read(buffer).moved(), buffer.size());
}

// A message of this length waits; a buffer too small is refused.
void answer_message(fake_kernel& kernel, const std::string& message) {
    kernel.on<::ipcshim_pipe_io>(IPCSHIM_PIPE_READ, [message](int, ::ipcshim_pipe_io& raw) {
        raw.remains = message.size();
        if (raw.size < message.size()) {
            raw.cause = IPCSHIM_CAUSE_TOO_LONG;
            return -EMSGSIZE;
        }
        std::memcpy(reinterpret_cast<void*>(static_cast<std::uintptr_t>(raw.buffer)),
                    message.data(), message.size());
        raw.moved = message.size();
        return 0;
    });
}

TEST_F(pipe_ends, read_message_makes_the_container_as_long_as_the_message) {
    answer_message(kernel, "short");
    std::string message = "something else that was here before";
    EXPECT_TRUE(reader.read_message(message));
    EXPECT_EQ(message, "short");
}

TEST_F(pipe_ends, read_message_grows_for_a_long_message) {
    answer_message(kernel, std::string(60000, 'x'));
    std::string message;
    EXPECT_TRUE(reader.read_message(message));
    EXPECT_EQ(message, std::string(60000, 'x'));
    EXPECT_EQ(kernel.ioctl_count[IPCSHIM_PIPE_READ], 2);
    std::vector<std::byte> bytes;
    EXPECT_TRUE(reader.read_message(bytes));
    EXPECT_EQ(bytes.size(), 60000U);
}

TEST_F(pipe_ends, read_message_does_not_believe_an_absurd_length) {
    answer_io(-EMSGSIZE, [](::ipcshim_pipe_io& raw) { raw.remains = 1ULL << 50; });
    std::string message;
    EXPECT_EQ(thrown_errno([&] { (void)reader.read_message(message); }), EMSGSIZE);
    EXPECT_LE(message.capacity(), 2 * message_max);
    EXPECT_TRUE(message.empty());
}

TEST_F(pipe_ends, read_message_answers_false_when_closed_and_drained) {
    answer_io(0, [](::ipcshim_pipe_io& raw) { raw.cause = IPCSHIM_CAUSE_CLOSED; });
    std::string message = "old";
    EXPECT_FALSE(reader.read_message(message));
    EXPECT_TRUE(message.empty());
}

TEST_F(pipe_ends, read_message_of_a_raw_pipe_is_einval) {
    const receiver raw(detail::handle(kernel, kernel.make_fd()), pipe_mode::raw);
    std::string message;
    EXPECT_EQ(thrown_errno([&] { (void)raw.read_message(message); }), EINVAL);
}

TEST_F(pipe_ends, send_to_passes_its_parameters_and_gives_the_token) {
    ::ipcshim_send_pipe seen{};
    kernel.on<::ipcshim_send_pipe>(IPCSHIM_SEND_PIPE, [&](int, ::ipcshim_send_pipe& raw) {
        seen = raw;
        raw.token = 66;
        return 0;
    });
    EXPECT_EQ(writer.send_to(12, {.command = 3, .size_hint = 4, .announce = false}), token{66});
    EXPECT_EQ(seen.pid, 12U);
    EXPECT_EQ(seen.flags, IPCSHIM_OPEN_SKIP);
    EXPECT_EQ(seen.command, 3);
    EXPECT_EQ(seen.size_hint, 4U);
    (void)writer.send_to(12);
    EXPECT_EQ(seen.flags, 0U);
}

TEST_F(pipe_ends, send_to_pid_zero_is_einval) {
    EXPECT_EQ(thrown_errno([&] { writer.send_to(0); }), EINVAL);
    EXPECT_EQ(kernel.ioctl_count[IPCSHIM_SEND_PIPE], 0);
}

TEST_F(pipe_ends, close_pipe_again_is_epipe_and_the_descriptor_stays) {
    kernel.refuse(IPCSHIM_CLOSE_PIPE, EPIPE);
    EXPECT_EQ(thrown_errno([&] { writer.close_pipe(); }), EPIPE);
    EXPECT_TRUE(writer.is_open());
}

TEST_F(pipe_ends, set_nonblocking_changes_that_flag_only) {
    int flags = O_WRONLY | O_APPEND;
    kernel.on_fcntl = [&](int, int command, int argument) {
        if (command == F_SETFL) {
            flags = argument;
            return 0;
        }
        return flags;
    };
    writer.set_nonblocking(true);
    EXPECT_EQ(flags, O_WRONLY | O_APPEND | O_NONBLOCK);
    EXPECT_TRUE(writer.nonblocking());
    writer.set_nonblocking(false);
    EXPECT_EQ(flags, O_WRONLY | O_APPEND);
    EXPECT_FALSE(writer.nonblocking());
}

TEST_F(pipe_ends, every_call_on_a_closed_end_throws_logic_error) {
    const receiver closed;
    std::string message;
    EXPECT_THROW((void)closed.fd(), std::logic_error);
    EXPECT_THROW((void)closed.info(), std::logic_error);
    EXPECT_THROW((void)closed.send_to(1), std::logic_error);
    EXPECT_THROW(closed.close_pipe(), std::logic_error);
    EXPECT_THROW((void)closed.nonblocking(), std::logic_error);
    EXPECT_THROW(closed.set_nonblocking(true), std::logic_error);
    EXPECT_THROW((void)closed.read(buffer), std::logic_error);
    EXPECT_THROW((void)closed.read(buffer, no_deadline), std::logic_error);
    EXPECT_THROW((void)closed.read_message(message), std::logic_error);
    EXPECT_THROW(sender().write(buffer), std::logic_error);
    EXPECT_THROW((void)sender().release(), std::logic_error);
}

TEST_F(pipe_ends, every_twin_on_a_moved_from_end_answers_ebadf) {
    sender moved = std::move(writer);
    std::error_code error;
    // NOLINTBEGIN(bugprone-use-after-move): that is the test
    EXPECT_EQ(writer.write(buffer, io_mode::all, error).moved(), 0U);
    EXPECT_EQ(std::exchange(error, {}), std::errc::bad_file_descriptor);
    (void)writer.info(error);
    EXPECT_EQ(std::exchange(error, {}), std::errc::bad_file_descriptor);
    EXPECT_EQ(writer.send_to(1, {}, error), no_token);
    EXPECT_EQ(std::exchange(error, {}), std::errc::bad_file_descriptor);
    writer.close_pipe(error);
    EXPECT_EQ(std::exchange(error, {}), std::errc::bad_file_descriptor);
    // NOLINTEND(bugprone-use-after-move)
    EXPECT_TRUE(moved.is_open());
}

TEST_F(pipe_ends, adopt_fd_checks_which_end_it_is) {
    std::uint32_t flags = IPCSHIM_INFO_SENDER | IPCSHIM_INFO_MESSAGE;
    kernel.on<::ipcshim_pipe_info>(IPCSHIM_PIPE_INFO, [&](int, ::ipcshim_pipe_info& raw) {
        raw.flags = flags;
        return 0;
    });
    const int fd = kernel.make_fd();
    EXPECT_EQ(thrown_errno([&] { (void)receiver(adopt_fd, fd, kernel); }), EINVAL);
    EXPECT_TRUE(kernel.open_fds().contains(fd)) << "it must stay the caller's";
    const sender adopted(adopt_fd, fd, kernel);
    EXPECT_EQ(adopted.fd(), fd);
    EXPECT_EQ(adopted.mode(), pipe_mode::message);
}

TEST_F(pipe_ends, adopt_fd_of_another_file_is_enotty) {
    kernel.refuse(IPCSHIM_PIPE_INFO, ENOTTY);
    const int fd = kernel.make_fd();
    EXPECT_EQ(thrown_errno([&] { (void)sender(adopt_fd, fd, kernel); }), ENOTTY);
    kernel.close(fd);
}

} // namespace
