// SPDX-License-Identifier: MIT
//
// The writing side of a mapped pipe, where there is more to do than to copy.
#include <ipcshim/mapped.hpp>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <ostream>

#include "check_io.hpp"
#include "mapped_transfer.hpp"
#include "sentence.hpp"

namespace ipcshim {

using detail::attempt;
using detail::bytes_name;
using detail::check;
using detail::check_io;
using detail::mapped_transfer;
using detail::set_error;

mapped_sender::mapped_sender(ipcshim::sender&& end) {
    if (!end) {
        detail::used_closed("end of a pipe");
    }
    std::error_code error;
    mapped_sender made(std::move(end), error);
    check(error, attempt::map_pipe, "the sender");
    *this = std::move(made);
}

// Waits for room. Once a deadline or a signal came, `least` is enough.
int mapped_sender::await(std::uint64_t need, std::uint64_t least,
                         mapped_transfer& transfer) noexcept {
    for (;;) {
        if (const int failed = synchronize(); failed != 0) {
            return failed;
        }
        if (ring_.other_ended() != 0 || ring_.ended() != 0) {
            return transfer.because(IPCSHIM_CAUSE_CLOSED, EPIPE);
        }
        if (ring_.there() >= (transfer.stop != 0 ? least : need)) {
            return 0;
        }
        if (transfer.stop != 0) {
            return transfer.stopped();
        }
        if (transfer.mode != io_mode::all) {
            return transfer.lacks(IPCSHIM_CAUSE_FULL, need - ring_.there());
        }
        if (const int failed = transfer.waited(wait(need, transfer.until)); failed != 0) {
            return failed;
        }
    }
}

int mapped_sender::write_raw(std::span<const std::byte> bytes, mapped_transfer& transfer) noexcept {
    const std::size_t size = bytes.size();
    if (transfer.mode == io_mode::fail && size > ring_.area()) {
        return EINVAL;
    }
    // All or nothing, and what POSIX calls atomic.
    const bool whole = transfer.mode == io_mode::fail ||
                       (transfer.mode == io_mode::all && size <= IPCSHIM_PIPE_BUF);
    while (transfer.told.moved < size) {
        const std::uint64_t left = size - transfer.told.moved;
        const std::uint64_t least = whole ? size : 1;
        const std::uint64_t need = transfer.mode == io_mode::all && !whole
                                       ? mapped_transfer::step(ring_.area(), left)
                                       : least;
        if (const int failed = await(need, least, transfer); failed != 0) {
            return failed;
        }
        const std::uint64_t piece = std::min(left, ring_.there());
        std::memcpy(ring_.here(), bytes.data() + transfer.told.moved, piece);
        if (ring_.publish(piece) && !attend()) {
            return transfer.because(IPCSHIM_CAUSE_CLOSED, EPIPE);
        }
        transfer.told.moved += piece;
    }
    return 0;
}

int mapped_sender::write_message(std::span<const std::byte> bytes,
                                 mapped_transfer& transfer) noexcept {
    if (transfer.mode == io_mode::some) {
        return EINVAL;
    }
    if (bytes.size() > message_max) {
        return transfer.because(IPCSHIM_CAUSE_TOO_LONG, EMSGSIZE);
    }
    const std::uint64_t whole = detail::whole_record(bytes.size());
    if (const int failed = await(whole, whole, transfer); failed != 0) {
        return failed;
    }
    ring_.write_head(bytes.size());
    std::memcpy(ring_.here() + sizeof(::ipcshim_record), bytes.data(), bytes.size());
    if (ring_.publish(whole) && !attend()) {
        return transfer.because(IPCSHIM_CAUSE_CLOSED, EPIPE);
    }
    transfer.told.moved = bytes.size();
    return 0;
}

io_result mapped_sender::write(std::span<const std::byte> bytes, io_mode mode, deadline until,
                               std::error_code& error) noexcept {
    mapped_transfer transfer{.mode = mode, .until = until};
    int failed = 0;
    if (!ring_.is_open()) {
        failed = synchronize();
    } else if (bytes.empty()) {
        failed = 0; // as everywhere: nothing is queued
    } else if (ring_.carries_messages()) {
        failed = write_message(bytes, transfer);
    } else {
        failed = write_raw(bytes, transfer);
    }
    transfer.told.remains = ring_.there();
    set_error(error, transfer.verdict(failed));
    return {transfer.told, bytes.size()};
}

io_result mapped_sender::write_or_throw(std::span<const std::byte> bytes, io_mode mode,
                                        deadline until) {
    require_open();
    std::error_code error;
    const io_result result = write(bytes, mode, until, error);
    check_io(error, attempt::write, bytes_name(bytes.size()), result);
    return result;
}

std::span<std::byte> mapped_sender::reserve(std::size_t size, io_mode mode, deadline until,
                                            std::error_code& error) noexcept {
    mapped_transfer transfer{.mode = mode, .until = until};
    hold(0);
    const bool messages = ring_.carries_messages();
    const std::uint64_t need = messages ? detail::whole_record(size) : size;
    int failed = 0;
    if (!ring_.is_open()) {
        failed = synchronize();
    } else if (messages && size > message_max) {
        failed = EMSGSIZE;
    } else if (size == 0 || need > ring_.area() || (messages && mode == io_mode::some)) {
        failed = EINVAL;
    } else {
        failed = await(mode == io_mode::some ? 1 : need, need, transfer);
    }
    set_error(error, failed);
    if (failed != 0) {
        return {};
    }
    if (messages) {
        hold(size);
        return {ring_.here() + sizeof(::ipcshim_record), size};
    }
    hold(std::min<std::uint64_t>(size, ring_.there()));
    return {ring_.here(), static_cast<std::size_t>(held_)};
}

std::span<std::byte> mapped_sender::reserve_or_throw(std::size_t size, io_mode mode,
                                                     deadline until) {
    require_open();
    std::error_code error;
    const std::span<std::byte> room = reserve(size, mode, until, error);
    check(error, attempt::reserve, bytes_name(size));
    return room;
}

void mapped_sender::commit(std::size_t used, std::error_code& error) noexcept {
    if (!ring_.is_open()) {
        set_error(error, synchronize());
        return;
    }
    if (used == 0) {
        hold(0);
        error.clear();
        return;
    }
    // What was published where nobody will read it has failed, too.
    const int why = ring_.other_ended() != 0 ? EPIPE : EINVAL;
    set_error(error, publish(used) ? 0 : why);
}

void mapped_sender::commit_or_throw(std::size_t used) {
    require_open();
    std::error_code error;
    commit(used, error);
    check(error, attempt::commit, bytes_name(used));
}

std::ostream& operator<<(std::ostream& out, const mapped_sender& value) {
    return value ? out << "mapped sender (descriptor " << value.fd() << ')'
                 : out << "closed mapped sender";
}

} // namespace ipcshim
