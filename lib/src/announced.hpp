// SPDX-License-Identifier: MIT
#ifndef IPCSHIM_SRC_ANNOUNCED_HPP
#define IPCSHIM_SRC_ANNOUNCED_HPP

#include <string>

#include <ipcshim/event.hpp>

#include "sentence.hpp"

namespace ipcshim::detail {

/// How a sentence names what an event announces.
inline std::string announced_by(const event& what) {
    return "by event " + std::to_string(what.sequence()) + ", which is " +
           std::string(to_string(what.code())) + " from " + process_name(what.pid());
}

} // namespace ipcshim::detail

#endif
