// SPDX-License-Identifier: MIT
// vim: a file is written with it, looking at the screen.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "terminal.hpp"

namespace {

using test::control;
using testing::ElementsAre;

constexpr char escape = '\x1b';

// As it comes, but for files of a home folder, and the runtime files that are
// not here.
const std::string vim = "vim -u NONE -N -i NONE ";

TEST(Vim, AFileIsWritten) {
    const test::folder folder;
    test::shell bash({24, 80});
    auto& terminal = bash.on();
    bash.run("echo before; cd " + folder.path());
    bash.enter(vim + "poem");
    terminal.wait_for_row(23, "\"poem\" [New]");
    terminal.expect("the second screen is in use", terminal.seen().is_alternate());
    terminal.wait_until("an empty file", [&] {
        const auto rows = terminal.seen().rows();
        return std::all_of(rows.begin() + 1, rows.end() - 1,
                           [](const std::string& row) { return row == "~"; });
    });

    terminal.type('i');
    terminal.wait_for_row(23, "-- INSERT --");
    terminal.type("first line\rthird line");
    terminal.wait_for_row(1, "third line");
    terminal.press(VTERM_KEY_UP);
    terminal.press(VTERM_KEY_END);
    terminal.type("\rsecond line");
    terminal.press(VTERM_KEY_HOME);
    terminal.press(VTERM_KEY_RIGHT);
    terminal.press(VTERM_KEY_DEL);
    terminal.wait_for_row(1, "scond line");
    terminal.wait_for_row(2, "third line");
    terminal.type(escape);
    terminal.wait_for_row(23, "");
    terminal.type('u');
    terminal.wait_for_row(1, "second line");
    terminal.type(control('r'));
    terminal.wait_for_row(1, "scond line");
    terminal.type(":s/sc/sec/\r");
    terminal.wait_for_row(1, "second line");
    terminal.type("Go\xc3\xa4\xc3\xb6 \xe2\x82\xac");
    terminal.wait_for_row(3, "\xc3\xa4\xc3\xb6 \xe2\x82\xac");
    terminal.type(escape);
    terminal.wait_for_row(23, "");
    terminal.type(":wq\r");
    bash.wait_for_prompt();
    EXPECT_EQ(test::content_of(folder.file("poem")),
              "first line\nsecond line\nthird line\n\xc3\xa4\xc3\xb6 \xe2\x82\xac\n");
    terminal.expect("the first screen is back", !terminal.seen().is_alternate());
    terminal.expect("with what was on it", terminal.seen().shows("before"));
}

TEST(Vim, AWindowThatChangesItsSizeIsDrawnAnew) {
    const test::folder folder;
    test::write_file(folder.file("wide"), std::string(70, 'w') + "\nnext\n");
    test::shell bash({24, 80});
    auto& terminal = bash.on();
    bash.enter(vim + folder.file("wide"));
    terminal.wait_for_row(0, std::string(70, 'w'));
    terminal.wait_for_row(1, "next");

    terminal.resize({12, 50});
    terminal.wait_for_row(0, std::string(50, 'w'));
    terminal.wait_for_row(1, std::string(20, 'w'));
    terminal.wait_for_row(2, "next");
    terminal.wait_for_row(10, "~");

    terminal.resize({40, 100});
    terminal.wait_for_row(0, std::string(70, 'w'));
    terminal.wait_for_row(1, "next");
    terminal.wait_for_row(38, "~");
    terminal.type(":vsplit | echo winwidth(1) winwidth(2)\r");
    terminal.wait_for_row(39, "50 49");

    terminal.type(":qa\r");
    bash.wait_for_prompt();
}

TEST(Vim, CtrlZStopsItAndFgDrawsItAgain) {
    const test::folder folder;
    test::write_file(folder.file("text"), "a text\n");
    test::shell bash;
    auto& terminal = bash.on();
    bash.enter(vim + folder.file("text"));
    terminal.wait_for_row(0, "a text");
    terminal.type("A of mine");
    terminal.wait_for_row(0, "a text of mine");
    terminal.type(escape);
    terminal.type(control('z'));
    bash.wait_for_prompt();
    terminal.expect("the first screen is shown", !terminal.seen().is_alternate());
    EXPECT_THAT(bash.run("clear; stty -a | grep -c -- '-icanon\\|-echo '"), ElementsAre("0"));
    bash.enter("fg");
    terminal.wait_for_row(0, "a text of mine");
    terminal.type(":x\r");
    bash.wait_for_prompt();
    EXPECT_EQ(test::content_of(folder.file("text")), "a text of mine\n");
}

} // namespace
