/* SPDX-License-Identifier: MIT */
#ifndef IPCSHIM_TESTS_STRESS_SOCKET_CHAIN_H
#define IPCSHIM_TESTS_STRESS_SOCKET_CHAIN_H

/*
 * Connections of which each waits to be read from the next one, both sides of it; of the
 * last one both sides are here, of the first one its client's.
 */
struct chain {
	int first;
	int last[2];
};

struct chain chain_make(unsigned int depth);
void chain_close(struct chain *chain);

#endif
