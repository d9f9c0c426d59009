// SPDX-License-Identifier: MIT
#include <errno.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "harness.h"
#include "support.h"

/* A token for this very process; the sender stays open. */
static uint64_t token_for_me(int port)
{
	struct ipcshim_open_pipe args = open_args();

	args.pid = (uint32_t)getpid();
	args.flags = IPCSHIM_OPEN_SKIP;
	ASSERT_OK(ioctl(port, IPCSHIM_OPEN_PIPE, &args));
	return args.token;
}

/* A refused claim leaves a token that is good still. */
#define REJECT_CLAIM(name, errno_expected, change)                             \
	TEST(name)                                                             \
	{                                                                      \
		int port = port_open();                                        \
		uint64_t token = token_for_me(port);                           \
		struct ipcshim_claim args = { .token = token };                \
		struct state before = state_now(port);                         \
                                                                               \
		change;                                                        \
		ASSERT_ERRNO(errno_expected, ioctl(port, IPCSHIM_CLAIM, &args)); \
		state_same(port, &before);                                     \
		args = (struct ipcshim_claim){ .token = token };               \
		ASSERT_OK(ioctl(port, IPCSHIM_CLAIM, &args));                  \
	}

REJECT_CLAIM(claim_unknown_flag_is_EINVAL, EINVAL, args.flags = 1U << 1)
REJECT_CLAIM(claim_highest_flag_is_EINVAL, EINVAL, args.flags = 1U << 31)
REJECT_CLAIM(claim_length_set_is_EINVAL, EINVAL, args.length = 1)
REJECT_CLAIM(claim_length_set_high_is_EINVAL, EINVAL, args.length = 1ULL << 63)
REJECT_CLAIM(claim_token_0_is_ENOENT, ENOENT, args.token = 0)
REJECT_CLAIM(claim_token_that_never_was_is_ENOENT, ENOENT, args.token += 1000000)
REJECT_CLAIM(claim_token_beyond_32_bits_is_ENOENT, ENOENT, args.token |= 1ULL << 32)
REJECT_CLAIM(claim_token_minus_1_is_ENOENT, ENOENT, args.token = ~0ULL)

TEST(claim_at_a_bad_address_is_EFAULT)
{
	int port = port_open();
	struct ipcshim_claim args = { .token = token_for_me(port) };

	ASSERT_ERRNO(EFAULT, ioctl(port, IPCSHIM_CLAIM, bad_address()));
	ASSERT_OK(ioctl(port, IPCSHIM_CLAIM, &args));
}

TEST(claim_answer_to_read_only_memory_is_EFAULT_and_keeps_the_token)
{
	int port = port_open();
	struct ipcshim_claim args = { .token = token_for_me(port) };
	void *copy = read_only_copy(&args, sizeof(args));
	struct state before = state_now(port);

	ASSERT_ERRNO(EFAULT, ioctl(port, IPCSHIM_CLAIM, copy));
	state_same(port, &before);
	ASSERT_OK(ioctl(port, IPCSHIM_CLAIM, &args));
}

TEST(claim_without_descriptor_numbers_is_EMFILE_and_keeps_the_token)
{
	int port = port_open();
	struct ipcshim_claim args = { .token = token_for_me(port) };
	struct rlimit limit;
	int first_free = dup(port);

	close(first_free);
	ASSERT_OK(getrlimit(RLIMIT_NOFILE, &limit));
	limit.rlim_cur = (rlim_t)first_free;
	ASSERT_OK(setrlimit(RLIMIT_NOFILE, &limit));
	ASSERT_ERRNO(EMFILE, ioctl(port, IPCSHIM_CLAIM, &args));
	limit.rlim_cur = limit.rlim_max;
	ASSERT_OK(setrlimit(RLIMIT_NOFILE, &limit));
	ASSERT_OK(ioctl(port, IPCSHIM_CLAIM, &args));
}

TEST(claim_twice_is_ENOENT)
{
	int port = port_open();
	struct ipcshim_claim args = { .token = token_for_me(port) };
	struct ipcshim_claim again = args;

	ASSERT_OK(ioctl(port, IPCSHIM_CLAIM, &args));
	ASSERT_ERRNO(ENOENT, ioctl(port, IPCSHIM_CLAIM, &again));
	close(args.fd);
	ASSERT_ERRNO(ENOENT, ioctl(port, IPCSHIM_CLAIM, &again));
}

