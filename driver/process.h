/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * DOC: processes
 *
 * A process is found by its struct pid and by which program image it runs, so
 * a pid used again and a process that executed another program are not found:
 * their ports belong to somebody who is no more.
 *
 * process->lock protects the ports of the process with all that is queued in
 * them, the table that says which port handles which event, and the tokens.
 */
#ifndef _IPCSHIM_PROCESS_H
#define _IPCSHIM_PROCESS_H

#include <linux/cred.h>
#include <linux/list.h>
#include <linux/pid.h>
#include <linux/refcount.h>
#include <linux/sched.h>
#include <linux/spinlock.h>
#include <linux/xarray.h>

#include "event.h"

struct ipcshim_port;

struct ipcshim_handler {
	struct ipcshim_port *port;	/* NULL: not handled */
	struct pid *thread;		/* NULL: no signal */
	int signo;
};

struct ipcshim_process {
	struct hlist_node node;		/* processes_lock, RCU */
	struct pid *pid;
	u64 exec_id;
	refcount_t refs;
	struct rcu_head rcu;

	spinlock_t lock;		/* all below, and what hangs off ports */
	struct list_head ports;
	struct ipcshim_handler handlers[IPCSHIM_NR_EVENT_CODES];
	struct xarray tokens;		/* by id */
};

/* The calling process, made if it is not known yet. */
struct ipcshim_process *ipcshim_process_get_current(void);
/* The calling process, NULL if it is not known. */
struct ipcshim_process *ipcshim_process_find_current(void);
/*
 * By a number in the caller's pid namespace: -ESRCH, or 0 with references to
 * the credentials, and to the process, NULL if that one has no port.
 */
int ipcshim_process_find(u32 nr, struct ipcshim_process **process,
			 const struct cred **cred);

struct ipcshim_process *ipcshim_process_get(struct ipcshim_process *process);
void ipcshim_process_put(struct ipcshim_process *process);

/* Is it still there, with that image?  Any context. */
bool ipcshim_process_runs(const struct ipcshim_process *process);
bool ipcshim_process_is_current(const struct ipcshim_process *process);

static inline struct pid_namespace *
ipcshim_process_ns(const struct ipcshim_process *process)
{
	return ns_of_pid(process->pid);
}

#endif /* _IPCSHIM_PROCESS_H */
