// SPDX-License-Identifier: MIT
/* WRITE_BATCH and READ_BATCH: every argument out of range, every bad address. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "harness.h"
#include "mapped.h"

enum { COUNT = 3, SIZE = 10 };

static char buffer[COUNT * SIZE];
static struct ipcshim_batch_entry entries[COUNT];

/* Both directions, pipes that can be mapped and others: nothing moves. */

static struct ends pipe_of(bool mapped)
{
	return mapped ? mapped_open(port_open(), MESSAGE, 1) : ends_open(port_open(), MESSAGE, 1);
}

static void put_messages(int sender, unsigned int count, size_t size)
{
	char message[IPCSHIM_MESSAGE_MAX];

	for (unsigned int i = 0; i < count; i++) {
		fill_pattern(message, size, i);
		ASSERT_EQ(size, write(sender, message, size));
	}
}

/* So many messages of that size wait there, and no more. */
static void expect_messages(int receiver, unsigned int count, size_t size)
{
	static char message[IPCSHIM_MESSAGE_MAX];

	ASSERT_EQ(count, info_of(receiver).messages_waiting);
	for (unsigned int i = 0; i < count; i++) {
		ASSERT_EQ(size, read(receiver, message, sizeof(message)));
		check_pattern(message, size, i);
	}
	ASSERT_EQ(0, info_of(receiver).bytes_waiting);
}

static void write_refused(int expected, struct ipcshim_pipe_batch args)
{
	for (int mapped = 0; mapped < 2; mapped++) {
		struct ends ends = pipe_of(mapped);
		struct ipcshim_pipe_batch call = args;

		ASSERT_ERRNO(expected, ioctl(ends.sender, IPCSHIM_WRITE_BATCH, &call));
		expect_messages(ends.receiver, 0, 0);
	}
}

static void read_refused(int expected, struct ipcshim_pipe_batch args)
{
	for (int mapped = 0; mapped < 2; mapped++) {
		struct ends ends = pipe_of(mapped);
		struct ipcshim_pipe_batch call = args;

		put_messages(ends.sender, COUNT, SIZE);
		ASSERT_ERRNO(expected, ioctl(ends.receiver, IPCSHIM_READ_BATCH, &call));
		expect_messages(ends.receiver, COUNT, SIZE);
	}
}

