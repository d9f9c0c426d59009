// SPDX-License-Identifier: MIT
/* SEND_PTY: what is refused, and that a refusal leaves nothing behind. */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "harness.h"
#include "pty.h"

static void send_refused(int expected, struct ipcshim_send_pty args)
{
	int port = port_open();
	struct ipcshim_open_pty pty = pty_nonblocking(port);
	struct state before = state_now(port);

	ASSERT_ERRNO(expected, ioctl(pty.fd, IPCSHIM_SEND_PTY, &args));
	state_same(port, &before);
	expect_waiting(pty.fd);
}

#define REJECT_SEND_PTY(name, errno_expected, change)                          \
	TEST(name)                                                             \
	{                                                                      \
		struct peer peer = peer_for_ptys();                            \
		struct ipcshim_send_pty args = send_pty_args(peer.pid);        \
                                                                               \
		change;                                                        \
		send_refused(errno_expected, args);                            \
		ASSERT_EQ(0, peer_events_waiting(&peer));                      \
	}

REJECT_SEND_PTY(send_pty_to_pid_0_is_EINVAL, EINVAL, args.pid = 0)
REJECT_SEND_PTY(send_pty_flag_nonblock_is_EINVAL, EINVAL, args.flags = IPCSHIM_OPEN_NONBLOCK)
REJECT_SEND_PTY(send_pty_unknown_flag_is_EINVAL, EINVAL, args.flags = 1U << 31)
REJECT_SEND_PTY(send_pty_first_reserved_field_set_is_EINVAL, EINVAL, args.reserved[0] = 1)
REJECT_SEND_PTY(send_pty_second_reserved_field_set_is_EINVAL, EINVAL, args.reserved[1] = 1)
REJECT_SEND_PTY(send_pty_third_reserved_field_set_is_EINVAL, EINVAL, args.reserved[2] = 1)
REJECT_SEND_PTY(send_pty_to_a_pid_that_is_gone_is_ESRCH, ESRCH, args.pid = (uint32_t)gone_pid())
REJECT_SEND_PTY(send_pty_to_a_pid_above_any_is_ESRCH, ESRCH, args.pid = 0x7fffffff)
REJECT_SEND_PTY(send_pty_to_a_process_without_a_port_is_ECONNREFUSED, ECONNREFUSED, args.pid = 1)
REJECT_SEND_PTY(send_pty_skip_to_a_process_without_a_port_is_ECONNREFUSED, ECONNREFUSED,
		(args.pid = 1, args.flags = IPCSHIM_OPEN_SKIP))

TEST(send_pty_at_a_bad_address_is_EFAULT)
{
	int port = port_open();
	int master = master_open(port);
	struct state before = state_now(port);

	ASSERT_ERRNO(EFAULT, ioctl(master, IPCSHIM_SEND_PTY, bad_address()));
	state_same(port, &before);
}

TEST(send_pty_answer_to_read_only_memory_is_EFAULT_and_announces_nothing)
{
	struct peer peer = peer_for_ptys();
	int port = port_open();
	int master = master_open(port);
	struct ipcshim_send_pty args = send_pty_args(peer.pid);
	void *copy = read_only_copy(&args, sizeof(args));
	struct state before = state_now(port);

	ASSERT_ERRNO(EFAULT, ioctl(master, IPCSHIM_SEND_PTY, copy));
	state_same(port, &before);
	ASSERT_EQ(0, peer_events_waiting(&peer));
}

TEST(send_pty_to_a_port_without_handler_is_ECONNREFUSED)
{
	static const struct peer_options options = { .codes = BOTH_CODES };
	struct peer peer = peer_start(&options);

	send_refused(ECONNREFUSED, send_pty_args(peer.pid));
}

TEST(send_pty_skip_to_a_port_without_handler_gives_a_token_and_no_event)
{
	static const struct peer_options options = { 0 };
	struct peer peer = peer_start(&options);
	int master = master_open(port_open());
	struct ipcshim_send_pty args = send_pty_args(peer.pid);

	args.flags = IPCSHIM_OPEN_SKIP;
	ASSERT_OK(ioctl(master, IPCSHIM_SEND_PTY, &args));
	ASSERT_EQ(0, peer_events_waiting(&peer));
	ASSERT_EQ(0, peer_claim(&peer, args.token));
}

struct send_from {
	pid_t target;
	int master;
};

static void sends_as_another_user(int fd, void *argument)
{
	const struct send_from *from = argument;
	struct ipcshim_send_pty args = send_pty_args(from->target);

	become(OTHER_UID);
	put(fd, ioctl(from->master, IPCSHIM_SEND_PTY, &args) == 0 ? 0 : (uint64_t)errno);
}

TEST(send_pty_to_another_users_process_is_EPERM)
{
	struct peer peer = peer_for_ptys();
	int port = port_open();
	struct send_from from = { peer.pid, master_open(port) };
	struct state before = state_now(port);
	struct child child = child_start(sends_as_another_user, &from);

	ASSERT_EQ(EPERM, get(child.fd));
	child_join(&child);
	state_same(port, &before);
	ASSERT_EQ(0, peer_events_waiting(&peer));
}

TEST(send_pty_to_a_full_queue_is_EAGAIN)
{
	struct peer peer = peer_for_ptys();
	int port = port_open();
	int master = master_open(port);
	struct ipcshim_send_pty args = send_pty_args(peer.pid);
	struct state before;

	parameter_set("max_events", 1);
	ASSERT_OK(ioctl(master, IPCSHIM_SEND_PTY, &args));
	before = state_now(port);
	ASSERT_ERRNO(EAGAIN, ioctl(master, IPCSHIM_SEND_PTY, &args));
	state_same(port, &before);
	ASSERT_EQ(1, peer_events_waiting(&peer));
}

