// SPDX-License-Identifier: GPL-2.0-only
/* Moving through a mapped pipe by the driver, and waiting and waking for it. */
#include <linux/math64.h>
#include <linux/minmax.h>
#include <linux/uaccess.h>
#include <linux/uio.h>

#include "mapped.h"
#include "pipe.h"
#include "pipe_io.h"
#include "trace.h"
#include "uring.h"

/* Looks of somebody who holds no turn, before it takes what it has. */
#define LOOKS	4

static atomic64_t *mapped_position(const struct ipcshim_mapped *mapped, int side)
{
	return (atomic64_t *)&mapped->sides[side].index->position;
}

/* [H2] and [T2]: what lies before a position is seen by who sees that. */
static u64 mapped_load(const struct ipcshim_mapped *mapped, int side)
{
	return atomic64_read_acquire(mapped_position(mapped, side));
}

/* 0, or -EPROTO: no honest pair of sides gets there. */
static int view_check(const struct ipcshim_mapped *mapped,
		      struct ipcshim_mapped_view *view)
{
	u64 used = view->head - view->tail;

	view->used = min_t(u64, used, mapped->area);
	if (used > mapped->area)
		return -EPROTO;
	if (mapped->messages && !IS_ALIGNED(view->head | view->tail, 8))
		return -EPROTO;
	return 0;
}

int ipcshim_mapped_view(const struct ipcshim_mapped *mapped,
			struct ipcshim_mapped_view *view)
{
	view->tail = mapped_load(mapped, IPCSHIM_RECEIVER);
	view->head = mapped_load(mapped, IPCSHIM_SENDER);
	return view_check(mapped, view);
}

/* By anybody, while both may move: two positions that were there at once. */
static int mapped_look(const struct ipcshim_mapped *mapped,
		       struct ipcshim_mapped_view *view)
{
	unsigned int looks = LOOKS;
	int err;

	for (;;) {
		err = ipcshim_mapped_view(mapped, view);
		if (!err)
			return 0;
		if (mapped_load(mapped, IPCSHIM_RECEIVER) == view->tail)
			return err;
		/* It runs and runs: that it is broken is for its user to find. */
		if (!--looks)
			return 0;
	}
}

int ipcshim_mapped_used(const struct ipcshim_mapped *mapped)
{
	struct ipcshim_mapped_view view;

	return mapped_look(mapped, &view) ?: view.used;
}

u32 ipcshim_mapped_room(const struct ipcshim_mapped *mapped, u32 capacity)
{
	int used = ipcshim_mapped_used(mapped);
	u32 room = used < 0 ? 0 : mapped->area - used;

	if (mapped->messages)
		room -= min_t(u32, room, sizeof(struct ipcshim_record));
	return min(room, capacity);
}

u32 ipcshim_mapped_messages(const struct ipcshim_mapped *mapped)
{
	u64 in = READ_ONCE(mapped->sides[IPCSHIM_SENDER].index->messages);
	u64 out = READ_ONCE(mapped->sides[IPCSHIM_RECEIVER].index->messages);

	if (!mapped->messages)
		return 0;
	/* No record is smaller than one of a single byte. */
	return min_t(u64, in - out, mapped->area / ipcshim_record_bytes(1));
}

u32 ipcshim_mapped_offset(const struct ipcshim_mapped *mapped, u64 position)
{
	u32 offset;

	div_u64_rem(position, mapped->area, &offset);
	return offset;
}

int ipcshim_mapped_record(const struct ipcshim_mapped *mapped,
			  const struct ipcshim_mapped_view *view, u32 *length)
{
	const struct ipcshim_record *record;

	if (view->used < sizeof(*record))
		return -EPROTO;
	record = (const void *)(mapped->data +
				ipcshim_mapped_offset(mapped, view->tail));
	*length = READ_ONCE(record->length);
	if (!*length || *length > IPCSHIM_MESSAGE_MAX ||
	    READ_ONCE(record->reserved))
		return -EPROTO;
	return ipcshim_record_bytes(*length) > view->used ? -EPROTO : 0;
}

u32 ipcshim_mapped_next_length(const struct ipcshim_mapped *mapped)
{
	struct ipcshim_mapped_view view;
	u32 length;

	if (mapped_look(mapped, &view) ||
	    ipcshim_mapped_record(mapped, &view, &length))
		return 0;
	return length;
}

