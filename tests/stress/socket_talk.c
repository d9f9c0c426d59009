// SPDX-License-Identifier: MIT
/* One step on a socket, and whether it may be answered as it was. */
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/time.h>

#include "socket_actor.h"

enum { ERROR = 77 }; /* the sender's own word */

static char out[PAYLOAD_MAX];
static char in[PAYLOAD_MAX];
static struct ipcshim_descriptor came[IPCSHIM_DESCRIPTORS_MAX];

struct reasons {
	unsigned int count;
	int list[24]; /* ends with 0 */
};

static void may_be(struct reasons *reasons, int error)
{
	reasons->list[reasons->count++] = error;
}

static struct exchange *known(struct held_socket *socket, uint64_t id)
{
	for (unsigned int i = 0; i < KNOWN_MAX; i++)
		if (socket->known[i].id == id)
			return &socket->known[i];
	return NULL;
}

static struct exchange *any_known(struct actor *actor, struct held_socket *socket, bool mine)
{
	unsigned int place = below(&actor->random, KNOWN_MAX);

	for (unsigned int i = 0; i < KNOWN_MAX; i++) {
		struct exchange *exchange = &socket->known[(place + i) % KNOWN_MAX];

		if (exchange->id && exchange->mine == mine)
			return exchange;
	}
	return NULL;
}

static void remember(struct actor *actor, struct held_socket *socket, struct exchange exchange)
{
	struct exchange *place = known(socket, exchange.id);

	if (!place)
		place = &socket->known[below(&actor->random, KNOWN_MAX)];
	*place = exchange;
}

static void conclude(struct held_socket *socket, uint64_t id)
{
	struct exchange *place = known(socket, id);

	if (place)
		place->id = 0;
	socket->concluded = id;
}

/* Mostly a short one, now and then none, or one that not every socket takes. */
static uint32_t any_length(struct actor *actor)
{
	unsigned int dice = below(&actor->random, 40);

	if (dice < 2)
		return 0;
	if (dice < 6)
		return (uint32_t)sizeof(struct stamp) + below(&actor->random, 3900);
	if (dice < 7)
		return (uint32_t)sizeof(struct stamp) + below(&actor->random, 99000);
	return (uint32_t)sizeof(struct stamp) + below(&actor->random, 200);
}

/* A signal in a moment, perhaps: it interrupts what waits then. */
static void perhaps_a_signal(struct actor *actor)
{
	struct itimerval timer = { .it_value.tv_usec = 50 + (int)below(&actor->random, 2000) };

	if (!below(&actor->random, 10))
		setitimer(ITIMER_REAL, &timer, NULL);
}

/* What is to be sent: "exchange" NULL opens one. */
struct draft {
	struct stamp stamp;
	struct cargo cargo;
	struct ipcshim_message header;
};

static void draft(struct actor *actor, struct held_socket *socket,
		  const struct exchange *exchange, bool concludes, uint16_t error,
		  struct draft *draft)
{
	struct stamp *stamp = &draft->stamp;

	*stamp = (struct stamp){
		.connection = socket->connection,
		.counter = actor->stage->first_counter,
		.code = (uint16_t)(1 + below(&actor->random, 5)),
		.role = socket->role,
		.opener = socket->role,
		.concludes = concludes,
		.error = error,
		.length = any_length(actor),
	};
	if (exchange) {
		stamp->exchange = exchange->id;
		stamp->answers = exchange->message;
		stamp->counter = exchange->counter + 1;
		stamp->code = exchange->code;
		stamp->opener = exchange->opener;
	}
	draft->cargo.count = 0;
	if (stamp->length) {
		stamp->id = message_new(&actor->stage->fates);
		choose_cargo(actor, &draft->cargo, stamp);
	}
	draft->header = (struct ipcshim_message){
		.exchange = stamp->exchange,
		.length = stamp->length,
		.code = exchange ? 0 : stamp->code,
		.status = concludes ? IPCSHIM_MESSAGE_CLOSE : 0,
		.error = error,
		.nr_descriptors = stamp->nr_carried,
	};
	message_fill(out, stamp);
}

/* Why it may not be sent; "waits": for room, or until the deadline. */
static void reasons_of_sending(const struct held_socket *socket, const struct draft *draft,
			       bool waits, struct reasons *reasons)
{
	static const int of_cargo[] = { ESTALE, EACCES, EPERM, EBUSY, ELOOP };

	may_be(reasons, EPIPE);
	may_be(reasons, ECONNRESET);
	may_be(reasons, EAGAIN);
	if (draft->stamp.length > IPCSHIM_SOCKET_MESSAGE)
		may_be(reasons, EMSGSIZE);
	if (!draft->stamp.exchange) {
		may_be(reasons, ENOBUFS);
		if (waits) {
			may_be(reasons, ETIMEDOUT);
			may_be(reasons, EINTR);
		}
	} else if (!socket->alone) {
		/* Another holder may have answered, and read on. */
		may_be(reasons, EBUSY);
		may_be(reasons, ESHUTDOWN);
	}
	for (unsigned int i = 0; draft->cargo.count && i < sizeof(of_cargo) / sizeof(int); i++)
		may_be(reasons, of_cargo[i]);
}

