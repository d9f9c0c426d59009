/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * DOC: mapped pipes: a ring that both sides reach without a system call
 *
 *	pages[]		0		the producer's index
 *			1		the consumer's index
 *			2 ...		the data area, and then the same pages again
 *
 * User space maps these pages as the header says; the driver has the data area
 * mapped twice in a row, too, so what begins in the area never wraps for anybody.
 *
 * Nothing in these pages can be believed.  A view is one reading of both
 * positions that was found to make sense; whatever is done is done with that view
 * alone, and ends with a cmpxchg that fails if the position is no longer what
 * the view says.  An offset is always a position modulo the area, and no piece
 * is larger than the area, so even a wrong view leads nowhere outside of it.
 *
 * Who waits, waits in the driver: the holder of the turn for end->need, as in any
 * pipe, and those who poll for side->armed.  The smaller of them is told to
 * the other side in the index page ("wake").
 *
 *   who waits                             who moves a position, in user space
 *   wake = n                              publish the position [H1], [T1]
 *   full barrier [S1]                     full barrier [S2]
 *   look at the positions; sleep          n = wake; PIPE_WAKE if there is enough
 *
 * PIPE_WAKE takes back what was told before it wakes: who is woken looks, and tells
 * again if that was not enough.
 *
 * mapped.c      the pages and their mappings
 * mapped_io.c   moving, waiting, waking
 * mapped_batch.c  moving many messages at once
 */
#ifndef _IPCSHIM_MAPPED_H
#define _IPCSHIM_MAPPED_H

#include <linux/atomic.h>
#include <linux/mm_types.h>
#include <linux/poll.h>
#include <linux/spinlock.h>

#include "ipcshim.h"

struct file;
struct ipcshim_end;
struct ipcshim_pipe;
struct ipcshim_ring_cursor;
struct ipcshim_transfer;
struct iov_iter;

struct ipcshim_mapped_side {
	struct ipcshim_mapped_index *index;	/* constant; user space writes it */
	struct mm_struct *mm;	/* lock; who has it mapped: compared, never followed */
	unsigned int mappings;	/* lock */
	u32 armed;		/* lock; bytes that those wait for who poll */
};

struct ipcshim_mapped {
	struct ipcshim_mapped_side sides[2];	/* by enum ipcshim_side */
	u8 *data;		/* the area, twice in a row */
	u32 area;		/* bytes; constant */
	bool messages;		/* constant */
	spinlock_t lock;
	unsigned int nr_pages;	/* of the layout, data counted twice */
	struct page *pages[];
};

/* One reading of both positions. */
struct ipcshim_mapped_view {
	u64 head;		/* the producer's */
	u64 tail;		/* the consumer's */
	u32 used;		/* bytes in between, at most the area */
};

/* What a message takes in the area. */
static inline u32 ipcshim_record_bytes(u32 length)
{
	return sizeof(struct ipcshim_record) + ALIGN(length, 8);
}

/* Bytes of memory that a mapped pipe of that capacity takes. */
u32 ipcshim_mapped_bytes(u32 capacity, bool messages);
struct ipcshim_mapped *ipcshim_mapped_create(u32 capacity, bool messages);
void ipcshim_mapped_destroy(struct ipcshim_mapped *mapped);

int ipcshim_mapped_mmap(struct file *file, struct vm_area_struct *vma);
/* Has some process that end mapped? */
bool ipcshim_mapped_somewhere(const struct ipcshim_mapped *mapped, int side);
/* Has this process to keep off that end, as another has it mapped? */
bool ipcshim_mapped_elsewhere(const struct ipcshim_mapped *mapped, int side);

/*
 * Bytes in the ring, whoever looks.  -EPROTO: the positions make no sense.
 * While both sides run it is a number that was about right.
 */
int ipcshim_mapped_used(const struct ipcshim_mapped *mapped);
/* Payload that the next write of one message, or piece, could have. */
u32 ipcshim_mapped_room(const struct ipcshim_mapped *mapped, u32 capacity);
/* The length of the next message, 0: none, or nonsense. */
u32 ipcshim_mapped_next_length(const struct ipcshim_mapped *mapped);
/* Messages in the ring, as the sides say themselves. */
u32 ipcshim_mapped_messages(const struct ipcshim_mapped *mapped);

/* That side ended, for its peer to see. */
void ipcshim_mapped_close(struct ipcshim_mapped *mapped, int side, u16 how);

/* In the turn.  As ipcshim_pipe_write() and ipcshim_pipe_read(), -EPROTO, -EBUSY. */
int ipcshim_mapped_write(struct ipcshim_pipe *pipe, struct iov_iter *from,
			 struct ipcshim_transfer *transfer);
int ipcshim_mapped_read(struct ipcshim_pipe *pipe, struct iov_iter *to,
			struct ipcshim_transfer *transfer);

/* In a turn, when one of the two positions stands still.  -EPROTO */
int ipcshim_mapped_view(const struct ipcshim_mapped *mapped,
			struct ipcshim_mapped_view *view);
/* Where a position lies in the area. */
u32 ipcshim_mapped_offset(const struct ipcshim_mapped *mapped, u64 position);
/* The length of the next message; read once, as all that is not ours.  -EPROTO */
int ipcshim_mapped_record(const struct ipcshim_mapped *mapped,
			  const struct ipcshim_mapped_view *view, u32 *length);
/* [H1] and [T1]: what was done before it is seen by who sees the position. */
int ipcshim_mapped_publish(struct ipcshim_mapped *mapped, int side, u64 from,
			   u32 bytes, u32 messages);

/* In the turn: a batch, as ipcshim_ring_put_run() and its kin.  Also -EPROTO. */
int ipcshim_mapped_begin(struct ipcshim_mapped *mapped, int side,
			 struct ipcshim_ring_cursor *cursor);
/* The other side may have moved. */
int ipcshim_mapped_look_again(struct ipcshim_mapped *mapped, int side,
			      struct ipcshim_ring_cursor *cursor);
u32 ipcshim_mapped_put_run(struct ipcshim_mapped *mapped,
			   struct ipcshim_ring_cursor *cursor,
			   struct ipcshim_batch_entry *entries, u32 nr,
			   int *why);
u32 ipcshim_mapped_get_run(struct ipcshim_mapped *mapped,
			   struct ipcshim_ring_cursor *cursor,
			   struct ipcshim_batch_entry *entries, u32 nr,
			   int *why);
int ipcshim_mapped_commit(struct ipcshim_mapped *mapped, int side,
			  struct ipcshim_ring_cursor *cursor);

/* In the turn: may it go on, having asked for "need" bytes?  Also with -EPROTO. */
bool ipcshim_mapped_can_go_on(struct ipcshim_end *end, u32 need);
/* end->need was set: tell the other side.  A full barrier comes after it. */
void ipcshim_mapped_tell_need(struct ipcshim_end *end);
/* Tell the other side that somebody polls here for so many bytes, likewise. */
void ipcshim_mapped_arm(struct ipcshim_end *end, u32 need);
/* "want" as for any pipe's poll. */
__poll_t ipcshim_mapped_poll(struct ipcshim_end *end, u32 want);

int ipcshim_mapped_wait(struct ipcshim_end *end,
			struct ipcshim_pipe_wait __user *uarg, bool nowait);
int ipcshim_mapped_wake(struct ipcshim_end *end,
			struct ipcshim_pipe_wake __user *uarg);

#endif /* _IPCSHIM_MAPPED_H */
