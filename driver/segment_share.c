// SPDX-License-Identifier: GPL-2.0-only
/* A grant for another process, and how it is taken back. */
#include <linux/cred.h>
#include <linux/ktime.h>
#include <linux/sched/signal.h>

#include "event.h"
#include "port.h"
#include "segment.h"
#include "token.h"
#include "trace.h"

#define SHARE_FLAGS	(IPCSHIM_SHARE_SKIP | IPCSHIM_SHARE_LEND)
#define SHARE_RIGHTS	(IPCSHIM_RIGHT_READ | IPCSHIM_RIGHT_WRITE | \
			 IPCSHIM_RIGHT_EXECUTE | IPCSHIM_RIGHT_COPY_ON_WRITE)

static struct file *segment_parcel_open(struct ipcshim_parcel *parcel,
					struct ipcshim_process *process,
					struct ipcshim_claim *claim)
{
	struct ipcshim_segment *segment =
		ipcshim_object_segment(parcel->object);

	if (ipcshim_segment_stale(segment))
		return ERR_PTR(-ESTALE);
	claim->rights = segment->rights;
	claim->mode = segment->mode;
	claim->capacity = 0;
	claim->inode = segment->ino;
	claim->length = ipcshim_memory_length(segment->memory);
	return ipcshim_segment_file(segment,
				    claim->flags & IPCSHIM_CLAIM_NONBLOCK);
}

static void segment_parcel_opened(struct file *file,
				  struct ipcshim_process *process)
{
	struct ipcshim_segment *segment = file->private_data;
	struct ipcshim_event_node *event = NULL;

	mutex_lock(&segment->memory->lock);
	if (!segment->receiver)
		segment->receiver = ipcshim_process_get(process);
	segment->claimed = true;
	segment->holder_uid = current_euid();
	/* It happened while the grant was under way. */
	if (segment->telling)
		swap(event, segment->event);
	mutex_unlock(&segment->memory->lock);
	if (event)
		ipcshim_port_tell(segment->receiver, event);
}

static void segment_parcel_drop(struct ipcshim_parcel *parcel,
				const struct ipcshim_ending *ending)
{
	static const struct ipcshim_ending claimed = {
		.how = IPCSHIM_HOW_CLOSED,
	};

	ipcshim_segment_put_user(ipcshim_object_segment(parcel->object),
				 ending ?: &claimed);
}

static const struct ipcshim_parcel_ops segment_parcel_ops = {
	.open = segment_parcel_open,
	.opened = segment_parcel_opened,
	.drop = segment_parcel_drop,
};

/* A grant that the parcel is the user of; nobody knows of it yet. */
static struct ipcshim_segment *segment_pack(struct ipcshim_parcel *parcel,
					    struct ipcshim_segment *segment,
					    struct ipcshim_segment_spec *spec)
{
	struct ipcshim_segment *grant;

	spec->memory = segment->memory;
	spec->mnt = segment->mnt;
	grant = ipcshim_segment_create(spec);
	if (IS_ERR(grant))
		return grant;
	*parcel = (struct ipcshim_parcel) {
		.ops = &segment_parcel_ops,
		.object = &grant->object,
		.inode = grant->inode,
		.mnt = grant->mnt,
	};
	return grant;
}

/* A token with a grant that it is the user of; nobody knows of either yet. */
static struct ipcshim_token *share_prepare(struct ipcshim_segment *segment,
					   u32 pid, u16 command, bool skip,
					   struct ipcshim_segment_spec *spec)
{
	struct ipcshim_segment *grant;
	struct ipcshim_token *token;

	token = ipcshim_token_prepare(pid, IPCSHIM_EVENT_RECV_SHARED_MEM,
				      command, skip);
	if (IS_ERR(token))
		return token;
	spec->receiver = token->process;
	grant = segment_pack(&token->parcel, segment, spec);
	if (IS_ERR(grant)) {
		ipcshim_token_cancel(token);
		return ERR_CAST(grant);
	}
	if (token->event)
		token->event->recv_shared_mem = (struct ipcshim_recv_shared_mem) {
			.length = ipcshim_memory_length(grant->memory),
			.mode = grant->mode,
			.rights = grant->rights,
			.inode = grant->ino,
			.deadline = grant->deadline,
		};
	return token;
}

