// SPDX-License-Identifier: GPL-2.0-only
/* A client asks for a connection, a service answers. */
#include <linux/file.h>
#include <linux/ktime.h>
#include <linux/sched/signal.h>
#include <linux/uaccess.h>

#include "port.h"
#include "service.h"
#include "socket.h"
#include "token.h"
#include "trace.h"

#define CONNECT_FLAGS	(IPCSHIM_CONNECT_NONBLOCK | IPCSHIM_CONNECT_FLEXIBLE | \
			 IPCSHIM_CONNECT_WAIT | IPCSHIM_CONNECT_UID)

static int connect_check(const struct ipcshim_connect_service *arg)
{
	if (arg->flags & ~CONNECT_FLAGS || arg->reserved0 || arg->reserved ||
	    arg->deadline > KTIME_MAX ||
	    (arg->message_max && arg->message_max < IPCSHIM_SOCKET_MESSAGE) ||
	    arg->message_max > IPCSHIM_SOCKET_MESSAGE_MAX)
		return -EINVAL;
	return 0;
}

static struct ipcshim_service *
connect_find(const struct ipcshim_name *name,
	     const struct ipcshim_connect_service *arg)
{
	struct ipcshim_service *service = ipcshim_service_find(name);

	if (service)
		return service;
	if (!(arg->flags & IPCSHIM_CONNECT_WAIT))
		return ERR_PTR(-ENOENT);
	return ipcshim_service_wait(name, arg->deadline);
}

/* The client's side that this process has already, with a new file; or NULL. */
static struct file *connect_existing(struct ipcshim_service *service,
				     struct ipcshim_process *process,
				     struct ipcshim_connect_service *arg)
{
	struct ipcshim_parcel parcel = {};
	struct ipcshim_connection *connection;
	struct ipcshim_claim claim = {};
	struct ipcshim_socket *socket;
	struct file *file;

	spin_lock(&service->lock);
	list_for_each_entry(connection, &service->connections, in_service) {
		socket = &connection->sides[IPCSHIM_CLIENT];
		spin_lock(&connection->lock);
		/* Its users have the inode. */
		if (socket->process == process && socket->users &&
		    !connection->end.pid)
			ipcshim_socket_bind_locked(socket, &parcel);
		spin_unlock(&connection->lock);
		if (parcel.ops)
			break;
	}
	spin_unlock(&service->lock);
	if (!parcel.ops)
		return NULL;

	if (arg->flags & IPCSHIM_CONNECT_NONBLOCK)
		claim.flags = IPCSHIM_CLAIM_NONBLOCK;
	file = parcel.ops->open(&parcel, process, &claim);
	parcel.ops->drop(&parcel, NULL);
	arg->existing = 1;
	arg->message_max = claim.message_max;
	arg->connection = claim.connection;
	arg->inode = claim.inode;
	return file;
}

/* Sleep until the service has answered, or until the client gives up. */
static int connect_wait(struct ipcshim_connection *connection, u64 deadline)
{
	int err;

	spin_lock(&connection->lock);
	connection->asker = current;
	err = ipcshim_connection_sleep(connection, &connection->answered,
				       deadline);
	connection->asker = NULL;
	switch (connection->state) {
	case IPCSHIM_ACCEPTED:
		err = 0;
		break;
	case IPCSHIM_REJECTED:
		err = -ECONNREFUSED;
		break;
	default:
		if (connection->end.pid)
			err = -ECONNRESET;
		connection->state = IPCSHIM_GIVEN_UP;
	}
	spin_unlock(&connection->lock);
	return err;
}

/* The answer; -ENOENT: nobody waits for it any more. */
static int connect_answer(struct ipcshim_connection *connection,
			  enum ipcshim_connection_state state, u16 reason)
{
	int err = -ENOENT;

	spin_lock(&connection->lock);
	if (connection->state == IPCSHIM_ASKED && !connection->end.pid) {
		connection->state = state;
		connection->reason = reason;
		ipcshim_connection_answered(connection);
		err = 0;
	}
	spin_unlock(&connection->lock);
	return err;
}

/* Nobody waits for the answer: it is a request no more. */
static void connect_withdraw(struct ipcshim_service *service, u64 request)
{
	static const struct ipcshim_ending given_up = {
		.how = IPCSHIM_HOW_CLOSED,
	};
	struct ipcshim_token *token;

	/* Whoever has it now will see by the connection's state. */
	token = ipcshim_token_take(service->process, request, true);
	if (token)
		ipcshim_token_finish(token, &given_up);
}

