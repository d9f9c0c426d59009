// SPDX-License-Identifier: MIT
/* read(2), write(2) and poll(2) on the two sides of a pty. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness.h"
#include "memory.h"
#include "pty.h"

enum { FLOOD = 1 << 17 };

TEST(pty_write_of_the_master_is_kept_for_who_opens_the_slave)
{
	int master = master_nonblocking();
	int slave;

	ASSERT_EQ(6, write(master, "early\n", 6));
	slave = slave_open(master, 0);
	expect_text(slave, "early\n");
	close(slave);
	ASSERT_EQ(5, write(master, "late\n", 5));
	expect_text(slave_open(master, 0), "late\n");
}

/* Writes all that goes in without waiting: how much that was. */
static size_t fill(int fd, unsigned int seed)
{
	static unsigned char text[FLOOD];
	size_t done = 0;
	ssize_t count;

	fill_pattern(text, sizeof(text), seed);
	do {
		while ((count = write(fd, text + done, sizeof(text) - done)) > 0) {
			done += (size_t)count;
			ASSERT_TRUE(done < sizeof(text));
		}
		ASSERT_EQ(-1, count);
		ASSERT_EQ(EAGAIN, errno);
		/* The line discipline may still be taking its share. */
	} while (ready_now(fd) & POLLOUT);
	return done;
}

/* Exactly this comes out at the other side, and no more. */
static void drain(int fd, size_t size, unsigned int seed)
{
	unsigned char *text = malloc(size + 1);
	size_t done = 0;

	ASSERT_TRUE(text);
	while (done < size) {
		ssize_t count;

		wait_ready(fd, POLLIN);
		count = read(fd, text + done, size + 1 - done);
		ASSERT_OK(count);
		done += (size_t)count;
	}
	ASSERT_EQ(size, done);
	check_pattern(text, size, seed);
	ASSERT_ERRNO(EAGAIN, read(fd, text, 1));
	free(text);
}

TEST(pty_full_buffer_of_the_slave_is_EAGAIN_and_loses_nothing)
{
	int master = master_nonblocking();
	int slave = slave_open(master, O_NONBLOCK);

	make_raw(slave);
	for (unsigned int round = 0; round < 3; round++) {
		size_t size = fill(slave, round);

		ASSERT_TRUE(size >= 4096);
		ASSERT_EQ(0, ready_now(slave) & POLLOUT);
		ASSERT_EQ(size, bytes_to_read(master));
		drain(master, size, round);
		wait_ready(slave, POLLOUT);
	}
}

TEST(pty_full_buffer_of_the_master_is_EAGAIN_and_loses_nothing)
{
	int master = master_nonblocking();
	int slave = slave_open(master, O_NONBLOCK);

	make_raw(slave);
	for (unsigned int round = 0; round < 3; round++) {
		size_t size = fill(master, round);

		ASSERT_TRUE(size >= 4096);
		drain(slave, size, round);
		wait_ready(master, POLLOUT);
	}
}

TEST(pty_full_buffer_of_the_master_before_the_slave_is_open_is_EAGAIN_and_kept)
{
	int master = master_nonblocking();
	size_t size;

	make_raw(master);
	size = fill(master, 1);
	drain(slave_open(master, O_NONBLOCK), size, 1);
}

static void writes_all(int fd, void *argument)
{
	static unsigned char text[FLOOD];

	fill_pattern(text, sizeof(text), 5);
	put(fd, 0);
	ASSERT_EQ(FLOOD, write(*(int *)argument, text, FLOOD));
}

/* "reader" is O_NONBLOCK. */
static void write_that_blocks_writes_all(int writer, int reader)
{
	struct child child;

	make_raw(writer);
	child = child_start(writes_all, &writer);
	get(child.fd);
	wait_until_asleep(child.pid);
	drain(reader, FLOOD, 5);
	child_join(&child);
}

TEST(pty_write_of_the_master_that_blocks_writes_all_of_it)
{
	int master = master_open(port_open());

	write_that_blocks_writes_all(master, slave_open(master, O_NONBLOCK));
}

