// SPDX-License-Identifier: MIT
//
// What can go wrong with services and sockets, and what to do.
#include <array>
#include <cerrno>

#include "reason.hpp"

namespace ipcshim::detail {

namespace {

constexpr std::string_view no_such_name =
    "a name has 1 to 64 bytes of printable ASCII; look at it again";

constexpr std::array reasons{
    reason{attempt::publish, EADDRINUSE,
           "another port of this user, or for names that begin with 'sys.' anybody's, has it; end "
           "that program, or take another name"},
    reason{attempt::publish, EINVAL,
           "a name has 1 to 64 bytes of printable ASCII, and the largest message is from 4096 "
           "bytes to 256 MiB"},
    reason{attempt::publish, ENAMETOOLONG, no_such_name},
    reason{attempt::publish, EPERM,
           "names that begin with 'sys.' need CAP_SYS_ADMIN, and a port publishes only for the "
           "process that opened it; run as root, or take another name"},
    reason{attempt::publish, EDQUOT,
           "this user has too many names, connections and the like; close some, or raise "
           "/sys/module/ipcshim/parameters/max_objects"},
    reason{attempt::withdraw, ENOENT, "its port has no such name any more; nothing is to be done"},
    reason{attempt::connect, ENOENT,
           "nobody has published that name; start the service first, or connect with wait"},
    reason{attempt::connect, EPERM,
           "this user may not reach it; run as its user, or let it open its port to others"},
    reason{attempt::connect, EAGAIN,
           "the queue of its port is full; try again when it has answered some"},
    reason{attempt::connect, EMSGSIZE,
           "the service allows no messages of that size; ask for less, or for 0, which is what it "
           "gives"},
    reason{attempt::connect, ECONNREFUSED, "the service has rejected it"},
    reason{attempt::connect, ECONNRESET,
           "the service ended before it answered; start it again, or connect with wait"},
    reason{attempt::connect, ETIMEDOUT,
           "there was no answer until the deadline; see what the service does, or give it more "
           "time"},
    reason{attempt::connect, EINVAL,
           "a name has 1 to 64 bytes of printable ASCII, and the uid must be one of this user "
           "namespace"},
    reason{attempt::connect, ENAMETOOLONG, no_such_name},
    reason{attempt::connect, EINTR, "a signal came, and the request was taken back; call again"},
    reason{attempt::connect, EDQUOT,
           "this user has too many connections; close some, or raise "
           "/sys/module/ipcshim/parameters/max_objects"},
    reason{attempt::accept, ENOENT,
           "the client has given up, or was answered before; nothing is to be done"},
    reason{attempt::accept, EINVAL, "that event is no service_conn_request; look at its code"},
    reason{attempt::reject, ENOENT,
           "the client has given up, or was answered before; nothing is to be done"},
    reason{attempt::reject, EINVAL, "that event is no service_conn_request; look at its code"},
    reason{attempt::has_service, EPERM,
           "this user may not reach it; run as its user, or let it open its port to others"},
    reason{attempt::has_service, EINVAL,
           "a name has 1 to 64 bytes of printable ASCII, and the uid must be one of this user "
           "namespace"},
    reason{attempt::has_service, ENAMETOOLONG, no_such_name},
    reason{attempt::open_socket, ESRCH, "there is no such process; look at its pid again"},
    reason{attempt::open_socket, EPERM,
           "this user may not reach it; run as its user, or let it open its port to others"},
    reason{attempt::open_socket, ECONNREFUSED,
           "it has no port that handles recv_serv_sock; start the program that receives first, and "
           "let it handle that event"},
    reason{attempt::open_socket, EAGAIN,
           "the queue of its port is full; try again when it has read its events"},
    reason{attempt::open_socket, EINVAL,
           "the pid must be greater than 0, and the largest message is from 4096 bytes to 256 MiB"},
    reason{attempt::open_socket, EDQUOT,
           "this user has too many connections; close some, or raise "
           "/sys/module/ipcshim/parameters/max_objects"},
    reason{attempt::answer_message, EBUSY,
           "it is the other side's turn; read its message of this exchange first"},
    reason{attempt::answer_message, ESHUTDOWN, "the exchange is concluded; open a new one"},
    reason{attempt::answer_message, ENOENT,
           "this connection never had such an exchange; take the number from a message that was "
           "read"},
    reason{attempt::read_message, EAGAIN, "none waits; try again when POLLIN says so"},
    reason{attempt::read_message, ENOENT,
           "this connection never had such an exchange; take the number from what was sent"},
    reason{attempt::read_message, ESHUTDOWN,
           "the exchange is concluded, and nothing of it is left; open a new one"},
    reason{attempt::read_message, EBUSY,
           "another thread waits for a message of that exchange; let that one read it"},
    reason{attempt::call_method, EINTR,
           "a signal came; if the exception tells an exchange the request is out, and read() with "
           "that exchange takes the answer, else call again"},
    reason{attempt::call_method, ETIMEDOUT,
           "no answer came until the deadline; it is left to be read, if it comes"},
    reason{attempt::call_method, ECONNRESET,
           "the connection ended before the answer came; connect again, and find out whether the "
           "request was carried out"},
    reason{attempt::end_connection, EPERM,
           "only the client ends it in order; a service closes its socket"},
    reason{attempt::end_connection, EINVAL,
           "it was made by open_socket(), and has no service; call close_both()"},
    reason{attempt::close_socket, EINVAL,
           "it is a connection to a service; let the client end() it"},
    reason{attempt::run_service, EAGAIN,
           "there are too many threads; ask for fewer, or raise 'ulimit -u'"},
};

// What sends, fails alike; as does all that happens on a connection.
constexpr std::array reasons_of_sending{
    reason{attempt::send_message, EMSGSIZE,
           "that is longer than the connection's largest message; ask for a larger message_max "
           "when you connect, or send a segment with it"},
    reason{attempt::send_message, EAGAIN,
           "the other side has too much to read already; try again when POLLOUT says so, or wait"},
    reason{attempt::send_message, ETIMEDOUT,
           "the other side had no room until the deadline; see what it does, or give it more time"},
    reason{attempt::send_message, ENOBUFS,
           "too many answers wait to be read here; read them first"},
    reason{attempt::send_message, EPIPE, "the connection has ended in order; connect again"},
    reason{attempt::send_message, ECONNRESET,
           "the connection has ended, the other side is gone; connect again"},
    reason{attempt::send_message, EDQUOT,
           "the messages that wait in sockets are too many bytes for the user who connected; read "
           "some, or raise /sys/module/ipcshim/parameters/max_bytes"},
    reason{attempt::send_message, EOPNOTSUPP,
           "a message carries ends of pipes, segments and sockets, nothing else"},
    reason{attempt::send_message, EINVAL,
           "a message carries at most 8 descriptors, a segment once, with rights that go together; "
           "and an error is not 0"},
    reason{attempt::send_message, ELOOP,
           "the socket would travel in a message to itself; read what waits there first"},
    reason{attempt::send_message, ESTALE,
           "the segment that it carries was handed over, taken back, or its lease has ended"},
    reason{attempt::send_message, EACCES,
           "the segment that it carries was not given with all of those rights; give fewer"},
    reason{attempt::send_message, EPERM,
           "the segment that it carries is another's; let its owner send it"},
    reason{attempt::send_message, EBUSY,
           "the pages of the segment that it carries can be reached otherwise; unshare() it from "
           "others, and wait until I/O on it has ended"},
    reason{attempt::send_message, EBADF, "what it was to carry, or the socket itself, is closed"},
};

} // namespace

std::string_view service_reason(attempt what, int error) noexcept {
    if (const auto text = find_reason(reasons, what, error); !text.empty()) {
        return text;
    }
    switch (what) {
    case attempt::send_message:
    case attempt::answer_message:
    case attempt::call_method:
    case attempt::read_message:
    case attempt::end_connection:
    case attempt::close_socket:
        return find_reason(reasons_of_sending, attempt::send_message, error);
    default:
        return {};
    }
}

} // namespace ipcshim::detail
