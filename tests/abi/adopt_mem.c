// SPDX-License-Identifier: MIT
/* ADOPT_MEM of what can be taken: same addresses, same contents, and a segment. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "harness.h"
#include "memory.h"

static char *plain_memory(size_t size)
{
	char *address = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
			     0);

	ASSERT_TRUE(address != MAP_FAILED);
	return address;
}

static int adopt(int port, const void *address, size_t size)
{
	struct ipcshim_adopt_mem args = { .address = (uintptr_t)address, .length = size };
	struct stat state;

	ASSERT_OK(ioctl(port, IPCSHIM_ADOPT_MEM, &args));
	ASSERT_EQ((uintptr_t)address, args.address);
	ASSERT_EQ(size, args.length);
	ASSERT_OK(fstat(args.fd, &state));
	ASSERT_EQ(state.st_ino, args.inode);
	ASSERT_EQ(size, state.st_size);
	return args.fd;
}

/* A holder reads what is in the range, and writes what appears there. */
static void is_a_mapping_of(int segment, struct holder *holder, char *address, size_t size)
{
	holder_get(holder, segment, MUTUAL, R | W);
	peer_check(&holder->peer, holder->address, size, 1);
	peer_fill(&holder->peer, holder->address, size, 2);
	check_pattern(address, size, 2);
	fill_pattern(address, size, 3);
	peer_check(&holder->peer, holder->address, size, 3);
	ASSERT_EQ(1, take_back(segment, 0));
	check_pattern(address, size, 3);
}

TEST(adopt_mem_makes_a_segment_in_place)
{
	struct holder holder = { .peer = peer_for_memory() };
	size_t size = 5 * page_size();
	int port = memory_port();
	char *address = plain_memory(size);
	struct ipcshim_mem_info info;
	int segment;

	fill_pattern(address, size, 1);
	segment = adopt(port, address, size);
	check_pattern(address, size, 1);
	info = segment_info(segment);
	ASSERT_EQ(IPCSHIM_MEM_MADE, info.mode);
	ASSERT_EQ(R | W | X, info.rights);
	ASSERT_EQ(size, info.length);
	ASSERT_EQ(size, info.allocated);
	ASSERT_EQ(IPCSHIM_MEM_INFO_OWNER, info.flags);
	ASSERT_EQ(getpid(), info.sharer);
	is_a_mapping_of(segment, &holder, address, size);
}

TEST(adopt_mem_of_one_page_in_the_middle_leaves_its_neighbours)
{
	struct holder holder = { .peer = peer_for_memory() };
	size_t page = page_size();
	int port = memory_port();
	char *address = plain_memory(3 * page);
	int segment;

	fill_pattern(address, page, 4);
	fill_pattern(address + page, page, 1);
	fill_pattern(address + 2 * page, page, 5);
	segment = adopt(port, address + page, page);
	is_a_mapping_of(segment, &holder, address + page, page);
	share(segment, holder.peer.pid, EXCLUSIVE, R | W);
	expect_gone(address + page);
	check_pattern(address, page, 4);
	check_pattern(address + 2 * page, page, 5);
}

TEST(adopt_mem_that_is_handed_over_is_gone_here)
{
	struct holder holder = { .peer = peer_for_memory() };
	size_t size = 8 * page_size();
	int port = memory_port();
	char *address = plain_memory(size);
	int segment;

	fill_pattern(address, size, 1);
	segment = adopt(port, address, size);
	holder_get(&holder, segment, EXCLUSIVE, R | W);
	peer_check(&holder.peer, holder.address, size, 1);
	for (size_t place = 0; place < size; place += page_size())
		expect_gone(address + place);
	expect_stale(segment);
	ASSERT_EQ(1, query(port).segments);
}

TEST(adopt_mem_over_several_mappings)
{
	struct holder holder = { .peer = peer_for_memory() };
	size_t page = page_size();
	size_t size = 6 * page;
	int port = memory_port();
	char *address = plain_memory(size);

	/* What differs keeps them apart. */
	ASSERT_OK(madvise(address + page, page, MADV_DONTFORK));
	ASSERT_OK(madvise(address + 3 * page, page, MADV_NOHUGEPAGE));
	ASSERT_OK(madvise(address + 4 * page, page, MADV_DONTDUMP));
	fill_pattern(address, size, 1);
	is_a_mapping_of(adopt(port, address, size), &holder, address, size);
}

