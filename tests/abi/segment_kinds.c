// SPDX-License-Identifier: MIT
/* Segments among the kinds of descriptors: what one has and another has not. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "calls.h"
#include "harness.h"
#include "memory.h"

TEST(port_answers_ENOTTY_to_what_only_a_segment_has)
{
	lacks_calls_of_a_segment(memory_port());
}

TEST(pipe_ends_answer_ENOTTY_to_calls_about_segments)
{
	struct ends ends = ends_open(port_open(), IPCSHIM_PIPE_RAW, 0);

	lacks_calls_of_a_segment(ends.sender);
	lacks_calls_of_a_segment(ends.receiver);
}

TEST(memory_file_of_others_answers_ENOTTY)
{
	int memfd = memfd_create("other", MFD_CLOEXEC);

	ASSERT_OK(memfd);
	lacks_calls_of_a_segment(memfd);
}

TEST(segment_answers_ENOTTY_to_what_a_port_has)
{
	lacks_calls_of_a_port(segment_create(port_open(), page_size()));
}

TEST(segment_answers_ENOTTY_to_what_a_pipe_end_has)
{
	lacks_calls_of_a_pipe(segment_create(port_open(), page_size()));
}

TEST(segment_answers_ENOTTY_to_unknown_commands)
{
	int segment = segment_create(port_open(), page_size());
	char args[256] = { 0 };

	lacks_unknown_calls(segment);
	/* The right number with the wrong size or direction. */
	ASSERT_ERRNO(ENOTTY,
		     ioctl(segment, _IOC(_IOC_READ | _IOC_WRITE, IPCSHIM_IOC_MAGIC, 0x34, 56), args));
	ASSERT_ERRNO(ENOTTY,
		     ioctl(segment, _IOC(_IOC_READ | _IOC_WRITE, IPCSHIM_IOC_MAGIC, 0x37, 8), args));
}

TEST(segment_answers_EBADF_when_closed_or_opened_with_O_PATH)
{
	struct ipcshim_mem_info info = { 0 };
	int segment = segment_create(port_open(), page_size());
	char path[64];
	int other;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", segment);
	other = open(path, O_PATH | O_CLOEXEC);
	ASSERT_OK(other);
	ASSERT_ERRNO(EBADF, ioctl(other, IPCSHIM_MEM_SHARING_INFO, &info));
	close(segment);
	ASSERT_ERRNO(EBADF, ioctl(segment, IPCSHIM_MEM_SHARING_INFO, &info));
}

static int open_again(pid_t pid, int fd, int flags)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int)pid, fd);
	return open(path, flags | O_CLOEXEC);
}

