// SPDX-License-Identifier: MIT
#include <ipcshim/mapping.hpp>

#include <cerrno>
#include <ostream>
#include <stdexcept>
#include <string>

#include "call.hpp"
#include "sentence.hpp"

namespace ipcshim {

namespace detail {

mapping_base& mapping_base::operator=(mapping_base&& other) noexcept {
    if (this != &other) {
        close();
        calls_ = other.calls_;
        data_ = std::exchange(other.data_, nullptr);
        size_ = std::exchange(other.size_, 0);
    }
    return *this;
}

void mapping_base::close() noexcept {
    if (is_open()) {
        static_cast<void>(calls_->munmap(std::exchange(data_, nullptr), std::exchange(size_, 0)));
    }
}

std::byte* mapping_base::place(std::size_t offset, std::size_t size, std::size_t alignment) const {
    if (!holds(offset, size)) {
        throw std::out_of_range("offset " + std::to_string(offset) + " with " +
                                std::to_string(size) + " bytes is not within a mapping of " +
                                std::to_string(size_) + " bytes; map more of the segment");
    }
    if (offset % alignment != 0) {
        throw std::invalid_argument("offset " + std::to_string(offset) + " is not a multiple of " +
                                    std::to_string(alignment) + ", as values of this type need it");
    }
    return data_ + offset;
}

void mapping_base::copy(std::byte* to, const std::byte* from, std::size_t size,
                        std::error_code& error) const noexcept {
    error.clear();
    while (size != 0) {
        const ssize_t moved = calls_->copy(to, from, size);
        // Short or none: a page was lost in between, or has been before.
        if (moved == 0 || moved == -EFAULT) {
            error = code_of(ESTALE);
            return;
        }
        if (!succeeded(moved, error)) {
            return;
        }
        to += moved;
        from += moved;
        size -= static_cast<std::size_t>(moved);
    }
}

void mapping_base::copy_out(std::size_t offset, std::span<std::byte> to) const {
    if (!is_open()) {
        used_closed("mapping");
    }
    std::error_code error;
    copy_out(offset, to, error);
    check(error, attempt::copy_memory, std::to_string(to.size()) + " bytes from the mapping");
}

void mapping_base::copy_out(std::size_t offset, std::span<std::byte> to,
                            std::error_code& error) const noexcept {
    if (!is_open() || !holds(offset, to.size())) {
        error = code_of(is_open() ? EINVAL : EBADF);
        return;
    }
    copy(to.data(), data_ + offset, to.size(), error);
}

} // namespace detail

void mapping::copy_in(std::size_t offset, std::span<const std::byte> from) const {
    if (!is_open()) {
        detail::used_closed("mapping");
    }
    std::error_code error;
    copy_in(offset, from, error);
    detail::check(error, detail::attempt::copy_memory,
                  std::to_string(from.size()) + " bytes into the mapping");
}

void mapping::copy_in(std::size_t offset, std::span<const std::byte> from,
                      std::error_code& error) const noexcept {
    if (!is_open() || !holds(offset, from.size())) {
        error = detail::code_of(is_open() ? EINVAL : EBADF);
        return;
    }
    copy(data() + offset, from.data(), from.size(), error);
}

namespace {

template <typename Mapping> std::ostream& print(std::ostream& out, const Mapping& value) {
    if (!value) {
        return out << "closed mapping";
    }
    return out << "mapping of " << value.size() << " bytes at "
               << static_cast<const void*>(value.bytes().data());
}

} // namespace

std::ostream& operator<<(std::ostream& out, const mapping& value) {
    return print(out, value);
}

std::ostream& operator<<(std::ostream& out, const const_mapping& value) {
    return print(out, value);
}

} // namespace ipcshim
