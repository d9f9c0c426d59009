// SPDX-License-Identifier: MIT
/* Ptys out of memory, at every allocation of a call in turn: see nomem.c. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include "harness.h"
#include "injection.h"
#include "pty.h"

enum { STRIDE = 3 };

struct subject {
	int port;
	struct peer peer;
	struct ipcshim_open_pty pty;
	struct ipcshim_send_pty send;
	struct ipcshim_claim claim;
	int slave;
};

static int errno_of(long result)
{
	return result < 0 ? errno : 0;
}

static int opens_pty(void *argument)
{
	struct subject *subject = argument;

	subject->pty = (struct ipcshim_open_pty){ .flags = IPCSHIM_OPEN_NONBLOCK };
	return errno_of(ioctl(subject->port, IPCSHIM_OPEN_PTY, &subject->pty));
}

/* What was opened is whole. */
static void closes_pty(void *argument)
{
	struct subject *subject = argument;

	expect_waiting(subject->pty.fd);
	close(slave_open(subject->pty.fd, 0));
	expect_hung_up(subject->pty.fd);
	close(subject->pty.fd);
}

/* And what was not has left no node of the next index. */
static void expects_no_node(void *argument)
{
	struct stat state;

	(void)argument;
	ASSERT_ERRNO(ENOENT, stat(node_of(0), &state));
}

TEST(open_pty_without_memory_is_ENOMEM_and_leaves_nothing)
{
	struct subject subject = { .port = port_open() };

	fail_each(&(struct attempt){ opens_pty, closes_pty, expects_no_node, STRIDE }, &subject,
		  subject.port);
	ASSERT_EQ(0, opens_pty(&subject));
	ASSERT_EQ(0, subject.pty.index);
}

static int opens_peer(void *argument)
{
	struct subject *subject = argument;

	subject->slave = ioctl(subject->pty.fd, TIOCGPTPEER, O_RDWR | O_NOCTTY);
	return errno_of(subject->slave);
}

static void closes_peer(void *argument)
{
	close(((struct subject *)argument)->slave);
}

/* A refusal is no open, nor is it a close. */
static void expects_the_master_to_wait(void *argument)
{
	expect_waiting(((struct subject *)argument)->pty.fd);
}

TEST(pty_peer_without_memory_is_ENOMEM_and_was_no_open)
{
	struct subject subject = { .port = port_open() };

	ASSERT_EQ(0, opens_pty(&subject));
	/* Each time as if the slave had never been open, so it stays open after a success. */
	fail_each(&(struct attempt){ opens_peer, closes_peer, NULL, 0 }, &subject, subject.port);
	ASSERT_EQ(0, opens_peer(&subject));
	expect_waiting(subject.pty.fd);
	fail_each(&(struct attempt){ opens_peer, closes_peer, expects_the_master_to_wait, 0 },
		  &subject, subject.port);
}

TEST(pty_first_peer_without_memory_leaves_the_slave_never_opened)
{
	struct subject subject = { .port = port_open() };
	int injector = injector_open();
	unsigned int refusals = 0;
	unsigned int n = 1;
	bool taken;

	do {
		int result;

		ASSERT_EQ(0, opens_pty(&subject));
		taken = with_fault(injector, n++, opens_peer, &subject, &result);
		ASSERT_TRUE(result == 0 || result == ENOMEM || result == EFAULT);
		expect_waiting(subject.pty.fd);
		if (result == 0)
			closes_peer(&subject);
		refusals += result == ENOMEM;
		close(subject.pty.fd);
	} while (taken);
	ASSERT_TRUE(refusals > 0);
	ASSERT_EQ(0, query(subject.port).ptys);
}

static int sends_pty(void *argument)
{
	struct subject *subject = argument;

	subject->send = send_pty_args(subject->peer.pid);
	return errno_of(ioctl(subject->pty.fd, IPCSHIM_SEND_PTY, &subject->send));
}

static void unsends_pty(void *argument)
{
	/* The token goes with the port that it waits at. */
	peer_reopen_port(&((struct subject *)argument)->peer);
}

TEST(send_pty_without_memory_is_ENOMEM_and_leaves_nothing)
{
	struct subject subject = { .peer = peer_for_ptys(), .port = port_open() };

	ASSERT_EQ(0, opens_pty(&subject));
	fail_each(&(struct attempt){ sends_pty, unsends_pty, expects_the_master_to_wait, 0 },
		  &subject, subject.port);
}

