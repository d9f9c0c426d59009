// SPDX-License-Identifier: MIT
#ifndef IPCSHIM_TOOLS_SOCKET_STATE_HPP
#define IPCSHIM_TOOLS_SOCKET_STATE_HPP

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <ipcshim/types.hpp>

#include "proc.hpp"

namespace ipcshim::tools {

/// The fields of fdinfo that come more than once.
inline constexpr std::string_view exchange_field = "ipcshim-exchange";
inline constexpr std::string_view service_field = "ipcshim-service";

[[nodiscard]] role other(role which) noexcept;

/// An exchange that is open.
struct open_exchange final {
    std::uint64_t number = 0;
    std::uint16_t code = 0;     ///< of its method or notification
    role opener = role::client; ///< the client opens methods
    /// Who is to send next; nothing: a message is on its way and not read yet.
    std::optional<role> turn{};
    std::uint32_t counter = 0; ///< of its next message
    /// The thread that waits for the other side's message, on whichever side; 0: none.
    pid_t waits = 0;

    friend bool operator==(const open_exchange&, const open_exchange&) = default;
};

/// What fdinfo tells of a socket.
struct socket_state final {
    role mine = role::client;
    std::uint64_t connection = 0;
    pid_t peer = 0; ///< who holds the other side; 0: nobody, or not visible
    std::vector<open_exchange> exchanges{};
};

/// "3 code=7 opener=client turn=service counter=1 waits=4711"; nothing if it is
/// not of that form. More words of that kind may follow.
[[nodiscard]] std::optional<open_exchange> parse_exchange(std::string_view text);

/// Nothing if the descriptor is no socket.
[[nodiscard]] std::optional<socket_state> socket_of(const descriptor& from);

/// A name that a port has published.
struct published_name final {
    std::uint64_t number = 0;
    std::string name{};
};

/// Those of a port, in their order.
[[nodiscard]] std::vector<published_name> names_of(const descriptor& from);

} // namespace ipcshim::tools

#endif
