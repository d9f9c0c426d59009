// SPDX-License-Identifier: MIT
/* Messages that carry what they must not, or that can't be unpacked: nothing was lost. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "harness.h"
#include "pty.h"
#include "sockets.h"

/* Refused beside a pipe and a segment to be handed over, which both stay. */
#define REJECT_CARRY(name, errno_expected, change)                             \
	TEST(name)                                                             \
	{                                                                      \
		int port = port_open();                                        \
		struct pair pair = pair_open(port, 0);                         \
		struct pair other = pair_open(port, 0);                        \
		struct ends ends = ends_open(port, IPCSHIM_PIPE_RAW, 0);       \
		int segment = segment_create(port, page_size());               \
		char *address = segment_map(segment, page_size(), PROT_READ | PROT_WRITE); \
		struct ipcshim_descriptor args[] = {                           \
			carried_segment(segment, EXCLUSIVE, R | W),            \
			carried(ends.sender),                                  \
			carried(other.client),                                 \
			carried(ends.receiver),                                \
		};                                                             \
		struct state before;                                           \
                                                                               \
		fill_pattern(address, page_size(), 1);                         \
		change;                                                        \
		before = state_now(port);                                      \
		ASSERT_EQ(errno_expected, try_send_with(pair.client, args, 4)); \
		state_same(port, &before);                                     \
		expect_no_message(pair.service);                               \
		check_pattern(address, page_size(), 1);                        \
		ASSERT_EQ(IPCSHIM_MEM_INFO_OWNER, segment_info(segment).flags); \
		ASSERT_EQ(1, write(ends.sender, "x", 1));                      \
		expect_works(other);                                           \
		expect_works(pair);                                            \
	}

REJECT_CARRY(carry_what_is_no_descriptor_is_EBADF, EBADF, args[3].fd = -1)
REJECT_CARRY(carry_a_descriptor_above_any_is_EBADF, EBADF, args[3].fd = 0x7fffffff)
REJECT_CARRY(carry_an_eventfd_is_EOPNOTSUPP, EOPNOTSUPP, args[3].fd = eventfd(0, EFD_CLOEXEC))
REJECT_CARRY(carry_a_device_is_EOPNOTSUPP, EOPNOTSUPP,
	     args[3].fd = open("/dev/null", O_RDWR | O_CLOEXEC))
REJECT_CARRY(carry_a_port_is_EOPNOTSUPP, EOPNOTSUPP, args[3].fd = port)
REJECT_CARRY(carry_a_pty_is_EOPNOTSUPP, EOPNOTSUPP, args[3].fd = master_open(port))
REJECT_CARRY(carry_a_kind_that_the_sender_says_is_EINVAL, EINVAL, args[3].kind = IPCSHIM_KIND_PIPE)
REJECT_CARRY(carry_an_error_that_the_sender_says_is_EINVAL, EINVAL, args[3].error = 1)
REJECT_CARRY(carry_a_capacity_that_the_sender_says_is_EINVAL, EINVAL, args[3].capacity = UNIT)
REJECT_CARRY(carry_an_inode_that_the_sender_says_is_EINVAL, EINVAL, args[3].inode = 1)
REJECT_CARRY(carry_a_length_that_the_sender_says_is_EINVAL, EINVAL, args[3].length = 1)
REJECT_CARRY(carry_a_pipe_with_a_mode_is_EINVAL, EINVAL, args[3].mode = MUTUAL)
REJECT_CARRY(carry_a_pipe_with_rights_is_EINVAL, EINVAL, args[3].rights = R)
REJECT_CARRY(carry_a_socket_with_a_mode_is_EINVAL, EINVAL, args[2].mode = EXCLUSIVE)
REJECT_CARRY(carry_a_socket_with_rights_is_EINVAL, EINVAL, args[2].rights = R)
REJECT_CARRY(carry_a_segment_without_a_mode_is_EINVAL, EINVAL, args[0].mode = 0)
REJECT_CARRY(carry_a_segment_in_a_mode_that_no_sharer_has_is_EINVAL, EINVAL,
	     args[0].mode = IPCSHIM_MEM_LENT)
