// SPDX-License-Identifier: GPL-2.0-only
#include <linux/minmax.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/uio.h>

#include "ipcshim.h"
#include "ring_now.h"

/* A copy lets others run after so many bytes. */
#define COPY_BYTES		SZ_1M

static u32 pos_number(u64 pos)
{
	return ipcshim_pos_messages(0, pos);
}

void ipcshim_ring_init(struct ipcshim_ring *ring, u32 size, bool messages)
{
	BUILD_BUG_ON(IPCSHIM_MESSAGE_MAX - 1 > U16_MAX);
	ring->size = size;
	ring->messages = messages;
}

void ipcshim_ring_destroy(struct ipcshim_ring *ring)
{
	struct ipcshim_lengths *lengths, *next;

	/* Both ends are gone: nobody else is here. */
	lengths = rcu_dereference_protected(ring->tail_lengths, true);
	for (; lengths; lengths = next) {
		next = lengths->next;
		kfree(lengths);
	}
	if (ring->data)
		atomic64_sub(ring->size, &ipcshim_totals.ring_bytes);
	kvfree(ring->data);
}

/*
 * The block for the length of message "pos", the next after those in "last"; NULL:
 * no memory.  One that a batch prepared and then did not use is there already.
 */
static struct ipcshim_lengths *
ring_lengths_for(struct ipcshim_ring *ring, struct ipcshim_lengths *last,
		 u64 pos)
{
	struct ipcshim_lengths *fresh;

	if (last && ipcshim_lengths_index(last, pos) < IPCSHIM_LENGTHS_IN_BLOCK)
		return last;
	if (last && last->next)
		return last->next;
	fresh = kzalloc(sizeof(*fresh), GFP_KERNEL_ACCOUNT);
	if (!fresh)
		return NULL;
	fresh->first = pos_number(pos);
	if (last) {
		WRITE_ONCE(last->next, fresh);
	} else {
		rcu_assign_pointer(ring->tail_lengths, fresh);
		ring->head_lengths = fresh;
	}
	return fresh;
}

/* A block for the next message's length. */
static int ring_prepare_lengths(struct ipcshim_ring *ring)
{
	struct ipcshim_lengths *lengths;

	lengths = ring_lengths_for(ring, ring->head_lengths,
				   atomic64_read(&ring->head));
	if (!lengths)
		return -ENOMEM;
	ring->head_lengths = lengths;
	return 0;
}

int ipcshim_ring_allocate(struct ipcshim_ring *ring)
{
	if (unlikely(!ring->data)) {
		/* Never read before it is written: need not be zeroed. */
		ring->data = kvmalloc(ring->size, GFP_KERNEL_ACCOUNT);
		if (!ring->data)
			return -ENOMEM;
		atomic64_add(ring->size, &ipcshim_totals.ring_bytes);
	}
	return ring->messages ? ring_prepare_lengths(ring) : 0;
}

/* A long copy lets others run in between. */
static size_t copy_long(void *data, size_t size, struct iov_iter *iter,
			bool in)
{
	size_t done = 0, part, copied;

	do {
		part = min_t(size_t, size - done, COPY_BYTES);
		copied = in ? _copy_from_iter(data + done, part, iter) :
			      _copy_to_iter(data + done, part, iter);
		done += copied;
		if (copied != part)
			break;
		cond_resched();
	} while (done < size);
	return done;
}

/*
 * The bounds of "data" are known here, so the copies go round the usercopy
 * check, which would look the address up in the tree of vmalloc areas.
 */
size_t ipcshim_copy_from_iter(void *data, size_t size, struct iov_iter *from)
{
	return size <= COPY_BYTES ? _copy_from_iter(data, size, from) :
				    copy_long(data, size, from, true);
}

size_t ipcshim_copy_to_iter(void *data, size_t size, struct iov_iter *to)
{
	return size <= COPY_BYTES ? _copy_to_iter(data, size, to) :
				    copy_long(data, size, to, false);
}

static u32 ring_advance(const struct ipcshim_ring *ring, u32 offset, u32 size)
{
	return size < ring->size - offset ? offset + size :
					    offset + size - ring->size;
}

