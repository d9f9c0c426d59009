// SPDX-License-Identifier: GPL-2.0-only
/*
 * Many messages in one call, under one turn.  They are put in, or taken out, at a
 * cursor, and then move all at once: when the batch ends, before it waits, and
 * where much has come together.  So the other side is told once.
 */
#include <linux/sched.h>
#include <linux/uaccess.h>

#include "pipe.h"
#include "pipe_io.h"
#include "uring.h"

/* Entries are copied in so many at a time. */
#define BATCH_CHUNK	32

struct batch {
	struct ipcshim_end *end;
	struct ipcshim_batch_entry __user *entries;
	u32 count;
	u32 mode;
	bool nowait;		/* -IPCSHIM_EWAITS, and nothing moved, instead of waiting */
	u32 done;		/* messages that are behind the cursor */
	u32 moved;		/* messages that moved */
	struct ipcshim_transfer transfer;
	struct ipcshim_ring_cursor cursor;
	struct ipcshim_batch_entry chunk[BATCH_CHUNK];
};

static struct ipcshim_ring *batch_ring(const struct batch *batch)
{
	return &ipcshim_pipe_of(batch->end)->ring;
}

static struct ipcshim_mapped *batch_mapped(const struct batch *batch)
{
	return ipcshim_pipe_of(batch->end)->mapped;
}

/* What a message of that size takes. */
static u32 batch_bytes(const struct batch *batch, u32 size)
{
	return batch_mapped(batch) && size ? ipcshim_record_bytes(size) : size;
}

/* What there is for all of them. */
static u32 batch_capacity(const struct batch *batch)
{
	return batch_mapped(batch) ? batch_mapped(batch)->area :
				     batch_ring(batch)->size;
}

/* All of it must go now, or none. */
static bool batch_at_once(const struct batch *batch)
{
	return batch->nowait || batch->mode == IPCSHIM_IO_FAIL;
}

static u32 batch_chunk_size(const struct batch *batch, u32 i)
{
	return min_t(u32, batch->count - i, BATCH_CHUNK);
}

/* Copy the entries from "i" on in, a chunk of them. */
static int batch_copy_chunk(struct batch *batch, u32 i)
{
	size_t size = batch_chunk_size(batch, i) * sizeof(batch->chunk[0]);

	return ipcshim_copy_from_user(batch->chunk, batch->entries + i, size) ?
	       -EFAULT : 0;
}

/* Entry "i", for those who walk through all of them. */
static const struct ipcshim_batch_entry *batch_entry(struct batch *batch, u32 i)
{
	if (i % BATCH_CHUNK == 0 && batch_copy_chunk(batch, i))
		return ERR_PTR(-EFAULT);
	return &batch->chunk[i % BATCH_CHUNK];
}

static int batch_commit(struct batch *batch)
{
	struct ipcshim_ring *ring = batch_ring(batch);
	int side = batch->end->side;

	if (unlikely(batch_mapped(batch)))
		return ipcshim_mapped_commit(batch_mapped(batch), side,
					     &batch->cursor);
	return side == IPCSHIM_SENDER ?
	       ipcshim_ring_put_commit(ring, &batch->cursor) :
	       ipcshim_ring_get_commit(ring, &batch->cursor);
}

/* What is behind the cursor moves, and the other side is told. */
static int batch_flush(struct batch *batch)
{
	int err;

	if (batch->cursor.pos != batch->cursor.from) {
		err = batch_commit(batch);
		if (err == -EPIPE)
			batch->transfer.cause = IPCSHIM_CAUSE_CLOSED;
		if (err)
			return err;
		ipcshim_end_notify(ipcshim_end_peer(batch->end));
	}
	batch->moved = batch->done;
	return 0;
}

/* So much that the other side may begin with it?  Others run, too. */
static int batch_pause(struct batch *batch)
{
	u32 bytes = ipcshim_pos_bytes(batch->cursor.from, batch->cursor.pos);

	cond_resched();
	if (batch_at_once(batch) || bytes < batch_ring(batch)->size / 4)
		return 0;
	return batch_flush(batch);
}

