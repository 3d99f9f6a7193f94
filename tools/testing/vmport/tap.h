/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A small TAP harness.  A test is a function that returns when it passed;
 * CHECK() and its like end it when it did not.  Each runs in a process of its
 * own, so that one that crashes takes no other with it.
 */
#ifndef _TAP_H
#define _TAP_H

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

struct tap_test {
	const char *name;
	void (*run)(void);
	struct tap_test *next;
};

void tap_register(struct tap_test *test);

/* TEST("what it shows") { ... } */
#define TEST(_name)		TAP_TEST1(_name, __COUNTER__)
#define TAP_TEST1(_name, _n)	TAP_TEST2(_name, _n)
#define TAP_TEST2(_name, _n)						\
	static void tap_run_##_n(void);					\
	static __attribute__((constructor)) void tap_register_##_n(void)	\
	{								\
		static struct tap_test test = {				\
			.name = _name,					\
			.run = tap_run_##_n,				\
		};							\
									\
		tap_register(&test);					\
	}								\
	static void tap_run_##_n(void)

/* What the test is at, said when it fails; printf() format. */
void tap_context(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void tap_fail(const char *file, int line, const char *fmt, ...)
	__attribute__((format(printf, 3, 4), noreturn));
/* A number worth knowing, printed as a comment. */
void tap_note(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#define FAIL(...)	tap_fail(__FILE__, __LINE__, __VA_ARGS__)

#define CHECK(_cond) do {						\
	if (!(_cond))							\
		FAIL("%s", #_cond);					\
} while (0)

#define CHECK_EQ(_seen, _expected) do {					\
	unsigned long long __seen = (_seen), __expected = (_expected);	\
									\
	if (__seen != __expected)					\
		FAIL("%s is %#llx, expected %#llx (%s)", #_seen, __seen,	\
		     __expected, #_expected);				\
} while (0)

#endif /* _TAP_H */
