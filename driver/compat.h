/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Differences between the kernels that are supported, as Kbuild has found them
 * in the tree (never by version: distributions backport).  Forced in before
 * every file, so that the files read as for the newest kernel.
 */
#ifndef _IPCSHIM_COMPAT_H
#define _IPCSHIM_COMPAT_H

#include <linux/fs.h>
#include <linux/hrtimer.h>
#include <linux/mm.h>
#include <linux/types.h>
#include <linux/uio.h>

/* Before 6.3. */
#ifndef IPCSHIM_HAVE_VM_FLAGS_SET
static inline void vm_flags_set(struct vm_area_struct *vma, vm_flags_t flags)
{
	vma->vm_flags |= flags;
}

static inline void vm_flags_clear(struct vm_area_struct *vma, vm_flags_t flags)
{
	vma->vm_flags &= ~flags;
}
#endif

/* The first argument of many inode operations; before 6.3 a user namespace. */
#ifdef IPCSHIM_HAVE_MNT_IDMAP
#define ipcshim_mnt_idmap mnt_idmap
#else
#define ipcshim_mnt_idmap user_namespace
#endif

/* The name of a namespace is a string; before 6.13 it was made one. */
#ifdef IPCSHIM_HAVE_STRINGIFIED_NS
#define IPCSHIM_IMPORT_NS_DMA_BUF MODULE_IMPORT_NS(DMA_BUF)
#else
#define IPCSHIM_IMPORT_NS_DMA_BUF MODULE_IMPORT_NS("DMA_BUF")
#endif

/* Before 6.5. */
#ifndef IPCSHIM_HAVE_COPY_SPLICE_READ
#define copy_splice_read generic_file_splice_read
#endif

/* Before 6.7. */
#ifndef IPCSHIM_HAVE_SIMPLE_INODE_INIT_TS
static inline void simple_inode_init_ts(struct inode *inode)
{
	inode->i_atime = current_time(inode);
	inode->i_mtime = inode->i_atime;
	inode->i_ctime = inode->i_atime;
}
#endif

/* Before 6.13. */
#ifndef IPCSHIM_HAVE_HRTIMER_SETUP
static inline void hrtimer_setup(struct hrtimer *timer,
				 enum hrtimer_restart (*function)(struct hrtimer *),
				 clockid_t clock, enum hrtimer_mode mode)
{
	hrtimer_init(timer, clock, mode);
	timer->function = function;
}
#endif

/* Before 6.10. */
#ifndef IPCSHIM_HAVE_KFIFO_SKIP_COUNT
#define kfifo_skip_count kfifo_dma_out_finish
#endif

/* The types of a tty's ->write; before 6.6 they were int. */
#ifdef IPCSHIM_HAVE_TTY_WRITE_SSIZE
#define ipcshim_tty_ssize ssize_t
#define ipcshim_tty_size size_t
#else
#define ipcshim_tty_ssize int
#define ipcshim_tty_size int
#endif

/* The type of what a tty_port's client ->receive_buf answers; before 6.6 int. */
#ifdef IPCSHIM_HAVE_RECEIVE_BUF_SIZE
#define ipcshim_receive_size size_t
#else
#define ipcshim_receive_size int
#endif

/* What the ->devnode of a device's type gets; before 6.3 it could be written to. */
#ifdef IPCSHIM_HAVE_DEVNODE_CONST
#define ipcshim_const_device const struct device
#else
#define ipcshim_const_device struct device
#endif

/* Before 7.0 all flip buffers were emptied on one workqueue. */
#ifndef IPCSHIM_HAVE_TTY_PORT_LINK_WQ
#define TTY_DRIVER_NO_WORKQUEUE 0
#define tty_port_link_wq(port, workqueue) do { } while (0)
#endif

/*
 * copy_from_user() and copy_to_user() without the check of the object's size: for
 * bounds that are our own.  Before 6.11 these had the other name.
 */
#ifdef IPCSHIM_HAVE__INLINE_COPY_FROM_USER
#define ipcshim_copy_from_user _inline_copy_from_user
#define ipcshim_copy_to_user _inline_copy_to_user
#else
#define ipcshim_copy_from_user _copy_from_user
#define ipcshim_copy_to_user _copy_to_user
#endif

/* Before 6.4. */
#ifndef IPCSHIM_HAVE_ITER_IOV_ADDR
static inline void __user *iter_iov_addr(const struct iov_iter *iter)
{
	return iter->iov->iov_base + iter->iov_offset;
}
#endif

/* Before 6.18. */
#ifndef IPCSHIM_HAVE_INODE_JUST_DROP
#define inode_just_drop generic_delete_inode
#endif

#endif /* _IPCSHIM_COMPAT_H */
