// SPDX-License-Identifier: MIT
/* IORING_OP_URING_CMD on ports and ends of pipes: what the ioctl of that number gives. */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness.h"
#include "mapped.h"
#include "sockets.h"
#include "uring.h"

#define NAME "abi.uring"

enum { A_MOMENT = 20000000 };

/* Calls of a port, in the order of the header. */

TEST(uring_command_calls_a_port_as_ioctl_does)
{
	struct uring uring = uring_open();
	int port = port_open();
	struct ipcshim_query asked = { 0 };
	struct ipcshim_query expected = query(port);
	struct ipcshim_handle handle = handle_args();
	struct ipcshim_unhandle unhandle = unhandle_args();
	struct ipcshim_is_handled is = { .code = IPCSHIM_EVENT_RECV_PIPE };
	struct ipcshim_ready ready = { 0 };
	struct ipcshim_access access = { .access = IPCSHIM_ACCESS_ANYBODY };
	int bytes = -1;

	ASSERT_EQ(0, uring_call(&uring, port, IPCSHIM_QUERY, &asked));
	ASSERT_EQ(0, memcmp(&asked, &expected, sizeof(asked)));
	ASSERT_EQ(0, uring_call(&uring, port, IPCSHIM_HANDLE_SIGNAL, &handle));
	ASSERT_EQ(0, uring_call(&uring, port, IPCSHIM_IS_HANDLED, &is));
	ASSERT_EQ(1, is.handled);
	ASSERT_EQ(0, uring_call(&uring, port, IPCSHIM_UNHANDLE_SIGNAL, &unhandle));
	ASSERT_EQ(-ENOENT, uring_call(&uring, port, IPCSHIM_UNHANDLE_SIGNAL, &unhandle));
	ASSERT_EQ(0, uring_call(&uring, port, IPCSHIM_IS_HANDLED, &is));
	ASSERT_EQ(0, is.handled);
	ASSERT_EQ(0, uring_call(&uring, port, IPCSHIM_READY, &ready));
	ASSERT_EQ(-EALREADY, uring_call(&uring, port, IPCSHIM_READY, &ready));
	ASSERT_EQ(0, uring_call(&uring, port, IPCSHIM_SET_ACCESS, &access));
	ASSERT_OK(ioctl(port, FIONREAD, &bytes));
	ASSERT_EQ(0, bytes);
}

TEST(uring_command_opens_and_claims_pipes)
{
	struct uring uring = uring_open();
	int port = port_handling();
	struct ipcshim_open_pipe open_pipe = open_args();
	struct ipcshim_claim got = { 0 };
	struct ipcshim_claim again = { 0 };
	struct ipcshim_send_pipe send = send_args(getpid());
	struct stat state;

	open_pipe.pid = (uint32_t)getpid();
	ASSERT_EQ(0, uring_call(&uring, port, IPCSHIM_OPEN_PIPE, &open_pipe));
	ASSERT_OK(fstat(open_pipe.fd, &state));
	ASSERT_EQ(open_pipe.inode, state.st_ino);
	got.token = event_read(port).token;
	ASSERT_EQ(open_pipe.token, got.token);
	ASSERT_EQ(0, uring_call(&uring, port, IPCSHIM_CLAIM, &got));
	ASSERT_EQ(3, write(open_pipe.fd, "abc", 3));
	ASSERT_EQ(3, info_of(got.fd).bytes_waiting);
	again.token = got.token;
	ASSERT_EQ(-ENOENT, uring_call(&uring, port, IPCSHIM_CLAIM, &again));
	ASSERT_EQ(0, uring_call(&uring, got.fd, IPCSHIM_SEND_PIPE, &send));
	ASSERT_EQ(send.token, event_read(port).token);
}

