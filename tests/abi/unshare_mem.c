// SPDX-License-Identifier: MIT
/* UNSHARE_MEM: taking back what was shared MUTUAL. */
#include <errno.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include "harness.h"
#include "memory.h"

/* One who has it MUTUAL, claimed, mapped and filled. */
struct stand {
	struct holder holder;
	int port;
	int segment;
	size_t size;
};

static struct stand stand_up(void)
{
	struct stand stand = { .holder.peer = peer_for_memory(), .size = 3 * page_size() };

	stand.port = memory_port();
	stand.segment = segment_create(stand.port, stand.size);
	holder_get(&stand.holder, stand.segment, MUTUAL, R | W);
	peer_fill(&stand.holder.peer, stand.holder.address, stand.size, 1);
	peer_event(&stand.holder.peer);
	return stand;
}

static void still_shared(struct stand *stand)
{
	peer_check(&stand->holder.peer, stand->holder.address, stand->size, 1);
	ASSERT_EQ(1, segment_info(stand->segment).nr_holders);
	ASSERT_EQ(0, peer_events_waiting(&stand->holder.peer));
}

#define REJECT_UNSHARE(name, errno_expected, change)                           \
	TEST(name)                                                             \
	{                                                                      \
		struct stand stand = stand_up();                               \
		struct ipcshim_unshare_mem args;                               \
		struct state before = state_now(stand.port);                   \
                                                                               \
		args = (struct ipcshim_unshare_mem){                           \
			.pid = (uint32_t)stand.holder.peer.pid,                \
		};                                                             \
		change;                                                        \
		ASSERT_ERRNO(errno_expected, ioctl(stand.segment, IPCSHIM_UNSHARE_MEM, &args)); \
		state_same(stand.port, &before);                               \
		still_shared(&stand);                                          \
	}

REJECT_UNSHARE(unshare_mem_flags_set_is_EINVAL, EINVAL, args.flags = 1)
REJECT_UNSHARE(unshare_mem_highest_flag_set_is_EINVAL, EINVAL, args.flags = 1U << 31)
REJECT_UNSHARE(unshare_mem_reserved_field_set_is_EINVAL, EINVAL, args.reserved = 1)
REJECT_UNSHARE(unshare_mem_all_with_flags_set_is_EINVAL, EINVAL, (args.pid = 0, args.flags = 2))
REJECT_UNSHARE(unshare_mem_of_a_process_that_was_not_given_it_is_ENOENT, ENOENT, args.pid = 1)
REJECT_UNSHARE(unshare_mem_of_oneself_is_ENOENT, ENOENT, args.pid = (uint32_t)getpid())
REJECT_UNSHARE(unshare_mem_of_a_pid_that_is_gone_is_ESRCH, ESRCH, args.pid = (uint32_t)gone_pid())
REJECT_UNSHARE(unshare_mem_of_a_pid_above_any_is_ESRCH, ESRCH, args.pid = 0x7fffffff)

TEST(unshare_mem_at_a_bad_address_is_EFAULT)
{
	struct stand stand = stand_up();

	ASSERT_ERRNO(EFAULT, ioctl(stand.segment, IPCSHIM_UNSHARE_MEM, bad_address()));
	still_shared(&stand);
}

TEST(unshare_mem_answer_to_read_only_memory_is_EFAULT_and_revokes_nothing)
{
	struct stand stand = stand_up();
	struct ipcshim_unshare_mem args = { .pid = (uint32_t)stand.holder.peer.pid };

	ASSERT_ERRNO(EFAULT, ioctl(stand.segment, IPCSHIM_UNSHARE_MEM,
				   read_only_copy(&args, sizeof(args))));
	still_shared(&stand);
	args.pid = 0;
	ASSERT_ERRNO(EFAULT, ioctl(stand.segment, IPCSHIM_UNSHARE_MEM,
				   read_only_copy(&args, sizeof(args))));
	still_shared(&stand);
}

