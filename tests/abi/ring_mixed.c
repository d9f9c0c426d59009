// SPDX-License-Identifier: MIT
/* One ring, two ways: what is put by hand and read by the driver, and the other way round. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "harness.h"
#include "mapped.h"

/* Rounds that meet the end of the area at every kind of place. */
enum { ROUNDS = 40, PIECE = 9973 };

/* The next message, or all that is there. */
static void expect_read(int receiver, size_t size, unsigned int seed)
{
	char *got = malloc(size + 1);

	ASSERT_TRUE(got);
	ASSERT_EQ(size, read(receiver, got, size + 1));
	check_pattern(got, size, seed);
	free(got);
	ASSERT_EQ(0, info_of(receiver).bytes_waiting);
}

TEST(what_is_put_by_hand_is_what_read_returns)
{
	for (unsigned int mode = RAW; mode <= MESSAGE; mode++) {
		struct rings rings = rings_open(mode, 1);
		char piece[PIECE];

		for (unsigned int i = 0; i < ROUNDS; i++) {
			fill_pattern(piece, PIECE, i);
			if (mode == RAW)
				ring_put(&rings.in, piece, PIECE);
			else
				ring_put_message(&rings.in, piece, PIECE);
			ASSERT_EQ(mode == MESSAGE, info_of(rings.ends.sender).messages_waiting);
			expect_read(rings.ends.receiver, PIECE, i);
			ASSERT_EQ(position(rings.in.producer), position(rings.in.consumer));
			ASSERT_EQ(rings.in.producer->messages, rings.in.consumer->messages);
		}
		ASSERT_EQ(mode == MESSAGE ? ROUNDS : 0, rings.in.consumer->messages);
	}
}

TEST(what_write_writes_is_what_lies_in_the_ring)
{
	for (unsigned int mode = RAW; mode <= MESSAGE; mode++) {
		struct rings rings = rings_open(mode, 1);
		char piece[PIECE];

		for (unsigned int i = 0; i < ROUNDS; i++) {
			fill_pattern(piece, PIECE, i);
			ASSERT_EQ(PIECE, write(rings.ends.sender, piece, PIECE));
			memset(piece, 0, PIECE);
			if (mode == RAW)
				ring_get(&rings.out, piece, PIECE);
			else
				ring_get_message(&rings.out, piece, PIECE);
			check_pattern(piece, PIECE, i);
			ASSERT_EQ(0, info_of(rings.ends.sender).bytes_waiting);
		}
		ASSERT_EQ(mode == MESSAGE ? ROUNDS : 0, rings.in.producer->messages);
	}
}

TEST(a_message_of_64_KiB_fits_an_empty_mapped_pipe_of_64_KiB)
{
	struct rings rings = rings_open(MESSAGE, 1);
	char *message = malloc(IPCSHIM_MESSAGE_MAX + 1);
	struct ipcshim_pipe_io args = io_args(message, IPCSHIM_MESSAGE_MAX, IPCSHIM_IO_FAIL);

	for (unsigned int i = 0; i < 5; i++) {
		/* At another place of the area each time. */
		ASSERT_EQ(1000, write(rings.ends.sender, message, 1000));
		ring_get_message(&rings.out, message, 1000);
		fill_pattern(message, IPCSHIM_MESSAGE_MAX, i);
		ASSERT_OK(ioctl(rings.ends.sender, IPCSHIM_PIPE_WRITE, &args));
		expect_read(rings.ends.receiver, IPCSHIM_MESSAGE_MAX, i);
		ring_put_message(&rings.in, message, IPCSHIM_MESSAGE_MAX);
		expect_read(rings.ends.receiver, IPCSHIM_MESSAGE_MAX, i);
	}
	args.size++;
	ASSERT_ERRNO(EMSGSIZE, ioctl(rings.ends.sender, IPCSHIM_PIPE_WRITE, &args));
	ASSERT_EQ(0, ring_used(&rings.in));
}

/* To the brim, and out again. */
TEST(a_mapped_message_pipe_takes_and_gives_as_many_as_fit_its_area)
{
	/* (Each size that pads another way, and one that is padded the most.) */
	static const size_t sizes[] = { 1, 8, 9, 15 };

	for (unsigned int i = 0; i < 4; i++) {
		size_t size = sizes[i];
		struct rings rings = rings_open(MESSAGE, 1);
		size_t fit = rings.in.area / record_size(size);
		char message[20] = { 0 };
		struct ipcshim_pipe_io args = io_args(message, size, IPCSHIM_IO_FAIL);
		size_t count = 0;

		while (ioctl(rings.ends.sender, IPCSHIM_PIPE_WRITE, &args) == 0)
			count++;
		ASSERT_EQ(EAGAIN, errno);
		ASSERT_EQ(IPCSHIM_CAUSE_FULL, args.cause);
		ASSERT_TRUE(args.lacks > 0);
		ASSERT_EQ(fit, count);
		ASSERT_EQ(count, info_of(rings.ends.receiver).messages_waiting);
		while (count--)
			ring_get_message(&rings.out, message, size);
		ASSERT_EQ(0, info_of(rings.ends.receiver).messages_waiting);
		rings_close(&rings);
	}
}

