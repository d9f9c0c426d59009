/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * /dev/ipcshim_checksum: what a process asks of the sample module.
 */
#ifndef _IPCSHIM_CHECKSUM_H
#define _IPCSHIM_CHECKSUM_H

#include <linux/ioctl.h>
#include <linux/types.h>

#define IPCSHIM_CHECKSUM_DEVICE	"/dev/ipcshim_checksum"
#define IPCSHIM_CHECKSUM_MAGIC	0xEA

/*
 * The CRC-32 (that of zlib and Ethernet) of all bytes of a segment.
 * EBUSY	HOLD, and this file holds a segment already
 * and what ipcshim_segment_get() answers.
 */
#define IPCSHIM_CHECKSUM_HOLD	0x1	/* keep the reference, until RELEASE or close(2) */
#define IPCSHIM_CHECKSUM_VMAP	0x2	/* through one mapping, not page by page */
#define IPCSHIM_CHECKSUM_STORE	0x4	/* not of the last 4 bytes: put it there, little-endian */

struct ipcshim_checksum {
	__s32 fd;		/* [in] a segment's descriptor */
	__u32 flags;		/* [in] IPCSHIM_CHECKSUM_* */
	__u64 length;		/* [out] of the segment, in bytes */
	__u32 crc32;		/* [out] */
	__u32 reserved;		/* [in] 0 */
};

#define IPCSHIM_CHECKSUM_COMPUTE \
	_IOWR(IPCSHIM_CHECKSUM_MAGIC, 0x00, struct ipcshim_checksum)

/* What was held is let go.  ENOENT: nothing was. */
#define IPCSHIM_CHECKSUM_RELEASE	_IO(IPCSHIM_CHECKSUM_MAGIC, 0x01)

#endif /* _IPCSHIM_CHECKSUM_H */