static void share_cancel(struct ipcshim_token *token)
{
	segment_parcel_drop(&token->parcel, NULL);
	ipcshim_token_cancel(token);
}

/* What can't be shared that way by anybody. */
static int share_check_mode(u16 mode, u16 rights)
{
	if (mode != IPCSHIM_MEM_MUTUAL && mode != IPCSHIM_MEM_EXCLUSIVE)
		return -EINVAL;
	if (rights & ~SHARE_RIGHTS || !(rights & IPCSHIM_RIGHT_READ))
		return -EINVAL;
	if (rights & IPCSHIM_RIGHT_WRITE &&
	    rights & (IPCSHIM_RIGHT_EXECUTE | IPCSHIM_RIGHT_COPY_ON_WRITE))
		return -EINVAL;
	return 0;
}

/* What this grant's holder can't share. */
static int share_check_grant(const struct ipcshim_segment *segment, u16 rights)
{
	if (ipcshim_segment_stale(segment))
		return -ESTALE;
	/* To keep writes to oneself takes no more than to read. */
	if (rights & ~(segment->rights | IPCSHIM_RIGHT_COPY_ON_WRITE))
		return -EACCES;
	return 0;
}

static int share_check(const struct ipcshim_segment *segment,
		       const struct ipcshim_share_mem *arg)
{
	int err;

	if (arg->flags & ~SHARE_FLAGS || arg->reserved0 || arg->reserved)
		return -EINVAL;
	err = share_check_mode(arg->mode, arg->rights);
	if (err)
		return err;
	if (arg->flags & IPCSHIM_SHARE_LEND ?
	    arg->mode != IPCSHIM_MEM_EXCLUSIVE || arg->deadline > KTIME_MAX :
	    arg->deadline)
		return -EINVAL;
	if (!arg->pid || arg->pid == task_tgid_vnr(current))
		return -EINVAL;

	err = share_check_grant(segment, arg->rights);
	if (err)
		return err;
	if (arg->deadline && arg->deadline <= ktime_get_ns())
		return -ETIMEDOUT;
	return 0;
}

/* Is it still the owner's grant that is to be shared?  memory->lock is held. */
static int share_check_owner(const struct ipcshim_segment *segment)
{
	lockdep_assert_held(&segment->memory->lock);
	if (segment->stale)
		return -ESTALE;
	return segment->memory->owner == segment ? 0 : -EPERM;
}

static int share_check_mutual(const struct ipcshim_segment *grant)
{
	struct ipcshim_segment *other;

	/* Of a message nobody knows yet who will read it. */
	if (!grant->receiver)
		return 0;
	list_for_each_entry(other, &grant->memory->grants, in_memory)
		if (other->mode == IPCSHIM_MEM_MUTUAL &&
		    other->receiver == grant->receiver)
			return -EEXIST;
	return 0;
}

/* With the gate closed, and nobody else who reaches the pages; or an error. */
static int share_close(struct ipcshim_segment *segment, unsigned int subclass)
{
	struct ipcshim_memory *memory = segment->memory;
	int err;

	if (!list_is_singular(&memory->grants) || memory->exports)
		return -EBUSY;
	err = ipcshim_segment_close_gate(segment, subclass);
	if (err)
		return err;
	err = ipcshim_memory_alone(memory);
	if (err)
		ipcshim_segment_open_gate(segment);
	return err;
}

/*
 * Everything but the hand-over itself.  With 0 the lock is held, and of an
 * exclusive one the gate closed, until share_finish().
 */
static int share_begin(const struct ipcshim_share *share, unsigned int subclass)
{
	struct ipcshim_segment *segment = share->segment;
	struct ipcshim_memory *memory = segment->memory;
	int err;

	if (mutex_lock_killable_nested(&memory->lock, subclass))
		return -EINTR;
	err = share_check_owner(segment);
	if (!err)
		err = share->grant->mode == IPCSHIM_MEM_MUTUAL ?
		      share_check_mutual(share->grant) :
		      share_close(segment, subclass);
	if (err)
		mutex_unlock(&memory->lock);
	return err;
}

