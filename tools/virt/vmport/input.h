/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _VMPORT_INPUT_H
#define _VMPORT_INPUT_H

#include "window.h"

/* A reader that says on standard error how far it is. */
struct progress {
	struct reader reader;
	struct reader *inner;
	const char *name;
	u64 total;		/* bytes, 0: not known */
	u64 done;
	u64 said;		/* when, seconds */
	bool always;
	bool is_shown;
};

void progress_begin(struct progress *progress, struct reader *inner, const char *name,
		    u64 total, bool always);
void progress_end(struct progress *progress);

/* A reader of a file descriptor. */
struct fd_reader {
	struct reader reader;
	int fd;
};

ssize_t fd_read(struct reader *reader, u8 *to, size_t size, struct fail *fail);

/* The blob in a file, or with "-" in standard input. */
int read_blob(const char *name, const struct options *options, struct blob *blob,
	      struct fail *fail);
/* All of a file, at most @max bytes, with a NUL behind them. */
int read_all(const char *name, size_t max, struct blob *data, struct fail *fail);
/* A file that is there whole or not at all; "-" or NULL: standard output. */
int write_file(const char *name, const void *data, size_t size, struct fail *fail);
bool is_same_file(const char *a, const char *b);

/* qmp.c */
int blob_from_vm(const char *path, const struct options *options, struct blob *blob,
		 struct fail *fail);

#endif /* _VMPORT_INPUT_H */
