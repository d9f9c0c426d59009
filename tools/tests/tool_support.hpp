// SPDX-License-Identifier: MIT
#ifndef IPCSHIM_TOOLS_TESTS_TOOL_SUPPORT_HPP
#define IPCSHIM_TOOLS_TESTS_TOOL_SUPPORT_HPP

#include <gtest/gtest.h>

#include <sched.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <ipcshim/ipcshim.hpp>

#include "commands.hpp"

namespace ipcshim::tools::test {

namespace fs = std::filesystem;

/// Runs the command, each subcommand in a process of its own, with its output in
/// files.
class tool : public ::testing::Test {
protected:
    tool() {
        std::string pattern = (fs::temp_directory_path() / "ipcshim-tool-XXXXXX").string();
        folder = ::mkdtemp(pattern.data());
    }
    ~tool() override {
        for (const pid_t child : children) {
            ::kill(child, SIGKILL);
            ::waitpid(child, nullptr, 0);
        }
        fs::remove_all(folder);
    }

    [[nodiscard]] std::string path(const std::string& name) const {
        return (folder / name).string();
    }
    [[nodiscard]] std::string content(const std::string& name) const {
        std::ifstream in(folder / name, std::ios::binary);
        std::ostringstream text;
        text << in.rdbuf();
        return text.str();
    }
    void make_file(const std::string& name, const std::string& text) const {
        std::ofstream(folder / name, std::ios::binary) << text;
    }

    // Runs a command line in a child; its output goes to NAME.out and NAME.err.
    pid_t start(const std::string& name, std::vector<std::string> words, int input = -1) {
        std::fflush(nullptr); // or the child would write it once more
        const pid_t child = ::fork();
        if (child == 0) {
            if (input >= 0) {
                ::dup2(input, STDIN_FILENO);
            }
            for (int fd = STDERR_FILENO + 1; fd < 256; ++fd) {
                ::close(fd); // as a shell starts it: nothing of ours is kept open
            }
            if (std::freopen(path(name + ".out").c_str(), "w", stdout) == nullptr ||
                std::freopen(path(name + ".err").c_str(), "w", stderr) == nullptr) {
                ::_exit(99);
            }
            std::setvbuf(stderr, nullptr, _IONBF, 0); // as it was
            become(words);
        }
        children.push_back(child);
        return child;
    }
    // The same in a session of its own with a terminal, where all of it goes.
    pid_t start_on(const pty_slave& terminal, std::vector<std::string> words) {
        std::fflush(nullptr);
        const pid_t child = ::fork();
        if (child == 0) {
            ::setsid();
            if (::ioctl(terminal.fd(), TIOCSCTTY, 0) != 0) {
                ::_exit(99);
            }
            for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; ++fd) {
                ::dup2(terminal.fd(), fd);
            }
            for (int fd = STDERR_FILENO + 1; fd < 256; ++fd) {
                ::close(fd);
            }
            become(words);
        }
        children.push_back(child);
        return child;
    }
    [[noreturn]] static void become(const std::vector<std::string>& words) {
        ::signal(SIGPIPE, SIG_IGN);
        int code = tools::failed;
        try {
            std::vector<const char*> arguments{"ipcshim"};
            for (const std::string& word : words) {
                arguments.push_back(word.c_str());
            }
            code = tools::run(static_cast<int>(arguments.size()), arguments.data());
        } catch (const std::exception& error) {
            std::fprintf(stderr, "ipcshim: %s\n", error.what());
        }
        std::fflush(nullptr);
        ::_exit(code);
    }
    // The exit code; 128 and the number of the signal if that ended it.
    int finish(pid_t child) {
        int status = 0;
        EXPECT_EQ(::waitpid(child, &status, 0), child);
        std::erase(children, child);
        return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    }
    // Starts a command that waits for events, until it can be reached.
    pid_t start_waiting(const std::string& name, std::vector<std::string> words) {
        const pid_t child = start(name, std::move(words));
        std::error_code error;
        while (!mine.is_handled(event_code::recv_pipe, child, error)) {
            if (::waitpid(child, nullptr, WNOHANG) != 0) {
                ADD_FAILURE() << name << " ended: " << content(name + ".err");
                break;
            }
            ::sched_yield();
        }
        return child;
    }

    port mine = port::open();
    fs::path folder;
    std::vector<pid_t> children;
};

} // namespace ipcshim::tools::test

#endif
