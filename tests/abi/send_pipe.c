// SPDX-License-Identifier: MIT
/* SEND_PIPE: what is refused, and that a refusal leaves nothing behind. */
#include <errno.h>
#include <unistd.h>

#include "harness.h"
#include "support.h"

/* The same refusal on either end. */
static void send_refused(int expected, struct ipcshim_send_pipe args)
{
	int port = port_open();
	struct ends ends = ends_open(port, IPCSHIM_PIPE_RAW, 0);
	struct state before = state_now(port);

	ASSERT_ERRNO(expected, ioctl(ends.sender, IPCSHIM_SEND_PIPE, &args));
	state_same(port, &before);
	ASSERT_ERRNO(expected, ioctl(ends.receiver, IPCSHIM_SEND_PIPE, &args));
	state_same(port, &before);
}

#define REJECT_SEND(name, errno_expected, change)                              \
	TEST(name)                                                             \
	{                                                                      \
		struct peer peer = peer_listening();                           \
		struct ipcshim_send_pipe args = send_args(peer.pid);           \
                                                                               \
		change;                                                        \
		send_refused(errno_expected, args);                            \
		ASSERT_EQ(0, peer_events_waiting(&peer));                      \
	}

REJECT_SEND(send_pipe_to_pid_0_is_EINVAL, EINVAL, args.pid = 0)
REJECT_SEND(send_pipe_flag_nonblock_is_EINVAL, EINVAL, args.flags = IPCSHIM_OPEN_NONBLOCK)
REJECT_SEND(send_pipe_unknown_flag_is_EINVAL, EINVAL, args.flags = 1U << 31)
REJECT_SEND(send_pipe_first_reserved_field_set_is_EINVAL, EINVAL, args.reserved[0] = 1)
REJECT_SEND(send_pipe_second_reserved_field_set_is_EINVAL, EINVAL, args.reserved[1] = 1)
REJECT_SEND(send_pipe_third_reserved_field_set_is_EINVAL, EINVAL, args.reserved[2] = 1)
REJECT_SEND(send_pipe_to_a_pid_that_is_gone_is_ESRCH, ESRCH, args.pid = (uint32_t)gone_pid())
REJECT_SEND(send_pipe_to_a_pid_above_any_is_ESRCH, ESRCH, args.pid = 0x7fffffff)
REJECT_SEND(send_pipe_to_a_process_without_a_port_is_ECONNREFUSED, ECONNREFUSED, args.pid = 1)
REJECT_SEND(send_pipe_skip_to_a_process_without_a_port_is_ECONNREFUSED, ECONNREFUSED,
	    (args.pid = 1, args.flags = IPCSHIM_OPEN_SKIP))

TEST(send_pipe_at_a_bad_address_is_EFAULT)
{
	int port = port_open();
	struct ends ends = ends_open(port, IPCSHIM_PIPE_RAW, 0);
	struct state before = state_now(port);

	ASSERT_ERRNO(EFAULT, ioctl(ends.sender, IPCSHIM_SEND_PIPE, bad_address()));
	state_same(port, &before);
}

TEST(send_pipe_answer_to_read_only_memory_is_EFAULT_and_announces_nothing)
{
	struct peer peer = peer_listening();
	int port = port_open();
	struct ends ends = ends_open(port, IPCSHIM_PIPE_RAW, 0);
	struct ipcshim_send_pipe args = send_args(peer.pid);
	void *copy = read_only_copy(&args, sizeof(args));
	struct state before = state_now(port);

	ASSERT_ERRNO(EFAULT, ioctl(ends.sender, IPCSHIM_SEND_PIPE, copy));
	state_same(port, &before);
	ASSERT_EQ(0, peer_events_waiting(&peer));
}

TEST(send_pipe_to_a_port_without_handler_is_ECONNREFUSED)
{
	static const struct peer_options options = { .codes = 1ULL << IPCSHIM_EVENT_PIPE_CLOSED };
	struct peer peer = peer_start(&options);

	send_refused(ECONNREFUSED, send_args(peer.pid));
}

