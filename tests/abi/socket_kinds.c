// SPDX-License-Identifier: MIT
/* Sockets and the calls of others, and the calls of sockets on others. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "calls.h"
#include "harness.h"
#include "pty.h"
#include "sockets.h"

TEST(sockets_answer_ENOTTY_to_what_others_have)
{
	struct pair pair = pair_open(port_open(), 0);
	int sides[2] = { pair.client, pair.service };

	for (int i = 0; i < 2; i++) {
		lacks_calls_of_a_port(sides[i]);
		lacks_calls_of_a_pipe(sides[i]);
		lacks_calls_of_a_segment(sides[i]);
		lacks_calls_of_a_master(sides[i]);
	}
	expect_works(pair);
}

TEST(sockets_answer_ENOTTY_to_unknown_commands)
{
	struct pair pair = pair_open(port_open(), 0);

	lacks_unknown_calls(pair.client);
	lacks_unknown_calls(pair.service);
	expect_works(pair);
}

TEST(others_answer_ENOTTY_to_the_calls_of_a_socket)
{
	int port = port_open();
	struct ends ends = ends_open(port, IPCSHIM_PIPE_MESSAGE, 0);
	int master = master_open(port);
	int others[] = { port,	 ends.sender, ends.receiver, segment_create(port, page_size()),
			 master, slave_open(master, 0), eventfd(0, EFD_CLOEXEC),
			 open("/dev/null", O_RDWR | O_CLOEXEC),
			 socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0) };

	for (unsigned int i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		ASSERT_OK(others[i]);
		lacks_calls_of_a_socket(others[i]);
	}
}

TEST(others_answer_ENOTTY_to_the_calls_of_a_service)
{
	int port = port_open();
	int others[] = { segment_create(port, page_size()), master_open(port),
			 eventfd(0, EFD_CLOEXEC) };

	for (unsigned int i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		lacks_calls_of_a_port(others[i]);
	ASSERT_EQ(0, query(port).services);
	ASSERT_EQ(0, query(port).connections);
}

TEST(sockets_opened_with_O_PATH_answer_EBADF)
{
	struct pair pair = pair_open(port_open(), 0);
	struct ipcshim_send_sock_msg args = first_args(NULL, 0);
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", pair.client);
	fd = open(path, O_PATH | O_CLOEXEC);
	ASSERT_OK(fd);
	ASSERT_ERRNO(EBADF, ioctl(fd, IPCSHIM_SEND_SOCK_MSG, &args));
	ASSERT_ERRNO(EBADF, ioctl(-1, IPCSHIM_SEND_SOCK_MSG, &args));
	expect_works(pair);
}

TEST(sockets_have_no_read_write_lseek_or_mmap)
{
	struct pair pair = pair_open(port_open(), 0);
	int sides[2] = { pair.client, pair.service };
	char byte = 1;

	open_exchange(pair.client, &byte, 1);
	for (int i = 0; i < 2; i++) {
		ASSERT_ERRNO(EINVAL, read(sides[i], &byte, 1));
		ASSERT_ERRNO(EINVAL, write(sides[i], &byte, 1));
		ASSERT_ERRNO(ESPIPE, lseek(sides[i], 0, SEEK_SET));
		ASSERT_TRUE(mmap(NULL, page_size(), PROT_READ, MAP_SHARED, sides[i], 0) ==
			    MAP_FAILED);
		ASSERT_EQ(ENODEV, errno);
		ASSERT_TRUE(ftruncate(sides[i], 0) < 0);
	}
	ASSERT_EQ(1, socket_info(pair.service, "ipcshim-messages"));
	take_request(pair.service);
	expect_works(pair);
}

TEST(sockets_can_not_be_opened_once_more_by_their_link_in_proc)
{
	struct pair pair = pair_open(port_open(), 0);
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", pair.client);
	ASSERT_ERRNO(ENXIO, open(path, O_RDWR | O_CLOEXEC));
	ASSERT_ERRNO(ENXIO, open(path, O_RDONLY | O_CLOEXEC));
	expect_works(pair);
}

TEST(sockets_are_named_in_proc_and_have_a_mode_without_a_type)
{
	struct pair pair = pair_open(port_open(), 0);
	int sides[2] = { pair.client, pair.service };
	ino_t numbers[2];

	for (int i = 0; i < 2; i++) {
		char path[64];
		char link[64] = { 0 };
		char expected[64];
		struct stat state;

		ASSERT_OK(fstat(sides[i], &state));
		ASSERT_EQ(0600, state.st_mode);
		ASSERT_EQ(0, state.st_size);
		numbers[i] = state.st_ino;
		snprintf(path, sizeof(path), "/proc/self/fd/%d", sides[i]);
		ASSERT_TRUE(readlink(path, link, sizeof(link) - 1) > 0);
		snprintf(expected, sizeof(expected), "ipcshim:[socket:%llu]",
			 (unsigned long long)state.st_ino);
		ASSERT_EQ(0, strcmp(expected, link));
	}
	ASSERT_TRUE(numbers[0] != numbers[1]);
}

TEST(socket_inode_numbers_and_connection_numbers_are_never_used_again)
{
	int port = port_open();
	uint64_t inode = 0;
	uint64_t connection = 0;

	for (int i = 0; i < 10; i++) {
		struct ipcshim_open_serv_sock args = open_socket_args();

		ASSERT_OK(ioctl(port, IPCSHIM_OPEN_SERV_SOCK, &args));
		ASSERT_TRUE(args.inode > inode);
		ASSERT_TRUE(args.connection > connection);
		inode = args.inode;
		connection = args.connection;
		close(args.fd);
		close(args.peer_fd);
	}
}

TEST(service_calls_of_the_other_side_are_EPERM_or_EINVAL)
{
	int port = socket_port();
	struct ipcshim_end_service_conn end = { 0 };
	struct ipcshim_close_serv_sock close_args = { 0 };
	struct pair nameless = pair_open(port, 0);
	struct pair pair;

	publish(port, "abi.kinds", 0);
	pair = pair_connect(port, connect_args("abi.kinds"));
	ASSERT_ERRNO(EPERM, ioctl(pair.service, IPCSHIM_END_SERVICE_CONN, &end));
	ASSERT_ERRNO(EINVAL, ioctl(pair.client, IPCSHIM_CLOSE_SERV_SOCK, &close_args));
	ASSERT_ERRNO(EINVAL, ioctl(pair.service, IPCSHIM_CLOSE_SERV_SOCK, &close_args));
	ASSERT_ERRNO(EINVAL, ioctl(nameless.client, IPCSHIM_END_SERVICE_CONN, &end));
	ASSERT_EQ(0, events_waiting(port));
	expect_works(pair);
	expect_works(nameless);
}

#define REFUSED_END(name, type, command, errno_expected, change)               \
	TEST(name)                                                             \
	{                                                                      \
		int port = socket_port();                                      \
		struct type args = { 0 };                                      \
		struct pair nameless = pair_open(port, 0);                     \
		struct pair pair;                                              \
		int fd;                                                        \
                                                                               \
		publish(port, "abi.kinds", 0);                                 \
		pair = pair_connect(port, connect_args("abi.kinds"));          \
		fd = command == IPCSHIM_END_SERVICE_CONN ? pair.client : nameless.client; \
		change;                                                        \
		ASSERT_ERRNO(errno_expected, ioctl(fd, command, &args));       \
		ASSERT_ERRNO(EFAULT, ioctl(fd, command, bad_address()));       \
		ASSERT_EQ(0, events_waiting(port));                            \
		expect_works(pair);                                            \
		expect_works(nameless);                                        \
	}

REFUSED_END(end_service_conn_flags_set_is_EINVAL, ipcshim_end_service_conn,
	    IPCSHIM_END_SERVICE_CONN, EINVAL, args.flags = 1)
REFUSED_END(end_service_conn_reserved_field_set_is_EINVAL, ipcshim_end_service_conn,
	    IPCSHIM_END_SERVICE_CONN, EINVAL, args.reserved = 1U << 31)
REFUSED_END(close_serv_sock_flags_set_is_EINVAL, ipcshim_close_serv_sock,
	    IPCSHIM_CLOSE_SERV_SOCK, EINVAL, args.flags = 1U << 31)
REFUSED_END(close_serv_sock_reserved_field_set_is_EINVAL, ipcshim_close_serv_sock,
	    IPCSHIM_CLOSE_SERV_SOCK, EINVAL, args.reserved = 1)
