// SPDX-License-Identifier: MIT
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <errno.h>
#include <unistd.h>

#include "harness.h"
#include "support.h"

TEST(query_flags_set_is_EINVAL)
{
	struct ipcshim_query args = { .flags = 1 };

	ASSERT_ERRNO(EINVAL, ioctl(port_open(), IPCSHIM_QUERY, &args));
}

/* These were reserved, or beyond the end, in the first version: so they stay [in] 0. */
TEST(query_any_field_that_the_first_version_had_not_set_is_EINVAL)
{
	int port = port_open();

	for (int i = 0; i < 14; i++) {
		struct ipcshim_query args = { 0 };
		__u64 *fields[] = {
			&args.limit_segment_bytes,
			&args.used_segment_bytes,
			&args.segments,
			&args.segment_bytes,
			&args.limit_ptys,
			&args.ptys,
			&args.limit_exchanges,
			&args.services,
			&args.connections,
			&args.exchanges,
			&args.messages,
			&args.message_bytes,
			&args.reserved[0],
			&args.reserved[1],
		};

		*fields[i] = 1ULL << (i * 4);
		ASSERT_ERRNO(EINVAL, ioctl(port, IPCSHIM_QUERY, &args));
	}
}

TEST(query_at_a_bad_address_is_EFAULT)
{
	ASSERT_ERRNO(EFAULT, ioctl(port_open(), IPCSHIM_QUERY, bad_address()));
}

TEST(query_answer_to_read_only_memory_is_EFAULT)
{
	struct ipcshim_query args = { 0 };

	ASSERT_ERRNO(EFAULT,
		     ioctl(port_open(), IPCSHIM_QUERY, read_only_copy(&args, sizeof(args))));
}

TEST(query_tells_version_features_and_sizes)
{
	const uint64_t features = IPCSHIM_FEATURE_EVENTS | IPCSHIM_FEATURE_PIPES |
				  IPCSHIM_FEATURE_SEGMENTS | IPCSHIM_FEATURE_PTYS |
				  IPCSHIM_FEATURE_SOCKETS | IPCSHIM_FEATURE_MAPPED |
				  IPCSHIM_FEATURE_BATCH | IPCSHIM_FEATURE_URING;
	struct ipcshim_query args;

	memset(&args, 0xff, sizeof(args));
	/* What is only [out] is ignored on entry. */
	args.flags = 0;
	args.limit_segment_bytes = 0;
	args.used_segment_bytes = 0;
	args.segments = 0;
	args.segment_bytes = 0;
	args.limit_ptys = 0;
	args.ptys = 0;
	args.limit_exchanges = 0;
	args.services = 0;
	args.connections = 0;
	args.exchanges = 0;
	args.messages = 0;
	args.message_bytes = 0;
	memset(args.reserved, 0, sizeof(args.reserved));
	ASSERT_OK(ioctl(port_open(), IPCSHIM_QUERY, &args));
	ASSERT_EQ(IPCSHIM_ABI_VERSION, args.abi_version);
	ASSERT_EQ(features, args.features & ~IPCSHIM_FEATURE_DMABUF);
	ASSERT_EQ(sysconf(_SC_PAGESIZE), args.page_size);
	ASSERT_EQ(IPCSHIM_CAPACITY_MAX, args.capacity_max);
	ASSERT_EQ(IPCSHIM_MESSAGE_MAX, args.message_max);
	ASSERT_EQ(IPCSHIM_PIPE_BUF, args.pipe_buf);
	ASSERT_TRUE(args.limit_segment_bytes > 0);
	ASSERT_EQ(0, args.used_segment_bytes);
	ASSERT_EQ(0, args.segments);
	ASSERT_EQ(0, args.segment_bytes);
	ASSERT_TRUE(args.limit_ptys > 0);
	ASSERT_EQ(0, args.ptys);
	ASSERT_TRUE(args.limit_exchanges > 0);
	ASSERT_EQ(0, args.services);
	ASSERT_EQ(0, args.connections);
	ASSERT_EQ(0, args.exchanges);
	ASSERT_EQ(0, args.messages);
	ASSERT_EQ(0, args.message_bytes);
	ASSERT_EQ(0, args.reserved[0]);
	ASSERT_EQ(0, args.reserved[1]);
}

TEST(query_counts_ports)
{
	int port = port_open();
	struct ipcshim_query before = query(port);
	int second = port_open();

	ASSERT_EQ(before.ports + 1, query(port).ports);
	ASSERT_EQ(before.used_ports + 1, query(port).used_ports);
	close(second);
	ASSERT_EQ(before.ports, query(port).ports);
	ASSERT_EQ(before.used_ports, query(port).used_ports);
}

TEST(query_counts_pipes_and_their_capacity_until_both_ends_are_closed)
{
	int port = port_open();
	struct ipcshim_query before = query(port);
	struct ends ends = ends_open(port, IPCSHIM_PIPE_RAW, 3);
	struct ipcshim_query now = query(port);

	ASSERT_EQ(before.pipes + 1, now.pipes);
	ASSERT_EQ(before.used_objects + 1, now.used_objects);
	ASSERT_EQ(before.used_bytes + 3 * UNIT, now.used_bytes);
	close(ends.sender);
	ASSERT_EQ(before.pipes + 1, query(port).pipes);
	close(ends.receiver);
	now = query(port);
	ASSERT_EQ(before.pipes, now.pipes);
	ASSERT_EQ(before.used_objects, now.used_objects);
	ASSERT_EQ(before.used_bytes, now.used_bytes);
}

TEST(query_counts_ring_bytes_from_the_first_write_on)
{
	int port = port_open();
	struct ipcshim_query before = query(port);
	struct ends ends = ends_open(port, IPCSHIM_PIPE_RAW, 2);

	ASSERT_EQ(before.ring_bytes, query(port).ring_bytes);
	ASSERT_EQ(1, write(ends.sender, "x", 1));
	ASSERT_TRUE(query(port).ring_bytes >= before.ring_bytes + 2 * UNIT);
	close(ends.sender);
	close(ends.receiver);
	ASSERT_EQ(before.ring_bytes, query(port).ring_bytes);
}

TEST(query_counts_tokens_and_events_until_claimed_and_read)
{
	struct peer peer = peer_listening();
	int port = port_open();
	struct ipcshim_query before = query(port);
	struct ipcshim_open_pipe args = open_args();
	struct ipcshim_query now;

	args.pid = (uint32_t)peer.pid;
	ASSERT_OK(ioctl(port, IPCSHIM_OPEN_PIPE, &args));
	now = query(port);
	ASSERT_EQ(before.pipes + 1, now.pipes);
	ASSERT_EQ(before.tokens + 1, now.tokens);
	ASSERT_EQ(before.events + 1, now.events);
	/* A pipe and a token that was never claimed. */
	ASSERT_EQ(before.used_objects + 2, now.used_objects);
	peer_event(&peer);
	ASSERT_EQ(before.events, query(port).events);
	ASSERT_EQ(0, peer_claim(&peer, args.token));
	now = query(port);
	ASSERT_EQ(before.tokens, now.tokens);
	ASSERT_EQ(before.used_objects + 1, now.used_objects);
	close(args.fd);
	peer_kill(&peer);
	now = query(port);
	ASSERT_EQ(before.pipes, now.pipes);
	ASSERT_EQ(before.used_objects, now.used_objects);
	ASSERT_EQ(0, now.events);
}
