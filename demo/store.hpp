// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include <ipcshim/cbor_codec.hpp>
#include <ipcshim/method.hpp>
#include <nlohmann/json.hpp>

/// A key-value store in a process of its own, and what its clients and it have
/// agreed on.

namespace demo {

inline constexpr const char* store_name = "demo.store";

/// A value and what it is stored under.
struct entry final {
    std::string key;
    std::string value;
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(entry, key, value)

/// Stores a value. Answered when it can't be lost any more.
inline constexpr ipcshim::method<1, entry, void, ipcshim::cbor_codec> put{};
/// The value of a key.
inline constexpr ipcshim::method<2, std::string, std::string> get{};
/// The same for large ones, in whole pages. The request hands over a segment, which the
/// store keeps; the answer shares it, to be read, and says how many bytes it has.
inline constexpr ipcshim::method<3, std::string> put_large{};
inline constexpr ipcshim::method<4, std::string, std::uint64_t> get_large{};
/// To every client: there is a large value under that key.
inline constexpr ipcshim::notification<1, std::string> large_stored{};

/// The store's own errors.
enum class store_errc : std::uint16_t {
    no_such_key = 1,
    no_segment = 2,    ///< put_large without one that is handed over
    stored_before = 3, ///< a large value stays what it is
};

/// Keeps the store until it is killed. All that it acknowledges is in a file before,
/// which it reads when it starts.
/// Says ready {records, cut, keys}; gone {pid, how, status, in_order} of each client.
void run_store(const std::filesystem::path& file);

} // namespace demo
