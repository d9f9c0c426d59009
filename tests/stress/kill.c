// SPDX-License-Identifier: MIT
/*
 * Rounds of kill -9.  Two to eight processes open, hand over, claim, read, write
 * and close pipes while others of them are killed (see rounds.h); in the end the
 * module unloads and loads again.
 *
 *	ipcshim_stress [ROUNDS [SEED]]
 *
 * The seed is printed, and decides what every process does; when each of them
 * is stopped is up to the machine as well.
 */
#include <stdio.h>

#include "actor.h"
#include "rounds.h"

enum { ROUNDS = 1000 };

static void act_on(void *stage, uint64_t seed)
{
	act(stage, seed);
}

static const struct plan plan = {
	.actors_min = 2,
	.actors_max = ACTORS_MAX,
	.moment_bits = 27,
	.act = act_on,
};

int main(int argc, char **argv)
{
	unsigned int rounds = ROUNDS;
	uint64_t random = seed_of(argc, argv, &rounds);
	struct stage *stage = stage_create(sizeof(*stage));

	if (!nothing_left())
		return 1;
	for (unsigned int done = 0; done < rounds; done += TOGETHER) {
		rounds_together(&plan, &stage->cast, &random);
		if (!nothing_left()) {
			printf("after round %u\n", done + TOGETHER);
			return 1;
		}
	}
	printf("opened %lu, sent %lu, claimed %lu, written %lu, read %lu, closed %lu, "
	       "CLOSE_PIPE %lu, refused %lu\n",
	       stage->opened, stage->sent, stage->claimed, stage->written, stage->read,
	       stage->closed, stage->shut, stage->unlucky);
	/* A run in which nothing happened shows nothing. */
	if (rounds >= 100 && (!stage->opened || !stage->sent || !stage->claimed ||
			      !stage->written || !stage->read || !stage->closed || !stage->shut)) {
		puts("a kind of deed never succeeded");
		return 1;
	}
	reload_module();
	return nothing_left() ? 0 : 1;
}
