// SPDX-License-Identifier: MIT
//
// call_*: a client's question and a service's answer, between two processes.
//
//   call_64       64 bytes there and 64 back: CALL on one side, READ_SOCK_MSG and
//                 SEND_SOCK_MSG on the other, all of them bare ioctls
//   call_64_10    the same with ten connections to the service, which waits for
//   call_64_1k    them in one epoll(7) and reads without waiting; or a thousand.
//                 The client calls on one after another
//   connect       CONNECT_SERVICE, ACCEPT, and a close on either side
//   call_descriptor   the answer carries a segment of a mebibyte, handed over:
//                 its word of each page is written there and read here; the
//                 question carries the last one back.  The peer is told by a
//                 pipe(2) of 1 MiB, and answers with the bytes through another
//
// With one processor and a clock that counts its instructions a figure is what
// both processes and the kernel do.
#include "partner.hpp"
#include "socket_abi.hpp"

#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <array>
#include <cstring>

namespace bench {
namespace {

constexpr std::size_t size = 64;
constexpr std::uint16_t code = 1;

std::uint64_t address_of(const void* what) {
    return reinterpret_cast<std::uintptr_t>(what);
}

// Takes a question and answers it, with the bytes of the question.
void answer(const descriptor& socket, std::byte* bytes, std::uint32_t flags) {
    ipcshim_read_sock_msg question{};
    ipcshim_send_sock_msg said{};

    question.buffer = address_of(bytes);
    question.size = size;
    question.flags = flags;
    if (::ioctl(socket.get(), IPCSHIM_READ_SOCK_MSG, &question) < 0) {
        fail("READ_SOCK_MSG");
    }
    said.message.exchange = question.message.exchange;
    said.message.length = question.message.length;
    said.message.status = IPCSHIM_MESSAGE_CLOSE;
    said.buffer = address_of(bytes);
    if (::ioctl(socket.get(), IPCSHIM_SEND_SOCK_MSG, &said) < 0) {
        fail("SEND_SOCK_MSG");
    }
}

void call_each_in_turn(benchmark::State& state, const std::vector<descriptor>& sockets) {
    buffer there(size);
    buffer back(size);
    ipcshim_call prepared{};
    std::size_t next = 0;

    there.data()[size - 1] = std::byte{0x17};
    prepared.message.code = code;
    prepared.message.length = size;
    prepared.request = address_of(there.data());
    prepared.buffer = address_of(back.data());
    prepared.size = size;
    for (auto _ : state) {
        ipcshim_call call = prepared;

        if (::ioctl(sockets[next].get(), IPCSHIM_CALL, &call) < 0) {
            fail("CALL");
        }
        if (call.message.length != size) {
            throw std::runtime_error("an answer of another length");
        }
        next = next + 1 == sockets.size() ? 0 : next + 1;
    }
    if (std::memcmp(there.data(), back.data(), size) != 0) {
        throw std::runtime_error("what was answered is not what was asked");
    }
}

void one_connection(benchmark::State& state) {
    const served service(1, [](const std::vector<descriptor>& sockets) {
        buffer bytes(size);

        for (;;) {
            answer(sockets.front(), bytes.data(), 0);
        }
    });

    state.SetLabel("CALL; READ_SOCK_MSG, SEND_SOCK_MSG");
    call_each_in_turn(state, service.sockets());
}

void many_connections(benchmark::State& state, std::size_t count) {
    const served service(count, [](const std::vector<descriptor>& sockets) {
        const descriptor all(::epoll_create1(EPOLL_CLOEXEC), "epoll_create1");
        std::array<epoll_event, 64> ready{};
        buffer bytes(size);

        for (std::size_t n = 0; n < sockets.size(); n++) {
            epoll_event wanted{};

            wanted.events = EPOLLIN;
            wanted.data.u64 = n;
            if (::epoll_ctl(all.get(), EPOLL_CTL_ADD, sockets[n].get(), &wanted) < 0) {
                fail("EPOLL_CTL_ADD");
            }
        }
        for (;;) {
            const int found = ::epoll_wait(all.get(), ready.data(), ready.size(), -1);

            if (found < 0) {
                fail("epoll_wait");
            }
            for (int n = 0; n < found; n++) {
                answer(sockets[ready[static_cast<std::size_t>(n)].data.u64], bytes.data(),
                       IPCSHIM_SOCK_NOWAIT);
            }
        }
    });

    state.SetLabel("CALL; epoll_wait, READ_SOCK_MSG, SEND_SOCK_MSG");
    call_each_in_turn(state, service.sockets());
}

void seqpacket(benchmark::State& state) {
    const descriptor_pair pair = make_seqpacket();
    buffer bytes(size);
    std::byte* const data = bytes.data();
    const auto say = [data](const descriptor& to) {
        return ::send(to.get(), data, size, 0) == static_cast<ssize_t>(size);
    };
    const auto hear = [data](const descriptor& from) {
        return ::recv(from.get(), data, size, 0) == static_cast<ssize_t>(size);
    };
    const child service([&] {
        while (hear(pair.reader) && say(pair.reader)) {
        }
    });

    state.SetLabel("unix seqpacket");
    for (auto _ : state) {
        if (!say(pair.writer) || !hear(pair.writer)) {
            fail("unix seqpacket, there and back");
        }
    }
}

void connect_ours(benchmark::State& state) {
    static constexpr std::string_view name = "bench connect";
    const child service([]() noexcept {
        try {
            const descriptor port = open_port();

            publish(port, name);
            for (;;) {
                [[maybe_unused]] const descriptor client = accept_client(port);
            }
        } catch (const std::exception& error) {
            std::cerr << "the row's service: " << error.what() << std::endl;
        }
    });
    const descriptor port = open_port();

    state.SetLabel("CONNECT_SERVICE, close; read, ACCEPT, close");
    for (auto _ : state) {
        [[maybe_unused]] const descriptor socket = connect_service(port, name);
    }
}

descriptor unix_socket() {
    return descriptor(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0), "socket");
}

void connect_unix(benchmark::State& state) {
    sockaddr_un address{};
    const descriptor listener = unix_socket();

    // A name of the system's choice; it listens before anybody connects.
    address.sun_family = AF_UNIX;
    socklen_t length = sizeof address.sun_family;
    if (::bind(listener.get(), reinterpret_cast<const sockaddr*>(&address), length) < 0) {
        fail("bind");
    }
    length = sizeof address;
    if (::getsockname(listener.get(), reinterpret_cast<sockaddr*>(&address), &length) < 0 ||
        ::listen(listener.get(), SOMAXCONN) < 0) {
        fail("listen");
    }
    const child service([&]() noexcept {
        for (;;) {
            const int client = ::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC);

            if (client < 0) {
                return;
            }
            ::close(client);
        }
    });

