// SPDX-License-Identifier: MIT
/*
 * Nobody is woken in vain.  Threads wait at one socket; a message wakes the one that
 * gets it, and it alone, once; an answer wakes the call that waits for it, and neither
 * other calls, nor readers, nor who polls.  How often each thread has gone to sleep is
 * the kernel's own count (voluntary_ctxt_switches).
 *
 *	ipcshim_socket_wakeups [MESSAGES]
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "rounds.h"

enum {
	MESSAGES = 60,
	READERS = 8,
	CALLERS = 4,
};

enum kind { READER, CALLER, POLLER };

struct waiter {
	enum kind kind;
	int fd;
	pthread_t thread;
	pid_t tid; /* 0: it has not begun */
	unsigned long taken; /* messages, or answers; of a poller: returns */
	unsigned long slept; /* before what is to be counted */
};

struct pair {
	int client;
	int service;
};

static struct pair open_pair(void)
{
	struct ipcshim_open_serv_sock args = { .role = IPCSHIM_ROLE_CLIENT };
	int port = open(IPCSHIM_DEVICE, O_RDWR | O_CLOEXEC);

	if (port < 0 || ioctl(port, IPCSHIM_OPEN_SERV_SOCK, &args))
		die("a pair of sockets");
	close(port);
	return (struct pair){ args.fd, args.peer_fd };
}

static void read_one(int fd, struct ipcshim_message *header)
{
	struct ipcshim_read_sock_msg args = { 0 };

	if (ioctl(fd, IPCSHIM_READ_SOCK_MSG, &args))
		die("READ_SOCK_MSG");
	*header = args.message;
}

static void send_one(int fd, uint64_t exchange, uint16_t status)
{
	struct ipcshim_send_sock_msg args = {
		.message = { .exchange = exchange, .status = status },
	};

	if (ioctl(fd, IPCSHIM_SEND_SOCK_MSG, &args))
		die("SEND_SOCK_MSG");
}

static void *wait_for_ever(void *argument)
{
	struct waiter *waiter = argument;

	__atomic_store_n(&waiter->tid, (pid_t)syscall(SYS_gettid), __ATOMIC_RELEASE);
	for (;;) {
		struct ipcshim_message header;
		struct ipcshim_call call = { 0 };
		struct pollfd ready = { waiter->fd, POLLIN, 0 };

		switch (waiter->kind) {
		case READER:
			read_one(waiter->fd, &header);
			break;
		case CALLER:
			if (ioctl(waiter->fd, IPCSHIM_CALL, &call))
				die("CALL");
			break;
		case POLLER:
			if (poll(&ready, 1, -1) != 1)
				die("poll");
			break;
		}
		__atomic_fetch_add(&waiter->taken, 1, __ATOMIC_RELEASE);
	}
}

static size_t read_file(const char *path, char *text, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t length = fd < 0 ? -1 : read(fd, text, size - 1);

	if (length < 0)
		die(path);
	close(fd);
	text[length] = '\0';
	return (size_t)length;
}

/* Asleep in its call, and off its processor: the file says "running" until then. */
static bool waits(const struct waiter *waiter)
{
	pid_t tid = __atomic_load_n(&waiter->tid, __ATOMIC_ACQUIRE);
	long expected = waiter->kind == POLLER ? SYS_ppoll : SYS_ioctl;
	char path[64];
	char text[256];

	if (!tid)
		return false;
	snprintf(path, sizeof(path), "/proc/self/task/%d/syscall", tid);
	read_file(path, text, sizeof(text));
	return strncmp(text, "running", 7) != 0 && strtol(text, NULL, 10) == expected;
}

static unsigned long sleeps_of(const struct waiter *waiter)
{
	static const char key[] = "\nvoluntary_ctxt_switches:";
	char path[64];
	char text[4096];
	char *place;

	snprintf(path, sizeof(path), "/proc/self/task/%d/status", waiter->tid);
	read_file(path, text, sizeof(text));
	place = strstr(text, key);
	if (!place)
		die(path);
	return strtoul(place + strlen(key), NULL, 10);
}

static unsigned long readers_at(int fd)
{
	static const char key[] = "\nipcshim-readers:";
	char path[64];
	char text[4096];
	char *place;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	read_file(path, text, sizeof(text));
	place = strstr(text, key);
	if (!place)
		die(path);
	return strtoul(place + strlen(key), NULL, 10);
}

static void wait_until_all_wait(const struct waiter *waiters, unsigned int count)
{
	for (unsigned int i = 0; i < count; i++)
		while (!waits(&waiters[i]))
			sched_yield();
}

