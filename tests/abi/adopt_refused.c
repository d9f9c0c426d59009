// SPDX-License-Identifier: MIT
/* ADOPT_MEM: what can't be taken, with an errno that says which, and nothing is taken. */
#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "harness.h"
#include "memory.h"

enum { PAGES = 6 };

/* A range of PAGES pages of plain memory, filled. */
struct range {
	int port;
	char *address;
	size_t page;
	size_t size;
};

static struct range range_of_plain_memory(void)
{
	struct range range = { .port = port_open(), .page = page_size() };

	range.size = PAGES * range.page;
	range.address = mmap(NULL, range.size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			     -1, 0);
	ASSERT_TRUE(range.address != MAP_FAILED);
	fill_pattern(range.address, range.size, 1);
	return range;
}

static char *middle(struct range *range)
{
	return range->address + 3 * range->page;
}

static struct ipcshim_adopt_mem adopt_args(const struct range *range)
{
	return (struct ipcshim_adopt_mem){
		.address = (uintptr_t)range->address,
		.length = range->size,
	};
}

static bool maps_a_segment(void)
{
	FILE *file = fopen("/proc/self/maps", "re");
	char line[512];
	bool found = false;

	ASSERT_TRUE(file);
	while (fgets(line, sizeof(line), file))
		found = found || strstr(line, "ipcshim:[segment");
	fclose(file);
	return found;
}

/* The first pages are plain: they hold what they held, and are nobody else's. */
static void nothing_taken(const struct range *range)
{
	check_pattern(range->address, 3 * range->page, 1);
	ASSERT_TRUE(!maps_a_segment());
}

static void adopt_refused(struct range *range, int expected, struct ipcshim_adopt_mem args)
{
	struct state before = state_now(range->port);

	ASSERT_ERRNO(expected, ioctl(range->port, IPCSHIM_ADOPT_MEM, &args));
	state_same(range->port, &before);
	nothing_taken(range);
}

/* Arguments. */
#define REJECT_ADOPT(name, errno_expected, change)                             \
	TEST(name)                                                             \
	{                                                                      \
		struct range range = range_of_plain_memory();                  \
		struct ipcshim_adopt_mem args = adopt_args(&range);            \
                                                                               \
		change;                                                        \
		adopt_refused(&range, errno_expected, args);                   \
	}

REJECT_ADOPT(adopt_mem_flags_set_is_EINVAL, EINVAL, args.flags = IPCSHIM_MEM_SMALL_PAGES)
REJECT_ADOPT(adopt_mem_highest_flag_set_is_EINVAL, EINVAL, args.flags = 1U << 31)
REJECT_ADOPT(adopt_mem_reserved_field_set_is_EINVAL, EINVAL, args.reserved = 1)
REJECT_ADOPT(adopt_mem_reserved_field_set_high_is_EINVAL, EINVAL, args.reserved = 1ULL << 63)
REJECT_ADOPT(adopt_mem_length_0_is_EINVAL, EINVAL, args.length = 0)
REJECT_ADOPT(adopt_mem_length_not_of_whole_pages_is_EINVAL, EINVAL, args.length -= 8)
REJECT_ADOPT(adopt_mem_length_1_is_EINVAL, EINVAL, args.length = 1)
REJECT_ADOPT(adopt_mem_address_not_of_whole_pages_is_EINVAL, EINVAL, args.address += 8)
REJECT_ADOPT(adopt_mem_address_1_below_is_EINVAL, EINVAL, args.address -= 1)
REJECT_ADOPT(adopt_mem_length_that_overflows_is_ENOMEM, ENOMEM, args.length = 0 - page_size())
REJECT_ADOPT(adopt_mem_to_the_end_of_all_addresses_is_ENOMEM, ENOMEM,
	     args.length = 0 - args.address)
REJECT_ADOPT(adopt_mem_length_huge_is_ENOMEM, ENOMEM, args.length = 1ULL << 62)
REJECT_ADOPT(adopt_mem_at_the_address_0_is_ENOMEM, ENOMEM, args.address = 0)
REJECT_ADOPT(adopt_mem_in_the_upper_half_is_ENOMEM, ENOMEM, args.address |= 1ULL << 63)
REJECT_ADOPT(adopt_mem_at_the_last_page_is_ENOMEM, ENOMEM,
	     (args.address = 0 - page_size(), args.length = page_size()))

