// SPDX-License-Identifier: GPL-2.0-only
/* What a guest can make the host hold: bounded, and given back. */
#include "guest.h"
#include "hb.h"

static char big_value[KVM_VMPORT_MAX_VALUE];

/* All that a guest can make the host hold at once, see below. */
static void fill_all(struct vm *vm)
{
	char key[] = "guestinfo.A";
	struct chan chans[KVM_VMPORT_MAX_CHANNELS];
	u32 left = KVM_VMPORT_MAX_GUESTINFO, pos, size;
	int i;

	/* Keys first: an entry each, as empty as can be. */
	for (i = 0; i < KVM_VMPORT_MAX_KEYS - 16; i++) {
		char name[8];

		snprintf(name, sizeof(name), "%d", i);
		host_set_text(vm, name, "");
		left -= strlen(name);
	}
	for (i = 0; i < 16; i++) {
		size = min_t(u32, left - 11, KVM_VMPORT_MAX_VALUE);
		CHECK_EQ(host_set(vm, key, big_value, size, 0, NULL), 0);
		left -= 11 + size;
		key[10]++;
	}

	/* 16 results of 64 KiB. */
	for (i = 0; i < KVM_VMPORT_MAX_TCLO; i++)
		host_request(vm, "ping");
	chans[0] = open_tools(vm);
	for (i = 0; i < KVM_VMPORT_MAX_TCLO; i++) {
		CHECK_EQ(request(&chans[0], RECVSIZE, 0), DORECV);
		CHECK_EQ(request(&chans[0], RECVSTATUS, 1), SUCCESS);
		send_message(&chans[0], big_value, KVM_VMPORT_MAX_MESSAGE);
	}
	CHECK_EQ(request(&chans[0], CLOSE, 0), SUCCESS);

	/* In each channel a reply of 64 KiB and a message of the same, all but its last word. */
	for (i = 0; i < KVM_VMPORT_MAX_CHANNELS; i++) {
		chans[i] = open_chan(vm, RPCI | COOKIE);
		send_message(&chans[i], "info-get guestinfo.A", 20);
		CHECK_EQ(request(&chans[i], RECVSIZE, 0), DORECV);
		CHECK_EQ(request(&chans[i], SENDSIZE, KVM_VMPORT_MAX_MESSAGE), SUCCESS);
	}
	for (i = 0; i < 2; i++) {
		for (pos = 4; pos < KVM_VMPORT_MAX_MESSAGE; pos += 4)
			CHECK_EQ(request(&chans[i], SENDPAYLOAD, 0x20202020), SUCCESS);
		CHECK_EQ(request(&chans[i], SENDPAYLOAD, 0x20202020), SUCCESS);
	}
}

TEST("memory: all that a guest can fill is bounded, and all of it is given back")
{
	struct vm *vm = vm_new(SLEEPING);
	size_t filled;
	u8 *blob;
	size_t size;

	shim_reset_peak();
	fill_all(vm);
	filled = shim_peak_bytes();
	tap_note("at most %u KiB, seen %zu KiB", KVM_VMPORT_MAX_MEMORY >> 10, filled >> 10);
	CHECK(filled <= KVM_VMPORT_MAX_MEMORY);
	CHECK(filled > KVM_VMPORT_MAX_MEMORY / 8 * 7);

	/* The VMM has the same again while it saves or loads. */
	filled = shim_live_bytes();
	shim_reset_peak();
	blob = vm_pack(vm, &size);
	CHECK(shim_peak_bytes() - filled <= KVM_VMPORT_MAX_MEMORY);
	CHECK_EQ(shim_live_bytes(), filled);
	shim_reset_peak();
	CHECK_EQ(vm_unpack(vm, blob, size, NULL), 0);
	CHECK(shim_peak_bytes() - filled <= KVM_VMPORT_MAX_MEMORY);
	CHECK(shim_live_bytes() <= filled);
	free(blob);
	vm_free(vm);
	CHECK_EQ(shim_live_bytes(), 0);
}

