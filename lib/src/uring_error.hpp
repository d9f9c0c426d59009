// SPDX-License-Identifier: MIT
#ifndef IPCSHIM_SRC_URING_ERROR_HPP
#define IPCSHIM_SRC_URING_ERROR_HPP

#include <string>
#include <string_view>
#include <system_error>

namespace ipcshim::detail {

[[nodiscard]] inline std::error_code code_of_errno(int error) noexcept {
    return {error, std::generic_category()};
}

/// "cannot <what>: why, and what to do". (The core library keeps its own sentences to itself.)
[[nodiscard]] std::string uring_sentence(std::string_view what, int error);

} // namespace ipcshim::detail

#endif
