// SPDX-License-Identifier: GPL-2.0-only
/*
 * What vmport-state reads: streams, images and JSON, with whatever in them.  A state that
 * comes out of them is shown, and built again from its JSON the same.
 */
#include "json.h"
#include "window.h"

#include "input.h"

struct memory {
	struct reader reader;
	struct image image;
	const u8 *data;
	size_t size;
	size_t pos;
	size_t piece;		/* bytes that come at once */
};

static ssize_t read_piece(struct reader *reader, u8 *to, size_t size, struct fail *fail)
{
	struct memory *memory = container_of(reader, struct memory, reader);

	size = min(size, min(memory->piece, memory->size - memory->pos));
	memcpy(to, memory->data + memory->pos, size);
	memory->pos += size;
	return size;
}

static ssize_t read_at(struct image *image, void *to, size_t size, u64 at)
{
	struct memory *memory = container_of(image, struct memory, image);

	if (at >= memory->size)
		return 0;
	size = min(size, memory->size - (size_t)at);
	memcpy(to, memory->data + at, size);
	return size;
}

/* A fuzzer finds no checksums: make right that of the first blob that is whole. */
static void seal_first(u8 *data, size_t size)
{
	struct kvm_vmport_blob_header header;
	size_t pos;

	for (pos = 0; pos + sizeof(header) <= size; pos++) {
		struct blob blob = { .data = data + pos };

		memcpy(&header, blob.data, sizeof(header));
		blob.size = le64_to_cpu(header.size);
		if (le32_to_cpu(header.magic) != KVM_VMPORT_BLOB_MAGIC ||
		    blob.size < sizeof(header) || blob.size > size - pos)
			continue;
		header.checksum = cpu_to_le32(blob_crc(blob.data, blob.size));
		memcpy(blob.data, &header, sizeof(header));
		return;
	}
}

static FILE *nowhere(void)
{
	static FILE *file;

	if (!file)
		file = fopen("/dev/null", "w");
	CHECK(file);
	return file;
}

static void check_same(struct vmport_state *state, const struct blob *blob,
		       const struct options *options)
{
	struct blob built, packed, again;
	struct verdict verdict;
	struct vmport_state *other;
	struct fail fail;
	json_t *json;

	json = state_to_json(options, blob, state);
	CHECK(json);
	json_object_del(json, "unknown");
	CHECK(!json_to_blob(json, &built, &fail));
	json_decref(json);
	other = engine_load(&options->config, &built, &verdict);
	CHECK(other);
	CHECK(!engine_pack(state, blob_features(blob), &packed));
	CHECK(!engine_pack(other, blob_features(&built), &again));
	CHECK_EQ(packed.size, again.size);
	CHECK(!memcmp(packed.data, again.data, again.size));
	CHECK_EQ(diff_states(nowhere(), options, &packed, state, &again, other, &fail), 0);
	vmport_state_free(other);
	free(built.data);
	free(packed.data);
	free(again.data);
}

static void use(const struct blob *blob, const struct options *options)
{
	struct vmport_state *state;
	struct verdict verdict;

	fuzz_calls++;
	state = engine_load(&options->config, blob, &verdict);
	if (!state) {
		print_verdict(nowhere(), "it", blob, &verdict);
		return;
	}
	show_text(nowhere(), options, blob, state);
	check_same(state, blob, options);
	vmport_state_free(state);
}

static void fuzz_json(const u8 *data, size_t size, const struct options *options)
{
	struct blob blob;
	struct fail fail;
	json_t *root;

	root = json_loadb((const char *)data, size, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL);
	if (root && !json_to_blob(root, &blob, &fail)) {
		use(&blob, options);
		free(blob.data);
	}
	json_decref(root);
}

static void fuzz_reader(struct reader *reader, const struct options *options)
{
	struct blob blob;
	struct fail fail;

	if (!find_blob(reader, options, &blob, &fail)) {
		use(&blob, options);
		free(blob.data);
	}
}

void fuzz_one(struct input *in)
{
	u8 how = input_u8(in);
	struct options options = {
		.config.features = U64_MAX,
		.cookies = true,
		.values = true,
		.has_at = (how >> 4) == 15,
	};
	size_t size = in->size - in->pos;
	struct memory memory = {
		.reader.read = read_piece,
		.image = { .pread = read_at, .size = size },
		.size = size,
		.piece = how & 8 ? 7 : 65536,
	};
	struct vmstate *vmstate;
	struct fail fail;
	u8 *copy = malloc(size);

	CHECK(copy || !size);
	memcpy(copy, in->data + in->pos, size);
	if (!(how & 4))
		seal_first(copy, size);
	memory.data = copy;
	if (options.has_at && size)
		options.at = copy[size - 1];

	fuzz_calls++;
	if ((how & 3) == 3) {
		fuzz_json(copy, size, &options);
	} else if ((how & 3) == 2) {
		vmstate = vmstate_open(&memory.image, how & 16 ? "1" : NULL, &fail);
		if (vmstate) {
			fuzz_reader(vmstate_reader(vmstate), &options);
			vmstate_close(vmstate);
		}
	} else {
		fuzz_reader(&memory.reader, &options);
	}
	free(copy);
}
