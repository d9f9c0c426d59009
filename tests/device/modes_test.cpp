// SPDX-License-Identifier: MIT
// PIPE_READ and PIPE_WRITE: modes, causes, what is lacking, and deadlines.
#include <gtest/gtest.h>
#include <sys/ioctl.h>

#include <chrono>
#include <memory>

#include "support.hpp"

namespace {

using ipcshim::cause;
using ipcshim::io_mode;
using test::patterned;
using namespace std::chrono_literals;

constexpr std::size_t unit = ipcshim::capacity_unit;

TEST(Modes, FailWritesEverythingOrNothingAndSaysWhatIsLacking) {
    auto pair = test::raw_pair();
    std::error_code error;
    pair.sender.write(patterned(unit - 100));
    auto result = pair.sender.write(patterned(150), io_mode::fail, error);
    EXPECT_EQ(error.value(), EAGAIN);
    EXPECT_EQ(result.cause(), cause::full);
    EXPECT_EQ(result.lacks(), 50U);
    EXPECT_EQ(result.moved(), 0U);
    EXPECT_EQ(result.remains(), 100U);
    result = pair.sender.write(patterned(100), io_mode::fail, error);
    EXPECT_FALSE(error);
    EXPECT_EQ(result.moved(), 100U);
    EXPECT_EQ(result.remains(), 0U);
    EXPECT_EQ(result.cause(), cause::none);
}

TEST(Modes, FailReadsEverythingOrNothingAndSaysWhatIsLacking) {
    auto pair = test::raw_pair();
    std::error_code error;
    std::vector<std::byte> buffer(100);
    auto result = pair.receiver.read(buffer, io_mode::fail, error);
    EXPECT_EQ(error.value(), EAGAIN);
    EXPECT_EQ(result.cause(), cause::empty);
    EXPECT_EQ(result.lacks(), 100U);
    pair.sender.write(patterned(60));
    result = pair.receiver.read(buffer, io_mode::fail, error);
    EXPECT_EQ(error.value(), EAGAIN);
    EXPECT_EQ(result.cause(), cause::empty);
    EXPECT_EQ(result.lacks(), 40U);
    EXPECT_EQ(result.moved(), 0U);
    EXPECT_EQ(result.remains(), 60U);
    pair.sender.write(patterned(50, 0, 60));
    result = pair.receiver.read(buffer, io_mode::fail, error);
    EXPECT_FALSE(error);
    EXPECT_EQ(result.moved(), 100U);
    EXPECT_EQ(result.remains(), 10U);
    EXPECT_EQ(test::matching(buffer), 100U);
}

TEST(Modes, FailOfAMessageSaysWhatIsLacking) {
    auto pair = test::message_pair();
    std::error_code error;
    std::vector<std::byte> buffer(unit);
    auto result = pair.receiver.read(buffer, io_mode::fail, error);
    EXPECT_EQ(error.value(), EAGAIN);
    EXPECT_EQ(result.cause(), cause::empty);
    pair.sender.write(patterned(unit - 10));
    result = pair.sender.write(patterned(30), io_mode::fail, error);
    EXPECT_EQ(error.value(), EAGAIN);
    EXPECT_EQ(result.cause(), cause::full);
    EXPECT_EQ(result.lacks(), 20U);
    EXPECT_EQ(result.remains(), 10U);
    result = pair.sender.write(patterned(10), io_mode::fail, error);
    EXPECT_FALSE(error);
    EXPECT_EQ(result.remains(), 0U);
}

TEST(Modes, SomeMovesWhatItCan) {
    auto pair = test::raw_pair();
    std::error_code error;
    auto result = pair.sender.write(patterned(unit + 500), io_mode::some, error);
    EXPECT_FALSE(error);
    EXPECT_EQ(result.moved(), unit);
    result = pair.sender.write(patterned(1), io_mode::some, error);
    EXPECT_EQ(error.value(), EAGAIN);
    EXPECT_EQ(result.cause(), cause::full);
    EXPECT_EQ(result.moved(), 0U);
    std::vector<std::byte> buffer(2 * unit);
    result = pair.receiver.read(buffer, io_mode::some, error);
    EXPECT_FALSE(error);
    EXPECT_EQ(result.moved(), unit);
    EXPECT_EQ(test::matching({buffer.data(), unit}), unit);
    result = pair.receiver.read(buffer, io_mode::some, error);
    EXPECT_EQ(error.value(), EAGAIN);
    EXPECT_EQ(result.cause(), cause::empty);
}

TEST(Modes, AllOnANonblockingDescriptorWaitsAllTheSame) {
    auto pair = test::raw_pair();
    pair.receiver.set_nonblocking(true);
    test::process writer([&](const test::line&) {
        test::wait_until([&] { return pair.sender.info().read_waits(); });
        pair.sender.write(patterned(10));
    });
    std::vector<std::byte> buffer(10);
    EXPECT_EQ(pair.receiver.read(buffer).moved(), 10U);
    writer.join();
}

// A process that writes more than fits, and so holds the lock until it is read.
test::process::body long_write(const ipcshim::pipe_pair& pair) {
    return [&pair](const test::line& parent) {
        const auto bytes = patterned(3 * unit);
        parent.put(1);
        CHECK(::write(pair.sender.fd(), bytes.data(), bytes.size()) ==
              static_cast<ssize_t>(bytes.size()));
    };
}

TEST(Modes, ALockedWriterSaysWhoHoldsTheLock) {
    auto pair = test::raw_pair();
    test::process holder(long_write(pair));
    static_cast<void>(holder.get());
    test::wait_until([&] { return pair.sender.info().write_waits(); });
    EXPECT_TRUE(pair.sender.info().write_locked());
    EXPECT_TRUE(pair.receiver.info().is_full());
    for (const auto mode : {io_mode::fail, io_mode::some}) {
        std::error_code error;
        const auto result = pair.sender.write(patterned(10), mode, error);
        EXPECT_EQ(error.value(), EAGAIN);
        EXPECT_EQ(result.cause(), cause::locked);
        EXPECT_EQ(result.pid(), holder.pid());
        EXPECT_EQ(result.moved(), 0U);
    }
    EXPECT_EQ(test::read_bytes(pair.receiver.fd(), 3 * unit).size(), 3 * unit);
    holder.join();
    EXPECT_FALSE(pair.sender.info().write_locked());
    EXPECT_FALSE(pair.sender.info().write_waits());
}

TEST(Modes, ALockedReaderSaysWhoHoldsTheLock) {
    auto pair = test::raw_pair();
    test::process holder([&](const test::line&) {
        std::vector<std::byte> buffer(100);
        CHECK(pair.receiver.read(buffer).moved() == 100);
    });
    test::wait_until([&] { return pair.sender.info().read_waits(); });
    EXPECT_TRUE(pair.sender.info().read_locked());
    std::vector<std::byte> buffer(10);
    for (const auto mode : {io_mode::fail, io_mode::some}) {
        std::error_code error;
        const auto result = pair.receiver.read(buffer, mode, error);
        EXPECT_EQ(error.value(), EAGAIN);
        EXPECT_EQ(result.cause(), cause::locked);
        EXPECT_EQ(result.pid(), holder.pid());
    }
    pair.sender.write(patterned(100));
    holder.join();
    EXPECT_FALSE(pair.receiver.info().read_locked());
}

TEST(Modes, WritersTakeTurnsInTheOrderOfTheirComing) {
    auto pair = test::raw_pair();
    test::process first(long_write(pair));
    static_cast<void>(first.get());
    test::wait_until([&] { return pair.sender.info().write_waits(); });
    std::vector<std::unique_ptr<test::process>> others;
    for (std::uint64_t i = 0; i < 3; i++) {
        others.push_back(std::make_unique<test::process>([&, i](const test::line& parent) {
            const auto bytes = patterned(100, 50 + i);
            parent.put(1);
            test::write_bytes(pair.sender.fd(), bytes);
        }));
        static_cast<void>(others.back()->get());
        // It has come to wait for its turn before the next one is started.
        test::wait_until([&] { return test::sleeps(others.back()->pid()); });
    }
    EXPECT_EQ(test::matching(test::read_bytes(pair.receiver.fd(), 3 * unit)), 3 * unit);
    for (std::uint64_t i = 0; i < 3; i++)
        EXPECT_EQ(test::matching(test::read_bytes(pair.receiver.fd(), 100), 50 + i), 100U);
    first.join();
    for (auto& other : others)
        other->join();
}

TEST(Modes, ADeadlineThatPassesInAnEmptyPipeIsETIMEDOUT) {
    auto pair = test::raw_pair();
    std::vector<std::byte> buffer(100);
    std::error_code error;
    const auto begin = std::chrono::steady_clock::now();
    const auto result = pair.receiver.read(buffer, begin + 50ms, error);
    EXPECT_EQ(error.value(), ETIMEDOUT);
    EXPECT_EQ(result.cause(), cause::deadline);
    EXPECT_EQ(result.moved(), 0U);
    EXPECT_GE(std::chrono::steady_clock::now(), begin + 50ms);
}

TEST(Modes, ADeadlineTellsWhatARawReadHadMoved) {
    auto pair = test::raw_pair();
    pair.sender.write(patterned(30, 1));
    std::vector<std::byte> buffer(100);
    std::error_code error;
    const auto result = pair.receiver.read(buffer, std::chrono::steady_clock::now() + 30ms, error);
    EXPECT_EQ(error.value(), ETIMEDOUT);
    EXPECT_EQ(result.moved(), 30U);
    EXPECT_EQ(test::matching({buffer.data(), 30}, 1), 30U);
    // What had moved has left the pipe.
    EXPECT_EQ(pair.receiver.info().bytes_waiting(), 0U);
}

TEST(Modes, ADeadlineTellsWhatARawWriteHadMoved) {
    auto pair = test::raw_pair();
    std::error_code error;
    const auto result =
        pair.sender.write(patterned(unit + 100, 2), std::chrono::steady_clock::now() + 30ms, error);
    EXPECT_EQ(error.value(), ETIMEDOUT);
    EXPECT_EQ(result.cause(), cause::deadline);
    EXPECT_EQ(result.moved(), unit);
    EXPECT_EQ(test::matching(test::read_bytes(pair.receiver.fd(), unit), 2), unit);
    EXPECT_FALSE(pair.sender.info().write_locked());
}

TEST(Modes, ADeadlineOfAMessageMovesNothing) {
    auto pair = test::message_pair();
    pair.sender.write(patterned(unit));
    std::error_code error;
    auto result = pair.sender.write(patterned(1), std::chrono::steady_clock::now() + 20ms, error);
    EXPECT_EQ(error.value(), ETIMEDOUT);
    EXPECT_EQ(result.moved(), 0U);
    EXPECT_EQ(pair.receiver.info().messages_waiting(), 1U);
}

TEST(Modes, ADeadlineInThePastStillMovesWhatCanMoveAtOnce) {
    auto pair = test::raw_pair();
    auto bytes = patterned(10);
    // 1 ns after boot is long past.
    auto args = test::io_args(bytes.data(), bytes.size(), IPCSHIM_IO_ALL, 1);
    EXPECT_EQ(::ioctl(pair.sender.fd(), IPCSHIM_PIPE_WRITE, &args), 0);
    EXPECT_EQ(args.moved, 10U);
    args = test::io_args(bytes.data(), 10, IPCSHIM_IO_ALL, 1);
    EXPECT_EQ(::ioctl(pair.receiver.fd(), IPCSHIM_PIPE_READ, &args), 0);
    args = test::io_args(bytes.data(), 10, IPCSHIM_IO_ALL, 1);
    EXPECT_EQ(::ioctl(pair.receiver.fd(), IPCSHIM_PIPE_READ, &args), -1);
    EXPECT_EQ(errno, ETIMEDOUT);
}

TEST(Modes, ADeadlineAlsoEndsTheWaitForTheLock) {
    auto pair = test::raw_pair();
    test::process holder(long_write(pair));
    static_cast<void>(holder.get());
    test::wait_until([&] { return pair.sender.info().write_waits(); });
    std::error_code error;
    const auto result =
        pair.sender.write(patterned(10), std::chrono::steady_clock::now() + 30ms, error);
    EXPECT_EQ(error.value(), ETIMEDOUT);
    EXPECT_EQ(result.moved(), 0U);
    // It is out of the queue: the holder's bytes alone come.
    EXPECT_EQ(test::read_bytes(pair.receiver.fd(), 3 * unit).size(), 3 * unit);
    holder.join();
    EXPECT_EQ(pair.receiver.info().bytes_waiting(), 0U);
}

TEST(Modes, ADeadlineThatDoesNotPassLetsTheCallSucceed) {
    auto pair = test::raw_pair();
    test::process writer([&](const test::line&) {
        test::wait_until([&] { return pair.sender.info().read_waits(); });
        pair.sender.write(patterned(100));
    });
    std::vector<std::byte> buffer(100);
    EXPECT_EQ(pair.receiver.read(buffer, std::chrono::steady_clock::now() + 600s).moved(), 100U);
    writer.join();
}

TEST(Modes, AWaitingWriteEndsWithEPIPEWhenTheReceiverCloses) {
    auto pair = test::raw_pair();
    test::process writer([&](const test::line& parent) {
        pair.receiver.close();
        std::error_code error;
        const auto result = pair.sender.write(patterned(2 * unit), io_mode::all, error);
        parent.put(static_cast<std::uint64_t>(error.value()));
        parent.put(static_cast<std::uint64_t>(result.cause()));
        parent.put(result.moved());
    });
    test::wait_until([&] { return pair.receiver.info().write_waits(); });
    pair.receiver.close();
    EXPECT_EQ(writer.get(), static_cast<std::uint64_t>(EPIPE));
    EXPECT_EQ(writer.get(), static_cast<std::uint64_t>(cause::closed));
    EXPECT_EQ(writer.get(), unit);
    writer.join();
}

} // namespace
