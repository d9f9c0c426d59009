/* SPDX-License-Identifier: MIT */
#ifndef IPCSHIM_TESTS_STRESS_ACTOR_H
#define IPCSHIM_TESTS_STRESS_ACTOR_H

#include <stdint.h>
#include <sys/types.h>

enum {
	ACTORS_MAX = 8,
	ENDS_MAX = 16, /* of one actor at a time */
};

/* What the actors of a round share, in a page that all inherited. */
struct stage {
	unsigned int actors;
	volatile pid_t pids[ACTORS_MAX]; /* may have ended */
	/* How often each deed succeeded, so that a run can show what it did. */
	unsigned long opened, sent, claimed, written, read, closed, shut, unlucky;
};

/* A small generator (xorshift64*), one for each process. */
uint64_t next_random(uint64_t *state);
unsigned int below(uint64_t *state, unsigned int limit);

/* Opens, hands over, claims, reads, writes and closes until it is killed. */
_Noreturn void act(struct stage *stage, uint64_t seed);

#endif
