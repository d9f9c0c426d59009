// SPDX-License-Identifier: MIT
#ifndef IPCSHIM_TOOLS_RUNNING_COMMAND_HPP
#define IPCSHIM_TOOLS_RUNNING_COMMAND_HPP

#include <sys/types.h>

#include <csignal>
#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "unique_fd.hpp"

namespace ipcshim::tools {

/// The file that a command's name stands for, looked for in the PATH as a shell
/// does. Errors: std::system_error, ENOENT there is none, EACCES it can't be
/// executed; each with a sentence.
[[nodiscard]] std::string find_program(const std::string& name);

/// A program that gets some bytes as its input, and whose output is kept. Its
/// errors go where ours go. The destructor lets it run on.
class running_command final {
public:
    /// \param program from find_program()
    /// \param extra_environment "NAME=value" each
    /// \param blocked the signals that are blocked in it
    /// \param most bytes of output that are kept
    running_command(const std::string& program, const std::vector<std::string>& arguments,
                    const std::vector<std::string>& extra_environment,
                    std::span<const std::byte> input, const sigset_t& blocked, std::size_t most);

    /// Readable when it has ended.
    [[nodiscard]] int ended_fd() const noexcept { return ended_.get(); }
    /// Readable when it has written something; -1 when no more comes.
    [[nodiscard]] int output_fd() const noexcept { return output_.get(); }

    /// Takes what it has written. Never waits.
    void take_output();
    /// Its exit code, or 128 and the number of the signal that killed it; nothing
    /// while it runs. All that it had written by then is taken.
    [[nodiscard]] std::optional<int> try_end();

    [[nodiscard]] const std::vector<std::byte>& output() const noexcept { return kept_; }
    /// It has written more than what is kept. It gets SIGPIPE for that.
    [[nodiscard]] bool wrote_too_much() const noexcept { return too_much_; }

private:
    pid_t pid_ = 0;
    unique_fd ended_;
    unique_fd output_;
    std::size_t most_ = 0;
    std::vector<std::byte> kept_;
    bool too_much_ = false;
};

} // namespace ipcshim::tools

#endif
