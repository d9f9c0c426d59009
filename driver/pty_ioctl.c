// SPDX-License-Identifier: GPL-2.0-only
/* The calls on a master, those of a pty on devpts among them. */
#include <linux/compat.h>
#include <linux/kdev_t.h>
#include <linux/poll.h>
#include <linux/sched/signal.h>
#include <linux/tty_flip.h>
#include <linux/uaccess.h>
#include <asm/ioctls.h>

#include "pty.h"

static int pty_set_flag(struct ipcshim_pty *pty, int flag,
			const int __user *uarg)
{
	int value;

	if (get_user(value, uarg))
		return -EFAULT;
	assign_bit(flag, &pty->flags, value);
	return 0;
}

static int pty_get_flag(const struct ipcshim_pty *pty, int flag,
			int __user *uarg)
{
	return put_user(test_bit(flag, &pty->flags), uarg);
}

static int pty_set_packet(struct ipcshim_pty *pty, const int __user *uarg)
{
	int packet;

	if (get_user(packet, uarg))
		return -EFAULT;
	spin_lock_irq(&pty->lock);
	if (packet && !pty->packet)
		WRITE_ONCE(pty->control, 0);
	WRITE_ONCE(pty->packet, packet);
	spin_unlock_irq(&pty->lock);
	return 0;
}

static int pty_set_size(struct ipcshim_pty *pty,
			const struct winsize __user *uarg)
{
	struct winsize size;

	if (copy_from_user(&size, uarg, sizeof(size)))
		return -EFAULT;
	return tty_do_resize(pty->tty, &size);
}

void ipcshim_pty_size(struct ipcshim_pty *pty, struct winsize *size)
{
	mutex_lock(&pty->tty->winsize_mutex);
	*size = pty->tty->winsize;
	mutex_unlock(&pty->tty->winsize_mutex);
}

static int pty_get_size(struct ipcshim_pty *pty, struct winsize __user *uarg)
{
	struct winsize size;

	ipcshim_pty_size(pty, &size);
	return copy_to_user(uarg, &size, sizeof(size)) ? -EFAULT : 0;
}

static int pty_signal(struct ipcshim_pty *pty, int signo)
{
	struct pid *group;

	if (signo != SIGINT && signo != SIGQUIT && signo != SIGTSTP)
		return -EINVAL;
	group = tty_get_pgrp(pty->tty);
	if (group)
		kill_pgrp(group, signo, 1);
	put_pid(group);
	return 0;
}

static int pty_get_group(struct ipcshim_pty *pty, pid_t __user *uarg)
{
	struct pid *group = tty_get_pgrp(pty->tty);
	int err;

	err = put_user(pid_vnr(group), uarg);
	put_pid(group);
	return err;
}

static int pty_get_session(struct ipcshim_pty *pty, pid_t __user *uarg)
{
	struct pid *session;
	int err;

	spin_lock_irq(&pty->tty->ctrl.lock);
	session = get_pid(pty->tty->ctrl.session);
	spin_unlock_irq(&pty->tty->ctrl.lock);
	if (!session)
		return -ENOTTY;
	err = put_user(pid_vnr(session), uarg);
	put_pid(session);
	return err;
}

/*
 * A break, or a byte, out of the order of what writers put.  An ignored break
 * must not reach the line discipline: TTY_DRIVER_REAL_RAW says that it won't.
 */
static int pty_break(struct ipcshim_pty *pty)
{
	int inserted;
	bool ignored;

	down_read(&pty->tty->termios_rwsem);
	ignored = I_IGNBRK(pty->tty);
	up_read(&pty->tty->termios_rwsem);
	if (ignored)
		return 0;
	spin_lock_irq(&pty->port.lock);
	inserted = tty_insert_flip_char(&pty->port, 0, TTY_BREAK);
	tty_flip_buffer_push(&pty->port);
	spin_unlock_irq(&pty->port.lock);
	return inserted ? 0 : -EAGAIN;
}

static int pty_put_control_char(struct ipcshim_pty *pty, int which)
{
	ssize_t inserted;
	u8 byte;

	down_read(&pty->tty->termios_rwsem);
	byte = pty->tty->termios.c_cc[which];
	up_read(&pty->tty->termios_rwsem);
	if (byte == __DISABLED_CHAR)
		return 0;
	inserted = ipcshim_pty_insert(pty, &byte, 1);
	if (inserted < 0)
		return inserted;
	return inserted ? 0 : -EAGAIN;
}

