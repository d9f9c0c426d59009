// SPDX-License-Identifier: MIT
/* PUBLISH, WITHDRAW and HAS_SERVICE: what is refused, and what a name is. */
#include <errno.h>
#include <unistd.h>

#include "harness.h"
#include "sockets.h"

#define NAME "abi.publish"

/* A refused name is free. */
static void publish_refused(int expected, struct ipcshim_publish args)
{
	int port = port_open();
	struct state before = state_now(port);

	ASSERT_ERRNO(expected, ioctl(port, IPCSHIM_PUBLISH, &args));
	state_same(port, &before);
	ASSERT_EQ(0, has_service(port, NAME).exists);
	publish(port, NAME, 0);
}

#define REJECT_PUBLISH(name, errno_expected, change)                           \
	TEST(name)                                                             \
	{                                                                      \
		struct ipcshim_publish args = publish_args(NAME);              \
                                                                               \
		change;                                                        \
		publish_refused(errno_expected, args);                         \
	}

REJECT_PUBLISH(publish_flags_set_is_EINVAL, EINVAL, args.flags = 1)
REJECT_PUBLISH(publish_highest_flag_set_is_EINVAL, EINVAL, args.flags = 1U << 31)
REJECT_PUBLISH(publish_first_reserved_field_set_is_EINVAL, EINVAL, args.reserved0 = 1)
REJECT_PUBLISH(publish_last_reserved_field_set_is_EINVAL, EINVAL, args.reserved = 1ULL << 63)
REJECT_PUBLISH(publish_an_empty_name_is_EINVAL, EINVAL, args.name_length = 0)
REJECT_PUBLISH(publish_a_name_at_a_bad_address_is_EFAULT, EFAULT,
	       args.name = (uintptr_t)bad_address())
REJECT_PUBLISH(publish_a_name_at_address_0_is_EFAULT, EFAULT, args.name = 0)
REJECT_PUBLISH(publish_messages_below_the_smallest_limit_is_EINVAL, EINVAL,
	       args.message_max = IPCSHIM_SOCKET_MESSAGE - 1)
REJECT_PUBLISH(publish_messages_of_1_byte_is_EINVAL, EINVAL, args.message_max = 1)
REJECT_PUBLISH(publish_messages_above_the_largest_limit_is_EINVAL, EINVAL,
	       args.message_max = IPCSHIM_SOCKET_MESSAGE_MAX + 1)
REJECT_PUBLISH(publish_messages_of_4_GiB_is_EINVAL, EINVAL, args.message_max = 0xffffffff)

static const char long_name[] = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ~ +";
_Static_assert(sizeof(long_name) - 1 == IPCSHIM_NAME_MAX + 1, "long_name is one byte too long");

REJECT_PUBLISH(publish_a_name_of_65_bytes_is_ENAMETOOLONG, ENAMETOOLONG,
	       args = publish_args(long_name))
REJECT_PUBLISH(publish_a_name_of_4_GiB_is_ENAMETOOLONG, ENAMETOOLONG,
	       args.name_length = 0xffffffff)

TEST(publish_every_length_from_1_to_64_is_a_name_of_its_own)
{
	int port = port_open();

	for (uint32_t length = 1; length <= IPCSHIM_NAME_MAX; length++) {
		struct ipcshim_publish args = publish_args(long_name);

		args.name_length = length;
		ASSERT_OK(ioctl(port, IPCSHIM_PUBLISH, &args));
		ASSERT_EQ(length, query(port).services);
	}
}

TEST(publish_a_byte_that_is_not_printable_ASCII_is_EINVAL_wherever_it_is)
{
	int port = port_open();

	for (unsigned int byte = 0; byte < 256; byte++) {
		for (unsigned int place = 0; place < 3; place++) {
			char name[3] = "abc";
			struct ipcshim_publish args = publish_args("abc");
			struct ipcshim_has_service has = has_args("abc");
			struct ipcshim_connect_service connect = connect_args("abc");

			if (byte >= 0x20 && byte <= 0x7e)
				continue;
			name[place] = (char)byte;
			args.name = has.name = connect.name = (uintptr_t)name;
			ASSERT_ERRNO(EINVAL, ioctl(port, IPCSHIM_PUBLISH, &args));
			ASSERT_ERRNO(EINVAL, ioctl(port, IPCSHIM_HAS_SERVICE, &has));
			ASSERT_ERRNO(EINVAL, ioctl(port, IPCSHIM_CONNECT_SERVICE, &connect));
		}
	}
	ASSERT_EQ(0, query(port).services);
}

TEST(publish_every_printable_byte_is_a_name_of_its_own)
{
	int port = port_open();
	char name[2] = { 0 };
	unsigned int count = 0;

	for (char byte = 0x20; byte <= 0x7e; byte++) {
		name[0] = byte;
		publish(port, name, 0);
		ASSERT_EQ(++count, query(port).services);
	}
}

TEST(publish_at_a_bad_address_is_EFAULT)
{
	int port = port_open();
	struct state before = state_now(port);

	ASSERT_ERRNO(EFAULT, ioctl(port, IPCSHIM_PUBLISH, bad_address()));
	state_same(port, &before);
}

