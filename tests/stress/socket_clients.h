/* SPDX-License-Identifier: MIT */
/*
 * A thousand clients at once: what the processes share, and the service that serves all
 * of them.
 */
#ifndef IPCSHIM_TESTS_STRESS_SOCKET_CLIENTS_H
#define IPCSHIM_TESTS_STRESS_SOCKET_CLIENTS_H

#include <stdbool.h>
#include <stdint.h>

#define SERVICE_NAME "a thousand"

/* Shut until the parent opens it, for all who wait there. */
struct gate {
	uint32_t open;
};

/* In memory that all inherited. */
struct hall {
	unsigned int clients; /* connections */
	unsigned int processes;
	struct gate connect;
	struct gate call;
	struct gate again;
	struct gate leave;
	/* How far they are. */
	uint32_t serving; /* 1: the name is published */
	uint32_t waiting; /* processes of clients at the first gate */
	uint32_t connected;
	uint32_t called; /* answered calls of those that live on */
	uint32_t unanswered; /* calls that the service has read, and leaves alone */
	uint32_t killed; /* of whose end, as the service is told, ... */
	uint32_t exited;
	uint32_t ended; /* in order */
};

struct request {
	uint32_t client;
	uint32_t number;
	uint32_t unanswered; /* 1: it shall be */
	uint32_t zero;
};

/* What the answer has to be. */
uint64_t answer_to(const struct request *request);

/* Serves until as many have gone as there are to be; exits with 0. */
_Noreturn void serve(struct hall *hall);

/* Says what, and ends the process. */
_Noreturn void fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
