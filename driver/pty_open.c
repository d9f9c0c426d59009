// SPDX-License-Identifier: GPL-2.0-only
/* Opening a pty, and its slave; handing the slave to other processes. */
#include <linux/cred.h>
#include <linux/file.h>
#include <linux/uaccess.h>

#include "port.h"
#include "pty.h"
#include "token.h"
#include "trace.h"

/* An open of the slave that needs no path. */
static struct file *slave_file(const struct path *path, int flags)
{
	return dentry_open(path, flags, current_cred());
}

static struct ipcshim_pty *object_slave(struct ipcshim_object *object)
{
	return container_of(object, struct ipcshim_pty, slave);
}

static const char *master_name(const struct ipcshim_object *object)
{
	return "pty";
}

static void master_evict(struct ipcshim_object *object)
{
	ipcshim_pty_put(container_of(object, struct ipcshim_pty, master));
}

static const struct ipcshim_object_ops master_object_ops = {
	.name = master_name,
	.evict = master_evict,
};

static const char *slave_name(const struct ipcshim_object *object)
{
	return container_of(object, struct ipcshim_pty, slave)->name;
}

static void slave_evict(struct ipcshim_object *object)
{
	ipcshim_pty_put(object_slave(object));
}

static const struct ipcshim_object_ops slave_object_ops = {
	.name = slave_name,
	.evict = slave_evict,
};

/* The master's file.  The caller's reference to the pty is its inode's now. */
static struct file *pty_make_master(struct ipcshim_pty *pty, bool nonblock)
{
	struct inode *inode;
	struct file *file;

	pty->master.ops = &master_object_ops;
	inode = ipcshim_object_inode(&pty->master, S_IFCHR | 0600,
				     &ipcshim_pty_master_fops);
	if (IS_ERR(inode)) {
		ipcshim_pty_unlist(pty);
		ipcshim_pty_put(pty);
		return ERR_CAST(inode);
	}
	pty->ino = inode->i_ino;
	file = ipcshim_object_file(inode, ipcshim_object_mnt(),
				   O_RDWR | (nonblock ? O_NONBLOCK : 0),
				   &ipcshim_pty_master_fops);
	if (IS_ERR(file))
		ipcshim_pty_unlist(pty);
	else
		file->private_data = pty;
	iput(inode);
	return file;
}

/* An inode of the slave's device, below no path. */
static int pty_make_slave(struct ipcshim_pty *pty)
{
	struct vfsmount *mnt = ipcshim_object_mnt();
	struct dentry *dentry;
	struct inode *inode;

	pty->slave.ops = &slave_object_ops;
	tty_port_get(&pty->port);
	inode = ipcshim_object_inode(&pty->slave, S_IFCHR | 0600, NULL);
	if (IS_ERR(inode)) {
		ipcshim_pty_put(pty);
		return PTR_ERR(inode);
	}
	init_special_inode(inode, inode->i_mode,
			   ipcshim_pty_slave_dev(pty->index));
	dentry = d_alloc_anon(mnt->mnt_sb);
	if (!dentry) {
		iput(inode);
		return -ENOMEM;
	}
	d_instantiate(dentry, inode);
	pty->slave_ino = inode->i_ino;
	pty->slave_path.mnt = mntget(mnt);
	pty->slave_path.dentry = dentry;
	return 0;
}

/* What is made so far goes with the master's file, should one of these fail. */
static int pty_make_rest(struct ipcshim_pty *pty)
{
	struct ipcshim_pty_node *node;
	struct file *anchor;
	int err;

	err = pty_make_slave(pty);
	if (err)
		return err;
	WRITE_ONCE(pty->opener, current);
	anchor = slave_file(&pty->slave_path, O_RDWR | O_NOCTTY);
	WRITE_ONCE(pty->opener, NULL);
	if (IS_ERR(anchor))
		return PTR_ERR(anchor);
	pty->anchor = anchor;
	node = ipcshim_pty_node_add(pty);
	if (IS_ERR(node))
		return PTR_ERR(node);
	pty->node = node;
	return 0;
}

int ipcshim_pty_open(struct ipcshim_open_pty __user *uarg)
{
	struct ipcshim_open_pty arg;
	struct ipcshim_pty *pty;
	struct file *file;
	int err;

	err = ipcshim_copy_in(&arg, uarg, sizeof(arg));
	if (err)
		return err;
	if (arg.flags & ~IPCSHIM_OPEN_NONBLOCK || arg.reserved0 || arg.reserved)
		return -EINVAL;
	pty = ipcshim_pty_create();
	if (IS_ERR(pty))
		return PTR_ERR(pty);
	pty->size = (struct winsize) {
		.ws_row = arg.rows,
		.ws_col = arg.columns,
		.ws_xpixel = arg.x_pixels,
		.ws_ypixel = arg.y_pixels,
	};
	file = pty_make_master(pty, arg.flags & IPCSHIM_OPEN_NONBLOCK);
	if (IS_ERR(file))
		return PTR_ERR(file);
	err = pty_make_rest(pty);
	if (err)
		goto err_file;
	arg.fd = get_unused_fd_flags(O_CLOEXEC);
	if (arg.fd < 0) {
		err = arg.fd;
		goto err_file;
	}
	arg.index = pty->index;
	arg.inode = pty->ino;
	arg.slave_inode = pty->slave_ino;
	err = ipcshim_copy_out(uarg, &arg, sizeof(arg));
	if (err)
		goto err_fd;

	/* From here on nothing fails. */
	trace_ipcshim_pty_open(pty);
	fd_install(arg.fd, file);
	return 0;

err_fd:
	put_unused_fd(arg.fd);
err_file:
	fput(file);
	return err;
}

