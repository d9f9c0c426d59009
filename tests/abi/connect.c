// SPDX-License-Identifier: MIT
/* CONNECT_SERVICE: what is refused before the service is asked, and its answers. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "harness.h"
#include "sockets.h"

#define NAME "abi.connect"

/* The service is not asked. */
#define REJECT_CONNECT(name, errno_expected, change)                           \
	TEST(name)                                                             \
	{                                                                      \
		struct ipcshim_connect_service args = connect_args(NAME);      \
		int port = socket_port();                                      \
		struct state before;                                           \
                                                                               \
		publish(port, NAME, 0);                                        \
		before = state_now(port);                                      \
		change;                                                        \
		ASSERT_ERRNO(errno_expected, ioctl(port, IPCSHIM_CONNECT_SERVICE, &args)); \
		state_same(port, &before);                                     \
		ASSERT_EQ(0, events_waiting(port));                            \
	}

REJECT_CONNECT(connect_unknown_flag_is_EINVAL, EINVAL, args.flags = 0x10)
REJECT_CONNECT(connect_highest_flag_is_EINVAL, EINVAL, args.flags = 1U << 31)
REJECT_CONNECT(connect_first_reserved_field_set_is_EINVAL, EINVAL, args.reserved0 = 1)
REJECT_CONNECT(connect_last_reserved_field_set_is_EINVAL, EINVAL, args.reserved = 1ULL << 63)
REJECT_CONNECT(connect_uid_without_its_flag_is_EINVAL, EINVAL, args.uid = OTHER_UID)
REJECT_CONNECT(connect_uid_that_is_none_is_EINVAL, EINVAL,
	       (args.flags = IPCSHIM_CONNECT_UID, args.uid = (uint32_t)-1))
REJECT_CONNECT(connect_to_an_empty_name_is_EINVAL, EINVAL, args.name_length = 0)
REJECT_CONNECT(connect_to_a_name_too_long_is_ENAMETOOLONG, ENAMETOOLONG, args.name_length = 65)
REJECT_CONNECT(connect_to_a_name_at_a_bad_address_is_EFAULT, EFAULT,
	       args.name = (uintptr_t)bad_address())
REJECT_CONNECT(connect_to_nobody_is_ENOENT, ENOENT, args.name_length--)
REJECT_CONNECT(connect_to_nobody_of_another_uid_is_ENOENT, ENOENT,
	       (args.flags = IPCSHIM_CONNECT_UID, args.uid = OTHER_UID))
REJECT_CONNECT(connect_flexible_to_nobody_is_ENOENT, ENOENT,
	       (args.flags = IPCSHIM_CONNECT_FLEXIBLE, args.name_length--))
REJECT_CONNECT(connect_for_messages_above_what_the_service_allows_is_EMSGSIZE, EMSGSIZE,
	       args.message_max = IPCSHIM_SOCKET_MESSAGE + 1)
REJECT_CONNECT(connect_for_messages_above_the_largest_limit_is_EINVAL, EINVAL,
	       args.message_max = IPCSHIM_SOCKET_MESSAGE_MAX + 1)
REJECT_CONNECT(connect_and_wait_until_a_deadline_that_has_passed_is_ETIMEDOUT, ETIMEDOUT,
	       (args.flags = IPCSHIM_CONNECT_WAIT, args.name_length--, args.deadline = 1))

TEST(connect_at_a_bad_address_is_EFAULT)
{
	int port = socket_port();

	publish(port, NAME, 0);
	ASSERT_ERRNO(EFAULT, ioctl(port, IPCSHIM_CONNECT_SERVICE, bad_address()));
	ASSERT_EQ(0, events_waiting(port));
}

TEST(connect_answer_to_read_only_memory_is_EFAULT_and_the_service_is_not_asked)
{
	int port = socket_port();
	struct ipcshim_connect_service args = connect_args(NAME);
	void *copy = read_only_copy(&args, sizeof(args));
	struct state before;

	publish(port, NAME, 0);
	before = state_now(port);
	ASSERT_ERRNO(EFAULT, ioctl(port, IPCSHIM_CONNECT_SERVICE, copy));
	state_same(port, &before);
	ASSERT_EQ(0, events_waiting(port));
}

