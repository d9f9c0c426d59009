// SPDX-License-Identifier: MIT
#include "rounds.h"

#include <errno.h>
#include <fcntl.h>
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

uint64_t next_random(uint64_t *state)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return *state * 0x2545f4914f6cdd1dULL;
}

unsigned int below(uint64_t *state, unsigned int limit)
{
	return (unsigned int)((next_random(state) >> 33) % limit);
}

_Noreturn void die(const char *what)
{
	printf("%s: %s\n", what, strerror(errno));
	exit(1);
}

struct ipcshim_query query(void)
{
	struct ipcshim_query args = { 0 };
	int port = open(IPCSHIM_DEVICE, O_RDWR | O_CLOEXEC);

	if (port < 0 || ioctl(port, IPCSHIM_QUERY, &args))
		die(IPCSHIM_DEVICE);
	close(port);
	return args;
}

uint64_t now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (uint64_t)time.tv_sec * 1000000000U + (uint64_t)time.tv_nsec;
}

uint64_t soon(uint64_t *random, unsigned int limit)
{
	return now() + below(random, limit);
}

void spin(uint64_t moment)
{
	uint64_t end = now() + moment;

	while (now() < end)
		;
}

uint32_t any_pid(const struct cast *cast, uint64_t *random)
{
	return (uint32_t)cast->pids[below(random, cast->actors)];
}

static void a_moment(const struct plan *plan, uint64_t *random)
{
	spin(plan->moment_min + below(random, 1U << below(random, plan->moment_bits)));
}

static void start(const struct plan *plan, struct cast *cast, unsigned int place, uint64_t *random)
{
	uint64_t seed = next_random(random) | 1;
	pid_t pid = fork();

	if (pid < 0)
		die("fork");
	if (pid == 0) {
		/* A group of its own: its children are killed with it. */
		setpgid(0, 0);
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		plan->act(cast, seed);
		_exit(1);
	}
	setpgid(pid, pid);
	cast->pids[place] = pid;
	__atomic_fetch_add(&cast->started, 1, __ATOMIC_RELAXED);
}

static void end(const struct cast *cast, unsigned int place)
{
	if (kill(-cast->pids[place], SIGKILL))
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

void rounds_together(const struct plan *plan, struct cast *cast, uint64_t *random)
{
	cast->actors = plan->actors_min + below(random, plan->actors_max - plan->actors_min + 1);
	for (unsigned int i = 0; i < cast->actors; i++)
		start(plan, cast, i, random);
	for (unsigned int round = 0; round < TOGETHER; round++) {
		unsigned int first = below(random, cast->actors);
		/* Mostly one, now and then several at once, or all. */
		unsigned int victims = below(random, 3) ? 1 : 1 + below(random, cast->actors);

		a_moment(plan, random);
		for (unsigned int i = 0; i < victims; i++)
			end(cast, (first + i) % cast->actors);
		/* Sometimes the others go on without these being reaped. */
		if (below(random, 2))
			reap(WNOHANG);
		for (unsigned int i = 0; i < victims; i++)
			start(plan, cast, (first + i) % cast->actors, random);
	}
	for (unsigned int i = 0; i < cast->actors; i++) {
		a_moment(plan, random);
		end(cast, i);
	}
	reap(0);
}

/* A lease that is over right then may be at work when its processes have gone. */
static bool is_empty(const struct ipcshim_query *is)
{
	return is->ports == 1 && !is->pipes && !is->tokens && !is->events && !is->ring_bytes &&
	       !is->segments && !is->segment_bytes && !is->ptys && !is->services &&
	       !is->connections && !is->exchanges && !is->messages && !is->message_bytes &&
	       is->used_ports == 1 && !is->used_objects && !is->used_bytes &&
	       !is->used_segment_bytes;
}

bool nothing_left(void)
{
	struct ipcshim_query is = query();
	struct timespec step = { .tv_nsec = 10000000 };

	for (int i = 0; i < 300 && !is_empty(&is); i++) {
		nanosleep(&step, NULL);
		is = query();
	}
	if (is_empty(&is))
		return true;
	printf("left: %llu ports (1 is ours), %llu pipes, %llu tokens, %llu events, "
	       "%llu ring bytes, %llu segments, %llu segment bytes, %llu ptys, %llu services, "
	       "%llu connections, %llu exchanges, %llu messages, %llu message bytes; charged to "
	       "this uid: %llu objects, %llu bytes, %llu segment bytes\n",
	       (unsigned long long)is.ports, (unsigned long long)is.pipes,
	       (unsigned long long)is.tokens, (unsigned long long)is.events,
	       (unsigned long long)is.ring_bytes, (unsigned long long)is.segments,
	       (unsigned long long)is.segment_bytes, (unsigned long long)is.ptys,
	       (unsigned long long)is.services, (unsigned long long)is.connections,
	       (unsigned long long)is.exchanges, (unsigned long long)is.messages,
	       (unsigned long long)is.message_bytes, (unsigned long long)is.used_objects,
	       (unsigned long long)is.used_bytes, (unsigned long long)is.used_segment_bytes);
	return false;
}

void claim_events(int port, uint64_t *random, void *actor,
		  void (*taken)(void *actor, int error, const struct ipcshim_claim *claim))
{
	struct ipcshim_event events[4];
	ssize_t size = read(port, events, sizeof(events));

	for (ssize_t i = 0; i < size / (ssize_t)sizeof(events[0]); i++) {
		struct ipcshim_claim claim = {
			.token = events[i].token,
			.flags = below(random, 2) ? IPCSHIM_CLAIM_NONBLOCK : 0,
		};

		if (claim.token && below(random, 8))
			taken(actor, ioctl(port, IPCSHIM_CLAIM, &claim) ? errno : 0, &claim);
	}
}

bool did_everything(const char *const names[], const unsigned long done[], unsigned int count)
{
	bool all = true;

	for (unsigned int i = 0; i < count; i++) {
		printf("%s%s %lu", i ? ", " : "", names[i], done[i]);
		all = all && done[i];
	}
	putchar('\n');
	return all;
}

void reload_module(void)
{
	const char *path = getenv("IPCSHIM_KO");
	struct timespec step = { .tv_nsec = 10000000 };
	long result = syscall(SYS_delete_module, "ipcshim", O_NONBLOCK);
	int file;

	/* The memory of a pty is freed a moment after its last close. */
	for (int i = 0; i < 300 && result && errno == EAGAIN; i++) {
		nanosleep(&step, NULL);
		result = syscall(SYS_delete_module, "ipcshim", O_NONBLOCK);
	}
	if (result)
		die("the module does not unload");
	file = open(path ? path : "/lib/ipcshim.ko", O_RDONLY | O_CLOEXEC);
	if (file < 0 || syscall(SYS_finit_module, file, "", 0))
		die("the module does not load again");
	close(file);
}

void *stage_create(size_t size)
{
	void *stage = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (stage == MAP_FAILED || prctl(PR_SET_CHILD_SUBREAPER, 1))
		die("setup");
	return stage;
}

uint64_t seed_of(int argc, char **argv, unsigned int *rounds)
{
	struct timespec clock;
	uint64_t random;

	if (argc > 1)
		*rounds = (unsigned int)atoi(argv[1]);
	clock_gettime(CLOCK_REALTIME, &clock);
	random = argc > 2 ? strtoull(argv[2], NULL, 0) :
			    (uint64_t)clock.tv_sec * 1000003U + (uint64_t)clock.tv_nsec;
	random |= 1;
	printf("%u rounds, seed %llu\n", *rounds, (unsigned long long)random);
	fflush(stdout);
	return random;
}
