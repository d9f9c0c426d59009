// SPDX-License-Identifier: MIT
/* poll, FIONREAD and O_ASYNC of sockets; and what fdinfo tells. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "harness.h"
#include "pty.h"
#include "sockets.h"

enum { BOTH_ENDED = POLLHUP | POLLRDHUP };

static char payload[LARGEST];

static int state_of(int socket)
{
	struct pollfd ready = { .fd = socket, .events = POLLIN | POLLOUT | POLLPRI | POLLRDHUP };

	ASSERT_TRUE(poll(&ready, 1, 0) >= 0);
	return ready.revents;
}

TEST(poll_tells_what_waits_and_whether_there_is_room)
{
	struct pair pair = pair_open(port_open(), 0);
	uint64_t exchange;

	ASSERT_EQ(POLLOUT, state_of(pair.client));
	ASSERT_EQ(POLLOUT, state_of(pair.service));
	exchange = open_exchange(pair.client, payload, 1);
	ASSERT_EQ(POLLOUT, state_of(pair.client));
	ASSERT_EQ(POLLIN | POLLOUT, state_of(pair.service));
	take_request(pair.service);
	ASSERT_EQ(POLLOUT, state_of(pair.service));
	answer(pair.service, exchange, NULL, 0);
	/* An empty one is a message as well. */
	ASSERT_EQ(POLLIN | POLLOUT, state_of(pair.client));
}

TEST(poll_tells_of_the_end_beside_what_is_left)
{
	struct pair pair = pair_open(port_open(), 0);

	open_exchange(pair.client, payload, 1);
	close(pair.client);
	ASSERT_EQ(POLLIN | BOTH_ENDED, state_of(pair.service) & (POLLIN | BOTH_ENDED));
	take_request(pair.service);
	ASSERT_EQ(BOTH_ENDED, state_of(pair.service) & (POLLIN | BOTH_ENDED));
}

TEST(fionread_is_the_length_of_the_next_message)
{
	struct pair pair = pair_open(port_open(), 0);

	ASSERT_EQ(0, bytes_to_read(pair.service));
	open_exchange(pair.client, payload, 0);
	open_exchange(pair.client, payload, 777);
	open_exchange(pair.client, payload, 3);
	ASSERT_EQ(0, bytes_to_read(pair.service));
	take_request(pair.service);
	ASSERT_EQ(777, bytes_to_read(pair.service));
	take_request(pair.service);
	ASSERT_EQ(3, bytes_to_read(pair.service));
	take_request(pair.service);
	ASSERT_EQ(0, bytes_to_read(pair.service));
	ASSERT_EQ(0, bytes_to_read(pair.client));
	ASSERT_ERRNO(EFAULT, ioctl(pair.service, FIONREAD, bad_address()));
}

/* Waits for a signal that O_ASYNC raised for that descriptor. */
static void expect_signal(int number, int fd)
{
	const struct timespec patience = { 15, 0 };
	siginfo_t info;
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, number);
	ASSERT_EQ(number, sigtimedwait(&set, &info, &patience));
	ASSERT_EQ(fd, info.si_fd);
}

TEST(o_async_raises_a_signal_for_a_message_for_room_and_for_the_end)
{
	struct pair pair = pair_open(port_open(), 0);
	const int number = SIGRTMIN + 3;
	int sides[2] = { pair.client, pair.service };
	struct ipcshim_send_sock_msg args = first_args(payload, LARGEST);
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, number);
	sigaddset(&set, number + 1);
	ASSERT_OK(sigprocmask(SIG_BLOCK, &set, NULL));
	for (int i = 0; i < 2; i++) {
		ASSERT_OK(fcntl(sides[i], F_SETOWN, getpid()));
		ASSERT_OK(fcntl(sides[i], F_SETSIG, number + i));
		ASSERT_OK(fcntl(sides[i], F_SETFL, O_ASYNC));
	}
	open_exchange(pair.client, payload, 1);
	expect_signal(number + 1, pair.service);
	answer(pair.service, take_request(pair.service), payload, 1);
	expect_signal(number, pair.client);
	take_request(pair.client);
	/* (The rest of these are for the messages.) */
	ASSERT_OK(fcntl(pair.service, F_SETFL, 0));
	do {
		args.flags = NOWAIT;
	} while (ioctl(pair.client, IPCSHIM_SEND_SOCK_MSG, &args) == 0 &&
		 (args = first_args(payload, LARGEST)).message.length);
	ASSERT_EQ(EAGAIN, errno);
	while (readable(pair.service))
		take_request(pair.service);
	expect_signal(number, pair.client);
	ASSERT_OK(close(pair.service));
	expect_signal(number, pair.client);
}

