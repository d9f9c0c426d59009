// SPDX-License-Identifier: MIT
/* Messages that carry segments: shared, handed over, taken back under way, all or none. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "harness.h"
#include "sockets.h"

enum { PAGES = 4 };

static const struct peer_options both_kinds = { .codes = SOCKET_CODES | MEMORY_CODES };

struct subject {
	int fd;
	size_t length;
	char *address;
};

static struct subject subject_create(int port, unsigned int seed)
{
	struct subject subject = { .length = PAGES * page_size() };

	subject.fd = segment_create(port, subject.length);
	subject.address = segment_map(subject.fd, subject.length, PROT_READ | PROT_WRITE);
	fill_pattern(subject.address, subject.length, seed);
	return subject;
}

static void is_mine_still(const struct subject *subject, unsigned int seed)
{
	check_pattern(subject->address, subject->length, seed);
	ASSERT_EQ(0, fault_of_store(subject->address, subject->address[0]));
	ASSERT_EQ(IPCSHIM_MEM_INFO_OWNER, segment_info(subject->fd).flags);
}

static void is_lost(const struct subject *subject)
{
	for (size_t at = 0; at < subject->length; at += page_size())
		expect_gone(subject->address + at);
	expect_stale(subject->fd);
}

/* What the peer reads; the descriptors lie in memory that both have. */
static int peer_read(struct peer *peer, struct remote remote, struct ipcshim_descriptor *got)
{
	struct ipcshim_read_sock_msg args = read_msg_args(NULL, 0);

	args.descriptors = (uintptr_t)got;
	args.room = IPCSHIM_DESCRIPTORS_MAX;
	return peer_ioctl(peer, remote.peer_fd, IPCSHIM_READ_SOCK_MSG, &args);
}

TEST(carried_segment_that_is_mutual_is_used_by_both)
{
	struct ipcshim_descriptor *got = shared_memory(page_size());
	struct peer peer = peer_start(&both_kinds);
	int port = memory_port();
	struct remote remote = remote_open(port, &peer, CLIENT);
	struct subject subject = subject_create(port, 1);
	struct ipcshim_descriptor given = carried_segment(subject.fd, MUTUAL, R | W);
	struct ipcshim_mem_info info = { 0 };
	uint64_t address;

	send_with(remote.fd, &given, 1);
	/* Lent to nobody in particular so far. */
	check_pattern(subject.address, subject.length, 1);
	ASSERT_EQ(0, peer_read(&peer, remote, got));
	ASSERT_EQ(IPCSHIM_KIND_SEGMENT, got->kind);
	ASSERT_EQ(MUTUAL, got->mode);
	ASSERT_EQ(R | W, got->rights);
	ASSERT_EQ(0, got->error);
	ASSERT_EQ(0, got->capacity);
	ASSERT_EQ(subject.length, got->length);
	ASSERT_TRUE(got->inode != segment_info(subject.fd).inode);
	ASSERT_EQ(0, peer_ioctl(&peer, got->fd, IPCSHIM_MEM_SHARING_INFO, &info));
	ASSERT_EQ(got->inode, info.inode);
	ASSERT_EQ(MUTUAL, info.mode);
	ASSERT_EQ(R | W, info.rights);
	ASSERT_EQ(getpid(), info.sharer);
	ASSERT_EQ(1, info.nr_holders);
	ASSERT_EQ(0, peer_map(&peer, got->fd, subject.length, PROT_READ | PROT_WRITE, MAP_SHARED,
			      &address));
	peer_check(&peer, address, subject.length, 1);
	peer_fill(&peer, address, subject.length, 2);
	check_pattern(subject.address, subject.length, 2);
	/* And can be taken back. */
	ASSERT_EQ(1, take_back(subject.fd, peer.pid));
	ASSERT_TRUE(peer_load(&peer, address) != 0);
	ASSERT_EQ(IPCSHIM_EVENT_UNSHARED_MEM, peer_event(&peer).code);
	check_pattern(subject.address, subject.length, 2);
}

TEST(carried_segment_has_no_more_rights_than_it_was_given)
{
	struct ipcshim_descriptor *got = shared_memory(page_size());
	struct peer peer = peer_start(&both_kinds);
	int port = memory_port();
	struct remote remote = remote_open(port, &peer, CLIENT);
	struct subject subject = subject_create(port, 1);
	struct ipcshim_descriptor given = carried_segment(subject.fd, MUTUAL, R);
	uint64_t address;

	send_with(remote.fd, &given, 1);
	ASSERT_EQ(0, peer_read(&peer, remote, got));
	ASSERT_EQ(R, got->rights);
	ASSERT_EQ(EACCES, peer_map(&peer, got->fd, subject.length, PROT_READ | PROT_WRITE,
				   MAP_SHARED, &address));
	ASSERT_EQ(0, peer_map(&peer, got->fd, subject.length, PROT_READ, MAP_SHARED, &address));
	peer_check(&peer, address, subject.length, 1);
	ASSERT_TRUE(peer_store(&peer, address, 1) != 0);
	is_mine_still(&subject, 1);
}

