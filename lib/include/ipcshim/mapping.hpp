// SPDX-License-Identifier: MIT
#ifndef IPCSHIM_MAPPING_HPP
#define IPCSHIM_MAPPING_HPP

#include <cstddef>
#include <cstdint>
#include <iosfwd>
#include <span>
#include <system_error>
#include <type_traits>
#include <utility>

#include <ipcshim/detail/export.hpp>
#include <ipcshim/detail/syscalls.hpp>
#include <ipcshim/error.hpp>

/// \file
/// A segment's bytes as memory of this process: `mapping` to write,
/// `const_mapping` to read. Made by segment::map() and segment::map_const().
///
/// A mapping keeps its bytes when the segment object is closed, and loses them
/// when the segment is handed over, taken back, or its lease ends: at any
/// moment, whatever this process is doing. From then on
///
/// - touching the bytes directly (bytes(), as(), at()) raises SIGBUS, which
///   ends the process unless it has a handler. There is no way to tell an
///   ordinary access to memory of an error;
/// - a system call on them answers EFAULT;
/// - copy_out() and copy_in() answer ESTALE. Use them on what another process
///   may take back: they cost one system call.
///
/// A segment that is this process's own and not lent is never lost against its
/// will.
///
/// Threads: everything but moving and destroying may run in several threads at
/// once; the bytes themselves need the same care as any memory that is shared.

namespace ipcshim {

/// What can lie in memory that other processes see: no pointers of its own that
/// matter, no destructor to run, and every process knows the same layout. Of
/// pointers inside of a type the compiler can't tell.
template <typename T>
concept shareable = std::is_object_v<T> && !std::is_pointer_v<std::remove_cv_t<T>> &&
                    std::is_trivially_destructible_v<T> &&
                    (std::is_trivially_copyable_v<T> || std::is_standard_layout_v<T>);

namespace detail {

/// What mapping and const_mapping share. Not to be named by programs.
class IPCSHIM_API mapping_base {
public:
    mapping_base(const mapping_base&) = delete;
    mapping_base& operator=(const mapping_base&) = delete;

    /// It holds an address range. (The pages may be lost: see above.)
    [[nodiscard]] bool is_open() const noexcept { return data_ != nullptr; }
    explicit operator bool() const noexcept { return is_open(); }
    /// Bytes, as many as were asked for.
    [[nodiscard]] std::size_t size() const noexcept { return size_; }
    /// Where it starts, for a mapping elsewhere at the same address.
    [[nodiscard]] std::uintptr_t address() const noexcept {
        return reinterpret_cast<std::uintptr_t>(data_);
    }

    /// Copies bytes from the mapping, and answers an error where touching them
    /// would raise a signal.
    /// \param offset bytes from the start of the mapping
    /// Errors: ESTALE the segment was handed over, taken back, or its lease has
    /// ended, maybe after a part was copied; EINVAL not within the mapping.
    void copy_out(std::size_t offset, std::span<std::byte> to) const;
    void copy_out(std::size_t offset, std::span<std::byte> to,
                  std::error_code& error) const noexcept;

    /// Unmaps it. Nothing happens if it is closed already.
    void close() noexcept;

protected:
    mapping_base() noexcept = default;
    mapping_base(syscalls& calls, std::byte* data, std::size_t size) noexcept
        : calls_(&calls), data_(data), size_(size) {}
    mapping_base(mapping_base&& other) noexcept
        : calls_(other.calls_), data_(std::exchange(other.data_, nullptr)),
          size_(std::exchange(other.size_, 0)) {}
    mapping_base& operator=(mapping_base&& other) noexcept;
    ~mapping_base() { close(); }

    [[nodiscard]] std::byte* data() const noexcept { return data_; }
    void copy(std::byte* to, const std::byte* from, std::size_t size,
              std::error_code& error) const noexcept;
    /// The place of a value of this size, or a throw.
    [[nodiscard]] std::byte* place(std::size_t offset, std::size_t size,
                                   std::size_t alignment) const;
    [[nodiscard]] bool holds(std::size_t offset, std::size_t size) const noexcept {
        return offset <= size_ && size <= size_ - offset;
    }

private:
    syscalls* calls_ = nullptr;
    std::byte* data_ = nullptr;
    std::size_t size_ = 0;
};

} // namespace detail

/// A segment's bytes, to read and to write. Move-only; unmaps what it owns.
class IPCSHIM_API mapping final : public detail::mapping_base {
public:
    /// A closed one.
    mapping() noexcept = default;
    /// For the library, and for a range that adopt_memory() turned into a
    /// segment: takes over the range, which is unmapped with this object.
    mapping(std::span<std::byte> range, detail::syscalls& calls = detail::real_syscalls()) noexcept
        : mapping_base(calls, range.data(), range.size()) {}

    /// All of it. What this and the two below give is good for as long as the
    /// mapping lives: give it a name, also in the head of a range-for.
    [[nodiscard]] std::span<std::byte> bytes() const noexcept { return {data(), size()}; }

    /// As many whole values as fit behind the offset.
    /// \throws std::out_of_range the offset lies behind the end;
    ///         std::invalid_argument it is not aligned for such values
    template <shareable T> [[nodiscard]] std::span<T> as(std::size_t offset = 0) const {
        std::byte* const first = place(offset, 0, alignof(T));
        return {reinterpret_cast<T*>(first), (size() - offset) / sizeof(T)};
    }
    /// One value at an offset. It is not constructed here: pages that nobody
    /// wrote are zeros.
    /// \throws as as(), and std::out_of_range where it does not fit
    template <shareable T> [[nodiscard]] T& at(std::size_t offset = 0) const {
        return *reinterpret_cast<T*>(place(offset, sizeof(T), alignof(T)));
    }

    /// The other way of copy_out().
    void copy_in(std::size_t offset, std::span<const std::byte> from) const;
    void copy_in(std::size_t offset, std::span<const std::byte> from,
                 std::error_code& error) const noexcept;
};

/// A segment's bytes, to read, or to execute. Move-only; unmaps what it owns.
class IPCSHIM_API const_mapping final : public detail::mapping_base {
public:
    /// A closed one.
    const_mapping() noexcept = default;
    /// For the library: takes over the range.
    const_mapping(std::span<std::byte> range,
                  detail::syscalls& calls = detail::real_syscalls()) noexcept
        : mapping_base(calls, range.data(), range.size()) {}

    /// As mapping::bytes().
    [[nodiscard]] std::span<const std::byte> bytes() const noexcept { return {data(), size()}; }

    /// As mapping::as().
    template <shareable T> [[nodiscard]] std::span<const T> as(std::size_t offset = 0) const {
        const std::byte* const first = place(offset, 0, alignof(T));
        return {reinterpret_cast<const T*>(first), (size() - offset) / sizeof(T)};
    }
    /// As mapping::at().
    template <shareable T> [[nodiscard]] const T& at(std::size_t offset = 0) const {
        return *reinterpret_cast<const T*>(place(offset, sizeof(T), alignof(T)));
    }
};

/// Prints address and size.
IPCSHIM_API std::ostream& operator<<(std::ostream& out, const mapping& value);
IPCSHIM_API std::ostream& operator<<(std::ostream& out, const const_mapping& value);

} // namespace ipcshim

#endif
