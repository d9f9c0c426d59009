// SPDX-License-Identifier: MIT
/*
 * The ring's protocol by hand: two processes that make no call but PIPE_WAIT and
 * PIPE_WAKE, and those only where the drawing in the header says so.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness.h"
#include "mapped.h"

enum {
	TOTAL = 1 << 20, /* many times around */
	LONGEST = 9000,
};

/* Sizes that both sides know: the same row of numbers for each of them. */
static size_t next_size(uint32_t *state)
{
	*state = *state * 1664525 + 1013904223;
	return 1 + (*state >> 8) % LONGEST;
}

struct run {
	struct ends ends;
	unsigned int mode;
	bool driver_writes; /* write(2) in the place of the hand */
	bool driver_reads;
};

static void produces(int fd, void *argument)
{
	const struct run *run = argument;
	struct ring ring = ring_map(run->ends.sender);
	char *data = malloc(LONGEST);
	uint32_t state = 1;

	put(fd, 0);
	for (size_t done = 0; done < TOTAL;) {
		size_t size = next_size(&state);
		size_t needed = run->mode == MESSAGE ? record_size(size) : size;

		fill_pattern(data, size, (unsigned int)size);
		if (run->driver_writes) {
			ASSERT_EQ(size, write(run->ends.sender, data, size));
		} else {
			if (ring_free(&ring) < needed)
				ring_wait(&ring, (uint32_t)needed);
			if (run->mode == MESSAGE)
				ring_put_message(&ring, data, size);
			else
				ring_put(&ring, data, size);
		}
		done += size;
	}
	put(fd, position(ring.producer));
}

static void take(const struct run *run, struct ring *ring, char *data, size_t size)
{
	struct ipcshim_pipe_io args = io_args(data, size, IPCSHIM_IO_ALL);
	size_t needed = run->mode == MESSAGE ? record_size(size) : size;

	if (run->driver_reads) {
		ASSERT_OK(ioctl(run->ends.receiver, IPCSHIM_PIPE_READ, &args));
		ASSERT_EQ(size, args.moved);
		return;
	}
	if (ring_used(ring) < needed)
		ring_wait(ring, (uint32_t)needed);
	if (run->mode == MESSAGE)
		ring_get_message(ring, data, size);
	else
		ring_get(ring, data, size);
}

static void runs(struct run run)
{
	char *data = malloc(LONGEST);
	uint32_t state = 1;
	struct child child;
	struct ring ring;

	run.ends = mapped_open(port_open(), run.mode, 1);
	child = child_start(produces, &run);
	ring = ring_map(run.ends.receiver);
	get(child.fd);
	for (size_t done = 0; done < TOTAL;) {
		size_t size = next_size(&state);

		take(&run, &ring, data, size);
		check_pattern(data, size, (unsigned int)size);
		done += size;
	}
	ASSERT_EQ(position(ring.consumer), get(child.fd));
	ASSERT_EQ(0, ring_used(&ring));
	ASSERT_EQ(0, info_of(run.ends.receiver).bytes_waiting);
	child_join(&child);
	ASSERT_EQ(ring.producer->messages, ring.consumer->messages);
}

TEST(bytes_pass_a_ring_by_hand)
{
	runs((struct run){ .mode = RAW });
}

TEST(messages_pass_a_ring_by_hand)
{
	runs((struct run){ .mode = MESSAGE });
}

TEST(bytes_pass_from_the_drivers_write_to_a_mapped_receiver)
{
	runs((struct run){ .mode = RAW, .driver_writes = true });
}

TEST(messages_pass_from_the_drivers_write_to_a_mapped_receiver)
{
	runs((struct run){ .mode = MESSAGE, .driver_writes = true });
}

TEST(bytes_pass_from_a_mapped_sender_to_the_drivers_read)
{
	runs((struct run){ .mode = RAW, .driver_reads = true });
}

TEST(messages_pass_from_a_mapped_sender_to_the_drivers_read)
{
	runs((struct run){ .mode = MESSAGE, .driver_reads = true });
}

TEST(messages_pass_a_mapped_pipe_by_the_driver_alone)
{
	runs((struct run){ .mode = MESSAGE, .driver_writes = true, .driver_reads = true });
}

/* Nobody waits: nobody is to be woken, so there is nothing to call. */
TEST(two_sides_that_are_awake_make_no_call)
{
	struct rings rings = rings_open(MESSAGE, 1);
	char got[100];

	for (int i = 0; i < 2000; i++) {
		ASSERT_TRUE(!ring_put_message(&rings.in, "hello", 5));
		ASSERT_TRUE(!ring_get_message(&rings.out, got, 5));
		ASSERT_EQ(0, memcmp(got, "hello", 5));
	}
	ASSERT_EQ(2000, rings.in.consumer->messages);
	ASSERT_EQ(2000 * 16, position(rings.in.consumer));
}

/* A consumer that looks at a record, and is stopped before it has taken it. */

static void holds_a_record(int fd, void *argument)
{
	const struct ends *ends = argument;
	struct ring ring = ring_map(ends->receiver);
	char *got = malloc(LONGEST);

	ring_wait(&ring, 1);
	put(fd, position(ring.consumer));
	get(fd); /* stopped in here */
	check_pattern(ring.data + RECORD, LONGEST, 1);
	while (ring_used(&ring)) {
		ring_get_message(&ring, got, LONGEST);
		check_pattern(got, LONGEST, 1);
	}
	put(fd, 0);
	get(fd);
}

TEST(a_consumer_that_is_stopped_while_it_holds_a_record_costs_no_more_than_room)
{
	struct ends ends = mapped_open(port_open(), MESSAGE, 1);
	struct child child = child_start(holds_a_record, &ends);
	struct ring ring = ring_map(ends.sender);
	char *message = malloc(LONGEST);
	struct ipcshim_pipe_io args = io_args(message, LONGEST, IPCSHIM_IO_FAIL);
	struct ipcshim_pipe_wait wait = wait_args((uint32_t)record_size(LONGEST));
	int status;

	fill_pattern(message, LONGEST, 1);
	ring_put_message(&ring, message, LONGEST);
	ASSERT_EQ(0, get(child.fd));
	ASSERT_OK(kill(child.pid, SIGSTOP));
	ASSERT_EQ(child.pid, waitpid(child.pid, &status, WUNTRACED));
	ASSERT_TRUE(WIFSTOPPED(status));
	while (ioctl(ends.sender, IPCSHIM_PIPE_WRITE, &args) == 0)
		;
	ASSERT_EQ(EAGAIN, errno);
	wait.deadline = in_nanoseconds(20000000);
	ASSERT_ERRNO(ETIMEDOUT, ioctl(ends.sender, IPCSHIM_PIPE_WAIT, &wait));
	ASSERT_EQ(0, closed_of(ring.consumer));
	/* Nothing was laid over what it holds, and it goes on. */
	ASSERT_OK(kill(child.pid, SIGCONT));
	put(child.fd, 0);
	ASSERT_EQ(0, get(child.fd));
	ASSERT_EQ(0, ring_used(&ring));
	put(child.fd, 0);
	child_join(&child);
}
