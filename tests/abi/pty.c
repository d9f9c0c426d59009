// SPDX-License-Identifier: MIT
/* Pseudo terminals; see pty.h. */
#include "pty.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "harness.h"

int port_for_ptys(void)
{
	struct ipcshim_handle args = { .codes = { 0, PTY_CODE } };
	int port = port_open();

	ASSERT_OK(ioctl(port, IPCSHIM_HANDLE_SIGNAL, &args));
	return port;
}

struct peer peer_for_ptys(void)
{
	static const struct peer_options options = { .high_codes = PTY_CODE };

	return peer_start(&options);
}

struct ipcshim_open_pty pty_open(int port)
{
	struct ipcshim_open_pty args = { 0 };

	ASSERT_OK(ioctl(port, IPCSHIM_OPEN_PTY, &args));
	return args;
}

struct ipcshim_open_pty pty_nonblocking(int port)
{
	struct ipcshim_open_pty args = { .flags = IPCSHIM_OPEN_NONBLOCK };

	ASSERT_OK(ioctl(port, IPCSHIM_OPEN_PTY, &args));
	return args;
}

int master_nonblocking(void)
{
	return pty_nonblocking(port_open()).fd;
}

int master_open(int port)
{
	return pty_open(port).fd;
}

struct ipcshim_send_pty send_pty_args(pid_t pid)
{
	return (struct ipcshim_send_pty){ .pid = (uint32_t)pid };
}

uint64_t pty_token_for_me(int master)
{
	struct ipcshim_send_pty args = send_pty_args(getpid());

	args.flags = IPCSHIM_OPEN_SKIP;
	ASSERT_OK(ioctl(master, IPCSHIM_SEND_PTY, &args));
	return args.token;
}

int slave_open(int master, int flags)
{
	int slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC | flags);

	ASSERT_OK(slave);
	return slave;
}

const char *node_of(unsigned int index)
{
	static char path[32];

	snprintf(path, sizeof(path), "/dev/ttyIPC%u", index);
	return path;
}

void make_raw(int fd)
{
	struct termios settings;

	ASSERT_OK(tcgetattr(fd, &settings));
	cfmakeraw(&settings);
	ASSERT_OK(tcsetattr(fd, TCSANOW, &settings));
}

struct winsize window_of(int fd)
{
	struct winsize size;

	ASSERT_OK(ioctl(fd, TIOCGWINSZ, &size));
	return size;
}

static short poll_for(int fd, short events, int timeout)
{
	struct pollfd ready = { .fd = fd, .events = events };

	ASSERT_OK(poll(&ready, 1, timeout));
	return ready.revents;
}

short ready_now(int fd)
{
	return poll_for(fd, POLLIN | POLLOUT | POLLPRI, 0);
}

short wait_ready(int fd, short events)
{
	poll_for(fd, events, -1);
	return ready_now(fd);
}

int bytes_to_read(int fd)
{
	int bytes = -1;

	ASSERT_OK(ioctl(fd, FIONREAD, &bytes));
	return bytes;
}

void expect_text(int fd, const char *text)
{
	size_t length = strlen(text);
	size_t done = 0;
	char buffer[256];

	ASSERT_TRUE(length < sizeof(buffer));
	while (done < length) {
		ssize_t count;

		wait_ready(fd, POLLIN);
		count = read(fd, buffer + done, length - done);
		ASSERT_OK(count);
		ASSERT_TRUE(count > 0);
		done += (size_t)count;
	}
	buffer[done] = '\0';
	if (memcmp(buffer, text, length) != 0)
		test_failed(__FILE__, __LINE__, "read \"%s\", expected \"%s\"", buffer, text);
}

void set_nonblocking(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	ASSERT_OK(flags);
	ASSERT_OK(fcntl(fd, F_SETFL, flags | O_NONBLOCK));
}

void expect_waiting(int master)
{
	char byte;

	ASSERT_ERRNO(EAGAIN, read(master, &byte, 1));
	ASSERT_EQ(POLLOUT, ready_now(master));
}

void expect_hung_up(int master)
{
	char byte;

	ASSERT_ERRNO(EIO, read(master, &byte, 1));
	ASSERT_TRUE(ready_now(master) & POLLHUP);
}

int try_unload(void)
{
	return syscall(SYS_delete_module, "ipcshim", O_NONBLOCK) == 0 ? 0 : errno;
}

static int load(const char *parameters)
{
	const char *path = getenv("IPCSHIM_KO");
	int file = open(path ? path : "/lib/ipcshim.ko", O_RDONLY | O_CLOEXEC);
	int result = file >= 0 && syscall(SYS_finit_module, file, parameters, 0) == 0 ? 0 : errno;

	close(file);
	return result;
}

/* What is in the way for a moment: the memory of a pty that was closed. */
static int unload_soon(void)
{
	struct timespec step = { .tv_nsec = 1000000 };
	int result = try_unload();

	for (int i = 0; i < 5000 && result == EAGAIN; i++) {
		nanosleep(&step, NULL);
		result = try_unload();
	}
	return result;
}

static pid_t loader;

static void load_as_before(void)
{
	if (getpid() != loader)
		return;
	/* The test may have failed with some of it open. */
	for (int fd = 3; fd < 256; fd++)
		close(fd);
	unload_soon();
	if (load(""))
		printf("the module does not load again: %s\n", strerror(errno));
}

int try_reload(const char *parameters)
{
	if (!loader) {
		loader = getpid();
		atexit(load_as_before);
	}
	ASSERT_EQ(0, unload_soon());
	return load(parameters);
}

void reload_with(const char *parameters)
{
	ASSERT_EQ(0, try_reload(parameters));
}
