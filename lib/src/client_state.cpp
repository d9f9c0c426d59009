// SPDX-License-Identifier: MIT
//
// A client's connection, what comes on it, and who is told; client_call.cpp has the calls.
#include "client_state.hpp"

#include <algorithm>
#include <cerrno>
#include <utility>

#include "quiet_thread.hpp"

namespace ipcshim {

using detail::attempt;
using detail::client_link;
using detail::code_of;
using namespace std::chrono_literals;

namespace {

constexpr std::chrono::nanoseconds first_pause = 100ms;

std::string quoted(const std::string& name) {
    return "'" + name + "'";
}

} // namespace

client::state::state(std::string_view name, const client_parameters& parameters,
                     detail::syscalls& calls)
    : name_(name), parameters_(parameters), port_(port::open(parameters.device, calls)),
      ready_(calls, attempt::run_client, quoted(name_)) {
    install(port_.connect(name_, {.until = deadline::clock::now() + parameters_.connect_timeout,
                                  .wait = parameters_.wait,
                                  .uid = parameters_.uid,
                                  .message_max = parameters_.message_max,
                                  .command = parameters_.command}));
}

client::state::~state() {
    stopping_.store(true);
    ready_.wake();
    if (thread_.joinable()) {
        thread_.join();
    }
    std::error_code ignored;
    link_->socket().end(ignored);
    for (news& each : news_) {
        if (auto* const call = std::get_if<finished_call>(&each)) {
            tell_one(std::move(*call));
        }
    }
    for (detail::completion& each : link_->give_up()) {
        tell_one(finished_call{.callback = std::move(each),
                               .error = code_of(ECANCELED),
                               .text = "the client was destroyed before the answer came",
                               .answer = {}});
    }
}

// --- connecting -------------------------------------------------------------------

std::shared_ptr<client_link> client::state::link() const {
    const std::scoped_lock lock(mutex_);
    return link_;
}

void client::state::install(ipcshim::socket&& side) {
    std::error_code error;
    const std::scoped_lock lock(mutex_);
    const auto fresh = std::make_shared<client_link>(std::move(side), next_key_++);
    ready_.add(fresh->socket().fd(), fresh->key(), false, error);
    detail::check(error, attempt::run_client, quoted(name_));
    link_ = fresh;
    retry_at_ = no_deadline;
    retry_pause_ = first_pause;
}

void client::state::connect_again(deadline until, std::error_code& error, std::uint16_t& reason) {
    error.clear();
    std::unique_lock one(connecting_, std::defer_lock);
    if (until == no_deadline) {
        one.lock();
    } else if (!one.try_lock_until(until)) {
        error = code_of(ETIMEDOUT);
        return;
    }
    if (!link()->has_ended()) {
        return; // another thread was faster
    }
    do {
        ipcshim::socket side = port_.connect(name_,
                                             {.until = until,
                                              .wait = parameters_.wait || parameters_.reconnect,
                                              .uid = parameters_.uid,
                                              .message_max = parameters_.message_max,
                                              .command = parameters_.command},
                                             error, reason);
        if (!error) {
            install(std::move(side));
            post(reconnected{});
        }
    } while (error == std::errc::interrupted);
}

void client::state::reconnect(std::optional<deadline> until) {
    if (!link()->has_ended()) {
        pull(*link()); // it may be known only now
    }
    std::error_code error;
    std::uint16_t reason = 0;
    connect_again(until.value_or(deadline::clock::now() + parameters_.connect_timeout), error,
                  reason);
    if (error == std::errc::connection_refused) {
        throw refused_error(error,
                            detail::sentence(attempt::connect, error.value(), quoted(name_)) +
                                " (its word: " + std::to_string(reason) + ')',
                            reason);
    }
    detail::check(error, attempt::connect, quoted(name_));
}

// The connection that a call is to go by; connects again where that is wanted.
std::shared_ptr<client_link> client::state::connected(deadline until, std::error_code& error,
                                                      std::string& text) {
    error.clear();
    if (auto now = link(); !now->has_ended()) {
        return now;
    }
    if (!parameters_.reconnect) {
        error = code_of(EPIPE);
        text = detail::sentence(attempt::send_message, EPIPE, "one more call");
        return nullptr;
    }
    std::uint16_t reason = 0;
    connect_again(std::min(until, deadline::clock::now() + parameters_.connect_timeout), error,
                  reason);
    if (error) {
        text = detail::sentence(attempt::connect, error.value(), quoted(name_));
        return nullptr;
    }
    return link();
}

// --- what comes -------------------------------------------------------------------

// Takes all that waits in the socket. \return how much
std::size_t client::state::pull(client_link& link, bool wake) {
    const std::scoped_lock one(link.reading);
    for (std::size_t count = 0;; ++count) {
        if (link.has_ended()) {
            return count;
        }
        message what;
        std::error_code error;
        link.socket().read(what, {.nowait = true}, error);
        if (!error) {
            sort(link, std::move(what), wake);
            continue;
        }
        if (error == std::errc::broken_pipe || error == std::errc::connection_reset) {
            ended(link, what.header.end);
        } else if (error != std::errc::resource_unavailable_try_again) {
            // The message stays (no descriptors to be had, no memory) and will be told of
            // again at once: not at full speed.
            const timespec pause{.tv_sec = 0, .tv_nsec = std::chrono::nanoseconds(10ms).count()};
            static_cast<void>(ready_.calls().poll({}, &pause));
        }
        return count;
    }
}

void client::state::sort(client_link& link, message&& what, bool wake) {
    if (what.header.is_notification) {
        if (what.header.opens && handler_of(what.header.code)) {
            post(unasked{std::move(what)}, wake);
        }
        return;
    }
    if (auto callback = link.sort(what)) {
        post(finished_call{.callback = std::move(*callback),
                           .error = {},
                           .text = {},
                           .answer = std::move(what)},
             wake);
    }
}

void client::state::ended(client_link& link, side_end end) {
    {
        // Under the lock, so that it is told before somebody connects again.
        const std::scoped_lock lock(mutex_);
        if (!link.mark_ended()) {
            return;
        }
        news_.emplace_back(disconnection{.connection = link.socket().connection(), .end = end});
        if (parameters_.reconnect) {
            retry_at_ = deadline::clock::now();
        }
    }
    ready_.remove(link.socket().fd());
    fail_all(link);
    nudge();
}

// Asynchronous calls whose answers will never come.
void client::state::fail_all(client_link& link) {
    for (detail::completion& each : link.give_up()) {
        post(finished_call{
            .callback = std::move(each),
            .error = code_of(ECONNRESET),
            .text = detail::sentence(attempt::call_method, ECONNRESET, "of " + quoted(name_)),
            .answer = {}});
    }
}

void client::state::expire(client_link& link) {
    for (detail::completion& each : link.expire(deadline::clock::now())) {
        post(finished_call{
            .callback = std::move(each),
            .error = code_of(ETIMEDOUT),
            .text = detail::sentence(attempt::call_method, ETIMEDOUT, "of " + quoted(name_)),
            .answer = {}});
    }
}

// One attempt to connect again, where one is due. The next one waits longer.
void client::state::keep_connected() {
    std::chrono::nanoseconds slice{};
    {
        const std::scoped_lock lock(mutex_);
        if (!link_->has_ended() || retry_at_ > deadline::clock::now()) {
            return;
        }
        slice = std::min(retry_pause_, parameters_.connect_timeout);
        retry_pause_ = std::min(2 * retry_pause_, parameters_.connect_timeout);
    }
    std::error_code error;
    std::uint16_t reason = 0;
    const deadline until = deadline::clock::now() + slice;
    connect_again(until, error, reason);
    if (error) {
        const std::scoped_lock lock(mutex_);
        retry_at_ = until; // it may have failed at once: then not at full speed
    }
}

deadline client::state::next_deadline() const {
    const std::scoped_lock lock(mutex_);
    return std::min(link_->next_deadline(), link_->has_ended() ? retry_at_ : no_deadline);
}

// --- telling ----------------------------------------------------------------------

void client::state::post(news&& what, bool wake) {
    {
        const std::scoped_lock lock(mutex_);
        news_.push_back(std::move(what));
    }
    if (wake) {
        nudge();
    }
}

// Whoever tells the news, or waits until it is time for something, looks again.
void client::state::nudge() {
    const std::scoped_lock lock(mutex_);
    nudged_ = true;
    ready_.wake();
}

std::size_t client::state::tell_news() {
    for (std::size_t count = 0;; ++count) {
        std::optional<news> next;
        {
            const std::scoped_lock lock(mutex_);
            if (news_.empty()) {
                // Under the lock: who posts from now on wakes again.
                if (std::exchange(nudged_, false) && !stopping_.load()) {
                    ready_.calm();
                }
                return count;
            }
            next = std::move(news_.front());
            news_.pop_front();
        }
        tell_one(std::move(*next));
    }
}

void client::state::tell_one(news&& what) {
    try {
        if (auto* const call = std::get_if<finished_call>(&what)) {
            call->callback(call->error, std::move(call->text), std::move(call->answer));
        } else if (auto* const message = std::get_if<unasked>(&what)) {
            if (const auto handler = handler_of(message->what.header.code)) {
                (*handler)(message->what);
            }
        } else if (const auto* const end = std::get_if<disconnection>(&what)) {
            std::unique_lock lock(mutex_);
            const auto handler = on_disconnect_;
            lock.unlock();
            if (handler) {
                (*handler)(*end);
            }
        } else {
            std::unique_lock lock(mutex_);
            const auto handler = on_reconnect_;
            lock.unlock();
            if (handler) {
                (*handler)();
            }
        }
    } catch (...) { // NOLINT(bugprone-empty-catch): as client.hpp says
    }
}

std::size_t client::state::dispatch() {
    if (const auto now = link(); !now->has_ended()) {
        pull(*now, false);
        expire(*now);
    }
    std::size_t count = tell_news();
    keep_connected();
    count += tell_news();
    return count;
}

void client::state::need_thread() {
    if (!parameters_.own_thread) {
        return;
    }
    const std::scoped_lock lock(mutex_);
    if (!thread_.joinable() && !stopping_.load()) {
        thread_ = detail::quiet_thread(ready_.calls(), [this] { work(); });
    }
}

void client::state::work() noexcept {
    while (!stopping_.load()) {
        try {
            static_cast<void>(ready_.wait(next_deadline()));
            if (!stopping_.load()) {
                static_cast<void>(dispatch());
            }
        } catch (const std::exception&) {
            // No memory; what could not be told of is tried again.
            const timespec pause{.tv_sec = 0, .tv_nsec = std::chrono::nanoseconds(10ms).count()};
            static_cast<void>(ready_.calls().poll({}, &pause));
        }
    }
}

// --- handlers ---------------------------------------------------------------------

client::state::shared_handler client::state::handler_of(std::uint16_t code) const {
    const std::scoped_lock lock(mutex_);
    const auto found = handlers_.find(code);
    return found == handlers_.end() ? nullptr : found->second;
}

void client::state::set_handler(std::uint16_t code, detail::notification_handler&& handler) {
    {
        const std::scoped_lock lock(mutex_);
        if (handler) {
            handlers_.insert_or_assign(
                code, std::make_shared<detail::notification_handler>(std::move(handler)));
        } else {
            handlers_.erase(code);
        }
    }
    need_thread();
}

void client::state::set_on_disconnect(std::function<void(const disconnection&)>&& handler) {
    {
        const std::scoped_lock lock(mutex_);
        on_disconnect_ =
            handler
                ? std::make_shared<std::function<void(const disconnection&)>>(std::move(handler))
                : nullptr;
    }
    need_thread();
}

void client::state::set_on_reconnect(std::function<void()>&& handler) {
    {
        const std::scoped_lock lock(mutex_);
        on_reconnect_ =
            handler ? std::make_shared<std::function<void()>>(std::move(handler)) : nullptr;
    }
    need_thread();
}

} // namespace ipcshim
