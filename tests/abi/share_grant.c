// SPDX-License-Identifier: MIT
/* What SHARE_MEM gives: the event, what CLAIM makes of its token, and who has what then. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "harness.h"
#include "memory.h"

/* A peer that made a segment and filled it; this process is who gets it. */
struct maker {
	struct peer peer;
	int port; /* ours */
	int fd;
	size_t size;
	uint64_t address;
};

static struct maker maker_start(void)
{
	struct maker maker = { .peer = peer_for_memory(), .size = 5 * page_size() };
	struct ipcshim_create_mem create = { .length = maker.size };

	maker.port = memory_port();
	ASSERT_EQ(0, peer_ioctl(&maker.peer, -1, IPCSHIM_CREATE_MEM, &create));
	maker.fd = create.fd;
	ASSERT_EQ(0, peer_map(&maker.peer, maker.fd, maker.size, PROT_READ | PROT_WRITE, MAP_SHARED,
			      &maker.address));
	peer_fill(&maker.peer, maker.address, maker.size, 1);
	return maker;
}

static struct ipcshim_share_mem maker_shares(struct maker *maker, struct ipcshim_share_mem args)
{
	ASSERT_EQ(0, peer_ioctl(&maker->peer, maker->fd, IPCSHIM_SHARE_MEM, &args));
	return args;
}

static uint64_t token_from(struct maker *maker)
{
	return maker_shares(maker, share_args(getpid(), MUTUAL, R)).token;
}

/* The event, and what CLAIM tells, fit each other and the share. */

static void expect_grant(struct maker *maker, struct ipcshim_share_mem args, unsigned int mode,
			 int access)
{
	struct ipcshim_event event;
	struct ipcshim_claim got;
	struct ipcshim_mem_info info;
	struct stat state;

	args.command = 4242;
	args = maker_shares(maker, args);
	event = event_read(maker->port);
	ASSERT_EQ(IPCSHIM_EVENT_RECV_SHARED_MEM, event.code);
	ASSERT_EQ(4242, event.command);
	ASSERT_EQ(0, event.flags);
	ASSERT_EQ(args.token, event.token);
	ASSERT_EQ(maker->peer.pid, event.pid);
	ASSERT_EQ(geteuid(), event.uid);
	ASSERT_EQ(maker->size, event.recv_shared_mem.length);
	ASSERT_EQ(mode, event.recv_shared_mem.mode);
	ASSERT_EQ(args.rights, event.recv_shared_mem.rights);
	ASSERT_EQ(0, event.recv_shared_mem.how);
	ASSERT_EQ(0, event.recv_shared_mem.status);
	ASSERT_EQ(args.inode, event.recv_shared_mem.inode);
	ASSERT_EQ(args.deadline, event.recv_shared_mem.deadline);
	got = claim(maker->port, event.token);
	ASSERT_EQ(args.rights, got.rights);
	ASSERT_EQ(mode, got.mode);
	ASSERT_EQ(0, got.capacity);
	ASSERT_EQ(args.inode, got.inode);
	ASSERT_EQ(maker->size, got.length);
	ASSERT_EQ(FD_CLOEXEC, fcntl(got.fd, F_GETFD));
	ASSERT_EQ(access, fcntl(got.fd, F_GETFL) & O_ACCMODE);
	ASSERT_OK(fstat(got.fd, &state));
	ASSERT_TRUE(S_ISREG(state.st_mode));
	ASSERT_EQ(args.inode, state.st_ino);
	ASSERT_EQ(maker->size, state.st_size);
	info = segment_info(got.fd);
	ASSERT_EQ(mode == EXCLUSIVE ? IPCSHIM_MEM_INFO_OWNER : 0, info.flags);
	ASSERT_EQ(mode, info.mode);
	ASSERT_EQ(args.rights, info.rights);
	ASSERT_EQ(args.inode, info.inode);
	ASSERT_EQ(args.deadline, info.deadline);
	ASSERT_EQ(maker->peer.pid, info.sharer);
	check_pattern(segment_map(got.fd, maker->size, PROT_READ), maker->size, 1);
}

