// SPDX-License-Identifier: MIT
//
// Many messages in one call.
#include <gtest/gtest.h>

#include <array>
#include <chrono>
#include <cstring>

#include "fake_kernel.hpp"

namespace {

using namespace ipcshim;
using namespace ipcshim::test;
using namespace std::chrono_literals;

class batches : public ::testing::Test {
protected:
    void answer(unsigned long request, int result,
                const std::function<void(::ipcshim_pipe_batch&)>& fill = {}) {
        kernel.on<::ipcshim_pipe_batch>(request,
                                        [this, result, fill](int, ::ipcshim_pipe_batch& raw) {
                                            asked = raw;
                                            if (fill) {
                                                fill(raw);
                                            }
                                            return result;
                                        });
    }
    static ::ipcshim_batch_entry* entries(const ::ipcshim_pipe_batch& raw) {
        return reinterpret_cast<::ipcshim_batch_entry*>(raw.entries);
    }

    fake_kernel kernel;
    sender writer{detail::handle(kernel, kernel.make_fd()), pipe_mode::message};
    receiver reader{detail::handle(kernel, kernel.make_fd()), pipe_mode::message};
    ::ipcshim_pipe_batch asked{};
    std::error_code error;
};

TEST_F(batches, a_write_passes_the_messages_and_the_mode) {
    outgoing_batch batch;
    batch.reserve(2);
    batch.add(bytes_of("one"));
    batch.add(bytes_of("three"));
    answer(IPCSHIM_WRITE_BATCH, 0, [](::ipcshim_pipe_batch& raw) {
        EXPECT_EQ(entries(raw)[0].size, 3U);
        EXPECT_EQ(entries(raw)[1].size, 5U);
        EXPECT_EQ(std::memcmp(reinterpret_cast<const void*>(entries(raw)[1].buffer), "three", 5),
                  0);
        raw.moved = 2;
        raw.remains = 77;
    });
    const io_result result = writer.write_batch(batch, io_mode::some);
    EXPECT_EQ(result.moved(), 2U);
    EXPECT_EQ(result.remains(), 77U);
    EXPECT_EQ(asked.count, 2U);
    EXPECT_EQ(asked.mode, static_cast<std::uint32_t>(IPCSHIM_IO_SOME));
    EXPECT_EQ(asked.deadline, 0U);
    EXPECT_EQ(asked.flags, 0U);
    EXPECT_EQ(asked.reserved, 0U);
}

TEST_F(batches, a_call_after_fewer_goes_on_with_the_rest_and_a_batch_is_used_again) {
    outgoing_batch batch;
    for (int i = 0; i < 5; ++i) {
        batch.add(bytes_of("x"));
    }
    const ::ipcshim_batch_entry* const first = batch.raw().data();
    batch.skip(2);
    EXPECT_EQ(batch.size(), 3U);
    EXPECT_EQ(batch.raw().data(), first + 2);
    answer(IPCSHIM_WRITE_BATCH, 0);
    writer.write_batch(batch, deadline(55ns));
    EXPECT_EQ(asked.entries, reinterpret_cast<std::uintptr_t>(first + 2));
    EXPECT_EQ(asked.count, 3U);
    EXPECT_EQ(asked.mode, static_cast<std::uint32_t>(IPCSHIM_IO_ALL));
    EXPECT_EQ(asked.deadline, 55U);
    batch.skip(100);
    EXPECT_TRUE(batch.empty());
    batch.rewind();
    EXPECT_EQ(batch.size(), 5U);
    batch.skip(1);
    batch.clear();
    EXPECT_EQ(batch.size(), 0U);
    batch.add(bytes_of("y"));
    EXPECT_EQ(batch.raw().data(), first) << "its memory is used again";
}

TEST_F(batches, a_read_tells_each_message) {
    std::array<std::array<std::byte, 16>, 3> buffers{};
    incoming_batch batch;
    for (auto& buffer : buffers) {
        batch.add(buffer);
    }
    answer(IPCSHIM_READ_BATCH, 0, [&](::ipcshim_pipe_batch& raw) {
        std::memcpy(buffers[0].data(), "ab", 2);
        entries(raw)[0].moved = 2;
        entries(raw)[1].moved = 99; // more than the buffer has: not believed
        raw.moved = 2;
        raw.cause = IPCSHIM_CAUSE_CLOSED;
    });
    const io_result result = reader.read_batch(batch);
    EXPECT_EQ(result.moved(), 2U);
    EXPECT_TRUE(result.closed());
    EXPECT_EQ(batch.message(0).size(), 2U);
    EXPECT_EQ(batch.message(0).data(), buffers[0].data());
    EXPECT_EQ(batch.message(1).size(), 16U);
    EXPECT_TRUE(batch.message(2).empty());
    EXPECT_THROW(static_cast<void>(batch.message(3)), std::out_of_range);
    batch.skip(1);
    EXPECT_EQ(batch.message(0).data(), buffers[1].data());
}

TEST_F(batches, counts_that_cannot_be_are_clamped) {
    incoming_batch batch;
    std::array<std::byte, 4> buffer{};
    batch.add(buffer);
    answer(IPCSHIM_READ_BATCH, 0, [](::ipcshim_pipe_batch& raw) { raw.moved = 1000; });
    EXPECT_EQ(reader.read_batch(batch, deadline(5ns)).moved(), 1U);
    answer(IPCSHIM_READ_BATCH, 0);
    EXPECT_EQ(reader.read_batch(batch, deadline(5ns), error).moved(), 0U);
    EXPECT_FALSE(error);
}

TEST_F(batches, failures_are_sentences_that_count_messages) {
    outgoing_batch batch;
    batch.add(bytes_of("one"));
    batch.add(bytes_of("two"));
    answer(IPCSHIM_WRITE_BATCH, -ETIMEDOUT, [](::ipcshim_pipe_batch& raw) {
        raw.moved = 1;
        raw.cause = IPCSHIM_CAUSE_DEADLINE;
    });
    EXPECT_EQ(thrown<io_error>([&] { writer.write_batch(batch, deadline(1ns)); }),
              "cannot write 2 messages to the pipe: the deadline passed when 1 messages had moved; "
              "go on from there, or give it more time: Connection timed out");
    answer(IPCSHIM_WRITE_BATCH, -EINVAL);
    EXPECT_NE(thrown<io_error>([&] {
                  writer.write_batch(batch);
              }).find("batches are for message pipes and at most 1024 messages"),
              std::string::npos);
    writer.write_batch(batch, io_mode::fail, error);
    EXPECT_EQ(error, std::errc::invalid_argument);
    writer.write_batch(batch, deadline(1ns), error);
    EXPECT_EQ(error, std::errc::invalid_argument);
    std::array<std::byte, 4> buffer{};
    incoming_batch small;
    small.add(buffer);
    answer(IPCSHIM_READ_BATCH, -EMSGSIZE, [](::ipcshim_pipe_batch& raw) { raw.remains = 9; });
    const std::string text = thrown<io_error>([&] { static_cast<void>(reader.read_batch(small)); });
    EXPECT_NE(text.find("the first buffer is too small for its message, which waits still; it "
                        "needs 9 bytes"),
              std::string::npos)
        << text;
    EXPECT_EQ(reader.read_batch(small, io_mode::all, error).remains(), 9U);
}

TEST_F(batches, a_closed_end_is_a_logic_error_and_its_twin_ebadf) {
    outgoing_batch batch;
    writer.close();
    EXPECT_THROW(writer.write_batch(batch), std::logic_error);
    writer.write_batch(batch, io_mode::all, error);
    EXPECT_EQ(error.value(), EBADF);
    incoming_batch buffers;
    reader.close();
    EXPECT_THROW(static_cast<void>(reader.read_batch(buffers)), std::logic_error);
    EXPECT_THROW(static_cast<void>(reader.read_batch(buffers, deadline(1ns))), std::logic_error);
}

TEST_F(batches, pipe_info_tells_of_mapping) {
    ::ipcshim_pipe_info raw{};
    EXPECT_FALSE(pipe_info(raw).can_map());
    raw.flags = IPCSHIM_INFO_CAN_MAP;
    raw.area = 65536;
    EXPECT_TRUE(pipe_info(raw).can_map());
    EXPECT_FALSE(pipe_info(raw).is_mapped());
    EXPECT_EQ(pipe_info(raw).area(), 65536U);
    raw.flags |= IPCSHIM_INFO_IS_MAPPED;
    EXPECT_TRUE(pipe_info(raw).is_mapped());
}

} // namespace
