// SPDX-License-Identifier: MIT
/* How a side ends, and what the other one is told: each way, each role, each kind of connection. */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "harness.h"
#include "sockets.h"

#define NAME "abi.endings"

static char payload[16];

/* What the socket answers from now on. */
static void expect_ended(int socket, int expected, unsigned int how, int status)
{
	struct ipcshim_send_sock_msg first = first_args(payload, 1);
	struct ipcshim_read_sock_msg any = read_msg_args(payload, sizeof(payload));
	struct ipcshim_call call = call_args(payload, 1, payload, sizeof(payload));
	struct ipcshim_end_service_conn end = { 0 };
	struct ipcshim_close_serv_sock close_args = { 0 };

	ASSERT_EQ(0, socket_info(socket, "ipcshim-open"));
	ASSERT_ERRNO(expected, ioctl(socket, IPCSHIM_SEND_SOCK_MSG, &first));
	ASSERT_EQ(how, first.end.how);
	ASSERT_EQ(status, first.end.status);
	ASSERT_ERRNO(expected, ioctl(socket, IPCSHIM_READ_SOCK_MSG, &any));
	ASSERT_EQ(how, any.end.how);
	ASSERT_EQ(status, any.end.status);
	/* Neither waits. */
	any = read_msg_args(payload, sizeof(payload));
	any.flags = 0;
	ASSERT_ERRNO(expected, ioctl(socket, IPCSHIM_READ_SOCK_MSG, &any));
	ASSERT_ERRNO(expected, ioctl(socket, IPCSHIM_CALL, &call));
	ASSERT_EQ(0, call.flags);
	ASSERT_EQ(how, call.end.how);
	ASSERT_EQ(status, call.end.status);
	if (ioctl(socket, IPCSHIM_END_SERVICE_CONN, &end) < 0 && errno != EPERM &&
	    errno != EINVAL)
		ASSERT_EQ(expected, errno);
	if (ioctl(socket, IPCSHIM_CLOSE_SERV_SOCK, &close_args) < 0 && errno != EINVAL)
		ASSERT_EQ(expected, errno);
}

static void expect_event(int port, unsigned int code, struct remote remote, unsigned int role,
			 unsigned int how, int status, unsigned int unread, unsigned int open,
			 pid_t pid)
{
	struct ipcshim_event event = event_of(port, code);

	ASSERT_EQ(0, event.command);
	ASSERT_EQ(0, event.token);
	ASSERT_EQ(pid, event.pid);
	ASSERT_EQ(0, event.uid);
	ASSERT_EQ(remote.connection, event.sock_closed.connection);
	ASSERT_EQ(remote.inode, event.sock_closed.inode);
	ASSERT_EQ(how, event.sock_closed.how);
	ASSERT_EQ(role, event.sock_closed.role);
	ASSERT_EQ(status, event.sock_closed.status);
	ASSERT_EQ(unread, event.sock_closed.messages_unread);
	ASSERT_EQ(open, event.sock_closed.exchanges);
	ASSERT_EQ(0, events_waiting(port));
}

/* The peer connects to a name of ours. */
static struct remote remote_client(int port, struct peer *peer)
{
	struct ipcshim_connect_service args = connect_args(NAME);
	struct ipcshim_accept accept = { 0 };

	if (!has_service(port, NAME).exists)
		publish(port, NAME, 0);
	peer_ioctl_start(peer, -1, IPCSHIM_CONNECT_SERVICE, &args);
	accept.request = event_of(port, IPCSHIM_EVENT_SERVICE_CONN_REQUEST).token;
	ASSERT_OK(ioctl(port, IPCSHIM_ACCEPT, &accept));
	ASSERT_EQ(0, peer_ioctl_end(peer, IPCSHIM_CONNECT_SERVICE, &args));
	return (struct remote){ accept.fd, args.fd, args.connection, accept.inode, args.inode };
}

/* We connect to a name of the peer's. */
static struct remote remote_service(int port, struct peer *peer)
{
	struct ipcshim_publish publish_it = publish_args("abi.remote");
	struct ipcshim_connect_service args = connect_args("abi.remote");
	struct ipcshim_accept accept = { 0 };
	struct waiter client;

