// SPDX-License-Identifier: MIT
// Exclusive hand-over while the pages can be reached otherwise: EBUSY, nothing
// has changed, and it succeeds as soon as they can't any more.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/uio.h>

#include <cstring>
#include <thread>

#include "segment_disk.hpp"
#include "uring.hpp"

namespace {

using test::area;
using test::mib;

class Busy : public ::testing::TestWithParam<std::size_t> {
protected:
    void SetUp() override {
        segment = test::create_segment(port, length);
        memory = area(segment.get(), length);
        memory.fill(1);
    }

    // A hand-over and a loan are refused, and leave everything as it was.
    void expect_busy() {
        const auto before = test::info_of(segment.get());
        const auto existing = test::query_raw();
        EXPECT_EQ(test::hand_over(segment.get(), receiver.pid()).error, EBUSY);
        EXPECT_EQ(test::lend(segment.get(), receiver.pid()).error, EBUSY);
        EXPECT_TRUE(memory.holds(1));
        EXPECT_EQ(test::poke(memory.data() + length - 1, test::pattern(length - 1, 1)), 0);
        const auto after = test::info_of(segment.get());
        EXPECT_EQ(std::memcmp(&before, &after, sizeof(before)), 0);
        EXPECT_EQ(test::mmap_error(segment.get(), length, test::prot_rw), 0);
        EXPECT_EQ(receiver.events_waiting(), 0U);
        EXPECT_EQ(port.events_waiting(), 0U);
        const auto still = test::query_raw();
        EXPECT_EQ(still.tokens, existing.tokens);
        EXPECT_EQ(still.segments, existing.segments);
        EXPECT_EQ(still.segment_bytes, existing.segment_bytes);
        pollfd state{segment.get(), POLLHUP, 0};
        EXPECT_EQ(::poll(&state, 1, 0), 0);
    }
    void expect_handed_over(std::uint64_t seed = 1) {
        const auto wanted = test::checksum(test::patterned(length, seed));
        const auto answer = test::hand_over(segment.get(), receiver.pid());
        ASSERT_EQ(answer.error, 0) << ::strerrorname_np(answer.error);
        const auto taken = receiver.take();
        ASSERT_EQ(taken.error, 0);
        EXPECT_EQ(taken.sum, wanted);
        EXPECT_EQ(test::touch(memory.data()), SIGBUS);
    }

