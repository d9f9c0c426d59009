// SPDX-License-Identifier: MIT
#ifndef IPCSHIM_SRC_CALL_HPP
#define IPCSHIM_SRC_CALL_HPP

#include <cerrno>
#include <system_error>

#include <ipcshim/detail/handle.hpp>

#include "sentence.hpp"

namespace ipcshim::detail {

/// Sets the error from an answer of the seam, where a failure is a negative
/// errno. \return true: no failure
template <typename Answer> bool succeeded(Answer answer, std::error_code& error) noexcept {
    if (answer < 0) {
        error = code_of(static_cast<int>(-answer));
        return false;
    }
    error.clear();
    return true;
}

/// One ioctl on an owned descriptor; EBADF if there is none.
template <typename Argument>
bool control(const handle& target, unsigned long request, Argument& argument,
             std::error_code& error) noexcept {
    if (!target.is_open()) {
        error = code_of(EBADF);
        return false;
    }
    return succeeded(target.calls()->ioctl(target.get(), request, &argument), error);
}

} // namespace ipcshim::detail

#endif
