// SPDX-License-Identifier: MIT
#ifndef IPCSHIM_SRC_WAIT_TIME_HPP
#define IPCSHIM_SRC_WAIT_TIME_HPP

#include <chrono>
#include <cstdint>
#include <ctime>
#include <ratio>

#include <ipcshim/types.hpp>

namespace ipcshim::detail {

/// A deadline as the kernel takes it: nanoseconds of CLOCK_MONOTONIC, where 0
/// means none. A point at or before the clock's zero has passed: 1.
[[nodiscard]] inline std::uint64_t to_kernel(deadline until) noexcept {
    static_assert(std::ratio_equal_v<deadline::period, std::nano>);
    if (until == no_deadline) {
        return 0;
    }
    const auto count = until.time_since_epoch().count();
    return count <= 0 ? 1 : static_cast<std::uint64_t>(count);
}

/// The other way round: what the kernel tells as a deadline.
[[nodiscard]] inline deadline from_kernel(std::uint64_t nanoseconds) noexcept {
    constexpr auto largest = static_cast<std::uint64_t>(deadline::max().time_since_epoch().count());
    if (nanoseconds == 0 || nanoseconds >= largest) {
        return no_deadline;
    }
    return deadline(deadline::duration(static_cast<deadline::rep>(nanoseconds)));
}

/// What is left until a deadline; zero when it has passed.
[[nodiscard]] inline timespec time_left(deadline until, deadline now) noexcept {
    if (until <= now) {
        return {};
    }
    // In unsigned arithmetic, since the distance may not fit the signed type.
    const auto left = static_cast<std::uint64_t>(until.time_since_epoch().count()) -
                      static_cast<std::uint64_t>(now.time_since_epoch().count());
    constexpr std::uint64_t second = 1'000'000'000;
    timespec result{};
    result.tv_sec = static_cast<time_t>(left / second);
    result.tv_nsec =
        static_cast<long>(left % second); // NOLINT(google-runtime-int): as POSIX has it
    return result;
}

} // namespace ipcshim::detail

#endif
