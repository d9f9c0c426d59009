// SPDX-License-Identifier: MIT
/* OPEN_SERV_SOCK and CLAIM: what is refused, and what comes out. */
#include <errno.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "harness.h"
#include "sockets.h"

static void open_refused(int expected, struct ipcshim_open_serv_sock args)
{
	int port = port_open();
	struct state before = state_now(port);

	ASSERT_ERRNO(expected, ioctl(port, IPCSHIM_OPEN_SERV_SOCK, &args));
	state_same(port, &before);
}

#define REJECT_OPEN(name, errno_expected, change)                              \
	TEST(name)                                                             \
	{                                                                      \
		struct ipcshim_open_serv_sock args = open_socket_args();       \
                                                                               \
		change;                                                        \
		open_refused(errno_expected, args);                            \
	}

REJECT_OPEN(open_serv_sock_unknown_flag_is_EINVAL, EINVAL, args.flags = 1U << 2)
REJECT_OPEN(open_serv_sock_highest_flag_is_EINVAL, EINVAL, args.flags = 1U << 31)
REJECT_OPEN(open_serv_sock_skip_without_a_pid_is_EINVAL, EINVAL, args.flags = IPCSHIM_OPEN_SKIP)
REJECT_OPEN(open_serv_sock_first_reserved_field_set_is_EINVAL, EINVAL, args.reserved[0] = 1)
REJECT_OPEN(open_serv_sock_second_reserved_field_set_is_EINVAL, EINVAL,
	    args.reserved[1] = 1ULL << 63)
REJECT_OPEN(open_serv_sock_role_0_is_EINVAL, EINVAL, args.role = 0)
REJECT_OPEN(open_serv_sock_role_3_is_EINVAL, EINVAL, args.role = 3)
REJECT_OPEN(open_serv_sock_role_65535_is_EINVAL, EINVAL, args.role = 65535)
REJECT_OPEN(open_serv_sock_for_messages_below_the_smallest_limit_is_EINVAL, EINVAL,
	    args.message_max = IPCSHIM_SOCKET_MESSAGE - 1)
REJECT_OPEN(open_serv_sock_for_messages_above_the_largest_limit_is_EINVAL, EINVAL,
	    args.message_max = IPCSHIM_SOCKET_MESSAGE_MAX + 1)
REJECT_OPEN(open_serv_sock_for_messages_of_4_GiB_is_EINVAL, EINVAL, args.message_max = 0xffffffff)
REJECT_OPEN(open_serv_sock_to_a_pid_that_is_gone_is_ESRCH, ESRCH, args.pid = (uint32_t)gone_pid())
REJECT_OPEN(open_serv_sock_to_a_pid_above_any_is_ESRCH, ESRCH, args.pid = 0x7fffffff)
REJECT_OPEN(open_serv_sock_to_a_negative_pid_is_ESRCH, ESRCH, args.pid = (uint32_t)-1)
REJECT_OPEN(open_serv_sock_to_a_process_without_a_port_is_ECONNREFUSED, ECONNREFUSED, args.pid = 1)
REJECT_OPEN(open_serv_sock_skip_to_a_process_without_a_port_is_ECONNREFUSED, ECONNREFUSED,
	    (args.pid = 1, args.flags = IPCSHIM_OPEN_SKIP))

TEST(open_serv_sock_at_a_bad_address_is_EFAULT)
{
	int port = port_open();
	struct state before = state_now(port);

	ASSERT_ERRNO(EFAULT, ioctl(port, IPCSHIM_OPEN_SERV_SOCK, bad_address()));
	state_same(port, &before);
}

TEST(open_serv_sock_answer_to_read_only_memory_is_EFAULT_and_opens_nothing)
{
	struct peer peer = peer_for_sockets();
	struct ipcshim_open_serv_sock args = open_socket_args();
	int port = port_open();
	void *copy = read_only_copy(&args, sizeof(args));
	struct state before = state_now(port);

	ASSERT_ERRNO(EFAULT, ioctl(port, IPCSHIM_OPEN_SERV_SOCK, copy));
	state_same(port, &before);
	args.pid = (uint32_t)peer.pid;
	copy = read_only_copy(&args, sizeof(args));
	ASSERT_ERRNO(EFAULT, ioctl(port, IPCSHIM_OPEN_SERV_SOCK, copy));
	state_same(port, &before);
	ASSERT_EQ(0, peer_events_waiting(&peer));
	/* The sequence has no hole either. */
	ASSERT_OK(ioctl(port, IPCSHIM_OPEN_SERV_SOCK, &args));
	ASSERT_EQ(1, peer_event(&peer).sequence);
}

