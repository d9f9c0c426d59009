// SPDX-License-Identifier: GPL-2.0-only
#include <linux/errno.h>
#include <linux/fs.h>
#include <linux/uaccess.h>

/* Before 6.8 it was this header; Kbuild has looked. */
#ifdef IPCSHIM_HAVE_IO_URING_CMD_DONE
#include <linux/io_uring/cmd.h>
#else
#include <linux/io_uring.h>
#endif

#include "uring.h"

/* Where the bytes of a command are; before 6.3 it had a pointer to them alone. */
static const void *command_bytes(const struct io_uring_cmd *command)
{
#ifdef IPCSHIM_HAVE_URING_CMD_SQE
	return command->sqe->cmd;
#else
	return command->cmd;
#endif
}

static void command_done(struct io_uring_cmd *command, long result,
			 unsigned int issue_flags)
{
#ifdef IPCSHIM_HAVE___IO_URING_CMD_DONE
	io_uring_cmd_done(command, result, issue_flags);
#else
	io_uring_cmd_done(command, result, 0, issue_flags);
#endif
}

static int command_issue(struct io_uring_cmd *command, unsigned int issue_flags,
			 ipcshim_call call)
{
	bool nowait = issue_flags & IO_URING_F_NONBLOCK;
	/* User space may write there still. */
	u64 address = READ_ONCE(*(const u64 *)command_bytes(command));
	void __user *uarg = u64_to_user_ptr(address);
	long result;

	if ((uintptr_t)uarg != address)
		return -EFAULT;
	result = call(command->file, command->cmd_op, uarg, nowait);
	if (result == -IPCSHIM_EWAITS)
		return -EAGAIN;
	/* Nothing could restart it. */
	if (result == -ERESTARTSYS)
		return -EINTR;
	/*
	 * To return -EAGAIN asks for a worker, and 6.1 loses a result above 0
	 * that one returns: these two are completed here.
	 */
	if (result == -EAGAIN || result > 0) {
		command_done(command, result, issue_flags);
		return -EIOCBQUEUED;
	}
	return result;
}

int ipcshim_port_uring_cmd(struct io_uring_cmd *command,
			   unsigned int issue_flags)
{
	return command_issue(command, issue_flags, ipcshim_port_call);
}

int ipcshim_end_uring_cmd(struct io_uring_cmd *command,
			  unsigned int issue_flags)
{
	return command_issue(command, issue_flags, ipcshim_end_call);
}
