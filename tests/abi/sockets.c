// SPDX-License-Identifier: MIT
/* Names, connections and messages; see sockets.h. */
#include "sockets.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "harness.h"
#include "memory.h"

static volatile sig_atomic_t interrupted;

static void on_interrupt(int number)
{
	(void)number;
	interrupted++;
}

unsigned int interruptions(void)
{
	return (unsigned int)interrupted;
}

static void *waiter_body(void *argument)
{
	struct waiter *waiter = argument;

	__atomic_store_n(&waiter->tid, (pid_t)syscall(SYS_gettid), __ATOMIC_RELEASE);
	waiter->result = ioctl(waiter->fd, waiter->command, waiter->args) < 0 ? errno : 0;
	__atomic_store_n(&waiter->done, true, __ATOMIC_RELEASE);
	return NULL;
}

void waiter_start(struct waiter *waiter, int fd, unsigned long command, void *args)
{
	*waiter = (struct waiter){ .fd = fd, .command = command, .args = args };
	ASSERT_EQ(0, pthread_create(&waiter->thread, NULL, waiter_body, waiter));
	while (!__atomic_load_n(&waiter->tid, __ATOMIC_ACQUIRE))
		sched_yield();
}

int waiter_end(struct waiter *waiter)
{
	ASSERT_EQ(0, pthread_join(waiter->thread, NULL));
	return waiter->result;
}

void waiter_interrupt(struct waiter *waiter, bool restarts)
{
	struct sigaction action = {
		.sa_handler = on_interrupt,
		.sa_flags = restarts ? SA_RESTART : 0,
	};
	unsigned int before = interruptions();

	ASSERT_OK(sigaction(SIGUSR1, &action, NULL));
	ASSERT_EQ(0, pthread_kill(waiter->thread, SIGUSR1));
	while (interruptions() == before)
		sched_yield();
}

void *shared_memory(size_t size)
{
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	ASSERT_TRUE(memory != MAP_FAILED);
	return memory;
}

static void handle(int port, uint64_t codes)
{
	struct ipcshim_handle args = { .codes = { codes } };

	ASSERT_OK(ioctl(port, IPCSHIM_HANDLE_SIGNAL, &args));
}

int socket_port(void)
{
	int port = port_open();

	handle(port, SOCKET_CODES);
	return port;
}

void handle_messages(int port)
{
	handle(port, MESSAGE_CODE);
}

struct ipcshim_publish publish_args(const char *name)
{
	return (struct ipcshim_publish){
		.name = (uintptr_t)name,
		.name_length = (uint32_t)strlen(name),
	};
}

uint64_t publish(int port, const char *name, uint32_t message_max)
{
	struct ipcshim_publish args = publish_args(name);

	args.message_max = message_max;
	ASSERT_OK(ioctl(port, IPCSHIM_PUBLISH, &args));
	return args.service;
}

struct ipcshim_has_service has_args(const char *name)
{
	return (struct ipcshim_has_service){
		.name = (uintptr_t)name,
		.name_length = (uint32_t)strlen(name),
	};
}

struct ipcshim_has_service has_service(int port, const char *name)
{
	struct ipcshim_has_service args = has_args(name);

	ASSERT_OK(ioctl(port, IPCSHIM_HAS_SERVICE, &args));
	ASSERT_TRUE(args.exists <= 1);
	return args;
}

struct ipcshim_connect_service connect_args(const char *name)
{
	return (struct ipcshim_connect_service){
		.name = (uintptr_t)name,
		.name_length = (uint32_t)strlen(name),
		/* Longer than a test may take. */
		.deadline = in_nanoseconds(100000000000U),
		.fd = -1,
	};
}

struct ipcshim_open_serv_sock open_socket_args(void)
{
	return (struct ipcshim_open_serv_sock){ .role = CLIENT };
}

static struct pair pair_with(int port, uint32_t message_max, uint32_t flags)
{
	struct ipcshim_open_serv_sock args = open_socket_args();

	args.message_max = message_max;
	args.flags = flags;
	ASSERT_OK(ioctl(port, IPCSHIM_OPEN_SERV_SOCK, &args));
	return (struct pair){ args.fd, args.peer_fd, args.connection };
}

struct pair pair_open(int port, uint32_t message_max)
{
	return pair_with(port, message_max, 0);
}

struct pair pair_nonblocking(int port)
{
	return pair_with(port, 0, IPCSHIM_OPEN_NONBLOCK);
}

