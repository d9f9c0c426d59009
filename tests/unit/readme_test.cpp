// SPDX-License-Identifier: MIT
#include "readme_texts.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

namespace {

// What stands between a line "```cpp" and the next line "```".
std::string first_cpp_block(const std::string& text) {
    const std::string open = "\n```cpp\n";
    const auto start = text.find(open);
    if (start == std::string::npos) {
        return {};
    }
    const auto begin = start + open.size();
    return text.substr(begin, text.find("\n```\n", begin) + 1 - begin);
}

// Without the licence in its first line.
std::string after_first_line(const std::string& text) {
    return text.substr(text.find('\n') + 1);
}

TEST(readme, shows_the_example_that_is_compiled) {
    EXPECT_EQ(first_cpp_block(readme_text), after_first_line(example_text))
        << "copy examples/pipe_example.cpp without its first line into README.md";
}

TEST(readme, shows_an_example_of_at_most_twenty_lines) {
    const std::string block = first_cpp_block(readme_text);
    EXPECT_GT(block.size(), 0U);
    EXPECT_LE(std::count(block.begin(), block.end(), '\n'), 20);
}

} // namespace
