/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * DOC: ports
 *
 * An open /dev/ipcshim.  Everything marked "process->lock" is protected by the
 * lock of the process that the port belongs to.
 */
#ifndef _IPCSHIM_PORT_H
#define _IPCSHIM_PORT_H

#include <linux/fs.h>
#include <linux/wait.h>

#include "object.h"
#include "process.h"
#include "quota.h"
#include "turn.h"

/* Which executable file a process runs: without a reference that pins it. */
struct ipcshim_executable {
	dev_t dev;
	u64 ino;
	u32 generation;
};

struct ipcshim_port {
	/* Constant while the file is open. */
	struct ipcshim_process *process;
	struct ipcshim_user *user;
	struct user_namespace *user_ns;	/* the opener's, held by f_cred */
	struct ipcshim_executable executable;

	struct list_head in_process;	/* process->lock from here on */
	struct list_head tokens;
	struct list_head services;	/* names that are published here */
	struct list_head events;
	unsigned int nr_events;		/* all that wait in the list */
	unsigned int nr_counted;	/* against max_events: queued and promised */
	u64 sequence;
	u32 access;
	bool ready;
	bool signals_lost;

	struct ipcshim_turn read_turn;
	wait_queue_head_t wait;
	struct fasync_struct *fasync;
	struct ipcshim_ending_hint ending;
};

int ipcshim_port_init(void);
void ipcshim_port_exit(void);

long ipcshim_port_ioctl(struct file *file, unsigned int cmd, unsigned long arg);

struct ipcshim_executable ipcshim_executable_of_current(void);

/*
 * May the current process reach that one?  port may be NULL: as one that has
 * changed nothing.  -EPERM if not.  process->lock may be held.
 */
int ipcshim_port_permission(const struct ipcshim_port *port,
			    const struct cred *target);

/*
 * Queue an event and tell the port's process.  process->lock is held.  The
 * event is the port's now.
 */
void ipcshim_port_queue(struct ipcshim_port *port,
			struct ipcshim_event_node *node);

/*
 * Queue an event at the port of this process that handles it; if none does, it
 * is freed.
 */
void ipcshim_port_tell(struct ipcshim_process *process,
		       struct ipcshim_event_node *node);

/*
 * The same, if there is a place in its queue, or if it must be.  -EAGAIN: the event
 * is still the caller's.
 */
int ipcshim_port_offer(struct ipcshim_process *process,
		       struct ipcshim_event_node *node, bool must);
/* Would such an event be refused? */
bool ipcshim_port_is_full(struct ipcshim_process *process, u16 code);

/* Raise the signals that waited.  process->lock is held. */
void ipcshim_port_raise_waiting(struct ipcshim_port *port);

#endif /* _IPCSHIM_PORT_H */
