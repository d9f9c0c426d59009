// SPDX-License-Identifier: MIT
#include "sentence.hpp"

#include <array>
#include <cerrno>
#include <stdexcept>
#include <string_view>

#include "reason.hpp"

namespace ipcshim::detail {

namespace {

// "cannot <verb> <subject>"; the verb may hold the place of the subject as '@'.
std::string_view verb_of(attempt what) noexcept {
    switch (what) {
    case attempt::open_device:
        return "open @";
    case attempt::query:
        return "ask the module about itself";
    case attempt::handle:
        return "handle the events @";
    case attempt::unhandle:
        return "stop to handle the events @";
    case attempt::is_handled:
        return "ask whether @ handles an event";
    case attempt::ready:
        return "make the port ready";
    case attempt::set_access:
        return "change who may reach the port";
    case attempt::read_events:
        return "read events from the port";
    case attempt::claim:
        return "claim @";
    case attempt::open_pipe:
        return "open a pipe to @";
    case attempt::send_pipe:
        return "hand the end of the pipe to @";
    case attempt::write:
        return "write @ to the pipe";
    case attempt::read:
        return "read @ from the pipe";
    case attempt::info:
        return "ask what the pipe looks like";
    case attempt::close_pipe:
        return "close the pipe for everybody";
    case attempt::adopt:
        return "adopt @";
    case attempt::descriptor_flags:
        return "change the flags of the descriptor";
    case attempt::dispatch:
        return "wait for events";
    case attempt::signal_source:
        return "take @ without a handler";
    case attempt::signal_handler:
        return "install a handler for @";
    case attempt::create_segment:
        return "create a segment of @";
    case attempt::adopt_memory:
        return "make a segment of @";
    case attempt::segment_info:
        return "ask about @";
    case attempt::map:
        return "map @";
    case attempt::map_executable:
        return "map @ to execute";
    case attempt::copy_memory:
        return "copy @";
    case attempt::share:
        return "share the segment with @";
    case attempt::hand_over:
        return "hand the segment over to @";
    case attempt::lend:
        return "lend the segment to @";
    case attempt::give_back:
        return "give back @";
    case attempt::unshare:
        return "take the segment back from @";
    case attempt::export_dmabuf:
        return "make a dma-buf of @";
    case attempt::find_root:
        return "find a root of @";
    case attempt::open_pty:
        return "open a pseudo terminal";
    case attempt::read_pty:
        return "read from the master of @";
    case attempt::write_pty:
        return "write @";
    case attempt::window_size:
        return "ask for the window's size of @";
    case attempt::resize:
        return "resize @";
    case attempt::packet_mode:
        return "change the packet mode of @";
    case attempt::signal_foreground:
        return "signal the foreground of @";
    case attempt::foreground:
        return "ask for the foreground of @";
    case attempt::open_slave:
        return "open @";
    case attempt::lock_pty:
        return "lock or unlock @";
    case attempt::send_pty:
        return "hand the pseudo terminal to @";
    case attempt::spawn_process:
        return "start a process for '@'";
    case attempt::spawn_terminal:
        return "make @ a controlling terminal";
    case attempt::spawn_directory:
        return "change to the directory '@'";
    case attempt::spawn_program:
        return "run '@'";
    case attempt::wait_child:
        return "wait for @";
    case attempt::kill_child:
        return "send a signal to @";
    case attempt::publish:
        return "publish @";
    case attempt::withdraw:
        return "withdraw @";
    case attempt::connect:
        return "connect to @";
    case attempt::accept:
        return "accept @";
    case attempt::reject:
        return "reject @";
    case attempt::has_service:
        return "ask for the service @";
    case attempt::open_socket:
        return "open a socket to @";
    case attempt::send_message:
        return "send a message of @";
    case attempt::answer_message:
        return "answer with @";
    case attempt::read_message:
        return "read a message from @";
    case attempt::call_method:
        return "call method @";
    case attempt::end_connection:
        return "end the connection by @";
    case attempt::close_socket:
        return "close @ for everybody";
    case attempt::run_service:
        return "run the service @";
    case attempt::run_client:
        return "run the client of @";
    case attempt::map_pipe:
        return "map @";
    case attempt::reserve:
        return "reserve @ in the pipe";
    case attempt::commit:
        return "commit @ to the pipe";
    case attempt::peek:
        return "look at what is next in the pipe";
    case attempt::release:
        return "take @ out of the pipe";
    case attempt::write_batch:
        return "write @ to the pipe";
    case attempt::read_batch:
        return "read @ from the pipe";
    }
    return "do this to @";
}

constexpr std::array reasons{
    reason{attempt::open_device, ENOENT,
           "the module is not loaded; load it with 'insmod ipcshim.ko' as root"},
    reason{attempt::open_device, ENXIO,
           "the module is not loaded any more; load it with 'insmod ipcshim.ko' as root"},
    reason{attempt::open_device, ENODEV,
           "the module is not loaded any more; load it with 'insmod ipcshim.ko' as root"},
    reason{attempt::open_device, EACCES,
           "this user may not open it; as root give it the mode 0666 that the module sets"},
    reason{attempt::open_device, EDQUOT,
           "this user has too many ports open; close some, or raise "
           "/sys/module/ipcshim/parameters/max_ports"},
    reason{attempt::open_device, ENOTTY,
           "it is not the device of ipcshim; give the path of the real one, /dev/ipcshim"},
    reason{attempt::query, ENOTTY,
           "the descriptor is not a port of ipcshim; open one with ipcshim::port::open()"},
    reason{attempt::handle, EBUSY,
           "another port of this process handles one of them; let that one unhandle it first"},
    reason{attempt::handle, EINVAL,
           "the set is empty, the module does not know one of the codes, or the signal is not a "
           "real-time signal; take one from SIGRTMIN to SIGRTMAX"},
    reason{attempt::handle, ESRCH,
           "the thread that is to be notified is not one of this process; give its tid"},
    reason{attempt::unhandle, ENOENT,
           "this port does not handle one of them; unhandle only what was handled"},
    reason{attempt::unhandle, EINVAL,
           "the set is empty or the module does not know one of the codes"},
    reason{attempt::is_handled, ESRCH, "there is no such process; look at its pid again"},
    reason{attempt::is_handled, EPERM,
           "this user may not reach it; run as its user, or let it open its port to others"},
    reason{attempt::ready, EALREADY, "it was ready; call ready() once"},
    reason{attempt::read_events, EPROTO,
           "the module answered with half an event; load the module that belongs to this library"},
    reason{attempt::claim, ENOENT,
           "this process has no such token: it never was, was claimed before, or is another "
           "process's; take the token from an event, once"},
    reason{attempt::claim, EINVAL,
           "that is not what is announced, or what the token stood for; look at the event's code "
           "and end, and claim that"},
    reason{attempt::claim, ESTALE,
           "its sharer took the segment back before, or closed the pseudo terminal, and the token "
           "is used up; ask for it again"},
    reason{attempt::claim, EIO,
           "the pseudo terminal is locked; try again when its master has unlocked it"},
    reason{attempt::claim, EBUSY,
           "the pseudo terminal is open for exclusive use (TIOCEXCL); try again when that has "
           "ended"},
    reason{attempt::claim, EPROTO,
           "the module answered with an end that this library does not know; load the module that "
           "belongs to this library"},
    reason{attempt::open_pipe, ESRCH, "there is no such process; look at its pid again"},
    reason{attempt::open_pipe, EPERM,
           "this user may not reach it; run as its user, or let it open its port to others"},
    reason{attempt::open_pipe, ECONNREFUSED,
           "it has no port that handles recv_pipe; start the program that receives first, and let "
           "it handle that event"},
    reason{attempt::open_pipe, EAGAIN,
           "the queue of its port is full; try again when it has read its events"},
    reason{attempt::open_pipe, EINVAL,
           "the pid must be greater than 0 and the capacity at most 16 MiB, and mapped needs a "
           "module that has mapped pipes"},
    reason{attempt::open_pipe, EDQUOT,
           "this user has too many pipes; close some, or raise "
           "/sys/module/ipcshim/parameters/max_objects or max_bytes"},
    reason{attempt::send_pipe, ESRCH, "there is no such process; look at its pid again"},
    reason{attempt::send_pipe, EPERM,
           "this user may not reach it; run as its user, or let it open its port to others"},
    reason{attempt::send_pipe, ECONNREFUSED,
           "it has no port that handles recv_pipe; start the program that receives first, and let "
           "it handle that event"},
    reason{attempt::send_pipe, EAGAIN,
           "the queue of its port is full; try again when it has read its events"},
    reason{attempt::send_pipe, EPIPE, "the pipe was closed for everybody; open a new one"},
    reason{attempt::send_pipe, EINVAL, "the pid must be greater than 0"},
    reason{attempt::send_pipe, EDQUOT,
           "this user has too many tokens that nobody claimed; let them be claimed, or raise "
           "/sys/module/ipcshim/parameters/max_objects"},
    reason{attempt::write, EPIPE, "the pipe is closed, nobody will read it; open a new one"},
    reason{attempt::write, EMSGSIZE, "a message has at most 65536 bytes; cut it into several"},
    reason{attempt::write, EINVAL,
           "mode some is for raw pipes only, and mode fail needs a piece that the pipe can hold"},
    reason{attempt::read, EINVAL,
           "mode some and single bytes are for raw pipes, messages for message pipes, and mode "
           "fail needs a piece that the pipe can hold"},
    reason{attempt::read, EMSGSIZE, "the buffer is too small for the message, which waits still"},
    reason{attempt::close_pipe, EPIPE, "it was closed for everybody before; close() what is left"},
    reason{attempt::adopt, ENOTTY,
           "it is nothing that ipcshim made; give a descriptor of the right kind"},
    reason{attempt::adopt, EINVAL,
           "it is the other end of a pipe; adopt a sender as a sender, a receiver as a receiver"},
    reason{attempt::adopt, EBADF, "there is no such descriptor; it may be closed already"},
    reason{attempt::signal_handler, EBUSY,
           "this process has an ipcshim::signal_handler for it; destroy that one first"},
    reason{attempt::signal_handler, EINVAL,
           "it is not a real-time signal, or there is no function; take one from SIGRTMIN to "
           "SIGRTMAX"},
    reason{attempt::signal_source, EINVAL,
           "it is not a real-time signal; take one from SIGRTMIN to SIGRTMAX"},
};

std::string_view general(int error) noexcept {
    switch (error) {
    case EPERM:
        return "another process opened the port and this one inherited it; open one of its own";
    case EINTR:
        return "a signal came before anything moved; call again";
    case EDQUOT:
        return "a limit of this user is reached; see 'ipcshim info'";
    case EMFILE:
        return "this process has too many descriptors open; close some, or raise 'ulimit -n'";
    case ENFILE:
        return "the system has too many files open; raise /proc/sys/fs/file-max";
    case ENOMEM:
        return "there is not enough memory; nothing was changed";
    case EFAULT:
        return "the buffer is not this process's memory; nothing was moved";
    case EBADF:
        return "the descriptor is closed";
    case ENOTTY:
        return "this kind of descriptor cannot do that, or the module is too old for it; see "
               "'ipcshim info'";
    case ETIMEDOUT:
        return "the deadline passed";
    default:
        return {};
    }
}

std::string cannot(attempt what, const std::string& subject) {
    std::string text{verb_of(what)};
    if (const auto place = text.find('@'); place != std::string::npos) {
        text.replace(place, 1, subject);
    }
    return "cannot " + text;
}

std::string_view why(attempt what, int error) noexcept {
    if (const std::string_view text = find_reason(reasons, what, error); !text.empty()) {
        return text;
    }
    if (const std::string_view text = segment_reason(what, error); !text.empty()) {
        return text;
    }
    if (const std::string_view text = service_reason(what, error); !text.empty()) {
        return text;
    }
    if (const std::string_view text = pipe_reason(what, error); !text.empty()) {
        return text;
    }
    const std::string_view text = pty_reason(what, error);
    return text.empty() ? general(error) : text;
}

std::string join(std::string text, std::string_view reason) {
    if (!reason.empty()) {
        text += ": ";
        text += reason;
    }
    return text;
}

std::string moved_so_far(attempt what, const io_result& result) {
    const bool batch = what == attempt::write_batch || what == attempt::read_batch;
    return std::to_string(result.moved()) + (batch ? " messages" : " bytes") + " had moved";
}

} // namespace

std::string sentence(attempt what, int error, const std::string& subject) {
    return join(cannot(what, subject), why(what, error));
}

std::string sentence(attempt what, int error, const std::string& subject, const io_result& result) {
    const std::string start = cannot(what, subject);
    const bool writing = what == attempt::write || what == attempt::write_batch;
    switch (error) {
    case EAGAIN:
        switch (result.cause()) {
        case cause::locked:
            return start + ": " +
                   (result.pid() != 0 ? "process " + std::to_string(result.pid()) : "somebody") +
                   " is " + (writing ? "writing" : "reading") +
                   "; try again when that is done, or wait with mode all";
        case cause::full:
            return start + ": " + std::to_string(result.lacks()) +
                   " bytes of room are missing; try again when POLLOUT says so, or wait with mode "
                   "all";
        case cause::empty:
            return start + ": " + std::to_string(result.lacks()) +
                   " bytes of data are missing; try again when POLLIN says so, or wait with mode "
                   "all";
        default:
            return start + ": nothing could move now; try again, or wait with mode all";
        }
    case ETIMEDOUT:
        return start + ": the deadline passed when " + moved_so_far(what, result) +
               "; go on from there, or give it more time";
    case EPIPE:
        return result.moved() == 0 ? join(start, why(what, error))
                                   : start + ": the pipe was closed when " +
                                         moved_so_far(what, result) + "; open a new one";
    case EMSGSIZE:
        return writing ? join(start, why(what, error))
                       : join(start, why(what, error)) + "; it needs " +
                             std::to_string(result.remains()) + " bytes";
    default:
        return join(start, why(what, error));
    }
}

std::string misfit(const std::string& path, const driver_info& found) {
    std::string text = "cannot use " + path + ": the loaded module";
    if (found.abi_version() < IPCSHIM_ABI_VERSION) {
        text += " is older than this library (interface version " +
                std::to_string(found.abi_version()) + ", the library's is " +
                std::to_string(IPCSHIM_ABI_VERSION) + ") and";
    }
    text += " has no";
    const char* separator = " ";
    if (!found.has(IPCSHIM_FEATURE_EVENTS)) {
        text += separator;
        text += "ports and events";
        separator = ", no ";
    }
    if (!found.has(IPCSHIM_FEATURE_PIPES)) {
        text += separator;
        text += "pipes";
    }
    return text + "; unload it with 'rmmod ipcshim' and load the one that belongs to this library";
}

std::string process_name(pid_t pid) {
    return pid == 0 ? "this process" : "process " + std::to_string(pid);
}

void check(const std::error_code& error, attempt what, const std::string& subject) {
    if (error) {
        throw std::system_error(error, sentence(what, error.value(), subject));
    }
}

void used_closed(const char* what) {
    throw std::logic_error(std::string("a closed ") + what +
                           " was used; open it, or don't use it after a move, close() or "
                           "release()");
}

} // namespace ipcshim::detail
