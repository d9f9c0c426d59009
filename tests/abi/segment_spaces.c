// SPDX-License-Identifier: MIT
/* Segments across pid and user namespaces, and pids that are used again. */
#include <errno.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include "harness.h"
#include "memory.h"

static const struct peer_options inside = { .codes = MEMORY_CODES, .new_pid_namespace = true };

TEST(segment_from_outside_the_pid_namespace_has_pid_0)
{
	struct holder holder = { .peer = peer_start(&inside) };
	int segment = segment_create(port_open(), page_size());
	struct ipcshim_mem_info info = { 0 };

	holder_get(&holder, segment, MUTUAL, R);
	ASSERT_EQ(0, peer_event(&holder.peer).pid);
	ASSERT_EQ(0, peer_ioctl(&holder.peer, holder.claim.fd, IPCSHIM_MEM_SHARING_INFO, &info));
	ASSERT_EQ(0, info.sharer);
	ASSERT_EQ(1, take_back(segment, holder.peer.pid));
	ASSERT_EQ(0, peer_event(&holder.peer).pid);
}

TEST(segment_to_inside_the_pid_namespace_has_a_holder_of_the_pid_that_counts_here)
{
	struct holder holder = { .peer = peer_start(&inside) };
	int segment = segment_create(port_open(), page_size());
	uint32_t pid = 0;
	struct ipcshim_mem_info info = { .nr_holders = 1, .holders = (uintptr_t)&pid };

	holder_get(&holder, segment, MUTUAL, R);
	ASSERT_OK(ioctl(segment, IPCSHIM_MEM_SHARING_INFO, &info));
	ASSERT_EQ(holder.peer.pid, pid);
}

TEST(segment_made_inside_the_pid_namespace_can_not_be_shared_to_the_outside)
{
	struct peer peer = peer_start(&inside);
	int port = memory_port();
	struct ipcshim_create_mem create = { .length = page_size() };
	struct ipcshim_share_mem args = share_args(getpid(), MUTUAL, R);
	struct ipcshim_unshare_mem back = { .pid = (uint32_t)getpid() };

	ASSERT_EQ(0, peer_ioctl(&peer, -1, IPCSHIM_CREATE_MEM, &create));
	ASSERT_EQ(ESRCH, peer_ioctl(&peer, create.fd, IPCSHIM_SHARE_MEM, &args));
	args.mode = EXCLUSIVE;
	ASSERT_EQ(ESRCH, peer_ioctl(&peer, create.fd, IPCSHIM_SHARE_MEM, &args));
	ASSERT_EQ(ESRCH, peer_ioctl(&peer, create.fd, IPCSHIM_UNSHARE_MEM, &back));
	/* Its own number in there is 1: that is itself. */
	args.pid = 1;
	ASSERT_EQ(EINVAL, peer_ioctl(&peer, create.fd, IPCSHIM_SHARE_MEM, &args));
	ASSERT_EQ(0, events_waiting(port));
}

TEST(segment_lent_to_inside_the_pid_namespace_comes_back)
{
	struct holder holder = { .peer = peer_start(&inside) };
	int port = memory_port();
	int segment = segment_create(port, page_size());
	struct ipcshim_event event;

	holder.share = lend(segment, holder.peer.pid, R | W, 0);
	holder_claim(&holder);
	peer_kill(&holder.peer);
	event = event_read(port);
	ASSERT_EQ(IPCSHIM_MEM_RETURNED, event.recv_shared_mem.mode);
	ASSERT_EQ(IPCSHIM_HOW_KILLED, event.recv_shared_mem.how);
	ASSERT_EQ(SIGKILL, event.recv_shared_mem.status);
}

/* The other uid is called 7 in there. */
TEST(segment_from_another_user_has_the_uid_that_counts_in_the_user_namespace)
{
	static const struct peer_options options = {
		.codes = MEMORY_CODES,
		.access = IPCSHIM_ACCESS_ANYBODY,
		.id_map = "0 0 1\n7 4711 1\n",
	};
	static const struct peer_options other = { .codes = MEMORY_CODES, .uid = OTHER_UID };
	struct peer receiver = peer_start(&options);
	struct peer sharer = peer_start(&other);
	struct ipcshim_create_mem create = { .length = page_size() };
	struct ipcshim_share_mem args = share_args(receiver.pid, MUTUAL, R);
	struct ipcshim_unshare_mem back = { 0 };

	ASSERT_EQ(0, peer_ioctl(&sharer, -1, IPCSHIM_CREATE_MEM, &create));
	ASSERT_EQ(0, peer_ioctl(&sharer, create.fd, IPCSHIM_SHARE_MEM, &args));
	ASSERT_EQ(7, peer_event(&receiver).uid);
	peer_take(&receiver, args.token);
	ASSERT_EQ(0, peer_ioctl(&sharer, create.fd, IPCSHIM_UNSHARE_MEM, &back));
	ASSERT_EQ(7, peer_event(&receiver).uid);
}

TEST(segment_of_another_users_namespace_can_not_be_shared_to_the_outside)
{
	static const struct peer_options options = {
		.codes = MEMORY_CODES,
		.id_map = "0 4711 1\n",
		.become_root = true,
	};
	struct peer peer = peer_start(&options);
	int port = memory_port();
	struct ipcshim_create_mem create = { .length = page_size() };
	struct ipcshim_share_mem args = share_args(getpid(), EXCLUSIVE, R);

	ASSERT_EQ(0, peer_ioctl(&peer, -1, IPCSHIM_CREATE_MEM, &create));
	ASSERT_EQ(EPERM, peer_ioctl(&peer, create.fd, IPCSHIM_SHARE_MEM, &args));
	ASSERT_EQ(0, events_waiting(port));
}

TEST(share_mem_with_a_recycled_pid_is_no_share_with_who_had_it)
{
	struct holder first = { .peer = peer_for_memory() };
	struct peer_options again = { .codes = MEMORY_CODES };
	struct holder second = { 0 };
	int port = memory_port();
	int segment = segment_create(port, page_size());
	struct ipcshim_unshare_mem back = { 0 };

	first.share = share(segment, first.peer.pid, MUTUAL, R);
	peer_kill(&first.peer);
	again.pid = first.peer.pid;
	second.peer = peer_start(&again);
	ASSERT_EQ(first.peer.pid, second.peer.pid);
	ASSERT_EQ(ENOENT, peer_claim(&second.peer, first.share.token));
	back.pid = (uint32_t)second.peer.pid;
	ASSERT_ERRNO(ENOENT, ioctl(segment, IPCSHIM_UNSHARE_MEM, &back));
	/* (It inherited our descriptor, which is our grant and none of its own.) */
	share(segment, second.peer.pid, MUTUAL, R);
}
