// SPDX-License-Identifier: GPL-2.0-only
/* Opening a pipe, and handing its ends to other processes. */
#include <linux/file.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "pipe.h"
#include "port.h"
#include "token.h"
#include "trace.h"

/*
 * A file of an end that is no user of it yet.  What it needs to tell of a close
 * is allocated here.
 */
static struct file *end_file_create(struct ipcshim_end *end,
				    struct inode *inode, struct vfsmount *mnt,
				    struct ipcshim_process *process,
				    bool nonblock)
{
	struct ipcshim_end_file *end_file;
	struct file *file;
	int flags;

	end_file = ipcshim_end_file_alloc();
	if (!end_file)
		return ERR_PTR(-ENOMEM);
	end_file->event = ipcshim_event_alloc(IPCSHIM_EVENT_PIPE_CLOSED);
	if (!end_file->event) {
		ipcshim_end_file_free(end_file);
		return ERR_PTR(-ENOMEM);
	}
	end_file->end = end;
	INIT_LIST_HEAD(&end_file->in_end);

	flags = end->side == IPCSHIM_SENDER ? O_WRONLY : O_RDONLY;
	if (ipcshim_pipe_of(end)->mapped)
		flags = O_RDWR;		/* mmap wants both */
	if (nonblock)
		flags |= O_NONBLOCK;
	file = ipcshim_object_file(inode, mnt, flags, ipcshim_end_fops(end));
	if (IS_ERR(file)) {
		ipcshim_event_free(end_file->event);
		ipcshim_end_file_free(end_file);
		return file;
	}
	end_file->process = ipcshim_process_get(process);
	file->private_data = end_file;
	/* The caller has a user of this end: it is not closed by the last one. */
	spin_lock(&ipcshim_pipe_of(end)->lock);
	end->users++;
	spin_unlock(&ipcshim_pipe_of(end)->lock);
	return file;
}

static struct file *end_parcel_open(struct ipcshim_parcel *parcel,
				    struct ipcshim_process *process,
				    struct ipcshim_claim *claim)
{
	struct ipcshim_end *end = ipcshim_object_end(parcel->object);
	struct ipcshim_pipe *pipe = ipcshim_pipe_of(end);

	claim->end = ipcshim_end_code(end);
	claim->mode = ipcshim_pipe_mode(pipe);
	claim->capacity = pipe->ring.size;
	claim->inode = end->ino;
	claim->length = 0;
	return end_file_create(end, parcel->inode, parcel->mnt, process,
			       claim->flags & IPCSHIM_CLAIM_NONBLOCK);
}

static void end_parcel_drop(struct ipcshim_parcel *parcel,
			    const struct ipcshim_ending *ending)
{
	static const struct ipcshim_ending claimed = {
		.how = IPCSHIM_HOW_CLOSED,
	};

	ipcshim_end_put_user(ipcshim_object_end(parcel->object), NULL,
			     ending ?: &claimed);
	iput(parcel->inode);
	mntput(parcel->mnt);
}

static void end_parcel_opened(struct file *file,
			      struct ipcshim_process *process)
{
	ipcshim_end_hold(file->private_data);
}

static const struct ipcshim_parcel_ops end_parcel_ops = {
	.open = end_parcel_open,
	.opened = end_parcel_opened,
	.drop = end_parcel_drop,
};

/* The parcel becomes a user of this end; undone by ops->drop(). */
static void end_pack(struct ipcshim_parcel *parcel, struct ipcshim_end *end,
		     struct inode *inode, struct vfsmount *mnt)
{
	struct ipcshim_pipe *pipe = ipcshim_pipe_of(end);

	ihold(inode);
	*parcel = (struct ipcshim_parcel) {
		.ops = &end_parcel_ops,
		.object = &end->object,
		.inode = inode,
		.mnt = mntget(mnt),
	};
	spin_lock(&pipe->lock);
	end->users++;
	spin_unlock(&pipe->lock);
}

