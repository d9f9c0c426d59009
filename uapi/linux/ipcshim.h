/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * ipcshim: pipes, message pipes and announcements between processes.
 *
 * This header is the specification of the driver's interface.  It alone
 * carries the names, numbers, units and errors; nothing else repeats them.
 *
 * Where the names come from: the semantics are those of two small operating
 * systems.  "seed 000" is Zeke's IPC chapter, "seed 002" is the IPC chapter of
 * NightOS.  The number of an ioctl is the code of the system call in seed 002,
 * and the code of an event is the code of the signal there; what seed 002 does
 * not have is marked "ours".
 *
 * Rules that hold everywhere
 * --------------------------
 * - Every structure is made of fixed-width fields, its size is a multiple of
 *   8 bytes, and it is the same for 32-bit and 64-bit callers.
 * - Fields are marked [in], [out] or [in,out].  Reserved fields and fields that
 *   are [out] only must be zero on entry where they are named "reserved";
 *   other [out] fields are ignored on entry.
 * - A user pointer is passed as a __u64.
 * - A pid is read and told in the pid namespace of the caller or the receiver,
 *   a uid in its user namespace.  0 as a told pid: not visible from there.
 * - A deadline is an absolute time of CLOCK_MONOTONIC in nanoseconds; 0 means
 *   none.  It is absolute so that a call restarted after a signal keeps it.
 * - All descriptors that come out of here are O_CLOEXEC.
 * - Two descriptors name the same object if st_ino is the same: such a number is
 *   never used again while the module is loaded.
 *
 * Errors that any ioctl can answer (not repeated below)
 * -----------------------------------------------------
 * ENOTTY	unknown command, or one that this kind of descriptor has not
 * EFAULT	a bad pointer; nothing was changed, nothing lost
 * EINVAL	an unknown flag, a non-zero reserved field, a value out of range
 * ENOMEM	no memory; nothing was changed
 * EDQUOT	a limit of the caller's uid (see IPCSHIM_QUERY); nothing changed
 * EMFILE, ENFILE	no descriptor number or file to be had; nothing changed
 */
#ifndef _UAPI_LINUX_IPCSHIM_H
#define _UAPI_LINUX_IPCSHIM_H

#include <linux/ioctl.h>
#include <linux/types.h>

/* Raised when something is added; nothing is ever removed or changed. */
#define IPCSHIM_ABI_VERSION	1

#define IPCSHIM_DEVICE		"/dev/ipcshim"

#define IPCSHIM_IOC_MAGIC	0xE9

/* Capacity of a pipe, in units: 0 stands for one unit. */
#define IPCSHIM_CAPACITY_UNIT	65536	/* bytes (seed 002: 64 KB) */
#define IPCSHIM_CAPACITY_MAX	256	/* units: 16 MiB (seed 002) */
/* The longest message, in bytes (seed 002: 64 KB). */
#define IPCSHIM_MESSAGE_MAX	65536
/*
 * A raw write of at most so many bytes is one piece even where it does not
 * wait (POSIX: PIPE_BUF).
 */
#define IPCSHIM_PIPE_BUF	4096

/*
 * Events: what the seeds call signals
 * ===================================
 */

/* Codes (u16).  Those below 128 can be registered; others are EINVAL. */
#define IPCSHIM_EVENT_RECV_PIPE		0x20	/* seed 002 */
#define IPCSHIM_EVENT_PIPE_CLOSED	0x21	/* seed 002 */
#define IPCSHIM_EVENT_CODES		128	/* bits in a set of codes */

/*
 * How something ended (u16).  "status" beside it is the exit code for EXITED
 * (0 to 255), the number of the signal for KILLED, else 0.
 */
#define IPCSHIM_HOW_CLOSED	1	/* a live process closed it */
#define IPCSHIM_HOW_EXITED	2	/* its holder exited without closing */
#define IPCSHIM_HOW_KILLED	3	/* its holder was killed by a signal */
#define IPCSHIM_HOW_EXECUTED	4	/* its holder executed another program */
#define IPCSHIM_HOW_REVOKED	5	/* taken back by its sharer */
#define IPCSHIM_HOW_LEASE_ENDED	6	/* lent, and the time was over */

