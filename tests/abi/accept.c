// SPDX-License-Identifier: MIT
/* ACCEPT and REJECT: what is refused, after which the request still stands. */
#include <errno.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "harness.h"
#include "sockets.h"

#define NAME "abi.accept"

/* A client of this process that waits for an answer. */
struct asked {
	struct ipcshim_connect_service args;
	struct waiter client;
	uint64_t request;
	int port;
};

static void ask(struct asked *asked, int port)
{
	asked->port = port;
	asked->args = connect_args(NAME);
	if (!has_service(port, NAME).exists)
		publish(port, NAME, 0);
	waiter_start(&asked->client, port, IPCSHIM_CONNECT_SERVICE, &asked->args);
	asked->request = event_of(port, IPCSHIM_EVENT_SERVICE_CONN_REQUEST).token;
	/* Until then it might still be about to install something. */
	wait_until_asleep(asked->client.tid);
}

static void is_accepted(struct asked *asked, int port)
{
	struct ipcshim_accept args = { .request = asked->request };

	ASSERT_OK(ioctl(port, IPCSHIM_ACCEPT, &args));
	ASSERT_EQ(0, waiter_end(&asked->client));
	expect_works((struct pair){ asked->args.fd, args.fd, asked->args.connection });
}

#define REJECT_ANSWER(name, type, command, errno_expected, change)             \
	TEST(name)                                                             \
	{                                                                      \
		int port = socket_port();                                      \
		struct asked asked;                                            \
		struct type args = { 0 };                                      \
		struct state before;                                           \
                                                                               \
		ask(&asked, port);                                             \
		args.request = asked.request;                                  \
		before = state_now(port);                                      \
		change;                                                        \
		ASSERT_ERRNO(errno_expected, ioctl(port, command, &args));     \
		state_same(port, &before);                                     \
		is_accepted(&asked, port);                                     \
	}
#define REJECT_ACCEPT(name, errno_expected, change)                            \
	REJECT_ANSWER(name, ipcshim_accept, IPCSHIM_ACCEPT, errno_expected, change)
#define REJECT_REJECT(name, errno_expected, change)                            \
	REJECT_ANSWER(name, ipcshim_reject, IPCSHIM_REJECT, errno_expected, change)

REJECT_ACCEPT(accept_flag_skip_is_EINVAL, EINVAL, args.flags = IPCSHIM_OPEN_SKIP)
REJECT_ACCEPT(accept_unknown_flag_is_EINVAL, EINVAL, args.flags = 1U << 31)
REJECT_ACCEPT(accept_first_reserved_field_set_is_EINVAL, EINVAL, args.reserved0 = 1)
REJECT_ACCEPT(accept_last_reserved_field_set_is_EINVAL, EINVAL, args.reserved = 1)
REJECT_ACCEPT(accept_0_is_ENOENT, ENOENT, args.request = 0)
REJECT_ACCEPT(accept_what_never_was_is_ENOENT, ENOENT, args.request += 1000000)
REJECT_ACCEPT(accept_beyond_32_bits_is_ENOENT, ENOENT, args.request |= 1ULL << 32)
REJECT_REJECT(reject_flags_set_is_EINVAL, EINVAL, args.flags = 1)
REJECT_REJECT(reject_reserved_field_set_is_EINVAL, EINVAL, args.reserved0 = 1)
REJECT_REJECT(reject_0_is_ENOENT, ENOENT, args.request = 0)
REJECT_REJECT(reject_what_never_was_is_ENOENT, ENOENT, args.request += 1000000)
REJECT_REJECT(reject_beyond_32_bits_is_ENOENT, ENOENT, args.request |= 1ULL << 32)

TEST(accept_and_reject_at_a_bad_address_are_EFAULT)
{
	int port = socket_port();
	struct asked asked;

	ask(&asked, port);
	ASSERT_ERRNO(EFAULT, ioctl(port, IPCSHIM_ACCEPT, bad_address()));
	ASSERT_ERRNO(EFAULT, ioctl(port, IPCSHIM_REJECT, bad_address()));
	is_accepted(&asked, port);
}

