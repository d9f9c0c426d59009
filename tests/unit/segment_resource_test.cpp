// SPDX-License-Identifier: MIT
//
// Containers that are born in a segment.
#include <gtest/gtest.h>

#include <cerrno>
#include <cstring>
#include <map>
#include <new>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "fake_kernel.hpp"

namespace {

using namespace ipcshim;
using namespace ipcshim::test;

constexpr std::size_t length = 65536;
constexpr rights all_rights = rights::read | rights::write | rights::execute;

class segment_resource_test : public ::testing::Test {
protected:
    segment_resource_test() {
        kernel.on<::ipcshim_create_mem>(IPCSHIM_CREATE_MEM, [this](int, ::ipcshim_create_mem& raw) {
            raw.fd = kernel.make_fd();
            return 0;
        });
    }
    ~segment_resource_test() override {
        opened.close();
        EXPECT_TRUE(kernel.open_fds().empty()) << "a descriptor leaked";
        EXPECT_EQ(kernel.mapped(), 0U) << "a mapping leaked";
        EXPECT_EQ(kernel.bad_unmaps() + kernel.bad_closes(), 0);
    }

    segment make(std::size_t size = length) {
        return {detail::handle(kernel, kernel.make_fd()),
                {.size = size, .inode = 31, .rights = all_rights, .mode = memory_mode::made}};
    }
    [[nodiscard]] static bool lies_in(const segment_resource& memory, const void* what) {
        const auto* place = static_cast<const std::byte*>(what);
        return place >= memory.bytes().data() &&
               place < memory.bytes().data() + memory.bytes().size();
    }
    // A second process: it maps what the first one has, at the same place.
    void map_again(segment_resource& memory, std::uintptr_t* address = nullptr) {
        kernel.on_mmap = [&memory, address, this](void* asked, std::size_t size, int, int, int,
                                                  std::uint64_t) {
            if (address != nullptr) {
                *address = reinterpret_cast<std::uintptr_t>(asked);
            }
            if (asked == memory.bytes().data()) {
                return -EEXIST; // as it is in one process
            }
            content.assign(memory.bytes().begin(), memory.bytes().end());
            return size <= memory.bytes().size() ? 0 : -ENXIO;
        };
    }

