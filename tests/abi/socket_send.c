// SPDX-License-Identifier: MIT
/* SEND_SOCK_MSG: what is refused, after which nothing was sent; and turns. */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "harness.h"
#include "sockets.h"

static char payload[LARGEST + 1];

/* Refused as the first message of an exchange, which does not come to be. */
#define REJECT_FIRST(name, errno_expected, change)                             \
	TEST(name)                                                             \
	{                                                                      \
		int port = port_open();                                        \
		struct pair pair = pair_open(port, 0);                         \
		struct ipcshim_send_sock_msg args = first_args(payload, 10);   \
		struct state before = state_now(port);                         \
                                                                               \
		change;                                                        \
		ASSERT_ERRNO(errno_expected, ioctl(pair.client, IPCSHIM_SEND_SOCK_MSG, &args)); \
		state_same(port, &before);                                     \
		expect_no_message(pair.service);                               \
		ASSERT_EQ(1, open_exchange(pair.client, payload, 10));         \
	}

REJECT_FIRST(send_unknown_flag_is_EINVAL, EINVAL, args.flags = 2)
REJECT_FIRST(send_highest_flag_is_EINVAL, EINVAL, args.flags = 1U << 31)
REJECT_FIRST(send_a_deadline_and_not_to_wait_is_EINVAL, EINVAL,
	     (args.flags = NOWAIT, args.deadline = in_nanoseconds(1000000000)))
REJECT_FIRST(send_until_the_end_of_time_is_EINVAL, EINVAL, args.deadline = ~0ULL)
REJECT_FIRST(send_unknown_status_bit_is_EINVAL, EINVAL, args.message.status = 8)
REJECT_FIRST(send_highest_status_bit_is_EINVAL, EINVAL, args.message.status = 1U << 15)
REJECT_FIRST(send_an_error_in_a_first_message_is_EINVAL, EINVAL, args.message.error = 1)
REJECT_FIRST(send_an_error_in_a_first_message_that_closes_is_EINVAL, EINVAL,
	     (args.message.error = 1, args.message.status = CLOSES))
REJECT_FIRST(send_too_many_descriptors_is_EINVAL, EINVAL,
	     (args.message.nr_descriptors = IPCSHIM_DESCRIPTORS_MAX + 1,
	      args.descriptors = (uintptr_t)payload))
REJECT_FIRST(send_65535_descriptors_is_EINVAL, EINVAL,
	     (args.message.nr_descriptors = 65535, args.descriptors = (uintptr_t)payload))
REJECT_FIRST(send_descriptors_at_a_bad_address_is_EFAULT, EFAULT,
	     (args.message.nr_descriptors = 1, args.descriptors = (uintptr_t)bad_address()))
REJECT_FIRST(send_descriptors_at_address_0_is_EFAULT, EFAULT, args.message.nr_descriptors = 1)
REJECT_FIRST(send_one_byte_more_than_the_largest_message_is_EMSGSIZE, EMSGSIZE,
	     args.message.length = LARGEST + 1)
REJECT_FIRST(send_4_GiB_and_10_bytes_is_EMSGSIZE, EMSGSIZE, args.message.length |= 1ULL << 32)
REJECT_FIRST(send_as_much_as_a_length_can_say_is_EMSGSIZE, EMSGSIZE, args.message.length = ~0ULL)
REJECT_FIRST(send_at_address_0_is_EFAULT, EFAULT, args.buffer = 0)
REJECT_FIRST(send_what_is_at_a_bad_address_is_EFAULT, EFAULT,
	     args.buffer = (uintptr_t)bad_address())
REJECT_FIRST(send_in_an_exchange_that_never_was_is_ENOENT, ENOENT,
	     (args.message.exchange = 1, args.message.code = 0))
REJECT_FIRST(send_in_an_exchange_beyond_32_bits_is_ENOENT, ENOENT,
	     (args.message.exchange = 1ULL << 32, args.message.code = 0))
REJECT_FIRST(send_in_the_exchange_minus_1_is_ENOENT, ENOENT,
	     (args.message.exchange = ~0ULL, args.message.code = 0))

