// SPDX-License-Identifier: MIT
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <unistd.h>

#include "calls.h"
#include "harness.h"
#include "support.h"

/* An event for this process: the end it keeps is closed on the other side. */
static void cause_event(int port)
{
	struct ends ends = ends_open(port, IPCSHIM_PIPE_RAW, 0);

	ASSERT_OK(close(ends.sender));
}

TEST(port_read_below_64_bytes_is_EINVAL_and_keeps_the_event)
{
	int port = port_handling();
	char buffer[63];

	cause_event(port);
	ASSERT_ERRNO(EINVAL, read(port, buffer, sizeof(buffer)));
	ASSERT_EQ(1, events_waiting(port));
}

TEST(port_read_of_an_empty_O_NONBLOCK_port_is_EAGAIN)
{
	int port = open(IPCSHIM_DEVICE, O_RDWR | O_CLOEXEC | O_NONBLOCK);
	struct ipcshim_event event;

	ASSERT_OK(port);
	ASSERT_ERRNO(EAGAIN, read(port, &event, sizeof(event)));
}

TEST(port_read_at_a_bad_address_is_EFAULT_and_keeps_the_event)
{
	int port = port_handling();
	struct ipcshim_event event;

	cause_event(port);
	ASSERT_ERRNO(EFAULT, read(port, bad_address(), sizeof(event)));
	ASSERT_EQ(1, events_waiting(port));
	event = event_read(port);
	ASSERT_EQ(1, event.sequence);
	ASSERT_EQ(IPCSHIM_EVENT_PIPE_CLOSED, event.code);
}

TEST(port_read_with_the_second_half_at_a_bad_address_keeps_that_event)
{
	int port = port_handling();
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	char *memory = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			    -1, 0);

	ASSERT_TRUE(memory != MAP_FAILED);
	ASSERT_OK(munmap(memory + page, page));
	cause_event(port);
	cause_event(port);
	/* Room for one and a half: the first was given, the second not lost. */
	ASSERT_EQ(64, read(port, memory + page - 96, 128));
	ASSERT_EQ(1, events_waiting(port));
	ASSERT_EQ(2, event_read(port).sequence);
}

TEST(port_read_returns_whole_events_only)
{
	int port = port_handling();
	struct ipcshim_event events[3];

	for (int i = 0; i < 3; i++)
		cause_event(port);
	ASSERT_EQ(3, events_waiting(port));
	ASSERT_EQ(128, read(port, events, 64 + 64 + 63));
	ASSERT_EQ(1, events[0].sequence);
	ASSERT_EQ(2, events[1].sequence);
	ASSERT_EQ(64, read(port, events, sizeof(events)));
	ASSERT_EQ(3, events[0].sequence);
	ASSERT_EQ(0, events_waiting(port));
}

TEST(port_readv_fills_one_buffer_after_another)
{
	int port = port_handling();
	struct ipcshim_event events[2];
	struct iovec parts[] = { { &events[0], 64 }, { &events[1], 64 } };

	cause_event(port);
	cause_event(port);
	ASSERT_EQ(128, readv(port, parts, 2));
	ASSERT_EQ(1, events[0].sequence);
	ASSERT_EQ(2, events[1].sequence);
}

TEST(port_write_is_EINVAL)
{
	ASSERT_ERRNO(EINVAL, write(port_open(), "x", 1));
}

TEST(port_mmap_is_ENODEV)
{
	ASSERT_TRUE(mmap(NULL, 4096, PROT_READ, MAP_SHARED, port_open(), 0) == MAP_FAILED);
	ASSERT_EQ(ENODEV, errno);
}

TEST(port_lseek_is_ESPIPE)
{
	ASSERT_ERRNO(ESPIPE, lseek(port_open(), 0, SEEK_CUR));
}

TEST(port_fionread_at_a_bad_address_is_EFAULT)
{
	ASSERT_ERRNO(EFAULT, ioctl(port_open(), FIONREAD, bad_address()));
}

TEST(port_unknown_commands_are_ENOTTY)
{
	lacks_unknown_calls(port_open());
}

TEST(port_command_with_another_size_or_direction_is_ENOTTY)
{
	int port = port_open();
	struct ipcshim_open_pipe args = open_args();

	ASSERT_ERRNO(ENOTTY, ioctl(port, _IOC(_IOC_READ | _IOC_WRITE, IPCSHIM_IOC_MAGIC, 0x20, 56),
				   &args));
	ASSERT_ERRNO(ENOTTY, ioctl(port, _IOC(_IOC_READ | _IOC_WRITE, IPCSHIM_IOC_MAGIC, 0x20, 72),
				   &args));
	ASSERT_ERRNO(ENOTTY, ioctl(port, _IOC(_IOC_WRITE, IPCSHIM_IOC_MAGIC, 0x20, 64), &args));
	ASSERT_ERRNO(ENOTTY, ioctl(port, _IOC(_IOC_READ | _IOC_WRITE, 'x', 0x20, 64), &args));
	ASSERT_EQ(0, query(port).pipes);
}

