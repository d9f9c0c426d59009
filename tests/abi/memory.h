/* SPDX-License-Identifier: MIT */
/*
 * What the tests of segments share.  A child inherits what its parent has open
 * and mapped, and that keeps grants alive: peers are started first.
 */
#ifndef IPCSHIM_TESTS_ABI_MEMORY_H
#define IPCSHIM_TESTS_ABI_MEMORY_H

#include "support.h"

#define MEMORY_CODES                                                           \
	(1ULL << IPCSHIM_EVENT_RECV_SHARED_MEM | 1ULL << IPCSHIM_EVENT_UNSHARED_MEM)

enum {
	R = IPCSHIM_RIGHT_READ,
	W = IPCSHIM_RIGHT_WRITE,
	X = IPCSHIM_RIGHT_EXECUTE,
	C = IPCSHIM_RIGHT_COPY_ON_WRITE,
	MUTUAL = IPCSHIM_MEM_MUTUAL,
	EXCLUSIVE = IPCSHIM_MEM_EXCLUSIVE,
};

size_t page_size(void);
int memory_port(void); /* handles both codes of segments */
uint64_t in_nanoseconds(uint64_t nanoseconds); /* a deadline */

/* Segments. */
int segment_create(int port, size_t length);
int segment_small(int port, size_t length); /* without large pages */
char *segment_map(int segment, size_t length, int protection); /* MAP_SHARED */
struct ipcshim_mem_info segment_info(int segment);
struct ipcshim_share_mem share_args(pid_t pid, unsigned int mode, unsigned int rights);
struct ipcshim_share_mem share(int segment, pid_t pid, unsigned int mode, unsigned int rights);
struct ipcshim_share_mem lend(int segment, pid_t pid, unsigned int rights, uint64_t deadline);
unsigned int take_back(int segment, pid_t pid); /* how many were revoked */
struct ipcshim_claim claim(int port, uint64_t token);

/* A line of /proc/self/fdinfo without its name, empty if there is none. */
const char *fdinfo(int fd, const char *name);

/* 0, or the signal that an access raises. */
int fault_of_load(const volatile char *address);
int fault_of_store(volatile char *address, char value);
/* SIGBUS, and EFAULT in a system call. */
void expect_gone(const char *address);
/* A segment that was revoked or handed over. */
void expect_stale(int segment);

/* Pins the page at "address" until the pipe that comes back is closed. */
struct pin {
	int reader;
	int writer;
};

struct pin pin_page(const void *address);
void unpin(struct pin *pin);

/* A child of ours, or a thread, waits in a system call, and no processor runs it. */
void wait_until_asleep(pid_t pid);

/* What peers do with segments; a result is 0 or an errno. */
struct peer peer_for_memory(void); /* handles both codes of segments, as root */
int peer_ioctl(struct peer *peer, int fd, unsigned long command, void *args); /* fd -1: its port */
/* One that may wait; the peer does nothing else until it ends. */
void peer_ioctl_start(struct peer *peer, int fd, unsigned long command, const void *args);
int peer_ioctl_end(struct peer *peer, unsigned long command, void *args);
struct ipcshim_claim peer_take(struct peer *peer, uint64_t token); /* has to succeed */
int peer_map(struct peer *peer, int fd, size_t length, int protection, int flags,
	     uint64_t *address);
int peer_unmap(struct peer *peer, uint64_t address, size_t length);
int peer_close(struct peer *peer, int fd);
int peer_load(struct peer *peer, uint64_t address); /* 0 or a signal */
int peer_store(struct peer *peer, uint64_t address, char value); /* 0 or a signal */
void peer_fill(struct peer *peer, uint64_t address, size_t size, unsigned int seed);
void peer_check(struct peer *peer, uint64_t address, size_t size, unsigned int seed);
void peer_fork(struct peer *peer); /* a child of it that lives as long as it does */
void peer_close_port(struct peer *peer);
/* Writes until a signal comes, which peer_write_ended tells. */
void peer_write_on(struct peer *peer, uint64_t address);
int peer_write_ended(struct peer *peer);

/* The ways in which a process ends. */
enum ending { BY_EXIT, BY_KILL, BY_EXEC, ENDINGS };

void peer_end(struct peer *peer, enum ending ending);
void peer_exec_and_stay(struct peer *peer); /* it lives on as another program */
int program_stay(const char *fd); /* that program */
unsigned int how_of(enum ending ending);
int status_of(enum ending ending);

/* A peer that has claimed and mapped, with the protection that its rights give. */
struct holder {
	struct peer peer;
	struct ipcshim_share_mem share;
	struct ipcshim_claim claim;
	uint64_t address;
};

void holder_claim(struct holder *holder); /* the share was made */
void holder_map(struct holder *holder);
/* For a peer that was started before. */
void holder_get(struct holder *holder, int segment, unsigned int mode, unsigned int rights);

/* What the command loop of a peer calls, see process.c. */
void memory_command(int fd, int *port, uint64_t command);

#endif
