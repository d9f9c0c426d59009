// SPDX-License-Identifier: MIT
#ifndef IPCSHIM_MAPPED_HPP
#define IPCSHIM_MAPPED_HPP

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <iosfwd>
#include <span>
#include <system_error>
#include <utility>

#include <ipcshim/detail/export.hpp>
#include <ipcshim/detail/mapped_end.hpp>
#include <ipcshim/io_result.hpp>
#include <ipcshim/pipe.hpp>
#include <ipcshim/types.hpp>

/// \file
/// The two ends of a pipe that was opened with pipe_parameters::mapped, as memory that
/// both processes share: while both are awake no call needs the kernel. (Ours.)
///
/// Each side decides for itself. The other one may as well use sender or receiver, or
/// read(2) and write(2); and so may this one, between two calls here.
///
/// A call that has to wait looks again and again for a while, which gets longer where
/// that helped and shorter where it did not, and then sleeps in the driver. It does not
/// look where the thread that made the object could run on one processor only.
///
/// Errors: see error.hpp. std::logic_error (twin: EBADF) when the object is closed or
/// moved-from. EPROTO (std::errc::protocol_error): the other side wrote nonsense into
/// the ring, or one side was used by two threads or processes at once; nothing moved,
/// and from then on every call here fails so.
///
/// Threads: one at a time for each object, and for whatever else uses the same end.
///
/// Other processes: an end is mapped by one process at a time (EBUSY). A child that was
/// forked has the object without its mapping: it may destroy it, and nothing else.
///
/// Signals: as with sender and receiver, but that one whose handler was installed with
/// SA_RESTART does not end a call that has moved something.

namespace ipcshim {

namespace detail {
struct mapped_transfer;
} // namespace detail

/// A sender as memory. Move-only; owns the sender and the mapping.
class IPCSHIM_API mapped_sender final : public detail::mapped_end<pipe_end::sender> {
public:
    /// A closed one.
    mapped_sender() noexcept = default;
    /// Maps it and takes it over. On an error it stays the caller's.
    /// Errors: ENODEV the pipe was not opened as mapped; EBUSY another process has this
    /// end mapped; ENOMEM, EAGAIN not enough memory, or too much of it locked.
    explicit mapped_sender(ipcshim::sender&& end);
    mapped_sender(ipcshim::sender&& end, std::error_code& error) noexcept
        : mapped_end(std::move(end), error) {}

    /// The sender, for info(), close_pipe(), and writes by way of the kernel.
    [[nodiscard]] const ipcshim::sender& sender() const noexcept { return end_; }

    /// Writes bytes: as sender::write() in everything. What the result remains() is what
    /// this side knew of without looking again: at least so much is free.
    // NOLINTNEXTLINE(modernize-use-nodiscard): mode all either moves all or throws
    [[gnu::always_inline]] io_result write(std::span<const std::byte> bytes,
                                           io_mode mode = io_mode::all) {
        return put(bytes, mode) ? done(bytes) : write_or_throw(bytes, mode, no_deadline);
    }
    [[gnu::always_inline]] io_result write(std::span<const std::byte> bytes, io_mode mode,
                                           std::error_code& error) noexcept {
        return put(bytes, mode) ? done(bytes, error) : write(bytes, mode, no_deadline, error);
    }
    /// The same with io_mode::all, waiting until a point in time at most.
    // NOLINTNEXTLINE(modernize-use-nodiscard)
    [[gnu::always_inline]] io_result write(std::span<const std::byte> bytes, deadline until) {
        return put(bytes, io_mode::all) ? done(bytes) : write_or_throw(bytes, io_mode::all, until);
    }
    [[gnu::always_inline]] io_result write(std::span<const std::byte> bytes, deadline until,
                                           std::error_code& error) noexcept {
        return put(bytes, io_mode::all) ? done(bytes, error)
                                        : write(bytes, io_mode::all, until, error);
    }

