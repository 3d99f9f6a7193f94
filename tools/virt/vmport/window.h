/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A look at a stream of any length from its start to its end, in bounded memory.
 */
#ifndef _VMPORT_WINDOW_H
#define _VMPORT_WINDOW_H

#include "tool.h"

/* What a stream comes from: bytes read, 0 at its end, -1 with @fail filled in. */
struct reader {
	ssize_t (*read)(struct reader *reader, u8 *to, size_t size, struct fail *fail);
};

/**
 * struct window - what is known of a stream
 * @reader: has the rest
 * @fail: why @reader has no more, when @failed
 * @data: malloc()
 * @room: bytes at @data
 * @start: of the bytes that are not done with
 * @end: of those that were read
 * @pos: where @start is in the stream
 */
struct window {
	struct reader *reader;
	struct fail *fail;
	bool failed;
	bool ended;
	u8 *data;
	size_t room;
	size_t start;
	size_t end;
	u64 pos;
};

/* No more than that is asked for at once. */
#define WINDOW_MAX	(KVM_VMPORT_MAX_STATE + 4096)

bool window_has(struct window *w, size_t size);
void window_skip(struct window *w, size_t size);
bool window_pass(struct window *w, u64 size);
void window_free(struct window *w);

static inline const u8 *window_at(const struct window *w)
{
	return w->data + w->start;
}

static inline size_t window_left(const struct window *w)
{
	return w->end - w->start;
}

static inline u32 get_be16(const u8 *p)
{
	return p[0] << 8 | p[1];
}

static inline u32 get_be32(const u8 *p)
{
	return (u32)get_be16(p) << 16 | get_be16(p + 2);
}

static inline u64 get_be64(const u8 *p)
{
	return (u64)get_be32(p) << 32 | get_be32(p + 4);
}

/* find.c */
int find_blob(struct reader *reader, const struct options *options, struct blob *blob,
	      struct fail *fail);

/* stream.c */
struct finder;
bool is_migration_stream(struct window *w);
void walk_stream(struct finder *finder);

/* qcow2.c: what pread() does, of the image; -1 and errno */
struct image {
	u64 size;	/* bytes */
	ssize_t (*pread)(struct image *image, void *to, size_t size, u64 at);
};

struct vmstate;

bool is_qcow2(const u8 *data, size_t size);
struct vmstate *vmstate_open(struct image *image, const char *snapshot, struct fail *fail);
struct reader *vmstate_reader(struct vmstate *vmstate);
u64 vmstate_size(const struct vmstate *vmstate);
void vmstate_close(struct vmstate *vmstate);

#endif /* _VMPORT_WINDOW_H */