TEST(port_answers_ENOTTY_to_what_only_a_pipe_end_has)
{
	lacks_calls_of_a_pipe(port_handling());
}

TEST(device_is_a_character_device_for_everybody)
{
	struct stat state;

	ASSERT_OK(stat(IPCSHIM_DEVICE, &state));
	ASSERT_TRUE(S_ISCHR(state.st_mode));
	ASSERT_EQ(0666, state.st_mode & 07777);
}

struct inherited {
	int port;
	uint64_t token;
};

/* "owner" calls in a child that inherited the port. */
static void calls_of_a_child(int fd, void *argument)
{
	const struct inherited *inherited = argument;
	struct ipcshim_handle handle = handle_args();
	struct ipcshim_unhandle unhandle = unhandle_args();
	struct ipcshim_ready ready = { 0 };
	struct ipcshim_claim claim = { .token = inherited->token };
	struct ipcshim_access access = { .access = IPCSHIM_ACCESS_ANYBODY };

	switch (get(fd)) {
	case 0:
		ASSERT_ERRNO(EPERM, ioctl(inherited->port, IPCSHIM_HANDLE_SIGNAL, &handle));
		break;
	case 1:
		ASSERT_ERRNO(EPERM, ioctl(inherited->port, IPCSHIM_UNHANDLE_SIGNAL, &unhandle));
		break;
	case 2:
		ASSERT_ERRNO(EPERM, ioctl(inherited->port, IPCSHIM_READY, &ready));
		break;
	case 3:
		ASSERT_ERRNO(EPERM, ioctl(inherited->port, IPCSHIM_CLAIM, &claim));
		break;
	case 4:
		ASSERT_ERRNO(EPERM, ioctl(inherited->port, IPCSHIM_SET_ACCESS, &access));
		break;
	case 5: /* not an owner's call */
		ASSERT_EQ(1, query(inherited->port).ports);
		ASSERT_TRUE(is_handled(inherited->port, getppid(), IPCSHIM_EVENT_RECV_PIPE));
		ASSERT_TRUE(!is_handled(inherited->port, 0, IPCSHIM_EVENT_RECV_PIPE));
		break;
	default:
		break;
	}
}

static void child_calls(unsigned int which)
{
	struct inherited inherited = { .port = port_handling() };
	struct ipcshim_open_pipe args = open_args();
	struct ipcshim_claim claim = { 0 };
	struct child child;

	args.pid = (uint32_t)getpid();
	ASSERT_OK(ioctl(inherited.port, IPCSHIM_OPEN_PIPE, &args));
	inherited.token = args.token;
	child = child_start(calls_of_a_child, &inherited);
	put(child.fd, which);
	child_join(&child);
	/* Nothing was taken from the owner. */
	claim.token = args.token;
	ASSERT_OK(ioctl(inherited.port, IPCSHIM_CLAIM, &claim));
	ASSERT_TRUE(is_handled(inherited.port, 0, IPCSHIM_EVENT_PIPE_CLOSED));
}

TEST(handle_signal_by_a_child_on_an_inherited_port_is_EPERM) { child_calls(0); }
TEST(unhandle_signal_by_a_child_on_an_inherited_port_is_EPERM) { child_calls(1); }
TEST(ready_by_a_child_on_an_inherited_port_is_EPERM) { child_calls(2); }
TEST(claim_by_a_child_on_an_inherited_port_is_EPERM) { child_calls(3); }
TEST(set_access_by_a_child_on_an_inherited_port_is_EPERM) { child_calls(4); }
TEST(query_and_is_handled_by_a_child_on_an_inherited_port_succeed) { child_calls(5); }

static void opens_on_inherited_port(int fd, void *argument)
{
	int port = *(int *)argument;
	struct ends ends = ends_open(port, IPCSHIM_PIPE_RAW, 0);

	/* PIPE_CLOSED goes to the process that the port belongs to. */
	close(ends.sender);
	put(fd, info_of(ends.receiver).inode);
	get(fd);
}

TEST(open_pipe_by_a_child_on_an_inherited_port_tells_the_owner)
{
	int port = port_handling();
	struct child child = child_start(opens_on_inherited_port, &port);
	uint64_t inode = get(child.fd);
	struct ipcshim_event event = event_read(port);

	ASSERT_EQ(IPCSHIM_EVENT_PIPE_CLOSED, event.code);
	ASSERT_EQ(inode, event.pipe_closed.inode);
	ASSERT_EQ(child.pid, event.pid);
	put(child.fd, 0);
	child_join(&child);
}
