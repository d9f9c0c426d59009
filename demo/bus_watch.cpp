// SPDX-License-Identifier: MIT
#include "bus_watch.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdint>
#include <system_error>

namespace demo {

namespace {

// All that a signal handler can reach.
volatile std::sig_atomic_t touched = 0;
std::uintptr_t page_size = 0;

void answer(int /*signo*/, siginfo_t* info, void* /*context*/) {
    const auto at = reinterpret_cast<std::uintptr_t>(info->si_addr);
    void* const page = reinterpret_cast<void*>(at - at % page_size);

    // Else the same instruction would fault again, for ever.
    if (::mmap(page, page_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1,
               0) == MAP_FAILED) {
        ::_exit(126);
    }
    touched = 1;
}

} // namespace

bus_watch::bus_watch() {
    struct sigaction action {};

    page_size = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
    action.sa_sigaction = answer;
    action.sa_flags = SA_SIGINFO;
    if (::sigaction(SIGBUS, &action, &before_) < 0) {
        throw std::system_error(errno, std::generic_category(), "SIGBUS");
    }
}

bus_watch::~bus_watch() {
    ::sigaction(SIGBUS, &before_, nullptr);
}

bool bus_watch::touch(std::uint64_t& where, std::uint64_t value) const noexcept {
    touched = 0;
    *static_cast<volatile std::uint64_t*>(&where) = value;
    return touched == 0;
}

bool bus_watch::touch(const std::uint64_t& where) const noexcept {
    touched = 0;
    static_cast<void>(*static_cast<const volatile std::uint64_t*>(&where));
    return touched == 0;
}

} // namespace demo
