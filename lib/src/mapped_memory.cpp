// SPDX-License-Identifier: MIT
//
// An end of a mapped pipe as memory of this process.
#include <ipcshim/detail/mapped_end.hpp>

#include <sys/mman.h>

#include <cerrno>
#include <utility>

#include "call.hpp"
#include "narrow.hpp"
#include "wait_time.hpp"

namespace ipcshim::detail {

namespace {

// Some tens of microseconds, which is what sleeping and waking cost.
constexpr unsigned most_looks = 2048;

constexpr int shared_now = MAP_SHARED | MAP_POPULATE; // NOLINT(hicpp-signed-bitwise)
constexpr int read_write = PROT_READ | PROT_WRITE;    // NOLINT(hicpp-signed-bitwise)
constexpr int over_it = shared_now | MAP_FIXED;       // NOLINT(hicpp-signed-bitwise)

} // namespace

mapped_memory::mapped_memory(const pipe_base& end, pipe_end side, std::error_code& error) noexcept {
    const ipcshim::pipe_info found = end.info(error);
    if (error) {
        return;
    }
    if (!found.can_map() || found.end() != side) {
        error = code_of(found.can_map() ? EINVAL : ENODEV);
        return;
    }
    calls_ = end.handle_.calls();
    fd_ = end.handle_.get();
    const std::size_t page = calls_->page_size();
    if (found.area() == 0 || found.area() % page != 0 || found.area() > capacity_max + page) {
        error = code_of(EPROTO);
        return;
    }
    parts_.area = found.area();
    parts_.messages = found.mode() == pipe_mode::message;
    length_ = 2 * page + 2 * to_size(parts_.area);
    if (!map(side, page, error)) {
        close();
        return;
    }
    owner_ = calls_->getpid();
    longest_spin_ = calls_->processors() > 1 ? most_looks : 0;
}

bool mapped_memory::map(pipe_end side, std::size_t page, std::error_code& error) noexcept {
    void* whole = nullptr;
    if (!succeeded(calls_->mmap(whole, length_, PROT_READ, shared_now, fd_, 0), error)) {
        return false;
    }
    base_ = static_cast<std::byte*>(whole);
    owner_ = calls_->getpid();
    parts_.producer = reinterpret_cast<::ipcshim_mapped_index*>(base_);
    parts_.consumer = reinterpret_cast<::ipcshim_mapped_index*>(base_ + page);
    parts_.data = base_ + 2 * page;
    const bool produces = side == pipe_end::sender;
    const std::size_t own = produces ? 0 : page;
    void* place = base_ + own;
    if (!succeeded(calls_->mmap(place, page, read_write, over_it, fd_, own), error)) {
        return false;
    }
    place = parts_.data;
    return !produces ||
           succeeded(calls_->mmap(place, length_ - 2 * page, read_write, over_it, fd_, 2 * page),
                     error);
}

void mapped_memory::swap(mapped_memory& other) noexcept {
    std::swap(calls_, other.calls_);
    std::swap(fd_, other.fd_);
    std::swap(base_, other.base_);
    std::swap(length_, other.length_);
    std::swap(owner_, other.owner_);
    std::swap(longest_spin_, other.longest_spin_);
    std::swap(parts_, other.parts_);
}

void mapped_memory::close() noexcept {
    if (base_ != nullptr && owner_ == calls_->getpid()) {
        static_cast<void>(calls_->munmap(base_, length_));
    }
    base_ = nullptr;
    parts_ = {};
}

int mapped_memory::wait(std::uint64_t need, deadline until) const noexcept {
    ::ipcshim_pipe_wait raw{};
    raw.deadline = to_kernel(until);
    raw.need = static_cast<std::uint32_t>(need);
    return -calls_->ioctl(fd_, IPCSHIM_PIPE_WAIT, &raw);
}

void mapped_memory::wake() const noexcept {
    ::ipcshim_pipe_wake raw{};
    // It can't fail but for an end that is closed already.
    static_cast<void>(calls_->ioctl(fd_, IPCSHIM_PIPE_WAKE, &raw));
}

} // namespace ipcshim::detail