/* From the sharer's grant to the receiver's; nothing fails any more. */
static void share_hand_over(const struct ipcshim_share *share,
			    struct ipcshim_token *home)
{
	bool mutual = share->grant->mode == IPCSHIM_MEM_MUTUAL;

	if (!mutual)
		ipcshim_segment_set_stale(share->segment, IPCSHIM_HANDED_OVER);
	ipcshim_segment_grant(share->grant, !mutual && !home);
	if (home)
		ipcshim_lease_grant(share->grant, home);
}

static void share_finish(const struct ipcshim_share *share)
{
	if (share->grant->mode != IPCSHIM_MEM_MUTUAL)
		ipcshim_segment_open_gate(share->segment);
	mutex_unlock(&share->segment->memory->lock);
}

static int share_commit(const struct ipcshim_share *share,
			struct ipcshim_token *home)
{
	int err = share_begin(share, 0);

	if (err)
		return err;
	share_hand_over(share, home);
	share_finish(share);
	return 0;
}

/* Nobody else holds two of these locks, see ipcshim_carry_lock. */
int ipcshim_segment_share_all(const struct ipcshim_share *shares,
			      unsigned int nr)
{
	unsigned int begun, i;
	int err = 0;

	BUILD_BUG_ON(IPCSHIM_DESCRIPTORS_MAX > MAX_LOCKDEP_SUBCLASSES);
	for (begun = 0; begun < nr && !err; begun++)
		err = share_begin(&shares[begun], begun);
	if (err)
		begun--;	/* the one that failed has cleaned up */
	for (i = 0; i < begun && !err; i++) {
		share_hand_over(&shares[i], NULL);
		trace_ipcshim_share(shares[i].segment, shares[i].grant, 0, 0);
	}
	for (i = begun; i-- > 0;)
		share_finish(&shares[i]);
	for (i = 0; i < nr && !err; i++)
		if (shares[i].grant->mode != IPCSHIM_MEM_MUTUAL)
			ipcshim_segment_wake(shares[i].segment);
	return err;
}

int ipcshim_segment_pack(struct ipcshim_segment *segment, u16 mode, u16 rights,
			 struct ipcshim_parcel *parcel,
			 struct ipcshim_share *share)
{
	struct ipcshim_segment_spec spec = {
		.mode = mode,
		.rights = rights,
	};
	int err;

	err = share_check_mode(mode, rights);
	if (!err)
		err = share_check_grant(segment, rights);
	if (err)
		return err;
	if (READ_ONCE(segment->memory->owner) != segment)
		return ipcshim_segment_stale(segment) ? -ESTALE : -EPERM;
	share->segment = segment;
	share->grant = segment_pack(parcel, segment, &spec);
	return PTR_ERR_OR_ZERO(share->grant);
}

/* The caller's own token, for what it lends. */
static struct ipcshim_token *share_prepare_home(struct ipcshim_segment *segment,
						u16 command)
{
	struct ipcshim_segment_spec spec = {
		.mode = IPCSHIM_MEM_RETURNED,
		.rights = segment->rights,
	};

	return share_prepare(segment, task_tgid_vnr(current), command, false,
			     &spec);
}

int ipcshim_segment_share(struct ipcshim_segment *segment,
			  struct ipcshim_share_mem __user *uarg)
{
	struct ipcshim_token *token, *home = NULL;
	struct ipcshim_segment_spec spec = {};
	struct ipcshim_segment *grant;
	struct ipcshim_share_mem arg;
	struct ipcshim_share share;
	int err;

	err = ipcshim_copy_in(&arg, uarg, sizeof(arg));
	if (!err)
		err = share_check(segment, &arg);
	if (err)
		return err;
	/* Early, for a clear answer; it is looked at again under the lock. */
	if (READ_ONCE(segment->memory->owner) != segment)
		return ipcshim_segment_stale(segment) ? -ESTALE : -EPERM;

