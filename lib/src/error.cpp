// SPDX-License-Identifier: MIT
#include <ipcshim/error.hpp>

namespace ipcshim {

// Out of line, so that each class has one typeinfo: the library's.
io_error::~io_error() = default;
abi_error::~abi_error() = default;

} // namespace ipcshim
