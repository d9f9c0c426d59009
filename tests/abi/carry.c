// SPDX-License-Identifier: MIT
/* Messages that carry ends of pipes and sockets: what comes out, and what holds what. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "harness.h"
#include "sockets.h"

static ino_t inode_of(int fd)
{
	struct stat state;

	ASSERT_OK(fstat(fd, &state));
	return state.st_ino;
}

TEST(carried_end_of_a_pipe_is_the_same_end)
{
	for (unsigned int end = IPCSHIM_END_SENDER; end <= IPCSHIM_END_RECEIVER; end++) {
		int port = port_open();
		struct pair pair = pair_open(port, 0);
		struct ends ends = ends_open(port, IPCSHIM_PIPE_MESSAGE, 3);
		int mine = end == IPCSHIM_END_SENDER ? ends.sender : ends.receiver;
		struct ipcshim_descriptor descriptor = carried(mine);
		struct ipcshim_descriptor got;
		char byte;

		send_with(pair.client, &descriptor, 1);
		memset(&got, 0xff, sizeof(got));
		read_with(pair.service, &got, 1);
		ASSERT_TRUE(got.fd >= 0 && got.fd != mine);
		ASSERT_EQ(IPCSHIM_KIND_PIPE, got.kind);
		ASSERT_EQ(IPCSHIM_PIPE_MESSAGE, got.mode);
		ASSERT_EQ(end, got.end);
		ASSERT_EQ(0, got.error);
		ASSERT_EQ(3 * UNIT, got.capacity);
		ASSERT_EQ(inode_of(mine), got.inode);
		ASSERT_EQ(0, got.length);
		ASSERT_EQ(inode_of(mine), inode_of(got.fd));
		ASSERT_EQ(FD_CLOEXEC, fcntl(got.fd, F_GETFD));
		ASSERT_EQ(0, fcntl(got.fd, F_GETFL) & O_NONBLOCK);
		/* Both hold it, and the first one goes. */
		close(mine);
		if (end == IPCSHIM_END_SENDER) {
			ASSERT_EQ(1, write(got.fd, "x", 1));
			ASSERT_EQ(1, read(ends.receiver, &byte, 1));
		} else {
			ASSERT_EQ(1, write(ends.sender, "x", 1));
			ASSERT_EQ(1, read(got.fd, &byte, 1));
		}
		ASSERT_EQ('x', byte);
		close(port);
	}
}

TEST(carried_end_is_held_by_the_message_until_nobody_can_read_it)
{
	int port = port_open();
	struct pair pair = pair_open(port, 0);
	struct ends ends = ends_open(port, IPCSHIM_PIPE_RAW, 0);
	struct ipcshim_descriptor descriptor = carried(ends.sender);
	char byte;

	send_with(pair.client, &descriptor, 1);
	close(ends.sender);
	ASSERT_EQ(1, query(port).pipes);
	ASSERT_EQ(IPCSHIM_INFO_OPEN, info_of(ends.receiver).flags & IPCSHIM_INFO_OPEN);
	/* A message that is never read lets go. */
	pair_close(&pair);
	ASSERT_EQ(0, read(ends.receiver, &byte, 1));
	close(ends.receiver);
	ASSERT_EQ(0, query(port).pipes);
	ASSERT_EQ(0, query(port).connections);
	ASSERT_EQ(0, query(port).messages);
}

TEST(carried_end_that_was_closed_under_way_arrives_closed)
{
	int port = port_open();
	struct pair pair = pair_open(port, 0);
	struct ends ends = ends_open(port, IPCSHIM_PIPE_RAW, 0);
	struct ipcshim_descriptor descriptor = carried(ends.sender);
	struct ipcshim_close_pipe close_args = { 0 };
	struct ipcshim_descriptor got;
	struct ipcshim_pipe_io io = io_args("x", 1, IPCSHIM_IO_FAIL);

	send_with(pair.client, &descriptor, 1);
	ASSERT_OK(ioctl(ends.receiver, IPCSHIM_CLOSE_PIPE, &close_args));
	read_with(pair.service, &got, 1);
	ASSERT_EQ(0, got.error);
	ASSERT_ERRNO(EPIPE, ioctl(got.fd, IPCSHIM_PIPE_WRITE, &io));
}