TEST(connect_without_descriptor_numbers_is_EMFILE_and_the_service_is_not_asked)
{
	int port = socket_port();
	struct ipcshim_connect_service args = connect_args(NAME);
	int first_free = dup(port);
	struct rlimit limit;
	struct state before;

	publish(port, NAME, 0);
	close(first_free);
	before = state_now(port);
	ASSERT_OK(getrlimit(RLIMIT_NOFILE, &limit));
	limit.rlim_cur = (rlim_t)first_free;
	ASSERT_OK(setrlimit(RLIMIT_NOFILE, &limit));
	ASSERT_ERRNO(EMFILE, ioctl(port, IPCSHIM_CONNECT_SERVICE, &args));
	limit.rlim_cur = limit.rlim_max;
	ASSERT_OK(setrlimit(RLIMIT_NOFILE, &limit));
	state_same(port, &before);
	ASSERT_EQ(0, events_waiting(port));
}

TEST(connect_to_a_full_queue_is_EAGAIN)
{
	int port = socket_port();
	struct ipcshim_connect_service first = connect_args(NAME);
	struct ipcshim_connect_service args = connect_args(NAME);
	struct ipcshim_reject reject = { 0 };
	struct state before;
	struct waiter client;

	publish(port, NAME, 0);
	parameter_set("max_events", 1);
	waiter_start(&client, port, IPCSHIM_CONNECT_SERVICE, &first);
	while (!events_waiting(port))
		sched_yield();
	wait_until_asleep(client.tid);
	before = state_now(port);
	ASSERT_ERRNO(EAGAIN, ioctl(port, IPCSHIM_CONNECT_SERVICE, &args));
	state_same(port, &before);
	ASSERT_EQ(1, events_waiting(port));
	reject.request = event_read(port).token;
	ASSERT_OK(ioctl(port, IPCSHIM_REJECT, &reject));
	ASSERT_EQ(ECONNREFUSED, waiter_end(&client));
}

static void connects_to_root(int fd, void *argument)
{
	struct ipcshim_connect_service args = connect_args(NAME);
	int port;

	become(OTHER_UID);
	port = port_open();
	if (*(uint32_t *)argument == 0) {
		ASSERT_ERRNO(ENOENT, ioctl(port, IPCSHIM_CONNECT_SERVICE, &args));
		args = connect_args("sys.abi");
		ASSERT_ERRNO(EPERM, ioctl(port, IPCSHIM_CONNECT_SERVICE, &args));
		args = connect_args(NAME);
	}
	args.flags = IPCSHIM_CONNECT_UID;
	put(fd, ioctl(port, IPCSHIM_CONNECT_SERVICE, &args) == 0 ? 0 : (uint64_t)errno);
	get(fd);
}

TEST(connect_to_another_uid_is_EPERM)
{
	int port = socket_port();
	uint32_t asked = 0;
	struct state before;
	struct child child;

	publish(port, NAME, 0);
	publish(port, "sys.abi", 0);
	before = state_now(port);
	child = child_start(connects_to_root, &asked);
	ASSERT_EQ(EPERM, get(child.fd));
	put(child.fd, 0);
	child_join(&child);
	state_same(port, &before);
	ASSERT_EQ(0, events_waiting(port));
}

TEST(connect_to_another_uid_that_lets_anybody_in_is_asked)
{
	struct ipcshim_access access = { .access = IPCSHIM_ACCESS_ANYBODY };
	struct ipcshim_accept accept = { 0 };
	int port = socket_port();
	uint32_t asked = 1;
	struct ipcshim_event event;
	struct child child;

	publish(port, NAME, 0);
	ASSERT_OK(ioctl(port, IPCSHIM_SET_ACCESS, &access));
	child = child_start(connects_to_root, &asked);
	event = event_of(port, IPCSHIM_EVENT_SERVICE_CONN_REQUEST);
	ASSERT_EQ(child.pid, event.pid);
	ASSERT_EQ(OTHER_UID, event.uid);
	accept.request = event.token;
	ASSERT_OK(ioctl(port, IPCSHIM_ACCEPT, &accept));
	ASSERT_EQ(child.pid, accept.pid);
	ASSERT_EQ(OTHER_UID, accept.uid);
	ASSERT_EQ(0, get(child.fd));
	put(child.fd, 0);
	child_join(&child);
}

