// SPDX-License-Identifier: MIT
//
// The ends of a mapped pipe: owning, copying, showing, and what the other side spoils.
#include <gtest/gtest.h>

#include <sys/mman.h>

#include <array>
#include <cstring>
#include <sstream>
#include <vector>

#include "fake_kernel.hpp"
#include "fake_mapped_pipe.hpp"

namespace {

using namespace ipcshim;
using namespace ipcshim::test;

std::vector<std::byte> bytes_from(std::size_t size, unsigned seed) {
    std::vector<std::byte> made(size);
    for (std::size_t i = 0; i < size; ++i) {
        made[i] = static_cast<std::byte>(i * 7 + seed + i / 251);
    }
    return made;
}

bool equal(std::span<const std::byte> one, std::span<const std::byte> other) {
    return one.size() == other.size() && std::memcmp(one.data(), other.data(), one.size()) == 0;
}

struct both_ends {
    explicit both_ends(pipe_mode mode, std::size_t area = 16 * 4096) : pipe(kernel, mode, area) {}
    ~both_ends() {
        out.close();
        in.close();
        EXPECT_TRUE(kernel.open_fds().empty()) << "a descriptor leaked";
        EXPECT_EQ(pipe.ranges, 0U) << "a mapping leaked";
    }
    both_ends(const both_ends&) = delete;
    both_ends& operator=(const both_ends&) = delete;

