// SPDX-License-Identifier: GPL-2.0-only
#include <linux/file.h>
#include <linux/mm.h>
#include <linux/pid.h>
#include <linux/uaccess.h>

#include "port.h"
#include "process.h"
#include "segment.h"

/* So many pids are told at most. */
#define INFO_HOLDERS_MAX	16384

#define CREATE_FLAGS	(IPCSHIM_MEM_SMALL_PAGES | IPCSHIM_MEM_LARGE_PAGES)

int ipcshim_segment_make(struct ipcshim_port *port,
			 struct ipcshim_create_mem __user *uarg)
{
	struct ipcshim_create_mem arg;
	struct ipcshim_segment *segment;
	struct file *file;
	int err;

	err = ipcshim_copy_in(&arg, uarg, sizeof(arg));
	if (err)
		return err;
	if (arg.flags & ~CREATE_FLAGS || arg.flags == CREATE_FLAGS ||
	    arg.reserved || arg.length & ~PAGE_MASK)
		return -EINVAL;
	if (arg.flags & IPCSHIM_MEM_LARGE_PAGES)
		arg.length = ipcshim_memory_whole_large(arg.length);
	file = ipcshim_segment_new(arg.length,
				   arg.flags & IPCSHIM_MEM_SMALL_PAGES);
	if (IS_ERR(file))
		return PTR_ERR(file);

	segment = file->private_data;
	arg.inode = segment->ino;
	arg.fd = get_unused_fd_flags(O_CLOEXEC);
	if (arg.fd < 0) {
		err = arg.fd;
		goto err_file;
	}
	err = ipcshim_copy_out(uarg, &arg, sizeof(arg));
	if (err)
		goto err_fd;
	fd_install(arg.fd, file);
	return 0;

err_fd:
	put_unused_fd(arg.fd);
err_file:
	fput(file);
	return err;
}

/* The pids of those who have it MUTUAL, as far as there is room; how many. */
static u32 info_holders(struct ipcshim_memory *memory, u32 *pids, u32 room)
{
	struct ipcshim_segment *grant;
	u32 nr = 0;

	lockdep_assert_held(&memory->lock);
	list_for_each_entry(grant, &memory->grants, in_memory) {
		if (grant->mode != IPCSHIM_MEM_MUTUAL)
			continue;
		/* One in a message that nobody has read yet has no pid. */
		if (nr < room)
			pids[nr] = grant->receiver ?
				   pid_vnr(grant->receiver->pid) : 0;
		nr++;
	}
	return nr;
}

static int segment_info_locked(struct ipcshim_segment *segment,
			       struct ipcshim_mem_info *info, u32 *pids,
			       u32 room)
{
	struct ipcshim_memory *memory = segment->memory;

	lockdep_assert_held(&memory->lock);
	if (segment->stale)
		return -ESTALE;
	*info = (struct ipcshim_mem_info) {
		.mode = segment->mode,
		.rights = segment->rights,
		.length = ipcshim_memory_length(memory),
		.allocated = (u64)atomic_long_read(&memory->allocated)
			     << PAGE_SHIFT,
		.inode = segment->ino,
		.deadline = segment->deadline,
		.sharer = pid_vnr(segment->sharer),
		.nr_holders = info_holders(memory, pids, room),
		.holders = info->holders,
	};
	if (memory->owner == segment)
		info->flags |= IPCSHIM_MEM_INFO_OWNER;
	if (memory->exports)
		info->flags |= IPCSHIM_MEM_INFO_EXPORTED;
	return 0;
}

static int segment_info(struct ipcshim_segment *segment,
			struct ipcshim_mem_info __user *uarg)
{
	u32 __user *upids;
	struct ipcshim_mem_info info;
	u32 room, *pids = NULL;
	int err;

	err = ipcshim_copy_in(&info, uarg, sizeof(info));
	if (err)
		return err;
	if (info.flags || info.reserved || (info.nr_holders && !info.holders))
		return -EINVAL;
	upids = u64_to_user_ptr(info.holders);
	if ((uintptr_t)upids != info.holders)
		return -EFAULT;
	room = min_t(u32, info.nr_holders, INFO_HOLDERS_MAX);
	if (room) {
		pids = kvmalloc_array(room, sizeof(*pids), GFP_KERNEL_ACCOUNT);
		if (!pids)
			return -ENOMEM;
	}

	err = -EINTR;
	if (!mutex_lock_killable(&segment->memory->lock)) {
		err = segment_info_locked(segment, &info, pids, room);
		mutex_unlock(&segment->memory->lock);
	}
	if (!err && copy_to_user(upids, pids, min(room, info.nr_holders) *
				 sizeof(*pids)))
		err = -EFAULT;
	kvfree(pids);
	return err ?: ipcshim_copy_out(uarg, &info, sizeof(info));
}

long ipcshim_segment_ioctl(struct file *file, unsigned int cmd,
			   unsigned long arg)
{
	struct ipcshim_segment *segment = file->private_data;
	void __user *uarg = (void __user *)arg;

	switch (cmd) {
	case IPCSHIM_SHARE_MEM:
		return ipcshim_segment_share(segment, uarg);
	case IPCSHIM_UNSHARE_MEM:
		return ipcshim_segment_unshare(segment, uarg);
	case IPCSHIM_MEM_SHARING_INFO:
		return segment_info(segment, uarg);
	case IPCSHIM_RETURN_MEM:
		return ipcshim_segment_return(segment, uarg);
	case IPCSHIM_EXPORT_DMABUF:
		return ipcshim_segment_export(segment, uarg);
	default:
		return -ENOTTY;
	}
}
