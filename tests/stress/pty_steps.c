// SPDX-License-Identifier: MIT
/*
 * Sessions on pseudo terminals of which one side, or both, is killed at each step: the
 * other side sees it, and nothing is left.  Then floods in both directions at once, and
 * a master that is closed with full buffers.  In the end the module unloads and loads
 * again.
 *
 *	ipcshim_pty_steps [ROUNDS [SEED]]
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "pty_side.h"
#include "rounds.h"

enum {
	ROUNDS = 2,
	FLOOD_SIZE = 1 << 18, /* bytes in each direction */
	MOMENT_MAX = 2000000, /* nanoseconds */
};

static const struct scene scenes[] = {
	{ "the slave not open yet", OPENED, { WAIT, WAIT } },
	{ "the slave not open yet, and the master reading", OPENED, { READ, WAIT } },
	{ "the slave not open yet, and the master's buffer full", OPENED, { FLOOD, WAIT } },
	{ "a token not claimed", SENT, { WAIT, WAIT } },
	{ "the slave open", CLAIMED, { WAIT, WAIT } },
	{ "a session led", LED, { WAIT, WAIT } },
	{ "both reading", CLAIMED, { READ, READ } },
	{ "both reading, a session led", LED, { READ, READ } },
	{ "the slave writing, its buffer full", LED, { WAIT, FLOOD } },
	{ "the master writing, its buffer full", CLAIMED, { FLOOD, WAIT } },
	{ "both writing, both buffers full", LED, { FLOOD, FLOOD } },
	{ "the slave in tcdrain", CLAIMED, { WAIT, DRAIN } },
	{ "a leader in tcdrain", LED, { WAIT, DRAIN } },
	{ "both resizing", LED, { RESIZE, RESIZE } },
	{ "tokens sent and claimed", CLAIMED, { SEND, SEND } },
	{ "a forked child with the slave", FORKED, { WAIT, WAIT } },
	{ "a forked child with the slave, and the master reading", FORKED, { READ, READ } },
};

/* Who is killed; those that are left have to see it. */
enum victims { THE_MASTER, THE_SLAVE, BOTH, VICTIMS };

static const char *const victim_names[VICTIMS] = { "the master", "the slave", "both" };

static bool run(const struct scene *scene, enum victims victims, uint64_t *random)
{
	struct session session = session_start(scene);
	bool good = true;

	/* What goes on for ever is killed at a random moment. */
	if (scene->deeds[MASTER] == RESIZE || scene->deeds[MASTER] == SEND)
		spin(below(random, MOMENT_MAX));
	switch (victims) {
	case THE_MASTER:
		session_kill(&session, MASTER);
		good = session_ends(&session, SLAVE);
		break;
	case THE_SLAVE:
		session_kill(&session, SLAVE);
		good = session_ends(&session, MASTER);
		break;
	default:
		session_kill(&session, MASTER);
		session_kill(&session, SLAVE);
	}
	if (!nothing_left())
		good = false;
	if (!good)
		printf("with %s: %s killed\n", scene->name, victim_names[victims]);
	return good;
}

static unsigned char byte_at(size_t place, unsigned int seed)
{
	return (unsigned char)(place * 7 + place / 251 + seed * 31);
}

/* Writes what one seed makes, and expects what the other does; both at once. */
static bool flood_both_ways(int fd, unsigned int ours, unsigned int theirs)
{
	static unsigned char out[FLOOD_SIZE];
	unsigned char in[4096];
	size_t written = 0;
	size_t seen = 0;

	for (size_t i = 0; i < FLOOD_SIZE; i++)
		out[i] = byte_at(i, ours);
	while (written < FLOOD_SIZE || seen < FLOOD_SIZE) {
		struct pollfd ready = { fd, POLLIN, 0 };
		ssize_t count;

		if (written < FLOOD_SIZE)
			ready.events |= POLLOUT;
		if (poll(&ready, 1, -1) != 1)
			die("poll");
		if (ready.revents & POLLOUT) {
			count = write(fd, out + written, FLOOD_SIZE - written);
			if (count < 0 && errno != EAGAIN)
				die("write");
			written += count > 0 ? (size_t)count : 0;
		}
		count = read(fd, in, sizeof(in));
		if (count == 0 || (count < 0 && errno != EAGAIN))
			die("read");
		for (ssize_t i = 0; i < count; i++, seen++) {
			if (in[i] == byte_at(seen, theirs))
				continue;
			printf("byte %zu of a flood is another one\n", seen);
			return false;
		}
	}
	return true;
}

struct pair {
	int master;
	int slave;
};

/* Raw, and neither side blocks. */
static struct pair open_pair(void)
{
	struct ipcshim_open_pty args = { .flags = IPCSHIM_OPEN_NONBLOCK };
	int port = open(IPCSHIM_DEVICE, O_RDWR | O_CLOEXEC);
	struct termios settings;
	struct pair pair;

	if (port < 0 || ioctl(port, IPCSHIM_OPEN_PTY, &args))
		die("a pty");
	close(port);
	pair.master = args.fd;
	pair.slave = ioctl(args.fd, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	if (pair.slave < 0 || tcgetattr(pair.slave, &settings))
		die("a slave");
	cfmakeraw(&settings);
	tcsetattr(pair.slave, TCSANOW, &settings);
	return pair;
}

static bool flood_is_whole(void)
{
	struct pair pair = open_pair();
	bool good;
	int status;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(pair.master);
		_exit(flood_both_ways(pair.slave, 2, 1) ? 0 : 1);
	}
	close(pair.slave);
	good = flood_both_ways(pair.master, 1, 2);
	if (!good)
		kill(pid, SIGKILL);
	/* What the slave has not read would be gone with its master. */
	good = waitpid(pid, &status, 0) == pid && status == 0 && good;
	close(pair.master);
	return nothing_left() && good;
}

static bool closes_with_full_buffers(void)
{
	static char text[1 << 16];
	struct pair pair = open_pair();
	bool good;

	memset(text, 'x', sizeof(text));
	while (write(pair.master, text, sizeof(text)) > 0)
		;
	while (write(pair.slave, text, sizeof(text)) > 0)
		;
	close(pair.master);
	good = read(pair.slave, text, sizeof(text)) == 0 && write(pair.slave, text, 1) < 0 &&
	       errno == EIO;
	if (!good)
		puts("a slave does not see that its master was closed with full buffers");
	close(pair.slave);
	return nothing_left() && good;
}

int main(int argc, char **argv)
{
	unsigned int rounds = ROUNDS;
	uint64_t random = seed_of(argc, argv, &rounds);
	unsigned int sessions = 0;

	/* It adopts, and reaps, children whose parents are killed. */
	if (prctl(PR_SET_CHILD_SUBREAPER, 1))
		die("prctl");
	if (!nothing_left())
		return 1;
	for (unsigned int round = 0; round < rounds; round++) {
		for (unsigned int i = 0; i < sizeof(scenes) / sizeof(scenes[0]); i++) {
			for (enum victims victims = THE_MASTER; victims < VICTIMS; victims++) {
				if (!run(&scenes[i], victims, &random))
					return 1;
				sessions++;
			}
		}
		if (!flood_is_whole() || !closes_with_full_buffers())
			return 1;
	}
	printf("%u sessions\n", sessions);
	reload_module();
	return nothing_left() ? 0 : 1;
}
