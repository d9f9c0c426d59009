// SPDX-License-Identifier: MIT
#ifndef IPCSHIM_SOCKET_HPP
#define IPCSHIM_SOCKET_HPP

#include <cstddef>
#include <cstdint>
#include <iosfwd>
#include <span>
#include <string>
#include <system_error>
#include <utility>

#include <ipcshim/detail/export.hpp>
#include <ipcshim/detail/handle.hpp>
#include <ipcshim/detail/syscalls.hpp>
#include <ipcshim/error.hpp>
#include <ipcshim/message_header.hpp>
#include <ipcshim/types.hpp>

/// \file
/// One side of a connection between a client and a service: messages in exchanges.
/// client.hpp and service.hpp are made of it and easier to use. What read() and
/// call() give is in message.hpp.
///
/// A message in no exchange yet opens one: a method if the client sends it, a
/// notification if the service does. Turns alternate within an exchange: who has
/// read the other's message may send the next. A message with an error, or one
/// that concludes, ends the exchange; a first message that concludes is all there
/// is of it.
///
/// Errors: see error.hpp; what throws throws socket_error where the call went to
/// the module. std::logic_error (twin: EBADF) when the object is closed, moved-from
/// or released. EPIPE the connection has ended in order, ECONNRESET it has ended
/// otherwise (the other side has died, or a service has let go of it);
/// message_header::end tells how, and what was sent before can still be read.
///
/// Threads: all calls may run from any number of threads at once on one object,
/// except moving, close() and release(). Of those that read() any message, who came
/// first gets the next one, and no other is woken.
///
/// Signals: a wait that a signal interrupts is told (std::errc::interrupted), not
/// hidden. Handlers installed with SA_RESTART restart it.

namespace ipcshim {

struct message;

/// How a message is sent that opens an exchange.
struct message_parameters final {
    std::span<const attachment> attachments{}; ///< what it carries; borrowed
    deadline until = no_deadline;              ///< wait for room until then
    bool nowait = false;                       ///< EAGAIN instead; then no deadline
};

/// How a message is sent in an exchange that is open. It never waits.
struct answer_parameters final {
    std::span<const attachment> attachments{}; ///< what it carries; borrowed
    bool concludes = true;                     ///< the exchange ends with it
};

/// What is read, and how long is waited for it.
struct read_parameters final {
    exchange_id exchange = 0;     ///< only the next message of this one; 0: of any
    deadline until = no_deadline; ///< wait until then
    bool nowait = false;          ///< EAGAIN instead; then no deadline
};

/// How socket::call() asks.
struct call_parameters final {
    std::span<const attachment> attachments{}; ///< what the request carries; borrowed
    deadline until = no_deadline;              ///< wait for the answer until then
};

/// A call on a socket that failed.
class IPCSHIM_API socket_error : public std::system_error {
public:
    socket_error(std::error_code code, const std::string& sentence, const message_header& header)
        : std::system_error(code, sentence), header_(header) {}
    socket_error(const socket_error&) = default;
    socket_error(socket_error&&) = default;
    socket_error& operator=(const socket_error&) = default;
    socket_error& operator=(socket_error&&) = default;
    ~socket_error() override;

    /// What the module told with it: of call() the exchange, if the request had
    /// gone out (else 0); of EMSGSIZE from read() length and descriptors.
    [[nodiscard]] const message_header& header() const noexcept { return header_; }
    /// EPIPE and ECONNRESET: how the other side has ended.
    [[nodiscard]] side_end end() const noexcept { return header_.end; }

private:
    message_header header_;
};

/// One side of a connection. Move-only; owns its descriptor. The side ends with
/// the last descriptor of it, in all processes. port::connect(), accept(),
/// open_socket() and claim_socket() give one. (NightOS: a service socket.)
class IPCSHIM_API socket final {
public:
    /// A closed one.
    socket() noexcept = default;
    /// Takes over a descriptor that came by other ways (fork, SCM_RIGHTS, exec). It
    /// asks /proc/self/fdinfo. On an error the descriptor stays the caller's.
    /// Errors: ENOTTY it is no socket of ipcshim; ENOENT there is no /proc.
    socket(adopt_fd_t tag, int fd, detail::syscalls& calls = detail::real_syscalls());
    /// What the library knows of a socket that it got.
    struct facts final {
        role side{};
        std::uint32_t message_max = 0;
        std::uint64_t connection = 0;
        std::uint64_t inode = 0;
    };
    /// For the library: a descriptor that is known to be a socket.
    socket(detail::handle&& owned, const facts& known) noexcept
        : handle_(std::move(owned)), facts_(known) {}

