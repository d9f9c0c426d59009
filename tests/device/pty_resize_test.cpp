// SPDX-License-Identifier: MIT
// The size of the window: one for both sides, and who is told of a new one.
#include "pty_support.hpp"
#include "trace.hpp"

namespace {

using test::resize;
using test::size_of;
using test::terminal;

class PtyResize : public test::pty_test {};
ON_BOTH_KINDS_OF_PTY(PtyResize);

// A process on the slave that tells the size that it sees after each SIGWINCH.
test::process watcher(terminal& pair) {
    return test::process([&](const test::line& parent) {
        pair.master.reset();
        test::block({SIGWINCH});
        test::lead_session(pair.slave.get());
        parent.put(1);
        for (;;) {
            CHECK(test::take_signal({SIGWINCH}) == SIGWINCH);
            const auto size = size_of(pair.slave.get());
            parent.put(std::uint64_t{size[0]} << 16U | size[1]);
        }
    });
}

std::uint64_t seen(std::uint64_t rows, std::uint64_t columns) {
    return rows << 16U | columns;
}

// How often that signal was raised for that process: each one, before two of
// them become one.
int raised_for(const test::trace& signals, int signo, pid_t pid) {
    int found = 0;
    for (const auto& line : signals.lines("signal_generate"))
        if (line.find(" sig=" + std::to_string(signo) + " ") != std::string::npos &&
            line.find(" pid=" + std::to_string(pid) + " ") != std::string::npos)
            found++;
    return found;
}

TEST_P(PtyResize, ItStartsAsItWasOpened) {
    const terminal none(GetParam());
    EXPECT_EQ(size_of(none.slave.get()), (test::window{}));
    const terminal pair(GetParam(), true, {24, 80, 640, 480});
    const test::window size{24, 80, 640, 480};
    EXPECT_EQ(size_of(pair.slave.get()), size);
    EXPECT_EQ(size_of(pair.master.get()), size);
}

TEST_P(PtyResize, OneSizeForBothSides) {
    const terminal pair(GetParam());
    const test::window large{65'535, 65'535, 65'535, 65'535};
    ASSERT_EQ(::ioctl(pair.master.get(), TIOCSWINSZ, large.data()), 0);
    EXPECT_EQ(size_of(pair.slave.get()), large);
    const test::window small{1, 2, 3, 4};
    ASSERT_EQ(::ioctl(pair.slave.get(), TIOCSWINSZ, small.data()), 0);
    EXPECT_EQ(size_of(pair.master.get()), small);
    for (const int fd : {pair.master.get(), pair.slave.get()}) {
        EXPECT_EQ(test::ioctl_error(fd, TIOCSWINSZ, 8), EFAULT);
        EXPECT_EQ(test::ioctl_error(fd, TIOCGWINSZ, 8), EFAULT);
    }
    EXPECT_EQ(size_of(pair.master.get()), small);
}

TEST_P(PtyResize, ExactlyOneSIGWINCHWithTheNewSizeFromEitherSide) {
    terminal pair(GetParam());
    const auto leader = watcher(pair);
    static_cast<void>(leader.get());
    const test::trace trace("signal/signal_generate");
    if (!trace.available())
        GTEST_SKIP() << "tracefs is not mounted or not in this kernel";
    int raised = 0;
    for (const int fd : {pair.master.get(), pair.slave.get()}) {
        const auto rows = static_cast<unsigned short>(fd + 20);
        ASSERT_EQ(resize(fd, rows, 80), 0);
        EXPECT_EQ(leader.get(), seen(rows, 80));
        EXPECT_EQ(raised_for(trace, SIGWINCH, leader.pid()), ++raised);
        // The same again is no change, from whichever side.
        ASSERT_EQ(resize(pair.master.get(), rows, 80), 0);
        ASSERT_EQ(resize(pair.slave.get(), rows, 80), 0);
        EXPECT_EQ(raised_for(trace, SIGWINCH, leader.pid()), raised);
    }
    // A change of one field is one.
    auto size = size_of(pair.master.get());
    size[3]++;
    ASSERT_EQ(::ioctl(pair.master.get(), TIOCSWINSZ, size.data()), 0);
    static_cast<void>(leader.get());
    EXPECT_EQ(raised_for(trace, SIGWINCH, leader.pid()), ++raised);
}

TEST_P(PtyResize, TheForegroundGroupIsToldAndNoOther) {
    terminal pair(GetParam());
    test::process leader([&](const test::line& parent) {
        pair.master.reset();
        test::block({SIGWINCH, SIGTTOU});
        test::lead_session(pair.slave.get());
        const test::process front([](const test::line& line) {
            line.put(1);
            line.put(static_cast<std::uint64_t>(test::take_signal({SIGWINCH})));
        });
        static_cast<void>(front.get());
        CHECK_CALL(::setpgid(front.pid(), front.pid()));
        CHECK_CALL(::tcsetpgrp(pair.slave.get(), front.pid()));
        parent.put(1);
        CHECK(front.get() == SIGWINCH);
        CHECK(test::take_signal_now({SIGWINCH}) == 0);
    });
    static_cast<void>(leader.get());
    ASSERT_EQ(resize(pair.master.get(), 11, 22), 0);
    leader.join();
}

TEST_P(PtyResize, ManyChangesEndWithTheLastSize) {
    terminal pair(GetParam());
    const auto leader = watcher(pair);
    static_cast<void>(leader.get());
    for (unsigned short i = 1; i <= 200; i++) {
        ASSERT_EQ(resize(pair.master.get(), i, i), 0);
        ASSERT_EQ(resize(pair.slave.get(), i, 500), 0);
    }
    while (leader.get() != seen(200, 500)) {
    }
}

} // namespace
