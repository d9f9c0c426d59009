/* SPDX-License-Identifier: GPL-2.0-only */
/* Tracepoints.  Pids are those of the initial pid namespace. */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM ipcshim

#if !defined(_IPCSHIM_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define _IPCSHIM_TRACE_H

#include <linux/tracepoint.h>

#include "event.h"
#include "pipe.h"
#include "process.h"
#include "pty.h"
#include "segment.h"
#include "service.h"
#include "socket.h"
#include "token.h"

DECLARE_EVENT_CLASS(ipcshim_hand_over,
		    TP_PROTO(const struct ipcshim_pipe *pipe,
			     const struct ipcshim_end *end, u32 pid, u64 token),
		    TP_ARGS(pipe, end, pid, token),
		    TP_STRUCT__entry(__field(u64, ino)
				     __field(u64, token)
				     __field(u32, pid)
				     __field(u32, capacity)
				     __field(u16, end)
				     __field(u16, mode)),
		    TP_fast_assign(__entry->ino = end->ino;
				   __entry->token = token;
				   __entry->pid = pid;
				   __entry->capacity = pipe->ring.size;
				   __entry->end = ipcshim_end_code(end);
				   __entry->mode = ipcshim_pipe_mode(pipe);),
		    TP_printk("inode=%llu end=%u mode=%u capacity=%u pid=%u token=%llu",
			      __entry->ino, __entry->end, __entry->mode,
			      __entry->capacity, __entry->pid, __entry->token)
);

/* A pipe was opened: the end that was kept, and who gets the other. */
DEFINE_EVENT(ipcshim_hand_over, ipcshim_open,
	     TP_PROTO(const struct ipcshim_pipe *pipe,
		      const struct ipcshim_end *end, u32 pid, u64 token),
	     TP_ARGS(pipe, end, pid, token));

/* An end was handed to one more process. */
DEFINE_EVENT(ipcshim_hand_over, ipcshim_send,
	     TP_PROTO(const struct ipcshim_pipe *pipe,
		      const struct ipcshim_end *end, u32 pid, u64 token),
	     TP_ARGS(pipe, end, pid, token));

/* An event was queued in a port of process "to". */
TRACE_EVENT(ipcshim_receive,
	    TP_PROTO(struct pid *to, const struct ipcshim_event_node *node),
	    TP_ARGS(to, node),
	    TP_STRUCT__entry(__field(u64, token)
			     __field(u64, sequence)
			     __field(int, to)
			     __field(int, from)
			     __field(u16, code)
			     __field(u16, command)),
	    TP_fast_assign(__entry->token = node->token;
			   __entry->sequence = node->sequence;
			   __entry->to = pid_nr(to);
			   __entry->from = pid_nr(node->sender);
			   __entry->code = node->code;
			   __entry->command = node->command;),
	    TP_printk("code=0x%02x command=%u to=%d from=%d token=%llu sequence=%llu",
		      __entry->code, __entry->command, __entry->to,
		      __entry->from, __entry->token, __entry->sequence)
);

TRACE_EVENT(ipcshim_claim,
	    TP_PROTO(const struct ipcshim_token *token),
	    TP_ARGS(token),
	    TP_STRUCT__entry(__field(u64, token)
			     __field(u64, ino)
			     __field(int, pid)),
	    TP_fast_assign(__entry->token = token->id;
			   __entry->ino = token->parcel.inode->i_ino;
			   __entry->pid = pid_nr(token->process->pid);),
	    TP_printk("token=%llu inode=%llu pid=%d", __entry->token,
		      __entry->ino, __entry->pid)
);

/* An end closed, or (end NULL) CLOSE_PIPE closed both. */
TRACE_EVENT(ipcshim_close,
	    TP_PROTO(const struct ipcshim_pipe *pipe,
		     const struct ipcshim_end *end,
		     const struct ipcshim_closing *closing),
	    TP_ARGS(pipe, end, closing),
	    TP_STRUCT__entry(__field(u64, sender)
			     __field(u64, receiver)
			     __field(u32, bytes)
			     __field(u32, messages)
			     __field(s32, status)
			     __field(u16, end)
			     __field(u16, how)),
	    TP_fast_assign(__entry->sender = pipe->ends[IPCSHIM_SENDER].ino;
			   __entry->receiver = pipe->ends[IPCSHIM_RECEIVER].ino;
			   __entry->bytes = ipcshim_pos_bytes(closing->tail,
							      closing->head);
			   __entry->messages =
				ipcshim_pos_messages(closing->tail,
						     closing->head);
			   __entry->status = closing->ending.status;
			   __entry->end = end ? ipcshim_end_code(end) : 0;
			   __entry->how = closing->ending.how;),
	    TP_printk("sender=%llu receiver=%llu end=%u how=%u status=%d bytes_unread=%u messages_unread=%u",
		      __entry->sender, __entry->receiver, __entry->end,
		      __entry->how, __entry->status, __entry->bytes,
		      __entry->messages)
);

