// SPDX-License-Identifier: MIT
/* OPEN_PIPE with MAPPED: what it gives, what it costs, and what it is refused for. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "harness.h"
#include "mapped.h"

/* Two index pages and the data. */
static uint64_t cost(unsigned int mode, unsigned int units)
{
	uint64_t area = (uint64_t)units * UNIT + (mode == MESSAGE ? page_size() : 0);

	return area + 2 * page_size();
}

TEST(open_mapped_has_the_capacity_and_the_area_that_were_asked)
{
	static const unsigned int units[] = { 0, 1, 3, 16, 256 };
	int port = port_open();

	for (unsigned int i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		for (unsigned int mode = RAW; mode <= MESSAGE; mode++) {
			struct ends ends = mapped_open(port, mode, units[i]);
			uint64_t capacity = (uint64_t)(units[i] ? units[i] : 1) * UNIT;

			for (int receiver = 0; receiver < 2; receiver++) {
				struct ipcshim_pipe_info info =
					info_of(receiver ? ends.receiver : ends.sender);

				ASSERT_EQ(capacity, info.capacity);
				ASSERT_EQ(capacity + (mode == MESSAGE ? page_size() : 0),
					  info.area);
				ASSERT_EQ(0, info.bytes_waiting);
				ASSERT_EQ(capacity, info.bytes_free);
				ASSERT_EQ(IPCSHIM_INFO_CAN_MAP,
					  info.flags & (IPCSHIM_INFO_CAN_MAP |
							IPCSHIM_INFO_IS_MAPPED));
			}
			close(ends.sender);
			close(ends.receiver);
		}
	}
}

TEST(a_pipe_that_was_not_opened_mapped_has_no_area)
{
	struct ends ends = ends_open(port_open(), RAW, 1);

	ASSERT_EQ(0, info_of(ends.sender).area);
	ASSERT_EQ(0, info_of(ends.receiver).area);
	ASSERT_EQ(0, info_of(ends.sender).flags & IPCSHIM_INFO_CAN_MAP);
	ASSERT_EQ(0, strlen(fdinfo(ends.sender, "ipcshim-mapped")));
	ASSERT_EQ(0, strlen(fdinfo(ends.receiver, "ipcshim-area")));
}

TEST(open_mapped_is_charged_whole_and_at_once_and_given_back)
{
	int port = port_open();

	for (unsigned int mode = RAW; mode <= MESSAGE; mode++) {
		struct state before = state_now(port);
		struct ends ends = mapped_open(port, mode, 2);
		struct ipcshim_query now = query(port);

		ASSERT_EQ(before.query.ring_bytes + cost(mode, 2), now.ring_bytes);
		ASSERT_EQ(before.query.used_bytes + cost(mode, 2), now.used_bytes);
		ASSERT_EQ(before.query.used_objects + 1, now.used_objects);
		ASSERT_EQ(1, write(ends.sender, "x", 1));
		ASSERT_EQ(now.ring_bytes, query(port).ring_bytes);
		close(ends.sender);
		ASSERT_EQ(now.ring_bytes, query(port).ring_bytes);
		close(ends.receiver);
		state_same(port, &before);
	}
}

static void opens_at_the_limit(int fd, void *argument)
{
	unsigned int mode = *(const unsigned int *)argument;
	struct ipcshim_open_pipe args = mapped_args(mode, 1);
	struct state before;
	int port;

	become(OTHER_UID);
	port = port_open();
	before = state_now(port);
	ASSERT_ERRNO(EDQUOT, ioctl(port, IPCSHIM_OPEN_PIPE, &args));
	state_same(port, &before);
	put(fd, 0);
	get(fd); /* there is room for it now */
	ASSERT_OK(ioctl(port, IPCSHIM_OPEN_PIPE, &args));
	ASSERT_ERRNO(EDQUOT, ioctl(port, IPCSHIM_OPEN_PIPE, &args));
}

TEST(open_mapped_above_the_limit_of_bytes_is_EDQUOT_by_the_byte)
{
	for (unsigned int mode = RAW; mode <= MESSAGE; mode++) {
		struct child child;

		parameter_set("max_bytes", cost(mode, 1) - 1);
		child = child_start(opens_at_the_limit, &mode);
		get(child.fd);
		parameter_set("max_bytes", cost(mode, 1));
		put(child.fd, 0);
		child_join(&child);
	}
}

