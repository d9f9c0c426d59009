// SPDX-License-Identifier: GPL-2.0-only
/* The pages of a mapped pipe, and their mappings. */
#include <linux/math64.h>
#include <linux/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include "mapped.h"
#include "pipe.h"
#include "trace.h"

/* Pages of the layout before the data area. */
#define INDEX_PAGES	IPCSHIM_NR_SIDES

static u32 mapped_area(u32 capacity, bool messages)
{
	/* Records' headers have room of their own: one message fits for sure. */
	return ALIGN(capacity, PAGE_SIZE) + (messages ? PAGE_SIZE : 0);
}

u32 ipcshim_mapped_bytes(u32 capacity, bool messages)
{
	return mapped_area(capacity, messages) + INDEX_PAGES * PAGE_SIZE;
}

static unsigned int mapped_area_pages(const struct ipcshim_mapped *mapped)
{
	return mapped->area >> PAGE_SHIFT;
}

static void mapped_free_pages(struct ipcshim_mapped *mapped)
{
	unsigned int i;

	for (i = 0; i < INDEX_PAGES + mapped_area_pages(mapped); i++)
		if (mapped->pages[i])
			put_page(mapped->pages[i]);
}

static int mapped_alloc_pages(struct ipcshim_mapped *mapped)
{
	unsigned int area_pages = mapped_area_pages(mapped), i;

	for (i = 0; i < INDEX_PAGES + area_pages; i++) {
		/* User space sees what is in there. */
		mapped->pages[i] = alloc_page(GFP_KERNEL_ACCOUNT | __GFP_ZERO);
		if (!mapped->pages[i])
			return -ENOMEM;
		if (i >= INDEX_PAGES)
			mapped->pages[i + area_pages] = mapped->pages[i];
		if (fatal_signal_pending(current))
			return -EINTR;
		cond_resched();
	}
	return 0;
}

struct ipcshim_mapped *ipcshim_mapped_create(u32 capacity, bool messages)
{
	u32 area = mapped_area(capacity, messages);
	unsigned int nr_pages = INDEX_PAGES + 2 * (area >> PAGE_SHIFT);
	struct ipcshim_mapped *mapped;
	int side, err;

	BUILD_BUG_ON(sizeof(struct ipcshim_mapped_index) != 128);
	mapped = kvzalloc(struct_size(mapped, pages, nr_pages),
			  GFP_KERNEL_ACCOUNT);
	if (!mapped)
		return ERR_PTR(-ENOMEM);
	mapped->area = area;
	mapped->messages = messages;
	mapped->nr_pages = nr_pages;
	spin_lock_init(&mapped->lock);
	err = mapped_alloc_pages(mapped);
	if (err)
		goto err_pages;
	err = -ENOMEM;
	mapped->data = vmap(&mapped->pages[INDEX_PAGES], nr_pages - INDEX_PAGES,
			    VM_MAP, PAGE_KERNEL);
	if (!mapped->data)
		goto err_pages;
	for (side = 0; side < IPCSHIM_NR_SIDES; side++)
		mapped->sides[side].index = page_address(mapped->pages[side]);
	atomic64_add(ipcshim_mapped_bytes(capacity, messages),
		     &ipcshim_totals.ring_bytes);
	return mapped;

err_pages:
	mapped_free_pages(mapped);
	kvfree(mapped);
	return ERR_PTR(err);
}

void ipcshim_mapped_destroy(struct ipcshim_mapped *mapped)
{
	if (!mapped)
		return;
	/* What is still pinned (a read into it by direct I/O) goes with its pin. */
	vunmap(mapped->data);
	mapped_free_pages(mapped);
	atomic64_sub(mapped->area + INDEX_PAGES * PAGE_SIZE,
		     &ipcshim_totals.ring_bytes);
	kvfree(mapped);
}

bool ipcshim_mapped_somewhere(const struct ipcshim_mapped *mapped, int side)
{
	return READ_ONCE(mapped->sides[side].mm);
}

bool ipcshim_mapped_elsewhere(const struct ipcshim_mapped *mapped, int side)
{
	struct mm_struct *mm = READ_ONCE(mapped->sides[side].mm);

	return mm && mm != current->mm;
}

static struct ipcshim_end *vma_end(const struct vm_area_struct *vma)
{
	const struct ipcshim_end_file *end_file = vma->vm_file->private_data;

