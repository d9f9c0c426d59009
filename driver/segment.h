/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * DOC: segments
 *
 * What a descriptor of shared memory names is a grant: an object with an inode,
 * and so with an address space of its own, by which one holder reaches the pages
 * (memory.h), within its rights.  A grant has users: files, which its mappings
 * hold too, and a token under way.  It ends with the last of them, and is stale
 * from then on, or as soon as it is revoked or handed over.
 *
 * The gate of a grant is what makes that final.  A fault looks whether the grant is
 * stale, and inserts what it found, inside of the gate.  Who closes the gate
 * and unmaps everything knows that nothing is mapped until it is opened again:
 *
 *   fault                          hand-over, revocation
 *   -----                          ---------------------
 *   down_read(gate)                down_write(gate)
 *   stale? SIGBUS                  wait for the locks of all pages [1]
 *   find the page                  unmap_mapping_range()
 *   insert it, or [1] lock it      hand-over: are the pages ours alone?
 *   up_read(gate)                    no: up_write(gate), EBUSY
 *   [1] the core inserts it        stale = true
 *       and unlocks it             up_write(gate)
 *
 * Pages are allocated outside of it, so that a holder that is short of memory
 * keeps nobody waiting.
 *
 * segment.c         life: made, ended, revoked, told
 * segment_file.c    what a file does: poll, fdinfo, open, release
 * segment_map.c     mmap and faults
 * segment_share.c   SHARE_MEM, UNSHARE_MEM, the parcels
 * segment_lease.c   what was lent comes back
 * segment_adopt.c   ADOPT_MEM
 * segment_export.c  dma-bufs, and other modules
 * segment_ioctl.c   the calls
 */
#ifndef _IPCSHIM_SEGMENT_H
#define _IPCSHIM_SEGMENT_H

#include <linux/fs.h>
#include <linux/refcount.h>
#include <linux/rwsem.h>
#include <linux/uidgid.h>
#include <linux/wait.h>

#include "memory.h"
#include "object.h"

struct ipcshim_event_node;
struct ipcshim_lease;
struct ipcshim_parcel;
struct ipcshim_port;
struct ipcshim_process;
struct ipcshim_token;

enum ipcshim_stale {
	IPCSHIM_LIVE,
	IPCSHIM_HANDED_OVER,
	IPCSHIM_REVOKED,
	IPCSHIM_ENDED,
};

struct ipcshim_segment {
	struct ipcshim_object object;

	/* Constant. */
	struct ipcshim_memory *memory;
	struct inode *inode;		/* it owns the segment */
	struct vfsmount *mnt;		/* valid while there are users */
	struct ipcshim_user *user;	/* charged for the object */
	struct pid *sharer;		/* who shared it to there, or made it */
	kuid_t sharer_uid;
	u64 ino;
	u64 deadline;			/* of a lease, ns; 0: none */
	u16 mode;			/* IPCSHIM_MEM_* */
	u16 rights;			/* IPCSHIM_RIGHT_* */

	refcount_t users;		/* files and tokens */
	struct ipcshim_ending_hint ending;

	struct rw_semaphore gate;
	/* To be written in the gate, if it has users, and under memory->lock. */
	enum ipcshim_stale stale;
	/* Faults leave the inserting to the core, see [1].  Never cleared. */
	bool by_core;

	struct list_head in_memory;	/* memory->lock from here on */
	/* Whom it was made for; of a message, who has read it.  Or NULL. */
	struct ipcshim_process *receiver;
	bool claimed;
	kuid_t holder_uid;		/* of who claimed it; before: the sharer's */
	bool telling;			/* the event is to go as soon as it is claimed */
	struct ipcshim_event_node *event; /* UNSHARED_MEM, NULL: told, or never */
	struct ipcshim_lease *lease;	/* of a borrower's grant */

	wait_queue_head_t wait;
	struct fasync_struct *fasync;
};

static inline struct ipcshim_segment *
ipcshim_object_segment(const struct ipcshim_object *object)
{
	return container_of(object, struct ipcshim_segment, object);
}

static inline enum ipcshim_stale
ipcshim_segment_stale(const struct ipcshim_segment *segment)
{
	return READ_ONCE(segment->stale);
}

int ipcshim_segment_init(void);
void ipcshim_segment_exit(void);

/* Life. */

struct ipcshim_segment_spec {
	struct ipcshim_memory *memory;
	struct vfsmount *mnt;
	struct ipcshim_process *receiver;	/* NULL: made here, or unknown yet */
	u64 deadline;
	u16 mode;
	u16 rights;
};

