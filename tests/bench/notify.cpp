// SPDX-License-Identifier: MIT
//
// notify: one process tells itself something by a real-time signal and takes
// it: ours by SEND_PIPE (which is the least that makes an event), the signal,
// and the event read from the port; the peer by sigqueue(3) and sigwaitinfo(2).
#include "bench.hpp"

#include <signal.h>

#include <array>
#include <chrono>

namespace bench {
namespace {

const int signo = SIGRTMIN + 1;

// Blocks the signal while the row runs.
class blocked_signal final {
public:
    blocked_signal() {
        sigemptyset(&set_);
        sigaddset(&set_, signo);
        if (::sigprocmask(SIG_BLOCK, &set_, &old_) < 0) {
            fail("sigprocmask");
        }
    }
    blocked_signal(const blocked_signal&) = delete;
    blocked_signal& operator=(const blocked_signal&) = delete;
    ~blocked_signal() { ::sigprocmask(SIG_SETMASK, &old_, nullptr); }

    void wait() const {
        siginfo_t info;

        if (::sigwaitinfo(&set_, &info) != signo) {
            fail("sigwaitinfo");
        }
    }

private:
    sigset_t set_{};
    sigset_t old_{};
};

// The tokens have to be claimed and closed again, which is not part of a
// notification: that happens between two measured rounds of so many each.
constexpr std::size_t round_length = 64;

void ours(benchmark::State& state) {
    const auto port = ipcshim::port::open();
    const blocked_signal blocked;
    const auto pipe = open_pair(port, ipcshim::pipe_mode::raw, 64 * kib);
    const pid_t self = ::getpid();
    std::array<ipcshim::event, 1> event;
    std::vector<ipcshim::token> tokens(round_length);
    std::error_code error;

    port.handle({ipcshim::event_code::recv_pipe}, ipcshim::notify::signal(signo));
    port.ready();
    state.SetLabel("SEND_PIPE, signal, sigwaitinfo, event read");
    for ([[maybe_unused]] auto _ : state) {
        const auto begin = std::chrono::steady_clock::now();

        for (ipcshim::token& token : tokens) {
            token = pipe.sender.send_to(self, {}, error);
            if (error) {
                throw std::system_error(error, "SEND_PIPE");
            }
            blocked.wait();
            if (port.try_read_events(event, error) != 1) {
                throw std::system_error(error, "no event came with the signal");
            }
        }
        const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - begin;

        state.SetIterationTime(taken.count());
        for (const ipcshim::token token : tokens) {
            [[maybe_unused]] const auto claimed = port.claim(token);
        }
    }
    state.counters["in_one"] = round_length;
}

} // namespace

void add_notify(rows& all) {
    all.add_timed("notify/ours", ours);
    all.add("notify/peer", [](auto& state) {
        const blocked_signal blocked;
        sigval value{};

        state.SetLabel("sigqueue + sigwaitinfo");
        for (auto _ : state) {
            if (::sigqueue(::getpid(), signo, value) < 0) {
                fail("sigqueue");
            }
            blocked.wait();
        }
    });
}

} // namespace bench
