// SPDX-License-Identifier: GPL-2.0-only
#include <linux/capability.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/poll.h>
#include <linux/proc_fs.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/uio.h>

#include "port.h"
#include "service.h"
#include "token.h"
#include "trace.h"
#include "uring.h"

struct ipcshim_executable ipcshim_executable_of_current(void)
{
	struct ipcshim_executable executable = {};
	const struct inode *inode;
	struct file *file;

	rcu_read_lock();
	file = current->mm ? rcu_dereference(current->mm->exe_file) : NULL;
	if (file) {
		inode = file_inode(file);
		executable.dev = inode->i_sb->s_dev;
		executable.ino = inode->i_ino;
		executable.generation = inode->i_generation;
	}
	rcu_read_unlock();
	return executable;
}

static bool executable_is_current(const struct ipcshim_executable *executable)
{
	struct ipcshim_executable mine = ipcshim_executable_of_current();

	return mine.ino && mine.dev == executable->dev &&
	       mine.ino == executable->ino &&
	       mine.generation == executable->generation;
}

int ipcshim_port_permission(const struct ipcshim_port *port,
			    const struct cred *target)
{
	u32 access = port ? port->access : IPCSHIM_ACCESS_UID;

	if (access == IPCSHIM_ACCESS_ANYBODY)
		return 0;
	if (uid_eq(current_euid(), target->euid) &&
	    (access == IPCSHIM_ACCESS_UID ||
	     executable_is_current(&port->executable)))
		return 0;
	return ns_capable(target->user_ns, CAP_IPC_OWNER) ? 0 : -EPERM;
}

static void port_signal(struct ipcshim_port *port,
			const struct ipcshim_event_node *node)
{
	struct ipcshim_process *process = port->process;
	struct ipcshim_handler *handler;
	struct task_struct *task;
	int err = 0;

	handler = &process->handlers[ipcshim_event_index(node->code)];
	if (handler->port != port || !handler->thread)
		return;

	rcu_read_lock();
	task = pid_task(handler->thread, PIDTYPE_PID);
	/* A thread that is gone, or runs another program by now, gets nothing. */
	if (task && task_tgid(task) == process->pid &&
	    READ_ONCE(task->self_exec_id) == process->exec_id)
		err = ipcshim_event_signal(node, handler->signo, task,
					   ipcshim_process_ns(process),
					   port->signals_lost);
	rcu_read_unlock();
	port->signals_lost = err == -EAGAIN;
}

void ipcshim_port_raise_waiting(struct ipcshim_port *port)
{
	struct ipcshim_event_node *node;

	lockdep_assert_held(&port->process->lock);
	list_for_each_entry(node, &port->events, in_port)
		port_signal(port, node);
}

void ipcshim_port_queue(struct ipcshim_port *port,
			struct ipcshim_event_node *node)
{
	lockdep_assert_held(&port->process->lock);
	node->sequence = ++port->sequence;
	list_add_tail(&node->in_port, &port->events);
	port->nr_events++;
	atomic64_inc(&ipcshim_totals.events);
	trace_ipcshim_receive(port->process->pid, node);
	wake_up_interruptible_poll(&port->wait, EPOLLIN | EPOLLRDNORM);
	kill_fasync(&port->fasync, SIGIO, POLL_IN);
	if (port->ready)
		port_signal(port, node);
}

void ipcshim_port_tell(struct ipcshim_process *process,
		       struct ipcshim_event_node *node)
{
	struct ipcshim_port *port;

	spin_lock(&process->lock);
	port = process->handlers[ipcshim_event_index(node->code)].port;
	if (port)
		ipcshim_port_queue(port, node);
	spin_unlock(&process->lock);
	if (!port)
		ipcshim_event_free(node);
}

static bool port_is_full(const struct ipcshim_port *port)
{
	lockdep_assert_held(&port->process->lock);
	return port->nr_counted >= ipcshim_quota_max_events();
}

bool ipcshim_port_is_full(struct ipcshim_process *process, u16 code)
{
	struct ipcshim_port *port;
	bool full;

	spin_lock(&process->lock);
	port = process->handlers[ipcshim_event_index(code)].port;
	full = port && port_is_full(port);
	spin_unlock(&process->lock);
	return full;
}

int ipcshim_port_offer(struct ipcshim_process *process,
		       struct ipcshim_event_node *node, bool must)
{
	struct ipcshim_port *port;
	int err = 0;

