// SPDX-License-Identifier: MIT
#ifndef IPCSHIM_TOOLS_OWN_TERMINAL_HPP
#define IPCSHIM_TOOLS_OWN_TERMINAL_HPP

#include <termios.h>

#include <optional>
#include <string>

#include <ipcshim/types.hpp>

namespace ipcshim::tools {

/// "80x24" as a size; nothing if it is none.
[[nodiscard]] std::optional<window_size> parse_size(const std::string& text);

/// The size of the terminal that is this program's input, or else its output;
/// nothing if neither is one.
[[nodiscard]] std::optional<window_size> size_here();

/// The terminal that this program was started on, if its input is one. While it
/// is raw, keys go through unread; the destructor puts it back.
class own_terminal final {
public:
    own_terminal();
    own_terminal(const own_terminal&) = delete;
    own_terminal(own_terminal&&) = delete;
    own_terminal& operator=(const own_terminal&) = delete;
    own_terminal& operator=(own_terminal&&) = delete;
    ~own_terminal() { restore(); }

    /// Input is a terminal; and is output one?
    [[nodiscard]] bool is_there() const noexcept { return before_.has_value(); }
    [[nodiscard]] bool shows() const noexcept { return shows_; }
    /// As it was at the start.
    [[nodiscard]] const std::optional<termios>& before() const noexcept { return before_; }

    /// Nothing happens without a terminal. Neither waits until what was written
    /// is shown: that may be never.
    void make_raw();
    void restore() noexcept;

private:
    std::optional<termios> before_;
    bool shows_ = false;
    bool raw_ = false;
};

} // namespace ipcshim::tools

#endif