TEST(carried_segment_that_is_exclusive_is_lost_to_the_sender_when_send_returns)
{
	struct ipcshim_descriptor *got = shared_memory(page_size());
	struct peer peer = peer_start(&both_kinds);
	int port = memory_port();
	struct remote remote = remote_open(port, &peer, CLIENT);
	struct subject subject = subject_create(port, 3);
	char *second = segment_map(subject.fd, subject.length, PROT_READ);
	struct ipcshim_descriptor given = carried_segment(subject.fd, EXCLUSIVE, R | W);
	struct ipcshim_mem_info info = { 0 };
	uint64_t address;

	send_with(remote.fd, &given, 1);
	is_lost(&subject);
	expect_gone(second);
	ASSERT_EQ(0, events_waiting(port));
	/* Its pages are there, and nobody's but of who will read. */
	ASSERT_EQ(1, query(port).segments);
	ASSERT_EQ(0, peer_read(&peer, remote, got));
	ASSERT_EQ(IPCSHIM_KIND_SEGMENT, got->kind);
	ASSERT_EQ(EXCLUSIVE, got->mode);
	ASSERT_EQ(R | W, got->rights);
	ASSERT_EQ(subject.length, got->length);
	ASSERT_EQ(0, peer_ioctl(&peer, got->fd, IPCSHIM_MEM_SHARING_INFO, &info));
	ASSERT_EQ(IPCSHIM_MEM_INFO_OWNER, info.flags);
	ASSERT_EQ(EXCLUSIVE, info.mode);
	ASSERT_EQ(0, peer_map(&peer, got->fd, subject.length, PROT_READ | PROT_WRITE, MAP_SHARED,
			      &address));
	peer_check(&peer, address, subject.length, 3);
	is_lost(&subject);
	close(subject.fd);
	peer_kill(&peer);
	ASSERT_EQ(0, query(port).segments);
	ASSERT_EQ(0, query(port).used_segment_bytes);
}

TEST(carried_segment_is_lost_to_a_process_that_inherited_it)
{
	struct ipcshim_descriptor given;
	int port = memory_port();
	struct pair pair = pair_open(port, 0);
	struct subject subject = subject_create(port, 3);
	/* It has our mapping and our descriptor. */
	struct peer heir = peer_for_memory();

	ASSERT_EQ(0, peer_load(&heir, (uintptr_t)subject.address));
	given = carried_segment(subject.fd, EXCLUSIVE, R);
	send_with(pair.client, &given, 1);
	ASSERT_TRUE(peer_load(&heir, (uintptr_t)subject.address) != 0);
	ASSERT_TRUE(peer_store(&heir, (uintptr_t)subject.address, 1) != 0);
	is_lost(&subject);
}

TEST(carried_segment_in_a_message_that_is_never_read_is_freed_with_it)
{
	for (unsigned int mode = MUTUAL; mode <= EXCLUSIVE; mode++) {
		int port = memory_port();
		struct state before = state_now(port);
		struct pair pair = pair_open(port, 0);
		struct subject subject = subject_create(port, 3);
		struct ipcshim_descriptor given = carried_segment(subject.fd, mode, R);

		send_with(pair.client, &given, 1);
		if (mode == EXCLUSIVE) {
			is_lost(&subject);
		} else {
			is_mine_still(&subject, 3);
			ASSERT_EQ(1, query(port).segments);
		}
		ASSERT_OK(munmap(subject.address, subject.length));
		close(subject.fd);
		pair_close(&pair);
		ASSERT_EQ(0, query(port).segments);
		state_same(port, &before);
		close(port);
	}
}

