// SPDX-License-Identifier: MIT
//
// A command on a pseudo terminal, with this program's input and output put
// through to it.
#include <fmt/format.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstddef>
#include <cstdio>
#include <optional>
#include <span>
#include <string>
#include <system_error>
#include <vector>

#include <ipcshim/port.hpp>

#include "commands.hpp"
#include "own_terminal.hpp"
#include "signal_queue.hpp"

namespace ipcshim::tools {

namespace {

constexpr window_size usual_size{.rows = 24, .columns = 80};

// Never more at once than poll(2) promises to take from us without waiting.
constexpr std::size_t portion = 4096;

// --- signals ----------------------------------------------------------------

// Those that end a program, where the terminal is to be put back before, and
// those that are passed on.
constexpr std::array watched{SIGWINCH, SIGINT,  SIGQUIT, SIGTSTP,   SIGHUP,  SIGTERM,
                             SIGUSR1,  SIGUSR2, SIGALRM, SIGVTALRM, SIGPROF, SIGXCPU};

// --- bytes on their way ---------------------------------------------------------

class buffer final {
public:
    [[nodiscard]] bool empty() const noexcept { return first_ == last_; }
    /// Where more can be put; only when it is empty.
    [[nodiscard]] std::span<std::byte> room() noexcept { return bytes_; }
    void filled(std::size_t count) noexcept {
        first_ = 0;
        last_ = count;
    }
    [[nodiscard]] std::span<const std::byte> waiting() const noexcept {
        return std::span(bytes_).subspan(first_, last_ - first_);
    }
    void taken(std::size_t count) noexcept { first_ += count; }

private:
    std::array<std::byte, portion> bytes_{};
    std::size_t first_ = 0;
    std::size_t last_ = 0;
};

bool again(const std::error_code& error) noexcept {
    return error == std::errc::resource_unavailable_try_again || error == std::errc::interrupted;
}

// --- the loop -------------------------------------------------------------------

class relay final {
public:
    relay(const ipcshim::pty& master, child& command, own_terminal& mine,
          const signal_queue& signals, bool follow_size)
        : master_(&master), command_(&command), mine_(&mine), signals_(&signals),
          follow_size_(follow_size) {}

    // Until the command has ended and what it has written by then is out.
    // \return the exit code
    int run() {
        while (!ending_ || left_ > 0 || !output_.empty()) {
            if (const int code = step(); code != 0) {
                return code;
            }
        }
        return ending_->how == how::exited ? ending_->status : by_signal + ending_->status;
    }

private:
    // \return an exit code to end with at once, or 0
    int step() {
        const bool typing = !input_.empty();
        const bool reading = ending_ ? left_ > 0 : shown_;
        unsigned at_master = typing && !ending_ ? POLLOUT : 0U;
        if (reading && output_.empty()) {
            at_master |= POLLIN;
        }
        std::array entries{
            pollfd{.fd = at_master != 0 ? master_->fd() : -1,
                   .events = static_cast<short>(at_master), // NOLINT(google-runtime-int): POSIX's
                   .revents = 0},
            pollfd{.fd = input_open_ && !typing && !ending_ ? STDIN_FILENO : -1,
                   .events = POLLIN,
                   .revents = 0},
            pollfd{.fd = output_.empty() ? -1 : STDOUT_FILENO, .events = POLLOUT, .revents = 0},
            pollfd{.fd = signals_->fd(), .events = POLLIN, .revents = 0},
            pollfd{.fd = ending_ ? -1 : command_->fd(), .events = POLLIN, .revents = 0}};
        // What was left may be discarded meanwhile: that is no reason to wait.
        const int timeout = ending_ && reading && output_.empty() ? 0 : -1;
        if (::poll(entries.data(), entries.size(), timeout) < 0 && errno != EINTR) {
            throw std::system_error(errno, std::generic_category(), "cannot wait for anything");
        }
        const auto& [terminal, input, output, signal, process] = entries;
        if (signal.revents != 0) {
            if (const int code = take_signals(); code != 0) {
                return code;
            }
        }
        if (output.revents != 0 && !show()) {
            return by_signal + SIGPIPE; // nobody reads it any more
        }
        if (terminal.revents != 0 || timeout == 0) {
            type();
            fetch();
        }
        if (input.revents != 0) {
            take_input();
        }
        if (process.revents != 0) {
            take_ending();
        }
        return done;
    }

    // From the command.
    void fetch() {
        if (!output_.empty() || (ending_ && left_ == 0)) {
            return;
        }
        std::error_code error;
        const std::size_t count = master_->read(output_.room(), error);
        if (error && !again(error)) {
            throw std::system_error(error, "cannot read what the command shows");
        }
        output_.filled(count);
        if (ending_) {
            // What others who have the terminal still write is not waited for.
            left_ -= count != 0 ? std::min(left_, count) : left_;
        } else if (count == 0 && !error) {
            shown_ = false; // somebody hung it up: only the end is to come
        }
    }

