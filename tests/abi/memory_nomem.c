// SPDX-License-Identifier: MIT
/* Pages without memory: adopted, mapped and touched, at each allocation in turn, and with none. */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "harness.h"
#include "injection.h"
#include "memory.h"

enum { PAGES = 4 };

struct subject {
	int port;
	size_t size;
	int segment;
	char *address;
	struct ipcshim_adopt_mem adopt;
	int file;
};

static int errno_of(long result)
{
	return result < 0 ? errno : 0;
}

/* ADOPT_MEM */

static void make_plain(struct subject *subject)
{
	int flags = MAP_PRIVATE | MAP_ANONYMOUS | (subject->address ? MAP_FIXED : 0);

	subject->address =
		mmap(subject->address, subject->size, PROT_READ | PROT_WRITE, flags, -1, 0);
	ASSERT_TRUE(subject->address != MAP_FAILED);
	fill_pattern(subject->address, subject->size, 1);
}

static int adopts(void *argument)
{
	struct subject *subject = argument;

	subject->adopt = (struct ipcshim_adopt_mem){
		.address = (uintptr_t)subject->address,
		.length = subject->size,
	};
	return errno_of(ioctl(subject->port, IPCSHIM_ADOPT_MEM, &subject->adopt));
}

static void adopted(void *argument)
{
	struct subject *subject = argument;

	check_pattern(subject->address, subject->size, 1);
	close(subject->adopt.fd);
	make_plain(subject);
}

static void not_adopted(void *argument)
{
	struct subject *subject = argument;

	check_pattern(subject->address, subject->size, 1);
	/* Whatever it is now, it can be written. */
	fill_pattern(subject->address, subject->size, 1);
}

TEST(adopt_mem_without_memory_is_ENOMEM_and_loses_nothing)
{
	struct subject subject = { .port = port_open(), .size = PAGES * page_size() };

	make_plain(&subject);
	fail_each(&(struct attempt){ adopts, adopted, not_adopted, 0 }, &subject, subject.port);
}

/* A large page, which may be had in small ones, and several mappings below. */
TEST(adopt_mem_of_much_without_memory_is_ENOMEM_and_loses_nothing)
{
	struct subject subject = { .port = port_open(), .size = 2U << 20 };
	size_t large = subject.size;
	char *place = mmap(NULL, 2 * large, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	ASSERT_TRUE(place != MAP_FAILED);
	subject.address = (char *)(((uintptr_t)place + large - 1) / large * large);
	make_plain(&subject);
	fail_each(&(struct attempt){ adopts, adopted, not_adopted, 41 }, &subject, subject.port);
}

TEST(adopt_mem_without_any_memory_is_ENOMEM_and_the_next_one_succeeds)
{
	int fail = no_memory_switch();
	struct subject subject = { .port = port_open(), .size = PAGES * page_size() };
	struct state before;

	make_plain(&subject);
	before = state_now(subject.port);
	ASSERT_EQ(ENOMEM, without_memory(fail, adopts, &subject));
	state_same(subject.port, &before);
	not_adopted(&subject);
	ASSERT_EQ(0, adopts(&subject));
	adopted(&subject);
}

/* mmap and page faults */

static int maps(void *argument)
{
	struct subject *subject = argument;

	subject->address = mmap(NULL, subject->size, PROT_READ | PROT_WRITE,
				MAP_SHARED | MAP_POPULATE, subject->segment, 0);
	return subject->address == MAP_FAILED ? errno : 0;
}

static void unmaps(void *argument)
{
	struct subject *subject = argument;

	check_pattern(subject->address, subject->size, 1);
	ASSERT_OK(munmap(subject->address, subject->size));
}

TEST(mmap_of_a_segment_without_memory_is_ENOMEM_and_leaves_nothing)
{
	struct peer peer = peer_for_memory();
	struct subject subject = { .port = memory_port(), .size = PAGES * page_size() };
	char *address;

	subject.segment = segment_create(subject.port, subject.size);
	address = segment_map(subject.segment, subject.size, PROT_READ | PROT_WRITE);
	fill_pattern(address, subject.size, 1);
	fail_each(&(struct attempt){ maps, unmaps, NULL, 0 }, &subject, subject.port);
	share(subject.segment, peer.pid, EXCLUSIVE, R);
	expect_gone(address);
}

enum { PLACES = 4 };

/* Pages by system calls, where a fault that fails is EFAULT: some places of the segment. */
static int reads_into(void *argument)
{
	struct subject *subject = argument;

	for (size_t i = 0; i < PLACES; i++) {
		char *place = subject->address + i * (subject->size / PLACES);
		ssize_t count = pread(subject->file, place, page_size(), 0);

		/* A part may have come before the fault that failed. */
		if (count != (ssize_t)page_size())
			return count < 0 ? errno : EFAULT;
	}
	return 0;
}

static void has_been_read(const struct subject *subject)
{
	for (size_t i = 0; i < PLACES; i++)
		check_pattern(subject->address + i * (subject->size / PLACES), page_size(), 1);
}

static struct subject subject_to_touch(size_t size)
{
	struct subject subject = { .port = port_open(), .size = size };
	char *contents;

	subject.file = memfd_create("contents", MFD_CLOEXEC);
	ASSERT_OK(subject.file);
	ASSERT_OK(ftruncate(subject.file, (off_t)page_size()));
	contents = mmap(NULL, page_size(), PROT_READ | PROT_WRITE, MAP_SHARED, subject.file, 0);
	ASSERT_TRUE(contents != MAP_FAILED);
	fill_pattern(contents, page_size(), 1);
	ASSERT_OK(munmap(contents, page_size()));
	subject.segment = segment_create(subject.port, size);
	subject.address = segment_map(subject.segment, size, PROT_READ | PROT_WRITE);
	return subject;
}

static void touch_with_one_failure_each(size_t size)
{
	int injector = injector_open();
	unsigned int n = 1;
	bool taken;

	do {
		struct subject subject = subject_to_touch(size);
		struct ipcshim_query now;
		int result;

		taken = with_fault(injector, n++, reads_into, &subject, &result);
		ASSERT_TRUE(result == 0 || result == EFAULT);
		if (result)
			ASSERT_EQ(0, reads_into(&subject));
		has_been_read(&subject);
		ASSERT_OK(munmap(subject.address, size));
		close(subject.segment);
		close(subject.file);
		now = query(subject.port);
		ASSERT_EQ(0, now.segments);
		ASSERT_EQ(0, now.segment_bytes);
		close(subject.port);
	} while (taken);
	ASSERT_TRUE(n > 2);
}

TEST(page_faults_with_any_one_allocation_failing_lose_nothing)
{
	touch_with_one_failure_each(PLACES * page_size());
}

/* A large page that is not to be had is had in small ones. */
TEST(page_faults_in_a_large_segment_with_any_one_allocation_failing_lose_nothing)
{
	touch_with_one_failure_each(4U << 20);
}

TEST(page_faults_without_any_memory_are_EFAULT_and_the_next_ones_succeed)
{
	int fail = no_memory_switch();
	struct subject subject = subject_to_touch(PLACES * page_size());

	ASSERT_EQ(EFAULT, without_memory(fail, reads_into, &subject));
	ASSERT_EQ(0, segment_info(subject.segment).allocated);
	ASSERT_EQ(0, reads_into(&subject));
	has_been_read(&subject);
}
