// SPDX-License-Identifier: MIT
/* OPEN_PTY: what it makes, what is refused, and that a refusal leaves nothing behind. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "harness.h"
#include "pty.h"

static void open_refused(struct ipcshim_open_pty args)
{
	int port = port_open();
	unsigned int index = pty_open(port).index;
	struct state before = state_now(port);

	ASSERT_ERRNO(EINVAL, ioctl(port, IPCSHIM_OPEN_PTY, &args));
	state_same(port, &before);
	/* It used up no index. */
	ASSERT_EQ(index + 1, pty_open(port).index);
}

#define REJECT_OPEN_PTY(name, change)                                          \
	TEST(name)                                                             \
	{                                                                      \
		struct ipcshim_open_pty args = { .rows = 24, .columns = 80 };  \
                                                                               \
		change;                                                        \
		open_refused(args);                                            \
	}

REJECT_OPEN_PTY(open_pty_flag_skip_is_EINVAL, args.flags = IPCSHIM_OPEN_SKIP)
REJECT_OPEN_PTY(open_pty_unknown_flag_is_EINVAL, args.flags = 1U << 2)
REJECT_OPEN_PTY(open_pty_highest_flag_is_EINVAL, args.flags = 1U << 31)
REJECT_OPEN_PTY(open_pty_good_and_unknown_flag_is_EINVAL,
		args.flags = IPCSHIM_OPEN_NONBLOCK | 1U << 16)
REJECT_OPEN_PTY(open_pty_first_reserved_field_set_is_EINVAL, args.reserved0 = 1)
REJECT_OPEN_PTY(open_pty_first_reserved_field_set_high_is_EINVAL, args.reserved0 = 1U << 31)
REJECT_OPEN_PTY(open_pty_second_reserved_field_set_is_EINVAL, args.reserved = 1)
REJECT_OPEN_PTY(open_pty_second_reserved_field_set_high_is_EINVAL, args.reserved = 1ULL << 63)

TEST(open_pty_at_a_bad_address_is_EFAULT)
{
	int port = port_open();
	struct state before = state_now(port);

	ASSERT_ERRNO(EFAULT, ioctl(port, IPCSHIM_OPEN_PTY, bad_address()));
	state_same(port, &before);
}

TEST(open_pty_answer_to_read_only_memory_is_EFAULT_and_opens_nothing)
{
	int port = port_open();
	unsigned int index = pty_open(port).index;
	struct ipcshim_open_pty args = { 0 };
	void *copy = read_only_copy(&args, sizeof(args));
	struct state before = state_now(port);
	struct stat state;

	for (int i = 0; i < 3; i++) {
		ASSERT_ERRNO(EFAULT, ioctl(port, IPCSHIM_OPEN_PTY, copy));
		state_same(port, &before);
		ASSERT_ERRNO(ENOENT, stat(node_of(index + 1), &state));
	}
	ASSERT_EQ(index + 1, pty_open(port).index);
}

TEST(open_pty_without_descriptor_numbers_is_EMFILE_and_opens_nothing)
{
	int port = port_open();
	unsigned int index = pty_open(port).index;
	struct ipcshim_open_pty args = { 0 };
	struct ipcshim_query before;
	struct rlimit limit;
	int first_free = dup(port);

	close(first_free);
	ASSERT_OK(getrlimit(RLIMIT_NOFILE, &limit));
	limit.rlim_cur = (rlim_t)first_free;
	ASSERT_OK(setrlimit(RLIMIT_NOFILE, &limit));
	before = query(port);
	ASSERT_ERRNO(EMFILE, ioctl(port, IPCSHIM_OPEN_PTY, &args));
	ASSERT_EQ(before.ptys, query(port).ptys);
	ASSERT_EQ(before.used_objects, query(port).used_objects);
	ASSERT_EQ(before.used_bytes, query(port).used_bytes);
	limit.rlim_cur = limit.rlim_max;
	ASSERT_OK(setrlimit(RLIMIT_NOFILE, &limit));
	ASSERT_EQ(index + 1, pty_open(port).index);
}

