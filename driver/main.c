// SPDX-License-Identifier: GPL-2.0-only
/*
 * The ladder: every room is set up in this order and taken down in the reverse.
 */
#include <linux/module.h>

#include "event.h"
#include "ipcshim.h"
#include "pipe.h"
#include "port.h"
#include "pty.h"
#include "segment.h"
#include "socket.h"

struct ipcshim_totals ipcshim_totals;

static int __init ipcshim_init(void)
{
	int err;

	err = ipcshim_event_init();
	if (err)
		return err;
	err = ipcshim_pipe_init();
	if (err)
		goto err_event;
	err = ipcshim_segment_init();
	if (err)
		goto err_pipe;
	err = ipcshim_pty_init();
	if (err)
		goto err_segment;
	err = ipcshim_socket_init();
	if (err)
		goto err_pty;
	err = ipcshim_port_init();
	if (err)
		goto err_socket;
	return 0;

err_socket:
	ipcshim_socket_exit();
err_pty:
	ipcshim_pty_exit();
err_segment:
	ipcshim_segment_exit();
err_pipe:
	ipcshim_pipe_exit();
err_event:
	ipcshim_event_exit();
	return err;
}

static void __exit ipcshim_exit(void)
{
	ipcshim_port_exit();
	ipcshim_socket_exit();
	ipcshim_pty_exit();
	ipcshim_segment_exit();
	ipcshim_pipe_exit();
	ipcshim_event_exit();
}

module_init(ipcshim_init);
module_exit(ipcshim_exit);

MODULE_DESCRIPTION("Pipes, message pipes, shared memory, pseudo terminals and services between processes");
MODULE_AUTHOR("The ipcshim developers");
MODULE_LICENSE("GPL");
