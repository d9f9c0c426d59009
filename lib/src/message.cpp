// SPDX-License-Identifier: MIT
#include <ipcshim/message.hpp>

#include <cerrno>
#include <ostream>

#include "ending.hpp"
#include "message_words.hpp"
#include "narrow.hpp"
#include "sentence.hpp"

namespace ipcshim {

namespace detail {

message_header to_header(const ::ipcshim_message& raw, const ::ipcshim_sock_end& end) noexcept {
    return {.exchange = raw.exchange,
            .length = raw.length,
            .counter = raw.counter,
            .code = raw.code,
            .error = raw.error,
            .concludes = has_status(raw.status, IPCSHIM_MESSAGE_CLOSE),
            .opens = has_status(raw.status, IPCSHIM_MESSAGE_OPENS),
            .is_notification = has_status(raw.status, IPCSHIM_MESSAGE_NOTIFICATION),
            .descriptors = raw.nr_descriptors,
            .pid = to_pid(raw.pid),
            .end = to_end(end)};
}

// NOLINTBEGIN(cppcoreguidelines-pro-type-union-access): the kind says which
received_descriptor to_received(syscalls& calls, const ::ipcshim_descriptor& raw) noexcept {
    if (raw.fd < 0) {
        return std::monostate{};
    }
    handle found(calls, raw.fd);
    switch (raw.kind) {
    case IPCSHIM_KIND_PIPE:
        switch (pipe_end{raw.end}) {
        case pipe_end::sender:
            return sender(std::move(found), pipe_mode{raw.mode});
        case pipe_end::receiver:
            return receiver(std::move(found), pipe_mode{raw.mode});
        }
        break;
    case IPCSHIM_KIND_SEGMENT:
        return segment(std::move(found), {.size = to_size(raw.length),
                                          .inode = raw.inode,
                                          .rights = rights{raw.rights},
                                          .mode = memory_mode{raw.mode}});
    case IPCSHIM_KIND_SOCKET:
        return socket(std::move(found), {.side = role{raw.role},
                                         .message_max = raw.message_max,
                                         .connection = raw.connection,
                                         .inode = raw.inode});
    default:
        break;
    }
    return std::monostate{};
}
// NOLINTEND(cppcoreguidelines-pro-type-union-access)

} // namespace detail

attachment::attachment(int fd) noexcept {
    raw_.fd = fd;
}

attachment::attachment(const sender& end) : attachment(end.fd()) {}
attachment::attachment(const receiver& end) : attachment(end.fd()) {}
attachment::attachment(const socket& side) : attachment(side.fd()) {}

// NOLINTBEGIN(cppcoreguidelines-pro-type-union-access): of a segment these are the rights
attachment attachment::share(const segment& memory, rights granted) {
    attachment result(memory.fd());
    result.raw_.mode = IPCSHIM_MEM_MUTUAL;
    result.raw_.rights = static_cast<std::uint16_t>(granted);
    return result;
}

attachment attachment::hand_over(const segment& memory, rights granted) {
    attachment result(memory.fd());
    result.raw_.mode = IPCSHIM_MEM_EXCLUSIVE;
    result.raw_.rights = static_cast<std::uint16_t>(granted);
    return result;
}
// NOLINTEND(cppcoreguidelines-pro-type-union-access)

std::ostream& operator<<(std::ostream& out, const message_header& value) {
    out << "exchange " << value.exchange << ", message " << value.counter << ", "
        << (value.is_notification ? "notification " : "method ") << value.code;
    if (value.error != 0) {
        out << ", error " << value.error;
    }
    out << ", " << value.length << " bytes";
    if (value.descriptors != 0) {
        out << " and " << value.descriptors << " descriptors";
    }
    out << " from process " << value.pid;
    if (value.concludes) {
        out << ", concludes";
    }
    return out;
}

std::ostream& operator<<(std::ostream& out, const side_end& value) {
    if (!value) {
        return out << "not ended";
    }
    detail::print_ending(out, value.how, value.status);
    return out;
}

} // namespace ipcshim