TEST(open_serv_sock_to_a_port_without_handler_is_ECONNREFUSED)
{
	static const struct peer_options options = { .codes = SOCKET_CODES &
						     ~(1ULL << IPCSHIM_EVENT_RECV_SERV_SOCK) };
	struct peer peer = peer_start(&options);
	struct ipcshim_open_serv_sock args = open_socket_args();

	args.pid = (uint32_t)peer.pid;
	open_refused(ECONNREFUSED, args);
	ASSERT_EQ(0, peer_events_waiting(&peer));
}

TEST(open_serv_sock_to_another_users_process_is_EPERM)
{
	struct peer peer = peer_for_sockets();
	static const struct peer_options options = { .uid = OTHER_UID };
	struct peer other = peer_start(&options);
	struct ipcshim_open_serv_sock args = open_socket_args();
	int port = port_open();
	struct state before = state_now(port);

	args.pid = (uint32_t)peer.pid;
	ASSERT_EQ(EPERM, peer_ioctl(&other, -1, IPCSHIM_OPEN_SERV_SOCK, &args));
	args.flags = IPCSHIM_OPEN_SKIP;
	ASSERT_EQ(EPERM, peer_ioctl(&other, -1, IPCSHIM_OPEN_SERV_SOCK, &args));
	state_same(port, &before);
	ASSERT_EQ(0, peer_events_waiting(&peer));
}

TEST(open_serv_sock_to_a_full_queue_is_EAGAIN_and_opens_nothing)
{
	struct peer peer = peer_for_sockets();
	struct ipcshim_open_serv_sock args = open_socket_args();
	int port = port_open();
	struct state before;

	parameter_set("max_events", 1);
	args.pid = (uint32_t)peer.pid;
	ASSERT_OK(ioctl(port, IPCSHIM_OPEN_SERV_SOCK, &args));
	before = state_now(port);
	args = open_socket_args();
	args.pid = (uint32_t)peer.pid;
	ASSERT_ERRNO(EAGAIN, ioctl(port, IPCSHIM_OPEN_SERV_SOCK, &args));
	state_same(port, &before);
	ASSERT_EQ(1, peer_events_waiting(&peer));
}

TEST(open_serv_sock_with_numbers_for_one_descriptor_only_is_EMFILE_and_opens_nothing)
{
	int port = port_open();
	struct ipcshim_open_serv_sock args = open_socket_args();
	struct state before = state_now(port);
	int first_free = dup(port);
	struct rlimit limit;

	close(first_free);
	ASSERT_OK(getrlimit(RLIMIT_NOFILE, &limit));
	for (int room = 0; room < 2; room++) {
		limit.rlim_cur = (rlim_t)(first_free + room);
		ASSERT_OK(setrlimit(RLIMIT_NOFILE, &limit));
		ASSERT_ERRNO(EMFILE, ioctl(port, IPCSHIM_OPEN_SERV_SOCK, &args));
	}
	limit.rlim_cur = limit.rlim_max;
	ASSERT_OK(setrlimit(RLIMIT_NOFILE, &limit));
	state_same(port, &before);
	ASSERT_OK(ioctl(port, IPCSHIM_OPEN_SERV_SOCK, &args));
}

TEST(open_serv_sock_keeps_both_sides_and_tells_everything)
{
	for (unsigned int role = CLIENT; role <= SERVICE; role++) {
		int port = socket_port();
		struct ipcshim_open_serv_sock args = open_socket_args();
		struct ipcshim_query before = query(port);
		struct stat state;
		struct stat peer;

		args.role = (uint16_t)role;
		args.fd = args.peer_fd = 99;
		args.token = args.connection = args.inode = 99;
		ASSERT_OK(ioctl(port, IPCSHIM_OPEN_SERV_SOCK, &args));
		ASSERT_EQ(IPCSHIM_SOCKET_MESSAGE, args.message_max);
		ASSERT_EQ(0, args.token);
		ASSERT_OK(fstat(args.fd, &state));
		ASSERT_OK(fstat(args.peer_fd, &peer));
		ASSERT_EQ(state.st_ino, args.inode);
		ASSERT_TRUE(peer.st_ino != state.st_ino);
		ASSERT_EQ(FD_CLOEXEC, fcntl(args.fd, F_GETFD));
		ASSERT_EQ(FD_CLOEXEC, fcntl(args.peer_fd, F_GETFD));
		ASSERT_EQ(0, fcntl(args.fd, F_GETFL) & O_NONBLOCK);
		ASSERT_EQ(0, fcntl(args.peer_fd, F_GETFL) & O_NONBLOCK);
		ASSERT_EQ(0, events_waiting(port));
		ASSERT_EQ(before.connections + 1, query(port).connections);
		ASSERT_EQ(before.used_objects + 1, query(port).used_objects);
		ASSERT_EQ(before.used_bytes, query(port).used_bytes);
		expect_works(role == CLIENT ? (struct pair){ args.fd, args.peer_fd, 0 } :
					      (struct pair){ args.peer_fd, args.fd, 0 });
		close(args.fd);
		ASSERT_EQ(before.connections + 1, query(port).connections);
		close(args.peer_fd);
		ASSERT_EQ(before.connections, query(port).connections);
		ASSERT_EQ(before.used_objects, query(port).used_objects);
		close(port);
	}
}

