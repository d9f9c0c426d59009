// SPDX-License-Identifier: MIT
/*
 * Out of memory at every allocation of a call in turn: ENOMEM (EFAULT where
 * the kernel makes a copy from or to user space fail), and nothing is left.
 */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "harness.h"
#include "injection.h"
#include "support.h"

struct subject {
	int port;
	struct peer peer;
	struct ipcshim_open_pipe open_pipe;
	struct ipcshim_send_pipe send;
	struct ipcshim_claim claim;
	struct ends ends;
	int fd;
};

static int errno_of(long result)
{
	return result < 0 ? errno : 0;
}

static int opens_port(void *argument)
{
	struct subject *subject = argument;

	subject->fd = open(IPCSHIM_DEVICE, O_RDWR | O_CLOEXEC);
	return errno_of(subject->fd);
}

static void closes_port(void *argument)
{
	close(((struct subject *)argument)->fd);
}

TEST(open_of_a_port_without_memory_is_ENOMEM_and_leaves_nothing)
{
	struct subject subject = { .port = port_open() };

	fail_each(&(struct attempt){ opens_port, closes_port, NULL, 0 }, &subject, subject.port);
}

static int opens_pipe(void *argument)
{
	struct subject *subject = argument;

	subject->open_pipe = open_args();
	subject->open_pipe.pid = (uint32_t)subject->peer.pid;
	return errno_of(ioctl(subject->port, IPCSHIM_OPEN_PIPE, &subject->open_pipe));
}

static void closes_pipe(void *argument)
{
	struct subject *subject = argument;

	if (subject->peer.pid) {
		/* The peer takes the token and drops it with its port. */
		peer_reopen_port(&subject->peer);
	} else {
		close(subject->open_pipe.peer_fd);
	}
	close(subject->open_pipe.fd);
}

TEST(open_pipe_without_memory_is_ENOMEM_and_leaves_nothing)
{
	struct subject subject = { .port = port_open() };

	fail_each(&(struct attempt){ opens_pipe, closes_pipe, NULL, 0 }, &subject, subject.port);
}

TEST(open_pipe_to_a_process_without_memory_is_ENOMEM_and_leaves_nothing)
{
	struct subject subject = { .port = port_open(), .peer = peer_listening() };

	fail_each(&(struct attempt){ opens_pipe, closes_pipe, NULL, 0 }, &subject, subject.port);
}

static int sends_pipe(void *argument)
{
	struct subject *subject = argument;

	subject->send = send_args(subject->peer.pid);
	return errno_of(ioctl(subject->ends.sender, IPCSHIM_SEND_PIPE, &subject->send));
}

static void unsends_pipe(void *argument)
{
	peer_reopen_port(&((struct subject *)argument)->peer);
}

TEST(send_pipe_without_memory_is_ENOMEM_and_leaves_nothing)
{
	struct subject subject = { .port = port_open(), .peer = peer_listening() };

	subject.ends = ends_open(subject.port, IPCSHIM_PIPE_RAW, 0);
	fail_each(&(struct attempt){ sends_pipe, unsends_pipe, NULL, 0 }, &subject, subject.port);
}

static int handles(void *argument)
{
	struct subject *subject = argument;
	struct ipcshim_handle args = handle_args();

	return errno_of(ioctl(subject->fd, IPCSHIM_HANDLE_SIGNAL, &args));
}

static void unhandles(void *argument)
{
	struct subject *subject = argument;
	struct ipcshim_unhandle args = unhandle_args();

	ASSERT_OK(ioctl(subject->fd, IPCSHIM_UNHANDLE_SIGNAL, &args));
}

TEST(handle_signal_without_memory_registers_all_or_nothing)
{
	struct subject subject = { .port = port_open() };
	int injector = injector_open();
	unsigned int n = 1;
	int result;

	subject.fd = subject.port;
	while (with_fault(injector, n++, handles, &subject, &result)) {
		ASSERT_TRUE(result == 0 || result == ENOMEM || result == EFAULT);
		ASSERT_EQ(result == 0, is_handled(subject.port, 0, IPCSHIM_EVENT_RECV_PIPE));
		if (result == 0)
			unhandles(&subject);
	}
	ASSERT_EQ(0, result);
}

