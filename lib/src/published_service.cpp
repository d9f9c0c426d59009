// SPDX-License-Identifier: MIT
#include <ipcshim/published_service.hpp>

#include <utility>

#include "call.hpp"
#include "sentence.hpp"

namespace ipcshim {

refused_error::~refused_error() = default;

published_service::published_service(published_service&& other) noexcept
    : calls_(other.calls_), fd_(other.fd_), number_(std::exchange(other.number_, 0)),
      name_(std::move(other.name_)) {}

published_service& published_service::operator=(published_service&& other) noexcept {
    if (this != &other) {
        std::error_code ignored;
        withdraw(ignored);
        calls_ = other.calls_;
        fd_ = other.fd_;
        number_ = std::exchange(other.number_, 0);
        name_ = std::move(other.name_);
    }
    return *this;
}

published_service::~published_service() {
    std::error_code ignored;
    withdraw(ignored);
}

void published_service::withdraw() {
    std::error_code error;
    withdraw(error);
    detail::check(error, detail::attempt::withdraw, "'" + name_ + "'");
}

void published_service::withdraw(std::error_code& error) noexcept {
    error.clear();
    if (number_ == 0) {
        return;
    }
    // Where the port is closed and the descriptor's number belongs to something else
    // by now, that is no port, or has no name of this number: those are never used again.
    ::ipcshim_withdraw raw{};
    raw.service = std::exchange(number_, 0);
    detail::succeeded(calls_->ioctl(fd_, IPCSHIM_WITHDRAW, &raw), error);
}

} // namespace ipcshim
