// SPDX-License-Identifier: GPL-2.0-only
/*
 * Batches of a mapped pipe, see struct ipcshim_ring_cursor.  Between the look at
 * the positions and the commit, the cursor is all that is believed.
 */
#include <linux/minmax.h>
#include <linux/uaccess.h>

#include "mapped.h"
#include "pipe.h"

int ipcshim_mapped_begin(struct ipcshim_mapped *mapped, int side,
			 struct ipcshim_ring_cursor *cursor)
{
	struct ipcshim_mapped_view view;
	int err = ipcshim_mapped_view(mapped, &view);

	*cursor = (struct ipcshim_ring_cursor) {
		.from = side == IPCSHIM_SENDER ? view.head : view.tail,
		.pos = side == IPCSHIM_SENDER ? view.head : view.tail,
		.limit = side == IPCSHIM_SENDER ? view.tail : view.head,
	};
	return err;
}

int ipcshim_mapped_look_again(struct ipcshim_mapped *mapped, int side,
			      struct ipcshim_ring_cursor *cursor)
{
	struct ipcshim_ring_cursor now;
	int err = ipcshim_mapped_begin(mapped, side, &now);
	u64 ahead;

	if (err)
		return err;
	/* What is at the cursor already lies between the two as well. */
	ahead = side == IPCSHIM_SENDER ? cursor->pos - now.limit :
					 now.limit - cursor->pos;
	if (now.from != cursor->from || ahead > mapped->area)
		return -EPROTO;
	cursor->limit = now.limit;
	return 0;
}

u32 ipcshim_mapped_put_run(struct ipcshim_mapped *mapped,
			   struct ipcshim_ring_cursor *cursor,
			   struct ipcshim_batch_entry *entries, u32 nr, int *why)
{
	u32 put, size, room;
	u8 *to;

	for (*why = 0, put = 0; put < nr; put++) {
		size = entries[put].size;
		entries[put].moved = size;
		if (!size)
			continue;
		if (size > IPCSHIM_MESSAGE_MAX) {
			*why = -EMSGSIZE;
			break;
		}
		room = mapped->area - (u32)(cursor->pos - cursor->limit);
		if (ipcshim_record_bytes(size) > room) {
			*why = -ENOBUFS;
			break;
		}
		to = mapped->data + ipcshim_mapped_offset(mapped, cursor->pos);
		*(struct ipcshim_record *)to = (struct ipcshim_record) {
			.length = size,
		};
		if (ipcshim_copy_from_user(to + sizeof(struct ipcshim_record),
					   u64_to_user_ptr(entries[put].buffer),
					   size)) {
			*why = -EFAULT;
			break;
		}
		cursor->pos += ipcshim_record_bytes(size);
		cursor->messages++;
	}
	return put;
}

u32 ipcshim_mapped_get_run(struct ipcshim_mapped *mapped,
			   struct ipcshim_ring_cursor *cursor,
			   struct ipcshim_batch_entry *entries, u32 nr, int *why)
{
	struct ipcshim_mapped_view view;
	u32 got, length;
	const u8 *from;

	for (*why = 0, got = 0; got < nr; got++) {
		view = (struct ipcshim_mapped_view) {
			.head = cursor->limit,
			.tail = cursor->pos,
			.used = cursor->limit - cursor->pos,
		};
		*why = view.used ?
		       ipcshim_mapped_record(mapped, &view, &length) : -ENOBUFS;
		if (*why)
			break;
		if (length > entries[got].size) {
			*why = -EMSGSIZE;
			break;
		}
		from = mapped->data + ipcshim_mapped_offset(mapped, cursor->pos) +
		       sizeof(struct ipcshim_record);
		if (ipcshim_copy_to_user(u64_to_user_ptr(entries[got].buffer),
					 from, length)) {
			*why = -EFAULT;
			break;
		}
		entries[got].moved = length;
		cursor->pos += ipcshim_record_bytes(length);
		cursor->messages++;
	}
	return got;
}

int ipcshim_mapped_commit(struct ipcshim_mapped *mapped, int side,
			  struct ipcshim_ring_cursor *cursor)
{
	int err = ipcshim_mapped_publish(mapped, side, cursor->from,
					 cursor->pos - cursor->from,
					 cursor->messages);

	if (!err) {
		cursor->from = cursor->pos;
		cursor->messages = 0;
	}
	return err;
}
