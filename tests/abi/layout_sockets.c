// SPDX-License-Identifier: MIT
/* The layout of what services and sockets have; see layout.c. */
#include "layout.h"

#include "harness.h"
#include "support.h"

SIZE_IS(ipcshim_recv_serv_sock, 32);
AT(ipcshim_recv_serv_sock, message_max, 0);
AT(ipcshim_recv_serv_sock, role, 4);
AT(ipcshim_recv_serv_sock, reserved0, 6);
AT(ipcshim_recv_serv_sock, connection, 8);
AT(ipcshim_recv_serv_sock, inode, 16);
AT(ipcshim_recv_serv_sock, reserved, 24);
ENDS_WITH(ipcshim_recv_serv_sock, reserved);

SIZE_IS(ipcshim_recv_sock_msg, 32);
AT(ipcshim_recv_sock_msg, exchange, 0);
AT(ipcshim_recv_sock_msg, code, 8);
AT(ipcshim_recv_sock_msg, status, 10);
AT(ipcshim_recv_sock_msg, error, 12);
AT(ipcshim_recv_sock_msg, nr_descriptors, 14);
AT(ipcshim_recv_sock_msg, length, 16);
AT(ipcshim_recv_sock_msg, inode, 24);
ENDS_WITH(ipcshim_recv_sock_msg, inode);

SIZE_IS(ipcshim_service_conn_request, 32);
AT(ipcshim_service_conn_request, deadline, 0);
AT(ipcshim_service_conn_request, service, 8);
AT(ipcshim_service_conn_request, message_max, 16);
AT(ipcshim_service_conn_request, reserved0, 20);
AT(ipcshim_service_conn_request, reserved, 24);
ENDS_WITH(ipcshim_service_conn_request, reserved);

SIZE_IS(ipcshim_sock_closed, 32);
AT(ipcshim_sock_closed, connection, 0);
AT(ipcshim_sock_closed, inode, 8);
AT(ipcshim_sock_closed, how, 16);
AT(ipcshim_sock_closed, role, 18);
AT(ipcshim_sock_closed, status, 20);
AT(ipcshim_sock_closed, messages_unread, 24);
AT(ipcshim_sock_closed, exchanges, 28);
ENDS_WITH(ipcshim_sock_closed, exchanges);

SIZE_IS(ipcshim_publish, 40);
AT(ipcshim_publish, name, 0);
AT(ipcshim_publish, name_length, 8);
AT(ipcshim_publish, flags, 12);
AT(ipcshim_publish, message_max, 16);
AT(ipcshim_publish, reserved0, 20);
AT(ipcshim_publish, service, 24);
AT(ipcshim_publish, reserved, 32);
ENDS_WITH(ipcshim_publish, reserved);

SIZE_IS(ipcshim_withdraw, 16);
AT(ipcshim_withdraw, service, 0);
AT(ipcshim_withdraw, flags, 8);
AT(ipcshim_withdraw, reserved, 12);
ENDS_WITH(ipcshim_withdraw, reserved);

SIZE_IS(ipcshim_connect_service, 72);
AT(ipcshim_connect_service, name, 0);
AT(ipcshim_connect_service, name_length, 8);
AT(ipcshim_connect_service, flags, 12);
AT(ipcshim_connect_service, deadline, 16);
AT(ipcshim_connect_service, uid, 24);
AT(ipcshim_connect_service, message_max, 28);
AT(ipcshim_connect_service, command, 32);
AT(ipcshim_connect_service, reason, 34);
AT(ipcshim_connect_service, existing, 36);
AT(ipcshim_connect_service, fd, 40);
AT(ipcshim_connect_service, reserved0, 44);
AT(ipcshim_connect_service, connection, 48);
AT(ipcshim_connect_service, inode, 56);
AT(ipcshim_connect_service, reserved, 64);
ENDS_WITH(ipcshim_connect_service, reserved);

SIZE_IS(ipcshim_accept, 48);
AT(ipcshim_accept, request, 0);
AT(ipcshim_accept, flags, 8);
AT(ipcshim_accept, fd, 12);
AT(ipcshim_accept, inode, 16);
AT(ipcshim_accept, pid, 24);
AT(ipcshim_accept, uid, 28);
AT(ipcshim_accept, message_max, 32);
AT(ipcshim_accept, reserved0, 36);
AT(ipcshim_accept, reserved, 40);
ENDS_WITH(ipcshim_accept, reserved);

