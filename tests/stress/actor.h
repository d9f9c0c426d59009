/* SPDX-License-Identifier: MIT */
#ifndef IPCSHIM_TESTS_STRESS_ACTOR_H
#define IPCSHIM_TESTS_STRESS_ACTOR_H

#include "rounds.h"

enum {
	ENDS_MAX = 16, /* of one actor at a time */
};

/* What the actors of a round share, in a page that all inherited. */
struct stage {
	struct cast cast;
	/* How often each deed succeeded, so that a run can show what it did. */
	unsigned long opened, sent, claimed, written, read, closed, shut, unlucky;
};

/* Opens, hands over, claims, reads, writes and closes until it is killed. */
_Noreturn void act(struct stage *stage, uint64_t seed);

#endif
