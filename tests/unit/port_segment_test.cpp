// SPDX-License-Identifier: MIT
//
// Making segments, and claiming them.
#include <gtest/gtest.h>

#include <array>

#include "fake_kernel.hpp"

namespace {

using namespace ipcshim;
using namespace ipcshim::test;

class port_segment : public ::testing::Test {
protected:
    ~port_segment() override {
        opened.close();
        EXPECT_TRUE(kernel.open_fds().empty()) << "a descriptor leaked";
        EXPECT_EQ(kernel.bad_closes(), 0) << "a descriptor was closed twice";
    }

    void answer_create() {
        kernel.on<::ipcshim_create_mem>(IPCSHIM_CREATE_MEM, [this](int, ::ipcshim_create_mem& raw) {
            created = raw;
            raw.fd = kernel.make_fd();
            raw.inode = 31;
            return 0;
        });
    }
    // CLAIM answers with a segment that looks as much like a pipe as it can.
    void answer_claim(std::uint64_t length) {
        kernel.on<::ipcshim_claim>(IPCSHIM_CLAIM, [this, length](int, ::ipcshim_claim& raw) {
            claimed = raw;
            raw.fd = kernel.make_fd();
            raw.rights = IPCSHIM_RIGHT_READ; // the number of a sender
            raw.mode = IPCSHIM_MEM_MUTUAL;   // the number of a raw pipe
            raw.length = length;
            raw.inode = 55;
            return 0;
        });
    }