/* Wait for "need" bytes, if it may; what is done moves before. */
static int batch_wait(struct batch *batch, u32 need, u32 there)
{
	int err;

	if (batch->nowait)
		return -IPCSHIM_EWAITS;
	if (batch->mode != IPCSHIM_IO_FAIL) {
		err = batch_flush(batch);
		if (err)
			return err;
	}
	return ipcshim_transfer_wait(batch->end, need, there, &batch->transfer);
}

static u32 batch_room(const struct batch *batch)
{
	return batch_capacity(batch) -
	       ipcshim_pos_bytes(batch->cursor.limit, batch->cursor.pos);
}

/* It failed for want of room at entry "i".  Would it ever have fitted? */
static int batch_never_fits(struct batch *batch, u32 i)
{
	const struct ipcshim_batch_entry *entry = &batch->chunk[i % BATCH_CHUNK];
	u32 bytes = ipcshim_pos_bytes(batch->cursor.from, batch->cursor.pos);

	for (;;) {
		if (entry->size > IPCSHIM_MESSAGE_MAX) {
			batch->transfer.cause = IPCSHIM_CAUSE_TOO_LONG;
			return -EMSGSIZE;
		}
		bytes += batch_bytes(batch, entry->size);
		if (++i == batch->count)
			break;
		entry = batch_entry(batch, i);
		if (IS_ERR(entry))
			return PTR_ERR(entry);
	}
	if (bytes <= batch_capacity(batch))
		return -EAGAIN;
	batch->transfer.cause = IPCSHIM_CAUSE_NONE;
	batch->transfer.lacks = 0;
	return -EINVAL;
}

static int batch_closed(struct batch *batch)
{
	batch->transfer.cause = IPCSHIM_CAUSE_CLOSED;
	return -EPIPE;
}

/* How far has the other side come? */
static int batch_look_again(struct batch *batch)
{
	struct ipcshim_mapped *mapped = batch_mapped(batch);
	struct ipcshim_ring *ring = batch_ring(batch);
	int side = batch->end->side;

	if (unlikely(mapped)) {
		if (ipcshim_mapped_elsewhere(mapped, side))
			return -EBUSY;
		return ipcshim_mapped_look_again(mapped, side, &batch->cursor);
	}
	if (side == IPCSHIM_SENDER)
		batch->cursor.limit = ipcshim_ring_tail(ring);
	else if (batch->cursor.pos != batch->cursor.from)
		batch->cursor.limit = ipcshim_ring_head(ring);
	else	/* the very first message brings the block of its length along */
		ipcshim_ring_get_begin(ring, &batch->cursor);
	return 0;
}

/* There was no room for entry "i": look again, and wait. */
static noinline int batch_want_room(struct batch *batch, u32 i, u32 size)
{
	u32 need = batch_bytes(batch, size);
	int err;

	for (;;) {
		if (ipcshim_pipe_stopped_writing(ipcshim_pipe_of(batch->end)))
			return batch_closed(batch);
		err = batch_look_again(batch);
		if (err)
			return err;
		if (batch_room(batch) >= need)
			return 0;
		err = batch_wait(batch, need, batch_room(batch));
		if (err == -EAGAIN && batch->mode == IPCSHIM_IO_FAIL)
			return batch_never_fits(batch, i);
		if (err)
			return err;
	}
}

/* There was no message: look again, and wait.  -EPIPE: there will be none. */
static noinline int batch_want_message(struct batch *batch)
{
	struct ipcshim_pipe *pipe = ipcshim_pipe_of(batch->end);
	bool ends;
	int err;

	for (;;) {
		/* In this order: what was written before the end is seen. */
		ends = ipcshim_pipe_stopped_writing(pipe);
		err = batch_look_again(batch);
		if (ipcshim_pipe_stopped_reading(pipe))
			return batch_closed(batch);
		if (err)
			return err;
		if ((batch->cursor.pos ^ batch->cursor.limit) &
		    ~IPCSHIM_POS_CLOSED)
			return 0;
		if (ends)
			return batch_closed(batch);
		err = batch_wait(batch, 1, 0);
		if (err)
			return err;
	}
}

