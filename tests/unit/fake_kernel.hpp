// SPDX-License-Identifier: MIT
#ifndef IPCSHIM_TESTS_FAKE_KERNEL_HPP
#define IPCSHIM_TESTS_FAKE_KERNEL_HPP

#include <linux/ipcshim.h>
#include <sys/stat.h>

#include <cstdlib>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <ipcshim/ipcshim.hpp>

#include "start_child.hpp"

namespace ipcshim::test {

/// A kernel to be told what to answer. What nobody told it fails with ENOSYS.
/// It knows which descriptors are open, so that leaks and double closes show.
class fake_kernel final : public detail::syscalls {
public:
    fake_kernel();
    fake_kernel(const fake_kernel&) = delete;
    fake_kernel& operator=(const fake_kernel&) = delete;
    ~fake_kernel() override = default;

    /// A new open descriptor.
    int make_fd();
    [[nodiscard]] const std::set<int>& open_fds() const { return open_; }
    [[nodiscard]] int bad_closes() const { return bad_closes_; }
    /// How many ranges are mapped.
    [[nodiscard]] std::size_t mapped() const { return mapped_.size(); }
    /// Of what was not mapped, or of another size.
    [[nodiscard]] int bad_unmaps() const { return bad_unmaps_; }

    /// What an ioctl answers; the argument can be looked at and changed.
    template <typename Argument>
    void on(unsigned long request, std::function<int(int fd, Argument& argument)> answer) {
        ioctls_[request] = [answer = std::move(answer)](int fd, void* argument) {
            return answer(fd, *static_cast<Argument*>(argument));
        };
    }
    /// An ioctl that fails.
    void refuse(unsigned long request, int error) {
        ioctls_[request] = [error](int, void*) { return -error; };
    }
    /// An ioctl whose argument is a number, and no address.
    void on_number(unsigned long request, std::function<int(int fd, std::uintptr_t)> answer) {
        ioctls_[request] = [answer = std::move(answer)](int fd, void* argument) {
            return answer(fd, reinterpret_cast<std::uintptr_t>(argument));
        };
    }
    /// A QUERY that fits this library; the function may spoil it.
    void answer_query(const std::function<void(::ipcshim_query&)>& change = {});
    /// Answers QUERY as the first module did, with a shorter structure and so with
    /// another number: events, pipes and segments.
    void answer_first_query();

    // Each can be replaced by a test.
    std::function<int(const char*, int)> on_open;
    std::function<ssize_t(int, void*, std::size_t)> on_read;
    std::function<ssize_t(int, const void*, std::size_t)> on_write;
    std::function<int(std::span<pollfd>, const timespec*)> on_poll;
    std::function<int(int, int, int)> on_fcntl;
    /// Asked before memory is mapped; not 0: the failure.
    std::function<int(void* address, std::size_t size, int protection, int flags, int fd,
                      std::uint64_t offset)>
        on_mmap;
    /// Where a test has memory of its own for what is mapped; both or none.
    std::function<int(void*& address, std::size_t size, int protection, int flags, int fd,
                      std::uint64_t offset)>
        map_memory;
    std::function<int(void* address, std::size_t size)> unmap_memory;
    std::function<ssize_t(void*, const void*, std::size_t)> on_copy;
    std::function<int(siginfo_t&, const timespec*)> on_sigtimedwait;
    std::function<int(int, const struct ::sigaction*, struct ::sigaction*)> on_sigaction;
    std::function<int(int fd, struct ::stat&)> on_fstat;
    std::function<pid_t(const detail::child_plan&, int& pidfd, detail::child_failure&)> on_start;
    std::function<int(int pidfd, siginfo_t&, int options)> on_wait_child;
    std::function<int(int pidfd, int signo)> on_signal_child;
    std::vector<int> reaped; ///< pidfds that were given to reap_later()
    std::function<int(std::span<::epoll_event>, const timespec*)> on_epoll_wait;
    std::map<int, ::epoll_event> watched; ///< what epoll_ctl() was asked for, by descriptor
    int eventfd_answer = 0;               ///< negative: it fails so
    int signalfd_answer = 0;              ///< negative: it fails so
    pid_t tid = 4242;
    pid_t pid = 4200;
    unsigned allowed_processors = 1;
    std::set<int> blocked; ///< the thread's signal mask