int ipcshim_ring_put(struct ipcshim_ring *ring, struct iov_iter *from, u32 size)
{
	u32 offset = ring->head_offset;
	u32 first = min(size, ring->size - offset);
	u64 head = atomic64_read(&ring->head);
	size_t copied;

	copied = ipcshim_copy_from_iter(ring->data + offset, first, from);
	if (copied == first && first < size)
		copied += ipcshim_copy_from_iter(ring->data, size - first,
						 from);
	if (unlikely(copied != size)) {
		iov_iter_revert(from, copied);
		return -EFAULT;
	}
	if (ring->messages) {
		struct ipcshim_lengths *lengths = ring->head_lengths;

		lengths->length[ipcshim_lengths_index(lengths, head)] = size - 1;
	}

	if (unlikely(head & IPCSHIM_POS_CLOSED))
		return -EPIPE;
	/* [H1], pairs with ipcshim_ring_head(). */
	if (atomic64_cmpxchg_release(&ring->head, head,
				     ipcshim_pos_add(head, size,
						     ring->messages)) != head)
		return -EPIPE;
	ring->head_offset = ring_advance(ring, offset, size);
	return 0;
}

/* The block of the message at the tail; frees those that were read. */
static struct ipcshim_lengths *ring_tail_lengths(struct ipcshim_ring *ring,
						 u64 tail)
{
	struct ipcshim_lengths *lengths;

	/* The read turn is ours: nobody else moves it. */
	lengths = rcu_dereference_protected(ring->tail_lengths, true);
	while (ipcshim_lengths_index(lengths, tail) >= IPCSHIM_LENGTHS_IN_BLOCK) {
		struct ipcshim_lengths *read = lengths;

		lengths = READ_ONCE(read->next);
		rcu_assign_pointer(ring->tail_lengths, lengths);
		kfree_rcu(read, rcu);
	}
	return lengths;
}

int ipcshim_ring_get(struct ipcshim_ring *ring, struct iov_iter *to, u32 size)
{
	u32 offset = ring->tail_offset;
	u32 first = min(size, ring->size - offset);
	u64 tail = atomic64_read(&ring->tail);
	size_t copied;

	copied = ipcshim_copy_to_iter(ring->data + offset, first, to);
	if (copied == first && first < size)
		copied += ipcshim_copy_to_iter(ring->data, size - first, to);
	if (unlikely(copied != size)) {
		iov_iter_revert(to, copied);
		return -EFAULT;
	}

	if (ring->messages)
		ring_tail_lengths(ring, tail);
	if (unlikely(tail & IPCSHIM_POS_CLOSED))
		return -EPIPE;
	/* [T1], pairs with ipcshim_ring_tail(). */
	if (atomic64_cmpxchg_release(&ring->tail, tail,
				     ipcshim_pos_add(tail, size,
						     ring->messages)) != tail)
		return -EPIPE;
	ring->tail_offset = ring_advance(ring, offset, size);
	return 0;
}

/*
 * The length of message "pos", 0 if its block is gone.  Under RCU: the block that
 * is found first may be of before or of after that message.
 */
static u32 ring_length_at(struct ipcshim_ring *ring, u64 pos)
{
	struct ipcshim_lengths *lengths = rcu_dereference(ring->tail_lengths);

	while (lengths && ipcshim_lengths_index(lengths, pos) >= IPCSHIM_LENGTHS_IN_BLOCK)
		lengths = READ_ONCE(lengths->next);
	if (!lengths)
		return 0;
	return READ_ONCE(lengths->length[ipcshim_lengths_index(lengths, pos)]) + 1;
}

u32 ipcshim_ring_peek(struct ipcshim_ring *ring)
{
	u64 tail, head;
	u32 length;

	rcu_read_lock();
	do {
		tail = ipcshim_ring_tail(ring);
		head = ipcshim_ring_head(ring);
		length = 0;
		if (!(tail & IPCSHIM_POS_CLOSED) &&
		    ipcshim_pos_bytes(tail, head))
			length = ring_length_at(ring, tail);
		/* The length first, then whether it is still the next; [T1]. */
		smp_rmb();
	} while (atomic64_read(&ring->tail) != tail);
	rcu_read_unlock();
	return length;
}

void ipcshim_ring_put_begin(struct ipcshim_ring *ring,
			    struct ipcshim_ring_cursor *cursor)
{
	cursor->limit = ipcshim_ring_tail(ring);
	cursor->from = atomic64_read(&ring->head);
	cursor->pos = cursor->from;
	cursor->offset = ring->head_offset;
	cursor->lengths = ring->head_lengths;
}

u32 ipcshim_ring_put_run(struct ipcshim_ring *ring,
			 struct ipcshim_ring_cursor *cursor,
			 struct ipcshim_batch_entry *entries, u32 nr, int *why)
{
	u32 room = ring->size - ipcshim_pos_bytes(cursor->limit, cursor->pos);
	struct ipcshim_lengths *lengths = cursor->lengths;
	u32 index = ipcshim_lengths_index(lengths, cursor->pos);
	u32 offset = cursor->offset, put = 0, messages = 0, bytes = 0;
	u32 size, first;

