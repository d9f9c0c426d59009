// SPDX-License-Identifier: GPL-2.0-only
/* Which ptys there are, and what each of them holds. */
#include <linux/moduleparam.h>
#include <linux/slab.h>
#include <linux/tty_flip.h>
#include <linux/xarray.h>

#include "pty.h"

#define PTY_MAX	65536

static unsigned int max_ptys = 1024;
module_param(max_ptys, uint, 0444);
MODULE_PARM_DESC(max_ptys, "Pseudo terminals in all, 1 to 65536");

static DEFINE_XARRAY_ALLOC(ptys);

u64 ipcshim_pty_limit(void)
{
	return max_ptys;
}

struct ipcshim_pty *ipcshim_pty_find(u32 index)
{
	return xa_load(&ptys, index);
}

static void pty_destruct(struct tty_port *port)
{
	struct ipcshim_pty *pty = ipcshim_port_pty(port);

	kfifo_free(&pty->output);
	ipcshim_user_put(pty->user);
	kfree(pty);
}

static const struct tty_port_operations pty_port_ops = {
	.destruct = pty_destruct,
};

void ipcshim_pty_put(struct ipcshim_pty *pty)
{
	tty_port_put(&pty->port);
}

static int pty_charge(struct ipcshim_pty *pty)
{
	int err;

	err = ipcshim_quota_charge(pty->user, IPCSHIM_QUOTA_OBJECTS, 1);
	if (err)
		return err;
	err = ipcshim_quota_charge(pty->user, IPCSHIM_QUOTA_BYTES,
				   IPCSHIM_PTY_BYTES);
	if (err)
		ipcshim_quota_discharge(pty->user, IPCSHIM_QUOTA_OBJECTS, 1);
	return err;
}

static void pty_discharge(struct ipcshim_pty *pty)
{
	ipcshim_quota_discharge(pty->user, IPCSHIM_QUOTA_BYTES,
				IPCSHIM_PTY_BYTES);
	ipcshim_quota_discharge(pty->user, IPCSHIM_QUOTA_OBJECTS, 1);
}

/* Into the table, at the lowest index that is free. */
static int pty_list(struct ipcshim_pty *pty)
{
	int err;

	err = xa_alloc(&ptys, &pty->index, pty, XA_LIMIT(0, max_ptys - 1),
		       GFP_KERNEL_ACCOUNT);
	if (err)
		return err == -EBUSY ? -ENOSPC : err;
	atomic64_inc(&ipcshim_totals.ptys);
	return 0;
}

void ipcshim_pty_unlist(struct ipcshim_pty *pty)
{
	if (xa_cmpxchg(&ptys, pty->index, pty, NULL, 0) != pty)
		return;
	atomic64_dec(&ipcshim_totals.ptys);
	pty_discharge(pty);
}

struct ipcshim_pty *ipcshim_pty_create(void)
{
	struct ipcshim_pty *pty;
	int err;

	pty = kzalloc(sizeof(*pty), GFP_KERNEL_ACCOUNT);
	if (!pty)
		return ERR_PTR(-ENOMEM);
	pty->user = ipcshim_user_get_current();
	if (IS_ERR(pty->user)) {
		err = PTR_ERR(pty->user);
		goto err_free;
	}
	err = kfifo_alloc(&pty->output, IPCSHIM_PTY_OUTPUT, GFP_KERNEL_ACCOUNT);
	if (err)
		goto err_user;
	err = pty_charge(pty);
	if (err)
		goto err_output;
	spin_lock_init(&pty->lock);
	mutex_init(&pty->read_lock);
	mutex_init(&pty->write_lock);
	init_waitqueue_head(&pty->read_wait);
	init_waitqueue_head(&pty->write_wait);
	tty_port_init(&pty->port);
	pty->port.ops = &pty_port_ops;
	tty_buffer_set_limit(&pty->port, IPCSHIM_PTY_INPUT);
	err = pty_list(pty);
	if (err)
		goto err_charge;
	snprintf(pty->name, sizeof(pty->name), "ttyIPC%u", pty->index);
	return pty;

err_charge:
	tty_port_destroy(&pty->port);
	pty_discharge(pty);
err_output:
	kfifo_free(&pty->output);
err_user:
	ipcshim_user_put(pty->user);
err_free:
	kfree(pty);
	return ERR_PTR(err);
}

int ipcshim_pty_init(void)
{
	int err;

	if (!max_ptys || max_ptys > PTY_MAX) {
		pr_err("max_ptys=%u is not between 1 and %u\n", max_ptys, PTY_MAX);
		return -EINVAL;
	}
	err = ipcshim_pty_node_init();
	if (err)
		return err;
	err = ipcshim_pty_slave_init(max_ptys);
	if (err)
		ipcshim_pty_node_exit();
	return err;
}

void ipcshim_pty_exit(void)
{
	ipcshim_pty_slave_exit();
	ipcshim_pty_node_exit();
}
