// SPDX-License-Identifier: MIT
//
// What a service's threads do for one event.
#include <chrono>
#include <exception>

#include "service_keys.hpp"
#include "service_state.hpp"

namespace ipcshim {

using detail::attempt;
using detail::port_key;

namespace {

// The connection has ended; not something that the answer was to carry (EPIPE, too).
bool is_gone(const std::error_code& error, const message_header& header) noexcept {
    return header.end && (error == std::errc::broken_pipe || error == std::errc::connection_reset);
}

std::uint16_t code_of(service_errc value) noexcept {
    return static_cast<std::uint16_t>(value);
}

} // namespace

// --- who connects -----------------------------------------------------------------

void service::state::serve_port() {
    const bool once = several_.load();
    event next;
    std::error_code error;
    const std::size_t count = port_.try_read_events(std::span(&next, 1), error);
    if (once) {
        ready_.arm(port_.fd(), port_key, true);
    }
    if (count == 0) {
        vain_.fetch_add(1, std::memory_order_relaxed);
        return;
    }
    taken_.fetch_add(1, std::memory_order_relaxed);
    if (next.as_service_conn_request()) {
        answer_request(next);
    }
}

void service::state::answer_request(const event& request) {
    const auto asked = request.as_service_conn_request();
    const client_info info{.client = client_id{asked->connection},
                           .pid = request.pid(),
                           .uid = request.uid(),
                           .command = request.command(),
                           .message_max = asked->message_max};
    std::optional<std::uint16_t> reason;
    if (on_connect) {
        try {
            reason = on_connect(info);
        } catch (const std::exception& error) {
            reason = code_of(service_errc::handler_failed);
            tell(info.client, 0, service_errc::handler_failed, error.what());
        } catch (...) {
            reason = code_of(service_errc::handler_failed);
            tell(info.client, 0, service_errc::handler_failed, "an exception of an unknown kind");
        }
    }
    if (!reason) {
        take_in(request, info);
        return;
    }
    std::error_code ignored; // the client may have given up
    port_.reject(request, *reason, ignored);
}

void service::state::take_in(const event& request, const client_info& info) {
    std::error_code error;
    const auto who = std::make_shared<connection>();
    who->info = info;
    {
        // Who accepts lets the client go on, which others may want to notify at once.
        const std::unique_lock lock(clients_mutex_);
        who->socket = port_.accept(request, false, error);
        if (!error) {
            clients_.emplace(who->socket.connection(), who);
        }
    }
    if (error) {
        // ENOENT: it has given up.
        if (error != std::errc::no_such_file_or_directory) {
            tell(info.client, 0, error,
                 detail::sentence(attempt::accept, error.value(), "one more client"));
            std::error_code ignored;
            port_.reject(request, code_of(service_errc::overloaded), ignored);
        }
        return;
    }
    const std::uint64_t key = who->socket.connection();
    if (on_client) {
        try {
            on_client(info);
        } catch (const std::exception& wrong) {
            tell(info.client, 0, service_errc::handler_failed, wrong.what());
        } catch (...) {
            tell(info.client, 0, service_errc::handler_failed, "an exception of an unknown kind");
        }
    }
    // Last, so that no handler runs before on_client() knows of the client; under the lock
    // that enter() has when it changes how they are armed.
    const std::scoped_lock lock(running_mutex_);
    if (!who->dropped.load()) {
        ready_.add(who->socket.fd(), key, several_.load(), error);
        if (error) {
            tell(info.client, 0, error,
                 detail::sentence(attempt::accept, error.value(), "one more client"));
            disconnect(info.client);
        }
    }
}

// --- what they ask ----------------------------------------------------------------

void service::state::serve_connection(std::uint64_t key) {
    const shared who = find(key);
    if (!who) {
        return; // disconnect()
    }
    const bool once = several_.load();
    message request;
    std::error_code error;
    who->socket.read(request, {.nowait = true}, error);
    if (is_gone(error, request.header)) {
        // Two threads can find it at the moment when a second one begins to wait, see enter().
        if (!who->ended.exchange(true)) {
            ready_.remove(who->socket.fd());
            who->end = request.header.end;
            who->in_order = error == std::errc::broken_pipe;
            release(who);
        }
        return;
    }
    if (error && error != std::errc::resource_unavailable_try_again) {
        unable(who, error);
    }
    if (!error) {
        who->users.fetch_add(1);
        who->stuck.store(false);
    }
    if (once) {
        ready_.arm(who->socket.fd(), key, true);
    }
    if (error) {
        vain_.fetch_add(1, std::memory_order_relaxed);
        return;
    }
    taken_.fetch_add(1, std::memory_order_relaxed);
    try {
        serve_message(who, std::move(request));
    } catch (...) {
        release(who);
        throw;
    }
    release(who);
}

// The message stays (no descriptors to be had for what it carries, no memory), and will be
// told of again at once: not at full speed.
void service::state::unable(const shared& who, std::error_code error) {
    using namespace std::chrono_literals;
    constexpr auto pause = 10ms;
    if (!who->stuck.exchange(true)) {
        tell(who->info.client, 0, error,
             detail::sentence(attempt::read_message, error.value(), "a client"));
    }
    const timespec time{.tv_sec = 0, .tv_nsec = std::chrono::nanoseconds(pause).count()};
    static_cast<void>(ready_.calls().poll({}, &time));
}

void service::state::serve_message(const shared& who, message&& request) {
    if (!request.header.opens) {
        return; // no exchange of ours goes on
    }
    call_context context(who->info.client, std::move(request));
    respond(who, context, methods.run(context));
}

void service::state::respond(const shared& who, call_context& context,
                             detail::call_result&& result) {
    const message_header& asked = context.header();
    if (!result.failure.empty()) {
        tell(who->info.client, asked.code, {result.error, service_category()},
             std::move(result.failure));
    }
    if (context.one_way() || who->dropped.load()) {
        return;
    }
    if (result.error != 0) {
        fail(who, asked.exchange, result.error, result.text);
        return;
    }
    std::error_code error;
    const message_header sent = who->socket.answer(asked.exchange, result.answer,
                                                   {.attachments = context.attachments()}, error);
    if (!error || is_gone(error, sent)) {
        return;
    }
    const service_errc why = error == std::errc::message_size ? service_errc::answer_too_long
                             : context.attachments().empty()  ? service_errc::handler_failed
                                                              : service_errc::attachment_failed;
    tell(who->info.client, asked.code, error,
         detail::sentence(attempt::answer_message, error.value(),
                          std::to_string(result.answer.size()) + " bytes"));
    fail(who, asked.exchange, code_of(why), {});
}

void service::state::fail(const shared& who, exchange_id exchange, std::uint16_t error,
                          std::string_view text) {
    std::error_code failed;
    const message_header sent = who->socket.fail(
        exchange, error, bytes_of(text.substr(0, who->socket.message_max())), failed);
    if (failed && !is_gone(failed, sent)) {
        tell(who->info.client, 0, failed,
             detail::sentence(attempt::answer_message, failed.value(),
                              "error " + std::to_string(error)));
    }
}

// The last of its handlers tells that a client has gone.
void service::state::release(const shared& who) noexcept {
    if (who->users.fetch_sub(1) != 1) {
        return;
    }
    {
        const std::unique_lock lock(clients_mutex_);
        clients_.erase(who->socket.connection());
    }
    if (!on_client_gone || who->dropped.load()) {
        return;
    }
    try {
        on_client_gone({.client = who->info.client,
                        .pid = who->info.pid,
                        .end = who->end,
                        .in_order = who->in_order});
    } catch (const std::exception& error) {
        tell(who->info.client, 0, service_errc::handler_failed, error.what());
    } catch (...) {
        tell(who->info.client, 0, service_errc::handler_failed, "an exception of an unknown kind");
    }
}

} // namespace ipcshim
