// SPDX-License-Identifier: MIT
#include "client_link.hpp"

#include <cerrno>

#include "sentence.hpp"

namespace ipcshim::detail {

std::optional<message> client_link::expect(exchange_id exchange, waiting_call& call) {
    const std::scoped_lock lock(mutex_);
    if (const auto found = kept_.find(exchange); found != kept_.end()) {
        std::optional<message> answer(std::move(found->second));
        kept_.erase(found);
        return answer;
    }
    const deadline until = call.until;
    waiting_.emplace(exchange, std::move(call));
    if (until != no_deadline) {
        deadlines_.emplace(until, exchange);
    }
    return std::nullopt;
}

std::optional<completion> client_link::sort(message& answer) {
    const exchange_id exchange = answer.header.exchange;
    const std::scoped_lock lock(mutex_);
    if (const auto found = waiting_.find(exchange); found != waiting_.end()) {
        std::optional<completion> callback(std::move(found->second.callback));
        forget(exchange, found->second.until);
        return callback;
    }
    if (abandoned_.erase(exchange) != 0) {
        nr_abandoned_.store(abandoned_.size());
        return std::nullopt;
    }
    kept_.insert_or_assign(exchange, std::move(answer));
    kept_one_.notify_all();
    return std::nullopt;
}

std::error_code client_link::claim(exchange_id exchange, message& answer, deadline until) {
    std::unique_lock lock(mutex_);
    const auto settled = [&] { return kept_.contains(exchange) || ended_.load(); };
    if (until == no_deadline) {
        kept_one_.wait(lock, settled);
    } else if (!kept_one_.wait_until(lock, until, settled)) {
        return code_of(ETIMEDOUT);
    }
    const auto found = kept_.find(exchange);
    if (found == kept_.end()) {
        return code_of(ECONNRESET);
    }
    answer = std::move(found->second);
    kept_.erase(found);
    return {};
}

void client_link::abandon(exchange_id exchange) {
    const std::scoped_lock lock(mutex_);
    if (kept_.erase(exchange) == 0) {
        abandoned_.insert(exchange);
        nr_abandoned_.store(abandoned_.size());
    }
}

std::vector<completion> client_link::expire(deadline now) {
    const std::scoped_lock lock(mutex_);
    std::vector<completion> late;
    while (!deadlines_.empty() && deadlines_.begin()->first <= now) {
        const auto [until, exchange] = *deadlines_.begin();
        late.push_back(std::move(waiting_.at(exchange).callback));
        abandoned_.insert(exchange);
        nr_abandoned_.store(abandoned_.size());
        forget(exchange, until);
    }
    return late;
}

void client_link::forget(exchange_id exchange, deadline until) {
    waiting_.erase(exchange);
    if (until != no_deadline) {
        deadlines_.erase({until, exchange});
    }
}

deadline client_link::next_deadline() const {
    const std::scoped_lock lock(mutex_);
    return deadlines_.empty() ? no_deadline : deadlines_.begin()->first;
}

bool client_link::mark_ended() noexcept {
    // Under the lock, so that nobody in claim() sleeps through it.
    const std::scoped_lock lock(mutex_);
    const bool first = !ended_.exchange(true);
    kept_one_.notify_all();
    return first;
}

std::vector<completion> client_link::give_up() {
    const std::scoped_lock lock(mutex_);
    std::vector<completion> all;
    all.reserve(waiting_.size());
    for (auto& [exchange, call] : waiting_) {
        all.push_back(std::move(call.callback));
    }
    waiting_.clear();
    deadlines_.clear();
    return all;
}

} // namespace ipcshim::detail