/* Which end of a pipe (u16). */
#define IPCSHIM_END_SENDER	1	/* seed 002: SC, write only */
#define IPCSHIM_END_RECEIVER	2	/* seed 002: RC, read only */

/* Mode of a pipe (u16). */
#define IPCSHIM_PIPE_RAW	1	/* a stream of bytes */
#define IPCSHIM_PIPE_MESSAGE	2	/* whole messages */

/* RECV_PIPE: somebody handed this process an end of a pipe; CLAIM takes it. */
struct ipcshim_recv_pipe {
	__u16 end;		/* IPCSHIM_END_*: the end to be claimed */
	__u16 mode;		/* IPCSHIM_PIPE_RAW or _MESSAGE */
	__u32 capacity;		/* bytes of payload */
	__u64 size_hint;	/* bytes that the sender means to send, 0: unknown */
	__u64 inode;		/* st_ino of that end */
	__u64 reserved;		/* 0 */
};

/*
 * PIPE_CLOSED: the other end of a pipe is closed, or CLOSE_PIPE closed both.
 * What was not read by then can still be read if it was the sender that closed,
 * and never will be if it was the receiver, or CLOSE_PIPE.
 * One event for each descriptor of an end that OPEN_PIPE or CLAIM gave to this
 * process, no event for those made by dup, fork, or SCM_RIGHTS; and none if no
 * port of the process handles PIPE_CLOSED at that moment.
 */
struct ipcshim_pipe_closed {
	__u16 how;		/* IPCSHIM_HOW_* */
	__u16 end;		/* IPCSHIM_END_*: which end was mine */
	__s32 status;		/* exit code or signal number, see HOW */
	__u64 inode;		/* st_ino of the end that was mine */
	__u64 bytes_unread;	/* bytes written, and not read when it closed */
	__u64 messages_unread;	/* messages likewise; 0 for a raw pipe */
};

/* What read(2) on a port returns, whole and one after another. */
struct ipcshim_event {
	__u16 code;		/* IPCSHIM_EVENT_* */
	__u16 command;		/* command code, the sender's own word */
	__u32 flags;		/* 0 so far */
	__u64 token;		/* for CLAIM; 0 where there is nothing to claim */
	__u64 sequence;		/* 1, 2, 3 ... for each port */
	__u32 pid;		/* who caused it, 0: not visible here */
	__u32 uid;		/* effective uid of who caused it */
	union {
		struct ipcshim_recv_pipe recv_pipe;
		struct ipcshim_pipe_closed pipe_closed;
		__u8 data[32];
	};
};

/*
 * What a real-time signal carries (IPCSHIM_NOTIFY_SIGNAL).  It lies in the
 * siginfo at offset IPCSHIM_SIGINFO_OFFSET, where si_pid and its neighbours
 * are for other signals.  si_code is IPCSHIM_SIGNAL_CODE, which no process can
 * send to another.  si_errno is 0, or ENOBUFS when the receiver's
 * queue of signals (RLIMIT_SIGPENDING) was full and signals before this one
 * were not raised; their events wait in the port all the same.
 * A 32-bit receiver must read the event from its port instead.
 */
struct ipcshim_signal {
	__u16 code;		/* as in the event */
	__u16 command;
	__u32 pid;
	__u64 token;
	__u8 data[16];		/* the first 16 bytes of the event's data */
};

#define IPCSHIM_SIGINFO_OFFSET	16	/* bytes from the start of siginfo_t */
#define IPCSHIM_SIGNAL_CODE	3	/* POLL_MSG */

/*
 * Calls on a port: open("/dev/ipcshim", O_RDWR | O_CLOEXEC)
 * =========================================================
 * A port belongs to the process that opened it and is addressed by that
 * process's pid, until the process executes another program.  Calls marked
 * "owner" answer EPERM to another process that inherited the descriptor.
 *
 * read(2)	whole events.  EINVAL: buffer below 64 bytes.  EAGAIN: none and
 *		O_NONBLOCK.  EFAULT leaves the event in the queue.
 * poll(2)	POLLIN: an event waits.
 * FIONREAD	bytes of events that wait.
 * open(2)	EDQUOT: too many ports of this uid.
 */

