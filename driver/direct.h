/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * DOC: one copy instead of two
 *
 * A large raw write to an empty pipe, whose reader already sleeps for as much,
 * does not go through the ring: the writer offers the pages of its own memory, and
 * the reader copies from them into its own.
 *
 *   reader (read turn)                    writer (write turn)
 *   pipe->take = n, sleeps
 *                                         gets pages, pipe->offer, sleeps
 *   pipe->offer: taking; copies
 *   done                                  goes on behind what was taken
 *
 * Nothing is held of a process that could not run: the writer gets its own
 * pages, itself, when there is somebody to take them, and lets go of them when
 * it wakes.  Copying never waits for memory (what is not there goes through the
 * ring), so neither waits for the other longer than that takes to run; a writer
 * that is interrupted takes back an offer that nobody has taken yet.
 *
 * While "take" is set nobody reads from the ring, and who offers has the write turn:
 * an empty ring stays empty until the offer is over, so nothing overtakes.
 */
#ifndef _IPCSHIM_DIRECT_H
#define _IPCSHIM_DIRECT_H

#include <linux/sizes.h>
#include <linux/types.h>

struct ipcshim_pipe;
struct iov_iter;

/* Below this two copies cost less than two more wake-ups. */
#define IPCSHIM_DIRECT_MIN	SZ_256K

/* Read turn, and the ring is empty: from here on the rest of "to" can be offered. */
void ipcshim_direct_wait(struct ipcshim_pipe *pipe, const struct iov_iter *to);
/* Read turn: no more.  Takes what was offered by now: bytes. */
u32 ipcshim_direct_take(struct ipcshim_pipe *pipe, struct iov_iter *to);
/*
 * Write turn: offer what can be offered, and wait until it was taken.  Bytes; 0:
 * use the ring; -EINTR: the caller was killed, and some of it may have moved.
 * The deadline is in ns, 0: none.
 */
int ipcshim_direct_offer(struct ipcshim_pipe *pipe, struct iov_iter *from,
			 u64 deadline);

#endif /* _IPCSHIM_DIRECT_H */
