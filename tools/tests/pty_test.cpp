// SPDX-License-Identifier: MIT
//
// The command 'ipcshim pty' and what else the tool knows of pseudo terminals. What
// runs are shell scripts of builtins, where the board has no other programs.
#include <gtest/gtest.h>

#include <fcntl.h>
#include <termios.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include <array>
#include <csignal>
#include <string>
#include <vector>

#include <ipcshim/ipcshim.hpp>

#include "tool_support.hpp"

namespace {

using namespace ipcshim;

class pty_tool : public tools::test::tool {
protected:
    // 'ipcshim pty sh -c SCRIPT', with a file as its input.
    int filter(const std::string& script, const std::string& input) {
        make_file("in", input);
        const int fd = ::open(path("in").c_str(), O_RDONLY | O_CLOEXEC);
        const int code = finish(start("pty", {"pty", "sh", "-c", script}, fd));
        ::close(fd);
        return code;
    }
    // Reads what a terminal shows until that holds a text.
    static std::string shown(const pty& terminal, const std::string& text) {
        std::string all;
        std::array<std::byte, 256> buffer{};
        while (all.find(text) == std::string::npos) {
            const std::size_t count = terminal.read(buffer);
            if (count == 0) {
                ADD_FAILURE() << "the terminal ended, and showed only: " << all;
                break;
            }
            all.append(reinterpret_cast<const char*>(buffer.data()), count);
        }
        return all;
    }
    static termios modes_of(const pty_slave& terminal) {
        termios modes{};
        EXPECT_EQ(::tcgetattr(terminal.fd(), &modes), 0);
        return modes;
    }
    static bool is_raw(const pty_slave& terminal) {
        return (modes_of(terminal).c_lflag & (ICANON | ECHO | ISIG)) == 0;
    }
    static bool same(const termios& a, const termios& b) {
        return a.c_iflag == b.c_iflag && a.c_oflag == b.c_oflag && a.c_cflag == b.c_cflag &&
               a.c_lflag == b.c_lflag;
    }
};

// A terminal has an end for each time it was typed: no read after the first one.
constexpr const char* echo_lines = "while read -r line; do echo \"<$line>\"; done; "
                                   "[ -z \"$line\" ] || echo \"<$line>\"";

TEST_F(pty_tool, as_a_filter_bytes_come_out_as_they_were_written) {
    EXPECT_EQ(filter(echo_lines, "one\ntwo\n"), 0) << content("pty.err");
    EXPECT_EQ(content("pty.out"), "<one>\n<two>\n") << "no echo, and no carriage returns";
    EXPECT_EQ(filter(echo_lines, "one\nlast without end"), 0);
    EXPECT_EQ(content("pty.out"), "<one>\n<last without end>\n");
    EXPECT_EQ(filter(echo_lines, ""), 0);
    EXPECT_EQ(content("pty.out"), "");
    EXPECT_EQ(content("pty.err"), "");
}

TEST_F(pty_tool, loses_nothing_of_a_flood_before_the_end) {
    EXPECT_EQ(filter("i=0; while [ $i -lt 3000 ]; do echo \"line $i\"; i=$((i + 1)); done", ""), 0);
    std::string expected;
    for (int line = 0; line < 3000; ++line) {
        expected += "line " + std::to_string(line) + "\n";
    }
    EXPECT_TRUE(content("pty.out") == expected) << content("pty.out").size() << " bytes";
}

TEST_F(pty_tool, the_exit_code_is_the_commands) {
    EXPECT_EQ(filter("exit 7", ""), 7);
    EXPECT_EQ(filter("kill -KILL $$", ""), 128 + SIGKILL);
    EXPECT_EQ(filter("test -t 0 && test -t 1 && test -t 2", ""), 0) << "it has a terminal";
}

TEST_F(pty_tool, what_cannot_be_run_is_told_with_the_shells_codes) {
    EXPECT_EQ(finish(start("a", {"pty", "no-such-program"})), 127);
    EXPECT_TRUE(content("a.err").starts_with(
        "ipcshim: cannot run 'no-such-program': there is no such program"))
        << content("a.err");
    EXPECT_EQ(finish(start("b", {"pty", "/proc"})), 126);
    EXPECT_TRUE(content("b.err").starts_with("ipcshim: cannot run '/proc': this user may not"))
        << content("b.err");
}

TEST_F(pty_tool, the_command_knows_the_name_of_its_terminal) {
    EXPECT_EQ(filter("tty", ""), 0) << content("pty.out");
    EXPECT_TRUE(content("pty.out").starts_with("/dev/ttyIPC")) << content("pty.out");
}

TEST_F(pty_tool, options_behind_the_command_are_the_commands) {
    const std::vector<std::string> script{"sh", "-c", "echo \"$0 $1 $2\"", "--size", "--", "-x"};
    std::vector<std::string> words{"pty"};
    words.insert(words.end(), script.begin(), script.end());
    EXPECT_EQ(finish(start("a", words)), 0) << content("a.err");
    EXPECT_EQ(content("a.out"), "--size -- -x\n");
    words.insert(words.begin() + 1, {"--size", "80x24", "--"});
    EXPECT_EQ(finish(start("b", words)), 0) << content("b.err");
    EXPECT_EQ(content("b.out"), "--size -- -x\n");
}

TEST_F(pty_tool, a_wrong_command_line_is_exit_code_2) {
    for (const std::string size : {"80", "80x", "x24", "0x24", "80x24x1", "-1x24", "80x65536"}) {
        EXPECT_EQ(finish(start("a", {"pty", "--size", size, "sh"})), 2) << size;
        EXPECT_NE(content("a.err").find("'" + size + "' is not a size"), std::string::npos)
            << content("a.err");
    }
    EXPECT_EQ(finish(start("b", {"pty"})), 2);
    EXPECT_EQ(finish(start("c", {"pty", "--sizes", "80x24", "sh"})), 2);
    EXPECT_NE(content("c.err").find("'--sizes' is no option"), std::string::npos)
        << content("c.err");
}

TEST_F(pty_tool, an_output_that_nobody_reads_ends_it_without_a_word) {
    std::array<int, 2> ends{};
    ASSERT_EQ(::pipe2(ends.data(), O_CLOEXEC), 0);
    ::close(ends[0]);
    const pid_t child = ::fork();
    if (child == 0) {
        ::dup2(ends[1], STDOUT_FILENO);
        for (int fd = STDERR_FILENO + 1; fd < 256; ++fd) {
            ::close(fd);
        }
        ::close(STDIN_FILENO);
        ::open("/dev/null", O_RDONLY);
        become({"pty", "sh", "-c", "while :; do echo more; done"});
    }
    children.push_back(child);
    ::close(ends[1]);
    EXPECT_EQ(finish(child), 128 + SIGPIPE);
}

TEST_F(pty_tool, keys_go_through_and_the_terminal_is_as_before_in_the_end) {
    const pty outer = mine.open_pty();
    const pty_slave terminal = outer.open_slave();
    const termios before = modes_of(terminal);
    const pid_t child = start_on(terminal, {"pty", "sh", "-c",
                                            "trap 'echo got it; exit 9' INT; echo ready; "
                                            "while :; do read -r line; echo \"<$line>\"; done"});
    (void)shown(outer, "ready\r\n");
    EXPECT_TRUE(is_raw(terminal));
    outer.write(bytes_of("a line\r"));
    const std::string echoed = shown(outer, "<a line>\r\n");
    EXPECT_NE(echoed.find("a line\r\n<a line>"), std::string::npos)
        << "echoed once, by the inner terminal: " << echoed;
    outer.write(bytes_of("\x03"));
    (void)shown(outer, "got it");
    EXPECT_EQ(finish(child), 9);
    EXPECT_TRUE(same(modes_of(terminal), before));
}

TEST_F(pty_tool, the_terminal_is_as_before_whichever_signal_ends_it) {
    const pty outer = mine.open_pty();
    const pty_slave terminal = outer.open_slave();
    const termios before = modes_of(terminal);
    for (const int signo : {SIGTERM, SIGHUP, SIGUSR1, SIGALRM}) {
        const pid_t child =
            start_on(terminal, {"pty", "sh", "-c", "echo ready; while :; do read -r line; done"});
        (void)shown(outer, "ready\r\n");
        EXPECT_TRUE(is_raw(terminal));
        ::kill(child, signo);
        EXPECT_EQ(finish(child), 128 + signo);
        EXPECT_TRUE(same(modes_of(terminal), before)) << "signal " << signo;
    }
}

TEST_F(pty_tool, the_terminal_is_as_before_when_nothing_could_be_run) {
    const pty outer = mine.open_pty();
    const pty_slave terminal = outer.open_slave();
    const termios before = modes_of(terminal);
    EXPECT_EQ(finish(start_on(terminal, {"pty", "no-such-program"})), 127);
    EXPECT_TRUE(same(modes_of(terminal), before));
    (void)shown(outer, "no such program");
}

TEST_F(pty_tool, a_signal_as_of_a_key_goes_to_the_command) {
    for (const int signo : {SIGINT, SIGQUIT}) {
        std::array<int, 2> ends{};
        ASSERT_EQ(::pipe2(ends.data(), O_CLOEXEC), 0);
        const std::string name = "pty" + std::to_string(signo);
        const pid_t child = start(name,
                                  {"pty", "sh", "-c",
                                   "trap 'exit 8' INT; trap 'exit 9' QUIT; echo ready; "
                                   "while :; do :; done"},
                                  ends[0]);
        while (content(name + ".out") != "ready\n") {
            ::sched_yield();
        }
        ::kill(child, signo);
        EXPECT_EQ(finish(child), signo == SIGINT ? 8 : 9);
        ::close(ends[0]);
        ::close(ends[1]);
    }
}

TEST_F(pty_tool, while_it_is_stopped_the_terminal_is_as_before) {
    const pty outer = mine.open_pty();
    const pty_slave terminal = outer.open_slave();
    const termios before = modes_of(terminal);
    const pid_t child = start_on(terminal, {"pty", "sh", "-c", "echo ready; read -r line; exit 6"});
    (void)shown(outer, "ready\r\n");
    ::kill(child, SIGTSTP);
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, WUNTRACED), child);
    EXPECT_TRUE(WIFSTOPPED(status));
    EXPECT_TRUE(same(modes_of(terminal), before));
    ::kill(child, SIGCONT);
    while (!is_raw(terminal)) {
        ::sched_yield();
    }
    outer.write(bytes_of("\r"));
    EXPECT_EQ(finish(child), 6);
}

