// SPDX-License-Identifier: MIT
/* Limits for each uid: over one is EDQUOT, and nothing changed. */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "harness.h"
#include "support.h"

static void opens_ports(int fd, void *argument)
{
	int port;

	(void)fd;
	(void)argument;
	become(OTHER_UID);
	port = port_open();
	ASSERT_EQ(2, query(port).limit_ports);
	ASSERT_EQ(1, query(port).used_ports);
	port_open();
	ASSERT_ERRNO(EDQUOT, open(IPCSHIM_DEVICE, O_RDWR | O_CLOEXEC));
	ASSERT_EQ(2, query(port).used_ports);
	close(port);
	port_open();
}

TEST(ports_above_the_limit_are_EDQUOT)
{
	parameter_set("max_ports", 2);
	run_as_other(opens_ports, NULL);
	/* A child that ended gave them back. */
	run_as_other(opens_ports, NULL);
}

TEST(ports_above_the_limit_open_with_CAP_SYS_RESOURCE)
{
	parameter_set("max_ports", 1);
	port_open();
	port_open();
}

static void opens_pipes(int fd, void *argument)
{
	struct ipcshim_open_pipe args = open_args();
	struct ends first;
	struct state before;
	int port;

	(void)fd;
	(void)argument;
	become(OTHER_UID);
	port = port_open();
	ASSERT_EQ(2, query(port).limit_objects);
	first = ends_open(port, IPCSHIM_PIPE_RAW, 0);
	ends_open(port, IPCSHIM_PIPE_RAW, 0);
	before = state_now(port);
	ASSERT_EQ(2, before.query.used_objects);
	ASSERT_ERRNO(EDQUOT, ioctl(port, IPCSHIM_OPEN_PIPE, &args));
	state_same(port, &before);
	close(first.sender);
	ASSERT_ERRNO(EDQUOT, ioctl(port, IPCSHIM_OPEN_PIPE, &args));
	close(first.receiver);
	ASSERT_OK(ioctl(port, IPCSHIM_OPEN_PIPE, &args));
}

TEST(pipes_above_the_limit_of_objects_are_EDQUOT)
{
	parameter_set("max_objects", 2);
	run_as_other(opens_pipes, NULL);
	run_as_other(opens_pipes, NULL);
}

static void hands_over(int fd, void *argument)
{
	struct ipcshim_open_pipe args = open_args();
	struct ipcshim_send_pipe send = send_args(getpid());
	struct ipcshim_claim claim = { 0 };
	struct state before;
	int port;

	(void)fd;
	(void)argument;
	become(OTHER_UID);
	port = port_handling();
	/* A pipe and its token are two objects. */
	args.pid = (uint32_t)getpid();
	ASSERT_OK(ioctl(port, IPCSHIM_OPEN_PIPE, &args));
	ASSERT_EQ(2, query(port).used_objects);
	before = state_now(port);
	ASSERT_ERRNO(EDQUOT, ioctl(args.fd, IPCSHIM_SEND_PIPE, &send));
	state_same(port, &before);
	claim.token = args.token;
	ASSERT_OK(ioctl(port, IPCSHIM_CLAIM, &claim));
	ASSERT_EQ(1, query(port).used_objects);
	ASSERT_OK(ioctl(args.fd, IPCSHIM_SEND_PIPE, &send));
	ASSERT_EQ(2, query(port).used_objects);
}

TEST(send_pipe_above_the_limit_of_objects_is_EDQUOT)
{
	parameter_set("max_objects", 2);
	run_as_other(hands_over, NULL);
	run_as_other(hands_over, NULL);
}

TEST(pipes_above_the_limit_of_objects_open_with_CAP_SYS_RESOURCE)
{
	int port = port_open();

	parameter_set("max_objects", 1);
	ends_open(port, IPCSHIM_PIPE_RAW, 0);
	ends_open(port, IPCSHIM_PIPE_RAW, 0);
}

static void opens_capacity(int fd, void *argument)
{
	struct ipcshim_open_pipe args = open_args();
	struct ends first;
	struct state before;
	int port;

	(void)fd;
	(void)argument;
	become(OTHER_UID);
	port = port_open();
	ASSERT_EQ(3 * UNIT, query(port).limit_bytes);
	before = state_now(port);
	args.capacity = 4;
	ASSERT_ERRNO(EDQUOT, ioctl(port, IPCSHIM_OPEN_PIPE, &args));
	state_same(port, &before);
	first = ends_open(port, IPCSHIM_PIPE_RAW, 2);
	before = state_now(port);
	ASSERT_EQ(2 * UNIT, before.query.used_bytes);
	args.capacity = 2;
	ASSERT_ERRNO(EDQUOT, ioctl(port, IPCSHIM_OPEN_PIPE, &args));
	state_same(port, &before);
	args.capacity = 1;
	ASSERT_OK(ioctl(port, IPCSHIM_OPEN_PIPE, &args));
	close(first.sender);
	close(first.receiver);
	ASSERT_EQ(UNIT, query(port).used_bytes);
	args.capacity = 2;
	ASSERT_OK(ioctl(port, IPCSHIM_OPEN_PIPE, &args));
}

TEST(capacity_above_the_limit_of_bytes_is_EDQUOT)
{
	parameter_set("max_bytes", 3 * UNIT);
	run_as_other(opens_capacity, NULL);
	run_as_other(opens_capacity, NULL);
}

TEST(capacity_above_the_limit_of_bytes_opens_with_CAP_SYS_RESOURCE)
{
	int port = port_open();

	parameter_set("max_bytes", UNIT);
	ends_open(port, IPCSHIM_PIPE_RAW, 256);
}

TEST(limit_lowered_below_what_is_used_refuses_and_takes_nothing_away)
{
	int port = port_open();
	struct ends ends = ends_open(port, IPCSHIM_PIPE_RAW, 0);

	parameter_set("max_events", 7);
	ASSERT_EQ(7, query(port).limit_events);
	parameter_set("max_objects", 1);
	ASSERT_EQ(1, query(port).limit_objects);
	ASSERT_EQ(1, write(ends.sender, "x", 1));
}

TEST(close_events_come_beyond_the_limit_of_events)
{
	int port = port_handling();
	struct ends ends[4];

	for (int i = 0; i < 4; i++)
		ends[i] = ends_open(port, IPCSHIM_PIPE_RAW, 0);
	parameter_set("max_events", 1);
	for (int i = 0; i < 4; i++)
		close(ends[i].sender);
	ASSERT_EQ(4, events_waiting(port));
	for (int i = 0; i < 4; i++)
		ASSERT_EQ(i + 1, event_read(port).sequence);
}

static void opens_without_files(void *argument)
{
	struct ipcshim_open_pipe args = open_args();
	int port = *(int *)argument;
	struct ipcshim_query before = query(port);

	ASSERT_ERRNO(ENFILE, ioctl(port, IPCSHIM_OPEN_PIPE, &args));
	ASSERT_EQ(before.pipes, query(port).pipes);
	ASSERT_EQ(before.used_objects, query(port).used_objects);
}

TEST(open_pipe_without_files_in_the_system_is_ENFILE_and_opens_nothing)
{
	int port = port_open();

	run_without_files(NULL, opens_without_files, &port);
}
