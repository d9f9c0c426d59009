// SPDX-License-Identifier: MIT
/* Limits of pseudo terminals: over one is EDQUOT or ENOSPC, and nothing changed. */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "harness.h"
#include "pty.h"

static void opens_objects(int fd, void *argument)
{
	struct ipcshim_open_pty args = { 0 };
	struct ipcshim_open_pipe pipe = open_args();
	struct state before;
	int port;
	int master;
	int slave;

	(void)fd;
	(void)argument;
	become(OTHER_UID);
	port = port_open();
	master = master_open(port);
	ends_open(port, IPCSHIM_PIPE_RAW, 0);
	before = state_now(port);
	ASSERT_EQ(2, before.query.limit_objects);
	ASSERT_EQ(2, before.query.used_objects);
	ASSERT_ERRNO(EDQUOT, ioctl(port, IPCSHIM_OPEN_PTY, &args));
	/* One kind of object leaves no room for another. */
	ASSERT_ERRNO(EDQUOT, ioctl(port, IPCSHIM_OPEN_PIPE, &pipe));
	state_same(port, &before);
	/* The slave costs nothing more, and holds the pty. */
	slave = slave_open(master, 0);
	close(master);
	ASSERT_ERRNO(EDQUOT, ioctl(port, IPCSHIM_OPEN_PTY, &args));
	close(slave);
	ASSERT_OK(ioctl(port, IPCSHIM_OPEN_PTY, &args));
}

TEST(ptys_above_the_limit_of_objects_are_EDQUOT)
{
	parameter_set("max_objects", 2);
	run_as_other(opens_objects, NULL);
	/* A child that ended gave them back. */
	run_as_other(opens_objects, NULL);
}

static void opens_bytes(int fd, void *argument)
{
	struct ipcshim_open_pty args = { 0 };
	struct state before;
	int port;
	int master;

	(void)fd;
	(void)argument;
	become(OTHER_UID);
	port = port_open();
	master = master_open(port);
	master_open(port);
	before = state_now(port);
	ASSERT_EQ(2 * IPCSHIM_PTY_BYTES, before.query.used_bytes);
	/* One byte is missing. */
	ASSERT_EQ(3 * IPCSHIM_PTY_BYTES - 1, before.query.limit_bytes);
	ASSERT_ERRNO(EDQUOT, ioctl(port, IPCSHIM_OPEN_PTY, &args));
	state_same(port, &before);
	close(master);
	ASSERT_OK(ioctl(port, IPCSHIM_OPEN_PTY, &args));
	ASSERT_EQ(2 * IPCSHIM_PTY_BYTES, query(port).used_bytes);
}

TEST(ptys_above_the_limit_of_bytes_are_EDQUOT)
{
	parameter_set("max_bytes", 3 * IPCSHIM_PTY_BYTES - 1);
	run_as_other(opens_bytes, NULL);
	run_as_other(opens_bytes, NULL);
}

TEST(ptys_above_the_limits_of_a_uid_open_with_CAP_SYS_RESOURCE)
{
	int port = port_open();

	parameter_set("max_objects", 1);
	parameter_set("max_bytes", 1);
	master_open(port);
	master_open(port);
	ASSERT_EQ(2, query(port).used_objects);
	ASSERT_EQ(2 * IPCSHIM_PTY_BYTES, query(port).used_bytes);
}

static void sends_over_the_limit(int fd, void *argument)
{
	struct ipcshim_send_pty args = send_pty_args(getpid());
	struct ipcshim_claim claim = { 0 };
	struct state before;
	int port;
	int master;

	(void)fd;
	(void)argument;
	become(OTHER_UID);
	port = port_for_ptys();
	master = master_open(port);
	/* A pty and its token are two objects. */
	ASSERT_OK(ioctl(master, IPCSHIM_SEND_PTY, &args));
	claim.token = args.token;
	before = state_now(port);
	ASSERT_EQ(2, before.query.used_objects);
	ASSERT_ERRNO(EDQUOT, ioctl(master, IPCSHIM_SEND_PTY, &args));
	state_same(port, &before);
	ASSERT_OK(ioctl(port, IPCSHIM_CLAIM, &claim));
	ASSERT_EQ(1, query(port).used_objects);
	ASSERT_OK(ioctl(master, IPCSHIM_SEND_PTY, &args));
	ASSERT_EQ(2, query(port).used_objects);
}

TEST(send_pty_above_the_limit_of_objects_is_EDQUOT)
{
	parameter_set("max_objects", 2);
	run_as_other(sends_over_the_limit, NULL);
	run_as_other(sends_over_the_limit, NULL);
}

