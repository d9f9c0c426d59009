// SPDX-License-Identifier: MIT
/* Mapped pipes by hand; see mapped.h. */
#include "mapped.h"

#include <errno.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "harness.h"

struct ipcshim_open_pipe mapped_args(unsigned int mode, unsigned int units)
{
	struct ipcshim_open_pipe args = open_args();

	args.flags = IPCSHIM_OPEN_MAPPED;
	args.mode = (uint16_t)mode;
	args.capacity = (uint16_t)units;
	return args;
}

struct ends mapped_open(int port, unsigned int mode, unsigned int units)
{
	struct ipcshim_open_pipe args = mapped_args(mode, units);

	ASSERT_OK(ioctl(port, IPCSHIM_OPEN_PIPE, &args));
	return (struct ends){ args.fd, args.peer_fd };
}

size_t mapped_size(int end)
{
	return 2 * page_size() + 2 * (size_t)info_of(end).area;
}

int try_map(int end, uint64_t offset, size_t length, int protection, char **address)
{
	void *got = mmap(NULL, length, protection, MAP_SHARED, end, (off_t)offset);

	if (address)
		*address = got;
	return got == MAP_FAILED ? errno : 0;
}

bool is_mapped(int end)
{
	return info_of(end).flags & IPCSHIM_INFO_IS_MAPPED;
}

static void map_over(const struct ring *ring, size_t offset, size_t length)
{
	ASSERT_TRUE(mmap(ring->base + offset, length, PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_FIXED, ring->end,
			 (off_t)offset) == ring->base + offset);
}

struct ring ring_map(int end)
{
	struct ipcshim_pipe_info info = info_of(end);
	struct ring ring = { .end = end, .area = (size_t)info.area, .size = mapped_size(end) };

	ASSERT_EQ(0, try_map(end, 0, ring.size, PROT_READ, &ring.base));
	ring.producer = (struct ipcshim_mapped_index *)(void *)ring.base;
	ring.consumer = (struct ipcshim_mapped_index *)(void *)(ring.base + page_size());
	ring.data = ring.base + 2 * page_size();
	if (info.flags & IPCSHIM_INFO_SENDER) {
		map_over(&ring, 0, page_size());
		map_over(&ring, 2 * page_size(), 2 * ring.area);
	} else {
		map_over(&ring, page_size(), page_size());
	}
	return ring;
}

void ring_unmap(struct ring *ring)
{
	ASSERT_OK(munmap(ring->base, ring->size));
	ring->base = NULL;
}

struct rings rings_open(unsigned int mode, unsigned int units)
{
	struct rings rings = { .ends = mapped_open(port_open(), mode, units) };

	rings.in = ring_map(rings.ends.sender);
	rings.out = ring_map(rings.ends.receiver);
	return rings;
}

void rings_close(struct rings *rings)
{
	ring_unmap(&rings->in);
	ring_unmap(&rings->out);
	ASSERT_OK(close(rings->ends.sender));
	ASSERT_OK(close(rings->ends.receiver));
}

uint64_t position(const struct ipcshim_mapped_index *index)
{
	return __atomic_load_n(&index->position, __ATOMIC_ACQUIRE);
}

uint32_t wake_of(const struct ipcshim_mapped_index *index)
{
	return __atomic_load_n(&index->wake, __ATOMIC_RELAXED);
}

uint32_t closed_of(const struct ipcshim_mapped_index *index)
{
	return __atomic_load_n(&index->closed, __ATOMIC_ACQUIRE);
}

void wait_for_wake(const struct ipcshim_mapped_index *index, uint32_t need)
{
	while (wake_of(index) != need)
		sched_yield();
}

size_t ring_used(const struct ring *ring)
{
	uint64_t tail = position(ring->consumer);

	return (size_t)(position(ring->producer) - tail);
}

size_t ring_free(const struct ring *ring)
{
	return ring->area - ring_used(ring);
}