	spec.mode = arg.flags & IPCSHIM_SHARE_LEND ? IPCSHIM_MEM_LENT : arg.mode;
	spec.rights = arg.rights;
	spec.deadline = arg.deadline;
	token = share_prepare(segment, arg.pid, arg.command,
			      arg.flags & IPCSHIM_SHARE_SKIP, &spec);
	if (IS_ERR(token))
		return PTR_ERR(token);
	grant = ipcshim_object_segment(token->parcel.object);
	if (arg.flags & IPCSHIM_SHARE_LEND) {
		home = share_prepare_home(segment, arg.command);
		if (IS_ERR(home)) {
			err = PTR_ERR(home);
			goto err_token;
		}
	}
	/* Now: the argument may lie in what is going to be handed over. */
	arg.token = token->id;
	arg.inode = grant->ino;
	err = ipcshim_copy_out(uarg, &arg, sizeof(arg));
	if (err)
		goto err_home;
	share = (struct ipcshim_share) { segment, grant };
	err = share_commit(&share, home);
	if (err)
		goto err_home;

	/* From here on nothing fails. */
	trace_ipcshim_share(segment, grant, arg.pid, token->id);
	if (grant->mode != IPCSHIM_MEM_MUTUAL)
		ipcshim_segment_wake(segment);
	if (home)
		ipcshim_lease_start(grant);
	ipcshim_token_publish(token);
	return 0;

err_home:
	if (home)
		share_cancel(home);
err_token:
	share_cancel(token);
	trace_ipcshim_refuse(arg.pid, IPCSHIM_EVENT_RECV_SHARED_MEM, err);
	return err;
}

static int unshare_one(struct ipcshim_segment *grant)
{
	static const struct ipcshim_ending revoked = {
		.how = IPCSHIM_HOW_REVOKED,
	};
	int err;

	err = ipcshim_segment_close_gate(grant, 0);
	if (err)
		return err;
	ipcshim_segment_set_stale(grant, IPCSHIM_REVOKED);
	ipcshim_segment_open_gate(grant);
	trace_ipcshim_revoke(grant, &revoked);
	ipcshim_segment_tell(grant, &revoked);
	ipcshim_segment_wake(grant);
	return 0;
}

/* How many were taken back of what "pid" got, or everybody if that is NULL. */
static int unshare(struct ipcshim_segment *segment, const struct pid *pid)
{
	struct ipcshim_memory *memory = segment->memory;
	struct ipcshim_segment *grant, *next;
	int err, revoked = 0;

	if (segment->stale == IPCSHIM_HANDED_OVER)
		return -EINVAL;
	err = share_check_owner(segment);
	if (err)
		return err;
	list_for_each_entry_safe(grant, next, &memory->grants, in_memory) {
		if (grant->mode != IPCSHIM_MEM_MUTUAL ||
		    (pid && (!grant->receiver || grant->receiver->pid != pid)))
			continue;
		err = unshare_one(grant);
		if (err)
			return err;
		revoked++;
	}
	return pid && !revoked ? -ENOENT : revoked;
}

int ipcshim_segment_unshare(struct ipcshim_segment *segment,
			    struct ipcshim_unshare_mem __user *uarg)
{
	struct ipcshim_unshare_mem arg;
	struct pid *pid = NULL;
	int ret;

	ret = ipcshim_copy_in(&arg, uarg, sizeof(arg));
	if (ret)
		return ret;
	if (arg.flags || arg.reserved)
		return -EINVAL;
	/* Later it is too late to find that there is no place for the answer. */
	if (put_user(0, &uarg->revoked))
		return -EFAULT;
	if (arg.pid) {
		pid = find_get_pid(arg.pid);
		if (!pid)
			return -ESRCH;
	}
	if (mutex_lock_killable(&segment->memory->lock)) {
		put_pid(pid);
		return -EINTR;
	}
	ret = unshare(segment, pid);
	mutex_unlock(&segment->memory->lock);
	put_pid(pid);
	if (ret < 0)
		return ret;
	return put_user(ret, &uarg->revoked);
}