/* As many of the messages of a chunk as there is room for, or are there. */
static u32 batch_run(struct batch *batch, struct ipcshim_batch_entry *entries,
		     u32 nr, int *why)
{
	bool writes = batch->end->side == IPCSHIM_SENDER;
	struct ipcshim_mapped *mapped = batch_mapped(batch);
	struct ipcshim_ring *ring = batch_ring(batch);

	if (unlikely(mapped))
		return writes ?
		       ipcshim_mapped_put_run(mapped, &batch->cursor, entries,
					      nr, why) :
		       ipcshim_mapped_get_run(mapped, &batch->cursor, entries,
					      nr, why);
	return writes ?
	       ipcshim_ring_put_run(ring, &batch->cursor, entries, nr, why) :
	       ipcshim_ring_get_run(ring, &batch->cursor, entries, nr, why);
}

/* The chunk that is copied in, whose first entry is "i". */
static int batch_move_chunk(struct batch *batch, u32 i)
{
	struct ipcshim_batch_entry *entry = batch->chunk;
	bool writes = batch->end->side == IPCSHIM_SENDER;
	u32 left = batch_chunk_size(batch, i), nr;
	struct ipcshim_ring_cursor before;
	int err, why;

	for (;;) {
		before = batch->cursor;
		nr = batch_run(batch, entry, left, &why);
		/* Before they move: the inputs are what was found there. */
		if (nr && ipcshim_copy_to_user(batch->entries + i, entry,
					       nr * sizeof(*entry))) {
			batch->cursor = before;
			return -EFAULT;
		}
		batch->done += nr;
		i += nr;
		entry += nr;
		left -= nr;
		if (likely(!why))
			return 0;
		if (why == -EMSGSIZE)
			batch->transfer.cause = IPCSHIM_CAUSE_TOO_LONG;
		if (why != -ENOBUFS)
			return why;
		err = writes ? batch_want_room(batch, i, entry->size) :
			       batch_want_message(batch);
		if (err)
			return err;
	}
}

static int batch_begin(struct batch *batch)
{
	struct ipcshim_pipe *pipe = ipcshim_pipe_of(batch->end);
	bool writes = batch->end->side == IPCSHIM_SENDER;
	int err;

	if (writes ? ipcshim_pipe_stopped_writing(pipe) :
		     ipcshim_pipe_stopped_reading(pipe))
		return batch_closed(batch);
	if (unlikely(pipe->mapped))
		return ipcshim_mapped_elsewhere(pipe->mapped, batch->end->side) ?
		       -EBUSY :
		       ipcshim_mapped_begin(pipe->mapped, batch->end->side,
					    &batch->cursor);
	if (!writes) {
		ipcshim_ring_get_begin(&pipe->ring, &batch->cursor);
		return 0;
	}
	err = ipcshim_ring_prepare(&pipe->ring);
	if (!err)
		ipcshim_ring_put_begin(&pipe->ring, &batch->cursor);
	return err;
}

/* Bring all of it behind the cursor. */
static int batch_all(struct batch *batch)
{
	int err;
	u32 i;

	err = batch_begin(batch);
	for (i = 0; !err && i < batch->count; i += BATCH_CHUNK) {
		if (i)
			err = batch_pause(batch);
		if (!err)
			err = batch_copy_chunk(batch, i);
		if (!err)
			err = batch_move_chunk(batch, i);
	}
	return err;
}

/* In the turn: move what can move, and what is behind the cursor if it may. */
static int batch_locked(struct batch *batch)
{
	bool writes = batch->end->side == IPCSHIM_SENDER;
	int err, err_flush;

	lockdep_assert_held(&batch->end->turn);
	err = batch_all(batch);
	/* None of it, rather than a part; but a read may end short. */
	if (err && (err == -IPCSHIM_EWAITS ||
		    (batch->mode == IPCSHIM_IO_FAIL &&
		     (writes || err != -EPIPE))))
		return err;
	err_flush = batch_flush(batch);
	return err_flush ?: err;
}

