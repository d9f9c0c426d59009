// SPDX-License-Identifier: MIT
#include "socket_actor.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { REASON = 4711, NAMES = 4 };

void count(struct actor *actor, enum socket_deed deed)
{
	__atomic_fetch_add(&actor->stage->done[deed], 1, __ATOMIC_RELAXED);
}

void refused(struct actor *actor, const char *call, const int *reasons)
{
	int error = errno;

	count(actor, REFUSED);
	if (error == EPIPE)
		count(actor, OTHER_ENDED);
	if (error == ECONNRESET)
		count(actor, OTHER_DIED);
	while (*reasons && *reasons != error)
		reasons++;
	if (!*reasons)
		wrong("%s: %s", call, strerrorname_np(error));
}

void let_go(struct held_socket *socket)
{
	if (socket->fd >= 0)
		close(socket->fd);
	*socket = (struct held_socket){ .fd = -1 };
}

struct held_socket *keep_socket(struct actor *actor, int fd, uint16_t role, uint64_t connection,
				uint64_t inode, bool alone)
{
	struct held_socket *place = &actor->sockets[below(&actor->random, SOCKETS_MAX)];

	if (!connection || !inode || (role != IPCSHIM_ROLE_CLIENT && role != IPCSHIM_ROLE_SERVICE))
		wrong("a socket of connection %llu with role %u and inode %llu",
		      (unsigned long long)connection, role, (unsigned long long)inode);
	/* More than one way to the same side. */
	for (unsigned int i = 0; i < SOCKETS_MAX; i++) {
		struct held_socket *other = &actor->sockets[i];

		if (other->fd < 0 || other->inode != inode)
			continue;
		other->alone = false;
		alone = false;
		if (other->connection != connection || other->role != role)
			wrong("inode %llu is of two sides", (unsigned long long)inode);
	}
	let_go(place);
	*place = (struct held_socket){ .fd = fd,
				       .role = role,
				       .alone = alone,
				       .connection = connection,
				       .inode = inode };
	return place;
}

static struct held_socket *any_socket(struct actor *actor)
{
	unsigned int place = below(&actor->random, SOCKETS_MAX);

	for (unsigned int i = 0; i < SOCKETS_MAX; i++) {
		struct held_socket *socket = &actor->sockets[(place + i) % SOCKETS_MAX];

		if (socket->fd >= 0)
			return socket;
	}
	return NULL;
}

/* Whoever calls there waits for an answer that only it could give. */
static bool is_both_sides(const struct actor *actor, const struct held_socket *socket)
{
	for (unsigned int i = 0; i < SOCKETS_MAX; i++) {
		const struct held_socket *other = &actor->sockets[i];

		if (other->fd >= 0 && other->connection == socket->connection &&
		    other->role != socket->role)
			return true;
	}
	return false;
}

static uint64_t any_name(struct actor *actor)
{
	static const char names[NAMES][8] = { "storm.0", "storm.1", "storm.2", "storm.3" };

	return (uintptr_t)names[below(&actor->random, NAMES)];
}

static void publish(struct actor *actor)
{
	static const int reasons[] = { EADDRINUSE, 0 };
	struct ipcshim_publish args = {
		.name = any_name(actor),
		.name_length = 7,
		.message_max = below(&actor->random, 2) ? 0 : PAYLOAD_MAX,
	};

	if (ioctl(actor->port, IPCSHIM_PUBLISH, &args))
		return refused(actor, "PUBLISH", reasons);
	count(actor, PUBLISHED);
	actor->services[below(&actor->random, 2)] = args.service;
}

static void withdraw(struct actor *actor)
{
	static const int reasons[] = { ENOENT, 0 }; /* by a forked child, or twice */
	struct ipcshim_withdraw args = { .service = actor->services[below(&actor->random, 2)] };

	if (ioctl(actor->port, IPCSHIM_WITHDRAW, &args))
		return refused(actor, "WITHDRAW", reasons);
	count(actor, WITHDRAWN);
}