/* By whomever: then it is no longer to be given to others. */
static bool end_is_mapped(const struct ipcshim_end *end)
{
	const struct ipcshim_mapped *mapped = ipcshim_pipe_of(end)->mapped;

	return mapped && ipcshim_mapped_somewhere(mapped, end->side);
}

int ipcshim_end_pack(struct file *file, struct ipcshim_parcel *parcel)
{
	struct ipcshim_end_file *end_file = file->private_data;
	struct ipcshim_end *end = end_file->end;

	if (READ_ONCE(ipcshim_pipe_of(end)->closed_by_call))
		return -EPIPE;
	if (end_is_mapped(end))
		return -EBUSY;
	end_pack(parcel, end, file_inode(file), file->f_path.mnt);
	return 0;
}

static void end_token_bind(struct ipcshim_token *token, struct ipcshim_end *end,
			   struct inode *inode, struct vfsmount *mnt,
			   u64 size_hint)
{
	struct ipcshim_pipe *pipe = ipcshim_pipe_of(end);

	end_pack(&token->parcel, end, inode, mnt);
	if (token->event)
		token->event->recv_pipe = (struct ipcshim_recv_pipe) {
			.end = ipcshim_end_code(end),
			.mode = ipcshim_pipe_mode(pipe),
			.capacity = pipe->ring.size,
			.size_hint = size_hint,
			.inode = end->ino,
		};
}

static void end_token_unbind(struct ipcshim_token *token)
{
	end_parcel_drop(&token->parcel, NULL);
	ipcshim_token_cancel(token);
}

static int pipe_open_check(const struct ipcshim_open_pipe *arg)
{
	if (arg->flags & ~(IPCSHIM_OPEN_NONBLOCK | IPCSHIM_OPEN_SKIP |
			   IPCSHIM_OPEN_MAPPED))
		return -EINVAL;
	if (arg->flags & IPCSHIM_OPEN_SKIP && !arg->pid)
		return -EINVAL;
	if (arg->direction != IPCSHIM_END_SENDER &&
	    arg->direction != IPCSHIM_END_RECEIVER)
		return -EINVAL;
	if (arg->mode != IPCSHIM_PIPE_RAW && arg->mode != IPCSHIM_PIPE_MESSAGE)
		return -EINVAL;
	if (arg->capacity > IPCSHIM_CAPACITY_MAX)
		return -EINVAL;
	if (memchr_inv(arg->reserved, 0, sizeof(arg->reserved)))
		return -EINVAL;
	return 0;
}

/* The file of my end and, or, the other end's file or token: all or nothing. */
static int pipe_open_with(struct ipcshim_port *port, struct ipcshim_pipe *pipe,
			  struct inode *inodes[], struct ipcshim_token *token,
			  struct ipcshim_open_pipe *arg,
			  struct ipcshim_open_pipe __user *uarg)
{
	struct vfsmount *mnt = ipcshim_object_mnt();
	bool nonblock = arg->flags & IPCSHIM_OPEN_NONBLOCK;
	struct file *file, *peer_file = NULL;
	struct ipcshim_end *end, *peer;
	int err;

	end = &pipe->ends[arg->direction == IPCSHIM_END_SENDER ?
			  IPCSHIM_SENDER : IPCSHIM_RECEIVER];
	peer = ipcshim_end_peer(end);

	file = end_file_create(end, inodes[end->side], mnt, port->process,
			       nonblock);
	if (IS_ERR(file))
		return PTR_ERR(file);
	if (!token) {
		peer_file = end_file_create(peer, inodes[peer->side], mnt,
					    port->process, nonblock);
		if (IS_ERR(peer_file)) {
			err = PTR_ERR(peer_file);
			goto err_file;
		}
	}

	err = ipcshim_object_get_fds(&arg->fd, &arg->peer_fd, peer_file);
	if (err)
		goto err_peer;
	arg->token = token ? token->id : 0;
	arg->inode = end->ino;
	err = ipcshim_copy_out(uarg, arg, sizeof(*arg));
	if (err)
		goto err_fds;

