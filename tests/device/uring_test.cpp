// SPDX-License-Identifier: MIT
// io_uring on the ends of a pipe.
#include <gtest/gtest.h>
#include <poll.h>

#include <array>
#include <memory>

#include "support.hpp"
#include "uring.hpp"
#include "uring_support.hpp"

namespace {

#ifdef HAVE_LIBURING
using test::matching;
using test::patterned;

class Uring : public ::testing::Test {
protected:
    void SetUp() override {
        const int result = ::io_uring_queue_init(8, &ring, 0);
        if (result < 0)
            GTEST_SKIP() << "io_uring_setup: " << ::strerrorname_np(-result);
        ready = true;
    }
    void TearDown() override {
        if (ready)
            ::io_uring_queue_exit(&ring);
    }

    io_uring_sqe* entry(std::uint64_t name) {
        io_uring_sqe* sqe = ::io_uring_get_sqe(&ring);
        CHECK(sqe != nullptr);
        // Set by the prepare functions to 0; so the name comes afterwards.
        next_name = name;
        return sqe;
    }
    void submit(io_uring_sqe* sqe) {
        sqe->user_data = next_name;
        CHECK_CALL(::io_uring_submit(&ring));
    }
    // The next completion: name and result.
    std::pair<std::uint64_t, int> wait() {
        io_uring_cqe* cqe = nullptr;
        CHECK(::io_uring_wait_cqe(&ring, &cqe) == 0);
        const std::pair result{static_cast<std::uint64_t>(cqe->user_data), cqe->res};
        ::io_uring_cqe_seen(&ring, cqe);
        return result;
    }
    bool nothing_completed() {
        io_uring_cqe* cqe = nullptr;
        return ::io_uring_peek_cqe(&ring, &cqe) == -EAGAIN;
    }

