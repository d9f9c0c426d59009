// SPDX-License-Identifier: MIT
/* The service of a thousand clients: one thread, one port, one epoll set. */
#include <errno.h>
#include <fcntl.h>
#include <linux/ipcshim.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "socket_clients.h"

enum { EVENTS = 64 };

struct server {
	struct hall *hall;
	int port;
	int set;
	unsigned int sockets; /* open */
	unsigned int gone; /* clients, of which it was told */
};

void fail(const char *format, ...)
{
	char text[256];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	dprintf(1, "%s\n", text);
	_exit(1);
}

uint64_t answer_to(const struct request *request)
{
	return ((uint64_t)request->client << 32 | request->number) * 0x9e3779b97f4a7c15ULL;
}

static void more(uint32_t *counter)
{
	__atomic_fetch_add(counter, 1, __ATOMIC_RELEASE);
}

static void watch(const struct server *server, int fd)
{
	struct epoll_event event = { .events = EPOLLIN, .data.fd = fd };

	if (epoll_ctl(server->set, EPOLL_CTL_ADD, fd, &event))
		fail("epoll_ctl: %s", strerror(errno));
}

static void accept_client(struct server *server, const struct ipcshim_event *event)
{
	struct ipcshim_accept args = { .request = event->token };

	if (ioctl(server->port, IPCSHIM_ACCEPT, &args))
		fail("ACCEPT: %s", strerror(errno));
	if (args.pid != event->pid)
		fail("process %u asked, and %u was accepted", event->pid, args.pid);
	server->sockets++;
	watch(server, args.fd);
}

static void client_gone(struct server *server, const struct ipcshim_event *event)
{
	const struct ipcshim_sock_closed *closed = &event->sock_closed;

	server->gone++;
	if (event->code == IPCSHIM_EVENT_SERVICE_CLIENT_CLOSED &&
	    closed->how == IPCSHIM_HOW_CLOSED && !closed->exchanges)
		more(&server->hall->ended);
	else if (event->code == IPCSHIM_EVENT_SERVICE_CLIENT_QUITTED &&
		 closed->how == IPCSHIM_HOW_EXITED && !closed->status && !closed->exchanges)
		more(&server->hall->exited);
	else if (event->code == IPCSHIM_EVENT_SERVICE_CLIENT_QUITTED &&
		 closed->how == IPCSHIM_HOW_KILLED && closed->status == SIGKILL &&
		 closed->exchanges <= 1)
		more(&server->hall->killed);
	else
		fail("a client has gone with the event %#x, how %u, status %d, %u exchanges",
		     event->code, closed->how, closed->status, closed->exchanges);
}

static void read_port(struct server *server)
{
	struct ipcshim_event events[EVENTS];
	ssize_t size = read(server->port, events, sizeof(events));

	if (size < 0)
		fail("a port: %s", strerror(errno));
	for (ssize_t i = 0; i < size / (ssize_t)sizeof(events[0]); i++) {
		if (events[i].code == IPCSHIM_EVENT_SERVICE_CONN_REQUEST)
			accept_client(server, &events[i]);
		else
			client_gone(server, &events[i]);
	}
}

static void read_socket(struct server *server, int fd)
{
	struct request request;
	struct ipcshim_read_sock_msg args = {
		.buffer = (uintptr_t)&request,
		.size = sizeof(request),
		.flags = IPCSHIM_SOCK_NOWAIT,
	};
	uint64_t result;
	struct ipcshim_send_sock_msg reply = {
		.buffer = (uintptr_t)&result,
	};

	if (ioctl(fd, IPCSHIM_READ_SOCK_MSG, &args)) {
		if (errno == EAGAIN)
			return;
		if (errno != EPIPE && errno != ECONNRESET)
			fail("READ_SOCK_MSG: %s", strerror(errno));
		close(fd);
		server->sockets--;
		return;
	}
	if (args.message.length != sizeof(request))
		fail("a request of %llu bytes", (unsigned long long)args.message.length);
	if (request.unanswered) {
		more(&server->hall->unanswered);
		return;
	}
	result = answer_to(&request);
	reply.message = (struct ipcshim_message){ .exchange = args.message.exchange,
						  .length = sizeof(result),
						  .status = IPCSHIM_MESSAGE_CLOSE };
	if (ioctl(fd, IPCSHIM_SEND_SOCK_MSG, &reply))
		fail("an answer: %s", strerror(errno));
}

void serve(struct hall *hall)
{
	struct ipcshim_handle handle = {
		.codes = { 1ULL << IPCSHIM_EVENT_SERVICE_CLIENT_CLOSED |
			   1ULL << IPCSHIM_EVENT_SERVICE_CLIENT_QUITTED },
	};
	struct ipcshim_publish publish = { .name = (uintptr_t)SERVICE_NAME,
					   .name_length = sizeof(SERVICE_NAME) - 1 };
	struct server server = { .hall = hall };
	struct epoll_event ready[EVENTS];

	server.port = open(IPCSHIM_DEVICE, O_RDWR | O_CLOEXEC);
	server.set = epoll_create1(EPOLL_CLOEXEC);
	if (server.port < 0 || server.set < 0 ||
	    ioctl(server.port, IPCSHIM_HANDLE_SIGNAL, &handle) ||
	    ioctl(server.port, IPCSHIM_PUBLISH, &publish))
		fail("the service: %s", strerror(errno));
	watch(&server, server.port);
	more(&hall->serving);
	while (server.gone < hall->clients || server.sockets) {
		int count = epoll_wait(server.set, ready, EVENTS, -1);

		if (count < 0)
			fail("epoll_wait: %s", strerror(errno));
		for (int i = 0; i < count; i++) {
			if (ready[i].data.fd == server.port)
				read_port(&server);
			else
				read_socket(&server, ready[i].data.fd);
		}
	}
	exit(0);
}
