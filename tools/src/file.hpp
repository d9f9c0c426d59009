// SPDX-License-Identifier: MIT
#ifndef IPCSHIM_TOOLS_FILE_HPP
#define IPCSHIM_TOOLS_FILE_HPP

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace ipcshim::tools {

/// A file to read or to write, or the standard stream for the name "-".
/// Not buffered: what comes in goes on at once. Errors are std::system_error
/// with a sentence that names the file.
class file final {
public:
    [[nodiscard]] static file to_read(const std::string& name);
    [[nodiscard]] static file to_write(const std::string& name);
    /// Somebody else's descriptor; the name is for sentences.
    [[nodiscard]] static file borrowed(const std::string& name, int fd);

    file(const file&) = delete;
    file& operator=(const file&) = delete;
    file(file&& other) noexcept;
    file& operator=(file&&) = delete;
    ~file();

    /// Reads what is there, at most the buffer. \return 0 at the end
    [[nodiscard]] std::size_t read(std::span<std::byte> buffer) const;
    /// Writes all of it.
    void write(std::span<const std::byte> bytes) const;
    /// Closes it and tells of errors that only come then.
    void finish();
    /// Bytes of a regular file, 0 for anything else.
    [[nodiscard]] std::uint64_t size() const;

private:
    file(std::string name, int fd, bool owned);

    std::string name_;
    int fd_;
    bool owned_;
};

} // namespace ipcshim::tools

#endif
