// SPDX-License-Identifier: MIT
#include "suite.hpp"

#include <fnmatch.h>

#include <algorithm>
#include <sstream>
#include <stdexcept>

namespace runner {
namespace {

constexpr int exit_skipped = 4; // kselftest's
constexpr std::chrono::seconds list_limit{60};

std::vector<std::string> lines_of(std::string_view text) {
    std::vector<std::string> lines;
    std::istringstream in{std::string(text)};
    for (std::string line; std::getline(in, line);) {
        lines.push_back(line);
    }
    return lines;
}

std::string trimmed(std::string_view text) {
    const auto first = text.find_first_not_of(" \t\r");
    if (first == std::string_view::npos) {
        return {};
    }
    return std::string(text.substr(first, text.find_last_not_of(" \t\r") - first + 1));
}

bool has(const std::string& text, const char* part) {
    return text.find(part) != std::string::npos;
}

// GoogleTest prints 'file:line: Skipped', then the reason on lines of its own.
std::string gtest_skip_reason(const std::string& output) {
    const auto lines = lines_of(output);
    auto line = std::find_if(lines.begin(), lines.end(), [](const std::string& text) {
        return text.size() > 9 && text.compare(text.size() - 9, 9, ": Skipped") == 0;
    });
    if (line != lines.end()) {
        for (++line; line != lines.end() && line->compare(0, 1, "[") != 0; ++line) {
            if (auto reason = trimmed(*line); !reason.empty()) {
                return reason;
            }
        }
    }
    return "no reason given";
}

// The last line is 'SKIP reason'.
std::string kself_skip_reason(const std::string& output) {
    const auto lines = lines_of(output);
    const auto last = std::find_if(lines.rbegin(), lines.rend(),
                                   [](const std::string& text) { return !trimmed(text).empty(); });
    if (last != lines.rend() && last->compare(0, 5, "SKIP ") == 0) {
        return trimmed(last->substr(5));
    }
    return "no reason given";
}

verdict judge_gtest(const outcome& outcome) {
    if (outcome.exit_code != 0) {
        return {verdict::result::failed, "exit code " + std::to_string(outcome.exit_code)};
    }
    if (has(outcome.output, "[  SKIPPED ] 1 test")) {
        return {verdict::result::skipped, gtest_skip_reason(outcome.output)};
    }
    if (has(outcome.output, "[  PASSED  ] 1 test")) {
        return {verdict::result::passed, {}};
    }
    if (has(outcome.output, "YOU HAVE 1 DISABLED TEST")) {
        return {verdict::result::skipped, "disabled in its source"};
    }
    return {verdict::result::failed, "the program ran no test"};
}

verdict judge_exit(const outcome& outcome) {
    switch (outcome.exit_code) {
    case 0:
        return {verdict::result::passed, {}};
    case exit_skipped:
        return {verdict::result::skipped, kself_skip_reason(outcome.output)};
    default:
        return {verdict::result::failed, "exit code " + std::to_string(outcome.exit_code)};
    }
}

} // namespace

std::vector<suite> parse_list(std::string_view text) {
    std::vector<suite> suites;
    for (const auto& line : lines_of(text)) {
        if (trimmed(line).empty() || line.front() == '#') {
            continue;
        }
        std::istringstream in(line);
        std::string kind_word;
        suite parsed;
        std::int64_t seconds = 0;
        in >> kind_word >> parsed.name >> parsed.file >> seconds;
        if (in.fail() || seconds <= 0) {
            throw std::runtime_error("the list of tests has a line that is none: '" + line + "'");
        }
        if (kind_word == "gtest") {
            parsed.kind = kind::gtest;
        } else if (kind_word == "kself") {
            parsed.kind = kind::kself;
        } else if (kind_word == "plain") {
            parsed.kind = kind::plain;
        } else {
            throw std::runtime_error("the list of tests names an unknown kind: '" + line + "'");
        }
        parsed.limit = std::chrono::seconds(seconds);
        suites.push_back(std::move(parsed));
    }
    return suites;
}

std::vector<std::string> parse_gtest_list(std::string_view output) {
    std::vector<std::string> names;
    std::string prefix;
    for (const auto& line : lines_of(output)) {
        const auto name = trimmed(line.substr(0, line.find("  # ")));
        if (line.compare(0, 2, "  ") == 0) {
            if (!prefix.empty()) {
                names.push_back(prefix + name);
            }
        } else {
            // A suite ends with a dot; gtest_main says a line of its own before.
            prefix = !name.empty() && name.back() == '.' ? name : std::string();
        }
    }
    return names;
}

std::vector<std::string> parse_kself_list(std::string_view output) {
    std::vector<std::string> names;
    for (const auto& line : lines_of(output)) {
        if (const auto name = trimmed(line); !name.empty()) {
            names.push_back(name);
        }
    }
    return names;
}

std::vector<test> tests_of(const suite& suite) {
    if (suite.kind == kind::plain) {
        return {test{suite, {}}};
    }
    const bool gtest = suite.kind == kind::gtest;
    const auto answer = run({suite.file, gtest ? "--gtest_list_tests" : "--list"}, list_limit);
    if (answer.exit_code != 0) {
        throw std::runtime_error("'" + suite.file + "' does not list its tests (exit code " +
                                 std::to_string(answer.exit_code) + "): " + answer.output);
    }
    const auto names = gtest ? parse_gtest_list(answer.output) : parse_kself_list(answer.output);
    if (names.empty()) {
        throw std::runtime_error("'" + suite.file + "' has no test");
    }
    std::vector<test> tests;
    std::transform(names.begin(), names.end(), std::back_inserter(tests),
                   [&suite](const std::string& name) {
                       return test{suite, name};
                   });
    return tests;
}

std::vector<std::string> command_of(const test& test) {
    switch (test.of.kind) {
    case kind::gtest:
        return {test.of.file, "--gtest_color=no", "--gtest_filter=" + test.name};
    case kind::kself:
        return {test.of.file, "--run", test.name};
    case kind::plain:
        return {test.of.file};
    }
    throw std::logic_error("unknown kind of suite");
}

verdict judge(const test& test, const outcome& outcome) {
    if (outcome.timed_out) {
        return {verdict::result::failed, "still running after " +
                                             std::to_string(outcome.took.count() / 1000) +
                                             " s, and was killed"};
    }
    if (outcome.signal != 0) {
        return {verdict::result::failed, "killed by signal " + std::to_string(outcome.signal)};
    }
    return test.of.kind == kind::gtest ? judge_gtest(outcome) : judge_exit(outcome);
}

bool selected(const std::string& full_name, std::string_view globs) {
    if (globs.empty()) {
        return true;
    }
    std::istringstream in{std::string(globs)};
    for (std::string glob; std::getline(in, glob, ',');) {
        if (glob.find_first_of("*?[") == std::string::npos) {
            glob.insert(0, 1, '*').push_back('*');
        }
        // With ksh's patterns, of which !(...) is the useful one.
        if (::fnmatch(glob.c_str(), full_name.c_str(), FNM_EXTMATCH) == 0) {
            return true;
        }
    }
    return false;
}

} // namespace runner
