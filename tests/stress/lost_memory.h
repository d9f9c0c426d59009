/* SPDX-License-Identifier: MIT */
#ifndef IPCSHIM_TESTS_STRESS_LOST_MEMORY_H
#define IPCSHIM_TESTS_STRESS_LOST_MEMORY_H

#include "rounds.h"

/*
 * Some rounds of a plan, after others until what the kernel keeps is there: whether nothing of
 * the module's is left after every few, and all memory free again that was so before.
 */
bool rounds_lose_nothing(const struct plan *plan, struct cast *cast, unsigned int rounds,
			 uint64_t *random);

#endif