static int writes_first(void *argument)
{
	return errno_of(write(((struct subject *)argument)->ends.sender, "x", 1));
}

/* One allocation that fails may have another to fall back on: no ENOMEM then. */
TEST(first_write_with_any_one_allocation_failing_loses_nothing)
{
	int injector = injector_open();
	struct subject subject = { .port = port_open() };
	struct ipcshim_query before = query(subject.port);
	unsigned int n = 1;
	bool taken;

	do {
		int result;

		subject.ends = ends_open(subject.port, IPCSHIM_PIPE_RAW, 1);
		taken = with_fault(injector, n++, writes_first, &subject, &result);
		ASSERT_TRUE(result == 0 || result == ENOMEM || result == EFAULT);
		if (result) {
			ASSERT_EQ(0, info_of(subject.ends.receiver).bytes_waiting);
			ASSERT_EQ(0, writes_first(&subject));
		}
		ASSERT_EQ(1, info_of(subject.ends.receiver).bytes_waiting);
		close(subject.ends.sender);
		close(subject.ends.receiver);
		ASSERT_EQ(before.ring_bytes, query(subject.port).ring_bytes);
		ASSERT_EQ(before.pipes, query(subject.port).pipes);
	} while (taken);
	ASSERT_TRUE(n > 2);
}

TEST(first_write_without_any_memory_is_ENOMEM_and_the_next_one_succeeds)
{
	struct subject subject = { .port = port_open() };
	struct ipcshim_query before;
	int fail = no_memory_switch();

	subject.ends = ends_open(subject.port, IPCSHIM_PIPE_RAW, 16);
	before = query(subject.port);
	ASSERT_EQ(ENOMEM, without_memory(fail, writes_first, &subject));
	ASSERT_EQ(0, info_of(subject.ends.receiver).bytes_waiting);
	ASSERT_EQ(before.ring_bytes, query(subject.port).ring_bytes);
	ASSERT_EQ(0, writes_first(&subject));
	ASSERT_EQ(1, info_of(subject.ends.receiver).bytes_waiting);
}

static int claims(void *argument)
{
	struct subject *subject = argument;

	return errno_of(ioctl(subject->port, IPCSHIM_CLAIM, &subject->claim));
}

TEST(claim_without_memory_is_ENOMEM_and_keeps_the_token)
{
	struct subject subject = { .port = port_handling() };
	int injector = injector_open();
	unsigned int refusals = 0;
	unsigned int n = 1;
	bool taken;

	subject.open_pipe = open_args();
	subject.open_pipe.pid = (uint32_t)getpid();
	subject.open_pipe.flags = IPCSHIM_OPEN_SKIP;
	do {
		struct ipcshim_query before = query(subject.port);
		int result;

		ASSERT_OK(ioctl(subject.port, IPCSHIM_OPEN_PIPE, &subject.open_pipe));
		subject.claim = (struct ipcshim_claim){ .token = subject.open_pipe.token };
		taken = with_fault(injector, n++, claims, &subject, &result);
		ASSERT_TRUE(result == 0 || result == ENOMEM || result == EFAULT);
		if (result) {
			refusals += result == ENOMEM;
			ASSERT_EQ(before.tokens + 1, query(subject.port).tokens);
			ASSERT_EQ(0, claims(&subject));
		}
		/* One event: the receiver is told of its sender. */
		close(subject.open_pipe.fd);
		close(subject.claim.fd);
		event_read(subject.port);
		ASSERT_EQ(before.tokens, query(subject.port).tokens);
		ASSERT_EQ(before.pipes, query(subject.port).pipes);
		ASSERT_EQ(before.events, query(subject.port).events);
	} while (taken);
	ASSERT_TRUE(refusals > 0);
}
