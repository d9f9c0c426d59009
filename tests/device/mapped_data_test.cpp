// SPDX-License-Identifier: MIT
// What goes through a mapped pipe comes out of it: copied or in place, raw or messages,
// with the library or the driver at each side, one process or two.
#include <gtest/gtest.h>

#include <array>
#include <cstring>

#include "mapped_support.hpp"

namespace {

using ipcshim::io_mode;
using ipcshim::mapped_receiver;
using ipcshim::mapped_sender;
using ipcshim::pipe_mode;
using test::matching;
using test::patterned;

constexpr std::size_t unit = ipcshim::capacity_unit;

struct mapped_ends {
    explicit mapped_ends(pipe_mode mode, std::size_t capacity = unit)
        : mapped_ends(test::mapped_pair(mode, capacity)) {}
    explicit mapped_ends(ipcshim::pipe_pair pair)
        : out(std::move(pair.sender)), in(std::move(pair.receiver)) {}

    mapped_sender out;
    mapped_receiver in;
};

TEST(MappedData, RawPiecesOfAllSizesWrapAround) {
    mapped_ends ends(pipe_mode::raw);
    std::uint64_t place = 0;
    for (std::size_t size = 1; size <= unit; size = size < 70 ? size + 1 : size * 5 / 4 + 1) {
        const auto written = patterned(size, 1, place);
        std::vector<std::byte> read(size);
        EXPECT_EQ(ends.out.write(written).moved(), size);
        EXPECT_EQ(ends.in.read(read).moved(), size);
        ASSERT_EQ(matching(read, 1, place), size) << size;
        place += size;
    }
    EXPECT_GT(place, 4 * unit);
    const auto all = patterned(unit, 2);
    ends.out.write(all);
    const auto next = ends.in.peek(unit);
    EXPECT_EQ(next.size(), unit);
    EXPECT_EQ(matching(next, 2), unit) << "in one piece, wherever it begins";
}

TEST(MappedData, MessagesOfAllSizesWrapAround) {
    mapped_ends ends(pipe_mode::message);
    std::vector<std::byte> read(ipcshim::message_max);
    std::uint64_t seed = 0;
    for (std::size_t size = 1; size <= ipcshim::message_max;
         size = size < 70 ? size + 1 : size * 5 / 4) {
        ends.out.write(patterned(size, ++seed));
        const auto next = ends.in.peek();
        ASSERT_EQ(next.size(), size);
        ASSERT_EQ(matching(next, seed), size);
        EXPECT_EQ(ends.in.read(read).moved(), size);
        ASSERT_EQ(matching(std::span(read).first(size), seed), size);
    }
    EXPECT_EQ(ends.in.receiver().info().bytes_waiting(), 0U);
}

TEST(MappedData, TheLongestMessageFitsTheSmallestPipe) {
    mapped_ends ends(pipe_mode::message);
    for (std::uint64_t round = 0; round < 5; ++round) {
        auto room = ends.out.reserve(ipcshim::message_max);
        const auto bytes = patterned(room.size(), round);
        std::memcpy(room.data(), bytes.data(), room.size());
        ends.out.commit(room.size());
        EXPECT_EQ(ends.in.receiver().info().messages_waiting(), 1U);
        const auto next = ends.in.peek();
        EXPECT_EQ(next.size(), ipcshim::message_max);
        EXPECT_EQ(matching(next, round), ipcshim::message_max);
        ends.in.release();
        ends.out.write(patterned(1000 * round + 1));
        EXPECT_EQ(ends.in.peek().size(), 1000 * round + 1);
        ends.in.release();
    }
}

TEST(MappedData, EveryCapacityHoldsWhatItSays) {
    for (const std::size_t units : {1U, 3U, 17U}) {
        mapped_ends ends(pipe_mode::raw, units * unit);
        EXPECT_EQ(ends.out.area(), units * unit);
        const auto bytes = patterned(units * unit, units);
        ends.out.write(patterned(100));
        std::array<std::byte, 100> small{};
        EXPECT_EQ(ends.in.read(small).moved(), 100U);
        EXPECT_EQ(ends.out.write(bytes, io_mode::fail).moved(), bytes.size());
        std::error_code error;
        ends.out.write(small, io_mode::some, error);
        EXPECT_EQ(error, std::errc::resource_unavailable_try_again);
        EXPECT_EQ(matching(ends.in.peek(), units), bytes.size());
        ends.in.release();

        mapped_ends messages(pipe_mode::message, units * unit);
        EXPECT_EQ(messages.out.area(), units * unit + test::page());
        std::size_t count = 0;
        while (messages.out.write(small, io_mode::fail, error).moved() != 0)
            ++count;
        EXPECT_EQ(count, messages.out.area() / (8 + 104));
        EXPECT_EQ(messages.out.sender().info().messages_waiting(), count);
        while (messages.in.read(small, io_mode::fail, error).moved() != 0)
            --count;
        EXPECT_EQ(count, 0U);
    }
}

TEST(MappedData, InfoTellsWhatIsMapped) {
    auto pair = test::mapped_pair(pipe_mode::message, 2 * unit);
    auto info = pair.sender.info();
    EXPECT_TRUE(info.can_map());
    EXPECT_FALSE(info.is_mapped());
    EXPECT_EQ(info.area(), 2 * unit + test::page());
    EXPECT_EQ(info.capacity(), 2 * unit);
    mapped_sender out(std::move(pair.sender));
    EXPECT_TRUE(out.sender().info().is_mapped());
    EXPECT_FALSE(pair.receiver.info().is_mapped());
    pair.sender = out.unmap();
    EXPECT_FALSE(pair.sender.info().is_mapped());
    const auto plain = test::raw_pair();
    EXPECT_FALSE(plain.sender.info().can_map());
    EXPECT_EQ(plain.sender.info().area(), 0U);
}

TEST(MappedData, ThoseThatWereNotOpenedSoCannotBeMapped) {
    auto pair = test::raw_pair();
    std::error_code error;
    const mapped_sender none(std::move(pair.sender), error);
    EXPECT_EQ(error.value(), ENODEV);
    EXPECT_TRUE(pair.sender.is_open());
    EXPECT_THROW(mapped_receiver{std::move(pair.receiver)}, std::system_error);
}

// Two ways of each side: the library's on the memory, and the driver's; changed after
// every piece.
TEST(MappedData, BothSidesGoByMemoryAndByCallsInTurns) {
    for (const pipe_mode mode : {pipe_mode::raw, pipe_mode::message}) {
        mapped_ends ends(mode);
        std::vector<std::byte> read(5000);
        for (std::size_t round = 0; round < 120; ++round) {
            const std::size_t size = 1 + round * 41;
            const auto written = patterned(size, round);
            if (round % 2 == 0)
                ends.out.write(written);
            else if (round % 4 == 1)
                ends.out.sender().write(written);
            else
                test::write_bytes(ends.out.fd(), written);
            const std::span<std::byte> buffer(read.data(), size);
            if (round % 3 == 0)
                EXPECT_EQ(ends.in.read(buffer).moved(), size);
            else if (round % 3 == 1)
                EXPECT_EQ(ends.in.receiver().read(buffer).moved(), size);
            else
                EXPECT_EQ(::read(ends.in.fd(), buffer.data(), size), static_cast<ssize_t>(size));
            ASSERT_EQ(matching(buffer, round), size) << round;
        }
    }
}

// A stream from one process to another; whoever is faster waits.
class MappedStream : public ::testing::TestWithParam<pipe_mode> {
protected:
    static constexpr std::size_t total = 3'000'000;