TEST(publish_answer_to_read_only_memory_is_EFAULT_and_the_name_is_free)
{
	int port = port_open();
	struct ipcshim_publish args = publish_args(NAME);
	void *copy = read_only_copy(&args, sizeof(args));
	struct state before = state_now(port);

	ASSERT_ERRNO(EFAULT, ioctl(port, IPCSHIM_PUBLISH, copy));
	state_same(port, &before);
	publish(port, NAME, 0);
}

TEST(publish_a_name_that_is_taken_is_EADDRINUSE)
{
	struct peer peer = peer_for_sockets();
	int port = port_open();
	/* A copy, that the peer has as well. */
	struct ipcshim_publish args = publish_args(NAME);
	struct state before;

	publish(port, NAME, 0);
	before = state_now(port);
	ASSERT_ERRNO(EADDRINUSE, ioctl(port, IPCSHIM_PUBLISH, &args));
	state_same(port, &before);
	ASSERT_EQ(EADDRINUSE, peer_ioctl(&peer, -1, IPCSHIM_PUBLISH, &args));
	state_same(port, &before);
	close(port);
	ASSERT_EQ(0, peer_ioctl(&peer, -1, IPCSHIM_PUBLISH, &args));
}

static void publishes_as_another(int fd, void *argument)
{
	struct ipcshim_publish args = publish_args(NAME);
	struct ipcshim_publish reserved = publish_args(argument);
	struct state before;
	int port;

	(void)fd;
	become(OTHER_UID);
	port = port_open();
	before = state_now(port);
	ASSERT_EQ(0, has_service(port, NAME).exists);
	ASSERT_ERRNO(EPERM, ioctl(port, IPCSHIM_PUBLISH, &reserved));
	state_same(port, &before);
	ASSERT_OK(ioctl(port, IPCSHIM_PUBLISH, &args));
	ASSERT_EQ(getpid(), has_service(port, NAME).pid);
}

TEST(publish_names_are_each_uids_own)
{
	publish(port_open(), NAME, 0);
	run_as_other(publishes_as_another, "sys.abi");
}

TEST(publish_a_reserved_name_without_CAP_SYS_ADMIN_is_EPERM)
{
	run_as_other(publishes_as_another, "sys.");
	run_as_other(publishes_as_another, "sys.abi.publish");
	/* And taken by who may. */
	publish(port_open(), "sys.abi", 0);
	run_as_other(publishes_as_another, "sys.abi");
}

static void sees_reserved(int fd, void *argument)
{
	struct ipcshim_publish args = publish_args("sys");
	struct ipcshim_has_service has;
	int port;

	become(OTHER_UID);
	port = port_open();
	has = has_service(port, "sys.abi");
	ASSERT_EQ(*(uint64_t *)argument, has.service);
	ASSERT_EQ(getppid(), has.pid);
	/* These are not reserved. */
	ASSERT_OK(ioctl(port, IPCSHIM_PUBLISH, &args));
	publish(port, "sys-abi", 0);
	publish(port, "SYS.abi", 0);
	publish(port, " sys.abi", 0);
	(void)fd;
}

TEST(publish_reserved_names_are_one_set_for_everybody)
{
	struct ipcshim_access access = { .access = IPCSHIM_ACCESS_ANYBODY };
	int port = port_open();
	uint64_t service = publish(port, "sys.abi", 0);

	ASSERT_OK(ioctl(port, IPCSHIM_SET_ACCESS, &access));
	run_as_other(sees_reserved, &service);
}

static void uses_what_its_parent_published(int fd, void *argument)
{
	struct ipcshim_publish args = publish_args("abi.child");
	struct ipcshim_withdraw withdraw = { .service = ((uint64_t *)argument)[1] };
	struct ipcshim_accept accept = { .request = 1 };
	struct ipcshim_reject reject = { .request = 1 };
	int port = (int)((uint64_t *)argument)[0];

	(void)fd;
	ASSERT_ERRNO(EPERM, ioctl(port, IPCSHIM_PUBLISH, &args));
	ASSERT_ERRNO(EPERM, ioctl(port, IPCSHIM_WITHDRAW, &withdraw));
	ASSERT_ERRNO(EPERM, ioctl(port, IPCSHIM_ACCEPT, &accept));
	ASSERT_ERRNO(EPERM, ioctl(port, IPCSHIM_REJECT, &reject));
	ASSERT_EQ(getppid(), has_service(port, NAME).pid);
}

TEST(publish_and_withdraw_by_a_process_that_inherited_the_port_are_EPERM)
{
	int port = port_open();
	uint64_t numbers[2] = { (uint64_t)port, publish(port, NAME, 0) };
	struct child child = child_start(uses_what_its_parent_published, numbers);

	child_join(&child);
	ASSERT_EQ(numbers[1], has_service(port, NAME).service);
}