    std::map<unsigned long, int> ioctl_count;

    int open(const char* path, int flags) noexcept override;
    int close(int fd) noexcept override;
    int ioctl(int fd, unsigned long request, void* argument) noexcept override;
    ssize_t read(int fd, void* buffer, std::size_t size) noexcept override;
    ssize_t write(int fd, const void* buffer, std::size_t size) noexcept override;
    int poll(std::span<pollfd> entries, const timespec* timeout) noexcept override;
    /// Gives zeroed pages, wherever; they are freed when unmapped.
    int mmap(void*& address, std::size_t size, int protection, int flags, int fd,
             std::uint64_t offset) noexcept override;
    int munmap(void* address, std::size_t size) noexcept override;
    ssize_t copy(void* to, const void* from, std::size_t size) noexcept override;
    std::size_t page_size() noexcept override { return 4096; }
    int fcntl(int fd, int command, int argument) noexcept override;
    int eventfd() noexcept override;
    int epoll_create() noexcept override;
    int epoll_ctl(int set, int operation, int fd, ::epoll_event wanted) noexcept override;
    int epoll_wait(int set, std::span<::epoll_event> found,
                   const timespec* timeout) noexcept override;
    int signalfd(const sigset_t& signals) noexcept override;
    int signal_mask(int how, const sigset_t* change, sigset_t* previous) noexcept override;
    int sigtimedwait(const sigset_t& signals, siginfo_t& info,
                     const timespec* timeout) noexcept override;
    int sigaction(int signo, const struct ::sigaction* action,
                  struct ::sigaction* previous) noexcept override;
    pid_t gettid() noexcept override { return tid; }
    pid_t getpid() noexcept override { return pid; }
    unsigned processors() noexcept override { return allowed_processors; }
    int fstat(int fd, struct ::stat& found) noexcept override { return on_fstat(fd, found); }
    pid_t start(const detail::child_plan& plan, int& pidfd,
                detail::child_failure& failure) noexcept override {
        return on_start(plan, pidfd, failure);
    }
    int wait_child(int pidfd, siginfo_t& info, int options) noexcept override {
        return on_wait_child(pidfd, info, options);
    }
    int signal_child(int pidfd, int signo) noexcept override {
        return on_signal_child(pidfd, signo);
    }
    void reap_later(int pidfd) noexcept override;

private:
    std::map<unsigned long, std::function<int(int, void*)>> ioctls_;
    struct free_pages {
        void operator()(void* pages) const { std::free(pages); }
    };
    struct pages {
        std::unique_ptr<void, free_pages> memory;
        std::size_t size = 0;
    };
    std::map<const void*, pages> mapped_;
    int bad_unmaps_ = 0;
    std::set<int> open_;
    int next_fd_ = 100;
    int bad_closes_ = 0;
};

/// An event of the kernel with these words set.
[[nodiscard]] ::ipcshim_event raw_event(std::uint16_t code, std::uint64_t sequence = 1);
[[nodiscard]] ::ipcshim_event raw_recv_pipe(pipe_end end, std::uint64_t token = 77);
[[nodiscard]] ::ipcshim_event raw_pipe_closed(how how, std::int32_t status);
[[nodiscard]] ::ipcshim_event raw_recv_shared_mem(memory_mode mode, std::uint64_t token = 78);
[[nodiscard]] ::ipcshim_event raw_unshared_mem(how how, std::int32_t status);
[[nodiscard]] ::ipcshim_event raw_recv_pty(std::uint64_t token = 79);

/// Makes reads of the fake answer these events, one for each read that has room
/// for one, and -EAGAIN after the last.
void queue_events(fake_kernel& kernel, std::vector<::ipcshim_event> events);

/// The sentence of the exception that a function throws; fails the test if it
/// throws nothing.
template <typename Exception, typename Function> std::string thrown(const Function& function) {
    try {
        function();
    } catch (const Exception& error) {
        return error.what();
    }
    return "(nothing was thrown)";
}

template <typename Function> int thrown_errno(const Function& function) {
    try {
        function();
    } catch (const std::system_error& error) {
        return error.code().category() == std::generic_category() ? error.code().value() : -1;
    }
    return 0;
}

} // namespace ipcshim::test

#endif
