// SPDX-License-Identifier: MIT
/* mmap and mprotect of a segment: what its rights allow, and what not. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "harness.h"
#include "memory.h"

enum { PAGES = 4 };

static size_t size_of_all(void)
{
	return PAGES * page_size();
}

/* A segment that this process got with these rights, from a peer that made it. */
static int segment_with(unsigned int rights)
{
	struct peer maker = peer_for_memory();
	int port = memory_port();
	struct ipcshim_create_mem create = { .length = size_of_all() };
	struct ipcshim_share_mem args = share_args(getpid(), MUTUAL, rights);
	struct ipcshim_claim got;
	uint64_t address;

	ASSERT_EQ(0, peer_ioctl(&maker, -1, IPCSHIM_CREATE_MEM, &create));
	ASSERT_EQ(0, peer_map(&maker, create.fd, size_of_all(), PROT_READ | PROT_WRITE, MAP_SHARED,
			      &address));
	peer_fill(&maker, address, size_of_all(), 1);
	ASSERT_EQ(0, peer_ioctl(&maker, create.fd, IPCSHIM_SHARE_MEM, &args));
	got = claim(port, args.token);
	ASSERT_EQ(rights, got.rights);
	return got.fd;
}

/* Offset and length. */

static void map_refused(int expected, size_t length, off_t offset)
{
	int segment = segment_create(port_open(), size_of_all());

	ASSERT_TRUE(mmap(NULL, length, PROT_READ, MAP_SHARED, segment, offset) == MAP_FAILED);
	ASSERT_EQ(expected, errno);
	ASSERT_TRUE(mmap(NULL, length, PROT_READ, MAP_PRIVATE, segment, offset) == MAP_FAILED);
	ASSERT_EQ(expected, errno);
	segment_map(segment, size_of_all(), PROT_READ);
}

TEST(mmap_from_the_end_is_ENXIO)
{
	map_refused(ENXIO, page_size(), (off_t)size_of_all());
}

TEST(mmap_past_the_end_is_ENXIO)
{
	map_refused(ENXIO, page_size(), (off_t)size_of_all() * 2);
}

TEST(mmap_far_past_the_end_is_ENXIO)
{
	map_refused(ENXIO, page_size(), (off_t)1 << 43);
}

TEST(mmap_longer_than_the_segment_is_ENXIO)
{
	map_refused(ENXIO, size_of_all() + page_size(), 0);
}

TEST(mmap_one_byte_longer_than_the_segment_is_ENXIO)
{
	map_refused(ENXIO, size_of_all() + 1, 0);
}

TEST(mmap_beyond_the_end_from_within_is_ENXIO)
{
	map_refused(ENXIO, 2 * page_size(), (off_t)(size_of_all() - page_size()));
}

TEST(mmap_of_each_page_shows_that_page)
{
	int segment = segment_create(port_open(), size_of_all());
	char *all = segment_map(segment, size_of_all(), PROT_READ | PROT_WRITE);

	fill_pattern(all, size_of_all(), 1);
	for (size_t page = 0; page < PAGES; page++) {
		size_t offset = page * page_size();
		char *one = mmap(NULL, page_size(), PROT_READ, MAP_SHARED, segment, (off_t)offset);

		ASSERT_TRUE(one != MAP_FAILED);
		ASSERT_EQ(0, memcmp(one, all + offset, page_size()));
	}
}

/* Protections, for each set of rights. */

struct wish {
	int protection;
	int flags;
	int expected;
};

static void expect_mmaps(int segment, const struct wish *wishes, unsigned int count)
{
	for (unsigned int i = 0; i < count; i++) {
		void *address = mmap(NULL, size_of_all(), wishes[i].protection, wishes[i].flags,
				     segment, 0);
		int error = address == MAP_FAILED ? errno : 0;

		if (error != wishes[i].expected)
			test_failed(__FILE__, __LINE__, "wish %u gave %s, expected %s", i,
				    strerrorname_np(error), strerrorname_np(wishes[i].expected));
		if (!error)
			ASSERT_OK(munmap(address, size_of_all()));
	}
}

