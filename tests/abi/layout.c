// SPDX-License-Identifier: MIT
/*
 * The layout is the same for 32-bit callers: this file is compiled for both, and
 * every offset is pinned, so there is no hole that another ABI would close.
 */
#include <signal.h>
#include <string.h>

#include "harness.h"
#include "layout.h"
#include "support.h"

SIZE_IS(ipcshim_event, 64);
AT(ipcshim_event, code, 0);
AT(ipcshim_event, command, 2);
AT(ipcshim_event, flags, 4);
AT(ipcshim_event, token, 8);
AT(ipcshim_event, sequence, 16);
AT(ipcshim_event, pid, 24);
AT(ipcshim_event, uid, 28);
AT(ipcshim_event, recv_pipe, 32);
AT(ipcshim_event, pipe_closed, 32);
AT(ipcshim_event, recv_shared_mem, 32);
AT(ipcshim_event, unshared_mem, 32);
AT(ipcshim_event, recv_pty, 32);
AT(ipcshim_event, recv_serv_sock, 32);
AT(ipcshim_event, recv_sock_msg, 32);
AT(ipcshim_event, service_conn_request, 32);
AT(ipcshim_event, sock_closed, 32);
AT(ipcshim_event, data, 32);
ENDS_WITH(ipcshim_event, data);

SIZE_IS(ipcshim_recv_pipe, 32);
AT(ipcshim_recv_pipe, mode, 2);
AT(ipcshim_recv_pipe, capacity, 4);
AT(ipcshim_recv_pipe, size_hint, 8);
AT(ipcshim_recv_pipe, inode, 16);
AT(ipcshim_recv_pipe, reserved, 24);
ENDS_WITH(ipcshim_recv_pipe, reserved);

SIZE_IS(ipcshim_pipe_closed, 32);
AT(ipcshim_pipe_closed, end, 2);
AT(ipcshim_pipe_closed, status, 4);
AT(ipcshim_pipe_closed, inode, 8);
AT(ipcshim_pipe_closed, bytes_unread, 16);
AT(ipcshim_pipe_closed, messages_unread, 24);
ENDS_WITH(ipcshim_pipe_closed, messages_unread);

SIZE_IS(ipcshim_recv_shared_mem, 32);
AT(ipcshim_recv_shared_mem, length, 0);
AT(ipcshim_recv_shared_mem, mode, 8);
AT(ipcshim_recv_shared_mem, rights, 10);
AT(ipcshim_recv_shared_mem, how, 12);
AT(ipcshim_recv_shared_mem, status, 14);
AT(ipcshim_recv_shared_mem, inode, 16);
AT(ipcshim_recv_shared_mem, deadline, 24);
ENDS_WITH(ipcshim_recv_shared_mem, deadline);

SIZE_IS(ipcshim_unshared_mem, 32);
AT(ipcshim_unshared_mem, how, 0);
AT(ipcshim_unshared_mem, reserved0, 2);
AT(ipcshim_unshared_mem, status, 4);
AT(ipcshim_unshared_mem, inode, 8);
AT(ipcshim_unshared_mem, reserved, 16);
ENDS_WITH(ipcshim_unshared_mem, reserved);

SIZE_IS(ipcshim_recv_pty, 32);
AT(ipcshim_recv_pty, index, 0);
AT(ipcshim_recv_pty, reserved0, 4);
AT(ipcshim_recv_pty, rows, 8);
AT(ipcshim_recv_pty, columns, 10);
AT(ipcshim_recv_pty, x_pixels, 12);
AT(ipcshim_recv_pty, y_pixels, 14);
AT(ipcshim_recv_pty, inode, 16);
AT(ipcshim_recv_pty, reserved, 24);
ENDS_WITH(ipcshim_recv_pty, reserved);

SIZE_IS(ipcshim_signal, 32);
AT(ipcshim_signal, pid, 4);
AT(ipcshim_signal, token, 8);
AT(ipcshim_signal, data, 16);
ENDS_WITH(ipcshim_signal, data);
_Static_assert(IPCSHIM_SIGINFO_OFFSET + sizeof(struct ipcshim_signal) <= sizeof(siginfo_t),
	       "the payload does not fit a siginfo");
/* (A 32-bit receiver reads the event from its port instead.) */
_Static_assert(sizeof(void *) == 4 || offsetof(siginfo_t, si_pid) == IPCSHIM_SIGINFO_OFFSET,
	       "the payload does not begin where si_pid is");

