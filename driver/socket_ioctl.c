// SPDX-License-Identifier: GPL-2.0-only
/* The calls on a socket. */
#include <linux/cred.h>
#include <linux/fs.h>
#include <linux/ktime.h>
#include <linux/sched/signal.h>
#include <linux/uaccess.h>
#include <asm/ioctls.h>

#include "event.h"
#include "process.h"
#include "socket.h"
#include "trace.h"

/* What a sender may say in a header. */
static int message_check(const struct ipcshim_connection *connection,
			 const struct ipcshim_message *header)
{
	if (header->status & ~IPCSHIM_MESSAGE_CLOSE)
		return -EINVAL;
	if (header->exchange ? header->code : header->error)
		return -EINVAL;
	if (header->nr_descriptors > IPCSHIM_DESCRIPTORS_MAX)
		return -EINVAL;
	return header->length > connection->message_max ? -EMSGSIZE : 0;
}

static bool message_concludes(const struct ipcshim_message *header)
{
	return header->error || header->status & IPCSHIM_MESSAGE_CLOSE;
}

/* "wait": shall a message that is sent, or read, be waited for? */
static int wait_check(const struct file *file, u32 flags, u64 deadline,
		      bool *wait)
{
	if (flags & ~IPCSHIM_SOCK_NOWAIT || (flags && deadline) ||
	    deadline > KTIME_MAX)
		return -EINVAL;
	*wait = !flags && !(file->f_flags & O_NONBLOCK);
	return 0;
}

/* How it has ended, for those that have to tell. */
static void socket_tell_end(struct ipcshim_socket *socket,
			    struct ipcshim_sock_end *end)
{
	struct ipcshim_connection *connection = ipcshim_connection_of(socket);

	spin_lock(&connection->lock);
	end->how = connection->end.ending.how;
	end->status = connection->end.ending.status;
	spin_unlock(&connection->lock);
}

/* One by one: to zero it whole first is a tenth of what a short message costs. */
static void sending_init(struct ipcshim_sending *sending,
			 struct ipcshim_message *header, u64 deadline)
{
	sending->message = NULL;
	sending->packing = NULL;
	sending->event = NULL;
	sending->fresh = NULL;
	sending->taker = NULL;
	sending->header = header;
	sending->deadline = deadline;
	sending->sent = false;
}

/* RECV_SOCK_MSG for the other side, if it wants to be told. */
static int sending_prepare_event(struct ipcshim_socket *socket,
				 struct ipcshim_sending *sending)
{
	struct ipcshim_process *process;

	/* Pairs with the release in ipcshim_socket_hold(). */
	process = smp_load_acquire(&ipcshim_socket_peer(socket)->process);
	if (!process ||
	    !READ_ONCE(process->handlers[IPCSHIM_INDEX_RECV_SOCK_MSG].port))
		return 0;
	sending->event = ipcshim_event_alloc(IPCSHIM_EVENT_RECV_SOCK_MSG);
	if (!sending->event)
		return -ENOMEM;
	ipcshim_event_set_sender(sending->event, task_tgid(current),
				 current_euid());
	return 0;
}

/* All that a message needs, before any lock. */
static int sending_prepare(struct ipcshim_socket *socket,
			   struct ipcshim_sending *sending,
			   const struct ipcshim_message *header, u64 buffer,
			   u64 descriptors)
{
	struct ipcshim_connection *connection = ipcshim_connection_of(socket);
	int err;

	sending->message = ipcshim_message_create(connection, header, buffer);
	if (IS_ERR(sending->message)) {
		err = PTR_ERR(sending->message);
		sending->message = NULL;
		return err;
	}
	if (header->nr_descriptors) {
		sending->packing = ipcshim_carry_pack(sending->message,
						      descriptors,
						      header->nr_descriptors);
		if (IS_ERR(sending->packing)) {
			err = PTR_ERR(sending->packing);
			sending->packing = NULL;
			return err;
		}
	}
	if (!header->exchange && !message_concludes(header)) {
		sending->fresh = ipcshim_exchange_alloc(connection);
		if (!sending->fresh)
			return -ENOMEM;
	}
	return sending_prepare_event(socket, sending);
}

/* What is still the sender's. */
static void sending_finish(struct ipcshim_socket *socket,
			   struct ipcshim_sending *sending)
{
	if (sending->message && !sending->sent)
		ipcshim_message_free(sending->message);
	if (sending->packing)
		ipcshim_carry_finish(sending->packing);
	if (sending->fresh)
		ipcshim_exchange_free(ipcshim_connection_of(socket),
				      sending->fresh);
	if (sending->event)
		ipcshim_event_free(sending->event);
}

static int socket_send(struct file *file,
		       struct ipcshim_send_sock_msg __user *uarg)
{
	struct ipcshim_socket_file *socket_file = file->private_data;
	struct ipcshim_socket *socket = socket_file->socket;
	/* All of it is copied in, all of it that is used filled: no zeros before. */
	struct ipcshim_send_sock_msg arg __attribute__((__uninitialized__));
	struct ipcshim_sending sending __attribute__((__uninitialized__));
	int err;

