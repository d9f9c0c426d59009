// SPDX-License-Identifier: GPL-2.0-only
#include <linux/file.h>
#include <linux/poll.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "pipe.h"
#include "port.h"
#include "token.h"
#include "trace.h"

static struct kmem_cache *pipe_cache;

int ipcshim_pipe_init(void)
{
	pipe_cache = kmem_cache_create("ipcshim_pipe",
				       sizeof(struct ipcshim_pipe), 0,
				       SLAB_ACCOUNT, NULL);
	return pipe_cache ? 0 : -ENOMEM;
}

void ipcshim_pipe_exit(void)
{
	kmem_cache_destroy(pipe_cache);
}

static void pipe_free(struct kref *refs)
{
	struct ipcshim_pipe *pipe = container_of(refs, struct ipcshim_pipe, refs);

	ipcshim_quota_discharge(pipe->user, IPCSHIM_QUOTA_BYTES,
				pipe->ring.size);
	ipcshim_quota_discharge(pipe->user, IPCSHIM_QUOTA_OBJECTS, 1);
	ipcshim_user_put(pipe->user);
	ipcshim_ring_destroy(&pipe->ring);
	put_pid(pipe->creator);
	kmem_cache_free(pipe_cache, pipe);
	atomic64_dec(&ipcshim_totals.pipes);
}

static struct ipcshim_end *object_end(const struct ipcshim_object *object)
{
	return container_of(object, struct ipcshim_end, object);
}

static const char *end_name(const struct ipcshim_object *object)
{
	return object_end(object)->side == IPCSHIM_SENDER ? "sender" :
							     "receiver";
}

static void end_evict(struct ipcshim_object *object)
{
	kref_put(&ipcshim_pipe_of(object_end(object))->refs, pipe_free);
}

static const struct ipcshim_object_ops end_object_ops = {
	.name = end_name,
	.evict = end_evict,
};

static const struct file_operations *end_fops(const struct ipcshim_end *end)
{
	return end->side == IPCSHIM_SENDER ? &ipcshim_sender_fops :
					     &ipcshim_receiver_fops;
}

/* With a lock class for each side; held by nobody but its caller. */
static struct ipcshim_pipe *pipe_alloc(u32 capacity, bool messages)
{
	struct ipcshim_user *user = ipcshim_user_get_current();
	struct ipcshim_pipe *pipe;
	int side, err;

	if (IS_ERR(user))
		return ERR_CAST(user);
	err = ipcshim_quota_charge(user, IPCSHIM_QUOTA_OBJECTS, 1);
	if (err)
		goto err_user;
	err = ipcshim_quota_charge(user, IPCSHIM_QUOTA_BYTES, capacity);
	if (err)
		goto err_objects;
	err = -ENOMEM;
	pipe = kmem_cache_zalloc(pipe_cache, GFP_KERNEL);
	if (!pipe)
		goto err_bytes;

	kref_init(&pipe->refs);
	pipe->user = user;
	pipe->creator = get_pid(task_tgid(current));
	spin_lock_init(&pipe->lock);
	for (side = 0; side < IPCSHIM_NR_SIDES; side++) {
		struct ipcshim_end *end = &pipe->ends[side];

		end->object.ops = &end_object_ops;
		end->side = side;
		INIT_LIST_HEAD(&end->holders);
		init_waitqueue_head(&end->turn_wait);
		init_waitqueue_head(&end->poll_wait);
	}
	ipcshim_turn_init(&pipe->ends[IPCSHIM_SENDER].turn);
	ipcshim_turn_init(&pipe->ends[IPCSHIM_RECEIVER].turn);
	ipcshim_ring_init(&pipe->ring, capacity, messages);
	atomic64_inc(&ipcshim_totals.pipes);
	return pipe;

err_bytes:
	ipcshim_quota_discharge(user, IPCSHIM_QUOTA_BYTES, capacity);
err_objects:
	ipcshim_quota_discharge(user, IPCSHIM_QUOTA_OBJECTS, 1);
err_user:
	ipcshim_user_put(user);
	return ERR_PTR(err);
}

static struct inode *end_inode(struct ipcshim_end *end)
{
	struct ipcshim_pipe *pipe = ipcshim_pipe_of(end);
	struct inode *inode;

	inode = ipcshim_object_inode(&end->object, S_IFIFO | 0600,
				     end_fops(end));
	if (IS_ERR(inode))
		return inode;
	kref_get(&pipe->refs);
	end->ino = inode->i_ino;
	return inode;
}

/* A pipe with its two inodes, which hold it. */
static struct ipcshim_pipe *pipe_create(u32 capacity, bool messages,
					struct inode *inodes[IPCSHIM_NR_SIDES])
{
	struct ipcshim_pipe *pipe = pipe_alloc(capacity, messages);
	int side, err = 0;

	if (IS_ERR(pipe))
		return pipe;
	for (side = 0; side < IPCSHIM_NR_SIDES; side++) {
		inodes[side] = end_inode(&pipe->ends[side]);
		if (IS_ERR(inodes[side])) {
			err = PTR_ERR(inodes[side]);
			break;
		}
	}
	if (err)
		while (side--)
			iput(inodes[side]);
	kref_put(&pipe->refs, pipe_free);
	return err ? ERR_PTR(err) : pipe;
}

