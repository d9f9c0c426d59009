// SPDX-License-Identifier: MIT
/* The end of a mapped pipe: the closed word, what is left to be read, and who is told. */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "harness.h"
#include "mapped.h"

TEST(closed_is_0_while_an_end_is_open_and_HOW_CLOSED_after)
{
	struct rings rings = rings_open(RAW, 1);

	ASSERT_EQ(0, closed_of(rings.in.producer));
	ASSERT_EQ(0, closed_of(rings.in.consumer));
	ring_unmap(&rings.in);
	close(rings.ends.sender);
	ASSERT_EQ(IPCSHIM_HOW_CLOSED, closed_of(rings.out.producer));
	ASSERT_EQ(0, closed_of(rings.out.consumer));
	rings = rings_open(RAW, 1);
	ring_unmap(&rings.out);
	close(rings.ends.receiver);
	ASSERT_EQ(IPCSHIM_HOW_CLOSED, closed_of(rings.in.consumer));
	ASSERT_EQ(0, closed_of(rings.in.producer));
}

TEST(CLOSE_PIPE_is_seen_by_both_sides_at_once)
{
	for (int end = 0; end < 2; end++) {
		struct rings rings = rings_open(RAW, 1);
		struct ipcshim_close_pipe args = { 0 };
		char byte;

		ring_put(&rings.in, "abc", 3);
		ASSERT_OK(ioctl(end ? rings.ends.sender : rings.ends.receiver, IPCSHIM_CLOSE_PIPE,
				&args));
		ASSERT_EQ(IPCSHIM_HOW_CLOSED, closed_of(rings.out.producer));
		ASSERT_EQ(IPCSHIM_HOW_CLOSED, closed_of(rings.in.consumer));
		/* What is left was discarded, as far as the driver goes. */
		ASSERT_EQ(0, read(rings.ends.receiver, &byte, 1));
		ASSERT_EQ(0, info_of(rings.ends.receiver).bytes_waiting);
		signal(SIGPIPE, SIG_IGN);
		ASSERT_ERRNO(EPIPE, write(rings.ends.sender, "x", 1));
	}
}

/* A mapping counts as a user of its end. */

static void expect_open(int expected, int end)
{
	ASSERT_EQ(expected, info_of(end).flags & IPCSHIM_INFO_OPEN);
}

TEST(an_end_closes_with_its_mapping_if_that_goes_last)
{
	struct rings rings = rings_open(RAW, 1);
	char got[3];

	close(rings.ends.sender);
	expect_open(IPCSHIM_INFO_OPEN, rings.ends.receiver);
	ASSERT_EQ(0, closed_of(rings.out.producer));
	/* It still works, without a call. */
	ring_put(&rings.in, "abc", 3);
	ASSERT_EQ(3, read(rings.ends.receiver, got, 3));
	ring_unmap(&rings.in);
	expect_open(0, rings.ends.receiver);
	ASSERT_EQ(IPCSHIM_HOW_CLOSED, closed_of(rings.out.producer));
	ASSERT_EQ(0, read(rings.ends.receiver, got, 3));
	rings = rings_open(RAW, 1);
	close(rings.ends.receiver);
	expect_open(IPCSHIM_INFO_OPEN, rings.ends.sender);
	ring_unmap(&rings.out);
	expect_open(0, rings.ends.sender);
	ASSERT_EQ(IPCSHIM_HOW_CLOSED, closed_of(rings.in.consumer));
}

TEST(an_end_closes_with_its_descriptor_if_that_goes_last)
{
	struct rings rings = rings_open(RAW, 1);

	ring_unmap(&rings.in);
	expect_open(IPCSHIM_INFO_OPEN, rings.ends.receiver);
	close(rings.ends.sender);
	expect_open(0, rings.ends.receiver);
	ASSERT_EQ(IPCSHIM_HOW_CLOSED, closed_of(rings.out.producer));
}

