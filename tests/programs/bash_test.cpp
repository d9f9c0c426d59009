// SPDX-License-Identifier: MIT
// An interactive bash: job control, and that its prompt comes back.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>

#include "terminal.hpp"

namespace {

using test::control;
using testing::ElementsAre;
using testing::StartsWith;
using testing::UnorderedElementsAre;

TEST(Bash, CtrlCEndsAForegroundSleep) {
    test::shell bash;
    bash.run_in_foreground("sleep 1000", "sleep");
    EXPECT_THAT(bash.signal_by('c'), ElementsAre(""));
    EXPECT_THAT(bash.run("echo $?"), ElementsAre("130"));
}

TEST(Bash, CtrlCEndsAWholePipelineAndAFlood) {
    test::shell bash;
    // Nobody reads faster than it writes: the line is full when the key comes.
    bash.enter("cat /dev/zero | tr '\\0' x");
    bash.on().wait_for("xxxxxxxxxxxxxxxxxxxx");
    bash.signal_by('c');
    EXPECT_THAT(bash.run("echo ${PIPESTATUS[@]}"), ElementsAre("130 130"));
}

TEST(Bash, CtrlBackslashQuits) {
    test::shell bash;
    bash.run_in_foreground("sleep 1000", "sleep");
    EXPECT_THAT(bash.signal_by('\\'), ElementsAre(StartsWith("Quit")));
    EXPECT_THAT(bash.run("echo $?"), ElementsAre("131"));
}

TEST(Bash, CtrlZStopsAndJobsGoOnInEitherPlace) {
    test::shell bash;
    bash.run_in_foreground("sleep 1000", "sleep");
    EXPECT_THAT(bash.signal_by('z'), ElementsAre("", "[1]+  Stopped                 sleep 1000"));

    bash.run_in_foreground("fg", "sleep");
    bash.on().wait_until("its name in a row", [&] {
        const auto& seen = bash.on().seen();
        return seen.cursor_row() > 0 && seen.row(seen.cursor_row() - 1) == "sleep 1000";
    });
    EXPECT_THAT(bash.signal_by('z'),
                ElementsAre("sleep 1000", "", "[1]+  Stopped                 sleep 1000"));

    EXPECT_THAT(bash.run("bg"), ElementsAre("[1]+ sleep 1000 &"));
    EXPECT_THAT(bash.run("jobs"), ElementsAre("[1]+  Running                 sleep 1000 &"));

    bash.run_in_foreground("fg %1", "sleep");
    bash.signal_by('c');
    EXPECT_THAT(bash.run("jobs"), ElementsAre());
}

TEST(Bash, JobsOfTheBackgroundAreStoppedAtTheTerminal) {
    test::shell bash;
    // It may come before the prompt or after it: the next command tells for sure.
    bash.run("cat &");
    bash.on().wait_until("cat is stopped", [&] {
        bash.run("clear; jobs");
        return bash.on().seen().shows("[1]+  Stopped                 cat");
    });
    bash.run_in_foreground("fg", "cat");
    bash.on().type("what cat reads\r");
    bash.on().wait_until("its echo and cat's own line", [&] {
        const int first = bash.on().seen().row_that_is("what cat reads");
        return first >= 0 && bash.on().seen().row_that_is("what cat reads", first + 1) >= 0;
    });
    bash.on().type(control('d'));
    bash.wait_for_prompt();

    bash.run("clear; stty tostop");
    bash.run("echo from behind &");
    bash.on().wait_until("echo is stopped", [&] {
        bash.run("clear; jobs");
        return bash.on().seen().shows("Stopped                 echo from behind");
    });
    bash.run("stty -tostop");
    bash.run("fg");
    EXPECT_THAT(bash.printed(), ElementsAre("echo from behind", "from behind"));
}

TEST(Bash, PipelinesRun) {
    test::shell bash;
    EXPECT_THAT(bash.run("seq 1 1000 | grep 7 | wc -l"), ElementsAre("271"));
    EXPECT_THAT(bash.run("yes | head -n 3; echo ${PIPESTATUS[@]}"),
                ElementsAre("y", "y", "y", "141 0"));
    EXPECT_THAT(bash.run("tty"), ElementsAre(bash.on().slave_path()));
    EXPECT_THAT(bash.run("(echo past the pipe >/dev/tty) | wc -l"),
                UnorderedElementsAre("past the pipe", "0"));
}

TEST(Bash, CtrlDOnAnEmptyLineEndsIt) {
    test::shell bash;
    bash.run("(exit 7)");
    bash.on().type(control('d'));
    EXPECT_EQ(bash.on().wait_for_end(), "exited with code 7");
    bash.on().wait_for_hangup();
    bash.on().expect("what bash said last is there", bash.on().seen().shows("exit"));
}

TEST(Bash, CtrlSHoldsAndCtrlQLetsGo) {
    const test::folder folder;
    test::shell bash;
    bash.enter("read -r word; echo $word >" + folder.file("read") + "; echo held $word");
    bash.on().wait_for_line_mode();
    bash.on().type(control('s') + std::string("go\r"));
    bash.on().wait_until("the word is read",
                         [&] { return test::content_of(folder.file("read")) == "go\n"; });
    // Its echo comes before a line can be read.
    bash.on().look();
    bash.on().expect("nothing was echoed", bash.on().seen().row_that_is("go") < 0);
    bash.on().type(control('q'));
    bash.on().wait_for("held go"); // the echo may come before it, or after it in its row
    bash.wait_for_prompt();
}

TEST(Bash, ThePulledCableEndsItAndItsJobs) {
    const test::folder folder;
    test::shell bash;
    bash.run("trap 'echo hung up >" + folder.file("told") + "' EXIT");
    bash.run("sleep 1000 & echo $! >" + folder.file("job"));
    const pid_t job = std::stoi(test::content_of(folder.file("job")));
    // Until it executes the other program it has bash's way with signals.
    bash.on().wait_until("the job", [&] { return test::name_of(job) == "sleep"; });
    bash.on().unplug();
    EXPECT_EQ(bash.on().wait_for_end(), "killed by signal 1");
    bash.on().wait_until("the end of the job", [&] { return test::has_ended(job); });
    EXPECT_EQ(test::content_of(folder.file("told")), "hung up\n");
}

} // namespace
