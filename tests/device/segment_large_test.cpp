// SPDX-License-Identifier: MIT
// Large pages, and what is done to parts of a mapping: cut, moved, protected,
// advised, locked. After all of it a hand-over takes everything away.
#include <gtest/gtest.h>

#include <csignal>
#include <cstring>

#include "segment_support.hpp"

#ifndef MADV_COLD
#define MADV_COLD 20
#endif
#ifndef MADV_PAGEOUT
#define MADV_PAGEOUT 21
#endif
#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif

namespace {

using test::area;

std::size_t large_page_size() {
    const auto text = test::file_content("/sys/kernel/mm/transparent_hugepage/hpage_pmd_size");
    return text.empty() ? 0 : std::stoull(text);
}

enum class pages { small, large };

// A segment of two large pages, or of the same length in small ones.
class Pages : public ::testing::TestWithParam<pages> {
protected:
    void SetUp() override {
        large = large_page_size();
        if (large == 0)
            GTEST_SKIP() << "this kernel has no large pages (CONFIG_TRANSPARENT_HUGEPAGE)";
        length = 2 * large;
        segment = test::create_segment(port, length,
                                       GetParam() == pages::small ? IPCSHIM_MEM_SMALL_PAGES : 0);
        memory = area(segment.get(), length);
        mark(0);
    }

    // One word in each page, which tells where it belongs.
    void mark(std::uint64_t seed) const {
        for (std::size_t place = 0; place < length; place += page)
            *word_at(memory.data(), place) = seed + place;
    }
    static std::uint64_t* word_at(std::byte* start, std::size_t place) {
        return reinterpret_cast<std::uint64_t*>(start + place);
    }
    // The marks from one place of the segment on, at this address.
    void expect_marks(std::byte* address, std::size_t place, std::size_t size) const {
        for (std::size_t i = 0; i < size; i += page)
            ASSERT_EQ(*word_at(address, i), place + i) << "at " << place + i;
    }
    // Pages at both ends and all over it.
    void expect_gone(std::byte* address, std::size_t size) const {
        for (std::size_t i = 0; i < size; i += 13 * page)
            ASSERT_EQ(test::poke(address + i, std::byte{1}), SIGBUS) << "at " << i;
        EXPECT_EQ(test::poke(address + size - 1, std::byte{1}), SIGBUS);
    }
    void hand_over() {
        std::vector<std::byte> wanted(length);
        for (std::size_t place = 0; place < length; place += page)
            *word_at(wanted.data(), place) = place;
        const auto answer = test::hand_over(segment.get(), receiver.pid());
        ASSERT_EQ(answer.error, 0) << ::strerrorname_np(answer.error);
        const auto taken = receiver.take();
        ASSERT_EQ(taken.error, 0);
        EXPECT_EQ(taken.sum, test::checksum(wanted));
    }

    ipcshim::port port = test::segment_port();
    test::taker receiver;
    const std::size_t page = test::page_size();
    std::size_t large = 0;
    std::size_t length = 0;
    test::unique_fd segment;
    area memory;
};

INSTANTIATE_TEST_SUITE_P(Of, Pages, ::testing::Values(pages::small, pages::large),
                         [](const auto& what) {
                             return std::string(what.param == pages::small ? "Small" : "Large");
                         });

TEST_P(Pages, AreMappedAsLargeOnesOrNot) {
    const auto mapped = test::smaps_kib(memory.data(), "FilePmdMapped");
    EXPECT_EQ(mapped, GetParam() == pages::large ? length / 1024 : 0);
    EXPECT_EQ(test::smaps_kib(memory.data(), "Rss"), length / 1024);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(memory.data()) % large,
              GetParam() == pages::large ? 0
                                         : reinterpret_cast<std::uintptr_t>(memory.data()) % large);
}

TEST_P(Pages, AreMappedAlikeByTheReceiver) {
    hand_over();
    expect_gone(memory.data(), length);
    EXPECT_EQ(test::smaps_kib(memory.data(), "FilePmdMapped"), 0U);
    EXPECT_EQ(receiver.hand_over(::getpid()), 0);
    const auto back = test::take_segment(port);
    const area again(back.get(), length);
    expect_marks(again.data(), 0, length);
    EXPECT_EQ(test::smaps_kib(again.data(), "FilePmdMapped"),
              GetParam() == pages::large ? length / 1024 : 0);
}

TEST_P(Pages, AreReadThroughAMappingThatIsNotAligned) {
    // Where addresses and places don't go together, small entries map parts of
    // the same pages.
    const area room = area::anonymous(length + large, large);
    void* const odd = room.data() + 3 * page;
    ASSERT_EQ(::mmap(odd, length - page, test::prot_rw, MAP_SHARED | MAP_FIXED, segment.get(),
                     static_cast<off_t>(page)),
              odd);
    expect_marks(static_cast<std::byte*>(odd), page, length - page);
    *word_at(static_cast<std::byte*>(odd), 0) = 77;
    EXPECT_EQ(*word_at(memory.data(), page), 77U);
    *word_at(memory.data(), page) = page;
    hand_over();
    expect_gone(static_cast<std::byte*>(odd), length - page);
}

