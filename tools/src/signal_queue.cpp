// SPDX-License-Identifier: MIT
#include "signal_queue.hpp"

#include <sys/signalfd.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

namespace ipcshim::tools {

signal_queue::signal_queue(std::span<const int> signals) {
    sigset_t set{};
    sigemptyset(&set);
    for (const int signo : signals) {
        sigaddset(&set, signo);
    }
    ::pthread_sigmask(SIG_BLOCK, &set, &before_);
    fd_ = ::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK); // NOLINT(hicpp-signed-bitwise)
    if (fd_ < 0) {
        throw std::system_error(errno, std::generic_category(), "cannot watch for signals");
    }
}

signal_queue::~signal_queue() {
    ::close(fd_);
    ::pthread_sigmask(SIG_SETMASK, &before_, nullptr);
}

int signal_queue::next() const noexcept {
    signalfd_siginfo info{};
    return ::read(fd_, &info, sizeof(info)) == sizeof(info) ? static_cast<int>(info.ssi_signo) : 0;
}

} // namespace ipcshim::tools
