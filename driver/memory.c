// SPDX-License-Identifier: GPL-2.0-only
#include <linux/delay.h>
#include <linux/highmem.h>
#include <linux/ktime.h>
#include <linux/mm.h>
#include <linux/moduleparam.h>
#include <linux/pagemap.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "memory.h"
#include "object.h"
#include "quota.h"
#include "trace.h"

/* How long those who are letting go of a page are waited for. */
#define ALONE_WAIT_MS	100
/* Pages that are looked at between two chances for others to run. */
#define ALONE_BATCH	1024

static bool large_pages = true;
module_param(large_pages, bool, 0644);
MODULE_PARM_DESC(large_pages, "Large pages for segments that are long enough");

/*
 * A split would make many entries of one.  Those who want to split a folio ask
 * for its private data to be given up first.
 */
static bool memory_release_folio(struct folio *folio, gfp_t gfp)
{
	return false;
}

static const struct address_space_operations memory_aops = {
	.dirty_folio = noop_dirty_folio,
	.release_folio = memory_release_folio,
};

u64 ipcshim_memory_whole_large(u64 length)
{
	return READ_ONCE(large_pages) ?
	       round_up(length, (u64)PAGE_SIZE << IPCSHIM_LARGE_ORDER) : length;
}

static int memory_init(struct ipcshim_memory *memory, u64 length)
{
	struct vfsmount *mnt = ipcshim_object_mnt();

	memory->inode = new_inode(mnt->mnt_sb);
	if (!memory->inode)
		return -ENOMEM;
	memory->inode->i_mapping->a_ops = &memory_aops;
	memory->mnt = mntget(mnt);
	memory->nr_pages = length >> PAGE_SHIFT;
	kref_init(&memory->refs);
	xa_init(&memory->pages);
	mutex_init(&memory->lock);
	INIT_LIST_HEAD(&memory->grants);
	return 0;
}

struct ipcshim_memory *ipcshim_memory_create(u64 length, bool small_pages)
{
	struct ipcshim_memory *memory;
	int err;

	if (!length || length & ~PAGE_MASK || length > MAX_LFS_FILESIZE)
		return ERR_PTR(-EINVAL);
	if (length >> PAGE_SHIFT > totalram_pages())
		return ERR_PTR(-ENOMEM);

	memory = kzalloc(sizeof(*memory), GFP_KERNEL_ACCOUNT);
	if (!memory)
		return ERR_PTR(-ENOMEM);
	memory->user = ipcshim_user_get_current();
	if (IS_ERR(memory->user)) {
		err = PTR_ERR(memory->user);
		goto err_free;
	}
	err = ipcshim_quota_charge(memory->user, IPCSHIM_QUOTA_SEGMENT_BYTES,
				   length);
	if (err)
		goto err_user;
	err = memory_init(memory, length);
	if (err)
		goto err_charge;
	memory->large = IPCSHIM_LARGE_ORDER && READ_ONCE(large_pages) &&
			!small_pages;
	atomic64_inc(&ipcshim_totals.segments);
	return memory;

err_charge:
	ipcshim_quota_discharge(memory->user, IPCSHIM_QUOTA_SEGMENT_BYTES,
				length);
err_user:
	ipcshim_user_put(memory->user);
err_free:
	kfree(memory);
	return ERR_PTR(err);
}

void ipcshim_memory_put_folio(struct ipcshim_memory *memory,
			      struct folio *folio)
{
	long nr = folio_nr_pages(folio);

	folio_lock(folio);
	folio->mapping = NULL;
	folio_clear_private(folio);
	folio_unlock(folio);
	folio_put(folio);
	atomic_long_sub(nr, &memory->allocated);
	atomic64_sub(nr << PAGE_SHIFT, &ipcshim_totals.segment_bytes);
}

static void memory_free_pages(struct ipcshim_memory *memory)
{
	struct folio *folio;
	unsigned long index;

	xa_for_each(&memory->pages, index, folio) {
		ipcshim_memory_put_folio(memory, folio);
		cond_resched();
	}
	xa_destroy(&memory->pages);
}

static void memory_end(struct ipcshim_memory *memory)
{
	memory->unused = true;
	memory_free_pages(memory);
	ipcshim_quota_discharge(memory->user, IPCSHIM_QUOTA_SEGMENT_BYTES,
				ipcshim_memory_length(memory));
	atomic64_dec(&ipcshim_totals.segments);
}

