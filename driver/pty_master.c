// SPDX-License-Identifier: GPL-2.0-only
/* The master's side: a file of ours. */
#include <linux/file.h>
#include <linux/module.h>
#include <linux/poll.h>
#include <linux/proc_fs.h>
#include <linux/sched/signal.h>
#include <linux/seq_file.h>
#include <linux/splice.h>
#include <linux/tty_flip.h>
#include <linux/uio.h>

#include "pty.h"

/* Bytes that are copied under a spinlock at a time, by way of the stack. */
#define MASTER_PIECE	512

/* By way of /proc/PID/fd: a pty has one master. */
static int master_open(struct inode *inode, struct file *file)
{
	return -ENXIO;
}

/*
 * The pty may be half made.  Whoever opens the slave from here on is refused,
 * and who was about to finds out with tty_lock held, so after the hangup.
 */
static int master_release(struct inode *inode, struct file *file)
{
	struct ipcshim_pty *pty = file->private_data;

	if (!pty)
		return 0;
	if (pty->node)
		ipcshim_pty_node_remove(pty->node);
	set_bit(IPCSHIM_PTY_GONE, &pty->flags);
	if (pty->anchor) {
		tty_vhangup(pty->tty);
		fput(pty->anchor);
	} else {
		ipcshim_pty_unlist(pty);
	}
	if (pty->slave_path.dentry)
		path_put(&pty->slave_path);
	return 0;
}

static int master_lock(struct mutex *mutex, bool nonblock)
{
	if (!nonblock)
		return mutex_lock_interruptible(mutex) ? -ERESTARTSYS : 0;
	return mutex_trylock(mutex) ? 0 : -EAGAIN;
}

static bool master_nonblock(const struct kiocb *iocb)
{
	return iocb->ki_flags & IOCB_NOWAIT ||
	       iocb->ki_filp->f_flags & O_NONBLOCK;
}

/* Packet mode: is there a control byte?  Then it is taken. */
static u8 master_take_control(struct ipcshim_pty *pty)
{
	u8 control = 0;

	spin_lock_irq(&pty->lock);
	if (pty->packet) {
		control = pty->control;
		WRITE_ONCE(pty->control, 0);
	}
	spin_unlock_irq(&pty->lock);
	return control;
}

static ssize_t master_read_control(struct ipcshim_pty *pty, u8 control,
				   struct iov_iter *to)
{
	if (copy_to_iter(&control, 1, to) == 1)
		return 1;
	ipcshim_pty_tell(pty, 0, control);
	return -EFAULT;
}

/* How many bytes are next, and whether more may come. */
static unsigned int master_peek(struct ipcshim_pty *pty, u8 *bytes,
				unsigned int count, u32 *flushes, bool *closed)
{
	spin_lock_irq(&pty->lock);
	count = kfifo_out_peek(&pty->output, bytes, count);
	*flushes = pty->flushes;
	*closed = pty->closed;
	spin_unlock_irq(&pty->lock);
	return count;
}

/* False: what was peeked at is flushed. */
static bool master_skip(struct ipcshim_pty *pty, unsigned int count, u32 flushes)
{
	bool there;

	spin_lock_irq(&pty->lock);
	there = pty->flushes == flushes;
	if (there)
		kfifo_skip_count(&pty->output, count);
	spin_unlock_irq(&pty->lock);
	return there;
}

/* What is there: -EAGAIN if that is nothing, -EIO if there won't be any. */
static ssize_t master_read_bytes(struct ipcshim_pty *pty, struct iov_iter *to)
{
	u8 bytes[MASTER_PIECE];
	unsigned int count;
	bool closed = false;
	ssize_t done = 0;
	u32 flushes;

	lockdep_assert_held(&pty->read_lock);
	while (iov_iter_count(to)) {
		count = min_t(size_t, iov_iter_count(to), sizeof(bytes));
		count = master_peek(pty, bytes, count, &flushes, &closed);
		if (!count)
			break;
		if (copy_to_iter(bytes, count, to) != count)
			return done ?: -EFAULT;
		if (master_skip(pty, count, flushes))
			done += count;
		else
			iov_iter_revert(to, count);
	}
	if (done)
		return done;
	return closed ? -EIO : -EAGAIN;
}

/* Packet mode: a control byte alone, or a byte that says "data" and the data. */
static ssize_t master_read_packet(struct ipcshim_pty *pty, struct iov_iter *to)
{
	static const u8 header = TIOCPKT_DATA;
	u8 control = master_take_control(pty);
	ssize_t done;

	if (control)
		return master_read_control(pty, control, to);
	if (kfifo_is_empty(&pty->output))
		return master_read_bytes(pty, to);
	if (copy_to_iter(&header, 1, to) != 1)
		return -EFAULT;
	if (!iov_iter_count(to))
		return 1;
	done = master_read_bytes(pty, to);
	if (done > 0)
		return done + 1;
	iov_iter_revert(to, 1);
	return done;
}

static ssize_t master_take(struct ipcshim_pty *pty, struct iov_iter *to,
			   bool nonblock)
{
	ssize_t done;

	done = master_lock(&pty->read_lock, nonblock);
	if (done)
		return done;
	done = READ_ONCE(pty->packet) ? master_read_packet(pty, to) :
					master_read_bytes(pty, to);
	mutex_unlock(&pty->read_lock);
	/* The slave's writers wait for room, or for the last byte to go. */
	if (done > 0)
		tty_wakeup(pty->tty);
	return done;
}

static bool master_control(const struct ipcshim_pty *pty)
{
	return READ_ONCE(pty->packet) && READ_ONCE(pty->control);
}

static bool master_readable(struct ipcshim_pty *pty)
{
	return !kfifo_is_empty(&pty->output) || READ_ONCE(pty->closed) ||
	       master_control(pty);
}

