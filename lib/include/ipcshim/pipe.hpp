// SPDX-License-Identifier: MIT
#ifndef IPCSHIM_PIPE_HPP
#define IPCSHIM_PIPE_HPP

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <iosfwd>
#include <span>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <ipcshim/batch.hpp>
#include <ipcshim/detail/export.hpp>
#include <ipcshim/detail/handle.hpp>
#include <ipcshim/detail/syscalls.hpp>
#include <ipcshim/error.hpp>
#include <ipcshim/io_result.hpp>
#include <ipcshim/pipe_info.hpp>
#include <ipcshim/types.hpp>

/// \file
/// The two ends of a pipe: live handles that own a descriptor.
///
/// Errors: see error.hpp. std::logic_error (twin: EBADF) when the object is
/// closed, moved-from or released.
///
/// Threads: reading, writing, info() and the like may run from any number of
/// threads at once on one object; reads on one end take turns, those that wait
/// in the order of their coming, and so do writes. Moving, close() and
/// release() need the object for themselves.
///
/// Signals: a wait that a signal interrupts is told, not hidden, because a
/// signal is how a program stops a wait: if nothing had moved the call fails
/// with std::errc::interrupted; if something had, it succeeds with that count
/// and cause::signal. Handlers installed with SA_RESTART (ipcshim's own are)
/// restart a call that had moved nothing.

namespace ipcshim {

/// How send_to() hands an end over.
struct send_parameters final {
    std::uint16_t command = 0;   ///< command code for the event, your own word
    std::uint64_t size_hint = 0; ///< bytes that will be sent, 0: unknown
    /// false: no event and no signal; the caller tells the token in its own
    /// way (NightOS: notification mode SKIP).
    bool announce = true;
};

namespace detail {

class mapped_memory;

/// What sender and receiver share. Not to be named by programs.
class IPCSHIM_API pipe_base {
public:
    pipe_base(const pipe_base&) = delete;
    pipe_base& operator=(const pipe_base&) = delete;

    /// It holds a descriptor. (The pipe itself may be closed: see info().)
    [[nodiscard]] bool is_open() const noexcept { return handle_.is_open(); }
    explicit operator bool() const noexcept { return is_open(); }

    /// The descriptor, for poll, epoll, io_uring, splice, SCM_RIGHTS; it stays
    /// owned by this object. It is a FIFO to fstat(2), and read(2) and write(2)
    /// on it do what POSIX says of a pipe.
    [[nodiscard]] int fd() const;

    /// Gives the descriptor away; the caller closes it. The object is closed.
    [[nodiscard]] int release();

    /// Closes this descriptor (POSIX: close). What was written can still be
    /// read. Once an end's last descriptor is closed the other side gets
    /// pipe_closed. Nothing happens if it is closed already.
    void close() noexcept { handle_.reset(); }

    /// What the pipe carries: raw bytes or messages. Asks nobody.
    [[nodiscard]] pipe_mode mode() const noexcept { return mode_; }

    /// What the pipe looks like now. Never waits. (NightOS: PIPE_INFO.)
    [[nodiscard]] pipe_info info() const;
    [[nodiscard]] pipe_info info(std::error_code& error) const noexcept;

    /// Hands this end to one more process as well: both hold it then.
    /// (NightOS: SEND_PIPE.)
    /// \param pid the process, greater than 0
    /// \return the token that was told in the event, or is to be told
    /// Errors: ESRCH no such process; EPERM not allowed to reach it;
    /// ECONNREFUSED no port of it handles recv_pipe (unannounced: it has no
    /// port); EAGAIN its queue is full; EDQUOT a limit; EPIPE closed by
    /// close_pipe(). Nothing changed then.
    // NOLINTNEXTLINE(modernize-use-nodiscard): only the unannounced form needs it
    token send_to(pid_t pid, const send_parameters& parameters = {}) const;
    token send_to(pid_t pid, const send_parameters& parameters,
                  std::error_code& error) const noexcept;

    /// Closes the pipe at once for every holder of either end; what was not
    /// read is discarded, and every holder but those of this process is told.
    /// The descriptor stays. To let the reader drain what is left, close() the
    /// sender instead. (NightOS: CLOSE_PIPE.)
    /// Errors: EPIPE it was closed this way before.
    void close_pipe() const;
    void close_pipe(std::error_code& error) const noexcept;