/* Pages of a mapped pipe's layout are mapped. */
TRACE_EVENT(ipcshim_map,
	    TP_PROTO(const struct ipcshim_end *end, unsigned long first,
		     unsigned long count, bool writable),
	    TP_ARGS(end, first, count, writable),
	    TP_STRUCT__entry(__field(u64, ino)
			     __field(u32, first)
			     __field(u32, count)
			     __field(bool, writable)),
	    TP_fast_assign(__entry->ino = end->ino;
			   __entry->first = first;
			   __entry->count = count;
			   __entry->writable = writable;),
	    TP_printk("inode=%llu first=%u count=%u writable=%d", __entry->ino,
		      __entry->first, __entry->count, __entry->writable)
);

/* PIPE_WAKE: the side that called it. */
TRACE_EVENT(ipcshim_wake,
	    TP_PROTO(const struct ipcshim_end *end),
	    TP_ARGS(end),
	    TP_STRUCT__entry(__field(u64, ino)),
	    TP_fast_assign(__entry->ino = end->ino;),
	    TP_printk("inode=%llu", __entry->ino)
);

/* A segment was shared, lent or handed over: the grants of both sides. */
TRACE_EVENT(ipcshim_share,
	    TP_PROTO(const struct ipcshim_segment *segment,
		     const struct ipcshim_segment *grant, u32 pid, u64 token),
	    TP_ARGS(segment, grant, pid, token),
	    TP_STRUCT__entry(__field(u64, ino)
			     __field(u64, grant)
			     __field(u64, length)
			     __field(u64, token)
			     __field(u32, pid)
			     __field(u16, mode)
			     __field(u16, rights)),
	    TP_fast_assign(__entry->ino = segment->ino;
			   __entry->grant = grant->ino;
			   __entry->length =
				ipcshim_memory_length(grant->memory);
			   __entry->token = token;
			   __entry->pid = pid;
			   __entry->mode = grant->mode;
			   __entry->rights = grant->rights;),
	    TP_printk("inode=%llu grant=%llu mode=%u rights=%u length=%llu pid=%u token=%llu",
		      __entry->ino, __entry->grant, __entry->mode,
		      __entry->rights, __entry->length, __entry->pid,
		      __entry->token)
);

/* A grant is stale from here on: it ended, or was taken back. */
TRACE_EVENT(ipcshim_revoke,
	    TP_PROTO(const struct ipcshim_segment *segment,
		     const struct ipcshim_ending *ending),
	    TP_ARGS(segment, ending),
	    TP_STRUCT__entry(__field(u64, ino)
			     __field(u16, mode)
			     __field(u16, how)
			     __field(u16, status)),
	    TP_fast_assign(__entry->ino = segment->ino;
			   __entry->mode = segment->mode;
			   __entry->how = ending->how;
			   __entry->status = ending->status;),
	    TP_printk("inode=%llu mode=%u how=%u status=%u", __entry->ino,
		      __entry->mode, __entry->how, __entry->status)
);

/* What was lent is back: the borrower's grant, and the lender's new one. */
TRACE_EVENT(ipcshim_return,
	    TP_PROTO(const struct ipcshim_segment *segment,
		     const struct ipcshim_segment *home),
	    TP_ARGS(segment, home),
	    TP_STRUCT__entry(__field(u64, ino)
			     __field(u64, home)
			     __field(u16, how)
			     __field(u16, status)),
	    TP_fast_assign(__entry->ino = segment->ino;
			   __entry->home = home->ino;
			   __entry->how = ipcshim_lease_ended(segment).how;
			   __entry->status =
				ipcshim_lease_ended(segment).status;),
	    TP_printk("inode=%llu home=%llu how=%u status=%u", __entry->ino,
		      __entry->home, __entry->how, __entry->status)
);

