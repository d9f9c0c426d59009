// SPDX-License-Identifier: MIT
// EXPORT_DMABUF: who may, and what the dma-buf is without a driver.
#include <fcntl.h>
#include <linux/dma-buf.h>
#include <sys/ioctl.h>
#include <sys/resource.h>

#include <barrier>
#include <thread>

#include "support.hpp"

namespace {

using test::area;

class Export : public test::SegmentTest {};

TEST_P(Export, IsAnnouncedByQuery) {
    EXPECT_NE(test::query_raw().features & IPCSHIM_FEATURE_DMABUF, 0U);
}

TEST_P(Export, HasTheSegmentsLengthAndClosesOnExec) {
    const auto dmabuf = exported();
    EXPECT_EQ(::lseek(dmabuf.get(), 0, SEEK_END), static_cast<off_t>(length));
    EXPECT_NE(::fcntl(dmabuf.get(), F_GETFD) & FD_CLOEXEC, 0);
    const auto text = test::file_content("/proc/self/fdinfo/" + std::to_string(dmabuf.get()));
    EXPECT_NE(text.find("exp_name:\tipcshim"), std::string::npos) << text;
}

TEST_P(Export, AllocatesAllPages) {
    const auto fresh = test::create_segment(port, length);
    EXPECT_EQ(test::info_of(fresh.get()).allocated, 0U);
    test::unique_fd dmabuf;
    ASSERT_EQ(test::export_dmabuf(fresh.get(), dmabuf), 0);
    EXPECT_EQ(test::info_of(fresh.get()).allocated, length);
    const area zeros(dmabuf.get(), length, PROT_READ);
    EXPECT_TRUE(std::all_of(zeros.bytes().begin(), zeros.bytes().end(),
                            [](std::byte value) { return value == std::byte{0}; }));
}

TEST_P(Export, MapsTheSameBytes) {
    const auto dmabuf = exported();
    const area through(dmabuf.get(), length);
    EXPECT_TRUE(through.holds(1));
    through.fill(2);
    EXPECT_TRUE(memory.holds(2));
    memory.fill(3);
    EXPECT_TRUE(through.holds(3));
}

TEST_P(Export, MapsAPartButNothingBeyondTheEnd) {
    const auto page = test::page_size();
    const auto last = static_cast<off_t>(length - page);
    const auto dmabuf = exported();
    const area part(dmabuf.get(), page, test::prot_rw, MAP_SHARED, last);
    EXPECT_EQ(test::matching(part.bytes(), 1, length - page), page);
    EXPECT_EQ(test::mmap_error(dmabuf.get(), 2 * page, test::prot_rw, MAP_SHARED, last), EINVAL);
    EXPECT_EQ(test::mmap_error(dmabuf.get(), length + page, test::prot_rw), EINVAL);
}

TEST_P(Export, CannotBeMappedToExecute) {
    const auto dmabuf = exported();
    EXPECT_EQ(test::mmap_error(dmabuf.get(), length, PROT_READ | PROT_EXEC), EACCES);
    const area through(dmabuf.get(), length);
    EXPECT_EQ(::mprotect(through.data(), length, PROT_READ | PROT_EXEC), -1);
    EXPECT_EQ(errno, EACCES);
}

TEST_P(Export, CpuAccessBeginsAndEnds) {
    const auto dmabuf = exported();
    for (const std::uint64_t direction : {DMA_BUF_SYNC_READ, DMA_BUF_SYNC_WRITE, DMA_BUF_SYNC_RW}) {
        EXPECT_EQ(drm::begin_access(dmabuf.get(), direction), 0);
        EXPECT_EQ(drm::end_access(dmabuf.get(), direction), 0);
    }
    EXPECT_EQ(drm::begin_access(dmabuf.get(), 0), EINVAL);
}

TEST_P(Export, OutlivesTheSegmentsDescriptor) {
    const auto dmabuf = exported();
    forget();
    expect_pages_held();
    const area through(dmabuf.get(), length);
    EXPECT_TRUE(through.holds(1));
}

TEST_P(Export, OutlivesTheProcessThatMadeIt) {
    test::process maker([this](const test::line& parent) {
        const auto own = test::segment_port();
        const auto fd = test::create_segment(own, length);
        area(fd.get(), length).fill(5);
        test::unique_fd dmabuf;
        CHECK(test::export_dmabuf(fd.get(), dmabuf) == 0);
        test::send_fd(parent, dmabuf.get());
        static_cast<void>(parent.get());
    });
    const auto dmabuf = test::receive_fd(maker.wire());
    maker.kill();
    EXPECT_TRUE(area(dmabuf.get(), length).holds(5));
}

TEST_P(Export, HandOverIsBusyWhileItLives) {
    auto dmabuf = exported();
    expect_busy();
    dmabuf.reset();
    expect_handed_over();
}

TEST_P(Export, HandOverIsBusyWhileOneOfTwoLives) {
    auto first = exported();
    auto second = exported();
    EXPECT_NE(test::inode_of(first.get()), test::inode_of(second.get()));
    first.reset();
    expect_busy();
    second.reset();
    expect_handed_over();
}

TEST_P(Export, HandOverIsBusyWhileItIsMapped) {
    auto dmabuf = exported();
    area through(dmabuf.get(), length);
    dmabuf.reset();
    expect_busy();
    through.fill(4);
    through.reset();
    expect_handed_over(4);
}

TEST_P(Export, HandOverIsBusyWhileAnotherProcessHasIt) {
    auto dmabuf = exported();
    test::process other([](const test::line& parent) {
        const auto own = test::receive_fd(parent);
        parent.put(1);
        static_cast<void>(parent.get());
    });
    test::send_fd(other.wire(), dmabuf.get());
    ASSERT_EQ(other.get(), 1U);
    dmabuf.reset();
    expect_busy();
    other.kill();
    test::wait_until(
        [this] { return (test::info_of(segment.get()).flags & IPCSHIM_MEM_INFO_EXPORTED) == 0; });
    expect_handed_over();
}

// Taking back from a mutual receiver is no hand-over: what the dma-buf holds
// stays with the owner.
TEST_P(Export, MutualReceiversCanBeRevokedMeanwhile) {
    const auto dmabuf = exported();
    ASSERT_EQ(test::share(segment.get(), receiver->pid()).error, 0);
    ASSERT_EQ(receiver->take().error, 0);
    EXPECT_EQ(test::unshare_call(segment.get(), receiver->pid()), 0);
    EXPECT_EQ(receiver->touch(0), SIGBUS);
    EXPECT_TRUE(area(dmabuf.get(), length).holds(1));
}

TEST_P(Export, MutualReceiversAreRefused) {
    ASSERT_EQ(test::share(segment.get(), receiver->pid()).error, 0);
    ASSERT_EQ(receiver->take().error, 0);
    const auto theirs = receiver->descriptor();
    test::unique_fd dmabuf;
    EXPECT_EQ(test::export_dmabuf(theirs.get(), dmabuf), EPERM);
}

TEST_P(Export, BorrowersAreRefused) {
    ASSERT_EQ(test::lend(segment.get(), receiver->pid()).error, 0);
    ASSERT_EQ(receiver->take().error, 0);
    const auto theirs = receiver->descriptor();
    test::unique_fd dmabuf;
    EXPECT_EQ(test::export_dmabuf(theirs.get(), dmabuf), EPERM);
}

TEST_P(Export, AnOwnerWithoutTheRightToWriteIsRefused) {
    ASSERT_EQ(test::hand_over(segment.get(), receiver->pid(), test::right_r).error, 0);
    ASSERT_EQ(receiver->take(PROT_READ).error, 0);
    const auto theirs = receiver->descriptor();
    test::unique_fd dmabuf;
    EXPECT_EQ(test::export_dmabuf(theirs.get(), dmabuf), EACCES);
}

TEST_P(Export, TheNextOwnerCanWhatThePreviousCannot) {
    ASSERT_EQ(test::hand_over(segment.get(), receiver->pid()).error, 0);
    ASSERT_EQ(receiver->take().error, 0);
    const auto theirs = receiver->descriptor();
    test::unique_fd dmabuf;
    EXPECT_EQ(test::export_dmabuf(segment.get(), dmabuf), ESTALE);
    ASSERT_EQ(test::export_dmabuf(theirs.get(), dmabuf), 0);
    EXPECT_TRUE(area(dmabuf.get(), length).holds(1));
}

TEST_P(Export, UnknownFlagsAreRefused) {
    for (const auto& [flags, reserved] : {std::pair{1U, 0U}, std::pair{0U, 1U}}) {
        ipcshim_export_dmabuf args{};
        args.flags = flags;
        args.reserved = reserved;
        EXPECT_EQ(::ioctl(segment.get(), IPCSHIM_EXPORT_DMABUF, &args), -1);
        EXPECT_EQ(errno, EINVAL);
    }
}

TEST_P(Export, ThatFailsLeavesNothing) {
    const auto page = test::page_size();
    const area readonly(-1, page, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS);
    EXPECT_EQ(::ioctl(segment.get(), IPCSHIM_EXPORT_DMABUF, readonly.data()), -1);
    EXPECT_EQ(errno, EFAULT);

    rlimit limit{};
    CHECK_CALL(::getrlimit(RLIMIT_NOFILE, &limit));
    const test::unique_fd highest(CHECK_CALL(::dup(segment.get())));
    rlimit none = limit;
    none.rlim_cur = static_cast<rlim_t>(highest.get()) + 1;
    CHECK_CALL(::setrlimit(RLIMIT_NOFILE, &none));
    test::unique_fd dmabuf;
    EXPECT_EQ(test::export_dmabuf(segment.get(), dmabuf), EMFILE);
    CHECK_CALL(::setrlimit(RLIMIT_NOFILE, &limit));
    expect_handed_over();
}

// Whichever comes first: never do both have the pages.
TEST_P(Export, AndAHandOverExcludeEachOther) {
    int handed_over = 0;
    constexpr int rounds = 50;
    for (int round = 0; round < rounds; round++) {
        const auto fd = test::create_segment(port, test::page_size());
        test::unique_fd dmabuf;
        int export_error = -1;
        std::barrier start(2);
        std::jthread exporter([&] {
            start.arrive_and_wait();
            export_error = test::export_dmabuf(fd.get(), dmabuf);
        });
        start.arrive_and_wait();
        const int error = test::hand_over(fd.get(), receiver->pid()).error;
        exporter.join();
        if (error == 0) {
            EXPECT_EQ(export_error, ESTALE);
            EXPECT_EQ(receiver->take().error, 0);
            receiver->unmap();
            receiver->close();
            handed_over++;
        } else {
            EXPECT_EQ(error, EBUSY);
            EXPECT_EQ(export_error, 0);
        }
    }
    std::cout << "the hand-over came first in " << handed_over << " of " << rounds << " rounds\n";
}

INSTANTIATE_TEST_SUITE_P(, Export, ::testing::Values(3 * 65536, test::both_kinds_of_pages),
                         [](const auto& info) {
                             return info.param < test::mib ? "SmallPages" : "BothKindsOfPages";
                         });

} // namespace