    // connect(2) does not wait until it is accepted, CONNECT_SERVICE does.
    state.SetLabel("unix connect and accept");
    for (auto _ : state) {
        const descriptor socket = unix_socket();

        if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), length) < 0) {
            fail("connect");
        }
    }
}

// A segment that goes to whoever reads the message.
ipcshim_descriptor carried(const ipcshim::segment& segment) {
    ipcshim_descriptor what{};

    what.fd = segment.fd();
    what.mode = IPCSHIM_MEM_EXCLUSIVE;
    what.rights = IPCSHIM_RIGHT_READ | IPCSHIM_RIGHT_WRITE;
    return what;
}

ipcshim::segment taken(const ipcshim_descriptor& what) {
    if (what.kind != IPCSHIM_KIND_SEGMENT || what.error != 0) {
        throw std::runtime_error("a message came without its segment");
    }
    // What the library does with a segment that it has claimed.
    return {ipcshim::detail::handle(ipcshim::detail::real_syscalls(), what.fd),
            {what.length, what.inode, static_cast<ipcshim::rights>(what.rights),
             static_cast<ipcshim::memory_mode>(what.mode)}};
}

// Each question has the number that is to be written into the pages.
void serve_segments(const std::vector<descriptor>& sockets) {
    const int socket = sockets.front().get();

    for (;;) {
        ipcshim_descriptor came{};
        ipcshim_read_sock_msg question{};
        ipcshim_send_sock_msg said{};
        std::uint64_t value = 0;

        question.buffer = address_of(&value);
        question.size = sizeof value;
        question.descriptors = address_of(&came);
        question.room = 1;
        if (::ioctl(socket, IPCSHIM_READ_SOCK_MSG, &question) < 0) {
            fail("READ_SOCK_MSG");
        }
        const ipcshim::segment segment = taken(came);
        const ipcshim::mapping mapping = segment.map();
        ipcshim_descriptor goes = carried(segment);

        write_pages(mapping.bytes().first(mib), value);
        said.message.exchange = question.message.exchange;
        said.message.status = IPCSHIM_MESSAGE_CLOSE;
        said.message.nr_descriptors = 1;
        said.descriptors = address_of(&goes);
        if (::ioctl(socket, IPCSHIM_SEND_SOCK_MSG, &said) < 0) {
            fail("SEND_SOCK_MSG");
        }
    }
}

