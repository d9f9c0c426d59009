// SPDX-License-Identifier: MIT
/* mmap of an end: each part of the layout, each side, each protection. */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "harness.h"
#include "mapped.h"

enum { NONE = PROT_NONE, PR = PROT_READ, PW = PROT_WRITE, PX = PROT_EXEC };

/* Whether each part has "w", in the order of the layout. */
struct part {
	size_t offset;
	size_t length;
	bool sender;
	bool receiver;
};

enum { PARTS = 5 };

static void layout_of(size_t area, struct part parts[PARTS])
{
	size_t page = page_size();
	const struct part all[PARTS] = {
		{ 0, page, true, false },
		{ page, page, false, true },
		{ 2 * page, area, true, false },
		{ 2 * page + area, area, true, false },
		{ 2 * page, 2 * area, true, false },
	};

	memcpy(parts, all, sizeof(all));
}

static int map_and_unmap(int end, size_t offset, size_t length, int protection)
{
	char *address;
	int error = try_map(end, offset, length, protection, &address);

	if (!error)
		ASSERT_OK(munmap(address, length));
	return error;
}

static void expect_rights(int end, const struct part *part, bool writable)
{
	int write_error = writable ? 0 : EACCES;
	size_t at = part->offset;
	size_t length = part->length;

	ASSERT_EQ(0, map_and_unmap(end, at, length, PR));
	ASSERT_EQ(0, map_and_unmap(end, at, length, NONE));
	ASSERT_EQ(write_error, map_and_unmap(end, at, length, PR | PW));
	ASSERT_EQ(write_error, map_and_unmap(end, at, length, PW));
	ASSERT_EQ(EACCES, map_and_unmap(end, at, length, PR | PX));
	ASSERT_EQ(EACCES, map_and_unmap(end, at, length, PX));
	ASSERT_EQ(EACCES, map_and_unmap(end, at, length, PR | PW | PX));
}

TEST(mmap_of_each_part_by_each_side_has_the_rights_of_the_layout)
{
	for (unsigned int mode = RAW; mode <= MESSAGE; mode++) {
		struct ends ends = mapped_open(port_open(), mode, 1);
		struct part parts[PARTS];

		layout_of((size_t)info_of(ends.sender).area, parts);
		for (unsigned int i = 0; i < PARTS; i++) {
			expect_rights(ends.sender, &parts[i], parts[i].sender);
			expect_rights(ends.receiver, &parts[i], parts[i].receiver);
		}
		ASSERT_TRUE(!is_mapped(ends.sender) && !is_mapped(ends.receiver));
	}
}

TEST(mmap_for_writing_of_what_is_only_partly_writable_is_EACCES)
{
	struct ends ends = mapped_open(port_open(), RAW, 1);
	size_t page = page_size();
	size_t whole = mapped_size(ends.sender);

	ASSERT_EQ(EACCES, map_and_unmap(ends.sender, 0, whole, PR | PW));
	ASSERT_EQ(EACCES, map_and_unmap(ends.sender, 0, 2 * page, PR | PW));
	ASSERT_EQ(EACCES, map_and_unmap(ends.sender, page, 2 * page, PR | PW));
	ASSERT_EQ(EACCES, map_and_unmap(ends.receiver, 0, whole, PR | PW));
	ASSERT_EQ(EACCES, map_and_unmap(ends.receiver, 0, 2 * page, PR | PW));
	ASSERT_EQ(EACCES, map_and_unmap(ends.receiver, page, 2 * page, PR | PW));
	ASSERT_TRUE(!is_mapped(ends.sender) && !is_mapped(ends.receiver));
	ASSERT_EQ(0, map_and_unmap(ends.sender, 0, whole, PR));
	ASSERT_EQ(0, map_and_unmap(ends.receiver, 0, whole, PR));
}

/* Both sides, whatever the protection. */
static void map_refused(int expected, const struct ends *ends, uint64_t offset, size_t length)
{
	ASSERT_EQ(expected, try_map(ends->sender, offset, length, PR, NULL));
	ASSERT_EQ(expected, try_map(ends->receiver, offset, length, PR, NULL));
	ASSERT_TRUE(!is_mapped(ends->sender) && !is_mapped(ends->receiver));
}