TEST(publish_counts_as_an_object_until_it_is_withdrawn_or_its_port_closed)
{
	int port = port_open();
	struct state before = state_now(port);
	int second = port_open();
	struct ipcshim_withdraw withdraw = { .service = publish(port, NAME, 0) };

	publish(second, "abi.other", 0);
	ASSERT_EQ(2, query(port).services);
	ASSERT_EQ(before.query.used_objects + 2, query(port).used_objects);
	ASSERT_OK(ioctl(port, IPCSHIM_WITHDRAW, &withdraw));
	ASSERT_EQ(1, query(port).services);
	close(second);
	state_same(port, &before);
}

TEST(publish_again_has_another_number)
{
	int port = port_open();
	uint64_t first = publish(port, NAME, 0);
	struct ipcshim_withdraw withdraw = { .service = first };

	ASSERT_TRUE(first > 0);
	ASSERT_TRUE(publish(port, "abi.other", 0) != first);
	ASSERT_OK(ioctl(port, IPCSHIM_WITHDRAW, &withdraw));
	ASSERT_TRUE(publish(port, NAME, 0) != first);
	ASSERT_ERRNO(ENOENT, ioctl(port, IPCSHIM_WITHDRAW, &withdraw));
	ASSERT_EQ(1, has_service(port, NAME).exists);
}

TEST(publish_of_the_smallest_and_the_largest_limit_is_told)
{
	int port = port_open();

	publish(port, "abi.default", 0);
	publish(port, "abi.small", IPCSHIM_SOCKET_MESSAGE);
	publish(port, "abi.odd", 5000);
	publish(port, "abi.large", IPCSHIM_SOCKET_MESSAGE_MAX);
	ASSERT_EQ(IPCSHIM_SOCKET_MESSAGE, has_service(port, "abi.default").message_max);
	ASSERT_EQ(IPCSHIM_SOCKET_MESSAGE, has_service(port, "abi.small").message_max);
	ASSERT_EQ(5000, has_service(port, "abi.odd").message_max);
	ASSERT_EQ(IPCSHIM_SOCKET_MESSAGE_MAX, has_service(port, "abi.large").message_max);
}

#define REJECT_WITHDRAW(name, errno_expected, change)                          \
	TEST(name)                                                             \
	{                                                                      \
		int port = port_open();                                        \
		struct ipcshim_withdraw args = { .service = publish(port, NAME, 0) }; \
		int other = port_open();                                       \
		struct state before;                                           \
		int fd = port;                                                 \
                                                                               \
		publish(other, "abi.other", 0);                                \
		before = state_now(port);                                      \
		change;                                                        \
		ASSERT_ERRNO(errno_expected, ioctl(fd, IPCSHIM_WITHDRAW, &args)); \
		state_same(port, &before);                                     \
		ASSERT_EQ(1, has_service(port, NAME).exists);                  \
		ASSERT_EQ(1, has_service(port, "abi.other").exists);           \
	}

REJECT_WITHDRAW(withdraw_flags_set_is_EINVAL, EINVAL, args.flags = 1)
REJECT_WITHDRAW(withdraw_reserved_field_set_is_EINVAL, EINVAL, args.reserved = 1)
REJECT_WITHDRAW(withdraw_0_is_ENOENT, ENOENT, args.service = 0)
REJECT_WITHDRAW(withdraw_what_never_was_is_ENOENT, ENOENT, args.service += 1000000)
REJECT_WITHDRAW(withdraw_beyond_32_bits_is_ENOENT, ENOENT, args.service |= 1ULL << 32)
REJECT_WITHDRAW(withdraw_the_name_of_another_port_is_ENOENT, ENOENT, fd = other)

TEST(withdraw_at_a_bad_address_is_EFAULT)
{
	int port = port_open();

	publish(port, NAME, 0);
	ASSERT_ERRNO(EFAULT, ioctl(port, IPCSHIM_WITHDRAW, bad_address()));
	ASSERT_EQ(1, has_service(port, NAME).exists);
}

TEST(names_are_gone_with_the_process_that_published_them)
{
	for (enum ending ending = 0; ending < ENDINGS; ending++) {
		struct peer peer = peer_for_sockets();
		int port = port_open();
		struct ipcshim_publish args = publish_args(NAME);

		ASSERT_EQ(0, peer_ioctl(&peer, -1, IPCSHIM_PUBLISH, &args));
		ASSERT_EQ(peer.pid, has_service(port, NAME).pid);
		peer_end(&peer, ending);
		ASSERT_EQ(0, has_service(port, NAME).exists);
		publish(port, NAME, 0);
		close(port);
	}
}

TEST(names_are_not_found_once_their_process_has_executed_another_program)
{
	struct peer peer = peer_for_sockets();
	int port = port_open();
	struct ipcshim_publish args = publish_args(NAME);
	struct ipcshim_connect_service connect = connect_args(NAME);

	ASSERT_EQ(0, peer_ioctl(&peer, -1, IPCSHIM_PUBLISH, &args));
	peer_exec_and_stay(&peer);
	ASSERT_EQ(0, has_service(port, NAME).exists);
	ASSERT_ERRNO(ENOENT, ioctl(port, IPCSHIM_CONNECT_SERVICE, &connect));
}
