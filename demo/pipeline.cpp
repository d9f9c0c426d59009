// SPDX-License-Identifier: MIT
#include "pipeline.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <optional>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <ipcshim/ipcshim.hpp>
#include <nlohmann/json.hpp>

#include "actor.hpp"
#include "bus_watch.hpp"
#include "frame.hpp"

namespace demo {

namespace {

constexpr ipcshim::rights read_write = ipcshim::rights::read | ipcshim::rights::write;

/// The command code that goes with a frame that is lent.
enum class order : std::uint16_t {
    blur = 1, ///< and give it back
    keep = 2, ///< for as long as you can
};

/// A role that waits longer than this is stuck.
clock::time_point patience() {
    return clock::now() + std::chrono::seconds(12);
}

ipcshim::port open_listening_port() {
    ipcshim::port port = ipcshim::port::open();

    port.handle({ipcshim::event_code::recv_shared_mem, ipcshim::event_code::unshared_mem});
    return port;
}

ipcshim::event next_event(const ipcshim::port& port, const char* what) {
    if (std::optional<ipcshim::event> event = port.read_event(patience())) {
        return *event;
    }
    throw std::runtime_error(fmt::format("no event came that announces {}", what));
}

template <typename Value> std::string printed(Value value) {
    return std::string(ipcshim::to_string(value));
}

/// The books of what a process handed on, and of what it then could still do
/// with it: nothing, if all three are the same.
class handed_on final {
public:
    explicit handed_on(const bus_watch& watch) : watch_(watch) {}

    /// Hands a segment over, and then tries to reach it by all that was kept: a
    /// mapping, and a duplicate of the descriptor.
    template <typename Mapping>
    void pass(ipcshim::segment&& segment, const Mapping& mapping, pid_t to) {
        const ipcshim::segment twin = twin_of(segment);

        std::move(segment).hand_over(to, read_write);
        passed_++;
        try_all(twin, mapping);
    }

    /// \return what is said of it in the end
    [[nodiscard]] nlohmann::json told() const {
        return {{"state", "done"}, {"passed", passed_}, {"sigbus", sigbus_}, {"stale", stale_}};
    }

private:
    static ipcshim::segment twin_of(const ipcshim::segment& segment) {
        const int copy = ::fcntl(segment.fd(), F_DUPFD_CLOEXEC, 0);

        if (copy < 0) {
            throw std::system_error(errno, std::generic_category(), "a second descriptor");
        }
        return {ipcshim::adopt_fd, copy};
    }

    template <typename Mapping> void try_all(const ipcshim::segment& twin, const Mapping& mapping) {
        std::error_code error;

        // A write, where the mapping was made for that.
        if (!watch_.touch(mapping.template at<std::uint64_t>(pixels_offset))) {
            sigbus_++;
        }
        const ipcshim::const_mapping again = twin.map_const({}, error);
        if (error == std::errc(ESTALE) && twin.is_stale()) {
            stale_++;
        }
    }

