// SPDX-License-Identifier: MIT
/*
 * Mapped pipes whose sides are killed.  Processes open mapped pipes to each other, claim, map,
 * remap and unmap them, move data by user space alone and by the driver, sleep in it, fork, stop
 * each other and let each other go on, while others of them are killed (see rounds.h): in user
 * space with a record in hand, in the driver, or stopped.  Nothing is left, no page is lost, and
 * in the end the module unloads and loads again.
 *
 *	ipcshim_mapped_kill [ROUNDS [SEED]]
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lost_memory.h"
#include "mapped_ring.h"

enum {
	ROUNDS = 304,
	ROUNDS_DEBUG = 32,
	ROUNDS_FOR_ALL = 32, /* from here on every kind of deed happens */
	SIDES_MAX = 6, /* of one actor at a time */
};

enum deed {
	OPENED,
	CLAIMED,
	MAPPED,
	PUT,
	TAKEN,
	WRITTEN,
	READ,
	WAITED,
	REMAPPED,
	UNMAPPED,
	FORKED,
	STOPPED,
	CLOSED,
	ENDED, /* a peer is gone, told by its index page */
	DEEDS,
};

static const char *const names[DEEDS] = {
	[OPENED] = "opened",   [CLAIMED] = "claimed", [MAPPED] = "mapped",     [PUT] = "put",
	[TAKEN] = "taken",     [WRITTEN] = "written", [READ] = "read",	       [WAITED] = "waited",
	[REMAPPED] = "remapped", [UNMAPPED] = "unmapped", [FORKED] = "forked", [STOPPED] = "stopped",
	[CLOSED] = "closed",   [ENDED] = "ends seen",
};

struct mapped_stage {
	struct cast cast;
	unsigned long done[DEEDS];
};

struct actor {
	struct mapped_stage *stage;
	uint64_t random;
	int port;
	struct mapped_side sides[SIDES_MAX]; /* fd -1: free */
};

static char buffer[9000];

static void did(struct actor *actor, enum deed deed)
{
	__atomic_fetch_add(&actor->stage->done[deed], 1, __ATOMIC_RELAXED);
}

static void let_go(struct actor *actor, struct mapped_side *side)
{
	if (side->fd < 0)
		return;
	/* In either order: the mapping or the descriptor is what ends it. */
	if (below(&actor->random, 2))
		mapped_unmap(side);
	close(side->fd);
	mapped_unmap(side);
	side->fd = -1;
	did(actor, CLOSED);
}

static void keep(struct actor *actor, int fd, bool sender, bool messages)
{
	struct mapped_side *side = &actor->sides[below(&actor->random, SIDES_MAX)];

	let_go(actor, side);
	*side = (struct mapped_side){ .fd = fd, .sender = sender, .messages = messages };
}

static void open_mapped(struct actor *actor)
{
	struct ipcshim_open_pipe args = {
		.pid = any_pid(&actor->stage->cast, &actor->random),
		.direction = (uint16_t)(1 + below(&actor->random, 2)),
		.mode = (uint16_t)(1 + below(&actor->random, 2)),
		.capacity = (uint16_t)below(&actor->random, 3),
		.flags = IPCSHIM_OPEN_MAPPED | (below(&actor->random, 2) ? IPCSHIM_OPEN_NONBLOCK : 0),
	};

	if (ioctl(actor->port, IPCSHIM_OPEN_PIPE, &args))
		return;
	did(actor, OPENED);
	keep(actor, args.fd, args.direction == IPCSHIM_END_SENDER, args.mode == IPCSHIM_PIPE_MESSAGE);
	if (args.peer_fd >= 0)
		keep(actor, args.peer_fd, args.direction != IPCSHIM_END_SENDER,
		     args.mode == IPCSHIM_PIPE_MESSAGE);
}

static void claimed(void *context, int error, const struct ipcshim_claim *claim)
{
	struct actor *actor = context;
	struct ipcshim_pipe_info info = { 0 };

	if (error || ioctl(claim->fd, IPCSHIM_PIPE_INFO, &info))
		return;
	did(actor, CLAIMED);
	keep(actor, claim->fd, claim->end == IPCSHIM_END_SENDER, info.flags & IPCSHIM_INFO_MESSAGE);
}

static void map_it(struct actor *actor, struct mapped_side *side)
{
	int fd = side->fd;
	bool sender = side->sender;
	bool messages = side->messages;

	if (mapped_map(side, fd, sender, messages))
		did(actor, MAPPED);
	/* The end stays, whatever the answer was. */
	side->fd = fd;
	side->sender = sender;
	side->messages = messages;
}

/* The data goes elsewhere, or its pages are given back and come again. */
static void remap(struct actor *actor, struct mapped_side *side)
{
	size_t size = 2 * side->page + 2 * (size_t)side->area;

	if (below(&actor->random, 2)) {
		madvise(side->base, size, MADV_DONTNEED);
	} else {
		int fd = side->fd;
		bool sender = side->sender;
		bool messages = side->messages;

		/* A part first, as no honest program would. */
		munmap(side->data + side->page, side->area);
		mapped_unmap(side);
		if (!mapped_map(side, fd, sender, messages)) {
			side->fd = fd;
			return;
		}
	}
	did(actor, REMAPPED);
}

static void move_mapped(struct actor *actor, struct mapped_side *side)
{
	uint32_t size = 1 + below(&actor->random, sizeof(buffer) - 1);
	int moved = side->sender ? mapped_put(side, buffer, size) : mapped_take(side, buffer, size);

	if (moved > 0)
		did(actor, side->sender ? PUT : TAKEN);
	if (__atomic_load_n(&side->other->closed, __ATOMIC_ACQUIRE))
		did(actor, ENDED);
}

