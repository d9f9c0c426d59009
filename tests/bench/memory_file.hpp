// SPDX-License-Identifier: MIT
//
// The peer of a segment: a memory file of memfd_create(2), which is passed
// through a unix socket and which everybody keeps who had it once.
#pragma once

#include "bench.hpp"

#include <sys/mman.h>

#include <span>

namespace bench {

// So many bytes, none of them with a page so far.
[[nodiscard]] descriptor make_memory_file(std::size_t size);

void send_file(int socket, int file);
[[nodiscard]] descriptor receive_file(int socket);

// Owns a shared, writable mapping.
class file_mapping final {
public:
    file_mapping() noexcept = default;
    // flags: MAP_POPULATE or 0.
    file_mapping(int file, std::size_t size, int flags);
    file_mapping(file_mapping&& other) noexcept : bytes_(std::exchange(other.bytes_, {})) {}
    file_mapping& operator=(file_mapping&& other) noexcept {
        std::swap(bytes_, other.bytes_);
        return *this;
    }
    file_mapping(const file_mapping&) = delete;
    file_mapping& operator=(const file_mapping&) = delete;
    ~file_mapping() {
        if (!bytes_.empty()) {
            ::munmap(bytes_.data(), bytes_.size());
        }
    }

    [[nodiscard]] std::span<std::byte> bytes() const noexcept { return bytes_; }

private:
    std::span<std::byte> bytes_;
};

} // namespace bench