TEST(open_serv_sock_nonblock_makes_both_descriptors_O_NONBLOCK)
{
	struct pair pair = pair_nonblocking(port_open());

	ASSERT_EQ(O_NONBLOCK, fcntl(pair.client, F_GETFL) & O_NONBLOCK);
	ASSERT_EQ(O_NONBLOCK, fcntl(pair.service, F_GETFL) & O_NONBLOCK);
	expect_works(pair);
}

TEST(open_serv_sock_announces_the_other_side_which_claim_gives)
{
	for (unsigned int role = CLIENT; role <= SERVICE; role++) {
		struct peer peer = peer_for_sockets();
		int port = port_open();
		struct ipcshim_open_serv_sock args = open_socket_args();
		struct ipcshim_query before = query(port);
		struct ipcshim_event event;
		struct ipcshim_claim claim;

		args.pid = (uint32_t)peer.pid;
		args.role = (uint16_t)role;
		args.command = 0xABCD;
		args.message_max = 123456;
		ASSERT_OK(ioctl(port, IPCSHIM_OPEN_SERV_SOCK, &args));
		ASSERT_EQ(123456, args.message_max);
		ASSERT_EQ(-1, args.peer_fd);
		ASSERT_TRUE(args.token != 0);
		ASSERT_EQ(before.tokens + 1, query(port).tokens);
		ASSERT_EQ(before.used_objects + 2, query(port).used_objects);
		event = peer_event(&peer);
		ASSERT_EQ(IPCSHIM_EVENT_RECV_SERV_SOCK, event.code);
		ASSERT_EQ(0xABCD, event.command);
		ASSERT_EQ(0, event.flags);
		ASSERT_EQ(args.token, event.token);
		ASSERT_EQ(getpid(), event.pid);
		ASSERT_EQ(0, event.uid);
		ASSERT_EQ(123456, event.recv_serv_sock.message_max);
		ASSERT_EQ(CLIENT + SERVICE - role, event.recv_serv_sock.role);
		ASSERT_EQ(0, event.recv_serv_sock.reserved0);
		ASSERT_EQ(args.connection, event.recv_serv_sock.connection);
		ASSERT_EQ(0, event.recv_serv_sock.reserved);
		ASSERT_TRUE(event.recv_serv_sock.inode != args.inode);
		claim = peer_take(&peer, args.token);
		ASSERT_EQ(event.recv_serv_sock.role, claim.role);
		ASSERT_EQ(IPCSHIM_SOCKET, claim.mode);
		ASSERT_EQ(123456, claim.message_max);
		ASSERT_EQ(args.connection, claim.connection);
		ASSERT_EQ(event.recv_serv_sock.inode, claim.inode);
		ASSERT_EQ(claim.inode, socket_info(args.fd, "ipcshim-peer-inode"));
		ASSERT_EQ(before.tokens, query(port).tokens);
		ASSERT_EQ(before.used_objects + 1, query(port).used_objects);
		close(args.fd);
		peer_kill(&peer);
		ASSERT_EQ(before.connections, query(port).connections);
		close(port);
	}
}

TEST(open_serv_sock_skip_gives_a_token_and_no_event)
{
	static const struct peer_options options = { 0 };
	struct peer peer = peer_start(&options);
	struct ipcshim_open_serv_sock args = open_socket_args();
	int port = port_open();

	args.pid = (uint32_t)peer.pid;
	args.flags = IPCSHIM_OPEN_SKIP;
	ASSERT_OK(ioctl(port, IPCSHIM_OPEN_SERV_SOCK, &args));
	ASSERT_EQ(0, peer_events_waiting(&peer));
	ASSERT_EQ(args.connection, peer_take(&peer, args.token).connection);
	ASSERT_EQ(ENOENT, peer_claim(&peer, args.token));
}

