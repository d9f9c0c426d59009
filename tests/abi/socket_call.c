// SPDX-License-Identifier: MIT
/* CALL: what is refused, how it goes on after it was interrupted, and whose answer is whose. */
#include <errno.h>
#include <sched.h>
#include <string.h>
#include <unistd.h>

#include "harness.h"
#include "sockets.h"

enum { LENGTH = 100 };

static char payload[LARGEST + 1];
static char got[LARGEST + 1];

/* Nothing was sent. */
#define REJECT_CALL(name, errno_expected, change)                              \
	TEST(name)                                                             \
	{                                                                      \
		int port = port_open();                                        \
		struct pair pair = pair_open(port, 0);                         \
		struct ipcshim_call args = call_args(payload, LENGTH, got, LENGTH); \
		struct state before = state_now(port);                         \
                                                                               \
		change;                                                        \
		ASSERT_ERRNO(errno_expected, ioctl(pair.client, IPCSHIM_CALL, &args)); \
		ASSERT_EQ(0, args.flags & SENT);                               \
		state_same(port, &before);                                     \
		expect_no_message(pair.service);                               \
	}

REJECT_CALL(call_flag_nowait_is_EINVAL, EINVAL, args.flags = NOWAIT)
REJECT_CALL(call_unknown_flag_is_EINVAL, EINVAL, args.flags = 4)
REJECT_CALL(call_highest_flag_is_EINVAL, EINVAL, args.flags = 1U << 31)
REJECT_CALL(call_until_the_end_of_time_is_EINVAL, EINVAL, args.deadline = ~0ULL)
REJECT_CALL(call_that_closes_is_EINVAL, EINVAL, args.message.status = CLOSES)
REJECT_CALL(call_with_an_unknown_status_bit_is_EINVAL, EINVAL, args.message.status = 8)
REJECT_CALL(call_with_an_error_is_EINVAL, EINVAL, args.message.error = 1)
REJECT_CALL(call_with_too_many_descriptors_is_EINVAL, EINVAL,
	    args.message.nr_descriptors = IPCSHIM_DESCRIPTORS_MAX + 1)
REJECT_CALL(call_with_too_much_room_for_descriptors_is_EINVAL, EINVAL,
	    (args.room = IPCSHIM_DESCRIPTORS_MAX + 1, args.descriptors = (uintptr_t)got))
REJECT_CALL(call_of_one_byte_too_many_is_EMSGSIZE, EMSGSIZE, args.message.length = LARGEST + 1)
REJECT_CALL(call_of_as_much_as_a_length_can_say_is_EMSGSIZE, EMSGSIZE,
	    args.message.length = ~0ULL)
REJECT_CALL(call_with_a_request_at_a_bad_address_is_EFAULT, EFAULT,
	    args.request = (uintptr_t)bad_address())
REJECT_CALL(call_with_descriptors_at_a_bad_address_is_EFAULT, EFAULT,
	    (args.message.nr_descriptors = 1,
	     args.request_descriptors = (uintptr_t)bad_address()))
REJECT_CALL(call_in_an_exchange_that_never_was_is_ENOENT, ENOENT,
	    (args.message.exchange = 1, args.message.code = 0))

TEST(call_that_says_it_was_sent_in_an_exchange_that_never_was_is_ENOENT)
{
	int port = port_open();
	struct pair pair = pair_open(port, 0);
	struct ipcshim_call args = call_args(payload, LENGTH, got, LENGTH);
	struct state before = state_now(port);

	args.flags = SENT;
	args.message.exchange = 1;
	ASSERT_ERRNO(ENOENT, ioctl(pair.client, IPCSHIM_CALL, &args));
	args.message.exchange = ~0ULL;
	ASSERT_ERRNO(ENOENT, ioctl(pair.client, IPCSHIM_CALL, &args));
	state_same(port, &before);
	expect_no_message(pair.service);
}

TEST(call_at_a_bad_address_and_to_read_only_memory_is_EFAULT_and_nothing_was_sent)
{
	int port = port_open();
	struct pair pair = pair_open(port, 0);
	struct ipcshim_call args = call_args(payload, LENGTH, got, LENGTH);
	void *copy = read_only_copy(&args, sizeof(args));
	struct state before = state_now(port);

	ASSERT_ERRNO(EFAULT, ioctl(pair.client, IPCSHIM_CALL, bad_address()));
	ASSERT_ERRNO(EFAULT, ioctl(pair.client, IPCSHIM_CALL, copy));
	state_same(port, &before);
	expect_no_message(pair.service);
}

