// SPDX-License-Identifier: MIT
//
// What a person would see: a terminal (libvterm), as an xterm, without a window.
#ifndef IPCSHIM_TESTS_PROGRAMS_SCREEN_HPP
#define IPCSHIM_TESTS_PROGRAMS_SCREEN_HPP

#include <vterm.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace test {

struct screen_size final {
    std::uint16_t rows = 24;
    std::uint16_t columns = 80;
    bool operator==(const screen_size&) const = default;
};

// Rows and columns are counted from 0.
class screen final {
public:
    explicit screen(screen_size size);
    screen(const screen&) = delete;
    screen(screen&&) = delete;
    screen& operator=(const screen&) = delete;
    screen& operator=(screen&&) = delete;
    ~screen() = default;

    // What the program wrote.
    void feed(std::string_view bytes);
    // What the terminal has to send: keys, and answers to what the program asked.
    [[nodiscard]] std::string take_input();
    void press(VTermKey key, VTermModifier modifier = VTERM_MOD_NONE);
    void resize(screen_size size);

    [[nodiscard]] screen_size size() const;
    // Without the blanks at its end.
    [[nodiscard]] std::string row(int number) const;
    [[nodiscard]] std::vector<std::string> rows() const;
    [[nodiscard]] bool shows(std::string_view text) const;
    // The number of the first row from `from` on that is this text, or -1.
    [[nodiscard]] int row_that_is(std::string_view text, int from = 0) const;
    [[nodiscard]] int cursor_row() const;
    [[nodiscard]] int cursor_column() const;
    // Whether the character there is shown in reverse.
    [[nodiscard]] bool reversed(int row, int column) const;
    // The second screen, which editors and pagers use and leave again.
    [[nodiscard]] bool is_alternate() const noexcept { return alternate_; }
    // All of it, for a person.
    [[nodiscard]] std::string picture() const;

private:
    struct freed {
        void operator()(VTerm* vterm) const noexcept { vterm_free(vterm); }
    };
    static int set_property(VTermProp property, VTermValue* value, void* self);
    [[nodiscard]] VTermPos cursor() const;

    std::unique_ptr<VTerm, freed> vterm_;
    VTermScreen* cells_; // of vterm_
    bool alternate_ = false;
};

} // namespace test

#endif
