// SPDX-License-Identifier: MIT
//
// The ring's algorithm alone, in plain memory.
#include <gtest/gtest.h>

#include <array>
#include <cstring>

#include <ipcshim/detail/mapped_ring.hpp>

namespace {

using namespace ipcshim;
using detail::mapped_ring;

constexpr std::size_t area = 64;

class mapped_rings : public ::testing::Test {
protected:
    detail::ring_memory memory(bool messages) {
        return {&producer, &consumer, data.data(), area, messages};
    }
    void start_at(std::uint64_t position) {
        producer.position = position;
        consumer.position = position;
    }

    ::ipcshim_mapped_index producer{};
    ::ipcshim_mapped_index consumer{};
    alignas(8) std::array<std::byte, 2 * area> data{};
};

using producing = mapped_ring<pipe_end::sender>;
using consuming = mapped_ring<pipe_end::receiver>;
constexpr auto raw = pipe_mode::raw;
constexpr auto message = pipe_mode::message;

TEST_F(mapped_rings, a_closed_one_has_nothing) {
    producing ring;
    EXPECT_FALSE(ring.is_open());
    EXPECT_FALSE(ring.has<raw>(1));
    EXPECT_FALSE(ring.has<raw>(0));
    EXPECT_EQ(ring.there(), 0U);
}

TEST_F(mapped_rings, a_producer_has_all_the_room_of_an_empty_ring_and_no_more) {
    producing ring(memory(false));
    ASSERT_TRUE(ring.synchronize());
    EXPECT_TRUE(ring.has<raw>(area));
    EXPECT_FALSE(ring.has<raw>(area + 1));
    EXPECT_FALSE(ring.has<raw>(0));
    EXPECT_FALSE(ring.has<raw>(UINT64_MAX));
    EXPECT_FALSE(ring.publish(area));
    EXPECT_EQ(producer.position, area);
    EXPECT_FALSE(ring.has<raw>(1));
    consumer.position = 3;
    EXPECT_TRUE(ring.has<raw>(3));
    EXPECT_FALSE(ring.has<raw>(4));
}

TEST_F(mapped_rings, a_consumer_has_what_was_published) {
    consuming ring(memory(false));
    ASSERT_TRUE(ring.synchronize());
    EXPECT_FALSE(ring.has<raw>(1));
    producer.position = 10;
    EXPECT_TRUE(ring.has<raw>(10));
    EXPECT_FALSE(ring.has<raw>(11));
    EXPECT_FALSE(ring.publish(4));
    EXPECT_EQ(consumer.position, 4U);
    EXPECT_EQ(ring.here(), data.data() + 4);
    EXPECT_EQ(ring.there(), 6U);
    EXPECT_EQ(ring.beyond(), area - 6);
}

TEST_F(mapped_rings, what_the_other_moved_is_looked_at_only_when_it_matters) {
    consuming ring(memory(false));
    producer.position = 10;
    ASSERT_TRUE(ring.synchronize());
    producer.position = 20;
    EXPECT_TRUE(ring.has<raw>(10));
    EXPECT_EQ(ring.there(), 10U);
    EXPECT_TRUE(ring.has<raw>(11));
    EXPECT_EQ(ring.there(), 20U);
}

TEST_F(mapped_rings, places_wrap_where_the_area_ends) {
    start_at(area - 2);
    producing ring(memory(false));
    ASSERT_TRUE(ring.synchronize());
    EXPECT_EQ(ring.here(), data.data() + area - 2);
    EXPECT_FALSE(ring.publish(2));
    EXPECT_EQ(ring.here(), data.data());
    EXPECT_FALSE(ring.publish(area - 2));
    EXPECT_EQ(ring.here(), data.data() + area - 2);
}

TEST_F(mapped_rings, positions_far_beyond_the_area_are_as_good) {
    start_at((std::uint64_t{1} << 60U) + 5);
    producing ring(memory(false));
    ASSERT_TRUE(ring.synchronize());
    EXPECT_EQ(ring.here(), data.data() + 5);
    EXPECT_TRUE(ring.has<raw>(area));
}

TEST_F(mapped_rings, another_position_that_makes_no_sense_is_not_followed) {
    start_at(100);
    producing out(memory(false));
    consuming in(memory(false));
    ASSERT_TRUE(out.synchronize());
    ASSERT_TRUE(in.synchronize());
    for (const std::uint64_t bad : {101UL, 35UL, 0UL, ~0UL, 1UL << 63U}) {
        consumer.position = bad;
        EXPECT_FALSE(out.look()) << bad;
        EXPECT_FALSE(out.has<raw>(area + 1)) << bad;
    }
    consumer.position = 36;
    EXPECT_TRUE(out.look());
    consumer.position = 100;
    for (const std::uint64_t bad : {99UL, 165UL, 0UL, ~0UL, 1UL << 63U}) {
        producer.position = bad;
        EXPECT_FALSE(in.look()) << bad;
        EXPECT_FALSE(in.has<raw>(1)) << bad;
    }
    producer.position = 164;
    EXPECT_TRUE(in.look());
}

TEST_F(mapped_rings, positions_of_messages_are_multiples_of_8) {
    consuming in(memory(true));
    ASSERT_TRUE(in.synchronize());
    producer.position = 12;
    EXPECT_FALSE(in.look());
    EXPECT_FALSE(in.has<message>(1));
    consuming raw_one(memory(false));
    EXPECT_TRUE(raw_one.look());
    producer.position = 16;
    EXPECT_TRUE(in.has<message>(1));
    start_at(4);
    EXPECT_FALSE(in.synchronize());
}

TEST_F(mapped_rings, a_position_that_the_driver_moved_is_noticed_and_taken_over) {
    producing ring(memory(false));
    ASSERT_TRUE(ring.synchronize());
    producer.position = 7;
    EXPECT_FALSE(ring.untouched());
    EXPECT_FALSE(ring.has<raw>(1));
    ASSERT_TRUE(ring.synchronize());
    EXPECT_EQ(ring.here(), data.data() + 7);
    EXPECT_EQ(ring.there(), area - 7);
}

TEST_F(mapped_rings, a_record_is_believed_only_if_it_can_be) {
    producing out(memory(true));
    consuming in(memory(true));
    ASSERT_TRUE(out.synchronize());
    ASSERT_TRUE(in.synchronize());
    ASSERT_TRUE(out.has<message>(detail::whole_record(9)));
    out.write_head(9);
    EXPECT_FALSE(out.publish(detail::whole_record(9)));
    EXPECT_EQ(producer.position, 24U);
    EXPECT_EQ(producer.messages, 1U);
    ASSERT_TRUE(in.has<message>(1));
    EXPECT_EQ(in.record_length(), 9U);

    const auto put = [&](std::uint32_t length, std::uint32_t reserved) {
        const ::ipcshim_record head{.length = length, .reserved = reserved};
        std::memcpy(data.data(), &head, sizeof(head));
    };
    put(0, 0);
    EXPECT_EQ(in.record_length(), 0U);
    put(16, 0);
    EXPECT_EQ(in.record_length(), 16U) << "as much as was published";
    put(17, 0);
    EXPECT_EQ(in.record_length(), 0U) << "more than was published";
    put(IPCSHIM_MESSAGE_MAX + 1, 0);
    EXPECT_EQ(in.record_length(), 0U);
    put(UINT32_MAX, 0);
    EXPECT_EQ(in.record_length(), 0U);
    put(9, 1);
    EXPECT_EQ(in.record_length(), 0U);
}

TEST(whole_record, counts_the_head_and_rounds_to_8) {
    EXPECT_EQ(detail::whole_record(1), 16U);
    EXPECT_EQ(detail::whole_record(8), 16U);
    EXPECT_EQ(detail::whole_record(9), 24U);
    EXPECT_EQ(detail::whole_record(IPCSHIM_MESSAGE_MAX), IPCSHIM_MESSAGE_MAX + 8U);
}

TEST_F(mapped_rings, only_a_side_that_waits_for_no_more_is_to_be_woken) {
    producing out(memory(false));
    consuming in(memory(false));
    ASSERT_TRUE(out.synchronize());
    ASSERT_TRUE(in.synchronize());
    EXPECT_FALSE(out.publish(4));
    consumer.wake = 6;
    EXPECT_TRUE(out.publish(1)) << "it waits";
    EXPECT_FALSE(out.other_waits()) << "for more";
    EXPECT_TRUE(out.publish(1));
    EXPECT_TRUE(out.other_waits());

    producer.wake = area - 2;
    ASSERT_TRUE(in.has<raw>(1));
    EXPECT_TRUE(in.publish(1));
    EXPECT_FALSE(in.other_waits());
    EXPECT_TRUE(in.publish(3));
    EXPECT_TRUE(in.other_waits());
}

TEST_F(mapped_rings, a_producer_notices_that_nobody_will_read_and_a_consumer_goes_on) {
    producing out(memory(false));
    consuming in(memory(false));
    ASSERT_TRUE(out.synchronize());
    ASSERT_TRUE(in.synchronize());
    consumer.closed = IPCSHIM_HOW_KILLED;
    EXPECT_TRUE(out.publish(4));
    EXPECT_FALSE(out.other_waits());
    EXPECT_EQ(out.other_ended(), static_cast<std::uint32_t>(IPCSHIM_HOW_KILLED));
    producer.closed = IPCSHIM_HOW_CLOSED;
    ASSERT_TRUE(in.has<raw>(4));
    EXPECT_FALSE(in.publish(4));
    EXPECT_EQ(in.other_ended(), static_cast<std::uint32_t>(IPCSHIM_HOW_CLOSED));
}

} // namespace