TEST(connect_to_another_uid_with_CAP_IPC_OWNER_is_asked)
{
	static const struct peer_options options = { .uid = OTHER_UID };
	struct peer peer = peer_start(&options);
	struct ipcshim_publish publish_it = publish_args(NAME);
	struct ipcshim_connect_service args = connect_args(NAME);
	struct ipcshim_accept accept = { 0 };
	int port = socket_port();
	struct ipcshim_event event;
	struct waiter client;

	ASSERT_EQ(0, peer_ioctl(&peer, -1, IPCSHIM_PUBLISH, &publish_it));
	ASSERT_ERRNO(ENOENT, ioctl(port, IPCSHIM_CONNECT_SERVICE, &args));
	args.flags = IPCSHIM_CONNECT_UID;
	args.uid = OTHER_UID;
	waiter_start(&client, port, IPCSHIM_CONNECT_SERVICE, &args);
	event = peer_event(&peer);
	ASSERT_EQ(getpid(), event.pid);
	ASSERT_EQ(0, event.uid);
	accept.request = event.token;
	ASSERT_EQ(0, peer_ioctl(&peer, -1, IPCSHIM_ACCEPT, &accept));
	ASSERT_EQ(0, waiter_end(&client));
}

TEST(connect_tells_everything_on_both_sides)
{
	struct peer peer = peer_for_sockets();
	struct ipcshim_publish publish_it = publish_args(NAME);
	struct ipcshim_connect_service args = connect_args(NAME);
	struct ipcshim_accept accept = { 0 };
	uint64_t deadline = args.deadline;
	int port = socket_port();
	struct ipcshim_query before;
	struct ipcshim_event event;
	struct waiter client;
	struct stat state;

	publish_it.message_max = 100000;
	ASSERT_EQ(0, peer_ioctl(&peer, -1, IPCSHIM_PUBLISH, &publish_it));
	before = query(port);
	args.command = 0xBEEF;
	args.reason = 7;
	args.existing = 7;
	args.message_max = 5000;
	waiter_start(&client, port, IPCSHIM_CONNECT_SERVICE, &args);
	event = peer_event(&peer);
	ASSERT_EQ(IPCSHIM_EVENT_SERVICE_CONN_REQUEST, event.code);
	ASSERT_EQ(0xBEEF, event.command);
	ASSERT_EQ(0, event.flags);
	ASSERT_TRUE(event.token != 0);
	ASSERT_EQ(1, event.sequence);
	ASSERT_EQ(getpid(), event.pid);
	ASSERT_EQ(0, event.uid);
	ASSERT_EQ(deadline, event.service_conn_request.deadline);
	ASSERT_EQ(publish_it.service, event.service_conn_request.service);
	ASSERT_EQ(5000, event.service_conn_request.message_max);
	ASSERT_EQ(0, event.service_conn_request.reserved0);
	ASSERT_EQ(0, event.service_conn_request.reserved);
	/* A request is a token, and a connection is one object. */
	ASSERT_EQ(before.tokens + 1, query(port).tokens);
	ASSERT_EQ(before.used_objects + 2, query(port).used_objects);
	accept.request = event.token;
	ASSERT_EQ(0, peer_ioctl(&peer, -1, IPCSHIM_ACCEPT, &accept));
	ASSERT_EQ(getpid(), accept.pid);
	ASSERT_EQ(0, accept.uid);
	ASSERT_EQ(5000, accept.message_max);
	ASSERT_EQ(0, waiter_end(&client));
	ASSERT_EQ(deadline, args.deadline);
	ASSERT_EQ(5000, args.message_max);
	ASSERT_EQ(0, args.reason);
	ASSERT_EQ(0, args.existing);
	ASSERT_EQ(event.token, args.connection);
	ASSERT_TRUE(args.inode != accept.inode);
	ASSERT_OK(fstat(args.fd, &state));
	ASSERT_EQ(state.st_ino, args.inode);
	ASSERT_EQ(FD_CLOEXEC, fcntl(args.fd, F_GETFD));
	ASSERT_EQ(0, fcntl(args.fd, F_GETFL) & O_NONBLOCK);
	ASSERT_EQ(O_RDWR, fcntl(args.fd, F_GETFL) & O_ACCMODE);
	ASSERT_EQ(before.tokens, query(port).tokens);
	ASSERT_EQ(before.connections + 1, query(port).connections);
	ASSERT_EQ(before.used_objects + 1, query(port).used_objects);
	close(args.fd);
	peer_kill(&peer);
	ASSERT_EQ(before.connections, query(port).connections);
	ASSERT_EQ(before.used_objects - 1, query(port).used_objects);
}

