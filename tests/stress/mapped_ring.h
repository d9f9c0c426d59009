/* SPDX-License-Identifier: MIT */
/* One side of a mapped pipe by the protocol of the header, and every check it asks for. */
#ifndef IPCSHIM_TESTS_STRESS_MAPPED_RING_H
#define IPCSHIM_TESTS_STRESS_MAPPED_RING_H

#include <linux/ipcshim.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct mapped_side {
	int fd;
	bool sender;
	bool messages;
	uint32_t area;
	size_t page;
	unsigned char *base; /* NULL: not mapped */
	struct ipcshim_mapped_index *mine;
	const struct ipcshim_mapped_index *other;
	unsigned char *data;
};

/* Maps an end.  False, with errno: refused. */
bool mapped_map(struct mapped_side *side, int fd, bool sender, bool messages);
void mapped_unmap(struct mapped_side *side);

/* What a message takes in the data area. */
uint32_t record_bytes(uint32_t length);

/*
 * One piece or one message, put or taken by user space alone, PIPE_WAKE where the other side
 * asked for it.  The bytes of payload; 0: no room, or nothing there (a record that is longer than
 * "size" is taken, and its end dropped); -EPROTO: the other side's index or record is nonsense.
 */
int mapped_put(const struct mapped_side *side, const void *bytes, uint32_t size);
int mapped_take(const struct mapped_side *side, void *bytes, uint32_t size);

#endif