    /// O_NONBLOCK of the descriptor. It matters to read(2) and write(2) on
    /// fd(), never to read() and write() here: those have an io_mode.
    [[nodiscard]] bool nonblocking() const;
    void set_nonblocking(bool on) const;

protected:
    pipe_base() noexcept = default;
    pipe_base(handle&& owned, pipe_mode mode) noexcept : handle_(std::move(owned)), mode_(mode) {}
    pipe_base(adopt_fd_t, int fd, pipe_end expected, syscalls& calls);
    pipe_base(pipe_base&&) noexcept = default;
    pipe_base& operator=(pipe_base&&) noexcept = default;
    ~pipe_base() = default;

    io_result transfer(unsigned long request, std::uint64_t address, std::size_t size, io_mode mode,
                       deadline until, std::error_code& error) const noexcept;
    io_result transfer(unsigned long request, std::span<::ipcshim_batch_entry> entries,
                       io_mode mode, deadline until, std::error_code& error) const noexcept;
    void require_open() const;

private:
    friend class mapped_memory; // it maps the descriptor

    handle handle_;
    pipe_mode mode_ = pipe_mode::raw;
};

} // namespace detail

/// The end of a pipe that writes. Move-only; owns its descriptor.
/// (NightOS: SC; Zeke and POSIX: the write end.)
class IPCSHIM_API sender final : public detail::pipe_base {
public:
    /// A closed one.
    sender() noexcept = default;
    /// Takes over a descriptor that came by other ways (fork, SCM_RIGHTS,
    /// exec). On an error the descriptor stays the caller's.
    /// Errors: ENOTTY it is no end of an ipcshim pipe; EINVAL it is a receiver.
    sender(adopt_fd_t tag, int fd, detail::syscalls& calls = detail::real_syscalls());
    /// For the library: a descriptor that is known to be a sender.
    sender(detail::handle&& owned, pipe_mode mode) noexcept : pipe_base(std::move(owned), mode) {}

    /// Writes bytes: raw, one piece that no other writer interleaves with;
    /// message, one whole message. Never raises SIGPIPE. No bytes: success at
    /// once, nothing is queued. (NightOS: PIPE_WRITE.)
    ///
    /// io_mode::all waits until everything is written.
    /// Errors, with result(): EPIPE the pipe is closed; EAGAIN modes fail and
    /// some, see cause(); EMSGSIZE longer than message_max; EINTR a signal and
    /// nothing moved; EINVAL mode some on a message pipe, or mode fail with
    /// more than the capacity.
    // NOLINTNEXTLINE(modernize-use-nodiscard): mode all either moves all or throws
    io_result write(std::span<const std::byte> bytes, io_mode mode = io_mode::all) const;
    io_result write(std::span<const std::byte> bytes, io_mode mode,
                    std::error_code& error) const noexcept;

    /// The same with io_mode::all, waiting until a point in time at most.
    /// Errors: as above, and ETIMEDOUT; moved() tells what moved by then.
    // NOLINTNEXTLINE(modernize-use-nodiscard)
    io_result write(std::span<const std::byte> bytes, deadline until) const;
    io_result write(std::span<const std::byte> bytes, deadline until,
                    std::error_code& error) const noexcept;

    /// Writes many messages in one call, in their order; no other writer's come between
    /// them. Message pipes only. (Ours: WRITE_BATCH.)
    ///
    /// \param batch at most batch_max messages
    /// \param mode all waits until all are written; fail writes all of them or none;
    ///        some as many as can be now
    /// \return moved() tells how many messages were written, also where it fails; after
    ///         fewer than all without an error, cause() tells why, and batch.skip() leaves
    ///         out those
    /// Errors, with result(): EPIPE the pipe is closed; EAGAIN modes fail and some, none
    /// was written; EMSGSIZE the first is longer than message_max; EINTR a signal and
    /// nothing moved; EINVAL a raw pipe, too many messages, or mode fail with more than
    /// the pipe can hold.
    // NOLINTNEXTLINE(modernize-use-nodiscard): mode all either moves all or throws
    io_result write_batch(outgoing_batch& batch, io_mode mode = io_mode::all) const;
    io_result write_batch(outgoing_batch& batch, io_mode mode,
                          std::error_code& error) const noexcept;

