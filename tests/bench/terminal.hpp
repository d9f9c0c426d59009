// SPDX-License-Identifier: MIT
//
// Both sides of a pseudo terminal, open once each, and the two ways to get
// them.  What is done with them afterwards is the same code for both.
#pragma once

#include "bench.hpp"

namespace bench {

struct terminal {
    descriptor master;
    descriptor slave;
};

[[nodiscard]] terminal open_devpts();
[[nodiscard]] terminal open_ours(const ipcshim::port& port);

} // namespace bench