	spin_lock(&process->lock);
	port = process->handlers[ipcshim_event_index(node->code)].port;
	if (port && !must && port_is_full(port)) {
		err = -EAGAIN;
	} else if (port) {
		port->nr_counted++;
		ipcshim_port_queue(port, node);
	}
	spin_unlock(&process->lock);
	if (!port)
		ipcshim_event_free(node);
	return err;
}

static int port_open(struct inode *inode, struct file *file)
{
	struct ipcshim_port *port;
	int err;

	port = kzalloc(sizeof(*port), GFP_KERNEL_ACCOUNT);
	if (!port)
		return -ENOMEM;
	port->user = ipcshim_user_get_current();
	if (IS_ERR(port->user)) {
		err = PTR_ERR(port->user);
		goto err_free;
	}
	err = ipcshim_quota_charge(port->user, IPCSHIM_QUOTA_PORTS, 1);
	if (err)
		goto err_user;
	port->process = ipcshim_process_get_current();
	if (IS_ERR(port->process)) {
		err = PTR_ERR(port->process);
		goto err_charge;
	}
	err = ipcshim_object_mount();
	if (err)
		goto err_process;

	port->user_ns = file->f_cred->user_ns;
	port->executable = ipcshim_executable_of_current();
	port->access = IPCSHIM_ACCESS_UID;
	INIT_LIST_HEAD(&port->tokens);
	INIT_LIST_HEAD(&port->services);
	INIT_LIST_HEAD(&port->events);
	ipcshim_turn_init(&port->read_turn);
	init_waitqueue_head(&port->wait);
	file->private_data = port;
	stream_open(inode, file);
	file->f_mode |= FMODE_NOWAIT;
	atomic64_inc(&ipcshim_totals.ports);

	spin_lock(&port->process->lock);
	list_add_tail(&port->in_process, &port->process->ports);
	spin_unlock(&port->process->lock);
	return 0;

err_process:
	ipcshim_process_put(port->process);
err_charge:
	ipcshim_quota_discharge(port->user, IPCSHIM_QUOTA_PORTS, 1);
err_user:
	ipcshim_user_put(port->user);
err_free:
	kfree(port);
	return err;
}

static int port_flush(struct file *file, fl_owner_t id)
{
	struct ipcshim_port *port = file->private_data;

	ipcshim_ending_leave(&port->ending);
	return 0;
}

static int port_release(struct inode *inode, struct file *file)
{
	struct ipcshim_port *port = file->private_data;
	struct ipcshim_process *process = port->process;
	struct ipcshim_event_node *node, *next;
	struct ipcshim_ending ending = ipcshim_ending_take(&port->ending);
	LIST_HEAD(services);
	LIST_HEAD(tokens);
	int i;

	/* Unlink: from here on nobody finds the port, its tokens or its queue. */
	spin_lock(&process->lock);
	list_del(&port->in_process);
	for (i = 0; i < IPCSHIM_NR_EVENT_CODES; i++) {
		if (process->handlers[i].port != port)
			continue;
		put_pid(process->handlers[i].thread);
		process->handlers[i] = (struct ipcshim_handler) {};
	}
	ipcshim_service_unlink_all(port, &services);
	ipcshim_token_unlink_all(port, &tokens);
	spin_unlock(&process->lock);

	ipcshim_service_withdraw_all(&services);
	/* Free: a process that was promised something closes it by dying. */
	ipcshim_token_drop_all(&tokens, &ending);
	list_for_each_entry_safe(node, next, &port->events, in_port)
		ipcshim_event_free(node);
	atomic64_sub(port->nr_events, &ipcshim_totals.events);
	atomic64_dec(&ipcshim_totals.ports);
	ipcshim_object_unmount();
	ipcshim_process_put(process);
	ipcshim_quota_discharge(port->user, IPCSHIM_QUOTA_PORTS, 1);
	ipcshim_user_put(port->user);
	kfree(port);
	return 0;
}

static struct ipcshim_event_node *port_first(struct ipcshim_port *port)
{
	struct ipcshim_event_node *node;

	spin_lock(&port->process->lock);
	node = list_first_entry_or_null(&port->events,
					struct ipcshim_event_node, in_port);
	spin_unlock(&port->process->lock);
	return node;
}