TEST(send_pty_announces_the_slave_and_its_window)
{
	struct peer peer = peer_for_ptys();
	int port = port_open();
	struct ipcshim_open_pty pty = { .rows = 1, .columns = 2, .x_pixels = 3, .y_pixels = 4 };
	struct winsize size = { .ws_row = 30, .ws_col = 100, .ws_xpixel = 500, .ws_ypixel = 300 };
	struct ipcshim_send_pty args = send_pty_args(peer.pid);
	struct ipcshim_event event;

	args.command = 77;
	ASSERT_OK(ioctl(port, IPCSHIM_OPEN_PTY, &pty));
	ASSERT_OK(ioctl(pty.fd, IPCSHIM_SEND_PTY, &args));
	event = peer_event(&peer);
	ASSERT_EQ(IPCSHIM_EVENT_RECV_PTY, event.code);
	ASSERT_EQ(77, event.command);
	ASSERT_EQ(0, event.flags);
	ASSERT_TRUE(args.token != 0);
	ASSERT_EQ(args.token, event.token);
	ASSERT_EQ(getpid(), event.pid);
	ASSERT_EQ(geteuid(), event.uid);
	ASSERT_EQ(pty.index, event.recv_pty.index);
	ASSERT_EQ(0, event.recv_pty.reserved0);
	ASSERT_EQ(1, event.recv_pty.rows);
	ASSERT_EQ(2, event.recv_pty.columns);
	ASSERT_EQ(3, event.recv_pty.x_pixels);
	ASSERT_EQ(4, event.recv_pty.y_pixels);
	ASSERT_EQ(pty.slave_inode, event.recv_pty.inode);
	ASSERT_EQ(0, event.recv_pty.reserved);
	/* The size at that moment. */
	ASSERT_OK(ioctl(pty.fd, TIOCSWINSZ, &size));
	ASSERT_OK(ioctl(pty.fd, IPCSHIM_SEND_PTY, &args));
	event = peer_event(&peer);
	ASSERT_EQ(30, event.recv_pty.rows);
	ASSERT_EQ(100, event.recv_pty.columns);
	ASSERT_EQ(500, event.recv_pty.x_pixels);
	ASSERT_EQ(300, event.recv_pty.y_pixels);
}

TEST(send_pty_needs_a_handler_which_is_told_of_and_can_be_taken_back)
{
	int port = port_for_ptys();
	int master = master_open(port);
	struct ipcshim_send_pty args = send_pty_args(getpid());
	struct ipcshim_unhandle unhandle = { .codes = { 0, PTY_CODE } };

	ASSERT_TRUE(is_handled(port, 0, IPCSHIM_EVENT_RECV_PTY));
	ASSERT_OK(ioctl(master, IPCSHIM_SEND_PTY, &args));
	ASSERT_OK(ioctl(port, IPCSHIM_UNHANDLE_SIGNAL, &unhandle));
	ASSERT_TRUE(!is_handled(port, 0, IPCSHIM_EVENT_RECV_PTY));
	ASSERT_ERRNO(ECONNREFUSED, ioctl(master, IPCSHIM_SEND_PTY, &args));
	/* The event that waits stays. */
	ASSERT_EQ(1, events_waiting(port));
	ASSERT_EQ(IPCSHIM_EVENT_RECV_PTY, event_read(port).code);
}

TEST(send_pty_counts_a_token_until_it_is_claimed)
{
	int port = port_open();
	int master = master_open(port);
	struct ipcshim_query before = query(port);
	struct ipcshim_claim claim = { .token = pty_token_for_me(master) };

	ASSERT_EQ(before.tokens + 1, query(port).tokens);
	ASSERT_EQ(before.used_objects + 1, query(port).used_objects);
	ASSERT_EQ(before.used_bytes, query(port).used_bytes);
	ASSERT_OK(ioctl(port, IPCSHIM_CLAIM, &claim));
	ASSERT_EQ(before.tokens, query(port).tokens);
	ASSERT_EQ(before.used_objects, query(port).used_objects);
}

/* Locked, in exclusive use, already open: none of it matters before the claim. */
TEST(send_pty_of_a_locked_and_of_an_open_slave_succeeds)
{
	int master = master_open(port_open());
	int on = 1;

	slave_open(master, 0);
	ASSERT_OK(ioctl(slave_open(master, 0), TIOCEXCL));
	ASSERT_OK(ioctl(master, TIOCSPTLCK, &on));
	pty_token_for_me(master);
}

TEST(send_pty_of_a_slave_twice_gives_two_tokens_that_both_open_it)
{
	int port = port_open();
	struct ipcshim_open_pty pty = pty_open(port);
	struct ipcshim_claim one = { .token = pty_token_for_me(pty.fd) };
	struct ipcshim_claim two = { .token = pty_token_for_me(pty.fd) };

	ASSERT_TRUE(one.token != two.token);
	ASSERT_OK(ioctl(port, IPCSHIM_CLAIM, &two));
	ASSERT_OK(ioctl(port, IPCSHIM_CLAIM, &one));
	ASSERT_TRUE(one.fd != two.fd);
	ASSERT_EQ(pty.slave_inode, one.inode);
	ASSERT_EQ(pty.slave_inode, two.inode);
}