TEST(mmap_of_a_pipe_that_was_not_opened_mapped_is_ENODEV)
{
	for (unsigned int mode = RAW; mode <= MESSAGE; mode++) {
		struct ends ends = ends_open(port_open(), mode, 1);

		/* (The kernel itself refuses to map what can't be read.) */
		ASSERT_EQ(ENODEV, try_map(ends.receiver, 0, page_size(), PR, NULL));
		ASSERT_EQ(EACCES, try_map(ends.sender, 0, page_size(), PR, NULL));
	}
}

TEST(mmap_of_a_mapped_pipe_beyond_its_end_is_ENXIO)
{
	for (unsigned int mode = RAW; mode <= MESSAGE; mode++) {
		struct ends ends = mapped_open(port_open(), mode, 1);
		size_t whole = mapped_size(ends.sender);
		size_t page = page_size();

		map_refused(ENXIO, &ends, whole, page);
		map_refused(ENXIO, &ends, whole - page, 2 * page);
		map_refused(ENXIO, &ends, 0, whole + 1);
		map_refused(ENXIO, &ends, page, whole);
		map_refused(ENXIO, &ends, 1ULL << 31, page);
		map_refused(ENXIO, &ends, 1ULL << 43, page);
		map_refused(EINVAL, &ends, page / 2, page);
		map_refused(EINVAL, &ends, 0, 0);
	}
}

TEST(mmap_MAP_PRIVATE_of_a_mapped_pipe_is_EINVAL)
{
	struct ends ends = mapped_open(port_open(), RAW, 1);

	for (int protection = NONE; protection <= (PR | PW); protection++) {
		ASSERT_TRUE(mmap(NULL, page_size(), protection, MAP_PRIVATE, ends.sender, 0) ==
			    MAP_FAILED);
		ASSERT_EQ(EINVAL, errno);
		ASSERT_TRUE(mmap(NULL, page_size(), protection, MAP_PRIVATE, ends.receiver,
				 (off_t)page_size()) == MAP_FAILED);
		ASSERT_EQ(EINVAL, errno);
	}
	ASSERT_TRUE(!is_mapped(ends.sender) && !is_mapped(ends.receiver));
}

TEST(mmap_of_each_page_shows_that_page_of_the_ring)
{
	struct rings rings = rings_open(MESSAGE, 1);

	fill_pattern(rings.in.data, rings.in.area, 1);
	for (size_t at = 0; at < 2 * rings.in.area; at += page_size()) {
		char *one;

		ASSERT_EQ(0, try_map(rings.ends.receiver, 2 * page_size() + at, page_size(), PR,
				     &one));
		ASSERT_EQ(0, memcmp(one, rings.in.data + at % rings.in.area, page_size()));
		ASSERT_OK(munmap(one, page_size()));
	}
	/* What one writes there, the other sees at once, in both copies. */
	rings.in.data[rings.in.area + 5] = 'x';
	ASSERT_EQ('x', rings.out.data[5]);
	ASSERT_EQ('x', rings.in.data[5]);
}

TEST(a_new_ring_is_empty_and_full_of_zeros)
{
	static const struct ipcshim_mapped_index empty;
	struct rings rings = rings_open(RAW, 1);

	ASSERT_EQ(0, memcmp(rings.in.producer, &empty, sizeof(empty)));
	ASSERT_EQ(0, memcmp(rings.in.consumer, &empty, sizeof(empty)));
	for (size_t i = 0; i < rings.out.area; i++)
		ASSERT_EQ(0, rings.out.data[i]);
	/* Nothing of the kernel lies behind the index either. */
	for (size_t i = sizeof(empty); i < 2 * page_size(); i++)
		if (i < page_size() || i >= page_size() + sizeof(empty))
			ASSERT_EQ(0, rings.out.base[i]);
}

TEST(a_receiver_that_writes_to_the_data_or_to_the_producers_index_dies)
{
	struct rings rings = rings_open(RAW, 1);

	ASSERT_EQ(SIGSEGV, fault_of_store(rings.out.data, 1));
	ASSERT_EQ(SIGSEGV, fault_of_store(rings.out.data + rings.out.area, 1));
	ASSERT_EQ(SIGSEGV, fault_of_store((char *)rings.out.producer, 1));
	ASSERT_EQ(SIGSEGV, fault_of_store((char *)rings.in.consumer, 1));
	ASSERT_EQ(0, fault_of_store((char *)rings.out.consumer, 0));
}

