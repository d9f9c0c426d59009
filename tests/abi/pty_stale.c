// SPDX-License-Identifier: MIT
/* What was kept of a pty over its close leads to no other one that has its index now. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "harness.h"
#include "pty.h"

static int open_again(int path)
{
	char name[64];

	snprintf(name, sizeof(name), "/proc/self/fd/%d", path);
	return open(name, O_RDWR | O_NOCTTY | O_CLOEXEC);
}

static int path_of(int fd)
{
	char name[64];
	int path;

	snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
	path = open(name, O_PATH | O_CLOEXEC);
	ASSERT_OK(path);
	return path;
}

/* Another pty that has the index of the first, which is closed. */
static struct ipcshim_open_pty successor(int port, const struct ipcshim_open_pty *first)
{
	struct ipcshim_open_pty second;

	close(first->fd);
	second = pty_nonblocking(port);
	ASSERT_EQ(first->index, second.index);
	return second;
}

TEST(pty_token_kept_over_the_close_is_ESTALE_though_the_index_is_anothers)
{
	int port = port_open();
	struct ipcshim_open_pty first = pty_open(port);
	struct ipcshim_claim args = { .token = pty_token_for_me(first.fd) };
	struct ipcshim_open_pty second = successor(port, &first);
	struct ipcshim_query before = query(port);

	ASSERT_ERRNO(ESTALE, ioctl(port, IPCSHIM_CLAIM, &args));
	ASSERT_EQ(before.tokens - 1, query(port).tokens);
	expect_waiting(second.fd);
}

TEST(pty_node_kept_over_the_close_is_EIO_though_the_index_is_anothers)
{
	int port = port_open();
	struct ipcshim_open_pty first = pty_open(port);
	int path = open(node_of(first.index), O_PATH | O_CLOEXEC);
	struct ipcshim_open_pty second;

	ASSERT_OK(path);
	/* It leads there while there is one. */
	close(open_again(path));
	expect_hung_up(first.fd);
	second = successor(port, &first);
	ASSERT_ERRNO(EIO, open_again(path));
	expect_waiting(second.fd);
	ASSERT_OK(open(node_of(second.index), O_RDWR | O_NOCTTY | O_CLOEXEC));
}

TEST(pty_peer_kept_over_the_close_is_EIO_though_the_index_is_anothers)
{
	int port = port_open();
	struct ipcshim_open_pty first = pty_open(port);
	int slave = slave_open(first.fd, 0);
	int path = path_of(slave);
	struct ipcshim_open_pty second;

	close(slave);
	second = successor(port, &first);
	ASSERT_ERRNO(EIO, open_again(path));
	expect_waiting(second.fd);
	slave_open(second.fd, 0);
}

TEST(pty_node_kept_over_the_close_of_the_last_pty_is_an_error)
{
	int port = port_open();
	struct ipcshim_open_pty pty = pty_open(port);
	int node = open(node_of(pty.index), O_PATH | O_CLOEXEC);
	int peer = path_of(slave_open(pty.fd, 0));

	ASSERT_OK(node);
	close(pty.fd);
	ASSERT_EQ(-1, open_again(node));
	ASSERT_EQ(-1, open_again(peer));
	ASSERT_EQ(1, query(port).ptys); /* the slave that is hung up */
}

/* A peer that is opened again is the same slave, with no wider rights. */
TEST(pty_peer_opened_again_through_proc_is_one_more_open)
{
	int port = port_open();
	struct ipcshim_open_pty pty = pty_nonblocking(port);
	int slave = slave_open(pty.fd, 0);
	int again = open_again(slave);
	struct stat state;

	ASSERT_OK(again);
	ASSERT_OK(fstat(again, &state));
	ASSERT_EQ(pty.slave_inode, state.st_ino);
	close(slave);
	expect_waiting(pty.fd);
	close(again);
	expect_hung_up(pty.fd);
}