static int batch_move(struct batch *batch)
{
	struct ipcshim_transfer *transfer = &batch->transfer;
	struct ipcshim_end *end = batch->end;
	int err;

	err = ipcshim_turn_take(&end->turn, transfer->wait, transfer->deadline);
	if (err) {
		if (err == -EAGAIN && batch->nowait)
			return -IPCSHIM_EWAITS;
		return ipcshim_transfer_refused(end, err, transfer);
	}
	err = batch_locked(batch);
	ipcshim_end_release(end);
	if (err == -EFAULT)
		transfer->cause = IPCSHIM_CAUSE_FAULT;
	/* The end of a stream is no error. */
	if (err == -EPIPE && end->side == IPCSHIM_RECEIVER)
		return 0;
	/* Nor is what cuts a batch short, but for the deadline. */
	return batch->moved && err != -ETIMEDOUT ? 0 : err;
}

/* The part of struct ipcshim_pipe_batch that is written back. */
struct batch_answer {
	u32 flags;		/* as they were */
	u32 moved;
	u64 remains;
	u64 lacks;
	u32 cause;
	u32 pid;
};

static int batch_check(const struct ipcshim_pipe_batch *arg,
		       const struct ipcshim_pipe *pipe)
{
	if (arg->flags || arg->reserved ||
	    !ipcshim_io_mode_is_valid(arg->mode, arg->deadline))
		return -EINVAL;
	if (!pipe->ring.messages || arg->count > IPCSHIM_BATCH_MAX)
		return -EINVAL;
	return 0;
}

int ipcshim_end_batch(struct ipcshim_end *end,
		      struct ipcshim_pipe_batch __user *uarg, bool nowait)
{
	/* Overwritten before they are read: zeroing them costs as much again. */
	struct ipcshim_pipe_batch arg __attribute__((__uninitialized__));
	struct batch batch __attribute__((__uninitialized__));
	struct ipcshim_pipe *pipe = ipcshim_pipe_of(end);
	struct batch_answer answer;
	int err;

	BUILD_BUG_ON(sizeof(struct ipcshim_pipe_batch) != 64);
	BUILD_BUG_ON(offsetof(struct ipcshim_pipe_batch, pid) + sizeof(arg.pid) -
		     offsetof(struct ipcshim_pipe_batch, flags) != sizeof(answer));

	if (ipcshim_copy_in(&arg, uarg, sizeof(arg)))
		return -EFAULT;
	err = batch_check(&arg, pipe);
	if (err)
		return err;
	/* Once something has moved it is too late to find no place for that. */
	if (put_user(0, &uarg->moved) || put_user(0, &uarg->pid))
		return -EFAULT;

	batch.end = end;
	batch.entries = u64_to_user_ptr(arg.entries);
	batch.count = arg.count;
	batch.mode = arg.mode;
	batch.nowait = nowait && arg.mode == IPCSHIM_IO_ALL;
	batch.done = 0;
	batch.moved = 0;
	batch.transfer = (struct ipcshim_transfer) {
		.wait = !nowait && arg.mode == IPCSHIM_IO_ALL,
		.deadline = arg.deadline,
	};
	batch.cursor = (struct ipcshim_ring_cursor) {};
	err = arg.count ? batch_move(&batch) : 0;
	if (err == -IPCSHIM_EWAITS)
		return err;

	answer = (struct batch_answer) {
		.moved = batch.moved,
		.remains = ipcshim_end_remains(end),
		.lacks = batch.transfer.lacks,
		.cause = batch.transfer.cause,
		.pid = batch.transfer.pid,
	};
	return ipcshim_copy_out(&uarg->flags, &answer, sizeof(answer)) ?: err;
}
