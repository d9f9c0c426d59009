// SPDX-License-Identifier: MIT
/* WRITE_BATCH and READ_BATCH: what they move, when they wait, and what cuts them short. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "harness.h"
#include "mapped.h"
#include "sockets.h"

enum { SIZE = 100, BIG = 20000, A_MOMENT = 20000000 };

static struct ends pipe_of(bool mapped)
{
	return mapped ? mapped_open(port_open(), MESSAGE, 1) : ends_open(port_open(), MESSAGE, 1);
}

/* A batch with its memory; each message has a pattern of its own. */
struct batch {
	struct ipcshim_pipe_batch args;
	struct ipcshim_batch_entry *entries;
	char *buffer;
	uint32_t size;
};

static struct batch batch_of(uint32_t count, uint32_t size, unsigned int mode)
{
	struct batch batch = {
		.entries = calloc(count + 1, sizeof(*batch.entries)),
		.buffer = calloc(count + 1, size),
		.size = size,
	};

	for (uint32_t i = 0; i < count; i++)
		fill_pattern(batch.buffer + (size_t)i * size, size, i);
	batch_fill(batch.entries, count, batch.buffer, size);
	batch.args = batch_args(batch.entries, count, mode);
	return batch;
}

static struct batch empty_batch(uint32_t count, uint32_t size, unsigned int mode)
{
	struct batch batch = batch_of(count, size, mode);

	memset(batch.buffer, 0, (size_t)count * size);
	return batch;
}

static int batch_call(int end, struct batch *batch)
{
	bool sender = info_of(end).flags & IPCSHIM_INFO_SENDER;

	return ioctl(end, sender ? IPCSHIM_WRITE_BATCH : IPCSHIM_READ_BATCH, &batch->args) < 0 ?
		       errno : 0;
}

/* So many moved, and why no more. */
static void expect_moved(const struct batch *batch, uint32_t count, uint32_t cause)
{
	ASSERT_EQ(cause, batch->args.cause);
	ASSERT_EQ(count, batch->args.moved);
	for (uint32_t i = 0; i < count; i++) {
		ASSERT_EQ(batch->size, batch->entries[i].moved);
		check_pattern(batch->buffer + (size_t)i * batch->size, batch->size, i);
	}
}

static void write_all(int sender, uint32_t count, uint32_t size)
{
	struct batch batch = batch_of(count, size, IPCSHIM_IO_FAIL);

	ASSERT_EQ(0, batch_call(sender, &batch));
	expect_moved(&batch, count, IPCSHIM_CAUSE_NONE);
}

TEST(batches_of_every_count_pass_in_every_mode)
{
	static const uint32_t counts[] = { 1, 2, 31, 32, 33, 64, 500, 1024 };

	for (unsigned int round = 0; round < 6; round++) {
		struct ends ends = pipe_of(round & 1);

		for (unsigned int i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
			struct batch out = batch_of(counts[i], 40, round / 2);
			struct batch in = empty_batch(counts[i], 40, round / 2);

			ASSERT_EQ(0, batch_call(ends.sender, &out));
			expect_moved(&out, counts[i], IPCSHIM_CAUSE_NONE);
			ASSERT_EQ(counts[i], info_of(ends.receiver).messages_waiting);
			ASSERT_EQ(0, batch_call(ends.receiver, &in));
			expect_moved(&in, counts[i], IPCSHIM_CAUSE_NONE);
			ASSERT_EQ(0, info_of(ends.receiver).bytes_waiting);
		}
	}
}

TEST(batches_and_single_calls_see_the_same_messages)
{
	for (int mapped = 0; mapped < 2; mapped++) {
		struct ends ends = pipe_of(mapped);
		struct batch in = empty_batch(3, SIZE, IPCSHIM_IO_FAIL);
		char got[2 * SIZE];

		write_all(ends.sender, 3, SIZE);
		for (unsigned int i = 0; i < 3; i++) {
			ASSERT_EQ(SIZE, read(ends.receiver, got, sizeof(got)));
			check_pattern(got, SIZE, i);
			fill_pattern(got, SIZE, i);
			ASSERT_EQ(SIZE, write(ends.sender, got, SIZE));
		}
		ASSERT_EQ(0, batch_call(ends.receiver, &in));
		expect_moved(&in, 3, IPCSHIM_CAUSE_NONE);
	}
}