#define EXPECT_GRANT(name, sharing_mode, rights, access)                       \
	TEST(name)                                                             \
	{                                                                      \
		struct maker maker = maker_start();                            \
                                                                               \
		expect_grant(&maker, share_args(getpid(), sharing_mode, rights),      \
			     sharing_mode, access);                            \
	}

EXPECT_GRANT(mutual_grant_to_read_is_as_announced, MUTUAL, R, O_RDONLY)
EXPECT_GRANT(mutual_grant_to_write_is_as_announced, MUTUAL, R | W, O_RDWR)
EXPECT_GRANT(mutual_grant_to_execute_is_as_announced, MUTUAL, R | X, O_RDONLY)
EXPECT_GRANT(mutual_grant_to_copy_on_write_is_as_announced, MUTUAL, R | C, O_RDONLY)
EXPECT_GRANT(exclusive_grant_to_read_is_as_announced, EXCLUSIVE, R, O_RDONLY)
EXPECT_GRANT(exclusive_grant_to_write_is_as_announced, EXCLUSIVE, R | W, O_RDWR)
EXPECT_GRANT(exclusive_grant_to_execute_and_copy_on_write_is_as_announced, EXCLUSIVE, R | X | C,
	     O_RDONLY)

TEST(lent_grant_is_as_announced)
{
	struct maker maker = maker_start();
	struct ipcshim_share_mem args = share_args(getpid(), EXCLUSIVE, R | W);

	args.flags = IPCSHIM_SHARE_LEND;
	args.deadline = in_nanoseconds(3600ULL * 1000000000);
	expect_grant(&maker, args, IPCSHIM_MEM_LENT, O_RDWR);
}

TEST(mutual_grant_shows_what_either_writes)
{
	struct maker maker = maker_start();
	int fd = claim(maker.port, maker_shares(&maker, share_args(getpid(), MUTUAL, R | W)).token)
			 .fd;
	char *address = segment_map(fd, maker.size, PROT_READ | PROT_WRITE);

	check_pattern(address, maker.size, 1);
	fill_pattern(address, maker.size, 2);
	peer_check(&maker.peer, maker.address, maker.size, 2);
	peer_fill(&maker.peer, maker.address, maker.size, 3);
	check_pattern(address, maker.size, 3);
}

TEST(exclusive_grant_is_the_only_one_that_is_left)
{
	struct maker maker = maker_start();
	int fd = claim(maker.port,
		       maker_shares(&maker, share_args(getpid(), EXCLUSIVE, R | W)).token)
			 .fd;
	struct ipcshim_mem_info info = { 0 };
	struct ipcshim_share_mem again = share_args(getpid(), EXCLUSIVE, R);
	struct ipcshim_export_dmabuf export = { 0 };
	struct ipcshim_return_mem give_back = { 0 };
	uint64_t address;

	check_pattern(segment_map(fd, maker.size, PROT_READ), maker.size, 1);
	ASSERT_EQ(ESTALE, peer_ioctl(&maker.peer, maker.fd, IPCSHIM_MEM_SHARING_INFO, &info));
	ASSERT_EQ(ESTALE, peer_ioctl(&maker.peer, maker.fd, IPCSHIM_SHARE_MEM, &again));
	again.mode = MUTUAL;
	ASSERT_EQ(ESTALE, peer_ioctl(&maker.peer, maker.fd, IPCSHIM_SHARE_MEM, &again));
	ASSERT_EQ(ESTALE, peer_ioctl(&maker.peer, maker.fd, IPCSHIM_EXPORT_DMABUF, &export));
	ASSERT_EQ(ESTALE, peer_ioctl(&maker.peer, maker.fd, IPCSHIM_RETURN_MEM, &give_back));
	ASSERT_EQ(ESTALE, peer_map(&maker.peer, maker.fd, maker.size, PROT_READ, MAP_SHARED,
				   &address));
	ASSERT_EQ(ESTALE, peer_map(&maker.peer, maker.fd, maker.size, PROT_READ, MAP_PRIVATE,
				   &address));
}

