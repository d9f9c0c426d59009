// SPDX-License-Identifier: MIT
// Many messages in one call.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mman.h>

#include <array>
#include <chrono>

#include "mapped_support.hpp"

namespace {

using ipcshim::incoming_batch;
using ipcshim::io_mode;
using ipcshim::outgoing_batch;
using ipcshim::pipe_mode;
using test::matching;
using test::patterned;
using namespace std::chrono_literals;
using clock = ipcshim::deadline::clock;

// Ordinary ones and those that can be mapped.
class Batch : public ::testing::TestWithParam<bool> {
protected:
    static ipcshim::pipe_pair new_pair(std::size_t units = 1) {
        const std::size_t capacity = units * ipcshim::capacity_unit;
        return GetParam() ? test::mapped_pair(pipe_mode::message, capacity)
                          : test::message_pair(capacity);
    }
    // Messages of some lengths that tell their number.
    void prepare(std::size_t count, std::size_t length = 100) {
        messages.clear();
        out.clear();
        for (std::size_t i = 0; i < count; ++i)
            messages.push_back(patterned(length + i % 50, i));
        for (const auto& each : messages)
            out.add(each);
    }
    void prepare_buffers(std::size_t count, std::size_t size = 200) {
        buffers.assign(count, std::vector<std::byte>(size));
        in.clear();
        for (auto& each : buffers)
            in.add(each);
    }
    // So many arrived, from that number on.
    void expect_messages(std::size_t count, std::size_t from = 0) const {
        for (std::size_t i = 0; i < count; ++i) {
            ASSERT_EQ(in.message(i).size(), messages.at(from + i).size());
            ASSERT_EQ(matching(in.message(i), from + i), in.message(i).size()) << i;
        }
    }

