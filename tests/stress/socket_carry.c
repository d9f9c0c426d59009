// SPDX-License-Identifier: MIT
/* What travels in messages: it is what it was, and no socket travels in itself. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "socket_actor.h"

uint64_t inode_of(int fd)
{
	struct stat status;

	if (fstat(fd, &status))
		wrong("fstat of a descriptor of ours: %s", strerror(errno));
	return (uint64_t)status.st_ino;
}

static void keep_pipe(struct actor *actor, int fd)
{
	int *place = &actor->pipes[below(&actor->random, PIPES_MAX)];

	if (*place >= 0)
		close(*place);
	*place = fd;
}

static struct held_segment *keep_segment(struct actor *actor, int fd, uint64_t length,
					 uint64_t word)
{
	struct held_segment *place = &actor->segments[below(&actor->random, SEGMENTS_MAX)];

	if (place->fd >= 0)
		close(place->fd);
	*place = (struct held_segment){ fd, length, word };
	return place;
}

void make_pipe(struct actor *actor)
{
	struct ipcshim_open_pipe args = { .direction = IPCSHIM_END_SENDER,
					  .mode = IPCSHIM_PIPE_RAW,
					  .flags = IPCSHIM_OPEN_NONBLOCK };

	if (ioctl(actor->port, IPCSHIM_OPEN_PIPE, &args))
		return count(actor, REFUSED);
	keep_pipe(actor, args.fd);
	keep_pipe(actor, args.peer_fd);
}

void make_segment(struct actor *actor)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	struct ipcshim_create_mem args = { .length = page };
	uint64_t word = next_random(&actor->random) | 1;
	uint64_t *address;

	if (ioctl(actor->port, IPCSHIM_CREATE_MEM, &args))
		return count(actor, REFUSED);
	address = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_SHARED, args.fd, 0);
	if (address == MAP_FAILED) {
		close(args.fd);
		return count(actor, REFUSED);
	}
	*address = word;
	munmap(address, page);
	keep_segment(actor, args.fd, args.length, word);
}

/* Another holder may have handed it on by now: a copy by the kernel says so. */
static void expect_word(int fd, uint64_t length, uint64_t expected)
{
	void *address = mmap(NULL, (size_t)length, PROT_READ, MAP_SHARED, fd, 0);
	uint64_t word;
	int ends[2];

	if (address == MAP_FAILED)
		return;
	if (pipe2(ends, O_CLOEXEC) == 0) {
		if (write(ends[1], address, sizeof(word)) == sizeof(word) &&
		    read(ends[0], &word, sizeof(word)) == sizeof(word) && word != expected)
			wrong("a segment that was handed over is another one");
		close(ends[0]);
		close(ends[1]);
	}
	munmap(address, (size_t)length);
}

static bool has(const struct cargo *cargo, int fd)
{
	for (unsigned int i = 0; i < cargo->count; i++)
		if (cargo->descriptors[i].fd == fd)
			return true;
	return false;
}

static void add(struct cargo *cargo, struct stamp *stamp, struct ipcshim_descriptor descriptor,
		struct carried_stamp carried)
{
	stamp->carried[cargo->count] = carried;
	cargo->segments[cargo->count] = NULL;
	cargo->descriptors[cargo->count++] = descriptor;
}

static void add_segment(struct actor *actor, struct cargo *cargo, struct stamp *stamp)
{
	struct held_segment *segment = &actor->segments[below(&actor->random, SEGMENTS_MAX)];
	struct ipcshim_descriptor descriptor = {
		.fd = segment->fd,
		.mode = IPCSHIM_MEM_MUTUAL,
		.rights = IPCSHIM_RIGHT_READ,
	};
	struct carried_stamp carried = { .inode = segment->length, .kind = IPCSHIM_KIND_SEGMENT };

	if (segment->fd < 0 || has(cargo, segment->fd))
		return;
	if (below(&actor->random, 3)) {
		descriptor.mode = IPCSHIM_MEM_EXCLUSIVE;
		descriptor.rights |= IPCSHIM_RIGHT_WRITE;
		carried.word = segment->word;
	}
	carried.mode = descriptor.mode;
	add(cargo, stamp, descriptor, carried);
	if (descriptor.mode == IPCSHIM_MEM_EXCLUSIVE)
		cargo->segments[cargo->count - 1] = segment;
}

static void add_socket(struct actor *actor, struct cargo *cargo, struct stamp *stamp)
{
	struct held_socket *socket = &actor->sockets[below(&actor->random, SOCKETS_MAX)];

	if (socket->fd < 0)
		return;
	/* Before others know of it. */
	socket->alone = false;
	add(cargo, stamp, (struct ipcshim_descriptor){ .fd = socket->fd },
	    (struct carried_stamp){ .inode = socket->inode, .kind = IPCSHIM_KIND_SOCKET });
}

