// SPDX-License-Identifier: MIT
/*
 * Services and sockets without memory, at each allocation (or copy) of each call in
 * turn: ENOMEM (EFAULT), and nothing has changed.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "harness.h"
#include "injection.h"
#include "sockets.h"

#define NAME "abi.nomem"

enum { LENGTH = 1000 }; /* small enough that there is one way only to get memory for it */

static char payload[LARGEST];

struct subject {
	int port;
	struct peer peer;
	struct pair pair;
	struct pair other;
	struct ends ends;
	int segment;
	char *address;
	uint64_t number; /* of what was made: a name, an exchange */
	struct ipcshim_open_serv_sock open_socket;
	struct ipcshim_connect_service connect;
	struct ipcshim_descriptor got[3];
	struct ipcshim_query before; /* what exists, where another thread takes part */
};

static int errno_of(long result)
{
	return result < 0 ? errno : 0;
}

static int publishes(void *argument)
{
	struct subject *subject = argument;
	struct ipcshim_publish args = publish_args(NAME);
	int result = errno_of(ioctl(subject->port, IPCSHIM_PUBLISH, &args));

	subject->number = args.service;
	return result;
}

static void withdraws(void *argument)
{
	struct subject *subject = argument;
	struct ipcshim_withdraw args = { .service = subject->number };

	ASSERT_OK(ioctl(subject->port, IPCSHIM_WITHDRAW, &args));
}

static void has_no_name(void *argument)
{
	ASSERT_EQ(0, has_service(((struct subject *)argument)->port, NAME).exists);
}

TEST(publish_without_memory_is_ENOMEM_and_the_name_is_free)
{
	struct subject subject = { .port = port_open() };

	fail_each(&(struct attempt){ publishes, withdraws, has_no_name, 0 }, &subject,
		  subject.port);
}

static int opens_socket(void *argument)
{
	struct subject *subject = argument;

	subject->open_socket = open_socket_args();
	subject->open_socket.pid = (uint32_t)subject->peer.pid;
	return errno_of(ioctl(subject->port, IPCSHIM_OPEN_SERV_SOCK, &subject->open_socket));
}

static void closes_socket(void *argument)
{
	struct subject *subject = argument;

	if (subject->peer.pid)
		peer_reopen_port(&subject->peer);
	else
		close(subject->open_socket.peer_fd);
	close(subject->open_socket.fd);
}

TEST(open_serv_sock_without_memory_is_ENOMEM_and_leaves_nothing)
{
	struct subject subject = { .port = port_open() };

	fail_each(&(struct attempt){ opens_socket, closes_socket, NULL, 0 }, &subject,
		  subject.port);
}

TEST(open_serv_sock_to_a_process_without_memory_is_ENOMEM_and_leaves_nothing)
{
	struct subject subject = { .port = port_open(), .peer = peer_for_sockets() };

	fail_each(&(struct attempt){ opens_socket, closes_socket, NULL, 0 }, &subject,
		  subject.port);
}

/* Rejects whoever asks, and counts. */
static unsigned int rejected;

static void *rejects(void *argument)
{
	const struct subject *subject = argument;

	for (;;) {
		struct ipcshim_reject args = {
			.request = event_of(subject->port, IPCSHIM_EVENT_SERVICE_CONN_REQUEST).token,
		};

		__atomic_add_fetch(&rejected, 1, __ATOMIC_SEQ_CST);
		ASSERT_OK(ioctl(subject->port, IPCSHIM_REJECT, &args));
	}
	return NULL;
}

/* To be asked, and rejected, is the success. */
static int connects(void *argument)
{
	struct subject *subject = argument;
	int result;

	subject->connect = connect_args(NAME);
	subject->number = rejected;
	result = errno_of(ioctl(subject->port, IPCSHIM_CONNECT_SERVICE, &subject->connect));
	ASSERT_TRUE(result != 0);
	return result == ECONNREFUSED ? 0 : result;
}

