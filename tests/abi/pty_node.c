// SPDX-License-Identifier: MIT
/* The slave's node, its names, and the slave where there is no /dev. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/mount.h>
#include <unistd.h>

#include "harness.h"
#include "memory.h"
#include "pty.h"

TEST(pty_node_is_there_when_open_pty_returns_and_gone_when_the_last_close_does)
{
	int port = port_open();
	struct stat state;

	for (int i = 0; i < 5; i++) {
		struct ipcshim_open_pty pty = pty_open(port);
		int other = dup(pty.fd);

		ASSERT_OK(stat(node_of(pty.index), &state));
		ASSERT_TRUE(S_ISCHR(state.st_mode));
		ASSERT_EQ(0600, state.st_mode & 07777);
		ASSERT_EQ(geteuid(), state.st_uid);
		ASSERT_EQ(getegid(), state.st_gid);
		close(pty.fd);
		ASSERT_OK(stat(node_of(pty.index), &state));
		close(other);
		ASSERT_ERRNO(ENOENT, stat(node_of(pty.index), &state));
	}
}

TEST(pty_node_goes_with_the_master_though_a_slave_is_open)
{
	struct ipcshim_open_pty pty = pty_open(port_open());
	int slave = slave_open(pty.fd, 0);
	struct stat state;

	close(pty.fd);
	ASSERT_ERRNO(ENOENT, stat(node_of(pty.index), &state));
	ASSERT_OK(fstat(slave, &state));
}

TEST(pty_node_opens_the_same_tty_as_the_peer)
{
	struct ipcshim_open_pty pty = pty_nonblocking(port_open());
	struct stat node;
	struct stat peer;
	int slave;

	slave = open(node_of(pty.index), O_RDWR | O_NOCTTY | O_CLOEXEC);
	ASSERT_OK(slave);
	ASSERT_OK(fstat(slave, &node));
	ASSERT_OK(fstat(slave_open(pty.fd, 0), &peer));
	ASSERT_EQ(node.st_rdev, peer.st_rdev);
	/* The node's inode is devtmpfs's own. */
	ASSERT_TRUE(node.st_dev != peer.st_dev);
	ASSERT_EQ(pty.slave_inode, peer.st_ino);
	ASSERT_EQ(2, write(slave, "hi", 2));
	expect_text(pty.fd, "hi");
	/* ttyname(3) knows this one. */
	ASSERT_TRUE(ttyname(slave));
	ASSERT_EQ(0, strcmp(ttyname(slave), node_of(pty.index)));
}

static void owns_its_node(int fd, void *argument)
{
	struct ipcshim_open_pty pty;
	struct stat state;

	(void)fd;
	(void)argument;
	become(OTHER_UID);
	pty = pty_open(port_open());
	ASSERT_OK(stat(node_of(pty.index), &state));
	ASSERT_EQ(OTHER_UID, state.st_uid);
	ASSERT_EQ(OTHER_UID, state.st_gid);
	ASSERT_EQ(0600, state.st_mode & 07777);
	ASSERT_OK(open(node_of(pty.index), O_RDWR | O_NOCTTY | O_CLOEXEC));
	/* Who owns it may let others in, as with any file. */
	ASSERT_OK(chmod(node_of(pty.index), 0660));
	ASSERT_OK(stat(node_of(pty.index), &state));
	ASSERT_EQ(0660, state.st_mode & 07777);
}

TEST(pty_node_belongs_to_who_made_the_pty)
{
	run_as_other(owns_its_node, NULL);
}

static void opens_for_itself(int fd, void *argument)
{
	(void)fd;
	(void)argument;
	/* The identity for files is another one: effective ids of this call. */
	ASSERT_OK(setegid(OTHER_UID + 2));
	ASSERT_OK(seteuid(OTHER_UID + 1));
	{
		struct ipcshim_open_pty pty = pty_open(port_open());
		struct stat state;

		ASSERT_OK(stat(node_of(pty.index), &state));
		ASSERT_EQ(OTHER_UID + 1, state.st_uid);
		ASSERT_EQ(OTHER_UID + 2, state.st_gid);
	}
}

TEST(pty_node_belongs_to_the_effective_uid_and_gid)
{
	struct child child = child_start(opens_for_itself, NULL);

	child_join(&child);
}

static void tries_to_open(int fd, void *argument)
{
	const struct ipcshim_open_pty *pty = argument;

	become(OTHER_UID);
	put(fd, open(node_of(pty->index), O_RDWR | O_NOCTTY | O_CLOEXEC) < 0 ? (uint64_t)errno : 0);
	/* Who was given the master needs no node. */
	put(fd, ioctl(pty->fd, TIOCGPTPEER, O_RDWR | O_NOCTTY) < 0 ? (uint64_t)errno : 0);
}

TEST(pty_node_is_EACCES_for_other_users_and_the_peer_is_not)
{
	struct ipcshim_open_pty pty = pty_open(port_open());
	struct child child = child_start(tries_to_open, &pty);

	ASSERT_EQ(EACCES, get(child.fd));
	ASSERT_EQ(0, get(child.fd));
	child_join(&child);
}

static void expect_name(int fd, const char *format, unsigned int index, uint64_t inode)
{
	char expected[64];
	char path[64];
	char name[64] = "";

	snprintf(expected, sizeof(expected), format, index, (unsigned long long)inode);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	ASSERT_TRUE(readlink(path, name, sizeof(name) - 1) > 0);
	if (strcmp(name, expected) != 0)
		test_failed(__FILE__, __LINE__, "a descriptor is called %s, expected %s", name,
			    expected);
}

