// SPDX-License-Identifier: MIT
/* CONNECT_SERVICE: deadlines, refusals, deaths and signals while it waits, and its flags. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include "harness.h"
#include "sockets.h"

#define NAME "abi.connect"

static int answer_request(int port, uint64_t request)
{
	struct ipcshim_accept args = { .request = request };

	return ioctl(port, IPCSHIM_ACCEPT, &args);
}

TEST(connect_rejected_is_ECONNREFUSED_with_the_services_reason)
{
	static const uint16_t reasons[] = { 0, 1, 0x1234, 0xffff };
	int port = socket_port();
	struct state before;

	publish(port, NAME, 0);
	before = state_now(port);
	for (unsigned int i = 0; i < 4; i++) {
		struct ipcshim_connect_service args = connect_args(NAME);
		struct ipcshim_reject reject = { .reason = reasons[i] };
		struct waiter client;

		args.reason = 7;
		waiter_start(&client, port, IPCSHIM_CONNECT_SERVICE, &args);
		reject.request = event_of(port, IPCSHIM_EVENT_SERVICE_CONN_REQUEST).token;
		ASSERT_OK(ioctl(port, IPCSHIM_REJECT, &reject));
		ASSERT_EQ(ECONNREFUSED, waiter_end(&client));
		ASSERT_EQ(reasons[i], args.reason);
		state_same(port, &before);
		ASSERT_ERRNO(ENOENT, ioctl(port, IPCSHIM_REJECT, &reject));
		ASSERT_ERRNO(ENOENT, answer_request(port, reject.request));
	}
}

TEST(connect_to_a_service_that_never_answers_is_ETIMEDOUT_at_the_deadline)
{
	int port = socket_port();
	struct ipcshim_connect_service args = connect_args(NAME);
	struct state before;

	publish(port, NAME, 0);
	before = state_now(port);
	/* A time that has passed before it asks leaves no request. */
	for (uint64_t time = 20000000; !events_waiting(port); time *= 2) {
		ASSERT_TRUE(time < 10000000000U);
		args.deadline = in_nanoseconds(time);
		ASSERT_ERRNO(ETIMEDOUT, ioctl(port, IPCSHIM_CONNECT_SERVICE, &args));
		ASSERT_TRUE(in_nanoseconds(0) >= args.deadline);
	}
	/* Its request is taken back, the event stays; an answer is too late. */
	ASSERT_ERRNO(ENOENT,
		     answer_request(port,
				    event_of(port, IPCSHIM_EVENT_SERVICE_CONN_REQUEST).token));
	state_same(port, &before);
}

TEST(connect_without_a_deadline_gets_one_of_2_seconds)
{
	int port = socket_port();
	struct ipcshim_connect_service args = connect_args(NAME);
	uint64_t earliest = in_nanoseconds(IPCSHIM_CONNECT_DEADLINE);
	struct ipcshim_event event;
	struct waiter client;

	publish(port, NAME, 0);
	args.deadline = 0;
	waiter_start(&client, port, IPCSHIM_CONNECT_SERVICE, &args);
	event = event_of(port, IPCSHIM_EVENT_SERVICE_CONN_REQUEST);
	ASSERT_TRUE(event.service_conn_request.deadline >= earliest);
	ASSERT_TRUE(event.service_conn_request.deadline <=
		    in_nanoseconds(IPCSHIM_CONNECT_DEADLINE));
	ASSERT_OK(answer_request(port, event.token));
	ASSERT_EQ(0, waiter_end(&client));
	ASSERT_EQ(event.service_conn_request.deadline, args.deadline);
}

TEST(connect_to_a_name_that_was_withdrawn_meanwhile_is_answered)
{
	int port = socket_port();
	struct ipcshim_connect_service args = connect_args(NAME);
	struct ipcshim_withdraw withdraw = { .service = publish(port, NAME, 0) };
	struct ipcshim_event event;
	struct waiter client;

	waiter_start(&client, port, IPCSHIM_CONNECT_SERVICE, &args);
	event = event_of(port, IPCSHIM_EVENT_SERVICE_CONN_REQUEST);
	ASSERT_OK(ioctl(port, IPCSHIM_WITHDRAW, &withdraw));
	ASSERT_OK(answer_request(port, event.token));
	ASSERT_EQ(0, waiter_end(&client));
}