TEST(a_batch_of_none_succeeds_in_every_mode_and_state)
{
	for (unsigned int round = 0; round < 6; round++) {
		struct ends ends = pipe_of(round & 1);
		struct batch none = batch_of(0, SIZE, round / 2);

		none.args.entries = (uintptr_t)bad_address();
		ASSERT_EQ(0, batch_call(ends.sender, &none));
		ASSERT_EQ(0, batch_call(ends.receiver, &none));
		ASSERT_EQ(0, none.args.moved);
		close(ends.sender);
		ASSERT_EQ(0, batch_call(ends.receiver, &none));
		ends = pipe_of(round & 1);
		close(ends.receiver);
		ASSERT_EQ(0, batch_call(ends.sender, &none));
	}
}

TEST(an_empty_message_is_skipped_by_a_write_and_has_no_place_in_a_read)
{
	for (unsigned int round = 0; round < 6; round++) {
		struct ends ends = pipe_of(round & 1);
		struct batch out = batch_of(4, SIZE, round / 2);
		struct batch in = empty_batch(2, SIZE, IPCSHIM_IO_FAIL);

		out.entries[0].size = 0;
		out.entries[2].size = 0;
		ASSERT_EQ(0, batch_call(ends.sender, &out));
		ASSERT_EQ(4, out.args.moved);
		ASSERT_EQ(0, out.entries[0].moved);
		ASSERT_EQ(SIZE, out.entries[1].moved);
		ASSERT_EQ(2, info_of(ends.receiver).messages_waiting);
		in.entries[0].size = 0;
		ASSERT_EQ(EMSGSIZE, batch_call(ends.receiver, &in));
		ASSERT_EQ(SIZE, in.args.remains);
		in.entries[0].size = SIZE;
		ASSERT_EQ(0, batch_call(ends.receiver, &in));
		check_pattern(in.buffer, SIZE, 1);
		check_pattern(in.buffer + SIZE, SIZE, 3);
	}
}

/* Where not all of it can move now. */

TEST(SOME_moves_what_can_move_and_is_EAGAIN_for_nothing)
{
	for (int mapped = 0; mapped < 2; mapped++) {
		struct ends ends = pipe_of(mapped);
		struct batch out = batch_of(5, BIG, IPCSHIM_IO_SOME);
		struct batch in = empty_batch(5, BIG, IPCSHIM_IO_SOME);

		ASSERT_EQ(EAGAIN, batch_call(ends.receiver, &in));
		expect_moved(&in, 0, IPCSHIM_CAUSE_EMPTY);
		ASSERT_TRUE(in.args.lacks > 0);
		ASSERT_EQ(0, batch_call(ends.sender, &out));
		expect_moved(&out, 3, IPCSHIM_CAUSE_FULL);
		out = batch_of(5, BIG, IPCSHIM_IO_SOME);
		ASSERT_EQ(EAGAIN, batch_call(ends.sender, &out));
		expect_moved(&out, 0, IPCSHIM_CAUSE_FULL);
		ASSERT_TRUE(out.args.lacks > 0 && out.args.lacks <= BIG);
		ASSERT_EQ(0, batch_call(ends.receiver, &in));
		expect_moved(&in, 3, IPCSHIM_CAUSE_EMPTY);
	}
}

TEST(FAIL_moves_all_or_none)
{
	for (int mapped = 0; mapped < 2; mapped++) {
		struct ends ends = pipe_of(mapped);
		struct batch out = batch_of(2, BIG, IPCSHIM_IO_FAIL);
		struct batch in = empty_batch(4, BIG, IPCSHIM_IO_FAIL);

		write_all(ends.sender, 2, BIG);
		ASSERT_EQ(EAGAIN, batch_call(ends.sender, &out));
		expect_moved(&out, 0, IPCSHIM_CAUSE_FULL);
		ASSERT_TRUE(out.args.lacks > 0 && out.args.lacks <= 2 * BIG);
		ASSERT_EQ(EAGAIN, batch_call(ends.receiver, &in));
		expect_moved(&in, 0, IPCSHIM_CAUSE_EMPTY);
		ASSERT_EQ(2, info_of(ends.receiver).messages_waiting);
		in.args.count = 2;
		ASSERT_EQ(0, batch_call(ends.receiver, &in));
		expect_moved(&in, 2, IPCSHIM_CAUSE_NONE);
	}
}