TEST_P(Pages, UnmapOfAPart) {
    ASSERT_EQ(::munmap(memory.data() + large / 2, page), 0);
    EXPECT_EQ(test::touch(memory.data() + large / 2), SIGSEGV);
    expect_marks(memory.data(), 0, large / 2);
    expect_marks(memory.data() + large / 2 + page, large / 2 + page, length - large / 2 - page);
    hand_over();
    expect_gone(memory.data(), large / 2);
    expect_gone(memory.data() + large / 2 + page, length - large / 2 - page);
}

TEST_P(Pages, MprotectOfAPart) {
    std::byte* const middle = memory.data() + large - page;
    ASSERT_EQ(::mprotect(middle, 2 * page, PROT_READ), 0);
    EXPECT_EQ(test::poke(middle, std::byte{1}), SIGSEGV);
    EXPECT_EQ(test::poke(middle + 2 * page, std::byte{0}), 0);
    expect_marks(memory.data(), 0, length);
    ASSERT_EQ(::mprotect(middle, 2 * page, PROT_NONE), 0);
    EXPECT_EQ(test::touch(middle + page), SIGSEGV);
    ASSERT_EQ(::mprotect(middle, 2 * page, test::prot_rw), 0);
    expect_marks(memory.data(), 0, length);
    hand_over();
    expect_gone(memory.data(), length);
}

TEST_P(Pages, MremapOfAPart) {
    area target = area::anonymous(large);
    std::byte* const from = memory.data() + large / 2;
    ASSERT_EQ(
        ::mremap(from, large / 2, large / 2, MREMAP_MAYMOVE | MREMAP_FIXED, target.data() + page),
        target.data() + page);
    EXPECT_EQ(test::touch(from), SIGSEGV);
    expect_marks(target.data() + page, large / 2, large / 2);
    expect_marks(memory.data(), 0, large / 2);
    expect_marks(memory.data() + large, large, large);
    hand_over();
    expect_gone(target.data() + page, large / 2);
    expect_gone(memory.data(), large / 2);
}

TEST_P(Pages, MremapOfAllOfIt) {
    area target = area::anonymous(length, large);
    ASSERT_EQ(::mremap(memory.data(), length, length, MREMAP_MAYMOVE | MREMAP_FIXED, target.data()),
              target.data());
    expect_marks(target.data(), 0, length);
    EXPECT_EQ(test::touch(memory.data()), SIGSEGV);
    hand_over();
    expect_gone(target.data(), length);
}

TEST_P(Pages, CantBeGrownByMremap) {
    EXPECT_EQ(::mremap(memory.data(), length, length + page, MREMAP_MAYMOVE), MAP_FAILED);
    EXPECT_EQ(errno, EFAULT);
    expect_marks(memory.data(), 0, length);
}

TEST_P(Pages, ShrunkByMremap) {
    ASSERT_EQ(::mremap(memory.data(), length, large + page, 0), memory.data());
    EXPECT_EQ(test::touch(memory.data() + large + page), SIGSEGV);
    expect_marks(memory.data(), 0, large + page);
    hand_over();
    expect_gone(memory.data(), large + page);
}

TEST_P(Pages, MadviseDontneedLosesNothing) {
    ASSERT_EQ(::madvise(memory.data() + page, large, MADV_DONTNEED), 0);
    expect_marks(memory.data(), 0, length);
    ASSERT_EQ(::madvise(memory.data(), length, MADV_DONTNEED), 0);
    hand_over();
    expect_gone(memory.data(), length);
}

TEST_P(Pages, MadviseRemoveIsRefusedAndLosesNothing) {
    EXPECT_EQ(::madvise(memory.data(), length, MADV_REMOVE), -1);
    expect_marks(memory.data(), 0, length);
    hand_over();
}

TEST_P(Pages, OtherAdviceLosesNothing) {
    for (const int advice :
         {MADV_COLD, MADV_PAGEOUT, MADV_WILLNEED, MADV_FREE, MADV_HUGEPAGE, MADV_NOHUGEPAGE,
          MADV_DONTFORK, MADV_DOFORK, MADV_SEQUENTIAL, MADV_MERGEABLE, MADV_DODUMP,
          MADV_POPULATE_READ, MADV_POPULATE_WRITE, MADV_COLLAPSE}) {
        // Not every kernel takes all of it; none may lose anything.
        static_cast<void>(::madvise(memory.data() + page, large + page, advice));
        static_cast<void>(::madvise(memory.data(), length, advice));
        expect_marks(memory.data(), 0, length);
    }
    hand_over();
    expect_gone(memory.data(), length);
}

