// SPDX-License-Identifier: MIT
#ifndef IPCSHIM_TOOLS_WAITS_HPP
#define IPCSHIM_TOOLS_WAITS_HPP

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "proc.hpp"
#include "socket_state.hpp"

/// \file
/// Who waits for whom, put together from what both sides of sockets tell.

namespace ipcshim::tools {

/// A process has an exchange open in which the next message is another one's to
/// send.
struct waiting final {
    pid_t waiter = 0;  ///< 0: not visible here
    pid_t thread = 0;  ///< of the waiter, that does nothing else meanwhile; 0: none known
    pid_t awaited = 0; ///< 0: not visible here
    std::uint64_t connection = 0;
    std::uint64_t exchange = 0;
    std::uint16_t code = 0;
    role opener = role::client;
    bool is_read = false; ///< the awaited one has taken what it is to answer

    friend bool operator==(const waiting&, const waiting&) = default;
};

class wait_list final {
public:
    /// What a process has open; again for the same one: nothing happens.
    void look_into(pid_t pid);
    /// The same, where that is known already.
    void add(pid_t pid, const std::vector<descriptor>& open);
    /// One socket of a process. The thread that waits may be another one's.
    void add(pid_t pid, const socket_state& socket);

    /// By connection and exchange.
    [[nodiscard]] std::vector<waiting> all() const;

private:
    void merge(role waiter, const waiting& found);

    std::set<pid_t> seen_;
    std::map<std::tuple<std::uint64_t, std::uint64_t, role>, waiting> waits_;
};

/// Those of all processes that may be looked into.
[[nodiscard]] std::vector<waiting> waits_everywhere();

/// For whom a process waits, for whom those wait, and so on; and who waits for the
/// process.
/// \param open what it has open
[[nodiscard]] std::vector<waiting> waits_around(pid_t pid, const std::vector<descriptor>& open);

/// Processes that wait for each other in a circle, in that order. A process is in
/// one of them at most.
[[nodiscard]] std::vector<std::vector<pid_t>> circles_of(const std::vector<waiting>& waits);

/// A line for each, and one for each circle; empty if there is nothing.
[[nodiscard]] std::string to_text(const std::vector<waiting>& waits);
[[nodiscard]] nlohmann::ordered_json to_json(const std::vector<waiting>& waits);

} // namespace ipcshim::tools

#endif
