// SPDX-License-Identifier: MIT
// Out of memory at every allocation in turn, on kernels that can be told to be:
// ENOMEM, the segment can be handed over afterwards, and nothing is left.
#include <fcntl.h>
#include <ipcshim_checksum.h>
#include <sys/ioctl.h>

#include <cstring>
#include <fstream>

#include "support.hpp"

namespace {

bool write_setting(const std::string& path, const std::string& value) {
    std::ofstream file(path);
    file << value << std::flush;
    return file.good();
}

class WithoutMemory : public test::SegmentTest {
protected:
    void SetUp() override {
        const std::string folder = "/sys/kernel/debug/";
        if (::access("/proc/thread-self/fail-nth", W_OK) != 0 ||
            !write_setting(folder + "failslab/ignore-gfp-wait", "N") ||
            !write_setting(folder + "fail_page_alloc/ignore-gfp-wait", "N") ||
            !write_setting(folder + "fail_page_alloc/ignore-gfp-highmem", "N") ||
            !write_setting(folder + "fail_page_alloc/min-order", "0"))
            GTEST_SKIP() << "this kernel can't be told to fail allocations";
        write_setting(folder + "failslab/verbose", "0");
        write_setting(folder + "fail_page_alloc/verbose", "0");
        SegmentTest::SetUp();
        nth_ = test::unique_fd(CHECK_CALL(::open("/proc/thread-self/fail-nth", O_RDWR)));
    }

    void TearDown() override {
        SegmentTest::TearDown();
        EXPECT_EQ(test::remove_module("ipcshim_checksum"), 0);
    }

    // Runs it with the first, the second, ... allocation failing, until none
    // does, each time after the preparation. It gives 0 or an errno.
    void fail_each(const std::function<void()>& prepare, const std::function<int()>& run) {
        int failed = 0;
        for (int which = 1; which < 2000; which++) {
            prepare();
            set(which);
            const int error = run();
            if (!taken()) {
                EXPECT_EQ(error, 0) << ::strerrorname_np(error);
                EXPECT_GT(failed, 0);
                std::cout << failed << " failures of " << which - 1 << " made it fail\n";
                return;
            }
            // What can do without, like a large page, may succeed; a copy from
            // or to the caller fails in its own way.
            EXPECT_TRUE(error == 0 || error == ENOMEM || error == EFAULT)
                << "failure " << which << " gave " << ::strerrorname_np(error);
            failed += error == ENOMEM;
        }
        FAIL() << "it never came to its end";
    }

private:
    void set(int which) const {
        const auto text = std::to_string(which);
        CHECK(::pwrite(nth_.get(), text.data(), text.size(), 0) ==
              static_cast<ssize_t>(text.size()));
    }
    // Asking and resetting are copies that can take the failure themselves.
    [[nodiscard]] bool taken() const {
        std::array<char, 16> text{};
        const auto count = ::pread(nth_.get(), text.data(), text.size() - 1, 0);
        while (::pwrite(nth_.get(), "0", 1, 0) != 1)
            CHECK(errno == EFAULT);
        return count > 0 && std::atoi(text.data()) == 0;
    }

    test::unique_fd nth_;
};

TEST_P(WithoutMemory, AnImportFails) {
    NEEDS_DRIVER("vgem");
    auto dmabuf = exported();
    std::optional<drm::card> card(std::in_place, "vgem");
    drm::handle imported;
    fail_each([&] { imported.reset(); }, [&] { return card->import(dmabuf.get(), imported); });
    imported.reset();
    dmabuf.reset();
    card.reset();
    expect_handed_over();
}

TEST_P(WithoutMemory, AnotherModuleGetsNoPages) {
    NEEDS_DRIVER("ipcshim_checksum");
    const test::unique_fd device(CHECK_CALL(::open(IPCSHIM_CHECKSUM_DEVICE, O_RDWR | O_CLOEXEC)));
    for (const std::uint32_t flags : {0U, std::uint32_t{IPCSHIM_CHECKSUM_VMAP}}) {
        test::unique_fd fresh;
        fail_each(
            // A new one, so that its pages are allocated in the call.
            [&] { fresh = test::create_segment(port, length); },
            [&] {
                ipcshim_checksum args{};
                args.fd = fresh.get();
                args.flags = flags;
                return ::ioctl(device.get(), IPCSHIM_CHECKSUM_COMPUTE, &args) == 0 ? 0 : errno;
            });
    }
}

INSTANTIATE_TEST_SUITE_P(, WithoutMemory, ::testing::Values(3 * 65536),
                         [](const auto&) { return "SmallPages"; });

} // namespace
