// SPDX-License-Identifier: MIT
/* Exchanges: whose turn it is, how they are concluded, and numbers that are forged. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "harness.h"
#include "sockets.h"

static char payload[64];

static void refused(int expected, int socket, uint64_t exchange)
{
	struct ipcshim_send_sock_msg args = answer_args(exchange, payload, 10);
	int port = port_open();
	struct state before = state_now(port);

	ASSERT_ERRNO(expected, ioctl(socket, IPCSHIM_SEND_SOCK_MSG, &args));
	state_same(port, &before);
	/* A call is no way around it. */
	if (expected != EINVAL) {
		struct ipcshim_call call = call_args(payload, 10, payload, sizeof(payload));

		call.message.exchange = exchange;
		call.message.code = 0;
		ASSERT_ERRNO(expected, ioctl(socket, IPCSHIM_CALL, &call));
		ASSERT_EQ(0, call.flags);
		state_same(port, &before);
	}
	close(port);
}

TEST(turn_second_message_before_the_answer_is_EBUSY)
{
	struct pair pair = pair_open(port_open(), 0);
	uint64_t exchange = open_exchange(pair.client, payload, 1);

	refused(EBUSY, pair.client, exchange);
	ASSERT_EQ(exchange, take_request(pair.service));
	refused(EBUSY, pair.client, exchange);
	answer(pair.service, exchange, payload, 1);
	/* Not read yet. */
	refused(EBUSY, pair.client, exchange);
	refused(EBUSY, pair.service, exchange);
	ASSERT_EQ(exchange, take_request(pair.client));
	refused(EBUSY, pair.service, exchange);
	answer(pair.client, exchange, payload, 1);
	ASSERT_EQ(exchange, take_request(pair.service));
}

TEST(turn_an_answer_before_the_request_was_read_is_EBUSY)
{
	struct pair pair = pair_open(port_open(), 0);
	uint64_t exchange = open_exchange(pair.client, payload, 1);

	refused(EBUSY, pair.service, exchange);
	ASSERT_EQ(exchange, take_request(pair.service));
	answer(pair.service, exchange, payload, 1);
	exchange = open_exchange(pair.service, payload, 1);
	refused(EBUSY, pair.client, exchange);
	ASSERT_TRUE(take_request(pair.client) != exchange);
	refused(EBUSY, pair.client, exchange);
	ASSERT_EQ(exchange, take_request(pair.client));
	answer(pair.client, exchange, payload, 1);
}

TEST(turn_fdinfo_tells_whose_it_is)
{
	struct pair pair = pair_open(port_open(), 0);
	uint64_t exchange = open_exchange(pair.client, payload, 1);
	struct exchange_info info = exchange_info(pair.client, exchange);

	ASSERT_TRUE(info.open);
	ASSERT_EQ(METHOD, info.code);
	ASSERT_EQ(CLIENT, info.opener);
	ASSERT_EQ(0, info.turn);
	/* Of the next message. */
	ASSERT_EQ(2, info.counter);
	ASSERT_EQ(0, info.waits);
	take_request(pair.service);
	ASSERT_EQ(SERVICE, exchange_info(pair.client, exchange).turn);
	ASSERT_EQ(SERVICE, exchange_info(pair.service, exchange).turn);
	answer(pair.service, exchange, payload, 1);
	ASSERT_EQ(0, exchange_info(pair.service, exchange).turn);
	ASSERT_EQ(3, exchange_info(pair.service, exchange).counter);
	take_request(pair.client);
	ASSERT_EQ(CLIENT, exchange_info(pair.service, exchange).turn);
	exchange = open_exchange(pair.service, payload, 1);
	ASSERT_EQ(SERVICE, exchange_info(pair.service, exchange).opener);
	ASSERT_EQ(2, socket_info(pair.client, "ipcshim-exchanges"));
}

TEST(exchange_that_was_closed_is_ESHUTDOWN_for_both_and_the_socket_goes_on)
{
	struct pair pair = pair_open(port_open(), 0);
	uint64_t exchange = open_exchange(pair.client, payload, 1);

	ASSERT_EQ(exchange, take_request(pair.service));
	conclude(pair.service, exchange);
	/* Also before that was read. */
	refused(ESHUTDOWN, pair.service, exchange);
	refused(ESHUTDOWN, pair.client, exchange);
	ASSERT_EQ(exchange, take_request(pair.client));
	refused(ESHUTDOWN, pair.service, exchange);
	refused(ESHUTDOWN, pair.client, exchange);
	ASSERT_TRUE(!exchange_info(pair.client, exchange).open);
	expect_works(pair);
}

TEST(exchange_that_ended_with_an_error_is_ESHUTDOWN_for_both)
{
	struct pair pair = pair_open(port_open(), 0);
	uint64_t exchange = open_exchange(pair.service, payload, 1);
	struct ipcshim_send_sock_msg args = answer_args(exchange, payload, 3);
	struct ipcshim_read_sock_msg got;

	ASSERT_EQ(exchange, take_request(pair.client));
	args.message.error = 0xFEDC;
	ASSERT_OK(ioctl(pair.client, IPCSHIM_SEND_SOCK_MSG, &args));
	ASSERT_EQ(0xFEDC, args.message.error);
	got = read_message(pair.service, payload, sizeof(payload));
	ASSERT_EQ(0xFEDC, got.message.error);
	ASSERT_EQ(3, got.message.length);
	ASSERT_EQ(2, got.message.counter);
	ASSERT_EQ(NOTIFICATION, got.message.status & NOTIFICATION);
	refused(ESHUTDOWN, pair.service, exchange);
	refused(ESHUTDOWN, pair.client, exchange);
	expect_works(pair);
}

