// SPDX-License-Identifier: MIT
/* The ioctls of a pty's master: what they do, and bad pointers and values. */
#include <asm/ioctls.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "harness.h"
#include "pty.h"

/* The kernel's, whose header goes not with that of the C library: for its size. */
struct termios2 {
	unsigned char bytes[44];
};

static int value_of(int fd, unsigned long command)
{
	int value = -1;

	ASSERT_OK(ioctl(fd, command, &value));
	return value;
}

TEST(pty_master_calls_that_take_or_give_a_structure_at_a_bad_address_are_EFAULT)
{
	static const unsigned long commands[] = {
		TIOCGPTN, TIOCSPTLCK, TIOCGPTLCK, TIOCSWINSZ, TIOCGWINSZ, TIOCPKT,
		TIOCGPKT, TIOCGEXCL,  TCGETS,	  TCSETS,     TCSETSW,	  TCSETSF,
		TCGETA,	  TCSETA,     TCSETAW,	  TCSETAF,    FIONREAD,	  TIOCOUTQ,
		TIOCGDEV, IPCSHIM_SEND_PTY,
	};
	struct ipcshim_open_pty pty = pty_nonblocking(port_open());
	struct termios before;
	struct termios after;

	memset(&before, 0, sizeof(before));
	memset(&after, 0, sizeof(after));
	ASSERT_OK(tcgetattr(pty.fd, &before));
	for (unsigned int i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		ASSERT_ERRNO(EFAULT, ioctl(pty.fd, commands[i], bad_address()));
	ASSERT_OK(tcgetattr(pty.fd, &after));
	ASSERT_EQ(0, memcmp(&before, &after, sizeof(before)));
	ASSERT_EQ(0, value_of(pty.fd, TIOCGPTLCK));
	ASSERT_EQ(0, value_of(pty.fd, TIOCGPKT));
	ASSERT_EQ(0, window_of(pty.fd).ws_row);
	expect_waiting(pty.fd);
}

TEST(pty_master_locked_refuses_opens_with_EIO_until_unlocked)
{
	struct ipcshim_open_pty pty = pty_nonblocking(port_open());
	int slave = slave_open(pty.fd, O_NONBLOCK);
	int value = 1;

	ASSERT_EQ(0, value_of(pty.fd, TIOCGPTLCK));
	/* Any value but 0 is "locked". */
	for (int i = 0; i < 3; i++) {
		value = i == 0 ? 1 : i == 1 ? -1 : 0x100;
		ASSERT_OK(ioctl(pty.fd, TIOCSPTLCK, &value));
		ASSERT_EQ(1, value_of(pty.fd, TIOCGPTLCK));
		ASSERT_ERRNO(EIO, ioctl(pty.fd, TIOCGPTPEER, O_RDWR | O_NOCTTY));
		ASSERT_ERRNO(EIO, open(node_of(pty.index), O_RDWR | O_NOCTTY | O_CLOEXEC));
	}
	/* Who has it open goes on. */
	ASSERT_EQ(2, write(slave, "ab", 2));
	expect_text(pty.fd, "ab");
	close(slave);
	expect_hung_up(pty.fd);
	value = 0;
	ASSERT_OK(ioctl(pty.fd, TIOCSPTLCK, &value));
	ASSERT_EQ(0, value_of(pty.fd, TIOCGPTLCK));
	slave_open(pty.fd, 0);
	ASSERT_OK(open(node_of(pty.index), O_RDWR | O_NOCTTY | O_CLOEXEC));
}

TEST(pty_master_locked_before_the_slave_was_ever_open_still_waits)
{
	struct ipcshim_open_pty pty = pty_nonblocking(port_open());
	int value = 1;

	ASSERT_OK(ioctl(pty.fd, TIOCSPTLCK, &value));
	ASSERT_ERRNO(EIO, ioctl(pty.fd, TIOCGPTPEER, O_RDWR | O_NOCTTY));
	ASSERT_ERRNO(EIO, open(node_of(pty.index), O_RDWR | O_NOCTTY | O_CLOEXEC));
	expect_waiting(pty.fd);
}

TEST(pty_master_peer_has_the_flags_that_were_asked_for)
{
	struct ipcshim_open_pty pty = pty_nonblocking(port_open());
	int plain = ioctl(pty.fd, TIOCGPTPEER, O_RDWR | O_NOCTTY);
	int other = ioctl(pty.fd, TIOCGPTPEER, O_RDONLY | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	int writer = ioctl(pty.fd, TIOCGPTPEER, O_WRONLY | O_NOCTTY);
	char byte;

	ASSERT_OK(plain);
	ASSERT_OK(other);
	ASSERT_OK(writer);
	ASSERT_EQ(0, fcntl(plain, F_GETFD));
	ASSERT_EQ(O_RDWR, fcntl(plain, F_GETFL) & (O_ACCMODE | O_NONBLOCK));
	ASSERT_EQ(FD_CLOEXEC, fcntl(other, F_GETFD));
	ASSERT_EQ(O_RDONLY | O_NONBLOCK, fcntl(other, F_GETFL) & (O_ACCMODE | O_NONBLOCK));
	ASSERT_ERRNO(EBADF, write(other, "x", 1));
	ASSERT_ERRNO(EAGAIN, read(other, &byte, 1));
	ASSERT_ERRNO(EBADF, read(writer, &byte, 1));
	ASSERT_EQ(1, write(writer, "x", 1));
	expect_text(pty.fd, "x");
}

/* Whatever flags: a descriptor or an error, and nothing lost or left. */
TEST(pty_master_peer_with_any_flag_gives_a_slave_or_an_error)
{
	int port = port_open();
	struct ipcshim_open_pty pty = pty_open(port);
	struct state before = state_now(port);

	for (unsigned int bit = 0; bit < 32; bit++) {
		for (unsigned int mode = 0; mode < 4; mode++) {
			int fd = ioctl(pty.fd, TIOCGPTPEER, 1U << bit | mode | O_NOCTTY);
			struct stat state;

			if (fd < 0)
				continue;
			ASSERT_OK(fstat(fd, &state));
			ASSERT_EQ(pty.slave_inode, state.st_ino);
			close(fd);
		}
	}
	state_same(port, &before);
}

static void counts_peers(int fd, void *argument)
{
	struct ipcshim_open_pty pty = pty_nonblocking(port_open());
	int slaves[2];

	(void)fd;
	(void)argument;
	/* Without O_NOCTTY the leader of a session gets a terminal by it, as by open(2). */
	ASSERT_OK(setsid());
	slaves[0] = ioctl(pty.fd, TIOCGPTPEER, O_RDWR | O_NOCTTY);
	ASSERT_OK(slaves[0]);
	ASSERT_ERRNO(ENXIO, open("/dev/tty", O_RDWR | O_CLOEXEC));
	slaves[1] = ioctl(pty.fd, TIOCGPTPEER, O_RDWR);
	ASSERT_OK(slaves[1]);
	ASSERT_OK(open("/dev/tty", O_RDWR | O_CLOEXEC));
	ASSERT_EQ(getpid(), tcgetpgrp(slaves[0]));
	ASSERT_EQ(getpid(), value_of(pty.fd, TIOCGPGRP));
	ASSERT_EQ(getpid(), value_of(pty.fd, TIOCGSID));
}

TEST(pty_master_peer_by_a_session_leader_is_its_terminal_unless_O_NOCTTY)
{
	struct child child = child_start(counts_peers, NULL);

	child_join(&child);
}

TEST(pty_master_tells_no_session_where_there_is_none)
{
	struct ipcshim_open_pty pty = pty_nonblocking(port_open());
	int value = -1;

	ASSERT_ERRNO(ENOTTY, ioctl(pty.fd, TIOCGSID, &value));
	/* As on devpts: no group is 0. */
	ASSERT_EQ(0, value_of(pty.fd, TIOCGPGRP));
	ASSERT_ERRNO(EFAULT, ioctl(pty.fd, TIOCGPGRP, bad_address()));
}

TEST(pty_master_exclusive_use_is_of_the_master_alone)
{
	struct ipcshim_open_pty pty = pty_nonblocking(port_open());
	int slave = slave_open(pty.fd, 0);

	ASSERT_EQ(0, value_of(pty.fd, TIOCGEXCL));
	ASSERT_OK(ioctl(pty.fd, TIOCEXCL));
	ASSERT_EQ(1, value_of(pty.fd, TIOCGEXCL));
	ASSERT_EQ(0, value_of(slave, TIOCGEXCL));
	ASSERT_OK(ioctl(slave, TIOCEXCL));
	ASSERT_OK(ioctl(pty.fd, TIOCNXCL));
	ASSERT_EQ(0, value_of(pty.fd, TIOCGEXCL));
	ASSERT_EQ(1, value_of(slave, TIOCGEXCL));
}

TEST(pty_master_and_slave_have_one_window_size)
{
	struct ipcshim_open_pty pty = pty_nonblocking(port_open());
	struct winsize size = { .ws_row = 1, .ws_col = 0xffff, .ws_xpixel = 3, .ws_ypixel = 4 };
	int fds[2] = { pty.fd, slave_open(pty.fd, 0) };

	for (int i = 0; i < 2; i++) {
		struct winsize seen;

		size.ws_row++;
		ASSERT_OK(ioctl(fds[i], TIOCSWINSZ, &size));
		seen = window_of(fds[1 - i]);
		ASSERT_EQ(0, memcmp(&size, &seen, sizeof(size)));
		seen = window_of(fds[i]);
		ASSERT_EQ(0, memcmp(&size, &seen, sizeof(size)));
	}
}

TEST(pty_master_and_slave_have_one_termios)
{
	static const unsigned long pairs[][2] = {
		{ TCGETS, TCSETS }, { TCGETS, TCSETSW }, { TCGETS, TCSETSF },
		{ TCGETA, TCSETA }, { TCGETA, TCSETAW }, { TCGETA, TCSETAF },
		{ TCGETS2, TCSETS2 }, { TCGETS2, TCSETSW2 }, { TCGETS2, TCSETSF2 },
	};
	struct ipcshim_open_pty pty = pty_nonblocking(port_open());
	int slave = slave_open(pty.fd, O_NONBLOCK);

	/* The waiting ones don't wait at the master: what the slave wrote is unread. */
	ASSERT_EQ(4, write(slave, "wait", 4));
	for (unsigned int i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		unsigned char ours[128] = { 0 };
		unsigned char theirs[128] = { 0 };

		ASSERT_OK(ioctl(pty.fd, pairs[i][0], ours));
		ASSERT_OK(ioctl(slave, pairs[i][0], theirs));
		ASSERT_EQ(0, memcmp(ours, theirs, sizeof(ours)));
		/* c_iflag is first in all of them: little-endian, so is its IGNBRK. */
		ours[0] ^= IGNBRK;
		ASSERT_OK(ioctl(pty.fd, pairs[i][1], ours));
		ASSERT_OK(ioctl(slave, pairs[i][0], theirs));
		ASSERT_EQ(0, memcmp(ours, theirs, sizeof(ours)));
	}
	expect_text(pty.fd, "wait");
}

TEST(pty_master_packet_mode_is_0_or_1)
{
	struct ipcshim_open_pty pty = pty_nonblocking(port_open());
	int value = 7;

	ASSERT_EQ(0, value_of(pty.fd, TIOCGPKT));
	ASSERT_OK(ioctl(pty.fd, TIOCPKT, &value));
	ASSERT_EQ(1, value_of(pty.fd, TIOCGPKT));
	value = 0;
	ASSERT_OK(ioctl(pty.fd, TIOCPKT, &value));
	ASSERT_EQ(0, value_of(pty.fd, TIOCGPKT));
}

TEST(pty_master_signals_that_are_none_of_the_three_are_EINVAL)
{
	struct ipcshim_open_pty pty = pty_nonblocking(port_open());

	for (int number = -1; number < 70; number++) {
		if (number == SIGINT || number == SIGQUIT || number == SIGTSTP)
			/* To nobody. */
			ASSERT_OK(ioctl(pty.fd, TIOCSIG, number));
		else
			ASSERT_ERRNO(EINVAL, ioctl(pty.fd, TIOCSIG, number));
	}
}

TEST(pty_master_flush_and_flow_of_what_there_is_not_are_EINVAL)
{
	static const int values[] = { -1, 4, 100, 0x7fffffff };
	struct ipcshim_open_pty pty = pty_nonblocking(port_open());
	int slave = slave_open(pty.fd, 0);

	ASSERT_EQ(4, write(slave, "kept", 4));
	for (unsigned int i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		ASSERT_ERRNO(EINVAL, ioctl(pty.fd, TCFLSH, values[i]));
		ASSERT_ERRNO(EINVAL, ioctl(pty.fd, TCXONC, values[i]));
	}
	ASSERT_ERRNO(EINVAL, ioctl(pty.fd, TCFLSH, 3));
	expect_text(pty.fd, "kept");
}

TEST(pty_master_that_is_stopped_writes_nothing_until_it_is_started)
{
	struct ipcshim_open_pty pty = pty_nonblocking(port_open());
	struct pollfd poller = { .fd = pty.fd, .events = POLLOUT };

	for (int i = 0; i < 2; i++) {
		ASSERT_OK(ioctl(pty.fd, TCXONC, TCOOFF));
		ASSERT_ERRNO(EAGAIN, write(pty.fd, "x", 1));
		ASSERT_EQ(0, poll(&poller, 1, 0));
	}
	ASSERT_OK(ioctl(pty.fd, TCXONC, TCOON));
	ASSERT_EQ(1, poll(&poller, 1, 0));
	ASSERT_EQ(1, write(pty.fd, "x", 1));
}

TEST(pty_master_flush_of_its_input_discards_what_the_slave_wrote)
{
	struct ipcshim_open_pty pty = pty_nonblocking(port_open());
	int slave = slave_open(pty.fd, 0);

	for (int i = 0; i < 2; i++) {
		ASSERT_EQ(3, write(slave, "old", 3));
		ASSERT_EQ(3, bytes_to_read(pty.fd));
		ASSERT_OK(ioctl(pty.fd, TCFLSH, i ? TCIOFLUSH : TCIFLUSH));
		ASSERT_EQ(0, bytes_to_read(pty.fd));
		expect_waiting(pty.fd);
	}
	ASSERT_EQ(3, write(slave, "new", 3));
	ASSERT_OK(ioctl(pty.fd, TCFLSH, TCOFLUSH));
	expect_text(pty.fd, "new");
}

TEST(pty_master_flush_of_its_output_discards_what_the_slave_has_not_read)
{
	struct ipcshim_open_pty pty = pty_nonblocking(port_open());
	int slave = slave_open(pty.fd, O_NONBLOCK);
	char byte;

	make_raw(slave);
	for (int i = 0; i < 2; i++) {
		ASSERT_EQ(3, write(pty.fd, "old", 3));
		wait_ready(slave, POLLIN);
		ASSERT_OK(ioctl(pty.fd, TCFLSH, i ? TCIOFLUSH : TCOFLUSH));
		ASSERT_ERRNO(EAGAIN, read(slave, &byte, 1));
	}
	ASSERT_EQ(3, write(pty.fd, "new", 3));
	ASSERT_OK(ioctl(pty.fd, TCFLSH, TCIFLUSH));
	expect_text(slave, "new");
}

TEST(pty_master_tells_what_can_be_read_and_that_nothing_can_be_flushed)
{
	struct ipcshim_open_pty pty = pty_nonblocking(port_open());
	int slave = slave_open(pty.fd, 0);

	make_raw(slave);
	ASSERT_EQ(5, write(slave, "12345", 5));
	ASSERT_EQ(7, write(pty.fd, "1234567", 7));
	ASSERT_EQ(5, bytes_to_read(pty.fd));
	ASSERT_EQ(0, value_of(pty.fd, TIOCOUTQ));
	/* The slave tells what its master has not read. */
	ASSERT_EQ(5, value_of(slave, TIOCOUTQ));
	wait_ready(slave, POLLIN);
	ASSERT_EQ(7, bytes_to_read(slave));
}

TEST(pty_master_tells_the_device_number_of_its_slave)
{
	struct ipcshim_open_pty pty = pty_nonblocking(port_open());
	struct stat state;
	unsigned int coded = 0;

	ASSERT_OK(stat(node_of(pty.index), &state));
	ASSERT_OK(ioctl(pty.fd, TIOCGDEV, &coded));
	ASSERT_EQ(major(state.st_rdev), coded >> 8 & 0xfff);
	ASSERT_EQ(minor(state.st_rdev), (coded & 0xff) | (coded >> 12 & 0xfff00));
	ASSERT_OK(fstat(slave_open(pty.fd, 0), &state));
	ASSERT_EQ(major(state.st_rdev), coded >> 8 & 0xfff);
}

/* A break is a NUL without IGNBRK, BRKINT and PARMRK. */
static void expect_break(int slave, int call, int expected)
{
	char byte = 'x';

	ASSERT_OK(call);
	if (!expected) {
		ASSERT_ERRNO(EAGAIN, read(slave, &byte, 1));
		return;
	}
	wait_ready(slave, POLLIN);
	ASSERT_EQ(1, read(slave, &byte, 1));
	ASSERT_EQ(0, byte);
	ASSERT_ERRNO(EAGAIN, read(slave, &byte, 1));
}

TEST(pty_master_break_is_seen_by_the_slave)
{
	struct ipcshim_open_pty pty = pty_nonblocking(port_open());
	int slave = slave_open(pty.fd, O_NONBLOCK);

	make_raw(slave);
	expect_break(slave, ioctl(pty.fd, TCSBRK, 0), 1);
	expect_break(slave, ioctl(pty.fd, TCSBRKP, 0), 1);
	expect_break(slave, ioctl(pty.fd, TCSBRKP, 5), 1);
	expect_break(slave, ioctl(pty.fd, TIOCSBRK), 1);
	expect_break(slave, ioctl(pty.fd, TIOCCBRK), 0);
	/* tcdrain: at the master it does not wait. */
	ASSERT_EQ(1, write(slave, "x", 1));
	expect_break(slave, ioctl(pty.fd, TCSBRK, 1), 0);
	expect_text(pty.fd, "x");
}

TEST(pty_master_flow_puts_stop_and_start_on_the_line)
{
	struct ipcshim_open_pty pty = pty_nonblocking(port_open());
	int slave = slave_open(pty.fd, O_NONBLOCK);
	char bytes[2] = { 0 };

	make_raw(slave);
	ASSERT_OK(ioctl(pty.fd, TCXONC, TCIOFF));
	ASSERT_OK(ioctl(pty.fd, TCXONC, TCION));
	while (bytes_to_read(slave) < 2)
		wait_ready(slave, POLLIN);
	ASSERT_EQ(2, read(slave, bytes, 2));
	ASSERT_EQ(023, bytes[0]);
	ASSERT_EQ(021, bytes[1]);
}
