// SPDX-License-Identifier: MIT
#ifndef IPCSHIM_PTY_HPP
#define IPCSHIM_PTY_HPP

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <iosfwd>
#include <span>
#include <string>
#include <system_error>
#include <utility>

#include <ipcshim/child.hpp>
#include <ipcshim/command.hpp>
#include <ipcshim/detail/export.hpp>
#include <ipcshim/detail/handle.hpp>
#include <ipcshim/detail/syscalls.hpp>
#include <ipcshim/error.hpp>
#include <ipcshim/pty_slave.hpp>
#include <ipcshim/types.hpp>

/// \file
/// Pseudo terminals: the master, from where a program drives a terminal that
/// other programs have.

namespace ipcshim {

/// What a new pseudo terminal is to be like.
struct pty_parameters final {
    window_size size{};       ///< all 0: none is set
    bool nonblocking = false; ///< the master's descriptor is O_NONBLOCK
};

/// How pty::send_to() hands the slave over.
struct send_pty_parameters final {
    std::uint16_t command = 0; ///< command code for the event, your own word
    /// false: no event and no signal; the caller tells the token in its own
    /// way (NightOS: notification mode SKIP).
    bool announce = true;
};

/// The master of a pseudo terminal: what is written here is what is typed there,
/// what is read here is what those programs show. Move-only; owns its descriptor.
/// When the last descriptor of it is closed, in all processes, the slave hangs up
/// (SIGHUP to the leader of its session), and its node is gone. port::open_pty()
/// gives one. (POSIX: posix_openpt(3).)
///
/// Errors: see error.hpp. std::logic_error (twin: EBADF) when the object is
/// closed, moved-from or released.
///
/// Threads: all calls may run from any number of threads at once on one object,
/// except moving, close() and release(). What several threads write at once may
/// mix.
///
/// Signals: a wait that a signal interrupts is told, not hidden: if nothing had
/// moved the call fails with std::errc::interrupted; if something had, it answers
/// that count. Handlers installed with SA_RESTART restart it.
class IPCSHIM_API pty final {
public:
    /// A closed one.
    pty() noexcept = default;
    /// Takes over a descriptor of a master that came by other ways (fork,
    /// SCM_RIGHTS, exec). On an error the descriptor stays the caller's.
    /// Errors: ENOTTY it is no master of ipcshim (one of devpts, maybe).
    pty(adopt_fd_t tag, int fd, detail::syscalls& calls = detail::real_syscalls());
    /// What the library knows of a pseudo terminal that it got.
    struct facts final {
        std::uint32_t index = 0;
        std::uint64_t inode = 0;
        std::uint64_t slave_inode = 0; ///< 0: not known yet
    };
    /// For the library: a descriptor that is known to be a master.
    pty(detail::handle&& owned, const facts& known) noexcept
        : handle_(std::move(owned)), facts_(known) {}

    /// It holds a descriptor.
    [[nodiscard]] bool is_open() const noexcept { return handle_.is_open(); }
    explicit operator bool() const noexcept { return is_open(); }
    /// The descriptor, for poll(2), epoll(7), io_uring, ioctl_tty(2): POLLIN
    /// bytes to read, POLLHUP the slave is closed, POLLOUT room to write. It stays
    /// owned by this object.
    [[nodiscard]] int fd() const;
    /// Gives the descriptor away; the caller closes it. The object is closed.
    [[nodiscard]] int release();
    /// Closes this descriptor; with the last one the slave hangs up. Nothing
    /// happens if it is closed already.
    void close() noexcept { handle_.reset(); }

    /// st_ino of the master: never used again. Asks nobody, like the three that
    /// follow.
    [[nodiscard]] std::uint64_t inode() const noexcept { return facts_.inode; }
    /// st_ino of the slave as open_slave() and port::claim_pty() open it; 0 in an
    /// adopted master, which was not told.
    [[nodiscard]] std::uint64_t slave_inode() const noexcept { return facts_.slave_inode; }
    /// The number in the slave's path, used again when the pty is gone.
    [[nodiscard]] std::uint32_t index() const noexcept { return facts_.index; }
    /// "/dev/ttyIPC3", the node that the slave has while the master is open. Not
    /// what ptsname(3) makes of fd(): that is a path of devpts.
    [[nodiscard]] std::string slave_path() const;

    // --- the line ----------------------------------------------------------

    /// Reads what the slave's programs have written, or what was echoed; as much
    /// as there is, waiting for the first byte (O_NONBLOCK: EAGAIN). In packet mode
    /// the first byte says what it is.
    /// \return bytes; 0: the slave was closed for the last time, or hung up, and
    ///         nothing is left of it (read(2): EIO). It may be opened again. Also 0
    ///         for a buffer of no bytes, at once.
    /// Errors: EINTR; EAGAIN.
    [[nodiscard]] std::size_t read(std::span<std::byte> buffer) const;
    [[nodiscard]] std::size_t read(std::span<std::byte> buffer,
                                   std::error_code& error) const noexcept;

