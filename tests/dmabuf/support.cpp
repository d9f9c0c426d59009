// SPDX-License-Identifier: MIT
#include "support.hpp"

#include <fcntl.h>
#include <sys/syscall.h>

#include <filesystem>

namespace test {

int remove_module(const std::string& name) {
    if (!std::filesystem::exists("/sys/module/" + name))
        return 0;
    return ::syscall(SYS_delete_module, name.c_str(), O_NONBLOCK) == 0 ? 0 : errno;
}

void SegmentTest::SetUp() {
    length = GetParam();
    segment = create_segment(port, length);
    memory = area(segment.get(), length);
    memory.fill(1);
}

void SegmentTest::TearDown() {
    forget();
    // The kernel closes what a killed process had a moment after it is reaped.
    wait_until([this] {
        const auto now = query_raw();
        return now.segments == before.segments && now.segment_bytes == before.segment_bytes &&
               now.used_segment_bytes == before.used_segment_bytes && now.tokens == before.tokens;
    });
}

void SegmentTest::forget() {
    receiver.reset();
    memory.reset();
    segment.reset();
    port.close();
}

void SegmentTest::expect_pages_held() {
    const auto now = query_raw();
    EXPECT_EQ(now.segment_bytes, before.segment_bytes + length);
    EXPECT_EQ(now.used_segment_bytes, before.used_segment_bytes + length);
}

unique_fd SegmentTest::exported() const {
    unique_fd result;
    const int error = export_dmabuf(segment.get(), result);
    if (error != 0)
        fail(__FILE__, __LINE__, std::string("EXPORT_DMABUF: ") + ::strerrorname_np(error));
    return result;
}

void SegmentTest::expect_busy() {
    EXPECT_EQ(hand_over(segment.get(), receiver->pid()).error, EBUSY);
    EXPECT_EQ(lend(segment.get(), receiver->pid()).error, EBUSY);
    EXPECT_NE(info_of(segment.get()).flags & IPCSHIM_MEM_INFO_EXPORTED, 0U);
    EXPECT_EQ(receiver->events_waiting(), 0U);
    EXPECT_EQ(poke(memory.data(), memory.data()[0]), 0) << "a refused hand-over took a mapping";
}

void SegmentTest::expect_handed_over(std::uint64_t seed) {
    const auto wanted = checksum(patterned(length, seed));
    EXPECT_EQ(info_of(segment.get()).flags & IPCSHIM_MEM_INFO_EXPORTED, 0U);
    const auto answer = hand_over(segment.get(), receiver->pid());
    ASSERT_EQ(answer.error, 0) << ::strerrorname_np(answer.error);
    const auto taken = receiver->take();
    ASSERT_EQ(taken.error, 0);
    EXPECT_EQ(taken.sum, wanted);
    EXPECT_EQ(touch(memory.data()), SIGBUS);
}

} // namespace test
