// SPDX-License-Identifier: MIT
#ifndef IPCSHIM_ERROR_HPP
#define IPCSHIM_ERROR_HPP

#include <cerrno>
#include <string>
#include <system_error>

#include <ipcshim/detail/export.hpp>
#include <ipcshim/io_result.hpp>

/// \file
/// How errors are told.
///
/// - A call that fails throws std::system_error. Its code() is the errno in
///   std::generic_category(), its what() a sentence: what happened, to what,
///   and what to do.
/// - The calls of a hot path have a twin with `std::error_code&` as the last
///   parameter. It is noexcept, sets the same errno, clears it on success, and
///   makes no sentence.
/// - A closed or moved-from object that is used throws std::logic_error: that
///   is a mistake in the program. The twin answers EBADF.

namespace ipcshim {

/// What calls on a segment answer once it was handed over, taken back, or its
/// lease has ended (ESTALE): std::errc has no name for it.
/// `if (error == ipcshim::stale_segment())`
[[nodiscard]] inline std::error_condition stale_segment() noexcept {
    return {ESTALE, std::generic_category()};
}

/// A read or a write on a pipe that failed, with what had moved by then.
class IPCSHIM_API io_error : public std::system_error {
public:
    io_error(std::error_code code, const std::string& sentence, const io_result& result)
        : std::system_error(code, sentence), result_(result) {}
    io_error(const io_error&) = default;
    io_error(io_error&&) = default;
    io_error& operator=(const io_error&) = default;
    io_error& operator=(io_error&&) = default;
    ~io_error() override;

    /// Why, how much moved, what is missing.
    [[nodiscard]] const io_result& result() const noexcept { return result_; }

private:
    io_result result_;
};

/// The opened device and this library don't fit together. code() is ENOTSUP
/// where the module lacks what the library needs, ENOTTY where the path is not
/// an ipcshim device at all.
class IPCSHIM_API abi_error : public std::system_error {
public:
    using std::system_error::system_error;
    abi_error(const abi_error&) = default;
    abi_error(abi_error&&) = default;
    abi_error& operator=(const abi_error&) = default;
    abi_error& operator=(abi_error&&) = default;
    ~abi_error() override;
};

} // namespace ipcshim

#endif
