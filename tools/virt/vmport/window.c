// SPDX-License-Identifier: GPL-2.0-only
/* A look at a stream of any length, in bounded memory. */
#include <stdlib.h>

#include "window.h"

#define CHUNK	(256 * 1024)

/* Room for @size bytes from @start on, and a chunk more. */
static bool make_room(struct window *w, size_t size)
{
	size_t room = ALIGN(size + CHUNK, CHUNK);
	u8 *data;

	if (w->start) {
		memmove(w->data, w->data + w->start, window_left(w));
		w->end -= w->start;
		w->start = 0;
	}
	if (room <= w->room)
		return true;

	data = realloc(w->data, room);
	if (!data) {
		fail_with(w->fail, STATUS_TROUBLE, "no memory");
		w->failed = true;
		return false;
	}
	w->data = data;
	w->room = room;
	return true;
}

/* Are there so many bytes, read or to be read? */
bool window_has(struct window *w, size_t size)
{
	ssize_t n;

	while (window_left(w) < size) {
		if (w->ended || w->failed || size > WINDOW_MAX)
			return false;
		if (w->start + size > w->room && !make_room(w, size))
			return false;

		n = w->reader->read(w->reader, w->data + w->end, w->room - w->end, w->fail);
		if (n < 0)
			w->failed = true;
		else if (!n)
			w->ended = true;
		else
			w->end += n;
	}
	return true;
}

/* Done with @size bytes, which window_has(). */
void window_skip(struct window *w, size_t size)
{
	w->start += size;
	w->pos += size;
	if (w->start == w->end) {
		w->start = 0;
		w->end = 0;
	}
}

/* Done with any number of bytes; false when the stream ends before. */
bool window_pass(struct window *w, u64 size)
{
	while (size) {
		u64 part;

		if (!window_has(w, 1))
			return false;
		part = window_left(w);
		if (part > size)
			part = size;
		window_skip(w, part);
		size -= part;
	}
	return true;
}

void window_free(struct window *w)
{
	free(w->data);
}
