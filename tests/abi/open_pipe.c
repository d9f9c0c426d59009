// SPDX-License-Identifier: MIT
/* OPEN_PIPE: what is refused, and that a refusal leaves nothing behind. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "harness.h"
#include "support.h"

static void open_refused(int expected, struct ipcshim_open_pipe args)
{
	int port = port_open();
	struct state before = state_now(port);

	ASSERT_ERRNO(expected, ioctl(port, IPCSHIM_OPEN_PIPE, &args));
	state_same(port, &before);
}

#define REJECT_OPEN(name, errno_expected, change)                              \
	TEST(name)                                                             \
	{                                                                      \
		struct ipcshim_open_pipe args = open_args();                   \
                                                                               \
		change;                                                        \
		open_refused(errno_expected, args);                            \
	}

REJECT_OPEN(open_pipe_unknown_flag_is_EINVAL, EINVAL, args.flags = 1U << 3)
REJECT_OPEN(open_pipe_highest_flag_is_EINVAL, EINVAL, args.flags = 1U << 31)
REJECT_OPEN(open_pipe_skip_without_a_pid_is_EINVAL, EINVAL, args.flags = IPCSHIM_OPEN_SKIP)
REJECT_OPEN(open_pipe_first_reserved_field_set_is_EINVAL, EINVAL, args.reserved[0] = 1)
REJECT_OPEN(open_pipe_second_reserved_field_set_is_EINVAL, EINVAL, args.reserved[1] = 1ULL << 63)
REJECT_OPEN(open_pipe_direction_0_is_EINVAL, EINVAL, args.direction = 0)
REJECT_OPEN(open_pipe_direction_3_is_EINVAL, EINVAL, args.direction = 3)
REJECT_OPEN(open_pipe_direction_65535_is_EINVAL, EINVAL, args.direction = 65535)
REJECT_OPEN(open_pipe_mode_0_is_EINVAL, EINVAL, args.mode = 0)
REJECT_OPEN(open_pipe_mode_3_is_EINVAL, EINVAL, args.mode = 3)
REJECT_OPEN(open_pipe_mode_65535_is_EINVAL, EINVAL, args.mode = 65535)
REJECT_OPEN(open_pipe_capacity_257_is_EINVAL, EINVAL, args.capacity = IPCSHIM_CAPACITY_MAX + 1)
REJECT_OPEN(open_pipe_capacity_65535_is_EINVAL, EINVAL, args.capacity = 65535)
REJECT_OPEN(open_pipe_to_a_pid_that_is_gone_is_ESRCH, ESRCH, args.pid = (uint32_t)gone_pid())
REJECT_OPEN(open_pipe_to_a_pid_above_any_is_ESRCH, ESRCH, args.pid = 0x7fffffff)
REJECT_OPEN(open_pipe_to_a_negative_pid_is_ESRCH, ESRCH, args.pid = (uint32_t)-1)
REJECT_OPEN(open_pipe_to_a_process_without_a_port_is_ECONNREFUSED, ECONNREFUSED, args.pid = 1)
REJECT_OPEN(open_pipe_skip_to_a_process_without_a_port_is_ECONNREFUSED, ECONNREFUSED,
	    (args.pid = 1, args.flags = IPCSHIM_OPEN_SKIP))

TEST(open_pipe_at_a_bad_address_is_EFAULT)
{
	int port = port_open();
	struct state before = state_now(port);

	ASSERT_ERRNO(EFAULT, ioctl(port, IPCSHIM_OPEN_PIPE, bad_address()));
	state_same(port, &before);
}

TEST(open_pipe_answer_to_read_only_memory_is_EFAULT_and_opens_nothing)
{
	struct ipcshim_open_pipe args = open_args();
	void *copy = read_only_copy(&args, sizeof(args));
	int port = port_open();
	struct state before = state_now(port);

	ASSERT_ERRNO(EFAULT, ioctl(port, IPCSHIM_OPEN_PIPE, copy));
	state_same(port, &before);
}

TEST(open_pipe_answer_to_read_only_memory_is_EFAULT_and_announces_nothing)
{
	struct peer peer = peer_listening();
	struct ipcshim_open_pipe args = open_args();
	int port = port_open();
	struct state before;
	void *copy;

	args.pid = (uint32_t)peer.pid;
	copy = read_only_copy(&args, sizeof(args));
	before = state_now(port);
	ASSERT_ERRNO(EFAULT, ioctl(port, IPCSHIM_OPEN_PIPE, copy));
	state_same(port, &before);
	ASSERT_EQ(0, peer_events_waiting(&peer));
	/* The sequence has no hole either. */
	ASSERT_OK(ioctl(port, IPCSHIM_OPEN_PIPE, &args));
	ASSERT_EQ(1, peer_event(&peer).sequence);
}

