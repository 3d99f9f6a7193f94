// SPDX-License-Identifier: GPL-2.0-only
/*
 * Blobs that a VMM gives back: refused with a reason and nothing changed, or
 * taken, given again the same, and of use.
 */
#include "blob.h"
#include "input.h"

#define BLOB_MAX	(1024 * 1024)

/* The state before, so that there is something to lose. */
static void before(struct vm *vm)
{
	struct chan chan = open_chan(vm, RPCI | COOKIE);

	host_set(vm, "guestinfo.before", "b", 1, 0, NULL);
	send_part(&chan, "info-get guestinfo.before", 25, 8);
	host_request(vm, "ping");
}

static void use_all(struct vm *vm)
{
	static const char info_get[] = "info-get guestinfo.a";
	struct vmport_regs regs;
	unsigned int id, nr;
	struct chan chan;

	for (id = 0; id < KVM_VMPORT_MAX_CHANNELS; id++) {
		const struct vmport_channel *channel = vm->state->channels[id];

		if (!channel)
			continue;
		for (nr = RECVSIZE; nr != SENDSIZE; nr = nr == CLOSE ? SENDSIZE : nr + 1) {
			regs = (struct vmport_regs) {
				.ax = VMPORT_MAGIC,
				.bx = 1,
				.cx = nr << 16 | VMPORT_CMD_MESSAGE,
				.dx = id << 16 | VMPORT_PORT,
				.si = channel->cookie_high,
				.di = channel->cookie_low,
			};
			fuzz_call(vm, &regs);
		}
	}
	while (host_result(vm, NULL, NULL, NULL))
		;

	/* A value from a blob may have a NUL in it. */
	chan = open_chan(vm, RPCI | COOKIE);
	ask_bytes(&chan, info_get, strlen(info_get), NULL);
	CHECK_EQ(request(&chan, CLOSE, 0), SUCCESS);
}

void fuzz_one(struct input *in)
{
	struct vmport_blob_error why = { };
	struct vm *vm = vm_new(SLEEPING);
	size_t size = in->size - in->pos, old_size, new_size;
	u8 *blob, *old, *new;
	int r;

	vm->config.features |= KVM_VMPORT_FEATURE_EXIT_RPC | KVM_VMPORT_FEATURE_STEALCLOCK;
	before(vm);
	old = vm_pack(vm, &old_size);
	/* Aligned as the kernel's buffer is, and not a byte longer. */
	blob = malloc(size);
	CHECK(blob || !size);
	memcpy(blob, in->data + in->pos, size);

	fuzz_calls += 3;
	if (size < sizeof(struct kvm_vmport_blob_header))
		r = -EINVAL;
	else
		r = vm_unpack(vm, blob, size, &why);
	new = vm_pack(vm, &new_size);
	shim_check_idle();
	if (r) {
		CHECK(size < 32 || (why.error && why.offset <= size));
		CHECK_EQ(new_size, old_size);
		CHECK(!memcmp(new, old, old_size));
	} else {
		CHECK(blob_may_change(blob, size) ||
		      (new_size == size && !memcmp(new, blob, size)));
		fuzz_check_limits(vm);
		fuzz_check_migration(vm);
		use_all(vm);
	}
	fuzz_check_limits(vm);
	free(new);
	free(blob);
	free(old);
	vm_free(vm);
}

#ifndef REPLAY
size_t LLVMFuzzerMutate(u8 *data, size_t size, size_t max);
size_t LLVMFuzzerCustomMutator(u8 *data, size_t size, size_t max, unsigned int seed);

#define HEADER	sizeof(struct kvm_vmport_blob_header)

/* Where sections begin, as far as their sizes make sense. */
static u32 find_sections(const u8 *data, size_t size, size_t *at, u32 max)
{
	struct kvm_vmport_blob_section section;
	size_t pos = HEADER;
	u32 count = 0;

	while (count < max && pos + sizeof(section) <= size) {
		memcpy(&section, data + pos, sizeof(section));
		at[count++] = pos;
		if (le64_to_cpu(section.size) > size - pos - sizeof(section))
			break;
		pos = ALIGN(pos + sizeof(section) + le64_to_cpu(section.size), 8);
	}
	at[count] = min(pos, size);
	return count;
}

/* Take a section away, double it, or put it in the place of another. */
static size_t mutate_sections(u8 *data, size_t size, size_t max, struct rng *rng)
{
	size_t at[65], length;
	u32 count = find_sections(data, size, at, 64), n, to;

	if (!count)
		return size;
	n = rng_below(rng, count);
	length = at[n + 1] - at[n];
	if (rng_below(rng, 2)) {
		memmove(data + at[n], data + at[n + 1], size - at[n + 1]);
		return size - length;
	}
	if (size + length > max)
		return size;
	to = rng_below(rng, count + 1);
	memmove(data + at[to] + length, data + at[to], size - at[to]);
	memcpy(data + at[to], data + at[n] + (at[to] <= at[n] ? length : 0), length);
	return size + length;
}

/* Change the inside of a section, and its size with it. */
static size_t mutate_payload(u8 *data, size_t size, size_t max, struct rng *rng)
{
	struct kvm_vmport_blob_section section;
	size_t at[65], begin, length, room, new_length, padded;
	u32 count = find_sections(data, size, at, 64), n;
	static u8 tail[BLOB_MAX];

	if (!count)
		return size;
	n = rng_below(rng, count);
	begin = at[n] + sizeof(section);
	memcpy(&section, data + at[n], sizeof(section));
	if (le64_to_cpu(section.size) > size - begin)
		return size;
	length = le64_to_cpu(section.size);
	if (size - at[n + 1] > sizeof(tail) || size > max)
		return size;
	memcpy(tail, data + at[n + 1], size - at[n + 1]);
	room = max - begin - (size - at[n + 1]);
	if (room < length + 8)
		return size;
	new_length = LLVMFuzzerMutate(data + begin, length, room - 8);
	section.size = cpu_to_le64(new_length);
	memcpy(data + at[n], &section, sizeof(section));
	padded = ALIGN(begin + new_length, 8);
	memset(data + begin + new_length, 0, padded - begin - new_length);
	memcpy(data + padded, tail, size - at[n + 1]);
	return padded + size - at[n + 1];
}

size_t LLVMFuzzerCustomMutator(u8 *data, size_t size, size_t max, unsigned int seed)
{
	struct rng rng = { .state = seed * 0x9e3779b97f4a7c15ull + 1 };
	struct kvm_vmport_blob_header header = {
		.magic = cpu_to_le32(KVM_VMPORT_BLOB_MAGIC),
		.version = cpu_to_le16(KVM_VMPORT_BLOB_VERSION),
		.header_size = cpu_to_le16(HEADER),
	};

	rng_next(&rng);
	if (max < HEADER || !rng_below(&rng, 20))
		return LLVMFuzzerMutate(data, size, max);
	if (size < HEADER) {
		size = HEADER;
		memset(data, 0, size);
	}
	switch (rng_below(&rng, 4)) {
	case 0:
		size = mutate_sections(data, size, max, &rng);
		break;
	case 1:
		size = HEADER + LLVMFuzzerMutate(data + HEADER, size - HEADER, max - HEADER);
		break;
	default:
		size = mutate_payload(data, size, max, &rng);
	}
	/* Past the header, mostly. */
	if (rng_below(&rng, 50)) {
		header.size = cpu_to_le64(size);
		memcpy(data, &header, sizeof(header));
		blob_checksum(data, size);
	}
	return size;
}
#endif
