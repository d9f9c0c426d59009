// SPDX-License-Identifier: MIT
/* PIPE_WAIT and PIPE_WAKE: what is refused, what ends a wait, and what it leaves. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness.h"
#include "mapped.h"
#include "sockets.h"

enum { A_MOMENT = 20000000 }; /* ns */

static const struct ipcshim_mapped_index *index_of(const struct rings *rings, int end)
{
	return end == rings->ends.sender ? rings->in.producer : rings->out.consumer;
}

/* Both ends; neither says that it waits afterwards. */
#define REJECT_WAIT(name, errno_expected, change)                              \
	TEST(name)                                                             \
	{                                                                      \
		struct rings rings = rings_open(RAW, 1);                       \
		struct ipcshim_pipe_wait args = wait_args(1);                  \
                                                                               \
		change;                                                        \
		ASSERT_ERRNO(errno_expected,                                   \
			     ioctl(rings.ends.sender, IPCSHIM_PIPE_WAIT, &args)); \
		ASSERT_ERRNO(errno_expected,                                   \
			     ioctl(rings.ends.receiver, IPCSHIM_PIPE_WAIT, &args)); \
		ASSERT_EQ(0, wake_of(rings.in.producer));                      \
		ASSERT_EQ(0, wake_of(rings.in.consumer));                      \
	}

REJECT_WAIT(pipe_wait_need_0_is_EINVAL, EINVAL, args.need = 0)
REJECT_WAIT(pipe_wait_need_above_the_area_is_EINVAL, EINVAL, args.need = UNIT + 1)
REJECT_WAIT(pipe_wait_highest_need_is_EINVAL, EINVAL, args.need = ~0U)
REJECT_WAIT(pipe_wait_unknown_flag_is_EINVAL, EINVAL, args.flags = 2)
REJECT_WAIT(pipe_wait_highest_flag_is_EINVAL, EINVAL, args.flags = 1U << 31)
REJECT_WAIT(pipe_wait_deadline_with_NOWAIT_is_EINVAL, EINVAL,
	    (args.flags = IPCSHIM_WAIT_NOWAIT, args.deadline = 1))
REJECT_WAIT(pipe_wait_deadline_beyond_the_clock_is_EINVAL, EINVAL, args.deadline = 1ULL << 63)

TEST(pipe_wait_at_a_bad_address_is_EFAULT)
{
	struct ends ends = mapped_open(port_open(), RAW, 1);

	ASSERT_ERRNO(EFAULT, ioctl(ends.sender, IPCSHIM_PIPE_WAIT, bad_address()));
	ASSERT_ERRNO(EFAULT, ioctl(ends.receiver, IPCSHIM_PIPE_WAIT, bad_address()));
}

TEST(pipe_wait_and_pipe_wake_of_a_pipe_that_was_not_opened_mapped_are_EINVAL)
{
	struct ends ends = ends_open(port_open(), RAW, 1);
	struct ipcshim_pipe_wait wait = nowait_args(1);
	struct ipcshim_pipe_wake wake = { 0 };

	ASSERT_ERRNO(EINVAL, ioctl(ends.sender, IPCSHIM_PIPE_WAIT, &wait));
	ASSERT_ERRNO(EINVAL, ioctl(ends.receiver, IPCSHIM_PIPE_WAIT, &wait));
	ASSERT_ERRNO(EINVAL, ioctl(ends.sender, IPCSHIM_PIPE_WAKE, &wake));
	ASSERT_ERRNO(EINVAL, ioctl(ends.receiver, IPCSHIM_PIPE_WAKE, &wake));
}

TEST(pipe_wake_with_flags_or_reserved_is_EINVAL_and_at_a_bad_address_EFAULT)
{
	struct ends ends = mapped_open(port_open(), RAW, 1);
	struct ipcshim_pipe_wake args = { .flags = 1 };

	ASSERT_ERRNO(EINVAL, ioctl(ends.sender, IPCSHIM_PIPE_WAKE, &args));
	args = (struct ipcshim_pipe_wake){ .reserved = 1 };
	ASSERT_ERRNO(EINVAL, ioctl(ends.receiver, IPCSHIM_PIPE_WAKE, &args));
	ASSERT_ERRNO(EFAULT, ioctl(ends.sender, IPCSHIM_PIPE_WAKE, bad_address()));
}

