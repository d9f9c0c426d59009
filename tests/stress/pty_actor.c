// SPDX-License-Identifier: MIT
/*
 * One process of a storm on pseudo terminals.  Whatever a call answers is fine
 * here, other processes die at any moment; what counts is what is left at the end.
 */
#include "pty_actor.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/ipcshim.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <termios.h>
#include <unistd.h>

enum {
	SIDES_MAX = 12, /* of one actor at a time */
	INDEX_MAX = 8 * SIDES_MAX, /* of all actors, about */
};

struct side {
	int fd; /* -1: free */
	bool master;
};

struct actor {
	struct pty_stage *stage;
	uint64_t random;
	int port;
	bool child; /* of an actor: it shares all of its files */
	struct side sides[SIDES_MAX];
};

static char buffer[20000];

static void count(struct actor *actor, enum pty_deed deed)
{
	__atomic_fetch_add(&actor->stage->done[deed], 1, __ATOMIC_RELAXED);
}

static bool done(struct actor *actor, long result, enum pty_deed deed)
{
	count(actor, result >= 0 ? deed : PTY_REFUSED);
	return result >= 0;
}

static void keep(struct actor *actor, int fd, bool master)
{
	struct side *side = &actor->sides[below(&actor->random, SIDES_MAX)];

	if (side->fd >= 0)
		close(side->fd);
	*side = (struct side){ fd, master };
}

/* Of that kind, or none. */
static struct side *any_side(struct actor *actor, bool master)
{
	unsigned int place = below(&actor->random, SIDES_MAX);

	for (unsigned int i = 0; i < SIDES_MAX; i++) {
		struct side *side = &actor->sides[(place + i) % SIDES_MAX];

		if (side->fd >= 0 && side->master == master)
			return side;
	}
	return NULL;
}

static void open_pty(struct actor *actor)
{
	struct ipcshim_open_pty args = {
		.flags = below(&actor->random, 8) ? IPCSHIM_OPEN_NONBLOCK : 0,
		.rows = (uint16_t)below(&actor->random, 100),
	};

	if (done(actor, ioctl(actor->port, IPCSHIM_OPEN_PTY, &args), PTY_OPENED))
		keep(actor, args.fd, true);
}

static void open_slave(struct actor *actor, struct side *master)
{
	int flags = O_RDWR | O_CLOEXEC | O_NOCTTY | (below(&actor->random, 8) ? O_NONBLOCK : 0);
	char path[32];
	int fd;

	if (master && below(&actor->random, 2)) {
		fd = ioctl(master->fd, TIOCGPTPEER, flags);
		if (done(actor, fd, PTY_PEER))
			keep(actor, fd, false);
		return;
	}
	/* Anybody's: some are of other actors, some are not there. */
	snprintf(path, sizeof(path), "/dev/ttyIPC%u", below(&actor->random, INDEX_MAX / 4));
	fd = open(path, flags);
	if (done(actor, fd, PTY_BY_PATH))
		keep(actor, fd, false);
}

static void send_slave(struct actor *actor, struct side *master)
{
	struct ipcshim_send_pty args = {
		.pid = any_pid(&actor->stage->cast, &actor->random),
		.flags = below(&actor->random, 4) ? 0 : IPCSHIM_OPEN_SKIP,
	};

	done(actor, args.pid ? ioctl(master->fd, IPCSHIM_SEND_PTY, &args) : -1, PTY_SENT);
}

static void claimed(void *context, int error, const struct ipcshim_claim *claim)
{
	struct actor *actor = context;

	if (error) {
		count(actor, error == ESTALE ? PTY_STALE : PTY_REFUSED);
		return;
	}
	count(actor, PTY_CLAIMED);
	keep(actor, claim->fd, false);
}

static void move_bytes(struct actor *actor, struct side *side)
{
	bool writes = below(&actor->random, 2);
	size_t size = 1 + (below(&actor->random, 4) ? below(&actor->random, 200) :
						      below(&actor->random, sizeof(buffer) - 1));
	struct pollfd ready = { side->fd, writes ? POLLOUT : POLLIN, 0 };
	ssize_t moved;

	/* Now and then one may wait until it is killed, or its turn comes. */
	if (below(&actor->random, 200) && poll(&ready, 1, 1) != 1)
		return;
	moved = writes ? write(side->fd, buffer, size) : read(side->fd, buffer, size);
	if (moved > 0)
		count(actor, writes ? PTY_WRITTEN : PTY_READ);
	else if (moved == 0 || errno == EIO)
		count(actor, PTY_HUNG_UP);
}

static void resize(struct actor *actor, const struct side *side)
{
	struct winsize size = { .ws_row = (unsigned short)below(&actor->random, 100) };

	done(actor, ioctl(side->fd, TIOCSWINSZ, &size), PTY_RESIZED);
}

