// SPDX-License-Identifier: MIT
//
// What the two ends of a mapped pipe share: owning, waiting, telling.
#include <ipcshim/detail/mapped_end.hpp>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "sentence.hpp"

namespace ipcshim::detail {

namespace {

// Looks before the driver is asked to wait: at first, and at least, so that a side that
// got slower once finds out when that has changed.
constexpr unsigned first_spin = 256;
constexpr unsigned shortest_spin = 16;

// Lets the processor's other thread, or the memory, get on.
inline void pause() noexcept {
#if defined(__aarch64__)
    // "yield" does nothing on most of them; this takes some tens of cycles.
    asm volatile("isb" ::: "memory"); // NOLINT(hicpp-no-assembler)
#elif defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__arm__)
    asm volatile("yield" ::: "memory"); // NOLINT(hicpp-no-assembler)
#endif
}

} // namespace

template <pipe_end Side>
mapped_end<Side>::mapped_end(end_type&& end, std::error_code& error) noexcept
    : memory_(end, Side, error) {
    if (error) {
        return;
    }
    ring_ = mapped_ring<Side>(memory_.parts());
    spin_ = std::min(first_spin, memory_.longest_spin());
    end_ = std::move(end);
    // Positions that make no sense are told by the first call that needs them.
    static_cast<void>(synchronize());
}

template <pipe_end Side>
mapped_end<Side>& mapped_end<Side>::operator=(mapped_end&& other) noexcept {
    if (this != &other) {
        close();
        memory_ = std::move(other.memory_);
        end_ = std::move(other.end_);
        ring_ = std::exchange(other.ring_, {});
        held_ = 0; // as they say of reserve() and peek()
        other.held_ = 0;
        spin_ = other.spin_;
        broken_ = std::exchange(other.broken_, false);
    }
    return *this;
}

template <pipe_end Side> auto mapped_end<Side>::unmap() noexcept -> end_type {
    ring_ = {};
    held_ = 0;
    broken_ = false;
    memory_.close();
    return std::move(end_);
}

template <pipe_end Side> std::optional<how> mapped_end<Side>::other_ended() const noexcept {
    const std::uint32_t ended = ring_.is_open() ? ring_.other_ended() : 0;
    return ended == 0 ? std::nullopt : std::optional(how{static_cast<std::uint16_t>(ended)});
}

template <pipe_end Side> void mapped_end<Side>::require_open() const {
    if (!is_open()) {
        used_closed("end of a mapped pipe");
    }
}

template <pipe_end Side> int mapped_end<Side>::broken() noexcept {
    broken_ = true;
    ring_ = {};
    held_ = 0;
    return EPROTO;
}

template <pipe_end Side> int mapped_end<Side>::synchronize() noexcept {
    if (!ring_.is_open()) {
        return broken_ ? EPROTO : EBADF;
    }
    return ring_.synchronize() ? 0 : broken();
}

template <pipe_end Side> int mapped_end<Side>::wait(std::uint64_t need, deadline until) noexcept {
    for (unsigned looks = 0; looks < spin_; ++looks) {
        pause();
        // The end first: see mapped_ring.hpp.
        const bool ended = ring_.other_ended() != 0 || ring_.ended() != 0;
        if (!ring_.look()) {
            return broken();
        }
        if (ended || ring_.there() >= need) {
            spin_ = std::min(spin_ * 2, memory_.longest_spin());
            return 0;
        }
    }
    spin_ = std::min(std::max(spin_ / 2, shortest_spin), memory_.longest_spin());
    const int failed = memory_.wait(need, until);
    return failed == EPROTO ? broken() : failed;
}

template <pipe_end Side> bool mapped_end<Side>::attend() noexcept {
    if (ring_.other_waits()) {
        memory_.wake();
    }
    return ring_.other_ended() == 0;
}

template class mapped_end<pipe_end::sender>;
template class mapped_end<pipe_end::receiver>;

} // namespace ipcshim::detail