TEST(send_what_ends_in_a_hole_is_EFAULT_and_opens_nothing)
{
	int port = port_open();
	struct pair pair = pair_open(port, 0);
	char *pages = mmap(NULL, 2 * page_size(), PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct ipcshim_send_sock_msg args = first_args(pages + page_size() - 100, 101);
	struct state before = state_now(port);

	ASSERT_TRUE(pages != MAP_FAILED);
	ASSERT_OK(mprotect(pages + page_size(), page_size(), PROT_NONE));
	ASSERT_ERRNO(EFAULT, ioctl(pair.client, IPCSHIM_SEND_SOCK_MSG, &args));
	state_same(port, &before);
	expect_no_message(pair.service);
	args.message.length--;
	ASSERT_OK(ioctl(pair.client, IPCSHIM_SEND_SOCK_MSG, &args));
}

TEST(send_at_a_bad_address_is_EFAULT)
{
	int port = port_open();
	struct pair pair = pair_open(port, 0);
	struct state before = state_now(port);

	ASSERT_ERRNO(EFAULT, ioctl(pair.client, IPCSHIM_SEND_SOCK_MSG, bad_address()));
	state_same(port, &before);
}

TEST(send_answer_to_read_only_memory_is_EFAULT_and_nothing_was_sent)
{
	int port = port_open();
	struct pair pair = pair_open(port, 0);
	struct ipcshim_send_sock_msg args = first_args(payload, 10);
	void *copy = read_only_copy(&args, sizeof(args));
	struct state before = state_now(port);

	ASSERT_ERRNO(EFAULT, ioctl(pair.client, IPCSHIM_SEND_SOCK_MSG, copy));
	state_same(port, &before);
	expect_no_message(pair.service);
}

TEST(send_makes_the_header_and_ignores_what_the_sender_says_of_it)
{
	int port = port_open();
	struct pair pair = pair_open(port, 0);

	for (unsigned int i = 1; i <= 2; i++) {
		struct ipcshim_send_sock_msg args = first_args(payload, 10);
		struct ipcshim_read_sock_msg got;
		int from = i == 1 ? pair.client : pair.service;
		unsigned int status = OPENS | (i == 1 ? 0 : NOTIFICATION);
		char buffer[10];

		args.message.counter = 4711;
		args.message.pid = 1;
		args.message.code = (uint16_t)(0xFFFF - i);
		args.end.how = 99;
		args.end.status = 99;
		fill_pattern(payload, 10, i);
		ASSERT_OK(ioctl(from, IPCSHIM_SEND_SOCK_MSG, &args));
		ASSERT_EQ(i, args.message.exchange);
		ASSERT_EQ(10, args.message.length);
		ASSERT_EQ(1, args.message.counter);
		ASSERT_EQ(0xFFFF - i, args.message.code);
		ASSERT_EQ(status, args.message.status);
		ASSERT_EQ(0, args.message.error);
		ASSERT_EQ(0, args.message.nr_descriptors);
		ASSERT_EQ(getpid(), args.message.pid);
		ASSERT_EQ(0, args.end.how);
		ASSERT_EQ(0, args.end.status);
		memset(&got, 0xff, sizeof(got));
		got = read_message(i == 1 ? pair.service : pair.client, buffer, sizeof(buffer));
		ASSERT_EQ(0, memcmp(&args.message, &got.message, sizeof(got.message)));
		ASSERT_EQ(0, got.uid);
		ASSERT_EQ(0, got.end.how);
		ASSERT_EQ(0, got.end.status);
		check_pattern(buffer, 10, i);
	}
}

TEST(send_counts_the_messages_of_each_exchange_for_itself)
{
	struct pair pair = pair_open(port_open(), 0);
	int sides[2] = { pair.client, pair.service };

	for (unsigned int round = 0; round < 3; round++) {
		uint64_t exchange = open_exchange(pair.client, payload, 1);

		ASSERT_EQ(exchange, take_request(pair.service));
		for (unsigned int i = 1; i < 10; i++) {
			struct ipcshim_send_sock_msg args = answer_args(exchange, payload, i);
			struct ipcshim_read_sock_msg got;
			char buffer[16];

			ASSERT_OK(ioctl(sides[i % 2], IPCSHIM_SEND_SOCK_MSG, &args));
			ASSERT_EQ(i + 1, args.message.counter);
			ASSERT_EQ(METHOD, args.message.code);
			ASSERT_EQ(0, args.message.status);
			got = read_message(sides[1 - i % 2], buffer, sizeof(buffer));
			ASSERT_EQ(exchange, got.message.exchange);
			ASSERT_EQ(i + 1, got.message.counter);
			ASSERT_EQ(i, got.message.length);
			ASSERT_EQ(METHOD, got.message.code);
			ASSERT_EQ(0, got.message.status);
		}
		ASSERT_EQ(round + 1, socket_info(pair.client, "ipcshim-exchanges"));
	}
}

TEST(send_a_counter_that_wraps_goes_on_with_0)
{
	static const uint32_t expected[] = { 0xfffffffe, 0xffffffff, 0, 1 };
	int port = port_open();
	struct pair pair = pair_open(port, 0);
	int sides[2] = { pair.client, pair.service };
	struct ipcshim_send_sock_msg args = first_args(payload, 1);

	parameter_set("first_counter", 0xfffffffe);
	for (unsigned int i = 0; i < 4; i++) {
		struct ipcshim_read_sock_msg got;
		char buffer[1];

		if (i)
			args = answer_args(args.message.exchange, payload, 1);
		ASSERT_OK(ioctl(sides[i % 2], IPCSHIM_SEND_SOCK_MSG, &args));
		ASSERT_EQ(expected[i], args.message.counter);
		/* Of the next one. */
		ASSERT_EQ((uint32_t)(expected[i] + 1),
			  exchange_info(pair.client, args.message.exchange).counter);
		got = read_message(sides[1 - i % 2], buffer, sizeof(buffer));
		ASSERT_EQ(expected[i], got.message.counter);
		ASSERT_EQ(i == 0 ? OPENS : 0, got.message.status);
	}
}

TEST(send_of_every_length_up_to_the_largest_message_arrives_whole)
{
	static const size_t lengths[] = { 0, 1, 7, 8, 63, 64, 65, 4095, 4096 };
	struct pair pair = pair_open(port_open(), 0);
	static char buffer[LARGEST + 8];

	for (unsigned int i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		struct ipcshim_read_sock_msg got;

		fill_pattern(payload, lengths[i], i);
		memset(buffer, 0x5a, sizeof(buffer));
		open_exchange(pair.client, lengths[i] ? payload : NULL, lengths[i]);
		got = read_message(pair.service, buffer, lengths[i]);
		ASSERT_EQ(lengths[i], got.message.length);
		check_pattern(buffer, lengths[i], i);
		ASSERT_EQ(0x5a, buffer[lengths[i]]);
	}
}

TEST(send_of_a_long_message_arrives_whole)
{
	enum { LONG = 8 << 20, STEP = 1 << 14 };
	int port = port_open();
	struct pair pair = pair_open(port, LONG);
	uint64_t *memory = mmap(NULL, LONG, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
				-1, 0);
	struct ipcshim_send_sock_msg args = first_args(memory, LONG + 1);

	ASSERT_TRUE(memory != MAP_FAILED);
	for (uint64_t i = 0; i < LONG / STEP; i++)
		memory[i * STEP / 8] = i;
	ASSERT_ERRNO(EMSGSIZE, ioctl(pair.client, IPCSHIM_SEND_SOCK_MSG, &args));
	args.message.length = LONG;
	ASSERT_OK(ioctl(pair.client, IPCSHIM_SEND_SOCK_MSG, &args));
	ASSERT_EQ(LONG, query(port).message_bytes);
	ASSERT_OK(madvise(memory, LONG, MADV_DONTNEED));
	ASSERT_EQ(LONG, read_message(pair.service, memory, LONG).message.length);
	for (uint64_t i = 0; i < LONG / STEP; i++)
		ASSERT_EQ(i, memory[i * STEP / 8]);
	ASSERT_EQ(0, query(port).message_bytes);
}

/* (Enough to see it once.) */
#if UINTPTR_MAX > 0xffffffff
TEST(send_of_256_MiB_is_not_too_long_for_a_socket_that_was_opened_so)
{
	int port = port_open();
	struct pair pair = pair_open(port, IPCSHIM_SOCKET_MESSAGE_MAX);
	struct ipcshim_send_sock_msg args = first_args(bad_address(), IPCSHIM_SOCKET_MESSAGE_MAX);
	struct state before = state_now(port);

	/* All that it lacks is memory to copy from. */
	ASSERT_ERRNO(EFAULT, ioctl(pair.client, IPCSHIM_SEND_SOCK_MSG, &args));
	args.message.length++;
	ASSERT_ERRNO(EMSGSIZE, ioctl(pair.client, IPCSHIM_SEND_SOCK_MSG, &args));
	state_same(port, &before);
}
#endif