TEST(pipe_wake_of_nobody_succeeds)
{
	struct rings rings = rings_open(RAW, 1);
	struct ipcshim_pipe_wake args = { 0 };

	ASSERT_OK(ioctl(rings.ends.sender, IPCSHIM_PIPE_WAKE, &args));
	ASSERT_OK(ioctl(rings.ends.receiver, IPCSHIM_PIPE_WAKE, &args));
	close(rings.ends.receiver);
	ring_unmap(&rings.out);
	ASSERT_OK(ioctl(rings.ends.sender, IPCSHIM_PIPE_WAKE, &args));
}

/* What is so already. */

TEST(pipe_wait_for_what_is_there_returns_at_once)
{
	struct rings rings = rings_open(RAW, 1);

	ring_wait(&rings.in, 1);
	ring_wait(&rings.in, UNIT);
	producer_moves(&rings.in, UNIT - 10);
	ring_wait(&rings.in, 10);
	ring_wait(&rings.out, UNIT - 10);
	producer_moves(&rings.in, UNIT);
	ring_wait(&rings.out, UNIT);
	ring_wait(&rings.out, 1);
	ASSERT_EQ(0, wake_of(rings.in.producer));
	ASSERT_EQ(0, wake_of(rings.in.consumer));
}

TEST(pipe_wait_NOWAIT_is_EAGAIN_for_what_is_not_there)
{
	struct rings rings = rings_open(RAW, 1);
	struct ipcshim_pipe_wait args = nowait_args(1);

	ASSERT_ERRNO(EAGAIN, ioctl(rings.ends.receiver, IPCSHIM_PIPE_WAIT, &args));
	producer_moves(&rings.in, 100);
	ASSERT_OK(ioctl(rings.ends.receiver, IPCSHIM_PIPE_WAIT, &args));
	args.need = 101;
	ASSERT_ERRNO(EAGAIN, ioctl(rings.ends.receiver, IPCSHIM_PIPE_WAIT, &args));
	args.need = UNIT - 99;
	ASSERT_ERRNO(EAGAIN, ioctl(rings.ends.sender, IPCSHIM_PIPE_WAIT, &args));
	args.need--;
	ASSERT_OK(ioctl(rings.ends.sender, IPCSHIM_PIPE_WAIT, &args));
}

TEST(pipe_wait_counts_records_whole)
{
	struct rings rings = rings_open(MESSAGE, 1);
	struct ipcshim_pipe_wait args = nowait_args(16);

	ring_put_message(&rings.in, "1", 1);
	ASSERT_OK(ioctl(rings.ends.receiver, IPCSHIM_PIPE_WAIT, &args));
	args.need = 17;
	ASSERT_ERRNO(EAGAIN, ioctl(rings.ends.receiver, IPCSHIM_PIPE_WAIT, &args));
	args.need = (uint32_t)rings.in.area - 16;
	ASSERT_OK(ioctl(rings.ends.sender, IPCSHIM_PIPE_WAIT, &args));
	args.need++;
	ASSERT_ERRNO(EAGAIN, ioctl(rings.ends.sender, IPCSHIM_PIPE_WAIT, &args));
}

/* Deadlines. */

TEST(pipe_wait_until_a_deadline_is_ETIMEDOUT_and_not_before_it)
{
	struct rings rings = rings_open(RAW, 1);
	struct ipcshim_pipe_wait args = wait_args(UNIT);

	producer_moves(&rings.in, 1);
	for (int end = 0; end < 2; end++) {
		args.deadline = in_nanoseconds(A_MOMENT);
		ASSERT_ERRNO(ETIMEDOUT, ioctl(end ? rings.ends.sender : rings.ends.receiver,
					      IPCSHIM_PIPE_WAIT, &args));
		ASSERT_TRUE(in_nanoseconds(0) >= args.deadline);
	}
	args.deadline = 1; /* long ago */
	ASSERT_ERRNO(ETIMEDOUT, ioctl(rings.ends.receiver, IPCSHIM_PIPE_WAIT, &args));
	/* What is there needs no time. */
	args.need = 1;
	ASSERT_OK(ioctl(rings.ends.receiver, IPCSHIM_PIPE_WAIT, &args));
	ASSERT_EQ(0, wake_of(rings.in.producer));
	ASSERT_EQ(0, wake_of(rings.in.consumer));
}

