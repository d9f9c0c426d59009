// SPDX-License-Identifier: MIT
#include <ipcshim/io_result.hpp>

#include <algorithm>
#include <ostream>

#include "narrow.hpp"

namespace ipcshim {

io_result::io_result(const ::ipcshim_pipe_io& raw, std::size_t size) noexcept
    : moved_(std::min(detail::to_size(raw.moved), size)), remains_(detail::to_size(raw.remains)),
      lacks_(detail::to_size(raw.lacks)), cause_(ipcshim::cause{raw.cause}),
      pid_(detail::to_pid(raw.pid)) {}

io_result::io_result(const ::ipcshim_pipe_batch& raw, std::size_t count) noexcept
    : moved_(std::min<std::size_t>(raw.moved, count)), remains_(detail::to_size(raw.remains)),
      lacks_(detail::to_size(raw.lacks)), cause_(ipcshim::cause{raw.cause}),
      pid_(detail::to_pid(raw.pid)) {}

std::ostream& operator<<(std::ostream& out, const io_result& value) {
    out << "moved " << value.moved() << " bytes, remains " << value.remains() << ", cause "
        << value.cause();
    if (value.lacks() != 0) {
        out << ", lacks " << value.lacks();
    }
    if (value.pid() != 0) {
        out << ", process " << value.pid();
    }
    return out;
}

} // namespace ipcshim
