// SPDX-License-Identifier: GPL-2.0-only
#include <linux/sched/signal.h>
#include <linux/uaccess.h>
#include <linux/uio.h>
#include <asm/ioctls.h>

#include "pipe.h"
#include "pipe_io.h"
#include "uring.h"

static int io_check(const struct ipcshim_pipe_io *arg,
		    const struct ipcshim_pipe *pipe)
{
	if (arg->flags || arg->reserved ||
	    !ipcshim_io_mode_is_valid(arg->mode, arg->deadline))
		return -EINVAL;
	if (arg->mode == IPCSHIM_IO_SOME && pipe->ring.messages)
		return -EINVAL;
	return 0;
}

/*
 * A raw piece has the limit of any write(2), so that "all" never means less.
 * A message needs none: what is beyond the longest one is only looked at.
 */
static int io_range(const struct ipcshim_pipe_io *arg, bool messages)
{
	void __user *buffer = u64_to_user_ptr(arg->buffer);

	if (arg->size > MAX_RW_COUNT && !messages)
		return -EINVAL;
	if ((uintptr_t)buffer != arg->buffer ||
	    !access_ok(buffer, min_t(u64, arg->size, MAX_RW_COUNT)))
		return -EFAULT;
	return 0;
}

static int io_move(struct ipcshim_end *end, struct iov_iter *iter,
		   struct ipcshim_transfer *transfer)
{
	struct ipcshim_pipe *pipe = ipcshim_pipe_of(end);
	int err;

	if (end->side == IPCSHIM_SENDER)
		err = ipcshim_pipe_write(pipe, iter, transfer);
	else
		err = ipcshim_pipe_read(pipe, iter, transfer);
	/* Something moved: a signal or a fault only cuts it short. */
	if (err == -EFAULT)
		transfer->cause = IPCSHIM_CAUSE_FAULT;
	if (transfer->moved && (err == -ERESTARTSYS || err == -EFAULT))
		err = 0;
	return err;
}

/* The part of struct ipcshim_pipe_io that is written back. */
struct io_answer {
	u64 moved;
	u64 remains;
	u64 lacks;
	u32 cause;
	u32 pid;
};

/*
 * Is there a place for the answer?  Once something has moved it is too late to
 * find that there is none.
 */
static int io_probe_answer(struct ipcshim_pipe_io __user *uarg)
{
	unsigned long first = (unsigned long)&uarg->moved;
	unsigned long last = (unsigned long)&uarg->pid;

	if (put_user(0, &uarg->moved))
		return -EFAULT;
	if (unlikely((first ^ last) & PAGE_MASK) && put_user(0, &uarg->pid))
		return -EFAULT;
	return 0;
}

/* Straight, if nothing is in the way: bytes, or 0. */
static u32 io_now(struct ipcshim_end *end, const struct ipcshim_pipe_io *arg)
{
	void __user *buffer = u64_to_user_ptr(arg->buffer);
	size_t size = min_t(u64, arg->size, MAX_RW_COUNT);

	if (end->side == IPCSHIM_SENDER)
		return ipcshim_pipe_write_now(ipcshim_pipe_of(end), buffer,
					      size);
	return ipcshim_pipe_read_now(ipcshim_pipe_of(end), buffer, size,
				     arg->mode == IPCSHIM_IO_SOME);
}

/* The long way. */
static noinline int io_long(struct ipcshim_end *end,
			    const struct ipcshim_pipe_io *arg, bool nowait,
			    struct io_answer *answer)
{
	struct ipcshim_pipe *pipe = ipcshim_pipe_of(end);
	struct ipcshim_transfer transfer = {};
	struct iov_iter iter;
	int err;

	/* All of it now or none, as there is a way to wait for it elsewhere. */
	nowait &= arg->mode == IPCSHIM_IO_ALL;
	if (nowait && !pipe->ring.messages && arg->size > pipe->ring.size)
		return -IPCSHIM_EWAITS;
	iov_iter_ubuf(&iter, end->side == IPCSHIM_SENDER ? WRITE : READ,
		      u64_to_user_ptr(arg->buffer),
		      min_t(u64, arg->size, MAX_RW_COUNT));
	transfer.wait = arg->mode == IPCSHIM_IO_ALL && !nowait;
	transfer.partial = arg->mode == IPCSHIM_IO_SOME;
	transfer.deadline = arg->deadline;
	err = io_move(end, &iter, &transfer);
	if (nowait && err == -EAGAIN)
		return -IPCSHIM_EWAITS;
	answer->moved = transfer.moved;
	answer->lacks = transfer.lacks;
	answer->cause = transfer.cause;
	answer->pid = transfer.pid;
	return err;
}