void choose_cargo(struct actor *actor, struct cargo *cargo, struct stamp *stamp)
{
	unsigned int wanted = below(&actor->random, 4) ? 0 : 1 + below(&actor->random, CARRIED_MAX);

	cargo->count = 0;
	for (unsigned int i = 0; i < wanted; i++) {
		int end = actor->pipes[below(&actor->random, PIPES_MAX)];

		switch (below(&actor->random, 3)) {
		case 0:
			if (end >= 0)
				add(cargo, stamp, (struct ipcshim_descriptor){ .fd = end },
				    (struct carried_stamp){ .inode = inode_of(end),
							    .kind = IPCSHIM_KIND_PIPE });
			break;
		case 1:
			add_segment(actor, cargo, stamp);
			break;
		default:
			add_socket(actor, cargo, stamp);
		}
	}
	stamp->nr_carried = (uint16_t)cargo->count;
}

void cargo_gone(struct cargo *cargo)
{
	for (unsigned int i = 0; i < cargo->count; i++) {
		struct held_segment *segment = cargo->segments[i];

		if (!segment)
			continue;
		close(segment->fd);
		segment->fd = -1;
	}
}

static void take(struct actor *actor, const struct carried_stamp *stamp, bool stamped,
		 const struct ipcshim_descriptor *came)
{
	uint64_t told = came->kind == IPCSHIM_KIND_SEGMENT ? came->length : came->inode;

	if (stamped && (came->kind != stamp->kind || (!came->error && told != stamp->inode)))
		wrong("a descriptor of kind %u came as kind %u", stamp->kind, came->kind);
	if (came->error) {
		if (came->kind != IPCSHIM_KIND_SEGMENT || came->error != ESTALE || came->fd != -1)
			wrong("a descriptor came with the error %u", came->error);
		return;
	}
	if (inode_of(came->fd) != came->inode)
		wrong("a descriptor came with another inode than its own");
	switch (came->kind) {
	case IPCSHIM_KIND_PIPE:
		count(actor, PIPE_CAME);
		keep_pipe(actor, came->fd);
		break;
	case IPCSHIM_KIND_SEGMENT:
		count(actor, SEGMENT_CAME);
		if (stamped && stamp->word)
			expect_word(came->fd, came->length, stamp->word);
		if (came->mode == IPCSHIM_MEM_EXCLUSIVE)
			keep_segment(actor, came->fd, came->length, stamped ? stamp->word : 0);
		else
			close(came->fd);
		break;
	default:
		count(actor, SOCKET_CAME);
		keep_socket(actor, came->fd, came->role, came->connection, came->inode, false);
	}
}

void take_cargo(struct actor *actor, const struct stamp *stamp, bool stamped,
		const struct ipcshim_descriptor *came, unsigned int number)
{
	for (unsigned int i = 0; i < number; i++)
		take(actor, &stamp->carried[i], stamped, &came[i]);
}

static int send_over(int by, int what)
{
	struct ipcshim_descriptor descriptor = { .fd = what };
	struct ipcshim_send_sock_msg args = {
		.message = { .status = IPCSHIM_MESSAGE_CLOSE, .nr_descriptors = 1 },
		.descriptors = (uintptr_t)&descriptor,
		.flags = IPCSHIM_SOCK_NOWAIT,
	};

	return ioctl(by, IPCSHIM_SEND_SOCK_MSG, &args) ? errno : 0;
}

/*
 * Sockets of which each waits to be read from the next one; the last one, sent to the
 * first, would close the ring.
 */
void tie_a_knot(struct actor *actor)
{
	enum { PAIRS_MAX = 5 };
	struct ipcshim_open_serv_sock pairs[PAIRS_MAX];
	unsigned int wanted = 1 + below(&actor->random, PAIRS_MAX);
	unsigned int made = 0;
	int error = 0;

	while (made < wanted) {
		pairs[made] = (struct ipcshim_open_serv_sock){ .role = IPCSHIM_ROLE_CLIENT };
		if (ioctl(actor->port, IPCSHIM_OPEN_SERV_SOCK, &pairs[made]))
			break;
		made++;
	}
	if (made == wanted) {
		for (unsigned int i = 0; i + 1 < made && !error; i++)
			error = send_over(pairs[i].fd, pairs[i + 1].peer_fd);
		if (error)
			wrong("a socket in a socket: %s", strerror(error));
		error = send_over(pairs[made - 1].fd, pairs[0].peer_fd);
		if (error != ELOOP)
			wrong("a ring of %u sockets: %s, expected ELOOP", made, strerror(error));
		count(actor, KNOTTED);
	} else {
		count(actor, REFUSED);
	}
	for (unsigned int i = 0; i < made; i++) {
		close(pairs[i].fd);
		close(pairs[i].peer_fd);
	}
}
