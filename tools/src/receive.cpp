// SPDX-License-Identifier: MIT
#include <fmt/format.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <vector>

#include <ipcshim/port.hpp>

#include "commands.hpp"
#include "ending.hpp"
#include "file.hpp"

namespace ipcshim::tools {

namespace {

// The first receiver that somebody hands over; closed: none came in time.
receiver await_pipe(const port& mine, deadline until) {
    while (const auto next = mine.read_event(until)) {
        const auto pipe = next->as_recv_pipe();
        if (pipe && pipe->end == pipe_end::receiver) {
            return mine.claim_receiver(*next);
        }
        if (pipe) {
            // Taken and closed, so that its opener is told at once.
            const auto refused = mine.claim(next->token());
            fmt::print(stderr,
                       "ipcshim: process {} offered a sender, which 'receive' closes; it "
                       "wants the other direction\n",
                       next->pid());
        }
    }
    return {};
}

std::uint64_t drain(const receiver& from, const file& into) {
    // The bytes of a raw pipe as POSIX gives them: what is there, at once.
    const file stream = file::borrowed("the pipe", from.fd());
    std::vector<std::byte> buffer(capacity_unit);
    std::uint64_t total = 0;
    for (;;) {
        std::size_t count = 0;
        if (from.mode() == pipe_mode::raw) {
            count = stream.read(buffer);
        } else if (from.read_message(buffer)) {
            count = buffer.size();
        }
        if (count == 0) {
            return total;
        }
        into.write(std::span(buffer).first(count));
        total += count;
    }
}

} // namespace

int receive(const receive_options& options) {
    const port mine = port::open();
    if (options.anybody) {
        mine.set_access(access::anybody);
    }
    mine.handle({event_code::recv_pipe, event_code::pipe_closed});
    if (!options.quiet) {
        fmt::print(stderr, "ipcshim: waiting for 'ipcshim send {}'\n", ::getpid());
    }
    const receiver from = await_pipe(mine, after(options.seconds));
    if (!from) {
        fmt::print(stderr,
                   "ipcshim: no process sent anything in time; start 'ipcshim send {}' "
                   "while this one waits\n",
                   ::getpid());
        return failed;
    }
    const std::uint64_t inode = from.info().inode();
    file into = file::to_write(options.file);
    const std::uint64_t total = drain(from, into);
    into.finish();
    const auto closed = await_ending(mine, inode);
    if (closed && !in_order(*closed)) {
        fmt::print(stderr, "ipcshim: the sender {} after {} bytes; they may not be all\n",
                   deed(*closed), total);
        return failed;
    }
    return done;
}

} // namespace ipcshim::tools
