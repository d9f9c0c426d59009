// SPDX-License-Identifier: MIT
#ifndef IPCSHIM_TOOLS_PROC_HPP
#define IPCSHIM_TOOLS_PROC_HPP

#include <sys/types.h>

#include <charconv>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

/// \file
/// What /proc tells of processes and of what they have open of ipcshim. All of it
/// may have changed by the time it is read.

namespace ipcshim::tools {

/// A segment, and an end of a pipe, can be mapped without a descriptor of it.
inline constexpr int no_descriptor = -1;

/// What a process has of ipcshim.
struct descriptor final {
    int number = no_descriptor;
    std::string target; ///< what /proc/PID/fd/N points to
    /// Those of fdinfo that not every file has; a name may come more than once.
    std::vector<std::pair<std::string, std::string>> fields{};
    std::vector<std::string> mappings{}; ///< "START-END rw-s", hexadecimal

    /// The first field of that name; empty if there is none.
    [[nodiscard]] std::string_view field(std::string_view name) const noexcept;
};

/// Everything of ipcshim that a process has open, by its numbers.
/// Errors: ENOENT no such process; EACCES it is another user's.
[[nodiscard]] std::vector<descriptor> descriptors_of(pid_t pid, std::error_code& error);

/// Adds where it has segments and ends of pipes mapped: to the descriptor, or to an
/// entry without one.
void add_mappings(pid_t pid, std::vector<descriptor>& found);

/// The pids of all processes that are visible here.
[[nodiscard]] std::vector<pid_t> processes();

/// The name of its program as ps shows it, in printable ASCII; empty if there is
/// no such process.
[[nodiscard]] std::string command_of(pid_t pid);

/// Nothing if there is no such process.
[[nodiscard]] std::optional<uid_t> effective_uid_of(pid_t pid);

/// The process that a thread belongs to; 0 if there is no such thread.
[[nodiscard]] pid_t process_of(pid_t thread);

/// A decimal number that is all of a text.
template <typename Number>
[[nodiscard]] std::optional<Number> parse_number(std::string_view text) noexcept {
    Number value{};
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size()) {
        return std::nullopt;
    }
    return value;
}

} // namespace ipcshim::tools

#endif
