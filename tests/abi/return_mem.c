// SPDX-License-Identifier: MIT
/* LEND and RETURN_MEM: what is refused, and how what was lent comes back. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "harness.h"
#include "memory.h"

/* We lend, a peer has claimed and mapped. */
struct stand {
	struct holder holder;
	int port;
	int segment;
	size_t size;
	char *address; /* of ours, gone */
};

static struct stand stand_up(void)
{
	struct stand stand = { .holder.peer = peer_for_memory(), .size = 3 * page_size() };

	stand.port = memory_port();
	stand.segment = segment_create(stand.port, stand.size);
	stand.address = segment_map(stand.segment, stand.size, PROT_READ | PROT_WRITE);
	fill_pattern(stand.address, stand.size, 1);
	return stand;
}

static struct stand stand_lent(void)
{
	struct stand stand = stand_up();

	stand.holder.share = lend(stand.segment, stand.holder.peer.pid, R | W, 0);
	peer_event(&stand.holder.peer);
	holder_claim(&stand.holder);
	holder_map(&stand.holder);
	peer_check(&stand.holder.peer, stand.holder.address, stand.size, 1);
	peer_fill(&stand.holder.peer, stand.holder.address, stand.size, 2);
	return stand;
}

static int try_return(struct stand *stand)
{
	struct ipcshim_return_mem args = { 0 };

	return peer_ioctl(&stand->holder.peer, stand->holder.claim.fd, IPCSHIM_RETURN_MEM, &args);
}

/* The lender's own again, with what the borrower wrote; it can be lent again. */
static void expect_back(struct stand *stand, unsigned int how, int status)
{
	struct ipcshim_event event = event_read(stand->port);
	struct ipcshim_claim got;
	struct ipcshim_mem_info info;
	char *address;

	ASSERT_EQ(IPCSHIM_EVENT_RECV_SHARED_MEM, event.code);
	ASSERT_TRUE(event.token != 0);
	ASSERT_EQ(stand->holder.peer.pid, event.pid);
	ASSERT_EQ(IPCSHIM_MEM_RETURNED, event.recv_shared_mem.mode);
	ASSERT_EQ(how, event.recv_shared_mem.how);
	ASSERT_EQ(status, event.recv_shared_mem.status);
	ASSERT_EQ(stand->size, event.recv_shared_mem.length);
	ASSERT_EQ(0, event.recv_shared_mem.deadline);
	got = claim(stand->port, event.token);
	ASSERT_EQ(IPCSHIM_MEM_RETURNED, got.mode);
	ASSERT_EQ(event.recv_shared_mem.rights, got.rights);
	ASSERT_EQ(event.recv_shared_mem.inode, got.inode);
	ASSERT_EQ(stand->size, got.length);
	info = segment_info(got.fd);
	ASSERT_EQ(IPCSHIM_MEM_INFO_OWNER, info.flags);
	ASSERT_EQ(IPCSHIM_MEM_RETURNED, info.mode);
	/* All that the lender had, not only what it lent. */
	ASSERT_EQ(R | W | X, info.rights);
	address = segment_map(got.fd, stand->size, PROT_READ | PROT_WRITE);
	check_pattern(address, stand->size, 2);
	expect_stale(stand->segment);
	ASSERT_EQ(1, query(stand->port).segments);
	ASSERT_EQ(stand->size, query(stand->port).used_segment_bytes);
}

#define REJECT_RETURN(name, errno_expected, change)                            \
	TEST(name)                                                             \
	{                                                                      \
		struct stand stand = stand_lent();                             \
		struct ipcshim_return_mem args = { 0 };                        \
                                                                               \
		change;                                                        \
		ASSERT_EQ(errno_expected, peer_ioctl(&stand.holder.peer,       \
						     stand.holder.claim.fd,    \
						     IPCSHIM_RETURN_MEM, &args)); \
		ASSERT_EQ(0, events_waiting(stand.port));                      \
		peer_check(&stand.holder.peer, stand.holder.address, stand.size, 2); \
		ASSERT_EQ(0, try_return(&stand));                              \
		expect_back(&stand, IPCSHIM_HOW_RETURNED, 0);                  \
	}

REJECT_RETURN(return_mem_flags_set_is_EINVAL, EINVAL, args.flags = 1)
REJECT_RETURN(return_mem_highest_flag_set_is_EINVAL, EINVAL, args.flags = 1U << 31)
REJECT_RETURN(return_mem_reserved_field_set_is_EINVAL, EINVAL, args.reserved = 1)

static void returns_from_a_bad_address(int fd, void *argument)
{
	struct ipcshim_claim args = { 0 };
	int port = memory_port();

	(void)argument;
	put(fd, 0);
	args.token = get(fd);
	ASSERT_OK(ioctl(port, IPCSHIM_CLAIM, &args));
	ASSERT_ERRNO(EFAULT, ioctl(args.fd, IPCSHIM_RETURN_MEM, bad_address()));
	/* It is the borrower's still. */
	segment_map(args.fd, page_size(), PROT_READ);
	put(fd, 0);
	get(fd);
}

