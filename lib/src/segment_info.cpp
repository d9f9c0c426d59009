// SPDX-License-Identifier: MIT
#include <ipcshim/segment_info.hpp>

#include <algorithm>
#include <ostream>

#include "narrow.hpp"
#include "wait_time.hpp"

namespace ipcshim {

std::uint64_t segment_info::allocated() const noexcept {
    return std::min<std::uint64_t>(raw_.allocated, raw_.length);
}

deadline segment_info::lease_end() const noexcept {
    return detail::from_kernel(raw_.deadline);
}

pid_t segment_info::sharer() const noexcept {
    return detail::to_pid(raw_.sharer);
}

std::ostream& operator<<(std::ostream& out, const segment_info& value) {
    out << value.mode() << " segment, inode " << value.inode() << ", " << value.rights() << ", "
        << value.allocated() << " of " << value.length() << " bytes have pages, "
        << (value.mode() == memory_mode::made ? "made by process " : "from process ")
        << value.sharer();
    if (value.is_owner()) {
        out << ", owned here, shared with " << value.holder_count();
    }
    if (value.is_exported()) {
        out << ", exported";
    }
    if (value.lease_end() != no_deadline) {
        out << ", goes back at " << detail::to_kernel(value.lease_end()) << " ns";
    }
    return out;
}

} // namespace ipcshim
