// SPDX-License-Identifier: MIT
#include <ipcshim/socket.hpp>

#include <algorithm>
#include <array>
#include <cerrno>
#include <new>
#include <ostream>
#include <sstream>
#include <type_traits>

#include <ipcshim/message.hpp>

#include "call.hpp"
#include "message_words.hpp"
#include "narrow.hpp"
#include "sentence.hpp"
#include "wait_time.hpp"

namespace ipcshim {

using detail::attempt;
using detail::code_of;
using detail::control;

// The module is given an array of attachments as they are.
static_assert(sizeof(attachment) == sizeof(::ipcshim_descriptor) &&
              std::is_standard_layout_v<attachment>);

namespace {

// Most messages are no longer than this, and then nothing is allocated but what they need.
constexpr std::size_t first_room = 4096;

using carried = std::array<::ipcshim_descriptor, descriptors_max>;

std::uint64_t address_of(const void* pointer) noexcept {
    return reinterpret_cast<std::uintptr_t>(pointer);
}

// Where a message is read to: a buffer of the stack, or the message's own.
class landing final {
public:
    // Whatever can fail for want of memory is done before the module is asked, since a
    // message that was taken can't go back.
    // NOLINTNEXTLINE(*-member-init): the module fills what it uses
    landing(message& into, std::error_code& error) noexcept : into_(&into) {
        try {
            into.descriptors.clear();
            into.descriptors.reserve(descriptors_max);
            if (into.payload.size() <= first_room) {
                into.payload.reserve(first_room);
            }
        } catch (const std::bad_alloc&) {
            error = code_of(ENOMEM);
        }
    }

    [[nodiscard]] std::span<std::byte> room() noexcept {
        return into_->payload.size() > first_room ? std::span<std::byte>(into_->payload)
                                                  : std::span<std::byte>(first_);
    }
    [[nodiscard]] carried& descriptors() noexcept { return descriptors_; }

    // After EMSGSIZE: is it worth to ask again?
    bool grow(std::uint64_t needed, std::error_code& error) noexcept {
        if (needed <= room().size()) {
            return false;
        }
        try {
            into_->payload.resize(detail::to_size(needed));
            return true;
        } catch (const std::bad_alloc&) {
            error = code_of(ENOMEM);
        } catch (const std::length_error&) {
            error = code_of(ENOMEM);
        }
        return false;
    }

