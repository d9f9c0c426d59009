// SPDX-License-Identifier: MIT
/* CLAIM of a pty's slave. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "harness.h"
#include "memory.h"
#include "pty.h"

/* A port, a master that does not block, and a token for this very process. */
struct offer {
	int port;
	struct ipcshim_open_pty pty;
	uint64_t token;
};

static struct offer offer(void)
{
	struct offer made = { .port = port_open() };

	made.pty = pty_nonblocking(made.port);
	made.token = pty_token_for_me(made.pty.fd);
	return made;
}

static int claim_of(const struct offer *made)
{
	struct ipcshim_claim args = { .token = made->token };

	ASSERT_OK(ioctl(made->port, IPCSHIM_CLAIM, &args));
	return args.fd;
}

TEST(claim_pty_tells_what_was_claimed)
{
	struct offer made = offer();
	struct ipcshim_claim args = { .token = made.token };
	struct stat state;
	struct stat node;

	ASSERT_OK(ioctl(made.port, IPCSHIM_CLAIM, &args));
	ASSERT_EQ(0, args.rights);
	ASSERT_EQ(IPCSHIM_PTY_SLAVE, args.mode);
	ASSERT_EQ(made.pty.index, args.index);
	ASSERT_EQ(made.pty.slave_inode, args.inode);
	ASSERT_EQ(0, args.length);
	ASSERT_OK(fstat(args.fd, &state));
	ASSERT_EQ(state.st_ino, args.inode);
	ASSERT_TRUE(S_ISCHR(state.st_mode));
	ASSERT_OK(stat(node_of(args.index), &node));
	ASSERT_EQ(node.st_rdev, state.st_rdev);
	ASSERT_EQ(FD_CLOEXEC, fcntl(args.fd, F_GETFD));
	ASSERT_EQ(O_RDWR, fcntl(args.fd, F_GETFL) & (O_ACCMODE | O_NONBLOCK));
	ASSERT_TRUE(isatty(args.fd));
}

TEST(claim_pty_nonblock_makes_the_descriptor_O_NONBLOCK)
{
	struct offer made = offer();
	struct ipcshim_claim args = { .token = made.token, .flags = IPCSHIM_CLAIM_NONBLOCK };
	char byte;

	ASSERT_OK(ioctl(made.port, IPCSHIM_CLAIM, &args));
	ASSERT_ERRNO(EAGAIN, read(args.fd, &byte, 1));
}

TEST(claim_pty_is_an_open_of_the_slave_and_its_token_is_none)
{
	struct offer made = offer();
	int slave;

	expect_waiting(made.pty.fd);
	slave = claim_of(&made);
	expect_waiting(made.pty.fd);
	made.token = pty_token_for_me(made.pty.fd);
	close(slave);
	/* A token that waits doesn't keep it open. */
	expect_hung_up(made.pty.fd);
	slave = claim_of(&made);
	expect_waiting(made.pty.fd);
	close(slave);
	expect_hung_up(made.pty.fd);
}

TEST(claim_pty_carries_what_is_written_to_both_sides)
{
	struct offer made = offer();
	int slave;

	/* Before it is opened, too. */
	ASSERT_EQ(3, write(made.pty.fd, "in\n", 3));
	slave = claim_of(&made);
	expect_text(slave, "in\n");
	expect_text(made.pty.fd, "in\r\n");
	ASSERT_EQ(4, write(slave, "out\n", 4));
	expect_text(made.pty.fd, "out\r\n");
}

static void claims_as_a_leader(int fd, void *argument)
{
	struct offer made;
	int master = *(int *)argument;
	int terminal;

	(void)fd;
	ASSERT_OK(setsid());
	made.port = port_open();
	made.token = pty_token_for_me(master);
	terminal = claim_of(&made);
	ASSERT_ERRNO(ENXIO, open("/dev/tty", O_RDWR | O_CLOEXEC));
	/* It can be made one. */
	ASSERT_OK(ioctl(terminal, TIOCSCTTY, 0));
	ASSERT_OK(open("/dev/tty", O_RDWR | O_CLOEXEC));
}

TEST(claim_pty_does_not_make_it_the_controlling_terminal)
{
	int master = master_open(port_open());
	struct child child = child_start(claims_as_a_leader, &master);

	child_join(&child);
}