TEST(open_pty_tells_what_it_opened)
{
	int port = port_open();
	struct ipcshim_open_pty args;
	struct stat state;
	unsigned int index;

	memset(&args, 0xff, sizeof(args));
	/* What is only [out] is ignored on entry. */
	args.flags = 0;
	args.rows = args.columns = args.x_pixels = args.y_pixels = 0;
	args.reserved0 = 0;
	args.reserved = 0;
	ASSERT_OK(ioctl(port, IPCSHIM_OPEN_PTY, &args));
	ASSERT_EQ(0, args.reserved0);
	ASSERT_EQ(0, args.reserved);
	ASSERT_EQ(0, args.flags);
	ASSERT_EQ(FD_CLOEXEC, fcntl(args.fd, F_GETFD));
	ASSERT_EQ(O_RDWR, fcntl(args.fd, F_GETFL) & (O_ACCMODE | O_NONBLOCK | O_APPEND));
	ASSERT_OK(fstat(args.fd, &state));
	ASSERT_EQ(state.st_ino, args.inode);
	ASSERT_TRUE(S_ISCHR(state.st_mode));
	ASSERT_EQ(0, state.st_rdev);
	ASSERT_TRUE(args.slave_inode != args.inode);
	ASSERT_OK(ioctl(args.fd, TIOCGPTN, &index));
	ASSERT_EQ(args.index, index);
	ASSERT_OK(fstat(slave_open(args.fd, 0), &state));
	ASSERT_EQ(state.st_ino, args.slave_inode);
}

TEST(open_pty_of_two_gives_two_of_everything)
{
	int port = port_open();
	struct ipcshim_open_pty one = pty_open(port);
	struct ipcshim_open_pty two = pty_open(port);

	ASSERT_TRUE(one.index != two.index);
	ASSERT_TRUE(one.inode != two.inode);
	ASSERT_TRUE(one.slave_inode != two.slave_inode);
	ASSERT_TRUE(one.inode != two.slave_inode && one.slave_inode != two.inode);
}

TEST(open_pty_nonblock_makes_the_master_O_NONBLOCK_and_not_the_slave)
{
	int port = port_open();
	struct ipcshim_open_pty args = { .flags = IPCSHIM_OPEN_NONBLOCK };
	char byte;

	ASSERT_OK(ioctl(port, IPCSHIM_OPEN_PTY, &args));
	ASSERT_EQ(O_NONBLOCK, fcntl(args.fd, F_GETFL) & O_NONBLOCK);
	ASSERT_ERRNO(EAGAIN, read(args.fd, &byte, 1));
	ASSERT_EQ(0, fcntl(slave_open(args.fd, 0), F_GETFL) & O_NONBLOCK);
}

static void opens_with_size(unsigned int rows, unsigned int columns, unsigned int x,
			    unsigned int y)
{
	struct ipcshim_open_pty args = {
		.rows = (uint16_t)rows,
		.columns = (uint16_t)columns,
		.x_pixels = (uint16_t)x,
		.y_pixels = (uint16_t)y,
	};
	int fds[2];

	ASSERT_OK(ioctl(port_open(), IPCSHIM_OPEN_PTY, &args));
	fds[0] = args.fd;
	fds[1] = slave_open(args.fd, 0);
	for (int i = 0; i < 2; i++) {
		struct winsize size = window_of(fds[i]);

		ASSERT_EQ(rows, size.ws_row);
		ASSERT_EQ(columns, size.ws_col);
		ASSERT_EQ(x, size.ws_xpixel);
		ASSERT_EQ(y, size.ws_ypixel);
	}
}

TEST(open_pty_with_a_window_size_has_it_on_both_sides)
{
	opens_with_size(24, 80, 640, 384);
}

TEST(open_pty_with_the_largest_window_size_has_it_on_both_sides)
{
	opens_with_size(0xffff, 0xffff, 0xffff, 0xffff);
}

TEST(open_pty_with_a_part_of_a_window_size_has_that_part)
{
	opens_with_size(0, 132, 0, 0);
}

TEST(open_pty_without_a_window_size_has_none)
{
	opens_with_size(0, 0, 0, 0);
}

