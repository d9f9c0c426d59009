// SPDX-License-Identifier: MIT
#include "store_client.hpp"

#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <fstream>
#include <future>
#include <optional>
#include <span>
#include <stdexcept>
#include <string_view>
#include <system_error>
#include <utility>
#include <variant>
#include <vector>

#include <fmt/format.h>
#include <ipcshim/client.hpp>
#include <ipcshim/mapping.hpp>
#include <ipcshim/port.hpp>
#include <nlohmann/json.hpp>

#include "actor.hpp"
#include "digest.hpp"
#include "store.hpp"

namespace demo {

namespace {

using namespace std::chrono_literals;

/// A role that waits longer than this is stuck.
constexpr auto patience = 12s;
constexpr std::size_t large_bytes = std::size_t{4} << 20U;
/// It tells how far it is after so many calls.
constexpr std::uint64_t report_interval = 50;

std::string sha256_of(std::span<const std::byte> bytes) {
    digest sum;

    sum.add(bytes);
    return sum.finish();
}

/// One client's keys, what the store has acknowledged of them, and the calls that
/// have to do with them.
class own_keys final {
public:
    explicit own_keys(std::size_t client) : client_(client), versions_(keys_of_each) {}

    /// One call, on all keys in turn; every third one puts. Throws std::system_error when the
    /// connection has ended, and runtime_error if the answer is not what it has to be.
    void call(ipcshim::client& store) {
        const std::size_t key = calls_ * 7 % keys_of_each;

        if (calls_ % 3 == 0) {
            under_way_ = key;
            store.call(put, {key_of(client_, key), value_of(client_, key, versions_[key] + 1)});
            versions_[key]++;
            under_way_.reset();
        } else if (const std::optional<std::string> value = look_up(store, key);
                   value != expected(key, versions_[key])) {
            throw std::runtime_error(fmt::format("version {} of '{}' is stored, and this came: {}",
                                                 versions_[key], key_of(client_, key),
                                                 value.value_or("nothing")));
        }
        calls_++;
        if (calls_ % report_interval == 0) {
            tell("progress");
        }
    }

    /// Looks at all keys. What was under way when the connection ended may be stored,
    /// or not; nothing else is open.
    [[nodiscard]] nlohmann::json verify(ipcshim::client& store) {
        std::uint64_t same = 0;
        std::uint64_t ahead = 0;
        std::uint64_t wrong = 0;

        for (std::size_t key = 0; key < keys_of_each; key++) {
            const std::optional<std::string> value = look_up(store, key);
            const std::uint64_t version = versions_[key];

            if (value == expected(key, version)) {
                same++;
            } else if (under_way_ == key && value == expected(key, version + 1)) {
                ahead++;
                versions_[key]++;
            } else {
                wrong++;
            }
        }
        under_way_.reset();
        return {{"state", "verified"}, {"same", same}, {"ahead", ahead}, {"wrong", wrong}};
    }

    void tell(const char* state) const {
        say({{"state", state}, {"calls", calls_}, {"versions", versions_}});
    }
    [[nodiscard]] std::uint64_t calls() const noexcept { return calls_; }

private:
    /// Nothing: the store says that it has none.
    [[nodiscard]] std::optional<std::string> look_up(ipcshim::client& store, std::size_t key) {
        const ipcshim::outcome<std::string> found = store.try_call(get, key_of(client_, key));

        if (found.error() == std::error_code(static_cast<int>(store_errc::no_such_key),
                                             ipcshim::service_category())) {
            return {};
        }
        return found.value();
    }
    [[nodiscard]] std::optional<std::string> expected(std::size_t key,
                                                      std::uint64_t version) const {
        if (version == 0) {
            return {};
        }
        return value_of(client_, key, version);
    }