int ipcshim_end_get_user(struct ipcshim_end *end)
{
	struct ipcshim_pipe *pipe = ipcshim_pipe_of(end);
	int err = -ENXIO;

	spin_lock(&pipe->lock);
	if (!end->closed) {
		end->users++;
		err = 0;
	}
	spin_unlock(&pipe->lock);
	return err;
}

/* The event that a holder of "end" gets when its peer closes. */
static void end_tell_holder(struct ipcshim_end_file *holder,
			    const struct ipcshim_ending *ending, u64 tail,
			    u64 head)
{
	struct ipcshim_event_node *event = holder->event;
	struct ipcshim_end *end = holder->end;

	if (!event)
		return;
	holder->event = NULL;
	ipcshim_event_set_sender(event);
	event->reserved = true;
	event->pipe_closed = (struct ipcshim_pipe_closed) {
		.how = ending->how,
		.end = ipcshim_end_code(end),
		.status = ending->status,
		.inode = end->ino,
		.bytes_unread = ipcshim_pos_bytes(tail, head),
		.messages_unread = ipcshim_pos_messages(tail, head),
	};
	ipcshim_port_tell(holder->process, event);
}

/*
 * Close for reading as well as writing (nothing that is in the ring will be
 * read), or for writing alone.  The order makes the two positions exact, see
 * ring.h.
 */
static void pipe_stop(struct ipcshim_pipe *pipe, bool reading, u64 *tail,
		      u64 *head)
{
	if (reading)
		*tail = atomic64_fetch_or(IPCSHIM_POS_CLOSED, &pipe->ring.tail);
	*head = atomic64_fetch_or(IPCSHIM_POS_CLOSED, &pipe->ring.head);
	if (!reading)
		*tail = ipcshim_ring_tail(&pipe->ring);
}

/* Whoever sleeps or polls on this end has to look again. */
static void end_wake(struct ipcshim_end *end)
{
	wake_up_all(&end->turn_wait);
	wake_up_interruptible_poll(&end->poll_wait, EPOLLIN | EPOLLRDNORM |
				   EPOLLOUT | EPOLLWRNORM | EPOLLHUP | EPOLLERR |
				   EPOLLRDHUP);
	kill_fasync(&end->fasync, SIGIO,
		    end->side == IPCSHIM_SENDER ? POLL_ERR : POLL_HUP);
}

void ipcshim_end_put_user(struct ipcshim_end *end,
			  struct ipcshim_end_file *end_file,
			  const struct ipcshim_ending *ending)
{
	struct ipcshim_pipe *pipe = ipcshim_pipe_of(end);
	struct ipcshim_end *peer = ipcshim_end_peer(end);
	struct ipcshim_end_file *holder;
	bool closes = false;
	u64 tail, head;

	spin_lock(&pipe->lock);
	if (end_file)
		list_del_init(&end_file->in_end);
	if (!--end->users && !end->closed) {
		closes = true;
		end->closed = true;
		end->ending = *ending;
		pipe_stop(pipe, end->side == IPCSHIM_RECEIVER, &tail, &head);
		trace_ipcshim_close(pipe, end, ending, tail, head);
		list_for_each_entry(holder, &peer->holders, in_end)
			end_tell_holder(holder, ending, tail, head);
	}
	spin_unlock(&pipe->lock);
	if (closes)
		end_wake(peer);
}

