// SPDX-License-Identifier: MIT
/*
 * A thousand clients of one service, all connected at once, each a process of its own,
 * or fewer if the machine has no memory for so many, or is the sanitised kernel, where
 * each costs a tenth of a second.  All of them call; some are killed while their calls wait, and
 * the others go on calling; then half of them end their connections, and half just exit.
 *
 *	ipcshim_socket_clients [CLIENTS]
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "rounds.h"
#include "socket_clients.h"

enum {
	CLIENTS = 1000,
	PROCESSES_DEBUG = 100,
	CALLS = 3,
	ONE_IN = 10, /* processes is killed in mid-call */
	DEADLINE = 100, /* seconds, for a connection: all ask at once */
};

/* What is free has to stay above this part of what was free at first. */
enum { MEMORY_KEPT = 4 };

static struct hall *hall;
static pid_t *pids; /* 0: reaped */
static pid_t server;

static void pass(struct gate *gate)
{
	while (!__atomic_load_n(&gate->open, __ATOMIC_ACQUIRE))
		syscall(SYS_futex, &gate->open, FUTEX_WAIT, 0, NULL, NULL, 0);
}

static void open_gate(struct gate *gate)
{
	__atomic_store_n(&gate->open, 1, __ATOMIC_RELEASE);
	syscall(SYS_futex, &gate->open, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}

static void more(uint32_t *counter)
{
	__atomic_fetch_add(counter, 1, __ATOMIC_RELEASE);
}

/* --- a process of clients ---------------------------------------------------------- */

static bool is_victim(unsigned int process)
{
	return process % ONE_IN == ONE_IN - 1;
}

/* Connections of a process, and the number of the first. */
static unsigned int share_of(unsigned int process, unsigned int *first)
{
	unsigned int each = hall->clients / hall->processes;
	unsigned int rest = hall->clients % hall->processes;

	*first = process * each + (process < rest ? process : rest);
	return each + (process < rest);
}

static int connect_client(int port)
{
	struct ipcshim_connect_service args = {
		.name = (uintptr_t)SERVICE_NAME,
		.name_length = sizeof(SERVICE_NAME) - 1,
		.deadline = now() + DEADLINE * 1000000000ULL,
	};

	if (ioctl(port, IPCSHIM_CONNECT_SERVICE, &args))
		fail("CONNECT_SERVICE: %s", strerror(errno));
	return args.fd;
}

static void call(int fd, unsigned int client, unsigned int number, bool unanswered)
{
	struct request request = { .client = client, .number = number, .unanswered = unanswered };
	uint64_t result = 0;
	struct ipcshim_call args = {
		.message = { .length = sizeof(request), .code = 1 },
		.request = (uintptr_t)&request,
		.buffer = (uintptr_t)&result,
		.size = sizeof(result),
	};

	if (ioctl(fd, IPCSHIM_CALL, &args))
		fail("CALL: %s", strerror(errno));
	if (unanswered || args.message.length != sizeof(result) || result != answer_to(&request))
		fail("client %u got an answer that is not its own", client);
}

static _Noreturn void be_clients(unsigned int process)
{
	struct ipcshim_end_service_conn end = { 0 };
	int port = open(IPCSHIM_DEVICE, O_RDWR | O_CLOEXEC);
	unsigned int count;
	unsigned int first;
	int *fds;

	if (port < 0)
		fail("%s: %s", IPCSHIM_DEVICE, strerror(errno));
	more(&hall->waiting);
	pass(&hall->connect);
	count = share_of(process, &first);
	fds = calloc(count, sizeof(*fds));
	if (!fds)
		fail("no memory");
	for (unsigned int i = 0; i < count; i++) {
		fds[i] = connect_client(port);
		more(&hall->connected);
	}
	pass(&hall->call);
	for (unsigned int number = 0; number < CALLS; number++) {
		for (unsigned int i = 0; i < count; i++) {
			call(fds[i], first + i, number, false);
			more(&hall->called);
		}
	}
	/* One connection's call never ends; of more there would be a thread for each. */
	if (is_victim(process))
		call(fds[0], first, CALLS, true);
	pass(&hall->again);
	for (unsigned int i = 0; i < count; i++) {
		call(fds[i], first + i, CALLS, false);
		more(&hall->called);
	}
	pass(&hall->leave);
	for (unsigned int i = 0; i < count && process % 2; i++)
		if (ioctl(fds[i], IPCSHIM_END_SERVICE_CONN, &end))
			fail("END_SERVICE_CONN: %s", strerror(errno));
	_exit(0);
}

/* --- the parent -------------------------------------------------------------------- */

static unsigned long long memory_available(void)
{
	FILE *file = fopen("/proc/meminfo", "re");
	char line[128];
	unsigned long long kib = 0;

	if (!file)
		die("/proc/meminfo");
	while (fgets(line, sizeof(line), file))
		if (sscanf(line, "MemAvailable: %llu", &kib) == 1)
			break;
	fclose(file);
	return kib;
}

/* Nobody ends before it is told to. */
static void expect_all_alive(void)
{
	int status;
	pid_t pid = waitpid(-1, &status, WNOHANG);

	if (pid > 0)
		fail("process %d ended by itself: wait status %#x", pid, status);
}

static void wait_for(const char *what, const uint32_t *counter, uint32_t expected)
{
	struct timespec step = { .tv_nsec = 5000000 };
	uint64_t began = now();

	while (__atomic_load_n(counter, __ATOMIC_ACQUIRE) != expected) {
		expect_all_alive();
		nanosleep(&step, NULL);
	}
	printf("%u %s after %llu ms\n", expected, what,
	       (unsigned long long)(now() - began) / 1000000);
	fflush(stdout);
}

static pid_t start(void (*be)(unsigned int process), unsigned int process)
{
	pid_t pid = fork();

	if (pid < 0)
		return pid;
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		be(process);
	}
	return pid;
}

