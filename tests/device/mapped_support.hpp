// SPDX-License-Identifier: MIT
//
// What the tests of mapped pipes share.
#ifndef IPCSHIM_TESTS_DEVICE_MAPPED_SUPPORT_HPP
#define IPCSHIM_TESTS_DEVICE_MAPPED_SUPPORT_HPP

#include <linux/ipcshim.h>
#include <poll.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <string>
#include <utility>

#include "support.hpp"

namespace test {

[[nodiscard]] inline ipcshim::pipe_pair mapped_pair(ipcshim::pipe_mode mode,
                                                    std::size_t capacity = ipcshim::capacity_unit) {
    ipcshim::pipe_parameters parameters;
    parameters.mode = mode;
    parameters.capacity = capacity;
    parameters.mapped = true;
    return ipcshim::port::open().open_pipe(parameters);
}

[[nodiscard]] inline std::size_t page() {
    return static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

// An end's own index page and, of a sender, the data area: what a program that does not
// use the library, or means harm, can write.
class own_pages final {
public:
    explicit own_pages(const ipcshim::sender& end)
        : index_(map(end.fd(), 0, page())),
          data_(map(end.fd(), 2 * page(), 2 * static_cast<std::size_t>(end.info().area()))) {}
    explicit own_pages(const ipcshim::receiver& end) : index_(map(end.fd(), page(), page())) {}
    own_pages(const own_pages&) = delete;
    own_pages& operator=(const own_pages&) = delete;
    ~own_pages() {
        ::munmap(index_.first, index_.second);
        if (data_.first != nullptr)
            ::munmap(data_.first, data_.second);
    }

    [[nodiscard]] volatile ipcshim_mapped_index& index() const {
        return *static_cast<volatile ipcshim_mapped_index*>(index_.first);
    }
    [[nodiscard]] volatile ipcshim_record& record(std::size_t offset) const {
        return *reinterpret_cast<volatile ipcshim_record*>(static_cast<char*>(data_.first) +
                                                           offset);
    }

private:
    static std::pair<void*, std::size_t> map(int fd, std::size_t offset, std::size_t size) {
        void* place = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
                             static_cast<off_t>(offset));
        CHECK(place != MAP_FAILED);
        return {place, size};
    }

    std::pair<void*, std::size_t> index_;
    std::pair<void*, std::size_t> data_{nullptr, 0};
};

// What poll says without waiting.
[[nodiscard]] inline int ready_for(int fd, short events = POLLIN | POLLOUT | POLLRDHUP) {
    pollfd entry{fd, events, 0};
    CHECK_CALL(::poll(&entry, 1, 0));
    return entry.revents;
}

} // namespace test

#endif
