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
#include "parcel.h"

struct cred;
struct ipcshim_port;
struct ipcshim_process;
struct ipcshim_user;

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
	struct ipcshim_parcel parcel;
	bool request;	/* for ACCEPT and REJECT, not for CLAIM */
};

/* A number that no token has had, nor will have. */
u64 ipcshim_token_number(void);
/*
 * For the process "pid": its port that handles the event "code", or with "skip"
 * any of its ports.  -ESRCH, -EPERM, -ECONNREFUSED, -EAGAIN, -EDQUOT, -ENOMEM.
 */
struct ipcshim_token *ipcshim_token_prepare(u32 pid, u16 code, u16 command,
					    bool skip);
/*
 * For one port: what "port" says under process->lock, NULL: it is gone.  Whether
 * it handles the event does not matter.
 */
struct ipcshim_token *
ipcshim_token_prepare_at(struct ipcshim_process *process,
			 struct ipcshim_port *const *port,
			 const struct cred *cred, u16 code, u16 command);
void ipcshim_token_publish(struct ipcshim_token *token);
/* Before publish() only; the noun has let go of its object, or never set it. */
void ipcshim_token_cancel(struct ipcshim_token *token);

/*
 * A token that waits, a request or another one: nobody else has it from here on,
 * until it is put back or finished.  NULL: there is none.
 */
struct ipcshim_token *ipcshim_token_take(struct ipcshim_process *process,
					 u64 id, bool request);
/* It can be tried again, unless the port went. */
void ipcshim_token_put_back(struct ipcshim_token *token);
/* It is used up: claimed (no ending) or not. */
void ipcshim_token_finish(struct ipcshim_token *token,
			  const struct ipcshim_ending *ending);

int ipcshim_token_claim(struct ipcshim_port *port,
			struct ipcshim_claim __user *uarg);

/* The two halves of a port's death; the first under process->lock. */
void ipcshim_token_unlink_all(struct ipcshim_port *port, struct list_head *dead);
void ipcshim_token_drop_all(struct list_head *dead,
			    const struct ipcshim_ending *ending);

#endif /* _IPCSHIM_TOKEN_H */