static ssize_t master_read_iter(struct kiocb *iocb, struct iov_iter *to)
{
	struct ipcshim_pty *pty = iocb->ki_filp->private_data;
	bool nonblock = master_nonblock(iocb);
	ssize_t done;

	if (!iov_iter_count(to))
		return 0;
	while (1) {
		done = master_take(pty, to, nonblock);
		if (done != -EAGAIN || nonblock)
			return done;
		if (wait_event_interruptible(pty->read_wait,
					     master_readable(pty)))
			return -ERESTARTSYS;
	}
}

ssize_t ipcshim_pty_insert(struct ipcshim_pty *pty, const u8 *bytes,
			   size_t count)
{
	bool room;

	spin_lock_irq(&pty->port.lock);
	room = tty_buffer_space_avail(&pty->port);
	count = tty_insert_flip_string(&pty->port, bytes, count);
	tty_flip_buffer_push(&pty->port);
	spin_unlock_irq(&pty->port.lock);
	/* With room for a byte the core makes room for more than a piece. */
	if (!count && room)
		return -ENOMEM;
	return count;
}

bool ipcshim_pty_writable(struct ipcshim_pty *pty)
{
	return !test_bit(IPCSHIM_PTY_STOPPED, &pty->flags) &&
	       tty_buffer_space_avail(&pty->port);
}

/* Bytes that went in before the buffers were full. */
static ssize_t master_put(struct ipcshim_pty *pty, struct iov_iter *from)
{
	u8 bytes[MASTER_PIECE];
	ssize_t inserted, done = 0;
	size_t count;

	lockdep_assert_held(&pty->write_lock);
	while (iov_iter_count(from) && ipcshim_pty_writable(pty)) {
		count = copy_from_iter(bytes, sizeof(bytes), from);
		if (!count)
			return done ?: -EFAULT;
		inserted = ipcshim_pty_insert(pty, bytes, count);
		if (inserted < 0) {
			iov_iter_revert(from, count);
			return done ?: inserted;
		}
		iov_iter_revert(from, count - inserted);
		done += inserted;
	}
	return done;
}

static ssize_t master_write_iter(struct kiocb *iocb, struct iov_iter *from)
{
	struct ipcshim_pty *pty = iocb->ki_filp->private_data;
	bool nonblock = master_nonblock(iocb);
	ssize_t put, done = 0;
	int err;

	err = master_lock(&pty->write_lock, nonblock);
	if (err)
		return err;
	while (iov_iter_count(from)) {
		put = master_put(pty, from);
		if (put < 0) {
			err = put;
			break;
		}
		done += put;
		if (!iov_iter_count(from))
			break;
		if (nonblock) {
			set_bit(IPCSHIM_PTY_SHORT, &pty->flags);
			/* Pairs with the one in ipcshim_pty_wake_writer(). */
			smp_mb__after_atomic();
			if (ipcshim_pty_writable(pty))
				continue;
			err = -EAGAIN;
			break;
		}
		if (wait_event_interruptible(pty->write_wait,
					     ipcshim_pty_writable(pty))) {
			err = -ERESTARTSYS;
			break;
		}
	}
	mutex_unlock(&pty->write_lock);
	return done ?: err;
}

static __poll_t master_poll(struct file *file, poll_table *wait)
{
	struct ipcshim_pty *pty = file->private_data;
	__poll_t mask = 0;

	poll_wait(file, &pty->read_wait, wait);
	poll_wait(file, &pty->write_wait, wait);
	/* Pairs with those of whoever wakes either. */
	smp_mb();
	if (!kfifo_is_empty(&pty->output))
		mask |= EPOLLIN | EPOLLRDNORM;
	if (master_control(pty))
		mask |= EPOLLIN | EPOLLRDNORM | EPOLLPRI;
	if (READ_ONCE(pty->closed))
		mask |= EPOLLHUP;
	if (ipcshim_pty_writable(pty))
		mask |= EPOLLOUT | EPOLLWRNORM;
	return mask;
}

static int master_fasync(int fd, struct file *file, int on)
{
	struct ipcshim_pty *pty = file->private_data;

	return fasync_helper(fd, file, on, &pty->fasync);
}

#ifdef CONFIG_PROC_FS
static void master_show_fdinfo(struct seq_file *m, struct file *file)
{
	struct ipcshim_pty *pty = file->private_data;
	unsigned int slaves, unread;
	bool packet;

	spin_lock_irq(&pty->lock);
	slaves = pty->slaves;
	packet = pty->packet;
	unread = kfifo_len(&pty->output);
	spin_unlock_irq(&pty->lock);
	seq_printf(m, "ipcshim-index:\t%u\n", pty->index);
	seq_printf(m, "ipcshim-slaves:\t%u\n", slaves);
	seq_printf(m, "ipcshim-locked:\t%d\n",
		   test_bit(IPCSHIM_PTY_LOCKED, &pty->flags));
	seq_printf(m, "ipcshim-packet:\t%d\n", packet);
	seq_printf(m, "ipcshim-exclusive:\t%d\n",
		   test_bit(IPCSHIM_PTY_EXCLUSIVE, &pty->flags));
	seq_printf(m, "ipcshim-unread:\t%u\n", unread);
}
#endif

const struct file_operations ipcshim_pty_master_fops = {
	.owner = THIS_MODULE,
	.open = master_open,
	.release = master_release,
	.read_iter = master_read_iter,
	.write_iter = master_write_iter,
	.splice_read = copy_splice_read,
	.splice_write = iter_file_splice_write,
	.poll = master_poll,
	.fasync = master_fasync,
	.unlocked_ioctl = ipcshim_pty_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
#ifdef CONFIG_PROC_FS
	.show_fdinfo = master_show_fdinfo,
#endif
};
