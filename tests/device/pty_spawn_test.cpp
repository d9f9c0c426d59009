// SPDX-License-Identifier: MIT
// Commands on a pseudo terminal of the library: what they find, how they end,
// and what is left of them. They are applets of busybox.
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>

#include <array>
#include <filesystem>
#include <set>
#include <sstream>

#include "pty_support.hpp"

namespace {

using ipcshim::bytes_of;
using ipcshim::child_end;
using ipcshim::how;

class PtySpawn : public ::testing::Test {
protected:
    static ipcshim::command shell(const std::string& script) {
        return {.arguments = {"sh", "-c", script}};
    }
    // All that comes up to the end of the slave.
    std::string rest() const {
        std::string text;
        std::array<std::byte, 4'096> bytes{};
        while (const auto count = pty.read(bytes))
            text.append(reinterpret_cast<const char*>(bytes.data()), count);
        return text;
    }
    // Reads up to these words.
    std::string until(const std::string& words) const {
        std::string text;
        while (text.find(words) == std::string::npos) {
            std::array<std::byte, 4'096> bytes{};
            const auto count = pty.read(bytes);
            if (count == 0) {
                ADD_FAILURE() << "no '" << words << "' in '" << text << "'";
                break;
            }
            text.append(reinterpret_cast<const char*>(bytes.data()), count);
        }
        return text;
    }
    // A field of /proc/PID/stat, counted from 1, behind the name.
    static long stat_field(pid_t pid, int number) {
        const auto text = test::file_content("/proc/" + std::to_string(pid) + "/stat");
        std::istringstream fields(text.substr(text.rfind(')') + 2));
        std::string field;
        for (int i = 3; i <= number; i++)
            fields >> field;
        return std::stol(field);
    }
    static bool no_child_is_left() {
        return ::waitpid(-1, nullptr, WNOHANG) < 0 && errno == ECHILD;
    }

