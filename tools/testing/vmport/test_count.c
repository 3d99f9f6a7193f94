// SPDX-License-Identifier: GPL-2.0-only
/* What is counted of a known conversation, and what a VM holds. */
#include <linux/slab.h>

#include "blob.h"

static u64 count(enum vmport_count which)
{
	return vcpu_counts[0][which];
}

CONVERSATION("counts: messages and bytes by direction, RPCs by who answers, refusals by reason")
{
	struct chan rpci = open_chan(vm, RPCI), tools;
	char text[16];
	u64 failed;

	/* This is not the first mode. */
	memset(vcpu_counts, 0, VCPUS * sizeof(vcpu_counts[0]));
	failed = count(VMPORT_COUNT_FAILED_CALLS);
	CHECK(!strcmp(ask(&rpci, "info-set guestinfo.a 123"), "1 "));
	CHECK(!strcmp(ask(&rpci, "info-get guestinfo.a"), "1 123"));
	CHECK(!strcmp(ask(&rpci, "log x"), "1 "));
	CHECK_EQ(count(VMPORT_COUNT_GUEST_MESSAGES), 3);
	CHECK_EQ(count(VMPORT_COUNT_GUEST_BYTES), 24 + 20 + 5);
	CHECK_EQ(count(VMPORT_COUNT_HOST_MESSAGES), 3);
	CHECK_EQ(count(VMPORT_COUNT_HOST_BYTES), 2 + 5 + 2);
	CHECK_EQ(count(VMPORT_COUNT_RPCS_KERNEL), 3);

	ask(&rpci, "what");
	CHECK_EQ(count(VMPORT_COUNT_RPCS_UNKNOWN), 1);
	vm->config.features |= KVM_VMPORT_FEATURE_EXIT_RPC;
	ask(&rpci, "what");
	CHECK_EQ(count(VMPORT_COUNT_RPCS_VMM), 1);
	CHECK_EQ(count(VMPORT_COUNT_RPCS_UNKNOWN), 1);
	CHECK_EQ(count(VMPORT_COUNT_RPCS_KERNEL), 3);

	ask(&rpci, "info-set guestinfo.a");
	ask(&rpci, "info-set guestinfo. 1");
	CHECK_EQ(count(VMPORT_COUNT_REFUSED_MALFORMED), 2);
	ask(&rpci, "info-set other 1");
	host_set(vm, "guestinfo.ro", "1", 1, KVM_VMPORT_GUESTINFO_READONLY, NULL);
	ask(&rpci, "info-set guestinfo.ro 1");
	CHECK_EQ(count(VMPORT_COUNT_REFUSED_PERMISSION), 2);
	vm->config.limits.value_bytes = 3;
	ask(&rpci, "info-set guestinfo.a 1234");
	CHECK_EQ(count(VMPORT_COUNT_REFUSED_LIMIT), 1);
	CHECK_EQ(count(VMPORT_COUNT_REFUSED_MEMORY), 0);
	/* What is no call that failed. */
	CHECK_EQ(count(VMPORT_COUNT_FAILED_CALLS), failed);

	tools = open_chan(vm, TCLO);
	CHECK_EQ(receive(&tools, text, sizeof(text)), 5);
	CHECK_EQ(count(VMPORT_COUNT_HOST_MESSAGES), 11);
	CHECK_EQ(request(&tools, SENDPAYLOAD, 0), FAILED);
	CHECK_EQ(request(&tools, 77, 0), FAILED);
	tools.id = 99;
	CHECK_EQ(request(&tools, RECVSIZE, 0), FAILED);
	CHECK_EQ(count(VMPORT_COUNT_FAILED_CALLS), failed + 3);
}

TEST("counts: no memory for a value is a refusal")
{
	struct vm *vm = vm_new(SLEEPING);
	struct chan rpci = open_chan(vm, RPCI);

	ask(&rpci, "log a channel has its buffer");
	shim_fail_alloc(1);
	CHECK(!strcmp(ask(&rpci, "info-set guestinfo.a 1"), "0 Out of memory"));
	shim_fail_alloc(0);
	CHECK_EQ(count(VMPORT_COUNT_REFUSED_MEMORY), 1);
	CHECK_EQ(count(VMPORT_COUNT_RPCS_KERNEL), 2);
	vm_free(vm);
}

static void check_gauges(const struct vm *vm, s64 channels, s64 entries, s64 bytes)
{
	CHECK_EQ(vm->gauges[VMPORT_GAUGE_CHANNELS], channels);
	CHECK_EQ(vm->gauges[VMPORT_GAUGE_ENTRIES], entries);
	CHECK_EQ(vm->gauges[VMPORT_GAUGE_BYTES], bytes);
}

CONVERSATION("counts: channels, entries and bytes are those that are there")
{
	struct chan one = open_chan(vm, RPCI), two = open_chan(vm, TCLO);
	size_t size;
	u8 *blob;

	check_gauges(vm, 2, 0, 0);
	host_set_text(vm, "a", "123");
	host_set_text(vm, "bb", "");
	check_gauges(vm, 2, 2, 6);
	host_set_text(vm, "a", "1");
	check_gauges(vm, 2, 2, 4);
	CHECK_EQ(host_set(vm, "a b", "1", 1, 0, NULL), -EINVAL);
	CHECK_EQ(host_delete(vm, "c"), -ENOENT);
	check_gauges(vm, 2, 2, 4);
	blob = vm_pack(vm, &size);
	CHECK_EQ(host_delete(vm, "a"), 0);
	CHECK_EQ(request(&two, CLOSE, 0), SUCCESS);
	check_gauges(vm, 1, 1, 2);
	/* A state that is loaded brings its own, one that is refused nothing. */
	CHECK_EQ(vm_unpack(vm, blob, size, NULL), 0);
	check_gauges(vm, 2, 2, 4);
	blob[size - 1] ^= 1;
	CHECK(vm_unpack(vm, blob, size, NULL));
	check_gauges(vm, 2, 2, 4);
	free(blob);
	vmport_channels_reset(vm->state);
	check_gauges(vm, 0, 2, 4);
	CHECK_EQ(try_open(&one, vm, RPCI), SUCCESS);
	/* The one that is taken from who has left it is not another one. */
	vm->config.limits.channels = 1;
	shim_add_jiffies(1000);
	CHECK_EQ(try_open(&two, vm, RPCI), SUCCESS);
	check_gauges(vm, 1, 2, 4);
}