TEST(unshare_mem_takes_the_mapping_and_tells)
{
	struct stand stand = stand_up();
	struct holder *holder = &stand.holder;
	struct ipcshim_mem_info info = { 0 };
	struct ipcshim_event event;
	uint64_t address;

	ASSERT_EQ(1, take_back(stand.segment, holder->peer.pid));
	for (size_t page = 0; page < 3; page++)
		ASSERT_EQ(SIGBUS,
			  peer_load(&holder->peer, holder->address + page * page_size()));
	ASSERT_EQ(SIGBUS, peer_store(&holder->peer, holder->address, 1));
	ASSERT_EQ(ESTALE, peer_ioctl(&holder->peer, holder->claim.fd, IPCSHIM_MEM_SHARING_INFO,
				     &info));
	ASSERT_EQ(ESTALE, peer_map(&holder->peer, holder->claim.fd, stand.size, PROT_READ,
				   MAP_SHARED, &address));
	event = peer_event(&holder->peer);
	ASSERT_EQ(IPCSHIM_EVENT_UNSHARED_MEM, event.code);
	ASSERT_EQ(0, event.token);
	ASSERT_EQ(getpid(), event.pid);
	ASSERT_EQ(IPCSHIM_HOW_REVOKED, event.unshared_mem.how);
	ASSERT_EQ(0, event.unshared_mem.reserved0);
	ASSERT_EQ(0, event.unshared_mem.status);
	ASSERT_EQ(holder->claim.inode, event.unshared_mem.inode);
	ASSERT_EQ(0, event.unshared_mem.reserved[0]);
	ASSERT_EQ(0, event.unshared_mem.reserved[1]);
	/* Ours is what it was. */
	check_pattern(segment_map(stand.segment, stand.size, PROT_READ), stand.size, 1);
	ASSERT_EQ(0, segment_info(stand.segment).nr_holders);
	ASSERT_EQ(0, peer_events_waiting(&holder->peer));
}

TEST(unshare_mem_takes_the_mapping_of_a_forked_child_of_the_receiver)
{
	struct stand stand = stand_up();
	int port = stand.port;

	peer_fork(&stand.holder.peer);
	ASSERT_EQ(1, take_back(stand.segment, stand.holder.peer.pid));
	ASSERT_EQ(SIGBUS, peer_load(&stand.holder.peer, stand.holder.address));
	/* What the child has keeps no page: the segment goes when ours does. */
	close(stand.segment);
	ASSERT_EQ(0, query(port).segments);
	ASSERT_EQ(0, query(port).segment_bytes);
}

TEST(unshare_mem_twice_is_ENOENT)
{
	struct stand stand = stand_up();
	struct ipcshim_unshare_mem args = { .pid = (uint32_t)stand.holder.peer.pid };

	ASSERT_EQ(1, take_back(stand.segment, stand.holder.peer.pid));
	ASSERT_ERRNO(ENOENT, ioctl(stand.segment, IPCSHIM_UNSHARE_MEM, &args));
	ASSERT_EQ(0, take_back(stand.segment, 0));
}

TEST(unshare_mem_of_who_has_let_go_of_it_is_ENOENT)
{
	struct stand stand = stand_up();
	struct holder *holder = &stand.holder;
	struct ipcshim_unshare_mem args = { .pid = (uint32_t)holder->peer.pid };

	ASSERT_EQ(0, peer_close(&holder->peer, holder->claim.fd));
	ASSERT_EQ(0, peer_unmap(&holder->peer, holder->address, stand.size));
	ASSERT_ERRNO(ENOENT, ioctl(stand.segment, IPCSHIM_UNSHARE_MEM, &args));
	ASSERT_EQ(0, peer_events_waiting(&holder->peer));
}

TEST(unshare_mem_of_a_mapping_without_a_descriptor)
{
	struct stand stand = stand_up();
	struct holder *holder = &stand.holder;

	ASSERT_EQ(0, peer_close(&holder->peer, holder->claim.fd));
	ASSERT_EQ(1, take_back(stand.segment, holder->peer.pid));
	ASSERT_EQ(SIGBUS, peer_load(&holder->peer, holder->address));
}

TEST(unshare_mem_of_nobody_revokes_none)
{
	int segment = segment_create(port_open(), page_size());

	ASSERT_EQ(0, take_back(segment, 0));
	ASSERT_EQ(0, take_back(segment, 0));
}

TEST(unshare_mem_of_all_revokes_all)
{
	struct holder holders[3];
	int port;
	int segment;

	for (int i = 0; i < 3; i++)
		holders[i] = (struct holder){ .peer = peer_for_memory() };
	port = memory_port();
	segment = segment_create(port, page_size());
	holder_get(&holders[0], segment, MUTUAL, R);
	holder_get(&holders[1], segment, MUTUAL, R | W);
	/* Not claimed yet. */
	holders[2].share = share(segment, holders[2].peer.pid, MUTUAL, R);
	ASSERT_EQ(3, segment_info(segment).nr_holders);
	ASSERT_EQ(3, take_back(segment, 0));
	ASSERT_EQ(0, segment_info(segment).nr_holders);
	for (int i = 0; i < 2; i++)
		ASSERT_EQ(SIGBUS, peer_load(&holders[i].peer, holders[i].address));
	ASSERT_EQ(ESTALE, peer_claim(&holders[2].peer, holders[2].share.token));
}

