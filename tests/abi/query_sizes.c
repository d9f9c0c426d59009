// SPDX-License-Identifier: MIT
/* QUERY's structure grows: callers that know less of it, or more, than the driver. */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "harness.h"
#include "memory.h"

enum {
	FIRST = 160, /* bytes that the first version knew */
	LONGEST = 1 << 12,
};

static unsigned long query_of(unsigned int size)
{
	return _IOC(_IOC_READ | _IOC_WRITE, IPCSHIM_IOC_MAGIC, 0, size);
}

TEST(query_has_the_number_that_its_size_makes)
{
	ASSERT_EQ(FIRST, IPCSHIM_QUERY_SIZE_MIN);
	ASSERT_EQ(0xc0a0e900, query_of(IPCSHIM_QUERY_SIZE_MIN));
	/* What others knew, and pass: with ptys, with sockets. */
	ASSERT_EQ(0xc0c0e900, query_of(192));
	ASSERT_EQ(0xc0f0e900, IPCSHIM_QUERY);
}

/* Every size tells the same as far as it goes, and writes nothing behind it. */
TEST(query_of_every_size_from_the_first_version_on_tells_what_fits_in)
{
	int port = port_open();
	struct ipcshim_query whole = query(port);
	unsigned char args[sizeof(whole) + 64 + 8];

	for (unsigned int size = FIRST; size <= sizeof(args) - 8; size += 8) {
		unsigned int known = size < sizeof(whole) ? size : sizeof(whole);

		memset(args, 0, size);
		memset(args + size, 0xa5, sizeof(args) - size);
		ASSERT_OK(ioctl(port, query_of(size), args));
		ASSERT_EQ(0, memcmp(&whole, args, known));
		for (unsigned int i = known; i < size; i++)
			ASSERT_EQ(0, args[i]);
		for (unsigned int i = size; i < sizeof(args); i++)
			ASSERT_EQ(0xa5, args[i]);
	}
}

TEST(query_of_the_longest_size_that_a_number_can_carry_is_answered)
{
	int port = port_open();
	unsigned char *args = mmap(NULL, 1 << 14, PROT_READ | PROT_WRITE,
				   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct ipcshim_query whole = query(port);

	ASSERT_TRUE(args != MAP_FAILED);
	ASSERT_OK(ioctl(port, query_of((1 << 14) - 8), args));
	ASSERT_EQ(0, memcmp(&whole, args, sizeof(whole)));
	for (unsigned int i = sizeof(whole); i < 1 << 14; i++)
		ASSERT_EQ(0, args[i]);
}

TEST(query_with_something_behind_what_the_driver_knows_is_E2BIG)
{
	int port = port_open();
	unsigned char args[LONGEST];

	for (unsigned int place = sizeof(struct ipcshim_query); place < LONGEST; place += 61) {
		memset(args, 0, sizeof(args));
		args[place] = 1;
		ASSERT_ERRNO(E2BIG, ioctl(port, query_of(LONGEST), args));
		/* And nothing was written. */
		args[place] = 0;
		for (unsigned int i = 0; i < LONGEST; i++)
			ASSERT_EQ(0, args[i]);
	}
	memset(args, 0, sizeof(args));
	args[sizeof(struct ipcshim_query) + 7] = 0x80;
	ASSERT_ERRNO(E2BIG, ioctl(port, query_of(sizeof(struct ipcshim_query) + 8), args));
}

TEST(query_of_a_size_that_never_was_is_ENOTTY)
{
	int port = port_open();
	unsigned char args[LONGEST] = { 0 };

	for (unsigned int size = 0; size < FIRST; size++)
		ASSERT_ERRNO(ENOTTY, ioctl(port, query_of(size), args));
	for (unsigned int size = FIRST; size < FIRST + 64; size++)
		if (size % 8)
			ASSERT_ERRNO(ENOTTY, ioctl(port, query_of(size), args));
	for (unsigned int i = 0; i < LONGEST; i++)
		ASSERT_EQ(0, args[i]);
}

TEST(query_of_another_direction_is_ENOTTY)
{
	int port = port_open();
	unsigned char args[256] = { 0 };

	for (unsigned int size = FIRST; size <= sizeof(struct ipcshim_query); size += 8) {
		ASSERT_ERRNO(ENOTTY,
			     ioctl(port, _IOC(_IOC_READ, IPCSHIM_IOC_MAGIC, 0, size), args));
		ASSERT_ERRNO(ENOTTY,
			     ioctl(port, _IOC(_IOC_WRITE, IPCSHIM_IOC_MAGIC, 0, size), args));
	}
}

/* The checks of what is [in] hold for a short one as for a whole one. */
TEST(query_of_the_first_versions_size_refuses_the_same)
{
	int port = port_open();
	struct ipcshim_query args = { .flags = 1 };

	ASSERT_ERRNO(EINVAL, ioctl(port, query_of(FIRST), &args));
	args = (struct ipcshim_query){ .segment_bytes = 1 };
	ASSERT_ERRNO(EINVAL, ioctl(port, query_of(FIRST), &args));
	/* Behind its end is not looked at. */
	args = (struct ipcshim_query){ .ptys = 1 };
	ASSERT_OK(ioctl(port, query_of(FIRST), &args));
	ASSERT_EQ(1, args.ptys);
}

/* The last bytes before a hole: nothing beyond the size is read or written. */
TEST(query_reads_and_writes_no_byte_behind_its_size)
{
	static const unsigned int sizes[] = { FIRST, FIRST + 8, sizeof(struct ipcshim_query),
					      sizeof(struct ipcshim_query) + 8 };
	int port = port_open();
	unsigned char *pages = mmap(NULL, 2 * page_size(), PROT_READ | PROT_WRITE,
				    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	ASSERT_TRUE(pages != MAP_FAILED);
	ASSERT_OK(mprotect(pages + page_size(), page_size(), PROT_NONE));
	for (unsigned int i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		memset(pages, 0, page_size());
		ASSERT_OK(ioctl(port, query_of(sizes[i]), pages + page_size() - sizes[i]));
		memset(pages, 0, page_size());
		ASSERT_ERRNO(EFAULT,
			     ioctl(port, query_of(sizes[i]), pages + page_size() - sizes[i] + 8));
	}
}