/* Copy first, take it from the queue then: a fault loses nothing. */
static ssize_t port_read_one(struct ipcshim_port *port, struct iov_iter *to)
{
	struct ipcshim_event_node *node = port_first(port);
	struct ipcshim_event event;
	size_t copied;

	lockdep_assert_held(&port->read_turn);
	if (!node)
		return 0;
	ipcshim_event_translate(node, ipcshim_process_ns(port->process),
				port->user_ns, &event);
	copied = copy_to_iter(&event, sizeof(event), to);
	if (copied != sizeof(event)) {
		iov_iter_revert(to, copied);
		return -EFAULT;
	}

	spin_lock(&port->process->lock);
	list_del(&node->in_port);
	port->nr_events--;
	if (!node->reserved)
		port->nr_counted--;
	spin_unlock(&port->process->lock);
	atomic64_dec(&ipcshim_totals.events);
	ipcshim_event_free(node);
	return sizeof(event);
}

static ssize_t port_read_iter(struct kiocb *iocb, struct iov_iter *to)
{
	struct ipcshim_port *port = iocb->ki_filp->private_data;
	bool wait = !(iocb->ki_flags & IOCB_NOWAIT) &&
		    !(iocb->ki_filp->f_flags & O_NONBLOCK);
	ssize_t total = 0, ret;

	if (iov_iter_count(to) < sizeof(struct ipcshim_event))
		return -EINVAL;
	for (;;) {
		ret = ipcshim_turn_take(&port->read_turn, wait, 0);
		if (ret)
			return ret;
		do {
			ret = port_read_one(port, to);
			if (ret > 0)
				total += ret;
		} while (ret > 0 &&
			 iov_iter_count(to) >= sizeof(struct ipcshim_event));
		if (ipcshim_turn_release(&port->read_turn))
			wake_up_interruptible(&port->wait);

		if (total)
			return total;
		if (ret < 0)
			return ret;
		if (!wait)
			return -EAGAIN;
		if (wait_event_interruptible(port->wait, port_first(port)))
			return -ERESTARTSYS;
	}
}

static __poll_t port_poll(struct file *file, poll_table *wait)
{
	struct ipcshim_port *port = file->private_data;

	poll_wait(file, &port->wait, wait);
	/* What is there is that reader's, until it lets go. */
	if (ipcshim_turn_poll(&port->read_turn))
		return 0;
	return port_first(port) ? EPOLLIN | EPOLLRDNORM : 0;
}

static int port_fasync(int fd, struct file *file, int on)
{
	struct ipcshim_port *port = file->private_data;

	return fasync_helper(fd, file, on, &port->fasync);
}

#ifdef CONFIG_PROC_FS
static void port_show_fdinfo(struct seq_file *m, struct file *file)
{
	struct ipcshim_port *port = file->private_data;
	struct ipcshim_process *process = port->process;
	struct pid_namespace *ns = proc_pid_ns(file_inode(m->file)->i_sb);
	struct ipcshim_token *token;
	unsigned int events, tokens = 0;
	u32 handled = 0;
	bool ready;
	int i;

	spin_lock(&process->lock);
	events = port->nr_events;
	ready = port->ready;
	list_for_each_entry(token, &port->tokens, in_port)
		tokens++;
	for (i = 0; i < IPCSHIM_NR_EVENT_CODES; i++)
		if (process->handlers[i].port == port)
			handled |= BIT(i);
	ipcshim_service_show_all(m, port);
	spin_unlock(&process->lock);

	seq_printf(m, "ipcshim-port:\t%d\n", pid_nr_ns(process->pid, ns));
	seq_printf(m, "ipcshim-ready:\t%d\n", ready);
	seq_printf(m, "ipcshim-events:\t%u\n", events);
	seq_printf(m, "ipcshim-tokens:\t%u\n", tokens);
	seq_puts(m, "ipcshim-handles:");
	for (i = 0; i < IPCSHIM_NR_EVENT_CODES; i++)
		if (handled & BIT(i))
			seq_printf(m, "%s0x%02x", handled & (BIT(i) - 1) ?
				   " " : "\t", ipcshim_event_code(i));
	seq_putc(m, '\n');
}
#endif

static const struct file_operations port_fops = {
	.owner = THIS_MODULE,
	.open = port_open,
	.flush = port_flush,
	.release = port_release,
	.read_iter = port_read_iter,
	.poll = port_poll,
	.fasync = port_fasync,
	.unlocked_ioctl = ipcshim_port_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.uring_cmd = ipcshim_port_uring_cmd,
#ifdef CONFIG_PROC_FS
	.show_fdinfo = port_show_fdinfo,
#endif
};

static struct miscdevice port_device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "ipcshim",
	.fops = &port_fops,
	.mode = 0666,
};

int ipcshim_port_init(void)
{
	return misc_register(&port_device);
}

void ipcshim_port_exit(void)
{
	misc_deregister(&port_device);
}
