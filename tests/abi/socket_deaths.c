// SPDX-License-Identifier: MIT
/* Deaths while somebody waits, and sockets that are passed on to a third process. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness.h"
#include "sockets.h"

static char payload[16];

TEST(call_while_the_other_process_dies_after_it_read_the_request_is_ECONNRESET)
{
	for (enum ending ending = 0; ending < ENDINGS; ending++) {
		struct peer peer = peer_for_sockets();
		int port = socket_port();
		struct remote remote = remote_open(port, &peer, CLIENT);
		struct ipcshim_call args = call_args(payload, 0, payload, sizeof(payload));
		struct ipcshim_read_sock_msg request = read_msg_args(NULL, 0);
		struct waiter caller;

		request.flags = 0;
		waiter_start(&caller, remote.fd, IPCSHIM_CALL, &args);
		ASSERT_EQ(0, peer_ioctl(&peer, remote.peer_fd, IPCSHIM_READ_SOCK_MSG, &request));
		wait_for_caller(remote.fd, request.message.exchange, caller.tid);
		peer_end(&peer, ending);
		ASSERT_EQ(ECONNRESET, waiter_end(&caller));
		ASSERT_EQ(SENT, args.flags);
		ASSERT_EQ(1, args.message.exchange);
		ASSERT_EQ(how_of(ending), args.end.how);
		ASSERT_EQ(status_of(ending), args.end.status);
		/* To go on waiting is the same. */
		ASSERT_ERRNO(ECONNRESET, ioctl(remote.fd, IPCSHIM_CALL, &args));
		ASSERT_EQ(1, event_of(port, IPCSHIM_EVENT_SERV_SOCK_CLOSED).sock_closed.exchanges);
		ASSERT_EQ(0, query(port).exchanges);
		close(remote.fd);
		close(port);
	}
}

TEST(call_while_the_connection_ends_in_order_is_ECONNRESET_as_well)
{
	int port = socket_port();
	struct ipcshim_end_service_conn end = { 0 };
	struct ipcshim_close_serv_sock close_args = { 0 };

	publish(port, "abi.deaths", 0);
	for (int way = 0; way < 3; way++) {
		struct pair pair = way ? pair_open(port, 0) :
					 pair_connect(port, connect_args("abi.deaths"));
		struct ipcshim_call args = call_args(payload, 1, payload, sizeof(payload));
		struct waiter caller;

		waiter_start(&caller, pair.client, IPCSHIM_CALL, &args);
		wait_for_caller(pair.client, 1, caller.tid);
		if (way == 0)
			ASSERT_OK(ioctl(pair.client, IPCSHIM_END_SERVICE_CONN, &end));
		else if (way == 1)
			ASSERT_OK(ioctl(pair.service, IPCSHIM_CLOSE_SERV_SOCK, &close_args));
		else
			close(pair.service);
		ASSERT_EQ(ECONNRESET, waiter_end(&caller));
		ASSERT_EQ(SENT, args.flags);
		ASSERT_EQ(IPCSHIM_HOW_CLOSED, args.end.how);
		ASSERT_EQ(0, args.end.status);
	}
}

TEST(call_answered_before_the_other_process_dies_has_its_answer)
{
	struct peer peer = peer_for_sockets();
	struct remote remote = remote_open(socket_port(), &peer, CLIENT);
	struct ipcshim_call args = call_args(payload, 0, payload, sizeof(payload));
	struct ipcshim_read_sock_msg request = read_msg_args(NULL, 0);
	struct ipcshim_send_sock_msg reply;

	args.deadline = in_nanoseconds(1000000);
	ASSERT_ERRNO(ETIMEDOUT, ioctl(remote.fd, IPCSHIM_CALL, &args));
	ASSERT_EQ(0, peer_ioctl(&peer, remote.peer_fd, IPCSHIM_READ_SOCK_MSG, &request));
	reply = answer_args(request.message.exchange, "answer", 6);
	ASSERT_EQ(0, peer_ioctl(&peer, remote.peer_fd, IPCSHIM_SEND_SOCK_MSG, &reply));
	peer_kill(&peer);
	args.deadline = 0;
	ASSERT_OK(ioctl(remote.fd, IPCSHIM_CALL, &args));
	ASSERT_EQ(0, memcmp(payload, "answer", 6));
	ASSERT_EQ(0, args.flags);
	args = call_args(NULL, 0, NULL, 0);
	ASSERT_ERRNO(ECONNRESET, ioctl(remote.fd, IPCSHIM_CALL, &args));
}

