/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What all ways of moving through a pipe have in common: waiting, waking, and how
 * much is waited for.  For pipe_io.c, pipe_batch.c and mapped_io.c alone.
 */
#ifndef _IPCSHIM_PIPE_IO_H
#define _IPCSHIM_PIPE_IO_H

#include "pipe.h"

static inline bool ipcshim_pipe_stopped_reading(const struct ipcshim_pipe *pipe)
{
	return atomic64_read_acquire(&pipe->ring.tail) & IPCSHIM_POS_CLOSED;
}

/* Stopped for reading means stopped for writing, see ring.h. */
static inline bool ipcshim_pipe_stopped_writing(const struct ipcshim_pipe *pipe)
{
	return atomic64_read_acquire(&pipe->ring.head) & IPCSHIM_POS_CLOSED;
}

/* A mode that there is, and a deadline only for what waits for all. */
static inline bool ipcshim_io_mode_is_valid(u32 mode, u64 deadline)
{
	if (mode > IPCSHIM_IO_SOME)
		return false;
	return !deadline || (mode == IPCSHIM_IO_ALL &&
			     deadline <= IPCSHIM_DEADLINE_MAX);
}

/* What a call is told of "remains". */
static inline u32 ipcshim_end_remains(struct ipcshim_end *end)
{
	struct ipcshim_pipe *pipe = ipcshim_pipe_of(end);

	return end->side == IPCSHIM_SENDER ? ipcshim_pipe_room(pipe) :
					     ipcshim_pipe_readable(pipe);
}

/* The room, the data, that must be there before (the rest of) it goes on. */
u32 ipcshim_write_need(const struct ipcshim_pipe *pipe, size_t size, size_t left,
		       const struct ipcshim_transfer *transfer);
u32 ipcshim_read_need(const struct ipcshim_pipe *pipe, size_t size, size_t left,
		      const struct ipcshim_transfer *transfer);

/* May the holder of the turn go on, having asked for "need" bytes? */
bool ipcshim_end_can_go_on(struct ipcshim_end *end, u32 need);
/* WRITE_BATCH and READ_BATCH.  With "nowait" -IPCSHIM_EWAITS, see uring.h. */
int ipcshim_end_batch(struct ipcshim_end *end,
		      struct ipcshim_pipe_batch __user *uarg, bool nowait);

/* The turn can't be had: the transfer says why. */
int ipcshim_transfer_refused(struct ipcshim_end *end, int err,
			     struct ipcshim_transfer *transfer);
/* In the turn: sleep until it may.  -ERESTARTSYS, -ETIMEDOUT. */
int ipcshim_end_wait(struct ipcshim_end *end, u32 need, u64 deadline);
/* In the turn: the same for a transfer, or say how many bytes are lacking. */
int ipcshim_transfer_wait(struct ipcshim_end *end, u32 need, u32 there,
			  struct ipcshim_transfer *transfer);
/* After [S2]: may somebody on this end wait for the other index to move? */
static inline bool ipcshim_end_awaited(struct ipcshim_end *end)
{
	if (READ_ONCE(end->need) || READ_ONCE(end->fasync))
		return true;
	/* After [S2] as well. */
	return waitqueue_active(&end->poll_wait);
}

/* Then tell those whom that helps. */
void ipcshim_end_wake(struct ipcshim_end *end);
/* The other index moved: tell those on this end whom that helps. */
void ipcshim_end_notify(struct ipcshim_end *end);

#endif /* _IPCSHIM_PIPE_IO_H */
