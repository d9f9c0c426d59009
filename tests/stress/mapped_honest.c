// SPDX-License-Identifier: MIT
#include "mapped_honest.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum {
	SIZE = 5000,
	CANARY = 0x3c,
	CANARIES = 64,
	BATCH = 4,
	PATIENCE = 1000000, /* ns, of a call with a deadline */
	HANG = 20, /* seconds: longer than any stall of a busy machine */
};

static unsigned char buffer[SIZE + CANARIES];

static bool wrong(const char *what, long value)
{
	printf("%s: %ld (errno %d, %s)\n", what, value, errno, strerror(errno));
	return false;
}

static bool may_fail_with(const struct honest *honest, int error)
{
	return error == EPROTO || error == EAGAIN || error == ETIMEDOUT ||
	       (error == EMSGSIZE && honest->side.messages && !honest->side.sender);
}

/* What a move of so many bytes of payload does to the own position. */
static uint64_t moved_by(const struct mapped_side *side, uint32_t bytes)
{
	if (!bytes)
		return 0;
	return side->messages ? record_bytes(bytes) : bytes;
}

static void into_shadow(struct honest *honest, uint64_t position, const unsigned char *bytes,
			uint32_t size)
{
	const struct mapped_side *side = &honest->side;
	struct ipcshim_record record = { .length = size };

	if (side->messages && size) {
		for (size_t i = 0; i < sizeof(record); i++)
			honest->shadow[(position + i) % side->area] = ((unsigned char *)&record)[i];
		position += sizeof(record);
	}
	for (uint32_t i = 0; i < size; i++)
		honest->shadow[(position + i) % side->area] = bytes[i];
}

/* A piece was read: nothing beyond it, and of a raw pipe only what can be in its ring. */
static bool is_from_the_ring(const struct honest *honest, const unsigned char *bytes, uint32_t moved,
			     uint32_t size)
{
	if (moved > size)
		return wrong("more was read than asked for", moved);
	for (uint32_t i = moved; i < size; i++)
		if (bytes[i] != CANARY)
			return wrong("written behind what was read, at", i);
	for (uint32_t i = 0; i < moved && !honest->side.messages; i++)
		if (bytes[i] && (bytes[i] & HOSTILE_MASK) != HOSTILE_BYTE)
			return wrong("a byte that nobody wrote into the ring", bytes[i]);
	return true;
}

/* After a call: "moved" bytes from or to "bytes", and the own position tells just that. */
static bool account(struct honest *honest, uint64_t *position, const unsigned char *bytes,
		    uint32_t moved, uint32_t size)
{
	uint64_t end = *position + moved_by(&honest->side, moved);

	if (honest->side.sender) {
		/* Padding is nobody's data: what a call that failed had begun may lie there. */
		for (uint64_t at = end - (end - *position < 8 ? end - *position : 8); at < end; at++)
			honest->shadow[at % honest->side.area] =
				honest->side.data[at % honest->side.area];
		into_shadow(honest, *position, bytes, moved);
	} else if (!is_from_the_ring(honest, bytes, moved, size)) {
		return false;
	}
	*position = end;
	if (moved)
		honest->done[HONEST_MOVED]++;
	return true;
}

static void prepare(struct honest *honest)
{
	memset(buffer, CANARY, sizeof(buffer));
	for (size_t i = 0; i < SIZE && honest->side.sender; i += 8) {
		uint64_t word = next_random(&honest->random);

		memcpy(buffer + i, &word, sizeof(word));
	}
}

static bool move_mapped(struct honest *honest, uint64_t *position, uint32_t size)
{
	const struct mapped_side *side = &honest->side;
	uint64_t before = side->mine->position;
	int moved = side->sender ? mapped_put(side, buffer, size) : mapped_take(side, buffer, size);

	if (moved == -EPROTO) {
		honest->done[HONEST_NONSENSE]++;
		return true;
	}
	if (side->sender || !side->messages)
		return account(honest, position, buffer, (uint32_t)moved, size);
	/* What was cut off counts as well: it is our own word that moved. */
	if (!is_from_the_ring(honest, buffer, (uint32_t)moved, size))
		return false;
	*position += side->mine->position - before;
	honest->done[HONEST_MOVED] += moved > 0;
	return true;
}

