// SPDX-License-Identifier: GPL-2.0-only
/*
 * What guests wrote, for people to read: in trace events and debugfs.
 */
#include <linux/minmax.h>
#include <linux/string.h>

#include "text.h"

/*
 * Copy bytes as text.
 * @to: out: ends with a NUL, and all behind it is 0, too: an event is shown as it is
 * @room: bytes there, 1 or more
 *
 * A '.' stands for what is not printable, and for what ends or escapes text in quotation
 * marks: nobody can make a line look like two, or a name like two fields.  In any context.
 */
void vmport_text_copy(char *to, size_t room, const u8 *from, size_t size)
{
	size_t i, n = min(size, room - 1);
	u8 c;

	for (i = 0; i < n; i++) {
		c = from[i];
		to[i] = c >= ' ' && c <= '~' && !strchr("'\"\\", c) ? c : '.';
	}
	memset(to + n, 0, room - n);
}

/*
 * The same of one word.
 * @n: 0: the first
 *
 * One space parts two words.  They end where the bytes do, or with the first NUL.
 */
void vmport_text_word(char *to, size_t room, const u8 *from, size_t size, unsigned int n)
{
	const u8 *end = size ? memchr(from, '\0', size) : NULL;

	if (end)
		size = end - from;
	while (n-- && size) {
		end = memchr(from, ' ', size);
		size = end ? size - (end + 1 - from) : 0;
		from = end ? end + 1 : from;
	}
	end = size ? memchr(from, ' ', size) : NULL;
	vmport_text_copy(to, room, from, end ? end - from : size);
}
