/* SPDX-License-Identifier: MIT */
/*
 * A process that publishes, connects, calls, answers, and passes on what it has, in
 * random order.  Of a socket that nobody else holds it knows what each call may say.
 */
#ifndef IPCSHIM_TESTS_STRESS_SOCKET_ACTOR_H
#define IPCSHIM_TESTS_STRESS_SOCKET_ACTOR_H

#include "rounds.h"
#include "socket_message.h"

/* What an actor does, or meets; each is counted. */
enum socket_deed {
	PUBLISHED,
	WITHDRAWN,
	CONNECTED,
	CONNECTED_AGAIN, /* flexible: it was open */
	ACCEPTED,
	REJECTED, /* the client was */
	UNANSWERED, /* until the deadline */
	ABANDONED, /* the service ended before it answered */
	PAIRED,
	HANDED,
	CLAIMED,
	OPENED, /* an exchange, to be answered */
	SENT_ONCE,
	ANSWERED,
	FAILED, /* answered with an error */
	CALLED,
	LATE, /* a call's deadline passed before the answer */
	INTERRUPTED, /* a call, by a signal */
	RESUMED, /* a call that was sent before */
	READ,
	TOO_SMALL, /* a buffer, or the room for descriptors */
	OUT_OF_TURN,
	CONCLUDED, /* an answer to what had been concluded */
	FORGED, /* an answer in an exchange that never was */
	PIPE_CAME,
	SEGMENT_CAME,
	SOCKET_CAME,
	KNOTTED,
	ENDED,
	SHUT,
	OTHER_ENDED,
	OTHER_DIED,
	CLOSED,
	FORKED,
	REFUSED,
	SOCKET_DEEDS,
};

struct socket_stage {
	struct cast cast;
	unsigned long done[SOCKET_DEEDS];
	uint32_t first_counter;
	struct fates fates;
};

enum {
	SOCKETS_MAX = 10, /* of one actor at a time, as of the rest */
	PIPES_MAX = 4,
	SEGMENTS_MAX = 4,
	KNOWN_MAX = 6,
};

/* An exchange of which it has read, or sent, the last message. */
struct exchange {
	uint64_t id; /* 0: none */
	uint32_t counter;
	uint32_t message; /* its number */
	uint16_t code;
	uint16_t opener; /* role */
	bool mine; /* the turn */
};

struct held_socket {
	int fd; /* -1: free */
	uint16_t role;
	bool alone; /* as far as it knows, no other descriptor of this side is used */
	uint64_t connection;
	uint64_t inode;
	uint64_t concluded; /* one of the exchanges that are, 0: none */
	struct exchange known[KNOWN_MAX];
};

struct held_segment {
	int fd;
	uint64_t length;
	uint64_t word;
};

struct actor {
	struct socket_stage *stage;
	uint64_t random;
	int port;
	bool child; /* of an actor: it shares all of its files */
	uint64_t sequence; /* of the last event, 0: none yet, or others read them as well */
	uint64_t services[2];
	struct held_socket sockets[SOCKETS_MAX];
	int pipes[PIPES_MAX]; /* ends; -1: free */
	struct held_segment segments[SEGMENTS_MAX];
};

/* What goes with a message. */
struct cargo {
	unsigned int count;
	struct ipcshim_descriptor descriptors[CARRIED_MAX];
	struct held_segment *segments[CARRIED_MAX]; /* handed over; NULL: none */
};

void count(struct actor *actor, enum socket_deed deed);
/* Counts a refusal, if its reason is one of these (a list that ends with 0); else it is wrong. */
void refused(struct actor *actor, const char *call, const int *reasons);
struct held_socket *keep_socket(struct actor *actor, int fd, uint16_t role, uint64_t connection,
				uint64_t inode, bool alone);
void let_go(struct held_socket *socket);

/* socket_carry.c: mostly nothing is chosen; what is, is told in the stamp. */
void choose_cargo(struct actor *actor, struct cargo *cargo, struct stamp *stamp);
void cargo_gone(struct cargo *cargo); /* the message was sent */
void take_cargo(struct actor *actor, const struct stamp *stamp, bool stamped,
		const struct ipcshim_descriptor *came, unsigned int number);
uint64_t inode_of(int fd);
void make_pipe(struct actor *actor);
void make_segment(struct actor *actor);
void tie_a_knot(struct actor *actor);

/* socket_talk.c: one step on a socket. */
void open_exchange(struct actor *actor, struct held_socket *socket);
void answer(struct actor *actor, struct held_socket *socket);
void call(struct actor *actor, struct held_socket *socket);
void read_message(struct actor *actor, struct held_socket *socket);
void misbehave(struct actor *actor, struct held_socket *socket);

/* Acts until it is killed. */
_Noreturn void act_on_sockets(struct socket_stage *stage, uint64_t seed);

#endif
