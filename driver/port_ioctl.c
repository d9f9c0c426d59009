// SPDX-License-Identifier: GPL-2.0-only
#include <linux/sched/signal.h>
#include <linux/uaccess.h>
#include <asm/ioctls.h>

#include "object.h"
#include "pipe.h"
#include "port.h"
#include "pty.h"
#include "segment.h"
#include "service.h"
#include "socket.h"
#include "token.h"
#include "uring.h"

/* The first real-time signal: what user space calls 32. */
#define PORT_SIGNO_MIN	SIGRTMIN
#define PORT_SIGNO_MAX	_NSIG

/* "size" is the caller's: of an older header, or a newer one. */
static int port_query(struct ipcshim_query __user *uarg, size_t size)
{
	struct ipcshim_user *user;
	struct ipcshim_query query;
	int err;

	err = copy_struct_from_user(&query, sizeof(query), uarg, size);
	if (err)
		return err;
	if (query.flags ||
	    memchr_inv(&query.limit_segment_bytes, 0,
		       sizeof(query) - offsetof(struct ipcshim_query,
						limit_segment_bytes)))
		return -EINVAL;
	user = ipcshim_user_get_current();
	if (IS_ERR(user))
		return PTR_ERR(user);

	query = (struct ipcshim_query) {
		.abi_version = IPCSHIM_ABI_VERSION,
		.features = IPCSHIM_FEATURE_EVENTS | IPCSHIM_FEATURE_PIPES |
			    IPCSHIM_FEATURE_SEGMENTS | IPCSHIM_FEATURE_PTYS |
			    IPCSHIM_FEATURE_SOCKETS | IPCSHIM_FEATURE_MAPPED |
			    IPCSHIM_FEATURE_BATCH,
		.page_size = PAGE_SIZE,
		.capacity_max = IPCSHIM_CAPACITY_MAX,
		.message_max = IPCSHIM_MESSAGE_MAX,
		.pipe_buf = IPCSHIM_PIPE_BUF,
		.limit_ports = ipcshim_quota_limit(IPCSHIM_QUOTA_PORTS),
		.limit_objects = ipcshim_quota_limit(IPCSHIM_QUOTA_OBJECTS),
		.limit_bytes = ipcshim_quota_limit(IPCSHIM_QUOTA_BYTES),
		.limit_events = ipcshim_quota_max_events(),
		.used_ports = ipcshim_quota_used(user, IPCSHIM_QUOTA_PORTS),
		.used_objects = ipcshim_quota_used(user, IPCSHIM_QUOTA_OBJECTS),
		.used_bytes = ipcshim_quota_used(user, IPCSHIM_QUOTA_BYTES),
		.ports = atomic64_read(&ipcshim_totals.ports),
		.pipes = atomic64_read(&ipcshim_totals.pipes),
		.tokens = atomic64_read(&ipcshim_totals.tokens),
		.events = atomic64_read(&ipcshim_totals.events),
		.ring_bytes = atomic64_read(&ipcshim_totals.ring_bytes),
		.limit_segment_bytes =
			ipcshim_quota_limit(IPCSHIM_QUOTA_SEGMENT_BYTES),
		.used_segment_bytes =
			ipcshim_quota_used(user, IPCSHIM_QUOTA_SEGMENT_BYTES),
		.segments = atomic64_read(&ipcshim_totals.segments),
		.segment_bytes = atomic64_read(&ipcshim_totals.segment_bytes),
		.limit_ptys = ipcshim_pty_limit(),
		.ptys = atomic64_read(&ipcshim_totals.ptys),
		.limit_exchanges = ipcshim_socket_max_exchanges(),
		.services = atomic64_read(&ipcshim_totals.services),
		.connections = atomic64_read(&ipcshim_totals.connections),
		.exchanges = atomic64_read(&ipcshim_totals.exchanges),
		.messages = atomic64_read(&ipcshim_totals.messages),
		.message_bytes = atomic64_read(&ipcshim_totals.message_bytes),
	};
	if (IS_ENABLED(CONFIG_DMA_SHARED_BUFFER))
		query.features |= IPCSHIM_FEATURE_DMABUF;
	if (IS_ENABLED(CONFIG_IO_URING))
		query.features |= IPCSHIM_FEATURE_URING;
	ipcshim_user_put(user);
	if (copy_to_user(uarg, &query, min(size, sizeof(query))))
		return -EFAULT;
	return 0;
}

/* QUERY of any size: 0 if it is not one. */
static size_t port_query_size(unsigned int cmd)
{
	size_t size = _IOC_SIZE(cmd);

	BUILD_BUG_ON(IPCSHIM_QUERY_SIZE_MIN !=
		     offsetofend(struct ipcshim_query, segment_bytes));
	if (cmd != _IOC(_IOC_READ | _IOC_WRITE, IPCSHIM_IOC_MAGIC,
			_IOC_NR(IPCSHIM_QUERY), size))
		return 0;
	return size < IPCSHIM_QUERY_SIZE_MIN || size % 8 ? 0 : size;
}

