// SPDX-License-Identifier: MIT
/* Processes that stand at the other end; see support.h. */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness.h"
#include "memory.h"
#include "support.h"

void put(int fd, uint64_t value)
{
	/* MSG_NOSIGNAL: a child that is gone is a failure with a sentence. */
	ASSERT_EQ(sizeof(value), send(fd, &value, sizeof(value), MSG_NOSIGNAL));
}

uint64_t get(int fd)
{
	uint64_t value;

	ASSERT_EQ(sizeof(value), recv(fd, &value, sizeof(value), 0));
	return value;
}

static struct child child_cloned(uint64_t flags, pid_t pid,
				 void (*body)(int fd, void *argument), void *argument)
{
	/* As fork does, with flags for new namespaces and a chosen pid. */
	struct clone_args args = {
		.flags = flags,
		.exit_signal = SIGCHLD,
		.set_tid = pid ? (uint64_t)(uintptr_t)&pid : 0,
		.set_tid_size = pid ? 1 : 0,
	};
	struct child child;
	int pair[2];

	ASSERT_OK(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair));
	fflush(stdout);
	child.pid = (pid_t)syscall(SYS_clone3, &args, sizeof(args));
	ASSERT_OK(child.pid);
	if (child.pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(pair[0]);
		body(pair[1], argument);
		exit(0);
	}
	close(pair[1]);
	child.fd = pair[0];
	return child;
}

struct child child_start(void (*body)(int fd, void *argument), void *argument)
{
	return child_cloned(0, 0, body, argument);
}

void child_join(struct child *child)
{
	int status;

	ASSERT_EQ(child->pid, waitpid(child->pid, &status, 0));
	close(child->fd);
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		test_failed(__FILE__, __LINE__, "a child ended with wait status %#x", status);
}

void become(uid_t uid)
{
	ASSERT_OK(setgroups(0, NULL));
	ASSERT_OK(setresgid(uid, uid, uid));
	ASSERT_OK(setresuid(uid, uid, uid));
	/* Changed credentials clear it. */
	ASSERT_OK(prctl(PR_SET_PDEATHSIG, SIGKILL));
}

void run_as_other(void (*body)(int fd, void *argument), void *argument)
{
	struct child child = child_start(body, argument);

	child_join(&child);
}

struct without_files {
	void (*before)(void *argument);
	void (*body)(void *argument);
	void *argument;
};

static void runs_without_files(int fd, void *argument)
{
	const struct without_files *call = argument;

	/* CAP_SYS_ADMIN is exempt. */
	become(OTHER_UID);
	/* Or it could not ask what its own threads do. */
	ASSERT_OK(prctl(PR_SET_DUMPABLE, 1));
	if (call->before)
		call->before(call->argument);
	put(fd, 0);
	get(fd); /* the limit is lowered now */
	call->body(call->argument);
}

void run_without_files(void (*before)(void *argument), void (*body)(void *argument),
		       void *argument)
{
	struct without_files call = { before, body, argument };
	struct child child = child_start(runs_without_files, &call);

	get(child.fd);
	setting_set("/proc/sys/fs/file-max", 0);
	put(child.fd, 0);
	child_join(&child);
}

static void at_once(int fd, void *argument)
{
	(void)fd;
	(void)argument;
}

pid_t gone_pid(void)
{
	struct child child = child_start(at_once, NULL);

	child_join(&child);
	return child.pid;
}

/* What a peer understands; an operand and an answer may follow. */
enum command { EVENT, WAITING, CLAIM, OPEN_TO, REOPEN };

static int try_open_to(int port, pid_t pid)
{
	struct ipcshim_open_pipe args = open_args();

	args.pid = (uint32_t)pid;
	return ioctl(port, IPCSHIM_OPEN_PIPE, &args) == 0 ? 0 : errno;
}

static int peer_port(const struct peer_options *options)
{
	struct ipcshim_handle handle = handle_args();
	struct ipcshim_access access = { .access = options->access };
	int port;

	if (options->no_port)
		return -1;
	port = port_open();
	handle.codes[0] = options->codes;
	handle.codes[1] = options->high_codes;
	if (options->codes || options->high_codes)
		ASSERT_OK(ioctl(port, IPCSHIM_HANDLE_SIGNAL, &handle));
	if (options->access)
		ASSERT_OK(ioctl(port, IPCSHIM_SET_ACCESS, &access));
	return port;
}

