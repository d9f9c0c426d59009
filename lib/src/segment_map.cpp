// SPDX-License-Identifier: MIT
//
// How a segment becomes memory of this process.
#include <ipcshim/segment.hpp>

#include <sys/mman.h>

#include <cerrno>
#include <string>

#include "call.hpp"
#include "sentence.hpp"

namespace ipcshim {

using detail::attempt;
using detail::check;
using detail::code_of;

namespace {

constexpr int read_only = PROT_READ;
constexpr int read_write = PROT_READ | PROT_WRITE;  // NOLINT(hicpp-signed-bitwise)
constexpr int read_execute = PROT_READ | PROT_EXEC; // NOLINT(hicpp-signed-bitwise)

} // namespace

std::span<std::byte> segment::map_range(const mapping_parameters& parameters, int protection,
                                        int flags, std::error_code& error) const noexcept {
    if (!is_open()) {
        error = code_of(EBADF);
        return {};
    }
    if (parameters.offset >= size() || parameters.length > size() - parameters.offset) {
        error = code_of(ENXIO);
        return {};
    }
    const std::size_t length =
        parameters.length != 0 ? parameters.length : size() - parameters.offset;
    auto all = static_cast<unsigned>(flags);
    if (parameters.populate) {
        all |= static_cast<unsigned>(MAP_POPULATE);
    }
    if (parameters.address != 0) {
        all |= static_cast<unsigned>(MAP_FIXED_NOREPLACE);
    }
    // NOLINTNEXTLINE(performance-no-int-to-ptr): it comes from another process
    void* place = reinterpret_cast<void*>(parameters.address);
    if (!detail::succeeded(handle_.calls()->mmap(place, length, protection, static_cast<int>(all),
                                                 handle_.get(), parameters.offset),
                           error)) {
        return {};
    }
    return {static_cast<std::byte*>(place), length};
}

mapping segment::map(const mapping_parameters& parameters) const {
    require_open();
    std::error_code error;
    mapping result = map(parameters, error);
    check(error, attempt::map, subject());
    return result;
}

mapping segment::map(const mapping_parameters& parameters, std::error_code& error) const noexcept {
    const bool copies =
        has(rights(), rights::copy_on_write) && !has(rights(), ipcshim::rights::write);
    const auto range = map_range(parameters, read_write, copies ? MAP_PRIVATE : MAP_SHARED, error);
    return error ? mapping() : mapping(range, *handle_.calls());
}

mapping segment::map_private(const mapping_parameters& parameters) const {
    require_open();
    std::error_code error;
    mapping result = map_private(parameters, error);
    check(error, attempt::map, subject());
    return result;
}

mapping segment::map_private(const mapping_parameters& parameters,
                             std::error_code& error) const noexcept {
    const auto range = map_range(parameters, read_write, MAP_PRIVATE, error);
    return error ? mapping() : mapping(range, *handle_.calls());
}

const_mapping segment::map_const(const mapping_parameters& parameters) const {
    require_open();
    std::error_code error;
    const_mapping result = map_const(parameters, error);
    check(error, attempt::map, subject());
    return result;
}

const_mapping segment::map_const(const mapping_parameters& parameters,
                                 std::error_code& error) const noexcept {
    const auto range = map_range(parameters, read_only, MAP_SHARED, error);
    return error ? const_mapping() : const_mapping(range, *handle_.calls());
}

const_mapping segment::map_executable(const mapping_parameters& parameters) const {
    require_open();
    std::error_code error;
    const_mapping result = map_executable(parameters, error);
    check(error, attempt::map_executable, subject());
    return result;
}

const_mapping segment::map_executable(const mapping_parameters& parameters,
                                      std::error_code& error) const noexcept {
    const auto range = map_range(parameters, read_execute, MAP_SHARED, error);
    return error ? const_mapping() : const_mapping(range, *handle_.calls());
}

} // namespace ipcshim
