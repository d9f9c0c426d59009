/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * DOC: tokens: an object on its way to another process
 *
 *   PREPARED   made for a port, which has promised a place in its queue; no
 *              process can claim it yet
 *   WAITING    published: claimable by the target, told by an event or not
 *   CLAIMING   somebody is turning it into a descriptor
 *
 * prepare() can fail, and has then changed nothing.  publish() cannot fail: if
 * the port went in between, the token dies there and then, and its object
 * closes as if the target had closed it.
 */
#ifndef _IPCSHIM_TOKEN_H
#define _IPCSHIM_TOKEN_H

#include "event.h"
#include "ipcshim.h"

struct file;
struct ipcshim_port;
struct ipcshim_process;
struct ipcshim_token;
struct ipcshim_user;

struct ipcshim_token_ops {
	/*
	 * A file for the claimer, not yet visible; fills the out fields.
	 * -ESTALE: never again, the token dies; other errors leave it.
	 */
	struct file *(*open)(struct ipcshim_token *token,
			     struct ipcshim_process *process,
			     struct ipcshim_claim *claim);
	/* The claim can't fail any more. */
	void (*opened)(struct file *file);
	/* The token dies, claimed (no ending) or not: let go of the object. */
	void (*drop)(struct ipcshim_token *token,
		     const struct ipcshim_ending *ending);
};

enum ipcshim_token_state {
	IPCSHIM_TOKEN_PREPARED,
	IPCSHIM_TOKEN_WAITING,
	IPCSHIM_TOKEN_CLAIMING,
};

struct ipcshim_token {
	u64 id;
	struct ipcshim_process *process;
	struct ipcshim_user *user;		/* of the sender, charged */
	enum ipcshim_token_state state;		/* process->lock */
	struct ipcshim_port *port;		/* process->lock; NULL: it died */
	struct list_head in_port;		/* process->lock */
	struct ipcshim_event_node *event;	/* NULL: told otherwise */

	/* Set by the noun before publish(). */
	const struct ipcshim_token_ops *ops;
	struct ipcshim_object *object;
	struct inode *inode;
	struct vfsmount *mnt;
};

/*
 * For the process "pid": its port that handles the event "code", or with "skip"
 * any of its ports.  -ESRCH, -EPERM, -ECONNREFUSED, -EAGAIN, -EDQUOT, -ENOMEM.
 */
struct ipcshim_token *ipcshim_token_prepare(u32 pid, u16 code, u16 command,
					    bool skip);
void ipcshim_token_publish(struct ipcshim_token *token);
/* Before publish() only; the noun has let go of its object, or never set it. */
void ipcshim_token_cancel(struct ipcshim_token *token);

int ipcshim_token_claim(struct ipcshim_port *port,
			struct ipcshim_claim __user *uarg);

/* The two halves of a port's death; the first under process->lock. */
void ipcshim_token_unlink_all(struct ipcshim_port *port, struct list_head *dead);
void ipcshim_token_drop_all(struct list_head *dead,
			    const struct ipcshim_ending *ending);

#endif /* _IPCSHIM_TOKEN_H */
