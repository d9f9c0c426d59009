// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <string>

namespace demo {

/// What a store writes down before it says that something is stored: a file
/// of records, which the next store reads. Who is killed while it writes leaves
/// a last record that is cut off; it was never acknowledged, and goes.
class journal final {
public:
    enum class kind : std::uint32_t { small = 1, large = 2 };
    struct record final {
        journal::kind kind{};
        std::string key;
        std::span<const std::byte> value;
    };

    /// Hands every record that is there to a function, in order, and then goes
    /// on behind the last whole one.
    journal(const std::filesystem::path& file, const std::function<void(const record&)>& each);
    journal(const journal&) = delete;
    journal& operator=(const journal&) = delete;
    ~journal();

    /// It is in the file when this returns.
    void append(const record& what) const;

    /// Records that were there.
    [[nodiscard]] std::uint64_t found() const noexcept { return found_; }
    /// Bytes behind them that were cut off.
    [[nodiscard]] std::uint64_t cut() const noexcept { return cut_; }

private:
    std::filesystem::path file_;
    int fd_ = -1;
    std::uint64_t found_ = 0;
    std::uint64_t cut_ = 0;
};

} // namespace demo