TEST(open_pipe_to_a_port_without_handler_is_ECONNREFUSED)
{
	static const struct peer_options options = { .codes = 1ULL << IPCSHIM_EVENT_PIPE_CLOSED };
	struct peer peer = peer_start(&options);
	struct ipcshim_open_pipe args = open_args();

	args.pid = (uint32_t)peer.pid;
	open_refused(ECONNREFUSED, args);
	ASSERT_EQ(0, peer_events_waiting(&peer));
}

TEST(open_pipe_skip_to_a_port_without_handler_gives_a_token_and_no_event)
{
	static const struct peer_options options = { 0 };
	struct peer peer = peer_start(&options);
	struct ipcshim_open_pipe args = open_args();
	int port = port_open();

	args.pid = (uint32_t)peer.pid;
	args.flags = IPCSHIM_OPEN_SKIP;
	ASSERT_OK(ioctl(port, IPCSHIM_OPEN_PIPE, &args));
	ASSERT_TRUE(args.token);
	ASSERT_EQ(0, peer_events_waiting(&peer));
	ASSERT_EQ(0, peer_claim(&peer, args.token));
}

TEST(open_pipe_to_another_users_process_is_EPERM)
{
	struct peer peer = peer_listening();
	int port = port_open();
	struct state before = state_now(port);

	ASSERT_EQ(EPERM, open_as(OTHER_UID, peer.pid, NULL));
	state_same(port, &before);
	ASSERT_EQ(0, peer_events_waiting(&peer));
}

TEST(open_pipe_to_a_full_queue_is_EAGAIN_and_opens_nothing)
{
	struct peer peer = peer_listening();
	struct ipcshim_open_pipe args = open_args();
	int port = port_open();
	struct state before;

	parameter_set("max_events", 2);
	args.pid = (uint32_t)peer.pid;
	ASSERT_OK(ioctl(port, IPCSHIM_OPEN_PIPE, &args));
	ASSERT_OK(ioctl(port, IPCSHIM_OPEN_PIPE, &args));
	before = state_now(port);
	ASSERT_ERRNO(EAGAIN, ioctl(port, IPCSHIM_OPEN_PIPE, &args));
	state_same(port, &before);
	/* Room again: an event was read. */
	peer_event(&peer);
	ASSERT_OK(ioctl(port, IPCSHIM_OPEN_PIPE, &args));
	ASSERT_EQ(2, peer_event(&peer).sequence);
	ASSERT_EQ(3, peer_event(&peer).sequence);
}

TEST(open_pipe_without_descriptor_numbers_is_EMFILE_and_opens_nothing)
{
	struct ipcshim_open_pipe args = open_args();
	struct rlimit limit;
	int port = port_open();
	struct state before = state_now(port);
	int first_free = dup(port);

	close(first_free);
	ASSERT_OK(getrlimit(RLIMIT_NOFILE, &limit));
	/* One number is free, and two are needed. */
	limit.rlim_cur = (rlim_t)first_free + 1;
	ASSERT_OK(setrlimit(RLIMIT_NOFILE, &limit));
	ASSERT_ERRNO(EMFILE, ioctl(port, IPCSHIM_OPEN_PIPE, &args));
	limit.rlim_cur = (rlim_t)first_free;
	ASSERT_OK(setrlimit(RLIMIT_NOFILE, &limit));
	ASSERT_ERRNO(EMFILE, ioctl(port, IPCSHIM_OPEN_PIPE, &args));
	limit.rlim_cur = limit.rlim_max;
	ASSERT_OK(setrlimit(RLIMIT_NOFILE, &limit));
	state_same(port, &before);
}

TEST(open_pipe_keeps_both_ends_when_pid_is_0)
{
	struct ipcshim_open_pipe args = open_args();
	struct stat state;

	args.token = 1;
	args.inode = 1;
	args.fd = -5;
	ASSERT_OK(ioctl(port_open(), IPCSHIM_OPEN_PIPE, &args));
	ASSERT_EQ(0, args.token);
	ASSERT_OK(fstat(args.fd, &state));
	ASSERT_EQ(state.st_ino, args.inode);
	ASSERT_TRUE(args.peer_fd >= 0 && args.peer_fd != args.fd);
	ASSERT_EQ(O_WRONLY, fcntl(args.fd, F_GETFL) & O_ACCMODE);
	ASSERT_EQ(O_RDONLY, fcntl(args.peer_fd, F_GETFL) & O_ACCMODE);
}

TEST(open_pipe_direction_receiver_keeps_the_receiver)
{
	struct ipcshim_open_pipe args = open_args();

	args.direction = IPCSHIM_END_RECEIVER;
	ASSERT_OK(ioctl(port_open(), IPCSHIM_OPEN_PIPE, &args));
	ASSERT_EQ(O_RDONLY, fcntl(args.fd, F_GETFL) & O_ACCMODE);
	ASSERT_EQ(3, write(args.peer_fd, "abc", 3));
	ASSERT_EQ(3, info_of(args.fd).bytes_waiting);
}