/* Ask, and wait.  The file is the client's side, which is not yet to be seen. */
static int connect_ask(struct ipcshim_service *service,
		       struct ipcshim_connection *connection,
		       struct ipcshim_token *token,
		       const struct ipcshim_connect_service *arg)
{
	u64 request = token->id;
	int err;

	ipcshim_socket_bind(&connection->sides[IPCSHIM_SERVER],
			    &token->parcel);
	token->request = true;
	token->event->service_conn_request =
		(struct ipcshim_service_conn_request) {
			.deadline = arg->deadline,
			.service = service->id,
			.message_max = connection->message_max,
		};
	trace_ipcshim_connect(connection, pid_vnr(service->process->pid));
	ipcshim_token_publish(token);
	err = connect_wait(connection, arg->deadline);
	if (err)
		connect_withdraw(service, request);
	trace_ipcshim_answer(connection, err);
	return err;
}

/* A new connection: its client's side, accepted. */
static int connect_new(struct ipcshim_port *port,
		       struct ipcshim_service *service, int fd,
		       struct ipcshim_connect_service *arg,
		       struct ipcshim_connect_service __user *uarg)
{
	struct inode *inodes[IPCSHIM_NR_ROLES];
	struct ipcshim_connection *connection;
	struct ipcshim_token *token;
	struct file *file;
	int err;

	arg->message_max = arg->message_max ?: service->message_max;
	if (arg->message_max > service->message_max)
		return -EMSGSIZE;
	token = ipcshim_token_prepare_at(service->process, &service->port,
					 service->cred,
					 IPCSHIM_EVENT_SERVICE_CONN_REQUEST,
					 arg->command);
	if (IS_ERR(token))
		return token == ERR_PTR(-ECONNREFUSED) ? -ENOENT :
							 PTR_ERR(token);
	connection = ipcshim_connection_create(arg->message_max, service,
					       inodes);
	if (IS_ERR(connection)) {
		ipcshim_token_cancel(token);
		return PTR_ERR(connection);
	}
	connection->id = token->id;
	connection->state = IPCSHIM_ASKED;
	file = ipcshim_socket_file_create(&connection->sides[IPCSHIM_CLIENT],
					  port->process,
					  arg->flags & IPCSHIM_CONNECT_NONBLOCK);
	if (IS_ERR(file)) {
		err = PTR_ERR(file);
		goto err_token;
	}
	arg->fd = fd;
	arg->existing = 0;
	arg->reason = 0;
	arg->connection = connection->id;
	arg->inode = connection->sides[IPCSHIM_CLIENT].ino;
	err = ipcshim_copy_out(uarg, arg, sizeof(*arg));
	if (err)
		goto err_file;
	err = connect_ask(service, connection, token, arg);
	if (err == -ECONNREFUSED && put_user(connection->reason, &uarg->reason))
		err = -EFAULT;
	if (err) {
		fput(file);
	} else {
		ipcshim_socket_hold(file->private_data);
		fd_install(fd, file);
	}
	goto out_inodes;

err_file:
	fput(file);
err_token:
	ipcshim_token_cancel(token);
out_inodes:
	iput(inodes[IPCSHIM_CLIENT]);
	iput(inodes[IPCSHIM_SERVER]);
	return err;
}

static int connect_service(struct ipcshim_port *port,
			   struct ipcshim_service *service, int fd,
			   struct ipcshim_connect_service *arg,
			   struct ipcshim_connect_service __user *uarg)
{
	struct file *file = NULL;
	int err;

	err = ipcshim_service_permission(service);
	if (err)
		return err;
	if (arg->flags & IPCSHIM_CONNECT_FLEXIBLE)
		file = connect_existing(service, port->process, arg);
	if (!file)
		return connect_new(port, service, fd, arg, uarg);
	if (IS_ERR(file))
		return PTR_ERR(file);
	arg->fd = fd;
	arg->reason = 0;
	err = ipcshim_copy_out(uarg, arg, sizeof(*arg));
	if (err) {
		fput(file);
		return err;
	}
	ipcshim_socket_hold(file->private_data);
	fd_install(fd, file);
	return 0;
}

int ipcshim_service_connect(struct ipcshim_port *port,
			    struct ipcshim_connect_service __user *uarg)
{
	struct ipcshim_connect_service arg;
	struct ipcshim_service *service;
	struct ipcshim_name name;
	int fd, err;

