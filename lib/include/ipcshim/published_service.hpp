// SPDX-License-Identifier: MIT
#ifndef IPCSHIM_PUBLISHED_SERVICE_HPP
#define IPCSHIM_PUBLISHED_SERVICE_HPP

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <system_error>
#include <utility>

#include <ipcshim/detail/export.hpp>
#include <ipcshim/detail/syscalls.hpp>
#include <ipcshim/types.hpp>

/// \file
/// Names of services, and what port::publish(), connect() and their like take.

namespace ipcshim {

/// How a name is published.
struct publish_parameters final {
    /// Bytes, the largest message that a client may ask for, and what it gets unless
    /// it asks for less; socket_message to socket_message_max.
    std::uint32_t message_max = socket_message;
};

/// How port::connect() asks.
struct connect_parameters final {
    /// Wait so long for the name and for the answer; nothing: two seconds.
    std::optional<deadline> until{};
    /// If this process has a connection to that name already, one more descriptor of
    /// that, and the service is not asked. (NightOS.)
    bool flexible = false;
    bool wait = false;             ///< wait for a name that nobody has published yet
    std::optional<uid_t> uid{};    ///< whose name it is; nothing: the caller's own
    std::uint32_t message_max = 0; ///< bytes, at most what the service gives; 0: that
    std::uint16_t command = 0;     ///< command code for the event, your own word
    bool nonblocking = false;      ///< the descriptor is O_NONBLOCK
};

/// What a new connection without a name is to be like.
struct open_socket_parameters final {
    std::uint32_t message_max = socket_message; ///< bytes, up to socket_message_max
    std::uint16_t command = 0;                  ///< command code for the event
    bool nonblocking = false;                   ///< my descriptors are O_NONBLOCK
};

/// What port::has_service() found.
struct service_info final {
    std::uint64_t number = 0;      ///< of the name, never used again
    pid_t pid = 0;                 ///< who published it, 0: not visible here
    std::uint32_t message_max = 0; ///< bytes that a client may ask for

    friend bool operator==(const service_info&, const service_info&) = default;
};

/// A service has rejected a connection. code() is ECONNREFUSED.
class IPCSHIM_API refused_error : public std::system_error {
public:
    refused_error(std::error_code code, const std::string& sentence, std::uint16_t reason)
        : std::system_error(code, sentence), reason_(reason) {}
    refused_error(const refused_error&) = default;
    refused_error(refused_error&&) = default;
    refused_error& operator=(const refused_error&) = default;
    refused_error& operator=(refused_error&&) = default;
    ~refused_error() override;

    /// The service's own word.
    [[nodiscard]] std::uint16_t reason() const noexcept { return reason_; }

private:
    std::uint16_t reason_;
};

/// A name that a port has published. Move-only; withdraws the name when it is
/// destroyed. Borrows the port's descriptor: the name goes with the port, and what is
/// left here does nothing then. port::publish() gives one. (Ours.)
///
/// Threads: all calls may run from any number of threads at once on one object, except
/// moving and withdraw().
class IPCSHIM_API published_service final {
public:
    /// None.
    published_service() noexcept = default;
    published_service(const published_service&) = delete;
    published_service& operator=(const published_service&) = delete;
    published_service(published_service&& other) noexcept;
    published_service& operator=(published_service&& other) noexcept;
    ~published_service();

    /// It has a name. (Its port may have been closed.)
    [[nodiscard]] bool is_published() const noexcept { return number_ != 0; }
    explicit operator bool() const noexcept { return is_published(); }
    /// Number of the name, never used again; service_conn_request events have it.
    [[nodiscard]] std::uint64_t number() const noexcept { return number_; }
    [[nodiscard]] const std::string& name() const noexcept { return name_; }

    /// The name is free from now on. Connections stay, and so do requests. Owner. Does
    /// nothing where there is no name. (Ours: WITHDRAW.)
    /// Errors: ENOENT the port has no such name any more, EPERM, EBADF; the object has
    /// none then, either.
    void withdraw();
    void withdraw(std::error_code& error) noexcept;
    /// The name stays for as long as the port is open.
    void keep() noexcept { number_ = 0; }

private:
    friend class port;
    published_service(detail::syscalls& calls, int fd, std::uint64_t number,
                      std::string&& name) noexcept
        : calls_(&calls), fd_(fd), number_(number), name_(std::move(name)) {}

    detail::syscalls* calls_ = nullptr;
    int fd_ = -1; // the port's
    std::uint64_t number_ = 0;
    std::string name_;
};

} // namespace ipcshim

#endif
