// SPDX-License-Identifier: MIT
#include <ipcshim/service.hpp>

#include <utility>

#include "service_state.hpp"

namespace ipcshim {

service::service(std::string_view name, const service_parameters& parameters,
                 detail::syscalls& calls)
    : state_(std::make_unique<state>(name, parameters, calls)) {}

service::~service() = default;

service& service::set_handler(std::uint16_t code, detail::call_handler handler) {
    state_->require_still();
    state_->methods.set(code, std::move(handler));
    return *this;
}

service&
service::on_connect(std::function<std::optional<std::uint16_t>(const client_info&)> predicate) {
    state_->require_still();
    state_->on_connect = std::move(predicate);
    return *this;
}

service& service::on_client(std::function<void(const client_info&)> handler) {
    state_->require_still();
    state_->on_client = std::move(handler);
    return *this;
}

service& service::on_client_gone(std::function<void(const client_gone&)> handler) {
    state_->require_still();
    state_->on_client_gone = std::move(handler);
    return *this;
}

service& service::on_error(std::function<void(const service_failure&)> handler) {
    state_->require_still();
    state_->on_error = std::move(handler);
    return *this;
}

void service::start(unsigned threads) {
    state_->start(threads);
}

void service::stop() noexcept {
    state_->stop();
}

void service::run() {
    run_until(no_deadline);
}

void service::run_until(deadline until) {
    const state::runner here(*state_);
    while (state_->step(until)) {
    }
}

bool service::run_once(deadline until) {
    const state::runner here(*state_);
    return state_->step(until);
}

std::size_t service::dispatch() {
    constexpr std::size_t at_most = 64;
    const state::runner here(*state_);
    std::size_t count = 0;
    while (count < at_most && state_->step(deadline{})) {
        ++count;
    }
    return count;
}

int service::fd() const noexcept {
    return state_->fd();
}

void service::send_notification(client_id client, std::uint16_t code,
                                std::span<const std::byte> payload, std::optional<deadline> until) {
    state_->notify(client, code, payload, until);
}

std::size_t service::send_to_all(std::uint16_t code, std::span<const std::byte> payload) {
    return state_->notify_all(code, payload);
}

std::vector<client_info> service::clients() const {
    return state_->clients();
}

void service::disconnect(client_id client) noexcept {
    state_->disconnect(client);
}

void service::withdraw() {
    state_->withdraw();
}

service_counts service::counts() const noexcept {
    return state_->counts();
}

const std::string& service::name() const noexcept {
    return state_->name();
}

std::uint64_t service::number() const noexcept {
    return state_->number();
}

} // namespace ipcshim