TRACE_EVENT(ipcshim_adopt,
	    TP_PROTO(const struct ipcshim_segment *segment, u64 address,
		     u64 length),
	    TP_ARGS(segment, address, length),
	    TP_STRUCT__entry(__field(u64, ino)
			     __field(u64, address)
			     __field(u64, length)),
	    TP_fast_assign(__entry->ino = segment->ino;
			   __entry->address = address;
			   __entry->length = length;),
	    TP_printk("inode=%llu address=0x%llx length=%llu", __entry->ino,
		      __entry->address, __entry->length)
);

/* Why a hand-over is refused with EBUSY: the first page that is still reached. */
TRACE_EVENT(ipcshim_pinned,
	    TP_PROTO(const struct ipcshim_memory *memory,
		     const struct folio *folio),
	    TP_ARGS(memory, folio),
	    TP_STRUCT__entry(__field(u64, length)
			     __field(u64, index)
			     __field(int, references)),
	    TP_fast_assign(__entry->length = ipcshim_memory_length(memory);
			   __entry->index = folio->index;
			   __entry->references = folio_ref_count(folio) - 1;),
	    TP_printk("length=%llu page=%llu references=%d", __entry->length,
		      __entry->index, __entry->references)
);

TRACE_EVENT(ipcshim_pty_open,
	    TP_PROTO(const struct ipcshim_pty *pty),
	    TP_ARGS(pty),
	    TP_STRUCT__entry(__field(u64, ino)
			     __field(u32, index)
			     __field(u16, rows)
			     __field(u16, columns)),
	    TP_fast_assign(__entry->ino = pty->ino;
			   __entry->index = pty->index;
			   __entry->rows = pty->size.ws_row;
			   __entry->columns = pty->size.ws_col;),
	    TP_printk("inode=%llu index=%u rows=%u columns=%u", __entry->ino,
		      __entry->index, __entry->rows, __entry->columns)
);

/* A slave was handed to one more process. */
TRACE_EVENT(ipcshim_pty_send,
	    TP_PROTO(const struct ipcshim_pty *pty, u32 pid, u64 token),
	    TP_ARGS(pty, pid, token),
	    TP_STRUCT__entry(__field(u64, ino)
			     __field(u64, token)
			     __field(u32, index)
			     __field(u32, pid)),
	    TP_fast_assign(__entry->ino = pty->slave_ino;
			   __entry->token = token;
			   __entry->index = pty->index;
			   __entry->pid = pid;),
	    TP_printk("inode=%llu index=%u pid=%u token=%llu", __entry->ino,
		      __entry->index, __entry->pid, __entry->token)
);

/* A slave was opened, closed or hung up: how many opens there are now. */
TRACE_EVENT(ipcshim_pty_slave,
	    TP_PROTO(const struct ipcshim_pty *pty, unsigned int slaves),
	    TP_ARGS(pty, slaves),
	    TP_STRUCT__entry(__field(u64, ino)
			     __field(u32, index)
			     __field(u32, slaves)),
	    TP_fast_assign(__entry->ino = pty->slave_ino;
			   __entry->index = pty->index;
			   __entry->slaves = slaves;),
	    TP_printk("inode=%llu index=%u slaves=%u", __entry->ino,
		      __entry->index, __entry->slaves)
);

/* A name was published, or withdrawn. */
TRACE_EVENT(ipcshim_publish,
	    TP_PROTO(const struct ipcshim_service *service, bool published),
	    TP_ARGS(service, published),
	    TP_STRUCT__entry(__field(u64, service)
			     __field(int, pid)
			     __field(bool, published)
			     __array(char, name, IPCSHIM_NAME_MAX + 1)),
	    TP_fast_assign(__entry->service = service->id;
			   __entry->pid = pid_nr(service->process->pid);
			   __entry->published = published;
			   memcpy(__entry->name, service->name.text,
				  service->name.length);
			   __entry->name[service->name.length] = 0;),
	    TP_printk("service=%llu pid=%d published=%d name=%s",
		      __entry->service, __entry->pid, __entry->published,
		      __entry->name)
);

/* A service, or with no service a process, is asked for, or given, a side. */
TRACE_EVENT(ipcshim_connect,
	    TP_PROTO(const struct ipcshim_connection *connection, u32 pid),
	    TP_ARGS(connection, pid),
	    TP_STRUCT__entry(__field(u64, connection)
			     __field(u64, service)
			     __field(u64, client_ino)
			     __field(u64, service_ino)
			     __field(u32, pid)),
	    TP_fast_assign(__entry->connection = connection->id;
			   __entry->service = connection->service ?
					      connection->service->id : 0;
			   __entry->client_ino =
				connection->sides[IPCSHIM_CLIENT].ino;
			   __entry->service_ino =
				connection->sides[IPCSHIM_SERVER].ino;
			   __entry->pid = pid;),
	    TP_printk("connection=%llu service=%llu client=%llu server=%llu pid=%u",
		      __entry->connection, __entry->service,
		      __entry->client_ino, __entry->service_ino, __entry->pid)
);

