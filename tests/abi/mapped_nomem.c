// SPDX-License-Identifier: MIT
/* Mapped pipes without memory, at each allocation of each call in turn; see nomem.c. */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "harness.h"
#include "injection.h"
#include "mapped.h"

struct subject {
	int port;
	struct ipcshim_open_pipe open_pipe;
	struct ends ends;
	char *address;
	size_t size; /* of the mapping */
};

static int opens_mapped(void *argument)
{
	struct subject *subject = argument;

	subject->open_pipe = mapped_args(MESSAGE, 1);
	return ioctl(subject->port, IPCSHIM_OPEN_PIPE, &subject->open_pipe) < 0 ? errno : 0;
}

static void closes_mapped(void *argument)
{
	struct subject *subject = argument;

	close(subject->open_pipe.fd);
	close(subject->open_pipe.peer_fd);
}

TEST(open_mapped_without_memory_is_ENOMEM_and_leaves_nothing)
{
	struct subject subject = { .port = port_open() };

	fail_each(&(struct attempt){ opens_mapped, closes_mapped, NULL, 3 }, &subject,
		  subject.port);
}

static int maps(void *argument)
{
	struct subject *subject = argument;

	return try_map(subject->ends.sender, 0, subject->size, PROT_READ, &subject->address);
}

static void unmaps(void *argument)
{
	struct subject *subject = argument;

	ASSERT_OK(munmap(subject->address, subject->size));
	ASSERT_TRUE(!is_mapped(subject->ends.sender));
}

static void is_not_mapped(void *argument)
{
	ASSERT_TRUE(!is_mapped(((struct subject *)argument)->ends.sender));
}

TEST(mmap_of_a_mapped_pipe_without_memory_is_ENOMEM_and_leaves_nothing)
{
	struct subject subject = { .port = port_open() };

	subject.ends = mapped_open(subject.port, RAW, 1);
	subject.size = mapped_size(subject.ends.sender);
	fail_each(&(struct attempt){ maps, unmaps, is_not_mapped, 0 }, &subject, subject.port);
	ring_map(subject.ends.sender);
}

/* Once it is open nothing more is allocated. */

static int writes(void *argument)
{
	return write(((struct subject *)argument)->ends.sender, "hello", 5) < 0 ? errno : 0;
}

TEST(a_mapped_pipe_moves_without_any_memory)
{
	struct subject subject = { .port = port_open() };
	int fail = no_memory_switch();
	char got[5];

	subject.ends = mapped_open(subject.port, MESSAGE, 1);
	ASSERT_EQ(0, without_memory(fail, writes, &subject));
	ASSERT_EQ(5, read(subject.ends.receiver, got, 5));
	ASSERT_EQ(0, memcmp(got, "hello", 5));
}