TEST(send_pipe_skip_to_a_port_without_handler_gives_a_token_and_no_event)
{
	static const struct peer_options options = { 0 };
	struct peer peer = peer_start(&options);
	struct ends ends = ends_open(port_open(), IPCSHIM_PIPE_RAW, 0);
	struct ipcshim_send_pipe args = send_args(peer.pid);

	args.flags = IPCSHIM_OPEN_SKIP;
	ASSERT_OK(ioctl(ends.receiver, IPCSHIM_SEND_PIPE, &args));
	ASSERT_EQ(0, peer_events_waiting(&peer));
	ASSERT_EQ(0, peer_claim(&peer, args.token));
}

struct send_from {
	pid_t target;
	int end;
};

static void sends_as_another_user(int fd, void *argument)
{
	const struct send_from *from = argument;
	struct ipcshim_send_pipe args = send_args(from->target);

	become(OTHER_UID);
	put(fd, ioctl(from->end, IPCSHIM_SEND_PIPE, &args) == 0 ? 0 : (uint64_t)errno);
}

TEST(send_pipe_to_another_users_process_is_EPERM)
{
	struct peer peer = peer_listening();
	int port = port_open();
	struct send_from from = { peer.pid, ends_open(port, IPCSHIM_PIPE_RAW, 0).sender };
	struct state before = state_now(port);
	struct child child = child_start(sends_as_another_user, &from);

	ASSERT_EQ(EPERM, get(child.fd));
	child_join(&child);
	state_same(port, &before);
	ASSERT_EQ(0, peer_events_waiting(&peer));
}

TEST(send_pipe_to_a_full_queue_is_EAGAIN)
{
	struct peer peer = peer_listening();
	int port = port_open();
	struct ends ends = ends_open(port, IPCSHIM_PIPE_RAW, 0);
	struct ipcshim_send_pipe args = send_args(peer.pid);
	struct state before;

	parameter_set("max_events", 1);
	ASSERT_OK(ioctl(ends.sender, IPCSHIM_SEND_PIPE, &args));
	before = state_now(port);
	ASSERT_ERRNO(EAGAIN, ioctl(ends.sender, IPCSHIM_SEND_PIPE, &args));
	state_same(port, &before);
	ASSERT_EQ(1, peer_events_waiting(&peer));
}

TEST(send_pipe_after_close_pipe_is_EPIPE)
{
	struct peer peer = peer_listening();
	struct ends ends = ends_open(port_open(), IPCSHIM_PIPE_RAW, 0);
	struct ipcshim_close_pipe close_args = { 0 };

	ASSERT_OK(ioctl(ends.sender, IPCSHIM_CLOSE_PIPE, &close_args));
	for (int i = 0; i < 2; i++) {
		struct ipcshim_send_pipe args = send_args(peer.pid);

		ASSERT_ERRNO(EPIPE,
			     ioctl(i ? ends.sender : ends.receiver, IPCSHIM_SEND_PIPE, &args));
	}
	ASSERT_EQ(0, peer_events_waiting(&peer));
}

TEST(send_pipe_announces_the_same_end)
{
	struct peer peer = peer_listening();
	struct ends ends = ends_open(port_open(), IPCSHIM_PIPE_MESSAGE, 2);
	struct ipcshim_send_pipe args = send_args(peer.pid);
	struct ipcshim_event event;

	args.command = 77;
	args.size_hint = 1234;
	for (int i = 0; i < 2; i++) {
		int end = i ? ends.sender : ends.receiver;

		ASSERT_OK(ioctl(end, IPCSHIM_SEND_PIPE, &args));
		event = peer_event(&peer);
		ASSERT_EQ(IPCSHIM_EVENT_RECV_PIPE, event.code);
		ASSERT_EQ(77, event.command);
		ASSERT_EQ(args.token, event.token);
		ASSERT_EQ(i ? IPCSHIM_END_SENDER : IPCSHIM_END_RECEIVER, event.recv_pipe.end);
		ASSERT_EQ(IPCSHIM_PIPE_MESSAGE, event.recv_pipe.mode);
		ASSERT_EQ(2 * UNIT, event.recv_pipe.capacity);
		ASSERT_EQ(1234, event.recv_pipe.size_hint);
		ASSERT_EQ(info_of(end).inode, event.recv_pipe.inode);
		ASSERT_EQ(getpid(), event.pid);
	}
}
