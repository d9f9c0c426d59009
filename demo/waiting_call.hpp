// SPDX-License-Identifier: MIT
#pragma once

#include <sys/types.h>

#include <cstdint>

#include "actor.hpp"

namespace demo {

/// A call that a process waits in, as its descriptor tells in /proc.
struct waiting_call {
    std::uint64_t exchange = 0;
    std::uint16_t code = 0;
    pid_t peer = 0;
};

/// Waits until a process waits for an answer.
[[nodiscard]] waiting_call until_it_calls(pid_t pid, clock::time_point until);

} // namespace demo
