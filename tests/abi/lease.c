// SPDX-License-Identifier: MIT
/* A lease that is over: by its deadline, or by the end of who borrowed. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "harness.h"
#include "memory.h"

enum {
	SOON = 50000000, /* nanoseconds */
};

struct stand {
	struct holder holder;
	int port;
	int segment;
	size_t size;
};

/* With contents, and not lent yet. */
static struct stand stand_up(void)
{
	struct stand stand = { .holder.peer = peer_for_memory(), .size = 3 * page_size() };
	char *address;

	stand.port = memory_port();
	stand.segment = segment_create(stand.port, stand.size);
	address = segment_map(stand.segment, stand.size, PROT_READ | PROT_WRITE);
	fill_pattern(address, stand.size, 1);
	ASSERT_OK(munmap(address, stand.size));
	return stand;
}

static void lend_it(struct stand *stand, uint64_t deadline)
{
	stand->holder.share = lend(stand->segment, stand->holder.peer.pid, R | W, deadline);
	peer_event(&stand->holder.peer);
}

/* Waits for it; what comes out is mapped. */
static char *back(struct stand *stand, unsigned int how, int status)
{
	struct ipcshim_event event = event_read(stand->port);
	struct ipcshim_claim got;
	char *address;

	ASSERT_EQ(IPCSHIM_EVENT_RECV_SHARED_MEM, event.code);
	ASSERT_EQ(IPCSHIM_MEM_RETURNED, event.recv_shared_mem.mode);
	ASSERT_EQ(how, event.recv_shared_mem.how);
	ASSERT_EQ(status, event.recv_shared_mem.status);
	got = claim(stand->port, event.token);
	ASSERT_EQ(IPCSHIM_MEM_INFO_OWNER, segment_info(got.fd).flags);
	ASSERT_EQ(1, query(stand->port).segments);
	address = segment_map(got.fd, stand->size, PROT_READ | PROT_WRITE);
	close(got.fd);
	close(stand->segment);
	return address;
}

static bool claim_and_map(struct stand *stand)
{
	struct holder *holder = &stand->holder;

	holder->claim = (struct ipcshim_claim){ .token = holder->share.token };
	if (peer_ioctl(&holder->peer, -1, IPCSHIM_CLAIM, &holder->claim))
		return false;
	if (peer_map(&holder->peer, holder->claim.fd, stand->size, PROT_READ | PROT_WRITE,
		     MAP_SHARED, &holder->address) == 0)
		return true;
	peer_event(&holder->peer);
	ASSERT_EQ(0, peer_close(&holder->peer, holder->claim.fd));
	return false;
}

/* As short as this machine can claim and map meanwhile; the deadline. */
static uint64_t lend_shortly(struct stand *stand)
{
	for (uint64_t length = SOON;; length *= 2) {
		uint64_t deadline = in_nanoseconds(length);

		lend_it(stand, deadline);
		if (claim_and_map(stand))
			return deadline;
		ASSERT_TRUE(in_nanoseconds(0) >= deadline);
		close(stand->segment);
		stand->segment = claim(stand->port, event_read(stand->port).token).fd;
	}
}

static void told_that_the_lease_ended(struct stand *stand)
{
	struct ipcshim_event event = peer_event(&stand->holder.peer);

	ASSERT_EQ(IPCSHIM_EVENT_UNSHARED_MEM, event.code);
	ASSERT_EQ(IPCSHIM_HOW_LEASE_ENDED, event.unshared_mem.how);
	ASSERT_EQ(0, event.unshared_mem.status);
	ASSERT_EQ(stand->holder.claim.inode, event.unshared_mem.inode);
	ASSERT_EQ(0, peer_events_waiting(&stand->holder.peer));
}

TEST(lease_that_ends_comes_back_and_leaves_the_borrower_nothing)
{
	struct stand stand = stand_up();
	struct ipcshim_mem_info info = { 0 };
	uint64_t deadline = lend_shortly(&stand);
	char *address;

	if (peer_load(&stand.holder.peer, stand.holder.address) != 0)
		ASSERT_TRUE(in_nanoseconds(0) >= deadline);
	address = back(&stand, IPCSHIM_HOW_LEASE_ENDED, 0);
	ASSERT_TRUE(in_nanoseconds(0) >= deadline);
	check_pattern(address, stand.size, 1);
	ASSERT_EQ(SIGBUS, peer_load(&stand.holder.peer, stand.holder.address));
	ASSERT_EQ(SIGBUS, peer_store(&stand.holder.peer, stand.holder.address, 1));
	ASSERT_EQ(ESTALE, peer_ioctl(&stand.holder.peer, stand.holder.claim.fd,
				     IPCSHIM_MEM_SHARING_INFO, &info));
	told_that_the_lease_ended(&stand);
	check_pattern(address, stand.size, 1);
}