static void was_asked(void *argument)
{
	const struct subject *subject = argument;

	ASSERT_EQ(subject->number + 1, rejected);
	/* The thread that rejects holds on to the request until its call returns. */
	query_settles(subject->port, &subject->before);
}

static void was_not_asked(void *argument)
{
	const struct subject *subject = argument;

	ASSERT_EQ(0, events_waiting(subject->port));
	ASSERT_EQ(subject->number, rejected);
}

TEST(connect_without_memory_is_ENOMEM_and_the_service_is_not_asked)
{
	struct subject subject = { .port = socket_port() };
	pthread_t service;

	publish(subject.port, NAME, 0);
	subject.before = query(subject.port);
	ASSERT_EQ(0, pthread_create(&service, NULL, rejects, &subject));
	fail_each(&(struct attempt){ connects, was_asked, was_not_asked, 0 }, &subject,
		  subject.port);
}

static int connects_flexible(void *argument)
{
	struct subject *subject = argument;

	subject->connect = connect_args(NAME);
	subject->connect.flags = IPCSHIM_CONNECT_FLEXIBLE;
	return errno_of(ioctl(subject->port, IPCSHIM_CONNECT_SERVICE, &subject->connect));
}

static void closes_connected(void *argument)
{
	close(((struct subject *)argument)->connect.fd);
}

TEST(connect_flexible_without_memory_is_ENOMEM_and_the_connection_stays)
{
	struct subject subject = { .port = socket_port() };

	publish(subject.port, NAME, 0);
	subject.pair = pair_connect(subject.port, connect_args(NAME));
	fail_each(&(struct attempt){ connects_flexible, closes_connected, NULL, 0 },
		  &subject, subject.port);
	expect_works(subject.pair);
}

static int accepts(void *argument)
{
	struct subject *subject = argument;
	struct ipcshim_accept args = { .request = subject->number };
	int result = errno_of(ioctl(subject->port, IPCSHIM_ACCEPT, &args));

	subject->pair.service = args.fd;
	return result;
}

TEST(accept_without_memory_is_ENOMEM_and_the_request_stays)
{
	struct subject subject = { .port = socket_port() };
	int injector = injector_open();
	unsigned int refusals = 0;
	unsigned int n = 1;
	bool taken;

	publish(subject.port, NAME, 0);
	do {
		struct state before = state_now(subject.port);
		struct waiter client;
		int result;

		subject.connect = connect_args(NAME);
		waiter_start(&client, subject.port, IPCSHIM_CONNECT_SERVICE, &subject.connect);
		subject.number =
			event_of(subject.port, IPCSHIM_EVENT_SERVICE_CONN_REQUEST).token;
		taken = with_fault(injector, n++, accepts, &subject, &result);
		ASSERT_TRUE(result == 0 || result == ENOMEM || result == EFAULT);
		refusals += result == ENOMEM;
		if (result)
			ASSERT_EQ(0, accepts(&subject));
		ASSERT_EQ(0, waiter_end(&client));
		subject.pair.client = subject.connect.fd;
		expect_works(subject.pair);
		pair_close(&subject.pair);
		events_drop(subject.port);
		state_same(subject.port, &before);
	} while (taken);
	ASSERT_TRUE(refusals > 0);
}

static void works_again(void *argument)
{
	struct subject *subject = argument;

	/* Nothing is under way, nor is it anybody's turn. */
	expect_no_message(subject->pair.service);
	expect_no_message(subject->pair.client);
	ASSERT_EQ(0, socket_info(subject->pair.client, "ipcshim-exchanges"));
	ASSERT_EQ(0, events_waiting(subject->port));
}

/* A fault of the last copy, which tells what was sent, is one after a success. */
static int unless_sent(const struct subject *subject, int result)
{
	return result == EFAULT && readable(subject->pair.service) ? 0 : result;
}

static int sends(void *argument)
{
	struct subject *subject = argument;
	struct ipcshim_send_sock_msg args = first_args(payload, LENGTH);

	return unless_sent(subject, errno_of(ioctl(subject->pair.client, IPCSHIM_SEND_SOCK_MSG,
						   &args)));
}

