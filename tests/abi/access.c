// SPDX-License-Identifier: MIT
/* SET_ACCESS, and who may reach whom. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "harness.h"
#include "support.h"

/* A refused call leaves the port as it was: closed to other users. */
static void access_refused(struct ipcshim_access args)
{
	int port = port_handling();

	ASSERT_ERRNO(EINVAL, ioctl(port, IPCSHIM_SET_ACCESS, &args));
	ASSERT_EQ(EPERM, open_as(OTHER_UID, getpid(), NULL));
}

TEST(set_access_3_is_EINVAL)
{
	access_refused((struct ipcshim_access){ .access = 3 });
}

TEST(set_access_highest_is_EINVAL)
{
	access_refused((struct ipcshim_access){ .access = ~0U });
}

TEST(set_access_flags_set_is_EINVAL)
{
	access_refused((struct ipcshim_access){ .access = IPCSHIM_ACCESS_ANYBODY, .flags = 1 });
}

TEST(set_access_at_a_bad_address_is_EFAULT)
{
	int port = port_handling();

	ASSERT_ERRNO(EFAULT, ioctl(port, IPCSHIM_SET_ACCESS, bad_address()));
	ASSERT_EQ(EPERM, open_as(OTHER_UID, getpid(), NULL));
}

TEST(access_uid_lets_the_same_uid_in_and_another_is_EPERM)
{
	static const struct peer_options options = { .uid = OTHER_UID, .codes = BOTH_CODES };
	struct peer peer = peer_start(&options);

	ASSERT_EQ(0, open_as(OTHER_UID, peer.pid, NULL));
	ASSERT_EQ(EPERM, open_as(OTHER_UID + 1, peer.pid, NULL));
}

TEST(access_anybody_lets_everybody_in_and_can_be_taken_back)
{
	struct ipcshim_access args = { .access = IPCSHIM_ACCESS_ANYBODY };
	int port = port_handling();

	ASSERT_OK(ioctl(port, IPCSHIM_SET_ACCESS, &args));
	ASSERT_EQ(0, open_as(OTHER_UID, getpid(), NULL));
	ASSERT_EQ(OTHER_UID, event_read(port).uid);
	args.access = IPCSHIM_ACCESS_UID;
	ASSERT_OK(ioctl(port, IPCSHIM_SET_ACCESS, &args));
	ASSERT_EQ(EPERM, open_as(OTHER_UID, getpid(), NULL));
}

/* Another executable file with the same content. */
static const char *copy_of_this_program(void)
{
	static char path[] = "/tmp/ipcshim-abi-XXXXXX";
	int from = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	int to = mkstemp(path);
	struct stat state;
	off_t done = 0;

	ASSERT_OK(from);
	ASSERT_OK(to);
	ASSERT_OK(fstat(from, &state));
	while (done < state.st_size)
		ASSERT_TRUE(sendfile(to, from, &done, (size_t)(state.st_size - done)) > 0);
	ASSERT_OK(fchmod(to, 0755));
	close(to);
	close(from);
	return path;
}

static const struct peer_options only_my_program = {
	.uid = OTHER_UID,
	.codes = BOTH_CODES,
	.access = IPCSHIM_ACCESS_EXECUTABLE,
};

TEST(access_executable_lets_the_same_program_in)
{
	struct peer peer = peer_start(&only_my_program);

	ASSERT_EQ(0, open_as(OTHER_UID, peer.pid, NULL));
	ASSERT_EQ(0, open_as(OTHER_UID, peer.pid, "/proc/self/exe"));
}

TEST(access_executable_another_program_of_the_same_uid_is_EPERM)
{
	struct peer peer = peer_start(&only_my_program);
	const char *copy = copy_of_this_program();
	int result = open_as(OTHER_UID, peer.pid, copy);

	unlink(copy);
	ASSERT_EQ(EPERM, result);
	ASSERT_EQ(0, peer_events_waiting(&peer));
}

TEST(access_executable_the_same_program_of_another_uid_is_EPERM)
{
	struct peer peer = peer_start(&only_my_program);

	ASSERT_EQ(EPERM, open_as(OTHER_UID + 1, peer.pid, NULL));
}

TEST(access_of_any_kind_lets_CAP_IPC_OWNER_in)
{
	struct peer peer = peer_start(&only_my_program);
	const char *copy = copy_of_this_program();
	int result = open_as(0, peer.pid, copy);

	unlink(copy);
	ASSERT_EQ(0, result);
	ASSERT_EQ(0, peer_event(&peer).uid);
}
