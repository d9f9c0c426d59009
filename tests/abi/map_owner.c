// SPDX-License-Identifier: MIT
/* An end that one process has mapped is for that process alone. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness.h"
#include "mapped.h"
#include "sockets.h"

/* What moves data through an end, and what maps it: each of it has to give that. */

static void sender_gives(int expected, int end)
{
	struct ipcshim_batch_entry entry;
	struct ipcshim_pipe_batch batch = batch_args(&entry, 1, IPCSHIM_IO_FAIL);
	struct iovec vector = { (char[]){ "x" }, 1 };

	ASSERT_EQ(expected, write(end, "x", 1) < 0 ? errno : 0);
	ASSERT_EQ(expected, writev(end, &vector, 1) < 0 ? errno : 0);
	for (unsigned int mode = IPCSHIM_IO_ALL; mode <= IPCSHIM_IO_FAIL; mode++) {
		struct ipcshim_pipe_io args = io_args(vector.iov_base, 1, mode);

		ASSERT_EQ(expected, ioctl(end, IPCSHIM_PIPE_WRITE, &args) < 0 ? errno : 0);
		ASSERT_EQ(expected ? 0 : 1, args.moved);
	}
	batch_fill(&entry, 1, vector.iov_base, 1);
	ASSERT_EQ(expected, ioctl(end, IPCSHIM_WRITE_BATCH, &batch) < 0 ? errno : 0);
	ASSERT_EQ(expected, try_map(end, 0, page_size(), PROT_READ, NULL));
}

static void receiver_gives(int expected, int end)
{
	struct ipcshim_batch_entry entry;
	struct ipcshim_pipe_batch batch = batch_args(&entry, 1, IPCSHIM_IO_FAIL);
	char byte;
	struct iovec vector = { &byte, 1 };

	ASSERT_EQ(expected, read(end, &byte, 1) < 0 ? errno : 0);
	ASSERT_EQ(expected, readv(end, &vector, 1) < 0 ? errno : 0);
	for (unsigned int mode = IPCSHIM_IO_ALL; mode <= IPCSHIM_IO_FAIL; mode++) {
		struct ipcshim_pipe_io args = io_args(&byte, 1, mode);

		ASSERT_EQ(expected, ioctl(end, IPCSHIM_PIPE_READ, &args) < 0 ? errno : 0);
		ASSERT_EQ(expected ? 0 : 1, args.moved);
	}
	batch_fill(&entry, 1, &byte, 1);
	ASSERT_EQ(expected, ioctl(end, IPCSHIM_READ_BATCH, &batch) < 0 ? errno : 0);
	ASSERT_EQ(expected, try_map(end, 0, page_size(), PROT_READ, NULL));
}

enum { MESSAGES = 5 }; /* that one of those moves */

/* What another process may do all the same. */
static void looks_at(int end)
{
	int bytes;

	ASSERT_TRUE(is_mapped(end));
	ASSERT_OK(ioctl(end, FIONREAD, &bytes));
	readable(end);
}

/* Another process: tries when told to, with what its parent expects. */
static void tries(int fd, void *argument)
{
	const struct ends *ends = argument;
	uint64_t expected;

	put(fd, 0);
	while (recv(fd, &expected, sizeof(expected), 0) == sizeof(expected)) {
		if (ends->sender >= 0)
			sender_gives((int)expected, ends->sender);
		if (ends->receiver >= 0)
			receiver_gives((int)expected, ends->receiver);
		put(fd, 0);
	}
}

static struct child other_process(struct ends *ends)
{
	struct child child = child_start(tries, ends);

	get(child.fd);
	return child;
}

static void other_gets(struct child *child, int expected)
{
	put(child->fd, (uint64_t)expected);
	get(child->fd);
}

static void drain(int receiver)
{
	char byte;

	while (info_of(receiver).messages_waiting)
		ASSERT_EQ(1, read(receiver, &byte, 1));
}

TEST(a_sender_that_is_mapped_is_EBUSY_for_another_process_until_it_is_unmapped)
{
	struct ends ends = mapped_open(port_open(), MESSAGE, 1);
	struct child child = other_process(&(struct ends){ ends.sender, -1 });
	struct ring ring = ring_map(ends.sender);

	other_gets(&child, EBUSY);
	ASSERT_EQ(0, info_of(ends.sender).messages_waiting);
	/* For its own process it is not. */
	ASSERT_EQ(1, write(ends.sender, "x", 1));
	drain(ends.receiver);
	ring_unmap(&ring);
	other_gets(&child, 0);
	ASSERT_EQ(MESSAGES, info_of(ends.sender).messages_waiting);
	/* Now the other one has it. */
	ASSERT_EQ(EBUSY, try_map(ends.sender, 0, page_size(), PROT_READ, NULL));
	shutdown(child.fd, SHUT_RDWR);
	child_join(&child);
	ring = ring_map(ends.sender);
}