TEST(fdinfo_tells_the_sides_and_what_waits)
{
	struct peer peer = peer_for_sockets();
	int port = socket_port();
	struct ipcshim_open_serv_sock args = open_socket_args();
	struct ipcshim_event event;

	args.pid = (uint32_t)peer.pid;
	args.message_max = 8192;
	ASSERT_OK(ioctl(port, IPCSHIM_OPEN_SERV_SOCK, &args));
	event = peer_event(&peer);
	peer_take(&peer, event.token);
	ASSERT_EQ(0, strcmp("client", fdinfo(args.fd, "ipcshim-role")));
	ASSERT_EQ(args.connection, socket_info(args.fd, "ipcshim-connection"));
	ASSERT_EQ(event.recv_serv_sock.inode, socket_info(args.fd, "ipcshim-peer-inode"));
	ASSERT_EQ(8192, socket_info(args.fd, "ipcshim-message-max"));
	ASSERT_EQ(1, socket_info(args.fd, "ipcshim-open"));
	ASSERT_EQ(0, socket_info(args.fd, "ipcshim-messages"));
	ASSERT_EQ(0, socket_info(args.fd, "ipcshim-bytes"));
	ASSERT_EQ(0, socket_info(args.fd, "ipcshim-readers"));
	ASSERT_EQ(peer.pid, socket_info(args.fd, "ipcshim-peer"));
	ASSERT_EQ(0, socket_info(args.fd, "ipcshim-exchanges"));
	open_exchange(args.fd, payload, 1);
	ASSERT_EQ(1, socket_info(args.fd, "ipcshim-exchanges"));
	/* Waiting there, and not here. */
	ASSERT_EQ(0, socket_info(args.fd, "ipcshim-messages"));
	peer_kill(&peer);
	ASSERT_EQ(0, socket_info(args.fd, "ipcshim-open"));
	ASSERT_EQ(0, socket_info(args.fd, "ipcshim-peer"));
	ASSERT_EQ(0, socket_info(args.fd, "ipcshim-exchanges"));
}

TEST(fdinfo_of_a_service_side_says_so)
{
	struct pair pair = pair_open(port_open(), 0);
	struct stat state;

	ASSERT_EQ(0, strcmp("service", fdinfo(pair.service, "ipcshim-role")));
	ASSERT_EQ(0, strcmp("client", fdinfo(pair.client, "ipcshim-role")));
	ASSERT_OK(fstat(pair.service, &state));
	ASSERT_EQ(state.st_ino, socket_info(pair.client, "ipcshim-peer-inode"));
	ASSERT_OK(fstat(pair.client, &state));
	ASSERT_EQ(state.st_ino, socket_info(pair.service, "ipcshim-peer-inode"));
}

TEST(fdinfo_of_a_port_tells_the_names_that_it_has_published)
{
	int port = port_open();
	char expected[64];
	struct ipcshim_withdraw withdraw = { .service = publish(port, "abi name ~", 0) };

	snprintf(expected, sizeof(expected), "%llu abi name ~",
		 (unsigned long long)withdraw.service);
	ASSERT_EQ(0, strcmp(expected, fdinfo(port, "ipcshim-service")));
	ASSERT_OK(ioctl(port, IPCSHIM_WITHDRAW, &withdraw));
	ASSERT_EQ(0, strcmp("", fdinfo(port, "ipcshim-service")));
}