    /// The same with io_mode::all, waiting until a point in time at most.
    /// Errors: as above, and ETIMEDOUT; moved() tells what moved by then.
    // NOLINTNEXTLINE(modernize-use-nodiscard)
    io_result write_batch(outgoing_batch& batch, deadline until) const;
    io_result write_batch(outgoing_batch& batch, deadline until,
                          std::error_code& error) const noexcept;
};

/// The end of a pipe that reads. Move-only; owns its descriptor.
/// (NightOS: RC; Zeke and POSIX: the read end.)
class IPCSHIM_API receiver final : public detail::pipe_base {
public:
    /// A closed one.
    receiver() noexcept = default;
    /// Takes over a descriptor that came by other ways (fork, SCM_RIGHTS,
    /// exec). On an error the descriptor stays the caller's.
    /// Errors: ENOTTY it is no end of an ipcshim pipe; EINVAL it is a sender.
    receiver(adopt_fd_t tag, int fd, detail::syscalls& calls = detail::real_syscalls());
    /// For the library: a descriptor that is known to be a receiver.
    receiver(detail::handle&& owned, pipe_mode mode) noexcept : pipe_base(std::move(owned), mode) {}

    /// Reads bytes: raw, as many as the buffer has; message, one whole message.
    /// (NightOS: PIPE_READ.)
    ///
    /// io_mode::all waits until the buffer is full (raw) or a message came. It
    /// ends short, without an error, when the pipe is closed and drained:
    /// result.closed(). io_mode::some takes what is there.
    /// Errors, with result(): EAGAIN modes fail and some, see cause(); EMSGSIZE
    /// the buffer is too small for the message, which stays: remains() is its
    /// length; EINTR a signal and nothing moved; EINVAL mode some on a message
    /// pipe, or mode fail with more than the capacity.
    [[nodiscard]] io_result read(std::span<std::byte> buffer, io_mode mode = io_mode::all) const;
    [[nodiscard]] io_result read(std::span<std::byte> buffer, io_mode mode,
                                 std::error_code& error) const noexcept;

    /// The same with io_mode::all, waiting until a point in time at most.
    /// Errors: as above, and ETIMEDOUT; moved() tells what moved by then.
    [[nodiscard]] io_result read(std::span<std::byte> buffer, deadline until) const;
    [[nodiscard]] io_result read(std::span<std::byte> buffer, deadline until,
                                 std::error_code& error) const noexcept;

    /// Reads many messages in one call, each into a buffer of its own: see
    /// incoming_batch::message(). Message pipes only. (Ours: READ_BATCH.)
    ///
    /// \param batch at most batch_max buffers
    /// \param mode all waits until all have a message; it ends short, without an error,
    ///        when the pipe is closed and drained: result.closed(). fail fills all of
    ///        them or none, some as many as messages wait.
    /// \return moved() tells how many messages were read, also where it fails; after
    ///         fewer than all without an error, cause() tells why
    /// Errors, with result(): EAGAIN modes fail and some, none was read; EMSGSIZE the
    /// first buffer is too small for its message, which stays: remains() is its length;
    /// EINTR a signal and nothing moved; EINVAL a raw pipe, or too many buffers.
    [[nodiscard]] io_result read_batch(incoming_batch& batch, io_mode mode = io_mode::all) const;
    [[nodiscard]] io_result read_batch(incoming_batch& batch, io_mode mode,
                                       std::error_code& error) const noexcept;

    /// The same with io_mode::all, waiting until a point in time at most.
    /// Errors: as above, and ETIMEDOUT; moved() tells what moved by then.
    [[nodiscard]] io_result read_batch(incoming_batch& batch, deadline until) const;
    [[nodiscard]] io_result read_batch(incoming_batch& batch, deadline until,
                                       std::error_code& error) const noexcept;

    /// Reads one whole message, whatever its length, and makes the container
    /// exactly as long as it. Reuses the container's memory.
    /// \return false when the pipe is closed and drained; the container is
    /// empty then
    /// Errors: ETIMEDOUT; EINTR; EINVAL not a message pipe.
    [[nodiscard]] bool read_message(std::vector<std::byte>& message,
                                    deadline until = no_deadline) const;
    [[nodiscard]] bool read_message(std::string& message, deadline until = no_deadline) const;
};

/// Both ends of one pipe in one process, from port::open_pipe().
struct pipe_pair final {
    ipcshim::sender sender;
    ipcshim::receiver receiver;
};

/// Prints the end and its descriptor.
IPCSHIM_API std::ostream& operator<<(std::ostream& out, const sender& value);
IPCSHIM_API std::ostream& operator<<(std::ostream& out, const receiver& value);

} // namespace ipcshim

#endif
