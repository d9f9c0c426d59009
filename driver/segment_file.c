// SPDX-License-Identifier: GPL-2.0-only
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/poll.h>
#include <linux/proc_fs.h>
#include <linux/seq_file.h>

#include "segment.h"

/* By way of /proc/PID/fd: one more file of the same grant, no wider one. */
static int segment_open(struct inode *inode, struct file *file)
{
	struct ipcshim_segment *segment =
		ipcshim_object_segment(inode->i_private);

	if (file->f_mode & FMODE_WRITE &&
	    !(segment->rights & IPCSHIM_RIGHT_WRITE))
		return -EACCES;
	if (ipcshim_segment_stale(segment) || ipcshim_segment_get_user(segment))
		return -ESTALE;
	file->private_data = segment;
	stream_open(inode, file);
	file->f_mode |= FMODE_NOWAIT;
	return 0;
}

static int segment_flush(struct file *file, fl_owner_t id)
{
	struct ipcshim_segment *segment = file->private_data;

	ipcshim_ending_leave(&segment->ending);
	return 0;
}

static int segment_release(struct inode *inode, struct file *file)
{
	struct ipcshim_segment *segment = file->private_data;
	struct ipcshim_ending ending;

	/* A file that was never finished. */
	if (!segment)
		return 0;
	ending = ipcshim_ending_take(&segment->ending);
	ipcshim_segment_put_user(segment, &ending);
	return 0;
}

static __poll_t segment_poll(struct file *file, poll_table *wait)
{
	struct ipcshim_segment *segment = file->private_data;

	poll_wait(file, &segment->wait, wait);
	return ipcshim_segment_stale(segment) ? EPOLLHUP : 0;
}

static int segment_fasync(int fd, struct file *file, int on)
{
	struct ipcshim_segment *segment = file->private_data;

	return fasync_helper(fd, file, on, &segment->fasync);
}

/* A length is for good, and rights are not those of the inode. */
static int segment_setattr(struct ipcshim_mnt_idmap *idmap,
			   struct dentry *dentry, struct iattr *attr)
{
	return -EPERM;
}

const struct inode_operations ipcshim_segment_iops = {
	.setattr = segment_setattr,
};

#ifdef CONFIG_PROC_FS
static const char *const segment_modes[] = {
	[IPCSHIM_MEM_MUTUAL] = "mutual",
	[IPCSHIM_MEM_EXCLUSIVE] = "exclusive",
	[IPCSHIM_MEM_LENT] = "lent",
	[IPCSHIM_MEM_RETURNED] = "returned",
	[IPCSHIM_MEM_MADE] = "made",
};

static void segment_show_fdinfo(struct seq_file *m, struct file *file)
{
	struct ipcshim_segment *segment = file->private_data;
	struct ipcshim_memory *memory = segment->memory;
	unsigned int holders = 0, exports;
	struct ipcshim_segment *grant;
	u16 rights = segment->rights;
	bool owner;

	if (mutex_lock_killable(&memory->lock))
		return;
	owner = memory->owner == segment;
	exports = memory->exports;
	list_for_each_entry(grant, &memory->grants, in_memory)
		holders += grant->mode == IPCSHIM_MEM_MUTUAL;
	mutex_unlock(&memory->lock);

	seq_printf(m, "ipcshim-mode:\t%s\n", segment_modes[segment->mode]);
	seq_printf(m, "ipcshim-rights:\t%c%c%c%s\n",
		   rights & IPCSHIM_RIGHT_READ ? 'r' : '-',
		   rights & IPCSHIM_RIGHT_WRITE ? 'w' : '-',
		   rights & IPCSHIM_RIGHT_EXECUTE ? 'x' : '-',
		   rights & IPCSHIM_RIGHT_COPY_ON_WRITE ? "c" : "");
	seq_printf(m, "ipcshim-length:\t%llu\n", ipcshim_memory_length(memory));
	seq_printf(m, "ipcshim-allocated:\t%llu\n",
		   (u64)atomic_long_read(&memory->allocated) << PAGE_SHIFT);
	seq_printf(m, "ipcshim-owner:\t%d\n", owner);
	seq_printf(m, "ipcshim-stale:\t%d\n",
		   ipcshim_segment_stale(segment) != IPCSHIM_LIVE);
	seq_printf(m, "ipcshim-holders:\t%u\n", holders);
	seq_printf(m, "ipcshim-exports:\t%u\n", exports);
	seq_printf(m, "ipcshim-sharer:\t%d\n",
		   pid_nr_ns(segment->sharer,
			     proc_pid_ns(file_inode(m->file)->i_sb)));
	seq_printf(m, "ipcshim-deadline:\t%llu\n", segment->deadline);
}
#endif

const struct file_operations ipcshim_segment_fops = {
	.owner = THIS_MODULE,
	.open = segment_open,
	.flush = segment_flush,
	.release = segment_release,
	.mmap = ipcshim_segment_mmap,
#ifdef CONFIG_TRANSPARENT_HUGEPAGE
	/* Where large pages can be mapped as such. */
	.get_unmapped_area = thp_get_unmapped_area,
#endif
	.fsync = noop_fsync,
	.poll = segment_poll,
	.fasync = segment_fasync,
	.unlocked_ioctl = ipcshim_segment_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
#ifdef CONFIG_PROC_FS
	.show_fdinfo = segment_show_fdinfo,
#endif
};
