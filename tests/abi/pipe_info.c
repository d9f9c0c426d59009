// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "harness.h"
#include "support.h"

#define REJECT_INFO(name, errno_expected, change)                              \
	TEST(name)                                                             \
	{                                                                      \
		struct ends ends = ends_open(port_open(), IPCSHIM_PIPE_RAW, 0); \
		struct ipcshim_pipe_info args = { 0 };                         \
                                                                               \
		change;                                                        \
		ASSERT_ERRNO(errno_expected,                                   \
			     ioctl(ends.sender, IPCSHIM_PIPE_INFO, &args));    \
		ASSERT_ERRNO(errno_expected,                                   \
			     ioctl(ends.receiver, IPCSHIM_PIPE_INFO, &args));  \
	}

REJECT_INFO(pipe_info_flags_set_is_EINVAL, EINVAL, args.flags = 1)
REJECT_INFO(pipe_info_area_set_is_EINVAL, EINVAL, args.area = 1)
REJECT_INFO(pipe_info_reserved_field_set_is_EINVAL, EINVAL, args.reserved = 1)

TEST(pipe_info_at_a_bad_address_is_EFAULT)
{
	struct ends ends = ends_open(port_open(), IPCSHIM_PIPE_RAW, 0);

	ASSERT_ERRNO(EFAULT, ioctl(ends.sender, IPCSHIM_PIPE_INFO, bad_address()));
	ASSERT_ERRNO(EFAULT, ioctl(ends.receiver, IPCSHIM_PIPE_INFO, bad_address()));
}

TEST(pipe_info_answer_to_read_only_memory_is_EFAULT)
{
	struct ends ends = ends_open(port_open(), IPCSHIM_PIPE_RAW, 0);
	struct ipcshim_pipe_info args = { 0 };

	ASSERT_ERRNO(EFAULT, ioctl(ends.sender, IPCSHIM_PIPE_INFO,
				   read_only_copy(&args, sizeof(args))));
}

TEST(pipe_info_of_an_empty_raw_pipe)
{
	struct ends ends = ends_open(port_open(), IPCSHIM_PIPE_RAW, 2);
	struct ipcshim_pipe_info info = info_of(ends.sender);
	struct stat state;

	ASSERT_EQ(IPCSHIM_INFO_OPEN | IPCSHIM_INFO_SENDER, info.flags);
	ASSERT_EQ(getpid(), info.creator);
	ASSERT_EQ(2 * UNIT, info.capacity);
	ASSERT_EQ(2 * UNIT, info.bytes_free);
	ASSERT_EQ(0, info.bytes_waiting);
	ASSERT_EQ(0, info.messages_waiting);
	ASSERT_OK(fstat(ends.sender, &state));
	ASSERT_EQ(state.st_ino, info.inode);
	info = info_of(ends.receiver);
	ASSERT_EQ(IPCSHIM_INFO_OPEN, info.flags);
	ASSERT_EQ(getpid(), info.creator);
	ASSERT_OK(fstat(ends.receiver, &state));
	ASSERT_EQ(state.st_ino, info.inode);
}

TEST(pipe_info_ignores_what_is_only_answered)
{
	struct ends ends = ends_open(port_open(), IPCSHIM_PIPE_RAW, 0);
	struct ipcshim_pipe_info args = { .creator = 1, .capacity = 2, .bytes_free = 3,
					  .bytes_waiting = 4, .messages_waiting = 5, .inode = 6 };

	ASSERT_OK(ioctl(ends.sender, IPCSHIM_PIPE_INFO, &args));
	ASSERT_EQ(0, args.bytes_waiting);
}

TEST(pipe_info_counts_bytes_and_messages)
{
	int port = port_open();
	struct ends raw = ends_open(port, IPCSHIM_PIPE_RAW, 1);
	struct ends message = ends_open(port, IPCSHIM_PIPE_MESSAGE, 1);
	struct ipcshim_pipe_info info;

	ASSERT_EQ(10, write(raw.sender, "0123456789", 10));
	ASSERT_EQ(10, write(raw.sender, "0123456789", 10));
	info = info_of(raw.receiver);
	ASSERT_EQ(20, info.bytes_waiting);
	ASSERT_EQ(UNIT - 20, info.bytes_free);
	ASSERT_EQ(0, info.messages_waiting);
	ASSERT_EQ(10, write(message.sender, "0123456789", 10));
	ASSERT_EQ(1, write(message.sender, "0", 1));
	info = info_of(message.receiver);
	ASSERT_EQ(11, info.bytes_waiting);
	ASSERT_EQ(UNIT - 11, info.bytes_free);
	ASSERT_EQ(2, info.messages_waiting);
	ASSERT_EQ(IPCSHIM_INFO_OPEN | IPCSHIM_INFO_MESSAGE, info.flags);
}

TEST(pipe_info_says_full_when_no_byte_is_free)
{
	for (unsigned int mode = IPCSHIM_PIPE_RAW; mode <= IPCSHIM_PIPE_MESSAGE; mode++) {
		struct ends ends = ends_open(port_open(), mode, 1);
		char *content = calloc(1, UNIT);

		ASSERT_EQ(UNIT - 1, write(ends.sender, content, UNIT - 1));
		ASSERT_TRUE(!(info_of(ends.receiver).flags & IPCSHIM_INFO_FULL));
		ASSERT_EQ(1, write(ends.sender, content, 1));
		ASSERT_TRUE(info_of(ends.receiver).flags & IPCSHIM_INFO_FULL);
		ASSERT_TRUE(info_of(ends.sender).flags & IPCSHIM_INFO_FULL);
		ASSERT_EQ(0, info_of(ends.sender).bytes_free);
	}
}

TEST(pipe_info_says_not_open_when_the_other_end_is_closed)
{
	int port = port_open();
	struct ends ends = ends_open(port, IPCSHIM_PIPE_RAW, 1);

	close(ends.sender);
	ASSERT_EQ(0, info_of(ends.receiver).flags);
	ends = ends_open(port, IPCSHIM_PIPE_RAW, 1);
	close(ends.receiver);
	ASSERT_EQ(IPCSHIM_INFO_SENDER, info_of(ends.sender).flags);
}

TEST(pipe_info_tells_the_creator_to_the_other_process)
{
	struct peer peer = peer_listening();
	int port = port_handling();
	struct ipcshim_claim claim = { 0 };

	ASSERT_EQ(0, peer_open_to(&peer, getpid()));
	claim.token = event_read(port).token;
	ASSERT_OK(ioctl(port, IPCSHIM_CLAIM, &claim));
	ASSERT_EQ(peer.pid, info_of(claim.fd).creator);
}
