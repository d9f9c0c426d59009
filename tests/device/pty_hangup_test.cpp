// SPDX-License-Identifier: MIT
// The master closed, or its process killed: what becomes of those who have the
// slave, and of its names. And the slave's side gone while the master waits.
#include <sys/wait.h>

#include <filesystem>

#include "pty_support.hpp"

namespace {

using test::polled;
using test::put;
using test::read_error;
using test::terminal;
using test::worker;
using test::write_error;

class PtyHangup : public test::pty_test {
protected:
    void SetUp() override { test::make_raw(slave()); }
    int master() const { return pair.master.get(); }
    int slave() const { return pair.slave.get(); }
    void expect_hung_up(int fd) const {
        EXPECT_EQ(read_error(fd), -1);
        EXPECT_EQ(write_error(fd), EIO);
        EXPECT_EQ(polled(fd) & (POLLIN | POLLOUT | POLLHUP | POLLERR),
                  POLLIN | POLLOUT | POLLHUP | POLLERR);
        termios line{};
        EXPECT_EQ(::tcgetattr(fd, &line), -1);
        EXPECT_EQ(errno, EIO);
        EXPECT_EQ(::isatty(fd), 0);
        EXPECT_EQ(test::ioctl_error(fd, TIOCSCTTY, 0), EIO);
        EXPECT_EQ(test::ioctl_error(fd, TCFLSH, TCIOFLUSH), EIO);
    }
    terminal pair{GetParam()};
};
ON_BOTH_KINDS_OF_PTY(PtyHangup);

TEST_P(PtyHangup, TheSlaveWorksNoMoreWhenTheMasterIsClosed) {
    const auto second = pair.node();
    put(master(), "never read");
    test::wait_for(slave(), POLLIN);
    pair.master.reset();
    expect_hung_up(slave());
    expect_hung_up(second.get());
}

TEST_P(PtyHangup, AMasterIsClosedByItsLastCopyOnly) {
    test::unique_fd copy(CHECK_CALL(::dup(master())));
    auto holder = test::keeper_without(pair.slave, copy);
    static_cast<void>(holder.get());
    pair.master.reset();
    EXPECT_EQ(polled(slave()) & POLLHUP, 0);
    copy.reset();
    EXPECT_EQ(polled(slave()) & POLLHUP, 0);
    holder.put(1);
    holder.join();
    expect_hung_up(slave());
}

TEST_P(PtyHangup, ASlaveThatAForkedChildKeptIsHungUpToo) {
    test::process keeper([&](const test::line& parent) {
        pair.master.reset();
        parent.put(1);
        static_cast<void>(parent.get());
        CHECK(read_error(slave()) == -1);
        CHECK(write_error(slave()) == EIO);
    });
    static_cast<void>(keeper.get());
    pair.slave.reset();
    EXPECT_EQ(polled(master()) & POLLHUP, 0);
    pair.master.reset();
    keeper.put(1);
    keeper.join();
}

TEST_P(PtyHangup, AReaderAndAWriterAndAPollerOfTheSlaveAreToldAtOnce) {
    static_cast<void>(test::fill(slave()));
    int read = 0;
    int written = 0;
    worker reader([&] { read = read_error(slave()); });
    worker writer([&] { written = write_error(slave()); });
    pollfd what{slave(), POLLIN, 0};
    worker poller([&] { CHECK(::poll(&what, 1, -1) == 1); });
    reader.wait_until_in(SYS_read, slave());
    // On devpts the last buffer may have been moved on since.
    if (GetParam() == test::pty_kind::module)
        writer.wait_until_in(SYS_write, slave());
    else
        writer.wait_until_idle();
    poller.wait_until_idle();
    pair.master.reset();
    reader.join();
    writer.join();
    poller.join();
    // One of devpts may be told EIO before the hangup.
    const bool exact = GetParam() == test::pty_kind::module;
    EXPECT_TRUE(read == -1 || (read == EIO && !exact)) << read;
    EXPECT_TRUE(written == EIO || (written == 0 && !exact)) << written;
    EXPECT_NE(what.revents & POLLHUP, 0);
}

// The process that has the master waits in both directions, the one with the
// slave too; then one of the two is killed.
TEST_P(PtyHangup, EitherSideIsKilledWhileAllWait) {
    for (const bool kill_master : {true, false}) {
        terminal both(GetParam());
        test::make_raw(both.slave.get());
        static_cast<void>(test::fill(both.master.get()));
        static_cast<void>(test::fill(both.slave.get()));
        const auto write_on = [](int fd) {
            std::string bytes(100'000, 'w');
            while (::write(fd, bytes.data(), bytes.size()) > 0) {
            }
        };
        // Each end belongs to one of these and to the test itself.
        test::process up([&](const test::line&) {
            both.master.reset();
            write_on(both.slave.get());
        });
        test::process down([&](const test::line&) {
            both.slave.reset();
            write_on(both.master.get());
        });
        const int master = both.master.get();
        const int slave = both.slave.get();
        test::wait_until_in(up.pid(), SYS_write, slave);
        test::wait_until_in(down.pid(), SYS_write, master);
        if (kill_master) {
            both.master.reset();
            EXPECT_EQ(polled(slave) & POLLHUP, 0);
            down.kill();
            up.join(); // its write came to an end
            expect_hung_up(slave);
        } else {
            both.slave.reset();
            EXPECT_EQ(polled(master) & POLLHUP, 0);
            up.kill();
            test::wait_until([&] { return (polled(master) & POLLHUP) != 0; });
            // What nobody reads is kept for who opens the slave next.
            test::wait_until_in(down.pid(), SYS_write, master);
            down.kill();
            EXPECT_GE(test::take(master, 4'000).size(), 4'000U);
            test::nonblocking(master);
            std::array<char, 4'096> left{};
            while (::read(master, left.data(), left.size()) > 0) {
            }
            EXPECT_EQ(read_error(master), EIO);
        }
    }
}

TEST_P(PtyHangup, AMasterClosedWithFullBuffersLeavesNothing) {
    static_cast<void>(test::fill(master()));
    static_cast<void>(test::fill(slave()));
    pair.master.reset();
    expect_hung_up(slave());
}

TEST_P(PtyHangup, TheLeaderGetsSIGHUPAndSIGCONT) {
    test::process leader([&](const test::line& parent) {
        pair.master.reset();
        test::block({SIGHUP, SIGCONT});
        test::lead_session(slave());
        const test::process member([](const test::line& line) {
            test::block({SIGHUP, SIGCONT});
            line.put(1);
            static_cast<void>(line.get());
            line.put(static_cast<std::uint64_t>(test::take_signal_now({SIGHUP, SIGCONT})));
        });
        static_cast<void>(member.get());
        parent.put(1);
        CHECK(test::take_signal({SIGHUP}) == SIGHUP);
        CHECK(test::take_signal({SIGCONT}) == SIGCONT);
        CHECK(::open("/dev/tty", O_RDWR | O_CLOEXEC) < 0 && errno == ENXIO);
        // The leader alone: it is for it to tell the others.
        member.put(1);
        CHECK(member.get() == 0);
    });
    static_cast<void>(leader.get());
    pair.master.reset();
    leader.join();
}

TEST_P(PtyHangup, AShellEndsWithItsTerminal) {
    test::process leader([&](const test::line& parent) {
        pair.master.reset();
        test::lead_session(slave());
        parent.put(1);
        static_cast<void>(::pause());
    });
    static_cast<void>(leader.get());
    pair.master.reset();
    const int status = leader.wait();
    EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGHUP) << status;
}

TEST_P(PtyHangup, AStoppedGroupInTheForegroundIsFreed) {
    // The leader ends by SIGHUP; then its stopped child is an orphan, which the
    // kernel hangs up and continues.
    test::process watcher([&](const test::line& parent) {
        pair.master.reset();
        test::block({SIGTTOU});
        test::lead_session(slave());
        const pid_t job = CHECK_CALL(::fork());
        if (job == 0) {
            CHECK_CALL(::setpgid(0, 0));
            CHECK_CALL(::raise(SIGSTOP));
            ::_exit(1);
        }
        CHECK(test::stopped_by(job) == SIGSTOP);
        CHECK_CALL(::tcsetpgrp(slave(), job));
        parent.put(static_cast<std::uint64_t>(job));
        static_cast<void>(::pause());
    });
    const auto job = static_cast<pid_t>(watcher.get());
    pair.master.reset();
    const int status = watcher.wait();
    EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGHUP) << status;
    // It is gone, or nobody's child that was not waited for.
    test::wait_until([&] {
        const auto text = test::file_content("/proc/" + std::to_string(job) + "/stat");
        return text.empty() || text.find(") Z ") != std::string::npos;
    });
}

TEST_P(PtyHangup, ItsNodeGoesAndAnOldDescriptorIsNoWayBack) {
    ASSERT_TRUE(std::filesystem::exists(pair.path));
    const auto link = "/proc/self/fd/" + std::to_string(slave());
    EXPECT_GE(test::unique_fd(::open(link.c_str(), O_RDWR | O_NOCTTY)).get(), 0);
    pair.master.reset();
    EXPECT_EQ(pair.node_error(), ENOENT);
    EXPECT_EQ(::open(link.c_str(), O_RDWR | O_NOCTTY), -1);
    EXPECT_EQ(errno, EIO);
}

// The next terminal may have the same index, and another owner.
TEST_P(PtyHangup, AnOldNodeNeverOpensTheNextPty) {
    const auto index = pair.index;
    const auto link = "/proc/self/fd/" + std::to_string(slave());
    const test::unique_fd by_peer(CHECK_CALL(::open(link.c_str(), O_PATH | O_CLOEXEC)));
    const test::unique_fd by_node(CHECK_CALL(::open(pair.path.c_str(), O_PATH | O_CLOEXEC)));
    pair.slave.reset();
    pair.master.reset();
    terminal next(GetParam());
    ASSERT_EQ(next.index, index) << "an index is used again, the lowest first";
    for (const auto* old : {&by_peer, &by_node}) {
        const auto path = "/proc/self/fd/" + std::to_string(old->get());
        EXPECT_EQ(::open(path.c_str(), O_RDWR | O_NOCTTY), -1);
        EXPECT_EQ(errno, EIO);
    }
    EXPECT_EQ(next.node_error(), 0);
    EXPECT_EQ(next.peer_error(), 0);
}

TEST_P(PtyHangup, AnIndexIsFreeWhenTheLastDescriptorIsClosed) {
    const auto index = pair.index;
    pair.master.reset();
    EXPECT_NE(terminal(GetParam()).index, index) << "the hung-up slave is open still";
    pair.slave.reset();
    EXPECT_EQ(terminal(GetParam()).index, index);
}

TEST_P(PtyHangup, AMasterIsNotOpenedAgainByItsDescriptor) {
    const auto link = "/proc/self/fd/" + std::to_string(master());
    const test::unique_fd again(::open(link.c_str(), O_RDWR | O_NOCTTY | O_CLOEXEC));
    if (GetParam() == test::pty_kind::module) {
        EXPECT_EQ(again.get(), -1);
        EXPECT_EQ(errno, ENXIO);
    } else {
        // There it is a way to a new pty.
        EXPECT_GE(again.get(), 0);
    }
    put(slave(), "x");
    EXPECT_EQ(test::take(master(), 1), "x");
}

} // namespace
