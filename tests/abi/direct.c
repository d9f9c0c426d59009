// SPDX-License-Identifier: MIT
/* Large raw writes to a reader that waits: what moves past the ring, and how it ends. */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness.h"
#include "memory.h"

enum {
	SIZE = 1 << 20,
	UNITS = 32, /* twice SIZE: no write of it ever waits for room */
};

struct reading {
	pthread_t thread;
	int fd;
	bool by_call; /* PIPE_READ in mode ALL, else read(2) */
	unsigned char *buffer;
	size_t size;
	long result; /* bytes, or a negative errno */
};

static void *reads(void *argument)
{
	struct reading *reading = argument;
	struct ipcshim_pipe_io io = io_args(reading->buffer, reading->size, IPCSHIM_IO_ALL);

	if (!reading->by_call)
		reading->result = read(reading->fd, reading->buffer, reading->size);
	else
		reading->result = ioctl(reading->fd, IPCSHIM_PIPE_READ, &io);
	if (reading->result < 0)
		reading->result = -errno;
	else if (reading->by_call)
		reading->result = (long)io.moved;
	return NULL;
}

static void wait_until_reading(int end)
{
	while (!(info_of(end).flags & IPCSHIM_INFO_READ_WAITS))
		sched_yield();
}

static void reading_start(struct reading *reading, struct ends ends)
{
	reading->fd = ends.receiver;
	ASSERT_EQ(0, pthread_create(&reading->thread, NULL, reads, reading));
	wait_until_reading(ends.receiver);
}

static long reading_end(struct reading *reading)
{
	ASSERT_EQ(0, pthread_join(reading->thread, NULL));
	return reading->result;
}

