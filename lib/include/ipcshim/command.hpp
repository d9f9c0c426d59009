// SPDX-License-Identifier: MIT
#ifndef IPCSHIM_COMMAND_HPP
#define IPCSHIM_COMMAND_HPP

#include <optional>
#include <string>
#include <vector>

namespace ipcshim {

/// What pty::spawn() is to run, and where. A plain value; strings hold no byte
/// of 0. (Ours.)
///
/// `ipcshim::command{.arguments = {"ls", "-l"}}`
struct command final {
    /// What the program is told as its arguments; the first is its name, and
    /// names the program to run, too, where `program` is empty. At least one.
    std::vector<std::string> arguments{};
    /// The program, where it is not called by its first argument, as for a login
    /// shell (`.arguments = {"-bash"}, .program = "/bin/bash"`). A name without
    /// '/' is looked for in the PATH of the environment that the command gets.
    std::string program{};
    /// "NAME=value" each. Nothing: this process's environment.
    std::optional<std::vector<std::string>> environment{};
    /// "NAME=value" each: added to the environment, or put in place of the
    /// variable of that name. TERM belongs here.
    std::vector<std::string> extra_environment{};
    /// The working directory; empty: this process's.
    std::string directory{};
};

} // namespace ipcshim

#endif
