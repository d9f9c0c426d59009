// SPDX-License-Identifier: MIT
#ifndef IPCSHIM_PORT_HPP
#define IPCSHIM_PORT_HPP

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <iosfwd>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <variant>

#include <ipcshim/detail/export.hpp>
#include <ipcshim/detail/handle.hpp>
#include <ipcshim/driver_info.hpp>
#include <ipcshim/error.hpp>
#include <ipcshim/event.hpp>
#include <ipcshim/message.hpp>
#include <ipcshim/pipe.hpp>
#include <ipcshim/pty.hpp>
#include <ipcshim/published_service.hpp>
#include <ipcshim/segment.hpp>
#include <ipcshim/socket.hpp>
#include <ipcshim/types.hpp>

namespace ipcshim {

/// How a port tells of an event, beside being readable. A plain value.
class notify final {
public:
    /// Only poll, read, and O_ASYNC where the program asked fcntl(2) for it.
    [[nodiscard]] static constexpr notify none() noexcept { return notify{}; }
    /// A real-time signal to one thread; its siginfo carries the event's first
    /// half, see signal_payload. (NightOS: signals carry 32 bytes.)
    /// \param signo SIGRTMIN to SIGRTMAX
    /// \param thread the thread's tid in this process; 0: the one that calls
    ///        port::handle()
    [[nodiscard]] static constexpr notify signal(int signo, pid_t thread = 0) noexcept {
        notify way;
        way.signo_ = signo;
        way.thread_ = thread;
        return way;
    }

    [[nodiscard]] constexpr bool by_signal() const noexcept { return signo_ != 0; }
    [[nodiscard]] constexpr int signo() const noexcept { return signo_; }
    [[nodiscard]] constexpr pid_t thread() const noexcept { return thread_; }

private:
    int signo_ = 0;
    pid_t thread_ = 0;
};

/// What a new pipe is to be like.
struct pipe_parameters final {
    pipe_mode mode = pipe_mode::raw;
    /// Bytes; rounded up to whole capacity_units, 0 stands for one of them.
    std::size_t capacity = capacity_unit;
    std::uint16_t command = 0;   ///< command code for the event, your own word
    std::uint64_t size_hint = 0; ///< bytes that will be sent, 0: unknown
    bool nonblocking = false;    ///< my descriptors are O_NONBLOCK
    /// Its ends can be mapped, see mapped.hpp: all memory is allocated now, and counts.
    /// (Ours.)
    bool mapped = false;
};

/// An end that I keep, and the token for the other one, which nobody was told
/// of yet.
template <typename End> struct unannounced final {
    End end;
    ipcshim::token token{};
};

/// What to do with each kind of event. An empty function: such an event goes
/// to `other`; is that empty too, the event is read and forgotten.
struct event_handlers final {
    std::function<void(const event&, const recv_pipe&)> pipe{};
    std::function<void(const event&, const pipe_closed&)> closed{};
    std::function<void(const event&, const recv_shared_mem&)> memory{};
    std::function<void(const event&, const unshared_mem&)> unshared{};
    std::function<void(const event&, const recv_pty&)> pty{};
    std::function<void(const event&, const recv_serv_sock&)> socket{};
    std::function<void(const event&, const recv_sock_msg&)> message{};
    std::function<void(const event&, const service_conn_request&)> request{};
    std::function<void(const event&, const sock_closed&)> socket_closed{};
    std::function<void(const event&)> other{};
};

/// A port: where a process gets events, and from where it opens pipes to other
/// processes. Move-only; owns its descriptor. A port belongs to the process
/// that opened it and is addressed by that process's pid, until it executes
/// another program. (Ours; it stands for a NightOS process's signal table.)
///
/// The descriptor of a port is O_NONBLOCK: the calls here that wait do so with
/// poll(2), so two threads may read one port.
///
/// Errors: see error.hpp. std::logic_error (twin: EBADF) when the port is
/// closed, moved-from or released. EPERM, from calls marked "owner": another
/// process opened the port, this one inherited it. EDQUOT: a limit of this uid,
/// see query(). EMFILE, ENFILE, ENOMEM as anywhere.
///
/// Threads: all calls may run from any number of threads at once on one
/// object, except moving, close() and release().
class IPCSHIM_API port final {
public:
    /// A closed one.
    port() noexcept = default;

