// SPDX-License-Identifier: GPL-2.0-only
/* What messages carry: packed, shared, unpacked. */
#include <linux/file.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "pipe.h"
#include "process.h"
#include "segment.h"
#include "socket.h"

/* Which connections travel in which, and who holds several memory->locks. */
DEFINE_MUTEX(ipcshim_carry_lock);

/* What a sender's descriptors are, until the message is sent. */
struct ipcshim_packing {
	unsigned int nr;
	struct file *files[IPCSHIM_DESCRIPTORS_MAX];
	unsigned int nr_shares;
	struct ipcshim_share shares[IPCSHIM_DESCRIPTORS_MAX];
	bool sockets;
};

static int carry_check(const struct ipcshim_descriptor *descriptor)
{
	if (descriptor->kind || descriptor->error || descriptor->capacity ||
	    descriptor->inode || descriptor->length)
		return -EINVAL;
	return 0;
}

static int carry_pack_segment(struct ipcshim_packing *packing,
			      struct ipcshim_carried *carried,
			      struct ipcshim_segment *segment,
			      const struct ipcshim_descriptor *descriptor)
{
	struct ipcshim_share *share = &packing->shares[packing->nr_shares];
	unsigned int i;
	int err;

	for (i = 0; i < packing->nr_shares; i++)
		if (packing->shares[i].segment->memory == segment->memory)
			return -EINVAL;
	err = ipcshim_segment_pack(segment, descriptor->mode,
				   descriptor->rights, &carried->parcel, share);
	if (err)
		return err;
	packing->nr_shares++;
	carried->kind = IPCSHIM_KIND_SEGMENT;
	return 0;
}

/* What has neither a mode nor rights of its own. */
static int carry_pack_plain(struct ipcshim_packing *packing,
			    struct ipcshim_carried *carried, struct file *file,
			    const struct ipcshim_descriptor *descriptor)
{
	struct ipcshim_socket *socket;
	int err;

	if (descriptor->mode || descriptor->rights)
		return -EINVAL;
	if (file->f_op != &ipcshim_socket_fops) {
		carried->kind = IPCSHIM_KIND_PIPE;
		return ipcshim_end_pack(file, &carried->parcel);
	}
	err = ipcshim_socket_pack(file, &carried->parcel);
	if (err)
		return err;
	socket = ipcshim_object_socket(carried->parcel.object);
	carried->kind = IPCSHIM_KIND_SOCKET;
	carried->travels = ipcshim_connection_of(socket);
	packing->sockets = true;
	return 0;
}

static int carry_pack_one(struct ipcshim_packing *packing,
			  struct ipcshim_carried *carried, struct file *file,
			  const struct ipcshim_descriptor *descriptor)
{
	INIT_LIST_HEAD(&carried->in_connection);
	if (file->f_op == &ipcshim_segment_fops)
		return carry_pack_segment(packing, carried, file->private_data,
					  descriptor);
	if (file->f_op == &ipcshim_sender_fops ||
	    file->f_op == &ipcshim_receiver_fops ||
	    file->f_op == &ipcshim_socket_fops)
		return carry_pack_plain(packing, carried, file, descriptor);
	return -EOPNOTSUPP;
}

static int carry_pack_all(struct ipcshim_packing *packing,
			  struct ipcshim_message_node *message,
			  const struct ipcshim_descriptor __user *descriptors,
			  u16 nr)
{
	struct ipcshim_descriptor descriptor;
	struct file *file;
	int err;

	while (message->nr_carried < nr) {
		err = ipcshim_copy_in(&descriptor,
				      &descriptors[message->nr_carried],
				      sizeof(descriptor));
		if (!err)
			err = carry_check(&descriptor);
		if (err)
			return err;
		file = fget(descriptor.fd);
		if (!file)
			return -EBADF;
		packing->files[packing->nr++] = file;
		err = carry_pack_one(packing,
				     &message->carried[message->nr_carried],
				     file, &descriptor);
		if (err)
			return err;
		message->nr_carried++;
	}
	return 0;
}

struct ipcshim_packing *
ipcshim_carry_pack(struct ipcshim_message_node *message, u64 descriptors,
		   u16 nr)
{
	struct ipcshim_packing *packing;
	int err;

	packing = kzalloc(sizeof(*packing), GFP_KERNEL_ACCOUNT);
	if (!packing)
		return ERR_PTR(-ENOMEM);
	message->carried = kcalloc(nr, sizeof(*message->carried),
				   GFP_KERNEL_ACCOUNT);
	if (!message->carried) {
		kfree(packing);
		return ERR_PTR(-ENOMEM);
	}
	/* What was packed before an error goes with the message. */
	err = carry_pack_all(packing, message, u64_to_user_ptr(descriptors),
			     nr);
	if (err) {
		ipcshim_carry_finish(packing);
		return ERR_PTR(err);
	}
	return packing;
}

void ipcshim_carry_finish(struct ipcshim_packing *packing)
{
	if (!packing)
		return;
	while (packing->nr)
		fput(packing->files[--packing->nr]);
	kfree(packing);
}

