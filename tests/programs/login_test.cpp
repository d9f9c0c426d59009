// SPDX-License-Identifier: MIT
// agetty(8) and login(1) on a line, as on a serial console.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <pwd.h>
#include <sys/stat.h>

#include <csignal>
#include <cstdlib>

#include "terminal.hpp"

namespace {

using test::control;

class Login : public testing::Test {
protected:
    static constexpr const char* password = "open sesame";

    void SetUp() override {
        // The day it was set, then no rules of when to change it.
        constexpr const char* command =
            "printf 'alice:%s:20000::::::\\n' \"$(mkpasswd -m sha512 'open sesame')\" >/etc/shadow";
        ASSERT_EQ(std::system(command), 0);
        ASSERT_THAT(test::content_of("/etc/shadow"), testing::StartsWith("alice:$6$"));
    }

    // Waits for somebody to log in, as init would have it do.
    void start_getty() {
        const auto name = terminal_.slave_path().substr(std::string("/dev/").size());
        getty_ = test::terminal::start_detached({"/sbin/agetty", "--noissue", name, "xterm"});
        terminal_.wait_until("a login prompt", [&] { return asks("login:"); });
    }

    void log_in() {
        terminal_.type("alice\r");
        terminal_.wait_until("the question for the password", [&] { return asks("Password:"); });
        terminal_.type(std::string(password) + "\r");
        terminal_.wait_until("the prompt of a shell", [&] { return asks("$"); });
    }

    // The row with the cursor ends so.
    [[nodiscard]] bool asks(const std::string& question) {
        const auto row = terminal_.seen().row(terminal_.seen().cursor_row());
        return row.size() >= question.size() &&
               row.compare(row.size() - question.size(), question.size(), question) == 0;
    }

    [[nodiscard]] static std::string owner_of(const std::string& path) {
        struct stat status {};
        if (::stat(path.c_str(), &status) != 0)
            return "nobody: no such file";
        return std::to_string(status.st_uid) + (status.st_mode & 0077 ? " and others" : "");
    }

    test::terminal terminal_;
    std::unique_ptr<test::program> getty_;
};

TEST_F(Login, AWrongPasswordIsRefusedAndARightOneGivesAShell) {
    start_getty();
    EXPECT_EQ(owner_of(terminal_.slave_path()), "0");
    terminal_.type("alice\r");
    terminal_.wait_until("the question for the password", [&] { return asks("Password:"); });
    terminal_.type("guessed\r");
    terminal_.wait_for_row("Login incorrect");
    terminal_.wait_until("a login prompt", [&] { return asks("login:"); });
    terminal_.expect("no password was shown", !terminal_.seen().shows("guessed"));

    log_in();
    terminal_.expect("no password was shown", !terminal_.seen().shows("sesame"));
    terminal_.type("tty; id -un\r");
    terminal_.wait_for_row(terminal_.slave_path());
    terminal_.wait_for_row("alice");
    EXPECT_EQ(owner_of(terminal_.slave_path()), "1000");

    // Job control, on a line that getty opened.
    terminal_.type("clear; sleep 1000\r");
    terminal_.wait_for_foreground("sleep");
    terminal_.type(control('c'));
    terminal_.wait_until("the prompt of a shell", [&] { return asks("$"); });

    terminal_.type("exit\r");
    EXPECT_EQ(terminal_.wait_for_end(*getty_), "exited with code 0");
    terminal_.wait_for_hangup();

    // The next one asks for the next user.
    terminal_.type("\r"); // nobody is there to read it
    start_getty();
    EXPECT_EQ(owner_of(terminal_.slave_path()), "0");
}

TEST_F(Login, ThePulledCableEndsTheSession) {
    start_getty();
    log_in();
    terminal_.type("echo $$ is the shell\r");
    pid_t shell = 0;
    terminal_.wait_until("the shell's pid", [&] {
        for (const auto& row : terminal_.seen().rows()) {
            if (row.find(" is the shell") != std::string::npos && std::isdigit(row[0]) != 0)
                shell = std::stoi(row);
        }
        return shell > 0;
    });
    ASSERT_FALSE(test::has_ended(shell));
    const auto path = terminal_.slave_path();
    terminal_.unplug();
    static_cast<void>(terminal_.wait_for_end(*getty_));
    terminal_.wait_until("the shell's end", [&] { return test::has_ended(shell); });
    EXPECT_EQ(owner_of(path), "nobody: no such file");
}

} // namespace