void ipcshim_memory_free_if_unused(struct ipcshim_memory *memory)
{
	lockdep_assert_held(&memory->lock);
	if (list_empty(&memory->grants) && !memory->exports &&
	    !memory->lent && !memory->unused)
		memory_end(memory);
}

struct ipcshim_memory *ipcshim_memory_get(struct ipcshim_memory *memory)
{
	kref_get(&memory->refs);
	return memory;
}

static void memory_free(struct kref *refs)
{
	struct ipcshim_memory *memory = container_of(refs, struct ipcshim_memory,
						     refs);

	if (!memory->unused)
		memory_end(memory);
	/* What a fault allocated in vain, for a grant that was stale by then. */
	memory_free_pages(memory);
	ipcshim_user_put(memory->user);
	mutex_destroy(&memory->lock);
	iput(memory->inode);
	mntput(memory->mnt);
	kfree(memory);
}

void ipcshim_memory_put(struct ipcshim_memory *memory)
{
	kref_put(&memory->refs, memory_free);
}

void ipcshim_memory_unexport(struct ipcshim_memory *memory)
{
	mutex_lock(&memory->lock);
	memory->exports--;
	ipcshim_memory_free_if_unused(memory);
	mutex_unlock(&memory->lock);
	ipcshim_memory_put(memory);
}

unsigned int ipcshim_memory_find(struct ipcshim_memory *memory, pgoff_t index,
				 struct page **pages, unsigned int max)
{
	XA_STATE(xas, &memory->pages, index);
	unsigned int found = 0;
	struct folio *folio;
	size_t first, nr;

	max = min_t(unsigned long, max, memory->nr_pages - index);
	rcu_read_lock();
	/* The store's pages stay; only its nodes need the RCU. */
	for (folio = xas_load(&xas); folio && found < max;
	     folio = xas_next(&xas)) {
		if (xas_retry(&xas, folio) || xa_is_sibling(folio))
			break;
		if (!folio_test_large(folio)) {
			pages[found++] = folio_page(folio, 0);
			continue;
		}
		if (found)
			break;
		first = index - folio->index;
		nr = folio_nr_pages(folio) - first;
		while (found < min_t(size_t, max, nr)) {
			pages[found] = folio_page(folio, first + found);
			found++;
		}
		break;
	}
	rcu_read_unlock();
	return found;
}

static bool memory_large_fits(const struct ipcshim_memory *memory,
			      pgoff_t index)
{
	return memory->large && memory->nr_pages >= IPCSHIM_LARGE_PAGES &&
	       round_down(index, IPCSHIM_LARGE_PAGES) <=
	       memory->nr_pages - IPCSHIM_LARGE_PAGES;
}

static struct folio *memory_alloc_folio(struct ipcshim_memory *memory,
					pgoff_t index, unsigned int order)
{
	gfp_t gfp = GFP_HIGHUSER | __GFP_ACCOUNT | __GFP_ZERO | __GFP_COMP;
	struct folio *folio;
	struct page *page;

	if (order)
		gfp |= __GFP_NORETRY | __GFP_NOWARN;
	page = alloc_pages(gfp, order);
	if (!page)
		return NULL;
	folio = page_folio(page);
	folio->mapping = memory->inode->i_mapping;
	folio->index = round_down(index, 1UL << order);
	/* See memory_release_folio(). */
	if (order)
		folio_set_private(folio);
	atomic_long_add(1L << order, &memory->allocated);
	atomic64_add(PAGE_SIZE << order, &ipcshim_totals.segment_bytes);
	return folio;
}

struct folio *ipcshim_memory_new_folio(struct ipcshim_memory *memory,
				       pgoff_t index)
{
	struct folio *folio = NULL;

	if (memory_large_fits(memory, index))
		folio = memory_alloc_folio(memory, index, IPCSHIM_LARGE_ORDER);
	return folio ?: memory_alloc_folio(memory, index, 0);
}

int ipcshim_memory_add(struct ipcshim_memory *memory, struct folio *folio)
{
	XA_STATE_ORDER(xas, &memory->pages, folio->index, folio_order(folio));

	do {
		xas_lock(&xas);
		if (xas_find_conflict(&xas))
			xas_set_err(&xas, -EEXIST);
		else
			xas_store(&xas, folio);
		xas_unlock(&xas);
	} while (xas_nomem(&xas, GFP_KERNEL_ACCOUNT));
	return xas_error(&xas);
}

