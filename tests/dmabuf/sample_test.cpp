// SPDX-License-Identifier: MIT
// samples/ipcshim_checksum: another module uses segments, by what ipcshim exports.
#include <fcntl.h>
#include <ipcshim_checksum.h>
#include <sys/ioctl.h>
#include <zlib.h>

#include <cstring>
#include <filesystem>

#include "support.hpp"

namespace {

using test::area;

constexpr const char* module = "ipcshim_checksum";

struct answer {
    int error;
    std::uint64_t length;
    std::uint32_t crc32;
};

// An open device of the sample.
class checksummer final {
public:
    [[nodiscard]] answer compute(int fd, std::uint32_t flags = 0) const {
        ipcshim_checksum args{};
        args.fd = fd;
        args.flags = flags;
        const int error = ::ioctl(fd_.get(), IPCSHIM_CHECKSUM_COMPUTE, &args) == 0 ? 0 : errno;
        return {error, args.length, args.crc32};
    }
    [[nodiscard]] int release() const {
        return ::ioctl(fd_.get(), IPCSHIM_CHECKSUM_RELEASE) == 0 ? 0 : errno;
    }

private:
    test::unique_fd fd_{CHECK_CALL(::open(IPCSHIM_CHECKSUM_DEVICE, O_RDWR | O_CLOEXEC))};
};

std::uint32_t crc_of(std::span<const std::byte> bytes) {
    return static_cast<std::uint32_t>(
        ::crc32(0, reinterpret_cast<const Bytef*>(bytes.data()), static_cast<uInt>(bytes.size())));
}

class Sample : public test::SegmentTest {
protected:
    void SetUp() override {
        NEEDS_DRIVER(module);
        SegmentTest::SetUp();
        sample.emplace();
    }
    void TearDown() override {
        if (sample) {
            EXPECT_EQ(test::remove_module(module), EWOULDBLOCK) << "removed, although it is open";
            sample.reset();
        }
        SegmentTest::TearDown();
        EXPECT_EQ(test::remove_module(module), 0);
    }

