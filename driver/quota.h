/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * DOC: quota: what one uid may have
 *
 * A user is looked up for the effective uid of whoever makes something, and
 * stays charged until that is freed, whoever holds it then.  Charged and
 * discharged here and nowhere else; a user freed with something left on its
 * account is a bug of ours, and is told so.
 */
#ifndef _IPCSHIM_QUOTA_H
#define _IPCSHIM_QUOTA_H

#include "ipcshim.h"

enum ipcshim_quota {
	IPCSHIM_QUOTA_PORTS,
	IPCSHIM_QUOTA_OBJECTS,
	IPCSHIM_QUOTA_BYTES,
	IPCSHIM_QUOTA_SEGMENT_BYTES,
	IPCSHIM_NR_QUOTAS,
};

struct ipcshim_user;

/* The current limit; it may be changed at any time. */
u64 ipcshim_quota_limit(enum ipcshim_quota quota);
unsigned int ipcshim_quota_max_events(void);

struct ipcshim_user *ipcshim_user_get_current(void);
void ipcshim_user_put(struct ipcshim_user *user);

/* The same two, with one object charged to it: -ENOMEM, -EDQUOT. */
struct ipcshim_user *ipcshim_quota_charge_object(void);
void ipcshim_quota_discharge_object(struct ipcshim_user *user);

/* -EDQUOT: over the limit, and without CAP_SYS_RESOURCE. */
int ipcshim_quota_charge(struct ipcshim_user *user, enum ipcshim_quota quota,
			 u64 amount);
void ipcshim_quota_discharge(struct ipcshim_user *user,
			     enum ipcshim_quota quota, u64 amount);
u64 ipcshim_quota_used(const struct ipcshim_user *user,
		       enum ipcshim_quota quota);

#endif /* _IPCSHIM_QUOTA_H */
