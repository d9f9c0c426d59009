// SPDX-License-Identifier: MIT
/*
 * One process of a round.  Whatever a call answers is fine here, other processes
 * die at any moment.  What counts is what is left at the end, and that a page
 * which one process has alone changes by nobody else.
 */
#include "memory_actor.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

enum { HELD_MAX = 8 };

struct held {
	int fd; /* -1: free, or only the mapping is left */
	int dmabuf; /* -1: none */
	int pipe[2]; /* of a pinned page; -1: none */
	size_t size;
	char *address; /* NULL: not mapped */
	uint16_t rights;
	bool alone; /* as far as it knows, nobody else can write */
	uint64_t stamp; /* on its first page, 0: none yet */
};

struct actor {
	struct memory_stage *stage;
	uint64_t random;
	size_t page;
	int port;
	bool child; /* of an actor: it shares all of its files */
	struct held held[HELD_MAX];
};

static sigjmp_buf resume;

static void on_fault(int number)
{
	siglongjmp(resume, number);
}

static void count(struct actor *actor, enum deed deed)
{
	__atomic_fetch_add(&actor->stage->done[deed], 1, __ATOMIC_RELAXED);
}

static void let_go(struct held *held)
{
	if (held->fd >= 0)
		close(held->fd);
	if (held->dmabuf >= 0)
		close(held->dmabuf);
	if (held->pipe[0] >= 0) {
		close(held->pipe[0]);
		close(held->pipe[1]);
	}
	if (held->address)
		munmap(held->address, held->size);
	*held = (struct held){ .fd = -1, .dmabuf = -1, .pipe = { -1, -1 } };
}

static struct held *keep(struct actor *actor, int fd, size_t size, uint16_t rights, bool alone)
{
	struct held *held = &actor->held[below(&actor->random, HELD_MAX)];

	let_go(held);
	held->fd = fd;
	held->size = size;
	held->rights = rights;
	held->alone = alone;
	return held;
}

static void map(struct actor *actor, struct held *held)
{
	int protection = PROT_READ | (held->rights & IPCSHIM_RIGHT_WRITE ? PROT_WRITE : 0);
	int flags = MAP_SHARED | (below(&actor->random, 4) ? 0 : MAP_POPULATE);
	void *address;

	if (held->address || held->fd < 0)
		return;
	address = mmap(NULL, held->size, protection, flags, held->fd, 0);
	if (address != MAP_FAILED)
		held->address = address;
}

/* Mostly a few pages; now and then enough for large ones. */
static size_t any_size(struct actor *actor)
{
	if (!below(&actor->random, 32))
		return (size_t)(1 + below(&actor->random, 2)) << 21;
	return (1 + below(&actor->random, 16)) * actor->page;
}

static void create(struct actor *actor)
{
	struct ipcshim_create_mem args = {
		.length = any_size(actor),
		.flags = below(&actor->random, 3) ? 0 : IPCSHIM_MEM_SMALL_PAGES,
	};

	if (ioctl(actor->port, IPCSHIM_CREATE_MEM, &args))
		return count(actor, REFUSED);
	count(actor, CREATED);
	map(actor, keep(actor, args.fd, (size_t)args.length,
			IPCSHIM_RIGHT_READ | IPCSHIM_RIGHT_WRITE, true));
}

