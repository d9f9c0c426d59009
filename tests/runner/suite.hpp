// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "process.hpp"

namespace runner {

enum class kind { gtest, kself, plain };

// A line '<kind> <suite> <file> <seconds for each test>' of the list.
struct suite final {
    runner::kind kind{};
    std::string name;
    std::string file;
    std::chrono::seconds limit{};
};

struct test final {
    suite of;
    std::string name; // empty for a plain one

    [[nodiscard]] std::string full_name() const {
        return name.empty() ? of.name : of.name + "/" + name;
    }
};

// Throws std::runtime_error with the line that it does not understand.
std::vector<suite> parse_list(std::string_view text);

// The names in the output of --gtest_list_tests and of a kself's --list.
std::vector<std::string> parse_gtest_list(std::string_view output);
std::vector<std::string> parse_kself_list(std::string_view output);

// Asks the program.  Throws std::runtime_error if it does not answer.
std::vector<test> tests_of(const suite& suite);

std::vector<std::string> command_of(const test& test);

// What became of a test.
struct verdict final {
    enum class result { passed, failed, skipped };
    result is = result::failed;
    std::string reason; // why it failed or was skipped
};

// From how the program ended alone; the kernel log is looked at elsewhere.
verdict judge(const test& test, const outcome& outcome);

// Whether one of the comma-separated globs fits; none fits no less than all.
// A glob without a wildcard fits anywhere in the name.
bool selected(const std::string& full_name, std::string_view globs);

} // namespace runner
