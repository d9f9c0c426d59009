// SPDX-License-Identifier: MIT
#ifndef IPCSHIM_TESTS_DMABUF_SUPPORT_HPP
#define IPCSHIM_TESTS_DMABUF_SUPPORT_HPP

#include <gtest/gtest.h>

#include "../device/segment_support.hpp"
#include "drm.hpp"

namespace test {

// One large page, and a few small ones behind it, where pages are of 4 KiB.
inline constexpr std::size_t both_kinds_of_pages = 2 * mib + 5 * std::size_t{65536};

// Removes a module if it is loaded: 0 or the errno.
[[nodiscard]] int remove_module(const std::string& name);

// What every test here is about: a segment of this length with a pattern in it.
// Afterwards the module has as many segments and bytes as before.
class SegmentTest : public ::testing::TestWithParam<std::size_t> {
protected:
    void SetUp() override;
    void TearDown() override;

    // The dma-buf; the export has to succeed.
    [[nodiscard]] unique_fd exported() const;
    void expect_busy();
    void expect_handed_over(std::uint64_t seed = 1);
    // Lets go of all that this object holds.
    void forget();
    // The pages are still there, and counted.
    void expect_pages_held();

    const ipcshim_query before = query_raw();
    std::size_t length = 0;
    ipcshim::port port = segment_port();
    std::optional<taker> receiver{std::in_place};
    unique_fd segment;
    area memory;
};

// Loads a driver, or skips the test with the reason why there is none.
#define NEEDS_DRIVER(name)                                                                         \
    do {                                                                                           \
        if (const auto reason = ::test::missing_driver(name); !reason.empty())                     \
            GTEST_SKIP() << reason;                                                                \
    } while (false)

} // namespace test

#endif
