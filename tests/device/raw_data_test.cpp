// SPDX-License-Identifier: MIT
// A raw pipe carries every byte, in order, and holds exactly its capacity.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/ioctl.h>
#include <sys/uio.h>

#include <algorithm>
#include <array>
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

std::size_t random_size(std::mt19937& random, std::size_t below) {
    return std::uniform_int_distribution<std::size_t>(1, below)(random);
}

// Writes a stream in random pieces by turns of write, writev and PIPE_WRITE.
void write_stream(int fd, std::size_t total, std::size_t longest, std::uint32_t seed) {
    std::mt19937 random(seed);
    for (std::size_t done = 0; done < total;) {
        const std::size_t size = std::min(random_size(random, longest), total - done);
        auto bytes = patterned(size, seed, done);
        switch (random() % 3) {
        case 0:
            CHECK(::write(fd, bytes.data(), size) == static_cast<ssize_t>(size));
            break;
        case 1: {
            const std::size_t cut = random() % (size + 1);
            const std::array<iovec, 2> parts{
                {{bytes.data(), cut}, {bytes.data() + cut, size - cut}}};
            CHECK(::writev(fd, parts.data(), 2) == static_cast<ssize_t>(size));
            break;
        }
        default: {
            auto args = test::io_args(bytes.data(), size, IPCSHIM_IO_ALL);
            CHECK_CALL(::ioctl(fd, IPCSHIM_PIPE_WRITE, &args));
            CHECK(args.moved == size && args.cause == IPCSHIM_CAUSE_NONE);
        }
        }
        done += size;
    }
}

// Reads it to its end by turns of read, readv and PIPE_READ; gives its length.
std::size_t read_stream(int fd, std::size_t longest, std::uint32_t seed) {
    std::mt19937 random(seed + 1);
    std::size_t done = 0;
    std::vector<std::byte> buffer(longest);
    for (;;) {
        const std::size_t size = random_size(random, longest);
        std::size_t count = 0;
        switch (random() % 3) {
        case 0:
            count = static_cast<std::size_t>(CHECK_CALL(::read(fd, buffer.data(), size)));
            break;
        case 1: {
            const std::size_t cut = random() % (size + 1);
            const std::array<iovec, 2> parts{
                {{buffer.data(), cut}, {buffer.data() + cut, size - cut}}};
            count = static_cast<std::size_t>(CHECK_CALL(::readv(fd, parts.data(), 2)));
            break;
        }
        default: {
            auto args = test::io_args(buffer.data(), size, IPCSHIM_IO_ALL);
            CHECK_CALL(::ioctl(fd, IPCSHIM_PIPE_READ, &args));
            count = args.moved;
        }
        }
        if (count == 0)
            return done;
        CHECK(matching({buffer.data(), count}, seed, done) == count);
        done += count;
    }
}

void stream_between_processes(std::size_t capacity, std::size_t total, std::size_t longest) {
    auto pair = test::raw_pair(capacity);
    test::process writer([&](const test::line&) {
        pair.receiver.close();
        write_stream(pair.sender.fd(), total, longest, 17);
    });
    pair.sender.close();
    EXPECT_EQ(read_stream(pair.receiver.fd(), longest, 17), total);
    writer.join();
}

