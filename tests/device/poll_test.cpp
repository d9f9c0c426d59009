// SPDX-License-Identifier: MIT
// poll and epoll: every state of the contract's table.
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>

#include <array>

#include "support.hpp"

namespace {

using test::patterned;

constexpr std::size_t unit = ipcshim::capacity_unit;
constexpr short everything = POLLIN | POLLOUT | POLLRDHUP | POLLPRI;

short poll_now(int fd) {
    pollfd poll{fd, everything, 0};
    CHECK_CALL(::poll(&poll, 1, 0));
    return static_cast<short>(poll.revents & ~(POLLRDNORM | POLLWRNORM));
}

// Waits in poll; what came.
short poll_until(int fd, short events) {
    pollfd poll{fd, events, 0};
    CHECK(::poll(&poll, 1, -1) == 1);
    return poll.revents;
}

TEST(Poll, AnEmptyPortIsNotReadableAndOneWithAnEventIs) {
    const auto port = test::listening_port();
    EXPECT_EQ(poll_now(port.fd()), 0);
    static_cast<void>(port.open_sender(::getpid()));
    EXPECT_EQ(poll_now(port.fd()), POLLIN);
    static_cast<void>(port.read_event());
    EXPECT_EQ(poll_now(port.fd()), 0);
}

TEST(Poll, AnEmptyPipeIsWritableAndNotReadable) {
    auto pair = test::raw_pair();
    EXPECT_EQ(poll_now(pair.sender.fd()), POLLOUT);
    EXPECT_EQ(poll_now(pair.receiver.fd()), 0);
}

TEST(Poll, APipeWithDataIsReadable) {
    for (const bool message : {false, true}) {
        auto pair = message ? test::message_pair() : test::raw_pair();
        pair.sender.write(patterned(1));
        EXPECT_EQ(poll_now(pair.receiver.fd()), POLLIN);
        EXPECT_EQ(poll_now(pair.sender.fd()), POLLOUT);
    }
}

TEST(Poll, ASenderIsWritableWhilePipeBufBytesFit) {
    auto pair = test::raw_pair();
    pair.sender.write(patterned(unit - IPCSHIM_PIPE_BUF));
    EXPECT_EQ(poll_now(pair.sender.fd()), POLLOUT);
    pair.sender.write(patterned(1));
    EXPECT_EQ(poll_now(pair.sender.fd()), 0);
    EXPECT_EQ(test::read_bytes(pair.receiver.fd(), 1).size(), 1U);
    EXPECT_EQ(poll_now(pair.sender.fd()), POLLOUT);
}

TEST(Poll, ASenderThatMetEAGAINIsWritableOnceThatSizeFits) {
    auto pair = test::message_pair();
    pair.sender.set_nonblocking(true);
    for (int i = 0; i < 4; i++)
        pair.sender.write(patterned(15'000));
    // 5 536 bytes are free: PIPE_BUF would fit.
    EXPECT_EQ(poll_now(pair.sender.fd()), POLLOUT);
    const auto large = patterned(20'000);
    ASSERT_EQ(::write(pair.sender.fd(), large.data(), large.size()), -1);
    ASSERT_EQ(errno, EAGAIN);
    EXPECT_EQ(poll_now(pair.sender.fd()), 0);
    std::vector<std::byte> buffer(15'000);
    EXPECT_EQ(pair.receiver.read(buffer).moved(), 15'000U);
    // 20 536 bytes are.
    EXPECT_EQ(poll_now(pair.sender.fd()), POLLOUT);
    EXPECT_EQ(::write(pair.sender.fd(), large.data(), large.size()), 20'000);
}

TEST(Poll, WhatOneDescriptorMetDoesNotChangeAnother) {
    auto port = test::listening_port();
    ipcshim::pipe_parameters parameters;
    parameters.mode = ipcshim::pipe_mode::message;
    auto pair = port.open_pipe(parameters);
    const auto token = pair.sender.send_to(::getpid());
    auto other = std::get<ipcshim::sender>(port.claim(token));
    pair.sender.set_nonblocking(true);
    other.write(patterned(50'000));
    const auto large = patterned(20'000);
    ASSERT_EQ(::write(pair.sender.fd(), large.data(), large.size()), -1);
    EXPECT_EQ(poll_now(pair.sender.fd()), 0);
    EXPECT_EQ(poll_now(other.fd()), POLLOUT);
}

TEST(Poll, AClosedReceiverIsAnErrorOfTheSender) {
    auto pair = test::raw_pair();
    pair.receiver.close();
    EXPECT_EQ(poll_now(pair.sender.fd()) & POLLERR, POLLERR);
}

TEST(Poll, AClosedSenderIsAHangupOfTheReceiver) {
    auto pair = test::raw_pair();
    pair.sender.close();
    EXPECT_EQ(poll_now(pair.receiver.fd()) & (POLLHUP | POLLRDHUP), POLLHUP | POLLRDHUP);
}

TEST(Poll, AClosedSenderWithDataLeftIsReadableAndAHangup) {
    auto pair = test::raw_pair();
    pair.sender.write(patterned(5));
    pair.sender.close();
    EXPECT_EQ(poll_now(pair.receiver.fd()), POLLIN | POLLHUP | POLLRDHUP);
}

TEST(Poll, AfterClosePipeBothEndsSaySo) {
    auto pair = test::raw_pair();
    pair.sender.write(patterned(5));
    pair.sender.close_pipe();
    EXPECT_EQ(poll_now(pair.sender.fd()) & POLLERR, POLLERR);
    EXPECT_EQ(poll_now(pair.receiver.fd()) & POLLHUP, POLLHUP);
}

TEST(Poll, WaitingPollWakesForDataRoomAndTheEnd) {
    auto pair = test::raw_pair();
    auto full = test::raw_pair();
    full.sender.write(patterned(unit));
    auto ending = test::raw_pair();
    const auto poller = [](int fd, short events) {
        return [fd, events](const test::line& parent) {
            parent.put(static_cast<std::uint64_t>(::getpid()));
            parent.put(static_cast<std::uint64_t>(poll_until(fd, events)));
        };
    };
    test::process for_data(poller(pair.receiver.fd(), POLLIN));
    test::process for_room(poller(full.sender.fd(), POLLOUT));
    test::process for_hangup([&](const test::line& parent) {
        ending.sender.close();
        poller(ending.receiver.fd(), POLLIN)(parent);
    });
    for (auto* process : {&for_data, &for_room, &for_hangup}) {
        static_cast<void>(process->get());
        test::wait_until([&] { return test::sleeps(process->pid()); });
    }
    pair.sender.write(patterned(1));
    EXPECT_EQ(test::read_bytes(full.receiver.fd(), unit).size(), unit);
    ending.sender.close();
    EXPECT_EQ(for_data.get() & POLLIN, static_cast<std::uint64_t>(POLLIN));
    EXPECT_EQ(for_room.get() & POLLOUT, static_cast<std::uint64_t>(POLLOUT));
    EXPECT_EQ(for_hangup.get() & POLLHUP, static_cast<std::uint64_t>(POLLHUP));
}

class Epoll : public ::testing::Test {
protected:
    void add(int fd, std::uint32_t events) {
        epoll_event event{events, {}};
        event.data.fd = fd;
        CHECK_CALL(::epoll_ctl(epoll.get(), EPOLL_CTL_ADD, fd, &event));
    }

    // The events of the only descriptor, 0: none.
    std::uint32_t wait(int timeout = 0) {
        epoll_event event{};
        return CHECK_CALL(::epoll_wait(epoll.get(), &event, 1, timeout)) == 1 ? event.events : 0;
    }

    test::unique_fd epoll{CHECK_CALL(::epoll_create1(EPOLL_CLOEXEC))};
};

TEST_F(Epoll, LevelTriggeredTellsAgainAndAgain) {
    auto pair = test::raw_pair();
    add(pair.receiver.fd(), EPOLLIN);
    EXPECT_EQ(wait(), 0U);
    pair.sender.write(patterned(2));
    EXPECT_EQ(wait(), EPOLLIN);
    EXPECT_EQ(wait(), EPOLLIN);
    EXPECT_EQ(test::read_bytes(pair.receiver.fd(), 2).size(), 2U);
    EXPECT_EQ(wait(), 0U);
}

TEST_F(Epoll, EdgeTriggeredTellsOncePerWrite) {
    auto pair = test::raw_pair();
    add(pair.receiver.fd(), EPOLLIN | EPOLLET);
    pair.sender.write(patterned(2));
    EXPECT_EQ(wait(), EPOLLIN);
    EXPECT_EQ(wait(), 0U);
    // More data is a new edge although there was some left.
    pair.sender.write(patterned(2));
    EXPECT_EQ(wait(), EPOLLIN);
    EXPECT_EQ(wait(), 0U);
}

TEST_F(Epoll, EdgeTriggeredTellsOfRoomAfterEAGAIN) {
    auto pair = test::raw_pair();
    pair.sender.set_nonblocking(true);
    add(pair.sender.fd(), EPOLLOUT | EPOLLET);
    EXPECT_EQ(wait(), EPOLLOUT);
    EXPECT_EQ(wait(), 0U);
    const auto bytes = patterned(unit);
    ASSERT_EQ(::write(pair.sender.fd(), bytes.data(), unit), static_cast<ssize_t>(unit));
    ASSERT_EQ(::write(pair.sender.fd(), bytes.data(), 1), -1);
    EXPECT_EQ(test::read_bytes(pair.receiver.fd(), unit).size(), unit);
    EXPECT_EQ(wait(), EPOLLOUT);
}

TEST_F(Epoll, EdgeTriggeredPortTellsOfEachEvent) {
    const auto port = test::listening_port();
    add(port.fd(), EPOLLIN | EPOLLET);
    static_cast<void>(port.open_sender(::getpid()));
    EXPECT_EQ(wait(), EPOLLIN);
    EXPECT_EQ(wait(), 0U);
    static_cast<void>(port.open_sender(::getpid()));
    EXPECT_EQ(wait(), EPOLLIN);
}

TEST_F(Epoll, TellsOfTheEnd) {
    auto pair = test::raw_pair();
    add(pair.receiver.fd(), EPOLLIN | EPOLLRDHUP | EPOLLET);
    pair.sender.close();
    EXPECT_EQ(wait() & (EPOLLHUP | EPOLLRDHUP), EPOLLHUP | EPOLLRDHUP);
}

TEST_F(Epoll, WakesOneOfTwoExclusiveWaiters) {
    auto pair = test::raw_pair();
    const auto waiter = [&](const test::line& parent) {
        const test::unique_fd own(CHECK_CALL(::epoll_create1(EPOLL_CLOEXEC)));
        epoll_event event{EPOLLIN | EPOLLEXCLUSIVE, {}};
        CHECK_CALL(::epoll_ctl(own.get(), EPOLL_CTL_ADD, pair.receiver.fd(), &event));
        parent.put(1);
        CHECK(::epoll_wait(own.get(), &event, 1, -1) == 1);
        std::array<std::byte, 8> buffer{};
        CHECK(::read(pair.receiver.fd(), buffer.data(), buffer.size()) == 1);
        parent.put(2);
    };
    test::process first(waiter);
    test::process second(waiter);
    for (auto* process : {&first, &second}) {
        static_cast<void>(process->get());
        test::wait_until([&] { return test::sleeps(process->pid()); });
    }
    // Each write is for one of them; both get their turn.
    pair.sender.write(patterned(1));
    test::wait_until([&] { return pair.sender.info().bytes_waiting() == 0; });
    pair.sender.write(patterned(1));
    first.join();
    second.join();
}

} // namespace