    static std::size_t next_size(std::size_t size) { return size % 9'973 + 511; }

    static void write_all(mapped_sender& out, bool in_place) {
        std::uint64_t place = 0;
        for (std::size_t size = 1; place < total; size = next_size(size)) {
            const auto bytes = patterned(std::min<std::size_t>(size, total - place), 3, place);
            if (in_place) {
                auto room = out.reserve(bytes.size());
                std::memcpy(room.data(), bytes.data(), bytes.size());
                out.commit(bytes.size());
            } else {
                out.write(bytes);
            }
            place += bytes.size();
        }
    }

    static void read_all(mapped_receiver& in, bool in_place) {
        std::vector<std::byte> buffer(ipcshim::message_max);
        std::uint64_t place = 0;
        for (;;) {
            std::span<const std::byte> next;
            if (in_place) {
                next = in.peek();
            } else {
                const std::size_t most = in.mode() == pipe_mode::raw ? 700 : ipcshim::message_max;
                const auto result = in.read(std::span(buffer).first(most));
                next = std::span(buffer).first(result.moved());
            }
            if (next.empty())
                break;
            CHECK(matching(next, 3, place) == next.size());
            place += next.size();
            if (in_place)
                in.release();
        }
        CHECK(place == total);
    }
};

TEST_P(MappedStream, IsTheSameOnTheOtherSide) {
    for (const bool in_place : {false, true}) {
        auto pair = test::mapped_pair(GetParam());
        test::process other([&](const test::line&) {
            pair.receiver.close();
            mapped_sender out(std::move(pair.sender));
            write_all(out, in_place);
        });
        pair.sender.close();
        mapped_receiver in(std::move(pair.receiver));
        read_all(in, in_place);
        other.join();
    }
}

TEST_P(MappedStream, GoesToOneWhoReadsByCalls) {
    auto pair = test::mapped_pair(GetParam());
    test::process other([&](const test::line&) {
        pair.receiver.close();
        mapped_sender out(std::move(pair.sender));
        write_all(out, true);
    });
    pair.sender.close();
    std::vector<std::byte> buffer(ipcshim::message_max);
    std::uint64_t place = 0;
    for (;;) {
        const auto moved = pair.receiver.read(buffer).moved();
        if (moved == 0)
            break;
        ASSERT_EQ(matching(std::span(buffer).first(moved), 3, place), moved);
        place += moved;
    }
    EXPECT_EQ(place, total);
    other.join();
}

TEST_P(MappedStream, ComesFromOneWhoWritesByCalls) {
    auto pair = test::mapped_pair(GetParam());
    test::process other([&](const test::line&) {
        pair.receiver.close();
        std::uint64_t place = 0;
        for (std::size_t size = 1; place < total; size = next_size(size)) {
            const auto bytes = patterned(std::min<std::size_t>(size, total - place), 3, place);
            CHECK(::write(pair.sender.fd(), bytes.data(), bytes.size()) ==
                  static_cast<ssize_t>(bytes.size()));
            place += bytes.size();
        }
    });
    pair.sender.close();
    mapped_receiver in(std::move(pair.receiver));
    read_all(in, true);
    other.join();
}

INSTANTIATE_TEST_SUITE_P(Of, MappedStream, ::testing::Values(pipe_mode::raw, pipe_mode::message),
                         [](const auto& info) { return std::string(to_string(info.param)); });

} // namespace
