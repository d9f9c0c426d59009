// SPDX-License-Identifier: MIT
#ifndef IPCSHIM_SRC_REASON_HPP
#define IPCSHIM_SRC_REASON_HPP

#include <span>
#include <string_view>

#include "sentence.hpp"

namespace ipcshim::detail {

/// A line of the tables of sentence*.cpp.
struct reason {
    attempt what;
    int error;
    std::string_view text; ///< why; and what to do
};

/// Empty where the table has nothing for it.
[[nodiscard]] inline std::string_view find_reason(std::span<const reason> table, attempt what,
                                                  int error) noexcept {
    for (const reason& each : table) {
        if (each.what == what && each.error == error) {
            return each.text;
        }
    }
    return {};
}

} // namespace ipcshim::detail

#endif
