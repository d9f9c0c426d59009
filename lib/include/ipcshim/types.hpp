// SPDX-License-Identifier: MIT
#ifndef IPCSHIM_TYPES_HPP
#define IPCSHIM_TYPES_HPP

#include <linux/ipcshim.h>
#include <sys/types.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <iosfwd>
#include <span>
#include <string_view>

#include <ipcshim/detail/export.hpp>

/// \file
/// The small words that the nouns share. Numbers come from <linux/ipcshim.h>
/// and nowhere else. Everything here is a plain value: no ownership, no errors,
/// safe from any thread.

namespace ipcshim {

/// What kind of event this is. Other values than the named ones can come from
/// a module that is newer than the library. (Codes: NightOS.)
enum class event_code : std::uint16_t {
    /// Somebody handed this process an end of a pipe.
    recv_pipe = IPCSHIM_EVENT_RECV_PIPE,
    /// The other end of a pipe is closed.
    pipe_closed = IPCSHIM_EVENT_PIPE_CLOSED,
    /// Somebody handed this process one side of a socket.
    recv_serv_sock = IPCSHIM_EVENT_RECV_SERV_SOCK,
    /// A message waits in a socket.
    recv_sock_msg = IPCSHIM_EVENT_RECV_SOCK_MSG,
    /// The other side of a socket without a name has ended.
    serv_sock_closed = IPCSHIM_EVENT_SERV_SOCK_CLOSED,
    /// Somebody wants to connect to a service of this process.
    service_conn_request = IPCSHIM_EVENT_SERVICE_CONN_REQUEST,
    /// A client has ended a connection in order.
    service_client_closed = IPCSHIM_EVENT_SERVICE_CLIENT_CLOSED,
    /// A client has died, or executed another program.
    service_client_quitted = IPCSHIM_EVENT_SERVICE_CLIENT_QUITTED,
    /// A service has let go of a connection, however.
    service_server_quitted = IPCSHIM_EVENT_SERVICE_SERVER_QUITTED,
    /// Somebody shared a segment with this process, or one that it lent is back.
    recv_shared_mem = IPCSHIM_EVENT_RECV_SHARED_MEM,
    /// A segment was taken back, or its sharer has ended.
    unshared_mem = IPCSHIM_EVENT_UNSHARED_MEM,
    /// Somebody handed this process the slave of a pseudo terminal (ours).
    recv_pty = IPCSHIM_EVENT_RECV_PTY,
};

/// How something ended (ours).
enum class how : std::uint16_t {
    /// A live process closed it.
    closed = IPCSHIM_HOW_CLOSED,
    /// Its holder exited without closing; the status is the exit code.
    exited = IPCSHIM_HOW_EXITED,
    /// Its holder was killed; the status is the signal's number.
    killed = IPCSHIM_HOW_KILLED,
    /// Its holder executed another program.
    executed = IPCSHIM_HOW_EXECUTED,
    /// Its sharer took it back.
    revoked = IPCSHIM_HOW_REVOKED,
    /// It was lent, and the time was over.
    lease_ended = IPCSHIM_HOW_LEASE_ENDED,
    /// It was lent, and given back before its time.
    returned = IPCSHIM_HOW_RETURNED,
};

/// Which end of a pipe (NightOS: SC and RC).
enum class pipe_end : std::uint16_t {
    sender = IPCSHIM_END_SENDER,
    receiver = IPCSHIM_END_RECEIVER,
};

/// What a pipe carries (NightOS).
enum class pipe_mode : std::uint16_t {
    /// A stream of bytes without boundaries, as POSIX pipes.
    raw = IPCSHIM_PIPE_RAW,
    /// Whole messages of 1 to `message_max` bytes.
    message = IPCSHIM_PIPE_MESSAGE,
};

/// What may be done with a segment: a set of flags. `read` is always among
/// them; `write` goes neither with `execute` nor with `copy_on_write` but for
/// who made the segment, and no mapping ever has both. (NightOS.)
enum class rights : std::uint16_t {
    none = 0,
    read = IPCSHIM_RIGHT_READ,
    /// What is written is seen by every other holder.
    write = IPCSHIM_RIGHT_WRITE,
    execute = IPCSHIM_RIGHT_EXECUTE,
    /// What is written stays one's own.
    copy_on_write = IPCSHIM_RIGHT_COPY_ON_WRITE,
};

[[nodiscard]] constexpr rights operator|(rights one, rights other) noexcept {
    return rights(
        static_cast<std::uint16_t>(static_cast<unsigned>(one) | static_cast<unsigned>(other)));
}
[[nodiscard]] constexpr rights operator&(rights one, rights other) noexcept {
    return rights(
        static_cast<std::uint16_t>(static_cast<unsigned>(one) & static_cast<unsigned>(other)));
}
/// Are all of these among them?
[[nodiscard]] constexpr bool has(rights all, rights these) noexcept {
    return (all & these) == these;
}

/// How this process came to a segment.
enum class memory_mode : std::uint16_t {
    /// Its sharer uses it as well (NightOS).
    mutual = IPCSHIM_MEM_MUTUAL,
    /// Its sharer has lost it (NightOS).
    exclusive = IPCSHIM_MEM_EXCLUSIVE,
    /// Its sharer has lost it, and gets it back (ours).
    lent = IPCSHIM_MEM_LENT,
    /// It was lent, and came back (ours).
    returned = IPCSHIM_MEM_RETURNED,
    /// It was made here (ours).
    made = IPCSHIM_MEM_MADE,
};

/// Which side of a connection. (NightOS: client and service.)
enum class role : std::uint16_t {
    /// Opens methods.
    client = IPCSHIM_ROLE_CLIENT,
    /// Opens notifications.
    service = IPCSHIM_ROLE_SERVICE,
};

/// The number of an exchange: 1, 2, 3 ... in each connection, never used again.
/// 0: none.
using exchange_id = std::uint64_t;

/// The size of a terminal's window; all 0 where nobody set it. (POSIX: struct
/// winsize.)
struct window_size final {
    std::uint16_t rows = 0;     ///< characters
    std::uint16_t columns = 0;  ///< characters
    std::uint16_t x_pixels = 0; ///< of the whole window, 0: not known
    std::uint16_t y_pixels = 0;