TEST(adopt_mem_of_the_heap)
{
	struct holder holder = { .peer = peer_for_memory() };
	size_t size = 4 * page_size();
	int port = memory_port();
	char *address = aligned_alloc(page_size(), size);

	ASSERT_TRUE(address);
	fill_pattern(address, size, 1);
	is_a_mapping_of(adopt(port, address, size), &holder, address, size);
}

static char in_the_program[6 * 65536];

TEST(adopt_mem_of_variables_that_begin_as_zeros)
{
	struct holder holder = { .peer = peer_for_memory() };
	size_t page = page_size();
	size_t size = 2 * page;
	int port = memory_port();
	uintptr_t place = ((uintptr_t)in_the_program + 3 * page) / page * page;
	char *address = (char *)place;

	fill_pattern(address, size, 1);
	is_a_mapping_of(adopt(port, address, size), &holder, address, size);
}

TEST(adopt_mem_that_nobody_has_touched_is_full_of_zeros)
{
	size_t size = 4U << 20;
	int port = port_open();
	char *address = plain_memory(size);
	int segment = adopt(port, address, size);

	for (size_t i = 0; i < size; i++)
		ASSERT_TRUE(address[i] == 0);
	ASSERT_EQ(size, segment_info(segment).length);
}

TEST(adopt_mem_that_is_sparse_allocates_little)
{
	struct holder holder = { .peer = peer_for_memory() };
	size_t page = page_size();
	size_t size = 32U << 20;
	int port = memory_port();
	char *address = plain_memory(size);
	int segment;

	ASSERT_OK(madvise(address, size, MADV_NOHUGEPAGE));
	for (size_t place = 0; place < size; place += 8U << 20)
		fill_pattern(address + place, page, (unsigned int)(place >> 20));
	segment = adopt(port, address, size);
	/* Four pages of it, or the large ones around them. */
	ASSERT_TRUE(segment_info(segment).allocated <= 4 * (2U << 20));
	for (size_t place = 0; place < size; place += 8U << 20)
		check_pattern(address + place, page, (unsigned int)(place >> 20));
	ASSERT_EQ(0, address[page]);
	ASSERT_EQ(0, address[size - 1]);
	holder_get(&holder, segment, EXCLUSIVE, R);
	for (size_t place = 0; place < size; place += 8U << 20)
		peer_check(&holder.peer, holder.address + place, page,
			   (unsigned int)(place >> 20));
}

/* All of it, from a whole large page on, and in the middle of one. */
TEST(adopt_mem_of_transparent_huge_pages)
{
	struct holder holder = { .peer = peer_for_memory() };
	size_t large = 2U << 20;
	size_t size = 3 * large;
	int port = memory_port();
	char *address = plain_memory(size + large);
	char *aligned = (char *)(((uintptr_t)address + large - 1) / large * large);
	int segment;

	madvise(aligned, size, MADV_HUGEPAGE);
	fill_pattern(aligned, size, 1);
	/* A part first: the large pages around it are cut. */
	segment = adopt(port, aligned + large / 2, large);
	check_pattern(aligned, size, 1);
	close(segment);
	check_pattern(aligned, size, 1);
	fill_pattern(aligned + 2 * large, large, 1);
	segment = adopt(port, aligned + 2 * large, large);
	is_a_mapping_of(segment, &holder, aligned + 2 * large, large);
	share(segment, holder.peer.pid, EXCLUSIVE, R);
	for (size_t place = 0; place < large; place += page_size())
		ASSERT_EQ(SIGBUS, fault_of_load(aligned + 2 * large + place));
}

struct family {
	char *address;
	size_t size;
};

static void keeps_what_was(int fd, void *argument)
{
	struct family *family = argument;

	put(fd, 0);
	get(fd); /* the parent has adopted it, and written to it */
	check_pattern(family->address, family->size, 1);
	fill_pattern(family->address, family->size, 7);
	put(fd, 0);
	get(fd); /* and handed it over */
	check_pattern(family->address, family->size, 7);
}

TEST(adopt_mem_after_a_fork_leaves_the_child_what_it_has)
{
	struct holder holder = { .peer = peer_for_memory() };
	struct family family = { .size = 4 * page_size() };
	struct child child;
	int port = memory_port();
	int segment;

	family.address = plain_memory(family.size);
	fill_pattern(family.address, family.size, 1);
	child = child_start(keeps_what_was, &family);
	get(child.fd);
	segment = adopt(port, family.address, family.size);
	check_pattern(family.address, family.size, 1);
	fill_pattern(family.address, family.size, 2);
	put(child.fd, 0);
	get(child.fd);
	check_pattern(family.address, family.size, 2);
	share(segment, holder.peer.pid, EXCLUSIVE, R);
	put(child.fd, 0);
	child_join(&child);
}

