/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * DOC: objects: inodes and files of our own
 *
 * Every object has an inode in a private pseudo file system, so fstat() tells
 * whether two descriptors name the same one.  The file system is mounted while
 * a port is open or an object lives.  The mount holds the module, which is what
 * makes unloading safe: an inode is evicted, by code of ours, after the file's
 * own reference to the module is gone.
 */
#ifndef _IPCSHIM_OBJECT_H
#define _IPCSHIM_OBJECT_H

#include <linux/fs.h>
#include <linux/mount.h>
#include <linux/uaccess.h>

#include "ipcshim.h"

/* The part of every object that its inode knows: inode->i_private. */
struct ipcshim_object {
	const struct ipcshim_object_ops *ops;
};

struct ipcshim_object_ops {
	const char *(*name)(const struct ipcshim_object *object);
	/* The inode is gone, and with it its reference to the object. */
	void (*evict)(struct ipcshim_object *object);
};

int ipcshim_object_mount(void);
void ipcshim_object_unmount(void);
/* The mount, while the caller has one by ipcshim_object_mount(). */
struct vfsmount *ipcshim_object_mnt(void);

struct inode *ipcshim_object_inode(struct ipcshim_object *object, umode_t mode,
				   const struct file_operations *fops);
/* Is it one of those? */
bool ipcshim_object_owns(const struct inode *inode);
struct file *ipcshim_object_file(struct inode *inode, struct vfsmount *mnt,
				 int flags, const struct file_operations *fops);

/* Numbers for two descriptors, of the second (else -1) only if "both". */
int ipcshim_object_get_fds(s32 *fd, s32 *peer_fd, bool both);
void ipcshim_object_put_fds(s32 fd, s32 peer_fd);

/* How the current process lets go of a file. */
struct ipcshim_ending ipcshim_ending_of_current(void);

/*
 * ->flush is not the end of a file, but its caller knows how that comes, should
 * it come now: it leaves a hint.  ->release, which may run in any task, takes it.
 */
struct ipcshim_ending_hint {
	atomic_t word;
};

void ipcshim_ending_leave(struct ipcshim_ending_hint *hint);
struct ipcshim_ending ipcshim_ending_take(struct ipcshim_ending_hint *hint);

/*
 * Copy an argument in: the flags and reserved fields are the caller's to check.
 * Always inline, so that the size is a constant to the usercopy check.
 */
static __always_inline int ipcshim_copy_in(void *arg, const void __user *uarg,
					   size_t size)
{
	return copy_from_user(arg, uarg, size) ? -EFAULT : 0;
}

static __always_inline int ipcshim_copy_out(void __user *uarg, const void *arg,
					    size_t size)
{
	return copy_to_user(uarg, arg, size) ? -EFAULT : 0;
}

#endif /* _IPCSHIM_OBJECT_H */