/* One more descriptor of the same grant: by /proc nobody comes to more rights. */
TEST(segment_opened_again_through_proc_to_write_without_the_right_is_EACCES)
{
	static const unsigned int rights[] = { R, R | X, R | C };
	struct peer peer = peer_for_memory();
	int port = memory_port();

	for (unsigned int i = 0; i < sizeof(rights) / sizeof(rights[0]); i++) {
		int segment = segment_create(port, page_size());
		struct ipcshim_share_mem args = share(segment, peer.pid, MUTUAL, rights[i]);
		int theirs = peer_take(&peer, args.token).fd;
		int fd;

		ASSERT_ERRNO(EACCES, open_again(peer.pid, theirs, O_RDWR));
		ASSERT_ERRNO(EACCES, open_again(peer.pid, theirs, O_WRONLY));
		fd = open_again(peer.pid, theirs, O_RDONLY);
		if (fd < 0)
			continue;
		ASSERT_EQ(rights[i], segment_info(fd).rights);
		ASSERT_EQ(0, segment_info(fd).flags);
		ASSERT_TRUE(mmap(NULL, page_size(), PROT_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED);
		ASSERT_EQ(EACCES, errno);
		/* And it goes with the grant. */
		ASSERT_EQ(1, take_back(segment, 0));
		expect_stale(fd);
		ASSERT_ERRNO(ESTALE, open_again(peer.pid, theirs, O_RDONLY));
	}
}

TEST(segment_opened_again_through_proc_to_read_can_not_be_mapped_to_write)
{
	int segment = segment_create(port_open(), page_size());
	int fd = open_again(getpid(), segment, O_RDONLY);

	ASSERT_OK(fd);
	segment_map(fd, page_size(), PROT_READ);
	ASSERT_TRUE(mmap(NULL, page_size(), PROT_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED);
	ASSERT_EQ(EACCES, errno);
}

TEST(segment_opened_again_through_proc_keeps_its_length_and_contents)
{
	size_t size = 2 * page_size();
	int segment = segment_create(port_open(), size);
	char *address = segment_map(segment, size, PROT_READ | PROT_WRITE);
	struct stat state;

	fill_pattern(address, size, 1);
	ASSERT_EQ(-1, open_again(getpid(), segment, O_RDWR | O_TRUNC));
	ASSERT_OK(fstat(segment, &state));
	ASSERT_EQ(size, state.st_size);
	check_pattern(address, size, 1);
}

TEST(segment_is_not_read_or_written_as_a_file)
{
	int segment = segment_create(port_open(), page_size());
	char byte = 1;

	ASSERT_ERRNO(EINVAL, read(segment, &byte, 1));
	ASSERT_ERRNO(EINVAL, write(segment, &byte, 1));
	ASSERT_EQ(-1, pread(segment, &byte, 1, 0));
	ASSERT_EQ(-1, pwrite(segment, &byte, 1, 0));
	ASSERT_EQ(0, segment_info(segment).allocated);
}

TEST(segment_keeps_its_length)
{
	size_t size = 4 * page_size();
	int segment = segment_create(port_open(), size);
	char *address = segment_map(segment, size, PROT_READ | PROT_WRITE);
	struct stat state;

	fill_pattern(address, size, 1);
	ASSERT_EQ(-1, ftruncate(segment, 0));
	ASSERT_EQ(-1, ftruncate(segment, (off_t)(2 * size)));
	ASSERT_EQ(-1, fallocate(segment, 0, 0, (off_t)(2 * size)));
	ASSERT_EQ(-1, fallocate(segment, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0,
				(off_t)size));
	ASSERT_OK(fstat(segment, &state));
	ASSERT_EQ(size, state.st_size);
	check_pattern(address, size, 1);
}

TEST(segment_polls_nothing_until_it_is_stale)
{
	struct peer peer = peer_for_memory();
	int segment = segment_create(port_open(), page_size());
	struct pollfd ready = { .fd = segment, .events = POLLIN | POLLOUT | POLLPRI };

	poll(&ready, 1, 0);
	ASSERT_EQ(0, ready.revents & (POLLHUP | POLLERR | POLLNVAL));
	share(segment, peer.pid, EXCLUSIVE, R);
	ASSERT_EQ(1, poll(&ready, 1, 0));
	ASSERT_EQ(POLLHUP, ready.revents & (POLLHUP | POLLERR | POLLNVAL));
}

static void polls(int fd, void *argument)
{
	struct pollfd ready = { .fd = *(int *)argument };

	put(fd, 0);
	ASSERT_EQ(1, poll(&ready, 1, -1));
	ASSERT_EQ(POLLHUP, ready.revents);
}

TEST(segment_that_is_revoked_wakes_who_polls_it)
{
	struct peer owner = peer_for_memory();
	int port = memory_port();
	struct ipcshim_create_mem create = { .length = page_size() };
	struct ipcshim_share_mem args = share_args(getpid(), MUTUAL, R);
	struct ipcshim_unshare_mem revoke = { 0 };
	struct child child;
	int segment;

	ASSERT_EQ(0, peer_ioctl(&owner, -1, IPCSHIM_CREATE_MEM, &create));
	ASSERT_EQ(0, peer_ioctl(&owner, create.fd, IPCSHIM_SHARE_MEM, &args));
	segment = claim(port, args.token).fd;
	child = child_start(polls, &segment);
	get(child.fd);
	wait_until_asleep(child.pid);
	ASSERT_EQ(0, peer_ioctl(&owner, create.fd, IPCSHIM_UNSHARE_MEM, &revoke));
	child_join(&child);
}
