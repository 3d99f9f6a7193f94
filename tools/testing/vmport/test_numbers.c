// SPDX-License-Identifier: GPL-2.0-only
/* Numbers of messages and requests, over states that were loaded. */
#include <linux/bits.h>
#include <linux/slab.h>

#include "ask.h"
#include "blob.h"

/* The VMM has seen the numbers of the newer state, by listing its requests for example. */
TEST("numbers of requests go on behind those of a newer state that was loaded before")
{
	struct vm *old = vm_new(SLEEPING), *new = vm_new(SLEEPING), *vm = vm_new(SLEEPING);
	size_t old_size, new_size;
	u8 *old_blob, *new_blob;
	u64 id = 0, seen;
	int i;

	old_blob = vm_pack(old, &old_size);
	for (i = 0; i < 10; i++)
		id = host_request(new, "ping");
	new_blob = vm_pack(new, &new_size);

	/* The VMM sees 1 to 10 here, by KVM_VMPORT_ATTR_TCLO_LIST for example. */
	CHECK_EQ(vm_unpack(vm, new_blob, new_size, NULL), 0);
	seen = id;
	CHECK_EQ(vm_unpack(vm, old_blob, old_size, NULL), 0);
	id = host_request(vm, "OS_Halt");
	CHECK(id > seen);
	free(old_blob);
	free(new_blob);
	vm_free(vm);
	vm_free(new);
	vm_free(old);
}

TEST("the largest number of a message in a blob leaves numbers for those that come")
{
	struct kvm_vmport_blob_channel packed = {
		.flags = cpu_to_le16(KVM_VMPORT_CHANNEL_ASK),
		.protocol = cpu_to_le32(RPCI),
		.send_size = cpu_to_le32(4),
		.send_done = cpu_to_le32(4),
		.request = cpu_to_le64(S64_MAX),
	};
	struct vm *vm = vm_new(SLEEPING);
	struct vmport_asked asked;
	struct blob bad, clean;
	struct chan chan;

	vm->config.features |= KVM_VMPORT_FEATURE_EXIT_RPC;
	blob_init(&bad);
	blob_channel(&bad, &packed, "what");
	blob_seal(&bad);
	blob_init(&clean);
	blob_seal(&clean);
	CHECK_EQ(vm_unpack(vm, bad.data, bad.size, NULL), 0);
	CHECK_EQ(vm_unpack(vm, clean.data, clean.size, NULL), 0);
	chan = open_chan(vm, RPCI | COOKIE);
	send_message(&chan, "hello", 5);
	CHECK_EQ(vmport_ask_read(vm->state, 0, true, 4096, &asked), 0);
	kvfree(asked.data);
	blob_free(&bad);
	blob_free(&clean);
	vm_free(vm);
}