void set_position(struct ipcshim_mapped_index *index, uint64_t to)
{
	__atomic_store_n(&index->position, to, __ATOMIC_RELEASE);
}

static bool wake(const struct ring *ring, const struct ipcshim_mapped_index *other, size_t there)
{
	struct ipcshim_pipe_wake args = { 0 };
	uint32_t need;

	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	need = wake_of(other);
	if (!need || need > there)
		return false;
	ASSERT_OK(ioctl(ring->end, IPCSHIM_PIPE_WAKE, &args));
	return true;
}

bool producer_moves(struct ring *ring, uint64_t to)
{
	set_position(ring->producer, to);
	return wake(ring, ring->consumer, ring_used(ring));
}

bool consumer_moves(struct ring *ring, uint64_t to)
{
	set_position(ring->consumer, to);
	return wake(ring, ring->producer, ring_free(ring));
}

/* What begins in the area never wraps: the same data follows again. */
static char *place(const struct ring *ring, uint64_t at)
{
	return ring->data + (size_t)(at % ring->area);
}

bool ring_put(struct ring *ring, const void *data, size_t size)
{
	uint64_t head = position(ring->producer);

	ASSERT_TRUE(size <= ring_free(ring));
	memcpy(place(ring, head), data, size);
	return producer_moves(ring, head + size);
}

bool ring_get(struct ring *ring, void *data, size_t size)
{
	uint64_t tail = position(ring->consumer);

	ASSERT_TRUE(size <= ring_used(ring));
	memcpy(data, place(ring, tail), size);
	return consumer_moves(ring, tail + size);
}

size_t record_size(size_t size)
{
	return (RECORD + size + 7) / 8 * 8;
}

bool ring_put_message(struct ring *ring, const void *data, size_t size)
{
	uint64_t head = position(ring->producer);
	struct ipcshim_record record = { .length = (uint32_t)size };

	ASSERT_TRUE(record_size(size) <= ring_free(ring));
	memcpy(place(ring, head), &record, RECORD);
	memcpy(place(ring, head) + RECORD, data, size);
	ring->producer->messages++;
	return producer_moves(ring, head + record_size(size));
}

bool ring_get_message(struct ring *ring, void *data, size_t size)
{
	uint64_t tail = position(ring->consumer);
	struct ipcshim_record record;

	ASSERT_TRUE(record_size(size) <= ring_used(ring));
	memcpy(&record, place(ring, tail), RECORD);
	ASSERT_EQ(size, record.length);
	ASSERT_EQ(0, record.reserved);
	memcpy(data, place(ring, tail) + RECORD, size);
	ring->consumer->messages++;
	return consumer_moves(ring, tail + record_size(size));
}

struct ipcshim_pipe_wait wait_args(uint32_t need)
{
	return (struct ipcshim_pipe_wait){ .need = need };
}

struct ipcshim_pipe_wait nowait_args(uint32_t need)
{
	return (struct ipcshim_pipe_wait){ .need = need, .flags = IPCSHIM_WAIT_NOWAIT };
}

void ring_wait(const struct ring *ring, uint32_t need)
{
	struct ipcshim_pipe_wait args = wait_args(need);

	ASSERT_OK(ioctl(ring->end, IPCSHIM_PIPE_WAIT, &args));
}

struct ipcshim_pipe_batch batch_args(struct ipcshim_batch_entry *entries, uint32_t count,
				     unsigned int mode)
{
	return (struct ipcshim_pipe_batch){
		.entries = (uintptr_t)entries,
		.count = count,
		.mode = mode,
	};
}

void batch_fill(struct ipcshim_batch_entry *entries, uint32_t count, void *buffer, uint32_t size)
{
	for (uint32_t i = 0; i < count; i++)
		entries[i] = (struct ipcshim_batch_entry){
			.buffer = (uintptr_t)buffer + (uintptr_t)i * size,
			.size = size,
		};
}