TEST(open_pipe_descriptors_are_O_CLOEXEC)
{
	struct ends ends = ends_open(port_open(), IPCSHIM_PIPE_MESSAGE, 0);

	ASSERT_EQ(FD_CLOEXEC, fcntl(ends.sender, F_GETFD));
	ASSERT_EQ(FD_CLOEXEC, fcntl(ends.receiver, F_GETFD));
	ASSERT_EQ(0, fcntl(ends.sender, F_GETFL) & O_NONBLOCK);
	ASSERT_EQ(0, fcntl(ends.receiver, F_GETFL) & O_NONBLOCK);
}

TEST(open_pipe_nonblock_makes_both_descriptors_O_NONBLOCK)
{
	struct ipcshim_open_pipe args = open_args();
	char byte;

	args.flags = IPCSHIM_OPEN_NONBLOCK;
	ASSERT_OK(ioctl(port_open(), IPCSHIM_OPEN_PIPE, &args));
	ASSERT_TRUE(fcntl(args.fd, F_GETFL) & O_NONBLOCK);
	ASSERT_TRUE(fcntl(args.peer_fd, F_GETFL) & O_NONBLOCK);
	ASSERT_ERRNO(EAGAIN, read(args.peer_fd, &byte, 1));
}

TEST(open_pipe_capacity_0_stands_for_64_KiB)
{
	struct ends ends = ends_open(port_open(), IPCSHIM_PIPE_RAW, 0);

	ASSERT_EQ(UNIT, info_of(ends.sender).capacity);
	ASSERT_EQ(UNIT, info_of(ends.receiver).bytes_free);
}

TEST(open_pipe_capacity_is_what_was_asked_in_either_mode)
{
	static const unsigned int units[] = { 1, 2, 3, 5, 7, 100, 255, 256 };
	int port = port_open();

	for (unsigned int i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		for (unsigned int mode = IPCSHIM_PIPE_RAW; mode <= IPCSHIM_PIPE_MESSAGE; mode++) {
			struct ends ends = ends_open(port, mode, units[i]);

			ASSERT_EQ((uint64_t)units[i] * UNIT, info_of(ends.sender).capacity);
			close(ends.sender);
			close(ends.receiver);
		}
	}
}

TEST(open_pipe_announces_what_the_sender_said)
{
	struct peer peer = peer_listening();
	struct ipcshim_open_pipe args = open_args();
	struct ipcshim_event event;

	args.pid = (uint32_t)peer.pid;
	args.mode = IPCSHIM_PIPE_MESSAGE;
	args.capacity = 3;
	args.command = 0xbeef;
	args.size_hint = 0x123456789abcULL;
	ASSERT_OK(ioctl(port_open(), IPCSHIM_OPEN_PIPE, &args));
	ASSERT_EQ(-1, args.peer_fd);
	event = peer_event(&peer);
	ASSERT_EQ(IPCSHIM_EVENT_RECV_PIPE, event.code);
	ASSERT_EQ(0xbeef, event.command);
	ASSERT_EQ(0, event.flags);
	ASSERT_EQ(args.token, event.token);
	ASSERT_TRUE(event.token);
	ASSERT_EQ(1, event.sequence);
	ASSERT_EQ(getpid(), event.pid);
	ASSERT_EQ(0, event.uid);
	ASSERT_EQ(IPCSHIM_END_RECEIVER, event.recv_pipe.end);
	ASSERT_EQ(IPCSHIM_PIPE_MESSAGE, event.recv_pipe.mode);
	ASSERT_EQ(3 * UNIT, event.recv_pipe.capacity);
	ASSERT_EQ(0x123456789abcULL, event.recv_pipe.size_hint);
	ASSERT_TRUE(event.recv_pipe.inode && event.recv_pipe.inode != args.inode);
	ASSERT_EQ(0, event.recv_pipe.reserved);
}

TEST(open_pipe_to_oneself_by_pid_gives_a_token)
{
	int port = port_handling();
	struct ipcshim_open_pipe args = open_args();
	struct ipcshim_claim claim = { 0 };

	args.pid = (uint32_t)getpid();
	ASSERT_OK(ioctl(port, IPCSHIM_OPEN_PIPE, &args));
	claim.token = event_read(port).token;
	ASSERT_EQ(args.token, claim.token);
	ASSERT_OK(ioctl(port, IPCSHIM_CLAIM, &claim));
	ASSERT_EQ(IPCSHIM_END_RECEIVER, claim.end);
}

TEST(open_pipe_tokens_and_inodes_are_never_reused)
{
	int port = port_handling();
	struct ipcshim_open_pipe args = open_args();
	uint64_t token = 0;
	uint64_t inode = 0;

	args.pid = (uint32_t)getpid();
	for (int i = 0; i < 20; i++) {
		struct ipcshim_claim claim = { 0 };

		ASSERT_OK(ioctl(port, IPCSHIM_OPEN_PIPE, &args));
		ASSERT_TRUE(args.token != token && args.inode != inode);
		token = args.token;
		inode = args.inode;
		claim.token = token;
		ASSERT_OK(ioctl(port, IPCSHIM_CLAIM, &claim));
		close(claim.fd);
		close(args.fd);
	}
}