TEST(claim_token_of_another_process_is_ENOENT)
{
	struct peer owner = peer_listening();
	struct peer thief = peer_listening();
	struct ipcshim_open_pipe args = open_args();
	struct ipcshim_claim claim = { 0 };
	int port = port_open();

	args.pid = (uint32_t)owner.pid;
	ASSERT_OK(ioctl(port, IPCSHIM_OPEN_PIPE, &args));
	ASSERT_EQ(ENOENT, peer_claim(&thief, args.token));
	claim.token = args.token;
	ASSERT_ERRNO(ENOENT, ioctl(port, IPCSHIM_CLAIM, &claim));
	ASSERT_EQ(0, peer_claim(&owner, args.token));
}

TEST(claim_token_of_a_port_that_was_closed_is_ENOENT)
{
	struct peer peer = peer_listening();
	struct ipcshim_open_pipe args = open_args();
	int port = port_handling();
	struct ipcshim_query before = query(port);

	args.pid = (uint32_t)peer.pid;
	ASSERT_OK(ioctl(port, IPCSHIM_OPEN_PIPE, &args));
	peer_reopen_port(&peer);
	ASSERT_EQ(before.tokens, query(port).tokens);
	ASSERT_EQ(before.events, query(port).events - events_waiting(port));
	ASSERT_EQ(ENOENT, peer_claim(&peer, args.token));
	/* Its object closed as if the target had closed it. */
	ASSERT_ERRNO(EPIPE, ioctl(args.fd, IPCSHIM_PIPE_WRITE,
				  &(struct ipcshim_pipe_io){ .buffer = (uintptr_t)"x", .size = 1 }));
	ASSERT_EQ(IPCSHIM_HOW_CLOSED, event_read(port).pipe_closed.how);
}

TEST(claim_by_another_port_of_the_same_process_succeeds)
{
	int port = port_handling();
	int second = port_open();
	struct ipcshim_claim args = { .token = token_for_me(port) };

	ASSERT_OK(ioctl(second, IPCSHIM_CLAIM, &args));
}

TEST(claim_tells_what_was_claimed)
{
	int port = port_open();
	struct ipcshim_open_pipe open_pipe = open_args();
	struct ipcshim_claim args = { 0 };
	struct stat state;

	open_pipe.pid = (uint32_t)getpid();
	open_pipe.flags = IPCSHIM_OPEN_SKIP;
	open_pipe.direction = IPCSHIM_END_RECEIVER;
	open_pipe.mode = IPCSHIM_PIPE_MESSAGE;
	open_pipe.capacity = 5;
	ASSERT_OK(ioctl(port, IPCSHIM_OPEN_PIPE, &open_pipe));
	args.token = open_pipe.token;
	ASSERT_OK(ioctl(port, IPCSHIM_CLAIM, &args));
	ASSERT_EQ(IPCSHIM_END_SENDER, args.end);
	ASSERT_EQ(IPCSHIM_PIPE_MESSAGE, args.mode);
	ASSERT_EQ(5 * UNIT, args.capacity);
	ASSERT_EQ(0, args.length);
	ASSERT_OK(fstat(args.fd, &state));
	ASSERT_EQ(state.st_ino, args.inode);
	ASSERT_TRUE(args.inode != open_pipe.inode);
	ASSERT_EQ(FD_CLOEXEC, fcntl(args.fd, F_GETFD));
	ASSERT_EQ(0, fcntl(args.fd, F_GETFL) & O_NONBLOCK);
	ASSERT_EQ(O_WRONLY, fcntl(args.fd, F_GETFL) & O_ACCMODE);
}

TEST(claim_nonblock_makes_the_descriptor_O_NONBLOCK)
{
	int port = port_open();
	struct ipcshim_claim args = {
		.token = token_for_me(port),
		.flags = IPCSHIM_CLAIM_NONBLOCK,
	};
	char byte;

	ASSERT_OK(ioctl(port, IPCSHIM_CLAIM, &args));
	ASSERT_ERRNO(EAGAIN, read(args.fd, &byte, 1));
}

static void claims_what_its_parent_got(int fd, void *argument)
{
	struct ipcshim_claim args = { .token = *(uint64_t *)argument };

	put(fd, ioctl(port_handling(), IPCSHIM_CLAIM, &args) == 0 ? 0 : (uint64_t)errno);
}

TEST(claim_by_a_forked_child_with_its_own_port_is_ENOENT)
{
	uint64_t token = token_for_me(port_open());
	struct child child = child_start(claims_what_its_parent_got, &token);

	ASSERT_EQ(ENOENT, get(child.fd));
	child_join(&child);
}
