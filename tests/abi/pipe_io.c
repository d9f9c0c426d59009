// SPDX-License-Identifier: MIT
/* PIPE_WRITE and PIPE_READ: every argument out of range, nothing moves. */
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "harness.h"
#include "support.h"

/* A refused write leaves the pipe empty, a refused read what was in it. */
static void write_refused(int expected, unsigned int mode, struct ipcshim_pipe_io args)
{
	struct ends ends = ends_open(port_open(), mode, 1);

	ASSERT_ERRNO(expected, ioctl(ends.sender, IPCSHIM_PIPE_WRITE, &args));
	expect_content(ends.receiver, 0, 0);
}

static void read_refused(int expected, unsigned int mode, struct ipcshim_pipe_io args)
{
	struct ends ends = ends_open(port_open(), mode, 1);
	char content[100];

	fill_pattern(content, sizeof(content), 1);
	ASSERT_EQ(100, write(ends.sender, content, sizeof(content)));
	ASSERT_ERRNO(expected, ioctl(ends.receiver, IPCSHIM_PIPE_READ, &args));
	expect_content(ends.receiver, 100, 1);
}

static char buffer[100];

/* Both directions, both kinds of pipe. */
#define REJECT_IO(name, errno_expected, change)                                \
	static struct ipcshim_pipe_io name##_args(void)                        \
	{                                                                      \
		struct ipcshim_pipe_io args =                                  \
			io_args(buffer, sizeof(buffer), IPCSHIM_IO_FAIL);      \
                                                                               \
		change;                                                        \
		return args;                                                   \
	}                                                                      \
	TEST(pipe_write_##name)                                                \
	{                                                                      \
		write_refused(errno_expected, IPCSHIM_PIPE_RAW, name##_args()); \
		write_refused(errno_expected, IPCSHIM_PIPE_MESSAGE, name##_args()); \
	}                                                                      \
	TEST(pipe_read_##name)                                                 \
	{                                                                      \
		read_refused(errno_expected, IPCSHIM_PIPE_RAW, name##_args()); \
		read_refused(errno_expected, IPCSHIM_PIPE_MESSAGE, name##_args()); \
	}

REJECT_IO(flags_set_is_EINVAL, EINVAL, args.flags = 1)
REJECT_IO(highest_flag_set_is_EINVAL, EINVAL, args.flags = 1U << 31)
REJECT_IO(reserved_field_set_is_EINVAL, EINVAL, args.reserved = 1)
REJECT_IO(mode_3_is_EINVAL, EINVAL, args.mode = 3)
REJECT_IO(highest_mode_is_EINVAL, EINVAL, args.mode = ~0U)
REJECT_IO(deadline_with_FAIL_is_EINVAL, EINVAL, args.deadline = 1)
REJECT_IO(from_a_bad_address_is_EFAULT, EFAULT, args.buffer = (uintptr_t)bad_address())
REJECT_IO(from_a_kernel_address_is_EFAULT, EFAULT, args.buffer = ~0ULL - 4095)

TEST(pipe_write_deadline_with_SOME_is_EINVAL)
{
	struct ipcshim_pipe_io args = io_args(buffer, sizeof(buffer), IPCSHIM_IO_SOME);

	args.deadline = 1;
	write_refused(EINVAL, IPCSHIM_PIPE_RAW, args);
}

TEST(pipe_read_deadline_with_SOME_is_EINVAL)
{
	struct ipcshim_pipe_io args = io_args(buffer, sizeof(buffer), IPCSHIM_IO_SOME);

	args.deadline = 1;
	read_refused(EINVAL, IPCSHIM_PIPE_RAW, args);
}

TEST(pipe_read_deadline_beyond_the_clock_is_EINVAL)
{
	struct ipcshim_pipe_io args = io_args(buffer, sizeof(buffer), IPCSHIM_IO_ALL);

	args.deadline = 1ULL << 63;
	read_refused(EINVAL, IPCSHIM_PIPE_RAW, args);
	args.deadline = ~0ULL;
	read_refused(EINVAL, IPCSHIM_PIPE_MESSAGE, args);
}

TEST(pipe_write_SOME_of_a_message_is_EINVAL)
{
	write_refused(EINVAL, IPCSHIM_PIPE_MESSAGE,
		      io_args(buffer, sizeof(buffer), IPCSHIM_IO_SOME));
}

TEST(pipe_read_SOME_of_a_message_is_EINVAL)
{
	read_refused(EINVAL, IPCSHIM_PIPE_MESSAGE,
		     io_args(buffer, sizeof(buffer), IPCSHIM_IO_SOME));
}

TEST(pipe_write_FAIL_of_a_raw_piece_above_the_capacity_is_EINVAL)
{
	char *piece = calloc(1, UNIT + 1);

	write_refused(EINVAL, IPCSHIM_PIPE_RAW, io_args(piece, UNIT + 1, IPCSHIM_IO_FAIL));
}

TEST(pipe_read_FAIL_of_a_raw_piece_above_the_capacity_is_EINVAL)
{
	char *piece = calloc(1, UNIT + 1);

	read_refused(EINVAL, IPCSHIM_PIPE_RAW, io_args(piece, UNIT + 1, IPCSHIM_IO_FAIL));
}

TEST(pipe_write_of_a_message_above_64_KiB_is_EMSGSIZE_in_an_empty_larger_pipe)
{
	struct ends ends = ends_open(port_open(), IPCSHIM_PIPE_MESSAGE, 4);
	char *message = calloc(1, IPCSHIM_MESSAGE_MAX + 1);

	for (unsigned int mode = IPCSHIM_IO_ALL; mode <= IPCSHIM_IO_FAIL; mode++) {
		struct ipcshim_pipe_io args = io_args(message, IPCSHIM_MESSAGE_MAX + 1, mode);

		ASSERT_ERRNO(EMSGSIZE, ioctl(ends.sender, IPCSHIM_PIPE_WRITE, &args));
		ASSERT_EQ(IPCSHIM_CAUSE_TOO_LONG, args.cause);
		ASSERT_EQ(0, args.moved);
		expect_content(ends.receiver, 0, 0);
	}
}

TEST(pipe_read_of_a_message_with_a_buffer_too_small_is_EMSGSIZE_and_tells_the_length)
{
	struct ends ends = ends_open(port_open(), IPCSHIM_PIPE_MESSAGE, 1);

	fill_pattern(buffer, sizeof(buffer), 2);
	ASSERT_EQ(100, write(ends.sender, buffer, 100));
	for (unsigned int mode = IPCSHIM_IO_ALL; mode <= IPCSHIM_IO_FAIL; mode++) {
		char small[99];
		struct ipcshim_pipe_io args = io_args(small, sizeof(small), mode);

		ASSERT_ERRNO(EMSGSIZE, ioctl(ends.receiver, IPCSHIM_PIPE_READ, &args));
		ASSERT_EQ(IPCSHIM_CAUSE_TOO_LONG, args.cause);
		ASSERT_EQ(100, args.remains);
		ASSERT_EQ(0, args.moved);
		ASSERT_EQ(1, info_of(ends.receiver).messages_waiting);
	}
	expect_content(ends.receiver, 100, 2);
}

TEST(pipe_write_of_a_size_that_wraps_the_address_space_moves_nothing)
{
	struct ends ends = ends_open(port_open(), IPCSHIM_PIPE_RAW, 1);
	struct ipcshim_pipe_io args = io_args(buffer, ~(size_t)0 - 10, IPCSHIM_IO_SOME);

	ASSERT_EQ(-1, ioctl(ends.sender, IPCSHIM_PIPE_WRITE, &args));
	ASSERT_TRUE(errno == EFAULT || errno == EINVAL);
	expect_content(ends.receiver, 0, 0);
}

TEST(pipe_write_with_the_arguments_at_a_bad_address_is_EFAULT)
{
	struct ends ends = ends_open(port_open(), IPCSHIM_PIPE_RAW, 1);

	ASSERT_ERRNO(EFAULT, ioctl(ends.sender, IPCSHIM_PIPE_WRITE, bad_address()));
	expect_content(ends.receiver, 0, 0);
}

TEST(pipe_read_with_the_arguments_at_a_bad_address_is_EFAULT)
{
	struct ends ends = ends_open(port_open(), IPCSHIM_PIPE_RAW, 1);

	fill_pattern(buffer, sizeof(buffer), 3);
	ASSERT_EQ(100, write(ends.sender, buffer, 100));
	ASSERT_ERRNO(EFAULT, ioctl(ends.receiver, IPCSHIM_PIPE_READ, bad_address()));
	expect_content(ends.receiver, 100, 3);
}

TEST(pipe_write_with_an_answer_to_read_only_memory_is_EFAULT_and_moves_nothing)
{
	struct ends ends = ends_open(port_open(), IPCSHIM_PIPE_RAW, 1);
	struct ipcshim_pipe_io args = io_args(buffer, sizeof(buffer), IPCSHIM_IO_FAIL);

	ASSERT_ERRNO(EFAULT, ioctl(ends.sender, IPCSHIM_PIPE_WRITE,
				   read_only_copy(&args, sizeof(args))));
	expect_content(ends.receiver, 0, 0);
}

TEST(pipe_read_with_an_answer_to_read_only_memory_is_EFAULT_and_moves_nothing)
{
	struct ends ends = ends_open(port_open(), IPCSHIM_PIPE_RAW, 1);
	struct ipcshim_pipe_io args = io_args(buffer, sizeof(buffer), IPCSHIM_IO_FAIL);

	fill_pattern(buffer, sizeof(buffer), 4);
	ASSERT_EQ(100, write(ends.sender, buffer, 100));
	ASSERT_ERRNO(EFAULT, ioctl(ends.receiver, IPCSHIM_PIPE_READ,
				   read_only_copy(&args, sizeof(args))));
	fill_pattern(buffer, sizeof(buffer), 0);
	expect_content(ends.receiver, 100, 4);
}

/* "size" bytes of which the last page can't be touched. */
static char *ends_in_a_hole(size_t size, unsigned int seed)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	size_t whole = (size + page - 1) / page * page;
	char *memory = mmap(NULL, whole, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
			    0);

	ASSERT_TRUE(memory != MAP_FAILED && whole > page);
	fill_pattern(memory, size, seed);
	ASSERT_OK(mprotect(memory + whole - page, page, PROT_NONE));
	return memory;
}

TEST(pipe_write_that_faults_in_its_middle_moves_nothing_in_every_mode)
{
	struct ends ends = ends_open(port_open(), IPCSHIM_PIPE_RAW, 16);

	for (unsigned int mode = IPCSHIM_IO_ALL; mode <= IPCSHIM_IO_SOME; mode++) {
		struct ipcshim_pipe_io args =
			io_args(ends_in_a_hole(8 * UNIT, 5), 8 * UNIT, mode);

		ASSERT_ERRNO(EFAULT, ioctl(ends.sender, IPCSHIM_PIPE_WRITE, &args));
		expect_content(ends.receiver, 0, 0);
	}
}

TEST(pipe_write_of_a_message_that_faults_in_its_middle_moves_nothing)
{
	struct ends ends = ends_open(port_open(), IPCSHIM_PIPE_MESSAGE, 1);
	size_t size = IPCSHIM_MESSAGE_MAX;

	/* With 64 KiB pages the hole has to be the second page. */
	if (sysconf(_SC_PAGESIZE) >= IPCSHIM_MESSAGE_MAX)
		SKIP("a message does not cross a page of this size");
	for (unsigned int mode = IPCSHIM_IO_ALL; mode <= IPCSHIM_IO_FAIL; mode++) {
		struct ipcshim_pipe_io args = io_args(ends_in_a_hole(size, 6), size, mode);

		ASSERT_ERRNO(EFAULT, ioctl(ends.sender, IPCSHIM_PIPE_WRITE, &args));
		expect_content(ends.receiver, 0, 0);
	}
}

TEST(pipe_read_that_faults_in_its_middle_moves_nothing_in_every_mode)
{
	struct ends ends = ends_open(port_open(), IPCSHIM_PIPE_RAW, 16);
	char *content = malloc(8 * UNIT);

	fill_pattern(content, 8 * UNIT, 7);
	ASSERT_EQ(8 * UNIT, write(ends.sender, content, 8 * UNIT));
	for (unsigned int mode = IPCSHIM_IO_ALL; mode <= IPCSHIM_IO_SOME; mode++) {
		struct ipcshim_pipe_io args =
			io_args(ends_in_a_hole(8 * UNIT, 0), 8 * UNIT, mode);

		ASSERT_ERRNO(EFAULT, ioctl(ends.receiver, IPCSHIM_PIPE_READ, &args));
	}
	expect_content(ends.receiver, 8 * UNIT, 7);
}

TEST(pipe_read_of_a_message_that_faults_in_its_middle_keeps_it)
{
	struct ends ends = ends_open(port_open(), IPCSHIM_PIPE_MESSAGE, 1);
	size_t size = IPCSHIM_MESSAGE_MAX;
	char *content = malloc(size);

	if (sysconf(_SC_PAGESIZE) >= IPCSHIM_MESSAGE_MAX)
		SKIP("a message does not cross a page of this size");
	fill_pattern(content, size, 8);
	ASSERT_EQ(size, write(ends.sender, content, size));
	for (unsigned int mode = IPCSHIM_IO_ALL; mode <= IPCSHIM_IO_FAIL; mode++) {
		struct ipcshim_pipe_io args = io_args(ends_in_a_hole(size, 0), size, mode);

		ASSERT_ERRNO(EFAULT, ioctl(ends.receiver, IPCSHIM_PIPE_READ, &args));
	}
	expect_content(ends.receiver, size, 8);
}

TEST(pipe_write_of_zero_bytes_succeeds_in_every_mode_and_state)
{
	for (unsigned int mode = IPCSHIM_PIPE_RAW; mode <= IPCSHIM_PIPE_MESSAGE; mode++) {
		struct ends ends = ends_open(port_open(), mode, 1);
		char *full = calloc(1, UNIT);

		for (unsigned int state = 0; state < 2; state++) {
			for (unsigned int io = IPCSHIM_IO_ALL; io <= IPCSHIM_IO_FAIL; io++) {
				struct ipcshim_pipe_io args = io_args(NULL, 0, io);

				ASSERT_OK(ioctl(ends.sender, IPCSHIM_PIPE_WRITE, &args));
				ASSERT_EQ(0, args.moved);
				ASSERT_OK(ioctl(ends.receiver, IPCSHIM_PIPE_READ, &args));
				ASSERT_EQ(0, args.moved);
			}
			ASSERT_EQ(state, info_of(ends.sender).messages_waiting +
					 (mode == IPCSHIM_PIPE_RAW &&
					  info_of(ends.sender).bytes_waiting));
			if (state == 0)
				ASSERT_EQ(UNIT, write(ends.sender, full, UNIT));
		}
	}
}