	ASSERT_EQ(0, peer_ioctl(peer, -1, IPCSHIM_PUBLISH, &publish_it));
	waiter_start(&client, port, IPCSHIM_CONNECT_SERVICE, &args);
	accept.request = peer_event(peer).token;
	ASSERT_EQ(0, peer_ioctl(peer, -1, IPCSHIM_ACCEPT, &accept));
	ASSERT_EQ(0, waiter_end(&client));
	return (struct remote){ args.fd, accept.fd, args.connection, args.inode, accept.inode };
}

/* Three messages of ours, of which the peer reads one; two exchanges of which stay open. */
static void leave_messages(struct peer *peer, struct remote remote)
{
	struct ipcshim_send_sock_msg single = first_args(payload, 1);
	struct ipcshim_read_sock_msg read_args = read_msg_args(NULL, 0);

	open_exchange(remote.fd, NULL, 0);
	open_exchange(remote.fd, payload, 1);
	single.message.status = CLOSES;
	ASSERT_OK(ioctl(remote.fd, IPCSHIM_SEND_SOCK_MSG, &single));
	ASSERT_EQ(0, peer_ioctl(peer, remote.peer_fd, IPCSHIM_READ_SOCK_MSG, &read_args));
}

TEST(a_client_that_dies_is_told_to_its_service)
{
	for (enum ending ending = 0; ending < ENDINGS; ending++) {
		struct peer peer = peer_for_sockets();
		int port = socket_port();
		struct remote remote = remote_client(port, &peer);

		leave_messages(&peer, remote);
		peer_end(&peer, ending);
		expect_event(port, IPCSHIM_EVENT_SERVICE_CLIENT_QUITTED, remote, SERVICE,
			     how_of(ending), status_of(ending), 2, 2, peer.pid);
		expect_ended(remote.fd, ECONNRESET, how_of(ending), status_of(ending));
		close(remote.fd);
		close(port);
	}
}

TEST(a_client_that_closes_its_last_descriptor_is_told_as_closed)
{
	struct peer peer = peer_for_sockets();
	int port = socket_port();
	struct remote remote = remote_client(port, &peer);

	leave_messages(&peer, remote);
	ASSERT_EQ(0, peer_close(&peer, remote.peer_fd));
	expect_event(port, IPCSHIM_EVENT_SERVICE_CLIENT_CLOSED, remote, SERVICE,
		     IPCSHIM_HOW_CLOSED, 0, 2, 2, peer.pid);
	expect_ended(remote.fd, EPIPE, IPCSHIM_HOW_CLOSED, 0);
}

TEST(a_client_that_ends_the_connection_is_told_as_closed)
{
	struct peer peer = peer_for_sockets();
	int port = socket_port();
	struct remote remote = remote_client(port, &peer);
	struct ipcshim_end_service_conn end = { 0 };

	ASSERT_EQ(0, peer_ioctl(&peer, remote.peer_fd, IPCSHIM_END_SERVICE_CONN, &end));
	expect_event(port, IPCSHIM_EVENT_SERVICE_CLIENT_CLOSED, remote, SERVICE,
		     IPCSHIM_HOW_CLOSED, 0, 0, 0, peer.pid);
	expect_ended(remote.fd, EPIPE, IPCSHIM_HOW_CLOSED, 0);
	ASSERT_EQ(EPIPE, peer_ioctl(&peer, remote.peer_fd, IPCSHIM_END_SERVICE_CONN, &end));
	/* Its own end is no event for a client, nor is the service's close by then. */
	close(remote.fd);
	ASSERT_EQ(0, peer_events_waiting(&peer));
	peer_kill(&peer);
	ASSERT_EQ(0, events_waiting(port));
	ASSERT_EQ(0, query(port).connections);
}

