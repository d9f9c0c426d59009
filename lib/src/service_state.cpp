// SPDX-License-Identifier: MIT
//
// A service's threads, and who they wait for; service_serve.cpp has what they do.
#include "service_state.hpp"

#include <algorithm>
#include <exception>
#include <stdexcept>

#include "quiet_thread.hpp"
#include "service_keys.hpp"

namespace ipcshim {

using detail::attempt;
using detail::port_key;

service::state::state(std::string_view name, const service_parameters& parameters,
                      detail::syscalls& calls)
    : port_(port::open(parameters.device, calls)), name_(name),
      ready_(calls, attempt::run_service, "'" + name_ + "'") {
    if (parameters.who != access::same_user) {
        port_.set_access(parameters.who);
    }
    published_ = port_.publish(name, {.message_max = parameters.message_max});
    number_ = published_.number();
    std::error_code error;
    ready_.add(port_.fd(), port_key, false, error);
    detail::check(error, attempt::run_service, "'" + name_ + "'");
}

service::state::~state() {
    stop();
    // Before the connections end, so that nobody connects again to what is about to go.
    std::error_code ignored;
    published_.withdraw(ignored);
}

void service::state::require_still() const {
    const std::scoped_lock lock(running_mutex_);
    if (running_ != 0) {
        throw std::logic_error("a service's functions were changed while it runs; set them "
                               "before start() and run(), or after stop()");
    }
}

// --- running ----------------------------------------------------------------------

void service::state::enter(unsigned count, bool starting) {
    const std::scoped_lock lock(running_mutex_);
    if (starting && running_ == 0 && stopping_.exchange(false)) {
        ready_.calm();
    }
    running_ += count;
    if (running_ > 1 && !several_.exchange(true)) {
        // From now on one event each. Who has one of before has read or will read, and leaves
        // the arming as it is.
        ready_.arm(port_.fd(), port_key, true);
        for (const shared& each : everybody()) {
            ready_.arm(each->socket.fd(), each->socket.connection(), true);
        }
    }
}

void service::state::leave() noexcept {
    const std::scoped_lock lock(running_mutex_);
    if (--running_ == 0 && stopping_.exchange(false)) {
        ready_.calm();
    }
}

void service::state::start(unsigned threads) {
    if (threads == 0) {
        throw std::logic_error("a service was started with no threads; it takes one at least");
    }
    const std::scoped_lock joining(joining_mutex_);
    {
        const std::scoped_lock lock(running_mutex_);
        if (running_ != 0 && !threads_.empty()) {
            throw std::logic_error("a service was started that runs already; stop() it first");
        }
    }
    join(); // those that a handler's stop() has ended
    {
        const std::scoped_lock lock(running_mutex_);
        own_.reserve(threads);
        threads_.reserve(threads);
    }
    // Counted before they run, so that a stop() from now on is for them.
    enter(threads, true);
    unsigned made = 0;
    try {
        for (; made < threads; ++made) {
            std::thread thread = detail::quiet_thread(ready_.calls(), [this] { work(); });
            const std::scoped_lock lock(running_mutex_);
            own_.push_back(thread.get_id());
            threads_.push_back(std::move(thread));
        }
    } catch (const std::exception&) {
        stopping_.store(true);
        ready_.wake();
        join();
        for (; made < threads; ++made) {
            leave();
        }
        detail::check(detail::code_of(EAGAIN), attempt::run_service, "'" + name_ + "'");
    }
}

bool service::state::within_own_thread() const noexcept {
    const std::scoped_lock lock(running_mutex_);
    return std::find(own_.begin(), own_.end(), std::this_thread::get_id()) != own_.end();
}

void service::state::stop() noexcept {
    stopping_.store(true);
    ready_.wake();
    if (within_own_thread()) {
        return;
    }
    const std::scoped_lock joining(joining_mutex_);
    join();
}

void service::state::join() noexcept {
    std::vector<std::thread> ended;
    {
        const std::scoped_lock lock(running_mutex_);
        ended.swap(threads_);
    }
    for (std::thread& each : ended) {
        each.join();
    }
    const std::scoped_lock lock(running_mutex_);
    own_.clear();
    // They may have left before a second stop(), which is not for the next run() then.
    if (!ended.empty() && running_ == 0 && stopping_.exchange(false)) {
        ready_.calm();
    }
}

void service::state::work() noexcept {
    bool goes_on = true;
    while (goes_on) {
        try {
            goes_on = step(no_deadline);
        } catch (const std::exception& error) {
            // No memory, that is; the message is lost, and its client told by nobody.
            tell(client_id{}, 0, detail::code_of(ENOMEM), error.what());
        }
    }
    leave();
}

bool service::state::step(deadline until) {
    while (!stopping_.load()) {
        const auto key = ready_.wait(until);
        if (!key) {
            return false;
        }
        if (*key == detail::ready_set::woken) {
            // stop(), or what is left of one.
            if (!stopping_.load()) {
                ready_.calm();
            }
            continue;
        }
        if (*key == port_key) {
            serve_port();
        } else {
            serve_connection(*key);
        }
        return true;
    }
    return false;
}

// --- clients ----------------------------------------------------------------------

service::state::shared service::state::find(std::uint64_t key) const {
    const std::shared_lock lock(clients_mutex_);
    const auto found = clients_.find(key);
    return found == clients_.end() ? nullptr : found->second;
}

std::vector<service::state::shared> service::state::everybody() const {
    const std::shared_lock lock(clients_mutex_);
    std::vector<shared> result;
    result.reserve(clients_.size());
    for (const auto& [key, each] : clients_) {
        result.push_back(each);
    }
    return result;
}

std::vector<client_info> service::state::clients() const {
    std::vector<client_info> result;
    for (const shared& each : everybody()) {
        result.push_back(each->info);
    }
    return result;
}

void service::state::disconnect(client_id client) noexcept {
    shared gone; // closes behind the lock
    const std::unique_lock lock(clients_mutex_);
    const auto found = clients_.find(static_cast<std::uint64_t>(client));
    if (found != clients_.end()) {
        gone = std::move(found->second);
        clients_.erase(found);
        gone->dropped.store(true);
        ready_.remove(gone->socket.fd());
    }
}

void service::state::withdraw() {
    const std::unique_lock lock(clients_mutex_);
    published_.withdraw();
}

service_counts service::state::counts() const noexcept {
    return {.taken = taken_.load(std::memory_order_relaxed),
            .vain = vain_.load(std::memory_order_relaxed)};
}

void service::state::notify(client_id client, std::uint16_t code,
                            std::span<const std::byte> payload, std::optional<deadline> until) {
    const shared who = find(static_cast<std::uint64_t>(client));
    if (!who) {
        detail::check(detail::code_of(ENOTCONN), attempt::send_message,
                      std::to_string(payload.size()) + " bytes to client " +
                          std::to_string(static_cast<std::uint64_t>(client)));
        return;
    }
    static_cast<void>(who->socket.send_once(
        code, payload, {.until = until.value_or(no_deadline), .nowait = !until}));
}

std::size_t service::state::notify_all(std::uint16_t code, std::span<const std::byte> payload) {
    std::size_t count = 0;
    for (const shared& each : everybody()) {
        std::error_code error;
        static_cast<void>(each->socket.send_once(code, payload, {.nowait = true}, error));
        if (!error) {
            ++count;
        } else if (error != std::errc::broken_pipe && error != std::errc::connection_reset) {
            tell(each->info.client, code, error,
                 detail::sentence(attempt::send_message, error.value(),
                                  std::to_string(payload.size()) + " bytes"));
        }
    }
    return count;
}

void service::state::tell(client_id client, std::uint16_t code, std::error_code error,
                          std::string text) const noexcept {
    if (!on_error) {
        return;
    }
    try {
        on_error({.client = client, .code = code, .error = error, .text = std::move(text)});
    } catch (...) { // NOLINT(bugprone-empty-catch): there is nobody else to tell
    }
}

} // namespace ipcshim