TEST(FIONREAD_and_pipe_info_tell_of_what_was_put_by_hand)
{
	struct rings raw = rings_open(RAW, 1);
	struct rings message = rings_open(MESSAGE, 1);
	int bytes = -1;

	ring_put(&raw.in, "0123456789", 10);
	ring_put(&raw.in, "0123456789", 10);
	ASSERT_OK(ioctl(raw.ends.receiver, FIONREAD, &bytes));
	ASSERT_EQ(20, bytes);
	ASSERT_EQ(20, info_of(raw.ends.sender).bytes_waiting);
	ASSERT_EQ(UNIT - 20, info_of(raw.ends.sender).bytes_free);
	ring_put_message(&message.in, "0123456789", 10);
	ring_put_message(&message.in, "01", 2);
	ASSERT_OK(ioctl(message.ends.receiver, FIONREAD, &bytes));
	ASSERT_EQ(10, bytes);
	ASSERT_EQ(2, info_of(message.ends.receiver).messages_waiting);
	producer_moves(&raw.in, UNIT);
	ASSERT_TRUE(info_of(raw.ends.sender).flags & IPCSHIM_INFO_FULL);
	ASSERT_EQ(0, info_of(raw.ends.sender).bytes_free);
}

TEST(a_message_put_by_hand_stays_when_the_buffer_is_too_small)
{
	struct rings rings = rings_open(MESSAGE, 1);
	char got[10];
	struct ipcshim_pipe_io args = io_args(got, 9, IPCSHIM_IO_FAIL);

	ring_put_message(&rings.in, "0123456789", 10);
	ASSERT_ERRNO(EMSGSIZE, read(rings.ends.receiver, got, 9));
	ASSERT_ERRNO(EMSGSIZE, ioctl(rings.ends.receiver, IPCSHIM_PIPE_READ, &args));
	ASSERT_EQ(10, args.remains);
	ASSERT_ERRNO(EFAULT, read(rings.ends.receiver, bad_address(), 10));
	ASSERT_EQ(0, position(rings.in.consumer));
	ASSERT_EQ(10, read(rings.ends.receiver, got, 10));
	ASSERT_EQ(16 + 8, position(rings.in.consumer));
}

TEST(a_write_that_faults_moves_nothing_of_a_mapped_ring)
{
	for (unsigned int mode = RAW; mode <= MESSAGE; mode++) {
		struct rings rings = rings_open(mode, 1);
		struct iovec parts[2] = { { (char[]){ "abc" }, 3 }, { bad_address(), 5 } };

		ASSERT_ERRNO(EFAULT, writev(rings.ends.sender, parts, 2));
		ASSERT_EQ(0, position(rings.in.producer));
		ASSERT_EQ(0, rings.in.producer->messages);
		ASSERT_EQ(0, write(rings.ends.sender, NULL, 0));
		ASSERT_EQ(0, read(rings.ends.receiver, NULL, 0));
	}
}

TEST(a_mapped_pipe_that_is_O_NONBLOCK_answers_as_any_other)
{
	struct rings rings = rings_open(RAW, 1);
	char *content = calloc(1, 2 * UNIT);

	ASSERT_OK(fcntl(rings.ends.sender, F_SETFL, O_NONBLOCK));
	ASSERT_OK(fcntl(rings.ends.receiver, F_SETFL, O_NONBLOCK));
	ASSERT_ERRNO(EAGAIN, read(rings.ends.receiver, content, 1));
	ASSERT_EQ(UNIT, write(rings.ends.sender, content, 2 * UNIT));
	ASSERT_ERRNO(EAGAIN, write(rings.ends.sender, content, 1));
	ASSERT_EQ(UNIT, position(rings.in.producer));
	consumer_moves(&rings.out, UNIT - 100);
	ASSERT_EQ(UNIT - 100, write(rings.ends.sender, content, UNIT));
	ASSERT_EQ(UNIT, read(rings.ends.receiver, content, 2 * UNIT));
}

/* Calls that block are seen by the other side, which wakes them. */

