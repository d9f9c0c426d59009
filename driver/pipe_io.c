// SPDX-License-Identifier: GPL-2.0-only
/*
 * Moving bytes and messages.  Everything here runs under a turn.
 *
 * Sleeping and waking
 * -------------------
 *   who sleeps (holds the turn)           who moves the other index
 *   need = n                              publish head or tail
 *   full barrier [S1]                     full barrier [S2]
 *   look at the indices; sleep            n = need; wake if there is enough
 *
 * Either the sleeper sees the new index or the mover sees the need.
 * Polling works likewise, with the poll queue in the place of need.
 */
#include <linux/minmax.h>
#include <linux/poll.h>
#include <linux/sched/signal.h>
#include <linux/uio.h>

#include "direct.h"
#include "pipe.h"
#include "pipe_io.h"

static u32 pipe_free_bytes(const struct ipcshim_pipe *pipe)
{
	u64 tail = ipcshim_ring_tail(&pipe->ring);
	u64 head = ipcshim_ring_head(&pipe->ring);

	return pipe->ring.size - ipcshim_pos_bytes(tail, head);
}

bool ipcshim_end_can_go_on(struct ipcshim_end *end, u32 need)
{
	struct ipcshim_pipe *pipe = ipcshim_pipe_of(end);

	if (ipcshim_pipe_stopped_writing(pipe))
		return true;
	if (unlikely(pipe->mapped))
		return ipcshim_mapped_can_go_on(end, need);
	if (end->side == IPCSHIM_SENDER)
		return pipe_free_bytes(pipe) >= need;
	return ipcshim_pipe_used(pipe) >= need || READ_ONCE(pipe->offer);
}

int ipcshim_end_wait(struct ipcshim_end *end, u32 need, u64 deadline)
{
	int err = 0;

	lockdep_assert_held(&end->turn);
	prepare_to_rcuwait(&end->sleeper);
	WRITE_ONCE(end->need, need);
	for (;;) {
		if (unlikely(ipcshim_pipe_of(end)->mapped))
			ipcshim_mapped_tell_need(end);
		/* [S1] is in here; pairs with [S2] in ipcshim_end_notify(). */
		set_current_state(TASK_INTERRUPTIBLE);
		if (ipcshim_end_can_go_on(end, need)) {
			err = 0;
			break;
		}
		if (!err && signal_pending(current))
			err = -ERESTARTSYS;
		if (err)
			break;
		if (!ipcshim_schedule_until(deadline))
			err = -ETIMEDOUT;
		/* Told once more only if that was not enough. */
		else if (ipcshim_end_can_go_on(end, need))
			break;
	}
	finish_rcuwait(&end->sleeper);
	WRITE_ONCE(end->need, 0);
	if (unlikely(ipcshim_pipe_of(end)->mapped))
		ipcshim_mapped_tell_need(end);
	return err;
}

void ipcshim_end_wake(struct ipcshim_end *end)
{
	bool sender = end->side == IPCSHIM_SENDER;
	u32 need = READ_ONCE(end->need);

	/* For who waits for anything, what moved is enough. */
	if (need && (need == 1 || ipcshim_end_can_go_on(end, need)))
		rcuwait_wake_up(&end->sleeper);
	/* After [S2], which pairs with the barrier after poll_wait(). */
	if (waitqueue_active(&end->poll_wait))
		wake_up_interruptible_sync_poll(&end->poll_wait, sender ?
						EPOLLOUT | EPOLLWRNORM :
						EPOLLIN | EPOLLRDNORM);
	if (READ_ONCE(end->fasync))
		kill_fasync(&end->fasync, SIGIO, sender ? POLL_OUT : POLL_IN);
}

/* An index moved.  Mostly nobody waits for that. */
static inline void end_notify(struct ipcshim_end *end)
{
	/* [S2], pairs with [S1] in ipcshim_end_wait() and with poll. */
	smp_mb();
	if (ipcshim_end_awaited(end))
		ipcshim_end_wake(end);
}

/* What is there is nobody's any more: those who poll may look again. */
void ipcshim_end_wake_polls(struct ipcshim_end *end)
{
	/* Without saying for what: each looks for itself. */
	wake_up_interruptible(&end->poll_wait);
	if (READ_ONCE(end->fasync))
		kill_fasync(&end->fasync, SIGIO,
			    end->side == IPCSHIM_SENDER ? POLL_OUT : POLL_IN);
}

/*
 * How many bytes a long transfer waits for before it goes on: so many that not
 * every small piece wakes it, so few that the two sides overlap, and never so
 * many that both could wait for each other.
 */
