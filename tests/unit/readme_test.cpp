// SPDX-License-Identifier: MIT
#include "readme_texts.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <sstream>
#include <string>
#include <vector>

namespace {

// What stands between a line "```" with that word and the next line "```".
std::string first_block(const std::string& text, const std::string& language = "cpp") {
    const std::string open = "\n```" + language + "\n";
    const auto start = text.find(open);
    if (start == std::string::npos) {
        return {};
    }
    const auto begin = start + open.size();
    return text.substr(begin, text.find("\n```\n", begin) + 1 - begin);
}

// Each of them from a heading on, or all.
std::vector<std::string> blocks_of(std::string text, const std::string& heading = "",
                                   const std::string& language = "cpp") {
    text.erase(0, text.find(heading));
    std::vector<std::string> blocks;
    for (std::string block; !(block = first_block(text, language)).empty();) {
        text.erase(0, text.find(block) + block.size());
        blocks.push_back(block);
    }
    return blocks;
}

// Lines without what is before their first word, since a page shows them alone.
std::string without_indentation(const std::string& text) {
    std::istringstream lines(text);
    std::string result = "\n";
    for (std::string line; std::getline(lines, line);) {
        line.erase(0, line.find_first_not_of(' '));
        result += line + "\n";
    }
    return result;
}

void expect_compiled(const std::vector<std::string>& blocks) {
    const std::string examples = without_indentation(all_examples_text);
    for (const std::string& block : blocks) {
        EXPECT_NE(examples.find(without_indentation(block)), std::string::npos)
            << "in none of the examples:\n"
            << block;
    }
}

// Without the licence in its first line.
std::string after_first_line(const std::string& text) {
    return text.substr(text.find('\n') + 1);
}

TEST(readme, shows_the_example_that_is_compiled) {
    EXPECT_EQ(first_block(readme_text), after_first_line(example_text))
        << "copy examples/pipe_example.cpp without its first line into README.md";
}

TEST(readme, shows_an_example_of_at_most_twenty_lines) {
    const std::string block = first_block(readme_text);
    EXPECT_GT(block.size(), 0U);
    EXPECT_LE(std::count(block.begin(), block.end(), '\n'), 20);
}

TEST(readme, shows_services_and_mapped_pipes_as_the_examples_have_them) {
    const auto blocks = blocks_of(readme_text, "\n## Services\n");
    EXPECT_EQ(blocks.size(), 5U);
    expect_compiled(blocks);
}

TEST(readme, the_page_of_services_shows_only_what_is_compiled) {
    const auto blocks = blocks_of(service_page_text);
    EXPECT_EQ(blocks.size(), 7U);
    expect_compiled(blocks);
}

TEST(readme, the_page_of_pipes_shows_only_what_is_compiled) {
    const auto blocks = blocks_of(pipe_page_text);
    EXPECT_EQ(blocks.size(), 5U);
    expect_compiled(blocks);
    const auto by_hand = blocks_of(pipe_page_text, "", "c");
    EXPECT_EQ(by_hand.size(), 2U);
    expect_compiled(by_hand);
}

TEST(readme, the_page_of_io_uring_shows_only_what_is_compiled) {
    const auto blocks = blocks_of(uring_page_text);
    EXPECT_EQ(blocks.size(), 5U);
    expect_compiled(blocks);
}

} // namespace