/* The other side ended, says the error: then it has to say how. */
static void check_end(const char *call_name, const struct draft *draft, int error,
		      const struct ipcshim_sock_end *end)
{
	bool ended = error == EPIPE || error == ECONNRESET;

	if (ended && !draft->cargo.count && (!end->how || end->how > IPCSHIM_HOW_EXECUTED))
		wrong("%s: %s, and it ended by %u", call_name, strerror(error), end->how);
	if (error == EPIPE && !draft->cargo.count && end->how != IPCSHIM_HOW_CLOSED)
		wrong("%s: in order, and it ended by %u", call_name, end->how);
	if (!ended && end->how)
		wrong("%s: %s, and it ended by %u", call_name, strerror(error), end->how);
}

static bool send_draft(struct actor *actor, struct held_socket *socket, struct draft *draft,
		       bool waits, uint64_t deadline)
{
	struct ipcshim_send_sock_msg args = {
		.message = draft->header,
		.buffer = (uintptr_t)out,
		.descriptors = (uintptr_t)draft->cargo.descriptors,
		.deadline = deadline,
		.flags = waits ? 0 : IPCSHIM_SOCK_NOWAIT,
	};
	struct reasons reasons = { 0 };
	int error;

	if (ioctl(socket->fd, IPCSHIM_SEND_SOCK_MSG, &args) == 0) {
		cargo_gone(&draft->cargo);
		if (!args.message.exchange ||
		    (draft->stamp.exchange && args.message.exchange != draft->stamp.exchange))
			wrong("a message was sent, and its exchange is %llu",
			      (unsigned long long)args.message.exchange);
		draft->header = args.message;
		return true;
	}
	error = errno;
	check_end("SEND_SOCK_MSG", draft, error, &args.end);
	message_refused(&actor->stage->fates, draft->stamp.id);
	reasons_of_sending(socket, draft, waits, &reasons);
	errno = error;
	refused(actor, "SEND_SOCK_MSG", reasons.list);
	return false;
}

static void remember_sent(struct actor *actor, struct held_socket *socket,
			  const struct draft *draft, uint64_t id)
{
	remember(actor, socket,
		 (struct exchange){ id, draft->stamp.counter, draft->stamp.id, draft->stamp.code,
				    draft->stamp.opener, false });
}

void open_exchange(struct actor *actor, struct held_socket *socket)
{
	bool once = !below(&actor->random, 3);
	bool waits = below(&actor->random, 2);
	struct draft made;

	draft(actor, socket, NULL, once, 0, &made);
	if (waits)
		perhaps_a_signal(actor);
	if (!send_draft(actor, socket, &made, waits,
			waits && below(&actor->random, 200) ? soon(&actor->random, 3000000) : 0))
		return;
	count(actor, once ? SENT_ONCE : OPENED);
	if (once)
		conclude(socket, made.header.exchange);
	else
		remember_sent(actor, socket, &made, made.header.exchange);
}

void answer(struct actor *actor, struct held_socket *socket)
{
	struct exchange *exchange = any_known(actor, socket, true);
	uint16_t error = below(&actor->random, 8) ? 0 : ERROR;
	bool concludes = below(&actor->random, 2);
	struct draft made;

	if (!exchange)
		return;
	draft(actor, socket, exchange, concludes, error, &made);
	if (!send_draft(actor, socket, &made, below(&actor->random, 2), 0)) {
		/* Not alone: the turn may be another's by now. */
		if (!socket->alone)
			exchange->id = 0;
		return;
	}
	count(actor, error ? FAILED : ANSWERED);
	if (concludes || error)
		conclude(socket, exchange->id);
	else
		remember_sent(actor, socket, &made, exchange->id);
}