/* QUERY 0x00: versions, limits, and what exists.  Ours.  Any thread. */
#define IPCSHIM_FEATURE_EVENTS	0x1ULL	/* ports and events */
#define IPCSHIM_FEATURE_PIPES	0x2ULL	/* raw and message pipes */

struct ipcshim_query {
	__u32 flags;			/* [in] 0 */
	__u32 abi_version;		/* [out] IPCSHIM_ABI_VERSION of the driver */
	__u64 features;			/* [out] IPCSHIM_FEATURE_* */
	__u32 page_size;		/* [out] bytes of the kernel's pages */
	__u32 capacity_max;		/* [out] units, see OPEN_PIPE */
	__u32 message_max;		/* [out] bytes */
	__u32 pipe_buf;			/* [out] bytes, see IPCSHIM_PIPE_BUF */
	/* Limits for each uid, CAP_SYS_RESOURCE is exempt. */
	__u64 limit_ports;		/* [out] open ports */
	__u64 limit_objects;		/* [out] pipes, and tokens never claimed */
	__u64 limit_bytes;		/* [out] bytes of capacity of all pipes */
	/* Limit for each port, nobody is exempt. */
	__u64 limit_events;		/* [out] events waiting, beside PIPE_CLOSED */
	/* What the caller's uid uses. */
	__u64 used_ports;		/* [out] */
	__u64 used_objects;		/* [out] */
	__u64 used_bytes;		/* [out] */
	/* What exists in the whole driver. */
	__u64 ports;			/* [out] */
	__u64 pipes;			/* [out] */
	__u64 tokens;			/* [out] handed over and not yet claimed */
	__u64 events;			/* [out] waiting in ports */
	__u64 ring_bytes;		/* [out] allocated for the pipes' contents */
	__u64 reserved[4];		/* [in] 0 */
};

#define IPCSHIM_QUERY		_IOWR(IPCSHIM_IOC_MAGIC, 0x00, struct ipcshim_query)

/*
 * HANDLE_SIGNAL 0x01 (seed 002): this port handles these events.  Owner.
 * All of the set or nothing.  Again for the same port: the new way to notify
 * replaces the old one.
 * EBUSY	another port of this process handles one of the codes
 * EINVAL	empty set, unknown code, signo not a real-time signal
 * ESRCH	tid is no thread of this process
 */
#define IPCSHIM_NOTIFY_NONE	0	/* only poll, read, O_ASYNC */
#define IPCSHIM_NOTIFY_SIGNAL	1	/* a real-time signal to one thread */

struct ipcshim_handle {
	__u64 codes[2];		/* [in] bit n%64 of word n/64: the event code n */
	__u32 flags;		/* [in] 0 */
	__u32 notify;		/* [in] IPCSHIM_NOTIFY_* */
	__u32 signo;		/* [in] 32 to 64 for NOTIFY_SIGNAL, else 0 */
	__u32 tid;		/* [in] thread for NOTIFY_SIGNAL, 0: the caller */
	__u64 reserved;		/* [in] 0 */
};

#define IPCSHIM_HANDLE_SIGNAL	_IOW(IPCSHIM_IOC_MAGIC, 0x01, struct ipcshim_handle)

/*
 * UNHANDLE_SIGNAL 0x02 (seed 002): no longer.  Owner.  Events that wait stay.
 * All of the set or nothing.  ENOENT: one of the codes is not handled here.
 */
struct ipcshim_unhandle {
	__u64 codes[2];		/* [in] */
	__u32 flags;		/* [in] 0 */
	__u32 reserved;		/* [in] 0 */
};

#define IPCSHIM_UNHANDLE_SIGNAL	_IOW(IPCSHIM_IOC_MAGIC, 0x02, struct ipcshim_unhandle)

/*
 * IS_SIGNAL_HANDLED 0x03 (seed 002): does a port of that process handle it?
 * ESRCH	no such process
 * EPERM	not allowed to reach it
 */
