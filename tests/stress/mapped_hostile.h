/* SPDX-License-Identifier: MIT */
/* A process that has one end of a mapped pipe, and writes nonsense into all that it may write. */
#ifndef IPCSHIM_TESTS_STRESS_MAPPED_HOSTILE_H
#define IPCSHIM_TESTS_STRESS_MAPPED_HOSTILE_H

#include "mapped_ring.h"
#include "rounds.h"

enum {
	/* What a hostile sender of a raw pipe writes: these, and pages begin with zeros. */
	HOSTILE_BYTE = 0xa0,
	HOSTILE_MASK = 0xf0,
};

/* In memory of both: how often it did what. */
struct hostile_stage {
	struct cast cast;
	unsigned long scribbled, called, remapped;
};

/* Scribbles in one thread and calls in another until it is killed. */
_Noreturn void act_hostile(struct hostile_stage *stage, int fd, bool sender, bool messages,
			   uint64_t seed);

#endif
