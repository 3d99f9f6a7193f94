// SPDX-License-Identifier: GPL-2.0-only
/*
 * The blob of a VM that runs, through QEMU's QMP socket.  No QMP command gives it, so the
 * VM is migrated into a pipe that is read here, and goes on afterwards where it is.  It
 * stands still for the last part of that.
 */
#include <errno.h>
#include <jansson.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "input.h"

#define MAX_LINE	(1024 * 1024)
#define FD_NAME		"vmport-state"
/* How long QEMU may take for an answer, and be silent in the middle of the stream. */
#ifndef ANSWER_SECONDS
#define ANSWER_SECONDS	60
#endif
/* And to notice that a migration is over. */
#define POLL_MS		50
#define POLLS		600

struct qmp {
	int fd;
	struct fail *fail;
	char *buffer;
	size_t size;
	time_t deadline;	/* for the answer that is waited for */
};

static time_t now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec;
}

/* Is there something to be read, before @deadline? */
static bool wait_until(int fd, time_t deadline)
{
	struct pollfd poll_fd = { .fd = fd, .events = POLLIN };
	time_t left;
	int r = 0;

	do {
		left = deadline - now();
		if (left > 0)
			r = poll(&poll_fd, 1, left * 1000);
	} while (left > 0 && r < 0 && errno == EINTR);
	return r > 0;
}

static void expect_answer(struct qmp *qmp)
{
	qmp->deadline = now() + ANSWER_SECONDS;
}

static int qmp_connect(struct qmp *qmp, const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct timeval patience = { .tv_sec = ANSWER_SECONDS };

	if (strlen(path) >= sizeof(address.sun_path))
		return fail_with(qmp->fail, STATUS_TROUBLE, "the name of the socket is too long");
	strcpy(address.sun_path, path);
	qmp->buffer = malloc(MAX_LINE);
	qmp->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (!qmp->buffer || qmp->fd < 0 ||
	    setsockopt(qmp->fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)) ||
	    connect(qmp->fd, (struct sockaddr *)&address, sizeof(address)))
		return fail_with(qmp->fail, STATUS_TROUBLE,
				 "%s: start QEMU with -qmp unix:SOCKET,server=on,wait=off",
				 strerror(errno));
	expect_answer(qmp);
	return 0;
}

/* The next line as JSON, for json_decref(); NULL on an error. */
static json_t *qmp_line(struct qmp *qmp)
{
	char *end;
	json_t *json;
	ssize_t n;

	while (!(end = memchr(qmp->buffer, '\n', qmp->size))) {
		if (qmp->size == MAX_LINE) {
			fail_with(qmp->fail, STATUS_TROUBLE, "QEMU says too much in one line");
			return NULL;
		}
		if (!wait_until(qmp->fd, qmp->deadline)) {
			fail_with(qmp->fail, STATUS_TROUBLE,
				  "QEMU gives no answer: is another client connected to it?");
			return NULL;
		}
		n = read(qmp->fd, qmp->buffer + qmp->size, MAX_LINE - qmp->size);
		if (n <= 0) {
			fail_with(qmp->fail, STATUS_TROUBLE, "QEMU has closed the socket");
			return NULL;
		}
		qmp->size += n;
	}

	json = json_loadb(qmp->buffer, end - qmp->buffer, 0, NULL);
	qmp->size -= end + 1 - qmp->buffer;
	memmove(qmp->buffer, end + 1, qmp->size);
	if (!json)
		fail_with(qmp->fail, STATUS_TROUBLE,
			  "this is no QMP socket: what it says is no JSON");
	return json;
}

/* @text with @fd, where there is one. */
static int qmp_send(struct qmp *qmp, const char *text, int fd)
{
	struct iovec iov = { .iov_base = (char *)text, .iov_len = strlen(text) };
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control = { };
	struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct cmsghdr *header;

	if (fd >= 0) {
		message.msg_control = &control;
		message.msg_controllen = sizeof(control.space);
		header = CMSG_FIRSTHDR(&message);
		header->cmsg_level = SOL_SOCKET;
		header->cmsg_type = SCM_RIGHTS;
		header->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(header), &fd, sizeof(fd));
	}
	/* A line is less than any socket takes at once. */
	if (sendmsg(qmp->fd, &message, MSG_NOSIGNAL) != (ssize_t)iov.iov_len)
		return fail_with(qmp->fail, STATUS_TROUBLE, "cannot write to the socket: %s",
				 strerror(errno));
	return 0;
}

/* What a command returns, for json_decref(); events in between are passed over. */
static json_t *qmp_command(struct qmp *qmp, const char *text, int fd)
{
	json_t *line, *result, *error;
	const char *why;

	expect_answer(qmp);
	if (qmp_send(qmp, text, fd))
		return NULL;
	while ((line = qmp_line(qmp))) {
		result = json_incref(json_object_get(line, "return"));
		error = json_object_get(line, "error");
		why = json_string_value(json_object_get(error, "desc"));
		if (error && !result)
			fail_with(qmp->fail, STATUS_TROUBLE, "QEMU: %.200s", why ?: "an error");
		json_decref(line);
		if (result || error)
			return result;
	}
	return NULL;
}

