/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * ipcshim: pipes, message pipes, shared memory, pseudo terminals, services and
 * announcements between processes.
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
 * What a holder may do with a segment (u16).  READ is always among them; WRITE
 * goes neither with EXECUTE nor with COPY_ON_WRITE.  Only who made a segment has
 * both, and no mapping ever has both at once.
 */
#define IPCSHIM_RIGHT_READ		0x1
#define IPCSHIM_RIGHT_WRITE		0x2	/* shared with every other holder */
#define IPCSHIM_RIGHT_EXECUTE		0x4
#define IPCSHIM_RIGHT_COPY_ON_WRITE	0x8	/* MAP_PRIVATE: what is written stays my own */

/* How a holder came to a segment (u16).  SHARE_MEM takes the first two. */
#define IPCSHIM_MEM_MUTUAL	1	/* both use it (seed 002) */
#define IPCSHIM_MEM_EXCLUSIVE	2	/* the sharer has lost it (seed 002) */
#define IPCSHIM_MEM_LENT	3	/* exclusive, and it goes back */
#define IPCSHIM_MEM_RETURNED	4	/* was lent, and came back */
#define IPCSHIM_MEM_MADE	5	/* by CREATE_MEM or ADOPT_MEM */

/*
 * Events: what the seeds call signals
 * ===================================
 */

/* Codes (u16).  Those below 128 can be registered; others are EINVAL. */
#define IPCSHIM_EVENT_RECV_PIPE		0x20	/* seed 002 */
#define IPCSHIM_EVENT_PIPE_CLOSED	0x21	/* seed 002 */
#define IPCSHIM_EVENT_RECV_SERV_SOCK	0x26	/* seed 002 */
#define IPCSHIM_EVENT_RECV_SOCK_MSG	0x27	/* seed 002 */
#define IPCSHIM_EVENT_SERV_SOCK_CLOSED	0x29	/* seed 002 */
#define IPCSHIM_EVENT_SERVICE_CONN_REQUEST	0x2A	/* seed 002 */
#define IPCSHIM_EVENT_SERVICE_CLIENT_CLOSED	0x2B	/* seed 002 */
#define IPCSHIM_EVENT_SERVICE_CLIENT_QUITTED	0x2C	/* seed 002 */
#define IPCSHIM_EVENT_SERVICE_SERVER_QUITTED	0x2D	/* seed 002 */
#define IPCSHIM_EVENT_RECV_SHARED_MEM	0x34	/* seed 002 */
#define IPCSHIM_EVENT_UNSHARED_MEM	0x35	/* seed 002 */
#define IPCSHIM_EVENT_RECV_PTY		0x50	/* ours */
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
#define IPCSHIM_HOW_RETURNED	7	/* lent, and given back by RETURN_MEM */

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

/*
 * RECV_SHARED_MEM: somebody shared a segment with this process, or one that it
 * lent has come back; CLAIM takes it.
 */
struct ipcshim_recv_shared_mem {
	__u64 length;		/* bytes */
	__u16 mode;		/* IPCSHIM_MEM_MUTUAL, _EXCLUSIVE, _LENT or _RETURNED */
	__u16 rights;		/* IPCSHIM_RIGHT_* */
	__u16 how;		/* RETURNED: IPCSHIM_HOW_*, why; else 0 */
	__u16 status;		/* exit code or signal number, see HOW */
	__u64 inode;		/* st_ino of the segment's descriptor here */
	__u64 deadline;		/* LENT: end of the lease, 0: none; else 0 */
};

/*
 * UNSHARED_MEM: of a segment that this process has claimed.
 * REVOKED, LEASE_ENDED: it is gone, with every mapping of it.
 * Else the sharer has ended: nobody can take it back any more, the pages stay.
 * At most one for each segment, and none if no port of the process handles
 * UNSHARED_MEM at that moment.
 */
struct ipcshim_unshared_mem {
	__u16 how;		/* IPCSHIM_HOW_* */
	__u16 reserved0;	/* 0 */
	__s32 status;		/* exit code or signal number, see HOW */
	__u64 inode;		/* st_ino of the segment */
	__u64 reserved[2];	/* 0 */
};

/*
 * RECV_PTY: somebody handed this process the slave of a pseudo terminal; CLAIM
 * opens it.
 */
struct ipcshim_recv_pty {
	__u32 index;		/* of /dev/ttyIPC<index> */
	__u32 reserved0;	/* 0 */
	__u16 rows;		/* characters; size of the window at that moment, or 0 */
	__u16 columns;		/* characters */
	__u16 x_pixels;		/* as in struct winsize */
	__u16 y_pixels;
	__u64 inode;		/* st_ino of the slave as CLAIM and TIOCGPTPEER open it */
	__u64 reserved;		/* 0 */
};

/*
 * RECV_SERV_SOCK: somebody handed this process one side of a socket; CLAIM takes
 * it.
 */
struct ipcshim_recv_serv_sock {
	__u32 message_max;	/* bytes, the largest message */
	__u16 role;		/* IPCSHIM_ROLE_*: of the side to be claimed */
	__u16 reserved0;	/* 0 */
	__u64 connection;	/* number of the connection */
	__u64 inode;		/* st_ino of that side */
	__u64 reserved;		/* 0 */
};

/*
 * RECV_SOCK_MSG: a message waits in a socket that CONNECT_SERVICE, ACCEPT,
 * OPEN_SERV_SOCK or CLAIM gave to this process (of several: to the first).  None
 * for a message that a READ_SOCK_MSG or CALL was waiting for, none for those that
 * came before the socket was claimed, and none if no port of the process handles
 * RECV_SOCK_MSG at that moment.
 */
struct ipcshim_recv_sock_msg {
	__u64 exchange;		/* the header's fields, see struct ipcshim_message */
	__u16 code;
	__u16 status;
	__u16 error;
	__u16 nr_descriptors;
	__u64 length;		/* bytes */
	__u64 inode;		/* st_ino of the socket */
};

/*
 * SERVICE_CONN_REQUEST: somebody wants to connect to a name that this port has
 * published; it comes to that port, whether it handles the code or not (to handle
 * it says how to notify).  The event's token is the request, and the
 * number of the connection: for ACCEPT and REJECT.
 */
struct ipcshim_service_conn_request {
	__u64 deadline;		/* ns, until then the client waits */
	__u64 service;		/* number of the name, see PUBLISH */
	__u32 message_max;	/* bytes, the largest message */
	__u32 reserved0;	/* 0 */
	__u64 reserved;		/* 0 */
};

/*
 * The other side of a socket has ended.  The event says which way:
 * SERVICE_CLIENT_CLOSED	to a service: END_SERVICE_CONN, or a living client's
 *				last descriptor was closed
 * SERVICE_CLIENT_QUITTED	to a service: its client exited, was killed, ...
 * SERVICE_SERVER_QUITTED	to a client: the service has let go of the socket,
 *				however
 * SERV_SOCK_CLOSED		to either side of a socket of OPEN_SERV_SOCK
 * Who gets it: as with PIPE_CLOSED.
 */