int ipcshim_pipe_close(struct ipcshim_pipe *pipe)
{
	static const struct ipcshim_ending closed = {
		.how = IPCSHIM_HOW_CLOSED,
	};
	struct ipcshim_end_file *holder;
	u64 tail, head;
	int side;

	spin_lock(&pipe->lock);
	if (pipe->closed_by_call) {
		spin_unlock(&pipe->lock);
		return -EPIPE;
	}
	WRITE_ONCE(pipe->closed_by_call, true);
	pipe_stop(pipe, true, &tail, &head);
	trace_ipcshim_close(pipe, NULL, &closed, tail, head);
	for (side = 0; side < IPCSHIM_NR_SIDES; side++) {
		struct ipcshim_end *end = &pipe->ends[side];

		if (!end->closed)
			end->ending = closed;
		end->closed = true;
		list_for_each_entry(holder, &end->holders, in_end)
			if (!ipcshim_process_is_current(holder->process))
				end_tell_holder(holder, &closed, tail, head);
	}
	spin_unlock(&pipe->lock);
	for (side = 0; side < IPCSHIM_NR_SIDES; side++)
		end_wake(&pipe->ends[side]);
	return 0;
}

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

	end_file = kzalloc(sizeof(*end_file), GFP_KERNEL_ACCOUNT);
	if (!end_file)
		return ERR_PTR(-ENOMEM);
	end_file->event = ipcshim_event_alloc(IPCSHIM_EVENT_PIPE_CLOSED);
	if (!end_file->event) {
		kfree(end_file);
		return ERR_PTR(-ENOMEM);
	}
	end_file->end = end;
	INIT_LIST_HEAD(&end_file->in_end);

	flags = end->side == IPCSHIM_SENDER ? O_WRONLY : O_RDONLY;
	if (nonblock)
		flags |= O_NONBLOCK;
	file = ipcshim_object_file(inode, mnt, flags, end_fops(end));
	if (IS_ERR(file)) {
		ipcshim_event_free(end_file->event);
		kfree(end_file);
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

/* It can't fail any more: from here on this file is told of a close. */
static void end_file_hold(struct file *file)
{
	struct ipcshim_end_file *end_file = file->private_data;
	struct ipcshim_end *end = end_file->end;
	struct ipcshim_end *peer = ipcshim_end_peer(end);
	struct ipcshim_pipe *pipe = ipcshim_pipe_of(end);

	spin_lock(&pipe->lock);
	list_add_tail(&end_file->in_end, &end->holders);
	/* It closed while this end was under way. */
	if (peer->closed)
		end_tell_holder(end_file, &peer->ending,
				atomic64_read(&pipe->ring.tail),
				atomic64_read(&pipe->ring.head));
	spin_unlock(&pipe->lock);
}

static struct file *end_token_open(struct ipcshim_token *token,
				   struct ipcshim_process *process,
				   struct ipcshim_claim *claim)
{
	struct ipcshim_end *end = object_end(token->object);
	struct ipcshim_pipe *pipe = ipcshim_pipe_of(end);

	claim->end = ipcshim_end_code(end);
	claim->mode = ipcshim_pipe_mode(pipe);
	claim->capacity = pipe->ring.size;
	claim->inode = end->ino;
	return end_file_create(end, token->inode, token->mnt, process,
			       claim->flags & IPCSHIM_CLAIM_NONBLOCK);
}

static void end_token_drop(struct ipcshim_token *token,
			   const struct ipcshim_ending *ending)
{
	static const struct ipcshim_ending claimed = {
		.how = IPCSHIM_HOW_CLOSED,
	};

	ipcshim_end_put_user(object_end(token->object), NULL,
			     ending ?: &claimed);
	iput(token->inode);
	mntput(token->mnt);
}

static const struct ipcshim_token_ops end_token_ops = {
	.open = end_token_open,
	.opened = end_file_hold,
	.drop = end_token_drop,
};

/* The token becomes a user of this end; undone by ops->drop(). */
static void end_token_bind(struct ipcshim_token *token, struct ipcshim_end *end,
			   struct inode *inode, struct vfsmount *mnt,
			   u64 size_hint)
{
	struct ipcshim_pipe *pipe = ipcshim_pipe_of(end);

	token->ops = &end_token_ops;
	token->object = &end->object;
	ihold(inode);
	token->inode = inode;
	token->mnt = mntget(mnt);
	if (token->event)
		token->event->recv_pipe = (struct ipcshim_recv_pipe) {
			.end = ipcshim_end_code(end),
			.mode = ipcshim_pipe_mode(pipe),
			.capacity = pipe->ring.size,
			.size_hint = size_hint,
			.inode = end->ino,
		};
	spin_lock(&pipe->lock);
	end->users++;
	spin_unlock(&pipe->lock);
}

static void end_token_unbind(struct ipcshim_token *token)
{
	end_token_drop(token, NULL);
	ipcshim_token_cancel(token);
}

static int pipe_open_check(const struct ipcshim_open_pipe *arg)
{
	if (arg->flags & ~(IPCSHIM_OPEN_NONBLOCK | IPCSHIM_OPEN_SKIP))
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

	arg->fd = get_unused_fd_flags(O_CLOEXEC);
	if (arg->fd < 0) {
		err = arg->fd;
		goto err_peer;
	}
	arg->peer_fd = -1;
	if (peer_file) {
		arg->peer_fd = get_unused_fd_flags(O_CLOEXEC);
		if (arg->peer_fd < 0) {
			err = arg->peer_fd;
			goto err_fd;
		}
	}
	arg->token = token ? token->id : 0;
	arg->inode = end->ino;
	err = ipcshim_copy_out(uarg, arg, sizeof(*arg));
	if (err)
		goto err_peer_fd;

	/* From here on nothing fails. */
	trace_ipcshim_open(pipe, end, arg->pid, arg->token);
	end_file_hold(file);
	if (peer_file) {
		end_file_hold(peer_file);
		fd_install(arg->peer_fd, peer_file);
	} else {
		end_token_bind(token, peer, inodes[peer->side], mnt,
			       arg->size_hint);
		ipcshim_token_publish(token);
	}
	fd_install(arg->fd, file);
	return 0;

err_peer_fd:
	if (peer_file)
		put_unused_fd(arg->peer_fd);
err_fd:
	put_unused_fd(arg->fd);
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
	pipe = pipe_create((arg.capacity ?: 1) * IPCSHIM_CAPACITY_UNIT,
			   arg.mode == IPCSHIM_PIPE_MESSAGE, inodes);
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
