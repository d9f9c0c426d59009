// SPDX-License-Identifier: MIT
/* poll, epoll and O_ASYNC on mapped ends: the other side moves without a call, and wakes. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "harness.h"
#include "mapped.h"

static short ready(int end, short events)
{
	struct pollfd args = { .fd = end, .events = events };

	ASSERT_TRUE(poll(&args, 1, 0) >= 0);
	return args.revents;
}

static void expect_ready(int expected, int end)
{
	ASSERT_EQ(expected, ready(end, POLLIN | POLLOUT | POLLRDHUP));
}

TEST(poll_of_mapped_ends_tells_what_their_ring_holds)
{
	for (unsigned int mode = RAW; mode <= MESSAGE; mode++) {
		struct rings rings = rings_open(mode, 1);
		char got[100];

		expect_ready(POLLOUT, rings.ends.sender);
		expect_ready(0, rings.ends.receiver);
		if (mode == RAW)
			ring_put(&rings.in, got, 100);
		else
			ring_put_message(&rings.in, got, 100);
		expect_ready(POLLOUT, rings.ends.sender);
		expect_ready(POLLIN, rings.ends.receiver);
		if (mode == RAW)
			ring_get(&rings.out, got, 100);
		else
			ring_get_message(&rings.out, got, 100);
		expect_ready(0, rings.ends.receiver);
	}
}

TEST(poll_of_a_mapped_sender_wants_room_for_PIPE_BUF)
{
	struct rings rings = rings_open(RAW, 1);

	producer_moves(&rings.in, UNIT - IPCSHIM_PIPE_BUF + 1);
	expect_ready(0, rings.ends.sender);
	consumer_moves(&rings.out, 1);
	expect_ready(POLLOUT, rings.ends.sender);
	producer_moves(&rings.in, UNIT + 1);
	expect_ready(0, rings.ends.sender);
}

/* A message needs its header as well: to say POLLOUT for less would be for ever. */
TEST(poll_of_a_mapped_sender_wants_room_for_the_whole_record_that_met_EAGAIN)
{
	struct rings rings = rings_open(MESSAGE, 1);
	static char message[8000];

	ASSERT_OK(fcntl(rings.ends.sender, F_SETFL, O_NONBLOCK));
	producer_moves(&rings.in, rings.in.area - sizeof(message));
	ASSERT_ERRNO(EAGAIN, write(rings.ends.sender, message, sizeof(message)));
	expect_ready(0, rings.ends.sender);
	ASSERT_EQ(record_size(sizeof(message)), wake_of(rings.out.producer));
	ASSERT_TRUE(consumer_moves(&rings.out, RECORD));
	expect_ready(POLLOUT, rings.ends.sender);
	ASSERT_EQ(sizeof(message), write(rings.ends.sender, message, sizeof(message)));
	ASSERT_EQ(0, ring_free(&rings.in));
}

TEST(poll_makes_the_other_side_wake_and_a_wake_takes_that_back)
{
	struct rings rings = rings_open(RAW, 1);

	ASSERT_TRUE(!ring_put(&rings.in, "x", 1));
	consumer_moves(&rings.out, 1);
	expect_ready(0, rings.ends.receiver);
	ASSERT_EQ(1, wake_of(rings.in.consumer));
	ASSERT_TRUE(ring_put(&rings.in, "x", 1));
	ASSERT_EQ(0, wake_of(rings.in.consumer));
	/* Nobody polls any more: no call. */
	ASSERT_TRUE(!ring_put(&rings.in, "x", 1));
	producer_moves(&rings.in, UNIT + 1);
	expect_ready(0, rings.ends.sender);
	ASSERT_EQ(IPCSHIM_PIPE_BUF, wake_of(rings.out.producer));
	ASSERT_TRUE(!consumer_moves(&rings.out, IPCSHIM_PIPE_BUF));
	ASSERT_TRUE(consumer_moves(&rings.out, IPCSHIM_PIPE_BUF + 1));
	ASSERT_EQ(0, wake_of(rings.out.producer));
}

/* A thread in poll(2) for one thing, without an end. */
struct poller {
	pthread_t thread;
	struct pollfd args;
};

static void *polls(void *argument)
{
	struct poller *poller = argument;

	ASSERT_EQ(1, poll(&poller->args, 1, -1));
	return NULL;
}

static void poller_start(struct poller *poller, int end, short events)
{
	poller->args = (struct pollfd){ .fd = end, .events = events };
	ASSERT_EQ(0, pthread_create(&poller->thread, NULL, polls, poller));
}

