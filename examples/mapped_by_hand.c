// SPDX-License-Identifier: MIT
/*
 * A mapped pipe without the library: a stream of numbers from one process to
 * another, with system calls only to sleep and to wake.  'Mapped pipes' in
 * <linux/ipcshim.h> is the contract.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/ipcshim.h>

/* One side, mapped. */
struct side {
	int fd;
	bool sends;
	uint64_t area;
	uint64_t position;	/* mine; what the page has is for the others */
	uint64_t theirs;	/* as it was when it was checked */
	struct ipcshim_mapped_index *my_index;
	const struct ipcshim_mapped_index *their_index;
	unsigned char *data;
};

static int side_map(struct side *side, int fd)
{
	struct ipcshim_pipe_info info = { .flags = 0 };
	size_t page = (size_t)sysconf(_SC_PAGESIZE), area;
	unsigned char *all;

	if (ioctl(fd, IPCSHIM_PIPE_INFO, &info))
		return -1;
	area = (size_t)info.area;
	all = mmap(NULL, 2 * page + 2 * area, PROT_READ, MAP_SHARED, fd, 0);
	if (all == MAP_FAILED)
		return -1;
	side->fd = fd;
	side->sends = info.flags & IPCSHIM_INFO_SENDER;
	side->area = area;
	side->my_index = (void *)(side->sends ? all : all + page);
	side->their_index = (void *)(side->sends ? all + page : all);
	side->data = all + 2 * page;
	/* What is this side's to write: its index, and a sender's data. */
	if (mmap(side->my_index, page, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED,
		 fd, side->sends ? 0 : (off_t)page) == MAP_FAILED)
		return -1;
	if (side->sends &&
	    mmap(side->data, 2 * area, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED,
		 fd, (off_t)(2 * page)) == MAP_FAILED)
		return -1;
	side->position = side->my_index->position;
	side->theirs = side->position;
	return 0;
}

/* Bytes that this side may write, or read; EPROTO: there can't be as many. */
static int side_look(struct side *side, uint64_t *bytes)
{
	uint64_t used;

	side->theirs = __atomic_load_n(&side->their_index->position, __ATOMIC_ACQUIRE);
	used = side->sends ? side->position - side->theirs : side->theirs - side->position;
	if (used > side->area) {
		errno = EPROTO;
		return -1;
	}
	*bytes = side->sends ? side->area - used : used;
	return 0;
}

/* So many are written, or read: tell the other side, and wake it if it asked for that. */
static int side_advance(struct side *side, uint64_t bytes)
{
	struct ipcshim_pipe_wake wake = { .flags = 0 };
	uint64_t used, useful;
	uint32_t wanted;

	side->position += bytes;
	__atomic_store_n(&side->my_index->position, side->position, __ATOMIC_RELEASE);
	/* It says that it sleeps, then looks once more: one of the two sees the other. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	wanted = __atomic_load_n(&side->their_index->wake, __ATOMIC_RELAXED);
	used = side->sends ? side->position - side->theirs : side->theirs - side->position;
	useful = side->sends ? used : side->area - used;
	if (!wanted || wanted > useful)
		return 0;
	return ioctl(side->fd, IPCSHIM_PIPE_WAKE, &wake);
}

/* Sleep until so many can be written, or read, or the other side is gone. */
static int side_wait(struct side *side, uint32_t bytes)
{
	struct ipcshim_pipe_wait wait = { .need = bytes };

	return ioctl(side->fd, IPCSHIM_PIPE_WAIT, &wait);
}

static int send_number(struct side *side, uint64_t number)
{
	uint64_t room;

	for (;;) {
		if (__atomic_load_n(&side->their_index->closed, __ATOMIC_ACQUIRE)) {
			errno = EPIPE;
			return -1;
		}
		if (side_look(side, &room))
			return -1;
		if (room >= sizeof(number))
			break;
		if (side_wait(side, sizeof(number)))
			return -1;
	}
	/* It may begin in the area and end in its second picture. */
	memcpy(side->data + side->position % side->area, &number, sizeof(number));
	return side_advance(side, sizeof(number));
}

/* 1: a number, 0: there are no more, -1: an error. */
static int receive_number(struct side *side, uint64_t *number)
{
	uint64_t waiting;
	bool ended;

	for (;;) {
		/* First this, then what is left: what was sent before the end is there. */
		ended = __atomic_load_n(&side->their_index->closed, __ATOMIC_ACQUIRE);
		if (side_look(side, &waiting))
			return -1;
		if (waiting >= sizeof(*number))
			break;
		if (ended)
			return 0;
		if (side_wait(side, sizeof(*number)))
			return -1;
	}
	memcpy(number, side->data + side->position % side->area, sizeof(*number));
	return side_advance(side, sizeof(*number)) ? -1 : 1;
}

enum { NUMBERS = 100000 };

static int produce(int fd)
{
	struct side side;
	uint64_t number;

	if (side_map(&side, fd))
		return -1;
	for (number = 1; number <= NUMBERS; number++)
		if (send_number(&side, number))
			return -1;
	return 0;
}

static int consume(int fd)
{
	uint64_t number, sum = 0, count = 0;
	struct side side;
	int more;

	if (side_map(&side, fd))
		return -1;
	while ((more = receive_number(&side, &number)) > 0) {
		sum += number;
		count++;
	}
	printf("%llu numbers, their sum is %llu\n", (unsigned long long)count,
	       (unsigned long long)sum);
	return more || sum != (uint64_t)NUMBERS * (NUMBERS + 1) / 2 ? -1 : 0;
}

int main(void)
{
	struct ipcshim_open_pipe pipe = { .flags = IPCSHIM_OPEN_MAPPED };
	int port = open("/dev/ipcshim", O_RDWR | O_CLOEXEC);
	int result, status;
	pid_t child;

	pipe.direction = IPCSHIM_END_SENDER;
	pipe.mode = IPCSHIM_PIPE_RAW;
	if (port < 0 || ioctl(port, IPCSHIM_OPEN_PIPE, &pipe)) {
		perror("mapped_by_hand: a pipe that can be mapped");
		return 1;
	}
	/* Before anything is mapped: a child inherits no mapping. */
	child = fork();
	if (child == 0) {
		close(pipe.peer_fd);
		result = produce(pipe.fd);
		if (result)
			perror("mapped_by_hand: produce");
		return result ? 1 : 0;
	}
	close(pipe.fd);	/* or there would be no end, with a sender of our own */
	result = consume(pipe.peer_fd);
	if (result)
		perror("mapped_by_hand: consume");
	if (child < 0 || waitpid(child, &status, 0) != child)
		return 1;
	return result || status ? 1 : 0;
}
