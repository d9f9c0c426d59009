// SPDX-License-Identifier: MIT
#include "mapped_ring.h"

#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

uint32_t record_bytes(uint32_t length)
{
	return (uint32_t)sizeof(struct ipcshim_record) + (length + 7) / 8 * 8;
}

static bool map_part(const struct mapped_side *side, size_t offset, size_t size, int protection)
{
	return mmap(side->base + offset, size, protection, MAP_SHARED | MAP_FIXED, side->fd,
		    (off_t)offset) != MAP_FAILED;
}

bool mapped_map(struct mapped_side *side, int fd, bool sender, bool messages)
{
	struct ipcshim_pipe_info info = { 0 };
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	size_t size;
	void *base;

	side->base = NULL;
	if (ioctl(fd, IPCSHIM_PIPE_INFO, &info))
		return false;
	size = 2 * page + 2 * info.area;
	base = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
	if (base == MAP_FAILED)
		return false;
	*side = (struct mapped_side){
		.fd = fd,
		.sender = sender,
		.messages = messages,
		.area = (uint32_t)info.area,
		.page = page,
		.base = base,
	};
	side->mine = (void *)(side->base + (sender ? 0 : page));
	side->other = (void *)(side->base + (sender ? page : 0));
	side->data = side->base + 2 * page;
	if (map_part(side, sender ? 0 : page, page, PROT_READ | PROT_WRITE) &&
	    (!sender || map_part(side, 2 * page, 2 * info.area, PROT_READ | PROT_WRITE)))
		return true;
	munmap(base, size);
	side->base = NULL;
	return false;
}

void mapped_unmap(struct mapped_side *side)
{
	if (side->base)
		munmap(side->base, 2 * side->page + 2 * (size_t)side->area);
	side->base = NULL;
}

/* [H1], [T1], [S2] of the header's drawing, and the call that it asks for. */
static void publish(const struct mapped_side *side, uint64_t position)
{
	struct ipcshim_pipe_wake wake = { 0 };
	uint64_t there;
	uint32_t wanted;

	if (side->messages)
		side->mine->messages++;
	__atomic_store_n(&side->mine->position, position, __ATOMIC_RELEASE);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	wanted = __atomic_load_n(&side->other->wake, __ATOMIC_RELAXED);
	there = __atomic_load_n(&side->other->position, __ATOMIC_RELAXED);
	there = side->sender ? position - there : side->area - (there - position);
	if (wanted && wanted <= there)
		ioctl(side->fd, IPCSHIM_PIPE_WAKE, &wake);
}

int mapped_put(const struct mapped_side *side, const void *bytes, uint32_t size)
{
	uint64_t head = side->mine->position;
	uint64_t used = head - __atomic_load_n(&side->other->position, __ATOMIC_ACQUIRE);
	uint32_t need = side->messages ? record_bytes(size) : size;
	unsigned char *to = side->data + head % side->area;

	if (used > side->area || (side->messages && used % 8))
		return -EPROTO;
	if (side->area - used < need)
		return 0;
	if (side->messages) {
		*(struct ipcshim_record *)to = (struct ipcshim_record){ .length = size };
		to += sizeof(struct ipcshim_record);
	}
	memcpy(to, bytes, size);
	publish(side, head + need);
	return (int)size;
}

int mapped_take(const struct mapped_side *side, void *bytes, uint32_t size)
{
	uint64_t tail = side->mine->position;
	uint64_t used = __atomic_load_n(&side->other->position, __ATOMIC_ACQUIRE) - tail;
	const unsigned char *from = side->data + tail % side->area;
	uint64_t taken;

	if (used > side->area || (side->messages && used % 8))
		return -EPROTO;
	if (!used)
		return 0;
	if (!side->messages) {
		taken = used < size ? used : size;
		size = (uint32_t)taken;
	} else {
		const struct ipcshim_record *record = (const void *)from;
		/* Once: it may change at any time. */
		uint32_t length = __atomic_load_n(&record->length, __ATOMIC_RELAXED);

		if (!length || length > IPCSHIM_MESSAGE_MAX || record_bytes(length) > used)
			return -EPROTO;
		from += sizeof(*record);
		taken = record_bytes(length);
		size = length < size ? length : size;
	}
	memcpy(bytes, from, size);
	publish(side, tail + taken);
	return (int)size;
}