struct mover {
	pthread_t thread;
	int end;
	bool writes;
	size_t size;
	char *data;
	ssize_t result;
};

static void *moves(void *argument)
{
	struct mover *mover = argument;

	mover->result = mover->writes ? write(mover->end, mover->data, mover->size) :
					read(mover->end, mover->data, mover->size);
	return NULL;
}

static void mover_start(struct mover *mover, int end, bool writes, size_t size)
{
	*mover = (struct mover){ .end = end, .writes = writes, .size = size };
	mover->data = calloc(1, size);
	ASSERT_EQ(0, pthread_create(&mover->thread, NULL, moves, mover));
}

static ssize_t mover_end(struct mover *mover)
{
	ASSERT_EQ(0, pthread_join(mover->thread, NULL));
	return mover->result;
}

TEST(a_read_that_blocks_is_woken_by_hand)
{
	for (unsigned int mode = RAW; mode <= MESSAGE; mode++) {
		struct rings rings = rings_open(mode, 1);
		struct mover mover;

		mover_start(&mover, rings.ends.receiver, false, 5);
		while (!wake_of(rings.in.consumer))
			;
		ASSERT_TRUE(mode == RAW ? ring_put(&rings.in, "hello", 5) :
					  ring_put_message(&rings.in, "hello", 5));
		ASSERT_EQ(5, mover_end(&mover));
		ASSERT_EQ(0, memcmp(mover.data, "hello", 5));
		ASSERT_EQ(0, wake_of(rings.in.consumer));
		ASSERT_EQ(0, ring_used(&rings.in));
	}
}

TEST(a_write_that_blocks_is_woken_by_hand)
{
	for (unsigned int mode = RAW; mode <= MESSAGE; mode++) {
		struct rings rings = rings_open(mode, 1);
		char *message = calloc(1, IPCSHIM_MESSAGE_MAX);
		struct mover mover;

		ASSERT_EQ(IPCSHIM_MESSAGE_MAX,
			  write(rings.ends.sender, message, IPCSHIM_MESSAGE_MAX));
		mover_start(&mover, rings.ends.sender, true, 10000);
		while (!wake_of(rings.out.producer))
			;
		ASSERT_TRUE(mode == RAW ?
				    ring_get(&rings.out, message, IPCSHIM_MESSAGE_MAX) :
				    ring_get_message(&rings.out, message, IPCSHIM_MESSAGE_MAX));
		ASSERT_EQ(10000, mover_end(&mover));
		ASSERT_EQ(0, wake_of(rings.out.producer));
	}
}

TEST(a_long_raw_write_goes_on_as_room_is_made_by_hand)
{
	struct rings rings = rings_open(RAW, 1);
	size_t total = 5 * UNIT;
	char *got = malloc(UNIT);
	struct mover mover;

	mover_start(&mover, rings.ends.sender, true, total);
	for (size_t done = 0; done < total;) {
		size_t there;

		ring_wait(&rings.out, 1);
		there = ring_used(&rings.out);
		ring_get(&rings.out, got, there);
		done += there;
	}
	ASSERT_EQ(total, mover_end(&mover));
	ASSERT_EQ(total, position(rings.out.producer));
}

TEST(splice_moves_through_mapped_ends)
{
	for (unsigned int mode = RAW; mode <= MESSAGE; mode++) {
		struct rings rings = rings_open(mode, 1);
		char got[1000];
		int pair[2];

		ASSERT_OK(pipe2(pair, O_CLOEXEC));
		fill_pattern(got, sizeof(got), 1);
		ASSERT_EQ(sizeof(got), write(pair[1], got, sizeof(got)));
		ASSERT_EQ(sizeof(got), splice(pair[0], NULL, rings.ends.sender, NULL,
					      sizeof(got), 0));
		ASSERT_EQ(mode == RAW ? sizeof(got) : record_size(sizeof(got)),
			  ring_used(&rings.out));
		ASSERT_EQ(sizeof(got), splice(rings.ends.receiver, NULL, pair[1], NULL,
					      UNIT, 0));
		memset(got, 0, sizeof(got));
		ASSERT_EQ(sizeof(got), read(pair[0], got, sizeof(got)));
		check_pattern(got, sizeof(got), 1);
		/* The wrong way round, though both are O_RDWR. */
		ASSERT_ERRNO(EINVAL, splice(rings.ends.sender, NULL, pair[1], NULL, 1, 0));
		ASSERT_EQ(1, write(pair[1], "x", 1));
		ASSERT_ERRNO(EINVAL, splice(pair[0], NULL, rings.ends.receiver, NULL, 1, 0));
		ASSERT_EQ(1, read(pair[0], got, 1));
	}
}
