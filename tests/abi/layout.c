// SPDX-License-Identifier: MIT
/*
 * The layout is the same for 32-bit callers: this file is compiled for both, and
 * every offset is pinned, so there is no hole that another ABI would close.
 */
#include <signal.h>
#include <string.h>

#include "harness.h"
#include "support.h"

#define SIZE_IS(type, bytes)                                                   \
	_Static_assert(sizeof(struct type) == (bytes), #type " has another size");  \
	_Static_assert((bytes) % 8 == 0, #type " is no multiple of 8 bytes")
#define AT(type, field, place)                                                 \
	_Static_assert(offsetof(struct type, field) == (place),                \
		       #type "." #field " lies elsewhere")
/* The last field ends where the structure does: no padding at the end. */
#define ENDS_WITH(type, field)                                                 \
	_Static_assert(offsetof(struct type, field) +                          \
				       sizeof(((struct type *)0)->field) ==    \
			       sizeof(struct type),                            \
		       #type " is padded at its end")

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

SIZE_IS(ipcshim_query, 160);
AT(ipcshim_query, features, 8);
AT(ipcshim_query, page_size, 16);
AT(ipcshim_query, limit_ports, 32);
AT(ipcshim_query, used_ports, 64);
AT(ipcshim_query, ports, 88);
AT(ipcshim_query, reserved, 128);
ENDS_WITH(ipcshim_query, reserved);

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
AT(ipcshim_claim, capacity, 20);
AT(ipcshim_claim, inode, 24);
ENDS_WITH(ipcshim_claim, reserved);

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
ENDS_WITH(ipcshim_pipe_info, reserved);

/* A published number never changes; these are what the first version had. */
TEST(every_command_has_the_number_of_the_first_version)
{
	ASSERT_EQ(0xc0a0e900, IPCSHIM_QUERY);
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
}