    bool show() {
        const auto bytes = output_.waiting();
        const ssize_t count = ::write(STDOUT_FILENO, bytes.data(), bytes.size());
        if (count >= 0) {
            output_.taken(static_cast<std::size_t>(count));
            return true;
        }
        if (errno == EPIPE) {
            return false;
        }
        if (errno != EINTR && errno != EAGAIN) {
            throw std::system_error(errno, std::generic_category(),
                                    "cannot write to the standard output");
        }
        return true;
    }

    // To the command.
    void type() {
        if (input_.empty() || ending_) {
            return;
        }
        std::error_code error;
        const std::size_t count = master_->write(input_.waiting(), error);
        if (error && !again(error)) {
            throw std::system_error(error, "cannot type what came in");
        }
        input_.taken(count);
    }

    void take_input() {
        const auto room = input_.room();
        const ssize_t count = ::read(STDIN_FILENO, room.data(), room.size());
        if (count > 0) {
            input_.filled(static_cast<std::size_t>(count));
            last_byte_ = input_.waiting().back();
        } else if (count == 0 || (errno != EINTR && errno != EAGAIN)) {
            input_open_ = false;
            type_end();
        }
    }

    // The end of the input as a person types it; a program that reads single keys
    // knows none.
    void type_end() {
        termios now{};
        if (::tcgetattr(master_->fd(), &now) != 0 ||
            (now.c_lflag & static_cast<tcflag_t>(ICANON)) == 0) {
            return;
        }
        const auto key = static_cast<std::byte>(now.c_cc[VEOF]);
        const auto room = input_.room();
        room[0] = key;
        room[1] = key;
        // In the middle of a line the first one only sends that off.
        input_.filled(last_byte_ == std::byte{'\n'} ? 1 : 2);
    }

    void take_ending() {
        std::error_code error;
        ending_ = command_->try_wait(error);
        if (error) {
            throw std::system_error(error, "cannot tell how the command ended");
        }
        int bytes = 0;
        if (ending_ && ::ioctl(master_->fd(), FIONREAD, &bytes) == 0 && bytes > 0) {
            left_ = static_cast<std::size_t>(bytes);
        }
    }

    void follow() {
        if (const auto size = size_here(); size && follow_size_) {
            std::error_code error;
            master_->resize(*size, error); // it may be over by now
        }
    }

    int take_signals() {
        while (const int signo = signals_->next()) {
            switch (signo) {
            case SIGWINCH:
                follow();
                break;
            case SIGINT:
            case SIGQUIT:
                master_->signal_foreground(signo);
                break;
            case SIGTSTP:
                mine_->restore();
                ::kill(::getpid(), SIGSTOP);
                mine_->make_raw();
                follow();
                break;
            default:
                return by_signal + signo;
            }
        }
        return done;
    }

    const ipcshim::pty* master_;
    child* command_;
    own_terminal* mine_;
    const signal_queue* signals_;
    bool follow_size_;
    buffer input_;
    buffer output_;
    bool input_open_ = true;
    bool shown_ = true;
    std::byte last_byte_{'\n'};
    std::optional<child_end> ending_;
    std::size_t left_ = 0; // bytes to be read after the end
};

// The command's terminal starts like ours. Where we have none, what comes in is
// not shown again, and where our output is none, lines end as they were written.
void set_modes(const ipcshim::pty& master, const own_terminal& mine) {
    termios modes{};
    if (mine.is_there()) {
        modes = *mine.before();
    } else if (::tcgetattr(master.fd(), &modes) != 0) {
        throw std::system_error(errno, std::generic_category(),
                                "cannot ask for the modes of the new terminal");
    }
    if (!mine.is_there()) {
        modes.c_lflag &= ~static_cast<tcflag_t>(ECHO);
    }
    if (!mine.shows()) {
        modes.c_oflag &= ~static_cast<tcflag_t>(OPOST);
    }
    if (::tcsetattr(master.fd(), TCSANOW, &modes) != 0) {
        throw std::system_error(errno, std::generic_category(),
                                "cannot set the modes of the new terminal");
    }
}

// As a shell answers where a command can't be run.
int code_of(const std::error_code& error) noexcept {
    if (error == std::errc::no_such_file_or_directory) {
        return not_found;
    }
    const bool forbidden =
        error == std::errc::permission_denied || error == std::errc::executable_format_error;
    return forbidden ? not_executable : failed;
}

} // namespace

int pty(const pty_options& options) {
    own_terminal mine;
    const auto wanted = parse_size(options.size);
    const ipcshim::pty master = port::open().open_pty(
        {.size = wanted ? *wanted : size_here().value_or(usual_size), .nonblocking = true});
    set_modes(master, mine);
    // Ours, so that the end is that of the command, and not a moment in which
    // nobody has the terminal open.
    const pty_slave kept = master.open_slave();
    const signal_queue signals(watched);
    // Before it runs: what is typed meanwhile is for the command.
    mine.make_raw();
    child command;
    try {
        command = master.spawn({.arguments = options.command});
    } catch (const std::system_error& error) {
        mine.restore();
        const int code = code_of(error.code());
        if (code == failed) {
            throw;
        }
        fmt::print(stderr, "ipcshim: {}\n", error.what());
        return code;
    }
    return relay(master, command, mine, signals, !wanted).run();
}

} // namespace ipcshim::tools
