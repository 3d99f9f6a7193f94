// SPDX-License-Identifier: GPL-2.0-only
#include <ctype.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "shim.h"
#include "tap.h"

/* A test that takes longer hangs. */
#define TEST_SECONDS	120

static struct tap_test *tests, **last_test = &tests;
static char context[256];

void tap_register(struct tap_test *test)
{
	*last_test = test;
	last_test = &test->next;
}

void tap_context(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(context, sizeof(context), fmt, args);
	va_end(args);
}

/* One line of what can be printed: keys and values hold any byte. */
static void print_comment(const char *text)
{
	printf("# ");
	for (; *text; text++)
		putchar(isprint((unsigned char)*text) ? *text : '?');
	printf("\n");
}

void tap_note(const char *fmt, ...)
{
	char text[512];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	print_comment(text);
}

void tap_fail(const char *file, int line, const char *fmt, ...)
{
	char what[512], text[1024];
	va_list args;

	va_start(args, fmt);
	vsnprintf(what, sizeof(what), fmt, args);
	va_end(args);
	snprintf(text, sizeof(text), "%s:%d: %s%s%s", file, line, what,
		 context[0] ? "; at " : "", context);
	print_comment(text);
	fflush(stdout);
	/* Not exit(): what the test has left behind is of no interest. */
	_exit(1);
}

/* Whatever the test did: no lock is left held and no memory left over. */
static void run_test(const struct tap_test *test)
{
	alarm(TEST_SECONDS);
	test->run();
	shim_check_idle();
	tap_context("the end");
	CHECK_EQ(shim_live_bytes(), 0);
}

static bool passes(const struct tap_test *test)
{
	int status = -1;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid < 0) {
		perror("# fork");
		return false;
	}
	if (!pid) {
		run_test(test);
		exit(0);
	}

	if (waitpid(pid, &status, 0) != pid)
		perror("# waitpid");
	if (WIFSIGNALED(status))
		printf("# ended by signal %d (%s)\n", WTERMSIG(status),
		       strsignal(WTERMSIG(status)));
	return !status;
}

/* Arguments: only tests whose names contain one of them. */
static bool is_wanted(const struct tap_test *test, int argc, char **argv)
{
	int i;

	for (i = 1; i < argc; i++) {
		if (strstr(test->name, argv[i]))
			return true;
	}
	return argc == 1;
}

int main(int argc, char **argv)
{
	unsigned int count = 0, failures = 0;
	struct tap_test *test;

	for (test = tests; test; test = test->next)
		count += is_wanted(test, argc, argv);
	printf("TAP version 13\n1..%u\n", count);

	count = 0;
	for (test = tests; test; test = test->next) {
		bool ok;

		if (!is_wanted(test, argc, argv))
			continue;
		ok = passes(test);
		failures += !ok;
		printf("%sok %u - %s\n", ok ? "" : "not ", ++count, test->name);
	}
	printf("# %u passed, %u failed\n", count - failures, failures);
	return failures || !count;
}