/* A set of codes as a set of indices; -EINVAL: empty, or with unknown ones. */
static int port_codes(const __u64 codes[2], u32 *set)
{
	__u64 left[2] = { codes[0], codes[1] };
	int i;

	*set = 0;
	for (i = 0; i < IPCSHIM_NR_EVENT_CODES; i++) {
		u16 code = ipcshim_event_code(i);

		if (!(left[code / 64] & BIT_ULL(code % 64)))
			continue;
		left[code / 64] &= ~BIT_ULL(code % 64);
		*set |= BIT(i);
	}
	return *set && !left[0] && !left[1] ? 0 : -EINVAL;
}

/* A thread of the calling process, 0: the calling one. */
static struct pid *port_thread(u32 tid)
{
	struct task_struct *task;
	struct pid *pid = NULL;

	/* A worker of io_uring is no thread of the caller's. */
	if (!tid && current->flags & PF_IO_WORKER)
		return ERR_PTR(-EINVAL);
	if (!tid)
		return get_task_pid(current, PIDTYPE_PID);
	rcu_read_lock();
	task = pid_task(find_vpid(tid), PIDTYPE_PID);
	if (task && same_thread_group(task, current))
		pid = get_task_pid(task, PIDTYPE_PID);
	rcu_read_unlock();
	return pid ?: ERR_PTR(-ESRCH);
}

static int port_handle(struct ipcshim_port *port,
		       const struct ipcshim_handle __user *uarg)
{
	struct ipcshim_process *process = port->process;
	struct ipcshim_handler *handler;
	struct pid *thread = NULL;
	struct ipcshim_handle arg;
	int i, err;
	u32 set;

	err = ipcshim_copy_in(&arg, uarg, sizeof(arg));
	if (err)
		return err;
	err = port_codes(arg.codes, &set);
	if (err)
		return err;
	if (arg.flags || arg.reserved || arg.notify > IPCSHIM_NOTIFY_SIGNAL)
		return -EINVAL;
	if (arg.notify == IPCSHIM_NOTIFY_SIGNAL ?
	    arg.signo < PORT_SIGNO_MIN || arg.signo > PORT_SIGNO_MAX :
	    arg.signo || arg.tid)
		return -EINVAL;
	if (!ipcshim_process_is_current(process))
		return -EPERM;
	if (arg.notify == IPCSHIM_NOTIFY_SIGNAL) {
		thread = port_thread(arg.tid);
		if (IS_ERR(thread))
			return PTR_ERR(thread);
	}

	spin_lock(&process->lock);
	for (i = 0; i < IPCSHIM_NR_EVENT_CODES; i++) {
		handler = &process->handlers[i];
		if (set & BIT(i) && handler->port && handler->port != port) {
			spin_unlock(&process->lock);
			put_pid(thread);
			return -EBUSY;
		}
	}
	for (i = 0; i < IPCSHIM_NR_EVENT_CODES; i++) {
		handler = &process->handlers[i];
		if (!(set & BIT(i)))
			continue;
		put_pid(handler->thread);
		handler->port = port;
		handler->thread = get_pid(thread);
		handler->signo = arg.signo;
	}
	spin_unlock(&process->lock);
	put_pid(thread);
	return 0;
}

static int port_unhandle(struct ipcshim_port *port,
			 const struct ipcshim_unhandle __user *uarg)
{
	struct ipcshim_process *process = port->process;
	struct ipcshim_unhandle arg;
	u32 set, mine = 0;
	int i, err;

	err = ipcshim_copy_in(&arg, uarg, sizeof(arg));
	if (err)
		return err;
	err = port_codes(arg.codes, &set);
	if (err)
		return err;
	if (arg.flags || arg.reserved)
		return -EINVAL;
	if (!ipcshim_process_is_current(process))
		return -EPERM;

	spin_lock(&process->lock);
	for (i = 0; i < IPCSHIM_NR_EVENT_CODES; i++)
		if (process->handlers[i].port == port)
			mine |= BIT(i);
	for (i = 0; i < IPCSHIM_NR_EVENT_CODES && !(set & ~mine); i++) {
		if (!(set & BIT(i)))
			continue;
		put_pid(process->handlers[i].thread);
		process->handlers[i] = (struct ipcshim_handler) {};
	}
	spin_unlock(&process->lock);
	return set & ~mine ? -ENOENT : 0;
}

static int port_handled_by(struct ipcshim_process *process,
			   const struct cred *cred, int index)
{
	struct ipcshim_port *port;
	int err;

	if (!process)
		return ipcshim_port_permission(NULL, cred);
	spin_lock(&process->lock);
	port = process->handlers[index].port;
	err = ipcshim_port_permission(port, cred);
	spin_unlock(&process->lock);
	return err ?: !!port;
}