static unsigned char *memory(size_t size)
{
	unsigned char *start = mmap(NULL, size, PROT_READ | PROT_WRITE,
				    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	ASSERT_TRUE(start != MAP_FAILED);
	return start;
}

static unsigned char *pattern(size_t size)
{
	unsigned char *start = memory(size);

	fill_pattern(start, size, 1);
	return start;
}

/* The rest of a pattern of SIZE, of which so many bytes have arrived. */
static void read_rest(struct ends ends, unsigned char *buffer, size_t done)
{
	while (done < SIZE) {
		ssize_t got = read(ends.receiver, buffer + done, SIZE - done);

		ASSERT_TRUE(got > 0);
		done += (size_t)got;
	}
	check_pattern(buffer, SIZE, 1);
	ASSERT_EQ(0, info_of(ends.receiver).bytes_waiting);
}

/* Did it need none?  Data is right in any case. */
static bool needs_no_ring(int port, bool by_call, size_t offset)
{
	struct ends ends = ends_open(port, IPCSHIM_PIPE_RAW, UNITS);
	unsigned char *from = pattern(SIZE + 4096);
	struct reading reading = { .by_call = by_call, .size = SIZE };
	uint64_t rings = query(port).ring_bytes;
	bool none;

	memmove(from + offset / 3, from, SIZE);
	reading.buffer = (unsigned char *)memset(memory(SIZE + 4096), 1, SIZE + 4096) + offset;
	reading_start(&reading, ends);
	ASSERT_EQ(SIZE, write(ends.sender, from + offset / 3, SIZE));
	ASSERT_EQ(SIZE, reading_end(&reading));
	check_pattern(reading.buffer, SIZE, 1);
	/* It is allocated by the first byte that is put into it. */
	none = query(port).ring_bytes == rings;
	ASSERT_EQ(0, munmap(from, SIZE + 4096));
	ASSERT_EQ(0, munmap(reading.buffer - offset, SIZE + 4096));
	return none;
}

/* The kernel may just be moving a page of ours, and then there is no other way. */
static void moves_past_the_ring(bool by_call, size_t offset)
{
	int port = port_open(), tries = 10;

	while (!needs_no_ring(port, by_call, offset))
		ASSERT_TRUE(--tries);
}

TEST(a_large_write_to_a_waiting_read_needs_no_ring)
{
	moves_past_the_ring(false, 0);
}

TEST(a_large_write_to_a_waiting_pipe_read_needs_no_ring)
{
	moves_past_the_ring(true, 0);
}

TEST(a_large_write_needs_no_ring_at_odd_addresses)
{
	moves_past_the_ring(false, 1777);
	moves_past_the_ring(true, 4095);
}

TEST(a_large_write_to_memory_that_is_not_there_yet_goes_through_the_ring)
{
	int port = port_open();
	struct ends ends = ends_open(port, IPCSHIM_PIPE_RAW, UNITS);
	struct reading reading = { .by_call = true, .buffer = memory(SIZE), .size = SIZE };

	reading_start(&reading, ends);
	ASSERT_EQ(SIZE, write(ends.sender, pattern(SIZE), SIZE));
	ASSERT_EQ(SIZE, reading_end(&reading));
	check_pattern(reading.buffer, SIZE, 1);
}

TEST(what_a_waiting_reader_can_not_take_stays_in_the_pipe)
{
	int port = port_open();
	struct ends ends = ends_open(port, IPCSHIM_PIPE_RAW, UNITS);
	unsigned char *buffer = memset(memory(SIZE), 1, SIZE), *whole = memory(SIZE);
	struct reading reading = { .by_call = true, .buffer = buffer, .size = SIZE };

	ASSERT_EQ(0, mprotect(buffer + SIZE / 2, SIZE / 2, PROT_NONE));
	reading_start(&reading, ends);
	ASSERT_EQ(SIZE, write(ends.sender, pattern(SIZE), SIZE));
	ASSERT_EQ(SIZE / 2, reading_end(&reading));
	memcpy(whole, buffer, SIZE / 2);
	read_rest(ends, whole, SIZE / 2);
}

TEST(what_a_writer_has_not_is_not_moved_to_a_waiting_reader)
{
	int port = port_open();
	struct ends ends = ends_open(port, IPCSHIM_PIPE_RAW, UNITS);
	unsigned char *from = pattern(SIZE);
	struct reading reading = { .size = SIZE };

	reading.buffer = memset(memory(SIZE), 1, SIZE);
	ASSERT_EQ(0, mprotect(from + SIZE / 2, SIZE / 2, PROT_NONE));
	reading_start(&reading, ends);
	ASSERT_EQ(SIZE / 2, write(ends.sender, from, SIZE));
	ASSERT_EQ(SIZE / 2, reading_end(&reading));
	check_pattern(reading.buffer, SIZE / 2, 1);
	ASSERT_EQ(0, info_of(ends.receiver).bytes_waiting);
}

TEST(a_large_write_does_not_overtake_a_small_one)
{
	int port = port_open();
	struct ends ends = ends_open(port, IPCSHIM_PIPE_RAW, UNITS);
	unsigned char *from = pattern(SIZE), *buffer = memory(SIZE);

	for (int round = 0; round < 30; round++) {
		struct reading reading = { .by_call = true, .buffer = buffer, .size = SIZE };

		memset(buffer, 1, SIZE);
		reading_start(&reading, ends);
		ASSERT_EQ(5, write(ends.sender, from, 5));
		ASSERT_EQ(SIZE - 5, write(ends.sender, from + 5, SIZE - 5));
		ASSERT_EQ(SIZE, reading_end(&reading));
		check_pattern(buffer, SIZE, 1);
	}
}

static void nothing(int number)
{
	(void)number;
}

TEST(a_reader_that_a_signal_interrupts_takes_nothing)
{
	int port = port_open();
	struct ends ends = ends_open(port, IPCSHIM_PIPE_RAW, UNITS);
	struct sigaction action = { .sa_handler = nothing };
	unsigned char *buffer = memset(memory(SIZE), 1, SIZE);
	struct reading reading = { .buffer = buffer, .size = SIZE };

	ASSERT_EQ(0, sigaction(SIGUSR1, &action, NULL));
	reading_start(&reading, ends);
	ASSERT_EQ(0, pthread_kill(reading.thread, SIGUSR1));
	ASSERT_EQ(-EINTR, reading_end(&reading));
	ASSERT_EQ(SIZE, write(ends.sender, pattern(SIZE), SIZE));
	read_rest(ends, buffer, 0);
}

TEST(a_reader_whose_time_is_over_takes_nothing)
{
	int port = port_open();
	struct ends ends = ends_open(port, IPCSHIM_PIPE_RAW, UNITS);
	unsigned char *buffer = memset(memory(SIZE), 1, SIZE);
	struct ipcshim_pipe_io io = io_args(buffer, SIZE, IPCSHIM_IO_ALL);

	io.deadline = in_nanoseconds(1000000);
	ASSERT_EQ(-1, ioctl(ends.receiver, IPCSHIM_PIPE_READ, &io));
	ASSERT_EQ(ETIMEDOUT, errno);
	ASSERT_EQ(SIZE, write(ends.sender, pattern(SIZE), SIZE));
	read_rest(ends, buffer, 0);
}

/* A child that does nothing else, until it is killed. */
static void moves_for_ever(int fd, void *argument)
{
	const struct ends *ends = argument;
	unsigned char *buffer = pattern(SIZE);

	put(fd, 1);
	if (ends->sender < 0)
		while (read(ends->receiver, buffer, SIZE) > 0)
			;
	else
		while (write(ends->sender, buffer, SIZE) > 0)
			;
}

static void kill_rounds(bool reader)
{
	unsigned char *buffer = pattern(SIZE);

	for (unsigned int round = 0; round < 10; round++) {
		struct ends ends = ends_open(port_open(), IPCSHIM_PIPE_RAW, 1);
		struct ends childs = { reader ? -1 : ends.sender, reader ? ends.receiver : -1 };
		struct child child = child_start(moves_for_ever, &childs);
		size_t moved = 0;
		ssize_t got;

		get(child.fd);
		close(reader ? ends.receiver : ends.sender);
		for (;;) {
			got = reader ? write(ends.sender, buffer, SIZE) :
				       read(ends.receiver, buffer, SIZE);
			if (got <= 0)
				break;
			moved += (size_t)got;
			if (moved > (round % 5 + 1) * (SIZE / 4))
				kill(child.pid, SIGKILL);
		}
		ASSERT_EQ(reader ? -1 : 0, got);
		ASSERT_EQ(child.pid, waitpid(child.pid, NULL, 0));
		close(child.fd);
		close(reader ? ends.sender : ends.receiver);
	}
}

TEST(a_reader_that_is_killed_is_a_broken_pipe_to_a_large_write)
{
	signal(SIGPIPE, SIG_IGN);
	kill_rounds(true);
}

TEST(a_writer_that_is_killed_is_the_end_to_a_large_read)
{
	kill_rounds(false);
}
