/* SPDX-License-Identifier: MIT */
/*
 * Rounds of kill -9.  Some processes act; in every round one or several of them are
 * killed at a random moment, and others take their places.  After every few
 * rounds all are killed, and the module has to count nothing then.
 */
#ifndef IPCSHIM_TESTS_STRESS_ROUNDS_H
#define IPCSHIM_TESTS_STRESS_ROUNDS_H

#include <linux/ipcshim.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum {
	ACTORS_MAX = 8,
	TOGETHER = 8, /* rounds before all are killed */
};

/* In memory that all inherit, at the beginning of what the actors share. */
struct cast {
	unsigned int actors;
	volatile pid_t pids[ACTORS_MAX]; /* may have ended */
	unsigned long started; /* processes */
};

struct plan {
	unsigned int actors_min;
	unsigned int actors_max;
	unsigned int moment_min; /* nanoseconds */
	unsigned int moment_bits; /* and up to 2^bits more */
	void (*act)(void *stage, uint64_t seed); /* does not return */
};

/* A small generator (xorshift64*), one for each process. */
uint64_t next_random(uint64_t *state);
unsigned int below(uint64_t *state, unsigned int limit);

uint64_t now(void); /* CLOCK_MONOTONIC, nanoseconds */
uint64_t soon(uint64_t *random, unsigned int limit); /* a moment within so many nanoseconds */
/* Busy for so long: until a moment that no timer's step decides. */
void spin(uint64_t nanoseconds);
uint32_t any_pid(const struct cast *cast, uint64_t *random); /* 0: none yet */

_Noreturn void die(const char *what);
struct ipcshim_query query(void);

/* "size" bytes for a stage, of which a struct cast is the first member. */
void *stage_create(size_t size);
/* From the arguments: ROUNDS and SEED; says both. */
uint64_t seed_of(int argc, char **argv, unsigned int *rounds);
/* Once TOGETHER rounds; all are killed then. */
void rounds_together(const struct plan *plan, struct cast *cast, uint64_t *random);
/* Nothing counted by the module but our own port; waits a little for what ends by itself. */
bool nothing_left(void);
void reload_module(void);
/* Claims what some events of a port bring, but for one in eight, left to die with it. */
void claim_events(int port, uint64_t *random, void *actor,
		  void (*taken)(void *actor, int error, const struct ipcshim_claim *claim));
/* Says how often each of these was done; whether that is never 0. */
bool did_everything(const char *const names[], const unsigned long done[], unsigned int count);

#endif
