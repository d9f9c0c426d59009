// SPDX-License-Identifier: MIT
#include "fake_kernel.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <deque>
#include <memory>

namespace ipcshim::test {

namespace {

// The number that QUERY had when its structure was shorter.
constexpr auto first_query =
    _IOC(_IOC_READ | _IOC_WRITE, IPCSHIM_IOC_MAGIC, _IOC_NR(IPCSHIM_QUERY), IPCSHIM_QUERY_SIZE_MIN);

} // namespace

fake_kernel::fake_kernel() {
    on_open = [this](const char*, int) { return make_fd(); };
    on_read = [](int, void*, std::size_t) { return -ENOSYS; };
    on_write = [](int, const void*, std::size_t) { return -ENOSYS; };
    on_epoll_wait = [](std::span<::epoll_event>, const timespec*) { return -ENOSYS; };
    on_poll = [](std::span<pollfd>, const timespec*) { return -ENOSYS; };
    on_mmap = [](void*, std::size_t, int, int, int, std::uint64_t) { return 0; };
    on_copy = [](void* to, const void* from, std::size_t size) {
        std::memcpy(to, from, size);
        return static_cast<ssize_t>(size);
    };
    on_fcntl = [](int, int, int) { return -ENOSYS; };
    on_sigtimedwait = [](siginfo_t&, const timespec*) { return -ENOSYS; };
    on_sigaction = [](int, const struct ::sigaction*, struct ::sigaction*) { return -ENOSYS; };
    on_fstat = [](int, struct ::stat&) { return -ENOSYS; };
    on_start = [](const detail::child_plan&, int&, detail::child_failure&) { return -ENOSYS; };
    on_wait_child = [](int, siginfo_t&, int) { return -ENOSYS; };
    on_signal_child = [](int, int) { return -ENOSYS; };
    refuse(first_query, ENOTTY);
    answer_query();
}

int fake_kernel::make_fd() {
    open_.insert(next_fd_);
    return next_fd_++;
}

void fake_kernel::answer_query(const std::function<void(::ipcshim_query&)>& change) {
    on<::ipcshim_query>(IPCSHIM_QUERY, [change](int, ::ipcshim_query& answer) {
        answer.abi_version = IPCSHIM_ABI_VERSION;
        answer.features = IPCSHIM_FEATURE_EVENTS | IPCSHIM_FEATURE_PIPES |
                          IPCSHIM_FEATURE_SEGMENTS | IPCSHIM_FEATURE_PTYS | IPCSHIM_FEATURE_MAPPED |
                          IPCSHIM_FEATURE_BATCH;
        answer.page_size = 4096;
        answer.capacity_max = IPCSHIM_CAPACITY_MAX;
        answer.message_max = IPCSHIM_MESSAGE_MAX;
        answer.pipe_buf = IPCSHIM_PIPE_BUF;
        if (change) {
            change(answer);
        }
        return 0;
    });
}

void fake_kernel::answer_first_query() {
    refuse(IPCSHIM_QUERY, ENOTTY);
    on<::ipcshim_query>(first_query, [](int, ::ipcshim_query& whole) {
        ::ipcshim_query answer = whole;
        answer.abi_version = IPCSHIM_ABI_VERSION;
        answer.features = IPCSHIM_FEATURE_EVENTS | IPCSHIM_FEATURE_PIPES | IPCSHIM_FEATURE_SEGMENTS;
        answer.segment_bytes = 4096;
        // What lies behind is memory that this module knows nothing of.
        std::memcpy(&whole, &answer, IPCSHIM_QUERY_SIZE_MIN);
        return 0;
    });
}

void fake_kernel::reap_later(int pidfd) noexcept {
    reaped.push_back(pidfd);
    static_cast<void>(close(pidfd));
}

int fake_kernel::open(const char* path, int flags) noexcept {
    return on_open(path, flags);
}

int fake_kernel::close(int fd) noexcept {
    if (open_.erase(fd) == 0) {
        ++bad_closes_;
        return -EBADF;
    }
    return 0;
}

int fake_kernel::ioctl(int fd, unsigned long request, void* argument) noexcept {
    ++ioctl_count[request];
    if (!open_.contains(fd)) {
        return -EBADF;
    }
    const auto found = ioctls_.find(request);
    return found == ioctls_.end() ? -ENOSYS : found->second(fd, argument);
}

ssize_t fake_kernel::read(int fd, void* buffer, std::size_t size) noexcept {
    return on_read(fd, buffer, size);
}

ssize_t fake_kernel::write(int fd, const void* buffer, std::size_t size) noexcept {
    return on_write(fd, buffer, size);
}

int fake_kernel::poll(std::span<pollfd> entries, const timespec* timeout) noexcept {
    return on_poll(entries, timeout);
}

int fake_kernel::mmap(void*& address, std::size_t size, int protection, int flags, int fd,
                      std::uint64_t offset) noexcept {
    if (!open_.contains(fd)) {
        return -EBADF;
    }
    if (const int refused = on_mmap(address, size, protection, flags, fd, offset); refused != 0) {
        return refused;
    }
    if (map_memory) {
        return map_memory(address, size, protection, flags, fd, offset);
    }
    const std::size_t whole = (size + page_size() - 1) / page_size() * page_size();
    pages made{.memory = {std::aligned_alloc(page_size(), whole), {}}, .size = size};
    std::memset(made.memory.get(), 0, whole);
    address = made.memory.get();
    mapped_[address] = std::move(made);
    return 0;
}

int fake_kernel::munmap(void* address, std::size_t size) noexcept {
    if (unmap_memory) {
        return unmap_memory(address, size);
    }
    const auto found = mapped_.find(address);
    if (found == mapped_.end() || found->second.size != size) {
        ++bad_unmaps_;
        return -EINVAL;
    }
    mapped_.erase(found);
    return 0;
}

ssize_t fake_kernel::copy(void* to, const void* from, std::size_t size) noexcept {
    return on_copy(to, from, size);
}

int fake_kernel::fcntl(int fd, int command, int argument) noexcept {
    return on_fcntl(fd, command, argument);
}

int fake_kernel::eventfd() noexcept {
    return eventfd_answer < 0 ? eventfd_answer : make_fd();
}

int fake_kernel::epoll_create() noexcept {
    return make_fd();
}

int fake_kernel::epoll_ctl(int set, int operation, int fd, ::epoll_event wanted) noexcept {
    if (!open_.contains(set) || !open_.contains(fd)) {
        return -EBADF;
    }
    if (operation == EPOLL_CTL_DEL) {
        return watched.erase(fd) != 0 ? 0 : -ENOENT;
    }
    if (operation == EPOLL_CTL_MOD && !watched.contains(fd)) {
        return -ENOENT;
    }
    watched[fd] = wanted;
    return 0;
}

int fake_kernel::epoll_wait(int, std::span<::epoll_event> found, const timespec* timeout) noexcept {
    return on_epoll_wait(found, timeout);
}

int fake_kernel::signalfd(const sigset_t&) noexcept {
    return signalfd_answer < 0 ? signalfd_answer : make_fd();
}

int fake_kernel::signal_mask(int how, const sigset_t* change, sigset_t* previous) noexcept {
    if (previous != nullptr) {
        sigemptyset(previous);
        for (const int signo : blocked) {
            sigaddset(previous, signo);
        }
    }
    for (int signo = 1; change != nullptr && signo <= SIGRTMAX; ++signo) {
        if (sigismember(change, signo) != 1) {
            continue;
        }
        if (how == SIG_BLOCK) {
            blocked.insert(signo);
        } else if (how == SIG_UNBLOCK) {
            blocked.erase(signo);
        }
    }
    return 0;
}

int fake_kernel::sigtimedwait(const sigset_t&, siginfo_t& info, const timespec* timeout) noexcept {
    return on_sigtimedwait(info, timeout);
}

int fake_kernel::sigaction(int signo, const struct ::sigaction* action,
                           struct ::sigaction* previous) noexcept {
    return on_sigaction(signo, action, previous);
}

::ipcshim_event raw_event(std::uint16_t code, std::uint64_t sequence) {
    ::ipcshim_event raw{};
    raw.code = code;
    raw.sequence = sequence;
    raw.pid = 321;
    raw.uid = 1000;
    return raw;
}

::ipcshim_event raw_recv_pipe(pipe_end end, std::uint64_t token) {
    ::ipcshim_event raw = raw_event(IPCSHIM_EVENT_RECV_PIPE);
    raw.token = token;
    raw.command = 9;
    raw.recv_pipe.end = static_cast<std::uint16_t>(end);
    raw.recv_pipe.mode = IPCSHIM_PIPE_MESSAGE;
    raw.recv_pipe.capacity = 65536;
    raw.recv_pipe.size_hint = 1234;
    raw.recv_pipe.inode = 55;
    return raw;
}

::ipcshim_event raw_pipe_closed(how how, std::int32_t status) {
    ::ipcshim_event raw = raw_event(IPCSHIM_EVENT_PIPE_CLOSED, 2);
    raw.pipe_closed.how = static_cast<std::uint16_t>(how);
    raw.pipe_closed.end = IPCSHIM_END_SENDER;
    raw.pipe_closed.status = status;
    raw.pipe_closed.inode = 56;
    raw.pipe_closed.bytes_unread = 10;
    raw.pipe_closed.messages_unread = 3;
    return raw;
}

::ipcshim_event raw_recv_shared_mem(memory_mode mode, std::uint64_t token) {
    ::ipcshim_event raw = raw_event(IPCSHIM_EVENT_RECV_SHARED_MEM, 3);
    raw.token = token;
    raw.command = 9;
    raw.recv_shared_mem.length = 8192;
    raw.recv_shared_mem.mode = static_cast<std::uint16_t>(mode);
    raw.recv_shared_mem.rights = IPCSHIM_RIGHT_READ | IPCSHIM_RIGHT_WRITE;
    raw.recv_shared_mem.inode = 57;
    return raw;
}

::ipcshim_event raw_unshared_mem(how how, std::int32_t status) {
    ::ipcshim_event raw = raw_event(IPCSHIM_EVENT_UNSHARED_MEM, 4);
    raw.unshared_mem.how = static_cast<std::uint16_t>(how);
    raw.unshared_mem.status = status;
    raw.unshared_mem.inode = 58;
    return raw;
}

::ipcshim_event raw_recv_pty(std::uint64_t token) {
    ::ipcshim_event raw = raw_event(IPCSHIM_EVENT_RECV_PTY, 5);
    raw.token = token;
    raw.command = 9;
    raw.recv_pty.index = 3;
    raw.recv_pty.rows = 24;
    raw.recv_pty.columns = 80;
    raw.recv_pty.x_pixels = 640;
    raw.recv_pty.y_pixels = 480;
    raw.recv_pty.inode = 59;
    return raw;
}

void queue_events(fake_kernel& kernel, std::vector<::ipcshim_event> events) {
    const auto queue = std::make_shared<std::deque<::ipcshim_event>>(events.begin(), events.end());
    kernel.on_read = [queue](int, void* buffer, std::size_t size) -> ssize_t {
        if (queue->empty()) {
            return -EAGAIN;
        }
        std::size_t filled = 0;
        while (!queue->empty() && size - filled >= sizeof(::ipcshim_event)) {
            std::memcpy(static_cast<char*>(buffer) + filled, &queue->front(),
                        sizeof(::ipcshim_event));
            queue->pop_front();
            filled += sizeof(::ipcshim_event);
        }
        return static_cast<ssize_t>(filled);
    };
}

} // namespace ipcshim::test
