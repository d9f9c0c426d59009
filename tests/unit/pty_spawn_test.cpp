// SPDX-License-Identifier: MIT
//
// How the slave is opened for a command, and what becomes of failures.
#include <gtest/gtest.h>

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>

#include <string>
#include <vector>

#include "fake_kernel.hpp"

namespace {

using namespace ipcshim;
using namespace ipcshim::test;

constexpr unsigned major_number = 0x123;
constexpr unsigned minor_number = 0x4567;
// As the kernel tells it: the minor around the major.
constexpr unsigned device =
    (minor_number & 0xffU) | (major_number << 8U) | ((minor_number & ~0xffU) << 12U);

class pty_spawn : public ::testing::Test {
protected:
    pty_spawn() {
        kernel.on<unsigned>(TIOCGDEV, [](int, unsigned& raw) {
            raw = device;
            return 0;
        });
        kernel.on_open = [this](const char* path, int flags) {
            opened.push_back({path, flags});
            return kernel.make_fd();
        };
        kernel.on_fstat = [](int, struct ::stat& found) {
            found.st_mode = S_IFCHR;
            found.st_rdev = makedev(major_number, minor_number);
            return 0;
        };
        kernel.on_number(TIOCGPTPEER, [this](int, std::uintptr_t flags) {
            peer_flags = static_cast<int>(flags);
            return terminal = kernel.make_fd();
        });
        kernel.on_start = [this](const detail::child_plan& plan, int& pidfd,
                                 detail::child_failure&) {
            started = plan.terminal;
            EXPECT_TRUE(kernel.open_fds().contains(plan.terminal));
            pidfd = kernel.make_fd();
            return 321;
        };
        kernel.on_wait_child = [](int, siginfo_t& info, int) {
            info.si_pid = 321;
            info.si_code = CLD_EXITED;
            return 0;
        };
    }
    ~pty_spawn() override {
        master.close();
        EXPECT_TRUE(kernel.open_fds().empty()) << "a descriptor leaked";
        EXPECT_EQ(kernel.bad_closes(), 0) << "a descriptor was closed twice";
    }
    void fails_at(detail::child_step step, int error) {
        kernel.on_start = [=](const detail::child_plan&, int&, detail::child_failure& failure) {
            failure = {.step = step, .error = error};
            return -error;
        };
    }
    std::string sentence_of_failure() {
        return thrown<std::system_error>(
            [this] { (void)master.spawn({.arguments = {"ls"}, .directory = "/tmp/none"}); });
    }

