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

#include <linux/list.h>
#include <linux/lockdep.h>
#include <linux/pid.h>
#include <linux/spinlock.h>

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

/*
 * Take the turn.  0; -EAGAIN: taken, and "wait" is false; -ERESTARTSYS: a signal
 * came; -ETIMEDOUT: the deadline (CLOCK_MONOTONIC ns, 0: none) passed.
 */
int ipcshim_turn_take(struct ipcshim_turn *turn, bool wait, u64 deadline);
void ipcshim_turn_release(struct ipcshim_turn *turn);

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
