/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * DOC: the ring of a pipe
 *
 * Bytes go round in "data"; the lengths of messages, where there are any, in a
 * list of blocks beside it, so that the capacity counts payload alone.  There
 * is one producer (who holds the write turn) and one consumer (the read turn),
 * and the two meet without a lock in two words:
 *
 *   head   how much was ever put in; moved by the producer
 *   tail   how much was ever taken out; moved by the consumer
 *
 * A word tells bytes and messages at once, so any two of them tell exactly what
 * lies in between, and its top bit says that it will never move again:
 *
 *      63     62 ... 32     31 ... 0
 *   | closed | messages  |   bytes   |     both counts run free
 *
 * The interleaving
 * ----------------
 *   producer                              consumer
 *   copy bytes, store length              h = load_acquire(head)        [H2]
 *   cmpxchg_release(head, h, h')  [H1]    copy bytes up to h, load length
 *                                         cmpxchg_release(tail, t, t')  [T1]
 *   t = load_acquire(tail)        [T2]
 *   copy over what lies before t
 *
 * H1 -> H2: a consumer that sees h' sees the bytes and lengths before it.
 * T1 -> T2: a producer that sees t' writes after the consumer has read.
 * A stale value is always on the safe side: less data, or less room.
 *
 * Closing sets the top bits with a full barrier.  A cmpxchg that comes later
 * fails, so what a close has counted as unread is never read, and what was not
 * counted was never written:
 *
 *   fetch_or(tail, CLOSED) = t; fetch_or(head, CLOSED) = h; unread = h - t
 *
 * Not legal: the producer stores head without looking (a write after the close
 * would be neither read nor counted); the consumer loads head relaxed (it
 * may copy bytes from before the producer's stores).
 */
#ifndef _IPCSHIM_RING_H
#define _IPCSHIM_RING_H

#include <linux/atomic.h>
#include <linux/bits.h>
#include <linux/cache.h>
#include <linux/types.h>

struct iov_iter;
struct ipcshim_batch_entry;
struct ipcshim_lengths;

#define IPCSHIM_POS_CLOSED	BIT_ULL(63)

struct ipcshim_ring {
	u8 *data;			/* set once, before the first H1 */
	u32 size;			/* bytes; constant */
	bool messages;			/* constant */

	/* The producer's: write turn. */
	struct ipcshim_lengths *head_lengths;
	atomic64_t head;
	u32 head_offset;

	/* The consumer's: read turn.  Lengths are freed by RCU for peek. */
	u32 tail_offset;
	struct ipcshim_lengths __rcu *tail_lengths;
	atomic64_t tail;
};

static inline u32 ipcshim_pos_bytes(u64 from, u64 to)
{
	return (u32)to - (u32)from;
}

static inline u32 ipcshim_pos_messages(u64 from, u64 to)
{
	return ((to >> 32) - (from >> 32)) & GENMASK(30, 0);
}

static inline u64 ipcshim_pos_add(u64 pos, u32 bytes, u32 messages)
{
	u64 count = ((pos >> 32) + messages) & GENMASK(30, 0);

	return count << 32 | (u32)((u32)pos + bytes);
}

/* [H2] and [T2] of the drawing above. */
static inline u64 ipcshim_ring_head(const struct ipcshim_ring *ring)
{
	return atomic64_read_acquire(&ring->head);
}

static inline u64 ipcshim_ring_tail(const struct ipcshim_ring *ring)
{
	return atomic64_read_acquire(&ring->tail);
}

void ipcshim_ring_init(struct ipcshim_ring *ring, u32 size, bool messages);
void ipcshim_ring_destroy(struct ipcshim_ring *ring);

int ipcshim_ring_allocate(struct ipcshim_ring *ring);

/* Write turn.  Make sure that the memory is there: -ENOMEM. */
static inline int ipcshim_ring_prepare(struct ipcshim_ring *ring)
{
	return ring->data && !ring->messages ? 0 : ipcshim_ring_allocate(ring);
}

/*
 * Write turn.  Put "size" bytes (there is room), one message where there are
 * messages.  -EFAULT: nothing moved, the iterator stands where it stood.
 * -EPIPE: closed.
 */
int ipcshim_ring_put(struct ipcshim_ring *ring, struct iov_iter *from, u32 size);
/*
 * Read turn.  Take "size" bytes (they are there), one message where there are
 * messages.  -EFAULT as above.  -EPIPE: closed for reading in the meantime.
 */
int ipcshim_ring_get(struct ipcshim_ring *ring, struct iov_iter *to, u32 size);

/*
 * Between memory of a ring and an iterator, letting others run now and then:
 * bytes copied.
 */
size_t ipcshim_copy_from_iter(void *data, size_t size, struct iov_iter *from);
size_t ipcshim_copy_to_iter(void *data, size_t size, struct iov_iter *to);

/*
 * A batch: message after message at a cursor, straight from or to user memory, and
 * then the index moves over all of them at once.  What was not committed has not
 * moved, and its cursor is just forgotten.
 */
struct ipcshim_ring_cursor {
	u64 from;			/* the index of this side, as it was */
	u64 pos;			/* and as it will be */
	u64 limit;			/* the other side's index */
	u32 offset;
	u32 messages;			/* of a mapped pipe: behind the cursor */
	struct ipcshim_lengths *lengths;
};

/*
 * Write turn, after ipcshim_ring_prepare().  A run puts the messages of entries
 * at the cursor and sets their "moved".  How many, and in "why" what the next one
 * met: 0: there is no next, -ENOBUFS: no room, -EMSGSIZE, -EFAULT, -ENOMEM.
 */
void ipcshim_ring_put_begin(struct ipcshim_ring *ring,
			    struct ipcshim_ring_cursor *cursor);
u32 ipcshim_ring_put_run(struct ipcshim_ring *ring,
			 struct ipcshim_ring_cursor *cursor,
			 struct ipcshim_batch_entry *entries, u32 nr, int *why);
/* -EPIPE: closed, and nothing moved. */
int ipcshim_ring_put_commit(struct ipcshim_ring *ring,
			    struct ipcshim_ring_cursor *cursor);

/* Read turn, likewise.  -ENOBUFS: no message, -EMSGSIZE: more than fits. */
void ipcshim_ring_get_begin(struct ipcshim_ring *ring,
			    struct ipcshim_ring_cursor *cursor);
u32 ipcshim_ring_get_run(struct ipcshim_ring *ring,
			 struct ipcshim_ring_cursor *cursor,
			 struct ipcshim_batch_entry *entries, u32 nr, int *why);
int ipcshim_ring_get_commit(struct ipcshim_ring *ring,
			    struct ipcshim_ring_cursor *cursor);

/* The length of the next message, 0 if there is none.  Anybody. */
u32 ipcshim_ring_peek(struct ipcshim_ring *ring);

#endif /* _IPCSHIM_RING_H */
