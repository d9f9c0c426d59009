// SPDX-License-Identifier: MIT
//
// What can go wrong with pseudo terminals and the processes on them, and what to
// do.
#include <array>
#include <cerrno>

#include "reason.hpp"

namespace ipcshim::detail {

namespace {

constexpr std::array reasons{
    reason{attempt::open_pty, ENOSPC,
           "as many as may be exist in the whole system; close some, or load the module with a "
           "higher max_ptys"},
    reason{attempt::open_pty, EDQUOT,
           "this user has too many pseudo terminals; close some, or raise "
           "/sys/module/ipcshim/parameters/max_objects or max_bytes"},
    reason{attempt::open_pty, ENOTTY,
           "the module is older than pseudo terminals; load the one that belongs to this library"},
    reason{attempt::read_pty, EAGAIN, "nothing is there yet; try again when POLLIN says so"},
    reason{attempt::write_pty, EAGAIN,
           "who reads there lags behind; try again when POLLOUT says so"},
    reason{attempt::signal_foreground, EINVAL,
           "it must be SIGINT, SIGQUIT or SIGTSTP; others go by child::kill() or kill(2)"},
    reason{attempt::open_slave, EIO, "it is locked; unlock() it first"},
    reason{attempt::open_slave, EBUSY,
           "it is open for exclusive use (TIOCEXCL); wait until that has ended"},
    reason{attempt::open_slave, EACCES,
           "its node belongs to another user, and the module lets it be opened no other way"},
    reason{attempt::window_size, EIO, "it was hung up; its master is closed"},
    reason{attempt::resize, EIO, "it was hung up; its master is closed"},
    reason{attempt::send_pty, ESRCH, "there is no such process; look at its pid again"},
    reason{attempt::send_pty, EPERM,
           "this user may not reach it; run as its user, or let it open its port to others"},
    reason{attempt::send_pty, ECONNREFUSED,
           "it has no port that handles recv_pty; start the program that receives first, and let "
           "it handle that event"},
    reason{attempt::send_pty, EAGAIN,
           "the queue of its port is full; try again when it has read its events"},
    reason{attempt::send_pty, EINVAL, "the pid must be greater than 0"},
    reason{attempt::send_pty, EDQUOT,
           "this user has too many tokens that nobody claimed; let them be claimed, or raise "
           "/sys/module/ipcshim/parameters/max_objects"},
    reason{attempt::spawn_process, EAGAIN,
           "this user has too many processes; wait until some have ended, or raise 'ulimit -u'"},
    reason{attempt::spawn_terminal, EPERM,
           "it is the controlling terminal of another session; open another pseudo terminal"},
    reason{attempt::spawn_terminal, EIO, "it was hung up; its master is closed"},
    reason{attempt::spawn_directory, ENOENT, "there is no such directory; look at its name again"},
    reason{attempt::spawn_directory, ENOTDIR, "that is no directory; look at its name again"},
    reason{attempt::spawn_directory, EACCES, "this user may not go there"},
    reason{attempt::spawn_program, EINVAL,
           "there is no name of a program, a string holds a byte of 0, or an extra variable has "
           "no '='; give arguments, of which the first is the program"},
    reason{attempt::spawn_program, ENOENT,
           "there is no such program, or its interpreter is missing; look at its name and at PATH, "
           "or give its whole path"},
    reason{attempt::spawn_program, ENOTDIR, "its path leads through a file; look at it again"},
    reason{attempt::spawn_program, EACCES,
           "this user may not execute it; look at its mode and at those of its directories"},
    reason{attempt::spawn_program, EPERM,
           "the file system or the kernel's rules forbid to execute it"},
    reason{attempt::spawn_program, ENOEXEC,
           "it is no program for this machine; a script needs a first line with #!"},
    reason{attempt::spawn_program, ETXTBSY, "somebody is writing it; try again when that is done"},
    reason{attempt::spawn_program, E2BIG,
           "arguments and environment are too long together; give fewer"},
    reason{attempt::wait_child, ECHILD,
           "somebody else took its end: this process ignores SIGCHLD, or waits for all its "
           "children in another place; end that"},
    reason{attempt::kill_child, ESRCH, "it has ended, and its end was taken"},
    reason{attempt::kill_child, EPERM, "it runs as another user by now; kill it as that user"},
    reason{attempt::kill_child, EINVAL, "there is no such signal"},
};

} // namespace

std::string_view pty_reason(attempt what, int error) noexcept {
    return find_reason(reasons, what, error);
}

} // namespace ipcshim::detail
