// SPDX-License-Identifier: MIT
// A real-time signal to one thread, and the bytes that it carries.
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <atomic>
#include <cstring>
#include <thread>

#include "support.hpp"

namespace {

using ipcshim::event_code;

const int signo = SIGRTMIN + 3;

class RtSignal : public ::testing::Test {
protected:
    void SetUp() override {
        sigemptyset(&set);
        sigaddset(&set, signo);
        // Before any thread is made: all inherit it.
        ASSERT_EQ(::pthread_sigmask(SIG_BLOCK, &set, nullptr), 0);
    }

    // The next signal, or nothing within the time; 0: don't wait.
    std::optional<siginfo_t> take(long milliseconds = 0) const {
        siginfo_t info{};
        const timespec limit{milliseconds / 1000, milliseconds % 1000 * 1'000'000};
        if (::sigtimedwait(&set, &info, &limit) != signo)
            return {};
        return info;
    }

    static ipcshim_signal payload(const siginfo_t& info) {
        ipcshim_signal bytes{};
        std::memcpy(&bytes, reinterpret_cast<const char*>(&info) + IPCSHIM_SIGINFO_OFFSET,
                    sizeof(bytes));
        return bytes;
    }

    sigset_t set{};
};

TEST_F(RtSignal, CarriesTheFirstHalfOfTheEvent) {
    const auto port = test::listening_port(ipcshim::notify::signal(signo));
    port.ready();
    ipcshim::pipe_parameters parameters;
    parameters.command = 0xabcd;
    parameters.capacity = 3 * ipcshim::capacity_unit;
    parameters.mode = ipcshim::pipe_mode::message;
    parameters.size_hint = 0x1122334455667788;
    const auto sender = port.open_sender(::getpid(), parameters);
    const auto info = take();
    ASSERT_TRUE(info);
    EXPECT_EQ(info->si_signo, signo);
    EXPECT_EQ(info->si_code, IPCSHIM_SIGNAL_CODE);
    EXPECT_EQ(info->si_errno, 0);
    const auto event = port.try_read_event();
    ASSERT_TRUE(event);
    const auto bytes = payload(*info);
    EXPECT_EQ(bytes.code, IPCSHIM_EVENT_RECV_PIPE);
    EXPECT_EQ(bytes.command, 0xabcd);
    EXPECT_EQ(bytes.pid, static_cast<std::uint32_t>(::getpid()));
    EXPECT_EQ(bytes.token, event->raw().token);
    EXPECT_EQ(std::memcmp(bytes.data, event->raw().data, sizeof(bytes.data)), 0);
    const auto decoded = ipcshim::signal_payload::from(*info);
    ASSERT_TRUE(decoded);
    ASSERT_TRUE(decoded->as_recv_pipe());
    EXPECT_EQ(decoded->as_recv_pipe()->size_hint, 0x1122334455667788U);
    EXPECT_EQ(decoded->as_recv_pipe()->capacity, 3 * ipcshim::capacity_unit);
}

TEST_F(RtSignal, OfAClosedPipeCarriesHowAndStatusAndInode) {
    const auto port = test::listening_port(ipcshim::notify::signal(signo));
    port.ready();
    test::process other([](const test::line& parent) {
        const auto its_port = test::listening_port();
        parent.put(1);
        const auto receiver = its_port.claim_receiver(its_port.read_event());
        ::_exit(9);
    });
    static_cast<void>(other.get());
    const auto sender = port.open_sender(other.pid());
    siginfo_t info{};
    ASSERT_EQ(::sigwaitinfo(&set, &info), signo);
    ipcshim_pipe_closed closed{};
    const auto bytes = payload(info);
    std::memcpy(&closed, bytes.data, sizeof(bytes.data));
    EXPECT_EQ(bytes.code, IPCSHIM_EVENT_PIPE_CLOSED);
    EXPECT_EQ(closed.how, IPCSHIM_HOW_EXITED);
    EXPECT_EQ(closed.status, 9);
    EXPECT_EQ(closed.end, IPCSHIM_END_SENDER);
    EXPECT_EQ(closed.inode, sender.info().inode());
}

TEST_F(RtSignal, IsNotRaisedBeforeReadyAndThenForAllThatWaited) {
    const auto port = test::listening_port(ipcshim::notify::signal(signo));
    for (std::uint16_t i = 1; i <= 5; i++) {
        ipcshim::pipe_parameters parameters;
        parameters.command = i;
        static_cast<void>(port.open_sender(::getpid(), parameters));
    }
    EXPECT_FALSE(take());
    port.ready();
    for (std::uint16_t i = 1; i <= 5; i++) {
        const auto info = take();
        ASSERT_TRUE(info) << "signal " << i;
        EXPECT_EQ(payload(*info).command, i);
    }
    EXPECT_FALSE(take());
    EXPECT_EQ(port.events_waiting(), 5U);
}

TEST_F(RtSignal, IsNotRaisedByReadyForWhatWasReadBefore) {
    const auto port = test::listening_port(ipcshim::notify::signal(signo));
    static_cast<void>(port.open_sender(::getpid()));
    ASSERT_TRUE(port.try_read_event());
    port.ready();
    EXPECT_FALSE(take());
}

TEST_F(RtSignal, IsOnePerEventAfterReady) {
    const auto port = test::listening_port(ipcshim::notify::signal(signo));
    port.ready();
    for (std::uint16_t i = 1; i <= 20; i++) {
        ipcshim::pipe_parameters parameters;
        parameters.command = i;
        static_cast<void>(port.open_sender(::getpid(), parameters));
    }
    for (std::uint16_t i = 1; i <= 20; i++)
        EXPECT_EQ(payload(take().value()).command, i);
    EXPECT_FALSE(take());
}

TEST_F(RtSignal, GoesToTheThreadThatWasNamed) {
    std::atomic<pid_t> tid{0};
    std::atomic<bool> got{false};
    std::atomic<bool> done{false};
    std::thread named([&] {
        tid = test::own_tid();
        siginfo_t info{};
        got = ::sigwaitinfo(&set, &info) == signo;
        while (!done)
            std::this_thread::yield();
    });
    test::wait_until([&] { return tid != 0; });
    const auto port = test::listening_port(ipcshim::notify::signal(signo, tid));
    port.ready();
    static_cast<void>(port.open_sender(::getpid()));
    test::wait_until([&] { return got.load(); });
    // And to no other.
    EXPECT_FALSE(take());
    done = true;
    named.join();
}

TEST_F(RtSignal, StaysPendingForABlockedThreadAlone) {
    const auto port = test::listening_port(ipcshim::notify::signal(signo));
    port.ready();
    static_cast<void>(port.open_sender(::getpid()));
    bool other_saw = true;
    std::thread([&] {
        siginfo_t info{};
        const timespec none{};
        other_saw = ::sigtimedwait(&set, &info, &none) == signo;
    }).join();
    EXPECT_FALSE(other_saw);
    EXPECT_TRUE(take());
}

TEST_F(RtSignal, OfAThreadThatHasEndedLeavesTheEventInThePort) {
    std::atomic<pid_t> tid{0};
    std::atomic<bool> done{false};
    std::thread named([&] {
        tid = test::own_tid();
        while (!done)
            std::this_thread::yield();
    });
    test::wait_until([&] { return tid != 0; });
    const auto port = test::listening_port(ipcshim::notify::signal(signo, tid));
    port.ready();
    done = true;
    named.join();
    EXPECT_NO_THROW(static_cast<void>(port.open_sender(::getpid())));
    EXPECT_TRUE(port.try_read_event());
}

TEST_F(RtSignal, WaySetAgainReplacesTheOldOne) {
    const auto port = test::listening_port(ipcshim::notify::signal(signo));
    port.ready();
    port.handle(ipcshim::event_set::all(), ipcshim::notify::none());
    static_cast<void>(port.open_sender(::getpid()));
    EXPECT_FALSE(take());
    port.handle(ipcshim::event_set::all(), ipcshim::notify::signal(signo));
    static_cast<void>(port.open_sender(::getpid()));
    EXPECT_TRUE(take());
    EXPECT_EQ(port.events_waiting(), 2U);
}

TEST_F(RtSignal, AfterAFullQueueSaysENOBUFSAndNoEventIsLost) {
    const auto port = test::listening_port(ipcshim::notify::signal(signo));
    port.ready();
    // As an ordinary user: root's capabilities would be above the limit.
    test::process other([&](const test::line& parent) {
        sigset_t mine = set;
        test::become(4711);
        const rlimit limit{3, 3};
        CHECK_CALL(::setrlimit(RLIMIT_SIGPENDING, &limit));
        const auto its_port = test::listening_port(ipcshim::notify::signal(signo));
        its_port.ready();
        for (int i = 0; i < 6; i++)
            static_cast<void>(its_port.open_sender(::getpid()));
        const timespec none{};
        siginfo_t info{};
        int raised = 0;
        while (::sigtimedwait(&mine, &info, &none) == signo) {
            raised++;
            CHECK(info.si_errno == 0);
        }
        CHECK(raised >= 1 && raised <= 3);
        CHECK(its_port.events_waiting() == 6);
        // There is room again: the next one tells of the loss, once.
        static_cast<void>(its_port.open_sender(::getpid()));
        CHECK(::sigtimedwait(&mine, &info, &none) == signo);
        CHECK(info.si_errno == ENOBUFS);
        CHECK(ipcshim::signal_payload::from(info)->signals_lost());
        static_cast<void>(its_port.open_sender(::getpid()));
        CHECK(::sigtimedwait(&mine, &info, &none) == signo);
        CHECK(info.si_errno == 0);
        CHECK(its_port.events_waiting() == 8);
        parent.put(static_cast<std::uint64_t>(raised));
    });
    static_cast<void>(other.get());
    other.join();
}

TEST_F(RtSignal, CannotBeForgedByAnotherProcess) {
    siginfo_t info{};
    info.si_signo = signo;
    info.si_code = IPCSHIM_SIGNAL_CODE;
    test::process other([](const test::line& parent) { static_cast<void>(parent.get()); });
    EXPECT_EQ(::syscall(SYS_rt_sigqueueinfo, other.pid(), signo, &info), -1);
    EXPECT_EQ(errno, EPERM);
}

TEST_F(RtSignal, IsNotRaisedInAChildThatInheritedThePort) {
    const auto port = test::listening_port(ipcshim::notify::signal(signo));
    port.ready();
    test::process child([&](const test::line& parent) {
        parent.put(1);
        static_cast<void>(parent.get());
        CHECK(!take());
    });
    static_cast<void>(child.get());
    static_cast<void>(port.open_sender(::getpid()));
    child.put(1);
    child.join();
    EXPECT_TRUE(take());
}

TEST_F(RtSignal, WakesASignalSourceOfTheLibrary) {
    const auto port = ipcshim::port::open();
    ipcshim::signal_source source(port, ipcshim::event_set::all(), signo);
    static_cast<void>(port.open_sender(::getpid()));
    pollfd poll{source.fd(), POLLIN, 0};
    EXPECT_EQ(::poll(&poll, 1, 0), 1);
    std::vector<ipcshim::event> events(4);
    EXPECT_EQ(source.read_events(events), 1U);
    EXPECT_EQ(events[0].code(), event_code::recv_pipe);
    static_cast<void>(port.open_sender(::getpid()));
    const auto payload = source.wait();
    ASSERT_TRUE(payload);
    EXPECT_EQ(payload->token(), port.read_event().token());
}

std::atomic<std::uint64_t> handler_token{0};

TEST_F(RtSignal, RunsAHandlerOfTheLibrary) {
    const ipcshim::signal_handler handler(
        signo,
        [](const ipcshim::signal_payload& payload, void* context) noexcept {
            static_cast<std::atomic<std::uint64_t>*>(context)->store(payload.raw().token);
        },
        &handler_token);
    ASSERT_EQ(::pthread_sigmask(SIG_UNBLOCK, &set, nullptr), 0);
    const auto port = test::listening_port(ipcshim::notify::signal(signo));
    port.ready();
    static_cast<void>(port.open_sender(::getpid()));
    EXPECT_EQ(handler_token.load(), port.read_event().raw().token);
}

} // namespace
