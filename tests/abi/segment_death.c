// SPDX-License-Identifier: MIT
/* Sharer or receiver ends at each step: who is told what, and what stays. */
#include <errno.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include "harness.h"
#include "memory.h"

/* A sharer and a receiver, both of them peers. */
struct stand {
	struct peer sharer;
	struct holder holder;
	int port; /* ours, to ask for what exists */
	struct ipcshim_query before;
	int fd; /* of the sharer */
	size_t size;
	uint64_t address; /* in the sharer */
};

static struct stand stand_up(unsigned int mode)
{
	struct stand stand = {
		.sharer = peer_for_memory(),
		.holder.peer = peer_for_memory(),
		.size = 4 * page_size(),
	};
	struct ipcshim_create_mem create = { .length = stand.size };

	stand.port = port_open();
	stand.before = query(stand.port);
	ASSERT_EQ(0, peer_ioctl(&stand.sharer, -1, IPCSHIM_CREATE_MEM, &create));
	stand.fd = create.fd;
	ASSERT_EQ(0, peer_map(&stand.sharer, stand.fd, stand.size, PROT_READ | PROT_WRITE,
			      MAP_SHARED, &stand.address));
	peer_fill(&stand.sharer, stand.address, stand.size, 1);
	stand.holder.share = share_args(stand.holder.peer.pid, mode, R | W);
	ASSERT_EQ(0, peer_ioctl(&stand.sharer, stand.fd, IPCSHIM_SHARE_MEM, &stand.holder.share));
	ASSERT_EQ(IPCSHIM_EVENT_RECV_SHARED_MEM, peer_event(&stand.holder.peer).code);
	return stand;
}

/* (Who has lost it still has a descriptor, which is an object.) */
static void pages_freed(struct stand *stand)
{
	struct ipcshim_query now = query(stand->port);

	ASSERT_EQ(stand->before.segments, now.segments);
	ASSERT_EQ(stand->before.segment_bytes, now.segment_bytes);
	ASSERT_EQ(stand->before.used_segment_bytes, now.used_segment_bytes);
}

static void nothing_left(struct stand *stand)
{
	struct ipcshim_query now = query(stand->port);

	pages_freed(stand);
	ASSERT_EQ(stand->before.used_objects, now.used_objects);
	ASSERT_EQ(stand->before.tokens, now.tokens);
}

static void told(struct stand *stand, unsigned int how, int status)
{
	struct ipcshim_event event = peer_event(&stand->holder.peer);

	ASSERT_EQ(IPCSHIM_EVENT_UNSHARED_MEM, event.code);
	ASSERT_EQ(how, event.unshared_mem.how);
	ASSERT_EQ(status, event.unshared_mem.status);
	ASSERT_EQ(stand->holder.claim.inode, event.unshared_mem.inode);
	ASSERT_EQ(0, peer_events_waiting(&stand->holder.peer));
}

/* It can be used as before, and goes with its last holder. */
static void stays_until_the_end(struct stand *stand)
{
	struct holder *holder = &stand->holder;
	uint64_t address;

	peer_check(&holder->peer, holder->address, stand->size, 1);
	ASSERT_EQ(0, peer_map(&holder->peer, holder->claim.fd, stand->size, PROT_READ, MAP_SHARED,
			      &address));
	peer_check(&holder->peer, address, stand->size, 1);
	ASSERT_EQ(1, query(stand->port).segments);
	peer_kill(&holder->peer);
	nothing_left(stand);
}

TEST(sharer_that_ends_after_the_claim_is_told_and_the_pages_stay)
{
	for (unsigned int i = 0; i < ENDINGS; i++) {
		struct stand stand = stand_up(MUTUAL);

		holder_claim(&stand.holder);
		holder_map(&stand.holder);
		peer_end(&stand.sharer, i);
		told(&stand, how_of(i), status_of(i));
		stays_until_the_end(&stand);
	}
}

/* Whoever claims what has lost its sharer already is told as soon as it has it. */
TEST(sharer_that_ends_before_the_claim_is_told_with_it_and_the_pages_stay)
{
	for (unsigned int i = 0; i < ENDINGS; i++) {
		struct stand stand = stand_up(MUTUAL);

		peer_end(&stand.sharer, i);
		ASSERT_EQ(0, peer_events_waiting(&stand.holder.peer));
		holder_claim(&stand.holder);
		holder_map(&stand.holder);
		told(&stand, how_of(i), status_of(i));
		stays_until_the_end(&stand);
	}
}

TEST(sharer_that_closes_and_unmaps_is_told_and_the_pages_stay)
{
	struct stand stand = stand_up(MUTUAL);

	holder_claim(&stand.holder);
	holder_map(&stand.holder);
	ASSERT_EQ(0, peer_close(&stand.sharer, stand.fd));
	ASSERT_EQ(0, peer_events_waiting(&stand.holder.peer));
	ASSERT_EQ(0, peer_unmap(&stand.sharer, stand.address, stand.size));
	told(&stand, IPCSHIM_HOW_CLOSED, 0);
	stays_until_the_end(&stand);
}

