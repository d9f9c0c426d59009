// SPDX-License-Identifier: MIT
/*
 * Rounds of kill -9 among three processes that make segments, adopt, share, hand over,
 * lend and touch them (see rounds.h).  After every few rounds the module counts
 * nothing, and in the end no page of the machine's memory is lost; then the module
 * unloads and loads again.
 *
 *	ipcshim_handover_stress [ROUNDS [SEED]]
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "free_memory.h"
#include "memory_actor.h"
#include "rounds.h"

enum {
	ROUNDS = 500,
	WARM_UP = 4 * TOGETHER, /* until what the kernel keeps is there */
	IDLE = 12 * TOGETHER,
	TOLERANCE = 1 << 20, /* bytes: half a page for each round */
};

static void act(void *stage, uint64_t seed)
{
	act_on_memory(stage, seed);
}

static const struct plan plan = {
	.actors_min = 3,
	.actors_max = 3,
	.moment_min = 20000000,
	.moment_bits = 26,
	.act = act,
};

static void do_nothing(void *stage, uint64_t seed)
{
	(void)stage;
	(void)seed;
	for (;;)
		pause();
}

/*
 * What processes alone cost: a sanitised kernel keeps some pages for each that ever
 * was, and tells of them nowhere.
 */
static const struct plan idle = {
	.actors_min = 3,
	.actors_max = 3,
	.moment_bits = 10,
	.act = do_nothing,
};

static const char *const names[DEEDS] = {
	[CREATED] = "created",	     [ADOPTED] = "adopted",	[SHARED] = "shared",
	[HANDED_OVER] = "handed over", [LENT] = "lent",		[CLAIMED] = "claimed",
	[CAME_BACK] = "came back",     [TOUCHED] = "touched",	[LOST] = "gone when touched",
	[GIVEN_BACK] = "given back",   [REVOKED] = "revoked",	[EXPORTED] = "exported",
	[PINNED] = "pinned",	     [FORKED] = "forked",	[REFUSED] = "refused",
};

static bool do_rounds(const struct plan *what, struct memory_stage *stage, unsigned int rounds,
		      uint64_t *random)
{
	for (unsigned int done = 0; done < rounds; done += TOGETHER) {
		rounds_together(what, &stage->cast, random);
		if (!nothing_left()) {
			printf("after round %u\n", done + TOGETHER);
			return false;
		}
	}
	return true;
}

/* How much less is free after rounds, and how many processes there were. */
static bool missing_after(const struct plan *what, struct memory_stage *stage, unsigned int rounds,
			  uint64_t *random, long long *missing, long long *processes)
{
	long long before = free_memory();

	stage->cast.started = 0;
	if (!do_rounds(what, stage, rounds, random))
		return false;
	*missing = before - free_memory();
	*processes = (long long)stage->cast.started;
	return true;
}

int main(int argc, char **argv)
{
	unsigned int rounds = ROUNDS;
	uint64_t random = seed_of(argc, argv, &rounds);
	struct memory_stage *stage = stage_create(sizeof(*stage));
	long long missing[2];
	long long processes[2];
	long long lost;
	bool everything;

	if (!nothing_left() || !do_rounds(&plan, stage, WARM_UP, &random) ||
	    !missing_after(&idle, stage, IDLE, &random, &missing[0], &processes[0]) ||
	    !missing_after(&plan, stage, rounds, &random, &missing[1], &processes[1]))
		return 1;
	everything = did_everything(names, stage->done, DEEDS);
	printf("%lld KiB of the memory that was free are missing after %lld processes; "
	       "%lld KiB after %lld that did nothing\n",
	       missing[1] / 1024, processes[1], missing[0] / 1024, processes[0]);
	/* A run in which nothing happened shows nothing. */
	if (rounds >= 100 && !everything) {
		puts("a kind of deed never succeeded");
		return 1;
	}
	lost = missing[1];
	if (missing[0] > 0 && getenv("IPCSHIM_DEBUG_KERNEL"))
		lost -= missing[0] * processes[1] / processes[0];
	if (lost > TOLERANCE) {
		puts("pages were lost");
		return 1;
	}
	reload_module();
	return nothing_left() ? 0 : 1;
}
