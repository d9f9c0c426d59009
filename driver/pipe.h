/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * DOC: pipes
 *
 * A ring between two ends.  An end is what a descriptor names: an object with
 * an inode, any number of files, and the tokens under way to other processes.
 * It is open as long as it has users (files and tokens), or until CLOSE_PIPE.
 *
 * pipe.c        life: made, closed, told, freed
 * pipe_open.c   opened, and handed over
 * pipe_file.c   what a file of an end does: poll, fdinfo, flush, release
 * pipe_io.c     moving bytes and messages, waiting
 * pipe_now.c    ... those that need not wait
 * pipe_io.h     ... what all ways of moving have in common
 * pipe_batch.c  moving many messages at once
 * direct.c      moving from one's memory into the other's
 * pipe_ioctl.c  the calls
 * mapped.h      pipes that user space maps
 */
#ifndef _IPCSHIM_PIPE_H
#define _IPCSHIM_PIPE_H

#include <linux/kref.h>
#include <linux/list.h>
#include <linux/rcuwait.h>
#include <linux/spinlock.h>
#include <linux/uidgid.h>
#include <linux/wait.h>

#include "mapped.h"
#include "object.h"
#include "ring.h"
#include "turn.h"

struct iov_iter;
struct ipcshim_event_node;
struct ipcshim_parcel;
struct ipcshim_port;
struct ipcshim_process;
struct ipcshim_token;
struct ipcshim_user;

enum ipcshim_side {
	IPCSHIM_SENDER,
	IPCSHIM_RECEIVER,
	IPCSHIM_NR_SIDES,
};

/* When and how an end closed, for those who are told, at once or later. */
struct ipcshim_closing {
	struct ipcshim_ending ending;
	kuid_t uid;			/* by whom */
	struct pid *pid;		/* NULL: not closed yet */
	u64 tail;			/* where the ring stood */
	u64 head;
};

struct ipcshim_end {
	struct ipcshim_object object;
	enum ipcshim_side side;		/* constant */
	unsigned int users;		/* pipe->lock */
	struct ipcshim_closing closing;	/* pipe->lock */
	struct list_head holders;	/* pipe->lock: files that have an event */
	u64 ino;			/* constant */
	struct ipcshim_turn turn;
	/*
	 * What the holder of the turn sleeps for: bytes, 0: it does not sleep.
	 * Whoever moves the other index reads it after a full barrier.
	 */
	u32 need;
	struct rcuwait sleeper;		/* the holder of the turn alone */
	wait_queue_head_t poll_wait;
	struct fasync_struct *fasync;
};

struct ipcshim_pipe {
	struct kref refs;		/* each inode has one */
	u32 bytes;			/* so many are charged */
	struct ipcshim_user *user;	/* for it */
	struct ipcshim_mapped *mapped;	/* constant; NULL: an ordinary one */
	struct pid *creator;
	spinlock_t lock;		/* users, holders, and who closed */
	/* Both in direct.h; lock. */
	u32 take;			/* bytes that a sleeping reader would take */
	struct ipcshim_offer *offer;	/* a writer's, for that reader */
	bool closed_by_call;		/* lock to set */
	struct ipcshim_end ends[IPCSHIM_NR_SIDES];
	struct ipcshim_ring ring;
};

/* What an open file of an end has of its own. */
struct ipcshim_end_file {
	struct ipcshim_end *end;
	/* Both NULL for a file that OPEN_PIPE or CLAIM did not make. */
	struct ipcshim_process *process;
	struct ipcshim_event_node *event;	/* pipe->lock; PIPE_CLOSED */
	struct list_head in_end;		/* pipe->lock */
	struct ipcshim_ending_hint ending;
	u32 want;	/* bytes that last met EAGAIN here, see poll */
};

static inline struct ipcshim_pipe *ipcshim_pipe_of(const struct ipcshim_end *end)
{
	const struct ipcshim_end *first = end - end->side;

	return container_of(first, struct ipcshim_pipe, ends[0]);
}

