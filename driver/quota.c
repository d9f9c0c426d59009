// SPDX-License-Identifier: GPL-2.0-only
#include <linux/capability.h>
#include <linux/cred.h>
#include <linux/hashtable.h>
#include <linux/moduleparam.h>
#include <linux/refcount.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/uidgid.h>

#include "quota.h"

struct ipcshim_user {
	struct hlist_node node;		/* users_lock */
	refcount_t refs;
	kuid_t uid;
	atomic64_t used[IPCSHIM_NR_QUOTAS];
};

static DEFINE_HASHTABLE(users, 6);
static DEFINE_SPINLOCK(users_lock);

static unsigned long max_ports = 1024;
module_param(max_ports, ulong, 0644);
MODULE_PARM_DESC(max_ports, "Open ports for each uid");

static unsigned long max_objects = 16384;
module_param(max_objects, ulong, 0644);
MODULE_PARM_DESC(max_objects, "Pipes, segments, ptys and unclaimed tokens for each uid");

static unsigned long max_bytes = 1UL << 30;
module_param(max_bytes, ulong, 0644);
MODULE_PARM_DESC(max_bytes, "Bytes of capacity of all pipes and ptys of each uid");

static unsigned long max_segment_bytes = 1UL << 30;
module_param(max_segment_bytes, ulong, 0644);
MODULE_PARM_DESC(max_segment_bytes, "Bytes of all segments of each uid");

static unsigned int max_events = 1024;
module_param(max_events, uint, 0644);
MODULE_PARM_DESC(max_events, "Events that may wait in a port");

u64 ipcshim_quota_limit(enum ipcshim_quota quota)
{
	switch (quota) {
	case IPCSHIM_QUOTA_PORTS:
		return READ_ONCE(max_ports);
	case IPCSHIM_QUOTA_OBJECTS:
		return READ_ONCE(max_objects);
	case IPCSHIM_QUOTA_BYTES:
		return READ_ONCE(max_bytes);
	case IPCSHIM_QUOTA_SEGMENT_BYTES:
		return READ_ONCE(max_segment_bytes);
	default:
		return 0;
	}
}

unsigned int ipcshim_quota_max_events(void)
{
	return READ_ONCE(max_events);
}

static struct ipcshim_user *user_find(kuid_t uid)
{
	struct ipcshim_user *user;

	lockdep_assert_held(&users_lock);
	hash_for_each_possible(users, user, node, __kuid_val(uid))
		if (uid_eq(user->uid, uid)) {
			/* Those in the table have references, see user_put. */
			refcount_inc(&user->refs);
			return user;
		}
	return NULL;
}

struct ipcshim_user *ipcshim_user_get_current(void)
{
	struct ipcshim_user *user, *fresh;
	kuid_t uid = current_euid();

	spin_lock(&users_lock);
	user = user_find(uid);
	spin_unlock(&users_lock);
	if (user)
		return user;

	fresh = kzalloc(sizeof(*fresh), GFP_KERNEL_ACCOUNT);
	if (!fresh)
		return ERR_PTR(-ENOMEM);
	refcount_set(&fresh->refs, 1);
	fresh->uid = uid;

	spin_lock(&users_lock);
	user = user_find(uid);
	if (!user)
		hash_add(users, &fresh->node, __kuid_val(uid));
	spin_unlock(&users_lock);
	if (!user)
		return fresh;
	kfree(fresh);
	return user;
}

/* The last reference is gone: nobody finds it any more. */
static void user_free(struct ipcshim_user *user)
	__releases(&users_lock)
{
	int i;

	hash_del(&user->node);
	spin_unlock(&users_lock);
	for (i = 0; i < IPCSHIM_NR_QUOTAS; i++)
		WARN_ON_ONCE(atomic64_read(&user->used[i]));
	kfree(user);
}

void ipcshim_user_put(struct ipcshim_user *user)
{
	if (refcount_dec_and_lock(&user->refs, &users_lock)) {
		__acquire(&users_lock);	/* sparse can't see that */
		user_free(user);
	}
}

int ipcshim_quota_charge(struct ipcshim_user *user, enum ipcshim_quota quota,
			 u64 amount)
{
	u64 used = atomic64_add_return(amount, &user->used[quota]);

	if (used <= ipcshim_quota_limit(quota) || capable(CAP_SYS_RESOURCE))
		return 0;
	atomic64_sub(amount, &user->used[quota]);
	return -EDQUOT;
}

void ipcshim_quota_discharge(struct ipcshim_user *user,
			     enum ipcshim_quota quota, u64 amount)
{
	atomic64_sub(amount, &user->used[quota]);
}

struct ipcshim_user *ipcshim_quota_charge_object(void)
{
	struct ipcshim_user *user = ipcshim_user_get_current();
	int err;

	if (IS_ERR(user))
		return user;
	err = ipcshim_quota_charge(user, IPCSHIM_QUOTA_OBJECTS, 1);
	if (!err)
		return user;
	ipcshim_user_put(user);
	return ERR_PTR(err);
}

void ipcshim_quota_discharge_object(struct ipcshim_user *user)
{
	ipcshim_quota_discharge(user, IPCSHIM_QUOTA_OBJECTS, 1);
	ipcshim_user_put(user);
}

u64 ipcshim_quota_used(const struct ipcshim_user *user,
		       enum ipcshim_quota quota)
{
	return atomic64_read(&user->used[quota]);
}
