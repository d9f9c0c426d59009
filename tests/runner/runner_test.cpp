// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <stdexcept>
#include <string>
#include <vector>

#include "kernel_log.hpp"
#include "process.hpp"
#include "suite.hpp"

namespace {

using namespace std::chrono_literals;
using runner::verdict;
using words = std::vector<std::string>;

runner::outcome shell(const std::string& script, std::chrono::milliseconds limit = 20s) {
    return runner::run({"/bin/sh", "-c", script}, limit);
}

runner::test a_test(runner::kind kind) {
    return {{kind, "suite", "/bin/false", 1s}, "name"};
}

runner::outcome exited(int code, std::string output = {}) {
    runner::outcome outcome;
    outcome.exit_code = code;
    outcome.output = std::move(output);
    return outcome;
}

TEST(KernelLog, PatternsAreLinesAndCommentsAreNot) {
    EXPECT_EQ(runner::parse_patterns("# a comment\nBUG: \n\nOops"), (words{"BUG: ", "Oops"}));
}

TEST(KernelLog, ARecordsMessageStandsAfterTheSemicolonAndBeforeItsDictionary) {
    EXPECT_EQ(runner::record_message("6,339,5140900,-;NET: a; b\n SUBSYSTEM=net\n"), "NET: a; b");
    EXPECT_EQ(runner::record_message("no record"), "no record");
    EXPECT_EQ(runner::record_message(""), "");
}

TEST(KernelLog, OnlyMessagesWithAPhraseAreComplaints) {
    const words patterns{"BUG: ", "possible circular locking"};
    const words messages{"all is well", "BUG: KASAN: use-after-free in f", "debugging",
                         "WARNING: possible circular locking dependency detected"};
    EXPECT_EQ(runner::complaints(messages, patterns), (words{messages[1], messages[3]}));
    EXPECT_TRUE(runner::complaints({}, patterns).empty());
}

TEST(List, EveryFieldIsRead) {
    const auto suites =
        runner::parse_list("# comment\ngtest device /tests/device 30\nplain one /tests/one 5\n");
    ASSERT_EQ(suites.size(), 2U);
    EXPECT_EQ(suites[0].kind, runner::kind::gtest);
    EXPECT_EQ(suites[0].name, "device");
    EXPECT_EQ(suites[0].file, "/tests/device");
    EXPECT_EQ(suites[0].limit, 30s);
    EXPECT_EQ(suites[1].kind, runner::kind::plain);
}

TEST(List, ALineThatIsNoneIsRefused) {
    EXPECT_THROW(runner::parse_list("gtest device /tests/device"), std::runtime_error);
    EXPECT_THROW(runner::parse_list("gtest device /tests/device 0"), std::runtime_error);
    EXPECT_THROW(runner::parse_list("other device /tests/device 30"), std::runtime_error);
}

TEST(List, GoogleTestsListIsUnderstood) {
    EXPECT_EQ(
        runner::parse_gtest_list("Running main() from gtest_main.cc\nPort.\n  Opens\n"
                                 "Modes/Pipe.  # TypeParam = int\n  Moves/0  # GetParam() = 4\n"),
        (words{"Port.Opens", "Modes/Pipe.Moves/0"}));
}

TEST(List, AProgramThatDoesNotListIsAnError) {
    EXPECT_THROW(runner::tests_of({runner::kind::kself, "s", "/bin/false", 1s}),
                 std::runtime_error);
    EXPECT_THROW(runner::tests_of({runner::kind::gtest, "s", "/no/such/program", 1s}),
                 std::runtime_error);
}

TEST(Filter, GlobsFitTheWholeNameAndWordsFitAnywhere) {
    EXPECT_TRUE(runner::selected("device/Port.Opens", ""));
    EXPECT_TRUE(runner::selected("device/Port.Opens", "Port"));
    EXPECT_TRUE(runner::selected("device/Port.Opens", "abi/*,device/*"));
    EXPECT_FALSE(runner::selected("device/Port.Opens", "abi/*"));
    EXPECT_TRUE(runner::selected("device/Port.Opens", "device/!(Pipe*|*.Closes)"));
    EXPECT_FALSE(runner::selected("device/Port.Opens", "device/!(Pipe*|*.Opens)"));
    EXPECT_FALSE(runner::selected("device/Port.Opens", "Port*"));
}

TEST(Judge, AGoogleTestPassesOnlyIfOneTestRan) {
    const auto test = a_test(runner::kind::gtest);
    EXPECT_EQ(runner::judge(test, exited(0, "[  PASSED  ] 1 test.\n")).is, verdict::result::passed);
    EXPECT_EQ(runner::judge(test, exited(0, "[  PASSED  ] 0 tests.\n")).is,
              verdict::result::failed);
    EXPECT_EQ(runner::judge(test, exited(1, "[  PASSED  ] 1 test.\n")).is, verdict::result::failed);
    EXPECT_EQ(runner::judge(test, exited(0)).is, verdict::result::failed);
}

TEST(Judge, ASkippedGoogleTestTellsItsReason) {
    const auto verdict = runner::judge(
        a_test(runner::kind::gtest),
        exited(0,
               "[ RUN      ] A.B\nx.cpp:7: Skipped\nno io_uring here\n\n[  SKIPPED ] A.B (0 ms)\n"
               "[  PASSED  ] 0 tests.\n[  SKIPPED ] 1 test, listed below:\n"));
    EXPECT_EQ(verdict.is, verdict::result::skipped);
    EXPECT_EQ(verdict.reason, "no io_uring here");
}

TEST(Judge, AKselftestSkipsWithFour) {
    const auto verdict =
        runner::judge(a_test(runner::kind::kself), exited(4, "trying\nSKIP no such call\n"));
    EXPECT_EQ(verdict.is, verdict::result::skipped);
    EXPECT_EQ(verdict.reason, "no such call");
    EXPECT_EQ(runner::judge(a_test(runner::kind::kself), exited(0)).is, verdict::result::passed);
    EXPECT_EQ(runner::judge(a_test(runner::kind::kself), exited(127)).is, verdict::result::failed);
}

TEST(Process, OutputAndExitCodeComeBack) {
    const auto outcome = shell("echo out; echo err >&2; exit 7");
    EXPECT_EQ(outcome.exit_code, 7);
    EXPECT_EQ(outcome.output, "out\nerr\n");
    EXPECT_FALSE(outcome.timed_out);
}

TEST(Process, ASignalIsTold) {
    const auto outcome = shell("kill -SEGV $$");
    EXPECT_EQ(outcome.signal, SIGSEGV);
    EXPECT_EQ(runner::judge(a_test(runner::kind::plain), outcome).is, verdict::result::failed);
}

TEST(Process, AHangIsEndedWithItsWholeGroup) {
    const auto outcome = shell("echo begun; sleep 1000 & sleep 1000", 500ms);
    EXPECT_TRUE(outcome.timed_out);
    EXPECT_EQ(outcome.output, "begun\n");
    EXPECT_EQ(runner::judge(a_test(runner::kind::plain), outcome).is, verdict::result::failed);
}

TEST(Process, AHangWithItsOutputClosedIsEnded) {
    EXPECT_TRUE(shell("exec >&- 2>&-; sleep 1000", 500ms).timed_out);
}

TEST(Process, AChildThatKeepsTheOutputOpenDoesNotHoldUsUp) {
    const auto outcome = shell("sleep 1000 & echo done");
    EXPECT_EQ(outcome.exit_code, 0);
    EXPECT_EQ(outcome.output, "done\n");
    EXPECT_LT(outcome.took, 10s);
}

TEST(Process, AChildThatLeftTheGroupIsEndedToo) {
    const auto outcome = shell("setsid sleep 1000 >/dev/null 2>&1 & echo $!");
    EXPECT_EQ(outcome.exit_code, 0);
    const auto pid = static_cast<pid_t>(std::stol(outcome.output));
    EXPECT_EQ(::kill(pid, 0), -1);
    EXPECT_EQ(errno, ESRCH);
}

TEST(Process, OnlyTheEndOfALongOutputIsKept) {
    const auto outcome =
        shell("i=0; while [ $i -lt 3000 ]; do echo 0123456789012345678901234567890123456789"
              "0123456789012345678901234567890123456789; i=$((i+1)); done; echo the end");
    EXPECT_LE(outcome.output.size(), std::size_t{140} << 10U);
    EXPECT_EQ(outcome.output.substr(outcome.output.size() - 8), "the end\n");
}

} // namespace
