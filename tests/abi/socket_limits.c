// SPDX-License-Identifier: MIT
/* Limits of names, connections and messages: over one is EDQUOT, and nothing changed. */
#include <errno.h>
#include <sched.h>
#include <unistd.h>

#include "harness.h"
#include "sockets.h"

#define NAME "abi.limits"

static char payload[LARGEST];

static void publishes(int fd, void *argument)
{
	struct ipcshim_publish args = publish_args("abi.third");
	struct ipcshim_open_serv_sock open_socket = open_socket_args();
	struct ipcshim_open_pipe open_pipe = open_args();
	struct ipcshim_withdraw withdraw = { 0 };
	struct state before;
	int port;

	(void)fd;
	(void)argument;
	become(OTHER_UID);
	port = port_open();
	publish(port, "abi.first", 0);
	withdraw.service = publish(port, "abi.second", 0);
	before = state_now(port);
	ASSERT_EQ(2, before.query.limit_objects);
	ASSERT_EQ(2, before.query.used_objects);
	ASSERT_ERRNO(EDQUOT, ioctl(port, IPCSHIM_PUBLISH, &args));
	ASSERT_ERRNO(EDQUOT, ioctl(port, IPCSHIM_OPEN_SERV_SOCK, &open_socket));
	ASSERT_ERRNO(EDQUOT, ioctl(port, IPCSHIM_OPEN_PIPE, &open_pipe));
	state_same(port, &before);
	ASSERT_EQ(0, has_service(port, "abi.third").exists);
	ASSERT_OK(ioctl(port, IPCSHIM_WITHDRAW, &withdraw));
	ASSERT_OK(ioctl(port, IPCSHIM_PUBLISH, &args));
}

TEST(names_above_the_limit_of_objects_are_EDQUOT)
{
	parameter_set("max_objects", 2);
	run_as_other(publishes, NULL);
	/* A child that ended gave them back. */
	run_as_other(publishes, NULL);
}

static void opens_sockets(int fd, void *argument)
{
	struct ipcshim_open_serv_sock args = open_socket_args();
	struct pair first;
	struct state before;
	int port;

	(void)fd;
	(void)argument;
	become(OTHER_UID);
	port = socket_port();
	first = pair_open(port, 0);
	before = state_now(port);
	ASSERT_EQ(1, before.query.used_objects);
	/* A connection and a token are two. */
	args.pid = (uint32_t)getpid();
	ASSERT_ERRNO(EDQUOT, ioctl(port, IPCSHIM_OPEN_SERV_SOCK, &args));
	state_same(port, &before);
	ASSERT_EQ(0, events_waiting(port));
	pair_open(port, 0);
	args.pid = 0;
	ASSERT_ERRNO(EDQUOT, ioctl(port, IPCSHIM_OPEN_SERV_SOCK, &args));
	close(first.client);
	ASSERT_ERRNO(EDQUOT, ioctl(port, IPCSHIM_OPEN_SERV_SOCK, &args));
	close(first.service);
	ASSERT_OK(ioctl(port, IPCSHIM_OPEN_SERV_SOCK, &args));
}

TEST(connections_above_the_limit_of_objects_are_EDQUOT)
{
	parameter_set("max_objects", 2);
	run_as_other(opens_sockets, NULL);
	run_as_other(opens_sockets, NULL);
}

static void connects(int fd, void *argument)
{
	struct ipcshim_connect_service args = connect_args(NAME);
	struct state before;
	int port;

	(void)argument;
	become(OTHER_UID);
	port = port_open();
	args.flags = IPCSHIM_CONNECT_UID;
	/* The connection, and the request while it is under way. */
	ASSERT_OK(ioctl(port, IPCSHIM_CONNECT_SERVICE, &args));
	/* Who accepts lets go of the request in its own time. */
	while (query(port).used_objects != 1)
		sched_yield();
	before = state_now(port);
	args = connect_args(NAME);
	args.flags = IPCSHIM_CONNECT_UID;
	ASSERT_ERRNO(EDQUOT, ioctl(port, IPCSHIM_CONNECT_SERVICE, &args));
	state_same(port, &before);
	put(fd, 0);
	get(fd);
}

