// SPDX-License-Identifier: MIT
#include "file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <utility>

namespace ipcshim::tools {

namespace {

constexpr mode_t mode_of_new_files = 0666;

[[noreturn]] void fail(const char* verb, const std::string& name) {
    throw std::system_error(errno, std::generic_category(),
                            std::string("cannot ") + verb + " '" + name + "'");
}

} // namespace

file::file(std::string name, int fd, bool owned) : name_(std::move(name)), fd_(fd), owned_(owned) {}

file::file(file&& other) noexcept
    : name_(std::move(other.name_)), fd_(std::exchange(other.fd_, -1)), owned_(other.owned_) {}

file::~file() {
    if (owned_ && fd_ >= 0) {
        ::close(fd_);
    }
}

file file::to_read(const std::string& name) {
    if (name == "-") {
        return {"standard input", STDIN_FILENO, false};
    }
    const int fd = ::open(name.c_str(), O_RDONLY | O_CLOEXEC); // NOLINT(hicpp-signed-bitwise)
    if (fd < 0) {
        fail("read", name);
    }
    return {name, fd, true};
}

file file::to_write(const std::string& name) {
    if (name == "-") {
        return {"standard output", STDOUT_FILENO, false};
    }
    const int fd = ::open(name.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, // NOLINT
                          mode_of_new_files);
    if (fd < 0) {
        fail("write", name);
    }
    return {name, fd, true};
}

file file::borrowed(const std::string& name, int fd) {
    return {name, fd, false};
}

std::size_t file::read(std::span<std::byte> buffer) const {
    for (;;) {
        const ssize_t count = ::read(fd_, buffer.data(), buffer.size());
        if (count >= 0) {
            return static_cast<std::size_t>(count);
        }
        if (errno != EINTR) {
            fail("read", name_);
        }
    }
}

void file::write(std::span<const std::byte> bytes) const {
    while (!bytes.empty()) {
        const ssize_t count = ::write(fd_, bytes.data(), bytes.size());
        if (count >= 0) {
            bytes = bytes.subspan(static_cast<std::size_t>(count));
        } else if (errno != EINTR) {
            fail("write", name_);
        }
    }
}

void file::finish() {
    if (owned_ && ::close(std::exchange(fd_, -1)) != 0) {
        fail("write", name_);
    }
}

std::uint64_t file::size() const {
    struct stat status {};
    if (::fstat(fd_, &status) != 0 || !S_ISREG(status.st_mode)) {
        return 0;
    }
    return static_cast<std::uint64_t>(status.st_size);
}

} // namespace ipcshim::tools