/* The socket may be another one afterwards: what came needs places. */
static void took(struct actor *actor, struct held_socket *socket,
		 const struct ipcshim_message *header)
{
	struct exchange *before = known(socket, header->exchange);
	struct stamp stamp;
	bool stamped = message_check(&actor->stage->fates, header, in, socket->connection,
				     socket->role, &stamp);

	if (socket->alone && before) {
		if (before->mine || header->status & IPCSHIM_MESSAGE_OPENS)
			wrong("a message in exchange %llu, in which it was my turn",
			      (unsigned long long)header->exchange);
		if (header->counter != before->counter + 1)
			wrong("message %u of exchange %llu comes after the one with %u",
			      header->counter, (unsigned long long)header->exchange,
			      before->counter);
		if (stamped && stamp.answers != before->message)
			wrong("message %u answers %u, expected %u", stamp.id, stamp.answers,
			      before->message);
	}
	if (header->error || header->status & IPCSHIM_MESSAGE_CLOSE) {
		conclude(socket, header->exchange);
	} else {
		uint16_t opener = header->status & IPCSHIM_MESSAGE_NOTIFICATION ?
					  IPCSHIM_ROLE_SERVICE :
					  IPCSHIM_ROLE_CLIENT;

		remember(actor, socket,
			 (struct exchange){ header->exchange, header->counter, stamp.id,
					    header->code, opener, true });
	}
	take_cargo(actor, &stamp, stamped, came, header->nr_descriptors);
}

void read_message(struct actor *actor, struct held_socket *socket)
{
	struct exchange *exchange = below(&actor->random, 4) ? NULL :
							       any_known(actor, socket, false);
	bool waits = !below(&actor->random, 4);
	struct ipcshim_read_sock_msg args = {
		.message = { .exchange = exchange ? exchange->id : 0 },
		.buffer = (uintptr_t)in,
		.size = below(&actor->random, 10) ? sizeof(in) : below(&actor->random, 200),
		.descriptors = (uintptr_t)came,
		.flags = waits ? 0 : IPCSHIM_SOCK_NOWAIT,
		.room = below(&actor->random, 10) ? IPCSHIM_DESCRIPTORS_MAX : 0,
	};
	uint64_t size = args.size;
	struct reasons reasons = { 0 };
	struct draft nothing = { 0 };

	if (waits) {
		perhaps_a_signal(actor);
		if (below(&actor->random, 200))
			args.deadline = soon(&actor->random, 2000000);
	}
	if (ioctl(socket->fd, IPCSHIM_READ_SOCK_MSG, &args) == 0) {
		count(actor, READ);
		if (exchange && args.message.exchange != exchange->id)
			wrong("a message of exchange %llu was asked for, and one of %llu came",
			      (unsigned long long)exchange->id,
			      (unsigned long long)args.message.exchange);
		took(actor, socket, &args.message);
		if (below(&actor->random, 4) && socket->fd >= 0)
			answer(actor, socket);
		return;
	}
	if (errno == EMSGSIZE) {
		if (args.message.length <= size && args.message.nr_descriptors <= args.room)
			wrong("%llu bytes and %u descriptors are too much for %llu and %u",
			      (unsigned long long)args.message.length,
			      args.message.nr_descriptors, (unsigned long long)size, args.room);
		return count(actor, TOO_SMALL);
	}
	check_end("READ_SOCK_MSG", &nothing, errno, &args.end);
	may_be(&reasons, EPIPE);
	may_be(&reasons, ECONNRESET);
	may_be(&reasons, EAGAIN); /* it may be O_NONBLOCK */
	if (waits) {
		may_be(&reasons, ETIMEDOUT);
		may_be(&reasons, EINTR);
	}
	if (exchange && !socket->alone) {
		may_be(&reasons, EBUSY);
		may_be(&reasons, ESHUTDOWN);
	}
	refused(actor, "READ_SOCK_MSG", reasons.list);
}

static void answered(struct actor *actor, struct held_socket *socket, const struct draft *made,
		     const struct ipcshim_call *args)
{
	const struct ipcshim_message *header = &args->message;
	struct stamp stamp;

	count(actor, CALLED);
	if (made->stamp.exchange && header->exchange != made->stamp.exchange)
		wrong("a call in exchange %llu was answered from %llu",
		      (unsigned long long)made->stamp.exchange,
		      (unsigned long long)header->exchange);
	if (header->counter != made->stamp.counter + 1)
		wrong("the answer to message %u of exchange %llu has the counter %u",
		      made->stamp.counter, (unsigned long long)header->exchange, header->counter);
	if (header->length) {
		memcpy(&stamp, in, sizeof(stamp));
		if (stamp.answers != made->stamp.id)
			wrong("call %u got the answer to %u", made->stamp.id, stamp.answers);
	}
	remember_sent(actor, socket, made, header->exchange);
	took(actor, socket, header);
}

/* Whether to go on waiting for the answer. */
static bool call_again(struct actor *actor, struct held_socket *socket, const struct draft *made,
		       struct ipcshim_call *args, bool again)
{
	struct reasons reasons = { 0 };
	int error = errno;

