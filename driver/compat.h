/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Differences between the kernels that are supported, as Kbuild has found them
 * in the tree (never by version: distributions backport).  Forced in before
 * every file, so that the files read as for the newest kernel.
 */
#ifndef _IPCSHIM_COMPAT_H
#define _IPCSHIM_COMPAT_H

#include <linux/fs.h>

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

/* Before 6.18. */
#ifndef IPCSHIM_HAVE_INODE_JUST_DROP
#define inode_just_drop generic_delete_inode
#endif

#endif /* _IPCSHIM_COMPAT_H */