    fake_kernel kernel;
    port opened = port::open(default_device, kernel);
    ::ipcshim_create_mem created{};
    ::ipcshim_claim claimed{};
};

TEST_F(port_segment, create_passes_every_parameter) {
    answer_create();
    const segment mine = opened.create_segment(8192, {.small_pages = true});
    EXPECT_EQ(created.length, 8192U);
    EXPECT_EQ(created.flags, IPCSHIM_MEM_SMALL_PAGES);
    EXPECT_EQ(created.reserved, 0U);
    EXPECT_EQ(mine.size(), 8192U);
    EXPECT_EQ(mine.inode(), 31U);
    EXPECT_EQ(mine.mode(), memory_mode::made);
    EXPECT_EQ(mine.rights(), rights::read | rights::write | rights::execute);
    (void)opened.create_segment(4096);
    EXPECT_EQ(created.flags, 0U);
    (void)opened.create_segment(4096, {.whole_large_pages = true});
    EXPECT_EQ(created.flags, IPCSHIM_MEM_LARGE_PAGES);
}

TEST_F(port_segment, lengths_are_rounded_up_to_pages_and_never_wrap) {
    answer_create();
    const auto length_for = [&](std::size_t bytes) {
        (void)opened.create_segment(bytes);
        return created.length;
    };
    EXPECT_EQ(length_for(0), 0U); // the module refuses it
    EXPECT_EQ(length_for(1), 4096U);
    EXPECT_EQ(length_for(4096), 4096U);
    EXPECT_EQ(length_for(4097), 8192U);
    EXPECT_EQ(length_for(~std::size_t{0} - 4095), ~std::size_t{0} - 4095);
    EXPECT_EQ(length_for(~std::size_t{0}), ~std::size_t{0});
}

TEST_F(port_segment, a_refused_create_says_what_to_do) {
    kernel.refuse(IPCSHIM_CREATE_MEM, EDQUOT);
    const std::string text = thrown<std::system_error>([&] { (void)opened.create_segment(10000); });
    EXPECT_NE(text.find("cannot create a segment of 10000 bytes: this user has too many segments"),
              std::string::npos)
        << text;
    EXPECT_NE(text.find("max_segment_bytes"), std::string::npos) << text;
    std::error_code error;
    EXPECT_FALSE(opened.create_segment(1, {}, error));
    EXPECT_EQ(error.value(), EDQUOT);
}

TEST_F(port_segment, adopt_tells_the_range) {
    ::ipcshim_adopt_mem asked{};
    kernel.on<::ipcshim_adopt_mem>(IPCSHIM_ADOPT_MEM, [&](int, ::ipcshim_adopt_mem& raw) {
        asked = raw;
        raw.fd = kernel.make_fd();
        raw.inode = 32;
        return 0;
    });
    std::array<std::byte, 4096> range{};
    const segment mine = opened.adopt_memory(range);
    EXPECT_EQ(asked.address, reinterpret_cast<std::uintptr_t>(range.data()));
    EXPECT_EQ(asked.length, 4096U);
    EXPECT_EQ(asked.flags, 0U);
    EXPECT_EQ(asked.reserved, 0U);
    EXPECT_EQ(mine.size(), 4096U);
    EXPECT_EQ(mine.inode(), 32U);
    EXPECT_EQ(mine.mode(), memory_mode::made);
}

TEST_F(port_segment, a_refused_adopt_says_which_memory_it_is) {
    std::array<std::byte, 16> range{};
    const auto text_for = [&](int error) {
        kernel.refuse(IPCSHIM_ADOPT_MEM, error);
        return thrown<std::system_error>([&] { (void)opened.adopt_memory(range); });
    };
    const std::string text = text_for(EINVAL);
    EXPECT_NE(text.find("cannot make a segment of 16 bytes of memory: only whole pages"),
              std::string::npos)
        << text;
    EXPECT_NE(text_for(ENODEV).find("a file's"), std::string::npos);
    EXPECT_NE(text_for(EALREADY).find("shared memory already"), std::string::npos);
    EXPECT_NE(text_for(EOPNOTSUPP).find("hugetlb"), std::string::npos);
    EXPECT_NE(text_for(EBUSY).find("mlock"), std::string::npos);
    EXPECT_NE(text_for(ENXIO).find("stack"), std::string::npos);
    EXPECT_NE(text_for(ENOTRECOVERABLE).find("not mapped any more"), std::string::npos);
}

TEST_F(port_segment, claim_tells_a_segment_from_an_end_of_a_pipe) {
    answer_claim(4096);
    const auto found = opened.claim(token{77});
    ASSERT_TRUE(std::holds_alternative<segment>(found));
    const auto& mine = std::get<segment>(found);
    EXPECT_EQ(claimed.length, 0U) << "it must be 0 on entry";
    EXPECT_EQ(mine.size(), 4096U);
    EXPECT_EQ(mine.rights(), rights::read);
    EXPECT_EQ(mine.mode(), memory_mode::mutual);
    EXPECT_EQ(mine.inode(), 55U);
}

TEST_F(port_segment, claim_segment_takes_the_token_of_the_event) {
    answer_claim(4096);
    const segment mine = opened.claim_segment(event(raw_recv_shared_mem(memory_mode::mutual, 5)));
    EXPECT_EQ(claimed.token, 5U);
    EXPECT_TRUE(mine.is_open());
    EXPECT_TRUE(opened.claim_segment(token{6}).is_open());
    EXPECT_EQ(claimed.token, 6U);
}

TEST_F(port_segment, claiming_a_segment_by_another_event_is_einval_and_spares_the_token) {
    answer_claim(4096);
    const event announced(raw_recv_pipe(pipe_end::receiver));
    EXPECT_EQ(thrown_errno([&] { (void)opened.claim_segment(announced); }), EINVAL);
    EXPECT_EQ(kernel.ioctl_count[IPCSHIM_CLAIM], 0);
}

TEST_F(port_segment, a_token_of_a_pipe_is_no_segment_and_nothing_leaks) {
    answer_claim(0); // now it is a sender
    EXPECT_EQ(thrown_errno([&] { (void)opened.claim_segment(token{7}); }), EINVAL);
    EXPECT_EQ(kernel.open_fds().size(), 1U);
    const event announced(raw_recv_shared_mem(memory_mode::lent));
    std::error_code error;
    EXPECT_FALSE(opened.claim_segment(announced, error));
    EXPECT_EQ(error, std::errc::invalid_argument);
}

TEST_F(port_segment, a_segment_where_an_end_was_announced_is_eproto_and_nothing_leaks) {
    answer_claim(4096);
    EXPECT_EQ(
        thrown_errno([&] { (void)opened.claim_sender(event(raw_recv_pipe(pipe_end::sender))); }),
        EPROTO);
    EXPECT_EQ(kernel.open_fds().size(), 1U);
}

TEST_F(port_segment, a_segment_that_was_taken_back_before_the_claim_is_estale) {
    kernel.refuse(IPCSHIM_CLAIM, ESTALE);
    const std::string text =
        thrown<std::system_error>([&] { (void)opened.claim_segment(token{7}); });
    EXPECT_NE(text.find("cannot claim token 7 as a segment: its sharer took the segment back"),
              std::string::npos)
        << text;
    const event announced(raw_recv_shared_mem(memory_mode::mutual));
    EXPECT_EQ(thrown_errno([&] { (void)opened.claim_segment(announced); }), ESTALE);
}

TEST_F(port_segment, a_closed_port_is_a_mistake_and_its_twins_answer_ebadf) {
    const port closed;
    const event announced(raw_recv_shared_mem(memory_mode::mutual));
    EXPECT_THROW((void)closed.create_segment(1), std::logic_error);
    EXPECT_THROW((void)closed.adopt_memory({}), std::logic_error);
    EXPECT_THROW((void)closed.claim_segment(token{1}), std::logic_error);
    EXPECT_THROW((void)closed.claim_segment(announced), std::logic_error);
    std::error_code error;
    EXPECT_FALSE(closed.create_segment(1, {}, error));
    EXPECT_EQ(error, std::errc::bad_file_descriptor);
    error.clear();
    EXPECT_FALSE(closed.adopt_memory({}, error));
    EXPECT_EQ(error, std::errc::bad_file_descriptor);
    error.clear();
    EXPECT_FALSE(closed.claim_segment(event(), error));
    EXPECT_EQ(error, std::errc::bad_file_descriptor);
}

} // namespace
