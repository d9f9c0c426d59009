// SPDX-License-Identifier: MIT
/* read, write, readv, writev and their relatives: what is refused. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include "harness.h"
#include "support.h"

static volatile sig_atomic_t broken_pipes;

static void on_broken_pipe(int signo)
{
	(void)signo;
	broken_pipes++;
}

static void nonblocking(struct ends ends)
{
	ASSERT_OK(fcntl(ends.sender, F_SETFL, O_NONBLOCK));
	ASSERT_OK(fcntl(ends.receiver, F_SETFL, O_NONBLOCK));
}

static struct ends pipe_of(unsigned int mode)
{
	struct ends ends = ends_open(port_open(), mode, 1);

	nonblocking(ends);
	return ends;
}

TEST(read_of_an_empty_O_NONBLOCK_pipe_is_EAGAIN)
{
	char byte;

	ASSERT_ERRNO(EAGAIN, read(pipe_of(IPCSHIM_PIPE_RAW).receiver, &byte, 1));
	ASSERT_ERRNO(EAGAIN, read(pipe_of(IPCSHIM_PIPE_MESSAGE).receiver, &byte, 1));
}

TEST(write_to_a_full_O_NONBLOCK_pipe_is_EAGAIN)
{
	for (unsigned int mode = IPCSHIM_PIPE_RAW; mode <= IPCSHIM_PIPE_MESSAGE; mode++) {
		struct ends ends = pipe_of(mode);
		char *content = malloc(UNIT);

		fill_pattern(content, UNIT, 1);
		ASSERT_EQ(UNIT, write(ends.sender, content, UNIT));
		ASSERT_ERRNO(EAGAIN, write(ends.sender, "x", 1));
		expect_content(ends.receiver, UNIT, 1);
	}
}

TEST(write_of_PIPE_BUF_bytes_into_less_room_is_EAGAIN_and_writes_none)
{
	struct ends ends = pipe_of(IPCSHIM_PIPE_RAW);
	char *content = malloc(UNIT);

	fill_pattern(content, UNIT, 1);
	ASSERT_EQ(UNIT - IPCSHIM_PIPE_BUF + 1,
		  write(ends.sender, content, UNIT - IPCSHIM_PIPE_BUF + 1));
	ASSERT_ERRNO(EAGAIN, write(ends.sender, content, IPCSHIM_PIPE_BUF));
	expect_content(ends.receiver, UNIT - IPCSHIM_PIPE_BUF + 1, 1);
}

TEST(write_above_PIPE_BUF_into_less_room_is_short)
{
	struct ends ends = pipe_of(IPCSHIM_PIPE_RAW);
	char *content = malloc(2 * UNIT);

	fill_pattern(content, 2 * UNIT, 1);
	ASSERT_EQ(UNIT, write(ends.sender, content, 2 * UNIT));
	expect_content(ends.receiver, UNIT, 1);
}

TEST(write_of_a_message_into_less_room_is_EAGAIN_and_writes_none)
{
	struct ends ends = pipe_of(IPCSHIM_PIPE_MESSAGE);
	char *content = malloc(UNIT);

	fill_pattern(content, UNIT, 1);
	ASSERT_EQ(UNIT - 99, write(ends.sender, content, UNIT - 99));
	ASSERT_ERRNO(EAGAIN, write(ends.sender, content, 100));
	ASSERT_EQ(1, info_of(ends.receiver).messages_waiting);
	expect_content(ends.receiver, UNIT - 99, 1);
}

TEST(write_of_a_message_above_64_KiB_is_EMSGSIZE)
{
	struct ends ends = ends_open(port_open(), IPCSHIM_PIPE_MESSAGE, 4);
	char *content = calloc(1, 2 * UNIT);

	ASSERT_ERRNO(EMSGSIZE, write(ends.sender, content, IPCSHIM_MESSAGE_MAX + 1));
	ASSERT_ERRNO(EMSGSIZE, write(ends.sender, content, 2 * UNIT));
	expect_content(ends.receiver, 0, 0);
}

TEST(writev_of_a_message_above_64_KiB_in_sum_is_EMSGSIZE)
{
	struct ends ends = ends_open(port_open(), IPCSHIM_PIPE_MESSAGE, 4);
	char *content = calloc(1, UNIT);
	struct iovec parts[] = { { content, UNIT }, { content, 1 } };

	ASSERT_ERRNO(EMSGSIZE, writev(ends.sender, parts, 2));
	expect_content(ends.receiver, 0, 0);
}

TEST(read_of_a_message_with_a_buffer_too_small_is_EMSGSIZE_and_keeps_it)
{
	struct ends ends = pipe_of(IPCSHIM_PIPE_MESSAGE);
	char content[100];
	int length;

	fill_pattern(content, sizeof(content), 3);
	ASSERT_EQ(100, write(ends.sender, content, 100));
	ASSERT_ERRNO(EMSGSIZE, read(ends.receiver, content, 99));
	ASSERT_OK(ioctl(ends.receiver, FIONREAD, &length));
	ASSERT_EQ(100, length);
	expect_content(ends.receiver, 100, 3);
}

TEST(write_to_a_closed_pipe_is_EPIPE_with_SIGPIPE)
{
	for (unsigned int mode = IPCSHIM_PIPE_RAW; mode <= IPCSHIM_PIPE_MESSAGE; mode++) {
		struct ends ends = pipe_of(mode);

		close(ends.receiver);
		signal(SIGPIPE, on_broken_pipe);
		broken_pipes = 0;
		ASSERT_ERRNO(EPIPE, write(ends.sender, "x", 1));
		ASSERT_EQ(1, broken_pipes);
	}
}

TEST(pipe_write_to_a_closed_pipe_is_EPIPE_without_SIGPIPE)
{
	for (unsigned int mode = IPCSHIM_PIPE_RAW; mode <= IPCSHIM_PIPE_MESSAGE; mode++) {
		struct ends ends = pipe_of(mode);

		close(ends.receiver);
		signal(SIGPIPE, on_broken_pipe);
		for (unsigned int io = IPCSHIM_IO_ALL; io <= IPCSHIM_IO_FAIL; io++) {
			struct ipcshim_pipe_io args = io_args("x", 1, io);

			ASSERT_ERRNO(EPIPE, ioctl(ends.sender, IPCSHIM_PIPE_WRITE, &args));
			ASSERT_EQ(IPCSHIM_CAUSE_CLOSED, args.cause);
		}
		ASSERT_EQ(0, broken_pipes);
	}
}

TEST(read_of_a_closed_pipe_drains_and_then_is_0)
{
	for (unsigned int mode = IPCSHIM_PIPE_RAW; mode <= IPCSHIM_PIPE_MESSAGE; mode++) {
		struct ends ends = ends_open(port_open(), mode, 1);
		char content[10];

		ASSERT_EQ(4, write(ends.sender, "last", 4));
		close(ends.sender);
		ASSERT_EQ(4, read(ends.receiver, content, sizeof(content)));
		ASSERT_EQ(0, memcmp(content, "last", 4));
		ASSERT_EQ(0, read(ends.receiver, content, sizeof(content)));
		ASSERT_EQ(0, read(ends.receiver, content, sizeof(content)));
	}
}

TEST(zero_bytes_are_0_at_once_in_every_state)
{
	for (unsigned int mode = IPCSHIM_PIPE_RAW; mode <= IPCSHIM_PIPE_MESSAGE; mode++) {
		struct ends ends = ends_open(port_open(), mode, 1);
		char *content = malloc(UNIT);

		ASSERT_EQ(0, write(ends.sender, "", 0));
		ASSERT_EQ(0, read(ends.receiver, content, 0));
		ASSERT_EQ(0, info_of(ends.receiver).messages_waiting);
		fill_pattern(content, UNIT, 4);
		ASSERT_EQ(UNIT, write(ends.sender, content, UNIT));
		ASSERT_EQ(0, write(ends.sender, "", 0));
		ASSERT_EQ(0, read(ends.receiver, content, 0));
		expect_content(ends.receiver, UNIT, 4);
	}
}

TEST(write_from_a_bad_address_is_EFAULT_and_moves_nothing)
{
	for (unsigned int mode = IPCSHIM_PIPE_RAW; mode <= IPCSHIM_PIPE_MESSAGE; mode++) {
		struct ends ends = pipe_of(mode);

		ASSERT_ERRNO(EFAULT, write(ends.sender, bad_address(), 100));
		expect_content(ends.receiver, 0, 0);
	}
}

TEST(read_to_a_bad_address_is_EFAULT_and_moves_nothing)
{
	for (unsigned int mode = IPCSHIM_PIPE_RAW; mode <= IPCSHIM_PIPE_MESSAGE; mode++) {
		struct ends ends = pipe_of(mode);
		char content[100];

		fill_pattern(content, 100, 5);
		ASSERT_EQ(100, write(ends.sender, content, 100));
		ASSERT_ERRNO(EFAULT, read(ends.receiver, bad_address(), 100));
		expect_content(ends.receiver, 100, 5);
	}
}

TEST(writev_whose_last_part_is_bad_is_EFAULT_and_moves_nothing)
{
	for (unsigned int mode = IPCSHIM_PIPE_RAW; mode <= IPCSHIM_PIPE_MESSAGE; mode++) {
		struct ends ends = pipe_of(mode);
		char content[100];
		struct iovec parts[] = { { content, 100 }, { bad_address(), 10 } };

		fill_pattern(content, 100, 6);
		ASSERT_ERRNO(EFAULT, writev(ends.sender, parts, 2));
		expect_content(ends.receiver, 0, 0);
	}
}

TEST(readv_whose_last_part_is_bad_is_EFAULT_and_moves_nothing)
{
	for (unsigned int mode = IPCSHIM_PIPE_RAW; mode <= IPCSHIM_PIPE_MESSAGE; mode++) {
		struct ends ends = pipe_of(mode);
		char content[100];
		struct iovec parts[] = { { content, 50 }, { bad_address(), 50 } };

		fill_pattern(content, 100, 7);
		ASSERT_EQ(100, write(ends.sender, content, 100));
		ASSERT_ERRNO(EFAULT, readv(ends.receiver, parts, 2));
		expect_content(ends.receiver, 100, 7);
	}
}

TEST(writev_is_one_message_and_readv_spreads_it)
{
	struct ends ends = pipe_of(IPCSHIM_PIPE_MESSAGE);
	char first[3];
	char second[20];
	struct iovec out[] = { { "hel", 3 }, { "", 0 }, { "lo wor", 6 }, { "ld", 2 } };
	struct iovec in[] = { { first, sizeof(first) }, { second, sizeof(second) } };

	ASSERT_EQ(11, writev(ends.sender, out, 4));
	ASSERT_EQ(1, info_of(ends.receiver).messages_waiting);
	ASSERT_EQ(11, readv(ends.receiver, in, 2));
	ASSERT_EQ(0, memcmp(first, "hel", 3));
	ASSERT_EQ(0, memcmp(second, "lo world", 8));
}

TEST(pread_pwrite_and_lseek_are_ESPIPE)
{
	struct ends ends = pipe_of(IPCSHIM_PIPE_RAW);
	char byte = 0;

	ASSERT_ERRNO(ESPIPE, pwrite(ends.sender, &byte, 1, 0));
	ASSERT_ERRNO(ESPIPE, pread(ends.receiver, &byte, 1, 0));
	ASSERT_ERRNO(ESPIPE, lseek(ends.receiver, 0, SEEK_SET));
	ASSERT_ERRNO(ESPIPE, lseek(ends.sender, 0, SEEK_END));
}

TEST(mmap_of_a_pipe_that_is_not_mapped_is_ENODEV)
{
	struct ends ends = pipe_of(IPCSHIM_PIPE_RAW);

	ASSERT_TRUE(mmap(NULL, 4096, PROT_READ, MAP_SHARED, ends.receiver, 0) == MAP_FAILED);
	ASSERT_EQ(ENODEV, errno);
}

TEST(fionread_of_either_kind_of_pipe)
{
	struct ends raw = pipe_of(IPCSHIM_PIPE_RAW);
	struct ends message = pipe_of(IPCSHIM_PIPE_MESSAGE);
	int length = -1;

	ASSERT_OK(ioctl(raw.receiver, FIONREAD, &length));
	ASSERT_EQ(0, length);
	ASSERT_OK(ioctl(message.receiver, FIONREAD, &length));
	ASSERT_EQ(0, length);
	ASSERT_EQ(3, write(raw.sender, "abc", 3));
	ASSERT_EQ(2, write(raw.sender, "de", 2));
	ASSERT_OK(ioctl(raw.receiver, FIONREAD, &length));
	ASSERT_EQ(5, length);
	ASSERT_EQ(3, write(message.sender, "abc", 3));
	ASSERT_EQ(2, write(message.sender, "de", 2));
	/* The next message's length. */
	ASSERT_OK(ioctl(message.receiver, FIONREAD, &length));
	ASSERT_EQ(3, length);
}

