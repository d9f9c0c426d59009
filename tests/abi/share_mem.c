// SPDX-License-Identifier: MIT
/* SHARE_MEM: what is refused, and that a refusal changes nothing for anybody. */
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "harness.h"
#include "memory.h"

/* A segment of ours, with contents, and somebody to share it with. */
struct stand {
	struct peer peer;
	int port;
	int segment;
	size_t size;
	char *address;
};

static struct stand stand_with(struct peer peer)
{
	struct stand stand = { .peer = peer, .size = 3 * page_size() };

	stand.port = memory_port();
	stand.segment = segment_create(stand.port, stand.size);
	stand.address = segment_map(stand.segment, stand.size, PROT_READ | PROT_WRITE);
	fill_pattern(stand.address, stand.size, 1);
	return stand;
}

static struct stand stand_up(void)
{
	return stand_with(peer_for_memory());
}

/* Nothing has changed: contents, mapping, ownership, and the peer knows nothing. */
static void still_ours(struct stand *stand)
{
	struct ipcshim_mem_info info = segment_info(stand->segment);

	ASSERT_EQ(IPCSHIM_MEM_INFO_OWNER, info.flags & IPCSHIM_MEM_INFO_OWNER);
	check_pattern(stand->address, stand->size, 1);
	fill_pattern(stand->address, stand->size, 1);
	ASSERT_EQ(0, peer_events_waiting(&stand->peer));
	ASSERT_EQ(0, events_waiting(stand->port));
}

static void share_refused(struct stand *stand, int expected, struct ipcshim_share_mem args)
{
	struct state before = state_now(stand->port);

	ASSERT_ERRNO(expected, ioctl(stand->segment, IPCSHIM_SHARE_MEM, &args));
	state_same(stand->port, &before);
	still_ours(stand);
}

/* The change spoils a share that is good otherwise: MUTUAL, and EXCLUSIVE. */
#define REJECT_SHARE(name, errno_expected, change)                             \
	TEST(name)                                                             \
	{                                                                      \
		struct stand stand = stand_up();                               \
		struct ipcshim_share_mem args;                                 \
                                                                               \
		args = share_args(stand.peer.pid, MUTUAL, R);                  \
		change;                                                        \
		share_refused(&stand, errno_expected, args);                   \
		args = share_args(stand.peer.pid, EXCLUSIVE, R);               \
		change;                                                        \
		share_refused(&stand, errno_expected, args);                   \
		share(stand.segment, stand.peer.pid, MUTUAL, R);               \
	}

REJECT_SHARE(share_mem_unknown_flag_is_EINVAL, EINVAL, args.flags = 1U << 2)
REJECT_SHARE(share_mem_highest_flag_is_EINVAL, EINVAL, args.flags = 1U << 31)
REJECT_SHARE(share_mem_first_reserved_field_set_is_EINVAL, EINVAL, args.reserved0 = 1)
REJECT_SHARE(share_mem_last_reserved_field_set_is_EINVAL, EINVAL, args.reserved = 1)
REJECT_SHARE(share_mem_last_reserved_field_set_high_is_EINVAL, EINVAL, args.reserved = 1ULL << 63)
REJECT_SHARE(share_mem_mode_0_is_EINVAL, EINVAL, args.mode = 0)
REJECT_SHARE(share_mem_mode_lent_is_EINVAL, EINVAL, args.mode = IPCSHIM_MEM_LENT)
REJECT_SHARE(share_mem_mode_returned_is_EINVAL, EINVAL, args.mode = IPCSHIM_MEM_RETURNED)
REJECT_SHARE(share_mem_mode_made_is_EINVAL, EINVAL, args.mode = IPCSHIM_MEM_MADE)
REJECT_SHARE(share_mem_mode_highest_is_EINVAL, EINVAL, args.mode = 0xffff)
REJECT_SHARE(share_mem_no_rights_is_EINVAL, EINVAL, args.rights = 0)
REJECT_SHARE(share_mem_write_without_read_is_EINVAL, EINVAL, args.rights = W)
REJECT_SHARE(share_mem_execute_without_read_is_EINVAL, EINVAL, args.rights = X)
REJECT_SHARE(share_mem_copy_on_write_without_read_is_EINVAL, EINVAL, args.rights = C)
REJECT_SHARE(share_mem_write_and_execute_is_EINVAL, EINVAL, args.rights = R | W | X)
REJECT_SHARE(share_mem_write_and_copy_on_write_is_EINVAL, EINVAL, args.rights = R | W | C)
REJECT_SHARE(share_mem_all_rights_is_EINVAL, EINVAL, args.rights = R | W | X | C)
REJECT_SHARE(share_mem_right_outside_the_mask_is_EINVAL, EINVAL, args.rights = R | 0x10)
REJECT_SHARE(share_mem_highest_right_is_EINVAL, EINVAL, args.rights = R | 0x8000)
REJECT_SHARE(share_mem_deadline_without_lend_is_EINVAL, EINVAL,
	     args.deadline = in_nanoseconds(1000000000))
