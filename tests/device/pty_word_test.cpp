// SPDX-License-Identifier: MIT
// Three things that a pseudo terminal made anew gets wrong easily. Each is
// shown on a pair of the module and on one of devpts.
#include "pty_support.hpp"

namespace {

using test::polled;
using test::put;
using test::read_error;
using test::take;
using test::terminal;
using test::worker;

class PtyWord : public test::pty_test {};
ON_BOTH_KINDS_OF_PTY(PtyWord);

// A master whose slave was never opened blocks instead of EIO.
TEST_P(PtyWord, AMasterWhoseSlaveWasNeverOpenedBlocksInsteadOfEIO) {
    const terminal pair(GetParam(), false);
    EXPECT_EQ(polled(pair.master.get()) & (POLLIN | POLLPRI | POLLHUP | POLLERR), 0);
    test::nonblocking(pair.master.get());
    EXPECT_EQ(read_error(pair.master.get()), EAGAIN);
    test::nonblocking(pair.master.get(), false);

    std::string got;
    worker reader([&] { got = test::take_some(pair.master.get()); });
    reader.wait_until_in(SYS_read, pair.master.get());
    const auto slave = pair.peer();
    reader.wait_until_in(SYS_read, pair.master.get());
    put(slave.get(), "first");
    reader.join();
    EXPECT_EQ(got, "first");
}

// TIOCGPTPEER counts as an open.
TEST_P(PtyWord, TIOCGPTPEERCountsAsAnOpen) {
    const terminal pair(GetParam(), false);
    test::nonblocking(pair.master.get());
    auto one = pair.peer();
    auto two = pair.node();
    one.reset();
    EXPECT_EQ(read_error(pair.master.get()), EAGAIN) << "opened by its node as well";
    one = pair.peer();
    two.reset();
    EXPECT_EQ(read_error(pair.master.get()), EAGAIN) << "opened by TIOCGPTPEER still";
    EXPECT_EQ(polled(pair.master.get()) & POLLHUP, 0);
    one.reset();
    EXPECT_EQ(read_error(pair.master.get()), EIO) << "the close of it was the last one";
    EXPECT_NE(polled(pair.master.get()) & POLLHUP, 0);
}

// After the last close the master reads what is left, then EIO, and poll says HUP.
TEST_P(PtyWord, AfterTheLastCloseTheMasterReadsWhatIsLeftThenEIOAndPollSaysHUP) {
    terminal pair(GetParam());
    test::make_raw(pair.slave.get());
    const auto text = std::string(2'000, 'a') + std::string(1'000, 'b');
    put(pair.slave.get(), text);
    pair.slave.reset();
    const int master = pair.master.get();
    EXPECT_EQ(polled(master) & (POLLIN | POLLHUP), POLLIN | POLLHUP);
    EXPECT_EQ(take(master, 1'999), text.substr(0, 1'999));
    EXPECT_EQ(polled(master) & (POLLIN | POLLHUP), POLLIN | POLLHUP);
    EXPECT_EQ(take(master, 1'001), text.substr(1'999));
    for (int i = 0; i < 2; i++) {
        EXPECT_EQ(polled(master) & (POLLIN | POLLHUP), POLLHUP);
        EXPECT_EQ(read_error(master), EIO);
    }

    // Opened again it blocks again, and is of use.
    pair.slave = pair.peer();
    EXPECT_EQ(polled(master) & (POLLIN | POLLHUP), 0);
    std::string got;
    worker reader([&] { got = test::take_some(master); });
    reader.wait_until_in(SYS_read, master);
    put(pair.slave.get(), "again");
    reader.join();
    EXPECT_EQ(got, "again");
}

TEST_P(PtyWord, AMasterThatWaitsIsToldOfTheLastClose) {
    terminal pair(GetParam());
    auto second = pair.peer();
    int error = 0;
    worker reader([&] { error = read_error(pair.master.get()); });
    reader.wait_until_in(SYS_read, pair.master.get());
    second.reset();
    reader.wait_until_in(SYS_read, pair.master.get());
    pair.slave.reset();
    reader.join();
    EXPECT_EQ(error, EIO);

    pair.slave = pair.node();
    pollfd what{pair.master.get(), POLLIN, 0};
    worker poller([&] { CHECK(::poll(&what, 1, -1) == 1); });
    poller.wait_until_idle();
    pair.slave.reset();
    poller.join();
    EXPECT_EQ(what.revents, POLLHUP);
}

TEST_P(PtyWord, TheLastCloseIsThatOfTheLastCopy) {
    terminal pair(GetParam());
    test::nonblocking(pair.master.get());
    test::unique_fd copy(CHECK_CALL(::dup(pair.slave.get())));
    auto holder = test::keeper_without(pair.master, copy);
    static_cast<void>(holder.get());
    pair.slave.reset();
    EXPECT_EQ(read_error(pair.master.get()), EAGAIN) << "open as a copy, and in another process";
    copy.reset();
    EXPECT_EQ(read_error(pair.master.get()), EAGAIN) << "open in another process";
    holder.put(1);
    holder.join();
    EXPECT_EQ(read_error(pair.master.get()), EIO);
}

} // namespace
