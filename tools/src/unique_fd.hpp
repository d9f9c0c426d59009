// SPDX-License-Identifier: MIT
#ifndef IPCSHIM_TOOLS_UNIQUE_FD_HPP
#define IPCSHIM_TOOLS_UNIQUE_FD_HPP

#include <unistd.h>

#include <utility>

namespace ipcshim::tools {

/// A descriptor that is closed with its holder; -1: none.
class unique_fd final {
public:
    unique_fd() noexcept = default;
    explicit unique_fd(int fd) noexcept : fd_(fd) {}
    unique_fd(const unique_fd&) = delete;
    unique_fd& operator=(const unique_fd&) = delete;
    unique_fd(unique_fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    unique_fd& operator=(unique_fd&& other) noexcept {
        reset(std::exchange(other.fd_, -1));
        return *this;
    }
    ~unique_fd() { reset(); }

    [[nodiscard]] int get() const noexcept { return fd_; }
    void reset(int fd = -1) noexcept {
        if (fd_ >= 0) {
            ::close(fd_);
        }
        fd_ = fd;
    }

private:
    int fd_ = -1;
};

} // namespace ipcshim::tools

#endif
