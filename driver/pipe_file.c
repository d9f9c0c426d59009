// SPDX-License-Identifier: GPL-2.0-only
#include <linux/module.h>
#include <linux/poll.h>
#include <linux/proc_fs.h>
#include <linux/sched/signal.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/splice.h>
#include <linux/uio.h>

#include "event.h"
#include "pipe.h"
#include "process.h"
#include "uring.h"

/* By way of /proc/PID/fd, as with any pipe: one more file of the same end. */
static int end_open(struct inode *inode, struct file *file)
{
	struct ipcshim_end *end = ipcshim_object_end(inode->i_private);
	fmode_t mode = end->side == IPCSHIM_SENDER ? FMODE_WRITE : FMODE_READ;
	struct ipcshim_end_file *end_file;
	int err;

	if (ipcshim_pipe_of(end)->mapped)
		mode = FMODE_READ | FMODE_WRITE;
	if ((file->f_mode & (FMODE_READ | FMODE_WRITE)) != mode)
		return -EACCES;
	end_file = ipcshim_end_file_alloc();
	if (!end_file)
		return -ENOMEM;
	end_file->end = end;
	INIT_LIST_HEAD(&end_file->in_end);
	err = ipcshim_end_get_user(end);
	if (err) {
		ipcshim_end_file_free(end_file);
		return err;
	}
	file->private_data = end_file;
	stream_open(inode, file);
	file->f_mode |= FMODE_NOWAIT;
	return 0;
}

static int end_flush(struct file *file, fl_owner_t id)
{
	struct ipcshim_end_file *end_file = file->private_data;

	ipcshim_ending_leave(&end_file->ending);
	return 0;
}

static int end_release(struct inode *inode, struct file *file)
{
	struct ipcshim_end_file *end_file = file->private_data;
	struct ipcshim_ending ending;

	/* A file that was never finished. */
	if (!end_file)
		return 0;
	ending = ipcshim_ending_take(&end_file->ending);
	ipcshim_end_put_user(end_file->end, end_file, &ending);
	ipcshim_event_free(end_file->event);
	ipcshim_process_put(end_file->process);
	ipcshim_end_file_free(end_file);
	return 0;
}

static bool file_nowait(const struct kiocb *iocb)
{
	return iocb->ki_flags & IOCB_NOWAIT ||
	       iocb->ki_filp->f_flags & O_NONBLOCK;
}

/* What moved counts; an error only tells where nothing did. */
static ssize_t transfer_result(const struct ipcshim_transfer *transfer, int err)
{
	if (transfer->moved)
		return transfer->moved;
	return err;
}

ssize_t ipcshim_sender_write(struct kiocb *iocb, struct iov_iter *from)
{
	struct ipcshim_end_file *end_file = iocb->ki_filp->private_data;
	bool wait = !file_nowait(iocb);
	size_t size = iov_iter_count(from);
	struct ipcshim_transfer transfer = {
		.wait = wait,
		.partial = !wait && size > IPCSHIM_PIPE_BUF,
	};
	int err;

	err = ipcshim_pipe_write(ipcshim_pipe_of(end_file->end), from,
				 &transfer);
	/* Not for those who get their results later: it would hit any moment. */
	if (err == -EPIPE && is_sync_kiocb(iocb))
		send_sig(SIGPIPE, current, 0);
	/* Poll says POLLOUT again when what did not fit would fit. */
	if (!wait)
		WRITE_ONCE(end_file->want, err == -EAGAIN ?
			   min_t(size_t, size, U32_MAX) : 0);
	return transfer_result(&transfer, err);
}

ssize_t ipcshim_receiver_read(struct kiocb *iocb, struct iov_iter *to)
{
	struct ipcshim_end_file *end_file = iocb->ki_filp->private_data;
	struct ipcshim_transfer transfer = {
		.wait = !file_nowait(iocb),
		.partial = true,
	};
	int err;

	err = ipcshim_pipe_read(ipcshim_pipe_of(end_file->end), to, &transfer);
	return transfer_result(&transfer, err);
}

/* The room that poll waits for through this file. */
static u32 sender_want(const struct ipcshim_pipe *pipe, u32 want)
{
	if (!pipe->ring.messages && want > IPCSHIM_PIPE_BUF)
		want = IPCSHIM_PIPE_BUF;	/* a part of it is welcome */
	return max_t(u32, want, IPCSHIM_PIPE_BUF);
}

static __poll_t sender_poll(struct file *file, poll_table *wait)
{
	struct ipcshim_end_file *end_file = file->private_data;
	struct ipcshim_end *end = end_file->end;
	struct ipcshim_pipe *pipe = ipcshim_pipe_of(end);
	u64 tail, head;

	poll_wait(file, &end->poll_wait, wait);
	if (unlikely(pipe->mapped))
		return ipcshim_mapped_poll(end, sender_want(pipe,
						READ_ONCE(end_file->want)));
	/* Pairs with [S2] in ipcshim_end_notify(). */
	smp_mb();
	/* What is there is the holder's, until that lets go. */
	if (ipcshim_turn_poll(&end->turn))
		return 0;
	tail = ipcshim_ring_tail(&pipe->ring);
	head = ipcshim_ring_head(&pipe->ring);
	if (head & IPCSHIM_POS_CLOSED)
		return EPOLLOUT | EPOLLWRNORM | EPOLLERR;
	if (pipe->ring.size - ipcshim_pos_bytes(tail, head) <
	    sender_want(pipe, READ_ONCE(end_file->want)))
		return 0;
	return EPOLLOUT | EPOLLWRNORM;
}

