// SPDX-License-Identifier: MIT
#include "ending.hpp"

#include <fmt/format.h>

#include <cstring>

namespace ipcshim::tools {

deadline after(std::optional<double> seconds) {
    if (!seconds) {
        return no_deadline;
    }
    // Far enough to be for ever, near enough not to overflow.
    constexpr double year = 365.0 * 24 * 60 * 60;
    const std::chrono::duration<double> wanted(*seconds < year ? *seconds : year);
    return deadline::clock::now() + std::chrono::duration_cast<deadline::duration>(wanted);
}

std::optional<pipe_closed> await_ending(const port& from, std::uint64_t inode) {
    constexpr double moment = 2.0;
    const deadline until = after(moment);
    while (const auto next = from.read_event(until)) {
        const auto closed = next->as_pipe_closed();
        if (closed && closed->inode == inode) {
            return closed;
        }
    }
    return std::nullopt;
}

std::string deed(const pipe_closed& closed) {
    switch (closed.how) {
    case how::closed:
        return "closed it";
    case how::exited:
        return fmt::format("exited with code {} without closing it", closed.status);
    case how::killed:
        // NOLINTNEXTLINE(concurrency-mt-unsafe): this program has one thread
        return fmt::format("was killed by signal {} ({})", closed.status, strsignal(closed.status));
    case how::executed:
        return "executed another program";
    case how::revoked:
    case how::lease_ended:
    case how::returned:
        break;
    }
    return fmt::format("ended it ({})", to_string(closed.how));
}

bool in_order(const pipe_closed& closed) noexcept {
    return closed.how == how::closed || (closed.how == how::exited && closed.status == 0);
}

} // namespace ipcshim::tools