static int end_io(struct ipcshim_end *end, struct ipcshim_pipe_io __user *uarg,
		  bool nowait)
{
	/* Overwritten whole at once: zeroing them first costs as much again. */
	struct ipcshim_pipe_io arg __attribute__((__uninitialized__));
	struct io_answer answer __attribute__((__uninitialized__));
	struct ipcshim_pipe *pipe = ipcshim_pipe_of(end);
	int err;

	BUILD_BUG_ON(offsetof(struct ipcshim_pipe_io, pid) + sizeof(arg.pid) -
		     offsetof(struct ipcshim_pipe_io, moved) != sizeof(answer));

	err = ipcshim_copy_in(&arg, uarg, sizeof(arg));
	if (!err)
		err = io_check(&arg, pipe);
	if (!err)
		err = io_range(&arg, pipe->ring.messages);
	if (!err)
		err = io_probe_answer(uarg);
	if (err)
		return err;

	answer.moved = io_now(end, &arg);
	answer.lacks = 0;
	answer.cause = IPCSHIM_CAUSE_NONE;
	answer.pid = 0;
	if (unlikely(!answer.moved)) {
		err = io_long(end, &arg, nowait, &answer);
		if (err == -IPCSHIM_EWAITS)
			return err;
	}
	/* A restart finds all that it reads as it was. */
	answer.remains = ipcshim_end_remains(end);
	return ipcshim_copy_out(&uarg->moved, &answer, sizeof(answer)) ?: err;
}

static int end_info(struct ipcshim_end *end,
		    struct ipcshim_pipe_info __user *uarg)
{
	struct ipcshim_pipe *pipe = ipcshim_pipe_of(end);
	struct ipcshim_end *sender = &pipe->ends[IPCSHIM_SENDER];
	struct ipcshim_end *receiver = &pipe->ends[IPCSHIM_RECEIVER];
	struct ipcshim_pipe_info info;
	int err;

	err = ipcshim_copy_in(&info, uarg, sizeof(info));
	if (err)
		return err;
	if (info.flags || info.area || info.reserved)
		return -EINVAL;

	info = (struct ipcshim_pipe_info) {
		.creator = pid_vnr(pipe->creator),
		.capacity = pipe->ring.size,
		.bytes_free = ipcshim_pipe_room(pipe),
		.bytes_waiting = ipcshim_pipe_used(pipe),
		.messages_waiting = ipcshim_pipe_messages(pipe),
		.inode = end->ino,
	};
	if (!(ipcshim_ring_head(&pipe->ring) & IPCSHIM_POS_CLOSED))
		info.flags |= IPCSHIM_INFO_OPEN;
	if (pipe->ring.messages)
		info.flags |= IPCSHIM_INFO_MESSAGE;
	if (!info.bytes_free)
		info.flags |= IPCSHIM_INFO_FULL;
	if (pipe->mapped) {
		info.area = pipe->mapped->area;
		info.flags |= IPCSHIM_INFO_CAN_MAP;
		if (ipcshim_mapped_somewhere(pipe->mapped, end->side))
			info.flags |= IPCSHIM_INFO_IS_MAPPED;
	}
	if (ipcshim_turn_taken(&sender->turn))
		info.flags |= IPCSHIM_INFO_WRITE_LOCKED;
	if (ipcshim_turn_taken(&receiver->turn))
		info.flags |= IPCSHIM_INFO_READ_LOCKED;
	if (READ_ONCE(sender->need))
		info.flags |= IPCSHIM_INFO_WRITE_WAITS;
	if (READ_ONCE(receiver->need))
		info.flags |= IPCSHIM_INFO_READ_WAITS;
	if (end->side == IPCSHIM_SENDER)
		info.flags |= IPCSHIM_INFO_SENDER;
	return ipcshim_copy_out(uarg, &info, sizeof(info));
}

static int end_close(struct ipcshim_end *end,
		     const struct ipcshim_close_pipe __user *uarg)
{
	struct ipcshim_close_pipe arg;
	int err;

	err = ipcshim_copy_in(&arg, uarg, sizeof(arg));
	if (err)
		return err;
	if (arg.flags || arg.reserved)
		return -EINVAL;
	return ipcshim_pipe_close(ipcshim_pipe_of(end));
}

/* Bytes that wait, or the length of the next message. */
long ipcshim_end_call(struct file *file, unsigned int cmd, void __user *uarg,
		      bool nowait)
{
	struct ipcshim_end_file *end_file = file->private_data;
	struct ipcshim_end *end = end_file->end;
	bool writes = end->side == IPCSHIM_SENDER;

	switch (cmd) {
	case IPCSHIM_SEND_PIPE:
		return ipcshim_pipe_send(file, uarg);
	case IPCSHIM_PIPE_WRITE:
		return writes ? end_io(end, uarg, nowait) : -ENOTTY;
	case IPCSHIM_PIPE_READ:
		return !writes ? end_io(end, uarg, nowait) : -ENOTTY;
	case IPCSHIM_WRITE_BATCH:
		return writes ? ipcshim_end_batch(end, uarg, nowait) : -ENOTTY;
	case IPCSHIM_READ_BATCH:
		return !writes ? ipcshim_end_batch(end, uarg, nowait) : -ENOTTY;
	case IPCSHIM_PIPE_INFO:
		return end_info(end, uarg);
	case IPCSHIM_CLOSE_PIPE:
		return end_close(end, uarg);
	case IPCSHIM_PIPE_WAIT:
		return ipcshim_mapped_wait(end, uarg, nowait);
	case IPCSHIM_PIPE_WAKE:
		return ipcshim_mapped_wake(end, uarg);
	case FIONREAD:
		return put_user((int)ipcshim_pipe_readable(ipcshim_pipe_of(end)),
				(int __user *)uarg);
	default:
		return -ENOTTY;
	}
}

long ipcshim_end_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	return ipcshim_end_call(file, cmd, (void __user *)arg, false);
}
