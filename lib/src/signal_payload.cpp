// SPDX-License-Identifier: MIT
#include <ipcshim/signal.hpp>

#include <cerrno>
#include <cstring>
#include <ostream>

#include "narrow.hpp"

namespace ipcshim {

namespace {

// What signals carry of an event's data: its first bytes.
template <typename Data> Data first_of(const ::ipcshim_signal& raw) noexcept {
    static_assert(sizeof(Data) >= sizeof(raw.data));
    Data data{};
    std::memcpy(&data, &raw.data, sizeof(raw.data));
    return data;
}

} // namespace

std::optional<signal_payload> signal_payload::from(const siginfo_t& info) noexcept {
    static_assert(IPCSHIM_SIGINFO_OFFSET + sizeof(::ipcshim_signal) <= sizeof(siginfo_t));
    // Where a 64-bit siginfo has its part for each signal; a 32-bit process
    // reads its port instead.
    constexpr bool carried = sizeof(void*) == 8;
    constexpr int first_realtime = 32;
    if (!carried || info.si_code != IPCSHIM_SIGNAL_CODE || info.si_signo < first_realtime) {
        return std::nullopt;
    }
    signal_payload payload;
    std::memcpy(&payload.raw_, reinterpret_cast<const char*>(&info) + IPCSHIM_SIGINFO_OFFSET,
                sizeof(payload.raw_));
    payload.signo_ = info.si_signo;
    payload.lost_ = info.si_errno == ENOBUFS;
    return payload;
}

pid_t signal_payload::pid() const noexcept {
    return detail::to_pid(raw_.pid);
}

std::optional<recv_pipe> signal_payload::as_recv_pipe() const noexcept {
    if (code() != event_code::recv_pipe) {
        return std::nullopt;
    }
    const auto data = first_of<::ipcshim_recv_pipe>(raw_);
    return recv_pipe{.end = pipe_end{data.end},
                     .mode = pipe_mode{data.mode},
                     .capacity = data.capacity,
                     .size_hint = data.size_hint};
}

std::optional<pipe_closed> signal_payload::as_pipe_closed() const noexcept {
    if (code() != event_code::pipe_closed) {
        return std::nullopt;
    }
    const auto data = first_of<::ipcshim_pipe_closed>(raw_);
    return pipe_closed{.how = ipcshim::how{data.how},
                       .end = pipe_end{data.end},
                       .status = data.status,
                       .inode = data.inode};
}

std::optional<recv_shared_mem> signal_payload::as_recv_shared_mem() const noexcept {
    if (code() != event_code::recv_shared_mem) {
        return std::nullopt;
    }
    const auto data = first_of<::ipcshim_recv_shared_mem>(raw_);
    return recv_shared_mem{.length = data.length,
                           .mode = memory_mode{data.mode},
                           .rights = ipcshim::rights{data.rights},
                           .how = ipcshim::how{data.how},
                           .status = data.status};
}

std::optional<unshared_mem> signal_payload::as_unshared_mem() const noexcept {
    if (code() != event_code::unshared_mem) {
        return std::nullopt;
    }
    const auto data = first_of<::ipcshim_unshared_mem>(raw_);
    return unshared_mem{.how = ipcshim::how{data.how}, .status = data.status, .inode = data.inode};
}

std::optional<recv_pty> signal_payload::as_recv_pty() const noexcept {
    if (code() != event_code::recv_pty) {
        return std::nullopt;
    }
    const auto data = first_of<::ipcshim_recv_pty>(raw_);
    return recv_pty{.index = data.index,
                    .size = {.rows = data.rows,
                             .columns = data.columns,
                             .x_pixels = data.x_pixels,
                             .y_pixels = data.y_pixels}};
}

std::ostream& operator<<(std::ostream& out, const signal_payload& value) {
    out << "signal " << value.signo() << ": " << value.code() << " from process " << value.pid();
    if (value.command() != 0) {
        out << ", command " << value.command();
    }
    if (value.token() != no_token) {
        out << ", token " << value.token();
    }
    if (value.signals_lost()) {
        out << ", signals before it were lost";
    }
    return out;
}

} // namespace ipcshim
