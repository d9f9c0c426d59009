// SPDX-License-Identifier: MIT
/* Pids and uids across namespaces, and pids that are used again. */
#include <errno.h>
#include <unistd.h>

#include "harness.h"
#include "support.h"

TEST(event_from_outside_the_pid_namespace_has_pid_0)
{
	static const struct peer_options options = {
		.codes = BOTH_CODES,
		.new_pid_namespace = true,
	};
	struct peer peer = peer_start(&options);
	struct ipcshim_open_pipe args = open_args();

	args.pid = (uint32_t)peer.pid;
	ASSERT_OK(ioctl(port_open(), IPCSHIM_OPEN_PIPE, &args));
	ASSERT_EQ(0, peer_event(&peer).pid);
}

TEST(event_from_inside_the_pid_namespace_has_the_pid_that_counts_there)
{
	static const struct peer_options options = {
		.codes = BOTH_CODES,
		.new_pid_namespace = true,
	};
	struct peer peer = peer_start(&options);

	ASSERT_EQ(0, peer_open_to(&peer, 1));
	ASSERT_EQ(1, peer_event(&peer).pid);
	ASSERT_TRUE(is_handled(port_open(), peer.pid, IPCSHIM_EVENT_RECV_PIPE));
}

TEST(open_pipe_to_a_pid_of_another_pid_namespace_is_ESRCH)
{
	static const struct peer_options options = {
		.codes = BOTH_CODES,
		.new_pid_namespace = true,
	};
	struct peer peer = peer_start(&options);
	int port = port_handling();

	ASSERT_EQ(ESRCH, peer_open_to(&peer, getpid()));
	ASSERT_EQ(0, events_waiting(port));
}

/* The other uid is called 7 in there. */
static const struct peer_options user_namespace = {
	.codes = BOTH_CODES,
	.access = IPCSHIM_ACCESS_ANYBODY,
	.id_map = "0 0 1\n7 4711 1\n",
};

TEST(event_has_the_uid_that_counts_in_the_user_namespace_of_the_receiver)
{
	struct peer peer = peer_start(&user_namespace);

	ASSERT_EQ(0, open_as(OTHER_UID, peer.pid, NULL));
	ASSERT_EQ(7, peer_event(&peer).uid);
}

TEST(event_from_a_uid_without_a_mapping_has_the_overflow_uid)
{
	struct peer peer = peer_start(&user_namespace);

	ASSERT_EQ(0, open_as(OTHER_UID + 1, peer.pid, NULL));
	ASSERT_EQ(65534, peer_event(&peer).uid);
}

TEST(open_pipe_by_root_of_a_user_namespace_to_the_outside_is_EPERM)
{
	static const struct peer_options options = {
		.codes = BOTH_CODES,
		.id_map = "0 4711 1\n",
		.become_root = true,
	};
	struct peer peer = peer_start(&options);
	int port = port_handling();

	ASSERT_EQ(EPERM, peer_open_to(&peer, getpid()));
	ASSERT_EQ(0, events_waiting(port));
	/* The other way: this root has CAP_IPC_OWNER in there. */
	ASSERT_EQ(0, open_as(0, peer.pid, NULL));
	ASSERT_EQ(65534, peer_event(&peer).uid);
}

TEST(open_pipe_to_a_recycled_pid_is_ECONNREFUSED_until_it_has_a_port)
{
	struct peer first = peer_listening();
	struct peer_options again = { .no_port = true };
	struct peer second;
	struct ipcshim_open_pipe args = open_args();
	int port = port_open();

	peer_kill(&first);
	again.pid = first.pid;
	second = peer_start(&again);
	ASSERT_EQ(first.pid, second.pid);
	args.pid = (uint32_t)second.pid;
	ASSERT_ERRNO(ECONNREFUSED, ioctl(port, IPCSHIM_OPEN_PIPE, &args));
	ASSERT_TRUE(!is_handled(port, second.pid, IPCSHIM_EVENT_RECV_PIPE));
	ASSERT_EQ(0, query(port).pipes);
}

TEST(claim_by_a_process_with_a_recycled_pid_is_ENOENT)
{
	struct peer first = peer_listening();
	struct peer_options again = { .codes = BOTH_CODES };
	struct peer second;
	struct ipcshim_open_pipe args = open_args();
	int port = port_open();

	args.pid = (uint32_t)first.pid;
	ASSERT_OK(ioctl(port, IPCSHIM_OPEN_PIPE, &args));
	peer_kill(&first);
	again.pid = first.pid;
	second = peer_start(&again);
	ASSERT_EQ(first.pid, second.pid);
	ASSERT_EQ(0, peer_events_waiting(&second));
	ASSERT_EQ(ENOENT, peer_claim(&second, args.token));
}