TEST(FAIL_of_what_could_never_fit_is_EINVAL)
{
	for (int mapped = 0; mapped < 2; mapped++) {
		struct ends ends = pipe_of(mapped);
		struct batch out = batch_of(4, BIG, IPCSHIM_IO_FAIL);

		ASSERT_EQ(EINVAL, batch_call(ends.sender, &out));
		ASSERT_EQ(0, info_of(ends.receiver).messages_waiting);
		write_all(ends.sender, 1, BIG);
		ASSERT_EQ(EINVAL, batch_call(ends.sender, &out));
		ASSERT_EQ(1, info_of(ends.receiver).messages_waiting);
	}
}

/* Waiting. */

TEST(ALL_waits_until_all_of_it_has_moved)
{
	for (int mapped = 0; mapped < 2; mapped++) {
		struct ends ends = pipe_of(mapped);
		struct batch out = batch_of(20, BIG, IPCSHIM_IO_ALL);
		struct batch in = empty_batch(20, BIG, IPCSHIM_IO_ALL);
		struct waiter waiter;

		waiter_start(&waiter, ends.sender, IPCSHIM_WRITE_BATCH, &out.args);
		ASSERT_EQ(0, batch_call(ends.receiver, &in));
		expect_moved(&in, 20, IPCSHIM_CAUSE_NONE);
		ASSERT_EQ(0, waiter_end(&waiter));
		expect_moved(&out, 20, IPCSHIM_CAUSE_NONE);
	}
}

static void wait_until(int end, uint32_t flag)
{
	while (!(info_of(end).flags & flag))
		sched_yield();
}

TEST(a_deadline_is_ETIMEDOUT_also_where_some_moved)
{
	for (int mapped = 0; mapped < 2; mapped++) {
		struct ends ends = pipe_of(mapped);
		struct batch out = batch_of(5, BIG, IPCSHIM_IO_ALL);
		struct batch in = empty_batch(5, BIG, IPCSHIM_IO_ALL);

		in.args.deadline = in_nanoseconds(A_MOMENT);
		ASSERT_EQ(ETIMEDOUT, batch_call(ends.receiver, &in));
		expect_moved(&in, 0, IPCSHIM_CAUSE_DEADLINE);
		ASSERT_TRUE(in_nanoseconds(0) >= in.args.deadline);
		out.args.deadline = in_nanoseconds(A_MOMENT);
		ASSERT_EQ(ETIMEDOUT, batch_call(ends.sender, &out));
		expect_moved(&out, 3, IPCSHIM_CAUSE_DEADLINE);
		in.args.deadline = in_nanoseconds(A_MOMENT);
		ASSERT_EQ(ETIMEDOUT, batch_call(ends.receiver, &in));
		expect_moved(&in, 3, IPCSHIM_CAUSE_DEADLINE);
	}
}

TEST(a_signal_that_finds_nothing_moved_is_EINTR_and_else_cuts_it_short)
{
	for (int mapped = 0; mapped < 2; mapped++) {
		struct ends ends = pipe_of(mapped);
		struct batch in = empty_batch(3, SIZE, IPCSHIM_IO_ALL);
		struct batch out = batch_of(5, BIG, IPCSHIM_IO_ALL);
		struct waiter waiter;

		waiter_start(&waiter, ends.receiver, IPCSHIM_READ_BATCH, &in.args);
		wait_until(ends.receiver, IPCSHIM_INFO_READ_WAITS);
		waiter_interrupt(&waiter, false);
		ASSERT_EQ(EINTR, waiter_end(&waiter));
		expect_moved(&in, 0, IPCSHIM_CAUSE_SIGNAL);
		waiter_start(&waiter, ends.sender, IPCSHIM_WRITE_BATCH, &out.args);
		wait_until(ends.sender, IPCSHIM_INFO_WRITE_WAITS);
		ASSERT_EQ(3, info_of(ends.receiver).messages_waiting);
		waiter_interrupt(&waiter, false);
		ASSERT_EQ(0, waiter_end(&waiter));
		expect_moved(&out, 3, IPCSHIM_CAUSE_SIGNAL);
	}
}

