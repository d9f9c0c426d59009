// SPDX-License-Identifier: MIT
#include "line.hpp"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <utmp.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <ipcshim/ipcshim.hpp>
#include <sstream>
#include <string_view>
#include <system_error>

namespace test {
namespace {

[[noreturn]] void fail(const std::string& what, int error = errno) {
    throw std::system_error(error, std::generic_category(), what);
}

// What exec wants: pointers to writable strings, and a null pointer.
class word_list final {
public:
    explicit word_list(const std::vector<std::string>& words) : words_(words) {
        std::transform(words_.begin(), words_.end(), std::back_inserter(pointers_),
                       [](std::string& word) { return word.data(); });
        pointers_.push_back(nullptr);
    }
    [[nodiscard]] char* const* get() const noexcept { return pointers_.data(); }

private:
    std::vector<std::string> words_;
    std::vector<char*> pointers_;
};

class ipcshim_program final : public program {
public:
    explicit ipcshim_program(ipcshim::child child) : child_(std::move(child)) {}
    ~ipcshim_program() override {
        std::error_code ignored;
        child_.kill(SIGKILL, ignored);
    }
    [[nodiscard]] pid_t pid() const override { return child_.pid(); }
    [[nodiscard]] std::optional<std::string> end() override {
        const auto end = child_.try_wait();
        if (!end)
            return std::nullopt;
        std::ostringstream words;
        words << *end;
        return words.str();
    }

private:
    ipcshim::child child_;
};

class plain_program final : public program {
public:
    explicit plain_program(pid_t pid) : pid_(pid) {}
    plain_program(const plain_program&) = delete;
    plain_program(plain_program&&) = delete;
    plain_program& operator=(const plain_program&) = delete;
    plain_program& operator=(plain_program&&) = delete;
    ~plain_program() override {
        if (!ended_) {
            ::kill(pid_, SIGKILL);
            ::waitpid(pid_, nullptr, 0);
        }
    }
    [[nodiscard]] pid_t pid() const override { return pid_; }
    [[nodiscard]] std::optional<std::string> end() override {
        if (!ended_ && ::waitpid(pid_, &status_, WNOHANG) != pid_)
            return std::nullopt;
        ended_ = true;
        // As the library says it.
        return WIFEXITED(status_) ? "exited with code " + std::to_string(WEXITSTATUS(status_))
                                  : "killed by signal " + std::to_string(WTERMSIG(status_));
    }

private:
    pid_t pid_;
    int status_ = 0;
    bool ended_ = false;
};

class ipcshim_line final : public line {
public:
    explicit ipcshim_line(screen_size size)
        : pty_(ipcshim::port::open().open_pty({.size = words_of(size), .nonblocking = true})) {}

    [[nodiscard]] int fd() const override { return pty_.fd(); }
    [[nodiscard]] std::string slave_path() const override { return pty_.slave_path(); }
    void resize(screen_size size) override { pty_.resize(words_of(size)); }
    [[nodiscard]] std::unique_ptr<program>
    spawn(const std::vector<std::string>& arguments,
          const std::vector<std::string>& environment) override {
        return std::make_unique<ipcshim_program>(
            pty_.spawn({.arguments = arguments, .environment = environment}));
    }

private:
    [[nodiscard]] static ipcshim::window_size words_of(screen_size size) {
        return {.rows = size.rows, .columns = size.columns};
    }
    ipcshim::pty pty_;
};

class devpts_line final : public line {
public:
    explicit devpts_line(screen_size size)
        : fd_(::posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC)) {
        std::array<char, 64> path{};
        if (fd_ < 0 || ::unlockpt(fd_) != 0 || ::ptsname_r(fd_, path.data(), path.size()) != 0)
            fail("cannot open a pty of devpts");
        path_ = path.data();
        devpts_line::resize(size);
    }
    devpts_line(const devpts_line&) = delete;
    devpts_line(devpts_line&&) = delete;
    devpts_line& operator=(const devpts_line&) = delete;
    devpts_line& operator=(devpts_line&&) = delete;
    ~devpts_line() override { ::close(fd_); }

    [[nodiscard]] int fd() const override { return fd_; }
    [[nodiscard]] std::string slave_path() const override { return path_; }
    void resize(screen_size size) override {
        const winsize words{size.rows, size.columns, 0, 0};
        if (::ioctl(fd_, TIOCSWINSZ, &words) != 0)
            fail("cannot resize a pty of devpts");
    }
    [[nodiscard]] std::unique_ptr<program>
    spawn(const std::vector<std::string>& arguments,
          const std::vector<std::string>& environment) override {
        const word_list words(arguments);
        const word_list variables(environment);
        const pid_t child = ::fork();
        if (child < 0)
            fail("cannot fork");
        if (child == 0) {
            if (::login_tty(::open(path_.c_str(), O_RDWR | O_NOCTTY)) == 0)
                ::execve(*words.get(), words.get(), variables.get());
            ::_exit(127);
        }
        return std::make_unique<plain_program>(child);
    }

private:
    int fd_;
    std::string path_;
};

} // namespace

std::unique_ptr<line> open_line(screen_size size) {
    const char* kind = std::getenv("PTY");
    if (kind == nullptr || *kind == '\0')
        return std::make_unique<ipcshim_line>(size);
    if (std::string_view(kind) == "devpts")
        return std::make_unique<devpts_line>(size);
    throw std::runtime_error(std::string("PTY is 'devpts' or unset, not '") + kind + "'");
}

std::unique_ptr<program> start_detached(const std::vector<std::string>& arguments,
                                        const std::vector<std::string>& environment) {
    posix_spawnattr_t attributes;
    posix_spawn_file_actions_t files;
    ::posix_spawnattr_init(&attributes);
    ::posix_spawn_file_actions_init(&files);
    ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSID);
    for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO})
        ::posix_spawn_file_actions_addopen(&files, fd, "/dev/null", O_RDWR, 0);
    pid_t pid = 0;
    const int error = ::posix_spawn(&pid, arguments.front().c_str(), &files, &attributes,
                                    word_list(arguments).get(), word_list(environment).get());
    ::posix_spawnattr_destroy(&attributes);
    ::posix_spawn_file_actions_destroy(&files);
    if (error != 0)
        fail("cannot start " + arguments.front(), error);
    return std::make_unique<plain_program>(pid);
}

} // namespace test