TEST(claim_of_a_revoked_token_is_ESTALE_and_uses_it_up)
{
	struct peer peer = peer_for_memory();
	int port = memory_port();
	int segment = segment_create(port, page_size());
	struct ipcshim_share_mem args = share(segment, peer.pid, MUTUAL, R);
	struct ipcshim_query before = query(port);

	ASSERT_EQ(1, take_back(segment, peer.pid));
	ASSERT_EQ(ESTALE, peer_claim(&peer, args.token));
	ASSERT_EQ(ENOENT, peer_claim(&peer, args.token));
	ASSERT_EQ(before.tokens - 1, query(port).tokens);
	/* It had not claimed: there is no UNSHARED_MEM behind RECV_SHARED_MEM. */
	ASSERT_EQ(IPCSHIM_EVENT_RECV_SHARED_MEM, peer_event(&peer).code);
	ASSERT_EQ(0, peer_events_waiting(&peer));
}

TEST(unshare_mem_by_who_got_it_is_EPERM)
{
	struct stand stand = stand_up();
	struct ipcshim_unshare_mem args = { 0 };

	ASSERT_EQ(EPERM, peer_ioctl(&stand.holder.peer, stand.holder.claim.fd, IPCSHIM_UNSHARE_MEM,
				    &args));
	args.pid = (uint32_t)stand.holder.peer.pid;
	ASSERT_EQ(EPERM, peer_ioctl(&stand.holder.peer, stand.holder.claim.fd, IPCSHIM_UNSHARE_MEM,
				    &args));
	still_shared(&stand);
}

TEST(unshare_mem_of_what_was_handed_over_is_EINVAL)
{
	struct holder holder = { .peer = peer_for_memory() };
	int port = memory_port();
	int segment = segment_create(port, page_size());
	struct ipcshim_unshare_mem args = { 0 };

	holder_get(&holder, segment, EXCLUSIVE, R | W);
	ASSERT_ERRNO(EINVAL, ioctl(segment, IPCSHIM_UNSHARE_MEM, &args));
	args.pid = (uint32_t)holder.peer.pid;
	ASSERT_ERRNO(EINVAL, ioctl(segment, IPCSHIM_UNSHARE_MEM, &args));
	ASSERT_EQ(0, peer_load(&holder.peer, holder.address));
}

TEST(unshare_mem_of_what_was_lent_is_EINVAL)
{
	struct holder holder = { .peer = peer_for_memory() };
	int port = memory_port();
	int segment = segment_create(port, page_size());
	struct ipcshim_unshare_mem args = { 0 };

	holder.share = lend(segment, holder.peer.pid, R | W, 0);
	holder_claim(&holder);
	holder_map(&holder);
	args.pid = (uint32_t)holder.peer.pid;
	ASSERT_ERRNO(EINVAL, ioctl(segment, IPCSHIM_UNSHARE_MEM, &args));
	ASSERT_EQ(0, peer_load(&holder.peer, holder.address));
}

TEST(unshare_mem_on_what_was_revoked_is_ESTALE)
{
	struct stand stand = stand_up();
	struct ipcshim_unshare_mem args = { 0 };

	ASSERT_EQ(1, take_back(stand.segment, 0));
	ASSERT_EQ(ESTALE, peer_ioctl(&stand.holder.peer, stand.holder.claim.fd,
				     IPCSHIM_UNSHARE_MEM, &args));
}

TEST(unshare_mem_without_a_handler_tells_nothing)
{
	static const struct peer_options options = {
		.codes = 1ULL << IPCSHIM_EVENT_RECV_SHARED_MEM,
	};
	struct holder holder = { .peer = peer_start(&options) };
	int port = memory_port();
	int segment = segment_create(port, page_size());

	holder_get(&holder, segment, MUTUAL, R);
	peer_event(&holder.peer);
	ASSERT_EQ(1, take_back(segment, 0));
	ASSERT_EQ(0, peer_events_waiting(&holder.peer));
	ASSERT_EQ(SIGBUS, peer_load(&holder.peer, holder.address));
	ASSERT_EQ(0, query(port).events);
}

/* Revoking never waits for the one who uses it: here it writes all the time. */
TEST(unshare_mem_of_who_is_writing_ends_its_writing_by_SIGBUS)
{
	struct stand stand = stand_up();

	peer_write_on(&stand.holder.peer, stand.holder.address);
	ASSERT_EQ(1, take_back(stand.segment, stand.holder.peer.pid));
	ASSERT_EQ(SIGBUS, peer_write_ended(&stand.holder.peer));
}
