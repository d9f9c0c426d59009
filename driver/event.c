// SPDX-License-Identifier: GPL-2.0-only
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/user_namespace.h>

#include "event.h"

static struct kmem_cache *event_cache;

static const u16 event_codes[IPCSHIM_NR_EVENT_CODES] = {
	[IPCSHIM_INDEX_RECV_PIPE] = IPCSHIM_EVENT_RECV_PIPE,
	[IPCSHIM_INDEX_PIPE_CLOSED] = IPCSHIM_EVENT_PIPE_CLOSED,
	[IPCSHIM_INDEX_RECV_SERV_SOCK] = IPCSHIM_EVENT_RECV_SERV_SOCK,
	[IPCSHIM_INDEX_RECV_SOCK_MSG] = IPCSHIM_EVENT_RECV_SOCK_MSG,
	[IPCSHIM_INDEX_SERV_SOCK_CLOSED] = IPCSHIM_EVENT_SERV_SOCK_CLOSED,
	[IPCSHIM_INDEX_SERVICE_CONN_REQUEST] =
		IPCSHIM_EVENT_SERVICE_CONN_REQUEST,
	[IPCSHIM_INDEX_SERVICE_CLIENT_CLOSED] =
		IPCSHIM_EVENT_SERVICE_CLIENT_CLOSED,
	[IPCSHIM_INDEX_SERVICE_CLIENT_QUITTED] =
		IPCSHIM_EVENT_SERVICE_CLIENT_QUITTED,
	[IPCSHIM_INDEX_SERVICE_SERVER_QUITTED] =
		IPCSHIM_EVENT_SERVICE_SERVER_QUITTED,
	[IPCSHIM_INDEX_RECV_SHARED_MEM] = IPCSHIM_EVENT_RECV_SHARED_MEM,
	[IPCSHIM_INDEX_UNSHARED_MEM] = IPCSHIM_EVENT_UNSHARED_MEM,
	[IPCSHIM_INDEX_RECV_PTY] = IPCSHIM_EVENT_RECV_PTY,
};

int ipcshim_event_init(void)
{
	BUILD_BUG_ON(sizeof(struct ipcshim_event) != 64);
	BUILD_BUG_ON(sizeof(struct ipcshim_signal) != 32);
	/* The payload fills the union of the siginfo to its last byte. */
	BUILD_BUG_ON(sizeof(struct kernel_siginfo) !=
		     IPCSHIM_SIGINFO_OFFSET + sizeof(struct ipcshim_signal));
	BUILD_BUG_ON(IPCSHIM_SIGNAL_CODE != POLL_MSG);

	event_cache = kmem_cache_create("ipcshim_event",
					sizeof(struct ipcshim_event_node), 0,
					SLAB_ACCOUNT, NULL);
	return event_cache ? 0 : -ENOMEM;
}

void ipcshim_event_exit(void)
{
	kmem_cache_destroy(event_cache);
}

int ipcshim_event_index(u16 code)
{
	int i;

	for (i = 0; i < IPCSHIM_NR_EVENT_CODES; i++)
		if (event_codes[i] == code)
			return i;
	return -EINVAL;
}

u16 ipcshim_event_code(enum ipcshim_event_index index)
{
	return event_codes[index];
}

struct ipcshim_event_node *ipcshim_event_alloc(u16 code)
{
	struct ipcshim_event_node *node;

	node = kmem_cache_zalloc(event_cache, GFP_KERNEL);
	if (node)
		node->code = code;
	return node;
}

void ipcshim_event_free(struct ipcshim_event_node *node)
{
	if (!node)
		return;
	put_pid(node->sender);
	kmem_cache_free(event_cache, node);
}

void ipcshim_event_set_sender(struct ipcshim_event_node *node,
			      struct pid *sender, kuid_t uid)
{
	put_pid(node->sender);
	node->sender = get_pid(sender);
	node->uid = uid;
}

void ipcshim_event_translate(const struct ipcshim_event_node *node,
			     struct pid_namespace *pid_ns,
			     struct user_namespace *user_ns,
			     struct ipcshim_event *event)
{
	*event = (struct ipcshim_event) {
		.code = node->code,
		.command = node->command,
		.token = node->token,
		.sequence = node->sequence,
		.pid = pid_nr_ns(node->sender, pid_ns),
		.uid = from_kuid_munged(user_ns, node->uid),
	};
	memcpy(event->data, node->data, sizeof(event->data));
}

int ipcshim_event_signal(const struct ipcshim_event_node *node, int signo,
			 struct task_struct *thread, struct pid_namespace *ns,
			 bool signals_lost)
{
	struct ipcshim_signal payload = {
		.code = node->code,
		.command = node->command,
		.pid = pid_nr_ns(node->sender, ns),
		.token = node->token,
	};
	struct kernel_siginfo info;

	memcpy(payload.data, node->data, sizeof(payload.data));
	clear_siginfo(&info);
	info.si_signo = signo;
	info.si_errno = signals_lost ? ENOBUFS : 0;
	/*
	 * A code above 0 cannot be sent by one process to another, and one of
	 * the first six is not rewritten on its way through a user namespace.
	 */
	info.si_code = IPCSHIM_SIGNAL_CODE;
	memcpy((u8 *)&info + IPCSHIM_SIGINFO_OFFSET, &payload, sizeof(payload));
	return send_sig_info(signo, &info, thread);
}