static void move_by_driver(struct actor *actor, struct mapped_side *side)
{
	struct ipcshim_pipe_io io = {
		.buffer = (uint64_t)(uintptr_t)buffer,
		.size = 1 + below(&actor->random, sizeof(buffer) - 1),
		.mode = below(&actor->random, 2),
	};
	long moved;

	if (!below(&actor->random, 6)) {
		/* May wait until it is killed. */
		moved = side->sender ? write(side->fd, buffer, io.size) : read(side->fd, buffer, io.size);
	} else {
		if (io.mode == IPCSHIM_IO_ALL)
			io.deadline = soon(&actor->random, 3000000);
		moved = ioctl(side->fd, side->sender ? IPCSHIM_PIPE_WRITE : IPCSHIM_PIPE_READ, &io);
		moved = moved ? -1 : (long)io.moved;
	}
	if (moved > 0)
		did(actor, side->sender ? WRITTEN : READ);
}

static void wait_for_it(struct actor *actor, struct mapped_side *side)
{
	struct ipcshim_pipe_wait wait = { .need = 1 + below(&actor->random, 3000) };
	struct pollfd polled = { side->fd, side->sender ? POLLOUT : POLLIN, 0 };

	if (below(&actor->random, 8))
		wait.deadline = soon(&actor->random, 3000000);
	if (below(&actor->random, 2) ? poll(&polled, 1, 2) >= 0 :
				       ioctl(side->fd, IPCSHIM_PIPE_WAIT, &wait) == 0)
		did(actor, WAITED);
}

/* Whatever it is at: with a record in hand, asleep, or about to open. */
static void stop_another(struct actor *actor)
{
	pid_t pid = (pid_t)any_pid(&actor->stage->cast, &actor->random);

	if (pid <= 0 || pid == getpid() || kill(pid, SIGSTOP))
		return;
	spin(below(&actor->random, 1U << below(&actor->random, 22)));
	kill(pid, SIGCONT);
	did(actor, STOPPED);
}

/* The child has none of the mappings, even if asked for, and both have all of the descriptors. */
static void fork_one(struct actor *actor)
{
	pid_t child;

	for (unsigned int i = 0; i < SIDES_MAX; i++) {
		const struct mapped_side *side = &actor->sides[i];

		if (side->base && below(&actor->random, 2))
			madvise(side->base, 2 * side->page + 2 * (size_t)side->area, MADV_DOFORK);
	}
	child = fork();
	if (child < 0)
		return;
	did(actor, FORKED);
	if (child > 0)
		return;
	for (unsigned int i = 0; i < SIDES_MAX; i++)
		actor->sides[i].base = NULL;
	actor->random ^= 0x5555555555555555ULL;
	/* It touches a little, and stays until it is killed with its parent. */
	for (unsigned int i = 0; i < SIDES_MAX; i++)
		if (actor->sides[i].fd >= 0 && below(&actor->random, 2))
			map_it(actor, &actor->sides[i]);
	for (;;)
		pause();
}

static bool open_port(struct actor *actor)
{
	struct ipcshim_handle handle = { .codes = { 1ULL << IPCSHIM_EVENT_RECV_PIPE |
						    1ULL << IPCSHIM_EVENT_PIPE_CLOSED } };
	struct ipcshim_ready ready = { 0 };

	actor->port = open(IPCSHIM_DEVICE, O_RDWR | O_CLOEXEC | O_NONBLOCK);
	return actor->port >= 0 && ioctl(actor->port, IPCSHIM_HANDLE_SIGNAL, &handle) == 0 &&
	       ioctl(actor->port, IPCSHIM_READY, &ready) == 0;
}

static void one_deed(struct actor *actor)
{
	struct mapped_side *side = &actor->sides[below(&actor->random, SIDES_MAX)];
	unsigned int dice = below(&actor->random, 1000);

	if (dice < 100)
		open_mapped(actor);
	else if (dice < 250)
		claim_events(actor->port, &actor->random, actor, claimed);
	else if (dice < 260)
		stop_another(actor);
	else if (dice < 265)
		fork_one(actor);
	else if (side->fd < 0)
		return;
	else if (dice < 300)
		let_go(actor, side);
	else if (dice < 500)
		move_by_driver(actor, side);
	else if (dice < 540)
		wait_for_it(actor, side);
	else if (!side->base)
		map_it(actor, side);
	else if (dice < 560)
		remap(actor, side);
	else if (dice < 580) {
		mapped_unmap(side);
		did(actor, UNMAPPED);
	} else
		move_mapped(actor, side);
}

static void act(void *stage, uint64_t seed)
{
	static struct actor actor;

	actor.stage = stage;
	actor.random = seed;
	for (unsigned int i = 0; i < SIDES_MAX; i++)
		actor.sides[i].fd = -1;
	signal(SIGPIPE, SIG_IGN);
	if (!open_port(&actor))
		_exit(1);
	for (;;)
		one_deed(&actor);
}

static const struct plan plan = {
	.actors_min = 2,
	.actors_max = 5,
	.moment_min = 4000000,
	.moment_bits = 24,
	.act = act,
};

int main(int argc, char **argv)
{
	unsigned int rounds = getenv("IPCSHIM_DEBUG_KERNEL") ? ROUNDS_DEBUG : ROUNDS;
	uint64_t random = seed_of(argc, argv, &rounds);
	struct mapped_stage *stage = stage_create(sizeof(*stage));

	if (!nothing_left() || !rounds_lose_nothing(&plan, &stage->cast, rounds, &random))
		return 1;
	/* A run in which nothing happened shows nothing. */
	if (!did_everything(names, stage->done, DEEDS) && rounds >= ROUNDS_FOR_ALL) {
		puts("a kind of deed never succeeded");
		return 1;
	}
	reload_module();
	return nothing_left() ? 0 : 1;
}