    friend bool operator==(const window_size&, const window_size&) = default;
};

/// How far a read or a write goes (NightOS).
enum class io_mode : std::uint32_t {
    /// Wait until everything moved (a message pipe: one whole message).
    all = IPCSHIM_IO_ALL,
    /// Everything now, or nothing and `std::errc::resource_unavailable_try_again`.
    fail = IPCSHIM_IO_FAIL,
    /// What can move now; raw pipes only.
    some = IPCSHIM_IO_SOME,
};

/// Why a read or a write moved less than it was asked to (NightOS, deadlines
/// are ours).
enum class cause : std::uint32_t {
    /// Everything moved.
    none = IPCSHIM_CAUSE_NONE,
    /// Somebody else is writing (reading); io_result::pid() tells who.
    locked = IPCSHIM_CAUSE_LOCKED,
    /// io_result::lacks() bytes of room are missing.
    full = IPCSHIM_CAUSE_FULL,
    /// io_result::lacks() bytes of data are missing.
    empty = IPCSHIM_CAUSE_EMPTY,
    /// The pipe is closed.
    closed = IPCSHIM_CAUSE_CLOSED,
    /// A signal came in between.
    signal = IPCSHIM_CAUSE_SIGNAL,
    /// The deadline passed.
    deadline = IPCSHIM_CAUSE_DEADLINE,
    /// The message is too long, or the buffer too small for it.
    too_long = IPCSHIM_CAUSE_TOO_LONG,
    /// A bad address in the buffer, after io_result::moved() bytes.
    fault = IPCSHIM_CAUSE_FAULT,
};

/// Who may reach a port (ours). CAP_IPC_OWNER passes always.
enum class access : std::uint32_t {
    /// Processes of the same effective uid. The default.
    same_user = IPCSHIM_ACCESS_UID,
    /// Of those, only the ones that run the same executable file
    /// (NightOS: the same application).
    same_executable = IPCSHIM_ACCESS_EXECUTABLE,
    /// Everybody.
    anybody = IPCSHIM_ACCESS_ANYBODY,
};

/// The right to claim one object, for the one process that it was made for.
/// Never used twice. 0: nothing to claim.
enum class token : std::uint64_t {};

/// No token.
inline constexpr token no_token{0};

/// Deadlines are points of the steady clock (CLOCK_MONOTONIC), never durations,
/// so that a call that is restarted after a signal keeps its deadline:
/// `ipcshim::deadline::clock::now() + 2s`.
using deadline = std::chrono::steady_clock::time_point;

/// Wait for ever.
inline constexpr deadline no_deadline = deadline::max();

/// The longest message, in bytes.
inline constexpr std::size_t message_max = IPCSHIM_MESSAGE_MAX;
/// Pipes are made in steps of so many bytes.
inline constexpr std::size_t capacity_unit = IPCSHIM_CAPACITY_UNIT;
/// The largest pipe, in bytes.
inline constexpr std::size_t capacity_max = std::size_t{IPCSHIM_CAPACITY_MAX} * capacity_unit;
/// What one pseudo terminal counts for among its user's bytes.
inline constexpr std::size_t pty_bytes = IPCSHIM_PTY_BYTES;
/// The longest name of a service, in bytes.
inline constexpr std::size_t service_name_max = IPCSHIM_NAME_MAX;
/// The largest message of a socket unless asked for otherwise, and the largest
/// that can be asked for; bytes.
inline constexpr std::uint32_t socket_message = IPCSHIM_SOCKET_MESSAGE;
inline constexpr std::uint32_t socket_message_max = IPCSHIM_SOCKET_MESSAGE_MAX;
/// How many descriptors one message carries at most.
inline constexpr std::size_t descriptors_max = IPCSHIM_DESCRIPTORS_MAX;
/// Where the module is found.
inline constexpr const char* default_device = IPCSHIM_DEVICE;

/// Says that a descriptor changes hands: the object that takes it closes it.
struct adopt_fd_t {
    explicit adopt_fd_t() = default;
};
inline constexpr adopt_fd_t adopt_fd{};

/// The bytes of a text, for the calls that take bytes. Borrows: the text must
/// live as long as the result is used.
[[nodiscard]] inline std::span<const std::byte> bytes_of(std::string_view text) noexcept {
    return std::as_bytes(std::span<const char>(text.data(), text.size()));
}

/// The name of a value as it is written here; "unknown" for a value that this
/// library does not know.
[[nodiscard]] IPCSHIM_API std::string_view to_string(event_code value) noexcept;
[[nodiscard]] IPCSHIM_API std::string_view to_string(how value) noexcept;
[[nodiscard]] IPCSHIM_API std::string_view to_string(pipe_end value) noexcept;
[[nodiscard]] IPCSHIM_API std::string_view to_string(pipe_mode value) noexcept;
[[nodiscard]] IPCSHIM_API std::string_view to_string(memory_mode value) noexcept;
[[nodiscard]] IPCSHIM_API std::string_view to_string(io_mode value) noexcept;
[[nodiscard]] IPCSHIM_API std::string_view to_string(cause value) noexcept;
[[nodiscard]] IPCSHIM_API std::string_view to_string(access value) noexcept;
[[nodiscard]] IPCSHIM_API std::string_view to_string(role value) noexcept;

/// Prints the name, and the number as well where there is no name for it.
IPCSHIM_API std::ostream& operator<<(std::ostream& out, event_code value);
IPCSHIM_API std::ostream& operator<<(std::ostream& out, how value);
IPCSHIM_API std::ostream& operator<<(std::ostream& out, pipe_end value);
IPCSHIM_API std::ostream& operator<<(std::ostream& out, pipe_mode value);
IPCSHIM_API std::ostream& operator<<(std::ostream& out, memory_mode value);
IPCSHIM_API std::ostream& operator<<(std::ostream& out, io_mode value);
IPCSHIM_API std::ostream& operator<<(std::ostream& out, cause value);
IPCSHIM_API std::ostream& operator<<(std::ostream& out, access value);
IPCSHIM_API std::ostream& operator<<(std::ostream& out, role value);
/// Prints the letters r, w, x, a dash for each that is missing, and c behind them
/// for copy_on_write.
IPCSHIM_API std::ostream& operator<<(std::ostream& out, rights value);
/// Prints columns and rows, "80x24".
IPCSHIM_API std::ostream& operator<<(std::ostream& out, const window_size& value);
/// Prints a token as a decimal number.
IPCSHIM_API std::ostream& operator<<(std::ostream& out, token value);

} // namespace ipcshim

#endif
