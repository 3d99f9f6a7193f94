// SPDX-License-Identifier: GPL-2.0-only
/*
 * A QEMU migration stream, as far as that is needed to tell the guest's memory from the
 * state of devices: a guest can write blobs into its memory.
 *
 * The stream is a header and then sections; one of a device does not say how long it is.
 * What holds the memory is read and passed over.  What follows the last part of the
 * memory, and all if anything is not as expected, is looked through byte by byte.
 */
#include "find.h"

#define STREAM_MAGIC	0x5145564d	/* "QEVM" */
#define STREAM_VERSION	3

/* The first byte of a section. */
enum {
	SECTION_EOF,
	SECTION_START,
	SECTION_PART,
	SECTION_END,
	SECTION_FULL,
	SECTION_VMDESCRIPTION = 6,
	SECTION_CONFIGURATION,
	SECTION_COMMAND,
	SECTION_FOOTER = 0x7e,
};

/* Low bits of the addresses in sections with memory. */
enum {
	RAM_ZERO = 0x02,
	RAM_SIZES = 0x04,
	RAM_PAGE = 0x08,
	RAM_EOS = 0x10,
	RAM_CONTINUE = 0x20,
	RAM_XBZRLE = 0x40,
	RAM_COMPRESSED = 0x100,
	RAM_FLUSH = 0x200,
	RAM_FLAGS = 0xfff,
};

#define PAGE_BYTES	4096

struct walk {
	struct finder *finder;
	struct window *w;
	bool has_ram;		/* @ram is known */
	u32 ram;		/* number of the section with the memory */
	bool ignores_shared;	/* capabilities that change what the memory looks like */
	bool maps_ram;
	bool is_past_ram;
};

bool is_migration_stream(struct window *w)
{
	return window_has(w, 8) && get_be32(window_at(w)) == STREAM_MAGIC &&
	       get_be32(window_at(w) + 4) == STREAM_VERSION;
}

static bool take_be32(struct window *w, u32 *n)
{
	if (!window_has(w, 4))
		return false;
	*n = get_be32(window_at(w));
	window_skip(w, 4);
	return true;
}

static bool take_be64(struct window *w, u64 *n)
{
	if (!window_has(w, 8))
		return false;
	*n = get_be64(window_at(w));
	window_skip(w, 8);
	return true;
}

/* A name with its length in front. */
static bool pass_name(struct window *w)
{
	if (!window_has(w, 1))
		return false;
	return window_pass(w, 1 + *window_at(w));
}

/* Is it this one?  All of it was read. */
static bool is_name(struct window *w, const char *name)
{
	return *window_at(w) == strlen(name) && !memcmp(window_at(w) + 1, name, strlen(name));
}

/* A part of the memory that has a place of its own in the file, right behind this header. */
static bool pass_mapped(struct window *w, u64 size)
{
	u64 page_size, bitmap_at, pages_at;
	u32 version;

	if (!take_be32(w, &version) || version != 1 || !take_be64(w, &page_size) ||
	    !take_be64(w, &bitmap_at) || !take_be64(w, &pages_at))
		return false;
	if (bitmap_at != w->pos || pages_at < bitmap_at || pages_at > S64_MAX - size)
		return false;
	return window_pass(w, pages_at + size - w->pos);
}

/* The names and sizes of all parts of the memory, @total bytes together. */
static bool pass_sizes(struct walk *walk, u64 total)
{
	struct window *w = walk->w;
	u64 size, address;

	while (total) {
		if (!pass_name(w) || !take_be64(w, &size) || !size || size > total)
			return false;
		if (walk->ignores_shared && !take_be64(w, &address))
			return false;
		if (walk->maps_ram && !pass_mapped(w, size))
			return false;
		total -= size;
	}
	return true;
}

static bool pass_page(struct window *w, u32 kind)
{
	u32 size;

	switch (kind) {
	case RAM_ZERO:
		return window_pass(w, 1);
	case RAM_PAGE:
		return window_pass(w, PAGE_BYTES);
	case RAM_XBZRLE:
		if (!window_has(w, 3) || *window_at(w) != 1)
			return false;
		return window_pass(w, 3 + get_be16(window_at(w) + 1));
	case RAM_COMPRESSED:
		/* Of a page at most what zlib makes of one that it cannot make smaller. */
		return take_be32(w, &size) && size <= 2 * PAGE_BYTES && window_pass(w, size);
	default:
		return false;
	}
}

/* A part of the memory, to its end. */
static bool pass_ram(struct walk *walk)
{
	struct window *w = walk->w;
	u64 address;
	u32 flags;

	while (take_be64(w, &address)) {
		flags = address & RAM_FLAGS;
		if (flags == RAM_EOS)
			return true;
		if (flags == RAM_FLUSH)
			continue;
		if (flags == RAM_SIZES) {
			if (!pass_sizes(walk, address & ~(u64)RAM_FLAGS))
				return false;
			continue;
		}
		if (!(flags & RAM_CONTINUE) && !pass_name(w))
			return false;
		if (!pass_page(w, flags & ~RAM_CONTINUE))
			return false;
	}
	return false;
}

