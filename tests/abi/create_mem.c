// SPDX-License-Identifier: MIT
/* CREATE_MEM: what is refused, what that leaves, and what a new segment is. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include "harness.h"
#include "memory.h"

static void create_refused(int expected, struct ipcshim_create_mem args)
{
	int port = port_open();
	struct state before = state_now(port);

	ASSERT_ERRNO(expected, ioctl(port, IPCSHIM_CREATE_MEM, &args));
	state_same(port, &before);
}

#define REJECT_CREATE(name, errno_expected, change)                            \
	TEST(name)                                                             \
	{                                                                      \
		struct ipcshim_create_mem args = { .length = page_size() };    \
                                                                               \
		change;                                                        \
		create_refused(errno_expected, args);                          \
	}

static uint64_t machine_memory(void)
{
	struct sysinfo info;

	ASSERT_OK(sysinfo(&info));
	return (uint64_t)info.totalram * info.mem_unit;
}

REJECT_CREATE(create_mem_length_0_is_EINVAL, EINVAL, args.length = 0)
REJECT_CREATE(create_mem_length_1_is_EINVAL, EINVAL, args.length = 1)
REJECT_CREATE(create_mem_length_below_a_page_is_EINVAL, EINVAL, args.length -= 1)
REJECT_CREATE(create_mem_length_above_a_page_is_EINVAL, EINVAL, args.length += 8)
REJECT_CREATE(create_mem_length_minus_1_is_EINVAL, EINVAL, args.length = ~0ULL)
REJECT_CREATE(create_mem_length_minus_a_page_is_EINVAL, EINVAL, args.length = 0 - args.length)
REJECT_CREATE(create_mem_length_above_any_file_is_EINVAL, EINVAL, args.length = 1ULL << 63)
REJECT_CREATE(create_mem_length_of_the_longest_file_is_ENOMEM, ENOMEM,
	      args.length = (1ULL << 63) - args.length)
REJECT_CREATE(create_mem_length_with_page_numbers_beyond_32_bits_is_ENOMEM, ENOMEM,
	      args.length = 1ULL << 50)
REJECT_CREATE(create_mem_more_than_the_machines_memory_is_ENOMEM, ENOMEM,
	      args.length = machine_memory() / args.length * args.length + args.length)
REJECT_CREATE(create_mem_unknown_flag_is_EINVAL, EINVAL, args.flags = 1U << 2)
REJECT_CREATE(create_mem_highest_flag_is_EINVAL, EINVAL, args.flags = 1U << 31)
REJECT_CREATE(create_mem_small_and_large_pages_is_EINVAL, EINVAL,
	      args.flags = IPCSHIM_MEM_SMALL_PAGES | IPCSHIM_MEM_LARGE_PAGES)
REJECT_CREATE(create_mem_large_pages_of_length_0_is_EINVAL, EINVAL,
	      (args.flags = IPCSHIM_MEM_LARGE_PAGES, args.length = 0))
REJECT_CREATE(create_mem_large_pages_of_no_whole_pages_is_EINVAL, EINVAL,
	      (args.flags = IPCSHIM_MEM_LARGE_PAGES, args.length += 8))
REJECT_CREATE(create_mem_large_pages_of_length_minus_a_page_is_EINVAL, EINVAL,
	      (args.flags = IPCSHIM_MEM_LARGE_PAGES, args.length = 0 - args.length))
REJECT_CREATE(create_mem_reserved_field_set_is_EINVAL, EINVAL, args.reserved = 1)
REJECT_CREATE(create_mem_reserved_field_set_high_is_EINVAL, EINVAL, args.reserved = 1ULL << 63)

TEST(create_mem_at_a_bad_address_is_EFAULT)
{
	int port = port_open();
	struct state before = state_now(port);

	ASSERT_ERRNO(EFAULT, ioctl(port, IPCSHIM_CREATE_MEM, bad_address()));
	state_same(port, &before);
}

TEST(create_mem_answer_to_read_only_memory_is_EFAULT_and_makes_nothing)
{
	struct ipcshim_create_mem args = { .length = 4 * page_size() };
	void *copy = read_only_copy(&args, sizeof(args));
	int port = port_open();
	struct state before = state_now(port);

	ASSERT_ERRNO(EFAULT, ioctl(port, IPCSHIM_CREATE_MEM, copy));
	state_same(port, &before);
}

TEST(create_mem_without_descriptor_numbers_is_EMFILE_and_makes_nothing)
{
	struct ipcshim_create_mem args = { .length = page_size() };
	int port = port_open();
	struct ipcshim_query before = query(port);
	int first_free = dup(port);
	struct rlimit limit;

	close(first_free);
	ASSERT_OK(getrlimit(RLIMIT_NOFILE, &limit));
	limit.rlim_cur = (rlim_t)first_free;
	ASSERT_OK(setrlimit(RLIMIT_NOFILE, &limit));
	ASSERT_ERRNO(EMFILE, ioctl(port, IPCSHIM_CREATE_MEM, &args));
	ASSERT_EQ(before.segments, query(port).segments);
	ASSERT_EQ(before.used_segment_bytes, query(port).used_segment_bytes);
	ASSERT_EQ(before.used_objects, query(port).used_objects);
	limit.rlim_cur = limit.rlim_max;
	ASSERT_OK(setrlimit(RLIMIT_NOFILE, &limit));
	ASSERT_OK(ioctl(port, IPCSHIM_CREATE_MEM, &args));
}

TEST(create_mem_ignores_what_is_only_out)
{
	struct ipcshim_create_mem args = { .length = page_size(), .fd = 12345, .inode = ~0ULL };
	struct stat state;

	ASSERT_OK(ioctl(port_open(), IPCSHIM_CREATE_MEM, &args));
	ASSERT_OK(fstat(args.fd, &state));
	ASSERT_EQ(state.st_ino, args.inode);
}

TEST(create_mem_makes_a_file_of_that_length)
{
	struct ipcshim_create_mem args = { .length = 3 * page_size() };
	char path[64];
	char name[64];
	char expected[64];
	struct stat state;
	ssize_t length;

	ASSERT_OK(ioctl(port_open(), IPCSHIM_CREATE_MEM, &args));
	ASSERT_EQ(FD_CLOEXEC, fcntl(args.fd, F_GETFD));
	ASSERT_EQ(O_RDWR, fcntl(args.fd, F_GETFL) & O_ACCMODE);
	ASSERT_OK(fstat(args.fd, &state));
	ASSERT_TRUE(S_ISREG(state.st_mode));
	ASSERT_EQ(3 * page_size(), state.st_size);
	ASSERT_EQ(state.st_ino, args.inode);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", args.fd);
	length = readlink(path, name, sizeof(name) - 1);
	ASSERT_TRUE(length > 0);
	name[length] = '\0';
	snprintf(expected, sizeof(expected), "ipcshim:[segment:%llu]",
		 (unsigned long long)args.inode);
	ASSERT_TRUE(strcmp(expected, name) == 0);
}

TEST(create_mem_gives_the_rights_to_read_write_and_execute)
{
	struct ipcshim_mem_info info = segment_info(segment_create(port_open(), 2 * page_size()));

	ASSERT_EQ(R | W | X, info.rights);
	ASSERT_EQ(IPCSHIM_MEM_MADE, info.mode);
	ASSERT_EQ(IPCSHIM_MEM_INFO_OWNER, info.flags);
	ASSERT_EQ(2 * page_size(), info.length);
	ASSERT_EQ(getpid(), info.sharer);
	ASSERT_EQ(0, info.deadline);
	ASSERT_EQ(0, info.nr_holders);
}

TEST(create_mem_twice_gives_different_inodes)
{
	int port = port_open();

	ASSERT_TRUE(segment_info(segment_create(port, page_size())).inode !=
		    segment_info(segment_create(port, page_size())).inode);
}

/* Memory that somebody had before must not show. */
TEST(create_mem_is_full_of_zeros)
{
	size_t size = 4U << 20;
	int port = port_open();

	for (int round = 0; round < 3; round++) {
		int segment = segment_create(port, size);
		char *address = segment_map(segment, size, PROT_READ | PROT_WRITE);

		for (size_t i = 0; i < size; i++)
			ASSERT_TRUE(address[i] == 0);
		memset(address, 0x5a, size);
		ASSERT_OK(munmap(address, size));
		close(segment);
	}
}