SIZE_IS(ipcshim_query, 240);
AT(ipcshim_query, features, 8);
AT(ipcshim_query, page_size, 16);
AT(ipcshim_query, limit_ports, 32);
AT(ipcshim_query, used_ports, 64);
AT(ipcshim_query, ports, 88);
AT(ipcshim_query, ring_bytes, 120);
AT(ipcshim_query, limit_segment_bytes, 128);
AT(ipcshim_query, used_segment_bytes, 136);
AT(ipcshim_query, segments, 144);
AT(ipcshim_query, segment_bytes, 152);
AT(ipcshim_query, limit_ptys, 160);
AT(ipcshim_query, ptys, 168);
AT(ipcshim_query, limit_exchanges, 176);
AT(ipcshim_query, services, 184);
AT(ipcshim_query, connections, 192);
AT(ipcshim_query, exchanges, 200);
AT(ipcshim_query, messages, 208);
AT(ipcshim_query, message_bytes, 216);
AT(ipcshim_query, reserved, 224);
ENDS_WITH(ipcshim_query, reserved);
/* What the first version knew, and its callers still pass. */
_Static_assert(IPCSHIM_QUERY_SIZE_MIN == offsetof(struct ipcshim_query, limit_ptys),
	       "QUERY refuses callers of the first version");

SIZE_IS(ipcshim_handle, 40);
AT(ipcshim_handle, flags, 16);
AT(ipcshim_handle, notify, 20);
AT(ipcshim_handle, signo, 24);
AT(ipcshim_handle, tid, 28);
ENDS_WITH(ipcshim_handle, reserved);

SIZE_IS(ipcshim_unhandle, 24);
ENDS_WITH(ipcshim_unhandle, reserved);
SIZE_IS(ipcshim_is_handled, 16);
AT(ipcshim_is_handled, code, 4);
AT(ipcshim_is_handled, flags, 8);
ENDS_WITH(ipcshim_is_handled, handled);
SIZE_IS(ipcshim_ready, 8);
ENDS_WITH(ipcshim_ready, reserved);
SIZE_IS(ipcshim_access, 8);
ENDS_WITH(ipcshim_access, flags);
SIZE_IS(ipcshim_close_pipe, 8);
ENDS_WITH(ipcshim_close_pipe, reserved);

SIZE_IS(ipcshim_claim, 40);
AT(ipcshim_claim, flags, 8);
AT(ipcshim_claim, fd, 12);
AT(ipcshim_claim, end, 16);
AT(ipcshim_claim, rights, 16);
AT(ipcshim_claim, role, 16);
AT(ipcshim_claim, mode, 18);
AT(ipcshim_claim, capacity, 20);
AT(ipcshim_claim, index, 20);
AT(ipcshim_claim, message_max, 20);
AT(ipcshim_claim, inode, 24);
AT(ipcshim_claim, length, 32);
AT(ipcshim_claim, connection, 32);
ENDS_WITH(ipcshim_claim, length);

SIZE_IS(ipcshim_open_pipe, 64);
AT(ipcshim_open_pipe, direction, 8);
AT(ipcshim_open_pipe, size_hint, 16);
AT(ipcshim_open_pipe, fd, 24);
AT(ipcshim_open_pipe, peer_fd, 28);
AT(ipcshim_open_pipe, token, 32);
AT(ipcshim_open_pipe, inode, 40);
ENDS_WITH(ipcshim_open_pipe, reserved);

SIZE_IS(ipcshim_send_pipe, 32);
AT(ipcshim_send_pipe, command, 8);
AT(ipcshim_send_pipe, reserved, 10);
AT(ipcshim_send_pipe, size_hint, 16);
ENDS_WITH(ipcshim_send_pipe, token);

SIZE_IS(ipcshim_pipe_io, 72);
AT(ipcshim_pipe_io, deadline, 16);
AT(ipcshim_pipe_io, mode, 24);
AT(ipcshim_pipe_io, moved, 32);
AT(ipcshim_pipe_io, cause, 56);
AT(ipcshim_pipe_io, pid, 60);
ENDS_WITH(ipcshim_pipe_io, reserved);

SIZE_IS(ipcshim_pipe_info, 64);
AT(ipcshim_pipe_info, capacity, 8);
AT(ipcshim_pipe_info, inode, 40);
AT(ipcshim_pipe_info, area, 48);
ENDS_WITH(ipcshim_pipe_info, reserved);

SIZE_IS(ipcshim_create_mem, 32);
AT(ipcshim_create_mem, length, 0);
AT(ipcshim_create_mem, flags, 8);
AT(ipcshim_create_mem, fd, 12);
AT(ipcshim_create_mem, inode, 16);
AT(ipcshim_create_mem, reserved, 24);
ENDS_WITH(ipcshim_create_mem, reserved);

SIZE_IS(ipcshim_adopt_mem, 40);
AT(ipcshim_adopt_mem, address, 0);
AT(ipcshim_adopt_mem, length, 8);
AT(ipcshim_adopt_mem, flags, 16);
AT(ipcshim_adopt_mem, fd, 20);
AT(ipcshim_adopt_mem, inode, 24);
AT(ipcshim_adopt_mem, reserved, 32);
ENDS_WITH(ipcshim_adopt_mem, reserved);

SIZE_IS(ipcshim_share_mem, 48);
AT(ipcshim_share_mem, pid, 0);
AT(ipcshim_share_mem, flags, 4);
AT(ipcshim_share_mem, mode, 8);
AT(ipcshim_share_mem, rights, 10);
AT(ipcshim_share_mem, command, 12);
AT(ipcshim_share_mem, reserved0, 14);
AT(ipcshim_share_mem, deadline, 16);
AT(ipcshim_share_mem, token, 24);
AT(ipcshim_share_mem, inode, 32);
AT(ipcshim_share_mem, reserved, 40);
ENDS_WITH(ipcshim_share_mem, reserved);

