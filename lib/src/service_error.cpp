// SPDX-License-Identifier: MIT
#include <ipcshim/service_error.hpp>

#include <string>

#include <ipcshim/codec.hpp>
#include <ipcshim/outcome.hpp>

namespace ipcshim {

namespace {

class category final : public std::error_category {
public:
    [[nodiscard]] const char* name() const noexcept override { return "ipcshim.service"; }
    [[nodiscard]] std::string message(int value) const override {
        switch (static_cast<service_errc>(value)) {
        case service_errc::unknown_method:
            return "the service has no such method; look at the method's code, and whether the "
                   "service is older than the client";
        case service_errc::malformed:
            return "the service could not decode the request; build both with the same types and "
                   "the same codec";
        case service_errc::handler_failed:
            return "the service failed within the method; its own log tells why";
        case service_errc::answer_too_long:
            return "the answer is longer than the connection's largest message; connect with a "
                   "larger message_max, or let the service hand over a segment";
        case service_errc::attachment_failed:
            return "the service could not send what goes with the answer; its own log tells why";
        case service_errc::answer_malformed:
            return "the answer could not be decoded; build both with the same types and the same "
                   "codec";
        case service_errc::overloaded:
            return "the service can't take one more client; let some end, or raise its limits";
        }
        return "the service answered with its error " + std::to_string(value);
    }
};

} // namespace

const std::error_category& service_category() noexcept {
    static const category only;
    return only;
}

// std::system_error puts the code's message behind the text.
service_error::service_error(std::uint16_t code)
    : std::system_error(static_cast<int>(code), service_category()) {}
service_error::service_error(std::uint16_t code, const std::string& text)
    : std::system_error(static_cast<int>(code), service_category(), text), text_(text) {}
service_error::service_error(service_errc code) : service_error(static_cast<std::uint16_t>(code)) {}
service_error::service_error(service_errc code, const std::string& text)
    : service_error(static_cast<std::uint16_t>(code), text) {}
service_error::~service_error() = default;

codec_error::~codec_error() = default;

namespace detail {

void wrong_length(std::size_t expected, std::size_t got) {
    throw codec_error("a value of " + std::to_string(expected) +
                      " bytes (or a multiple, if it is a list) was expected, and " +
                      std::to_string(got) + " bytes came; build both programs with the same types");
}

void raise(const std::error_code& error, const std::string& text) {
    if (error.category() != service_category()) {
        throw std::system_error(error, text);
    }
    const auto code = static_cast<std::uint16_t>(error.value());
    if (text.empty()) {
        throw service_error(code);
    }
    throw service_error(code, text);
}

} // namespace detail

} // namespace ipcshim