TEST(claim_pty_whose_master_was_closed_is_ESTALE_and_uses_up_the_token)
{
	int port = port_open();
	struct state before = state_now(port);
	struct offer made = { .port = port };
	struct ipcshim_claim args = { 0 };

	made.pty = pty_open(port);
	args.token = pty_token_for_me(made.pty.fd);
	close(made.pty.fd);
	/* The token holds no pty. */
	ASSERT_EQ(before.query.ptys, query(port).ptys);
	ASSERT_EQ(before.query.tokens + 1, query(port).tokens);
	ASSERT_ERRNO(ESTALE, ioctl(port, IPCSHIM_CLAIM, &args));
	state_same(port, &before);
	ASSERT_ERRNO(ENOENT, ioctl(port, IPCSHIM_CLAIM, &args));
	state_same(port, &before);
}

TEST(claim_pty_of_a_slave_that_was_hung_up_is_ESTALE)
{
	struct offer made = offer();
	struct ipcshim_claim args = { .token = made.token };

	slave_open(made.pty.fd, 0);
	close(made.pty.fd);
	ASSERT_ERRNO(ESTALE, ioctl(made.port, IPCSHIM_CLAIM, &args));
	ASSERT_ERRNO(ENOENT, ioctl(made.port, IPCSHIM_CLAIM, &args));
}

TEST(claim_pty_that_is_locked_is_EIO_and_keeps_the_token)
{
	struct offer made = offer();
	struct ipcshim_claim args = { .token = made.token };
	int locked = 1;
	struct state before;

	ASSERT_OK(ioctl(made.pty.fd, TIOCSPTLCK, &locked));
	before = state_now(made.port);
	for (int i = 0; i < 2; i++)
		ASSERT_ERRNO(EIO, ioctl(made.port, IPCSHIM_CLAIM, &args));
	state_same(made.port, &before);
	expect_waiting(made.pty.fd);
	locked = 0;
	ASSERT_OK(ioctl(made.pty.fd, TIOCSPTLCK, &locked));
	claim_of(&made);
}

static void claims_what_is_exclusive(int fd, void *argument)
{
	struct offer made;
	struct ipcshim_claim args = { 0 };
	struct state before;
	int slave;

	(void)fd;
	(void)argument;
	/* CAP_SYS_ADMIN is exempt. */
	become(OTHER_UID);
	made = offer();
	slave = slave_open(made.pty.fd, 0);
	ASSERT_OK(ioctl(slave, TIOCEXCL));
	before = state_now(made.port);
	args.token = made.token;
	for (int i = 0; i < 2; i++)
		ASSERT_ERRNO(EBUSY, ioctl(made.port, IPCSHIM_CLAIM, &args));
	state_same(made.port, &before);
	ASSERT_ERRNO(EBUSY, ioctl(made.pty.fd, TIOCGPTPEER, O_RDWR | O_NOCTTY));
	ASSERT_ERRNO(EBUSY, open(node_of(made.pty.index), O_RDWR | O_NOCTTY));
	expect_waiting(made.pty.fd);
	ASSERT_OK(ioctl(slave, TIOCNXCL));
	claim_of(&made);
}

TEST(claim_pty_in_exclusive_use_is_EBUSY_and_keeps_the_token)
{
	run_as_other(claims_what_is_exclusive, NULL);
}

TEST(claim_pty_answer_to_read_only_memory_is_EFAULT_and_was_no_open)
{
	struct offer made = offer();
	struct ipcshim_claim args = { .token = made.token };
	void *copy = read_only_copy(&args, sizeof(args));
	struct state before = state_now(made.port);

	for (int i = 0; i < 3; i++)
		ASSERT_ERRNO(EFAULT, ioctl(made.port, IPCSHIM_CLAIM, copy));
	state_same(made.port, &before);
	expect_waiting(made.pty.fd);
	close(claim_of(&made));
	expect_hung_up(made.pty.fd);
}

