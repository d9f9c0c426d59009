/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * DOC: sockets
 *
 * A connection has two sides, a client's and a service's.  A side is what a descriptor
 * names: an object with an inode, any number of files, and the parcels under way
 * (tokens, and those in messages).  It has ended with its last user, and with it the
 * connection; or by END_SERVICE_CONN, CLOSE_SERV_SOCK.
 *
 * A message that is sent goes, under connection->lock, to whoever waits for it: who
 * waits for that exchange, else who waits longest for any message, else to the end of
 * the side's queue.  A waiter is woken with the message in its hands, so nobody is
 * woken in vain and nobody takes it away.  Who can't use it puts it back.
 *
 * socket.c         life: made, ended, told, freed
 * socket_open.c    OPEN_SERV_SOCK, files, parcels
 * socket_file.c    what a file does: poll, fdinfo, flush, release
 * exchange.c       exchanges: numbered, found, concluded
 * socket_send.c    room, turns, delivery
 * socket_read.c    taking messages, waiting for them
 * socket_ioctl.c   the calls
 */
#ifndef _IPCSHIM_SOCKET_H
#define _IPCSHIM_SOCKET_H

#include <linux/kref.h>
#include <linux/list.h>
#include <linux/rbtree.h>
#include <linux/sched.h>
#include <linux/spinlock.h>
#include <linux/uidgid.h>
#include <linux/wait.h>

#include "message.h"
#include "object.h"

struct ipcshim_event_node;
struct ipcshim_port;
struct ipcshim_process;
struct ipcshim_service;
struct ipcshim_user;

enum ipcshim_role {
	IPCSHIM_CLIENT,
	IPCSHIM_SERVER,
	IPCSHIM_NR_ROLES,
	IPCSHIM_NOBODY = IPCSHIM_NR_ROLES,
};

/* Somebody sleeps until a message is put into its hands.  connection->lock. */
struct ipcshim_taker {
	struct list_head in_socket;	/* of those that take any message */
	struct task_struct *task;
	u64 size;			/* bytes that it can take */
	u32 room;			/* descriptors */
	bool call;			/* told -ECONNRESET, however it ends */
	bool done;
	int err;
	struct ipcshim_message_node *message;
	struct ipcshim_message *header;	/* -EMSGSIZE: of what did not fit */
};

static inline void ipcshim_taker_init(struct ipcshim_taker *taker, u64 size,
				      u32 room, bool call,
				      struct ipcshim_message *header)
{
	INIT_LIST_HEAD(&taker->in_socket);
	taker->task = current;
	taker->size = size;
	taker->room = room;
	taker->call = call;
	taker->done = false;
	taker->err = 0;
	taker->message = NULL;
	taker->header = header;
}

/* Somebody sleeps until it may open an exchange.  connection->lock. */
struct ipcshim_opener {
	struct list_head in_socket;
	struct task_struct *task;
	u32 weight;
	bool stays_open;
	bool done;
	int err;
};

struct ipcshim_exchange {
	struct rb_node node;		/* connection->lock from here on */
	u64 id;
	u32 counter;			/* of the next message */
	u16 code;
	u8 opener;			/* enum ipcshim_role */
	u8 turn;			/* IPCSHIM_NOBODY: a message is on its way */
	struct ipcshim_taker *takers[IPCSHIM_NR_ROLES];
};

struct ipcshim_socket {
	struct ipcshim_object object;
	enum ipcshim_role role;		/* constant */
	u64 ino;			/* constant */
	struct inode *inode;		/* valid while there are users */
	struct vfsmount *mnt;		/* likewise */

	unsigned int users;		/* connection->lock from here on */
	struct list_head holders;	/* files that have an event */
	struct ipcshim_process *process; /* the first of them; set once */
	struct list_head messages;
	unsigned int nr_messages;
	u64 bytes;			/* payload of those */
	u64 opening;			/* weight of those that open an exchange */
	u64 answering;			/* weight of the others */
	struct list_head takers;
	struct list_head openers;	/* of the other side, for room here */
	bool wants_room;		/* did not wait for it over there */

	wait_queue_head_t wait;		/* poll */
	struct fasync_struct *fasync;
};

/* How a connection has ended. */
struct ipcshim_socket_end {
	struct ipcshim_ending ending;
	struct pid *pid;		/* by whom; NULL: it has not */
	kuid_t uid;
	bool in_order;
	enum ipcshim_role by;		/* whose side is not told; NOBODY: both are */
	u32 exchanges;			/* that were open */
	u32 unread[IPCSHIM_NR_ROLES];	/* messages in the queue of that side */
};

enum ipcshim_connection_state {
	IPCSHIM_ASKED,
	IPCSHIM_ACCEPTED,
	IPCSHIM_REJECTED,
	IPCSHIM_GIVEN_UP,
};

