// SPDX-License-Identifier: MIT
/* RECV_SOCK_MSG, and the signals that events of services and sockets raise. */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "harness.h"
#include "sockets.h"

#define NAME "abi.events"

static char payload[64];

static ino_t inode_of(int fd)
{
	struct stat state;

	ASSERT_OK(fstat(fd, &state));
	return state.st_ino;
}

static int port_for_messages(void)
{
	int port = socket_port();

	handle_messages(port);
	return port;
}

TEST(recv_sock_msg_tells_the_header_of_a_message_that_waits)
{
	struct peer peer = peer_for_sockets();
	int port = port_for_messages();
	struct remote remote = remote_open(port, &peer, SERVICE);
	struct ipcshim_send_sock_msg args = first_args(NULL, 0);
	struct ipcshim_event event;

	args.message.status = CLOSES;
	args.message.code = 0xCAFE;
	ASSERT_EQ(0, peer_ioctl(&peer, remote.peer_fd, IPCSHIM_SEND_SOCK_MSG, &args));
	event = event_of(port, IPCSHIM_EVENT_RECV_SOCK_MSG);
	ASSERT_EQ(0, event.command);
	ASSERT_EQ(0, event.token);
	ASSERT_EQ(1, event.sequence);
	ASSERT_EQ(peer.pid, event.pid);
	ASSERT_EQ(0, event.uid);
	ASSERT_EQ(1, event.recv_sock_msg.exchange);
	ASSERT_EQ(0xCAFE, event.recv_sock_msg.code);
	ASSERT_EQ(CLOSES | OPENS, event.recv_sock_msg.status);
	ASSERT_EQ(0, event.recv_sock_msg.error);
	ASSERT_EQ(0, event.recv_sock_msg.nr_descriptors);
	ASSERT_EQ(0, event.recv_sock_msg.length);
	ASSERT_EQ(remote.inode, event.recv_sock_msg.inode);
	ASSERT_EQ(0, events_waiting(port));
}

TEST(recv_sock_msg_tells_of_each_message_and_of_errors_lengths_and_descriptors)
{
	int port = port_for_messages();
	struct pair pair = pair_open(port, 0);
	struct ends ends = ends_open(port, IPCSHIM_PIPE_RAW, 0);
	struct ipcshim_descriptor descriptor = { .fd = ends.sender };
	struct ipcshim_send_sock_msg args = first_args(payload, 33);
	struct ipcshim_event event;

	args.message.nr_descriptors = 1;
	args.descriptors = (uintptr_t)&descriptor;
	ASSERT_OK(ioctl(pair.client, IPCSHIM_SEND_SOCK_MSG, &args));
	event = event_of(port, IPCSHIM_EVENT_RECV_SOCK_MSG);
	ASSERT_EQ(33, event.recv_sock_msg.length);
	ASSERT_EQ(1, event.recv_sock_msg.nr_descriptors);
	ASSERT_EQ(inode_of(pair.service), event.recv_sock_msg.inode);
	open_exchange(pair.service, payload, 2);
	event = event_of(port, IPCSHIM_EVENT_RECV_SOCK_MSG);
	ASSERT_EQ(2, event.recv_sock_msg.exchange);
	ASSERT_EQ(OPENS | NOTIFICATION, event.recv_sock_msg.status);
	ASSERT_EQ(inode_of(pair.client), event.recv_sock_msg.inode);
	take_request(pair.client);
	args = answer_args(2, payload, 5);
	args.message.error = 0xBAD;
	ASSERT_OK(ioctl(pair.client, IPCSHIM_SEND_SOCK_MSG, &args));
	event = event_of(port, IPCSHIM_EVENT_RECV_SOCK_MSG);
	ASSERT_EQ(0xBAD, event.recv_sock_msg.error);
	ASSERT_EQ(5, event.recv_sock_msg.length);
	ASSERT_EQ(METHOD, event.recv_sock_msg.code);
	ASSERT_EQ(inode_of(pair.service), event.recv_sock_msg.inode);
}

TEST(recv_sock_msg_is_not_raised_for_a_message_that_somebody_waited_for)
{
	int port = port_for_messages();
	struct pair pair = pair_open(port, 0);
	struct ipcshim_read_sock_msg read_args = read_msg_args(payload, sizeof(payload));
	struct ipcshim_call call = call_args(payload, 1, payload, sizeof(payload));
	struct waiter reader;
	struct waiter caller;

	read_args.flags = 0;
	waiter_start(&reader, pair.service, IPCSHIM_READ_SOCK_MSG, &read_args);
	wait_for_info(pair.service, "ipcshim-readers", 1);
	waiter_start(&caller, pair.client, IPCSHIM_CALL, &call);
	ASSERT_EQ(0, waiter_end(&reader));
	wait_for_caller(pair.client, 1, caller.tid);
	answer(pair.service, 1, payload, 1);
	ASSERT_EQ(0, waiter_end(&caller));
	ASSERT_EQ(0, events_waiting(port));
}

