// SPDX-License-Identifier: MIT
/* HAS_SERVICE: what is refused, and what it tells. */
#include <errno.h>
#include <unistd.h>

#include "harness.h"
#include "sockets.h"

#define NAME "abi.has"

#define REJECT_HAS(name, errno_expected, change)                               \
	TEST(name)                                                             \
	{                                                                      \
		int port = port_open();                                        \
		struct ipcshim_has_service args = has_args(NAME);              \
                                                                               \
		publish(port, NAME, 0);                                        \
		change;                                                        \
		ASSERT_ERRNO(errno_expected, ioctl(port, IPCSHIM_HAS_SERVICE, &args)); \
		ASSERT_EQ(0, args.exists);                                     \
	}

REJECT_HAS(has_service_flag_nonblock_is_EINVAL, EINVAL, args.flags = IPCSHIM_CONNECT_NONBLOCK)
REJECT_HAS(has_service_flag_flexible_is_EINVAL, EINVAL, args.flags = IPCSHIM_CONNECT_FLEXIBLE)
REJECT_HAS(has_service_flag_wait_is_EINVAL, EINVAL, args.flags = IPCSHIM_CONNECT_WAIT)
REJECT_HAS(has_service_unknown_flag_is_EINVAL, EINVAL, args.flags = 1U << 31)
REJECT_HAS(has_service_uid_without_its_flag_is_EINVAL, EINVAL, args.uid = OTHER_UID)
REJECT_HAS(has_service_uid_that_is_none_is_EINVAL, EINVAL,
	   (args.flags = IPCSHIM_CONNECT_UID, args.uid = (uint32_t)-1))
REJECT_HAS(has_service_reserved_field_set_is_EINVAL, EINVAL, args.reserved = 1)
REJECT_HAS(has_service_of_an_empty_name_is_EINVAL, EINVAL, args.name_length = 0)
REJECT_HAS(has_service_of_a_name_too_long_is_ENAMETOOLONG, ENAMETOOLONG, args.name_length = 65)
REJECT_HAS(has_service_of_a_name_at_a_bad_address_is_EFAULT, EFAULT,
	   args.name = (uintptr_t)bad_address())

TEST(has_service_at_a_bad_address_and_to_read_only_memory_is_EFAULT)
{
	int port = port_open();
	struct ipcshim_has_service args = has_args(NAME);

	ASSERT_ERRNO(EFAULT, ioctl(port, IPCSHIM_HAS_SERVICE, bad_address()));
	ASSERT_ERRNO(EFAULT,
		     ioctl(port, IPCSHIM_HAS_SERVICE, read_only_copy(&args, sizeof(args))));
}

TEST(has_service_tells_who_published_a_name_and_its_limit)
{
	struct peer peer = peer_for_sockets();
	int port = port_open();
	struct ipcshim_publish args = publish_args(NAME);
	struct ipcshim_has_service has = has_args(NAME);

	/* What was there before is ignored. */
	has.exists = 7;
	has.pid = 7;
	has.message_max = 7;
	has.service = 7;
	ASSERT_OK(ioctl(port, IPCSHIM_HAS_SERVICE, &has));
	ASSERT_EQ(0, has.exists);
	ASSERT_EQ(0, has.pid);
	ASSERT_EQ(0, has.message_max);
	ASSERT_EQ(0, has.service);
	args.message_max = 1 << 20;
	ASSERT_EQ(0, peer_ioctl(&peer, -1, IPCSHIM_PUBLISH, &args));
	ASSERT_OK(ioctl(port, IPCSHIM_HAS_SERVICE, &has));
	ASSERT_EQ(1, has.exists);
	ASSERT_EQ(peer.pid, has.pid);
	ASSERT_EQ(1 << 20, has.message_max);
	ASSERT_EQ(args.service, has.service);
}

TEST(has_service_knows_a_name_from_its_beginning_and_from_a_longer_one)
{
	int port = port_open();

	publish(port, "abi.name", 0);
	ASSERT_EQ(0, has_service(port, "abi.nam").exists);
	ASSERT_EQ(0, has_service(port, "abi.name.").exists);
	ASSERT_EQ(0, has_service(port, "abi.namE").exists);
	ASSERT_EQ(0, has_service(port, "abi.name ").exists);
	ASSERT_EQ(1, has_service(port, "abi.name").exists);
}

struct other_name {
	int expected; /* 0 or an errno */
	uint64_t service;
};

static void asks_for_roots_name(int fd, void *argument)
{
	const struct other_name *other = argument;
	struct ipcshim_has_service args = has_args(NAME);
	int port;

	(void)fd;
	become(OTHER_UID);
	port = port_open();
	/* Not one of my own. */
	ASSERT_EQ(0, has_service(port, NAME).exists);
	args.flags = IPCSHIM_CONNECT_UID;
	if (other->expected) {
		ASSERT_ERRNO(other->expected, ioctl(port, IPCSHIM_HAS_SERVICE, &args));
	} else {
		ASSERT_OK(ioctl(port, IPCSHIM_HAS_SERVICE, &args));
		ASSERT_EQ(1, args.exists);
		ASSERT_EQ(other->service, args.service);
	}
	args.name_length--;
	ASSERT_OK(ioctl(port, IPCSHIM_HAS_SERVICE, &args));
	ASSERT_EQ(0, args.exists);
}

TEST(has_service_of_another_uid_is_EPERM_until_anybody_may_reach_the_port)
{
	struct ipcshim_access access = { .access = IPCSHIM_ACCESS_ANYBODY };
	int port = port_open();
	struct other_name other = { EPERM, publish(port, NAME, 0) };

	run_as_other(asks_for_roots_name, &other);
	ASSERT_OK(ioctl(port, IPCSHIM_SET_ACCESS, &access));
	other.expected = 0;
	run_as_other(asks_for_roots_name, &other);
}

TEST(has_service_of_another_uid_is_told_to_who_has_CAP_IPC_OWNER)
{
	static const struct peer_options options = { .uid = OTHER_UID };
	struct peer peer = peer_start(&options);
	struct ipcshim_publish args = publish_args(NAME);
	struct ipcshim_has_service has = has_args(NAME);
	int port = port_open();

	ASSERT_EQ(0, peer_ioctl(&peer, -1, IPCSHIM_PUBLISH, &args));
	ASSERT_OK(ioctl(port, IPCSHIM_HAS_SERVICE, &has));
	ASSERT_EQ(0, has.exists);
	has.flags = IPCSHIM_CONNECT_UID;
	has.uid = OTHER_UID;
	ASSERT_OK(ioctl(port, IPCSHIM_HAS_SERVICE, &has));
	ASSERT_EQ(1, has.exists);
	ASSERT_EQ(peer.pid, has.pid);
	ASSERT_EQ(args.service, has.service);
}