	err = ipcshim_copy_in(&arg, uarg, sizeof(arg));
	if (err)
		return err;
	err = wait_check(file, arg.flags, arg.deadline, &sending.wait);
	if (err)
		return err;
	err = message_check(ipcshim_connection_of(socket), &arg.message);
	if (err)
		return err;
	/* Later it is too late to find that there is no place for the answer. */
	if (put_user(arg.flags, &uarg->flags))
		return -EFAULT;
	sending_init(&sending, &arg.message, arg.deadline);
	err = sending_prepare(socket, &sending, &arg.message, arg.buffer,
			      arg.descriptors);
	if (!err)
		err = ipcshim_socket_send(socket, &sending);
	arg.end = (struct ipcshim_sock_end) {};
	if (sending.sent)
		arg.message.pid = task_tgid_vnr(current);
	else if (err == -EPIPE || err == -ECONNRESET)
		socket_tell_end(socket, &arg.end);
	sending_finish(socket, &sending);
	if (ipcshim_copy_out(uarg, &arg, sizeof(arg)))
		return err ?: -EFAULT;
	return err;
}

/* Where an answer, or any message, is to go. */
struct socket_target {
	u64 buffer;
	u64 descriptors;
};

/* The new descriptors, with the structure that tells of them, or none. */
static noinline int receive_carried(struct ipcshim_message_node *message,
				    const struct socket_target *target,
				    void __user *uarg, const void *arg,
				    size_t size)
{
	struct ipcshim_unpacking unpacking;
	int err;

	err = ipcshim_carry_unpack(message, target->descriptors, &unpacking);
	if (err)
		return err;
	if (copy_to_user(uarg, arg, size)) {
		ipcshim_carry_undo(&unpacking);
		return -EFAULT;
	}
	ipcshim_carry_install(&unpacking, message);
	return 0;
}

/*
 * Deliver what was taken, and tell of it by "uarg"; or put it back.  "arg" has the
 * header already.  Always inline, so that the size is a constant to the usercopy
 * check.
 */
static __always_inline int socket_receive(struct ipcshim_socket *socket,
					  struct ipcshim_message_node *message,
					  const struct socket_target *target,
					  void __user *uarg, const void *arg,
					  size_t size)
{
	int err;

	err = ipcshim_message_copy_out(message, target->buffer);
	if (!err) {
		if (unlikely(message->nr_carried))
			err = receive_carried(message, target, uarg, arg, size);
		else
			err = ipcshim_copy_out(uarg, arg, size);
	}
	if (err) {
		ipcshim_socket_put_back(socket, message);
		return err;
	}
	trace_ipcshim_message_read(socket, message);
	ipcshim_message_free(message);
	return 0;
}

static u32 message_uid(const struct ipcshim_message_node *message)
{
	return from_kuid_munged(current_user_ns(), message->uid);
}

static int socket_read(struct file *file,
		       struct ipcshim_read_sock_msg __user *uarg)
{
	struct ipcshim_socket_file *socket_file = file->private_data;
	struct ipcshim_socket *socket = socket_file->socket;
	struct ipcshim_taking taking;
	struct ipcshim_taker taker __attribute__((__uninitialized__));
	struct ipcshim_read_sock_msg arg __attribute__((__uninitialized__));
	int err;

	err = ipcshim_copy_in(&arg, uarg, sizeof(arg));
	if (err)
		return err;
	err = wait_check(file, arg.flags, arg.deadline, &taking.wait);
	if (err)
		return err;
	if (arg.room > IPCSHIM_DESCRIPTORS_MAX)
		return -EINVAL;
	taking.exchange = arg.message.exchange;
	taking.deadline = arg.deadline;
	ipcshim_taker_init(&taker, arg.size, arg.room, false, &arg.message);
	err = ipcshim_socket_take(socket, &taker, &taking);
	arg.end = (struct ipcshim_sock_end) {};
	if (!err) {
		struct socket_target target = {
			.buffer = arg.buffer,
			.descriptors = arg.descriptors,
		};

		ipcshim_message_header(taker.message, current, &arg.message);
		arg.uid = message_uid(taker.message);
		return socket_receive(socket, taker.message, &target, uarg,
				      &arg, sizeof(arg));
	}
	if (err == -EPIPE || err == -ECONNRESET)
		socket_tell_end(socket, &arg.end);
	if (ipcshim_copy_out(uarg, &arg, sizeof(arg)))
		return -EFAULT;
	return err;
}

/* The first half of a call: with 0 the answer is in the taker's hands. */
static int call_begin(struct ipcshim_socket *socket, struct ipcshim_call *arg,
		      struct ipcshim_taker *taker)
{
	struct ipcshim_sending sending __attribute__((__uninitialized__));
	int err;

	err = message_check(ipcshim_connection_of(socket), &arg->message);
	if (err)
		return err;
	if (message_concludes(&arg->message))
		return -EINVAL;
	sending_init(&sending, &arg->message, arg->deadline);
	sending.wait = true;
	sending.taker = taker;
	err = sending_prepare(socket, &sending, &arg->message, arg->request,
			      arg->request_descriptors);
	if (!err)
		err = ipcshim_socket_send(socket, &sending);
	if (sending.sent)
		arg->flags = IPCSHIM_CALL_SENT;
	sending_finish(socket, &sending);
	return err;
}

