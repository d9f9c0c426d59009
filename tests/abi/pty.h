/* SPDX-License-Identifier: MIT */
/*
 * What the tests of pseudo terminals share.  A child inherits its parent's master,
 * and that keeps a pty: peers are started first.
 */
#ifndef IPCSHIM_TESTS_ABI_PTY_H
#define IPCSHIM_TESTS_ABI_PTY_H

#include <sys/stat.h>
#include <termios.h>

#include "support.h"

/* Of the second word of codes. */
#define PTY_CODE (1ULL << (IPCSHIM_EVENT_RECV_PTY - 64))

int port_for_ptys(void); /* handles RECV_PTY, no signals */
struct peer peer_for_ptys(void); /* likewise, as root */

struct ipcshim_open_pty pty_open(int port); /* has to succeed; no window size */
struct ipcshim_open_pty pty_nonblocking(int port); /* the same, with a master that does not block */
int master_open(int port); /* the first, for who needs no more */
int master_nonblocking(void); /* of a port of its own */
struct ipcshim_send_pty send_pty_args(pid_t pid);
uint64_t pty_token_for_me(int master); /* no event */

/* TIOCGPTPEER with O_RDWR, O_NOCTTY, O_CLOEXEC and "flags"; has to succeed. */
int slave_open(int master, int flags);
const char *node_of(unsigned int index); /* /dev/ttyIPC<index>, until the next call */
/* No echo, no signals, no lines: bytes as they come; on either side. */
void make_raw(int fd);
struct winsize window_of(int fd);

/* What poll tells at once. */
short ready_now(int fd);
/* Waits for one of "events" and tells all that there is. */
short wait_ready(int fd, short events);
int bytes_to_read(int fd); /* FIONREAD */
/* Reads until so many bytes are there, and they are these. */
void expect_text(int fd, const char *text);
void set_nonblocking(int fd);

/*
 * How a master stands towards its slave: nobody has opened that yet (or it is open) and
 * nothing waits to be read; or the last close has been.  "master" is O_NONBLOCK.
 */
void expect_waiting(int master);
void expect_hung_up(int master);

/* Loads the module anew, with these parameters; at exit once more without any. */
void reload_with(const char *parameters);
int try_reload(const char *parameters); /* 0 or an errno of the load */
int try_unload(void); /* 0 or an errno */

#endif