/* mprotect must not gain what mmap refused. */

TEST(mprotect_gains_no_right_that_mmap_refuses)
{
	struct ends ends = mapped_open(port_open(), RAW, 1);
	struct part parts[PARTS];

	layout_of((size_t)info_of(ends.sender).area, parts);
	for (unsigned int i = 0; i < PARTS; i++) {
		for (int receiver = 0; receiver < 2; receiver++) {
			int end = receiver ? ends.receiver : ends.sender;
			bool writable = receiver ? parts[i].receiver : parts[i].sender;
			size_t length = parts[i].length;
			char *address;

			ASSERT_EQ(0, try_map(end, parts[i].offset, length, PR, &address));
			ASSERT_ERRNO(EACCES, mprotect(address, length, PR | PX));
			if (!writable) {
				ASSERT_ERRNO(EACCES, mprotect(address, length, PR | PW));
				ASSERT_EQ(SIGSEGV, fault_of_store(address, 1));
			}
			ASSERT_EQ(0, mprotect(address, length, NONE));
			ASSERT_EQ(0, mprotect(address, length, PR));
			ASSERT_OK(munmap(address, length));
		}
	}
}

TEST(mprotect_of_a_page_within_the_whole_gains_no_right)
{
	struct ends ends = mapped_open(port_open(), RAW, 1);
	size_t whole = mapped_size(ends.sender);
	size_t page = page_size();
	char *sender;
	char *receiver;

	ASSERT_EQ(0, try_map(ends.sender, 0, whole, PR, &sender));
	ASSERT_EQ(0, try_map(ends.receiver, 0, whole, PR, &receiver));
	ASSERT_ERRNO(EACCES, mprotect(sender + page, page, PR | PW));
	ASSERT_ERRNO(EACCES, mprotect(sender, whole, PR | PW));
	ASSERT_ERRNO(EACCES, mprotect(receiver, page, PR | PW));
	ASSERT_ERRNO(EACCES, mprotect(receiver, whole, PR | PW));
	for (size_t at = 2 * page; at < whole; at += page)
		ASSERT_ERRNO(EACCES, mprotect(receiver + at, page, PR | PW));
	for (size_t at = 0; at < whole; at += page)
		ASSERT_ERRNO(EACCES, mprotect(sender + at, page, PR | PX));
}

/* What else can be done to a mapping. */

TEST(mremap_grows_no_mapping_of_a_ring)
{
	struct rings rings = rings_open(RAW, 1);
	size_t page = page_size();

	ASSERT_TRUE(mremap(rings.in.producer, page, 2 * page, MREMAP_MAYMOVE) == MAP_FAILED);
	ASSERT_EQ(EFAULT, errno);
	ASSERT_TRUE(mremap(rings.out.consumer, page, 4 * page, MREMAP_MAYMOVE) == MAP_FAILED);
	ASSERT_EQ(EFAULT, errno);
	/* A second one of the same by way of an old length of 0. */
	ASSERT_TRUE(mremap(rings.in.producer, 0, page, MREMAP_MAYMOVE) == MAP_FAILED);
	ASSERT_EQ(EFAULT, errno);
	ring_put(&rings.in, "abc", 3);
	ASSERT_EQ(3, ring_used(&rings.out));
}