/* A thread that waits, and says so in its page. */
struct sleeper {
	struct waiter waiter;
	struct ipcshim_pipe_wait args;
};

static void sleeper_start(struct sleeper *sleeper, const struct rings *rings, int end,
			  uint32_t need)
{
	sleeper->args = wait_args(need);
	waiter_start(&sleeper->waiter, end, IPCSHIM_PIPE_WAIT, &sleeper->args);
	wait_for_wake(index_of(rings, end), need);
	wait_until_asleep(sleeper->waiter.tid);
}

TEST(a_receiver_that_waits_says_how_much_it_needs_and_is_woken_by_that)
{
	struct rings rings = rings_open(RAW, 1);
	struct sleeper sleeper;

	sleeper_start(&sleeper, &rings, rings.ends.receiver, 100);
	ASSERT_TRUE(info_of(rings.ends.sender).flags & IPCSHIM_INFO_READ_WAITS);
	ASSERT_TRUE(!producer_moves(&rings.in, 99));
	ASSERT_EQ(100, wake_of(rings.in.consumer));
	ASSERT_TRUE(producer_moves(&rings.in, 100));
	ASSERT_EQ(0, waiter_end(&sleeper.waiter));
	ASSERT_EQ(0, wake_of(rings.in.consumer));
	ASSERT_TRUE(!(info_of(rings.ends.sender).flags & IPCSHIM_INFO_READ_WAITS));
}

TEST(a_sender_that_waits_says_how_much_it_needs_and_is_woken_by_that)
{
	struct rings rings = rings_open(RAW, 1);
	struct sleeper sleeper;

	producer_moves(&rings.in, UNIT);
	sleeper_start(&sleeper, &rings, rings.ends.sender, UNIT / 2);
	ASSERT_TRUE(info_of(rings.ends.sender).flags & IPCSHIM_INFO_WRITE_WAITS);
	ASSERT_TRUE(!consumer_moves(&rings.out, UNIT / 2 - 1));
	ASSERT_EQ(UNIT / 2, wake_of(rings.out.producer));
	ASSERT_TRUE(consumer_moves(&rings.out, UNIT / 2));
	ASSERT_EQ(0, waiter_end(&sleeper.waiter));
	ASSERT_EQ(0, wake_of(rings.out.producer));
}

TEST(a_wake_too_early_does_not_end_a_wait)
{
	struct rings rings = rings_open(RAW, 1);
	struct ipcshim_pipe_wake wake = { 0 };
	struct sleeper sleeper;

	sleeper_start(&sleeper, &rings, rings.ends.receiver, 100);
	producer_moves(&rings.in, 50);
	for (int i = 0; i < 10; i++)
		ASSERT_OK(ioctl(rings.ends.sender, IPCSHIM_PIPE_WAKE, &wake));
	wait_for_wake(rings.in.consumer, 100);
	producer_moves(&rings.in, 100);
	ASSERT_EQ(0, waiter_end(&sleeper.waiter));
}

/* The other side would make a call for nothing. */
TEST(who_is_woken_by_enough_does_not_say_again_that_it_waits)
{
	enum { ROUNDS = 50 };
	struct rings rings = rings_open(RAW, 1);

	for (uint64_t i = 1; i <= ROUNDS; i++) {
		struct sleeper sleeper;

		sleeper_start(&sleeper, &rings, rings.ends.receiver, 100);
		ASSERT_TRUE(producer_moves(&rings.in, 100 * i));
		while (!__atomic_load_n(&sleeper.waiter.done, __ATOMIC_ACQUIRE))
			ASSERT_EQ(0, wake_of(rings.in.consumer));
		ASSERT_EQ(0, waiter_end(&sleeper.waiter));
		consumer_moves(&rings.out, 100 * i);
	}
}