TEST(a_service_that_dies_is_told_to_its_client)
{
	for (enum ending ending = 0; ending < ENDINGS; ending++) {
		struct peer peer = peer_for_sockets();
		int port = socket_port();
		struct remote remote = remote_service(port, &peer);

		leave_messages(&peer, remote);
		peer_end(&peer, ending);
		expect_event(port, IPCSHIM_EVENT_SERVICE_SERVER_QUITTED, remote, CLIENT,
			     how_of(ending), status_of(ending), 2, 2, peer.pid);
		expect_ended(remote.fd, ECONNRESET, how_of(ending), status_of(ending));
		close(remote.fd);
		close(port);
	}
}

TEST(a_service_that_closes_its_last_descriptor_has_quitted)
{
	struct peer peer = peer_for_sockets();
	int port = socket_port();
	struct remote remote = remote_service(port, &peer);

	ASSERT_EQ(0, peer_close(&peer, remote.peer_fd));
	expect_event(port, IPCSHIM_EVENT_SERVICE_SERVER_QUITTED, remote, CLIENT,
		     IPCSHIM_HOW_CLOSED, 0, 0, 0, peer.pid);
	expect_ended(remote.fd, ECONNRESET, IPCSHIM_HOW_CLOSED, 0);
}

TEST(a_service_that_closes_its_port_keeps_its_connections)
{
	struct peer peer = peer_for_sockets();
	int port = socket_port();
	struct remote remote = remote_service(port, &peer);
	struct ipcshim_read_sock_msg args = read_msg_args(NULL, 0);

	peer_close_port(&peer);
	ASSERT_EQ(0, has_service(port, "abi.remote").exists);
	ASSERT_EQ(0, events_waiting(port));
	open_exchange(remote.fd, NULL, 0);
	ASSERT_EQ(0, peer_ioctl(&peer, remote.peer_fd, IPCSHIM_READ_SOCK_MSG, &args));
}

TEST(a_side_without_a_name_that_dies_is_told_to_the_other)
{
	for (unsigned int role = CLIENT; role <= SERVICE; role++) {
		for (enum ending ending = 0; ending < ENDINGS; ending++) {
			struct peer peer = peer_for_sockets();
			int port = socket_port();
			struct remote remote = remote_open(port, &peer, role);

			leave_messages(&peer, remote);
			peer_end(&peer, ending);
			expect_event(port, IPCSHIM_EVENT_SERV_SOCK_CLOSED, remote, role,
				     how_of(ending), status_of(ending), 2, 2, peer.pid);
			expect_ended(remote.fd, ECONNRESET, how_of(ending), status_of(ending));
			close(remote.fd);
			close(port);
		}
	}
}

TEST(a_side_without_a_name_that_closes_is_told_as_closed)
{
	for (unsigned int role = CLIENT; role <= SERVICE; role++) {
		struct peer peer = peer_for_sockets();
		int port = socket_port();
		struct remote remote = remote_open(port, &peer, role);

		leave_messages(&peer, remote);
		ASSERT_EQ(0, peer_close(&peer, remote.peer_fd));
		expect_event(port, IPCSHIM_EVENT_SERV_SOCK_CLOSED, remote, role,
			     IPCSHIM_HOW_CLOSED, 0, 2, 2, peer.pid);
		expect_ended(remote.fd, EPIPE, IPCSHIM_HOW_CLOSED, 0);
		close(port);
	}
}

TEST(close_serv_sock_ends_both_sides_and_tells_those_of_others)
{
	for (unsigned int role = CLIENT; role <= SERVICE; role++) {
		struct peer peer = peer_for_sockets();
		int port = socket_port();
		struct remote remote = remote_open(port, &peer, role);
		struct ipcshim_close_serv_sock args = { 0 };
		struct ipcshim_event event;

		ASSERT_OK(ioctl(remote.fd, IPCSHIM_CLOSE_SERV_SOCK, &args));
		expect_ended(remote.fd, EPIPE, IPCSHIM_HOW_CLOSED, 0);
		ASSERT_ERRNO(EPIPE, ioctl(remote.fd, IPCSHIM_CLOSE_SERV_SOCK, &args));
		ASSERT_EQ(EPIPE, peer_ioctl(&peer, remote.peer_fd, IPCSHIM_CLOSE_SERV_SOCK, &args));
		ASSERT_EQ(0, events_waiting(port));
		ASSERT_EQ(1, peer_events_waiting(&peer));
		event = peer_event(&peer);
		ASSERT_EQ(IPCSHIM_EVENT_SERV_SOCK_CLOSED, event.code);
		ASSERT_EQ(remote.peer_inode, event.sock_closed.inode);
		ASSERT_EQ(IPCSHIM_HOW_CLOSED, event.sock_closed.how);
		ASSERT_EQ(CLIENT + SERVICE - role, event.sock_closed.role);
		ASSERT_EQ(getpid(), event.pid);
		peer_kill(&peer);
		/* It was told before. */
		ASSERT_EQ(0, events_waiting(port));
		close(port);
	}
}

