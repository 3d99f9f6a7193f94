// SPDX-License-Identifier: GPL-2.0-only
/*
 * The faults of the migration code that went before (PROTOCOL section 8), one
 * test each, by the number that they have there.
 */
#include "blob.h"

static u8 big[KVM_VMPORT_MAX_VALUE];

TEST("fault 1: send and receive lengths in a blob are not trusted")
{
	static const u32 sizes[] = { 5, 64, 1024, 65536, 0x7fffffff, 0x80000000, ~0u };
	struct kvm_vmport_blob_channel channel;
	struct vm *vm = vm_new(SLEEPING);
	struct blob blob;
	unsigned int i, which;

	/* Four bytes are there, more are promised. */
	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		for (which = 0; which < 2; which++) {
			channel = (struct kvm_vmport_blob_channel) {
				.protocol = cpu_to_le32(RPCI),
				.flags = cpu_to_le16(which ? KVM_VMPORT_CHANNEL_SEND :
							     KVM_VMPORT_CHANNEL_RECV),
			};
			if (which) {
				channel.send_size = cpu_to_le32(65536);
				channel.send_done = cpu_to_le32(sizes[i]);
			} else {
				channel.recv_size = cpu_to_le32(sizes[i]);
			}
			blob_init(&blob);
			blob_channel(&blob, &channel, "1234");
			blob_seal(&blob);
			CHECK(blob_load(vm, blob.data, blob.size, NULL) < 0);
			blob_free(&blob);
		}
	}
	vm_free(vm);
}

TEST("fault 2: the length that is saved is the length of the data: 64 KiB come back whole")
{
	struct vm *vm = vm_new(SLEEPING);
	struct chan sender = open_chan(vm, RPCI), reader = open_chan(vm, RPCI);
	static u8 reply[KVM_VMPORT_MAX_REPLY];
	u32 i, size;

	for (i = 0; i < sizeof(big); i++)
		big[i] = 1 + (i * 31 >> 3) % 255;
	CHECK_EQ(host_set(vm, "guestinfo.big", big, sizeof(big), 0, NULL), 0);
	send_message(&reader, "info-get guestinfo.big", 22);
	memcpy(reply, "info-set guestinfo.new ", 23);
	memcpy(reply + 23, big, KVM_VMPORT_MAX_MESSAGE - 23);
	send_part(&sender, reply, KVM_VMPORT_MAX_MESSAGE, KVM_VMPORT_MAX_MESSAGE - 4);
	vm_migrate(vm);

	CHECK_EQ(receive(&reader, reply, sizeof(reply)), sizeof(big) + 2);
	CHECK(!memcmp(reply + 2, big, sizeof(big)));
	memcpy(&i, big + KVM_VMPORT_MAX_MESSAGE - 23 - 4, 4);
	CHECK_EQ(request(&sender, SENDPAYLOAD, le32_to_cpu(i)), SUCCESS);
	CHECK_EQ(receive(&sender, reply, sizeof(reply)), 2);
	CHECK(!memcmp(host_get(vm, "guestinfo.new", &size), big, KVM_VMPORT_MAX_MESSAGE - 23));
	CHECK_EQ(size, KVM_VMPORT_MAX_MESSAGE - 23);
	vm_free(vm);
}

