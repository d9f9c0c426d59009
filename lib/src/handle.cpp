// SPDX-License-Identifier: MIT
#include <ipcshim/detail/handle.hpp>

namespace ipcshim::detail {

void handle::reset() noexcept {
    if (is_open()) {
        // Never again after EINTR: Linux has freed the number by then.
        static_cast<void>(calls_->close(release()));
    }
}

} // namespace ipcshim::detail