TEST(what_was_sent_before_the_end_can_still_be_read_by_both)
{
	int port = socket_port();
	struct ipcshim_end_service_conn end = { 0 };
	struct ipcshim_close_serv_sock close_args = { 0 };
	struct pair pairs[2];

	publish(port, NAME, 0);
	pairs[0] = pair_connect(port, connect_args(NAME));
	pairs[1] = pair_open(port, 0);
	for (int i = 0; i < 2; i++) {
		struct pair pair = pairs[i];

		open_exchange(pair.client, "to service", 10);
		open_exchange(pair.service, "to client", 9);
		if (i == 0)
			ASSERT_OK(ioctl(pair.client, IPCSHIM_END_SERVICE_CONN, &end));
		else
			ASSERT_OK(ioctl(pair.service, IPCSHIM_CLOSE_SERV_SOCK, &close_args));
		ASSERT_EQ(10, read_message(pair.service, payload, 16).message.length);
		ASSERT_EQ(0, memcmp(payload, "to service", 10));
		ASSERT_EQ(9, read_message(pair.client, payload, 16).message.length);
		ASSERT_EQ(0, memcmp(payload, "to client", 9));
		expect_ended(pair.service, EPIPE, IPCSHIM_HOW_CLOSED, 0);
		expect_ended(pair.client, EPIPE, IPCSHIM_HOW_CLOSED, 0);
	}
}

TEST(what_a_dead_process_has_sent_can_still_be_read)
{
	struct peer peer = peer_for_sockets();
	int port = socket_port();
	struct remote remote = remote_open(port, &peer, CLIENT);
	struct ipcshim_send_sock_msg send = first_args("x", 1);
	struct ipcshim_read_sock_msg args = read_msg_args(payload, 0);

	/* (The text is at the same address in there.) */
	ASSERT_EQ(0, peer_ioctl(&peer, remote.peer_fd, IPCSHIM_SEND_SOCK_MSG, &send));
	peer_kill(&peer);
	ASSERT_ERRNO(EMSGSIZE, ioctl(remote.fd, IPCSHIM_READ_SOCK_MSG, &args));
	args = read_message(remote.fd, payload, 1);
	ASSERT_EQ('x', payload[0]);
	ASSERT_EQ(peer.pid, send.message.pid);
	expect_ended(remote.fd, ECONNRESET, IPCSHIM_HOW_KILLED, SIGKILL);
}

TEST(nobody_is_told_who_does_not_handle_the_code_and_the_socket_knows_all_the_same)
{
	struct peer peer = peer_for_sockets();
	int port = port_open();
	struct remote remote = remote_open(port, &peer, CLIENT);

	peer_kill(&peer);
	ASSERT_EQ(0, events_waiting(port));
	expect_ended(remote.fd, ECONNRESET, IPCSHIM_HOW_KILLED, SIGKILL);
}

TEST(each_side_of_one_process_is_told_of_the_other)
{
	int port = socket_port();
	struct pair pair = pair_open(port, 0);
	struct ipcshim_event event;

	close(pair.service);
	event = event_of(port, IPCSHIM_EVENT_SERV_SOCK_CLOSED);
	ASSERT_EQ(CLIENT, event.sock_closed.role);
	ASSERT_EQ(pair.connection, event.sock_closed.connection);
	close(pair.client);
	ASSERT_EQ(0, events_waiting(port));
	ASSERT_EQ(0, query(port).connections);
}
