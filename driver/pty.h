/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * DOC: pseudo terminals
 *
 *   master file                                        slave: a tty of the kernel
 *   read   <---------------------- output <---- ->write, ->put_char <-- n_tty
 *   write  --> flip buffer of the tty_port --> flush_to_ldisc ------> n_tty
 *
 * The slave's tty_struct is made together with the pty and lives as long as the
 * master: a file of ours, the anchor, has it open and is counted by nobody.
 * So the master always has a tty to speak to, and termios, window size and what
 * was not read yet survive a last close of the slave, as on devpts.
 *
 * Output goes straight to the master, without a worker in between; it is kept
 * when the slave hangs up, for the master to read.
 *
 * References, all to port.kref: the master's inode, the slave's inode, the tty.
 *   master file -> master's inode -> pty
 *   master file -> anchor -> slave's dentry -> slave's inode -> pty
 *   tokens, slave files -> slave's dentry
 *
 * The driver's type is that of a pty, for the core's sake: when the leader of a
 * session exits, only a pty's other users may go on (disassociate_ctty()).  What
 * such a tty's ->link names has no tty here.  See slave_pair().
 */
#ifndef _IPCSHIM_PTY_H
#define _IPCSHIM_PTY_H

#include <linux/kfifo.h>
#include <linux/mutex.h>
#include <linux/path.h>
#include <linux/spinlock.h>
#include <linux/tty.h>
#include <linux/tty_driver.h>
#include <linux/tty_port.h>
#include <linux/wait.h>

#include "object.h"
#include "quota.h"

struct ipcshim_port;
struct ipcshim_pty_node;

/* Bytes on their way to the master, and (at most, nearly) to the slave. */
#define IPCSHIM_PTY_OUTPUT	16384
#define IPCSHIM_PTY_INPUT	8192

/* Bits of pty->flags. */
#define IPCSHIM_PTY_GONE	0	/* the master is closed; for good */
#define IPCSHIM_PTY_LOCKED	1	/* TIOCSPTLCK */
#define IPCSHIM_PTY_EXCLUSIVE	2	/* TIOCEXCL on the master: kept, no more */
#define IPCSHIM_PTY_SHORT	3	/* a write that did not wait found no room */
#define IPCSHIM_PTY_STOPPED	4	/* TCOOFF on the master */

struct ipcshim_pty {
	struct tty_port port;		/* its lock: who fills the flip buffer */
	struct ipcshim_object master;	/* what the inodes know */
	struct ipcshim_object slave;
	char name[16];			/* ttyIPC<index> */
	u32 index;
	u64 ino;			/* st_ino of both sides */
	u64 slave_ino;
	struct ipcshim_user *user;	/* charged while the pty is in the table */
	unsigned long flags;

	struct tty_struct *tty;		/* valid while the master is open */
	struct task_struct *opener;	/* whose open of the slave is the anchor's */
	struct file *anchor;
	struct path slave_path;		/* held while the master is open */
	struct ipcshim_pty_node *node;
	struct winsize size;		/* that the tty starts with */

	spinlock_t lock;		/* all below; interrupts are off */
	struct kfifo output;
	u32 flushes;			/* of output: what was peeked at is void */
	unsigned int slaves;		/* open, and not hung up */
	bool closed;			/* slaves went from one to none */
	bool packet;			/* TIOCPKT */
	u8 control;			/* TIOCPKT_* bits to be told */

	struct task_struct *flusher;	/* whose flush is one of output alone */

	struct mutex read_lock;		/* masters' readers take turns */
	struct mutex write_lock;	/* and writers */
	wait_queue_head_t read_wait;
	wait_queue_head_t write_wait;
	struct fasync_struct *fasync;
};

static inline struct ipcshim_pty *ipcshim_port_pty(struct tty_port *port)
{
	return container_of(port, struct ipcshim_pty, port);
}

/* The table of ptys by index, and the limits. */
int ipcshim_pty_init(void);
void ipcshim_pty_exit(void);
u64 ipcshim_pty_limit(void);

/* With one reference.  -ENOSPC, -EDQUOT, -ENOMEM. */
struct ipcshim_pty *ipcshim_pty_create(void);
void ipcshim_pty_put(struct ipcshim_pty *pty);
/* Out of the table: the index, and what is charged, is free.  Again: nothing. */
void ipcshim_pty_unlist(struct ipcshim_pty *pty);
struct ipcshim_pty *ipcshim_pty_find(u32 index);

/* The slave's side: the tty driver. */
int ipcshim_pty_slave_init(unsigned int ttys);
void ipcshim_pty_slave_exit(void);
dev_t ipcshim_pty_slave_dev(u32 index);
/* Tell, in packet mode, about "set" and no more about "cleared" (TIOCPKT_*). */
void ipcshim_pty_tell(struct ipcshim_pty *pty, u8 cleared, u8 set);
void ipcshim_pty_wake_reader(struct ipcshim_pty *pty);
void ipcshim_pty_wake_writer(struct ipcshim_pty *pty);
/* Would a byte go in? */
bool ipcshim_pty_writable(struct ipcshim_pty *pty);
/* Discard what the master has not read. */
void ipcshim_pty_flush_output(struct ipcshim_pty *pty);

/* /dev/ttyIPC<index>. */
int ipcshim_pty_node_init(void);
void ipcshim_pty_node_exit(void);
struct ipcshim_pty_node *ipcshim_pty_node_add(const struct ipcshim_pty *pty);
void ipcshim_pty_node_remove(struct ipcshim_pty_node *node);

/* The master's side. */
extern const struct file_operations ipcshim_pty_master_fops;
/* Bytes for the slave's line: how many went in, 0 if it is full.  -ENOMEM. */
ssize_t ipcshim_pty_insert(struct ipcshim_pty *pty, const u8 *bytes,
			   size_t count);
long ipcshim_pty_ioctl(struct file *file, unsigned int cmd, unsigned long arg);

void ipcshim_pty_size(struct ipcshim_pty *pty, struct winsize *size);

int ipcshim_pty_open(struct ipcshim_open_pty __user *uarg);
int ipcshim_pty_open_peer(struct ipcshim_pty *pty, int flags);
int ipcshim_pty_send(struct ipcshim_pty *pty,
		     struct ipcshim_send_pty __user *uarg);

#endif /* _IPCSHIM_PTY_H */