REJECT_CARRY(carry_a_segment_without_rights_is_EINVAL, EINVAL, args[0].rights = 0)
REJECT_CARRY(carry_a_segment_that_can_be_written_only_is_EINVAL, EINVAL, args[0].rights = W)
REJECT_CARRY(carry_a_segment_with_write_and_execute_is_EINVAL, EINVAL, args[0].rights = R | W | X)
REJECT_CARRY(carry_a_segment_with_unknown_rights_is_EINVAL, EINVAL, args[0].rights = R | 0x10)
REJECT_CARRY(carry_the_same_segment_twice_is_EINVAL, EINVAL, args[3] = args[0])
REJECT_CARRY(carry_the_same_segment_twice_in_two_modes_is_EINVAL, EINVAL,
	     args[3] = carried_segment(segment, MUTUAL, R))
REJECT_CARRY(carry_the_same_segment_by_two_descriptors_is_EINVAL, EINVAL,
	     args[3] = carried_segment(dup(segment), EXCLUSIVE, R))

static void closes_pipe(int end)
{
	struct ipcshim_close_pipe args = { 0 };

	ASSERT_OK(ioctl(end, IPCSHIM_CLOSE_PIPE, &args));
}

static struct ends closed_pipe(int port)
{
	struct ends ends = ends_open(port, IPCSHIM_PIPE_RAW, 0);

	closes_pipe(ends.sender);
	return ends;
}

static int closed_socket(int port)
{
	struct pair pair = pair_open(port, 0);
	struct ipcshim_close_serv_sock args = { 0 };

	ASSERT_OK(ioctl(pair.client, IPCSHIM_CLOSE_SERV_SOCK, &args));
	return pair.service;
}

static int handed_over(int port)
{
	int segment = segment_create(port, page_size());
	struct pair pair = pair_open(port, 0);
	struct ipcshim_descriptor descriptor = carried_segment(segment, EXCLUSIVE, R);

	send_with(pair.client, &descriptor, 1);
	return segment;
}

REJECT_CARRY(carry_an_end_of_a_closed_pipe_is_EPIPE, EPIPE, args[3].fd = closed_pipe(port).receiver)
REJECT_CARRY(carry_a_closed_socket_is_EPIPE, EPIPE, args[3].fd = closed_socket(port))
REJECT_CARRY(carry_a_segment_that_was_handed_over_is_ESTALE, ESTALE,
	     args[3] = carried_segment(handed_over(port), MUTUAL, R))

TEST(carry_a_segment_by_who_does_not_own_it_is_EPERM)
{
	static const struct peer_options options = { .codes = SOCKET_CODES | MEMORY_CODES };
	struct ipcshim_descriptor *given = shared_memory(page_size());
	struct peer peer = peer_start(&options);
	int port = port_open();

	for (unsigned int mode = MUTUAL; mode <= EXCLUSIVE; mode++) {
		struct remote remote = remote_open(port, &peer, SERVICE);
		int segment = segment_create(port, page_size());
		struct ipcshim_share_mem shared = share(segment, peer.pid, MUTUAL, R);
		struct ipcshim_send_sock_msg args = first_args(NULL, 0);

		*given = carried_segment(peer_take(&peer, shared.token).fd, mode, R);
		args.message.nr_descriptors = 1;
		args.descriptors = (uintptr_t)given;
		ASSERT_EQ(EPERM, peer_ioctl(&peer, remote.peer_fd, IPCSHIM_SEND_SOCK_MSG, &args));
		expect_no_message(remote.fd);
	}
}

TEST(carry_a_segment_with_more_rights_than_one_has_is_EACCES)
{
	int port = port_open();
	struct pair pair = pair_open(port, 0);
	int segment = segment_create(port, page_size());
	struct ipcshim_descriptor descriptor = carried_segment(segment, EXCLUSIVE, R);
	struct ipcshim_descriptor got;
	struct state before;

	send_with(pair.client, &descriptor, 1);
	read_with(pair.service, &got, 1);
	before = state_now(port);
	descriptor = carried_segment(got.fd, EXCLUSIVE, R | W);
	ASSERT_EQ(EACCES, try_send_with(pair.client, &descriptor, 1));
	descriptor = carried_segment(got.fd, MUTUAL, R | X);
	ASSERT_EQ(EACCES, try_send_with(pair.client, &descriptor, 1));
	state_same(port, &before);
	expect_no_message(pair.service);
	/* It still is the owner's. */
	descriptor = carried_segment(got.fd, EXCLUSIVE, R | C);
	send_with(pair.client, &descriptor, 1);
}

