// SPDX-License-Identifier: MIT
/* Services and sockets across pid and user namespaces. */
#include <errno.h>
#include <signal.h>
#include <unistd.h>

#include "harness.h"
#include "sockets.h"

#define NAME "abi.spaces"

static const struct peer_options inside = { .codes = SOCKET_CODES, .new_pid_namespace = true };

/* The peer asks our service. */
static struct ipcshim_event asked_by(struct peer *peer, int port,
				     struct ipcshim_connect_service *args,
				     struct ipcshim_accept *accept)
{
	struct ipcshim_event event;

	publish(port, NAME, 0);
	peer_ioctl_start(peer, -1, IPCSHIM_CONNECT_SERVICE, args);
	event = event_of(port, IPCSHIM_EVENT_SERVICE_CONN_REQUEST);
	accept->request = event.token;
	ASSERT_OK(ioctl(port, IPCSHIM_ACCEPT, accept));
	ASSERT_EQ(0, peer_ioctl_end(peer, IPCSHIM_CONNECT_SERVICE, args));
	return event;
}

TEST(service_outside_the_pid_namespace_is_told_the_pid_that_counts_there)
{
	struct peer peer = peer_start(&inside);
	int port = socket_port();
	struct ipcshim_connect_service args = connect_args(NAME);
	struct ipcshim_accept accept = { 0 };
	struct ipcshim_send_sock_msg send = first_args(NULL, 0);
	struct ipcshim_read_sock_msg got = read_msg_args(NULL, 0);
	struct ipcshim_event event = asked_by(&peer, port, &args, &accept);

	ASSERT_EQ(peer.pid, event.pid);
	ASSERT_EQ(peer.pid, accept.pid);
	ASSERT_EQ(peer.pid, socket_info(accept.fd, "ipcshim-peer"));
	/* In there it is 1, and nobody outside has a number. */
	ASSERT_EQ(0, peer_ioctl(&peer, args.fd, IPCSHIM_SEND_SOCK_MSG, &send));
	ASSERT_EQ(1, send.message.pid);
	got = read_message(accept.fd, NULL, 0);
	ASSERT_EQ(peer.pid, got.message.pid);
	answer(accept.fd, 1, NULL, 0);
	got = read_msg_args(NULL, 0);
	ASSERT_EQ(0, peer_ioctl(&peer, args.fd, IPCSHIM_READ_SOCK_MSG, &got));
	ASSERT_EQ(0, got.message.pid);
	peer_kill(&peer);
	event = event_of(port, IPCSHIM_EVENT_SERVICE_CLIENT_QUITTED);
	ASSERT_EQ(peer.pid, event.pid);
	ASSERT_EQ(SIGKILL, event.sock_closed.status);
}

TEST(service_inside_the_pid_namespace_is_told_pid_0)
{
	struct peer peer = peer_start(&inside);
	int port = socket_port();
	struct ipcshim_publish publish_it = publish_args(NAME);
	struct ipcshim_has_service has = has_args("abi.outside");
	struct ipcshim_connect_service args = connect_args(NAME);
	struct ipcshim_accept accept = { 0 };
	struct ipcshim_event event;
	struct waiter client;

	publish(port, "abi.outside", 0);
	ASSERT_EQ(0, peer_ioctl(&peer, -1, IPCSHIM_HAS_SERVICE, &has));
	ASSERT_EQ(1, has.exists);
	ASSERT_EQ(0, has.pid);
	ASSERT_EQ(0, peer_ioctl(&peer, -1, IPCSHIM_PUBLISH, &publish_it));
	ASSERT_EQ(peer.pid, has_service(port, NAME).pid);
	waiter_start(&client, port, IPCSHIM_CONNECT_SERVICE, &args);
	event = peer_event(&peer);
	ASSERT_EQ(0, event.pid);
	accept.request = event.token;
	ASSERT_EQ(0, peer_ioctl(&peer, -1, IPCSHIM_ACCEPT, &accept));
	ASSERT_EQ(0, accept.pid);
	ASSERT_EQ(0, waiter_end(&client));
	close(args.fd);
	event = peer_event(&peer);
	ASSERT_EQ(IPCSHIM_EVENT_SERVICE_CLIENT_CLOSED, event.code);
	ASSERT_EQ(0, event.pid);
}

TEST(socket_to_a_pid_of_another_pid_namespace_is_ESRCH)
{
	struct peer peer = peer_start(&inside);
	int port = socket_port();
	struct ipcshim_open_serv_sock args = open_socket_args();
	struct state before = state_now(port);

	args.pid = (uint32_t)getpid();
	ASSERT_EQ(ESRCH, peer_ioctl(&peer, -1, IPCSHIM_OPEN_SERV_SOCK, &args));
	state_same(port, &before);
	ASSERT_EQ(0, events_waiting(port));
}

/* The other uid is called 7 in there, and root 0. */
static const struct peer_options mapped = {
	.codes = SOCKET_CODES,
	.access = IPCSHIM_ACCESS_ANYBODY,
	.id_map = "0 0 1\n7 4711 1\n",
};

