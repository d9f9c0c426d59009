// SPDX-License-Identifier: GPL-2.0-only
/*
 * A module with one deliberate fault, chosen by the build flag FAULT, committed
 * when something is written to its parameter "trigger".  It shows that a run on
 * the sanitised kernel does fail when a driver has that fault; without a flag
 * that names one it has none, and the same run must pass.
 */
#include <linux/errno.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/slab.h>
#include <linux/spinlock.h>

#if defined(FAULT_use_after_free)

static int commit_fault(void)
{
	int *object = kmalloc(sizeof(*object), GFP_KERNEL);

	if (!object)
		return -ENOMEM;
	WRITE_ONCE(*object, 1);
	kfree(object);
	return READ_ONCE(*object) ? 0 : -EIO;
}

#elif defined(FAULT_lock_inversion)

static DEFINE_MUTEX(first);
static DEFINE_MUTEX(second);

static int commit_fault(void)
{
	mutex_lock(&first);
	mutex_lock(&second);
	mutex_unlock(&second);
	mutex_unlock(&first);

	/* Nobody has to meet in here: lockdep remembers the order. */
	mutex_lock(&second);
	mutex_lock(&first);
	mutex_unlock(&first);
	mutex_unlock(&second);
	return 0;
}

#elif defined(FAULT_sleep_in_atomic)

static DEFINE_SPINLOCK(lock);

static int commit_fault(void)
{
	void *object;

	spin_lock(&lock);
	object = kmalloc(64, GFP_KERNEL);
	spin_unlock(&lock);
	if (!object)
		return -ENOMEM;
	kfree(object);
	return 0;
}

#elif defined(FAULT_leak)

static int commit_fault(void)
{
	unsigned int i;

	/* More than one: a stale word on some stack may hold the last. */
	for (i = 0; i < 16; i++)
		if (!kmalloc(192, GFP_KERNEL))
			return -ENOMEM;
	return 0;
}

#elif defined(FAULT_none)

static int commit_fault(void)
{
	return 0;
}

#else
#error "FAULT must be none, use_after_free, lock_inversion, sleep_in_atomic or leak"
#endif

static int trigger(const char *value, const struct kernel_param *param)
{
	return commit_fault();
}

static const struct kernel_param_ops trigger_ops = {
	.set = trigger,
};

module_param_cb(trigger, &trigger_ops, NULL, 0200);
MODULE_PARM_DESC(trigger, "commits the fault when written");

static int __init fault_init(void)
{
	return 0;
}

static void __exit fault_exit(void)
{
}

module_init(fault_init);
module_exit(fault_exit);
MODULE_DESCRIPTION("One deliberate fault, to show that the tests notice it");
MODULE_LICENSE("GPL");