    /// Opens the device, and asks whether module and library fit.
    /// Errors: ENOENT and ENXIO the module is not loaded, and EACCES, each with
    /// the command to type; abi_error the module is too old, or the path is no
    /// ipcshim device; EDQUOT too many ports of this uid.
    [[nodiscard]] static port open(const char* path = default_device,
                                   detail::syscalls& calls = detail::real_syscalls());
    /// The twin; a closed port when it fails.
    [[nodiscard]] static port open(std::error_code& error, const char* path = default_device,
                                   detail::syscalls& calls = detail::real_syscalls()) noexcept;

    /// Takes over a descriptor of a port that came by other ways, and makes it
    /// O_NONBLOCK. On an error it stays the caller's. abi_error: it is no port.
    port(adopt_fd_t tag, int fd, detail::syscalls& calls = detail::real_syscalls());

    [[nodiscard]] bool is_open() const noexcept { return handle_.is_open(); }
    explicit operator bool() const noexcept { return is_open(); }
    /// The descriptor, readable (POLLIN) when an event waits, for any event
    /// loop; it stays owned by this object.
    [[nodiscard]] int fd() const;
    /// Gives the descriptor away; the caller closes it. The port is closed here.
    [[nodiscard]] int release();
    /// Closes it: events that wait are gone, tokens never claimed die with the
    /// last port, and what they stood for closes. Nothing happens if it is
    /// closed already.
    void close() noexcept { handle_.reset(); }

    // --- what is told to this port --------------------------------------

    /// From now on this port gets these events, all of the set or none. Again
    /// for the same port: the new way to notify replaces the old one. Owner.
    /// (NightOS: HANDLE_SIGNAL.)
    /// Errors: EBUSY another port of this process handles one of the codes;
    /// EINVAL an empty set, or not a real-time signal; ESRCH no such thread.
    void handle(const event_set& events, notify way = notify::none()) const;
    void handle(const event_set& events, notify way, std::error_code& error) const noexcept;

    /// No longer; events that wait stay. Owner. (NightOS: UNHANDLE_SIGNAL.)
    /// Errors: ENOENT one of the codes is not handled here.
    void unhandle(const event_set& events) const;
    void unhandle(const event_set& events, std::error_code& error) const noexcept;

    /// Does a port of that process handle it? (NightOS: IS_SIGNAL_HANDLED.)
    /// \param pid 0: this process
    /// Errors: ESRCH no such process; EPERM not allowed to reach it.
    [[nodiscard]] bool is_handled(event_code code, pid_t pid = 0) const;
    [[nodiscard]] bool is_handled(event_code code, pid_t pid,
                                  std::error_code& error) const noexcept;

    /// Raise signals from now on, and at once for what waits. Until then events
    /// queue and can be read, and no signal is raised. Only notify::signal()
    /// needs it. Owner. (NightOS: READY.)
    /// Errors: EALREADY it was ready.
    void ready() const;
    void ready(std::error_code& error) const noexcept;

    /// Who may reach this port. Owner. (Ours.)
    void set_access(access who) const;
    void set_access(access who, std::error_code& error) const noexcept;

    /// Versions, limits and what exists. (Ours.)
    [[nodiscard]] driver_info query() const;
    [[nodiscard]] driver_info query(std::error_code& error) const noexcept;

    /// A sentence if module and library are of different versions, else empty.
    [[nodiscard]] std::string abi_note() const { return query().abi_note(); }

    // --- events ----------------------------------------------------------

    /// Waits for the next event and takes it.
    /// Errors: EINTR a signal came (handlers with SA_RESTART included, as
    /// everywhere with poll(2)); no event was lost.
    [[nodiscard]] event read_event() const;
    /// The same until a point in time at most; nothing then.
    [[nodiscard]] std::optional<event> read_event(deadline until) const;
    /// The next event if one waits; never waits itself.
    [[nodiscard]] std::optional<event> try_read_event() const;

    /// Waits for at least one event and takes as many as wait and fit.
    /// \return how many, 0 only for an empty span
    [[nodiscard]] std::size_t read_events(std::span<event> events) const;
    [[nodiscard]] std::size_t read_events(std::span<event> events,
                                          std::error_code& error) const noexcept;
    /// Takes as many as wait and fit; never waits.
    [[nodiscard]] std::size_t try_read_events(std::span<event> events) const;
    [[nodiscard]] std::size_t try_read_events(std::span<event> events,
                                              std::error_code& error) const noexcept;

    /// Waits until an event can be read. \return false: the deadline passed.
    /// Errors: EINTR.
    [[nodiscard]] bool wait(deadline until = no_deadline) const;
    [[nodiscard]] bool wait(deadline until, std::error_code& error) const noexcept;

