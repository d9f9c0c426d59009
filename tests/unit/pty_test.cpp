// SPDX-License-Identifier: MIT
//
// The master and the slave of a pseudo terminal, one call after another.
#include <gtest/gtest.h>

#include <fcntl.h>
#include <sys/ioctl.h>

#include <array>
#include <csignal>
#include <sstream>
#include <utility>

#include "fake_kernel.hpp"

namespace {

using namespace ipcshim;
using namespace ipcshim::test;

class pty_calls : public ::testing::Test {
protected:
    ~pty_calls() override {
        master.close();
        EXPECT_TRUE(kernel.open_fds().empty()) << "a descriptor leaked";
        EXPECT_EQ(kernel.bad_closes(), 0) << "a descriptor was closed twice";
    }

    fake_kernel kernel;
    pty master{detail::handle(kernel, kernel.make_fd()),
               {.index = 3, .inode = 41, .slave_inode = 42}};
    std::array<std::byte, 16> buffer{};
};

TEST_F(pty_calls, read_answers_the_bytes_that_came) {
    kernel.on_read = [&](int fd, void* to, std::size_t size) -> ssize_t {
        EXPECT_EQ(fd, master.fd());
        EXPECT_EQ(to, buffer.data());
        EXPECT_EQ(size, buffer.size());
        return 5;
    };
    EXPECT_EQ(master.read(buffer), 5U);
}

TEST_F(pty_calls, a_closed_slave_reads_as_the_end_and_is_no_error) {
    kernel.on_read = [](int, void*, std::size_t) { return -EIO; };
    EXPECT_EQ(master.read(buffer), 0U);
    std::error_code error = std::make_error_code(std::errc::io_error);
    EXPECT_EQ(master.read(buffer, error), 0U);
    EXPECT_FALSE(error);
}

TEST_F(pty_calls, read_tells_that_nothing_is_there_or_a_signal_came) {
    kernel.on_read = [](int, void*, std::size_t) { return -EAGAIN; };
    const std::string text = thrown<std::system_error>([&] { (void)master.read(buffer); });
    EXPECT_TRUE(text.starts_with("cannot read from the master of /dev/ttyIPC3: nothing is there"))
        << text;
    kernel.on_read = [](int, void*, std::size_t) { return -EINTR; };
    EXPECT_EQ(thrown_errno([&] { (void)master.read(buffer); }), EINTR);
}

TEST_F(pty_calls, write_answers_what_moved) {
    kernel.on_write = [&](int fd, const void*, std::size_t size) -> ssize_t {
        EXPECT_EQ(fd, master.fd());
        EXPECT_EQ(size, 3U);
        return 2; // a signal came, or there was no more room
    };
    EXPECT_EQ(master.write(bytes_of("abc")), 2U);
    kernel.on_write = [](int, const void*, std::size_t) { return -EAGAIN; };
    const std::string text =
        thrown<std::system_error>([&] { (void)master.write(bytes_of("abc")); });
    EXPECT_TRUE(text.starts_with("cannot write 3 bytes to /dev/ttyIPC3: ")) << text;
    std::error_code error;
    EXPECT_EQ(master.write(bytes_of("abc"), error), 0U);
    EXPECT_EQ(error, std::errc::resource_unavailable_try_again);
}

TEST_F(pty_calls, a_closed_master_is_a_logic_error_and_ebadf) {
    pty closed;
    EXPECT_THROW((void)closed.fd(), std::logic_error);
    EXPECT_THROW((void)closed.read(buffer), std::logic_error);
    EXPECT_THROW((void)closed.write(bytes_of("a")), std::logic_error);
    EXPECT_THROW((void)closed.size(), std::logic_error);
    EXPECT_THROW((void)closed.open_slave(), std::logic_error);
    EXPECT_THROW((void)closed.spawn({.arguments = {"true"}}), std::logic_error);
    std::error_code error;
    (void)closed.read(buffer, error);
    EXPECT_EQ(error, std::errc::bad_file_descriptor);
    error.clear();
    (void)closed.write(bytes_of("a"), error);
    EXPECT_EQ(error, std::errc::bad_file_descriptor);
    error.clear();
    (void)closed.open_slave(false, error);
    EXPECT_EQ(error, std::errc::bad_file_descriptor);
    error.clear();
    (void)closed.send_to(1, {}, error);
    EXPECT_EQ(error, std::errc::bad_file_descriptor);
    error.clear();
    closed.resize({}, error);
    EXPECT_EQ(error, std::errc::bad_file_descriptor);
}

TEST_F(pty_calls, size_goes_both_ways_field_by_field) {
    ::winsize kept{};
    kernel.on<::winsize>(TIOCSWINSZ, [&](int, ::winsize& raw) {
        kept = raw;
        return 0;
    });
    kernel.on<::winsize>(TIOCGWINSZ, [&](int, ::winsize& raw) {
        raw = kept;
        return 0;
    });
    const window_size wanted{.rows = 1, .columns = 2, .x_pixels = 3, .y_pixels = 4};
    master.resize(wanted);
    EXPECT_EQ(kept.ws_row, 1);
    EXPECT_EQ(kept.ws_col, 2);
    EXPECT_EQ(kept.ws_xpixel, 3);
    EXPECT_EQ(kept.ws_ypixel, 4);
    EXPECT_EQ(master.size(), wanted);
    pty_slave slave(detail::handle(kernel, kernel.make_fd()), 3, 42);
    EXPECT_EQ(slave.size(), wanted);
    slave.resize({.rows = 9});
    EXPECT_EQ(master.size(), (window_size{.rows = 9}));
}

TEST_F(pty_calls, packet_mode_lock_and_signal_pass_their_numbers) {
    std::vector<int> told;
    const auto remember = [&](int, int& value) {
        told.push_back(value);
        return 0;
    };
    kernel.on<int>(TIOCPKT, remember);
    kernel.on<int>(TIOCSPTLCK, remember);
    kernel.on_number(TIOCSIG, [&](int, std::uintptr_t signo) {
        told.push_back(static_cast<int>(signo));
        return 0;
    });
    master.set_packet_mode(true);
    master.set_packet_mode(false);
    master.lock();
    master.unlock();
    master.signal_foreground(SIGQUIT);
    EXPECT_EQ(told, (std::vector<int>{1, 0, 1, 0, SIGQUIT}));
    int locked = 1;
    kernel.on<int>(TIOCGPTLCK, [&](int, int& value) {
        value = locked;
        return 0;
    });
    EXPECT_TRUE(master.is_locked());
    locked = 0;
    EXPECT_FALSE(master.is_locked());
}

TEST_F(pty_calls, a_signal_that_no_key_stands_for_is_told_with_what_to_do) {
    kernel.refuse(TIOCSIG, EINVAL);
    const std::string text = thrown<std::system_error>([&] { master.signal_foreground(SIGKILL); });
    EXPECT_NE(text.find("it must be SIGINT, SIGQUIT or SIGTSTP"), std::string::npos) << text;
}

TEST_F(pty_calls, a_terminal_of_no_session_has_no_foreground) {
    pid_t told = 77;
    kernel.on<pid_t>(TIOCGPGRP, [&](int, pid_t& group) {
        group = told;
        return 0;
    });
    EXPECT_EQ(master.foreground(), 77);
    told = 0;
    EXPECT_EQ(master.foreground(), 0);
    kernel.refuse(TIOCGPGRP, EIO);
    EXPECT_EQ(thrown_errno([&] { (void)master.foreground(); }), EIO);
}

TEST_F(pty_calls, nonblock_is_set_without_touching_other_flags) {
    int flags = O_RDWR | O_ASYNC;
    kernel.on_fcntl = [&](int, int command, int argument) {
        if (command == F_SETFL) {
            flags = argument;
            return 0;
        }
        return flags;
    };
    EXPECT_FALSE(master.nonblocking());
    master.set_nonblocking(true);
    EXPECT_EQ(flags, O_RDWR | O_ASYNC | O_NONBLOCK);
    EXPECT_TRUE(master.nonblocking());
    master.set_nonblocking(false);
    EXPECT_EQ(flags, O_RDWR | O_ASYNC);
}

TEST_F(pty_calls, open_slave_never_takes_a_controlling_terminal_and_never_leaks) {
    std::uintptr_t flags = 0;
    kernel.on_number(TIOCGPTPEER, [&](int fd, std::uintptr_t with) {
        EXPECT_EQ(fd, master.fd());
        flags = with;
        return kernel.make_fd();
    });
    const pty_slave slave = master.open_slave();
    EXPECT_EQ(flags, unsigned{O_RDWR | O_NOCTTY | O_CLOEXEC});
    EXPECT_EQ(slave.index(), 3U);
    EXPECT_EQ(slave.inode(), 42U);
    EXPECT_EQ(slave.path(), "/dev/ttyIPC3");
    EXPECT_NE(slave.fd(), master.fd());
    (void)master.open_slave(true);
    EXPECT_EQ(flags, unsigned{O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK});
}

TEST_F(pty_calls, a_locked_slave_says_to_unlock_it) {
    kernel.refuse(TIOCGPTPEER, EIO);
    const std::string text = thrown<std::system_error>([&] { (void)master.open_slave(); });
    EXPECT_EQ(text, "cannot open /dev/ttyIPC3: it is locked; unlock() it first: " +
                        std::string("Input/output error"));
}

TEST_F(pty_calls, send_passes_pid_command_and_whether_to_announce) {
    ::ipcshim_send_pty asked{};
    kernel.on<::ipcshim_send_pty>(IPCSHIM_SEND_PTY, [&](int, ::ipcshim_send_pty& raw) {
        asked = raw;
        raw.token = 99;
        return 0;
    });
    EXPECT_EQ(master.send_to(12, {.command = 7}), token{99});
    EXPECT_EQ(asked.pid, 12U);
    EXPECT_EQ(asked.command, 7);
    EXPECT_EQ(asked.flags, 0U);
    EXPECT_EQ(asked.reserved[0] + asked.reserved[1] + asked.reserved[2], 0);
    (void)master.send_to(12, {.announce = false});
    EXPECT_EQ(asked.flags, unsigned{IPCSHIM_OPEN_SKIP});
    kernel.refuse(IPCSHIM_SEND_PTY, ECONNREFUSED);
    const std::string text = thrown<std::system_error>([&] { (void)master.send_to(12); });
    EXPECT_TRUE(text.starts_with("cannot hand the pseudo terminal to process 12: it has no port "
                                 "that handles recv_pty"))
        << text;
}

TEST_F(pty_calls, nobody_has_the_pid_0_or_less) {
    EXPECT_EQ(thrown_errno([&] { (void)master.send_to(0); }), EINVAL);
    EXPECT_EQ(thrown_errno([&] { (void)master.send_to(-5); }), EINVAL);
    EXPECT_EQ(kernel.ioctl_count[IPCSHIM_SEND_PTY], 0);
}

TEST_F(pty_calls, adopting_asks_what_it_is_and_does_nothing_to_it) {
    const int fd = kernel.make_fd();
    kernel.on<::ipcshim_send_pty>(IPCSHIM_SEND_PTY, [](int, ::ipcshim_send_pty& raw) {
        EXPECT_EQ(raw.pid, 0U) << "nobody is to get anything";
        return -EINVAL;
    });
    kernel.on<unsigned>(TIOCGPTN, [](int, unsigned& index) {
        index = 5;
        return 0;
    });
    kernel.on_fstat = [](int asked, struct ::stat& found) {
        found.st_ino = static_cast<ino_t>(asked) + 1000;
        return 0;
    };
    const pty adopted(adopt_fd, fd, kernel);
    EXPECT_EQ(adopted.fd(), fd);
    EXPECT_EQ(adopted.index(), 5U);
    EXPECT_EQ(adopted.inode(), static_cast<std::uint64_t>(fd) + 1000);
    EXPECT_EQ(adopted.slave_inode(), 0U);
    int opened = -1;
    kernel.on_number(TIOCGPTPEER, [&](int, std::uintptr_t) { return opened = kernel.make_fd(); });
    const pty_slave slave = adopted.open_slave();
    EXPECT_EQ(slave.inode(), static_cast<std::uint64_t>(opened) + 1000) << "it must ask for it";
}

TEST_F(pty_calls, what_is_no_master_stays_the_callers) {
    const int fd = kernel.make_fd();
    kernel.refuse(IPCSHIM_SEND_PTY, ENOTTY); // a pty of devpts
    kernel.on<unsigned>(TIOCGPTN, [](int, unsigned&) { return 0; });
    kernel.on_fstat = [](int, struct ::stat&) { return 0; };
    const std::string text = thrown<std::system_error>([&] { const pty no(adopt_fd, fd, kernel); });
    EXPECT_NE(text.find("as a pty: it is nothing that ipcshim made"), std::string::npos) << text;
    EXPECT_TRUE(kernel.open_fds().contains(fd));
    kernel.close(fd);
}

TEST_F(pty_calls, a_slave_that_cannot_be_asked_is_closed_again) {
    const pty adopted(detail::handle(kernel, kernel.make_fd()), {.index = 5, .inode = 6});
    kernel.on_number(TIOCGPTPEER, [&](int, std::uintptr_t) { return kernel.make_fd(); });
    kernel.on_fstat = [](int, struct ::stat&) { return -EOVERFLOW; };
    EXPECT_EQ(thrown_errno([&] { (void)adopted.open_slave(); }), EOVERFLOW);
    EXPECT_EQ(kernel.open_fds().size(), 2U) << "the two masters";
}

TEST_F(pty_calls, a_move_leaves_the_source_closed_and_one_owner) {
    const int fd = master.fd();
    pty other = std::move(master);
    EXPECT_EQ(other.fd(), fd);
    EXPECT_FALSE(master.is_open()); // NOLINT(bugprone-use-after-move): that is the test
    EXPECT_EQ(kernel.open_fds().size(), 1U);
    EXPECT_EQ(other.release(), fd);
    EXPECT_FALSE(other);
    EXPECT_TRUE(kernel.open_fds().contains(fd));
    kernel.close(fd);
}

TEST_F(pty_calls, a_slave_owns_its_descriptor) {
    const int fd = kernel.make_fd();
    pty_slave slave(detail::handle(kernel, fd), 3, 42);
    pty_slave other = std::move(slave);
    EXPECT_THROW((void)slave.fd(), std::logic_error); // NOLINT(bugprone-use-after-move)
    EXPECT_EQ(other.fd(), fd);
    other.close();
    other.close();
    EXPECT_THROW((void)other.size(), std::logic_error);
    EXPECT_THROW((void)other.release(), std::logic_error);
}

TEST_F(pty_calls, print_their_paths) {
    std::ostringstream out;
    out << master << ", " << pty_slave(detail::handle(kernel, kernel.make_fd()), 3, 42) << ", "
        << pty() << ", " << pty_slave();
    EXPECT_EQ(out.str(), "master of /dev/ttyIPC3, slave /dev/ttyIPC3, closed pty, closed slave");
}

} // namespace
