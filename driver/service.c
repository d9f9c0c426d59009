// SPDX-License-Identifier: GPL-2.0-only
#include <linux/capability.h>
#include <linux/hashtable.h>
#include <linux/sched/signal.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/stringhash.h>
#include <linux/uaccess.h>

#include "port.h"
#include "service.h"
#include "trace.h"
#include "turn.h"

static DEFINE_HASHTABLE(services, 8);
static DEFINE_SPINLOCK(services_lock);
/* Those that wait for a name to be published. */
static DECLARE_WAIT_QUEUE_HEAD(services_wait);
static atomic64_t last_service;

static bool name_is_printable(const struct ipcshim_name *name)
{
	u32 i;

	for (i = 0; i < name->length; i++)
		if (name->text[i] < 0x20 || name->text[i] > 0x7e)
			return false;
	return true;
}

static bool name_is_reserved(const struct ipcshim_name *name)
{
	size_t length = strlen(IPCSHIM_RESERVED_NAMES);

	return name->length >= length &&
	       !memcmp(name->text, IPCSHIM_RESERVED_NAMES, length);
}

int ipcshim_name_copy(struct ipcshim_name *name, u64 address, u32 length,
		      bool by_uid, u32 uid)
{
	if (!length || (!by_uid && uid))
		return -EINVAL;
	if (length > IPCSHIM_NAME_MAX)
		return -ENAMETOOLONG;
	name->length = length;
	if (copy_from_user(name->text, u64_to_user_ptr(address), length))
		return -EFAULT;
	if (!name_is_printable(name))
		return -EINVAL;

	name->uid = current_euid();
	if (by_uid) {
		name->uid = make_kuid(current_user_ns(), uid);
		if (!uid_valid(name->uid))
			return -EINVAL;
	}
	if (name_is_reserved(name))
		name->uid = INVALID_UID;
	return 0;
}

static u32 name_hash(const struct ipcshim_name *name)
{
	return full_name_hash(NULL, name->text, name->length) ^
	       __kuid_val(name->uid);
}

static struct ipcshim_service *service_lookup(const struct ipcshim_name *name)
{
	struct ipcshim_service *service;

	lockdep_assert_held(&services_lock);
	hash_for_each_possible(services, service, node, name_hash(name))
		if (service->name.length == name->length &&
		    __kuid_val(service->name.uid) == __kuid_val(name->uid) &&
		    !memcmp(service->name.text, name->text, name->length) &&
		    READ_ONCE(service->port) &&
		    ipcshim_process_runs(service->process))
			return service;
	return NULL;
}

struct ipcshim_service *ipcshim_service_find(const struct ipcshim_name *name)
{
	struct ipcshim_service *service;

	spin_lock(&services_lock);
	service = service_lookup(name);
	/* Those in the table have references, see service_unpublish(). */
	if (service)
		kref_get(&service->refs);
	spin_unlock(&services_lock);
	return service;
}

struct ipcshim_service *ipcshim_service_wait(const struct ipcshim_name *name,
					     u64 deadline)
{
	struct ipcshim_service *service;
	DEFINE_WAIT(wait);
	int err = 0;

	for (;;) {
		prepare_to_wait(&services_wait, &wait, TASK_INTERRUPTIBLE);
		service = ipcshim_service_find(name);
		if (service)
			break;
		if (!err && signal_pending(current))
			err = -ERESTARTSYS;
		if (err) {
			service = ERR_PTR(err);
			break;
		}
		if (!ipcshim_schedule_until(deadline))
			err = -ETIMEDOUT;
	}
	finish_wait(&services_wait, &wait);
	return service;
}

void ipcshim_service_get(struct ipcshim_service *service)
{
	kref_get(&service->refs);
}

static void service_free(struct kref *refs)
{
	struct ipcshim_service *service =
		container_of(refs, struct ipcshim_service, refs);

	WARN_ON_ONCE(!list_empty(&service->connections));
	ipcshim_quota_discharge_object(service->user);
	ipcshim_process_put(service->process);
	put_cred(service->cred);
	kfree(service);
}

void ipcshim_service_put(struct ipcshim_service *service)
{
	kref_put(&service->refs, service_free);
}

/* Out of the table; it has left its port already. */
static void service_unpublish(struct ipcshim_service *service)
{
	spin_lock(&services_lock);
	hash_del(&service->node);
	spin_unlock(&services_lock);
	atomic64_dec(&ipcshim_totals.services);
	trace_ipcshim_publish(service, false);
	ipcshim_service_put(service);
}

void ipcshim_service_unlink_all(struct ipcshim_port *port,
				struct list_head *gone)
{
	struct ipcshim_service *service;

	lockdep_assert_held(&port->process->lock);
	list_for_each_entry(service, &port->services, in_port)
		WRITE_ONCE(service->port, NULL);
	list_splice_init(&port->services, gone);
}

void ipcshim_service_withdraw_all(struct list_head *gone)
{
	struct ipcshim_service *service, *next;

	list_for_each_entry_safe(service, next, gone, in_port)
		service_unpublish(service);
}