	for (*why = 0; put < nr; put++) {
		const void __user *from = u64_to_user_ptr(entries[put].buffer);

		size = entries[put].size;
		entries[put].moved = size;
		if (unlikely(size > IPCSHIM_MESSAGE_MAX)) {
			*why = -EMSGSIZE;
			break;
		}
		if (unlikely(size > room - bytes)) {
			*why = -ENOBUFS;
			break;
		}
		if (unlikely(!size))
			continue;
		if (unlikely(index >= IPCSHIM_LENGTHS_IN_BLOCK)) {
			lengths = ring_lengths_for(ring, lengths,
						   ipcshim_pos_add(cursor->pos,
								   0, messages));
			if (!lengths) {
				*why = -ENOMEM;
				break;
			}
			cursor->lengths = lengths;
			index = 0;
		}
		first = min(size, ring->size - offset);
		if (ipcshim_copy_from_user(ring->data + offset, from, first) ||
		    (unlikely(first < size) &&
		     ipcshim_copy_from_user(ring->data, from + first,
					    size - first))) {
			*why = -EFAULT;
			break;
		}
		lengths->length[index++] = size - 1;
		offset = ring_advance(ring, offset, size);
		bytes += size;
		messages++;
	}
	cursor->offset = offset;
	cursor->pos = ipcshim_pos_add(cursor->pos, bytes, messages);
	return put;
}

/* Move an index to where its cursor is. */
static int cursor_commit(struct ipcshim_ring_cursor *cursor, atomic64_t *index)
{
	u64 from = cursor->from & ~IPCSHIM_POS_CLOSED;

	/* [H1], [T1] */
	if (atomic64_cmpxchg_release(index, from, cursor->pos) != from)
		return -EPIPE;
	cursor->from = cursor->pos;
	return 0;
}

int ipcshim_ring_put_commit(struct ipcshim_ring *ring,
			    struct ipcshim_ring_cursor *cursor)
{
	int err = cursor_commit(cursor, &ring->head);

	if (!err) {
		ring->head_offset = cursor->offset;
		ring->head_lengths = cursor->lengths;
	}
	return err;
}

void ipcshim_ring_get_begin(struct ipcshim_ring *ring,
			    struct ipcshim_ring_cursor *cursor)
{
	/* First: the block of what is there, is there. */
	cursor->limit = ipcshim_ring_head(ring);
	cursor->from = atomic64_read(&ring->tail);
	cursor->pos = cursor->from;
	cursor->offset = ring->tail_offset;
	cursor->lengths = rcu_dereference_protected(ring->tail_lengths, true);
}

u32 ipcshim_ring_get_run(struct ipcshim_ring *ring,
			 struct ipcshim_ring_cursor *cursor,
			 struct ipcshim_batch_entry *entries, u32 nr, int *why)
{
	u32 there = ipcshim_pos_messages(cursor->pos, cursor->limit);
	struct ipcshim_lengths *lengths = cursor->lengths;
	u32 index = there ? ipcshim_lengths_index(lengths, cursor->pos) : 0;
	u32 offset = cursor->offset, got, bytes = 0;
	u32 length, first;

	*why = there < nr ? -ENOBUFS : 0;
	nr = min(nr, there);
	for (got = 0; got < nr; got++) {
		void __user *to = u64_to_user_ptr(entries[got].buffer);

		if (unlikely(index >= IPCSHIM_LENGTHS_IN_BLOCK)) {
			lengths = READ_ONCE(lengths->next);
			cursor->lengths = lengths;
			index = 0;
		}
		length = lengths->length[index] + 1;
		if (unlikely(length > entries[got].size)) {
			*why = -EMSGSIZE;
			break;
		}
		first = min(length, ring->size - offset);
		if (ipcshim_copy_to_user(to, ring->data + offset, first) ||
		    (unlikely(first < length) &&
		     ipcshim_copy_to_user(to + first, ring->data,
					  length - first))) {
			*why = -EFAULT;
			break;
		}
		entries[got].moved = length;
		index++;
		offset = ring_advance(ring, offset, length);
		bytes += length;
	}
	cursor->offset = offset;
	cursor->pos = ipcshim_pos_add(cursor->pos, bytes, got);
	return got;
}

int ipcshim_ring_get_commit(struct ipcshim_ring *ring,
			    struct ipcshim_ring_cursor *cursor)
{
	struct ipcshim_lengths *read;
	int err = cursor_commit(cursor, &ring->tail);

	if (err)
		return err;
	ring->tail_offset = cursor->offset;
	/* Not before: who peeks at a message that is still the next finds it. */
	while ((read = rcu_dereference_protected(ring->tail_lengths, true)) !=
	       cursor->lengths) {
		rcu_assign_pointer(ring->tail_lengths, READ_ONCE(read->next));
		kfree_rcu(read, rcu);
	}
	return 0;
}
