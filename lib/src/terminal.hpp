// SPDX-License-Identifier: MIT
#ifndef IPCSHIM_SRC_TERMINAL_HPP
#define IPCSHIM_SRC_TERMINAL_HPP

#include <fcntl.h>
#include <sys/ioctl.h>

#include <cstdint>
#include <string>
#include <system_error>

#include <ipcshim/detail/handle.hpp>
#include <ipcshim/types.hpp>

#include "call.hpp"

namespace ipcshim::detail {

/// The node that a slave has.
[[nodiscard]] inline std::string slave_path(std::uint32_t index) {
    return "/dev/ttyIPC" + std::to_string(index);
}

/// How a slave is opened: never as the controlling terminal of who opens it.
[[nodiscard]] constexpr unsigned slave_flags(bool nonblocking) noexcept {
    return static_cast<unsigned>(O_RDWR) | static_cast<unsigned>(O_NOCTTY) |
           static_cast<unsigned>(O_CLOEXEC) |
           (nonblocking ? static_cast<unsigned>(O_NONBLOCK) : 0U);
}

/// An ioctl that takes a number where others take an address.
inline int control_by_value(const handle& target, unsigned long request, unsigned value,
                            std::error_code& error) noexcept {
    if (!target.is_open()) {
        error = code_of(EBADF);
        return -EBADF;
    }
    // NOLINTNEXTLINE(performance-no-int-to-ptr,*-reinterpret-cast): as ioctl(2) has it
    auto* const argument = reinterpret_cast<void*>(static_cast<std::uintptr_t>(value));
    const int answer = target.calls()->ioctl(target.get(), request, argument);
    succeeded(answer, error);
    return answer;
}

[[nodiscard]] inline window_size get_size(const handle& target, std::error_code& error) noexcept {
    ::winsize raw{};
    if (!control(target, TIOCGWINSZ, raw, error)) {
        return {};
    }
    return {.rows = raw.ws_row,
            .columns = raw.ws_col,
            .x_pixels = raw.ws_xpixel,
            .y_pixels = raw.ws_ypixel};
}

inline void set_size(const handle& target, const window_size& wanted,
                     std::error_code& error) noexcept {
    ::winsize raw{.ws_row = wanted.rows,
                  .ws_col = wanted.columns,
                  .ws_xpixel = wanted.x_pixels,
                  .ws_ypixel = wanted.y_pixels};
    control(target, TIOCSWINSZ, raw, error);
}

} // namespace ipcshim::detail

#endif