    /// Gives room in the ring to write into, in one piece; nobody sees it before
    /// commit(). It is good until then, or until something else is written, reserved or
    /// the object closed or moved. What lies in it is what happens to be there.
    /// \param size bytes, 1 to area(), or the most that the message will have, up to
    ///        message_max
    /// \param mode all waits for it; fail answers EAGAIN; some (raw pipes only) gives
    ///        what is there, EAGAIN if that is nothing
    /// \return `size` bytes, for mode some at most
    /// Errors: EPIPE the pipe is closed; EAGAIN; EMSGSIZE; EINTR; EINVAL.
    [[nodiscard]] std::span<std::byte> reserve(std::size_t size, io_mode mode = io_mode::all) {
        std::byte* const at = room(size, mode);
        return at != nullptr ? std::span(at, size) : reserve_or_throw(size, mode, no_deadline);
    }
    [[nodiscard]] std::span<std::byte> reserve(std::size_t size, io_mode mode,
                                               std::error_code& error) noexcept {
        return reserve(size, mode, no_deadline, error);
    }
    /// The same with io_mode::all, waiting until a point in time at most.
    /// Errors: as above, and ETIMEDOUT.
    [[nodiscard]] std::span<std::byte> reserve(std::size_t size, deadline until) {
        std::byte* const at = room(size, io_mode::all);
        return at != nullptr ? std::span(at, size) : reserve_or_throw(size, io_mode::all, until);
    }
    [[nodiscard]] std::span<std::byte> reserve(std::size_t size, deadline until,
                                               std::error_code& error) noexcept {
        return reserve(size, io_mode::all, until, error);
    }

    /// Writes the first bytes of what was reserved: raw, that many bytes; message, one
    /// message of them. 0 gives the room back. Never waits.
    /// Errors: EINVAL more than was reserved, or it is good no more; EPIPE the pipe is
    /// closed.
    void commit(std::size_t used) {
        if (!publish(used)) {
            commit_or_throw(used);
        }
    }
    void commit(std::size_t used, std::error_code& error) noexcept;

private:
    [[gnu::always_inline]] inline bool put(std::span<const std::byte> bytes, io_mode mode) noexcept;
    inline bool put_message(std::span<const std::byte> bytes, io_mode mode) noexcept;
    [[gnu::always_inline]] inline std::byte* room(std::size_t size, io_mode mode) noexcept;
    [[gnu::always_inline]] inline bool publish(std::size_t used) noexcept;
    [[nodiscard]] io_result done(std::span<const std::byte> bytes) const noexcept {
        return {bytes.size(), static_cast<std::size_t>(ring_.there())};
    }
    [[nodiscard]] io_result done(std::span<const std::byte> bytes,
                                 std::error_code& error) const noexcept {
        error.clear();
        return done(bytes);
    }
    // Where more is to be done than copying, and where something went wrong.
    int await(std::uint64_t need, std::uint64_t least, detail::mapped_transfer& transfer) noexcept;
    int write_raw(std::span<const std::byte> bytes, detail::mapped_transfer& transfer) noexcept;
    int write_message(std::span<const std::byte> bytes, detail::mapped_transfer& transfer) noexcept;
    io_result write(std::span<const std::byte> bytes, io_mode mode, deadline until,
                    std::error_code& error) noexcept;
    io_result write_or_throw(std::span<const std::byte> bytes, io_mode mode, deadline until);
    std::span<std::byte> reserve(std::size_t size, io_mode mode, deadline until,
                                 std::error_code& error) noexcept;
    std::span<std::byte> reserve_or_throw(std::size_t size, io_mode mode, deadline until);
    void commit_or_throw(std::size_t used);
};

/// A receiver as memory. Move-only; owns the receiver and the mapping.
class IPCSHIM_API mapped_receiver final : public detail::mapped_end<pipe_end::receiver> {
public:
    /// A closed one.
    mapped_receiver() noexcept = default;
    /// As mapped_sender.
    explicit mapped_receiver(ipcshim::receiver&& end);
    mapped_receiver(ipcshim::receiver&& end, std::error_code& error) noexcept
        : mapped_end(std::move(end), error) {}

    /// The receiver, for info(), close_pipe(), and reads by way of the kernel.
    [[nodiscard]] const ipcshim::receiver& receiver() const noexcept { return end_; }

    /// Reads bytes: as receiver::read() in everything. What the result remains() is what
    /// this side knew of without looking again: at least so many bytes are left, those
    /// before and after messages among them. For EMSGSIZE it is the message's length. Of a
    /// pipe that was closed for everybody, what lies in the ring may still be read.
    [[nodiscard, gnu::always_inline]] io_result read(std::span<std::byte> buffer,
                                                     io_mode mode = io_mode::all) {
        std::size_t moved = 0;
        return get(buffer, mode, moved) ? done(moved) : read_or_throw(buffer, mode, no_deadline);
    }
    [[nodiscard, gnu::always_inline]] io_result read(std::span<std::byte> buffer, io_mode mode,
                                                     std::error_code& error) noexcept {
        std::size_t moved = 0;
        return get(buffer, mode, moved) ? done(moved, error)
                                        : read(buffer, mode, no_deadline, error);
    }
    /// The same with io_mode::all, waiting until a point in time at most.
    [[nodiscard, gnu::always_inline]] io_result read(std::span<std::byte> buffer, deadline until) {
        std::size_t moved = 0;
        return get(buffer, io_mode::all, moved) ? done(moved)
                                                : read_or_throw(buffer, io_mode::all, until);
    }
    [[nodiscard, gnu::always_inline]] io_result read(std::span<std::byte> buffer, deadline until,
                                                     std::error_code& error) noexcept {
        std::size_t moved = 0;
        return get(buffer, io_mode::all, moved) ? done(moved, error)
                                                : read(buffer, io_mode::all, until, error);
    }

