// SPDX-License-Identifier: GPL-2.0-only
#include <linux/cred.h>
#include <linux/moduleparam.h>
#include <linux/poll.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "port.h"
#include "service.h"
#include "socket.h"
#include "trace.h"
#include "turn.h"

static struct kmem_cache *connection_cache;

static unsigned int max_exchanges = 1024;
module_param(max_exchanges, uint, 0644);
MODULE_PARM_DESC(max_exchanges, "Open exchanges of each connection");

int ipcshim_socket_init(void)
{
	int err;

	connection_cache = kmem_cache_create("ipcshim_connection",
					     sizeof(struct ipcshim_connection),
					     0, SLAB_ACCOUNT, NULL);
	if (!connection_cache)
		return -ENOMEM;
	err = ipcshim_exchange_init();
	if (err)
		goto err_connection;
	err = ipcshim_message_init();
	if (err)
		goto err_exchange;
	return 0;

err_exchange:
	ipcshim_exchange_exit();
err_connection:
	kmem_cache_destroy(connection_cache);
	return err;
}

void ipcshim_socket_exit(void)
{
	ipcshim_message_exit();
	ipcshim_exchange_exit();
	kmem_cache_destroy(connection_cache);
}

u32 ipcshim_socket_max_exchanges(void)
{
	return READ_ONCE(max_exchanges);
}

int ipcshim_connection_sleep(struct ipcshim_connection *connection,
			     const bool *done, u64 deadline)
{
	int err = 0;

	lockdep_assert_held(&connection->lock);
	for (;;) {
		set_current_state(TASK_INTERRUPTIBLE);
		if (*done || err)
			break;
		if (signal_pending(current)) {
			err = -ERESTARTSYS;
			break;
		}
		spin_unlock(&connection->lock);
		if (!ipcshim_schedule_until(deadline))
			err = -ETIMEDOUT;
		spin_lock(&connection->lock);
	}
	__set_current_state(TASK_RUNNING);
	return *done ? 0 : err;
}

static void connection_free(struct kref *refs)
{
	struct ipcshim_connection *connection =
		container_of(refs, struct ipcshim_connection, refs);
	int role;

	if (connection->service) {
		spin_lock(&connection->service->lock);
		list_del(&connection->in_service);
		spin_unlock(&connection->service->lock);
		ipcshim_service_put(connection->service);
	}
	for (role = 0; role < IPCSHIM_NR_ROLES; role++)
		ipcshim_process_put(connection->sides[role].process);
	ipcshim_exchange_destroy(connection->spare);
	ipcshim_quota_discharge_object(connection->user);
	put_pid(connection->client);
	put_pid(connection->end.pid);
	kmem_cache_free(connection_cache, connection);
	atomic64_dec(&ipcshim_totals.connections);
}

struct ipcshim_connection *
ipcshim_connection_get(struct ipcshim_connection *connection)
{
	kref_get(&connection->refs);
	return connection;
}

void ipcshim_connection_put(struct ipcshim_connection *connection)
{
	kref_put(&connection->refs, connection_free);
}

static const char *socket_name(const struct ipcshim_object *object)
{
	return "socket";
}

static void socket_evict(struct ipcshim_object *object)
{
	struct ipcshim_socket *socket = ipcshim_object_socket(object);

	ipcshim_connection_put(ipcshim_connection_of(socket));
}

static const struct ipcshim_object_ops socket_object_ops = {
	.name = socket_name,
	.evict = socket_evict,
};

static void socket_init(struct ipcshim_socket *socket, enum ipcshim_role role)
{
	socket->object.ops = &socket_object_ops;
	socket->role = role;
	INIT_LIST_HEAD(&socket->holders);
	INIT_LIST_HEAD(&socket->messages);
	INIT_LIST_HEAD(&socket->takers);
	INIT_LIST_HEAD(&socket->openers);
	init_waitqueue_head(&socket->wait);
}

static struct ipcshim_connection *
connection_alloc(u32 message_max, struct ipcshim_service *service)
{
	struct ipcshim_user *user = ipcshim_quota_charge_object();
	struct ipcshim_connection *connection;
	int role;

	if (IS_ERR(user))
		return ERR_CAST(user);
	connection = kmem_cache_zalloc(connection_cache, GFP_KERNEL);
	if (!connection) {
		ipcshim_quota_discharge_object(user);
		return ERR_PTR(-ENOMEM);
	}
	kref_init(&connection->refs);
	connection->user = user;
	connection->client = get_pid(task_tgid(current));
	connection->client_uid = current_euid();
	connection->message_max = message_max;
	spin_lock_init(&connection->lock);
	connection->state = IPCSHIM_ACCEPTED;
	connection->exchanges = RB_ROOT;
	for (role = 0; role < IPCSHIM_NR_ROLES; role++)
		socket_init(&connection->sides[role], role);
	INIT_LIST_HEAD(&connection->carried);
	INIT_LIST_HEAD(&connection->in_walk);
	if (service) {
		ipcshim_service_get(service);
		connection->service = service;
		spin_lock(&service->lock);
		list_add_tail(&connection->in_service, &service->connections);
		spin_unlock(&service->lock);
	}
	atomic64_inc(&ipcshim_totals.connections);
	return connection;
}