TEST(carried_segment_outlives_the_process_that_sent_it)
{
	struct ipcshim_descriptor *given = shared_memory(page_size());
	struct peer peer = peer_start(&both_kinds);
	int port = memory_port();
	struct remote remote = remote_open(port, &peer, SERVICE);
	struct ipcshim_create_mem create = { .length = page_size() };
	struct ipcshim_send_sock_msg args = first_args(NULL, 0);
	struct ipcshim_descriptor got;
	uint64_t address;
	char *here;

	ASSERT_EQ(0, peer_ioctl(&peer, -1, IPCSHIM_CREATE_MEM, &create));
	ASSERT_EQ(0, peer_map(&peer, create.fd, page_size(), PROT_READ | PROT_WRITE, MAP_SHARED,
			      &address));
	peer_fill(&peer, address, page_size(), 7);
	*given = carried_segment(create.fd, EXCLUSIVE, R | W);
	args.message.nr_descriptors = 1;
	args.descriptors = (uintptr_t)given;
	ASSERT_EQ(0, peer_ioctl(&peer, remote.peer_fd, IPCSHIM_SEND_SOCK_MSG, &args));
	ASSERT_TRUE(peer_load(&peer, address) != 0);
	peer_kill(&peer);
	read_with(remote.fd, &got, 1);
	here = segment_map(got.fd, page_size(), PROT_READ | PROT_WRITE);
	check_pattern(here, page_size(), 7);
	ASSERT_EQ(IPCSHIM_MEM_INFO_OWNER, segment_info(got.fd).flags);
}

TEST(carried_segment_taken_back_under_way_is_ESTALE_and_the_rest_arrives)
{
	struct ipcshim_descriptor *got = shared_memory(page_size());
	struct peer peer = peer_start(&both_kinds);
	int port = memory_port();
	struct remote remote = remote_open(port, &peer, CLIENT);
	struct subject subject = subject_create(port, 1);
	struct subject other = subject_create(port, 2);
	struct ends ends = ends_open(port, IPCSHIM_PIPE_RAW, 0);
	struct ipcshim_descriptor given[3] = { carried_segment(subject.fd, MUTUAL, R),
					       carried(ends.sender),
					       carried_segment(other.fd, MUTUAL, R) };
	uint64_t address;

	send_with(remote.fd, given, 3);
	ASSERT_EQ(1, take_back(subject.fd, 0));
	memset(got, 0xff, 3 * sizeof(*got));
	ASSERT_EQ(0, peer_read(&peer, remote, got));
	ASSERT_EQ(-1, got[0].fd);
	ASSERT_EQ(ESTALE, got[0].error);
	ASSERT_EQ(IPCSHIM_KIND_SEGMENT, got[0].kind);
	ASSERT_EQ(0, got[1].error);
	ASSERT_EQ(IPCSHIM_KIND_PIPE, got[1].kind);
	ASSERT_EQ(0, got[2].error);
	ASSERT_EQ(0, peer_map(&peer, got[2].fd, other.length, PROT_READ, MAP_SHARED, &address));
	peer_check(&peer, address, other.length, 2);
	is_mine_still(&subject, 1);
	/* Nothing of it is left, so it can be handed over. */
	given[0].mode = EXCLUSIVE;
	send_with(remote.fd, given, 1);
	is_lost(&subject);
}

TEST(carried_segment_alone_taken_back_under_way_needs_no_descriptor_number)
{
	int port = memory_port();
	struct pair pair = pair_open(port, 0);
	struct subject subject = subject_create(port, 1);
	struct ipcshim_descriptor given = carried_segment(subject.fd, MUTUAL, R);
	struct ipcshim_descriptor got;
	struct state before;

	send_with(pair.client, &given, 1);
	before = state_now(port);
	ASSERT_EQ(1, take_back(subject.fd, 0));
	read_with(pair.service, &got, 1);
	ASSERT_EQ(-1, got.fd);
	ASSERT_EQ(ESTALE, got.error);
	ASSERT_EQ(before.descriptors, state_now(port).descriptors);
	is_mine_still(&subject, 1);
}

/* What makes a hand-over EBUSY, and what lets it pass again. */
enum busy { BY_PIN, BY_GRANT, BY_DMABUF, BY_MESSAGE, BUSY_WAYS };

struct obstacle {
	struct pin pin;
	struct pair pair;
	int dmabuf;
};

static bool obstruct(enum busy way, struct obstacle *obstacle, int port, struct peer *peer,
		     const struct subject *subject)
{
	struct ipcshim_export_dmabuf export = { 0 };
	struct ipcshim_descriptor given = carried_segment(subject->fd, MUTUAL, R);

	switch (way) {
	case BY_PIN:
		obstacle->pin = pin_page(subject->address + page_size());
		return true;
	case BY_GRANT:
		share(subject->fd, peer->pid, MUTUAL, R);
		return true;
	case BY_DMABUF:
		if (ioctl(subject->fd, IPCSHIM_EXPORT_DMABUF, &export) < 0) {
			ASSERT_EQ(EOPNOTSUPP, errno);
			return false;
		}
		obstacle->dmabuf = export.fd;
		return true;
	default:
		/* A message that nobody has read. */
		obstacle->pair = pair_open(port, 0);
		send_with(obstacle->pair.client, &given, 1);
		return true;
	}
}

