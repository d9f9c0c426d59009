// SPDX-License-Identifier: GPL-2.0-only
#include <linux/hashtable.h>
#include <linux/rcupdate.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "process.h"

static DEFINE_HASHTABLE(processes, 10);
static DEFINE_SPINLOCK(processes_lock);

/* With a reference; NULL if there is none or the last one just went. */
static struct ipcshim_process *process_lookup(struct pid *pid, u64 exec_id)
{
	struct ipcshim_process *process;

	hash_for_each_possible_rcu(processes, process, node,
				   (unsigned long)pid,
				   lockdep_is_held(&processes_lock))
		if (process->pid == pid && process->exec_id == exec_id &&
		    refcount_inc_not_zero(&process->refs))
			return process;
	return NULL;
}

struct ipcshim_process *ipcshim_process_find_current(void)
{
	struct ipcshim_process *process;

	rcu_read_lock();
	process = process_lookup(task_tgid(current), current->self_exec_id);
	rcu_read_unlock();
	return process;
}

struct ipcshim_process *ipcshim_process_get_current(void)
{
	struct ipcshim_process *process, *fresh;

	process = ipcshim_process_find_current();
	if (process)
		return process;

	fresh = kzalloc(sizeof(*fresh), GFP_KERNEL_ACCOUNT);
	if (!fresh)
		return ERR_PTR(-ENOMEM);
	fresh->pid = get_pid(task_tgid(current));
	fresh->exec_id = current->self_exec_id;
	refcount_set(&fresh->refs, 1);
	spin_lock_init(&fresh->lock);
	INIT_LIST_HEAD(&fresh->ports);
	xa_init(&fresh->tokens);

	spin_lock(&processes_lock);
	process = process_lookup(fresh->pid, fresh->exec_id);
	if (!process)
		hash_add_rcu(processes, &fresh->node,
			     (unsigned long)fresh->pid);
	spin_unlock(&processes_lock);
	if (!process)
		return fresh;

	put_pid(fresh->pid);
	kfree(fresh);
	return process;
}

int ipcshim_process_find(u32 nr, struct ipcshim_process **process,
			 const struct cred **cred)
{
	struct task_struct *task;
	struct pid *pid;

	rcu_read_lock();
	pid = find_vpid(nr);
	task = pid_task(pid, PIDTYPE_TGID);
	if (!task) {
		rcu_read_unlock();
		return -ESRCH;
	}
	*cred = get_task_cred(task);
	*process = process_lookup(pid, READ_ONCE(task->self_exec_id));
	rcu_read_unlock();
	return 0;
}

struct ipcshim_process *ipcshim_process_get(struct ipcshim_process *process)
{
	refcount_inc(&process->refs);
	return process;
}

/* The last reference is gone: nobody finds it any more. */
static void process_free(struct ipcshim_process *process)
	__releases(&processes_lock)
{
	hash_del_rcu(&process->node);
	spin_unlock(&processes_lock);

	WARN_ON_ONCE(!xa_empty(&process->tokens));
	WARN_ON_ONCE(!list_empty(&process->ports));
	xa_destroy(&process->tokens);
	put_pid(process->pid);
	kfree_rcu(process, rcu);
}

void ipcshim_process_put(struct ipcshim_process *process)
{
	if (process &&
	    refcount_dec_and_lock(&process->refs, &processes_lock)) {
		__acquire(&processes_lock);	/* sparse can't see that */
		process_free(process);
	}
}

bool ipcshim_process_runs(const struct ipcshim_process *process)
{
	struct task_struct *task;
	bool runs;

	rcu_read_lock();
	task = pid_task(process->pid, PIDTYPE_TGID);
	runs = task && READ_ONCE(task->self_exec_id) == process->exec_id;
	rcu_read_unlock();
	return runs;
}

bool ipcshim_process_is_current(const struct ipcshim_process *process)
{
	return process->pid == task_tgid(current) &&
	       process->exec_id == current->self_exec_id;
}