    /// Writes what the slave's programs are to read, all of it, waiting for room.
    /// \return bytes, less than asked for only where something had moved when room
    ///         ran out (O_NONBLOCK), or when a signal came
    /// Errors, when nothing had moved: EINTR; EAGAIN no room (O_NONBLOCK); EIO.
    // NOLINTNEXTLINE(modernize-use-nodiscard): it moves all unless one asks for less
    std::size_t write(std::span<const std::byte> bytes) const;
    std::size_t write(std::span<const std::byte> bytes, std::error_code& error) const noexcept;

    /// The window's size, one for both sides; all 0 where nobody set it.
    [[nodiscard]] window_size size() const;
    /// Sets it; a change raises SIGWINCH in the slave's foreground process group.
    void resize(const window_size& wanted) const;
    void resize(const window_size& wanted, std::error_code& error) const noexcept;

    /// Packet mode: from now on every read starts with a byte that says what it
    /// is: TIOCPKT_DATA, and bytes of the line follow; else bits of TIOCPKT_* for
    /// what happened to the line, and nothing follows. (BSD; ioctl_tty(2).)
    void set_packet_mode(bool on) const;
    /// SIGINT, SIGQUIT or SIGTSTP to the slave's foreground process group, as if
    /// the key for it were typed, whatever the slave's termios say.
    /// Errors: EINVAL another signal.
    void signal_foreground(int signo) const;
    /// The slave's foreground process group, in this process's pid namespace; 0:
    /// there is none, or it is not visible from here.
    [[nodiscard]] pid_t foreground() const;

    /// O_NONBLOCK of the descriptor.
    [[nodiscard]] bool nonblocking() const;
    void set_nonblocking(bool on) const;

    // --- the slave ---------------------------------------------------------

    /// Opens the slave, without a path, in whatever mount namespace; read and
    /// write, not as this process's controlling terminal. (Linux: TIOCGPTPEER.)
    /// \param nonblocking the descriptor is O_NONBLOCK
    /// Errors: EIO the pty is locked; EBUSY TIOCEXCL is set; EMFILE.
    [[nodiscard]] pty_slave open_slave(bool nonblocking = false) const;
    [[nodiscard]] pty_slave open_slave(bool nonblocking, std::error_code& error) const noexcept;

    /// While it is locked, nobody can open the slave, by whatever way. A new one
    /// is not locked: its node is its owner's from the start. (Linux: TIOCSPTLCK.)
    void lock() const;
    void unlock() const;
    [[nodiscard]] bool is_locked() const;

    /// Hands the slave to a process, which opens it with port::claim_pty(). Until
    /// then nothing is open. (Ours: SEND_PTY.)
    /// \param pid the process, greater than 0
    /// \return the token that was told in the event, or is to be told
    /// Errors: ESRCH no such process; EPERM not allowed to reach it;
    /// ECONNREFUSED no port of it handles recv_pty (unannounced: it has no port);
    /// EAGAIN its queue is full; EDQUOT a limit. Nothing changed then.
    // NOLINTNEXTLINE(modernize-use-nodiscard): only the unannounced form needs it
    token send_to(pid_t pid, const send_pty_parameters& parameters = {}) const;
    token send_to(pid_t pid, const send_pty_parameters& parameters,
                  std::error_code& error) const noexcept;

    /// Runs a command on the slave: as leader of a session of its own, the slave
    /// its controlling terminal and its standard input, output and error, its
    /// process group in the foreground. Every other descriptor is closed in it,
    /// every signal has its default effect and none is blocked. The slave is
    /// opened as slave_path() if that names it here, so that ttyname(3) works,
    /// else without a path.
    ///
    /// When it returns the command runs. After the command, and whoever has the
    /// slave besides, read() tells the end.
    /// Errors, and nothing runs then: those of execve(2), ENOENT no such program or
    /// no such directory, EACCES not to be executed (the sentence tells which, and
    /// what of); EINVAL no arguments, or a byte of 0 in a string; EIO the pty is
    /// locked; EPERM the slave is another session's controlling terminal; EAGAIN
    /// too many processes.
    [[nodiscard]] child spawn(const command& what) const;

private:
    void require_open() const;
    [[nodiscard]] std::string subject() const;

    detail::handle handle_;
    facts facts_;
};

/// Prints "master of /dev/ttyIPC3".
IPCSHIM_API std::ostream& operator<<(std::ostream& out, const pty& value);

} // namespace ipcshim

#endif