TEST(open_mapped_ends_are_O_RDWR_and_O_CLOEXEC)
{
	struct ends ends = mapped_open(port_open(), RAW, 1);

	ASSERT_EQ(O_RDWR, fcntl(ends.sender, F_GETFL) & (O_ACCMODE | O_NONBLOCK));
	ASSERT_EQ(O_RDWR, fcntl(ends.receiver, F_GETFL) & (O_ACCMODE | O_NONBLOCK));
	ASSERT_EQ(FD_CLOEXEC, fcntl(ends.sender, F_GETFD));
	ASSERT_EQ(FD_CLOEXEC, fcntl(ends.receiver, F_GETFD));
}

TEST(open_mapped_nonblock_makes_both_descriptors_O_NONBLOCK)
{
	struct ipcshim_open_pipe args = mapped_args(MESSAGE, 1);
	char byte;

	args.flags |= IPCSHIM_OPEN_NONBLOCK;
	ASSERT_OK(ioctl(port_open(), IPCSHIM_OPEN_PIPE, &args));
	ASSERT_TRUE(fcntl(args.fd, F_GETFL) & O_NONBLOCK);
	ASSERT_TRUE(fcntl(args.peer_fd, F_GETFL) & O_NONBLOCK);
	ASSERT_ERRNO(EAGAIN, read(args.peer_fd, &byte, 1));
}

TEST(read_of_a_mapped_sender_and_write_of_a_mapped_receiver_are_EINVAL)
{
	for (unsigned int mode = RAW; mode <= MESSAGE; mode++) {
		struct ends ends = mapped_open(port_open(), mode, 1);
		struct ipcshim_pipe_io args = io_args(&ends, 1, IPCSHIM_IO_FAIL);
		char byte;

		ASSERT_EQ(1, write(ends.sender, "x", 1));
		ASSERT_ERRNO(EINVAL, read(ends.sender, &byte, 1));
		ASSERT_ERRNO(EINVAL, write(ends.receiver, "y", 1));
		/* The calls say what they always say. */
		ASSERT_ERRNO(ENOTTY, ioctl(ends.sender, IPCSHIM_PIPE_READ, &args));
		ASSERT_ERRNO(ENOTTY, ioctl(ends.receiver, IPCSHIM_PIPE_WRITE, &args));
		ASSERT_EQ(1, read(ends.receiver, &byte, 1));
		ASSERT_EQ('x', byte);
	}
}

TEST(open_mapped_skip_without_a_pid_is_EINVAL)
{
	struct ipcshim_open_pipe args = mapped_args(RAW, 1);
	int port = port_open();
	struct state before = state_now(port);

	args.flags |= IPCSHIM_OPEN_SKIP;
	ASSERT_ERRNO(EINVAL, ioctl(port, IPCSHIM_OPEN_PIPE, &args));
	state_same(port, &before);
}

TEST(open_mapped_answer_to_read_only_memory_is_EFAULT_and_opens_nothing)
{
	struct ipcshim_open_pipe args = mapped_args(RAW, 256);
	void *copy = read_only_copy(&args, sizeof(args));
	int port = port_open();
	struct state before = state_now(port);

	ASSERT_ERRNO(EFAULT, ioctl(port, IPCSHIM_OPEN_PIPE, copy));
	state_same(port, &before);
}

TEST(open_mapped_without_descriptor_numbers_is_EMFILE_and_opens_nothing)
{
	struct ipcshim_open_pipe args = mapped_args(RAW, 1);
	struct rlimit limit;
	int port = port_open();
	struct state before = state_now(port);

	ASSERT_OK(getrlimit(RLIMIT_NOFILE, &limit));
	limit.rlim_cur = (rlim_t)before.first_free + 1;
	ASSERT_OK(setrlimit(RLIMIT_NOFILE, &limit));
	ASSERT_ERRNO(EMFILE, ioctl(port, IPCSHIM_OPEN_PIPE, &args));
	limit.rlim_cur = limit.rlim_max;
	ASSERT_OK(setrlimit(RLIMIT_NOFILE, &limit));
	state_same(port, &before);
}

TEST(send_pipe_knows_no_MAPPED)
{
	struct ends ends = mapped_open(port_open(), RAW, 1);
	struct ipcshim_send_pipe args = send_args(getpid());

	args.flags = IPCSHIM_OPEN_MAPPED;
	ASSERT_ERRNO(EINVAL, ioctl(ends.sender, IPCSHIM_SEND_PIPE, &args));
}

