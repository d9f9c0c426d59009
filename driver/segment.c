// SPDX-License-Identifier: GPL-2.0-only
#include <linux/cred.h>
#include <linux/mm.h>
#include <linux/poll.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "event.h"
#include "port.h"
#include "segment.h"
#include "token.h"
#include "trace.h"

static struct kmem_cache *segment_cache;

int ipcshim_segment_init(void)
{
	int err;

	segment_cache = kmem_cache_create("ipcshim_segment",
					  sizeof(struct ipcshim_segment), 0,
					  SLAB_ACCOUNT, NULL);
	if (!segment_cache)
		return -ENOMEM;
	err = ipcshim_lease_queue_init();
	if (err)
		kmem_cache_destroy(segment_cache);
	return err;
}

void ipcshim_segment_exit(void)
{
	ipcshim_lease_queue_exit();
	kmem_cache_destroy(segment_cache);
}

static const char *segment_name(const struct ipcshim_object *object)
{
	return "segment";
}

static void segment_free(struct ipcshim_segment *segment)
{
	ipcshim_memory_put(segment->memory);
	ipcshim_quota_discharge_object(segment->user);
	ipcshim_event_free(segment->event);
	ipcshim_lease_free(segment->lease);
	ipcshim_process_put(segment->receiver);
	put_pid(segment->sharer);
	kmem_cache_free(segment_cache, segment);
}

static void segment_evict(struct ipcshim_object *object)
{
	segment_free(ipcshim_object_segment(object));
}

static const struct ipcshim_object_ops segment_object_ops = {
	.name = segment_name,
	.evict = segment_evict,
};

static struct ipcshim_segment *
segment_alloc(const struct ipcshim_segment_spec *spec)
{
	struct ipcshim_user *user = ipcshim_quota_charge_object();
	struct ipcshim_segment *segment;

	if (IS_ERR(user))
		return ERR_CAST(user);
	segment = kmem_cache_zalloc(segment_cache, GFP_KERNEL);
	if (!segment)
		goto err_charge;
	/* Who may lose it without having a hand in it is told. */
	if (spec->mode == IPCSHIM_MEM_MUTUAL ||
	    spec->mode == IPCSHIM_MEM_LENT) {
		segment->event = ipcshim_event_alloc(IPCSHIM_EVENT_UNSHARED_MEM);
		if (!segment->event)
			goto err_segment;
	}
	if (spec->mode == IPCSHIM_MEM_LENT) {
		segment->lease = ipcshim_lease_create(segment);
		if (!segment->lease)
			goto err_event;
	}

	segment->object.ops = &segment_object_ops;
	segment->memory = ipcshim_memory_get(spec->memory);
	segment->user = user;
	if (spec->receiver)
		segment->receiver = ipcshim_process_get(spec->receiver);
	segment->sharer = get_pid(task_tgid(current));
	segment->sharer_uid = current_euid();
	segment->holder_uid = current_euid();
	segment->deadline = spec->deadline;
	segment->mode = spec->mode;
	segment->rights = spec->rights;
	refcount_set(&segment->users, 1);
	init_rwsem(&segment->gate);
	INIT_LIST_HEAD(&segment->in_memory);
	init_waitqueue_head(&segment->wait);
	return segment;

err_event:
	ipcshim_event_free(segment->event);
err_segment:
	kmem_cache_free(segment_cache, segment);
err_charge:
	ipcshim_quota_discharge_object(user);
	return ERR_PTR(-ENOMEM);
}

struct ipcshim_segment *
ipcshim_segment_create(const struct ipcshim_segment_spec *spec)
{
	struct ipcshim_segment *segment = segment_alloc(spec);
	struct inode *inode;

	if (IS_ERR(segment))
		return segment;
	inode = ipcshim_object_inode(&segment->object, S_IFREG | 0600,
				     &ipcshim_segment_fops);
	if (IS_ERR(inode)) {
		segment_free(segment);
		return ERR_CAST(inode);
	}
	inode->i_op = &ipcshim_segment_iops;
	inode->i_flags |= S_NOCMTIME | S_NOATIME;
	i_size_write(inode, ipcshim_memory_length(segment->memory));
	segment->inode = inode;
	segment->mnt = mntget(spec->mnt);
	segment->ino = inode->i_ino;
	return segment;
}

int ipcshim_segment_get_user(struct ipcshim_segment *segment)
{
	return refcount_inc_not_zero(&segment->users) ? 0 : -ESTALE;
}

struct file *ipcshim_segment_file(struct ipcshim_segment *segment,
				  bool nonblock)
{
	int flags = segment->rights & IPCSHIM_RIGHT_WRITE ? O_RDWR : O_RDONLY;
	struct file *file;

	if (nonblock)
		flags |= O_NONBLOCK;
	file = ipcshim_object_file(segment->inode, segment->mnt, flags,
				   &ipcshim_segment_fops);
	if (IS_ERR(file))
		return file;
	/* The caller has a user: there is one to add to. */
	refcount_inc(&segment->users);
	file->private_data = segment;
	return file;
}

