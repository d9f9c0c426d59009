/* SPDX-License-Identifier: MIT */
#ifndef IPCSHIM_TESTS_STRESS_PTY_ACTOR_H
#define IPCSHIM_TESTS_STRESS_PTY_ACTOR_H

#include "rounds.h"

/* What an actor does, or meets; each is counted. */
enum pty_deed {
	PTY_OPENED,
	PTY_PEER,
	PTY_BY_PATH,
	PTY_SENT,
	PTY_CLAIMED,
	PTY_STALE, /* claimed, and the master was gone */
	PTY_WRITTEN,
	PTY_READ,
	PTY_HUNG_UP, /* a read or write that met it */
	PTY_RESIZED,
	PTY_CONTROLLED, /* locks, modes, signals, breaks, flushes */
	PTY_DRAINED,
	PTY_LED, /* a leader with it as its terminal */
	PTY_FORKED,
	PTY_CLOSED,
	PTY_REFUSED,
	PTY_DEEDS,
};

struct pty_stage {
	struct cast cast;
	unsigned long done[PTY_DEEDS];
};

/* Opens, hands over, uses and closes ptys until it is killed. */
_Noreturn void act_on_ptys(struct pty_stage *stage, uint64_t seed);

#endif