SIZE_IS(ipcshim_reject, 16);
AT(ipcshim_reject, request, 0);
AT(ipcshim_reject, reason, 8);
AT(ipcshim_reject, reserved0, 10);
AT(ipcshim_reject, flags, 12);
ENDS_WITH(ipcshim_reject, flags);

SIZE_IS(ipcshim_end_service_conn, 8);
AT(ipcshim_end_service_conn, flags, 0);
AT(ipcshim_end_service_conn, reserved, 4);
ENDS_WITH(ipcshim_end_service_conn, reserved);

SIZE_IS(ipcshim_has_service, 48);
AT(ipcshim_has_service, name, 0);
AT(ipcshim_has_service, name_length, 8);
AT(ipcshim_has_service, flags, 12);
AT(ipcshim_has_service, uid, 16);
AT(ipcshim_has_service, exists, 20);
AT(ipcshim_has_service, pid, 24);
AT(ipcshim_has_service, message_max, 28);
AT(ipcshim_has_service, service, 32);
AT(ipcshim_has_service, reserved, 40);
ENDS_WITH(ipcshim_has_service, reserved);

SIZE_IS(ipcshim_open_serv_sock, 64);
AT(ipcshim_open_serv_sock, pid, 0);
AT(ipcshim_open_serv_sock, flags, 4);
AT(ipcshim_open_serv_sock, role, 8);
AT(ipcshim_open_serv_sock, command, 10);
AT(ipcshim_open_serv_sock, message_max, 12);
AT(ipcshim_open_serv_sock, fd, 16);
AT(ipcshim_open_serv_sock, peer_fd, 20);
AT(ipcshim_open_serv_sock, token, 24);
AT(ipcshim_open_serv_sock, connection, 32);
AT(ipcshim_open_serv_sock, inode, 40);
AT(ipcshim_open_serv_sock, reserved, 48);
ENDS_WITH(ipcshim_open_serv_sock, reserved);

SIZE_IS(ipcshim_message, 32);
AT(ipcshim_message, exchange, 0);
AT(ipcshim_message, length, 8);
AT(ipcshim_message, counter, 16);
AT(ipcshim_message, code, 20);
AT(ipcshim_message, status, 22);
AT(ipcshim_message, error, 24);
AT(ipcshim_message, nr_descriptors, 26);
AT(ipcshim_message, pid, 28);
ENDS_WITH(ipcshim_message, pid);

SIZE_IS(ipcshim_descriptor, 32);
AT(ipcshim_descriptor, fd, 0);
AT(ipcshim_descriptor, kind, 4);
AT(ipcshim_descriptor, mode, 6);
AT(ipcshim_descriptor, end, 8);
AT(ipcshim_descriptor, rights, 8);
AT(ipcshim_descriptor, role, 8);
AT(ipcshim_descriptor, error, 10);
AT(ipcshim_descriptor, capacity, 12);
AT(ipcshim_descriptor, message_max, 12);
AT(ipcshim_descriptor, inode, 16);
AT(ipcshim_descriptor, length, 24);
AT(ipcshim_descriptor, connection, 24);
ENDS_WITH(ipcshim_descriptor, connection);

_Static_assert(sizeof(struct ipcshim_sock_end) == 4, "ipcshim_sock_end has another size");
AT(ipcshim_sock_end, how, 0);
AT(ipcshim_sock_end, status, 2);
ENDS_WITH(ipcshim_sock_end, status);

SIZE_IS(ipcshim_send_sock_msg, 64);
AT(ipcshim_send_sock_msg, message, 0);
AT(ipcshim_send_sock_msg, buffer, 32);
AT(ipcshim_send_sock_msg, descriptors, 40);
AT(ipcshim_send_sock_msg, deadline, 48);
AT(ipcshim_send_sock_msg, flags, 56);
AT(ipcshim_send_sock_msg, end, 60);
ENDS_WITH(ipcshim_send_sock_msg, end);

