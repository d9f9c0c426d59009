// SPDX-License-Identifier: MIT
#ifndef IPCSHIM_BATCH_HPP
#define IPCSHIM_BATCH_HPP

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include <ipcshim/types.hpp>

/// \file
/// Many messages in one call: lists of messages to write, and of buffers to read
/// into, for sender::write_batch() and receiver::read_batch(). (Ours.)
///
/// A list is made once and used often: a call copies nothing of it. It refers to the
/// memory of the messages or buffers, which has to stay where it is. Plain values; one
/// thread at a time for each.

namespace ipcshim {

/// How many messages one call can move at most.
inline constexpr std::size_t batch_max = IPCSHIM_BATCH_MAX;

namespace detail {

/// What both lists share. Not to be named by programs.
class batch_base {
public:
    /// Messages or buffers in the list, without those that are skipped.
    [[nodiscard]] std::size_t size() const noexcept { return entries_.size() - first_; }
    [[nodiscard]] bool empty() const noexcept { return size() == 0; }
    /// Makes it empty; keeps its memory.
    void clear() noexcept {
        entries_.clear();
        first_ = 0;
    }
    /// Gets memory for so many.
    void reserve(std::size_t count) { entries_.reserve(count); }
    /// Leaves out the first `count` from now on, as after a call that moved that many;
    /// at most all.
    void skip(std::size_t count) noexcept { first_ += std::min(count, size()); }
    /// Takes back every skip().
    void rewind() noexcept { first_ = 0; }

    /// For the library: what the module is given.
    [[nodiscard]] std::span<::ipcshim_batch_entry> raw() noexcept {
        return std::span(entries_).subspan(first_);
    }

protected:
    batch_base() = default;
    void put(const void* address, std::size_t size) {
        // A length that does not fit its field is refused by the module, as all that is
        // above its maximum.
        constexpr std::size_t largest = UINT32_MAX;
        ::ipcshim_batch_entry entry{};
        entry.buffer = reinterpret_cast<std::uintptr_t>(address);
        entry.size = static_cast<std::uint32_t>(std::min(size, largest));
        entries_.push_back(entry);
    }
    [[nodiscard]] const ::ipcshim_batch_entry& entry(std::size_t index) const {
        return entries_.at(first_ + index);
    }

private:
    std::vector<::ipcshim_batch_entry> entries_;
    std::size_t first_ = 0;
};

} // namespace detail

/// Messages to be written.
class outgoing_batch final : public detail::batch_base {
public:
    outgoing_batch() = default;
    /// Adds a message. One without bytes is counted, and nothing is written for it.
    void add(std::span<const std::byte> message) { put(message.data(), message.size()); }
};

/// Buffers to be read into, one for each message.
class incoming_batch final : public detail::batch_base {
public:
    incoming_batch() = default;
    /// Adds a buffer. One of message_max bytes suits every message.
    void add(std::span<std::byte> buffer) { put(buffer.data(), buffer.size()); }
    /// The message that the last read_batch() put there, a part of the buffer; good for
    /// those below the result's moved(), empty for what never was read into.
    /// \throws std::out_of_range there is no such buffer
    [[nodiscard]] std::span<const std::byte> message(std::size_t index) const {
        const ::ipcshim_batch_entry& found = entry(index);
        // NOLINTNEXTLINE(performance-no-int-to-ptr): it was one when it was added
        return {reinterpret_cast<const std::byte*>(static_cast<std::uintptr_t>(found.buffer)),
                std::min(found.moved, found.size)};
    }
};

} // namespace ipcshim

#endif
