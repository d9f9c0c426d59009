// SPDX-License-Identifier: MIT
/* Ptys and the module: it stays while one is open, and comes back clean. */
#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "harness.h"
#include "pty.h"

static void expect_in_use(void)
{
	for (int i = 0; i < 3; i++)
		ASSERT_EQ(EAGAIN, try_unload());
}

TEST(pty_master_alone_keeps_the_module_loaded)
{
	int port = port_open();
	int master = master_open(port);

	close(port);
	expect_in_use();
	/* It goes on as before. */
	slave_open(master, 0);
	expect_in_use();
}

TEST(pty_slave_that_was_hung_up_keeps_the_module_loaded)
{
	int port = port_open();
	int master = master_open(port);
	int slave = slave_open(master, 0);
	char byte;

	close(port);
	close(master);
	expect_in_use();
	ASSERT_EQ(0, read(slave, &byte, 1));
	close(slave);
	/* The index, and with it the node's name, is free at once; the memory soon. */
	reload_with("");
	ASSERT_EQ(0, pty_open(port_open()).index);
}

static void waits_in_the_terminal(int fd, void *argument)
{
	(void)argument;
	ASSERT_OK(setsid());
	ASSERT_OK(ioctl(master_open(port_open()), TIOCGPTPEER, O_RDWR));
	put(fd, 0);
	for (;;)
		pause();
}

TEST(pty_of_a_process_that_is_killed_lets_the_module_go)
{
	for (int i = 0; i < 2; i++) {
		struct child child = child_start(waits_in_the_terminal, NULL);
		struct peer as_peer = { child, child.pid };

		get(child.fd);
		expect_in_use();
		peer_kill(&as_peer);
		reload_with("");
	}
}

TEST(pty_token_alone_keeps_the_module_loaded_with_its_port)
{
	int port = port_open();
	int master = master_open(port);

	pty_token_for_me(master);
	close(master);
	expect_in_use();
	close(port);
	reload_with("");
}

TEST(pty_limit_out_of_range_does_not_load)
{
	ASSERT_EQ(EINVAL, try_reload("max_ptys=0"));
}

TEST(pty_limit_above_what_there_are_numbers_for_does_not_load)
{
	ASSERT_EQ(EINVAL, try_reload("max_ptys=65537"));
}
