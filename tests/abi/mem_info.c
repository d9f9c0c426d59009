// SPDX-License-Identifier: MIT
/* MEM_SHARING_INFO, and the same in /proc/PID/fdinfo. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "harness.h"
#include "memory.h"

#define REJECT_INFO(name, errno_expected, change)                              \
	TEST(name)                                                             \
	{                                                                      \
		struct ipcshim_mem_info args = { 0 };                          \
		int segment = segment_create(port_open(), page_size());        \
                                                                               \
		change;                                                        \
		ASSERT_ERRNO(errno_expected,                                   \
			     ioctl(segment, IPCSHIM_MEM_SHARING_INFO, &args)); \
	}

REJECT_INFO(mem_info_flags_set_is_EINVAL, EINVAL, args.flags = IPCSHIM_MEM_INFO_OWNER)
REJECT_INFO(mem_info_highest_flag_set_is_EINVAL, EINVAL, args.flags = 1U << 31)
REJECT_INFO(mem_info_room_for_holders_at_the_address_0_is_EINVAL, EINVAL, args.nr_holders = 1)
REJECT_INFO(mem_info_reserved_field_set_is_EINVAL, EINVAL, args.reserved = 1)
REJECT_INFO(mem_info_reserved_field_set_high_is_EINVAL, EINVAL, args.reserved = 1ULL << 63)

TEST(mem_info_at_a_bad_address_is_EFAULT)
{
	int segment = segment_create(port_open(), page_size());

	ASSERT_ERRNO(EFAULT, ioctl(segment, IPCSHIM_MEM_SHARING_INFO, bad_address()));
}

TEST(mem_info_answer_to_read_only_memory_is_EFAULT)
{
	struct ipcshim_mem_info args = { 0 };
	int segment = segment_create(port_open(), page_size());

	ASSERT_ERRNO(EFAULT, ioctl(segment, IPCSHIM_MEM_SHARING_INFO,
				   read_only_copy(&args, sizeof(args))));
}

TEST(mem_info_ignores_what_is_only_out)
{
	struct ipcshim_mem_info args;
	int segment = segment_create(port_open(), page_size());

	memset(&args, 0xff, sizeof(args));
	args.flags = 0;
	args.nr_holders = 0;
	args.holders = 0;
	args.reserved = 0;
	ASSERT_OK(ioctl(segment, IPCSHIM_MEM_SHARING_INFO, &args));
	ASSERT_EQ(page_size(), args.length);
	ASSERT_EQ(0, args.nr_holders);
}

struct crowd {
	struct holder holders[3];
	int port;
	int segment;
};

/* Two have it, a third has a token. */
static struct crowd crowd_start(void)
{
	struct crowd crowd;

	for (int i = 0; i < 3; i++)
		crowd.holders[i] = (struct holder){ .peer = peer_for_memory() };
	crowd.port = memory_port();
	crowd.segment = segment_create(crowd.port, page_size());
	holder_get(&crowd.holders[0], crowd.segment, MUTUAL, R);
	holder_get(&crowd.holders[1], crowd.segment, MUTUAL, R | W);
	crowd.holders[2].share = share(crowd.segment, crowd.holders[2].peer.pid, MUTUAL, R);
	return crowd;
}

static void has_each_once(const struct crowd *crowd, const uint32_t *pids)
{
	for (int i = 0; i < 3; i++) {
		unsigned int seen = 0;

		for (int j = 0; j < 3; j++)
			seen += pids[j] == (uint32_t)crowd->holders[i].peer.pid;
		ASSERT_EQ(1, seen);
	}
}

TEST(mem_info_tells_the_holders)
{
	struct crowd crowd = crowd_start();
	uint32_t pids[5] = { 0, 0, 0, 7, 7 };
	struct ipcshim_mem_info args = { .nr_holders = 5, .holders = (uintptr_t)pids };

	ASSERT_OK(ioctl(crowd.segment, IPCSHIM_MEM_SHARING_INFO, &args));
	ASSERT_EQ(3, args.nr_holders);
	has_each_once(&crowd, pids);
	ASSERT_EQ(7, pids[3]);
}

TEST(mem_info_without_room_tells_how_many_holders)
{
	struct crowd crowd = crowd_start();
	uint32_t pids[3] = { 7, 7, 7 };
	struct ipcshim_mem_info args = { .nr_holders = 0, .holders = (uintptr_t)pids };

	ASSERT_OK(ioctl(crowd.segment, IPCSHIM_MEM_SHARING_INFO, &args));
	ASSERT_EQ(3, args.nr_holders);
	ASSERT_EQ(7, pids[0]);
	args = (struct ipcshim_mem_info){ .nr_holders = 1, .holders = (uintptr_t)pids };
	ASSERT_OK(ioctl(crowd.segment, IPCSHIM_MEM_SHARING_INFO, &args));
	ASSERT_EQ(3, args.nr_holders);
	ASSERT_TRUE(pids[0] != 7);
	ASSERT_EQ(7, pids[1]);
}

