// SPDX-License-Identifier: MIT
/* READ_SOCK_MSG: what is refused, after which the message is still there. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "harness.h"
#include "sockets.h"

enum { LENGTH = 100 };

static char payload[LENGTH];

/* A service with one message that waits. */
static struct pair with_message(int port)
{
	struct pair pair = pair_open(port, 0);

	fill_pattern(payload, LENGTH, 5);
	ASSERT_EQ(1, open_exchange(pair.client, payload, LENGTH));
	return pair;
}

static void message_is_there(struct pair pair)
{
	char buffer[LENGTH];
	struct ipcshim_read_sock_msg got = read_message(pair.service, buffer, LENGTH);

	ASSERT_EQ(1, got.message.exchange);
	ASSERT_EQ(LENGTH, got.message.length);
	check_pattern(buffer, LENGTH, 5);
	/* It was read now: the answer is on. */
	conclude(pair.service, 1);
	expect_no_message(pair.service);
}

#define REJECT_READ(name, errno_expected, change)                              \
	TEST(name)                                                             \
	{                                                                      \
		int port = port_open();                                        \
		struct pair pair = with_message(port);                         \
		char buffer[LENGTH];                                           \
		struct ipcshim_read_sock_msg args = read_msg_args(buffer, LENGTH); \
		struct state before = state_now(port);                         \
                                                                               \
		change;                                                        \
		ASSERT_ERRNO(errno_expected,                                   \
			     ioctl(pair.service, IPCSHIM_READ_SOCK_MSG, &args)); \
		state_same(port, &before);                                     \
		message_is_there(pair);                                        \
	}

REJECT_READ(read_unknown_flag_is_EINVAL, EINVAL, args.flags |= 2)
REJECT_READ(read_highest_flag_is_EINVAL, EINVAL, args.flags |= 1U << 31)
REJECT_READ(read_with_a_deadline_and_not_to_wait_is_EINVAL, EINVAL,
	    args.deadline = in_nanoseconds(1000000000))
REJECT_READ(read_until_the_end_of_time_is_EINVAL, EINVAL,
	    (args.flags = 0, args.deadline = ~0ULL))
REJECT_READ(read_with_too_much_room_for_descriptors_is_EINVAL, EINVAL,
	    (args.room = IPCSHIM_DESCRIPTORS_MAX + 1, args.descriptors = (uintptr_t)buffer))
REJECT_READ(read_with_room_for_4294967295_descriptors_is_EINVAL, EINVAL,
	    (args.room = 0xffffffff, args.descriptors = (uintptr_t)buffer))
REJECT_READ(read_into_a_bad_address_is_EFAULT_and_the_message_stays, EFAULT,
	    args.buffer = (uintptr_t)bad_address())
REJECT_READ(read_into_address_0_is_EFAULT_and_the_message_stays, EFAULT, args.buffer = 0)
REJECT_READ(read_into_read_only_memory_is_EFAULT_and_the_message_stays, EFAULT,
	    args.buffer = (uintptr_t)read_only_copy(payload, LENGTH))
REJECT_READ(read_of_an_exchange_that_never_was_is_ENOENT, ENOENT, args.message.exchange = 2)
REJECT_READ(read_of_the_exchange_minus_1_is_ENOENT, ENOENT, args.message.exchange = ~0ULL)
REJECT_READ(read_of_an_exchange_beyond_32_bits_is_ENOENT, ENOENT,
	    args.message.exchange = 1ULL << 32 | 1)

