/* SPDX-License-Identifier: MIT */
/*
 * What the tests share: valid arguments, of which a test then spoils one, and
 * processes that stand at the other end.
 */
#ifndef IPCSHIM_TESTS_ABI_SUPPORT_H
#define IPCSHIM_TESTS_ABI_SUPPORT_H

#include <linux/ipcshim.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/types.h>

enum {
	OTHER_UID = 4711, /* a user that nobody is */
	UNIT = IPCSHIM_CAPACITY_UNIT,
};

#define BOTH_CODES                                                             \
	(1ULL << IPCSHIM_EVENT_RECV_PIPE | 1ULL << IPCSHIM_EVENT_PIPE_CLOSED)

/* Address that is not mapped, and one that can be read but not written. */
void *bad_address(void);
void *read_only_copy(const void *data, size_t size);

/* Ports. */
int port_open(void);
int port_handling(void); /* RECV_PIPE and PIPE_CLOSED, no signals */
struct ipcshim_query query(int port);
struct ipcshim_handle handle_args(void);
struct ipcshim_unhandle unhandle_args(void);
bool is_handled(int port, pid_t pid, unsigned int code);
struct ipcshim_event event_read(int port);
unsigned int events_waiting(int port);

/* What must be as it was after a refusal. */
struct state {
	struct ipcshim_query query;
	int descriptors;
	int first_free; /* number: one that was reserved and not given back is not in /proc */
};

struct state state_now(int port);
void state_same(int port, const struct state *before);
/*
 * Waits, for a while, until it is so again: where another thread took part, which lets go
 * of things a moment after the call has returned.  What differs then, state_same tells.
 */
void query_settles(int port, const struct ipcshim_query *before);

/* Pipes. */
struct ends {
	int sender;
	int receiver;
};

struct ipcshim_open_pipe open_args(void); /* raw, 64 KiB, both ends stay */
struct ends ends_open(int port, unsigned int mode, unsigned int units);
struct ipcshim_pipe_info info_of(int end);
struct ipcshim_send_pipe send_args(pid_t pid);
struct ipcshim_pipe_io io_args(void *buffer, size_t size, unsigned int mode);
void fill_pattern(void *buffer, size_t size, unsigned int seed);
void check_pattern(const void *buffer, size_t size, unsigned int seed);
/* The pipe holds exactly these bytes and no more. */
void expect_content(int receiver, size_t size, unsigned int seed);

/* Children: they die with the test. */
struct child {
	pid_t pid;
	int fd; /* a socket to the child; it ends when the child does */
};

struct child child_start(void (*body)(int fd, void *argument), void *argument);
void child_join(struct child *child); /* has to exit with 0 */
void put(int fd, uint64_t value);
uint64_t get(int fd);
void become(uid_t uid); /* drops root and its capabilities */
/* In a child, which becomes OTHER_UID itself; it has to succeed. */
void run_as_other(void (*body)(int fd, void *argument), void *argument);
/*
 * As OTHER_UID, while the system has no file to give; "before", if not NULL, runs
 * when there are some still.
 */
void run_without_files(void (*before)(void *argument), void (*body)(void *argument),
		       void *argument);
pid_t gone_pid(void); /* of a process that has ended and was reaped */

/* A process that has a port and does what it is told. */
struct peer_options {
	bool no_port;
	uid_t uid; /* 0: root */
	uint64_t codes; /* 0: handles none of them */
	uint64_t high_codes; /* those from 64 on, likewise */
	uint32_t access;
	bool new_pid_namespace;
	const char *id_map; /* for uids and gids of a new user namespace, NULL: none */
	bool become_root; /* of the new user namespace */
	pid_t pid; /* the number that it shall have, 0: any */
};

struct peer {
	struct child child;
	pid_t pid;
};

struct peer peer_start(const struct peer_options *options);
struct peer peer_listening(void); /* handles both codes, as root */
struct ipcshim_event peer_event(struct peer *peer);
unsigned int peer_events_waiting(struct peer *peer);
int peer_claim(struct peer *peer, uint64_t token); /* 0 or an errno */
int peer_open_to(struct peer *peer, pid_t pid); /* 0 or an errno */
void peer_reopen_port(struct peer *peer);
void peer_kill(struct peer *peer);

/*
 * OPEN_PIPE to a pid from a fresh process of that uid: 0 or an errno.  "exe" is
 * the program that it executes first, NULL: none.
 */
int open_as(uid_t uid, pid_t pid, const char *exe);
int program_open_to(const char *pid, const char *result_fd);

/* Settings, and parameters of the module; what was set before comes back at exit. */
void setting_set(const char *path, unsigned long long value);
void text_setting_set(const char *path, const char *value);
void parameter_set(const char *name, unsigned long long value);

#endif
