// SPDX-License-Identifier: MIT
/* What closing one side of a pty does to the other. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "harness.h"
#include "memory.h"
#include "pty.h"

enum { FLOOD = 1 << 17 };

static void reads_a_byte(int fd, void *argument)
{
	char byte = 0;

	put(fd, 0);
	ASSERT_EQ(1, read(*(int *)argument, &byte, 1));
	ASSERT_EQ('x', byte);
}

TEST(pty_master_whose_slave_was_never_opened_blocks_instead_of_EIO)
{
	int master = master_open(port_open());
	struct child child = child_start(reads_a_byte, &master);
	int slave;

	get(child.fd);
	wait_until_asleep(child.pid);
	ASSERT_EQ(POLLOUT, ready_now(master));
	slave = slave_open(master, 0);
	ASSERT_EQ(1, write(slave, "x", 1));
	child_join(&child);
}

TEST(pty_peer_counts_as_an_open)
{
	int master = master_nonblocking();

	expect_waiting(master);
	close(slave_open(master, 0));
	expect_hung_up(master);
}

TEST(pty_after_the_last_close_the_master_reads_what_is_left_then_EIO_and_poll_says_HUP)
{
	int master = master_nonblocking();
	int slave = slave_open(master, 0);
	int other = slave_open(master, 0);

	ASSERT_EQ(4, write(slave, "left", 4));
	close(slave);
	ASSERT_EQ(POLLIN | POLLOUT, ready_now(master));
	close(other);
	ASSERT_TRUE((ready_now(master) & (POLLIN | POLLHUP)) == (POLLIN | POLLHUP));
	ASSERT_EQ(4, bytes_to_read(master));
	expect_text(master, "le");
	expect_text(master, "ft");
	expect_hung_up(master);
	/* Until it is opened again. */
	slave = slave_open(master, 0);
	expect_waiting(master);
	ASSERT_EQ(1, write(slave, "x", 1));
	expect_text(master, "x");
}

/* A child that waits with the master, in "body", is woken by it. */
static void last_close_wakes(void (*body)(int fd, void *argument))
{
	int master = master_open(port_open());
	struct child child = child_start(body, &master);
	int slave;

	get(child.fd);
	/* Opened after the fork: it has no descriptor of it. */
	slave = slave_open(master, 0);
	wait_until_asleep(child.pid);
	close(slave);
	child_join(&child);
}

static void meets_EIO(int fd, void *argument)
{
	char byte;

	put(fd, 0);
	ASSERT_ERRNO(EIO, read(*(int *)argument, &byte, 1));
}

TEST(pty_master_that_waits_to_read_is_woken_with_EIO_by_the_last_close)
{
	last_close_wakes(meets_EIO);
}

static void polls_for_HUP(int fd, void *argument)
{
	struct pollfd ready = { .fd = *(int *)argument };

	put(fd, 0);
	ASSERT_EQ(1, poll(&ready, 1, -1));
	ASSERT_EQ(POLLHUP, ready.revents);
}

TEST(pty_master_that_polls_is_woken_by_the_last_close)
{
	last_close_wakes(polls_for_HUP);
}

TEST(pty_slave_whose_master_is_closed_reads_0_writes_EIO_and_polls_HUP)
{
	int master = master_nonblocking();
	int slave = slave_open(master, 0);
	char byte;
	int value;

	close(master);
	ASSERT_EQ(0, read(slave, &byte, 1));
	ASSERT_ERRNO(EIO, write(slave, "x", 1));
	ASSERT_TRUE(ready_now(slave) & POLLHUP);
	ASSERT_ERRNO(EIO, ioctl(slave, TIOCOUTQ, &value));
	ASSERT_ERRNO(EIO, ioctl(slave, IPCSHIM_SEND_PTY, &value));
}

static void reads_the_end(int fd, void *argument)
{
	int master = *(int *)argument;
	int slave = slave_open(master, 0);
	char byte;

	close(master);
	put(fd, 0);
	ASSERT_EQ(0, read(slave, &byte, 1));
}

TEST(pty_slave_that_waits_to_read_is_woken_by_the_masters_close)
{
	int master = master_open(port_open());
	struct child child = child_start(reads_the_end, &master);

	get(child.fd);
	wait_until_asleep(child.pid);
	close(master);
	child_join(&child);
}

static void writes_until_hung_up(int fd, void *argument)
{
	int master = *(int *)argument;
	int slave = slave_open(master, 0);
	static char text[FLOOD];
	ssize_t count;

	close(master);
	put(fd, 0);
	memset(text, 'x', sizeof(text));
	while ((count = write(slave, text, sizeof(text))) > 0)
		;
	ASSERT_EQ(-1, count);
	ASSERT_EQ(EIO, errno);
}

TEST(pty_slave_that_waits_to_write_is_woken_by_the_masters_close)
{
	int master = master_open(port_open());
	struct child child = child_start(writes_until_hung_up, &master);

	get(child.fd);
	wait_ready(master, POLLIN);
	wait_until_asleep(child.pid);
	close(master);
	child_join(&child);
}
