// SPDX-License-Identifier: MIT
// A peer that writes nonsense into what it may write: its index page, its flags, its
// records. The honest side is told, and loses nothing of its own.
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstring>
#include <random>

#include "mapped_support.hpp"

namespace {

using ipcshim::io_mode;
using ipcshim::mapped_receiver;
using ipcshim::mapped_sender;
using ipcshim::pipe_mode;
using test::patterned;
using namespace std::chrono_literals;

using ipcshim::deadline;

// The word of an honest side, in every way that it has.
std::error_code verdict(mapped_receiver& in) {
    std::array<std::byte, 64> buffer{};
    std::error_code error;
    static_cast<void>(in.read(buffer, deadline::clock::now(), error));
    std::error_code other;
    static_cast<void>(in.peek(1, deadline::clock::now(), other));
    EXPECT_EQ(error, other);
    return error;
}

std::error_code verdict(mapped_sender& out) {
    std::error_code error;
    // As much as there can be, so that the other's position has to be looked at.
    static_cast<void>(out.reserve(out.mode() == pipe_mode::raw ? out.area() : ipcshim::message_max,
                                  io_mode::fail, error));
    return error;
}

TEST(MappedHostile, APositionOutOfReachIsAProtocolError) {
    for (const pipe_mode mode : {pipe_mode::raw, pipe_mode::message}) {
        auto pair = test::mapped_pair(mode);
        const std::uint64_t area = pair.sender.info().area();
        const test::own_pages writers(pair.sender);
        const test::own_pages readers(pair.receiver);
        // Each of them is behind a reader, or ahead of a writer, that has moved nothing.
        for (const std::uint64_t bad :
             {std::uint64_t{1} << 63U, area + 8, area * 1000, ~area * 8}) {
            writers.index().position = bad;
            mapped_receiver in(std::move(pair.receiver));
            EXPECT_EQ(verdict(in), std::errc::protocol_error) << bad;
            // The driver says the same of the same.
            std::array<std::byte, 8> buffer{};
            std::error_code error;
            static_cast<void>(in.receiver().read(buffer, io_mode::fail, error));
            EXPECT_EQ(error, std::errc::protocol_error) << bad;
            EXPECT_TRUE(test::ready_for(in.fd()) & POLLERR);
            pair.receiver = in.unmap();
            writers.index().position = 0;

            readers.index().position = bad;
            mapped_sender out(std::move(pair.sender));
            EXPECT_EQ(verdict(out), std::errc::protocol_error) << bad;
            out.sender().write(buffer, io_mode::fail, error);
            EXPECT_EQ(error, std::errc::protocol_error) << bad;
            pair.sender = out.unmap();
            readers.index().position = 0;
        }
        // Nothing moved, and with sense in it the pipe is as good as before.
        mapped_sender out(std::move(pair.sender));
        mapped_receiver in(std::move(pair.receiver));
        out.write(patterned(64, 1));
        EXPECT_EQ(test::matching(in.peek(), 1), 64U);
    }
}

TEST(MappedHostile, ARecordWithoutSenseIsAProtocolError) {
    auto pair = test::mapped_pair(pipe_mode::message);
    const test::own_pages writers(pair.sender);
    pair.sender.write(patterned(16));
    const auto tried = [&](std::uint32_t length, std::uint32_t reserved) {
        writers.record(0).length = length;
        writers.record(0).reserved = reserved;
        mapped_receiver in(std::move(pair.receiver));
        const auto error = verdict(in);
        pair.receiver = in.unmap();
        return error;
    };
    const auto sound = [&] {
        mapped_receiver in(std::move(pair.receiver));
        const std::size_t size = in.peek().size();
        pair.receiver = in.unmap();
        return size;
    };
    EXPECT_EQ(sound(), 16U);
    for (const std::uint32_t length : {0U, 17U, 65'536U, 65'537U, ~0U})
        EXPECT_EQ(tried(length, 0), std::errc::protocol_error) << length;
    EXPECT_EQ(tried(16, 1), std::errc::protocol_error);
    EXPECT_EQ(tried(16, ~0U), std::errc::protocol_error);
    writers.record(0).length = 16;
    writers.record(0).reserved = 0;
    EXPECT_EQ(sound(), 16U);
}

TEST(MappedHostile, APeerThatWakesItselfForNothingOnlyCostsCalls) {
    auto pair = test::mapped_pair(pipe_mode::raw);
    const test::own_pages readers(pair.receiver);
    mapped_sender out(std::move(pair.sender));
    for (const std::uint32_t wake : {1U, 64U, 65'537U, ~0U}) {
        readers.index().wake = wake;
        out.write(patterned(64));
    }
    EXPECT_EQ(pair.receiver.info().bytes_waiting(), 4 * 64U);
    // And one that says that it has ended is believed, to its own loss.
    readers.index().closed = 77;
    std::error_code error;
    out.write(patterned(64), io_mode::all, error);
    EXPECT_EQ(error, std::errc::broken_pipe);
}

// At random, and all the time.
class MappedScribbler : public ::testing::TestWithParam<pipe_mode> {
protected:
    // A process that scribbles until it is told to end.
    static void scribble(volatile ipcshim_mapped_index& index, const test::own_pages* data,
                         std::uint64_t area, const test::line& parent) {
        std::minstd_rand random(1);
        const auto some = [&](std::uint64_t most) { return random() % most; };
        pollfd told{parent.fd(), POLLIN, 0};
        for (int round = 0;; ++round) {
            if (round % 64 == 0 && ::poll(&told, 1, 0) != 0)
                return;
            switch (some(8)) {
            case 0:
                index.position = random() * std::uint64_t{random()};
                break;
            case 1:
                index.wake = static_cast<std::uint32_t>(some(4) != 0 ? some(9) : random());
                break;
            case 2:
                index.messages = random();
                break;
            case 3:
            case 4:
                // What could be: so that the honest side goes on to the records.
                index.position = some(area) & ~std::uint64_t{7};
                break;
            default:
                if (data != nullptr) {
                    auto& record = data->record(some(area) & ~std::uint64_t{7});
                    record.length = static_cast<std::uint32_t>(some(3) != 0 ? some(80) : random());
                    record.reserved = some(4) != 0 ? 0 : 1;
                } else {
                    index.position = index.position + 8;
                }
            }
        }
    }

    static bool expected(const std::error_code& error) {
        return !error || error == std::errc::protocol_error || error == std::errc::timed_out ||
               error == std::errc::resource_unavailable_try_again ||
               error == std::errc::message_size || error == std::errc::invalid_argument;
    }
    // So many at least, and until there was nonsense: the scribbler may not have run at all.
    static constexpr int rounds = 120;
    static constexpr std::size_t guard = 64;
};

TEST_P(MappedScribbler, CannotMoveAReaderOutOfItsRing) {
    auto pair = test::mapped_pair(GetParam());
    const std::uint64_t area = pair.sender.info().area();
    test::process other([&](const test::line& parent) {
        const test::own_pages mine(pair.sender);
        parent.put(1);
        scribble(mine.index(), &mine, area, parent);
    });
    static_cast<void>(other.get());
    mapped_receiver in(std::move(pair.receiver));
    std::vector<std::byte> buffer(1'000 + 2 * guard, std::byte{0x5a});
    const std::span<std::byte> middle = std::span(buffer).subspan(guard, 1'000);
    unsigned sum = 0;
    int broken = 0;
    for (int round = 0; round < rounds || broken == 0; ++round) {
        std::error_code error;
        if (round % 3 == 0) {
            for (const std::byte each : in.peek(1, io_mode::fail, error))
                sum += std::to_integer<unsigned>(each);
            ASSERT_TRUE(expected(error)) << error.message();
            if (!error)
                in.release(error);
        } else if (round % 3 == 1) {
            static_cast<void>(in.read(middle, io_mode::fail, error));
        } else {
            static_cast<void>(in.receiver().read(middle, deadline::clock::now() + 10us, error));
        }
        ASSERT_TRUE(expected(error)) << error.message();
        if (error == std::errc::protocol_error) {
            ++broken;
            in = mapped_receiver(in.unmap());
        }
    }
    EXPECT_EQ(std::count(buffer.begin(), buffer.begin() + guard, std::byte{0x5a}), guard) << sum;
    EXPECT_EQ(std::count(buffer.end() - guard, buffer.end(), std::byte{0x5a}), guard);
    other.put(1);
    other.join();
}

TEST_P(MappedScribbler, CannotMoveAWriterOutOfItsRing) {
    auto pair = test::mapped_pair(GetParam());
    const std::uint64_t area = pair.sender.info().area();
    // The honest process has another pipe, which stays as it is.
    auto good = test::mapped_pair(GetParam());
    test::process other([&](const test::line& parent) {
        const test::own_pages mine(pair.receiver);
        parent.put(1);
        scribble(mine.index(), nullptr, area, parent);
    });
    static_cast<void>(other.get());
    mapped_sender out(std::move(pair.sender));
    mapped_sender good_out(std::move(good.sender));
    mapped_receiver good_in(std::move(good.receiver));
    const auto bytes = patterned(3'000);
    int broken = 0;
    for (int round = 0; round < rounds || broken == 0; ++round) {
        std::error_code error;
        if (round % 3 == 0) {
            const auto room = out.reserve(2'000, io_mode::fail, error);
            ASSERT_TRUE(expected(error)) << error.message();
            std::memset(room.data(), 1, room.size());
            if (!error)
                out.commit(room.size(), error);
        } else if (round % 3 == 1) {
            out.write(bytes, io_mode::fail, error);
        } else {
            out.sender().write(bytes, deadline::clock::now() + 10us, error);
        }
        ASSERT_TRUE(expected(error)) << error.message();
        if (error == std::errc::protocol_error) {
            ++broken;
            out = mapped_sender(out.unmap());
        }
        good_out.write(std::span(bytes).first(1 + round % 500));
        ASSERT_EQ(test::matching(good_in.peek()), 1U + round % 500);
        good_in.release();
    }
    other.put(1);
    other.join();
}

INSTANTIATE_TEST_SUITE_P(Of, MappedScribbler, ::testing::Values(pipe_mode::raw, pipe_mode::message),
                         [](const auto& info) { return std::string(to_string(info.param)); });

} // namespace
