// SPDX-License-Identifier: MIT
#include "mapped_hostile.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

struct hostile {
	struct hostile_stage *stage;
	struct mapped_side side;
	uint64_t random;
	uint64_t calls_random;
};

static void count(unsigned long *what)
{
	__atomic_fetch_add(what, 1, __ATOMIC_RELAXED);
}

static void store(void *word, uint64_t value)
{
	__atomic_store_n((uint64_t *)word, value, __ATOMIC_RELEASE);
}

/* Nonsense that a check may take for sense, or just not: near the limits, or what is true. */
static uint64_t a_position(struct hostile *hostile)
{
	const struct mapped_side *side = &hostile->side;
	uint64_t other = __atomic_load_n(&side->other->position, __ATOMIC_ACQUIRE);
	uint64_t area = side->area;
	uint64_t offset = below(&hostile->random, side->area + 64);

	switch (below(&hostile->random, 8)) {
	case 0:
		return next_random(&hostile->random);
	case 1:
		return side->sender ? other + area + 1 - below(&hostile->random, 3) :
				      other - area - 1 + below(&hostile->random, 3);
	case 2:
		return side->sender ? other + offset : other - offset;
	case 3:
		return other + (1ULL << 32) * below(&hostile->random, 3) +
		       8 * below(&hostile->random, 4);
	case 4:
		return other;
	default:
		offset = offset / 8 * 8;
		return side->sender ? other + offset : other - offset;
	}
}

static uint32_t a_length(struct hostile *hostile)
{
	switch (below(&hostile->random, 5)) {
	case 0:
		return (uint32_t)next_random(&hostile->random);
	case 1:
		return 0;
	case 2:
		return IPCSHIM_MESSAGE_MAX + 1 - below(&hostile->random, 3);
	default:
		return 1 + below(&hostile->random, 300);
	}
}

/* Where the other side reads next, or anywhere. */
static void scribble_data(struct hostile *hostile)
{
	const struct mapped_side *side = &hostile->side;
	uint32_t at = (uint32_t)(side->other->position % side->area);
	uint32_t length = below(&hostile->random, 600);

	if (side->messages && below(&hostile->random, 3)) {
		struct ipcshim_record *record = (void *)(side->data + at / 8 * 8);

		__atomic_store_n(&record->length, a_length(hostile), __ATOMIC_RELAXED);
		__atomic_store_n(&record->reserved, below(&hostile->random, 8) ? 0 : 1,
				 __ATOMIC_RELAXED);
		return;
	}
	if (below(&hostile->random, 2))
		at = below(&hostile->random, side->area);
	memset(side->data + at, HOSTILE_BYTE | (int)below(&hostile->random, 16), length);
}

/* All words of the page, also what is the driver's. */
static void scribble_index(struct hostile *hostile)
{
	struct ipcshim_mapped_index *mine = hostile->side.mine;

	switch (below(&hostile->random, 8)) {
	case 0:
		mine->wake = below(&hostile->random, 2) ? (uint32_t)next_random(&hostile->random) :
							  below(&hostile->random, 3);
		break;
	case 1:
		mine->closed = below(&hostile->random, 2) ? (uint32_t)next_random(&hostile->random) :
							    below(&hostile->random, 5);
		break;
	case 2:
		mine->messages = next_random(&hostile->random);
		break;
	case 3:
		for (unsigned int i = 0; i < hostile->side.page / 8; i += 1 + below(&hostile->random, 9))
			store((uint64_t *)mine + i, next_random(&hostile->random));
		break;
	default:
		store(&mine->position, a_position(hostile));
	}
}

/* Sense and nonsense by turns, as fast as it can: against who looks twice at the same word. */
static void flip(struct hostile *hostile, uint64_t until)
{
	const struct mapped_side *side = &hostile->side;
	uint64_t position = side->mine->position;
	uint64_t other = side->other->position;
	struct ipcshim_record *record = (void *)(side->data + other % side->area / 8 * 8);
	uint32_t length = record->length;
	uint32_t large = IPCSHIM_MESSAGE_MAX - below(&hostile->random, 9);

	while (side->other->position == other && now() < until)
		for (unsigned int i = 0; i < 64; i++) {
			if (side->sender && side->messages) {
				__atomic_store_n(&record->length, large, __ATOMIC_RELAXED);
				__atomic_store_n(&record->length, length, __ATOMIC_RELAXED);
			} else {
				store(&side->mine->position, position + ((uint64_t)large << 20));
				store(&side->mine->position, position);
			}
		}
}

