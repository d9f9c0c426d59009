// SPDX-License-Identifier: GPL-2.0-only
/*
 * What was lent comes back: by RETURN_MEM, by the end of the borrower's grant, or at
 * the deadline.  Whoever takes lease->home, under memory->lock, brings it home.
 *
 * While its timer is armed or its work is queued, a lease has a reference to the
 * grant's inode and mount.  The timer hands it on to the work.
 */
#include <linux/hrtimer.h>
#include <linux/mount.h>
#include <linux/slab.h>
#include <linux/workqueue.h>

#include "event.h"
#include "process.h"
#include "segment.h"
#include "token.h"
#include "trace.h"

/* When to look again for memory, if there was none. */
#define LEASE_RETRY	(HZ / 10)

struct ipcshim_lease {
	struct ipcshim_segment *segment;	/* the borrower's; constant */
	struct ipcshim_token *home;		/* memory->lock; the lender's */
	struct ipcshim_ending ended;		/* memory->lock; why it comes back */
	struct hrtimer timer;
	struct delayed_work work;
};

/* Emptied before the code goes that runs in it. */
static struct workqueue_struct *lease_queue;

int ipcshim_lease_queue_init(void)
{
	lease_queue = alloc_workqueue("ipcshim", WQ_UNBOUND, 0);
	return lease_queue ? 0 : -ENOMEM;
}

void ipcshim_lease_queue_exit(void)
{
	destroy_workqueue(lease_queue);
}

static void lease_get(struct ipcshim_lease *lease)
{
	ihold(lease->segment->inode);
	mntget(lease->segment->mnt);
}

static void lease_put(struct ipcshim_lease *lease)
{
	struct vfsmount *mnt = lease->segment->mnt;

	iput(lease->segment->inode);
	mntput(mnt);
}

static enum hrtimer_restart lease_timeout(struct hrtimer *timer)
{
	struct ipcshim_lease *lease =
		container_of(timer, struct ipcshim_lease, timer);

	/* It is not queued: that is done only once the timer is cancelled. */
	queue_delayed_work(lease_queue, &lease->work, 0);
	return HRTIMER_NORESTART;
}

/* From here on there is no timer any more, but maybe its work. */
static void lease_cancel_timer(struct ipcshim_lease *lease)
{
	if (hrtimer_cancel(&lease->timer))
		lease_put(lease);
}

/* The lender's new grant is the owner's; its token is to be published. */
static struct ipcshim_token *lease_return(struct ipcshim_lease *lease)
{
	struct ipcshim_segment *segment = lease->segment;
	struct ipcshim_token *token = lease->home;
	struct ipcshim_segment *home = ipcshim_object_segment(token->parcel.object);

	lockdep_assert_held(&segment->memory->lock);
	lease->home = NULL;
	segment->memory->lent = false;
	ipcshim_segment_grant(home, true);
	token->event->recv_shared_mem.how = lease->ended.how;
	token->event->recv_shared_mem.status = lease->ended.status;
	ipcshim_event_set_sender(token->event, segment->receiver->pid,
				 segment->holder_uid);
	trace_ipcshim_return(segment, home);
	return token;
}

/*
 * The borrower's grant is stale.  NULL: there is no memory for copies of pages
 * that somebody has pinned.
 */
static struct ipcshim_token *lease_take_back(struct ipcshim_lease *lease)
{
	struct ipcshim_memory *memory = lease->segment->memory;

	/* Copies are for those that don't go away by themselves. */
	if (ipcshim_memory_alone(memory) && ipcshim_memory_part(memory))
		return NULL;
	return lease_return(lease);
}

/* The deadline: the borrower loses it, whatever it is doing. */
static void lease_revoke(struct ipcshim_lease *lease)
{
	static const struct ipcshim_ending over = {
		.how = IPCSHIM_HOW_LEASE_ENDED,
	};
	struct ipcshim_segment *segment = lease->segment;

	/* A worker is never killed. */
	if (ipcshim_segment_close_gate(segment, 0))
		return;
	ipcshim_segment_set_stale(segment, IPCSHIM_REVOKED);
	ipcshim_segment_open_gate(segment);
	lease->ended = over;
	trace_ipcshim_revoke(segment, &over);
	ipcshim_segment_tell(segment, &over);
	ipcshim_segment_wake(segment);
}

