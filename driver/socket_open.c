// SPDX-License-Identifier: GPL-2.0-only
/* OPEN_SERV_SOCK, and the files and parcels of sockets. */
#include <linux/file.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "port.h"
#include "socket.h"
#include "token.h"
#include "trace.h"

struct file *ipcshim_socket_file_create(struct ipcshim_socket *socket,
					struct ipcshim_process *process,
					bool nonblock)
{
	struct ipcshim_connection *connection = ipcshim_connection_of(socket);
	struct ipcshim_socket_file *socket_file;
	struct file *file;

	socket_file = kzalloc(sizeof(*socket_file), GFP_KERNEL_ACCOUNT);
	if (!socket_file)
		return ERR_PTR(-ENOMEM);
	/* Which of the codes it will be is not known yet. */
	socket_file->event =
		ipcshim_event_alloc(IPCSHIM_EVENT_SERV_SOCK_CLOSED);
	if (!socket_file->event) {
		kfree(socket_file);
		return ERR_PTR(-ENOMEM);
	}
	socket_file->socket = socket;
	INIT_LIST_HEAD(&socket_file->in_socket);
	file = ipcshim_object_file(socket->inode, socket->mnt,
				   O_RDWR | (nonblock ? O_NONBLOCK : 0),
				   &ipcshim_socket_fops);
	if (IS_ERR(file)) {
		ipcshim_event_free(socket_file->event);
		kfree(socket_file);
		return file;
	}
	socket_file->process = ipcshim_process_get(process);
	file->private_data = socket_file;
	spin_lock(&connection->lock);
	socket->users++;
	spin_unlock(&connection->lock);
	return file;
}

static struct file *socket_parcel_open(struct ipcshim_parcel *parcel,
				       struct ipcshim_process *process,
				       struct ipcshim_claim *claim)
{
	struct ipcshim_socket *socket = ipcshim_object_socket(parcel->object);
	struct ipcshim_connection *connection = ipcshim_connection_of(socket);

	claim->role = ipcshim_socket_role(socket);
	claim->mode = IPCSHIM_SOCKET;
	claim->message_max = connection->message_max;
	claim->inode = socket->ino;
	claim->connection = connection->id;
	return ipcshim_socket_file_create(socket, process,
					  claim->flags &
					  IPCSHIM_CLAIM_NONBLOCK);
}

static void socket_parcel_opened(struct file *file,
				 struct ipcshim_process *process)
{
	ipcshim_socket_hold(file->private_data);
}

void ipcshim_socket_drop(struct ipcshim_parcel *parcel,
			 const struct ipcshim_ending *ending,
			 struct list_head *unread)
{
	ipcshim_socket_put_user(ipcshim_object_socket(parcel->object), NULL,
				ending, unread);
	iput(parcel->inode);
	mntput(parcel->mnt);
}

static void socket_parcel_drop(struct ipcshim_parcel *parcel,
			       const struct ipcshim_ending *ending)
{
	static const struct ipcshim_ending claimed = {
		.how = IPCSHIM_HOW_CLOSED,
	};
	LIST_HEAD(unread);

	ipcshim_socket_drop(parcel, ending ?: &claimed, &unread);
	ipcshim_messages_free(&unread);
}

static const struct ipcshim_parcel_ops socket_parcel_ops = {
	.open = socket_parcel_open,
	.opened = socket_parcel_opened,
	.drop = socket_parcel_drop,
};

void ipcshim_socket_bind_locked(struct ipcshim_socket *socket,
				struct ipcshim_parcel *parcel)
{
	lockdep_assert_held(&ipcshim_connection_of(socket)->lock);
	ihold(socket->inode);
	*parcel = (struct ipcshim_parcel) {
		.ops = &socket_parcel_ops,
		.object = &socket->object,
		.inode = socket->inode,
		.mnt = mntget(socket->mnt),
	};
	socket->users++;
}

void ipcshim_socket_bind(struct ipcshim_socket *socket,
			 struct ipcshim_parcel *parcel)
{
	struct ipcshim_connection *connection = ipcshim_connection_of(socket);

	spin_lock(&connection->lock);
	ipcshim_socket_bind_locked(socket, parcel);
	spin_unlock(&connection->lock);
}

int ipcshim_socket_pack(struct file *file, struct ipcshim_parcel *parcel)
{
	struct ipcshim_socket_file *socket_file = file->private_data;
	struct ipcshim_socket *socket = socket_file->socket;

	if (READ_ONCE(ipcshim_connection_of(socket)->end.pid))
		return -EPIPE;
	ipcshim_socket_bind(socket, parcel);
	return 0;
}