static int qmp_do(struct qmp *qmp, const char *text)
{
	json_t *result = qmp_command(qmp, text, -1);

	json_decref(result);
	return result ? 0 : -1;
}

static int qmp_is_running(struct qmp *qmp, bool *running)
{
	json_t *result = qmp_command(qmp, "{\"execute\":\"query-status\"}\n", -1);

	if (!result)
		return -1;
	*running = json_is_true(json_object_get(result, "running"));
	json_decref(result);
	return 0;
}

/* Until the migration has ended one way or the other. */
static int qmp_wait(struct qmp *qmp)
{
	static const struct timespec pause = { .tv_nsec = POLL_MS * 1000000l };
	const char *status;
	json_t *result;
	int r = 1, i;

	for (i = 0; r > 0 && i < POLLS; i++) {
		result = qmp_command(qmp, "{\"execute\":\"query-migrate\"}\n", -1);
		if (!result)
			return -1;
		status = json_string_value(json_object_get(result, "status"));
		if (status && !strcmp(status, "completed"))
			r = 0;
		else if (!status || !strcmp(status, "failed") || !strcmp(status, "cancelled"))
			r = fail_with(qmp->fail, STATUS_TROUBLE,
				      "QEMU could not write the VM's state");
		else
			nanosleep(&pause, NULL);
		json_decref(result);
	}
	return r > 0 ? fail_with(qmp->fail, STATUS_TROUBLE, "QEMU's migration does not end") : r;
}

/* The stream begins to come out of *@from. */
static int qmp_migrate(struct qmp *qmp, int *from)
{
	json_t *result;
	int ends[2];

	if (pipe(ends))
		return fail_with(qmp->fail, STATUS_TROUBLE, "%s", strerror(errno));
	result = qmp_command(qmp, "{\"execute\":\"getfd\",\"arguments\":{\"fdname\":\"" FD_NAME
			     "\"}}\n", ends[1]);
	close(ends[1]);
	if (result && !qmp_do(qmp, "{\"execute\":\"migrate\",\"arguments\":{\"uri\":\"fd:" FD_NAME
			      "\"}}\n")) {
		json_decref(result);
		*from = ends[0];
		return 0;
	}
	json_decref(result);
	close(ends[0]);
	return -1;
}

/* QEMU writes all the time until it has written all. */
static ssize_t stream_read(struct reader *reader, u8 *to, size_t size, struct fail *fail)
{
	const struct fd_reader *file = container_of(reader, struct fd_reader, reader);

	if (!wait_until(file->fd, now() + ANSWER_SECONDS))
		return fail_with(fail, STATUS_TROUBLE,
				 "QEMU stops in the middle of the VM's state: is pause-before-switchover on?");
	return fd_read(reader, to, size, fail);
}

static int qmp_blob(struct qmp *qmp, const char *path, const struct options *options,
		    struct blob *blob)
{
	struct fail *fail = qmp->fail, later;
	struct fd_reader stream = { .reader.read = stream_read };
	struct progress progress;
	bool was_running, running = true;
	int r, waited;

	if (qmp_is_running(qmp, &was_running) || qmp_migrate(qmp, &stream.fd))
		return -1;
	progress_begin(&progress, &stream.reader, path, 0, options->progress);
	r = find_blob(&progress.reader, options, blob, fail);
	progress_end(&progress);
	/* If it was not read to its end the migration fails, and the VM goes on. */
	close(stream.fd);

	/* Whatever came of it, the VM is to be as it was. */
	if (r) {
		qmp->fail = &later;
		qmp_do(qmp, "{\"execute\":\"migrate_cancel\"}\n");
	}
	waited = qmp_wait(qmp);
	if (!r && waited)
		free(blob->data);
	if (was_running && (qmp_is_running(qmp, &running) ||
			    (!running && qmp_do(qmp, "{\"execute\":\"cont\"}\n")))) {
		if (!r && !waited)
			free(blob->data);
		return fail_with(fail, STATUS_TROUBLE,
				 "the VM may stand still now: look, and make it go on with \"cont\"");
	}
	return r ?: waited;
}

/**
 * blob_from_vm() - the blob of a VM that runs
 * @path: of QEMU's QMP socket
 * @options: as of find_blob()
 * @blob: out: for free()
 * @fail: out, on an error
 *
 * Return: 0 or -1.
 */
int blob_from_vm(const char *path, const struct options *options, struct blob *blob,
		 struct fail *fail)
{
	struct qmp qmp = { .fd = -1, .fail = fail };
	json_t *greeting = NULL;
	int r = -1;

	if (!qmp_connect(&qmp, path))
		greeting = qmp_line(&qmp);
	if (greeting && !json_object_get(greeting, "QMP"))
		fail_with(fail, STATUS_TROUBLE, "this is no QMP socket");
	else if (greeting && !qmp_do(&qmp, "{\"execute\":\"qmp_capabilities\"}\n"))
		r = qmp_blob(&qmp, path, options, blob);
	json_decref(greeting);
	if (qmp.fd >= 0)
		close(qmp.fd);
	free(qmp.buffer);
	return r;
}
