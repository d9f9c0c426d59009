// SPDX-License-Identifier: MIT
#ifndef IPCSHIM_SIGNAL_HPP
#define IPCSHIM_SIGNAL_HPP

#include <signal.h> // NOLINT(modernize-deprecated-headers): siginfo_t
#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <iosfwd>
#include <optional>
#include <span>
#include <system_error>

#include <ipcshim/detail/export.hpp>
#include <ipcshim/detail/handle.hpp>
#include <ipcshim/event.hpp>
#include <ipcshim/port.hpp>
#include <ipcshim/types.hpp>

/// \file
/// Being notified by a real-time signal: what it carries, a loop over signals,
/// and a classic handler. Whichever way is used, the event itself waits in the
/// port until it is read there: a signal is a hint that can't be lost, because
/// the next one tells of a loss.

namespace ipcshim {

/// What a real-time signal of the module carries: the first half of the event.
/// A snapshot. Every call on it is async-signal-safe.
class IPCSHIM_API signal_payload final {
public:
    signal_payload() noexcept = default;

    /// Reads it out of a siginfo; nothing if the signal is not from the module
    /// (no process can forge that). Async-signal-safe.
    [[nodiscard]] static std::optional<signal_payload> from(const siginfo_t& info) noexcept;

    /// The signal that brought it.
    [[nodiscard]] int signo() const noexcept { return signo_; }
    /// Signals before this one were not raised, since the queue of signals was
    /// full (RLIMIT_SIGPENDING). Their events wait in the port all the same.
    [[nodiscard]] bool signals_lost() const noexcept { return lost_; }

    [[nodiscard]] event_code code() const noexcept { return event_code{raw_.code}; }
    /// The command code: the sender's own word.
    [[nodiscard]] std::uint16_t command() const noexcept { return raw_.command; }
    /// Who caused it; 0: not visible from here.
    [[nodiscard]] pid_t pid() const noexcept;
    /// For port::claim().
    [[nodiscard]] ipcshim::token token() const noexcept { return ipcshim::token{raw_.token}; }

    /// For code recv_pipe: the end that is to be claimed, with mode, capacity
    /// and size hint; the inode is not carried (0). Else nothing.
    [[nodiscard]] std::optional<recv_pipe> as_recv_pipe() const noexcept;
    /// For code pipe_closed: how, end, status and inode; what was not read is
    /// not carried (0). Else nothing.
    [[nodiscard]] std::optional<pipe_closed> as_pipe_closed() const noexcept;
    /// For code recv_shared_mem: length, mode, rights, how and status; inode and
    /// end of the lease are not carried. Else nothing.
    [[nodiscard]] std::optional<recv_shared_mem> as_recv_shared_mem() const noexcept;
    /// For code unshared_mem: all of it. Else nothing.
    [[nodiscard]] std::optional<unshared_mem> as_unshared_mem() const noexcept;
    /// For code recv_pty: index and size; the inode is not carried (0). Else
    /// nothing.
    [[nodiscard]] std::optional<recv_pty> as_recv_pty() const noexcept;
    /// The kernel's structure.
    [[nodiscard]] const ::ipcshim_signal& raw() const noexcept { return raw_; }

private:
    ::ipcshim_signal raw_{};
    int signo_ = 0;
    bool lost_ = false;
};

IPCSHIM_API std::ostream& operator<<(std::ostream& out, const signal_payload& value);

/// A loop over signals, without a handler: blocks one real-time signal in the
/// thread that makes it, and takes it with signalfd(2) or sigtimedwait(2).
/// (POSIX.)
///
/// Making it blocks the signal and calls port::handle() with notify::signal()
/// for the calling thread, then port::ready(). Destroying it makes the port
/// notify by nothing again, takes the signals that are left, and gives the
/// thread the signal mask back that it had for this signal.
///
/// Borrows the port. Threads: the thread that made it makes every call, since
/// the signals go to that thread. Errors: as port::handle(), and those of
/// signalfd(2).
class IPCSHIM_API signal_source final {
public:
    signal_source(const port& source, const event_set& events, int signo,
                  detail::syscalls& calls = detail::real_syscalls());
    signal_source(const signal_source&) = delete;
    signal_source(signal_source&&) = delete;
    signal_source& operator=(const signal_source&) = delete;
    signal_source& operator=(signal_source&&) = delete;
    ~signal_source();

    /// The signalfd, readable when a signal came, for any event loop; borrowed.
    [[nodiscard]] int fd() const noexcept { return signals_.get(); }
    [[nodiscard]] int signo() const noexcept { return signo_; }

    /// After fd() became readable: takes the signals and then the events that
    /// wait in the port. A signalfd carries only a part of the payload, so the
    /// signal is merely what wakes. Never waits. Call it until it answers 0.
    /// \return how many events
    [[nodiscard]] std::size_t read_events(std::span<event> events);

    /// The other way, sigtimedwait(2): waits for one signal and decodes what it
    /// carries. Signals of that number that are not from the module are taken
    /// and passed over. The event waits in the port still.
    /// \return nothing: the deadline passed
    /// Errors: EINTR another signal's handler ran.
    [[nodiscard]] std::optional<signal_payload> wait(deadline until = no_deadline);
    [[nodiscard]] std::optional<signal_payload> wait(deadline until,
                                                     std::error_code& error) noexcept;

private:
    const port* port_;
    detail::syscalls* calls_;
    event_set events_;
    int signo_;
    bool was_blocked_ = false;
    detail::handle signals_;
};

/// The classic way: a real signal handler, for as long as this object lives.
/// (POSIX: sigaction; NightOS: signal handlers.)
///
/// The function runs inside the handler: it may only do what is
/// async-signal-safe (see signal-safety(7)), and never throws. It gets what the
/// signal carries and the context as it was given. errno is kept for the
/// program. System calls restart (SA_RESTART).
///
/// The handler that was installed before is called afterwards, for every
/// signal. A signal of that number that does not come from the module is passed
/// to it alone; if there was none, it has its default effect, which is to end
/// the process.
///
/// A signal handler has no object to belong to, so a table in the library, one
/// entry for each real-time signal, is its only global state; it takes no lock.
///
/// This does not tell a port to raise the signal: port::handle() with
/// notify::signal() and port::ready() do.
///
/// Threads: make and destroy it from any thread but not from the function, and
/// not while another part of the program calls sigaction(2) for the same
/// signal. The destructor waits for functions that run in other threads. If a
/// later handler that chains to this one is still installed, the entry stays
/// behind, without the function, so that the chain still holds.
class IPCSHIM_API signal_handler final {
public:
    using function_type = void (*)(const signal_payload& payload, void* context) noexcept;

    /// \param signo SIGRTMIN to SIGRTMAX
    /// \param function not null
    /// \param context borrowed; must outlive this object
    /// Errors: EINVAL not a real-time signal, or no function; EBUSY there is a
    /// signal_handler for this signal.
    signal_handler(int signo, function_type function, void* context,
                   detail::syscalls& calls = detail::real_syscalls());
    signal_handler(const signal_handler&) = delete;
    signal_handler(signal_handler&&) = delete;
    signal_handler& operator=(const signal_handler&) = delete;
    signal_handler& operator=(signal_handler&&) = delete;
    ~signal_handler();

    [[nodiscard]] int signo() const noexcept { return signo_; }

private:
    detail::syscalls* calls_;
    int signo_;
};

} // namespace ipcshim

#endif