static int socket_open_check(struct ipcshim_open_serv_sock *arg)
{
	if (arg->flags & ~(IPCSHIM_OPEN_NONBLOCK | IPCSHIM_OPEN_SKIP))
		return -EINVAL;
	if (arg->flags & IPCSHIM_OPEN_SKIP && !arg->pid)
		return -EINVAL;
	if (arg->role != IPCSHIM_ROLE_CLIENT &&
	    arg->role != IPCSHIM_ROLE_SERVICE)
		return -EINVAL;
	arg->message_max = arg->message_max ?: IPCSHIM_SOCKET_MESSAGE;
	if (arg->message_max < IPCSHIM_SOCKET_MESSAGE ||
	    arg->message_max > IPCSHIM_SOCKET_MESSAGE_MAX)
		return -EINVAL;
	return memchr_inv(arg->reserved, 0, sizeof(arg->reserved)) ? -EINVAL :
								     0;
}

/* The other side's parcel is the token's; undone by its ops->drop(). */
static void socket_token_bind(struct ipcshim_token *token,
			      struct ipcshim_socket *socket)
{
	struct ipcshim_connection *connection = ipcshim_connection_of(socket);

	ipcshim_socket_bind(socket, &token->parcel);
	if (token->event)
		token->event->recv_serv_sock = (struct ipcshim_recv_serv_sock) {
			.message_max = connection->message_max,
			.role = ipcshim_socket_role(socket),
			.connection = connection->id,
			.inode = socket->ino,
		};
}

/* My side's file and, or, the other one's file or token: all or nothing. */
static int socket_open_with(struct ipcshim_port *port,
			    struct ipcshim_connection *connection,
			    struct ipcshim_token *token,
			    struct ipcshim_open_serv_sock *arg,
			    struct ipcshim_open_serv_sock __user *uarg)
{
	bool nonblock = arg->flags & IPCSHIM_OPEN_NONBLOCK;
	struct ipcshim_socket *socket, *peer;
	struct file *file, *peer_file = NULL;
	int err;

	socket = &connection->sides[arg->role == IPCSHIM_ROLE_CLIENT ?
				    IPCSHIM_CLIENT : IPCSHIM_SERVER];
	peer = ipcshim_socket_peer(socket);
	file = ipcshim_socket_file_create(socket, port->process, nonblock);
	if (IS_ERR(file))
		return PTR_ERR(file);
	if (!token) {
		peer_file = ipcshim_socket_file_create(peer, port->process,
						       nonblock);
		if (IS_ERR(peer_file)) {
			err = PTR_ERR(peer_file);
			goto err_file;
		}
	}
	err = ipcshim_object_get_fds(&arg->fd, &arg->peer_fd, peer_file);
	if (err)
		goto err_peer;
	arg->token = token ? token->id : 0;
	arg->connection = connection->id;
	arg->inode = socket->ino;
	err = ipcshim_copy_out(uarg, arg, sizeof(*arg));
	if (err)
		goto err_fds;

	/* From here on nothing fails. */
	trace_ipcshim_connect(connection, arg->pid);
	ipcshim_socket_hold(file->private_data);
	if (peer_file) {
		ipcshim_socket_hold(peer_file->private_data);
		fd_install(arg->peer_fd, peer_file);
	} else {
		socket_token_bind(token, peer);
		ipcshim_token_publish(token);
	}
	fd_install(arg->fd, file);
	return 0;

err_fds:
	ipcshim_object_put_fds(arg->fd, arg->peer_fd);
err_peer:
	if (peer_file)
		fput(peer_file);
err_file:
	fput(file);
	return err;
}

int ipcshim_socket_open(struct ipcshim_port *port,
			struct ipcshim_open_serv_sock __user *uarg)
{
	struct inode *inodes[IPCSHIM_NR_ROLES];
	struct ipcshim_connection *connection;
	struct ipcshim_token *token = NULL;
	struct ipcshim_open_serv_sock arg;
	int err;

	err = ipcshim_copy_in(&arg, uarg, sizeof(arg));
	if (!err)
		err = socket_open_check(&arg);
	if (err)
		return err;
	if (arg.pid) {
		token = ipcshim_token_prepare(arg.pid,
					      IPCSHIM_EVENT_RECV_SERV_SOCK,
					      arg.command,
					      arg.flags & IPCSHIM_OPEN_SKIP);
		if (IS_ERR(token))
			return PTR_ERR(token);
	}
	connection = ipcshim_connection_create(arg.message_max, NULL, inodes);
	if (IS_ERR(connection)) {
		err = PTR_ERR(connection);
		goto out_token;
	}
	connection->id = token ? token->id : ipcshim_token_number();
	err = socket_open_with(port, connection, token, &arg, uarg);
	/* What was made holds inodes of its own. */
	iput(inodes[IPCSHIM_CLIENT]);
	iput(inodes[IPCSHIM_SERVER]);
out_token:
	if (err && token)
		ipcshim_token_cancel(token);
	return err;
}