static void peer_body(int fd, void *argument)
{
	const struct peer_options *options = argument;
	struct ipcshim_claim claim;
	struct ipcshim_event event;
	uint64_t command;
	int port;

	get(fd); /* the parent has written the id maps */
	if (options->uid || options->become_root)
		become(options->uid);
	port = peer_port(options);
	put(fd, 0);
	while (recv(fd, &command, sizeof(command), 0) == sizeof(command)) {
		switch ((enum command)command) {
		case EVENT:
			event = event_read(port);
			ASSERT_EQ(sizeof(event), send(fd, &event, sizeof(event), 0));
			break;
		case WAITING:
			put(fd, events_waiting(port));
			break;
		case CLAIM:
			claim = (struct ipcshim_claim){ .token = get(fd) };
			put(fd, ioctl(port, IPCSHIM_CLAIM, &claim) == 0 ? 0 : (uint64_t)errno);
			break;
		case OPEN_TO:
			put(fd, (uint64_t)try_open_to(port, (pid_t)get(fd)));
			break;
		case REOPEN:
			close(port);
			port = peer_port(options);
			put(fd, 0);
			break;
		default:
			memory_command(fd, &port, command);
		}
	}
}

static void write_map(pid_t pid, const char *name, const char *text)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	ASSERT_OK(fd);
	ASSERT_EQ(strlen(text), write(fd, text, strlen(text)));
	close(fd);
}

struct peer peer_start(const struct peer_options *options)
{
	uint64_t flags = 0;
	struct peer peer;

	if (options->new_pid_namespace)
		flags |= CLONE_NEWPID;
	if (options->id_map)
		flags |= CLONE_NEWUSER;
	peer.child = child_cloned(flags, options->pid, peer_body, (void *)(uintptr_t)options);
	peer.pid = peer.child.pid;
	if (options->id_map) {
		write_map(peer.pid, "uid_map", options->id_map);
		write_map(peer.pid, "gid_map", options->id_map);
	}
	put(peer.child.fd, 0);
	get(peer.child.fd);
	return peer;
}

struct peer peer_listening(void)
{
	static const struct peer_options options = { .codes = BOTH_CODES };

	return peer_start(&options);
}

struct ipcshim_event peer_event(struct peer *peer)
{
	struct ipcshim_event event;

	put(peer->child.fd, EVENT);
	ASSERT_EQ(sizeof(event), recv(peer->child.fd, &event, sizeof(event), 0));
	return event;
}

unsigned int peer_events_waiting(struct peer *peer)
{
	put(peer->child.fd, WAITING);
	return (unsigned int)get(peer->child.fd);
}

int peer_claim(struct peer *peer, uint64_t token)
{
	put(peer->child.fd, CLAIM);
	put(peer->child.fd, token);
	return (int)get(peer->child.fd);
}

int peer_open_to(struct peer *peer, pid_t pid)
{
	put(peer->child.fd, OPEN_TO);
	put(peer->child.fd, (uint64_t)pid);
	return (int)get(peer->child.fd);
}

void peer_reopen_port(struct peer *peer)
{
	put(peer->child.fd, REOPEN);
	get(peer->child.fd);
}

void peer_kill(struct peer *peer)
{
	ASSERT_OK(kill(peer->pid, SIGKILL));
	ASSERT_EQ(peer->pid, waitpid(peer->pid, NULL, 0));
	close(peer->child.fd);
}

struct opener {
	uid_t uid;
	pid_t pid;
	const char *exe;
};

static void opener_body(int fd, void *argument)
{
	const struct opener *opener = argument;
	char pid[16];
	char result_fd[16];

	if (opener->uid)
		become(opener->uid);
	if (!opener->exe) {
		put(fd, (uint64_t)try_open_to(port_open(), opener->pid));
		return;
	}
	snprintf(pid, sizeof(pid), "%d", (int)opener->pid);
	snprintf(result_fd, sizeof(result_fd), "%d", fd);
	ASSERT_OK(fcntl(fd, F_SETFD, 0));
	execl(opener->exe, opener->exe, "--open-to", pid, result_fd, (char *)NULL);
	test_failed(__FILE__, __LINE__, "%s: %s", opener->exe, strerror(errno));
}

int open_as(uid_t uid, pid_t pid, const char *exe)
{
	struct opener opener = { uid, pid, exe };
	struct child child = child_start(opener_body, &opener);
	int result = (int)get(child.fd);

	child_join(&child);
	return result;
}

int program_open_to(const char *pid, const char *result_fd)
{
	put(atoi(result_fd), (uint64_t)try_open_to(port_open(), (pid_t)atoi(pid)));
	return 0;
}
