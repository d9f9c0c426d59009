// SPDX-License-Identifier: MIT
/* What peers do with segments; see memory.h. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness.h"
#include "memory.h"

/* Beside those of process.c.  A request follows, an answer comes back. */
enum memory_command {
	IOCTL = 100,
	MAP,
	UNMAP,
	CLOSE,
	LOAD,
	STORE,
	FILL,
	CHECK,
	FORK,
	CLOSE_PORT,
	WRITE_ON,
	EXIT,
	EXEC,
	EXEC_AND_STAY,
};

enum { EXIT_CODE = 23 };

struct request {
	uint64_t address;
	uint64_t length;
	uint64_t command;
	int fd;
	int protection;
	int flags;
	unsigned int value;
	unsigned char data[96]; /* arguments of an ioctl */
};

struct answer {
	uint64_t address;
	int result;
	unsigned char data[96];
};

static int errno_if(bool failed)
{
	return failed ? errno : 0;
}

static char *at(uint64_t address)
{
	return (char *)(uintptr_t)address;
}

static void do_map(const struct request *request, struct answer *answer)
{
	void *address = mmap(NULL, (size_t)request->length, request->protection, request->flags,
			     request->fd, 0);

	answer->result = errno_if(address == MAP_FAILED);
	answer->address = (uintptr_t)address;
}

static int write_until_fault(char *address)
{
	for (char value = 0;; value++) {
		int number = fault_of_store(address, value);

		if (number)
			return number;
	}
}

/* A copy of the peer that has all that it has, and dies with it. */
static void fork_keeper(int fd)
{
	int pair[2];
	pid_t pid;
	char byte;

	ASSERT_OK(pipe2(pair, O_CLOEXEC));
	pid = fork();
	ASSERT_OK(pid);
	if (pid == 0) {
		ASSERT_OK(prctl(PR_SET_PDEATHSIG, SIGKILL));
		/* Its end is seen by who waits for the peer's socket. */
		close(fd);
		close(pair[0]);
		close(pair[1]);
		for (;;)
			pause();
	}
	close(pair[1]);
	/* Not before it will die: the peer may be killed next. */
	ASSERT_EQ(0, read(pair[0], &byte, 1));
	close(pair[0]);
}

/* Another program as far as the kernel sees; it ends, or waits to be killed. */
static void execute_another(int stay_for)
{
	static char program[] = "/proc/self/exe";
	static char list[] = "--list";
	static char stay[] = "--stay";
	char number[16];
	char *const arguments[] = { program, stay_for < 0 ? list : stay,
				    stay_for < 0 ? NULL : number, NULL };
	int null = open("/dev/null", O_WRONLY | O_CLOEXEC);

	snprintf(number, sizeof(number), "%d", stay_for);
	if (stay_for < 0)
		ASSERT_OK(dup2(null, STDOUT_FILENO));
	else
		ASSERT_OK(fcntl(stay_for, F_SETFD, 0));
	execv(program, arguments);
	ASSERT_OK(-1);
}

static void do_command(int fd, int *port, uint64_t command, struct request *request,
		       struct answer *answer)
{
	switch ((enum memory_command)command) {
	case IOCTL:
		answer->result = errno_if(ioctl(request->fd < 0 ? *port : request->fd,
						(unsigned long)request->command,
						request->data) < 0);
		memcpy(answer->data, request->data, sizeof(answer->data));
		break;
	case MAP:
		do_map(request, answer);
		break;
	case UNMAP:
		answer->result = errno_if(munmap(at(request->address), (size_t)request->length));
		break;
	case CLOSE:
		answer->result = errno_if(close(request->fd));
		break;
	case LOAD:
		answer->result = fault_of_load(at(request->address));
		break;
	case STORE:
		answer->result = fault_of_store(at(request->address), (char)request->value);
		break;
	case FILL:
		fill_pattern(at(request->address), (size_t)request->length, request->value);
		break;
	case CHECK:
		check_pattern(at(request->address), (size_t)request->length, request->value);
		break;
	case FORK:
		fork_keeper(fd);
		break;
	case CLOSE_PORT:
		close(*port);
		*port = -1;
		break;
	case WRITE_ON:
		put(fd, 0); /* it begins */
		answer->result = write_until_fault(at(request->address));
		break;
	case EXIT:
		exit(EXIT_CODE);
	case EXEC:
		execute_another(-1);
		break;
	case EXEC_AND_STAY:
		execute_another(fd);
	}
}

void memory_command(int fd, int *port, uint64_t command)
{
	struct request request;
	struct answer answer = { 0 };

	ASSERT_EQ(sizeof(request), recv(fd, &request, sizeof(request), 0));
	do_command(fd, port, command, &request, &answer);
	ASSERT_EQ(sizeof(answer), send(fd, &answer, sizeof(answer), MSG_NOSIGNAL));
}

static void ask(struct peer *peer, enum memory_command command, const struct request *request)
{
	put(peer->child.fd, command);
	ASSERT_EQ(sizeof(*request), send(peer->child.fd, request, sizeof(*request), MSG_NOSIGNAL));
}

static struct answer answer_of(struct peer *peer)
{
	struct answer answer;

