// SPDX-License-Identifier: MIT
#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <span>
#include <system_error>
#include <utility>
#include <vector>

#include <ipcshim/batch.hpp>
#include <ipcshim/mapped.hpp>
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

// What the output is given lies in the pipe itself.
std::uint64_t drain_in_place(mapped_receiver& from, const file& into) {
    std::uint64_t total = 0;
    for (auto bytes = from.peek(); !bytes.empty(); bytes = from.peek()) {
        into.write(bytes);
        total += bytes.size();
        from.release();
    }
    return total;
}

void await_message(const receiver& from) {
    pollfd entry{.fd = from.fd(), .events = POLLIN, .revents = 0};
    if (::poll(&entry, 1, -1) < 0 && errno != EINTR) {
        throw std::system_error(errno, std::system_category(), "cannot wait for the pipe");
    }
}

// As many messages in one call as wait, at most so many.
std::uint64_t drain_in_batches(const receiver& from, const file& into, std::size_t limit) {
    // Not touched before a message comes to lie there.
    // NOLINTNEXTLINE(modernize-avoid-c-arrays): how long it is is known only here
    const auto memory = std::make_unique_for_overwrite<std::byte[]>(limit * message_max);
    incoming_batch batch;
    for (std::size_t each = 0; each < limit; ++each) {
        batch.add({memory.get() + each * message_max, message_max});
    }
    std::uint64_t total = 0;
    for (;;) {
        await_message(from);
        std::error_code error;
        const io_result result = from.read_batch(batch, io_mode::some, error);
        if (error == std::errc::resource_unavailable_try_again) {
            continue; // a signal came
        }
        if (error) {
            throw std::system_error(error, "cannot read messages from the pipe");
        }
        for (std::size_t each = 0; each < result.moved(); ++each) {
            into.write(batch.message(each));
            total += batch.message(each).size();
        }
        if (result.moved() == 0) {
            return total;
        }
    }
}

// The receiver, as it was claimed or as memory. It stays until the end is told of.
struct way_in final {
    receiver plain;
    mapped_receiver mapped;
};

std::uint64_t drain_as_told(way_in& from, const file& into, const receive_options& options) {
    if (options.mapped) {
        return drain_in_place(from.mapped, into);
    }
    return options.batch != 0 ? drain_in_batches(from.plain, into, options.batch)
                              : drain(from.plain, into);
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
    way_in from;
    from.plain = await_pipe(mine, after(options.seconds));
    if (!from.plain) {
        fmt::print(stderr,
                   "ipcshim: no process sent anything in time; start 'ipcshim send {}' "
                   "while this one waits\n",
                   ::getpid());
        return failed;
    }
    if (options.batch != 0 && from.plain.mode() == pipe_mode::raw) {
        fmt::print(stderr, "ipcshim: what comes is a stream of bytes, and --batch is for "
                           "messages; send with --message, or receive without --batch\n");
        return failed;
    }
    const std::uint64_t inode = from.plain.info().inode();
    if (options.mapped) {
        from.mapped = mapped_receiver(std::move(from.plain));
    }
    file into = file::to_write(options.file);
    const std::uint64_t total = drain_as_told(from, into, options);
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
