// SPDX-License-Identifier: MIT
//
// Runs the tests of a list, each in a process of its own with a time limit, and
// prints KTAP.  In the guest it also writes a line into the kernel log before
// each test, and fails the test after which the kernel complained.
//
//   runner --list FILE [--filter GLOBS] [--kernel-log PATTERNS] [--time-factor N]
#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <exception>
#include <fstream>
#include <iostream>
#include <optional>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "kernel_log.hpp"
#include "suite.hpp"

namespace {

struct options final {
    std::string list;
    std::string filter;
    std::string patterns;
    int time_factor = 1;
};

options parse(const std::vector<std::string>& words) {
    options parsed;
    for (std::size_t at = 0; at < words.size(); at += 2) {
        const auto& name = words[at];
        if (at + 1 == words.size()) {
            throw std::runtime_error("'" + name + "' needs a value");
        }
        const auto& value = words[at + 1];
        if (name == "--list") {
            parsed.list = value;
        } else if (name == "--filter") {
            parsed.filter = value;
        } else if (name == "--kernel-log") {
            parsed.patterns = value;
        } else if (name == "--time-factor") {
            const auto [end, error] =
                std::from_chars(value.data(), value.data() + value.size(), parsed.time_factor);
            if (error != std::errc() || end != value.data() + value.size() ||
                parsed.time_factor < 1) {
                throw std::runtime_error("--time-factor needs a number from 1 on, not '" + value +
                                         "'");
            }
        } else {
            throw std::runtime_error("unknown option '" + name + "'");
        }
    }
    if (parsed.list.empty()) {
        throw std::runtime_error(
            "usage: runner --list FILE [--filter GLOBS] [--kernel-log PATTERNS] [--time-factor N]");
    }
    return parsed;
}

std::string contents_of(const std::string& path) {
    std::ifstream file(path);
    if (!file) {
        throw std::runtime_error("cannot read '" + path + "'");
    }
    std::ostringstream text;
    text << file.rdbuf();
    return text.str();
}

// KTAP's diagnostics: they stand before the result that they explain.
void print_indented(const std::string& text) {
    std::istringstream in(text);
    for (std::string line; std::getline(in, line);) {
        std::cout << "#   " << line << '\n';
    }
}

class run_of_tests final {
public:
    run_of_tests(const options& options, std::vector<runner::test> tests)
        : tests_(std::move(tests)), time_factor_(options.time_factor) {
        if (!options.patterns.empty()) {
            patterns_ = runner::parse_patterns(contents_of(options.patterns));
            if (patterns_.empty()) {
                throw std::runtime_error("'" + options.patterns + "' holds no phrase");
            }
            log_.emplace();
        }
    }

    // The number of failures.
    int run() {
        std::cout << "KTAP version 1\n1.." << tests_.size() << std::endl;
        int failed = 0;
        for (std::size_t at = 0; at < tests_.size(); ++at) {
            failed += run_one(at + 1, tests_[at]) ? 0 : 1;
        }
        return failed;
    }

private:
    bool run_one(std::size_t number, const runner::test& test) {
        if (log_) {
            log_->mark("ipcshim-test: " + test.full_name());
        }
        const auto outcome = runner::run(runner::command_of(test), test.of.limit * time_factor_);
        auto verdict = runner::judge(test, outcome);
        const auto found =
            log_ ? runner::complaints(log_->take(), patterns_) : std::vector<std::string>();
        if (!found.empty()) {
            verdict = {runner::verdict::result::failed, "the kernel complained"};
        }
        const bool failed = verdict.is == runner::verdict::result::failed;
        if (failed) {
            std::cout << "# " << test.full_name() << ": " << verdict.reason << '\n';
            std::for_each(found.begin(), found.end(), print_indented);
            print_indented(outcome.output);
        }
        std::cout << (failed ? "not ok " : "ok ") << number << ' ' << test.full_name() << " # ";
        if (verdict.is == runner::verdict::result::skipped) {
            std::cout << "SKIP " << verdict.reason;
        } else {
            std::cout << outcome.took.count() << " ms";
        }
        std::cout << std::endl; // each line leaves at once: the next test may panic
        return !failed;
    }

    std::vector<runner::test> tests_;
    std::vector<std::string> patterns_;
    std::optional<runner::kernel_log> log_;
    int time_factor_;
};

std::vector<runner::test> find_tests(const options& options) {
    std::vector<runner::test> tests;
    for (const auto& suite : runner::parse_list(contents_of(options.list))) {
        for (auto& test : runner::tests_of(suite)) {
            if (runner::selected(test.full_name(), options.filter)) {
                tests.push_back(std::move(test));
            }
        }
    }
    if (tests.empty()) {
        throw std::runtime_error("no test fits the filter '" + options.filter + "'");
    }
    return tests;
}

} // namespace

int main(int argc, char** argv) {
    try {
        const auto options = parse({argv + 1, argv + argc});
        return run_of_tests(options, find_tests(options)).run() == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
    } catch (const std::exception& error) {
        std::cout << "Bail out! " << error.what() << std::endl;
        return 2;
    }
}
