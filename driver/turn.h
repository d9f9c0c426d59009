/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * DOC: turns: one writer at a time, one reader at a time
 *
 * A lock that a task holds through a whole read or write, also while it waits
 * for data or room.  No lock of the kernel's own does what is needed at once:
 * waiting until a deadline, being interrupted, and telling others which process
 * holds it.
 *
 * Whoever comes by may take a free turn.  A waiter that was woken and found it
 * taken again asks for it to be handed over, so nobody starves.
 */
#ifndef _IPCSHIM_TURN_H
#define _IPCSHIM_TURN_H

#include <linux/ktime.h>
#include <linux/list.h>
#include <linux/lockdep.h>
#include <linux/pid.h>
#include <linux/sched/signal.h>
#include <linux/spinlock.h>

/* Where the time types end; a later deadline could not be waited for. */
#define IPCSHIM_DEADLINE_MAX	((u64)KTIME_MAX)

struct ipcshim_turn {
	struct pid *holder;		/* tgid; NULL: free */
	spinlock_t lock;
	struct list_head waiters;	/* lock */
	bool handover;			/* lock to set: the first waiter insists */
#ifdef CONFIG_DEBUG_LOCK_ALLOC
	struct lockdep_map dep_map;
#endif
};

void ipcshim_turn_init_key(struct ipcshim_turn *turn, const char *name,
			   struct lock_class_key *key);

#define ipcshim_turn_init(turn)						\
do {									\
	static struct lock_class_key __key;				\
									\
	ipcshim_turn_init_key((turn), #turn, &__key);			\
} while (0)

/* The slow halves of what follows. */
int ipcshim_turn_wait(struct ipcshim_turn *turn, u64 deadline);
bool ipcshim_turn_hand_over(struct ipcshim_turn *turn);
void ipcshim_turn_wake(struct ipcshim_turn *turn);

static inline bool ipcshim_turn_try(struct ipcshim_turn *turn)
{
	/* Pairs with the release in ipcshim_turn_release(). */
	return !cmpxchg_acquire(&turn->holder, NULL, task_tgid(current));
}

/*
 * Take the turn.  0; -EAGAIN: taken, and "wait" is false; -ERESTARTSYS: a signal
 * came; -ETIMEDOUT: the deadline (CLOCK_MONOTONIC ns, 0: none) passed.
 */
static inline int ipcshim_turn_take(struct ipcshim_turn *turn, bool wait,
				    u64 deadline)
{
	int err = 0;

	mutex_acquire(&turn->dep_map, 0, !wait, _RET_IP_);
	if (!ipcshim_turn_try(turn))
		err = wait ? ipcshim_turn_wait(turn, deadline) : -EAGAIN;
	if (err)
		mutex_release(&turn->dep_map, _RET_IP_);
	return err;
}

static inline void ipcshim_turn_release(struct ipcshim_turn *turn)
{
	mutex_release(&turn->dep_map, _RET_IP_);
	if (READ_ONCE(turn->handover) && ipcshim_turn_hand_over(turn))
		return;
	/* Pairs with the acquire in ipcshim_turn_try(). */
	smp_store_release(&turn->holder, NULL);
	/*
	 * Between the release and the look at the list; pairs with the barrier
	 * in ipcshim_turn_wait(): either we see the waiter, or it finds the turn
	 * free.
	 */
	smp_mb();
	if (!list_empty(&turn->waiters))
		ipcshim_turn_wake(turn);
}

/* The holder's pid as the caller's namespace has it, 0: none or not visible. */
u32 ipcshim_turn_holder(struct ipcshim_turn *turn);

static inline bool ipcshim_turn_taken(const struct ipcshim_turn *turn)
{
	return READ_ONCE(turn->holder);
}

/*
 * schedule() until woken or until the deadline (0: none), in a state that the
 * caller has set.  False: the deadline has passed.
 */
bool ipcshim_schedule_until(u64 deadline);

#endif /* _IPCSHIM_TURN_H */
