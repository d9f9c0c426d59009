// SPDX-License-Identifier: MIT
// The dma-buf in the hands of a graphics driver of the kernel: vgem, which has no
// hardware, and whose buffers are those that others give it.
#include <drm/drm.h>
#include <drm/vgem_drm.h>
#include <fcntl.h>
#include <linux/dma-buf.h>
#include <poll.h>
#include <sys/ioctl.h>

#include <thread>

#include "support.hpp"

namespace {

using test::area;

class Vgem : public test::SegmentTest {
protected:
    void SetUp() override {
        NEEDS_DRIVER("vgem");
        SegmentTest::SetUp();
        card.emplace("vgem");
    }
    void TearDown() override {
        card.reset();
        SegmentTest::TearDown();
    }

    // What vgem promises to do to the memory; until it has, others wait.
    [[nodiscard]] std::uint32_t attach_fence(const drm::handle& memory_there) const {
        drm_vgem_fence_attach args{};
        args.handle = memory_there.number();
        args.flags = VGEM_FENCE_WRITE;
        CHECK_CALL(::ioctl(card->fd(), DRM_IOCTL_VGEM_FENCE_ATTACH, &args));
        return args.out_fence;
    }
    void signal_fence(std::uint32_t fence) const {
        drm_vgem_fence_signal args{};
        args.fence = fence;
        CHECK_CALL(::ioctl(card->fd(), DRM_IOCTL_VGEM_FENCE_SIGNAL, &args));
    }

    std::optional<drm::card> card;
};

// Through the driver's own file where it lets its user map what it imported,
// and through what the driver gives out again, in any case.
TEST_P(Vgem, SeesTheSameBytes) {
    auto dmabuf = exported();
    const auto imported = card->import(dmabuf.get());
    const auto again = card->give(imported, DRM_CLOEXEC | DRM_RDWR);
    EXPECT_EQ(test::inode_of(again.get()), test::inode_of(dmabuf.get()));
    dmabuf.reset();

    std::vector<area> views;
    views.emplace_back(again.get(), length);
    std::uint64_t offset = 0;
    const int error = card->offset_of(imported, offset);
    if (error == 0)
        views.emplace_back(card->fd(), length, test::prot_rw, MAP_SHARED,
                           static_cast<off_t>(offset));
    else
        EXPECT_EQ(error, EINVAL); // many kernels: not what was imported
    std::uint64_t seed = 1;
    for (const auto& view : views) {
        EXPECT_TRUE(view.holds(seed));
        view.fill(seed + 1);
        EXPECT_TRUE(memory.holds(seed + 1));
        memory.fill(seed + 2);
        EXPECT_TRUE(view.holds(seed + 2));
        seed += 2;
    }
}

TEST_P(Vgem, KnowsWhatItImportedTwice) {
    const auto dmabuf = exported();
    auto first = card->import(dmabuf.get());
    // The same number, so only one of the two objects may close it.
    drm_prime_handle args{};
    args.fd = dmabuf.get();
    CHECK_CALL(::ioctl(card->fd(), DRM_IOCTL_PRIME_FD_TO_HANDLE, &args));
    EXPECT_EQ(args.handle, first.number());
}

TEST_P(Vgem, HandOverIsBusyUntilItLetsGo) {
    auto dmabuf = exported();
    auto imported = card->import(dmabuf.get());
    dmabuf.reset();
    expect_busy();
    imported.reset();
    expect_handed_over();
}

TEST_P(Vgem, HandOverIsBusyUntilTheDriverIsClosed) {
    auto dmabuf = exported();
    auto other = std::make_unique<drm::card>("vgem");
    // Never closed by its number: the end of the file has to.
    drm_prime_handle args{};
    args.fd = dmabuf.get();
    CHECK_CALL(::ioctl(other->fd(), DRM_IOCTL_PRIME_FD_TO_HANDLE, &args));
    dmabuf.reset();
    expect_busy();
    other.reset();
    expect_handed_over();
}

TEST_P(Vgem, KeepsThePagesWithoutTheSegment) {
    auto dmabuf = exported();
    const auto imported = card->import(dmabuf.get());
    dmabuf.reset();
    forget();
    expect_pages_held();
    const auto again = card->give(imported, DRM_CLOEXEC);
    EXPECT_TRUE(area(again.get(), length, PROT_READ).holds(1));
}

TEST_P(Vgem, AKilledUserLeavesNothing) {
    auto dmabuf = exported();
    test::process user([&](const test::line& parent) {
        const drm::card own("vgem");
        const auto imported = own.import(dmabuf.get());
        const area view(own.give(imported, DRM_CLOEXEC | DRM_RDWR).get(), length);
        view.fill(6);
        parent.put(1);
        static_cast<void>(parent.get());
    });
    ASSERT_EQ(user.get(), 1U);
    dmabuf.reset();
    expect_busy();
    user.kill();
    test::wait_until(
        [this] { return (test::info_of(segment.get()).flags & IPCSHIM_MEM_INFO_EXPORTED) == 0; });
    expect_handed_over(6);
}

// A device writes: who asks for access through the processor waits for it.
TEST_P(Vgem, CpuAccessWaitsForTheDriver) {
    const auto dmabuf = exported();
    const auto imported = card->import(dmabuf.get());
    const auto fence = attach_fence(imported);
    pollfd state{dmabuf.get(), POLLIN, 0};
    EXPECT_EQ(::poll(&state, 1, 0), 0);

    std::atomic<pid_t> tid{0};
    std::atomic<int> error{-1};
    std::jthread reader([&] {
        tid = test::own_tid();
        error = drm::begin_access(dmabuf.get(), DMA_BUF_SYNC_READ);
    });
    test::wait_until([&] { return tid != 0 && test::sleeps(tid); });
    EXPECT_EQ(error, -1);
    memory.fill(7);
    signal_fence(fence);
    reader.join();
    EXPECT_EQ(error, 0);
    EXPECT_EQ(::poll(&state, 1, 0), 1);
    EXPECT_TRUE(area(dmabuf.get(), length, PROT_READ).holds(7));
    EXPECT_EQ(drm::end_access(dmabuf.get(), DMA_BUF_SYNC_READ), 0);
}

INSTANTIATE_TEST_SUITE_P(, Vgem, ::testing::Values(test::both_kinds_of_pages),
                         [](const auto&) { return "BothKindsOfPages"; });

} // namespace
