// SPDX-License-Identifier: MIT
#include "socket_chain.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "rounds.h"

static struct ipcshim_open_serv_sock open_pair(int port)
{
	struct ipcshim_open_serv_sock pair = { .role = IPCSHIM_ROLE_CLIENT };

	if (ioctl(port, IPCSHIM_OPEN_SERV_SOCK, &pair))
		die("a pair of sockets");
	return pair;
}

static void send_into(int fd, struct ipcshim_descriptor *what, unsigned int count)
{
	struct ipcshim_send_sock_msg args = {
		.message = { .status = IPCSHIM_MESSAGE_CLOSE,
			     .nr_descriptors = (uint16_t)count },
		.descriptors = (uintptr_t)what,
	};

	if (ioctl(fd, IPCSHIM_SEND_SOCK_MSG, &args))
		die("a socket in a socket");
}

struct chain chain_make(unsigned int depth)
{
	int port = open(IPCSHIM_DEVICE, O_RDWR | O_CLOEXEC);
	struct ipcshim_open_serv_sock inner;
	struct chain chain;

	if (port < 0)
		die(IPCSHIM_DEVICE);
	inner = open_pair(port);
	chain.first = inner.fd;
	for (unsigned int i = 1; i < depth; i++) {
		struct ipcshim_open_serv_sock outer = open_pair(port);
		struct ipcshim_descriptor sides[2] = { { .fd = inner.peer_fd },
						       { .fd = inner.fd } };

		send_into(outer.fd, sides, i == 1 ? 1 : 2);
		close(inner.peer_fd);
		if (i > 1)
			close(inner.fd);
		inner = outer;
	}
	close(port);
	chain.last[0] = inner.fd;
	chain.last[1] = inner.peer_fd;
	return chain;
}

void chain_close(struct chain *chain)
{
	close(chain->last[0]);
	close(chain->last[1]);
	close(chain->first);
}