static __poll_t receiver_poll(struct file *file, poll_table *wait)
{
	struct ipcshim_end_file *end_file = file->private_data;
	struct ipcshim_end *end = end_file->end;
	struct ipcshim_pipe *pipe = ipcshim_pipe_of(end);
	__poll_t mask = 0;
	u64 tail, head;

	poll_wait(file, &end->poll_wait, wait);
	if (unlikely(pipe->mapped))
		return ipcshim_mapped_poll(end, 1);
	/* Pairs with [S2] in ipcshim_end_notify(). */
	smp_mb();
	/* What is there is the holder's, until that lets go. */
	if (ipcshim_turn_poll(&end->turn))
		return 0;
	tail = ipcshim_ring_tail(&pipe->ring);
	head = ipcshim_ring_head(&pipe->ring);
	if (head & IPCSHIM_POS_CLOSED)
		mask |= EPOLLHUP | EPOLLRDHUP;
	if (!(tail & IPCSHIM_POS_CLOSED) && ipcshim_pos_bytes(tail, head))
		mask |= EPOLLIN | EPOLLRDNORM;
	return mask;
}

static int end_fasync(int fd, struct file *file, int on)
{
	struct ipcshim_end_file *end_file = file->private_data;
	struct ipcshim_end *end = end_file->end;
	int ret = fasync_helper(fd, file, on, &end->fasync);

	if (ret >= 0 && ipcshim_pipe_of(end)->mapped)
		ipcshim_mapped_arm(end, 1);
	return ret;
}

#ifdef CONFIG_PROC_FS
static void end_show_fdinfo(struct seq_file *m, struct file *file)
{
	struct ipcshim_end_file *end_file = file->private_data;
	struct ipcshim_end *end = end_file->end;
	struct ipcshim_pipe *pipe = ipcshim_pipe_of(end);
	bool open = !(ipcshim_ring_head(&pipe->ring) & IPCSHIM_POS_CLOSED);

	seq_printf(m, "ipcshim-end:\t%s\n", end->object.ops->name(&end->object));
	seq_printf(m, "ipcshim-mode:\t%s\n",
		   pipe->ring.messages ? "message" : "raw");
	seq_printf(m, "ipcshim-peer-inode:\t%llu\n", ipcshim_end_peer(end)->ino);
	seq_printf(m, "ipcshim-capacity:\t%u\n", pipe->ring.size);
	seq_printf(m, "ipcshim-bytes:\t%u\n", ipcshim_pipe_used(pipe));
	if (pipe->ring.messages)
		seq_printf(m, "ipcshim-messages:\t%u\n",
			   ipcshim_pipe_messages(pipe));
	if (pipe->mapped) {
		seq_printf(m, "ipcshim-area:\t%u\n", pipe->mapped->area);
		seq_printf(m, "ipcshim-mapped:\t%d\n",
			   ipcshim_mapped_somewhere(pipe->mapped, end->side));
	}
	seq_printf(m, "ipcshim-open:\t%d\n", open);
	seq_printf(m, "ipcshim-locked:\t%d\n", ipcshim_turn_taken(&end->turn));
	seq_printf(m, "ipcshim-waits:\t%d\n", !!READ_ONCE(end->need));
	seq_printf(m, "ipcshim-creator:\t%d\n",
		   pid_nr_ns(pipe->creator,
			     proc_pid_ns(file_inode(m->file)->i_sb)));
}
#endif

const struct file_operations ipcshim_sender_fops = {
	.owner = THIS_MODULE,
	.open = end_open,
	.flush = end_flush,
	.release = end_release,
	.write = ipcshim_sender_write_now,
	.write_iter = ipcshim_sender_write_iter_now,
	.splice_write = iter_file_splice_write,
	.poll = sender_poll,
	.mmap = ipcshim_mapped_mmap,
	.fasync = end_fasync,
	.unlocked_ioctl = ipcshim_end_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.uring_cmd = ipcshim_end_uring_cmd,
#ifdef CONFIG_PROC_FS
	.show_fdinfo = end_show_fdinfo,
#endif
};

const struct file_operations ipcshim_receiver_fops = {
	.owner = THIS_MODULE,
	.open = end_open,
	.flush = end_flush,
	.release = end_release,
	.read = ipcshim_receiver_read_now,
	.read_iter = ipcshim_receiver_read_iter_now,
	.splice_read = copy_splice_read,
	.poll = receiver_poll,
	.mmap = ipcshim_mapped_mmap,
	.fasync = end_fasync,
	.unlocked_ioctl = ipcshim_end_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.uring_cmd = ipcshim_end_uring_cmd,
#ifdef CONFIG_PROC_FS
	.show_fdinfo = end_show_fdinfo,
#endif
};
