// SPDX-License-Identifier: GPL-2.0-only
/* Room, turns, delivery. */
#include <linux/moduleparam.h>
#include <linux/poll.h>
#include <linux/sched/signal.h>

#include "port.h"
#include "socket.h"
#include "trace.h"

static unsigned int first_counter = 1;
module_param(first_counter, uint, 0644);
MODULE_PARM_DESC(first_counter,
		 "Counter of the first message of an exchange, to see it wrap");

bool ipcshim_socket_has_room(const struct ipcshim_socket *socket, u32 weight,
			     bool stays_open)
{
	const struct ipcshim_connection *connection =
		ipcshim_connection_of(socket);

	lockdep_assert_held(&connection->lock);
	if (socket->opening && socket->opening + weight > IPCSHIM_SOCKET_ROOM)
		return false;
	return !stays_open ||
	       connection->nr_exchanges < ipcshim_socket_max_exchanges();
}

static void socket_take_room(struct ipcshim_socket *socket, u32 weight,
			     bool stays_open)
{
	socket->opening += weight;
	if (stays_open)
		ipcshim_connection_of(socket)->nr_exchanges++;
}

void ipcshim_opener_tell(struct ipcshim_opener *opener, int err)
{
	opener->err = err;
	opener->done = true;
	list_del(&opener->in_socket);
	wake_up_process(opener->task);
}

void ipcshim_socket_do_give_room(struct ipcshim_socket *socket)
{
	struct ipcshim_socket *peer = ipcshim_socket_peer(socket);
	struct ipcshim_opener *opener, *next;

	lockdep_assert_held(&ipcshim_connection_of(socket)->lock);
	list_for_each_entry_safe(opener, next, &socket->openers, in_socket) {
		if (!ipcshim_socket_has_room(socket, opener->weight,
					     opener->stays_open))
			return;
		socket_take_room(socket, opener->weight, opener->stays_open);
		ipcshim_opener_tell(opener, 0);
	}
	/* What poll said may have changed, too. */
	wake_up_interruptible_poll(&peer->wait, EPOLLOUT | EPOLLWRNORM);
	if (peer->wants_room) {
		peer->wants_room = false;
		kill_fasync(&peer->fasync, SIGIO, POLL_OUT);
	}
}

/* Wait in line for room, which is the caller's with 0. */
static int opener_wait(struct ipcshim_socket *socket,
		       struct ipcshim_opener *opener, u64 deadline)
{
	struct ipcshim_connection *connection = ipcshim_connection_of(socket);
	int err;

	list_add_tail(&opener->in_socket, &socket->openers);
	err = ipcshim_connection_sleep(connection, &opener->done, deadline);
	if (opener->done)
		return opener->err;
	list_del(&opener->in_socket);
	/* Those behind this one may be content with less. */
	ipcshim_socket_give_room(socket);
	return err;
}

/* Room on the other side, or an error. */
static int send_find_room(struct ipcshim_socket *socket,
			  const struct ipcshim_sending *sending)
{
	struct ipcshim_socket *peer = ipcshim_socket_peer(socket);
	struct ipcshim_opener opener = {
		.task = current,
		.weight = ipcshim_message_weight(sending->message),
		.stays_open = sending->fresh,
	};

	if (socket->answering > IPCSHIM_SOCKET_ROOM)
		return -ENOBUFS;
	if (list_empty(&peer->openers) &&
	    ipcshim_socket_has_room(peer, opener.weight, opener.stays_open)) {
		socket_take_room(peer, opener.weight, opener.stays_open);
		return 0;
	}
	if (!sending->wait) {
		socket->wants_room = true;
		return -EAGAIN;
	}
	return opener_wait(peer, &opener, sending->deadline);
}

/* The first message of an exchange. */
static int send_open(struct ipcshim_socket *socket,
		     struct ipcshim_sending *sending)
{
	struct ipcshim_connection *connection = ipcshim_connection_of(socket);
	struct ipcshim_message_node *message = sending->message;
	struct ipcshim_exchange *exchange = sending->fresh;
	int err;

	err = send_find_room(socket, sending);
	/* It may have ended since the room was given. */
	if (!err)
		err = ipcshim_connection_error(connection);
	if (err)
		return err;
	message->exchange = ++connection->last_exchange;
	message->counter = READ_ONCE(first_counter);
	message->status |= IPCSHIM_MESSAGE_OPENS;
	if (socket->role == IPCSHIM_SERVER)
		message->status |= IPCSHIM_MESSAGE_NOTIFICATION;
	if (!exchange)
		return 0;
	exchange->id = message->exchange;
	exchange->counter = message->counter + 1;
	exchange->code = message->code;
	exchange->opener = socket->role;
	exchange->turn = IPCSHIM_NOBODY;
	exchange->takers[socket->role] = sending->taker;
	exchange->takers[ipcshim_socket_peer(socket)->role] = NULL;
	ipcshim_exchange_add(connection, exchange);
	return 0;
}

