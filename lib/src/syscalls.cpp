// SPDX-License-Identifier: MIT
#include <ipcshim/detail/syscalls.hpp>

#include <fcntl.h>
#include <sched.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <limits>
#include <thread>

#include "start_child.hpp"

namespace ipcshim::detail {

namespace {

template <typename Result> Result answer(Result result) noexcept {
    return result < 0 ? static_cast<Result>(-errno) : result;
}

class kernel final : public syscalls {
public:
    int open(const char* path, int flags) noexcept override { return answer(::open(path, flags)); }
    int close(int fd) noexcept override { return answer(::close(fd)); }
    int ioctl(int fd, unsigned long request, void* argument) noexcept override {
        return answer(::ioctl(fd, request, argument));
    }
    ssize_t read(int fd, void* buffer, std::size_t size) noexcept override {
        return answer(::read(fd, buffer, size));
    }
    ssize_t write(int fd, const void* buffer, std::size_t size) noexcept override {
        return answer(::write(fd, buffer, size));
    }
    int poll(std::span<pollfd> entries, const timespec* timeout) noexcept override {
        return answer(::ppoll(entries.data(), entries.size(), timeout, nullptr));
    }
    int mmap(void*& address, std::size_t size, int protection, int flags, int fd,
             std::uint64_t offset) noexcept override {
        if (offset > static_cast<std::uint64_t>(std::numeric_limits<off_t>::max())) {
            return -ENXIO;
        }
        void* const mapped =
            ::mmap(address, size, protection, flags, fd, static_cast<off_t>(offset));
        if (mapped == MAP_FAILED) {
            return -errno;
        }
        address = mapped;
        return 0;
    }
    int munmap(void* address, std::size_t size) noexcept override {
        return answer(::munmap(address, size));
    }
    ssize_t copy(void* to, const void* from, std::size_t size) noexcept override {
        const iovec local{.iov_base = to, .iov_len = size};
        // The call only reads there.
        const iovec remote{.iov_base = const_cast<void*>(from), // NOLINT(*-const-cast)
                           .iov_len = size};
        return answer(::process_vm_readv(::getpid(), &local, 1, &remote, 1, 0));
    }
    std::size_t page_size() noexcept override {
        return static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
    }
    int fcntl(int fd, int command, int argument) noexcept override {
        return answer(::fcntl(fd, command, argument));
    }
    int eventfd() noexcept override { return answer(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)); }
    int epoll_create() noexcept override { return answer(::epoll_create1(EPOLL_CLOEXEC)); }
    int epoll_ctl(int set, int operation, int fd, ::epoll_event wanted) noexcept override {
        return answer(::epoll_ctl(set, operation, fd, &wanted));
    }
    int epoll_wait(int set, std::span<::epoll_event> found,
                   const timespec* timeout) noexcept override {
        return answer(
            ::epoll_pwait2(set, found.data(), static_cast<int>(found.size()), timeout, nullptr));
    }
    int signalfd(const sigset_t& signals) noexcept override {
        return answer(::signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK));
    }
    int signal_mask(int how, const sigset_t* change, sigset_t* previous) noexcept override {
        return -::pthread_sigmask(how, change, previous);
    }
    int sigtimedwait(const sigset_t& signals, siginfo_t& info,
                     const timespec* timeout) noexcept override {
        return answer(::sigtimedwait(&signals, &info, timeout));
    }
    int sigaction(int signo, const struct ::sigaction* action,
                  struct ::sigaction* previous) noexcept override {
        return answer(::sigaction(signo, action, previous));
    }
    pid_t gettid() noexcept override { return ::gettid(); }
    pid_t getpid() noexcept override { return ::getpid(); }
    unsigned processors() noexcept override {
        cpu_set_t allowed;
        CPU_ZERO(&allowed);
        if (::sched_getaffinity(0, sizeof(allowed), &allowed) == 0) {
            return static_cast<unsigned>(CPU_COUNT(&allowed));
        }
        // More than the set has room for.
        const auto online = ::sysconf(_SC_NPROCESSORS_ONLN);
        return online > 0 ? static_cast<unsigned>(online) : 1;
    }
    int fstat(int fd, struct ::stat& found) noexcept override {
        return answer(::fstat(fd, &found));
    }
    pid_t start(const child_plan& plan, int& pidfd, child_failure& failure) noexcept override {
        return start_child(plan, pidfd, failure);
    }
    int wait_child(int pidfd, siginfo_t& info, int options) noexcept override {
        info = {};
        return answer(::waitid(P_PIDFD, static_cast<id_t>(pidfd), &info, options));
    }
    int signal_child(int pidfd, int signo) noexcept override {
        return answer(static_cast<int>(::syscall(SYS_pidfd_send_signal, pidfd, signo, nullptr, 0)));
    }
    void reap_later(int pidfd) noexcept override {
        sigset_t all;
        sigset_t before;
        sigfillset(&all);
        ::pthread_sigmask(SIG_SETMASK, &all, &before);
        try {
            std::thread([pidfd] {
                siginfo_t info{};
                while (::waitid(P_PIDFD, static_cast<id_t>(pidfd), &info, WEXITED) < 0 &&
                       errno == EINTR) {
                }
                ::close(pidfd);
            }).detach();
        } catch (...) {
            ::close(pidfd); // no thread to be had: see child's description
        }
        ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
    }
};

// Without state, and never destroyed before an object that uses it: its
// destructor does nothing.
// NOLINTNEXTLINE(cppcoreguidelines-avoid-non-const-global-variables)
constinit kernel the_kernel;

} // namespace

syscalls& real_syscalls() noexcept {
    return the_kernel;
}

} // namespace ipcshim::detail
