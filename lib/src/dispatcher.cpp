// SPDX-License-Identifier: MIT
#include <ipcshim/dispatcher.hpp>

#include <array>
#include <cstdint>
#include <utility>

#include "call.hpp"
#include "deliver.hpp"
#include "sentence.hpp"
#include "wait_time.hpp"

namespace ipcshim {

dispatcher::dispatcher(const port& source, detail::syscalls& calls) : port_(&source) {
    const int fd = calls.eventfd();
    std::error_code error;
    detail::succeeded(fd, error);
    detail::check(error, detail::attempt::dispatch, {});
    wake_ = detail::handle(calls, fd);
}

dispatcher& dispatcher::on_pipe(std::function<void(const event&, const recv_pipe&)> function) {
    handlers_.pipe = std::move(function);
    return *this;
}

dispatcher& dispatcher::on_closed(std::function<void(const event&, const pipe_closed&)> function) {
    handlers_.closed = std::move(function);
    return *this;
}

dispatcher&
dispatcher::on_memory(std::function<void(const event&, const recv_shared_mem&)> function) {
    handlers_.memory = std::move(function);
    return *this;
}

dispatcher&
dispatcher::on_unshared(std::function<void(const event&, const unshared_mem&)> function) {
    handlers_.unshared = std::move(function);
    return *this;
}

dispatcher& dispatcher::on_pty(std::function<void(const event&, const recv_pty&)> function) {
    handlers_.pty = std::move(function);
    return *this;
}

dispatcher& dispatcher::on_other(std::function<void(const event&)> function) {
    handlers_.other = std::move(function);
    return *this;
}

dispatcher&
dispatcher::on_socket(std::function<void(const event&, const recv_serv_sock&)> function) {
    handlers_.socket = std::move(function);
    return *this;
}

dispatcher&
dispatcher::on_message(std::function<void(const event&, const recv_sock_msg&)> function) {
    handlers_.message = std::move(function);
    return *this;
}

dispatcher&
dispatcher::on_request(std::function<void(const event&, const service_conn_request&)> function) {
    handlers_.request = std::move(function);
    return *this;
}

dispatcher&
dispatcher::on_socket_closed(std::function<void(const event&, const sock_closed&)> function) {
    handlers_.socket_closed = std::move(function);
    return *this;
}

std::size_t dispatcher::dispatch() {
    return port_->dispatch(handlers_);
}

std::size_t dispatcher::run() {
    return run_until(no_deadline);
}

std::size_t dispatcher::run_until(deadline until) {
    std::size_t count = 0;
    while (!stopping_.exchange(false)) {
        if (const auto next = port_->try_read_event()) {
            ++count;
            detail::deliver(*next, handlers_);
            continue;
        }
        const deadline now = deadline::clock::now();
        if (until <= now) {
            break;
        }
        const timespec left = detail::time_left(until, now);
        std::array entries{pollfd{.fd = port_->fd(), .events = POLLIN, .revents = 0},
                           pollfd{.fd = wake_.get(), .events = POLLIN, .revents = 0}};
        const int ready = wake_.calls()->poll(entries, until == no_deadline ? nullptr : &left);
        std::error_code error;
        // After a signal: look whether its handler called stop().
        if (ready != -EINTR && !detail::succeeded(ready, error)) {
            detail::check(error, detail::attempt::dispatch, {});
        }
        if (entries[1].revents != 0) {
            std::uint64_t counter = 0;
            static_cast<void>(wake_.calls()->read(wake_.get(), &counter, sizeof(counter)));
        }
    }
    return count;
}

void dispatcher::stop() noexcept {
    stopping_.store(true);
    const std::uint64_t one = 1;
    static_cast<void>(wake_.calls()->write(wake_.get(), &one, sizeof(one)));
}

int dispatcher::fd() const {
    return port_->fd();
}

} // namespace ipcshim
