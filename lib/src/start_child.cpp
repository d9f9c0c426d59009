// SPDX-License-Identifier: MIT
//
// Between the new process's start and its exec only async-signal-safe calls are
// made: another thread may hold any lock at that moment, and nobody is there to
// release it.
#include "start_child.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <signal.h> // NOLINT(modernize-deprecated-headers): sigprocmask
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstring>

namespace ipcshim::detail {

namespace {

constexpr int report_fd = 3; // where the child tells of failures until it executes
constexpr unsigned first_other_fd = 4;
constexpr int could_not_run = 127; // as shells have it; nobody looks at it

class descriptor final {
public:
    explicit descriptor(int fd) noexcept : fd_(fd) {}
    descriptor(const descriptor&) = delete;
    descriptor(descriptor&&) = delete;
    descriptor& operator=(const descriptor&) = delete;
    descriptor& operator=(descriptor&&) = delete;
    ~descriptor() { close(); }
    [[nodiscard]] int get() const noexcept { return fd_; }
    void close() noexcept {
        if (fd_ >= 0) {
            ::close(fd_);
            fd_ = -1;
        }
    }

private:
    int fd_;
};

// --- in the child ---------------------------------------------------------------

// One of this process's handlers would run in the child: until they are gone
// there all signals are blocked, in the parent already.
// The C library's own two as well, which sigaction(3) refuses: a process may have
// inherited them ignored (posix_spawn(3) leaves them so), and exec keeps that.
void reset_signals() noexcept {
    // Longer than the kernel's structure on any machine: SIG_DFL, no flags, no mask.
    constexpr std::array<unsigned long, 8> standard{}; // NOLINT(google-runtime-int)
    constexpr std::size_t mask_bytes = (_NSIG - 1) / 8;
    for (int signo = 1; signo < _NSIG; ++signo) {
        // SIGKILL's and SIGSTOP's can't be changed, and are never another.
        static_cast<void>(::syscall(SYS_rt_sigaction, signo, standard.data(), nullptr, mask_bytes));
    }
}

void unblock_signals() noexcept {
    sigset_t none;
    sigemptyset(&none);
    ::pthread_sigmask(SIG_SETMASK, &none, nullptr);
}

bool arrange_descriptors(int terminal, int report) noexcept {
    // Off the places that are to be filled, whichever they came as.
    const int here = ::fcntl(terminal, F_DUPFD_CLOEXEC, static_cast<int>(first_other_fd));
    const int told = ::fcntl(report, F_DUPFD_CLOEXEC, static_cast<int>(first_other_fd));
    if (here < 0 || told < 0 || ::dup3(told, report_fd, O_CLOEXEC) < 0) {
        return false;
    }
    for (const int standard : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
        if (::dup2(here, standard) < 0) {
            return false;
        }
    }
    close_from(first_other_fd);
    return true;
}

bool goes_on_after(int error) noexcept {
    return error == ENOENT || error == ENOTDIR || error == EACCES;
}

// \return the errno
int execute(const child_plan& plan) noexcept {
    bool forbidden = false;
    for (const char* const* path = plan.programs; *path != nullptr; ++path) {
        ::execve(*path, plan.arguments, plan.environment);
        if (!goes_on_after(errno)) {
            return errno;
        }
        forbidden = forbidden || errno == EACCES;
    }
    return forbidden ? EACCES : ENOENT;
}

[[noreturn]] void give_up(int report, child_step step, int error) noexcept {
    const child_failure failure{.step = step, .error = error};
    // If nobody hears it, nobody needs it.
    [[maybe_unused]] const ssize_t told = ::write(report, &failure, sizeof(failure));
    ::_exit(could_not_run);
}

[[noreturn]] void become(const child_plan& plan, int report) noexcept {
    reset_signals();
    if (!arrange_descriptors(plan.terminal, report)) {
        give_up(report, child_step::descriptors, errno);
    }
    // That puts the session's process group into the foreground, too.
    if (::setsid() < 0 || ::ioctl(STDIN_FILENO, TIOCSCTTY, 0) < 0) {
        give_up(report_fd, child_step::terminal, errno);
    }
    if (plan.directory != nullptr && ::chdir(plan.directory) < 0) {
        give_up(report_fd, child_step::directory, errno);
    }
    unblock_signals();
    give_up(report_fd, child_step::program, execute(plan));
}

// --- in the parent --------------------------------------------------------------

// As fork(2), but with the pidfd from the first moment on, and without the
// functions that the program wants to have called for each fork.
pid_t fork_process(int& pidfd) noexcept {
    constexpr auto flags = static_cast<unsigned long>(CLONE_PIDFD) |
                           static_cast<unsigned long>(SIGCHLD); // NOLINT(google-runtime-int)
    return static_cast<pid_t>(::syscall(SYS_clone, flags, nullptr, &pidfd, nullptr, nullptr));
}

bool read_report(int fd, child_failure& failure) noexcept {
    ssize_t got = 0;
    do {
        got = ::read(fd, &failure, sizeof(failure));
    } while (got < 0 && errno == EINTR);
    return got == static_cast<ssize_t>(sizeof(failure));
}

void reap(int pidfd) noexcept {
    siginfo_t info{};
    while (::waitid(P_PIDFD, static_cast<id_t>(pidfd), &info, WEXITED) < 0 && errno == EINTR) {
    }
}

pid_t failed_at(child_step step, int error, child_failure& failure) noexcept {
    failure = {.step = step, .error = error};
    return -error;
}

} // namespace

pid_t start_child(const child_plan& plan, int& pidfd, child_failure& failure) noexcept {
    failure = {};
    std::array<int, 2> ends{-1, -1};
    if (::pipe2(ends.data(), O_CLOEXEC) < 0) {
        return failed_at(child_step::process, errno, failure);
    }
    const descriptor heard(ends[0]);
    descriptor told(ends[1]);
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, &before);
    int found = -1;
    const pid_t pid = fork_process(found);
    if (pid == 0) {
        become(plan, told.get());
    }
    const int error = errno;
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
    if (pid < 0) {
        return failed_at(child_step::process, error, failure);
    }
    told.close();
    // Nothing comes when the program runs: exec has closed the other end.
    if (read_report(heard.get(), failure)) {
        reap(found);
        ::close(found);
        return -failure.error;
    }
    failure = {};
    pidfd = found;
    return pid;
}