TEST(pty_descriptors_have_names_in_proc)
{
	int port = port_open();
	struct ipcshim_open_pty pty;
	int slave;

	/* An index that is not 0. */
	master_open(port);
	pty = pty_open(port);
	slave = slave_open(pty.fd, 0);
	expect_name(slave, "ipcshim:[ttyIPC%u:%llu]", pty.index, pty.slave_inode);
	close(pty.fd);
	expect_name(slave, "ipcshim:[ttyIPC%u:%llu]", pty.index, pty.slave_inode);
}

TEST(pty_master_has_a_name_in_proc)
{
	struct ipcshim_open_pty pty = pty_open(port_open());
	char expected[64];
	char path[64];
	char name[64] = "";

	snprintf(expected, sizeof(expected), "ipcshim:[pty:%llu]", (unsigned long long)pty.inode);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", pty.fd);
	ASSERT_TRUE(readlink(path, name, sizeof(name) - 1) > 0);
	ASSERT_EQ(0, strcmp(name, expected));
}

static unsigned int told(int fd, const char *name)
{
	const char *text = fdinfo(fd, name);

	if (!*text)
		test_failed(__FILE__, __LINE__, "fdinfo has no line %s", name);
	return (unsigned int)atoi(text);
}

TEST(pty_master_tells_its_state_in_fdinfo)
{
	int port = port_open();
	struct ipcshim_open_pty pty;
	int on = 1;
	int slave;

	master_open(port);
	pty = pty_open(port);
	ASSERT_EQ(pty.index, told(pty.fd, "ipcshim-index"));
	ASSERT_EQ(0, told(pty.fd, "ipcshim-slaves"));
	ASSERT_EQ(0, told(pty.fd, "ipcshim-locked"));
	ASSERT_EQ(0, told(pty.fd, "ipcshim-packet"));
	ASSERT_EQ(0, told(pty.fd, "ipcshim-exclusive"));
	ASSERT_EQ(0, told(pty.fd, "ipcshim-unread"));
	slave = slave_open(pty.fd, 0);
	slave_open(pty.fd, 0);
	ASSERT_EQ(3, write(slave, "abc", 3));
	ASSERT_OK(ioctl(pty.fd, TIOCSPTLCK, &on));
	ASSERT_OK(ioctl(pty.fd, TIOCPKT, &on));
	ASSERT_OK(ioctl(pty.fd, TIOCEXCL));
	ASSERT_EQ(2, told(pty.fd, "ipcshim-slaves"));
	ASSERT_EQ(1, told(pty.fd, "ipcshim-locked"));
	ASSERT_EQ(1, told(pty.fd, "ipcshim-packet"));
	ASSERT_EQ(1, told(pty.fd, "ipcshim-exclusive"));
	ASSERT_EQ(3, told(pty.fd, "ipcshim-unread"));
	close(slave);
	ASSERT_EQ(1, told(pty.fd, "ipcshim-slaves"));
}

struct inherited {
	int port;
	struct ipcshim_open_pty pty;
};

/* The peer, and a claim, where no path leads to the slave. */
static void opens_without_a_path(const struct inherited *inherited)
{
	struct ipcshim_claim claim = { .token = pty_token_for_me(inherited->pty.fd) };
	struct stat state;
	int slave;

	ASSERT_ERRNO(ENOENT, open(node_of(inherited->pty.index), O_RDWR | O_NOCTTY | O_CLOEXEC));
	slave = slave_open(inherited->pty.fd, 0);
	ASSERT_EQ(1, isatty(slave));
	ASSERT_OK(fstat(slave, &state));
	ASSERT_EQ(inherited->pty.slave_inode, state.st_ino);
	ASSERT_OK(ioctl(inherited->port, IPCSHIM_CLAIM, &claim));
	ASSERT_EQ(2, write(claim.fd, "ok", 2));
	expect_text(inherited->pty.fd, "ok");
	/* With a new pty it is the same: its node is elsewhere. */
	slave_open(pty_open(inherited->port).fd, 0);
}

static void enters_a_mount_namespace(int fd, void *argument)
{
	struct inherited inherited = { .port = port_open() };

	(void)fd;
	(void)argument;
	inherited.pty = pty_open(inherited.port);
	ASSERT_OK(unshare(CLONE_NEWNS));
	ASSERT_OK(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL));
	ASSERT_OK(mount("none", "/dev", "tmpfs", MS_NODEV, NULL));
	opens_without_a_path(&inherited);
}

TEST(pty_peer_and_claim_work_in_a_mount_namespace_without_dev)
{
	struct child child = child_start(enters_a_mount_namespace, NULL);

	child_join(&child);
}

static void changes_root(int fd, void *argument)
{
	struct inherited inherited = { .port = port_open() };

	(void)fd;
	inherited.pty = pty_open(inherited.port);
	ASSERT_OK(chroot(argument));
	ASSERT_OK(chdir("/"));
	opens_without_a_path(&inherited);
}

TEST(pty_peer_and_claim_work_after_chroot)
{
	char folder[] = "/tmp/ipcshim-abi-XXXXXX";
	struct child child;

	ASSERT_TRUE(mkdtemp(folder));
	child = child_start(changes_root, folder);
	child_join(&child);
	ASSERT_OK(rmdir(folder));
}
