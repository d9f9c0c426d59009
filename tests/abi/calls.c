// SPDX-License-Identifier: MIT
/* Calls on the wrong kind of descriptor; see calls.h. */
#include "calls.h"

#include <errno.h>
#include <unistd.h>

#include "harness.h"
#include "memory.h"

void lacks_calls_of_a_port(int fd)
{
	struct ipcshim_query query_args = { 0 };
	struct ipcshim_handle handle = handle_args();
	struct ipcshim_unhandle unhandle = unhandle_args();
	struct ipcshim_is_handled is_handled_args = { .code = IPCSHIM_EVENT_RECV_PIPE };
	struct ipcshim_ready ready = { 0 };
	struct ipcshim_claim claim_args = { .token = 1 };
	struct ipcshim_access access = { 0 };
	struct ipcshim_open_pipe open_pipe = open_args();
	struct ipcshim_create_mem create = { .length = page_size() };
	struct ipcshim_adopt_mem adopt = { .length = page_size() };
	struct ipcshim_open_pty open_pty = { 0 };

	ASSERT_ERRNO(ENOTTY, ioctl(fd, IPCSHIM_QUERY, &query_args));
	ASSERT_ERRNO(ENOTTY, ioctl(fd, IPCSHIM_HANDLE_SIGNAL, &handle));
	ASSERT_ERRNO(ENOTTY, ioctl(fd, IPCSHIM_UNHANDLE_SIGNAL, &unhandle));
	ASSERT_ERRNO(ENOTTY, ioctl(fd, IPCSHIM_IS_HANDLED, &is_handled_args));
	ASSERT_ERRNO(ENOTTY, ioctl(fd, IPCSHIM_READY, &ready));
	ASSERT_ERRNO(ENOTTY, ioctl(fd, IPCSHIM_CLAIM, &claim_args));
	ASSERT_ERRNO(ENOTTY, ioctl(fd, IPCSHIM_SET_ACCESS, &access));
	ASSERT_ERRNO(ENOTTY, ioctl(fd, IPCSHIM_OPEN_PIPE, &open_pipe));
	ASSERT_ERRNO(ENOTTY, ioctl(fd, IPCSHIM_CREATE_MEM, &create));
	ASSERT_ERRNO(ENOTTY, ioctl(fd, IPCSHIM_ADOPT_MEM, &adopt));
	ASSERT_ERRNO(ENOTTY, ioctl(fd, IPCSHIM_OPEN_PTY, &open_pty));
}

void lacks_calls_of_a_pipe(int fd)
{
	char byte = 0;
	struct ipcshim_send_pipe send = send_args(getpid());
	struct ipcshim_pipe_io io = io_args(&byte, 1, IPCSHIM_IO_FAIL);
	struct ipcshim_pipe_info info = { 0 };
	struct ipcshim_close_pipe close_args = { 0 };

	ASSERT_ERRNO(ENOTTY, ioctl(fd, IPCSHIM_SEND_PIPE, &send));
	ASSERT_ERRNO(ENOTTY, ioctl(fd, IPCSHIM_PIPE_WRITE, &io));
	ASSERT_ERRNO(ENOTTY, ioctl(fd, IPCSHIM_PIPE_READ, &io));
	ASSERT_ERRNO(ENOTTY, ioctl(fd, IPCSHIM_PIPE_INFO, &info));
	ASSERT_ERRNO(ENOTTY, ioctl(fd, IPCSHIM_CLOSE_PIPE, &close_args));
}

void lacks_calls_of_a_segment(int fd)
{
	struct ipcshim_share_mem share = share_args(1, MUTUAL, R);
	struct ipcshim_unshare_mem unshare = { 0 };
	struct ipcshim_mem_info info = { 0 };
	struct ipcshim_return_mem give_back = { 0 };
	struct ipcshim_export_dmabuf export = { 0 };

	ASSERT_ERRNO(ENOTTY, ioctl(fd, IPCSHIM_SHARE_MEM, &share));
	ASSERT_ERRNO(ENOTTY, ioctl(fd, IPCSHIM_UNSHARE_MEM, &unshare));
	ASSERT_ERRNO(ENOTTY, ioctl(fd, IPCSHIM_MEM_SHARING_INFO, &info));
	ASSERT_ERRNO(ENOTTY, ioctl(fd, IPCSHIM_RETURN_MEM, &give_back));
	ASSERT_ERRNO(ENOTTY, ioctl(fd, IPCSHIM_EXPORT_DMABUF, &export));
}

void lacks_calls_of_a_master(int fd)
{
	struct ipcshim_send_pty send = { .pid = (uint32_t)getpid() };

	ASSERT_ERRNO(ENOTTY, ioctl(fd, IPCSHIM_SEND_PTY, &send));
}

void lacks_unknown_calls(int fd)
{
	char args[256] = { 0 };

	/* (QUERY takes more than one size, but none below 160.) */
	for (unsigned int number = 0; number < 256; number++)
		ASSERT_ERRNO(ENOTTY, ioctl(fd,
					   _IOC(_IOC_READ | _IOC_WRITE, IPCSHIM_IOC_MAGIC, number,
						128),
					   args));
}