TEST(connections_to_a_service_count_for_the_client_and_above_the_limit_are_EDQUOT)
{
	struct ipcshim_access access = { .access = IPCSHIM_ACCESS_ANYBODY };
	struct ipcshim_accept accept = { 0 };
	int port = socket_port();
	struct ipcshim_query before;
	struct child child;

	publish(port, NAME, 0);
	ASSERT_OK(ioctl(port, IPCSHIM_SET_ACCESS, &access));
	before = query(port);
	parameter_set("max_objects", 2);
	child = child_start(connects, NULL);
	accept.request = event_of(port, IPCSHIM_EVENT_SERVICE_CONN_REQUEST).token;
	ASSERT_OK(ioctl(port, IPCSHIM_ACCEPT, &accept));
	get(child.fd);
	/* The one refused was not asked, and the service pays nothing. */
	ASSERT_EQ(0, events_waiting(port));
	ASSERT_EQ(before.used_objects, query(port).used_objects);
	put(child.fd, 0);
	child_join(&child);
	close(accept.fd);
	ASSERT_EQ(before.connections, query(port).connections);
}

static void sends_bytes(int fd, void *argument)
{
	struct ipcshim_send_sock_msg args = first_args(payload, LARGEST);
	struct ipcshim_call call = call_args(payload, LARGEST, NULL, 0);
	struct ipcshim_open_pipe open_pipe = open_args();
	struct pair pair;
	struct state before;
	uint64_t exchange;
	int port;

	(void)fd;
	(void)argument;
	become(OTHER_UID);
	port = port_open();
	pair = pair_open(port, 0);
	ASSERT_EQ(0, query(port).used_bytes);
	exchange = open_exchange(pair.client, payload, LARGEST);
	open_exchange(pair.service, payload, LARGEST);
	before = state_now(port);
	ASSERT_EQ(2 * LARGEST, before.query.used_bytes);
	ASSERT_ERRNO(EDQUOT, ioctl(pair.client, IPCSHIM_SEND_SOCK_MSG, &args));
	ASSERT_ERRNO(EDQUOT, ioctl(pair.client, IPCSHIM_CALL, &call));
	ASSERT_EQ(0, call.flags);
	ASSERT_ERRNO(EDQUOT, ioctl(port, IPCSHIM_OPEN_PIPE, &open_pipe));
	args.message.length = 100;
	ASSERT_ERRNO(EDQUOT, ioctl(pair.service, IPCSHIM_SEND_SOCK_MSG, &args));
	state_same(port, &before);
	/* What is left is enough for this. */
	args.message.length = 99;
	ASSERT_OK(ioctl(pair.service, IPCSHIM_SEND_SOCK_MSG, &args));
	/* An answer that finds no bytes leaves the turn where it is. */
	take_request(pair.client);
	take_request(pair.client);
	ASSERT_EQ(exchange, take_request(pair.service));
	ASSERT_EQ(0, query(port).used_bytes);
	open_exchange(pair.client, payload, LARGEST);
	open_exchange(pair.client, payload, LARGEST);
	args = answer_args(exchange, payload, 100);
	ASSERT_ERRNO(EDQUOT, ioctl(pair.service, IPCSHIM_SEND_SOCK_MSG, &args));
	take_request(pair.service);
	answer(pair.service, exchange, payload, 100);
	/* What was never read is given back as well. */
	pair_close(&pair);
	ASSERT_EQ(0, query(port).used_bytes);
	ASSERT_EQ(0, query(port).used_objects);
}

TEST(messages_above_the_limit_of_bytes_are_EDQUOT)
{
	parameter_set("max_bytes", 2 * LARGEST + 99);
	run_as_other(sends_bytes, NULL);
	run_as_other(sends_bytes, NULL);
}

TEST(names_connections_and_messages_above_the_limits_pass_with_CAP_SYS_RESOURCE)
{
	int port = socket_port();
	struct pair pair;

	parameter_set("max_objects", 0);
	parameter_set("max_bytes", 0);
	publish(port, NAME, 0);
	pair = pair_connect(port, connect_args(NAME));
	expect_works(pair);
	expect_works(pair_open(port, 0));
}

struct paying {
	int port;
	int socket;
};

static void sends_for_the_maker(int fd, void *argument)
{
	const struct paying *paying = argument;
	int port;

	(void)fd;
	become(OTHER_UID);
	port = port_open();
	ASSERT_EQ(0, query(port).used_bytes);
	open_exchange(paying->socket, payload, LARGEST);
	ASSERT_EQ(0, query(port).used_bytes);
	ASSERT_EQ(0, query(port).used_objects);
}

TEST(messages_count_for_who_made_the_connection_whoever_sends_them)
{
	int port = port_open();
	struct pair pair = pair_open(port, 0);
	struct paying paying = { port, pair.client };
	struct ipcshim_query before = query(port);

	run_as_other(sends_for_the_maker, &paying);
	ASSERT_EQ(before.used_bytes + LARGEST, query(port).used_bytes);
	take_request(pair.service);
	ASSERT_EQ(before.used_bytes, query(port).used_bytes);
}
