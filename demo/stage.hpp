// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

namespace demo {

/// How the stage looks.
struct look final {
    bool terminal = false; ///< colours, and a progress bar that moves
    bool unicode = false;  ///< the terminal shows more than ASCII
    bool json = false;     ///< nothing but a summary for programs, at the end
    std::size_t width = 80;
};

/// Shows the acts to a person, and keeps the books: every check that is made,
/// every figure that is told.
class stage final {
public:
    explicit stage(look how);

    void overture(std::string_view line);
    /// A new act.
    void act(std::string_view title, std::string_view subtitle);
    /// An act that could not be played to its end.
    void broken(std::string_view why);

    /// A line "name   value".
    void tell(std::string_view name, std::string_view value);
    /// Something long that belongs to the line before, in a line of its own.
    void detail(std::string_view value);
    /// A line of somebody else's screen.
    void line(std::string_view text);
    /// A figure for the summary alone.
    void figure(const std::string& name, const nlohmann::json& value);
    /// Something that has to be true.
    void check(std::string_view claim, bool holds);
    /// What is counted while something goes on.
    enum class measure { bytes, calls };
    /// How far something is; drawn only where it can be drawn over.
    void progress(std::uint64_t done, std::uint64_t of, double seconds,
                  measure what = measure::bytes);

    /// The verdict. \return whether everything held
    bool verdict(double seconds);

private:
    enum class colour { none, bold, dim, green, red, cyan };
    enum class bar { none, moving, whole };

    [[nodiscard]] std::string paint(colour which, std::string_view text) const;
    void print(std::string_view line);
    void leave_progress();

    look look_;
    bar bar_ = bar::none;
    std::chrono::steady_clock::time_point drawn_{};
    std::size_t held_ = 0;
    std::vector<std::string> missed_;
    nlohmann::json acts_ = nlohmann::json::array();
    nlohmann::json summary_ = nlohmann::json::object();
};

/// 33.0 MB.
[[nodiscard]] std::string megabytes(std::uint64_t bytes);
/// 32 956 352.
[[nodiscard]] std::string grouped(std::uint64_t number);

} // namespace demo
