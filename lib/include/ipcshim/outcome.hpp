// SPDX-License-Identifier: MIT
#ifndef IPCSHIM_OUTCOME_HPP
#define IPCSHIM_OUTCOME_HPP

#include <optional>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <ipcshim/detail/export.hpp>
#include <ipcshim/message.hpp>
#include <ipcshim/method.hpp>

namespace ipcshim {

namespace detail {

/// Throws service_error for an error of service_category(), else std::system_error.
[[noreturn]] IPCSHIM_API void raise(const std::error_code& error, const std::string& text);

} // namespace detail

/// What became of a call: the answer, or why there is none. Owns both; as movable as
/// the answer. (Ours.)
template <typename Reply> class outcome final {
public:
    using value_type = detail::value_of<Reply>;

    /// \param carried what came with the answer
    explicit outcome(value_type value, std::vector<received_descriptor> carried = {})
        : value_(std::move(value)), descriptors_(std::move(carried)) {}
    /// \param error not 0
    outcome(std::error_code error, std::string text) : error_(error), text_(std::move(text)) {}

    /// There is an answer.
    [[nodiscard]] bool has_value() const noexcept { return value_.has_value(); }
    explicit operator bool() const noexcept { return has_value(); }
    /// The answer. Throws what client::call() would have thrown.
    // NOLINTNEXTLINE(modernize-use-nodiscard): of one without a value only the throw matters
    const value_type& value() const& {
        require();
        return *value_;
    }
    // NOLINTNEXTLINE(modernize-use-nodiscard)
    value_type value() && {
        require();
        return std::move(*value_);
    }
    /// In service_category(): the service's own word; in std::generic_category(): what
    /// went wrong on the way, ECANCELED where the client was destroyed. 0: none.
    [[nodiscard]] const std::error_code& error() const noexcept { return error_; }
    /// What the service said with its error, or a sentence; empty where there is none.
    [[nodiscard]] const std::string& text() const noexcept { return text_; }
    /// What came with the answer; move out of it what is to stay.
    [[nodiscard]] std::vector<received_descriptor>& descriptors() noexcept { return descriptors_; }

private:
    void require() const {
        if (!value_) {
            detail::raise(error_, text_);
        }
    }

    std::optional<value_type> value_;
    std::error_code error_;
    std::string text_;
    std::vector<received_descriptor> descriptors_;
};

} // namespace ipcshim

#endif
