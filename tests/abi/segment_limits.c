// SPDX-License-Identifier: MIT
/* Limits of segments for each uid: over one is EDQUOT, and nothing changed. */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "harness.h"
#include "memory.h"

static void makes_up_to_the_limit(int fd, void *argument)
{
	size_t page = page_size();
	struct ipcshim_create_mem args = { .length = 5 * page };
	struct state before;
	int port;
	int segment;
	char *address;

	(void)fd;
	(void)argument;
	become(OTHER_UID);
	port = port_open();
	ASSERT_EQ(4 * page, query(port).limit_segment_bytes);
	before = state_now(port);
	ASSERT_ERRNO(EDQUOT, ioctl(port, IPCSHIM_CREATE_MEM, &args));
	state_same(port, &before);
	segment = segment_create(port, 3 * page);
	ASSERT_EQ(3 * page, query(port).used_segment_bytes);
	before = state_now(port);
	args.length = 2 * page;
	ASSERT_ERRNO(EDQUOT, ioctl(port, IPCSHIM_CREATE_MEM, &args));
	state_same(port, &before);
	/* Longer than all limits together can be. */
	args.length = 1ULL << 62;
	ASSERT_EQ(-1, ioctl(port, IPCSHIM_CREATE_MEM, &args));
	state_same(port, &before);
	segment_create(port, page);
	/* A mapping holds it: the bytes are there still. */
	address = segment_map(segment, page, PROT_READ | PROT_WRITE);
	close(segment);
	args.length = page;
	ASSERT_ERRNO(EDQUOT, ioctl(port, IPCSHIM_CREATE_MEM, &args));
	ASSERT_OK(munmap(address, page));
	ASSERT_EQ(page, query(port).used_segment_bytes);
	segment_create(port, 3 * page);
}

TEST(segments_above_the_limit_of_bytes_are_EDQUOT)
{
	parameter_set("max_segment_bytes", 4 * page_size());
	run_as_other(makes_up_to_the_limit, NULL);
	/* A child that ended gave them back. */
	run_as_other(makes_up_to_the_limit, NULL);
}

static void rounds_up_over_the_limit(int fd, void *argument)
{
	struct ipcshim_create_mem args = {
		.length = page_size(),
		.flags = IPCSHIM_MEM_LARGE_PAGES,
	};
	struct state before;
	int port;

	(void)fd;
	(void)argument;
	become(OTHER_UID);
	port = port_open();
	before = state_now(port);
	if (ioctl(port, IPCSHIM_CREATE_MEM, &args) == 0) {
		/* No large pages here. */
		ASSERT_EQ(page_size(), args.length);
		return;
	}
	ASSERT_EQ(EDQUOT, errno);
	state_same(port, &before);
}

TEST(segment_that_is_rounded_up_above_the_limit_of_bytes_is_EDQUOT)
{
	parameter_set("max_segment_bytes", 4 * page_size());
	run_as_other(rounds_up_over_the_limit, NULL);
}

TEST(segments_above_the_limit_of_bytes_are_made_with_CAP_SYS_RESOURCE)
{
	int port = port_open();

	parameter_set("max_segment_bytes", page_size());
	segment_create(port, 16 * page_size());
	ASSERT_EQ(16 * page_size(), query(port).used_segment_bytes);
}

static void adopts_up_to_the_limit(int fd, void *argument)
{
	size_t size = 4 * page_size();
	char *address = mmap(NULL, 2 * size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			     -1, 0);
	struct ipcshim_adopt_mem args = { .address = (uintptr_t)address, .length = 2 * size };
	struct state before;
	int port;

	(void)fd;
	(void)argument;
	become(OTHER_UID);
	port = port_open();
	fill_pattern(address, 2 * size, 1);
	before = state_now(port);
	ASSERT_ERRNO(EDQUOT, ioctl(port, IPCSHIM_ADOPT_MEM, &args));
	state_same(port, &before);
	check_pattern(address, 2 * size, 1);
	args.length = size;
	ASSERT_OK(ioctl(port, IPCSHIM_ADOPT_MEM, &args));
	ASSERT_EQ(size, query(port).used_segment_bytes);
	before = state_now(port);
	args.address += size;
	ASSERT_ERRNO(EDQUOT, ioctl(port, IPCSHIM_ADOPT_MEM, &args));
	state_same(port, &before);
	check_pattern(address, 2 * size, 1);
}

TEST(adopt_mem_above_the_limit_of_bytes_is_EDQUOT_and_takes_nothing)
{
	parameter_set("max_segment_bytes", 4 * page_size());
	run_as_other(adopts_up_to_the_limit, NULL);
}