TEST(exchange_of_one_message_is_closed_with_it)
{
	int port = port_open();
	struct pair pair = pair_open(port, 0);
	struct ipcshim_send_sock_msg args = first_args(payload, 3);
	struct ipcshim_read_sock_msg got;

	args.message.status = CLOSES;
	ASSERT_OK(ioctl(pair.client, IPCSHIM_SEND_SOCK_MSG, &args));
	ASSERT_EQ(CLOSES | OPENS, args.message.status);
	ASSERT_EQ(1, args.message.exchange);
	refused(ESHUTDOWN, pair.client, 1);
	refused(ESHUTDOWN, pair.service, 1);
	ASSERT_EQ(0, query(port).exchanges);
	got = read_message(pair.service, payload, sizeof(payload));
	ASSERT_EQ(CLOSES | OPENS, got.message.status);
	refused(ESHUTDOWN, pair.service, 1);
	ASSERT_EQ(2, open_exchange(pair.client, payload, 1));
}

TEST(exchange_closed_by_who_opened_it_is_closed)
{
	struct pair pair = pair_open(port_open(), 0);
	uint64_t exchange = open_exchange(pair.client, payload, 1);

	take_request(pair.service);
	answer(pair.service, exchange, payload, 1);
	take_request(pair.client);
	conclude(pair.client, exchange);
	refused(ESHUTDOWN, pair.service, exchange);
	ASSERT_EQ(exchange, take_request(pair.service));
	refused(ESHUTDOWN, pair.service, exchange);
}

TEST(exchange_numbers_that_are_forged_are_ENOENT_or_anothers_turn)
{
	int port = port_open();
	struct pair pair = pair_open(port, 0);
	struct pair other = pair_open(port, 0);

	open_exchange(other.client, payload, 1);
	open_exchange(other.client, payload, 1);
	/* Of another connection. */
	refused(ENOENT, pair.service, 1);
	refused(ENOENT, pair.client, 2);
	ASSERT_EQ(1, open_exchange(pair.client, payload, 1));
	take_request(pair.service);
	refused(ENOENT, pair.service, 2);
	refused(ENOENT, pair.service, ~0ULL);
	refused(ENOENT, pair.service, 1ULL << 32 | 1);
	refused(ENOENT, pair.service, 1ULL << 63 | 1);
	refused(EBUSY, pair.client, 1);
	answer(pair.service, 1, payload, 1);
	expect_no_message(pair.service);
	ASSERT_EQ(2, socket_info(other.service, "ipcshim-messages"));
}

TEST(exchange_that_is_open_takes_no_code)
{
	int port = port_open();
	struct pair pair = pair_open(port, 0);
	uint64_t exchange = open_exchange(pair.client, payload, 1);
	struct ipcshim_send_sock_msg args = answer_args(exchange, payload, 1);
	struct state before;

	take_request(pair.service);
	before = state_now(port);
	args.message.code = METHOD;
	ASSERT_ERRNO(EINVAL, ioctl(pair.service, IPCSHIM_SEND_SOCK_MSG, &args));
	args.message.code = 1;
	ASSERT_ERRNO(EINVAL, ioctl(pair.service, IPCSHIM_SEND_SOCK_MSG, &args));
	args.message.code = 0;
	args.message.status = 8;
	ASSERT_ERRNO(EINVAL, ioctl(pair.service, IPCSHIM_SEND_SOCK_MSG, &args));
	args.message.status = 0;
	args.message.length = LARGEST + 1;
	ASSERT_ERRNO(EMSGSIZE, ioctl(pair.service, IPCSHIM_SEND_SOCK_MSG, &args));
	args.message.length = 1;
	args.buffer = (uintptr_t)bad_address();
	ASSERT_ERRNO(EFAULT, ioctl(pair.service, IPCSHIM_SEND_SOCK_MSG, &args));
	state_same(port, &before);
	/* It is still the service's turn. */
	answer(pair.service, exchange, payload, 1);
}

TEST(exchange_of_code_0_is_one_like_any_other)
{
	struct pair pair = pair_open(port_open(), 0);
	struct ipcshim_send_sock_msg args = first_args(payload, 1);

	args.message.code = 0;
	ASSERT_OK(ioctl(pair.client, IPCSHIM_SEND_SOCK_MSG, &args));
	ASSERT_EQ(0, read_message(pair.service, payload, sizeof(payload)).message.code);
	answer(pair.service, args.message.exchange, payload, 1);
}

TEST(exchanges_many_at_once_are_answered_in_any_order)
{
	enum { MANY = 100 };
	int port = port_open();
	struct pair pair = pair_open(port, 0);

	for (uint64_t i = 1; i <= MANY; i++)
		ASSERT_EQ(i, open_exchange(i % 2 ? pair.client : pair.service, &i, sizeof(i)));
	ASSERT_EQ(MANY, query(port).exchanges);
	ASSERT_EQ(MANY, query(port).messages);
	ASSERT_EQ(8 * MANY, query(port).message_bytes);
	for (uint64_t i = 1; i <= MANY; i++) {
		uint64_t value;

		ASSERT_EQ(i, read_message(i % 2 ? pair.service : pair.client, &value, 8)
				     .message.exchange);
		ASSERT_EQ(i, value);
	}
	for (uint64_t i = MANY; i >= 1; i--)
		conclude(i % 2 ? pair.service : pair.client, i);
	ASSERT_EQ(0, query(port).exchanges);
	for (uint64_t i = MANY; i >= 1; i--)
		ASSERT_EQ(i, take_request(i % 2 ? pair.client : pair.service));
	expect_no_message(pair.client);
	expect_no_message(pair.service);
}
