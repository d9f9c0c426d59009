// SPDX-License-Identifier: MIT
#include "terminal.hpp"

#include <poll.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <system_error>

namespace test {
namespace {

using clock = std::chrono::steady_clock;

// Between two looks at what no descriptor tells of.
constexpr int look_milliseconds = 10;

// As ps shows it: T is stopped, Z a zombie; X if there is no such process.
char state_of(pid_t pid) {
    const auto status = content_of("/proc/" + std::to_string(pid) + "/stat");
    const auto name_end = status.rfind(") ");
    return name_end == std::string::npos ? 'X' : status.at(name_end + 2);
}

std::chrono::seconds limit() {
    // The sanitised kernel is several times slower.
    return std::chrono::seconds(std::getenv("IPCSHIM_DEBUG_KERNEL") != nullptr ? 60 : 15);
}

const std::vector<std::string>& environment() {
    static const std::vector<std::string> all{
        "PATH=/usr/bin:/bin:/sbin", "TERM=xterm",      "HOME=/root",
        "LC_CTYPE=C.UTF-8",         "SHELL=/bin/bash",
    };
    return all;
}

} // namespace

terminal::terminal(screen_size size) : screen_(size), line_(open_line(size)) {}

void terminal::start(const std::vector<std::string>& arguments) {
    program_ = line_->spawn(arguments, environment());
}

std::unique_ptr<program> terminal::start_detached(const std::vector<std::string>& arguments) {
    return test::start_detached(arguments, environment());
}

void terminal::fail(const std::string& what) const {
    throw std::runtime_error(what + "; the screen:\n" + screen_.picture());
}

void terminal::expect(const std::string& what, bool holds) const {
    if (!holds)
        fail("not so: " + what);
}

void terminal::take(std::string_view bytes) {
    screen_.feed(bytes);
    if (const auto answer = screen_.take_input(); !answer.empty())
        type(answer);
}

// If there is nothing, it waits a moment for it.
void terminal::look() {
    pollfd wait{line_ ? line_->fd() : -1, POLLIN, 0};
    ::poll(&wait, 1, look_milliseconds);
    if (wait.revents == 0)
        return;
    std::array<char, 65536> buffer{};
    const auto got = ::read(wait.fd, buffer.data(), buffer.size());
    if (got > 0) {
        hung_up_ = false;
        take({buffer.data(), static_cast<std::size_t>(got)});
    } else if (got < 0 && errno == EIO) {
        expect("the master polls HUP when a read says EIO", (wait.revents & POLLHUP) != 0);
        hung_up_ = true;
        ::poll(nullptr, 0, look_milliseconds); // it says so until the slave is opened
    } else if (got == 0 || errno != EAGAIN) {
        fail("the master was read: " + std::to_string(got) + ", " + ::strerrorname_np(errno));
    }
}

void terminal::type(std::string_view keys) {
    const auto end = clock::now() + limit();
    while (!keys.empty()) {
        const auto done = ::write(line_->fd(), keys.data(), keys.size());
        if (done > 0)
            keys.remove_prefix(static_cast<std::size_t>(done));
        else if (errno == EAGAIN && clock::now() < end)
            look(); // it may have to write before it reads
        else
            fail(std::string("keys cannot be typed: ") + ::strerrorname_np(errno));
    }
}

void terminal::press(VTermKey key, VTermModifier modifier) {
    screen_.press(key, modifier);
    type(screen_.take_input());
}

void terminal::resize(screen_size size) {
    screen_.resize(size);
    line_->resize(size);
}

screen_size terminal::size_of_line() const {
    winsize size{};
    if (::ioctl(line_->fd(), TIOCGWINSZ, &size) != 0)
        fail(std::string("no size: ") + ::strerrorname_np(errno));
    return {size.ws_row, size.ws_col};
}

void terminal::wait_until(const std::string& what, const std::function<bool()>& holds) {
    const auto end = clock::now() + limit();
    while (!holds()) {
        if (clock::now() >= end)
            fail("did not come within " + std::to_string(limit().count()) + " s: " + what);
        look();
    }
}

void terminal::wait_for(std::string_view text) {
    wait_until("'" + std::string(text) + "'", [&] { return screen_.shows(text); });
}

void terminal::wait_for_row(std::string_view text) {
    wait_until("a row '" + std::string(text) + "'", [&] { return screen_.row_that_is(text) >= 0; });
}

void terminal::wait_for_row(int number, std::string_view text) {
    wait_until("row " + std::to_string(number) + " as '" + std::string(text) + "'",
               [&] { return screen_.row(number) == text; });
}

// 0: there is none.
pid_t terminal::foreground() const {
    pid_t group = 0;
    return ::ioctl(line_->fd(), TIOCGPGRP, &group) == 0 ? group : 0;
}

void terminal::wait_for_foreground(const std::string& name) {
    wait_until("the program '" + name + "' in the foreground", [&] {
        const pid_t leader = foreground();
        return name_of(leader) == name && state_of(leader) != 'T';
    });
}

void terminal::wait_until_it_waits() {
    wait_until("that the program waits", [&] { return state_of(foreground()) == 'S'; });
}

void terminal::wait_for_line_mode() {
    wait_until("lines, and echo", [&] {
        termios settings{};
        return ::tcgetattr(line_->fd(), &settings) == 0 && (settings.c_lflag & ICANON) != 0 &&
               (settings.c_lflag & ECHO) != 0;
    });
}

void terminal::wait_for_hangup() {
    wait_until("the hangup of the slave", [&] { return hung_up_; });
}

std::string terminal::wait_for_end(program& started) {
    std::optional<std::string> end;
    wait_until("the end of the program", [&] {
        end = started.end();
        return end.has_value();
    });
    return *end;
}

shell::shell(screen_size size, const std::vector<std::string>& options) : terminal_(size) {
    std::vector<std::string> words{"/bin/bash", "--norc", "--noprofile", "-i"};
    words.insert(words.end(), options.begin(), options.end());
    terminal_.start(words);
    terminal_.wait_for("bash-5.2#");
    terminal_.type("PS1='\\#> '; history -c; clear\r");
    ++number_;
    wait_for_prompt();
}

std::string shell::without_echo(std::string row) const {
    if (const auto place = row.find(echo_); !echo_.empty() && place != std::string::npos) {
        row.erase(place, echo_.size());
        row.erase(row.find_last_not_of(' ') + 1);
    }
    return row;
}

void shell::wait_for_prompt() {
    const auto wanted = prompt(number_);
    terminal_.wait_until("the prompt '" + wanted + "'", [&] {
        const auto& seen = terminal_.seen();
        return seen.row(seen.cursor_row()) == wanted &&
               seen.cursor_column() == static_cast<int>(wanted.size()) + 1;
    });
}

std::vector<std::string> shell::signal_by(char key) {
    echo_ = {'^', static_cast<char>(std::toupper(static_cast<unsigned char>(key)))};
    terminal_.type(control(key));
    const auto wanted = prompt(number_);
    std::vector<std::string> rows;
    terminal_.wait_until("the echo " + echo_ + " and the prompt '" + wanted + "'", [&] {
        const auto& seen = terminal_.seen();
        rows = printed();
        rows.push_back(seen.row(seen.cursor_row()));
        std::size_t echoes = 0;
        for (auto& row : rows)
            if (auto plain = without_echo(row); plain != row) {
                row = std::move(plain);
                ++echoes;
            }
        const bool in_row = seen.row(seen.cursor_row()) != rows.back();
        return echoes == 1 && rows.back() == wanted &&
               seen.cursor_column() ==
                   static_cast<int>(wanted.size() + 1 + (in_row ? echo_.size() : 0));
    });
    rows.pop_back();
    return rows;
}

void shell::enter(std::string_view rest) {
    terminal_.type(std::string(rest) + "\r");
    ++number_;
}

std::vector<std::string> shell::run(const std::string& command) {
    enter(command);
    wait_for_prompt();
    return printed();
}

void shell::run_in_foreground(const std::string& command, const std::string& name) {
    enter(command);
    terminal_.wait_for_foreground(name);
}

std::vector<std::string> shell::printed() const {
    const auto rows = terminal_.seen().rows();
    const auto end = rows.begin() + terminal_.seen().cursor_row();
    const auto before = prompt(number_ - 1) + " ";
    auto begin = end;
    while (begin != rows.begin() &&
           without_echo(*(begin - 1)).compare(0, before.size(), before) != 0)
        --begin;
    return {begin, end};
}

folder::folder() : path_("/tmp/programs.XXXXXX") {
    if (::mkdtemp(path_.data()) == nullptr)
        throw std::system_error(errno, std::generic_category(), "cannot make a folder in /tmp");
}

folder::~folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
}

std::string content_of(const std::string& path) {
    const std::ifstream file(path, std::ios::binary);
    std::ostringstream text;
    if (file)
        text << file.rdbuf();
    return text.str();
}

void write_file(const std::string& path, const std::string& text) {
    std::ofstream file(path, std::ios::binary | std::ios::trunc);
    if (!(file << text).flush())
        throw std::runtime_error("cannot write " + path);
}

std::string name_of(pid_t pid) {
    auto name = content_of("/proc/" + std::to_string(pid) + "/comm");
    if (!name.empty())
        name.pop_back();
    return name;
}

bool has_ended(pid_t pid) {
    const char state = state_of(pid);
    return state == 'X' || state == 'Z';
}

} // namespace test
