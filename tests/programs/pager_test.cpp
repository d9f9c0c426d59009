// SPDX-License-Identifier: MIT
// Programs that take the whole screen: less and top.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <sstream>

#include "terminal.hpp"

namespace {

using test::control;
using testing::ElementsAre;

// Lines "line 1" to "line <count>".
std::string numbered_lines(int count) {
    std::string text;
    for (int number = 1; number <= count; ++number)
        text += "line " + std::to_string(number) + "\n";
    return text;
}

TEST(Less, PagesSearchesAndPutsTheScreenBack) {
    const test::folder folder;
    test::write_file(folder.file("text"), numbered_lines(500) + "the end\n");
    test::shell bash({24, 80});
    auto& terminal = bash.on();
    bash.run("echo before; cd " + folder.path());
    bash.enter("less text");
    terminal.wait_for_row(23, "text");
    terminal.expect("the second screen is in use", terminal.seen().is_alternate());
    terminal.wait_for_row(0, "line 1");
    terminal.wait_for_row(22, "line 23");

    terminal.type(' ');
    terminal.wait_for_row(22, "line 46");
    terminal.wait_for_row(0, "line 24");
    terminal.type('b');
    terminal.wait_for_row(0, "line 1");
    terminal.press(VTERM_KEY_DOWN);
    terminal.wait_for_row(0, "line 2");

    terminal.type("/line 3.7\r");
    terminal.wait_for_row(0, "line 307");
    terminal.expect("what was found is marked", terminal.seen().reversed(0, 0));
    terminal.type('n');
    terminal.wait_for_row(0, "line 317");
    terminal.type('G');
    terminal.wait_for_row(22, "the end");
    terminal.wait_for_row(23, "(END)");

    terminal.wait_until_it_waits(); // else it sees the signal with the next key only
    terminal.resize({12, 60});
    terminal.wait_for_row(11, ":"); // it was at the end, and is not now
    terminal.type("g");
    terminal.wait_for_row(10, "line 11");

    terminal.type('q');
    bash.wait_for_prompt();
    terminal.expect("the first screen is back", !terminal.seen().is_alternate());
    terminal.expect("with what was on it", terminal.seen().shows("before"));
    EXPECT_THAT(bash.run("clear; stty -a | grep -c -- '-icanon\\|-echo '"), ElementsAre("0"));
}

TEST(Less, ReadsAPipeAndIsStoppedInTheMiddle) {
    test::shell bash;
    auto& terminal = bash.on();
    bash.enter("less < <(seq 1 100000)");
    terminal.wait_for_row(22, "23");
    terminal.wait_until_it_waits();
    terminal.type(control('z'));
    bash.wait_for_prompt();
    terminal.wait_for("Stopped                 less < <(seq 1 100000)");
    bash.enter("fg");
    terminal.wait_for_row(22, "23");
    terminal.type('G');
    terminal.wait_for_row(22, "100000");
    terminal.type('q');
    bash.wait_for_prompt();
}

// The numbers of a column of top's table.
std::vector<int> column(const test::screen& seen, int number) {
    std::vector<int> found;
    const auto rows = seen.rows();
    auto row = std::find_if(rows.begin(), rows.end(), [](const std::string& text) {
        return text.find("  PID ") != std::string::npos;
    });
    for (; row != rows.end(); ++row) {
        std::istringstream words(*row);
        std::string word;
        for (int at = 0; at <= number; ++at)
            words >> word;
        if (!word.empty() && word.find_first_not_of("0123456789") == std::string::npos)
            found.push_back(std::stoi(word));
    }
    return found;
}

TEST(Top, RefreshesSortsAndQuits) {
    test::shell bash({24, 80});
    auto& terminal = bash.on();
    bash.enter("top -d 0.2");
    const auto pids = [&] { return column(terminal.seen(), 0); };
    terminal.wait_for("PID USER      PR  NI    VIRT");
    terminal.wait_until("a screen of processes", [&] { return pids().size() > 10; });

    // Its first row has the time of day.
    const auto clock = terminal.seen().row(0);
    ASSERT_THAT(clock, testing::StartsWith("top - "));
    terminal.wait_until("another second", [&] { return terminal.seen().row(0) != clock; });

    terminal.type('N');
    terminal.wait_until("the highest pid first", [&] {
        const auto shown = pids();
        return shown.size() > 10 && std::is_sorted(shown.rbegin(), shown.rend());
    });
    terminal.type('R');
    terminal.wait_until("the lowest pid first", [&] {
        const auto shown = pids();
        return shown.size() > 10 && std::is_sorted(shown.begin(), shown.end()) &&
               shown.front() == 1;
    });

    const auto before = pids().size();
    terminal.resize({30, 80});
    terminal.wait_until("six rows more", [&] { return pids().size() == before + 6; });

    terminal.type('q');
    bash.wait_for_prompt();
    EXPECT_THAT(bash.run("clear; stty -a | grep -c -- '-icanon\\|-echo '"), ElementsAre("0"));
}

} // namespace
