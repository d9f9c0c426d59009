// SPDX-License-Identifier: MIT
/* One side of a session; see pty_side.h. */
#include "pty_side.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/ipcshim.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "rounds.h"

enum {
	SENDS = 200,
	STILL_OPEN = 1, /* what a master is asked */
};

static char text[1 << 17];
static volatile sig_atomic_t hangups;

static void put(int line, uint64_t value)
{
	if (send(line, &value, sizeof(value), MSG_NOSIGNAL) != sizeof(value))
		die("a line to a process");
}

static uint64_t get(int line)
{
	uint64_t value;

	if (recv(line, &value, sizeof(value), 0) != sizeof(value))
		die("a line from a process");
	return value;
}

static void must(bool good, const char *what)
{
	if (good)
		return;
	printf("%s is not so (%s)\n", what, strerror(errno));
	exit(1);
}

#define MUST(condition) must((condition), #condition)

static void on_hangup(int number)
{
	(void)number;
	hangups = 1;
}

static void resize_on(int fd)
{
	struct winsize size = { 0 };

	while (ioctl(fd, TIOCSWINSZ, &size) == 0)
		size.ws_row++;
	MUST(errno == EIO);
}

static void flood(int fd)
{
	ssize_t count;

	while ((count = write(fd, text, sizeof(text))) > 0)
		;
	MUST(count < 0 && errno == EIO);
}

/* A deed that never ends is ended by the test. */
static void master_does(enum deed deed, int master, pid_t other)
{
	struct ipcshim_send_pty args = { .pid = (uint32_t)other };

	switch (deed) {
	case READ:
		while (read(master, text, sizeof(text)) > 0)
			;
		MUST(errno == EIO);
		break;
	case FLOOD:
		flood(master);
		break;
	case RESIZE:
		resize_on(master);
		break;
	case SEND:
		/* So many that the other one is in the midst of claiming. */
		for (int i = 0; i < SENDS; i++)
			if (ioctl(master, IPCSHIM_SEND_PTY, &args))
				break;
		break;
	case DRAIN:
	case WAIT:
		break;
	}
}

/* The slave is open still, or was never. */
static void master_waits(int master)
{
	struct pollfd ready = { master, POLLIN | POLLOUT, 0 };

	MUST(fcntl(master, F_SETFL, O_RDWR | O_NONBLOCK) == 0);
	MUST(read(master, text, 1) < 0 && errno == EAGAIN);
	MUST(poll(&ready, 1, 0) == 1 && ready.revents == POLLOUT);
}

/* The slave is gone: what is left can be read, then EIO; the pty is good for another. */
static void master_sees(const struct scene *scene, int master)
{
	struct pollfd ready = { master, POLLIN | POLLOUT, 0 };
	int slave;

	MUST(fcntl(master, F_SETFL, O_RDWR | O_NONBLOCK) == 0);
	if (scene->stage < CLAIMED) {
		master_waits(master);
	} else {
		while (read(master, text, sizeof(text)) > 0)
			;
		MUST(errno == EIO);
		MUST(poll(&ready, 1, 0) == 1 && ready.revents & POLLHUP);
	}
	slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY);
	MUST(slave >= 0);
	MUST(write(slave, "x", 1) == 1 && read(master, text, 1) == 1);
}

static void be_master(int line, const struct scene *scene)
{
	struct ipcshim_open_pty pty = { 0 };
	struct ipcshim_send_pty args = { 0 };
	int port = open(IPCSHIM_DEVICE, O_RDWR | O_CLOEXEC);
	struct termios settings;

	MUST(port >= 0 && ioctl(port, IPCSHIM_OPEN_PTY, &pty) == 0);
	MUST(tcgetattr(pty.fd, &settings) == 0);
	cfmakeraw(&settings);
	MUST(tcsetattr(pty.fd, TCSANOW, &settings) == 0);
	args.pid = (uint32_t)get(line);
	if (scene->stage >= SENT)
		MUST(ioctl(pty.fd, IPCSHIM_SEND_PTY, &args) == 0);
	put(line, 0);
	get(line); /* the other one is where it should be */
	put(line, 0);
	master_does(scene->deeds[MASTER], pty.fd, (pid_t)args.pid);
	while (get(line) == STILL_OPEN) {
		master_waits(pty.fd);
		put(line, 0);
	}
	master_sees(scene, pty.fd);
}

static int claim_next(int port)
{
	struct ipcshim_event event;
	struct ipcshim_claim args = { 0 };

	if (read(port, &event, sizeof(event)) != sizeof(event))
		return -1;
	args.token = event.token;
	return ioctl(port, IPCSHIM_CLAIM, &args) ? -1 : args.fd;
}

static void slave_does(enum deed deed, int slave, int port)
{
	int fd;

	switch (deed) {
	case READ:
		MUST(read(slave, text, sizeof(text)) == 0);
		break;
	case FLOOD:
		flood(slave);
		break;
	case DRAIN:
		/* Hung up meanwhile: it need not have been written. */
		if (write(slave, "drain", 5) > 0)
			tcdrain(slave);
		break;
	case RESIZE:
		resize_on(slave);
		break;
	case SEND:
		for (int i = 0; i < SENDS; i++) {
			struct pollfd ready = { port, POLLIN, 0 };

			if (poll(&ready, 1, 100) != 1)
				break;
			fd = claim_next(port);
			MUST(fd >= 0 || errno == ESTALE);
			close(fd);
		}
		break;
	case WAIT:
		break;
	}
}

