// SPDX-License-Identifier: GPL-2.0-only
/*
 * Mappings of a grant, in one of two manners:
 *
 * by core	a fault returns a page, and the core inserts it; a large page as
 *		a whole, if it fits.  For mappings in which one does.
 * by us	a fault inserts the page and those that follow it.  For all
 *		others.  Such a mapping is VM_MIXEDMAP, and large pages in one
 *		of those are taken for something else by the core: it never gets
 *		one from us there.
 */
#include <linux/mm.h>
#include <linux/pagemap.h>

#include "segment.h"

/* Pages that one fault maps, if they exist: 256 KiB where pages have 4 KiB. */
#define FAULT_AROUND	64

static bool segment_by_us(const struct vm_area_struct *vma)
{
	return vma->vm_flags & VM_MIXEDMAP;
}

static vm_fault_t segment_insert(struct vm_fault *vmf, struct page **pages,
				 unsigned int nr)
{
	struct folio *folio = page_folio(pages[0]);
	unsigned long left = nr;
	int err;

	/* The core wants it locked while it counts who has parts of it mapped. */
	if (folio_test_large(folio))
		folio_lock(folio);
	err = vm_insert_pages(vmf->vma, vmf->address & PAGE_MASK, pages, &left);
	if (folio_test_large(folio))
		folio_unlock(folio);
	/* Some are in, or somebody else was faster: that is enough. */
	if (left < nr || err == -EBUSY)
		return VM_FAULT_NOPAGE;
	return vmf_error(err);
}

/* In the gate.  0: there is no page yet. */
static vm_fault_t segment_fault_inside(struct ipcshim_segment *segment,
				       struct vm_fault *vmf)
{
	struct page *pages[FAULT_AROUND];
	struct vm_area_struct *vma = vmf->vma;
	unsigned long left = (vma->vm_end - vmf->address) >> PAGE_SHIFT;
	unsigned int max = 1, found;

	lockdep_assert_held_read(&segment->gate);
	if (segment->stale || vmf->pgoff >= segment->memory->nr_pages)
		return VM_FAULT_SIGBUS;
	if (segment_by_us(vma))
		max = min_t(unsigned long, FAULT_AROUND, max(left, 1UL));
	found = ipcshim_memory_find(segment->memory, vmf->pgoff, pages, max);
	if (!found)
		return 0;
	if (segment_by_us(vma))
		return segment_insert(vmf, pages, found);

	/* Unlocked by the core, when it is mapped: see [1] in segment.h. */
	lock_page(pages[0]);
	get_page(pages[0]);
	vmf->page = pages[0];
	return VM_FAULT_LOCKED;
}

static vm_fault_t segment_fault(struct vm_fault *vmf)
{
	struct ipcshim_segment *segment = vmf->vma->vm_file->private_data;
	vm_fault_t ret;
	int err;

	for (;;) {
		if (down_read_killable(&segment->gate))
			return VM_FAULT_SIGBUS;
		ret = segment_fault_inside(segment, vmf);
		up_read(&segment->gate);
		if (ret)
			return ret;
		err = ipcshim_memory_allocate(segment->memory, vmf->pgoff);
		if (err)
			return vmf_error(err);
	}
}

/*
 * A mapping is gone: its file may go with it, without a ->flush.  Somebody else
 * who is the last to look at the memory of a dead process knows nothing of how
 * that died.
 */
static void segment_vm_close(struct vm_area_struct *vma)
{
	struct ipcshim_segment *segment = vma->vm_file->private_data;

	if (vma->vm_mm == current->mm ||
	    ipcshim_ending_of_current().how != IPCSHIM_HOW_CLOSED)
		ipcshim_ending_leave(&segment->ending);
}

static bool segment_write_and_execute(unsigned long vm_flags)
{
	return vm_flags & VM_WRITE && vm_flags & VM_EXEC;
}

/* What VM_MAYWRITE and VM_MAYEXEC alone do not say. */
static int segment_vm_mprotect(struct vm_area_struct *vma, unsigned long start,
			       unsigned long end, unsigned long newflags)
{
	return segment_write_and_execute(newflags) ? -EINVAL : 0;
}

static const struct vm_operations_struct segment_vm_ops = {
	.close = segment_vm_close,
	.fault = segment_fault,
	.mprotect = segment_vm_mprotect,
};

/* Does a large page fit, as a whole? */
static bool segment_fits_large(const struct ipcshim_memory *memory,
			       const struct vm_area_struct *vma)
{
	unsigned long first = vma->vm_start >> PAGE_SHIFT;
	unsigned long last = vma->vm_end >> PAGE_SHIFT;

	if (!memory->large || (first - vma->vm_pgoff) % IPCSHIM_LARGE_PAGES)
		return false;
	return round_up(first, IPCSHIM_LARGE_PAGES) + IPCSHIM_LARGE_PAGES <=
	       last;
}

/* Flags that the rights don't allow ever to be set, in a mapping of this kind. */
static unsigned long segment_forbidden(const struct ipcshim_segment *segment,
				       unsigned long vm_flags)
{
	unsigned long forbidden = 0;
	u16 write = IPCSHIM_RIGHT_WRITE;

	if (!(vm_flags & VM_MAYSHARE))
		write |= IPCSHIM_RIGHT_COPY_ON_WRITE;
	if (!(segment->rights & write))
		forbidden |= VM_WRITE | VM_MAYWRITE;
	if (!(segment->rights & IPCSHIM_RIGHT_EXECUTE))
		forbidden |= VM_EXEC | VM_MAYEXEC;
	return forbidden;
}

int ipcshim_segment_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct ipcshim_segment *segment = file->private_data;
	struct ipcshim_memory *memory = segment->memory;
	unsigned long forbidden = segment_forbidden(segment, vma->vm_flags);

	if (vma->vm_pgoff > memory->nr_pages ||
	    vma_pages(vma) > memory->nr_pages - vma->vm_pgoff)
		return -ENXIO;
	if (segment_write_and_execute(vma->vm_flags))
		return -EINVAL;
	if (vma->vm_flags & forbidden & (VM_WRITE | VM_EXEC))
		return -EACCES;
	if (ipcshim_segment_stale(segment))
		return -ESTALE;

	vm_flags_clear(vma, forbidden & (VM_MAYWRITE | VM_MAYEXEC));
	vm_flags_set(vma, VM_DONTEXPAND | VM_DONTDUMP | VM_SEQ_READ);
	if (segment_fits_large(memory, vma))
		WRITE_ONCE(segment->by_core, true);
	else
		vm_flags_set(vma, VM_MIXEDMAP);
	vma->vm_ops = &segment_vm_ops;
	return 0;
}
