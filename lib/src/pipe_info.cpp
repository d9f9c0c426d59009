// SPDX-License-Identifier: MIT
#include <ipcshim/pipe_info.hpp>

#include <algorithm>
#include <ostream>

#include "narrow.hpp"

namespace ipcshim {

pid_t pipe_info::creator() const noexcept {
    return detail::to_pid(raw_.creator);
}

std::uint64_t pipe_info::bytes_free() const noexcept {
    return std::min<std::uint64_t>(raw_.bytes_free, raw_.capacity);
}

std::uint64_t pipe_info::bytes_waiting() const noexcept {
    return std::min<std::uint64_t>(raw_.bytes_waiting, raw_.capacity);
}

std::ostream& operator<<(std::ostream& out, const pipe_info& value) {
    out << value.end() << " of a " << value.mode() << " pipe, inode " << value.inode() << ", "
        << (value.is_open() ? "open" : "closed") << ", " << value.bytes_waiting() << " of "
        << value.capacity() << " bytes wait";
    if (value.mode() == pipe_mode::message) {
        out << " in " << value.messages_waiting() << " messages";
    }
    if (value.write_waits()) {
        out << ", a write waits";
    } else if (value.write_locked()) {
        out << ", somebody writes";
    }
    if (value.read_waits()) {
        out << ", a read waits";
    } else if (value.read_locked()) {
        out << ", somebody reads";
    }
    if (value.is_mapped()) {
        out << ", mapped";
    } else if (value.can_map()) {
        out << ", can be mapped";
    }
    return out << ", opened by process " << value.creator();
}

} // namespace ipcshim