static void connect_service(struct actor *actor)
{
	static const int reasons[] = { ENOENT,	   EAGAIN,	EMSGSIZE, ECONNREFUSED,
				       ECONNRESET, ETIMEDOUT, EINTR,    0 };
	/* (The last is not for a child: its parent would not know of one more descriptor.) */
	static const uint32_t flags[] = { 0, IPCSHIM_CONNECT_WAIT, IPCSHIM_CONNECT_NONBLOCK,
					  IPCSHIM_CONNECT_FLEXIBLE };
	struct ipcshim_connect_service args = {
		.name = any_name(actor),
		.name_length = 7,
		.flags = flags[below(&actor->random, actor->child ? 3 : 4)],
		.deadline = soon(&actor->random, 20000000),
		.message_max = below(&actor->random, 2) ? 0 : IPCSHIM_SOCKET_MESSAGE,
	};

	if (ioctl(actor->port, IPCSHIM_CONNECT_SERVICE, &args)) {
		if (errno == ECONNREFUSED && args.reason != REASON)
			wrong("a service rejects with %u, expected %u", args.reason, REASON);
		if (errno == ECONNREFUSED)
			count(actor, REJECTED);
		if (errno == ETIMEDOUT)
			count(actor, UNANSWERED);
		if (errno == ECONNRESET)
			count(actor, ABANDONED);
		return refused(actor, "CONNECT_SERVICE", reasons);
	}
	count(actor, args.existing ? CONNECTED_AGAIN : CONNECTED);
	if (args.existing && !(args.flags & IPCSHIM_CONNECT_FLEXIBLE))
		wrong("a connection that was open already, and was not asked for");
	/* An existing one may be known to others by now. */
	keep_socket(actor, args.fd, IPCSHIM_ROLE_CLIENT, args.connection, args.inode,
		    !args.existing && !actor->child);
}

static void open_socket(struct actor *actor)
{
	static const int reasons[] = { ESRCH, ECONNREFUSED, EAGAIN, 0 };
	uint16_t role = (uint16_t)(1 + below(&actor->random, 2));
	struct ipcshim_open_serv_sock args = {
		.pid = below(&actor->random, 3) ? any_pid(&actor->stage->cast, &actor->random) : 0,
		.role = role,
		.message_max = below(&actor->random, 2) ? 0 : PAYLOAD_MAX,
		.flags = below(&actor->random, 4) ? 0 : IPCSHIM_OPEN_NONBLOCK,
	};

	if (args.pid && !below(&actor->random, 8))
		args.flags |= IPCSHIM_OPEN_SKIP; /* a token that nobody claims */
	if (ioctl(actor->port, IPCSHIM_OPEN_SERV_SOCK, &args))
		return refused(actor, "OPEN_SERV_SOCK", reasons);
	count(actor, args.pid ? HANDED : PAIRED);
	keep_socket(actor, args.fd, role, args.connection, args.inode, true);
	if (args.pid)
		return;
	role = (uint16_t)(IPCSHIM_ROLE_CLIENT + IPCSHIM_ROLE_SERVICE - role);
	keep_socket(actor, args.peer_fd, role, args.connection, inode_of(args.peer_fd), true);
}

static void accept_or_reject(struct actor *actor, const struct ipcshim_event *event)
{
	static const int reasons[] = { ENOENT, 0 }; /* the client has given up */
	unsigned int dice = below(&actor->random, 8);

	if (dice == 0)
		return;
	if (dice == 1) {
		struct ipcshim_reject args = { .request = event->token, .reason = REASON };

		if (ioctl(actor->port, IPCSHIM_REJECT, &args))
			refused(actor, "REJECT", reasons);
	} else {
		struct ipcshim_accept args = {
			.request = event->token,
			.flags = below(&actor->random, 4) ? 0 : IPCSHIM_OPEN_NONBLOCK,
		};

		if (ioctl(actor->port, IPCSHIM_ACCEPT, &args))
			return refused(actor, "ACCEPT", reasons);
		count(actor, ACCEPTED);
		keep_socket(actor, args.fd, IPCSHIM_ROLE_SERVICE, event->token, args.inode, true);
	}
}