TEST(a_receiver_that_is_mapped_is_EBUSY_for_another_process_until_it_is_unmapped)
{
	struct ends ends = mapped_open(port_open(), MESSAGE, 1);
	struct child child = other_process(&(struct ends){ -1, ends.receiver });
	struct ring ring = ring_map(ends.receiver);

	for (int i = 0; i < MESSAGES; i++)
		ASSERT_EQ(1, write(ends.sender, "x", 1));
	other_gets(&child, EBUSY);
	ASSERT_EQ(MESSAGES, info_of(ends.sender).messages_waiting);
	ring_unmap(&ring);
	other_gets(&child, 0);
	ASSERT_EQ(0, info_of(ends.sender).messages_waiting);
	ASSERT_EQ(EBUSY, try_map(ends.receiver, 0, page_size(), PROT_READ, NULL));
}

TEST(each_end_may_be_mapped_by_a_process_of_its_own)
{
	struct ends ends = mapped_open(port_open(), MESSAGE, 1);
	struct child child = other_process(&(struct ends){ -1, ends.receiver });
	struct ring ring = ring_map(ends.sender);

	for (int i = 0; i < MESSAGES; i++)
		ring_put_message(&ring, "x", 1);
	other_gets(&child, 0);
	ASSERT_EQ(0, ring_used(&ring));
	ASSERT_TRUE(is_mapped(ends.sender) && is_mapped(ends.receiver));
}

static void looks(int fd, void *argument)
{
	const struct ends *ends = argument;
	struct ipcshim_close_pipe args = { 0 };

	(void)fd;
	looks_at(ends->sender);
	looks_at(ends->receiver);
	ASSERT_OK(ioctl(ends->sender, IPCSHIM_CLOSE_PIPE, &args));
}

TEST(another_process_may_look_at_a_mapped_end_and_close_the_pipe)
{
	struct rings rings = rings_open(RAW, 1);
	struct child child = child_start(looks, &rings.ends);

	child_join(&child);
	ASSERT_EQ(IPCSHIM_HOW_CLOSED, closed_of(rings.out.producer));
}

/* SEND_PIPE, and messages that carry. */

static int sends_pipe(int end, pid_t pid)
{
	struct ipcshim_send_pipe args = send_args(pid);

	return ioctl(end, IPCSHIM_SEND_PIPE, &args) < 0 ? errno : 0;
}

TEST(send_pipe_of_a_mapped_end_is_EBUSY_and_hands_nothing_over)
{
	struct peer peer = peer_listening();
	int port = port_open();
	struct ends ends = mapped_open(port, RAW, 1);
	struct ring sender = ring_map(ends.sender);
	struct ring receiver = ring_map(ends.receiver);
	struct state before = state_now(port);

	ASSERT_EQ(EBUSY, sends_pipe(ends.sender, peer.pid));
	ASSERT_EQ(EBUSY, sends_pipe(ends.receiver, peer.pid));
	state_same(port, &before);
	ASSERT_EQ(0, peer_events_waiting(&peer));
	ring_unmap(&sender);
	ASSERT_EQ(0, sends_pipe(ends.sender, peer.pid));
	ASSERT_EQ(EBUSY, sends_pipe(ends.receiver, peer.pid));
	ring_unmap(&receiver);
	ASSERT_EQ(0, sends_pipe(ends.receiver, peer.pid));
	ASSERT_EQ(2, peer_events_waiting(&peer));
}

TEST(an_end_that_two_processes_hold_is_for_the_one_that_maps_it)
{
	struct peer peer = peer_listening();
	struct ends ends = mapped_open(port_open(), RAW, 1);
	struct ipcshim_claim got;
	uint64_t address;

	ASSERT_EQ(0, sends_pipe(ends.sender, peer.pid));
	got = peer_take(&peer, peer_event(&peer).token);
	ASSERT_EQ(1, write(ends.sender, "x", 1));
	ASSERT_EQ(0, peer_map(&peer, got.fd, page_size(), PROT_READ, MAP_SHARED, &address));
	ASSERT_ERRNO(EBUSY, write(ends.sender, "x", 1));
	ASSERT_EQ(EBUSY, try_map(ends.sender, 0, page_size(), PROT_READ, NULL));
	ASSERT_EQ(0, peer_unmap(&peer, address, page_size()));
	ASSERT_EQ(1, write(ends.sender, "x", 1));
	ASSERT_EQ(0, try_map(ends.sender, 0, page_size(), PROT_READ, NULL));
	ASSERT_EQ(EBUSY, peer_map(&peer, got.fd, page_size(), PROT_READ, MAP_SHARED, &address));
}

