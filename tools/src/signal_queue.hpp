// SPDX-License-Identifier: MIT
#ifndef IPCSHIM_TOOLS_SIGNAL_QUEUE_HPP
#define IPCSHIM_TOOLS_SIGNAL_QUEUE_HPP

#include <csignal>
#include <span>

namespace ipcshim::tools {

/// Blocks signals, and takes them by a descriptor. The destructor puts the mask
/// back.
class signal_queue final {
public:
    explicit signal_queue(std::span<const int> signals);
    signal_queue(const signal_queue&) = delete;
    signal_queue(signal_queue&&) = delete;
    signal_queue& operator=(const signal_queue&) = delete;
    signal_queue& operator=(signal_queue&&) = delete;
    ~signal_queue();

    /// Readable when one waits.
    [[nodiscard]] int fd() const noexcept { return fd_; }
    /// The number of the next one; 0: none waits.
    [[nodiscard]] int next() const noexcept;
    /// What was blocked before.
    [[nodiscard]] const sigset_t& before() const noexcept { return before_; }

private:
    sigset_t before_{};
    int fd_ = -1;
};

} // namespace ipcshim::tools

#endif