static void claim(struct actor *actor, const struct ipcshim_event *event)
{
	static const int reasons[] = { ENOENT, 0 };
	struct ipcshim_claim args = { .token = event->token };

	/* One in eight is left to die with the port. */
	if (!below(&actor->random, 8))
		return;
	if (ioctl(actor->port, IPCSHIM_CLAIM, &args))
		return refused(actor, "CLAIM", reasons);
	if (args.mode != IPCSHIM_SOCKET || args.role != event->recv_serv_sock.role ||
	    args.connection != event->recv_serv_sock.connection ||
	    args.inode != event->recv_serv_sock.inode)
		wrong("connection %llu was announced, and claimed as %llu",
		      (unsigned long long)event->recv_serv_sock.connection,
		      (unsigned long long)args.connection);
	count(actor, CLAIMED);
	keep_socket(actor, args.fd, args.role, args.connection, args.inode, true);
}

static void read_events(struct actor *actor)
{
	struct ipcshim_event events[4];
	ssize_t size = read(actor->port, events, sizeof(events));

	for (ssize_t i = 0; i < size / (ssize_t)sizeof(events[0]); i++) {
		const struct ipcshim_event *event = &events[i];

		if (actor->sequence && event->sequence != actor->sequence + 1)
			wrong("event %llu comes after %llu", (unsigned long long)event->sequence,
			      (unsigned long long)actor->sequence);
		if (actor->sequence || event->sequence == 1)
			actor->sequence = event->sequence;
		switch (event->code) {
		case IPCSHIM_EVENT_SERVICE_CONN_REQUEST:
			accept_or_reject(actor, event);
			break;
		case IPCSHIM_EVENT_RECV_SERV_SOCK:
			claim(actor, event);
			break;
		case IPCSHIM_EVENT_SERVICE_CLIENT_QUITTED:
			if (event->sock_closed.how == IPCSHIM_HOW_CLOSED)
				wrong("a client that quitted has closed in order");
			break;
		}
	}
}

/* Whatever is ready now, or in a moment. */
static void serve(struct actor *actor)
{
	struct pollfd ready[SOCKETS_MAX + 1];

	for (unsigned int i = 0; i < SOCKETS_MAX; i++)
		ready[i] = (struct pollfd){ actor->sockets[i].fd, POLLIN, 0 };
	ready[SOCKETS_MAX] = (struct pollfd){ actor->child ? -1 : actor->port, POLLIN, 0 };
	if (poll(ready, SOCKETS_MAX + 1, (int)below(&actor->random, 3)) <= 0)
		return;
	if (ready[SOCKETS_MAX].revents)
		read_events(actor);
	for (unsigned int i = 0; i < SOCKETS_MAX; i++) {
		struct held_socket *socket = &actor->sockets[i];

		/* What came before may have taken its place. */
		if (!ready[i].revents || socket->fd != ready[i].fd)
			continue;
		if (ready[i].revents & POLLIN)
			read_message(actor, socket);
		else if (!below(&actor->random, 4))
			let_go(socket);
	}
}

static void end(struct actor *actor, struct held_socket *socket)
{
	static const int reasons[] = { EPIPE, ECONNRESET, EINVAL, EPERM, 0 };
	struct ipcshim_end_service_conn end_args = { 0 };
	struct ipcshim_close_serv_sock close_args = { 0 };

	if (ioctl(socket->fd, IPCSHIM_END_SERVICE_CONN, &end_args) == 0)
		count(actor, ENDED);
	else
		refused(actor, "END_SERVICE_CONN", reasons);
	if (ioctl(socket->fd, IPCSHIM_CLOSE_SERV_SOCK, &close_args) == 0)
		count(actor, SHUT);
	else
		refused(actor, "CLOSE_SERV_SOCK", reasons);
}