TEST(accept_answer_to_read_only_memory_is_EFAULT_and_the_request_stays)
{
	int port = socket_port();
	struct ipcshim_accept args = { 0 };
	struct asked asked;
	struct state before;
	void *copy;

	ask(&asked, port);
	args.request = asked.request;
	copy = read_only_copy(&args, sizeof(args));
	before = state_now(port);
	ASSERT_ERRNO(EFAULT, ioctl(port, IPCSHIM_ACCEPT, copy));
	state_same(port, &before);
	is_accepted(&asked, port);
}

TEST(accept_without_descriptor_numbers_is_EMFILE_and_the_request_stays)
{
	int port = socket_port();
	struct ipcshim_accept args = { 0 };
	struct rlimit limit;
	struct asked asked;
	int first_free;

	ask(&asked, port);
	args.request = asked.request;
	first_free = dup(port);
	close(first_free);
	ASSERT_OK(getrlimit(RLIMIT_NOFILE, &limit));
	limit.rlim_cur = (rlim_t)first_free;
	ASSERT_OK(setrlimit(RLIMIT_NOFILE, &limit));
	ASSERT_ERRNO(EMFILE, ioctl(port, IPCSHIM_ACCEPT, &args));
	limit.rlim_cur = limit.rlim_max;
	ASSERT_OK(setrlimit(RLIMIT_NOFILE, &limit));
	is_accepted(&asked, port);
}

TEST(accept_or_reject_what_another_process_was_asked_is_ENOENT)
{
	struct peer thief = peer_for_sockets();
	int port = socket_port();
	struct ipcshim_accept accept = { 0 };
	struct ipcshim_reject reject = { 0 };
	struct asked asked;

	ask(&asked, port);
	accept.request = reject.request = asked.request;
	ASSERT_EQ(ENOENT, peer_ioctl(&thief, -1, IPCSHIM_ACCEPT, &accept));
	ASSERT_EQ(ENOENT, peer_ioctl(&thief, -1, IPCSHIM_REJECT, &reject));
	is_accepted(&asked, port);
}

TEST(accept_or_reject_twice_is_ENOENT)
{
	int port = socket_port();
	struct ipcshim_accept accept = { 0 };
	struct ipcshim_reject reject = { 0 };
	struct asked asked;
	struct state before;

	ask(&asked, port);
	accept.request = reject.request = asked.request;
	is_accepted(&asked, port);
	before = state_now(port);
	ASSERT_ERRNO(ENOENT, ioctl(port, IPCSHIM_ACCEPT, &accept));
	ASSERT_ERRNO(ENOENT, ioctl(port, IPCSHIM_REJECT, &reject));
	state_same(port, &before);
	ASSERT_EQ(0, events_waiting(port));
}

TEST(accept_by_another_port_of_the_process_succeeds)
{
	int port = socket_port();
	struct asked asked;

	ask(&asked, port);
	is_accepted(&asked, port_open());
}

TEST(accept_nonblock_makes_the_descriptor_O_NONBLOCK)
{
	int port = socket_port();
	struct ipcshim_accept args = { .flags = IPCSHIM_OPEN_NONBLOCK };
	struct asked asked;
	struct stat state;

	ask(&asked, port);
	args.request = asked.request;
	ASSERT_OK(ioctl(port, IPCSHIM_ACCEPT, &args));
	ASSERT_EQ(0, waiter_end(&asked.client));
	ASSERT_EQ(O_NONBLOCK, fcntl(args.fd, F_GETFL) & O_NONBLOCK);
	ASSERT_EQ(FD_CLOEXEC, fcntl(args.fd, F_GETFD));
	ASSERT_EQ(0, fcntl(asked.args.fd, F_GETFL) & O_NONBLOCK);
	ASSERT_OK(fstat(args.fd, &state));
	ASSERT_EQ(state.st_ino, args.inode);
	ASSERT_EQ(args.inode, socket_info(asked.args.fd, "ipcshim-peer-inode"));
}

TEST(claim_of_a_request_is_ENOENT_and_the_request_stays)
{
	int port = socket_port();
	struct ipcshim_claim claim = { 0 };
	struct asked asked;
	struct state before;

	ask(&asked, port);
	claim.token = asked.request;
	before = state_now(port);
	ASSERT_ERRNO(ENOENT, ioctl(port, IPCSHIM_CLAIM, &claim));
	state_same(port, &before);
	is_accepted(&asked, port);
}

