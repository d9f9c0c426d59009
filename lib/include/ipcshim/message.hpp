// SPDX-License-Identifier: MIT
#ifndef IPCSHIM_MESSAGE_HPP
#define IPCSHIM_MESSAGE_HPP

#include <cstddef>
#include <span>
#include <string_view>
#include <variant>
#include <vector>

#include <ipcshim/message_header.hpp>
#include <ipcshim/pipe.hpp>
#include <ipcshim/segment.hpp>
#include <ipcshim/socket.hpp>

namespace ipcshim {

/// What a message carried: new descriptors of this process, owned here.
/// std::monostate: it was taken back before the message was read.
using received_descriptor = std::variant<std::monostate, sender, receiver, segment, socket>;

/// A message that was read. Owns what it carries; move-only.
struct message final {
    message_header header{};
    std::vector<std::byte> payload{}; ///< header.length bytes
    std::vector<received_descriptor> descriptors{};

    /// The payload as a text; valid as long as the payload is.
    [[nodiscard]] std::string_view text() const noexcept {
        // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): bytes as characters
        return {reinterpret_cast<const char*>(payload.data()), payload.size()};
    }
};

} // namespace ipcshim

#endif
