/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The straight path through a ring, inline: one copy between it and user memory,
 * or nothing.  For pipe_now.c; ring.c has all the rest.
 */
#ifndef _IPCSHIM_RING_NOW_H
#define _IPCSHIM_RING_NOW_H

#include <linux/minmax.h>
#include <linux/rcupdate.h>
#include <linux/uaccess.h>

#include "ring.h"

/* So much fits a slab object of 512 bytes. */
#define IPCSHIM_LENGTHS_IN_BLOCK	240

/* Lengths less one of consecutive messages, in the order of their numbers. */
struct ipcshim_lengths {
	struct rcu_head rcu;
	struct ipcshim_lengths *next;	/* set before the first H1 beyond */
	u32 first;			/* number of the first message */
	u16 length[IPCSHIM_LENGTHS_IN_BLOCK];
};

/* Where message "pos" lies in a block; beyond its end: in a later one. */
static inline u32 ipcshim_lengths_index(const struct ipcshim_lengths *lengths,
					u64 pos)
{
	return ((pos >> 32) - lengths->first) & GENMASK(30, 0);
}

/*
 * Write turn.  Put all of "size" bytes, one message where there are messages.
 * False: there is no room, no memory yet, a fault, or it is closed.
 */
static __always_inline bool
ipcshim_ring_put_now(struct ipcshim_ring *ring, const void __user *from,
		     u32 size)
{
	u64 head = atomic64_read(&ring->head);
	u32 offset = ring->head_offset;
	u32 first = ring->size - offset;
	bool messages = ring->messages;
	struct ipcshim_lengths *lengths;
	u32 index;

	if (unlikely(!ring->data || head & IPCSHIM_POS_CLOSED))
		return false;
	if (unlikely(ring->size - ipcshim_pos_bytes(ipcshim_ring_tail(ring),
						    head) < size))
		return false;
	if (messages) {
		lengths = ring->head_lengths;
		if (unlikely(!lengths))
			return false;
		index = ipcshim_lengths_index(lengths, head);
		if (unlikely(index >= IPCSHIM_LENGTHS_IN_BLOCK))
			return false;
		lengths->length[index] = size - 1;
	}
	if (likely(size < first)) {
		if (ipcshim_copy_from_user(ring->data + offset, from, size))
			return false;
		offset += size;
	} else {
		if (ipcshim_copy_from_user(ring->data + offset, from, first) ||
		    ipcshim_copy_from_user(ring->data, from + first,
					   size - first))
			return false;
		offset = size - first;
	}
	/* [H1], pairs with ipcshim_ring_head(). */
	if (unlikely(atomic64_cmpxchg_release(&ring->head, head,
					      ipcshim_pos_add(head, size,
							      messages)) !=
		     head))
		return false;
	ring->head_offset = offset;
	return true;
}

/*
 * Read turn.  Take as many of "size" bytes as are there, but at least "need" and
 * at most "max"; the next message, whole, where there are messages.  0: that
 * can't be done, a fault, or it is closed for reading.
 */
static __always_inline u32
ipcshim_ring_get_now(struct ipcshim_ring *ring, void __user *to, size_t size,
		     size_t need, u32 max)
{
	u64 tail = atomic64_read(&ring->tail);
	u32 used = ipcshim_pos_bytes(tail, ipcshim_ring_head(ring));
	u32 offset = ring->tail_offset;
	u32 first = ring->size - offset;
	bool messages = ring->messages;
	struct ipcshim_lengths *lengths;
	u32 index;

	if (unlikely(!used || tail & IPCSHIM_POS_CLOSED))
		return 0;
	if (messages) {
		/* The read turn is ours: nobody else moves it. */
		lengths = rcu_dereference_protected(ring->tail_lengths, true);
		index = ipcshim_lengths_index(lengths, tail);
		if (unlikely(index >= IPCSHIM_LENGTHS_IN_BLOCK))
			return 0;
		used = lengths->length[index] + 1;
		if (unlikely(used > size))
			return 0;
	} else {
		if (unlikely(used < need))
			return 0;
		used = min_t(size_t, used, size);
		if (unlikely(used > max))
			return 0;
	}
	if (likely(used < first)) {
		if (ipcshim_copy_to_user(to, ring->data + offset, used))
			return 0;
		offset += used;
	} else {
		if (ipcshim_copy_to_user(to, ring->data + offset, first) ||
		    ipcshim_copy_to_user(to + first, ring->data, used - first))
			return 0;
		offset = used - first;
	}
	/* [T1], pairs with ipcshim_ring_tail(). */
	if (unlikely(atomic64_cmpxchg_release(&ring->tail, tail,
					      ipcshim_pos_add(tail, used,
							      messages)) !=
		     tail))
		return 0;
	ring->tail_offset = offset;
	return used;
}

#endif /* _IPCSHIM_RING_NOW_H */