/* A message of an exchange that is open. */
static int send_continue(struct ipcshim_socket *socket,
			 struct ipcshim_sending *sending,
			 struct ipcshim_exchange **found)
{
	struct ipcshim_connection *connection = ipcshim_connection_of(socket);
	struct ipcshim_message_node *message = sending->message;
	struct ipcshim_exchange *exchange;

	exchange = ipcshim_exchange_find(connection, message->exchange);
	if (!exchange)
		return ipcshim_exchange_missing(connection, message->exchange);
	if (exchange->turn != socket->role ||
	    (sending->taker && exchange->takers[socket->role]))
		return -EBUSY;
	message->code = exchange->code;
	message->counter = exchange->counter++;
	if (exchange->opener == IPCSHIM_SERVER)
		message->status |= IPCSHIM_MESSAGE_NOTIFICATION;
	exchange->turn = IPCSHIM_NOBODY;
	if (sending->taker)
		exchange->takers[socket->role] = sending->taker;
	*found = exchange;
	return 0;
}

/* Undo either of them.  The connection has not ended since. */
static void send_withdraw(struct ipcshim_socket *socket,
			  struct ipcshim_sending *sending,
			  struct ipcshim_exchange *exchange)
{
	struct ipcshim_connection *connection = ipcshim_connection_of(socket);
	struct ipcshim_message_node *message = sending->message;
	struct ipcshim_socket *peer = ipcshim_socket_peer(socket);

	if (!(message->status & IPCSHIM_MESSAGE_OPENS)) {
		exchange->counter--;
		exchange->turn = socket->role;
		if (sending->taker)
			exchange->takers[socket->role] = NULL;
		return;
	}
	if (exchange) {
		/* Somebody may have guessed its number while it was there. */
		ipcshim_exchange_fail_takers(exchange, sending->taker);
		ipcshim_exchange_remove(connection, exchange);
	}
	/* Nobody has seen the number. */
	if (connection->last_exchange == message->exchange)
		connection->last_exchange--;
	peer->opening -= ipcshim_message_weight(message);
	ipcshim_socket_give_room(peer);
	ipcshim_socket_give_room(socket);
}

int ipcshim_taker_check(struct ipcshim_taker *taker,
			const struct ipcshim_message_node *message)
{
	if (message->length <= taker->size &&
	    message->nr_carried <= taker->room)
		return 0;
	ipcshim_message_header(message, taker->task, taker->header);
	return -EMSGSIZE;
}

/* False: it does not fit, and the taker is told. */
static bool taker_give(struct ipcshim_taker *taker,
		       struct ipcshim_message_node *message)
{
	int err = ipcshim_taker_check(taker, message);

	if (!err)
		taker->message = message;
	ipcshim_taker_tell(taker, err);
	return !err;
}

static void socket_enqueue(struct ipcshim_socket *socket,
			   struct ipcshim_message_node *message,
			   struct list_head *after)
{
	list_add(&message->in_socket, after);
	socket->nr_messages++;
	socket->bytes += message->length;
	/* Who opens has taken the room before. */
	if (!(message->status & IPCSHIM_MESSAGE_OPENS))
		socket->answering += ipcshim_message_weight(message);
	/* A poller we don't see here looks under the lock after us. */
	if (waitqueue_active(&socket->wait))
		wake_up_interruptible_poll(&socket->wait,
					   EPOLLIN | EPOLLRDNORM);
	kill_fasync(&socket->fasync, SIGIO, POLL_IN);
}

void ipcshim_socket_taken(struct ipcshim_socket *socket,
			  const struct ipcshim_message_node *message,
			  struct ipcshim_exchange *exchange)
{
	/* Unless it has been answered, by a guess, before it was read. */
	if (exchange && exchange->counter == message->counter + 1)
		exchange->turn = socket->role;
	if (message->status & IPCSHIM_MESSAGE_OPENS) {
		socket->opening -= ipcshim_message_weight(message);
		ipcshim_socket_give_room(socket);
	}
}

/* Into the hands of who waits for it.  False: it is for the queue. */
static bool socket_hand(struct ipcshim_socket *socket,
			struct ipcshim_message_node *message,
			struct ipcshim_exchange *exchange)
{
	struct ipcshim_taker *taker, *next;
	bool given = false;

	if (exchange && exchange->takers[socket->role]) {
		taker = exchange->takers[socket->role];
		exchange->takers[socket->role] = NULL;
		given = taker_give(taker, message);
	}
	/* Whoever had asked for it, if it does not fit it is as any other. */
	list_for_each_entry_safe(taker, next, &socket->takers, in_socket) {
		if (given)
			break;
		given = taker_give(taker, message);
	}
	if (given)
		ipcshim_socket_taken(socket, message, exchange);
	return given;
}

/* Does nobody wait for it?  Then it is announced. */
static bool socket_nobody_waits(const struct ipcshim_socket *socket,
				const struct ipcshim_exchange *exchange)
{
	return list_empty(&socket->takers) &&
	       !(exchange && exchange->takers[socket->role]);
}