TEST(a_batch_that_moved_nothing_is_restarted_with_SA_RESTART)
{
	for (int mapped = 0; mapped < 2; mapped++) {
		struct ends ends = pipe_of(mapped);
		struct batch in = empty_batch(3, SIZE, IPCSHIM_IO_ALL);
		struct waiter waiter;

		waiter_start(&waiter, ends.receiver, IPCSHIM_READ_BATCH, &in.args);
		wait_until(ends.receiver, IPCSHIM_INFO_READ_WAITS);
		waiter_interrupt(&waiter, true);
		write_all(ends.sender, 3, SIZE);
		ASSERT_EQ(0, waiter_end(&waiter));
		expect_moved(&in, 3, IPCSHIM_CAUSE_NONE);
	}
}

/* Closing. */

TEST(a_read_ends_short_when_the_sender_closes)
{
	for (unsigned int round = 0; round < 4; round++) {
		struct ends ends = pipe_of(round & 1);
		struct batch in = empty_batch(5, SIZE, IPCSHIM_IO_ALL);
		struct waiter waiter;

		write_all(ends.sender, 2, SIZE);
		if (round & 2) {
			/* In the middle of it. */
			waiter_start(&waiter, ends.receiver, IPCSHIM_READ_BATCH, &in.args);
			wait_until(ends.receiver, IPCSHIM_INFO_READ_WAITS);
			close(ends.sender);
			ASSERT_EQ(0, waiter_end(&waiter));
		} else {
			close(ends.sender);
			ASSERT_EQ(0, batch_call(ends.receiver, &in));
		}
		expect_moved(&in, 2, IPCSHIM_CAUSE_CLOSED);
		for (unsigned int mode = IPCSHIM_IO_ALL; mode <= IPCSHIM_IO_SOME; mode++) {
			in = empty_batch(5, SIZE, mode);
			ASSERT_EQ(0, batch_call(ends.receiver, &in));
			expect_moved(&in, 0, IPCSHIM_CAUSE_CLOSED);
		}
	}
}

TEST(a_write_is_EPIPE_when_the_receiver_has_closed_and_ends_short_when_it_closes)
{
	signal(SIGPIPE, SIG_DFL); /* there is none */
	for (int mapped = 0; mapped < 2; mapped++) {
		struct ends ends = pipe_of(mapped);
		struct batch out = batch_of(5, BIG, IPCSHIM_IO_ALL);
		struct waiter waiter;

		waiter_start(&waiter, ends.sender, IPCSHIM_WRITE_BATCH, &out.args);
		wait_until(ends.sender, IPCSHIM_INFO_WRITE_WAITS);
		close(ends.receiver);
		ASSERT_EQ(0, waiter_end(&waiter));
		expect_moved(&out, 3, IPCSHIM_CAUSE_CLOSED);
		for (unsigned int mode = IPCSHIM_IO_ALL; mode <= IPCSHIM_IO_SOME; mode++) {
			out = batch_of(1, SIZE, mode);
			ASSERT_EQ(EPIPE, batch_call(ends.sender, &out));
			expect_moved(&out, 0, IPCSHIM_CAUSE_CLOSED);
		}
	}
}

TEST(CLOSE_PIPE_in_the_middle_of_a_read_batch_ends_it)
{
	for (int mapped = 0; mapped < 2; mapped++) {
		struct ends ends = pipe_of(mapped);
		struct batch in = empty_batch(5, SIZE, IPCSHIM_IO_ALL);
		struct ipcshim_close_pipe args = { 0 };
		struct waiter waiter;

		write_all(ends.sender, 2, SIZE);
		waiter_start(&waiter, ends.receiver, IPCSHIM_READ_BATCH, &in.args);
		wait_until(ends.receiver, IPCSHIM_INFO_READ_WAITS);
		ASSERT_OK(ioctl(ends.sender, IPCSHIM_CLOSE_PIPE, &args));
		ASSERT_EQ(0, waiter_end(&waiter));
		expect_moved(&in, 2, IPCSHIM_CAUSE_CLOSED);
	}
}

