/* SPDX-License-Identifier: MIT */
/* Faults on demand: allocations that fail, one after another. */
#ifndef IPCSHIM_TESTS_ABI_INJECTION_H
#define IPCSHIM_TESTS_ABI_INJECTION_H

#include <stdbool.h>

/* A descriptor for with_fault; skips where the kernel has no fault injection. */
int injector_open(void);

/*
 * Makes the n-th allocation (or copy from or to user space) that follows fail,
 * calls, and says whether that came to pass within the call.
 */
bool with_fault(int injector, unsigned int n, int (*call)(void *), void *argument, int *result);

/*
 * Each allocation of a call fails in turn: ENOMEM (EFAULT for a copy), and nothing
 * has changed.  "call" answers 0 or an errno; after a success "undo" takes back
 * what it made, after a refusal "check", if not NULL, looks at more than the counts.
 */
struct attempt {
	int (*call)(void *argument);
	void (*undo)(void *argument);
	void (*check)(void *argument);
	unsigned int stride; /* of those after the first ones only every so many; 0: every one */
};

void fail_each(const struct attempt *attempt, void *argument, int port);

/*
 * Makes ready that every allocation of a task fails; the descriptor is for
 * without_memory, within which every one does.
 */
int no_memory_switch(void);
int without_memory(int fail, int (*call)(void *), void *argument);

#endif