    // Once with small pages, once with large ones.
    const std::size_t length = GetParam();
    ipcshim::port port = test::segment_port();
    test::taker receiver;
    test::unique_fd segment;
    area memory;
};

TEST_P(Busy, PagesThatWaitInAPipe) {
    std::array<int, 2> ends{};
    CHECK_CALL(::pipe2(ends.data(), O_CLOEXEC));
    const test::unique_fd out(ends[0]);
    const test::unique_fd in(ends[1]);
    const std::size_t size = 3 * test::page_size();
    const iovec part{memory.data() + test::page_size(), size};
    ASSERT_EQ(::vmsplice(in.get(), &part, 1, 0), static_cast<ssize_t>(size));
    expect_busy();
    const auto piece = test::read_bytes(out.get(), size);
    EXPECT_EQ(test::matching(piece, 1, test::page_size()), size);
    expect_handed_over();
}

TEST_P(Busy, PagesThatWaitInAPipeWhoseEndsAreClosedThen) {
    std::array<int, 2> ends{};
    CHECK_CALL(::pipe2(ends.data(), O_CLOEXEC));
    test::unique_fd out(ends[0]);
    test::unique_fd in(ends[1]);
    const iovec part{memory.data(), 100};
    ASSERT_EQ(::vmsplice(in.get(), &part, 1, 0), 100);
    expect_busy();
    in.reset();
    out.reset();
    expect_handed_over();
}

// What the kernel copies from, in the middle of the copy.
TEST_P(Busy, PagesThatProcessVmReadvHolds) {
    if (!test::late_memory::available())
        GTEST_SKIP() << "no userfaultfd: " << ::strerrorname_np(errno);
    const test::late_memory late(test::page_size());
    std::jthread reader([&] {
        const iovec local{late.data(), late.size()};
        const iovec remote{memory.data() + 5 * test::page_size(), late.size()};
        EXPECT_EQ(::process_vm_readv(::getpid(), &local, 1, &remote, 1, 0),
                  static_cast<ssize_t>(late.size()));
    });
    late.wait_for_fault();
    expect_busy();
    late.provide();
    reader.join();
    EXPECT_EQ(test::matching({late.data(), late.size()}, 1, 5 * test::page_size()), late.size());
    expect_handed_over();
}

TEST_P(Busy, PagesThatAnotherProcessWritesByProcessVmWritev) {
    if (!test::late_memory::available())
        GTEST_SKIP() << "no userfaultfd: " << ::strerrorname_np(errno);
    test::process other([&](const test::line& parent) {
        const test::late_memory late(test::page_size());
        std::jthread writer([&] {
            const iovec local{late.data(), late.size()};
            const iovec remote{memory.data(), late.size()};
            CHECK(::process_vm_writev(::getppid(), &local, 1, &remote, 1, 0) ==
                  static_cast<ssize_t>(late.size()));
        });
        late.wait_for_fault();
        parent.put(1);
        static_cast<void>(parent.get());
        late.provide();
        writer.join();
        parent.put(2);
        static_cast<void>(parent.get());
    });
    static_cast<void>(other.get());
    expect_busy();
    other.put(1);
    ASSERT_EQ(other.get(), 2U);
    EXPECT_EQ(memory.data()[17], std::byte{0});
    memory.fill(1);
    other.put(1);
    other.join();
    expect_handed_over();
}

TEST_P(Busy, PagesThatADirectReadIsFilling) {
    if (const auto reason = test::held_disk::missing(); !reason.empty())
        GTEST_SKIP() << reason;
    test::held_disk disk;
    const std::size_t size = 64 * 1024;
    std::jthread reader([&] {
        EXPECT_EQ(::pread(disk.fd(), memory.data(), size, test::held_disk::hold_from),
                  static_cast<ssize_t>(size));
    });
    disk.wait_for_request();
    expect_busy();
    disk.release();
    reader.join();
    EXPECT_EQ(std::memcmp(memory.data(), disk.content().data() + test::held_disk::hold_from, size),
              0);
    memory.fill(1);
    expect_handed_over();
}

TEST_P(Busy, PagesThatADirectWriteIsSending) {
    if (const auto reason = test::held_disk::missing(); !reason.empty())
        GTEST_SKIP() << reason;
    test::held_disk disk;
    const std::size_t size = 64 * 1024;
    std::jthread writer([&] {
        EXPECT_EQ(::pwrite(disk.fd(), memory.data(), size, test::held_disk::hold_from),
                  static_cast<ssize_t>(size));
    });
    disk.wait_for_request();
    expect_busy();
    disk.release();
    writer.join();
    EXPECT_EQ(std::memcmp(memory.data(), disk.content().data() + test::held_disk::hold_from, size),
              0);
    expect_handed_over();
}

TEST_P(Busy, ADmabufThatLives) {
    test::unique_fd exported;
    const int error = test::export_dmabuf(segment.get(), exported);
    if (error == EOPNOTSUPP && (test::query_raw().features & IPCSHIM_FEATURE_DMABUF) == 0)
        GTEST_SKIP() << "this kernel has no dma-bufs";
    ASSERT_EQ(error, 0) << ::strerrorname_np(error);
    EXPECT_TRUE(test::info_of(segment.get()).flags & IPCSHIM_MEM_INFO_EXPORTED);
    expect_busy();
    {
        const area mapping(exported.get(), length);
        EXPECT_TRUE(mapping.holds(1));
        exported.reset();
        expect_busy();
    }
    EXPECT_FALSE(test::info_of(segment.get()).flags & IPCSHIM_MEM_INFO_EXPORTED);
    expect_handed_over();
}

TEST_P(Busy, AGrantOfAThirdProcess) {
    test::taker third;
    ASSERT_EQ(test::share(segment.get(), third.pid()).error, 0);
    // Nobody has claimed it yet: the token counts.
    expect_busy();
    ASSERT_EQ(third.take().error, 0);
    expect_busy();
    // The mapping alone.
    third.close();
    expect_busy();
    third.unmap();
    expect_handed_over();
}

TEST_P(Busy, AGrantOfAThirdProcessUntilItIsTakenBack) {
    test::taker third;
    ASSERT_EQ(test::share(segment.get(), third.pid()).error, 0);
    ASSERT_EQ(third.take().error, 0);
    expect_busy();
    ASSERT_EQ(test::unshare_call(segment.get(), third.pid()), 0);
    expect_handed_over();
    EXPECT_EQ(third.touch(0), SIGBUS);
}

TEST_P(Busy, AGrantOfAThirdProcessUntilItDies) {
    test::taker third;
    ASSERT_EQ(test::share(segment.get(), third.pid()).error, 0);
    ASSERT_EQ(third.take().error, 0);
    expect_busy();
    third.kill();
    expect_handed_over();
}

TEST_P(Busy, AGrantOfTheReceiverItself) {
    ASSERT_EQ(test::share(segment.get(), receiver.pid()).error, 0);
    ASSERT_EQ(receiver.take().error, 0);
    expect_busy();
    ASSERT_EQ(test::unshare_call(segment.get(), receiver.pid()), 0);
    EXPECT_EQ(receiver.event().unshared_mem.how, IPCSHIM_HOW_REVOKED);
    expect_handed_over();
}

#ifdef HAVE_LIBURING
class ring final {
public:
    ring() { error_ = ::io_uring_queue_init(4, &ring_, 0); }
    ring(const ring&) = delete;
    ring(ring&&) = delete;
    ring& operator=(const ring&) = delete;
    ring& operator=(ring&&) = delete;
    ~ring() {
        if (error_ == 0)
            ::io_uring_queue_exit(&ring_);
    }
    [[nodiscard]] int error() const noexcept { return -error_; }
    io_uring* get() noexcept { return &ring_; }
    int wait() {
        io_uring_cqe* cqe = nullptr;
        CHECK(::io_uring_wait_cqe(&ring_, &cqe) == 0);
        const int result = cqe->res;
        ::io_uring_cqe_seen(&ring_, cqe);
        return result;
    }

private:
    io_uring ring_{};
    int error_;
};

TEST_P(Busy, PagesThatAreFixedBuffersOfAnIoUring) {
    ring mine;
    if (mine.error() != 0)
        GTEST_SKIP() << "io_uring_setup: " << ::strerrorname_np(mine.error());
    const iovec part{memory.data(), length};
    const int error = -::io_uring_register_buffers(mine.get(), &part, 1);
    if (error == EOPNOTSUPP)
        GTEST_SKIP() << "this kernel (before Linux 6.5) takes no file's mapping but those of "
                        "shmem and hugetlb as a fixed buffer";
    ASSERT_EQ(error, 0) << ::strerrorname_np(error);
    expect_busy();
    ASSERT_EQ(::io_uring_unregister_buffers(mine.get()), 0);
    expect_handed_over();
}

TEST_P(Busy, PagesThatADirectReadOfAnIoUringIsFilling) {
    if (const auto reason = test::held_disk::missing(); !reason.empty())
        GTEST_SKIP() << reason;
    ring mine;
    if (mine.error() != 0)
        GTEST_SKIP() << "io_uring_setup: " << ::strerrorname_np(mine.error());
    test::held_disk disk;
    auto* sqe = ::io_uring_get_sqe(mine.get());
    ::io_uring_prep_read(sqe, disk.fd(), memory.data(), 8'192, test::held_disk::hold_from);
    ASSERT_EQ(::io_uring_submit(mine.get()), 1);
    disk.wait_for_request();
    expect_busy();
    disk.release();
    EXPECT_EQ(mine.wait(), 8'192);
    EXPECT_EQ(std::memcmp(memory.data(), disk.content().data() + test::held_disk::hold_from, 8'192),
              0);
    memory.fill(1);
    expect_handed_over();
}

TEST_P(Busy, AnIoUringReadThatWaitsHoldsNothingAndCantWriteLater) {
    ring mine;
    if (mine.error() != 0)
        GTEST_SKIP() << "io_uring_setup: " << ::strerrorname_np(mine.error());
    std::array<int, 2> ends{};
    CHECK_CALL(::pipe2(ends.data(), O_CLOEXEC));
    const test::unique_fd out(ends[0]);
    const test::unique_fd in(ends[1]);
    auto* sqe = ::io_uring_get_sqe(mine.get());
    ::io_uring_prep_read(sqe, out.get(), memory.data(), 100, 0);
    ASSERT_EQ(::io_uring_submit(mine.get()), 1);
    expect_handed_over();
    ASSERT_EQ(::write(in.get(), "late", 4), 4);
    EXPECT_EQ(mine.wait(), -EFAULT);
    EXPECT_EQ(receiver.sum(), test::checksum(test::patterned(length, 1)));
}
#else
TEST_P(Busy, IoUringIsNotTested) {
    GTEST_SKIP() << "built without liburing";
}
#endif

INSTANTIATE_TEST_SUITE_P(Pages, Busy, ::testing::Values(64 * 1024, 2 * mib), [](const auto& what) {
    return what.param < mib ? std::string("Small") : std::string("Large");
});

} // namespace
