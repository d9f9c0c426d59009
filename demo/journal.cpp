// SPDX-License-Identifier: MIT
#include "journal.hpp"

#include <fcntl.h>
#include <sys/uio.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>
#include <system_error>
#include <vector>

namespace demo {

namespace {

struct head final {
    journal::kind kind{};
    std::uint32_t key_length = 0;
    std::uint64_t value_length = 0;
};

[[noreturn]] void fail(const std::filesystem::path& file) {
    throw std::system_error(errno, std::generic_category(), file.string());
}

std::vector<char> contents(const std::filesystem::path& file) {
    std::ifstream in(file, std::ios::binary);

    return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

} // namespace

journal::journal(const std::filesystem::path& file, const std::function<void(const record&)>& each)
    : file_(file) {
    const std::vector<char> old = contents(file);
    std::span<const char> rest(old);

    for (head next; rest.size() >= sizeof next; found_++) {
        std::memcpy(&next, rest.data(), sizeof next);
        const auto behind = rest.subspan(sizeof next);
        if (behind.size() < next.key_length ||
            behind.size() - next.key_length < next.value_length) {
            break;
        }
        const auto value = behind.subspan(next.key_length, next.value_length);
        each({next.kind, std::string(behind.data(), next.key_length), std::as_bytes(value)});
        rest = behind.subspan(next.key_length + next.value_length);
    }
    cut_ = rest.size();
    fd_ = ::open(file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (fd_ < 0) {
        fail(file);
    }
    if (::ftruncate(fd_, static_cast<off_t>(old.size() - cut_)) < 0) {
        const int error = errno;

        ::close(fd_);
        errno = error;
        fail(file);
    }
}

journal::~journal() {
    ::close(fd_);
}

void journal::append(const record& what) const {
    const head first{what.kind, static_cast<std::uint32_t>(what.key.size()), what.value.size()};
    const std::string& key = what.key;
    std::vector<std::byte> bytes(sizeof first + key.size());

    std::memcpy(bytes.data(), &first, sizeof first);
    std::memcpy(bytes.data() + sizeof first, key.data(), key.size());
    // One call, so that records of two threads don't mix.
    const std::array parts{
        iovec{bytes.data(), bytes.size()},
        // writev(2) does not write to it.
        iovec{const_cast<std::byte*>(what.value.data()), // NOLINT(*-const-cast)
              what.value.size()},
    };
    const ssize_t written = ::writev(fd_, parts.data(), parts.size());
    if (written < 0) {
        fail(file_);
    }
    if (static_cast<std::size_t>(written) != bytes.size() + what.value.size()) {
        errno = ENOSPC;
        fail(file_);
    }
}

} // namespace demo