TEST(connect_to_a_port_that_closes_is_ECONNRESET)
{
	int port = socket_port();
	int second = port_open();
	struct ipcshim_connect_service args = connect_args(NAME);
	struct state before = state_now(port);
	struct ipcshim_event event;
	struct waiter client;

	publish(second, NAME, 0);
	waiter_start(&client, port, IPCSHIM_CONNECT_SERVICE, &args);
	event = event_of(second, IPCSHIM_EVENT_SERVICE_CONN_REQUEST);
	close(second);
	ASSERT_EQ(ECONNRESET, waiter_end(&client));
	ASSERT_ERRNO(ENOENT, answer_request(port, event.token));
	second = port_open();
	state_same(port, &before);
}

TEST(connect_to_a_service_that_ends_before_it_answers_is_ECONNRESET)
{
	for (enum ending ending = 0; ending < ENDINGS; ending++) {
		struct peer peer = peer_for_sockets();
		int port = socket_port();
		struct ipcshim_publish publish_it = publish_args(NAME);
		struct ipcshim_connect_service args = connect_args(NAME);
		struct waiter client;

		ASSERT_EQ(0, peer_ioctl(&peer, -1, IPCSHIM_PUBLISH, &publish_it));
		waiter_start(&client, port, IPCSHIM_CONNECT_SERVICE, &args);
		ASSERT_EQ(IPCSHIM_EVENT_SERVICE_CONN_REQUEST, peer_event(&peer).code);
		peer_end(&peer, ending);
		ASSERT_EQ(ECONNRESET, waiter_end(&client));
		ASSERT_EQ(0, query(port).connections);
		ASSERT_EQ(0, query(port).tokens);
		close(port);
	}
}

TEST(connect_by_a_client_that_is_killed_while_it_waits_is_taken_back)
{
	struct peer peer = peer_for_sockets();
	int port = socket_port();
	struct ipcshim_connect_service args = connect_args(NAME);
	struct ipcshim_event event;
	struct ipcshim_query before;

	publish(port, NAME, 0);
	before = query(port);
	peer_ioctl_start(&peer, -1, IPCSHIM_CONNECT_SERVICE, &args);
	event = event_of(port, IPCSHIM_EVENT_SERVICE_CONN_REQUEST);
	ASSERT_EQ(peer.pid, event.pid);
	peer_kill(&peer);
	ASSERT_ERRNO(ENOENT, answer_request(port, event.token));
	ASSERT_EQ(0, query(port).connections);
	ASSERT_EQ(before.tokens, query(port).tokens);
	ASSERT_EQ(before.used_objects, query(port).used_objects);
	ASSERT_EQ(0, events_waiting(port));
}

TEST(connect_interrupted_by_a_signal_is_EINTR_and_taken_back)
{
	int port = socket_port();
	struct ipcshim_connect_service args = connect_args(NAME);
	struct state before;
	struct ipcshim_event event;
	struct waiter client;

	publish(port, NAME, 0);
	before = state_now(port);
	waiter_start(&client, port, IPCSHIM_CONNECT_SERVICE, &args);
	event = event_of(port, IPCSHIM_EVENT_SERVICE_CONN_REQUEST);
	waiter_interrupt(&client, false);
	ASSERT_EQ(EINTR, waiter_end(&client));
	ASSERT_ERRNO(ENOENT, answer_request(port, event.token));
	state_same(port, &before);
}

TEST(connect_interrupted_by_a_signal_with_SA_RESTART_asks_once_more_with_its_deadline)
{
	int port = socket_port();
	struct ipcshim_connect_service args = connect_args(NAME);
	struct ipcshim_event first;
	struct ipcshim_event second;
	struct waiter client;

	publish(port, NAME, 0);
	args.deadline = 0;
	waiter_start(&client, port, IPCSHIM_CONNECT_SERVICE, &args);
	first = event_of(port, IPCSHIM_EVENT_SERVICE_CONN_REQUEST);
	waiter_interrupt(&client, true);
	second = event_of(port, IPCSHIM_EVENT_SERVICE_CONN_REQUEST);
	ASSERT_TRUE(first.token != second.token);
	ASSERT_EQ(first.service_conn_request.deadline, second.service_conn_request.deadline);
	ASSERT_ERRNO(ENOENT, answer_request(port, first.token));
	ASSERT_OK(answer_request(port, second.token));
	ASSERT_EQ(0, waiter_end(&client));
}

TEST(connect_and_wait_is_asked_once_somebody_has_published_the_name)
{
	int port = socket_port();
	struct ipcshim_connect_service args = connect_args(NAME);
	struct waiter client;

	args.flags = IPCSHIM_CONNECT_WAIT;
	waiter_start(&client, port, IPCSHIM_CONNECT_SERVICE, &args);
	wait_until_asleep(client.tid);
	/* Another name wakes nobody for good. */
	publish(port, "abi.another", 0);
	ASSERT_EQ(0, events_waiting(port));
	publish(port, NAME, 0);
	ASSERT_OK(answer_request(port,
				 event_of(port, IPCSHIM_EVENT_SERVICE_CONN_REQUEST).token));
	ASSERT_EQ(0, waiter_end(&client));
}