TEST(create_mem_allocates_when_touched_and_small_pages_one_by_one)
{
	size_t page = page_size();
	int port = port_open();
	struct ipcshim_query before = query(port);
	int segment = segment_small(port, 4U << 20);
	char *address = segment_map(segment, 4U << 20, PROT_READ | PROT_WRITE);

	ASSERT_EQ(0, segment_info(segment).allocated);
	ASSERT_EQ(before.segment_bytes, query(port).segment_bytes);
	address[0] = 1;
	ASSERT_EQ(page, segment_info(segment).allocated);
	address[(4U << 20) - 1] = 1;
	ASSERT_EQ(2 * page, segment_info(segment).allocated);
	ASSERT_EQ(before.segment_bytes + 2 * page, query(port).segment_bytes);
	/* A read has a page, too: it must not turn into another by a write. */
	(void)*(volatile char *)&address[page];
	ASSERT_TRUE(segment_info(segment).allocated <= 3 * page);
}

/* What rounding up would make longer than a file can be. */
TEST(create_mem_large_pages_of_the_longest_file_is_refused)
{
	struct ipcshim_create_mem args = {
		.length = (1ULL << 63) - page_size(),
		.flags = IPCSHIM_MEM_LARGE_PAGES,
	};
	int port = port_open();
	struct state before = state_now(port);

	ASSERT_EQ(-1, ioctl(port, IPCSHIM_CREATE_MEM, &args));
	ASSERT_TRUE(errno == EINVAL || errno == ENOMEM);
	state_same(port, &before);
}

