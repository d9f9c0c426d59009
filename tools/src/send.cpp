// SPDX-License-Identifier: MIT
#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <cstdio>
#include <vector>

#include <ipcshim/port.hpp>

#include "commands.hpp"
#include "ending.hpp"
#include "file.hpp"

namespace ipcshim::tools {

namespace {

constexpr std::size_t piece = capacity_unit;

// Each line is a message, with its end of line, so that an empty line is one
// too and the receiver gets back what was sent.
class line_cutter final {
public:
    explicit line_cutter(const sender& to) : to_(&to) {}

    void take(std::span<const std::byte> bytes) {
        while (!bytes.empty()) {
            const auto end = std::find(bytes.begin(), bytes.end(), std::byte{'\n'});
            const bool whole = end != bytes.end();
            const auto used = static_cast<std::size_t>(end - bytes.begin()) + (whole ? 1 : 0);
            const auto part = bytes.first(used);
            line_.insert(line_.end(), part.begin(), part.end());
            bytes = bytes.subspan(used);
            // One that is too long already is refused, with a sentence.
            if (whole || line_.size() > message_max) {
                flush();
            }
        }
    }
    // A last line without an end is one as well.
    void finish() {
        if (!line_.empty()) {
            flush();
        }
    }

private:
    void flush() {
        to_->write(line_);
        line_.clear();
    }

    const sender* to_;
    std::vector<std::byte> line_;
};

void pump(const file& from, const sender& to, bool message) {
    std::vector<std::byte> buffer(piece);
    line_cutter lines(to);
    for (;;) {
        const std::size_t count = from.read(buffer);
        const auto bytes = std::span(buffer).first(count);
        if (count == 0) {
            lines.finish();
            return;
        }
        if (message) {
            lines.take(bytes);
        } else {
            to.write(bytes);
        }
    }
}

} // namespace

int send(const send_options& options) {
    const file from = file::to_read(options.file);
    const port mine = port::open();
    mine.handle({event_code::pipe_closed});
    const sender to = mine.open_sender(
        options.pid, {.mode = options.message ? pipe_mode::message : pipe_mode::raw,
                      .capacity = options.capacity,
                      .command = options.command,
                      .size_hint = from.size()});
    const std::uint64_t inode = to.info().inode();
    try {
        pump(from, to, options.message);
    } catch (const io_error& error) {
        if (error.code() != std::errc::broken_pipe) {
            throw;
        }
        if (const auto closed = await_ending(mine, inode)) {
            fmt::print(stderr,
                       "ipcshim: process {} {} before all was sent; {} bytes were never read\n",
                       options.pid, deed(*closed), closed->bytes_unread);
            return failed;
        }
        throw;
    }
    return done;
}

} // namespace ipcshim::tools