static void makes_objects(int fd, void *argument)
{
	struct ipcshim_create_mem args = { .length = page_size() };
	struct state before;
	int port;
	int segment;

	(void)fd;
	(void)argument;
	become(OTHER_UID);
	port = port_open();
	segment = segment_create(port, page_size());
	ends_open(port, IPCSHIM_PIPE_RAW, 0);
	before = state_now(port);
	ASSERT_EQ(2, before.query.used_objects);
	ASSERT_ERRNO(EDQUOT, ioctl(port, IPCSHIM_CREATE_MEM, &args));
	state_same(port, &before);
	close(segment);
	ASSERT_OK(ioctl(port, IPCSHIM_CREATE_MEM, &args));
}

TEST(segments_above_the_limit_of_objects_are_EDQUOT)
{
	parameter_set("max_objects", 2);
	run_as_other(makes_objects, NULL);
}

static void shares_over_the_limit(int fd, void *argument)
{
	struct peer *peers = argument;
	struct ipcshim_share_mem args = { 0 };
	struct state before;
	int port;
	int segment;
	char *address;

	(void)fd;
	become(OTHER_UID);
	port = memory_port();
	segment = segment_create(port, page_size());
	address = segment_map(segment, page_size(), PROT_READ | PROT_WRITE);
	fill_pattern(address, page_size(), 1);
	/* As many as there is room for; what there is none for changes nothing. */
	for (int i = 0; i < 4; i++) {
		args = share_args(peers[i].pid, MUTUAL, R);
		before = state_now(port);
		if (ioctl(segment, IPCSHIM_SHARE_MEM, &args) == 0)
			continue;
		ASSERT_EQ(EDQUOT, errno);
		ASSERT_TRUE(i > 0);
		state_same(port, &before);
		check_pattern(address, page_size(), 1);
		return;
	}
	test_failed(__FILE__, __LINE__, "four shares within a limit of four objects");
}

TEST(share_mem_above_the_limit_of_objects_is_EDQUOT_and_changes_nothing)
{
	static const struct peer_options options = { .codes = MEMORY_CODES, .uid = OTHER_UID };
	struct peer peers[4];

	for (int i = 0; i < 4; i++)
		peers[i] = peer_start(&options);
	parameter_set("max_objects", 4);
	run_as_other(shares_over_the_limit, peers);
}

/* A hand-over to another user: the bytes stay with who made it. */
TEST(bytes_of_a_segment_count_for_its_maker_until_they_are_freed)
{
	static const struct peer_options options = { .codes = MEMORY_CODES, .uid = OTHER_UID };
	struct holder holder = { .peer = peer_start(&options) };
	size_t size = 2 * page_size();
	int port = memory_port();
	int segment = segment_create(port, size);

	holder_get(&holder, segment, EXCLUSIVE, R | W);
	close(segment);
	ASSERT_EQ(size, query(port).used_segment_bytes);
	ASSERT_EQ(0, peer_ioctl(&holder.peer, holder.claim.fd, IPCSHIM_MEM_SHARING_INFO,
				&(struct ipcshim_mem_info){ 0 }));
	peer_kill(&holder.peer);
	ASSERT_EQ(0, query(port).used_segment_bytes);
}

TEST(limit_of_segment_bytes_lowered_takes_nothing_away)
{
	int port = port_open();
	int segment = segment_create(port, 4 * page_size());
	char *address = segment_map(segment, 4 * page_size(), PROT_READ | PROT_WRITE);

	parameter_set("max_segment_bytes", page_size());
	ASSERT_EQ(page_size(), query(port).limit_segment_bytes);
	memset(address, 1, 4 * page_size());
	ASSERT_EQ(4 * page_size(), segment_info(segment).allocated);
}

TEST(large_pages_parameter_set_to_0_gives_small_ones)
{
	size_t size = 4U << 20;
	int port = port_open();
	int segment;

	parameter_set("large_pages", 0);
	segment = segment_create(port, size);
	*segment_map(segment, size, PROT_READ | PROT_WRITE) = 1;
	ASSERT_EQ(page_size(), segment_info(segment).allocated);
}

static void makes_without_files(void *argument)
{
	struct ipcshim_create_mem create = { .length = page_size() };
	char *address = mmap(NULL, page_size(), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			     -1, 0);
	struct ipcshim_adopt_mem adopt = { .address = (uintptr_t)address, .length = page_size() };
	int port = *(int *)argument;
	struct ipcshim_query before = query(port);

	fill_pattern(address, page_size(), 1);
	ASSERT_ERRNO(ENFILE, ioctl(port, IPCSHIM_CREATE_MEM, &create));
	ASSERT_ERRNO(ENFILE, ioctl(port, IPCSHIM_ADOPT_MEM, &adopt));
	check_pattern(address, page_size(), 1);
	ASSERT_EQ(before.segments, query(port).segments);
	ASSERT_EQ(before.used_objects, query(port).used_objects);
	ASSERT_EQ(before.used_segment_bytes, query(port).used_segment_bytes);
}

TEST(segments_without_files_in_the_system_are_ENFILE_and_nothing_is_made)
{
	int port = port_open();

	run_without_files(NULL, makes_without_files, &port);
}
