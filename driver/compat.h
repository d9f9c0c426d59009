/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Differences between the kernels that are supported, as Kbuild has found them
 * in the tree (never by version: distributions backport).  Forced in before
 * every file, so that the files read as for the newest kernel.
 */
#ifndef _IPCSHIM_COMPAT_H
#define _IPCSHIM_COMPAT_H

/* Before 6.5. */
#ifndef IPCSHIM_HAVE_COPY_SPLICE_READ
#define copy_splice_read generic_file_splice_read
#endif

#endif /* _IPCSHIM_COMPAT_H */
