// SPDX-License-Identifier: MIT
#ifndef IPCSHIM_EVENT_HPP
#define IPCSHIM_EVENT_HPP

#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <iosfwd>
#include <optional>
#include <span>
#include <type_traits>
#include <variant>

#include <ipcshim/types.hpp>

/// \file
/// Events: what the module tells a process. They are snapshots, plain values to
/// copy and keep; they own nothing. What NightOS and Zeke call a signal is an
/// event here, because a Linux signal is only one of the ways to be notified.

namespace ipcshim {

/// A set of event codes, as port::handle() takes it. Codes 0 to 127.
/// \throws std::out_of_range for a code that no set can hold.
class IPCSHIM_API event_set final {
public:
    constexpr event_set() noexcept = default;
    event_set(std::initializer_list<event_code> codes);

    event_set& add(event_code code);
    event_set& remove(event_code code);
    [[nodiscard]] bool contains(event_code code) const noexcept;
    [[nodiscard]] bool empty() const noexcept { return words_[0] == 0 && words_[1] == 0; }
    /// Bit n%64 of word n/64 stands for the code n.
    [[nodiscard]] const std::array<std::uint64_t, 2>& words() const noexcept { return words_; }
    /// Every code that this library knows. An older module may know fewer, and
    /// port::handle() refuse the set: driver_info::events() tells.
    [[nodiscard]] static event_set all();

    friend bool operator==(const event_set&, const event_set&) = default;

private:
    std::array<std::uint64_t, 2> words_{};
};

/// Somebody handed this process an end of a pipe; port::claim() takes it.
/// (NightOS: RECV_PIPE.)
struct recv_pipe final {
    pipe_end end{};             ///< the end that is to be claimed
    pipe_mode mode{};           ///< raw or message
    std::uint32_t capacity = 0; ///< bytes of payload
    /// Bytes that the sender means to send, 0: unknown. Another process says
    /// so: don't allocate by it.
    std::uint64_t size_hint = 0;
    std::uint64_t inode = 0; ///< st_ino of the end

    friend bool operator==(const recv_pipe&, const recv_pipe&) = default;
};

/// The other end of a pipe is closed. (NightOS: PIPE_CLOSED; how and what was
/// never read are ours.)
struct pipe_closed final {
    ipcshim::how how{};      ///< how it ended
    pipe_end end{};          ///< which end was mine
    std::int32_t status = 0; ///< exit code or signal number, see `how`
    std::uint64_t inode = 0; ///< st_ino of the end that was mine
    /// Bytes written and not read when it closed. A receiver can still read
    /// them, unless close_pipe() discarded them.
    std::uint64_t bytes_unread = 0;
    std::uint64_t messages_unread = 0; ///< the same in messages; 0 for a raw pipe

    friend bool operator==(const pipe_closed&, const pipe_closed&) = default;
};

/// Somebody shared a segment with this process, or one that it lent has come
/// back; port::claim_segment() takes it. (NightOS: RECV_SHARED_MEM; lending and
/// what belongs to it are ours.)
struct recv_shared_mem final {
    std::uint64_t length = 0;         ///< bytes
    memory_mode mode{};               ///< mutual, exclusive, lent or returned
    ipcshim::rights rights{};         ///< what this process may do with it
    ipcshim::how how{};               ///< mode returned: why it came back; else 0
    std::int32_t status = 0;          ///< exit code or signal number, see `how`
    std::uint64_t inode = 0;          ///< st_ino of the descriptor to come
    deadline lease_end = no_deadline; ///< mode lent: when it goes back

    friend bool operator==(const recv_shared_mem&, const recv_shared_mem&) = default;
};

/// Of a segment that this process has claimed. how::revoked, how::lease_ended:
/// it is gone, with every mapping of it. Else its sharer has ended: nobody can
/// take it back any more, and the pages stay. (NightOS: UNSHARED_MEM.)
struct unshared_mem final {
    ipcshim::how how{};
    std::int32_t status = 0; ///< exit code or signal number, see `how`
    std::uint64_t inode = 0; ///< st_ino of the segment