TEST_F(pty_tool, the_new_terminal_starts_with_the_modes_of_the_old_one) {
    const pty outer = mine.open_pty();
    const pty_slave terminal = outer.open_slave();
    termios modes = modes_of(terminal);
    modes.c_cc[VERASE] = '#';
    modes.c_lflag &= ~static_cast<tcflag_t>(ECHO);
    ASSERT_EQ(::tcsetattr(terminal.fd(), TCSANOW, &modes), 0);
    const pid_t child = start_on(terminal, {"pty", "sh", "-c", "stty -a; echo end of it"});
    const std::string text = shown(outer, "end of it");
    EXPECT_NE(text.find("erase = #;"), std::string::npos) << text;
    EXPECT_NE(text.find("-echo "), std::string::npos) << text;
    EXPECT_EQ(finish(child), 0);
}

TEST_F(pty_tool, a_new_size_of_the_terminal_reaches_the_command) {
    const pty outer = mine.open_pty({.size = {.rows = 10, .columns = 20}});
    const pty_slave terminal = outer.open_slave();
    const std::string script = "trap 'stty size' WINCH; stty size; while :; do read -r line; done";
    const pid_t child = start_on(terminal, {"pty", "sh", "-c", script});
    (void)shown(outer, "10 20");
    outer.resize({.rows = 11, .columns = 22});
    (void)shown(outer, "11 22");
    ::kill(child, SIGTERM);
    EXPECT_EQ(finish(child), 128 + SIGTERM);
}