/* The same where the side is known. */
static inline struct ipcshim_pipe *ipcshim_sender_pipe(struct ipcshim_end *end)
{
	return container_of(end, struct ipcshim_pipe, ends[IPCSHIM_SENDER]);
}

static inline struct ipcshim_pipe *
ipcshim_receiver_pipe(struct ipcshim_end *end)
{
	return container_of(end, struct ipcshim_pipe, ends[IPCSHIM_RECEIVER]);
}

static inline struct ipcshim_end *ipcshim_end_peer(struct ipcshim_end *end)
{
	return end->side == IPCSHIM_SENDER ? end + 1 : end - 1;
}

static inline struct ipcshim_end *
ipcshim_object_end(const struct ipcshim_object *object)
{
	return container_of(object, struct ipcshim_end, object);
}

static inline u16 ipcshim_end_code(const struct ipcshim_end *end)
{
	return end->side == IPCSHIM_SENDER ? IPCSHIM_END_SENDER :
					     IPCSHIM_END_RECEIVER;
}

static inline u16 ipcshim_pipe_mode(const struct ipcshim_pipe *pipe)
{
	return pipe->ring.messages ? IPCSHIM_PIPE_MESSAGE : IPCSHIM_PIPE_RAW;
}

int ipcshim_pipe_init(void);
void ipcshim_pipe_exit(void);

/* Life. */
/* A pipe with its two inodes, which hold it. */
struct ipcshim_pipe *
ipcshim_pipe_create(u32 capacity, bool messages, bool can_map,
		    struct inode *inodes[IPCSHIM_NR_SIDES]);
int ipcshim_pipe_open(struct ipcshim_port *port,
		      struct ipcshim_open_pipe __user *uarg);
int ipcshim_pipe_send(struct file *file,
		      struct ipcshim_send_pipe __user *uarg);
/* For a message: -EPIPE, it was closed by CLOSE_PIPE; -EBUSY, it is mapped. */
int ipcshim_end_pack(struct file *file, struct ipcshim_parcel *parcel);
/* -EPIPE: it was closed this way before. */
int ipcshim_pipe_close(struct ipcshim_pipe *pipe);
/* A file or token of this end is no more. */
void ipcshim_end_put_user(struct ipcshim_end *end,
			  struct ipcshim_end_file *end_file,
			  const struct ipcshim_ending *ending);
/* -ENXIO: the end is closed already. */
int ipcshim_end_get_user(struct ipcshim_end *end);

/* From here on this file is told of a close, also of one that was before. */
void ipcshim_end_hold(struct ipcshim_end_file *end_file);

/* Files. */
struct ipcshim_end_file *ipcshim_end_file_alloc(void);
void ipcshim_end_file_free(struct ipcshim_end_file *end_file);
extern const struct file_operations ipcshim_sender_fops;
extern const struct file_operations ipcshim_receiver_fops;
long ipcshim_end_ioctl(struct file *file, unsigned int cmd, unsigned long arg);

static inline const struct file_operations *
ipcshim_end_fops(const struct ipcshim_end *end)
{
	return end->side == IPCSHIM_SENDER ? &ipcshim_sender_fops :
					     &ipcshim_receiver_fops;
}

/*
 * How bytes are to move, and how it went.  Small, as it is made for every read
 * and write.
 */
struct ipcshim_transfer {
	u64 deadline;	/* CLOCK_MONOTONIC ns, 0: none */
	bool wait;	/* may sleep */
	bool partial;	/* raw: what can move now is enough */

	u8 cause;	/* out: IPCSHIM_CAUSE_* */
	int stop;	/* a signal or the deadline ended a sleep */
	u32 moved;	/* out: bytes, at most MAX_RW_COUNT */
	u32 lacks;	/* out: bytes missing, for FULL and EMPTY */
	u32 pid;	/* out: who has the turn, for LOCKED */
};