TEST(return_mem_at_a_bad_address_is_EFAULT_and_returns_nothing)
{
	struct child child = child_start(returns_from_a_bad_address, NULL);
	int port = memory_port();
	int segment = segment_create(port, page_size());

	get(child.fd);
	put(child.fd, lend(segment, child.pid, R, 0).token);
	get(child.fd);
	ASSERT_EQ(0, events_waiting(port));
	put(child.fd, 0);
	child_join(&child);
}

TEST(return_mem_of_what_was_made_is_EINVAL)
{
	struct ipcshim_return_mem args = { 0 };
	int segment = segment_create(port_open(), page_size());

	ASSERT_ERRNO(EINVAL, ioctl(segment, IPCSHIM_RETURN_MEM, &args));
	segment_info(segment);
}

static void return_refused(unsigned int mode)
{
	struct stand stand = stand_up();
	struct holder *holder = &stand.holder;

	holder_get(holder, stand.segment, mode, R | W);
	ASSERT_EQ(EINVAL, try_return(&stand));
	peer_check(&holder->peer, holder->address, stand.size, 1);
	ASSERT_EQ(0, events_waiting(stand.port));
}

TEST(return_mem_of_what_was_shared_mutual_is_EINVAL)
{
	return_refused(MUTUAL);
}

TEST(return_mem_of_what_was_handed_over_is_EINVAL)
{
	return_refused(EXCLUSIVE);
}

TEST(return_mem_of_what_came_back_is_EINVAL)
{
	struct stand stand = stand_lent();
	struct ipcshim_return_mem args = { 0 };
	int fd;

	ASSERT_EQ(0, try_return(&stand));
	fd = claim(stand.port, event_read(stand.port).token).fd;
	ASSERT_ERRNO(EINVAL, ioctl(fd, IPCSHIM_RETURN_MEM, &args));
}

TEST(return_mem_twice_is_ESTALE)
{
	struct stand stand = stand_lent();

	ASSERT_EQ(0, try_return(&stand));
	ASSERT_EQ(ESTALE, try_return(&stand));
	ASSERT_EQ(1, events_waiting(stand.port));
}

TEST(return_mem_gives_back_and_leaves_the_borrower_nothing)
{
	struct stand stand = stand_lent();

	ASSERT_EQ(0, try_return(&stand));
	ASSERT_EQ(SIGBUS, peer_load(&stand.holder.peer, stand.holder.address));
	/* Who gave it back needs no telling. */
	ASSERT_EQ(0, peer_events_waiting(&stand.holder.peer));
	expect_gone(stand.address);
	expect_back(&stand, IPCSHIM_HOW_RETURNED, 0);
}

TEST(return_mem_of_what_a_forked_child_has_mapped_takes_it_there_too)
{
	struct stand stand = stand_lent();

	peer_fork(&stand.holder.peer);
	ASSERT_EQ(0, try_return(&stand));
	expect_back(&stand, IPCSHIM_HOW_RETURNED, 0);
	peer_kill(&stand.holder.peer);
	ASSERT_EQ(1, query(stand.port).segments);
}

/* A borrower that pins a page of it by I/O, and returns it. */
static void returns_with_a_pin(int fd, void *argument)
{
	struct ipcshim_return_mem args = { 0 };
	int port = memory_port();
	struct ipcshim_claim got;
	struct pin pin;
	char *address;

	(void)argument;
	put(fd, 0);
	got = claim(port, get(fd));
	address = segment_map(got.fd, page_size(), PROT_READ | PROT_WRITE);
	fill_pattern(address, page_size(), 2);
	pin = pin_page(address);
	ASSERT_ERRNO(EBUSY, ioctl(got.fd, IPCSHIM_RETURN_MEM, &args));
	check_pattern(address, page_size(), 2);
	put(fd, 0);
	get(fd); /* nothing came back to the lender */
	unpin(&pin);
	ASSERT_OK(ioctl(got.fd, IPCSHIM_RETURN_MEM, &args));
	expect_gone(address);
	put(fd, 0);
	get(fd);
}

TEST(return_mem_with_a_pinned_page_is_EBUSY_and_changes_nothing)
{
	struct child child = child_start(returns_with_a_pin, NULL);
	int port = memory_port();
	int segment = segment_create(port, page_size());

	get(child.fd);
	put(child.fd, lend(segment, child.pid, R | W, 0).token);
	get(child.fd);
	ASSERT_EQ(0, events_waiting(port));
	put(child.fd, 0);
	get(child.fd);
	segment = claim(port, event_read(port).token).fd;
	check_pattern(segment_map(segment, page_size(), PROT_READ), page_size(), 2);
	put(child.fd, 0);
	child_join(&child);
}

/* LEND: what it needs beside. */

