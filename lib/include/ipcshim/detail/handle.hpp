// SPDX-License-Identifier: MIT
#ifndef IPCSHIM_DETAIL_HANDLE_HPP
#define IPCSHIM_DETAIL_HANDLE_HPP

#include <utility>

#include <ipcshim/detail/export.hpp>
#include <ipcshim/detail/syscalls.hpp>

namespace ipcshim::detail {

/// One owned descriptor and the system calls to use it with.
/// Move-only; closes what it owns. -1: it owns nothing.
class IPCSHIM_API handle final {
public:
    handle() noexcept = default;
    handle(syscalls& calls, int fd) noexcept : calls_(&calls), fd_(fd) {}
    handle(const handle&) = delete;
    handle& operator=(const handle&) = delete;
    handle(handle&& other) noexcept : calls_(other.calls_), fd_(std::exchange(other.fd_, -1)) {}
    handle& operator=(handle&& other) noexcept {
        if (this != &other) {
            reset();
            calls_ = other.calls_;
            fd_ = std::exchange(other.fd_, -1);
        }
        return *this;
    }
    ~handle() { reset(); }

    [[nodiscard]] bool is_open() const noexcept { return fd_ >= 0; }
    /// The descriptor, -1 if there is none.
    [[nodiscard]] int get() const noexcept { return fd_; }
    /// Gives the descriptor away; the caller closes it.
    [[nodiscard]] int release() noexcept { return std::exchange(fd_, -1); }
    void reset() noexcept;
    /// Null only where nothing was ever owned.
    [[nodiscard]] syscalls* calls() const noexcept { return calls_; }

private:
    syscalls* calls_ = nullptr;
    int fd_ = -1;
};

} // namespace ipcshim::detail

#endif
