// SPDX-License-Identifier: MIT
//
// Why something with a mapped pipe or a batch failed, and what to do.
#include "sentence.hpp"

#include <array>
#include <cerrno>

#include "reason.hpp"

namespace ipcshim::detail {

namespace {

constexpr std::array reasons{
    reason{attempt::map_pipe, ENODEV,
           "the pipe was not opened as mapped; open it with pipe_parameters::mapped, on a module "
           "that has mapped pipes"},
    reason{attempt::map_pipe, EBUSY,
           "another process has this end mapped, and one alone can; let it unmap or close it"},
    reason{attempt::map_pipe, EAGAIN,
           "too much of this process's memory is locked; unlock some, or raise 'ulimit -l'"},
    reason{attempt::map_pipe, EPROTO,
           "the module answered with a size that makes no sense; load the module that belongs to "
           "this library"},
    reason{attempt::send_pipe, EBUSY,
           "this end is mapped, and that is for one process alone; unmap it first"},
    reason{attempt::reserve, EPIPE, "the pipe is closed, nobody will read it; open a new one"},
    reason{attempt::reserve, EMSGSIZE, "a message has at most 65536 bytes; cut it into several"},
    reason{attempt::reserve, EINVAL,
           "it must be at least 1 byte and at most the data area, and mode some is for raw pipes "
           "only"},
    reason{attempt::reserve, EAGAIN,
           "there is not so much room now; try again when POLLOUT says so, or wait with mode all"},
    reason{attempt::commit, EINVAL,
           "that is more than was reserved, or something else was written since; reserve again"},
    reason{attempt::commit, EPIPE, "the pipe is closed, nobody will read it; open a new one"},
    reason{attempt::peek, EINVAL,
           "it must be at least 1 byte and at most the data area, of messages 1, and mode some is "
           "for raw pipes only"},
    reason{attempt::peek, EAGAIN,
           "there is not so much data now; try again when POLLIN says so, or wait with mode all"},
    reason{attempt::release, EINVAL,
           "that is more than was shown, or something else was read since, or a part of a message; "
           "peek again"},
    reason{attempt::write_batch, EPIPE, "the pipe is closed, nobody will read it; open a new one"},
    reason{attempt::write_batch, EMSGSIZE,
           "a message has at most 65536 bytes; cut it into several"},
    reason{attempt::write_batch, EINVAL,
           "batches are for message pipes and at most 1024 messages, and mode fail needs a batch "
           "that the pipe can hold"},
    reason{attempt::read_batch, EINVAL,
           "batches are for message pipes and at most 1024 messages, and mode fail needs a batch "
           "that the pipe can hold"},
    reason{attempt::read_batch, EMSGSIZE,
           "the first buffer is too small for its message, which waits still"},
};

bool moves_data(attempt what) noexcept {
    switch (what) {
    case attempt::write:
    case attempt::read:
    case attempt::write_batch:
    case attempt::read_batch:
    case attempt::reserve:
    case attempt::commit:
    case attempt::peek:
    case attempt::release:
        return true;
    default:
        return false;
    }
}

} // namespace

std::string_view pipe_reason(attempt what, int error) noexcept {
    if (moves_data(what) && error == EPROTO) {
        return "what lies in the mapped ring makes no sense: the other side is broken or hostile, "
               "or one side was used by two at once; close it and open a new pipe";
    }
    if (moves_data(what) && error == EBUSY) {
        return "another process has this end mapped, and uses it alone; let it unmap or close it";
    }
    return find_reason(reasons, what, error);
}

} // namespace ipcshim::detail
