// SPDX-License-Identifier: MIT
#include "socket_abi.hpp"

#include <fcntl.h>
#include <sys/ioctl.h>

namespace bench {
namespace {

std::uint64_t address_of(std::string_view name) {
    return reinterpret_cast<std::uintptr_t>(name.data());
}

} // namespace

descriptor open_port() {
    return descriptor(::open(IPCSHIM_DEVICE, O_RDWR | O_CLOEXEC), IPCSHIM_DEVICE);
}

void publish(const descriptor& port, std::string_view name) {
    ipcshim_publish what{};

    what.name = address_of(name);
    what.name_length = static_cast<std::uint32_t>(name.size());
    if (::ioctl(port.get(), IPCSHIM_PUBLISH, &what) < 0) {
        fail("PUBLISH");
    }
}

descriptor connect_service(const descriptor& port, std::string_view name) {
    ipcshim_connect_service what{};

    what.name = address_of(name);
    what.name_length = static_cast<std::uint32_t>(name.size());
    what.flags = IPCSHIM_CONNECT_WAIT;
    if (::ioctl(port.get(), IPCSHIM_CONNECT_SERVICE, &what) < 0) {
        fail("CONNECT_SERVICE");
    }
    return descriptor(what.fd, "CONNECT_SERVICE");
}

descriptor accept_client(const descriptor& port) {
    ipcshim_event event{};

    if (::read(port.get(), &event, sizeof event) != sizeof event) {
        fail("the event of a client that connects");
    }
    if (event.code != IPCSHIM_EVENT_SERVICE_CONN_REQUEST) {
        throw std::runtime_error("another event than that of a client that connects");
    }
    ipcshim_accept what{};

    what.request = event.token;
    if (::ioctl(port.get(), IPCSHIM_ACCEPT, &what) < 0) {
        fail("ACCEPT");
    }
    return descriptor(what.fd, "ACCEPT");
}

descriptor_pair make_connection(const descriptor& port) {
    ipcshim_open_serv_sock what{};

    what.role = IPCSHIM_ROLE_CLIENT;
    if (::ioctl(port.get(), IPCSHIM_OPEN_SERV_SOCK, &what) < 0) {
        fail("OPEN_SERV_SOCK");
    }
    return {descriptor(what.fd, "OPEN_SERV_SOCK"), descriptor(what.peer_fd, "OPEN_SERV_SOCK")};
}

} // namespace bench
