// SPDX-License-Identifier: MIT
// The standard way to be notified: O_ASYNC, F_SETOWN_EX, F_SETSIG, on a port
// and on both ends of a pipe.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>

#include <atomic>
#include <optional>
#include <thread>

#include "support.hpp"

namespace {

using test::patterned;

const int signo = SIGRTMIN + 5;

class Async : public ::testing::Test {
protected:
    void SetUp() override {
        sigemptyset(&set);
        sigaddset(&set, signo);
        ASSERT_EQ(::pthread_sigmask(SIG_BLOCK, &set, nullptr), 0);
    }

    static void arm(int fd, f_owner_ex owner) {
        CHECK_CALL(::fcntl(fd, F_SETOWN_EX, &owner));
        CHECK_CALL(::fcntl(fd, F_SETSIG, signo));
        CHECK_CALL(::fcntl(fd, F_SETFL, CHECK_CALL(::fcntl(fd, F_GETFL)) | O_ASYNC));
    }

    static void arm_for_me(int fd) { arm(fd, {F_OWNER_PID, ::getpid()}); }

    std::optional<siginfo_t> take() const {
        siginfo_t info{};
        const timespec none{};
        if (::sigtimedwait(&set, &info, &none) != signo)
            return {};
        return info;
    }

    // A signal of that descriptor with that event in its band is there.
    void expect_signal(int fd, long band) const {
        bool seen = false;
        while (const auto info = take())
            seen = seen || (info->si_fd == fd && (info->si_band & band) == band);
        EXPECT_TRUE(seen) << "no signal of descriptor " << fd << " with band " << band;
    }

    sigset_t set{};
};

TEST_F(Async, APortTellsOfAnEvent) {
    const auto port = test::listening_port();
    arm_for_me(port.fd());
    static_cast<void>(port.open_sender(::getpid()));
    expect_signal(port.fd(), POLLIN);
}

TEST_F(Async, AReceiverTellsOfData) {
    auto pair = test::raw_pair();
    arm_for_me(pair.receiver.fd());
    pair.sender.write(patterned(1));
    expect_signal(pair.receiver.fd(), POLLIN);
}

TEST_F(Async, AReceiverTellsOfTheEnd) {
    auto pair = test::raw_pair();
    arm_for_me(pair.receiver.fd());
    pair.sender.close();
    EXPECT_TRUE(take());
}

TEST_F(Async, ASenderTellsOfRoom) {
    auto pair = test::raw_pair();
    pair.sender.write(patterned(ipcshim::capacity_unit));
    arm_for_me(pair.sender.fd());
    EXPECT_EQ(test::read_bytes(pair.receiver.fd(), ipcshim::capacity_unit).size(),
              ipcshim::capacity_unit);
    expect_signal(pair.sender.fd(), POLLOUT);
}

TEST_F(Async, ASenderTellsOfTheEnd) {
    auto pair = test::raw_pair();
    arm_for_me(pair.sender.fd());
    pair.receiver.close();
    EXPECT_TRUE(take());
}

TEST_F(Async, WithoutItNothingIsRaised) {
    auto pair = test::raw_pair();
    const auto port = test::listening_port();
    arm_for_me(pair.receiver.fd());
    arm_for_me(port.fd());
    for (const int fd : {pair.receiver.fd(), port.fd()})
        ASSERT_EQ(::fcntl(fd, F_SETFL, ::fcntl(fd, F_GETFL) & ~O_ASYNC), 0);
    pair.sender.write(patterned(1));
    static_cast<void>(port.open_sender(::getpid()));
    EXPECT_FALSE(take());
}

TEST_F(Async, GoesToTheThreadThatWasNamed) {
    auto pair = test::raw_pair();
    std::atomic<pid_t> tid{0};
    std::atomic<bool> got{false};
    std::thread named([&] {
        tid = test::own_tid();
        siginfo_t info{};
        got = ::sigwaitinfo(&set, &info) == signo && info.si_fd == pair.receiver.fd();
    });
    test::wait_until([&] { return tid != 0; });
    arm(pair.receiver.fd(), {F_OWNER_TID, tid});
    pair.sender.write(patterned(1));
    named.join();
    EXPECT_TRUE(got);
    EXPECT_FALSE(take());
}

TEST_F(Async, GoesToEveryProcessOfTheGroup) {
    auto pair = test::raw_pair();
    const auto member = [&](const test::line& parent) {
        parent.put(1);
        siginfo_t info{};
        CHECK(::sigwaitinfo(&set, &info) == signo);
        parent.put(static_cast<std::uint64_t>(info.si_fd));
    };
    test::process first(member);
    test::process second(member);
    static_cast<void>(first.get());
    static_cast<void>(second.get());
    CHECK_CALL(::setpgid(first.pid(), first.pid()));
    CHECK_CALL(::setpgid(second.pid(), first.pid()));
    arm(pair.receiver.fd(), {F_OWNER_PGRP, first.pid()});
    pair.sender.write(patterned(1));
    EXPECT_EQ(first.get(), static_cast<std::uint64_t>(pair.receiver.fd()));
    EXPECT_EQ(second.get(), static_cast<std::uint64_t>(pair.receiver.fd()));
    first.join();
    second.join();
    EXPECT_FALSE(take());
}

TEST_F(Async, BelongsToTheOpenFileAndNotToItsNumber) {
    auto pair = test::raw_pair();
    const test::unique_fd twin(::dup(pair.receiver.fd()));
    arm_for_me(pair.receiver.fd());
    pair.receiver.close();
    // The twin is the same open file: still armed.
    pair.sender.write(patterned(1));
    EXPECT_TRUE(take());
}

} // namespace
