// SPDX-License-Identifier: MIT
#ifndef IPCSHIM_SRC_START_CHILD_HPP
#define IPCSHIM_SRC_START_CHILD_HPP

#include <sys/types.h>

namespace ipcshim::detail {

/// What a new process is to become; made before it exists, since there it can't
/// allocate. All of it is borrowed, arrays and strings end with a null.
struct child_plan final {
    int terminal = -1;                     ///< becomes descriptors 0, 1 and 2
    const char* directory = nullptr;       ///< null: this process's
    const char* const* programs = nullptr; ///< paths, the first that can be run is
    char* const* arguments = nullptr;
    char* const* environment = nullptr;
};

/// How far a new process came.
enum class child_step {
    none,        ///< it did not fail
    process,     ///< there is no new process
    descriptors, ///< its own three
    terminal,    ///< its session has no such controlling terminal
    directory,
    program,
};

struct child_failure final {
    child_step step = child_step::none;
    int error = 0; ///< errno
};

/// A new process: leader of a session with the terminal, with no descriptor but
/// the first three, with default signals, and running the program when this
/// returns. \return its pid, or a negative errno: then `failure` tells which
/// step, no process is left and `pidfd` is untouched.
[[nodiscard]] pid_t start_child(const child_plan& plan, int& pidfd,
                                child_failure& failure) noexcept;

/// Closes every descriptor from this one on. Async-signal-safe.
void close_from(unsigned lowest) noexcept;

/// The same where close_range(2) is not to be had: what /proc tells of, or without
/// it all that there can be. Async-signal-safe.
void close_from_slowly(unsigned lowest) noexcept;

} // namespace ipcshim::detail

#endif