TEST(read_while_the_other_process_dies_is_ECONNRESET_and_while_it_closes_EPIPE)
{
	for (int way = 0; way < 3; way++) {
		struct peer peer = peer_for_sockets();
		int port = port_open();
		struct remote remote = remote_open(port, &peer, CLIENT);
		struct ipcshim_read_sock_msg any = read_msg_args(payload, sizeof(payload));
		struct ipcshim_read_sock_msg one = any;
		struct waiter readers[2];
		unsigned int how = way == 2 ? IPCSHIM_HOW_KILLED : IPCSHIM_HOW_CLOSED;
		int expected = way == 2 ? ECONNRESET : EPIPE;
		struct ipcshim_close_serv_sock end = { 0 };

		one.message.exchange = open_exchange(remote.fd, NULL, 0);
		any.flags = one.flags = 0;
		waiter_start(&readers[0], remote.fd, IPCSHIM_READ_SOCK_MSG, &any);
		waiter_start(&readers[1], remote.fd, IPCSHIM_READ_SOCK_MSG, &one);
		wait_for_info(remote.fd, "ipcshim-readers", 1);
		wait_for_caller(remote.fd, 1, readers[1].tid);
		if (way == 0)
			ASSERT_EQ(0, peer_close(&peer, remote.peer_fd));
		else if (way == 1)
			ASSERT_EQ(0, peer_ioctl(&peer, remote.peer_fd, IPCSHIM_CLOSE_SERV_SOCK,
						&end));
		else
			peer_kill(&peer);
		for (int i = 0; i < 2; i++)
			ASSERT_EQ(expected, waiter_end(&readers[i]));
		ASSERT_EQ(how, any.end.how);
		ASSERT_EQ(how, one.end.how);
		ASSERT_EQ(way == 2 ? SIGKILL : 0, any.end.status);
		if (way < 2)
			peer_kill(&peer);
		close(remote.fd);
		close(port);
	}
}

TEST(a_client_killed_while_it_waits_for_its_answer_is_told_and_the_answer_is_ECONNRESET)
{
	struct peer peer = peer_for_sockets();
	int port = socket_port();
	struct remote remote = remote_open(port, &peer, SERVICE);
	struct ipcshim_call args = call_args(NULL, 0, NULL, 0);
	struct ipcshim_send_sock_msg reply;
	struct ipcshim_event event;

	peer_ioctl_start(&peer, remote.peer_fd, IPCSHIM_CALL, &args);
	wait_for_caller(remote.fd, 1, peer.pid);
	ASSERT_EQ(1, take_request(remote.fd));
	peer_kill(&peer);
	event = event_of(port, IPCSHIM_EVENT_SERV_SOCK_CLOSED);
	ASSERT_EQ(IPCSHIM_HOW_KILLED, event.sock_closed.how);
	ASSERT_EQ(SIGKILL, event.sock_closed.status);
	ASSERT_EQ(1, event.sock_closed.exchanges);
	reply = answer_args(1, payload, 1);
	ASSERT_ERRNO(ECONNRESET, ioctl(remote.fd, IPCSHIM_SEND_SOCK_MSG, &reply));
	ASSERT_EQ(IPCSHIM_HOW_KILLED, reply.end.how);
	ASSERT_EQ(SIGKILL, reply.end.status);
	ASSERT_EQ(0, query(port).exchanges);
}

TEST(a_client_killed_before_its_request_is_read_leaves_it_to_be_read)
{
	struct peer peer = peer_for_sockets();
	int port = socket_port();
	struct remote remote = remote_open(port, &peer, SERVICE);
	struct ipcshim_call args = call_args(NULL, 0, NULL, 0);

	peer_ioctl_start(&peer, remote.peer_fd, IPCSHIM_CALL, &args);
	wait_for_caller(remote.fd, 1, peer.pid);
	peer_kill(&peer);
	ASSERT_EQ(1, take_request(remote.fd));
	ASSERT_TRUE(!readable(remote.fd));
}

static void send_fd(int to, int fd)
{
	char space[CMSG_SPACE(sizeof(int))] = { 0 };
	char byte = 0;
	struct iovec vector = { &byte, 1 };
	struct msghdr message = { .msg_iov = &vector, .msg_iovlen = 1, .msg_control = space,
				  .msg_controllen = sizeof(space) };
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);

	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(header), &fd, sizeof(fd));
	ASSERT_EQ(1, sendmsg(to, &message, 0));
}

static int receive_fd(int from)
{
	char space[CMSG_SPACE(sizeof(int))];
	char byte;
	struct iovec vector = { &byte, 1 };
	struct msghdr message = { .msg_iov = &vector, .msg_iovlen = 1, .msg_control = space,
				  .msg_controllen = sizeof(space) };
	int fd;

	ASSERT_EQ(1, recvmsg(from, &message, MSG_CMSG_CLOEXEC));
	ASSERT_TRUE(CMSG_FIRSTHDR(&message));
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(fd));
	return fd;
}

