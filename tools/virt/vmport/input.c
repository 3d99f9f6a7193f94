// SPDX-License-Identifier: GPL-2.0-only
/* Files and pipes. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "input.h"

#define CHUNK	(256 * 1024)

static u64 now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec;
}

static void say_progress(struct progress *p, const char *end)
{
	fprintf(stderr, "\r" TOOL_NAME ": ");
	print_name(stderr, p->name);
	fprintf(stderr, ": %llu", p->done >> 20);
	if (p->total)
		fprintf(stderr, " of %llu", p->total >> 20);
	fprintf(stderr, " MiB read%s", end);
	p->is_shown = true;
}

/* Once a second, and not of what takes less. */
static ssize_t progress_read(struct reader *reader, u8 *to, size_t size, struct fail *fail)
{
	struct progress *p = container_of(reader, struct progress, reader);
	ssize_t n = p->inner->read(p->inner, to, size, fail);
	u64 time = now();

	if (n > 0)
		p->done += n;
	if (time != p->said && (p->always || isatty(STDERR_FILENO))) {
		p->said = time;
		say_progress(p, "");
	}
	return n;
}

void progress_begin(struct progress *progress, struct reader *inner, const char *name,
		    u64 total, bool always)
{
	*progress = (struct progress) {
		.reader.read = progress_read,
		.inner = inner,
		.name = name,
		.total = total,
		.always = always,
		.said = now(),
	};
}

void progress_end(struct progress *progress)
{
	if (progress->is_shown || progress->always)
		say_progress(progress, "\n");
}

ssize_t fd_read(struct reader *reader, u8 *to, size_t size, struct fail *fail)
{
	struct fd_reader *file = container_of(reader, struct fd_reader, reader);
	ssize_t n;

	do {
		n = read(file->fd, to, size);
	} while (n < 0 && errno == EINTR);
	return n < 0 ? fail_with(fail, STATUS_TROUBLE, "%s", strerror(errno)) : n;
}

static int open_input(const char *name, struct fail *fail)
{
	static bool stdin_was_read;
	bool is_stdin = !strcmp(name, "-");
	int fd;

	if (is_stdin && stdin_was_read)
		return fail_with(fail, STATUS_TROUBLE, "it can only be read once");
	stdin_was_read |= is_stdin;
	fd = is_stdin ? dup(STDIN_FILENO) : open(name, O_RDONLY | O_CLOEXEC);
	return fd < 0 ? fail_with(fail, STATUS_TROUBLE, "%s", strerror(errno)) : fd;
}

struct fd_image {
	struct image image;
	int fd;
};

static ssize_t fd_pread(struct image *image, void *to, size_t size, u64 at)
{
	struct fd_image *file = container_of(image, struct fd_image, image);
	size_t done = 0;
	ssize_t n;

	while (done < size) {
		n = pread(file->fd, to + done, size - done, at + done);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		if (!n)
			break;
		done += n;
	}
	return done;
}

static int read_from_image(const char *name, int fd, u64 size, const struct options *options,
			   struct blob *blob, struct fail *fail)
{
	struct fd_image file = { .image.pread = fd_pread, .image.size = size, .fd = fd };
	struct vmstate *vmstate;
	struct progress progress;
	int r;

	vmstate = vmstate_open(&file.image, options->snapshot, fail);
	if (!vmstate)
		return -1;
	progress_begin(&progress, vmstate_reader(vmstate), name, vmstate_size(vmstate),
		       options->progress);
	r = find_blob(&progress.reader, options, blob, fail);
	progress_end(&progress);
	vmstate_close(vmstate);
	return r;
}

/* What was read to see what it is comes first. */
struct peeked {
	struct reader reader;
	struct reader *rest;
	u8 head[4];
	size_t size;
	size_t pos;
};

static ssize_t peeked_read(struct reader *reader, u8 *to, size_t size, struct fail *fail)
{
	struct peeked *p = container_of(reader, struct peeked, reader);
	size_t n = min(size, p->size - p->pos);

	if (!n)
		return p->rest->read(p->rest, to, size, fail);
	memcpy(to, p->head + p->pos, n);
	p->pos += n;
	return n;
}

/* A pipe cannot be read anywhere, and an image must be: into a file that nobody sees. */
static int spool(struct reader *reader, u64 *size, struct fail *fail)
{
	FILE *file = tmpfile();
	u8 *chunk = malloc(CHUNK);
	ssize_t n = -1;
	int fd = -1;

	*size = 0;
	while (file && chunk && (n = reader->read(reader, chunk, CHUNK, fail)) > 0) {
		if (fwrite(chunk, 1, n, file) != n)
			break;
		*size += n;
	}
	if (n < 0 && file && chunk)
		goto out;
	if (!n && !fflush(file))
		fd = dup(fileno(file));
	if (fd < 0)
		fail_with(fail, STATUS_TROUBLE,
			  "cannot keep the image while it is read: %s: give it as a file",
			  strerror(errno));
out:
	free(chunk);
	if (file)
		fclose(file);
	return fd;
}

static int read_input(const char *name, int fd, const struct options *options,
		      struct blob *blob, struct fail *fail)
{
	struct fd_reader file = { .reader.read = fd_read, .fd = fd };
	struct peeked peeked = { .reader.read = peeked_read, .rest = &file.reader };
	struct stat info = { };
	struct progress progress;
	bool is_file;
	ssize_t n;
	int r;