TEST(adopt_mem_at_a_bad_address_is_EFAULT)
{
	struct range range = range_of_plain_memory();
	struct state before = state_now(range.port);

	ASSERT_ERRNO(EFAULT, ioctl(range.port, IPCSHIM_ADOPT_MEM, bad_address()));
	state_same(range.port, &before);
	nothing_taken(&range);
}

TEST(adopt_mem_answer_to_read_only_memory_is_EFAULT_and_takes_nothing)
{
	struct range range = range_of_plain_memory();
	struct ipcshim_adopt_mem args = adopt_args(&range);
	void *copy = read_only_copy(&args, sizeof(args));
	struct state before = state_now(range.port);

	ASSERT_ERRNO(EFAULT, ioctl(range.port, IPCSHIM_ADOPT_MEM, copy));
	state_same(range.port, &before);
	nothing_taken(&range);
}

TEST(adopt_mem_without_descriptor_numbers_is_EMFILE_and_takes_nothing)
{
	struct range range = range_of_plain_memory();
	struct ipcshim_adopt_mem args = adopt_args(&range);
	int first_free = dup(range.port);
	struct rlimit limit;
	rlim_t before;

	close(first_free);
	ASSERT_OK(getrlimit(RLIMIT_NOFILE, &limit));
	before = limit.rlim_cur;
	limit.rlim_cur = (rlim_t)first_free;
	ASSERT_OK(setrlimit(RLIMIT_NOFILE, &limit));
	ASSERT_ERRNO(EMFILE, ioctl(range.port, IPCSHIM_ADOPT_MEM, &args));
	limit.rlim_cur = before;
	ASSERT_OK(setrlimit(RLIMIT_NOFILE, &limit));
	nothing_taken(&range);
	ASSERT_EQ(0, query(range.port).segments);
}

/* Memory of another kind: in the middle, at the beginning, and at the end. */

static void expect_refused_around(struct range *range, int expected, char *place, size_t length)
{
	struct ipcshim_adopt_mem args = adopt_args(range);

	adopt_refused(range, expected, args);
	args.address = (uintptr_t)place;
	args.length = range->size - (size_t)(place - range->address);
	adopt_refused(range, expected, args);
	args.length = length;
	adopt_refused(range, expected, args);
	args.address = (uintptr_t)range->address;
	args.length = (size_t)(place - range->address) + length;
	adopt_refused(range, expected, args);
	/* What is left and right of it can be had. */
	args.length = (size_t)(place - range->address);
	ASSERT_OK(ioctl(range->port, IPCSHIM_ADOPT_MEM, &args));
	check_pattern(range->address, 3 * range->page, 1);
}

static void put_in_the_middle(struct range *range, int fd, int protection, int flags)
{
	ASSERT_TRUE(mmap(middle(range), range->page, protection, flags | MAP_FIXED, fd, 0) ==
		    middle(range));
}

TEST(adopt_mem_with_a_hole_is_ENOMEM)
{
	struct range range = range_of_plain_memory();

	ASSERT_OK(munmap(middle(&range), range.page));
	expect_refused_around(&range, ENOMEM, middle(&range), range.page);
}

TEST(adopt_mem_beyond_the_end_of_a_mapping_is_ENOMEM)
{
	struct range range = range_of_plain_memory();
	struct ipcshim_adopt_mem args = adopt_args(&range);

	ASSERT_OK(munmap(range.address + 4 * range.page, 2 * range.page));
	adopt_refused(&range, ENOMEM, args);
}

static int temporary_file(size_t size)
{
	char path[] = "/tmp/ipcshim-abi.XXXXXX";
	int fd = mkstemp(path);

	ASSERT_OK(fd);
	ASSERT_OK(unlink(path));
	ASSERT_OK(ftruncate(fd, (off_t)size));
	return fd;
}

