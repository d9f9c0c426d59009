// SPDX-License-Identifier: MIT
// Segments, mappings and containers by the library.
#include <gtest/gtest.h>

#include <csignal>
#include <memory_resource>
#include <numeric>
#include <string>
#include <unordered_map>

#include "segment_support.hpp"

namespace {

using ipcshim::rights;
using namespace std::chrono_literals;

constexpr auto read_write = rights::read | rights::write;

// A process that gets one segment, and what it does with it.
std::unique_ptr<test::process>
getting(const std::function<void(ipcshim::port&, ipcshim::segment, const test::line&)>& run) {
    auto result = std::make_unique<test::process>([&run](const test::line& parent) {
        auto port = test::segment_port();
        parent.put(1);
        run(port, port.claim_segment(port.read_event()), parent);
    });
    static_cast<void>(result->get());
    return result;
}

TEST(SegmentByTheLibrary, IsHandedOverAndTheHandleIsConsumed) {
    const auto port = test::segment_port();
    auto other = getting([](auto&, ipcshim::segment got, const test::line& parent) {
        CHECK(got.mode() == ipcshim::memory_mode::exclusive);
        CHECK(got.rights() == read_write);
        CHECK(got.info().is_owner());
        const auto memory = got.map();
        CHECK(memory.template as<std::uint32_t>()[7] == 77);
        parent.put(2);
        static_cast<void>(parent.get());
        CHECK(memory.template as<std::uint32_t>()[7] == 77);
    });
    auto segment = port.create_segment(100'000);
    EXPECT_EQ(segment.size() % test::page_size(), 0U);
    EXPECT_GE(segment.size(), 100'000U);
    const auto memory = segment.map();
    memory.as<std::uint32_t>()[7] = 77;
    const auto grant = std::move(segment).hand_over(other->pid(), read_write);
    EXPECT_NE(grant.inode, 0U);
    EXPECT_FALSE(segment.is_open());
    ASSERT_EQ(other->get(), 2U);
    EXPECT_EQ(test::poke(memory.bytes().data(), std::byte{1}), SIGBUS);
    // Where an error can be told, it is.
    std::error_code error;
    std::array<std::byte, 4> word{};
    memory.copy_out(28, word, error);
    EXPECT_EQ(error.value(), ESTALE);
    memory.copy_in(28, word, error);
    EXPECT_EQ(error.value(), ESTALE);
    other->put(1);
    other->join();
}

TEST(SegmentByTheLibrary, IsKeptWhenTheHandOverFails) {
    const auto port = test::segment_port();
    auto segment = port.create_segment(8192);
    const auto memory = segment.map();
    memory.at<std::uint64_t>() = 5;
    test::taker third;
    test::taker receiver;
    segment.share(third.pid(), rights::read);
    EXPECT_EQ(segment.holders(), std::vector<pid_t>{third.pid()});
    EXPECT_THROW(std::move(segment).hand_over(receiver.pid(), read_write), std::system_error);
    ASSERT_TRUE(segment.is_open());
    std::error_code error;
    std::move(segment).lend(receiver.pid(), read_write, ipcshim::no_deadline, {}, error);
    EXPECT_EQ(error.value(), EBUSY);
    ASSERT_TRUE(segment.is_open());
    EXPECT_EQ(memory.at<std::uint64_t>(), 5U);
    EXPECT_EQ(segment.unshare_all(), 1U);
    std::move(segment).hand_over(receiver.pid(), read_write);
    EXPECT_FALSE(segment.is_open());
    EXPECT_EQ(receiver.take().error, 0);
}

TEST(SegmentByTheLibrary, IsLentAndComesBack) {
    const auto port = test::segment_port();
    auto other = getting([](auto&, ipcshim::segment got, const test::line&) {
        CHECK(got.mode() == ipcshim::memory_mode::lent);
        got.map().template at<std::uint64_t>() = 6;
        std::move(got).give_back();
        CHECK(!got.is_open());
    });
    auto segment = port.create_segment(8192);
    std::move(segment).lend(other->pid(), read_write, ipcshim::deadline::clock::now() + 1h);
    const auto event = port.read_event();
    const auto back = event.as_recv_shared_mem();
    ASSERT_TRUE(back);
    EXPECT_EQ(back->mode, ipcshim::memory_mode::returned);
    EXPECT_EQ(back->how, ipcshim::how::returned);
    const auto again = port.claim_segment(event);
    EXPECT_TRUE(again.info().is_owner());
    EXPECT_EQ(again.map_const().at<std::uint64_t>(), 6U);
    other->join();
}

TEST(SegmentByTheLibrary, TellsThatItIsStale) {
    const auto port = test::segment_port();
    auto other = getting([](auto& its_port, ipcshim::segment got, const test::line& parent) {
        const auto memory = got.map_const();
        CHECK(!got.is_stale());
        parent.put(2);
        const auto gone = its_port.read_event().as_unshared_mem();
        CHECK(gone && gone->how == ipcshim::how::revoked && gone->inode == got.inode());
        CHECK(got.is_stale());
        std::array<std::byte, 16> bytes{};
        std::error_code error;
        memory.copy_out(0, bytes, error);
        CHECK(error.value() == ESTALE);
        CHECK(test::touch(memory.bytes().data()) == SIGBUS);
    });
    const auto segment = port.create_segment(8192);
    segment.share(other->pid(), rights::read);
    ASSERT_EQ(other->get(), 2U);
    segment.unshare(other->pid());
    other->join();
}

TEST(SegmentByTheLibrary, ArrivesOverALineAndIsAdopted) {
    const auto port = test::segment_port();
    test::process other([](const test::line& parent) {
        const auto fd = test::receive_fd(parent);
        const ipcshim::segment got(ipcshim::adopt_fd, CHECK_CALL(::dup(fd.get())));
        CHECK(got.map_const().at<std::uint64_t>() == 9);
    });
    const auto segment = port.create_segment(8192);
    segment.map().at<std::uint64_t>() = 9;
    test::send_fd(other.wire(), segment.fd());
    EXPECT_EQ(other.wait(), 0);
}

TEST(Containers, OfPlainValuesAreReadByOffset) {
    const auto port = test::segment_port();
    ipcshim::segment_resource resource(port, 256 * 1024);
    std::pmr::vector<std::uint64_t> numbers(&resource);
    numbers.reserve(10'000);
    for (std::uint64_t i = 0; i < 10'000; i++)
        numbers.push_back(i * i);
    const auto offset = resource.offset_of(numbers.data());
    auto other = getting([&](auto&, ipcshim::segment got, const test::line&) {
        const auto memory = got.map_const();
        const auto values = memory.template as<std::uint64_t>(offset);
        for (std::uint64_t i = 0; i < 10'000; i++)
            CHECK(values[i] == i * i);
    });
    resource.shared().share(other->pid(), rights::read);
    other->join();
}

using book = std::pmr::unordered_map<std::pmr::string, std::pmr::vector<int>>;

TEST(Containers, AreHandedOverWholeByTheirRoot) {
    const auto port = test::segment_port();
    auto other = getting([](auto&, ipcshim::segment got, const test::line& parent) {
        const ipcshim::segment_root<book> found(got);
        CHECK(found->size() == 200);
        for (const auto& [name, numbers] : *found) {
            CHECK(name.starts_with("a name that is too long for the string itself "));
            CHECK(std::accumulate(numbers.begin(), numbers.end(), 0) == 10 * numbers.front() + 45);
        }
        parent.put(2);
        static_cast<void>(parent.get());
        CHECK(found->size() == 200);
    });
    // An address that is free in both processes, whatever else they map.
    ipcshim::resource_parameters parameters;
    parameters.address = std::uintptr_t{0x20} << 32;
    ipcshim::segment_resource resource(port, 1 << 20, parameters);
    auto& root = resource.make_root<book>();
    for (int i = 0; i < 200; i++) {
        auto& numbers = root["a name that is too long for the string itself " +
                             std::pmr::string(std::to_string(i))];
        numbers.resize(10);
        std::iota(numbers.begin(), numbers.end(), i);
    }
    const auto* const place = reinterpret_cast<const std::byte*>(&root);
    EXPECT_NO_THROW(static_cast<void>(resource.offset_of(&root.begin()->first)));
    std::move(resource).hand_over(other->pid(), rights::read);
    ASSERT_EQ(other->get(), 2U);
    EXPECT_NE(test::touch(place), 0);
    other->put(1);
    EXPECT_EQ(other->wait(), 0);
}

TEST(Containers, UsePoolsAgain) {
    const auto port = test::segment_port();
    ipcshim::resource_parameters parameters;
    parameters.arrangement = ipcshim::arrangement::pool;
    ipcshim::segment_resource resource(port, 512 * 1024, parameters);
    for (int round = 0; round < 200; round++) {
        std::pmr::vector<std::pmr::string> words(&resource);
        for (int i = 0; i < 50; i++)
            words.emplace_back(100, static_cast<char>('a' + i % 26));
        ASSERT_EQ(words[27], std::pmr::string(100, 'b'));
    }
}

TEST(Containers, OfAFullSegmentThrow) {
    const auto port = test::segment_port();
    ipcshim::segment_resource resource(port, 64 * 1024);
    std::pmr::vector<char> bytes(&resource);
    EXPECT_THROW(bytes.resize(1 << 20), std::bad_alloc);
    bytes.resize(1000);
    const auto released = resource.release();
    EXPECT_TRUE(released.is_open());
    EXPECT_THROW(static_cast<void>(resource.allocate(8)), std::bad_alloc);
}

} // namespace