/* Turns. */

TEST(a_batch_that_finds_the_end_taken_is_EAGAIN_and_tells_by_whom)
{
	for (int mapped = 0; mapped < 2; mapped++) {
		struct ends ends = pipe_of(mapped);
		struct batch first = empty_batch(2, SIZE, IPCSHIM_IO_ALL);
		struct batch second = empty_batch(2, SIZE, IPCSHIM_IO_SOME);
		struct waiter waiter;

		waiter_start(&waiter, ends.receiver, IPCSHIM_READ_BATCH, &first.args);
		wait_until(ends.receiver, IPCSHIM_INFO_READ_WAITS);
		ASSERT_EQ(EAGAIN, batch_call(ends.receiver, &second));
		expect_moved(&second, 0, IPCSHIM_CAUSE_LOCKED);
		ASSERT_EQ(getpid(), second.args.pid);
		write_all(ends.sender, 2, SIZE);
		ASSERT_EQ(0, waiter_end(&waiter));
	}
}

enum { WRITERS = 3, BATCHES = 10, EACH = 9, LENGTH = 3000 };

struct writers {
	struct ends ends;
	int next;
};

static void writes_batches(int fd, void *argument)
{
	const struct writers *writers = argument;
	struct batch out = batch_of(EACH, LENGTH, IPCSHIM_IO_ALL);

	(void)fd;
	for (unsigned int i = 0; i < BATCHES; i++) {
		/* Who, which, and which of it. */
		for (unsigned int j = 0; j < EACH; j++) {
			char *message = out.buffer + (size_t)j * LENGTH;

			message[0] = (char)writers->next;
			message[1] = (char)i;
			message[2] = (char)j;
		}
		ASSERT_OK(ioctl(writers->ends.sender, IPCSHIM_WRITE_BATCH, &out.args));
		ASSERT_EQ(EACH, out.args.moved);
	}
}

TEST(batches_of_several_writers_do_not_mix)
{
	for (int mapped = 0; mapped < 2; mapped++) {
		struct writers writers = { .ends = pipe_of(mapped) };
		struct child children[WRITERS];
		struct batch in = empty_batch(EACH, LENGTH, IPCSHIM_IO_ALL);
		char seen[WRITERS] = { 0 };

		for (int i = 0; i < WRITERS; i++) {
			writers.next = i;
			children[i] = child_start(writes_batches, &writers);
		}
		for (unsigned int i = 0; i < WRITERS * BATCHES; i++) {
			const char *first = in.buffer;

			ASSERT_EQ(0, batch_call(writers.ends.receiver, &in));
			ASSERT_TRUE(first[0] >= 0 && first[0] < WRITERS);
			ASSERT_EQ(seen[(int)first[0]]++, first[1]);
			for (unsigned int j = 0; j < EACH; j++) {
				ASSERT_EQ(first[0], first[j * LENGTH]);
				ASSERT_EQ(first[1], first[j * LENGTH + 1]);
				ASSERT_EQ(j, first[j * LENGTH + 2]);
			}
		}
		for (int i = 0; i < WRITERS; i++)
			child_join(&children[i]);
	}
}

TEST(O_NONBLOCK_does_not_matter_for_batches)
{
	struct ends ends = pipe_of(false);
	struct batch in = empty_batch(2, SIZE, IPCSHIM_IO_ALL);
	struct waiter waiter;

	ASSERT_OK(fcntl(ends.receiver, F_SETFL, O_NONBLOCK));
	waiter_start(&waiter, ends.receiver, IPCSHIM_READ_BATCH, &in.args);
	wait_until(ends.receiver, IPCSHIM_INFO_READ_WAITS);
	write_all(ends.sender, 2, SIZE);
	ASSERT_EQ(0, waiter_end(&waiter));
	expect_moved(&in, 2, IPCSHIM_CAUSE_NONE);
}
