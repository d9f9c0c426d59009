// SPDX-License-Identifier: MIT
#ifndef IPCSHIM_SRC_READY_SET_HPP
#define IPCSHIM_SRC_READY_SET_HPP

#include <cstdint>
#include <optional>
#include <string>
#include <system_error>

#include <ipcshim/detail/handle.hpp>
#include <ipcshim/types.hpp>

#include "sentence.hpp"

namespace ipcshim::detail {

/// Descriptors of which threads wait for one to become readable, and what wakes them
/// besides. (epoll(7) and eventfd(2).)
///
/// Threads: all calls at once from any.
class ready_set final {
public:
    /// What wait() answers after wake(). Not to be used for descriptors.
    static constexpr std::uint64_t woken = 0;

    /// Throws std::system_error: EMFILE, ENFILE, ENOMEM.
    ready_set(syscalls& calls, attempt what, const std::string& subject);

    /// Waits for a descriptor. \return its key; nothing: the time was over.
    /// A signal is no reason to return.
    [[nodiscard]] std::optional<std::uint64_t> wait(deadline until) const;

    /// \param once after wait() has told of it, it does not again until arm()
    void add(int fd, std::uint64_t key, bool once, std::error_code& error) const noexcept;
    /// From now on, or again: wait() tells of it, at once if it is readable.
    void arm(int fd, std::uint64_t key, bool once) const noexcept;
    void remove(int fd) const noexcept;

    /// wait() answers `woken` to everybody until calm().
    void wake() const noexcept;
    void calm() const noexcept;

    [[nodiscard]] int fd() const noexcept { return set_.get(); }
    [[nodiscard]] syscalls& calls() const noexcept { return *set_.calls(); }

private:
    handle set_;
    handle wake_;
};

} // namespace ipcshim::detail

#endif
