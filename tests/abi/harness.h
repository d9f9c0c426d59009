/* SPDX-License-Identifier: MIT */
/*
 * A small harness in the manner of kselftest.
 *
 *	EXE --list		a test's name per line
 *	EXE --run NAME		runs one test: exit 0 passed, 4 skipped, else failed
 *
 * Every test runs in a process of its own, so a test may leave descriptors
 * open; children that it forked die with it (see support.h).
 */
#ifndef IPCSHIM_TESTS_ABI_HARNESS_H
#define IPCSHIM_TESTS_ABI_HARNESS_H

struct test {
	const char *name;
	void (*run)(void);
	struct test *next;
};

void test_register(struct test *test);

/* Each of these ends the process, a child's as well. */
_Noreturn void test_failed(const char *file, int line, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
_Noreturn void test_skipped(const char *format, ...)
	__attribute__((format(printf, 1, 2)));

void check_equal(const char *file, int line, const char *text, long long expected,
		 long long actual);
void check_ok(const char *file, int line, const char *text, long long result);
void check_errno(const char *file, int line, const char *text, int expected,
		 long long result);

#define TEST(name)                                                             \
	static void name(void);                                                \
	__attribute__((constructor)) static void register_##name(void)         \
	{                                                                      \
		static struct test test = { #name, name, 0 };                  \
                                                                               \
		test_register(&test);                                          \
	}                                                                      \
	static void name(void)

#define ASSERT_TRUE(condition)                                                 \
	do {                                                                   \
		if (!(condition))                                              \
			test_failed(__FILE__, __LINE__, "not so: %s",          \
				    #condition);                               \
	} while (0)

#define ASSERT_EQ(expected, actual)                                            \
	check_equal(__FILE__, __LINE__, #actual, (long long)(expected),        \
		    (long long)(actual))

/* A system call that has to succeed. */
#define ASSERT_OK(call) check_ok(__FILE__, __LINE__, #call, (long long)(call))

/* A system call that has to fail, and how. */
#define ASSERT_ERRNO(expected, call)                                           \
	check_errno(__FILE__, __LINE__, #call, (expected), (long long)(call))

#define SKIP(...) test_skipped(__VA_ARGS__)

#endif
