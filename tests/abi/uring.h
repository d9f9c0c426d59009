/* SPDX-License-Identifier: MIT */
/* io_uring by its system calls, for IORING_OP_URING_CMD: one process, one thread. */
#ifndef IPCSHIM_TESTS_ABI_URING_H
#define IPCSHIM_TESTS_ABI_URING_H

#include <linux/io_uring.h>

#include "support.h"

struct uring {
	int fd;
	unsigned int *sq_tail;
	unsigned int sq_mask;
	unsigned int *cq_head;
	unsigned int *cq_tail;
	unsigned int cq_mask;
	unsigned int *sq_array;
	struct io_uring_sqe *sqes;
	struct io_uring_cqe *cqes;
};

struct uring uring_open(void); /* skips where the kernel has none */
/* A call of ours, by its number; it goes to the kernel at once. */
void uring_command(struct uring *uring, int fd, unsigned long command, const void *args,
		   uint64_t name);
/* The same with an address as it is. */
void uring_command_at(struct uring *uring, int fd, unsigned long command, uint64_t address,
		      uint64_t name);
void uring_cancel(struct uring *uring, uint64_t whom, uint64_t name);
/* The result of "name", which has to complete next. */
int uring_result(struct uring *uring, uint64_t name);
/* Of two that complete in any order. */
void uring_results(struct uring *uring, uint64_t first, int *first_result, uint64_t second,
		   int *second_result);
bool uring_completed(const struct uring *uring); /* something has */
/* Command and result. */
int uring_call(struct uring *uring, int fd, unsigned long command, void *args);

#endif
