// SPDX-License-Identifier: MIT
/*
 * Storms on service sockets.  Up to eight processes publish, connect, call, answer and
 * pass on pipes, segments and sockets, while others of them are killed (see rounds.h).
 * Every message says which one it is, so that nobody takes a wrong one, or one twice.
 * After every few rounds nothing is left; in the end the module unloads and loads again.
 *
 *	ipcshim_socket_storm [ROUNDS [SEED]]
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "rounds.h"
#include "socket_actor.h"
#include "socket_chain.h"

enum {
	ROUNDS = 120,
	ROUNDS_DEBUG = 48,
	ROUNDS_KMEMLEAK = 8,
	DEPTH = 600, /* of sockets in sockets */
};

static void act(void *stage, uint64_t seed)
{
	act_on_sockets(stage, seed);
}

static const struct plan plan = {
	.actors_min = 4,
	.actors_max = ACTORS_MAX,
	.moment_min = 25000000,
	.moment_bits = 26,
	.act = act,
};

static const char *const names[SOCKET_DEEDS] = {
	[PUBLISHED] = "published",
	[WITHDRAWN] = "withdrawn",
	[CONNECTED] = "connected",
	[CONNECTED_AGAIN] = "connected again",
	[ACCEPTED] = "accepted",
	[REJECTED] = "rejected",
	[UNANSWERED] = "unanswered",
	[ABANDONED] = "abandoned",
	[PAIRED] = "pairs",
	[HANDED] = "handed over",
	[CLAIMED] = "claimed",
	[OPENED] = "opened",
	[SENT_ONCE] = "sent once",
	[ANSWERED] = "answered",
	[FAILED] = "failed",
	[CALLED] = "called",
	[LATE] = "late",
	[INTERRUPTED] = "interrupted",
	[RESUMED] = "resumed",
	[READ] = "read",
	[TOO_SMALL] = "too small",
	[OUT_OF_TURN] = "out of turn",
	[CONCLUDED] = "concluded",
	[FORGED] = "forged",
	[PIPE_CAME] = "pipes came",
	[SEGMENT_CAME] = "segments came",
	[SOCKET_CAME] = "sockets came",
	[KNOTTED] = "knots",
	[ENDED] = "ended",
	[SHUT] = "shut",
	[OTHER_ENDED] = "other side ended",
	[OTHER_DIED] = "other side died",
	[CLOSED] = "closed",
	[FORKED] = "forked",
	[REFUSED] = "refused",
};

static void set_parameter(const char *name, unsigned int value)
{
	char path[128];
	char text[16];
	int fd;

	snprintf(path, sizeof(path), "/sys/module/ipcshim/parameters/%s", name);
	snprintf(text, sizeof(text), "%u", value);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		die(path);
	close(fd);
}

/* Counters that wrap, and few exchanges at a time, now and then. */
static void set_up(struct socket_stage *stage, uint64_t *random)
{
	static const uint32_t counters[] = { 1, UINT32_MAX, UINT32_MAX - 2 };

	memset(stage->fates.of, 0, MESSAGES_MAX);
	stage->fates.messages = 0;
	stage->first_counter = counters[below(random, 3)];
	set_parameter("first_counter", stage->first_counter);
	set_parameter("max_exchanges", below(random, 3) ? 1024 : 6);
}

static void set_back(void)
{
	set_parameter("first_counter", 1);
	set_parameter("max_exchanges", 1024);
}

/* The last one is closed: all of them go, however many, and that ends. */
static bool deep_sockets_go(void)
{
	struct chain chain = chain_make(DEPTH);
	struct ipcshim_query is = query();

	if (is.connections != DEPTH || is.messages != DEPTH - 1) {
		printf("%llu connections and %llu messages, expected %u\n",
		       (unsigned long long)is.connections, (unsigned long long)is.messages, DEPTH);
		return false;
	}
	chain_close(&chain);
	return nothing_left();
}

static unsigned int usual_rounds(void)
{
	if (getenv("IPCSHIM_KMEMLEAK"))
		return ROUNDS_KMEMLEAK;
	return getenv("IPCSHIM_DEBUG_KERNEL") ? ROUNDS_DEBUG : ROUNDS;
}

int main(int argc, char **argv)
{
	unsigned int rounds = usual_rounds();
	uint64_t random = seed_of(argc, argv, &rounds);
	struct socket_stage *stage = stage_create(sizeof(*stage));
	bool everything;

	if (!nothing_left() || !deep_sockets_go())
		return 1;
	atexit(set_back);
	for (unsigned int round = 0; round < rounds; round += TOGETHER) {
		set_up(stage, &random);
		rounds_together(&plan, &stage->cast, &random);
		if (!nothing_left()) {
			printf("after round %u\n", round + TOGETHER);
			return 1;
		}
	}
	everything = did_everything(names, stage->done, SOCKET_DEEDS);
	/* A run in which nothing happened shows nothing. */
	if (rounds >= 100 && !everything) {
		puts("a kind of deed never succeeded");
		return 1;
	}
	reload_module();
	return nothing_left() ? 0 : 1;
}