struct ipcshim_is_handled {
	__u32 pid;		/* [in] 0: the calling process */
	__u16 code;		/* [in] */
	__u16 reserved;		/* [in] 0 */
	__u32 flags;		/* [in] 0 */
	__u32 handled;		/* [out] 1 or 0 */
};

#define IPCSHIM_IS_HANDLED	_IOWR(IPCSHIM_IOC_MAGIC, 0x03, struct ipcshim_is_handled)

/*
 * READY 0x04 (seed 002): raise signals from now on, and at once for what waits.
 * Owner.  Until then events queue and can be read, and no NOTIFY_SIGNAL signal
 * is raised.
 * EALREADY	it was ready
 */
struct ipcshim_ready {
	__u32 flags;		/* [in] 0 */
	__u32 reserved;		/* [in] 0 */
};

#define IPCSHIM_READY		_IOW(IPCSHIM_IOC_MAGIC, 0x04, struct ipcshim_ready)

/*
 * CLAIM 0x08 (ours): turn a token into a descriptor.  Owner; any port of the
 * process that the token was made for will do.
 * ENOENT	no such token for this process: never was, claimed, or another's
 */
#define IPCSHIM_CLAIM_NONBLOCK	0x01	/* the descriptor is O_NONBLOCK */

struct ipcshim_claim {
	__u64 token;		/* [in] */
	__u32 flags;		/* [in] IPCSHIM_CLAIM_* */
	__s32 fd;		/* [out] */
	__u16 end;		/* [out] IPCSHIM_END_* */
	__u16 mode;		/* [out] IPCSHIM_PIPE_* */
	__u32 capacity;		/* [out] bytes */
	__u64 inode;		/* [out] st_ino of the end */
	__u64 reserved;		/* [in] 0 */
};

#define IPCSHIM_CLAIM		_IOWR(IPCSHIM_IOC_MAGIC, 0x08, struct ipcshim_claim)

/*
 * SET_ACCESS 0x09 (ours): who may reach this port.  Owner.  Default UID.
 * A caller with CAP_IPC_OWNER in the owner's user namespace passes always.
 */
#define IPCSHIM_ACCESS_UID		0	/* the same effective uid */
#define IPCSHIM_ACCESS_EXECUTABLE	1	/* and the same executable file */
#define IPCSHIM_ACCESS_ANYBODY		2	/* everybody */

struct ipcshim_access {
	__u32 access;		/* [in] IPCSHIM_ACCESS_* */
	__u32 flags;		/* [in] 0 */
};

#define IPCSHIM_SET_ACCESS	_IOW(IPCSHIM_IOC_MAGIC, 0x09, struct ipcshim_access)

/*
 * Pipes
 * =====
 */

/*
 * OPEN_PIPE 0x20 (seed 002), on a port: a new pipe.  The end that "direction"
 * names stays with the caller (fd), the other one goes to the process "pid", or
 * stays here as well (pid 0: peer_fd).  PIPE_CLOSED events go to the process
 * that the port belongs to.
 * ESRCH	no such process
 * EPERM	not allowed to reach it
 * ECONNREFUSED	no port of it handles RECV_PIPE; with NOTIFY_SKIP: it has no port
 * EAGAIN	the queue of its port is full
 */
#define IPCSHIM_OPEN_NONBLOCK	0x01	/* my descriptors are O_NONBLOCK */
#define IPCSHIM_OPEN_SKIP	0x02	/* no event: I tell the token myself */

struct ipcshim_open_pipe {
	__u32 pid;		/* [in] target, 0: both ends stay here */
	__u32 flags;		/* [in] IPCSHIM_OPEN_*; SKIP needs a pid */
	__u16 direction;	/* [in] IPCSHIM_END_*: the end that I keep */
	__u16 mode;		/* [in] IPCSHIM_PIPE_* */
	__u16 capacity;		/* [in] units of 64 KiB, 0 stands for 1, at most 256 */
	__u16 command;		/* [in] command code for the event */
	__u64 size_hint;	/* [in] bytes that will be sent, 0: unknown */
	__s32 fd;		/* [out] my end */
	__s32 peer_fd;		/* [out] the other end if pid is 0, else -1 */
	__u64 token;		/* [out] of the other end, 0 if pid is 0 */
	__u64 inode;		/* [out] st_ino of my end */
	__u64 reserved[2];	/* [in] 0 */
};

