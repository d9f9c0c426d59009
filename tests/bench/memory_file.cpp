// SPDX-License-Identifier: MIT
#include "memory_file.hpp"

#include <sys/socket.h>

#include <array>
#include <cstring>
#include <stdexcept>

namespace bench {

descriptor make_memory_file(std::size_t size) {
    descriptor file(::memfd_create("bench", MFD_CLOEXEC), "memfd_create");

    if (::ftruncate(file.get(), static_cast<off_t>(size)) < 0) {
        fail("ftruncate");
    }
    return file;
}

void send_file(int socket, int file) {
    std::byte word{1};
    iovec data{&word, 1};
    alignas(cmsghdr) std::array<std::byte, CMSG_SPACE(sizeof(int))> control{};
    msghdr message{};

    message.msg_iov = &data;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    cmsghdr* const part = CMSG_FIRSTHDR(&message);
    part->cmsg_level = SOL_SOCKET;
    part->cmsg_type = SCM_RIGHTS;
    part->cmsg_len = CMSG_LEN(sizeof(int));
    std::memcpy(CMSG_DATA(part), &file, sizeof(int));
    if (::sendmsg(socket, &message, 0) != 1) {
        fail("sendmsg");
    }
}

descriptor receive_file(int socket) {
    std::byte word{};
    iovec data{&word, 1};
    alignas(cmsghdr) std::array<std::byte, CMSG_SPACE(sizeof(int))> control{};
    msghdr message{};
    int file = -1;

    message.msg_iov = &data;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    if (::recvmsg(socket, &message, MSG_CMSG_CLOEXEC) != 1) {
        throw std::runtime_error("the other process has ended");
    }
    const cmsghdr* const part = CMSG_FIRSTHDR(&message);
    if (part == nullptr || part->cmsg_type != SCM_RIGHTS) {
        throw std::runtime_error("a message came without a memory file");
    }
    std::memcpy(&file, CMSG_DATA(part), sizeof(int));
    return descriptor(file, "recvmsg");
}

file_mapping::file_mapping(int file, std::size_t size, int flags) {
    void* const at = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED | flags, file, 0);

    if (at == MAP_FAILED) {
        fail("mmap of a memory file");
    }
    bytes_ = {static_cast<std::byte*>(at), size};
}

} // namespace bench