	if (error == EMSGSIZE && args->message.length <= args->size &&
	    args->message.nr_descriptors <= args->room)
		wrong("the answer of %llu bytes and %u descriptors is too much for a call",
		      (unsigned long long)args->message.length, args->message.nr_descriptors);
	check_end("CALL", made, error, &args->end);
	may_be(&reasons, ECONNRESET);
	may_be(&reasons, ETIMEDOUT);
	may_be(&reasons, EINTR);
	may_be(&reasons, EMSGSIZE);
	if (again)
		may_be(&reasons, EPIPE);
	if (!socket->alone) {
		may_be(&reasons, EBUSY);
		may_be(&reasons, ESHUTDOWN);
	}
	errno = error;
	refused(actor, "CALL", reasons.list);
	if (error == ETIMEDOUT)
		count(actor, LATE);
	if (error == EINTR)
		count(actor, INTERRUPTED);
	if (error == EMSGSIZE)
		count(actor, TOO_SMALL);
	return (error == ETIMEDOUT || error == EINTR || error == EMSGSIZE) &&
	       below(&actor->random, 3);
}

void call(struct actor *actor, struct held_socket *socket)
{
	struct exchange *exchange = below(&actor->random, 3) ? NULL :
							       any_known(actor, socket, true);
	struct ipcshim_call args = {
		.request = (uintptr_t)out,
		.buffer = (uintptr_t)in,
		.size = below(&actor->random, 12) ? sizeof(in) : below(&actor->random, 200),
		.descriptors = (uintptr_t)came,
		.deadline = below(&actor->random, 200) ? soon(&actor->random, 10000000) : 0,
		.room = below(&actor->random, 12) ? IPCSHIM_DESCRIPTORS_MAX : 0,
	};
	struct reasons reasons = { 0 };
	struct draft made;
	bool again = false;

	draft(actor, socket, exchange, false, 0, &made);
	args.message = made.header;
	args.request_descriptors = (uintptr_t)made.cargo.descriptors;
	perhaps_a_signal(actor);
	if (ioctl(socket->fd, IPCSHIM_CALL, &args) == 0) {
		cargo_gone(&made.cargo);
		return answered(actor, socket, &made, &args);
	}
	if (!(args.flags & IPCSHIM_CALL_SENT)) {
		int error = errno;

		check_end("CALL", &made, error, &args.end);
		message_refused(&actor->stage->fates, made.stamp.id);
		reasons_of_sending(socket, &made, true, &reasons);
		errno = error;
		refused(actor, "CALL", reasons.list);
		if (exchange && !socket->alone)
			exchange->id = 0;
		return;
	}
	cargo_gone(&made.cargo);
	made.cargo.count = 0;
	if (!args.message.exchange)
		wrong("a call was sent in no exchange");
	remember_sent(actor, socket, &made, args.message.exchange);
	while (call_again(actor, socket, &made, &args, again)) {
		again = true;
		args.size = sizeof(in);
		args.room = IPCSHIM_DESCRIPTORS_MAX;
		args.deadline = soon(&actor->random, 10000000);
		perhaps_a_signal(actor);
		if (ioctl(socket->fd, IPCSHIM_CALL, &args) == 0) {
			count(actor, RESUMED);
			return answered(actor, socket, &made, &args);
		}
	}
}

/* An empty answer where none is due; it has to be refused, and why. */
static void answer_wrongly(struct actor *actor, struct held_socket *socket, uint64_t exchange,
			   enum socket_deed deed, int first, int second)
{
	const int reasons[] = { first, second, EPIPE, ECONNRESET, 0 };
	struct ipcshim_send_sock_msg args = {
		.message = { .exchange = exchange },
		.flags = IPCSHIM_SOCK_NOWAIT,
	};

	if (ioctl(socket->fd, IPCSHIM_SEND_SOCK_MSG, &args) == 0)
		wrong("an answer in exchange %llu was taken, which should be %s",
		      (unsigned long long)exchange, strerror(first));
	if (errno == first)
		count(actor, deed);
	refused(actor, "SEND_SOCK_MSG", reasons);
}

void misbehave(struct actor *actor, struct held_socket *socket)
{
	const struct exchange *waiting = any_known(actor, socket, false);

	answer_wrongly(actor, socket, ~0ULL - below(&actor->random, 1000), FORGED, ENOENT, ENOENT);
	if (!socket->alone)
		return;
	/* The other side may have concluded it: that is not known until it is read. */
	if (waiting)
		answer_wrongly(actor, socket, waiting->id, OUT_OF_TURN, EBUSY, ESHUTDOWN);
	if (socket->concluded)
		answer_wrongly(actor, socket, socket->concluded, CONCLUDED, ESHUTDOWN, ESHUTDOWN);
}