    /// It holds a descriptor. (The connection may have ended.)
    [[nodiscard]] bool is_open() const noexcept { return handle_.is_open(); }
    explicit operator bool() const noexcept { return is_open(); }
    /// The descriptor, for poll(2), epoll(7), SCM_RIGHTS: POLLIN a message waits to
    /// be read, POLLOUT one that opens an exchange would not wait, POLLHUP the other
    /// side has ended. It stays owned by this object.
    [[nodiscard]] int fd() const;
    /// Gives the descriptor away; the caller closes it. The object is closed.
    [[nodiscard]] int release();
    /// Closes this descriptor. Nothing happens if it is closed already.
    void close() noexcept { handle_.reset(); }

    /// Which side it is. Asks nobody, like the three that follow.
    [[nodiscard]] role side() const noexcept { return facts_.side; }
    /// Bytes, the largest message.
    [[nodiscard]] std::uint32_t message_max() const noexcept { return facts_.message_max; }
    /// Number of the connection, the same on both sides, never used again.
    [[nodiscard]] std::uint64_t connection() const noexcept { return facts_.connection; }
    /// st_ino of this side.
    [[nodiscard]] std::uint64_t inode() const noexcept { return facts_.inode; }

    // --- sending ---------------------------------------------------------

    /// Sends the first message of a new exchange, whose answer is to be read().
    /// Waits for room unless told otherwise, or the descriptor is O_NONBLOCK.
    /// (NightOS: SEND_SOCK_MSG.)
    /// \param code of the method, or of the notification
    /// \return its header, with the number of the exchange
    /// Errors: EMSGSIZE longer than message_max(); EAGAIN no room, and not to wait;
    /// ETIMEDOUT; ENOBUFS more than 64 KiB of answers wait to be read here, read
    /// first; EPIPE, ECONNRESET; EINTR; of what it carries: EBADF, EOPNOTSUPP,
    /// EINVAL, EPIPE, ESTALE, EACCES, EPERM, EBUSY, ELOOP. Nothing was sent then.
    // NOLINTNEXTLINE(modernize-use-nodiscard)
    message_header open_exchange(std::uint16_t code, std::span<const std::byte> payload,
                                 const message_parameters& parameters = {}) const;
    message_header open_exchange(std::uint16_t code, std::span<const std::byte> payload,
                                 const message_parameters& parameters,
                                 std::error_code& error) const noexcept;
    /// The same, and it is all there is of its exchange: nobody answers.
    // NOLINTNEXTLINE(modernize-use-nodiscard)
    message_header send_once(std::uint16_t code, std::span<const std::byte> payload,
                             const message_parameters& parameters = {}) const;
    message_header send_once(std::uint16_t code, std::span<const std::byte> payload,
                             const message_parameters& parameters,
                             std::error_code& error) const noexcept;