TEST(recv_sock_msg_is_not_raised_for_what_came_before_the_claim)
{
	int port = port_for_messages();
	struct ipcshim_open_serv_sock args = open_socket_args();
	struct ipcshim_claim taken;

	args.pid = (uint32_t)getpid();
	args.flags = IPCSHIM_OPEN_SKIP;
	ASSERT_OK(ioctl(port, IPCSHIM_OPEN_SERV_SOCK, &args));
	open_exchange(args.fd, payload, 1);
	taken = claim(port, args.token);
	ASSERT_EQ(0, events_waiting(port));
	ASSERT_TRUE(readable(taken.fd));
	open_exchange(args.fd, payload, 1);
	ASSERT_EQ(2, event_of(port, IPCSHIM_EVENT_RECV_SOCK_MSG).recv_sock_msg.exchange);
}

TEST(recv_sock_msg_that_nobody_handles_is_not_raised)
{
	int port = socket_port();
	struct pair pair = pair_open(port, 0);

	open_exchange(pair.client, payload, 1);
	ASSERT_EQ(0, events_waiting(port));
	/* From now on. */
	handle_messages(port);
	ASSERT_EQ(0, events_waiting(port));
	open_exchange(pair.client, payload, 1);
	ASSERT_EQ(2, event_of(port, IPCSHIM_EVENT_RECV_SOCK_MSG).recv_sock_msg.exchange);
}

TEST(send_to_a_receiver_whose_queue_of_events_is_full_is_EAGAIN_and_sends_nothing)
{
	static const struct peer_options options = { .codes = SOCKET_CODES | MESSAGE_CODE };
	struct peer peer = peer_start(&options);
	int port = port_open();
	struct remote remote = remote_open(port, &peer, CLIENT);
	struct ipcshim_send_sock_msg args = first_args(payload, 1);
	struct ipcshim_read_sock_msg got = read_msg_args(NULL, 0);
	struct state before;

	parameter_set("max_events", 1);
	ASSERT_EQ(1, open_exchange(remote.fd, NULL, 0));
	before = state_now(port);
	args.flags = NOWAIT;
	ASSERT_ERRNO(EAGAIN, ioctl(remote.fd, IPCSHIM_SEND_SOCK_MSG, &args));
	state_same(port, &before);
	ASSERT_EQ(IPCSHIM_EVENT_RECV_SOCK_MSG, peer_event(&peer).code);
	/* What was refused has used up no number. */
	ASSERT_EQ(2, open_exchange(remote.fd, NULL, 0));
	ASSERT_EQ(0, peer_ioctl(&peer, remote.peer_fd, IPCSHIM_READ_SOCK_MSG, &got));
	ASSERT_EQ(1, got.message.exchange);
}

/* A 32-bit receiver reads the event from its port instead. */
#if UINTPTR_MAX > 0xffffffff
static void by_signal(int port, uint64_t codes)
{
	struct ipcshim_handle args = {
		.codes = { codes },
		.notify = IPCSHIM_NOTIFY_SIGNAL,
		.signo = (uint32_t)SIGRTMIN,
	};
	struct ipcshim_ready ready = { 0 };
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN);
	ASSERT_OK(sigprocmask(SIG_BLOCK, &set, NULL));
	ASSERT_OK(ioctl(port, IPCSHIM_HANDLE_SIGNAL, &args));
	ASSERT_OK(ioctl(port, IPCSHIM_READY, &ready));
}

/* The signal carries what the event that waits in the port has. */
static struct ipcshim_event signal_of(int port, unsigned int code)
{
	const struct timespec patience = { 15, 0 };
	struct ipcshim_signal carried;
	struct ipcshim_event event;
	siginfo_t info;
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN);
	ASSERT_EQ(SIGRTMIN, sigtimedwait(&set, &info, &patience));
	ASSERT_EQ(IPCSHIM_SIGNAL_CODE, info.si_code);
	ASSERT_EQ(0, info.si_errno);
	memcpy(&carried, (char *)&info + IPCSHIM_SIGINFO_OFFSET, sizeof(carried));
	event = event_of(port, code);
	ASSERT_EQ(code, carried.code);
	ASSERT_EQ(event.command, carried.command);
	ASSERT_EQ(event.pid, carried.pid);
	ASSERT_EQ(event.token, carried.token);
	ASSERT_EQ(0, memcmp(carried.data, event.data, sizeof(carried.data)));
	return event;
}

