// SPDX-License-Identifier: MIT
/*
 * Many threads at one socket.  Callers call without a deadline, servers answer, signals
 * interrupt both, and each call gets its own answer; one that woke nobody would hang
 * here.  Then the service's side is closed under those that call.
 * And: threads wait for an exchange that others open and have to take back.
 *
 *	ipcshim_socket_threads [CALLS [SEED]]
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "rounds.h"
#include "socket_chain.h"

enum {
	CALLS = 1500, /* of each caller */
	CALLS_DEBUG = 300,
	CALLERS = 4,
	SERVERS = 4,
	SIZE_MAX_WORDS = 64,
	DEPTH = 400, /* of sockets in sockets: an exchange is there while they are looked at */
	OPENINGS = 300, /* that fail */
	OPENINGS_DEBUG = 60,
};

struct state {
	int client;
	int service;
	unsigned int calls;
	unsigned long answered;
	unsigned long interrupted;
	unsigned long resumed;
	unsigned long ended;
	long slept;
	unsigned int callers_done;
	bool closing;
};

struct worker {
	struct state *state;
	pthread_t thread;
	unsigned int number;
	uint64_t random;
};

static void more(unsigned long *what)
{
	__atomic_fetch_add(what, 1, __ATOMIC_RELAXED);
}

static uint64_t answer_word(uint64_t asked, unsigned int place)
{
	return (asked + place) * 0x9e3779b97f4a7c15ULL;
}

/* What is asked: a word, and how many words the answer shall have. */
struct request {
	uint64_t word;
	uint64_t words;
};

static void expect_answer(const struct request *request, const struct ipcshim_call *args,
			  const uint64_t *words)
{
	if (args->message.length != request->words * sizeof(*words)) {
		printf("an answer of %llu bytes to a call for %llu words\n",
		       (unsigned long long)args->message.length,
		       (unsigned long long)request->words);
		exit(1);
	}
	for (unsigned int i = 0; i < request->words; i++) {
		if (words[i] == answer_word(request->word, i))
			continue;
		printf("the answer to another call, in exchange %llu\n",
		       (unsigned long long)args->message.exchange);
		exit(1);
	}
}

/* One call until it is answered, or the service has gone: false. */
static bool call_once(struct worker *worker, uint64_t number)
{
	struct state *state = worker->state;
	struct request request = {
		.word = (uint64_t)worker->number << 32 | number,
		.words = below(&worker->random, SIZE_MAX_WORDS),
	};
	uint64_t words[SIZE_MAX_WORDS];
	struct ipcshim_call args = {
		.message = { .length = sizeof(request) },
		.request = (uintptr_t)&request,
		.buffer = (uintptr_t)words,
		/* Now and then too small at first. */
		.size = below(&worker->random, 4) ? sizeof(words) : 0,
	};
	bool again = false;

	while (ioctl(state->client, IPCSHIM_CALL, &args)) {
		/* While it waited, or before it was sent. */
		int ended = args.flags & IPCSHIM_CALL_SENT ? ECONNRESET : EPIPE;

		if (errno == ended && __atomic_load_n(&state->closing, __ATOMIC_ACQUIRE)) {
			more(&state->ended);
			return false;
		}
		if (errno == EINTR)
			more(&state->interrupted);
		else if (errno != EMSGSIZE || args.size)
			die("CALL");
		/* (If it was interrupted before it was sent, it begins anew.) */
		if (args.flags & IPCSHIM_CALL_SENT)
			again = true;
		args.size = sizeof(words);
	}
	expect_answer(&request, &args, words);
	more(&state->answered);
	if (again)
		more(&state->resumed);
	return true;
}

static void *call_all(void *argument)
{
	struct worker *worker = argument;

	for (unsigned int i = 0; i < worker->state->calls; i++)
		if (!call_once(worker, i))
			die("a call, before the end");
	__atomic_fetch_add(&worker->state->callers_done, 1, __ATOMIC_RELEASE);
	/* And on, until the service has gone. */
	for (uint64_t i = worker->state->calls; call_once(worker, i); i++)
		;
	return NULL;
}

/* The next request, or false: nobody is there any more. */
static bool answer_once(struct worker *worker)
{
	struct state *state = worker->state;
	struct request request;
	uint64_t words[SIZE_MAX_WORDS];
	struct ipcshim_read_sock_msg args = { .buffer = (uintptr_t)&request,
					      .size = sizeof(request) };
	struct ipcshim_send_sock_msg reply = { .buffer = (uintptr_t)words };

	while (ioctl(state->service, IPCSHIM_READ_SOCK_MSG, &args)) {
		if (errno == EPIPE && __atomic_load_n(&state->closing, __ATOMIC_ACQUIRE))
			return false;
		if (errno != EINTR)
			die("READ_SOCK_MSG");
	}
	for (unsigned int i = 0; i < request.words; i++)
		words[i] = answer_word(request.word, i);
	reply.message = (struct ipcshim_message){ .exchange = args.message.exchange,
						  .length = request.words * sizeof(words[0]),
						  .status = IPCSHIM_MESSAGE_CLOSE };
	if (!below(&worker->random, 4))
		sched_yield();
	if (ioctl(state->service, IPCSHIM_SEND_SOCK_MSG, &reply)) {
		if (errno == EPIPE && __atomic_load_n(&state->closing, __ATOMIC_ACQUIRE))
			return false;
		die("an answer");
	}
	return true;
}

