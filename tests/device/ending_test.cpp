// SPDX-License-Identifier: MIT
// How pipes end, and what the other side is told.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include <memory>

#include "support.hpp"

namespace {

using ipcshim::how;
using ipcshim::pipe_end;
using test::patterned;

constexpr std::size_t unit = ipcshim::capacity_unit;

// A process that takes the receiver of a pipe of mine and then ends in its way.
class Ending : public ::testing::Test {
protected:
    ipcshim::port port = test::listening_port();

    using ending = std::function<void(ipcshim::port& port, ipcshim::receiver& receiver,
                                      const test::line& parent)>;

    std::unique_ptr<test::process> receiver_that(const ending& end) {
        auto process = std::make_unique<test::process>([end](const test::line& parent) {
            auto its_port = test::listening_port();
            parent.put(1);
            auto receiver = its_port.claim_receiver(its_port.read_event());
            parent.put(receiver.info().inode());
            end(its_port, receiver, parent);
        });
        static_cast<void>(process->get());
        return process;
    }

    // Waits for PIPE_CLOSED and checks what is the same for every ending.
    ipcshim::pipe_closed closed_event(const ipcshim::sender& sender, pid_t pid) {
        const auto event = port.read_event();
        EXPECT_EQ(event.code(), ipcshim::event_code::pipe_closed);
        EXPECT_EQ(event.token(), ipcshim::no_token);
        EXPECT_EQ(event.pid(), pid);
        const auto closed = event.as_pipe_closed();
        CHECK(closed);
        EXPECT_EQ(closed->end, pipe_end::sender);
        EXPECT_EQ(closed->inode, sender.info().inode());
        return *closed;
    }
};

TEST_F(Ending, AReceiverThatALiveProcessCloses) {
    auto other = receiver_that([](auto&, auto& receiver, const test::line& parent) {
        static_cast<void>(parent.get());
        receiver.close();
        static_cast<void>(parent.get());
    });
    const auto pid = other->pid();
    const auto sender = port.open_sender(pid);
    static_cast<void>(other->get());
    sender.write(patterned(77));
    other->put(1);
    const auto closed = closed_event(sender, pid);
    EXPECT_EQ(closed.how, how::closed);
    EXPECT_EQ(closed.status, 0);
    EXPECT_EQ(closed.bytes_unread, 77U);
    EXPECT_EQ(closed.messages_unread, 0U);
    other->put(1);
    other->join();
}

TEST_F(Ending, AReceiverWhoseHolderExitsTellsTheExitCode) {
    auto other = receiver_that([](auto&, auto&, const test::line&) { ::_exit(42); });
    const auto pid = other->pid();
    const auto sender = port.open_sender(pid);
    const auto closed = closed_event(sender, pid);
    EXPECT_EQ(closed.how, how::exited);
    EXPECT_EQ(closed.status, 42);
    EXPECT_EQ(closed.bytes_unread, 0U);
}

TEST_F(Ending, AReceiverWhoseHolderExitsWith0) {
    auto other = receiver_that([](auto&, auto&, const test::line&) { ::_exit(0); });
    const auto pid = other->pid();
    const auto sender = port.open_sender(pid);
    const auto closed = closed_event(sender, pid);
    EXPECT_EQ(closed.how, how::exited);
    EXPECT_EQ(closed.status, 0);
}

TEST_F(Ending, AReceiverWhoseHolderIsKilledTellsTheSignal) {
    for (const int signo : {SIGKILL, SIGTERM}) {
        auto other = receiver_that(
            [](auto&, auto&, const test::line& parent) { static_cast<void>(parent.get()); });
        const auto pid = other->pid();
        const auto sender = port.open_sender(pid);
        static_cast<void>(other->get());
        sender.write(patterned(5));
        ASSERT_EQ(::kill(pid, signo), 0);
        const auto closed = closed_event(sender, pid);
        EXPECT_EQ(closed.how, how::killed);
        EXPECT_EQ(closed.status, signo);
        EXPECT_EQ(closed.bytes_unread, 5U);
    }
}

TEST_F(Ending, AReceiverWhoseHolderExecutesAnotherProgram) {
    auto other = receiver_that([](auto&, auto&, const test::line&) {
        ::execl("/proc/self/exe", "ends", "--end", nullptr);
    });
    const auto pid = other->pid();
    const auto sender = port.open_sender(pid);
    const auto closed = closed_event(sender, pid);
    EXPECT_EQ(closed.how, how::executed);
    EXPECT_EQ(closed.status, 0);
}

TEST_F(Ending, MessagesThatWereNeverReadAreCounted) {
    auto other = receiver_that([](auto&, auto& receiver, const test::line& parent) {
        static_cast<void>(parent.get());
        std::vector<std::byte> message;
        CHECK(receiver.read_message(message));
        receiver.close();
        static_cast<void>(parent.get());
    });
    ipcshim::pipe_parameters parameters;
    parameters.mode = ipcshim::pipe_mode::message;
    const auto sender = port.open_sender(other->pid(), parameters);
    for (const std::size_t size : {10U, 20U, 30U})
        sender.write(patterned(size));
    other->put(1);
    const auto closed = closed_event(sender, other->pid());
    EXPECT_EQ(closed.bytes_unread, 50U);
    EXPECT_EQ(closed.messages_unread, 2U);
}

// Claims a receiver before or after its sender is closed: it makes no difference.
void sender_closes(const ipcshim::port& port, bool after_the_claim) {
    test::process other([after_the_claim](const test::line& parent) {
        auto its_port = test::listening_port();
        parent.put(1);
        const auto announced = its_port.read_event();
        if (!after_the_claim)
            static_cast<void>(parent.get());
        auto receiver = its_port.claim_receiver(announced);
        if (after_the_claim) {
            parent.put(1);
            static_cast<void>(parent.get());
        }
        const auto event = its_port.read_event();
        const auto closed = event.as_pipe_closed();
        CHECK(closed && closed->end == pipe_end::receiver && closed->how == how::closed);
        CHECK(closed->inode == receiver.info().inode());
        CHECK(closed->bytes_unread == 300);
        CHECK(event.pid() == ::getppid());
        CHECK(test::matching(test::read_bytes(receiver.fd(), 400)) == 300);
    });
    static_cast<void>(other.get());
    auto sender = port.open_sender(other.pid());
    sender.write(patterned(300));
    if (after_the_claim)
        static_cast<void>(other.get());
    sender.close();
    other.put(1);
    other.join();
}

TEST_F(Ending, ASenderThatIsClosedLeavesItsBytesToBeRead) {
    sender_closes(port, true);
}

TEST_F(Ending, ASenderThatIsClosedBeforeTheClaimLeavesItsBytesToBeRead) {
    sender_closes(port, false);
}

TEST_F(Ending, ATokenNeverClaimedClosesAsIfItsTargetHadClosed) {
    test::process other([](const test::line& parent) {
        auto its_port = test::listening_port();
        parent.put(1);
        static_cast<void>(parent.get());
        its_port.close();
        static_cast<void>(parent.get());
    });
    static_cast<void>(other.get());
    const auto before = test::totals();
    const auto sender = port.open_sender(other.pid());
    sender.write(patterned(9));
    EXPECT_EQ(test::totals().tokens, before.tokens + 1);
    other.put(1);
    const auto closed = closed_event(sender, other.pid());
    EXPECT_EQ(closed.how, how::closed);
    EXPECT_EQ(closed.bytes_unread, 9U);
    EXPECT_EQ(test::totals().tokens, before.tokens);
    std::error_code error;
    sender.write(patterned(1), ipcshim::io_mode::all, error);
    EXPECT_EQ(error.value(), EPIPE);
}

TEST_F(Ending, ATokenNeverClaimedByAKilledProcessTellsTheSignal) {
    test::process other([](const test::line& parent) {
        const auto its_port = test::listening_port();
        parent.put(1);
        static_cast<void>(parent.get());
    });
    static_cast<void>(other.get());
    const auto pid = other.pid();
    const auto sender = port.open_sender(pid);
    other.kill();
    const auto closed = closed_event(sender, pid);
    EXPECT_EQ(closed.how, how::killed);
    EXPECT_EQ(closed.status, SIGKILL);
}

TEST_F(Ending, TheNextWriterProceedsWhenTheHolderOfTheLockIsKilled) {
    auto pair = test::raw_pair();
    test::process holder(
        [&](const test::line&) { test::write_bytes(pair.sender.fd(), patterned(3 * unit, 1)); });
    test::wait_until([&] { return pair.receiver.info().write_waits(); });
    test::process next([&](const test::line& parent) {
        const auto bytes = patterned(100, 2);
        parent.put(1);
        test::write_bytes(pair.sender.fd(), bytes);
    });
    static_cast<void>(next.get());
    test::wait_until([&] { return test::sleeps(next.pid()); });
    holder.kill();
    EXPECT_EQ(test::matching(test::read_bytes(pair.receiver.fd(), unit), 1), unit);
    EXPECT_EQ(test::matching(test::read_bytes(pair.receiver.fd(), 100), 2), 100U);
    next.join();
    EXPECT_FALSE(pair.sender.info().write_locked());
}

TEST_F(Ending, TheNextReaderProceedsWhenTheHolderOfTheLockIsKilled) {
    auto pair = test::raw_pair();
    test::process holder(
        [&](const test::line&) { static_cast<void>(test::read_bytes(pair.receiver.fd(), 1)); });
    test::wait_until([&] { return pair.sender.info().read_waits(); });
    test::process next([&](const test::line& parent) {
        parent.put(1);
        CHECK(test::matching(test::read_bytes(pair.receiver.fd(), 5)) == 5);
    });
    static_cast<void>(next.get());
    test::wait_until([&] { return test::sleeps(next.pid()); });
    holder.kill();
    test::write_bytes(pair.sender.fd(), patterned(5));
    next.join();
}

TEST_F(Ending, BothEndsKilledAtOnceLeaveNothing) {
    const auto before = test::totals();
    for (int round = 0; round < 20; round++) {
        test::process reader([](const test::line& parent) {
            auto its_port = test::listening_port();
            parent.put(1);
            auto receiver = its_port.claim_receiver(its_port.read_event());
            for (;;)
                static_cast<void>(test::read_bytes(receiver.fd(), 1000));
        });
        static_cast<void>(reader.get());
        test::process writer([&](const test::line& parent) {
            auto its_port = test::listening_port();
            const auto sender = its_port.open_sender(reader.pid());
            const auto bytes = patterned(3 * unit);
            parent.put(1);
            for (;;)
                test::write_bytes(sender.fd(), bytes);
        });
        static_cast<void>(writer.get());
        ASSERT_EQ(::kill(reader.pid(), SIGKILL), 0);
        ASSERT_EQ(::kill(writer.pid(), SIGKILL), 0);
        static_cast<void>(reader.wait());
        static_cast<void>(writer.wait());
        ASSERT_EQ(test::totals(), before);
    }
}

TEST_F(Ending, AWaitingReaderSeesTheEndWhenTheWriterIsKilled) {
    auto pair = test::raw_pair();
    test::process writer([&](const test::line& parent) { static_cast<void>(parent.get()); });
    pair.sender.close();
    test::process killer([&](const test::line&) {
        pair.sender.close();
        test::wait_until([&] { return pair.receiver.info().read_waits(); });
        CHECK_CALL(::kill(writer.pid(), SIGKILL));
    });
    char byte = 0;
    EXPECT_EQ(::read(pair.receiver.fd(), &byte, 1), 0);
    killer.join();
}

TEST_F(Ending, ClosePipeEndsWaitingReadsAndWritesOfEveryHolder) {
    auto empty = test::raw_pair();
    auto full = test::raw_pair();
    full.sender.write(patterned(unit));
    test::process reader(
        [&](const test::line&) { CHECK(test::read_bytes(empty.receiver.fd(), 1).empty()); });
    test::process writer([&](const test::line&) {
        std::error_code error;
        full.sender.write(patterned(10), ipcshim::io_mode::all, error);
        CHECK(error.value() == EPIPE);
    });
    test::wait_until(
        [&] { return empty.sender.info().read_waits() && full.receiver.info().write_waits(); });
    empty.sender.close_pipe();
    full.receiver.close_pipe();
    reader.join();
    writer.join();
    EXPECT_EQ(full.receiver.info().bytes_waiting(), 0U);
    EXPECT_FALSE(full.receiver.info().is_open());
}

TEST_F(Ending, ClosePipeIsToldToTheHolderOfTheOtherEndAndOfTheSameEnd) {
    // The sender is held here and by a second process, the receiver by a third.
    const auto holder = [](const test::line& parent) {
        auto its_port = test::listening_port();
        parent.put(1);
        const auto end = its_port.claim(its_port.read_event().token());
        parent.put(2);
        const auto closed = its_port.read_event().as_pipe_closed();
        CHECK(closed);
        parent.put(static_cast<std::uint64_t>(closed->how));
        parent.put(static_cast<std::uint64_t>(closed->end));
        parent.put(closed->bytes_unread);
    };
    test::process receiving(holder);
    test::process sending(holder);
    static_cast<void>(receiving.get());
    static_cast<void>(sending.get());
    const auto sender = port.open_sender(receiving.pid());
    sender.send_to(sending.pid());
    static_cast<void>(receiving.get());
    static_cast<void>(sending.get());
    sender.write(patterned(33));
    sender.close_pipe();
    EXPECT_EQ(receiving.get(), static_cast<std::uint64_t>(how::closed));
    EXPECT_EQ(receiving.get(), static_cast<std::uint64_t>(pipe_end::receiver));
    EXPECT_EQ(receiving.get(), 33U);
    EXPECT_EQ(sending.get(), static_cast<std::uint64_t>(how::closed));
    EXPECT_EQ(sending.get(), static_cast<std::uint64_t>(pipe_end::sender));
    receiving.join();
    sending.join();
    EXPECT_FALSE(port.try_read_event());
}

TEST_F(Ending, AnEndIsOpenUntilItsLastHolderCloses) {
    const auto holder = [](const test::line& parent) {
        auto its_port = test::listening_port();
        parent.put(1);
        auto sender = its_port.claim_sender(its_port.read_event());
        parent.put(2);
        static_cast<void>(parent.get());
        sender.write(patterned(4));
        sender.close();
        static_cast<void>(parent.get());
    };
    test::process second(holder);
    static_cast<void>(second.get());
    auto pair = port.open_pipe();
    pair.sender.send_to(second.pid());
    static_cast<void>(second.get());
    pair.sender.close();
    EXPECT_FALSE(port.try_read_event()) << "the second holder still has it";
    EXPECT_TRUE(pair.receiver.info().is_open());
    second.put(1);
    const auto event = port.read_event();
    EXPECT_EQ(event.pid(), second.pid());
    ASSERT_TRUE(event.as_pipe_closed());
    EXPECT_EQ(event.as_pipe_closed()->bytes_unread, 4U);
    EXPECT_EQ(test::read_bytes(pair.receiver.fd(), 10).size(), 4U);
    second.put(1);
    second.join();
}

} // namespace
