// SPDX-License-Identifier: GPL-2.0-only
/*
 * A module that uses segments of ipcshim: it tells a segment's checksum, and can
 * hold on to the segment.  A driver that lets its device read or write a
 * segment does the same with the pages.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/crc32.h>
#include <linux/err.h>
#include <linux/fs.h>
#include <linux/highmem.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include <linux/ipcshim.h>
#include <linux/ipcshim_segment.h>

#include "ipcshim_checksum.h"

/* One for each open file. */
struct checksum_user {
	struct mutex lock;		/* guards held */
	struct ipcshim_memory *held;	/* or NULL */
};

/* Never sees more than a page at a time, so it needs no address space. */
static int checksum_pages(struct ipcshim_memory *memory, u64 length, u32 *crc)
{
	u64 place;

	for (place = 0; place < length; place += PAGE_SIZE) {
		struct page *page = ipcshim_segment_page(memory, place >> PAGE_SHIFT);
		void *address;

		if (IS_ERR(page))
			return PTR_ERR(page);
		address = kmap_local_page(page);
		*crc = crc32_le(*crc, address, min_t(u64, PAGE_SIZE, length - place));
		kunmap_local(address);

		/* A segment can be gigabytes. */
		if (fatal_signal_pending(current))
			return -EINTR;
		cond_resched();
	}
	return 0;
}

static int checksum_mapped(struct ipcshim_memory *memory, u64 length, u32 *crc)
{
	void *address = ipcshim_segment_vmap(memory);
	u64 place;
	int error = 0;

	if (IS_ERR(address))
		return PTR_ERR(address);
	for (place = 0; place < length; place += PAGE_SIZE) {
		*crc = crc32_le(*crc, address + place, min_t(u64, PAGE_SIZE, length - place));
		if (fatal_signal_pending(current)) {
			error = -EINTR;
			break;
		}
		cond_resched();
	}
	ipcshim_segment_vunmap(memory, address);
	return error;
}

static int checksum_store(struct ipcshim_memory *memory, u64 place, u32 crc)
{
	struct page *page = ipcshim_segment_page(memory, place >> PAGE_SHIFT);
	__le32 stored = cpu_to_le32(crc);
	void *address;

	if (IS_ERR(page))
		return PTR_ERR(page);
	address = kmap_local_page(page);
	memcpy(address + offset_in_page(place), &stored, sizeof(stored));
	kunmap_local(address);
	/* On machines whose caches need it, processes see it now. */
	flush_dcache_page(page);
	return 0;
}

static int checksum_compute(struct ipcshim_memory *memory, struct ipcshim_checksum *args)
{
	u64 length = ipcshim_segment_size(memory);
	u32 crc = ~0U;
	int error;

	args->length = length;
	if (args->flags & IPCSHIM_CHECKSUM_STORE)
		length -= sizeof(crc);
	if (args->flags & IPCSHIM_CHECKSUM_VMAP)
		error = checksum_mapped(memory, length, &crc);
	else
		error = checksum_pages(memory, length, &crc);
	if (error)
		return error;
	args->crc32 = ~crc;
	if (args->flags & IPCSHIM_CHECKSUM_STORE)
		error = checksum_store(memory, length, args->crc32);
	return error;
}

static long checksum_ioctl_compute(struct checksum_user *user, void __user *where)
{
	struct ipcshim_memory *memory;
	struct ipcshim_checksum args;
	u16 rights = IPCSHIM_RIGHT_READ;
	long error;

	if (copy_from_user(&args, where, sizeof(args)))
		return -EFAULT;
	if (args.reserved ||
	    args.flags & ~(IPCSHIM_CHECKSUM_HOLD | IPCSHIM_CHECKSUM_VMAP | IPCSHIM_CHECKSUM_STORE))
		return -EINVAL;
	if (args.flags & IPCSHIM_CHECKSUM_STORE)
		rights |= IPCSHIM_RIGHT_WRITE;

	memory = ipcshim_segment_get(args.fd, rights);
	if (IS_ERR(memory))
		return PTR_ERR(memory);
	error = checksum_compute(memory, &args);
	if (!error && copy_to_user(where, &args, sizeof(args)))
		error = -EFAULT;
	if (!error && args.flags & IPCSHIM_CHECKSUM_HOLD) {
		mutex_lock(&user->lock);
		if (user->held)
			error = -EBUSY;
		else
			swap(user->held, memory);
		mutex_unlock(&user->lock);
	}
	if (memory)
		ipcshim_segment_put(memory);
	return error;
}

static long checksum_ioctl_release(struct checksum_user *user)
{
	struct ipcshim_memory *memory = NULL;

	mutex_lock(&user->lock);
	swap(user->held, memory);
	mutex_unlock(&user->lock);
	if (!memory)
		return -ENOENT;
	ipcshim_segment_put(memory);
	return 0;
}

static long checksum_ioctl(struct file *file, unsigned int command, unsigned long argument)
{
	switch (command) {
	case IPCSHIM_CHECKSUM_COMPUTE:
		return checksum_ioctl_compute(file->private_data, (void __user *)argument);
	case IPCSHIM_CHECKSUM_RELEASE:
		return checksum_ioctl_release(file->private_data);
	default:
		return -ENOTTY;
	}
}

static int checksum_open(struct inode *inode, struct file *file)
{
	struct checksum_user *user = kzalloc(sizeof(*user), GFP_KERNEL_ACCOUNT);

	if (!user)
		return -ENOMEM;
	mutex_init(&user->lock);
	file->private_data = user;
	return nonseekable_open(inode, file);
}

static int checksum_release(struct inode *inode, struct file *file)
{
	struct checksum_user *user = file->private_data;

	if (user->held)
		ipcshim_segment_put(user->held);
	mutex_destroy(&user->lock);
	kfree(user);
	return 0;
}

static const struct file_operations checksum_fops = {
	.owner = THIS_MODULE,
	.open = checksum_open,
	.release = checksum_release,
	.unlocked_ioctl = checksum_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
};

static struct miscdevice checksum_device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "ipcshim_checksum",
	.fops = &checksum_fops,
	.mode = 0666,
};

module_misc_device(checksum_device);
MODULE_DESCRIPTION("Tells the checksum of a segment of ipcshim: a sample");
MODULE_LICENSE("GPL");
