// SPDX-License-Identifier: MIT
#ifndef IPCSHIM_SRC_CALL_TABLE_HPP
#define IPCSHIM_SRC_CALL_TABLE_HPP

#include <cstddef>
#include <cstdint>
#include <string>
#include <system_error>
#include <unordered_map>
#include <vector>

#include <ipcshim/service.hpp>

namespace ipcshim::detail {

/// What came of a call: an answer, or an error to answer with.
struct call_result final {
    std::vector<std::byte> answer{};
    std::uint16_t error = 0; ///< 0: none
    std::string text{};      ///< goes to the client with the error
    /// For the error handler and nobody else; empty: nothing to tell.
    std::string failure{};
};

/// The handlers of a service, by the method's code. Threads: run() from several at once, on
/// one that is not changed meanwhile.
class call_table final {
public:
    /// Replaces what there was; an empty function removes it.
    void set(std::uint16_t code, call_handler handler);
    /// Calls the handler for what the context has; no exception comes out but std::bad_alloc.
    [[nodiscard]] call_result run(call_context& context) const;

private:
    std::unordered_map<std::uint16_t, call_handler> handlers_;
};

} // namespace ipcshim::detail

#endif
