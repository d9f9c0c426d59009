// SPDX-License-Identifier: MIT
//
// A shell on a pseudo terminal, driven as a person would: commands are typed,
// the window changes its size, ctrl-C interrupts what takes too long.
#include <array>
#include <cstddef>
#include <exception>
#include <iostream>
#include <span>
#include <string>
#include <string_view>

#include <ipcshim/ipcshim.hpp>

namespace {

class session {
public:
    explicit session(const ipcshim::pty& terminal) : terminal_(&terminal) {}

    // As with the keyboard: Enter is a carriage return.
    void type(std::string_view keys) const { terminal_->write(ipcshim::bytes_of(keys)); }

    // Prints what the terminal shows until that holds a text.
    // \return false: the shell ended before
    bool show_until(std::string_view text) {
        std::array<std::byte, 512> buffer{};
        while (seen_.find(text) == std::string::npos) {
            const std::size_t count = terminal_->read(buffer);
            if (count == 0) {
                return false;
            }
            const auto bytes = std::span(buffer).first(count);
            std::cout.write(reinterpret_cast<const char*>(bytes.data()),
                            static_cast<std::streamsize>(count));
            seen_.append(reinterpret_cast<const char*>(bytes.data()), count);
        }
        seen_.erase(0, seen_.find(text) + text.size());
        return true;
    }

private:
    const ipcshim::pty* terminal_;
    std::string seen_;
};

int run() {
    const auto port = ipcshim::port::open();
    const auto terminal = port.open_pty({.size = {.rows = 24, .columns = 80}});
    auto shell = terminal.spawn({.arguments = {"sh"}, .extra_environment = {"PS1=$ "}});
    session with(terminal);

    // What is typed is echoed; so the texts to wait for are not in the commands.
    with.type("echo 'one two' | while read -r a b; do echo \"[$b $a]\"; done\r");
    bool fine = with.show_until("[two one]");

    terminal.resize({.rows = 40, .columns = 132});
    with.type("stty size\r");
    fine = fine && with.show_until("40 132");

    with.type("echo w''aiting; while :; do :; done\r");
    fine = fine && with.show_until("waiting\r\n");
    with.type("\x03"); // or terminal.signal_foreground(SIGINT)
    with.type("echo st''ill here\r");
    fine = fine && with.show_until("still here");

    with.type("exit 7\r");
    with.show_until("\x7f"); // nobody shows that: to the end
    const ipcshim::child_end end = shell.wait();
    std::cout << "\nthe shell " << end << std::endl;
    return fine && end == ipcshim::child_end{.how = ipcshim::how::exited, .status = 7} ? 0 : 1;
}

} // namespace

int main() {
    try {
        return run();
    } catch (const std::exception& error) {
        std::cerr << error.what() << '\n';
        return 1;
    }
}
