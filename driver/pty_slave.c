// SPDX-License-Identifier: GPL-2.0-only
/* The slave's side: what the tty core and the line discipline call. */
#include <linux/compat.h>
#include <linux/module.h>
#include <linux/poll.h>
#include <linux/sched/signal.h>
#include <linux/tty_flip.h>
#include <linux/uaccess.h>

#include "pty.h"
#include "trace.h"

static struct tty_driver *slave_driver;
static struct tty_port_client_operations slave_client_ops;

dev_t ipcshim_pty_slave_dev(u32 index)
{
	return MKDEV(slave_driver->major, slave_driver->minor_start + index);
}

void ipcshim_pty_wake_reader(struct ipcshim_pty *pty)
{
	/* Its barrier pairs with the one in master_poll(). */
	if (wq_has_sleeper(&pty->read_wait))
		wake_up_interruptible_poll(&pty->read_wait,
					   EPOLLIN | EPOLLRDNORM);
	kill_fasync(&pty->fasync, SIGIO, POLL_IN);
}

/* There may be room in the flip buffer. */
void ipcshim_pty_wake_writer(struct ipcshim_pty *pty)
{
	/* Its barrier pairs with the one in master_poll(). */
	if (wq_has_sleeper(&pty->write_wait))
		wake_up_interruptible_poll(&pty->write_wait,
					   EPOLLOUT | EPOLLWRNORM);
	/* After that barrier, which pairs with the one in master_write_iter(). */
	if (test_bit(IPCSHIM_PTY_SHORT, &pty->flags) &&
	    ipcshim_pty_writable(pty) &&
	    test_and_clear_bit(IPCSHIM_PTY_SHORT, &pty->flags))
		kill_fasync(&pty->fasync, SIGIO, POLL_OUT);
}

void ipcshim_pty_tell(struct ipcshim_pty *pty, u8 cleared, u8 set)
{
	unsigned long flags;
	bool packet;

	spin_lock_irqsave(&pty->lock, flags);
	packet = pty->packet;
	if (packet)
		WRITE_ONCE(pty->control, (pty->control & ~cleared) | set);
	spin_unlock_irqrestore(&pty->lock, flags);
	if (!packet)
		return;
	wake_up_interruptible_poll(&pty->read_wait,
				   EPOLLIN | EPOLLRDNORM | EPOLLPRI);
	kill_fasync(&pty->fasync, SIGIO, POLL_IN);
}

/*
 * An inode tells a device number, and that may be another pty's by now: an O_PATH
 * descriptor, a token, a bind mount outlive their pty.
 */
static bool slave_inode_is(const struct inode *inode,
			   const struct ipcshim_pty *pty)
{
	if (ipcshim_object_owns(inode))
		return inode->i_private == &pty->slave;
	return inode->i_nlink;
}

/*
 * The core finds a tty by its index.  tty_mutex is held, as it is by install and
 * remove.  NULL: install it.
 */
static struct tty_struct *slave_lookup(struct tty_driver *driver,
				       struct file *file, int index)
{
	struct ipcshim_pty *pty = ipcshim_pty_find(index);

	if (!pty || !slave_inode_is(file_inode(file), pty))
		return ERR_PTR(-EIO);
	if (!pty->tty && READ_ONCE(pty->opener) == current)
		return NULL;
	if (!pty->tty || test_bit(IPCSHIM_PTY_GONE, &pty->flags) ||
	    test_bit(IPCSHIM_PTY_LOCKED, &pty->flags))
		return ERR_PTR(-EIO);
	return pty->tty;
}

static int slave_install(struct tty_driver *driver, struct tty_struct *tty)
{
	struct ipcshim_pty *pty = ipcshim_pty_find(tty->index);

	tty_port_get(&pty->port);
	pty->port.client_ops = &slave_client_ops;
	tty_port_link_wq(&pty->port, system_dfl_wq);
	tty->port = &pty->port;
	tty->driver_data = pty;
	tty->winsize = pty->size;
	pty->tty = tty;
	return tty_standard_install(driver, tty);
}