TEST(adopt_mem_with_a_private_mapping_of_a_file_is_ENODEV)
{
	struct range range = range_of_plain_memory();

	put_in_the_middle(&range, temporary_file(range.page), PROT_READ | PROT_WRITE, MAP_PRIVATE);
	*middle(&range) = 1; /* also where it has a page of its own */
	expect_refused_around(&range, ENODEV, middle(&range), range.page);
}

TEST(adopt_mem_with_a_mapping_of_zeros_by_dev_zero_is_taken_or_ENODEV)
{
	struct range range = range_of_plain_memory();
	struct ipcshim_adopt_mem args = adopt_args(&range);
	int zero = open("/dev/zero", O_RDWR | O_CLOEXEC);

	/* (The kernel makes plain memory of a private one.) */
	put_in_the_middle(&range, zero, PROT_READ | PROT_WRITE, MAP_PRIVATE);
	if (ioctl(range.port, IPCSHIM_ADOPT_MEM, &args) != 0) {
		ASSERT_EQ(ENODEV, errno);
		nothing_taken(&range);
	}
	check_pattern(range.address, 3 * range.page, 1);
}

TEST(adopt_mem_with_shared_memory_of_no_name_is_EALREADY)
{
	struct range range = range_of_plain_memory();

	put_in_the_middle(&range, -1, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS);
	expect_refused_around(&range, EALREADY, middle(&range), range.page);
}

TEST(adopt_mem_with_shared_memory_of_a_file_is_EALREADY)
{
	struct range range = range_of_plain_memory();

	put_in_the_middle(&range, temporary_file(range.page), PROT_READ | PROT_WRITE, MAP_SHARED);
	expect_refused_around(&range, EALREADY, middle(&range), range.page);
}

TEST(adopt_mem_twice_is_EALREADY)
{
	struct range range = range_of_plain_memory();
	struct ipcshim_adopt_mem args = adopt_args(&range);
	struct state before;

	ASSERT_OK(ioctl(range.port, IPCSHIM_ADOPT_MEM, &args));
	before = state_now(range.port);
	ASSERT_ERRNO(EALREADY, ioctl(range.port, IPCSHIM_ADOPT_MEM, &args));
	state_same(range.port, &before);
	check_pattern(range.address, range.size, 1);
}

TEST(adopt_mem_with_a_private_mapping_of_a_segment_is_ENODEV)
{
	struct range range = range_of_plain_memory();
	struct ipcshim_adopt_mem args = adopt_args(&range);
	int segment = segment_create(range.port, range.page);
	struct state before;

	put_in_the_middle(&range, segment, PROT_READ, MAP_PRIVATE);
	before = state_now(range.port);
	ASSERT_ERRNO(ENODEV, ioctl(range.port, IPCSHIM_ADOPT_MEM, &args));
	state_same(range.port, &before);
	check_pattern(range.address, 3 * range.page, 1);
}

TEST(adopt_mem_with_read_only_memory_is_EACCES)
{
	struct range range = range_of_plain_memory();

	ASSERT_OK(mprotect(middle(&range), range.page, PROT_READ));
	expect_refused_around(&range, EACCES, middle(&range), range.page);
}

TEST(adopt_mem_with_memory_of_no_access_is_EACCES)
{
	struct range range = range_of_plain_memory();

	ASSERT_OK(mprotect(middle(&range), range.page, PROT_NONE));
	expect_refused_around(&range, EACCES, middle(&range), range.page);
}

TEST(adopt_mem_with_executable_memory_is_EACCES)
{
	struct range range = range_of_plain_memory();

	ASSERT_OK(mprotect(middle(&range), range.page, PROT_READ | PROT_WRITE | PROT_EXEC));
	expect_refused_around(&range, EACCES, middle(&range), range.page);
}

TEST(adopt_mem_with_locked_memory_is_EBUSY)
{
	struct range range = range_of_plain_memory();

	ASSERT_OK(mlock(middle(&range), range.page));
	expect_refused_around(&range, EBUSY, middle(&range), range.page);
}

