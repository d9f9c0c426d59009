// SPDX-License-Identifier: MIT
#pragma once

#include <sys/types.h>

#include <chrono>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

namespace demo {

using clock = std::chrono::steady_clock;

/// Milliseconds for poll(2): not before the point in time, and a minute at most.
[[nodiscard]] int milliseconds(clock::time_point until);

/// A process of the demo: this program again, executed in a role, as a user of
/// its own if asked. It tells what it does in lines of JSON on its standard
/// output; its standard error is ours. Killed and reaped when this object ends,
/// and by the kernel if the whole demo is killed.
class actor final {
public:
    /// \param words the role and its arguments
    /// \param uid who it runs as; nothing: as we do
    explicit actor(std::vector<std::string> words, std::optional<uid_t> uid = {});
    actor(const actor&) = delete;
    actor& operator=(const actor&) = delete;
    actor(actor&& other) noexcept;
    actor& operator=(actor&&) = delete;
    ~actor();

    [[nodiscard]] pid_t pid() const noexcept { return pid_; }
    [[nodiscard]] const std::string& role() const noexcept { return role_; }

    /// The next thing that it says. Throws std::runtime_error if it says that
    /// it failed, ends without a word, or says nothing until then.
    [[nodiscard]] nlohmann::json hear(clock::time_point until);
    /// The same, and it must be this state.
    nlohmann::json expect(const std::string& state, clock::time_point until);
    /// SIGKILL, and until it is reaped. Its pid is free then.
    void kill();
    /// SIGSTOP, and until none of its threads runs any more.
    void stop();
    /// SIGCONT.
    void go_on() const;

    /// Something that one of them said: which one, and what.
    struct heard {
        std::size_t who = 0;
        nlohmann::json what;
    };
    /// The next thing that any of them says; one that has ended is passed over
    /// as long as others are left.
    static heard hear_any(std::span<actor* const> actors, clock::time_point until);

private:
    /// A line that is complete already.
    [[nodiscard]] std::optional<nlohmann::json> take_line();
    /// Reads what is there. \return false: it closed its output.
    bool fill();
    void reap() noexcept;

    std::string role_;
    pid_t pid_ = -1;
    int output_ = -1;
    bool ended_ = false;
    std::string pending_;
};

/// For an actor: says something to the one who made it.
void say(const nlohmann::json& message);

} // namespace demo
