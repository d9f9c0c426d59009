// SPDX-License-Identifier: MIT
#include <ipcshim/call_context.hpp>

#include <stdexcept>

namespace ipcshim {

call_context::~call_context() = default;

void call_context::attach(const attachment& what) {
    if (attachments_.size() == descriptors_max) {
        throw std::length_error("one message carries at most " + std::to_string(descriptors_max) +
                                " descriptors; send the rest in another one");
    }
    attachments_.push_back(what);
}

// An attachment names a descriptor, which stays the same when its owner is moved.
void call_context::give(sender&& end) {
    attach(end);
    given_.emplace_back(std::move(end));
}

void call_context::give(receiver&& end) {
    attach(end);
    given_.emplace_back(std::move(end));
}

void call_context::give(socket&& side) {
    attach(side);
    given_.emplace_back(std::move(side));
}

void call_context::hand_over(segment&& memory, rights granted) {
    attach(attachment::hand_over(memory, granted));
    given_.emplace_back(std::move(memory));
}

} // namespace ipcshim
