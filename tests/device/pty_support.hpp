// SPDX-License-Identifier: MIT
//
// What the tests of pseudo terminals share: a pair of the module or of devpts,
// so that one test shows that both behave alike; termios; the state of whoever
// waits; sessions and their signals.
#ifndef IPCSHIM_TESTS_DEVICE_PTY_SUPPORT_HPP
#define IPCSHIM_TESTS_DEVICE_PTY_SUPPORT_HPP

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <termios.h>

#include <array>
#include <atomic>
#include <csignal>
#include <initializer_list>
#include <string_view>
#include <thread>

#include "support.hpp"

namespace test {

// Whose pair: the module's, or the kernel's own, which says what is expected.
enum class pty_kind { module, devpts };

inline constexpr int slave_flags = O_RDWR | O_NOCTTY | O_CLOEXEC;

// A master, and one open of its slave if it is wanted. Both can be closed at
// any time by resetting them.
struct terminal {
    explicit terminal(pty_kind kind, bool with_slave = true, winsize size = {});

    // Opens the slave without a path, or by its node; throws where it fails.
    [[nodiscard]] unique_fd peer(int flags = slave_flags) const;
    [[nodiscard]] unique_fd node(int flags = slave_flags) const;
    // The errno of such an open that is closed at once, 0 if it succeeded.
    [[nodiscard]] int peer_error(int flags = slave_flags) const;
    [[nodiscard]] int node_error(int flags = slave_flags) const;

    pty_kind kind;
    unique_fd master;
    unsigned int index = 0;
    std::string path;
    ipcshim_open_pty args{}; // of the module's only
    unique_fd slave;
};

// A suite whose parameter is the kind of pair.
class pty_test : public ::testing::TestWithParam<pty_kind> {};

// Of devpts, but not on the sanitised kernel, which is for the module.
[[nodiscard]] std::vector<pty_kind> reference_kinds();

// All tests of such a suite on a pair of the module and on one of devpts.
#define ON_BOTH_KINDS_OF_PTY(suite)                                                                \
    INSTANTIATE_TEST_SUITE_P(, suite, ::testing::Values(::test::pty_kind::module),                 \
                             [](const auto&) { return "ours"; });                                  \
    INSTANTIATE_TEST_SUITE_P(Reference, suite, ::testing::ValuesIn(::test::reference_kinds()),     \
                             [](const auto&) { return "devpts"; })

// --- termios ------------------------------------------------------------------

[[nodiscard]] termios attributes(int fd);
void set_attributes(int fd, const termios& wanted, int when = TCSANOW);
// Reads them, has the function change them, writes them.
void change(int fd, const std::function<void(termios&)>& how);
void make_raw(int fd);
// Canonical mode and all else as it was, without echo.
void without_echo(int fd);
// All that a program can see is the same.
[[nodiscard]] bool same(const termios& one, const termios& other);

// --- bytes --------------------------------------------------------------------

// Writes all of it, waiting for room.
void put(int fd, std::string_view text);
// So many bytes, waiting for them.
[[nodiscard]] std::string take(int fd, std::size_t size);
// What one read gives; throws where it fails.
[[nodiscard]] std::string take_some(int fd, std::size_t room = 8192);
// The errno of a read of one byte, 0 if it gives any, -1 at the end of a file.
[[nodiscard]] int read_error(int fd);
[[nodiscard]] int write_error(int fd);
// Turns O_NONBLOCK on or off.
void nonblocking(int fd, bool on = true);
// Writes a pattern until there is no room for more, and gives how much it was.
[[nodiscard]] std::size_t fill(int fd, std::uint64_t seed = 0, std::uint64_t from = 0);
// FIONREAD and TIOCOUTQ.
[[nodiscard]] int unread(int fd);
[[nodiscard]] int unsent(int fd);
// An ioctl(2) with an int or with nothing behind it: 0 or the errno.
[[nodiscard]] int ioctl_error(int fd, unsigned long number, int value);

// --- waiting ------------------------------------------------------------------

// What poll(2) says now of all that it can say.
[[nodiscard]] short polled(int fd);
// Waits until poll(2) says one of these.
void wait_for(int fd, short events);
// The thread sleeps in this system call on this descriptor.
[[nodiscard]] bool waits_in(pid_t tid, long call, int fd);
// Returns when it does.
void wait_until_in(pid_t tid, long call, int fd);

// A thread that does something, of which its state can be asked.
class worker final {
public:
    explicit worker(std::function<void()> run);
    worker(const worker&) = delete;
    worker(worker&&) = delete;
    worker& operator=(const worker&) = delete;
    worker& operator=(worker&&) = delete;
    ~worker();
    // Returns when it waits in this system call.
    void wait_until_in(long call, int fd) const { test::wait_until_in(tid_, call, fd); }
    // Returns when it waits, for whatever it is, or has ended.
    void wait_until_idle() const;
    [[nodiscard]] bool has_ended() const noexcept { return ended_; }
    // Waits for its end; throws what it threw.
    void join();

private:
    std::atomic<pid_t> tid_{0};
    std::atomic<bool> ended_{false};
    std::exception_ptr error_;
    std::thread thread_;
};

// --- sessions and signals -----------------------------------------------------

// A process with all that this one has open, but for these two. A word ends it.
[[nodiscard]] process keeper_without(unique_fd& one, unique_fd& other);
// In a process of its own: a session, and this terminal controls it.
void lead_session(int slave);
// Blocks them in this thread, to be taken.
void block(std::initializer_list<int> signals);
// Waits for one of them; 0 at once if none waits and waiting is not wanted.
[[nodiscard]] int take_signal(std::initializer_list<int> signals);
[[nodiscard]] int take_signal_now(std::initializer_list<int> signals);
// Such a signal is pending for the process or its first thread.
[[nodiscard]] bool signal_waits(pid_t pid, int signo);
// Waits until the child has been stopped, and gives by which signal.
[[nodiscard]] int stopped_by(pid_t child);

// Rows, columns, and the two numbers of pixels.
using window = std::array<unsigned short, 4>;
[[nodiscard]] window size_of(int fd);
[[nodiscard]] int resize(int fd, unsigned short rows, unsigned short columns);

} // namespace test

#endif
