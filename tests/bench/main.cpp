// SPDX-License-Identifier: MIT
//
// The bench: rows of ours beside their peers and their floors, for one boot.
// Takes Google Benchmark's own options; tests/bench/run gives them.  With --wall
// as its first word it has the rows for two processors instead.
#include "bench.hpp"

#include <sys/resource.h>
#include <sys/utsname.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <iostream>
#include <string_view>

namespace {

// The rows with ten thousand ports or pipes need as many descriptors.
void allow_descriptors(rlim_t count) {
    const rlimit limit{count, count};

    if (::setrlimit(RLIMIT_NOFILE, &limit) < 0) {
        bench::fail("RLIMIT_NOFILE");
    }
}

void describe_system() {
    utsname name{};

    if (::uname(&name) < 0) {
        bench::fail("uname");
    }
    benchmark::AddCustomContext("kernel", name.release);
    benchmark::AddCustomContext("machine", name.machine);
    // What tests/bench/run knows of the machine outside.
    for (const char* const name : {"build", "load"}) {
        const std::string variable = std::string("BENCH_") + name;

        if (const char* const value = std::getenv(variable.c_str()); value != nullptr) {
            benchmark::AddCustomContext(name, value);
        }
    }
    benchmark::AddCustomContext("abi", std::to_string(ipcshim::port::open().query().abi_version()));
}

// Says on the way how far the bench is; the figures themselves go to the file.
class progress final : public benchmark::BenchmarkReporter {
public:
    explicit progress(std::size_t count) : count_(count), terminal_(::isatty(STDOUT_FILENO) == 1) {}

    bool ReportContext(const Context&) override { return true; }

    void ReportRuns(const std::vector<Run>& runs) override {
        const Run& run = runs.front();
        const std::string name = run.run_name.function_name;

        // Means and the like come in a second call.
        if (run.run_type != Run::RT_Iteration) {
            return;
        }
        done_++;
        if (run.error_occurred) {
            std::cout << clear() << name << ": " << run.error_message << '\n';
        }
        if (terminal_) {
            std::cout << clear() << bar() << ' ' << done_ << '/' << count_ << "  " << name
                      << std::flush;
        } else {
            std::cout << done_ << '/' << count_ << ' ' << name << std::endl;
        }
    }

    void Finalize() override { std::cout << clear() << std::flush; }

private:
    [[nodiscard]] const char* clear() const { return terminal_ ? "\r\033[K" : ""; }

    [[nodiscard]] std::string bar() const {
        constexpr std::size_t width = 30;
        const std::size_t full = std::min(width, width * done_ / count_);

        return '[' + std::string(full, '#') + std::string(width - full, '-') + ']';
    }

    std::size_t count_;
    std::size_t done_ = 0;
    bool terminal_;
};

void add_counted(bench::rows& all) {
    bench::add_floor(all);
    bench::add_raw(all);
    bench::add_message(all);
    bench::add_batch(all);
    bench::add_mapped(all);
    bench::add_pingpong(all);
    bench::add_uring(all);
    bench::add_pty(all);
    bench::add_handover(all);
    bench::add_segment(all);
    bench::add_call(all);
    bench::add_call_library(all);
    bench::add_notify(all);
    bench::add_open(all);
    bench::add_memory(all);
    // Last, so that what they leave behind in the system disturbs nobody.
    bench::add_zeromq(all);
    bench::add_boost(all);
}

void add_timed(bench::rows& all) {
    bench::add_floor(all);
    bench::add_wall(all);
    bench::add_wall_mapped(all);
    bench::add_wall_zeromq(all);
    bench::add_wall_boost(all);
}

} // namespace

int main(int argc, char** argv) try {
    const bool wall = argc > 1 && std::string_view(argv[1]) == "--wall";

    if (wall) {
        std::rotate(argv + 1, argv + 2, argv + argc);
        argc--;
    }
    benchmark::Initialize(&argc, argv);
    if (benchmark::ReportUnrecognizedArguments(argc, argv)) {
        return EXIT_FAILURE;
    }
    // A row whose other process is gone fails, and the others go on.
    std::signal(SIGPIPE, SIG_IGN);
    allow_descriptors(65536);
    describe_system();
    bench::rows all;
    if (wall) {
        add_timed(all);
    } else {
        add_counted(all);
    }
    progress shown(all.count());
    const std::size_t ran = benchmark::RunSpecifiedBenchmarks(&shown);
    benchmark::Shutdown();
    return ran > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
} catch (const std::exception& error) {
    std::cerr << "ipcshim-bench: " << error.what() << '\n';
    return EXIT_FAILURE;
}