    /// Sends the next message of an exchange, and concludes it unless told
    /// otherwise. Never waits. (NightOS: SEND_SOCK_MSG.)
    /// Errors: EBUSY not this side's turn; ESHUTDOWN the exchange is concluded;
    /// ENOENT it never was; EMSGSIZE; EPIPE, ECONNRESET; EAGAIN the receiver handles
    /// recv_sock_msg and its queue is full; of what it carries, as open_exchange().
    /// Nothing was sent then.
    // NOLINTNEXTLINE(modernize-use-nodiscard)
    message_header answer(exchange_id exchange, std::span<const std::byte> payload,
                          const answer_parameters& parameters = {}) const;
    message_header answer(exchange_id exchange, std::span<const std::byte> payload,
                          const answer_parameters& parameters,
                          std::error_code& error) const noexcept;
    /// Concludes an exchange with an error.
    /// \param reason your own word, not 0
    /// Errors: as answer(); EINVAL the reason is 0.
    // NOLINTNEXTLINE(modernize-use-nodiscard)
    message_header fail(exchange_id exchange, std::uint16_t reason,
                        std::span<const std::byte> payload = {}) const;
    message_header fail(exchange_id exchange, std::uint16_t reason,
                        std::span<const std::byte> payload, std::error_code& error) const noexcept;

    // --- reading ---------------------------------------------------------

    /// Waits for a message and takes it, whatever its length. (NightOS:
    /// READ_SOCK_MSG.)
    /// Errors: EAGAIN none, and not to wait; ETIMEDOUT; EINTR; EPIPE, ECONNRESET and
    /// nothing is left to be read; ENOENT no such exchange; ESHUTDOWN it is
    /// concluded and nothing of it is left; EBUSY somebody waits for that exchange
    /// already; EMFILE, ENFILE, EDQUOT what it carries can't be installed, and the
    /// message stays.
    [[nodiscard]] message read(const read_parameters& parameters = {}) const;
    /// The twin takes it into `into`, whose memory it uses again: payload is room for
    /// as many bytes as it has, or 4 KiB if that is more, so that one call to the
    /// module is enough for a message that is no longer. Also ENOMEM.
    void read(message& into, const read_parameters& parameters,
              std::error_code& error) const noexcept;

    /// Sends a first message and waits for its answer, in one call to the module.
    /// The answer comes here and nowhere else; header.error is the answer's and not
    /// an error of this call. An answer that comes after this call has failed is
    /// read() as any other message: header.exchange (socket_error::header()) tells
    /// which. O_NONBLOCK does not matter. (Ours: CALL.)
    /// Errors: as open_exchange() and read(); ECONNRESET whichever way the connection
    /// ended while it waited for the answer.
    [[nodiscard]] message call(std::uint16_t code, std::span<const std::byte> request,
                               const call_parameters& parameters = {}) const;
    /// The twin, with `answer` as read() has it; answer.header.exchange is not 0 when
    /// the request was sent.
    void call(std::uint16_t code, std::span<const std::byte> request, message& answer,
              const call_parameters& parameters, std::error_code& error) const noexcept;

    // --- ending ----------------------------------------------------------

    /// Ends the connection at once for every holder, in order. What was sent before
    /// can still be read. Client's side only. (NightOS: END_SERVICE_CONN.)
    /// Errors: EPERM this is the service's side; EINVAL a socket of open_socket():
    /// close_both(); EPIPE, ECONNRESET it has ended before.
    void end() const;
    void end(std::error_code& error) const noexcept;
    /// The same for either side of a socket of port::open_socket(). Its holders are
    /// told (serv_sock_closed), except those of this process. (NightOS:
    /// CLOSE_SERV_SOCK.)
    /// Errors: EINVAL a connection to a service: end(); EPIPE, ECONNRESET.
    void close_both() const;
    void close_both(std::error_code& error) const noexcept;

    /// O_NONBLOCK of the descriptor.
    [[nodiscard]] bool nonblocking() const;
    void set_nonblocking(bool on) const;

private:
    struct outgoing; // a message of any kind

    void require_open() const;
    [[nodiscard]] std::string subject() const;
    message_header send(const outgoing& what, std::error_code& error) const noexcept;

    detail::handle handle_;
    facts facts_;
};

/// Both sides of one connection in one process.
struct socket_pair final {
    socket client;
    socket service;
};

/// Prints side, connection and descriptor.
IPCSHIM_API std::ostream& operator<<(std::ostream& out, const socket& value);

} // namespace ipcshim

#endif
