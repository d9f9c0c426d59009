// SPDX-License-Identifier: MIT
/* HANDLE_SIGNAL, UNHANDLE_SIGNAL, IS_SIGNAL_HANDLED and READY. */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "harness.h"
#include "support.h"

/* A refused registration leaves nothing registered. */
static void handle_refused(int expected, struct ipcshim_handle args)
{
	int port = port_open();

	ASSERT_ERRNO(expected, ioctl(port, IPCSHIM_HANDLE_SIGNAL, &args));
	ASSERT_TRUE(!is_handled(port, 0, IPCSHIM_EVENT_RECV_PIPE));
	ASSERT_TRUE(!is_handled(port, 0, IPCSHIM_EVENT_PIPE_CLOSED));
}

#define REJECT_HANDLE(name, errno_expected, change)                            \
	TEST(name)                                                             \
	{                                                                      \
		struct ipcshim_handle args = handle_args();                    \
                                                                               \
		change;                                                        \
		handle_refused(errno_expected, args);                          \
	}

#define BY_SIGNAL(number) (args.notify = IPCSHIM_NOTIFY_SIGNAL, args.signo = (number))

REJECT_HANDLE(handle_empty_set_is_EINVAL, EINVAL, args.codes[0] = 0)
REJECT_HANDLE(handle_unknown_code_is_EINVAL, EINVAL, args.codes[0] |= 1ULL << 1)
REJECT_HANDLE(handle_unknown_code_in_the_second_word_is_EINVAL, EINVAL, args.codes[1] = 1ULL << 63)
REJECT_HANDLE(handle_flags_set_is_EINVAL, EINVAL, args.flags = 1)
REJECT_HANDLE(handle_highest_flag_set_is_EINVAL, EINVAL, args.flags = 1U << 31)
REJECT_HANDLE(handle_reserved_field_set_is_EINVAL, EINVAL, args.reserved = 1)
REJECT_HANDLE(handle_reserved_field_set_high_is_EINVAL, EINVAL, args.reserved = 1ULL << 63)
REJECT_HANDLE(handle_unknown_way_to_notify_is_EINVAL, EINVAL, args.notify = 2)
REJECT_HANDLE(handle_notify_none_with_signo_is_EINVAL, EINVAL, args.signo = 34)
REJECT_HANDLE(handle_by_signal_0_is_EINVAL, EINVAL, BY_SIGNAL(0))
REJECT_HANDLE(handle_by_SIGUSR1_is_EINVAL, EINVAL, BY_SIGNAL(SIGUSR1))
REJECT_HANDLE(handle_by_signal_31_is_EINVAL, EINVAL, BY_SIGNAL(31))
REJECT_HANDLE(handle_by_signal_65_is_EINVAL, EINVAL, BY_SIGNAL(65))
REJECT_HANDLE(handle_by_signal_negative_is_EINVAL, EINVAL, BY_SIGNAL((uint32_t)-1))
REJECT_HANDLE(handle_thread_of_another_process_is_ESRCH, ESRCH,
	      (BY_SIGNAL(40), args.tid = (uint32_t)getppid()))
REJECT_HANDLE(handle_thread_that_never_was_is_ESRCH, ESRCH, (BY_SIGNAL(40), args.tid = 0x3fffffff))
REJECT_HANDLE(handle_thread_negative_is_ESRCH, ESRCH, (BY_SIGNAL(40), args.tid = (uint32_t)-1))

TEST(handle_at_a_bad_address_is_EFAULT)
{
	int port = port_open();

	ASSERT_ERRNO(EFAULT, ioctl(port, IPCSHIM_HANDLE_SIGNAL, bad_address()));
	ASSERT_TRUE(!is_handled(port, 0, IPCSHIM_EVENT_RECV_PIPE));
}

TEST(handle_by_each_real_time_signal_is_taken)
{
	int port = port_open();
	struct ipcshim_handle args = handle_args();

	for (uint32_t signo = 32; signo <= 64; signo++) {
		BY_SIGNAL(signo);
		ASSERT_OK(ioctl(port, IPCSHIM_HANDLE_SIGNAL, &args));
	}
	args.tid = (uint32_t)syscall(SYS_gettid);
	ASSERT_OK(ioctl(port, IPCSHIM_HANDLE_SIGNAL, &args));
}

TEST(handle_by_a_second_port_of_the_process_is_EBUSY)
{
	int first = port_handling();
	int second = port_open();
	struct ipcshim_handle args = handle_args();

	ASSERT_ERRNO(EBUSY, ioctl(second, IPCSHIM_HANDLE_SIGNAL, &args));
	close(first);
	ASSERT_OK(ioctl(second, IPCSHIM_HANDLE_SIGNAL, &args));
}

