// SPDX-License-Identifier: MIT
/* Segments and faults; see memory.h. */
#include "memory.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "harness.h"

size_t page_size(void)
{
	return (size_t)sysconf(_SC_PAGESIZE);
}

int memory_port(void)
{
	struct ipcshim_handle args = { .codes = { MEMORY_CODES } };
	int port = port_open();

	ASSERT_OK(ioctl(port, IPCSHIM_HANDLE_SIGNAL, &args));
	return port;
}

uint64_t in_nanoseconds(uint64_t nanoseconds)
{
	struct timespec now;

	ASSERT_OK(clock_gettime(CLOCK_MONOTONIC, &now));
	return (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec + nanoseconds;
}

static int create(int port, size_t length, uint32_t flags)
{
	struct ipcshim_create_mem args = { .length = length, .flags = flags };

	ASSERT_OK(ioctl(port, IPCSHIM_CREATE_MEM, &args));
	return args.fd;
}

int segment_create(int port, size_t length)
{
	return create(port, length, 0);
}

int segment_small(int port, size_t length)
{
	return create(port, length, IPCSHIM_MEM_SMALL_PAGES);
}

char *segment_map(int segment, size_t length, int protection)
{
	char *address = mmap(NULL, length, protection, MAP_SHARED, segment, 0);

	if (address == MAP_FAILED)
		test_failed(__FILE__, __LINE__, "mmap of a segment: %s", strerrorname_np(errno));
	return address;
}

struct ipcshim_mem_info segment_info(int segment)
{
	struct ipcshim_mem_info args = { 0 };

	ASSERT_OK(ioctl(segment, IPCSHIM_MEM_SHARING_INFO, &args));
	return args;
}

struct ipcshim_share_mem share_args(pid_t pid, unsigned int mode, unsigned int rights)
{
	return (struct ipcshim_share_mem){
		.pid = (uint32_t)pid,
		.mode = (uint16_t)mode,
		.rights = (uint16_t)rights,
	};
}

struct ipcshim_share_mem share(int segment, pid_t pid, unsigned int mode, unsigned int rights)
{
	struct ipcshim_share_mem args = share_args(pid, mode, rights);

	ASSERT_OK(ioctl(segment, IPCSHIM_SHARE_MEM, &args));
	return args;
}

struct ipcshim_share_mem lend(int segment, pid_t pid, unsigned int rights, uint64_t deadline)
{
	struct ipcshim_share_mem args = share_args(pid, EXCLUSIVE, rights);

	args.flags = IPCSHIM_SHARE_LEND;
	args.deadline = deadline;
	ASSERT_OK(ioctl(segment, IPCSHIM_SHARE_MEM, &args));
	return args;
}

unsigned int take_back(int segment, pid_t pid)
{
	struct ipcshim_unshare_mem args = { .pid = (uint32_t)pid };

	ASSERT_OK(ioctl(segment, IPCSHIM_UNSHARE_MEM, &args));
	return args.revoked;
}

struct ipcshim_claim claim(int port, uint64_t token)
{
	struct ipcshim_claim args = { .token = token };

	ASSERT_OK(ioctl(port, IPCSHIM_CLAIM, &args));
	return args;
}

const char *fdinfo(int fd, const char *name)
{
	static char line[128];
	char path[64];
	size_t length = strlen(name);
	FILE *file;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	file = fopen(path, "re");
	ASSERT_TRUE(file);
	while (fgets(line, sizeof(line), file)) {
		if (strncmp(line, name, length) != 0 || line[length] != ':')
			continue;
		fclose(file);
		line[strcspn(line, "\n")] = '\0';
		return line + length + 1 + strspn(line + length + 1, " \t");
	}
	fclose(file);
	return "";
}

static sigjmp_buf resume;

static void on_fault(int number)
{
	siglongjmp(resume, number);
}

static void catch_faults(struct sigaction *before)
{
	struct sigaction action = { .sa_handler = on_fault };

	ASSERT_OK(sigaction(SIGBUS, &action, &before[0]));
	ASSERT_OK(sigaction(SIGSEGV, &action, &before[1]));
}

static void leave_faults(const struct sigaction *before)
{
	ASSERT_OK(sigaction(SIGBUS, &before[0], NULL));
	ASSERT_OK(sigaction(SIGSEGV, &before[1], NULL));
}

int fault_of_load(const volatile char *address)
{
	struct sigaction before[2];
	int number;

	catch_faults(before);
	number = sigsetjmp(resume, 1);
	if (number == 0)
		(void)*address;
	leave_faults(before);
	return number;
}

int fault_of_store(volatile char *address, char value)
{
	struct sigaction before[2];
	int number;

	catch_faults(before);
	number = sigsetjmp(resume, 1);
	if (number == 0)
		*address = value;
	leave_faults(before);
	return number;
}

void expect_gone(const char *address)
{
	int pair[2];

	ASSERT_EQ(SIGBUS, fault_of_load(address));
	ASSERT_OK(pipe2(pair, O_CLOEXEC));
	ASSERT_ERRNO(EFAULT, write(pair[1], address, 1));
	close(pair[0]);
	close(pair[1]);
}

void expect_stale(int segment)
{
	struct ipcshim_mem_info info = { 0 };
	struct pollfd ready = { .fd = segment };

	ASSERT_ERRNO(ESTALE, ioctl(segment, IPCSHIM_MEM_SHARING_INFO, &info));
	ASSERT_TRUE(mmap(NULL, page_size(), PROT_READ, MAP_SHARED, segment, 0) == MAP_FAILED);
	ASSERT_EQ(ESTALE, errno);
	ASSERT_EQ(1, poll(&ready, 1, 0));
	ASSERT_EQ(POLLHUP, ready.revents);
}

struct pin pin_page(const void *address)
{
	struct iovec vector = { (void *)(uintptr_t)address, page_size() };
	int pair[2];

	ASSERT_OK(pipe2(pair, O_CLOEXEC));
	ASSERT_EQ(page_size(), vmsplice(pair[1], &vector, 1, 0));
	return (struct pin){ pair[0], pair[1] };
}

void unpin(struct pin *pin)
{
	close(pin->reader);
	close(pin->writer);
}

static void read_process(pid_t pid, const char *name, char *text, size_t size)
{
	char path[64];
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
	file = fopen(path, "re");
	ASSERT_TRUE(file);
	ASSERT_TRUE(fgets(text, (int)size, file));
	fclose(file);
}

void wait_until_asleep(pid_t pid)
{
	char stat[512], call[256], state;

	do {
		read_process(pid, "stat", stat, sizeof(stat));
		ASSERT_EQ(1, sscanf(stat, "%*d (%*[^)]) %c", &state));
		ASSERT_TRUE(state == 'R' || state == 'S' || state == 'D');
		/* Who is about to sleep looks once more whether it has to, and runs meanwhile. */
		read_process(pid, "syscall", call, sizeof(call));
	} while (state != 'S' || strcmp(call, "running\n") == 0);
}
