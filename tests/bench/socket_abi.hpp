// SPDX-License-Identifier: MIT
//
// Services and their sockets by the bare ioctls, for rows that are to show what
// the driver costs and nothing else.
#pragma once

#include "bench.hpp"

#include <cstdint>
#include <iostream>
#include <stdexcept>
#include <string_view>

#include <linux/ipcshim.h>

namespace bench {

// A port whose reads wait.
[[nodiscard]] descriptor open_port();
void publish(const descriptor& port, std::string_view name);
// Waits for the name if nobody has it yet.
[[nodiscard]] descriptor connect_service(const descriptor& port, std::string_view name);
// The next one that wants to connect is let in.
[[nodiscard]] descriptor accept_client(const descriptor& port);
// Both sides of a connection without a name.
[[nodiscard]] descriptor_pair make_connection(const descriptor& port);

// Another process with a name, which accepts so many connections of this one
// and then runs serve(its sides of them) until it is killed.
class served final {
public:
    template <typename Serve>
    served(std::size_t connections, Serve serve)
        : child_([&]() noexcept { live(connections, serve); }) {
        port_ = open_port();
        sockets_.reserve(connections);
        while (sockets_.size() < connections) {
            sockets_.push_back(connect_service(port_, name));
        }
    }

    [[nodiscard]] const std::vector<descriptor>& sockets() const noexcept { return sockets_; }

private:
    static constexpr std::string_view name = "bench";

    template <typename Serve> static void live(std::size_t connections, Serve serve) noexcept {
        try {
            const descriptor port = open_port();
            std::vector<descriptor> sockets;

            publish(port, name);
            sockets.reserve(connections);
            while (sockets.size() < connections) {
                sockets.push_back(accept_client(port));
            }
            serve(sockets);
        } catch (const std::exception& error) {
            std::cerr << "the row's service: " << error.what() << std::endl;
        }
    }

    descriptor port_;
    std::vector<descriptor> sockets_;
    // The first to go: it is not to see its clients leave.
    child child_;
};

} // namespace bench