static void slave_remove(struct tty_driver *driver, struct tty_struct *tty)
{
	struct ipcshim_pty *pty = tty->driver_data;

	driver->ttys[tty->index] = NULL;
	pty->tty = NULL;
	ipcshim_pty_unlist(pty);
}

static void slave_cleanup(struct tty_struct *tty)
{
	ipcshim_pty_put(tty->driver_data);
}

/*
 * To the core a pty is two ttys, and the master counts as an open of the slave.
 * Our master is no tty, so what the core looks for, or wakes, by way of ->link is
 * the slave itself: that is open, and never in the core's own packet mode.
 * Only from the anchor's open to its close, both under tty_lock: the core makes
 * and frees the two of a pair together, which here is but one.
 */
static void slave_pair(struct tty_struct *tty)
{
	tty->link = tty;
	tty->count++;
}

static void slave_unpair(struct tty_struct *tty)
{
	/* Nobody is left but the worker of the flip buffer. */
	tty_buffer_lock_exclusive(tty->port);
	tty->link = NULL;
	tty->count--;
	tty_buffer_unlock_exclusive(tty->port);
}

/* The number of opens, as it is now; tty_lock is held, and so it stays. */
static void slave_count(struct ipcshim_pty *pty, unsigned int slaves)
{
	bool closed;

	spin_lock_irq(&pty->lock);
	closed = pty->slaves && !slaves;
	pty->slaves = slaves;
	if (closed || slaves)
		WRITE_ONCE(pty->closed, closed);
	spin_unlock_irq(&pty->lock);
	trace_ipcshim_pty_slave(pty, slaves);
	if (!closed)
		return;
	wake_up_interruptible_poll(&pty->read_wait,
				   EPOLLIN | EPOLLRDNORM | EPOLLHUP);
	kill_fasync(&pty->fasync, SIGIO, POLL_HUP);
}

static int slave_open(struct tty_struct *tty, struct file *file)
{
	struct ipcshim_pty *pty = tty->driver_data;

	if (READ_ONCE(pty->opener) == current) {
		slave_pair(tty);
		return 0;
	}
	/* Here by way of /dev/tty, or since before the master's close. */
	if (test_bit(IPCSHIM_PTY_GONE, &pty->flags))
		return -EIO;
	/*
	 * Always "throttled": so the line discipline calls ->unthrottle whenever
	 * it has room.
	 */
	set_bit(TTY_THROTTLED, &tty->flags);
	slave_count(pty, pty->slaves + 1);
	/* What came before there was anybody to read it. */
	spin_lock_irq(&pty->port.lock);
	tty_flip_buffer_push(&pty->port);
	spin_unlock_irq(&pty->port.lock);
	return 0;
}

/* Comes for every file once, also if its open failed: then the master is gone. */
static void slave_close(struct tty_struct *tty, struct file *file)
{
	struct ipcshim_pty *pty = tty->driver_data;

	if (file == pty->anchor)
		slave_unpair(tty);
	else if (!tty_hung_up_p(file) &&
		 !test_bit(IPCSHIM_PTY_GONE, &pty->flags))
		slave_count(pty, pty->slaves - 1);
}

static void slave_hangup(struct tty_struct *tty)
{
	slave_count(tty->driver_data, 0);
}

static ipcshim_tty_ssize slave_write(struct tty_struct *tty, const u8 *bytes,
				     ipcshim_tty_size count)
{
	struct ipcshim_pty *pty = tty->driver_data;
	unsigned long flags;
	unsigned int written;

	if (tty->flow.stopped || !count)
		return 0;
	spin_lock_irqsave(&pty->lock, flags);
	written = kfifo_in(&pty->output, bytes, count);
	spin_unlock_irqrestore(&pty->lock, flags);
	if (written)
		ipcshim_pty_wake_reader(pty);
	return written;
}

/* Characters that ->flush_chars announces, all at once. */
static int slave_put_char(struct tty_struct *tty, u8 byte)
{
	struct ipcshim_pty *pty = tty->driver_data;
	unsigned long flags;
	int written;

	if (tty->flow.stopped)
		return 0;
	spin_lock_irqsave(&pty->lock, flags);
	written = kfifo_in(&pty->output, &byte, 1);
	spin_unlock_irqrestore(&pty->lock, flags);
	return written;
}

