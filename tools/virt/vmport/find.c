// SPDX-License-Identifier: GPL-2.0-only
/*
 * The blob in a stream.  It is found by its magic and taken for one by its checksum.  A
 * guest can write the same into its memory, so that is not looked at where it can be told
 * from the rest; and where there are two blobs, nobody guesses which is the right one.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "find.h"

/*
 * A guest can fill its memory with headers that each promise a large blob.  So many bytes
 * are summed up in vain, which takes seconds, and then the input is refused.
 */
#define CHECK_BUDGET	(64ull * KVM_VMPORT_MAX_STATE)

#define HEADER_SIZE	sizeof(struct kvm_vmport_blob_header)

static const u8 magic[] = { 'V', 'M', 'P', 'S' };

/* How long the blob says it is that begins here; 0 when none does. */
static u64 promised_size(const u8 *data)
{
	struct kvm_vmport_blob_header header;
	u64 size;

	memcpy(&header, data, sizeof(header));
	size = le64_to_cpu(header.size);
	if (le32_to_cpu(header.magic) != KVM_VMPORT_BLOB_MAGIC || !header.version ||
	    le16_to_cpu(header.header_size) != HEADER_SIZE || size < HEADER_SIZE ||
	    size > KVM_VMPORT_MAX_STATE)
		return 0;
	return size;
}

static void keep(struct finder *finder, const u8 *data, size_t size, bool is_whole)
{
	struct window *w = finder->w;

	free(finder->best.data);
	finder->best = (struct blob){ .data = malloc(size), .size = size, .at = w->pos };
	finder->is_whole = is_whole;
	if (finder->best.data) {
		memcpy(finder->best.data, data, size);
		return;
	}
	fail_with(w->fail, STATUS_TROUBLE, "no memory");
	w->failed = true;
}

/*
 * Is there a blob at the window's start?  Returns how many bytes are done with: all of a
 * blob, since what looks like one inside is a value of the guest's; else one.
 */
size_t look_for_blob(struct finder *finder)
{
	struct window *w = finder->w;
	struct kvm_vmport_blob_header header;
	u64 size;

	if (!window_has(w, HEADER_SIZE))
		return 1;
	size = promised_size(window_at(w));
	if (!size)
		return 1;
	if (!window_has(w, size)) {
		finder->is_cut = true;
		finder->cut_at = w->pos;
		return 1;
	}
	if (size > finder->budget) {
		fail_with(w->fail, STATUS_NONE,
			  "too much looks like a blob: say where it begins with --at");
		w->failed = true;
		return 1;
	}

	finder->budget -= size;
	memcpy(&header, window_at(w), sizeof(header));
	if (le32_to_cpu(header.checksum) != blob_crc(window_at(w), size)) {
		/* Maybe the one, and damaged.  A later one that is not is better. */
		if (!finder->best.data)
			keep(finder, window_at(w), size, false);
		return 1;
	}

	if (finder->count < MAX_PLACES)
		finder->places[finder->count] = w->pos;
	if (!finder->count++)
		keep(finder, window_at(w), size, true);
	return size;
}

/* All that is left, whatever it is. */
void scan_rest(struct finder *finder)
{
	struct window *w = finder->w;

	while (window_has(w, HEADER_SIZE)) {
		const u8 *at = memmem(window_at(w), window_left(w), magic, sizeof(magic));

		/* The magic may begin in the last bytes. */
		if (!at)
			window_skip(w, window_left(w) - (sizeof(magic) - 1));
		else if (at > window_at(w))
			window_skip(w, at - window_at(w));
		else
			window_skip(w, look_for_blob(finder));
	}
}

/* "bytes 100, 200 and more" */
static int fail_many(const struct finder *finder, struct fail *fail)
{
	char places[MAX_PLACES * 24];
	size_t used = 0;
	unsigned int i;

	for (i = 0; i < finder->count && i < MAX_PLACES; i++)
		used += snprintf(places + used, sizeof(places) - used, "%s%llu", i ? ", " : "",
				 finder->places[i]);
	return fail_with(fail, STATUS_NONE,
			 "%llu blobs begin here, at the bytes %s%s: a guest can make some of them; say which one with --at",
			 finder->count, places, finder->count > MAX_PLACES ? " and more" : "");
}

/* The input is a blob and nothing else: all of it counts, as it would for KVM. */
static int take_all(struct window *w, struct blob *blob)
{
	/* One byte more than KVM takes is enough to hear so. */
	window_has(w, KVM_VMPORT_MAX_STATE + 1);
	if (w->failed)
		return -1;
	blob->size = window_left(w);
	blob->at = 0;
	blob->data = malloc(blob->size ?: 1);
	if (!blob->data)
		return fail_with(w->fail, STATUS_TROUBLE, "no memory");
	if (blob->size)
		memcpy(blob->data, window_at(w), blob->size);
	return 0;
}