static void be_server(unsigned int process)
{
	(void)process;
	serve(hall);
}

static void start_clients(void)
{
	unsigned long long reserve = memory_available() / MEMORY_KEPT;
	unsigned int most = hall->clients;

	if (getenv("IPCSHIM_DEBUG_KERNEL") && most > PROCESSES_DEBUG)
		most = PROCESSES_DEBUG;
	while (hall->processes < most) {
		pid_t pid;

		if (hall->processes % 16 == 0 && hall->processes && memory_available() < reserve)
			break;
		pid = start(be_clients, hall->processes);
		if (pid < 0)
			break;
		pids[hall->processes++] = pid;
	}
	if (hall->processes < 2 * ONE_IN)
		fail("no more than %u processes fit into this machine", hall->processes);
	printf("%u clients in %u processes\n", hall->clients, hall->processes);
}

/* The service closes its side a moment after it was told. */
static void wait_until_counted(unsigned long long connections, unsigned long long exchanges)
{
	struct timespec step = { .tv_nsec = 5000000 };
	struct ipcshim_query is = query();

	while (is.connections != connections || is.exchanges != exchanges) {
		expect_all_alive();
		nanosleep(&step, NULL);
		is = query();
	}
	printf("the module counts %llu connections, %llu exchanges\n", connections, exchanges);
}

static void reap(pid_t pid, int expected)
{
	int status;

	if (waitpid(pid, &status, 0) != pid || status != expected)
		fail("process %d ended with the wait status %#x, expected %#x", pid, status,
		     expected);
}

/* Clients of those that are killed, and how many those are. */
static unsigned int victims(unsigned int *processes)
{
	unsigned int clients = 0;
	unsigned int first;

	*processes = 0;
	for (unsigned int i = 0; i < hall->processes; i++) {
		if (!is_victim(i))
			continue;
		clients += share_of(i, &first);
		(*processes)++;
	}
	return clients;
}

static void kill_victims(void)
{
	for (unsigned int i = 0; i < hall->processes; i++)
		if (is_victim(i))
			kill(pids[i], SIGKILL);
	for (unsigned int i = 0; i < hall->processes; i++) {
		if (!is_victim(i))
			continue;
		reap(pids[i], SIGKILL);
		pids[i] = 0;
	}
}

static void allow_descriptors(unsigned int count)
{
	struct rlimit limit = { count + 64, count + 64 };

	if (setrlimit(RLIMIT_NOFILE, &limit))
		die("RLIMIT_NOFILE");
}

int main(int argc, char **argv)
{
	unsigned int clients = argc > 1 ? (unsigned int)atoi(argv[1]) : CLIENTS;
	unsigned int doomed_processes;
	unsigned int doomed;

	if (!nothing_left())
		return 1;
	allow_descriptors(clients);
	hall = mmap(NULL, sizeof(*hall), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pids = calloc(clients, sizeof(*pids));
	if (hall == MAP_FAILED || !pids)
		die("setup");
	hall->clients = clients;
	server = start(be_server, 0);
	wait_for("service", &hall->serving, 1);
	start_clients();
	wait_for("processes wait", &hall->waiting, hall->processes);

	open_gate(&hall->connect);
	wait_for("connected", &hall->connected, clients);
	wait_until_counted(clients, 0);

	doomed = victims(&doomed_processes);
	open_gate(&hall->call);
	wait_for("calls answered", &hall->called, clients * CALLS);
	wait_for("calls not answered", &hall->unanswered, doomed_processes);
	wait_until_counted(clients, doomed_processes);
	kill_victims();
	wait_for("killed, says the service", &hall->killed, doomed);

	open_gate(&hall->again);
	wait_for("calls answered of the others", &hall->called,
		 clients * CALLS + (clients - doomed));
	wait_until_counted(clients - doomed, 0);

	open_gate(&hall->leave);
	for (unsigned int i = 0; i < hall->processes; i++)
		if (pids[i])
			reap(pids[i], 0);
	reap(server, 0);
	printf("%u ended, %u exited, says the service\n", hall->ended, hall->exited);
	if (hall->ended + hall->exited + doomed != clients || !hall->ended || !hall->exited) {
		puts("they are not all of them");
		return 1;
	}
	return nothing_left() ? 0 : 1;
}
