// SPDX-License-Identifier: GPL-2.0-only
/*
 * What "savevm" and "snapshot-save" put into a qcow2 image: the migration stream of an
 * internal snapshot, behind the end of its disk.  qemu-img reads no such thing.
 */
#include <stdlib.h>
#include <zlib.h>

#include <linux/bits.h>

#include "window.h"

#define QCOW2_MAGIC		0x514649fb	/* "QFI\xfb" */

/* Bits of the features that a reader must know. */
#define FEATURE_DIRTY		BIT_ULL(0)
#define FEATURE_CORRUPT		BIT_ULL(1)
#define FEATURE_DATA_FILE	BIT_ULL(2)
#define FEATURE_COMPRESSION	BIT_ULL(3)	/* the kind is in the header */
#define FEATURE_SUBCLUSTERS	BIT_ULL(4)
#define FEATURES_KNOWN		(FEATURE_DIRTY | FEATURE_COMPRESSION | FEATURE_SUBCLUSTERS)

#define HEADER_V2		72
#define HEADER_V3		104
#define SNAPSHOT_HEADER		40
#define MAX_SNAPSHOTS		65536
#define MAX_EXTRA		1024
/* As QEMU's: 2 MiB clusters, and 32 MiB of a first table. */
#define MAX_CLUSTER_BITS	21
#define MAX_L1_ENTRIES		(32u * 1024 * 1024 / 8)

#define ENTRY_OFFSET		0x00fffffffffffe00ull
#define ENTRY_COMPRESSED	BIT_ULL(62)
#define ENTRY_ZERO		1
#define MAX_RATIO		1032	/* of what zlib compresses */
#define SUBCLUSTERS		32

/**
 * struct vmstate - the stream of a snapshot
 * @reader: gives it
 * @image: where it comes from
 * @cluster_bits: log2 of bytes in a cluster
 * @l2_bits: log2 of clusters in a table of the second level
 * @has_subclusters: entries of those have a second half
 * @has_zlib: that is what made compressed clusters small
 * @disk_size: of the image, bytes
 * @l1: the snapshot's table of the first level, in the host's byte order
 * @l1_size: entries
 * @start: where the stream is in what the guest would see, behind its disk
 * @size: bytes of the stream
 * @pos: bytes that were read
 * @cluster: of what is in @data
 * @data: one cluster
 * @packed: a compressed one
 */
struct vmstate {
	struct reader reader;
	struct image *image;
	u32 cluster_bits;
	u32 l2_bits;
	bool has_subclusters;
	bool has_zlib;
	u64 disk_size;
	u64 *l1;
	u32 l1_size;
	u64 start;
	u64 size;
	u64 pos;
	u64 cluster;
	bool has_data;
	u8 *data;
	u8 *packed;
};

/* A snapshot's record. */
struct snapshot {
	u64 l1_at;
	u32 l1_size;
	u64 state_size;
	u64 disk_size;
	char id[64];
	char name[256];
};

bool is_qcow2(const u8 *data, size_t size)
{
	return size >= 4 && get_be32(data) == QCOW2_MAGIC;
}

static int read_image(struct image *image, void *to, size_t size, u64 at, struct fail *fail)
{
	ssize_t n = -1;

	if (at <= S64_MAX - size)
		n = image->pread(image, to, size, at);
	if (n == size)
		return 0;
	return fail_with(fail, STATUS_TROUBLE, "the image ends or cannot be read at byte %llu", at);
}

static int check_features(u64 features, struct fail *fail)
{
	const char *advice = "made by a newer QEMU: let that save a migration stream";

	if (!(features & ~FEATURES_KNOWN))
		return 0;
	if (features & FEATURE_CORRUPT)
		advice = "QEMU has marked it as damaged: repair it with qemu-img check -r all";
	else if (features & FEATURE_DATA_FILE)
		advice = "its data is in another file: QEMU makes no snapshots of that";
	return fail_with(fail, STATUS_TROUBLE,
			 "byte 72 of the image: features 0x%llx that are not known here: %s",
			 features & ~FEATURES_KNOWN, advice);
}

