// SPDX-License-Identifier: MIT
// The line: what its discipline makes of bytes in both directions, and what of
// it stays when nobody has the slave open.
#include <sys/stat.h>
#include <sys/uio.h>

#include "pty_support.hpp"

namespace {

using namespace std::string_literals;
using test::attributes;
using test::change;
using test::put;
using test::take;
using test::take_some;
using test::terminal;

class PtyLine : public test::pty_test {};
ON_BOTH_KINDS_OF_PTY(PtyLine);

// The slave has taken in what was written to the master, whether or not there
// is anything to be read of it.
void settle(const terminal& pair) {
    static_cast<void>(test::polled(pair.slave.get()));
}

TEST_P(PtyLine, ANewOneIsAsEveryTerminal) {
    const terminal pair(GetParam());
    EXPECT_EQ(::isatty(pair.slave.get()), 1);
    const auto line = attributes(pair.slave.get());
    EXPECT_EQ(line.c_iflag, tcflag_t{ICRNL | IXON});
    EXPECT_EQ(line.c_oflag, tcflag_t{OPOST | ONLCR});
    EXPECT_EQ(line.c_lflag,
              tcflag_t{ISIG | ICANON | ECHO | ECHOE | ECHOK | ECHOCTL | ECHOKE | IEXTEN});
    EXPECT_EQ(line.c_cflag & (CSIZE | PARENB | CREAD), tcflag_t{CS8 | CREAD});
    EXPECT_EQ(::cfgetospeed(&line), speed_t{B38400});
    EXPECT_EQ(line.c_cc[VINTR], 3);
    EXPECT_EQ(line.c_cc[VEOF], 4);
    EXPECT_EQ(line.c_line, 0);
}

TEST_P(PtyLine, CanonicalInputComesByLines) {
    const terminal pair(GetParam());
    test::without_echo(pair.slave.get());
    put(pair.master.get(), "ab");
    EXPECT_EQ(test::polled(pair.slave.get()) & POLLIN, 0);
    test::nonblocking(pair.slave.get());
    EXPECT_EQ(test::read_error(pair.slave.get()), EAGAIN);
    put(pair.master.get(), "c\nde\nf");
    test::wait_for(pair.slave.get(), POLLIN);
    EXPECT_EQ(test::unread(pair.slave.get()), 7);
    EXPECT_EQ(take_some(pair.slave.get()), "abc\n");
    EXPECT_EQ(take_some(pair.slave.get(), 2), "de") << "a short read leaves the rest of its line";
    EXPECT_EQ(take_some(pair.slave.get()), "\n");
    EXPECT_EQ(test::read_error(pair.slave.get()), EAGAIN);
}

TEST_P(PtyLine, AReaderWaitsForTheEndOfALine) {
    const terminal pair(GetParam());
    std::string got;
    test::worker reader([&] { got = take_some(pair.slave.get()); });
    reader.wait_until_in(SYS_read, pair.slave.get());
    put(pair.master.get(), "half");
    EXPECT_EQ(take(pair.master.get(), 4), "half") << "echoed";
    reader.wait_until_in(SYS_read, pair.slave.get());
    put(pair.master.get(), "\r");
    reader.join();
    EXPECT_EQ(got, "half\n");
}

// What is typed, what a program reads of it, and what the screen shows.
struct typed {
    const char* what;
    tcflag_t input; // flags that are turned over
    tcflag_t output;
    tcflag_t local;
    std::string keys;
    std::string line;
    std::string echo;
};

TEST_P(PtyLine, WhatIsTypedIsEditedAndEchoed) {
    const std::vector<typed> all{
        {"return is a newline", 0, 0, 0, "hi\r", "hi\n", "hi\r\n"},
        {"without ICRNL it is not", ICRNL, 0, 0, "hi\r\n", "hi\r\n", "hi^M\r\n"},
        {"IGNCR", IGNCR, 0, 0, "h\ri\n", "hi\n", "hi\r\n"},
        {"INLCR", INLCR | ICRNL, 0, 0, "a\nb\4", "a\rb", "a^Mb"},
        {"ISTRIP", ISTRIP, 0, 0, "\xe1\n", "a\n", "a\r\n"},
        {"IUCLC", IUCLC, 0, 0, "HI\n", "hi\n", "hi\r\n"},
        {"control characters have a caret", 0, 0, 0, "\1\n", "\1\n", "^A\r\n"},
        {"without ECHOCTL they have not", 0, 0, ECHOCTL, "\1\n", "\1\n", "\1\r\n"},
        {"without ECHO nothing is seen", 0, 0, ECHO, "hi\n", "hi\n", ""},
        {"ECHONL alone", 0, 0, ECHO | ECHONL, "hi\n", "hi\n", "\r\n"},
        {"ERASE", 0, 0, 0, "abX\177c\n", "abc\n", "abX\b \bc\r\n"},
        {"ERASE of a control character", 0, 0, 0, "\1\177\n", "\n", "^A\b \b\b \b\r\n"},
        {"ERASE of nothing", 0, 0, 0, "\177a\n", "a\n", "a\r\n"},
        {"ERASE without ECHOE", 0, 0, ECHOE, "ab\177\n", "a\n", "ab^?\r\n"},
        {"WERASE", 0, 0, 0, "one two\27three\n", "one three\n", "one two\b \b\b \b\b \bthree\r\n"},
        {"KILL", 0, 0, 0, "no\25yes\n", "yes\n", "no\b \b\b \byes\r\n"},
        {"KILL without ECHOKE", 0, 0, ECHOKE, "no\25yes\n", "yes\n", "no^U\r\nyes\r\n"},
        {"LNEXT", 0, 0, 0, "a\26\177b\n", "a\177b\n", "a^\b^?b\r\n"},
        {"REPRINT", 0, 0, 0, "ab\22c\n", "abc\n", "ab^R\r\nabc\r\n"},
        {"without IEXTEN these are nothing special", 0, 0, IEXTEN, "a\27\26\22\n", "a\27\26\22\n",
         "a^W^V^R\r\n"},
        {"EOF ends a read", 0, 0, 0, "ab\4", "ab", "ab"},
        {"a tab stays one", 0, 0, 0, "a\tb\n", "a\tb\n", "a\tb\r\n"},
        {"XTABS", 0, XTABS, 0, "a\tb\n", "a\tb\n", "a       b\r\n"},
        {"ERASE of a tab", 0, 0, 0, "a\t\177b\n", "ab\n", "a\t\b\b\b\b\b\b\bb\r\n"},
        {"without OPOST", 0, OPOST, 0, "a\n", "a\n", "a\n"},
        {"without ONLCR", 0, ONLCR, 0, "a\n", "a\n", "a\n"},
        {"IUTF8: a letter of two bytes goes as one", IUTF8, 0, 0, "a\303\244\177\n", "a\n",
         "a\303\244\b \b\r\n"},
        {"without IUTF8 it does not", 0, 0, 0, "a\303\244\177\n", "a\303\n", "a\303\244\b \b\r\n"},
    };
    for (const auto& one : all) {
        SCOPED_TRACE(one.what);
        const terminal pair(GetParam());
        change(pair.slave.get(), [&](termios& line) {
            line.c_iflag ^= one.input;
            line.c_oflag ^= one.output;
            line.c_lflag ^= one.local;
        });
        put(pair.master.get(), one.keys);
        EXPECT_EQ(take_some(pair.slave.get()), one.line);
        // Nothing is behind the echo.
        put(pair.slave.get(), "#");
        EXPECT_EQ(take(pair.master.get(), one.echo.size() + 1), one.echo + "#");
    }
}

TEST_P(PtyLine, EOFAloneIsTheEndOfTheFile) {
    const terminal pair(GetParam());
    put(pair.master.get(), "\4");
    EXPECT_EQ(test::read_error(pair.slave.get()), -1);
    put(pair.master.get(), "on\4\4");
    EXPECT_EQ(take_some(pair.slave.get()), "on");
    EXPECT_EQ(test::read_error(pair.slave.get()), -1) << "and it is no end for ever";
    put(pair.master.get(), "on\n");
    EXPECT_EQ(take_some(pair.slave.get()), "on\n");
}

TEST_P(PtyLine, WhatAProgramWritesIsProcessed) {
    struct written {
        tcflag_t flags; // turned over
        std::string text;
        std::string screen;
    };
    const std::vector<written> all{
        {0, "a\nb\n", "a\r\nb\r\n"},
        {ONLCR, "a\n", "a\n"},
        {OPOST, "a\nb\tc", "a\nb\tc"},
        {OCRNL, "a\rb", "a\nb"},
        {ONLRET | ONLCR, "a\nb", "a\nb"},
        {ONOCR, "\rab\r", "ab\r"},
        {OLCUC, "abc", "ABC"},
        {XTABS, "ab\tc\n\td", "ab      c\r\n        d"},
    };
    for (const auto& one : all) {
        SCOPED_TRACE(one.text);
        const terminal pair(GetParam());
        change(pair.slave.get(), [&](termios& line) { line.c_oflag ^= one.flags; });
        put(pair.slave.get(), one.text);
        put(pair.slave.get(), "#");
        EXPECT_EQ(take(pair.master.get(), one.screen.size() + 1), one.screen + "#");
    }
}

// A line of 4 096 bytes and more in canonical mode: what fits is kept, and the
// line still ends.
TEST_P(PtyLine, LinesOf4095And4096BytesAndMore) {
    for (const std::size_t length : {4'094U, 4'095U, 4'096U, 5'000U, 20'000U}) {
        SCOPED_TRACE(length);
        const terminal pair(GetParam());
        test::without_echo(pair.slave.get());
        std::string text;
        for (std::size_t i = 0; i < length; i++)
            text += static_cast<char>('a' + i % 23);
        put(pair.master.get(), text + "\n");
        EXPECT_EQ(take_some(pair.slave.get(), 30'000),
                  text.substr(0, std::min<std::size_t>(length, 4'095)) + "\n");
        put(pair.master.get(), "next\n");
        EXPECT_EQ(take_some(pair.slave.get()), "next\n");
    }
}

TEST_P(PtyLine, RawBytesGoThroughUnchangedBothWays) {
    const terminal pair(GetParam());
    test::make_raw(pair.slave.get());
    std::string all;
    for (int i = 0; i < 256; i++)
        all += static_cast<char>(i);
    put(pair.master.get(), all);
    EXPECT_EQ(take(pair.slave.get(), all.size()), all);
    put(pair.slave.get(), all);
    EXPECT_EQ(take(pair.master.get(), all.size()), all);
    test::nonblocking(pair.master.get());
    EXPECT_EQ(test::read_error(pair.master.get()), EAGAIN) << "an echo";
}

TEST_P(PtyLine, ReadsAndWritesOfSeveralPieces) {
    const terminal pair(GetParam());
    test::make_raw(pair.slave.get());
    const std::array<int, 2> sides{pair.master.get(), pair.slave.get()};
    for (const int from : {0, 1}) {
        std::string one = "one";
        std::string three = "three";
        const std::array<iovec, 3> out{{{one.data(), 3}, {nullptr, 0}, {three.data(), 5}}};
        EXPECT_EQ(::writev(sides[static_cast<std::size_t>(from)], out.data(), 3), 8);
        const int to = sides[static_cast<std::size_t>(1 - from)];
        // All of it is there, for one read.
        test::wait_until([&] {
            test::wait_for(to, POLLIN);
            return test::unread(to) == 8;
        });
        std::array<char, 4> head{};
        std::array<char, 9> tail{};
        const std::array<iovec, 2> in{{{head.data(), 4}, {tail.data(), 9}}};
        EXPECT_EQ(::readv(to, in.data(), 2), 8);
        EXPECT_EQ(std::string(head.data(), 4) + tail.data(), "onethree");
    }
    EXPECT_EQ(::write(pair.master.get(), nullptr, 0), 0);
    EXPECT_EQ(::read(pair.master.get(), nullptr, 0), 0);
    EXPECT_EQ(::lseek(pair.master.get(), 0, SEEK_CUR), -1);
    EXPECT_EQ(errno, ESPIPE);
}

TEST_P(PtyLine, ABadAddressIsEFAULT) {
    const terminal pair(GetParam());
    test::make_raw(pair.slave.get());
    const volatile std::uintptr_t bad = 16;
    auto* const nowhere = reinterpret_cast<char*>(bad);
    EXPECT_EQ(::write(pair.master.get(), nowhere, 4), -1);
    EXPECT_EQ(errno, EFAULT);
    put(pair.slave.get(), "kept");
    EXPECT_EQ(::read(pair.master.get(), nowhere, 4), -1);
    EXPECT_EQ(errno, EFAULT);
}

TEST_P(PtyLine, MINIsHowManyBytesAReadWaitsFor) {
    const terminal pair(GetParam());
    test::make_raw(pair.slave.get());
    change(pair.slave.get(), [](termios& line) { line.c_cc[VMIN] = 3; });
    put(pair.master.get(), "ab");
    EXPECT_EQ(test::polled(pair.slave.get()) & POLLIN, 0);
    EXPECT_EQ(test::unread(pair.slave.get()), 2);
    std::string got;
    test::worker reader([&] { got = take_some(pair.slave.get()); });
    reader.wait_until_in(SYS_read, pair.slave.get());
    put(pair.master.get(), "c");
    reader.join();
    EXPECT_EQ(got, "abc");
    put(pair.master.get(), "def");
    test::wait_for(pair.slave.get(), POLLIN);
    EXPECT_EQ(take_some(pair.slave.get()), "def");
}

// The terminal counts ticks, and so does this clock: who gets no time on a busy machine is
// given the missing ticks at once, and a tenth of a second of them is shorter than that.
std::uint64_t milliseconds_of_ticks() {
    timespec time{};
    CHECK_CALL(::clock_gettime(CLOCK_MONOTONIC_COARSE, &time));
    return static_cast<std::uint64_t>(time.tv_sec) * 1'000 +
           static_cast<std::uint64_t>(time.tv_nsec) / 1'000'000;
}

TEST_P(PtyLine, TIMEIsHowLongAReadWaits) {
    const terminal pair(GetParam());
    test::make_raw(pair.slave.get());
    const auto timed = [&](cc_t bytes, cc_t tenths) {
        change(pair.slave.get(), [&](termios& line) {
            line.c_cc[VMIN] = bytes;
            line.c_cc[VTIME] = tenths;
        });
        const auto start = milliseconds_of_ticks();
        auto got = take_some(pair.slave.get());
        return std::pair{std::move(got), milliseconds_of_ticks() - start};
    };
    EXPECT_EQ(timed(0, 0).first, "");
    const auto nothing = timed(0, 1);
    EXPECT_EQ(nothing.first, "");
    EXPECT_GE(nothing.second, 90U) << "milliseconds";
    put(pair.master.get(), "a");
    settle(pair);
    const auto between = timed(2, 1);
    EXPECT_EQ(between.first, "a") << "the time runs from the first byte on";
    EXPECT_GE(between.second, 90U);
    put(pair.master.get(), "b");
    EXPECT_EQ(timed(0, 255).first, "b");
}

TEST_P(PtyLine, TermiosAreReadAndSetFromEitherSide) {
    const terminal pair(GetParam());
    EXPECT_TRUE(test::same(attributes(pair.master.get()), attributes(pair.slave.get())));
    change(pair.master.get(), [](termios& line) {
        line.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO);
        line.c_cc[VMIN] = 1;
        line.c_cc[VINTR] = 7;
    });
    EXPECT_TRUE(test::same(attributes(pair.master.get()), attributes(pair.slave.get())));
    EXPECT_EQ(attributes(pair.slave.get()).c_cc[VINTR], 7);
    put(pair.master.get(), "no line");
    EXPECT_EQ(take(pair.slave.get(), 7), "no line");
    change(pair.slave.get(), [](termios& line) { ::cfsetspeed(&line, B9600); });
    const auto seen = attributes(pair.master.get());
    EXPECT_EQ(::cfgetospeed(&seen), speed_t{B9600});
    // A pseudo terminal has no wire that could lose a bit. (The C library finds
    // out that the kernel did not take it.)
    auto narrow = seen;
    narrow.c_cflag = (narrow.c_cflag & ~static_cast<tcflag_t>(CSIZE)) | CS7 | PARENB;
    EXPECT_EQ(::tcsetattr(pair.slave.get(), TCSANOW, &narrow), -1);
    EXPECT_EQ(attributes(pair.master.get()).c_cflag & (CSIZE | PARENB), tcflag_t{CS8});
}

TEST_P(PtyLine, WhatTheMasterChangesHoldsBeforeTheSlaveWasOpened) {
    terminal pair(GetParam(), false);
    test::make_raw(pair.master.get());
    ASSERT_EQ(test::resize(pair.master.get(), 33, 111), 0);
    put(pair.master.get(), "early\1");
    pair.slave = pair.node();
    EXPECT_TRUE(test::same(attributes(pair.master.get()), attributes(pair.slave.get())));
    EXPECT_EQ(test::size_of(pair.slave.get())[1], 111);
    EXPECT_EQ(take(pair.slave.get(), 6), "early\1");
}

TEST_P(PtyLine, WhatWasTypedBeforeTheSlaveWasOpenedIsReadByWhoOpensIt) {
    terminal pair(GetParam(), false);
    put(pair.master.get(), "first\rsec");
    EXPECT_EQ(take(pair.master.get(), 10), "first\r\nsec") << "echoed";
    pair.slave = pair.peer();
    EXPECT_EQ(take_some(pair.slave.get()), "first\n");
    put(pair.master.get(), "ond\r");
    EXPECT_EQ(take_some(pair.slave.get()), "second\n");
}

TEST_P(PtyLine, TermiosSizeAndUnreadInputSurviveALastClose) {
    terminal pair(GetParam());
    test::without_echo(pair.slave.get());
    change(pair.slave.get(), [](termios& line) { line.c_cc[VERASE] = '%'; });
    ASSERT_EQ(test::resize(pair.slave.get(), 5, 6), 0);
    const auto before = attributes(pair.slave.get());
    put(pair.master.get(), "one\ntwx%o\nthr");
    EXPECT_EQ(take_some(pair.slave.get(), 2), "on");
    pair.slave.reset();
    EXPECT_TRUE(test::same(attributes(pair.master.get()), before));
    put(pair.master.get(), "ee\n");
    pair.slave = pair.peer();
    EXPECT_TRUE(test::same(attributes(pair.slave.get()), before));
    EXPECT_EQ(test::size_of(pair.slave.get())[0], 5);
    EXPECT_EQ(take_some(pair.slave.get()), "e\n");
    EXPECT_EQ(take_some(pair.slave.get()), "two\n");
    EXPECT_EQ(take_some(pair.slave.get()), "three\n");
}

TEST_P(PtyLine, AnUnknownIoctlIsRefused) {
    const terminal pair(GetParam());
    for (const int fd : {pair.master.get(), pair.slave.get()}) {
        EXPECT_EQ(test::ioctl_error(fd, _IO('~', 77), 0), ENOTTY);
        EXPECT_EQ(test::ioctl_error(fd, _IO('T', 0xf7), 0), ENOTTY);
    }
}

} // namespace