/* The answer, as the client has it. */
TRACE_EVENT(ipcshim_answer,
	    TP_PROTO(const struct ipcshim_connection *connection, int error),
	    TP_ARGS(connection, error),
	    TP_STRUCT__entry(__field(u64, connection)
			     __field(int, error)
			     __field(u16, reason)),
	    TP_fast_assign(__entry->connection = connection->id;
			   __entry->error = error;
			   __entry->reason = connection->reason;),
	    TP_printk("connection=%llu error=%d reason=%u",
		      __entry->connection, __entry->error, __entry->reason)
);

/* A message from this side; queued: nobody was waiting for it. */
TRACE_EVENT(ipcshim_message,
	    TP_PROTO(const struct ipcshim_socket *from,
		     const struct ipcshim_message_node *message, bool queued),
	    TP_ARGS(from, message, queued),
	    TP_STRUCT__entry(__field(u64, ino)
			     __field(u64, exchange)
			     __field(u32, length)
			     __field(u32, counter)
			     __field(u16, code)
			     __field(u16, status)
			     __field(u16, error)
			     __field(u16, descriptors)
			     __field(bool, queued)),
	    TP_fast_assign(__entry->ino = from->ino;
			   __entry->exchange = message->exchange;
			   __entry->length = message->length;
			   __entry->counter = message->counter;
			   __entry->code = message->code;
			   __entry->status = message->status;
			   __entry->error = message->error;
			   __entry->descriptors = message->nr_carried;
			   __entry->queued = queued;),
	    TP_printk("from=%llu exchange=%llu counter=%u code=%u status=0x%x error=%u length=%u descriptors=%u queued=%d",
		      __entry->ino, __entry->exchange, __entry->counter,
		      __entry->code, __entry->status, __entry->error,
		      __entry->length, __entry->descriptors, __entry->queued)
);

/* A message has reached user space, at this side. */
TRACE_EVENT(ipcshim_message_read,
	    TP_PROTO(const struct ipcshim_socket *to,
		     const struct ipcshim_message_node *message),
	    TP_ARGS(to, message),
	    TP_STRUCT__entry(__field(u64, ino)
			     __field(u64, exchange)
			     __field(u32, counter)
			     __field(u32, length)),
	    TP_fast_assign(__entry->ino = to->ino;
			   __entry->exchange = message->exchange;
			   __entry->counter = message->counter;
			   __entry->length = message->length;),
	    TP_printk("to=%llu exchange=%llu counter=%u length=%u",
		      __entry->ino, __entry->exchange, __entry->counter,
		      __entry->length)
);

/* A connection has ended. */
TRACE_EVENT(ipcshim_socket_close,
	    TP_PROTO(const struct ipcshim_connection *connection),
	    TP_ARGS(connection),
	    TP_STRUCT__entry(__field(u64, connection)
			     __field(u32, exchanges)
			     __field(u16, how)
			     __field(u16, status)
			     __field(bool, in_order)),
	    TP_fast_assign(__entry->connection = connection->id;
			   __entry->exchanges = connection->end.exchanges;
			   __entry->how = connection->end.ending.how;
			   __entry->status = connection->end.ending.status;
			   __entry->in_order = connection->end.in_order;),
	    TP_printk("connection=%llu how=%u status=%u in_order=%d exchanges=%u",
		      __entry->connection, __entry->how, __entry->status,
		      __entry->in_order, __entry->exchanges)
);

/* A hand-over to process "pid" was refused. */
TRACE_EVENT(ipcshim_refuse,
	    TP_PROTO(u32 pid, u16 code, long error),
	    TP_ARGS(pid, code, error),
	    TP_STRUCT__entry(__field(long, error)
			     __field(u32, pid)
			     __field(u16, code)),
	    TP_fast_assign(__entry->error = error;
			   __entry->pid = pid;
			   __entry->code = code;),
	    TP_printk("pid=%u code=0x%02x error=%ld", __entry->pid,
		      __entry->code, __entry->error)
);

#endif /* _IPCSHIM_TRACE_H */

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