TEST(the_ring_stays_for_who_has_it_mapped_when_all_else_is_closed)
{
	int port = port_open();
	struct state before = state_now(port);
	struct rings rings = { .ends = mapped_open(port, RAW, 1) };
	char got[3];

	rings.in = ring_map(rings.ends.sender);
	rings.out = ring_map(rings.ends.receiver);
	close(rings.ends.sender);
	close(rings.ends.receiver);
	ASSERT_EQ(before.query.pipes + 1, query(port).pipes);
	ring_put(&rings.in, "abc", 3);
	ring_unmap(&rings.in);
	ASSERT_EQ(IPCSHIM_HOW_CLOSED, closed_of(rings.out.producer));
	ring_get(&rings.out, got, 3);
	ASSERT_EQ(0, memcmp(got, "abc", 3));
	ring_unmap(&rings.out);
	state_same(port, &before);
}

/* What was put before the end is read after it, both ways. */

TEST(what_was_put_by_hand_is_drained_after_the_sender_has_closed)
{
	for (unsigned int mode = RAW; mode <= MESSAGE; mode++) {
		for (int by_hand = 0; by_hand < 2; by_hand++) {
			struct rings rings = rings_open(mode, 1);
			char got[5];

			if (mode == RAW)
				ring_put(&rings.in, "hello", 5);
			else
				ring_put_message(&rings.in, "hello", 5);
			ring_unmap(&rings.in);
			close(rings.ends.sender);
			if (!by_hand)
				ASSERT_EQ(5, read(rings.ends.receiver, got, 5));
			else if (mode == RAW)
				ring_get(&rings.out, got, 5);
			else
				ring_get_message(&rings.out, got, 5);
			ASSERT_EQ(0, memcmp(got, "hello", 5));
			ASSERT_EQ(0, read(rings.ends.receiver, got, 5));
		}
	}
}

/* How it ended. */

struct remote_end {
	struct peer peer;
	int port;
	int fd; /* mine */
	struct ipcshim_claim claim; /* the peer's */
	uint64_t address; /* of the peer's mapping */
};

/* I keep one end; the peer has the other one, and maps it. */
static struct remote_end remote_mapped(int port, unsigned int mode, unsigned int mine)
{
	struct remote_end remote = { .peer = peer_listening(), .port = port };
	struct ipcshim_open_pipe args = mapped_args(mode, 1);

	args.pid = (uint32_t)remote.peer.pid;
	args.direction = (uint16_t)mine;
	ASSERT_OK(ioctl(remote.port, IPCSHIM_OPEN_PIPE, &args));
	remote.fd = args.fd;
	remote.claim = peer_take(&remote.peer, peer_event(&remote.peer).token);
	ASSERT_EQ(0, peer_map(&remote.peer, remote.claim.fd, page_size(), PROT_READ, MAP_SHARED,
			      &remote.address));
	return remote;
}

static void expect_told(const struct remote_end *remote, enum ending ending, unsigned int mine)
{
	struct ipcshim_event event = event_read(remote->port);

	ASSERT_EQ(IPCSHIM_EVENT_PIPE_CLOSED, event.code);
	ASSERT_EQ(how_of(ending), event.pipe_closed.how);
	ASSERT_EQ(status_of(ending), event.pipe_closed.status);
	ASSERT_EQ(mine, event.pipe_closed.end);
	ASSERT_EQ(remote->peer.pid, event.pid);
	ASSERT_EQ(0, events_waiting(remote->port));
}

TEST(the_closed_word_and_the_event_tell_how_the_other_process_ended)
{
	int port = port_handling();

	for (int keeps_fd = 0; keeps_fd < 2; keeps_fd++) {
		for (enum ending ending = BY_EXIT; ending < ENDINGS; ending++) {
			struct remote_end remote =
				remote_mapped(port, RAW, IPCSHIM_END_RECEIVER);
			struct ring ring = ring_map(remote.fd);

			/* With a descriptor left, or with its mapping alone. */
			if (!keeps_fd)
				ASSERT_EQ(0, peer_close(&remote.peer, remote.claim.fd));
			peer_end(&remote.peer, ending);
			ASSERT_EQ(how_of(ending), closed_of(ring.producer));
			expect_told(&remote, ending, IPCSHIM_END_RECEIVER);
			ring_unmap(&ring);
			close(remote.fd);
		}
	}
}