TEST("fault 3: a full table of entries and requests loads, one more than full does not")
{
	struct blob blob;
	char key[8];
	size_t last;
	int i;

	blob_init(&blob);
	blob_begin(&blob, KVM_VMPORT_SECTION_GUESTINFO, KVM_VMPORT_SECTION_CRITICAL);
	for (i = 0; i < KVM_VMPORT_MAX_KEYS; i++) {
		snprintf(key, sizeof(key), "%05d", i);
		blob_entry(&blob, key, "", 0);
	}
	blob_end(&blob);
	check_blob(&blob, 0, 0, 0);

	/* The next that the section has room for. */
	last = blob.size;
	blob_entry(&blob, "99999", "", 0);
	blob_end(&blob);
	check_blob(&blob, -E2BIG, KVM_VMPORT_ERR_KEY_COUNT, last);
	blob_free(&blob);

	blob_init(&blob);
	blob_begin(&blob, KVM_VMPORT_SECTION_TCLO, KVM_VMPORT_SECTION_CRITICAL);
	blob_tclo(&blob, 100, KVM_VMPORT_MAX_TCLO);
	for (i = 1; i <= KVM_VMPORT_MAX_TCLO; i++)
		blob_request(&blob, i, KVM_VMPORT_REQUEST_QUEUED, "ping");
	blob_end(&blob);
	check_blob(&blob, 0, 0, 0);
	blob_free(&blob);
}

TEST("fault 4: a short entry does not leave the rest misread: it is refused, where it stands")
{
	struct kvm_vmport_blob_guestinfo *entry;
	struct vm *vm = vm_new(SLEEPING);
	struct blob blob;
	int change;

	for (change = -5; change <= 5; change++) {
		blob_init(&blob);
		blob_begin(&blob, KVM_VMPORT_SECTION_GUESTINFO, KVM_VMPORT_SECTION_CRITICAL);
		blob_entry(&blob, "guestinfo.a", "12345", 0);
		blob_entry(&blob, "guestinfo.b", "12345", 0);
		blob_end(&blob);
		entry = (void *)(blob.data + 48);
		entry->value_size = cpu_to_le32(5 + change);
		blob_seal(&blob);
		if (change)
			CHECK_EQ(blob_load(vm, blob.data, blob.size, NULL), -EINVAL);
		else
			check_accepted(vm, blob.data, blob.size);
		CHECK(!change || !vm->state->guestinfo.count || change > 0);
		blob_free(&blob);
	}
	vm_free(vm);
}

TEST("fault 5: an error anywhere in a blob leaves the old state as it was, whole")
{
	struct vm *vm = vm_new(SLEEPING), *source = vm_new(SLEEPING);
	struct chan chan = open_chan(vm, RPCI | COOKIE);
	size_t size;
	u8 *blob;

	host_set_text(vm, "guestinfo.old", "still here");
	send_part(&chan, "info-get guestinfo.old", 22, 20);
	rich_state(source);
	blob = vm_pack(source, &size);
	/* All is good but the padding at the end: five channels of 2 bytes. */
	blob[size - 1] = 1;
	blob_checksum(blob, size);
	check_refused(vm, blob, size, -EINVAL, KVM_VMPORT_ERR_RESERVED, size - 6);
	free(blob);

	CHECK(!strcmp(host_get(vm, "guestinfo.old", NULL), "still here"));
	CHECK(!host_get(vm, "guestinfo.metadata", NULL));
	CHECK_EQ(request(&chan, SENDPAYLOAD, 'l' | 'd' << 8), SUCCESS);
	CHECK_EQ(request(&chan, RECVSIZE, 0), DORECV);
	CHECK_EQ(chan.regs.bx, 2 + strlen("still here"));
	vm_free(source);
	vm_free(vm);
}

TEST("fault 6: no clock travels: the blob is the same at any time, time is the new host's")
{
	struct vmport_regs regs = { .ax = VMPORT_MAGIC, .cx = 23 };
	struct vm *vm = vm_new(SLEEPING);
	size_t size, later_size;
	u8 *blob, *later;

	shim_set_time(1000000000, 0);
	rich_state(vm);
	blob = vm_pack(vm, &size);
	shim_set_time(2000000000, 5000);
	later = vm_pack(vm, &later_size);
	CHECK_EQ(later_size, size);
	CHECK(!memcmp(blob, later, size));
	vm_migrate(vm);
	CHECK_EQ(vm_call(vm, &regs), VMPORT_DONE);
	CHECK_EQ(regs.ax, 2000000000);
	CHECK_EQ(regs.bx, 5);
	free(blob);
	free(later);
	vm_free(vm);
}

