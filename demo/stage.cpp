// SPDX-License-Identifier: MIT
#include "stage.hpp"

#include <algorithm>
#include <cstdio>

#include <fmt/format.h>

namespace demo {

namespace {

/// What was printed is to be seen now. Nobody can be told if that fails.
void show() {
    static_cast<void>(std::fflush(stdout));
}

constexpr std::size_t name_width = 14;

std::string repeated(std::string_view text, std::size_t count) {
    std::string all;
    while (count-- > 0) {
        all += text;
    }
    return all;
}

} // namespace

std::string megabytes(std::uint64_t bytes) {
    return fmt::format("{:.1f} MB", static_cast<double>(bytes) / 1e6);
}

std::string grouped(std::uint64_t number) {
    std::string digits = std::to_string(number);

    for (std::size_t n = digits.size(); n > 3; n -= 3) {
        digits.insert(n - 3, " ");
    }
    return digits;
}

stage::stage(look how) : look_(how) {
    look_.width = std::clamp<std::size_t>(look_.width, 60, 100);
}

std::string stage::paint(colour which, std::string_view text) const {
    if (!look_.terminal || which == colour::none) {
        return std::string(text);
    }
    const char* code = "1";
    switch (which) {
    case colour::dim:
        code = "2";
        break;
    case colour::green:
        code = "32";
        break;
    case colour::red:
        code = "1;31";
        break;
    case colour::cyan:
        code = "1;36";
        break;
    case colour::bold:
    case colour::none:
        break;
    }
    return fmt::format("\033[{}m{}\033[0m", code, text);
}

void stage::print(std::string_view line) {
    if (look_.json) {
        return;
    }
    leave_progress();
    fmt::print("{}\n", line);
    show();
}

void stage::overture(std::string_view line) {
    summary_["system"] = line;
    print("");
    print(paint(colour::bold, "  ipcshim") + paint(colour::dim, fmt::format("   {}", line)));
}

void stage::act(std::string_view title, std::string_view subtitle) {
    const std::string_view rule = look_.unicode ? "\u2500" : "-";

    acts_.push_back({{"title", title},
                     {"figures", nlohmann::json::object()},
                     {"checks", nlohmann::json::array()}});
    print("");
    print(paint(colour::cyan, fmt::format("  {}  {}", acts_.size(), title)));
    print(paint(colour::dim, "     " + repeated(rule, look_.width - 7)));
    print(paint(colour::dim, fmt::format("     {}", subtitle)));
}

void stage::broken(std::string_view why) {
    acts_.back()["broken"] = why;
    check(fmt::format("the act is played to its end: {}", why), false);
}

void stage::tell(std::string_view name, std::string_view value) {
    // A long value goes on in the next line, under itself.
    const std::size_t room = look_.width - 7 - name_width;
    std::string_view rest = value;
    std::string_view label = name;

    do {
        std::string_view part = rest;
        if (rest.size() > room) {
            const std::size_t space = rest.rfind(' ', room);
            part = rest.substr(0, space == std::string_view::npos ? room : space);
        }
        print(fmt::format("     {:<{}}{}", label, name_width, part));
        rest.remove_prefix(part.size());
        rest.remove_prefix(std::min(rest.find_first_not_of(' '), rest.size()));
        label = "";
    } while (!rest.empty());
}

void stage::detail(std::string_view value) {
    print(paint(colour::dim, fmt::format("       {}", value)));
}

void stage::line(std::string_view text) {
    const std::string_view edge = look_.unicode ? "\u2502" : "|";

    print(fmt::format("     {} {}", paint(colour::dim, edge), text));
}

void stage::figure(const std::string& name, const nlohmann::json& value) {
    acts_.back()["figures"][name] = value;
}

void stage::check(std::string_view claim, bool holds) {
    acts_.back()["checks"].push_back({{"claim", claim}, {"holds", holds}});
    if (holds) {
        held_++;
        print("     " + paint(colour::green, look_.unicode ? "\u2713 " : "ok  ") +
              std::string(claim));
    } else {
        missed_.emplace_back(claim);
        print("     " + paint(colour::red, "FAILED  ") + std::string(claim));
    }
}

void stage::progress(std::uint64_t done, std::uint64_t of, double seconds, measure what) {
    if (look_.json || !look_.terminal || of == 0) {
        return;
    }
    // A console can be slow, and drawing would be measured along.
    const auto now = std::chrono::steady_clock::now();
    if (done < of && now - drawn_ < std::chrono::milliseconds(100)) {
        return;
    }
    drawn_ = now;
    const std::size_t width = look_.width - 46;
    const auto full = static_cast<std::size_t>(std::min(done, of) * width / of);
    const double rate = seconds > 0 ? static_cast<double>(done) / seconds : 0;
    const std::string told = what == measure::bytes
                                 ? fmt::format("{:>9}  {:>6.1f} MB/s", megabytes(done), rate / 1e6)
                                 : fmt::format("{:>9}  {:>6.0f} calls/s", grouped(done), rate);

    fmt::print("\r     {}{} {:>3} %  {}\033[K",
               paint(colour::green, repeated(look_.unicode ? "\u2588" : "#", full)),
               paint(colour::dim, repeated(look_.unicode ? "\u2591" : "-", width - full)),
               std::min(done, of) * 100 / of, told);
    show();
    bar_ = done >= of ? bar::whole : bar::moving;
}

void stage::leave_progress() {
    // A bar that is whole stays to be seen.
    if (bar_ != bar::none) {
        fmt::print("{}", bar_ == bar::whole ? "\n" : "\r\033[K");
        bar_ = bar::none;
    }
}

bool stage::verdict(double seconds) {
    const bool good = missed_.empty() && held_ > 0;

    print("");
    if (good) {
        print("  " + paint(colour::green, fmt::format("All {} checks hold.", held_)) +
              fmt::format(" {} acts, {:.1f} s in the guest.", acts_.size(), seconds));
    } else {
        print("  " + paint(colour::red, fmt::format("{} of {} checks FAILED:", missed_.size(),
                                                    missed_.size() + held_)));
        for (const std::string& claim : missed_) {
            print(fmt::format("     {}", claim));
        }
    }
    print("");
    if (look_.json) {
        summary_["acts"] = acts_;
        summary_["ok"] = good;
        summary_["seconds"] = seconds;
        fmt::print("{}\n", summary_.dump(2));
        show();
    }
    return good;
}

} // namespace demo
