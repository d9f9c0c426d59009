/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * DOC: io_uring
 *
 * IORING_OP_URING_CMD is the same call as an ioctl.  io_uring issues a command first
 * where it must not wait.  A call that would have to, answers -IPCSHIM_EWAITS there:
 * nothing has moved then, and io_uring issues it again in a worker, where
 * it waits as any caller does.  Cancelling a command in a worker is a signal to it.
 */
#ifndef _IPCSHIM_URING_H
#define _IPCSHIM_URING_H

#include <linux/types.h>

struct file;
struct io_uring_cmd;

/* An error that never leaves the driver: the call would have to wait. */
#define IPCSHIM_EWAITS	4000

/*
 * The calls on a file.  "nowait": -IPCSHIM_EWAITS instead of waiting; an -EAGAIN is the
 * call's own answer all the same.
 */
typedef long (*ipcshim_call)(struct file *file, unsigned int cmd,
			     void __user *uarg, bool nowait);

long ipcshim_port_call(struct file *file, unsigned int cmd, void __user *uarg,
		       bool nowait);
long ipcshim_end_call(struct file *file, unsigned int cmd, void __user *uarg,
		      bool nowait);

/* ->uring_cmd of ports, and of the ends of pipes. */
int ipcshim_port_uring_cmd(struct io_uring_cmd *command,
			   unsigned int issue_flags);
int ipcshim_end_uring_cmd(struct io_uring_cmd *command,
			  unsigned int issue_flags);

#endif /* _IPCSHIM_URING_H */