/* All of the structure is written, so all of it is looked at before. */
TEST(claim_pty_answer_to_memory_that_is_half_read_only_is_EFAULT_and_was_no_open)
{
	struct offer made = offer();
	struct ipcshim_claim args = { .token = made.token };
	char *pages = mmap(NULL, 2 * page_size(), PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	ASSERT_TRUE(pages != MAP_FAILED);
	memset(pages, 0, 2 * page_size());
	ASSERT_OK(mprotect(pages + page_size(), page_size(), PROT_READ));
	for (size_t here = 8; here < sizeof(args); here += 8) {
		char *place = pages + page_size() - here;
		struct state before = state_now(made.port);

		memcpy(place, &made.token, sizeof(made.token));
		memset(place + 8, 0, here - 8);
		ASSERT_ERRNO(EFAULT, ioctl(made.port, IPCSHIM_CLAIM, place));
		state_same(made.port, &before);
		expect_waiting(made.pty.fd);
	}
	claim_of(&made);
}

TEST(claim_pty_with_an_unknown_flag_is_EINVAL_and_keeps_the_token)
{
	struct offer made = offer();
	struct ipcshim_claim args = { .token = made.token, .flags = 2 };
	struct state before = state_now(made.port);

	ASSERT_ERRNO(EINVAL, ioctl(made.port, IPCSHIM_CLAIM, &args));
	state_same(made.port, &before);
	expect_waiting(made.pty.fd);
	claim_of(&made);
}

TEST(claim_pty_without_descriptor_numbers_is_EMFILE_and_was_no_open)
{
	struct offer made = offer();
	struct ipcshim_claim args = { .token = made.token };
	struct rlimit limit;
	int first_free = dup(made.port);

	close(first_free);
	ASSERT_OK(getrlimit(RLIMIT_NOFILE, &limit));
	limit.rlim_cur = (rlim_t)first_free;
	ASSERT_OK(setrlimit(RLIMIT_NOFILE, &limit));
	ASSERT_ERRNO(EMFILE, ioctl(made.port, IPCSHIM_CLAIM, &args));
	ASSERT_ERRNO(EMFILE, ioctl(made.pty.fd, TIOCGPTPEER, O_RDWR | O_NOCTTY));
	expect_waiting(made.pty.fd);
	limit.rlim_cur = limit.rlim_max;
	ASSERT_OK(setrlimit(RLIMIT_NOFILE, &limit));
	claim_of(&made);
}

TEST(claim_pty_token_of_another_process_is_ENOENT)
{
	struct peer owner = peer_for_ptys();
	struct peer thief = peer_for_ptys();
	int port = port_for_ptys();
	int master = master_open(port);
	struct ipcshim_send_pty args = send_pty_args(owner.pid);
	struct ipcshim_claim claim = { 0 };

	ASSERT_OK(ioctl(master, IPCSHIM_SEND_PTY, &args));
	claim.token = args.token;
	ASSERT_EQ(ENOENT, peer_claim(&thief, args.token));
	ASSERT_ERRNO(ENOENT, ioctl(port, IPCSHIM_CLAIM, &claim));
	ASSERT_EQ(0, peer_claim(&owner, args.token));
	ASSERT_EQ(ENOENT, peer_claim(&owner, args.token));
}

TEST(claim_pty_token_dies_with_the_port_and_the_master_never_knew)
{
	struct peer peer = peer_for_ptys();
	int port = port_open();
	struct ipcshim_open_pty pty = pty_nonblocking(port);
	struct ipcshim_send_pty args = send_pty_args(peer.pid);
	struct ipcshim_query before;

	before = query(port);
	ASSERT_OK(ioctl(pty.fd, IPCSHIM_SEND_PTY, &args));
	peer_reopen_port(&peer);
	ASSERT_EQ(before.tokens, query(port).tokens);
	ASSERT_EQ(before.events, query(port).events);
	ASSERT_EQ(before.used_objects, query(port).used_objects);
	ASSERT_EQ(ENOENT, peer_claim(&peer, args.token));
	expect_waiting(pty.fd);
}

TEST(claim_pty_by_a_process_that_is_killed_closes_the_slave)
{
	struct peer peer = peer_for_ptys();
	struct ipcshim_open_pty pty = pty_nonblocking(port_open());
	struct ipcshim_send_pty args = send_pty_args(peer.pid);

	ASSERT_OK(ioctl(pty.fd, IPCSHIM_SEND_PTY, &args));
	ASSERT_EQ(0, peer_claim(&peer, args.token));
	expect_waiting(pty.fd);
	peer_kill(&peer);
	expect_hung_up(pty.fd);
}
