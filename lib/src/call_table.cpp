// SPDX-License-Identifier: MIT
#include "call_table.hpp"

#include <exception>
#include <utility>

namespace ipcshim::detail {

void call_table::set(std::uint16_t code, call_handler handler) {
    if (handler) {
        handlers_.insert_or_assign(code, std::move(handler));
    } else {
        handlers_.erase(code);
    }
}

namespace {

call_result failed(service_errc why, std::string text, std::string failure) {
    return {.error = static_cast<std::uint16_t>(why),
            .text = std::move(text),
            .failure = std::move(failure)};
}

} // namespace

call_result call_table::run(call_context& context) const {
    const auto found = handlers_.find(context.header().code);
    if (found == handlers_.end()) {
        return failed(service_errc::unknown_method, {}, {});
    }
    call_result result;
    try {
        found->second(context, result.answer);
        return result;
    } catch (const service_error& error) {
        if (error.reason() == 0) {
            // On the wire that is no error at all.
            return failed(service_errc::handler_failed, {}, "a service_error without a code");
        }
        return {.error = error.reason(), .text = error.text()};
    } catch (const codec_error& error) {
        // Of the request, as far as can be known: the client is told what was wrong.
        return failed(service_errc::malformed, error.what(), error.what());
    } catch (const std::exception& error) {
        return failed(service_errc::handler_failed, {}, error.what());
    } catch (...) {
        return failed(service_errc::handler_failed, {}, "an exception of an unknown kind");
    }
}

} // namespace ipcshim::detail