int ipcshim_memory_allocate(struct ipcshim_memory *memory, pgoff_t index)
{
	struct folio *folio;
	int err;

	if (xa_load(&memory->pages, index))
		return 0;
	folio = ipcshim_memory_new_folio(memory, index);
	if (!folio)
		return -ENOMEM;
	err = ipcshim_memory_add(memory, folio);
	if (!err)
		return 0;
	ipcshim_memory_put_folio(memory, folio);
	if (err != -EEXIST || xa_load(&memory->pages, index))
		return err == -EEXIST ? 0 : err;

	/* Small pages are in the way of a large one, but none just here. */
	folio = memory_alloc_folio(memory, index, 0);
	if (!folio)
		return -ENOMEM;
	err = ipcshim_memory_add(memory, folio);
	if (err)
		ipcshim_memory_put_folio(memory, folio);
	return err == -EEXIST ? 0 : err;
}

struct page **ipcshim_memory_all(struct ipcshim_memory *memory)
{
	unsigned long index = 0;
	struct page **pages;
	unsigned int found;
	int err;

	pages = kvmalloc_array(memory->nr_pages, sizeof(*pages),
			       GFP_KERNEL_ACCOUNT);
	if (!pages)
		return ERR_PTR(-ENOMEM);
	while (index < memory->nr_pages) {
		err = ipcshim_memory_allocate(memory, index);
		if (!err && fatal_signal_pending(current))
			err = -EINTR;
		if (err) {
			kvfree(pages);
			return ERR_PTR(err);
		}
		found = ipcshim_memory_find(memory, index, pages + index,
					    ALONE_BATCH);
		index += found;
		cond_resched();
	}
	return pages;
}

void ipcshim_memory_sync_faults(struct ipcshim_memory *memory)
{
	struct folio *folio;
	unsigned long index;

	xa_for_each(&memory->pages, index, folio) {
		folio_lock(folio);
		folio_unlock(folio);
		cond_resched();
	}
}

/* The first page from "index" on that somebody else has too; NULL: none. */
static struct folio *memory_first_shared(struct ipcshim_memory *memory,
					 unsigned long index)
{
	XA_STATE(xas, &memory->pages, index);
	struct folio *folio;
	unsigned int seen = 0;

	rcu_read_lock();
	xas_for_each(&xas, folio, ULONG_MAX) {
		if (xas_retry(&xas, folio))
			continue;
		if (folio_ref_count(folio) != 1)
			break;
		if (++seen % ALONE_BATCH)
			continue;
		xas_pause(&xas);
		rcu_read_unlock();
		cond_resched();
		rcu_read_lock();
	}
	rcu_read_unlock();
	return folio;
}

int ipcshim_memory_alone(struct ipcshim_memory *memory)
{
	ktime_t end = ktime_add_ms(ktime_get(), ALONE_WAIT_MS);
	unsigned long index = 0;
	struct folio *folio;

	lockdep_assert_held(&memory->lock);
	/*
	 * Page table entries are gone before references are counted: both are
	 * atomic operations that return a value, as is the lookup of a page by
	 * an address that has no lock, which looks at the entry again after it
	 * has taken its reference.  So either that one gives up, or it is seen
	 * here.
	 */
	for (;;) {
		folio = memory_first_shared(memory, index);
		if (!folio)
			return 0;
		if (fatal_signal_pending(current))
			return -EINTR;
		if (ktime_after(ktime_get(), end)) {
			trace_ipcshim_pinned(memory, folio);
			return -EBUSY;
		}
		/* Nobody can come to those before it any more. */
		index = folio->index;
		usleep_range(50, 200);
	}
}

/* Put a copy in the place of a page that somebody has pinned. */
static int memory_replace(struct ipcshim_memory *memory, struct folio *old)
{
	XA_STATE_ORDER(xas, &memory->pages, old->index, folio_order(old));
	struct folio *copy;
	long i;

	copy = memory_alloc_folio(memory, old->index, folio_order(old));
	if (!copy)
		return -ENOMEM;
	for (i = 0; i < folio_nr_pages(old); i++) {
		copy_highpage(folio_page(copy, i), folio_page(old, i));
		cond_resched();
	}
	/* The place exists: this allocates nothing. */
	xas_lock(&xas);
	xas_store(&xas, copy);
	xas_unlock(&xas);
	ipcshim_memory_put_folio(memory, old);
	return 0;
}

int ipcshim_memory_part(struct ipcshim_memory *memory)
{
	struct folio *folio;
	unsigned long index = 0;
	int err;

	lockdep_assert_held(&memory->lock);
	while ((folio = memory_first_shared(memory, index))) {
		index = folio->index;
		err = memory_replace(memory, folio);
		if (err)
			return err;
	}
	return 0;
}
