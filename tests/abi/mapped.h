/* SPDX-License-Identifier: MIT */
/*
 * Mapped pipes by hand: what a program does that maps an end, without the library.
 * Written from the drawing in the header, and from nothing else.
 */
#ifndef IPCSHIM_TESTS_ABI_MAPPED_H
#define IPCSHIM_TESTS_ABI_MAPPED_H

#include "memory.h"

enum {
	RAW = IPCSHIM_PIPE_RAW,
	MESSAGE = IPCSHIM_PIPE_MESSAGE,
	RECORD = sizeof(struct ipcshim_record),
};

/* An end as it is mapped here. */
struct ring {
	int end;
	size_t area; /* bytes of the data, once */
	size_t size; /* of the mapping */
	char *base;
	struct ipcshim_mapped_index *producer;
	struct ipcshim_mapped_index *consumer;
	char *data;
};

/* Both ends of a pipe, in this process. */
struct rings {
	struct ends ends;
	struct ring in; /* the sender's */
	struct ring out; /* the receiver's */
};

struct ipcshim_open_pipe mapped_args(unsigned int mode, unsigned int units);
struct ends mapped_open(int port, unsigned int mode, unsigned int units);
size_t mapped_size(int end); /* of everything that mmap gives */
/* One mmap, MAP_SHARED: 0 or an errno; the address, if not NULL, comes out. */
int try_map(int end, uint64_t offset, size_t length, int protection, char **address);
bool is_mapped(int end);

/* All of it, "rw" what this end may write. */
struct ring ring_map(int end);
void ring_unmap(struct ring *ring);
struct rings rings_open(unsigned int mode, unsigned int units);
void rings_close(struct rings *rings);

uint64_t position(const struct ipcshim_mapped_index *index);
uint32_t wake_of(const struct ipcshim_mapped_index *index);
uint32_t closed_of(const struct ipcshim_mapped_index *index);
void wait_for_wake(const struct ipcshim_mapped_index *index, uint32_t need);
size_t ring_used(const struct ring *ring);
size_t ring_free(const struct ring *ring);

/*
 * What either side does: there is room, or data, for it.  They say whether the
 * other side was to be woken, which they did.
 */
bool ring_put(struct ring *ring, const void *data, size_t size);
bool ring_get(struct ring *ring, void *data, size_t size);
bool ring_put_message(struct ring *ring, const void *data, size_t size);
bool ring_get_message(struct ring *ring, void *data, size_t size); /* of that size */
/* What a message takes of the area. */
size_t record_size(size_t size);
/* Publish a position, as those do. */
bool producer_moves(struct ring *ring, uint64_t to);
bool consumer_moves(struct ring *ring, uint64_t to);
/* Any position, with nobody told. */
void set_position(struct ipcshim_mapped_index *index, uint64_t to);

struct ipcshim_pipe_wait wait_args(uint32_t need);
struct ipcshim_pipe_wait nowait_args(uint32_t need);
/* PIPE_WAIT until then; has to succeed. */
void ring_wait(const struct ring *ring, uint32_t need);

/* A batch of messages of one size each, one after another in "buffer". */
struct ipcshim_pipe_batch batch_args(struct ipcshim_batch_entry *entries, uint32_t count,
				     unsigned int mode);
void batch_fill(struct ipcshim_batch_entry *entries, uint32_t count, void *buffer, uint32_t size);

#endif