void ipcshim_segment_grant(struct ipcshim_segment *segment, bool owner)
{
	struct ipcshim_memory *memory = segment->memory;

	lockdep_assert_held(&memory->lock);
	list_add_tail(&segment->in_memory, &memory->grants);
	if (owner)
		memory->owner = segment;
}

int ipcshim_segment_close_gate(struct ipcshim_segment *segment,
			       unsigned int subclass)
{
	lockdep_assert_held(&segment->memory->lock);
	if (down_write_killable_nested(&segment->gate, subclass))
		return -EINTR;
	if (segment->by_core)
		ipcshim_memory_sync_faults(segment->memory);
	unmap_mapping_range(segment->inode->i_mapping, 0, 0, 1);
	return 0;
}

void ipcshim_segment_open_gate(struct ipcshim_segment *segment)
{
	up_write(&segment->gate);
}

void ipcshim_segment_set_stale(struct ipcshim_segment *segment,
			       enum ipcshim_stale why)
{
	struct ipcshim_memory *memory = segment->memory;

	lockdep_assert_held(&memory->lock);
	WRITE_ONCE(segment->stale, why);
	list_del_init(&segment->in_memory);
	if (memory->owner == segment)
		memory->owner = NULL;
}

void ipcshim_segment_tell(struct ipcshim_segment *segment,
			  const struct ipcshim_ending *ending)
{
	struct ipcshim_event_node *event = segment->event;

	lockdep_assert_held(&segment->memory->lock);
	if (!event || segment->telling)
		return;
	ipcshim_event_set_sender(event, segment->sharer, segment->sharer_uid);
	event->reserved = true;
	event->unshared_mem = (struct ipcshim_unshared_mem) {
		.how = ending->how,
		.status = ending->status,
		.inode = segment->ino,
	};
	if (!segment->claimed) {
		segment->telling = true;
		return;
	}
	segment->event = NULL;
	ipcshim_port_tell(segment->receiver, event);
}

void ipcshim_segment_wake(struct ipcshim_segment *segment)
{
	wake_up_interruptible_poll(&segment->wait, EPOLLHUP);
	kill_fasync(&segment->fasync, SIGIO, POLL_HUP);
}

/* The last user is gone, and with it every mapping. */
static void segment_end(struct ipcshim_segment *segment,
			const struct ipcshim_ending *ending)
{
	struct ipcshim_memory *memory = segment->memory;
	struct ipcshim_segment *grant;
	bool lent;

	/* For no longer than its holder waits for who lets go of a page. */
	mutex_lock(&memory->lock);
	/* One that was never granted has nothing to give back. */
	lent = segment->lease && !list_empty(&segment->in_memory);
	if (!lent && !segment->stale) {
		bool owner = memory->owner == segment;

		ipcshim_segment_set_stale(segment, IPCSHIM_ENDED);
		trace_ipcshim_revoke(segment, ending);
		if (owner)
			list_for_each_entry(grant, &memory->grants, in_memory)
				ipcshim_segment_tell(grant, ending);
		ipcshim_memory_free_if_unused(memory);
	}
	mutex_unlock(&memory->lock);
	if (lent)
		ipcshim_lease_end(segment, ending);
}

void ipcshim_segment_put_user(struct ipcshim_segment *segment,
			      const struct ipcshim_ending *ending)
{
	struct vfsmount *mnt = segment->mnt;
	struct inode *inode = segment->inode;

	if (!refcount_dec_and_test(&segment->users))
		return;
	segment_end(segment, ending);
	iput(inode);
	mntput(mnt);
}

struct file *ipcshim_segment_new(u64 length, bool small_pages)
{
	static const struct ipcshim_ending unmade = {
		.how = IPCSHIM_HOW_CLOSED,
	};
	struct ipcshim_segment_spec spec = {
		.memory = ipcshim_memory_create(length, small_pages),
		.mnt = ipcshim_object_mnt(),
		.mode = IPCSHIM_MEM_MADE,
		.rights = IPCSHIM_RIGHT_READ | IPCSHIM_RIGHT_WRITE |
			  IPCSHIM_RIGHT_EXECUTE,
	};
	struct ipcshim_segment *segment;
	struct file *file;

	if (IS_ERR(spec.memory))
		return ERR_CAST(spec.memory);
	segment = ipcshim_segment_create(&spec);
	ipcshim_memory_put(spec.memory);
	if (IS_ERR(segment))
		return ERR_CAST(segment);
	mutex_lock(&segment->memory->lock);
	ipcshim_segment_grant(segment, true);
	mutex_unlock(&segment->memory->lock);

	file = ipcshim_segment_file(segment, false);
	/* From here on the file is its user, if there is one. */
	ipcshim_segment_put_user(segment, &unmade);
	return file;
}
