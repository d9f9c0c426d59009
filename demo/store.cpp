// SPDX-License-Identifier: MIT
#include "store.hpp"

#include <unistd.h>

#include <cstddef>
#include <cstring>
#include <map>
#include <mutex>
#include <span>
#include <string>
#include <utility>
#include <variant>

#include <fmt/format.h>
#include <ipcshim/mapping.hpp>
#include <ipcshim/port.hpp>
#include <ipcshim/service.hpp>

#include "actor.hpp"
#include "journal.hpp"

namespace demo {

namespace {

/// It has two threads, so that nobody waits while a large value is written down.
constexpr unsigned threads = 2;

[[noreturn]] void refuse(store_errc why, const std::string& sentence) {
    throw ipcshim::service_error(static_cast<std::uint16_t>(why), sentence);
}

/// The values, and the file that has them, too. All calls from any thread.
class values final {
public:
    explicit values(const std::filesystem::path& file)
        : journal_(file, [this](const journal::record& one) { restore(one); }) {}

    void put(const entry& what) {
        const std::lock_guard lock(mutex_);

        journal_.append({journal::kind::small, what.key, std::as_bytes(std::span(what.value))});
        small_[what.key] = what.value;
    }
    [[nodiscard]] std::string get(const std::string& key) const {
        const std::lock_guard lock(mutex_);
        const auto found = small_.find(key);

        if (found == small_.end()) {
            refuse(store_errc::no_such_key, fmt::format("nothing is stored under '{}'", key));
        }
        return found->second;
    }
    void put_large(const std::string& key, ipcshim::segment memory) {
        large made{std::move(memory), {}};

        made.mapping = made.memory.map_const();
        // Into the file straight from the client's pages.
        const std::lock_guard lock(large_mutex_);
        if (large_.contains(key)) {
            refuse(store_errc::stored_before, fmt::format("'{}' is stored already", key));
        }
        journal_.append({journal::kind::large, key, made.mapping.bytes()});
        large_.emplace(key, std::move(made));
    }
    /// It stays where it is as long as this.
    [[nodiscard]] const ipcshim::segment& get_large(const std::string& key) const {
        const std::lock_guard lock(large_mutex_);
        const auto found = large_.find(key);

        if (found == large_.end()) {
            refuse(store_errc::no_such_key, fmt::format("nothing large is stored under '{}'", key));
        }
        return found->second.memory;
    }

    [[nodiscard]] nlohmann::json told() const {
        return {{"state", "ready"},
                {"records", journal_.found()},
                {"cut", journal_.cut()},
                {"keys", small_.size() + large_.size()}};
    }

private:
    struct large {
        ipcshim::segment memory;
        ipcshim::const_mapping mapping;
    };

    void restore(const journal::record& one) {
        if (one.kind == journal::kind::small) {
            // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): bytes as characters
            small_[one.key].assign(reinterpret_cast<const char*>(one.value.data()),
                                   one.value.size());
            return;
        }
        large made{port_.create_segment(one.value.size()), {}};
        const ipcshim::mapping writable = made.memory.map();
        std::memcpy(writable.bytes().data(), one.value.data(), one.value.size());
        made.mapping = made.memory.map_const();
        large_[one.key] = std::move(made);
    }

    ipcshim::port port_ = ipcshim::port::open();
    mutable std::mutex mutex_;
    std::map<std::string, std::string> small_;
    mutable std::mutex large_mutex_;
    std::map<std::string, large> large_;
    // The last one: it fills the others.
    journal journal_;
};

/// What came with a request: a segment that is the store's alone.
ipcshim::segment handed_over(ipcshim::call_context& call) {
    if (call.descriptors().size() == 1) {
        auto* const memory = std::get_if<ipcshim::segment>(&call.descriptors().front());

        if (memory != nullptr && memory->mode() == ipcshim::memory_mode::exclusive) {
            return std::move(*memory);
        }
    }
    refuse(store_errc::no_segment, "a large value comes as a segment that is handed over");
}

} // namespace

void run_store(const std::filesystem::path& file) {
    values kept(file);
    ipcshim::service store(store_name);

    store.on(put, [&](const entry& what) { kept.put(what); });
    store.on(get, [&](const std::string& key) { return kept.get(key); });
    store.on(put_large, [&](const std::string& key, ipcshim::call_context& call) {
        kept.put_large(key, handed_over(call));
        store.notify_all(large_stored, key);
    });
    store.on(get_large, [&](const std::string& key, ipcshim::call_context& call) {
        const ipcshim::segment& memory = kept.get_large(key);

        call.attach(ipcshim::attachment::share(memory, ipcshim::rights::read));
        return std::uint64_t{memory.size()};
    });
    store.on_client_gone([](const ipcshim::client_gone& who) {
        say({{"state", "gone"},
             {"pid", who.pid},
             {"how", std::string(ipcshim::to_string(who.end.how))},
             {"status", who.end.status},
             {"in_order", who.in_order}});
    });
    store.start(threads);
    say(kept.told());
    for (;;) {
        ::pause();
    }
}

} // namespace demo