/* The store has the largest number of bytes that rounding can make of it. */
TEST("memory: entries just past a size of the allocator's take no more than is allowed for")
{
	u32 size, left, best = 0;
	struct vm *vm;
	size_t empty;
	char key[8];
	int i;

	for (size = 8; size <= 32768; size *= 2) {
		u32 value = size > sizeof(struct vmport_entry) + 4 ?
			    size - sizeof(struct vmport_entry) - 4 + 1 : 0;

		vm = vm_new(SLEEPING);
		empty = shim_live_bytes();
		left = KVM_VMPORT_MAX_GUESTINFO;
		for (i = 0; i < KVM_VMPORT_MAX_KEYS && left >= 4 + value; i++) {
			snprintf(key, sizeof(key), "%04x", i);
			CHECK_EQ(host_set(vm, key, big_value, value, 0, NULL), 0);
			left -= 4 + value;
		}
		best = max_t(u32, best, shim_live_bytes() - empty);
		vm_free(vm);
	}
	tap_note("at most %u KiB for the store", best >> 10);
	CHECK(best > KVM_VMPORT_MAX_GUESTINFO / 10 * 19);
	/* The channels and the results leave that for it. */
	CHECK(best <= KVM_VMPORT_MAX_MEMORY - sizeof(struct vmport_state) * 2 -
		      KVM_VMPORT_MAX_CHANNELS * (256 + KVM_VMPORT_MAX_MESSAGE + 17 * 4096) -
		      KVM_VMPORT_MAX_TCLO * 17 * 4096);
}

static struct vmport_call call_of(const struct chan *chan)
{
	return (struct vmport_call) {
		.config = &chan->vm->config,
		.state = chan->vm->state,
		.vcpu = vm_vcpu(0),
		.regs = {
			.dx = (u32)chan->id << 16,
			.si = chan->cookie_high,
			.di = chan->cookie_low,
		},
	};
}

/* What is on its way counts for the vCPU that moves it. */
TEST("memory: what a vCPU has under way is bounded: a block that sets an entry, a reply held")
{
	struct vm *vm = vm_new(SLEEPING);
	struct chan chan = open_chan(vm, RPCI), other = open_chan(vm, RPCI);
	static char text[KVM_VMPORT_MAX_MESSAGE];
	struct vmport_hb_buffer buffer;
	struct vmport_hb_source source;
	struct vmport_entry *entry;
	struct vmport_call call;
	size_t before, held;

	vm->config.features |= KVM_VMPORT_FEATURE_HB;
	memset(text, 'v', sizeof(text));
	memcpy(text, "info-set guestinfo.k ", 21);
	CHECK_EQ(host_set(vm, "guestinfo.k", big_value, KVM_VMPORT_MAX_VALUE, 0, NULL), 0);

	/* A part came, so the channel's own buffer is not free for the rest. */
	call = call_of(&chan);
	CHECK(request(&chan, SENDSIZE, sizeof(text)) & SUCCESS);
	CHECK_EQ(request(&chan, SENDPAYLOAD, 0x6f666e69), SUCCESS);
	before = shim_live_bytes();
	shim_reset_peak();
	CHECK(vmport_hb_send_begin(&call, sizeof(text) - 4, sizeof(text) - 4, &buffer));
	memcpy(buffer.data, text + 4, sizeof(text) - 4);
	CHECK(vmport_hb_send_end(&call, sizeof(text) - 4, sizeof(text) - 4, &buffer));
	held = shim_peak_bytes() - before;
	tap_note("a block that sets an entry: %zu KiB", held >> 10);
	/* The block, and the entry or the one that it takes the place of. */
	CHECK(held > 2 * KVM_VMPORT_MAX_MESSAGE);
	CHECK(held <= KVM_VMPORT_MAX_MEMORY_VCPU);

	/* A block to the guest, of a reply that its channel has no more. */
	CHECK_EQ(host_set(vm, "guestinfo.k", big_value, KVM_VMPORT_MAX_VALUE, 0, NULL), 0);
	send_message(&other, "info-get guestinfo.k", 20);
	call = call_of(&other);
	CHECK(request(&other, RECVSIZE, 0) & SUCCESS);
	before = shim_live_bytes();
	shim_reset_peak();
	CHECK(vmport_hb_receive_begin(&call, KVM_VMPORT_MAX_VALUE + 2, &source));
	send_message(&other, "info-get guestinfo.k", 20);
	held = shim_peak_bytes() - before;
	tap_note("a block of a reply: %zu KiB", held >> 10);
	CHECK(held > KVM_VMPORT_MAX_VALUE);
	CHECK(held <= KVM_VMPORT_MAX_MEMORY_VCPU);
	vmport_hb_receive_end(&call, KVM_VMPORT_MAX_VALUE + 2, 0, &source);

	/* A reply in the making, of an entry that the store has no more. */
	before = shim_live_bytes();
	entry = vmport_guestinfo_get(&vm->state->guestinfo, "guestinfo.k", 11);
	CHECK_EQ(host_set(vm, "guestinfo.k", big_value, KVM_VMPORT_MAX_VALUE, 0, NULL), 0);
	held = shim_live_bytes() - before;
	CHECK(held > KVM_VMPORT_MAX_VALUE);
	CHECK(held <= KVM_VMPORT_MAX_MEMORY_VCPU);
	vmport_guestinfo_put(entry);
	CHECK_EQ(shim_live_bytes(), before);
	vm_free(vm);
}