static int poller_end(struct poller *poller)
{
	ASSERT_EQ(0, pthread_join(poller->thread, NULL));
	return poller->args.revents;
}

TEST(a_poll_that_sleeps_is_woken_by_what_the_other_side_does_by_hand)
{
	struct rings rings = rings_open(RAW, 1);
	struct poller poller;

	poller_start(&poller, rings.ends.receiver, POLLIN);
	wait_for_wake(rings.in.consumer, 1);
	ASSERT_TRUE(ring_put(&rings.in, "x", 1));
	ASSERT_EQ(POLLIN, poller_end(&poller));
	producer_moves(&rings.in, UNIT);
	poller_start(&poller, rings.ends.sender, POLLOUT);
	wait_for_wake(rings.out.producer, IPCSHIM_PIPE_BUF);
	ASSERT_TRUE(consumer_moves(&rings.out, IPCSHIM_PIPE_BUF));
	ASSERT_EQ(POLLOUT, poller_end(&poller));
}

TEST(a_poll_that_sleeps_is_woken_by_the_drivers_own_write_and_read)
{
	struct rings rings = rings_open(MESSAGE, 1);
	struct poller poller;
	char byte;

	poller_start(&poller, rings.ends.receiver, POLLIN);
	wait_for_wake(rings.in.consumer, 1);
	ASSERT_EQ(1, write(rings.ends.sender, "x", 1));
	ASSERT_EQ(POLLIN, poller_end(&poller));
	ASSERT_EQ(1, read(rings.ends.receiver, &byte, 1));
	ASSERT_OK(fcntl(rings.ends.sender, F_SETFL, O_NONBLOCK));
	while (write(rings.ends.sender, rings.in.data, IPCSHIM_PIPE_BUF) > 0)
		;
	ASSERT_EQ(EAGAIN, errno);
	poller_start(&poller, rings.ends.sender, POLLOUT);
	while (!wake_of(rings.out.producer))
		;
	while (info_of(rings.ends.receiver).messages_waiting) {
		static char message[IPCSHIM_PIPE_BUF];

		ASSERT_EQ(sizeof(message), read(rings.ends.receiver, message, sizeof(message)));
	}
	ASSERT_EQ(POLLOUT, poller_end(&poller));
}

/* A wait and a poll of one end: the one that needs less rules, and neither is lost. */
TEST(a_wait_and_a_poll_of_one_end_are_both_woken)
{
	struct rings rings = rings_open(RAW, 1);
	struct ipcshim_pipe_wait args = nowait_args(1);
	struct poller poller;

	expect_ready(0, rings.ends.receiver);
	args.need = 100;
	ASSERT_ERRNO(EAGAIN, ioctl(rings.ends.receiver, IPCSHIM_PIPE_WAIT, &args));
	/* What a refusal leaves must not undo what poll asked for. */
	poller_start(&poller, rings.ends.receiver, POLLIN);
	wait_for_wake(rings.in.consumer, 1);
	args = wait_args(100);
	args.deadline = 1;
	ASSERT_ERRNO(ETIMEDOUT, ioctl(rings.ends.receiver, IPCSHIM_PIPE_WAIT, &args));
	ASSERT_EQ(1, wake_of(rings.in.consumer));
	ASSERT_TRUE(ring_put(&rings.in, "x", 1));
	ASSERT_EQ(POLLIN, poller_end(&poller));
}

/* epoll. */

static int epoll_on(int end, uint32_t events)
{
	struct epoll_event event = { .events = events };
	int epoll = epoll_create1(EPOLL_CLOEXEC);

	ASSERT_OK(epoll);
	ASSERT_OK(epoll_ctl(epoll, EPOLL_CTL_ADD, end, &event));
	return epoll;
}

static uint32_t told(int epoll, int timeout)
{
	struct epoll_event event = { 0 };
	int count = epoll_wait(epoll, &event, 1, timeout);

	ASSERT_TRUE(count >= 0);
	return event.events;
}

TEST(epoll_level_triggered_tells_of_what_was_put_by_hand_as_long_as_it_is_there)
{
	struct rings rings = rings_open(RAW, 1);
	int epoll = epoll_on(rings.ends.receiver, EPOLLIN);
	char byte;

	for (int round = 0; round < 3; round++) {
		ASSERT_EQ(0, told(epoll, 0));
		ASSERT_TRUE(ring_put(&rings.in, "x", 1));
		ASSERT_EQ(EPOLLIN, told(epoll, -1));
		ASSERT_EQ(EPOLLIN, told(epoll, 0));
		ring_get(&rings.out, &byte, 1);
		ASSERT_EQ(0, told(epoll, 0));
	}
}