SIZE_IS(ipcshim_unshare_mem, 16);
AT(ipcshim_unshare_mem, pid, 0);
AT(ipcshim_unshare_mem, flags, 4);
AT(ipcshim_unshare_mem, revoked, 8);
AT(ipcshim_unshare_mem, reserved, 12);
ENDS_WITH(ipcshim_unshare_mem, reserved);

SIZE_IS(ipcshim_mem_info, 64);
AT(ipcshim_mem_info, flags, 0);
AT(ipcshim_mem_info, mode, 4);
AT(ipcshim_mem_info, rights, 6);
AT(ipcshim_mem_info, length, 8);
AT(ipcshim_mem_info, allocated, 16);
AT(ipcshim_mem_info, inode, 24);
AT(ipcshim_mem_info, deadline, 32);
AT(ipcshim_mem_info, sharer, 40);
AT(ipcshim_mem_info, nr_holders, 44);
AT(ipcshim_mem_info, holders, 48);
AT(ipcshim_mem_info, reserved, 56);
ENDS_WITH(ipcshim_mem_info, reserved);

SIZE_IS(ipcshim_return_mem, 8);
AT(ipcshim_return_mem, flags, 0);
ENDS_WITH(ipcshim_return_mem, reserved);

SIZE_IS(ipcshim_export_dmabuf, 16);
AT(ipcshim_export_dmabuf, flags, 0);
AT(ipcshim_export_dmabuf, fd, 4);
AT(ipcshim_export_dmabuf, reserved, 8);
ENDS_WITH(ipcshim_export_dmabuf, reserved);

SIZE_IS(ipcshim_open_pty, 48);
AT(ipcshim_open_pty, flags, 0);
AT(ipcshim_open_pty, rows, 4);
AT(ipcshim_open_pty, columns, 6);
AT(ipcshim_open_pty, x_pixels, 8);
AT(ipcshim_open_pty, y_pixels, 10);
AT(ipcshim_open_pty, fd, 12);
AT(ipcshim_open_pty, index, 16);
AT(ipcshim_open_pty, reserved0, 20);
AT(ipcshim_open_pty, inode, 24);
AT(ipcshim_open_pty, slave_inode, 32);
AT(ipcshim_open_pty, reserved, 40);
ENDS_WITH(ipcshim_open_pty, reserved);

SIZE_IS(ipcshim_send_pty, 24);
AT(ipcshim_send_pty, pid, 0);
AT(ipcshim_send_pty, flags, 4);
AT(ipcshim_send_pty, command, 8);
AT(ipcshim_send_pty, reserved, 10);
AT(ipcshim_send_pty, token, 16);
ENDS_WITH(ipcshim_send_pty, token);

/*
 * A published number never changes; these are what the first version had.
 * (QUERY's carries its size, which grows: see query_sizes.c.)
 */
TEST(every_command_has_the_number_of_the_first_version)
{
	ASSERT_EQ(0x4028e901, IPCSHIM_HANDLE_SIGNAL);
	ASSERT_EQ(0x4018e902, IPCSHIM_UNHANDLE_SIGNAL);
	ASSERT_EQ(0xc010e903, IPCSHIM_IS_HANDLED);
	ASSERT_EQ(0x4008e904, IPCSHIM_READY);
	ASSERT_EQ(0xc028e908, IPCSHIM_CLAIM);
	ASSERT_EQ(0x4008e909, IPCSHIM_SET_ACCESS);
	ASSERT_EQ(0xc040e920, IPCSHIM_OPEN_PIPE);
	ASSERT_EQ(0xc020e921, IPCSHIM_SEND_PIPE);
	ASSERT_EQ(0xc048e922, IPCSHIM_PIPE_WRITE);
	ASSERT_EQ(0xc048e923, IPCSHIM_PIPE_READ);
	ASSERT_EQ(0xc040e924, IPCSHIM_PIPE_INFO);
	ASSERT_EQ(0x4008e925, IPCSHIM_CLOSE_PIPE);
	ASSERT_EQ(0xc020e930, IPCSHIM_CREATE_MEM);
	ASSERT_EQ(0xc028e931, IPCSHIM_ADOPT_MEM);
	ASSERT_EQ(0xc030e934, IPCSHIM_SHARE_MEM);
	ASSERT_EQ(0xc010e935, IPCSHIM_UNSHARE_MEM);
	ASSERT_EQ(0xc040e936, IPCSHIM_MEM_SHARING_INFO);
	ASSERT_EQ(0x4008e937, IPCSHIM_RETURN_MEM);
	ASSERT_EQ(0xc010e938, IPCSHIM_EXPORT_DMABUF);
	ASSERT_EQ(0xc030e950, IPCSHIM_OPEN_PTY);
	ASSERT_EQ(0xc018e951, IPCSHIM_SEND_PTY);
}