/* The master is gone: the end of the file, EIO, and a hangup for the leader. */
static void slave_sees(const struct scene *scene, int slave, int port)
{
	struct pollfd ready = { slave, POLLIN, 0 };

	if (scene->stage == SENT)
		MUST(claim_next(port) < 0 && errno == ESTALE);
	if (scene->stage < CLAIMED)
		return;
	MUST(read(slave, text, 1) == 0);
	MUST(write(slave, text, 1) < 0 && errno == EIO);
	MUST(poll(&ready, 1, 0) == 1 && ready.revents & POLLHUP);
	MUST(scene->stage != LED || hangups);
}

/* It lives on when its parent is killed. */
static _Noreturn void keep_open(void)
{
	for (;;)
		pause();
}

static void be_slave(int line, const struct scene *scene)
{
	struct ipcshim_handle handle = {
		.codes = { 0, 1ULL << (IPCSHIM_EVENT_RECV_PTY - 64) },
	};
	struct sigaction action = { .sa_handler = on_hangup, .sa_flags = SA_RESTART };
	int port = open(IPCSHIM_DEVICE, O_RDWR | O_CLOEXEC);
	int slave = -1;
	pid_t child = 0;

	MUST(sigaction(SIGHUP, &action, NULL) == 0);
	MUST(port >= 0 && ioctl(port, IPCSHIM_HANDLE_SIGNAL, &handle) == 0);
	put(line, 0);
	get(line); /* the pty is there, and sent */
	if (scene->stage >= CLAIMED) {
		slave = claim_next(port);
		MUST(slave >= 0);
	}
	if (scene->stage == LED)
		MUST(setsid() >= 0 && ioctl(slave, TIOCSCTTY, 0) == 0);
	if (scene->stage == FORKED) {
		child = fork();
		MUST(child >= 0);
		if (child == 0) {
			close(line);
			close(port);
			keep_open();
		}
	}
	put(line, (uint64_t)child);
	slave_does(scene->deeds[SLAVE], slave, port);
	get(line); /* the master was killed */
	slave_sees(scene, slave, port);
	if (child) {
		kill(child, SIGKILL);
		waitpid(child, NULL, 0);
	}
}

static pid_t start(int *line, const struct scene *scene, void (*be)(int, const struct scene *),
		   const int *other)
{
	int pair[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		die("socketpair");
	fflush(stdout);
	pid = fork();
	if (pid < 0)
		die("fork");
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(pair[0]);
		if (other)
			close(*other);
		be(pair[1], scene);
		exit(0);
	}
	close(pair[1]);
	*line = pair[0];
	return pid;
}

/* Once it waits in a system call; false: it ended. */
static bool is_asleep(pid_t pid)
{
	char path[64];
	char state = 'R';

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	while (state == 'R' || state == 'D') {
		FILE *file = fopen(path, "re");

		if (!file || fscanf(file, "%*d (%*[^)]) %c", &state) != 1)
			die(path);
		fclose(file);
	}
	return state == 'S';
}

/* The others go on for ever. */
static bool blocks(enum deed deed)
{
	return deed != RESIZE && deed != SEND;
}

struct session session_start(const struct scene *scene)
{
	struct session session = { .scene = scene };

	session.pids[SLAVE] = start(&session.lines[SLAVE], scene, be_slave, NULL);
	session.pids[MASTER] =
		start(&session.lines[MASTER], scene, be_master, &session.lines[SLAVE]);
	get(session.lines[SLAVE]); /* it has a port */
	put(session.lines[MASTER], (uint64_t)session.pids[SLAVE]);
	get(session.lines[MASTER]);
	put(session.lines[SLAVE], 0);
	session.child = (pid_t)get(session.lines[SLAVE]);
	put(session.lines[MASTER], 0);
	get(session.lines[MASTER]);
	for (enum side side = MASTER; side < SIDES; side++)
		if (blocks(scene->deeds[side]))
			MUST(is_asleep(session.pids[side]));
	return session;
}

static void kill_and_reap(pid_t pid)
{
	if (kill(pid, SIGKILL) || waitpid(pid, NULL, 0) != pid)
		die("kill");
}

/* What its child has open is open still: the master has to wait. */
static void end_child(struct session *session)
{
	int line = session->lines[MASTER];

	if (session->pids[MASTER] && session->scene->deeds[MASTER] == READ) {
		MUST(is_asleep(session->pids[MASTER]));
	} else if (session->pids[MASTER]) {
		put(line, STILL_OPEN);
		get(line);
	}
	kill_and_reap(session->child);
}

void session_kill(struct session *session, enum side side)
{
	kill_and_reap(session->pids[side]);
	session->pids[side] = 0;
	close(session->lines[side]);
	if (side == SLAVE && session->child)
		end_child(session);
}

/* With nobody at the slave a master goes on, or waits for the next one. */
static bool ends_by_itself(const struct scene *scene, enum side side)
{
	enum deed deed = scene->deeds[side];

	return side == SLAVE || (deed != FLOOD && deed != RESIZE &&
				 (deed != READ || scene->stage >= CLAIMED));
}

bool session_ends(struct session *session, enum side side)
{
	int status;

	if (!ends_by_itself(session->scene, side)) {
		session_kill(session, side);
		return true;
	}
	put(session->lines[side], 0);
	if (waitpid(session->pids[side], &status, 0) != session->pids[side])
		die("waitpid");
	close(session->lines[side]);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return true;
	printf("the process at the %s ended with wait status %#x\n",
	       side == MASTER ? "master" : "slave", (unsigned int)status);
	return false;
}
