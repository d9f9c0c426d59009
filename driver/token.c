// SPDX-License-Identifier: GPL-2.0-only
#include <linux/cred.h>
#include <linux/file.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "object.h"
#include "port.h"
#include "token.h"
#include "trace.h"

static atomic64_t last_token;

u64 ipcshim_token_number(void)
{
	return atomic64_inc_return(&last_token);
}

/* The port that would take it.  process->lock is held. */
static struct ipcshim_port *token_find_port(struct ipcshim_process *process,
					    int index, bool skip)
{
	struct ipcshim_port *port = process->handlers[index].port;

	if (!port && skip)
		port = list_first_entry_or_null(&process->ports,
						struct ipcshim_port,
						in_process);
	return port;
}

/* Bind the token to a port, with a place in its queue if it has an event. */
static int token_reserve(struct ipcshim_token *token,
			 struct ipcshim_port *const *at, int index, bool skip,
			 const struct cred *cred)
{
	struct ipcshim_process *process = token->process;
	struct ipcshim_port *port;
	int err;

	spin_lock(&process->lock);
	port = at ? *at : token_find_port(process, index, skip);
	err = ipcshim_port_permission(port, cred);
	if (err)
		goto out;
	if (!port) {
		err = -ECONNREFUSED;
		goto out;
	}
	if (token->event) {
		if (port->nr_counted >= ipcshim_quota_max_events()) {
			err = -EAGAIN;
			goto out;
		}
		port->nr_counted++;
	}
	token->port = port;
	list_add_tail(&token->in_port, &port->tokens);
out:
	spin_unlock(&process->lock);
	return err;
}

/* What prepare() took, but for the place in the port. */
static void token_free(struct ipcshim_token *token)
{
	ipcshim_event_free(token->event);
	ipcshim_process_put(token->process);
	ipcshim_quota_discharge_object(token->user);
	kfree(token);
}

/* The last of a token that is in no port any more. */
static void token_die(struct ipcshim_token *token,
		      const struct ipcshim_ending *ending)
{
	atomic64_dec(&ipcshim_totals.tokens);
	token->parcel.ops->drop(&token->parcel, ending);
	token_free(token);
}

static struct ipcshim_token *token_alloc(struct ipcshim_process *process,
					 u16 code, u16 command, bool skip)
{
	struct ipcshim_token *token;
	struct ipcshim_user *user;

	token = kzalloc(sizeof(*token), GFP_KERNEL_ACCOUNT);
	if (!token)
		return ERR_PTR(-ENOMEM);
	user = ipcshim_quota_charge_object();
	if (IS_ERR(user)) {
		kfree(token);
		return ERR_CAST(user);
	}
	token->user = user;
	token->id = ipcshim_token_number();
	token->process = ipcshim_process_get(process);
	INIT_LIST_HEAD(&token->in_port);
	if (skip)
		return token;

	token->event = ipcshim_event_alloc(code);
	if (!token->event) {
		token_free(token);
		return ERR_PTR(-ENOMEM);
	}
	token->event->command = command;
	token->event->token = token->id;
	ipcshim_event_set_sender(token->event, task_tgid(current),
				 current_euid());
	return token;
}

/* With "at" for that port alone, see ipcshim_token_prepare_at(). */
static struct ipcshim_token *token_prepare(struct ipcshim_process *process,
					   struct ipcshim_port *const *at,
					   const struct cred *cred, u16 code,
					   u16 command, bool skip)
{
	struct ipcshim_token *token;
	int err;

	token = token_alloc(process, code, command, skip);
	if (IS_ERR(token))
		return token;
	err = xa_insert(&process->tokens, token->id, token, GFP_KERNEL_ACCOUNT);
	if (err)
		goto err_token;
	err = token_reserve(token, at, ipcshim_event_index(code), skip, cred);
	if (err)
		goto err_erase;
	atomic64_inc(&ipcshim_totals.tokens);
	return token;

err_erase:
	xa_erase(&process->tokens, token->id);
err_token:
	token_free(token);
	return ERR_PTR(err);
}

struct ipcshim_token *ipcshim_token_prepare(u32 pid, u16 code, u16 command,
					    bool skip)
{
	struct ipcshim_process *process;
	struct ipcshim_token *token;
	const struct cred *cred;
	int err;

	err = ipcshim_process_find(pid, &process, &cred);
	if (err) {
		token = ERR_PTR(err);
		goto out;
	}
	if (process) {
		token = token_prepare(process, NULL, cred, code, command, skip);
		ipcshim_process_put(process);
	} else {
		err = ipcshim_port_permission(NULL, cred);
		token = ERR_PTR(err ?: -ECONNREFUSED);
	}
	put_cred(cred);
out:
	if (IS_ERR(token))
		trace_ipcshim_refuse(pid, code, PTR_ERR(token));
	return token;
}

struct ipcshim_token *
ipcshim_token_prepare_at(struct ipcshim_process *process,
			 struct ipcshim_port *const *port,
			 const struct cred *cred, u16 code, u16 command)
{
	struct ipcshim_token *token;

	token = token_prepare(process, port, cred, code, command, false);
	if (IS_ERR(token))
		trace_ipcshim_refuse(pid_vnr(process->pid), code,
				     PTR_ERR(token));
	return token;
}