	err = ipcshim_copy_in(&arg, uarg, sizeof(arg));
	if (!err)
		err = connect_check(&arg);
	if (!err)
		err = ipcshim_name_copy(&name, arg.name, arg.name_length,
					arg.flags & IPCSHIM_CONNECT_UID,
					arg.uid);
	if (err)
		return err;
	/* Told at once: a restart after a signal is to keep it. */
	if (!arg.deadline)
		arg.deadline = ktime_get_ns() + IPCSHIM_CONNECT_DEADLINE;
	else if (arg.deadline <= ktime_get_ns())
		return -ETIMEDOUT;
	if (put_user(arg.deadline, &uarg->deadline))
		return -EFAULT;
	fd = get_unused_fd_flags(O_CLOEXEC);
	if (fd < 0)
		return fd;
	do {
		service = connect_find(&name, &arg);
		if (IS_ERR(service)) {
			err = PTR_ERR(service);
			break;
		}
		err = connect_service(port, service, fd, &arg, uarg);
		ipcshim_service_put(service);
		/* Withdrawn just now: with WAIT there may be a next. */
	} while (err == -ENOENT && arg.flags & IPCSHIM_CONNECT_WAIT);
	if (err)
		put_unused_fd(fd);
	return err;
}

/* The request is the caller's to answer, who is the owner. */
static struct ipcshim_token *
request_take(struct ipcshim_port *port, u64 request,
	     struct ipcshim_connection **connection)
{
	struct ipcshim_socket *socket;
	struct ipcshim_token *token;

	if (!ipcshim_process_is_current(port->process))
		return ERR_PTR(-EPERM);
	token = ipcshim_token_take(port->process, request, true);
	if (!token)
		return ERR_PTR(-ENOENT);
	socket = ipcshim_object_socket(token->parcel.object);
	*connection = ipcshim_connection_of(socket);
	return token;
}

int ipcshim_service_accept(struct ipcshim_port *port,
			   struct ipcshim_accept __user *uarg)
{
	struct ipcshim_connection *connection;
	struct ipcshim_claim claim = {};
	struct ipcshim_token *token;
	struct ipcshim_accept arg;
	struct file *file;
	int err;

	err = ipcshim_copy_in(&arg, uarg, sizeof(arg));
	if (err)
		return err;
	if (arg.flags & ~IPCSHIM_OPEN_NONBLOCK || arg.reserved0 || arg.reserved)
		return -EINVAL;
	token = request_take(port, arg.request, &connection);
	if (IS_ERR(token))
		return PTR_ERR(token);

	if (arg.flags & IPCSHIM_OPEN_NONBLOCK)
		claim.flags = IPCSHIM_CLAIM_NONBLOCK;
	file = token->parcel.ops->open(&token->parcel, port->process, &claim);
	if (IS_ERR(file)) {
		err = PTR_ERR(file);
		goto err_token;
	}
	arg.fd = get_unused_fd_flags(O_CLOEXEC);
	if (arg.fd < 0) {
		err = arg.fd;
		goto err_file;
	}
	arg.inode = claim.inode;
	arg.pid = pid_vnr(connection->client);
	arg.uid = from_kuid_munged(current_user_ns(), connection->client_uid);
	arg.message_max = connection->message_max;
	err = ipcshim_copy_out(uarg, &arg, sizeof(arg));
	if (!err)
		err = connect_answer(connection, IPCSHIM_ACCEPTED, 0);
	if (err)
		goto err_fd;

	/* From here on nothing fails. */
	token->parcel.ops->opened(file, port->process);
	ipcshim_token_finish(token, NULL);
	fd_install(arg.fd, file);
	return 0;

err_fd:
	put_unused_fd(arg.fd);
err_file:
	fput(file);
err_token:
	/* A request that its client has taken back is none. */
	if (err == -ENOENT)
		ipcshim_token_finish(token, NULL);
	else
		ipcshim_token_put_back(token);
	return err;
}

int ipcshim_service_reject(struct ipcshim_port *port,
			   const struct ipcshim_reject __user *uarg)
{
	struct ipcshim_connection *connection;
	struct ipcshim_token *token;
	struct ipcshim_reject arg;
	int err;

	err = ipcshim_copy_in(&arg, uarg, sizeof(arg));
	if (err)
		return err;
	if (arg.flags || arg.reserved0)
		return -EINVAL;
	token = request_take(port, arg.request, &connection);
	if (IS_ERR(token))
		return PTR_ERR(token);
	err = connect_answer(connection, IPCSHIM_REJECTED, arg.reason);
	ipcshim_token_finish(token, NULL);
	return err;
}
