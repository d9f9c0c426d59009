// SPDX-License-Identifier: MIT
#include "support.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "harness.h"
#include "memory.h"

void *bad_address(void)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	void *hole = mmap(NULL, page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	ASSERT_TRUE(hole != MAP_FAILED);
	return hole;
}

void *read_only_copy(const void *data, size_t size)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	void *copy = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	ASSERT_TRUE(copy != MAP_FAILED && size <= page);
	memcpy(copy, data, size);
	ASSERT_OK(mprotect(copy, page, PROT_READ));
	return copy;
}

int port_open(void)
{
	int port = open(IPCSHIM_DEVICE, O_RDWR | O_CLOEXEC);

	if (port < 0)
		test_failed(__FILE__, __LINE__, "%s: %s (is the module loaded?)", IPCSHIM_DEVICE,
			    strerror(errno));
	return port;
}

struct ipcshim_handle handle_args(void)
{
	return (struct ipcshim_handle){ .codes = { BOTH_CODES }, .notify = IPCSHIM_NOTIFY_NONE };
}

struct ipcshim_unhandle unhandle_args(void)
{
	return (struct ipcshim_unhandle){ .codes = { BOTH_CODES } };
}

int port_handling(void)
{
	struct ipcshim_handle args = handle_args();
	int port = port_open();

	ASSERT_OK(ioctl(port, IPCSHIM_HANDLE_SIGNAL, &args));
	return port;
}

struct ipcshim_query query(int port)
{
	struct ipcshim_query args = { 0 };

	ASSERT_OK(ioctl(port, IPCSHIM_QUERY, &args));
	return args;
}

bool is_handled(int port, pid_t pid, unsigned int code)
{
	struct ipcshim_is_handled args = { .pid = (uint32_t)pid, .code = (uint16_t)code };

	ASSERT_OK(ioctl(port, IPCSHIM_IS_HANDLED, &args));
	ASSERT_TRUE(args.handled <= 1);
	return args.handled == 1;
}

struct ipcshim_event event_read(int port)
{
	struct ipcshim_event event;

	ASSERT_EQ(64, read(port, &event, sizeof(event)));
	return event;
}

unsigned int events_waiting(int port)
{
	int bytes = -1;

	ASSERT_OK(ioctl(port, FIONREAD, &bytes));
	ASSERT_EQ(0, bytes % 64);
	return (unsigned int)bytes / 64;
}

static int descriptors(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int count = 0;

	ASSERT_TRUE(dir);
	while (readdir(dir))
		count++;
	closedir(dir);
	return count;
}

struct state state_now(int port)
{
	int first_free = dup(port);

	ASSERT_OK(first_free);
	close(first_free);
	return (struct state){ query(port), descriptors(), first_free };
}

void state_same(int port, const struct state *before)
{
	struct state now = state_now(port);

	ASSERT_EQ(before->query.used_ports, now.query.used_ports);
	ASSERT_EQ(before->query.used_objects, now.query.used_objects);
	ASSERT_EQ(before->query.used_bytes, now.query.used_bytes);
	ASSERT_EQ(before->query.ports, now.query.ports);
	ASSERT_EQ(before->query.pipes, now.query.pipes);
	ASSERT_EQ(before->query.tokens, now.query.tokens);
	ASSERT_EQ(before->query.events, now.query.events);
	ASSERT_EQ(before->query.ring_bytes, now.query.ring_bytes);
	ASSERT_EQ(before->query.used_segment_bytes, now.query.used_segment_bytes);
	ASSERT_EQ(before->query.segments, now.query.segments);
	ASSERT_EQ(before->query.segment_bytes, now.query.segment_bytes);
	ASSERT_EQ(before->query.ptys, now.query.ptys);
	ASSERT_EQ(before->query.services, now.query.services);
	ASSERT_EQ(before->query.connections, now.query.connections);
	ASSERT_EQ(before->query.exchanges, now.query.exchanges);
	ASSERT_EQ(before->query.messages, now.query.messages);
	ASSERT_EQ(before->query.message_bytes, now.query.message_bytes);
	ASSERT_EQ(before->descriptors, now.descriptors);
	ASSERT_EQ(before->first_free, now.first_free);
}

void query_settles(int port, const struct ipcshim_query *before)
{
	uint64_t end = in_nanoseconds(5000000000U);
	struct ipcshim_query now = query(port);

	while (memcmp(&now, before, sizeof(now)) != 0 && in_nanoseconds(0) < end) {
		sched_yield();
		now = query(port);
	}
}