/* A call of a thread, until it waits for the answer; the request was read. */
struct caller {
	struct ipcshim_call args;
	struct waiter thread;
	uint64_t exchange;
};

static void call_goes_on(struct caller *caller, int socket)
{
	waiter_start(&caller->thread, socket, IPCSHIM_CALL, &caller->args);
	wait_for_caller(socket, caller->exchange, caller->thread.tid);
}

static void call_start(struct caller *caller, struct pair pair)
{
	struct ipcshim_read_sock_msg request = read_msg_args(got, LARGEST);

	caller->args = call_args(payload, LENGTH, got, LENGTH);
	waiter_start(&caller->thread, pair.client, IPCSHIM_CALL, &caller->args);
	request.flags = 0;
	ASSERT_OK(ioctl(pair.service, IPCSHIM_READ_SOCK_MSG, &request));
	caller->exchange = request.message.exchange;
	wait_for_caller(pair.client, caller->exchange, caller->thread.tid);
	memset(got, 0x5a, sizeof(got));
}

static void call_is_answered(struct caller *caller, struct pair pair)
{
	fill_pattern(payload, LENGTH, 9);
	answer(pair.service, caller->exchange, payload, LENGTH);
	ASSERT_EQ(0, waiter_end(&caller->thread));
	/* Nothing is left of it: the structure can be used again. */
	ASSERT_EQ(0, caller->args.flags);
	ASSERT_EQ(caller->exchange, caller->args.message.exchange);
	ASSERT_EQ(2, caller->args.message.counter);
	ASSERT_EQ(LENGTH, caller->args.message.length);
	check_pattern(got, LENGTH, 9);
	expect_no_message(pair.client);
	expect_no_message(pair.service);
}

TEST(call_sends_and_returns_with_the_answer_and_its_header)
{
	struct pair pair = pair_open(port_open(), 0);
	struct ipcshim_send_sock_msg reply;
	struct caller caller;

	fill_pattern(payload, LENGTH, 8);
	call_start(&caller, pair);
	ASSERT_EQ(caller.thread.tid, exchange_info(pair.service, caller.exchange).waits);
	reply = answer_args(caller.exchange, payload, 7);
	reply.message.error = 0x4321;
	ASSERT_OK(ioctl(pair.service, IPCSHIM_SEND_SOCK_MSG, &reply));
	/* An error in the answer is not one of the call. */
	ASSERT_EQ(0, waiter_end(&caller.thread));
	ASSERT_EQ(caller.exchange, caller.args.message.exchange);
	ASSERT_EQ(7, caller.args.message.length);
	ASSERT_EQ(2, caller.args.message.counter);
	ASSERT_EQ(METHOD, caller.args.message.code);
	ASSERT_EQ(0, caller.args.message.status & ~CLOSES);
	ASSERT_EQ(0x4321, caller.args.message.error);
	ASSERT_EQ(0, caller.args.message.nr_descriptors);
	ASSERT_EQ(getpid(), caller.args.message.pid);
	ASSERT_EQ(0, caller.args.uid);
	ASSERT_EQ(0, caller.args.end.how);
	check_pattern(got, 7, 8);
	ASSERT_EQ(0x5a, got[7]);
	ASSERT_TRUE(!exchange_info(pair.client, caller.exchange).open);
}

TEST(call_within_an_open_exchange_goes_on_with_it)
{
	struct pair pair = pair_open(port_open(), 0);
	struct caller caller;

	call_start(&caller, pair);
	call_is_answered(&caller, pair);
	for (uint32_t round = 2; round < 4; round++) {
		struct ipcshim_read_sock_msg request = read_msg_args(got, LARGEST);

		caller.args = call_args(payload, LENGTH, got, LENGTH);
		caller.args.message.exchange = caller.exchange;
		caller.args.message.code = 0;
		waiter_start(&caller.thread, pair.client, IPCSHIM_CALL, &caller.args);
		request.flags = 0;
		ASSERT_OK(ioctl(pair.service, IPCSHIM_READ_SOCK_MSG, &request));
		ASSERT_EQ(caller.exchange, request.message.exchange);
		ASSERT_EQ(2 * round - 1, request.message.counter);
		answer(pair.service, caller.exchange, payload, 1);
		ASSERT_EQ(0, waiter_end(&caller.thread));
		ASSERT_EQ(2 * round, caller.args.message.counter);
	}
}

TEST(call_of_a_notification_by_the_service_is_answered_by_the_client)
{
	struct pair pair = pair_open(port_open(), 0);
	struct pair turned = { pair.service, pair.client, pair.connection };
	struct caller caller;

	call_start(&caller, turned);
	ASSERT_EQ(SERVICE, exchange_info(pair.client, caller.exchange).opener);
	call_is_answered(&caller, turned);
	ASSERT_EQ(NOTIFICATION, caller.args.message.status & NOTIFICATION);
}

