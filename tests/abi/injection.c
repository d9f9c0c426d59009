// SPDX-License-Identifier: MIT
/* Faults on demand; see injection.h. */
#include "injection.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "harness.h"
#include "support.h"

enum { FIRST_FAULTS = 32 };

static bool setting(const char *path, const char *value)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	bool done = fd >= 0 && write(fd, value, strlen(value)) > 0;

	if (fd >= 0)
		close(fd);
	return done;
}

int injector_open(void)
{
	int fd = open("/proc/thread-self/fail-nth", O_RDWR | O_CLOEXEC);

	if (fd < 0)
		SKIP("this kernel has no fault injection (CONFIG_FAULT_INJECTION)");
	if (!setting("/sys/kernel/debug/failslab/ignore-gfp-wait", "N") ||
	    !setting("/sys/kernel/debug/fail_page_alloc/ignore-gfp-wait", "N") ||
	    !setting("/sys/kernel/debug/fail_page_alloc/ignore-gfp-highmem", "N") ||
	    !setting("/sys/kernel/debug/fail_page_alloc/min-order", "0"))
		SKIP("failslab and fail_page_alloc can't be set in /sys/kernel/debug");
	/* No stack trace for each of hundreds. */
	setting("/sys/kernel/debug/failslab/verbose", "0");
	setting("/sys/kernel/debug/fail_page_alloc/verbose", "0");
	setting("/sys/kernel/debug/fail_usercopy/verbose", "0");
	return fd;
}

/* Reading back and resetting are copies that can take the fault themselves. */
bool with_fault(int injector, unsigned int n, int (*call)(void *), void *argument, int *result)
{
	char text[16];
	bool taken;
	int length = snprintf(text, sizeof(text), "%u", n);
	ssize_t count;

	ASSERT_EQ(length, pwrite(injector, text, (size_t)length, 0));
	*result = call(argument);
	memset(text, 0, sizeof(text));
	count = pread(injector, text, sizeof(text) - 1, 0);
	taken = count > 0 && atoi(text) == 0;
	while (pwrite(injector, "0", 1, 0) != 1)
		ASSERT_EQ(EFAULT, errno);
	return taken;
}

/* Where there are too many: each of the first ones, and then some. */
static unsigned int next_fault(unsigned int n, unsigned int stride)
{
	return n + (stride && n >= FIRST_FAULTS ? stride : 1);
}

void fail_each(const struct attempt *attempt, void *argument, int port)
{
	int injector = injector_open();
	struct state before = state_now(port);
	unsigned int refusals = 0;

	for (unsigned int n = 1;; n = next_fault(n, attempt->stride)) {
		int result;
		bool taken = with_fault(injector, n, attempt->call, argument, &result);

		if (result == 0)
			attempt->undo(argument);
		else if (attempt->check)
			attempt->check(argument);
		refusals += result == ENOMEM;
		if (result != 0 && result != ENOMEM && result != EFAULT)
			test_failed(__FILE__, __LINE__, "fault %u gave %s", n,
				    strerrorname_np(result));
		state_same(port, &before);
		if (!taken) {
			ASSERT_EQ(0, result);
			break;
		}
		ASSERT_TRUE(n < 2000);
	}
	ASSERT_TRUE(refusals > 0);
}

int no_memory_switch(void)
{
	static const char *const faults[] = { "failslab", "fail_page_alloc" };
	static const char *const settings[][2] = {
		{ "task-filter", "Y" }, { "times", "-1" },	   { "interval", "1" },
		{ "space", "0" },	{ "probability", "100" },
	};
	int fd;

	close(injector_open());
	for (unsigned int i = 0; i < 2; i++) {
		for (unsigned int j = 0; j < sizeof(settings) / sizeof(settings[0]); j++) {
			char path[64];

			snprintf(path, sizeof(path), "/sys/kernel/debug/%s/%s", faults[i],
				 settings[j][0]);
			ASSERT_TRUE(setting(path, settings[j][1]));
		}
	}
	fd = open("/proc/self/make-it-fail", O_WRONLY | O_CLOEXEC);
	ASSERT_OK(fd);
	return fd;
}

int without_memory(int fail, int (*call)(void *), void *argument)
{
	long results[2];
	int error;

	results[0] = pwrite(fail, "1", 1, 0);
	error = call(argument);
	results[1] = pwrite(fail, "0", 1, 0);
	ASSERT_EQ(1, results[0]);
	ASSERT_EQ(1, results[1]);
	return error;
}
