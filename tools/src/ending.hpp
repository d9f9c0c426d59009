// SPDX-License-Identifier: MIT
#ifndef IPCSHIM_TOOLS_ENDING_HPP
#define IPCSHIM_TOOLS_ENDING_HPP

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include <ipcshim/event.hpp>
#include <ipcshim/port.hpp>
#include <ipcshim/types.hpp>

namespace ipcshim::tools {

/// The point in time so many seconds from now; no_deadline for none.
[[nodiscard]] deadline after(std::optional<double> seconds);

/// The event that tells how the pipe of this end (by its inode) was closed;
/// nothing if it does not come within a moment.
[[nodiscard]] std::optional<pipe_closed> await_ending(const port& from, std::uint64_t inode);

/// "closed it", "exited with code 3 without closing it", "was killed by
/// signal 9 (Killed)" ...
[[nodiscard]] std::string deed(const pipe_closed& closed);

/// The other process ended the pipe on purpose and in order.
[[nodiscard]] bool in_order(const pipe_closed& closed) noexcept;

} // namespace ipcshim::tools

#endif
