// SPDX-License-Identifier: MIT
#ifndef IPCSHIM_IO_RESULT_HPP
#define IPCSHIM_IO_RESULT_HPP

#include <cstddef>
#include <cstdint>
#include <iosfwd>

#include <ipcshim/types.hpp>

namespace ipcshim {

/// What one read or write did: a plain value, complete also when the call
/// failed. (NightOS tells the same of PIPE_READ and PIPE_WRITE.)
class IPCSHIM_API io_result final {
public:
    io_result() noexcept = default;
    /// From the kernel's answer to a call over `size` bytes. Counts that
    /// cannot be true are clamped: moved to `size`.
    io_result(const ::ipcshim_pipe_io& raw, std::size_t size) noexcept;
    /// The same of a batch of `count` messages.
    io_result(const ::ipcshim_pipe_batch& raw, std::size_t count) noexcept;
    /// Of a call that moved all it was asked to.
    io_result(std::size_t moved, std::size_t remains) noexcept : moved_(moved), remains_(remains) {}

    /// Bytes that moved; never more than the buffer has. Of a batch: messages.
    [[nodiscard]] std::size_t moved() const noexcept { return moved_; }
    /// After a write: bytes free in the pipe. After a read: bytes left in it
    /// (message pipe: the length of the next message).
    [[nodiscard]] std::size_t remains() const noexcept { return remains_; }
    /// Bytes missing, for cause full and cause empty.
    [[nodiscard]] std::size_t lacks() const noexcept { return lacks_; }
    /// Why less moved than was asked for.
    [[nodiscard]] ipcshim::cause cause() const noexcept { return cause_; }
    /// For cause locked: who holds the lock; 0: gone or not visible from here.
    [[nodiscard]] pid_t pid() const noexcept { return pid_; }
    /// The pipe is closed, and for a read nothing is left in it.
    [[nodiscard]] bool closed() const noexcept { return cause_ == ipcshim::cause::closed; }

    friend bool operator==(const io_result&, const io_result&) = default;

private:
    std::size_t moved_ = 0;
    std::size_t remains_ = 0;
    std::size_t lacks_ = 0;
    ipcshim::cause cause_ = ipcshim::cause::none;
    pid_t pid_ = 0;
};

IPCSHIM_API std::ostream& operator<<(std::ostream& out, const io_result& value);

} // namespace ipcshim

#endif
