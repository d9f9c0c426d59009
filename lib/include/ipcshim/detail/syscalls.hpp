// SPDX-License-Identifier: MIT
#ifndef IPCSHIM_DETAIL_SYSCALLS_HPP
#define IPCSHIM_DETAIL_SYSCALLS_HPP

#include <poll.h>
#include <signal.h> // NOLINT(modernize-deprecated-headers): sigaction, siginfo_t
#include <sys/epoll.h>
#include <sys/stat.h>
#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <ctime>
#include <span>

#include <ipcshim/detail/export.hpp>

namespace ipcshim::detail {

struct child_plan;
struct child_failure;

/// The seam between the library and the kernel: every system call of the
/// library goes through here, so that tests need no device.
///
/// Not part of the promised interface; a program that only uses ports and pipes
/// never names it. Each call answers what the system call does, but a failure
/// is the negative errno instead of -1. Implementations are thread-safe and
/// outlive every object that they were given to.
class IPCSHIM_API syscalls {
public:
    syscalls() = default;
    syscalls(const syscalls&) = delete;
    syscalls(syscalls&&) = delete;
    syscalls& operator=(const syscalls&) = delete;
    syscalls& operator=(syscalls&&) = delete;
    virtual ~syscalls() = default;

    virtual int open(const char* path, int flags) noexcept = 0;
    virtual int close(int fd) noexcept = 0;
    virtual int ioctl(int fd, unsigned long request, void* argument) noexcept = 0;
    virtual ssize_t read(int fd, void* buffer, std::size_t size) noexcept = 0;
    virtual ssize_t write(int fd, const void* buffer, std::size_t size) noexcept = 0;
    /// ppoll without a signal mask; no timeout waits for ever.
    virtual int poll(std::span<pollfd> entries, const timespec* timeout) noexcept = 0;
    /// The address is [in] what is asked for or null, [out] what it became.
    virtual int mmap(void*& address, std::size_t size, int protection, int flags, int fd,
                     std::uint64_t offset) noexcept = 0;
    virtual int munmap(void* address, std::size_t size) noexcept = 0;
    /// Copies within this process, where a page that is gone is EFAULT, or less
    /// than the size, and no signal. \return bytes
    virtual ssize_t copy(void* to, const void* from, std::size_t size) noexcept = 0;
    virtual std::size_t page_size() noexcept = 0;
    virtual int fcntl(int fd, int command, int argument) noexcept = 0;
    virtual int eventfd() noexcept = 0;
    virtual int epoll_create() noexcept = 0;
    virtual int epoll_ctl(int set, int operation, int fd, ::epoll_event wanted) noexcept = 0;
    /// No timeout waits for ever.
    virtual int epoll_wait(int set, std::span<::epoll_event> found,
                           const timespec* timeout) noexcept = 0;
    virtual int signalfd(const sigset_t& signals) noexcept = 0;
    virtual int signal_mask(int how, const sigset_t* change, sigset_t* previous) noexcept = 0;
    virtual int sigtimedwait(const sigset_t& signals, siginfo_t& info,
                             const timespec* timeout) noexcept = 0;
    virtual int sigaction(int signo, const struct ::sigaction* action,
                          struct ::sigaction* previous) noexcept = 0;
    virtual pid_t gettid() noexcept = 0;
    virtual pid_t getpid() noexcept = 0;
    /// On how many processors this thread may run.
    virtual unsigned processors() noexcept = 0;
    virtual int fstat(int fd, struct ::stat& found) noexcept = 0;
    /// Starts a process as start_child.hpp says. \return its pid
    virtual pid_t start(const child_plan& plan, int& pidfd, child_failure& failure) noexcept = 0;
    /// waitid(P_PIDFD); info.si_pid is 0 if there was nothing to tell of yet.
    virtual int wait_child(int pidfd, siginfo_t& info, int options) noexcept = 0;
    virtual int signal_child(int pidfd, int signo) noexcept = 0;
    /// Waits for a child in a thread of its own. Takes the pidfd over.
    virtual void reap_later(int pidfd) noexcept = 0;
};

/// The real kernel. It has no state; the same object every time.
[[nodiscard]] IPCSHIM_API syscalls& real_syscalls() noexcept;

} // namespace ipcshim::detail

#endif
