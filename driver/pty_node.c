// SPDX-License-Identifier: GPL-2.0-only
/*
 * The device node of a slave, for ttyname(3), getty and whoever wants a path.
 *
 * A class of our own: nodes of class tty are given to a group of users by the
 * rules of most distributions (as modems are), and these are one user's alone.
 */
#include <linux/cred.h>
#include <linux/device.h>
#include <linux/slab.h>

#include "pty.h"

struct ipcshim_pty_node {
	struct device device;
	kuid_t uid;
	kgid_t gid;
};

static struct class pty_class = {
	.name = "ipcshim",
};

/* NULL: the device's own name.  Not everybody who asks for it wants the rest. */
static char *pty_devnode(ipcshim_const_device *device, umode_t *mode,
			 kuid_t *uid, kgid_t *gid)
{
	const struct ipcshim_pty_node *node =
		container_of(device, const struct ipcshim_pty_node, device);

	if (mode)
		*mode = 0600;
	if (uid)
		*uid = node->uid;
	if (gid)
		*gid = node->gid;
	return NULL;
}

static const struct device_type pty_device_type = {
	.name = "ipcshim_pty",
	.devnode = pty_devnode,
};

static void pty_device_release(struct device *device)
{
	kfree(container_of(device, struct ipcshim_pty_node, device));
}

struct ipcshim_pty_node *ipcshim_pty_node_add(const struct ipcshim_pty *pty)
{
	struct ipcshim_pty_node *node;
	int err;

	node = kzalloc(sizeof(*node), GFP_KERNEL_ACCOUNT);
	if (!node)
		return ERR_PTR(-ENOMEM);
	node->uid = current_fsuid();
	node->gid = current_fsgid();
	device_initialize(&node->device);
	node->device.class = &pty_class;
	node->device.type = &pty_device_type;
	node->device.devt = ipcshim_pty_slave_dev(pty->index);
	node->device.release = pty_device_release;
	/* As on devpts, nobody is told of each pty that comes and goes. */
	dev_set_uevent_suppress(&node->device, true);
	device_set_pm_not_required(&node->device);
	err = dev_set_name(&node->device, "%s", pty->name);
	if (!err)
		err = device_add(&node->device);
	if (err) {
		put_device(&node->device);
		return ERR_PTR(err);
	}
	return node;
}

void ipcshim_pty_node_remove(struct ipcshim_pty_node *node)
{
	device_unregister(&node->device);
}

int ipcshim_pty_node_init(void)
{
	return class_register(&pty_class);
}

void ipcshim_pty_node_exit(void)
{
	class_unregister(&pty_class);
}