static int claims_pty(void *argument)
{
	struct subject *subject = argument;

	return errno_of(ioctl(subject->port, IPCSHIM_CLAIM, &subject->claim));
}

TEST(claim_pty_without_memory_is_ENOMEM_and_keeps_the_token)
{
	struct subject subject = { .port = port_open() };
	int injector = injector_open();
	struct ipcshim_query before = query(subject.port);
	unsigned int refusals = 0;
	unsigned int n = 1;
	bool taken;

	do {
		int result;

		ASSERT_EQ(0, opens_pty(&subject));
		subject.claim = (struct ipcshim_claim){ .token = pty_token_for_me(subject.pty.fd) };
		taken = with_fault(injector, n++, claims_pty, &subject, &result);
		ASSERT_TRUE(result == 0 || result == ENOMEM || result == EFAULT);
		/* The last copy to an address that was good before comes after the open. */
		if (result != EFAULT)
			expect_waiting(subject.pty.fd);
		if (result) {
			refusals += result == ENOMEM;
			ASSERT_EQ(before.tokens + 1, query(subject.port).tokens);
			ASSERT_EQ(0, claims_pty(&subject));
		}
		close(subject.claim.fd);
		expect_hung_up(subject.pty.fd);
		close(subject.pty.fd);
		ASSERT_EQ(before.tokens, query(subject.port).tokens);
		ASSERT_EQ(before.ptys, query(subject.port).ptys);
		ASSERT_EQ(before.used_objects, query(subject.port).used_objects);
		ASSERT_EQ(before.used_bytes, query(subject.port).used_bytes);
	} while (taken);
	ASSERT_TRUE(refusals > 0);
}

static int writes_slave(void *argument)
{
	return errno_of(write(((struct subject *)argument)->slave, "x", 1));
}

/* The buffer for it was made with the pty. */
TEST(pty_write_of_the_slave_without_any_memory_succeeds)
{
	struct subject subject = { .port = port_open() };
	int fail = no_memory_switch();

	ASSERT_EQ(0, opens_pty(&subject));
	ASSERT_EQ(0, opens_peer(&subject));
	ASSERT_EQ(0, writes_slave(&subject));
	ASSERT_EQ(0, without_memory(fail, writes_slave, &subject));
	expect_text(subject.pty.fd, "xx");
}

static int writes_master(void *argument)
{
	struct subject *subject = argument;

	return errno_of(write(subject->pty.fd, "x", 1));
}

/* A byte goes in or it does not; it neither waits for memory nor loses one. */
static void writes_master_without_memory(bool blocks)
{
	struct subject subject = { .port = port_open() };
	int fail = no_memory_switch();
	unsigned int taken = 0;
	unsigned int refused = 0;
	char byte;

	ASSERT_EQ(0, opens_pty(&subject));
	ASSERT_EQ(0, opens_peer(&subject));
	make_raw(subject.slave);
	set_nonblocking(subject.slave);
	if (blocks)
		ASSERT_OK(fcntl(subject.pty.fd, F_SETFL, O_RDWR));
	for (int i = 0; i < 1000; i++) {
		int result = without_memory(fail, writes_master, &subject);

		ASSERT_TRUE(result == 0 || result == ENOMEM);
		taken += result == 0;
		refused += result == ENOMEM;
	}
	ASSERT_TRUE(refused > 0);
	ASSERT_EQ(1, write(subject.pty.fd, "|", 1));
	for (unsigned int i = 0; i <= taken; i++) {
		wait_ready(subject.slave, POLLIN);
		ASSERT_EQ(1, read(subject.slave, &byte, 1));
		ASSERT_EQ(i < taken ? 'x' : '|', byte);
	}
	ASSERT_ERRNO(EAGAIN, read(subject.slave, &byte, 1));
}

TEST(pty_write_of_the_master_without_any_memory_is_ENOMEM_and_loses_nothing)
{
	writes_master_without_memory(false);
}

TEST(pty_write_of_the_master_that_may_block_without_any_memory_is_ENOMEM_and_loses_nothing)
{
	writes_master_without_memory(true);
}