TEST(mremap_moves_a_ring_and_it_still_counts_until_it_is_unmapped)
{
	struct ends ends = mapped_open(port_open(), RAW, 1);
	size_t whole = mapped_size(ends.receiver);
	char *room = mmap(NULL, whole, NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *first;
	char *moved;

	ASSERT_EQ(0, try_map(ends.receiver, 0, whole, PR, &first));
	ASSERT_EQ(4, write(ends.sender, "ring", 4));
	moved = mremap(first, whole, whole, MREMAP_MAYMOVE | MREMAP_FIXED, room);
	ASSERT_TRUE(moved == room);
	ASSERT_EQ(0, memcmp(moved + 2 * page_size(), "ring", 4));
	ASSERT_EQ(SIGSEGV, fault_of_load(first));
	ASSERT_TRUE(is_mapped(ends.receiver));
	/* Shrunk, and then gone. */
	ASSERT_TRUE(mremap(moved, whole, page_size(), 0) == moved);
	ASSERT_EQ(4, ((struct ipcshim_mapped_index *)(void *)moved)->position);
	ASSERT_TRUE(is_mapped(ends.receiver));
	ASSERT_OK(munmap(moved, page_size()));
	ASSERT_TRUE(!is_mapped(ends.receiver));
}

TEST(a_hole_in_the_middle_of_a_mapping_leaves_the_rest_mapped)
{
	struct ends ends = mapped_open(port_open(), RAW, 1);
	size_t whole = mapped_size(ends.receiver);
	size_t page = page_size();
	char *all;

	ASSERT_EQ(0, try_map(ends.receiver, 0, whole, PR, &all));
	ASSERT_OK(munmap(all + 3 * page, page));
	ASSERT_TRUE(is_mapped(ends.receiver));
	ASSERT_EQ(0, fault_of_load(all + 4 * page));
	ASSERT_EQ(SIGSEGV, fault_of_load(all + 3 * page));
	ASSERT_OK(munmap(all, 3 * page));
	ASSERT_TRUE(is_mapped(ends.receiver));
	ASSERT_OK(munmap(all + 4 * page, whole - 4 * page));
	ASSERT_TRUE(!is_mapped(ends.receiver));
}

TEST(MADV_DONTNEED_of_a_ring_loses_nothing)
{
	struct rings rings = rings_open(RAW, 1);

	fill_pattern(rings.in.data, rings.in.area, 3);
	producer_moves(&rings.in, rings.in.area);
	ASSERT_OK(madvise(rings.in.base, rings.in.size, MADV_DONTNEED));
	ASSERT_OK(madvise(rings.out.base, rings.out.size, MADV_DONTNEED));
	check_pattern(rings.out.data, rings.out.area, 3);
	check_pattern(rings.in.data + rings.in.area, rings.in.area, 3);
	ASSERT_EQ(rings.in.area, position(rings.out.producer));
	ASSERT_TRUE(!ring_get(&rings.out, rings.in.data, 10));
	ASSERT_EQ(10, position(rings.in.consumer));
}

TEST(MADV_REMOVE_and_MADV_HWPOISON_take_nothing_of_a_ring)
{
	struct rings rings = rings_open(RAW, 1);

	fill_pattern(rings.in.data, rings.in.area, 4);
	ASSERT_TRUE(madvise(rings.in.data, page_size(), MADV_REMOVE) < 0);
	check_pattern(rings.out.data, rings.out.area, 4);
}

TEST(mmap_MAP_POPULATE_of_a_ring_and_mlock_of_it_succeed)
{
	struct ends ends = mapped_open(port_open(), MESSAGE, 1);
	size_t whole = mapped_size(ends.receiver);
	char *all = mmap(NULL, whole, PR, MAP_SHARED | MAP_POPULATE, ends.receiver, 0);

	ASSERT_TRUE(all != MAP_FAILED);
	ASSERT_OK(mlock(all, whole));
	ASSERT_EQ(0, fault_of_load(all + whole - 1));
	ASSERT_OK(munmap(all, whole));
	ASSERT_TRUE(!is_mapped(ends.receiver));
}

/* The ring's memory as a buffer of system calls, its own among them. */
TEST(the_memory_of_a_ring_serves_as_a_buffer_of_its_own_pipe)
{
	struct rings rings = rings_open(RAW, 1);
	char got[100];

	fill_pattern(rings.in.data + 1000, 100, 5);
	ASSERT_EQ(100, write(rings.ends.sender, rings.in.data + 1000, 100));
	ASSERT_EQ(100, read(rings.ends.receiver, got, 100));
	check_pattern(got, 100, 5);
	ASSERT_EQ(100, write(rings.ends.sender, rings.out.data + 1000, 100));
	/* To where a receiver may not write: nothing is lost. */
	ASSERT_ERRNO(EFAULT, read(rings.ends.receiver, rings.out.data + 5000, 100));
	ASSERT_EQ(100, read(rings.ends.receiver, got, 100));
	check_pattern(got, 100, 5);
}