/* 0: this kernel has none. */
static size_t large_page(void)
{
	FILE *file = fopen("/sys/kernel/mm/transparent_hugepage/hpage_pmd_size", "re");
	unsigned long size = 0;

	if (!file)
		return 0;
	if (fscanf(file, "%lu", &size) != 1)
		size = 0;
	fclose(file);
	return size;
}

TEST(create_mem_large_pages_rounds_the_length_up)
{
	struct ipcshim_create_mem args = { .flags = IPCSHIM_MEM_LARGE_PAGES };
	size_t large = large_page();
	int port = port_open();
	struct stat state;
	char *address;

	if (!large)
		SKIP("this kernel has no large pages (CONFIG_TRANSPARENT_HUGEPAGE)");
	for (size_t pages = 1; pages <= 3; pages++) {
		size_t expected = pages < 3 ? large : 2 * large;

		/* Less than one, exactly one, a little more. */
		args.length = pages == 1 ? page_size() : pages == 2 ? large : large + page_size();
		ASSERT_OK(ioctl(port, IPCSHIM_CREATE_MEM, &args));
		ASSERT_EQ(expected, args.length);
		ASSERT_OK(fstat(args.fd, &state));
		ASSERT_EQ(expected, state.st_size);
		ASSERT_EQ(expected, segment_info(args.fd).length);
		ASSERT_EQ(expected, query(port).used_segment_bytes);
		address = segment_map(args.fd, expected, PROT_READ | PROT_WRITE);
		address[expected - 1] = 1;
		ASSERT_EQ(large, segment_info(args.fd).allocated);
		ASSERT_OK(munmap(address, expected));
		close(args.fd);
	}
}

TEST(create_mem_large_pages_that_the_module_may_not_use_keeps_the_length)
{
	struct ipcshim_create_mem args = {
		.length = 3 * page_size(),
		.flags = IPCSHIM_MEM_LARGE_PAGES,
	};

	parameter_set("large_pages", 0);
	ASSERT_OK(ioctl(port_open(), IPCSHIM_CREATE_MEM, &args));
	ASSERT_EQ(3 * page_size(), args.length);
	ASSERT_EQ(3 * page_size(), segment_info(args.fd).length);
}

TEST(create_mem_of_half_the_memory_costs_nothing_until_touched)
{
	uint64_t length = machine_memory() / 2 / page_size() * page_size();
	struct ipcshim_create_mem args = { .length = length, .flags = IPCSHIM_MEM_SMALL_PAGES };
	int port = port_open();

	ASSERT_OK(ioctl(port, IPCSHIM_CREATE_MEM, &args));
	ASSERT_EQ(length, query(port).used_segment_bytes);
	ASSERT_EQ(0, query(port).segment_bytes);
}

TEST(query_counts_segments_until_descriptor_and_mapping_are_gone)
{
	size_t size = 8 * page_size();
	int port = port_open();
	struct ipcshim_query before = query(port);
	int segment = segment_create(port, size);
	char *address = segment_map(segment, size, PROT_READ | PROT_WRITE);
	struct ipcshim_query now;

	memset(address, 1, size);
	now = query(port);
	ASSERT_EQ(before.segments + 1, now.segments);
	ASSERT_EQ(before.used_objects + 1, now.used_objects);
	ASSERT_EQ(before.used_segment_bytes + size, now.used_segment_bytes);
	ASSERT_EQ(before.segment_bytes + size, now.segment_bytes);
	close(segment);
	ASSERT_EQ(before.segments + 1, query(port).segments);
	ASSERT_EQ(1, address[size - 1]);
	ASSERT_OK(munmap(address, size));
	now = query(port);
	ASSERT_EQ(before.segments, now.segments);
	ASSERT_EQ(before.used_objects, now.used_objects);
	ASSERT_EQ(before.used_segment_bytes, now.used_segment_bytes);
	ASSERT_EQ(before.segment_bytes, now.segment_bytes);
}