	ASSERT_EQ(sizeof(answer), recv(peer->child.fd, &answer, sizeof(answer), 0));
	return answer;
}

static struct answer tell(struct peer *peer, enum memory_command command, struct request request)
{
	ask(peer, command, &request);
	return answer_of(peer);
}

struct peer peer_for_memory(void)
{
	static const struct peer_options options = { .codes = MEMORY_CODES };

	return peer_start(&options);
}

void peer_ioctl_start(struct peer *peer, int fd, unsigned long command, const void *args)
{
	struct request request = { .fd = fd, .command = command };
	size_t size = _IOC_SIZE(command);

	ASSERT_TRUE(size <= sizeof(request.data));
	memcpy(request.data, args, size);
	ask(peer, IOCTL, &request);
}

int peer_ioctl_end(struct peer *peer, unsigned long command, void *args)
{
	struct answer answer = answer_of(peer);

	memcpy(args, answer.data, _IOC_SIZE(command));
	return answer.result;
}

int peer_ioctl(struct peer *peer, int fd, unsigned long command, void *args)
{
	peer_ioctl_start(peer, fd, command, args);
	return peer_ioctl_end(peer, command, args);
}

struct ipcshim_claim peer_take(struct peer *peer, uint64_t token)
{
	struct ipcshim_claim args = { .token = token };

	ASSERT_EQ(0, peer_ioctl(peer, -1, IPCSHIM_CLAIM, &args));
	return args;
}

int peer_map(struct peer *peer, int fd, size_t length, int protection, int flags,
	     uint64_t *address)
{
	struct answer answer = tell(peer, MAP,
				    (struct request){
					    .fd = fd,
					    .length = length,
					    .protection = protection,
					    .flags = flags,
				    });

	*address = answer.address;
	return answer.result;
}

int peer_unmap(struct peer *peer, uint64_t address, size_t length)
{
	return tell(peer, UNMAP, (struct request){ .address = address, .length = length }).result;
}

int peer_close(struct peer *peer, int fd)
{
	return tell(peer, CLOSE, (struct request){ .fd = fd }).result;
}

int peer_load(struct peer *peer, uint64_t address)
{
	return tell(peer, LOAD, (struct request){ .address = address }).result;
}

int peer_store(struct peer *peer, uint64_t address, char value)
{
	return tell(peer, STORE,
		    (struct request){ .address = address, .value = (unsigned char)value })
		.result;
}

void peer_fill(struct peer *peer, uint64_t address, size_t size, unsigned int seed)
{
	tell(peer, FILL, (struct request){ .address = address, .length = size, .value = seed });
}

void peer_check(struct peer *peer, uint64_t address, size_t size, unsigned int seed)
{
	tell(peer, CHECK, (struct request){ .address = address, .length = size, .value = seed });
}

void peer_fork(struct peer *peer)
{
	tell(peer, FORK, (struct request){ 0 });
}

void peer_close_port(struct peer *peer)
{
	tell(peer, CLOSE_PORT, (struct request){ 0 });
}

void peer_write_on(struct peer *peer, uint64_t address)
{
	struct request request = { .address = address };

	ask(peer, WRITE_ON, &request);
	get(peer->child.fd);
}

int peer_write_ended(struct peer *peer)
{
	return answer_of(peer).result;
}

void peer_end(struct peer *peer, enum ending ending)
{
	struct request request = { 0 };

	if (ending == BY_KILL)
		return peer_kill(peer);
	ask(peer, ending == BY_EXIT ? EXIT : EXEC, &request);
	ASSERT_EQ(peer->pid, waitpid(peer->pid, NULL, 0));
	close(peer->child.fd);
}

void peer_exec_and_stay(struct peer *peer)
{
	struct request request = { 0 };

	ask(peer, EXEC_AND_STAY, &request);
	get(peer->child.fd);
}

int program_stay(const char *fd)
{
	put(atoi(fd), 0);
	for (;;)
		pause();
}

unsigned int how_of(enum ending ending)
{
	return ending == BY_EXIT ? IPCSHIM_HOW_EXITED :
	       ending == BY_KILL ? IPCSHIM_HOW_KILLED :
				   IPCSHIM_HOW_EXECUTED;
}

int status_of(enum ending ending)
{
	return ending == BY_EXIT ? EXIT_CODE : ending == BY_KILL ? SIGKILL : 0;
}

void holder_claim(struct holder *holder)
{
	holder->claim = peer_take(&holder->peer, holder->share.token);
}

void holder_map(struct holder *holder)
{
	unsigned int rights = holder->claim.rights;
	int protection = PROT_READ;

	if (rights & (W | C))
		protection |= PROT_WRITE;
	else if (rights & X)
		protection |= PROT_EXEC;
	ASSERT_EQ(0, peer_map(&holder->peer, holder->claim.fd, (size_t)holder->claim.length,
			      protection, rights & C ? MAP_PRIVATE : MAP_SHARED,
			      &holder->address));
}

void holder_get(struct holder *holder, int segment, unsigned int mode, unsigned int rights)
{
	holder->share = share(segment, holder->peer.pid, mode, rights);
	holder_claim(holder);
	holder_map(holder);
}
