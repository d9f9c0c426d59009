// SPDX-License-Identifier: MIT
// Waiting at a mapped pipe: who sleeps is woken, who is awake needs no call; deadlines,
// signals, poll, and a peer that stands still.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/wait.h>

#include <array>
#include <chrono>
#include <cstring>

#include "mapped_support.hpp"
#include "trace.hpp"

namespace {

using ipcshim::io_mode;
using ipcshim::mapped_receiver;
using ipcshim::mapped_sender;
using ipcshim::pipe_mode;
using test::patterned;
using namespace std::chrono_literals;
using clock = ipcshim::deadline::clock;

class MappedWait : public ::testing::TestWithParam<pipe_mode> {
protected:
    ipcshim::pipe_pair pair = test::mapped_pair(GetParam());
    std::array<std::byte, 64> piece{};
    std::error_code error;

    static void fill(mapped_sender& out) {
        std::error_code full;
        std::array<std::byte, 64> some{};
        while (out.write(some, io_mode::fail, full).moved() != 0) {
        }
        CHECK(full == std::errc::resource_unavailable_try_again);
    }
    static void stopped(pid_t pid) {
        int status = 0;
        CHECK(::waitpid(pid, &status, WUNTRACED) == pid && WIFSTOPPED(status));
    }
};

// Every wake-up that the driver makes is seen.
class MappedWake : public MappedWait {
protected:
    const test::trace calls{"ipcshim/ipcshim_wake"};

