// SPDX-License-Identifier: MIT
/*
 * A side that writes nonsense into its page, or into the data: EPROTO for whoever
 * uses the ring by the driver, nothing moved, and all goes on once it makes sense again.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "harness.h"
#include "mapped.h"
#include "sockets.h"

static char buffer[IPCSHIM_MESSAGE_MAX];

static void expect_EPROTO(int fd, unsigned long command, void *args, const char *what)
{
	int error = ioctl(fd, command, args) < 0 ? errno : 0;

	if (error != EPROTO)
		test_failed(__FILE__, __LINE__, "%s: command %#lx gave %s, expected EPROTO", what,
			    command, strerrorname_np(error));
}

static void expect_bounded(const struct rings *rings)
{
	int ends[2] = { rings->ends.sender, rings->ends.receiver };

	for (int i = 0; i < 2; i++) {
		struct ipcshim_pipe_info info = info_of(ends[i]);
		int bytes = -1;

		ASSERT_OK(ioctl(ends[i], FIONREAD, &bytes));
		ASSERT_TRUE(bytes >= 0 && (size_t)bytes <= rings->in.area);
		ASSERT_TRUE(info.bytes_waiting <= rings->in.area);
		ASSERT_TRUE(info.bytes_free <= info.capacity);
		ASSERT_TRUE(info.messages_waiting <= rings->in.area / 8);
		ASSERT_TRUE(strlen(fdinfo(ends[i], "ipcshim-bytes")) <= strlen("16777216"));
	}
}

static void sender_is_EPROTO(const struct rings *rings, const char *what)
{
	struct ipcshim_batch_entry entry;
	int fd = rings->ends.sender;

	ASSERT_ERRNO(EPROTO, write(fd, "x", 1));
	for (unsigned int mode = IPCSHIM_IO_ALL; mode <= IPCSHIM_IO_FAIL; mode++) {
		struct ipcshim_pipe_io io = io_args(buffer, 5, mode);

		expect_EPROTO(fd, IPCSHIM_PIPE_WRITE, &io, what);
		ASSERT_EQ(0, io.moved);
	}
	if (rings->in.area == UNIT)
		return; /* raw: no batches */
	for (unsigned int mode = IPCSHIM_IO_ALL; mode <= IPCSHIM_IO_SOME; mode++) {
		struct ipcshim_pipe_batch batch = batch_args(&entry, 1, mode);

		batch_fill(&entry, 1, buffer, 5);
		expect_EPROTO(fd, IPCSHIM_WRITE_BATCH, &batch, what);
		ASSERT_EQ(0, batch.moved);
	}
}

static void receiver_is_EPROTO(const struct rings *rings, const char *what)
{
	struct ipcshim_batch_entry entry;
	int fd = rings->ends.receiver;

	ASSERT_ERRNO(EPROTO, read(fd, buffer, sizeof(buffer)));
	for (unsigned int mode = IPCSHIM_IO_ALL; mode <= IPCSHIM_IO_FAIL; mode++) {
		struct ipcshim_pipe_io io = io_args(buffer, 5, mode);

		expect_EPROTO(fd, IPCSHIM_PIPE_READ, &io, what);
		ASSERT_EQ(0, io.moved);
	}
	if (rings->in.area == UNIT)
		return;
	for (unsigned int mode = IPCSHIM_IO_ALL; mode <= IPCSHIM_IO_SOME; mode++) {
		struct ipcshim_pipe_batch batch = batch_args(&entry, 1, mode);

		batch_fill(&entry, 1, buffer, sizeof(buffer));
		expect_EPROTO(fd, IPCSHIM_READ_BATCH, &batch, what);
		ASSERT_EQ(0, batch.moved);
	}
}

static void expect_POLLERR(int end, const char *what)
{
	struct pollfd ready = { .fd = end, .events = POLLIN | POLLOUT };

	if (poll(&ready, 1, 0) != 1 || !(ready.revents & POLLERR))
		test_failed(__FILE__, __LINE__, "%s: poll gave %#x", what, ready.revents);
}