static u32 pipe_step(const struct ipcshim_pipe *pipe, size_t left)
{
	return min_t(size_t, left, pipe->ring.size / 4);
}

void ipcshim_end_notify(struct ipcshim_end *end)
{
	end_notify(end);
}

/* Why a signal or a deadline ended it. */
static u8 transfer_stopped(int err)
{
	return err == -ETIMEDOUT ? IPCSHIM_CAUSE_DEADLINE :
				   IPCSHIM_CAUSE_SIGNAL;
}

int ipcshim_transfer_refused(struct ipcshim_end *end, int err,
			     struct ipcshim_transfer *transfer)
{
	if (err == -EAGAIN) {
		transfer->cause = IPCSHIM_CAUSE_LOCKED;
		transfer->pid = ipcshim_turn_holder(&end->turn);
	} else {
		transfer->cause = transfer_stopped(err);
	}
	return err;
}

/*
 * Wait for "need" bytes of room or data, or say how many are lacking.  A signal
 * or a deadline does not end a transfer here: what can move without a step's
 * worth moves first, and then the next call ends it.
 */
int ipcshim_transfer_wait(struct ipcshim_end *end, u32 need, u32 there,
			  struct ipcshim_transfer *transfer)
{
	if (transfer->stop) {
		transfer->cause = transfer_stopped(transfer->stop);
		return transfer->stop;
	}
	if (!transfer->wait) {
		transfer->cause = end->side == IPCSHIM_SENDER ?
				  IPCSHIM_CAUSE_FULL : IPCSHIM_CAUSE_EMPTY;
		transfer->lacks = need - there;
		return -EAGAIN;
	}
	transfer->stop = ipcshim_end_wait(end, need, transfer->deadline);
	return 0;
}

u32 ipcshim_write_need(const struct ipcshim_pipe *pipe, size_t size, size_t left,
		       const struct ipcshim_transfer *transfer)
{
	if (pipe->ring.messages)
		return size;
	if (transfer->partial)
		return 1;
	/* All or nothing, and what POSIX calls atomic. */
	if (!transfer->wait || size <= IPCSHIM_PIPE_BUF)
		return size;
	return transfer->stop ? 1 : pipe_step(pipe, left);
}

static int write_locked(struct ipcshim_pipe *pipe, struct iov_iter *from,
			struct ipcshim_transfer *transfer)
{
	struct ipcshim_end *sender = &pipe->ends[IPCSHIM_SENDER];
	size_t size = iov_iter_count(from), left = size;
	u32 need, room, piece;
	int err;

	lockdep_assert_held(&sender->turn);
	while (left) {
		if (ipcshim_pipe_stopped_writing(pipe)) {
			transfer->cause = IPCSHIM_CAUSE_CLOSED;
			return -EPIPE;
		}
		if (left >= IPCSHIM_DIRECT_MIN && transfer->wait) {
			err = ipcshim_direct_offer(pipe, from,
						   transfer->deadline);
			if (err < 0)
				return err;
			transfer->moved += err;
			left -= err;
			if (err)
				continue;
		}
		need = ipcshim_write_need(pipe, size, left, transfer);
		room = pipe_free_bytes(pipe);
		if (room < need) {
			/* Some that could move has: no reason to fail. */
			if (transfer->partial && transfer->moved)
				break;
			err = ipcshim_transfer_wait(sender, need, room, transfer);
			if (err)
				return err;
			continue;
		}
		piece = min_t(size_t, left, room);
		err = ipcshim_ring_prepare(&pipe->ring);
		if (!err)
			err = ipcshim_ring_put(&pipe->ring, from, piece);
		if (err == -EPIPE)
			transfer->cause = IPCSHIM_CAUSE_CLOSED;
		if (err)
			return err;
		transfer->moved += piece;
		left -= piece;
		end_notify(&pipe->ends[IPCSHIM_RECEIVER]);
	}
	return 0;
}

int ipcshim_pipe_write(struct ipcshim_pipe *pipe, struct iov_iter *from,
		       struct ipcshim_transfer *transfer)
{
	struct ipcshim_end *sender = &pipe->ends[IPCSHIM_SENDER];
	size_t size = iov_iter_count(from);
	int err;

	if (!size)
		return 0;
	if (pipe->ring.messages && size > IPCSHIM_MESSAGE_MAX) {
		transfer->cause = IPCSHIM_CAUSE_TOO_LONG;
		return -EMSGSIZE;
	}
	if (!pipe->ring.messages && !transfer->wait && !transfer->partial &&
	    size > pipe->ring.size)
		return -EINVAL;

