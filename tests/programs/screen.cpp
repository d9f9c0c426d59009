// SPDX-License-Identifier: MIT
#include "screen.hpp"

#include <algorithm>
#include <array>
#include <new>

namespace test {

screen::screen(screen_size size)
    : vterm_(vterm_new(size.rows, size.columns)), cells_(vterm_obtain_screen(vterm_.get())) {
    static constexpr VTermScreenCallbacks callbacks = [] {
        VTermScreenCallbacks all{};
        all.settermprop = set_property;
        return all;
    }();
    vterm_set_utf8(vterm_.get(), 1);
    vterm_screen_enable_altscreen(cells_, 1);
    vterm_screen_set_callbacks(cells_, &callbacks, this);
    vterm_screen_reset(cells_, 1);
}

int screen::set_property(VTermProp property, VTermValue* value, void* self) {
    if (property == VTERM_PROP_ALTSCREEN)
        static_cast<screen*>(self)->alternate_ = value->boolean != 0;
    return 1;
}

void screen::feed(std::string_view bytes) {
    vterm_input_write(vterm_.get(), bytes.data(), bytes.size());
}

std::string screen::take_input() {
    std::string bytes(vterm_output_get_buffer_current(vterm_.get()), '\0');
    bytes.resize(vterm_output_read(vterm_.get(), bytes.data(), bytes.size()));
    return bytes;
}

void screen::press(VTermKey key, VTermModifier modifier) {
    vterm_keyboard_key(vterm_.get(), key, modifier);
}

void screen::resize(screen_size size) {
    vterm_set_size(vterm_.get(), size.rows, size.columns);
}

screen_size screen::size() const {
    int rows = 0;
    int columns = 0;
    vterm_get_size(vterm_.get(), &rows, &columns);
    return {static_cast<std::uint16_t>(rows), static_cast<std::uint16_t>(columns)};
}

std::string screen::row(int number) const {
    const int columns = size().columns;
    // The longest character is four bytes, and may have some more combined with it.
    std::string text(static_cast<std::size_t>(columns) * 4 * VTERM_MAX_CHARS_PER_CELL, '\0');
    const VTermRect rectangle{number, number + 1, 0, columns};
    text.resize(vterm_screen_get_text(cells_, text.data(), text.size(), rectangle));
    text.resize(text.find_last_not_of(" \n") + 1);
    return text;
}

std::vector<std::string> screen::rows() const {
    std::vector<std::string> all;
    for (int number = 0; number < size().rows; ++number)
        all.push_back(row(number));
    return all;
}

bool screen::shows(std::string_view text) const {
    const auto all = rows();
    return std::any_of(all.begin(), all.end(), [text](const std::string& each) {
        return each.find(text) != std::string::npos;
    });
}

int screen::row_that_is(std::string_view text, int from) const {
    for (int number = from; number < size().rows; ++number) {
        if (row(number) == text)
            return number;
    }
    return -1;
}

VTermPos screen::cursor() const {
    VTermPos place{};
    vterm_state_get_cursorpos(vterm_obtain_state(vterm_.get()), &place);
    return place;
}

int screen::cursor_row() const {
    return cursor().row;
}

int screen::cursor_column() const {
    return cursor().col;
}

bool screen::reversed(int row, int column) const {
    VTermScreenCell cell{};
    return vterm_screen_get_cell(cells_, {row, column}, &cell) != 0 && cell.attrs.reverse != 0;
}

std::string screen::picture() const {
    const auto [height, width] = size();
    const std::string edge = "+" + std::string(width, '-') + "+\n";
    std::string all = edge;
    for (const auto& text : rows())
        all += "|" + text + "\n";
    return all + edge + "cursor in row " + std::to_string(cursor_row()) + ", column " +
           std::to_string(cursor_column()) + (alternate_ ? ", alternate screen" : "") + "\n";
}

} // namespace test