TEST(fionread_at_a_bad_address_is_EFAULT)
{
	ASSERT_ERRNO(EFAULT, ioctl(pipe_of(IPCSHIM_PIPE_RAW).receiver, FIONREAD, bad_address()));
}

TEST(splice_into_a_receiver_and_out_of_a_sender_is_refused)
{
	struct ends ends = pipe_of(IPCSHIM_PIPE_RAW);
	int pair[2];

	ASSERT_OK(pipe2(pair, O_CLOEXEC | O_NONBLOCK));
	ASSERT_EQ(3, write(pair[1], "abc", 3));
	ASSERT_ERRNO(EBADF, splice(pair[0], NULL, ends.receiver, NULL, 3, 0));
	ASSERT_ERRNO(EBADF, splice(ends.sender, NULL, pair[1], NULL, 3, 0));
}

TEST(splice_with_an_offset_is_ESPIPE_or_EINVAL)
{
	struct ends ends = pipe_of(IPCSHIM_PIPE_RAW);
	off_t offset = 0;
	int pair[2];

	ASSERT_OK(pipe2(pair, O_CLOEXEC | O_NONBLOCK));
	ASSERT_EQ(3, write(pair[1], "abc", 3));
	ASSERT_EQ(-1, splice(pair[0], NULL, ends.sender, &offset, 3, 0));
	ASSERT_TRUE(errno == ESPIPE || errno == EINVAL);
	expect_content(ends.receiver, 0, 0);
}