static struct ipcshim_service *service_create(struct ipcshim_port *port,
					      u32 message_max)
{
	struct ipcshim_user *user = ipcshim_quota_charge_object();
	struct ipcshim_service *service;

	if (IS_ERR(user))
		return ERR_CAST(user);
	service = kzalloc(sizeof(*service), GFP_KERNEL_ACCOUNT);
	if (!service) {
		ipcshim_quota_discharge_object(user);
		return ERR_PTR(-ENOMEM);
	}
	kref_init(&service->refs);
	service->process = ipcshim_process_get(port->process);
	service->cred = get_current_cred();
	service->user = user;
	service->id = atomic64_inc_return(&last_service);
	service->message_max = message_max;
	INIT_LIST_HEAD(&service->in_port);
	spin_lock_init(&service->lock);
	INIT_LIST_HEAD(&service->connections);
	return service;
}

/* From here on it is found. */
static int service_add(struct ipcshim_port *port,
		       struct ipcshim_service *service)
{
	bool taken;

	service->port = port;
	spin_lock(&services_lock);
	taken = service_lookup(&service->name);
	if (!taken)
		hash_add(services, &service->node, name_hash(&service->name));
	spin_unlock(&services_lock);
	if (taken)
		return -EADDRINUSE;
	atomic64_inc(&ipcshim_totals.services);
	/* Now, so that nobody withdraws it before. */
	spin_lock(&port->process->lock);
	list_add_tail(&service->in_port, &port->services);
	spin_unlock(&port->process->lock);
	return 0;
}

int ipcshim_service_publish(struct ipcshim_port *port,
			    struct ipcshim_publish __user *uarg)
{
	struct ipcshim_service *service;
	struct ipcshim_publish arg;
	u32 message_max;
	int err;

	err = ipcshim_copy_in(&arg, uarg, sizeof(arg));
	if (err)
		return err;
	message_max = arg.message_max ?: IPCSHIM_SOCKET_MESSAGE;
	if (arg.flags || arg.reserved0 || arg.reserved ||
	    message_max < IPCSHIM_SOCKET_MESSAGE ||
	    message_max > IPCSHIM_SOCKET_MESSAGE_MAX)
		return -EINVAL;
	if (!ipcshim_process_is_current(port->process))
		return -EPERM;
	service = service_create(port, message_max);
	if (IS_ERR(service))
		return PTR_ERR(service);
	err = ipcshim_name_copy(&service->name, arg.name, arg.name_length,
				false, 0);
	if (err)
		goto err_service;
	if (!uid_valid(service->name.uid) && !capable(CAP_SYS_ADMIN)) {
		err = -EPERM;
		goto err_service;
	}
	arg.service = service->id;
	err = ipcshim_copy_out(uarg, &arg, sizeof(arg));
	if (err)
		goto err_service;
	err = service_add(port, service);
	if (err)
		goto err_service;
	trace_ipcshim_publish(service, true);
	wake_up_interruptible_all(&services_wait);
	return 0;

err_service:
	ipcshim_service_put(service);
	return err;
}

int ipcshim_service_withdraw(struct ipcshim_port *port,
			     const struct ipcshim_withdraw __user *uarg)
{
	struct ipcshim_process *process = port->process;
	struct ipcshim_service *service;
	struct ipcshim_withdraw arg;
	bool found = false;
	int err;

	err = ipcshim_copy_in(&arg, uarg, sizeof(arg));
	if (err)
		return err;
	if (arg.flags || arg.reserved)
		return -EINVAL;
	if (!ipcshim_process_is_current(process))
		return -EPERM;
	spin_lock(&process->lock);
	list_for_each_entry(service, &port->services, in_port) {
		found = service->id == arg.service;
		if (!found)
			continue;
		list_del_init(&service->in_port);
		WRITE_ONCE(service->port, NULL);
		break;
	}
	spin_unlock(&process->lock);
	if (!found)
		return -ENOENT;
	service_unpublish(service);
	return 0;
}

int ipcshim_service_permission(struct ipcshim_service *service)
{
	struct ipcshim_process *process = service->process;
	int err = -ENOENT;

	spin_lock(&process->lock);
	if (service->port)
		err = ipcshim_port_permission(service->port, service->cred);
	spin_unlock(&process->lock);
	return err;
}

int ipcshim_service_has(struct ipcshim_has_service __user *uarg)
{
	struct ipcshim_service *service;
	struct ipcshim_has_service arg;
	struct ipcshim_name name;
	int err;

	err = ipcshim_copy_in(&arg, uarg, sizeof(arg));
	if (err)
		return err;
	if (arg.flags & ~IPCSHIM_CONNECT_UID || arg.reserved)
		return -EINVAL;
	err = ipcshim_name_copy(&name, arg.name, arg.name_length,
				arg.flags & IPCSHIM_CONNECT_UID, arg.uid);
	if (err)
		return err;
	arg.exists = 0;
	arg.pid = 0;
	arg.message_max = 0;
	arg.service = 0;
	service = ipcshim_service_find(&name);
	if (service) {
		err = ipcshim_service_permission(service);
		if (!err) {
			arg.exists = 1;
			arg.pid = pid_vnr(service->process->pid);
			arg.message_max = service->message_max;
			arg.service = service->id;
		}
		ipcshim_service_put(service);
		if (err && err != -ENOENT)
			return err;
	}
	return ipcshim_copy_out(uarg, &arg, sizeof(arg));
}

void ipcshim_service_show_all(struct seq_file *m, struct ipcshim_port *port)
{
	struct ipcshim_service *service;

	lockdep_assert_held(&port->process->lock);
	list_for_each_entry(service, &port->services, in_port)
		seq_printf(m, "ipcshim-service:\t%llu %.*s\n", service->id,
			   (int)service->name.length, service->name.text);
}