TEST(the_death_of_a_mapped_receiver_is_told_to_a_mapped_sender)
{
	int port = port_handling();

	for (enum ending ending = BY_EXIT; ending < ENDINGS; ending++) {
		struct remote_end remote = remote_mapped(port, MESSAGE, IPCSHIM_END_SENDER);
		struct ring ring = ring_map(remote.fd);

		peer_end(&remote.peer, ending);
		ASSERT_EQ(how_of(ending), closed_of(ring.consumer));
		expect_told(&remote, ending, IPCSHIM_END_SENDER);
		signal(SIGPIPE, SIG_IGN);
		ASSERT_ERRNO(EPIPE, write(remote.fd, "x", 1));
	}
}

TEST(pipe_closed_counts_what_was_put_by_hand_and_never_read)
{
	int port = port_handling();

	for (unsigned int mode = RAW; mode <= MESSAGE; mode++) {
		struct remote_end remote = remote_mapped(port, mode, IPCSHIM_END_SENDER);
		struct ring ring = ring_map(remote.fd);
		struct ipcshim_event event;

		for (int i = 0; i < 3; i++)
			if (mode == RAW)
				ring_put(&ring, "12345678", 8);
			else
				ring_put_message(&ring, "12345678", 8);
		peer_kill(&remote.peer);
		event = event_read(remote.port);
		/* (Records count whole.) */
		ASSERT_EQ(mode == RAW ? 24 : 48, event.pipe_closed.bytes_unread);
		ASSERT_EQ(mode == RAW ? 0 : 3, event.pipe_closed.messages_unread);
	}
}

TEST(pipe_closed_counts_no_more_than_there_can_be_whatever_the_pages_say)
{
	int port = port_handling();

	static const uint64_t positions[] = { 1ULL << 63, ~0ULL, 0x80000000, UNIT + 1, 8 * UNIT };

	for (unsigned int i = 0; i < sizeof(positions) / sizeof(positions[0]); i++) {
		struct remote_end remote = remote_mapped(port, MESSAGE, IPCSHIM_END_SENDER);
		struct ring ring = ring_map(remote.fd);
		struct ipcshim_event event;

		set_position(ring.producer, positions[i]);
		ring.producer->messages = positions[i];
		peer_kill(&remote.peer);
		event = event_read(remote.port);
		ASSERT_EQ(IPCSHIM_HOW_KILLED, event.pipe_closed.how);
		ASSERT_TRUE(event.pipe_closed.bytes_unread <= ring.area);
		ASSERT_TRUE(event.pipe_closed.messages_unread <= ring.area / 8);
	}
}

/* Whoever stores a closed word of its own ends nothing. */
TEST(a_closed_word_that_the_other_side_wrote_itself_is_not_believed_by_the_driver)
{
	struct rings rings = rings_open(RAW, 1);
	struct ipcshim_pipe_wait wait = nowait_args(1);
	char byte;

	__atomic_store_n(&rings.in.producer->closed, IPCSHIM_HOW_KILLED, __ATOMIC_RELEASE);
	__atomic_store_n(&rings.out.consumer->closed, ~0U, __ATOMIC_RELEASE);
	ASSERT_ERRNO(EAGAIN, ioctl(rings.ends.receiver, IPCSHIM_PIPE_WAIT, &wait));
	expect_open(IPCSHIM_INFO_OPEN, rings.ends.receiver);
	expect_open(IPCSHIM_INFO_OPEN, rings.ends.sender);
	ASSERT_EQ(1, write(rings.ends.sender, "x", 1));
	ASSERT_EQ(1, read(rings.ends.receiver, &byte, 1));
	/* And the driver's own word comes over it. */
	ring_unmap(&rings.in);
	close(rings.ends.sender);
	ASSERT_EQ(IPCSHIM_HOW_CLOSED, closed_of(rings.out.producer));
}
