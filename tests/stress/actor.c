// SPDX-License-Identifier: MIT
/*
 * One process of a round.  Whatever a call answers is fine here, other
 * processes die at any moment; what counts is what is left at the end.
 */
#include "actor.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/ipcshim.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/ioctl.h>
#include <unistd.h>

struct actor {
	struct stage *stage;
	uint64_t random;
	int port;
	bool child; /* of an actor: it shares all of its files */
	int ends[ENDS_MAX]; /* -1: free */
	bool sender[ENDS_MAX];
};

static char buffer[200000];

static void count(unsigned long *what)
{
	__atomic_fetch_add(what, 1, __ATOMIC_RELAXED);
}

static void keep(struct actor *actor, int fd, bool sender)
{
	unsigned int place = below(&actor->random, ENDS_MAX);

	if (actor->ends[place] >= 0)
		close(actor->ends[place]);
	actor->ends[place] = fd;
	actor->sender[place] = sender;
}

static unsigned int any_end(struct actor *actor)
{
	unsigned int place = below(&actor->random, ENDS_MAX);

	for (unsigned int i = 0; i < ENDS_MAX; i++) {
		unsigned int next = (place + i) % ENDS_MAX;

		if (actor->ends[next] >= 0)
			return next;
	}
	return ENDS_MAX;
}

static void open_pipe(struct actor *actor)
{
	struct ipcshim_open_pipe args = {
		.direction = (uint16_t)(1 + below(&actor->random, 2)),
		.mode = (uint16_t)(1 + below(&actor->random, 2)),
		.capacity = (uint16_t)below(&actor->random, 3),
		.flags = below(&actor->random, 2) ? IPCSHIM_OPEN_NONBLOCK : 0,
	};

	if (below(&actor->random, 4)) {
		args.pid = any_pid(&actor->stage->cast, &actor->random);
		if (args.pid && !below(&actor->random, 4))
			args.flags |= IPCSHIM_OPEN_SKIP; /* a token that nobody claims */
	}
	if (ioctl(actor->port, IPCSHIM_OPEN_PIPE, &args))
		return count(&actor->stage->unlucky);
	count(&actor->stage->opened);
	keep(actor, args.fd, args.direction == IPCSHIM_END_SENDER);
	if (args.peer_fd >= 0)
		keep(actor, args.peer_fd, args.direction != IPCSHIM_END_SENDER);
}

static void send_pipe(struct actor *actor, unsigned int place)
{
	struct ipcshim_send_pipe args = { .pid = any_pid(&actor->stage->cast, &actor->random) };

	count(args.pid && ioctl(actor->ends[place], IPCSHIM_SEND_PIPE, &args) == 0 ?
		      &actor->stage->sent :
		      &actor->stage->unlucky);
}

static void claimed(void *context, int error, const struct ipcshim_claim *claim)
{
	struct actor *actor = context;

	if (error)
		return;
	count(&actor->stage->claimed);
	keep(actor, claim->fd, claim->end == IPCSHIM_END_SENDER);
}

/* Short or long, by system call or by ioctl, in every mode. */
static void move_bytes(struct actor *actor, unsigned int place)
{
	bool sender = actor->sender[place];
	int end = actor->ends[place];
	unsigned int size = 1 + (below(&actor->random, 4) ?
					 below(&actor->random, 2000) :
					 below(&actor->random, sizeof(buffer) - 1));
	long moved;

	if (below(&actor->random, 3)) {
		struct ipcshim_pipe_io args = {
			.buffer = (uint64_t)(uintptr_t)buffer,
			.size = size,
			.mode = below(&actor->random, 3),
		};

		if (args.mode == IPCSHIM_IO_ALL)
			args.deadline = soon(&actor->random, 3000000);
		moved = ioctl(end, sender ? IPCSHIM_PIPE_WRITE : IPCSHIM_PIPE_READ, &args);
		moved = moved ? -1 : (long)args.moved;
	} else if (!below(&actor->random, 6)) {
		/* May wait until it is killed, or its turn comes. */
		moved = sender ? write(end, buffer, size) : read(end, buffer, size);
	} else {
		struct pollfd poll_args = { end, sender ? POLLOUT : POLLIN, 0 };

		if (poll(&poll_args, 1, 1) != 1)
			return;
		size = size < 4096 ? size : 4096;
		moved = sender ? write(end, buffer, size) : read(end, buffer, size);
	}
	if (moved > 0)
		count(sender ? &actor->stage->written : &actor->stage->read);
}

static void close_end(struct actor *actor, unsigned int place)
{
	if (!below(&actor->random, 3)) {
		struct ipcshim_close_pipe args = { 0 };

		if (ioctl(actor->ends[place], IPCSHIM_CLOSE_PIPE, &args) == 0)
			count(&actor->stage->shut);
		return;
	}
	close(actor->ends[place]);
	actor->ends[place] = -1;
	count(&actor->stage->closed);
}

static bool open_port(struct actor *actor)
{
	struct ipcshim_handle handle = {
		.codes = { 1ULL << IPCSHIM_EVENT_RECV_PIPE | 1ULL << IPCSHIM_EVENT_PIPE_CLOSED },
	};
	struct ipcshim_ready ready = { 0 };

	if (!below(&actor->random, 3)) {
		handle.notify = IPCSHIM_NOTIFY_SIGNAL;
		handle.signo = 40;
	}
	actor->port = open(IPCSHIM_DEVICE, O_RDWR | O_CLOEXEC | O_NONBLOCK);
	if (actor->port < 0)
		return false;
	/* EBUSY: a child of ours still holds the port that was before. */
	if (ioctl(actor->port, IPCSHIM_HANDLE_SIGNAL, &handle) && errno != EBUSY)
		return false;
	return ioctl(actor->port, IPCSHIM_READY, &ready) == 0;
}

static void one_deed(struct actor *actor)
{
	unsigned int place = any_end(actor);
	unsigned int dice = below(&actor->random, 100);

	if (dice < 20 || place == ENDS_MAX)
		open_pipe(actor);
	else if (dice < 40)
		claim_events(actor->port, &actor->random, actor, claimed);
	else if (dice < 50)
		send_pipe(actor, place);
	else if (dice < 85)
		move_bytes(actor, place);
	else if (dice < 97)
		close_end(actor, place);
	else if (actor->child)
		return;
	else if (dice < 99) {
		close(actor->port);
		if (!open_port(actor))
			_exit(1);
	} else if (fork() == 0) {
		/* The group is killed as one, so it ends with its parent. */
		actor->child = true;
		next_random(&actor->random);
		actor->random ^= 0x5555555555555555ULL;
	}
}

void act(struct stage *stage, uint64_t seed)
{
	struct actor actor = { .stage = stage, .random = seed, .port = -1 };

	for (unsigned int i = 0; i < ENDS_MAX; i++)
		actor.ends[i] = -1;
	signal(SIGPIPE, SIG_IGN);
	signal(40, SIG_IGN);
	if (!open_port(&actor))
		_exit(1);
	for (;;)
		one_deed(&actor);
}
