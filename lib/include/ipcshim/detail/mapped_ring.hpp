// SPDX-License-Identifier: MIT
#ifndef IPCSHIM_DETAIL_MAPPED_RING_HPP
#define IPCSHIM_DETAIL_MAPPED_RING_HPP

#include <linux/ipcshim.h>

#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include <ipcshim/types.hpp>

/// \file
/// One side of a mapped pipe's ring, without descriptor and system calls. Not to be
/// named by programs.
///
/// Who publishes what to whom:
///
///     producer                                    consumer
///     h = load_acquire(consumer.position)  [T2]   h = load_acquire(producer.position)  [H2]
///     write data before h + area                  read data before h
///     store_release(producer.position)     [H1]   store_release(consumer.position)     [T1]
///     fence(seq_cst)                       [S2]   fence(seq_cst)                       [S2]
///     load(consumer.wake)                         load(producer.wake)
///
/// [H1] with [H2]: who sees the position sees the bytes, the record in front of them
/// and `messages`, too. [T1] with [T2]: bytes that were read may be overwritten once
/// the position is seen; the reads come before it. [S2] with the driver's [S1], which
/// lies between its store of `wake` and its look at the position: either the sleeper
/// sees the position, or the mover sees that it sleeps. [C1], the driver's release of
/// `closed`, with [C2], the load_acquire of it here: a position that is loaded after it
/// is the last one.
///
/// In the code: [T2] and [H2] are in look(), [T1], [H1] and [S2] in publish(), [C2] in
/// other_ended().
///
/// Nothing that the other side can write is believed: a position is read once and has
/// to lie within the area's length of one's own, a record is read once, as one word.
/// One's own position is read from the page as well, since the driver's read and
/// write move it, too; what this side does by itself, it does in one thread.
/// What the other process does to payload bytes while they are looked at can't be
/// helped; they are never used here.

namespace ipcshim::detail {

/// Where the parts of a ring lie in this process.
struct ring_memory final {
    ::ipcshim_mapped_index* producer = nullptr;
    ::ipcshim_mapped_index* consumer = nullptr;
    std::byte* data = nullptr; ///< the area, twice in a row
    std::uint64_t area = 0;    ///< bytes; of a message pipe, a multiple of 8
    bool messages = false;
};

/// A word of an index page. The other's page is mapped to read only, which a load
/// is fit for.
template <typename Word> [[nodiscard]] inline auto word(const Word& place) noexcept {
    static_assert(std::atomic_ref<Word>::is_always_lock_free);
    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-const-cast): it takes no const before C++26
    return std::atomic_ref<Word>(const_cast<Word&>(place));
}

/// Bytes that a message occupies in the area.
[[nodiscard]] constexpr std::uint64_t whole_record(std::uint64_t length) noexcept {
    return sizeof(::ipcshim_record) + ((length + 7) & ~std::uint64_t{7});
}

