/* SPDX-License-Identifier: MIT */
/*
 * Messages that say what they are, so that whoever reads one can tell whether it is the
 * right one: each has a number of its own, and knows of which connection and exchange it
 * is, the how manieth, and which message it answers.  What is wrong ends the process.
 */
#ifndef IPCSHIM_TESTS_STRESS_SOCKET_MESSAGE_H
#define IPCSHIM_TESTS_STRESS_SOCKET_MESSAGE_H

#include "rounds.h"

enum {
	MESSAGES_MAX = 1 << 20, /* between two times that all are killed */
	CARRIED_MAX = 3,
	PAYLOAD_MAX = 100000,
	WRONG = 34, /* how a process ends that has seen something wrong */
};

/* What became of each message, for all to see. */
struct fates {
	uint32_t messages;
	uint8_t of[MESSAGES_MAX];
};

struct carried_stamp {
	uint64_t inode; /* of a segment: its length */
	uint64_t word; /* at the beginning of a segment, 0: not to be looked at */
	uint16_t kind;
	uint16_t mode;
	uint32_t zero;
};

/* At the beginning of every payload, but for empty ones. */
struct stamp {
	uint32_t id;
	uint32_t answers; /* id of a message, 0: none, or an empty one */
	uint64_t connection;
	uint64_t exchange; /* 0: it opens one */
	uint32_t counter;
	uint32_t length;
	uint16_t code;
	uint16_t role; /* of the side that sent it */
	uint16_t opener; /* role of the side that opened the exchange */
	uint16_t concludes;
	uint16_t error;
	uint16_t nr_carried;
	uint32_t zero;
	struct carried_stamp carried[CARRIED_MAX];
};

/* Says what, and ends the process. */
_Noreturn void wrong(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* A number for a message that is about to be sent; 0: they are used up. */
uint32_t message_new(struct fates *fates);
/* Nobody may ever read it. */
void message_refused(struct fates *fates, uint32_t id);

/* "payload" is of stamp->length bytes, the stamp's own among them. */
void message_fill(char *payload, const struct stamp *stamp);
/*
 * Compares a message that was read through a socket of this connection and side.  False:
 * it is empty, and there is no stamp.
 */
bool message_check(struct fates *fates, const struct ipcshim_message *header, const char *payload,
		   uint64_t connection, uint16_t role, struct stamp *stamp);

#endif
