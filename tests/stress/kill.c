// SPDX-License-Identifier: MIT
/*
 * Rounds of kill -9.  Two to eight processes open, hand over, claim, read, write
 * and close; in every round one or several of them are killed at a random
 * moment, and others take their places.  After every few rounds all are killed,
 * and the module counts no object then; in the end it unloads and loads again.
 *
 *	ipcshim_stress [ROUNDS [SEED]]
 *
 * The seed is printed, and decides what every process does; when each of them
 * is stopped is up to the machine as well.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/ipcshim.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "actor.h"

enum {
	ROUNDS = 1000,
	TOGETHER = 8, /* rounds before all are killed */
};

_Noreturn static void die(const char *what)
{
	printf("%s: %s\n", what, strerror(errno));
	exit(1);
}

static struct ipcshim_query query(void)
{
	struct ipcshim_query args = { 0 };
	int port = open(IPCSHIM_DEVICE, O_RDWR | O_CLOEXEC);

	if (port < 0 || ioctl(port, IPCSHIM_QUERY, &args))
		die(IPCSHIM_DEVICE);
	close(port);
	return args;
}

static int nothing_left(void)
{
	struct ipcshim_query now = query();

	if (now.ports == 1 && !now.pipes && !now.tokens && !now.events && !now.ring_bytes &&
	    now.used_ports == 1 && !now.used_objects && !now.used_bytes)
		return 1;
	printf("left: %llu ports (1 is ours), %llu pipes, %llu tokens, %llu events, "
	       "%llu ring bytes; charged to this uid: %llu objects, %llu bytes\n",
	       (unsigned long long)now.ports, (unsigned long long)now.pipes,
	       (unsigned long long)now.tokens, (unsigned long long)now.events,
	       (unsigned long long)now.ring_bytes, (unsigned long long)now.used_objects,
	       (unsigned long long)now.used_bytes);
	return 0;
}

/* Busy for a random time, mostly short: a moment that no timer's step decides. */
static void a_moment(uint64_t *random)
{
	long left = (long)below(random, 1U << below(random, 27));
	struct timespec begin;
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &begin);
	do
		clock_gettime(CLOCK_MONOTONIC, &now);
	while ((now.tv_sec - begin.tv_sec) * 1000000000L + now.tv_nsec - begin.tv_nsec < left);
}

static void start(struct stage *stage, unsigned int place, uint64_t *random)
{
	uint64_t seed = next_random(random) | 1;
	pid_t pid = fork();

	if (pid < 0)
		die("fork");
	if (pid == 0) {
		/* A group of its own: its children are killed with it. */
		setpgid(0, 0);
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		act(stage, seed);
	}
	setpgid(pid, pid);
	stage->pids[place] = pid;
}

static void end(struct stage *stage, unsigned int place)
{
	if (kill(-stage->pids[place], SIGKILL))
		die("kill");
}

/* Children of the actors come to us as well, see the subreaper. */
static void reap(int flags)
{
	int status;

	while (waitpid(-1, &status, flags) > 0) {
		if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL)
			continue;
		printf("a process ended by itself: wait status %#x\n", status);
		exit(1);
	}
}

static void rounds_together(struct stage *stage, unsigned int rounds, uint64_t *random)
{
	stage->actors = 2 + below(random, ACTORS_MAX - 1);
	for (unsigned int i = 0; i < stage->actors; i++)
		start(stage, i, random);
	while (rounds--) {
		unsigned int first = below(random, stage->actors);
		/* Mostly one, now and then several at once, or all. */
		unsigned int victims = below(random, 3) ? 1 : 1 + below(random, stage->actors);

		a_moment(random);
		for (unsigned int i = 0; i < victims; i++)
			end(stage, (first + i) % stage->actors);
		/* Sometimes the others go on without these being reaped. */
		if (below(random, 2))
			reap(WNOHANG);
		for (unsigned int i = 0; i < victims; i++)
			start(stage, (first + i) % stage->actors, random);
	}
	for (unsigned int i = 0; i < stage->actors; i++) {
		a_moment(random);
		end(stage, i);
	}
	reap(0);
}

static void reload(void)
{
	const char *path = getenv("IPCSHIM_KO");
	int file;

	if (syscall(SYS_delete_module, "ipcshim", O_NONBLOCK))
		die("the module does not unload");
	file = open(path ? path : "/lib/ipcshim.ko", O_RDONLY | O_CLOEXEC);
	if (file < 0 || syscall(SYS_finit_module, file, "", 0))
		die("the module does not load again");
	close(file);
}

int main(int argc, char **argv)
{
	unsigned int rounds = argc > 1 ? (unsigned int)atoi(argv[1]) : ROUNDS;
	struct timespec now;
	uint64_t random;
	struct stage *stage;

	clock_gettime(CLOCK_REALTIME, &now);
	random = argc > 2 ? strtoull(argv[2], NULL, 0) :
			    (uint64_t)now.tv_sec * 1000003U + (uint64_t)now.tv_nsec;
	random |= 1;
	printf("%u rounds, seed %llu\n", rounds, (unsigned long long)random);
	fflush(stdout);
	stage = mmap(NULL, sizeof(*stage), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		     0);
	if (stage == MAP_FAILED || prctl(PR_SET_CHILD_SUBREAPER, 1))
		die("setup");
	if (!nothing_left())
		return 1;
	for (unsigned int done = 0; done < rounds; done += TOGETHER) {
		rounds_together(stage, TOGETHER, &random);
		if (!nothing_left()) {
			printf("after round %u\n", done + TOGETHER);
			return 1;
		}
	}
	printf("opened %lu, sent %lu, claimed %lu, written %lu, read %lu, closed %lu, "
	       "CLOSE_PIPE %lu, refused %lu\n",
	       stage->opened, stage->sent, stage->claimed, stage->written, stage->read,
	       stage->closed, stage->shut, stage->unlucky);
	/* A run in which nothing happened shows nothing. */
	if (rounds >= 100 && (!stage->opened || !stage->sent || !stage->claimed ||
			      !stage->written || !stage->read || !stage->closed || !stage->shut)) {
		puts("a kind of deed never succeeded");
		return 1;
	}
	reload();
	return nothing_left() ? 0 : 1;
}
