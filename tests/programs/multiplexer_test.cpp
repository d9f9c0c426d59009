// SPDX-License-Identifier: MIT
// Terminals in the terminal: tmux, screen and script, with the ptys of Linux
// inside and ours outside.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "terminal.hpp"

namespace {

using test::control;
using testing::AnyOf;
using testing::HasSubstr;
using testing::Matches;

// Ends a program that a bash runs in there. The kernel signals before it echoes: the echo may
// stand in a row of its own, or in that of the prompt.
void interrupt(test::terminal& terminal) {
    const std::string prompt = "bash-5.2#";
    const auto is_echo = Matches(AnyOf("^C", "^C" + prompt, prompt + "^C", prompt + " ^C"));
    terminal.type(control('c'));
    terminal.wait_until("one echo ^C and the prompt", [&] {
        const auto& seen = terminal.seen();
        return std::ranges::count_if(seen.rows(), is_echo) == 1 &&
               seen.row(seen.cursor_row()).find(prompt) != std::string::npos;
    });
}

TEST(Tmux, PanesAndWindowsAreMadeAndSwitched) {
    const test::folder folder;
    test::shell bash({24, 80});
    auto& terminal = bash.on();
    bash.run("export TMUX_TMPDIR=" + folder.path());
    bash.enter("tmux -f /dev/null new -s work");
    terminal.wait_for("[work] 0:bash*");
    terminal.type("echo $((40 + 2)) left\r");
    terminal.wait_for_row("42 left");

    terminal.type(control('b'));
    terminal.type('%');
    terminal.wait_until("a line between two panes",
                        [&] { return terminal.seen().row(10).find("\xe2\x94\x82") == 40; });
    terminal.type("stty size; echo $((40 + 3)) right\r");
    terminal.wait_for("23 39");
    terminal.wait_for("43 right");
    terminal.type(control('b'));
    terminal.press(VTERM_KEY_LEFT);
    terminal.type("clear; stty size\r");
    terminal.wait_for("23 40");
    terminal.wait_until("the left pane is cleared, the right one not", [&] {
        return !terminal.seen().shows("42 left") && terminal.seen().shows("43 right");
    });

    terminal.type(control('b'));
    terminal.type('c');
    terminal.wait_for("0:bash- 1:bash*");
    terminal.expect("the panes are gone", !terminal.seen().shows("43 right"));
    terminal.type("stty size\r");
    terminal.wait_for("23 80");
    terminal.type(control('b'));
    terminal.type('0');
    terminal.wait_for("0:bash* 1:bash-");
    terminal.wait_for("43 right");

    terminal.type("tmux kill-server\r");
    bash.wait_for_prompt();
    terminal.expect("it says so", terminal.seen().shows("[server exited]"));
    terminal.expect("the first screen is back", !terminal.seen().is_alternate());
}

TEST(Tmux, ASessionIsLeftAndTakenUpInAnotherSize) {
    const test::folder folder;
    test::shell bash({24, 80});
    auto& terminal = bash.on();
    test::write_file(folder.file("watch"), test::tell_each_size);
    bash.run("export TMUX_TMPDIR=" + folder.path());
    bash.enter("tmux -f /dev/null new -s work");
    terminal.wait_for("[work] 0:bash*");
    terminal.type("kept=$((40 + 2)); echo kept $kept\r");
    terminal.wait_for_row("kept 42");
    terminal.type(control('b'));
    terminal.type('d');
    bash.wait_for_prompt();
    terminal.expect("it says so", terminal.seen().shows("[detached (from session work)]"));
    terminal.expect("the first screen is back", !terminal.seen().is_alternate());

    terminal.resize({30, 100});
    bash.enter("tmux attach");
    terminal.wait_for_row("kept 42");
    terminal.wait_until("the status in the last row",
                        [&] { return terminal.seen().row(29).rfind("[work] 0:bash*", 0) == 0; });
    terminal.type("clear; stty size; echo still $kept\r");
    terminal.wait_for_row("still 42");
    terminal.wait_for_row("29 100");
    terminal.type("sh " + folder.file("watch") + "\r");
    terminal.wait_for_row("ready");
    terminal.resize({15, 50});
    terminal.wait_for_row("14 50");
    interrupt(terminal);

    terminal.type("exit\r");
    bash.wait_for_prompt();
    terminal.expect("it says so", terminal.seen().shows("[exited]"));
}

TEST(Screen, WindowsAreMadeSwitchedLeftAndTakenUp) {
    const test::folder folder;
    test::write_file(folder.file("rc"), "startup_message off\nshell /bin/bash\n"
                                        "hardstatus alwayslastline \"%w\"\n");
    test::shell bash({24, 80});
    auto& terminal = bash.on();
    bash.run("export SCREENDIR=" + folder.path());
    bash.enter("screen -c " + folder.file("rc") + " -S work");
    terminal.wait_for_row("bash-5.2#");
    terminal.type("kept=$((40 + 2)); echo window of $kept\r");
    terminal.wait_for_row("window of 42");

    terminal.type(control('a'));
    terminal.type('c');
    terminal.wait_for_row(0, "bash-5.2#");
    terminal.expect("a new window is empty", !terminal.seen().shows("window of 42"));
    terminal.type("echo window of $((40 + 3)); stty size\r");
    terminal.wait_for_row("window of 43");
    terminal.wait_for_row("23 80");
    terminal.wait_for_row(23, "0 bash  1* bash");
    terminal.type(control('a'));
    terminal.type('n');
    terminal.wait_for_row("window of 42");
    terminal.wait_for_row(23, "0* bash  1 bash");

    terminal.type(control('a'));
    terminal.type('d');
    bash.wait_for_prompt();
    terminal.wait_for("[detached from ");
    terminal.resize({30, 100});
    bash.enter("screen -r work");
    terminal.wait_for_row("window of 42");
    terminal.type("clear; echo still $kept; stty size\r");
    terminal.wait_for_row("still 42");
    terminal.wait_for_row("29 100");

    terminal.type("exit\r");
    terminal.wait_for_row("window of 43");
    terminal.type("exit\r");
    bash.wait_for_prompt();
    terminal.expect("it says so", terminal.seen().shows("[screen is terminating]"));
}

TEST(Script, WritesDownWhatWasShown) {
    const test::folder folder;
    test::shell bash({24, 80});
    auto& terminal = bash.on();
    test::write_file(folder.file("watch"), test::tell_each_size);
    bash.enter("script " + folder.file("typescript"));
    terminal.wait_for("Script started, output log file is");
    const auto wait_for_inner_prompt = [&] {
        terminal.wait_until("the prompt in it", [&] {
            return terminal.seen().row(terminal.seen().cursor_row()) == "bash-5.2#";
        });
    };
    wait_for_inner_prompt();
    terminal.type("stty size; echo $((40 + 2)) recorded\r");
    terminal.wait_for_row("24 80");
    terminal.wait_for_row("42 recorded");
    wait_for_inner_prompt();
    terminal.type("sh " + folder.file("watch") + "\r");
    terminal.wait_for_row("ready");
    terminal.resize({20, 70});
    terminal.wait_for_row("20 70");
    interrupt(terminal);
    terminal.type(control('d'));
    bash.wait_for_prompt();
    terminal.expect("it says so", terminal.seen().shows("Script done."));

    auto written = test::content_of(folder.file("typescript"));
    EXPECT_THAT(written, HasSubstr("Script started on "));
    EXPECT_THAT(written, HasSubstr("COLUMNS=\"80\" LINES=\"24\""));
    EXPECT_THAT(written, HasSubstr("\r\n42 recorded\r\n"));
    // Once, wherever it stands.
    const auto echo = written.find("^C");
    ASSERT_NE(echo, std::string::npos);
    written.erase(echo, 2);
    EXPECT_EQ(written.find("^C"), std::string::npos);
    EXPECT_THAT(written, HasSubstr("\rready\r\n20 70\r\n\r\n"));
    EXPECT_THAT(written, HasSubstr("[COMMAND_EXIT_CODE=\"130\"]"));
}

} // namespace