static int call_resume(struct ipcshim_socket *socket,
		       const struct ipcshim_call *arg,
		       struct ipcshim_taker *taker)
{
	struct ipcshim_taking taking = {
		.exchange = arg->message.exchange,
		.deadline = arg->deadline,
		.wait = true,
	};

	if (!taking.exchange)
		return -ENOENT;
	return ipcshim_socket_take(socket, taker, &taking);
}

/* The second half; what can't be delivered waits for another try. */
static int call_finish(struct ipcshim_socket *socket,
		       struct ipcshim_message_node *message,
		       struct ipcshim_call *arg,
		       struct ipcshim_call __user *uarg)
{
	struct socket_target target = {
		.buffer = arg->buffer,
		.descriptors = arg->descriptors,
	};
	int err;

	ipcshim_message_header(message, current, &arg->message);
	arg->uid = message_uid(message);
	arg->flags = 0;
	err = socket_receive(socket, message, &target, uarg, arg,
			     sizeof(*arg));
	if (!err)
		return 0;
	arg->flags = IPCSHIM_CALL_SENT;
	if (ipcshim_copy_out(uarg, arg, sizeof(*arg)))
		return -EFAULT;
	return err;
}

static int socket_call(struct ipcshim_socket *socket,
		       struct ipcshim_call __user *uarg)
{
	struct ipcshim_taker taker __attribute__((__uninitialized__));
	struct ipcshim_call arg __attribute__((__uninitialized__));
	int err;

	err = ipcshim_copy_in(&arg, uarg, sizeof(arg));
	if (err)
		return err;
	if (arg.flags & ~IPCSHIM_CALL_SENT || arg.deadline > KTIME_MAX ||
	    arg.room > IPCSHIM_DESCRIPTORS_MAX)
		return -EINVAL;
	/* Later it is too late to find that there is no place for the answer. */
	if (put_user(arg.flags, &uarg->flags))
		return -EFAULT;
	ipcshim_taker_init(&taker, arg.size, arg.room, true, &arg.message);
	err = arg.flags ? call_resume(socket, &arg, &taker) :
			  call_begin(socket, &arg, &taker);
	arg.end = (struct ipcshim_sock_end) {};
	if (!err)
		return call_finish(socket, taker.message, &arg, uarg);
	if (err == -EPIPE || err == -ECONNRESET)
		socket_tell_end(socket, &arg.end);
	if (ipcshim_copy_out(uarg, &arg, sizeof(arg)))
		return -EFAULT;
	return err;
}

static int socket_end(struct ipcshim_socket *socket,
		      const struct ipcshim_end_service_conn __user *uarg)
{
	struct ipcshim_connection *connection = ipcshim_connection_of(socket);
	struct ipcshim_end_service_conn arg;
	int err;

	err = ipcshim_copy_in(&arg, uarg, sizeof(arg));
	if (err)
		return err;
	if (arg.flags || arg.reserved || !connection->service)
		return -EINVAL;
	if (socket->role != IPCSHIM_CLIENT)
		return -EPERM;
	return ipcshim_connection_end(connection);
}

static int socket_close(struct ipcshim_socket *socket,
			const struct ipcshim_close_serv_sock __user *uarg)
{
	struct ipcshim_connection *connection = ipcshim_connection_of(socket);
	struct ipcshim_close_serv_sock arg;
	int err;

	err = ipcshim_copy_in(&arg, uarg, sizeof(arg));
	if (err)
		return err;
	if (arg.flags || arg.reserved || connection->service)
		return -EINVAL;
	return ipcshim_connection_end(connection);
}

static int socket_bytes(struct ipcshim_socket *socket, int __user *uarg)
{
	struct ipcshim_connection *connection = ipcshim_connection_of(socket);
	struct ipcshim_message_node *message;
	int length;

	spin_lock(&connection->lock);
	message = list_first_entry_or_null(&socket->messages,
					   struct ipcshim_message_node,
					   in_socket);
	length = message ? message->length : 0;
	spin_unlock(&connection->lock);
	return put_user(length, uarg);
}

long ipcshim_socket_ioctl(struct file *file, unsigned int cmd,
			  unsigned long arg)
{
	struct ipcshim_socket_file *socket_file = file->private_data;
	struct ipcshim_socket *socket = socket_file->socket;
	void __user *uarg = (void __user *)arg;

	switch (cmd) {
	case IPCSHIM_SEND_SOCK_MSG:
		return socket_send(file, uarg);
	case IPCSHIM_READ_SOCK_MSG:
		return socket_read(file, uarg);
	case IPCSHIM_CALL:
		return socket_call(socket, uarg);
	case IPCSHIM_END_SERVICE_CONN:
		return socket_end(socket, uarg);
	case IPCSHIM_CLOSE_SERV_SOCK:
		return socket_close(socket, uarg);
	case FIONREAD:
		return socket_bytes(socket, uarg);
	default:
		return -ENOTTY;
	}
}
