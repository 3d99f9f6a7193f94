// SPDX-License-Identifier: GPL-2.0-only
/* What a guest can make the host hold: bounded, and given back. */
#include "guest.h"

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
	const size_t bound =
		sizeof(struct vmport_state) +
		KVM_VMPORT_MAX_CHANNELS * (sizeof(struct vmport_channel) +
					   KVM_VMPORT_MAX_MESSAGE + KVM_VMPORT_MAX_VALUE + 2) +
		KVM_VMPORT_MAX_KEYS / 4 * sizeof(void *) +
		KVM_VMPORT_MAX_KEYS * sizeof(struct vmport_entry) + KVM_VMPORT_MAX_GUESTINFO +
		KVM_VMPORT_MAX_TCLO * (sizeof(struct vmport_request) + KVM_VMPORT_MAX_MESSAGE) +
		/* One entry or result in the making, its request still there. */
		sizeof(struct vmport_entry) + KVM_VMPORT_MAX_KEY + KVM_VMPORT_MAX_VALUE;
	struct vm *vm = vm_new(SLEEPING);

	shim_reset_peak();
	fill_all(vm);
	tap_note("at most %zu KiB, seen %zu KiB", bound >> 10, shim_peak_bytes() >> 10);
	CHECK(shim_peak_bytes() <= bound);
	CHECK(shim_peak_bytes() > bound / 10 * 9);
	vm_free(vm);
	CHECK_EQ(shim_live_bytes(), 0);
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

TEST("memory: an idle VM holds less than 4 KiB, one with 128 channels closed again 32 KiB")
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
	CHECK(shim_live_bytes() <= 32768);
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