TEST(pty_write_of_the_slave_that_blocks_writes_all_of_it)
{
	int master = master_nonblocking();

	write_that_blocks_writes_all(slave_open(master, 0), master);
}

TEST(pty_read_of_the_master_at_a_bad_address_is_EFAULT_and_loses_nothing)
{
	int master = master_nonblocking();
	int slave = slave_open(master, 0);
	int on = 1;

	make_raw(slave);
	ASSERT_EQ(4, write(slave, "kept", 4));
	ASSERT_ERRNO(EFAULT, read(master, bad_address(), 4));
	ASSERT_ERRNO(EFAULT, read(master, read_only_copy("", 1), 4));
	ASSERT_EQ(4, bytes_to_read(master));
	expect_text(master, "kept");
	/* In packet mode the byte in front and a control byte come again as well. */
	ASSERT_OK(ioctl(master, TIOCPKT, &on));
	ASSERT_EQ(4, write(slave, "more", 4));
	ASSERT_OK(tcflow(slave, TCOOFF));
	for (int i = 0; i < 2; i++) {
		char bytes[8] = { 0 };

		ASSERT_ERRNO(EFAULT, read(master, bad_address(), 4));
		ASSERT_EQ(i == 0 ? 1 : 5, read(master, bytes, sizeof(bytes)));
		ASSERT_EQ(i == 0 ? TIOCPKT_STOP : TIOCPKT_DATA, bytes[0]);
	}
}

