// SPDX-License-Identifier: MIT
#include <ipcshim/client.hpp>

#include "client_state.hpp"

namespace ipcshim {

client::client(std::string_view name, const client_parameters& parameters, detail::syscalls& calls)
    : state_(std::make_unique<state>(name, parameters, calls)) {}

client::~client() = default;

std::error_code client::ask(std::uint16_t code, std::span<const std::byte> request, message& answer,
                            const call_parameters& parameters, std::string& text) {
    return state_->ask(code, request, answer, parameters, text);
}

void client::ask_async(std::uint16_t code, std::span<const std::byte> request,
                       detail::completion callback, const call_parameters& parameters) {
    state_->ask_async(code, request, std::move(callback), parameters);
}

void client::tell(std::uint16_t code, std::span<const std::byte> payload,
                  const call_parameters& parameters) {
    state_->tell(code, payload, parameters);
}

client& client::set_handler(std::uint16_t code, detail::notification_handler handler) {
    state_->set_handler(code, std::move(handler));
    return *this;
}

client& client::on_disconnect(std::function<void(const disconnection&)> handler) {
    state_->set_on_disconnect(std::move(handler));
    return *this;
}

client& client::on_reconnect(std::function<void()> handler) {
    state_->set_on_reconnect(std::move(handler));
    return *this;
}

bool client::is_connected() const noexcept {
    return !state_->link()->has_ended();
}

void client::reconnect(std::optional<deadline> until) {
    state_->reconnect(until);
}

std::uint32_t client::message_max() const noexcept {
    return state_->link()->socket().message_max();
}

std::uint64_t client::connection() const noexcept {
    return state_->link()->socket().connection();
}

std::size_t client::dispatch() {
    return state_->has_own_thread() ? 0 : state_->dispatch();
}

int client::fd() const noexcept {
    return state_->fd();
}

deadline client::next_deadline() const {
    return state_->next_deadline();
}

} // namespace ipcshim
