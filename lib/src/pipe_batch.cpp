// SPDX-License-Identifier: MIT
//
// Many messages in one call.
#include <ipcshim/pipe.hpp>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <string>

#include "call.hpp"
#include "check_io.hpp"
#include "sentence.hpp"
#include "wait_time.hpp"

namespace ipcshim {

using detail::attempt;

namespace {

std::string messages_name(std::size_t count) {
    return std::to_string(count) + " messages";
}

} // namespace

io_result detail::pipe_base::transfer(unsigned long request,
                                      std::span<::ipcshim_batch_entry> entries, io_mode mode,
                                      deadline until, std::error_code& error) const noexcept {
    ::ipcshim_pipe_batch raw{};
    raw.entries = reinterpret_cast<std::uintptr_t>(entries.data());
    // What does not fit the field is refused by the module, as all above its maximum.
    raw.count = static_cast<std::uint32_t>(
        std::min<std::size_t>(entries.size(), std::numeric_limits<std::uint32_t>::max()));
    raw.mode = static_cast<std::uint32_t>(mode);
    raw.deadline = to_kernel(until);
    control(handle_, request, raw, error);
    return {raw, entries.size()};
}

io_result sender::write_batch(outgoing_batch& batch, io_mode mode) const {
    require_open();
    std::error_code error;
    const io_result result = write_batch(batch, mode, error);
    detail::check_io(error, attempt::write_batch, messages_name(batch.size()), result);
    return result;
}

io_result sender::write_batch(outgoing_batch& batch, io_mode mode,
                              std::error_code& error) const noexcept {
    return transfer(IPCSHIM_WRITE_BATCH, batch.raw(), mode, no_deadline, error);
}

io_result sender::write_batch(outgoing_batch& batch, deadline until) const {
    require_open();
    std::error_code error;
    const io_result result = write_batch(batch, until, error);
    detail::check_io(error, attempt::write_batch, messages_name(batch.size()), result);
    return result;
}

io_result sender::write_batch(outgoing_batch& batch, deadline until,
                              std::error_code& error) const noexcept {
    return transfer(IPCSHIM_WRITE_BATCH, batch.raw(), io_mode::all, until, error);
}

io_result receiver::read_batch(incoming_batch& batch, io_mode mode) const {
    require_open();
    std::error_code error;
    const io_result result = read_batch(batch, mode, error);
    detail::check_io(error, attempt::read_batch, messages_name(batch.size()), result);
    return result;
}

io_result receiver::read_batch(incoming_batch& batch, io_mode mode,
                               std::error_code& error) const noexcept {
    return transfer(IPCSHIM_READ_BATCH, batch.raw(), mode, no_deadline, error);
}

io_result receiver::read_batch(incoming_batch& batch, deadline until) const {
    require_open();
    std::error_code error;
    const io_result result = read_batch(batch, until, error);
    detail::check_io(error, attempt::read_batch, messages_name(batch.size()), result);
    return result;
}

io_result receiver::read_batch(incoming_batch& batch, deadline until,
                               std::error_code& error) const noexcept {
    return transfer(IPCSHIM_READ_BATCH, batch.raw(), io_mode::all, until, error);
}

} // namespace ipcshim