#define EXPECT_MMAPS(segment, ...)                                             \
	do {                                                                   \
		static const struct wish wishes[] = { __VA_ARGS__ };           \
		expect_mmaps(segment, wishes, sizeof(wishes) / sizeof(wishes[0])); \
	} while (0)

TEST(mmap_of_the_maker_to_write_and_execute_at_once_is_EINVAL)
{
	EXPECT_MMAPS(segment_create(port_open(), size_of_all()),
		     { PROT_READ | PROT_WRITE | PROT_EXEC, MAP_SHARED, EINVAL },
		     { PROT_WRITE | PROT_EXEC, MAP_SHARED, EINVAL },
		     { PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE, EINVAL },
		     { PROT_READ | PROT_WRITE, MAP_SHARED, 0 },
		     { PROT_READ | PROT_EXEC, MAP_SHARED, 0 }, { PROT_EXEC, MAP_SHARED, 0 },
		     { PROT_READ, MAP_SHARED, 0 }, { PROT_NONE, MAP_SHARED, 0 });
}

TEST(mmap_with_the_right_to_read_to_do_more_is_EACCES)
{
	EXPECT_MMAPS(segment_with(R), { PROT_READ, MAP_SHARED, 0 }, { PROT_NONE, MAP_SHARED, 0 },
		     { PROT_READ, MAP_PRIVATE, 0 }, { PROT_READ | PROT_WRITE, MAP_SHARED, EACCES },
		     { PROT_WRITE, MAP_SHARED, EACCES },
		     { PROT_READ | PROT_WRITE, MAP_PRIVATE, EACCES },
		     { PROT_READ | PROT_EXEC, MAP_SHARED, EACCES },
		     { PROT_EXEC, MAP_PRIVATE, EACCES });
}

TEST(mmap_with_the_right_to_write_to_execute_is_EACCES)
{
	EXPECT_MMAPS(segment_with(R | W), { PROT_READ | PROT_WRITE, MAP_SHARED, 0 },
		     { PROT_WRITE, MAP_SHARED, 0 }, { PROT_READ, MAP_PRIVATE, 0 },
		     { PROT_READ | PROT_EXEC, MAP_SHARED, EACCES },
		     { PROT_EXEC, MAP_PRIVATE, EACCES });
}

TEST(mmap_with_the_right_to_execute_to_write_is_EACCES)
{
	EXPECT_MMAPS(segment_with(R | X), { PROT_READ | PROT_EXEC, MAP_SHARED, 0 },
		     { PROT_EXEC, MAP_PRIVATE, 0 }, { PROT_READ, MAP_SHARED, 0 },
		     { PROT_READ | PROT_WRITE, MAP_SHARED, EACCES },
		     { PROT_READ | PROT_WRITE, MAP_PRIVATE, EACCES });
}

TEST(mmap_with_the_right_to_copy_on_write_to_write_shared_is_EACCES)
{
	EXPECT_MMAPS(segment_with(R | C), { PROT_READ | PROT_WRITE, MAP_PRIVATE, 0 },
		     { PROT_READ, MAP_SHARED, 0 }, { PROT_READ, MAP_PRIVATE, 0 },
		     { PROT_READ | PROT_WRITE, MAP_SHARED, EACCES },
		     { PROT_READ | PROT_EXEC, MAP_PRIVATE, EACCES },
		     { PROT_READ | PROT_EXEC, MAP_SHARED, EACCES });
}

TEST(mmap_with_the_rights_to_execute_and_copy_on_write_to_do_both_at_once_is_EINVAL)
{
	EXPECT_MMAPS(segment_with(R | X | C), { PROT_READ | PROT_WRITE, MAP_PRIVATE, 0 },
		     { PROT_READ | PROT_EXEC, MAP_PRIVATE, 0 },
		     { PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE, EINVAL },
		     { PROT_READ | PROT_WRITE, MAP_SHARED, EACCES });
}

