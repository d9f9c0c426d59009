// SPDX-License-Identifier: MIT
/* What a process may do with a mapping, and that a hand-over takes away what that made. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness.h"
#include "memory.h"

enum { PAGES = 8 };

/* Our segment, mapped and filled, and a peer that it can be handed to. */
struct stand {
	struct peer peer;
	int port;
	int segment;
	size_t page;
	size_t size;
	char *address;
};

static struct stand stand_up(void)
{
	struct stand stand = { .peer = peer_for_memory(), .page = page_size() };

	stand.size = PAGES * stand.page;
	stand.port = memory_port();
	stand.segment = segment_create(stand.port, stand.size);
	stand.address = segment_map(stand.segment, stand.size, PROT_READ | PROT_WRITE);
	fill_pattern(stand.address, stand.size, 1);
	return stand;
}

/* The receiver finds what was written last, and nothing is left here. */
static void hand_over(struct stand *stand)
{
	struct ipcshim_share_mem args = share(stand->segment, stand->peer.pid, EXCLUSIVE, R | W);
	struct holder holder = { .peer = stand->peer, .share = args };

	holder_claim(&holder);
	holder_map(&holder);
	peer_check(&holder.peer, holder.address, stand->size, 1);
	/* And it never changes: the receiver's own writing is what stays. */
	peer_fill(&holder.peer, holder.address, stand->size, 2);
	peer_check(&holder.peer, holder.address, stand->size, 2);
}

TEST(mremap_to_grow_is_EFAULT)
{
	struct stand stand = stand_up();

	ASSERT_TRUE(mremap(stand.address, stand.size, 2 * stand.size, MREMAP_MAYMOVE) ==
		    MAP_FAILED);
	ASSERT_EQ(EFAULT, errno);
	check_pattern(stand.address, stand.size, 1);
}

TEST(mremap_to_grow_a_part_within_the_segment_is_EFAULT)
{
	struct stand stand = stand_up();
	char *part = segment_map(stand.segment, stand.page, PROT_READ);

	ASSERT_TRUE(mremap(part, stand.page, 2 * stand.page, MREMAP_MAYMOVE) == MAP_FAILED);
	ASSERT_EQ(EFAULT, errno);
	check_pattern(part, stand.page, 1);
}

/* A way to have it twice. */
TEST(mremap_of_length_0_is_EFAULT)
{
	struct stand stand = stand_up();

	ASSERT_TRUE(mremap(stand.address, 0, stand.size, MREMAP_MAYMOVE) == MAP_FAILED);
	ASSERT_EQ(EFAULT, errno);
}

TEST(mremap_to_shrink_keeps_the_rest)
{
	struct stand stand = stand_up();

	ASSERT_TRUE(mremap(stand.address, stand.size, stand.page, 0) == stand.address);
	check_pattern(stand.address, stand.page, 1);
	ASSERT_EQ(SIGSEGV, fault_of_load(stand.address + stand.page));
	hand_over(&stand);
	expect_gone(stand.address);
}