TEST(epoll_edge_triggered_tells_once_of_each_time_that_something_came)
{
	struct rings rings = rings_open(RAW, 1);
	int epoll = epoll_on(rings.ends.receiver, EPOLLIN | EPOLLET);
	char two[2];

	for (int round = 0; round < 3; round++) {
		ASSERT_EQ(0, told(epoll, 0));
		ASSERT_TRUE(ring_put(&rings.in, "x", 1));
		ASSERT_EQ(EPOLLIN, told(epoll, -1));
		ASSERT_EQ(0, told(epoll, 0));
		/* One more, before the first was taken: that is news. */
		ASSERT_TRUE(ring_put(&rings.in, "x", 1));
		ASSERT_EQ(EPOLLIN, told(epoll, -1));
		ring_get(&rings.out, two, 2);
	}
}

TEST(epoll_tells_a_mapped_sender_of_room)
{
	struct rings rings = rings_open(RAW, 1);
	int level = epoll_on(rings.ends.sender, EPOLLOUT);
	int edge = epoll_on(rings.ends.sender, EPOLLOUT | EPOLLET);

	ASSERT_EQ(EPOLLOUT, told(level, 0));
	ASSERT_EQ(EPOLLOUT, told(edge, 0));
	for (uint64_t round = 1; round < 4; round++) {
		producer_moves(&rings.in, round * UNIT);
		ASSERT_EQ(0, told(level, 0));
		ASSERT_EQ(0, told(edge, 0));
		ASSERT_TRUE(consumer_moves(&rings.out, round * UNIT));
		ASSERT_EQ(EPOLLOUT, told(level, -1));
		ASSERT_EQ(EPOLLOUT, told(edge, -1));
		ASSERT_EQ(0, told(edge, 0));
	}
}

/* O_ASYNC. */

static void signalled(int end, int signal)
{
	ASSERT_OK(fcntl(end, F_SETOWN, getpid()));
	ASSERT_OK(fcntl(end, F_SETSIG, signal));
	ASSERT_OK(fcntl(end, F_SETFL, O_ASYNC));
}

TEST(O_ASYNC_raises_a_signal_for_what_was_put_or_taken_by_hand)
{
	struct rings rings = rings_open(RAW, 1);
	const struct timespec none = { 0 };
	siginfo_t info;
	sigset_t set;
	char byte;

	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN);
	sigaddset(&set, SIGRTMIN + 1);
	ASSERT_OK(sigprocmask(SIG_BLOCK, &set, NULL));
	signalled(rings.ends.receiver, SIGRTMIN);
	for (int round = 0; round < 3; round++) {
		ASSERT_TRUE(ring_put(&rings.in, "x", 1));
		ASSERT_EQ(SIGRTMIN, sigwaitinfo(&set, &info));
		ASSERT_EQ(rings.ends.receiver, info.si_fd);
		ASSERT_EQ(POLL_IN, info.si_code);
		ring_get(&rings.out, &byte, 1);
	}
	ASSERT_OK(fcntl(rings.ends.receiver, F_SETFL, 0));
	signalled(rings.ends.sender, SIGRTMIN + 1);
	producer_moves(&rings.in, UNIT);
	while (sigtimedwait(&set, &info, &none) > 0)
		; /* of what was there before */
	ASSERT_TRUE(consumer_moves(&rings.out, UNIT));
	ASSERT_EQ(SIGRTMIN + 1, sigwaitinfo(&set, &info));
	ASSERT_EQ(rings.ends.sender, info.si_fd);
	ASSERT_EQ(POLL_OUT, info.si_code);
}

/* The end. */

TEST(poll_tells_a_mapped_side_of_the_end_of_the_other)
{
	struct rings rings = rings_open(RAW, 1);
	struct poller poller;

	poller_start(&poller, rings.ends.receiver, POLLIN);
	wait_for_wake(rings.in.consumer, 1);
	ring_unmap(&rings.in);
	close(rings.ends.sender);
	ASSERT_EQ(POLLHUP, poller_end(&poller));
	expect_ready(POLLHUP | POLLRDHUP, rings.ends.receiver);
	rings = rings_open(RAW, 1);
	producer_moves(&rings.in, UNIT);
	poller_start(&poller, rings.ends.sender, POLLOUT);
	wait_for_wake(rings.out.producer, IPCSHIM_PIPE_BUF);
	ring_unmap(&rings.out);
	close(rings.ends.receiver);
	ASSERT_EQ(POLLOUT | POLLERR, poller_end(&poller));
}
