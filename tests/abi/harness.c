// SPDX-License-Identifier: MIT
#include "harness.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "memory.h"
#include "support.h"

static struct test *first;
static struct test **last = &first;

void test_register(struct test *test)
{
	*last = test;
	last = &test->next;
}

void test_failed(const char *file, int line, const char *format, ...)
{
	va_list args;

	printf("%s:%d: ", file, line);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	putchar('\n');
	exit(1);
}

void test_skipped(const char *format, ...)
{
	va_list args;

	fputs("SKIP ", stdout);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	putchar('\n');
	exit(4);
}

void check_equal(const char *file, int line, const char *text, long long expected,
		 long long actual)
{
	if (expected != actual)
		test_failed(file, line, "%s is %lld (%#llx), expected %lld (%#llx)", text,
			    actual, (unsigned long long)actual, expected,
			    (unsigned long long)expected);
}

void check_ok(const char *file, int line, const char *text, long long result)
{
	if (result < 0)
		test_failed(file, line, "%s failed: %s", text, strerrorname_np(errno));
}

void check_errno(const char *file, int line, const char *text, int expected,
		 long long result)
{
	int seen = errno;

	if (result != -1)
		test_failed(file, line, "%s gave %lld, expected %s", text, result,
			    strerrorname_np(expected));
	if (seen != expected)
		test_failed(file, line, "%s failed with %s, expected %s", text,
			    strerrorname_np(seen), strerrorname_np(expected));
}

int main(int argc, char **argv)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc == 2 && strcmp(argv[1], "--list") == 0) {
		for (const struct test *test = first; test; test = test->next)
			puts(test->name);
		return 0;
	}
	if (argc == 3 && strcmp(argv[1], "--run") == 0) {
		for (const struct test *test = first; test; test = test->next) {
			if (strcmp(test->name, argv[2]) == 0) {
				test->run();
				return 0;
			}
		}
		fprintf(stderr, "%s: no test is called %s; --list names them all\n", argv[0],
			argv[2]);
		return 2;
	}
	/* What a test executes as another program, see support.h. */
	if (argc == 4 && strcmp(argv[1], "--open-to") == 0)
		return program_open_to(argv[2], argv[3]);
	if (argc == 3 && strcmp(argv[1], "--stay") == 0)
		return program_stay(argv[2]);
	fprintf(stderr, "use: %s --list | --run NAME\n", argv[0]);
	return 2;
}