TEST(lease_that_ends_while_the_borrower_writes_ends_its_writing_by_SIGBUS)
{
	struct stand stand = stand_up();
	char *address;
	char first;

	lend_shortly(&stand);
	peer_write_on(&stand.holder.peer, stand.holder.address);
	address = back(&stand, IPCSHIM_HOW_LEASE_ENDED, 0);
	first = address[0];
	ASSERT_EQ(SIGBUS, peer_write_ended(&stand.holder.peer));
	/* The last that it wrote was before. */
	ASSERT_EQ(first, address[0]);
	told_that_the_lease_ended(&stand);
}

TEST(lease_that_ends_before_the_claim_makes_it_ESTALE)
{
	struct stand stand = stand_up();

	lend_it(&stand, in_nanoseconds(SOON));
	check_pattern(back(&stand, IPCSHIM_HOW_LEASE_ENDED, 0), stand.size, 1);
	ASSERT_EQ(ESTALE, peer_claim(&stand.holder.peer, stand.holder.share.token));
	ASSERT_EQ(ENOENT, peer_claim(&stand.holder.peer, stand.holder.share.token));
	ASSERT_EQ(0, peer_events_waiting(&stand.holder.peer));
}

TEST(lease_that_ends_takes_the_mapping_of_a_forked_child_of_the_borrower)
{
	struct stand stand = stand_up();

	lend_shortly(&stand);
	peer_fork(&stand.holder.peer);
	check_pattern(back(&stand, IPCSHIM_HOW_LEASE_ENDED, 0), stand.size, 1);
	ASSERT_EQ(SIGBUS, peer_load(&stand.holder.peer, stand.holder.address));
}

TEST(lease_given_back_before_its_end_comes_back_once)
{
	struct stand stand = stand_up();
	struct ipcshim_return_mem args = { 0 };
	uint64_t deadline = lend_shortly(&stand);

	if (peer_ioctl(&stand.holder.peer, stand.holder.claim.fd, IPCSHIM_RETURN_MEM, &args)) {
		/* A slow machine: the deadline was first. */
		ASSERT_TRUE(in_nanoseconds(0) >= deadline);
		back(&stand, IPCSHIM_HOW_LEASE_ENDED, 0);
		return;
	}
	back(&stand, IPCSHIM_HOW_RETURNED, 0);
	while (in_nanoseconds(0) < deadline + SOON)
		;
	ASSERT_EQ(0, events_waiting(stand.port));
	ASSERT_EQ(0, peer_events_waiting(&stand.holder.peer));
}

/* A borrower that pins a page by I/O, and goes on with that after the end. */
static void pins_beyond_the_end(int fd, void *argument)
{
	int port = memory_port();
	struct ipcshim_claim got;
	unsigned char *buffer = argument;
	struct pin pin;
	char *address;

	put(fd, 0);
	got = claim(port, get(fd));
	address = segment_map(got.fd, page_size(), PROT_READ | PROT_WRITE);
	fill_pattern(address, page_size(), 2);
	pin = pin_page(address);
	put(fd, 0);
	get(fd); /* the lender has it, and wrote to it */
	expect_gone(address);
	/* What was pinned is what it was: the lender's page is another. */
	ASSERT_EQ(page_size(), read(pin.reader, buffer, page_size()));
	check_pattern(buffer, page_size(), 2);
	unpin(&pin);
}

