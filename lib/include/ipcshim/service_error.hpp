// SPDX-License-Identifier: MIT
#ifndef IPCSHIM_SERVICE_ERROR_HPP
#define IPCSHIM_SERVICE_ERROR_HPP

#include <cstdint>
#include <string>
#include <system_error>
#include <type_traits>

#include <ipcshim/detail/export.hpp>

/// \file
/// Errors that a service answers with: a category of their own, apart from the errno
/// of what went wrong on the way. (Ours; NightOS has the error code in a message's
/// header.)

namespace ipcshim {

/// What service and client of this library say themselves. 1 to 0xFEFF are the
/// application's own words; 0 is none.
enum class service_errc : std::uint16_t {
    /// The service has no handler for the method.
    unknown_method = 0xFF01,
    /// The service could not decode the request.
    malformed = 0xFF02,
    /// The handler ended with an exception that is no service_error.
    handler_failed = 0xFF03,
    /// The answer is longer than the connection's largest message.
    answer_too_long = 0xFF04,
    /// What the answer was to carry could not be sent.
    attachment_failed = 0xFF05,
    /// The client could not decode the answer. Told by the client itself.
    answer_malformed = 0xFF06,
    /// The service can't take one more client. As refused_error::reason().
    overloaded = 0xFF07,
};

/// The first number that is not the application's.
inline constexpr std::uint16_t service_errc_first = 0xFF00;

/// The category of what a service answers: numbers 1 to 65535. Its message() is a
/// sentence: what happened, and what to do.
[[nodiscard]] IPCSHIM_API const std::error_category& service_category() noexcept;

[[nodiscard]] inline std::error_code make_error_code(service_errc value) noexcept {
    return {static_cast<int>(value), service_category()};
}

/// An error of a service. A handler throws it to answer with that code, and the
/// client's call() throws it again with the same code and text.
class IPCSHIM_API service_error : public std::system_error {
public:
    /// \param code the application's own word, 1 to 0xFEFF
    explicit service_error(std::uint16_t code);
    /// \param text travels with the code, as far as the largest message allows
    service_error(std::uint16_t code, const std::string& text);
    explicit service_error(service_errc code);
    service_error(service_errc code, const std::string& text);
    service_error(const service_error&) = default;
    service_error(service_error&&) = default;
    service_error& operator=(const service_error&) = default;
    service_error& operator=(service_error&&) = default;
    ~service_error() override;

    /// The code as it travels.
    [[nodiscard]] std::uint16_t reason() const noexcept {
        return static_cast<std::uint16_t>(code().value());
    }
    /// The text alone; empty where there was none.
    [[nodiscard]] const std::string& text() const noexcept { return text_; }

private:
    std::string text_;
};

} // namespace ipcshim

template <> struct std::is_error_code_enum<ipcshim::service_errc> : std::true_type {};

#endif
