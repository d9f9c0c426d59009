// SPDX-License-Identifier: GPL-2.0-only
/* Taking messages, and waiting for them. */
#include <linux/sched/signal.h>

#include "socket.h"
#include "trace.h"

void ipcshim_taker_tell(struct ipcshim_taker *taker, int err)
{
	taker->err = err;
	taker->done = true;
	list_del_init(&taker->in_socket);
	wake_up_process(taker->task);
}

/* Sleep until it is told something: 0 or an error. */
static int taker_wait(struct ipcshim_connection *connection,
		      struct ipcshim_taker *taker, u64 deadline)
{
	int err = ipcshim_connection_sleep(connection, &taker->done, deadline);

	if (taker->done)
		return taker->err;
	list_del_init(&taker->in_socket);
	return err;
}

int ipcshim_exchange_wait(struct ipcshim_socket *socket,
			  struct ipcshim_taker *taker, u64 id, u64 deadline)
{
	struct ipcshim_connection *connection = ipcshim_connection_of(socket);
	struct ipcshim_exchange *exchange;
	int err;

	err = taker_wait(connection, taker, deadline);
	if (taker->done)
		return err;
	/* An exchange that ended would have told. */
	exchange = ipcshim_exchange_find(connection, id);
	exchange->takers[socket->role] = NULL;
	return err;
}

/* The next one that waits, or the next of that exchange. */
static struct ipcshim_message_node *
socket_next(const struct ipcshim_socket *socket, u64 exchange)
{
	struct ipcshim_message_node *message;

	list_for_each_entry(message, &socket->messages, in_socket)
		if (!exchange || message->exchange == exchange)
			return message;
	return NULL;
}

static int take_from_queue(struct ipcshim_socket *socket,
			   struct ipcshim_taker *taker,
			   struct ipcshim_message_node *message)
{
	struct ipcshim_connection *connection = ipcshim_connection_of(socket);
	int err = ipcshim_taker_check(taker, message);

	if (err)
		return err;
	list_del(&message->in_socket);
	socket->nr_messages--;
	socket->bytes -= message->length;
	if (!(message->status & IPCSHIM_MESSAGE_OPENS))
		socket->answering -= ipcshim_message_weight(message);
	ipcshim_socket_taken(socket, message,
			     ipcshim_exchange_find(connection,
						   message->exchange));
	taker->message = message;
	return 0;
}

/* Nothing waits: may, and shall, the caller wait for it? */
static int take_wait(struct ipcshim_socket *socket, struct ipcshim_taker *taker,
		     const struct ipcshim_taking *taking)
{
	struct ipcshim_connection *connection = ipcshim_connection_of(socket);
	struct ipcshim_exchange *exchange;
	int err;

	err = ipcshim_connection_error(connection);
	if (err)
		return taker->call ? -ECONNRESET : err;
	if (!taking->exchange) {
		if (!taking->wait)
			return -EAGAIN;
		list_add_tail(&taker->in_socket, &socket->takers);
		return taker_wait(connection, taker, taking->deadline);
	}
	exchange = ipcshim_exchange_find(connection, taking->exchange);
	if (!exchange)
		return ipcshim_exchange_missing(connection, taking->exchange);
	if (exchange->takers[socket->role])
		return -EBUSY;
	if (!taking->wait)
		return -EAGAIN;
	exchange->takers[socket->role] = taker;
	return ipcshim_exchange_wait(socket, taker, taking->exchange,
				     taking->deadline);
}

int ipcshim_socket_take(struct ipcshim_socket *socket,
			struct ipcshim_taker *taker,
			const struct ipcshim_taking *taking)
{
	struct ipcshim_connection *connection = ipcshim_connection_of(socket);
	struct ipcshim_message_node *message;
	int err;

	spin_lock(&connection->lock);
	message = socket_next(socket, taking->exchange);
	err = message ? take_from_queue(socket, taker, message) :
			take_wait(socket, taker, taking);
	spin_unlock(&connection->lock);
	return err;
}
