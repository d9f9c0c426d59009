// SPDX-License-Identifier: MIT
//
// What can go wrong with segments, and what to do.
#include <array>
#include <cerrno>

#include "reason.hpp"

namespace ipcshim::detail {

namespace {

constexpr std::array reasons{
    reason{attempt::create_segment, EINVAL,
           "a segment has at least one byte, and at most as many as a file can have; its pages "
           "are small ones or whole large ones, not both"},
    reason{attempt::create_segment, ENOMEM,
           "that is more than the memory of this machine; nothing was changed"},
    reason{attempt::adopt_memory, EINVAL,
           "only whole pages can be taken; give the address and the length of what mmap(2) gave"},
    reason{attempt::adopt_memory, ENOMEM,
           "a part of it is not mapped, or there is not enough memory; nothing was changed"},
    reason{attempt::adopt_memory, EACCES,
           "a part of it is not readable and writable, or is executable; change that with "
           "mprotect(2), or give memory without such a part"},
    reason{attempt::adopt_memory, ENODEV,
           "a part of it is a file's; copy that into memory of its own"},
    reason{attempt::adopt_memory, EALREADY,
           "a part of it is shared memory already; only private memory can be taken"},
    reason{attempt::adopt_memory, EOPNOTSUPP,
           "a part of it is of hugetlb pages; take ordinary memory, which gets large pages too"},
    reason{attempt::adopt_memory, EBUSY,
           "a part of it is locked (mlock), or watched by userfaultfd; end that first"},
    reason{attempt::adopt_memory, ENXIO,
           "a part of it is a stack, a device's, or the kernel's own; copy that into memory of "
           "its own"},
    reason{attempt::adopt_memory, ENOTRECOVERABLE,
           "memory ran out in the middle and the range is not mapped any more; don't touch it, "
           "end the program"},
    reason{attempt::map, EACCES,
           "it was not given for that; look at rights(), and map it with map_const() to read"},
    reason{attempt::map_executable, EACCES,
           "it was not given to execute; let its owner share it with that right"},
    reason{attempt::map, EINVAL,
           "offset and address must be whole pages, and no mapping is both to write and to "
           "execute"},
    reason{attempt::map_executable, EINVAL, "offset and address must be whole pages"},
    reason{attempt::map, ENXIO, "offset and length must lie within the segment"},
    reason{attempt::map_executable, ENXIO, "offset and length must lie within the segment"},
    reason{attempt::map, EEXIST,
           "this process has something else at that address; take another one, or none"},
    reason{attempt::map_executable, EEXIST,
           "this process has something else at that address; take another one, or none"},
    reason{attempt::map, ENOMEM,
           "there is not enough memory or address space, or too many mappings; see "
           "/proc/sys/vm/max_map_count"},
    reason{attempt::copy_memory, ESTALE,
           "the segment was handed over, taken back, or its lease has ended; close the mapping, "
           "and claim the segment that comes next"},
    reason{attempt::copy_memory, EINVAL, "that is not within the mapping; map more of the segment"},
    reason{attempt::copy_memory, ENOSYS,
           "this kernel has no process_vm_readv(2), which it needs; use bytes() instead"},
    reason{attempt::give_back, EINVAL, "it was not lent to this process; close it instead"},
    reason{attempt::give_back, EBUSY,
           "some of its pages are in use by I/O (direct I/O, io_uring, vmsplice); wait until that "
           "has ended, and call again"},
    reason{attempt::unshare, EPERM, "only the owner takes it back, and this handle is not its"},
    reason{attempt::unshare, ESRCH, "there is no such process; look at its pid again"},
    reason{attempt::unshare, ENOENT,
           "it was not given the segment, or has let go of it; nothing is to be done"},
    reason{attempt::unshare, EINVAL,
           "the pid must be greater than 0; unshare_all() takes it back from everybody"},
    reason{attempt::export_dmabuf, EPERM, "only the owner exports it, and this handle is not its"},
    reason{attempt::export_dmabuf, EACCES,
           "the right to write is missing; let its owner export it"},
    reason{attempt::export_dmabuf, EOPNOTSUPP,
           "this kernel has no dma-bufs (CONFIG_DMA_SHARED_BUFFER); share it with processes only"},
    reason{attempt::find_root, EPROTO,
           "no segment_resource filled it, or make_root() made nothing of that size; build both "
           "programs alike, and ask for the type that was made"},
};

// Sharing, handing over and lending fail alike.
constexpr std::array reasons_of_giving{
    reason{attempt::share, EINVAL,
           "the process must be another one, and the rights must go together: read, and neither "
           "execute nor copy_on_write together with write"},
    reason{attempt::share, EACCES, "this handle has not all of those rights; give fewer"},
    reason{attempt::share, EPERM,
           "this handle is not the owner's, or this user may not reach the process; let the owner "
           "share it, or let the process open its port to others"},
    reason{attempt::share, EEXIST,
           "it has the segment already, or a token for it; unshare() it first to change the "
           "rights"},
    reason{attempt::share, EBUSY,
           "its pages can be reached otherwise, and nothing has changed: unshare() it from others, "
           "close dma-bufs, and wait until I/O on it has ended (direct I/O, io_uring, vmsplice)"},
    reason{attempt::share, ETIMEDOUT, "the end of the lease has passed already; set a later one"},
    reason{attempt::share, ESRCH, "there is no such process; look at its pid again"},
    reason{attempt::share, ECONNREFUSED,
           "it has no port that handles recv_shared_mem; start the program that receives first, "
           "and let it handle that event"},
    reason{attempt::lend, ECONNREFUSED,
           "it, or this process itself, has no port that handles recv_shared_mem, and what is lent "
           "comes back in such an event; let both handle it first"},
    reason{attempt::share, EAGAIN,
           "the queue of its port is full; try again when it has read its events"},
    reason{attempt::lend, EAGAIN,
           "the queue of its port, or of this process's own, is full; try again when the events "
           "were read"},
};

bool is_of_segment(attempt what) noexcept {
    return what >= attempt::create_segment && what <= attempt::find_root;
}

} // namespace

std::string_view segment_reason(attempt what, int error) noexcept {
    if (const auto text = find_reason(reasons, what, error); !text.empty()) {
        return text;
    }
    const bool giving =
        what == attempt::share || what == attempt::hand_over || what == attempt::lend;
    if (giving) {
        if (const auto text = find_reason(reasons_of_giving, what, error); !text.empty()) {
            return text;
        }
        if (const auto text = find_reason(reasons_of_giving, attempt::share, error);
            !text.empty()) {
            return text;
        }
    }
    if (!is_of_segment(what)) {
        return {};
    }
    switch (error) {
    case ESTALE:
        return "it was handed over, taken back, or its lease has ended; close it, and claim the "
               "segment that comes next";
    case EDQUOT:
        return "this user has too many segments, or too many bytes of them; close some, or raise "
               "/sys/module/ipcshim/parameters/max_segment_bytes or max_objects";
    case ENODEV:
        return "its descriptor can't be mapped; load the module that belongs to this library";
    default:
        return {};
    }
}

} // namespace ipcshim::detail