REJECT_SHARE(share_mem_to_oneself_is_EINVAL, EINVAL, args.pid = (uint32_t)getpid())
REJECT_SHARE(share_mem_to_oneself_with_skip_is_EINVAL, EINVAL,
	     (args.pid = (uint32_t)getpid(), args.flags = IPCSHIM_SHARE_SKIP))
REJECT_SHARE(share_mem_to_pid_0_is_EINVAL, EINVAL, args.pid = 0)
REJECT_SHARE(share_mem_to_a_pid_that_is_gone_is_ESRCH, ESRCH, args.pid = (uint32_t)gone_pid())
REJECT_SHARE(share_mem_to_a_pid_above_any_is_ESRCH, ESRCH, args.pid = 0x7fffffff)
REJECT_SHARE(share_mem_to_pid_minus_1_is_ESRCH, ESRCH, args.pid = ~0U)
REJECT_SHARE(share_mem_to_a_process_without_a_port_is_ECONNREFUSED, ECONNREFUSED, args.pid = 1)
REJECT_SHARE(share_mem_skip_to_a_process_without_a_port_is_ECONNREFUSED, ECONNREFUSED,
	     (args.pid = 1, args.flags = IPCSHIM_SHARE_SKIP))

TEST(share_mem_mutual_with_lend_is_EINVAL)
{
	struct stand stand = stand_up();
	struct ipcshim_share_mem args = share_args(stand.peer.pid, MUTUAL, R);

	args.flags = IPCSHIM_SHARE_LEND;
	share_refused(&stand, EINVAL, args);
	args.deadline = in_nanoseconds(1000000000);
	share_refused(&stand, EINVAL, args);
}

TEST(share_mem_at_a_bad_address_is_EFAULT)
{
	struct stand stand = stand_up();
	struct state before = state_now(stand.port);

	ASSERT_ERRNO(EFAULT, ioctl(stand.segment, IPCSHIM_SHARE_MEM, bad_address()));
	state_same(stand.port, &before);
	still_ours(&stand);
}

TEST(share_mem_answer_to_read_only_memory_is_EFAULT_and_changes_nothing)
{
	struct stand stand = stand_up();

	for (unsigned int i = 0; i < 4; i++) {
		struct ipcshim_share_mem args =
			share_args(stand.peer.pid, i ? EXCLUSIVE : MUTUAL, R);
		struct state before;
		void *copy;

		if (i == 2)
			args.flags = IPCSHIM_SHARE_LEND;
		if (i == 3)
			args.flags = IPCSHIM_SHARE_SKIP;
		copy = read_only_copy(&args, sizeof(args));
		before = state_now(stand.port);
		ASSERT_ERRNO(EFAULT, ioctl(stand.segment, IPCSHIM_SHARE_MEM, copy));
		state_same(stand.port, &before);
		still_ours(&stand);
	}
}