static void slave_flush_chars(struct tty_struct *tty)
{
	ipcshim_pty_wake_reader(tty->driver_data);
}

static unsigned int slave_write_room(struct tty_struct *tty)
{
	struct ipcshim_pty *pty = tty->driver_data;

	return tty->flow.stopped ? 0 : kfifo_avail(&pty->output);
}

void ipcshim_pty_flush_output(struct ipcshim_pty *pty)
{
	unsigned long flags;

	spin_lock_irqsave(&pty->lock, flags);
	kfifo_reset_out(&pty->output);
	pty->flushes++;
	spin_unlock_irqrestore(&pty->lock, flags);
	tty_wakeup(pty->tty);
}

static void slave_flush_buffer(struct tty_struct *tty)
{
	struct ipcshim_pty *pty = tty->driver_data;
	u8 control = TIOCPKT_FLUSHWRITE;

	/* What was written before a hangup is the master's to read. */
	if (test_bit(TTY_HUPPING, &tty->flags))
		return;
	ipcshim_pty_flush_output(pty);
	/* Nobody asked for just this: a signal character flushes both ways. */
	if (READ_ONCE(pty->flusher) != current)
		control |= TIOCPKT_FLUSHREAD;
	ipcshim_pty_tell(pty, 0, control);
}

/* The line discipline has room again: the core's word for "tell who sends". */
static void slave_unthrottle(struct tty_struct *tty)
{
	set_bit(TTY_THROTTLED, &tty->flags);
	ipcshim_pty_wake_writer(tty->driver_data);
}

/*
 * Bytes from the flip buffer to the line discipline.  The buffers before this
 * one are free now, even if nothing of this one is taken.
 */
static ipcshim_receive_size slave_receive_buf(struct tty_port *port,
					      const u8 *bytes, const u8 *flags,
					      size_t count)
{
	ipcshim_receive_size taken;

	taken = tty_port_default_client_ops.receive_buf(port, bytes, flags,
							count);
	ipcshim_pty_wake_writer(ipcshim_port_pty(port));
	return taken;
}

static bool slave_sent(const struct tty_struct *tty, struct ipcshim_pty *pty)
{
	return kfifo_is_empty(&pty->output) ||
	       test_bit(IPCSHIM_PTY_GONE, &pty->flags) ||
	       test_bit(TTY_HUPPING, &tty->flags) ||
	       test_bit(TTY_HUPPED, &tty->flags);
}

/* Until the master has read what was written. */
static void slave_wait_until_sent(struct tty_struct *tty, int timeout)
{
	wait_event_interruptible_timeout(tty->write_wait,
					 slave_sent(tty, tty->driver_data),
					 timeout ?: MAX_SCHEDULE_TIMEOUT);
}

/* Does the line discipline stop and start at ^S and ^Q? */
static bool slave_flow(const struct ktermios *termios)
{
	return termios->c_iflag & IXON && termios->c_cc[VSTOP] == '\023' &&
	       termios->c_cc[VSTART] == '\021';
}

static void slave_set_termios(struct tty_struct *tty, const struct ktermios *old)
{
	const struct ktermios *new = &tty->termios;
	u8 cleared = 0, set = 0;

	if (slave_flow(old) != slave_flow(new)) {
		cleared = TIOCPKT_DOSTOP | TIOCPKT_NOSTOP;
		set = slave_flow(new) ? TIOCPKT_DOSTOP : TIOCPKT_NOSTOP;
	}
	if ((old->c_lflag | new->c_lflag) & EXTPROC)
		set |= TIOCPKT_IOCTL;
	if (set)
		ipcshim_pty_tell(tty->driver_data, cleared, set);
	/* A line that has all the bits, always, and no parity. */
	tty->termios.c_cflag &= ~(CSIZE | PARENB);
	tty->termios.c_cflag |= CS8 | CREAD;
}

static void slave_stop(struct tty_struct *tty)
{
	ipcshim_pty_tell(tty->driver_data, TIOCPKT_START, TIOCPKT_STOP);
}