TEST(open_pty_is_counted_until_its_last_descriptor_is_closed)
{
	int port = port_open();
	struct state before = state_now(port);
	int master = master_open(port);
	struct ipcshim_query now = query(port);
	int other;
	int slave;

	ASSERT_EQ(before.query.ptys + 1, now.ptys);
	ASSERT_EQ(before.query.used_objects + 1, now.used_objects);
	ASSERT_EQ(before.query.used_bytes + IPCSHIM_PTY_BYTES, now.used_bytes);
	/* Opens of the slave, and duplicates, count no more. */
	slave = slave_open(master, 0);
	other = dup(master);
	ASSERT_EQ(before.query.ptys + 1, query(port).ptys);
	ASSERT_EQ(before.query.used_objects + 1, query(port).used_objects);
	close(master);
	ASSERT_EQ(before.query.ptys + 1, query(port).ptys);
	close(other);
	/* A slave that is hung up holds it. */
	now = query(port);
	ASSERT_EQ(before.query.ptys + 1, now.ptys);
	ASSERT_EQ(before.query.used_objects + 1, now.used_objects);
	ASSERT_EQ(before.query.used_bytes + IPCSHIM_PTY_BYTES, now.used_bytes);
	close(slave);
	state_same(port, &before);
}

TEST(open_pty_index_is_used_again_after_the_last_close)
{
	int port = port_open();
	struct ipcshim_open_pty ptys[3];
	unsigned int index;
	int slave;

	for (int i = 0; i < 3; i++)
		ptys[i] = pty_open(port);
	slave = slave_open(ptys[1].fd, 0);
	close(ptys[1].fd);
	/* Not while the slave that was hung up is open. */
	index = pty_open(port).index;
	for (int i = 0; i < 3; i++)
		ASSERT_TRUE(index != ptys[i].index);
	close(slave);
	for (int i = 0; i < 5; i++) {
		struct ipcshim_open_pty again = pty_open(port);

		ASSERT_EQ(ptys[1].index, again.index);
		ASSERT_TRUE(again.inode > ptys[1].inode);
		ASSERT_TRUE(again.slave_inode > ptys[1].slave_inode);
		close(again.fd);
	}
}

/* What a pty was before does not show in the next one of that index. */
TEST(open_pty_of_a_used_index_is_new_in_everything)
{
	int port = port_open();
	struct ipcshim_open_pty args = { .rows = 24, .columns = 80, .flags = IPCSHIM_OPEN_NONBLOCK };
	struct termios fresh;
	struct termios now;
	int on = 1;
	int off = -1;
	int slave;

	memset(&fresh, 0, sizeof(fresh));
	memset(&now, 0, sizeof(now));
	ASSERT_OK(ioctl(port, IPCSHIM_OPEN_PTY, &args));
	slave = slave_open(args.fd, 0);
	ASSERT_OK(tcgetattr(slave, &fresh));
	make_raw(slave);
	ASSERT_EQ(3, write(slave, "old", 3));
	ASSERT_EQ(3, write(args.fd, "old", 3));
	ASSERT_OK(ioctl(args.fd, TIOCPKT, &on));
	ASSERT_OK(ioctl(args.fd, TIOCSPTLCK, &on));
	ASSERT_OK(ioctl(args.fd, TIOCEXCL));
	ASSERT_OK(ioctl(slave, TIOCEXCL));
	close(args.fd);
	close(slave);
	args = pty_nonblocking(port);
	expect_waiting(args.fd);
	ASSERT_OK(ioctl(args.fd, TIOCGPKT, &off));
	ASSERT_EQ(0, off);
	ASSERT_OK(ioctl(args.fd, TIOCGPTLCK, &off));
	ASSERT_EQ(0, off);
	ASSERT_OK(ioctl(args.fd, TIOCGEXCL, &off));
	ASSERT_EQ(0, off);
	slave = slave_open(args.fd, O_NONBLOCK);
	ASSERT_OK(ioctl(slave, TIOCGEXCL, &off));
	ASSERT_EQ(0, off);
	ASSERT_OK(tcgetattr(slave, &now));
	ASSERT_EQ(0, memcmp(&fresh, &now, sizeof(now)));
	ASSERT_EQ(0, window_of(slave).ws_row);
	ASSERT_EQ(0, window_of(slave).ws_col);
	ASSERT_ERRNO(EAGAIN, read(slave, &now, 1));
}

static void opens_on_inherited_port(int fd, void *argument)
{
	struct ipcshim_open_pty args = { 0 };

	(void)fd;
	ASSERT_OK(ioctl(*(int *)argument, IPCSHIM_OPEN_PTY, &args));
	slave_open(args.fd, 0);
}

TEST(open_pty_by_a_child_on_an_inherited_port_succeeds_and_ends_with_it)
{
	int port = port_open();
	struct state before = state_now(port);
	struct child child = child_start(opens_on_inherited_port, &port);

	child_join(&child);
	state_same(port, &before);
}