/* mprotect: from a mapping that is allowed to one that is not. */

struct change {
	unsigned int rights; /* 0: of the maker */
	int before;
	int flags;
	int after;
	int expected;
};

static void expect_change(struct change change)
{
	int segment = change.rights ? segment_with(change.rights) :
				      segment_create(port_open(), size_of_all());
	char *address = mmap(NULL, size_of_all(), change.before, change.flags, segment, 0);

	ASSERT_TRUE(address != MAP_FAILED);
	if (change.expected)
		ASSERT_ERRNO(change.expected, mprotect(address, size_of_all(), change.after));
	else
		ASSERT_OK(mprotect(address, size_of_all(), change.after));
	/* Of a part, too. */
	if (change.expected)
		ASSERT_ERRNO(change.expected,
			     mprotect(address + page_size(), page_size(), change.after));
	/* What was refused has not come true. */
	if (change.expected && !(change.before & PROT_WRITE))
		ASSERT_EQ(SIGSEGV, fault_of_store(address, 1));
}

#define EXPECT_CHANGE(name, ...)                                               \
	TEST(name)                                                             \
	{                                                                      \
		expect_change((struct change){ __VA_ARGS__ });                 \
	}

EXPECT_CHANGE(mprotect_to_write_without_the_right_is_EACCES, R, PROT_READ, MAP_SHARED,
	      PROT_READ | PROT_WRITE, EACCES)
EXPECT_CHANGE(mprotect_to_write_privately_without_the_right_is_EACCES, R, PROT_READ, MAP_PRIVATE,
	      PROT_READ | PROT_WRITE, EACCES)
EXPECT_CHANGE(mprotect_from_none_to_write_without_the_right_is_EACCES, R, PROT_NONE, MAP_SHARED,
	      PROT_WRITE, EACCES)
EXPECT_CHANGE(mprotect_to_execute_without_the_right_is_EACCES, R | W, PROT_READ | PROT_WRITE,
	      MAP_SHARED, PROT_READ | PROT_EXEC, EACCES)
EXPECT_CHANGE(mprotect_to_execute_privately_without_the_right_is_EACCES, R, PROT_READ, MAP_PRIVATE,
	      PROT_READ | PROT_EXEC, EACCES)
EXPECT_CHANGE(mprotect_to_write_with_only_the_right_to_execute_is_EACCES, R | X,
	      PROT_READ | PROT_EXEC, MAP_SHARED, PROT_READ | PROT_WRITE, EACCES)
EXPECT_CHANGE(mprotect_to_write_shared_with_copy_on_write_is_EACCES, R | C, PROT_READ, MAP_SHARED,
	      PROT_READ | PROT_WRITE, EACCES)
EXPECT_CHANGE(mprotect_by_the_maker_to_write_and_execute_is_EINVAL, 0, PROT_READ, MAP_SHARED,
	      PROT_READ | PROT_WRITE | PROT_EXEC, EINVAL)
EXPECT_CHANGE(mprotect_of_what_can_be_executed_to_write_as_well_is_EINVAL, 0,
	      PROT_READ | PROT_EXEC, MAP_SHARED, PROT_READ | PROT_WRITE | PROT_EXEC, EINVAL)
EXPECT_CHANGE(mprotect_of_a_copy_to_write_and_execute_is_EINVAL, R | X | C, PROT_READ, MAP_PRIVATE,
	      PROT_READ | PROT_WRITE | PROT_EXEC, EINVAL)
EXPECT_CHANGE(mprotect_to_write_with_the_right_succeeds, R | W, PROT_READ, MAP_SHARED,
	      PROT_READ | PROT_WRITE, 0)