static void lend_refused(struct stand *stand, int expected, uint64_t deadline)
{
	struct ipcshim_share_mem args = share_args(stand->holder.peer.pid, EXCLUSIVE, R | W);
	struct state before = state_now(stand->port);

	args.flags = IPCSHIM_SHARE_LEND;
	args.deadline = deadline;
	ASSERT_ERRNO(expected, ioctl(stand->segment, IPCSHIM_SHARE_MEM, &args));
	state_same(stand->port, &before);
	check_pattern(stand->address, stand->size, 1);
	segment_info(stand->segment);
	ASSERT_EQ(0, peer_events_waiting(&stand->holder.peer));
}

TEST(lend_with_a_deadline_that_has_passed_is_ETIMEDOUT)
{
	struct stand stand = stand_up();

	lend_refused(&stand, ETIMEDOUT, 1);
	lend_refused(&stand, ETIMEDOUT, in_nanoseconds(0));
}

TEST(lend_with_a_deadline_beyond_any_time_is_EINVAL)
{
	struct stand stand = stand_up();

	lend_refused(&stand, EINVAL, 1ULL << 63);
	lend_refused(&stand, EINVAL, ~0ULL);
	lend(stand.segment, stand.holder.peer.pid, R | W, (1ULL << 63) - 1);
}

TEST(lend_by_a_process_without_a_handler_is_ECONNREFUSED)
{
	struct stand stand = stand_up();

	close(stand.port);
	stand.port = port_handling();
	lend_refused(&stand, ECONNREFUSED, 0);
}

TEST(lend_by_a_process_with_a_full_queue_is_EAGAIN)
{
	struct peer sharer = peer_for_memory();
	struct stand stand = stand_up();
	struct ipcshim_create_mem create = { .length = page_size() };
	struct ipcshim_share_mem args = share_args(getpid(), MUTUAL, R);

	ASSERT_EQ(0, peer_ioctl(&sharer, -1, IPCSHIM_CREATE_MEM, &create));
	ASSERT_EQ(0, peer_ioctl(&sharer, create.fd, IPCSHIM_SHARE_MEM, &args));
	parameter_set("max_events", 1);
	lend_refused(&stand, EAGAIN, 0);
	event_read(stand.port);
	lend(stand.segment, stand.holder.peer.pid, R | W, 0);
}

/* The room for its coming back is kept, so that it can't be lost. */
TEST(lend_keeps_room_for_the_way_back)
{
	struct stand stand = stand_lent();
	struct peer sharer = peer_for_memory();
	struct ipcshim_create_mem create[2] = { { .length = page_size() },
						{ .length = page_size() } };
	int results[2];

	parameter_set("max_events", 1);
	for (int i = 0; i < 2; i++) {
		struct ipcshim_share_mem args = share_args(getpid(), MUTUAL, R);

		ASSERT_EQ(0, peer_ioctl(&sharer, -1, IPCSHIM_CREATE_MEM, &create[i]));
		results[i] = peer_ioctl(&sharer, create[i].fd, IPCSHIM_SHARE_MEM, &args);
	}
	ASSERT_TRUE(results[0] == 0 || results[0] == EAGAIN);
	ASSERT_EQ(EAGAIN, results[1]);
	ASSERT_EQ(0, try_return(&stand));
	for (;;) {
		struct ipcshim_event event = event_read(stand.port);

		if (event.recv_shared_mem.mode == IPCSHIM_MEM_RETURNED)
			break;
	}
}

TEST(lend_is_told_by_the_event_and_by_the_information)
{
	struct stand stand = stand_up();
	uint64_t deadline = in_nanoseconds(3600ULL * 1000000000);
	struct ipcshim_mem_info info = { 0 };
	struct ipcshim_event event;

	stand.holder.share = lend(stand.segment, stand.holder.peer.pid, R, deadline);
	event = peer_event(&stand.holder.peer);
	ASSERT_EQ(IPCSHIM_MEM_LENT, event.recv_shared_mem.mode);
	ASSERT_EQ(deadline, event.recv_shared_mem.deadline);
	holder_claim(&stand.holder);
	ASSERT_EQ(IPCSHIM_MEM_LENT, stand.holder.claim.mode);
	ASSERT_EQ(0, peer_ioctl(&stand.holder.peer, stand.holder.claim.fd,
				IPCSHIM_MEM_SHARING_INFO, &info));
	ASSERT_EQ(deadline, info.deadline);
	ASSERT_EQ(IPCSHIM_MEM_LENT, info.mode);
	ASSERT_EQ(0, info.flags & IPCSHIM_MEM_INFO_OWNER);
	expect_gone(stand.address);
	expect_stale(stand.segment);
}

TEST(lend_again_what_came_back)
{
	struct stand stand = stand_lent();
	struct holder *holder = &stand.holder;

	for (int round = 0; round < 3; round++) {
		ASSERT_EQ(0, try_return(&stand));
		close(stand.segment);
		stand.segment = claim(stand.port, event_read(stand.port).token).fd;
		holder->share = lend(stand.segment, holder->peer.pid, R | W, 0);
		holder_claim(holder);
		holder_map(holder);
		peer_check(&holder->peer, holder->address, stand.size, 2);
	}
	ASSERT_EQ(0, try_return(&stand));
	expect_back(&stand, IPCSHIM_HOW_RETURNED, 0);
}