TEST("fault 7: saving after loading gives the blob that was loaded, ten times over")
{
	struct vm *vm = vm_new(SLEEPING);
	size_t size, again_size;
	u8 *first, *again;
	int i;

	rich_state(vm);
	first = vm_pack(vm, &size);
	for (i = 0; i < 10; i++) {
		vm_migrate(vm);
		again = vm_pack(vm, &again_size);
		CHECK_EQ(again_size, size);
		CHECK(!memcmp(first, again, size));
		free(again);
	}
	free(first);
	vm_free(vm);
}

TEST("fault 8: keys, channels and requests from before a load do not survive it")
{
	struct vm *vm = vm_new(SLEEPING);
	struct chan chan = open_chan(vm, RPCI);
	struct blob blob;

	rich_state(vm);
	host_set_text(vm, "guestinfo.old", "old");
	blob_init(&blob);
	blob_begin(&blob, KVM_VMPORT_SECTION_GUESTINFO, KVM_VMPORT_SECTION_CRITICAL);
	blob_entry(&blob, "guestinfo.new", "new", 0);
	blob_end(&blob);
	blob_seal(&blob);
	check_accepted(vm, blob.data, blob.size);
	blob_free(&blob);

	CHECK(!host_get(vm, "guestinfo.old", NULL));
	CHECK(!host_get(vm, "guestinfo.metadata", NULL));
	CHECK(!host_get(vm, "machine.id", NULL));
	CHECK_EQ(vm->state->guestinfo.count, 1);
	CHECK_EQ(request(&chan, SENDSIZE, 1), FAILED);
	CHECK_EQ(host_result(vm, NULL, NULL, NULL), 0);
	/* Its number is one that the VMM has not seen. */
	CHECK_EQ(host_request(vm, "ping"), 7);
	vm_free(vm);
}

TEST("fault 9: positions into buffers are checked when loaded and never pass the end afterwards")
{
	struct kvm_vmport_blob_channel channel = {
		.protocol = cpu_to_le32(RPCI),
		.flags = cpu_to_le16(KVM_VMPORT_CHANNEL_RECV),
		.recv_size = cpu_to_le32(3),
	};
	struct vm *vm = vm_new(SLEEPING);
	struct chan chan = { .vm = vm };
	struct blob blob;
	u32 done, i;

	for (done = 0; done < 10; done++) {
		channel.recv_done = cpu_to_le32(done);
		blob_init(&blob);
		blob_channel(&blob, &channel, "abc");
		blob_seal(&blob);
		CHECK_EQ(blob_load(vm, blob.data, blob.size, NULL), done <= 3 ? 0 : -EINVAL);
		blob_free(&blob);
		/* ASan watches. */
		for (i = 0; i < 5; i++) {
			CHECK_EQ(request(&chan, RECVPAYLOAD, 1), SUCCESS);
			if (i || done >= 3)
				CHECK_EQ(chan.regs.bx, 0);
		}
	}
	vm_free(vm);
}

TEST("fault 10: cookies are no counter: 1000 of them share no half and no difference")
{
	static u32 high[1000], low[1000];
	struct vm *vm = vm_new(SLEEPING);
	unsigned int i, j, same = 0;
	struct chan chan;

	for (i = 0; i < 1000; i++) {
		chan = open_chan(vm, RPCI | COOKIE);
		high[i] = chan.cookie_high;
		low[i] = chan.cookie_low;
		CHECK_EQ(request(&chan, CLOSE, 0), SUCCESS);
		for (j = 0; j < i; j++)
			same += high[i] == high[j] && low[i] == low[j];
		if (i > 1)
			same += high[i] - high[i - 1] == high[i - 1] - high[i - 2] ||
				low[i] - low[i - 1] == low[i - 1] - low[i - 2];
	}
	CHECK_EQ(same, 0);
	vm_free(vm);
}
