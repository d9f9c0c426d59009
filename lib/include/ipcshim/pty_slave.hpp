// SPDX-License-Identifier: MIT
#ifndef IPCSHIM_PTY_SLAVE_HPP
#define IPCSHIM_PTY_SLAVE_HPP

#include <cstdint>
#include <iosfwd>
#include <string>
#include <utility>

#include <ipcshim/detail/export.hpp>
#include <ipcshim/detail/handle.hpp>
#include <ipcshim/types.hpp>

namespace ipcshim {

/// The slave of a pseudo terminal: the side that programs have as their
/// terminal. Move-only; owns its descriptor, one open of the slave: when the
/// last one of all processes is closed, the master reads the end. pty::open_slave()
/// and port::claim_pty() give one. (POSIX; the kernel's own terminals.)
///
/// It is a tty like any other: read(2), write(2), termios(3), tcsetpgrp(3) and
/// ioctl_tty(2) on fd() do what they say. It is not the controlling terminal of
/// this process unless it is made so with TIOCSCTTY. It was opened without a
/// path, so ttyname(3) does not know it; path() does. tcdrain(3) waits until the
/// master has read what was written: don't call it on the thread that reads the
/// master.
///
/// Errors: see error.hpp. std::logic_error when the object is closed, moved-from
/// or released. EIO after a hangup: the master is closed.
///
/// Threads: all calls may run from any number of threads at once on one object,
/// except moving, close() and release().
class IPCSHIM_API pty_slave final {
public:
    /// A closed one.
    pty_slave() noexcept = default;
    /// For the library: a descriptor that is known to be a slave.
    pty_slave(detail::handle&& owned, std::uint32_t index, std::uint64_t inode) noexcept
        : handle_(std::move(owned)), index_(index), inode_(inode) {}

    /// It holds a descriptor. (It may have been hung up.)
    [[nodiscard]] bool is_open() const noexcept { return handle_.is_open(); }
    explicit operator bool() const noexcept { return is_open(); }
    /// The descriptor; it stays owned by this object.
    [[nodiscard]] int fd() const;
    /// Gives the descriptor away; the caller closes it. The object is closed.
    [[nodiscard]] int release();
    /// Closes this descriptor. Nothing happens if it is closed already.
    void close() noexcept { handle_.reset(); }

    /// st_ino: the same for every slave descriptor of this pty that was opened
    /// without a path, never used again. Asks nobody, like the two that follow.
    [[nodiscard]] std::uint64_t inode() const noexcept { return inode_; }
    /// The number in the path, used again when the pty is gone.
    [[nodiscard]] std::uint32_t index() const noexcept { return index_; }
    /// "/dev/ttyIPC3".
    [[nodiscard]] std::string path() const;

    /// The window's size, one for both sides; all 0 where nobody set it.
    [[nodiscard]] window_size size() const;
    /// Sets it; a change raises SIGWINCH in the foreground process group.
    void resize(const window_size& wanted) const;

private:
    void require_open() const;
    [[nodiscard]] std::string subject() const;

    detail::handle handle_;
    std::uint32_t index_ = 0;
    std::uint64_t inode_ = 0;
};

/// Prints "slave /dev/ttyIPC3".
IPCSHIM_API std::ostream& operator<<(std::ostream& out, const pty_slave& value);

} // namespace ipcshim

#endif
