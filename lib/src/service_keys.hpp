// SPDX-License-Identifier: MIT
#ifndef IPCSHIM_SRC_SERVICE_KEYS_HPP
#define IPCSHIM_SRC_SERVICE_KEYS_HPP

#include <cstdint>

namespace ipcshim::detail {

/// The port's key in a service's set; others are the numbers of connections.
inline constexpr std::uint64_t port_key = ~std::uint64_t{0};

} // namespace ipcshim::detail

#endif
