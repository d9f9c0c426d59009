/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * DOC: events
 *
 * An event is allocated by whoever may one day have to tell something, before
 * that has happened.  Queueing it cannot fail; from then on it is the port's.
 * Pids and uids are kept as references and translated when the event is read.
 */
#ifndef _IPCSHIM_EVENT_H
#define _IPCSHIM_EVENT_H

#include <linux/list.h>
#include <linux/pid.h>
#include <linux/uidgid.h>

#include "ipcshim.h"

struct user_namespace;

struct ipcshim_event_node {
	struct list_head in_port;	/* process->lock */
	struct pid *sender;
	kuid_t uid;
	u16 code;
	u16 command;
	/* A close event: its slot is not counted against max_events. */
	bool reserved;
	u64 token;
	u64 sequence;
	union {
		struct ipcshim_recv_pipe recv_pipe;
		struct ipcshim_pipe_closed pipe_closed;
		struct ipcshim_recv_shared_mem recv_shared_mem;
		struct ipcshim_unshared_mem unshared_mem;
		struct ipcshim_recv_pty recv_pty;
		struct ipcshim_recv_serv_sock recv_serv_sock;
		struct ipcshim_recv_sock_msg recv_sock_msg;
		struct ipcshim_service_conn_request service_conn_request;
		struct ipcshim_sock_closed sock_closed;
		u8 data[32];
	};
};

/* The codes that exist, in a row without holes. */
enum ipcshim_event_index {
	IPCSHIM_INDEX_RECV_PIPE,
	IPCSHIM_INDEX_PIPE_CLOSED,
	IPCSHIM_INDEX_RECV_SERV_SOCK,
	IPCSHIM_INDEX_RECV_SOCK_MSG,
	IPCSHIM_INDEX_SERV_SOCK_CLOSED,
	IPCSHIM_INDEX_SERVICE_CONN_REQUEST,
	IPCSHIM_INDEX_SERVICE_CLIENT_CLOSED,
	IPCSHIM_INDEX_SERVICE_CLIENT_QUITTED,
	IPCSHIM_INDEX_SERVICE_SERVER_QUITTED,
	IPCSHIM_INDEX_RECV_SHARED_MEM,
	IPCSHIM_INDEX_UNSHARED_MEM,
	IPCSHIM_INDEX_RECV_PTY,
	IPCSHIM_NR_EVENT_CODES,
};

int ipcshim_event_init(void);
void ipcshim_event_exit(void);

/* -EINVAL: no such code. */
int ipcshim_event_index(u16 code);
u16 ipcshim_event_code(enum ipcshim_event_index index);

struct ipcshim_event_node *ipcshim_event_alloc(u16 code);
void ipcshim_event_free(struct ipcshim_event_node *node);
/* Who caused it, in place of who did before; with a reference of its own. */
void ipcshim_event_set_sender(struct ipcshim_event_node *node,
			      struct pid *sender, kuid_t uid);

void ipcshim_event_translate(const struct ipcshim_event_node *node,
			     struct pid_namespace *pid_ns,
			     struct user_namespace *user_ns,
			     struct ipcshim_event *event);

/* Raise the signal that carries the event: 0, or -EAGAIN if it can't be queued. */
int ipcshim_event_signal(const struct ipcshim_event_node *node, int signo,
			 struct task_struct *thread, struct pid_namespace *ns,
			 bool signals_lost);

#endif /* _IPCSHIM_EVENT_H */
