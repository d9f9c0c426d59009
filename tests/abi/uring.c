// SPDX-License-Identifier: MIT
#include "uring.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "harness.h"

enum { ENTRIES = 8 };

static char *uring_map(int fd, size_t size, uint64_t offset)
{
	char *got = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, (off_t)offset);

	ASSERT_TRUE(got != MAP_FAILED);
	return got;
}

static unsigned int *word(char *ring, uint32_t offset)
{
	return (unsigned int *)(void *)(ring + offset);
}

struct uring uring_open(void)
{
	struct io_uring_params params = { 0 };
	struct uring uring = { .fd = (int)syscall(SYS_io_uring_setup, ENTRIES, &params) };
	char *sq;
	char *cq;

	if (uring.fd < 0)
		SKIP("io_uring_setup: %s", strerrorname_np(errno));
	sq = uring_map(uring.fd, params.sq_off.array + params.sq_entries * sizeof(unsigned int),
		       IORING_OFF_SQ_RING);
	cq = uring_map(uring.fd,
		       params.cq_off.cqes + params.cq_entries * sizeof(struct io_uring_cqe),
		       IORING_OFF_CQ_RING);
	uring.sq_tail = word(sq, params.sq_off.tail);
	uring.sq_mask = *word(sq, params.sq_off.ring_mask);
	uring.sq_array = word(sq, params.sq_off.array);
	uring.cq_head = word(cq, params.cq_off.head);
	uring.cq_tail = word(cq, params.cq_off.tail);
	uring.cq_mask = *word(cq, params.cq_off.ring_mask);
	uring.cqes = (struct io_uring_cqe *)(void *)(cq + params.cq_off.cqes);
	uring.sqes = (struct io_uring_sqe *)(void *)uring_map(
		uring.fd, params.sq_entries * sizeof(struct io_uring_sqe), IORING_OFF_SQES);
	return uring;
}

static long enter(const struct uring *uring, unsigned int submit, unsigned int wait)
{
	return syscall(SYS_io_uring_enter, uring->fd, submit, wait,
		       wait ? IORING_ENTER_GETEVENTS : 0, NULL, 0);
}

static void submit(struct uring *uring, const struct io_uring_sqe *sqe)
{
	unsigned int place = *uring->sq_tail & uring->sq_mask;

	uring->sqes[place] = *sqe;
	uring->sq_array[place] = place;
	__atomic_store_n(uring->sq_tail, *uring->sq_tail + 1, __ATOMIC_RELEASE);
	ASSERT_EQ(1, enter(uring, 1, 0));
}

void uring_command_at(struct uring *uring, int fd, unsigned long command, uint64_t address,
		      uint64_t name)
{
	struct io_uring_sqe sqe = {
		.opcode = IORING_OP_URING_CMD,
		.fd = fd,
		.cmd_op = (uint32_t)command,
		.user_data = name,
		.addr3 = address, /* where the bytes of a command begin */
	};

	submit(uring, &sqe);
}

void uring_command(struct uring *uring, int fd, unsigned long command, const void *args,
		   uint64_t name)
{
	uring_command_at(uring, fd, command, (uintptr_t)args, name);
}

void uring_cancel(struct uring *uring, uint64_t whom, uint64_t name)
{
	struct io_uring_sqe sqe = {
		.opcode = IORING_OP_ASYNC_CANCEL,
		.fd = -1,
		.addr = whom,
		.user_data = name,
	};

	submit(uring, &sqe);
}

bool uring_completed(const struct uring *uring)
{
	/* What is done in the submitter's context is done when it enters. */
	ASSERT_EQ(0, enter(uring, 0, 0));
	return __atomic_load_n(uring->cq_tail, __ATOMIC_ACQUIRE) != *uring->cq_head;
}

static struct io_uring_cqe next_result(struct uring *uring)
{
	unsigned int head = *uring->cq_head;
	struct io_uring_cqe cqe;

	while (__atomic_load_n(uring->cq_tail, __ATOMIC_ACQUIRE) == head)
		if (enter(uring, 0, 1) < 0)
			ASSERT_EQ(EINTR, errno);
	cqe = uring->cqes[head & uring->cq_mask];
	__atomic_store_n(uring->cq_head, head + 1, __ATOMIC_RELEASE);
	return cqe;
}

int uring_result(struct uring *uring, uint64_t name)
{
	struct io_uring_cqe cqe = next_result(uring);

	ASSERT_EQ(name, cqe.user_data);
	return cqe.res;
}

void uring_results(struct uring *uring, uint64_t first, int *first_result, uint64_t second,
		   int *second_result)
{
	for (int i = 0; i < 2; i++) {
		struct io_uring_cqe cqe = next_result(uring);

		ASSERT_TRUE(cqe.user_data == first || cqe.user_data == second);
		*(cqe.user_data == first ? first_result : second_result) = cqe.res;
	}
}

int uring_call(struct uring *uring, int fd, unsigned long command, void *args)
{
	static uint64_t name = 1000;

	uring_command(uring, fd, command, args, ++name);
	return uring_result(uring, name);
}