/* Does the section with this number end here? */
static bool at_footer(struct window *w, u32 id)
{
	const u8 *at;

	if (*window_at(w) != SECTION_FOOTER || !window_has(w, 6))
		return false;
	at = window_at(w);
	return get_be32(at + 1) == id && at[5] <= SECTION_COMMAND;
}

/* What a device wrote, through which blobs are looked for, up to its end. */
static bool pass_device(struct walk *walk, u32 id)
{
	struct window *w = walk->w;

	while (window_has(w, 1)) {
		if (at_footer(w, id))
			return true;
		window_skip(w, *window_at(w) == 'V' ? look_for_blob(walk->finder) : 1);
	}
	return false;
}

static bool pass_footer(struct window *w, u32 id)
{
	if (!window_has(w, 5) || *window_at(w) != SECTION_FOOTER ||
	    get_be32(window_at(w) + 1) != id)
		return false;
	window_skip(w, 5);
	return true;
}

/* The header of a section that has not been there before. */
static bool start_section(struct walk *walk, u8 type, u32 id)
{
	struct window *w = walk->w;
	size_t size;

	if (!window_has(w, 1))
		return false;
	/* Its name and two numbers. */
	size = 1 + *window_at(w) + 8;
	if (!window_has(w, size))
		return false;
	if (type == SECTION_START && is_name(w, "ram")) {
		if (walk->has_ram)
			return false;
		walk->has_ram = true;
		walk->ram = id;
	}
	window_skip(w, size);
	return true;
}

/* Is this the header of a first section, or a command before it? */
static bool at_section(struct window *w)
{
	const u8 *at;
	u32 i;

	if (!window_has(w, 6))
		return false;
	at = window_at(w);
	/* Which command, and how many bytes it has. */
	if (*at == SECTION_COMMAND)
		return get_be16(at + 1) && get_be16(at + 1) <= 16 && get_be16(at + 3) <= 16;
	if (*at != SECTION_START && *at != SECTION_FULL)
		return false;
	if (get_be16(at + 1) || !at[5] || !window_has(w, 6 + at[5]))
		return false;
	at = window_at(w);
	for (i = 0; i < at[5]; i++) {
		if (at[6 + i] < 0x20 || at[6 + i] > 0x7e)
			return false;
	}
	return true;
}

/* What of the source's capabilities QEMU puts into a stream. */
static void take_capabilities(struct walk *walk)
{
	static const char subsection[] = "\5\32configuration/capabilities\0\0\0\1";
	const size_t head = sizeof(subsection) - 1;
	struct window *w = walk->w;
	u32 count;

	if (!window_has(w, head) || memcmp(window_at(w), subsection, head))
		return;
	window_skip(w, head);
	if (!take_be32(w, &count))
		return;
	while (count-- && window_has(w, 1) && window_has(w, 1 + *window_at(w))) {
		walk->maps_ram |= is_name(w, "mapped-ram");
		walk->ignores_shared |= is_name(w, "x-ignore-shared");
		pass_name(w);
	}
}

/* The name of the machine; what may follow it is passed over as a device's is. */
static bool pass_configuration(struct walk *walk)
{
	struct window *w = walk->w;
	u32 size;

	if (!take_be32(w, &size) || size > 4096 || !window_pass(w, size))
		return false;
	/* Subsections, up to what must be the first section. */
	while (window_has(w, 1) && !w->failed) {
		take_capabilities(walk);
		if (at_section(w))
			return true;
		if (window_left(w))
			window_skip(w, 1);
	}
	return false;
}

/*
 * One section before the end of the memory; false when that is over, or not understood.
 * A background snapshot has no end of the memory but that of all sections.
 */
static bool pass_section(struct walk *walk)
{
	struct window *w = walk->w;
	bool is_ram;
	u8 type;
	u32 id;

	if (!window_has(w, 1))
		return false;
	type = *window_at(w);
	if (type == SECTION_EOF) {
		walk->is_past_ram = true;
		return false;
	}
	if (type == SECTION_CONFIGURATION) {
		window_skip(w, 1);
		return pass_configuration(walk);
	}
	if (type == SECTION_COMMAND)
		return window_has(w, 5) && window_pass(w, 5 + get_be16(window_at(w) + 3));
	if (type < SECTION_START || type > SECTION_FULL)
		return false;

	window_skip(w, 1);
	if (!take_be32(w, &id))
		return false;
	if ((type == SECTION_START || type == SECTION_FULL) && !start_section(walk, type, id))
		return false;
	is_ram = walk->has_ram && walk->ram == id && type != SECTION_FULL;
	if (!(is_ram ? pass_ram(walk) : pass_device(walk, id)) || !pass_footer(w, id))
		return false;
	walk->is_past_ram = is_ram && type == SECTION_END;
	return !walk->is_past_ram;
}

/* All blobs of a migration stream that are not in the guest's memory. */
void walk_stream(struct finder *finder)
{
	struct walk walk = { .finder = finder, .w = finder->w };

	window_skip(finder->w, 8);
	while (pass_section(&walk))
		;
	finder->is_lost = !walk.is_past_ram;
	finder->lost_at = finder->w->pos;
	scan_rest(finder);
}
