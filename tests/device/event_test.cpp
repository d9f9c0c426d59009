// SPDX-License-Identifier: MIT
// Events: their order, that none is lost, and what READY changes for them.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/ioctl.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <memory>
#include <thread>

#include "support.hpp"

namespace {

TEST(Events, ComeInTheOrderOfTheirSequence) {
    auto port = test::listening_port();
    for (std::uint16_t i = 1; i <= 50; i++) {
        ipcshim::pipe_parameters parameters;
        parameters.command = i;
        // Closed at once: the receiver's token waits, the sender is gone.
        static_cast<void>(port.open_sender(::getpid(), parameters));
    }
    for (std::uint64_t i = 1; i <= 50; i++) {
        const auto event = port.try_read_event();
        ASSERT_TRUE(event);
        EXPECT_EQ(event->sequence(), i);
        EXPECT_EQ(event->command(), i);
        EXPECT_EQ(event->code(), ipcshim::event_code::recv_pipe);
    }
    EXPECT_FALSE(port.try_read_event());
}

TEST(Events, OfSeveralSendersAreNumberedWithoutGaps) {
    auto port = test::listening_port();
    constexpr std::uint64_t each = 30;
    std::vector<std::unique_ptr<test::process>> senders;
    const pid_t target = ::getpid();
    for (int i = 0; i < 4; i++)
        senders.push_back(std::make_unique<test::process>([target](const test::line&) {
            const auto its_port = ipcshim::port::open();
            for (std::uint64_t n = 0; n < each; n++)
                static_cast<void>(its_port.open_sender(target));
        }));
    for (std::uint64_t i = 1; i <= 4 * each; i++)
        ASSERT_EQ(port.read_event().sequence(), i);
    for (auto& sender : senders)
        sender->join();
    EXPECT_FALSE(port.try_read_event());
}

TEST(Events, ManyThreadsReadEachEventOnce) {
    auto port = test::listening_port();
    constexpr int count = 60;
    for (int i = 0; i < count; i++)
        static_cast<void>(port.open_sender(::getpid()));
    std::array<std::vector<std::uint64_t>, 3> seen;
    {
        std::vector<std::jthread> threads;
        for (auto& mine : seen)
            threads.emplace_back([&port, &mine] {
                while (const auto event = port.try_read_event())
                    mine.push_back(event->sequence());
            });
    }
    std::vector<std::uint64_t> all;
    for (auto& mine : seen) {
        EXPECT_TRUE(std::is_sorted(mine.begin(), mine.end()));
        all.insert(all.end(), mine.begin(), mine.end());
    }
    std::sort(all.begin(), all.end());
    ASSERT_EQ(all.size(), static_cast<std::size_t>(count));
    EXPECT_EQ(all.front(), 1U);
    EXPECT_EQ(all.back(), static_cast<std::uint64_t>(count));
    EXPECT_TRUE(std::adjacent_find(all.begin(), all.end()) == all.end());
}

TEST(Events, ABlockingReadWaitsForTheNextOne) {
    test::process owner([](const test::line& parent) {
        const auto port = test::listening_port();
        CHECK_CALL(::fcntl(port.fd(), F_SETFL, 0));
        parent.put(1);
        ipcshim_event event{};
        CHECK(::read(port.fd(), &event, sizeof(event)) == sizeof(event));
        parent.put(event.sequence);
    });
    static_cast<void>(owner.get());
    test::wait_until([&] { return test::sleeps(owner.pid()); });
    const auto port = ipcshim::port::open();
    const auto sender = port.open_sender(owner.pid());
    EXPECT_EQ(owner.get(), 1U);
    owner.join();
}

TEST(Events, BeforeReadyCanBeReadAndPolled) {
    auto port = test::listening_port(ipcshim::notify::signal(SIGRTMIN + 1));
    static_cast<void>(port.open_sender(::getpid()));
    pollfd poll{port.fd(), POLLIN, 0};
    EXPECT_EQ(::poll(&poll, 1, 0), 1);
    EXPECT_EQ(poll.revents, POLLIN);
    EXPECT_TRUE(port.try_read_event());
    EXPECT_EQ(::poll(&poll, 1, 0), 0);
}

TEST(Events, OfClosingAreNeverDropped) {
    // More pipes than the limit of events, all closed: an event for each.
    auto port = test::listening_port();
    std::vector<ipcshim::pipe_pair> pairs;
    for (int i = 0; i < 300; i++)
        pairs.push_back(port.open_pipe());
    const test::parameter limit("max_events", 10);
    for (auto& pair : pairs)
        pair.sender.close();
    EXPECT_EQ(port.events_waiting(), 300U);
    for (std::uint64_t i = 1; i <= 300; i++) {
        const auto event = port.try_read_event();
        ASSERT_TRUE(event);
        ASSERT_EQ(event->sequence(), i);
        ASSERT_EQ(event->as_pipe_closed()->inode, pairs[i - 1].receiver.info().inode());
    }
}

TEST(Events, OfAFullQueueAreRefusedToTheirSenderAndNotLost) {
    auto port = test::listening_port();
    const test::parameter limit("max_events", 5);
    std::vector<ipcshim::sender> senders;
    std::error_code error;
    for (int i = 0; i < 5; i++)
        senders.push_back(port.open_sender(::getpid()));
    const auto refused = port.open_sender(::getpid(), {}, error);
    EXPECT_EQ(error.value(), EAGAIN);
    for (int i = 0; i < 5; i++)
        EXPECT_TRUE(port.try_read_event());
    EXPECT_FALSE(port.try_read_event());
    static_cast<void>(port.open_sender(::getpid(), {}, error));
    EXPECT_FALSE(error);
}

TEST(Events, WaitInThePortAfterUnhandle) {
    auto port = test::listening_port();
    static_cast<void>(port.open_sender(::getpid()));
    port.unhandle(ipcshim::event_set::all());
    EXPECT_EQ(port.events_waiting(), 1U);
    std::error_code error;
    static_cast<void>(port.open_sender(::getpid(), {}, error));
    EXPECT_EQ(error.value(), ECONNREFUSED);
    EXPECT_TRUE(port.try_read_event());
}

TEST(Events, GoToThePortThatHandlesTheCode) {
    const auto announcing = ipcshim::port::open();
    const auto closing = ipcshim::port::open();
    announcing.handle({ipcshim::event_code::recv_pipe});
    closing.handle({ipcshim::event_code::pipe_closed});
    auto sender = announcing.open_sender(::getpid());
    const auto receiver = closing.claim_receiver(announcing.read_event());
    sender.close();
    EXPECT_EQ(closing.read_event().code(), ipcshim::event_code::pipe_closed);
    EXPECT_FALSE(announcing.try_read_event());
}

TEST(Events, ThatWaitDieWithThePort) {
    const auto before = test::totals();
    auto port = test::listening_port();
    const auto sender = port.open_sender(::getpid());
    EXPECT_EQ(test::totals().events, before.events + 1);
    EXPECT_EQ(test::totals().tokens, before.tokens + 1);
    port.close();
    EXPECT_EQ(test::totals().events, before.events);
    EXPECT_EQ(test::totals().tokens, before.tokens);
    EXPECT_FALSE(sender.info().is_open());
}

TEST(Events, TokensDieWithThePortAndNotWithAnotherOne) {
    const auto first = test::listening_port();
    auto second = ipcshim::port::open();
    const auto announced = first.open_sender_unannounced(::getpid());
    second.close();
    EXPECT_NO_THROW(static_cast<void>(first.claim(announced.token)));
}

TEST(Events, TellTheEffectiveUidOfTheirSender) {
    const auto port = test::listening_port();
    port.set_access(ipcshim::access::anybody);
    const pid_t target = ::getpid();
    test::process sender([target](const test::line&) {
        test::become(4711);
        static_cast<void>(ipcshim::port::open().open_sender(target));
    });
    const auto event = port.read_event();
    EXPECT_EQ(event.uid(), 4711U);
    EXPECT_EQ(event.pid(), sender.pid());
    sender.join();
}

} // namespace
