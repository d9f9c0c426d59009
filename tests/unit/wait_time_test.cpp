// SPDX-License-Identifier: MIT
#include "wait_time.hpp"

#include <gtest/gtest.h>

#include <ctime>

namespace {

using namespace ipcshim;
using std::chrono::nanoseconds;

deadline at(std::int64_t count) {
    return deadline(nanoseconds(count));
}

TEST(wait_time, no_deadline_is_zero_for_the_kernel) {
    EXPECT_EQ(detail::to_kernel(no_deadline), 0U);
}

TEST(wait_time, a_deadline_is_nanoseconds_for_the_kernel) {
    EXPECT_EQ(detail::to_kernel(at(1'500'000'000)), 1'500'000'000U);
}

TEST(wait_time, a_deadline_at_or_before_zero_has_passed_and_is_not_none) {
    EXPECT_EQ(detail::to_kernel(at(0)), 1U);
    EXPECT_EQ(detail::to_kernel(deadline::min()), 1U);
}

TEST(wait_time, the_steady_clock_is_the_clock_of_the_kernels_deadlines) {
    timespec before{};
    ASSERT_EQ(clock_gettime(CLOCK_MONOTONIC, &before), 0);
    const auto now = detail::to_kernel(deadline::clock::now());
    timespec after{};
    ASSERT_EQ(clock_gettime(CLOCK_MONOTONIC, &after), 0);
    const auto count = [](const timespec& time) {
        return static_cast<std::uint64_t>(time.tv_sec) * 1'000'000'000U +
               static_cast<std::uint64_t>(time.tv_nsec);
    };
    EXPECT_LE(count(before), now);
    EXPECT_LE(now, count(after));
}

TEST(wait_time, what_is_left_is_seconds_and_nanoseconds) {
    const timespec left = detail::time_left(at(5'000'000'007), at(2'000'000'000));
    EXPECT_EQ(left.tv_sec, 3);
    EXPECT_EQ(left.tv_nsec, 7);
}

TEST(wait_time, nothing_is_left_of_a_deadline_that_passed) {
    const timespec left = detail::time_left(at(1), at(2));
    EXPECT_EQ(left.tv_sec, 0);
    EXPECT_EQ(left.tv_nsec, 0);
}

TEST(wait_time, the_longest_distance_does_not_overflow) {
    const timespec left = detail::time_left(deadline::max(), deadline::min());
    EXPECT_EQ(left.tv_sec, 18'446'744'073);
    EXPECT_EQ(left.tv_nsec, 709'551'615);
}

} // namespace