	return end_file->end;
}

/* One more mapping of an end.  -EBUSY: another process has some. */
static int mapped_get(struct ipcshim_mapped *mapped, int side,
		      struct mm_struct *mm)
{
	struct ipcshim_mapped_side *mine = &mapped->sides[side];
	int err = 0;

	spin_lock(&mapped->lock);
	if (mine->mm && mine->mm != mm) {
		err = -EBUSY;
	} else {
		WRITE_ONCE(mine->mm, mm);
		mine->mappings++;
	}
	spin_unlock(&mapped->lock);
	return err;
}

/* ->vm_private_data is the process that it is for; NULL: it is dead. */
static void mapped_vm_open(struct vm_area_struct *vma)
{
	struct ipcshim_end *end = vma_end(vma);

	/* Inherited after all, by way of MADV_DOFORK. */
	if (vma->vm_mm != vma->vm_private_data)
		vma->vm_private_data = NULL;
	/* Split or moved. */
	if (vma->vm_private_data)
		WARN_ON_ONCE(mapped_get(ipcshim_pipe_of(end)->mapped,
					end->side, vma->vm_mm));
}

static void mapped_vm_close(struct vm_area_struct *vma)
{
	struct ipcshim_end_file *end_file = vma->vm_file->private_data;
	struct ipcshim_end *end = end_file->end;
	struct ipcshim_mapped *mapped = ipcshim_pipe_of(end)->mapped;
	struct ipcshim_mapped_side *mine = &mapped->sides[end->side];

	if (vma->vm_private_data) {
		spin_lock(&mapped->lock);
		if (!--mine->mappings)
			WRITE_ONCE(mine->mm, NULL);
		spin_unlock(&mapped->lock);
	}
	/*
	 * The file may go with it, without a ->flush.  Somebody else who is the
	 * last to look at the memory of a dead process knows nothing of how
	 * that died.
	 */
	if (vma->vm_mm == current->mm ||
	    ipcshim_ending_of_current().how != IPCSHIM_HOW_CLOSED)
		ipcshim_ending_leave(&end_file->ending);
}

static vm_fault_t mapped_vm_fault(struct vm_fault *vmf)
{
	struct ipcshim_end *end = vma_end(vmf->vma);
	struct ipcshim_mapped *mapped = ipcshim_pipe_of(end)->mapped;

	if (!vmf->vma->vm_private_data || vmf->pgoff >= mapped->nr_pages)
		return VM_FAULT_SIGBUS;
	get_page(mapped->pages[vmf->pgoff]);
	vmf->page = mapped->pages[vmf->pgoff];
	return 0;
}

static const struct vm_operations_struct mapped_vm_ops = {
	.open = mapped_vm_open,
	.close = mapped_vm_close,
	.fault = mapped_vm_fault,
};

/* Are all of these pages of the layout for that side to write? */
static bool mapped_writable(int side, unsigned long first, unsigned long count)
{
	if (count == 1 && first == side)
		return true;
	return side == IPCSHIM_SENDER && first >= INDEX_PAGES;
}

int ipcshim_mapped_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct ipcshim_end_file *end_file = file->private_data;
	struct ipcshim_end *end = end_file->end;
	struct ipcshim_mapped *mapped = ipcshim_pipe_of(end)->mapped;
	unsigned long first = vma->vm_pgoff, count = vma_pages(vma);
	int err;

	if (!mapped)
		return -ENODEV;
	if (!(vma->vm_flags & VM_SHARED))
		return -EINVAL;
	if (first > mapped->nr_pages || count > mapped->nr_pages - first)
		return -ENXIO;
	if (vma->vm_flags & VM_EXEC)
		return -EACCES;
	if (!mapped_writable(end->side, first, count)) {
		if (vma->vm_flags & VM_WRITE)
			return -EACCES;
		vm_flags_clear(vma, VM_MAYWRITE);
	}
	err = mapped_get(mapped, end->side, vma->vm_mm);
	if (err)
		return err;
	vm_flags_clear(vma, VM_MAYEXEC);
	vm_flags_set(vma, VM_DONTCOPY | VM_DONTEXPAND);
	vma->vm_private_data = vma->vm_mm;
	vma->vm_ops = &mapped_vm_ops;
	trace_ipcshim_map(end, first, count, vma->vm_flags & VM_WRITE);
	return 0;
}