/* What holds no state, or not as it is, by its first bytes. */
static int check_kind(struct window *w)
{
	static const struct {
		const char *magic;
		size_t size;
		const char *advice;
	} others[] = {
		{ "\x1f\x8b", 2, "compressed: zcat FILE | vmport-state ..." },
		{ "\x28\xb5\x2f\xfd", 4, "compressed: zstdcat FILE | vmport-state ..." },
		{ "\xfd\x37zXZ", 5, "compressed: xzcat FILE | vmport-state ..." },
		{ "BZh", 3, "compressed: bzcat FILE | vmport-state ..." },
		{ "\x89LZO", 4, "compressed: lzop -dc FILE | vmport-state ..." },
		{ "\x04\x22\x4d\x18", 4, "compressed: lz4cat FILE | vmport-state ..." },
		{ "\x11\x22\x33\x44\0\0\0\1", 8,
		  "a channel of multifd, with memory only: the state is in the first channel" },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(others); i++) {
		if (window_has(w, others[i].size) &&
		    !memcmp(window_at(w), others[i].magic, others[i].size))
			return fail_with(w->fail, STATUS_NONE, "%s", others[i].advice);
	}
	return 0;
}

/* libvirt has a header in front of QEMU's stream, and XML.  Numbers are the host's. */
static void pass_libvirt(struct window *w)
{
	static const char magic[] = "LibvirtQemudSave";
	const size_t size_at = 20, header_size = 92;
	u32 size;

	if (!window_has(w, header_size) || memcmp(window_at(w), magic, strlen(magic)))
		return;
	memcpy(&size, window_at(w) + size_at, sizeof(size));
	window_pass(w, header_size + (u64)le32_to_cpu(size));
}

/* Nothing was found, or a part of a blob. */
static int fail_none(const struct finder *finder, struct fail *fail)
{
	if (finder->options->has_at)
		return fail_with(fail, STATUS_NONE, "no whole blob begins at this byte");
	if (finder->is_cut)
		return fail_with(fail, STATUS_NONE,
				 "a blob begins at byte %llu, and the end of the input is in it: copy it again, whole",
				 finder->cut_at);
	if (finder->is_lost)
		return fail_with(fail, STATUS_NONE,
				 "there is no blob in this, and at byte %llu the stream ends or is not understood: copy it again, whole",
				 finder->lost_at);
	return fail_with(fail, STATUS_NONE,
			 "there is no blob in this: was the interface on in that VM?");
}

static int find_in(struct finder *finder, struct blob *blob, struct fail *fail)
{
	struct window *w = finder->w;

	/* What is too short for anything else is a blob that was cut. */
	if (finder->options->raw)
		return take_all(w, blob);
	if (!finder->options->has_at &&
	    (!window_has(w, HEADER_SIZE) || !memcmp(window_at(w), magic, sizeof(magic))))
		return w->failed ? -1 : take_all(w, blob);

	if (finder->options->has_at) {
		if (window_pass(w, finder->options->at))
			look_for_blob(finder);
	} else {
		pass_libvirt(w);
		if (check_kind(w))
			return -1;
		if (is_migration_stream(w))
			walk_stream(finder);
		else
			scan_rest(finder);
	}
	if (w->failed)
		return -1;
	if (finder->count > 1)
		return fail_many(finder, fail);
	if (!finder->best.data)
		return fail_none(finder, fail);
	if (finder->is_lost && finder->best.at >= finder->lost_at)
		return fail_with(fail, STATUS_NONE,
				 "a blob begins at byte %llu, but the stream is not understood from byte %llu on: a guest can have made it in its memory; if you know better say --at %llu",
				 finder->best.at, finder->lost_at, finder->best.at);
	*blob = finder->best;
	finder->best.data = NULL;
	return 0;
}

/**
 * find_blob() - the one blob in a stream
 * @reader: of the stream, from its start
 * @options: --at
 * @blob: out: the blob, whole or damaged, to be free()d
 * @fail: out, on an error
 *
 * Return: 0 or -1.
 */
int find_blob(struct reader *reader, const struct options *options, struct blob *blob,
	      struct fail *fail)
{
	struct window w = { .reader = reader, .fail = fail };
	struct finder finder = { .w = &w, .options = options, .budget = CHECK_BUDGET };
	int r;

	*blob = (struct blob){ };
	r = find_in(&finder, blob, fail);
	free(finder.best.data);
	window_free(&w);
	return r;
}