static void clear(enum busy way, struct obstacle *obstacle, struct peer *peer,
		  const struct subject *subject)
{
	if (way == BY_PIN)
		unpin(&obstacle->pin);
	else if (way == BY_GRANT)
		ASSERT_EQ(1, take_back(subject->fd, peer->pid));
	else if (way == BY_DMABUF)
		close(obstacle->dmabuf);
	else
		pair_close(&obstacle->pair);
}

TEST(carried_segments_of_which_one_is_busy_are_EBUSY_and_none_is_lost)
{
	for (enum busy way = 0; way < BUSY_WAYS; way++) {
		struct peer peer = peer_for_memory();
		int port = memory_port();
		struct pair pair = pair_open(port, 0);
		struct obstacle obstacle;
		struct subject subjects[3];
		struct ipcshim_descriptor given[3];

		for (unsigned int i = 0; i < 3; i++)
			subjects[i] = subject_create(port, i);
		/* Each place in turn. */
		for (unsigned int busy = 0; busy < 3; busy++) {
			struct state before;

			if (!obstruct(way, &obstacle, port, &peer, &subjects[busy]))
				break;
			for (unsigned int i = 0; i < 3; i++)
				given[i] = carried_segment(subjects[i].fd, EXCLUSIVE, R);
			before = state_now(port);
			ASSERT_EQ(EBUSY, try_send_with(pair.client, given, 3));
			state_same(port, &before);
			expect_no_message(pair.service);
			for (unsigned int i = 0; i < 3; i++) {
				check_pattern(subjects[i].address, subjects[i].length, i);
				ASSERT_EQ(0, fault_of_store(subjects[i].address, (char)0));
				fill_pattern(subjects[i].address, subjects[i].length, i);
			}
			clear(way, &obstacle, &peer, &subjects[busy]);
		}
		send_with(pair.client, given, 3);
		for (unsigned int i = 0; i < 3; i++)
			is_lost(&subjects[i]);
		peer_kill(&peer);
		pair_close(&pair);
		close(port);
	}
}

TEST(carried_segment_that_is_mutual_in_a_message_is_busy_until_it_was_let_go)
{
	int port = memory_port();
	struct pair pair = pair_open(port, 0);
	struct subject subject = subject_create(port, 1);
	struct ipcshim_descriptor given = carried_segment(subject.fd, MUTUAL, R);
	struct ipcshim_descriptor got;

	send_with(pair.client, &given, 1);
	given.mode = EXCLUSIVE;
	ASSERT_EQ(EBUSY, try_send_with(pair.client, &given, 1));
	read_with(pair.service, &got, 1);
	ASSERT_EQ(EBUSY, try_send_with(pair.client, &given, 1));
	is_mine_still(&subject, 1);
	close(got.fd);
	send_with(pair.client, &given, 1);
	is_lost(&subject);
}

TEST(carried_segment_that_can_not_be_sent_is_not_lost)
{
	int port = memory_port();
	struct pair pair = pair_nonblocking(port);
	struct subject subject = subject_create(port, 1);
	struct ipcshim_descriptor given = carried_segment(subject.fd, EXCLUSIVE, R);
	struct ipcshim_send_sock_msg args = first_args(NULL, 0);
	struct ipcshim_close_serv_sock end = { 0 };
	struct state before;

	parameter_set("max_exchanges", 1);
	open_exchange(pair.client, NULL, 0);
	before = state_now(port);
	/* No room, not my turn, no such exchange, too long, a bad address, the end. */
	ASSERT_EQ(EAGAIN, try_send_with(pair.client, &given, 1));
	args.message.nr_descriptors = 1;
	args.descriptors = (uintptr_t)&given;
	args.message.code = 0;
	args.message.exchange = 1;
	ASSERT_ERRNO(EBUSY, ioctl(pair.client, IPCSHIM_SEND_SOCK_MSG, &args));
	args.message.exchange = 2;
	ASSERT_ERRNO(ENOENT, ioctl(pair.client, IPCSHIM_SEND_SOCK_MSG, &args));
	args.message.exchange = 0;
	args.message.length = LARGEST + 1;
	ASSERT_ERRNO(EMSGSIZE, ioctl(pair.client, IPCSHIM_SEND_SOCK_MSG, &args));
	args.message.length = 1;
	ASSERT_ERRNO(EFAULT, ioctl(pair.client, IPCSHIM_SEND_SOCK_MSG, &args));
	state_same(port, &before);
	is_mine_still(&subject, 1);
	ASSERT_OK(ioctl(pair.client, IPCSHIM_CLOSE_SERV_SOCK, &end));
	ASSERT_EQ(EPIPE, try_send_with(pair.client, &given, 1));
	is_mine_still(&subject, 1);
}
