/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * DOC: memory: the pages of a segment
 *
 * Ordinary pages, allocated when they are first asked for, large ones where a
 * whole large piece fits.  Grants (segment.h) and exports (dma-bufs, other
 * modules) reach them.  With the last of both the pages are freed; the rest goes
 * with the last reference.
 *
 * page->mapping is that of an inode that no file ever has: shared futexes know
 * a page by it, so that they meet whatever grant it is mapped through.  Its pages
 * are in no page cache and on no list of the kernel's.
 *
 * A page in the store has one reference, the store's.  Every other one is a
 * mapping or somebody's I/O.  So, with no grant mapped, a page with one reference
 * can be reached by nobody.
 */
#ifndef _IPCSHIM_MEMORY_H
#define _IPCSHIM_MEMORY_H

#include <linux/fs.h>
#include <linux/kref.h>
#include <linux/mutex.h>
#include <linux/xarray.h>

#include "ipcshim.h"

/* What one entry of a page table maps, if pages come that large. */
#ifdef CONFIG_TRANSPARENT_HUGEPAGE
#define IPCSHIM_LARGE_ORDER	(MAX_ORDER_NR_PAGES / HPAGE_PMD_NR ? \
				 HPAGE_PMD_ORDER : 0)
#else
#define IPCSHIM_LARGE_ORDER	0
#endif
#define IPCSHIM_LARGE_PAGES	BIT(IPCSHIM_LARGE_ORDER)

struct ipcshim_segment;
struct ipcshim_user;

struct ipcshim_memory {
	/* Constant. */
	struct ipcshim_user *user;	/* charged for the length */
	struct inode *inode;		/* of page->mapping */
	struct vfsmount *mnt;		/* keeps the inode's file system */
	unsigned long nr_pages;
	bool large;			/* try large pages */

	struct kref refs;		/* the grants' inodes, exports */
	struct xarray pages;		/* struct folio, by index */
	atomic_long_t allocated;	/* pages */

	struct mutex lock;		/* who can reach the pages */
	struct list_head grants;	/* those that are not stale */
	struct ipcshim_segment *owner;	/* NULL: it has ended */
	unsigned int exports;
	bool lent;			/* they go back to a grant that is no part yet */
	bool unused;			/* nobody can reach the pages again */
};

/* A length in whole large pages, if there are any. */
u64 ipcshim_memory_whole_large(u64 length);
struct ipcshim_memory *ipcshim_memory_create(u64 length, bool small_pages);
struct ipcshim_memory *ipcshim_memory_get(struct ipcshim_memory *memory);
void ipcshim_memory_put(struct ipcshim_memory *memory);

/*
 * The pages from "index" on that exist, at most "max" and no further than the
 * end of a large one.  The caller has a grant that is not stale, or an export.
 */
unsigned int ipcshim_memory_find(struct ipcshim_memory *memory, pgoff_t index,
				 struct page **pages, unsigned int max);
/* Make the page exist.  -ENOMEM. */
int ipcshim_memory_allocate(struct ipcshim_memory *memory, pgoff_t index);
/*
 * Every page, each by ->find(), in an array for the caller to kvfree().  With an
 * export.  -ENOMEM, -EINTR: to be killed.
 */
struct page **ipcshim_memory_all(struct ipcshim_memory *memory);

/*
 * A folio for the pages from "index" on, not in the store yet: a large one if
 * that fits in there, and can be had.  NULL: no memory.
 */
struct folio *ipcshim_memory_new_folio(struct ipcshim_memory *memory,
				       pgoff_t index);
/* Into the store, with the caller's reference.  -EEXIST, -ENOMEM: not taken. */
int ipcshim_memory_add(struct ipcshim_memory *memory, struct folio *folio);
/*
 * One that was not taken, or that the store lets go: who still has that pinned
 * keeps a page of nobody's.
 */
void ipcshim_memory_put_folio(struct ipcshim_memory *memory,
			      struct folio *folio);

/* Wait until those who are setting a page table entry to a page have done so. */
void ipcshim_memory_sync_faults(struct ipcshim_memory *memory);

/*
 * With no grant mapped: 0 if nobody reaches the pages.  Waits a little for those
 * who are on their way out.  -EBUSY, -EINTR: to be killed.
 */
int ipcshim_memory_alone(struct ipcshim_memory *memory);
/*
 * With no grant mapped: pages that are still reached by somebody's I/O get copies
 * in their place, so that nobody reaches those.  -ENOMEM: not all of them yet.
 */
int ipcshim_memory_part(struct ipcshim_memory *memory);

/*
 * memory->lock is held.  If nobody can reach the pages again, free them; from here
 * on nobody is charged for the segment.
 */
void ipcshim_memory_free_if_unused(struct ipcshim_memory *memory);

/* An export: from here on nothing is handed over. */
void ipcshim_memory_unexport(struct ipcshim_memory *memory);

static inline u64 ipcshim_memory_length(const struct ipcshim_memory *memory)
{
	return (u64)memory->nr_pages << PAGE_SHIFT;
}

#endif /* _IPCSHIM_MEMORY_H */
