// SPDX-License-Identifier: MIT
// A disk that the test itself serves, so that direct I/O can be held up.
#ifndef IPCSHIM_TESTS_DEVICE_SEGMENT_DISK_HPP
#define IPCSHIM_TESTS_DEVICE_SEGMENT_DISK_HPP

#include <condition_variable>
#include <mutex>
#include <thread>

#include "segment_support.hpp"

namespace test {

// A network block device whose other side is a thread of this process. Requests
// below hold_from are answered at once, the others when release() has been
// called: until then the kernel holds the pages that they are about.
class held_disk final {
public:
    static constexpr std::size_t size = 2 * mib;
    static constexpr std::size_t hold_from = 1 * mib;

    // Empty, or why there is none.
    [[nodiscard]] static std::string missing();

    held_disk();
    held_disk(const held_disk&) = delete;
    held_disk(held_disk&&) = delete;
    held_disk& operator=(const held_disk&) = delete;
    held_disk& operator=(held_disk&&) = delete;
    ~held_disk();

    // The device, open for direct I/O.
    [[nodiscard]] int fd() const noexcept { return direct_.get(); }
    // What is on it.
    [[nodiscard]] std::span<std::byte> content() noexcept { return content_; }
    // Returns when a request waits.
    void wait_for_request();
    // Answers those that wait, and everything after them.
    void release();

private:
    void serve();
    bool answer_one();

    std::vector<std::byte> content_ = patterned(size, 40);
    unique_fd device_;
    unique_fd kernel_side_;
    unique_fd own_side_;
    unique_fd direct_;
    std::mutex mutex_;
    std::condition_variable changed_;
    bool waits_ = false;
    bool released_ = false;
    std::jthread server_;
    std::jthread kernel_;
};

} // namespace test

#endif
