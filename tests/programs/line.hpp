// SPDX-License-Identifier: MIT
//
// A pty of ours; or with PTY=devpts in the environment one of Linux's own, on which
// all of these tests have to pass as well.
#ifndef IPCSHIM_TESTS_PROGRAMS_LINE_HPP
#define IPCSHIM_TESTS_PROGRAMS_LINE_HPP

#include <sys/types.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "screen.hpp"

namespace test {

// A program that was started; its destructor kills it if it runs.
class program {
public:
    program() = default;
    program(const program&) = delete;
    program(program&&) = delete;
    program& operator=(const program&) = delete;
    program& operator=(program&&) = delete;
    virtual ~program() = default;

    [[nodiscard]] virtual pid_t pid() const = 0;
    // How it ended, "exited with code 0" or "killed by signal 9"; nothing while it runs.
    [[nodiscard]] virtual std::optional<std::string> end() = 0;
};

class line {
public:
    line() = default;
    line(const line&) = delete;
    line(line&&) = delete;
    line& operator=(const line&) = delete;
    line& operator=(line&&) = delete;
    virtual ~line() = default;

    // The master's descriptor, nonblocking.
    [[nodiscard]] virtual int fd() const = 0;
    [[nodiscard]] virtual std::string slave_path() const = 0;
    virtual void resize(screen_size size) = 0;
    // Runs a program on the slave, as leader of a session that has it as
    // controlling terminal.
    [[nodiscard]] virtual std::unique_ptr<program>
    spawn(const std::vector<std::string>& arguments,
          const std::vector<std::string>& environment) = 0;
};

[[nodiscard]] std::unique_ptr<line> open_line(screen_size size);
// Runs a program as leader of a session without a terminal, as init would.
[[nodiscard]] std::unique_ptr<program> start_detached(const std::vector<std::string>& arguments,
                                                      const std::vector<std::string>& environment);

} // namespace test

#endif
