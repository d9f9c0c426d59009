/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * DOC: ipcshim, what all of its rooms share
 *
 * port        an open /dev/ipcshim: receives events, addressed by its owner's pid
 * process     the ports of one process, until that executes another image
 * event       what a port is told; made before it is needed, so never dropped
 * token       a parcel for another process, to be claimed
 * parcel      an object on its way, in a token or in a message
 * pipe        two ends around a ring; each end is an object with an inode
 * turn        the right to read, or to write, a pipe
 * mapped      the pages of a pipe that user space maps
 * segment     a grant of memory: an object with an inode, for each holder
 * memory      the pages that the grants of one segment reach
 * pty         a tty of the kernel's, and its master: an object with an inode
 * service     a name that a port has published
 * connection  two sides, a client's and a service's
 * socket      one of those: an object with an inode
 * exchange    the messages of a connection that belong together
 * message     bytes and parcels
 *
 * Who owns what
 * -------------
 * A port lives as long as its file.  It holds a reference to its process.
 * A parcel holds its object's inode and mount.  A token has a parcel and holds its
 * target's process; it is on the list of the port that it was made for, and dies
 * with that port.
 * An end is part of its pipe; its inode holds a reference to the pipe.  The end
 * is open as long as it has users: files and parcels.  The pipe is freed when
 * both inodes are evicted.
 * A grant is owned by its inode, which its users hold: files (and so mappings),
 * and a parcel.  The memory is freed with the inodes of all grants, its pages
 * already with the last grant that is not stale.
 * A pty is held by the inodes of both its sides, and by the slave's tty.  The
 * master's file holds the tty, too; see pty.h.
 * A socket is part of its connection, open as long as it has users: files and
 * parcels.  The connection is freed with its messages and both inodes.  It holds
 * the service, which its port holds until the name is withdrawn.
 * Whatever can happen late (the event of a close, the slot in a queue) is
 * allocated or reserved when the object is made.
 *
 * Order of the locks
 * ------------------
 *   ipcshim_turn         sleeps; one for each side of a pipe, and for who reads a
 *                        port; never two
 *   ipcshim_carry_lock   sleeps; who holds it may take several of
 *                        memory->lock and segment->gate
 *   memory->lock         sleeps; no user memory, nor mmap_lock, under it
 *     (mmap_lock)        held by those who fault
 *       segment->gate    sleeps
 *         (i_mmap_rwsem, locks of pages and page tables)
 *   pty->read_lock, pty->write_lock   sleep; never together, nor with the above
 *   (tty_mutex, the tty's own locks, the lock of its flip buffer)
 *     pty->port.lock     spins
 *     pty->lock          spins, interrupts are off
 *     service->lock      spins
 *       pipe->lock, connection->lock   spin; never two of them
 *         process->lock  spins; never two of them
 *           the locks of wait queues, fasync and signals
 *   services_lock, processes_lock, users_lock, mapped->lock   spin, taken alone
 *
 * User memory is touched under a turn or a read_lock, never under a spinlock, nor
 * where a fault of a segment could wait for us.
 */
#ifndef _IPCSHIM_H
#define _IPCSHIM_H

#include <linux/atomic.h>
#include <linux/types.h>
#include <linux/ipcshim.h>

#ifdef pr_fmt
#undef pr_fmt
#endif
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

/* How an end, a port or a holder came to its end, see IPCSHIM_HOW_*. */
struct ipcshim_ending {
	u16 how;
	u16 status;
};

/* What exists in the whole driver, for QUERY. */
struct ipcshim_totals {
	atomic64_t ports;
	atomic64_t pipes;
	atomic64_t tokens;
	atomic64_t events;
	atomic64_t ring_bytes;
	atomic64_t segments;
	atomic64_t segment_bytes;
	atomic64_t ptys;
	atomic64_t services;
	atomic64_t connections;
	atomic64_t exchanges;
	atomic64_t messages;
	atomic64_t message_bytes;
};

extern struct ipcshim_totals ipcshim_totals;

#endif /* _IPCSHIM_H */
