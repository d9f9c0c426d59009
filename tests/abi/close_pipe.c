// SPDX-License-Identifier: MIT
#include <errno.h>
#include <signal.h>
#include <unistd.h>

#include "harness.h"
#include "support.h"

#define REJECT_CLOSE(name, change)                                             \
	TEST(name)                                                             \
	{                                                                      \
		struct ends ends = ends_open(port_open(), IPCSHIM_PIPE_RAW, 0); \
		struct ipcshim_close_pipe args = { 0 };                        \
                                                                               \
		change;                                                        \
		ASSERT_ERRNO(EINVAL, ioctl(ends.sender, IPCSHIM_CLOSE_PIPE, &args)); \
		ASSERT_ERRNO(EINVAL, ioctl(ends.receiver, IPCSHIM_CLOSE_PIPE, &args)); \
		ASSERT_TRUE(info_of(ends.sender).flags & IPCSHIM_INFO_OPEN);   \
	}

REJECT_CLOSE(close_pipe_flags_set_is_EINVAL, args.flags = 1)
REJECT_CLOSE(close_pipe_reserved_field_set_is_EINVAL, args.reserved = 1)

TEST(close_pipe_at_a_bad_address_is_EFAULT)
{
	struct ends ends = ends_open(port_open(), IPCSHIM_PIPE_RAW, 0);

	ASSERT_ERRNO(EFAULT, ioctl(ends.sender, IPCSHIM_CLOSE_PIPE, bad_address()));
	ASSERT_TRUE(info_of(ends.sender).flags & IPCSHIM_INFO_OPEN);
}

TEST(close_pipe_twice_is_EPIPE_on_either_end)
{
	struct ends ends = ends_open(port_open(), IPCSHIM_PIPE_RAW, 0);
	struct ipcshim_close_pipe args = { 0 };

	ASSERT_OK(ioctl(ends.sender, IPCSHIM_CLOSE_PIPE, &args));
	ASSERT_ERRNO(EPIPE, ioctl(ends.sender, IPCSHIM_CLOSE_PIPE, &args));
	ASSERT_ERRNO(EPIPE, ioctl(ends.receiver, IPCSHIM_CLOSE_PIPE, &args));
}

TEST(close_pipe_after_the_other_end_was_closed_succeeds)
{
	struct ends ends = ends_open(port_open(), IPCSHIM_PIPE_RAW, 0);
	struct ipcshim_close_pipe args = { 0 };
	char byte;

	ASSERT_EQ(1, write(ends.sender, "x", 1));
	close(ends.sender);
	/* It was closed in another way; this one discards what is left. */
	ASSERT_OK(ioctl(ends.receiver, IPCSHIM_CLOSE_PIPE, &args));
	ASSERT_EQ(0, read(ends.receiver, &byte, 1));
}

TEST(close_pipe_discards_what_was_not_read_and_tells_the_other_process)
{
	struct peer peer = peer_listening();
	struct ipcshim_open_pipe args = open_args();
	struct ipcshim_close_pipe close_args = { 0 };
	struct ipcshim_event announced;
	struct ipcshim_event closed;
	int port = port_handling();

	args.pid = (uint32_t)peer.pid;
	args.mode = IPCSHIM_PIPE_MESSAGE;
	ASSERT_OK(ioctl(port, IPCSHIM_OPEN_PIPE, &args));
	announced = peer_event(&peer);
	ASSERT_EQ(0, peer_claim(&peer, announced.token));
	ASSERT_EQ(5, write(args.fd, "first", 5));
	ASSERT_EQ(6, write(args.fd, "second", 6));
	ASSERT_OK(ioctl(args.fd, IPCSHIM_CLOSE_PIPE, &close_args));
	closed = peer_event(&peer);
	ASSERT_EQ(IPCSHIM_EVENT_PIPE_CLOSED, closed.code);
	ASSERT_EQ(getpid(), closed.pid);
	ASSERT_EQ(0, closed.token);
	ASSERT_EQ(IPCSHIM_HOW_CLOSED, closed.pipe_closed.how);
	ASSERT_EQ(0, closed.pipe_closed.status);
	ASSERT_EQ(IPCSHIM_END_RECEIVER, closed.pipe_closed.end);
	ASSERT_EQ(announced.recv_pipe.inode, closed.pipe_closed.inode);
	ASSERT_EQ(11, closed.pipe_closed.bytes_unread);
	ASSERT_EQ(2, closed.pipe_closed.messages_unread);
	/* Not to the one that called it. */
	ASSERT_EQ(0, events_waiting(port));
	ASSERT_EQ(0, info_of(args.fd).bytes_waiting);
}

TEST(close_pipe_then_write_is_EPIPE_and_read_is_0)
{
	struct ends ends = ends_open(port_open(), IPCSHIM_PIPE_RAW, 0);
	struct ipcshim_close_pipe args = { 0 };
	struct ipcshim_pipe_io io = io_args("x", 1, IPCSHIM_IO_ALL);
	char byte;

	ASSERT_EQ(1, write(ends.sender, "x", 1));
	ASSERT_OK(ioctl(ends.receiver, IPCSHIM_CLOSE_PIPE, &args));
	ASSERT_EQ(0, read(ends.receiver, &byte, 1));
	signal(SIGPIPE, SIG_IGN);
	ASSERT_ERRNO(EPIPE, write(ends.sender, "x", 1));
	ASSERT_ERRNO(EPIPE, ioctl(ends.sender, IPCSHIM_PIPE_WRITE, &io));
	ASSERT_EQ(IPCSHIM_CAUSE_CLOSED, io.cause);
	io = io_args(&byte, 1, IPCSHIM_IO_ALL);
	ASSERT_OK(ioctl(ends.receiver, IPCSHIM_PIPE_READ, &io));
	ASSERT_EQ(0, io.moved);
	ASSERT_EQ(IPCSHIM_CAUSE_CLOSED, io.cause);
}

TEST(close_pipe_leaves_no_open_end_to_claim)
{
	int port = port_open();
	struct ipcshim_open_pipe open_pipe = open_args();
	struct ipcshim_close_pipe args = { 0 };
	struct ipcshim_claim claim = { 0 };
	struct ipcshim_query before = query(port);

	open_pipe.pid = (uint32_t)getpid();
	open_pipe.flags = IPCSHIM_OPEN_SKIP;
	ASSERT_OK(ioctl(port, IPCSHIM_OPEN_PIPE, &open_pipe));
	ASSERT_OK(ioctl(open_pipe.fd, IPCSHIM_CLOSE_PIPE, &args));
	claim.token = open_pipe.token;
	/* A claim may still give the closed end; it never gives an open one. */
	if (ioctl(port, IPCSHIM_CLAIM, &claim) == 0) {
		ASSERT_TRUE(!(info_of(claim.fd).flags & IPCSHIM_INFO_OPEN));
		close(claim.fd);
	} else {
		ASSERT_EQ(ENOENT, errno);
	}
	close(open_pipe.fd);
	ASSERT_EQ(before.tokens, query(port).tokens);
	ASSERT_EQ(before.pipes, query(port).pipes);
}