TEST(exclusive_grant_travels_through_a_chain)
{
	struct holder holders[3];
	unsigned int count = sizeof(holders) / sizeof(holders[0]);
	size_t size = 2 * page_size();
	int port;
	int segment;
	char *address;

	for (unsigned int i = 0; i < count; i++)
		holders[i] = (struct holder){ .peer = peer_for_memory() };
	port = memory_port();
	segment = segment_create(port, size);
	address = segment_map(segment, size, PROT_READ | PROT_WRITE);
	fill_pattern(address, size, 0);
	holder_get(&holders[0], segment, EXCLUSIVE, R | W);
	for (unsigned int i = 0; i < count; i++) {
		bool last = i == count - 1;
		pid_t next = last ? getpid() : holders[i + 1].peer.pid;
		struct ipcshim_share_mem args = share_args(next, EXCLUSIVE, R | W);

		peer_check(&holders[i].peer, holders[i].address, size, i);
		peer_fill(&holders[i].peer, holders[i].address, size, i + 1);
		ASSERT_EQ(0, peer_ioctl(&holders[i].peer, holders[i].claim.fd, IPCSHIM_SHARE_MEM,
					&args));
		ASSERT_TRUE(peer_load(&holders[i].peer, holders[i].address) != 0);
		if (last) {
			/* Back at its maker, and there it is a segment like any other. */
			segment = claim(port, args.token).fd;
			break;
		}
		holders[i + 1].share = args;
		holder_claim(&holders[i + 1]);
		holder_map(&holders[i + 1]);
	}
	check_pattern(segment_map(segment, size, PROT_READ), size, count);
	ASSERT_EQ(1, query(port).segments);
}

/* CLAIM: a refusal leaves the token good. */
#define REJECT_CLAIM(name, errno_expected, change)                             \
	TEST(name)                                                             \
	{                                                                      \
		struct maker maker = maker_start();                            \
		uint64_t token = token_from(&maker);                           \
		struct ipcshim_claim args = { .token = token };                \
		struct state before = state_now(maker.port);                   \
                                                                               \
		change;                                                        \
		ASSERT_ERRNO(errno_expected, ioctl(maker.port, IPCSHIM_CLAIM, &args)); \
		state_same(maker.port, &before);                               \
		claim(maker.port, token);                                      \
	}

REJECT_CLAIM(claim_of_a_segment_with_an_unknown_flag_is_EINVAL, EINVAL, args.flags = 1U << 1)
REJECT_CLAIM(claim_of_a_segment_with_the_length_set_is_EINVAL, EINVAL, args.length = page_size())
REJECT_CLAIM(claim_of_a_segment_by_a_token_that_never_was_is_ENOENT, ENOENT, args.token += 1000000)

TEST(claim_of_a_segment_at_a_bad_address_is_EFAULT_and_keeps_the_token)
{
	struct maker maker = maker_start();
	struct ipcshim_claim args = { .token = token_from(&maker) };
	void *copy = read_only_copy(&args, sizeof(args));
	struct state before = state_now(maker.port);

	ASSERT_ERRNO(EFAULT, ioctl(maker.port, IPCSHIM_CLAIM, bad_address()));
	ASSERT_ERRNO(EFAULT, ioctl(maker.port, IPCSHIM_CLAIM, copy));
	/* (The hole that bad_address() made is no descriptor.) */
	state_same(maker.port, &before);
	claim(maker.port, args.token);
}

TEST(claim_of_a_segment_without_descriptor_numbers_is_EMFILE_and_keeps_the_token)
{
	struct maker maker = maker_start();
	struct ipcshim_claim args = { .token = token_from(&maker) };
	int first_free = dup(maker.port);
	struct rlimit limit;

	close(first_free);
	ASSERT_OK(getrlimit(RLIMIT_NOFILE, &limit));
	limit.rlim_cur = (rlim_t)first_free;
	ASSERT_OK(setrlimit(RLIMIT_NOFILE, &limit));
	ASSERT_ERRNO(EMFILE, ioctl(maker.port, IPCSHIM_CLAIM, &args));
	limit.rlim_cur = limit.rlim_max;
	ASSERT_OK(setrlimit(RLIMIT_NOFILE, &limit));
	claim(maker.port, args.token);
}

