// SPDX-License-Identifier: GPL-2.0-only
#include <linux/highmem.h>
#include <linux/kref.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/uio.h>

#include "direct.h"
#include "pipe.h"
#include "pipe_io.h"

/* What one offer has at most. */
#define OFFER_BYTES	SZ_1M

struct ipcshim_offer {
	struct kref refs;	/* the writer's, and that of who takes it */
	bool done;		/* by who took it */
	u32 moved;		/* bytes; when done */
	u32 offset;		/* of the first byte in the first page */
	u32 size;		/* bytes */
	unsigned int nr_pages;
	struct page *pages[];
};

static void offer_free(struct kref *refs)
{
	struct ipcshim_offer *offer = container_of(refs, struct ipcshim_offer,
						   refs);
	unsigned int i;

	for (i = 0; i < offer->nr_pages; i++)
		put_page(offer->pages[i]);
	kfree(offer);
}

/* Of the caller's own memory, which it faults in. */
static struct ipcshim_offer *offer_create(const struct iov_iter *from, u32 size)
{
	unsigned long address = (unsigned long)from->ubuf + from->iov_offset;
	u32 offset = offset_in_page(address);
	unsigned int nr = DIV_ROUND_UP(offset + size, PAGE_SIZE);
	struct ipcshim_offer *offer;
	int got;

	offer = kmalloc(struct_size(offer, pages, nr), GFP_KERNEL_ACCOUNT);
	if (!offer)
		return NULL;
	got = get_user_pages_fast(address - offset, nr, 0, offer->pages);
	if (got <= 0) {
		kfree(offer);
		return NULL;
	}
	kref_init(&offer->refs);
	offer->done = false;
	offer->moved = 0;
	offer->offset = offset;
	offer->size = min_t(size_t, size, got * PAGE_SIZE - offset);
	offer->nr_pages = got;
	return offer;
}

void ipcshim_direct_wait(struct ipcshim_pipe *pipe, const struct iov_iter *to)
{
	lockdep_assert_held(&pipe->ends[IPCSHIM_RECEIVER].turn);
	if (pipe->ring.messages || iov_iter_count(to) < IPCSHIM_DIRECT_MIN)
		return;
	spin_lock(&pipe->lock);
	WRITE_ONCE(pipe->take, min_t(size_t, iov_iter_count(to), OFFER_BYTES));
	spin_unlock(&pipe->lock);
}

/* Less than all if the reader's memory is not there at once. */
static u32 offer_copy(const struct ipcshim_offer *offer, struct iov_iter *to)
{
	u32 done = 0, offset = offer->offset, part, copied;
	unsigned int i;

	pagefault_disable();
	for (i = 0; i < offer->nr_pages && done < offer->size; i++, offset = 0) {
		part = min_t(u32, offer->size - done, PAGE_SIZE - offset);
		copied = copy_page_to_iter(offer->pages[i], offset, part, to);
		done += copied;
		if (copied != part)
			break;
	}
	pagefault_enable();
	return done;
}

u32 ipcshim_direct_take(struct ipcshim_pipe *pipe, struct iov_iter *to)
{
	struct ipcshim_end *sender = &pipe->ends[IPCSHIM_SENDER];
	struct ipcshim_offer *offer;
	u32 moved;

	lockdep_assert_held(&pipe->ends[IPCSHIM_RECEIVER].turn);
	if (!pipe->take)
		return 0;
	spin_lock(&pipe->lock);
	WRITE_ONCE(pipe->take, 0);
	offer = pipe->offer;
	if (offer) {
		WRITE_ONCE(pipe->offer, NULL);
		kref_get(&offer->refs);
	}
	spin_unlock(&pipe->lock);
	if (!offer)
		return 0;

	moved = offer_copy(offer, to);
	offer->moved = moved;
	/* Pairs with the acquire in offer_done(). */
	smp_store_release(&offer->done, true);
	rcuwait_wake_up(&sender->sleeper);
	kref_put(&offer->refs, offer_free);
	return moved;
}

static bool offer_done(const struct ipcshim_offer *offer)
{
	/* Pairs with the release in ipcshim_direct_take(). */
	return smp_load_acquire(&offer->done);
}

/* Put it where the sleeping reader finds it. */
static bool offer_post(struct ipcshim_pipe *pipe, struct ipcshim_offer *offer)
{
	bool posted = false;

	spin_lock(&pipe->lock);
	if (pipe->take && !ipcshim_pipe_stopped_writing(pipe)) {
		WRITE_ONCE(pipe->offer, offer);
		posted = true;
	}
	spin_unlock(&pipe->lock);
	return posted;
}

/* False: somebody is taking it. */
static bool offer_withdraw(struct ipcshim_pipe *pipe)
{
	bool withdrawn;

	spin_lock(&pipe->lock);
	withdrawn = pipe->offer;
	WRITE_ONCE(pipe->offer, NULL);
	spin_unlock(&pipe->lock);
	return withdrawn;
}

/* Until it was taken, or is not to be any more: bytes that were, or -EINTR. */
static int offer_wait(struct ipcshim_pipe *pipe, struct ipcshim_offer *offer,
		      u64 deadline)
{
	struct ipcshim_end *sender = &pipe->ends[IPCSHIM_SENDER];
	bool late = false;

	prepare_to_rcuwait(&sender->sleeper);
	for (;;) {
		set_current_state(TASK_INTERRUPTIBLE);
		if (offer_done(offer) || late || signal_pending(current) ||
		    ipcshim_pipe_stopped_writing(pipe))
			break;
		late = !ipcshim_schedule_until(deadline);
	}
	finish_rcuwait(&sender->sleeper);
	/* If it can't be had back, it takes no longer than copying does. */
	if (!offer_done(offer) && !offer_withdraw(pipe) &&
	    rcuwait_wait_event(&sender->sleeper, offer_done(offer),
			       TASK_KILLABLE))
		return -EINTR;
	return offer_done(offer) ? offer->moved : 0;
}

int ipcshim_direct_offer(struct ipcshim_pipe *pipe, struct iov_iter *from,
			 u64 deadline)
{
	struct ipcshim_end *receiver = &pipe->ends[IPCSHIM_RECEIVER];
	struct ipcshim_offer *offer;
	int moved = 0;
	u32 size;

	lockdep_assert_held(&pipe->ends[IPCSHIM_SENDER].turn);
	size = min_t(size_t, iov_iter_count(from), READ_ONCE(pipe->take));
	/* It sleeps still, but something may be in the ring for it already. */
	if (size < IPCSHIM_DIRECT_MIN || !iter_is_ubuf(from) ||
	    ipcshim_pipe_used(pipe))
		return 0;
	offer = offer_create(from, size);
	if (!offer)
		return 0;
	if (offer_post(pipe, offer)) {
		rcuwait_wake_up(&receiver->sleeper);
		moved = offer_wait(pipe, offer, deadline);
		if (moved > 0)
			iov_iter_advance(from, moved);
	}
	kref_put(&offer->refs, offer_free);
	return moved;
}
