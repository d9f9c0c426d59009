// SPDX-License-Identifier: MIT
// Packet mode: a master that is told what happens on its slave, as telnetd and
// sshd are. And EXTPROC, where the line is edited at the other end of a wire.
#include <sys/epoll.h>

#include "pty_support.hpp"

namespace {

using namespace std::string_literals;
using test::change;
using test::polled;
using test::put;
using test::take;
using test::take_some;
using test::terminal;

const std::string data{TIOCPKT_DATA};

int set_packet(int master, int on) {
    return ::ioctl(master, TIOCPKT, &on) < 0 ? errno : 0;
}

int packet(int master) {
    int on = -1;
    CHECK_CALL(::ioctl(master, TIOCGPKT, &on));
    return on;
}

class PtyPacket : public test::pty_test {
protected:
    void SetUp() override { ASSERT_EQ(set_packet(master(), 1), 0); }
    int master() const { return pair.master.get(); }
    int slave() const { return pair.slave.get(); }

    // The next control byte. It comes when the line has seen what was typed.
    int control() const {
        test::wait_for(master(), POLLIN | POLLPRI);
        EXPECT_EQ(polled(master()) & (POLLIN | POLLPRI), POLLIN | POLLPRI);
        const auto got = take_some(master());
        EXPECT_EQ(got.size(), 1U) << "a control byte comes alone";
        return static_cast<unsigned char>(got[0]);
    }
    // There is none.
    void expect_no_control() const { EXPECT_EQ(polled(master()) & POLLPRI, 0); }

