// SPDX-License-Identifier: MIT
// A message pipe carries whole messages, and its capacity is payload.
#include <gtest/gtest.h>
#include <sys/ioctl.h>

#include <array>
#include <atomic>
#include <cstring>
#include <map>
#include <memory>
#include <mutex>
#include <random>
#include <thread>

#include "support.hpp"

namespace {

using test::matching;
using test::patterned;

TEST(MessageData, MessagesOfRandomLengthsArriveWholeAndInOrder) {
    constexpr std::uint32_t messages = 400;
    auto pair = test::message_pair(2 * ipcshim::capacity_unit);
    test::process writer([&](const test::line&) {
        pair.receiver.close();
        std::mt19937 random(3);
        for (std::uint32_t i = 0; i < messages; i++) {
            const std::size_t size = i % 2 == 0 ? 1 + random() % 200 : 1 + random() % 65'536;
            const auto bytes = patterned(size, i);
            if (i % 3 == 0)
                pair.sender.write(bytes);
            else
                test::write_bytes(pair.sender.fd(), bytes);
        }
    });
    pair.sender.close();
    std::mt19937 random(3);
    std::vector<std::byte> buffer(ipcshim::message_max);
    for (std::uint32_t i = 0; i < messages; i++) {
        const std::size_t size = i % 2 == 0 ? 1 + random() % 200 : 1 + random() % 65'536;
        if (i % 5 == 0) {
            ASSERT_TRUE(pair.receiver.read_message(buffer));
            ASSERT_EQ(buffer.size(), size);
            buffer.resize(ipcshim::message_max);
        } else {
            ASSERT_EQ(::read(pair.receiver.fd(), buffer.data(), buffer.size()),
                      static_cast<ssize_t>(size));
        }
        ASSERT_EQ(matching({buffer.data(), size}, i), size);
    }
    EXPECT_EQ(::read(pair.receiver.fd(), buffer.data(), buffer.size()), 0);
    writer.join();
}

TEST(MessageData, AMessageOfTheLargestSizeFitsAnEmptyPipeOfTheSmallest) {
    auto pair = test::message_pair();
    pair.sender.set_nonblocking(true);
    const auto bytes = patterned(ipcshim::message_max, 1);
    // Also where the ring stands anywhere.
    for (int i = 0; i < 5; i++) {
        ASSERT_EQ(::write(pair.sender.fd(), bytes.data(), bytes.size()), 65'536);
        EXPECT_EQ(pair.sender.info().bytes_free(), 0U);
        std::vector<std::byte> back;
        ASSERT_TRUE(pair.receiver.read_message(back));
        ASSERT_TRUE(back == bytes);
        test::write_bytes(pair.sender.fd(), patterned(static_cast<std::size_t>(i) * 1'000 + 1));
        ASSERT_TRUE(pair.receiver.read_message(back));
    }
}

TEST(MessageData, SixtyFourKibibytesOfOneByteMessagesFit) {
    auto pair = test::message_pair();
    pair.sender.set_nonblocking(true);
    std::size_t count = 0;
    for (;; count++) {
        const std::byte byte = test::pattern(count);
        if (::write(pair.sender.fd(), &byte, 1) != 1)
            break;
    }
    EXPECT_EQ(errno, EAGAIN);
    ASSERT_EQ(count, ipcshim::capacity_unit);
    EXPECT_EQ(pair.receiver.info().messages_waiting(), ipcshim::capacity_unit);
    std::array<std::byte, 8> buffer{};
    for (std::size_t i = 0; i < count; i++) {
        ASSERT_EQ(::read(pair.receiver.fd(), buffer.data(), buffer.size()), 1);
        ASSERT_EQ(buffer[0], test::pattern(i));
    }
    EXPECT_EQ(pair.receiver.info().bytes_waiting(), 0U);
}

TEST(MessageData, APipeHoldsItsCapacityInMessagesOfAnyLength) {
    for (const std::size_t size : {3U, 7U, 100U, 4'095U, 4'097U, 30'000U}) {
        auto pair = test::message_pair(2 * ipcshim::capacity_unit);
        pair.sender.set_nonblocking(true);
        const auto bytes = patterned(size);
        std::size_t count = 0;
        while (::write(pair.sender.fd(), bytes.data(), size) == static_cast<ssize_t>(size))
            count++;
        EXPECT_EQ(errno, EAGAIN);
        EXPECT_EQ(count, 2 * ipcshim::capacity_unit / size) << "messages of " << size << " bytes";
        EXPECT_EQ(pair.sender.info().bytes_waiting(), count * size);
    }
}

TEST(MessageData, MessagesOfSeveralWritersStayWholeForSeveralReaders) {
    constexpr std::uint32_t writers = 3;
    constexpr std::uint32_t readers = 3;
    constexpr std::uint32_t messages = 150;
    auto pair = test::message_pair();
    std::vector<std::unique_ptr<test::process>> processes;
    for (std::uint32_t writer = 0; writer < writers; writer++) {
        processes.push_back(std::make_unique<test::process>([&, writer](const test::line&) {
            std::mt19937 random(writer);
            for (std::uint32_t i = 0; i < messages; i++) {
                auto bytes = patterned(8 + random() % 20'000, writer);
                const std::array<std::uint32_t, 2> head{writer, i};
                std::memcpy(bytes.data(), head.data(), sizeof(head));
                test::write_bytes(pair.sender.fd(), bytes);
            }
        }));
    }
    pair.sender.close();
    std::mutex guard;
    std::map<std::pair<std::uint32_t, std::uint32_t>, int> seen;
    std::atomic<int> wrong{0};
    std::vector<std::thread> threads;
    for (std::uint32_t reader = 0; reader < readers; reader++) {
        threads.emplace_back([&] {
            std::vector<std::byte> buffer(ipcshim::message_max);
            for (;;) {
                const ssize_t count = ::read(pair.receiver.fd(), buffer.data(), buffer.size());
                if (count <= 0)
                    return;
                std::array<std::uint32_t, 2> head{};
                std::memcpy(head.data(), buffer.data(), sizeof(head));
                const auto length = static_cast<std::size_t>(count);
                if (matching({buffer.data() + 8, length - 8}, head[0], 8) != length - 8)
                    wrong++;
                const std::lock_guard lock(guard);
                seen[{head[0], head[1]}]++;
            }
        });
    }
    for (auto& thread : threads)
        thread.join();
    for (auto& process : processes)
        process->join();
    EXPECT_EQ(wrong, 0);
    EXPECT_EQ(seen.size(), writers * messages);
    for (const auto& [key, count] : seen)
        EXPECT_EQ(count, 1) << "message " << key.second << " of writer " << key.first;
}

TEST(MessageData, ABlockedWriteOfAMessageProceedsOnceItFitsWhole) {
    auto pair = test::message_pair();
    test::write_bytes(pair.sender.fd(), patterned(40'000, 1));
    test::write_bytes(pair.sender.fd(), patterned(20'000, 2));
    test::process writer(
        [&](const test::line&) { test::write_bytes(pair.sender.fd(), patterned(50'000, 3)); });
    test::wait_until([&] { return pair.receiver.info().write_waits(); });
    EXPECT_EQ(pair.receiver.info().messages_waiting(), 2U);
    EXPECT_EQ(test::read_bytes(pair.receiver.fd(), 40'000).size(), 40'000U);
    // 45 536 bytes are free: not enough, and no part of it may come.
    EXPECT_EQ(pair.receiver.info().messages_waiting(), 1U);
    EXPECT_EQ(test::read_bytes(pair.receiver.fd(), 20'000).size(), 20'000U);
    EXPECT_EQ(matching(test::read_bytes(pair.receiver.fd(), 50'000), 3), 50'000U);
    writer.join();
}

TEST(MessageData, ReadTakesOneMessageWhateverTheBuffer) {
    auto pair = test::message_pair();
    test::write_bytes(pair.sender.fd(), patterned(5));
    test::write_bytes(pair.sender.fd(), patterned(6));
    std::array<std::byte, 100> buffer{};
    EXPECT_EQ(::read(pair.receiver.fd(), buffer.data(), buffer.size()), 5);
    EXPECT_EQ(::read(pair.receiver.fd(), buffer.data(), buffer.size()), 6);
}

TEST(MessageData, ABufferTooSmallTakesNothingAndTheNextOneTakesTheWholeMessage) {
    auto pair = test::message_pair();
    test::write_bytes(pair.sender.fd(), patterned(70, 4));
    std::vector<std::byte> small(69);
    std::error_code error;
    const auto result = pair.receiver.read(small, ipcshim::io_mode::all, error);
    EXPECT_EQ(error.value(), EMSGSIZE);
    EXPECT_EQ(result.remains(), 70U);
    EXPECT_EQ(result.cause(), ipcshim::cause::too_long);
    int length = 0;
    ASSERT_EQ(::ioctl(pair.receiver.fd(), FIONREAD, &length), 0);
    EXPECT_EQ(length, 70);
    std::vector<std::byte> whole;
    ASSERT_TRUE(pair.receiver.read_message(whole));
    EXPECT_EQ(matching(whole, 4), 70U);
}

TEST(MessageData, PipeReadTellsTheLengthOfTheNextMessage) {
    auto pair = test::message_pair();
    test::write_bytes(pair.sender.fd(), patterned(5));
    test::write_bytes(pair.sender.fd(), patterned(77));
    std::vector<std::byte> buffer(100);
    EXPECT_EQ(pair.receiver.read(buffer).remains(), 77U);
    EXPECT_EQ(pair.receiver.read(buffer).remains(), 0U);
}

} // namespace