/* "sure": it can't be refused any more. */
static int send_announce(struct ipcshim_socket *peer,
			 struct ipcshim_sending *sending,
			 const struct ipcshim_exchange *exchange, bool sure)
{
	const struct ipcshim_message_node *message = sending->message;
	struct ipcshim_event_node *event = sending->event;
	int err;

	if (!event || !socket_nobody_waits(peer, exchange))
		return 0;
	event->recv_sock_msg = (struct ipcshim_recv_sock_msg) {
		.exchange = message->exchange,
		.code = message->code,
		.status = message->status,
		.error = message->error,
		.nr_descriptors = message->nr_carried,
		.length = message->length,
		.inode = peer->ino,
	};
	err = ipcshim_port_offer(peer->process, event, sure);
	if (!err)
		sending->event = NULL;
	return err;
}

/* What can't be undone, of what the message carries; without the lock. */
static int send_carried(struct ipcshim_socket *socket,
			struct ipcshim_sending *sending)
{
	struct ipcshim_connection *connection = ipcshim_connection_of(socket);
	struct ipcshim_socket *peer = ipcshim_socket_peer(socket);
	int err;

	if (sending->event && ipcshim_port_is_full(peer->process,
						   sending->event->code))
		return -EAGAIN;
	spin_unlock(&connection->lock);
	err = ipcshim_carry_begin(sending->message, sending->packing);
	spin_lock(&connection->lock);
	return err;
}

/* As it was sent: the message itself may be gone by the time the caller looks. */
static void send_tell(const struct ipcshim_sending *sending)
{
	const struct ipcshim_message_node *message = sending->message;

	sending->header->exchange = message->exchange;
	sending->header->counter = message->counter;
	sending->header->code = message->code;
	sending->header->status = message->status;
}

static int send_locked(struct ipcshim_socket *socket,
		       struct ipcshim_sending *sending, bool *dead)
{
	struct ipcshim_connection *connection = ipcshim_connection_of(socket);
	struct ipcshim_socket *peer = ipcshim_socket_peer(socket);
	struct ipcshim_message_node *message = sending->message;
	struct ipcshim_exchange *exchange = sending->fresh;
	bool carries = sending->packing;
	bool concludes;
	int err;

	lockdep_assert_held(&connection->lock);
	err = ipcshim_connection_error(connection);
	if (err)
		return err;
	err = message->exchange ? send_continue(socket, sending, &exchange) :
				  send_open(socket, sending);
	if (err)
		return err;
	if (carries) {
		err = send_carried(socket, sending);
		if (connection->end.pid) {
			/* The end has let go of the exchange. */
			sending->fresh = NULL;
			*dead = !err;
			if (*dead)
				send_tell(sending);
			return err;
		}
	}
	if (!err)
		err = send_announce(peer, sending, exchange, carries);
	if (err) {
		send_withdraw(socket, sending, exchange);
		return err;
	}

	/* From here on nothing fails. */
	sending->fresh = NULL;
	send_tell(sending);
	concludes = message->error || message->status & IPCSHIM_MESSAGE_CLOSE;
	trace_ipcshim_message(socket, message,
			      socket_nobody_waits(peer, exchange));
	if (!socket_hand(peer, message, exchange))
		socket_enqueue(peer, message, peer->messages.prev);
	if (concludes && exchange)
		ipcshim_exchange_conclude(socket, exchange);
	return 0;
}

int ipcshim_socket_send(struct ipcshim_socket *socket,
			struct ipcshim_sending *sending)
{
	struct ipcshim_connection *connection = ipcshim_connection_of(socket);
	bool dead = false;
	int err;

	spin_lock(&connection->lock);
	err = send_locked(socket, sending, &dead);
	/* With the connection goes what could not be taken back any more. */
	if (!err) {
		sending->sent = true;
		if (sending->taker)
			err = ipcshim_exchange_wait(socket, sending->taker,
						    sending->header->exchange,
						    sending->deadline);
	}
	spin_unlock(&connection->lock);
	if (dead)
		ipcshim_message_free(sending->message);
	return err;
}

void ipcshim_socket_put_back(struct ipcshim_socket *socket,
			     struct ipcshim_message_node *message)
{
	struct ipcshim_connection *connection = ipcshim_connection_of(socket);
	struct ipcshim_exchange *exchange;

	spin_lock(&connection->lock);
	exchange = ipcshim_exchange_find(connection, message->exchange);
	if (exchange && exchange->counter == message->counter + 1)
		exchange->turn = IPCSHIM_NOBODY;
	if (message->status & IPCSHIM_MESSAGE_OPENS)
		socket->opening += ipcshim_message_weight(message);
	if (!socket_hand(socket, message, exchange))
		socket_enqueue(socket, message, &socket->messages);
	spin_unlock(&connection->lock);
}