    /// How many events wait.
    [[nodiscard]] std::size_t events_waiting() const;

    /// Takes every event that waits, and calls the handlers for each, on the
    /// caller's thread. Never waits. An exception of a handler comes out here;
    /// the events after that one still wait. See dispatcher for a loop.
    /// \return how many events were handled
    // NOLINTNEXTLINE(modernize-use-nodiscard)
    std::size_t dispatch(const event_handlers& handlers) const;

    // --- taking ----------------------------------------------------------

    /// What a token can stand for.
    using claimed = std::variant<sender, receiver, segment, pty_slave, socket>;

    /// Turns a token into what it stands for. Owner; any port of the process
    /// that the token was made for will do. (Ours: CLAIM.)
    /// \param nonblocking the descriptor is O_NONBLOCK
    /// Errors: ENOENT no such token for this process: it never was, was
    /// claimed, or is another's; ESTALE the segment was taken back, or the pty's
    /// master closed, before, and the token is used up; EIO the pty is locked,
    /// EBUSY it is open for exclusive use (TIOCEXCL), and the token stays good.
    [[nodiscard]] claimed claim(ipcshim::token which, bool nonblocking = false) const;
    /// The twin; a closed sender when it fails.
    [[nodiscard]] claimed claim(ipcshim::token which, bool nonblocking,
                                std::error_code& error) const noexcept;

    /// Claims what a recv_pipe event announces.
    /// Errors: as claim(), and EINVAL the event announces no sender
    /// (receiver); the token stays good then.
    [[nodiscard]] sender claim_sender(const event& announced, bool nonblocking = false) const;
    [[nodiscard]] sender claim_sender(const event& announced, bool nonblocking,
                                      std::error_code& error) const noexcept;
    [[nodiscard]] receiver claim_receiver(const event& announced, bool nonblocking = false) const;
    [[nodiscard]] receiver claim_receiver(const event& announced, bool nonblocking,
                                          std::error_code& error) const noexcept;

    /// Claims the segment that a recv_shared_mem event announces.
    /// Errors: as claim(), and EINVAL the event announces no segment; the token
    /// stays good then.
    [[nodiscard]] segment claim_segment(const event& announced) const;
    [[nodiscard]] segment claim_segment(const event& announced,
                                        std::error_code& error) const noexcept;
    /// Claims a segment by a token that was told otherwise.
    /// Errors: as claim(), and EINVAL it stood for something else, which is closed
    /// now.
    [[nodiscard]] segment claim_segment(ipcshim::token which) const;
    [[nodiscard]] segment claim_segment(ipcshim::token which,
                                        std::error_code& error) const noexcept;

    /// Opens the slave of the pseudo terminal that a recv_pty event announces;
    /// not as this process's controlling terminal.
    /// Errors: as claim(), and EINVAL the event announces no pty; the token stays
    /// good then.
    [[nodiscard]] pty_slave claim_pty(const event& announced, bool nonblocking = false) const;
    [[nodiscard]] pty_slave claim_pty(const event& announced, bool nonblocking,
                                      std::error_code& error) const noexcept;
    /// Opens it by a token that was told otherwise.
    /// Errors: as claim(), and EINVAL it stood for something else, which is closed
    /// now.
    [[nodiscard]] pty_slave claim_pty(ipcshim::token which, bool nonblocking = false) const;
    [[nodiscard]] pty_slave claim_pty(ipcshim::token which, bool nonblocking,
                                      std::error_code& error) const noexcept;

    /// Claims the side of a socket that a recv_serv_sock event announces.
    /// Errors: as claim(), and EINVAL the event announces no socket; the token
    /// stays good then.
    [[nodiscard]] socket claim_socket(const event& announced, bool nonblocking = false) const;
    [[nodiscard]] socket claim_socket(const event& announced, bool nonblocking,
                                      std::error_code& error) const noexcept;
    /// Claims it by a token that was told otherwise.
    /// Errors: as claim(), and EINVAL it stood for something else, which is closed
    /// now.
    [[nodiscard]] socket claim_socket(ipcshim::token which, bool nonblocking = false) const;
    [[nodiscard]] socket claim_socket(ipcshim::token which, bool nonblocking,
                                      std::error_code& error) const noexcept;

    // --- opening ---------------------------------------------------------