TEST(claim_of_a_segment_twice_is_ENOENT)
{
	struct maker maker = maker_start();
	struct ipcshim_claim args = { .token = token_from(&maker) };

	claim(maker.port, args.token);
	ASSERT_ERRNO(ENOENT, ioctl(maker.port, IPCSHIM_CLAIM, &args));
}

TEST(claim_of_a_segment_of_another_process_is_ENOENT)
{
	struct maker maker = maker_start();
	struct peer thief = peer_for_memory();
	uint64_t token = token_from(&maker);

	ASSERT_EQ(ENOENT, peer_claim(&thief, token));
	ASSERT_EQ(ENOENT, peer_claim(&maker.peer, token));
	claim(maker.port, token);
}

static void claims_what_its_parent_got(int fd, void *argument)
{
	struct ipcshim_claim args = { .token = *(uint64_t *)argument };

	ASSERT_ERRNO(ENOENT, ioctl(memory_port(), IPCSHIM_CLAIM, &args));
	put(fd, 0);
	get(fd); /* lives while its parent claims */
}

static void expect_fork_between(unsigned int mode)
{
	struct maker maker = maker_start();
	uint64_t token = maker_shares(&maker, share_args(getpid(), mode, R | W)).token;
	struct child child = child_start(claims_what_its_parent_got, &token);
	char *address;

	get(child.fd);
	address = segment_map(claim(maker.port, token).fd, maker.size, PROT_READ);
	check_pattern(address, maker.size, 1);
	put(child.fd, 0);
	child_join(&child);
	check_pattern(address, maker.size, 1);
}

TEST(fork_between_mutual_share_and_claim_gives_the_child_ENOENT_and_the_parent_the_segment)
{
	expect_fork_between(MUTUAL);
}

TEST(fork_between_hand_over_and_claim_gives_the_child_ENOENT_and_the_parent_the_segment)
{
	expect_fork_between(EXCLUSIVE);
}

/* A sharer that forked before: its child has the old grant, and nothing of the new. */
TEST(fork_of_the_sharer_before_the_hand_over_keeps_nothing)
{
	struct maker maker = maker_start();
	struct ipcshim_query before = query(maker.port);
	char *address;

	peer_fork(&maker.peer);
	address = segment_map(claim(maker.port, maker_shares(&maker, share_args(getpid(), EXCLUSIVE,
										 R | W))
							.token)
				      .fd,
			      maker.size, PROT_READ | PROT_WRITE);
	check_pattern(address, maker.size, 1);
	peer_kill(&maker.peer);
	check_pattern(address, maker.size, 1);
	ASSERT_EQ(before.segments, query(maker.port).segments);
}

TEST(token_that_is_dropped_with_the_port_frees_what_was_handed_over)
{
	struct maker maker = maker_start();
	int second = port_open();
	struct ipcshim_query now;

	maker_shares(&maker, share_args(getpid(), EXCLUSIVE, R));
	ASSERT_EQ(1, query(second).segments);
	close(maker.port);
	now = query(second);
	ASSERT_EQ(0, now.segments);
	ASSERT_EQ(0, now.segment_bytes);
	ASSERT_EQ(0, now.used_segment_bytes);
	ASSERT_EQ(0, now.tokens);
}

TEST(claim_of_a_segment_with_NONBLOCK_is_taken)
{
	struct maker maker = maker_start();
	struct ipcshim_claim args = { .token = token_from(&maker),
				      .flags = IPCSHIM_CLAIM_NONBLOCK };

	ASSERT_OK(ioctl(maker.port, IPCSHIM_CLAIM, &args));
	ASSERT_EQ(O_NONBLOCK, fcntl(args.fd, F_GETFL) & O_NONBLOCK);
}