static void adopt(struct actor *actor)
{
	struct ipcshim_adopt_mem args = { .length = any_size(actor) };
	struct held *held;
	char *address = mmap(NULL, (size_t)args.length, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (address == MAP_FAILED)
		return count(actor, REFUSED);
	for (size_t place = 0; place < args.length; place += actor->page)
		address[place] = (char)place;
	args.address = (uintptr_t)address;
	if (ioctl(actor->port, IPCSHIM_ADOPT_MEM, &args)) {
		munmap(address, (size_t)args.length);
		return count(actor, REFUSED);
	}
	count(actor, ADOPTED);
	held = keep(actor, args.fd, (size_t)args.length, IPCSHIM_RIGHT_READ | IPCSHIM_RIGHT_WRITE,
		    true);
	held->address = address;
}

static void share(struct actor *actor, struct held *held)
{
	struct ipcshim_share_mem args = {
		.pid = any_pid(&actor->stage->cast, &actor->random),
		.mode = IPCSHIM_MEM_EXCLUSIVE,
		.rights = IPCSHIM_RIGHT_READ | IPCSHIM_RIGHT_WRITE,
	};
	enum deed deed = HANDED_OVER;

	if (!below(&actor->random, 8))
		args.flags = IPCSHIM_SHARE_SKIP; /* a token that nobody claims */
	if (!below(&actor->random, 5)) {
		args.mode = IPCSHIM_MEM_MUTUAL;
		deed = SHARED;
		/* Before they know of it. */
		held->alone = false;
	} else if (below(&actor->random, 2)) {
		args.flags |= IPCSHIM_SHARE_LEND;
		args.deadline = below(&actor->random, 2) ? soon(&actor->random, 20000000) : 0;
		deed = LENT;
	}
	count(actor, args.pid && ioctl(held->fd, IPCSHIM_SHARE_MEM, &args) == 0 ? deed : REFUSED);
}

static void take_back(struct actor *actor, struct held *held)
{
	struct ipcshim_unshare_mem args = { 0 };

	if (ioctl(held->fd, IPCSHIM_UNSHARE_MEM, &args))
		return count(actor, REFUSED);
	if (args.revoked)
		count(actor, REVOKED);
}

static void give_back(struct actor *actor, struct held *held)
{
	struct ipcshim_return_mem args = { 0 };

	count(actor, ioctl(held->fd, IPCSHIM_RETURN_MEM, &args) ? REFUSED : GIVEN_BACK);
}

static void export(struct actor *actor, struct held *held)
{
	struct ipcshim_export_dmabuf args = { 0 };

	if (held->dmabuf >= 0) {
		close(held->dmabuf);
		held->dmabuf = -1;
		return;
	}
	if (ioctl(held->fd, IPCSHIM_EXPORT_DMABUF, &args))
		return count(actor, REFUSED);
	count(actor, EXPORTED);
	held->dmabuf = args.fd;
}

static void pin(struct actor *actor, struct held *held)
{
	struct iovec vector = { held->address, actor->page };

	if (held->pipe[0] >= 0) {
		close(held->pipe[0]);
		close(held->pipe[1]);
		held->pipe[0] = -1;
		return;
	}
	if (!held->address || pipe2(held->pipe, O_CLOEXEC | O_NONBLOCK))
		return;
	if (vmsplice(held->pipe[1], &vector, 1, SPLICE_F_NONBLOCK) > 0)
		count(actor, PINNED);
}

static void read_events(struct actor *actor)
{
	struct ipcshim_event events[4];
	ssize_t size = read(actor->port, events, sizeof(events));

	for (ssize_t i = 0; i < size / (ssize_t)sizeof(events[0]); i++) {
		const struct ipcshim_recv_shared_mem *told = &events[i].recv_shared_mem;
		struct ipcshim_claim args = { .token = events[i].token };
		bool back = told->mode == IPCSHIM_MEM_RETURNED;

		/* One in eight is left to die with the port. */
		if (events[i].code != IPCSHIM_EVENT_RECV_SHARED_MEM || !below(&actor->random, 8))
			continue;
		if (ioctl(actor->port, IPCSHIM_CLAIM, &args)) {
			count(actor, REFUSED);
			continue;
		}
		count(actor, back ? CAME_BACK : CLAIMED);
		map(actor, keep(actor, args.fd, (size_t)args.length, args.rights,
				args.mode != IPCSHIM_MEM_MUTUAL));
	}
}

/* It may go away at any moment, but it must not change. */
static void touch(struct actor *actor, struct held *held)
{
	volatile uint64_t *first;

	map(actor, held);
	if (!held->address)
		return;
	first = (volatile uint64_t *)(void *)held->address;
	if (sigsetjmp(resume, 1)) {
		count(actor, LOST);
		/* Mappings of what was taken stay for a while, as in a real process. */
		held->stamp = 0;
		return;
	}
	if (held->stamp && held->alone && !actor->child && *first != held->stamp)
		_exit(ANOTHER_WROTE);
	for (size_t place = 0; place < held->size; place += actor->page) {
		volatile char *byte = held->address + place + sizeof(uint64_t);

		if (held->rights & IPCSHIM_RIGHT_WRITE)
			*byte = (char)actor->random;
		else
			(void)*byte;
	}
	if (held->rights & IPCSHIM_RIGHT_WRITE && !actor->child) {
		uint64_t stamp = next_random(&actor->random) | 1;

		*first = stamp;
		held->stamp = stamp;
	}
	count(actor, TOUCHED);
}

static bool open_port(struct actor *actor)
{
	struct ipcshim_handle handle = {
		.codes = { 1ULL << IPCSHIM_EVENT_RECV_SHARED_MEM |
			   1ULL << IPCSHIM_EVENT_UNSHARED_MEM },
	};

	actor->port = open(IPCSHIM_DEVICE, O_RDWR | O_CLOEXEC | O_NONBLOCK);
	if (actor->port < 0)
		return false;
	/* EBUSY: a child of ours still holds the port that was before. */
	return ioctl(actor->port, IPCSHIM_HANDLE_SIGNAL, &handle) == 0 || errno == EBUSY;
}

static void become_two(struct actor *actor)
{
	/* What the child gives to others is not known here. */
	for (unsigned int i = 0; i < HELD_MAX; i++)
		actor->held[i].alone = false;
	if (fork() != 0)
		return;
	/* The group is killed as one, so it ends with its parent. */
	actor->child = true;
	actor->random ^= 0x5555555555555555ULL;
	count(actor, FORKED);
	__atomic_fetch_add(&actor->stage->cast.started, 1, __ATOMIC_RELAXED);
}

static void one_deed(struct actor *actor)
{
	struct held *held = &actor->held[below(&actor->random, HELD_MAX)];
	unsigned int dice = below(&actor->random, 100);

	if (dice < 25)
		read_events(actor);
	else if (dice < 30 || held->fd < 0)
		create(actor);
	else if (dice < 35)
		adopt(actor);
	else if (dice < 62)
		share(actor, held);
	else if (dice < 80)
		touch(actor, held);
	else if (dice < 85)
		take_back(actor, held);
	else if (dice < 91)
		give_back(actor, held);
	else if (dice < 93)
		export(actor, held);
	else if (dice < 95)
		pin(actor, held);
	else if (dice < 98)
		let_go(held);
	else if (actor->child)
		return;
	else if (dice < 99)
		become_two(actor);
	else {
		close(actor->port);
		if (!open_port(actor))
			_exit(1);
	}
}

void act_on_memory(struct memory_stage *stage, uint64_t seed)
{
	struct actor actor = { .stage = stage, .random = seed };
	struct sigaction action = { .sa_handler = on_fault };

	actor.page = (size_t)sysconf(_SC_PAGESIZE);
	for (unsigned int i = 0; i < HELD_MAX; i++)
		actor.held[i] = (struct held){ .fd = -1, .dmabuf = -1, .pipe = { -1, -1 } };
	sigaction(SIGBUS, &action, NULL);
	if (!open_port(&actor))
		_exit(1);
	for (;;)
		one_deed(&actor);
}