TEST_P(Pages, PageoutFreesNothing) {
    const auto before = test::query_raw().segment_bytes;
    ASSERT_EQ(::madvise(memory.data(), length, MADV_PAGEOUT), 0);
    EXPECT_EQ(test::query_raw().segment_bytes, before);
    expect_marks(memory.data(), 0, length);
}

TEST_P(Pages, LockedOnesAreHandedOver) {
    ASSERT_EQ(::mlock(memory.data(), length), 0);
    hand_over();
    expect_gone(memory.data(), length);
}

TEST_P(Pages, LockedAndUnlockedOnesAreHandedOver) {
    ASSERT_EQ(::mlock(memory.data() + page, large), 0);
    ASSERT_EQ(::munlock(memory.data() + page, large / 2), 0);
    expect_marks(memory.data(), 0, length);
    ASSERT_EQ(::munlock(memory.data(), length), 0);
    hand_over();
    expect_gone(memory.data(), length);
}

TEST_P(Pages, OfAProcessThatLocksAllItsMemoryAreHandedOver) {
    ASSERT_EQ(::mlockall(MCL_CURRENT | MCL_FUTURE), 0);
    const area second(segment.get(), length);
    expect_marks(second.data(), 0, length);
    hand_over();
    expect_gone(memory.data(), length);
    expect_gone(second.data(), length);
    ASSERT_EQ(::munlockall(), 0);
}

TEST_P(Pages, HandedOverStayWholeWhenTheSharerUnmapsAndEnds) {
    std::uint64_t sum = 0;
    test::process sharer([&](const test::line& parent) {
        const auto its_port = test::segment_port();
        const auto own = test::create_segment(
            its_port, length, GetParam() == pages::small ? IPCSHIM_MEM_SMALL_PAGES : 0);
        const area mapping(own.get(), length);
        std::memcpy(mapping.data(), memory.data(), length);
        CHECK(test::hand_over(own.get(), receiver.pid()).error == 0);
        static_cast<void>(parent);
    });
    const auto taken = receiver.take();
    sum = taken.sum;
    sharer.join();
    EXPECT_EQ(sum, test::checksum(memory.bytes()));
    EXPECT_EQ(receiver.sum(), sum);
}

TEST_P(Pages, InAForkedChildAreTheSameOnes) {
    test::process child([&](const test::line&) {
        expect_marks(memory.data(), 0, length);
        *word_at(memory.data(), large) = 99;
    });
    child.join();
    EXPECT_EQ(*word_at(memory.data(), large), 99U);
}

TEST_P(Pages, CopiedOnWriteStayOwn) {
    const area copy(segment.get(), length, test::prot_rw, MAP_PRIVATE);
    expect_marks(copy.data(), 0, length);
    for (std::size_t place = 0; place < length; place += 2 * page)
        *word_at(copy.data(), place) = 5;
    expect_marks(memory.data(), 0, length);
    *word_at(memory.data(), page) = 6;
    EXPECT_EQ(*word_at(copy.data(), 0), 5U);
    EXPECT_EQ(*word_at(copy.data(), 2 * page), 5U);
    *word_at(memory.data(), page) = page;
    hand_over();
    expect_gone(copy.data(), length);
}

TEST(PagesByParameter, AreSmallWhereLargeOnesAreTurnedOff) {
    const std::size_t large = large_page_size();
    if (large == 0)
        GTEST_SKIP() << "this kernel has no large pages (CONFIG_TRANSPARENT_HUGEPAGE)";
    const auto port = test::segment_port();
    const std::string path = "/sys/module/ipcshim/parameters/large_pages";
    ASSERT_TRUE(test::write_file(path, "N"));
    const auto segment = test::create_segment(port, large);
    ASSERT_TRUE(test::write_file(path, "Y"));
    const area memory(segment.get(), large);
    ASSERT_EQ(test::poke(memory.data(), std::byte{1}), 0);
    EXPECT_EQ(test::smaps_kib(memory.data(), "FilePmdMapped"), 0U);
    EXPECT_EQ(test::info_of(segment.get()).allocated, test::page_size());
}

TEST(PagesOfAnOddLength, AreLargeAsFarAsTheyFit) {
    const std::size_t large = large_page_size();
    if (large == 0)
        GTEST_SKIP() << "this kernel has no large pages (CONFIG_TRANSPARENT_HUGEPAGE)";
    const auto port = test::segment_port();
    const auto segment = test::create_segment(port, large + test::page_size());
    const area memory(segment.get(), large + test::page_size());
    ASSERT_EQ(test::poke(memory.data() + large, std::byte{1}), 0);
    EXPECT_EQ(test::info_of(segment.get()).allocated, test::page_size());
    ASSERT_EQ(test::poke(memory.data(), std::byte{1}), 0);
    EXPECT_EQ(test::info_of(segment.get()).allocated, large + test::page_size());
    EXPECT_EQ(test::smaps_kib(memory.data(), "FilePmdMapped"), large / 1024);
}

} // namespace