TEST(RawData, SmallPiecesBetweenTwoProcessesArriveInOrder) {
    stream_between_processes(ipcshim::capacity_unit, 200'000, 300);
}

TEST(RawData, PiecesLongerThanThePipeArriveInOrder) {
    stream_between_processes(ipcshim::capacity_unit, 4'000'000, 3 * ipcshim::capacity_unit);
}

TEST(RawData, ALargePipeCarriesALargeStream) {
    stream_between_processes(ipcshim::capacity_max, 20'000'000, 1'000'000);
}

TEST(RawData, AnOddCapacityWrapsWhereItShould) {
    stream_between_processes(3 * ipcshim::capacity_unit, 2'000'000, 100'000);
}

TEST(RawData, TwoThreadsOfOneProcessMoveAStream) {
    auto pair = test::raw_pair(2 * ipcshim::capacity_unit);
    std::thread writer([&] {
        write_stream(pair.sender.fd(), 2'000'000, 20'000, 5);
        pair.sender.close();
    });
    std::size_t length = 0;
    EXPECT_NO_THROW(length = read_stream(pair.receiver.fd(), 20'000, 5));
    writer.join();
    EXPECT_EQ(length, 2'000'000U);
}

TEST(RawData, CapacityIsExactInBytes) {
    for (const std::size_t units : {1U, 2U, 3U, 7U}) {
        const std::size_t capacity = units * ipcshim::capacity_unit;
        auto pair = test::raw_pair(capacity);
        pair.sender.set_nonblocking(true);
        // Start anywhere: room does not depend on where the ring stands.
        for (const std::size_t start : {0U, 1U, 4095U, 65'535U}) {
            if (start != 0) {
                test::write_bytes(pair.sender.fd(), patterned(start));
                ASSERT_EQ(test::read_bytes(pair.receiver.fd(), start).size(), start);
            }
            auto bytes = patterned(capacity + 1, units);
            ASSERT_EQ(::write(pair.sender.fd(), bytes.data(), bytes.size()),
                      static_cast<ssize_t>(capacity));
            ASSERT_EQ(::write(pair.sender.fd(), bytes.data(), 1), -1);
            ASSERT_EQ(errno, EAGAIN);
            const auto back = test::read_bytes(pair.receiver.fd(), capacity);
            ASSERT_EQ(matching(back, units), capacity);
        }
    }
}

TEST(RawData, CapacityIsExactByteForByte) {
    auto pair = test::raw_pair();
    pair.sender.set_nonblocking(true);
    std::size_t count = 0;
    for (std::byte byte{}; ::write(pair.sender.fd(), &byte, 1) == 1; count++)
        byte = test::pattern(count + 1);
    EXPECT_EQ(errno, EAGAIN);
    EXPECT_EQ(count, ipcshim::capacity_unit);
    // One byte of room is one byte of room: nothing pins the rest.
    std::byte byte{};
    ASSERT_EQ(::read(pair.receiver.fd(), &byte, 1), 1);
    EXPECT_EQ(::write(pair.sender.fd(), &byte, 1), 1);
    EXPECT_EQ(::write(pair.sender.fd(), &byte, 1), -1);
}

TEST(RawData, SixteenMebibytesFitTheLargestPipe) {
    auto pair = test::raw_pair(ipcshim::capacity_max);
    pair.sender.set_nonblocking(true);
    const auto bytes = patterned(ipcshim::capacity_max, 3);
    ASSERT_EQ(::write(pair.sender.fd(), bytes.data(), bytes.size()),
              static_cast<ssize_t>(bytes.size()));
    EXPECT_TRUE(pair.sender.info().is_full());
    const auto back = test::read_bytes(pair.receiver.fd(), bytes.size());
    EXPECT_TRUE(back == bytes);
}

TEST(RawData, MoreThan4GibibytesPassThroughOnePipe) {
    // Positions are counted somewhere: no count may end where 32 bits do.
    constexpr std::size_t piece = 1'000'000;
    auto pair = test::raw_pair(32 * ipcshim::capacity_unit);
    auto out = patterned(piece);
    std::vector<std::byte> in(piece);
    for (std::uint64_t number = 0; number < 4'400; number++) {
        std::memcpy(out.data(), &number, sizeof(number));
        std::memcpy(out.data() + piece - sizeof(number), &number, sizeof(number));
        ASSERT_EQ(::write(pair.sender.fd(), out.data(), piece), static_cast<ssize_t>(piece));
        ASSERT_EQ(pair.receiver.info().bytes_waiting(), piece);
        ASSERT_EQ(::read(pair.receiver.fd(), in.data(), piece), static_cast<ssize_t>(piece));
        ASSERT_EQ(std::memcmp(in.data(), out.data(), 16), 0) << "piece " << number;
        ASSERT_EQ(std::memcmp(in.data() + piece - 16, out.data() + piece - 16, 16), 0);
    }
    EXPECT_TRUE(in == out);
}

// Several writers: each piece carries its writer and length, then a pattern. A
// reader that finds a header inside a piece has found interleaving.
struct piece_header {
    std::uint32_t writer;
    std::uint32_t size;
    std::uint32_t number;
};

void write_pieces(int fd, std::uint32_t writer, std::uint32_t pieces, std::size_t longest) {
    std::mt19937 random(writer);
    for (std::uint32_t number = 0; number < pieces; number++) {
        const std::size_t size = random_size(random, longest);
        auto bytes = patterned(sizeof(piece_header) + size, writer);
        const piece_header header{writer, static_cast<std::uint32_t>(size), number};
        std::memcpy(bytes.data(), &header, sizeof(header));
        CHECK(::write(fd, bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()));
    }
}

TEST(RawData, PiecesOfSeveralWritersOfAnyLengthAreNotInterleaved) {
    constexpr std::uint32_t writers = 4;
    constexpr std::uint32_t pieces = 25;
    auto pair = test::raw_pair();
    std::vector<std::unique_ptr<test::process>> processes;
    for (std::uint32_t writer = 0; writer < writers; writer++)
        processes.push_back(std::make_unique<test::process>([&, writer](const test::line&) {
            write_pieces(pair.sender.fd(), writer, pieces, 150'000);
        }));
    pair.sender.close();
    std::map<std::uint32_t, std::uint32_t> next;
    for (std::uint32_t seen = 0; seen < writers * pieces; seen++) {
        const auto head = test::read_bytes(pair.receiver.fd(), sizeof(piece_header));
        piece_header header{};
        ASSERT_EQ(head.size(), sizeof(header));
        std::memcpy(&header, head.data(), sizeof(header));
        ASSERT_LT(header.writer, writers);
        ASSERT_EQ(header.number, next[header.writer]++);
        const auto body = test::read_bytes(pair.receiver.fd(), header.size);
        ASSERT_EQ(matching(body, header.writer, sizeof(header)), header.size);
    }
    for (auto& process : processes)
        process->join();
    EXPECT_TRUE(test::read_bytes(pair.receiver.fd(), 1).empty());
}

TEST(RawData, SeveralReadersTakeEveryByteOnce) {
    // Each 8-byte word is its own number; PIPE_READ with ALL keeps words whole.
    constexpr std::uint64_t words = 60'000;
    constexpr std::size_t readers = 3;
    auto pair = test::raw_pair();
    std::vector<bool> seen(words, false);
    std::mutex guard;
    std::size_t wrong = 0;
    std::vector<std::thread> threads;
    for (std::size_t reader = 0; reader < readers; reader++) {
        threads.emplace_back([&, reader] {
            std::mt19937 random(static_cast<std::uint32_t>(reader));
            std::vector<std::uint64_t> buffer(500);
            for (;;) {
                auto args =
                    test::io_args(buffer.data(), 8 * random_size(random, 500), IPCSHIM_IO_ALL);
                if (::ioctl(pair.receiver.fd(), IPCSHIM_PIPE_READ, &args) != 0 || args.moved == 0)
                    return;
                const std::lock_guard lock(guard);
                for (std::size_t i = 0; i < args.moved / 8; i++) {
                    if (buffer[i] >= words || seen[buffer[i]])
                        wrong++;
                    else
                        seen[buffer[i]] = true;
                }
            }
        });
    }
    std::vector<std::uint64_t> content(words);
    for (std::uint64_t i = 0; i < words; i++)
        content[i] = i;
    test::write_bytes(pair.sender.fd(), std::as_bytes(std::span(content)));
    pair.sender.close();
    for (auto& thread : threads)
        thread.join();
    EXPECT_EQ(wrong, 0U);
    EXPECT_EQ(std::count(seen.begin(), seen.end(), true), static_cast<std::ptrdiff_t>(words));
}

TEST(RawData, ReadTakesWhatIsThereAndDoesNotWaitForMore) {
    auto pair = test::raw_pair();
    test::write_bytes(pair.sender.fd(), patterned(10));
    std::array<std::byte, 100> buffer{};
    EXPECT_EQ(::read(pair.receiver.fd(), buffer.data(), buffer.size()), 10);
}

TEST(RawData, PipeReadAllWaitsUntilTheBufferIsFull) {
    auto pair = test::raw_pair();
    test::process writer([&](const test::line&) {
        for (int i = 0; i < 3; i++) {
            test::wait_until([&] { return pair.sender.info().read_waits(); });
            test::write_bytes(pair.sender.fd(),
                              patterned(100, 0, static_cast<std::uint64_t>(i) * 100));
        }
    });
    std::vector<std::byte> buffer(300);
    const auto result = pair.receiver.read(buffer);
    EXPECT_EQ(result.moved(), 300U);
    EXPECT_EQ(matching(buffer), 300U);
    writer.join();
}

TEST(RawData, PipeReadAllEndsShortWhenThePipeIsClosedAndDrained) {
    auto pair = test::raw_pair();
    test::write_bytes(pair.sender.fd(), patterned(50));
    pair.sender.close();
    std::vector<std::byte> buffer(300);
    auto result = pair.receiver.read(buffer);
    EXPECT_EQ(result.moved(), 50U);
    result = pair.receiver.read(buffer);
    EXPECT_EQ(result.moved(), 0U);
    EXPECT_EQ(result.cause(), ipcshim::cause::closed);
}

} // namespace