static bool move_by_call(struct honest *honest, uint64_t *position, uint32_t size)
{
	const struct mapped_side *side = &honest->side;
	ssize_t moved = side->sender ? write(side->fd, buffer, size) : read(side->fd, buffer, size);

	if (moved < 0 && !may_fail_with(honest, errno))
		return wrong(side->sender ? "write" : "read", moved);
	if (moved == 0)
		return wrong("the end of a pipe that is open", moved);
	honest->done[HONEST_NONSENSE] += moved < 0 && errno == EPROTO;
	return account(honest, position, buffer, moved < 0 ? 0 : (uint32_t)moved, size);
}

static bool move_by_io(struct honest *honest, uint64_t *position, uint32_t size)
{
	const struct mapped_side *side = &honest->side;
	struct ipcshim_pipe_io io = {
		.buffer = (uint64_t)(uintptr_t)buffer,
		.size = size,
		.mode = below(&honest->random, side->messages ? 2 : 3),
	};
	int result;

	if (io.mode == IPCSHIM_IO_ALL)
		io.deadline = soon(&honest->random, PATIENCE);
	result = ioctl(side->fd, side->sender ? IPCSHIM_PIPE_WRITE : IPCSHIM_PIPE_READ, &io);
	if (result && !may_fail_with(honest, errno))
		return wrong("PIPE_READ or PIPE_WRITE", result);
	honest->done[HONEST_NONSENSE] += result && errno == EPROTO;
	return account(honest, position, buffer, (uint32_t)io.moved, size);
}

static bool move_batch(struct honest *honest, uint64_t *position, uint32_t size)
{
	const struct mapped_side *side = &honest->side;
	struct ipcshim_batch_entry entries[BATCH] = { 0 };
	struct ipcshim_pipe_batch batch = {
		.entries = (uint64_t)(uintptr_t)entries,
		.count = BATCH,
		.mode = below(&honest->random, 3),
	};
	int result;

	size = size / BATCH < 9 ? 9 : size / BATCH;
	for (uint32_t i = 0; i < BATCH; i++) {
		entries[i].buffer = (uint64_t)(uintptr_t)(buffer + i * (uint64_t)size);
		entries[i].size = size;
	}
	if (batch.mode == IPCSHIM_IO_ALL)
		batch.deadline = soon(&honest->random, PATIENCE);
	result = ioctl(side->fd, side->sender ? IPCSHIM_WRITE_BATCH : IPCSHIM_READ_BATCH, &batch);
	if (!side->messages)
		return (result && errno == EINVAL) || wrong("a batch on a raw pipe", result);
	if (result && !may_fail_with(honest, errno))
		return wrong("a batch", result);
	honest->done[HONEST_NONSENSE] += result && errno == EPROTO;
	if (batch.moved > BATCH)
		return wrong("messages moved, of four", batch.moved);
	/* "moved" of the others is anything: FAIL finds out late that not all can move. */
	for (uint32_t i = 0; i < batch.moved; i++) {
		if (!entries[i].moved)
			return wrong("a message of a batch moved, and has no length:", i);
		if (!account(honest, position, buffer + i * (uint64_t)size, entries[i].moved, size))
			return false;
	}
	return true;
}

static bool wait_for_it(struct honest *honest)
{
	const struct mapped_side *side = &honest->side;
	struct ipcshim_pipe_wait wait = { .need = 1 + below(&honest->random, side->area) };
	int result;

	if (below(&honest->random, 3))
		wait.deadline = soon(&honest->random, PATIENCE);
	else
		wait.flags = IPCSHIM_WAIT_NOWAIT;
	result = ioctl(side->fd, IPCSHIM_PIPE_WAIT, &wait);
	if (result && !may_fail_with(honest, errno))
		return wrong("PIPE_WAIT", result);
	honest->done[HONEST_NONSENSE] += result && errno == EPROTO;
	return true;
}