int ipcshim_mapped_publish(struct ipcshim_mapped *mapped, int side, u64 from,
			   u32 bytes, u32 messages)
{
	struct ipcshim_mapped_index *index = mapped->sides[side].index;

	if (mapped->messages)
		WRITE_ONCE(index->messages,
			   READ_ONCE(index->messages) + messages);
	if (atomic64_cmpxchg_release(mapped_position(mapped, side), from,
				     from + bytes) != from)
		return -EPROTO;	/* moved by somebody else at the same time */
	return 0;
}

/* Put a piece, or one message, for which there is room. */
static int mapped_put(struct ipcshim_mapped *mapped,
		      const struct ipcshim_mapped_view *view,
		      struct iov_iter *from, u32 size)
{
	u8 *to = mapped->data + ipcshim_mapped_offset(mapped, view->head);
	u32 bytes = size;
	size_t copied;

	if (mapped->messages) {
		*(struct ipcshim_record *)to = (struct ipcshim_record) {
			.length = size,
		};
		to += sizeof(struct ipcshim_record);
		bytes = ipcshim_record_bytes(size);
	}
	copied = ipcshim_copy_from_iter(to, size, from);
	if (copied != size) {
		iov_iter_revert(from, copied);
		return -EFAULT;
	}
	return ipcshim_mapped_publish(mapped, IPCSHIM_SENDER, view->head,
				      bytes, 1);
}

/* Take a piece, or the next message, which is there. */
static int mapped_get(struct ipcshim_mapped *mapped,
		      const struct ipcshim_mapped_view *view,
		      struct iov_iter *to, u32 size)
{
	u8 *from = mapped->data + ipcshim_mapped_offset(mapped, view->tail);
	u32 bytes = size;
	size_t copied;

	if (mapped->messages) {
		from += sizeof(struct ipcshim_record);
		bytes = ipcshim_record_bytes(size);
	}
	copied = ipcshim_copy_to_iter(from, size, to);
	if (copied != size) {
		iov_iter_revert(to, copied);
		return -EFAULT;
	}
	return ipcshim_mapped_publish(mapped, IPCSHIM_RECEIVER, view->tail,
				      bytes, 1);
}

int ipcshim_mapped_write(struct ipcshim_pipe *pipe, struct iov_iter *from,
			 struct ipcshim_transfer *transfer)
{
	struct ipcshim_end *sender = &pipe->ends[IPCSHIM_SENDER];
	struct ipcshim_mapped *mapped = pipe->mapped;
	size_t size = iov_iter_count(from), left = size;
	struct ipcshim_mapped_view view;
	u32 need, room, piece;
	int err;

	lockdep_assert_held(&sender->turn);
	while (left) {
		if (ipcshim_pipe_stopped_writing(pipe)) {
			transfer->cause = IPCSHIM_CAUSE_CLOSED;
			return -EPIPE;
		}
		if (ipcshim_mapped_elsewhere(mapped, IPCSHIM_SENDER))
			return -EBUSY;
		err = ipcshim_mapped_view(mapped, &view);
		if (err)
			return err;
		need = mapped->messages ? ipcshim_record_bytes(size) :
		       ipcshim_write_need(pipe, size, left, transfer);
		room = mapped->area - view.used;
		if (room < need) {
			if (transfer->partial && transfer->moved)
				break;
			err = ipcshim_transfer_wait(sender, need, room, transfer);
			if (err)
				return err;
			continue;
		}
		piece = min_t(size_t, left, room);
		err = mapped_put(mapped, &view, from, piece);
		if (err)
			return err;
		transfer->moved += piece;
		left -= piece;
		ipcshim_end_notify(&pipe->ends[IPCSHIM_RECEIVER]);
	}
	return 0;
}

/* How many bytes the next piece has; a message that is too long stays. */
static int mapped_piece(const struct ipcshim_mapped *mapped,
			const struct ipcshim_mapped_view *view, size_t left,
			u32 *piece, struct ipcshim_transfer *transfer)
{
	int err;

	*piece = min_t(size_t, left, view->used);
	if (!mapped->messages)
		return 0;
	err = ipcshim_mapped_record(mapped, view, piece);
	if (!err && *piece > left) {
		transfer->cause = IPCSHIM_CAUSE_TOO_LONG;
		err = -EMSGSIZE;
	}
	return err;
}

