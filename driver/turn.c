// SPDX-License-Identifier: GPL-2.0-only
#include <linux/hrtimer.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>

#include "turn.h"

struct turn_waiter {
	struct list_head in_turn;
	struct task_struct *task;
	bool granted;
};

void ipcshim_turn_init_key(struct ipcshim_turn *turn, const char *name,
			   struct lock_class_key *key)
{
	turn->holder = NULL;
	turn->handover = false;
	spin_lock_init(&turn->lock);
	INIT_LIST_HEAD(&turn->waiters);
#ifdef CONFIG_DEBUG_LOCK_ALLOC
	lockdep_init_map(&turn->dep_map, name, key, 0);
#endif
}

bool ipcshim_schedule_until(u64 deadline)
{
	ktime_t expires = ns_to_ktime(deadline);

	if (!deadline) {
		schedule();
		return true;
	}
	return schedule_hrtimeout_range(&expires, current->timer_slack_ns,
					HRTIMER_MODE_ABS);
}

static struct turn_waiter *turn_first(struct ipcshim_turn *turn)
{
	lockdep_assert_held(&turn->lock);
	return list_first_entry_or_null(&turn->waiters, struct turn_waiter,
					in_turn);
}

/* Give the turn to the first waiter, still held.  False: nobody waits. */
bool ipcshim_turn_hand_over(struct ipcshim_turn *turn)
{
	struct turn_waiter *waiter;

	spin_lock(&turn->lock);
	turn->handover = false;
	waiter = turn_first(turn);
	if (waiter) {
		WRITE_ONCE(turn->holder, task_tgid(waiter->task));
		list_del(&waiter->in_turn);
		waiter->granted = true;
		wake_up_process(waiter->task);
	}
	spin_unlock(&turn->lock);
	return waiter;
}

/* Wait in line. */
static int turn_wait_locked(struct ipcshim_turn *turn, u64 deadline)
{
	struct turn_waiter waiter = { .task = current };
	bool woken = false;
	int err = 0;

	lockdep_assert_held(&turn->lock);
	list_add_tail(&waiter.in_turn, &turn->waiters);
	WRITE_ONCE(turn->wanted, true);
	for (;;) {
		/* The full barrier in here pairs with ipcshim_turn_release(). */
		set_current_state(TASK_INTERRUPTIBLE);
		if (waiter.granted)
			break;
		if (turn_first(turn) == &waiter) {
			if (ipcshim_turn_try(turn))
				break;
			if (woken)
				WRITE_ONCE(turn->handover, true);
		}
		if (!err && signal_pending(current))
			err = -ERESTARTSYS;
		if (err) {
			/* Whoever holds it wakes the next in line. */
			__set_current_state(TASK_RUNNING);
			list_del(&waiter.in_turn);
			return err;
		}
		spin_unlock(&turn->lock);
		if (!ipcshim_schedule_until(deadline))
			err = -ETIMEDOUT;
		woken = true;
		spin_lock(&turn->lock);
	}
	__set_current_state(TASK_RUNNING);
	if (!waiter.granted)
		list_del(&waiter.in_turn);
	return 0;
}

int ipcshim_turn_wait(struct ipcshim_turn *turn, u64 deadline)
{
	int err;

	spin_lock(&turn->lock);
	err = turn_wait_locked(turn, deadline);
	spin_unlock(&turn->lock);
	return err;
}

/* The turn is free.  True: those who poll are to be woken, too. */
bool ipcshim_turn_wake(struct ipcshim_turn *turn)
{
	struct turn_waiter *waiter;
	bool polled;

	spin_lock(&turn->lock);
	waiter = turn_first(turn);
	if (waiter)
		wake_up_process(waiter->task);
	polled = turn->polled;
	turn->polled = false;
	WRITE_ONCE(turn->wanted, waiter);
	spin_unlock(&turn->lock);
	return polled;
}

/* Leave the word.  Is the turn taken still? */
bool ipcshim_turn_want(struct ipcshim_turn *turn)
{
	spin_lock(&turn->lock);
	turn->polled = true;
	WRITE_ONCE(turn->wanted, true);
	spin_unlock(&turn->lock);
	/* Between the word and the look; pairs with ipcshim_turn_release(). */
	smp_mb();
	return ipcshim_turn_taken(turn);
}

/* It was taken, and the caller will not wait: it polls, maybe. */
int ipcshim_turn_refuse(struct ipcshim_turn *turn)
{
	ipcshim_turn_want(turn);
	return ipcshim_turn_try(turn) ? 0 : -EAGAIN;
}

u32 ipcshim_turn_holder(struct ipcshim_turn *turn)
{
	struct pid *holder;
	u32 nr = 0;

	/*
	 * No reference is needed: a holder must run to let go, so its pid was
	 * attached when we read it, and detaching waits for RCU.
	 */
	rcu_read_lock();
	holder = READ_ONCE(turn->holder);
	if (holder)
		nr = pid_vnr(holder);
	rcu_read_unlock();
	return nr;
}
