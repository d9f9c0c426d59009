// SPDX-License-Identifier: MIT
// Descriptors that go to other processes: fork, exec, SCM_RIGHTS, dup, SEND_PIPE.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <algorithm>
#include <array>
#include <thread>

#include "support.hpp"

namespace {

using test::patterned;

TEST(Passing, AForkedChildUsesTheEndsItInherited) {
    auto pair = test::raw_pair();
    test::process child([&](const test::line&) {
        pair.sender.close();
        CHECK(test::matching(test::read_bytes(pair.receiver.fd(), 1000), 1) == 1000);
    });
    pair.receiver.close();
    pair.sender.write(patterned(1000, 1));
    child.join();
}

TEST(Passing, ForkWithEverythingOpenKeepsItOpenUntilBothHaveEnded) {
    const auto before = test::totals();
    auto port = test::listening_port();
    auto raw = port.open_pipe();
    auto message = test::message_pair();
    auto announced = port.open_sender_unannounced(::getpid());
    raw.sender.write(patterned(10));
    test::process child([&](const test::line& parent) {
        parent.put(1);
        static_cast<void>(parent.get());
    });
    static_cast<void>(child.get());
    port.close();
    raw.sender.close();
    raw.receiver.close();
    message.sender.close();
    message.receiver.close();
    announced.end.close();
    auto now = test::totals();
    EXPECT_EQ(now.pipes, before.pipes + 3);
    EXPECT_EQ(now.ports, before.ports + 1);
    EXPECT_EQ(now.tokens, before.tokens + 1);
    child.put(1);
    child.join();
    EXPECT_EQ(test::totals(), before);
}

TEST(Passing, ForkAndCloseByTheChildIsNoEnd) {
    auto port = test::listening_port();
    auto pair = port.open_pipe();
    test::process child([&](const test::line&) {
        pair.sender.close();
        port.close();
    });
    child.join();
    EXPECT_FALSE(port.try_read_event());
    EXPECT_TRUE(pair.receiver.info().is_open());
    // The port is alive too.
    EXPECT_TRUE(port.is_handled(ipcshim::event_code::recv_pipe));
}

TEST(Passing, ExecClosesEverythingAndTheOtherSideIsTold) {
    auto port = test::listening_port();
    test::process other([](const test::line& parent) {
        auto its_port = test::listening_port();
        parent.put(1);
        auto receiver = its_port.claim_receiver(its_port.read_event());
        parent.put(1);
        static_cast<void>(parent.get());
        ::execl("/proc/self/exe", "ends", "--end", nullptr);
    });
    static_cast<void>(other.get());
    const auto sender = port.open_sender(other.pid());
    static_cast<void>(other.get());
    other.put(1);
    const auto event = port.read_event();
    ASSERT_TRUE(event.as_pipe_closed());
    EXPECT_EQ(event.as_pipe_closed()->how, ipcshim::how::executed);
    std::error_code error;
    sender.write(patterned(1), ipcshim::io_mode::all, error);
    EXPECT_EQ(error.value(), EPIPE);
    // Whether it runs still or has ended: that program has no port.
    static_cast<void>(port.open_sender(other.pid(), {}, error));
    EXPECT_TRUE(error.value() == ECONNREFUSED || error.value() == ESRCH) << error.message();
}

TEST(Passing, AnExecutedProgramThatKeepsThePortIsNotAddressedByIt) {
    auto port = test::listening_port();
    test::process other([](const test::line& parent) {
        auto its_port = test::listening_port();
        CHECK_CALL(::fcntl(its_port.fd(), F_SETFD, 0));
        CHECK_CALL(::fcntl(parent.fd(), F_SETFD, 0));
        parent.put(1);
        static_cast<void>(parent.get());
        // Waits in the new program until the line ends.
        ::execl("/proc/self/exe", "waits", "--wait-on", std::to_string(parent.fd()).c_str(),
                nullptr);
    });
    static_cast<void>(other.get());
    EXPECT_TRUE(port.is_handled(ipcshim::event_code::recv_pipe, other.pid()));
    other.put(1);
    EXPECT_EQ(other.get(), 7U); // the new program runs
    EXPECT_FALSE(port.is_handled(ipcshim::event_code::recv_pipe, other.pid()));
    std::error_code error;
    static_cast<void>(port.open_sender(other.pid(), {}, error));
    EXPECT_EQ(error.value(), ECONNREFUSED);
    other.put(1);
    other.join();
}

TEST(Passing, EndsTravelOverScmRights) {
    auto pair = test::message_pair();
    test::process other([&](const test::line& parent) {
        pair.sender.close();
        pair.receiver.close();
        const auto fd = test::receive_fd(parent);
        const ipcshim::receiver receiver(ipcshim::adopt_fd, ::dup(fd.get()));
        std::string text;
        CHECK(receiver.read_message(text) && text == "over the wire");
    });
    test::send_fd(other.wire(), pair.receiver.fd());
    pair.receiver.close();
    pair.sender.write(ipcshim::bytes_of("over the wire"));
    other.join();
}

TEST(Passing, AnEndInFlightKeepsThePipeOpen) {
    auto port = test::listening_port();
    auto pair = port.open_pipe();
    test::process other([&](const test::line& parent) {
        pair.sender.close();
        pair.receiver.close();
        parent.put(1);
        ::pause(); // receives nothing
    });
    static_cast<void>(other.get());
    test::send_fd(other.wire(), pair.receiver.fd());
    pair.receiver.close();
    EXPECT_TRUE(pair.sender.info().is_open());
    other.kill(); // never received
    const auto event = port.read_event();
    ASSERT_TRUE(event.as_pipe_closed());
    EXPECT_EQ(event.as_pipe_closed()->end, ipcshim::pipe_end::sender);
    EXPECT_FALSE(pair.sender.info().is_open());
}

TEST(Passing, APortThatTravelsServesItsOwnerOnly) {
    auto port = test::listening_port();
    test::process other([&](const test::line& parent) {
        const auto fd = test::receive_fd(parent);
        ipcshim_ready ready{};
        CHECK(::ioctl(fd.get(), IPCSHIM_READY, &ready) == -1 && errno == EPERM);
        // Pipes of whoever opens them, events of the owner.
        ipcshim_open_pipe args{};
        args.direction = IPCSHIM_END_SENDER;
        args.mode = IPCSHIM_PIPE_RAW;
        CHECK_CALL(::ioctl(fd.get(), IPCSHIM_OPEN_PIPE, &args));
        ::close(args.fd);
    });
    test::send_fd(other.wire(), port.fd());
    const auto event = port.read_event();
    EXPECT_EQ(event.code(), ipcshim::event_code::pipe_closed);
    EXPECT_EQ(event.pid(), other.pid());
    other.join();
}

TEST(Passing, ADupIsTheSameEnd) {
    auto port = test::listening_port();
    auto pair = port.open_pipe();
    test::unique_fd twin(CHECK_CALL(::dup(pair.sender.fd())));
    struct stat first {};
    struct stat second {};
    ASSERT_EQ(::fstat(pair.sender.fd(), &first), 0);
    ASSERT_EQ(::fstat(twin.get(), &second), 0);
    EXPECT_EQ(first.st_ino, second.st_ino);
    pair.sender.close();
    test::write_bytes(twin.get(), patterned(3));
    EXPECT_FALSE(port.try_read_event());
    twin.reset();
    // One event for the one descriptor that OPEN_PIPE gave.
    EXPECT_EQ(port.read_event().as_pipe_closed()->end, ipcshim::pipe_end::receiver);
    EXPECT_FALSE(port.try_read_event());
}

TEST(Passing, AnEndReopenedThroughProcIsTheSameEndOrIsRefused) {
    auto pair = test::raw_pair();
    const std::string path = "/proc/self/fd/" + std::to_string(pair.sender.fd());
    const test::unique_fd again(::open(path.c_str(), O_WRONLY | O_CLOEXEC | O_NONBLOCK));
    if (again.get() < 0) {
        // An end is made by OPEN_PIPE and CLAIM alone.
        EXPECT_TRUE(errno == ENXIO || errno == EACCES || errno == EPERM) << errno;
    } else {
        test::write_bytes(again.get(), patterned(5));
        EXPECT_EQ(pair.receiver.info().bytes_waiting(), 5U);
    }
    // Nobody gets the other direction that way.
    const test::unique_fd reads(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
    if (reads.get() >= 0) {
        char byte = 0;
        EXPECT_EQ(::read(reads.get(), &byte, 1), -1);
    }
    pair.sender.write(patterned(1));
}

TEST(Passing, SendPipeLetsTwoWritersTakeTurns) {
    auto port = test::listening_port();
    auto pair = port.open_pipe();
    test::process second([](const test::line& parent) {
        auto its_port = test::listening_port();
        parent.put(1);
        const auto event = its_port.read_event();
        CHECK(event.as_recv_pipe() && event.as_recv_pipe()->end == ipcshim::pipe_end::sender);
        CHECK(event.command() == 9);
        const auto sender = its_port.claim_sender(event);
        parent.put(1);
        sender.write(patterned(150'000, 2));
    });
    static_cast<void>(second.get());
    pair.sender.send_to(second.pid(), {.command = 9});
    static_cast<void>(second.get());
    test::process first([&](const test::line&) { pair.sender.write(patterned(150'000, 1)); });
    pair.sender.close();
    const auto bytes = test::read_bytes(pair.receiver.fd(), 300'000);
    ASSERT_EQ(bytes.size(), 300'000U);
    const std::span all(bytes);
    const bool first_came_first = test::matching(all.first(150'000), 1) == 150'000;
    EXPECT_EQ(test::matching(all.first(150'000), first_came_first ? 1 : 2), 150'000U);
    EXPECT_EQ(test::matching(all.last(150'000), first_came_first ? 2 : 1), 150'000U);
    first.join();
    second.join();
}

TEST(Passing, SendPipeOfAReceiverLetsTwoReadersShare) {
    test::process second([](const test::line& parent) {
        auto its_port = test::listening_port();
        parent.put(1);
        const auto receiver = its_port.claim_receiver(its_port.read_event());
        std::string text;
        while (receiver.read_message(text))
            parent.put(text.size());
        parent.put(0);
    });
    static_cast<void>(second.get());
    auto pair = test::message_pair(); // not inherited
    pair.receiver.send_to(second.pid());
    pair.receiver.close();
    for (std::size_t i = 1; i <= 5; i++)
        pair.sender.write(patterned(i));
    pair.sender.close();
    for (std::size_t i = 1; i <= 5; i++)
        EXPECT_EQ(second.get(), i);
    EXPECT_EQ(second.get(), 0U);
    second.join();
}

TEST(Passing, AnEndClaimedTwiceIsToldTwice) {
    const auto port = test::listening_port();
    auto pair = port.open_pipe();
    const auto token = pair.receiver.send_to(::getpid());
    static_cast<void>(port.read_event());
    auto second = std::get<ipcshim::receiver>(port.claim(token));
    const test::unique_fd twin(::dup(second.fd()));
    pair.sender.close();
    // One for what OPEN_PIPE gave, one for what CLAIM gave, none for the dup.
    EXPECT_EQ(port.events_waiting(), 2U);
    for (int i = 0; i < 2; i++)
        EXPECT_EQ(port.read_event().as_pipe_closed()->inode, pair.receiver.info().inode());
}

TEST(Passing, ADescriptorClosedBeforeTheEndIsNotTold) {
    const auto port = test::listening_port();
    auto pair = port.open_pipe();
    const auto token = pair.receiver.send_to(::getpid());
    static_cast<void>(port.read_event());
    auto second = std::get<ipcshim::receiver>(port.claim(token));
    second.close();
    pair.sender.close();
    EXPECT_EQ(port.events_waiting(), 1U);
}

TEST(Passing, ADescriptorThatCameByScmRightsIsNotTold) {
    const auto port = test::listening_port();
    test::process other([](const test::line& parent) {
        const auto its_port = test::listening_port();
        parent.put(1);
        const auto fd = test::receive_fd(parent);
        parent.put(1);
        char byte = 0;
        CHECK(::read(fd.get(), &byte, 1) == 0);
        CHECK(its_port.events_waiting() == 0);
    });
    static_cast<void>(other.get());
    auto pair = port.open_pipe();
    test::send_fd(other.wire(), pair.receiver.fd());
    static_cast<void>(other.get());
    pair.sender.close();
    other.join();
    EXPECT_EQ(port.events_waiting(), 1U);
}

TEST(Passing, AnEndSentAndNeverClaimedKeepsThePipeOpenUntilTheTargetEnds) {
    auto port = test::listening_port();
    auto pair = port.open_pipe();
    test::process second([](const test::line& parent) {
        const auto its_port = test::listening_port();
        parent.put(1);
        static_cast<void>(parent.get());
    });
    static_cast<void>(second.get());
    pair.sender.send_to(second.pid());
    pair.sender.close();
    EXPECT_TRUE(pair.receiver.info().is_open());
    EXPECT_FALSE(port.try_read_event());
    second.kill();
    EXPECT_EQ(port.read_event().as_pipe_closed()->how, ipcshim::how::killed);
    EXPECT_FALSE(pair.receiver.info().is_open());
}

TEST(Passing, ATokenIsClaimedOnceWhenManyThreadsTry) {
    auto port = test::listening_port();
    for (int round = 0; round < 20; round++) {
        const auto announced = port.open_sender_unannounced(::getpid());
        std::array<int, 4> results{};
        {
            std::vector<std::jthread> threads;
            for (auto& result : results)
                threads.emplace_back([&port, &announced, &result] {
                    std::error_code error;
                    const auto end = port.claim(announced.token, false, error);
                    result = error.value();
                });
        }
        EXPECT_EQ(std::count(results.begin(), results.end(), 0), 1);
        EXPECT_EQ(std::count(results.begin(), results.end(), ENOENT), 3);
    }
}

} // namespace
