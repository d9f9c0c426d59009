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
 *
 * Who finds it taken and may not wait polls.  To poll, an end whose turn is taken
 * is not ready: what is there may be the holder's.  So whoever polls leaves a
 * word, and the release that finds that wakes those who poll.
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
	bool handover;			/* lock to set: the first waiter insists */
	bool polled;			/* lock: see ipcshim_turn_poll() */
	bool wanted;			/* lock to set: it has waiters, or is polled */
	struct list_head waiters;	/* lock */
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
int ipcshim_turn_refuse(struct ipcshim_turn *turn);
bool ipcshim_turn_hand_over(struct ipcshim_turn *turn);
bool ipcshim_turn_wake(struct ipcshim_turn *turn);
bool ipcshim_turn_want(struct ipcshim_turn *turn);

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
		err = wait ? ipcshim_turn_wait(turn, deadline) :
			     ipcshim_turn_refuse(turn);
	if (err)
		mutex_release(&turn->dep_map, _RET_IP_);
	return err;
}

/* Take it if it is free, without a word if it is not. */
static inline bool ipcshim_turn_take_now(struct ipcshim_turn *turn)
{
	if (!ipcshim_turn_try(turn))
		return false;
	mutex_acquire(&turn->dep_map, 0, 1, _RET_IP_);
	return true;
}

/*
 * The first half of a release.  True: it is free, and after a full barrier comes
 * the second half.
 */
static inline bool ipcshim_turn_free(struct ipcshim_turn *turn)
{
	mutex_release(&turn->dep_map, _RET_IP_);
	if (READ_ONCE(turn->handover) && ipcshim_turn_hand_over(turn))
		return false;
	/* Pairs with the acquire in ipcshim_turn_try(). */
	smp_store_release(&turn->holder, NULL);
	return true;
}

/* The second half.  True: the caller has to wake those who poll. */
static inline bool __must_check ipcshim_turn_wanted(struct ipcshim_turn *turn)
{
	return READ_ONCE(turn->wanted) && ipcshim_turn_wake(turn);
}

/* True: it is free, and the caller has to wake those who poll. */
static inline bool __must_check
ipcshim_turn_release(struct ipcshim_turn *turn)
{
	if (!ipcshim_turn_free(turn))
		return false;
	/*
	 * Between the release and the look at who wants it; pairs with the
	 * barriers in ipcshim_turn_wait() and ipcshim_turn_want(): either we see
	 * them, or they find the turn free.
	 */
	smp_mb();
	return ipcshim_turn_wanted(turn);
}

/* The holder's pid as the caller's namespace has it, 0: none or not visible. */
u32 ipcshim_turn_holder(struct ipcshim_turn *turn);

static inline bool ipcshim_turn_taken(const struct ipcshim_turn *turn)
{
	return READ_ONCE(turn->holder);
}

/* For poll: is it taken?  Then its release will tell its caller to wake. */
static inline bool ipcshim_turn_poll(struct ipcshim_turn *turn)
{
	return ipcshim_turn_taken(turn) && ipcshim_turn_want(turn);
}

/*
 * schedule() until woken or until the deadline (0: none), in a state that the
 * caller has set.  False: the deadline has passed.
 */
bool ipcshim_schedule_until(u64 deadline);

#endif /* _IPCSHIM_TURN_H */
