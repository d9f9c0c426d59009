// SPDX-License-Identifier: MIT
// Who may open a slave: not while it is locked, not while somebody has it for
// exclusive use, and its owner alone by its node.
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "pty_support.hpp"

namespace {

using test::ioctl_error;
using test::put;
using test::take;
using test::terminal;

class PtyExclusive : public test::pty_test {};
ON_BOTH_KINDS_OF_PTY(PtyExclusive);

constexpr uid_t somebody = 4711;

int set_lock(int master, int on) {
    return ::ioctl(master, TIOCSPTLCK, &on) < 0 ? errno : 0;
}

int flag(int fd, unsigned long number) {
    int value = -1;
    CHECK_CALL(::ioctl(fd, number, &value));
    return value;
}

// --- TIOCEXCL -------------------------------------------------------------------

TEST_P(PtyExclusive, TIOCEXCLOnTheSlaveRefusesOthers) {
    test::process user([](const test::line&) {
        test::become(somebody);
        terminal pair(GetParam());
        CHECK(flag(pair.slave.get(), TIOCGEXCL) == 0);
        CHECK(ioctl_error(pair.slave.get(), TIOCEXCL, 0) == 0);
        CHECK(flag(pair.slave.get(), TIOCGEXCL) == 1);
        CHECK(pair.peer_error() == EBUSY);
        CHECK(pair.node_error() == EBUSY);
        // Who has it goes on.
        put(pair.slave.get(), "x");
        CHECK(take(pair.master.get(), 1) == "x");
        CHECK(ioctl_error(pair.slave.get(), TIOCNXCL, 0) == 0);
        CHECK(pair.peer_error() == 0);
        CHECK(pair.node_error() == 0);
    });
    user.join();
}

TEST_P(PtyExclusive, CAP_SYS_ADMINOpensItAllTheSame) {
    const terminal pair(GetParam());
    ASSERT_EQ(ioctl_error(pair.slave.get(), TIOCEXCL, 0), 0);
    EXPECT_EQ(pair.peer_error(), 0);
    EXPECT_EQ(pair.node_error(), 0);
}

TEST_P(PtyExclusive, TIOCEXCLOnTheMasterIsOfTheMasterAlone) {
    test::process user([](const test::line&) {
        test::become(somebody);
        const terminal pair(GetParam(), false);
        CHECK(flag(pair.master.get(), TIOCGEXCL) == 0);
        CHECK(ioctl_error(pair.master.get(), TIOCEXCL, 0) == 0);
        CHECK(flag(pair.master.get(), TIOCGEXCL) == 1);
        const auto slave = pair.peer();
        CHECK(flag(slave.get(), TIOCGEXCL) == 0);
        CHECK(pair.node_error() == 0);
        CHECK(ioctl_error(pair.master.get(), TIOCNXCL, 0) == 0);
        CHECK(flag(pair.master.get(), TIOCGEXCL) == 0);
    });
    user.join();
}

// --- locked ---------------------------------------------------------------------

TEST_P(PtyExclusive, ALockedSlaveCanNotBeOpened) {
    const terminal pair(GetParam());
    EXPECT_EQ(flag(pair.master.get(), TIOCGPTLCK), 0);
    ASSERT_EQ(set_lock(pair.master.get(), 1), 0);
    EXPECT_EQ(flag(pair.master.get(), TIOCGPTLCK), 1);
    EXPECT_EQ(pair.peer_error(), EIO);
    EXPECT_EQ(pair.node_error(), EIO);
    // Who has it open goes on. (On devpts these failures have put an end to it.)
    if (GetParam() == test::pty_kind::module) {
        put(pair.slave.get(), "x");
        EXPECT_EQ(take(pair.master.get(), 1), "x");
    }
    ASSERT_EQ(set_lock(pair.master.get(), 0), 0);
    EXPECT_EQ(pair.peer_error(), 0);
    EXPECT_EQ(pair.node_error(), 0);
}

TEST_P(PtyExclusive, ARefusedOpenIsNoOpen) {
    terminal pair(GetParam(), false);
    test::nonblocking(pair.master.get());
    ASSERT_EQ(set_lock(pair.master.get(), 1), 0);
    EXPECT_EQ(pair.peer_error(), EIO);
    if (GetParam() == test::pty_kind::module) {
        EXPECT_EQ(test::read_error(pair.master.get()), EAGAIN) << "never opened";
        EXPECT_EQ(test::polled(pair.master.get()) & POLLHUP, 0);
    }
    ASSERT_EQ(set_lock(pair.master.get(), 0), 0);
    pair.slave = pair.peer();
    EXPECT_EQ(test::read_error(pair.master.get()), EAGAIN);
}

TEST_P(PtyExclusive, TheseCallsAreOfTheMasterAlone) {
    const terminal pair(GetParam());
    unsigned int number = 0;
    EXPECT_EQ(set_lock(pair.slave.get(), 1), ENOTTY);
    EXPECT_EQ(::ioctl(pair.slave.get(), TIOCGPTLCK, &number), -1);
    EXPECT_EQ(::ioctl(pair.slave.get(), TIOCGPTN, &number), -1);
    EXPECT_EQ(ioctl_error(pair.master.get(), TIOCSPTLCK, 8), EFAULT);
    EXPECT_EQ(ioctl_error(pair.master.get(), TIOCGPTLCK, 8), EFAULT);
    EXPECT_EQ(ioctl_error(pair.master.get(), TIOCGPTN, 8), EFAULT);
    EXPECT_EQ(ioctl_error(pair.master.get(), TIOCGEXCL, 8), EFAULT);
}

TEST(PtyOfOurs, IsNotLockedAtFirst) {
    const terminal pair(test::pty_kind::module, false);
    EXPECT_EQ(flag(pair.master.get(), TIOCGPTLCK), 0);
}

// --- the node -------------------------------------------------------------------

TEST_P(PtyExclusive, TheNodeIsItsOwners) {
    test::process user([&](const test::line& parent) {
        test::become(somebody);
        const terminal pair(GetParam());
        struct stat node {};
        CHECK_CALL(::stat(pair.path.c_str(), &node));
        CHECK(S_ISCHR(node.st_mode) && node.st_uid == somebody && node.st_gid == somebody);
        CHECK((node.st_mode & 07177) == 0); // others have no rights
        struct stat by_peer {};
        CHECK_CALL(::fstat(pair.slave.get(), &by_peer));
        CHECK(by_peer.st_rdev == node.st_rdev);
        parent.put(pair.index);
        static_cast<void>(parent.get());
    });
    const auto index = user.get();
    test::process other([&](const test::line&) {
        test::become(somebody + 1);
        const auto path = (GetParam() == test::pty_kind::module ? "/dev/ttyIPC" : "/dev/pts/") +
                          std::to_string(index);
        CHECK(::open(path.c_str(), O_RDWR | O_NOCTTY | O_CLOEXEC) < 0 && errno == EACCES);
    });
    other.join();
    user.put(1);
    user.join();
}

TEST_P(PtyExclusive, TIOCGPTPEERNeedsNoPath) {
    const terminal pair(GetParam(), false);
    test::process other([&](const test::line&) {
        CHECK_CALL(::unshare(CLONE_NEWNS));
        CHECK_CALL(::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr));
        CHECK_CALL(::mount("none", "/dev", "tmpfs", 0, nullptr));
        CHECK(pair.node_error() == ENOENT);
        const auto slave = pair.peer();
        put(slave.get(), "hello");
    });
    other.join();
    EXPECT_EQ(take(pair.master.get(), 5), "hello");
}

TEST_P(PtyExclusive, AnotherUserWhoHasTheMasterOpensTheSlaveByIt) {
    const terminal pair(GetParam(), false);
    test::process other([&](const test::line&) {
        test::become(somebody);
        CHECK(pair.node_error() == EACCES);
        const auto slave = pair.peer();
        put(slave.get(), "hello");
    });
    other.join();
    EXPECT_EQ(take(pair.master.get(), 5), "hello");
}

} // namespace