TEST(mremap_to_another_place_is_followed_by_the_hand_over)
{
	struct stand stand = stand_up();
	char *place = mmap(NULL, stand.size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *moved = mremap(stand.address, stand.size, stand.size, MREMAP_MAYMOVE | MREMAP_FIXED,
			     place);

	ASSERT_TRUE(moved == place);
	ASSERT_EQ(SIGSEGV, fault_of_load(stand.address));
	check_pattern(moved, stand.size, 1);
	hand_over(&stand);
	for (size_t page = 0; page < PAGES; page++)
		expect_gone(moved + page * stand.page);
}

TEST(munmap_of_a_part_leaves_the_rest_to_the_hand_over)
{
	struct stand stand = stand_up();

	ASSERT_OK(munmap(stand.address + 2 * stand.page, 3 * stand.page));
	check_pattern(stand.address, 2 * stand.page, 1);
	ASSERT_EQ(SIGSEGV, fault_of_load(stand.address + 2 * stand.page));
	hand_over(&stand);
	expect_gone(stand.address);
	expect_gone(stand.address + stand.page);
	expect_gone(stand.address + 5 * stand.page);
	expect_gone(stand.address + 7 * stand.page);
}

TEST(munmap_of_all_loses_nothing_while_there_is_a_descriptor)
{
	struct stand stand = stand_up();

	ASSERT_OK(munmap(stand.address, stand.size));
	stand.address = segment_map(stand.segment, stand.size, PROT_READ);
	check_pattern(stand.address, stand.size, 1);
}

TEST(mmap_fixed_over_a_part_is_not_of_the_segment_any_more)
{
	struct stand stand = stand_up();
	char *middle = stand.address + 3 * stand.page;

	ASSERT_TRUE(mmap(middle, stand.page, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == middle);
	memset(middle, 0x77, stand.page);
	hand_over(&stand);
	expect_gone(middle - 1);
	expect_gone(middle + stand.page);
	for (size_t i = 0; i < stand.page; i++)
		ASSERT_EQ(0x77, middle[i]);
}

TEST(mmap_fixed_of_a_segment_over_another)
{
	struct stand stand = stand_up();
	int other = segment_create(stand.port, stand.size);

	ASSERT_TRUE(mmap(stand.address, stand.page, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED,
			 other, 0) == stand.address);
	ASSERT_EQ(0, stand.address[0]);
	stand.address[0] = 9;
	hand_over(&stand);
	ASSERT_EQ(9, stand.address[0]);
	expect_gone(stand.address + stand.page);
}

TEST(madvise_dontneed_loses_nothing)
{
	struct stand stand = stand_up();

	ASSERT_OK(madvise(stand.address, stand.size, MADV_DONTNEED));
	check_pattern(stand.address, stand.size, 1);
	ASSERT_EQ(stand.size, segment_info(stand.segment).allocated);
	hand_over(&stand);
	expect_gone(stand.address);
	madvise(stand.address, stand.size, MADV_DONTNEED);
	expect_gone(stand.address);
}

TEST(madvise_remove_is_EOPNOTSUPP_and_loses_nothing)
{
	struct stand stand = stand_up();

	ASSERT_ERRNO(EOPNOTSUPP, madvise(stand.address, stand.size, MADV_REMOVE));
	check_pattern(stand.address, stand.size, 1);
}

TEST(madvise_pageout_and_cold_lose_nothing)
{
	struct stand stand = stand_up();

	madvise(stand.address, stand.size, MADV_COLD);
	madvise(stand.address, stand.size, MADV_PAGEOUT);
	check_pattern(stand.address, stand.size, 1);
	hand_over(&stand);
	expect_gone(stand.address);
}

TEST(madvise_free_is_EINVAL_and_loses_nothing)
{
	struct stand stand = stand_up();

	ASSERT_ERRNO(EINVAL, madvise(stand.address, stand.size, MADV_FREE));
	check_pattern(stand.address, stand.size, 1);
}

TEST(madvise_dodump_is_EINVAL)
{
	struct stand stand = stand_up();

	ASSERT_ERRNO(EINVAL, madvise(stand.address, stand.size, MADV_DODUMP));
}

TEST(mlock_does_not_hold_against_a_hand_over)
{
	struct stand stand = stand_up();

	ASSERT_OK(mlock(stand.address, stand.size));
	check_pattern(stand.address, stand.size, 1);
	hand_over(&stand);
	expect_gone(stand.address);
	expect_gone(stand.address + stand.size - 1);
	ASSERT_OK(munlock(stand.address, stand.size));
	expect_gone(stand.address);
}

TEST(mlockall_does_not_hold_against_a_hand_over)
{
	struct stand stand = stand_up();

	ASSERT_OK(mlockall(MCL_CURRENT | MCL_FUTURE));
	hand_over(&stand);
	expect_gone(stand.address);
	ASSERT_OK(munlockall());
}

TEST(hand_over_takes_every_mapping_of_the_process)
{
	struct stand stand = stand_up();
	char *again = segment_map(stand.segment, stand.size, PROT_READ);
	char *part = mmap(NULL, stand.page, PROT_READ | PROT_WRITE, MAP_SHARED, stand.segment,
			  (off_t)stand.page);
	char *private = mmap(NULL, stand.size, PROT_READ, MAP_PRIVATE, stand.segment, 0);

	ASSERT_TRUE(part != MAP_FAILED && private != MAP_FAILED);
	check_pattern(again, stand.size, 1);
	check_pattern(private, stand.size, 1);
	ASSERT_EQ(0, memcmp(part, again + stand.page, stand.page));
	hand_over(&stand);
	expect_gone(stand.address);
	expect_gone(again);
	expect_gone(part);
	expect_gone(private);
	expect_stale(stand.segment);
}

static void looks_again(int fd, void *argument)
{
	struct stand *stand = argument;

	check_pattern(stand->address, stand->size, 1);
	put(fd, 0);
	get(fd); /* it was handed over */
	for (size_t page = 0; page < PAGES; page++)
		expect_gone(stand->address + page * stand->page);
	expect_stale(stand->segment);
}

TEST(hand_over_takes_the_mapping_of_a_forked_child)
{
	struct stand stand = stand_up();
	struct child child = child_start(looks_again, &stand);

	get(child.fd);
	hand_over(&stand);
	put(child.fd, 0);
	child_join(&child);
	expect_gone(stand.address);
}

static void hands_over(int fd, void *argument)
{
	struct stand *stand = argument;

	(void)fd;
	hand_over(stand);
	expect_gone(stand->address);
}

/* What fork makes is the same grant, so the child is no less its owner. */
TEST(hand_over_by_a_forked_child_takes_the_mapping_of_its_parent)
{
	struct stand stand = stand_up();
	struct child child = child_start(hands_over, &stand);

	child_join(&child);
	expect_gone(stand.address);
	expect_stale(stand.segment);
}

TEST(system_calls_on_what_was_handed_over_are_EFAULT)
{
	struct stand stand = stand_up();
	int null = open("/dev/zero", O_RDWR | O_CLOEXEC);
	char path[] = "/tmp/ipcshim-abi.XXXXXX";
	int file = mkstemp(path);

	ASSERT_OK(file);
	ASSERT_OK(unlink(path));
	hand_over(&stand);
	ASSERT_ERRNO(EFAULT, read(null, stand.address, stand.page));
	ASSERT_ERRNO(EFAULT, write(file, stand.address, stand.page));
}

/*
 * A word that is nowhere but where it was written: longer than what may be left of it
 * in registers.
 */
enum { WORD = 256 };

static unsigned char word_at(size_t place, unsigned int which)
{
	return (unsigned char)((place * 37 + which * 101) ^ (place >> 3));
}

static void write_word(volatile char *place, unsigned int which)
{
	for (size_t i = 0; i < WORD; i++)
		place[i] = (char)word_at(i, which);
}

static bool file_has_word(const char *path, unsigned int which)
{
	FILE *file = fopen(path, "re");
	size_t matched = 0;
	int byte;

	ASSERT_TRUE(file);
	while (matched < WORD && (byte = getc(file)) != EOF) {
		if (byte == word_at(matched, which))
			matched++;
		else
			matched = byte == word_at(0, which);
	}
	fclose(file);
	return matched == WORD;
}

enum { SEGMENT_WORD = 1, PRIVATE_WORD, SHARED_WORD };

static void map_and_write_word(int fd, int flags, unsigned int which)
{
	size_t size = 4 * page_size();
	void *address = mmap(NULL, size, PROT_READ | PROT_WRITE, flags, fd, 0);

	ASSERT_TRUE(address != MAP_FAILED);
	write_word(address, which);
}

static void dumps_core(int fd, void *argument)
{
	struct rlimit limit = { RLIM_INFINITY, RLIM_INFINITY };
	int filter = open("/proc/self/coredump_filter", O_WRONLY | O_CLOEXEC);
	int shared = memfd_create("shared", MFD_CLOEXEC);

	(void)fd;
	(void)argument;
	/* Everything that can be dumped. */
	ASSERT_EQ(4, write(filter, "0x7f", 4));
	ASSERT_OK(ftruncate(shared, (off_t)(4 * page_size())));
	map_and_write_word(segment_create(port_open(), 4 * page_size()), MAP_SHARED, SEGMENT_WORD);
	map_and_write_word(-1, MAP_PRIVATE | MAP_ANONYMOUS, PRIVATE_WORD);
	map_and_write_word(shared, MAP_SHARED, SHARED_WORD);
	ASSERT_OK(setrlimit(RLIMIT_CORE, &limit));
	abort();
}

TEST(core_dump_of_a_process_that_has_it_mapped_has_not_its_contents)
{
	int port = port_open();
	struct state before = state_now(port);
	struct child child;
	const char *path = "/tmp/ipcshim-core";
	int status;

	text_setting_set("/proc/sys/kernel/core_pattern", path);
	text_setting_set("/proc/sys/kernel/core_uses_pid", "0");
	child = child_start(dumps_core, NULL);
	ASSERT_EQ(child.pid, waitpid(child.pid, &status, 0));
	close(child.fd);
	if (!WCOREDUMP(status))
		SKIP("this kernel writes no core dumps (CONFIG_ELF_CORE, CONFIG_COREDUMP)");
	ASSERT_TRUE(file_has_word(path, PRIVATE_WORD));
	ASSERT_TRUE(file_has_word(path, SHARED_WORD));
	ASSERT_TRUE(!file_has_word(path, SEGMENT_WORD));
	ASSERT_OK(unlink(path));
	state_same(port, &before);
}
