/* SPDX-License-Identifier: MIT */
/*
 * What the tests of services and their sockets share.  Peers are started before a
 * socket is opened: a child inherits what its parent has, and that keeps sides alive.
 */
#ifndef IPCSHIM_TESTS_ABI_SOCKETS_H
#define IPCSHIM_TESTS_ABI_SOCKETS_H

#include <pthread.h>

#include "memory.h"

#define SOCKET_CODES                                                           \
	(1ULL << IPCSHIM_EVENT_RECV_SERV_SOCK | 1ULL << IPCSHIM_EVENT_SERV_SOCK_CLOSED | \
	 CONNECTION_CODES)
/* Those of connections to a service. */
#define CONNECTION_CODES                                                       \
	(1ULL << IPCSHIM_EVENT_SERVICE_CONN_REQUEST |                          \
	 1ULL << IPCSHIM_EVENT_SERVICE_CLIENT_CLOSED |                         \
	 1ULL << IPCSHIM_EVENT_SERVICE_CLIENT_QUITTED |                        \
	 1ULL << IPCSHIM_EVENT_SERVICE_SERVER_QUITTED)
#define MESSAGE_CODE (1ULL << IPCSHIM_EVENT_RECV_SOCK_MSG)

enum {
	CLIENT = IPCSHIM_ROLE_CLIENT,
	SERVICE = IPCSHIM_ROLE_SERVICE,
	CLOSES = IPCSHIM_MESSAGE_CLOSE,
	OPENS = IPCSHIM_MESSAGE_OPENS,
	NOTIFICATION = IPCSHIM_MESSAGE_NOTIFICATION,
	NOWAIT = IPCSHIM_SOCK_NOWAIT,
	SENT = IPCSHIM_CALL_SENT,
	METHOD = 77, /* a code */
	LARGEST = IPCSHIM_SOCKET_MESSAGE,
};

/* A system call of another thread of this process, which may wait. */
struct waiter {
	pthread_t thread;
	int fd;
	unsigned long command;
	void *args;
	pid_t tid;
	int result; /* 0 or an errno */
	bool done; /* the call has returned */
};

void waiter_start(struct waiter *waiter, int fd, unsigned long command, void *args);
int waiter_end(struct waiter *waiter);
/* Lets its system call be interrupted; "restarts": by a handler with SA_RESTART. */
void waiter_interrupt(struct waiter *waiter, bool restarts);
unsigned int interruptions(void); /* that the handler has seen */

/* Memory that peers started later share with their parent, for what an ioctl points to. */
void *shared_memory(size_t size);

/* Ports and names. */
int socket_port(void); /* handles SOCKET_CODES, no signals */
void handle_messages(int port); /* RECV_SOCK_MSG as well */
struct ipcshim_publish publish_args(const char *name);
uint64_t publish(int port, const char *name, uint32_t message_max);
struct ipcshim_has_service has_args(const char *name);
struct ipcshim_has_service has_service(int port, const char *name);
struct ipcshim_connect_service connect_args(const char *name);

/* Connections; both sides in this process. */
struct pair {
	int client;
	int service;
	uint64_t connection;
};

struct ipcshim_open_serv_sock open_socket_args(void); /* both sides stay, I keep the client's */
struct pair pair_open(int port, uint32_t message_max);
struct pair pair_nonblocking(int port);
void pair_close(struct pair *pair);
/* To a name that "port" has published: asks by another thread, and accepts. */
struct pair pair_connect(int port, struct ipcshim_connect_service args);

/* Messages. */
struct ipcshim_send_sock_msg first_args(const void *buffer, size_t size);
struct ipcshim_send_sock_msg answer_args(uint64_t exchange, const void *buffer, size_t size);
struct ipcshim_read_sock_msg read_msg_args(void *buffer, size_t size);
struct ipcshim_call call_args(const void *request, size_t length, void *buffer, size_t size);
uint64_t open_exchange(int socket, const void *buffer, size_t size); /* its number */
void answer(int socket, uint64_t exchange, const void *buffer, size_t size);
void conclude(int socket, uint64_t exchange); /* an empty message with CLOSE */
/* The next message, which has to wait there, and to fit. */
struct ipcshim_read_sock_msg read_message(int socket, void *buffer, size_t size);
uint64_t take_request(int socket); /* reads one of any length up to LARGEST: its exchange */
/* Nothing waits there. */
void expect_no_message(int socket);
/* Every first message and its answer still pass, both ways. */
void expect_works(struct pair pair);

/* Messages that carry descriptors, and nothing else. */
struct ipcshim_descriptor carried(int fd); /* an end of a pipe, or a socket */
struct ipcshim_descriptor carried_segment(int fd, unsigned int mode, unsigned int rights);
int try_send_with(int socket, const struct ipcshim_descriptor *descriptors, unsigned int count);
uint64_t send_with(int socket, const struct ipcshim_descriptor *descriptors, unsigned int count);
/* The next message, which has so many; its exchange. */
uint64_t read_with(int socket, struct ipcshim_descriptor *descriptors, unsigned int count);

/* What fdinfo says, as a number. */
unsigned long long socket_info(int socket, const char *name);
void wait_for_info(int socket, const char *name, unsigned long long value);

struct exchange_info {
	bool open;
	unsigned int code;
	unsigned int opener; /* CLIENT or SERVICE */
	unsigned int turn; /* likewise, 0: none */
	unsigned long long counter;
	pid_t waits;
};

struct exchange_info exchange_info(int socket, uint64_t exchange);
void wait_for_caller(int socket, uint64_t exchange, pid_t tid);

/* Events. */
struct ipcshim_event event_of(int port, unsigned int code); /* the next one, which has that code */
void events_drop(int port);
bool readable(int fd);

/* Peers with all codes of sockets, as root. */
struct peer peer_for_sockets(void);
/* A connection of which the peer has the other side; it claimed that. */
struct remote {
	int fd; /* ours */
	int peer_fd; /* the peer's */
	uint64_t connection;
	uint64_t inode;
	uint64_t peer_inode;
};

struct remote remote_open(int port, struct peer *peer, unsigned int my_role);

#endif
