// SPDX-License-Identifier: MIT
// Flushing and draining, and a break on the line.
#include <algorithm>

#include "pty_support.hpp"

namespace {

using namespace std::string_literals;
using test::change;
using test::put;
using test::take;
using test::take_some;
using test::terminal;
using test::worker;

void expect_empty(int fd) {
    test::nonblocking(fd);
    EXPECT_EQ(test::read_error(fd), EAGAIN);
    test::nonblocking(fd, false);
}

// --- as on devpts -----------------------------------------------------------------

class PtyFlush : public test::pty_test {
protected:
    void SetUp() override { test::make_raw(slave()); }
    int master() const { return pair.master.get(); }
    int slave() const { return pair.slave.get(); }
    terminal pair{GetParam()};
};
ON_BOTH_KINDS_OF_PTY(PtyFlush);

TEST_P(PtyFlush, TheSlaveDiscardsItsInput) {
    put(master(), "junk");
    test::wait_for(slave(), POLLIN);
    ASSERT_EQ(::tcflush(slave(), TCIFLUSH), 0);
    EXPECT_EQ(test::unread(slave()), 0);
    put(master(), "x");
    EXPECT_EQ(take(slave(), 1), "x");
}

TEST_P(PtyFlush, TheMasterDiscardsItsInput) {
    put(slave(), "junk");
    test::wait_for(master(), POLLIN);
    ASSERT_EQ(::tcflush(master(), TCIFLUSH), 0);
    expect_empty(master());
    put(slave(), "x");
    EXPECT_EQ(take(master(), 1), "x");
}

TEST_P(PtyFlush, AFlushOfInputMakesRoomForTheMaster) {
    static_cast<void>(test::fill(master()));
    worker writer([&] { put(master(), std::string(30'000, 'w')); });
    // Again and again: the buffers hold more than the line discipline.
    test::wait_until([&] {
        CHECK(::tcflush(slave(), TCIFLUSH) == 0);
        return writer.has_ended();
    });
    writer.join();
}

TEST_P(PtyFlush, OtherQueuesAreRefused) {
    for (const int fd : {master(), slave()})
        for (const int queue : {-1, 3, 99})
            EXPECT_EQ(test::ioctl_error(fd, TCFLSH, queue), EINVAL) << queue;
}

TEST_P(PtyFlush, TCSAFLUSHDiscardsInputThatWasNotRead) {
    for (const int fd : {slave(), master()}) {
        put(master(), "junk");
        test::wait_for(slave(), POLLIN);
        test::set_attributes(fd, test::attributes(fd), TCSAFLUSH);
        put(master(), "x");
        EXPECT_EQ(take(slave(), 1), "x");
    }
}

TEST_P(PtyFlush, DrainingWhatIsEmptyDoesNotWait) {
    ASSERT_EQ(::tcdrain(slave()), 0);
    ASSERT_EQ(::tcdrain(master()), 0);
    test::set_attributes(slave(), test::attributes(slave()), TCSADRAIN);
    test::set_attributes(slave(), test::attributes(slave()), TCSAFLUSH);
    EXPECT_EQ(test::unsent(slave()), 0);
    EXPECT_EQ(test::unsent(master()), 0);
}

TEST_P(PtyFlush, TheMasterNeverWaitsForItself) {
    put(master(), "in");
    put(slave(), "out");
    test::wait_for(master(), POLLIN);
    ASSERT_EQ(::tcdrain(master()), 0);
    auto line = test::attributes(master());
    line.c_lflag |= NOFLSH;
    test::set_attributes(master(), line, TCSADRAIN);
    EXPECT_NE(test::attributes(slave()).c_lflag & NOFLSH, 0U);
    EXPECT_EQ(take(slave(), 2), "in");
    line.c_lflag &= ~tcflag_t{NOFLSH};
    test::set_attributes(master(), line, TCSAFLUSH);
    EXPECT_EQ(test::attributes(slave()).c_lflag & NOFLSH, 0U);
    EXPECT_EQ(test::unsent(master()), 0);
}

// --- more than devpts has -----------------------------------------------------------

class PtyDrain : public ::testing::Test {
protected:
    void SetUp() override { test::make_raw(slave()); }
    int master() const { return pair.master.get(); }
    int slave() const { return pair.slave.get(); }
    terminal pair{test::pty_kind::module};
};

TEST_F(PtyDrain, TIOCOUTQTellsWhatTheMasterHasNotRead) {
    EXPECT_EQ(test::unsent(slave()), 0);
    put(slave(), std::string(1'000, 'a'));
    EXPECT_EQ(test::unsent(slave()), 1'000);
    EXPECT_EQ(test::unread(master()), 1'000);
    EXPECT_EQ(take(master(), 400).size(), 400U);
    EXPECT_EQ(test::unsent(slave()), 600);
    EXPECT_EQ(test::unsent(master()), 0) << "nothing of the master's can be flushed";
}

TEST_F(PtyDrain, TcdrainWaitsUntilTheMasterHasReadAll) {
    put(slave(), "not read yet");
    worker waits([&] { CHECK(::tcdrain(slave()) == 0); });
    waits.wait_until_in(SYS_ioctl, slave());
    EXPECT_EQ(take(master(), 11), "not read ye");
    waits.wait_until_in(SYS_ioctl, slave());
    EXPECT_EQ(test::unsent(slave()), 1);
    EXPECT_EQ(take(master(), 1), "t");
    waits.join();
}

TEST_F(PtyDrain, TCSADRAINChangesNothingBeforeTheMasterHasRead) {
    put(slave(), "old manner\n");
    auto wanted = test::attributes(slave());
    wanted.c_oflag |= OPOST | ONLCR;
    worker waits([&] { test::set_attributes(slave(), wanted, TCSADRAIN); });
    waits.wait_until_in(SYS_ioctl, slave());
    EXPECT_EQ(test::attributes(master()).c_oflag & OPOST, 0U);
    EXPECT_EQ(take(master(), 11), "old manner\n");
    waits.join();
    put(slave(), "new\n");
    EXPECT_EQ(take(master(), 5), "new\r\n");
}

TEST_F(PtyDrain, TCSAFLUSHDiscardsInputAndWaits) {
    put(slave(), "prompt");
    put(master(), "typed too early");
    test::wait_for(slave(), POLLIN);
    worker waits([&] {
        auto wanted = test::attributes(slave());
        wanted.c_lflag |= ECHO;
        test::set_attributes(slave(), wanted, TCSAFLUSH);
    });
    waits.wait_until_in(SYS_ioctl, slave());
    EXPECT_EQ(test::unread(slave()), 0);
    EXPECT_EQ(test::attributes(master()).c_lflag & ECHO, 0U);
    EXPECT_EQ(take(master(), 6), "prompt");
    waits.join();
    put(master(), "x");
    EXPECT_EQ(take(slave(), 1), "x");
    EXPECT_EQ(take(master(), 1), "x") << "the echo";
}

TEST_F(PtyDrain, ASignalInterruptsIt) {
    test::process waits([&](const test::line& parent) {
        struct sigaction action {};
        action.sa_handler = [](int) {};
        CHECK_CALL(::sigaction(SIGUSR1, &action, nullptr));
        put(slave(), "not read");
        parent.put(1);
        CHECK(::tcdrain(slave()) < 0 && errno == EINTR);
        auto wanted = test::attributes(slave());
        wanted.c_cc[VINTR] = 'x';
        parent.put(2);
        CHECK(::tcsetattr(slave(), TCSADRAIN, &wanted) < 0 && errno == EINTR);
    });
    for (int i = 0; i < 2; i++) {
        static_cast<void>(waits.get());
        test::wait_until_in(waits.pid(), SYS_ioctl, slave());
        CHECK_CALL(::kill(waits.pid(), SIGUSR1));
    }
    waits.join();
    EXPECT_NE(test::attributes(slave()).c_cc[VINTR], 'x');
    EXPECT_EQ(take(master(), 8), "not read");
}

TEST_F(PtyDrain, AKillEndsIt) {
    test::process waits([&](const test::line& parent) {
        put(slave(), "not read");
        parent.put(1);
        static_cast<void>(::tcdrain(slave()));
    });
    static_cast<void>(waits.get());
    test::wait_until_in(waits.pid(), SYS_ioctl, slave());
    waits.kill();
    EXPECT_EQ(take(master(), 8), "not read");
}

TEST_F(PtyDrain, TheMastersCloseEndsIt) {
    put(slave(), "never read");
    worker drain([&] {
        // Done or hung up, but not waiting any more.
        CHECK(::tcdrain(slave()) == 0 || errno == EIO);
    });
    const auto second = pair.peer();
    worker change([&] {
        auto wanted = test::attributes(second.get());
        CHECK(::tcsetattr(second.get(), TCSADRAIN, &wanted) == 0 || errno == EIO);
    });
    drain.wait_until_in(SYS_ioctl, slave());
    change.wait_until_in(SYS_ioctl, second.get());
    pair.master.reset();
    drain.join();
    change.join();
}

TEST_F(PtyDrain, AHangupEndsItAndTheMasterCanStillRead) {
    test::process leader([&](const test::line& parent) {
        pair.master.reset();
        test::block({SIGHUP, SIGCONT});
        test::lead_session(slave());
        parent.put(1);
        static_cast<void>(parent.get());
        CHECK_CALL(::vhangup());
    });
    static_cast<void>(leader.get());
    put(slave(), "kept");
    worker drain([&] { CHECK(::tcdrain(slave()) == 0 || errno == EIO); });
    drain.wait_until_in(SYS_ioctl, slave());
    leader.put(1);
    drain.join();
    leader.join();
    EXPECT_EQ(take(master(), 4), "kept");
}

TEST_F(PtyDrain, AFlushEndsIt) {
    for (const bool by_master : {true, false}) {
        put(slave(), "discarded");
        worker drain([&] { CHECK(::tcdrain(slave()) == 0); });
        drain.wait_until_in(SYS_ioctl, slave());
        ASSERT_EQ(by_master ? ::tcflush(master(), TCIFLUSH) : ::tcflush(slave(), TCOFLUSH), 0);
        drain.join();
        expect_empty(master());
    }
}

TEST_F(PtyDrain, TheSlaveDiscardsAllThatTheMasterHasNotRead) {
    const auto size = test::fill(slave());
    ASSERT_EQ(test::unread(master()), static_cast<int>(size));
    ASSERT_EQ(::tcflush(slave(), TCOFLUSH), 0);
    EXPECT_EQ(test::unread(master()), 0);
    expect_empty(master());
    put(slave(), "x");
    EXPECT_EQ(take(master(), 1), "x");
}

TEST_F(PtyDrain, AFlushMakesRoomForAWriterThatWaits) {
    for (const bool by_master : {true, false}) {
        static_cast<void>(test::fill(slave()));
        worker writer([&] { put(slave(), "w"); });
        writer.wait_until_in(SYS_write, slave());
        ASSERT_EQ(by_master ? ::tcflush(master(), TCIFLUSH) : ::tcflush(slave(), TCOFLUSH), 0);
        writer.join();
        EXPECT_EQ(take_some(master()), "w");
    }
}

TEST_F(PtyDrain, TheMasterDiscardsAllThatTheSlaveHasNotRead) {
    static_cast<void>(test::fill(master()));
    ASSERT_EQ(::tcflush(master(), TCOFLUSH), 0);
    put(master(), "x");
    EXPECT_EQ(take_some(slave()), "x");
}

TEST_F(PtyDrain, AKeyThatSignalsDiscardsWhatTheMasterHasNotRead) {
    change(slave(), [](termios& line) { line.c_lflag |= ISIG; });
    put(slave(), "long output");
    put(master(), "\3x");
    EXPECT_EQ(take(slave(), 1), "x");
    EXPECT_EQ(test::unread(master()), 0);
    change(slave(), [](termios& line) { line.c_lflag |= NOFLSH; });
    put(slave(), "long output");
    put(master(), "\3x");
    EXPECT_EQ(take(slave(), 1), "x");
    EXPECT_EQ(take_some(master()), "long output");
}

// --- break --------------------------------------------------------------------------

class PtyBreak : public PtyDrain {
protected:
    // What the slave reads of a break that comes between two bytes.
    std::string around_a_break(const std::function<void()>& make) const {
        put(master(), "<");
        make();
        put(master(), ">");
        std::string got;
        while (got.find('>') == std::string::npos)
            got += take_some(slave());
        return got;
    }
    // One that is made in each of the ways.
    std::string of_a_break() const {
        const auto first = around_a_break([&] { ASSERT_EQ(::tcsendbreak(master(), 0), 0); });
        const auto second =
            around_a_break([&] { ASSERT_EQ(test::ioctl_error(master(), TCSBRKP, 0), 0); });
        const auto third = around_a_break([&] {
            ASSERT_EQ(test::ioctl_error(master(), TIOCSBRK, 0), 0);
            ASSERT_EQ(test::ioctl_error(master(), TIOCCBRK, 0), 0);
        });
        EXPECT_EQ(first, second);
        EXPECT_EQ(first, third);
        return first;
    }
    void set(tcflag_t flags) const {
        change(slave(), [flags](termios& line) {
            line.c_iflag = (line.c_iflag & ~tcflag_t{IGNBRK | BRKINT | PARMRK}) | flags;
        });
    }
};

TEST_F(PtyBreak, IsAZeroByte) {
    set(0);
    EXPECT_EQ(of_a_break(), "<\0>"s);
}

TEST_F(PtyBreak, IsMarkedWithPARMRK) {
    set(PARMRK);
    EXPECT_EQ(of_a_break(), "<\377\0\0>"s);
    put(master(), "\377");
    EXPECT_EQ(take(slave(), 2), "\377\377") << "so that it is not taken for a mark";
}

TEST_F(PtyBreak, IsNothingWithIGNBRK) {
    set(IGNBRK);
    EXPECT_EQ(of_a_break(), "<>");
    set(IGNBRK | BRKINT | PARMRK);
    EXPECT_EQ(of_a_break(), "<>");
}

TEST_F(PtyBreak, IsASignalWithBRKINTAndDiscardsWhatWasTyped) {
    set(BRKINT);
    test::process leader([&](const test::line& parent) {
        pair.master.reset();
        test::block({SIGINT});
        test::lead_session(slave());
        parent.put(1);
        for (int i = 0; i < 3; i++)
            parent.put(static_cast<std::uint64_t>(test::take_signal({SIGINT})));
    });
    static_cast<void>(leader.get());
    for (const unsigned long call : {TCSBRK, TCSBRKP, TIOCSBRK}) {
        put(master(), "typed");
        ASSERT_EQ(test::ioctl_error(master(), call, 0), 0);
        EXPECT_EQ(leader.get(), std::uint64_t{SIGINT});
        put(master(), "x");
        EXPECT_EQ(take(slave(), 1), "x");
    }
    leader.join();
}

TEST_F(PtyBreak, OfTheSlaveIsNothingAsOnDevpts) {
    ASSERT_EQ(::tcsendbreak(slave(), 0), 0);
    expect_empty(master());
}

} // namespace