TEST(call_interrupted_by_a_signal_is_EINTR_and_goes_on_with_the_same_structure)
{
	int port = port_open();
	struct pair pair = pair_open(port, 0);
	struct caller caller;
	struct state before;

	call_start(&caller, pair);
	before = state_now(port);
	for (int i = 0; i < 3; i++) {
		waiter_interrupt(&caller.thread, false);
		ASSERT_EQ(EINTR, waiter_end(&caller.thread));
		ASSERT_EQ(SENT, caller.args.flags);
		ASSERT_EQ(caller.exchange, caller.args.message.exchange);
		ASSERT_EQ(0, exchange_info(pair.client, caller.exchange).waits);
		state_same(port, &before);
		call_goes_on(&caller, pair.client);
		/* Nothing was sent once more. */
		expect_no_message(pair.service);
	}
	call_is_answered(&caller, pair);
}

TEST(call_interrupted_by_a_signal_with_SA_RESTART_goes_on_by_itself)
{
	struct pair pair = pair_open(port_open(), 0);
	struct caller caller;

	call_start(&caller, pair);
	waiter_interrupt(&caller.thread, true);
	wait_for_caller(pair.client, caller.exchange, caller.thread.tid);
	expect_no_message(pair.service);
	call_is_answered(&caller, pair);
}

TEST(call_that_is_not_answered_until_its_deadline_is_ETIMEDOUT_and_can_go_on)
{
	struct pair pair = pair_open(port_open(), 0);
	struct caller caller = { .args = call_args(payload, LENGTH, got, LENGTH) };
	uint64_t deadline = in_nanoseconds(20000000);

	caller.args.deadline = deadline;
	ASSERT_ERRNO(ETIMEDOUT, ioctl(pair.client, IPCSHIM_CALL, &caller.args));
	ASSERT_TRUE(in_nanoseconds(0) >= deadline);
	ASSERT_EQ(SENT, caller.args.flags);
	ASSERT_EQ(1, caller.args.message.exchange);
	ASSERT_EQ(1, socket_info(pair.service, "ipcshim-messages"));
	/* Still too late: nothing is sent for that. */
	ASSERT_ERRNO(ETIMEDOUT, ioctl(pair.client, IPCSHIM_CALL, &caller.args));
	ASSERT_EQ(1, socket_info(pair.service, "ipcshim-messages"));
	caller.exchange = take_request(pair.service);
	caller.args.deadline = 0;
	call_goes_on(&caller, pair.client);
	call_is_answered(&caller, pair);
}

TEST(call_given_up_has_its_answer_waiting_for_read_and_for_no_other_call)
{
	struct pair pair = pair_open(port_open(), 0);
	struct ipcshim_call late = call_args(payload, LENGTH, got, LENGTH);
	struct ipcshim_read_sock_msg reply = { 0 };
	struct caller next;

	late.deadline = in_nanoseconds(1000000);
	ASSERT_ERRNO(ETIMEDOUT, ioctl(pair.client, IPCSHIM_CALL, &late));
	ASSERT_EQ(late.message.exchange, take_request(pair.service));
	call_start(&next, pair);
	answer(pair.service, late.message.exchange, "late", 4);
	ASSERT_EQ(1, socket_info(pair.client, "ipcshim-messages"));
	ASSERT_EQ(next.thread.tid, exchange_info(pair.client, next.exchange).waits);
	reply = read_message(pair.client, payload, LENGTH);
	ASSERT_EQ(late.message.exchange, reply.message.exchange);
	ASSERT_EQ(0, memcmp(payload, "late", 4));
	call_is_answered(&next, pair);
}

TEST(call_given_up_finds_its_answer_when_it_goes_on_later)
{
	struct pair pair = pair_open(port_open(), 0);
	struct ipcshim_call args = call_args(payload, LENGTH, got, LENGTH);

	args.deadline = in_nanoseconds(1000000);
	ASSERT_ERRNO(ETIMEDOUT, ioctl(pair.client, IPCSHIM_CALL, &args));
	take_request(pair.service);
	answer(pair.service, args.message.exchange, "late", 4);
	/* It is there already: the deadline does not matter. */
	args.deadline = 0;
	ASSERT_OK(ioctl(pair.client, IPCSHIM_CALL, &args));
	ASSERT_EQ(4, args.message.length);
	ASSERT_EQ(0, memcmp(got, "late", 4));
	expect_no_message(pair.client);
}

