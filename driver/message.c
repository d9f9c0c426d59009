// SPDX-License-Identifier: GPL-2.0-only
#include <linux/cred.h>
#include <linux/mm.h>
#include <linux/overflow.h>
#include <linux/pid_namespace.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "message.h"
#include "quota.h"
#include "socket.h"

/* So much is copied without a look whether others want to run. */
#define COPY_CHUNK	SZ_256K
/* Payload of those that come from a cache: 256 bytes with the header. */
#define MESSAGE_SMALL	(256 - sizeof(struct ipcshim_message_node))

static struct kmem_cache *message_cache;

int ipcshim_message_init(void)
{
	message_cache = kmem_cache_create("ipcshim_message", 256, 0,
					  SLAB_ACCOUNT, NULL);
	return message_cache ? 0 : -ENOMEM;
}

void ipcshim_message_exit(void)
{
	kmem_cache_destroy(message_cache);
}

static struct ipcshim_message_node *message_alloc(u32 length)
{
	struct ipcshim_message_node *message;

	if (length <= MESSAGE_SMALL)
		return kmem_cache_alloc(message_cache, GFP_KERNEL);
	return kvmalloc(struct_size(message, payload, length),
			GFP_KERNEL_ACCOUNT | __GFP_NOWARN);
}

static void message_release(struct ipcshim_message_node *message)
{
	if (message->length <= MESSAGE_SMALL)
		kmem_cache_free(message_cache, message);
	else
		kvfree(message);
}

/*
 * Long ones piece by piece: they can take as long as the machine is slow.  Without
 * the check of the object's size: it was made for that length, a moment ago.
 */
static int payload_copy_in(u8 *payload, const void __user *from, u32 length)
{
	u32 done, chunk;

	for (done = 0; done < length; done += chunk) {
		chunk = min_t(u32, length - done, COPY_CHUNK);
		if (ipcshim_copy_from_user(payload + done, from + done, chunk))
			return -EFAULT;
		if (done + chunk == length)
			break;
		if (fatal_signal_pending(current))
			return -EINTR;
		cond_resched();
	}
	return 0;
}

struct ipcshim_message_node *
ipcshim_message_create(struct ipcshim_connection *connection,
		       const struct ipcshim_message *header, u64 buffer)
{
	struct ipcshim_message_node *message;
	u32 length = header->length;
	int err;

	err = ipcshim_quota_charge(connection->user, IPCSHIM_QUOTA_BYTES,
				   length);
	if (err)
		return ERR_PTR(err);
	message = message_alloc(length);
	if (!message) {
		err = -ENOMEM;
		goto err_charge;
	}
	message->length = length;
	err = payload_copy_in(message->payload, u64_to_user_ptr(buffer),
			      length);
	if (err)
		goto err_message;
	message->connection = connection;
	message->sender = get_pid(task_tgid(current));
	message->uid = current_euid();
	message->exchange = header->exchange;
	message->counter = 0;
	message->code = header->code;
	message->status = header->status;
	message->error = header->error;
	message->nr_carried = 0;
	message->carried = NULL;
	atomic64_inc(&ipcshim_totals.messages);
	atomic64_add(length, &ipcshim_totals.message_bytes);
	return message;

err_message:
	message_release(message);
err_charge:
	ipcshim_quota_discharge(connection->user, IPCSHIM_QUOTA_BYTES, length);
	return ERR_PTR(err);
}

/* Let go of what it carries: of a side of a socket its messages may come to "more". */
static void message_drop_carried(struct ipcshim_message_node *message,
				 struct list_head *more)
{
	static const struct ipcshim_ending unread = {
		.how = IPCSHIM_HOW_CLOSED,
	};
	unsigned int i;

	for (i = 0; i < message->nr_carried; i++) {
		struct ipcshim_carried *carried = &message->carried[i];

		if (!carried->travels) {
			carried->parcel.ops->drop(&carried->parcel, &unread);
			continue;
		}
		mutex_lock(&ipcshim_carry_lock);
		list_del(&carried->in_connection);
		mutex_unlock(&ipcshim_carry_lock);
		ipcshim_socket_drop(&carried->parcel, &unread, more);
	}
	kfree(message->carried);
}

static void message_destroy(struct ipcshim_message_node *message,
			    struct list_head *more)
{
	ipcshim_quota_discharge(message->connection->user, IPCSHIM_QUOTA_BYTES,
				message->length);
	atomic64_dec(&ipcshim_totals.messages);
	atomic64_sub(message->length, &ipcshim_totals.message_bytes);
	if (message->carried)
		message_drop_carried(message, more);
	put_pid(message->sender);
	message_release(message);
}

void ipcshim_messages_free(struct list_head *messages)
{
	struct ipcshim_message_node *message;

	while ((message = list_first_entry_or_null(messages,
						   struct ipcshim_message_node,
						   in_socket))) {
		struct ipcshim_connection *connection = message->connection;

		list_del(&message->in_socket);
		message_destroy(message, messages);
		ipcshim_connection_put(connection);
	}
}

void ipcshim_message_free(struct ipcshim_message_node *message)
{
	LIST_HEAD(more);

	message_destroy(message, &more);
	if (!list_empty(&more))
		ipcshim_messages_free(&more);
}

void ipcshim_message_header(const struct ipcshim_message_node *message,
			    struct task_struct *task,
			    struct ipcshim_message *header)
{
	*header = (struct ipcshim_message) {
		.exchange = message->exchange,
		.length = message->length,
		.counter = message->counter,
		.code = message->code,
		.status = message->status,
		.error = message->error,
		.nr_descriptors = message->nr_carried,
		.pid = pid_nr_ns(message->sender, task_active_pid_ns(task)),
	};
}

int ipcshim_message_copy_out(const struct ipcshim_message_node *message,
			     u64 buffer)
{
	void __user *to = u64_to_user_ptr(buffer);
	u32 done, chunk;

	for (done = 0; done < message->length; done += chunk) {
		chunk = min_t(u32, message->length - done, COPY_CHUNK);
		if (ipcshim_copy_to_user(to + done, message->payload + done, chunk))
			return -EFAULT;
		if (done + chunk == message->length)
			break;
		if (fatal_signal_pending(current))
			return -EINTR;
		cond_resched();
	}
	return 0;
}