static bool open_port(struct actor *actor)
{
	struct ipcshim_handle handle = {
		.codes = { 1ULL << IPCSHIM_EVENT_RECV_SERV_SOCK |
			   1ULL << IPCSHIM_EVENT_SERV_SOCK_CLOSED |
			   1ULL << IPCSHIM_EVENT_SERVICE_CONN_REQUEST |
			   1ULL << IPCSHIM_EVENT_SERVICE_CLIENT_CLOSED |
			   1ULL << IPCSHIM_EVENT_SERVICE_CLIENT_QUITTED |
			   1ULL << IPCSHIM_EVENT_SERVICE_SERVER_QUITTED },
	};

	if (!below(&actor->random, 3))
		handle.codes[0] |= 1ULL << IPCSHIM_EVENT_RECV_SOCK_MSG;
	actor->sequence = 0;
	actor->port = open(IPCSHIM_DEVICE, O_RDWR | O_CLOEXEC | O_NONBLOCK);
	if (actor->port < 0)
		return false;
	/* EBUSY: a child of ours still holds the port that was before. */
	return ioctl(actor->port, IPCSHIM_HANDLE_SIGNAL, &handle) == 0 || errno == EBUSY;
}

static void become_two(struct actor *actor)
{
	actor->sequence = 0;
	for (unsigned int i = 0; i < SOCKETS_MAX; i++)
		actor->sockets[i].alone = false;
	if (fork() != 0)
		return count(actor, FORKED);
	/* The group is killed as one, so it ends with its parent. */
	actor->child = true;
	next_random(&actor->random);
	actor->random ^= 0x5555555555555555ULL;
	/* Whose turn it is in these is the parent's to know. */
	for (unsigned int i = 0; i < SOCKETS_MAX; i++)
		memset(actor->sockets[i].known, 0, sizeof(actor->sockets[i].known));
}

static void close_or_copy(struct actor *actor, struct held_socket *socket)
{
	if (below(&actor->random, 4)) {
		let_go(socket);
		return count(actor, CLOSED);
	}
	socket->alone = false;
	keep_socket(actor, fcntl(socket->fd, F_DUPFD_CLOEXEC, 0), socket->role, socket->connection,
		    socket->inode, false);
}

/* What needs no socket; the last ones are the port's owner's. */
static void prepare(struct actor *actor)
{
	unsigned int dice = below(&actor->random, actor->child ? 80 : 100);

	if (dice < 35)
		connect_service(actor);
	else if (dice < 58)
		open_socket(actor);
	else if (dice < 68)
		make_segment(actor);
	else if (dice < 75)
		make_pipe(actor);
	else if (dice < 80)
		tie_a_knot(actor);
	else if (dice < 94)
		publish(actor);
	else if (dice < 97)
		withdraw(actor);
	else if (dice < 98) {
		close(actor->port);
		if (!open_port(actor))
			_exit(1);
	} else
		become_two(actor);
}

static void one_deed(struct actor *actor)
{
	struct held_socket *socket = any_socket(actor);
	unsigned int dice = below(&actor->random, 100);

	if (dice < 15 || !socket)
		prepare(actor);
	else if (dice < 55)
		serve(actor);
	else if (dice < 62)
		open_exchange(actor, socket);
	else if (dice < 74 && (!is_both_sides(actor, socket) || !below(&actor->random, 8)))
		call(actor, socket);
	else if (dice < 80)
		answer(actor, socket);
	else if (dice < 90)
		read_message(actor, socket);
	else if (dice < 93)
		misbehave(actor, socket);
	else if (dice < 94)
		end(actor, socket);
	else if (dice < 97)
		close_or_copy(actor, socket);
}

static void on_alarm(int number)
{
	(void)number;
}

void act_on_sockets(struct socket_stage *stage, uint64_t seed)
{
	struct sigaction action = { .sa_handler = on_alarm };
	struct actor actor = { .stage = stage, .random = seed };

	for (unsigned int i = 0; i < SOCKETS_MAX; i++)
		actor.sockets[i].fd = -1;
	for (unsigned int i = 0; i < PIPES_MAX; i++)
		actor.pipes[i] = -1;
	for (unsigned int i = 0; i < SEGMENTS_MAX; i++)
		actor.segments[i].fd = -1;
	action.sa_flags = below(&actor.random, 2) ? SA_RESTART : 0;
	sigaction(SIGALRM, &action, NULL);
	if (!open_port(&actor))
		_exit(1);
	for (;;)
		one_deed(&actor);
}