    /// Shows what is next in the ring and leaves it there: raw, all that is there, in
    /// one piece; message, exactly the next one. Good until release(), or until
    /// something is read or the object closed or moved. The other process can change
    /// the bytes meanwhile if it means harm: copy what is checked before it is used.
    /// \param least bytes, 1 to area(); raw: wait for so many. 1 for messages.
    /// \param mode all waits; fail answers EAGAIN if there are less; some (raw pipes
    ///        only) gives what is there, EAGAIN if that is nothing
    /// \return empty: the pipe is closed and drained; less than `least`: it is closed
    /// Errors: EAGAIN; EINTR; EINVAL.
    [[nodiscard]] std::span<const std::byte> peek(std::size_t least = 1,
                                                  io_mode mode = io_mode::all) {
        const std::span<const std::byte> next = seen(least, mode);
        return !next.empty() ? next : peek_or_throw(least, mode, no_deadline);
    }
    [[nodiscard]] std::span<const std::byte> peek(std::size_t least, io_mode mode,
                                                  std::error_code& error) noexcept {
        return peek(least, mode, no_deadline, error);
    }
    /// The same with io_mode::all, waiting until a point in time at most.
    /// Errors: as above, and ETIMEDOUT.
    [[nodiscard]] std::span<const std::byte> peek(std::size_t least, deadline until) {
        const std::span<const std::byte> next = seen(least, io_mode::all);
        return !next.empty() ? next : peek_or_throw(least, io_mode::all, until);
    }
    [[nodiscard]] std::span<const std::byte> peek(std::size_t least, deadline until,
                                                  std::error_code& error) noexcept {
        return peek(least, io_mode::all, until, error);
    }