    struct open_call {
        std::string path;
        int flags = 0;
    };
    fake_kernel kernel;
    pty master{detail::handle(kernel, kernel.make_fd()),
               {.index = 3, .inode = 41, .slave_inode = 42}};
    std::vector<open_call> opened;
    int peer_flags = 0;
    int terminal = -1;
    int started = -1;
};

TEST_F(pty_spawn, opens_the_node_so_that_ttyname_knows_it) {
    child one = master.spawn({.arguments = {"ls"}});
    EXPECT_EQ(one.pid(), 321);
    ASSERT_EQ(opened.size(), 2U);
    EXPECT_EQ(opened[0].path, "/dev/ttyIPC3");
    EXPECT_EQ(opened[0].flags, O_PATH | O_CLOEXEC) << "first a look that does nothing to it";
    EXPECT_EQ(opened[1].path, "/dev/ttyIPC3");
    EXPECT_EQ(opened[1].flags, O_RDWR | O_NOCTTY | O_CLOEXEC);
    EXPECT_EQ(peer_flags, 0) << "no second open";
    EXPECT_EQ(kernel.open_fds().size(), 2U) << "master and pidfd: no slave stays open here";
    EXPECT_TRUE(one.wait().is_success());
}

TEST_F(pty_spawn, without_a_node_it_opens_without_a_path) {
    kernel.on_open = [](const char*, int) { return -ENOENT; };
    const child one = master.spawn({.arguments = {"ls"}});
    EXPECT_EQ(peer_flags, O_RDWR | O_NOCTTY | O_CLOEXEC);
    EXPECT_EQ(started, terminal);
    EXPECT_EQ(kernel.open_fds().size(), 2U);
}

TEST_F(pty_spawn, a_node_of_another_device_is_left_alone) {
    kernel.on_fstat = [](int, struct ::stat& found) {
        found.st_mode = S_IFCHR;
        found.st_rdev = makedev(major_number, minor_number + 1);
        return 0;
    };
    const child one = master.spawn({.arguments = {"ls"}});
    EXPECT_EQ(opened.size(), 1U) << "only looked at";
    EXPECT_EQ(started, terminal);
}

TEST_F(pty_spawn, a_file_in_the_place_of_the_node_is_left_alone) {
    kernel.on_fstat = [](int, struct ::stat& found) {
        found.st_mode = S_IFREG;
        found.st_rdev = makedev(major_number, minor_number);
        return 0;
    };
    const child one = master.spawn({.arguments = {"ls"}});
    EXPECT_EQ(opened.size(), 1U);
    EXPECT_EQ(started, terminal);
}

TEST_F(pty_spawn, a_node_that_changes_between_two_looks_is_not_taken) {
    int looks = 0;
    kernel.on_fstat = [&](int, struct ::stat& found) {
        found.st_mode = S_IFCHR;
        found.st_rdev = makedev(major_number, minor_number + static_cast<unsigned>(looks++));
        return 0;
    };
    const child one = master.spawn({.arguments = {"ls"}});
    EXPECT_EQ(looks, 2);
    EXPECT_EQ(started, terminal);
    EXPECT_EQ(kernel.open_fds().size(), 2U);
}

TEST_F(pty_spawn, a_node_of_another_user_is_gone_around) {
    kernel.on_open = [this](const char*, int flags) {
        return (static_cast<unsigned>(flags) & unsigned{O_PATH}) != 0 ? kernel.make_fd() : -EACCES;
    };
    const child one = master.spawn({.arguments = {"ls"}});
    EXPECT_EQ(started, terminal);
}

TEST_F(pty_spawn, a_locked_one_starts_nothing) {
    kernel.on_open = [this](const char*, int flags) {
        return (static_cast<unsigned>(flags) & unsigned{O_PATH}) != 0 ? kernel.make_fd() : -EIO;
    };
    kernel.refuse(TIOCGPTPEER, EIO);
    EXPECT_TRUE(sentence_of_failure().starts_with("cannot open /dev/ttyIPC3: it is locked"))
        << sentence_of_failure();
    EXPECT_EQ(started, -1);
}

TEST_F(pty_spawn, a_command_that_cannot_be_opens_nothing) {
    EXPECT_EQ(thrown_errno([&] { (void)master.spawn({}); }), EINVAL);
    EXPECT_TRUE(opened.empty());
    EXPECT_EQ(started, -1);
}

TEST_F(pty_spawn, each_step_that_fails_is_named) {
    fails_at(detail::child_step::program, ENOENT);
    EXPECT_TRUE(sentence_of_failure().starts_with(
        "cannot run 'ls': there is no such program, or its interpreter is missing"))
        << sentence_of_failure();
    fails_at(detail::child_step::directory, ENOENT);
    EXPECT_TRUE(sentence_of_failure().starts_with(
        "cannot change to the directory '/tmp/none': there is no such directory"))
        << sentence_of_failure();
    fails_at(detail::child_step::terminal, EPERM);
    EXPECT_TRUE(
        sentence_of_failure().starts_with("cannot make /dev/ttyIPC3 a controlling terminal"))
        << sentence_of_failure();
    fails_at(detail::child_step::process, EAGAIN);
    EXPECT_TRUE(sentence_of_failure().starts_with("cannot start a process for 'ls': this user has"))
        << sentence_of_failure();
    fails_at(detail::child_step::descriptors, EMFILE);
    EXPECT_TRUE(sentence_of_failure().starts_with("cannot start a process for 'ls': "))
        << sentence_of_failure();
    EXPECT_EQ(kernel.open_fds().size(), 1U) << "the master alone";
}

} // namespace
