// SPDX-License-Identifier: MIT
#include "socket_message.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { RECEIVED = 1, REFUSED = 2 };

void wrong(const char *format, ...)
{
	char text[512];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	dprintf(1, "wrong: %s\n", text);
	_exit(WRONG);
}

uint32_t message_new(struct fates *fates)
{
	uint32_t id = 1 + __atomic_fetch_add(&fates->messages, 1, __ATOMIC_RELAXED);

	return id < MESSAGES_MAX ? id : 0;
}

static uint8_t mark(struct fates *fates, uint32_t id, uint8_t fate)
{
	return id ? __atomic_fetch_or(&fates->of[id], fate, __ATOMIC_ACQ_REL) : 0;
}

void message_refused(struct fates *fates, uint32_t id)
{
	if (mark(fates, id, REFUSED) & RECEIVED)
		wrong("message %u was read, and who sent it was told that it was not sent", id);
}

static char filler(const struct stamp *stamp, size_t place)
{
	return (char)(stamp->id * 31 + place * 7 + place / 251);
}

void message_fill(char *payload, const struct stamp *stamp)
{
	if (!stamp->length)
		return;
	memcpy(payload, stamp, sizeof(*stamp));
	for (size_t i = sizeof(*stamp); i < stamp->length; i++)
		payload[i] = filler(stamp, i);
}

static void same(const struct stamp *stamp, const char *what, uint64_t expected, uint64_t seen)
{
	if (expected != seen)
		wrong("message %u of exchange %llu in connection %llu: %s is %llu, expected %llu",
		      stamp->id, (unsigned long long)stamp->exchange,
		      (unsigned long long)stamp->connection, what, (unsigned long long)seen,
		      (unsigned long long)expected);
}

bool message_check(struct fates *fates, const struct ipcshim_message *header, const char *payload,
		   uint64_t connection, uint16_t role, struct stamp *stamp)
{
	bool opens = header->status & IPCSHIM_MESSAGE_OPENS;
	bool notification = header->status & IPCSHIM_MESSAGE_NOTIFICATION;
	bool closes = header->status & IPCSHIM_MESSAGE_CLOSE;
	uint8_t fate;

	*stamp = (struct stamp){ 0 };
	if (!header->exchange)
		wrong("a message of no exchange");
	if (!header->length)
		return false;
	if (header->length < sizeof(*stamp))
		wrong("a message of %llu bytes", (unsigned long long)header->length);
	memcpy(stamp, payload, sizeof(*stamp));
	if (stamp->id >= MESSAGES_MAX)
		wrong("a message with the number %u", stamp->id);
	same(stamp, "the length", stamp->length, header->length);
	for (size_t i = sizeof(*stamp); i < stamp->length; i++)
		if (payload[i] != filler(stamp, i))
			wrong("byte %zu of message %u is another one", i, stamp->id);
	same(stamp, "the connection", stamp->connection, connection);
	same(stamp, "the sender's role",
	     role == IPCSHIM_ROLE_CLIENT ? IPCSHIM_ROLE_SERVICE : IPCSHIM_ROLE_CLIENT,
	     stamp->role);
	same(stamp, "'opens'", !stamp->exchange, opens);
	if (!opens)
		same(stamp, "the exchange", stamp->exchange, header->exchange);
	same(stamp, "the counter", stamp->counter, header->counter);
	same(stamp, "the code", stamp->code, header->code);
	same(stamp, "the error", stamp->error, header->error);
	same(stamp, "'notification'", stamp->opener == IPCSHIM_ROLE_SERVICE, notification);
	if (!stamp->error)
		same(stamp, "'close'", stamp->concludes, closes);
	same(stamp, "the number of descriptors", stamp->nr_carried, header->nr_descriptors);
	fate = mark(fates, stamp->id, RECEIVED);
	if (fate & RECEIVED)
		wrong("message %u was read twice", stamp->id);
	if (fate & REFUSED)
		wrong("message %u was read, and its sender was told that it was not sent",
		      stamp->id);
	return true;
}