#define REJECT_BATCH(name, errno_expected, change)                             \
	TEST(batch_##name)                                                     \
	{                                                                      \
		struct ipcshim_pipe_batch args =                               \
			batch_args(entries, COUNT, IPCSHIM_IO_FAIL);           \
                                                                               \
		batch_fill(entries, COUNT, buffer, SIZE);                      \
		change;                                                        \
		write_refused(errno_expected, args);                           \
		read_refused(errno_expected, args);                            \
	}

REJECT_BATCH(count_1025_is_EINVAL, EINVAL, args.count = IPCSHIM_BATCH_MAX + 1)
REJECT_BATCH(highest_count_is_EINVAL, EINVAL, args.count = ~0U)
REJECT_BATCH(mode_3_is_EINVAL, EINVAL, args.mode = 3)
REJECT_BATCH(highest_mode_is_EINVAL, EINVAL, args.mode = ~0U)
REJECT_BATCH(flags_set_is_EINVAL, EINVAL, args.flags = 1)
REJECT_BATCH(highest_flag_set_is_EINVAL, EINVAL, args.flags = 1U << 31)
REJECT_BATCH(reserved_field_set_is_EINVAL, EINVAL, args.reserved = 1)
REJECT_BATCH(deadline_with_FAIL_is_EINVAL, EINVAL, args.deadline = 1)
REJECT_BATCH(deadline_with_SOME_is_EINVAL, EINVAL,
	     (args.mode = IPCSHIM_IO_SOME, args.deadline = 1))
REJECT_BATCH(deadline_beyond_the_clock_is_EINVAL, EINVAL,
	     (args.mode = IPCSHIM_IO_ALL, args.deadline = 1ULL << 63))
REJECT_BATCH(entries_at_a_bad_address_is_EFAULT, EFAULT,
	     args.entries = (uintptr_t)bad_address())
REJECT_BATCH(entries_at_a_kernel_address_is_EFAULT, EFAULT, args.entries = ~0ULL - 4095)
REJECT_BATCH(entries_that_wrap_the_address_space_is_EFAULT, EFAULT, args.entries = ~0ULL - 15)
REJECT_BATCH(first_buffer_at_a_bad_address_is_EFAULT, EFAULT,
	     entries[0].buffer = (uintptr_t)bad_address())
REJECT_BATCH(first_buffer_at_a_kernel_address_is_EFAULT, EFAULT,
	     entries[0].buffer = ~0ULL - 4095)
REJECT_BATCH(SOME_with_the_first_buffer_at_a_bad_address_is_EFAULT, EFAULT,
	     (args.mode = IPCSHIM_IO_SOME, entries[0].buffer = (uintptr_t)bad_address()))
REJECT_BATCH(ALL_with_the_first_buffer_at_a_bad_address_is_EFAULT, EFAULT,
	     (args.mode = IPCSHIM_IO_ALL, entries[0].buffer = (uintptr_t)bad_address()))
/* Where "moved" of the entries has no place: nothing has moved, rather than unseen. */
REJECT_BATCH(entries_in_read_only_memory_is_EFAULT, EFAULT,
	     args.entries = (uintptr_t)read_only_copy(entries, sizeof(entries)))

TEST(batch_at_a_bad_address_is_EFAULT)
{
	struct ends ends = pipe_of(false);

	put_messages(ends.sender, 1, SIZE);
	ASSERT_ERRNO(EFAULT, ioctl(ends.sender, IPCSHIM_WRITE_BATCH, bad_address()));
	ASSERT_ERRNO(EFAULT, ioctl(ends.receiver, IPCSHIM_READ_BATCH, bad_address()));
	expect_messages(ends.receiver, 1, SIZE);
}

TEST(batch_with_an_answer_to_read_only_memory_is_EFAULT_and_moves_nothing)
{
	for (int mapped = 0; mapped < 2; mapped++) {
		struct ends ends = pipe_of(mapped);
		struct ipcshim_pipe_batch args = batch_args(entries, COUNT, IPCSHIM_IO_FAIL);
		void *copy;

		batch_fill(entries, COUNT, buffer, SIZE);
		copy = read_only_copy(&args, sizeof(args));
		ASSERT_ERRNO(EFAULT, ioctl(ends.sender, IPCSHIM_WRITE_BATCH, copy));
		put_messages(ends.sender, COUNT, SIZE);
		ASSERT_ERRNO(EFAULT, ioctl(ends.receiver, IPCSHIM_READ_BATCH, copy));
		expect_messages(ends.receiver, COUNT, SIZE);
	}
}

TEST(batch_on_a_raw_pipe_is_EINVAL_and_on_the_other_end_ENOTTY)
{
	struct ipcshim_pipe_batch args = batch_args(entries, COUNT, IPCSHIM_IO_SOME);

	batch_fill(entries, COUNT, buffer, SIZE);
	for (int mapped = 0; mapped < 2; mapped++) {
		struct ends raw = mapped ? mapped_open(port_open(), RAW, 1) :
					   ends_open(port_open(), RAW, 1);
		struct ends message = pipe_of(mapped);

		ASSERT_EQ(100, write(raw.sender, calloc(1, 100), 100));
		ASSERT_ERRNO(EINVAL, ioctl(raw.sender, IPCSHIM_WRITE_BATCH, &args));
		ASSERT_ERRNO(EINVAL, ioctl(raw.receiver, IPCSHIM_READ_BATCH, &args));
		ASSERT_EQ(100, info_of(raw.sender).bytes_waiting);
		ASSERT_ERRNO(ENOTTY, ioctl(message.receiver, IPCSHIM_WRITE_BATCH, &args));
		ASSERT_ERRNO(ENOTTY, ioctl(message.sender, IPCSHIM_READ_BATCH, &args));
	}
}

/* Something is wrong with one that is not the first. */

static void spoil(unsigned int which, int with)
{
	batch_fill(entries, COUNT, buffer, SIZE);
	for (unsigned int i = 0; i < COUNT; i++) {
		fill_pattern(buffer + i * SIZE, SIZE, i);
		entries[i].moved = 77;
	}
	if (with == EFAULT)
		entries[which].buffer = (uintptr_t)bad_address();
	else if (with == EMSGSIZE)
		entries[which].size = IPCSHIM_MESSAGE_MAX + 1;
}

static unsigned int cause_of(int error)
{
	return error == EFAULT ? IPCSHIM_CAUSE_FAULT : IPCSHIM_CAUSE_TOO_LONG;
}

TEST(write_batch_ends_before_the_message_that_is_no_good)
{
	static const int errors[] = { EFAULT, EMSGSIZE };
	static const unsigned int modes[] = { IPCSHIM_IO_ALL, IPCSHIM_IO_SOME };

	for (unsigned int round = 0; round < 8; round++) {
		struct ends ends = pipe_of(round & 1);
		int error = errors[round / 2 & 1];
		struct ipcshim_pipe_batch args = batch_args(entries, COUNT, modes[round / 4]);

		spoil(2, error);
		ASSERT_OK(ioctl(ends.sender, IPCSHIM_WRITE_BATCH, &args));
		ASSERT_EQ(2, args.moved);
		ASSERT_EQ(cause_of(error), args.cause);
		ASSERT_EQ(SIZE, entries[0].moved);
		ASSERT_EQ(SIZE, entries[1].moved);
		expect_messages(ends.receiver, 2, SIZE);
		/* Of none of them it is the call's error. */
		args = batch_args(entries + 2, 1, args.mode);
		ASSERT_ERRNO(error, ioctl(ends.sender, IPCSHIM_WRITE_BATCH, &args));
		ASSERT_EQ(cause_of(error), args.cause);
		ASSERT_EQ(0, args.moved);
	}
}

TEST(read_batch_ends_before_the_message_that_has_no_place)
{
	for (unsigned int round = 0; round < 4; round++) {
		struct ends ends = pipe_of(round & 1);
		int error = round & 2 ? EFAULT : EMSGSIZE;
		struct ipcshim_pipe_batch args = batch_args(entries, COUNT, IPCSHIM_IO_SOME);

		put_messages(ends.sender, COUNT, SIZE);
		spoil(2, error == EFAULT ? EFAULT : 0);
		memset(buffer, 0, sizeof(buffer));
		if (error == EMSGSIZE)
			entries[2].size = SIZE - 1;
		ASSERT_OK(ioctl(ends.receiver, IPCSHIM_READ_BATCH, &args));
		ASSERT_EQ(2, args.moved);
		ASSERT_EQ(cause_of(error), args.cause);
		ASSERT_EQ(SIZE, args.remains);
		check_pattern(buffer, SIZE, 0);
		check_pattern(buffer + SIZE, SIZE, 1);
		ASSERT_EQ(SIZE, entries[0].moved);
		ASSERT_EQ(SIZE, entries[1].moved);
		args = batch_args(entries + 2, 1, IPCSHIM_IO_SOME);
		ASSERT_ERRNO(error, ioctl(ends.receiver, IPCSHIM_READ_BATCH, &args));
		ASSERT_EQ(SIZE, args.remains);
		ASSERT_EQ(1, info_of(ends.receiver).messages_waiting);
	}
}

TEST(batch_FAIL_moves_none_if_one_is_no_good)
{
	static const int errors[] = { EFAULT, EMSGSIZE };

	for (int i = 0; i < 2; i++) {
		struct ends ends = pipe_of(false);
		struct ipcshim_pipe_batch args = batch_args(entries, COUNT, IPCSHIM_IO_FAIL);

		spoil(2, errors[i]);
		ASSERT_ERRNO(errors[i], ioctl(ends.sender, IPCSHIM_WRITE_BATCH, &args));
		ASSERT_EQ(0, args.moved);
		expect_messages(ends.receiver, 0, 0);
		put_messages(ends.sender, COUNT, SIZE);
		if (errors[i] == EMSGSIZE)
			entries[2].size = SIZE - 1;
		ASSERT_ERRNO(errors[i], ioctl(ends.receiver, IPCSHIM_READ_BATCH, &args));
		ASSERT_EQ(0, args.moved);
		expect_messages(ends.receiver, COUNT, SIZE);
	}
}

/* The entries themselves end in a hole: those before it count. */
TEST(batch_whose_entries_end_in_a_hole_moves_no_more_than_there_are)
{
	size_t page = page_size();
	unsigned int there = (unsigned int)(page / sizeof(entries[0]));
	char *memory = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			    -1, 0);
	struct ipcshim_batch_entry *cut = (struct ipcshim_batch_entry *)(void *)memory;
	struct ends ends = pipe_of(false);
	struct ipcshim_pipe_batch args;

	ASSERT_OK(mprotect(memory + page, page, PROT_NONE));
	if (there > IPCSHIM_BATCH_MAX - 10) {
		cut += there - 512;
		there = 512;
	}
	for (unsigned int i = 0; i < there; i++)
		batch_fill(cut + i, 1, buffer, SIZE);
	fill_pattern(buffer, SIZE, 0);
	args = batch_args(cut, there + 10, IPCSHIM_IO_SOME);
	ASSERT_OK(ioctl(ends.sender, IPCSHIM_WRITE_BATCH, &args));
	ASSERT_TRUE(args.moved <= there);
	ASSERT_EQ(IPCSHIM_CAUSE_FAULT, args.cause);
	ASSERT_EQ(args.moved, info_of(ends.receiver).messages_waiting);
}