void segment_answered(benchmark::State& state) {
    const served service(1, serve_segments);
    const ipcshim::port port = ipcshim::port::open();
    ipcshim::segment_parameters large;
    std::uint64_t value = 0;

    large.whole_large_pages = true;
    ipcshim::segment segment = port.create_segment(mib, large);
    write_pages(segment.map().bytes().first(mib), value);
    state.SetLabel("CALL, a segment handed over in the answer");
    for (auto _ : state) {
        ipcshim_descriptor goes = carried(segment);
        ipcshim_descriptor comes{};
        ipcshim_call call{};

        value++;
        call.message.code = code;
        call.message.length = sizeof value;
        call.message.nr_descriptors = 1;
        call.request = address_of(&value);
        call.request_descriptors = address_of(&goes);
        call.descriptors = address_of(&comes);
        call.room = 1;
        if (::ioctl(service.sockets().front().get(), IPCSHIM_CALL, &call) < 0) {
            fail("CALL");
        }
        segment = taken(comes);
        expect_pages(segment.map_const().bytes().first(mib), value);
    }
}

void bytes_answered(benchmark::State& state) {
    const descriptor_pair there = make_pipe(0);
    const descriptor_pair back = make_pipe(mib);
    const child service([&]() noexcept {
        buffer bytes(mib);
        std::uint64_t value = 0;

        while (::read(there.reader.get(), &value, sizeof value) == sizeof value) {
            write_pages({bytes.data(), mib}, value);
            if (::write(back.writer.get(), bytes.data(), mib) != static_cast<ssize_t>(mib)) {
                return;
            }
        }
    });
    buffer bytes(mib);
    std::uint64_t value = 0;

    state.SetLabel("pipe(2)");
    for (auto _ : state) {
        value++;
        if (::write(there.writer.get(), &value, sizeof value) != sizeof value) {
            fail("pipe(2)");
        }
        if (!read_all(back.reader.get(), bytes.data(), mib)) {
            throw std::runtime_error("the other process has ended");
        }
        expect_pages({bytes.data(), mib}, value);
    }
}

} // namespace

void add_call(rows& all) {
    all.add("call_64/ours", one_connection);
    all.add("call_64/peer", seqpacket);
    all.add("call_64_10/ours", [](auto& state) { many_connections(state, 10); });
    all.add("call_64_1k/ours", [](auto& state) { many_connections(state, 1000); });
    all.add("connect/ours", connect_ours);
    all.add("connect/peer", connect_unix);
    all.add("call_descriptor/ours", segment_answered);
    all.add("call_descriptor/peer", bytes_answered);
}

} // namespace bench