    io_uring ring{};
    bool ready = false;
    std::uint64_t next_name = 0;
};

TEST_F(Uring, WritesAndReads) {
    auto pair = test::raw_pair();
    const auto out = patterned(5'000, 1);
    std::vector<std::byte> in(5'000);
    auto* sqe = entry(1);
    ::io_uring_prep_write(sqe, pair.sender.fd(), out.data(), 5'000, 0);
    submit(sqe);
    EXPECT_EQ(wait(), std::make_pair(std::uint64_t{1}, 5'000));
    sqe = entry(2);
    ::io_uring_prep_read(sqe, pair.receiver.fd(), in.data(), 5'000, 0);
    submit(sqe);
    EXPECT_EQ(wait(), std::make_pair(std::uint64_t{2}, 5'000));
    EXPECT_EQ(matching(in, 1), 5'000U);
}

TEST_F(Uring, AReadWaitsForDataWithoutBlockingTheSubmitter) {
    auto pair = test::raw_pair();
    std::vector<std::byte> in(100);
    auto* sqe = entry(1);
    ::io_uring_prep_read(sqe, pair.receiver.fd(), in.data(), 100, 0);
    submit(sqe);
    EXPECT_TRUE(nothing_completed());
    pair.sender.write(patterned(60, 2));
    EXPECT_EQ(wait(), std::make_pair(std::uint64_t{1}, 60));
    EXPECT_EQ(matching({in.data(), 60}, 2), 60U);
}

TEST_F(Uring, AWriteWaitsForRoomWithoutBlockingTheSubmitter) {
    auto pair = test::raw_pair();
    pair.sender.write(patterned(ipcshim::capacity_unit));
    const auto out = patterned(100, 3);
    auto* sqe = entry(1);
    ::io_uring_prep_write(sqe, pair.sender.fd(), out.data(), 100, 0);
    submit(sqe);
    EXPECT_TRUE(nothing_completed());
    EXPECT_EQ(test::read_bytes(pair.receiver.fd(), ipcshim::capacity_unit).size(),
              ipcshim::capacity_unit);
    EXPECT_EQ(wait(), std::make_pair(std::uint64_t{1}, 100));
    EXPECT_EQ(matching(test::read_bytes(pair.receiver.fd(), 100), 3), 100U);
}

TEST_F(Uring, MessagesStayWhole) {
    auto pair = test::message_pair();
    const auto first = patterned(10, 4);
    const auto second = patterned(20, 5);
    const std::array<iovec, 2> parts{
        {{const_cast<std::byte*>(first.data()), 10}, {const_cast<std::byte*>(second.data()), 20}}};
    auto* sqe = entry(1);
    ::io_uring_prep_writev(sqe, pair.sender.fd(), parts.data(), 2, 0);
    submit(sqe);
    EXPECT_EQ(wait().second, 30);
    EXPECT_EQ(pair.receiver.info().messages_waiting(), 1U);
    std::vector<std::byte> in(29);
    sqe = entry(2);
    ::io_uring_prep_read(sqe, pair.receiver.fd(), in.data(), 29, 0);
    submit(sqe);
    EXPECT_EQ(wait().second, -EMSGSIZE);
    in.resize(64);
    sqe = entry(3);
    ::io_uring_prep_read(sqe, pair.receiver.fd(), in.data(), 64, 0);
    submit(sqe);
    EXPECT_EQ(wait().second, 30);
}

TEST_F(Uring, PollsAnEndAndAPort) {
    auto port = test::listening_port();
    auto pair = port.open_pipe();
    auto* sqe = entry(1);
    ::io_uring_prep_poll_add(sqe, pair.receiver.fd(), POLLIN);
    submit(sqe);
    sqe = entry(2);
    ::io_uring_prep_poll_add(sqe, port.fd(), POLLIN);
    submit(sqe);
    EXPECT_TRUE(nothing_completed());
    pair.sender.write(patterned(1));
    auto done = wait();
    EXPECT_EQ(done.first, 1U);
    EXPECT_TRUE(done.second & POLLIN);
    pair.sender.close();
    done = wait();
    EXPECT_EQ(done.first, 2U);
    EXPECT_TRUE(done.second & POLLIN);
}

TEST_F(Uring, ReadsAnEventOfAPort) {
    auto port = test::listening_port();
    ipcshim_event event{};
    auto* sqe = entry(1);
    ::io_uring_prep_read(sqe, port.fd(), &event, sizeof(event), 0);
    submit(sqe);
    static_cast<void>(port.open_sender(::getpid()));
    EXPECT_EQ(wait().second, 64);
    EXPECT_EQ(event.sequence, 1U);
}

TEST_F(Uring, AWaitingReadSeesTheEnd) {
    auto pair = test::raw_pair();
    std::vector<std::byte> in(10);
    auto* sqe = entry(1);
    ::io_uring_prep_read(sqe, pair.receiver.fd(), in.data(), 10, 0);
    submit(sqe);
    EXPECT_TRUE(nothing_completed());
    pair.sender.close();
    EXPECT_EQ(wait().second, 0);
}

TEST_F(Uring, AWaitingReadCanBeCancelled) {
    auto pair = test::raw_pair();
    std::vector<std::byte> in(10);
    auto* sqe = entry(1);
    ::io_uring_prep_read(sqe, pair.receiver.fd(), in.data(), 10, 0);
    submit(sqe);
    sqe = entry(2);
    ::io_uring_prep_cancel64(sqe, 1, 0);
    submit(sqe);
    const auto first = wait();
    const auto second = wait();
    const int of_read = first.first == 1 ? first.second : second.second;
    EXPECT_TRUE(of_read == -ECANCELED || of_read == -EINTR) << of_read;
    pair.sender.write(patterned(10, 6));
    EXPECT_EQ(matching(test::read_bytes(pair.receiver.fd(), 10), 6), 10U);
}

TEST_F(Uring, AWaitingWriteCanBeCancelled) {
    auto pair = test::raw_pair();
    pair.sender.write(patterned(ipcshim::capacity_unit));
    const auto out = patterned(100, 3);
    auto* sqe = entry(1);
    ::io_uring_prep_write(sqe, pair.sender.fd(), out.data(), 100, 0);
    submit(sqe);
    sqe = entry(2);
    ::io_uring_prep_cancel64(sqe, 1, 0);
    submit(sqe);
    const auto first = wait();
    const auto second = wait();
    EXPECT_EQ(first.first == 1 ? first.second : second.second, -ECANCELED);
    EXPECT_EQ(pair.receiver.info().bytes_waiting(), ipcshim::capacity_unit);
}

// Whatever waits is polled for: no worker thread is ever made, with O_NONBLOCK or without.
TEST_F(Uring, NothingThatWaitsNeedsAWorker) {
    for (const bool nonblocking : {false, true}) {
        auto empty = test::raw_pair();
        auto full = test::raw_pair();
        auto messages = test::message_pair();
        auto port = test::listening_port(); // is O_NONBLOCK always
        empty.receiver.set_nonblocking(nonblocking);
        full.sender.set_nonblocking(nonblocking);
        messages.receiver.set_nonblocking(nonblocking);
        full.sender.write(patterned(ipcshim::capacity_unit));
        std::array<std::byte, 100> in{};
        std::array<std::byte, 100> vectored{};
        std::array<std::byte, 100> message{};
        ipcshim_event event{};
        const auto out = patterned(100, 3);
        const iovec part{vectored.data(), vectored.size()};
        const iovec whole{const_cast<std::byte*>(out.data()), out.size()};
        auto* sqe = entry(1);
        ::io_uring_prep_read(sqe, empty.receiver.fd(), in.data(), 100, 0);
        submit(sqe);
        sqe = entry(2);
        ::io_uring_prep_readv(sqe, empty.receiver.fd(), &part, 1, 0);
        submit(sqe);
        sqe = entry(3);
        ::io_uring_prep_read(sqe, messages.receiver.fd(), message.data(), 100, 0);
        submit(sqe);
        sqe = entry(4);
        ::io_uring_prep_write(sqe, full.sender.fd(), out.data(), 100, 0);
        submit(sqe);
        sqe = entry(5);
        ::io_uring_prep_writev(sqe, full.sender.fd(), &whole, 1, 0);
        submit(sqe);
        sqe = entry(6);
        ::io_uring_prep_read(sqe, port.fd(), &event, sizeof(event), 0);
        submit(sqe);
        EXPECT_TRUE(nothing_completed());
        EXPECT_EQ(test::workers(), 0);
        empty.sender.write(patterned(200));
        messages.sender.write(patterned(50));
        EXPECT_EQ(test::read_bytes(full.receiver.fd(), ipcshim::capacity_unit).size(),
                  ipcshim::capacity_unit);
        static_cast<void>(port.open_sender(::getpid()));
        std::array<int, 7> results{};
        for (int i = 0; i < 6; ++i) {
            const auto done = wait();
            results[done.first] = done.second;
        }
        EXPECT_EQ(results, (std::array<int, 7>{0, 100, 100, 50, 100, 100, 64}));
        EXPECT_EQ(test::workers(), 0);
    }
}

TEST_F(Uring, WritesToAClosedPipeRaiseNoSignal) {
    auto pair = test::raw_pair();
    pair.sender.write(patterned(ipcshim::capacity_unit));
    const auto out = patterned(100, 3);
    // One that waits, and one that needn't.
    auto* sqe = entry(1);
    ::io_uring_prep_write(sqe, pair.sender.fd(), out.data(), 100, 0);
    submit(sqe);
    pair.receiver.close();
    EXPECT_EQ(wait(), std::make_pair(std::uint64_t{1}, -EPIPE));
    sqe = entry(2);
    ::io_uring_prep_write(sqe, pair.sender.fd(), out.data(), 100, 0);
    submit(sqe);
    EXPECT_EQ(wait(), std::make_pair(std::uint64_t{2}, -EPIPE));
}

TEST_F(Uring, AWaitingReadDiesWithItsProcess) {
    const auto before = test::totals();
    {
        auto pair = test::raw_pair();
        test::process other([&](const test::line& parent) {
            io_uring its{};
            CHECK(::io_uring_queue_init(4, &its, 0) == 0);
            std::array<std::byte, 8> in{};
            auto* sqe = ::io_uring_get_sqe(&its);
            ::io_uring_prep_read(sqe, pair.receiver.fd(), in.data(), in.size(), 0);
            CHECK(::io_uring_submit(&its) == 1);
            parent.put(1);
            static_cast<void>(parent.get());
        });
        static_cast<void>(other.get());
        other.kill();
        // Its request is cancelled in the kernel's own time.
        pair.receiver.close();
        test::wait_until([&] { return !pair.sender.info().is_open(); });
    }
    test::wait_until([&] { return test::totals() == before; });
}

#else
TEST(Uring, IsNotTested) {
    GTEST_SKIP() << "built without liburing";
}
#endif

} // namespace