    const bus_watch& watch_;
    std::uint32_t passed_ = 0;
    std::uint32_t sigbus_ = 0;
    std::uint32_t stale_ = 0;
};

/// Takes back what was lent. \return it, and why it came back
std::pair<ipcshim::segment, ipcshim::how> take_back(const ipcshim::port& port) {
    const ipcshim::event event = next_event(port, "the return of a frame");
    const auto back = event.as_recv_shared_mem();

    if (!back || back->mode != ipcshim::memory_mode::returned) {
        throw std::runtime_error("something else came than the frame that was lent");
    }
    return {port.claim_segment(event), back->how};
}

void lend(const ipcshim::port& port, ipcshim::segment segment, pid_t to, std::uint32_t number) {
    using namespace std::chrono_literals;
    ipcshim::share_parameters told;

    // Once it comes back in good time ...
    told.command = static_cast<std::uint16_t>(order::blur);
    {
        const ipcshim::mapping mapping = segment.map();

        put_header(mapping.bytes(), number, ::getpid());
        draw(pixels_of(mapping.bytes(), number), number);
    }
    std::move(segment).lend(to, read_write, clock::now() + 10s, told);
    auto [returned, how] = take_back(port);
    say({{"state", "returned"},
         {"number", number},
         {"how", printed(how)},
         {"sha256", sha256_of(pixels_of(returned.map_const().bytes(), number))}});

    // ... and once its time is over.
    told.command = static_cast<std::uint16_t>(order::keep);
    const clock::time_point until = clock::now() + 500ms;
    std::move(returned).lend(to, read_write, until, told);
    const auto [taken, why] = take_back(port);
    const auto late = std::chrono::duration<double, std::milli>(clock::now() - until).count();
    const ipcshim::const_mapping mapping = taken.map_const();
    say({{"state", "taken"},
         {"how", printed(why)},
         {"writes", mapping.at<std::uint64_t>(pixels_offset)},
         {"late", late}});
}

} // namespace

void run_source(pid_t filter, std::uint32_t frames) {
    const ipcshim::port port = open_listening_port();
    std::vector<ipcshim::segment> free;
    const bus_watch watch;
    handed_on books(watch);

    for (std::uint32_t n = 0; n < ring_length; n++) {
        free.push_back(port.create_segment(segment_bytes));
    }
    for (std::uint32_t number = 0; number < frames; number++) {
        if (free.empty()) {
            free.push_back(port.claim_segment(next_event(port, "a used frame")));
        }
        ipcshim::segment segment = std::move(free.back());
        free.pop_back();
        const ipcshim::mapping mapping = segment.map();

        put_header(mapping.bytes(), number, ::getpid());
        draw(pixels_of(mapping.bytes(), number), number);
        books.pass(std::move(segment), mapping, filter);
    }
    while (free.size() < ring_length) {
        free.push_back(port.claim_segment(next_event(port, "a used frame")));
    }
    lend(port, std::move(free.back()), filter, frames);
    say(books.told());
}

void run_filter(pid_t sink, std::uint32_t frames) {
    const ipcshim::port port = open_listening_port();
    const bus_watch watch;
    handed_on books(watch);

    say({{"state", "ready"}});
    for (std::uint32_t n = 0; n < frames; n++) {
        ipcshim::segment segment = port.claim_segment(next_event(port, "a frame"));
        const ipcshim::mapping mapping = segment.map();

        blur(pixels_of(mapping.bytes(), header_of(mapping.bytes()).number),
             header_of(mapping.bytes()).number);
        books.pass(std::move(segment), mapping, sink);
    }
    nlohmann::json told = books.told();

    // What is lent.
    for (const order expected : {order::blur, order::keep}) {
        const ipcshim::event event = next_event(port, "a frame on loan");
        const auto what = event.as_recv_shared_mem();

        if (!what || what->mode != ipcshim::memory_mode::lent ||
            event.command() != static_cast<std::uint16_t>(expected)) {
            throw std::runtime_error("something else came than a frame on loan");
        }
        ipcshim::segment segment = port.claim_segment(event);
        const ipcshim::mapping mapping = segment.map();

        if (expected == order::blur) {
            const std::uint32_t number = header_of(mapping.bytes()).number;
            blur(pixels_of(mapping.bytes(), number), number);
            std::move(segment).give_back();
            told["returned_sigbus"] = !watch.touch(mapping.at<std::uint64_t>(pixels_offset));
            continue;
        }
        // Writes on until that is SIGBUS.  Every write that went through counts.
        std::uint64_t writes = 0;
        while (watch.touch(mapping.at<std::uint64_t>(pixels_offset), writes + 1)) {
            writes++;
        }
        const ipcshim::event last = next_event(port, "the end of the lease");
        const auto end = last.as_unshared_mem();
        told["writes"] = writes;
        told["lease"] = end ? printed(end->how) : "not told";
    }
    say(told);
}

void run_sink(std::uint32_t frames) {
    const ipcshim::port port = open_listening_port();
    const bus_watch watch;
    handed_on books(watch);
    std::optional<clock::time_point> begin;

    say({{"state", "ready"}});
    for (std::uint32_t n = 0; n < frames; n++) {
        const ipcshim::event event = next_event(port, "a frame");
        if (!begin) {
            begin = clock::now();
        }
        ipcshim::segment segment = port.claim_segment(event);
        const ipcshim::const_mapping mapping = segment.map_const();
        const frame_header header = header_of(mapping.bytes());
        const auto pixels = pixels_of(mapping.bytes(), header.number);

        say({{"state", "frame"},
             {"number", header.number},
             {"bytes", pixels.size()},
             {"sha256", sha256_of(pixels)}});
        books.pass(std::move(segment), mapping, header.source);
    }
    nlohmann::json told = books.told();
    told["seconds"] = std::chrono::duration<double>(clock::now() - *begin).count();
    say(told);
}

} // namespace demo