static struct inode *socket_inode(struct ipcshim_socket *socket)
{
	struct ipcshim_connection *connection = ipcshim_connection_of(socket);
	struct inode *inode;

	inode = ipcshim_object_inode(&socket->object, 0600,
				     &ipcshim_socket_fops);
	if (IS_ERR(inode))
		return inode;
	ipcshim_connection_get(connection);
	socket->ino = inode->i_ino;
	socket->inode = inode;
	socket->mnt = ipcshim_object_mnt();
	return inode;
}

struct ipcshim_connection *
ipcshim_connection_create(u32 message_max, struct ipcshim_service *service,
			  struct inode *inodes[IPCSHIM_NR_ROLES])
{
	struct ipcshim_connection *connection;
	int role, err = 0;

	connection = connection_alloc(message_max, service);
	if (IS_ERR(connection))
		return connection;
	for (role = 0; role < IPCSHIM_NR_ROLES; role++) {
		inodes[role] = socket_inode(&connection->sides[role]);
		if (IS_ERR(inodes[role])) {
			err = PTR_ERR(inodes[role]);
			break;
		}
	}
	if (err)
		while (role--)
			iput(inodes[role]);
	/* Of what is left the inodes are the holders. */
	ipcshim_connection_put(connection);
	return err ? ERR_PTR(err) : connection;
}

int ipcshim_connection_error(const struct ipcshim_connection *connection)
{
	lockdep_assert_held(&connection->lock);
	if (!connection->end.pid)
		return 0;
	return connection->end.in_order ? -EPIPE : -ECONNRESET;
}

void ipcshim_connection_answered(struct ipcshim_connection *connection)
{
	lockdep_assert_held(&connection->lock);
	connection->answered = true;
	if (connection->asker)
		wake_up_process(connection->asker);
}

static u16 socket_closed_code(const struct ipcshim_socket *told)
{
	const struct ipcshim_connection *connection =
		ipcshim_connection_of(told);

	if (!connection->service)
		return IPCSHIM_EVENT_SERV_SOCK_CLOSED;
	if (told->role == IPCSHIM_CLIENT)
		return IPCSHIM_EVENT_SERVICE_SERVER_QUITTED;
	return connection->end.in_order ?
	       IPCSHIM_EVENT_SERVICE_CLIENT_CLOSED :
	       IPCSHIM_EVENT_SERVICE_CLIENT_QUITTED;
}

/* The event that a holder of a side gets when the connection has ended. */
static void socket_tell_holder(struct ipcshim_socket_file *holder)
{
	struct ipcshim_event_node *event = holder->event;
	struct ipcshim_socket *socket = holder->socket;
	struct ipcshim_connection *connection = ipcshim_connection_of(socket);
	const struct ipcshim_socket_end *end = &connection->end;

	lockdep_assert_held(&connection->lock);
	if (!event || end->by == socket->role)
		return;
	holder->event = NULL;
	ipcshim_event_set_sender(event, end->pid, end->uid);
	event->code = socket_closed_code(socket);
	event->reserved = true;
	event->sock_closed = (struct ipcshim_sock_closed) {
		.connection = connection->id,
		.inode = socket->ino,
		.how = end->ending.how,
		.role = ipcshim_socket_role(socket),
		.status = end->ending.status,
		.messages_unread =
			end->unread[ipcshim_socket_peer(socket)->role],
		.exchanges = end->exchanges,
	};
	ipcshim_port_tell(holder->process, event);
}

/* Every exchange is gone; who waits for an answer is told. */
static void connection_drop_exchanges(struct ipcshim_connection *connection)
{
	int err = ipcshim_connection_error(connection);
	struct ipcshim_exchange *exchange, *next;
	int role;

	rbtree_postorder_for_each_entry_safe(exchange, next,
					     &connection->exchanges, node) {
		for (role = 0; role < IPCSHIM_NR_ROLES; role++) {
			struct ipcshim_taker *taker = exchange->takers[role];

			if (taker)
				ipcshim_taker_tell(taker, taker->call ?
						   -ECONNRESET : err);
		}
		atomic64_dec(&ipcshim_totals.exchanges);
		ipcshim_exchange_free(connection, exchange);
	}
	connection->exchanges = RB_ROOT;
	connection->nr_exchanges = 0;
}