TEST(read_into_what_ends_in_a_hole_is_EFAULT_and_the_message_stays)
{
	int port = port_open();
	struct pair pair = with_message(port);
	char *pages = mmap(NULL, 2 * page_size(), PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct ipcshim_read_sock_msg args = read_msg_args(pages + page_size() - LENGTH + 1, LENGTH);
	struct state before = state_now(port);

	ASSERT_TRUE(pages != MAP_FAILED);
	ASSERT_OK(mprotect(pages + page_size(), page_size(), PROT_NONE));
	ASSERT_ERRNO(EFAULT, ioctl(pair.service, IPCSHIM_READ_SOCK_MSG, &args));
	state_same(port, &before);
	message_is_there(pair);
}

TEST(read_at_a_bad_address_and_to_read_only_memory_is_EFAULT_and_the_message_stays)
{
	int port = port_open();
	struct pair pair = with_message(port);
	char buffer[LENGTH];
	struct ipcshim_read_sock_msg args = read_msg_args(buffer, LENGTH);
	void *copy = read_only_copy(&args, sizeof(args));
	struct state before = state_now(port);

	ASSERT_ERRNO(EFAULT, ioctl(pair.service, IPCSHIM_READ_SOCK_MSG, bad_address()));
	ASSERT_ERRNO(EFAULT, ioctl(pair.service, IPCSHIM_READ_SOCK_MSG, copy));
	state_same(port, &before);
	message_is_there(pair);
}

TEST(read_into_a_buffer_too_small_is_EMSGSIZE_tells_the_length_and_the_message_stays)
{
	int port = port_open();
	struct pair pair = with_message(port);
	struct state before = state_now(port);

	for (size_t size = 0; size < LENGTH; size += 33) {
		char buffer[LENGTH];
		struct ipcshim_read_sock_msg args = read_msg_args(buffer, size);

		memset(buffer, 0x5a, sizeof(buffer));
		ASSERT_ERRNO(EMSGSIZE, ioctl(pair.service, IPCSHIM_READ_SOCK_MSG, &args));
		ASSERT_EQ(LENGTH, args.message.length);
		ASSERT_EQ(1, args.message.exchange);
		ASSERT_EQ(METHOD, args.message.code);
		ASSERT_EQ(0, args.message.nr_descriptors);
		for (unsigned int i = 0; i < LENGTH; i++)
			ASSERT_EQ(0x5a, buffer[i]);
		state_same(port, &before);
	}
	/* It was not read: no answer yet. */
	ASSERT_EQ(0, exchange_info(pair.service, 1).turn);
	message_is_there(pair);
}

TEST(read_refused_again_and_again_keeps_the_order)
{
	struct pair pair = pair_open(port_open(), 0);
	char buffer[8];

	for (uint64_t i = 1; i <= 3; i++)
		open_exchange(pair.client, &i, sizeof(i));
	for (uint64_t i = 1; i <= 3; i++) {
		struct ipcshim_read_sock_msg args = read_msg_args(buffer, 7);

		ASSERT_ERRNO(EMSGSIZE, ioctl(pair.service, IPCSHIM_READ_SOCK_MSG, &args));
		ASSERT_EQ(i, args.message.exchange);
		args = read_msg_args(bad_address(), 8);
		ASSERT_ERRNO(EFAULT, ioctl(pair.service, IPCSHIM_READ_SOCK_MSG, &args));
		ASSERT_EQ(4 - i, socket_info(pair.service, "ipcshim-messages"));
		ASSERT_EQ(8 * (4 - i), socket_info(pair.service, "ipcshim-bytes"));
		ASSERT_EQ(i, read_message(pair.service, buffer, 8).message.exchange);
	}
}

TEST(read_of_nothing_is_EAGAIN_by_flag_and_by_O_NONBLOCK)
{
	struct pair pair = pair_nonblocking(port_open());
	struct ipcshim_read_sock_msg args = read_msg_args(payload, LENGTH);

	ASSERT_ERRNO(EAGAIN, ioctl(pair.client, IPCSHIM_READ_SOCK_MSG, &args));
	ASSERT_EQ(0, args.end.how);
	args.flags = 0;
	ASSERT_ERRNO(EAGAIN, ioctl(pair.client, IPCSHIM_READ_SOCK_MSG, &args));
	ASSERT_OK(fcntl(pair.client, F_SETFL, 0));
	args.flags = NOWAIT;
	ASSERT_ERRNO(EAGAIN, ioctl(pair.client, IPCSHIM_READ_SOCK_MSG, &args));
}

TEST(read_of_one_exchange_leaves_the_messages_of_others)
{
	struct pair pair = pair_open(port_open(), 0);
	char buffer[8];

	for (uint64_t i = 1; i <= 3; i++)
		open_exchange(pair.client, &i, sizeof(i));
	for (uint64_t i = 3; i >= 1; i--) {
		struct ipcshim_read_sock_msg args = read_msg_args(buffer, 8);

		args.message.exchange = i;
		ASSERT_OK(ioctl(pair.service, IPCSHIM_READ_SOCK_MSG, &args));
		ASSERT_EQ(i, args.message.exchange);
		ASSERT_EQ(0, memcmp(buffer, &i, sizeof(i)));
		/* Nothing more of it, but it is open. */
		args = read_msg_args(buffer, 8);
		args.message.exchange = i;
		ASSERT_ERRNO(EAGAIN, ioctl(pair.service, IPCSHIM_READ_SOCK_MSG, &args));
	}
	expect_no_message(pair.service);
}

TEST(read_of_a_concluded_exchange_is_ESHUTDOWN_once_nothing_of_it_is_left)
{
	struct pair pair = pair_open(port_open(), 0);
	struct ipcshim_read_sock_msg args = read_msg_args(payload, LENGTH);
	uint64_t exchange = open_exchange(pair.client, payload, 1);

	take_request(pair.service);
	conclude(pair.service, exchange);
	args.message.exchange = exchange;
	ASSERT_ERRNO(ESHUTDOWN, ioctl(pair.service, IPCSHIM_READ_SOCK_MSG, &args));
	args.message.exchange = exchange;
	ASSERT_OK(ioctl(pair.client, IPCSHIM_READ_SOCK_MSG, &args));
	ASSERT_EQ(CLOSES, args.message.status);
	args = read_msg_args(payload, LENGTH);
	args.message.exchange = exchange;
	ASSERT_ERRNO(ESHUTDOWN, ioctl(pair.client, IPCSHIM_READ_SOCK_MSG, &args));
}

TEST(read_waits_for_a_message_and_is_woken_by_it)
{
	struct pair pair = pair_open(port_open(), 0);
	char buffer[LENGTH];
	struct ipcshim_read_sock_msg args = read_msg_args(buffer, LENGTH);
	struct waiter reader;

	fill_pattern(payload, LENGTH, 6);
	args.flags = 0;
	waiter_start(&reader, pair.service, IPCSHIM_READ_SOCK_MSG, &args);
	wait_for_info(pair.service, "ipcshim-readers", 1);
	open_exchange(pair.client, payload, LENGTH);
	ASSERT_EQ(0, waiter_end(&reader));
	ASSERT_EQ(LENGTH, args.message.length);
	check_pattern(buffer, LENGTH, 6);
	ASSERT_EQ(0, socket_info(pair.service, "ipcshim-readers"));
	answer(pair.service, 1, payload, 1);
}

TEST(read_that_waits_with_a_buffer_too_small_leaves_the_message_to_the_next)
{
	struct pair pair = pair_open(port_open(), 0);
	char small[8];
	struct ipcshim_read_sock_msg first = read_msg_args(small, sizeof(small));
	struct ipcshim_read_sock_msg bad = read_msg_args(bad_address(), LENGTH);
	struct waiter readers[2];

	fill_pattern(payload, LENGTH, 5);
	first.flags = bad.flags = 0;
	waiter_start(&readers[0], pair.service, IPCSHIM_READ_SOCK_MSG, &first);
	wait_for_info(pair.service, "ipcshim-readers", 1);
	waiter_start(&readers[1], pair.service, IPCSHIM_READ_SOCK_MSG, &bad);
	wait_for_info(pair.service, "ipcshim-readers", 2);
	ASSERT_EQ(1, open_exchange(pair.client, payload, LENGTH));
	ASSERT_EQ(EMSGSIZE, waiter_end(&readers[0]));
	ASSERT_EQ(LENGTH, first.message.length);
	/* What the first could not take is the second one's, who has a bad address. */
	ASSERT_EQ(EFAULT, waiter_end(&readers[1]));
	message_is_there(pair);
}

TEST(readers_that_wait_get_messages_in_the_order_of_their_coming)
{
	enum { READERS = 4 };
	struct pair pair = pair_open(port_open(), 0);
	struct ipcshim_read_sock_msg args[READERS];
	struct waiter readers[READERS];

	for (unsigned int i = 0; i < READERS; i++) {
		args[i] = read_msg_args(NULL, 0);
		args[i].flags = 0;
		waiter_start(&readers[i], pair.service, IPCSHIM_READ_SOCK_MSG, &args[i]);
		wait_for_info(pair.service, "ipcshim-readers", i + 1);
	}
	for (unsigned int i = 0; i < READERS; i++) {
		uint64_t exchange = open_exchange(pair.client, NULL, 0);

		ASSERT_EQ(0, waiter_end(&readers[i]));
		ASSERT_EQ(exchange, args[i].message.exchange);
		/* No other was woken: those still wait. */
		ASSERT_EQ(READERS - 1 - i, socket_info(pair.service, "ipcshim-readers"));
	}
}

TEST(read_of_an_exchange_that_somebody_waits_for_is_EBUSY)
{
	struct pair pair = pair_open(port_open(), 0);
	uint64_t exchange = open_exchange(pair.client, NULL, 0);
	struct ipcshim_read_sock_msg args = read_msg_args(NULL, 0);
	struct ipcshim_read_sock_msg second = args;
	struct ipcshim_read_sock_msg any = args;
	struct waiter reader;
	struct waiter anybody;

	take_request(pair.service);
	args.flags = any.flags = 0;
	args.message.exchange = second.message.exchange = exchange;
	waiter_start(&reader, pair.client, IPCSHIM_READ_SOCK_MSG, &args);
	wait_for_caller(pair.client, exchange, reader.tid);
	second.flags = 0;
	ASSERT_ERRNO(EBUSY, ioctl(pair.client, IPCSHIM_READ_SOCK_MSG, &second));
	/* Who waits for any gets it not. */
	waiter_start(&anybody, pair.client, IPCSHIM_READ_SOCK_MSG, &any);
	wait_for_info(pair.client, "ipcshim-readers", 1);
	conclude(pair.service, exchange);
	ASSERT_EQ(0, waiter_end(&reader));
	ASSERT_EQ(exchange, args.message.exchange);
	exchange = open_exchange(pair.service, NULL, 0);
	ASSERT_EQ(0, waiter_end(&anybody));
	ASSERT_EQ(exchange, any.message.exchange);
}

TEST(read_until_a_deadline_is_ETIMEDOUT_and_EINTR_after_a_signal)
{
	int port = port_open();
	struct pair pair = pair_open(port, 0);
	struct ipcshim_read_sock_msg args = read_msg_args(NULL, 0);
	struct state before = state_now(port);
	struct waiter reader;

	args.flags = 0;
	args.deadline = in_nanoseconds(20000000);
	ASSERT_ERRNO(ETIMEDOUT, ioctl(pair.service, IPCSHIM_READ_SOCK_MSG, &args));
	ASSERT_TRUE(in_nanoseconds(0) >= args.deadline);
	args.deadline = 1;
	ASSERT_ERRNO(ETIMEDOUT, ioctl(pair.service, IPCSHIM_READ_SOCK_MSG, &args));
	args.deadline = 0;
	waiter_start(&reader, pair.service, IPCSHIM_READ_SOCK_MSG, &args);
	wait_for_info(pair.service, "ipcshim-readers", 1);
	waiter_interrupt(&reader, false);
	ASSERT_EQ(EINTR, waiter_end(&reader));
	ASSERT_EQ(0, socket_info(pair.service, "ipcshim-readers"));
	state_same(port, &before);
	expect_works(pair);
}

TEST(read_interrupted_by_a_signal_with_SA_RESTART_goes_on_waiting)
{
	struct pair pair = pair_open(port_open(), 0);
	struct ipcshim_read_sock_msg args = read_msg_args(NULL, 0);
	struct waiter reader;

	args.flags = 0;
	waiter_start(&reader, pair.service, IPCSHIM_READ_SOCK_MSG, &args);
	wait_for_info(pair.service, "ipcshim-readers", 1);
	waiter_interrupt(&reader, true);
	wait_for_info(pair.service, "ipcshim-readers", 1);
	open_exchange(pair.client, NULL, 0);
	ASSERT_EQ(0, waiter_end(&reader));
	ASSERT_EQ(1, args.message.exchange);
}