TEST(connect_without_a_limit_gets_what_the_service_gives)
{
	int port = socket_port();
	struct ipcshim_connect_service args = connect_args(NAME);
	struct pair pair;

	publish(port, NAME, IPCSHIM_SOCKET_MESSAGE_MAX);
	pair = pair_connect(port, args);
	ASSERT_EQ(IPCSHIM_SOCKET_MESSAGE_MAX, socket_info(pair.client, "ipcshim-message-max"));
	ASSERT_EQ(IPCSHIM_SOCKET_MESSAGE_MAX, socket_info(pair.service, "ipcshim-message-max"));
	args.message_max = IPCSHIM_SOCKET_MESSAGE_MAX;
	pair = pair_connect(port, args);
	ASSERT_EQ(IPCSHIM_SOCKET_MESSAGE_MAX, socket_info(pair.client, "ipcshim-message-max"));
	expect_works(pair);
}

TEST(connect_nonblock_makes_the_descriptor_O_NONBLOCK)
{
	int port = socket_port();
	struct ipcshim_connect_service args = connect_args(NAME);
	struct ipcshim_read_sock_msg read_args = read_msg_args(NULL, 0);
	struct pair pair;

	publish(port, NAME, 0);
	args.flags = IPCSHIM_CONNECT_NONBLOCK;
	pair = pair_connect(port, args);
	ASSERT_EQ(O_NONBLOCK, fcntl(pair.client, F_GETFL) & O_NONBLOCK);
	ASSERT_EQ(0, fcntl(pair.service, F_GETFL) & O_NONBLOCK);
	read_args.flags = 0;
	ASSERT_ERRNO(EAGAIN, ioctl(pair.client, IPCSHIM_READ_SOCK_MSG, &read_args));
}

TEST(connect_in_one_process_many_at_once_keeps_them_apart)
{
	enum { CLIENTS = 8 };
	int port = socket_port();
	struct ipcshim_connect_service args[CLIENTS];
	struct waiter clients[CLIENTS];
	struct ipcshim_accept accepts[CLIENTS] = { 0 };

	publish(port, NAME, 0);
	for (int i = 0; i < CLIENTS; i++) {
		args[i] = connect_args(NAME);
		args[i].command = (uint16_t)i;
		waiter_start(&clients[i], port, IPCSHIM_CONNECT_SERVICE, &args[i]);
	}
	for (int i = 0; i < CLIENTS; i++) {
		struct ipcshim_event event = event_of(port, IPCSHIM_EVENT_SERVICE_CONN_REQUEST);

		accepts[event.command].request = event.token;
	}
	/* The last one first. */
	for (int i = CLIENTS - 1; i >= 0; i--) {
		ASSERT_OK(ioctl(port, IPCSHIM_ACCEPT, &accepts[i]));
		ASSERT_EQ(0, waiter_end(&clients[i]));
		ASSERT_EQ(accepts[i].request, args[i].connection);
		expect_works((struct pair){ args[i].fd, accepts[i].fd, args[i].connection });
	}
	ASSERT_EQ(CLIENTS, query(port).connections);
}