TEST(handle_that_is_EBUSY_for_one_code_takes_none)
{
	int first = port_open();
	int second = port_open();
	struct ipcshim_handle args = handle_args();

	args.codes[0] = 1ULL << IPCSHIM_EVENT_RECV_PIPE;
	ASSERT_OK(ioctl(first, IPCSHIM_HANDLE_SIGNAL, &args));
	args.codes[0] = BOTH_CODES;
	ASSERT_ERRNO(EBUSY, ioctl(second, IPCSHIM_HANDLE_SIGNAL, &args));
	ASSERT_TRUE(!is_handled(first, 0, IPCSHIM_EVENT_PIPE_CLOSED));
	args.codes[0] = 1ULL << IPCSHIM_EVENT_PIPE_CLOSED;
	ASSERT_OK(ioctl(second, IPCSHIM_HANDLE_SIGNAL, &args));
}

TEST(handle_again_by_the_same_port_succeeds_and_adds)
{
	int port = port_open();
	struct ipcshim_handle args = handle_args();

	args.codes[0] = 1ULL << IPCSHIM_EVENT_RECV_PIPE;
	ASSERT_OK(ioctl(port, IPCSHIM_HANDLE_SIGNAL, &args));
	args.codes[0] = BOTH_CODES;
	ASSERT_OK(ioctl(port, IPCSHIM_HANDLE_SIGNAL, &args));
	ASSERT_TRUE(is_handled(port, 0, IPCSHIM_EVENT_RECV_PIPE));
	ASSERT_TRUE(is_handled(port, 0, IPCSHIM_EVENT_PIPE_CLOSED));
}

/* A refused removal leaves what was registered. */
static void unhandle_refused(int expected, struct ipcshim_unhandle args)
{
	int port = port_handling();

	ASSERT_ERRNO(expected, ioctl(port, IPCSHIM_UNHANDLE_SIGNAL, &args));
	ASSERT_TRUE(is_handled(port, 0, IPCSHIM_EVENT_RECV_PIPE));
	ASSERT_TRUE(is_handled(port, 0, IPCSHIM_EVENT_PIPE_CLOSED));
}

#define REJECT_UNHANDLE(name, errno_expected, change)                          \
	TEST(name)                                                             \
	{                                                                      \
		struct ipcshim_unhandle args = unhandle_args();                \
                                                                               \
		change;                                                        \
		unhandle_refused(errno_expected, args);                        \
	}

REJECT_UNHANDLE(unhandle_flags_set_is_EINVAL, EINVAL, args.flags = 1)
REJECT_UNHANDLE(unhandle_reserved_field_set_is_EINVAL, EINVAL, args.reserved = 1)

TEST(unhandle_at_a_bad_address_is_EFAULT)
{
	int port = port_handling();

	ASSERT_ERRNO(EFAULT, ioctl(port, IPCSHIM_UNHANDLE_SIGNAL, bad_address()));
	ASSERT_TRUE(is_handled(port, 0, IPCSHIM_EVENT_RECV_PIPE));
}

TEST(unhandle_of_a_code_not_handled_is_ENOENT_and_drops_none)
{
	int port = port_open();
	struct ipcshim_handle handle = handle_args();
	struct ipcshim_unhandle args = unhandle_args();

	ASSERT_ERRNO(ENOENT, ioctl(port, IPCSHIM_UNHANDLE_SIGNAL, &args));
	handle.codes[0] = 1ULL << IPCSHIM_EVENT_RECV_PIPE;
	ASSERT_OK(ioctl(port, IPCSHIM_HANDLE_SIGNAL, &handle));
	ASSERT_ERRNO(ENOENT, ioctl(port, IPCSHIM_UNHANDLE_SIGNAL, &args));
	ASSERT_TRUE(is_handled(port, 0, IPCSHIM_EVENT_RECV_PIPE));
}

TEST(unhandle_of_what_another_port_handles_is_ENOENT)
{
	int port = port_handling();
	struct ipcshim_unhandle args = unhandle_args();

	ASSERT_ERRNO(ENOENT, ioctl(port_open(), IPCSHIM_UNHANDLE_SIGNAL, &args));
	ASSERT_TRUE(is_handled(port, 0, IPCSHIM_EVENT_RECV_PIPE));
}

TEST(unhandle_leaves_waiting_events_and_frees_the_code)
{
	int port = port_handling();
	int second = port_open();
	struct ipcshim_unhandle args = unhandle_args();
	struct ipcshim_handle handle = handle_args();

	close(ends_open(port, IPCSHIM_PIPE_RAW, 0).sender);
	ASSERT_OK(ioctl(port, IPCSHIM_UNHANDLE_SIGNAL, &args));
	ASSERT_TRUE(!is_handled(port, 0, IPCSHIM_EVENT_RECV_PIPE));
	ASSERT_EQ(1, events_waiting(port));
	ASSERT_OK(ioctl(second, IPCSHIM_HANDLE_SIGNAL, &handle));
	ASSERT_EQ(IPCSHIM_EVENT_PIPE_CLOSED, event_read(port).code);
}

