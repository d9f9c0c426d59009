// SPDX-License-Identifier: GPL-2.0-only
/*
 * ADOPT_MEM: copy a range of anonymous memory into pages of our own, and map
 * those in its place.  (The anonymous pages themselves can't be mapped anywhere
 * else: the core keeps other books of them.)
 */
#include <linux/file.h>
#include <linux/highmem.h>
#include <linux/mm.h>
#include <linux/mman.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/uaccess.h>
#include <linux/userfaultfd_k.h>

#include "port.h"
#include "segment.h"
#include "trace.h"

/* A device, a stack, memory with tags: more than plain pages. */
#define ADOPT_SPECIAL	(VM_IO | VM_PFNMAP | VM_GROWSDOWN | VM_GROWSUP | VM_MTE)

static int adopt_check_vma(struct vm_area_struct *vma)
{
	unsigned long flags = vma->vm_flags;

	if (is_vm_hugetlb_page(vma))
		return -EOPNOTSUPP;
	if (flags & (VM_SHARED | VM_MAYSHARE))
		return -EALREADY;
	if (flags & ADOPT_SPECIAL)
		return -ENXIO;
	if (!vma_is_anonymous(vma))
		return vma->vm_file ? -ENODEV : -ENXIO;
	if (flags & VM_SPECIAL)
		return -ENXIO;
	if (flags & VM_LOCKED || userfaultfd_armed(vma))
		return -EBUSY;
	if ((flags & (VM_READ | VM_WRITE | VM_EXEC)) != (VM_READ | VM_WRITE))
		return -EACCES;
	return 0;
}

static int adopt_check(unsigned long start, unsigned long end)
{
	struct mm_struct *mm = current->mm;
	struct vm_area_struct *vma;
	int err = 0;

	if (mmap_read_lock_killable(mm))
		return -EINTR;
	while (start < end && !err) {
		vma = find_vma(mm, start);
		if (!vma || vma->vm_start > start) {
			err = -ENOMEM;
		} else {
			err = adopt_check_vma(vma);
			start = vma->vm_end;
		}
	}
	mmap_read_unlock(mm);
	return err;
}

/* A folio's worth of the range, into a folio that is not in the store yet. */
static int adopt_copy_folio(struct folio *folio, const char __user *from,
			    bool *empty)
{
	unsigned long left;
	void *to;
	long i;

	*empty = true;
	for (i = 0; i < folio_nr_pages(folio); i++) {
		if (fatal_signal_pending(current))
			return -EINTR;
		to = kmap_local_page(folio_page(folio, i));
		left = copy_from_user(to, from + (i << PAGE_SHIFT), PAGE_SIZE);
		if (*empty && !left)
			*empty = !memchr_inv(to, 0, PAGE_SIZE);
		kunmap_local(to);
		if (left)
			return -EFAULT;
		cond_resched();
	}
	return 0;
}

/* Pages full of zeros are not kept: new ones are just that. */
static int adopt_copy(struct ipcshim_memory *memory, const char __user *from)
{
	struct folio *folio;
	pgoff_t index = 0;
	bool empty;
	int err;

	while (index < memory->nr_pages) {
		folio = ipcshim_memory_new_folio(memory, index);
		if (!folio)
			return -ENOMEM;
		err = adopt_copy_folio(folio, from + (index << PAGE_SHIFT),
				       &empty);
		index += folio_nr_pages(folio);
		if (!err && !empty)
			err = ipcshim_memory_add(memory, folio);
		if (err || empty)
			ipcshim_memory_put_folio(memory, folio);
		if (err)
			return err;
	}
	return 0;
}

static int adopt_put_back_page(struct ipcshim_memory *memory, pgoff_t index,
			       char __user *to)
{
	struct page *page;
	unsigned long left;
	void *from;

	if (!ipcshim_memory_find(memory, index, &page, 1))
		return 0;
	from = kmap_local_page(page);
	left = copy_to_user(to, from, PAGE_SIZE);
	kunmap_local(from);
	return left ? -EFAULT : 0;
}

/*
 * Before Linux 6.12 a mapping that fails over another one leaves a hole.  Fill it
 * with what was there.
 */
static int adopt_put_back(struct ipcshim_memory *memory, unsigned long start,
			  int err)
{
	unsigned long length = ipcshim_memory_length(memory);
	unsigned long mapped;
	pgoff_t index;

	if (!adopt_check(start, start + length))
		return err;
	mapped = vm_mmap(NULL, start, length, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, 0);
	if (mapped != start)
		return -ENOTRECOVERABLE;
	for (index = 0; index < memory->nr_pages; index++)
		if (adopt_put_back_page(memory, index, (char __user *)start +
					(index << PAGE_SHIFT)))
			return -ENOTRECOVERABLE;
	return err;
}

/* In one step: the range becomes a mapping of the segment, or stays. */
static int adopt_map(struct file *file, struct ipcshim_memory *memory,
		     unsigned long start)
{
	unsigned long mapped;

	mapped = vm_mmap(file, start, ipcshim_memory_length(memory),
			 PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, 0);
	if (mapped == start)
		return 0;
	return adopt_put_back(memory, start, (long)mapped);
}

static int adopt_check_arg(const struct ipcshim_adopt_mem *arg)
{
	if (arg->flags || arg->reserved)
		return -EINVAL;
	if (!arg->length || (arg->address | arg->length) & ~PAGE_MASK)
		return -EINVAL;
	/* Beyond what can be mapped, so it is not. */
	if (arg->address + arg->length < arg->address ||
	    arg->address + arg->length > TASK_SIZE)
		return -ENOMEM;
	return adopt_check(arg->address, arg->address + arg->length);
}

static int adopt_with(struct file *file, struct ipcshim_adopt_mem *arg,
		      struct ipcshim_adopt_mem __user *uarg)
{
	struct ipcshim_segment *segment = file->private_data;
	struct ipcshim_memory *memory = segment->memory;
	int err;

	arg->inode = segment->ino;
	arg->fd = get_unused_fd_flags(O_CLOEXEC);
	if (arg->fd < 0)
		return arg->fd;
	/* First: it may lie in the range, and is to be copied with it. */
	err = ipcshim_copy_out(uarg, arg, sizeof(*arg));
	if (!err)
		err = adopt_copy(memory, u64_to_user_ptr(arg->address));
	/* It went away meanwhile. */
	if (err == -EFAULT)
		err = adopt_check(arg->address, arg->address + arg->length) ?:
		      -EFAULT;
	if (!err)
		err = adopt_map(file, memory, arg->address);
	if (err) {
		put_unused_fd(arg->fd);
		return err;
	}
	trace_ipcshim_adopt(segment, arg->address, arg->length);
	fd_install(arg->fd, file);
	return 0;
}

int ipcshim_segment_adopt(struct ipcshim_port *port,
			  struct ipcshim_adopt_mem __user *uarg)
{
	struct ipcshim_adopt_mem arg;
	struct file *file;
	int err;

	err = ipcshim_copy_in(&arg, uarg, sizeof(arg));
	if (!err)
		err = adopt_check_arg(&arg);
	if (err)
		return err;
	file = ipcshim_segment_new(arg.length, false);
	if (IS_ERR(file))
		return PTR_ERR(file);
	err = adopt_with(file, &arg, uarg);
	if (err)
		fput(file);
	return err;
}