struct ipcshim_open_pipe open_args(void)
{
	return (struct ipcshim_open_pipe){
		.direction = IPCSHIM_END_SENDER,
		.mode = IPCSHIM_PIPE_RAW,
		.capacity = 1,
	};
}

struct ends ends_open(int port, unsigned int mode, unsigned int units)
{
	struct ipcshim_open_pipe args = open_args();

	args.mode = (uint16_t)mode;
	args.capacity = (uint16_t)units;
	ASSERT_OK(ioctl(port, IPCSHIM_OPEN_PIPE, &args));
	return (struct ends){ args.fd, args.peer_fd };
}

struct ipcshim_pipe_info info_of(int end)
{
	struct ipcshim_pipe_info args = { 0 };

	ASSERT_OK(ioctl(end, IPCSHIM_PIPE_INFO, &args));
	return args;
}

struct ipcshim_send_pipe send_args(pid_t pid)
{
	return (struct ipcshim_send_pipe){ .pid = (uint32_t)pid };
}

struct ipcshim_pipe_io io_args(void *buffer, size_t size, unsigned int mode)
{
	return (struct ipcshim_pipe_io){
		.buffer = (uint64_t)(uintptr_t)buffer,
		.size = size,
		.mode = mode,
	};
}

static unsigned char pattern(size_t place, unsigned int seed)
{
	return (unsigned char)(place * 7 + place / 251 + seed * 31);
}

void fill_pattern(void *buffer, size_t size, unsigned int seed)
{
	for (size_t i = 0; i < size; i++)
		((unsigned char *)buffer)[i] = pattern(i, seed);
}

void check_pattern(const void *buffer, size_t size, unsigned int seed)
{
	for (size_t i = 0; i < size; i++)
		if (((const unsigned char *)buffer)[i] != pattern(i, seed))
			test_failed(__FILE__, __LINE__, "byte %zu of %zu is %#x, expected %#x", i,
				    size, ((const unsigned char *)buffer)[i], pattern(i, seed));
}

void expect_content(int receiver, size_t size, unsigned int seed)
{
	unsigned char *buffer = malloc(size + 1);
	struct ipcshim_pipe_info info = info_of(receiver);
	struct ipcshim_pipe_io args = io_args(buffer, size, IPCSHIM_IO_FAIL);

	ASSERT_TRUE(buffer);
	ASSERT_EQ(size, info.bytes_waiting);
	if (size) {
		ASSERT_OK(ioctl(receiver, IPCSHIM_PIPE_READ, &args));
		ASSERT_EQ(size, args.moved);
		check_pattern(buffer, size, seed);
	}
	info = info_of(receiver);
	ASSERT_EQ(0, info.bytes_waiting);
	ASSERT_EQ(info.capacity, info.bytes_free);
	free(buffer);
}

struct restored {
	char path[128];
	char value[130];
	pid_t owner;
};

static struct restored saved[8];
static unsigned int saved_count;

static void restore_settings(void)
{
	/* The last first: one may have been set more than once. */
	for (unsigned int i = saved_count; i-- > 0;) {
		int fd;

		if (saved[i].owner != getpid())
			continue;
		fd = open(saved[i].path, O_WRONLY | O_CLOEXEC);
		if (fd < 0 || write(fd, saved[i].value, strlen(saved[i].value)) < 0)
			perror(saved[i].path);
		close(fd);
	}
}

void text_setting_set(const char *path, const char *value)
{
	struct restored *place = &saved[saved_count];
	ssize_t length;
	int fd;

	ASSERT_TRUE(saved_count < sizeof(saved) / sizeof(saved[0]));
	snprintf(place->path, sizeof(place->path), "%s", path);
	fd = open(place->path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		test_failed(__FILE__, __LINE__, "%s: %s", place->path, strerror(errno));
	length = read(fd, place->value, sizeof(place->value) - 1);
	ASSERT_TRUE(length > 0);
	place->value[length] = '\0';
	place->owner = getpid();
	if (saved_count++ == 0)
		atexit(restore_settings);
	ASSERT_EQ(strlen(value), pwrite(fd, value, strlen(value), 0));
	close(fd);
}

void setting_set(const char *path, unsigned long long value)
{
	char text[32];

	snprintf(text, sizeof(text), "%llu", value);
	text_setting_set(path, text);
}

void parameter_set(const char *name, unsigned long long value)
{
	char path[128];

	snprintf(path, sizeof(path), "/sys/module/ipcshim/parameters/%s", name);
	setting_set(path, value);
}