TEST_F(pty_tool, a_size_that_was_asked_for_stays) {
    const pty outer = mine.open_pty({.size = {.rows = 10, .columns = 20}});
    const pty_slave terminal = outer.open_slave();
    const std::string script =
        "trap 'echo changed' WINCH; stty size; read -r line; stty size; exit 3";
    const pid_t child = start_on(terminal, {"pty", "--size", "132x50", "sh", "-c", script});
    (void)shown(outer, "50 132");
    outer.resize({.rows = 11, .columns = 22});
    outer.write(bytes_of("\r"));
    const std::string rest = shown(outer, "50 132");
    EXPECT_EQ(rest.find("changed"), std::string::npos) << rest;
    EXPECT_EQ(finish(child), 3);
}

TEST_F(pty_tool, info_counts_ptys) {
    const std::uint64_t others = mine.query().totals().ptys;
    const pty one = mine.open_pty();
    EXPECT_EQ(finish(start("info", {"info", "--json"})), 0) << content("info.err");
    const auto told = nlohmann::json::parse(content("info.out"));
    EXPECT_EQ(told.at("total").at("ptys"), others + 1);
    EXPECT_EQ(told.at("limits").at("ptys"), mine.query().limits().ptys);
    EXPECT_EQ(finish(start("text", {"info"})), 0);
    EXPECT_NE(content("text.out").find("pseudo terminals   " + std::to_string(others + 1) + " of "),
              std::string::npos)
        << content("text.out");
}