    terminal pair{GetParam()};
};
ON_BOTH_KINDS_OF_PTY(PtyPacket);

TEST_P(PtyPacket, IsOffUnlessAskedFor) {
    const terminal other(GetParam());
    EXPECT_EQ(packet(other.master.get()), 0);
    EXPECT_EQ(packet(master()), 1);
    EXPECT_EQ(test::ioctl_error(master(), TIOCPKT, 8), EFAULT);
    EXPECT_EQ(test::ioctl_error(slave(), TIOCPKT, 8), ENOTTY) << "by the master only";
    ASSERT_EQ(set_packet(master(), 0), 0);
    EXPECT_EQ(packet(master()), 0);
    put(slave(), "plain");
    EXPECT_EQ(take_some(master()), "plain");
}

TEST_P(PtyPacket, EveryReadOfDataStartsWithTIOCPKT_DATA) {
    put(slave(), "abc");
    EXPECT_EQ(polled(master()) & (POLLIN | POLLPRI), POLLIN);
    EXPECT_EQ(take_some(master(), 3), data + "ab");
    EXPECT_EQ(take_some(master(), 1), data) << "room for the byte alone: nothing is lost";
    EXPECT_EQ(take_some(master()), data + "c");
    test::nonblocking(master());
    EXPECT_EQ(test::read_error(master()), EAGAIN);
    put(master(), "in\n");
    EXPECT_EQ(take_some(slave()), "in\n") << "the slave sees nothing of it";
}

TEST_P(PtyPacket, FLUSHREADAndFLUSHWRITEByTcflush) {
    ASSERT_EQ(::tcflush(slave(), TCIFLUSH), 0);
    EXPECT_EQ(control(), TIOCPKT_FLUSHREAD);
    ASSERT_EQ(::tcflush(slave(), TCOFLUSH), 0);
    EXPECT_EQ(control(), TIOCPKT_FLUSHWRITE);
    ASSERT_EQ(::tcflush(slave(), TCIOFLUSH), 0);
    EXPECT_EQ(control(), TIOCPKT_FLUSHREAD | TIOCPKT_FLUSHWRITE);
    expect_no_control();
}

TEST_P(PtyPacket, FLUSHREADAndFLUSHWRITEByAKeyThatSignals) {
    test::without_echo(slave());
    for (const char* key : {"\3", "\34", "\32"}) {
        put(master(), key);
        int told = control();
        // On devpts these two are told one after the other, or at once.
        if (told == TIOCPKT_FLUSHWRITE && GetParam() == test::pty_kind::devpts)
            told |= control();
        EXPECT_EQ(told, TIOCPKT_FLUSHREAD | TIOCPKT_FLUSHWRITE);
    }
    change(slave(), [](termios& line) { line.c_lflag |= NOFLSH; });
    put(master(), "\3\n");
    EXPECT_EQ(take_some(slave()), "\n");
    expect_no_control();
}

TEST_P(PtyPacket, STOPAndSTARTByTheProgram) {
    ASSERT_EQ(::tcflow(slave(), TCOOFF), 0);
    EXPECT_EQ(control(), TIOCPKT_STOP);
    ASSERT_EQ(::tcflow(slave(), TCOON), 0);
    EXPECT_EQ(control(), TIOCPKT_START);
    ASSERT_EQ(::tcflow(slave(), TCOOFF), 0);
    ASSERT_EQ(::tcflow(slave(), TCOON), 0);
    EXPECT_EQ(control(), TIOCPKT_START) << "the last of the two counts";
    ASSERT_EQ(::tcflow(slave(), TCOON), 0);
    expect_no_control();
}

TEST_P(PtyPacket, STOPAndSTARTByKeys) {
    test::without_echo(slave());
    put(master(), "\23");
    EXPECT_EQ(control(), TIOCPKT_STOP);
    put(master(), "\21");
    EXPECT_EQ(control(), TIOCPKT_START);
    expect_no_control();
}

TEST_P(PtyPacket, DOSTOPAndNOSTOPTellWhetherTheUsualKeysStop) {
    const auto usual = test::attributes(slave());
    change(slave(), [](termios& line) { line.c_iflag &= ~tcflag_t{IXON}; });
    EXPECT_EQ(control(), TIOCPKT_NOSTOP);
    test::set_attributes(slave(), usual);
    EXPECT_EQ(control(), TIOCPKT_DOSTOP);
    change(slave(), [](termios& line) { line.c_cc[VSTOP] = 'x'; });
    EXPECT_EQ(control(), TIOCPKT_NOSTOP);
    test::set_attributes(slave(), usual);
    EXPECT_EQ(control(), TIOCPKT_DOSTOP);
    change(slave(), [](termios& line) { line.c_cc[VSTART] = 'x'; });
    test::set_attributes(slave(), usual);
    EXPECT_EQ(control(), TIOCPKT_DOSTOP) << "the last of the two counts";
    test::without_echo(slave());
    expect_no_control();
}

TEST_P(PtyPacket, IOCTLTellsOfEveryChangeWithEXTPROC) {
    change(slave(), [](termios& line) { line.c_lflag |= EXTPROC; });
    EXPECT_EQ(control(), TIOCPKT_IOCTL);
    change(slave(), [](termios& line) { line.c_lflag &= ~tcflag_t{ICANON}; });
    EXPECT_EQ(control(), TIOCPKT_IOCTL);
    EXPECT_EQ(test::attributes(master()).c_lflag & (EXTPROC | ICANON), tcflag_t{EXTPROC});
    change(slave(), [](termios& line) { line.c_iflag &= ~tcflag_t{IXON}; });
    EXPECT_EQ(control(), TIOCPKT_IOCTL | TIOCPKT_NOSTOP);
    change(slave(), [](termios& line) { line.c_lflag &= ~tcflag_t{EXTPROC}; });
    EXPECT_EQ(control(), TIOCPKT_IOCTL) << "that it is off is told, too";
    test::without_echo(slave());
    expect_no_control();
}

TEST_P(PtyPacket, AControlByteComesBeforeData) {
    put(slave(), "data");
    test::wait_for(master(), POLLIN);
    change(slave(), [](termios& line) { line.c_iflag &= ~tcflag_t{IXON}; });
    EXPECT_EQ(control(), TIOCPKT_NOSTOP);
    EXPECT_EQ(take_some(master()), data + "data");
}

TEST_P(PtyPacket, WhatHappenedBeforeItWasOnIsNotTold) {
    ASSERT_EQ(set_packet(master(), 0), 0);
    ASSERT_EQ(::tcflow(slave(), TCOOFF), 0);
    ASSERT_EQ(::tcflow(slave(), TCOON), 0);
    ASSERT_EQ(set_packet(master(), 1), 0);
    expect_no_control();
    ASSERT_EQ(::tcflow(slave(), TCOOFF), 0);
    ASSERT_EQ(set_packet(master(), 0), 0);
    EXPECT_EQ(polled(master()) & (POLLIN | POLLPRI), 0);
    ASSERT_EQ(set_packet(master(), 1), 0);
    expect_no_control();
}

TEST_P(PtyPacket, AReaderAndAPollerThatWaitAreWoken) {
    std::string got;
    test::worker reader([&] { got = take_some(master()); });
    reader.wait_until_in(SYS_read, master());
    ASSERT_EQ(::tcflush(slave(), TCIFLUSH), 0);
    reader.join();
    EXPECT_EQ(got, std::string{TIOCPKT_FLUSHREAD});

    const test::unique_fd epoll(CHECK_CALL(::epoll_create1(EPOLL_CLOEXEC)));
    epoll_event wanted{};
    wanted.events = EPOLLPRI;
    CHECK_CALL(::epoll_ctl(epoll.get(), EPOLL_CTL_ADD, master(), &wanted));
    epoll_event event{};
    int count = 0;
    test::worker poller([&] { count = ::epoll_wait(epoll.get(), &event, 1, -1); });
    poller.wait_until_idle();
    ASSERT_EQ(::tcflush(slave(), TCIFLUSH), 0);
    poller.join();
    EXPECT_EQ(count, 1);
    EXPECT_EQ(event.events, EPOLLPRI + 0U);
}

// On devpts a STOP wakes only those who wait for POLLIN as well.
TEST(PtyPacketOfOurs, EveryControlByteWakesWhoWaitsForPOLLPRIAlone) {
    const terminal pair(test::pty_kind::module);
    ASSERT_EQ(set_packet(pair.master.get(), 1), 0);
    for (const int action : {TCOOFF, TCOON}) {
        pollfd what{pair.master.get(), POLLPRI, 0};
        test::worker poller([&] { CHECK(::poll(&what, 1, -1) == 1); });
        poller.wait_until_idle();
        ASSERT_EQ(::tcflow(pair.slave.get(), action), 0);
        poller.join();
        EXPECT_EQ(what.revents, POLLPRI);
        EXPECT_EQ(take_some(pair.master.get()).size(), 1U);
    }
}

TEST_P(PtyPacket, WhatIsLeftIsReadAfterTheLastClose) {
    put(slave(), "left");
    pair.slave.reset();
    EXPECT_EQ(take_some(master()), data + "left");
    EXPECT_EQ(test::read_error(master()), EIO);
    EXPECT_NE(polled(master()) & POLLHUP, 0);
    EXPECT_EQ(packet(master()), 1);
}

// --- EXTPROC --------------------------------------------------------------------

class PtyExtproc : public test::pty_test {
protected:
    void SetUp() override {
        change(pair.slave.get(), [](termios& line) { line.c_lflag |= EXTPROC; });
    }
    terminal pair{GetParam()};
};
ON_BOTH_KINDS_OF_PTY(PtyExtproc);

TEST_P(PtyExtproc, TheLineIsLeftAsItComes) {
    const auto typed = "no\25 \177edit\3\32\26\r"s;
    put(pair.master.get(), typed);
    EXPECT_EQ(take(pair.slave.get(), typed.size()), typed);
    put(pair.slave.get(), "#\n");
    EXPECT_EQ(take_some(pair.master.get()), "#\r\n") << "no echo, and output as ever";
}

TEST_P(PtyExtproc, AReadDoesNotWaitForALine) {
    put(pair.master.get(), "half");
    test::wait_for(pair.slave.get(), POLLIN);
    EXPECT_EQ(take_some(pair.slave.get()), "half");
}

TEST_P(PtyExtproc, EOFAloneIsStillTheEnd) {
    put(pair.master.get(), "\4");
    EXPECT_EQ(test::read_error(pair.slave.get()), -1);
    put(pair.master.get(), "a\4b");
    EXPECT_EQ(take(pair.slave.get(), 3), "a\4b");
}

TEST_P(PtyExtproc, TheFlagsOfEditingStaySet) {
    const auto line = test::attributes(pair.slave.get());
    EXPECT_EQ(line.c_lflag & (ICANON | ECHO | ISIG | EXTPROC),
              tcflag_t{ICANON | ECHO | ISIG | EXTPROC});
    change(pair.slave.get(), [](termios& now) { now.c_lflag &= ~tcflag_t{EXTPROC}; });
    put(pair.master.get(), "no\25yes\r");
    EXPECT_EQ(take_some(pair.slave.get()), "yes\n");
}

} // namespace