    /// A new pipe to another process: I write, that process gets the receiver
    /// in a recv_pipe event. (NightOS: OPEN_PIPE.)
    /// \param pid the process, greater than 0
    /// Errors: ESRCH no such process; EPERM not allowed to reach it;
    /// ECONNREFUSED no port of it handles recv_pipe; EAGAIN its queue is full;
    /// EINVAL capacity above capacity_max. Nothing was created then.
    [[nodiscard]] sender open_sender(pid_t pid, const pipe_parameters& parameters = {}) const;
    /// The twin; a closed sender when it fails.
    [[nodiscard]] sender open_sender(pid_t pid, const pipe_parameters& parameters,
                                     std::error_code& error) const noexcept;

    /// The other direction: I read, that process gets the sender.
    [[nodiscard]] receiver open_receiver(pid_t pid, const pipe_parameters& parameters = {}) const;
    [[nodiscard]] receiver open_receiver(pid_t pid, const pipe_parameters& parameters,
                                         std::error_code& error) const noexcept;

    /// The same two without an event: the caller tells the token in its own
    /// way, the process takes it with claim(). ECONNREFUSED: it has no port.
    /// (NightOS: notification mode SKIP.)
    [[nodiscard]] unannounced<sender>
    open_sender_unannounced(pid_t pid, const pipe_parameters& parameters = {}) const;
    [[nodiscard]] unannounced<receiver>
    open_receiver_unannounced(pid_t pid, const pipe_parameters& parameters = {}) const;

    /// A new pipe whose two ends both stay here, as pipe(2).
    [[nodiscard]] pipe_pair open_pipe(const pipe_parameters& parameters = {}) const;
    [[nodiscard]] pipe_pair open_pipe(const pipe_parameters& parameters,
                                      std::error_code& error) const noexcept;

    // --- shared memory -----------------------------------------------------

    /// A new segment of zeros, to read, write and execute. Pages are allocated
    /// when they are first touched. (Ours: CREATE_MEM.)
    /// \param bytes rounded up to whole pages
    /// Errors: EINVAL 0 bytes, or more than a file can have; ENOMEM more than
    /// the machine has; EDQUOT a limit.
    [[nodiscard]] segment create_segment(std::size_t bytes,
                                         const segment_parameters& parameters = {}) const;
    [[nodiscard]] segment create_segment(std::size_t bytes, const segment_parameters& parameters,
                                         std::error_code& error) const noexcept;

    /// Turns memory of this process into a segment, in place: it keeps its
    /// address and its contents, and is a mapping of the segment from now on.
    /// Whoever owned the range unmaps it still, see mapping. It is copied once,
    /// here. Keep other threads off it: what they write during the call may be
    /// lost. (Ours: ADOPT_MEM.)
    /// \param range whole pages of private anonymous memory, as mmap(2) gives
    ///        it; of malloc() and new only what is page-aligned and nobody
    ///        else's neighbour
    /// Errors, each for a part of it, and nothing was taken then: EINVAL not
    /// whole pages; ENOMEM not mapped; EACCES not readable and writable, or
    /// executable; ENODEV a file's; EALREADY shared already; EOPNOTSUPP hugetlb
    /// pages; EBUSY locked, or watched by userfaultfd; ENXIO a stack, a device,
    /// the kernel's own. ENOTRECOVERABLE before Linux 6.12 only: memory ran out
    /// in the middle, and the range is not mapped any more.
    [[nodiscard]] segment adopt_memory(std::span<std::byte> range) const;
    [[nodiscard]] segment adopt_memory(std::span<std::byte> range,
                                       std::error_code& error) const noexcept;

    // --- pseudo terminals ----------------------------------------------------

    /// A new pseudo terminal; its node /dev/ttyIPC<n> belongs to the effective uid
    /// and gid of this process, mode 0600. (Ours: OPEN_PTY.)
    /// Errors: ENOSPC as many as the module's max_ptys allows exist; EDQUOT a
    /// limit; ENOTTY the module is older than pseudo terminals.
    [[nodiscard]] pty open_pty(const pty_parameters& parameters = {}) const;
    [[nodiscard]] pty open_pty(const pty_parameters& parameters,
                               std::error_code& error) const noexcept;

    // --- services ------------------------------------------------------------

    /// From now on this port has the name, and gets a service_conn_request event
    /// for each client, whether it handles that code or not. Who may connect: see
    /// set_access(). Owner. (Ours; NightOS names its services by their application.)
    /// \param name 1 to service_name_max bytes of printable ASCII; each user has
    ///        names of its own, and "sys." begins those that are one set for all
    /// \return withdraws the name when it is destroyed; the port must stay open
    /// Errors: EADDRINUSE taken; EINVAL no such name can be, or message_max is out
    /// of range; ENAMETOOLONG; EPERM not the owner, or the name begins with "sys."
    /// and CAP_SYS_ADMIN is missing; EDQUOT a limit.
    [[nodiscard]] published_service publish(std::string_view name,
                                            const publish_parameters& parameters = {}) const;
    /// The twin; nothing published when it fails. ENOMEM also for its own copy of
    /// the name.
    [[nodiscard]] published_service publish(std::string_view name,
                                            const publish_parameters& parameters,
                                            std::error_code& error) const noexcept;

