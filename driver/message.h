/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * DOC: messages, and what they carry
 *
 * A message is its sender's until it is delivered, then the receiving side's, then
 * of whoever took it.  With it go its parcels: users of the objects that it carries.
 *
 * A side of a socket that travels in a message keeps its connection alive, and with
 * that the messages in there.  If those could, by however many steps, carry a side of
 * the connection that the first one travels in, nobody would ever let go of any of
 * them.  So each connection knows which others travel in it (carried), and a message
 * that would close a circle is refused.
 *
 * message.c   made, copied, freed
 * carry.c     packed, shared, unpacked
 */
#ifndef _IPCSHIM_MESSAGE_H
#define _IPCSHIM_MESSAGE_H

#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/uidgid.h>

#include "parcel.h"

struct ipcshim_connection;
struct ipcshim_share;
struct pid;
struct task_struct;

/* What travels in connections, and ipcshim_segment_share_all(). */
extern struct mutex ipcshim_carry_lock;

struct ipcshim_carried {
	struct ipcshim_parcel parcel;
	u16 kind;				/* IPCSHIM_KIND_* */
	struct ipcshim_connection *travels;	/* of a socket, or NULL */
	struct list_head in_connection;		/* ipcshim_carry_lock */
};

struct ipcshim_message_node {
	struct list_head in_socket;		/* connection->lock */
	struct ipcshim_connection *connection;	/* held by who has the message */
	struct pid *sender;
	kuid_t uid;
	u64 exchange;
	u32 length;
	u32 counter;
	u16 code;
	u16 status;
	u16 error;
	u16 nr_carried;
	struct ipcshim_carried *carried;	/* NULL: nothing */
	u8 payload[];
};

/* What counts against the room of a side. */
static inline u32
ipcshim_message_weight(const struct ipcshim_message_node *message)
{
	return message->length + IPCSHIM_SOCKET_OVERHEAD;
}

int ipcshim_message_init(void);
void ipcshim_message_exit(void);

/* With a copy of the payload, and nothing carried. */
struct ipcshim_message_node *
ipcshim_message_create(struct ipcshim_connection *connection,
		       const struct ipcshim_message *header, u64 buffer);
void ipcshim_message_free(struct ipcshim_message_node *message);
/*
 * Those that nobody can read any more, each with a reference to its connection;
 * there may come more to the list while that goes on.
 */
void ipcshim_messages_free(struct list_head *messages);

/* The header as that task is to see it. */
void ipcshim_message_header(const struct ipcshim_message_node *message,
			    struct task_struct *task,
			    struct ipcshim_message *header);
int ipcshim_message_copy_out(const struct ipcshim_message_node *message,
			     u64 buffer);

/*
 * Pack what the sender names.  Its files are held until carry_finish(); what was
 * packed is the message's from the start, also after an error.
 */
struct ipcshim_packing;
struct ipcshim_packing *
ipcshim_carry_pack(struct ipcshim_message_node *message, u64 descriptors,
		   u16 nr);
/* From here on it is on its way: all of it, or nothing changed. */
int ipcshim_carry_begin(struct ipcshim_message_node *message,
			struct ipcshim_packing *packing);
void ipcshim_carry_finish(struct ipcshim_packing *packing);

/* New descriptors for the current process, not yet to be seen. */
struct ipcshim_unpacking {
	struct ipcshim_process *process;
	int nr;
	int fds[IPCSHIM_DESCRIPTORS_MAX];
	struct file *files[IPCSHIM_DESCRIPTORS_MAX];
};

int ipcshim_carry_unpack(struct ipcshim_message_node *message,
			 u64 descriptors, struct ipcshim_unpacking *unpacking);
/* Then one of these: they are there, or never were. */
void ipcshim_carry_install(struct ipcshim_unpacking *unpacking,
			   const struct ipcshim_message_node *message);
void ipcshim_carry_undo(struct ipcshim_unpacking *unpacking);

#endif /* _IPCSHIM_MESSAGE_H */