#define PEER_FLAGS	(O_ACCMODE | O_NOCTTY | O_NONBLOCK | O_CLOEXEC)

int ipcshim_pty_open_peer(struct ipcshim_pty *pty, int flags)
{
	struct file *file;
	int fd;

	flags &= PEER_FLAGS;
	fd = get_unused_fd_flags(flags & O_CLOEXEC);
	if (fd < 0)
		return fd;
	file = slave_file(&pty->slave_path, flags & ~O_CLOEXEC);
	if (IS_ERR(file)) {
		put_unused_fd(fd);
		return PTR_ERR(file);
	}
	fd_install(fd, file);
	return fd;
}

static struct file *slave_parcel_open(struct ipcshim_parcel *parcel,
				      struct ipcshim_process *process,
				      struct ipcshim_claim *claim)
{
	struct ipcshim_pty *pty = object_slave(parcel->object);
	struct path path = {
		.mnt = parcel->mnt,
		/* Held by the parcel, as its inode is. */
		.dentry = pty->slave_path.dentry,
	};
	int flags = O_RDWR | O_NOCTTY;
	struct file *file;

	if (claim->flags & IPCSHIM_CLAIM_NONBLOCK)
		flags |= O_NONBLOCK;
	claim->rights = 0;
	claim->mode = IPCSHIM_PTY_SLAVE;
	claim->index = pty->index;
	claim->inode = pty->slave_ino;
	claim->length = 0;
	file = slave_file(&path, flags);
	if (IS_ERR(file) && test_bit(IPCSHIM_PTY_GONE, &pty->flags))
		return ERR_PTR(-ESTALE);
	return file;
}

static void slave_parcel_opened(struct file *file,
				struct ipcshim_process *process)
{
}

static void slave_parcel_drop(struct ipcshim_parcel *parcel,
			      const struct ipcshim_ending *ending)
{
	dput(object_slave(parcel->object)->slave_path.dentry);
	iput(parcel->inode);
	mntput(parcel->mnt);
}

static const struct ipcshim_parcel_ops slave_parcel_ops = {
	.open = slave_parcel_open,
	.opened = slave_parcel_opened,
	.drop = slave_parcel_drop,
};

static void slave_token_bind(struct ipcshim_token *token,
			     struct ipcshim_pty *pty)
{
	struct dentry *dentry = dget(pty->slave_path.dentry);
	struct winsize size;

	token->parcel = (struct ipcshim_parcel) {
		.ops = &slave_parcel_ops,
		.object = &pty->slave,
		.inode = d_inode(dentry),
		.mnt = mntget(pty->slave_path.mnt),
	};
	ihold(token->parcel.inode);
	if (!token->event)
		return;
	ipcshim_pty_size(pty, &size);
	token->event->recv_pty = (struct ipcshim_recv_pty) {
		.index = pty->index,
		.rows = size.ws_row,
		.columns = size.ws_col,
		.x_pixels = size.ws_xpixel,
		.y_pixels = size.ws_ypixel,
		.inode = pty->slave_ino,
	};
}

int ipcshim_pty_send(struct ipcshim_pty *pty,
		     struct ipcshim_send_pty __user *uarg)
{
	struct ipcshim_send_pty arg;
	struct ipcshim_token *token;
	int err;

	err = ipcshim_copy_in(&arg, uarg, sizeof(arg));
	if (err)
		return err;
	if (!arg.pid || arg.flags & ~IPCSHIM_OPEN_SKIP ||
	    memchr_inv(arg.reserved, 0, sizeof(arg.reserved)))
		return -EINVAL;
	token = ipcshim_token_prepare(arg.pid, IPCSHIM_EVENT_RECV_PTY,
				      arg.command,
				      arg.flags & IPCSHIM_OPEN_SKIP);
	if (IS_ERR(token))
		return PTR_ERR(token);
	arg.token = token->id;
	err = ipcshim_copy_out(uarg, &arg, sizeof(arg));
	if (err) {
		ipcshim_token_cancel(token);
		return err;
	}

	/* From here on nothing fails. */
	slave_token_bind(token, pty);
	trace_ipcshim_pty_send(pty, arg.pid, arg.token);
	ipcshim_token_publish(token);
	return 0;
}
