// SPDX-License-Identifier: MIT
#include <ipcshim/dmabuf.hpp>

#include <ostream>

#include "sentence.hpp"

namespace ipcshim {

int dmabuf::fd() const {
    if (!is_open()) {
        detail::used_closed("dma-buf");
    }
    return handle_.get();
}

int dmabuf::release() {
    if (!is_open()) {
        detail::used_closed("dma-buf");
    }
    return handle_.release();
}

std::ostream& operator<<(std::ostream& out, const dmabuf& value) {
    return value ? out << "dma-buf (descriptor " << value.fd() << ')' : out << "closed dma-buf";
}

} // namespace ipcshim
