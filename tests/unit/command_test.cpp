// SPDX-License-Identifier: MIT
//
// What becomes of a command before the process exists.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include "fake_kernel.hpp"
#include "prepared_command.hpp"

namespace {

using namespace ipcshim;
using namespace ipcshim::test;
using detail::prepared_command;
using texts = std::vector<std::string>;

constexpr std::array<const char*, 4> inherited{"PATH=/one:/two", "HOME=/home", "PATHS=x", nullptr};

texts collected(const char* const* list) {
    texts result;
    for (; *list != nullptr; ++list) {
        result.emplace_back(*list);
    }
    return result;
}

TEST(command, the_plan_holds_what_was_asked_for) {
    const prepared_command ready(
        {.arguments = {"ls", "-l", ""}, .environment = texts{"A=1", "B="}, .directory = "/tmp"},
        inherited.data());
    const detail::child_plan plan = ready.plan(7);
    EXPECT_EQ(plan.terminal, 7);
    EXPECT_STREQ(plan.directory, "/tmp");
    EXPECT_EQ(collected(plan.arguments), (texts{"ls", "-l", ""}));
    EXPECT_EQ(collected(plan.environment), (texts{"A=1", "B="}));
    EXPECT_EQ(collected(plan.programs), (texts{"/bin/ls", "/usr/bin/ls"})) << "there is no PATH";
}

TEST(command, without_an_environment_it_gets_that_of_this_process) {
    const prepared_command ready({.arguments = {"ls"}}, inherited.data());
    EXPECT_EQ(ready.environment(), (texts{"PATH=/one:/two", "HOME=/home", "PATHS=x"}));
    EXPECT_EQ(ready.programs(), (texts{"/one/ls", "/two/ls"}));
    EXPECT_EQ(ready.plan(7).directory, nullptr);
    const prepared_command bare({.arguments = {"ls"}}, nullptr);
    EXPECT_TRUE(bare.environment().empty());
}

TEST(command, an_extra_variable_takes_the_place_of_its_name_only) {
    const prepared_command ready(
        {.arguments = {"ls"}, .extra_environment = {"PATH=/three", "TERM=vt100", "TERM=dumb"}},
        inherited.data());
    texts found = ready.environment();
    std::sort(found.begin(), found.end());
    EXPECT_EQ(found, (texts{"HOME=/home", "PATH=/three", "PATHS=x", "TERM=dumb"}));
    EXPECT_EQ(ready.programs(), (texts{"/three/ls"})) << "the command's own PATH counts";
}

TEST(command, an_empty_part_of_the_path_is_the_working_directory) {
    const auto programs = [](const char* path) {
        return prepared_command({.arguments = {"x"}, .environment = texts{path}}, nullptr)
            .programs();
    };
    EXPECT_EQ(programs("PATH=:/a:"), (texts{"./x", "/a/x", "./x"}));
    EXPECT_EQ(programs("PATH="), (texts{"./x"}));
}

TEST(command, a_program_with_a_slash_is_not_looked_for) {
    const prepared_command ready({.arguments = {"-sh"}, .program = "./sh"}, inherited.data());
    EXPECT_EQ(ready.programs(), (texts{"./sh"}));
    EXPECT_EQ(collected(ready.plan(7).arguments), (texts{"-sh"}));
    EXPECT_EQ(ready.program(), "./sh");
    EXPECT_EQ(
        prepared_command({.arguments = {"-sh"}, .program = "sh"}, inherited.data()).programs(),
        (texts{"/one/sh", "/two/sh"}));
}

TEST(command, what_cannot_be_run_is_einval_and_says_what_to_do) {
    const auto refused = [](const command& what) {
        return thrown_errno([&] { const prepared_command no(what, inherited.data()); });
    };
    const std::string with_zero("a\0b", 3);
    EXPECT_EQ(refused({}), EINVAL);
    EXPECT_EQ(refused({.arguments = {""}}), EINVAL);
    EXPECT_EQ(refused({.program = "/bin/sh"}), EINVAL) << "no first argument";
    EXPECT_EQ(refused({.arguments = {with_zero}}), EINVAL);
    EXPECT_EQ(refused({.arguments = {"a", with_zero}}), EINVAL);
    EXPECT_EQ(refused({.arguments = {"a"}, .program = with_zero}), EINVAL);
    EXPECT_EQ(refused({.arguments = {"a"}, .environment = texts{with_zero}}), EINVAL);
    EXPECT_EQ(refused({.arguments = {"a"}, .extra_environment = {with_zero + "=1"}}), EINVAL);
    EXPECT_EQ(refused({.arguments = {"a"}, .extra_environment = {"NAME"}}), EINVAL);
    EXPECT_EQ(refused({.arguments = {"a"}, .extra_environment = {"=1"}}), EINVAL);
    EXPECT_EQ(refused({.arguments = {"a"}, .directory = with_zero}), EINVAL);
    EXPECT_EQ(refused({.arguments = {"a"}, .extra_environment = {"A="}}), 0);
    const std::string text =
        thrown<std::system_error>([] { const prepared_command no({}, inherited.data()); });
    EXPECT_TRUE(text.starts_with("cannot run 'a command': there is no name of a program")) << text;
}

} // namespace
