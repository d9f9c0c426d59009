// SPDX-License-Identifier: MIT
#include "uring_error.hpp"

#include <array>
#include <cerrno>

namespace ipcshim::detail {

namespace {

struct reason {
    int error;
    std::string_view text; ///< why; and what to do
};

constexpr std::array<reason, 8> reasons{{
    {ETIMEDOUT, "the deadline passed"},
    {ECANCELED, "it was asked to stop"},
    {EPIPE, "the pipe is closed; nobody will read it"},
    {EMSGSIZE, "the message is too long for the buffer, or longer than message_max; "
               "read_message() takes any length"},
    {EOPNOTSUPP, "what the descriptor belongs to has no calls for io_uring; "
                 "ask driver_info::has(IPCSHIM_FEATURE_URING), and use the call itself where "
                 "it has not"},
    {ENOSYS, "this kernel was built without io_uring"},
    {EPERM, "not allowed; if it is io_uring that is not, see the sysctl kernel.io_uring_disabled "
            "and the container's seccomp profile"},
    {EPROTO, "what the other side wrote into the mapped pipe makes no sense"},
}};

} // namespace

std::string uring_sentence(std::string_view what, int error) {
    std::string text = "cannot ";
    text.append(what);
    for (const reason& each : reasons) {
        if (each.error == error) {
            return text.append(": ").append(each.text);
        }
    }
    return text; // std::system_error says what the error is called
}

} // namespace ipcshim::detail
