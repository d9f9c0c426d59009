// SPDX-License-Identifier: MIT
#ifndef IPCSHIM_PIPE_INFO_HPP
#define IPCSHIM_PIPE_INFO_HPP

#include <cstdint>
#include <iosfwd>

#include <ipcshim/types.hpp>

namespace ipcshim {

/// What a pipe looked like when sender::info() or receiver::info() asked: a
/// snapshot, a plain value. (NightOS: PIPE_INFO.)
class IPCSHIM_API pipe_info final {
public:
    pipe_info() noexcept = default;
    explicit pipe_info(const ::ipcshim_pipe_info& raw) noexcept : raw_(raw) {}

    /// Both ends are open.
    [[nodiscard]] bool is_open() const noexcept { return has(IPCSHIM_INFO_OPEN); }
    /// No byte is free.
    [[nodiscard]] bool is_full() const noexcept { return has(IPCSHIM_INFO_FULL); }
    /// Somebody is writing.
    [[nodiscard]] bool write_locked() const noexcept { return has(IPCSHIM_INFO_WRITE_LOCKED); }
    /// Somebody is reading.
    [[nodiscard]] bool read_locked() const noexcept { return has(IPCSHIM_INFO_READ_LOCKED); }
    /// A write waits for room.
    [[nodiscard]] bool write_waits() const noexcept { return has(IPCSHIM_INFO_WRITE_WAITS); }
    /// A read waits for data.
    [[nodiscard]] bool read_waits() const noexcept { return has(IPCSHIM_INFO_READ_WAITS); }
    /// The end that was asked.
    [[nodiscard]] pipe_end end() const noexcept {
        return has(IPCSHIM_INFO_SENDER) ? pipe_end::sender : pipe_end::receiver;
    }
    [[nodiscard]] pipe_mode mode() const noexcept {
        return has(IPCSHIM_INFO_MESSAGE) ? pipe_mode::message : pipe_mode::raw;
    }
    /// It was opened as mapped: its ends can be memory, see mapped.hpp. (Ours.)
    [[nodiscard]] bool can_map() const noexcept { return has(IPCSHIM_INFO_CAN_MAP); }
    /// A process has the end that was asked mapped.
    [[nodiscard]] bool is_mapped() const noexcept { return has(IPCSHIM_INFO_IS_MAPPED); }
    /// Bytes of the data area of a mapped pipe; 0 for others.
    [[nodiscard]] std::uint64_t area() const noexcept { return raw_.area; }
    /// The process that opened the pipe; 0: not visible from here.
    [[nodiscard]] pid_t creator() const noexcept;
    /// Bytes of payload that it can hold.
    [[nodiscard]] std::uint64_t capacity() const noexcept { return raw_.capacity; }
    /// Bytes; never more than the capacity.
    [[nodiscard]] std::uint64_t bytes_free() const noexcept;
    /// Bytes written and not yet read; never more than the capacity.
    [[nodiscard]] std::uint64_t bytes_waiting() const noexcept;
    /// Messages written and not yet read; 0 for a raw pipe.
    [[nodiscard]] std::uint64_t messages_waiting() const noexcept { return raw_.messages_waiting; }
    /// st_ino of the end that was asked.
    [[nodiscard]] std::uint64_t inode() const noexcept { return raw_.inode; }

private:
    [[nodiscard]] bool has(std::uint32_t flag) const noexcept { return (raw_.flags & flag) != 0; }

    ::ipcshim_pipe_info raw_{};
};

/// Prints one line without its end.
IPCSHIM_API std::ostream& operator<<(std::ostream& out, const pipe_info& value);

} // namespace ipcshim

#endif
