// SPDX-License-Identifier: MIT
#ifndef IPCSHIM_SRC_ENDING_HPP
#define IPCSHIM_SRC_ENDING_HPP

#include <cstdint>
#include <ostream>

#include <ipcshim/types.hpp>

namespace ipcshim::detail {

/// Prints "killed by signal 9".
inline void print_ending(std::ostream& out, how how, std::int32_t status) {
    out << how;
    if (how == how::exited) {
        out << " with code " << status;
    } else if (how == how::killed) {
        out << " by signal " << status;
    }
}

} // namespace ipcshim::detail

#endif
