/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * DOC: services: names that ports have published
 *
 * A name is in one table for everybody, under the uid that it belongs to, and on a
 * list of its port.  It is withdrawn when it leaves both; requests under way, and
 * connections, keep the service itself.
 *
 * service.c   names: published, found, withdrawn
 * connect.c   CONNECT_SERVICE, ACCEPT, REJECT
 */
#ifndef _IPCSHIM_SERVICE_H
#define _IPCSHIM_SERVICE_H

#include <linux/cred.h>
#include <linux/kref.h>
#include <linux/list.h>
#include <linux/spinlock.h>
#include <linux/uidgid.h>

#include "ipcshim.h"

struct ipcshim_connection;
struct ipcshim_port;
struct ipcshim_process;
struct ipcshim_user;
struct pid_namespace;
struct seq_file;

/* A name as it is looked up. */
struct ipcshim_name {
	kuid_t uid;		/* INVALID_UID: a reserved name, of everybody */
	u32 length;
	char text[IPCSHIM_NAME_MAX];
};

struct ipcshim_service {
	/* Constant. */
	struct kref refs;
	struct ipcshim_name name;
	struct ipcshim_process *process;
	const struct cred *cred;	/* of who published it */
	struct ipcshim_user *user;	/* charged for it */
	u64 id;
	u32 message_max;

	struct hlist_node node;		/* services_lock */
	struct list_head in_port;	/* process->lock */
	struct ipcshim_port *port;	/* process->lock; NULL: withdrawn */

	spinlock_t lock;		/* of the list */
	struct list_head connections;
};

int ipcshim_service_publish(struct ipcshim_port *port,
			    struct ipcshim_publish __user *uarg);
int ipcshim_service_withdraw(struct ipcshim_port *port,
			     const struct ipcshim_withdraw __user *uarg);
int ipcshim_service_has(struct ipcshim_has_service __user *uarg);
int ipcshim_service_connect(struct ipcshim_port *port,
			    struct ipcshim_connect_service __user *uarg);
int ipcshim_service_accept(struct ipcshim_port *port,
			   struct ipcshim_accept __user *uarg);
int ipcshim_service_reject(struct ipcshim_port *port,
			   const struct ipcshim_reject __user *uarg);

/*
 * The name at an address of the caller's.  by_uid: of that uid, else of the
 * caller's own; reserved names are nobody's.
 */
int ipcshim_name_copy(struct ipcshim_name *name, u64 address, u32 length,
		      bool by_uid, u32 uid);
/* With a reference, or NULL. */
struct ipcshim_service *ipcshim_service_find(const struct ipcshim_name *name);
/*
 * The same, waiting for it until the deadline.  -ETIMEDOUT, -ERESTARTSYS.
 */
struct ipcshim_service *ipcshim_service_wait(const struct ipcshim_name *name,
					     u64 deadline);
/* May the caller reach it?  -EPERM; -ENOENT: it was withdrawn. */
int ipcshim_service_permission(struct ipcshim_service *service);
void ipcshim_service_get(struct ipcshim_service *service);
void ipcshim_service_put(struct ipcshim_service *service);

/* The two halves of a port's death; the first under process->lock. */
void ipcshim_service_unlink_all(struct ipcshim_port *port,
				struct list_head *gone);
void ipcshim_service_withdraw_all(struct list_head *gone);

/* A line for each name of a port.  process->lock is held. */
void ipcshim_service_show_all(struct seq_file *m, struct ipcshim_port *port);

#endif /* _IPCSHIM_SERVICE_H */
