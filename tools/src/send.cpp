// SPDX-License-Identifier: MIT
#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
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

constexpr std::size_t piece = capacity_unit;

// Where the input goes, in pieces or in lines.
class outlet {
public:
    outlet() = default;
    outlet(const outlet&) = delete;
    outlet& operator=(const outlet&) = delete;
    outlet(outlet&&) = delete;
    outlet& operator=(outlet&&) = delete;
    virtual ~outlet() = default;

    virtual void write(std::span<const std::byte> bytes) = 0;
    /// Nothing more has come for now: what was kept back goes.
    virtual void flush() {}
};

class plain_outlet final : public outlet {
public:
    explicit plain_outlet(const sender& to) : to_(&to) {}
    void write(std::span<const std::byte> bytes) override { to_->write(bytes); }

private:
    const sender* to_;
};

class mapped_outlet final : public outlet {
public:
    explicit mapped_outlet(mapped_sender& to) : to_(&to) {}
    void write(std::span<const std::byte> bytes) override { to_->write(bytes); }

private:
    mapped_sender* to_;
};

// Keeps messages until there are so many, or until no more are there.
class batch_outlet final : public outlet {
public:
    batch_outlet(const sender& to, std::size_t limit) : to_(&to), messages_(limit) {}

    void write(std::span<const std::byte> bytes) override {
        messages_[used_].assign(bytes.begin(), bytes.end());
        if (++used_ == messages_.size()) {
            flush();
        }
    }
    void flush() override {
        batch_.clear();
        for (std::size_t each = 0; each < used_; ++each) {
            batch_.add(messages_[each]);
        }
        used_ = 0;
        while (!batch_.empty()) {
            batch_.skip(to_->write_batch(batch_).moved());
        }
    }

private:
    const sender* to_;
    std::vector<std::vector<std::byte>> messages_;
    std::size_t used_ = 0;
    outgoing_batch batch_;
};

// Each line is a message, with its end of line, so that an empty line is one
// too and the receiver gets back what was sent.
class line_cutter final {
public:
    explicit line_cutter(outlet& to) : to_(&to) {}

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
                put();
            }
        }
        to_->flush();
    }
    // A last line without an end is one as well.
    void finish() {
        if (!line_.empty()) {
            put();
            to_->flush();
        }
    }

private:
    void put() {
        to_->write(line_);
        line_.clear();
    }

    outlet* to_;
    std::vector<std::byte> line_;
};

void pump(const file& from, outlet& to, bool message) {
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

// The input is read into the pipe itself.
void pump_in_place(const file& from, mapped_sender& to) {
    for (;;) {
        static_cast<void>(to.reserve(1)); // waits until there is room at all
        const std::size_t count = from.read(to.reserve(piece, io_mode::some));
        if (count == 0) {
            return;
        }
        to.commit(count);
    }
}

// The sender, as it was opened or as memory. It stays until the end is told of.
struct way_out final {
    sender plain;
    mapped_sender mapped;
};

void pump_as_told(const file& from, way_out& to, const send_options& options) {
    if (options.mapped && options.message) {
        mapped_outlet outlet(to.mapped);
        pump(from, outlet, true);
    } else if (options.mapped) {
        pump_in_place(from, to.mapped);
    } else if (options.batch != 0) {
        batch_outlet outlet(to.plain, options.batch);
        pump(from, outlet, options.message);
    } else {
        plain_outlet outlet(to.plain);
        pump(from, outlet, options.message);
    }
}

} // namespace

int send(const send_options& options) {
    const file from = file::to_read(options.file);
    const port mine = port::open();
    mine.handle({event_code::pipe_closed});
    way_out to;
    to.plain = mine.open_sender(options.pid,
                                {.mode = options.message ? pipe_mode::message : pipe_mode::raw,
                                 .capacity = options.capacity,
                                 .command = options.command,
                                 .size_hint = from.size(),
                                 .mapped = options.mapped});
    const std::uint64_t inode = to.plain.info().inode();
    if (options.mapped) {
        to.mapped = mapped_sender(std::move(to.plain));
    }
    try {
        pump_as_told(from, to, options);
    } catch (const std::system_error& error) {
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