TEST(a_message_that_would_carry_a_mapped_end_is_EBUSY)
{
	int port = port_open();
	struct pair pair = pair_open(port, 0);
	struct ends ends = mapped_open(port, RAW, 1);
	struct ring ring = ring_map(ends.receiver);
	struct ipcshim_descriptor given[2] = { carried(ends.sender), carried(ends.receiver) };
	struct ipcshim_descriptor got[2] = { { .fd = -1 }, { .fd = -1 } };
	struct state before = state_now(port);

	ASSERT_EQ(EBUSY, try_send_with(pair.client, given, 2));
	expect_no_message(pair.service);
	state_same(port, &before);
	ring_unmap(&ring);
	ASSERT_EQ(0, try_send_with(pair.client, given, 2));
	/* Under way it can be mapped; who reads the message then has it beside. */
	ring = ring_map(ends.receiver);
	read_with(pair.service, got, 2);
	ASSERT_EQ(info_of(ends.receiver).inode, info_of(got[1].fd).inode);
	ASSERT_EQ(O_RDWR, fcntl(got[1].fd, F_GETFL) & O_ACCMODE);
	ASSERT_EQ(1, write(got[0].fd, "x", 1));
	ASSERT_EQ(1, ring_used(&ring));
}

/* The mapping goes with its process. */

static void maps_and_waits(int fd, void *argument)
{
	const struct ends *ends = argument;

	ring_map(ends->sender);
	ring_map(ends->receiver);
	put(fd, 0);
	get(fd);
}

TEST(the_death_of_the_process_that_mapped_frees_the_end)
{
	struct ends ends = mapped_open(port_open(), RAW, 1);
	struct child child = child_start(maps_and_waits, &ends);

	get(child.fd);
	ASSERT_EQ(EBUSY, try_map(ends.sender, 0, page_size(), PROT_READ, NULL));
	ASSERT_EQ(EBUSY, try_map(ends.receiver, 0, page_size(), PROT_READ, NULL));
	ASSERT_OK(kill(child.pid, SIGKILL));
	ASSERT_EQ(child.pid, waitpid(child.pid, NULL, 0));
	ring_map(ends.sender);
	ring_map(ends.receiver);
}

TEST(another_program_in_the_process_that_mapped_frees_the_end)
{
	struct peer peer = peer_listening();
	struct ends ends = mapped_open(port_open(), RAW, 1);
	uint64_t address;

	ASSERT_EQ(0, sends_pipe(ends.sender, peer.pid));
	ASSERT_EQ(0, peer_map(&peer, peer_take(&peer, peer_event(&peer).token).fd, page_size(),
			      PROT_READ, MAP_SHARED, &address));
	ASSERT_ERRNO(EBUSY, write(ends.sender, "x", 1));
	peer_exec_and_stay(&peer);
	ASSERT_EQ(1, write(ends.sender, "x", 1));
	ring_map(ends.sender);
}

static void *maps_in_a_thread(void *argument)
{
	const struct ends *ends = argument;
	struct ring ring = ring_map(ends->sender);

	ring_put(&ring, "x", 1);
	return NULL;
}

TEST(threads_of_one_process_share_its_mappings)
{
	struct rings rings = rings_open(RAW, 1);
	pthread_t thread;

	ASSERT_EQ(0, pthread_create(&thread, NULL, maps_in_a_thread, &rings.ends));
	ASSERT_EQ(0, pthread_join(thread, NULL));
	ASSERT_EQ(1, ring_used(&rings.out));
	ring_unmap(&rings.in);
	ASSERT_TRUE(is_mapped(rings.ends.sender)); /* the thread's */
}

/* Not inherited by fork. */

static void has_none_of_it(int fd, void *argument)
{
	const struct rings *rings = argument;

	(void)fd;
	ASSERT_TRUE(fault_of_load(rings->in.base) != 0);
	ASSERT_TRUE(fault_of_load((const char *)rings->out.consumer) != 0);
	ASSERT_TRUE(fault_of_load(rings->in.data + rings->in.area) != 0);
	ASSERT_TRUE(fault_of_load(rings->out.data) != 0);
}

TEST(a_mapping_is_not_inherited_by_fork)
{
	struct rings rings = rings_open(RAW, 1);
	struct child child = child_start(has_none_of_it, &rings);

	child_join(&child);
	ring_put(&rings.in, "abc", 3);
	ASSERT_EQ(3, ring_used(&rings.out));
	ring_unmap(&rings.in);
	ring_unmap(&rings.out);
	ASSERT_TRUE(!is_mapped(rings.ends.sender) && !is_mapped(rings.ends.receiver));
}

/* Whether the kernel takes it or not, no second process gets at the ring. */
TEST(a_mapping_that_is_told_to_be_inherited_is_not_either)
{
	struct rings rings = rings_open(MESSAGE, 1);
	struct child child;
	char got[3];

	madvise(rings.in.base, rings.in.size, MADV_DOFORK);
	madvise(rings.out.base, rings.out.size, MADV_DOFORK);
	ring_put_message(&rings.in, "abc", 3);
	child = child_start(has_none_of_it, &rings);
	child_join(&child);
	ring_get_message(&rings.out, got, 3);
	ring_unmap(&rings.in);
	ring_unmap(&rings.out);
	ASSERT_TRUE(!is_mapped(rings.ends.sender) && !is_mapped(rings.ends.receiver));
	child = other_process(&rings.ends);
	other_gets(&child, 0);
}