TEST(mem_info_with_bad_addresses_for_the_holders_is_EFAULT)
{
	struct crowd crowd = crowd_start();
	uint32_t pids[1] = { 0 };
	const uint64_t addresses[] = {
		(uintptr_t)bad_address(),
		(uintptr_t)read_only_copy(pids, sizeof(pids)),
		~0ULL,
		~0ULL - 7,
		1ULL << 63,
	};

	for (unsigned int i = 0; i < sizeof(addresses) / sizeof(addresses[0]); i++) {
		struct ipcshim_mem_info args = { .nr_holders = 3, .holders = addresses[i] };

		ASSERT_ERRNO(EFAULT, ioctl(crowd.segment, IPCSHIM_MEM_SHARING_INFO, &args));
	}
}

/* The room is only said to be there: no more is written than there are holders. */
TEST(mem_info_with_huge_room_writes_what_there_is)
{
	struct crowd crowd = crowd_start();
	char *place = mmap(NULL, 2 * page_size(), PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint32_t pids[3];
	struct ipcshim_mem_info args = { .nr_holders = ~0U };

	ASSERT_TRUE(place != MAP_FAILED);
	ASSERT_OK(munmap(place + page_size(), page_size()));
	args.holders = (uintptr_t)(place + page_size() - sizeof(pids));
	ASSERT_OK(ioctl(crowd.segment, IPCSHIM_MEM_SHARING_INFO, &args));
	ASSERT_EQ(3, args.nr_holders);
	memcpy(pids, place + page_size() - sizeof(pids), sizeof(pids));
	has_each_once(&crowd, pids);
}

TEST(mem_info_of_a_receiver_tells_who_shared_it)
{
	struct crowd crowd = crowd_start();
	struct ipcshim_mem_info info = { 0 };

	ASSERT_EQ(0, peer_ioctl(&crowd.holders[1].peer, crowd.holders[1].claim.fd,
				IPCSHIM_MEM_SHARING_INFO, &info));
	ASSERT_EQ(3, info.nr_holders);
	ASSERT_EQ(0, info.flags);
	ASSERT_EQ(MUTUAL, info.mode);
	ASSERT_EQ(R | W, info.rights);
	ASSERT_EQ(getpid(), info.sharer);
	ASSERT_EQ(crowd.holders[1].share.inode, info.inode);
}

TEST(mem_info_forgets_holders_that_let_go)
{
	struct crowd crowd = crowd_start();

	peer_kill(&crowd.holders[0].peer);
	ASSERT_EQ(2, segment_info(crowd.segment).nr_holders);
	peer_close_port(&crowd.holders[2].peer);
	ASSERT_EQ(1, segment_info(crowd.segment).nr_holders);
	ASSERT_EQ(1, take_back(crowd.segment, crowd.holders[1].peer.pid));
	ASSERT_EQ(0, segment_info(crowd.segment).nr_holders);
}

TEST(mem_info_tells_what_is_allocated)
{
	int segment = segment_small(port_open(), 8 * page_size());
	char *address = segment_map(segment, 8 * page_size(), PROT_READ | PROT_WRITE);

	ASSERT_EQ(0, segment_info(segment).allocated);
	address[3 * page_size()] = 1;
	ASSERT_EQ(page_size(), segment_info(segment).allocated);
	memset(address, 1, 8 * page_size());
	ASSERT_EQ(8 * page_size(), segment_info(segment).allocated);
}

TEST(mem_info_of_a_sharer_that_is_gone_names_nobody_else)
{
	struct peer sharer = peer_for_memory();
	int port = memory_port();
	struct ipcshim_create_mem create = { .length = page_size() };
	struct ipcshim_share_mem args = share_args(getpid(), EXCLUSIVE, R);
	uint32_t told;
	int fd;

	ASSERT_EQ(0, peer_ioctl(&sharer, -1, IPCSHIM_CREATE_MEM, &create));
	ASSERT_EQ(0, peer_ioctl(&sharer, create.fd, IPCSHIM_SHARE_MEM, &args));
	fd = claim(port, args.token).fd;
	ASSERT_EQ(sharer.pid, segment_info(fd).sharer);
	peer_kill(&sharer);
	told = segment_info(fd).sharer;
	ASSERT_TRUE(told == 0 || told == (uint32_t)sharer.pid);
}

/* fdinfo */

static void expect_lines(int fd, const char *mode, const char *rights, bool owner)
{
	char number[24];

	ASSERT_EQ(0, strcmp(mode, fdinfo(fd, "ipcshim-mode")));
	ASSERT_EQ(0, strcmp(rights, fdinfo(fd, "ipcshim-rights")));
	snprintf(number, sizeof(number), "%zu", 4 * page_size());
	ASSERT_EQ(0, strcmp(number, fdinfo(fd, "ipcshim-length")));
	ASSERT_EQ(0, strcmp(owner ? "1" : "0", fdinfo(fd, "ipcshim-owner")));
	ASSERT_EQ(0, strcmp("0", fdinfo(fd, "ipcshim-stale")));
	ASSERT_EQ(0, strcmp("0", fdinfo(fd, "ipcshim-exports")));
}

TEST(fdinfo_of_a_new_segment)
{
	int segment = segment_create(port_open(), 4 * page_size());
	char number[24];

	expect_lines(segment, "made", "rwx", true);
	ASSERT_EQ(0, strcmp("0", fdinfo(segment, "ipcshim-allocated")));
	ASSERT_EQ(0, strcmp("0", fdinfo(segment, "ipcshim-holders")));
	snprintf(number, sizeof(number), "%d", (int)getpid());
	ASSERT_EQ(0, strcmp(number, fdinfo(segment, "ipcshim-sharer")));
	ASSERT_EQ(0, strcmp("0", fdinfo(segment, "ipcshim-deadline")));
}

static const struct {
	unsigned int rights;
	const char *text;
} shown[] = {
	{ R, "r--" }, { R | W, "rw-" }, { R | X, "r-x" }, { R | C, "r--c" }, { R | X | C, "r-xc" },
};

TEST(fdinfo_tells_mode_and_rights_of_what_was_shared)
{
	struct peer maker = peer_for_memory();
	int port = memory_port();

	for (unsigned int i = 0; i < sizeof(shown) / sizeof(shown[0]); i++) {
		for (unsigned int lent = 0; lent < 3; lent++) {
			struct ipcshim_create_mem create = { .length = 4 * page_size() };
			struct ipcshim_share_mem args =
				share_args(getpid(), lent ? EXCLUSIVE : MUTUAL, shown[i].rights);
			char number[24];
			int fd;

			if (lent == 2) {
				args.flags = IPCSHIM_SHARE_LEND;
				args.deadline = in_nanoseconds(3600ULL * 1000000000);
			}
			ASSERT_EQ(0, peer_ioctl(&maker, -1, IPCSHIM_CREATE_MEM, &create));
			ASSERT_EQ(0, peer_ioctl(&maker, create.fd, IPCSHIM_SHARE_MEM, &args));
			fd = claim(port, args.token).fd;
			expect_lines(fd,
				     lent == 2 ? "lent" :
				     lent      ? "exclusive" :
						 "mutual",
				     shown[i].text, lent == 1);
			snprintf(number, sizeof(number), "%d", (int)maker.pid);
			ASSERT_EQ(0, strcmp(number, fdinfo(fd, "ipcshim-sharer")));
			ASSERT_EQ(args.deadline,
				  strtoull(fdinfo(fd, "ipcshim-deadline"), NULL, 10));
		}
	}
}

TEST(fdinfo_counts_holders_and_what_is_allocated)
{
	struct crowd crowd = crowd_start();

	*segment_map(crowd.segment, page_size(), PROT_READ | PROT_WRITE) = 1;
	ASSERT_EQ(0, strcmp("3", fdinfo(crowd.segment, "ipcshim-holders")));
	ASSERT_EQ(page_size(), strtoull(fdinfo(crowd.segment, "ipcshim-allocated"), NULL, 10));
}

TEST(fdinfo_of_a_stale_segment_says_so)
{
	struct peer peer = peer_for_memory();
	int segment = segment_create(memory_port(), 4 * page_size());

	share(segment, peer.pid, EXCLUSIVE, R);
	ASSERT_EQ(0, strcmp("1", fdinfo(segment, "ipcshim-stale")));
}

TEST(fdinfo_of_what_came_back)
{
	struct holder holder = { .peer = peer_for_memory() };
	int port = memory_port();
	int segment = segment_create(port, 4 * page_size());
	struct ipcshim_return_mem args = { 0 };

	holder.share = lend(segment, holder.peer.pid, R, 0);
	holder_claim(&holder);
	ASSERT_EQ(0, peer_ioctl(&holder.peer, holder.claim.fd, IPCSHIM_RETURN_MEM, &args));
	expect_lines(claim(port, event_read(port).token).fd, "returned", "rwx", true);
}
