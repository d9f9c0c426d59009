// SPDX-License-Identifier: MIT
/* Room in a socket: who waits for it, who is refused, and that an answer never waits. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <unistd.h>

#include "harness.h"
#include "sockets.h"

static char payload[2 * IPCSHIM_SOCKET_ROOM];

static bool writable(int socket)
{
	struct pollfd ready = { .fd = socket, .events = POLLOUT };

	ASSERT_TRUE(poll(&ready, 1, 0) >= 0);
	return ready.revents & POLLOUT;
}

/* Messages of that length until there is no room; how many. */
static unsigned int fill(int socket, size_t length)
{
	struct ipcshim_send_sock_msg args = first_args(payload, length);
	unsigned int count = 0;

	args.flags = NOWAIT;
	while (ioctl(socket, IPCSHIM_SEND_SOCK_MSG, &args) == 0) {
		ASSERT_TRUE(++count < 100000);
		args = first_args(payload, length);
		args.flags = NOWAIT;
	}
	ASSERT_EQ(EAGAIN, errno);
	return count;
}

TEST(room_is_64_KiB_with_an_overhead_for_each_message)
{
	static const unsigned int lengths[] = { 0, 1, 100, 4096 };
	int port = port_open();

	parameter_set("max_exchanges", 100000);
	for (unsigned int i = 0; i < 4; i++) {
		struct pair pair = pair_open(port, 0);
		unsigned int each = lengths[i] + IPCSHIM_SOCKET_OVERHEAD;
		unsigned int count = fill(pair.client, lengths[i]);

		/* The last one may have gone beyond. */
		ASSERT_TRUE(count * each <= IPCSHIM_SOCKET_ROOM + each);
		ASSERT_TRUE(count * each >= IPCSHIM_SOCKET_ROOM - each);
		ASSERT_EQ(count, socket_info(pair.service, "ipcshim-messages"));
		ASSERT_EQ(count * lengths[i], socket_info(pair.service, "ipcshim-bytes"));
		ASSERT_EQ(count, query(port).messages);
		ASSERT_EQ(count * lengths[i], query(port).message_bytes);
		/* The other way has room of its own. */
		open_exchange(pair.service, payload, 10);
		pair_close(&pair);
	}
	ASSERT_EQ(0, query(port).messages);
	ASSERT_EQ(0, query(port).exchanges);
}

TEST(room_for_one_message_of_any_length_is_there)
{
	int port = port_open();
	struct pair pair = pair_open(port, sizeof(payload));
	struct ipcshim_send_sock_msg args = first_args(payload, 1);

	open_exchange(pair.client, payload, sizeof(payload));
	ASSERT_TRUE(!writable(pair.client));
	args.flags = NOWAIT;
	ASSERT_ERRNO(EAGAIN, ioctl(pair.client, IPCSHIM_SEND_SOCK_MSG, &args));
	read_message(pair.service, payload, sizeof(payload));
	ASSERT_TRUE(writable(pair.client));
	open_exchange(pair.client, payload, sizeof(payload));
}

TEST(room_missing_is_EAGAIN_by_flag_and_by_O_NONBLOCK_and_opens_nothing)
{
	int port = port_open();
	struct pair pair = pair_nonblocking(port);
	struct ipcshim_send_sock_msg args = first_args(payload, LARGEST);
	unsigned int count = fill(pair.client, LARGEST);
	struct state before = state_now(port);

	ASSERT_ERRNO(EAGAIN, ioctl(pair.client, IPCSHIM_SEND_SOCK_MSG, &args));
	ASSERT_EQ(0, args.end.how);
	ASSERT_OK(fcntl(pair.client, F_SETFL, 0));
	args.flags = NOWAIT;
	ASSERT_ERRNO(EAGAIN, ioctl(pair.client, IPCSHIM_SEND_SOCK_MSG, &args));
	state_same(port, &before);
	ASSERT_TRUE(!writable(pair.client));
	ASSERT_TRUE(writable(pair.service));
	/* What is too long is refused as such. */
	args.message.length = LARGEST + 1;
	ASSERT_ERRNO(EMSGSIZE, ioctl(pair.client, IPCSHIM_SEND_SOCK_MSG, &args));
	for (unsigned int i = 0; i < count; i++)
		take_request(pair.service);
	ASSERT_TRUE(writable(pair.client));
	ASSERT_EQ(count + 1, open_exchange(pair.client, payload, LARGEST));
}