static void takes(void *argument)
{
	struct subject *subject = argument;

	if (events_waiting(subject->port))
		event_of(subject->port, IPCSHIM_EVENT_RECV_SOCK_MSG);
	subject->number = take_request(subject->pair.service);
	conclude(subject->pair.service, subject->number);
	ASSERT_EQ(subject->number, take_request(subject->pair.client));
	events_drop(subject->port);
}

TEST(send_without_memory_is_ENOMEM_and_sends_nothing)
{
	struct subject subject = { .port = port_open() };

	subject.pair = pair_open(subject.port, 0);
	fail_each(&(struct attempt){ sends, takes, works_again, 0 }, &subject, subject.port);
}

TEST(send_that_is_announced_without_memory_is_ENOMEM_and_neither_sends_nor_announces)
{
	struct subject subject = { .port = socket_port() };

	handle_messages(subject.port);
	subject.pair = pair_open(subject.port, 0);
	fail_each(&(struct attempt){ sends, takes, works_again, 0 }, &subject, subject.port);
}

static int answers(void *argument)
{
	struct subject *subject = argument;
	struct ipcshim_send_sock_msg args = answer_args(subject->number, payload, LENGTH);
	int result = errno_of(ioctl(subject->pair.service, IPCSHIM_SEND_SOCK_MSG, &args));

	return result == EFAULT && readable(subject->pair.client) ? 0 : result;
}

static void goes_on(void *argument)
{
	struct subject *subject = argument;

	take_request(subject->pair.client);
	answer(subject->pair.client, subject->number, NULL, 0);
	take_request(subject->pair.service);
}

static void turn_stays(void *argument)
{
	struct subject *subject = argument;

	ASSERT_EQ(SERVICE, exchange_info(subject->pair.client, subject->number).turn);
	expect_no_message(subject->pair.client);
}

TEST(answer_without_memory_is_ENOMEM_and_the_turn_stays)
{
	struct subject subject = { .port = port_open() };

	subject.pair = pair_open(subject.port, 0);
	subject.number = open_exchange(subject.pair.client, NULL, 0);
	take_request(subject.pair.service);
	fail_each(&(struct attempt){ answers, goes_on, turn_stays, 0 }, &subject, subject.port);
}

/* Once it was sent, and nobody answers, that is the success. */
static int calls(void *argument)
{
	struct subject *subject = argument;
	struct ipcshim_call args = call_args(payload, LENGTH, payload, LENGTH);
	int result;

	/* It has passed.  (To ask for the time could be what fails: a 32-bit program must.) */
	args.deadline = 1;
	result = errno_of(ioctl(subject->pair.client, IPCSHIM_CALL, &args));
	ASSERT_TRUE(result != 0);
	return result == ETIMEDOUT ? 0 : unless_sent(subject, result);
}

TEST(call_without_memory_is_ENOMEM_and_sends_nothing)
{
	struct subject subject = { .port = port_open() };

	subject.pair = pair_open(subject.port, 0);
	fail_each(&(struct attempt){ calls, takes, works_again, 0 }, &subject, subject.port);
}

static void make_segment(struct subject *subject)
{
	subject->segment = segment_create(subject->port, page_size());
	subject->address = segment_map(subject->segment, page_size(), PROT_READ | PROT_WRITE);
	fill_pattern(subject->address, page_size(), 1);
}

static int carries(void *argument)
{
	struct subject *subject = argument;
	struct ipcshim_descriptor given[3] = { carried(subject->ends.sender),
					       carried(subject->other.client),
					       carried_segment(subject->segment, EXCLUSIVE,
							       R | W) };

	return unless_sent(subject, try_send_with(subject->pair.client, given, 3));
}