TEST("memory: the largest state is below KVM_VMPORT_MAX_STATE")
{
	const size_t largest = 32 +
		KVM_VMPORT_MAX_CHANNELS * (16 + 40 + KVM_VMPORT_MAX_MESSAGE +
					   KVM_VMPORT_MAX_REPLY + 7) +
		32 + KVM_VMPORT_MAX_TCLO * (16 + KVM_VMPORT_MAX_MESSAGE + 7) +
		16 + KVM_VMPORT_MAX_KEYS * (8 + 7) + KVM_VMPORT_MAX_GUESTINFO;

	tap_note("at most %zu KiB", largest >> 10);
	CHECK(largest <= KVM_VMPORT_MAX_STATE);
}

TEST("memory: an idle VM holds less than 4 KiB, one with 128 channels closed again 36 KiB")
{
	struct vm *vm = vm_new(SLEEPING);
	struct chan chans[KVM_VMPORT_MAX_CHANNELS];
	int i;

	tap_note("idle: %zu bytes of state, %zu of configuration", shim_live_bytes(),
		 sizeof(struct vmport_config));
	CHECK(shim_live_bytes() + sizeof(struct vmport_config) <= 4096);
	for (i = 0; i < KVM_VMPORT_MAX_CHANNELS; i++) {
		chans[i] = open_chan(vm, RPCI);
		send_message(&chans[i], "log x", 5);
	}
	for (i = 0; i < KVM_VMPORT_MAX_CHANNELS; i++)
		CHECK_EQ(request(&chans[i], CLOSE, 0), SUCCESS);
	tap_note("all channels closed again: %zu bytes", shim_live_bytes());
	CHECK(shim_live_bytes() <= 36864);
	vm_free(vm);
}

TEST("memory: a large message's buffer is not kept once it is through")
{
	struct vm *vm = vm_new(SLEEPING);
	struct chan chan = open_chan(vm, RPCI);
	size_t before;

	send_message(&chan, big_value, 1024);
	before = shim_live_bytes();
	send_message(&chan, big_value, KVM_VMPORT_MAX_MESSAGE);
	CHECK(shim_live_bytes() <= before);
	vm_free(vm);
}