    fake_kernel kernel;
    port opened = port::open(default_device, kernel);
    std::vector<std::byte> content;
};

TEST_F(segment_resource_test, containers_lie_in_the_segment_from_their_first_byte) {
    segment_resource memory(make());
    std::pmr::vector<int> numbers(1000, 7, &memory);
    std::pmr::string text("longer than any string that is kept in place", &memory);
    EXPECT_TRUE(lies_in(memory, numbers.data()));
    EXPECT_TRUE(lies_in(memory, numbers.data() + 999));
    EXPECT_TRUE(lies_in(memory, text.data()));
    EXPECT_EQ(memory.offset_of(numbers.data()),
              reinterpret_cast<std::uintptr_t>(numbers.data()) -
                  reinterpret_cast<std::uintptr_t>(memory.bytes().data()));
    EXPECT_EQ(mapping(std::span<std::byte>()).size(), 0U);
    const int elsewhere = 0;
    EXPECT_THROW((void)memory.offset_of(&elsewhere), std::out_of_range);
    EXPECT_THROW((void)memory.offset_of(memory.bytes().data() + length), std::out_of_range);
}

TEST_F(segment_resource_test, a_new_segment_is_made_and_populated_when_asked_for) {
    int flags = 0;
    kernel.on_mmap = [&flags](void*, std::size_t, int, int asked, int, std::uint64_t) {
        flags = asked;
        return 0;
    };
    segment_resource memory(opened, 5000, {.populate = true});
    EXPECT_EQ(memory.shared().size(), 8192U);
    EXPECT_EQ(memory.bytes().size(), 8192U);
    EXPECT_NE(static_cast<unsigned>(flags) & 0x8000U, 0U) << "MAP_POPULATE";
}

TEST_F(segment_resource_test, a_full_segment_is_bad_alloc_and_nothing_comes_from_elsewhere) {
    for (const arrangement kind : {arrangement::monotonic, arrangement::pool}) {
        segment_resource memory(make(4096), {.arrangement = kind});
        EXPECT_THROW((void)memory.allocate(4096), std::bad_alloc);
        EXPECT_TRUE(lies_in(memory, memory.allocate(16)));
    }
}

TEST_F(segment_resource_test, alignments_are_kept) {
    segment_resource memory(make());
    for (const std::size_t alignment : {1U, 8U, 64U, 4096U}) {
        (void)memory.allocate(1, 1);
        const auto place = reinterpret_cast<std::uintptr_t>(memory.allocate(8, alignment));
        EXPECT_EQ(place % alignment, 0U);
    }
}

TEST_F(segment_resource_test, a_pool_uses_again_what_was_given_back) {
    segment_resource memory(
        make(), {.arrangement = arrangement::pool,
                 .pools = {.max_blocks_per_chunk = 16, .largest_required_pool_block = 1024}});
    for (int round = 0; round < 1000; ++round) { // many times what the segment has
        void* const piece = memory.allocate(1000);
        ASSERT_TRUE(lies_in(memory, piece));
        memory.deallocate(piece, 1000);
    }
    segment_resource once(make());
    EXPECT_THROW(
        {
            for (int round = 0; round < 1000; ++round) {
                once.deallocate(once.allocate(1000), 1000);
            }
        },
        std::bad_alloc);
}

TEST_F(segment_resource_test, only_the_same_resource_is_equal) {
    segment_resource one(make());
    segment_resource other(make());
    EXPECT_TRUE(one.is_equal(one));
    EXPECT_FALSE(one.is_equal(other));
}

TEST_F(segment_resource_test, release_unmaps_and_gives_the_segment) {
    segment_resource memory(make());
    std::pmr::vector<int> numbers({1, 2, 3}, &memory);
    const segment given = memory.release();
    EXPECT_TRUE(given.is_open());
    EXPECT_EQ(kernel.mapped(), 0U);
    EXPECT_FALSE(memory.shared().is_open());
    EXPECT_THROW((void)memory.allocate(1), std::bad_alloc);
    // The vector gives back what is gone: nothing is touched.
}

TEST_F(segment_resource_test, a_hand_over_empties_it_and_a_failed_one_changes_nothing) {
    segment_resource memory(make(), {.arrangement = arrangement::pool});
    std::pmr::vector<int> numbers({1, 2, 3}, &memory);
    kernel.refuse(IPCSHIM_SHARE_MEM, EBUSY);
    EXPECT_EQ(thrown_errno([&] { std::move(memory).hand_over(42, rights::read); }), EBUSY);
    EXPECT_EQ(thrown_errno([&] { std::move(memory).lend(42, rights::read); }), EBUSY);
    std::error_code error;
    std::move(memory).hand_over(42, rights::read, {}, error);
    EXPECT_EQ(error, std::errc::device_or_resource_busy);
    std::move(memory).lend(42, rights::read, no_deadline, {}, error);
    EXPECT_EQ(error, std::errc::device_or_resource_busy);
    numbers.push_back(4);
    EXPECT_EQ(numbers.back(), 4);
    kernel.on<::ipcshim_share_mem>(IPCSHIM_SHARE_MEM, [](int, ::ipcshim_share_mem& raw) {
        raw.token = 9;
        return 0;
    });
    EXPECT_EQ(std::move(memory).hand_over(42, rights::read).token, token{9});
    EXPECT_EQ(kernel.mapped(), 0U);
    EXPECT_THROW((void)memory.allocate(1), std::bad_alloc); // NOLINT(bugprone-use-after-move)
}

TEST_F(segment_resource_test, lend_and_the_twins_empty_it_as_well) {
    kernel.on<::ipcshim_share_mem>(IPCSHIM_SHARE_MEM, [](int, ::ipcshim_share_mem&) { return 0; });
    segment_resource one(make());
    std::move(one).lend(42, rights::read);
    segment_resource two(make());
    std::error_code error;
    std::move(two).lend(42, rights::read, no_deadline, {}, error);
    segment_resource three(make());
    std::move(three).hand_over(42, rights::read, {}, error);
    EXPECT_FALSE(error);
    EXPECT_EQ(kernel.mapped(), 0U);
}

TEST_F(segment_resource_test, a_segment_that_cannot_be_mapped_stays_the_callers) {
    segment mine = make();
    kernel.on_mmap = [](void*, std::size_t, int, int, int, std::uint64_t) { return -EACCES; };
    EXPECT_EQ(thrown_errno([&] { segment_resource(std::move(mine)); }), EACCES);
    EXPECT_TRUE(mine.is_open()); // NOLINT(bugprone-use-after-move): that is the point
}

TEST_F(segment_resource_test, a_root_lies_in_the_segment_with_all_that_it_holds) {
    segment_resource memory(make());
    using table = std::pmr::map<int, std::pmr::string>;
    auto& root = memory.make_root<table>();
    root.emplace(1, "one, which is longer than what fits in place");
    EXPECT_TRUE(lies_in(memory, &root));
    EXPECT_TRUE(lies_in(memory, root.at(1).data()));
    const auto head = memory.bytes();
    EXPECT_EQ(std::memcmp(head.data(), "ipcshim", 7), 0);
}

TEST_F(segment_resource_test, a_root_is_asked_for_at_the_address_that_it_was_made_at) {
    segment_resource memory(make());
    memory.make_root<std::pmr::vector<int>>();
    std::uintptr_t address = 0;
    // The first page is looked at, so that needs a real copy of it.
    kernel.on_copy = [&memory](void* to, const void*, std::size_t size) {
        std::memcpy(to, memory.bytes().data(), size);
        return static_cast<ssize_t>(size);
    };
    map_again(memory, &address);
    using root = segment_root<std::pmr::vector<int>>;
    EXPECT_EQ(thrown_errno([&] { root(memory.shared()); }), EEXIST);
    EXPECT_EQ(address, reinterpret_cast<std::uintptr_t>(memory.bytes().data()));
    kernel.on_mmap = [](void*, std::size_t, int, int, int, std::uint64_t) { return 0; };
    EXPECT_EQ(thrown_errno([&] { segment_root<char>(memory.shared()); }), EPROTO)
        << "of another size";
}

TEST_F(segment_resource_test, a_head_that_cannot_be_true_is_eproto) {
    const segment from = make();
    detail::segment_head head{};
    kernel.on_copy = [&head](void* to, const void*, std::size_t size) {
        std::memcpy(to, &head, size);
        return static_cast<ssize_t>(size);
    };
    using root = segment_root<std::uint64_t>;
    const auto answer = [&](const detail::segment_head& said) {
        head = said;
        return thrown_errno([&] { root{from}; });
    };
    segment_resource memory(make());
    memory.make_root<std::uint64_t>(5U);
    const auto good = *reinterpret_cast<const detail::segment_head*>(memory.bytes().data());
    EXPECT_EQ(answer(good), 0);
    EXPECT_EQ(answer({}), EPROTO);
    const auto spoilt = [&](auto change) {
        detail::segment_head bad = good;
        change(bad);
        return answer(bad);
    };
    EXPECT_EQ(spoilt([](auto& it) { it.magic += 1; }), EPROTO);
    EXPECT_EQ(spoilt([](auto& it) { it.address = 0; }), EPROTO);
    EXPECT_EQ(spoilt([](auto& it) { it.root_offset = 0; }), EPROTO);
    EXPECT_EQ(spoilt([](auto& it) { it.root_offset = length; }), EPROTO);
    EXPECT_EQ(spoilt([](auto& it) { it.root_offset = ~std::uint64_t{7}; }), EPROTO);
    EXPECT_EQ(spoilt([](auto& it) { it.root_offset += 1; }), EPROTO);
    EXPECT_EQ(spoilt([](auto& it) { it.root_size = 4; }), EPROTO);
}

} // namespace