    fake_kernel kernel;
    fake_mapped_pipe pipe;
    mapped_sender out{pipe.take_sender()};
    mapped_receiver in{pipe.take_receiver()};
    std::error_code error;
};

TEST(mapped_ends, raw_bytes_come_out_as_they_went_in_at_every_place) {
    both_ends ends(pipe_mode::raw);
    std::size_t size = 1;
    for (int round = 0; round < 300; ++round) {
        const auto written = bytes_from(size, static_cast<unsigned>(round));
        std::vector<std::byte> read(size);
        EXPECT_EQ(ends.out.write(written).moved(), size);
        EXPECT_EQ(ends.in.read(read).moved(), size);
        ASSERT_TRUE(equal(written, read)) << "round " << round;
        size = size * 5 / 4 + 1;
        if (size > ends.pipe.area()) {
            size %= 1000;
        }
    }
    EXPECT_EQ(ends.pipe.waits, 0);
    EXPECT_EQ(ends.pipe.wakes, 0);
    EXPECT_EQ(ends.pipe.producer().messages, 0U);
}

TEST(mapped_ends, messages_of_every_length_stay_whole_and_wrap) {
    both_ends ends(pipe_mode::message, 17 * 4096);
    std::vector<std::byte> read(message_max);
    std::uint64_t count = 0;
    for (std::size_t size = 1; size <= message_max; size = size < 40 ? size + 1 : size * 3 / 2) {
        for (int twice = 0; twice < 2; ++twice) {
            const auto written = bytes_from(size, static_cast<unsigned>(size));
            ends.out.write(written);
            const io_result result = ends.in.read(read);
            ASSERT_EQ(result.moved(), size);
            ASSERT_TRUE(equal(written, std::span(read).first(size)));
            ++count;
        }
    }
    EXPECT_EQ(ends.pipe.producer().messages, count);
    EXPECT_EQ(ends.pipe.consumer().messages, count);
    EXPECT_EQ(ends.out.write(bytes_from(message_max, 1)).moved(), message_max);
    EXPECT_EQ(ends.in.read(read).moved(), message_max);
}

TEST(mapped_ends, what_is_reserved_is_seen_when_it_is_committed) {
    both_ends ends(pipe_mode::raw);
    auto room = ends.out.reserve(10);
    ASSERT_EQ(room.size(), 10U);
    std::memcpy(room.data(), "0123456789", 10);
    EXPECT_TRUE(ends.in.peek(1, io_mode::fail, ends.error).empty());
    EXPECT_EQ(ends.error, std::errc::resource_unavailable_try_again);
    ends.out.commit(4);
    auto next = ends.in.peek();
    EXPECT_TRUE(equal(next, bytes_of("0123")));
    ends.in.release(1);
    ends.in.release(1);
    EXPECT_TRUE(equal(ends.in.peek(), bytes_of("23")));
    ends.in.release();
    EXPECT_EQ(ends.pipe.consumer().position, 4U);
    ends.in.release(0, ends.error);
    EXPECT_FALSE(ends.error);
}

TEST(mapped_ends, peek_shows_what_came_since_and_all_in_one_piece) {
    both_ends ends(pipe_mode::raw);
    ends.pipe.start_at(ends.pipe.area() - 3);
    ends.out.write(bytes_of("abc"));
    EXPECT_TRUE(equal(ends.in.peek(), bytes_of("abc")));
    ends.out.write(bytes_of("def"));
    EXPECT_TRUE(equal(ends.in.peek(), bytes_of("abcdef")));
    EXPECT_TRUE(equal(ends.in.peek(6), bytes_of("abcdef")));
    EXPECT_TRUE(ends.in.peek(7, io_mode::fail, ends.error).empty());
    EXPECT_EQ(ends.error, std::errc::resource_unavailable_try_again);
    EXPECT_EQ(ends.in.peek(7, io_mode::some, ends.error).size(), 6U);
}

TEST(mapped_ends, a_message_is_shown_exactly_and_released_whole) {
    both_ends ends(pipe_mode::message, 17 * 4096);
    auto room = ends.out.reserve(100);
    std::memcpy(room.data(), "hello", 5);
    ends.out.commit(5);
    ends.out.write(bytes_of("next"));
    EXPECT_TRUE(equal(ends.in.peek(), bytes_of("hello")));
    ends.in.release(5, ends.error);
    EXPECT_EQ(ends.error, std::errc::invalid_argument);
    ends.in.release();
    EXPECT_TRUE(equal(ends.in.peek(), bytes_of("next")));
    ends.in.release();
    EXPECT_EQ(ends.pipe.consumer().position, ends.pipe.producer().position);
}

TEST(mapped_ends, commit_and_release_refuse_what_is_not_held) {
    both_ends ends(pipe_mode::raw);
    const auto commits = [&](std::size_t used) {
        ends.out.commit(used, ends.error);
        return ends.error;
    };
    EXPECT_EQ(commits(1), std::errc::invalid_argument) << "nothing is reserved";
    static_cast<void>(ends.out.reserve(8));
    EXPECT_EQ(commits(9), std::errc::invalid_argument);
    EXPECT_FALSE(commits(8));
    EXPECT_EQ(commits(1), std::errc::invalid_argument) << "it is committed";
    static_cast<void>(ends.out.reserve(8));
    ends.out.write(bytes_of("x"));
    EXPECT_EQ(commits(1), std::errc::invalid_argument) << "something was written since";
    static_cast<void>(ends.out.reserve(8));
    EXPECT_FALSE(commits(0));
    EXPECT_EQ(commits(1), std::errc::invalid_argument) << "it was given back";
    static_cast<void>(ends.out.reserve(8));
    ends.pipe.producer().position += 1;
    EXPECT_EQ(commits(1), std::errc::invalid_argument) << "the driver has written since";
    EXPECT_THROW(ends.out.commit(1), std::system_error);

    const auto releases = [&](std::size_t count) {
        ends.in.release(count, ends.error);
        return ends.error;
    };
    EXPECT_EQ(releases(1), std::errc::invalid_argument) << "nothing was shown";
    EXPECT_EQ(ends.in.peek().size(), 10U);
    EXPECT_EQ(releases(11), std::errc::invalid_argument);
    std::array<std::byte, 1> one{};
    EXPECT_EQ(ends.in.read(one).moved(), 1U);
    EXPECT_EQ(releases(1), std::errc::invalid_argument) << "something was read since";
    EXPECT_EQ(ends.pipe.consumer().position, 1U);
}

TEST(mapped_ends, sizes_that_cannot_be_are_refused) {
    both_ends raw(pipe_mode::raw);
    static_cast<void>(raw.out.reserve(0, io_mode::all, raw.error));
    EXPECT_EQ(raw.error, std::errc::invalid_argument);
    static_cast<void>(raw.out.reserve(raw.pipe.area() + 1, io_mode::all, raw.error));
    EXPECT_EQ(raw.error, std::errc::invalid_argument);
    EXPECT_EQ(raw.out.reserve(raw.pipe.area()).size(), raw.pipe.area());
    static_cast<void>(raw.in.peek(raw.pipe.area() + 1, io_mode::all, raw.error));
    EXPECT_EQ(raw.error, std::errc::invalid_argument);
    std::vector<std::byte> large(raw.pipe.area() + 1);
    raw.out.write(large, io_mode::fail, raw.error);
    EXPECT_EQ(raw.error, std::errc::invalid_argument);
    static_cast<void>(raw.in.read(large, io_mode::fail, raw.error));
    EXPECT_EQ(raw.error, std::errc::invalid_argument);

    both_ends messages(pipe_mode::message, 17 * 4096);
    large.resize(message_max + 1);
    const io_result result = messages.out.write(large, io_mode::all, messages.error);
    EXPECT_EQ(messages.error, std::errc::message_size);
    EXPECT_EQ(result.cause(), cause::too_long);
    static_cast<void>(messages.out.reserve(large.size(), io_mode::all, messages.error));
    EXPECT_EQ(messages.error, std::errc::message_size);
    messages.out.write(bytes_of("x"), io_mode::some, messages.error);
    EXPECT_EQ(messages.error, std::errc::invalid_argument);
    EXPECT_EQ(messages.out.write({}).moved(), 0U);
    EXPECT_EQ(messages.pipe.producer().position, 0U) << "no bytes, no message";
}

TEST(mapped_ends, a_buffer_too_small_leaves_the_message_and_tells_its_length) {
    both_ends ends(pipe_mode::message, 17 * 4096);
    ends.out.write(bytes_of("twelve bytes"));
    std::array<std::byte, 11> small{};
    const io_result result = ends.in.read(small, io_mode::all, ends.error);
    EXPECT_EQ(ends.error, std::errc::message_size);
    EXPECT_EQ(result.remains(), 12U);
    EXPECT_EQ(result.cause(), cause::too_long);
    EXPECT_TRUE(equal(ends.in.peek(), bytes_of("twelve bytes")));
}

TEST(mapped_ends, what_cannot_move_now_says_how_much_is_missing) {
    both_ends ends(pipe_mode::raw);
    const auto most = bytes_from(ends.pipe.area() - 10, 1);
    ends.out.write(most);
    io_result result = ends.out.write(bytes_from(12, 1), io_mode::fail, ends.error);
    EXPECT_EQ(ends.error, std::errc::resource_unavailable_try_again);
    EXPECT_EQ(result.cause(), cause::full);
    EXPECT_EQ(result.lacks(), 2U);
    EXPECT_EQ(ends.out.write(bytes_from(12, 1), io_mode::some).moved(), 10U);
    result = ends.out.write(bytes_from(12, 1), io_mode::some, ends.error);
    EXPECT_EQ(ends.error, std::errc::resource_unavailable_try_again);
    EXPECT_EQ(result.lacks(), 1U);
    std::vector<std::byte> all(ends.pipe.area() + 5);
    EXPECT_EQ(ends.in.read(all, io_mode::some).moved(), ends.pipe.area());
    result = ends.in.read(std::span(all).first(7), io_mode::fail, ends.error);
    EXPECT_EQ(ends.error, std::errc::resource_unavailable_try_again);
    EXPECT_EQ(result.cause(), cause::empty);
    EXPECT_EQ(result.lacks(), 7U);
    EXPECT_EQ(ends.pipe.waits, 0);
}

TEST(mapped_ends, the_drivers_read_and_write_may_come_in_between) {
    both_ends ends(pipe_mode::raw);
    ends.out.write(bytes_of("one"));
    // What a write of two bytes by way of the driver does.
    std::memcpy(ends.pipe.data().data() + 3, "xy", 2);
    ends.pipe.producer().position += 2;
    ends.out.write(bytes_of("two"));
    // And a read of one.
    ends.pipe.consumer().position += 1;
    EXPECT_TRUE(equal(ends.in.peek(), bytes_of("nexytwo")));
    ends.in.release(2);
    ends.pipe.consumer().position += 1;
    std::array<std::byte, 4> rest{};
    EXPECT_EQ(ends.in.read(rest).moved(), 4U);
    EXPECT_TRUE(equal(rest, bytes_of("ytwo")));
}

TEST(mapped_ends, a_reader_drains_what_was_written_before_the_end) {
    both_ends ends(pipe_mode::raw);
    ends.out.write(bytes_of("last"));
    EXPECT_FALSE(ends.in.other_ended());
    ends.pipe.end_of(pipe_end::sender, how::killed);
    EXPECT_EQ(ends.in.other_ended(), how::killed);
    std::array<std::byte, 8> buffer{};
    io_result result = ends.in.read(buffer);
    EXPECT_EQ(result.moved(), 4U);
    EXPECT_TRUE(result.closed());
    result = ends.in.read(buffer);
    EXPECT_EQ(result.moved(), 0U);
    EXPECT_TRUE(result.closed());
    EXPECT_TRUE(ends.in.peek(5, io_mode::all, ends.error).empty());
    EXPECT_FALSE(ends.error);
    EXPECT_EQ(ends.pipe.waits, 0);
}

TEST(mapped_ends, a_reader_of_a_pipe_closed_for_everybody_finds_nothing) {
    both_ends ends(pipe_mode::raw);
    ends.out.write(bytes_of("lost"));
    ends.pipe.end_of(pipe_end::sender);
    ends.pipe.end_of(pipe_end::receiver);
    std::array<std::byte, 8> buffer{};
    const io_result result = ends.in.read(buffer);
    EXPECT_TRUE(result.closed());
    EXPECT_EQ(result.moved(), 0U);
    EXPECT_TRUE(ends.in.peek(8).empty());
}

TEST(mapped_ends, a_writer_is_told_that_nobody_will_read) {
    for (const pipe_mode mode : {pipe_mode::raw, pipe_mode::message}) {
        both_ends ends(mode);
        ends.out.write(bytes_of("x"));
        static_cast<void>(ends.out.reserve(4));
        ends.pipe.end_of(pipe_end::receiver, how::exited);
        EXPECT_EQ(thrown_errno([&] { ends.out.commit(4); }), EPIPE);
        ends.out.commit(4, ends.error);
        EXPECT_EQ(ends.error, std::errc::broken_pipe);
        const io_result result = ends.out.write(bytes_of("y"), io_mode::all, ends.error);
        EXPECT_EQ(ends.error, std::errc::broken_pipe);
        EXPECT_EQ(result.moved(), 0U);
        EXPECT_TRUE(result.closed());
        const std::string text = thrown<io_error>([&] { ends.out.write(bytes_of("y")); });
        EXPECT_NE(text.find("the pipe is closed, nobody will read it"), std::string::npos) << text;
        EXPECT_EQ(thrown_errno([&] { ends.out.write(bytes_from(100'000, 1)); }),
                  mode == pipe_mode::raw ? EPIPE : EMSGSIZE);
        EXPECT_EQ(thrown_errno([&] { static_cast<void>(ends.out.reserve(4)); }), EPIPE);
        static_cast<void>(ends.out.reserve(4, io_mode::fail, ends.error));
        EXPECT_EQ(ends.error, std::errc::broken_pipe);
        EXPECT_EQ(ends.out.other_ended(), how::exited);
    }
}

TEST(mapped_ends, nonsense_of_the_other_side_is_a_protocol_error_and_stays_one) {
    both_ends ends(pipe_mode::raw);
    ends.out.write(bytes_of("good"));
    ends.pipe.producer().position = 1'000'000;
    std::array<std::byte, 8> buffer{};
    static_cast<void>(ends.in.read(buffer, io_mode::all, ends.error));
    EXPECT_EQ(ends.error, std::errc::protocol_error);
    ends.pipe.producer().position = 4;
    const std::string text = thrown<io_error>([&] { static_cast<void>(ends.in.read(buffer)); });
    EXPECT_NE(text.find("what lies in the mapped ring makes no sense"), std::string::npos) << text;
    static_cast<void>(ends.in.peek(1, io_mode::all, ends.error));
    EXPECT_EQ(ends.error, std::errc::protocol_error);
    ends.in.release(ends.error);
    EXPECT_EQ(ends.error, std::errc::protocol_error);
    EXPECT_EQ(ends.pipe.consumer().position, 0U);

    ends.pipe.consumer().position = 100;
    std::vector<std::byte> large(ends.pipe.area());
    ends.out.write(large, io_mode::all, ends.error);
    EXPECT_EQ(ends.error, std::errc::protocol_error);
    static_cast<void>(ends.out.reserve(1, io_mode::fail, ends.error));
    EXPECT_EQ(ends.error, std::errc::protocol_error);
}

TEST(mapped_ends, a_record_that_cannot_be_is_a_protocol_error) {
    for (const std::uint32_t length : {0U, 9U, 65'537U, ~0U}) {
        both_ends ends(pipe_mode::message, 17 * 4096);
        ends.out.write(bytes_of("8 bytes."));
        std::memcpy(ends.pipe.data().data(), &length, sizeof(length));
        EXPECT_TRUE(ends.in.peek(1, io_mode::all, ends.error).empty());
        EXPECT_EQ(ends.error, std::errc::protocol_error) << length;
    }
}

TEST(mapped_ends, the_sender_maps_what_it_writes_and_no_more) {
    fake_kernel kernel;
    fake_mapped_pipe pipe(kernel, pipe_mode::raw);
    const auto real = kernel.map_memory;
    std::vector<std::array<std::uint64_t, 3>> asked; // offset, size, rights
    kernel.map_memory = [&](void*& address, std::size_t size, int protection, int flags, int fd,
                            std::uint64_t offset) {
        EXPECT_TRUE((flags & MAP_POPULATE) != 0);
        asked.push_back({offset, size, static_cast<std::uint64_t>(protection)});
        return real(address, size, protection, flags, fd, offset);
    };
    const std::uint64_t all = 2 * 4096 + 2 * pipe.area();
    constexpr std::uint64_t both = PROT_READ | PROT_WRITE;
    {
        const mapped_sender out(pipe.take_sender());
        EXPECT_EQ(asked, (std::vector<std::array<std::uint64_t, 3>>{
                             {0, all, PROT_READ}, {0, 4096, both}, {8192, all - 8192, both}}));
    }
    asked.clear();
    const mapped_receiver in(pipe.take_receiver());
    EXPECT_EQ(asked,
              (std::vector<std::array<std::uint64_t, 3>>{{0, all, PROT_READ}, {4096, 4096, both}}));
    EXPECT_EQ(in.area(), pipe.area());
    EXPECT_EQ(in.mode(), pipe_mode::raw);
}

TEST(mapped_ends, an_end_that_cannot_be_mapped_stays_the_callers) {
    fake_kernel kernel;
    fake_mapped_pipe pipe(kernel, pipe_mode::raw);
    sender end = pipe.take_sender();
    const auto real = kernel.map_memory;
    for (int which = 0; which < 3; ++which) {
        int call = 0;
        kernel.map_memory = [&](void*& address, std::size_t size, int protection, int flags, int fd,
                                std::uint64_t offset) {
            return call++ == which ? -EBUSY : real(address, size, protection, flags, fd, offset);
        };
        const std::string text =
            thrown<std::system_error>([&] { mapped_sender out(std::move(end)); });
        EXPECT_NE(text.find("cannot map the sender: another process has this end mapped"),
                  std::string::npos)
            << text;
        EXPECT_TRUE(end.is_open());
        EXPECT_EQ(pipe.ranges, 0U);
    }
    kernel.map_memory = real;
    for (const std::uint64_t area : {0UL, 4095UL, (1UL << 40U)}) {
        kernel.on<::ipcshim_pipe_info>(IPCSHIM_PIPE_INFO, [area](int, ::ipcshim_pipe_info& answer) {
            answer.flags = IPCSHIM_INFO_CAN_MAP | IPCSHIM_INFO_SENDER;
            answer.area = area;
            return 0;
        });
        EXPECT_EQ(thrown_errno([&] { mapped_sender out(std::move(end)); }), EPROTO);
    }
    kernel.on<::ipcshim_pipe_info>(IPCSHIM_PIPE_INFO, [](int, ::ipcshim_pipe_info& answer) {
        answer.flags = IPCSHIM_INFO_SENDER;
        return 0;
    });
    const std::string text = thrown<std::system_error>([&] { mapped_sender out(std::move(end)); });
    EXPECT_NE(text.find("the pipe was not opened as mapped"), std::string::npos) << text;
    EXPECT_TRUE(end.is_open());
    end.close();
    EXPECT_THROW(mapped_sender(std::move(end)), std::logic_error);
    std::error_code error;
    const mapped_sender none(std::move(end), error);
    EXPECT_EQ(error.value(), EBADF);
    EXPECT_FALSE(none);
}

TEST(mapped_ends, moving_takes_the_mapping_along_and_unmap_gives_the_end_back) {
    both_ends ends(pipe_mode::raw);
    mapped_sender moved(std::move(ends.out));
    EXPECT_FALSE(ends.out); // NOLINT(bugprone-use-after-move): it is closed
    EXPECT_THROW(ends.out.write(bytes_of("x")), std::logic_error);
    ends.out.write(bytes_of("x"), io_mode::all, ends.error);
    EXPECT_EQ(ends.error.value(), EBADF);
    EXPECT_THROW(static_cast<void>(ends.out.reserve(1)), std::logic_error);
    EXPECT_THROW(ends.out.commit(1), std::logic_error);
    EXPECT_FALSE(ends.out.other_ended());
    moved.write(bytes_of("x"));
    EXPECT_EQ(ends.pipe.ranges, 2U);
    sender end = moved.unmap();
    EXPECT_TRUE(end);
    EXPECT_FALSE(moved);
    EXPECT_EQ(ends.pipe.ranges, 1U);
    ends.out = mapped_sender(std::move(end));
    ends.out.write(bytes_of("y"));
    EXPECT_TRUE(equal(ends.in.peek(), bytes_of("xy")));
    mapped_receiver other = std::move(ends.in);
    EXPECT_THROW(static_cast<void>(ends.in.peek()), std::logic_error);
    EXPECT_THROW(ends.in.release(), std::logic_error);
    EXPECT_THROW(ends.in.release(1), std::logic_error);
    std::array<std::byte, 1> one{};
    EXPECT_THROW(static_cast<void>(ends.in.read(one)), std::logic_error);
    other.close();
    other.close();
    EXPECT_EQ(ends.pipe.ranges, 1U);
}

TEST(mapped_ends, a_child_leaves_alone_what_lies_where_the_mapping_was) {
    fake_kernel kernel;
    fake_mapped_pipe pipe(kernel, pipe_mode::raw);
    void* range = nullptr;
    std::size_t size = 0;
    const auto real = kernel.unmap_memory;
    kernel.unmap_memory = [&](void* address, std::size_t length) {
        range = address;
        size = length;
        return 0;
    };
    mapped_sender out(pipe.take_sender());
    kernel.pid += 1;
    out.close();
    EXPECT_EQ(range, nullptr);
    kernel.pid -= 1;
    mapped_receiver in(pipe.take_receiver());
    in.close();
    ASSERT_NE(range, nullptr);
    EXPECT_EQ(real(range, size), 0);
}

TEST(mapped_ends, print_themselves) {
    both_ends ends(pipe_mode::raw);
    std::ostringstream out;
    out << ends.out << ", " << ends.in << ", " << mapped_sender() << ", " << mapped_receiver();
    EXPECT_EQ(out.str(), "mapped sender (descriptor " + std::to_string(ends.out.fd()) +
                             "), mapped receiver (descriptor " + std::to_string(ends.in.fd()) +
                             "), closed mapped sender, closed mapped receiver");
}

} // namespace