static void *answer_all(void *argument)
{
	while (answer_once(argument))
		;
	return NULL;
}

static void on_signal(int number)
{
	(void)number;
}

static void start(struct worker *workers, unsigned int count, void *(*run)(void *),
		  struct state *state, uint64_t *random)
{
	for (unsigned int i = 0; i < count; i++) {
		workers[i] = (struct worker){ .state = state,
					      .number = i,
					      .random = next_random(random) | 1 };
		if (pthread_create(&workers[i].thread, NULL, run, &workers[i]))
			die("a thread");
	}
}

static void open_pair(struct state *state)
{
	struct ipcshim_open_serv_sock args = { .role = IPCSHIM_ROLE_CLIENT };
	int port = open(IPCSHIM_DEVICE, O_RDWR | O_CLOEXEC);

	if (port < 0 || ioctl(port, IPCSHIM_OPEN_SERV_SOCK, &args))
		die("a pair of sockets");
	close(port);
	state->client = args.fd;
	state->service = args.peer_fd;
}

static bool everybody_got_an_answer(unsigned int calls, uint64_t *random)
{
	struct ipcshim_close_serv_sock close_args = { 0 };
	struct worker callers[CALLERS];
	struct worker servers[SERVERS];
	struct state state = { .calls = calls };

	open_pair(&state);
	start(servers, SERVERS, answer_all, &state, random);
	start(callers, CALLERS, call_all, &state, random);
	while (__atomic_load_n(&state.callers_done, __ATOMIC_ACQUIRE) < CALLERS) {
		spin(below(random, 400000));
		pthread_kill(callers[below(random, CALLERS)].thread, SIGUSR1);
		pthread_kill(servers[below(random, SERVERS)].thread, SIGUSR1);
	}
	__atomic_store_n(&state.closing, true, __ATOMIC_RELEASE);
	if (ioctl(state.service, IPCSHIM_CLOSE_SERV_SOCK, &close_args))
		die("CLOSE_SERV_SOCK");
	for (unsigned int i = 0; i < CALLERS; i++)
		pthread_join(callers[i].thread, NULL);
	for (unsigned int i = 0; i < SERVERS; i++)
		pthread_join(servers[i].thread, NULL);
	printf("%lu calls answered, %lu interrupted, %lu of them went on, %lu ended\n",
	       state.answered, state.interrupted, state.resumed, state.ended);
	close(state.client);
	close(state.service);
	if (!state.interrupted || !state.resumed) {
		puts("no call was interrupted");
		return false;
	}
	return nothing_left();
}

/* What it carries would travel in itself: that is found when its exchange is there. */
static void *open_in_vain(void *argument)
{
	struct worker *worker = argument;
	struct state *state = worker->state;

	for (unsigned int i = 0; i < state->calls; i++) {
		struct ipcshim_descriptor descriptor = { .fd = state->service };
		struct ipcshim_send_sock_msg args = {
			.message = { .nr_descriptors = 1 },
			.descriptors = (uintptr_t)&descriptor,
		};

		if (ioctl(state->client, IPCSHIM_SEND_SOCK_MSG, &args) == 0 || errno != ELOOP)
			die("a socket that would travel in itself");
	}
	__atomic_store_n(&state->closing, true, __ATOMIC_RELEASE);
	return NULL;
}

/* Whether the exchange is there depends on the moment. */
static void *wait_for_the_first(void *argument)
{
	struct worker *worker = argument;
	struct state *state = worker->state;
	struct rusage usage;

	while (!__atomic_load_n(&state->closing, __ATOMIC_ACQUIRE)) {
		struct ipcshim_read_sock_msg args = {
			.message = { .exchange = 1 },
			.deadline = soon(&worker->random, 3000000),
		};

		if (ioctl(state->client, IPCSHIM_READ_SOCK_MSG, &args) == 0)
			die("a message that was never sent");
		if (errno != ENOENT && errno != ETIMEDOUT)
			die("READ_SOCK_MSG");
	}
	if (getrusage(RUSAGE_THREAD, &usage))
		die("getrusage");
	state->slept = usage.ru_nvcsw;
	return NULL;
}

static bool exchanges_are_taken_back(unsigned int openings, uint64_t *random)
{
	struct chain chain = chain_make(DEPTH);
	struct state state = {
		.client = chain.first, .service = chain.last[1], .calls = openings
	};
	struct worker opener;
	struct worker reader;

	start(&reader, 1, wait_for_the_first, &state, random);
	start(&opener, 1, open_in_vain, &state, random);
	pthread_join(opener.thread, NULL);
	pthread_join(reader.thread, NULL);
	chain_close(&chain);
	printf("%u exchanges taken back, under one that slept %ld times\n", openings, state.slept);
	if (!state.slept) {
		puts("nobody waited for any of them");
		return false;
	}
	return nothing_left();
}

int main(int argc, char **argv)
{
	bool debug = getenv("IPCSHIM_DEBUG_KERNEL");
	unsigned int calls = debug ? CALLS_DEBUG : CALLS;
	uint64_t random = seed_of(argc, argv, &calls);
	struct sigaction action = { .sa_handler = on_signal };

	setvbuf(stdout, NULL, _IOLBF, 0);
	sigaction(SIGUSR1, &action, NULL);
	return everybody_got_an_answer(calls, &random) &&
			       exchanges_are_taken_back(debug ? OPENINGS_DEBUG : OPENINGS,
							&random) ?
		       0 :
		       1;
}
