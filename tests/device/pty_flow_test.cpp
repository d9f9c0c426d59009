// SPDX-License-Identifier: MIT
// Flow: keys that stop and start, full buffers, and floods in which nothing is
// lost, however one waits for room.
#include <sys/epoll.h>

#include <algorithm>

#include "pty_support.hpp"

namespace {

using test::change;
using test::matching;
using test::patterned;
using test::polled;
using test::put;
using test::take;
using test::take_some;
using test::terminal;
using test::worker;

// A raw pair, in which 0 to 1 is from the master to the slave.
class PtyFlow : public test::pty_test {
protected:
    void SetUp() override { test::make_raw(slave()); }
    int master() const { return pair.master.get(); }
    int slave() const { return pair.slave.get(); }
    std::array<std::array<int, 2>, 2> both_ways() const {
        return {{{master(), slave()}, {slave(), master()}}};
    }
    void keys_stop(bool any = false) const {
        change(slave(), [any](termios& line) {
            line.c_iflag |= IXON;
            if (any)
                line.c_iflag |= IXANY;
        });
    }
    void wait_until_stopped() const {
        test::wait_until([this] { return (polled(slave()) & POLLOUT) == 0; });
    }
    // Writes until there is no room for more, and none comes: the line
    // discipline of the other side has taken what it can.
    std::size_t fill(int from, std::uint64_t seed) const {
        const int to = from == master() ? slave() : master();
        std::size_t size = 0;
        test::wait_until([&] {
            size += test::fill(from, seed, size);
            return test::unread(to) >= 4'095 && (polled(from) & POLLOUT) == 0;
        });
        return size;
    }
    void expect_empty(int fd) const {
        test::nonblocking(fd);
        EXPECT_EQ(test::read_error(fd), EAGAIN);
        test::nonblocking(fd, false);
    }
    terminal pair{GetParam()};
};
ON_BOTH_KINDS_OF_PTY(PtyFlow);

// --- stop and start -------------------------------------------------------------

TEST_P(PtyFlow, KeysStopAndStartTheOutput) {
    keys_stop();
    put(slave(), "before");
    put(master(), "\23");
    wait_until_stopped();
    EXPECT_EQ(take(master(), 6), "before") << "what is out stays out";
    test::nonblocking(slave());
    EXPECT_EQ(test::write_error(slave()), EAGAIN);
    test::nonblocking(slave(), false);
    worker writer([&] { put(slave(), "after"); });
    writer.wait_until_in(SYS_write, slave());
    expect_empty(master());
    put(master(), "x");
    EXPECT_EQ(take(slave(), 1), "x") << "input goes on";
    writer.wait_until_in(SYS_write, slave());
    expect_empty(master());
    put(master(), "\21");
    writer.join();
    EXPECT_EQ(take(master(), 5), "after");
}

TEST_P(PtyFlow, WithIXANYAnyKeyStarts) {
    keys_stop(true);
    put(master(), "\23");
    wait_until_stopped();
    worker writer([&] { put(slave(), "after"); });
    writer.wait_until_in(SYS_write, slave());
    put(master(), "k");
    writer.join();
    EXPECT_EQ(take(slave(), 1), "k");
    EXPECT_EQ(take(master(), 5), "after");
}

TEST_P(PtyFlow, WithoutIXONTheseKeysAreBytes) {
    put(master(), "\23\21");
    EXPECT_EQ(take(slave(), 2), "\23\21");
    put(slave(), "on");
    EXPECT_EQ(take(master(), 2), "on");
}

TEST_P(PtyFlow, AKeyStopsEvenBehindInputThatNobodyReads) {
    keys_stop();
    put(master(), std::string(6'000, 'a') + "\23");
    wait_until_stopped();
    put(master(), "\21");
    test::wait_for(slave(), POLLOUT);
    EXPECT_EQ(take(slave(), 6'000), std::string(6'000, 'a'));
}

TEST_P(PtyFlow, TCOOFFAndTCOONStopAndStartTheOutput) {
    ASSERT_EQ(::tcflow(slave(), TCOOFF), 0);
    EXPECT_EQ(polled(slave()) & POLLOUT, 0);
    worker writer([&] { put(slave(), "held"); });
    writer.wait_until_in(SYS_write, slave());
    expect_empty(master());
    keys_stop();
    put(master(), "\21x");
    EXPECT_EQ(take(slave(), 1), "x");
    // A key does not start what a program stopped.
    writer.wait_until_in(SYS_write, slave());
    expect_empty(master());
    ASSERT_EQ(::tcflow(slave(), TCOON), 0);
    writer.join();
    EXPECT_EQ(take(master(), 4), "held");
}

TEST_P(PtyFlow, TCIOFFAndTCIONSendTheKeysToTheOtherSide) {
    ASSERT_EQ(::tcflow(slave(), TCIOFF), 0);
    ASSERT_EQ(::tcflow(slave(), TCION), 0);
    EXPECT_EQ(take(master(), 2), "\23\21");
    keys_stop();
    ASSERT_EQ(::tcflow(master(), TCIOFF), 0);
    wait_until_stopped();
    ASSERT_EQ(::tcflow(master(), TCION), 0);
    test::wait_for(slave(), POLLOUT);
    EXPECT_EQ(test::ioctl_error(master(), TCXONC, 77), EINVAL);
}

TEST_P(PtyFlow, AnEchoIsNotLostWhileTheOutputIsStopped) {
    change(slave(), [](termios& line) {
        line.c_iflag |= IXON;
        line.c_lflag |= ECHO;
    });
    put(master(), "\23");
    wait_until_stopped();
    put(master(), "typed");
    EXPECT_EQ(take(slave(), 5), "typed");
    expect_empty(master());
    put(master(), "\21");
    EXPECT_EQ(take(master(), 5), "typed");
}

// --- full buffers ---------------------------------------------------------------

TEST_P(PtyFlow, FullBuffersLoseNothing) {
    for (const auto& [from, to] : both_ways()) {
        const auto size = fill(from, 1);
        EXPECT_GE(size, 4'000U);
        EXPECT_LE(size, 65'536U) << "there is an end of it";
        EXPECT_EQ(matching(test::read_bytes(to, size), 1), size);
        test::wait_for(from, POLLOUT);
        expect_empty(to);
    }
}

TEST_P(PtyFlow, BothDirectionsCanBeFullAtOnce) {
    const auto in = fill(master(), 2);
    const auto out = fill(slave(), 3);
    EXPECT_EQ(matching(test::read_bytes(slave(), in), 2), in);
    EXPECT_EQ(matching(test::read_bytes(master(), out), 3), out);
}

TEST_P(PtyFlow, AWriterWaitsForRoomAndLosesNothing) {
    constexpr std::size_t size = 100'000;
    for (const auto& [from, to] : both_ways()) {
        const int fd = from;
        worker writer([fd] { test::write_bytes(fd, patterned(size, 4)); });
        writer.wait_until_in(SYS_write, from);
        EXPECT_EQ(matching(test::read_bytes(to, size), 4), size);
        writer.join();
        expect_empty(to);
    }
}

TEST_P(PtyFlow, SeveralWritersThatWaitAreAllWoken) {
    for (const auto& [from, to] : both_ways()) {
        const int fd = from;
        const auto size = fill(from, 5);
        const auto write = [fd] { put(fd, std::string(2'000, 'w')); };
        worker one(write);
        worker two(write);
        worker three(write);
        for (const auto* each : {&one, &two, &three})
            each->wait_until_idle();
        EXPECT_EQ(matching(test::read_bytes(to, size), 5), size);
        EXPECT_EQ(take(to, 6'000), std::string(6'000, 'w'));
        for (auto* each : {&one, &two, &three})
            each->join();
    }
}

TEST_P(PtyFlow, APollerThatWaitsForRoomIsWoken) {
    for (const auto& [from, to] : both_ways()) {
        const auto size = fill(from, 6);
        const int fd = from;
        worker poller([fd] { test::wait_for(fd, POLLOUT); });
        poller.wait_until_idle();
        EXPECT_EQ(test::read_bytes(to, size).size(), size);
        poller.join();
        test::nonblocking(from);
        EXPECT_EQ(test::write_error(from), 0) << "one byte fits, as poll says";
        test::nonblocking(from, false);
        EXPECT_EQ(take(to, 1), "x");
    }
}

TEST_P(PtyFlow, AnEdgeComesForDataAndForRoom) {
    for (const auto& [from, to] : both_ways()) {
        const test::unique_fd epoll(CHECK_CALL(::epoll_create1(EPOLL_CLOEXEC)));
        epoll_event event{};
        event.events = EPOLLIN | EPOLLET;
        CHECK_CALL(::epoll_ctl(epoll.get(), EPOLL_CTL_ADD, to, &event));
        event.events = EPOLLOUT | EPOLLET;
        event.data.fd = 1;
        CHECK_CALL(::epoll_ctl(epoll.get(), EPOLL_CTL_ADD, from, &event));
        const auto wait_for_edge = [&](std::uint32_t wanted) {
            do {
                ASSERT_EQ(::epoll_wait(epoll.get(), &event, 1, -1), 1);
            } while ((event.events & wanted) == 0);
        };
        wait_for_edge(EPOLLOUT); // there is room from the start
        put(from, "a");
        wait_for_edge(EPOLLIN);
        put(from, "b");
        wait_for_edge(EPOLLIN); // again, though "a" was not read
        EXPECT_EQ(take(to, 2), "ab");
        const auto size = fill(from, 7);
        while (::epoll_wait(epoll.get(), &event, 1, 0) > 0) {
        }
        EXPECT_EQ(test::read_bytes(to, size).size(), size);
        wait_for_edge(EPOLLOUT);
    }
}

TEST_P(PtyFlow, SIGIOTellsTheMasterOfDataAndTheSlaveOfRoom) {
    const int signo = SIGRTMIN + 5;
    test::block({signo});
    const auto arm = [signo](int fd) {
        CHECK_CALL(::fcntl(fd, F_SETOWN, ::getpid()));
        CHECK_CALL(::fcntl(fd, F_SETSIG, signo));
        CHECK_CALL(::fcntl(fd, F_SETFL, CHECK_CALL(::fcntl(fd, F_GETFL)) | O_ASYNC));
    };
    const auto wait_for_band = [signo](int fd, long band) {
        sigset_t set{};
        ::sigaddset(&set, signo);
        siginfo_t info{};
        do {
            CHECK(::sigwaitinfo(&set, &info) == signo);
        } while (info.si_fd != fd || (info.si_band & band) != band);
    };
    arm(master());
    put(slave(), "x");
    wait_for_band(master(), POLLIN);
    EXPECT_EQ(take(master(), 1), "x");
    arm(slave());
    put(master(), "y");
    wait_for_band(slave(), POLLIN);
    const auto size = fill(slave(), 8);
    EXPECT_EQ(test::read_bytes(master(), size).size(), size);
    wait_for_band(slave(), POLLOUT);
    const auto room = fill(master(), 8);
    EXPECT_EQ(test::read_bytes(slave(), room + 1).size(), room + 1);
    wait_for_band(master(), POLLOUT);
    ASSERT_EQ(::fcntl(master(), F_SETFL, O_RDWR), 0);
    while (test::take_signal_now({signo}) != 0) {
    }
    put(slave(), "x");
    EXPECT_EQ(take(master(), 1), "x");
    EXPECT_EQ(test::take_signal_now({signo}), 0) << "not without O_ASYNC";
}

TEST_P(PtyFlow, AWriteIsInterruptedWithItsCount) {
    for (const auto& [from, to] : both_ways()) {
        const int fd = from;
        test::process writer([&](const test::line& parent) {
            struct sigaction action {};
            action.sa_handler = [](int) {};
            CHECK_CALL(::sigaction(SIGUSR1, &action, nullptr)); // without SA_RESTART
            const auto bytes = patterned(200'000, 9);
            const ssize_t first = ::write(fd, bytes.data(), bytes.size());
            const ssize_t second = ::write(fd, bytes.data(), bytes.size());
            CHECK(first > 0 && (second > 0 || errno == EINTR));
            parent.put(static_cast<std::uint64_t>(first + std::max<ssize_t>(second, 0)));
        });
        for (int i = 0; i < 2; i++) {
            test::wait_until_in(writer.pid(), SYS_write, from);
            // The second call waits with other arguments than the first: for the
            // same state twice, the signal must have been taken in between.
            CHECK_CALL(::kill(writer.pid(), SIGUSR1));
            test::wait_until([&] { return !test::signal_waits(writer.pid(), SIGUSR1); });
        }
        const auto count = static_cast<std::size_t>(writer.get());
        EXPECT_LT(count, 200'000U);
        EXPECT_EQ(test::read_bytes(to, count).size(), count);
        expect_empty(to);
        writer.join();
    }
}

// --- floods ---------------------------------------------------------------------

TEST_P(PtyFlow, AFloodInBothDirectionsAtOnceLosesNothing) {
    constexpr std::size_t size = 300'000;
    const auto write = [](int fd, std::uint64_t seed) {
        for (std::size_t done = 0; done < size; done += 3'000)
            test::write_bytes(fd, patterned(3'000, seed, done));
    };
    worker down([&] { write(master(), 10); });
    worker up([&] { write(slave(), 11); });
    std::size_t right = 0;
    worker reader([&] { right = matching(test::read_bytes(slave(), size), 10); });
    EXPECT_EQ(matching(test::read_bytes(master(), size), 11), size);
    reader.join();
    EXPECT_EQ(right, size);
    down.join();
    up.join();
    expect_empty(master());
    expect_empty(slave());
}

TEST_P(PtyFlow, AFloodOfLinesWithAnEchoLosesNoLine) {
    change(slave(), [](termios& line) {
        line.c_lflag |= ICANON | ECHO;
        line.c_iflag |= ICRNL;
        line.c_oflag |= OPOST | ONLCR;
    });
    constexpr int lines = 500;
    const auto line = [](int n) { return "line number " + std::to_string(n) + " of many"; };
    worker typist([&] {
        for (int i = 0; i < lines; i++)
            put(master(), line(i) + "\r");
    });
    std::size_t shown = 0;
    worker screen([&] {
        // All that is echoed and written, up to a mark at its end.
        for (std::string last; last.find('#') == std::string::npos;) {
            last = take_some(master());
            shown += static_cast<std::size_t>(std::count(last.begin(), last.end(), '\n'));
        }
    });
    for (int i = 0; i < lines; i++) {
        ASSERT_EQ(take_some(slave()), line(i) + "\n");
        put(slave(), "got it\n");
    }
    typist.join();
    put(slave(), "#");
    screen.join();
    EXPECT_GE(shown, lines + 0U) << "every answer, and what was echoed";
}

} // namespace