    /// Takes all that was shown out of the pipe: the message, or the bytes. Never waits.
    /// Errors: EINVAL nothing was shown, or it is good no more.
    void release() {
        if (!retire(held_)) {
            release_or_throw();
        }
    }
    void release(std::error_code& error) noexcept;
    /// The same of the first bytes of a raw pipe. The rest can be released later, or is
    /// shown again.
    /// Errors: EINVAL more than was shown, or it is good no more; a message pipe.
    void release(std::size_t count) {
        if (ring_.carries_messages() || !retire(count)) {
            release_or_throw(count);
        }
    }
    void release(std::size_t count, std::error_code& error) noexcept;

private:
    [[gnu::always_inline]] inline bool get(std::span<std::byte> buffer, io_mode mode,
                                           std::size_t& moved) noexcept;
    inline bool get_message(std::span<std::byte> buffer, io_mode mode, std::size_t& moved) noexcept;
    [[gnu::always_inline]] inline std::span<const std::byte> seen(std::size_t least,
                                                                  io_mode mode) noexcept;
    [[gnu::always_inline]] inline bool retire(std::uint64_t count) noexcept;
    [[nodiscard]] io_result done(std::size_t moved) const noexcept {
        return {moved, static_cast<std::size_t>(ring_.there())};
    }
    [[nodiscard]] io_result done(std::size_t moved, std::error_code& error) const noexcept {
        error.clear();
        return done(moved);
    }
    // Where more is to be done than copying, and where something went wrong.
    int await(std::uint64_t need, std::uint64_t least, detail::mapped_transfer& transfer) noexcept;
    int read_raw(std::span<std::byte> buffer, detail::mapped_transfer& transfer) noexcept;
    int read_message(std::span<std::byte> buffer, detail::mapped_transfer& transfer) noexcept;
    io_result read(std::span<std::byte> buffer, io_mode mode, deadline until,
                   std::error_code& error) noexcept;
    io_result read_or_throw(std::span<std::byte> buffer, io_mode mode, deadline until);
    std::span<const std::byte> peek(std::size_t least, io_mode mode, deadline until,
                                    std::error_code& error) noexcept;
    std::span<const std::byte> peek_or_throw(std::size_t least, io_mode mode, deadline until);
    void release_or_throw(std::size_t count);
    void release_or_throw();
};

/// Prints the end and its descriptor.
IPCSHIM_API std::ostream& operator<<(std::ostream& out, const mapped_sender& value);
IPCSHIM_API std::ostream& operator<<(std::ostream& out, const mapped_receiver& value);

// --- what needs no call into the library ---------------------------------------

inline bool mapped_sender::put(std::span<const std::byte> bytes, io_mode mode) noexcept {
    if (ring_.carries_messages()) {
        return put_message(bytes, mode);
    }
    const std::size_t size = bytes.size();
    if (!ring_.has<pipe_mode::raw>(size)) {
        return false;
    }
    std::memcpy(ring_.here(), bytes.data(), size);
    return !ring_.publish<pipe_mode::raw>(size) || attend();
}

inline bool mapped_sender::put_message(std::span<const std::byte> bytes, io_mode mode) noexcept {
    const std::size_t size = bytes.size();
    const std::uint64_t whole = detail::whole_record(size);
    if (mode == io_mode::some || size - 1 >= message_max || !ring_.has<pipe_mode::message>(whole)) {
        return false;
    }
    ring_.write_head(size);
    std::memcpy(ring_.here() + sizeof(::ipcshim_record), bytes.data(), size);
    return !ring_.publish<pipe_mode::message>(whole) || attend();
}

inline std::byte* mapped_sender::room(std::size_t size, io_mode mode) noexcept {
    // Who is to fill it would rather know now that nobody will read it.
    if (!ring_.is_open() || ring_.other_ended() != 0) {
        return nullptr;
    }
    if (!ring_.carries_messages()) {
        if (!ring_.has<pipe_mode::raw>(size)) {
            return nullptr;
        }
        hold(size);
        return ring_.here();
    }
    if (mode == io_mode::some || size - 1 >= message_max ||
        !ring_.has<pipe_mode::message>(detail::whole_record(size))) {
        return nullptr;
    }
    hold(size);
    return ring_.here() + sizeof(::ipcshim_record);
}

inline bool mapped_sender::publish(std::size_t used) noexcept {
    if (!holds(used)) {
        return false;
    }
    hold(0);
    if (!ring_.carries_messages()) {
        return !ring_.publish<pipe_mode::raw>(used) || attend();
    }
    ring_.write_head(used);
    return !ring_.publish<pipe_mode::message>(detail::whole_record(used)) || attend();
}

inline bool mapped_receiver::get(std::span<std::byte> buffer, io_mode mode,
                                 std::size_t& moved) noexcept {
    if (ring_.carries_messages()) {
        return get_message(buffer, mode, moved);
    }
    const std::size_t size = buffer.size();
    if (!ring_.has<pipe_mode::raw>(size)) {
        return false;
    }
    std::memcpy(buffer.data(), ring_.here(), size);
    moved = size;
    if (ring_.publish<pipe_mode::raw>(size)) [[unlikely]] {
        attend();
    }
    return true;
}

inline bool mapped_receiver::get_message(std::span<std::byte> buffer, io_mode mode,
                                         std::size_t& moved) noexcept {
    if (mode == io_mode::some || !ring_.has<pipe_mode::message>(1)) {
        return false;
    }
    const std::size_t length = ring_.record_length();
    if (length - 1 >= buffer.size()) {
        return false;
    }
    std::memcpy(buffer.data(), ring_.here() + sizeof(::ipcshim_record), length);
    moved = length;
    if (ring_.publish<pipe_mode::message>(detail::whole_record(length))) [[unlikely]] {
        attend();
    }
    return true;
}

inline std::span<const std::byte> mapped_receiver::seen(std::size_t least, io_mode mode) noexcept {
    hold(0);
    if (ring_.carries_messages()) {
        const std::size_t length =
            mode != io_mode::some && least == 1 && ring_.has<pipe_mode::message>(1)
                ? ring_.record_length()
                : 0;
        if (length == 0) {
            return {};
        }
        hold(detail::whole_record(length));
        return {ring_.here() + sizeof(::ipcshim_record), length};
    }
    // All that is there, and not what was seen before, so that a program that needs more
    // gets to see more.
    if (!ring_.is_open() || !ring_.untouched() || !ring_.look() || least - 1 >= ring_.there()) {
        return {};
    }
    hold(ring_.there());
    return {ring_.here(), static_cast<std::size_t>(ring_.there())};
}

inline bool mapped_receiver::retire(std::uint64_t count) noexcept {
    if (!holds(count)) {
        return false;
    }
    const std::uint64_t rest = held_ - count;
    if (ring_.publish(count)) [[unlikely]] {
        attend();
    }
    hold(rest);
    return true;
}

} // namespace ipcshim

#endif
