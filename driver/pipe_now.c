// SPDX-License-Identifier: GPL-2.0-only
/*
 * What can be done at once.  Most reads and writes find their turn free, and their
 * room or data there, whole: for these there is one straight path, without what
 * waiting, pieces and answers about failures need.  Where anything is in the way
 * it ends with nothing done, and the long way (pipe_io.c) finds out what it was.
 */
#include "direct.h"
#include "pipe.h"
#include "pipe_io.h"
#include "ring_now.h"

/* Longer copies have to let others run, and may have better ways to go. */
#define NOW_MAX		IPCSHIM_MESSAGE_MAX

/* Let go of a turn after an index moved: with one barrier for both. */
static __always_inline void end_moved(struct ipcshim_end *end,
				      struct ipcshim_end *peer)
{
	bool free = ipcshim_turn_free(&end->turn);

	/* [S2] of pipe_io.c, and that of ipcshim_turn_release(). */
	smp_mb();
	if (ipcshim_end_awaited(peer))
		ipcshim_end_wake(peer);
	if (free && ipcshim_turn_wanted(&end->turn))
		ipcshim_end_wake_polls(end);
}

static __always_inline u32
write_now(struct ipcshim_pipe *pipe, const void __user *from, size_t size)
{
	struct ipcshim_end *sender = &pipe->ends[IPCSHIM_SENDER];

	BUILD_BUG_ON(IPCSHIM_DIRECT_MIN < NOW_MAX);
	if (unlikely(size - 1 >= NOW_MAX ||
		     !ipcshim_turn_take_now(&sender->turn)))
		return 0;
	if (unlikely(!ipcshim_ring_put_now(&pipe->ring, from, size))) {
		ipcshim_end_release(sender);
		return 0;
	}
	end_moved(sender, &pipe->ends[IPCSHIM_RECEIVER]);
	return size;
}

/*
 * Read turn.  A reader that found nothing, and would be content with anything,
 * sleeps in its turn.  False: something else is in the way, or came in between.
 */
static noinline bool receiver_wait(struct ipcshim_pipe *pipe, size_t size)
{
	/* There are better ways for a mapped one, and for much. */
	if (pipe->mapped || size >= IPCSHIM_DIRECT_MIN)
		return false;
	return !ipcshim_end_wait(&pipe->ends[IPCSHIM_RECEIVER], 1, 0);
}

static __always_inline u32
read_now(struct ipcshim_pipe *pipe, void __user *to, size_t size, bool partial,
	 bool wait)
{
	struct ipcshim_end *receiver = &pipe->ends[IPCSHIM_RECEIVER];
	u32 moved;

	if (unlikely(!size || !ipcshim_turn_take_now(&receiver->turn)))
		return 0;
	moved = ipcshim_ring_get_now(&pipe->ring, to, size,
				     partial ? 1 : size, NOW_MAX);
	if (unlikely(!moved) && wait && receiver_wait(pipe, size))
		moved = ipcshim_ring_get_now(&pipe->ring, to, size, 1, NOW_MAX);
	if (unlikely(!moved)) {
		ipcshim_end_release(receiver);
		return 0;
	}
	end_moved(receiver, &pipe->ends[IPCSHIM_SENDER]);
	return moved;
}

u32 ipcshim_pipe_write_now(struct ipcshim_pipe *pipe, const void __user *from,
			   size_t size)
{
	return write_now(pipe, from, size);
}

u32 ipcshim_pipe_read_now(struct ipcshim_pipe *pipe, void __user *to,
			  size_t size, bool partial)
{
	return read_now(pipe, to, size, partial, false);
}

/* The caller's memory, if it is in one piece; else NULL. */
static void __user *iter_piece(const struct iov_iter *iter)
{
	if (iter_is_ubuf(iter))
		return iter->ubuf + iter->iov_offset;
	if (iter_is_iovec(iter) && iter->nr_segs == 1)
		return iter_iov_addr(iter);
	return NULL;
}

/* What did not fit before is written now; see poll. */
static inline void wants_no_more(struct ipcshim_end_file *end_file)
{
	if (unlikely(end_file->want))
		WRITE_ONCE(end_file->want, 0);
}

ssize_t ipcshim_sender_write_iter_now(struct kiocb *iocb, struct iov_iter *from)
{
	struct ipcshim_end_file *end_file = iocb->ki_filp->private_data;
	const void __user *piece = iter_piece(from);
	u32 moved = 0;

	if (likely(piece))
		moved = write_now(ipcshim_sender_pipe(end_file->end), piece,
				  iov_iter_count(from));
	if (unlikely(!moved))
		return ipcshim_sender_write(iocb, from);
	iov_iter_advance(from, moved);
	wants_no_more(end_file);
	return moved;
}

ssize_t ipcshim_receiver_read_iter_now(struct kiocb *iocb, struct iov_iter *to)
{
	struct ipcshim_end_file *end_file = iocb->ki_filp->private_data;
	void __user *piece = iter_piece(to);
	u32 moved = 0;

	if (likely(piece))
		moved = read_now(ipcshim_receiver_pipe(end_file->end), piece,
				 iov_iter_count(to), true, false);
	if (unlikely(!moved))
		return ipcshim_receiver_read(iocb, to);
	iov_iter_advance(to, moved);
	return moved;
}

/*
 * read(2) and write(2) themselves: what the others need is not made before it is
 * known to be needed.
 */
static noinline ssize_t sender_write_long(struct file *file,
					  const char __user *buffer, size_t size)
{
	struct iov_iter from;
	struct kiocb iocb;

	init_sync_kiocb(&iocb, file);
	iov_iter_ubuf(&from, WRITE, (char __user *)buffer, size);
	return ipcshim_sender_write(&iocb, &from);
}

ssize_t ipcshim_sender_write_now(struct file *file, const char __user *buffer,
				 size_t size, loff_t *position)
{
	struct ipcshim_end_file *end_file = file->private_data;
	u32 moved;

	moved = write_now(ipcshim_sender_pipe(end_file->end), buffer, size);
	if (unlikely(!moved))
		return sender_write_long(file, buffer, size);
	wants_no_more(end_file);
	return moved;
}

static noinline ssize_t receiver_read_long(struct file *file,
					   char __user *buffer, size_t size)
{
	struct iov_iter to;
	struct kiocb iocb;

	init_sync_kiocb(&iocb, file);
	iov_iter_ubuf(&to, READ, buffer, size);
	return ipcshim_receiver_read(&iocb, &to);
}

ssize_t ipcshim_receiver_read_now(struct file *file, char __user *buffer,
				  size_t size, loff_t *position)
{
	struct ipcshim_end_file *end_file = file->private_data;
	u32 moved;

	moved = read_now(ipcshim_receiver_pipe(end_file->end), buffer, size,
			 true, !(file->f_flags & O_NONBLOCK));
	return likely(moved) ? moved : receiver_read_long(file, buffer, size);
}