#define IPCSHIM_OPEN_PIPE	_IOWR(IPCSHIM_IOC_MAGIC, 0x20, struct ipcshim_open_pipe)

/*
 * SEND_PIPE 0x21 (seed 002), on an end of a pipe: hand this end to one more
 * process.  Both hold it then; writers (readers) take turns.
 * Errors as OPEN_PIPE.
 * EPIPE	this end was closed by CLOSE_PIPE
 */
struct ipcshim_send_pipe {
	__u32 pid;		/* [in] target, not 0 */
	__u32 flags;		/* [in] IPCSHIM_OPEN_SKIP or 0 */
	__u16 command;		/* [in] */
	__u16 reserved[3];	/* [in] 0 */
	__u64 size_hint;	/* [in] */
	__u64 token;		/* [out] */
};

#define IPCSHIM_SEND_PIPE	_IOWR(IPCSHIM_IOC_MAGIC, 0x21, struct ipcshim_send_pipe)

/*
 * PIPE_WRITE 0x22, PIPE_READ 0x23 (seed 002), on a sender, on a receiver.
 * Any thread; calls on one end take turns.  Those that wait get theirs in the
 * order of their coming; one that finds the end free need not wait.
 * The structure is written back also when the call fails, unless it was itself
 * refused (EINVAL) or is at a bad address.
 *
 * Modes:
 * ALL	block until everything moved.  A message pipe: until one whole message
 *	moved.  A read ends short when the pipe is closed and drained.
 * FAIL	everything now or nothing: EAGAIN, and the cause says why.
 * SOME	what can move now, EAGAIN if that is nothing.  Raw only (EINVAL).
 *
 * O_NONBLOCK does not matter here, the mode rules.
 *
 * EAGAIN	see "cause"
 * EPIPE	write: the pipe is closed (no SIGPIPE)
 * ETIMEDOUT	the deadline passed; "moved" tells what had moved by then
 * EINTR	a signal, and nothing moved (restarted with SA_RESTART).  If
 *		something moved: success, and cause SIGNAL
 * EMSGSIZE	write: a message above IPCSHIM_MESSAGE_MAX.  read: the buffer is
 *		too small for the message, which stays; "remains" is its length
 * EFAULT	a bad buffer, and nothing moved.  If something had moved before:
 *		success, and cause FAULT
 * EINVAL	FAIL for a raw piece above the capacity: it never could; a raw
 *		piece of 2 GiB or more
 * A read of a closed and drained pipe: success, moved 0, cause CLOSED.
 * Size 0: success, nothing moves, never waits.
 */
#define IPCSHIM_IO_ALL		0
#define IPCSHIM_IO_FAIL		1
#define IPCSHIM_IO_SOME		2

#define IPCSHIM_CAUSE_NONE	0	/* all moved */
#define IPCSHIM_CAUSE_LOCKED	1	/* somebody writes (reads): see "pid" */
#define IPCSHIM_CAUSE_FULL	2	/* "lacks" bytes of room are missing */
#define IPCSHIM_CAUSE_EMPTY	3	/* "lacks" bytes of data are missing */
#define IPCSHIM_CAUSE_CLOSED	4	/* the pipe is closed */
#define IPCSHIM_CAUSE_SIGNAL	5	/* a signal came in between */
#define IPCSHIM_CAUSE_DEADLINE	6	/* the deadline passed */
#define IPCSHIM_CAUSE_TOO_LONG	7	/* EMSGSIZE */
#define IPCSHIM_CAUSE_FAULT	8	/* a bad address, after "moved" bytes */

