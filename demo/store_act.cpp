// SPDX-License-Identifier: MIT
#include <signal.h> // NOLINT(modernize-deprecated-headers): SIGKILL

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <ipcshim/client.hpp>
#include <ipcshim/port.hpp>
#include <nlohmann/json.hpp>

#include "actor.hpp"
#include "acts.hpp"
#include "store.hpp"
#include "store_client.hpp"
#include "waiting_call.hpp"

namespace demo {

namespace {

using nlohmann::json;

constexpr std::size_t clients = 4;
constexpr std::size_t victim = 1; // the client that is killed
constexpr std::size_t giver = 3;  // the last one: it brings the large value
// Calls of each client until one of them is killed, until the store is, and
// after that.
constexpr std::uint64_t first_calls = 300;
constexpr std::uint64_t second_calls = 600;
constexpr std::uint64_t last_calls = 300;

/// An act that takes longer has failed.
clock::time_point patience() {
    return clock::now() + std::chrono::seconds(15);
}

/// What one client has said so far.
struct client_books {
    std::uint64_t calls = 0;             ///< answered
    std::vector<std::uint64_t> versions; ///< acknowledged, of each of its keys
    json handed;
    json large;
    json told;
    json verified;
    json done;
};

std::string name_of(std::uint16_t code) {
    switch (code) {
    case put.code:
        return "put";
    case get.code:
        return "get";
    default:
        return fmt::format("method {}", code);
    }
}

/// All who play, and what they have said.
class cast final {
public:
    cast(stage& shown, const std::filesystem::path& journal) : shown_(shown), journal_(journal) {}

    void open_store() {
        stores_.emplace_back(std::vector<std::string>{"store", journal_.string()});
        opened_.push_back(stores_.back().expect("ready", patience()));
    }
    /// \param large the file whose first part it stores as a large value; empty: none
    void add_client(const std::filesystem::path& large = {}) {
        std::vector<std::string> words{"store-client", std::to_string(players_.size()),
                                       std::to_string(last_calls)};

        if (!large.empty()) {
            words.push_back(large.string());
        }
        players_.emplace_back(std::move(words));
        players_.back().expect("connected", patience());
        books_.emplace_back();
    }

    /// Hears everybody until it is so.
    void until(const std::function<bool()>& so) {
        const clock::time_point end = patience();

        while (!so()) {
            std::vector<actor*> all;
            for (actor& one : players_) {
                all.push_back(&one);
            }
            for (actor& one : stores_) {
                all.push_back(&one);
            }
            const actor::heard heard = actor::hear_any(all, end);
            if (heard.who < players_.size()) {
                note(books_[heard.who], heard.what);
            } else if (heard.what.at("state") == "gone") {
                gone_.push_back(heard.what);
            }
            shown_.progress(calls(), planned, seconds(), stage::measure::calls);
        }
    }
    /// That each client that lives has it.
    [[nodiscard]] bool each(const std::function<bool(const client_books&)>& has) const {
        return std::all_of(books_.begin(), books_.end(), [&](const client_books& one) {
            return (killed_ && &one == &books_[victim]) || has(one);
        });
    }

    actor& store() { return stores_.back(); }
    [[nodiscard]] pid_t pid(std::size_t client) const { return players_.at(client).pid(); }
    [[nodiscard]] const client_books& books(std::size_t client) const { return books_.at(client); }
    /// What the store said as it began.
    [[nodiscard]] const json& opened() const { return opened_.back(); }
    /// What the stores said of clients that were gone.
    [[nodiscard]] const std::vector<json>& gone() const { return gone_; }
    /// Of the clients here, how many have left in order.
    [[nodiscard]] std::size_t in_order() const {
        return static_cast<std::size_t>(
            std::count_if(gone_.begin(), gone_.end(), [this](const json& one) {
                return one.at("in_order") == true &&
                       std::any_of(players_.begin(), players_.end(), [&](const actor& player) {
                           return one.at("pid") == player.pid();
                       });
            }));
    }
    [[nodiscard]] std::size_t size() const noexcept { return players_.size(); }
    void kill_victim() {
        players_[victim].kill();
        killed_ = true;
    }

    void begin() { begin_ = clock::now(); }
    /// Everything is there that was to come.
    void end_progress() { shown_.progress(planned, planned, seconds(), stage::measure::calls); }
    [[nodiscard]] double seconds() const {
        return std::chrono::duration<double>(clock::now() - begin_).count();
    }
    [[nodiscard]] std::uint64_t calls() const {
        std::uint64_t sum = 0;
        for (const client_books& one : books_) {
            sum += one.calls;
        }
        return sum;
    }

private:
    static constexpr std::uint64_t planned =
        clients * first_calls + (clients - 1) * (second_calls - first_calls + last_calls);

