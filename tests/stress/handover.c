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

#include "lost_memory.h"
#include "memory_actor.h"
#include "rounds.h"

enum { ROUNDS = 500 };

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

static const char *const names[DEEDS] = {
	[CREATED] = "created",	     [ADOPTED] = "adopted",	[SHARED] = "shared",
	[HANDED_OVER] = "handed over", [LENT] = "lent",		[CLAIMED] = "claimed",
	[CAME_BACK] = "came back",     [TOUCHED] = "touched",	[LOST] = "gone when touched",
	[GIVEN_BACK] = "given back",   [REVOKED] = "revoked",	[EXPORTED] = "exported",
	[PINNED] = "pinned",	     [FORKED] = "forked",	[REFUSED] = "refused",
};

int main(int argc, char **argv)
{
	unsigned int rounds = ROUNDS;
	uint64_t random = seed_of(argc, argv, &rounds);
	struct memory_stage *stage = stage_create(sizeof(*stage));
	bool nothing_lost;

	if (!nothing_left())
		return 1;
	nothing_lost = rounds_lose_nothing(&plan, &stage->cast, rounds, &random);
	/* A run in which nothing happened shows nothing. */
	if (!did_everything(names, stage->done, DEEDS) && rounds >= 100) {
		puts("a kind of deed never succeeded");
		return 1;
	}
	if (!nothing_lost)
		return 1;
	reload_module();
	return nothing_left() ? 0 : 1;
}