TEST(call_with_a_buffer_too_small_for_the_answer_is_EMSGSIZE_and_goes_on_with_a_larger_one)
{
	struct pair pair = pair_open(port_open(), 0);
	struct caller caller;

	caller.args = call_args(payload, LENGTH, got, 5);
	waiter_start(&caller.thread, pair.client, IPCSHIM_CALL, &caller.args);
	while (!readable(pair.service))
		sched_yield();
	caller.exchange = take_request(pair.service);
	fill_pattern(payload, LENGTH, 4);
	answer(pair.service, caller.exchange, payload, LENGTH);
	ASSERT_EQ(EMSGSIZE, waiter_end(&caller.thread));
	ASSERT_EQ(SENT, caller.args.flags);
	ASSERT_EQ(caller.exchange, caller.args.message.exchange);
	ASSERT_EQ(LENGTH, caller.args.message.length);
	ASSERT_EQ(1, socket_info(pair.client, "ipcshim-messages"));
	caller.args.size = LENGTH;
	ASSERT_OK(ioctl(pair.client, IPCSHIM_CALL, &caller.args));
	check_pattern(got, LENGTH, 4);
	expect_no_message(pair.client);
	expect_no_message(pair.service);
}

TEST(call_with_a_bad_address_for_the_answer_is_EFAULT_and_goes_on_with_a_good_one)
{
	struct pair pair = pair_open(port_open(), 0);
	struct caller caller;

	caller.args = call_args(payload, LENGTH, bad_address(), LENGTH);
	waiter_start(&caller.thread, pair.client, IPCSHIM_CALL, &caller.args);
	while (!readable(pair.service))
		sched_yield();
	caller.exchange = take_request(pair.service);
	fill_pattern(payload, LENGTH, 4);
	answer(pair.service, caller.exchange, payload, LENGTH);
	ASSERT_EQ(EFAULT, waiter_end(&caller.thread));
	ASSERT_EQ(SENT, caller.args.flags);
	ASSERT_EQ(caller.exchange, caller.args.message.exchange);
	caller.args.buffer = (uintptr_t)got;
	ASSERT_OK(ioctl(pair.client, IPCSHIM_CALL, &caller.args));
	check_pattern(got, LENGTH, 4);
	expect_no_message(pair.client);
}

TEST(calls_of_many_threads_on_one_socket_each_get_their_own_answer)
{
	enum { CALLERS = 6 };
	struct pair pair = pair_open(port_open(), 0);
	struct ipcshim_call args[CALLERS];
	struct waiter threads[CALLERS];
	uint64_t values[CALLERS];
	uint64_t answers[CALLERS] = { 0 };
	uint64_t exchanges[CALLERS];

	for (unsigned int i = 0; i < CALLERS; i++) {
		struct ipcshim_read_sock_msg request = read_msg_args(got, LARGEST);

		values[i] = 1000 + i;
		args[i] = call_args(&values[i], 8, &answers[i], 8);
		waiter_start(&threads[i], pair.client, IPCSHIM_CALL, &args[i]);
		request.flags = 0;
		ASSERT_OK(ioctl(pair.service, IPCSHIM_READ_SOCK_MSG, &request));
		exchanges[i] = request.message.exchange;
		wait_for_caller(pair.client, exchanges[i], threads[i].tid);
	}
	for (unsigned int i = CALLERS; i-- > 0;) {
		uint64_t value = 2 * values[i];

		answer(pair.service, exchanges[i], &value, 8);
		ASSERT_EQ(0, waiter_end(&threads[i]));
		ASSERT_EQ(value, answers[i]);
	}
	expect_no_message(pair.client);
}

TEST(call_does_not_mind_O_NONBLOCK)
{
	struct pair pair = pair_nonblocking(port_open());
	struct ipcshim_call args = call_args(payload, LENGTH, got, LENGTH);

	args.deadline = in_nanoseconds(5000000);
	ASSERT_ERRNO(ETIMEDOUT, ioctl(pair.client, IPCSHIM_CALL, &args));
	ASSERT_EQ(SENT, args.flags);
}

TEST(call_that_was_sent_is_EBUSY_while_another_waits_for_its_answer)
{
	struct pair pair = pair_open(port_open(), 0);
	struct ipcshim_call second;
	struct caller caller;

	call_start(&caller, pair);
	second = call_args(NULL, 0, payload, LENGTH);
	second.flags = SENT;
	second.message.exchange = caller.exchange;
	ASSERT_ERRNO(EBUSY, ioctl(pair.client, IPCSHIM_CALL, &second));
	call_is_answered(&caller, pair);
}
