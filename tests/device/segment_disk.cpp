// SPDX-License-Identifier: MIT
#include "segment_disk.hpp"

#include <endian.h>
#include <fcntl.h>
#include <linux/nbd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <cstring>
#include <iostream>

namespace test {

static constexpr const char* device_path = "/dev/nbd0";
static constexpr std::size_t block = 4096;

// Less than size: the other side is gone.
static std::size_t read_whole(int fd, void* to, std::size_t size) {
    std::size_t done = 0;
    while (done < size) {
        const ssize_t count = ::read(fd, static_cast<char*>(to) + done, size - done);
        if (count <= 0)
            break;
        done += static_cast<std::size_t>(count);
    }
    return done;
}

static void send_whole(int fd, const void* from, std::size_t size) {
    for (std::size_t done = 0; done < size;)
        done += static_cast<std::size_t>(CHECK_CALL(
            ::send(fd, static_cast<const char*>(from) + done, size - done, MSG_NOSIGNAL)));
}

std::string held_disk::missing() {
    if (::access(device_path, R_OK | W_OK) != 0)
        return missing_driver("nbd");
    return "";
}

held_disk::held_disk() : device_(CHECK_CALL(::open(device_path, O_RDWR | O_CLOEXEC))) {
    std::array<int, 2> pair{};
    CHECK_CALL(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair.data()));
    kernel_side_ = unique_fd(pair[0]);
    own_side_ = unique_fd(pair[1]);
    CHECK_CALL(::ioctl(device_.get(), NBD_SET_BLKSIZE, block));
    CHECK_CALL(::ioctl(device_.get(), NBD_SET_SIZE_BLOCKS, size / block));
    CHECK_CALL(::ioctl(device_.get(), NBD_SET_SOCK, kernel_side_.get()));
    server_ = std::jthread([this] { serve(); });
    // Returns at the end only; the end of the connection is an error to it.
    kernel_ = std::jthread([this] { ::ioctl(device_.get(), NBD_DO_IT); });
    wait_until([] {
        return ::access("/sys/block/nbd0/pid", F_OK) == 0 &&
               file_content("/sys/block/nbd0/size") == std::to_string(size / 512) + "\n";
    });
    direct_ = unique_fd(CHECK_CALL(::open(device_path, O_RDWR | O_DIRECT | O_CLOEXEC)));
}

held_disk::~held_disk() {
    release();
    direct_.reset();
    ::ioctl(device_.get(), NBD_DISCONNECT);
    server_.join();
    own_side_.reset();
    kernel_.join();
    ::ioctl(device_.get(), NBD_CLEAR_SOCK);
}

void held_disk::wait_for_request() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return waits_; });
}

void held_disk::release() {
    const std::lock_guard lock(mutex_);
    released_ = true;
    changed_.notify_all();
}

void held_disk::serve() {
    try {
        while (answer_one()) {
        }
    } catch (const std::exception& error) {
        std::cerr << "the disk of the test: " << error.what() << std::endl;
    }
    // Nobody waits for an answer that never comes.
    ::shutdown(own_side_.get(), SHUT_RDWR);
}

bool held_disk::answer_one() {
    nbd_request request{};
    if (read_whole(own_side_.get(), &request, sizeof(request)) != sizeof(request))
        return false;
    CHECK(be32toh(request.magic) == NBD_REQUEST_MAGIC);
    const std::uint32_t type = be32toh(request.type) & 0xffff;
    const std::uint64_t from = be64toh(request.from);
    const std::uint32_t length = be32toh(request.len);
    if (type == NBD_CMD_DISC)
        return false;
    CHECK(type == NBD_CMD_READ || type == NBD_CMD_WRITE);
    CHECK(from + length <= size);
    if (type == NBD_CMD_WRITE)
        CHECK(read_whole(own_side_.get(), content_.data() + from, length) == length);
    if (from >= hold_from) {
        std::unique_lock lock(mutex_);
        waits_ = true;
        changed_.notify_all();
        changed_.wait(lock, [this] { return released_; });
    }
    nbd_reply reply{};
    reply.magic = htobe32(NBD_REPLY_MAGIC);
    std::memcpy(reply.handle, request.handle, sizeof(reply.handle));
    send_whole(own_side_.get(), &reply, sizeof(reply));
    if (type == NBD_CMD_READ)
        send_whole(own_side_.get(), content_.data() + from, length);
    return true;
}

} // namespace test