SIZE_IS(ipcshim_read_sock_msg, 80);
AT(ipcshim_read_sock_msg, message, 0);
AT(ipcshim_read_sock_msg, buffer, 32);
AT(ipcshim_read_sock_msg, size, 40);
AT(ipcshim_read_sock_msg, descriptors, 48);
AT(ipcshim_read_sock_msg, deadline, 56);
AT(ipcshim_read_sock_msg, flags, 64);
AT(ipcshim_read_sock_msg, room, 68);
AT(ipcshim_read_sock_msg, uid, 72);
AT(ipcshim_read_sock_msg, end, 76);
ENDS_WITH(ipcshim_read_sock_msg, end);

SIZE_IS(ipcshim_call, 96);
AT(ipcshim_call, message, 0);
AT(ipcshim_call, request, 32);
AT(ipcshim_call, request_descriptors, 40);
AT(ipcshim_call, buffer, 48);
AT(ipcshim_call, size, 56);
AT(ipcshim_call, descriptors, 64);
AT(ipcshim_call, deadline, 72);
AT(ipcshim_call, flags, 80);
AT(ipcshim_call, room, 84);
AT(ipcshim_call, uid, 88);
AT(ipcshim_call, end, 92);
ENDS_WITH(ipcshim_call, end);

SIZE_IS(ipcshim_close_serv_sock, 8);
AT(ipcshim_close_serv_sock, flags, 0);
AT(ipcshim_close_serv_sock, reserved, 4);
ENDS_WITH(ipcshim_close_serv_sock, reserved);

/* A published number never changes. */
TEST(every_command_of_services_and_sockets_has_its_number)
{
	ASSERT_EQ(0xc028e960, IPCSHIM_PUBLISH);
	ASSERT_EQ(0x4010e961, IPCSHIM_WITHDRAW);
	ASSERT_EQ(0xc048e92a, IPCSHIM_CONNECT_SERVICE);
	ASSERT_EQ(0xc030e92c, IPCSHIM_ACCEPT);
	ASSERT_EQ(0x4010e92d, IPCSHIM_REJECT);
	ASSERT_EQ(0x4008e92b, IPCSHIM_END_SERVICE_CONN);
	ASSERT_EQ(0xc030e92e, IPCSHIM_HAS_SERVICE);
	ASSERT_EQ(0xc040e926, IPCSHIM_OPEN_SERV_SOCK);
	ASSERT_EQ(0xc040e927, IPCSHIM_SEND_SOCK_MSG);
	ASSERT_EQ(0xc050e928, IPCSHIM_READ_SOCK_MSG);
	ASSERT_EQ(0xc060e962, IPCSHIM_CALL);
	ASSERT_EQ(0x4008e929, IPCSHIM_CLOSE_SERV_SOCK);
}

TEST(every_word_of_services_and_sockets_has_its_number)
{
	ASSERT_EQ(0x26, IPCSHIM_EVENT_RECV_SERV_SOCK);
	ASSERT_EQ(0x27, IPCSHIM_EVENT_RECV_SOCK_MSG);
	ASSERT_EQ(0x29, IPCSHIM_EVENT_SERV_SOCK_CLOSED);
	ASSERT_EQ(0x2A, IPCSHIM_EVENT_SERVICE_CONN_REQUEST);
	ASSERT_EQ(0x2B, IPCSHIM_EVENT_SERVICE_CLIENT_CLOSED);
	ASSERT_EQ(0x2C, IPCSHIM_EVENT_SERVICE_CLIENT_QUITTED);
	ASSERT_EQ(0x2D, IPCSHIM_EVENT_SERVICE_SERVER_QUITTED);
	ASSERT_EQ(64, IPCSHIM_NAME_MAX);
	ASSERT_EQ(4096, IPCSHIM_SOCKET_MESSAGE);
	ASSERT_EQ(256 << 20, IPCSHIM_SOCKET_MESSAGE_MAX);
	ASSERT_EQ(8, IPCSHIM_DESCRIPTORS_MAX);
	ASSERT_EQ(1, IPCSHIM_ROLE_CLIENT);
	ASSERT_EQ(2, IPCSHIM_ROLE_SERVICE);
	ASSERT_EQ(1, IPCSHIM_KIND_PIPE);
	ASSERT_EQ(2, IPCSHIM_KIND_SEGMENT);
	ASSERT_EQ(3, IPCSHIM_KIND_SOCKET);
}