	is_file = !fstat(fd, &info) && S_ISREG(info.st_mode) && !lseek(fd, 0, SEEK_CUR);
	while (peeked.size < sizeof(peeked.head)) {
		n = fd_read(&file.reader, peeked.head + peeked.size,
			    sizeof(peeked.head) - peeked.size, fail);
		if (n < 0)
			return -1;
		if (!n)
			break;
		peeked.size += n;
	}
	progress_begin(&progress, &peeked.reader, name, is_file ? info.st_size : 0,
		       options->progress);

	if (options->raw || !is_qcow2(peeked.head, peeked.size)) {
		r = find_blob(&progress.reader, options, blob, fail);
		progress_end(&progress);
		return r;
	}
	if (is_file)
		return read_from_image(name, fd, info.st_size, options, blob, fail);

	fd = spool(&progress.reader, &progress.total, fail);
	if (fd < 0)
		return -1;
	r = read_from_image(name, fd, progress.total, options, blob, fail);
	close(fd);
	return r;
}

int read_blob(const char *name, const struct options *options, struct blob *blob,
	      struct fail *fail)
{
	int fd = open_input(name, fail), r;

	if (fd < 0)
		return -1;
	r = read_input(strcmp(name, "-") ? name : "standard input", fd, options, blob, fail);
	close(fd);
	return r;
}

int read_all(const char *name, size_t max, struct blob *data, struct fail *fail)
{
	struct fd_reader file = { .reader.read = fd_read };
	size_t room = 0;
	ssize_t n;
	u8 *larger;

	file.fd = open_input(name, fail);
	if (file.fd < 0)
		return -1;
	*data = (struct blob){ };
	do {
		if (data->size + 1 >= room) {
			room = room ? 2 * room : CHUNK;
			larger = realloc(data->data, room);
			if (!larger) {
				n = fail_with(fail, STATUS_TROUBLE, "no memory");
				break;
			}
			data->data = larger;
		}
		n = fd_read(&file.reader, data->data + data->size, room - 1 - data->size, fail);
		if (n > 0)
			data->size += n;
		if (data->size > max)
			n = fail_with(fail, STATUS_TROUBLE, "more than %zu bytes", max);
	} while (n > 0);
	close(file.fd);
	if (n < 0) {
		free(data->data);
		return -1;
	}
	data->data[data->size] = 0;
	return 0;
}

static int write_fd(int fd, const void *data, size_t size)
{
	while (size) {
		ssize_t n = write(fd, data, size);

		if (n < 0 && errno != EINTR)
			return -1;
		if (n > 0) {
			data += n;
			size -= n;
		}
	}
	return 0;
}

/* Who may read the old file may read the new one: a state has secrets of the guest. */
static int copy_owner(int fd, const struct stat *old)
{
	mode_t mode = old->st_mode & 0777;

	/* Who cannot give a file away has one of a group of their own. */
	if (fchown(fd, old->st_uid, old->st_gid))
		mode &= 0700;
	return fchmod(fd, mode);
}

static int write_beside(const char *name, char *beside, const void *data, size_t size)
{
	struct stat old;
	int fd = mkstemp(beside), r;

	if (fd < 0)
		return -1;
	r = write_fd(fd, data, size);
	if (!r && !stat(name, &old))
		r = copy_owner(fd, &old);
	if (!r)
		r = fsync(fd);
	if (close(fd))
		r = -1;
	if (!r)
		r = rename(beside, name);
	if (r)
		unlink(beside);
	return r;
}

/* Nobody finds half of it, nor the file that it is written to first. */
static int write_whole(const char *name, const void *data, size_t size)
{
	/* Not the link to it. */
	char *target = realpath(name, NULL), *beside = NULL;
	sigset_t all, old;
	int r = -1;

	if (asprintf(&beside, "%s.XXXXXX", target ?: name) >= 0) {
		sigfillset(&all);
		sigprocmask(SIG_BLOCK, &all, &old);
		r = write_beside(target ?: name, beside, data, size);
		sigprocmask(SIG_SETMASK, &old, NULL);
		free(beside);
	}
	free(target);
	return r;
}

/* Is that the file, or a name of it, which was read? */
bool is_same_file(const char *a, const char *b)
{
	struct stat info_a, info_b;

	return !stat(a, &info_a) && !stat(b, &info_b) && S_ISREG(info_a.st_mode) &&
	       info_a.st_dev == info_b.st_dev && info_a.st_ino == info_b.st_ino;
}

int write_file(const char *name, const void *data, size_t size, struct fail *fail)
{
	struct stat info;
	int r, fd;

	if (!name || !strcmp(name, "-")) {
		r = write_fd(STDOUT_FILENO, data, size);
	} else if (!stat(name, &info) && !S_ISREG(info.st_mode)) {
		fd = open(name, O_WRONLY | O_CLOEXEC);
		r = fd < 0 ? -1 : write_fd(fd, data, size);
		if (fd >= 0 && close(fd))
			r = -1;
	} else {
		r = write_whole(name, data, size);
	}
	return r ? fail_with(fail, STATUS_TROUBLE, "cannot write it: %s", strerror(errno)) : 0;
}
