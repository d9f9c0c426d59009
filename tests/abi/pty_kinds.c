// SPDX-License-Identifier: MIT
/* A pty's master and slave among the kinds of descriptors: what one has and another has not. */
#include <asm/ioctls.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "calls.h"
#include "harness.h"
#include "memory.h"
#include "pty.h"

TEST(pty_master_answers_ENOTTY_to_what_a_port_a_pipe_and_a_segment_have)
{
	int master = master_open(port_open());

	lacks_calls_of_a_port(master);
	lacks_calls_of_a_pipe(master);
	lacks_calls_of_a_segment(master);
}

TEST(pty_slave_answers_ENOTTY_to_every_call_that_is_ours)
{
	int slave = slave_open(master_open(port_open()), 0);

	lacks_calls_of_a_port(slave);
	lacks_calls_of_a_pipe(slave);
	lacks_calls_of_a_segment(slave);
	lacks_calls_of_a_master(slave);
}

TEST(pty_master_answers_ENOTTY_to_unknown_commands)
{
	int master = master_open(port_open());
	char args[256] = { 0 };

	lacks_unknown_calls(master);
	/* The right number with the wrong size or direction. */
	ASSERT_ERRNO(ENOTTY,
		     ioctl(master, _IOC(_IOC_READ | _IOC_WRITE, IPCSHIM_IOC_MAGIC, 0x51, 32), args));
	ASSERT_ERRNO(ENOTTY, ioctl(master, _IOC(_IOC_WRITE, IPCSHIM_IOC_MAGIC, 0x51, 24), args));
	ASSERT_ERRNO(ENOTTY, ioctl(master, _IOC(_IOC_READ | _IOC_WRITE, 'x', 0x51, 24), args));
	ASSERT_ERRNO(ENOTTY, ioctl(master, 0, args));
	ASSERT_ERRNO(ENOTTY, ioctl(master, ~0U, args));
	/* Among those of ttys there are numbers that no tty has. */
	for (unsigned int command = 0x5480; command < 0x5500; command++)
		ASSERT_ERRNO(ENOTTY, ioctl(master, command, args));
}

TEST(pty_slave_answers_ENOTTY_to_unknown_commands)
{
	int slave = slave_open(master_open(port_open()), 0);
	char args[256] = { 0 };

	lacks_unknown_calls(slave);
	ASSERT_ERRNO(ENOTTY, ioctl(slave, 0, args));
	ASSERT_ERRNO(ENOTTY, ioctl(slave, ~0U, args));
	for (unsigned int command = 0x5480; command < 0x5500; command++)
		ASSERT_ERRNO(ENOTTY, ioctl(slave, command, args));
}

/* What only some hardware has: neither side has a modem. */
TEST(pty_master_and_slave_have_no_modem_and_no_serial_line)
{
	int master = master_open(port_open());
	int fds[2] = { master, slave_open(master, 0) };

	for (int i = 0; i < 2; i++) {
		char args[256] = { 0 };

		ASSERT_EQ(-1, ioctl(fds[i], TIOCMGET, args));
		ASSERT_EQ(-1, ioctl(fds[i], TIOCMSET, args));
		ASSERT_EQ(-1, ioctl(fds[i], TIOCGSERIAL, args));
		ASSERT_EQ(-1, ioctl(fds[i], TIOCGICOUNT, args));
	}
}

TEST(pty_slave_answers_ENOTTY_to_what_only_a_master_has)
{
	int slave = slave_open(master_open(port_open()), 0);
	int value = 0;

	ASSERT_ERRNO(ENOTTY, ioctl(slave, TIOCGPTN, &value));
	ASSERT_ERRNO(ENOTTY, ioctl(slave, TIOCSPTLCK, &value));
	ASSERT_ERRNO(ENOTTY, ioctl(slave, TIOCGPTLCK, &value));
	ASSERT_ERRNO(ENOTTY, ioctl(slave, TIOCPKT, &value));
	ASSERT_ERRNO(ENOTTY, ioctl(slave, TIOCGPKT, &value));
	ASSERT_ERRNO(ENOTTY, ioctl(slave, TIOCSIG, 2));
	/* This one the core takes, and says so of any tty but its own masters. */
	ASSERT_ERRNO(EIO, ioctl(slave, TIOCGPTPEER, O_RDWR | O_NOCTTY));
}

TEST(port_pipe_and_segment_answer_ENOTTY_to_what_only_a_pty_master_has)
{
	int port = port_open();
	struct ends ends = ends_open(port, IPCSHIM_PIPE_RAW, 0);
	int others[] = { port, ends.sender, ends.receiver, segment_create(port, page_size()),
			 eventfd(0, EFD_CLOEXEC) };

	for (unsigned int i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		int value = 0;

		lacks_calls_of_a_master(others[i]);
		ASSERT_ERRNO(ENOTTY, ioctl(others[i], TIOCGPTN, &value));
		ASSERT_ERRNO(ENOTTY, ioctl(others[i], TIOCGPTPEER, O_RDWR | O_NOCTTY));
		ASSERT_ERRNO(ENOTTY, ioctl(others[i], TIOCSPTLCK, &value));
	}
}

/* A pty of the system's own is none of ours. */
TEST(send_pty_on_a_pty_of_devpts_is_ENOTTY)
{
	int master = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC);

	if (master < 0)
		SKIP("/dev/ptmx can't be opened here");
	lacks_calls_of_a_master(master);
}

static int open_again(int fd, int flags)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return open(path, flags | O_NOCTTY | O_CLOEXEC);
}

TEST(pty_master_opened_again_through_proc_is_ENXIO)
{
	int port = port_open();
	int master = master_open(port);
	struct state before = state_now(port);

	ASSERT_ERRNO(ENXIO, open_again(master, O_RDWR));
	ASSERT_ERRNO(ENXIO, open_again(master, O_RDONLY));
	ASSERT_ERRNO(ENXIO, open_again(master, O_WRONLY | O_NONBLOCK));
	state_same(port, &before);
	/* The refusals did no harm. */
	slave_open(master, 0);
}

TEST(pty_master_and_slave_answer_EBADF_when_closed_or_opened_with_O_PATH)
{
	int master = master_open(port_open());
	int fds[2] = { master, slave_open(master, 0) };

	for (int i = 1; i >= 0; i--) {
		int path = open_again(fds[i], O_PATH);
		int value;

		ASSERT_OK(path);
		ASSERT_ERRNO(EBADF, ioctl(path, FIONREAD, &value));
		ASSERT_ERRNO(EBADF, read(path, &value, 1));
		close(fds[i]);
		ASSERT_ERRNO(EBADF, ioctl(fds[i], FIONREAD, &value));
	}
}

TEST(pty_master_is_no_file_with_a_place_a_length_or_pages)
{
	int master = master_open(port_open());
	char byte = 1;

	ASSERT_ERRNO(ESPIPE, lseek(master, 0, SEEK_CUR));
	ASSERT_ERRNO(ESPIPE, pread(master, &byte, 1, 0));
	ASSERT_ERRNO(ESPIPE, pwrite(master, &byte, 1, 0));
	ASSERT_EQ(-1, ftruncate(master, 0));
	ASSERT_TRUE(mmap(NULL, page_size(), PROT_READ, MAP_SHARED, master, 0) == MAP_FAILED);
	ASSERT_EQ(ENODEV, errno);
}

TEST(pty_master_and_slave_are_terminals_to_isatty)
{
	int master = master_open(port_open());

	ASSERT_EQ(1, isatty(master));
	ASSERT_EQ(1, isatty(slave_open(master, 0)));
}
