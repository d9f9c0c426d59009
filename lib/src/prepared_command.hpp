// SPDX-License-Identifier: MIT
#ifndef IPCSHIM_SRC_PREPARED_COMMAND_HPP
#define IPCSHIM_SRC_PREPARED_COMMAND_HPP

#include <string>
#include <vector>

#include <ipcshim/command.hpp>

#include "start_child.hpp"

namespace ipcshim::detail {

/// A command as a new process needs it, all memory allocated. Not to be moved:
/// its plan points into it.
class prepared_command final {
public:
    /// \param inherited the environment that a command without one gets
    /// Throws std::system_error (EINVAL) for a command that can't be: no
    /// arguments, a byte of 0, an extra variable without '='.
    prepared_command(const command& what, const char* const* inherited);
    prepared_command(const prepared_command&) = delete;
    prepared_command(prepared_command&&) = delete;
    prepared_command& operator=(const prepared_command&) = delete;
    prepared_command& operator=(prepared_command&&) = delete;
    ~prepared_command() = default;

    [[nodiscard]] child_plan plan(int terminal) const noexcept;
    /// The program as it was asked for.
    [[nodiscard]] const std::string& program() const noexcept { return program_; }
    [[nodiscard]] const std::string& directory() const noexcept { return directory_; }

    // What it is made of, for who looks at it.
    [[nodiscard]] const std::vector<std::string>& programs() const noexcept { return programs_; }
    [[nodiscard]] const std::vector<std::string>& environment() const noexcept {
        return environment_;
    }

private:
    std::string program_;
    std::string directory_;
    std::vector<std::string> arguments_;
    std::vector<std::string> environment_;
    std::vector<std::string> programs_; ///< where it may lie
    std::vector<char*> argument_pointers_;
    std::vector<char*> environment_pointers_;
    std::vector<const char*> program_pointers_;
};

} // namespace ipcshim::detail

#endif
