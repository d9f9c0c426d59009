// SPDX-License-Identifier: MIT
//
// What the tests of sockets, services and clients share: that nothing is left
// behind, and what the module tells of a socket.
#ifndef IPCSHIM_TESTS_DEVICE_SOCKET_SUPPORT_HPP
#define IPCSHIM_TESTS_DEVICE_SOCKET_SUPPORT_HPP

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include "support.hpp"

namespace test {

// A fixture whose tests leave everything as they found it: what exists in the
// module, and this process's descriptors and threads. It looks when the members
// of the fixtures that derive from it are gone.
class Balanced : public ::testing::Test {
protected:
    Balanced();
    Balanced(const Balanced&) = delete;
    Balanced(Balanced&&) = delete;
    Balanced& operator=(const Balanced&) = delete;
    Balanced& operator=(Balanced&&) = delete;
    ~Balanced() override;

private:
    struct found final {
        ipcshim::driver_totals totals;
        std::size_t descriptors = 0;
        std::size_t threads = 0;

        friend bool operator==(const found&, const found&) = default;
    };
    [[nodiscard]] static found look();

    found before_;
};

[[nodiscard]] std::size_t own_descriptors();
[[nodiscard]] std::size_t own_threads();

// The values of all lines of /proc/self/fdinfo/FD with this key.
[[nodiscard]] std::vector<std::string> fdinfo(int fd, std::string_view key);
// That of the only such line, as a number.
[[nodiscard]] std::uint64_t fdinfo_number(int fd, std::string_view key);

// Threads that wait for an answer in exchanges of the connection.
[[nodiscard]] std::size_t callers_waiting(int fd);
// Waits until so many wait in calls (of either side), or in reads of any exchange.
void wait_for_callers(int fd, std::size_t count = 1);
void wait_for_readers(int fd, std::size_t count = 1);
// Waits until so many messages are there to be read.
void wait_for_messages(int fd, std::size_t count = 1);

[[nodiscard]] ipcshim::socket_pair socket_pair(std::uint32_t message_max = ipcshim::socket_message);
// The other side has ended.
[[nodiscard]] bool has_ended(const ipcshim::socket& socket);
// The errno of the twin: 0 if it succeeded.
[[nodiscard]] int read_error(const ipcshim::socket& socket,
                             const ipcshim::read_parameters& parameters = {});
[[nodiscard]] int call_error(const ipcshim::socket& socket,
                             const ipcshim::call_parameters& parameters = {});

} // namespace test

#endif