TEST(pipe_wait_is_ended_by_what_the_driver_writes_and_reads)
{
	struct rings rings = rings_open(RAW, 1);
	char *content = calloc(1, UNIT);
	struct sleeper sleeper;

	sleeper_start(&sleeper, &rings, rings.ends.receiver, 100);
	ASSERT_EQ(100, write(rings.ends.sender, content, 100));
	ASSERT_EQ(0, waiter_end(&sleeper.waiter));
	ASSERT_EQ(UNIT - 100, write(rings.ends.sender, content, UNIT - 100));
	sleeper_start(&sleeper, &rings, rings.ends.sender, 100);
	ASSERT_EQ(100, read(rings.ends.receiver, content, 100));
	ASSERT_EQ(0, waiter_end(&sleeper.waiter));
	ASSERT_EQ(0, wake_of(rings.in.producer));
	ASSERT_EQ(0, wake_of(rings.in.consumer));
}

/* Signals. */

TEST(pipe_wait_that_a_signal_interrupts_is_EINTR_and_says_no_more_that_it_waits)
{
	struct rings rings = rings_open(RAW, 1);
	struct sleeper sleeper;

	sleeper_start(&sleeper, &rings, rings.ends.receiver, 7);
	waiter_interrupt(&sleeper.waiter, false);
	ASSERT_EQ(EINTR, waiter_end(&sleeper.waiter));
	ASSERT_EQ(0, wake_of(rings.in.consumer));
	/* Where the other side goes on without a call. */
	ASSERT_TRUE(!ring_put(&rings.in, "1234567", 7));
}

TEST(pipe_wait_is_restarted_with_SA_RESTART_and_keeps_its_deadline)
{
	struct rings rings = rings_open(RAW, 1);
	struct sleeper sleeper;

	sleeper_start(&sleeper, &rings, rings.ends.receiver, 7);
	waiter_interrupt(&sleeper.waiter, true);
	wait_for_wake(rings.in.consumer, 7);
	/* (The signal may find it before it has gone back to sleep: woken or not.) */
	ring_put(&rings.in, "1234567", 7);
	ASSERT_EQ(0, waiter_end(&sleeper.waiter));
	sleeper.args = wait_args(UNIT);
	sleeper.args.deadline = in_nanoseconds(10 * (uint64_t)A_MOMENT);
	waiter_start(&sleeper.waiter, rings.ends.receiver, IPCSHIM_PIPE_WAIT, &sleeper.args);
	wait_for_wake(rings.in.consumer, UNIT);
	waiter_interrupt(&sleeper.waiter, true);
	ASSERT_EQ(ETIMEDOUT, waiter_end(&sleeper.waiter));
	ASSERT_TRUE(in_nanoseconds(0) >= sleeper.args.deadline);
}

static void waits_for_ever(int fd, void *argument)
{
	const struct ends *ends = argument;
	struct ring ring = ring_map(ends->receiver);

	put(fd, 0);
	ring_wait(&ring, 1);
}

TEST(a_process_that_is_killed_while_it_waits_waits_no_more)
{
	struct ends ends = mapped_open(port_open(), RAW, 1);
	struct child child = child_start(waits_for_ever, &ends);
	struct ring ring = ring_map(ends.sender);

	get(child.fd);
	wait_for_wake(ring.consumer, 1);
	ASSERT_OK(kill(child.pid, SIGKILL));
	ASSERT_EQ(child.pid, waitpid(child.pid, NULL, 0));
	ASSERT_EQ(0, wake_of(ring.consumer));
	ASSERT_TRUE(!is_mapped(ends.receiver));
	/* (This process holds that end, too.) */
	ASSERT_EQ(0, closed_of(ring.consumer));
	ring_put(&ring, "x", 1);
	ring_map(ends.receiver);
}

/* The end of the pipe. */