    ipcshim::port port = ipcshim::port::open();
    ipcshim::pty pty = port.open_pty({.size = {24, 80, 0, 0}});
};

// --- what it finds ----------------------------------------------------------------

TEST_F(PtySpawn, ItLeadsASessionWithTheSlaveAsItsTerminal) {
    auto child = pty.spawn({.arguments = {"cat"}});
    const pid_t pid = child.pid();
    struct stat node {};
    ASSERT_EQ(::stat(pty.slave_path().c_str(), &node), 0);
    EXPECT_EQ(stat_field(pid, 5), pid) << "process group";
    EXPECT_EQ(stat_field(pid, 6), pid) << "session";
    // major in bits 8 to 15, minor in the others
    EXPECT_EQ(stat_field(pid, 7),
              static_cast<long>((minor(node.st_rdev) & 0xffU) | major(node.st_rdev) << 8U |
                                (minor(node.st_rdev) & ~0xffU) << 12U));
    EXPECT_EQ(stat_field(pid, 8), pid) << "in the foreground";
    EXPECT_EQ(pty.foreground(), pid);
    pty.write(bytes_of("\4"));
    EXPECT_EQ(child.wait(), (child_end{how::exited, 0}));
}

TEST_F(PtySpawn, ItKnowsTheNameAndTheSizeOfItsTerminal) {
    auto child = pty.spawn(shell("tty; stty size; test -t 0 -a -t 1 -a -t 2 && echo three"));
    EXPECT_EQ(rest(), pty.slave_path() + "\r\n24 80\r\nthree\r\n");
    EXPECT_TRUE(child.wait().is_success());
}

TEST_F(PtySpawn, NoDescriptorLeaksIntoIt) {
    // All kinds, and none of them O_CLOEXEC.
    const test::unique_fd master(CHECK_CALL(::dup(pty.fd())));
    const test::unique_fd high(CHECK_CALL(::fcntl(pty.fd(), F_DUPFD, 700)));
    const test::unique_fd device(CHECK_CALL(::open(IPCSHIM_DEVICE, O_RDWR)));
    const test::unique_fd null(CHECK_CALL(::open("/dev/null", O_RDWR)));
    const auto pair = test::raw_pair();
    CHECK_CALL(::fcntl(pair.sender.fd(), F_SETFD, 0));
    auto child = pty.spawn({.arguments = {"cat"}});
    std::set<std::string> found;
    for (const auto& entry :
         std::filesystem::directory_iterator("/proc/" + std::to_string(child.pid()) + "/fd")) {
        found.insert(entry.path().filename());
        EXPECT_EQ(std::filesystem::read_symlink(entry.path()), pty.slave_path());
    }
    EXPECT_EQ(found, (std::set<std::string>{"0", "1", "2"}));
    child.kill(SIGKILL);
    child.wait();
    EXPECT_EQ(rest(), "") << "and nobody else has the slave";
}

TEST_F(PtySpawn, SignalsAreAsNew) {
    test::block({SIGTERM, SIGINT, SIGRTMIN + 3});
    for (const int signo : {SIGQUIT, SIGPIPE, SIGTSTP})
        ASSERT_NE(::signal(signo, SIG_IGN), SIG_ERR);
    auto child = pty.spawn({.arguments = {"cat"}});
    std::istringstream text(test::file_content("/proc/" + std::to_string(child.pid()) + "/status"));
    int seen = 0;
    for (std::string line; std::getline(text, line);)
        if (line.starts_with("SigBlk:") || line.starts_with("SigIgn:")) {
            EXPECT_EQ(std::stoull(line.substr(7), nullptr, 16), 0U) << line;
            seen++;
        }
    EXPECT_EQ(seen, 2);
    // Those of the caller are as they were.
    sigset_t mine{};
    ASSERT_EQ(::pthread_sigmask(SIG_SETMASK, nullptr, &mine), 0);
    EXPECT_EQ(::sigismember(&mine, SIGTERM), 1);
    EXPECT_EQ(::sigismember(&mine, SIGUSR1), 0);
    child.kill(SIGTERM);
    EXPECT_EQ(child.wait(), (child_end{how::killed, SIGTERM}));
}

TEST_F(PtySpawn, EnvironmentDirectoryAndName) {
    CHECK_CALL(::setenv("MINE", "here", 1));
    auto child = pty.spawn({.arguments = {"-sh", "-c", "echo $0 $MINE $TERM; pwd"},
                            .program = "/bin/sh",
                            .extra_environment = {"TERM=dumb"},
                            .directory = "/tmp"});
    EXPECT_EQ(rest(), "-sh here dumb\r\n/tmp\r\n");
    EXPECT_TRUE(child.wait().is_success());
    child = pty.spawn({.arguments = {"/bin/sh", "-c", "echo \"$MINE|$ONLY\""},
                       .environment = {{"ONLY=this", "PATH=/bin"}}});
    EXPECT_EQ(rest(), "|this\r\n");
    EXPECT_TRUE(child.wait().is_success());
}

// Where no path leads to the slave it is opened without one.
TEST_F(PtySpawn, WithoutANodeItIsATerminalAllTheSame) {
    test::process other([](const test::line&) {
        const auto its_port = ipcshim::port::open();
        CHECK_CALL(::unshare(CLONE_NEWNS));
        CHECK_CALL(::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr));
        CHECK_CALL(::mount("none", "/dev", "tmpfs", 0, nullptr));
        const auto its_pty = its_port.open_pty();
        CHECK(!std::filesystem::exists(its_pty.slave_path()));
        auto child = its_pty.spawn(shell("test -t 0 && echo a terminal"));
        CHECK(test::take(its_pty.fd(), 12) == "a terminal\r\n");
        CHECK(child.wait().is_success());
    });
    other.join();
}

