// SPDX-License-Identifier: MIT
/*
 * A peer that writes nonsense into its index page, into what is the driver's there, into records
 * and data, at random and all the time, and calls the driver in between.  Against it stands an
 * honest side that goes by mmap, by read and write, by batches, and waits and polls: it gets data
 * or EPROTO, its own index and data stay what it wrote, nothing comes from outside of the
 * ring, and no call hangs.  Then the peer is killed under a call that waits.
 *
 *	ipcshim_mapped_hostile [MILLISECONDS [SEED]]	of each of the four kinds
 */
#include "mapped_hostile.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "mapped_honest.h"

enum {
	MILLISECONDS = 1200,
	MILLISECONDS_DEBUG = 2500,
	UNITS = 2, /* of capacity */
	END = 20, /* seconds until the end of the peer must be seen */
};

static const char *const names[HONEST_DEEDS] = {
	[HONEST_MAPPED] = "mapped",	    [HONEST_CALL] = "read or write",
	[HONEST_IO] = "PIPE_READ or _WRITE", [HONEST_BATCH] = "batches",
	[HONEST_WAIT] = "waited",	    [HONEST_POLL] = "polled",
	[HONEST_NONSENSE] = "EPROTO",	    [HONEST_MOVED] = "moved",
};

/* Both ends here; "mine" is the honest one. */
static void open_mapped(bool sender, bool messages, int *mine, int *theirs)
{
	struct ipcshim_open_pipe args = {
		.direction = sender ? IPCSHIM_END_SENDER : IPCSHIM_END_RECEIVER,
		.mode = messages ? IPCSHIM_PIPE_MESSAGE : IPCSHIM_PIPE_RAW,
		.capacity = UNITS,
		.flags = IPCSHIM_OPEN_MAPPED | IPCSHIM_OPEN_NONBLOCK,
	};
	int port = open(IPCSHIM_DEVICE, O_RDWR | O_CLOEXEC);

	if (port < 0 || ioctl(port, IPCSHIM_OPEN_PIPE, &args))
		die("OPEN_PIPE with MAPPED");
	close(port);
	*mine = args.fd;
	*theirs = args.peer_fd;
}

struct killing {
	pid_t pid;
	uint64_t moment;
};

static void *kill_later(void *context)
{
	const struct killing *killing = context;

	while (now() < killing->moment)
		poll(NULL, 0, 1);
	if (kill(killing->pid, SIGKILL))
		die("kill");
	return NULL;
}

/* Whether the end of the peer is told, to one who waits in read or write. */
static bool sees_the_end(const struct mapped_side *side, pid_t peer)
{
	static char bytes[3000];
	struct killing killing = { peer, now() + 20000000 };
	struct pollfd polled = { side->fd, side->sender ? POLLOUT : POLLIN, 0 };
	uint64_t limit = now() + END * 1000000000ULL;
	pthread_t thread;
	ssize_t result;
	bool ended = false;

	if (fcntl(side->fd, F_SETFL, 0) || pthread_create(&thread, NULL, kill_later, &killing))
		die("setup");
	while (!ended && now() < limit) {
		result = side->sender ? write(side->fd, bytes, sizeof(bytes)) :
					read(side->fd, bytes, sizeof(bytes));
		if (side->sender)
			ended = result < 0 && errno == EPIPE;
		else /* What is left may be nonsense for ever. */
			ended = result == 0 || (result < 0 && errno == EPROTO &&
						poll(&polled, 1, 0) == 1 && polled.revents & POLLHUP);
	}
	pthread_join(thread, NULL);
	if (!ended)
		puts("the end of the peer was not seen");
	return ended;
}

static bool contest(struct hostile_stage *stage, bool sender, bool messages, unsigned int milliseconds,
		    uint64_t *random)
{
	struct honest honest = { .random = next_random(random) | 1 };
	uint64_t end = now() + milliseconds * 1000000ULL;
	uint64_t seed = next_random(random);
	int mine, theirs, status;
	bool right = true;
	pid_t peer;

	open_mapped(sender, messages, &mine, &theirs);
	peer = fork();
	if (peer == 0) {
		close(mine);
		act_hostile(stage, theirs, !sender, messages, seed);
	}
	close(theirs);
	if (peer < 0 || !mapped_map(&honest.side, mine, sender, messages))
		die("setup");
	honest.shadow = calloc(1, honest.side.area);
	while (right && now() < end)
		right = act_honest(&honest);
	printf("%s, %s: ", sender ? "sender" : "receiver", messages ? "messages" : "raw");
	/* A run in which nothing happened shows nothing. */
	if (!did_everything(names, honest.done, HONEST_DEEDS) && right) {
		puts("a kind of deed never happened");
		right = false;
	}
	right = sees_the_end(&honest.side, peer) && right;
	if (waitpid(peer, &status, 0) != peer || !WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL) {
		printf("the hostile process ended by itself: wait status %#x\n", status);
		right = false;
	}
	mapped_unmap(&honest.side);
	close(mine);
	free(honest.shadow);
	return right;
}

int main(int argc, char **argv)
{
	unsigned int milliseconds = getenv("IPCSHIM_DEBUG_KERNEL") ? MILLISECONDS_DEBUG : MILLISECONDS;
	uint64_t random = seed_of(argc, argv, &milliseconds);
	struct hostile_stage *stage = stage_create(sizeof(*stage));

	signal(SIGPIPE, SIG_IGN);
	if (!nothing_left())
		return 1;
	for (unsigned int kind = 0; kind < 4; kind++)
		if (!contest(stage, kind & 1, kind & 2, milliseconds, &random))
			return 1;
	printf("nonsense %lu, calls %lu, mappings changed %lu\n", stage->scribbled, stage->called,
	       stage->remapped);
	if (!stage->scribbled || !stage->called || !stage->remapped)
		return 1;
	if (!nothing_left())
		return 1;
	reload_module();
	return nothing_left() ? 0 : 1;
}
