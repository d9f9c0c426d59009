// SPDX-License-Identifier: GPL-2.0-only
#include <linux/cred.h>
#include <linux/poll.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "pipe.h"
#include "port.h"
#include "trace.h"

static struct kmem_cache *pipe_cache;
static struct kmem_cache *file_cache;

int ipcshim_pipe_init(void)
{
	pipe_cache = kmem_cache_create("ipcshim_pipe",
				       sizeof(struct ipcshim_pipe), 0,
				       SLAB_ACCOUNT, NULL);
	if (!pipe_cache)
		return -ENOMEM;
	file_cache = kmem_cache_create("ipcshim_end_file",
				       sizeof(struct ipcshim_end_file), 0,
				       SLAB_ACCOUNT, NULL);
	if (file_cache)
		return 0;
	kmem_cache_destroy(pipe_cache);
	return -ENOMEM;
}

void ipcshim_pipe_exit(void)
{
	kmem_cache_destroy(file_cache);
	kmem_cache_destroy(pipe_cache);
}

struct ipcshim_end_file *ipcshim_end_file_alloc(void)
{
	return kmem_cache_zalloc(file_cache, GFP_KERNEL);
}

void ipcshim_end_file_free(struct ipcshim_end_file *end_file)
{
	kmem_cache_free(file_cache, end_file);
}

static void pipe_free(struct kref *refs)
{
	struct ipcshim_pipe *pipe = container_of(refs, struct ipcshim_pipe, refs);

	ipcshim_quota_discharge(pipe->user, IPCSHIM_QUOTA_BYTES, pipe->bytes);
	ipcshim_quota_discharge_object(pipe->user);
	ipcshim_ring_destroy(&pipe->ring);
	ipcshim_mapped_destroy(pipe->mapped);
	put_pid(pipe->creator);
	put_pid(pipe->ends[IPCSHIM_SENDER].closing.pid);
	put_pid(pipe->ends[IPCSHIM_RECEIVER].closing.pid);
	kmem_cache_free(pipe_cache, pipe);
	atomic64_dec(&ipcshim_totals.pipes);
}

static const char *end_name(const struct ipcshim_object *object)
{
	return ipcshim_object_end(object)->side == IPCSHIM_SENDER ? "sender" :
							     "receiver";
}

static void end_evict(struct ipcshim_object *object)
{
	kref_put(&ipcshim_pipe_of(ipcshim_object_end(object))->refs, pipe_free);
}

static const struct ipcshim_object_ops end_object_ops = {
	.name = end_name,
	.evict = end_evict,
};

/* With a lock class for each side; held by nobody but its caller. */
static struct ipcshim_pipe *pipe_alloc(u32 capacity, bool messages,
				       bool can_map)
{
	u32 bytes = can_map ? ipcshim_mapped_bytes(capacity, messages) :
			      capacity;
	struct ipcshim_user *user = ipcshim_quota_charge_object();
	struct ipcshim_pipe *pipe;
	int side, err;

	if (IS_ERR(user))
		return ERR_CAST(user);
	err = ipcshim_quota_charge(user, IPCSHIM_QUOTA_BYTES, bytes);
	if (err)
		goto err_objects;
	err = -ENOMEM;
	pipe = kmem_cache_zalloc(pipe_cache, GFP_KERNEL);
	if (!pipe)
		goto err_bytes;
	if (can_map) {
		pipe->mapped = ipcshim_mapped_create(capacity, messages);
		if (IS_ERR(pipe->mapped)) {
			err = PTR_ERR(pipe->mapped);
			goto err_pipe;
		}
	}

	kref_init(&pipe->refs);
	pipe->user = user;
	pipe->bytes = bytes;
	pipe->creator = get_pid(task_tgid(current));
	spin_lock_init(&pipe->lock);
	for (side = 0; side < IPCSHIM_NR_SIDES; side++) {
		struct ipcshim_end *end = &pipe->ends[side];

		end->object.ops = &end_object_ops;
		end->side = side;
		INIT_LIST_HEAD(&end->holders);
		rcuwait_init(&end->sleeper);
		init_waitqueue_head(&end->poll_wait);
	}
	ipcshim_turn_init(&pipe->ends[IPCSHIM_SENDER].turn);
	ipcshim_turn_init(&pipe->ends[IPCSHIM_RECEIVER].turn);
	ipcshim_ring_init(&pipe->ring, capacity, messages);
	atomic64_inc(&ipcshim_totals.pipes);
	return pipe;

err_pipe:
	kmem_cache_free(pipe_cache, pipe);
err_bytes:
	ipcshim_quota_discharge(user, IPCSHIM_QUOTA_BYTES, bytes);
err_objects:
	ipcshim_quota_discharge_object(user);
	return ERR_PTR(err);
}

static struct inode *end_inode(struct ipcshim_end *end)
{
	struct ipcshim_pipe *pipe = ipcshim_pipe_of(end);
	struct inode *inode;

	inode = ipcshim_object_inode(&end->object, S_IFIFO | 0600,
				     ipcshim_end_fops(end));
	if (IS_ERR(inode))
		return inode;
	kref_get(&pipe->refs);
	end->ino = inode->i_ino;
	return inode;
}