struct ipcshim_pipe_io {
	__u64 buffer;		/* [in] address */
	__u64 size;		/* [in] bytes */
	__u64 deadline;		/* [in] ns; only with ALL, else 0 */
	__u32 mode;		/* [in] IPCSHIM_IO_* */
	__u32 flags;		/* [in] 0 */
	__u64 moved;		/* [out] bytes */
	__u64 remains;		/* [out] bytes free (write), left (read), of the next message */
	__u64 lacks;		/* [out] bytes missing, see FULL and EMPTY */
	__u32 cause;		/* [out] IPCSHIM_CAUSE_* */
	__u32 pid;		/* [out] LOCKED: who holds the lock, 0: gone or not visible */
	__u64 reserved;		/* [in] 0 */
};

#define IPCSHIM_PIPE_WRITE	_IOWR(IPCSHIM_IOC_MAGIC, 0x22, struct ipcshim_pipe_io)
#define IPCSHIM_PIPE_READ	_IOWR(IPCSHIM_IOC_MAGIC, 0x23, struct ipcshim_pipe_io)

/* PIPE_INFO 0x24 (seed 002), on either end.  Never waits. */
#define IPCSHIM_INFO_OPEN		0x01	/* both ends are open */
#define IPCSHIM_INFO_MESSAGE		0x02
#define IPCSHIM_INFO_FULL		0x04	/* no byte is free */
#define IPCSHIM_INFO_WRITE_LOCKED	0x08	/* somebody is writing */
#define IPCSHIM_INFO_READ_LOCKED	0x10	/* somebody is reading */
#define IPCSHIM_INFO_WRITE_WAITS	0x20	/* a write waits for room */
#define IPCSHIM_INFO_READ_WAITS		0x40	/* a read waits for data */
#define IPCSHIM_INFO_SENDER		0x80	/* this end is a sender */

struct ipcshim_pipe_info {
	__u32 flags;		/* [in] 0 [out] IPCSHIM_INFO_* */
	__u32 creator;		/* [out] pid of the process that opened the pipe */
	__u64 capacity;		/* [out] bytes */
	__u64 bytes_free;	/* [out] */
	__u64 bytes_waiting;	/* [out] written, not yet read */
	__u64 messages_waiting;	/* [out] 0 for a raw pipe */
	__u64 inode;		/* [out] st_ino of this end */
	__u64 reserved[2];	/* [in] 0 */
};

#define IPCSHIM_PIPE_INFO	_IOWR(IPCSHIM_IOC_MAGIC, 0x24, struct ipcshim_pipe_info)

/*
 * CLOSE_PIPE 0x25 (seed 002), on either end: closed at once for every holder of
 * either end.  What was not read is discarded and counted in PIPE_CLOSED, which
 * goes to every holder except those of the calling process.  Writes answer
 * EPIPE, reads 0.  (To let the reader drain what is left, close(2) the sender.)
 * EPIPE	it was closed this way before
 */
struct ipcshim_close_pipe {
	__u32 flags;		/* [in] 0 */
	__u32 reserved;		/* [in] 0 */
};

#define IPCSHIM_CLOSE_PIPE	_IOW(IPCSHIM_IOC_MAGIC, 0x25, struct ipcshim_close_pipe)

/*
 * read(2), write(2), readv, writev, io_uring, splice on the ends of a pipe
 * ------------------------------------------------------------------------
 * As POSIX says of a pipe, but for:
 * - a raw write is one piece whatever its length: other writers wait until it
 *   is done (O_NONBLOCK: EAGAIN, or a short count, never interleaved up to
 *   IPCSHIM_PIPE_BUF bytes);
 * - message: one write is one message, whole or not at all (EMSGSIZE above
 *   IPCSHIM_MESSAGE_MAX); one read is one message (EMSGSIZE: the buffer is too
 *   small, the message stays, FIONREAD tells its length);
 * - EFAULT in the middle of a copy moves nothing of that piece;
 * - zero bytes: 0 at once.
 * Closed: write answers EPIPE with SIGPIPE, read drains what is left and then
 * answers 0.
 * poll(2): sender POLLOUT (a write of IPCSHIM_PIPE_BUF bytes, or of the size
 * that last met EAGAIN through this descriptor, fits), POLLERR when closed;
 * receiver POLLIN, POLLHUP and POLLRDHUP when the sender is closed.
 */

#endif /* _UAPI_LINUX_IPCSHIM_H */
