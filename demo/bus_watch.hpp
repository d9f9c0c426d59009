// SPDX-License-Identifier: MIT
#pragma once

#include <signal.h> // NOLINT(modernize-deprecated-headers): sigaction

#include <cstddef>
#include <cstdint>

namespace demo {

/// Lets a process live on that touches memory which was taken from it: while
/// this exists, SIGBUS is noted, and a page of nobody's lies where the touch
/// was. One at a time, in a process of one thread.
class bus_watch final {
public:
    bus_watch();
    bus_watch(const bus_watch&) = delete;
    bus_watch& operator=(const bus_watch&) = delete;
    ~bus_watch();

    /// Writes a number there. \return false: SIGBUS was the answer.
    [[nodiscard]] bool touch(std::uint64_t& where, std::uint64_t value = 0) const noexcept;
    /// Reads there. \return false: SIGBUS was the answer.
    [[nodiscard]] bool touch(const std::uint64_t& where) const noexcept;

private:
    struct sigaction before_ {};
};

} // namespace demo