/* Where a buffer ends in a hole: what was moved is told, the rest waits. */
TEST(pty_read_of_the_master_into_a_hole_loses_nothing)
{
	static unsigned char text[6000];
	unsigned char seen[sizeof(text)];
	int master = master_nonblocking();
	int slave = slave_open(master, O_NONBLOCK);
	unsigned char *pages = mmap(NULL, 2 * page_size(), PROT_READ | PROT_WRITE,
				    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	unsigned char *buffer = pages + page_size() - 1000;
	ssize_t first;

	ASSERT_TRUE(pages != MAP_FAILED);
	ASSERT_OK(mprotect(pages + page_size(), page_size(), PROT_NONE));
	make_raw(slave);
	fill_pattern(text, sizeof(text), 1);
	ASSERT_EQ(sizeof(text), write(slave, text, sizeof(text)));
	first = read(master, buffer, sizeof(text));
	if (first < 0) {
		ASSERT_EQ(EFAULT, errno);
		first = 0;
	}
	ASSERT_TRUE(first <= 1000);
	ASSERT_EQ((ssize_t)sizeof(text) - first, bytes_to_read(master));
	memcpy(seen, buffer, (size_t)first);
	ASSERT_EQ((ssize_t)sizeof(text) - first,
		  read(master, seen + first, sizeof(seen)  - (size_t)first));
	check_pattern(seen, sizeof(seen), 1);
}

TEST(pty_write_of_the_master_from_a_hole_writes_what_it_tells)
{
	int master = master_nonblocking();
	int slave = slave_open(master, O_NONBLOCK);
	unsigned char *pages = mmap(NULL, 2 * page_size(), PROT_READ | PROT_WRITE,
				    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	unsigned char *buffer = pages + page_size() - 1000;
	ssize_t count;

	ASSERT_TRUE(pages != MAP_FAILED);
	fill_pattern(buffer, 1000, 2);
	ASSERT_OK(mprotect(pages + page_size(), page_size(), PROT_NONE));
	make_raw(slave);
	ASSERT_ERRNO(EFAULT, write(master, bad_address(), 10));
	count = write(master, buffer, 3000);
	if (count < 0) {
		ASSERT_EQ(EFAULT, errno);
		count = 0;
	}
	ASSERT_TRUE(count <= 1000);
	/* A mark behind it, so that the end is seen. */
	ASSERT_EQ(1, write(master, "|", 1));
	for (ssize_t i = 0; i <= count; i++) {
		unsigned char byte;

		wait_ready(slave, POLLIN);
		ASSERT_EQ(1, read(slave, &byte, 1));
		ASSERT_EQ(i < count ? buffer[i] : '|', byte);
	}
}

TEST(pty_of_zero_bytes_moves_nothing_and_never_waits)
{
	int master = master_open(port_open());
	int slave = slave_open(master, 0);

	ASSERT_EQ(0, read(master, bad_address(), 0));
	ASSERT_EQ(0, write(master, bad_address(), 0));
	ASSERT_EQ(0, write(slave, bad_address(), 0));
	ASSERT_EQ(0, bytes_to_read(master));
	ASSERT_EQ(0, bytes_to_read(slave));
}

TEST(pty_master_reads_and_writes_vectors)
{
	int master = master_nonblocking();
	int slave = slave_open(master, O_NONBLOCK);
	char one[3] = "one";
	char two[4] = "four";
	struct iovec parts[2] = { { one, 3 }, { two, 4 } };

	make_raw(slave);
	ASSERT_EQ(7, writev(master, parts, 2));
	expect_text(slave, "onefour");
	ASSERT_EQ(7, write(slave, "1234567", 7));
	ASSERT_EQ(7, readv(master, parts, 2));
	ASSERT_EQ(0, memcmp(one, "123", 3));
	ASSERT_EQ(0, memcmp(two, "4567", 4));
}

static void on_signal(int number)
{
	(void)number;
}

static void is_interrupted(int fd, void *argument)
{
	struct sigaction action = { .sa_handler = on_signal };
	char byte;

	ASSERT_OK(sigaction(SIGUSR1, &action, NULL));
	put(fd, 0);
	ASSERT_ERRNO(EINTR, read(*(int *)argument, &byte, 1));
}

TEST(pty_read_of_the_master_that_a_signal_interrupts_is_EINTR)
{
	int master = master_open(port_open());
	struct child child = child_start(is_interrupted, &master);

	get(child.fd);
	wait_until_asleep(child.pid);
	ASSERT_OK(kill(child.pid, SIGUSR1));
	child_join(&child);
}

static void floods(int fd, void *argument)
{
	static char text[FLOOD];

	put(fd, 0);
	memset(text, 'x', sizeof(text));
	ASSERT_OK(write(*(int *)argument, text, sizeof(text)));
	put(fd, 1);
}

TEST(pty_write_of_the_master_that_waits_can_be_killed)
{
	int master = master_open(port_open());
	struct child child = child_start(floods, &master);

	get(child.fd);
	wait_until_asleep(child.pid);
	ASSERT_OK(kill(child.pid, SIGKILL));
	ASSERT_EQ(child.pid, waitpid(child.pid, NULL, 0));
	ASSERT_EQ(0, read(child.fd, &(char){ 0 }, 1));
}

/* The line discipline keeps 4095 bytes of a line and its end; the rest is lost there. */
TEST(pty_line_longer_than_4096_bytes_in_canonical_mode_is_cut_and_the_next_one_whole)
{
	static const size_t lengths[] = { 4094, 4095, 4096, 5000, 20000 };
	int master = master_nonblocking();
	int slave = slave_open(master, 0);
	struct termios settings;

	ASSERT_OK(tcgetattr(slave, &settings));
	settings.c_lflag &= ~(tcflag_t)ECHO;
	ASSERT_OK(tcsetattr(slave, TCSANOW, &settings));
	set_nonblocking(slave);
	for (unsigned int i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		static char line[FLOOD];
		size_t kept = lengths[i] < 4095 ? lengths[i] : 4095;
		ssize_t count;

		for (size_t done = 0; done <= lengths[i];) {
			memset(line, 'l', lengths[i]);
			line[lengths[i]] = '\n';
			wait_ready(master, POLLOUT);
			count = write(master, line + done, lengths[i] + 1 - done);
			if (count > 0)
				done += (size_t)count;
			else
				ASSERT_EQ(EAGAIN, errno);
		}
		wait_ready(slave, POLLIN);
		count = read(slave, line, sizeof(line));
		ASSERT_EQ(kept + 1, count);
		ASSERT_EQ('l', line[kept - 1]);
		ASSERT_EQ('\n', line[kept]);
		ASSERT_EQ(5, write(master, "next\n", 5));
		expect_text(slave, "next\n");
	}
}