TEST_F(PtySpawn, WhatCanNotBeExecutedIsReported) {
    const auto error_of = [this](const ipcshim::command& what) {
        try {
            static_cast<void>(pty.spawn(what));
        } catch (const std::system_error& error) {
            return error.code().value();
        }
        return 0;
    };
    EXPECT_EQ(error_of({.arguments = {"/no/such/program"}}), ENOENT);
    EXPECT_EQ(error_of({.arguments = {"no-such-program"}}), ENOENT);
    EXPECT_EQ(error_of({.arguments = {"/etc/passwd"}}), EACCES);
    EXPECT_EQ(error_of({.arguments = {"cat"}, .directory = "/no/such/place"}), ENOENT);
    EXPECT_EQ(error_of({}), EINVAL);
    EXPECT_EQ(error_of({.arguments = {std::string("c\0t", 3)}}), EINVAL);
    pty.lock();
    EXPECT_EQ(error_of({.arguments = {"cat"}}), EIO);
    pty.unlock();
    EXPECT_TRUE(no_child_is_left());
    // And the pty is as good as before.
    auto child = pty.spawn(shell("echo fine"));
    EXPECT_EQ(rest(), "fine\r\n");
    EXPECT_TRUE(child.wait().is_success());
}

TEST_F(PtySpawn, OneTerminalControlsOneSession) {
    auto child = pty.spawn({.arguments = {"cat"}});
    try {
        static_cast<void>(pty.spawn({.arguments = {"cat"}}));
        ADD_FAILURE() << "a second leader";
    } catch (const std::system_error& error) {
        EXPECT_EQ(error.code().value(), EPERM) << error.what();
    }
    pty.write(bytes_of("\4"));
    EXPECT_TRUE(child.wait().is_success());
    child = pty.spawn({.arguments = {"true"}});
    EXPECT_TRUE(child.wait().is_success()) << "and one after another";
}

// --- while it runs ----------------------------------------------------------------

TEST_F(PtySpawn, AResizeIsSeen) {
    auto child = pty.spawn(shell("trap 'stty size; kill $!; exit 3' WINCH; sleep 1000 &"
                                 " echo ready; wait"));
    until("ready\r\n");
    pty.resize({30, 90, 0, 0});
    EXPECT_EQ(until("\n"), "30 90\r\n");
    EXPECT_EQ(child.wait(), (child_end{how::exited, 3}));
}

TEST_F(PtySpawn, KeysAndSignalsEndIt) {
    auto child = pty.spawn({.arguments = {"cat"}});
    EXPECT_FALSE(child.try_wait());
    EXPECT_FALSE(child.wait(std::chrono::steady_clock::now()));
    pty.write(bytes_of("\3"));
    EXPECT_EQ(child.wait(), (child_end{how::killed, SIGINT}));
    EXPECT_EQ(child.wait(), (child_end{how::killed, SIGINT})) << "the same answer again";
    EXPECT_EQ(child.try_wait(), (child_end{how::killed, SIGINT}));
    EXPECT_EQ(rest(), "^C");

    child = pty.spawn({.arguments = {"cat"}});
    pty.signal_foreground(SIGQUIT);
    EXPECT_EQ(child.wait(), (child_end{how::killed, SIGQUIT}));

    child = pty.spawn({.arguments = {"cat"}});
    child.kill(SIGKILL);
    EXPECT_EQ(child.wait(), (child_end{how::killed, SIGKILL}));
    std::error_code error;
    child.kill(SIGKILL, error);
    EXPECT_EQ(error.value(), ESRCH);

    child = pty.spawn({.arguments = {"cat"}});
    pty.close();
    EXPECT_EQ(child.wait(), (child_end{how::killed, SIGHUP}));
    EXPECT_TRUE(no_child_is_left());
}

TEST_F(PtySpawn, AChildThatIgnoresTheHangupReadsTheEnd) {
    auto child = pty.spawn(shell("trap '' HUP; echo ready; cat; exit 5"));
    until("ready\r\n");
    pty.close();
    EXPECT_EQ(child.wait(), (child_end{how::exited, 5}));
}