struct ipcshim_connection {
	/* Constant. */
	struct kref refs;		/* inodes, messages */
	struct ipcshim_user *user;	/* charged for it, and for messages */
	struct ipcshim_service *service; /* NULL: of OPEN_SERV_SOCK */
	struct pid *client;		/* who asked for it */
	kuid_t client_uid;
	u64 id;
	u32 message_max;

	spinlock_t lock;		/* from here on */
	enum ipcshim_connection_state state;
	u16 reason;
	struct task_struct *asker;	/* sleeps until it is answered */
	bool answered;			/* or has ended */
	struct ipcshim_socket_end end;
	struct rb_root exchanges;
	u32 nr_exchanges;		/* with those that are about to be sent */
	u64 last_exchange;

	struct ipcshim_socket sides[IPCSHIM_NR_ROLES];

	struct ipcshim_exchange *spare;	/* by xchg() */

	struct list_head in_service;	/* service->lock */

	struct list_head carried;	/* ipcshim_carry_lock from here on */
	struct list_head in_walk;
	u64 walk;
};

/* What an open file of a side has of its own. */
struct ipcshim_socket_file {
	struct ipcshim_socket *socket;
	struct ipcshim_process *process;
	struct ipcshim_event_node *event;	/* connection->lock */
	struct list_head in_socket;		/* connection->lock */
	struct ipcshim_ending_hint ending;
};

static inline struct ipcshim_connection *
ipcshim_connection_of(const struct ipcshim_socket *socket)
{
	const struct ipcshim_socket *first = socket - socket->role;

	return container_of(first, struct ipcshim_connection, sides[0]);
}

static inline struct ipcshim_socket *
ipcshim_socket_peer(struct ipcshim_socket *socket)
{
	return socket->role == IPCSHIM_CLIENT ? socket + 1 : socket - 1;
}

static inline struct ipcshim_socket *
ipcshim_object_socket(const struct ipcshim_object *object)
{
	return container_of(object, struct ipcshim_socket, object);
}

static inline u16 ipcshim_socket_role(const struct ipcshim_socket *socket)
{
	return socket->role == IPCSHIM_CLIENT ? IPCSHIM_ROLE_CLIENT :
						IPCSHIM_ROLE_SERVICE;
}

int ipcshim_socket_init(void);
void ipcshim_socket_exit(void);
u32 ipcshim_socket_max_exchanges(void);

/* Life. */

/* Accepted from the start; its inodes hold it. */
struct ipcshim_connection *
ipcshim_connection_create(u32 message_max, struct ipcshim_service *service,
			  struct inode *inodes[IPCSHIM_NR_ROLES]);
struct ipcshim_connection *
ipcshim_connection_get(struct ipcshim_connection *connection);
void ipcshim_connection_put(struct ipcshim_connection *connection);

/*
 * A file or parcel of this side is no more.  What nobody can read any more is
 * moved to "unread", for the caller to free.
 */
void ipcshim_socket_put_user(struct ipcshim_socket *socket,
			     struct ipcshim_socket_file *socket_file,
			     const struct ipcshim_ending *ending,
			     struct list_head *unread);
/* END_SERVICE_CONN, CLOSE_SERV_SOCK; an error as the next one has it. */
int ipcshim_connection_end(struct ipcshim_connection *connection);
/* 0, or -EPIPE, -ECONNRESET once it has ended.  connection->lock is held. */
int ipcshim_connection_error(const struct ipcshim_connection *connection);

/* From here on this file is told of the end, also of one that was before. */
void ipcshim_socket_hold(struct ipcshim_socket_file *socket_file);

/* Files and parcels. */

/* The caller holds its inode. */
struct file *ipcshim_socket_file_create(struct ipcshim_socket *socket,
					struct ipcshim_process *process,
					bool nonblock);
/* The parcel becomes a user of this side, whose inode the caller holds. */
void ipcshim_socket_bind(struct ipcshim_socket *socket,
			 struct ipcshim_parcel *parcel);
/* With connection->lock held, and at least one user. */
void ipcshim_socket_bind_locked(struct ipcshim_socket *socket,
				struct ipcshim_parcel *parcel);
/* For a message: -EPIPE, it has ended. */
int ipcshim_socket_pack(struct file *file, struct ipcshim_parcel *parcel);
/* As ops->drop() of its parcels, with put_user()'s list. */
void ipcshim_socket_drop(struct ipcshim_parcel *parcel,
			 const struct ipcshim_ending *ending,
			 struct list_head *unread);
int ipcshim_socket_open(struct ipcshim_port *port,
			struct ipcshim_open_serv_sock __user *uarg);

extern const struct file_operations ipcshim_socket_fops;
long ipcshim_socket_ioctl(struct file *file, unsigned int cmd,
			  unsigned long arg);