static void is_handled_refused(int expected, struct ipcshim_is_handled args)
{
	ASSERT_ERRNO(expected, ioctl(port_handling(), IPCSHIM_IS_HANDLED, &args));
}

#define REJECT_IS_HANDLED(name, errno_expected, change)                        \
	TEST(name)                                                             \
	{                                                                      \
		struct ipcshim_is_handled args = {                             \
			.code = IPCSHIM_EVENT_RECV_PIPE,                       \
		};                                                             \
                                                                               \
		change;                                                        \
		is_handled_refused(errno_expected, args);                      \
	}

REJECT_IS_HANDLED(is_handled_code_128_is_EINVAL, EINVAL, args.code = 128)
REJECT_IS_HANDLED(is_handled_code_65535_is_EINVAL, EINVAL, args.code = 65535)
REJECT_IS_HANDLED(is_handled_reserved_field_set_is_EINVAL, EINVAL, args.reserved = 1)
REJECT_IS_HANDLED(is_handled_flags_set_is_EINVAL, EINVAL, args.flags = 1)
REJECT_IS_HANDLED(is_handled_pid_that_is_gone_is_ESRCH, ESRCH, args.pid = (uint32_t)gone_pid())
REJECT_IS_HANDLED(is_handled_pid_above_any_is_ESRCH, ESRCH, args.pid = 0x7fffffff)
REJECT_IS_HANDLED(is_handled_pid_negative_is_ESRCH, ESRCH, args.pid = (uint32_t)-1)

TEST(is_handled_at_a_bad_address_is_EFAULT)
{
	ASSERT_ERRNO(EFAULT, ioctl(port_open(), IPCSHIM_IS_HANDLED, bad_address()));
}

TEST(is_handled_answer_to_read_only_memory_is_EFAULT)
{
	struct ipcshim_is_handled args = { .code = IPCSHIM_EVENT_RECV_PIPE };

	ASSERT_ERRNO(EFAULT, ioctl(port_handling(), IPCSHIM_IS_HANDLED,
				   read_only_copy(&args, sizeof(args))));
}

static void asks_whether_handled(int fd, void *argument)
{
	struct ipcshim_is_handled args = {
		.pid = (uint32_t) * (pid_t *)argument,
		.code = IPCSHIM_EVENT_RECV_PIPE,
	};

	become(OTHER_UID);
	put(fd, ioctl(port_open(), IPCSHIM_IS_HANDLED, &args) == 0 ? 0 : (uint64_t)errno);
}

TEST(is_handled_of_another_users_process_is_EPERM)
{
	struct peer peer = peer_listening();
	struct child child = child_start(asks_whether_handled, &peer.pid);

	ASSERT_EQ(EPERM, get(child.fd));
	child_join(&child);
}

TEST(is_handled_tells_of_another_process)
{
	static const struct peer_options options = { .codes = 1ULL << IPCSHIM_EVENT_PIPE_CLOSED };
	struct peer peer = peer_start(&options);
	int port = port_open();

	ASSERT_TRUE(is_handled(port, peer.pid, IPCSHIM_EVENT_PIPE_CLOSED));
	ASSERT_TRUE(!is_handled(port, peer.pid, IPCSHIM_EVENT_RECV_PIPE));
}

TEST(is_handled_of_a_process_without_a_port_is_0)
{
	static const struct peer_options options = { .no_port = true };
	struct peer peer = peer_start(&options);

	ASSERT_TRUE(!is_handled(port_open(), peer.pid, IPCSHIM_EVENT_RECV_PIPE));
}

TEST(ready_flags_set_is_EINVAL)
{
	struct ipcshim_ready args = { .flags = 1 };
	int port = port_open();

	ASSERT_ERRNO(EINVAL, ioctl(port, IPCSHIM_READY, &args));
	args.flags = 0;
	ASSERT_OK(ioctl(port, IPCSHIM_READY, &args));
}

TEST(ready_reserved_field_set_is_EINVAL)
{
	struct ipcshim_ready args = { .reserved = 1 };
	int port = port_open();

	ASSERT_ERRNO(EINVAL, ioctl(port, IPCSHIM_READY, &args));
	args.reserved = 0;
	ASSERT_OK(ioctl(port, IPCSHIM_READY, &args));
}

TEST(ready_at_a_bad_address_is_EFAULT)
{
	struct ipcshim_ready args = { 0 };
	int port = port_open();

	ASSERT_ERRNO(EFAULT, ioctl(port, IPCSHIM_READY, bad_address()));
	ASSERT_OK(ioctl(port, IPCSHIM_READY, &args));
}

TEST(ready_twice_is_EALREADY)
{
	struct ipcshim_ready args = { 0 };
	int port = port_handling();

	ASSERT_OK(ioctl(port, IPCSHIM_READY, &args));
	ASSERT_ERRNO(EALREADY, ioctl(port, IPCSHIM_READY, &args));
	/* Each port for itself. */
	ASSERT_OK(ioctl(port_open(), IPCSHIM_READY, &args));
}