TEST(carried_end_reaches_another_process_which_then_is_told_of_its_end)
{
	static const struct peer_options options = { .codes = SOCKET_CODES | BOTH_CODES };
	struct ipcshim_descriptor *got = shared_memory(sizeof(*got));
	struct peer peer = peer_start(&options);
	int port = port_open();
	struct remote remote = remote_open(port, &peer, CLIENT);
	struct ends ends = ends_open(port, IPCSHIM_PIPE_RAW, 0);
	struct ipcshim_descriptor descriptor = carried(ends.receiver);
	struct ipcshim_read_sock_msg args = read_msg_args(NULL, 0);
	struct ipcshim_event event;

	send_with(remote.fd, &descriptor, 1);
	args.descriptors = (uintptr_t)got;
	args.room = 8;
	ASSERT_EQ(0, peer_ioctl(&peer, remote.peer_fd, IPCSHIM_READ_SOCK_MSG, &args));
	ASSERT_EQ(1, args.message.nr_descriptors);
	ASSERT_EQ(0, peer_events_waiting(&peer));
	close(ends.receiver);
	ASSERT_EQ(1, write(ends.sender, "x", 1));
	close(ends.sender);
	/* As of a claim. */
	event = peer_event(&peer);
	ASSERT_EQ(IPCSHIM_EVENT_PIPE_CLOSED, event.code);
	ASSERT_EQ(got->inode, event.pipe_closed.inode);
	ASSERT_EQ(1, event.pipe_closed.bytes_unread);
}

TEST(carried_socket_is_the_same_side_and_works)
{
	for (unsigned int role = CLIENT; role <= SERVICE; role++) {
		int port = socket_port();
		struct pair pair = pair_open(port, 0);
		struct pair other = pair_open(port, 12345);
		int mine = role == CLIENT ? other.client : other.service;
		struct ipcshim_descriptor descriptor = carried(mine);
		struct ipcshim_descriptor got;

		open_exchange(other.service, NULL, 0);
		send_with(pair.client, &descriptor, 1);
		close(mine);
		/* It is not closed by that. */
		ASSERT_EQ(0, events_waiting(port));
		read_with(pair.service, &got, 1);
		ASSERT_EQ(IPCSHIM_KIND_SOCKET, got.kind);
		ASSERT_EQ(IPCSHIM_SOCKET, got.mode);
		ASSERT_EQ(role, got.role);
		ASSERT_EQ(0, got.error);
		ASSERT_EQ(12345, got.message_max);
		ASSERT_EQ(inode_of(got.fd), got.inode);
		ASSERT_EQ(other.connection, got.connection);
		ASSERT_EQ(FD_CLOEXEC, fcntl(got.fd, F_GETFD));
		if (role == CLIENT)
			other.client = got.fd;
		else
			other.service = got.fd;
		ASSERT_EQ(1, take_request(other.client));
		expect_works(other);
		expect_works(pair);
		close(got.fd);
		ASSERT_EQ(IPCSHIM_EVENT_SERV_SOCK_CLOSED, event_read(port).code);
		close(port);
	}
}

TEST(carried_socket_ends_with_a_message_that_is_never_read)
{
	int port = socket_port();
	struct pair pair = pair_open(port, 0);
	struct pair other = pair_open(port, 0);
	struct ipcshim_descriptor descriptor = carried(other.client);

	send_with(pair.client, &descriptor, 1);
	close(other.client);
	close(pair.client);
	ASSERT_EQ(pair.connection, event_of(port, IPCSHIM_EVENT_SERV_SOCK_CLOSED)
					   .sock_closed.connection);
	/* It could still be read. */
	ASSERT_EQ(0, events_waiting(port));
	close(pair.service);
	ASSERT_EQ(other.connection, event_of(port, IPCSHIM_EVENT_SERV_SOCK_CLOSED)
					    .sock_closed.connection);
	close(other.service);
	ASSERT_EQ(0, query(port).connections);
	ASSERT_EQ(0, query(port).messages);
	ASSERT_EQ(0, query(port).used_objects);
}

TEST(carried_socket_in_a_carried_socket_ends_with_the_outermost)
{
	enum { DEPTH = 20 };
	int port = socket_port();
	struct pair pairs[DEPTH];

	for (int i = 0; i < DEPTH; i++) {
		struct ipcshim_descriptor descriptor;

		pairs[i] = pair_open(port, 0);
		if (!i)
			continue;
		/* The one before travels in this one. */
		descriptor = carried(pairs[i - 1].service);
		send_with(pairs[i].client, &descriptor, 1);
		ASSERT_OK(close(pairs[i - 1].service));
	}
	ASSERT_EQ(0, events_waiting(port));
	ASSERT_EQ(DEPTH, query(port).connections);
	close(pairs[DEPTH - 1].service);
	for (int i = 0; i < DEPTH; i++)
		ASSERT_EQ(IPCSHIM_HOW_CLOSED, event_read(port).sock_closed.how);
	for (int i = 0; i < DEPTH; i++)
		close(pairs[i].client);
	ASSERT_EQ(0, events_waiting(port));
	ASSERT_EQ(0, query(port).connections);
	ASSERT_EQ(0, query(port).exchanges);
}

