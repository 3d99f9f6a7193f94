// SPDX-License-Identifier: GPL-2.0-only
/* Numbers of messages and requests, over states that were loaded. */
#include <linux/align.h>
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

/* A VM with EXIT_RPC on, and a channel whose message waits for its VMM. */
static struct vm *asking_vm(struct chan *chan, const char *text)
{
	struct vm *vm = vm_new(SLEEPING);

	vm->config.features |= KVM_VMPORT_FEATURE_EXIT_RPC;
	*chan = open_chan(vm, RPCI | COOKIE);
	send_message(chan, text, strlen(text));
	return vm;
}

/* The number of the next message behind @id; 0 when there is none. */
static u64 next_asked(struct vm *vm, u64 id)
{
	struct vmport_asked asked;

	if (vmport_ask_read(vm->state, id, true, 4096, &asked))
		return 0;
	kvfree(asked.data);
	return asked.id;
}

/* The VMM works on an answer while it loads what it, or another VMM, saved earlier. */
TEST("a late reply is not taken for one to a message of the loaded state")
{
	struct chan chan, loaded;
	struct vm *earlier = asking_vm(&loaded, "may I have the harmless thing");
	struct vm *vm = asking_vm(&chan, "may I have the secret");
	u64 id = next_asked(vm, 0), again;
	char text[64] = { };
	size_t size;
	u8 *blob;

	blob = vm_pack(earlier, &size);
	CHECK_EQ(vm_unpack(vm, blob, size, NULL), 0);
	loaded.vm = vm;
	CHECK_EQ(vmport_ask_answer(vm->state, id, (const u8 *)"1 the secret", 12), -ENOENT);
	again = next_asked(vm, 0);
	CHECK(again > id);
	CHECK_EQ(vmport_ask_answer(vm->state, again, (const u8 *)"1 a thing", 9), 0);
	CHECK_EQ(receive(&loaded, text, sizeof(text)), 9);
	CHECK(!memcmp(text, "1 a thing", 9));
	free(blob);
	vm_free(earlier);
	vm_free(vm);
}

TEST("messages that are loaded are saved as they came, and keep their order")
{
	struct chan chan, loaded[3];
	struct vm *earlier = asking_vm(&loaded[2], "a"), *vm = asking_vm(&chan, "here");
	struct kvm_vmport_blob_channel packed;
	size_t size, again_size, at;
	u64 id[4] = { }, saved = 0;
	u8 *blob, *again;
	int i;

	for (i = 1; i >= 0; i--) {
		loaded[i] = open_chan(earlier, RPCI | COOKIE);
		send_message(&loaded[i], "b", 1);
	}
	/* By now the VM has given more numbers than are in the blob. */
	for (i = 0; i < 10; i++)
		send_message(&chan, "here", 4);
	blob = vm_pack(earlier, &size);
	for (i = 0; i < 2; i++) {
		CHECK_EQ(vm_unpack(vm, blob, size, NULL), 0);
		again = vm_pack(vm, &again_size);
		CHECK_EQ(again_size, size);
		CHECK(!memcmp(again, blob, size));
		free(again);
	}
	id[0] = next_asked(vm, 0);
	id[1] = next_asked(vm, id[0]);
	id[2] = next_asked(vm, id[1]);
	CHECK(id[0] > 14);
	CHECK_EQ(id[1], id[0] + 1);
	CHECK_EQ(id[2], id[0] + 2);
	CHECK_EQ(next_asked(vm, id[2]), 0);

	/* What asks from now on comes behind them, here and in the next blob. */
	chan = open_chan(vm, RPCI);
	send_message(&chan, "new", 3);
	id[3] = next_asked(vm, id[2]);
	CHECK(id[3]);
	again = vm_pack(vm, &again_size);
	for (at = sizeof(struct kvm_vmport_blob_header), i = 0; i < 4; i++) {
		at += sizeof(struct kvm_vmport_blob_section);
		memcpy(&packed, again + at, sizeof(packed));
		at += ALIGN(sizeof(packed) + le32_to_cpu(packed.send_done), 8);
		if (packed.id == chan.id)
			CHECK_EQ(le64_to_cpu(packed.request), id[3]);
		else
			saved = max(saved, le64_to_cpu(packed.request));
	}
	CHECK(saved && saved < id[3]);
	free(again);
	free(blob);
	vm_free(earlier);
	vm_free(vm);
}
