// SPDX-License-Identifier: GPL-2.0-only
#include <linux/module.h>
#include <linux/poll.h>
#include <linux/proc_fs.h>
#include <linux/seq_file.h>
#include <linux/slab.h>

#include "event.h"
#include "process.h"
#include "socket.h"

/* By way of /proc/PID/fd: there is no address to open it by. */
static int socket_open(struct inode *inode, struct file *file)
{
	return -ENXIO;
}

static int socket_flush(struct file *file, fl_owner_t id)
{
	struct ipcshim_socket_file *socket_file = file->private_data;

	ipcshim_ending_leave(&socket_file->ending);
	return 0;
}

static int socket_release(struct inode *inode, struct file *file)
{
	struct ipcshim_socket_file *socket_file = file->private_data;
	struct ipcshim_ending ending;
	LIST_HEAD(unread);

	/* A file that was never finished. */
	if (!socket_file)
		return 0;
	ending = ipcshim_ending_take(&socket_file->ending);
	ipcshim_socket_put_user(socket_file->socket, socket_file, &ending,
				&unread);
	ipcshim_messages_free(&unread);
	ipcshim_event_free(socket_file->event);
	ipcshim_process_put(socket_file->process);
	kfree(socket_file);
	return 0;
}

static __poll_t socket_poll(struct file *file, poll_table *wait)
{
	struct ipcshim_socket_file *socket_file = file->private_data;
	struct ipcshim_socket *socket = socket_file->socket;
	struct ipcshim_socket *peer = ipcshim_socket_peer(socket);
	struct ipcshim_connection *connection = ipcshim_connection_of(socket);
	__poll_t mask = 0;

	poll_wait(file, &socket->wait, wait);
	/*
	 * Who wakes looks for pollers under the lock: either it sees us there, or
	 * we see here what it has done.
	 */
	spin_lock(&connection->lock);
	if (!list_empty(&socket->messages))
		mask |= EPOLLIN | EPOLLRDNORM;
	if (connection->end.pid)
		mask |= EPOLLHUP | EPOLLRDHUP;
	else if (list_empty(&peer->openers) &&
		 socket->answering <= IPCSHIM_SOCKET_ROOM &&
		 ipcshim_socket_has_room(peer, connection->message_max +
					 IPCSHIM_SOCKET_OVERHEAD, true))
		mask |= EPOLLOUT | EPOLLWRNORM;
	spin_unlock(&connection->lock);
	return mask;
}

static int socket_fasync(int fd, struct file *file, int on)
{
	struct ipcshim_socket_file *socket_file = file->private_data;

	return fasync_helper(fd, file, on, &socket_file->socket->fasync);
}

#ifdef CONFIG_PROC_FS
static const char *const role_names[] = {
	[IPCSHIM_CLIENT] = "client",
	[IPCSHIM_SERVER] = "service",
	[IPCSHIM_NOBODY] = "none",
};

/* Who on the other side has the turn, or will, and who sleeps for that. */
static void exchange_show(struct seq_file *m,
			  const struct ipcshim_exchange *exchange,
			  struct pid_namespace *ns)
{
	const struct ipcshim_taker *taker = exchange->takers[IPCSHIM_CLIENT] ?:
					    exchange->takers[IPCSHIM_SERVER];

	seq_printf(m, "ipcshim-exchange:\t%llu code=%u opener=%s turn=%s counter=%u waits=%d\n",
		   exchange->id, exchange->code, role_names[exchange->opener],
		   role_names[exchange->turn], exchange->counter,
		   taker ? task_pid_nr_ns(taker->task, ns) : 0);
}

static void socket_show_fdinfo(struct seq_file *m, struct file *file)
{
	struct ipcshim_socket_file *socket_file = file->private_data;
	struct ipcshim_socket *socket = socket_file->socket;
	struct ipcshim_socket *peer = ipcshim_socket_peer(socket);
	struct ipcshim_connection *connection = ipcshim_connection_of(socket);
	struct pid_namespace *ns = proc_pid_ns(file_inode(m->file)->i_sb);
	struct ipcshim_taker *taker;
	unsigned int readers = 0;
	struct rb_node *node;

	spin_lock(&connection->lock);
	list_for_each_entry(taker, &socket->takers, in_socket)
		readers++;
	seq_printf(m, "ipcshim-role:\t%s\n", role_names[socket->role]);
	seq_printf(m, "ipcshim-connection:\t%llu\n", connection->id);
	seq_printf(m, "ipcshim-peer-inode:\t%llu\n", peer->ino);
	seq_printf(m, "ipcshim-peer:\t%d\n", peer->process && peer->users ?
		   pid_nr_ns(peer->process->pid, ns) : 0);
	seq_printf(m, "ipcshim-message-max:\t%u\n", connection->message_max);
	seq_printf(m, "ipcshim-open:\t%d\n", !connection->end.pid);
	seq_printf(m, "ipcshim-messages:\t%u\n", socket->nr_messages);
	seq_printf(m, "ipcshim-bytes:\t%llu\n", socket->bytes);
	seq_printf(m, "ipcshim-readers:\t%u\n", readers);
	seq_printf(m, "ipcshim-exchanges:\t%u\n", connection->nr_exchanges);
	for (node = rb_first(&connection->exchanges); node;
	     node = rb_next(node))
		exchange_show(m, rb_entry(node, struct ipcshim_exchange, node),
			      ns);
	spin_unlock(&connection->lock);
}
#endif

const struct file_operations ipcshim_socket_fops = {
	.owner = THIS_MODULE,
	.open = socket_open,
	.flush = socket_flush,
	.release = socket_release,
	.poll = socket_poll,
	.fasync = socket_fasync,
	.unlocked_ioctl = ipcshim_socket_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
#ifdef CONFIG_PROC_FS
	.show_fdinfo = socket_show_fdinfo,
#endif
};
