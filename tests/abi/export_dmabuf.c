// SPDX-License-Identifier: MIT
/* EXPORT_DMABUF: what is refused, and what it means for a hand-over. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "harness.h"
#include "memory.h"

static int port_with_dmabufs(void)
{
	int port = memory_port();

	if (!(query(port).features & IPCSHIM_FEATURE_DMABUF)) {
		struct ipcshim_export_dmabuf args = { 0 };

		ASSERT_ERRNO(EOPNOTSUPP, ioctl(segment_create(port, page_size()),
					       IPCSHIM_EXPORT_DMABUF, &args));
		SKIP("this kernel has no dma-bufs (CONFIG_DMA_SHARED_BUFFER)");
	}
	return port;
}

static int export(int segment)
{
	struct ipcshim_export_dmabuf args = { 0 };

	ASSERT_OK(ioctl(segment, IPCSHIM_EXPORT_DMABUF, &args));
	return args.fd;
}

#define REJECT_EXPORT(name, errno_expected, change)                            \
	TEST(name)                                                             \
	{                                                                      \
		struct ipcshim_export_dmabuf args = { 0 };                     \
		int port = port_with_dmabufs();                                \
		int segment = segment_create(port, page_size());               \
		struct state before = state_now(port);                         \
                                                                               \
		change;                                                        \
		ASSERT_ERRNO(errno_expected, ioctl(segment, IPCSHIM_EXPORT_DMABUF, &args)); \
		state_same(port, &before);                                     \
		ASSERT_EQ(IPCSHIM_MEM_INFO_OWNER, segment_info(segment).flags); \
	}

REJECT_EXPORT(export_dmabuf_flags_set_is_EINVAL, EINVAL, args.flags = 1)
REJECT_EXPORT(export_dmabuf_highest_flag_set_is_EINVAL, EINVAL, args.flags = 1U << 31)
REJECT_EXPORT(export_dmabuf_reserved_field_set_is_EINVAL, EINVAL, args.reserved = 1)
REJECT_EXPORT(export_dmabuf_reserved_field_set_high_is_EINVAL, EINVAL, args.reserved = 1ULL << 63)

/* No export is left that a hand-over would meet. */
static void can_be_handed_over(struct peer *peer, int segment)
{
	ASSERT_EQ(IPCSHIM_MEM_INFO_OWNER, segment_info(segment).flags);
	share(segment, peer->pid, EXCLUSIVE, R);
}

TEST(export_dmabuf_at_a_bad_address_is_EFAULT)
{
	struct peer peer = peer_for_memory();
	int port = port_with_dmabufs();
	int segment = segment_create(port, page_size());
	struct state before = state_now(port);

	ASSERT_ERRNO(EFAULT, ioctl(segment, IPCSHIM_EXPORT_DMABUF, bad_address()));
	state_same(port, &before);
	can_be_handed_over(&peer, segment);
}

TEST(export_dmabuf_answer_to_read_only_memory_is_EFAULT_and_exports_nothing)
{
	struct peer peer = peer_for_memory();
	int port = port_with_dmabufs();
	int segment = segment_create(port, page_size());
	struct ipcshim_export_dmabuf args = { 0 };
	void *copy = read_only_copy(&args, sizeof(args));
	int descriptors = state_now(port).descriptors;

	ASSERT_ERRNO(EFAULT, ioctl(segment, IPCSHIM_EXPORT_DMABUF, copy));
	ASSERT_EQ(descriptors, state_now(port).descriptors);
	can_be_handed_over(&peer, segment);
}

TEST(export_dmabuf_without_descriptor_numbers_is_EMFILE_and_exports_nothing)
{
	struct peer peer = peer_for_memory();
	int segment = segment_create(port_with_dmabufs(), page_size());
	struct ipcshim_export_dmabuf args = { 0 };
	int first_free = dup(segment);
	struct rlimit limit;

	close(first_free);
	ASSERT_OK(getrlimit(RLIMIT_NOFILE, &limit));
	limit.rlim_cur = (rlim_t)first_free;
	ASSERT_OK(setrlimit(RLIMIT_NOFILE, &limit));
	ASSERT_ERRNO(EMFILE, ioctl(segment, IPCSHIM_EXPORT_DMABUF, &args));
	can_be_handed_over(&peer, segment);
}

static void export_by_a_holder(int expected, unsigned int mode, unsigned int rights)
{
	struct holder holder = { .peer = peer_for_memory() };
	int segment = segment_create(port_with_dmabufs(), page_size());
	struct ipcshim_export_dmabuf args = { 0 };

	holder_get(&holder, segment, mode, rights);
	ASSERT_EQ(expected,
		  peer_ioctl(&holder.peer, holder.claim.fd, IPCSHIM_EXPORT_DMABUF, &args));
}

TEST(export_dmabuf_by_who_got_it_mutual_is_EPERM)
{
	export_by_a_holder(EPERM, MUTUAL, R | W);
}

TEST(export_dmabuf_by_the_owner_without_the_right_to_write_is_EACCES)
{
	export_by_a_holder(EACCES, EXCLUSIVE, R);
}

TEST(export_dmabuf_by_the_owner_with_copy_on_write_is_EACCES)
{
	export_by_a_holder(EACCES, EXCLUSIVE, R | C);
}

TEST(export_dmabuf_by_a_new_owner_with_the_right_to_write_succeeds)
{
	export_by_a_holder(0, EXCLUSIVE, R | W);
}