    ipcshim::pipe_pair pair = new_pair();
    std::vector<std::vector<std::byte>> messages;
    std::vector<std::vector<std::byte>> buffers;
    outgoing_batch out;
    incoming_batch in;
    std::error_code error;
};

TEST_P(Batch, GoesInAndComesOutInItsOrder) {
    prepare(32);
    prepare_buffers(32);
    for (int again = 0; again < 3; ++again) {
        EXPECT_EQ(pair.sender.write_batch(out).moved(), 32U);
        EXPECT_EQ(pair.receiver.info().messages_waiting(), 32U);
        const auto result = pair.receiver.read_batch(in);
        EXPECT_EQ(result.moved(), 32U);
        EXPECT_EQ(result.cause(), ipcshim::cause::none);
        expect_messages(32);
    }
}

TEST_P(Batch, OfTheMostMessages) {
    prepare(ipcshim::batch_max, 1);
    prepare_buffers(ipcshim::batch_max, 60);
    EXPECT_EQ(pair.sender.write_batch(out, io_mode::fail).moved(), ipcshim::batch_max);
    EXPECT_EQ(pair.receiver.read_batch(in, io_mode::fail).moved(), ipcshim::batch_max);
    expect_messages(ipcshim::batch_max);
    out.add(messages.front());
    pair.sender.write_batch(out, io_mode::all, error);
    EXPECT_EQ(error, std::errc::invalid_argument);
    in.add(buffers.front());
    static_cast<void>(pair.receiver.read_batch(in, io_mode::all, error));
    EXPECT_EQ(error, std::errc::invalid_argument);
}

TEST_P(Batch, MovesWhatCanBeMovedOrAllOrNone) {
    prepare(1'000, 400);
    auto result = pair.sender.write_batch(out, io_mode::fail, error);
    EXPECT_EQ(error, std::errc::invalid_argument) << "it never could";
    result = pair.sender.write_batch(out, io_mode::some);
    const std::size_t moved = result.moved();
    EXPECT_GT(moved, 100U);
    EXPECT_LT(moved, 200U);
    EXPECT_EQ(result.cause(), ipcshim::cause::full);
    EXPECT_EQ(pair.receiver.info().messages_waiting(), moved);
    out.skip(moved);
    result = pair.sender.write_batch(out, io_mode::some, error);
    EXPECT_EQ(error, std::errc::resource_unavailable_try_again);
    EXPECT_EQ(result.moved(), 0U);
    EXPECT_GT(result.lacks(), 0U);

    prepare_buffers(moved + 1, 500);
    result = pair.receiver.read_batch(in, io_mode::fail, error);
    EXPECT_EQ(error, std::errc::resource_unavailable_try_again);
    EXPECT_EQ(pair.receiver.info().messages_waiting(), moved);
    result = pair.receiver.read_batch(in, io_mode::some);
    EXPECT_EQ(result.moved(), moved);
    expect_messages(moved);
    const std::size_t more = pair.sender.write_batch(out, io_mode::some).moved();
    EXPECT_GT(more, 100U);
    prepare_buffers(more + 1, 500);
    EXPECT_EQ(pair.receiver.read_batch(in, io_mode::some).moved(), more);
    expect_messages(more, moved);
}

TEST_P(Batch, WaitsForAllOfItBothWays) {
    prepare(1'000, 300);
    test::process other([&](const test::line&) {
        pair.sender.close();
        prepare_buffers(1'000, 400);
        CHECK(pair.receiver.read_batch(in).moved() == 1'000U);
        for (std::size_t i = 0; i < 1'000; ++i)
            CHECK(in.message(i).size() == messages[i].size() &&
                  matching(in.message(i), i) == in.message(i).size());
        const auto rest = pair.receiver.read_batch(in);
        CHECK(rest.moved() == 1 && rest.closed());
    });
    pair.receiver.close();
    EXPECT_EQ(pair.sender.write_batch(out).moved(), 1'000U);
    pair.sender.write(patterned(5));
    pair.sender.close();
    other.join();
}

TEST_P(Batch, EndsWhereTheDeadlineIs) {
    prepare(3);
    pair.sender.write_batch(out);
    prepare_buffers(5);
    const auto until = clock::now() + 20ms;
    auto result = pair.receiver.read_batch(in, until, error);
    EXPECT_EQ(error, std::errc::timed_out);
    EXPECT_GE(clock::now(), until);
    EXPECT_EQ(result.moved(), 3U) << "those are read";
    EXPECT_EQ(result.cause(), ipcshim::cause::deadline);
    expect_messages(3);
    prepare(1'000, 300);
    result = pair.sender.write_batch(out, clock::now(), error);
    EXPECT_EQ(error, std::errc::timed_out);
    EXPECT_EQ(pair.receiver.info().messages_waiting(), result.moved());
}

TEST_P(Batch, ASignalEndsIt) {
    test::process other([&](const test::line& parent) {
        struct sigaction action {};
        action.sa_handler = [](int) {};
        CHECK_CALL(::sigaction(SIGUSR1, &action, nullptr));
        prepare_buffers(4);
        parent.put(1);
        CHECK(pair.receiver.read_batch(in, io_mode::all, error).moved() == 0);
        CHECK(error == std::errc::interrupted);
        parent.put(1);
        const auto result = pair.receiver.read_batch(in, io_mode::all, error);
        CHECK(!error && result.moved() == 2 && result.cause() == ipcshim::cause::signal);
    });
    for (std::size_t round = 0; round < 2; ++round) {
        static_cast<void>(other.get());
        test::wait_until([&] { return pair.receiver.info().read_waits(); });
        prepare(2 * round);
        pair.sender.write_batch(out);
        test::wait_until([&] { return pair.receiver.info().messages_waiting() == 0; });
        test::wait_until([&] { return test::sleeps(other.pid()); });
        ASSERT_EQ(::kill(other.pid(), SIGUSR1), 0);
    }
    other.join();
}

TEST_P(Batch, OfAClosedPipe) {
    prepare(2);
    pair.sender.write_batch(out);
    pair.sender.close();
    prepare_buffers(5);
    auto result = pair.receiver.read_batch(in);
    EXPECT_EQ(result.moved(), 2U);
    EXPECT_TRUE(result.closed());
    result = pair.receiver.read_batch(in);
    EXPECT_EQ(result.moved(), 0U);
    EXPECT_TRUE(result.closed());
    pair = new_pair();
    pair.receiver.close();
    pair.sender.write_batch(out, io_mode::all, error);
    EXPECT_EQ(error, std::errc::broken_pipe);
}

TEST_P(Batch, ABufferTooSmallEndsItBeforeItsMessage) {
    prepare(3, 100);
    pair.sender.write_batch(out);
    prepare_buffers(3);
    buffers[1].resize(50);
    in.clear();
    for (auto& each : buffers)
        in.add(each);
    auto result = pair.receiver.read_batch(in, io_mode::all, error);
    EXPECT_FALSE(error) << "one was read";
    EXPECT_EQ(result.moved(), 1U);
    EXPECT_EQ(result.cause(), ipcshim::cause::too_long);
    in.skip(1);
    result = pair.receiver.read_batch(in, io_mode::all, error);
    EXPECT_EQ(error, std::errc::message_size);
    EXPECT_EQ(result.remains(), 101U);
    EXPECT_EQ(pair.receiver.info().messages_waiting(), 2U);
}

TEST_P(Batch, AMessageTooLongOrABadAddressEndsItBefore) {
    const std::vector<std::byte> longest(ipcshim::message_max + 1);
    out.add(ipcshim::bytes_of("x"));
    out.add(longest);
    auto result = pair.sender.write_batch(out, io_mode::all, error);
    EXPECT_EQ(result.moved(), 1U) << error.message();
    out.skip(1);
    pair.sender.write_batch(out, io_mode::all, error);
    EXPECT_EQ(error, std::errc::message_size);
    void* nothing = ::mmap(nullptr, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    ASSERT_NE(nothing, MAP_FAILED);
    out.clear();
    out.add({static_cast<const std::byte*>(nothing), 100});
    pair.sender.write_batch(out, io_mode::all, error);
    EXPECT_EQ(error, std::errc::bad_address);
    in.add({static_cast<std::byte*>(nothing), 100});
    static_cast<void>(pair.receiver.read_batch(in, io_mode::all, error));
    EXPECT_EQ(error, std::errc::bad_address);
    EXPECT_EQ(pair.receiver.info().messages_waiting(), 1U) << "it was not lost";
    ::munmap(nothing, 4096);
}

TEST_P(Batch, OfNothing) {
    EXPECT_EQ(pair.sender.write_batch(out).moved(), 0U);
    EXPECT_EQ(pair.receiver.read_batch(in).moved(), 0U);
    out.add({});
    out.add(ipcshim::bytes_of("x"));
    EXPECT_EQ(pair.sender.write_batch(out).moved(), 2U);
    EXPECT_EQ(pair.receiver.info().messages_waiting(), 1U) << "no message is empty";
}

INSTANTIATE_TEST_SUITE_P(On, Batch, ::testing::Bool(), [](const auto& info) {
    return std::string(info.param ? "mapped" : "ordinary");
});

TEST(BatchOfRaw, IsRefused) {
    const auto pair = test::raw_pair();
    outgoing_batch out;
    out.add(ipcshim::bytes_of("x"));
    std::error_code error;
    pair.sender.write_batch(out, io_mode::all, error);
    EXPECT_EQ(error, std::errc::invalid_argument);
}

} // namespace