static void takes_all(void *argument)
{
	struct subject *subject = argument;
	uint64_t exchange = read_with(subject->pair.service, subject->got, 3);

	for (int i = 0; i < 3; i++)
		close(subject->got[i].fd);
	conclude(subject->pair.service, exchange);
	take_request(subject->pair.client);
	ASSERT_OK(munmap(subject->address, page_size()));
	close(subject->segment);
	make_segment(subject);
}

static void keeps_all(void *argument)
{
	struct subject *subject = argument;

	works_again(argument);
	check_pattern(subject->address, page_size(), 1);
	ASSERT_EQ(IPCSHIM_MEM_INFO_OWNER, segment_info(subject->segment).flags);
}

static struct subject subject_that_carries(void)
{
	struct subject subject = { .port = port_open() };

	subject.pair = pair_open(subject.port, 0);
	subject.other = pair_open(subject.port, 0);
	subject.ends = ends_open(subject.port, IPCSHIM_PIPE_RAW, 0);
	make_segment(&subject);
	return subject;
}

TEST(send_that_carries_without_memory_is_ENOMEM_and_nothing_is_lost)
{
	struct subject subject = subject_that_carries();

	fail_each(&(struct attempt){ carries, takes_all, keeps_all, 0 }, &subject, subject.port);
	expect_works(subject.other);
}

static int reads_all(void *argument)
{
	struct subject *subject = argument;
	struct ipcshim_read_sock_msg args = read_msg_args(NULL, 0);

	args.descriptors = (uintptr_t)subject->got;
	args.room = 3;
	return errno_of(ioctl(subject->pair.service, IPCSHIM_READ_SOCK_MSG, &args));
}

static void sends_again(void *argument)
{
	struct subject *subject = argument;

	for (int i = 0; i < 3; i++)
		close(subject->got[i].fd);
	conclude(subject->pair.service, subject->number);
	take_request(subject->pair.client);
	ASSERT_OK(munmap(subject->address, page_size()));
	close(subject->segment);
	make_segment(subject);
	ASSERT_EQ(0, carries(subject));
	subject->number++;
}

static void waits_still(void *argument)
{
	struct subject *subject = argument;

	ASSERT_EQ(1, socket_info(subject->pair.service, "ipcshim-messages"));
	ASSERT_EQ(0, exchange_info(subject->pair.service, subject->number).turn);
}

TEST(read_of_what_is_carried_without_memory_is_ENOMEM_and_the_message_stays)
{
	struct subject subject = subject_that_carries();

	ASSERT_EQ(0, carries(&subject));
	subject.number = 1;
	fail_each(&(struct attempt){ reads_all, sends_again, waits_still, 0 }, &subject,
		  subject.port);
	ASSERT_EQ(0, reads_all(&subject));
	ASSERT_EQ(IPCSHIM_MEM_INFO_OWNER, segment_info(subject.got[2].fd).flags);
}

static int claims(void *argument)
{
	struct subject *subject = argument;
	struct ipcshim_claim args = { .token = subject->open_socket.token };
	int result = errno_of(ioctl(subject->port, IPCSHIM_CLAIM, &args));

	subject->pair.service = args.fd;
	return result;
}

static void offer_socket(struct subject *subject)
{
	subject->open_socket = open_socket_args();
	subject->open_socket.pid = (uint32_t)getpid();
	subject->open_socket.flags = IPCSHIM_OPEN_SKIP;
	ASSERT_OK(ioctl(subject->port, IPCSHIM_OPEN_SERV_SOCK, &subject->open_socket));
}

static void offers_another(void *argument)
{
	struct subject *subject = argument;

	close(subject->pair.service);
	close(subject->open_socket.fd);
	offer_socket(subject);
}

TEST(claim_of_a_socket_without_memory_is_ENOMEM_and_keeps_the_token)
{
	struct subject subject = { .port = port_open() };

	offer_socket(&subject);
	fail_each(&(struct attempt){ claims, offers_another, NULL, 0 }, &subject, subject.port);
	ASSERT_EQ(0, claims(&subject));
	subject.pair.client = subject.open_socket.fd;
	expect_works(subject.pair);
}