    /// The segment and every mapping of it are gone.
    [[nodiscard]] bool is_gone() const noexcept {
        return how == ipcshim::how::revoked || how == ipcshim::how::lease_ended;
    }
    friend bool operator==(const unshared_mem&, const unshared_mem&) = default;
};

/// Somebody handed this process the slave of a pseudo terminal;
/// port::claim_pty() opens it. (Ours.)
struct recv_pty final {
    std::uint32_t index = 0; ///< of /dev/ttyIPC<index>
    window_size size{};      ///< of its window when it was sent; all 0: none was set
    std::uint64_t inode = 0; ///< st_ino of the slave's descriptor to come

    friend bool operator==(const recv_pty&, const recv_pty&) = default;
};

/// Somebody handed this process one side of a socket; port::claim_socket() takes
/// it. (NightOS: RECV_SERV_SOCK.)
struct recv_serv_sock final {
    role side{};                   ///< the side that is to be claimed
    std::uint32_t message_max = 0; ///< bytes, the largest message
    std::uint64_t connection = 0;  ///< number of the connection
    std::uint64_t inode = 0;       ///< st_ino of that side

    friend bool operator==(const recv_serv_sock&, const recv_serv_sock&) = default;
};

/// A message waits in a socket of this process; socket::read() takes it. Another
/// thread may have taken it by then. (NightOS: RECV_SOCK_MSG.)
struct recv_sock_msg final {
    exchange_id exchange = 0;
    std::uint16_t code = 0;        ///< of the method or notification
    std::uint16_t error = 0;       ///< 0: none, else the sender's own word
    bool concludes = false;        ///< the exchange ends with it
    bool opens = false;            ///< it is the first of its exchange
    bool is_notification = false;  ///< of an exchange that the service opened
    std::uint16_t descriptors = 0; ///< how many it carries
    std::uint64_t length = 0;      ///< bytes
    std::uint64_t inode = 0;       ///< st_ino of the socket

    friend bool operator==(const recv_sock_msg&, const recv_sock_msg&) = default;
};

/// Somebody wants to connect to a name that this port has published;
/// port::accept() or port::reject() answers. (NightOS: SERVICE_CONN_REQUEST.)
struct service_conn_request final {
    std::uint64_t connection = 0;  ///< number of the connection that will be
    std::uint64_t service = 0;     ///< number of the name, published_service::number()
    std::uint32_t message_max = 0; ///< bytes, the largest message
    deadline until = no_deadline;  ///< so long the client waits

    friend bool operator==(const service_conn_request&, const service_conn_request&) = default;
};

/// The other side of a socket has ended. The code of the event says which way, and
/// each of the four has this. (NightOS: SERV_SOCK_CLOSED, SERVICE_CLIENT_CLOSED,
/// SERVICE_CLIENT_QUITTED, SERVICE_SERVER_QUITTED; what it tells is ours.)
struct sock_closed final {
    ipcshim::how how{};                ///< how it ended
    std::int32_t status = 0;           ///< exit code or signal number, see `how`
    role side{};                       ///< which side was mine
    std::uint64_t connection = 0;      ///< number of the connection
    std::uint64_t inode = 0;           ///< st_ino of the side that was mine
    std::uint32_t messages_unread = 0; ///< sent by me, and not read by the other side
    std::uint32_t exchanges = 0;       ///< that were open

    friend bool operator==(const sock_closed&, const sock_closed&) = default;
};

/// One event, 64 bytes, exactly as the module wrote it.
class IPCSHIM_API event final {
public:
    /// What the event says; std::monostate for a code that this library does
    /// not know.
    using data_type =
        std::variant<std::monostate, ipcshim::recv_pipe, ipcshim::pipe_closed,
                     ipcshim::recv_shared_mem, ipcshim::unshared_mem, ipcshim::recv_pty,
                     ipcshim::recv_serv_sock, ipcshim::recv_sock_msg, ipcshim::service_conn_request,
                     ipcshim::sock_closed>;

    /// An empty event with code 0.
    event() noexcept = default;
    explicit event(const ::ipcshim_event& raw) noexcept : raw_(raw) {}