TEST(accept_or_reject_of_another_kind_of_token_is_ENOENT_and_the_token_stays)
{
	int port = socket_port();
	struct ipcshim_open_pipe pipe = open_args();
	struct ipcshim_open_serv_sock socket = open_socket_args();
	uint64_t tokens[2];

	pipe.pid = socket.pid = (uint32_t)getpid();
	pipe.flags = IPCSHIM_OPEN_SKIP;
	socket.flags = IPCSHIM_OPEN_SKIP;
	ASSERT_OK(ioctl(port, IPCSHIM_OPEN_PIPE, &pipe));
	ASSERT_OK(ioctl(port, IPCSHIM_OPEN_SERV_SOCK, &socket));
	tokens[0] = pipe.token;
	tokens[1] = socket.token;
	for (int i = 0; i < 2; i++) {
		struct ipcshim_accept accept = { .request = tokens[i] };
		struct ipcshim_reject reject = { .request = tokens[i] };

		ASSERT_ERRNO(ENOENT, ioctl(port, IPCSHIM_ACCEPT, &accept));
		ASSERT_ERRNO(ENOENT, ioctl(port, IPCSHIM_REJECT, &reject));
		claim(port, tokens[i]);
	}
}

static void asks_and_waits(int fd, void *argument)
{
	struct ipcshim_connect_service args = connect_args(NAME);
	int port;

	(void)argument;
	become(OTHER_UID);
	port = port_open();
	args.flags = IPCSHIM_CONNECT_UID;
	put(fd, ioctl(port, IPCSHIM_CONNECT_SERVICE, &args) == 0 ? 0 : (uint64_t)errno);
	put(fd, args.reason);
}

TEST(reject_tells_another_users_client_the_reason)
{
	struct ipcshim_access access = { .access = IPCSHIM_ACCESS_ANYBODY };
	struct ipcshim_reject args = { .reason = 4321 };
	int port = socket_port();
	struct state before;
	struct child child;

	publish(port, NAME, 0);
	ASSERT_OK(ioctl(port, IPCSHIM_SET_ACCESS, &access));
	before = state_now(port);
	child = child_start(asks_and_waits, NULL);
	args.request = event_of(port, IPCSHIM_EVENT_SERVICE_CONN_REQUEST).token;
	ASSERT_OK(ioctl(port, IPCSHIM_REJECT, &args));
	ASSERT_EQ(ECONNREFUSED, get(child.fd));
	ASSERT_EQ(4321, get(child.fd));
	child_join(&child);
	state_same(port, &before);
}

TEST(accept_of_a_client_of_another_user_tells_the_uid_as_it_asked)
{
	struct ipcshim_access access = { .access = IPCSHIM_ACCESS_ANYBODY };
	struct ipcshim_accept args = { 0 };
	int port = socket_port();
	struct child child;

	publish(port, NAME, 0);
	ASSERT_OK(ioctl(port, IPCSHIM_SET_ACCESS, &access));
	child = child_start(asks_and_waits, NULL);
	args.request = event_of(port, IPCSHIM_EVENT_SERVICE_CONN_REQUEST).token;
	ASSERT_OK(ioctl(port, IPCSHIM_ACCEPT, &args));
	ASSERT_EQ(OTHER_UID, args.uid);
	ASSERT_EQ(child.pid, args.pid);
	ASSERT_EQ(IPCSHIM_SOCKET_MESSAGE, args.message_max);
	ASSERT_EQ(0, get(child.fd));
	ASSERT_EQ(0, get(child.fd));
	child_join(&child);
}

static void accepts_without_files(void *argument)
{
	struct asked *asked = argument;
	struct ipcshim_accept args = { .request = asked->request };
	int port = asked->port;

	ASSERT_ERRNO(ENFILE, ioctl(port, IPCSHIM_ACCEPT, &args));
	ASSERT_EQ(1, query(port).connections);
	ASSERT_EQ(1, query(port).tokens);
}

static void asks_itself(void *argument)
{
	ask(argument, socket_port());
}

TEST(accept_without_files_in_the_system_is_ENFILE_and_the_request_stays)
{
	static struct asked asked;

	run_without_files(asks_itself, accepts_without_files, &asked);
}
