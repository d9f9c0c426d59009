// SPDX-License-Identifier: MIT
#ifndef IPCSHIM_SRC_NARROW_HPP
#define IPCSHIM_SRC_NARROW_HPP

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <limits>

namespace ipcshim::detail {

/// A pid as the kernel tells it; one that no process can have becomes 0, which
/// means "not visible".
[[nodiscard]] inline pid_t to_pid(std::uint32_t value) noexcept {
    constexpr auto largest = static_cast<std::uint32_t>(std::numeric_limits<pid_t>::max());
    return value <= largest ? static_cast<pid_t>(value) : 0;
}

/// A count from the kernel as a size of this process.
[[nodiscard]] inline std::size_t to_size(std::uint64_t value) noexcept {
    constexpr std::uint64_t largest = std::numeric_limits<std::size_t>::max();
    return value <= largest ? static_cast<std::size_t>(value) : static_cast<std::size_t>(largest);
}

} // namespace ipcshim::detail

#endif
