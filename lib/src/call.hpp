// SPDX-License-Identifier: MIT
#ifndef IPCSHIM_SRC_CALL_HPP
#define IPCSHIM_SRC_CALL_HPP

#include <fcntl.h>

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

/// O_NONBLOCK of an owned descriptor; throws as check() does.
[[nodiscard]] inline bool is_nonblocking(const handle& target) {
    const int flags = target.calls()->fcntl(target.get(), F_GETFL, 0);
    std::error_code error;
    succeeded(flags, error);
    check(error, attempt::descriptor_flags, {});
    return (static_cast<unsigned>(flags) & static_cast<unsigned>(O_NONBLOCK)) != 0;
}

/// Sets or clears it; throws as check() does.
inline void make_nonblocking(const handle& target, bool on) {
    std::error_code error;
    const int flags = target.calls()->fcntl(target.get(), F_GETFL, 0);
    if (succeeded(flags, error)) {
        const auto bit = static_cast<unsigned>(O_NONBLOCK);
        const auto old = static_cast<unsigned>(flags);
        const int wanted = static_cast<int>(on ? old | bit : old & ~bit);
        succeeded(target.calls()->fcntl(target.get(), F_SETFL, wanted), error);
    }
    check(error, attempt::descriptor_flags, {});
}

} // namespace ipcshim::detail

#endif