/* The arguments lie in what is handed over: the answer has no place to go to. */
TEST(share_mem_with_the_arguments_in_the_segment_itself_is_EFAULT_or_answers)
{
	struct stand stand = stand_up();
	struct ipcshim_share_mem *args = (void *)stand.address;
	struct ipcshim_share_mem expected = share_args(stand.peer.pid, MUTUAL, R);

	*args = expected;
	ASSERT_OK(ioctl(stand.segment, IPCSHIM_SHARE_MEM, args));
	ASSERT_TRUE(args->token != 0);
	ASSERT_EQ(1, take_back(stand.segment, 0));
	peer_event(&stand.peer);
	*args = share_args(stand.peer.pid, EXCLUSIVE, R);
	if (ioctl(stand.segment, IPCSHIM_SHARE_MEM, args) == 0) {
		expect_gone(stand.address);
		ASSERT_EQ(1, peer_events_waiting(&stand.peer));
		return;
	}
	ASSERT_EQ(EFAULT, errno);
	ASSERT_EQ(0, peer_events_waiting(&stand.peer));
	ASSERT_EQ(EXCLUSIVE, args->mode);
	fill_pattern(stand.address, stand.size, 1);
	still_ours(&stand);
}

/* Rights wider than one's own: a peer got it, and tries to hand more on. */
static void hand_on_refused(unsigned int own, unsigned int wanted)
{
	struct holder holder = { .peer = peer_for_memory() };
	struct peer third = peer_for_memory();
	int port = memory_port();
	int segment = segment_create(port, page_size());
	struct ipcshim_share_mem args = share_args(third.pid, MUTUAL, wanted);

	holder_get(&holder, segment, EXCLUSIVE, own);
	ASSERT_EQ(EACCES, peer_ioctl(&holder.peer, holder.claim.fd, IPCSHIM_SHARE_MEM, &args));
	args.mode = EXCLUSIVE;
	ASSERT_EQ(EACCES, peer_ioctl(&holder.peer, holder.claim.fd, IPCSHIM_SHARE_MEM, &args));
	ASSERT_EQ(0, peer_load(&holder.peer, holder.address));
	ASSERT_EQ(0, peer_events_waiting(&third));
	args.rights = (uint16_t)own;
	ASSERT_EQ(0, peer_ioctl(&holder.peer, holder.claim.fd, IPCSHIM_SHARE_MEM, &args));
}

TEST(share_mem_with_write_by_who_may_read_is_EACCES)
{
	hand_on_refused(R, R | W);
}

TEST(share_mem_with_execute_by_who_may_read_is_EACCES)
{
	hand_on_refused(R, R | X);
}

TEST(share_mem_with_execute_by_who_may_write_is_EACCES)
{
	hand_on_refused(R | W, R | X);
}

TEST(share_mem_with_write_by_who_may_execute_is_EACCES)
{
	hand_on_refused(R | X, R | W);
}

TEST(share_mem_with_write_by_who_may_copy_on_write_is_EACCES)
{
	hand_on_refused(R | C, R | W);
}

TEST(share_mem_by_who_got_it_mutual_is_EPERM)
{
	struct holder holder = { .peer = peer_for_memory() };
	struct peer third = peer_for_memory();
	int segment = segment_create(port_open(), page_size());
	struct ipcshim_share_mem args = share_args(third.pid, MUTUAL, R);

	holder_get(&holder, segment, MUTUAL, R | W);
	ASSERT_EQ(EPERM, peer_ioctl(&holder.peer, holder.claim.fd, IPCSHIM_SHARE_MEM, &args));
	args.mode = EXCLUSIVE;
	ASSERT_EQ(EPERM, peer_ioctl(&holder.peer, holder.claim.fd, IPCSHIM_SHARE_MEM, &args));
	ASSERT_EQ(0, peer_load(&holder.peer, holder.address));
	ASSERT_EQ(0, peer_events_waiting(&third));
}

