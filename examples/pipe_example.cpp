// SPDX-License-Identifier: MIT
#include <iostream>
#include <ipcshim/ipcshim.hpp>
#include <string>
#include <unistd.h>

int main(int argc, char** argv) {
    const auto port = ipcshim::port::open();
    if (argc > 1) { // with a pid: each line of the input is a message to that process
        const ipcshim::pipe_parameters messages{.mode = ipcshim::pipe_mode::message};
        const auto out = port.open_sender(std::stoi(argv[1]), messages);
        for (std::string line; std::getline(std::cin, line);)
            out.write(ipcshim::bytes_of(line));
        return 0;
    }
    port.handle({ipcshim::event_code::recv_pipe}); // without: print what comes
    std::cout << "waiting for: pipe_example " << getpid() << std::endl;
    const auto in = port.claim_receiver(port.read_event());
    for (std::string message; in.read_message(message);)
        std::cout << message << '\n';
}
