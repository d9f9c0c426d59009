// SPDX-License-Identifier: MIT
#include "lost_memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "free_memory.h"

enum {
	WARM_UP = 4 * TOGETHER, /* until what the kernel keeps is there */
	IDLE = 12 * TOGETHER,
	TOLERANCE = 1 << 20, /* bytes: half a page for each round */
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

static bool do_rounds(const struct plan *what, struct cast *cast, unsigned int rounds,
		      uint64_t *random)
{
	for (unsigned int done = 0; done < rounds; done += TOGETHER) {
		rounds_together(what, cast, random);
		if (!nothing_left()) {
			printf("after round %u\n", done + TOGETHER);
			return false;
		}
	}
	return true;
}

/*
 * A module that loads makes the kernel take back for good what was unmapped, with the shadow that
 * a sanitised kernel has of it.
 */
static long long free_now(void)
{
	reload_module();
	return free_memory();
}

/* How much less is free after rounds, and how many processes there were. */
static bool missing_after(const struct plan *what, struct cast *cast, unsigned int rounds,
			  uint64_t *random, long long *missing, long long *processes)
{
	long long before = free_now();

	cast->started = 0;
	if (!do_rounds(what, cast, rounds, random))
		return false;
	*missing = before - free_now();
	*processes = (long long)cast->started;
	return true;
}

bool rounds_lose_nothing(const struct plan *plan, struct cast *cast, unsigned int rounds,
			 uint64_t *random)
{
	long long missing[2];
	long long processes[2];
	long long lost;

	if (!do_rounds(plan, cast, WARM_UP, random) ||
	    !missing_after(&idle, cast, IDLE, random, &missing[0], &processes[0]) ||
	    !missing_after(plan, cast, rounds, random, &missing[1], &processes[1]))
		return false;
	printf("%lld KiB of the memory that was free are missing after %lld processes; "
	       "%lld KiB after %lld that did nothing\n",
	       missing[1] / 1024, processes[1], missing[0] / 1024, processes[0]);
	lost = missing[1];
	if (missing[0] > 0 && getenv("IPCSHIM_DEBUG_KERNEL"))
		lost -= missing[0] * processes[1] / processes[0];
	if (lost > TOLERANCE)
		puts("pages were lost");
	return lost <= TOLERANCE;
}