static void adopts_what_it_inherited(int fd, void *argument)
{
	struct family *family = argument;
	int segment = adopt(memory_port(), family->address, family->size);

	check_pattern(family->address, family->size, 1);
	fill_pattern(family->address, family->size, 2);
	ASSERT_EQ(family->size, segment_info(segment).length);
	put(fd, 0);
	get(fd);
}

TEST(adopt_mem_by_a_forked_child_leaves_the_parent_what_it_has)
{
	struct family family = { .size = 4 * page_size() };
	struct child child;

	family.address = plain_memory(family.size);
	fill_pattern(family.address, family.size, 1);
	child = child_start(adopts_what_it_inherited, &family);
	get(child.fd);
	check_pattern(family.address, family.size, 1);
	put(child.fd, 0);
	child_join(&child);
}

static void looks_after_the_fork(int fd, void *argument)
{
	struct family *family = argument;

	check_pattern(family->address, family->size, 1);
	fill_pattern(family->address, family->size, 2);
	put(fd, 0);
	get(fd);
}

/* From now on it is shared memory, for a child that comes later, too. */
TEST(adopt_mem_before_a_fork_is_shared_with_the_child)
{
	struct family family = { .size = 4 * page_size() };
	struct child child;
	int port = memory_port();

	family.address = plain_memory(family.size);
	fill_pattern(family.address, family.size, 1);
	adopt(port, family.address, family.size);
	child = child_start(looks_after_the_fork, &family);
	get(child.fd);
	check_pattern(family.address, family.size, 2);
	put(child.fd, 0);
	child_join(&child);
}

TEST(adopt_mem_with_the_arguments_inside_the_range)
{
	size_t size = 2 * page_size();
	int port = port_open();
	char *address = plain_memory(size);
	struct ipcshim_adopt_mem *args = (void *)(address + 64);

	fill_pattern(address, size, 1);
	*args = (struct ipcshim_adopt_mem){ .address = (uintptr_t)address, .length = size };
	ASSERT_OK(ioctl(port, IPCSHIM_ADOPT_MEM, args));
	/* The answer is there, and it is in the segment. */
	ASSERT_EQ(segment_info(args->fd).inode, args->inode);
	ASSERT_EQ(0, memcmp(args, segment_map(args->fd, size, PROT_READ) + 64, sizeof(*args)));
	fill_pattern(address + 64, sizeof(*args), 0);
	check_pattern(address, 64, 1);
}

TEST(adopt_mem_and_unmapped_again_is_counted_no_more)
{
	size_t size = 4 * page_size();
	int port = port_open();
	struct ipcshim_query before = query(port);
	char *address = plain_memory(size);
	int segment;

	fill_pattern(address, size, 1);
	segment = adopt(port, address, size);
	ASSERT_EQ(before.segments + 1, query(port).segments);
	ASSERT_EQ(before.used_segment_bytes + size, query(port).used_segment_bytes);
	ASSERT_EQ(before.segment_bytes + size, query(port).segment_bytes);
	close(segment);
	check_pattern(address, size, 1);
	ASSERT_EQ(before.segments + 1, query(port).segments);
	ASSERT_OK(munmap(address, size));
	ASSERT_EQ(before.segments, query(port).segments);
	ASSERT_EQ(before.used_segment_bytes, query(port).used_segment_bytes);
	ASSERT_EQ(before.segment_bytes, query(port).segment_bytes);
}

TEST(adopt_mem_can_be_mapped_to_execute_but_not_both)
{
	size_t size = page_size();
	char *address = plain_memory(size);
	int segment = adopt(port_open(), address, size);

	segment_map(segment, size, PROT_READ | PROT_EXEC);
	ASSERT_ERRNO(EINVAL, mprotect(address, size, PROT_READ | PROT_WRITE | PROT_EXEC));
}

TEST(adopt_mem_again_what_came_back_to_be_plain)
{
	size_t size = 2 * page_size();
	int port = port_open();
	char *address = plain_memory(size);

	for (unsigned int round = 0; round < 3; round++) {
		fill_pattern(address, size, round);
		close(adopt(port, address, size));
		check_pattern(address, size, round);
		ASSERT_TRUE(mmap(address, size, PROT_READ | PROT_WRITE,
				 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == address);
		ASSERT_EQ(0, address[0]);
		ASSERT_EQ(0, query(port).segments);
	}
}
