// SPDX-License-Identifier: MIT
//
// Says what the loaded module is.
#include <exception>
#include <iostream>

#include <ipcshim/ipcshim.hpp>

int main() {
    try {
        std::cout << ipcshim::port::open().query();
    } catch (const std::exception& error) {
        std::cerr << error.what() << '\n';
        return 1;
    }
}