static int pty_flow(struct ipcshim_pty *pty, unsigned long action)
{
	switch (action) {
	case TCOOFF:
		set_bit(IPCSHIM_PTY_STOPPED, &pty->flags);
		return 0;
	case TCOON:
		clear_bit(IPCSHIM_PTY_STOPPED, &pty->flags);
		ipcshim_pty_wake_writer(pty);
		return 0;
	case TCIOFF:
		return pty_put_control_char(pty, VSTOP);
	case TCION:
		return pty_put_control_char(pty, VSTART);
	default:
		return -EINVAL;
	}
}

static void pty_flush_input(struct ipcshim_pty *pty)
{
	tty_ldisc_flush(pty->tty);
	ipcshim_pty_wake_writer(pty);
}

/* "Input" and "output" as the master sees them. */
static int pty_flush(struct ipcshim_pty *pty, unsigned long queue)
{
	switch (queue) {
	case TCIFLUSH:
		ipcshim_pty_flush_output(pty);
		return 0;
	case TCOFLUSH:
		pty_flush_input(pty);
		return 0;
	case TCIOFLUSH:
		ipcshim_pty_flush_output(pty);
		pty_flush_input(pty);
		return 0;
	default:
		return -EINVAL;
	}
}

/* The slave's termios.  To wait for the reader would be to wait for the caller. */
static int pty_mode(struct ipcshim_pty *pty, unsigned int cmd, unsigned long arg)
{
	int err;

	switch (cmd) {
	case TCSETSF:
	case TCSETSF2:
	case TCSETAF:
		pty_flush_input(pty);
		break;
	}
	switch (cmd) {
	case TCSETSW:
	case TCSETSF:
		cmd = TCSETS;
		break;
	case TCSETSW2:
	case TCSETSF2:
		cmd = TCSETS2;
		break;
	case TCSETAW:
	case TCSETAF:
		cmd = TCSETA;
		break;
	}
	err = tty_mode_ioctl(pty->tty, cmd, arg);
	return err == -ENOIOCTLCMD ? -ENOTTY : err;
}

long ipcshim_pty_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct ipcshim_pty *pty = file->private_data;
	void __user *uarg = (void __user *)arg;

	switch (cmd) {
	case IPCSHIM_SEND_PTY:
		return ipcshim_pty_send(pty, uarg);
	case TIOCGPTPEER:
		return ipcshim_pty_open_peer(pty, arg);
	case TIOCGPTN:
		return put_user(pty->index, (unsigned int __user *)uarg);
	case TIOCGDEV:
		return put_user(new_encode_dev(tty_devnum(pty->tty)),
				(unsigned int __user *)uarg);
	case TIOCSPTLCK:
		return pty_set_flag(pty, IPCSHIM_PTY_LOCKED, uarg);
	case TIOCGPTLCK:
		return pty_get_flag(pty, IPCSHIM_PTY_LOCKED, uarg);
	case TIOCEXCL:
		set_bit(IPCSHIM_PTY_EXCLUSIVE, &pty->flags);
		return 0;
	case TIOCNXCL:
		clear_bit(IPCSHIM_PTY_EXCLUSIVE, &pty->flags);
		return 0;
	case TIOCGEXCL:
		return pty_get_flag(pty, IPCSHIM_PTY_EXCLUSIVE, uarg);
	case TIOCPKT:
		return pty_set_packet(pty, uarg);
	case TIOCGPKT:
		return put_user(READ_ONCE(pty->packet), (int __user *)uarg);
	case TIOCSIG:
		return pty_signal(pty, arg);
	case TIOCSWINSZ:
		return pty_set_size(pty, uarg);
	case TIOCGWINSZ:
		return pty_get_size(pty, uarg);
	case TIOCGPGRP:
		return pty_get_group(pty, uarg);
	case TIOCGSID:
		return pty_get_session(pty, uarg);
	case FIONREAD:
		return put_user(kfifo_len(&pty->output), (int __user *)uarg);
	case TIOCOUTQ:
		return put_user(0, (int __user *)uarg);
	case TCSBRK:
		return arg ? 0 : pty_break(pty);
	case TCSBRKP:
	case TIOCSBRK:
		return pty_break(pty);
	case TIOCCBRK:
		return 0;
	case TCFLSH:
		return pty_flush(pty, arg);
	case TCXONC:
		return pty_flow(pty, arg);
	default:
		return pty_mode(pty, cmd, arg);
	}
}
