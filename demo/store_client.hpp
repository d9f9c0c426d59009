// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>

/// A client that hammers the store, knows what it was acknowledged, and compares
/// everything that it is answered.

namespace demo {

/// Keys of each client: nobody else puts anything there.
inline constexpr std::size_t keys_of_each = 25; // no multiple of 3: see own_keys::call()
/// What the large value is stored under.
inline constexpr const char* large_key = "large";

[[nodiscard]] std::string key_of(std::size_t client, std::size_t key);
/// What a client puts there for the nth time.
[[nodiscard]] std::string value_of(std::size_t client, std::size_t key, std::uint64_t version);

/// Puts and gets until the store dies; is told; connects to the next one; looks whether
/// all is there that it was acknowledged; makes so many more calls.
/// \param large a file whose first part it stores as a large value; empty: none
/// Says connected; handed {bytes, sha256, stale}; large {bytes, sha256, refused}, when it
/// was told of it; progress {calls, versions}; told {errno, sentence, how, status, calls};
/// verified {same, ahead, wrong, sha256, kept, milliseconds}; done {calls, versions}.
void run_store_client(std::size_t number, std::uint64_t more, const std::filesystem::path& large);

} // namespace demo