/* What of the header counts; out: where the snapshots are. */
static int read_header(struct vmstate *v, u32 *count, u64 *snapshots_at, struct fail *fail)
{
	u8 header[HEADER_V3 + 8] = { };
	u64 features = 0;
	u32 version;

	if (read_image(v->image, header, HEADER_V2, 0, fail))
		return -1;
	version = get_be32(header + 4);
	if (version != 2 && version != 3)
		return fail_with(fail, STATUS_TROUBLE,
				 "byte 4 of the image: qcow2 version %u, not 2 or 3: is it damaged?",
				 version);
	if (version == 3) {
		if (read_image(v->image, header, HEADER_V3, 0, fail))
			return -1;
		if (get_be32(header + 100) > HEADER_V3 &&
		    read_image(v->image, header, HEADER_V3 + 8, 0, fail))
			return -1;
		features = get_be64(header + 72);
	}
	if (check_features(features, fail))
		return -1;
	v->has_zlib = !(features & FEATURE_COMPRESSION) || !header[104];
	if (get_be32(header + 32))
		return fail_with(fail, STATUS_TROUBLE,
				 "byte 32 of the image: it is encrypted: decrypt it with qemu-img amend");

	v->cluster_bits = get_be32(header + 20);
	if (v->cluster_bits < 9 || v->cluster_bits > MAX_CLUSTER_BITS)
		return fail_with(fail, STATUS_TROUBLE,
				 "byte 20 of the image: clusters of 2^%u bytes",
				 v->cluster_bits);
	v->has_subclusters = features & FEATURE_SUBCLUSTERS;
	if (v->has_subclusters && v->cluster_bits < 14)
		return fail_with(fail, STATUS_TROUBLE, "byte 20 of the image: clusters too small");
	v->l2_bits = v->cluster_bits - (v->has_subclusters ? 4 : 3);
	v->disk_size = get_be64(header + 24);
	*count = get_be32(header + 60);
	*snapshots_at = get_be64(header + 64);
	if (*count > MAX_SNAPSHOTS)
		return fail_with(fail, STATUS_TROUBLE,
				 "byte 60 of the image: %u snapshots", *count);
	return 0;
}

/* A name as it is compared and shown: what does not fit is cut off. */
static int read_name(struct vmstate *v, u64 at, u32 size, char *to, size_t room,
		     struct fail *fail)
{
	size_t i, fits = min((size_t)size, room - 1);

	if (fits && read_image(v->image, to, fits, at, fail))
		return -1;
	to[fits] = 0;
	for (i = 0; i < fits; i++) {
		if (to[i] < 0x20 || to[i] == 0x7f)
			to[i] = '?';
	}
	return 0;
}

static int read_snapshot(struct vmstate *v, u64 *at, struct snapshot *snapshot,
			 struct fail *fail)
{
	u8 header[SNAPSHOT_HEADER], extra[16] = { };
	u32 id_size, name_size, extra_size, known;

	if (read_image(v->image, header, sizeof(header), *at, fail))
		return -1;
	extra_size = get_be32(header + 36);
	if (extra_size > MAX_EXTRA)
		return fail_with(fail, STATUS_TROUBLE,
				 "byte %llu of the image: a snapshot's extra data",
				 *at + 36);
	known = extra_size < sizeof(extra) ? extra_size : sizeof(extra);
	if (known && read_image(v->image, extra, known, *at + sizeof(header), fail))
		return -1;

	id_size = get_be16(header + 12);
	name_size = get_be16(header + 14);
	*snapshot = (struct snapshot) {
		.l1_at = get_be64(header),
		.l1_size = get_be32(header + 8),
		.state_size = extra_size >= 8 ? get_be64(extra) : get_be32(header + 32),
		.disk_size = extra_size >= 16 ? get_be64(extra + 8) : v->disk_size,
	};
	*at += sizeof(header) + extra_size;
	if (read_name(v, *at, id_size, snapshot->id, sizeof(snapshot->id), fail) ||
	    read_name(v, *at + id_size, name_size, snapshot->name, sizeof(snapshot->name), fail))
		return -1;
	*at = ALIGN(*at + id_size + name_size, 8);
	return 0;
}