void pair_close(struct pair *pair)
{
	ASSERT_OK(close(pair->client));
	ASSERT_OK(close(pair->service));
}

struct pair pair_connect(int port, struct ipcshim_connect_service args)
{
	struct ipcshim_accept accept = { 0 };
	struct waiter client;

	waiter_start(&client, port, IPCSHIM_CONNECT_SERVICE, &args);
	accept.request = event_of(port, IPCSHIM_EVENT_SERVICE_CONN_REQUEST).token;
	ASSERT_OK(ioctl(port, IPCSHIM_ACCEPT, &accept));
	ASSERT_EQ(0, waiter_end(&client));
	return (struct pair){ args.fd, accept.fd, args.connection };
}

struct ipcshim_send_sock_msg first_args(const void *buffer, size_t size)
{
	return (struct ipcshim_send_sock_msg){
		.message = { .code = METHOD, .length = size },
		.buffer = (uintptr_t)buffer,
	};
}

struct ipcshim_send_sock_msg answer_args(uint64_t exchange, const void *buffer, size_t size)
{
	return (struct ipcshim_send_sock_msg){
		.message = { .exchange = exchange, .length = size },
		.buffer = (uintptr_t)buffer,
	};
}

struct ipcshim_read_sock_msg read_msg_args(void *buffer, size_t size)
{
	return (struct ipcshim_read_sock_msg){
		.buffer = (uintptr_t)buffer,
		.size = size,
		.flags = NOWAIT,
	};
}

struct ipcshim_call call_args(const void *request, size_t length, void *buffer, size_t size)
{
	return (struct ipcshim_call){
		.message = { .code = METHOD, .length = length },
		.request = (uintptr_t)request,
		.buffer = (uintptr_t)buffer,
		.size = size,
	};
}

uint64_t open_exchange(int socket, const void *buffer, size_t size)
{
	struct ipcshim_send_sock_msg args = first_args(buffer, size);

	args.flags = NOWAIT;
	ASSERT_OK(ioctl(socket, IPCSHIM_SEND_SOCK_MSG, &args));
	return args.message.exchange;
}

void answer(int socket, uint64_t exchange, const void *buffer, size_t size)
{
	struct ipcshim_send_sock_msg args = answer_args(exchange, buffer, size);

	ASSERT_OK(ioctl(socket, IPCSHIM_SEND_SOCK_MSG, &args));
}

void conclude(int socket, uint64_t exchange)
{
	struct ipcshim_send_sock_msg args = answer_args(exchange, NULL, 0);

	args.message.status = CLOSES;
	ASSERT_OK(ioctl(socket, IPCSHIM_SEND_SOCK_MSG, &args));
}

struct ipcshim_read_sock_msg read_message(int socket, void *buffer, size_t size)
{
	struct ipcshim_read_sock_msg args = read_msg_args(buffer, size);

	ASSERT_OK(ioctl(socket, IPCSHIM_READ_SOCK_MSG, &args));
	return args;
}

struct ipcshim_descriptor carried(int fd)
{
	return (struct ipcshim_descriptor){ .fd = fd };
}

struct ipcshim_descriptor carried_segment(int fd, unsigned int mode, unsigned int rights)
{
	return (struct ipcshim_descriptor){
		.fd = fd,
		.mode = (uint16_t)mode,
		.rights = (uint16_t)rights,
	};
}

static int send_carrying(int socket, const struct ipcshim_descriptor *descriptors,
			 unsigned int count, uint64_t *exchange)
{
	struct ipcshim_send_sock_msg args = first_args(NULL, 0);
	int result;

	args.message.nr_descriptors = (uint16_t)count;
	args.descriptors = (uintptr_t)descriptors;
	args.flags = NOWAIT;
	result = ioctl(socket, IPCSHIM_SEND_SOCK_MSG, &args) < 0 ? errno : 0;
	*exchange = args.message.exchange;
	return result;
}

int try_send_with(int socket, const struct ipcshim_descriptor *descriptors, unsigned int count)
{
	uint64_t exchange;

	return send_carrying(socket, descriptors, count, &exchange);
}

uint64_t send_with(int socket, const struct ipcshim_descriptor *descriptors, unsigned int count)
{
	uint64_t exchange;

	ASSERT_EQ(0, send_carrying(socket, descriptors, count, &exchange));
	return exchange;
}