TEST(share_mem_by_who_borrowed_it_is_EPERM)
{
	struct holder holder = { .peer = peer_for_memory() };
	struct peer third = peer_for_memory();
	int port = memory_port();
	int segment = segment_create(port, page_size());
	struct ipcshim_share_mem args = share_args(third.pid, EXCLUSIVE, R);

	holder.share = lend(segment, holder.peer.pid, R | W, 0);
	holder_claim(&holder);
	ASSERT_EQ(EPERM, peer_ioctl(&holder.peer, holder.claim.fd, IPCSHIM_SHARE_MEM, &args));
	args.mode = MUTUAL;
	ASSERT_EQ(EPERM, peer_ioctl(&holder.peer, holder.claim.fd, IPCSHIM_SHARE_MEM, &args));
	ASSERT_EQ(0, peer_events_waiting(&third));
}

static void shares_as_another_user(int fd, void *argument)
{
	struct stand *stand = argument;
	struct ipcshim_share_mem args = share_args(stand->peer.pid, MUTUAL, R);

	become(OTHER_UID);
	ASSERT_ERRNO(EPERM, ioctl(stand->segment, IPCSHIM_SHARE_MEM, &args));
	args.mode = EXCLUSIVE;
	ASSERT_ERRNO(EPERM, ioctl(stand->segment, IPCSHIM_SHARE_MEM, &args));
	args.flags = IPCSHIM_SHARE_SKIP;
	ASSERT_ERRNO(EPERM, ioctl(stand->segment, IPCSHIM_SHARE_MEM, &args));
	put(fd, 0);
}

TEST(share_mem_to_another_users_process_is_EPERM)
{
	struct stand stand = stand_up();
	struct state before = state_now(stand.port);
	struct child child = child_start(shares_as_another_user, &stand);

	get(child.fd);
	child_join(&child);
	state_same(stand.port, &before);
	still_ours(&stand);
}

TEST(share_mem_twice_with_the_same_process_is_EEXIST)
{
	struct stand stand = stand_up();
	struct ipcshim_share_mem args = share(stand.segment, stand.peer.pid, MUTUAL, R);
	struct ipcshim_share_mem again = share_args(stand.peer.pid, MUTUAL, R);

	peer_event(&stand.peer);
	share_refused(&stand, EEXIST, again);
	again.flags = IPCSHIM_SHARE_SKIP;
	share_refused(&stand, EEXIST, again);
	peer_take(&stand.peer, args.token);
	share_refused(&stand, EEXIST, again);
}

TEST(share_mem_again_after_the_first_grant_has_gone_succeeds)
{
	struct stand stand = stand_up();
	struct ipcshim_share_mem first = share(stand.segment, stand.peer.pid, MUTUAL, R);
	struct ipcshim_share_mem second;

	ASSERT_EQ(0, peer_close(&stand.peer, peer_take(&stand.peer, first.token).fd));
	second = share(stand.segment, stand.peer.pid, MUTUAL, R | W);
	ASSERT_TRUE(first.inode != second.inode);
	ASSERT_EQ(1, take_back(stand.segment, 0));
	share(stand.segment, stand.peer.pid, MUTUAL, R);
}

TEST(share_mem_to_a_port_without_handler_is_ECONNREFUSED)
{
	static const struct peer_options options = { .codes = 1ULL << IPCSHIM_EVENT_UNSHARED_MEM };
	struct stand stand = stand_with(peer_start(&options));

	share_refused(&stand, ECONNREFUSED, share_args(stand.peer.pid, MUTUAL, R));
	share_refused(&stand, ECONNREFUSED, share_args(stand.peer.pid, EXCLUSIVE, R));
}

TEST(share_mem_skip_to_a_port_without_handler_gives_a_token_and_no_event)
{
	static const struct peer_options options = { 0 };
	struct stand stand = stand_with(peer_start(&options));
	struct ipcshim_share_mem args = share_args(stand.peer.pid, EXCLUSIVE, R);

	args.flags = IPCSHIM_SHARE_SKIP;
	ASSERT_OK(ioctl(stand.segment, IPCSHIM_SHARE_MEM, &args));
	ASSERT_EQ(0, peer_events_waiting(&stand.peer));
	expect_gone(stand.address);
	ASSERT_EQ(args.inode, peer_take(&stand.peer, args.token).inode);
}