    void SetUp() override {
        if (!calls.available())
            GTEST_SKIP() << "tracefs is not mounted or not in this kernel";
    }
};

TEST_P(MappedWake, NoCallWhereBothAreAwake) {
    mapped_sender out(std::move(pair.sender));
    mapped_receiver in(std::move(pair.receiver));
    for (int round = 0; round < 5'000; ++round) {
        out.write(piece);
        EXPECT_EQ(in.read(piece).moved(), piece.size());
        auto room = out.reserve(64);
        out.commit(room.size());
        EXPECT_EQ(in.peek().size(), 64U);
        in.release();
    }
    EXPECT_TRUE(calls.lines("ipcshim_wake").empty());
}

TEST_P(MappedWake, AReaderThatSleepsIsWokenOnce) {
    test::process other([&](const test::line& parent) {
        mapped_receiver in(std::move(pair.receiver));
        parent.put(in.read(piece).moved());
        static_cast<void>(parent.get());
        for (int more = 0; more < 9; ++more)
            CHECK(in.read(piece).moved() == piece.size());
    });
    mapped_sender out(std::move(pair.sender));
    // It waits before it has said so, and may still find that it need not.
    test::wait_until(
        [&] { return pair.receiver.info().read_waits() && test::sleeps(other.pid()); });
    out.write(piece);
    EXPECT_EQ(other.get(), piece.size());
    for (int more = 0; more < 9; ++more)
        out.write(piece);
    EXPECT_EQ(calls.lines("ipcshim_wake").size(), 1U);
    other.put(1);
    other.join();
    EXPECT_EQ(calls.lines("ipcshim_wake").size(), 1U);
}

TEST_P(MappedWake, AWriterThatSleepsIsWokenOnce) {
    test::process other([&](const test::line& parent) {
        mapped_sender out(std::move(pair.sender));
        fill(out);
        parent.put(1);
        out.write(piece);
        parent.put(2);
        static_cast<void>(parent.get());
    });
    mapped_receiver in(std::move(pair.receiver));
    static_cast<void>(other.get());
    test::wait_until([&] { return pair.sender.info().write_waits() && test::sleeps(other.pid()); });
    EXPECT_TRUE(calls.lines("ipcshim_wake").empty());
    // Not enough, and then enough.
    if (GetParam() == pipe_mode::raw) {
        EXPECT_EQ(in.read(std::span(piece).first(10)).moved(), 10U);
        EXPECT_TRUE(calls.lines("ipcshim_wake").empty()) << "that is too little for it";
    }
    EXPECT_EQ(in.read(piece).moved(), piece.size());
    EXPECT_EQ(other.get(), 2U);
    for (int more = 0; more < 9; ++more)
        EXPECT_EQ(in.read(piece).moved(), piece.size());
    EXPECT_EQ(calls.lines("ipcshim_wake").size(), 1U);
    other.put(1);
    other.join();
}

TEST_P(MappedWait, WhoWaitsInTheDriverIsWokenByTheMemory) {
    test::process other([&](const test::line& parent) {
        CHECK(pair.receiver.read(piece).moved() == piece.size());
        parent.put(1);
    });
    mapped_sender out(std::move(pair.sender));
    test::wait_until([&] { return pair.receiver.info().read_waits(); });
    out.write(piece);
    EXPECT_EQ(other.get(), 1U);
    other.join();
    fill(out);
    pair.sender = out.unmap();
    test::process writer([&](const test::line& parent) {
        pair.sender.write(piece);
        parent.put(1);
    });
    mapped_receiver in(std::move(pair.receiver));
    test::wait_until([&] { return pair.sender.info().write_waits(); });
    EXPECT_EQ(in.read(piece).moved(), piece.size());
    EXPECT_EQ(writer.get(), 1U);
    writer.join();
}

TEST_P(MappedWait, PollIsToldByTheMemory) {
    mapped_sender out(std::move(pair.sender));
    EXPECT_EQ(test::ready_for(pair.receiver.fd()), 0);
    test::process other([&](const test::line& parent) {
        mapped_receiver in(std::move(pair.receiver));
        const test::unique_fd set(CHECK_CALL(::epoll_create1(EPOLL_CLOEXEC)));
        epoll_event wanted{};
        wanted.events = EPOLLIN | EPOLLET;
        CHECK_CALL(::epoll_ctl(set.get(), EPOLL_CTL_ADD, in.fd(), &wanted));
        for (int round = 0; round < 20; ++round) {
            epoll_event found{};
            parent.put(1);
            CHECK(::epoll_wait(set.get(), &found, 1, -1) == 1);
            CHECK(in.read(piece, io_mode::fail).moved() == piece.size());
        }
    });
    for (int round = 0; round < 20; ++round) {
        static_cast<void>(other.get());
        if (round % 2 == 0)
            test::wait_until([&] { return test::sleeps(other.pid()); });
        out.write(piece);
    }
    other.join();
}

TEST_P(MappedWait, ADeadlineIsKept) {
    mapped_sender out(std::move(pair.sender));
    mapped_receiver in(std::move(pair.receiver));
    auto until = clock::now() + 20ms;
    EXPECT_EQ(in.read(piece, until, error).cause(), ipcshim::cause::deadline);
    EXPECT_EQ(error, std::errc::timed_out);
    EXPECT_GE(clock::now(), until);
    fill(out);
    until = clock::now() + 20ms;
    out.write(piece, until, error);
    EXPECT_EQ(error, std::errc::timed_out);
    EXPECT_GE(clock::now(), until);
    EXPECT_THROW(static_cast<void>(out.reserve(64, clock::now())), std::system_error);
}

TEST_P(MappedWait, ASignalEndsIt) {
    test::process other([&](const test::line& parent) {
        struct sigaction action {};
        action.sa_handler = [](int) {};
        CHECK_CALL(::sigaction(SIGUSR1, &action, nullptr));
        mapped_receiver in(std::move(pair.receiver));
        parent.put(1);
        CHECK(in.read(piece, io_mode::all, error).cause() == ipcshim::cause::signal);
        CHECK(error == std::errc::interrupted);
        // A restarted one goes on.
        action.sa_flags = SA_RESTART;
        CHECK_CALL(::sigaction(SIGUSR1, &action, nullptr));
        parent.put(2);
        CHECK(in.read(piece).moved() == piece.size());
    });
    mapped_sender out(std::move(pair.sender));
    for (int round = 0; round < 2; ++round) {
        static_cast<void>(other.get());
        test::wait_until([&] { return pair.receiver.info().read_waits(); });
        ASSERT_EQ(::kill(other.pid(), SIGUSR1), 0);
    }
    out.write(piece);
    other.join();
}

TEST_P(MappedWait, AWriterStoppedWithARecordHoldsUpNobodyForEver) {
    test::process other([&](const test::line&) {
        mapped_sender out(std::move(pair.sender));
        auto room = out.reserve(64);
        std::memset(room.data(), 7, room.size());
        CHECK_CALL(::raise(SIGSTOP));
        out.commit(room.size());
    });
    stopped(other.pid());
    mapped_receiver in(std::move(pair.receiver));
    static_cast<void>(in.read(piece, clock::now() + 20ms, error));
    EXPECT_EQ(error, std::errc::timed_out);
    ASSERT_EQ(::kill(other.pid(), SIGCONT), 0);
    EXPECT_EQ(in.read(piece).moved(), piece.size());
    EXPECT_EQ(piece[63], std::byte{7});
    other.join();
}

TEST_P(MappedWait, AReaderStoppedWithARecordHoldsUpNobodyForEver) {
    mapped_sender out(std::move(pair.sender));
    fill(out);
    test::process other([&](const test::line&) {
        mapped_receiver in(std::move(pair.receiver));
        CHECK(!in.peek().empty());
        CHECK_CALL(::raise(SIGSTOP));
        in.release();
        in.close();
    });
    stopped(other.pid());
    out.write(piece, clock::now() + 20ms, error);
    EXPECT_EQ(error, std::errc::timed_out);
    ASSERT_EQ(::kill(other.pid(), SIGCONT), 0);
    out.write(piece);
    other.join();
}

INSTANTIATE_TEST_SUITE_P(Of, MappedWait, ::testing::Values(pipe_mode::raw, pipe_mode::message),
                         [](const auto& info) { return std::string(to_string(info.param)); });
INSTANTIATE_TEST_SUITE_P(Of, MappedWake, ::testing::Values(pipe_mode::raw, pipe_mode::message),
                         [](const auto& info) { return std::string(to_string(info.param)); });

// The kernel has a word of its own to wait with, for programs without the library.
TEST(MappedCalls, WaitTellsWhetherItIsSo) {
    const auto pair = test::mapped_pair(pipe_mode::raw);
    ipcshim_pipe_wait wait{.deadline = 0, .need = 1, .flags = IPCSHIM_WAIT_NOWAIT};
    const auto asked = [&](int fd) {
        return ipcshim::detail::real_syscalls().ioctl(fd, IPCSHIM_PIPE_WAIT, &wait);
    };
    EXPECT_EQ(asked(pair.receiver.fd()), -EAGAIN);
    EXPECT_EQ(asked(pair.sender.fd()), 0);
    pair.sender.write(patterned(1));
    EXPECT_EQ(asked(pair.receiver.fd()), 0);
    wait.need = ipcshim::capacity_unit;
    EXPECT_EQ(asked(pair.sender.fd()), -EAGAIN);
}

} // namespace
