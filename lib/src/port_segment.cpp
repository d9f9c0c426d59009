// SPDX-License-Identifier: MIT
//
// How a port makes segments: new ones, and from memory that is there.
#include <limits>
#include <string>

#include <ipcshim/port.hpp>

#include "call.hpp"
#include "sentence.hpp"

namespace ipcshim {

using detail::attempt;
using detail::check;
using detail::control;

namespace {

constexpr rights makers = rights::read | rights::write | rights::execute;

// Whole pages; what can't be rounded up is refused by the module as it is.
std::size_t whole_pages(std::size_t bytes, std::size_t page) noexcept {
    const std::size_t missing = (page - bytes % page) % page;
    return bytes <= std::numeric_limits<std::size_t>::max() - missing ? bytes + missing : bytes;
}

} // namespace

segment port::create_segment(std::size_t bytes, const segment_parameters& parameters) const {
    require_open();
    std::error_code error;
    segment result = create_segment(bytes, parameters, error);
    check(error, attempt::create_segment, std::to_string(bytes) + " bytes");
    return result;
}

segment port::create_segment(std::size_t bytes, const segment_parameters& parameters,
                             std::error_code& error) const noexcept {
    ::ipcshim_create_mem raw{};
    raw.length = is_open() ? whole_pages(bytes, handle_.calls()->page_size()) : bytes;
    raw.flags = (parameters.small_pages ? IPCSHIM_MEM_SMALL_PAGES : 0U) |
                (parameters.whole_large_pages ? IPCSHIM_MEM_LARGE_PAGES : 0U);
    raw.fd = -1;
    if (!control(handle_, IPCSHIM_CREATE_MEM, raw, error)) {
        return {};
    }
    return {detail::handle(*handle_.calls(), raw.fd),
            {.size = static_cast<std::size_t>(raw.length),
             .inode = raw.inode,
             .rights = makers,
             .mode = memory_mode::made}};
}

segment port::adopt_memory(std::span<std::byte> range) const {
    require_open();
    std::error_code error;
    segment result = adopt_memory(range, error);
    check(error, attempt::adopt_memory, std::to_string(range.size()) + " bytes of memory");
    return result;
}

segment port::adopt_memory(std::span<std::byte> range, std::error_code& error) const noexcept {
    ::ipcshim_adopt_mem raw{};
    raw.address = reinterpret_cast<std::uintptr_t>(range.data());
    raw.length = range.size();
    raw.fd = -1;
    if (!control(handle_, IPCSHIM_ADOPT_MEM, raw, error)) {
        return {};
    }
    return {
        detail::handle(*handle_.calls(), raw.fd),
        {.size = range.size(), .inode = raw.inode, .rights = makers, .mode = memory_mode::made}};
}

} // namespace ipcshim
