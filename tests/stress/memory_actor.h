/* SPDX-License-Identifier: MIT */
#ifndef IPCSHIM_TESTS_STRESS_MEMORY_ACTOR_H
#define IPCSHIM_TESTS_STRESS_MEMORY_ACTOR_H

#include "rounds.h"

/* What an actor does, or meets; each is counted. */
enum deed {
	CREATED,
	ADOPTED,
	SHARED,
	HANDED_OVER,
	LENT,
	CLAIMED,
	CAME_BACK,
	TOUCHED,
	LOST, /* touched, and it was gone */
	GIVEN_BACK,
	REVOKED,
	EXPORTED,
	PINNED,
	FORKED,
	REFUSED,
	DEEDS,
};

/* What the actors of a round share, in memory that all inherited. */
struct memory_stage {
	struct cast cast;
	unsigned long done[DEEDS];
};

/* Makes segments, shares, hands over, lends and touches them until it is killed. */
_Noreturn void act_on_memory(struct memory_stage *stage, uint64_t seed);

/* How it ends by itself, if a page that only it has holds what it did not write. */
enum { ANOTHER_WROTE = 33 };

#endif
