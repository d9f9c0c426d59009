// SPDX-License-Identifier: MIT
//
// A segment's bytes as memory.
#include <gtest/gtest.h>

#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <memory_resource>
#include <sstream>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "fake_kernel.hpp"

namespace {

using namespace ipcshim;
using namespace ipcshim::test;

static_assert(shareable<int> && shareable<std::byte> && shareable<std::atomic<std::uint32_t>>);
static_assert(!shareable<int*> && !shareable<std::string> && !shareable<std::vector<int>> &&
              !shareable<int&>);

constexpr std::size_t length = 8192;

class mapping_test : public ::testing::Test {
protected:
    mapping_test() {
        kernel.on_mmap = [this](void* address, std::size_t size, int protection, int flags, int fd,
                                std::uint64_t offset) {
            asked = {address, size, protection, flags, fd, offset};
            return 0;
        };
    }
    ~mapping_test() override {
        EXPECT_EQ(kernel.mapped(), 0U) << "a mapping leaked";
        EXPECT_EQ(kernel.bad_unmaps(), 0) << "something was unmapped twice, or in part";
    }

    segment make(rights allowed) {
        return {detail::handle(kernel, kernel.make_fd()),
                {.size = length, .inode = 31, .rights = allowed, .mode = memory_mode::made}};
    }