TEST(connect_and_wait_until_the_deadline_is_ETIMEDOUT)
{
	int port = socket_port();
	struct ipcshim_connect_service args = connect_args(NAME);
	struct state before = state_now(port);

	args.flags = IPCSHIM_CONNECT_WAIT;
	args.deadline = in_nanoseconds(20000000);
	ASSERT_ERRNO(ETIMEDOUT, ioctl(port, IPCSHIM_CONNECT_SERVICE, &args));
	ASSERT_TRUE(in_nanoseconds(0) >= args.deadline);
	state_same(port, &before);
}

TEST(connect_and_wait_interrupted_by_a_signal_is_EINTR)
{
	int port = socket_port();
	struct ipcshim_connect_service args = connect_args(NAME);
	struct state before = state_now(port);
	struct waiter client;

	args.flags = IPCSHIM_CONNECT_WAIT;
	waiter_start(&client, port, IPCSHIM_CONNECT_SERVICE, &args);
	wait_until_asleep(client.tid);
	waiter_interrupt(&client, false);
	ASSERT_EQ(EINTR, waiter_end(&client));
	state_same(port, &before);
}

static struct ipcshim_connect_service connect_flexible(int port)
{
	struct ipcshim_connect_service args = connect_args(NAME);

	args.flags = IPCSHIM_CONNECT_FLEXIBLE;
	args.existing = 7;
	ASSERT_OK(ioctl(port, IPCSHIM_CONNECT_SERVICE, &args));
	return args;
}

TEST(connect_flexible_gives_the_oldest_open_connection_once_more)
{
	int port = socket_port();
	struct ipcshim_end_service_conn end = { 0 };
	struct ipcshim_connect_service again;
	struct pair first;
	struct pair second;
	struct state before;

	publish(port, NAME, 0);
	first = pair_connect(port, connect_args(NAME));
	second = pair_connect(port, connect_args(NAME));
	before = state_now(port);
	again = connect_flexible(port);
	ASSERT_EQ(1, again.existing);
	ASSERT_TRUE(again.fd != first.client);
	ASSERT_EQ(first.connection, again.connection);
	ASSERT_EQ(socket_info(first.service, "ipcshim-peer-inode"), again.inode);
	ASSERT_EQ(IPCSHIM_SOCKET_MESSAGE, again.message_max);
	ASSERT_EQ(FD_CLOEXEC, fcntl(again.fd, F_GETFD));
	expect_works((struct pair){ again.fd, first.service, first.connection });
	close(again.fd);
	state_same(port, &before);
	/* The service was not asked, and the connection is still open. */
	ASSERT_EQ(0, events_waiting(port));
	expect_works(first);
	ASSERT_OK(ioctl(first.client, IPCSHIM_END_SERVICE_CONN, &end));
	events_drop(port);
	ASSERT_EQ(second.connection, connect_flexible(port).connection);
}

TEST(connect_flexible_without_an_open_connection_asks_the_service)
{
	int port = socket_port();
	struct ipcshim_connect_service args = connect_args(NAME);
	struct pair pair;
	struct pair next;

	args.flags = IPCSHIM_CONNECT_FLEXIBLE;
	publish(port, NAME, 0);
	publish(port, "abi.another", 0);
	pair_connect(port, connect_args("abi.another"));
	pair = pair_connect(port, args);
	close(pair.service);
	events_drop(port);
	next = pair_connect(port, args);
	ASSERT_TRUE(next.connection != pair.connection);
	ASSERT_EQ(next.connection, connect_flexible(port).connection);
}

TEST(connect_flexible_does_not_give_what_another_process_connected)
{
	struct peer peer = peer_for_sockets();
	int port = socket_port();
	struct ipcshim_connect_service args = connect_args(NAME);
	struct pair pair;

	publish(port, NAME, 0);
	peer_ioctl_start(&peer, -1, IPCSHIM_CONNECT_SERVICE, &args);
	ASSERT_OK(answer_request(port,
				 event_of(port, IPCSHIM_EVENT_SERVICE_CONN_REQUEST).token));
	ASSERT_EQ(0, peer_ioctl_end(&peer, IPCSHIM_CONNECT_SERVICE, &args));
	args = connect_args(NAME);
	args.flags = IPCSHIM_CONNECT_FLEXIBLE;
	pair = pair_connect(port, args);
	ASSERT_EQ(pair.connection, connect_flexible(port).connection);
}
