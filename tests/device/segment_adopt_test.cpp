// SPDX-License-Identifier: MIT
// ADOPT_MEM: memory of a program's own becomes a segment, in place.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/userfaultfd.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>

#include <algorithm>
#include <csignal>
#include <cstring>
#include <numeric>
#include <sstream>
#include <thread>

#include "segment_support.hpp"

namespace {

using test::area;
using test::mib;

// An allocator of whole pages, as a program may have one for its large buffers.
template <typename T> struct page_allocator {
    using value_type = T;
    page_allocator() = default;
    template <typename U> explicit page_allocator(const page_allocator<U>&) {}
    T* allocate(std::size_t count) {
        void* const place =
            ::mmap(nullptr, rounded(count), test::prot_rw, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (place == MAP_FAILED)
            throw std::bad_alloc();
        return static_cast<T*>(place);
    }
    void deallocate(T* place, std::size_t count) { ::munmap(place, rounded(count)); }
    static std::size_t rounded(std::size_t count) {
        const std::size_t page = test::page_size();
        return (count * sizeof(T) + page - 1) / page * page;
    }
    friend bool operator==(const page_allocator&, const page_allocator&) { return true; }
};

class Adopt : public ::testing::Test {
protected:
    static constexpr std::size_t length = 64 * 1024;

    ipcshim::port port = test::segment_port();
    test::taker receiver;
};

TEST_F(Adopt, AVectorsBufferStaysWhereItIsAndIsShared) {
    std::vector<int, page_allocator<int>> numbers(length / sizeof(int));
    std::iota(numbers.begin(), numbers.end(), 1);
    const int* const place = numbers.data();
    auto segment = port.adopt_memory(std::as_writable_bytes(std::span(numbers)));
    EXPECT_EQ(segment.size(), length);
    EXPECT_EQ(segment.mode(), ipcshim::memory_mode::made);
    EXPECT_EQ(numbers.data(), place);
    EXPECT_EQ(numbers[1'000], 1'001);
    segment.share(receiver.pid(), ipcshim::rights::read | ipcshim::rights::write);
    const auto taken = receiver.take();
    ASSERT_EQ(taken.error, 0);
    EXPECT_EQ(taken.sum, test::checksum(std::as_bytes(std::span(numbers))));
    // The same pages from now on: no copy at a share.
    EXPECT_EQ(receiver.poke(0, std::byte{0x77}), 0);
    EXPECT_EQ(numbers[0], 0x77);
    numbers[1] = -5;
    EXPECT_EQ(receiver.sum(), test::checksum(std::as_bytes(std::span(numbers))));
    // It is a vector as before.
    std::sort(numbers.begin(), numbers.end());
    EXPECT_EQ(numbers.front(), -5);
}

TEST_F(Adopt, IsHandedOverExclusively) {
    const area memory = area::anonymous(length);
    memory.fill(1);
    auto segment = port.adopt_memory(memory.bytes());
    ASSERT_TRUE(memory.holds(1));
    std::move(segment).hand_over(receiver.pid(), ipcshim::rights::read | ipcshim::rights::write);
    EXPECT_FALSE(segment.is_open());
    const auto taken = receiver.take();
    ASSERT_EQ(taken.error, 0);
    EXPECT_EQ(taken.sum, test::checksum(test::patterned(length, 1)));
    for (std::size_t place = 0; place < length; place += test::page_size())
        EXPECT_EQ(test::poke(memory.data() + place, std::byte{9}), SIGBUS);
    EXPECT_EQ(receiver.sum(), taken.sum);
}

TEST_F(Adopt, APartOfARangeLeavesTheRestAlone) {
    const area memory = area::anonymous(length);
    memory.fill(1);
    const std::size_t page = test::page_size();
    test::unique_fd segment;
    ASSERT_EQ(test::adopt(port, memory.data() + 2 * page, 3 * page, segment), 0);
    EXPECT_TRUE(memory.holds(1));
    ASSERT_EQ(test::hand_over(segment.get(), receiver.pid()).error, 0);
    ASSERT_EQ(receiver.take().error, 0);
    EXPECT_EQ(test::touch(memory.data() + 2 * page - 1), 0);
    EXPECT_EQ(test::touch(memory.data() + 2 * page), SIGBUS);
    EXPECT_EQ(test::touch(memory.data() + 5 * page - 1), SIGBUS);
    EXPECT_EQ(test::touch(memory.data() + 5 * page), 0);
    EXPECT_EQ(test::matching(memory.bytes().first(2 * page), 1), 2 * page);
}

TEST_F(Adopt, MemoryNeverTouchedIsZeros) {
    const area memory = area::anonymous(length);
    test::unique_fd segment;
    ASSERT_EQ(test::adopt(port, memory.data(), length, segment), 0);
    EXPECT_EQ(test::info_of(segment.get()).allocated, 0U);
    const std::vector<std::byte> zeros(length);
    EXPECT_EQ(std::memcmp(memory.data(), zeros.data(), length), 0);
    memory.fill(3);
    EXPECT_TRUE(memory.holds(3));
}

TEST_F(Adopt, AfterAForkTheChildKeepsItsOwn) {
    const area memory = area::anonymous(length);
    memory.fill(1);
    test::process child([&](const test::line& parent) {
        parent.put(1);
        static_cast<void>(parent.get());
        CHECK(memory.holds(1));
        memory.fill(5);
        parent.put(2);
        static_cast<void>(parent.get());
        CHECK(memory.holds(5));
    });
    static_cast<void>(child.get());
    test::unique_fd segment;
    ASSERT_EQ(test::adopt(port, memory.data(), length, segment), 0);
    EXPECT_TRUE(memory.holds(1));
    memory.fill(2);
    child.put(1);
    ASSERT_EQ(child.get(), 2U);
    EXPECT_TRUE(memory.holds(2));
    ASSERT_EQ(test::hand_over(segment.get(), receiver.pid()).error, 0);
    EXPECT_EQ(receiver.take().sum, test::checksum(test::patterned(length, 2)));
    // What the fork made of it is no part of the segment.
    child.put(1);
    child.join();
}

TEST_F(Adopt, AfterAForkTheParentKeepsItsOwn) {
    const area memory = area::anonymous(length);
    memory.fill(1);
    test::process child([&](const test::line& parent) {
        const auto its_port = test::segment_port();
        test::unique_fd segment;
        CHECK(test::adopt(its_port, memory.data(), length, segment) == 0);
        memory.fill(6);
        CHECK(test::hand_over(segment.get(), receiver.pid()).error == 0);
        CHECK(test::touch(memory.data()) == SIGBUS);
        static_cast<void>(parent);
    });
    EXPECT_EQ(receiver.take().sum, test::checksum(test::patterned(length, 6)));
    child.join();
    EXPECT_TRUE(memory.holds(1));
}

TEST_F(Adopt, ATransparentHugePage) {
    const auto text = test::file_content("/sys/kernel/mm/transparent_hugepage/hpage_pmd_size");
    if (text.empty())
        GTEST_SKIP() << "this kernel has no large pages (CONFIG_TRANSPARENT_HUGEPAGE)";
    const std::size_t large = std::stoull(text);
    const area memory = area::anonymous(2 * large, large);
    ASSERT_EQ(::madvise(memory.data(), memory.size(), MADV_HUGEPAGE), 0);
    for (std::size_t place = 0; place < memory.size(); place += test::page_size())
        std::memset(memory.data() + place, static_cast<int>(place / test::page_size() % 255 + 1),
                    64);
    ASSERT_EQ(test::smaps_kib(memory.data(), "AnonHugePages"), 2 * large / 1024);
    const auto sum = test::checksum(memory.bytes());
    test::unique_fd segment;
    // From the middle of the first to the middle of the second.
    ASSERT_EQ(test::adopt(port, memory.data() + large / 2, large, segment), 0);
    EXPECT_EQ(test::checksum(memory.bytes()), sum);
    const auto middle = test::checksum(memory.bytes().subspan(large / 2, large));
    ASSERT_EQ(test::hand_over(segment.get(), receiver.pid()).error, 0);
    EXPECT_EQ(receiver.take().sum, middle);
    EXPECT_EQ(test::touch(memory.data() + large), SIGBUS);
    EXPECT_EQ(test::touch(memory.data()), 0);
    EXPECT_EQ(test::touch(memory.data() + 2 * large - 1), 0);
    // All of another one.
    const area second = area::anonymous(2 * large, large);
    ASSERT_EQ(::madvise(second.data(), second.size(), MADV_HUGEPAGE), 0);
    std::memset(second.data(), 7, second.size());
    ASSERT_EQ(test::smaps_kib(second.data(), "AnonHugePages"), 2 * large / 1024);
    ASSERT_EQ(test::adopt(port, second.data(), second.size(), segment), 0);
    EXPECT_EQ(test::smaps_kib(second.data(), "AnonHugePages"), 0U);
    EXPECT_EQ(second.data()[large + 5], std::byte{7});
    EXPECT_EQ(test::smaps_kib(second.data(), "FilePmdMapped"), large / 1024);
}

TEST_F(Adopt, TwiceIsRefusedAndChangesNothing) {
    const area memory = area::anonymous(length);
    memory.fill(1);
    test::unique_fd segment;
    ASSERT_EQ(test::adopt(port, memory.data(), length, segment), 0);
    test::unique_fd second;
    EXPECT_EQ(test::adopt(port, memory.data(), length, second), EALREADY);
    EXPECT_TRUE(memory.holds(1));
}

// Refusals: nothing of the range was taken, whatever the errno.
class AdoptRefused : public Adopt {
protected:
    void SetUp() override {
        memory = area::anonymous(length);
        memory.fill(1);
    }
    void expect(int error) {
        const auto before = test::query_raw();
        test::unique_fd segment;
        EXPECT_EQ(test::adopt(port, memory.data(), length, segment), error);
        const auto after = test::query_raw();
        EXPECT_EQ(after.segments, before.segments);
        EXPECT_EQ(after.segment_bytes, before.segment_bytes);
        EXPECT_EQ(after.used_segment_bytes, before.used_segment_bytes);
    }
    void put_over(std::size_t page, int prot, int flags, int fd = -1) {
        std::byte* const place = memory.data() + page * test::page_size();
        ASSERT_EQ(::mmap(place, test::page_size(), prot, flags | MAP_FIXED, fd, 0), place);
    }
    // All but one page is still memory of its own: a child doesn't see writes.
    void expect_own(std::size_t but = 1) {
        const std::size_t page = test::page_size();
        test::process child([&](const test::line& parent) {
            static_cast<void>(parent.get());
            CHECK(memory.data()[0] == test::pattern(0, 1));
            CHECK(memory.data()[length - 1] == test::pattern(length - 1, 1));
        });
        for (std::size_t place = 0; place < length; place += page)
            if (place / page != but)
                memory.data()[place] = std::byte{0xEE};
        memory.data()[length - 1] = std::byte{0xEE};
        child.put(1);
        child.join();
    }

    area memory;
};

TEST_F(AdoptRefused, WithAHoleInIt) {
    ASSERT_EQ(::munmap(memory.data() + test::page_size(), test::page_size()), 0);
    expect(ENOMEM);
    expect_own();
}

TEST_F(AdoptRefused, WithAReadOnlyPageInIt) {
    ASSERT_EQ(::mprotect(memory.data() + test::page_size(), test::page_size(), PROT_READ), 0);
    expect(EACCES);
    expect_own();
}

TEST_F(AdoptRefused, WithAnExecutablePageInIt) {
    put_over(1, test::prot_rw | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS);
    expect(EACCES);
    expect_own();
}

TEST_F(AdoptRefused, WithAFilesPageInIt) {
    const test::unique_fd file(CHECK_CALL(::memfd_create("content", MFD_CLOEXEC)));
    CHECK_CALL(::ftruncate(file.get(), static_cast<off_t>(length)));
    put_over(1, test::prot_rw, MAP_PRIVATE, file.get());
    expect(ENODEV);
    expect_own();
}

TEST_F(AdoptRefused, WithASharedPageInIt) {
    put_over(1, test::prot_rw, MAP_SHARED | MAP_ANONYMOUS);
    expect(EALREADY);
    expect_own();
}

TEST_F(AdoptRefused, WithALockedPageInIt) {
    ASSERT_EQ(::mlock(memory.data() + test::page_size(), test::page_size()), 0);
    expect(EBUSY);
    ASSERT_EQ(::munlock(memory.data(), length), 0);
    test::unique_fd segment;
    EXPECT_EQ(test::adopt(port, memory.data(), length, segment), 0);
}

TEST_F(AdoptRefused, WhereUserfaultfdWatches) {
    if (!test::late_memory::available())
        GTEST_SKIP() << "no userfaultfd: " << ::strerrorname_np(errno);
    const test::late_memory late(length);
    test::unique_fd segment;
    EXPECT_EQ(test::adopt(port, late.data(), late.size(), segment), EBUSY);
}

TEST_F(AdoptRefused, WithHugetlbPagesInIt) {
    const std::string path = "/proc/sys/vm/nr_hugepages";
    const auto before = test::file_content(path);
    if (before.empty() || !test::write_file(path, "4"))
        GTEST_SKIP() << "no hugetlb pages (CONFIG_HUGETLBFS)";
    const std::size_t size = 2 * mib;
    void* const huge =
        ::mmap(nullptr, size, test::prot_rw, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0);
    if (huge == MAP_FAILED) {
        const int error = errno;
        EXPECT_TRUE(test::write_file(path, before));
        GTEST_SKIP() << "no hugetlb page of 2 MiB: " << ::strerrorname_np(error);
    }
    test::unique_fd segment;
    EXPECT_EQ(test::adopt(port, huge, size, segment), EOPNOTSUPP);
    ::munmap(huge, size);
    EXPECT_TRUE(test::write_file(path, before));
}

TEST_F(AdoptRefused, OfTheStackAndOfTheKernelsPages) {
    // The stack's mapping of the first thread grows; a page of it is enough.
    const auto page = test::page_size();
    std::byte here{};
    auto* const stack =
        reinterpret_cast<void*>(reinterpret_cast<std::uintptr_t>(&here) / page * page);
    test::unique_fd segment;
    EXPECT_EQ(test::adopt(port, stack, page, segment), ENXIO);
    std::size_t vdso = 0;
    std::istringstream text(test::file_content("/proc/self/maps"));
    for (std::string line; std::getline(text, line);)
        if (line.find("[vdso]") != std::string::npos)
            vdso = std::stoull(line, nullptr, 16);
    ASSERT_NE(vdso, 0U);
    EXPECT_EQ(test::adopt(port, reinterpret_cast<void*>(vdso), page, segment), ENXIO);
}

TEST_F(AdoptRefused, OddAndOverflowingRanges) {
    test::unique_fd segment;
    const std::size_t page = test::page_size();
    EXPECT_EQ(test::adopt(port, memory.data() + 1, page, segment), EINVAL);
    EXPECT_EQ(test::adopt(port, memory.data(), page + 1, segment), EINVAL);
    EXPECT_EQ(test::adopt(port, memory.data(), 0, segment), EINVAL);
    EXPECT_EQ(test::adopt(port, memory.data(), std::size_t{0} - page, segment), ENOMEM);
    EXPECT_EQ(test::adopt(port, nullptr, page, segment), ENOMEM);
    EXPECT_EQ(test::adopt(port, memory.data(), std::size_t{1} << 56, segment), ENOMEM);
    expect_own();
}

TEST_F(AdoptRefused, BeyondTheLimitOfTheUser) {
    const test::parameter limit("max_segment_bytes", length / 2);
    test::process other([&](const test::line&) {
        test::become(65'534);
        const auto its_port = test::segment_port();
        test::unique_fd segment;
        CHECK(test::adopt(its_port, memory.data(), length, segment) == EDQUOT);
        CHECK(memory.holds(1));
        CHECK(test::adopt(its_port, memory.data(), length / 2, segment) == 0);
        CHECK(memory.holds(1));
    });
    other.join();
}

TEST_F(Adopt, WhileAnotherThreadMapsAndUnmapsAllOrNothingIsTaken) {
    const std::size_t page = test::page_size();
    const area memory = area::anonymous(length);
    std::byte* const middle = memory.data() + 5 * page;
    std::atomic<bool> stop = false;
    std::jthread other([&] {
        while (!stop) {
            ::munmap(middle, page);
            ::mmap(middle, page, test::prot_rw, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
        }
    });
    int adopted = 0;
    // At least once it must have been whole at the right moment.
    for (int round = 0; round < 200 || adopted == 0; round++) {
        memory.data()[0] = std::byte{1};
        memory.data()[length - 1] = std::byte{2};
        test::unique_fd segment;
        const int error = test::adopt(port, memory.data(), length, segment);
        ASSERT_TRUE(error == 0 || error == ENOMEM || error == EFAULT || error == EALREADY)
            << ::strerrorname_np(error);
        adopted += error == 0;
        // In either case what was there is there.
        ASSERT_EQ(memory.data()[0], std::byte{1});
        ASSERT_EQ(memory.data()[length - 1], std::byte{2});
        if (error == 0) {
            // Plain memory again, for the next round.
            ASSERT_NE(::mmap(memory.data(), 5 * page, test::prot_rw,
                             MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0),
                      MAP_FAILED);
            ASSERT_NE(::mmap(memory.data() + 6 * page, length - 6 * page, test::prot_rw,
                             MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0),
                      MAP_FAILED);
        }
    }
    stop = true;
    other.join();
}

} // namespace