/* Positions that no honest pair of sides gets to: each call on either end. */
static void all_is_EPROTO(const struct rings *rings, const char *what)
{
	int ends[2] = { rings->ends.sender, rings->ends.receiver };

	sender_is_EPROTO(rings, what);
	receiver_is_EPROTO(rings, what);
	for (int i = 0; i < 2; i++) {
		struct ipcshim_pipe_wait wait = wait_args(1);

		expect_EPROTO(ends[i], IPCSHIM_PIPE_WAIT, &wait, what);
		wait = nowait_args((uint32_t)rings->in.area);
		expect_EPROTO(ends[i], IPCSHIM_PIPE_WAIT, &wait, what);
		expect_POLLERR(ends[i], what);
	}
	expect_bounded(rings);
}

/* What lies there: "size" bytes, or one message of so many. */
static void put_something(struct rings *rings, unsigned int mode, size_t size)
{
	fill_pattern(buffer, size, 1);
	if (mode == RAW)
		ring_put(&rings->in, buffer, size);
	else
		ring_put_message(&rings->in, buffer, size);
}

/* Nothing moved: it is all there still, and the pipe goes on. */
static void all_is_well(struct rings *rings, size_t size)
{
	memset(buffer, 0, size);
	ASSERT_EQ(size, read(rings->ends.receiver, buffer, sizeof(buffer)));
	check_pattern(buffer, size, 1);
	ASSERT_EQ(5, write(rings->ends.sender, "again", 5));
	ASSERT_EQ(5, read(rings->ends.receiver, buffer, sizeof(buffer)));
	ASSERT_EQ(0, memcmp(buffer, "again", 5));
	ASSERT_EQ(0, info_of(rings->ends.sender).bytes_waiting);
}

struct nonsense {
	const char *what;
	bool consumer; /* whose position */
	bool message_only;
	int64_t from_sense; /* what is added to the honest one */
};

static const struct nonsense nonsenses[] = {
	{ "a producer that is behind", false, false, -1000 },
	{ "a producer that is 8 behind what was read", false, false, -104 },
	{ "a producer that is one byte too far", false, true, 1 },
	{ "a producer that is off by four", false, true, 4 },
	{ "a producer that is a ring and more ahead", false, false, 3 * UNIT },
	{ "a producer that is 4 GiB ahead", false, false, 1LL << 32 },
	{ "a producer in another half of the numbers", false, false, INT64_MIN },
	{ "a consumer that is ahead", true, false, 112 },
	{ "a consumer that is one byte too far", true, true, 1 },
	{ "a consumer that is off by four", true, true, -4 },
	{ "a consumer that is a ring behind", true, false, -3 * UNIT },
	{ "a consumer that is 4 GiB behind", true, false, -(1LL << 32) },
	{ "a consumer in another half of the numbers", true, false, INT64_MIN },
};

static void positions_make_no_sense(unsigned int mode)
{
	for (unsigned int i = 0; i < sizeof(nonsenses) / sizeof(nonsenses[0]); i++) {
		struct rings rings = rings_open(mode, 1);
		struct ipcshim_mapped_index *index =
			nonsenses[i].consumer ? rings.out.consumer : rings.in.producer;
		size_t size = mode == RAW ? 96 : 88;
		uint64_t honest;

		if (nonsenses[i].message_only && mode == RAW)
			continue;
		put_something(&rings, mode, size);
		honest = position(index);
		set_position(index, honest + (uint64_t)nonsenses[i].from_sense);
		all_is_EPROTO(&rings, nonsenses[i].what);
		ASSERT_EQ(honest + (uint64_t)nonsenses[i].from_sense, position(index));
		set_position(index, honest);
		all_is_well(&rings, size);
		rings_close(&rings);
	}
}

TEST(positions_of_a_raw_ring_that_make_no_sense_are_EPROTO)
{
	positions_make_no_sense(RAW);
}

TEST(positions_of_a_message_ring_that_make_no_sense_are_EPROTO)
{
	positions_make_no_sense(MESSAGE);
}