    struct request {
        void* address;
        std::size_t size;
        int protection;
        int flags;
        int fd;
        std::uint64_t offset;
    };
    fake_kernel kernel;
    request asked{};
    segment mine = make(rights::read | rights::write | rights::execute);
};

TEST_F(mapping_test, map_is_all_of_it_shared_to_read_and_write) {
    const mapping all = mine.map();
    EXPECT_EQ(asked.address, nullptr);
    EXPECT_EQ(asked.size, length);
    EXPECT_EQ(asked.protection, PROT_READ | PROT_WRITE);
    EXPECT_EQ(asked.flags, MAP_SHARED);
    EXPECT_EQ(asked.fd, mine.fd());
    EXPECT_EQ(asked.offset, 0U);
    EXPECT_EQ(all.size(), length);
    EXPECT_EQ(all.bytes().size(), length);
    EXPECT_EQ(all.address(), reinterpret_cast<std::uintptr_t>(all.bytes().data()));
}

TEST_F(mapping_test, map_of_a_copy_on_write_right_is_private) {
    const segment copied = make(rights::read | rights::copy_on_write);
    const mapping all = copied.map();
    EXPECT_EQ(asked.protection, PROT_READ | PROT_WRITE);
    EXPECT_EQ(asked.flags, MAP_PRIVATE);
}

TEST_F(mapping_test, map_private_const_and_executable_ask_for_no_more_than_they_say) {
    {
        const mapping own = mine.map_private();
        EXPECT_EQ(asked.protection, PROT_READ | PROT_WRITE);
        EXPECT_EQ(asked.flags, MAP_PRIVATE);
    }
    {
        const const_mapping seen = mine.map_const();
        EXPECT_EQ(asked.protection, PROT_READ);
        EXPECT_EQ(asked.flags, MAP_SHARED);
        static_assert(std::is_same_v<decltype(seen.bytes()), std::span<const std::byte>>);
        static_assert(std::is_same_v<decltype(seen.as<int>()), std::span<const int>>);
        static_assert(std::is_same_v<decltype(seen.at<int>()), const int&>);
    }
    const const_mapping run = mine.map_executable();
    EXPECT_EQ(asked.protection, PROT_READ | PROT_EXEC);
    EXPECT_EQ(asked.flags, MAP_SHARED);
}

TEST_F(mapping_test, a_part_is_mapped_populated_and_at_an_address) {
    const mapping part =
        mine.map({.offset = 4096, .length = 100, .populate = true, .address = 0x700000000000});
    EXPECT_EQ(asked.address, reinterpret_cast<void*>(0x700000000000));
    EXPECT_EQ(asked.size, 100U);
    EXPECT_EQ(asked.offset, 4096U);
    EXPECT_EQ(asked.flags, MAP_SHARED | MAP_POPULATE | MAP_FIXED_NOREPLACE);
    EXPECT_EQ(part.size(), 100U);
}

TEST_F(mapping_test, length_0_is_the_rest) {
    const mapping rest = mine.map({.offset = 4096});
    EXPECT_EQ(asked.size, 4096U);
}

TEST_F(mapping_test, what_is_not_within_the_segment_is_enxio_and_nothing_is_asked) {
    for (const mapping_parameters& wrong :
         {mapping_parameters{.offset = length}, mapping_parameters{.offset = length + 4096},
          mapping_parameters{.length = length + 1},
          mapping_parameters{.offset = 4096, .length = 4097},
          mapping_parameters{.offset = 4096, .length = ~std::size_t{0}},
          mapping_parameters{.offset = ~std::size_t{0}}}) {
        EXPECT_EQ(thrown_errno([&] { (void)mine.map(wrong); }), ENXIO);
    }
    EXPECT_EQ(asked.size, 0U);
}

TEST_F(mapping_test, a_refused_map_says_what_to_do) {
    const auto text_for = [this](int error) {
        kernel.on_mmap = [error](void*, std::size_t, int, int, int, std::uint64_t) {
            return -error;
        };
        return thrown<std::system_error>([&] { (void)mine.map(); });
    };
    EXPECT_NE(text_for(ESTALE).find("cannot map segment 31 of 8192 bytes: it was handed over"),
              std::string::npos);
    EXPECT_NE(text_for(EACCES).find("map it with map_const() to read"), std::string::npos);
    EXPECT_NE(text_for(EEXIST).find("something else at that address"), std::string::npos);
    std::error_code error;
    EXPECT_FALSE(mine.map({}, error));
    EXPECT_EQ(error, std::errc::file_exists);
    EXPECT_FALSE(mine.map_const({}, error));
    EXPECT_EQ(error, std::errc::file_exists);
}

TEST_F(mapping_test, moving_moves_and_closing_unmaps_once) {
    mapping first = mine.map();
    mapping second = std::move(first);
    EXPECT_FALSE(first.is_open()); // NOLINT(bugprone-use-after-move): that is the point
    EXPECT_EQ(first.size(), 0U);
    EXPECT_EQ(kernel.mapped(), 1U);
    mapping third = mine.map();
    third = std::move(second);
    EXPECT_EQ(kernel.mapped(), 1U);
    third.close();
    third.close();
    EXPECT_FALSE(third);
    EXPECT_EQ(kernel.mapped(), 0U);
}

TEST_F(mapping_test, a_mapping_outlives_its_segment) {
    const mapping all = mine.map();
    mine.close();
    all.bytes()[0] = std::byte{1};
    EXPECT_EQ(all.bytes()[0], std::byte{1});
}

TEST_F(mapping_test, typed_views_are_of_whole_values_and_aligned) {
    const mapping all = mine.map();
    struct three {
        char bytes[3];
    };
    EXPECT_EQ(all.as<std::uint64_t>().size(), length / 8);
    EXPECT_EQ(all.as<three>().size(), length / 3);
    EXPECT_EQ(all.as<std::uint32_t>(length - 7 + 3).size(), 1U);
    EXPECT_EQ(all.as<char>(length).size(), 0U);
    all.as<std::uint32_t>(4)[1] = 0xabcdef01;
    EXPECT_EQ(all.at<std::uint32_t>(8), 0xabcdef01);
    EXPECT_EQ(&all.at<char>(length - 1), reinterpret_cast<char*>(&all.bytes()[length - 1]));
    EXPECT_THROW((void)all.as<char>(length + 1), std::out_of_range);
    EXPECT_THROW((void)all.at<char>(length), std::out_of_range);
    EXPECT_THROW((void)all.at<std::uint64_t>(length - 4), std::out_of_range);
    EXPECT_THROW((void)all.at<char>(~std::size_t{0}), std::out_of_range);
    EXPECT_THROW((void)all.as<std::uint32_t>(2), std::invalid_argument);
    EXPECT_THROW((void)all.at<std::uint64_t>(4), std::invalid_argument);
    EXPECT_THROW((void)mapping().at<int>(), std::out_of_range);
}

TEST_F(mapping_test, copies_go_both_ways_and_on_after_a_short_one) {
    const mapping all = mine.map();
    kernel.on_copy = [](void* to, const void* from, std::size_t size) {
        const std::size_t piece = std::min<std::size_t>(size, 3);
        std::memcpy(to, from, piece);
        return static_cast<ssize_t>(piece);
    };
    const std::string text = "what goes in comes out";
    all.copy_in(100, bytes_of(text));
    std::string back(text.size(), '\0');
    all.copy_out(100, std::as_writable_bytes(std::span(back)));
    EXPECT_EQ(back, text);
    const const_mapping seen = mine.map_const();
    std::byte none{};
    seen.copy_out(length, std::span(&none, 0)); // nothing, at the very end
}

TEST_F(mapping_test, copies_of_what_was_taken_back_are_estale) {
    const mapping all = mine.map();
    std::array<std::byte, 8> buffer{};
    for (const ssize_t answer : {ssize_t{-EFAULT}, ssize_t{0}}) {
        kernel.on_copy = [answer](void*, const void*, std::size_t) { return answer; };
        const std::string text = thrown<std::system_error>([&] { all.copy_out(0, buffer); });
        EXPECT_NE(text.find("cannot copy 8 bytes from the mapping: the segment was handed over"),
                  std::string::npos)
            << text;
        EXPECT_EQ(thrown_errno([&] { all.copy_in(0, buffer); }), ESTALE);
    }
    kernel.on_copy = [](void*, const void*, std::size_t) -> ssize_t { return -ENOMEM; };
    EXPECT_EQ(thrown_errno([&] { all.copy_out(0, buffer); }), ENOMEM);
}

TEST_F(mapping_test, copies_stay_within_the_mapping) {
    const mapping all = mine.map();
    std::array<std::byte, 8> buffer{};
    kernel.on_copy = [](void*, const void*, std::size_t) -> ssize_t {
        ADD_FAILURE() << "nothing was to be copied";
        return 0;
    };
    EXPECT_EQ(thrown_errno([&] { all.copy_out(length - 7, buffer); }), EINVAL);
    EXPECT_EQ(thrown_errno([&] { all.copy_in(~std::size_t{0} - 3, buffer); }), EINVAL);
    const mapping closed;
    EXPECT_THROW(closed.copy_out(0, buffer), std::logic_error);
    EXPECT_THROW(closed.copy_in(0, buffer), std::logic_error);
    std::error_code error;
    closed.copy_out(0, buffer, error);
    EXPECT_EQ(error, std::errc::bad_file_descriptor);
    closed.copy_in(0, buffer, error);
    EXPECT_EQ(error, std::errc::bad_file_descriptor);
}

TEST_F(mapping_test, prints_size_and_address) {
    std::ostringstream out;
    out << mapping() << ", " << const_mapping();
    EXPECT_EQ(out.str(), "closed mapping, closed mapping");
    const mapping all = mine.map();
    out.str("");
    out << all;
    EXPECT_TRUE(out.str().starts_with("mapping of 8192 bytes at 0x")) << out.str();
}

// The real kernel, with a file that loses its second page under the mapping:
// touching that is SIGBUS, as with what was taken back.
class real_memory : public ::testing::Test {
protected:
    real_memory() {
        const int fd = ::memfd_create("ipcshim-test", MFD_CLOEXEC);
        EXPECT_EQ(::ftruncate(fd, static_cast<off_t>(2 * page)), 0);
        void* place = nullptr;
        EXPECT_EQ(calls.mmap(place, 2 * page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0), 0);
        EXPECT_EQ(::ftruncate(fd, static_cast<off_t>(page)), 0);
        ::close(fd);
        two = {static_cast<std::byte*>(place), 2 * page};
    }