void close_from(unsigned lowest) noexcept {
    if (::close_range(lowest, ~0U, 0) < 0) {
        close_from_slowly(lowest);
    }
}

void close_from_slowly(unsigned lowest) noexcept {
    const int list = ::open("/proc/self/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (list < 0) {
        constexpr rlim_t most = 1U << 20U; // of the kernel, if nobody has raised that
        struct ::rlimit limit = {};
        const bool known = ::getrlimit(RLIMIT_NOFILE, &limit) == 0;
        const rlim_t end = known ? std::min(limit.rlim_max, most) : most;
        for (rlim_t fd = lowest; fd < end; ++fd) {
            ::close(static_cast<int>(fd));
        }
        return;
    }
    constexpr std::size_t some = 1024;
    alignas(::dirent64) std::array<char, some> entries{};
    for (ssize_t size = 0; (size = ::getdents64(list, entries.data(), entries.size())) > 0;) {
        for (std::size_t at = 0; at < static_cast<std::size_t>(size);) {
            const auto* const entry = reinterpret_cast<const ::dirent64*>(&entries.at(at));
            unsigned fd = 0;
            bool number = true;
            for (const char* digit = &entry->d_name[0]; *digit != '\0'; ++digit) {
                number = number && *digit >= '0' && *digit <= '9';
                fd = fd * 10 + static_cast<unsigned>(*digit - '0');
            }
            if (number && fd >= lowest && fd != static_cast<unsigned>(list)) {
                ::close(static_cast<int>(fd));
            }
            at += entry->d_reclen;
        }
    }
    ::close(list);
}

} // namespace ipcshim::detail
