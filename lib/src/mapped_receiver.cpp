// SPDX-License-Identifier: MIT
//
// The reading side of a mapped pipe, where there is more to do than to copy.
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

mapped_receiver::mapped_receiver(ipcshim::receiver&& end) {
    if (!end) {
        detail::used_closed("end of a pipe");
    }
    std::error_code error;
    mapped_receiver made(std::move(end), error);
    check(error, attempt::map_pipe, "the receiver");
    *this = std::move(made);
}

// Waits for data, or until none will come: transfer.closed if none is left. Once a
// deadline or a signal came, `least` is enough.
int mapped_receiver::await(std::uint64_t need, std::uint64_t least,
                           mapped_transfer& transfer) noexcept {
    for (;;) {
        if (!ring_.is_open()) {
            return synchronize();
        }
        // In this order: what was written before the end is seen.
        const bool ends = ring_.other_ended() != 0;
        const bool discarded = ring_.ended() != 0;
        if (const int failed = synchronize(); failed != 0) {
            return failed;
        }
        if (discarded || (ends && ring_.there() == 0)) {
            transfer.closed = true;
            return transfer.because(IPCSHIM_CAUSE_CLOSED, 0);
        }
        if (ends || ring_.there() >= (transfer.stop != 0 ? least : need)) {
            return 0;
        }
        if (transfer.stop != 0) {
            return transfer.stopped();
        }
        if (transfer.mode != io_mode::all) {
            return transfer.lacks(IPCSHIM_CAUSE_EMPTY, need - ring_.there());
        }
        if (const int failed = transfer.waited(wait(need, transfer.until)); failed != 0) {
            return failed;
        }
    }
}

int mapped_receiver::read_raw(std::span<std::byte> buffer, mapped_transfer& transfer) noexcept {
    const std::size_t size = buffer.size();
    if (transfer.mode == io_mode::fail && size > ring_.area()) {
        return EINVAL;
    }
    while (transfer.told.moved < size) {
        const std::uint64_t left = size - transfer.told.moved;
        const std::uint64_t least = transfer.mode == io_mode::fail ? size : 1;
        const std::uint64_t need =
            transfer.mode == io_mode::all ? mapped_transfer::step(ring_.area(), left) : least;
        const int failed = await(need, least, transfer);
        if (failed != 0 || transfer.closed) {
            return failed;
        }
        const std::uint64_t piece = std::min(left, ring_.there());
        std::memcpy(buffer.data() + transfer.told.moved, ring_.here(), piece);
        transfer.told.moved += piece;
        if (ring_.publish(piece)) {
            attend();
        }
        if (transfer.mode == io_mode::some) {
            break;
        }
    }
    return 0;
}

int mapped_receiver::read_message(std::span<std::byte> buffer, mapped_transfer& transfer) noexcept {
    if (transfer.mode == io_mode::some) {
        return EINVAL;
    }
    const int failed = await(1, 1, transfer);
    if (failed != 0 || transfer.closed) {
        return failed;
    }
    const std::size_t length = ring_.record_length();
    if (length == 0) {
        return broken();
    }
    if (length > buffer.size()) {
        transfer.told.remains = length;
        return transfer.because(IPCSHIM_CAUSE_TOO_LONG, EMSGSIZE);
    }
    std::memcpy(buffer.data(), ring_.here() + sizeof(::ipcshim_record), length);
    transfer.told.moved = length;
    if (ring_.publish(detail::whole_record(length))) {
        attend();
    }
    return 0;
}

io_result mapped_receiver::read(std::span<std::byte> buffer, io_mode mode, deadline until,
                                std::error_code& error) noexcept {
    mapped_transfer transfer{.mode = mode, .until = until};
    int failed = 0;
    if (!ring_.is_open()) {
        failed = synchronize();
    } else if (buffer.empty()) {
        failed = 0; // as everywhere: nothing moves
    } else if (ring_.carries_messages()) {
        failed = read_message(buffer, transfer);
    } else {
        failed = read_raw(buffer, transfer);
    }
    if (failed != EMSGSIZE) {
        transfer.told.remains = ring_.there();
    }
    set_error(error, transfer.verdict(failed));
    return {transfer.told, buffer.size()};
}

io_result mapped_receiver::read_or_throw(std::span<std::byte> buffer, io_mode mode,
                                         deadline until) {
    require_open();
    std::error_code error;
    const io_result result = read(buffer, mode, until, error);
    check_io(error, attempt::read, bytes_name(buffer.size()), result);
    return result;
}

std::span<const std::byte> mapped_receiver::peek(std::size_t least, io_mode mode, deadline until,
                                                 std::error_code& error) noexcept {
    mapped_transfer transfer{.mode = mode, .until = until};
    hold(0);
    const bool messages = ring_.carries_messages();
    int failed = 0;
    if (!ring_.is_open()) {
        failed = synchronize();
    } else if (messages ? least != 1 || mode == io_mode::some : least - 1 >= ring_.area()) {
        failed = EINVAL;
    } else {
        const std::size_t need = mode == io_mode::some ? 1 : least;
        failed = await(need, need, transfer);
    }
    if (failed == 0 && !transfer.closed && messages) {
        const std::size_t length = ring_.record_length();
        if (length != 0) {
            hold(detail::whole_record(length));
            error.clear();
            return {ring_.here() + sizeof(::ipcshim_record), length};
        }
        failed = broken();
    }
    set_error(error, failed);
    if (failed != 0 || transfer.closed) {
        return {};
    }
    hold(ring_.there());
    return {ring_.here(), static_cast<std::size_t>(held_)};
}

std::span<const std::byte> mapped_receiver::peek_or_throw(std::size_t least, io_mode mode,
                                                          deadline until) {
    require_open();
    std::error_code error;
    const std::span<const std::byte> next = peek(least, mode, until, error);
    check(error, attempt::peek, {});
    return next;
}

void mapped_receiver::release(std::size_t count, std::error_code& error) noexcept {
    if (!ring_.is_open()) {
        set_error(error, synchronize());
        return;
    }
    const bool good = !ring_.carries_messages() && (count == 0 || retire(count));
    set_error(error, good ? 0 : EINVAL);
}

void mapped_receiver::release(std::error_code& error) noexcept {
    if (!ring_.is_open()) {
        set_error(error, synchronize());
        return;
    }
    set_error(error, retire(held_) ? 0 : EINVAL);
}

void mapped_receiver::release_or_throw(std::size_t count) {
    require_open();
    std::error_code error;
    release(count, error);
    check(error, attempt::release, bytes_name(count));
}

void mapped_receiver::release_or_throw() {
    require_open();
    std::error_code error;
    release(error);
    check(error, attempt::release, "what peek() showed");
}

std::ostream& operator<<(std::ostream& out, const mapped_receiver& value) {
    return value ? out << "mapped receiver (descriptor " << value.fd() << ')'
                 : out << "closed mapped receiver";
}

} // namespace ipcshim