void ipcshim_end_wake_polls(struct ipcshim_end *end);

static inline void ipcshim_end_release(struct ipcshim_end *end)
{
	if (ipcshim_turn_release(&end->turn))
		ipcshim_end_wake_polls(end);
}

/* 0 or an error; what moved before an error is in the transfer. */
int ipcshim_pipe_write(struct ipcshim_pipe *pipe, struct iov_iter *from,
		       struct ipcshim_transfer *transfer);
int ipcshim_pipe_read(struct ipcshim_pipe *pipe, struct iov_iter *to,
		      struct ipcshim_transfer *transfer);

/*
 * All of it, or, 0, nothing: that is for the functions above.  Of a read some, too,
 * if "partial"; of a message always all.
 */
u32 ipcshim_pipe_write_now(struct ipcshim_pipe *pipe, const void __user *from,
			   size_t size);
u32 ipcshim_pipe_read_now(struct ipcshim_pipe *pipe, void __user *to,
			  size_t size, bool partial);

/* The same at once where that can be, by write(2), read(2), and all the others. */
ssize_t ipcshim_sender_write_now(struct file *file, const char __user *buffer,
				 size_t size, loff_t *position);
ssize_t ipcshim_sender_write_iter_now(struct kiocb *iocb,
				      struct iov_iter *from);
ssize_t ipcshim_receiver_read_now(struct file *file, char __user *buffer,
				  size_t size, loff_t *position);
ssize_t ipcshim_receiver_read_iter_now(struct kiocb *iocb, struct iov_iter *to);
/* ... and as long as it takes. */
ssize_t ipcshim_sender_write(struct kiocb *iocb, struct iov_iter *from);
ssize_t ipcshim_receiver_read(struct kiocb *iocb, struct iov_iter *to);

/* Bytes that can be read: none of what was there when reading was stopped. */
static inline u32 ipcshim_pipe_used(const struct ipcshim_pipe *pipe)
{
	u64 tail = ipcshim_ring_tail(&pipe->ring);

	if (tail & IPCSHIM_POS_CLOSED)
		return 0;
	if (unlikely(pipe->mapped))
		return max(ipcshim_mapped_used(pipe->mapped), 0);
	/* In this order: a later head is never behind the tail. */
	return ipcshim_pos_bytes(tail, ipcshim_ring_head(&pipe->ring));
}

/* Bytes that could be written. */
static inline u32 ipcshim_pipe_room(const struct ipcshim_pipe *pipe)
{
	if (unlikely(pipe->mapped))
		return ipcshim_mapped_room(pipe->mapped, pipe->ring.size);
	return pipe->ring.size - ipcshim_pipe_used(pipe);
}

/* Messages that can be read. */
static inline u32 ipcshim_pipe_messages(const struct ipcshim_pipe *pipe)
{
	u64 tail = ipcshim_ring_tail(&pipe->ring);

	if (tail & IPCSHIM_POS_CLOSED)
		return 0;
	if (unlikely(pipe->mapped))
		return ipcshim_mapped_messages(pipe->mapped);
	return ipcshim_pos_messages(tail, ipcshim_ring_head(&pipe->ring));
}

/* The length of the next message, 0: there is none. */
static inline u32 ipcshim_pipe_next_length(struct ipcshim_pipe *pipe)
{
	if (unlikely(pipe->mapped))
		return ipcshim_ring_tail(&pipe->ring) & IPCSHIM_POS_CLOSED ? 0 :
		       ipcshim_mapped_next_length(pipe->mapped);
	return ipcshim_ring_peek(&pipe->ring);
}

/* Bytes that one read can take at most: of a message pipe the next message's. */
static inline u32 ipcshim_pipe_readable(struct ipcshim_pipe *pipe)
{
	return pipe->ring.messages ? ipcshim_pipe_next_length(pipe) :
				     ipcshim_pipe_used(pipe);
}

#endif /* _IPCSHIM_PIPE_H */