TEST(open_mapped_to_a_process_can_be_mapped_by_both)
{
	struct peer peer = peer_listening();
	struct ipcshim_open_pipe args = mapped_args(MESSAGE, 3);
	struct ipcshim_event event;
	struct ipcshim_claim got;
	struct ring ring;
	uint64_t address;

	args.pid = (uint32_t)peer.pid;
	ASSERT_OK(ioctl(port_open(), IPCSHIM_OPEN_PIPE, &args));
	event = peer_event(&peer);
	ASSERT_EQ(3 * UNIT, event.recv_pipe.capacity);
	ASSERT_EQ(MESSAGE, event.recv_pipe.mode);
	got = peer_take(&peer, event.token);
	ASSERT_EQ(3 * UNIT, got.capacity);
	ring = ring_map(args.fd);
	ASSERT_EQ(0, peer_map(&peer, got.fd, ring.size, PROT_READ, MAP_SHARED, &address));
	ring_put_message(&ring, "hello", 5);
	fill_pattern(ring.data + page_size(), page_size(), 7);
	peer_check(&peer, address + 3 * page_size(), page_size(), 7);
	/* The data lies there twice. */
	peer_check(&peer, address + 3 * page_size() + ring.area, page_size(), 7);
}

static int reopened(int fd, int flags)
{
	char path[64];
	int again;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	again = open(path, flags | O_CLOEXEC);
	return again;
}

TEST(a_mapped_end_opens_again_by_its_path_as_itself_and_O_RDWR_only)
{
	struct ends ends = mapped_open(port_open(), RAW, 1);
	int sender = reopened(ends.sender, O_RDWR);
	int receiver = reopened(ends.receiver, O_RDWR);
	char byte;

	ASSERT_OK(sender);
	ASSERT_OK(receiver);
	ASSERT_EQ(info_of(ends.sender).inode, info_of(sender).inode);
	ASSERT_ERRNO(EACCES, reopened(ends.sender, O_WRONLY));
	ASSERT_ERRNO(EACCES, reopened(ends.sender, O_RDONLY));
	ASSERT_ERRNO(EACCES, reopened(ends.receiver, O_RDONLY));
	ASSERT_ERRNO(EACCES, reopened(ends.receiver, O_WRONLY));
	ASSERT_EQ(1, write(sender, "x", 1));
	ASSERT_EQ(1, read(receiver, &byte, 1));
	ring_map(sender);
	ASSERT_TRUE(is_mapped(ends.sender));
	ASSERT_TRUE(!is_mapped(ends.receiver));
	ASSERT_ERRNO(EINVAL, read(sender, &byte, 1));
}

TEST(an_end_that_was_not_opened_mapped_never_opens_again_as_O_RDWR)
{
	struct ends ends = ends_open(port_open(), RAW, 1);

	ASSERT_ERRNO(EACCES, reopened(ends.sender, O_RDWR));
	ASSERT_ERRNO(EACCES, reopened(ends.receiver, O_RDWR));
}

TEST(fdinfo_tells_whether_an_end_is_mapped_and_how_much_there_is)
{
	struct ends ends = mapped_open(port_open(), MESSAGE, 1);
	struct ring ring;
	char area[32];

	snprintf(area, sizeof(area), "%zu", UNIT + page_size());
	ASSERT_EQ(0, strcmp(fdinfo(ends.sender, "ipcshim-mapped"), "0"));
	ASSERT_EQ(0, strcmp(fdinfo(ends.receiver, "ipcshim-mapped"), "0"));
	ASSERT_EQ(0, strcmp(fdinfo(ends.sender, "ipcshim-area"), area));
	ASSERT_EQ(0, strcmp(fdinfo(ends.receiver, "ipcshim-area"), area));
	ring = ring_map(ends.receiver);
	ASSERT_EQ(0, strcmp(fdinfo(ends.sender, "ipcshim-mapped"), "0"));
	ASSERT_EQ(0, strcmp(fdinfo(ends.receiver, "ipcshim-mapped"), "1"));
	ring_unmap(&ring);
	ASSERT_EQ(0, strcmp(fdinfo(ends.receiver, "ipcshim-mapped"), "0"));
}
