// SPDX-License-Identifier: MIT
#ifndef IPCSHIM_CHILD_HPP
#define IPCSHIM_CHILD_HPP

#include <sys/types.h>

#include <iosfwd>
#include <optional>
#include <string>
#include <system_error>
#include <utility>

#include <ipcshim/detail/export.hpp>
#include <ipcshim/detail/handle.hpp>
#include <ipcshim/types.hpp>

namespace ipcshim {

/// How a child process ended: a plain value.
struct child_end final {
    ipcshim::how how{}; ///< exited or killed
    int status = 0;     ///< the exit code (0 to 255), or the number of the signal

    /// It exited with code 0.
    [[nodiscard]] bool is_success() const noexcept {
        return how == ipcshim::how::exited && status == 0;
    }
    friend bool operator==(const child_end&, const child_end&) = default;
};

/// Prints "exited with code 3", "killed by signal 9".
IPCSHIM_API std::ostream& operator<<(std::ostream& out, const child_end& value);

/// A process that pty::spawn() started. Move-only; owns a pidfd, so that no call
/// here ever means another process that got the same pid later. (Ours; Linux:
/// pidfd_open(2).)
///
/// Its end must be taken, or a zombie stays: wait() and try_wait() do. The
/// destructor neither waits nor kills: if the process has ended its end is taken
/// then and there; if it still runs, a thread of the library, which blocks all
/// signals and holds nothing but the pidfd, waits to take it (only if there can
/// be no such thread a zombie stays until this process ends). Who wants the
/// process gone closes the pty, which hangs it up, or calls kill() before.
///
/// This process must neither ignore SIGCHLD nor take the ends of all its
/// children elsewhere (`wait(-1)`): then wait() fails with ECHILD.
///
/// Errors: see error.hpp. std::logic_error (twin: EBADF) when it owns nothing:
/// default-made, moved-from, or detached.
///
/// Threads: pid(), fd() and kill() may run from any number of threads at once;
/// waiting, moving and detach() need the object for themselves.
class IPCSHIM_API child final {
public:
    /// None.
    child() noexcept = default;
    /// For the library.
    child(detail::handle&& owned, pid_t pid) noexcept : handle_(std::move(owned)), pid_(pid) {}
    child(const child&) = delete;
    child& operator=(const child&) = delete;
    child(child&& other) noexcept
        : handle_(std::move(other.handle_)), pid_(std::exchange(other.pid_, 0)),
          end_(std::exchange(other.end_, std::nullopt)) {}
    child& operator=(child&& other) noexcept;
    ~child() { detach(); }

    /// It stands for a process (which may have ended).
    [[nodiscard]] bool is_open() const noexcept { return handle_.is_open(); }
    explicit operator bool() const noexcept { return is_open(); }
    /// Its pid, which is its session and process group as well. Once its end was
    /// taken, another process may have the number.
    [[nodiscard]] pid_t pid() const noexcept { return pid_; }
    /// The pidfd, readable (POLLIN) when the process has ended, for any event
    /// loop; it stays owned by this object.
    [[nodiscard]] int fd() const;

    /// Waits until it has ended, and takes its end. Again: the same answer.
    /// Errors: EINTR a signal came (not with SA_RESTART); ECHILD somebody else took
    /// its end.
    // NOLINTNEXTLINE(modernize-use-nodiscard): waiting may be all that is wanted
    child_end wait();
    child_end wait(std::error_code& error) noexcept;
    /// The same until a point in time at most; nothing then.
    /// Errors: as wait(), but EINTR with SA_RESTART as well.
    [[nodiscard]] std::optional<child_end> wait(deadline until);
    [[nodiscard]] std::optional<child_end> wait(deadline until, std::error_code& error) noexcept;
    /// How it ended, if it has; never waits.
    [[nodiscard]] std::optional<child_end> try_wait();
    [[nodiscard]] std::optional<child_end> try_wait(std::error_code& error) noexcept;

    /// Sends it a signal; to it alone, not to its process group. For a key as ctrl-C
    /// write that to the pty, or call pty::signal_foreground().
    /// Errors: ESRCH it has ended and its end was taken; EPERM it runs as another
    /// user; EINVAL no such signal.
    void kill(int signo) const;
    void kill(int signo, std::error_code& error) const noexcept;

    /// What the destructor does, now: lets it run, and sees to it that no zombie
    /// stays. Nothing happens if this object stands for none.
    void detach() noexcept;

private:
    void require_open() const;
    [[nodiscard]] std::optional<child_end> take(bool waiting, std::error_code& error) noexcept;
    [[nodiscard]] std::string subject() const;

    detail::handle handle_;
    pid_t pid_ = 0;
    std::optional<child_end> end_;
};

/// Prints the pid.
IPCSHIM_API std::ostream& operator<<(std::ostream& out, const child& value);

} // namespace ipcshim

#endif