TEST(carried_are_up_to_eight_of_every_kind_in_their_order)
{
	int port = port_open();
	struct pair pair = pair_open(port, 0);
	struct pair other = pair_open(port, 0);
	struct ends ends = ends_open(port, IPCSHIM_PIPE_RAW, 0);
	struct ipcshim_descriptor given[] = {
		carried(ends.sender),	 carried(other.service), carried(ends.receiver),
		carried(ends.sender),	 carried(other.client),	 carried(other.client),
		carried(ends.receiver), carried(ends.sender),
	};
	struct ipcshim_descriptor got[IPCSHIM_DESCRIPTORS_MAX];
	struct state before = state_now(port);
	uint64_t exchange;

	_Static_assert(sizeof(given) == sizeof(got), "these are not as many as may be");
	exchange = send_with(pair.client, given, 8);
	ASSERT_EQ(exchange, read_with(pair.service, got, 8));
	for (int i = 0; i < 8; i++) {
		ASSERT_EQ(inode_of(given[i].fd), got[i].inode);
		ASSERT_EQ(inode_of(given[i].fd), inode_of(got[i].fd));
		for (int j = 0; j < i; j++)
			ASSERT_TRUE(got[i].fd != got[j].fd);
	}
	for (int i = 0; i < 8; i++)
		ASSERT_OK(close(got[i].fd));
	conclude(pair.service, exchange);
	take_request(pair.client);
	state_same(port, &before);
	expect_works(other);
}

TEST(carried_in_answers_and_calls_arrive_as_well)
{
	int port = port_open();
	struct pair pair = pair_open(port, 0);
	struct ends ends = ends_open(port, IPCSHIM_PIPE_RAW, 0);
	struct ipcshim_descriptor there = carried(ends.sender);
	struct ipcshim_descriptor back = carried(ends.receiver);
	struct ipcshim_descriptor got;
	struct ipcshim_descriptor answered;
	struct ipcshim_call args = call_args(NULL, 0, NULL, 0);
	struct ipcshim_send_sock_msg reply;
	struct waiter caller;

	args.message.nr_descriptors = 1;
	args.request_descriptors = (uintptr_t)&there;
	args.descriptors = (uintptr_t)&answered;
	args.room = 1;
	waiter_start(&caller, pair.client, IPCSHIM_CALL, &args);
	while (!readable(pair.service))
		;
	read_with(pair.service, &got, 1);
	ASSERT_EQ(IPCSHIM_END_SENDER, got.end);
	reply = answer_args(1, NULL, 0);
	reply.message.nr_descriptors = 1;
	reply.descriptors = (uintptr_t)&back;
	ASSERT_OK(ioctl(pair.service, IPCSHIM_SEND_SOCK_MSG, &reply));
	ASSERT_EQ(0, waiter_end(&caller));
	ASSERT_EQ(1, args.message.nr_descriptors);
	ASSERT_EQ(IPCSHIM_END_RECEIVER, answered.end);
	ASSERT_EQ(inode_of(ends.receiver), inode_of(answered.fd));
}

TEST(carried_in_a_message_with_a_payload_do_not_mix)
{
	int port = port_open();
	struct pair pair = pair_open(port, 0);
	struct ends ends = ends_open(port, IPCSHIM_PIPE_RAW, 0);
	struct ipcshim_descriptor descriptor = carried(ends.sender);
	struct ipcshim_descriptor got[2];
	char payload[100];
	struct ipcshim_send_sock_msg args = first_args(payload, sizeof(payload));
	struct ipcshim_read_sock_msg read_args = read_msg_args(payload, sizeof(payload));

	fill_pattern(payload, sizeof(payload), 2);
	args.message.nr_descriptors = 1;
	args.descriptors = (uintptr_t)&descriptor;
	ASSERT_OK(ioctl(pair.client, IPCSHIM_SEND_SOCK_MSG, &args));
	ASSERT_EQ(1, args.message.nr_descriptors);
	memset(payload, 0, sizeof(payload));
	memset(got, 0x5a, sizeof(got));
	read_args.descriptors = (uintptr_t)got;
	read_args.room = 2;
	ASSERT_OK(ioctl(pair.service, IPCSHIM_READ_SOCK_MSG, &read_args));
	check_pattern(payload, sizeof(payload), 2);
	ASSERT_EQ(1, read_args.message.nr_descriptors);
	ASSERT_EQ(IPCSHIM_KIND_PIPE, got[0].kind);
	for (unsigned int i = 0; i < sizeof(got[1]); i++)
		ASSERT_EQ(0x5a, ((unsigned char *)&got[1])[i]);
}
