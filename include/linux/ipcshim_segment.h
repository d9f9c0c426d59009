/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * ipcshim: segments for other modules.
 *
 * A reference keeps the pages of a segment in place.  As long as it is held, the
 * segment can't be handed over (SHARE_MEM with EXCLUSIVE answers EBUSY), and the
 * pages outlive every descriptor of it.
 *
 * The functions may sleep.  Those that take a reference may be called by any
 * number of threads at once.
 */
#ifndef _LINUX_IPCSHIM_SEGMENT_H
#define _LINUX_IPCSHIM_SEGMENT_H

#include <linux/types.h>

struct ipcshim_memory;
struct page;

/**
 * ipcshim_segment_get - a reference to a segment's pages
 * @fd: a descriptor of the segment in the current process
 * @rights: what is going to be done with them: IPCSHIM_RIGHT_READ, perhaps with
 *	IPCSHIM_RIGHT_WRITE
 *
 * Only from the owner's descriptor: what was shared or lent can be taken back.
 *
 * Return: the reference, to be given back by ipcshim_segment_put(), or
 * ERR_PTR(-EBADF): no such descriptor; -EINVAL: not one of a segment, or other
 * rights; -ESTALE: handed over or revoked; -EPERM: not the owner's;
 * -EACCES: a right is missing.
 */
struct ipcshim_memory *ipcshim_segment_get(int fd, u16 rights);

/**
 * ipcshim_segment_put - give a reference back
 * @memory: the reference; not to be used afterwards, with all that came from it
 */
void ipcshim_segment_put(struct ipcshim_memory *memory);

/**
 * ipcshim_segment_size - the length of a segment
 * @memory: a reference
 *
 * Return: bytes, a multiple of PAGE_SIZE.
 */
u64 ipcshim_segment_size(const struct ipcshim_memory *memory);

/**
 * ipcshim_segment_page - one page of a segment
 * @memory: a reference
 * @index: which, from 0
 *
 * The page is allocated if it was never touched.  It may be a part of a large
 * folio.  Processes that have it mapped write to it at any time.
 *
 * Return: the page, good until ipcshim_segment_put(); ERR_PTR(-EINVAL): beyond
 * the end; -ENOMEM.
 */
struct page *ipcshim_segment_page(struct ipcshim_memory *memory, pgoff_t index);

/**
 * ipcshim_segment_vmap - all of a segment at one kernel address
 * @memory: a reference
 *
 * All pages are allocated.
 *
 * Return: the address, to be given back by ipcshim_segment_vunmap();
 * ERR_PTR(-ENOMEM).
 */
void *ipcshim_segment_vmap(struct ipcshim_memory *memory);

/**
 * ipcshim_segment_vunmap - undo ipcshim_segment_vmap()
 * @memory: the reference
 * @address: what ipcshim_segment_vmap() gave
 */
void ipcshim_segment_vunmap(struct ipcshim_memory *memory, void *address);

#endif /* _LINUX_IPCSHIM_SEGMENT_H */