    std::optional<checksummer> sample;
};

TEST_P(Sample, ComputesTheChecksum) {
    const auto wanted = crc_of(memory.bytes());
    for (const std::uint32_t flags : {0U, std::uint32_t{IPCSHIM_CHECKSUM_VMAP}}) {
        const auto found = sample->compute(segment.get(), flags);
        EXPECT_EQ(found.error, 0);
        EXPECT_EQ(found.length, length);
        EXPECT_EQ(found.crc32, wanted);
    }
    memory.data()[length - 1] ^= std::byte{1};
    EXPECT_EQ(sample->compute(segment.get()).crc32, crc_of(memory.bytes()));
    EXPECT_NE(sample->compute(segment.get()).crc32, wanted);
}

TEST_P(Sample, FindsZerosWhereNobodyTouchedAnything) {
    const auto fresh = test::create_segment(port, length);
    const std::vector<std::byte> zeros(length);
    EXPECT_EQ(sample->compute(fresh.get()).crc32, crc_of(zeros));
    EXPECT_EQ(test::info_of(fresh.get()).allocated, length);
}

TEST_P(Sample, StoresWhereProcessesSeeIt) {
    for (const std::uint32_t flags : {0U, std::uint32_t{IPCSHIM_CHECKSUM_VMAP}}) {
        const auto found = sample->compute(segment.get(), flags | IPCSHIM_CHECKSUM_STORE);
        EXPECT_EQ(found.error, 0);
        EXPECT_EQ(found.crc32, crc_of(memory.bytes().first(length - 4)));
        std::uint32_t stored = 0;
        std::memcpy(&stored, memory.data() + length - 4, sizeof(stored));
        EXPECT_EQ(le32toh(stored), found.crc32);
        memory.fill(2);
    }
}

TEST_P(Sample, HandOverIsBusyWhileItHolds) {
    ASSERT_EQ(sample->compute(segment.get(), IPCSHIM_CHECKSUM_HOLD).error, 0);
    expect_busy();
    EXPECT_EQ(sample->compute(segment.get(), IPCSHIM_CHECKSUM_HOLD).error, EBUSY);
    EXPECT_EQ(sample->release(), 0);
    EXPECT_EQ(sample->release(), ENOENT);
    expect_handed_over();
}

TEST_P(Sample, HoldsNothingAfterAnAnswer) {
    ASSERT_EQ(sample->compute(segment.get()).error, 0);
    ASSERT_EQ(sample->compute(segment.get(), IPCSHIM_CHECKSUM_VMAP).error, 0);
    expect_handed_over();
}

TEST_P(Sample, ClosingLetsGo) {
    std::optional<checksummer> second(std::in_place);
    ASSERT_EQ(second->compute(segment.get(), IPCSHIM_CHECKSUM_HOLD).error, 0);
    expect_busy();
    second.reset();
    expect_handed_over();
}

TEST_P(Sample, AKilledUserLeavesNothing) {
    test::process user([this](const test::line& parent) {
        const checksummer own;
        CHECK(own.compute(segment.get(), IPCSHIM_CHECKSUM_HOLD).error == 0);
        parent.put(1);
        static_cast<void>(parent.get());
    });
    ASSERT_EQ(user.get(), 1U);
    expect_busy();
    user.kill();
    test::wait_until(
        [this] { return (test::info_of(segment.get()).flags & IPCSHIM_MEM_INFO_EXPORTED) == 0; });
    expect_handed_over();
}

// The pages outlive every descriptor, and nothing else needs them.
TEST_P(Sample, KeepsThePagesWithoutTheSegment) {
    ASSERT_EQ(sample->compute(segment.get(), IPCSHIM_CHECKSUM_HOLD).error, 0);
    forget();
    expect_pages_held();
    EXPECT_EQ(sample->release(), 0);
}

TEST_P(Sample, OthersThanTheOwnerAreRefused) {
    ASSERT_EQ(test::share(segment.get(), receiver->pid()).error, 0);
    ASSERT_EQ(receiver->take().error, 0);
    EXPECT_EQ(sample->compute(receiver->descriptor().get()).error, EPERM);
    receiver.emplace();
    ASSERT_EQ(test::lend(segment.get(), receiver->pid()).error, 0);
    ASSERT_EQ(receiver->take().error, 0);
    EXPECT_EQ(sample->compute(receiver->descriptor().get()).error, EPERM);
    EXPECT_EQ(sample->compute(segment.get()).error, ESTALE);
}

TEST_P(Sample, AnOwnerWithoutTheRightToWriteCanOnlyHaveItRead) {
    const auto wanted = crc_of(memory.bytes());
    ASSERT_EQ(test::hand_over(segment.get(), receiver->pid(), test::right_r).error, 0);
    ASSERT_EQ(receiver->take(PROT_READ).error, 0);
    const auto theirs = receiver->descriptor();
    EXPECT_EQ(sample->compute(theirs.get()).crc32, wanted);
    EXPECT_EQ(sample->compute(theirs.get(), IPCSHIM_CHECKSUM_STORE).error, EACCES);
}

TEST_P(Sample, OtherDescriptorsAreRefused) {
    EXPECT_EQ(sample->compute(-1).error, EBADF);
    EXPECT_EQ(sample->compute(port.fd()).error, EINVAL);
    const test::unique_fd file(CHECK_CALL(::open("/proc/self/exe", O_RDONLY | O_CLOEXEC)));
    EXPECT_EQ(sample->compute(file.get()).error, EINVAL);
    const auto dmabuf = exported();
    EXPECT_EQ(sample->compute(dmabuf.get()).error, EINVAL);
    EXPECT_EQ(sample->compute(segment.get(), 0x80).error, EINVAL);
}

// What it calls can't vanish under it.
TEST_P(Sample, IpcshimCannotBeRemovedBeforeIt) {
    EXPECT_TRUE(std::filesystem::exists(std::string("/sys/module/ipcshim/holders/") + module));
    EXPECT_EQ(test::remove_module("ipcshim"), EWOULDBLOCK);
}

INSTANTIATE_TEST_SUITE_P(, Sample, ::testing::Values(test::both_kinds_of_pages),
                         [](const auto&) { return "BothKindsOfPages"; });

} // namespace
