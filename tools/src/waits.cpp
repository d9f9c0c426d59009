// SPDX-License-Identifier: MIT
#include "waits.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <deque>
#include <optional>

namespace ipcshim::tools {

namespace {

// Who is really stuck: a thread that waits, for somebody else.
using waiting_for = std::map<pid_t, std::set<pid_t>>;

waiting_for stuck(const std::vector<waiting>& waits) {
    waiting_for found;
    for (const waiting& each : waits) {
        if (each.thread != 0 && each.waiter != 0 && each.awaited != 0 &&
            each.waiter != each.awaited) {
            found[each.waiter].insert(each.awaited);
        }
    }
    return found;
}

// The shortest way from a process back to itself; empty if there is none.
std::vector<pid_t> way_back(const waiting_for& next, pid_t start) {
    std::map<pid_t, pid_t> before;
    std::deque<pid_t> queue{start};
    while (!queue.empty() && !before.contains(start)) {
        const pid_t here = queue.front();
        queue.pop_front();
        if (const auto found = next.find(here); found != next.end()) {
            for (const pid_t there : found->second) {
                if (before.emplace(there, here).second) {
                    queue.push_back(there);
                }
            }
        }
    }
    std::vector<pid_t> way;
    if (before.contains(start)) {
        for (pid_t each = before[start]; each != start; each = before[each]) {
            way.push_back(each);
        }
        way.push_back(start);
        std::reverse(way.begin(), way.end());
    }
    return way;
}

std::string person(pid_t pid) {
    if (pid == 0) {
        return "somebody who is not visible here";
    }
    const std::string command = command_of(pid);
    return command.empty() ? fmt::format("{}", pid) : fmt::format("{} ({})", pid, command);
}

std::string_view kind_of(const waiting& what) {
    return what.opener == role::client ? "method" : "notification";
}

// Which side waits for a message of the other one; nothing: that can't be told.
// \param pid has the socket
// \param owner of the thread that waits; 0: none
std::optional<role> side_that_waits(const open_exchange& exchange, const socket_state& socket,
                                    pid_t pid, pid_t owner) {
    if (exchange.turn) {
        return other(*exchange.turn);
    }
    if (exchange.waits == 0) {
        return std::nullopt;
    }
    // A message is on its way, and its sender waits.
    if (owner == pid && owner != socket.peer) {
        return socket.mine;
    }
    if (owner == socket.peer && owner != pid) {
        return other(socket.mine);
    }
    // The opener has sent those with odd numbers.
    return exchange.counter % 2 == 0 ? exchange.opener : other(exchange.opener);
}

} // namespace

void wait_list::merge(role waiter, const waiting& found) {
    waiting& known =
        waits_.emplace(std::tuple(found.connection, found.exchange, waiter), found).first->second;
    // Each side knows itself better than the other one.
    if (found.thread != 0) {
        known.thread = found.thread;
        known.waiter = found.waiter;
    }
    known.waiter = known.waiter != 0 ? known.waiter : found.waiter;
    known.awaited = known.awaited != 0 ? known.awaited : found.awaited;
}

void wait_list::add(pid_t pid, const socket_state& socket) {
    for (const open_exchange& each : socket.exchanges) {
        const pid_t owner = each.waits != 0 ? process_of(each.waits) : 0;
        const auto waiter = side_that_waits(each, socket, pid, owner);
        if (!waiter) {
            continue;
        }
        const bool mine = *waiter == socket.mine;
        merge(*waiter, {// A side may be held by several processes.
                        .waiter = owner != 0 ? owner : (mine ? pid : socket.peer),
                        .thread = each.waits,
                        .awaited = mine ? socket.peer : pid,
                        .connection = socket.connection,
                        .exchange = each.number,
                        .code = each.code,
                        .opener = each.opener,
                        .is_read = each.turn.has_value()});
    }
}

void wait_list::add(pid_t pid, const std::vector<descriptor>& open) {
    if (seen_.insert(pid).second) {
        for (const descriptor& each : open) {
            if (const auto socket = socket_of(each)) {
                add(pid, *socket);
            }
        }
    }
}

void wait_list::look_into(pid_t pid) {
    if (pid != 0 && !seen_.contains(pid)) {
        std::error_code error; // then the other side tells what it knows
        add(pid, descriptors_of(pid, error));
    }
}

std::vector<waiting> wait_list::all() const {
    std::vector<waiting> list;
    list.reserve(waits_.size());
    for (const auto& [key, each] : waits_) {
        list.push_back(each);
    }
    return list;
}

std::vector<waiting> waits_everywhere() {
    wait_list list;
    for (const pid_t pid : processes()) {
        list.look_into(pid);
    }
    return list.all();
}

std::vector<waiting> waits_around(pid_t pid, const std::vector<descriptor>& open) {
    wait_list list;
    list.add(pid, open);
    for (const waiting& each : list.all()) {
        list.look_into(each.waiter);
    }
    std::set<pid_t> reached{pid};
    for (std::size_t before = 0; before != reached.size();) {
        before = reached.size();
        for (const waiting& each : list.all()) {
            if (reached.contains(each.waiter) && each.awaited != 0) {
                reached.insert(each.awaited);
            }
        }
        for (const pid_t each : reached) {
            list.look_into(each);
        }
    }
    std::vector<waiting> found = list.all();
    std::erase_if(found, [&](const waiting& each) {
        return each.awaited != pid && !reached.contains(each.waiter);
    });
    return found;
}

std::vector<std::vector<pid_t>> circles_of(const std::vector<waiting>& waits) {
    const waiting_for next = stuck(waits);
    std::vector<std::vector<pid_t>> circles;
    std::set<pid_t> told;
    for (const auto& [pid, awaited] : next) {
        if (told.contains(pid)) {
            continue;
        }
        if (std::vector<pid_t> circle = way_back(next, pid); !circle.empty()) {
            told.insert(circle.begin(), circle.end());
            circles.push_back(std::move(circle));
        }
    }
    return circles;
}

std::string to_text(const std::vector<waiting>& waits) {
    std::string text;
    for (const waiting& each : waits) {
        const std::string deed = each.thread != 0
                                     ? fmt::format("waits in thread {} for", each.thread)
                                     : std::string("expects an answer of");
        text +=
            fmt::format("{} {} {}: {} {}, exchange {} of connection {}{}\n", person(each.waiter),
                        deed, person(each.awaited), kind_of(each), each.code, each.exchange,
                        each.connection, each.is_read ? "" : ", not read yet");
    }
    for (const std::vector<pid_t>& circle : circles_of(waits)) {
        text += "in a circle: ";
        for (const pid_t each : circle) {
            text += person(each) + ", ";
        }
        text += fmt::format("and {} again; they are stuck if no other thread of one answers\n",
                            circle.front());
    }
    return text;
}

nlohmann::ordered_json to_json(const std::vector<waiting>& waits) {
    auto list = nlohmann::ordered_json::array();
    for (const waiting& each : waits) {
        nlohmann::ordered_json object{{"pid", each.waiter},
                                      {"command", command_of(each.waiter)},
                                      {"thread", each.thread},
                                      {"for_pid", each.awaited},
                                      {"for_command", command_of(each.awaited)},
                                      {"connection", each.connection},
                                      {"exchange", each.exchange},
                                      {"kind", kind_of(each)},
                                      {"code", each.code},
                                      {"read", each.is_read}};
        list.push_back(std::move(object));
    }
    return {{"waits", std::move(list)}, {"circles", circles_of(waits)}};
}

} // namespace ipcshim::tools
