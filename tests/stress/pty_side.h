/* SPDX-License-Identifier: MIT */
/*
 * The two processes of a session on a pty, one at each side, that come to a step and
 * stay there until one of them is killed, or both; and what the other one sees then.
 */
#ifndef IPCSHIM_TESTS_STRESS_PTY_SIDE_H
#define IPCSHIM_TESTS_STRESS_PTY_SIDE_H

#include <stdbool.h>
#include <sys/types.h>

enum side { MASTER, SLAVE, SIDES };

/* How far a session has come. */
enum stage {
	OPENED, /* the slave is not */
	SENT, /* and its token not claimed */
	CLAIMED, /* the slave is open */
	LED, /* and the terminal of a session */
	FORKED, /* and a child of the slave's process has it open, too */
};

/* What a process does at its step. */
enum deed {
	WAIT,
	READ, /* blocks */
	FLOOD, /* writes until it blocks */
	DRAIN, /* writes, and waits until the other side has read */
	RESIZE, /* over and over */
	SEND, /* the master sends, the slave claims, over and over */
};

struct scene {
	const char *name;
	enum stage stage;
	enum deed deeds[SIDES];
};

struct session {
	const struct scene *scene;
	pid_t pids[SIDES];
	int lines[SIDES]; /* a socket to each */
	pid_t child; /* of the slave's process, 0: none */
};

/* Both are at their step when this returns: asleep in a call, if that blocks. */
struct session session_start(const struct scene *scene);
/* kill -9, and reaped. */
void session_kill(struct session *session, enum side side);
/* The other one was killed: it has to see that, and to end by itself if it can. */
bool session_ends(struct session *session, enum side side);

#endif