/* The deadline, or another attempt. */
static void lease_work(struct work_struct *work)
{
	struct ipcshim_lease *lease = container_of(to_delayed_work(work),
						   struct ipcshim_lease, work);
	struct ipcshim_segment *segment = lease->segment;
	struct ipcshim_token *token = NULL;
	bool again = false;

	mutex_lock(&segment->memory->lock);
	if (lease->home && !segment->stale)
		lease_revoke(lease);
	if (lease->home) {
		token = lease_take_back(lease);
		again = !token;
	}
	mutex_unlock(&segment->memory->lock);

	if (token)
		ipcshim_token_publish(token);
	/* With the same reference; a false says that it is queued with another. */
	if (!again || !queue_delayed_work(lease_queue, &lease->work,
					  LEASE_RETRY))
		lease_put(lease);
}

struct ipcshim_lease *ipcshim_lease_create(struct ipcshim_segment *segment)
{
	struct ipcshim_lease *lease = kzalloc(sizeof(*lease),
					      GFP_KERNEL_ACCOUNT);

	if (!lease)
		return NULL;
	lease->segment = segment;
	hrtimer_setup(&lease->timer, lease_timeout, CLOCK_MONOTONIC,
		      HRTIMER_MODE_ABS);
	INIT_DELAYED_WORK(&lease->work, lease_work);
	return lease;
}

void ipcshim_lease_free(struct ipcshim_lease *lease)
{
	kfree(lease);
}

struct ipcshim_ending
ipcshim_lease_ended(const struct ipcshim_segment *segment)
{
	return segment->lease->ended;
}

void ipcshim_lease_grant(struct ipcshim_segment *segment,
			 struct ipcshim_token *home)
{
	lockdep_assert_held(&segment->memory->lock);
	segment->lease->home = home;
	segment->memory->lent = true;
}

void ipcshim_lease_start(struct ipcshim_segment *segment)
{
	struct ipcshim_lease *lease = segment->lease;

	if (!segment->deadline)
		return;
	lease_get(lease);
	hrtimer_start(&lease->timer, ns_to_ktime(segment->deadline),
		      HRTIMER_MODE_ABS);
}

void ipcshim_lease_end(struct ipcshim_segment *segment,
		       const struct ipcshim_ending *ending)
{
	struct ipcshim_lease *lease = segment->lease;
	struct ipcshim_memory *memory = segment->memory;
	struct ipcshim_token *token = NULL;
	bool again = false;

	mutex_lock(&memory->lock);
	/* Else the deadline came first, and its work brings it home. */
	if (lease->home && !segment->stale) {
		ipcshim_segment_set_stale(segment, IPCSHIM_ENDED);
		trace_ipcshim_revoke(segment, ending);
		lease->ended = *ending;
		token = lease_take_back(lease);
		again = !token;
	}
	mutex_unlock(&memory->lock);

	if (token || again)
		lease_cancel_timer(lease);
	if (again) {
		lease_get(lease);
		if (!queue_delayed_work(lease_queue, &lease->work, LEASE_RETRY))
			lease_put(lease);
	}
	if (token)
		ipcshim_token_publish(token);
}

static int lease_give_back(struct ipcshim_segment *segment,
			   struct ipcshim_token **token)
{
	static const struct ipcshim_ending returned = {
		.how = IPCSHIM_HOW_RETURNED,
	};
	struct ipcshim_lease *lease = segment->lease;
	int err;

	lockdep_assert_held(&segment->memory->lock);
	if (segment->stale)
		return -ESTALE;
	if (!lease)
		return -EINVAL;
	err = ipcshim_segment_close_gate(segment, 0);
	if (err)
		return err;
	err = ipcshim_memory_alone(segment->memory);
	if (!err) {
		ipcshim_segment_set_stale(segment, IPCSHIM_HANDED_OVER);
		lease->ended = returned;
		*token = lease_return(lease);
	}
	ipcshim_segment_open_gate(segment);
	return err;
}

int ipcshim_segment_return(struct ipcshim_segment *segment,
			   const struct ipcshim_return_mem __user *uarg)
{
	struct ipcshim_return_mem arg;
	struct ipcshim_token *token;
	int err;

	err = ipcshim_copy_in(&arg, uarg, sizeof(arg));
	if (err)
		return err;
	if (arg.flags || arg.reserved)
		return -EINVAL;
	if (mutex_lock_killable(&segment->memory->lock))
		return -EINTR;
	err = lease_give_back(segment, &token);
	mutex_unlock(&segment->memory->lock);
	if (err)
		return err;
	lease_cancel_timer(segment->lease);
	ipcshim_segment_wake(segment);
	ipcshim_token_publish(token);
	return 0;
}
