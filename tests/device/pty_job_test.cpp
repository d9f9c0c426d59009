// SPDX-License-Identifier: MIT
// Sessions and job control: who is signalled by what is typed, by a new size,
// by hangups, and who has to stop.
#include <sys/wait.h>

#include "pty_support.hpp"

namespace {

using test::block;
using test::change;
using test::put;
using test::stopped_by;
using test::take;
using test::take_signal;
using test::take_signal_now;
using test::terminal;

class PtyJob : public test::pty_test {};
ON_BOTH_KINDS_OF_PTY(PtyJob);

pid_t group_at(int master) {
    pid_t group = -1;
    return ::ioctl(master, TIOCGPGRP, &group) < 0 ? -errno : group;
}

pid_t session_at(int master) {
    pid_t session = -1;
    return ::ioctl(master, TIOCGSID, &session) < 0 ? -errno : session;
}

std::uint64_t word(int value) {
    return static_cast<std::uint64_t>(value);
}

// Runs in a child of the leader: moves to a group of its own.
void lead_group() {
    CHECK_CALL(::setpgid(0, 0));
}

TEST_P(PtyJob, ItBecomesTheControllingTerminal) {
    terminal pair(GetParam());
    EXPECT_EQ(session_at(pair.master.get()), -ENOTTY) << "none yet";
    test::process leader([&](const test::line& parent) {
        pair.master.reset();
        CHECK_CALL(::setsid());
        CHECK(::open("/dev/tty", O_RDWR | O_CLOEXEC) < 0 && errno == ENXIO);
        CHECK(::tcgetsid(pair.slave.get()) < 0 && errno == ENOTTY);
        CHECK_CALL(::ioctl(pair.slave.get(), TIOCSCTTY, 0));
        CHECK_CALL(::ioctl(pair.slave.get(), TIOCSCTTY, 0)); // for the second time: nothing
        CHECK(::tcgetsid(pair.slave.get()) == ::getpid());
        CHECK(::tcgetpgrp(pair.slave.get()) == ::getpid());
        const test::unique_fd tty(CHECK_CALL(::open("/dev/tty", O_RDWR | O_CLOEXEC)));
        put(tty.get(), "it is mine\n");
        parent.put(1);
        static_cast<void>(parent.get());
    });
    static_cast<void>(leader.get());
    EXPECT_EQ(take(pair.master.get(), 12), "it is mine\r\n");
    EXPECT_EQ(session_at(pair.master.get()), leader.pid());
    EXPECT_EQ(group_at(pair.master.get()), leader.pid());

    // Another session takes it by force only, and from root.
    test::process other([&](const test::line&) {
        pair.master.reset();
        CHECK_CALL(::setsid());
        CHECK(test::ioctl_error(pair.slave.get(), TIOCSCTTY, 0) == EPERM);
        CHECK(::tcgetpgrp(pair.slave.get()) < 0 && errno == ENOTTY);
        CHECK_CALL(::ioctl(pair.slave.get(), TIOCSCTTY, 1));
        CHECK(::tcgetsid(pair.slave.get()) == ::getpid());
    });
    other.join();
    leader.put(1);
    leader.join();
}

TEST_P(PtyJob, AnOpenWithoutNOCTTYIsEnough) {
    for (const bool by_node : {false, true}) {
        terminal pair(GetParam(), false);
        test::process leader([&](const test::line&) {
            CHECK_CALL(::setsid());
            const auto none = by_node ? pair.node() : pair.peer();
            CHECK(::tcgetsid(none.get()) < 0 && errno == ENOTTY);
            const auto slave = by_node ? pair.node(O_RDWR) : pair.peer(O_RDWR);
            CHECK(::tcgetsid(slave.get()) == ::getpid());
            CHECK(::fcntl(slave.get(), F_GETFD) == 0); // not O_CLOEXEC unless asked
            const test::unique_fd tty(CHECK_CALL(::open("/dev/tty", O_RDWR | O_CLOEXEC)));
        });
        leader.join();
    }
}

TEST_P(PtyJob, KeysSignalTheForegroundGroupAlone) {
    struct key {
        const char* text;
        int signo;
        const char* echo;
    };
    terminal pair(GetParam());
    test::process leader([&](const test::line& parent) {
        pair.master.reset();
        block({SIGINT, SIGQUIT, SIGTSTP, SIGTTOU});
        test::lead_session(pair.slave.get());
        const auto member = [](const test::line& line) {
            line.put(1);
            for (;;)
                line.put(word(take_signal({SIGINT, SIGQUIT, SIGTSTP})));
        };
        const test::process front(member);
        const test::process back(member);
        for (const auto* one : {&front, &back}) {
            static_cast<void>(one->get());
            CHECK_CALL(::setpgid(one->pid(), one->pid()));
        }
        CHECK_CALL(::tcsetpgrp(pair.slave.get(), front.pid()));
        parent.put(word(front.pid()));
        for (int i = 0; i < 3; i++)
            parent.put(front.get());
        CHECK(take_signal_now({SIGINT, SIGQUIT, SIGTSTP}) == 0);
        // The other one got none but what it gets now.
        CHECK_CALL(::kill(back.pid(), SIGQUIT));
        CHECK(back.get() == SIGQUIT);
    });
    const auto front = static_cast<pid_t>(leader.get());
    EXPECT_EQ(group_at(pair.master.get()), front);
    EXPECT_EQ(session_at(pair.master.get()), leader.pid());
    for (const auto& [text, signo, echo] :
         {key{"\3", SIGINT, "^C"}, key{"\34", SIGQUIT, "^\\"}, key{"\32", SIGTSTP, "^Z"}}) {
        put(pair.master.get(), text);
        EXPECT_EQ(leader.get(), word(signo));
        EXPECT_EQ(take(pair.master.get(), 2), echo);
    }
    leader.join();
}

TEST_P(PtyJob, WithoutISIGKeysAreBytes) {
    const terminal pair(GetParam());
    change(pair.slave.get(), [](termios& line) { line.c_lflag &= ~tcflag_t{ISIG}; });
    put(pair.master.get(), "\3\34\32\n");
    EXPECT_EQ(test::take_some(pair.slave.get()), "\3\34\32\n");
}

TEST_P(PtyJob, AKeyThatSignalsThrowsAwayWhatWasTyped) {
    const terminal pair(GetParam());
    test::without_echo(pair.slave.get());
    put(pair.master.get(), "rm -r\3ls\n");
    EXPECT_EQ(test::take_some(pair.slave.get()), "ls\n");
    change(pair.slave.get(), [](termios& line) { line.c_lflag |= NOFLSH; });
    put(pair.master.get(), "rm -r\3ls\n");
    EXPECT_EQ(test::take_some(pair.slave.get()), "rm -rls\n");
}

TEST_P(PtyJob, ABackgroundProcessThatReadsIsStopped) {
    terminal pair(GetParam());
    test::process leader([&](const test::line& parent) {
        pair.master.reset();
        block({SIGTTOU});
        test::lead_session(pair.slave.get());
        const test::process reader([&](const test::line& line) {
            lead_group();
            line.put(word(test::take_some(pair.slave.get()) == "now\n"));
        });
        CHECK(stopped_by(reader.pid()) == SIGTTIN);
        CHECK_CALL(::tcsetpgrp(pair.slave.get(), reader.pid()));
        CHECK_CALL(::kill(reader.pid(), SIGCONT));
        parent.put(1);
        CHECK(reader.get() == 1);
        // One that ignores the signal is told.
        test::process deaf([&](const test::line&) {
            lead_group();
            CHECK(::signal(SIGTTIN, SIG_IGN) != SIG_ERR);
            CHECK(test::read_error(pair.slave.get()) == EIO);
        });
        deaf.join();
    });
    static_cast<void>(leader.get());
    put(pair.master.get(), "now\n");
    leader.join();
}

TEST_P(PtyJob, ABackgroundProcessMayWriteUnlessTOSTOP) {
    terminal pair(GetParam());
    test::process leader([&](const test::line&) {
        pair.master.reset();
        block({SIGTTOU});
        test::lead_session(pair.slave.get());
        const auto writer = [&](const test::line&) {
            lead_group();
            sigset_t none{};
            CHECK(::sigprocmask(SIG_SETMASK, &none, nullptr) == 0);
            put(pair.slave.get(), "out");
        };
        test::process free(writer);
        free.join();
        change(pair.slave.get(), [](termios& line) { line.c_lflag |= TOSTOP; });
        test::process stops(writer);
        CHECK(stopped_by(stops.pid()) == SIGTTOU);
        CHECK_CALL(::tcsetpgrp(pair.slave.get(), stops.pid()));
        CHECK_CALL(::kill(stops.pid(), SIGCONT));
        stops.join();
        // Who changes the terminal is stopped in any case.
        CHECK_CALL(::tcsetpgrp(pair.slave.get(), ::getpgrp()));
        change(pair.slave.get(), [](termios& line) { line.c_lflag &= ~tcflag_t{TOSTOP}; });
        const test::process changes([&](const test::line&) {
            lead_group();
            sigset_t none{};
            CHECK(::sigprocmask(SIG_SETMASK, &none, nullptr) == 0);
            test::make_raw(pair.slave.get());
        });
        CHECK(stopped_by(changes.pid()) == SIGTTOU);
    });
    EXPECT_EQ(take(pair.master.get(), 6), "outout");
    leader.join();
}

TEST_P(PtyJob, TIOCSIGSignalsTheForegroundGroup) {
    terminal pair(GetParam());
    EXPECT_EQ(test::ioctl_error(pair.master.get(), TIOCSIG, SIGINT), 0) << "nobody is there";
    test::process leader([&](const test::line& parent) {
        pair.master.reset();
        block({SIGINT, SIGQUIT, SIGTSTP, SIGTERM});
        test::lead_session(pair.slave.get());
        for (int i = 0; i < 3; i++) {
            parent.put(1);
            parent.put(word(take_signal({SIGINT, SIGQUIT, SIGTSTP, SIGTERM})));
        }
    });
    for (const int signo : {SIGINT, SIGQUIT, SIGTSTP}) {
        static_cast<void>(leader.get());
        for (const int wrong : {0, SIGTERM, SIGKILL, SIGHUP, 99, -1})
            EXPECT_EQ(test::ioctl_error(pair.master.get(), TIOCSIG, wrong), EINVAL) << wrong;
        EXPECT_EQ(test::ioctl_error(pair.master.get(), TIOCSIG, signo), 0);
        EXPECT_EQ(leader.get(), word(signo));
    }
    EXPECT_EQ(test::ioctl_error(pair.slave.get(), TIOCSIG, SIGINT), ENOTTY) << "by the master only";
    leader.join();
}

TEST_P(PtyJob, TIOCNOTTYLetsGoOfTheTerminal) {
    terminal pair(GetParam());
    test::process leader([&](const test::line& parent) {
        pair.master.reset();
        block({SIGHUP, SIGCONT});
        test::lead_session(pair.slave.get());
        test::process member([&](const test::line&) {
            CHECK_CALL(::ioctl(pair.slave.get(), TIOCNOTTY));
            CHECK(::open("/dev/tty", O_RDWR | O_CLOEXEC) < 0 && errno == ENXIO);
            CHECK(test::ioctl_error(pair.slave.get(), TIOCNOTTY, 0) == ENOTTY);
        });
        member.join();
        CHECK(::tcgetsid(pair.slave.get()) == ::getpid());
        CHECK(take_signal_now({SIGHUP, SIGCONT}) == 0);
        parent.put(1);
        static_cast<void>(parent.get());
        // The leader lets go of it for the session, and its group is told.
        CHECK_CALL(::ioctl(pair.slave.get(), TIOCNOTTY));
        CHECK(take_signal_now({SIGHUP}) == SIGHUP);
        CHECK(take_signal_now({SIGCONT}) == SIGCONT);
        parent.put(1);
        static_cast<void>(parent.get());
        put(pair.slave.get(), "still open");
    });
    static_cast<void>(leader.get());
    EXPECT_EQ(session_at(pair.master.get()), leader.pid());
    leader.put(1);
    static_cast<void>(leader.get());
    EXPECT_EQ(session_at(pair.master.get()), -ENOTTY);
    leader.put(1);
    EXPECT_EQ(take(pair.master.get(), 10), "still open");
    leader.join();
}

TEST_P(PtyJob, TheLeadersExitTellsTheForegroundGroupAndOthersGoOn) {
    terminal pair(GetParam());
    test::process leader([&](const test::line& parent) {
        pair.master.reset();
        block({SIGTTOU});
        test::lead_session(pair.slave.get());
        // Not ended with the leader; so not a test::process.
        const pid_t member = CHECK_CALL(::fork());
        if (member == 0) {
            lead_group();
            block({SIGHUP});
            parent.put(1);
            parent.put(word(take_signal({SIGHUP})));
            // Soon it has no controlling terminal any more; its descriptor works.
            test::wait_until([] {
                const test::unique_fd tty(::open("/dev/tty", O_RDWR | O_CLOEXEC));
                return tty.get() < 0 && errno == ENXIO;
            });
            parent.put(1);
            ::_exit(::write(pair.slave.get(), "bye", 3) == 3 ? 0 : 1);
        }
        static_cast<void>(parent.get());
        CHECK_CALL(::tcsetpgrp(pair.slave.get(), member));
        ::_exit(0);
    });
    static_cast<void>(leader.get());
    leader.put(1);
    EXPECT_EQ(leader.get(), word(SIGHUP));
    EXPECT_EQ(leader.get(), 1U);
    EXPECT_EQ(take(pair.master.get(), 3), "bye");
    leader.join();
    EXPECT_EQ(session_at(pair.master.get()), -ENOTTY);
    put(pair.slave.get(), "I go on");
    EXPECT_EQ(take(pair.master.get(), 7), "I go on");
    put(pair.master.get(), "so do I\n");
    EXPECT_EQ(test::take_some(pair.slave.get()), "so do I\n");
}

TEST_P(PtyJob, AnotherSessionCanHaveItNext) {
    terminal pair(GetParam());
    for (int i = 0; i < 2; i++) {
        test::process leader([&](const test::line&) {
            pair.master.reset();
            test::lead_session(pair.slave.get());
        });
        leader.join();
    }
}

TEST_P(PtyJob, VhangupTakesTheSlaveFromEverybody) {
    terminal pair(GetParam());
    test::make_raw(pair.slave.get());
    test::process leader([&](const test::line& parent) {
        pair.master.reset();
        block({SIGHUP, SIGCONT});
        test::lead_session(pair.slave.get());
        parent.put(1);
        static_cast<void>(parent.get());
        CHECK_CALL(::vhangup());
        CHECK(take_signal_now({SIGHUP}) == SIGHUP);
        CHECK(take_signal_now({SIGCONT}) == SIGCONT);
        CHECK(test::read_error(pair.slave.get()) == -1);
        CHECK(test::write_error(pair.slave.get()) == EIO);
    });
    static_cast<void>(leader.get());
    test::worker reader([&] { EXPECT_EQ(test::read_error(pair.slave.get()), -1); });
    reader.wait_until_in(SYS_read, pair.slave.get());
    leader.put(1);
    leader.join();
    reader.join();
    EXPECT_EQ(test::write_error(pair.slave.get()), EIO);
    EXPECT_NE(test::polled(pair.slave.get()) & POLLHUP, 0);
    EXPECT_EQ(session_at(pair.master.get()), -ENOTTY);
    pair.slave.reset();
    EXPECT_EQ(test::read_error(pair.master.get()), EIO);

    // As getty has it: opened anew it is of use again, and as new.
    pair.slave = pair.node();
    put(pair.master.get(), "login\r");
    EXPECT_EQ(test::take_some(pair.slave.get()), "login\n");
    EXPECT_EQ(take(pair.master.get(), 7), "login\r\n");
}

// Where the master knows more than one of devpts does: it need not wait for the
// last close, and keeps what it has not read.
TEST(PtyHungUp, TheMasterReadsWhatIsLeftAndIsTold) {
    terminal pair(test::pty_kind::module);
    test::process leader([&](const test::line& parent) {
        pair.master.reset();
        block({SIGHUP, SIGCONT});
        test::lead_session(pair.slave.get());
        put(pair.slave.get(), "last words");
        CHECK_CALL(::vhangup());
        parent.put(1);
        static_cast<void>(parent.get());
    });
    static_cast<void>(leader.get());
    EXPECT_EQ(test::polled(pair.master.get()) & (POLLIN | POLLHUP), POLLIN | POLLHUP);
    EXPECT_EQ(take(pair.master.get(), 10), "last words");
    EXPECT_EQ(test::read_error(pair.master.get()), EIO) << "the slave is open, and hung up";
    EXPECT_EQ(test::polled(pair.master.get()) & (POLLIN | POLLHUP), POLLHUP);
    // Opened again, while those that are hung up are not closed.
    const auto again = pair.node();
    test::nonblocking(pair.master.get());
    EXPECT_EQ(test::read_error(pair.master.get()), EAGAIN);
    EXPECT_EQ(test::polled(pair.master.get()) & POLLHUP, 0);
    pair.slave.reset();
    leader.put(1);
    leader.join();
    EXPECT_EQ(test::read_error(pair.master.get()), EAGAIN) << "closing those changes nothing";
    put(again.get(), "new");
    EXPECT_EQ(take(pair.master.get(), 3), "new");
}

} // namespace
