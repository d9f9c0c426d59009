// SPDX-License-Identifier: MIT
#include "terminal.hpp"

#include <fcntl.h>
#include <stdlib.h> // NOLINT(modernize-deprecated-headers): posix_openpt
#include <sys/ioctl.h>

#include <ipcshim/pty.hpp>

namespace bench {

terminal open_devpts() {
    terminal made;

    made.master = descriptor(::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC), "posix_openpt");
    if (::unlockpt(made.master.get()) < 0) {
        fail("unlockpt");
    }
    made.slave = descriptor(::ioctl(made.master.get(), TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC),
                            "TIOCGPTPEER");
    return made;
}

terminal open_ours(const ipcshim::port& port) {
    ipcshim::pty master = port.open_pty();
    ipcshim::pty_slave slave = master.open_slave();

    return {descriptor(master.release(), "open_pty"), descriptor(slave.release(), "open_slave")};
}

} // namespace bench