/* By a bit each, in both: EPROTO or a ring that makes sense, but nothing else. */
TEST(every_single_bit_of_a_position_can_be_wrong)
{
	struct rings rings = rings_open(MESSAGE, 1);
	struct ipcshim_pipe_wait wait = nowait_args(8);

	put_something(&rings, MESSAGE, 88);
	for (unsigned int bit = 0; bit < 64; bit++) {
		uint64_t honest = position(rings.in.producer);
		int error;

		set_position(rings.in.producer, honest ^ 1ULL << bit);
		error = ioctl(rings.ends.receiver, IPCSHIM_PIPE_WAIT, &wait) < 0 ? errno : 0;
		ASSERT_EQ((honest ^ 1ULL << bit) > rings.in.area || bit < 3 ? EPROTO : 0, error);
		expect_bounded(&rings);
		set_position(rings.in.producer, honest);
		honest = position(rings.out.consumer);
		set_position(rings.out.consumer, honest ^ 1ULL << bit);
		error = ioctl(rings.ends.receiver, IPCSHIM_PIPE_WAIT, &wait) < 0 ? errno : 0;
		ASSERT_EQ((honest ^ 1ULL << bit) > 96 - 8 || bit < 3 ? EPROTO : 0, error);
		expect_bounded(&rings);
		set_position(rings.out.consumer, honest);
	}
	all_is_well(&rings, 88);
}

/* Records: of the receiver's calls, those that look at one. */

struct bad_record {
	const char *what;
	struct ipcshim_record record;
};

TEST(records_that_make_no_sense_are_EPROTO)
{
	static const struct bad_record bad[] = {
		{ "an empty message", { .length = 0 } },
		{ "a message that reaches beyond what was put", { .length = 89 } },
		{ "the longest message", { .length = IPCSHIM_MESSAGE_MAX } },
		{ "one that is too long", { .length = IPCSHIM_MESSAGE_MAX + 1 } },
		{ "one of 2 GiB", { .length = 1U << 31 } },
		{ "one whose length runs over", { .length = ~0U } },
		{ "one whose length runs over when it is rounded", { .length = ~0U - 15 } },
		{ "a reserved bit", { .length = 88, .reserved = 1 } },
		{ "another reserved bit", { .length = 88, .reserved = 1U << 31 } },
	};

	for (unsigned int i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct rings rings = rings_open(MESSAGE, 1);
		const struct ipcshim_record good = { .length = 88 };

		put_something(&rings, MESSAGE, 88);
		memcpy(rings.in.data, &bad[i].record, RECORD);
		receiver_is_EPROTO(&rings, bad[i].what);
		expect_bounded(&rings);
		/* The sender finds room, as ever. */
		ASSERT_EQ(5, write(rings.ends.sender, "after", 5));
		memcpy(rings.in.data, &good, RECORD);
		ASSERT_EQ(88, read(rings.ends.receiver, buffer, sizeof(buffer)));
		ASSERT_EQ(5, read(rings.ends.receiver, buffer, sizeof(buffer)));
		ASSERT_EQ(0, info_of(rings.ends.sender).bytes_waiting);
		rings_close(&rings);
	}
}

/* Too little for the record that the position says is there. */
TEST(a_producer_that_puts_less_than_a_record_is_EPROTO)
{
	struct rings rings = rings_open(MESSAGE, 1);

	set_position(rings.in.producer, 8);
	rings.in.producer->messages = 1;
	memcpy(rings.in.data, &(struct ipcshim_record){ .length = 1 }, RECORD);
	receiver_is_EPROTO(&rings, "a record without its payload");
	set_position(rings.in.producer, 16);
	ASSERT_EQ(1, read(rings.ends.receiver, buffer, 10));
}

/* The good ones before a bad one are read, and the batch ends there. */
TEST(a_batch_reads_what_lies_before_a_bad_record)
{
	struct rings rings = rings_open(MESSAGE, 1);
	struct ipcshim_batch_entry entries[3];
	struct ipcshim_pipe_batch args = batch_args(entries, 3, IPCSHIM_IO_SOME);
	int error;

	for (int i = 0; i < 3; i++)
		ring_put_message(&rings.in, "12345678", 8);
	memcpy(rings.in.data + 32, &(struct ipcshim_record){ .length = 0 }, RECORD);
	batch_fill(entries, 3, buffer, 8);
	error = ioctl(rings.ends.receiver, IPCSHIM_READ_BATCH, &args) < 0 ? errno : 0;
	ASSERT_EQ(0, error);
	ASSERT_EQ(2, args.moved);
	ASSERT_EQ(32, position(rings.in.consumer));
	batch_fill(entries, 3, buffer, 8);
	expect_EPROTO(rings.ends.receiver, IPCSHIM_READ_BATCH, &args, "the bad one");
	ASSERT_EQ(0, args.moved);
	ASSERT_EQ(32, position(rings.in.consumer));
}