TEST(pipe_wait_ends_when_the_other_end_closes)
{
	struct rings rings = rings_open(RAW, 1);
	struct sleeper sleeper;

	sleeper_start(&sleeper, &rings, rings.ends.receiver, 100);
	ring_unmap(&rings.in);
	close(rings.ends.sender);
	ASSERT_EQ(0, waiter_end(&sleeper.waiter));
	ASSERT_EQ(IPCSHIM_HOW_CLOSED, closed_of(rings.out.producer));
	/* And at once ever after, whatever is asked for. */
	ring_wait(&rings.out, UNIT);
	ASSERT_EQ(0, wake_of(rings.out.consumer));
	rings = rings_open(RAW, 1);
	producer_moves(&rings.in, UNIT);
	sleeper_start(&sleeper, &rings, rings.ends.sender, 1);
	ring_unmap(&rings.out);
	close(rings.ends.receiver);
	ASSERT_EQ(0, waiter_end(&sleeper.waiter));
	ASSERT_EQ(IPCSHIM_HOW_CLOSED, closed_of(rings.in.consumer));
	ring_wait(&rings.in, UNIT);
}

TEST(pipe_wait_ends_when_CLOSE_PIPE_ends_the_pipe)
{
	struct rings rings = rings_open(RAW, 1);
	struct ipcshim_close_pipe args = { 0 };
	struct sleeper sleeper;

	sleeper_start(&sleeper, &rings, rings.ends.receiver, 100);
	ASSERT_OK(ioctl(rings.ends.receiver, IPCSHIM_CLOSE_PIPE, &args));
	ASSERT_EQ(0, waiter_end(&sleeper.waiter));
	ring_wait(&rings.in, 1);
	ring_wait(&rings.out, 1);
}

/* Turns. */

TEST(calls_that_wait_for_one_end_take_turns)
{
	struct rings rings = rings_open(RAW, 1);
	struct ipcshim_pipe_wait nowait = nowait_args(1);
	char byte;
	struct ipcshim_pipe_io io = io_args(&byte, 1, IPCSHIM_IO_FAIL);
	struct sleeper first;
	struct sleeper second = { .args = wait_args(20) };

	sleeper_start(&first, &rings, rings.ends.receiver, 10);
	ASSERT_ERRNO(EAGAIN, ioctl(rings.ends.receiver, IPCSHIM_PIPE_WAIT, &nowait));
	ASSERT_ERRNO(EAGAIN, ioctl(rings.ends.receiver, IPCSHIM_PIPE_READ, &io));
	ASSERT_EQ(IPCSHIM_CAUSE_LOCKED, io.cause);
	ASSERT_EQ(getpid(), io.pid);
	waiter_start(&second.waiter, rings.ends.receiver, IPCSHIM_PIPE_WAIT, &second.args);
	producer_moves(&rings.in, 10);
	ASSERT_EQ(0, waiter_end(&first.waiter));
	wait_for_wake(rings.in.consumer, 20);
	ASSERT_TRUE(producer_moves(&rings.in, 20));
	ASSERT_EQ(0, waiter_end(&second.waiter));
	ASSERT_EQ(0, wake_of(rings.in.consumer));
}

TEST(O_NONBLOCK_does_not_matter_for_pipe_wait)
{
	struct rings rings = rings_open(RAW, 1);
	struct sleeper sleeper;

	ASSERT_OK(fcntl(rings.ends.receiver, F_SETFL, O_NONBLOCK));
	sleeper_start(&sleeper, &rings, rings.ends.receiver, 1);
	ring_put(&rings.in, "x", 1);
	ASSERT_EQ(0, waiter_end(&sleeper.waiter));
}

TEST(pipe_wait_and_pipe_wake_need_no_mapping)
{
	struct ends ends = mapped_open(port_open(), RAW, 1);
	struct ipcshim_pipe_wait wait = wait_args(3);
	struct ipcshim_pipe_wake wake = { 0 };
	struct waiter waiter;

	waiter_start(&waiter, ends.receiver, IPCSHIM_PIPE_WAIT, &wait);
	while (!(info_of(ends.sender).flags & IPCSHIM_INFO_READ_WAITS))
		sched_yield();
	ASSERT_EQ(3, write(ends.sender, "abc", 3));
	ASSERT_OK(ioctl(ends.sender, IPCSHIM_PIPE_WAKE, &wake));
	ASSERT_EQ(0, waiter_end(&waiter));
}
