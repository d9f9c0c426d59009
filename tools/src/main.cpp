// SPDX-License-Identifier: MIT
#include <csignal>
#include <cstdio>
#include <exception>

#include "commands.hpp"

int main(int argc, char** argv) {
    try {
        // A closed output is an error to tell of, not a reason to die silently.
        // NOLINTNEXTLINE(cert-err33-c,performance-no-int-to-ptr)
        std::signal(SIGPIPE, SIG_IGN);
        return ipcshim::tools::run(argc, argv);
    } catch (const std::exception& error) {
        static_cast<void>(std::fprintf(stderr, "ipcshim: %s\n", error.what()));
        return ipcshim::tools::failed;
    }
}