/* The words that the driver writes, and counts that nobody needs. */

TEST(a_batch_does_not_need_the_count_of_messages)
{
	for (unsigned int mode = IPCSHIM_IO_ALL; mode <= IPCSHIM_IO_SOME; mode++) {
		struct rings rings = rings_open(MESSAGE, 1);
		struct ipcshim_batch_entry entries[3];
		struct ipcshim_pipe_batch args = batch_args(entries, 2, mode);

		ring_put_message(&rings.in, "12345678", 8);
		ring_put_message(&rings.in, "12345678", 8);
		rings.in.producer->messages = 0;
		batch_fill(entries, 3, buffer, 8);
		ASSERT_OK(ioctl(rings.ends.receiver, IPCSHIM_READ_BATCH, &args));
		ASSERT_EQ(2, args.moved);
		/* Nor more of them than there are. */
		ring_put_message(&rings.in, "12345678", 8);
		rings.in.producer->messages = 1000;
		args = batch_args(entries, 3, IPCSHIM_IO_FAIL);
		ASSERT_ERRNO(EAGAIN, ioctl(rings.ends.receiver, IPCSHIM_READ_BATCH, &args));
		ASSERT_EQ(0, args.moved);
		ASSERT_EQ(position(rings.in.producer) - 16, position(rings.in.consumer));
	}
}

TEST(whatever_a_side_writes_into_the_rest_of_its_page_changes_nothing)
{
	struct rings rings = rings_open(MESSAGE, 1);

	for (unsigned int fill = 0; fill < 256; fill += 51) {
		uint64_t put = position(rings.in.producer);
		uint64_t taken = position(rings.in.consumer);

		memset(rings.in.producer, (int)fill, page_size());
		memset(rings.out.consumer, (int)fill, page_size());
		set_position(rings.in.producer, put);
		set_position(rings.out.consumer, taken);
		expect_bounded(&rings);
		ASSERT_EQ(5, write(rings.ends.sender, "hello", 5));
		expect_bounded(&rings);
		ASSERT_EQ(5, read(rings.ends.receiver, buffer, 10));
	}
}

TEST(a_sleeper_is_woken_by_a_side_that_has_lost_its_mind)
{
	struct rings rings = rings_open(RAW, 1);
	struct ipcshim_pipe_wait args = wait_args(100);
	struct ipcshim_pipe_wake wake = { 0 };
	struct waiter waiter;

	waiter_start(&waiter, rings.ends.receiver, IPCSHIM_PIPE_WAIT, &args);
	wait_for_wake(rings.in.consumer, 100);
	set_position(rings.in.producer, 1ULL << 40);
	ASSERT_OK(ioctl(rings.ends.sender, IPCSHIM_PIPE_WAKE, &wake));
	ASSERT_EQ(EPROTO, waiter_end(&waiter));
	set_position(rings.in.producer, 0);
	ASSERT_EQ(5, write(rings.ends.sender, "hello", 5));
	ASSERT_EQ(5, read(rings.ends.receiver, buffer, 10));
}

/* Who takes back that it sleeps harms itself alone, and can be killed. */
TEST(a_wake_word_that_was_overwritten_is_not_believed_by_the_driver)
{
	struct rings rings = rings_open(RAW, 1);
	struct ipcshim_pipe_wait args = wait_args(5);
	struct waiter waiter;

	waiter_start(&waiter, rings.ends.receiver, IPCSHIM_PIPE_WAIT, &args);
	wait_for_wake(rings.in.consumer, 5);
	__atomic_store_n(&rings.out.consumer->wake, 0, __ATOMIC_SEQ_CST);
	/* The driver's own write looks at its own list. */
	ASSERT_EQ(5, write(rings.ends.sender, "hello", 5));
	ASSERT_EQ(0, waiter_end(&waiter));
	__atomic_store_n(&rings.out.consumer->wake, ~0U, __ATOMIC_SEQ_CST);
	ASSERT_EQ(5, read(rings.ends.receiver, buffer, 10));
}