static void slave_start(struct tty_struct *tty)
{
	ipcshim_pty_tell(tty->driver_data, TIOCPKT_STOP, TIOCPKT_START);
}

/* In packet mode only: the core flushes input without a word to the driver. */
static int slave_flush(struct tty_struct *tty, unsigned long queue)
{
	struct ipcshim_pty *pty = tty->driver_data;
	int err;

	WRITE_ONCE(pty->flusher, current);
	err = tty_perform_flush(tty, queue);
	WRITE_ONCE(pty->flusher, NULL);
	if (!err && queue != TCOFLUSH)
		ipcshim_pty_tell(pty, 0, TIOCPKT_FLUSHREAD);
	return err;
}

static int slave_ioctl(struct tty_struct *tty, unsigned int cmd,
		       unsigned long arg)
{
	struct ipcshim_pty *pty = tty->driver_data;
	int err;

	switch (cmd) {
	case TIOCOUTQ:
		return put_user(kfifo_len(&pty->output), (int __user *)arg);
	case TCFLSH:
		if (!READ_ONCE(pty->packet))
			break;
		return slave_flush(tty, arg);
	case TCSETSF:
	case TCSETSF2:
	case TCSETAF:
		if (!READ_ONCE(pty->packet))
			break;
		err = tty_mode_ioctl(tty, cmd, arg);
		if (!err)
			ipcshim_pty_tell(pty, 0, TIOCPKT_FLUSHREAD);
		return err;
	}
	return -ENOIOCTLCMD;
}

#ifdef CONFIG_COMPAT
static long slave_compat_ioctl(struct tty_struct *tty, unsigned int cmd,
			       unsigned long arg)
{
	if (cmd == TCFLSH)
		return slave_ioctl(tty, cmd, arg);
	return slave_ioctl(tty, cmd, (unsigned long)compat_ptr(arg));
}
#endif

static const struct tty_operations slave_ops = {
	.lookup = slave_lookup,
	.install = slave_install,
	.remove = slave_remove,
	.open = slave_open,
	.close = slave_close,
	.cleanup = slave_cleanup,
	.hangup = slave_hangup,
	.write = slave_write,
	.put_char = slave_put_char,
	.flush_chars = slave_flush_chars,
	.write_room = slave_write_room,
	.flush_buffer = slave_flush_buffer,
	.unthrottle = slave_unthrottle,
	.wait_until_sent = slave_wait_until_sent,
	.set_termios = slave_set_termios,
	.stop = slave_stop,
	.start = slave_start,
	.ioctl = slave_ioctl,
#ifdef CONFIG_COMPAT
	.compat_ioctl = slave_compat_ioctl,
#endif
};

int ipcshim_pty_slave_init(unsigned int ttys)
{
	struct tty_driver *driver;
	int err;

	slave_client_ops = tty_port_default_client_ops;
	slave_client_ops.receive_buf = slave_receive_buf;

	driver = tty_alloc_driver(ttys, TTY_DRIVER_RESET_TERMIOS |
				  TTY_DRIVER_REAL_RAW |
				  TTY_DRIVER_DYNAMIC_DEV |
				  TTY_DRIVER_NO_WORKQUEUE |
				  TTY_DRIVER_DYNAMIC_ALLOC);
	if (IS_ERR(driver))
		return PTR_ERR(driver);
	driver->driver_name = "ipcshim_pty";
	driver->name = "ttyIPC";
	driver->type = TTY_DRIVER_TYPE_PTY;
	driver->subtype = PTY_TYPE_SLAVE;
	driver->init_termios = tty_std_termios;
	driver->init_termios.c_cflag = B38400 | CS8 | CREAD;
	driver->init_termios.c_ispeed = 38400;
	driver->init_termios.c_ospeed = 38400;
	tty_set_operations(driver, &slave_ops);
	slave_driver = driver;
	err = tty_register_driver(driver);
	if (err)
		tty_driver_kref_put(driver);
	return err;
}

void ipcshim_pty_slave_exit(void)
{
	tty_unregister_driver(slave_driver);
	tty_driver_kref_put(slave_driver);
}