	/* From here on nothing fails. */
	trace_ipcshim_open(pipe, end, arg->pid, arg->token);
	ipcshim_end_hold(file->private_data);
	if (peer_file) {
		ipcshim_end_hold(peer_file->private_data);
		fd_install(arg->peer_fd, peer_file);
	} else {
		end_token_bind(token, peer, inodes[peer->side], mnt,
			       arg->size_hint);
		ipcshim_token_publish(token);
	}
	fd_install(arg->fd, file);
	return 0;

err_fds:
	ipcshim_object_put_fds(arg->fd, arg->peer_fd);
err_peer:
	if (peer_file)
		fput(peer_file);
err_file:
	fput(file);
	return err;
}

int ipcshim_pipe_open(struct ipcshim_port *port,
		      struct ipcshim_open_pipe __user *uarg)
{
	struct inode *inodes[IPCSHIM_NR_SIDES];
	struct ipcshim_token *token = NULL;
	struct ipcshim_open_pipe arg;
	struct ipcshim_pipe *pipe;
	int err;

	err = ipcshim_copy_in(&arg, uarg, sizeof(arg));
	if (!err)
		err = pipe_open_check(&arg);
	if (err)
		return err;
	if (arg.pid) {
		token = ipcshim_token_prepare(arg.pid, IPCSHIM_EVENT_RECV_PIPE,
					      arg.command,
					      arg.flags & IPCSHIM_OPEN_SKIP);
		if (IS_ERR(token))
			return PTR_ERR(token);
	}
	pipe = ipcshim_pipe_create((arg.capacity ?: 1) * IPCSHIM_CAPACITY_UNIT,
				   arg.mode == IPCSHIM_PIPE_MESSAGE,
				   arg.flags & IPCSHIM_OPEN_MAPPED, inodes);
	if (IS_ERR(pipe)) {
		err = PTR_ERR(pipe);
		goto out_token;
	}
	err = pipe_open_with(port, pipe, inodes, token, &arg, uarg);
	/* What was made holds inodes of its own. */
	iput(inodes[IPCSHIM_SENDER]);
	iput(inodes[IPCSHIM_RECEIVER]);
out_token:
	if (err && token)
		ipcshim_token_cancel(token);
	return err;
}

int ipcshim_pipe_send(struct file *file, struct ipcshim_send_pipe __user *uarg)
{
	struct ipcshim_end_file *end_file = file->private_data;
	struct ipcshim_end *end = end_file->end;
	struct ipcshim_pipe *pipe = ipcshim_pipe_of(end);
	struct ipcshim_send_pipe arg;
	struct ipcshim_token *token;
	int err;

	err = ipcshim_copy_in(&arg, uarg, sizeof(arg));
	if (err)
		return err;
	if (!arg.pid || arg.flags & ~IPCSHIM_OPEN_SKIP ||
	    memchr_inv(arg.reserved, 0, sizeof(arg.reserved)))
		return -EINVAL;
	if (READ_ONCE(pipe->closed_by_call))
		return -EPIPE;
	if (end_is_mapped(end))
		return -EBUSY;
	token = ipcshim_token_prepare(arg.pid, IPCSHIM_EVENT_RECV_PIPE,
				      arg.command,
				      arg.flags & IPCSHIM_OPEN_SKIP);
	if (IS_ERR(token))
		return PTR_ERR(token);
	end_token_bind(token, end, file_inode(file), file->f_path.mnt,
		       arg.size_hint);
	arg.token = token->id;
	err = ipcshim_copy_out(uarg, &arg, sizeof(arg));
	if (err) {
		end_token_unbind(token);
		return err;
	}

	/* From here on nothing fails. */
	trace_ipcshim_send(pipe, end, arg.pid, arg.token);
	ipcshim_token_publish(token);
	return 0;
}