TEST_F(pty_tool, inspect_shows_a_master_and_its_slave) {
    const pty master = mine.open_pty();
    const pty_slave slave = master.open_slave();
    EXPECT_EQ(finish(start("inspect", {"inspect", "--json", std::to_string(::getpid())})), 0)
        << content("inspect.err");
    const auto told = nlohmann::json::parse(content("inspect.out"));
    ASSERT_EQ(told.size(), 3U) << told;
    EXPECT_EQ(told.at(1).at("target"), "ipcshim:[pty:" + std::to_string(master.inode()) + "]");
    EXPECT_EQ(told.at(1).at("info").at("ipcshim-index"), std::to_string(master.index()));
    EXPECT_EQ(told.at(1).at("info").at("ipcshim-slaves"), "1");
    EXPECT_EQ(told.at(2).at("target"), "ipcshim:[ttyIPC" + std::to_string(master.index()) + ":" +
                                           std::to_string(slave.inode()) + "]");
}

TEST_F(pty_tool, inspect_shows_a_slave_that_was_opened_by_its_path) {
    const pty master = mine.open_pty();
    const int fd = ::open(master.slave_path().c_str(), O_RDWR | O_NOCTTY | O_CLOEXEC);
    ASSERT_GE(fd, 0);
    EXPECT_EQ(finish(start("inspect", {"inspect", std::to_string(::getpid())})), 0);
    ::close(fd);
    EXPECT_NE(content("inspect.out").find(std::to_string(fd) + ": " + master.slave_path() + "\n"),
              std::string::npos)
        << content("inspect.out");
}

TEST_F(pty_tool, events_tell_of_a_pty) {
    const pid_t child = start_waiting("events", {"events", "--json", "-q", "-n", "1"});
    const pty master = mine.open_pty({.size = {.rows = 24, .columns = 80}});
    const token sent = master.send_to(child, {.command = 5});
    EXPECT_EQ(finish(child), 0) << content("events.err");
    const auto told = nlohmann::json::parse(content("events.out"));
    EXPECT_EQ(told.at("event"), "recv_pty");
    EXPECT_EQ(told.at("command"), 5);
    EXPECT_EQ(told.at("token"), static_cast<std::uint64_t>(sent));
    EXPECT_EQ(told.at("index"), master.index());
    EXPECT_EQ(told.at("rows"), 24);
    EXPECT_EQ(told.at("columns"), 80);
    EXPECT_EQ(told.at("inode"), master.slave_inode());
}

} // namespace
