// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <ipcshim/pty.hpp>

#include "actor.hpp"

namespace demo {

/// What a terminal that prints on paper would show of a pty: the lines that
/// came out of its master. Cursor movements and colours are left out.
class screen final {
public:
    /// \param told is called with each line as soon as it is complete
    screen(const ipcshim::pty& master, std::function<void(std::string_view)> told)
        : master_(&master), told_(std::move(told)) {}

    /// Types it, as a person at the terminal would.
    void type(std::string_view keys);

    /// Reads until the last line, which nothing has ended yet, is this prompt,
    /// and, if keys were typed before, the line was completed that they were
    /// typed into, after the prompt before this one.
    /// \return the answer
    /// Throws std::runtime_error, as all of these, if it takes too long.
    std::vector<std::string> until_prompt(std::string_view prompt, clock::time_point until);
    /// Reads until a line is this one.
    void until_line(std::string_view line, clock::time_point until);
    /// Reads so many bytes more.
    void until_bytes(std::uint64_t count, clock::time_point until);
    /// Reads to the end: the last close of the slave.
    void until_end(clock::time_point until);

    /// The lines after the one that keys were typed into last.
    [[nodiscard]] std::vector<std::string> answer() const;
    [[nodiscard]] std::uint64_t bytes() const noexcept { return bytes_; }

private:
    enum class part { text, escape, sequence };

    /// \return false: the end
    bool read_more(clock::time_point until);
    void show(char letter);
    void line_is_complete();

    const ipcshim::pty* master_;
    std::function<void(std::string_view)> told_;
    std::vector<std::string> lines_;
    std::string last_;
    std::optional<std::size_t> typed_at_; ///< how many lines were there when keys were typed
    std::uint64_t bytes_ = 0;
    part part_ = part::text;
};

} // namespace demo