EXPECT_CHANGE(mprotect_to_write_privately_with_copy_on_write_succeeds, R | C, PROT_READ,
	      MAP_PRIVATE, PROT_READ | PROT_WRITE, 0)
EXPECT_CHANGE(mprotect_to_execute_with_the_right_succeeds, R | X, PROT_READ, MAP_SHARED,
	      PROT_READ | PROT_EXEC, 0)

TEST(mprotect_by_the_maker_turns_writing_into_executing)
{
	int segment = segment_create(port_open(), size_of_all());
	char *address = segment_map(segment, size_of_all(), PROT_READ | PROT_WRITE);
#ifdef __arm__
	const uint32_t code[] = { 0xe3a0002a, 0xe12fff1e }; /* mov r0, #42; bx lr */
#else
	const uint32_t code[] = { 0x52800540, 0xd65f03c0 }; /* mov w0, #42; ret */
#endif
	int (*function)(void);

	memcpy(address, code, sizeof(code));
	__builtin___clear_cache(address, address + sizeof(code));
	ASSERT_OK(mprotect(address, size_of_all(), PROT_READ | PROT_EXEC));
	memcpy(&function, &address, sizeof(function));
	ASSERT_EQ(42, function());
	ASSERT_EQ(SIGSEGV, fault_of_store(address, 0));
}

/* What mappings do. */

TEST(mmap_populate_allocates_all_at_once)
{
	int segment = segment_create(port_open(), size_of_all());
	char *address = mmap(NULL, size_of_all(), PROT_READ | PROT_WRITE,
			     MAP_SHARED | MAP_POPULATE, segment, 0);
	unsigned char present[PAGES];

	ASSERT_TRUE(address != MAP_FAILED);
	ASSERT_EQ(size_of_all(), segment_info(segment).allocated);
	memset(present, 0, sizeof(present));
	for (size_t i = 0; i < size_of_all(); i++)
		ASSERT_TRUE(address[i] == 0);
}

TEST(mmap_twice_shows_the_same_bytes)
{
	int segment = segment_create(port_open(), size_of_all());
	char *writer = segment_map(segment, size_of_all(), PROT_READ | PROT_WRITE);
	char *reader = segment_map(segment, size_of_all(), PROT_READ);

	fill_pattern(writer, size_of_all(), 3);
	check_pattern(reader, size_of_all(), 3);
}

TEST(mmap_private_keeps_what_is_written_to_itself)
{
	int segment = segment_with(R | C);
	char *shared = segment_map(segment, size_of_all(), PROT_READ);
	char *written = mmap(NULL, size_of_all(), PROT_READ | PROT_WRITE, MAP_PRIVATE, segment, 0);
	char *read_first = mmap(NULL, size_of_all(), PROT_READ | PROT_WRITE, MAP_PRIVATE, segment,
				0);

	ASSERT_TRUE(written != MAP_FAILED && read_first != MAP_FAILED);
	check_pattern(written, size_of_all(), 1);
	fill_pattern(written, size_of_all(), 2);
	check_pattern(read_first, size_of_all(), 1);
	fill_pattern(read_first, size_of_all(), 3);
	check_pattern(shared, size_of_all(), 1);
	check_pattern(written, size_of_all(), 2);
	check_pattern(read_first, size_of_all(), 3);
}

TEST(mmap_private_copies_go_with_the_grant)
{
	struct holder holder = { .peer = peer_for_memory() };
	int port = memory_port();
	int segment = segment_create(port, size_of_all());

	holder_get(&holder, segment, MUTUAL, R | C);
	peer_fill(&holder.peer, holder.address, size_of_all(), 2);
	ASSERT_EQ(1, take_back(segment, holder.peer.pid));
	for (size_t page = 0; page < PAGES; page++)
		ASSERT_EQ(SIGBUS, peer_load(&holder.peer, holder.address + page * page_size()));
}
