// SPDX-License-Identifier: GPL-2.0-only
#include <linux/cred.h>
#include <linux/dcache.h>
#include <linux/file.h>
#include <linux/fs_context.h>
#include <linux/module.h>
#include <linux/pseudo_fs.h>
#include <linux/sched/signal.h>

#include "object.h"

#define IPCSHIM_FS_MAGIC 0x69706373 /* "ipcs" */

static struct vfsmount *object_mnt;
static int object_mnt_count;
static atomic64_t object_last_ino;

static void object_evict_inode(struct inode *inode)
{
	struct ipcshim_object *object = inode->i_private;

	truncate_inode_pages_final(&inode->i_data);
	clear_inode(inode);
	if (object)
		object->ops->evict(object);
}

static const struct super_operations object_super_ops = {
	.statfs = simple_statfs,
	.drop_inode = inode_just_drop,
	.evict_inode = object_evict_inode,
};

/* What /proc/PID/fd shows.  dynamic_dname() is not exported. */
static char *object_dname(struct dentry *dentry, char *buffer, int size)
{
	struct inode *inode = d_inode(dentry);
	struct ipcshim_object *object = inode->i_private;
	char name[48];
	int len;

	len = scnprintf(name, sizeof(name), "ipcshim:[%s:%llu]",
			object->ops->name(object), (u64)inode->i_ino) + 1;
	if (len > size)
		return ERR_PTR(-ENAMETOOLONG);
	return memcpy(buffer + size - len, name, len);
}

static const struct dentry_operations object_dentry_ops = {
	.d_dname = object_dname,
};

static int object_init_fs_context(struct fs_context *fc)
{
	struct pseudo_fs_context *ctx = init_pseudo(fc, IPCSHIM_FS_MAGIC);

	if (!ctx)
		return -ENOMEM;
	/* Segments are mapped to execute, where the rights say so. */
	fc->s_iflags &= ~SB_I_NOEXEC;
	ctx->ops = &object_super_ops;
	ctx->dops = &object_dentry_ops;
	return 0;
}

static struct file_system_type object_fs_type = {
	.name = "ipcshim",
	.owner = THIS_MODULE,
	.init_fs_context = object_init_fs_context,
	.kill_sb = kill_anon_super,
};

int ipcshim_object_mount(void)
{
	return simple_pin_fs(&object_fs_type, &object_mnt, &object_mnt_count);
}

void ipcshim_object_unmount(void)
{
	simple_release_fs(&object_mnt, &object_mnt_count);
}

struct vfsmount *ipcshim_object_mnt(void)
{
	return object_mnt;
}

/* A new inode.  The caller's reference to the object is now the inode's. */
struct inode *ipcshim_object_inode(struct ipcshim_object *object, umode_t mode,
				   const struct file_operations *fops)
{
	struct inode *inode = new_inode(object_mnt->mnt_sb);

	if (!inode)
		return ERR_PTR(-ENOMEM);
	inode->i_ino = atomic64_inc_return(&object_last_ino);
	inode->i_mode = mode;
	inode->i_uid = current_fsuid();
	inode->i_gid = current_fsgid();
	simple_inode_init_ts(inode);
	inode->i_fop = fops;
	inode->i_private = object;
	return inode;
}

bool ipcshim_object_owns(const struct inode *inode)
{
	return inode->i_sb->s_magic == IPCSHIM_FS_MAGIC;
}

/*
 * A file on an inode.  It takes references of its own to the inode, the mount
 * and the module.  private_data is NULL: ->release must bear that.
 */
struct file *ipcshim_object_file(struct inode *inode, struct vfsmount *mnt,
				 int flags, const struct file_operations *fops)
{
	struct file *file;

	/* fput() drops a reference to the module that nobody took for us. */
	__module_get(THIS_MODULE);
	ihold(inode);
	file = alloc_file_pseudo(inode, mnt, "", flags, fops);
	if (IS_ERR(file)) {
		iput(inode);
		module_put(THIS_MODULE);
		return file;
	}
	stream_open(inode, file);
	file->f_mode |= FMODE_NOWAIT;
	return file;
}

int ipcshim_object_get_fds(s32 *fd, s32 *peer_fd, bool both)
{
	int err;

	*peer_fd = -1;
	*fd = get_unused_fd_flags(O_CLOEXEC);
	if (*fd < 0 || !both)
		return min(*fd, 0);
	*peer_fd = get_unused_fd_flags(O_CLOEXEC);
	if (*peer_fd >= 0)
		return 0;
	err = *peer_fd;
	put_unused_fd(*fd);
	return err;
}

void ipcshim_object_put_fds(s32 fd, s32 peer_fd)
{
	if (peer_fd >= 0)
		put_unused_fd(peer_fd);
	put_unused_fd(fd);
}

struct ipcshim_ending ipcshim_ending_of_current(void)
{
	struct ipcshim_ending ending = { .how = IPCSHIM_HOW_CLOSED };
	int code = current->exit_code;

	if (current->flags & PF_EXITING) {
		if (code & 0x7f) {
			ending.how = IPCSHIM_HOW_KILLED;
			ending.status = code & 0x7f;
		} else {
			ending.how = IPCSHIM_HOW_EXITED;
			ending.status = (code >> 8) & 0xff;
		}
	} else if (current->in_execve) {
		ending.how = IPCSHIM_HOW_EXECUTED;
	}
	return ending;
}

void ipcshim_ending_leave(struct ipcshim_ending_hint *hint)
{
	struct ipcshim_ending ending = ipcshim_ending_of_current();

	atomic_set(&hint->word, ending.how << 16 | ending.status);
}

struct ipcshim_ending ipcshim_ending_take(struct ipcshim_ending_hint *hint)
{
	u32 word = atomic_read(&hint->word);

	/* Never in a table of descriptors: nobody has flushed it. */
	if (!word)
		return ipcshim_ending_of_current();
	return (struct ipcshim_ending) {
		.how = word >> 16,
		.status = (u16)word,
	};
}