/* As if nothing had been: sense for a while, so that data moves and is then broken. */
static void behave(struct hostile *hostile)
{
	static char bytes[400];
	const struct mapped_side *side = &hostile->side;

	memset(bytes, HOSTILE_BYTE | (int)below(&hostile->random, 16), sizeof(bytes));
	store(&side->mine->position, __atomic_load_n(&side->other->position, __ATOMIC_ACQUIRE));
	if (side->sender)
		for (unsigned int i = below(&hostile->random, 9); i; i--)
			mapped_put(side, bytes, 1 + below(&hostile->random, sizeof(bytes)));
	if (below(&hostile->random, 2))
		flip(hostile, now() + below(&hostile->random, 600000));
	else
		spin(below(&hostile->random, 300000));
}

/* By the driver, as an honest program would, while the other thread scribbles. */
static void call(struct hostile *hostile)
{
	static char bytes[3000];
	uint64_t *random = &hostile->calls_random;
	struct mapped_side *side = &hostile->side;
	struct ipcshim_pipe_wake wake = { 0 };
	struct ipcshim_pipe_wait wait = { .need = 1 + below(random, side->area) };
	struct ipcshim_pipe_io io = {
		.buffer = (uint64_t)(uintptr_t)bytes,
		.size = 1 + below(random, sizeof(bytes)),
		.mode = below(random, 3),
	};
	struct pollfd polled = { side->fd, POLLIN | POLLOUT, 0 };

	memset(bytes, HOSTILE_BYTE | (int)below(random, 16), sizeof(bytes));
	switch (below(random, 6)) {
	case 0:
	case 1:
		ioctl(side->fd, IPCSHIM_PIPE_WAKE, &wake);
		break;
	case 2:
		if (below(random, 2))
			wait.flags = IPCSHIM_WAIT_NOWAIT;
		else
			wait.deadline = soon(random, 500000);
		ioctl(side->fd, IPCSHIM_PIPE_WAIT, &wait);
		break;
	case 3:
		poll(&polled, 1, 0);
		break;
	default:
		if (io.mode == IPCSHIM_IO_ALL)
			io.deadline = soon(random, 500000);
		ioctl(side->fd, side->sender ? IPCSHIM_PIPE_WRITE : IPCSHIM_PIPE_READ, &io);
	}
	count(&hostile->stage->called);
}

static void *calls(void *context)
{
	for (;;)
		call(context);
	return NULL;
}

/* The mapping moves, vanishes and comes again; a child that has none of it ends. */
static void remap(struct hostile *hostile)
{
	struct mapped_side *side = &hostile->side;
	size_t size = 2 * (size_t)side->area;
	void *moved;
	pid_t child;

	switch (below(&hostile->random, 4)) {
	case 0:
		child = fork();
		if (child == 0)
			_exit(0);
		waitpid(child, NULL, 0);
		break;
	case 1:
		madvise(side->base, 2 * side->page + size, MADV_DONTNEED);
		break;
	case 2:
		moved = mmap(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		moved = mremap(side->data, size, size, MREMAP_MAYMOVE | MREMAP_FIXED, moved);
		if (moved != MAP_FAILED)
			side->data = moved;
		break;
	default:
		mprotect(side->data, size, PROT_READ);
		if (side->sender)
			mprotect(side->data, size, PROT_READ | PROT_WRITE);
	}
	count(&hostile->stage->remapped);
}

_Noreturn void act_hostile(struct hostile_stage *stage, int fd, bool sender, bool messages,
			   uint64_t seed)
{
	static struct hostile hostile;
	pthread_t thread;

	hostile.stage = stage;
	hostile.random = seed | 1;
	hostile.calls_random = (seed ^ 0x5555555555555555ULL) | 1;
	if (!mapped_map(&hostile.side, fd, sender, messages) ||
	    pthread_create(&thread, NULL, calls, &hostile))
		_exit(1);
	for (;;) {
		unsigned int dice = below(&hostile.random, 2000);

		if (dice == 0)
			remap(&hostile);
		else if (dice < 100)
			behave(&hostile);
		else if (sender && dice < 1000)
			scribble_data(&hostile);
		else
			scribble_index(&hostile);
		/* Sometimes it stays so for a while. */
		if (!below(&hostile.random, 16))
			spin(below(&hostile.random, 1U << below(&hostile.random, 18)));
		count(&stage->scribbled);
	}
}
