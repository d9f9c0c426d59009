// SPDX-License-Identifier: MIT
// GoogleTest's main, and what tests execute as another program.
#include <gtest/gtest.h>

#include <cstdlib>
#include <string_view>

#include "support.hpp"

int main(int argc, char** argv) {
    const std::string_view word = argc > 1 ? argv[1] : "";
    if (word == "--end")
        return 0;
    // Tells that it runs, and waits to be told to end.
    if (word == "--wait-on" && argc == 3) {
        const test::line parent{test::unique_fd(std::atoi(argv[2]))};
        parent.put(7);
        static_cast<void>(parent.get());
        return 0;
    }
    ::testing::InitGoogleTest(&argc, argv);
    return RUN_ALL_TESTS();
}
