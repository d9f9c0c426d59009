// SPDX-License-Identifier: MIT
//
// open_*: OPEN_PIPE to a process, with few and with many ports open.
#include "bench.hpp"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/wait.h>

#include <array>
#include <chrono>
#include <memory>

namespace bench {
namespace {

// So many ports, each of another process.  The processes are gone, since they
// only had to open them: they shared this process's memory and descriptors, so
// the ports stay open here.
class population final {
public:
    void grow(std::size_t count) {
        ports_.reserve(count);
        while (ports_.size() < count) {
            ports_.push_back(another_process_opens());
        }
    }

private:
    static int open_port(void* result) {
        *static_cast<int*>(result) = ::open(ipcshim::default_device, O_RDWR | O_CLOEXEC);
        return 0;
    }

    descriptor another_process_opens() {
        int fd = -1;
        // The stack grows down.  With CLONE_VFORK this thread waits meanwhile.
        const pid_t pid = ::clone(open_port, stack_.data() + stack_.size(),
                                  CLONE_VM | CLONE_FILES | CLONE_VFORK | SIGCHLD, &fd);

        if (pid < 0) {
            fail("clone");
        }
        if (::waitpid(pid, nullptr, 0) != pid) {
            fail("waitpid");
        }
        return descriptor(fd, "another process could not open a port");
    }

    std::vector<descriptor> ports_;
    alignas(16) std::array<std::byte, 64 * kib> stack_{};
};

constexpr std::size_t round_length = 64;

void open_pipes(benchmark::State& state) {
    const auto port = ipcshim::port::open();
    const pid_t self = ::getpid();
    const ipcshim::pipe_parameters parameters;
    std::vector<ipcshim::sender> senders;
    std::array<ipcshim::event, 2 * round_length> events;
    std::error_code error;

    port.handle({ipcshim::event_code::recv_pipe});
    senders.reserve(round_length);
    state.SetLabel("OPEN_PIPE");
    for ([[maybe_unused]] auto _ : state) {
        const auto begin = std::chrono::steady_clock::now();

        for (std::size_t n = 0; n < round_length; n++) {
            senders.push_back(port.open_sender(self, parameters, error));
            if (error) {
                throw std::system_error(error, "OPEN_PIPE");
            }
        }
        const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - begin;

        state.SetIterationTime(taken.count());
        // What follows is not measured: take the other ends, and close both.
        const std::size_t count = port.try_read_events(events);

        for (std::size_t n = 0; n < count; n++) {
            if (events[n].as_recv_pipe()) {
                [[maybe_unused]] const auto end = port.claim_receiver(events[n]);
            }
        }
        senders.clear();
        while (port.try_read_events(events) > 0) {
        }
    }
    state.counters["in_one"] = round_length;
}

} // namespace

void add_open(rows& all) {
    const auto ports = std::make_shared<population>();

    all.add_timed("open_10/ours", [ports](auto& state) {
        ports->grow(10);
        open_pipes(state);
    });
    all.add_timed("open_10k/ours", [ports](auto& state) {
        ports->grow(10'000);
        open_pipes(state);
    });
}

} // namespace bench