// --- its end ----------------------------------------------------------------------

TEST_F(PtySpawn, ItsEndCanBeTakenWhileItsOutputIsPending) {
    auto child =
        pty.spawn(shell("i=0; while [ $i -lt 1000 ]; do echo $i; i=$((i+1)); done; exit 9"));
    EXPECT_EQ(child.wait(), (child_end{how::exited, 9}));
    std::string wanted;
    for (int i = 0; i < 1'000; i++)
        wanted += std::to_string(i) + "\r\n";
    EXPECT_EQ(rest(), wanted);
    EXPECT_EQ(rest(), "");
}

TEST_F(PtySpawn, MoreThanTheBuffersHoldComesWhole) {
    auto child = pty.spawn(shell("yes 0123456789 | head -n 8000"));
    const auto text = rest();
    EXPECT_EQ(text.size(), 8'000U * 12);
    EXPECT_EQ(text.find_first_not_of("0123456789\r\n"), std::string::npos);
    EXPECT_TRUE(child.wait().is_success());
}

TEST_F(PtySpawn, TheEndComesAfterWhoeverHasTheSlaveBesides) {
    auto child = pty.spawn(shell("setsid sh -c 'sleep 1000 & echo left $!'; true"));
    const auto pid = static_cast<pid_t>(std::stol(until("\r\n").substr(5)));
    EXPECT_TRUE(child.wait().is_success());
    pty.set_nonblocking(true);
    EXPECT_EQ(test::read_error(pty.fd()), EAGAIN);
    CHECK_CALL(::kill(pid, SIGKILL));
    pty.set_nonblocking(false);
    EXPECT_EQ(rest(), "");
}

TEST_F(PtySpawn, TheDescriptorOfAChildTellsOfItsEnd) {
    auto child = pty.spawn({.arguments = {"cat"}});
    pollfd what{child.fd(), POLLIN, 0};
    EXPECT_EQ(::poll(&what, 1, 0), 0);
    pty.write(bytes_of("\4"));
    EXPECT_EQ(::poll(&what, 1, -1), 1);
    EXPECT_TRUE(child.try_wait().has_value());
    EXPECT_TRUE(no_child_is_left());
}

TEST_F(PtySpawn, ADestroyedChildLeavesNoZombieAndDoesNotBlock) {
    {
        const auto ended = pty.spawn({.arguments = {"true"}});
        pollfd what{ended.fd(), POLLIN, 0};
        EXPECT_EQ(::poll(&what, 1, -1), 1);
    }
    EXPECT_TRUE(no_child_is_left());
    pid_t pid = 0;
    {
        const auto running = pty.spawn({.arguments = {"cat"}});
        pid = running.pid();
    }
    EXPECT_EQ(::kill(pid, 0), 0) << "it runs on";
    pty.close();
    // The hangup ends it, and the library takes its end.
    test::wait_until([&] { return ::kill(pid, 0) < 0; });
}

TEST_F(PtySpawn, FromManyThreadsAtOnce) {
    std::vector<std::unique_ptr<test::worker>> all;
    for (int i = 0; i < 4; i++)
        all.push_back(std::make_unique<test::worker>([] {
            const auto its_port = ipcshim::port::open();
            for (int round = 0; round < 3; round++) {
                const auto its_pty = its_port.open_pty();
                auto child = its_pty.spawn({.arguments = {"cat"}});
                its_pty.write(bytes_of("\4"));
                CHECK(child.wait().is_success());
                std::array<std::byte, 16> room{};
                // Nobody else's command has this slave.
                CHECK(its_pty.read(room) == 0);
            }
        }));
    for (auto& one : all)
        one->join();
    EXPECT_TRUE(no_child_is_left());
}

} // namespace