    detail::syscalls& calls = detail::real_syscalls();
    std::size_t page = calls.page_size();
    std::span<std::byte> two;
};

TEST_F(real_memory, a_page_that_is_gone_is_an_error_and_no_signal) {
    ASSERT_GE(page, 4096U);
    two[page - 1] = std::byte{7};
    std::array<std::byte, 2> buffer{};
    EXPECT_EQ(calls.copy(buffer.data(), &two[page - 2], 2), 2);
    EXPECT_EQ(buffer[1], std::byte{7});
    EXPECT_EQ(calls.copy(buffer.data(), two.data() + page, 2), -EFAULT);
    EXPECT_EQ(calls.copy(two.data() + page, buffer.data(), 2), -EFAULT);
    const mapping half(two, calls); // unmaps it, too
    EXPECT_EQ(thrown_errno([&] { half.copy_out(page - 1, buffer); }), ESTALE);
    std::error_code error;
    half.copy_out(page, buffer, error);
    EXPECT_TRUE(error == stale_segment());
    EXPECT_EQ(thrown_errno([&] { half.copy_in(page - 1, buffer); }), ESTALE);
    EXPECT_EQ(thrown_errno([&] { half.copy_in(page - 2, buffer); }), 0);
}

TEST_F(real_memory, a_failed_mmap_is_its_errno_and_leaves_the_address) {
    const mapping owner(two, calls);
    void* place = two.data();
    const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE;
    EXPECT_EQ(calls.mmap(place, page, PROT_READ, flags, -1, 0), -EEXIST);
    EXPECT_EQ(place, two.data());
    EXPECT_EQ(calls.mmap(place, page, PROT_READ, MAP_SHARED, -1, 0), -EBADF);
    EXPECT_EQ(calls.mmap(place, page, PROT_READ, MAP_SHARED, -1, ~std::uint64_t{0}), -ENXIO);
    EXPECT_EQ(calls.munmap(two.data() + 1, page), -EINVAL);
}

} // namespace