/* A message with a pipe, a socket and a segment that waits. */
struct parcel {
	struct pair pair;
	struct pair other;
	struct ends ends;
	struct ipcshim_descriptor got[4];
};

static void parcel_send(struct parcel *parcel, int port)
{
	struct ipcshim_descriptor given[3];

	parcel->pair = pair_open(port, 0);
	parcel->other = pair_open(port, 0);
	parcel->ends = ends_open(port, IPCSHIM_PIPE_RAW, 0);
	given[0] = carried(parcel->ends.sender);
	given[1] = carried(parcel->other.client);
	given[2] = carried_segment(segment_create(port, page_size()), EXCLUSIVE, R);
	send_with(parcel->pair.client, given, 3);
	close(given[2].fd);
	close(parcel->ends.sender);
	close(parcel->other.client);
}

/* It is whole, and nothing of it was opened before. */
static void parcel_is_whole(struct parcel *parcel)
{
	char byte;

	ASSERT_EQ(1, read_with(parcel->pair.service, parcel->got, 3));
	ASSERT_EQ(1, write(parcel->got[0].fd, "x", 1));
	close(parcel->got[0].fd);
	ASSERT_EQ(1, read(parcel->ends.receiver, &byte, 1));
	/* That was the last sender. */
	ASSERT_EQ(0, read(parcel->ends.receiver, &byte, 1));
	parcel->other.client = parcel->got[1].fd;
	expect_works(parcel->other);
	ASSERT_EQ(IPCSHIM_MEM_EXCLUSIVE, segment_info(parcel->got[2].fd).mode);
	ASSERT_EQ(IPCSHIM_MEM_INFO_OWNER, segment_info(parcel->got[2].fd).flags);
	expect_no_message(parcel->pair.service);
}

static int try_read(struct parcel *parcel, void *descriptors, unsigned int room)
{
	struct ipcshim_read_sock_msg args = read_msg_args(NULL, 0);

	args.descriptors = (uintptr_t)descriptors;
	args.room = room;
	return ioctl(parcel->pair.service, IPCSHIM_READ_SOCK_MSG, &args) < 0 ? errno : 0;
}

TEST(carried_that_find_no_room_are_EMSGSIZE_and_the_message_stays)
{
	int port = port_open();
	struct parcel parcel;
	struct state before;

	parcel_send(&parcel, port);
	before = state_now(port);
	for (unsigned int room = 0; room < 3; room++) {
		struct ipcshim_read_sock_msg args = read_msg_args(NULL, 0);

		args.descriptors = (uintptr_t)parcel.got;
		args.room = room;
		ASSERT_ERRNO(EMSGSIZE,
			     ioctl(parcel.pair.service, IPCSHIM_READ_SOCK_MSG, &args));
		ASSERT_EQ(3, args.message.nr_descriptors);
		ASSERT_EQ(1, args.message.exchange);
		state_same(port, &before);
	}
	parcel_is_whole(&parcel);
}