/* The one that was asked for by name or number, or the only one with a state. */
static int find_snapshot(struct vmstate *v, u32 count, u64 at, const char *wanted,
			 struct snapshot *found, struct fail *fail)
{
	struct snapshot snapshot;
	u32 i, matches = 0;

	for (i = 0; i < count; i++) {
		if (read_snapshot(v, &at, &snapshot, fail))
			return -1;
		if (wanted ? strcmp(wanted, snapshot.id) && strcmp(wanted, snapshot.name) :
			     !snapshot.state_size)
			continue;
		if (!matches++)
			*found = snapshot;
	}
	if (!matches)
		return fail_with(fail, STATUS_NONE, wanted ? "no such snapshot in the image" :
				 "no snapshot in the image has the state of a VM");
	if (matches > 1)
		return fail_with(fail, STATUS_NONE,
				 "%u snapshots fit, the first is \"%s\": say which with --snapshot and its number, as in qemu-img snapshot -l",
				 matches, found->name);
	if (!found->state_size)
		return fail_with(fail, STATUS_NONE,
				 "the snapshot was taken without the state of the VM");
	return 0;
}

static int read_l1(struct vmstate *v, const struct snapshot *snapshot, struct fail *fail)
{
	u32 bits = v->cluster_bits + v->l2_bits;
	u64 l1_index;
	u32 i;

	/* The stream begins with the first entry of this table that has none of the disk. */
	l1_index = (snapshot->disk_size >> bits) + !!(snapshot->disk_size & ((1ull << bits) - 1));
	if (snapshot->l1_size > MAX_L1_ENTRIES || l1_index >= snapshot->l1_size)
		return fail_with(fail, STATUS_TROUBLE,
				 "the snapshot's table of %u entries has no place for the state of the VM",
				 snapshot->l1_size);
	v->start = l1_index << bits;
	v->size = snapshot->state_size;
	v->l1_size = snapshot->l1_size;
	if (v->size > ((u64)v->l1_size << bits) - v->start)
		return fail_with(fail, STATUS_TROUBLE,
				 "the snapshot's state has %llu bytes, more than its table has",
				 v->size);

	/* So much zlib can make of the image.  Else a small image could keep us for years. */
	if (v->size / MAX_RATIO > v->image->size)
		return fail_with(fail, STATUS_TROUBLE,
				 "the snapshot's state has %llu bytes, more than the image can hold",
				 v->size);

	v->l1 = malloc(v->l1_size * sizeof(*v->l1));
	v->data = malloc(1ul << v->cluster_bits);
	v->packed = malloc(2ul << v->cluster_bits);
	if (!v->l1 || !v->data || !v->packed)
		return fail_with(fail, STATUS_TROUBLE, "no memory");
	if (read_image(v->image, v->l1, v->l1_size * sizeof(*v->l1), snapshot->l1_at, fail))
		return -1;
	for (i = 0; i < v->l1_size; i++)
		v->l1[i] = be64toh(v->l1[i]);
	return 0;
}

static int inflate_cluster(struct vmstate *v, u64 entry, struct fail *fail)
{
	u32 shift = 62 - (v->cluster_bits - 8);
	u64 at = entry & ((1ull << shift) - 1);
	size_t size = (((entry & (ENTRY_COMPRESSED - 1)) >> shift) + 1) * 512 - (at & 511);
	size_t have = min(size, (size_t)2 << v->cluster_bits);
	ssize_t n = at <= S64_MAX - have ? v->image->pread(v->image, v->packed, have, at) : -1;
	z_stream stream = { };
	int r;

	if (!v->has_zlib)
		return fail_with(fail, STATUS_TROUBLE,
				 "byte %llu of the image: compressed with something else than zlib: save a migration stream instead",
				 at);
	/* The last sectors of an image need not be there. */
	if (n <= 0)
		return fail_with(fail, STATUS_TROUBLE, "the image ends at byte %llu", at);
	if (inflateInit2(&stream, -12) != Z_OK)
		return fail_with(fail, STATUS_TROUBLE, "no memory");
	stream.next_in = v->packed;
	stream.avail_in = n;
	stream.next_out = v->data;
	stream.avail_out = 1u << v->cluster_bits;
	r = inflate(&stream, Z_FINISH);
	inflateEnd(&stream);
	if (stream.avail_out || (r != Z_STREAM_END && r != Z_BUF_ERROR))
		return fail_with(fail, STATUS_TROUBLE,
				 "byte %llu of the image: the compressed cluster is damaged", at);
	return 0;
}

