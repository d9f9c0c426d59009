// SPDX-License-Identifier: MIT
#ifndef IPCSHIM_DETAIL_MAPPED_END_HPP
#define IPCSHIM_DETAIL_MAPPED_END_HPP

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <system_error>
#include <type_traits>
#include <utility>

#include <ipcshim/detail/export.hpp>
#include <ipcshim/detail/mapped_ring.hpp>
#include <ipcshim/detail/syscalls.hpp>
#include <ipcshim/pipe.hpp>
#include <ipcshim/types.hpp>

/// \file
/// What mapped_sender and mapped_receiver share. Not to be named by programs.

namespace ipcshim::detail {

/// The mapping of an end, and the calls that go with it. Move-only; unmaps what it
/// owns, but in the process that mapped it alone: a child that was forked has no such
/// mapping, and something else may lie there.
class IPCSHIM_API mapped_memory final {
public:
    mapped_memory() noexcept = default;
    /// Maps an end. On an error nothing is mapped: ENODEV not opened as mapped; EBUSY
    /// another process has it mapped; EPROTO what the module tells makes no sense.
    mapped_memory(const pipe_base& end, pipe_end side, std::error_code& error) noexcept;
    mapped_memory(const mapped_memory&) = delete;
    mapped_memory& operator=(const mapped_memory&) = delete;
    mapped_memory(mapped_memory&& other) noexcept { swap(other); }
    mapped_memory& operator=(mapped_memory&& other) noexcept {
        mapped_memory taken(std::move(other));
        swap(taken);
        return *this;
    }
    ~mapped_memory() { close(); }

    void close() noexcept;
    /// The parts; all null if nothing is mapped.
    [[nodiscard]] const ring_memory& parts() const noexcept { return parts_; }
    /// PIPE_WAIT. \return 0 or the errno
    [[nodiscard]] int wait(std::uint64_t need, deadline until) const noexcept;
    /// PIPE_WAKE.
    void wake() const noexcept;
    /// Looks that are worth taking before PIPE_WAIT; 0 where the other side can't run
    /// meanwhile.
    [[nodiscard]] unsigned longest_spin() const noexcept { return longest_spin_; }

private:
    [[nodiscard]] bool map(pipe_end side, std::size_t page, std::error_code& error) noexcept;
    void swap(mapped_memory& other) noexcept;

    syscalls* calls_ = nullptr;
    int fd_ = -1;
    std::byte* base_ = nullptr;
    std::size_t length_ = 0;
    pid_t owner_ = 0;
    unsigned longest_spin_ = 0;
    ring_memory parts_{};
};

template <pipe_end Side> class mapped_end {
public:
    using end_type = std::conditional_t<Side == pipe_end::sender, sender, receiver>;

    mapped_end(const mapped_end&) = delete;
    mapped_end& operator=(const mapped_end&) = delete;

    /// It has an end, and has it mapped.
    [[nodiscard]] bool is_open() const noexcept { return end_.is_open(); }
    explicit operator bool() const noexcept { return is_open(); }

    /// The descriptor, for poll and epoll; it stays owned by this object. That it is
    /// ready means what it means for other pipes.
    [[nodiscard]] int fd() const { return end_.fd(); }
    /// Raw bytes or messages. Asks nobody.
    [[nodiscard]] pipe_mode mode() const noexcept { return end_.mode(); }
    /// Bytes of the data area. The longest piece of a raw pipe; a message takes 8 bytes
    /// and its own, rounded up to 8. Asks nobody.
    [[nodiscard]] std::size_t area() const noexcept {
        return static_cast<std::size_t>(memory_.parts().area);
    }

    /// Ends the mapping, so that another process may have it, and gives the end back.
    /// This object is closed then.
    [[nodiscard]] end_type unmap() noexcept;
    /// Ends the mapping and closes the descriptor. Nothing happens if it is closed
    /// already.
    void close() noexcept { static_cast<void>(unmap()); }

    /// How the other end has ended; empty as long as it is open. A receiver may still
    /// find data. Asks nobody but the ring.
    [[nodiscard]] std::optional<how> other_ended() const noexcept;

protected:
    mapped_end() noexcept = default;
    /// Takes the end over, if it can be mapped.
    mapped_end(end_type&& end, std::error_code& error) noexcept;
    mapped_end(mapped_end&& other) noexcept { *this = std::move(other); }
    mapped_end& operator=(mapped_end&& other) noexcept;
    ~mapped_end() { close(); }

    void require_open() const;
    /// Takes over both positions. \return 0, EBADF, EPROTO
    [[nodiscard]] int synchronize() noexcept;
    /// Waits until so many bytes may move, or it is closed, or for no reason: first by
    /// looking again and again, then in the driver. \return 0 or the errno
    [[nodiscard]] int wait(std::uint64_t need, deadline until) noexcept;
    /// After a publish() that asked for it. \return false: nobody will read it
    // NOLINTNEXTLINE(modernize-use-nodiscard): a receiver has no use for it
    bool attend() noexcept;
    /// The positions or a record make no sense: no access any more.
    int broken() noexcept;

    /// Remembers what was reserved, or shown: of a sender, bytes of payload; of a
    /// receiver, with their record. It is good as long as nothing else moves.
    void hold(std::uint64_t bytes) noexcept {
        held_ = bytes;
        held_at_ = ring_.position();
    }
    /// So many of them, and not 0, and they are good still.
    [[nodiscard]] bool holds(std::uint64_t bytes) const noexcept {
        return bytes - 1 < held_ && held_at_ == ring_.position() && ring_.untouched();
    }

    // NOLINTBEGIN(*-non-private-member-variables-in-classes)
    end_type end_;
    mapped_ring<Side> ring_;
    std::uint64_t held_ = 0;
    // NOLINTEND(*-non-private-member-variables-in-classes)

private:
    std::uint64_t held_at_ = 0;
    mapped_memory memory_;
    unsigned spin_ = 0; ///< looks before PIPE_WAIT, the next time
    bool broken_ = false;
};

extern template class IPCSHIM_API mapped_end<pipe_end::sender>;
extern template class IPCSHIM_API mapped_end<pipe_end::receiver>;

} // namespace ipcshim::detail

#endif