/* Could a side of "to" be found in the messages of "from", or in theirs? */
static bool carry_reaches(struct ipcshim_connection *from,
			  const struct ipcshim_connection *to)
{
	static u64 last_walk;
	struct ipcshim_connection *connection;
	struct ipcshim_carried *carried;
	LIST_HEAD(todo);
	bool found = false;

	lockdep_assert_held(&ipcshim_carry_lock);
	from->walk = ++last_walk;
	list_add(&from->in_walk, &todo);
	while ((connection = list_first_entry_or_null(&todo,
						      struct ipcshim_connection,
						      in_walk))) {
		list_del_init(&connection->in_walk);
		found |= connection == to;
		if (found)
			continue;
		list_for_each_entry(carried, &connection->carried,
				    in_connection) {
			if (carried->travels->walk == last_walk)
				continue;
			carried->travels->walk = last_walk;
			list_add_tail(&carried->travels->in_walk, &todo);
		}
		cond_resched();
	}
	return found;
}

static int carry_link(struct ipcshim_message_node *message)
{
	struct ipcshim_connection *connection = message->connection;
	unsigned int i;

	lockdep_assert_held(&ipcshim_carry_lock);
	for (i = 0; i < message->nr_carried; i++)
		if (message->carried[i].travels &&
		    carry_reaches(message->carried[i].travels, connection))
			return -ELOOP;
	for (i = 0; i < message->nr_carried; i++)
		if (message->carried[i].travels)
			list_add_tail(&message->carried[i].in_connection,
				      &connection->carried);
	return 0;
}

static void carry_unlink(struct ipcshim_message_node *message)
{
	unsigned int i;

	lockdep_assert_held(&ipcshim_carry_lock);
	for (i = 0; i < message->nr_carried; i++)
		list_del_init(&message->carried[i].in_connection);
}

int ipcshim_carry_begin(struct ipcshim_message_node *message,
			struct ipcshim_packing *packing)
{
	int err = 0;

	/* One segment alone needs nobody else to keep out. */
	if (!packing->sockets && packing->nr_shares <= 1)
		return ipcshim_segment_share_all(packing->shares,
						 packing->nr_shares);
	if (mutex_lock_killable(&ipcshim_carry_lock))
		return -EINTR;
	if (packing->sockets)
		err = carry_link(message);
	if (!err) {
		err = ipcshim_segment_share_all(packing->shares,
						packing->nr_shares);
		if (err)
			carry_unlink(message);
	}
	mutex_unlock(&ipcshim_carry_lock);
	return err;
}

static void carry_describe(const struct ipcshim_carried *carried,
			   const struct ipcshim_claim *claim, int fd,
			   struct ipcshim_descriptor *descriptor)
{
	*descriptor = (struct ipcshim_descriptor) {
		.fd = fd,
		.kind = carried->kind,
		.mode = claim->mode,
		.end = claim->end,
		.capacity = claim->capacity,
		.inode = claim->inode,
		.length = claim->length,
	};
}

/* A new descriptor with its file; or none, of what was taken back. */
static int carry_unpack_one(struct ipcshim_carried *carried,
			    struct ipcshim_unpacking *unpacking,
			    struct ipcshim_descriptor *descriptor)
{
	struct ipcshim_parcel *parcel = &carried->parcel;
	struct ipcshim_claim claim = {};
	struct file *file;
	int fd;

	fd = get_unused_fd_flags(O_CLOEXEC);
	if (fd < 0)
		return fd;
	file = parcel->ops->open(parcel, unpacking->process, &claim);
	if (IS_ERR(file)) {
		put_unused_fd(fd);
		if (file != ERR_PTR(-ESTALE))
			return PTR_ERR(file);
		file = NULL;
		fd = -1;
	}
	carry_describe(carried, &claim, fd, descriptor);
	descriptor->error = file ? 0 : ESTALE;
	unpacking->fds[unpacking->nr] = fd;
	unpacking->files[unpacking->nr++] = file;
	return 0;
}

int ipcshim_carry_unpack(struct ipcshim_message_node *message,
			 u64 descriptors, struct ipcshim_unpacking *unpacking)
{
	struct ipcshim_descriptor __user *to = u64_to_user_ptr(descriptors);
	struct ipcshim_descriptor descriptor;
	unsigned int i;
	int err = 0;

	unpacking->nr = 0;
	unpacking->process = NULL;
	if (!message->nr_carried)
		return 0;
	unpacking->process = ipcshim_process_get_current();
	if (IS_ERR(unpacking->process))
		return PTR_ERR(unpacking->process);
	for (i = 0; i < message->nr_carried && !err; i++) {
		err = carry_unpack_one(&message->carried[i], unpacking,
				       &descriptor);
		if (!err)
			err = ipcshim_copy_out(&to[i], &descriptor,
					       sizeof(descriptor));
	}
	if (err)
		ipcshim_carry_undo(unpacking);
	return err;
}

void ipcshim_carry_install(struct ipcshim_unpacking *unpacking,
			   const struct ipcshim_message_node *message)
{
	int i;

	for (i = 0; i < unpacking->nr; i++) {
		const struct ipcshim_parcel *parcel =
			&message->carried[i].parcel;

		if (!unpacking->files[i])
			continue;
		parcel->ops->opened(unpacking->files[i], unpacking->process);
		fd_install(unpacking->fds[i], unpacking->files[i]);
	}
	ipcshim_process_put(unpacking->process);
}

void ipcshim_carry_undo(struct ipcshim_unpacking *unpacking)
{
	while (unpacking->nr--) {
		if (!unpacking->files[unpacking->nr])
			continue;
		fput(unpacking->files[unpacking->nr]);
		put_unused_fd(unpacking->fds[unpacking->nr]);
	}
	ipcshim_process_put(unpacking->process);
}