TEST(lease_that_ends_with_a_pinned_page_does_not_wait_for_the_borrower)
{
	unsigned char *buffer = mmap(NULL, page_size(), PROT_READ | PROT_WRITE,
				     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct child child = child_start(pins_beyond_the_end, buffer);
	uint64_t length = (getenv("IPCSHIM_DEBUG_KERNEL") ? 60ULL : 20ULL) * SOON;
	struct stand stand = { .size = page_size() };
	char *address;

	stand.port = memory_port();
	stand.segment = segment_create(stand.port, stand.size);
	get(child.fd);
	/* Time enough to pin it before the end, or the child says what went wrong. */
	put(child.fd, lend(stand.segment, child.pid, R | W, in_nanoseconds(length)).token);
	get(child.fd);
	address = back(&stand, IPCSHIM_HOW_LEASE_ENDED, 0);
	check_pattern(address, stand.size, 2);
	fill_pattern(address, stand.size, 3);
	put(child.fd, 0);
	child_join(&child);
	check_pattern(address, stand.size, 3);
}

/* The borrower ends, at each step, in each way. */

static void expect_back_after(enum ending ending, bool claimed, bool mapped, bool no_descriptor)
{
	struct stand stand = stand_up();
	char *address;

	lend_it(&stand, 0);
	if (claimed)
		holder_claim(&stand.holder);
	if (mapped)
		holder_map(&stand.holder);
	if (mapped)
		ASSERT_EQ(0, peer_load(&stand.holder.peer, stand.holder.address));
	if (no_descriptor)
		ASSERT_EQ(0, peer_close(&stand.holder.peer, stand.holder.claim.fd));
	peer_end(&stand.holder.peer, ending);
	address = back(&stand, how_of(ending), status_of(ending));
	check_pattern(address, stand.size, 1);
	ASSERT_EQ(0, events_waiting(stand.port));
	/* Another round begins with nothing. */
	ASSERT_OK(munmap(address, stand.size));
	close(stand.port);
}

TEST(borrower_that_ends_before_the_claim_gives_back_and_how)
{
	for (unsigned int i = 0; i < ENDINGS; i++)
		expect_back_after(i, false, false, false);
}

TEST(borrower_that_ends_after_the_claim_gives_back_and_how)
{
	for (unsigned int i = 0; i < ENDINGS; i++)
		expect_back_after(i, true, false, false);
}

TEST(borrower_that_ends_with_a_mapping_gives_back_and_how)
{
	for (unsigned int i = 0; i < ENDINGS; i++)
		expect_back_after(i, true, true, false);
}

TEST(borrower_that_ends_with_only_a_mapping_gives_back_and_how)
{
	for (unsigned int i = 0; i < ENDINGS; i++)
		expect_back_after(i, true, true, true);
}

TEST(borrower_that_closes_and_unmaps_gives_back)
{
	struct stand stand = stand_up();
	struct holder *holder = &stand.holder;

	lend_it(&stand, 0);
	holder_claim(holder);
	holder_map(holder);
	peer_fill(&holder->peer, holder->address, stand.size, 5);
	ASSERT_EQ(0, peer_close(&holder->peer, holder->claim.fd));
	ASSERT_EQ(0, events_waiting(stand.port));
	ASSERT_EQ(0, peer_unmap(&holder->peer, holder->address, stand.size));
	check_pattern(back(&stand, IPCSHIM_HOW_CLOSED, 0), stand.size, 5);
	ASSERT_EQ(0, peer_events_waiting(&holder->peer));
}

TEST(borrower_that_closes_its_port_before_the_claim_gives_back)
{
	struct stand stand = stand_up();

	lend_it(&stand, 0);
	peer_close_port(&stand.holder.peer);
	check_pattern(back(&stand, IPCSHIM_HOW_CLOSED, 0), stand.size, 1);
}

/* The lender ends: nobody is there to get it back, and nothing stays. */

static void expect_nothing_after(enum ending ending, uint64_t nanoseconds)
{
	struct peer lender = peer_for_memory();
	struct holder holder = { .peer = peer_for_memory() };
	int port = port_open();
	struct ipcshim_query before = query(port);
	struct ipcshim_create_mem create = { .length = page_size() };
	struct ipcshim_query now;

	ASSERT_EQ(0, peer_ioctl(&lender, -1, IPCSHIM_CREATE_MEM, &create));
	holder.share = share_args(holder.peer.pid, EXCLUSIVE, R | W);
	holder.share.flags = IPCSHIM_SHARE_LEND;
	holder.share.deadline = nanoseconds ? in_nanoseconds(nanoseconds) : 0;
	ASSERT_EQ(0, peer_ioctl(&lender, create.fd, IPCSHIM_SHARE_MEM, &holder.share));
	peer_event(&holder.peer);
	holder_claim(&holder);
	holder_map(&holder);
	peer_end(&lender, ending);
	peer_kill(&holder.peer);
	/* A lease that is over right now may be at work. */
	do
		now = query(port);
	while (now.segments > before.segments || now.segment_bytes > before.segment_bytes);
	ASSERT_EQ(before.segments, now.segments);
	ASSERT_EQ(before.segment_bytes, now.segment_bytes);
	ASSERT_EQ(before.tokens, now.tokens);
	ASSERT_EQ(before.used_segment_bytes, now.used_segment_bytes);
	ASSERT_EQ(before.used_objects, now.used_objects);
}

TEST(lender_that_ended_before_the_borrower_leaves_nothing)
{
	for (unsigned int i = 0; i < ENDINGS; i++)
		expect_nothing_after(i, 0);
}

TEST(lender_that_ended_before_the_lease_leaves_nothing)
{
	for (unsigned int i = 0; i < ENDINGS; i++)
		expect_nothing_after(i, 3600ULL * 1000000000);
}
