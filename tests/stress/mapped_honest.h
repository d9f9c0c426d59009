/* SPDX-License-Identifier: MIT */
/* The other side of a hostile process: it does what it may, and looks at each result. */
#ifndef IPCSHIM_TESTS_STRESS_MAPPED_HONEST_H
#define IPCSHIM_TESTS_STRESS_MAPPED_HONEST_H

#include "mapped_hostile.h"

enum honest_deed {
	HONEST_MAPPED,
	HONEST_CALL, /* read, write */
	HONEST_IO, /* PIPE_READ, PIPE_WRITE */
	HONEST_BATCH,
	HONEST_WAIT,
	HONEST_POLL,
	HONEST_NONSENSE, /* EPROTO, whichever way */
	HONEST_MOVED, /* likewise */
	HONEST_DEEDS,
};

struct honest {
	struct mapped_side side;
	uint64_t random;
	unsigned char *shadow; /* of the data area, of a sender */
	unsigned long looks;
	unsigned long done[HONEST_DEEDS];
};

/* One thing, by any way; false, and it was said why: what must not be was seen. */
bool act_honest(struct honest *honest);

#endif