TEST(export_dmabuf_by_who_borrowed_it_is_EPERM)
{
	struct holder holder = { .peer = peer_for_memory() };
	int segment = segment_create(port_with_dmabufs(), page_size());
	struct ipcshim_export_dmabuf args = { 0 };

	holder.share = lend(segment, holder.peer.pid, R | W, 0);
	holder_claim(&holder);
	ASSERT_EQ(EPERM, peer_ioctl(&holder.peer, holder.claim.fd, IPCSHIM_EXPORT_DMABUF, &args));
}

TEST(export_dmabuf_of_a_stale_segment_is_ESTALE)
{
	struct peer peer = peer_for_memory();
	int segment = segment_create(port_with_dmabufs(), page_size());
	struct ipcshim_export_dmabuf args = { 0 };

	share(segment, peer.pid, EXCLUSIVE, R);
	ASSERT_ERRNO(ESTALE, ioctl(segment, IPCSHIM_EXPORT_DMABUF, &args));
}

TEST(export_dmabuf_allocates_everything)
{
	size_t size = 6 * page_size();
	int port = port_with_dmabufs();
	int segment = segment_small(port, size);
	int fd;

	ASSERT_EQ(0, segment_info(segment).allocated);
	fd = export(segment);
	ASSERT_EQ(size, segment_info(segment).allocated);
	ASSERT_EQ(FD_CLOEXEC, fcntl(fd, F_GETFD));
	ASSERT_EQ(size, lseek(fd, 0, SEEK_END));
	ASSERT_EQ(IPCSHIM_MEM_INFO_OWNER | IPCSHIM_MEM_INFO_EXPORTED, segment_info(segment).flags);
	ASSERT_EQ(0, strcmp("1", fdinfo(segment, "ipcshim-exports")));
}

TEST(export_dmabuf_makes_a_hand_over_EBUSY_until_it_is_closed)
{
	struct peer peer = peer_for_memory();
	size_t size = 2 * page_size();
	int port = port_with_dmabufs();
	int segment = segment_create(port, size);
	char *address = segment_map(segment, size, PROT_READ | PROT_WRITE);
	struct ipcshim_share_mem args = share_args(peer.pid, EXCLUSIVE, R);
	int exports[2] = { export(segment), export(segment) };

	fill_pattern(address, size, 1);
	for (int i = 0; i < 2; i++) {
		ASSERT_ERRNO(EBUSY, ioctl(segment, IPCSHIM_SHARE_MEM, &args));
		args.flags = IPCSHIM_SHARE_LEND;
		ASSERT_ERRNO(EBUSY, ioctl(segment, IPCSHIM_SHARE_MEM, &args));
		args.flags = 0;
		check_pattern(address, size, 1);
		ASSERT_EQ(0, peer_events_waiting(&peer));
		close(exports[i]);
	}
	can_be_handed_over(&peer, segment);
}

TEST(export_dmabuf_and_mutual_shares_go_together)
{
	struct holder holder = { .peer = peer_for_memory() };
	int segment = segment_create(port_with_dmabufs(), page_size());

	export(segment);
	holder_get(&holder, segment, MUTUAL, R);
	ASSERT_EQ(1, take_back(segment, 0));
	export(segment);
}

TEST(export_dmabuf_keeps_the_pages_after_the_segment)
{
	size_t size = 4 * page_size();
	int port = port_with_dmabufs();
	int segment = segment_create(port, size);
	struct ipcshim_query now;
	int fd = export(segment);

	close(segment);
	now = query(port);
	ASSERT_EQ(1, now.segments);
	ASSERT_EQ(size, now.segment_bytes);
	ASSERT_EQ(size, now.used_segment_bytes);
	close(fd);
	now = query(port);
	ASSERT_EQ(0, now.segments);
	ASSERT_EQ(0, now.segment_bytes);
	ASSERT_EQ(0, now.used_segment_bytes);
	ASSERT_EQ(0, now.used_objects);
}

TEST(export_dmabuf_shows_the_same_bytes_when_mapped)
{
	size_t size = 4 * page_size();
	int segment = segment_create(port_with_dmabufs(), size);
	char *address = segment_map(segment, size, PROT_READ | PROT_WRITE);
	int fd = export(segment);
	char *other = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	ASSERT_TRUE(other != MAP_FAILED);
	fill_pattern(address, size, 1);
	check_pattern(other, size, 1);
	fill_pattern(other, size, 2);
	check_pattern(address, size, 2);
	ASSERT_TRUE(mmap(NULL, 2 * size, PROT_READ, MAP_SHARED, fd, 0) == MAP_FAILED);
	ASSERT_TRUE(mmap(NULL, size, PROT_READ, MAP_SHARED, fd, (off_t)size) == MAP_FAILED);
}

/* A mapping of the dma-buf keeps its file, and that keeps the export. */
TEST(export_dmabuf_that_is_only_mapped_makes_a_hand_over_EBUSY)
{
	struct peer peer = peer_for_memory();
	int segment = segment_create(port_with_dmabufs(), page_size());
	int fd = export(segment);
	char *other = mmap(NULL, page_size(), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	struct ipcshim_share_mem args = share_args(peer.pid, EXCLUSIVE, R);

	ASSERT_TRUE(other != MAP_FAILED);
	other[0] = 1;
	close(fd);
	ASSERT_ERRNO(EBUSY, ioctl(segment, IPCSHIM_SHARE_MEM, &args));
	ASSERT_OK(munmap(other, page_size()));
	can_be_handed_over(&peer, segment);
}