TEST(service_in_a_user_namespace_is_told_the_uid_that_counts_there)
{
	struct peer peer = peer_start(&mapped);
	static const struct peer_options other = { .codes = SOCKET_CODES, .uid = OTHER_UID };
	struct peer client = peer_start(&other);
	struct ipcshim_publish publish_it = publish_args(NAME);
	struct ipcshim_connect_service args = connect_args(NAME);
	struct ipcshim_accept accept = { 0 };
	struct ipcshim_send_sock_msg send = first_args(NULL, 0);
	struct ipcshim_read_sock_msg got = read_msg_args(NULL, 0);

	ASSERT_EQ(0, peer_ioctl(&peer, -1, IPCSHIM_PUBLISH, &publish_it));
	args.flags = IPCSHIM_CONNECT_UID;
	peer_ioctl_start(&client, -1, IPCSHIM_CONNECT_SERVICE, &args);
	accept.request = peer_event(&peer).token;
	ASSERT_EQ(0, peer_ioctl(&peer, -1, IPCSHIM_ACCEPT, &accept));
	ASSERT_EQ(7, accept.uid);
	ASSERT_EQ(client.pid, accept.pid);
	ASSERT_EQ(0, peer_ioctl_end(&client, IPCSHIM_CONNECT_SERVICE, &args));
	ASSERT_EQ(0, peer_ioctl(&client, args.fd, IPCSHIM_SEND_SOCK_MSG, &send));
	ASSERT_EQ(0, peer_ioctl(&peer, accept.fd, IPCSHIM_READ_SOCK_MSG, &got));
	ASSERT_EQ(7, got.uid);
	peer_kill(&client);
	ASSERT_EQ(7, peer_event(&peer).uid);
}

TEST(service_names_of_a_uid_are_found_by_the_number_that_counts_in_the_user_namespace)
{
	struct peer peer = peer_start(&mapped);
	static const struct peer_options other = {
		.codes = SOCKET_CODES,
		.uid = OTHER_UID,
		.access = IPCSHIM_ACCESS_ANYBODY,
	};
	struct peer service = peer_start(&other);
	struct ipcshim_publish publish_it = publish_args(NAME);
	struct ipcshim_has_service has = has_args(NAME);
	struct ipcshim_connect_service args = connect_args(NAME);

	ASSERT_EQ(0, peer_ioctl(&service, -1, IPCSHIM_PUBLISH, &publish_it));
	has.flags = args.flags = IPCSHIM_CONNECT_UID;
	has.uid = 7;
	ASSERT_EQ(0, peer_ioctl(&peer, -1, IPCSHIM_HAS_SERVICE, &has));
	ASSERT_EQ(1, has.exists);
	/* A number that is none in there. */
	has.uid = args.uid = OTHER_UID;
	ASSERT_EQ(EINVAL, peer_ioctl(&peer, -1, IPCSHIM_HAS_SERVICE, &has));
	ASSERT_EQ(EINVAL, peer_ioctl(&peer, -1, IPCSHIM_CONNECT_SERVICE, &args));
	ASSERT_EQ(0, peer_events_waiting(&service));
}

TEST(service_names_that_are_reserved_are_EPERM_for_root_of_a_user_namespace)
{
	static const struct peer_options root_inside = { .id_map = "0 4711 1\n",
							 .become_root = true };
	struct peer peer = peer_start(&root_inside);
	struct ipcshim_publish args = publish_args("sys.abi");
	struct ipcshim_publish mine = publish_args(NAME);
	struct ipcshim_has_service has = has_args(NAME);
	struct ipcshim_connect_service connect = connect_args("abi.outside");
	int port = socket_port();

	ASSERT_EQ(EPERM, peer_ioctl(&peer, -1, IPCSHIM_PUBLISH, &args));
	ASSERT_EQ(0, has_service(port, "sys.abi").exists);
	/* Its own names are those of the uid that it is outside. */
	ASSERT_EQ(0, peer_ioctl(&peer, -1, IPCSHIM_PUBLISH, &mine));
	ASSERT_EQ(0, has_service(port, NAME).exists);
	has.flags = IPCSHIM_CONNECT_UID;
	has.uid = OTHER_UID;
	ASSERT_OK(ioctl(port, IPCSHIM_HAS_SERVICE, &has));
	ASSERT_EQ(peer.pid, has.pid);
	/* And it is not the root that has this one. */
	publish(port, "abi.outside", 0);
	ASSERT_EQ(ENOENT, peer_ioctl(&peer, -1, IPCSHIM_CONNECT_SERVICE, &connect));
	ASSERT_EQ(0, events_waiting(port));
}

TEST(request_to_a_recycled_pid_is_ENOENT_for_who_has_it_now)
{
	struct peer first = peer_for_sockets();
	struct peer_options again = { .codes = SOCKET_CODES };
	struct peer second;
	struct ipcshim_publish publish_it = publish_args(NAME);
	struct ipcshim_connect_service args = connect_args(NAME);
	struct ipcshim_accept accept = { 0 };
	int port = socket_port();
	struct waiter client;

	ASSERT_EQ(0, peer_ioctl(&first, -1, IPCSHIM_PUBLISH, &publish_it));
	waiter_start(&client, port, IPCSHIM_CONNECT_SERVICE, &args);
	accept.request = peer_event(&first).token;
	peer_kill(&first);
	ASSERT_EQ(ECONNRESET, waiter_end(&client));
	again.pid = first.pid;
	second = peer_start(&again);
	ASSERT_EQ(first.pid, second.pid);
	ASSERT_EQ(ENOENT, peer_ioctl(&second, -1, IPCSHIM_ACCEPT, &accept));
	ASSERT_EQ(0, peer_events_waiting(&second));
	ASSERT_EQ(0, has_service(port, NAME).exists);
}
