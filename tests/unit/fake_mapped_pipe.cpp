// SPDX-License-Identifier: MIT
#include "fake_mapped_pipe.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <chrono>

namespace ipcshim::test {

namespace {

constexpr std::size_t page = 4096;

template <typename Word> std::atomic_ref<Word> shared(Word& place) {
    return std::atomic_ref<Word>(place);
}

} // namespace

fake_mapped_pipe::fake_mapped_pipe(fake_kernel& kernel, pipe_mode mode, std::size_t area)
    : area_(area), mode_(mode), memory_(::memfd_create("ring", MFD_CLOEXEC)), kernel_(&kernel),
      sender_fd_(kernel.make_fd()), receiver_fd_(kernel.make_fd()) {
    if (::ftruncate(memory_, static_cast<off_t>(2 * page + area)) != 0) {
        std::abort();
    }
    void* whole = ::mmap(nullptr, 2 * page + area, PROT_READ | PROT_WRITE, MAP_SHARED, memory_, 0);
    if (whole == MAP_FAILED) {
        std::abort();
    }
    all_ = static_cast<std::byte*>(whole);
    // Two threads call; then the counts are there already.
    kernel.ioctl_count[IPCSHIM_PIPE_WAIT] = 0;
    kernel.ioctl_count[IPCSHIM_PIPE_WAKE] = 0;
    kernel.map_memory = [this](void*& address, std::size_t size, int protection, int flags, int,
                               std::uint64_t offset) {
        return map(address, size, protection, flags, offset);
    };
    kernel.unmap_memory = [this](void* address, std::size_t size) {
        --ranges;
        return ::munmap(address, size);
    };
    kernel.on<::ipcshim_pipe_info>(IPCSHIM_PIPE_INFO, [this](int fd, ::ipcshim_pipe_info& answer) {
        answer.flags = IPCSHIM_INFO_OPEN | IPCSHIM_INFO_CAN_MAP |
                       (mode_ == pipe_mode::message ? IPCSHIM_INFO_MESSAGE : 0U) |
                       (fd == sender_fd_ ? IPCSHIM_INFO_SENDER : 0U);
        answer.area = area_;
        return 0;
    });
    kernel.on<::ipcshim_pipe_wait>(IPCSHIM_PIPE_WAIT, [this](int fd, ::ipcshim_pipe_wait& asked) {
        return wait(fd == sender_fd_ ? pipe_end::sender : pipe_end::receiver, asked);
    });
    kernel.on<::ipcshim_pipe_wake>(IPCSHIM_PIPE_WAKE, [this](int fd, ::ipcshim_pipe_wake&) {
        return wake(fd == sender_fd_ ? pipe_end::sender : pipe_end::receiver);
    });
}

fake_mapped_pipe::~fake_mapped_pipe() {
    ::munmap(all_, 2 * page + area_);
    ::close(memory_);
}

sender fake_mapped_pipe::take_sender() const {
    return {detail::handle(*kernel_, sender_fd_), mode_};
}

receiver fake_mapped_pipe::take_receiver() const {
    return {detail::handle(*kernel_, receiver_fd_), mode_};
}

::ipcshim_mapped_index& fake_mapped_pipe::producer() const {
    return *reinterpret_cast<::ipcshim_mapped_index*>(all_);
}

::ipcshim_mapped_index& fake_mapped_pipe::consumer() const {
    return *reinterpret_cast<::ipcshim_mapped_index*>(all_ + page);
}

std::span<std::byte> fake_mapped_pipe::data() const {
    return {all_ + 2 * page, area_};
}

void fake_mapped_pipe::start_at(std::uint64_t position) const {
    producer().position = position;
    consumer().position = position;
}

void fake_mapped_pipe::end_of(pipe_end end, how how) {
    const std::lock_guard lock(mutex_);
    shared(end == pipe_end::sender ? producer().closed : consumer().closed)
        .store(static_cast<std::uint32_t>(how), std::memory_order_release);
    changed_.notify_all();
}

// Memory that the ring's end has, and not a byte more.
int fake_mapped_pipe::map(void*& address, std::size_t size, int protection, int flags,
                          std::uint64_t offset) {
    const bool fixed = (flags & MAP_FIXED) != 0;
    if (offset + size > 2 * page + 2 * area_ || (flags & MAP_SHARED) == 0) {
        return -EINVAL;
    }
    if (!fixed) {
        void* place = ::mmap(nullptr, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (place == MAP_FAILED) {
            return -errno;
        }
        address = place;
        ++ranges;
    }
    auto* to = static_cast<std::byte*>(address);
    while (size != 0) {
        const std::size_t end = 2 * page + area_;
        const bool again = offset >= end;
        const std::size_t piece = again ? size : std::min<std::size_t>(size, end - offset);
        const auto from = static_cast<off_t>(again ? offset - area_ : offset);
        if (::mmap(to, piece, protection, MAP_SHARED | MAP_FIXED, memory_, from) == MAP_FAILED) {
            return -errno;
        }
        to += piece;
        offset += piece;
        size -= piece;
    }
    return 0;
}

bool fake_mapped_pipe::can_go_on(pipe_end end, std::uint64_t need) const {
    if (shared(producer().closed).load() != 0 || shared(consumer().closed).load() != 0) {
        return true;
    }
    const std::uint64_t used =
        shared(producer().position).load() - shared(consumer().position).load();
    return need <= (end == pipe_end::sender ? area_ - used : used);
}

int fake_mapped_pipe::wait(pipe_end end, const ::ipcshim_pipe_wait& asked) {
    std::unique_lock lock(mutex_);
    ++waits;
    last_wait = asked;
    if (on_wait) {
        return on_wait(end, asked);
    }
    const auto need = shared(end == pipe_end::sender ? producer().wake : consumer().wake);
    // Told again after each wake-up that was too early, such as one for an earlier wait.
    const auto enough = [&] {
        need.store(asked.need, std::memory_order_relaxed);
        std::atomic_thread_fence(std::memory_order_seq_cst);
        return can_go_on(end, asked.need);
    };
    bool there = true;
    if (asked.deadline == 0) {
        changed_.wait(lock, enough);
    } else {
        there = changed_.wait_until(
            lock, deadline(std::chrono::nanoseconds(static_cast<std::int64_t>(asked.deadline))),
            enough);
    }
    need.store(0, std::memory_order_relaxed);
    return there ? 0 : -ETIMEDOUT;
}

int fake_mapped_pipe::wake(pipe_end end) {
    const std::lock_guard lock(mutex_);
    ++wakes;
    shared(end == pipe_end::sender ? consumer().wake : producer().wake).store(0);
    changed_.notify_all();
    return 0;
}

} // namespace ipcshim::test