/* Messages. */

struct ipcshim_sending {
	struct ipcshim_message_node *message;
	struct ipcshim_packing *packing;	/* what it carries, or NULL */
	struct ipcshim_event_node *event;	/* RECV_SOCK_MSG, or NULL */
	struct ipcshim_exchange *fresh;		/* to be opened, or NULL */
	struct ipcshim_taker *taker;		/* who wants the answer, or NULL */
	u64 deadline;				/* ns, 0: none */
	bool wait;
	struct ipcshim_message *header;		/* out: as it was sent */
	bool sent;				/* out */
};

/*
 * Once sent the message and the exchange are no longer the caller's, nor is the event
 * if that is NULL then.  With a taker an error may also be one of the waiting; with 0
 * taker->message is the caller's.
 */
int ipcshim_socket_send(struct ipcshim_socket *socket,
			struct ipcshim_sending *sending);

struct ipcshim_taking {
	u64 exchange;	/* 0: any */
	u64 deadline;	/* ns, 0: none */
	bool wait;
};

/* With 0 taker->message is the caller's. */
int ipcshim_socket_take(struct ipcshim_socket *socket,
			struct ipcshim_taker *taker,
			const struct ipcshim_taking *taking);
/*
 * It could not be used: it is the next one again, if nobody waits for it.
 */
void ipcshim_socket_put_back(struct ipcshim_socket *socket,
			     struct ipcshim_message_node *message);

int ipcshim_exchange_init(void);
void ipcshim_exchange_exit(void);
/* With nothing in it yet; the last one that was freed, if nobody has that. */
struct ipcshim_exchange *
ipcshim_exchange_alloc(struct ipcshim_connection *connection);
void ipcshim_exchange_free(struct ipcshim_connection *connection,
			   struct ipcshim_exchange *exchange);
void ipcshim_exchange_destroy(struct ipcshim_exchange *exchange);

/* All of these with connection->lock held. */

struct ipcshim_exchange *
ipcshim_exchange_find(const struct ipcshim_connection *connection, u64 id);
void ipcshim_exchange_add(struct ipcshim_connection *connection,
			  struct ipcshim_exchange *exchange);
void ipcshim_exchange_remove(struct ipcshim_connection *connection,
			     struct ipcshim_exchange *exchange);
/* It never was: whoever waits for it, but one, is told. */
void ipcshim_exchange_fail_takers(struct ipcshim_exchange *exchange,
				  const struct ipcshim_taker *but);
/* This side has sent the last message. */
void ipcshim_exchange_conclude(struct ipcshim_socket *socket,
			       struct ipcshim_exchange *exchange);
/* Why it is not there: it never was, or it is concluded. */
int ipcshim_exchange_missing(const struct ipcshim_connection *connection,
			     u64 id);
/* Whoever waits for this has its message, or is told an error. */
void ipcshim_taker_tell(struct ipcshim_taker *taker, int err);
/* Sleep until somebody has set it, and woken us.  -ERESTARTSYS, -ETIMEDOUT. */
int ipcshim_connection_sleep(struct ipcshim_connection *connection,
			     const bool *done, u64 deadline);
/* Whoever asked for it need not wait any more. */
void ipcshim_connection_answered(struct ipcshim_connection *connection);
/* Sleep until somebody has a message of that exchange for this side. */
int ipcshim_exchange_wait(struct ipcshim_socket *socket,
			  struct ipcshim_taker *taker, u64 id, u64 deadline);
/* -EMSGSIZE: it does not fit, and the taker's header is that of the message. */
int ipcshim_taker_check(struct ipcshim_taker *taker,
			const struct ipcshim_message_node *message);
/* The message is in the hands of somebody on this side. */
void ipcshim_socket_taken(struct ipcshim_socket *socket,
			  const struct ipcshim_message_node *message,
			  struct ipcshim_exchange *exchange);
/* There may be room on this side: it goes to whoever asked first. */
void ipcshim_socket_do_give_room(struct ipcshim_socket *socket);
static inline void ipcshim_socket_give_room(struct ipcshim_socket *socket)
{
	struct ipcshim_socket *peer = ipcshim_socket_peer(socket);

	if (list_empty(&socket->openers) && !peer->wants_room &&
	    /* A poller that is not there yet looks under the lock after us. */
	    !waitqueue_active(&peer->wait))
		return;
	ipcshim_socket_do_give_room(socket);
}

bool ipcshim_socket_has_room(const struct ipcshim_socket *socket, u32 weight,
			     bool stays_open);
/* Whoever waits for room has it, or is told an error. */
void ipcshim_opener_tell(struct ipcshim_opener *opener, int err);

#endif /* _IPCSHIM_SOCKET_H */