TEST(uring_command_makes_memory_and_ptys)
{
	struct uring uring = uring_open();
	int port = port_open();
	char *memory = mmap(NULL, page_size(), PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct ipcshim_create_mem create = { .length = page_size() };
	struct ipcshim_adopt_mem adopt = {
		.address = (uintptr_t)memory,
		.length = page_size(),
	};
	struct ipcshim_open_pty open_pty = { 0 };

	ASSERT_EQ(0, uring_call(&uring, port, IPCSHIM_CREATE_MEM, &create));
	ASSERT_EQ(page_size(), segment_info(create.fd).length);
	fill_pattern(memory, page_size(), 1);
	ASSERT_EQ(0, uring_call(&uring, port, IPCSHIM_ADOPT_MEM, &adopt));
	check_pattern(segment_map(adopt.fd, page_size(), PROT_READ), page_size(), 1);
	ASSERT_EQ(0, uring_call(&uring, port, IPCSHIM_OPEN_PTY, &open_pty));
	ASSERT_OK(close(open_pty.fd));
}

TEST(uring_command_publishes_connects_and_accepts)
{
	struct uring uring = uring_open();
	int port = socket_port();
	struct ipcshim_publish publish = publish_args(NAME);
	struct ipcshim_has_service has = has_args(NAME);
	struct ipcshim_withdraw withdraw = { 0 };
	struct ipcshim_connect_service connect = connect_args(NAME);
	struct ipcshim_accept accept = { 0 };
	struct ipcshim_reject reject = { .reason = 5 };
	struct ipcshim_open_serv_sock open_socket = open_socket_args();
	struct pair pair;
	int connected = 1;
	int rejected = 1;

	ASSERT_EQ(0, uring_call(&uring, port, IPCSHIM_PUBLISH, &publish));
	ASSERT_EQ(0, uring_call(&uring, port, IPCSHIM_HAS_SERVICE, &has));
	ASSERT_EQ(1, has.exists);
	/* A client that waits does not hold up the service in the same loop. */
	uring_command(&uring, port, IPCSHIM_CONNECT_SERVICE, &connect, 1);
	accept.request = event_of(port, IPCSHIM_EVENT_SERVICE_CONN_REQUEST).token;
	ASSERT_TRUE(!uring_completed(&uring));
	ASSERT_OK(ioctl(port, IPCSHIM_ACCEPT, &accept));
	ASSERT_EQ(0, uring_result(&uring, 1));
	pair = (struct pair){ connect.fd, accept.fd, connect.connection };
	expect_works(pair);
	connect = connect_args(NAME);
	uring_command(&uring, port, IPCSHIM_CONNECT_SERVICE, &connect, 2);
	reject.request = event_of(port, IPCSHIM_EVENT_SERVICE_CONN_REQUEST).token;
	uring_command(&uring, port, IPCSHIM_REJECT, &reject, 3);
	uring_results(&uring, 2, &connected, 3, &rejected);
	ASSERT_EQ(-ECONNREFUSED, connected);
	ASSERT_EQ(0, rejected);
	ASSERT_EQ(5, connect.reason);
	accept.request = 12345678;
	ASSERT_EQ(-ENOENT, uring_call(&uring, port, IPCSHIM_ACCEPT, &accept));
	withdraw.service = publish.service;
	ASSERT_EQ(0, uring_call(&uring, port, IPCSHIM_WITHDRAW, &withdraw));
	ASSERT_EQ(-ENOENT, uring_call(&uring, port, IPCSHIM_CONNECT_SERVICE, &connect));
	ASSERT_EQ(0, uring_call(&uring, port, IPCSHIM_OPEN_SERV_SOCK, &open_socket));
	expect_works((struct pair){ open_socket.fd, open_socket.peer_fd, 0 });
}

/* Calls of an end. */

TEST(uring_command_writes_and_reads_and_tells)
{
	struct uring uring = uring_open();
	struct ends ends = ends_open(port_open(), MESSAGE, 1);
	char got[10] = { 0 };
	struct ipcshim_pipe_io out = io_args((char[]){ "hello" }, 5, IPCSHIM_IO_ALL);
	struct ipcshim_pipe_io in = io_args(got, 3, IPCSHIM_IO_FAIL);
	struct ipcshim_pipe_info info = { 0 };
	struct ipcshim_close_pipe close_args = { 0 };

	ASSERT_EQ(0, uring_call(&uring, ends.sender, IPCSHIM_PIPE_WRITE, &out));
	ASSERT_EQ(5, out.moved);
	ASSERT_EQ(UNIT - 5, out.remains);
	ASSERT_EQ(0, uring_call(&uring, ends.receiver, IPCSHIM_PIPE_INFO, &info));
	ASSERT_EQ(1, info.messages_waiting);
	ASSERT_EQ(-EMSGSIZE, uring_call(&uring, ends.receiver, IPCSHIM_PIPE_READ, &in));
	ASSERT_EQ(5, in.remains);
	ASSERT_EQ(IPCSHIM_CAUSE_TOO_LONG, in.cause);
	in = io_args(got, sizeof(got), IPCSHIM_IO_ALL);
	ASSERT_EQ(0, uring_call(&uring, ends.receiver, IPCSHIM_PIPE_READ, &in));
	ASSERT_EQ(5, in.moved);
	ASSERT_EQ(0, memcmp(got, "hello", 5));
	/* EAGAIN is an answer, not a reason to wait. */
	in = io_args(got, sizeof(got), IPCSHIM_IO_FAIL);
	ASSERT_EQ(-EAGAIN, uring_call(&uring, ends.receiver, IPCSHIM_PIPE_READ, &in));
	ASSERT_EQ(IPCSHIM_CAUSE_EMPTY, in.cause);
	ASSERT_EQ(0, uring_call(&uring, ends.receiver, IPCSHIM_CLOSE_PIPE, &close_args));
	ASSERT_EQ(-EPIPE, uring_call(&uring, ends.sender, IPCSHIM_CLOSE_PIPE, &close_args));
	/* No SIGPIPE. */
	ASSERT_EQ(-EPIPE, uring_call(&uring, ends.sender, IPCSHIM_PIPE_WRITE, &out));
	ASSERT_EQ(IPCSHIM_CAUSE_CLOSED, out.cause);
}

TEST(uring_command_moves_batches)
{
	struct uring uring = uring_open();

	for (int mapped = 0; mapped < 2; mapped++) {
		struct ends ends = mapped ? mapped_open(port_open(), MESSAGE, 1) :
					    ends_open(port_open(), MESSAGE, 1);
		struct ipcshim_batch_entry entries[4];
		char buffer[40];
		struct ipcshim_pipe_batch args = batch_args(entries, 4, IPCSHIM_IO_SOME);

		fill_pattern(buffer, sizeof(buffer), 1);
		batch_fill(entries, 4, buffer, 10);
		ASSERT_EQ(-EAGAIN, uring_call(&uring, ends.receiver, IPCSHIM_READ_BATCH, &args));
		ASSERT_EQ(0, uring_call(&uring, ends.sender, IPCSHIM_WRITE_BATCH, &args));
		ASSERT_EQ(4, args.moved);
		memset(buffer, 0, sizeof(buffer));
		ASSERT_EQ(0, uring_call(&uring, ends.receiver, IPCSHIM_READ_BATCH, &args));
		ASSERT_EQ(4, args.moved);
		check_pattern(buffer, sizeof(buffer), 1);
	}
}

TEST(uring_command_waits_for_and_wakes_a_mapped_pipe)
{
	struct uring uring = uring_open();
	struct rings rings = rings_open(RAW, 1);
	struct ipcshim_pipe_wait wait = wait_args(5);
	struct ipcshim_pipe_wait nowait = nowait_args(5);
	struct ipcshim_pipe_wake wake = { 0 };
	int waited = 1;
	int woke = 1;

	ASSERT_EQ(-EAGAIN, uring_call(&uring, rings.ends.receiver, IPCSHIM_PIPE_WAIT, &nowait));
	uring_command(&uring, rings.ends.receiver, IPCSHIM_PIPE_WAIT, &wait, 1);
	wait_for_wake(rings.in.consumer, 5);
	ASSERT_TRUE(!uring_completed(&uring));
	set_position(rings.in.producer, 5);
	uring_command(&uring, rings.ends.sender, IPCSHIM_PIPE_WAKE, &wake, 2);
	uring_results(&uring, 1, &waited, 2, &woke);
	ASSERT_EQ(0, waited);
	ASSERT_EQ(0, woke);
	ASSERT_EQ(0, uring_call(&uring, rings.ends.receiver, IPCSHIM_PIPE_WAIT, &wait));
	ASSERT_EQ(0, wake_of(rings.in.consumer));
}

/* What is wrong. */

TEST(uring_command_of_an_unknown_number_is_ENOTTY)
{
	struct uring uring = uring_open();
	int port = port_open();
	struct ends ends = ends_open(port, RAW, 1);
	struct ipcshim_pipe_io io = { 0 };
	struct ipcshim_query asked = { 0 };
	int fds[3] = { port, ends.sender, ends.receiver };

	for (int i = 0; i < 3; i++) {
		char args[256] = { 0 };

		for (unsigned int number = 0; number < 256; number += 5)
			ASSERT_EQ(-ENOTTY,
				  uring_call(&uring, fds[i],
					     _IOC(_IOC_READ | _IOC_WRITE, IPCSHIM_IOC_MAGIC,
						  number, 128),
					     args));
		ASSERT_EQ(-ENOTTY, uring_call(&uring, fds[i], 0, args));
		ASSERT_EQ(-ENOTTY, uring_call(&uring, fds[i], ~0U, args));
	}
	ASSERT_EQ(-ENOTTY, uring_call(&uring, port, IPCSHIM_PIPE_WRITE, &io));
	ASSERT_EQ(-ENOTTY, uring_call(&uring, ends.receiver, IPCSHIM_PIPE_WRITE, &io));
	ASSERT_EQ(-ENOTTY, uring_call(&uring, ends.sender, IPCSHIM_PIPE_READ, &io));
	ASSERT_EQ(-ENOTTY, uring_call(&uring, ends.sender, IPCSHIM_QUERY, &asked));
}

TEST(uring_command_at_a_bad_address_is_EFAULT)
{
	static const unsigned long of_port[] = {
		IPCSHIM_QUERY,	    IPCSHIM_HANDLE_SIGNAL,   IPCSHIM_UNHANDLE_SIGNAL,
		IPCSHIM_IS_HANDLED, IPCSHIM_READY,	     IPCSHIM_CLAIM,
		IPCSHIM_SET_ACCESS, IPCSHIM_OPEN_PIPE,	     IPCSHIM_CREATE_MEM,
		IPCSHIM_ADOPT_MEM,  IPCSHIM_OPEN_PTY,	     IPCSHIM_PUBLISH,
		IPCSHIM_WITHDRAW,   IPCSHIM_CONNECT_SERVICE, IPCSHIM_ACCEPT,
		IPCSHIM_REJECT,	    IPCSHIM_HAS_SERVICE,     IPCSHIM_OPEN_SERV_SOCK,
	};
	static const unsigned long of_end[] = {
		IPCSHIM_SEND_PIPE,  IPCSHIM_PIPE_INFO, IPCSHIM_CLOSE_PIPE,
		IPCSHIM_PIPE_WRITE, IPCSHIM_WRITE_BATCH, IPCSHIM_PIPE_WAIT, IPCSHIM_PIPE_WAKE,
	};
	struct uring uring = uring_open();
	void *bad = bad_address();
	int port = port_open();
	struct ends ends = mapped_open(port, MESSAGE, 1);
	struct state before = state_now(port);

	for (unsigned int i = 0; i < sizeof(of_port) / sizeof(of_port[0]); i++)
		ASSERT_EQ(-EFAULT, uring_call(&uring, port, of_port[i], bad));
	for (unsigned int i = 0; i < sizeof(of_end) / sizeof(of_end[0]); i++)
		ASSERT_EQ(-EFAULT, uring_call(&uring, ends.sender, of_end[i], bad));
	uring_command_at(&uring, ends.receiver, IPCSHIM_PIPE_READ, ~0ULL - 4095, 1);
	ASSERT_EQ(-EFAULT, uring_result(&uring, 1));
	uring_command_at(&uring, port, IPCSHIM_QUERY, 1ULL << 63, 2);
	ASSERT_EQ(-EFAULT, uring_result(&uring, 2));
	uring_command_at(&uring, port, IPCSHIM_QUERY, 0, 3);
	ASSERT_EQ(-EFAULT, uring_result(&uring, 3));
	state_same(port, &before);
}

static void is_no_owner(int fd, void *argument)
{
	struct uring uring = uring_open();
	struct ipcshim_handle handle = handle_args();

	(void)fd;
	ASSERT_EQ(-EPERM, uring_call(&uring, *(int *)argument, IPCSHIM_HANDLE_SIGNAL, &handle));
}

TEST(uring_command_of_who_is_not_the_owner_is_EPERM)
{
	int port = port_open();
	struct child child;

	close(uring_open().fd); /* skips */
	child = child_start(is_no_owner, &port);
	child_join(&child);
}

/* What has to wait. */

static void wait_until(int end, uint32_t flag)
{
	while (!(info_of(end).flags & flag))
		sched_yield();
}

TEST(uring_command_that_has_to_wait_completes_later)
{
	for (int mapped = 0; mapped < 2; mapped++) {
		struct uring uring = uring_open();
		struct ends ends = mapped ? mapped_open(port_open(), RAW, 1) :
					    ends_open(port_open(), RAW, 1);
		static char content[UNIT];
		char got[5] = { 0 };
		struct ipcshim_pipe_io in = io_args(got, 5, IPCSHIM_IO_ALL);
		struct ipcshim_pipe_io out = io_args(content, 10, IPCSHIM_IO_ALL);

		uring_command(&uring, ends.receiver, IPCSHIM_PIPE_READ, &in, 1);
		wait_until(ends.receiver, IPCSHIM_INFO_READ_WAITS);
		ASSERT_TRUE(!uring_completed(&uring));
		ASSERT_EQ(5, write(ends.sender, "hello", 5));
		ASSERT_EQ(0, uring_result(&uring, 1));
		ASSERT_EQ(5, in.moved);
		ASSERT_EQ(0, memcmp(got, "hello", 5));
		ASSERT_EQ(UNIT, write(ends.sender, content, UNIT));
		uring_command(&uring, ends.sender, IPCSHIM_PIPE_WRITE, &out, 2);
		wait_until(ends.sender, IPCSHIM_INFO_WRITE_WAITS);
		ASSERT_TRUE(!uring_completed(&uring));
		ASSERT_EQ(UNIT, read(ends.receiver, content, UNIT));
		ASSERT_EQ(0, uring_result(&uring, 2));
		ASSERT_EQ(10, out.moved);
		close(uring.fd);
	}
}

TEST(uring_command_that_waits_keeps_its_deadline)
{
	struct uring uring = uring_open();
	struct ends ends = ends_open(port_open(), RAW, 1);
	char byte;
	struct ipcshim_pipe_io in = io_args(&byte, 1, IPCSHIM_IO_ALL);

	in.deadline = in_nanoseconds(A_MOMENT);
	ASSERT_EQ(-ETIMEDOUT, uring_call(&uring, ends.receiver, IPCSHIM_PIPE_READ, &in));
	ASSERT_EQ(IPCSHIM_CAUSE_DEADLINE, in.cause);
	ASSERT_TRUE(in_nanoseconds(0) >= in.deadline);
}

/* The end of the pipe ends what waits for it. */
TEST(uring_command_that_waits_ends_with_the_pipe)
{
	struct uring uring = uring_open();
	struct ends ends = ends_open(port_open(), RAW, 1);
	char byte;
	struct ipcshim_pipe_io in = io_args(&byte, 1, IPCSHIM_IO_ALL);

	uring_command(&uring, ends.receiver, IPCSHIM_PIPE_READ, &in, 1);
	wait_until(ends.receiver, IPCSHIM_INFO_READ_WAITS);
	close(ends.sender);
	ASSERT_EQ(0, uring_result(&uring, 1));
	ASSERT_EQ(IPCSHIM_CAUSE_CLOSED, in.cause);
	ASSERT_EQ(0, in.moved);
}

static void is_cancelled(struct uring *uring, int fd, unsigned long command, void *args,
			 int info_end)
{
	int result = 1;
	int cancelled = 1;

	uring_command(uring, fd, command, args, 1);
	if (info_end >= 0)
		wait_until(info_end, info_of(info_end).flags & IPCSHIM_INFO_SENDER ?
					     IPCSHIM_INFO_WRITE_WAITS :
					     IPCSHIM_INFO_READ_WAITS);
	uring_cancel(uring, 1, 2);
	uring_results(uring, 1, &result, 2, &cancelled);
	if (result != -ECANCELED && result != -EINTR)
		test_failed(__FILE__, __LINE__, "command %#lx gave %d", command, result);
	/*
	 * Found, or found at work (EALREADY).  Kernels up to 6.1.176 look a second time, and say
	 * ENOENT if it has ended by then; that it did is in its own result.
	 */
	if (cancelled != 0 && cancelled != -EALREADY && cancelled != -ENOENT)
		test_failed(__FILE__, __LINE__, "cancelling %#lx gave %d", command, cancelled);
}

TEST(uring_command_that_waits_can_be_cancelled_and_the_end_goes_on)
{
	for (int mapped = 0; mapped < 2; mapped++) {
		struct uring uring = uring_open();
		struct ends ends = mapped ? mapped_open(port_open(), MESSAGE, 1) :
					    ends_open(port_open(), MESSAGE, 1);
		static char content[UNIT];
		struct ipcshim_batch_entry entries[2];
		struct ipcshim_pipe_batch batch = batch_args(entries, 2, IPCSHIM_IO_ALL);
		struct ipcshim_pipe_io io = io_args(content, UNIT, IPCSHIM_IO_ALL);
		struct ipcshim_pipe_wait wait = wait_args(1);

		batch_fill(entries, 2, content, UNIT / 2);
		is_cancelled(&uring, ends.receiver, IPCSHIM_PIPE_READ, &io, ends.receiver);
		is_cancelled(&uring, ends.receiver, IPCSHIM_READ_BATCH, &batch, ends.receiver);
		if (mapped)
			is_cancelled(&uring, ends.receiver, IPCSHIM_PIPE_WAIT, &wait,
				     ends.receiver);
		ASSERT_EQ(UNIT, write(ends.sender, content, UNIT));
		is_cancelled(&uring, ends.sender, IPCSHIM_PIPE_WRITE, &io, ends.sender);
		wait = wait_args((uint32_t)info_of(ends.sender).area);
		if (mapped)
			is_cancelled(&uring, ends.sender, IPCSHIM_PIPE_WAIT, &wait, ends.sender);
		ASSERT_EQ(1, info_of(ends.sender).messages_waiting);
		ASSERT_EQ(UNIT, read(ends.receiver, content, UNIT));
		ASSERT_EQ(5, write(ends.sender, "hello", 5));
		ASSERT_EQ(5, read(ends.receiver, content, UNIT));
		ASSERT_EQ(0, info_of(ends.sender).flags &
				     (IPCSHIM_INFO_READ_LOCKED | IPCSHIM_INFO_WRITE_LOCKED));
		close(uring.fd);
	}
}

TEST(uring_command_CONNECT_SERVICE_can_be_cancelled_and_takes_its_request_back)
{
	struct uring uring = uring_open();
	int port = socket_port();
	struct ipcshim_connect_service connect = connect_args(NAME);
	struct ipcshim_accept accept = { 0 };
	struct ipcshim_query before;
	int result = 1;
	int cancelled = 1;

	publish(port, NAME, 0);
	before = query(port);
	uring_command(&uring, port, IPCSHIM_CONNECT_SERVICE, &connect, 1);
	accept.request = event_of(port, IPCSHIM_EVENT_SERVICE_CONN_REQUEST).token;
	uring_cancel(&uring, 1, 2);
	uring_results(&uring, 1, &result, 2, &cancelled);
	ASSERT_TRUE(result == -ECANCELED || result == -EINTR);
	ASSERT_ERRNO(ENOENT, ioctl(port, IPCSHIM_ACCEPT, &accept));
	/* The worker lets go of the client's side a moment after it has answered. */
	query_settles(port, &before);
	ASSERT_EQ(before.connections, query(port).connections);
	ASSERT_EQ(before.used_objects, query(port).used_objects);
}

/* Who is gone while a command of it waits. */

static void waits_and_says_so(int fd, void *argument)
{
	const struct ends *ends = argument;
	struct uring uring = uring_open();
	char byte;
	struct ipcshim_pipe_io in = io_args(&byte, 1, IPCSHIM_IO_ALL);

	uring_command(&uring, ends->receiver, IPCSHIM_PIPE_READ, &in, 1);
	wait_until(ends->receiver, IPCSHIM_INFO_READ_WAITS);
	put(fd, 0);
	if (get(fd)) /* never, in one that is killed */
		_exit(0);
}

TEST(a_process_that_ends_while_its_uring_command_waits_leaves_nothing)
{
	for (int killed = 0; killed < 2; killed++) {
		int port;
		struct state before;
		struct ends ends;
		struct child child;
		char byte;

		close(uring_open().fd); /* skips */
		port = port_open();
		before = state_now(port);
		ends = ends_open(port, RAW, 1);
		child = child_start(waits_and_says_so, &ends);
		get(child.fd);
		if (killed)
			ASSERT_OK(kill(child.pid, SIGKILL));
		else
			put(child.fd, 1);
		ASSERT_EQ(child.pid, waitpid(child.pid, NULL, 0));
		close(child.fd);
		while (info_of(ends.receiver).flags & IPCSHIM_INFO_READ_WAITS)
			sched_yield();
		ASSERT_EQ(1, write(ends.sender, "x", 1));
		ASSERT_EQ(1, read(ends.receiver, &byte, 1));
		close(ends.sender);
		close(ends.receiver);
		query_settles(port, &before.query);
		state_same(port, &before);
	}
}
