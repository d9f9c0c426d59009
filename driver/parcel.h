/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * DOC: parcels: an object on its way to another process
 *
 * By a token, or in a message.  A parcel is a user of its object: it keeps it open,
 * as a file would.  Whoever opens it gets a file of the object; whoever drops it,
 * opened or not, lets go of it.
 */
#ifndef _IPCSHIM_PARCEL_H
#define _IPCSHIM_PARCEL_H

#include "ipcshim.h"

struct file;
struct inode;
struct ipcshim_object;
struct ipcshim_parcel;
struct ipcshim_process;
struct vfsmount;

struct ipcshim_parcel_ops {
	/*
	 * A file for the claimer, not yet visible; fills the out fields.
	 * -ESTALE: never again; other errors leave it as it was.
	 */
	struct file *(*open)(struct ipcshim_parcel *parcel,
			     struct ipcshim_process *process,
			     struct ipcshim_claim *claim);
	/* The claim can't fail any more. */
	void (*opened)(struct file *file, struct ipcshim_process *process);
	/* Opened (no ending) or not: let go of the object. */
	void (*drop)(struct ipcshim_parcel *parcel,
		     const struct ipcshim_ending *ending);
};

struct ipcshim_parcel {
	const struct ipcshim_parcel_ops *ops;
	struct ipcshim_object *object;
	struct inode *inode;
	struct vfsmount *mnt;
};

#endif /* _IPCSHIM_PARCEL_H */