TEST(share_mem_to_a_full_queue_is_EAGAIN)
{
	struct stand stand = stand_up();
	int other = segment_create(stand.port, page_size());
	struct state before;
	struct ipcshim_share_mem args = share_args(stand.peer.pid, MUTUAL, R);

	parameter_set("max_events", 1);
	share(other, stand.peer.pid, MUTUAL, R);
	before = state_now(stand.port);
	ASSERT_ERRNO(EAGAIN, ioctl(stand.segment, IPCSHIM_SHARE_MEM, &args));
	state_same(stand.port, &before);
	args.mode = EXCLUSIVE;
	ASSERT_ERRNO(EAGAIN, ioctl(stand.segment, IPCSHIM_SHARE_MEM, &args));
	state_same(stand.port, &before);
	peer_event(&stand.peer);
	still_ours(&stand);
}

/* EXCLUSIVE: whatever else could reach the pages. */

static void hand_over_is_busy(struct stand *stand)
{
	struct ipcshim_share_mem args = share_args(stand->peer.pid, EXCLUSIVE, R);

	share_refused(stand, EBUSY, args);
	args.flags = IPCSHIM_SHARE_SKIP;
	share_refused(stand, EBUSY, args);
	args.flags = IPCSHIM_SHARE_LEND;
	share_refused(stand, EBUSY, args);
}

TEST(share_mem_exclusive_with_another_grant_is_EBUSY)
{
	struct holder holder = { .peer = peer_for_memory() };
	struct stand stand = stand_up();

	holder_get(&holder, stand.segment, MUTUAL, R);
	hand_over_is_busy(&stand);
	peer_check(&holder.peer, holder.address, stand.size, 1);
	ASSERT_EQ(1, take_back(stand.segment, holder.peer.pid));
	share(stand.segment, stand.peer.pid, EXCLUSIVE, R);
}

TEST(share_mem_exclusive_with_a_token_that_nobody_claimed_is_EBUSY)
{
	struct peer other = peer_for_memory();
	struct stand stand = stand_up();

	share(stand.segment, other.pid, MUTUAL, R);
	hand_over_is_busy(&stand);
	peer_reopen_port(&other);
	share(stand.segment, stand.peer.pid, EXCLUSIVE, R);
}

TEST(share_mem_exclusive_with_a_mapping_but_no_descriptor_of_another_grant_is_EBUSY)
{
	struct holder holder = { .peer = peer_for_memory() };
	struct stand stand = stand_up();

	holder_get(&holder, stand.segment, MUTUAL, R);
	ASSERT_EQ(0, peer_close(&holder.peer, holder.claim.fd));
	hand_over_is_busy(&stand);
	ASSERT_EQ(0, peer_unmap(&holder.peer, holder.address, stand.size));
	share(stand.segment, stand.peer.pid, EXCLUSIVE, R);
}

TEST(share_mem_exclusive_with_a_pinned_page_is_EBUSY)
{
	struct stand stand = stand_up();
	struct pin pin = pin_page(stand.address + page_size());

	hand_over_is_busy(&stand);
	unpin(&pin);
	share(stand.segment, stand.peer.pid, EXCLUSIVE, R);
	expect_gone(stand.address);
}

TEST(share_mem_exclusive_after_a_pinned_page_was_unmapped_is_EBUSY)
{
	struct stand stand = stand_up();
	struct pin pin = pin_page(stand.address);
	struct ipcshim_share_mem args = share_args(stand.peer.pid, EXCLUSIVE, R);

	ASSERT_OK(munmap(stand.address, stand.size));
	ASSERT_ERRNO(EBUSY, ioctl(stand.segment, IPCSHIM_SHARE_MEM, &args));
	unpin(&pin);
	ASSERT_OK(ioctl(stand.segment, IPCSHIM_SHARE_MEM, &args));
}

TEST(share_mem_mutual_with_a_pinned_page_succeeds)
{
	struct stand stand = stand_up();

	pin_page(stand.address);
	share(stand.segment, stand.peer.pid, MUTUAL, R);
}