TEST(claim_of_a_socket_refused_keeps_the_token)
{
	int port = port_open();
	struct ipcshim_open_serv_sock args = open_socket_args();
	struct ipcshim_claim claim = { 0 };
	struct state before;
	struct rlimit limit;
	int first_free;

	args.pid = (uint32_t)getpid();
	args.flags = IPCSHIM_OPEN_SKIP;
	ASSERT_OK(ioctl(port, IPCSHIM_OPEN_SERV_SOCK, &args));
	claim.token = args.token;
	before = state_now(port);
	claim.connection = 1;
	ASSERT_ERRNO(EINVAL, ioctl(port, IPCSHIM_CLAIM, &claim));
	claim.connection = 0;
	claim.flags = 1U << 31;
	ASSERT_ERRNO(EINVAL, ioctl(port, IPCSHIM_CLAIM, &claim));
	claim.flags = 0;
	ASSERT_ERRNO(EFAULT, ioctl(port, IPCSHIM_CLAIM, read_only_copy(&claim, sizeof(claim))));
	first_free = dup(port);
	close(first_free);
	ASSERT_OK(getrlimit(RLIMIT_NOFILE, &limit));
	limit.rlim_cur = (rlim_t)first_free;
	ASSERT_OK(setrlimit(RLIMIT_NOFILE, &limit));
	ASSERT_ERRNO(EMFILE, ioctl(port, IPCSHIM_CLAIM, &claim));
	limit.rlim_cur = limit.rlim_max;
	ASSERT_OK(setrlimit(RLIMIT_NOFILE, &limit));
	state_same(port, &before);
	claim.flags = IPCSHIM_CLAIM_NONBLOCK;
	ASSERT_OK(ioctl(port, IPCSHIM_CLAIM, &claim));
	ASSERT_EQ(O_NONBLOCK, fcntl(claim.fd, F_GETFL) & O_NONBLOCK);
	ASSERT_EQ(FD_CLOEXEC, fcntl(claim.fd, F_GETFD));
	expect_works((struct pair){ args.fd, claim.fd, args.connection });
}

TEST(open_serv_sock_messages_sent_before_the_claim_are_read_after_it)
{
	int port = socket_port();
	struct ipcshim_open_serv_sock args = open_socket_args();
	struct ipcshim_claim taken;
	char sent[77];
	char got[77];

	args.pid = (uint32_t)getpid();
	ASSERT_OK(ioctl(port, IPCSHIM_OPEN_SERV_SOCK, &args));
	fill_pattern(sent, sizeof(sent), 3);
	ASSERT_EQ(1, open_exchange(args.fd, sent, sizeof(sent)));
	taken = claim(port, event_of(port, IPCSHIM_EVENT_RECV_SERV_SOCK).token);
	ASSERT_EQ(1, read_message(taken.fd, got, sizeof(got)).message.exchange);
	check_pattern(got, sizeof(got), 3);
}

TEST(a_socket_that_is_never_claimed_ends_with_the_port_it_was_meant_for)
{
	struct peer peer = peer_for_sockets();
	int port = socket_port();
	struct ipcshim_open_serv_sock args = open_socket_args();
	struct ipcshim_send_sock_msg send = first_args(NULL, 0);
	struct ipcshim_event event;
	struct ipcshim_query before = query(port);

	args.pid = (uint32_t)peer.pid;
	ASSERT_OK(ioctl(port, IPCSHIM_OPEN_SERV_SOCK, &args));
	peer_reopen_port(&peer);
	event = event_of(port, IPCSHIM_EVENT_SERV_SOCK_CLOSED);
	ASSERT_EQ(IPCSHIM_HOW_CLOSED, event.sock_closed.how);
	ASSERT_EQ(args.inode, event.sock_closed.inode);
	ASSERT_EQ(ENOENT, peer_claim(&peer, args.token));
	ASSERT_ERRNO(EPIPE, ioctl(args.fd, IPCSHIM_SEND_SOCK_MSG, &send));
	close(args.fd);
	ASSERT_EQ(before.tokens, query(port).tokens);
	ASSERT_EQ(before.connections, query(port).connections);
	ASSERT_EQ(before.used_objects, query(port).used_objects);
}

static void opens_without_files(void *argument)
{
	struct ipcshim_open_serv_sock args = open_socket_args();
	int port = *(int *)argument;

	ASSERT_ERRNO(ENFILE, ioctl(port, IPCSHIM_OPEN_SERV_SOCK, &args));
	ASSERT_EQ(0, query(port).connections);
	ASSERT_EQ(0, query(port).used_objects);
}

TEST(open_serv_sock_without_files_in_the_system_is_ENFILE_and_opens_nothing)
{
	int port = port_open();

	run_without_files(NULL, opens_without_files, &port);
}