int ipcshim_mapped_read(struct ipcshim_pipe *pipe, struct iov_iter *to,
			struct ipcshim_transfer *transfer)
{
	struct ipcshim_end *receiver = &pipe->ends[IPCSHIM_RECEIVER];
	struct ipcshim_mapped *mapped = pipe->mapped;
	size_t size = iov_iter_count(to), left = size;
	struct ipcshim_mapped_view view;
	u32 need, piece;
	bool ends;
	int err;

	lockdep_assert_held(&receiver->turn);
	while (left) {
		/* In this order: what was written before the end is seen. */
		ends = ipcshim_pipe_stopped_writing(pipe);
		if (ipcshim_mapped_elsewhere(mapped, IPCSHIM_RECEIVER))
			return -EBUSY;
		err = ipcshim_mapped_view(mapped, &view);
		if (ipcshim_pipe_stopped_reading(pipe) ||
		    (!err && ends && !view.used)) {
			transfer->cause = IPCSHIM_CAUSE_CLOSED;
			return 0;
		}
		if (err)
			return err;
		need = ipcshim_read_need(pipe, size, left, transfer);
		if (view.used < need && !ends) {
			if (transfer->partial && transfer->moved)
				break;
			err = ipcshim_transfer_wait(receiver, need, view.used,
						    transfer);
			if (err)
				return err;
			continue;
		}
		err = mapped_piece(mapped, &view, left, &piece, transfer);
		if (!err)
			err = mapped_get(mapped, &view, to, piece);
		if (err)
			return err;
		transfer->moved += piece;
		left -= piece;
		ipcshim_end_notify(&pipe->ends[IPCSHIM_SENDER]);
		if (mapped->messages || transfer->partial)
			break;
	}
	return 0;
}

bool ipcshim_mapped_can_go_on(struct ipcshim_end *end, u32 need)
{
	struct ipcshim_mapped *mapped = ipcshim_pipe_of(end)->mapped;
	struct ipcshim_mapped_view view;

	/* What is wrong is found, and told, by who waits. */
	if (ipcshim_mapped_view(mapped, &view) ||
	    ipcshim_mapped_elsewhere(mapped, end->side))
		return true;
	if (end->side == IPCSHIM_SENDER)
		return mapped->area - view.used >= need;
	return view.used >= need;
}

/* The smaller of what is waited for, to the other side. */
static void mapped_tell(struct ipcshim_end *end)
{
	struct ipcshim_mapped *mapped = ipcshim_pipe_of(end)->mapped;
	struct ipcshim_mapped_side *mine = &mapped->sides[end->side];

	lockdep_assert_held(&mapped->lock);
	WRITE_ONCE(mine->index->wake,
		   min_not_zero(READ_ONCE(end->need), mine->armed));
}

void ipcshim_mapped_tell_need(struct ipcshim_end *end)
{
	struct ipcshim_mapped *mapped = ipcshim_pipe_of(end)->mapped;

	spin_lock(&mapped->lock);
	mapped_tell(end);
	spin_unlock(&mapped->lock);
}

void ipcshim_mapped_arm(struct ipcshim_end *end, u32 need)
{
	struct ipcshim_mapped *mapped = ipcshim_pipe_of(end)->mapped;
	struct ipcshim_mapped_side *mine = &mapped->sides[end->side];

	spin_lock(&mapped->lock);
	mine->armed = min_not_zero(mine->armed, need);
	mapped_tell(end);
	spin_unlock(&mapped->lock);
}

/*
 * Those who wait are woken now, and tell again what they need if that was not
 * enough; until then nobody need wake them once more.  Who has O_ASYNC does not
 * tell again.
 */
static void mapped_disarm(struct ipcshim_end *end)
{
	struct ipcshim_mapped *mapped = ipcshim_pipe_of(end)->mapped;
	struct ipcshim_mapped_side *mine = &mapped->sides[end->side];
	u32 need;

	spin_lock(&mapped->lock);
	mine->armed = READ_ONCE(end->fasync) ? 1 : 0;
	need = READ_ONCE(end->need);
	if (need && ipcshim_mapped_can_go_on(end, need))
		WRITE_ONCE(mine->index->wake, mine->armed);
	else
		mapped_tell(end);
	spin_unlock(&mapped->lock);
}

