// SPDX-License-Identifier: MIT
//
// What a segment does with other processes; segment_map.cpp has the mapping.
#include <ipcshim/segment.hpp>

#include <array>
#include <cerrno>
#include <ostream>
#include <string>

#include "call.hpp"
#include "narrow.hpp"
#include "sentence.hpp"
#include "wait_time.hpp"

namespace ipcshim {

using detail::attempt;
using detail::check;
using detail::code_of;
using detail::control;

struct segment::request {
    pid_t pid = 0;
    ipcshim::rights granted{};
    memory_mode mode{};
    deadline until = no_deadline;
    const share_parameters& parameters;
};

segment::segment(adopt_fd_t /*tag*/, int fd, detail::syscalls& calls) {
    ::ipcshim_mem_info raw{};
    std::error_code error;
    detail::succeeded(calls.ioctl(fd, IPCSHIM_MEM_SHARING_INFO, &raw), error);
    check(error, attempt::adopt, "descriptor " + std::to_string(fd) + " as a segment");
    const segment_info found(raw);
    handle_ = detail::handle(calls, fd);
    facts_ = {.size = detail::to_size(found.length()),
              .inode = found.inode(),
              .rights = found.rights(),
              .mode = found.mode()};
}

void segment::require_open() const {
    if (!is_open()) {
        detail::used_closed("segment");
    }
}

int segment::fd() const {
    require_open();
    return handle_.get();
}

int segment::release() {
    require_open();
    return handle_.release();
}

std::string segment::subject() const {
    return "segment " + std::to_string(inode()) + " of " + std::to_string(size()) + " bytes";
}

segment_info segment::info() const {
    require_open();
    std::error_code error;
    const segment_info result = info(error);
    check(error, attempt::segment_info, subject());
    return result;
}

segment_info segment::info(std::error_code& error) const noexcept {
    ::ipcshim_mem_info raw{};
    return control(handle_, IPCSHIM_MEM_SHARING_INFO, raw, error) ? segment_info(raw)
                                                                  : segment_info();
}

std::vector<pid_t> segment::holders() const {
    require_open();
    std::vector<std::uint32_t> pids;
    for (;;) {
        ::ipcshim_mem_info raw{};
        raw.holders = reinterpret_cast<std::uintptr_t>(pids.data());
        raw.nr_holders = static_cast<std::uint32_t>(pids.size());
        std::error_code error;
        control(handle_, IPCSHIM_MEM_SHARING_INFO, raw, error);
        check(error, attempt::segment_info, subject());
        // More may have come since the count was told.
        const bool all = raw.nr_holders <= pids.size();
        pids.resize(raw.nr_holders);
        if (all) {
            break;
        }
    }
    std::vector<pid_t> result;
    result.reserve(pids.size());
    for (const std::uint32_t pid : pids) {
        result.push_back(detail::to_pid(pid));
    }
    return result;
}

bool segment::is_stale() const {
    require_open();
    std::error_code error;
    const bool result = is_stale(error);
    check(error, attempt::segment_info, subject());
    return result;
}

bool segment::is_stale(std::error_code& error) const noexcept {
    if (!is_open()) {
        error = code_of(EBADF);
        return false;
    }
    pollfd entry{.fd = handle_.get(), .events = 0, .revents = 0};
    const timespec at_once{};
    if (!detail::succeeded(handle_.calls()->poll(std::span(&entry, 1), &at_once), error)) {
        return false;
    }
    const auto found = static_cast<unsigned>(entry.revents);
    if ((found & static_cast<unsigned>(POLLNVAL)) != 0) {
        error = code_of(EBADF);
    }
    return (found & static_cast<unsigned>(POLLHUP)) != 0;
}

// --- sharing ------------------------------------------------------------------

shared_grant segment::give(const request& wanted, std::error_code& error) const noexcept {
    if (wanted.pid <= 0) {
        error = code_of(is_open() ? EINVAL : EBADF);
        return {};
    }
    const bool lending = wanted.mode == memory_mode::lent;
    ::ipcshim_share_mem raw{};
    raw.pid = static_cast<std::uint32_t>(wanted.pid);
    raw.flags = (wanted.parameters.announce ? 0U : IPCSHIM_SHARE_SKIP) |
                (lending ? IPCSHIM_SHARE_LEND : 0U);
    raw.mode = wanted.mode == memory_mode::mutual ? IPCSHIM_MEM_MUTUAL : IPCSHIM_MEM_EXCLUSIVE;
    raw.rights = static_cast<std::uint16_t>(wanted.granted);
    raw.command = wanted.parameters.command;
    raw.deadline = lending ? detail::to_kernel(wanted.until) : 0;
    if (!control(handle_, IPCSHIM_SHARE_MEM, raw, error)) {
        return {};
    }
    return {.token = token{raw.token}, .inode = raw.inode};
}

shared_grant segment::share(pid_t pid, ipcshim::rights granted,
                            const share_parameters& parameters) const {
    require_open();
    std::error_code error;
    const shared_grant result = share(pid, granted, parameters, error);
    check(error, attempt::share, detail::process_name(pid));
    return result;
}

shared_grant segment::share(pid_t pid, ipcshim::rights granted, const share_parameters& parameters,
                            std::error_code& error) const noexcept {
    return give(
        {.pid = pid, .granted = granted, .mode = memory_mode::mutual, .parameters = parameters},
        error);
}

shared_grant segment::hand_over(pid_t pid, ipcshim::rights granted,
                                const share_parameters& parameters) && {
    require_open();
    std::error_code error;
    const shared_grant result = std::move(*this).hand_over(pid, granted, parameters, error);
    check(error, attempt::hand_over, detail::process_name(pid));
    return result;
}

shared_grant segment::hand_over(pid_t pid, ipcshim::rights granted,
                                const share_parameters& parameters,
                                std::error_code& error) && noexcept {
    const shared_grant result = give(
        {.pid = pid, .granted = granted, .mode = memory_mode::exclusive, .parameters = parameters},
        error);
    if (!error) {
        close();
    }
    return result;
}

shared_grant segment::lend(pid_t pid, ipcshim::rights granted, deadline until,
                           const share_parameters& parameters) && {
    require_open();
    std::error_code error;
    const shared_grant result = std::move(*this).lend(pid, granted, until, parameters, error);
    check(error, attempt::lend, detail::process_name(pid));
    return result;
}

shared_grant segment::lend(pid_t pid, ipcshim::rights granted, deadline until,
                           const share_parameters& parameters, std::error_code& error) && noexcept {
    const shared_grant result = give({.pid = pid,
                                      .granted = granted,
                                      .mode = memory_mode::lent,
                                      .until = until,
                                      .parameters = parameters},
                                     error);
    if (!error) {
        close();
    }
    return result;
}

void segment::give_back() && {
    require_open();
    std::error_code error;
    std::move(*this).give_back(error);
    check(error, attempt::give_back, subject());
}

void segment::give_back(std::error_code& error) && noexcept {
    ::ipcshim_return_mem raw{};
    if (control(handle_, IPCSHIM_RETURN_MEM, raw, error)) {
        close();
    }
}

void segment::unshare(pid_t pid) const {
    require_open();
    std::error_code error;
    unshare(pid, error);
    check(error, attempt::unshare, detail::process_name(pid));
}

void segment::unshare(pid_t pid, std::error_code& error) const noexcept {
    // 0 would stand for everybody.
    if (pid <= 0) {
        error = code_of(is_open() ? EINVAL : EBADF);
        return;
    }
    ::ipcshim_unshare_mem raw{};
    raw.pid = static_cast<std::uint32_t>(pid);
    control(handle_, IPCSHIM_UNSHARE_MEM, raw, error);
}

std::size_t segment::unshare_all() const {
    require_open();
    std::error_code error;
    const std::size_t result = unshare_all(error);
    check(error, attempt::unshare, "everybody");
    return result;
}

std::size_t segment::unshare_all(std::error_code& error) const noexcept {
    ::ipcshim_unshare_mem raw{};
    return control(handle_, IPCSHIM_UNSHARE_MEM, raw, error) ? raw.revoked : 0;
}

dmabuf segment::export_dmabuf() const {
    require_open();
    std::error_code error;
    dmabuf result = export_dmabuf(error);
    check(error, attempt::export_dmabuf, subject());
    return result;
}

dmabuf segment::export_dmabuf(std::error_code& error) const noexcept {
    ::ipcshim_export_dmabuf raw{};
    raw.fd = -1;
    if (!control(handle_, IPCSHIM_EXPORT_DMABUF, raw, error)) {
        return {};
    }
    return dmabuf(detail::handle(*handle_.calls(), raw.fd));
}

std::ostream& operator<<(std::ostream& out, const segment& value) {
    if (!value) {
        return out << "closed segment";
    }
    return out << "segment (descriptor " << value.fd() << ", " << value.size() << " bytes, "
               << value.rights() << ')';
}

} // namespace ipcshim
