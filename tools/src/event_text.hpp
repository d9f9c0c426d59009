// SPDX-License-Identifier: MIT
#ifndef IPCSHIM_TOOLS_EVENT_TEXT_HPP
#define IPCSHIM_TOOLS_EVENT_TEXT_HPP

#include <nlohmann/json_fwd.hpp>

#include <string>

#include <ipcshim/event.hpp>

namespace ipcshim::tools {

/// An event as a line for people.
[[nodiscard]] std::string to_line(const event& what);
/// An event as one JSON object.
[[nodiscard]] nlohmann::ordered_json to_json(const event& what);

} // namespace ipcshim::tools

#endif
