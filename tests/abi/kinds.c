// SPDX-License-Identifier: MIT
/* Descriptors of the wrong kind, in both directions. */
#include <errno.h>
#include <fcntl.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "calls.h"
#include "harness.h"
#include "support.h"

static char byte;

TEST(pipe_write_on_a_receiver_is_ENOTTY)
{
	struct ends ends = ends_open(port_open(), IPCSHIM_PIPE_RAW, 0);
	struct ipcshim_pipe_io args = io_args(&byte, 1, IPCSHIM_IO_FAIL);

	ASSERT_ERRNO(ENOTTY, ioctl(ends.receiver, IPCSHIM_PIPE_WRITE, &args));
	expect_content(ends.receiver, 0, 0);
}

TEST(pipe_read_on_a_sender_is_ENOTTY)
{
	struct ends ends = ends_open(port_open(), IPCSHIM_PIPE_RAW, 0);
	struct ipcshim_pipe_io args = io_args(&byte, 1, IPCSHIM_IO_FAIL);

	fill_pattern(&byte, 1, 1);
	ASSERT_EQ(1, write(ends.sender, &byte, 1));
	ASSERT_ERRNO(ENOTTY, ioctl(ends.sender, IPCSHIM_PIPE_READ, &args));
	expect_content(ends.receiver, 1, 1);
}

TEST(write_on_a_receiver_is_EBADF)
{
	ASSERT_ERRNO(EBADF, write(ends_open(port_open(), IPCSHIM_PIPE_RAW, 0).receiver, "x", 1));
}

TEST(read_on_a_sender_is_EBADF)
{
	ASSERT_ERRNO(EBADF, read(ends_open(port_open(), IPCSHIM_PIPE_RAW, 0).sender, &byte, 1));
}

TEST(pipe_ends_answer_ENOTTY_to_what_only_a_port_has)
{
	struct ends ends = ends_open(port_open(), IPCSHIM_PIPE_RAW, 0);

	lacks_calls_of_a_port(ends.sender);
	lacks_calls_of_a_port(ends.receiver);
}

TEST(pipe_ends_answer_ENOTTY_to_unknown_commands)
{
	struct ends ends = ends_open(port_open(), IPCSHIM_PIPE_RAW, 0);

	lacks_unknown_calls(ends.sender);
	lacks_unknown_calls(ends.receiver);
}

TEST(descriptors_of_others_answer_ENOTTY)
{
	int others[3] = { open("/dev/null", O_RDWR | O_CLOEXEC), eventfd(0, EFD_CLOEXEC), -1 };
	int pair[2];

	ASSERT_OK(pipe2(pair, O_CLOEXEC));
	others[2] = pair[1];
	for (int i = 0; i < 3; i++) {
		lacks_calls_of_a_port(others[i]);
		lacks_calls_of_a_pipe(others[i]);
		lacks_calls_of_a_segment(others[i]);
		lacks_calls_of_a_master(others[i]);
		lacks_calls_of_a_socket(others[i]);
	}
}

TEST(pipe_ends_answer_EBADF_when_opened_with_O_PATH)
{
	struct ends ends = ends_open(port_open(), IPCSHIM_PIPE_RAW, 0);
	struct ipcshim_pipe_info info = { 0 };
	int path = open(IPCSHIM_DEVICE, O_PATH | O_CLOEXEC);

	ASSERT_OK(path);
	ASSERT_ERRNO(EBADF, ioctl(path, IPCSHIM_PIPE_INFO, &info));
	close(ends.sender);
	ASSERT_ERRNO(EBADF, ioctl(ends.sender, IPCSHIM_PIPE_INFO, &info));
}
