// SPDX-License-Identifier: MIT
#include <ipcshim/pty_slave.hpp>

#include <ostream>

#include "call.hpp"
#include "sentence.hpp"
#include "terminal.hpp"

namespace ipcshim {

using detail::attempt;

void pty_slave::require_open() const {
    if (!is_open()) {
        detail::used_closed("slave of a pseudo terminal");
    }
}

int pty_slave::fd() const {
    require_open();
    return handle_.get();
}

int pty_slave::release() {
    require_open();
    return handle_.release();
}

std::string pty_slave::path() const {
    return detail::slave_path(index_);
}

std::string pty_slave::subject() const {
    return path();
}

window_size pty_slave::size() const {
    require_open();
    std::error_code error;
    const window_size result = detail::get_size(handle_, error);
    detail::check(error, attempt::window_size, subject());
    return result;
}

void pty_slave::resize(const window_size& wanted) const {
    require_open();
    std::error_code error;
    detail::set_size(handle_, wanted, error);
    detail::check(error, attempt::resize, subject());
}

std::ostream& operator<<(std::ostream& out, const pty_slave& value) {
    return value ? out << "slave " << value.path() : out << "closed slave";
}

} // namespace ipcshim