static void control(struct actor *actor, const struct side *side)
{
	static const int signals[] = { SIGINT, SIGQUIT, SIGTSTP };
	int value = (int)below(&actor->random, 2);
	struct termios settings;
	int result = -1;

	switch (below(&actor->random, side->master ? 8 : 4)) {
	case 0:
		result = tcgetattr(side->fd, &settings);
		if (result)
			break;
		if (value)
			cfmakeraw(&settings);
		else
			settings.c_lflag |= ICANON | ECHO | ISIG;
		result = tcsetattr(side->fd, TCSANOW, &settings);
		break;
	case 1:
		result = tcflush(side->fd, (int)below(&actor->random, 3));
		break;
	case 2:
		result = tcsendbreak(side->fd, 0);
		break;
	case 3:
		result = tcflow(side->fd, side->master ? 2 + value : value);
		break;
	case 4:
		/* Mostly open again. */
		value = !below(&actor->random, 8);
		result = ioctl(side->fd, TIOCSPTLCK, &value);
		break;
	case 5:
		result = ioctl(side->fd, TIOCPKT, &value);
		break;
	case 6:
		result = ioctl(side->fd, TIOCSIG, signals[below(&actor->random, 3)]);
		break;
	case 7:
		result = ioctl(side->fd, value ? TIOCEXCL : TIOCNXCL);
	}
	done(actor, result, PTY_CONTROLLED);
}

static void close_side(struct actor *actor, struct side *side)
{
	close(side->fd);
	side->fd = -1;
	count(actor, PTY_CLOSED);
}

static bool open_port(struct actor *actor)
{
	struct ipcshim_handle handle = {
		.codes = { 0, 1ULL << (IPCSHIM_EVENT_RECV_PTY - 64) },
	};

	actor->port = open(IPCSHIM_DEVICE, O_RDWR | O_CLOEXEC | O_NONBLOCK);
	if (actor->port < 0)
		return false;
	/* EBUSY: a child of ours still holds the port that was before. */
	return ioctl(actor->port, IPCSHIM_HANDLE_SIGNAL, &handle) == 0 || errno == EBUSY;
}

static void become_child(struct actor *actor)
{
	actor->child = true;
	next_random(&actor->random);
	actor->random ^= 0x5555555555555555ULL;
}

/*
 * A leader is in no group that is killed as one: it ends with its parent, or, so
 * that leaders end also while all else goes on, by itself.
 */
static void lead(struct actor *actor)
{
	struct side *slave = any_side(actor, false);
	pid_t parent = getpid();

	if (!slave || fork() != 0)
		return;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		raise(SIGKILL);
	become_child(actor);
	if (setsid() >= 0)
		done(actor, ioctl(slave->fd, TIOCSCTTY, 0), PTY_LED);
	if (!below(&actor->random, 2))
		raise(SIGKILL);
}

static void one_deed(struct actor *actor)
{
	struct side *master = any_side(actor, true);
	struct side *slave = any_side(actor, false);
	struct side *side = !slave || (master && below(&actor->random, 2)) ? master : slave;
	unsigned int dice = below(&actor->random, 1000);

	if (dice < 130 || !side)
		open_pty(actor);
	else if (dice < 280)
		open_slave(actor, master);
	else if (dice < 350 && master)
		send_slave(actor, master);
	else if (dice < 450)
		claim_events(actor->port, &actor->random, actor, claimed);
	else if (dice < 650)
		move_bytes(actor, side);
	else if (dice < 700)
		resize(actor, side);
	else if (dice < 780)
		control(actor, side);
	else if (dice < 800 && slave)
		done(actor, tcdrain(slave->fd), PTY_DRAINED);
	else if (dice < 960)
		close_side(actor, side);
	else if (actor->child)
		return;
	else if (dice < 970) {
		close(actor->port);
		if (!open_port(actor))
			_exit(1);
	} else if (dice < 990)
		lead(actor);
	else if (fork() == 0)
		/* The group is killed as one, so it ends with its parent. */
		become_child(actor);
	else
		count(actor, PTY_FORKED);
}

void act_on_ptys(struct pty_stage *stage, uint64_t seed)
{
	static const int ignored[] = { SIGPIPE, SIGHUP,	 SIGINT,  SIGQUIT,
				       SIGTSTP, SIGTTIN, SIGTTOU, SIGWINCH };
	struct actor actor = { .stage = stage, .random = seed, .port = -1 };

	for (unsigned int i = 0; i < SIDES_MAX; i++)
		actor.sides[i].fd = -1;
	for (unsigned int i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++)
		signal(ignored[i], SIG_IGN);
	if (!open_port(&actor))
		_exit(1);
	for (;;)
		one_deed(&actor);
}