struct ipcshim_pipe *
ipcshim_pipe_create(u32 capacity, bool messages, bool can_map,
		    struct inode *inodes[IPCSHIM_NR_SIDES])
{
	struct ipcshim_pipe *pipe = pipe_alloc(capacity, messages, can_map);
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

static bool end_closed(const struct ipcshim_end *end)
{
	lockdep_assert_held(&ipcshim_pipe_of(end)->lock);
	return end->closing.pid;
}

int ipcshim_end_get_user(struct ipcshim_end *end)
{
	struct ipcshim_pipe *pipe = ipcshim_pipe_of(end);
	int err = -ENXIO;

	spin_lock(&pipe->lock);
	if (!end_closed(end)) {
		end->users++;
		err = 0;
	}
	spin_unlock(&pipe->lock);
	return err;
}

/* The event that a holder of an end gets when its peer, or both, closed. */
static void end_tell_holder(struct ipcshim_end_file *holder,
			    const struct ipcshim_closing *closing)
{
	struct ipcshim_event_node *event = holder->event;
	struct ipcshim_end *end = holder->end;

	if (!event)
		return;
	holder->event = NULL;
	ipcshim_event_set_sender(event, closing->pid, closing->uid);
	event->reserved = true;
	event->pipe_closed = (struct ipcshim_pipe_closed) {
		.how = closing->ending.how,
		.end = ipcshim_end_code(end),
		.status = closing->ending.status,
		.inode = end->ino,
		.bytes_unread = ipcshim_pos_bytes(closing->tail, closing->head),
		.messages_unread = ipcshim_pos_messages(closing->tail,
							closing->head),
	};
	ipcshim_port_tell(holder->process, event);
}

/*
 * Stop writing, and reading too if nothing that is in the ring is to be read any
 * more.  The order makes the two positions exact, see ring.h.
 */
static struct ipcshim_closing pipe_stop(struct ipcshim_pipe *pipe, bool reading,
					const struct ipcshim_ending *ending)
{
	struct ipcshim_closing closing = {
		.ending = *ending,
		.pid = task_tgid(current),
		.uid = current_euid(),
	};

	lockdep_assert_held(&pipe->lock);
	if (reading)
		closing.tail = atomic64_fetch_or(IPCSHIM_POS_CLOSED,
						 &pipe->ring.tail);
	closing.head = atomic64_fetch_or(IPCSHIM_POS_CLOSED, &pipe->ring.head);
	if (!reading)
		closing.tail = ipcshim_ring_tail(&pipe->ring);
	if (pipe->mapped) {
		/* About so many: nothing stops who has it mapped. */
		u32 used = max(ipcshim_mapped_used(pipe->mapped), 0);
		u32 messages = ipcshim_mapped_messages(pipe->mapped);

		closing.tail = 0;
		closing.head = ipcshim_pos_add(0, used, messages);
	}
	return closing;
}

/* From here on the end is closed; it keeps a reference to who did that. */
static void end_close(struct ipcshim_end *end,
		      const struct ipcshim_closing *closing)
{
	if (end_closed(end))
		return;
	end->closing = *closing;
	get_pid(closing->pid);
	if (ipcshim_pipe_of(end)->mapped)
		ipcshim_mapped_close(ipcshim_pipe_of(end)->mapped, end->side,
				     closing->ending.how);
}

/* Whoever sleeps or polls on this end has to look again. */
static void end_wake(struct ipcshim_end *end)
{
	rcuwait_wake_up(&end->sleeper);
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
	struct ipcshim_closing closing;
	struct ipcshim_end_file *holder;
	bool closes;

	spin_lock(&pipe->lock);
	if (end_file)
		list_del_init(&end_file->in_end);
	closes = !--end->users && !end_closed(end);
	if (closes) {
		closing = pipe_stop(pipe, end->side == IPCSHIM_RECEIVER,
				    ending);
		end_close(end, &closing);
		trace_ipcshim_close(pipe, end, &closing);
		list_for_each_entry(holder, &peer->holders, in_end)
			end_tell_holder(holder, &closing);
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
	struct ipcshim_closing closing;
	struct ipcshim_end_file *holder;
	int side;

	spin_lock(&pipe->lock);
	if (pipe->closed_by_call) {
		spin_unlock(&pipe->lock);
		return -EPIPE;
	}
	WRITE_ONCE(pipe->closed_by_call, true);
	closing = pipe_stop(pipe, true, &closed);
	trace_ipcshim_close(pipe, NULL, &closing);
	for (side = 0; side < IPCSHIM_NR_SIDES; side++) {
		struct ipcshim_end *end = &pipe->ends[side];

		end_close(end, &closing);
		list_for_each_entry(holder, &end->holders, in_end)
			if (!ipcshim_process_is_current(holder->process))
				end_tell_holder(holder, &closing);
	}
	spin_unlock(&pipe->lock);
	for (side = 0; side < IPCSHIM_NR_SIDES; side++)
		end_wake(&pipe->ends[side]);
	return 0;
}

void ipcshim_end_hold(struct ipcshim_end_file *end_file)
{
	struct ipcshim_end *end = end_file->end;
	struct ipcshim_end *peer = ipcshim_end_peer(end);
	struct ipcshim_pipe *pipe = ipcshim_pipe_of(end);

	spin_lock(&pipe->lock);
	list_add_tail(&end_file->in_end, &end->holders);
	/* It closed while this end was under way. */
	if (end_closed(peer))
		end_tell_holder(end_file, &peer->closing);
	spin_unlock(&pipe->lock);
}