/* A third process: takes a socket, answers one request by it, and waits. */
static void answers_by_what_it_gets(int fd, void *argument)
{
	struct ipcshim_read_sock_msg request = read_msg_args(NULL, 0);
	int socket = argument ? *(int *)argument : receive_fd(fd);

	request.flags = 0;
	ASSERT_OK(ioctl(socket, IPCSHIM_READ_SOCK_MSG, &request));
	answer(socket, request.message.exchange, NULL, 0);
	put(fd, request.message.exchange);
	get(fd);
	exit(5);
}

static void works_in_a_third_process(int port, struct pair pair, struct child *child)
{
	uint64_t exchange;
	struct ipcshim_read_sock_msg reply;

	close(pair.service);
	/* That was not the last descriptor. */
	ASSERT_EQ(0, events_waiting(port));
	exchange = open_exchange(pair.client, NULL, 0);
	ASSERT_EQ(exchange, get(child->fd));
	reply = read_message(pair.client, NULL, 0);
	ASSERT_EQ(exchange, reply.message.exchange);
	/* Who sent it, and not whose socket it was first. */
	ASSERT_EQ(child->pid, reply.message.pid);
	conclude(pair.client, exchange);
}

static void ends_with_a_third_process(int port, struct child *child, bool kills)
{
	struct ipcshim_event event;
	int status;

	if (kills)
		ASSERT_OK(kill(child->pid, SIGKILL));
	else
		put(child->fd, 0);
	ASSERT_EQ(child->pid, waitpid(child->pid, &status, 0));
	event = event_of(port, IPCSHIM_EVENT_SERV_SOCK_CLOSED);
	ASSERT_EQ(kills ? IPCSHIM_HOW_KILLED : IPCSHIM_HOW_EXITED, event.sock_closed.how);
	ASSERT_EQ(kills ? SIGKILL : 5, event.sock_closed.status);
	ASSERT_EQ(CLIENT, event.sock_closed.role);
	ASSERT_EQ(child->pid, event.pid);
	ASSERT_EQ(0, events_waiting(port));
	close(child->fd);
}

TEST(a_socket_sent_by_SCM_RIGHTS_works_there_and_ends_with_its_last_holder)
{
	for (int kills = 0; kills < 2; kills++) {
		struct child child = child_start(answers_by_what_it_gets, NULL);
		int port = socket_port();
		struct pair pair = pair_open(port, 0);

		send_fd(child.fd, pair.service);
		works_in_a_third_process(port, pair, &child);
		ends_with_a_third_process(port, &child, kills);
		close(port);
	}
}

TEST(a_socket_inherited_by_fork_works_there_and_ends_with_its_last_holder)
{
	for (int kills = 0; kills < 2; kills++) {
		int port = socket_port();
		struct pair pair = pair_open(port, 0);
		struct child child;

		/* The child must not hold our own side as well. */
		child = child_start(answers_by_what_it_gets, &pair.service);
		works_in_a_third_process(port, pair, &child);
		ends_with_a_third_process(port, &child, kills);
		close(port);
	}
}

TEST(a_side_in_flight_by_SCM_RIGHTS_is_open_until_nobody_can_take_it)
{
	int port = socket_port();
	struct pair pair = pair_open(port, 0);
	int sockets[2];

	ASSERT_OK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets));
	send_fd(sockets[0], pair.service);
	close(pair.service);
	ASSERT_EQ(0, events_waiting(port));
	open_exchange(pair.client, NULL, 0);
	pair.service = receive_fd(sockets[1]);
	take_request(pair.service);
	send_fd(sockets[0], pair.service);
	close(pair.service);
	close(sockets[0]);
	ASSERT_EQ(0, events_waiting(port));
	close(sockets[1]);
	/* (AF_UNIX lets go of it in its own time.) */
	ASSERT_EQ(IPCSHIM_HOW_CLOSED, event_of(port, IPCSHIM_EVENT_SERV_SOCK_CLOSED).sock_closed.how);
}

TEST(a_side_whose_holder_has_forked_ends_with_the_last_of_both)
{
	struct peer peer = peer_for_sockets();
	int port = socket_port();
	struct remote remote = remote_open(port, &peer, CLIENT);

	peer_fork(&peer);
	ASSERT_EQ(0, peer_close(&peer, remote.peer_fd));
	/* Its child has it still. */
	ASSERT_EQ(1, socket_info(remote.fd, "ipcshim-open"));
	ASSERT_EQ(0, events_waiting(port));
	/* The child dies with it. */
	peer_kill(&peer);
	ASSERT_EQ(IPCSHIM_HOW_KILLED, event_of(port, IPCSHIM_EVENT_SERV_SOCK_CLOSED).sock_closed.how);
}
