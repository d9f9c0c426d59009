// SPDX-License-Identifier: MIT
// Editing the line of bash (readline): keys, history, completion, and a window
// that changes its size.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "terminal.hpp"

namespace {

using test::control;
using testing::ElementsAre;

TEST(Readline, ALineIsEditedInItsMiddle) {
    test::shell bash;
    auto& terminal = bash.on();
    terminal.type("ecoh right");
    terminal.press(VTERM_KEY_HOME);
    terminal.press(VTERM_KEY_RIGHT);
    terminal.press(VTERM_KEY_RIGHT);
    terminal.press(VTERM_KEY_RIGHT);
    terminal.type(control('t')); // "o" and "h" change places
    terminal.wait_for_row("2> echo right");
    terminal.press(VTERM_KEY_DEL);
    terminal.wait_for_row("2> echoright");
    terminal.type(" all");
    terminal.wait_for_row("2> echo allright");
    terminal.press(VTERM_KEY_BACKSPACE);
    terminal.press(VTERM_KEY_BACKSPACE);
    terminal.type(control('a'));
    terminal.type(control('k'));
    terminal.wait_for_row("2>");
    terminal.type(control('y'));
    terminal.wait_for_row("2> echo aright");
    bash.enter();
    bash.wait_for_prompt();
    EXPECT_THAT(bash.printed(), ElementsAre("aright"));
}

TEST(Readline, ALineLongerThanTheWindowWraps) {
    test::shell bash({24, 40});
    auto& terminal = bash.on();
    const std::string word(50, 'x');
    terminal.type("echo " + word);
    // The prompt takes three columns, and "echo " five.
    terminal.wait_for_row(1, std::string(50 - 32, 'x'));
    terminal.wait_for_row(0, "2> echo " + std::string(32, 'x'));
    terminal.type(control('a'));
    terminal.wait_until("the cursor after the prompt", [&] {
        return terminal.seen().cursor_row() == 0 && terminal.seen().cursor_column() == 3;
    });
    terminal.type(": ");
    terminal.wait_for_row(1, std::string(50 - 30, 'x'));
    bash.enter();
    bash.wait_for_prompt();
    terminal.expect("nothing was printed", terminal.seen().cursor_row() == 2);
}

TEST(Readline, CtrlCDropsALine) {
    test::shell bash;
    bash.on().type("echo never");
    bash.on().wait_for_row("2> echo never");
    // A signal between drawing and waiting is only looked at with the next key.
    bash.on().wait_until_it_waits();
    bash.on().type(control('c'));
    bash.on().wait_for_row("2> echo never^C");
    bash.wait_for_prompt();
    EXPECT_THAT(bash.run("echo $?"), ElementsAre("130"));
}

TEST(Readline, HistoryIsRecalledAndSearched) {
    test::shell bash;
    auto& terminal = bash.on();
    bash.run("echo one");
    bash.run("echo two");
    terminal.press(VTERM_KEY_UP);
    terminal.wait_for_row("4> echo two");
    terminal.press(VTERM_KEY_UP);
    terminal.wait_for_row("4> echo one");
    terminal.press(VTERM_KEY_DOWN);
    terminal.wait_for_row("4> echo two");
    terminal.press(VTERM_KEY_DOWN);
    terminal.wait_for_row("4>");
    terminal.type(control('r'));
    terminal.type("one");
    terminal.wait_for("(reverse-i-search)`one': echo one");
    bash.enter();
    bash.wait_for_prompt();
    EXPECT_THAT(bash.printed(), ElementsAre("one"));
    EXPECT_THAT(bash.run("!echo:s/one/three/"), ElementsAre("echo three", "three"));
}

TEST(Readline, NamesAreCompleted) {
    const test::folder folder;
    test::write_file(folder.file("partly-read"), "");
    test::write_file(folder.file("partly-written"), "what was written\n");
    test::shell bash;
    auto& terminal = bash.on();
    bash.run("cd " + folder.path());
    terminal.type("cat p\t");
    terminal.wait_for_row("3> cat partly-");
    terminal.type("\t\t"); // the first one rings
    terminal.wait_for_row("partly-read     partly-written");
    terminal.type("w\t");
    terminal.wait_until("the name and the blank after it", [&] {
        const std::string whole = "3> cat partly-written";
        return terminal.seen().row(terminal.seen().cursor_row()) == whole &&
               terminal.seen().cursor_column() == static_cast<int>(whole.size()) + 1;
    });
    bash.enter();
    bash.wait_for_prompt();
    terminal.wait_for_row("what was written");
}

TEST(Readline, AWindowThatChangesItsSizeIsNoticed) {
    test::shell bash({24, 80});
    auto& terminal = bash.on();
    EXPECT_THAT(bash.run("stty size; echo $LINES $COLUMNS"), ElementsAre("24 80", "24 80"));

    // While something else is in the foreground: SIGWINCH comes to that.
    const test::folder folder;
    test::write_file(folder.file("watch"), test::tell_each_size);
    bash.enter("sh " + folder.file("watch"));
    terminal.wait_for_row("ready");
    terminal.resize({30, 60});
    terminal.wait_for_row("30 60");
    terminal.resize({10, 100});
    terminal.wait_for_row("10 100");
    terminal.type(control('c'));
    bash.wait_for_prompt();
    EXPECT_THAT(bash.run("clear; stty size; echo $LINES $COLUMNS"),
                ElementsAre("10 100", "10 100"));

    // At the prompt: bash knows before it runs the next command.
    terminal.resize({20, 70});
    EXPECT_THAT(bash.run("clear; echo $LINES $COLUMNS"), ElementsAre("20 70"));

    // From the inside.
    EXPECT_THAT(bash.run("stty rows 12 columns 34; stty size"), ElementsAre("12 34"));
    EXPECT_EQ(terminal.size_of_line(), (test::screen_size{12, 34}));
}

} // namespace