TEST(sharer_that_ends_with_a_living_child_that_inherited_is_not_told)
{
	struct stand stand = stand_up(MUTUAL);

	holder_claim(&stand.holder);
	holder_map(&stand.holder);
	peer_fork(&stand.sharer);
	/* Its child holds the same grant: closing is not its end. */
	ASSERT_EQ(0, peer_close(&stand.sharer, stand.fd));
	ASSERT_EQ(0, peer_unmap(&stand.sharer, stand.address, stand.size));
	ASSERT_EQ(0, peer_events_waiting(&stand.holder.peer));
	peer_check(&stand.holder.peer, stand.holder.address, stand.size, 1);
}

TEST(sharer_that_ends_after_a_hand_over_is_not_told)
{
	for (unsigned int i = 0; i < ENDINGS; i++) {
		struct stand stand = stand_up(EXCLUSIVE);

		holder_claim(&stand.holder);
		holder_map(&stand.holder);
		peer_end(&stand.sharer, i);
		ASSERT_EQ(0, peer_events_waiting(&stand.holder.peer));
		stays_until_the_end(&stand);
	}
}

TEST(sharer_that_ends_between_hand_over_and_claim_is_not_told)
{
	for (unsigned int i = 0; i < ENDINGS; i++) {
		struct stand stand = stand_up(EXCLUSIVE);

		peer_end(&stand.sharer, i);
		holder_claim(&stand.holder);
		holder_map(&stand.holder);
		ASSERT_EQ(0, peer_events_waiting(&stand.holder.peer));
		stays_until_the_end(&stand);
	}
}

TEST(receiver_that_ends_before_the_claim_leaves_the_sharer_alone)
{
	for (unsigned int i = 0; i < ENDINGS; i++) {
		struct stand stand = stand_up(MUTUAL);
		struct ipcshim_mem_info info = { 0 };

		peer_end(&stand.holder.peer, i);
		ASSERT_EQ(0, peer_ioctl(&stand.sharer, stand.fd, IPCSHIM_MEM_SHARING_INFO, &info));
		ASSERT_EQ(0, info.nr_holders);
		ASSERT_EQ(0, peer_events_waiting(&stand.sharer));
		peer_check(&stand.sharer, stand.address, stand.size, 1);
		peer_kill(&stand.sharer);
		nothing_left(&stand);
	}
}

TEST(receiver_that_ends_after_the_claim_leaves_the_sharer_alone)
{
	for (unsigned int i = 0; i < ENDINGS; i++) {
		struct stand stand = stand_up(MUTUAL);
		struct peer other = peer_for_memory();
		struct ipcshim_share_mem args = share_args(other.pid, EXCLUSIVE, R);

		holder_claim(&stand.holder);
		holder_map(&stand.holder);
		ASSERT_EQ(EBUSY, peer_ioctl(&stand.sharer, stand.fd, IPCSHIM_SHARE_MEM, &args));
		peer_end(&stand.holder.peer, i);
		peer_check(&stand.sharer, stand.address, stand.size, 1);
		/* Alone again, so it can be handed over. */
		ASSERT_EQ(0, peer_ioctl(&stand.sharer, stand.fd, IPCSHIM_SHARE_MEM, &args));
		peer_kill(&other);
		peer_kill(&stand.sharer);
		nothing_left(&stand);
	}
}

TEST(receiver_that_ends_before_the_claim_takes_what_was_handed_over_with_it)
{
	for (unsigned int i = 0; i < ENDINGS; i++) {
		struct stand stand = stand_up(EXCLUSIVE);

		peer_end(&stand.holder.peer, i);
		pages_freed(&stand);
		ASSERT_EQ(0, peer_events_waiting(&stand.sharer));
		ASSERT_EQ(SIGBUS, peer_load(&stand.sharer, stand.address));
		peer_kill(&stand.sharer);
		nothing_left(&stand);
	}
}

TEST(receiver_that_ends_after_the_claim_takes_what_was_handed_over_with_it)
{
	for (unsigned int i = 0; i < ENDINGS; i++) {
		struct stand stand = stand_up(EXCLUSIVE);

		holder_claim(&stand.holder);
		holder_map(&stand.holder);
		ASSERT_EQ(0, peer_load(&stand.holder.peer, stand.holder.address));
		peer_end(&stand.holder.peer, i);
		pages_freed(&stand);
		peer_kill(&stand.sharer);
		nothing_left(&stand);
	}
}

TEST(receiver_without_a_handler_is_told_nothing_and_keeps_the_pages)
{
	static const struct peer_options options = {
		.codes = 1ULL << IPCSHIM_EVENT_RECV_SHARED_MEM,
	};
	struct holder holder = { .peer = peer_start(&options) };
	int port = memory_port();
	int segment = segment_create(port, page_size());

	holder_get(&holder, segment, MUTUAL, R);
	peer_event(&holder.peer);
	close(segment);
	ASSERT_EQ(0, peer_events_waiting(&holder.peer));
	ASSERT_EQ(0, peer_load(&holder.peer, holder.address));
	ASSERT_EQ(0, query(port).events);
}

/* "At most one for each segment": revoked first, then the sharer ends. */
TEST(receiver_is_told_once)
{
	struct stand stand = stand_up(MUTUAL);
	struct ipcshim_unshare_mem args = { 0 };

	holder_claim(&stand.holder);
	ASSERT_EQ(0, peer_ioctl(&stand.sharer, stand.fd, IPCSHIM_UNSHARE_MEM, &args));
	told(&stand, IPCSHIM_HOW_REVOKED, 0);
	peer_kill(&stand.sharer);
	ASSERT_EQ(0, peer_events_waiting(&stand.holder.peer));
}