TEST(signals_of_sockets_carry_what_a_handler_needs)
{
	struct peer peer = peer_for_sockets();
	int port = port_open();
	struct ipcshim_open_serv_sock args = open_socket_args();
	struct ipcshim_send_sock_msg send = first_args(NULL, 0);
	struct ipcshim_event event;
	struct ipcshim_claim taken;

	by_signal(port, SOCKET_CODES | MESSAGE_CODE);
	args.pid = (uint32_t)getpid();
	args.command = 0x77AA;
	ASSERT_EQ(0, peer_ioctl(&peer, -1, IPCSHIM_OPEN_SERV_SOCK, &args));
	event = signal_of(port, IPCSHIM_EVENT_RECV_SERV_SOCK);
	ASSERT_EQ(0x77AA, event.command);
	ASSERT_EQ(args.token, event.token);
	taken = claim(port, event.token);
	ASSERT_EQ(0, peer_ioctl(&peer, args.fd, IPCSHIM_SEND_SOCK_MSG, &send));
	event = signal_of(port, IPCSHIM_EVENT_RECV_SOCK_MSG);
	/* Within the first 16 bytes. */
	ASSERT_EQ(send.message.exchange, event.recv_sock_msg.exchange);
	peer_kill(&peer);
	event = signal_of(port, IPCSHIM_EVENT_SERV_SOCK_CLOSED);
	ASSERT_EQ(taken.connection, event.sock_closed.connection);
	ASSERT_EQ(taken.inode, event.sock_closed.inode);
}

TEST(signals_of_services_carry_what_a_handler_needs)
{
	struct peer peer = peer_for_sockets();
	int port = port_open();
	uint64_t service = publish(port, NAME, 0);

	by_signal(port, CONNECTION_CODES);
	for (int kills = 0; kills < 2; kills++) {
		struct ipcshim_connect_service args = connect_args(NAME);
		struct ipcshim_accept accept = { 0 };
		struct ipcshim_event event;

		args.command = 0x1234;
		peer_ioctl_start(&peer, -1, IPCSHIM_CONNECT_SERVICE, &args);
		event = signal_of(port, IPCSHIM_EVENT_SERVICE_CONN_REQUEST);
		ASSERT_EQ(0x1234, event.command);
		ASSERT_EQ(service, event.service_conn_request.service);
		accept.request = event.token;
		ASSERT_OK(ioctl(port, IPCSHIM_ACCEPT, &accept));
		ASSERT_EQ(0, peer_ioctl_end(&peer, IPCSHIM_CONNECT_SERVICE, &args));
		if (kills)
			peer_kill(&peer);
		else
			ASSERT_EQ(0, peer_close(&peer, args.fd));
		event = signal_of(port, kills ? IPCSHIM_EVENT_SERVICE_CLIENT_QUITTED :
						IPCSHIM_EVENT_SERVICE_CLIENT_CLOSED);
		ASSERT_EQ(accept.request, event.sock_closed.connection);
		ASSERT_EQ(accept.inode, event.sock_closed.inode);
	}
}

TEST(signal_of_a_service_that_quits_reaches_its_client)
{
	struct peer peer = peer_for_sockets();
	int port = port_open();
	struct ipcshim_publish publish_it = publish_args(NAME);
	struct ipcshim_connect_service args = connect_args(NAME);
	struct ipcshim_accept accept = { 0 };
	struct waiter client;

	by_signal(port, CONNECTION_CODES);
	ASSERT_EQ(0, peer_ioctl(&peer, -1, IPCSHIM_PUBLISH, &publish_it));
	waiter_start(&client, port, IPCSHIM_CONNECT_SERVICE, &args);
	accept.request = peer_event(&peer).token;
	ASSERT_EQ(0, peer_ioctl(&peer, -1, IPCSHIM_ACCEPT, &accept));
	ASSERT_EQ(0, waiter_end(&client));
	peer_kill(&peer);
	ASSERT_EQ(args.connection,
		  signal_of(port, IPCSHIM_EVENT_SERVICE_SERVER_QUITTED).sock_closed.connection);
}
#endif

TEST(connection_request_comes_to_the_port_that_published_although_it_does_not_handle_it)
{
	int handles = socket_port();
	int port = port_open();
	struct pair pair;

	publish(port, NAME, 0);
	pair = pair_connect(port, connect_args(NAME));
	ASSERT_EQ(0, events_waiting(handles));
	expect_works(pair);
	/* Of the end the one is told that handles it. */
	close(pair.client);
	ASSERT_EQ(IPCSHIM_EVENT_SERVICE_CLIENT_CLOSED, event_read(handles).code);
	ASSERT_EQ(0, events_waiting(port));
}

TEST(close_events_come_beyond_the_limit_of_events_and_are_never_lost)
{
	enum { PAIRS = 5 };
	int port = socket_port();
	struct pair pairs[PAIRS];

	for (int i = 0; i < PAIRS; i++)
		pairs[i] = pair_open(port, 0);
	parameter_set("max_events", 1);
	for (int i = 0; i < PAIRS; i++)
		close(pairs[i].client);
	ASSERT_EQ(PAIRS, events_waiting(port));
	for (int i = 0; i < PAIRS; i++)
		ASSERT_EQ(pairs[i].connection, event_read(port).sock_closed.connection);
}