TEST(adopt_mem_with_memory_locked_on_fault_is_EBUSY)
{
	struct range range = range_of_plain_memory();

	ASSERT_OK(mlock2(middle(&range), range.page, MLOCK_ONFAULT));
	expect_refused_around(&range, EBUSY, middle(&range), range.page);
	ASSERT_OK(munlock(middle(&range), range.page));
}

TEST(adopt_mem_after_munlock_is_taken)
{
	struct range range = range_of_plain_memory();
	struct ipcshim_adopt_mem args = adopt_args(&range);

	ASSERT_OK(mlock(range.address, range.size));
	ASSERT_OK(munlock(range.address, range.size));
	ASSERT_OK(ioctl(range.port, IPCSHIM_ADOPT_MEM, &args));
	check_pattern(range.address, range.size, 1);
}

TEST(adopt_mem_watched_by_userfaultfd_is_EBUSY)
{
	struct range range = range_of_plain_memory();
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register watch = { .mode = UFFDIO_REGISTER_MODE_MISSING };
	int watcher = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);

	if (watcher < 0 && errno == ENOSYS)
		SKIP("this kernel has no userfaultfd (CONFIG_USERFAULTFD)");
	ASSERT_OK(watcher);
	ASSERT_OK(ioctl(watcher, UFFDIO_API, &api));
	watch.range.start = (uintptr_t)middle(&range);
	watch.range.len = range.page;
	ASSERT_OK(ioctl(watcher, UFFDIO_REGISTER, &watch));
	expect_refused_around(&range, EBUSY, middle(&range), range.page);
}

TEST(adopt_mem_of_huge_pages_is_EOPNOTSUPP)
{
	size_t size = 2U << 20;
	struct range range = range_of_plain_memory();
	struct ipcshim_adopt_mem args = { .length = size };
	char *huge;

	if (access("/proc/sys/vm/nr_hugepages", F_OK) != 0)
		SKIP("this kernel has no huge pages (CONFIG_HUGETLBFS)");
	setting_set("/proc/sys/vm/nr_hugepages", 1);
	huge = mmap(NULL, size, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB | (21 << MAP_HUGE_SHIFT), -1, 0);
	if (huge == MAP_FAILED)
		SKIP("no huge page of 2 MiB is to be had: %s", strerrorname_np(errno));
	fill_pattern(huge, size, 2);
	args.address = (uintptr_t)huge;
	adopt_refused(&range, EOPNOTSUPP, args);
	/* A part of one, too. */
	args.address += range.page;
	args.length = range.page;
	adopt_refused(&range, EOPNOTSUPP, args);
	check_pattern(huge, size, 2);
	ASSERT_OK(munmap(huge, size));
}

/* A mapping that grows by itself. */
TEST(adopt_mem_of_the_stack_is_ENXIO)
{
	struct range range = range_of_plain_memory();
	uintptr_t here = (uintptr_t)__builtin_frame_address(0);
	struct ipcshim_adopt_mem args = {
		.address = here / range.page * range.page,
		.length = range.page,
	};

	adopt_refused(&range, ENXIO, args);
}

TEST(adopt_mem_of_memory_that_grows_down_is_ENXIO)
{
	struct range range = range_of_plain_memory();

	put_in_the_middle(&range, -1, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_GROWSDOWN);
	expect_refused_around(&range, ENXIO, middle(&range), range.page);
}

/* Read-only as well: that it is special is said first. */
TEST(adopt_mem_of_the_kernels_own_mapping_is_ENXIO)
{
	struct range range = range_of_plain_memory();
	struct ipcshim_adopt_mem args = {
		.address = getauxval(AT_SYSINFO_EHDR),
		.length = range.page,
	};

	if (!args.address)
		SKIP("this program has no vDSO");
	adopt_refused(&range, ENXIO, args);
}

TEST(adopt_mem_of_the_program_itself_is_refused)
{
	struct range range = range_of_plain_memory();
	struct ipcshim_adopt_mem args = {
		.address = (uintptr_t)&adopt_args / range.page * range.page,
		.length = range.page,
	};

	adopt_refused(&range, ENODEV, args);
}