    /// Asks a service for a connection and waits for its answer. Events of the
    /// socket come to this process. (NightOS: CONNECT_SERVICE.)
    /// \return the client's side
    /// Errors: ENOENT nobody has published that name; EPERM not allowed to reach
    /// it; ECONNREFUSED rejected, as a refused_error that tells the service's own
    /// word; ECONNRESET the service ended before it answered; ETIMEDOUT no answer,
    /// or with `wait` no such name, until the deadline; EAGAIN the queue of its
    /// port is full; EMSGSIZE it allows no such largest message; EINVAL,
    /// ENAMETOOLONG the name; EINTR, and the request is taken back; EDQUOT.
    [[nodiscard]] socket connect(std::string_view name,
                                 const connect_parameters& parameters = {}) const;
    /// The twin; a closed socket when it fails.
    /// \param reason set with ECONNREFUSED: the service's own word, else 0
    [[nodiscard]] socket connect(std::string_view name, const connect_parameters& parameters,
                                 std::error_code& error, std::uint16_t& reason) const noexcept;

    /// Accepts who asks in a service_conn_request event. Owner. (NightOS: ACCEPT.)
    /// \return the service's side; connection() is the event's token as a number
    /// Errors: ENOENT the client has given up, or it was answered before; EINVAL
    /// the event is none of that kind.
    [[nodiscard]] socket accept(const event& request, bool nonblocking = false) const;
    [[nodiscard]] socket accept(const event& request, bool nonblocking,
                                std::error_code& error) const noexcept;
    /// Rejects it. Owner. (NightOS: REJECT.) Errors: as accept().
    /// \param reason your own word, which the client is told
    void reject(const event& request, std::uint16_t reason) const;
    void reject(const event& request, std::uint16_t reason, std::error_code& error) const noexcept;

    /// Who has published that name? Nothing: nobody. (NightOS: HAS_SERVICE.)
    /// \param uid whose name it is; nothing: the caller's own
    /// Errors: EPERM not allowed to reach it; EINVAL, ENAMETOOLONG the name.
    [[nodiscard]] std::optional<service_info>
    has_service(std::string_view name, std::optional<uid_t> uid = std::nullopt) const;
    [[nodiscard]] std::optional<service_info> has_service(std::string_view name,
                                                          std::optional<uid_t> uid,
                                                          std::error_code& error) const noexcept;

    /// A connection without a name: I keep one side, the process gets the other
    /// one in a recv_serv_sock event. (NightOS: OPEN_SERV_SOCK.)
    /// \param pid the process, greater than 0
    /// \param mine the side that stays here
    /// Errors: ESRCH no such process; EPERM not allowed to reach it; ECONNREFUSED
    /// no port of it handles recv_serv_sock; EAGAIN its queue is full; EINVAL
    /// message_max out of range; EDQUOT. Nothing was created then.
    [[nodiscard]] socket open_socket(pid_t pid, role mine,
                                     const open_socket_parameters& parameters = {}) const;
    [[nodiscard]] socket open_socket(pid_t pid, role mine, const open_socket_parameters& parameters,
                                     std::error_code& error) const noexcept;
    /// The same without an event: the caller tells the token in its own way, the
    /// process takes it with claim_socket(). ECONNREFUSED: it has no port.
    /// (NightOS: notification mode SKIP.)
    [[nodiscard]] unannounced<socket>
    open_socket_unannounced(pid_t pid, role mine,
                            const open_socket_parameters& parameters = {}) const;
    /// Both sides stay here.
    [[nodiscard]] socket_pair open_socket_pair(const open_socket_parameters& parameters = {}) const;
    [[nodiscard]] socket_pair open_socket_pair(const open_socket_parameters& parameters,
                                               std::error_code& error) const noexcept;

private:
    explicit port(detail::handle&& owned) noexcept : handle_(std::move(owned)) {}
    void require_open() const;

    detail::handle handle_;
};

/// Prints the descriptor.
IPCSHIM_API std::ostream& operator<<(std::ostream& out, const port& value);

} // namespace ipcshim

#endif