TEST(room_that_is_missing_is_waited_for)
{
	struct pair pair = pair_open(port_open(), 0);
	struct ipcshim_send_sock_msg args = first_args(payload, LARGEST);
	unsigned int count = fill(pair.client, LARGEST);
	struct waiter sender;

	waiter_start(&sender, pair.client, IPCSHIM_SEND_SOCK_MSG, &args);
	wait_until_asleep(sender.tid);
	ASSERT_EQ(count, socket_info(pair.service, "ipcshim-messages"));
	take_request(pair.service);
	take_request(pair.service);
	ASSERT_EQ(0, waiter_end(&sender));
	ASSERT_EQ(count + 1, args.message.exchange);
	ASSERT_EQ(count - 1, socket_info(pair.service, "ipcshim-messages"));
}

TEST(room_that_is_missing_until_a_deadline_is_ETIMEDOUT_and_EINTR_after_a_signal)
{
	int port = port_open();
	struct pair pair = pair_open(port, 0);
	struct ipcshim_send_sock_msg args = first_args(payload, LARGEST);
	struct waiter sender;
	struct state before;

	fill(pair.client, LARGEST);
	before = state_now(port);
	args.deadline = in_nanoseconds(20000000);
	ASSERT_ERRNO(ETIMEDOUT, ioctl(pair.client, IPCSHIM_SEND_SOCK_MSG, &args));
	ASSERT_TRUE(in_nanoseconds(0) >= args.deadline);
	args = first_args(payload, LARGEST);
	waiter_start(&sender, pair.client, IPCSHIM_SEND_SOCK_MSG, &args);
	wait_until_asleep(sender.tid);
	waiter_interrupt(&sender, false);
	ASSERT_EQ(EINTR, waiter_end(&sender));
	state_same(port, &before);
}

TEST(room_that_is_missing_is_waited_for_beyond_a_signal_with_SA_RESTART)
{
	struct pair pair = pair_open(port_open(), 0);
	struct ipcshim_send_sock_msg args = first_args(payload, LARGEST);
	unsigned int count = fill(pair.client, LARGEST);
	struct waiter sender;

	waiter_start(&sender, pair.client, IPCSHIM_SEND_SOCK_MSG, &args);
	wait_until_asleep(sender.tid);
	waiter_interrupt(&sender, true);
	for (unsigned int i = 0; i < count; i++)
		take_request(pair.service);
	ASSERT_EQ(0, waiter_end(&sender));
	ASSERT_EQ(count + 1, take_request(pair.service));
	expect_no_message(pair.service);
}

TEST(room_that_is_missing_when_the_connection_ends_is_EPIPE)
{
	struct pair pair = pair_open(port_open(), 0);
	struct ipcshim_send_sock_msg args = first_args(payload, LARGEST);
	struct waiter sender;

	fill(pair.client, LARGEST);
	waiter_start(&sender, pair.client, IPCSHIM_SEND_SOCK_MSG, &args);
	wait_until_asleep(sender.tid);
	close(pair.service);
	ASSERT_EQ(EPIPE, waiter_end(&sender));
	ASSERT_EQ(IPCSHIM_HOW_CLOSED, args.end.how);
	ASSERT_EQ(0, args.end.status);
}

TEST(room_is_waited_for_by_call_as_well_and_nothing_was_sent_before)
{
	struct pair pair = pair_open(port_open(), 0);
	struct ipcshim_call args = call_args(payload, LARGEST, payload, LARGEST);
	unsigned int count = fill(pair.client, LARGEST);
	struct waiter caller;

	args.deadline = in_nanoseconds(10000000);
	ASSERT_ERRNO(ETIMEDOUT, ioctl(pair.client, IPCSHIM_CALL, &args));
	ASSERT_EQ(0, args.flags);
	ASSERT_EQ(count, socket_info(pair.service, "ipcshim-messages"));
	args = call_args(payload, LARGEST, payload, LARGEST);
	waiter_start(&caller, pair.client, IPCSHIM_CALL, &args);
	wait_until_asleep(caller.tid);
	waiter_interrupt(&caller, false);
	ASSERT_EQ(EINTR, waiter_end(&caller));
	ASSERT_EQ(0, args.flags);
	ASSERT_EQ(count, socket_info(pair.service, "ipcshim-exchanges"));
	args = call_args(payload, LARGEST, payload, LARGEST);
	waiter_start(&caller, pair.client, IPCSHIM_CALL, &args);
	for (unsigned int i = 0; i < count; i++)
		take_request(pair.service);
	wait_for_caller(pair.client, count + 1, caller.tid);
	ASSERT_EQ(count + 1, take_request(pair.service));
	answer(pair.service, count + 1, NULL, 0);
	ASSERT_EQ(0, waiter_end(&caller));
}