    [[nodiscard]] event_code code() const noexcept { return event_code{raw_.code}; }
    /// The command code: the sender's own word.
    [[nodiscard]] std::uint16_t command() const noexcept { return raw_.command; }
    /// For port::claim(); no_token where there is nothing to claim.
    [[nodiscard]] ipcshim::token token() const noexcept { return ipcshim::token{raw_.token}; }
    /// 1, 2, 3 ... for each port.
    [[nodiscard]] std::uint64_t sequence() const noexcept { return raw_.sequence; }
    /// Who caused it, in this process's pid namespace; 0: not visible here.
    [[nodiscard]] pid_t pid() const noexcept;
    /// The effective uid of who caused it, in this process's user namespace.
    [[nodiscard]] uid_t uid() const noexcept { return raw_.uid; }

    /// What it says, by code.
    [[nodiscard]] data_type data() const noexcept;
    /// What it says if it is a recv_pipe event, else nothing.
    [[nodiscard]] std::optional<ipcshim::recv_pipe> as_recv_pipe() const noexcept;
    /// What it says if it is a pipe_closed event, else nothing.
    [[nodiscard]] std::optional<ipcshim::pipe_closed> as_pipe_closed() const noexcept;
    /// What it says if it is a recv_shared_mem event, else nothing.
    [[nodiscard]] std::optional<ipcshim::recv_shared_mem> as_recv_shared_mem() const noexcept;
    /// What it says if it is an unshared_mem event, else nothing.
    [[nodiscard]] std::optional<ipcshim::unshared_mem> as_unshared_mem() const noexcept;
    /// What it says if it is a recv_pty event, else nothing.
    [[nodiscard]] std::optional<ipcshim::recv_pty> as_recv_pty() const noexcept;
    /// What it says if it is a recv_serv_sock event, else nothing.
    [[nodiscard]] std::optional<ipcshim::recv_serv_sock> as_recv_serv_sock() const noexcept;
    /// What it says if it is a recv_sock_msg event, else nothing.
    [[nodiscard]] std::optional<ipcshim::recv_sock_msg> as_recv_sock_msg() const noexcept;
    /// What it says if it is a service_conn_request event, else nothing.
    [[nodiscard]] std::optional<ipcshim::service_conn_request>
    as_service_conn_request() const noexcept;
    /// What it says if it is one of serv_sock_closed, service_client_closed,
    /// service_client_quitted and service_server_quitted, else nothing.
    [[nodiscard]] std::optional<ipcshim::sock_closed> as_sock_closed() const noexcept;
    /// The kernel's structure.
    [[nodiscard]] const ::ipcshim_event& raw() const noexcept { return raw_; }

private:
    ::ipcshim_event raw_{};
};

// Events are read from the kernel straight into an array of these.
static_assert(sizeof(event) == 64 && std::is_trivially_copyable_v<event> &&
              std::is_standard_layout_v<event>);

/// Prints one line without its end.
IPCSHIM_API std::ostream& operator<<(std::ostream& out, const event& value);
IPCSHIM_API std::ostream& operator<<(std::ostream& out, const recv_pipe& value);
IPCSHIM_API std::ostream& operator<<(std::ostream& out, const pipe_closed& value);
IPCSHIM_API std::ostream& operator<<(std::ostream& out, const recv_shared_mem& value);
IPCSHIM_API std::ostream& operator<<(std::ostream& out, const unshared_mem& value);
IPCSHIM_API std::ostream& operator<<(std::ostream& out, const recv_pty& value);
IPCSHIM_API std::ostream& operator<<(std::ostream& out, const recv_serv_sock& value);
IPCSHIM_API std::ostream& operator<<(std::ostream& out, const recv_sock_msg& value);
IPCSHIM_API std::ostream& operator<<(std::ostream& out, const service_conn_request& value);
IPCSHIM_API std::ostream& operator<<(std::ostream& out, const sock_closed& value);
IPCSHIM_API std::ostream& operator<<(std::ostream& out, const event_set& value);

} // namespace ipcshim

#endif
