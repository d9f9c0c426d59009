// SPDX-License-Identifier: MIT
#ifndef IPCSHIM_SRC_MESSAGE_WORDS_HPP
#define IPCSHIM_SRC_MESSAGE_WORDS_HPP

#include <linux/ipcshim.h>

#include <cstdint>

#include <ipcshim/message.hpp>

namespace ipcshim::detail {

[[nodiscard]] constexpr bool has_status(std::uint16_t status, unsigned bit) noexcept {
    return (status & bit) != 0;
}

[[nodiscard]] inline side_end to_end(const ::ipcshim_sock_end& raw) noexcept {
    return {.how = ipcshim::how{raw.how}, .status = raw.status};
}

/// A header as the module tells it.
[[nodiscard]] message_header to_header(const ::ipcshim_message& raw,
                                       const ::ipcshim_sock_end& end) noexcept;

/// Takes over what came with a message; std::monostate for what was taken back, and for a
/// kind that this library does not know, whose descriptor is closed.
[[nodiscard]] received_descriptor to_received(syscalls& calls,
                                              const ::ipcshim_descriptor& raw) noexcept;

} // namespace ipcshim::detail

#endif