TEST(carried_to_a_bad_address_are_EFAULT_and_the_message_stays)
{
	int port = port_open();
	char *pages = mmap(NULL, 2 * page_size(), PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct parcel parcel;
	struct state before;

	ASSERT_TRUE(pages != MAP_FAILED);
	ASSERT_OK(mprotect(pages + page_size(), page_size(), PROT_NONE));
	parcel_send(&parcel, port);
	before = state_now(port);
	/* None, one, two of three can be told. */
	for (unsigned int good = 0; good < 3; good++) {
		ASSERT_EQ(EFAULT, try_read(&parcel,
					   pages + page_size() -
						   good * sizeof(struct ipcshim_descriptor),
					   3));
		state_same(port, &before);
	}
	ASSERT_EQ(EFAULT, try_read(&parcel, NULL, 8));
	state_same(port, &before);
	parcel_is_whole(&parcel);
}

TEST(carried_to_read_only_arguments_are_EFAULT_and_the_message_stays)
{
	int port = port_open();
	struct ipcshim_read_sock_msg args = read_msg_args(NULL, 0);
	struct parcel parcel;
	struct state before;

	args.descriptors = (uintptr_t)parcel.got;
	args.room = 4;
	parcel_send(&parcel, port);
	before = state_now(port);
	ASSERT_ERRNO(EFAULT, ioctl(parcel.pair.service, IPCSHIM_READ_SOCK_MSG,
				   read_only_copy(&args, sizeof(args))));
	state_same(port, &before);
	parcel_is_whole(&parcel);
}

TEST(carried_without_descriptor_numbers_are_EMFILE_and_the_message_stays)
{
	int port = port_open();
	struct parcel parcel;
	struct rlimit limit;
	struct state before;
	int free_numbers[3];

	parcel_send(&parcel, port);
	before = state_now(port);
	for (int i = 0; i < 3; i++)
		free_numbers[i] = dup(port);
	for (int i = 0; i < 3; i++)
		close(free_numbers[i]);
	ASSERT_OK(getrlimit(RLIMIT_NOFILE, &limit));
	/* For none, for one, for two. */
	for (int i = 0; i < 3; i++) {
		limit.rlim_cur = (rlim_t)free_numbers[i];
		ASSERT_OK(setrlimit(RLIMIT_NOFILE, &limit));
		ASSERT_EQ(EMFILE, try_read(&parcel, parcel.got, 3));
		limit.rlim_cur = limit.rlim_max;
		ASSERT_OK(setrlimit(RLIMIT_NOFILE, &limit));
		state_same(port, &before);
		ASSERT_EQ(1, socket_info(parcel.pair.service, "ipcshim-messages"));
	}
	parcel_is_whole(&parcel);
}

TEST(call_whose_answer_carries_what_can_not_be_installed_is_EMFILE_and_can_go_on)
{
	int port = port_open();
	struct pair pair = pair_open(port, 0);
	struct ends ends = ends_open(port, IPCSHIM_PIPE_RAW, 0);
	struct ipcshim_descriptor given = carried(ends.sender);
	struct ipcshim_descriptor got;
	struct ipcshim_call args = call_args(NULL, 0, NULL, 0);
	struct ipcshim_send_sock_msg reply;
	struct rlimit limit;
	struct state before;
	int first_free;

	args.deadline = in_nanoseconds(1000000);
	ASSERT_ERRNO(ETIMEDOUT, ioctl(pair.client, IPCSHIM_CALL, &args));
	take_request(pair.service);
	reply = answer_args(1, NULL, 0);
	reply.message.nr_descriptors = 1;
	reply.descriptors = (uintptr_t)&given;
	ASSERT_OK(ioctl(pair.service, IPCSHIM_SEND_SOCK_MSG, &reply));
	before = state_now(port);
	args.deadline = 0;
	/* No room at all. */
	ASSERT_ERRNO(EMSGSIZE, ioctl(pair.client, IPCSHIM_CALL, &args));
	ASSERT_EQ(1, args.message.nr_descriptors);
	args.descriptors = (uintptr_t)&got;
	args.room = 1;
	first_free = dup(port);
	close(first_free);
	ASSERT_OK(getrlimit(RLIMIT_NOFILE, &limit));
	limit.rlim_cur = (rlim_t)first_free;
	ASSERT_OK(setrlimit(RLIMIT_NOFILE, &limit));
	ASSERT_ERRNO(EMFILE, ioctl(pair.client, IPCSHIM_CALL, &args));
	limit.rlim_cur = limit.rlim_max;
	ASSERT_OK(setrlimit(RLIMIT_NOFILE, &limit));
	ASSERT_EQ(SENT, args.flags);
	ASSERT_EQ(1, args.message.exchange);
	state_same(port, &before);
	ASSERT_OK(ioctl(pair.client, IPCSHIM_CALL, &args));
	ASSERT_EQ(IPCSHIM_END_SENDER, got.end);
	ASSERT_EQ(0, query(port).messages);
}