/* What of a cluster is not there at all reads as zeroes. */
static int read_subclusters(struct vmstate *v, u64 at, u64 bits, struct fail *fail)
{
	size_t size = (1ul << v->cluster_bits) / SUBCLUSTERS;
	unsigned int i;

	memset(v->data, 0, 1ul << v->cluster_bits);
	for (i = 0; i < SUBCLUSTERS; i++) {
		if ((bits >> i & 1) &&
		    read_image(v->image, v->data + i * size, size, at + i * size, fail))
			return -1;
	}
	return 0;
}

/* Cluster @n of what the guest would see, into @v->data. */
static int read_cluster(struct vmstate *v, u64 n, struct fail *fail)
{
	size_t entry_size = v->has_subclusters ? 16 : 8;
	u64 l2_at = v->l1[n >> v->l2_bits] & ENTRY_OFFSET;
	u64 index = n & ((1ull << v->l2_bits) - 1), entry;
	u8 packed[16] = { };

	if (!l2_at) {
		memset(v->data, 0, 1ul << v->cluster_bits);
		return 0;
	}
	if (read_image(v->image, packed, entry_size, l2_at + index * entry_size, fail))
		return -1;

	entry = get_be64(packed);
	if (entry & ENTRY_COMPRESSED)
		return inflate_cluster(v, entry, fail);
	if (v->has_subclusters)
		return read_subclusters(v, entry & ENTRY_OFFSET, get_be64(packed + 8), fail);
	if (!(entry & ENTRY_OFFSET) || (entry & ENTRY_ZERO)) {
		memset(v->data, 0, 1ul << v->cluster_bits);
		return 0;
	}
	return read_image(v->image, v->data, 1ul << v->cluster_bits, entry & ENTRY_OFFSET, fail);
}

static ssize_t read_vmstate(struct reader *reader, u8 *to, size_t size, struct fail *fail)
{
	struct vmstate *v = container_of(reader, struct vmstate, reader);
	u64 at = v->start + v->pos, cluster = at >> v->cluster_bits;
	size_t offset = at & ((1ul << v->cluster_bits) - 1);

	size = min((u64)size, v->size - v->pos);
	size = min(size, ((size_t)1 << v->cluster_bits) - offset);
	if (!size)
		return 0;
	if (!v->has_data || v->cluster != cluster) {
		v->has_data = false;
		if (read_cluster(v, cluster, fail))
			return -1;
		v->has_data = true;
		v->cluster = cluster;
	}
	memcpy(to, v->data + offset, size);
	v->pos += size;
	return size;
}

/**
 * vmstate_open() - the migration stream of a snapshot
 * @image: a qcow2 image, which can be read anywhere
 * @snapshot: name or number of the snapshot; NULL: the only one that has a state
 * @fail: out, on an error
 *
 * Return: the stream for vmstate_close(), or NULL.
 */
struct vmstate *vmstate_open(struct image *image, const char *snapshot, struct fail *fail)
{
	struct vmstate *v = calloc(1, sizeof(*v));
	struct snapshot found;
	u32 count = 0;
	u64 at = 0;

	if (!v) {
		fail_with(fail, STATUS_TROUBLE, "no memory");
		return NULL;
	}
	v->reader.read = read_vmstate;
	v->image = image;
	if (read_header(v, &count, &at, fail) ||
	    find_snapshot(v, count, at, snapshot, &found, fail) || read_l1(v, &found, fail)) {
		vmstate_close(v);
		return NULL;
	}
	return v;
}

struct reader *vmstate_reader(struct vmstate *vmstate)
{
	return &vmstate->reader;
}

u64 vmstate_size(const struct vmstate *vmstate)
{
	return vmstate->size;
}

void vmstate_close(struct vmstate *vmstate)
{
	free(vmstate->l1);
	free(vmstate->data);
	free(vmstate->packed);
	free(vmstate);
}