/// The ring as the side that owns it sees it: the sender produces, the receiver
/// consumes.
template <pipe_end Side> class mapped_ring final {
public:
    static constexpr bool produces = Side == pipe_end::sender;

    /// A closed one: nothing can move.
    mapped_ring() noexcept = default;
    explicit mapped_ring(const ring_memory& memory) noexcept
        : mine_(produces ? memory.producer : memory.consumer),
          theirs_(produces ? memory.consumer : memory.producer), data_(memory.data),
          area_(memory.area), messages_(memory.messages) {}

    [[nodiscard]] bool is_open() const noexcept { return mine_ != nullptr; }
    [[nodiscard]] bool carries_messages() const noexcept { return messages_; }
    [[nodiscard]] std::uint64_t area() const noexcept { return area_; }

    /// How many bytes this side may move, as far as it knows: room or data.
    [[nodiscard]] std::uint64_t there() const noexcept { return reach_ - position_; }
    /// How many the other may.
    [[nodiscard]] std::uint64_t beyond() const noexcept { return area_ - there(); }
    /// Where the next byte lies; there() bytes are in one piece from here.
    [[nodiscard]] std::byte* here() const noexcept { return data_ + offset_; }

    /// This side's position.
    [[nodiscard]] std::uint64_t position() const noexcept { return position_; }

    /// Has the other's position moved? \return false: it makes no sense
    [[nodiscard]] bool look() noexcept {
        return messages_ ? look<pipe_mode::message>() : look<pipe_mode::raw>();
    }

    /// This side's position is where it was left; the driver's read or write has not
    /// moved it.
    [[nodiscard]] bool untouched() const noexcept {
        return word(mine_->position).load(std::memory_order_relaxed) == position_;
    }

    /// Takes over one's own position, and the other's. \return false: they make no sense
    [[nodiscard]] bool synchronize() noexcept {
        position_ = word(mine_->position).load(std::memory_order_relaxed);
        offset_ = position_ % area_;
        reach_ = position_;
        return look() && !(messages_ && position_ % 8 != 0);
    }

    /// So many bytes can move, from here(). If not, a closer look is needed; also for 0
    /// bytes, and for a closed ring.
    template <pipe_mode Mode> [[nodiscard]] bool has(std::uint64_t bytes) noexcept {
        if (bytes - 1 >= there()) {
            return is_open() && untouched() && look<Mode>() && bytes - 1 < there();
        }
        return untouched();
    }

    /// The head of a record, which has room here.
    void write_head(std::uint64_t length) const noexcept {
        const ::ipcshim_record head{.length = static_cast<std::uint32_t>(length), .reserved = 0};
        std::memcpy(here(), &head, sizeof(head));
    }

    /// The length of the next message; 0: it makes no sense. Something has to be there.
    [[nodiscard]] std::uint32_t record_length() const noexcept {
        const auto head = std::bit_cast<::ipcshim_record>(
            word(*reinterpret_cast<const std::uint64_t*>(here())).load(std::memory_order_relaxed));
        const bool sound = head.length - 1 < IPCSHIM_MESSAGE_MAX && head.reserved == 0 &&
                           whole_record(head.length) <= there();
        return sound ? head.length : 0;
    }

    /// Makes it so that `bytes` more have moved, at most there(); in a ring of messages
    /// that is one of them.
    /// \return the other side has to be attended to: it waits or, for a producer, has
    ///         ended
    template <pipe_mode Mode> [[nodiscard]] bool publish(std::uint64_t bytes) noexcept {
        if constexpr (Mode == pipe_mode::message) {
            const auto count = word(mine_->messages);
            count.store(count.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
        }
        const std::uint64_t offset = offset_ + bytes;
        offset_ = offset - (offset >= area_ ? area_ : 0);
        position_ += bytes;
        word(mine_->position).store(position_, std::memory_order_release);
        std::atomic_thread_fence(std::memory_order_seq_cst);
        if constexpr (produces) {
            // Both at once.
            static_assert(offsetof(::ipcshim_mapped_index, wake) % 8 == 0 &&
                          offsetof(::ipcshim_mapped_index, closed) ==
                              offsetof(::ipcshim_mapped_index, wake) + 4);
            const auto* const both = reinterpret_cast<const std::byte*>(theirs_) +
                                     offsetof(::ipcshim_mapped_index, wake);
            return word(*reinterpret_cast<const std::uint64_t*>(both))
                       .load(std::memory_order_relaxed) != 0;
        } else {
            return word(theirs_->wake).load(std::memory_order_relaxed) != 0;
        }
    }
    [[nodiscard]] bool publish(std::uint64_t bytes) noexcept {
        return messages_ ? publish<pipe_mode::message>(bytes) : publish<pipe_mode::raw>(bytes);
    }

    /// The other side waits for no more than what it may move now.
    [[nodiscard]] bool other_waits() noexcept {
        const std::uint32_t needed = word(theirs_->wake).load(std::memory_order_relaxed);
        return needed != 0 && look() && needed <= beyond();
    }

    /// IPCSHIM_HOW_*, or 0. Positions have to be looked at after it.
    [[nodiscard]] std::uint32_t other_ended() const noexcept {
        return word(theirs_->closed).load(std::memory_order_acquire);
    }
    /// This side itself was closed for everybody.
    [[nodiscard]] std::uint32_t ended() const noexcept {
        return word(mine_->closed).load(std::memory_order_acquire);
    }

private:
    template <pipe_mode Mode> bool look() noexcept {
        const std::uint64_t other = word(theirs_->position).load(std::memory_order_acquire);
        const std::uint64_t used = produces ? position_ - other : other - position_;
        const bool crooked = Mode == pipe_mode::message && other % 8 != 0;
        if (used > area_ || crooked) [[unlikely]] {
            return false;
        }
        reach_ = produces ? other + area_ : other;
        return true;
    }

    ::ipcshim_mapped_index* mine_ = nullptr;
    const ::ipcshim_mapped_index* theirs_ = nullptr;
    std::byte* data_ = nullptr;
    std::uint64_t area_ = 0;
    std::uint64_t position_ = 0; ///< this side's, as it left it
    std::uint64_t reach_ = 0;    ///< so far may it go; never above position_ + area_
    std::uint64_t offset_ = 0;   ///< position_ % area_
    bool messages_ = false;
};

} // namespace ipcshim::detail

#endif