/* They are asleep when this returns, at this socket, and end with the process. */
static struct waiter *start(enum kind kind, int fd, unsigned int count)
{
	struct waiter *waiters = calloc(count, sizeof(*waiters));

	if (!waiters)
		die("memory");
	for (unsigned int i = 0; i < count; i++) {
		waiters[i].kind = kind;
		waiters[i].fd = fd;
		if (pthread_create(&waiters[i].thread, NULL, wait_for_ever, &waiters[i]))
			die("a thread");
		/* One after another, so that the first is the one that has waited longest. */
		wait_until_all_wait(&waiters[i], 1);
	}
	return waiters;
}

static void count_from_here(struct waiter *waiters, unsigned int count)
{
	for (unsigned int i = 0; i < count; i++) {
		waiters[i].slept = sleeps_of(&waiters[i]);
		waiters[i].taken = 0;
	}
}

static unsigned long all_taken(const struct waiter *waiters, unsigned int count)
{
	unsigned long sum = 0;

	for (unsigned int i = 0; i < count; i++)
		sum += __atomic_load_n(&waiters[i].taken, __ATOMIC_ACQUIRE);
	return sum;
}

static bool woken(const char *who, const struct waiter *waiters, unsigned int count,
		  unsigned long expected)
{
	unsigned long sum = 0;

	for (unsigned int i = 0; i < count; i++)
		sum += sleeps_of(&waiters[i]) - waiters[i].slept;
	printf("    %s: woken %lu times, expected %lu\n", who, sum, expected);
	return sum == expected;
}

static bool each_took(const struct waiter *waiters, unsigned int count, unsigned long least)
{
	for (unsigned int i = 0; i < count; i++) {
		if (waiters[i].taken >= least)
			continue;
		printf("    reader %u took %lu messages, expected %lu at least\n", i,
		       waiters[i].taken, least);
		return false;
	}
	return true;
}

/* One message after another; each is taken, and all wait again, before the next. */
static bool messages_wake_one_reader(unsigned long messages)
{
	struct pair pair = open_pair();
	struct waiter *poller = start(POLLER, pair.service, 1);
	struct waiter *readers = start(READER, pair.service, READERS);
	bool good;

	printf("%lu messages, one after another, to %d readers and one that polls\n", messages,
	       READERS);
	count_from_here(readers, READERS);
	count_from_here(poller, 1);
	for (unsigned long i = 0; i < messages; i++) {
		send_one(pair.client, 0, IPCSHIM_MESSAGE_CLOSE);
		while (all_taken(readers, READERS) != i + 1 || readers_at(pair.service) != READERS)
			sched_yield();
		wait_until_all_wait(readers, READERS);
	}
	good = woken("the readers", readers, READERS, messages);
	good = woken("who polls", poller, 1, 0) && good;
	/* In the order of their coming, so that each has its share. */
	return each_took(readers, READERS, messages / READERS) && good;
}

/* An answer when the caller, who is one of several, waits for it. */
static bool answers_wake_their_call(unsigned long messages)
{
	struct pair pair = open_pair();
	struct waiter *poller = start(POLLER, pair.client, 1);
	struct waiter *reader = start(READER, pair.client, 1);
	struct waiter *others = start(CALLER, pair.client, CALLERS);
	struct waiter *caller;
	struct ipcshim_message header;
	bool good;

	for (unsigned int i = 0; i < CALLERS; i++)
		read_one(pair.service, &header);
	caller = start(CALLER, pair.client, 1);
	printf("%lu calls, one after another, beside %d that wait on, a reader and one that "
	       "polls\n",
	       messages, CALLERS);
	count_from_here(caller, 1);
	count_from_here(others, CALLERS);
	count_from_here(reader, 1);
	count_from_here(poller, 1);
	for (unsigned long i = 0; i < messages; i++) {
		read_one(pair.service, &header);
		wait_until_all_wait(caller, 1);
		send_one(pair.service, header.exchange, IPCSHIM_MESSAGE_CLOSE);
		while (all_taken(caller, 1) != i + 1)
			sched_yield();
	}
	/* Its next call, which nobody answers. */
	read_one(pair.service, &header);
	wait_until_all_wait(caller, 1);
	good = woken("the caller", caller, 1, messages);
	good = woken("other calls", others, CALLERS, 0) && good;
	good = woken("the reader", reader, 1, 0) && good;
	return woken("who polls", poller, 1, 0) && good;
}

int main(int argc, char **argv)
{
	unsigned long messages = argc > 1 ? strtoul(argv[1], NULL, 10) : MESSAGES;
	bool good;

	setvbuf(stdout, NULL, _IOLBF, 0);
	good = messages_wake_one_reader(messages);
	good = answers_wake_their_call(messages) && good;
	return good ? 0 : 1;
}
