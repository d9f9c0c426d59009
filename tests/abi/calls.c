// SPDX-License-Identifier: MIT
/* Calls on the wrong kind of descriptor; see calls.h. */
#include "calls.h"

#include <errno.h>
#include <unistd.h>

#include "harness.h"
#include "mapped.h"
#include "sockets.h"

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
	struct ipcshim_publish publish = publish_args("abi.calls");
	struct ipcshim_withdraw withdraw = { .service = 1 };
	struct ipcshim_connect_service connect = connect_args("abi.calls");
	struct ipcshim_accept accept = { .request = 1 };
	struct ipcshim_reject reject = { .request = 1 };
	struct ipcshim_has_service has = { .name = publish.name, .name_length = 9 };
	struct ipcshim_open_serv_sock open_socket = open_socket_args();

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
	ASSERT_ERRNO(ENOTTY, ioctl(fd, IPCSHIM_PUBLISH, &publish));
	ASSERT_ERRNO(ENOTTY, ioctl(fd, IPCSHIM_WITHDRAW, &withdraw));
	ASSERT_ERRNO(ENOTTY, ioctl(fd, IPCSHIM_CONNECT_SERVICE, &connect));
	ASSERT_ERRNO(ENOTTY, ioctl(fd, IPCSHIM_ACCEPT, &accept));
	ASSERT_ERRNO(ENOTTY, ioctl(fd, IPCSHIM_REJECT, &reject));
	ASSERT_ERRNO(ENOTTY, ioctl(fd, IPCSHIM_HAS_SERVICE, &has));
	ASSERT_ERRNO(ENOTTY, ioctl(fd, IPCSHIM_OPEN_SERV_SOCK, &open_socket));
}

void lacks_calls_of_a_pipe(int fd)
{
	char byte = 0;
	struct ipcshim_send_pipe send = send_args(getpid());
	struct ipcshim_pipe_io io = io_args(&byte, 1, IPCSHIM_IO_FAIL);
	struct ipcshim_pipe_info info = { 0 };
	struct ipcshim_close_pipe close_args = { 0 };
	struct ipcshim_pipe_batch batch = { 0 };
	struct ipcshim_pipe_wait wait = nowait_args(1);
	struct ipcshim_pipe_wake wake = { 0 };

	ASSERT_ERRNO(ENOTTY, ioctl(fd, IPCSHIM_SEND_PIPE, &send));
	ASSERT_ERRNO(ENOTTY, ioctl(fd, IPCSHIM_PIPE_WRITE, &io));
	ASSERT_ERRNO(ENOTTY, ioctl(fd, IPCSHIM_PIPE_READ, &io));
	ASSERT_ERRNO(ENOTTY, ioctl(fd, IPCSHIM_PIPE_INFO, &info));
	ASSERT_ERRNO(ENOTTY, ioctl(fd, IPCSHIM_CLOSE_PIPE, &close_args));
	ASSERT_ERRNO(ENOTTY, ioctl(fd, IPCSHIM_WRITE_BATCH, &batch));
	ASSERT_ERRNO(ENOTTY, ioctl(fd, IPCSHIM_READ_BATCH, &batch));
	ASSERT_ERRNO(ENOTTY, ioctl(fd, IPCSHIM_PIPE_WAIT, &wait));
	ASSERT_ERRNO(ENOTTY, ioctl(fd, IPCSHIM_PIPE_WAKE, &wake));
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

void lacks_calls_of_a_socket(int fd)
{
	struct ipcshim_end_service_conn end = { 0 };
	struct ipcshim_send_sock_msg send = first_args(NULL, 0);
	struct ipcshim_read_sock_msg read_args = read_msg_args(NULL, 0);
	struct ipcshim_call call = call_args(NULL, 0, NULL, 0);
	struct ipcshim_close_serv_sock close_args = { 0 };

	ASSERT_ERRNO(ENOTTY, ioctl(fd, IPCSHIM_END_SERVICE_CONN, &end));
	ASSERT_ERRNO(ENOTTY, ioctl(fd, IPCSHIM_SEND_SOCK_MSG, &send));
	ASSERT_ERRNO(ENOTTY, ioctl(fd, IPCSHIM_READ_SOCK_MSG, &read_args));
	ASSERT_ERRNO(ENOTTY, ioctl(fd, IPCSHIM_CALL, &call));
	ASSERT_ERRNO(ENOTTY, ioctl(fd, IPCSHIM_CLOSE_SERV_SOCK, &close_args));
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
