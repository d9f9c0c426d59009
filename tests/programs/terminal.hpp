// SPDX-License-Identifier: MIT
//
// A screen and a keyboard on a pty, and waiting for what the screen shows.
#ifndef IPCSHIM_TESTS_PROGRAMS_TERMINAL_HPP
#define IPCSHIM_TESTS_PROGRAMS_TERMINAL_HPP

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "line.hpp"
#include "screen.hpp"

namespace test {

// Control and a letter.
[[nodiscard]] constexpr char control(char letter) {
    return static_cast<char>(letter & 0x1f);
}

// What waits has a deadline; over it, the test fails with a picture of the screen.
class terminal final {
public:
    explicit terminal(screen_size size = {});

    // Runs a program on the slave.
    void start(const std::vector<std::string>& arguments);
    // Runs a program that opens the slave by itself.
    [[nodiscard]] static std::unique_ptr<program>
    start_detached(const std::vector<std::string>& arguments);
    [[nodiscard]] std::string slave_path() const { return line_->slave_path(); }

    void type(std::string_view keys);
    void type(char key) { type(std::string_view(&key, 1)); }
    void press(VTermKey key, VTermModifier modifier = VTERM_MOD_NONE);
    void resize(screen_size size);
    // Closes the master, as if the cable were pulled.
    void unplug() { line_.reset(); }

    // The window's size as the line has it.
    [[nodiscard]] screen_size size_of_line() const;
    [[nodiscard]] const screen& seen() const { return screen_; }

    // Reads and shows what is there.
    void look();
    // Reads and shows what comes, until the condition holds.
    void wait_until(const std::string& what, const std::function<bool()>& holds);
    void wait_for(std::string_view text);
    void wait_for_row(std::string_view text);
    void wait_for_row(int number, std::string_view text);
    // The program that has the terminal in the foreground, and is not stopped.
    void wait_for_foreground(const std::string& name);
    // That program waits: for keys, if nothing is left to be drawn.
    void wait_until_it_waits();
    // The line discipline gathers lines and echoes: no line editor is at work.
    void wait_for_line_mode();
    // The slave's last close: poll says HUP, read says EIO.
    void wait_for_hangup();
    // The end of what start() started, "exited with code 0".
    [[nodiscard]] std::string wait_for_end() { return wait_for_end(*program_); }
    [[nodiscard]] std::string wait_for_end(program& started);
    // Fails the test unless it is so now.
    void expect(const std::string& what, bool holds) const;

private:
    [[nodiscard]] pid_t foreground() const;
    void take(std::string_view bytes);
    [[noreturn]] void fail(const std::string& what) const;

    screen screen_;
    std::unique_ptr<line> line_;
    std::unique_ptr<program> program_;
    bool hung_up_ = false;
};

// An interactive bash on a terminal, whose prompt counts: "1> ", "2> ".
class shell final {
public:
    explicit shell(screen_size size = {}, const std::vector<std::string>& options = {});

    [[nodiscard]] terminal& on() noexcept { return terminal_; }
    // The next command's prompt, with nothing typed yet.
    void wait_for_prompt();
    // Types a command, and waits until it is done; the rows that it printed.
    std::vector<std::string> run(const std::string& command);
    // Types a command that goes on, and waits until that program is in the foreground.
    void run_in_foreground(const std::string& command, const std::string& name);
    // Types a key that signals, and waits for its echo and for the prompt; the rows that were
    // printed, without the echo. The kernel signals before it echoes: the echo may come before
    // what a program says to the signal, or behind it, even in the row of the prompt.
    std::vector<std::string> signal_by(char key);
    // Types the rest of a line: the command counts.
    void enter(std::string_view rest = {});
    // The rows between the last command and the prompt.
    [[nodiscard]] std::vector<std::string> printed() const;

private:
    [[nodiscard]] std::string prompt(int number) const { return std::to_string(number) + ">"; }
    [[nodiscard]] std::string without_echo(std::string row) const;

    terminal terminal_;
    std::string echo_; // of the key that signalled last
    int number_ = 1;
};

// A script for sh that prints the window's size each time that it changes.
inline constexpr const char* tell_each_size =
    "trap 'stty size' WINCH; echo ready; while :; do sleep 0.1; done\n";

// A folder in /tmp, gone with the test.
class folder final {
public:
    folder();
    folder(const folder&) = delete;
    folder(folder&&) = delete;
    folder& operator=(const folder&) = delete;
    folder& operator=(folder&&) = delete;
    ~folder();
    [[nodiscard]] const std::string& path() const noexcept { return path_; }
    [[nodiscard]] std::string file(const std::string& name) const { return path_ + "/" + name; }

private:
    std::string path_;
};

// All of a file; empty if there is none.
[[nodiscard]] std::string content_of(const std::string& path);
void write_file(const std::string& path, const std::string& text);
// The name of the program that a process runs; empty if there is no such process.
[[nodiscard]] std::string name_of(pid_t pid);
// The process is no more, or a zombie.
[[nodiscard]] bool has_ended(pid_t pid);

} // namespace test

#endif