__poll_t ipcshim_mapped_poll(struct ipcshim_end *end, u32 want)
{
	struct ipcshim_pipe *pipe = ipcshim_pipe_of(end);
	struct ipcshim_mapped *mapped = pipe->mapped;
	bool sender = end->side == IPCSHIM_SENDER, closed;
	struct ipcshim_mapped_view view;
	__poll_t mask = 0;
	u32 bytes;

	/* A message needs its record, or who was refused would look for ever. */
	if (mapped->messages)
		want = ipcshim_record_bytes(want);
	bytes = sender ? min(want, mapped->area) : 1;
	ipcshim_mapped_arm(end, bytes);
	/* [S1], pairs with [S2] in user space, and in ipcshim_end_notify(). */
	smp_mb();
	/* What is there is the holder's, until that lets go. */
	if (ipcshim_turn_poll(&end->turn))
		return 0;
	closed = ipcshim_pipe_stopped_writing(pipe);
	if (mapped_look(mapped, &view))
		mask |= EPOLLERR;
	if (sender) {
		if (closed)
			return EPOLLOUT | EPOLLWRNORM | EPOLLERR;
		if (mapped->area - view.used >= bytes)
			mask |= EPOLLOUT | EPOLLWRNORM;
		return mask;
	}
	if (closed)
		mask |= EPOLLHUP | EPOLLRDHUP;
	if (!ipcshim_pipe_stopped_reading(pipe) && view.used)
		mask |= EPOLLIN | EPOLLRDNORM;
	return mask;
}

void ipcshim_mapped_close(struct ipcshim_mapped *mapped, int side, u16 how)
{
	/* After the driver's own word for it, which a reader loads first. */
	smp_store_release(&mapped->sides[side].index->closed, how);
}

/* In the turn. */
static int mapped_wait_locked(struct ipcshim_end *end, u32 need, bool wait,
			      u64 deadline)
{
	struct ipcshim_mapped *mapped = ipcshim_pipe_of(end)->mapped;
	struct ipcshim_mapped_view view;
	int err;

	lockdep_assert_held(&end->turn);
	if (!ipcshim_end_can_go_on(end, need)) {
		if (!wait)
			return -EAGAIN;
		err = ipcshim_end_wait(end, need, deadline);
		if (err)
			return err;
	}
	if (ipcshim_mapped_elsewhere(mapped, end->side))
		return -EBUSY;
	return ipcshim_mapped_view(mapped, &view);
}

int ipcshim_mapped_wait(struct ipcshim_end *end,
			struct ipcshim_pipe_wait __user *uarg, bool nowait)
{
	struct ipcshim_mapped *mapped = ipcshim_pipe_of(end)->mapped;
	struct ipcshim_pipe_wait arg;
	bool wait;
	int err;

	err = ipcshim_copy_in(&arg, uarg, sizeof(arg));
	if (err)
		return err;
	if (!mapped || arg.flags & ~IPCSHIM_WAIT_NOWAIT)
		return -EINVAL;
	if (!arg.need || arg.need > mapped->area ||
	    arg.deadline > IPCSHIM_DEADLINE_MAX ||
	    (arg.flags & IPCSHIM_WAIT_NOWAIT && arg.deadline))
		return -EINVAL;
	if (ipcshim_mapped_elsewhere(mapped, end->side))
		return -EBUSY;
	nowait &= !(arg.flags & IPCSHIM_WAIT_NOWAIT);
	wait = !nowait && !(arg.flags & IPCSHIM_WAIT_NOWAIT);
	err = ipcshim_turn_take(&end->turn, wait, arg.deadline);
	if (!err) {
		err = mapped_wait_locked(end, arg.need, wait, arg.deadline);
		ipcshim_end_release(end);
	}
	return nowait && err == -EAGAIN ? -IPCSHIM_EWAITS : err;
}

int ipcshim_mapped_wake(struct ipcshim_end *end,
			struct ipcshim_pipe_wake __user *uarg)
{
	struct ipcshim_pipe *pipe = ipcshim_pipe_of(end);
	struct ipcshim_end *peer = ipcshim_end_peer(end);
	struct ipcshim_pipe_wake arg;
	int err;

	err = ipcshim_copy_in(&arg, uarg, sizeof(arg));
	if (err)
		return err;
	if (!pipe->mapped || arg.flags || arg.reserved)
		return -EINVAL;
	if (ipcshim_mapped_elsewhere(pipe->mapped, end->side))
		return -EBUSY;
	trace_ipcshim_wake(end);
	mapped_disarm(peer);
	ipcshim_end_notify(peer);
	return 0;
}
