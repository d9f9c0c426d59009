// SPDX-License-Identifier: MIT
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <unistd.h>

#include <cstdint>
#include <cstdio>

#include <ipcshim/port.hpp>

#include "commands.hpp"
#include "ending.hpp"
#include "event_text.hpp"

namespace ipcshim::tools {

int events(const events_options& options) {
    const port mine = port::open();
    if (options.anybody) {
        mine.set_access(access::anybody);
    }
    mine.handle(mine.query().events());
    if (!options.quiet) {
        fmt::print(stderr, "ipcshim: events to process {}\n", ::getpid());
    }
    const deadline until = after(options.seconds);
    for (std::uint64_t seen = 0; !options.count || seen < *options.count; ++seen) {
        const auto next = mine.read_event(until);
        if (!next) {
            break;
        }
        fmt::print("{}\n", options.json ? to_json(*next).dump() : to_line(*next));
        // A line at a time, also into a pipe.
        if (std::fflush(stdout) != 0) {
            return failed; // nobody reads it any more
        }
    }
    return done;
}

} // namespace ipcshim::tools