uint64_t read_with(int socket, struct ipcshim_descriptor *descriptors, unsigned int count)
{
	struct ipcshim_read_sock_msg args = read_msg_args(NULL, 0);

	args.descriptors = (uintptr_t)descriptors;
	args.room = count;
	ASSERT_OK(ioctl(socket, IPCSHIM_READ_SOCK_MSG, &args));
	ASSERT_EQ(count, args.message.nr_descriptors);
	return args.message.exchange;
}

uint64_t take_request(int socket)
{
	static char buffer[LARGEST];

	return read_message(socket, buffer, sizeof(buffer)).message.exchange;
}

void expect_no_message(int socket)
{
	struct ipcshim_read_sock_msg args = read_msg_args(NULL, 0);

	ASSERT_ERRNO(EAGAIN, ioctl(socket, IPCSHIM_READ_SOCK_MSG, &args));
	ASSERT_TRUE(!readable(socket));
	ASSERT_EQ(0, socket_info(socket, "ipcshim-messages"));
	ASSERT_EQ(0, socket_info(socket, "ipcshim-bytes"));
}

static void one_way(int from, int to)
{
	char sent[100];
	char got[100];
	uint64_t exchange;

	fill_pattern(sent, sizeof(sent), 1);
	exchange = open_exchange(from, sent, sizeof(sent));
	ASSERT_EQ(exchange, read_message(to, got, sizeof(got)).message.exchange);
	check_pattern(got, sizeof(got), 1);
	conclude(to, exchange);
	ASSERT_EQ(exchange, read_message(from, got, sizeof(got)).message.exchange);
}

void expect_works(struct pair pair)
{
	one_way(pair.client, pair.service);
	one_way(pair.service, pair.client);
}

unsigned long long socket_info(int socket, const char *name)
{
	const char *line = fdinfo(socket, name);
	char *end;
	unsigned long long value = strtoull(line, &end, 10);

	if (end == line)
		test_failed(__FILE__, __LINE__, "%s is \"%s\" in fdinfo", name, line);
	return value;
}

void wait_for_info(int socket, const char *name, unsigned long long value)
{
	while (socket_info(socket, name) != value)
		sched_yield();
}

static unsigned int role_of(const char *name)
{
	if (strcmp(name, "none") == 0)
		return 0;
	ASSERT_TRUE(strcmp(name, "client") == 0 || strcmp(name, "service") == 0);
	return name[0] == 'c' ? CLIENT : SERVICE;
}

struct exchange_info exchange_info(int socket, uint64_t exchange)
{
	struct exchange_info info = { 0 };
	char path[64];
	char line[160];
	FILE *file;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", socket);
	file = fopen(path, "re");
	ASSERT_TRUE(file);
	while (!info.open && fgets(line, sizeof(line), file)) {
		unsigned long long number;
		char opener[8];
		char turn[8];
		int waits;

		if (sscanf(line, "ipcshim-exchange: %llu code=%u opener=%7s turn=%7s counter=%llu waits=%d",
			   &number, &info.code, opener, turn, &info.counter, &waits) != 6)
			continue;
		if (number != exchange)
			continue;
		info.open = true;
		info.opener = role_of(opener);
		info.turn = role_of(turn);
		info.waits = waits;
	}
	fclose(file);
	return info;
}

void wait_for_caller(int socket, uint64_t exchange, pid_t tid)
{
	while (exchange_info(socket, exchange).waits != tid)
		sched_yield();
}

struct ipcshim_event event_of(int port, unsigned int code)
{
	struct ipcshim_event event = event_read(port);

	ASSERT_EQ(code, event.code);
	ASSERT_EQ(0, event.flags);
	return event;
}

void events_drop(int port)
{
	while (events_waiting(port))
		event_read(port);
}

bool readable(int fd)
{
	struct pollfd ready = { .fd = fd, .events = POLLIN };

	ASSERT_TRUE(poll(&ready, 1, 0) >= 0);
	return ready.revents & POLLIN;
}

struct peer peer_for_sockets(void)
{
	static const struct peer_options options = { .codes = SOCKET_CODES };

	return peer_start(&options);
}

struct remote remote_open(int port, struct peer *peer, unsigned int my_role)
{
	struct ipcshim_open_serv_sock args = open_socket_args();
	struct ipcshim_claim claim;

	args.pid = (uint32_t)peer->pid;
	args.role = (uint16_t)my_role;
	args.flags = IPCSHIM_OPEN_SKIP;
	ASSERT_OK(ioctl(port, IPCSHIM_OPEN_SERV_SOCK, &args));
	claim = peer_take(peer, args.token);
	return (struct remote){ args.fd, claim.fd, args.connection, args.inode, claim.inode };
}
