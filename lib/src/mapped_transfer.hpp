// SPDX-License-Identifier: MIT
#ifndef IPCSHIM_SRC_MAPPED_TRANSFER_HPP
#define IPCSHIM_SRC_MAPPED_TRANSFER_HPP

#include <linux/ipcshim.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>

#include <ipcshim/types.hpp>

namespace ipcshim::detail {

/// A read or a write that the library does itself; it goes and ends as in the driver.
struct mapped_transfer final {
    io_mode mode = io_mode::all;
    deadline until = no_deadline;
    ::ipcshim_pipe_io told{}; ///< moved, remains, lacks, cause
    int stop = 0;             ///< ETIMEDOUT or EINTR, once that has come
    bool closed = false;      ///< of a receiver: and nothing is left

    /// Why it ends here. \return the errno
    int because(std::uint32_t cause, int number) noexcept {
        told.cause = cause;
        return number;
    }
    /// So many bytes of room or data are missing.
    int lacks(std::uint32_t cause, std::uint64_t bytes) noexcept {
        told.lacks = bytes;
        return because(cause, EAGAIN);
    }
    /// A wait has ended like this. A deadline or a signal ends the transfer only after
    /// what can move without a step's worth has. \return 0 or the errno
    int waited(int number) noexcept {
        if (number != ETIMEDOUT && number != EINTR) {
            return number;
        }
        stop = number;
        return 0;
    }
    int stopped() noexcept {
        return because(stop == ETIMEDOUT ? IPCSHIM_CAUSE_DEADLINE : IPCSHIM_CAUSE_SIGNAL, stop);
    }
    /// The errno of all of it: mode some is content with less, and what moved before a
    /// signal is no failure.
    int verdict(int number) noexcept {
        const bool some = told.moved != 0;
        if (some && number == EAGAIN) {
            told.lacks = 0;
            return because(IPCSHIM_CAUSE_NONE, 0);
        }
        return some && number == EINTR ? 0 : number;
    }
    /// For how many bytes a long raw transfer waits before it goes on: so many that the
    /// sides don't wake each other for every piece, and never so many that both wait.
    [[nodiscard]] static std::uint64_t step(std::uint64_t area, std::uint64_t left) noexcept {
        return std::min(left, area / 4);
    }
};

} // namespace ipcshim::detail

#endif