    void take(detail::syscalls& calls, const message_header& header) noexcept {
        const std::size_t length = std::min(detail::to_size(header.length), room().size());
        if (into_->payload.size() > first_room) {
            into_->payload.resize(length);
        } else {
            into_->payload.assign(first_.begin(), first_.begin() + static_cast<long>(length));
        }
        const std::size_t count = std::min(header.descriptors, descriptors_.size());
        for (std::size_t i = 0; i < count; ++i) {
            into_->descriptors.push_back(detail::to_received(calls, descriptors_[i]));
        }
    }

private:
    message* into_;
    std::array<std::byte, first_room> first_;
    carried descriptors_; // as many as the header says
};

void check(const std::error_code& error, attempt what, const std::string& subject,
           const message_header& header) {
    if (!error) {
        return;
    }
    std::string text = detail::sentence(what, error.value(), subject);
    if (header.end) {
        std::ostringstream how;
        how << header.end;
        text += " (other side: " + how.str() + ')';
    }
    throw socket_error(error, text, header);
}

std::string bytes_text(std::size_t size) {
    return std::to_string(size) + " bytes";
}

} // namespace

socket_error::~socket_error() = default;

struct socket::outgoing {
    exchange_id exchange = 0;
    std::uint16_t code = 0;
    std::uint16_t error = 0;
    bool concludes = false;
    std::span<const std::byte> payload{};
    std::span<const attachment> attachments{};
    deadline until = no_deadline;
    bool nowait = false;
};

void socket::require_open() const {
    if (!is_open()) {
        detail::used_closed("socket");
    }
}

int socket::fd() const {
    require_open();
    return handle_.get();
}

int socket::release() {
    require_open();
    return handle_.release();
}

std::string socket::subject() const {
    return "the " + std::string(to_string(side())) + "'s side of connection " +
           std::to_string(connection());
}

// --- sending --------------------------------------------------------------------

message_header socket::send(const outgoing& what, std::error_code& error) const noexcept {
    if (what.attachments.size() > descriptors_max) {
        error = code_of(is_open() ? EINVAL : EBADF);
        return {};
    }
    ::ipcshim_send_sock_msg raw{};
    raw.message.exchange = what.exchange;
    raw.message.length = what.payload.size();
    raw.message.code = what.code;
    raw.message.error = what.error;
    raw.message.status = what.concludes ? IPCSHIM_MESSAGE_CLOSE : 0;
    raw.message.nr_descriptors = static_cast<std::uint16_t>(what.attachments.size());
    raw.buffer = address_of(what.payload.data());
    raw.descriptors = address_of(what.attachments.data());
    raw.deadline = what.nowait ? 0 : detail::to_kernel(what.until);
    raw.flags = what.nowait ? IPCSHIM_SOCK_NOWAIT : 0;
    control(handle_, IPCSHIM_SEND_SOCK_MSG, raw, error);
    return detail::to_header(raw.message, raw.end);
}

message_header socket::open_exchange(std::uint16_t code, std::span<const std::byte> payload,
                                     const message_parameters& parameters) const {
    require_open();
    std::error_code error;
    const message_header result = open_exchange(code, payload, parameters, error);
    check(error, attempt::send_message, bytes_text(payload.size()), result);
    return result;
}

message_header socket::open_exchange(std::uint16_t code, std::span<const std::byte> payload,
                                     const message_parameters& parameters,
                                     std::error_code& error) const noexcept {
    return send({.code = code,
                 .payload = payload,
                 .attachments = parameters.attachments,
                 .until = parameters.until,
                 .nowait = parameters.nowait},
                error);
}

message_header socket::send_once(std::uint16_t code, std::span<const std::byte> payload,
                                 const message_parameters& parameters) const {
    require_open();
    std::error_code error;
    const message_header result = send_once(code, payload, parameters, error);
    check(error, attempt::send_message, bytes_text(payload.size()), result);
    return result;
}

message_header socket::send_once(std::uint16_t code, std::span<const std::byte> payload,
                                 const message_parameters& parameters,
                                 std::error_code& error) const noexcept {
    return send({.code = code,
                 .concludes = true,
                 .payload = payload,
                 .attachments = parameters.attachments,
                 .until = parameters.until,
                 .nowait = parameters.nowait},
                error);
}

message_header socket::answer(exchange_id exchange, std::span<const std::byte> payload,
                              const answer_parameters& parameters) const {
    require_open();
    std::error_code error;
    const message_header result = answer(exchange, payload, parameters, error);
    check(error, attempt::answer_message,
          bytes_text(payload.size()) + " in exchange " + std::to_string(exchange), result);
    return result;
}

message_header socket::answer(exchange_id exchange, std::span<const std::byte> payload,
                              const answer_parameters& parameters,
                              std::error_code& error) const noexcept {
    if (exchange == 0) {
        // The module would take it for a first message.
        error = code_of(is_open() ? ENOENT : EBADF);
        return {};
    }
    return send({.exchange = exchange,
                 .concludes = parameters.concludes,
                 .payload = payload,
                 .attachments = parameters.attachments},
                error);
}

message_header socket::fail(exchange_id exchange, std::uint16_t reason,
                            std::span<const std::byte> payload) const {
    require_open();
    std::error_code error;
    const message_header result = fail(exchange, reason, payload, error);
    check(error, attempt::answer_message,
          "error " + std::to_string(reason) + " in exchange " + std::to_string(exchange), result);
    return result;
}

message_header socket::fail(exchange_id exchange, std::uint16_t reason,
                            std::span<const std::byte> payload,
                            std::error_code& error) const noexcept {
    if (exchange == 0 || reason == 0) {
        error = code_of(!is_open() ? EBADF : reason == 0 ? EINVAL : ENOENT);
        return {};
    }
    return send({.exchange = exchange, .error = reason, .concludes = true, .payload = payload},
                error);
}

// --- reading --------------------------------------------------------------------

message socket::read(const read_parameters& parameters) const {
    require_open();
    message result;
    std::error_code error;
    read(result, parameters, error);
    check(error, attempt::read_message, subject(), result.header);
    return result;
}

void socket::read(message& into, const read_parameters& parameters,
                  std::error_code& error) const noexcept {
    error.clear();
    into.header = {};
    landing place(into, error);
    while (!error) {
        ::ipcshim_read_sock_msg raw{};
        raw.message.exchange = parameters.exchange;
        raw.buffer = address_of(place.room().data());
        raw.size = place.room().size();
        raw.descriptors = address_of(place.descriptors().data());
        raw.room = descriptors_max;
        raw.deadline = parameters.nowait ? 0 : detail::to_kernel(parameters.until);
        raw.flags = parameters.nowait ? IPCSHIM_SOCK_NOWAIT : 0;
        const bool taken = control(handle_, IPCSHIM_READ_SOCK_MSG, raw, error);
        into.header = detail::to_header(raw.message, raw.end);
        into.header.uid = raw.uid;
        if (taken) {
            place.take(*handle_.calls(), into.header);
            return;
        }
        if (error == std::errc::message_size && place.grow(into.header.length, error)) {
            error.clear();
        }
    }
}

message socket::call(std::uint16_t code, std::span<const std::byte> request,
                     const call_parameters& parameters) const {
    require_open();
    message result;
    std::error_code error;
    call(code, request, result, parameters, error);
    check(error, attempt::call_method, std::to_string(code), result.header);
    return result;
}

void socket::call(std::uint16_t code, std::span<const std::byte> request, message& answer,
                  const call_parameters& parameters, std::error_code& error) const noexcept {
    error.clear();
    answer.header = {};
    if (parameters.attachments.size() > descriptors_max) {
        error = code_of(is_open() ? EINVAL : EBADF);
        return;
    }
    ::ipcshim_call raw{};
    raw.message.length = request.size();
    raw.message.code = code;
    raw.message.nr_descriptors = static_cast<std::uint16_t>(parameters.attachments.size());
    raw.request = address_of(request.data());
    raw.request_descriptors = address_of(parameters.attachments.data());
    raw.deadline = detail::to_kernel(parameters.until);
    raw.room = descriptors_max;
    landing place(answer, error);
    while (!error) {
        raw.buffer = address_of(place.room().data());
        raw.size = place.room().size();
        raw.descriptors = address_of(place.descriptors().data());
        const bool answered = control(handle_, IPCSHIM_CALL, raw, error);
        answer.header = detail::to_header(raw.message, raw.end);
        answer.header.uid = raw.uid;
        if (answered) {
            place.take(*handle_.calls(), answer.header);
            return;
        }
        const bool sent = (raw.flags & IPCSHIM_CALL_SENT) != 0;
        if (!sent) {
            answer.header.exchange = 0;
        } else if (error == std::errc::message_size && place.grow(answer.header.length, error)) {
            // The same structure goes on waiting for what was asked already.
            error.clear();
        }
    }
}

// --- ending ---------------------------------------------------------------------

void socket::end() const {
    require_open();
    std::error_code error;
    end(error);
    detail::check(error, attempt::end_connection, subject());
}

void socket::end(std::error_code& error) const noexcept {
    ::ipcshim_end_service_conn raw{};
    control(handle_, IPCSHIM_END_SERVICE_CONN, raw, error);
}

void socket::close_both() const {
    require_open();
    std::error_code error;
    close_both(error);
    detail::check(error, attempt::close_socket, subject());
}

void socket::close_both(std::error_code& error) const noexcept {
    ::ipcshim_close_serv_sock raw{};
    control(handle_, IPCSHIM_CLOSE_SERV_SOCK, raw, error);
}

bool socket::nonblocking() const {
    require_open();
    return detail::is_nonblocking(handle_);
}

void socket::set_nonblocking(bool on) const {
    require_open();
    detail::make_nonblocking(handle_, on);
}

std::ostream& operator<<(std::ostream& out, const socket& value) {
    if (!value) {
        return out << "closed socket";
    }
    return out << value.side() << "'s socket (descriptor " << value.fd() << ", connection "
               << value.connection() << ')';
}

} // namespace ipcshim