    std::size_t client_;
    std::vector<std::uint64_t> versions_;  // acknowledged
    std::optional<std::size_t> under_way_; // a put that was not answered
    std::uint64_t calls_ = 0;              // answered
};

/// Puts the first part of a file into a segment, and that into the store.
void hand_over(ipcshim::client& store, const std::filesystem::path& file) {
    const ipcshim::port port = ipcshim::port::open();
    const ipcshim::segment memory = port.create_segment(large_bytes);
    std::string sum;
    {
        const ipcshim::mapping mapping = memory.map();
        std::ifstream in(file, std::ios::binary);
        const std::span<char> bytes = mapping.as<char>();

        if (!in.read(bytes.data(), static_cast<std::streamsize>(bytes.size()))) {
            throw std::runtime_error(fmt::format("{} can't be read", file.string()));
        }
        sum = sha256_of(mapping.bytes());
    }
    // To be read: the store is not to change it, either.
    const std::array carried{ipcshim::attachment::hand_over(memory, ipcshim::rights::read)};
    store.call(put_large, large_key, {.attachments = carried});
    say({{"state", "handed"},
         {"bytes", memory.size()},
         {"sha256", sum},
         {"stale", memory.is_stale()}});
}

/// A large value as the store has it, mapped where it lies.
struct large_value final {
    ipcshim::const_mapping mapping;
    std::string sha256;
    bool refused = false; ///< it can't be written
};

large_value fetch(ipcshim::client& store) {
    ipcshim::outcome<std::uint64_t> found = store.try_call(get_large, large_key);
    const std::uint64_t bytes = found.value();
    large_value got;
    std::error_code error;

    const auto& memory = std::get<ipcshim::segment>(found.descriptors().at(0));
    got.mapping = memory.map_const();
    if (got.mapping.size() != bytes) {
        throw std::runtime_error("the large value has not the length that was told");
    }
    got.sha256 = sha256_of(got.mapping.bytes());
    const ipcshim::mapping writable = memory.map({}, error);
    got.refused = error == std::errc::permission_denied;
    return got;
}

} // namespace

std::string key_of(std::size_t client, std::size_t key) {
    return fmt::format("client {}, key {}", client, key);
}

std::string value_of(std::size_t client, std::size_t key, std::uint64_t version) {
    std::string value = fmt::format("client {}, key {}, version {}: ", client, key, version);
    const std::size_t length = 16 + (version * 37 + key * 11) % 400;

    for (std::size_t n = 0; n < length; n++) {
        value += static_cast<char>('a' + (version + key * n + client) % 26);
    }
    return value;
}

void run_store_client(std::size_t number, std::uint64_t more, const std::filesystem::path& large) {
    std::atomic<bool> stored = false;
    std::promise<ipcshim::disconnection> ended;
    std::optional<large_value> fetched;
    own_keys keys(number);
    ipcshim::client_parameters parameters;
    parameters.connect_timeout = patience;
    parameters.wait = true;
    ipcshim::client store(store_name, parameters);

    store.on(large_stored, [&](const std::string& /*key*/) { stored = true; });
    store.on_disconnect([&, first = true](const ipcshim::disconnection& what) mutable {
        if (std::exchange(first, false)) {
            ended.set_value(what);
        }
    });
    say({{"state", "connected"}});
    if (!large.empty()) {
        hand_over(store, large);
    }
    try {
        for (;;) {
            keys.call(store);
            if (stored && !fetched) {
                fetched = fetch(store);
                say({{"state", "large"},
                     {"bytes", fetched->mapping.size()},
                     {"sha256", fetched->sha256},
                     {"refused", fetched->refused}});
            }
        }
    } catch (const std::system_error& why) {
        std::future<ipcshim::disconnection> told = ended.get_future();

        if (why.code().category() == ipcshim::service_category() ||
            told.wait_for(patience) != std::future_status::ready) {
            throw;
        }
        const ipcshim::side_end end = told.get().end;
        say({{"state", "told"},
             {"errno", why.code().value()},
             {"sentence", why.what()},
             {"how", std::string(ipcshim::to_string(end.how))},
             {"status", end.status},
             {"calls", keys.calls()}});
    }

    const clock::time_point begin = clock::now();
    store.reconnect(begin + patience);
    const auto taken = std::chrono::duration<double, std::milli>(clock::now() - begin).count();
    nlohmann::json verified = keys.verify(store);
    verified["milliseconds"] = taken;
    verified["sha256"] = fetch(store).sha256;
    // The first store is gone; what it had shared is not.
    verified["kept"] = fetched ? sha256_of(fetched->mapping.bytes()) : "";
    say(verified);
    // Calling on would only say it again.
    if (verified.at("wrong") == 0) {
        for (const std::uint64_t last = keys.calls() + more; keys.calls() < last;) {
            keys.call(store);
        }
    }
    keys.tell("done");
}

} // namespace demo