/* Nobody sends any more, and nobody waits in vain. */
static void connection_stop(struct ipcshim_connection *connection,
			    const struct ipcshim_ending *ending, bool in_order,
			    enum ipcshim_role by)
{
	struct ipcshim_socket_end *end = &connection->end;
	struct ipcshim_taker *taker, *next_taker;
	struct ipcshim_opener *opener, *next_opener;
	int role, err;

	lockdep_assert_held(&connection->lock);
	end->ending = *ending;
	WRITE_ONCE(end->pid, get_pid(task_tgid(current)));
	end->uid = current_euid();
	end->in_order = in_order;
	end->by = by;
	end->exchanges = connection->nr_exchanges;
	err = ipcshim_connection_error(connection);
	for (role = 0; role < IPCSHIM_NR_ROLES; role++) {
		struct ipcshim_socket *socket = &connection->sides[role];

		end->unread[role] = socket->nr_messages;
		list_for_each_entry_safe(taker, next_taker, &socket->takers,
					 in_socket)
			ipcshim_taker_tell(taker, err);
		list_for_each_entry_safe(opener, next_opener, &socket->openers,
					 in_socket)
			ipcshim_opener_tell(opener, err);
	}
	connection_drop_exchanges(connection);
	ipcshim_connection_answered(connection);
	trace_ipcshim_socket_close(connection);
}

/* Whoever polls on either side has to look again. */
static void connection_wake(struct ipcshim_connection *connection)
{
	int role;

	for (role = 0; role < IPCSHIM_NR_ROLES; role++) {
		struct ipcshim_socket *socket = &connection->sides[role];

		wake_up_interruptible_poll(&socket->wait, EPOLLIN |
					   EPOLLRDNORM | EPOLLOUT |
					   EPOLLWRNORM | EPOLLHUP | EPOLLRDHUP);
		kill_fasync(&socket->fasync, SIGIO, POLL_HUP);
	}
}

/* A living service does not end a connection in order, only its clients do. */
static bool socket_ends_in_order(const struct ipcshim_socket *socket,
				 const struct ipcshim_ending *ending)
{
	if (ending->how != IPCSHIM_HOW_CLOSED)
		return false;
	return !ipcshim_connection_of(socket)->service ||
	       socket->role == IPCSHIM_CLIENT;
}

void ipcshim_socket_put_user(struct ipcshim_socket *socket,
			     struct ipcshim_socket_file *socket_file,
			     const struct ipcshim_ending *ending,
			     struct list_head *unread)
{
	struct ipcshim_connection *connection = ipcshim_connection_of(socket);
	struct ipcshim_message_node *message;
	struct ipcshim_socket_file *holder;
	bool last, ends;

	spin_lock(&connection->lock);
	if (socket_file)
		list_del_init(&socket_file->in_socket);
	last = !--socket->users;
	ends = last && !connection->end.pid;
	if (ends) {
		connection_stop(connection, ending,
				socket_ends_in_order(socket, ending),
				socket->role);
		list_for_each_entry(holder,
				    &ipcshim_socket_peer(socket)->holders,
				    in_socket)
			socket_tell_holder(holder);
	}
	if (last) {
		list_for_each_entry(message, &socket->messages, in_socket)
			ipcshim_connection_get(connection);
		list_splice_tail_init(&socket->messages, unread);
		socket->nr_messages = 0;
		socket->bytes = 0;
	}
	spin_unlock(&connection->lock);
	if (ends)
		connection_wake(connection);
}

int ipcshim_connection_end(struct ipcshim_connection *connection)
{
	static const struct ipcshim_ending closed = {
		.how = IPCSHIM_HOW_CLOSED,
	};
	struct ipcshim_socket_file *holder;
	int role, err;

	spin_lock(&connection->lock);
	err = ipcshim_connection_error(connection);
	if (err) {
		spin_unlock(&connection->lock);
		return err;
	}
	connection_stop(connection, &closed, true,
			connection->service ? IPCSHIM_CLIENT : IPCSHIM_NOBODY);
	for (role = 0; role < IPCSHIM_NR_ROLES; role++)
		list_for_each_entry(holder, &connection->sides[role].holders,
				    in_socket)
			if (connection->service ||
			    !ipcshim_process_is_current(holder->process))
				socket_tell_holder(holder);
	spin_unlock(&connection->lock);
	connection_wake(connection);
	return 0;
}

void ipcshim_socket_hold(struct ipcshim_socket_file *socket_file)
{
	struct ipcshim_socket *socket = socket_file->socket;
	struct ipcshim_connection *connection = ipcshim_connection_of(socket);

	spin_lock(&connection->lock);
	list_add_tail(&socket_file->in_socket, &socket->holders);
	if (!socket->process)
		/* Pairs with the acquire in sending_prepare_event(). */
		smp_store_release(&socket->process,
				  ipcshim_process_get(socket_file->process));
	/* It ended while this side was under way. */
	if (connection->end.pid)
		socket_tell_holder(socket_file);
	spin_unlock(&connection->lock);
}