    static void note(client_books& books, const json& what) {
        const std::string state = what.at("state");

        if (state == "progress" || state == "done") {
            books.calls = what.at("calls");
            books.versions = what.at("versions").get<std::vector<std::uint64_t>>();
        }
        for (auto& [name, field] : {std::pair<const char*, json&>{"handed", books.handed},
                                    {"large", books.large},
                                    {"told", books.told},
                                    {"verified", books.verified},
                                    {"done", books.done}}) {
            if (state == name) {
                field = what;
            }
        }
    }

    stage& shown_;
    std::filesystem::path journal_;
    std::vector<actor> stores_;
    std::vector<json> opened_;
    std::vector<actor> players_;
    std::vector<client_books> books_;
    std::vector<json> gone_;
    bool killed_ = false;
    clock::time_point begin_{};
};

/// What the last store has under all keys of all clients, against what they were
/// acknowledged. Of the one that was killed only what it had told by then is known.
struct comparison {
    std::uint64_t keys = 0;
    std::uint64_t wrong = 0;
};

/// The version that a value says it is, if it is one.
std::uint64_t version_of(const std::string& value) {
    constexpr std::string_view word = "version ";
    const std::size_t at = value.find(word);

    return at == std::string::npos ? 0 : std::stoull(value.substr(at + word.size()));
}

comparison compare(const cast& all) {
    ipcshim::client store(store_name);
    comparison result;

    for (std::size_t client = 0; client < clients; client++) {
        const std::vector<std::uint64_t>& versions = all.books(client).versions;

        for (std::size_t key = 0; key < versions.size(); key++) {
            const ipcshim::outcome<std::string> found = store.try_call(get, key_of(client, key));
            const std::uint64_t version = found ? version_of(found.value()) : 0;
            const bool right =
                found && found.value() == value_of(client, key, version) &&
                (client == victim ? version >= versions[key] : version == versions[key]);

            result.keys++;
            result.wrong += right ? 0 : 1;
        }
    }
    return result;
}

/// A file of this act's own.
class scratch_file final {
public:
    scratch_file() { std::filesystem::remove(path_); }
    scratch_file(const scratch_file&) = delete;
    scratch_file& operator=(const scratch_file&) = delete;
    ~scratch_file() {
        std::error_code ignored;
        std::filesystem::remove(path_, ignored);
    }
    [[nodiscard]] const std::filesystem::path& path() const noexcept { return path_; }

private:
    std::filesystem::path path_ = std::filesystem::temp_directory_path() / "ipcshim-demo.store";
};

ipcshim::driver_totals in_driver() {
    return ipcshim::port::open().query().totals();
}

double rate(std::uint64_t calls, double seconds) {
    return seconds > 0 ? static_cast<double>(calls) / seconds : 0;
}

std::string ended(const json& what) {
    return fmt::format("{} by signal {}", what.at("how").get<std::string>(),
                       what.at("status").get<int>());
}

bool was_killed(const json& what) {
    return what.at("how") == "killed" && what.at("status") == SIGKILL;
}

/// Four clients, and a large value of which all are told.
void play_clients(stage& shown, cast& all, const std::filesystem::path& large) {
    all.open_store();
    // Everybody is there before it comes.
    while (all.size() < giver) {
        all.add_client();
    }
    all.begin();
    all.add_client(large);
    shown.tell("store", fmt::format("'{}', kept by pid {}", store_name, all.store().pid()));
    shown.tell("clients", fmt::format("pid {}, {}, {} and {}", all.pid(0), all.pid(1), all.pid(2),
                                      all.pid(3)));
    all.until([&] {
        return all.each([](const client_books& one) {
            return !one.large.is_null() && one.calls >= first_calls;
        });
    });
    const std::uint64_t calls = all.calls();
    const double seconds = all.seconds();
    const json& handed = all.books(giver).handed;

    shown.tell("calls", fmt::format("{} in {:.2f} s: {:.0f} in a second, from four processes",
                                    grouped(calls), seconds, rate(calls, seconds)));
    shown.tell("a large value", fmt::format("{} in a segment that pid {} handed over",
                                            megabytes(handed.at("bytes")), all.pid(giver)));
    shown.detail(handed.at("sha256").get<std::string>());
    shown.figure("calls_per_second", rate(calls, seconds));
    shown.figure("large_bytes", handed.at("bytes"));

    shown.check("who handed the large value over had it no more: ESTALE",
                handed.at("stale") == true);
    shown.check("all four were told of it, and read the same bytes there (SHA-256)",
                all.each([&](const client_books& one) {
                    return one.large.at("sha256") == handed.at("sha256") &&
                           one.large.at("bytes") == handed.at("bytes");
                }));
    shown.check("but could not write them: EACCES",
                all.each([](const client_books& one) { return one.large.at("refused") == true; }));
}

void play_killed_client(stage& shown, cast& all) {
    const pid_t dead = all.pid(victim);

    // While the store stands still, nobody is answered.
    all.store().stop();
    const waiting_call call = until_it_calls(dead, patience());
    all.kill_victim();
    all.store().go_on();
    all.until([&] { return !all.gone().empty(); });
    const json& gone = all.gone().front();

    shown.tell("a client",
               fmt::format("pid {} got SIGKILL in its call number {}, {}: pid {} had "
                           "not answered",
                           dead, grouped(call.exchange), name_of(call.code), call.peer));
    shown.tell("the store",
               fmt::format("was told: pid {} {}", gone.at("pid").get<pid_t>(), ended(gone)));
    shown.figure("killed_in_exchange", call.exchange);
    shown.check("it waited for an answer of the store", call.peer == all.store().pid());
    shown.check("the store was told that it was killed by signal 9",
                gone.at("pid") == dead && was_killed(gone) && gone.at("in_order") == false);
}

void play_restart(stage& shown, cast& all) {
    all.until([&] {
        return all.each([](const client_books& one) { return one.calls >= second_calls; });
    });
    const pid_t dead = all.store().pid();
    all.store().kill();
    all.until(
        [&] { return all.each([](const client_books& one) { return !one.told.is_null(); }); });
    all.open_store();
    const json& opened = all.opened();
    shown.tell("the store", fmt::format("pid {} got SIGKILL", dead));
    for (std::size_t n = 0; n < clients; n++) {
        if (n != victim) {
            shown.tell("", fmt::format("pid {} was told: it was {}", all.pid(n),
                                       ended(all.books(n).told)));
        }
    }
    shown.tell("its error", all.books(giver).told.at("sentence").get<std::string>());
    shown.tell("a new store", fmt::format("pid {} read {} records from the first one's file",
                                          all.store().pid(), grouped(opened.at("records"))));
    all.until(
        [&] { return all.each([](const client_books& one) { return !one.done.is_null(); }); });
    all.end_progress();

    std::uint64_t ahead = 0;
    double slowest = 0;
    std::uint64_t known = 0;
    for (std::size_t n = 0; n < clients; n++) {
        if (n != victim) {
            const json& verified = all.books(n).verified;
            ahead += verified.at("ahead").get<std::uint64_t>();
            slowest = std::max(slowest, verified.at("milliseconds").get<double>());
            known += verified.at("same").get<std::uint64_t>();
        }
    }
    const comparison compared = compare(all);
    all.until([&] { return all.in_order() == clients - 1; });

    shown.tell("connected", fmt::format("again within {:.1f} ms, and compared: {} keys as they "
                                        "were, {} from a put that nobody had acknowledged",
                                        slowest, known, ahead));
    shown.tell("calls", fmt::format("{} answered in all", grouped(all.calls())));
    shown.figure("calls", all.calls());
    shown.figure("records", opened.at("records"));
    shown.figure("milliseconds_to_reconnect", slowest);
    shown.figure("not_acknowledged_but_stored", ahead);

    shown.check("three clients were told that the store was killed by signal 9",
                all.each([](const client_books& one) { return was_killed(one.told); }));
    shown.check("their calls failed at once, with ECONNRESET or, not sent yet, EPIPE",
                all.each([](const client_books& one) {
                    return one.told.at("errno") == ECONNRESET || one.told.at("errno") == EPIPE;
                }));
    shown.check("the new store has all that they were acknowledged, and nothing else",
                all.each([](const client_books& one) {
                    return one.verified.at("wrong") == 0 &&
                           one.verified.at("same").get<std::uint64_t>() +
                                   one.verified.at("ahead").get<std::uint64_t>() ==
                               keys_of_each &&
                           one.verified.at("ahead") <= 1;
                }));
    shown.check("the large value, too; and who had it of the dead store still has it",
                all.each([&](const client_books& one) {
                    return one.verified.at("sha256") == all.books(giver).handed.at("sha256") &&
                           one.verified.at("kept") == all.books(giver).handed.at("sha256");
                }));
    shown.check("all keys of all clients, the dead one's too, are what they last knew",
                compared.keys == clients * keys_of_each && compared.wrong == 0);
    shown.check("then they left, and the store was told: in order", all.in_order() == clients - 1);
}

} // namespace

void play_store(stage& shown, const std::filesystem::path& large) {
    shown.act("A key-value store and four clients, and kill -9 on either side",
              "a service with a name; a call is one system call, its answer comes to who asked");
    const ipcshim::driver_totals before = in_driver();
    {
        const scratch_file journal;
        cast all(shown, journal.path());

        play_clients(shown, all, large);
        play_killed_client(shown, all);
        play_restart(shown, all);
    }
    shown.check("nothing is left: no name, no connection, no message, no segment",
                in_driver() == before);
}

} // namespace demo
