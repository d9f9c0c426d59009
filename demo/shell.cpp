// SPDX-License-Identifier: MIT
#include <algorithm>
#include <cctype>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <optional>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <tuple>
#include <vector>

#include <fmt/format.h>
#include <ipcshim/port.hpp>

#include "actor.hpp"
#include "acts.hpp"
#include "screen.hpp"

namespace demo {

namespace {

constexpr std::string_view prompt = "$ ";
constexpr std::string_view ctrl_c = "\003";
constexpr int interrupted = 128 + 2; // what a shell tells of one that SIGINT ended
constexpr int last_word = 7;         // its own exit code

/// An act that takes longer has failed.
clock::time_point patience() {
    return clock::now() + std::chrono::seconds(15);
}

struct counted_word {
    std::uint64_t count = 0;
    std::string word;

    friend bool operator==(const counted_word&, const counted_word&) = default;
};

/// The words that a text has most of: what the pipeline has to find.
std::vector<counted_word> frequent_words(const std::filesystem::path& text, std::size_t count) {
    std::ifstream in(text, std::ios::binary);
    std::map<std::string, std::uint64_t> seen;
    std::string word;

    for (std::istreambuf_iterator<char> at(in), end; at != end; ++at) {
        if (std::isalpha(static_cast<unsigned char>(*at)) != 0) {
            word += *at;
        } else if (!word.empty()) {
            seen[word]++;
            word.clear();
        }
    }
    std::vector<counted_word> words;
    for (const auto& [each, times] : seen) {
        words.push_back({times, each});
    }
    std::sort(words.begin(), words.end(), [](const counted_word& one, const counted_word& other) {
        return std::tie(other.count, other.word) < std::tie(one.count, one.word);
    });
    words.resize(std::min(words.size(), count));
    return words;
}

std::vector<counted_word> parse(const std::vector<std::string>& lines) {
    std::vector<counted_word> words;

    for (const std::string& line : lines) {
        std::istringstream in(line);
        counted_word one;
        in >> one.count >> one.word;
        words.push_back(one);
    }
    return words;
}

/// Waits until a process sleeps: it has nothing to do but to wait itself.
void until_it_sleeps(pid_t pid, clock::time_point until) {
    for (;;) {
        std::ifstream stat(fmt::format("/proc/{}/stat", pid));
        std::string text;
        std::getline(stat, text);
        // "12 (name) S ...", and the name may hold anything.
        const std::size_t name = text.rfind(')');
        if (name != std::string::npos && text.compare(name, 3, ") S") == 0) {
            return;
        }
        if (!stat || clock::now() >= until) {
            throw std::runtime_error(fmt::format("process {} does not wait for anything", pid));
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
}

ipcshim::command shell_command(const std::filesystem::path& text) {
    ipcshim::command what;

    what.arguments = {"/bin/sh", "-i"};
    what.environment = {"PATH=/bin:/sbin:/usr/bin:/usr/sbin",
                        "HOME=/tmp",
                        "TERM=dumb",
                        "LC_ALL=C",
                        fmt::format("PS1={}", prompt),
                        fmt::format("TEXT={}", text.string())};
    return what;
}

} // namespace

void play_shell(stage& shown, const std::filesystem::path& text) {
    constexpr std::uint64_t flood = 200'000;
    // 24 rows of 80 columns are what a program assumes that was told nothing.
    constexpr ipcshim::window_size small{.rows = 30, .columns = 100};
    constexpr ipcshim::window_size large{.rows = 40, .columns = 132};

    shown.act("A shell on a terminal of its own",
              "a pty made by ioctl; what is on its screen stands behind the bar");
    const ipcshim::port port = ipcshim::port::open();
    const std::uint64_t before = port.query().totals().ptys;
    ipcshim::pty pty = port.open_pty({.size = small});
    const std::string path = pty.slave_path();
    std::size_t to_be_shown = 0;
    screen view(pty, [&](std::string_view line) {
        if (to_be_shown > 0) {
            to_be_shown--;
            shown.line(line);
        }
    });
    // Types a command and waits for the next prompt.
    const auto run = [&](std::string_view command) {
        to_be_shown = 100;
        view.type(fmt::format("{}\n", command));
        return view.until_prompt(prompt, patience());
    };

    ipcshim::child shell = pty.spawn(shell_command(text));
    shown.tell("terminal", fmt::format("{}, {} columns and {} rows; sh is pid {}", path,
                                       small.columns, small.rows, shell.pid()));
    view.until_prompt(prompt, patience());
    const std::vector<std::string> asked = run("tty; stty size");
    const std::vector<std::string> found =
        run(R"(tr -cs A-Za-z '\n' <$TEXT | sort | uniq -c | sort -rn | head -3)");

    // The inner shell waits for a line that never comes, but for the signal.
    to_be_shown = 100;
    view.type("sh -c 'trap \"stty size\" WINCH; echo waiting; read never'\n");
    view.until_line("waiting", patience());
    const pid_t waiting = pty.foreground();
    until_it_sleeps(waiting, patience());
    shown.tell("resized", fmt::format("to {} columns and {} rows, while process group {} has it",
                                      large.columns, large.rows, waiting));
    pty.resize(large);
    const std::vector<std::string> resized = view.until_prompt(prompt, patience());

    to_be_shown = 3;
    view.type("yes forever\n");
    view.until_bytes(flood, patience());
    const std::vector<std::string> flooded = view.answer();
    const pid_t flooding = pty.foreground();
    const clock::time_point pressed = clock::now();
    view.type(ctrl_c);
    view.until_prompt(prompt, patience());
    const double until_prompt =
        std::chrono::duration<double, std::milli>(clock::now() - pressed).count();
    shown.tell("ctrl-C", fmt::format("after {} bytes of that; the prompt came {:.1f} ms later",
                                     grouped(flood), until_prompt));
    const std::vector<std::string> status = run("echo it ended with $?");
    const pid_t back = pty.foreground();

    to_be_shown = 100;
    view.type(fmt::format("exit {}\n", last_word));
    view.until_end(patience());
    const std::optional<ipcshim::child_end> end = shell.wait(patience());
    const bool node = std::filesystem::exists(path);
    pty.close();

    std::ostringstream told;
    if (end) {
        told << *end;
    }
    shown.tell("the end", fmt::format("pid {} {}, and the master read to the end of {} bytes",
                                      shell.pid(), told.str(), grouped(view.bytes())));
    shown.figure("bytes", view.bytes());
    shown.figure("milliseconds_to_prompt", until_prompt);
    shown.figure("end", told.str());

    const std::vector<counted_word> expected = frequent_words(text, 3);
    shown.check("it is a terminal that tty(1) can name, of the size that was asked for",
                asked == std::vector<std::string>{path, "30 100"});
    shown.check("the pipeline counted what this process counts itself",
                !expected.empty() && parse(found) == expected);
    shown.check("who was in the foreground was told of the new size: SIGWINCH",
                resized == std::vector<std::string>{"waiting", "40 132"});
    shown.check("a program flooded it, and no line of that is damaged",
                flooded.size() > flood / 10 &&
                    std::all_of(flooded.begin(), flooded.end(),
                                [](const std::string& line) { return line == "forever"; }));
    shown.check("ctrl-C ended what would have run forever, in its own process group: SIGINT",
                flooding != shell.pid() && flooding != waiting &&
                    status ==
                        std::vector<std::string>{fmt::format("it ended with {}", interrupted)});
    shown.check("and the shell had the terminal again", back == shell.pid());
    shown.check("its end was told: exited with code 7, and the master read to the end",
                end == ipcshim::child_end{ipcshim::how::exited, last_word});
    shown.check("no pty is left, nor its node in /dev",
                node && !std::filesystem::exists(path) && port.query().totals().ptys == before);
}

} // namespace demo