struct ipcshim_sock_closed {
	__u64 connection;	/* number of the connection */
	__u64 inode;		/* st_ino of the side that was mine */
	__u16 how;		/* IPCSHIM_HOW_* */
	__u16 role;		/* IPCSHIM_ROLE_*: which side was mine */
	__s32 status;		/* exit code or signal number, see HOW */
	__u32 messages_unread;	/* sent by me, and not read by the other side */
	__u32 exchanges;	/* that were open */
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
		struct ipcshim_recv_shared_mem recv_shared_mem;
		struct ipcshim_unshared_mem unshared_mem;
		struct ipcshim_recv_pty recv_pty;
		struct ipcshim_recv_serv_sock recv_serv_sock;
		struct ipcshim_recv_sock_msg recv_sock_msg;
		struct ipcshim_service_conn_request service_conn_request;
		struct ipcshim_sock_closed sock_closed;
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

/*
 * QUERY 0x00: versions, limits, and what exists.  Ours.  Any thread.
 * The structure grows at its end, and its size is part of the call's number.
 * A driver takes every size from IPCSHIM_QUERY_SIZE_MIN on, in steps of 8 bytes:
 * to a shorter one it tells what fits in, of a longer one the rest comes back
 * as it went in, as zeros (E2BIG: it was not zero).
 */
#define IPCSHIM_FEATURE_EVENTS	0x1ULL	/* ports and events */
#define IPCSHIM_FEATURE_PIPES	0x2ULL	/* raw and message pipes */
#define IPCSHIM_FEATURE_SEGMENTS	0x4ULL	/* shared memory */
#define IPCSHIM_FEATURE_DMABUF	0x8ULL	/* EXPORT_DMABUF: the kernel has dma-bufs */
#define IPCSHIM_FEATURE_PTYS	0x10ULL	/* pseudo terminals */
#define IPCSHIM_FEATURE_SOCKETS	0x20ULL	/* services and their sockets */
#define IPCSHIM_FEATURE_MAPPED	0x40ULL	/* mapped pipes */
#define IPCSHIM_FEATURE_BATCH	0x80ULL	/* WRITE_BATCH and READ_BATCH */
#define IPCSHIM_FEATURE_URING	0x100ULL	/* IORING_OP_URING_CMD on ports and pipes */

#define IPCSHIM_QUERY_SIZE_MIN	160	/* bytes: up to "segment_bytes" */

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
	/* Pipes, segments, ptys, names, connections, and tokens never claimed. */
	__u64 limit_objects;		/* [out] */
	__u64 limit_bytes;		/* [out] of pipes' capacity, ptys, messages in sockets */
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
	/*
	 * All four [in] 0.  0 also comes out of a driver without
	 * FEATURE_SEGMENTS.
	 */
	__u64 limit_segment_bytes;	/* [out] for each uid: lengths of its segments */
	__u64 used_segment_bytes;	/* [out] of the caller's uid */
	__u64 segments;			/* [out] in the whole driver */
	__u64 segment_bytes;		/* [out] allocated for their contents */
	/* All four [in] 0: since FEATURE_PTYS. */
	__u64 limit_ptys;		/* [out] in the whole driver, nobody is exempt */
	__u64 ptys;			/* [out] in the whole driver */
	/* All eight [in] 0: since FEATURE_SOCKETS. */
	__u64 limit_exchanges;		/* [out] for each connection, nobody is exempt */
	__u64 services;			/* [out] names published, in the whole driver */
	__u64 connections;		/* [out] in the whole driver */
	__u64 exchanges;		/* [out] that are open, in the whole driver */
	__u64 messages;			/* [out] that wait in sockets */
	__u64 message_bytes;		/* [out] of those, payload */
	__u64 reserved[2];		/* [out] 0 */
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
 * ENOENT	no such token for this process: never was, claimed, another's, or
 *		a request (see ACCEPT)
 * ESTALE	the segment was taken back, or the pty's master closed, before; the
 *		token is used up
 * EIO		the pty is locked (TIOCSPTLCK); the token stays
 * EBUSY	the pty is open for exclusive use (TIOCEXCL); the token stays
 */
#define IPCSHIM_CLAIM_NONBLOCK	0x01	/* the descriptor is O_NONBLOCK */

struct ipcshim_claim {
	__u64 token;		/* [in] */
	__u32 flags;		/* [in] IPCSHIM_CLAIM_* */
	__s32 fd;		/* [out] */
	union {
		__u16 end;	/* [out] pipe: IPCSHIM_END_* */
		__u16 rights;	/* [out] segment: IPCSHIM_RIGHT_*; pty: 0 */
		__u16 role;	/* [out] socket: IPCSHIM_ROLE_* */
	};
	__u16 mode;		/* [out] IPCSHIM_PIPE_*, IPCSHIM_MEM_*, _PTY_SLAVE, _SOCKET */
	union {
		__u32 capacity;	/* [out] pipe: bytes; segment: 0 */
		__u32 index;	/* [out] pty: of /dev/ttyIPC<index> */
		__u32 message_max;	/* [out] socket: bytes, the largest message */
	};
	__u64 inode;		/* [out] st_ino of the descriptor */
	union {
		__u64 length;	/* [in] 0 [out] segment: bytes; others: 0 */
		__u64 connection;	/* [out] socket: number of the connection */
	};
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
#define IPCSHIM_OPEN_MAPPED	0x04	/* its ends can be mapped, see 'Mapped pipes' */

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
 * EBUSY	this end is mapped: that is for one process alone
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
#define IPCSHIM_INFO_CAN_MAP		0x100	/* opened with IPCSHIM_OPEN_MAPPED */
#define IPCSHIM_INFO_IS_MAPPED		0x200	/* some process has this end mapped */

struct ipcshim_pipe_info {
	__u32 flags;		/* [in] 0 [out] IPCSHIM_INFO_* */
	__u32 creator;		/* [out] pid of the process that opened the pipe */
	__u64 capacity;		/* [out] bytes */
	__u64 bytes_free;	/* [out] */
	__u64 bytes_waiting;	/* [out] written, not yet read; of a mapped pipe whole records */
	__u64 messages_waiting;	/* [out] 0 for a raw pipe */
	__u64 inode;		/* [out] st_ino of this end */
	/* [in] 0 [out] bytes of the data area of a mapped pipe, 0 for others. */
	__u64 area;
	__u64 reserved;		/* [in] 0 */
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
 * WRITE_BATCH 0x70, READ_BATCH 0x71 (ours), on a sender, on a receiver of a
 * message pipe (EINVAL on a raw one: writev and readv do that): many messages in
 * one call, in the order of "entries", under one turn.  Any thread.
 * The structure is written back also when the call fails, as with PIPE_WRITE,
 * and "moved" of the first so many entries as messages moved (of others it can be
 * anything).
 * ALL	block until all "count" messages moved.  A read ends short when the pipe
 *	is closed and drained: success, and cause CLOSED.
 * FAIL	all of them now, or none: EAGAIN.  A batch of above the capacity: EINVAL.
 *	A read takes what waits, if that is "count" messages.
 * SOME	as many as can move now, EAGAIN if that is none.
 * A batch that ends after some messages is a success, "moved" tells how many and
 * "cause" why; if none moved, these errors:
 * EPROTO, EBUSY	likewise only if none moved, see 'Mapped pipes'
 * EAGAIN	see "cause"; FULL and EMPTY: "lacks" as in PIPE_WRITE, for the first
 *		that finds no room, or data
 * EPIPE	write: the pipe is closed
 * ETIMEDOUT	the deadline passed; also where some moved
 * EINTR	a signal (restarted with SA_RESTART)
 * EMSGSIZE	a message above IPCSHIM_MESSAGE_MAX; read: the first buffer is too
 *		small for its message, which stays; "remains" is its length
 * EFAULT	a bad buffer
 * EINVAL	count above IPCSHIM_BATCH_MAX; ranges as in PIPE_WRITE
 * Count 0: success, nothing moves.  A message of 0 bytes: skipped by a write (it
 * counts as moved), EMSGSIZE for a read.
 */
#define IPCSHIM_BATCH_MAX	1024	/* messages */

struct ipcshim_batch_entry {
	__u64 buffer;		/* [in] address */
	__u32 size;		/* [in] bytes */
	__u32 moved;		/* [out] bytes of this message */
};

struct ipcshim_pipe_batch {
	__u64 entries;		/* [in] address of struct ipcshim_batch_entry[count] */
	__u32 count;		/* [in] */
	__u32 mode;		/* [in] IPCSHIM_IO_* */
	__u64 deadline;		/* [in] ns; only with ALL, else 0 */
	__u32 flags;		/* [in] 0 */
	__u32 moved;		/* [out] messages */
	__u64 remains;		/* [out] as in struct ipcshim_pipe_io */
	__u64 lacks;		/* [out] likewise */
	__u32 cause;		/* [out] IPCSHIM_CAUSE_* */
	__u32 pid;		/* [out] LOCKED: who holds the lock */
	__u64 reserved;		/* [in] 0 */
};

#define IPCSHIM_WRITE_BATCH	_IOWR(IPCSHIM_IOC_MAGIC, 0x70, struct ipcshim_pipe_batch)
#define IPCSHIM_READ_BATCH	_IOWR(IPCSHIM_IOC_MAGIC, 0x71, struct ipcshim_pipe_batch)

/*
 * Mapped pipes (ours): OPEN_PIPE with IPCSHIM_OPEN_MAPPED
 * -------------------------------------------------------
 * Two processes that have the ends of such a pipe mapped need no system call
 * while both are awake.  mmap(2) of an end, P the kernel's page size, A the bytes
 * of the data area (PIPE_INFO's "area", a multiple of P):
 *
 *	offset		bytes	what			sender	receiver
 *	0		P	the producer's index	rw	r
 *	P		P	the consumer's index	r	rw
 *	2P		A	data			rw	r
 *	2P + A		A	the same data again	rw	r
 *
 * so that what begins in the data area never wraps.  Map the whole with PROT_READ,
 * then over it (MAP_FIXED) with PROT_WRITE what is "rw".
 *
 * Positions count bytes ever put in, or taken out, and run free; the byte at
 * position p lies at offset p % A of the data.  0 <= producer - consumer <= A
 * always.  Raw: A is the capacity.  Message: A is the capacity and one page (so
 * a message of 64 KiB fits an empty pipe of 64 KiB); at each position between
 * the two lies a struct ipcshim_record, its payload after it, and padding to the
 * next multiple of 8.
 *
 *	producer				consumer
 *	t = load_acquire(consumer.position) [T2]	h = load_acquire(producer.position) [H2]
 *	write data before t + A			read data before h
 *	store_release(producer.position) [H1]	store_release(consumer.position) [T1]
 *	full barrier [S2]			full barrier [S2]
 *	w = load(consumer.wake)			w = load(producer.wake)
 *	w && w <= bytes in the pipe: WAKE	w && w <= bytes free: WAKE
 *
 * and who waits does so in the driver (PIPE_WAIT, poll, a blocking read or write),
 * which says so in its page:
 *
 *	store(wake, bytes needed)
 *	full barrier [S1], pairs with [S2]
 *	look at the other's position; sleep
 *
 * Each side writes its own page alone; the driver writes "wake" and "closed" there.
 * A side is one thread at a time, of one process, whichever way it goes: mapped,
 * or by read and write, which work on the same ring.  Nothing that is read
 * from the other's page can be believed before it was checked, nor read twice.
 * The driver checks whatever user space can touch, each time:
 * EPROTO	(any call on an end, POLLERR from poll) the positions or a record make
 *		no sense: the other side is broken, or its own is, or one side was used
 *		by two at once.  Nothing moved.
 *
 * An end of such a pipe is O_RDWR, as mmap needs it (also by way of /proc/PID/fd,
 * else EACCES); read(2) of a sender and write(2)
 * of a receiver answer EINVAL.
 * mmap: ENODEV, no such pipe; ENXIO, beyond the end; EINVAL, MAP_PRIVATE; EACCES,
 * PROT_WRITE where there is no "w", or PROT_EXEC; EBUSY, another process has this
 * end mapped.  While one has, reads, writes and calls that move data through that
 * end by another process answer EBUSY, too, and so does SEND_PIPE, and a message
 * that would carry it.  A mapping is not inherited by fork (with MADV_DOFORK
 * it is, and to touch it there is SIGBUS), and counts as the end's user: munmap and
 * close, then the end closes.
 */
struct ipcshim_mapped_index {
	__u64 position;		/* bytes, this side's */
	__u64 messages;		/* likewise; for people and PIPE_CLOSED, 0 if raw */
	__u64 reserved[6];	/* 0 */
	/* Written seldom and read always: not in the cache line of the positions. */
	__u32 wake;		/* the driver's: bytes that this side waits for, 0: it does not */
	__u32 closed;		/* the driver's: IPCSHIM_HOW_*, how this side ended, 0: open */
	__u64 reserved2[7];	/* 0 */
};

/* A message in the data area; always at a multiple of 8. */
struct ipcshim_record {
	__u32 length;		/* bytes of payload, 1 to IPCSHIM_MESSAGE_MAX */
	__u32 reserved;		/* 0 */
};

/*
 * PIPE_WAIT 0x72 (ours), on an end of a mapped pipe: sleep until "need" bytes are
 * free (sender) or in the pipe (receiver; records count whole), or it is closed,
 * which the other's page tells.  One call at a time for each end, others wait for
 * their turn, as with PIPE_READ.
 * EINVAL	not a mapped pipe; need is 0, or more than the data area
 * EBUSY	as above
 * EAGAIN	flag NOWAIT, and it is not so
 * ETIMEDOUT	the deadline passed
 * EINTR	a signal (restarted with SA_RESTART)
 */
#define IPCSHIM_WAIT_NOWAIT	0x01

struct ipcshim_pipe_wait {
	__u64 deadline;		/* [in] ns; 0 with NOWAIT */
	__u32 need;		/* [in] bytes */
	__u32 flags;		/* [in] IPCSHIM_WAIT_* */
};

#define IPCSHIM_PIPE_WAIT	_IOW(IPCSHIM_IOC_MAGIC, 0x72, struct ipcshim_pipe_wait)

/*
 * PIPE_WAKE 0x73 (ours), on an end of a mapped pipe: my position moved, and the
 * other side's "wake" said that it waits for that.  Never waits.
 * EINVAL	not a mapped pipe
 */
struct ipcshim_pipe_wake {
	__u32 flags;		/* [in] 0 */
	__u32 reserved;		/* [in] 0 */
};

#define IPCSHIM_PIPE_WAKE	_IOW(IPCSHIM_IOC_MAGIC, 0x73, struct ipcshim_pipe_wake)

/*
 * io_uring
 * --------
 * IORING_OP_READ and _WRITE (and their kin) of ports and pipes never need a worker:
 * what can't be done at once is polled for.
 * IORING_OP_URING_CMD on a port or an end of a pipe is any of its calls: cmd_op is
 * the call's number, the first 8 bytes of the command are the address of its structure,
 * which stays there until the completion; its result is 0 or a negative error.
 * What can be done at once is; what has to wait does so in a worker, and ends
 * with ECANCELED or EINTR when it is cancelled.  ADOPT_MEM and CONNECT_SERVICE always
 * go to a worker; where one issues it, HANDLE_SIGNAL needs its tid (EINVAL: 0).
 */

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
 * Closed: write answers EPIPE with SIGPIPE (through io_uring and aio: EPIPE
 * alone), read drains what is left and then answers 0.
 * poll(2): sender POLLOUT (a write of IPCSHIM_PIPE_BUF bytes, or of the size
 * that last met EAGAIN through this descriptor, fits), POLLERR when closed;
 * receiver POLLIN, POLLHUP and POLLRDHUP when the sender is closed.  While somebody
 * has his turn at an end, what is there is his, and poll tells of none; whoever
 * polls is woken when he lets go.
 */

/*
 * Shared memory
 * =============
 * A segment's pages are reached by one grant for each holder: a descriptor with
 * an st_ino of its own, which carries the holder's rights.  What dup, fork or
 * SCM_RIGHTS make of it is the same grant.  The first grant is its maker's, who
 * owns the segment: shares it, takes it back, or hands it over and with it
 * the ownership.  A holder who got it MUTUAL or LENT is no owner.
 *
 * A grant that was revoked, or handed over, is stale: every mapping of it is
 * gone, in every process, private copies included; touching one is SIGBUS
 * (EFAULT in a system call); its calls and mmap(2) answer ESTALE.
 *
 * A grant ends when its last descriptor and its last mapping have gone.  If it
 * was the owner's, those who have the segment MUTUAL are told (UNSHARED_MEM) and
 * keep it.  The pages are freed with the last grant.
 *
 * Errors that any call on a segment can answer (not repeated below)
 * ESTALE	the grant was revoked, or handed over
 *
 * mmap(2)	offset and length within the segment (ENXIO), MAP_SHARED or
 *		MAP_PRIVATE.  EACCES: more than the rights allow.  EINVAL: PROT_WRITE
 *		and PROT_EXEC at once (where the rights are wrong as well: either).
 *		mprotect(2) keeps to the same.  Pages appear when they are first
 *		touched, MAP_POPULATE asks for them at once.  Not in core dumps,
 *		not in swap, can't be grown by mremap(2).
 * poll(2)	POLLHUP once stale.
 * fstat(2)	st_size is the length in bytes.
 * open(2)	by way of /proc/PID/fd: the same grant, with no wider rights (EACCES).
 */

/*
 * CREATE_MEM 0x30 (ours), on a port: a new segment, full of zeros, with READ,
 * WRITE and EXECUTE.  Pages are allocated when they are first touched and
 * charged to the cgroup of who touches them; the whole length counts for
 * limit_segment_bytes of the maker's uid until the pages are freed.
 * EINVAL	length is 0, not a multiple of the page size, or more than a file
 *		can have
 * ENOMEM	more than the machine's memory
 */
#define IPCSHIM_MEM_SMALL_PAGES	0x1	/* never large ones: for sparse use */
/*
 * Round the length up to whole large pages (2 MiB where small ones have 4 KiB), if
 * the kernel has any and the module may use them.  A large page is mapped, and
 * handed over, at the cost of a small one.  Not with SMALL_PAGES.
 */
#define IPCSHIM_MEM_LARGE_PAGES	0x2

struct ipcshim_create_mem {
	__u64 length;		/* [in,out] bytes, whole pages; see LARGE_PAGES */
	__u32 flags;		/* [in] IPCSHIM_MEM_SMALL_PAGES, _LARGE_PAGES or 0 */
	__s32 fd;		/* [out] */
	__u64 inode;		/* [out] st_ino of the grant */
	__u64 reserved;		/* [in] 0 */
};

#define IPCSHIM_CREATE_MEM	_IOWR(IPCSHIM_IOC_MAGIC, 0x30, struct ipcshim_create_mem)

/*
 * ADOPT_MEM 0x31 (ours), on a port: a range of the caller's own private
 * anonymous memory becomes a segment, in place: same addresses, same contents,
 * and from now on a MAP_SHARED mapping of the segment, PROT_READ|PROT_WRITE.  The
 * grant has READ, WRITE and EXECUTE, as that of a new segment.
 * Copied once, here.  What another thread writes into the range during the call
 * may be lost.  What a fork made of it before stays as it is.
 * All of the range or nothing:
 * EINVAL	address or length not of whole pages, or length is 0
 * ENOMEM	a part is not mapped; or no memory
 * EACCES	a part is not both readable and writable, or is executable
 * ENODEV	a part is a mapping of a file
 * EALREADY	a part is shared memory already
 * EOPNOTSUPP	a part is of huge pages (hugetlb)
 * EBUSY	a part is locked (mlock), or watched by userfaultfd
 * ENXIO	a part is special: a stack that grows, a device, the kernel's own
 * ENOTRECOVERABLE	before Linux 6.12 only: memory ran out in the middle, and
 *		again while the range was put back: it is not mapped any more
 */
struct ipcshim_adopt_mem {
	__u64 address;		/* [in] */
	__u64 length;		/* [in] bytes */
	__u32 flags;		/* [in] 0 */
	__s32 fd;		/* [out] */
	__u64 inode;		/* [out] st_ino of the grant */
	__u64 reserved;		/* [in] 0 */
};

#define IPCSHIM_ADOPT_MEM	_IOWR(IPCSHIM_IOC_MAGIC, 0x31, struct ipcshim_adopt_mem)

/*
 * SHARE_MEM 0x34 (seed 002), on a segment, by its owner: a grant for the process
 * "pid".
 * MUTUAL	both use the pages.
 * EXCLUSIVE	the caller's grant is stale before the receiver is told, and the
 *		receiver owns the segment.  Nothing that the caller, or anybody
 *		who had the pages through it, does reaches them any more.
 * LEND		with EXCLUSIVE: the receiver does not own it.  It goes back on
 *		RETURN_MEM, at the end of the receiver's grant, or at the
 *		deadline, as a new grant in a RECV_SHARED_MEM event (RETURNED) that
 *		a port of the lender must handle now.
 * EINVAL	pid is 0 or the caller itself; rights that don't go together
 * EACCES	a right that the caller has not (COPY_ON_WRITE takes no more than READ)
 * EPERM	the caller is not the owner; or not allowed to reach pid
 * EEXIST	MUTUAL: pid has a grant of it already, or a token for one
 * EBUSY	EXCLUSIVE: the pages can be reached otherwise: another grant, a dma-buf,
 *		another module, or pages pinned by I/O (direct I/O, io_uring, vmsplice);
 *		nothing has changed
 * ETIMEDOUT	LEND: the deadline has passed already
 * ESRCH, ECONNREFUSED, EAGAIN	as OPEN_PIPE, for pid; with LEND for the caller too
 */
#define IPCSHIM_SHARE_SKIP	0x1	/* no event: I tell the token myself */
#define IPCSHIM_SHARE_LEND	0x2

struct ipcshim_share_mem {
	__u32 pid;		/* [in] target */
	__u32 flags;		/* [in] IPCSHIM_SHARE_* */
	__u16 mode;		/* [in] IPCSHIM_MEM_MUTUAL or _EXCLUSIVE */
	__u16 rights;		/* [in] IPCSHIM_RIGHT_* */
	__u16 command;		/* [in] command code for the event */
	__u16 reserved0;	/* [in] 0 */
	__u64 deadline;		/* [in] LEND: end of the lease, ns, 0: none; else 0 */
	__u64 token;		/* [out] */
	__u64 inode;		/* [out] st_ino of the receiver's grant */
	__u64 reserved;		/* [in] 0 */
};

#define IPCSHIM_SHARE_MEM	_IOWR(IPCSHIM_IOC_MAGIC, 0x34, struct ipcshim_share_mem)

/*
 * UNSHARE_MEM 0x35 (seed 002), on a segment, by its owner: take back what was
 * shared MUTUAL.  The mappings are gone when the call returns.
 * EINVAL	this grant was handed over (EXCLUSIVE)
 * EPERM	the caller is not the owner
 * ESRCH	no such process
 * ENOENT	that process was not given it, or has let go of it
 */
struct ipcshim_unshare_mem {
	__u32 pid;		/* [in] who got it, 0: all */
	__u32 flags;		/* [in] 0 */
	__u32 revoked;		/* [out] grants taken back; with pid 0 maybe none */
	__u32 reserved;		/* [in] 0 */
};

#define IPCSHIM_UNSHARE_MEM	_IOWR(IPCSHIM_IOC_MAGIC, 0x35, struct ipcshim_unshare_mem)

/*
 * MEM_SHARING_INFO 0x36 (seed 002), on a segment.  Receivers are told the holders,
 * too; 16384 of them at most.
 * EINVAL	room for holders without an address
 */
#define IPCSHIM_MEM_INFO_OWNER		0x1	/* this grant is the owner's */
#define IPCSHIM_MEM_INFO_EXPORTED	0x2	/* a dma-buf or a module has the pages */

struct ipcshim_mem_info {
	__u32 flags;		/* [in] 0 [out] IPCSHIM_MEM_INFO_* */
	__u16 mode;		/* [out] IPCSHIM_MEM_* */
	__u16 rights;		/* [out] IPCSHIM_RIGHT_* */
	__u64 length;		/* [out] bytes */
	__u64 allocated;	/* [out] bytes that have pages */
	__u64 inode;		/* [out] st_ino of this grant */
	__u64 deadline;		/* [out] LENT: end of the lease, 0: none */
	__u32 sharer;		/* [out] pid of who shared it to here, or made it; 0: not visible */
	__u32 nr_holders;	/* [in] room in "holders" [out] grants that are MUTUAL */
	__u64 holders;		/* [in] address for __u32 pids of their receivers, or 0; a pid is 0
				 * where it is not visible, or in a message not read yet
				 */
	__u64 reserved;		/* [in] 0 */
};

#define IPCSHIM_MEM_SHARING_INFO _IOWR(IPCSHIM_IOC_MAGIC, 0x36, struct ipcshim_mem_info)

/*
 * RETURN_MEM 0x37 (ours), on a segment that is LENT: give it back now.
 * EINVAL	it was not lent
 * EBUSY	pages are pinned by I/O; nothing has changed
 */
struct ipcshim_return_mem {
	__u32 flags;		/* [in] 0 */
	__u32 reserved;		/* [in] 0 */
};

#define IPCSHIM_RETURN_MEM	_IOW(IPCSHIM_IOC_MAGIC, 0x37, struct ipcshim_return_mem)

/*
 * EXPORT_DMABUF 0x38 (ours), on a segment, by its owner with WRITE: a dma-buf of
 * its pages, all of which are allocated now.  While it lives the segment can't
 * be handed over.
 * EPERM	the caller is not the owner
 * EACCES	the right WRITE is missing
 * EOPNOTSUPP	this kernel has no dma-bufs
 */
struct ipcshim_export_dmabuf {
	__u32 flags;		/* [in] 0 */
	__s32 fd;		/* [out] */
	__u64 reserved;		/* [in] 0 */
};

#define IPCSHIM_EXPORT_DMABUF	_IOWR(IPCSHIM_IOC_MAGIC, 0x38, struct ipcshim_export_dmabuf)

/*
 * Pseudo terminals
 * ================
 * The slave is a tty like any other, with the kernel's own line discipline: all
 * that tty_ioctl(4), termios(3) and job control say of one is true.  It is opened
 * by TIOCGPTPEER, by CLAIM, or as /dev/ttyIPC<index>, which belongs to the
 * effective uid and gid of who made the pty, mode 0600.  The first two need no
 * path and are the same st_ino; ttyname(3) knows the third only.  open(2) by way of
 * /proc/PID/fd is one more open of the slave, and ENXIO for a master.
 *
 * The master is the other side of the line.  Where nothing else is said below it
 * does as the master of a pty does on devpts.
 *
 * read(2)	what was written to the slave, or echoed.  With none: blocks
 *		(O_NONBLOCK: EAGAIN) while the slave is open, and before it was ever
 *		opened; EIO after its last close or its hangup, until it is opened
 *		again.  What is left is read first.
 * write(2)	what the slave will read, its line discipline permitting.  Blocks
 *		(O_NONBLOCK: EAGAIN or a short count) while the slave's buffers are
 *		full.  The slave need not be open: it is kept for who opens it.
 * poll(2)	POLLIN: bytes, or in packet mode a control byte (POLLPRI, too);
 *		POLLHUP after the last close or hangup; POLLOUT: a write of one byte
 *		would not block.
 * close(2)	the last close of the master hangs up the slave: SIGHUP and SIGCONT to
 *		the leader of its session, reads answer 0, writes EIO, poll POLLHUP;
 *		its node goes; CLAIM (ESTALE) and open(2) find it no more.
 *
 * ioctls of the master, numbers and arguments as in <asm/ioctls.h>
 * TIOCGPTN	the index.  (ptsname(3) makes a path of devpts from it: don't.)
 * TIOCGPTPEER	opens the slave with these flags of open(2): O_RDWR and such,
 *		O_NOCTTY, O_NONBLOCK, O_CLOEXEC (never set unless asked, as everywhere
 *		with this call).  An open like any other.  EIO: locked.  EBUSY: TIOCEXCL
 * TIOCSPTLCK, TIOCGPTLCK	while locked the slave can't be opened (EIO).  A new
 *		pty is not locked, unlike one of devpts: its node is its owner's from
 *		the start.
 * TIOCSWINSZ, TIOCGWINSZ	one size for both sides; a change raises SIGWINCH in
 *		the slave's foreground group.
 * TIOCPKT, TIOCGPKT	packet mode: every read(2) starts with a byte TIOCPKT_DATA, or
 *		is one byte of TIOCPKT_FLUSHREAD, _FLUSHWRITE, _STOP, _START, _DOSTOP,
 *		_NOSTOP, _IOCTL.
 * TIOCSIG	SIGINT, SIGQUIT or SIGTSTP to the slave's foreground group.
 * TIOCEXCL, TIOCNXCL, TIOCGEXCL	of the master alone, as on devpts.
 * TCGETS, TCSETS and their kin	the slave's termios.  The waiting ones (TCSETSW,
 *		TCSETSF, TCSBRK with an argument) don't wait here: who would have to read
 *		is the caller.
 * TCSBRK, TCSBRKP	with 0: the slave's line sees a break (IGNBRK, BRKINT, PARMRK).
 *		TIOCSBRK is the same, TIOCCBRK its end.
 * TCFLSH	TCIFLUSH: what the slave has written; TCOFLUSH: what it has not read.
 * TCXONC	TCOOFF, TCOON: writes of the master wait from now on, and go on.
 *		TCIOFF, TCION: the slave's STOP or START character is put on its line.
 *		EAGAIN here, and for a break: the slave's buffers are full.
 * TIOCGPGRP, TIOCGSID	of the slave.  None: 0, and ENOTTY
 * FIONREAD, TIOCOUTQ	bytes to be read; bytes that can still be flushed: 0
 * TIOCGDEV	the slave's device number.
 *
 * On the slave, where this is more than devpts has: tcdrain(3), TCSADRAIN and
 * TCSAFLUSH wait until the master has read what was written, as on a serial line;
 * TIOCOUTQ tells how much that is.
 */

/* Bytes that one pty counts for in limit_bytes: buffers of both directions. */
#define IPCSHIM_PTY_BYTES	32768

/* What CLAIM tells as the mode of a pty's slave (u16). */
#define IPCSHIM_PTY_SLAVE	1

/*
 * OPEN_PTY 0x50 (ours), on a port: a new pseudo terminal, no window size set if
 * the size is all 0.
 * ENOSPC	as many as the module parameter max_ptys allows exist
 */
struct ipcshim_open_pty {
	__u32 flags;		/* [in] IPCSHIM_OPEN_NONBLOCK or 0 */
	__u16 rows;		/* [in] characters */
	__u16 columns;		/* [in] characters */
	__u16 x_pixels;		/* [in] as in struct winsize */
	__u16 y_pixels;		/* [in] */
	__s32 fd;		/* [out] the master */
	__u32 index;		/* [out] of /dev/ttyIPC<index>; used again after the last close */
	__u32 reserved0;	/* [in] 0 */
	__u64 inode;		/* [out] st_ino of the master */
	__u64 slave_inode;	/* [out] st_ino of the slave, see RECV_PTY */
	__u64 reserved;		/* [in] 0 */
};

#define IPCSHIM_OPEN_PTY	_IOWR(IPCSHIM_IOC_MAGIC, 0x50, struct ipcshim_open_pty)

/*
 * SEND_PTY 0x51 (ours), on a master: hand the slave to the process "pid".  The
 * token is no open of the slave; CLAIM is, without making it the controlling
 * terminal.
 * ESRCH, EPERM, ECONNREFUSED, EAGAIN	as OPEN_PIPE
 */
struct ipcshim_send_pty {
	__u32 pid;		/* [in] target, not 0 */
	__u32 flags;		/* [in] IPCSHIM_OPEN_SKIP or 0 */
	__u16 command;		/* [in] command code for the event */
	__u16 reserved[3];	/* [in] 0 */
	__u64 token;		/* [out] */
};

#define IPCSHIM_SEND_PTY	_IOWR(IPCSHIM_IOC_MAGIC, 0x51, struct ipcshim_send_pty)

/*
 * Services and their sockets
 * ==========================
 * A service publishes a name at a port; a client connects to it, and if the service
 * accepts, each has one side of a connection: a socket, with an st_ino of its own.
 * OPEN_SERV_SOCK makes a connection without a name.  A side ends with its last
 * descriptor, whoever holds it by then (dup, fork, SCM_RIGHTS, a message).
 *
 * Names are 1 to 64 bytes of printable ASCII (0x20 to 0x7e).  Each effective uid has
 * names of its own.  Those that begin with "sys." are one set for everybody, and to
 * publish them takes CAP_SYS_ADMIN.  A name goes with its port, and is not found any
 * more once the process has executed another program.
 * Who may reach a service: as the port says at which it is published (SET_ACCESS).
 *
 * Messages belong to exchanges.  A message in no exchange yet opens one: a method if
 * the client sends it, a notification if the service does, with a code that is the
 * exchange's from then on.  Turns alternate: who has read the other's message
 * may send the next.  A message with an error, or with CLOSE, concludes the exchange; a
 * first message with CLOSE is all there is of it.  Exchanges of one connection are
 * numbered 1, 2, 3 ...; a number is never used again.
 *
 * Room: messages that open an exchange take IPCSHIM_SOCKET_ROOM bytes at most on the
 * side that they wait to be read on, each its length and IPCSHIM_SOCKET_OVERHEAD; but
 * the first, of whatever length.  And a connection has at most limit_exchanges open.
 * Who would open one too many waits.  An answer never waits.
 * Messages count for limit_bytes of the uid that made the connection.
 *
 * When a side has ended, the other one reads what is left.
 *
 * poll(2)	POLLIN: a message waits to be read; POLLHUP, POLLRDHUP: the other side
 *		has ended; POLLOUT: a message that opens an exchange would not wait
 * FIONREAD	length of the next message; 0: none, or it is empty
 * open(2)	by way of /proc/PID/fd: ENXIO
 */
#define IPCSHIM_NAME_MAX	64		/* bytes */
#define IPCSHIM_RESERVED_NAMES	"sys."
#define IPCSHIM_SOCKET_MESSAGE	4096		/* bytes, the largest message by default */
#define IPCSHIM_SOCKET_MESSAGE_MAX	0x10000000	/* bytes: 256 MiB */
#define IPCSHIM_SOCKET_ROOM	65536		/* bytes, with OVERHEAD for each message */
#define IPCSHIM_SOCKET_OVERHEAD	128
#define IPCSHIM_CONNECT_DEADLINE	2000000000ULL	/* ns from now, unless said otherwise */

/* Which side of a connection (u16). */
#define IPCSHIM_ROLE_CLIENT	1	/* opens methods */
#define IPCSHIM_ROLE_SERVICE	2	/* opens notifications */

/* What CLAIM tells as the mode of a socket (u16). */
#define IPCSHIM_SOCKET		1

/*
 * PUBLISH 0x60 (ours), on a port: from now on this port has the name.  Owner.
 * EINVAL	the name is empty or has bytes that are not printable ASCII
 * ENAMETOOLONG	it has more than IPCSHIM_NAME_MAX bytes
 * EPERM	not the owner; or the name is reserved, and CAP_SYS_ADMIN is missing
 * EADDRINUSE	taken
 */
struct ipcshim_publish {
	__u64 name;		/* [in] address; no terminating zero needed */
	__u32 name_length;	/* [in] bytes */
	__u32 flags;		/* [in] 0 */
	__u32 message_max;	/* [in] bytes that a client may ask for, and gets unless it
				 * asks for less; 0: IPCSHIM_SOCKET_MESSAGE, else
				 * from that to IPCSHIM_SOCKET_MESSAGE_MAX
				 */
	__u32 reserved0;	/* [in] 0 */
	__u64 service;		/* [out] number of the name, never used again */
	__u64 reserved;		/* [in] 0 */
};

#define IPCSHIM_PUBLISH		_IOWR(IPCSHIM_IOC_MAGIC, 0x60, struct ipcshim_publish)

/*
 * WITHDRAW 0x61 (ours), on the port that has published: the name is free.  Owner.
 * Connections stay, and so do requests.
 * ENOENT	no such name at this port
 */
struct ipcshim_withdraw {
	__u64 service;		/* [in] */
	__u32 flags;		/* [in] 0 */
	__u32 reserved;		/* [in] 0 */
};

#define IPCSHIM_WITHDRAW	_IOW(IPCSHIM_IOC_MAGIC, 0x61, struct ipcshim_withdraw)

/*
 * CONNECT_SERVICE 0x2A (seed 002), on a port: ask a service for a connection, and
 * wait for its answer.  Events of the socket go to the process that the port belongs to.
 * FLEXIBLE	if this process has a connection to that name that has not ended, one more
 *		descriptor of it, of those the oldest, and the service is not asked.
 * WAIT		a name that nobody has published yet is waited for.
 * The structure is written back before the service is asked, and again with
 * ECONNREFUSED.
 * EINVAL, ENAMETOOLONG	the name, as PUBLISH; a uid that this user namespace has not
 * ENOENT	nobody has published that name
 * EPERM	not allowed to reach it
 * EAGAIN	the queue of its port is full
 * EMSGSIZE	a largest message that the service does not allow
 * ECONNREFUSED	rejected: see "reason"
 * ECONNRESET	the service ended before it answered
 * ETIMEDOUT	no answer, or with WAIT no such name, until the deadline
 * EINTR	a signal; the request is taken back (restarted with SA_RESTART)
 */
#define IPCSHIM_CONNECT_NONBLOCK	0x1	/* the descriptor is O_NONBLOCK */
#define IPCSHIM_CONNECT_FLEXIBLE	0x2
#define IPCSHIM_CONNECT_WAIT		0x4
#define IPCSHIM_CONNECT_UID		0x8	/* a name of "uid", not of the caller's own */

struct ipcshim_connect_service {
	__u64 name;		/* [in] address */
	__u32 name_length;	/* [in] bytes */
	__u32 flags;		/* [in] IPCSHIM_CONNECT_* */
	__u64 deadline;		/* [in,out] ns; 0: IPCSHIM_CONNECT_DEADLINE from now */
	__u32 uid;		/* [in] with CONNECT_UID; else 0.  No matter for reserved names */
	__u32 message_max;	/* [in,out] bytes; 0: what the service gives */
	__u16 command;		/* [in] command code for the event */
	__u16 reason;		/* [out] ECONNREFUSED: the service's own word */
	__u32 existing;		/* [out] FLEXIBLE: 1 if it was open already, else 0 */
	__s32 fd;		/* [out] the client's side */
	__u32 reserved0;	/* [in] 0 */
	__u64 connection;	/* [out] number of the connection */
	__u64 inode;		/* [out] st_ino of the client's side */
	__u64 reserved;		/* [in] 0 */
};

#define IPCSHIM_CONNECT_SERVICE	_IOWR(IPCSHIM_IOC_MAGIC, 0x2A, struct ipcshim_connect_service)

/*
 * ACCEPT 0x2C (seed 002), on a port of the process that was asked.  Owner.
 * ENOENT	no such request for this process: never was, answered, or the client
 *		has given up
 */
struct ipcshim_accept {
	__u64 request;		/* [in] the event's token */
	__u32 flags;		/* [in] IPCSHIM_OPEN_NONBLOCK or 0 */
	__s32 fd;		/* [out] the service's side */
	__u64 inode;		/* [out] st_ino of the service's side */
	__u32 pid;		/* [out] the client, 0: not visible here */
	__u32 uid;		/* [out] effective uid of the client as it asked */
	__u32 message_max;	/* [out] bytes */
	__u32 reserved0;	/* [in] 0 */
	__u64 reserved;		/* [in] 0 */
};

#define IPCSHIM_ACCEPT		_IOWR(IPCSHIM_IOC_MAGIC, 0x2C, struct ipcshim_accept)

/*
 * REJECT 0x2D (seed 002), on a port of the process that was asked.  Owner.
 * Errors as ACCEPT.
 */
struct ipcshim_reject {
	__u64 request;		/* [in] the event's token */
	__u16 reason;		/* [in] the service's own word */
	__u16 reserved0;	/* [in] 0 */
	__u32 flags;		/* [in] 0 */
};

#define IPCSHIM_REJECT		_IOW(IPCSHIM_IOC_MAGIC, 0x2D, struct ipcshim_reject)

/*
 * END_SERVICE_CONN 0x2B (seed 002), on a client's socket: ends the connection at once,
 * for every holder, in order.  Neither side sends any more; what was sent before can
 * still be read, by both.  The service is told (SERVICE_CLIENT_CLOSED).
 * EPERM	this is the service's side
 * EINVAL	a socket of OPEN_SERV_SOCK
 * EPIPE, ECONNRESET	it has ended before, see SEND_SOCK_MSG
 */
struct ipcshim_end_service_conn {
	__u32 flags;		/* [in] 0 */
	__u32 reserved;		/* [in] 0 */
};

#define IPCSHIM_END_SERVICE_CONN _IOW(IPCSHIM_IOC_MAGIC, 0x2B, struct ipcshim_end_service_conn)

/*
 * HAS_SERVICE 0x2E (seed 002), on a port: has somebody published that name?
 * EINVAL, ENAMETOOLONG	as CONNECT_SERVICE
 * EPERM	not allowed to reach it
 */
struct ipcshim_has_service {
	__u64 name;		/* [in] address */
	__u32 name_length;	/* [in] bytes */
	__u32 flags;		/* [in] IPCSHIM_CONNECT_UID or 0 */
	__u32 uid;		/* [in] with CONNECT_UID; else 0 */
	__u32 exists;		/* [out] 1 or 0 */
	__u32 pid;		/* [out] who published it, 0: nobody, or not visible here */
	__u32 message_max;	/* [out] bytes that a client may ask for */
	__u64 service;		/* [out] number of the name; 0: nobody */
	__u64 reserved;		/* [in] 0 */
};

#define IPCSHIM_HAS_SERVICE	_IOWR(IPCSHIM_IOC_MAGIC, 0x2E, struct ipcshim_has_service)

/*
 * OPEN_SERV_SOCK 0x26 (seed 002), on a port: a connection without a name.  The side that
 * "role" names stays with the caller (fd), the other one goes to the process "pid", or
 * stays here as well (pid 0: peer_fd).
 * ESRCH, EPERM, ECONNREFUSED, EAGAIN	as OPEN_PIPE
 */
struct ipcshim_open_serv_sock {
	__u32 pid;		/* [in] target, 0: both sides stay here */
	__u32 flags;		/* [in] IPCSHIM_OPEN_*; SKIP needs a pid */
	__u16 role;		/* [in] IPCSHIM_ROLE_*: the side that I keep */
	__u16 command;		/* [in] command code for the event */
	__u32 message_max;	/* [in,out] bytes; 0: IPCSHIM_SOCKET_MESSAGE, else from that
				 * to IPCSHIM_SOCKET_MESSAGE_MAX
				 */
	__s32 fd;		/* [out] my side */
	__s32 peer_fd;		/* [out] the other side if pid is 0, else -1 */
	__u64 token;		/* [out] of the other side, 0 if pid is 0 */
	__u64 connection;	/* [out] number of the connection */
	__u64 inode;		/* [out] st_ino of my side */
	__u64 reserved[2];	/* [in] 0 */
};

#define IPCSHIM_OPEN_SERV_SOCK	_IOWR(IPCSHIM_IOC_MAGIC, 0x26, struct ipcshim_open_serv_sock)

/*
 * The header of a message.  The driver makes it; what is marked [in] is the sender's to
 * say and is checked, the rest is ignored on entry.
 */
#define IPCSHIM_MESSAGE_CLOSE		0x1	/* [in,out] the exchange ends with it */
#define IPCSHIM_MESSAGE_OPENS		0x2	/* [out] the first of its exchange */
#define IPCSHIM_MESSAGE_NOTIFICATION	0x4	/* [out] of an exchange that the service opened */

struct ipcshim_message {
	__u64 exchange;		/* [in,out] 0: opens one */
	__u64 length;		/* [in,out] bytes of payload */
	__u32 counter;		/* [out] of the message in its exchange: 1, 2, ... and 0 after
				 * 2^32 - 1
				 */
	__u16 code;		/* [in,out] of the method or notification; in an exchange that is
				 * open [in] 0
				 */
	__u16 status;		/* [in,out] IPCSHIM_MESSAGE_* */
	__u16 error;		/* [in,out] 0: none, else the sender's own word; concludes */
	__u16 nr_descriptors;	/* [in,out] */
	__u32 pid;		/* [out] who sent it, 0: not visible here */
};

/*
 * A descriptor in a message.  What travels is an end of a pipe (as SEND_PIPE: both hold it
 * then), a segment (as SHARE_MEM, for whoever reads the message; EXCLUSIVE: the
 * sender has lost it when the call returns), or a side of a socket (both hold it).
 * Each becomes a new descriptor of whoever reads: all of them, or the message stays.
 * A message that is never read lets go of them.
 * Where one was taken back by then (UNSHARE_MEM), fd is -1 and "error" ESTALE, and the rest
 * of the message is as ever.
 */
#define IPCSHIM_DESCRIPTORS_MAX		8	/* in one message */

#define IPCSHIM_KIND_PIPE		1
#define IPCSHIM_KIND_SEGMENT		2
#define IPCSHIM_KIND_SOCKET		3

struct ipcshim_descriptor {
	__s32 fd;		/* [in] mine [out] the new one, O_CLOEXEC */
	__u16 kind;		/* [in] 0 [out] IPCSHIM_KIND_* */
	__u16 mode;		/* [in] segment: IPCSHIM_MEM_MUTUAL or _EXCLUSIVE, others: 0
				 * [out] as CLAIM
				 */
	union {
		__u16 end;	/* [out] pipe: IPCSHIM_END_* */
		__u16 rights;	/* [in,out] segment: IPCSHIM_RIGHT_* */
		__u16 role;	/* [out] socket: IPCSHIM_ROLE_* */
	};
	__u16 error;		/* [in] 0 [out] 0 or ESTALE */
	union {
		__u32 capacity;	/* [in] 0 [out] pipe: bytes */
		__u32 message_max;	/* [out] socket: bytes */
	};
	__u64 inode;		/* [in] 0 [out] st_ino */
	union {
		__u64 length;	/* [in] 0 [out] segment: bytes */
		__u64 connection;	/* [out] socket */
	};
};

/* Errors of what a message carries, for SEND_SOCK_MSG and CALL; nothing was sent, nothing lost:
 * EBADF	not an open descriptor
 * EOPNOTSUPP	it is neither an end of a pipe, nor a segment, nor a socket
 * EINVAL	a mode or rights that don't go together, or for what has none; more than
 *		IPCSHIM_DESCRIPTORS_MAX; the same segment twice
 * EPIPE	the end, or the socket, is closed
 * ESTALE, EACCES, EPERM, EBUSY	as SHARE_MEM
 * ELOOP	a socket would travel in itself, by way of messages that nobody has read yet
 */

/* How a side has ended, for those that answer EPIPE or ECONNRESET. */
struct ipcshim_sock_end {
	__u16 how;		/* [out] IPCSHIM_HOW_*; 0: it has not */
	__u16 status;		/* [out] exit code or signal number, see HOW */
};

/*
 * SEND_SOCK_MSG 0x27 (seed 002), on a socket.  Any thread.
 * Waits for room if the message opens an exchange, unless the socket is O_NONBLOCK or flags
 * say so.
 * EINVAL	an unknown status bit; a code in an open exchange; an error in a first message
 * EMSGSIZE	longer than the largest message; nothing was sent
 * ENOENT	an exchange that never was
 * EBUSY	not my turn: the other side's message has not been read yet, or mine was the last
 * ESHUTDOWN	the exchange is concluded
 * EAGAIN	no room, and not to wait; or the receiver handles RECV_SOCK_MSG and the queue
 *		of its port is full
 * ENOBUFS	more than IPCSHIM_SOCKET_ROOM bytes of answers wait to be read here: read first
 * EPIPE	the connection has ended in order (END_SERVICE_CONN, CLOSE_SERV_SOCK, the last
 *		descriptor of a living client, or of a living side of OPEN_SERV_SOCK)
 * ECONNRESET	it has ended otherwise: the other side has died, or a service has let go of it
 * ETIMEDOUT	the deadline passed
 * EINTR	a signal, and nothing was sent (restarted with SA_RESTART)
 * EFAULT	nothing was sent; but if another thread took the structure's memory away in
 *		the middle of the call, it may have been
 */
#define IPCSHIM_SOCK_NOWAIT	0x1	/* EAGAIN instead of waiting */

struct ipcshim_send_sock_msg {
	struct ipcshim_message message;	/* [in,out] */
	__u64 buffer;		/* [in] address of the payload */
	__u64 descriptors;	/* [in] address of nr_descriptors struct ipcshim_descriptor */
	__u64 deadline;		/* [in] ns, 0: none; not with NOWAIT */
	__u32 flags;		/* [in] IPCSHIM_SOCK_NOWAIT or 0 */
	struct ipcshim_sock_end end;	/* [out] */
};

#define IPCSHIM_SEND_SOCK_MSG	_IOWR(IPCSHIM_IOC_MAGIC, 0x27, struct ipcshim_send_sock_msg)

/*
 * READ_SOCK_MSG 0x28 (seed 002), on a socket: the next message, or with an exchange the next
 * one of that.  Any thread; of those that wait, the one that came first gets the next message,
 * and no other is woken.
 * The structure is written back also when the call fails, unless it was itself refused.
 * EMSGSIZE	the buffer, or the room for descriptors, is too small; the header tells what is
 *		needed, and the message stays
 * EFAULT, EMFILE, ENFILE, ENOMEM	the message stays
 * EAGAIN	none, and O_NONBLOCK or NOWAIT
 * ENOENT, ESHUTDOWN	no such exchange; concluded, and nothing of it is left
 * EBUSY	somebody waits for that exchange already
 * EPIPE, ECONNRESET	as SEND_SOCK_MSG, and nothing is left to be read
 * ETIMEDOUT, EINTR	nothing was read (EINTR restarted with SA_RESTART)
 */
struct ipcshim_read_sock_msg {
	struct ipcshim_message message;	/* [out]; exchange [in,out] 0: any */
	__u64 buffer;		/* [in] address */
	__u64 size;		/* [in] bytes there */
	__u64 descriptors;	/* [in] address for struct ipcshim_descriptor */
	__u64 deadline;		/* [in] ns, 0: none; not with NOWAIT */
	__u32 flags;		/* [in] IPCSHIM_SOCK_NOWAIT or 0 */
	__u32 room;		/* [in] descriptors there, at most IPCSHIM_DESCRIPTORS_MAX */
	__u32 uid;		/* [out] effective uid of who sent it */
	struct ipcshim_sock_end end;	/* [out] */
};

#define IPCSHIM_READ_SOCK_MSG	_IOWR(IPCSHIM_IOC_MAGIC, 0x28, struct ipcshim_read_sock_msg)

/*
 * CALL 0x62 (ours), on a socket: SEND_SOCK_MSG, and READ_SOCK_MSG of that exchange, in one.  The
 * answer goes to this caller and to no other; an error in it is not one of the call.
 * O_NONBLOCK does not matter.  Errors as those two, and:
 * EINVAL	a message that concludes the exchange: there would be no answer
 * ECONNRESET	whichever way the connection ended while this waited for the answer
 * Once the message was sent, SENT is set in the flags and the exchange is told; whatever went
 * wrong then (EINTR, ETIMEDOUT, EMSGSIZE, EFAULT, EMFILE ...), the same structure once more
 * goes on waiting and sends nothing.  An answer that came waits in the queue then, for that or for
 * any READ_SOCK_MSG, as any other message.
 */
#define IPCSHIM_CALL_SENT	0x2	/* [in,out] the answer is all that is missing */

struct ipcshim_call {
	struct ipcshim_message message;	/* [in] request [out] answer */
	__u64 request;		/* [in] address of the payload */
	__u64 request_descriptors;	/* [in] as in SEND_SOCK_MSG */
	__u64 buffer;		/* [in] address for the answer's payload */
	__u64 size;		/* [in] bytes there */
	__u64 descriptors;	/* [in] address for struct ipcshim_descriptor */
	__u64 deadline;		/* [in] ns, 0: none */
	__u32 flags;		/* [in,out] IPCSHIM_CALL_SENT or 0 */
	__u32 room;		/* [in] descriptors there, at most IPCSHIM_DESCRIPTORS_MAX */
	__u32 uid;		/* [out] effective uid of who answered */
	struct ipcshim_sock_end end;	/* [out] */
};

#define IPCSHIM_CALL		_IOWR(IPCSHIM_IOC_MAGIC, 0x62, struct ipcshim_call)

/*
 * CLOSE_SERV_SOCK 0x29 (seed 002), on either side of a socket of OPEN_SERV_SOCK: ends it at once,
 * for every holder of either side, in order.  What was sent before can still be read.  The
 * holders are told (SERV_SOCK_CLOSED), except those of the calling process.
 * EINVAL	a connection to a service: see END_SERVICE_CONN
 * EPIPE, ECONNRESET	it has ended before
 */
struct ipcshim_close_serv_sock {
	__u32 flags;		/* [in] 0 */
	__u32 reserved;		/* [in] 0 */
};

#define IPCSHIM_CLOSE_SERV_SOCK	_IOW(IPCSHIM_IOC_MAGIC, 0x29, struct ipcshim_close_serv_sock)

#endif /* _UAPI_LINUX_IPCSHIM_H */