/* Out of the port and the table.  False: the port's death was first. */
static bool token_unlink(struct ipcshim_token *token)
{
	struct ipcshim_process *process = token->process;
	struct ipcshim_port *port;

	spin_lock(&process->lock);
	port = token->port;
	if (port) {
		list_del(&token->in_port);
		xa_erase(&process->tokens, token->id);
		token->port = NULL;
		/* An event still here was never queued: give its place back. */
		if (token->event)
			port->nr_counted--;
	}
	spin_unlock(&process->lock);
	return port;
}

void ipcshim_token_publish(struct ipcshim_token *token)
{
	static const struct ipcshim_ending closed = {
		.how = IPCSHIM_HOW_CLOSED,
	};
	struct ipcshim_process *process = token->process;
	struct ipcshim_port *port;

	spin_lock(&process->lock);
	port = token->port;
	if (port) {
		token->state = IPCSHIM_TOKEN_WAITING;
		if (token->event)
			ipcshim_port_queue(port, token->event);
		token->event = NULL;
	}
	spin_unlock(&process->lock);
	/* With its lock dropped a published token may be claimed and gone. */
	if (!port)
		token_die(token, &closed);
}

void ipcshim_token_cancel(struct ipcshim_token *token)
{
	token_unlink(token);
	atomic64_dec(&ipcshim_totals.tokens);
	token_free(token);
}

void ipcshim_token_unlink_all(struct ipcshim_port *port, struct list_head *dead)
{
	struct ipcshim_process *process = port->process;
	struct ipcshim_token *token, *next;

	lockdep_assert_held(&process->lock);
	list_for_each_entry_safe(token, next, &port->tokens, in_port) {
		xa_erase(&process->tokens, token->id);
		token->port = NULL;
		/* One being made or claimed is left to whoever does that. */
		if (token->state == IPCSHIM_TOKEN_WAITING)
			list_move_tail(&token->in_port, dead);
		else
			list_del_init(&token->in_port);
	}
}

void ipcshim_token_drop_all(struct list_head *dead,
			    const struct ipcshim_ending *ending)
{
	struct ipcshim_token *token, *next;

	list_for_each_entry_safe(token, next, dead, in_port)
		token_die(token, ending);
}

struct ipcshim_token *ipcshim_token_take(struct ipcshim_process *process,
					 u64 id, bool request)
{
	struct ipcshim_token *token;

	spin_lock(&process->lock);
	token = id == (unsigned long)id ? xa_load(&process->tokens, id) : NULL;
	if (token && token->state == IPCSHIM_TOKEN_WAITING &&
	    token->request == request)
		token->state = IPCSHIM_TOKEN_CLAIMING;
	else
		token = NULL;
	spin_unlock(&process->lock);
	return token;
}

void ipcshim_token_put_back(struct ipcshim_token *token)
{
	struct ipcshim_process *process = token->process;
	struct ipcshim_ending ending = ipcshim_ending_of_current();
	bool dead;

	spin_lock(&process->lock);
	dead = !token->port;
	token->state = IPCSHIM_TOKEN_WAITING;
	spin_unlock(&process->lock);
	if (dead)
		token_die(token, &ending);
}

void ipcshim_token_finish(struct ipcshim_token *token,
			  const struct ipcshim_ending *ending)
{
	token_unlink(token);
	token_die(token, ending);
}

int ipcshim_token_claim(struct ipcshim_port *port,
			struct ipcshim_claim __user *uarg)
{
	struct ipcshim_token *token;
	struct ipcshim_claim claim;
	struct file *file;
	int fd, err;

	err = ipcshim_copy_in(&claim, uarg, sizeof(claim));
	if (err)
		return err;
	if (claim.flags & ~IPCSHIM_CLAIM_NONBLOCK || claim.length)
		return -EINVAL;
	if (!ipcshim_process_is_current(port->process))
		return -EPERM;
	/* Later it may be too late: to open a tty and close it again is seen. */
	claim.fd = -1;
	err = ipcshim_copy_out(uarg, &claim, sizeof(claim));
	if (err)
		return err;
	token = ipcshim_token_take(port->process, claim.token, false);
	if (!token)
		return -ENOENT;

	fd = get_unused_fd_flags(O_CLOEXEC);
	if (fd < 0) {
		err = fd;
		goto err_token;
	}
	file = token->parcel.ops->open(&token->parcel, port->process, &claim);
	if (IS_ERR(file)) {
		err = PTR_ERR(file);
		goto err_fd;
	}
	claim.fd = fd;
	err = ipcshim_copy_out(uarg, &claim, sizeof(claim));
	if (err)
		goto err_file;

	/* From here on nothing fails. */
	trace_ipcshim_claim(token);
	token->parcel.ops->opened(file, port->process);
	ipcshim_token_finish(token, NULL);
	fd_install(fd, file);
	return 0;

err_file:
	fput(file);
err_fd:
	put_unused_fd(fd);
err_token:
	if (err == -ESTALE) {
		/* What it stood for was taken back: it is good for nothing. */
		ipcshim_token_finish(token, NULL);
	} else {
		ipcshim_token_put_back(token);
	}
	return err;
}