static int port_is_handled(struct ipcshim_is_handled __user *uarg)
{
	struct ipcshim_process *process;
	struct ipcshim_is_handled arg;
	const struct cred *cred;
	int index, err;

	err = ipcshim_copy_in(&arg, uarg, sizeof(arg));
	if (err)
		return err;
	index = ipcshim_event_index(arg.code);
	if (index < 0 || arg.flags || arg.reserved)
		return -EINVAL;
	err = ipcshim_process_find(arg.pid ?: task_tgid_vnr(current), &process,
				   &cred);
	if (err)
		return err;
	err = port_handled_by(process, cred, index);
	ipcshim_process_put(process);
	put_cred(cred);
	if (err < 0)
		return err;
	arg.handled = err;
	return ipcshim_copy_out(uarg, &arg, sizeof(arg));
}

static int port_ready(struct ipcshim_port *port,
		      const struct ipcshim_ready __user *uarg)
{
	struct ipcshim_process *process = port->process;
	struct ipcshim_ready arg;
	bool was_ready;
	int err;

	err = ipcshim_copy_in(&arg, uarg, sizeof(arg));
	if (err)
		return err;
	if (arg.flags || arg.reserved)
		return -EINVAL;
	if (!ipcshim_process_is_current(process))
		return -EPERM;
	spin_lock(&process->lock);
	was_ready = port->ready;
	port->ready = true;
	if (!was_ready)
		ipcshim_port_raise_waiting(port);
	spin_unlock(&process->lock);
	return was_ready ? -EALREADY : 0;
}

static int port_set_access(struct ipcshim_port *port,
			   const struct ipcshim_access __user *uarg)
{
	struct ipcshim_process *process = port->process;
	struct ipcshim_access arg;
	int err;

	err = ipcshim_copy_in(&arg, uarg, sizeof(arg));
	if (err)
		return err;
	if (arg.flags || arg.access > IPCSHIM_ACCESS_ANYBODY)
		return -EINVAL;
	if (!ipcshim_process_is_current(process))
		return -EPERM;
	spin_lock(&process->lock);
	port->access = arg.access;
	spin_unlock(&process->lock);
	return 0;
}

static int port_bytes(struct ipcshim_port *port, int __user *uarg)
{
	int bytes;

	spin_lock(&port->process->lock);
	bytes = port->nr_events * sizeof(struct ipcshim_event);
	spin_unlock(&port->process->lock);
	return put_user(bytes, uarg);
}

long ipcshim_port_call(struct file *file, unsigned int cmd, void __user *uarg,
		       bool nowait)
{
	struct ipcshim_port *port = file->private_data;

	switch (cmd) {
	case IPCSHIM_HANDLE_SIGNAL:
		return port_handle(port, uarg);
	case IPCSHIM_UNHANDLE_SIGNAL:
		return port_unhandle(port, uarg);
	case IPCSHIM_IS_HANDLED:
		return port_is_handled(uarg);
	case IPCSHIM_READY:
		return port_ready(port, uarg);
	case IPCSHIM_CLAIM:
		return ipcshim_token_claim(port, uarg);
	case IPCSHIM_SET_ACCESS:
		return port_set_access(port, uarg);
	case IPCSHIM_OPEN_PIPE:
		return ipcshim_pipe_open(port, uarg);
	case IPCSHIM_CREATE_MEM:
		return ipcshim_segment_make(port, uarg);
	case IPCSHIM_ADOPT_MEM:
		/* It waits for all that it copies. */
		return nowait ? -IPCSHIM_EWAITS : ipcshim_segment_adopt(port, uarg);
	case IPCSHIM_OPEN_PTY:
		return ipcshim_pty_open(uarg);
	case IPCSHIM_PUBLISH:
		return ipcshim_service_publish(port, uarg);
	case IPCSHIM_WITHDRAW:
		return ipcshim_service_withdraw(port, uarg);
	case IPCSHIM_CONNECT_SERVICE:
		/* It waits for an answer. */
		return nowait ? -IPCSHIM_EWAITS :
				ipcshim_service_connect(port, uarg);
	case IPCSHIM_ACCEPT:
		return ipcshim_service_accept(port, uarg);
	case IPCSHIM_REJECT:
		return ipcshim_service_reject(port, uarg);
	case IPCSHIM_HAS_SERVICE:
		return ipcshim_service_has(uarg);
	case IPCSHIM_OPEN_SERV_SOCK:
		return ipcshim_socket_open(port, uarg);
	case FIONREAD:
		return port_bytes(port, uarg);
	default:
		if (port_query_size(cmd))
			return port_query(uarg, port_query_size(cmd));
		return -ENOTTY;
	}
}

long ipcshim_port_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	return ipcshim_port_call(file, cmd, (void __user *)arg, false);
}