/* And what tells about a pipe: any answer will do. */
static bool poll_it(struct honest *honest)
{
	const struct mapped_side *side = &honest->side;
	struct pollfd polled = { side->fd, side->sender ? POLLOUT : POLLIN, 0 };
	struct ipcshim_pipe_info info = { 0 };
	int bytes = 0;

	if (poll(&polled, 1, (int)below(&honest->random, 2)) < 0)
		return wrong("poll", -1);
	if (polled.revents & ~(POLLIN | POLLOUT | POLLERR))
		return wrong("events of poll", polled.revents);
	if (ioctl(side->fd, IPCSHIM_PIPE_INFO, &info) && errno != EPROTO)
		return wrong("PIPE_INFO", -1);
	if (info.bytes_waiting > side->area || info.bytes_free > info.capacity)
		return wrong("more in the pipe than it holds", (long)info.bytes_waiting);
	if (ioctl(side->fd, FIONREAD, &bytes) == 0 && (bytes < 0 || (uint32_t)bytes > side->area))
		return wrong("FIONREAD", bytes);
	return true;
}

/*
 * All that was written, but for a little behind the head: there a call may have begun what did not
 * move then.
 */
static bool data_is_intact(const struct honest *honest, uint64_t head)
{
	const struct mapped_side *side = &honest->side;
	uint32_t begun = 2 * SIZE;
	uint32_t start = (uint32_t)((head + begun) % side->area);
	uint32_t left = side->area - begun;
	uint32_t to_end = side->area - start < left ? side->area - start : left;

	return memcmp(side->data + start, honest->shadow + start, to_end) == 0 &&
	       memcmp(side->data, honest->shadow, left - to_end) == 0;
}

/* What is ours: nobody else has written there. */
static bool own_is_intact(const struct honest *honest, uint64_t position)
{
	const struct mapped_side *side = &honest->side;

	if (side->mine->position != position)
		return wrong("the own position is off by", (long)(side->mine->position - position));
	if (side->mine->closed)
		return wrong("the own end is said to be closed", side->mine->closed);
	if (side->sender && honest->looks % 32 == 0 && !data_is_intact(honest, position))
		return wrong("the own data changed", 0);
	for (uint32_t i = 0; i < CANARIES; i++)
		if (buffer[SIZE + i] != CANARY)
			return wrong("written behind the buffer", i);
	return true;
}

bool act_honest(struct honest *honest)
{
	static bool (*const moves[])(struct honest *, uint64_t *, uint32_t) = {
		[HONEST_MAPPED] = move_mapped,
		[HONEST_CALL] = move_by_call,
		[HONEST_IO] = move_by_io,
		[HONEST_BATCH] = move_batch,
	};
	uint64_t position = honest->side.mine->position;
	uint32_t size = 1 + below(&honest->random, below(&honest->random, 3) ? 200 : SIZE);
	enum honest_deed deed = below(&honest->random, HONEST_POLL + 1);
	uint64_t started = now();
	bool right;

	prepare(honest);
	honest->looks++;
	honest->done[deed]++;
	if (deed == HONEST_POLL)
		right = poll_it(honest);
	else if (deed == HONEST_WAIT)
		right = wait_for_it(honest);
	else
		right = moves[deed](honest, &position, size);
	if (right && now() - started > HANG * 1000000000ULL)
		right = wrong("a call with a deadline hung, seconds", (long)((now() - started) / 1000000000));
	if (!right || !own_is_intact(honest, position)) {
		printf("in deed %d of a %s, %s\n", (int)deed, honest->side.sender ? "sender" : "receiver",
		       honest->side.messages ? "messages" : "raw");
		return false;
	}
	return true;
}
