// SPDX-License-Identifier: MIT
/* Sockets that would travel in themselves, by way of messages that nobody has read. */
#include <errno.h>
#include <unistd.h>

#include "harness.h"
#include "sockets.h"

static void refused(int expected, int port, int through, int what)
{
	struct ipcshim_descriptor descriptor = carried(what);
	struct state before = state_now(port);

	ASSERT_EQ(expected, try_send_with(through, &descriptor, 1));
	state_same(port, &before);
}

static void travels(int through, int what)
{
	struct ipcshim_descriptor descriptor = carried(what);

	send_with(through, &descriptor, 1);
}

/* Takes a message with one descriptor, which is closed. */
static void taken(int from)
{
	struct ipcshim_descriptor got;

	read_with(from, &got, 1);
	close(got.fd);
}

TEST(cycle_of_one_connection_is_ELOOP)
{
	int port = port_open();
	struct pair pair = pair_open(port, 0);

	refused(ELOOP, port, pair.client, pair.service);
	refused(ELOOP, port, pair.service, pair.client);
	expect_no_message(pair.service);
	expect_no_message(pair.client);
	expect_works(pair);
}

TEST(cycle_of_two_connections_is_ELOOP_until_the_message_was_read)
{
	int port = port_open();
	struct pair a = pair_open(port, 0);
	struct pair b = pair_open(port, 0);

	travels(a.client, b.service);
	refused(ELOOP, port, b.client, a.service);
	refused(ELOOP, port, b.service, a.client);
	expect_no_message(b.service);
	taken(a.service);
	/* Now nothing of b is in a. */
	travels(b.client, a.service);
	refused(ELOOP, port, a.client, b.service);
	taken(b.service);
	expect_works(a);
	expect_works(b);
}

TEST(cycle_of_three_connections_is_ELOOP_until_one_message_was_read)
{
	int port = port_open();
	struct pair pairs[3];

	for (int i = 0; i < 3; i++)
		pairs[i] = pair_open(port, 0);
	travels(pairs[0].client, pairs[1].service);
	travels(pairs[1].client, pairs[2].service);
	refused(ELOOP, port, pairs[2].client, pairs[0].service);
	refused(ELOOP, port, pairs[1].client, pairs[0].service);
	/* This way is none. */
	travels(pairs[0].client, pairs[2].service);
	taken(pairs[0].service);
	taken(pairs[0].service);
	travels(pairs[2].client, pairs[0].service);
	refused(ELOOP, port, pairs[0].client, pairs[1].service);
	for (int i = 1; i < 3; i++)
		taken(pairs[i].service);
	for (int i = 0; i < 3; i++)
		expect_works(pairs[i]);
}

TEST(cycle_beside_others_in_one_message_is_ELOOP_and_none_of_them_travels)
{
	int port = port_open();
	struct pair a = pair_open(port, 0);
	struct pair b = pair_open(port, 0);
	struct pair c = pair_open(port, 0);
	int segment = segment_create(port, page_size());
	struct ipcshim_descriptor given[4] = { carried_segment(segment, EXCLUSIVE, R),
					       carried(c.client), carried(a.service),
					       carried(c.service) };
	struct state before;

	travels(a.client, b.service);
	before = state_now(port);
	ASSERT_EQ(ELOOP, try_send_with(b.client, given, 4));
	state_same(port, &before);
	ASSERT_EQ(IPCSHIM_MEM_INFO_OWNER, segment_info(segment).flags);
	/* Nothing says that c travels in b. */
	travels(c.client, b.service);
	taken(c.service);
	taken(a.service);
	expect_works(a);
	expect_works(b);
	expect_works(c);
}

TEST(cycle_is_none_once_the_connection_that_carries_has_ended_and_was_let_go)
{
	int port = port_open();
	struct pair a = pair_open(port, 0);
	struct pair b = pair_open(port, 0);
	struct pair c = pair_open(port, 0);

	travels(a.client, b.service);
	pair_close(&a);
	travels(b.client, c.service);
	taken(b.service);
	travels(c.client, b.service);
	taken(c.service);
	expect_works(b);
	expect_works(c);
	pair_close(&b);
	pair_close(&c);
	ASSERT_EQ(0, query(port).connections);
}

TEST(cycle_through_answers_is_ELOOP_as_well)
{
	int port = port_open();
	struct pair a = pair_open(port, 0);
	struct pair b = pair_open(port, 0);
	struct ipcshim_descriptor descriptor = carried(a.client);
	struct ipcshim_send_sock_msg args;

	open_exchange(b.client, NULL, 0);
	args = answer_args(take_request(b.service), NULL, 0);
	args.message.nr_descriptors = 1;
	args.descriptors = (uintptr_t)&descriptor;
	travels(a.service, b.client);
	ASSERT_ERRNO(ELOOP, ioctl(b.service, IPCSHIM_SEND_SOCK_MSG, &args));
	/* It still is the service's turn. */
	taken(a.client);
	ASSERT_OK(ioctl(b.service, IPCSHIM_SEND_SOCK_MSG, &args));
	taken(b.client);
}