TEST(an_answer_never_waits_for_room)
{
	struct pair pair = pair_nonblocking(port_open());
	uint64_t exchange = open_exchange(pair.client, payload, 1);
	unsigned int count;

	ASSERT_EQ(exchange, take_request(pair.service));
	count = fill(pair.service, LARGEST);
	answer(pair.service, exchange, payload, LARGEST);
	ASSERT_EQ(count + 1, socket_info(pair.client, "ipcshim-messages"));
}

TEST(first_messages_are_ENOBUFS_while_too_many_answers_are_not_read)
{
	enum { ANSWERS = 20 };
	int port = port_open();
	struct pair pair = pair_open(port, 0);
	struct ipcshim_send_sock_msg args = first_args(payload, 1);
	struct ipcshim_call call = call_args(payload, 1, payload, LARGEST);
	struct state before;

	for (int i = 0; i < ANSWERS; i++)
		open_exchange(pair.client, payload, 1);
	for (int i = 0; i < ANSWERS; i++)
		answer(pair.service, take_request(pair.service), payload, LARGEST);
	before = state_now(port);
	/* To wait would not help. */
	ASSERT_ERRNO(ENOBUFS, ioctl(pair.client, IPCSHIM_SEND_SOCK_MSG, &args));
	ASSERT_ERRNO(ENOBUFS, ioctl(pair.client, IPCSHIM_CALL, &call));
	ASSERT_EQ(0, call.flags);
	state_same(port, &before);
	/* The other side is none the worse. */
	ASSERT_EQ(0, socket_info(pair.service, "ipcshim-messages"));
	for (int i = 0; i < 6; i++)
		take_request(pair.client);
	ASSERT_OK(ioctl(pair.client, IPCSHIM_SEND_SOCK_MSG, &args));
}

TEST(exchanges_above_the_limit_wait_until_one_is_concluded)
{
	int port = port_open();
	struct pair pair = pair_open(port, 0);
	struct ipcshim_send_sock_msg args = first_args(payload, 1);
	struct waiter sender;
	struct state before;

	parameter_set("max_exchanges", 3);
	ASSERT_EQ(3, query(port).limit_exchanges);
	open_exchange(pair.client, payload, 1);
	open_exchange(pair.service, payload, 1);
	ASSERT_TRUE(writable(pair.client));
	open_exchange(pair.client, payload, 1);
	ASSERT_TRUE(!writable(pair.client));
	ASSERT_TRUE(!writable(pair.service));
	before = state_now(port);
	args.flags = NOWAIT;
	ASSERT_ERRNO(EAGAIN, ioctl(pair.client, IPCSHIM_SEND_SOCK_MSG, &args));
	ASSERT_ERRNO(EAGAIN, ioctl(pair.service, IPCSHIM_SEND_SOCK_MSG, &args));
	state_same(port, &before);
	args.flags = 0;
	waiter_start(&sender, pair.service, IPCSHIM_SEND_SOCK_MSG, &args);
	wait_until_asleep(sender.tid);
	/* An answer is no end of it. */
	ASSERT_EQ(1, take_request(pair.service));
	answer(pair.service, 1, payload, 1);
	ASSERT_EQ(3, query(port).exchanges);
	take_request(pair.client);
	take_request(pair.client);
	conclude(pair.client, 2);
	ASSERT_EQ(0, waiter_end(&sender));
	ASSERT_EQ(4, args.message.exchange);
	ASSERT_EQ(3, query(port).exchanges);
}

TEST(exchanges_are_limited_for_each_connection_and_for_everybody)
{
	int port = port_open();
	struct pair first = pair_open(port, 0);
	struct pair second = pair_open(port, 0);

	/* Although this is root. */
	parameter_set("max_exchanges", 2);
	ASSERT_EQ(2, fill(first.client, 1));
	ASSERT_EQ(2, fill(second.service, 1));
	ASSERT_EQ(4, query(port).exchanges);
	parameter_set("max_exchanges", 3);
	ASSERT_EQ(1, fill(first.client, 1));
}
