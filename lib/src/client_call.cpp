// SPDX-License-Identifier: MIT
//
// How a client asks.
#include <cerrno>

#include "client_state.hpp"

namespace ipcshim {

using detail::attempt;
using detail::client_link;
using detail::code_of;

namespace {

// The connection has ended; not something that the request was to carry (EPIPE, too).
bool is_gone(const std::error_code& error, const message_header& header) noexcept {
    return header.end && (error == std::errc::broken_pipe || error == std::errc::connection_reset);
}

} // namespace

deadline client::state::until_of(const call_parameters& parameters) const {
    if (parameters.until != no_deadline || !parameters_.call_timeout) {
        return parameters.until;
    }
    return deadline::clock::now() + *parameters_.call_timeout;
}

// Nothing was sent: is it worth to ask once more?
bool client::state::try_again(client_link& link, const message_header& header,
                              std::error_code error, unsigned attempt) {
    constexpr unsigned dying = 4;    // a service that ends as soon as it has accepted
    constexpr unsigned filling = 64; // answers that another thread reads all the time
    if (error == std::errc::interrupted) {
        return true;
    }
    if (error == std::errc::no_buffer_space) {
        // Answers fill the socket that nobody has read. None here: another thread was faster.
        return pull(link) != 0 || attempt < filling;
    }
    if (!is_gone(error, header)) {
        return false;
    }
    pull(link); // what came before the end
    ended(link, header.end);
    return parameters_.reconnect && attempt < dying;
}

std::error_code client::state::ask(std::uint16_t code, std::span<const std::byte> request,
                                   message& answer, const call_parameters& parameters,
                                   std::string& text) {
    const deadline until = until_of(parameters);
    for (unsigned attempts = 0;; ++attempts) {
        std::error_code error;
        const auto link = connected(until, error, text);
        if (error) {
            return error;
        }
        if (link->has_abandoned()) {
            pull(*link);
        }
        link->socket().call(code, request, answer,
                            {.attachments = parameters.attachments, .until = until}, error);
        if (error && answer.header.exchange != 0) {
            error = await(*link, answer, until, error);
        } else if (error && try_again(*link, answer.header, error, attempts)) {
            continue;
        }
        if (error) {
            text = detail::sentence(attempt::call_method, error.value(),
                                    std::to_string(code) + " of '" + name_ + "'");
        }
        return error;
    }
}

// The request is out, and the call has failed: for good?
std::error_code client::state::await(client_link& link, message& answer, deadline until,
                                     std::error_code error) {
    const exchange_id exchange = answer.header.exchange;
    while (error == std::errc::interrupted) {
        link.socket().read(answer, {.exchange = exchange, .until = until}, error);
    }
    if (error.value() == ESHUTDOWN) {
        // It was there for a moment when nobody waited for it, and another thread has read it.
        error = link.claim(exchange, answer, until);
    }
    if (error == std::errc::broken_pipe || error == std::errc::connection_reset) {
        const side_end end = answer.header.end;
        pull(link);
        ended(link, end);
        error = link.claim(exchange, answer, deadline{});
        return error ? code_of(ECONNRESET) : error;
    }
    if (error) {
        link.abandon(exchange);
    }
    return error;
}

void client::state::ask_async(std::uint16_t code, std::span<const std::byte> request,
                              detail::completion&& callback, const call_parameters& parameters) {
    need_thread();
    const deadline until = until_of(parameters);
    for (unsigned attempts = 0;; ++attempts) {
        std::error_code error;
        std::string text;
        const auto link = connected(until, error, text);
        if (!error) {
            const message_header sent = link->socket().open_exchange(
                code, request, {.attachments = parameters.attachments, .until = until}, error);
            if (!error) {
                expect(*link, sent.exchange, {.callback = std::move(callback), .until = until});
                return;
            }
            if (try_again(*link, sent, error, attempts)) {
                continue;
            }
            text = detail::sentence(attempt::call_method, error.value(),
                                    std::to_string(code) + " of '" + name_ + "'");
        }
        tell_one(finished_call{.callback = std::move(callback),
                               .error = error,
                               .text = std::move(text),
                               .answer = {}});
        return;
    }
}

void client::state::expect(client_link& link, exchange_id exchange, detail::waiting_call&& call) {
    const deadline until = call.until;
    if (auto answer = link.expect(exchange, call)) {
        post(finished_call{.callback = std::move(call.callback),
                           .error = {},
                           .text = {},
                           .answer = std::move(*answer)});
        return;
    }
    if (link.has_ended()) {
        // It may have ended before it was known that this one waits.
        fail_all(link);
    } else if (until != no_deadline) {
        nudge(); // it may be the earliest
    }
}

void client::state::tell(std::uint16_t code, std::span<const std::byte> payload,
                         const call_parameters& parameters) {
    const deadline until = until_of(parameters);
    for (unsigned attempts = 0;; ++attempts) {
        std::error_code error;
        std::string text;
        const auto link = connected(until, error, text);
        if (error) {
            throw std::system_error(error, text);
        }
        if (link->has_abandoned()) {
            pull(*link);
        }
        const message_header sent = link->socket().send_once(
            code, payload, {.attachments = parameters.attachments, .until = until}, error);
        if (!error) {
            return;
        }
        if (!try_again(*link, sent, error, attempts)) {
            detail::check(error, attempt::send_message,
                          std::to_string(payload.size()) + " bytes to '" + name_ + "'");
        }
    }
}

} // namespace ipcshim