/*
 * A grant that nobody has yet, with one user: the caller.  It takes references of
 * its own to all that the spec names.
 */
struct ipcshim_segment *
ipcshim_segment_create(const struct ipcshim_segment_spec *spec);
/* -ESTALE: it has ended. */
int ipcshim_segment_get_user(struct ipcshim_segment *segment);
void ipcshim_segment_put_user(struct ipcshim_segment *segment,
			      const struct ipcshim_ending *ending);
/* A new file, with a user of its own. */
struct file *ipcshim_segment_file(struct ipcshim_segment *segment,
				  bool nonblock);

/* New memory with its owner's grant: a file of that, its only user. */
struct file *ipcshim_segment_new(u64 length, bool small_pages);

/* From whom to whom. */
struct ipcshim_share {
	struct ipcshim_segment *segment;
	struct ipcshim_segment *grant;
};

/* For a message: a grant, to be shared by what follows.  Errors as SHARE_MEM. */
int ipcshim_segment_pack(struct ipcshim_segment *segment, u16 mode, u16 rights,
			 struct ipcshim_parcel *parcel,
			 struct ipcshim_share *share);
/*
 * Share them, all or none; no two of the same memory.  For more than one the
 * caller holds ipcshim_carry_lock.
 */
int ipcshim_segment_share_all(const struct ipcshim_share *shares,
			      unsigned int nr);

/* All of these with memory->lock held. */

/* From here on it is one of those that reach the pages. */
void ipcshim_segment_grant(struct ipcshim_segment *segment, bool owner);
/* Close the gate (of several, the n-th), unmap everything.  -EINTR: to be killed. */
int ipcshim_segment_close_gate(struct ipcshim_segment *segment,
			       unsigned int subclass);
void ipcshim_segment_open_gate(struct ipcshim_segment *segment);
/* It reaches the pages no more.  The gate is closed, or it has no users. */
void ipcshim_segment_set_stale(struct ipcshim_segment *segment,
			       enum ipcshim_stale why);
/* UNSHARED_MEM to whoever has claimed it, or will. */
void ipcshim_segment_tell(struct ipcshim_segment *segment,
			  const struct ipcshim_ending *ending);

/* Whoever polls has to look again.  Any context. */
void ipcshim_segment_wake(struct ipcshim_segment *segment);

/* What was lent. */
int ipcshim_lease_queue_init(void);
void ipcshim_lease_queue_exit(void);
/* For a grant that is being made. */
struct ipcshim_lease *ipcshim_lease_create(struct ipcshim_segment *segment);
void ipcshim_lease_free(struct ipcshim_lease *lease);
/* It goes back to "home", a token of the lender's.  memory->lock is held. */
void ipcshim_lease_grant(struct ipcshim_segment *segment,
			 struct ipcshim_token *home);
/* Start to count, if there is a deadline. */
void ipcshim_lease_start(struct ipcshim_segment *segment);
/*
 * The last user of a borrower's grant is gone: the pages go back, at once or as
 * soon as there is memory for copies of those that are pinned.
 */
void ipcshim_lease_end(struct ipcshim_segment *segment,
		       const struct ipcshim_ending *ending);
/* Why it went back, or is going to. */
struct ipcshim_ending
ipcshim_lease_ended(const struct ipcshim_segment *segment);

/* Files and mappings. */
extern const struct file_operations ipcshim_segment_fops;
extern const struct inode_operations ipcshim_segment_iops;
int ipcshim_segment_mmap(struct file *file, struct vm_area_struct *vma);

/* The calls. */

int ipcshim_segment_make(struct ipcshim_port *port,
			 struct ipcshim_create_mem __user *uarg);
int ipcshim_segment_adopt(struct ipcshim_port *port,
			  struct ipcshim_adopt_mem __user *uarg);
int ipcshim_segment_share(struct ipcshim_segment *segment,
			  struct ipcshim_share_mem __user *uarg);
int ipcshim_segment_unshare(struct ipcshim_segment *segment,
			    struct ipcshim_unshare_mem __user *uarg);
int ipcshim_segment_return(struct ipcshim_segment *segment,
			   const struct ipcshim_return_mem __user *uarg);
int ipcshim_segment_export(struct ipcshim_segment *segment,
			   struct ipcshim_export_dmabuf __user *uarg);
long ipcshim_segment_ioctl(struct file *file, unsigned int cmd,
			   unsigned long arg);

#endif /* _IPCSHIM_SEGMENT_H */
