/* SPDX-License-Identifier: MIT */
#ifndef IPCSHIM_TESTS_STRESS_FREE_MEMORY_H
#define IPCSHIM_TESTS_STRESS_FREE_MEMORY_H

/*
 * Bytes that are free, after all caches were dropped, or that the kernel has in a
 * place of its own that it counts: lists of each processor, slabs (among them what
 * KASAN keeps back), stacks, page tables, vmalloc, and percpu.  A page that is lost
 * is in none of these.
 */
long long free_memory(void);

#endif
