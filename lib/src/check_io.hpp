// SPDX-License-Identifier: MIT
#ifndef IPCSHIM_SRC_CHECK_IO_HPP
#define IPCSHIM_SRC_CHECK_IO_HPP

#include <string>
#include <system_error>

#include <ipcshim/error.hpp>
#include <ipcshim/io_result.hpp>

#include "sentence.hpp"

namespace ipcshim::detail {

/// Throws io_error with the sentence if there is an error.
inline void check_io(const std::error_code& error, attempt what, const std::string& subject,
                     const io_result& result) {
    if (error) {
        throw io_error(error, sentence(what, error.value(), subject, result), result);
    }
}

/// How a sentence names what was to move.
[[nodiscard]] inline std::string bytes_name(std::size_t count) {
    return std::to_string(count) + " bytes";
}

/// Sets the error from an errno, or clears it.
inline void set_error(std::error_code& error, int number) noexcept {
    if (number != 0) {
        error = code_of(number);
    } else {
        error.clear();
    }
}

} // namespace ipcshim::detail

#endif
