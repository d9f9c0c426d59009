// SPDX-License-Identifier: MIT
#include <ipcshim/uring.hpp>

#include <cerrno>
#include <stdexcept>

#include "uring_error.hpp"
#include "uring_state.hpp"

namespace ipcshim {

using detail::uring_extent;
using detail::uring_request;
using detail::uring_state;

namespace {

uring_request reading(int fd, std::span<std::byte> buffer) noexcept {
    return {.what = uring_request::kind::read,
            .fd = fd,
            .address = reinterpret_cast<std::uintptr_t>(buffer.data()),
            .size = buffer.size()};
}

uring_request writing(int fd, std::span<const std::byte> bytes) noexcept {
    return {.what = uring_request::kind::write,
            .fd = fd,
            .address = reinterpret_cast<std::uintptr_t>(bytes.data()),
            .size = bytes.size()};
}

// A message moves whole or not at all.
uring_extent whole(const detail::pipe_base& end) noexcept {
    return end.mode() == pipe_mode::message ? uring_extent::some : uring_extent::all;
}

int of_messages(const receiver& from) {
    const int fd = from.fd();
    if (from.mode() != pipe_mode::message) {
        throw io_error(detail::code_of_errno(EINVAL),
                       "cannot read a message: it is no message pipe; read() takes raw bytes",
                       io_result());
    }
    return fd;
}

// Marks the loop as running, for as long as it lives.
class running final {
public:
    explicit running(uring_state& loop) : loop_(&loop) { loop.enter(); }
    running(const running&) = delete;
    running(running&&) = delete;
    running& operator=(const running&) = delete;
    running& operator=(running&&) = delete;
    ~running() { loop_->leave(); }

private:
    uring_state* loop_;
};

} // namespace

uring::uring(unsigned entries) : state_(std::make_unique<uring_state>(entries)) {}

uring::~uring() = default;

// --- tasks --------------------------------------------------------------------

void uring::spawn(task<> work) {
    state_->spawn(std::move(work));
}

std::size_t uring::tasks() const noexcept {
    return state_->tasks();
}

void uring::run() {
    const running mark(*state_);
    while (state_->tasks() != 0 && !state_->stopped()) {
        state_->turn(no_deadline);
    }
}

void uring::drive(task<> work, const bool& ended) {
    const running mark(*state_);
    auto& root = state_->spawn(std::move(work));
    try {
        while (!ended) {
            if (state_->stopped()) {
                throw std::system_error(detail::code_of_errno(ECANCELED),
                                        "the loop was stopped before the task had ended");
            }
            state_->turn(no_deadline);
        }
    } catch (...) {
        if (!ended) { // it names what is the caller's
            state_->destroy(root);
        }
        throw;
    }
}

std::size_t uring::run_once(deadline until) {
    const running mark(*state_);
    return state_->stopped() ? 0 : state_->turn(until);
}

void uring::stop() noexcept {
    state_->stop();
}

// --- pipes --------------------------------------------------------------------

detail::uring_transfer uring::read(const receiver& from, std::span<std::byte> buffer,
                                   wait_limits limits) {
    return {*state_, reading(from.fd(), buffer), whole(from), std::move(limits), nullptr};
}

detail::uring_transfer uring::read(const receiver& from, std::span<std::byte> buffer,
                                   wait_limits limits, std::error_code& error) {
    return {*state_, reading(from.fd(), buffer), whole(from), std::move(limits), &error};
}

detail::uring_transfer uring::read_some(const receiver& from, std::span<std::byte> buffer,
                                        wait_limits limits) {
    return {*state_, reading(from.fd(), buffer), uring_extent::some, std::move(limits), nullptr};
}

detail::uring_transfer uring::read_some(const receiver& from, std::span<std::byte> buffer,
                                        wait_limits limits, std::error_code& error) {
    return {*state_, reading(from.fd(), buffer), uring_extent::some, std::move(limits), &error};
}

detail::uring_message<std::vector<std::byte>>
uring::read_message(const receiver& from, std::vector<std::byte>& message, wait_limits limits) {
    return {*state_, of_messages(from), message, std::move(limits)};
}

detail::uring_message<std::string> uring::read_message(const receiver& from, std::string& message,
                                                       wait_limits limits) {
    return {*state_, of_messages(from), message, std::move(limits)};
}

detail::uring_transfer uring::write(const sender& to, std::span<const std::byte> bytes,
                                    wait_limits limits) {
    return {*state_, writing(to.fd(), bytes), whole(to), std::move(limits), nullptr};
}

detail::uring_transfer uring::write(const sender& to, std::span<const std::byte> bytes,
                                    wait_limits limits, std::error_code& error) {
    return {*state_, writing(to.fd(), bytes), whole(to), std::move(limits), &error};
}

// --- ports, calls, and other descriptors -----------------------------------------

detail::uring_event uring::read_event(const port& from, wait_limits limits) {
    return {*state_, from.fd(), std::move(limits)};
}

detail::uring_events uring::read_events(const port& from, std::span<event> events,
                                        wait_limits limits) {
    return {*state_, from.fd(), events, std::move(limits)};
}

uring_request uring::call(int fd, std::uint32_t number, void* argument) noexcept {
    return {.what = uring_request::kind::command,
            .fd = fd,
            .address = reinterpret_cast<std::uintptr_t>(argument),
            .word = number};
}

detail::uring_count uring::read_some(int fd, std::span<std::byte> buffer, wait_limits limits) {
    return {*state_, reading(fd, buffer), std::move(limits)};
}

detail::uring_count uring::write_some(int fd, std::span<const std::byte> bytes,
                                      wait_limits limits) {
    return {*state_, writing(fd, bytes), std::move(limits)};
}

detail::uring_poll uring::poll(int fd, short wanted, wait_limits limits) {
    return {*state_,
            {.what = uring_request::kind::poll,
             .fd = fd,
             .word = static_cast<std::uint32_t>(static_cast<unsigned short>(wanted))},
            std::move(limits)};
}

detail::uring_sleep uring::sleep_until(deadline until, std::stop_token stop) {
    return {*state_, until, std::move(stop)};
}

} // namespace ipcshim