TEST(pty_bytes_count_for_its_opener_whoever_has_the_slave)
{
	static const struct peer_options options = { .high_codes = PTY_CODE, .uid = OTHER_UID };
	struct peer peer = peer_start(&options);
	int port = port_open();
	int master = master_open(port);
	struct ipcshim_send_pty args = send_pty_args(peer.pid);

	ASSERT_OK(ioctl(master, IPCSHIM_SEND_PTY, &args));
	ASSERT_EQ(0, peer_claim(&peer, args.token));
	close(master);
	ASSERT_EQ(IPCSHIM_PTY_BYTES, query(port).used_bytes);
	ASSERT_EQ(1, query(port).used_objects);
	peer_kill(&peer);
	ASSERT_EQ(0, query(port).used_bytes);
	ASSERT_EQ(0, query(port).used_objects);
}

TEST(ptys_above_max_ptys_are_ENOSPC_for_everybody)
{
	struct ipcshim_open_pty args = { 0 };
	struct state before;
	int masters[2];
	int port;
	int slave;

	reload_with("max_ptys=2");
	port = port_open();
	ASSERT_EQ(2, query(port).limit_ptys);
	for (int i = 0; i < 2; i++)
		masters[i] = master_open(port);
	before = state_now(port);
	ASSERT_ERRNO(ENOSPC, ioctl(port, IPCSHIM_OPEN_PTY, &args));
	state_same(port, &before);
	/* Not free while its slave is open. */
	slave = slave_open(masters[0], 0);
	close(masters[0]);
	ASSERT_ERRNO(ENOSPC, ioctl(port, IPCSHIM_OPEN_PTY, &args));
	close(slave);
	ASSERT_OK(ioctl(port, IPCSHIM_OPEN_PTY, &args));
	ASSERT_ERRNO(ENOSPC, ioctl(port, IPCSHIM_OPEN_PTY, &args));
	/* And the next one right after each close. */
	for (int i = 0; i < 3; i++) {
		close(args.fd);
		ASSERT_OK(ioctl(port, IPCSHIM_OPEN_PTY, &args));
	}
}

TEST(pty_limit_is_what_the_parameter_says)
{
	char text[16] = "";
	int file = open("/sys/module/ipcshim/parameters/max_ptys", O_RDONLY | O_CLOEXEC);
	unsigned long long told = query(port_open()).limit_ptys;
	unsigned long long seen = 0;
	struct stat state;

	ASSERT_OK(file);
	ASSERT_TRUE(read(file, text, sizeof(text) - 1) > 0);
	for (const char *digit = text; *digit >= '0' && *digit <= '9'; digit++)
		seen = seen * 10 + (unsigned long long)(*digit - '0');
	ASSERT_EQ(seen, told);
	/* It is fixed while the module is loaded. */
	ASSERT_OK(fstat(file, &state));
	ASSERT_EQ(0444, state.st_mode & 07777);
}

struct scarce {
	int port;
	int master;
	uint64_t token;
};

static void prepares_ptys(void *argument)
{
	struct scarce *scarce = argument;

	scarce->port = port_for_ptys();
	scarce->master = pty_nonblocking(scarce->port).fd;
	scarce->token = pty_token_for_me(scarce->master);
}

static void opens_ptys_without_files(void *argument)
{
	const struct scarce *scarce = argument;
	struct ipcshim_open_pty args = { 0 };
	struct ipcshim_claim claim = { .token = scarce->token };
	struct ipcshim_query before = query(scarce->port);
	struct ipcshim_query now;

	ASSERT_ERRNO(ENFILE, ioctl(scarce->port, IPCSHIM_OPEN_PTY, &args));
	ASSERT_ERRNO(ENFILE, ioctl(scarce->master, TIOCGPTPEER, O_RDWR | O_NOCTTY));
	ASSERT_ERRNO(ENFILE, ioctl(scarce->port, IPCSHIM_CLAIM, &claim));
	now = query(scarce->port);
	ASSERT_EQ(before.ptys, now.ptys);
	ASSERT_EQ(before.tokens, now.tokens);
	ASSERT_EQ(before.used_objects, now.used_objects);
	ASSERT_EQ(before.used_bytes, now.used_bytes);
	/* None of them was an open of the slave. */
	expect_waiting(scarce->master);
}

TEST(ptys_without_files_in_the_system_are_ENFILE_and_nothing_is_opened)
{
	struct scarce scarce = { 0 };

	run_without_files(prepares_ptys, opens_ptys_without_files, &scarce);
}