	err = ipcshim_turn_take(&sender->turn, transfer->wait,
				transfer->deadline);
	if (unlikely(err))
		return ipcshim_transfer_refused(sender, err, transfer);
	err = unlikely(pipe->mapped) ?
	      ipcshim_mapped_write(pipe, from, transfer) :
	      write_locked(pipe, from, transfer);
	ipcshim_end_release(sender);
	return err;
}

u32 ipcshim_read_need(const struct ipcshim_pipe *pipe, size_t size, size_t left,
		      const struct ipcshim_transfer *transfer)
{
	if (pipe->ring.messages || transfer->partial)
		return 1;
	if (!transfer->wait)
		return size;
	return transfer->stop ? 1 : pipe_step(pipe, left);
}

/* How many bytes the next piece has; a message that is too long stays. */
static int read_piece(struct ipcshim_pipe *pipe, size_t left, u32 used,
		      u32 *piece, struct ipcshim_transfer *transfer)
{
	if (!pipe->ring.messages) {
		*piece = min_t(size_t, left, used);
		return 0;
	}
	*piece = ipcshim_ring_peek(&pipe->ring);
	if (*piece > left) {
		transfer->cause = IPCSHIM_CAUSE_TOO_LONG;
		return -EMSGSIZE;
	}
	return 0;
}

/* Wait for data, which may come straight from the writer's memory. */
static int read_wait(struct ipcshim_pipe *pipe, u32 need, u32 used,
		     struct iov_iter *to, struct ipcshim_transfer *transfer)
{
	u32 moved;
	int err;

	if (!used && transfer->wait && !transfer->stop)
		ipcshim_direct_wait(pipe, to);
	err = ipcshim_transfer_wait(&pipe->ends[IPCSHIM_RECEIVER], need, used,
				    transfer);
	moved = ipcshim_direct_take(pipe, to);
	transfer->moved += moved;
	return err;
}

static int read_locked(struct ipcshim_pipe *pipe, struct iov_iter *to,
		       struct ipcshim_transfer *transfer)
{
	struct ipcshim_end *receiver = &pipe->ends[IPCSHIM_RECEIVER];
	size_t size = iov_iter_count(to), left = size;
	u32 need, used, piece;
	bool ends;
	int err;

	lockdep_assert_held(&receiver->turn);
	while (left) {
		/* In this order: what was written before the end is seen. */
		ends = ipcshim_pipe_stopped_writing(pipe);
		used = ipcshim_pipe_used(pipe);
		if (ipcshim_pipe_stopped_reading(pipe) || (ends && !used)) {
			transfer->cause = IPCSHIM_CAUSE_CLOSED;
			return 0;
		}
		need = ipcshim_read_need(pipe, size, left, transfer);
		if (used < need && !ends) {
			if (transfer->partial && transfer->moved)
				break;
			err = read_wait(pipe, need, used, to, transfer);
			if (err)
				return err;
			left = iov_iter_count(to);
			if (transfer->partial && transfer->moved)
				break;
			continue;
		}
		err = read_piece(pipe, left, used, &piece, transfer);
		if (!err)
			err = ipcshim_ring_get(&pipe->ring, to, piece);
		if (err == -EPIPE) {
			transfer->cause = IPCSHIM_CAUSE_CLOSED;
			return 0;
		}
		if (err)
			return err;
		transfer->moved += piece;
		left -= piece;
		end_notify(&pipe->ends[IPCSHIM_SENDER]);
		if (pipe->ring.messages || transfer->partial)
			break;
	}
	return 0;
}

int ipcshim_pipe_read(struct ipcshim_pipe *pipe, struct iov_iter *to,
		      struct ipcshim_transfer *transfer)
{
	struct ipcshim_end *receiver = &pipe->ends[IPCSHIM_RECEIVER];
	size_t size = iov_iter_count(to);
	int err;

	if (!size)
		return 0;
	if (!pipe->ring.messages && !transfer->wait && !transfer->partial &&
	    size > pipe->ring.size)
		return -EINVAL;

	err = ipcshim_turn_take(&receiver->turn, transfer->wait,
				transfer->deadline);
	if (unlikely(err))
		return ipcshim_transfer_refused(receiver, err, transfer);
	err = unlikely(pipe->mapped) ?
	      ipcshim_mapped_read(pipe, to, transfer) :
	      read_locked(pipe, to, transfer);
	ipcshim_end_release(receiver);
	return err;
}
