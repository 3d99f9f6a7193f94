// SPDX-License-Identifier: GPL-2.0-only
/*
 * The RPCI requests, reply by reply, and guestinfo as guest and VMM see it.
 */
#include <pthread.h>

#include "vmport_test.h"

FIXTURE(rpci) {
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm;
	struct vmport_channel rpci;
};

FIXTURE_SETUP(rpci)
{
	self->vm = vmport_vm_create(VMPORT_RPC, 1, &self->vcpu);
	self->rpci = vmport_open(self->vcpu, VMPORT_RPCI | VMPORT_COOKIE);
}

FIXTURE_TEARDOWN(rpci)
{
	kvm_vm_free(self->vm);
}

#define EXPECT_RPC(_request, _reply)						\
	EXPECT_STREQ(vmport_rpc_text(&self->rpci, _request), _reply)

/* A request with NULs in it; the reply is text. */
static const char *rpc_bytes(struct vmport_channel *channel, const void *request, u32 size)
{
	static char reply[256];
	int n = vmport_rpc(channel, request, size, reply, sizeof(reply) - 1);

	TEST_ASSERT(!memchr(reply, 0, n), "A NUL in the reply");
	reply[n] = '\0';
	return reply;
}

#define EXPECT_RPC_BYTES(_request, _size, _reply)				\
	EXPECT_STREQ(rpc_bytes(&self->rpci, _request, _size), _reply)

TEST_F(rpci, info_get_of_a_host_value)
{
	ASSERT_EQ(vmport_set_text(self->vm, "guestinfo.metadata", "instance-id: i"), 0);
	EXPECT_RPC("info-get guestinfo.metadata", "1 instance-id: i");
}

TEST_F(rpci, info_get_nothing_there)
{
	EXPECT_RPC("info-get guestinfo.nothing", "0 No value found");
	ASSERT_EQ(vmport_set_text(self->vm, "guestinfo.nothing", "x"), 0);
	EXPECT_RPC("info-get guestinfo.nothing", "1 x");
	ASSERT_EQ(vmport_delete(self->vm, "guestinfo.nothing"), 0);
	EXPECT_RPC("info-get guestinfo.nothing", "0 No value found");
}

TEST_F(rpci, info_get_outside_guestinfo)
{
	ASSERT_EQ(vmport_set_text(self->vm, "host.secret", "x"), 0);
	ASSERT_EQ(vmport_set_text(self->vm, "guestinfo", "x"), 0);
	ASSERT_EQ(vmport_set_text(self->vm, "guestinfox", "x"), 0);
	ASSERT_EQ(vmport_set_text(self->vm, "guestinfo.", "x"), 0);
	ASSERT_EQ(vmport_set_text(self->vm, "Guestinfo.k", "x"), 0);
	ASSERT_EQ(vmport_set_text(self->vm, "machine.id", "x"), 0);
	EXPECT_RPC("info-get host.secret", "0 No value found");
	EXPECT_RPC("info-get guestinfo", "0 No value found");
	EXPECT_RPC("info-get guestinfox", "0 No value found");
	EXPECT_RPC("info-get guestinfo.", "0 No value found");
	EXPECT_RPC("info-get Guestinfo.k", "0 No value found");
	EXPECT_RPC("info-get machine.id", "0 No value found");
	EXPECT_RPC("info-get", "0 No value found");
	EXPECT_RPC("info-get ", "0 No value found");
}

TEST_F(rpci, info_get_malformed_key)
{
	char request[600] = "info-get guestinfo.";

	ASSERT_EQ(vmport_set_text(self->vm, "guestinfo.a", "x"), 0);
	EXPECT_RPC("info-get guestinfo.a b", "0 No value found");
	EXPECT_RPC("info-get guestinfo.a ", "0 No value found");
	EXPECT_RPC("info-get  guestinfo.a", "0 No value found");
	memset(request + 19, 'k', KVM_VMPORT_MAX_KEY);
	EXPECT_RPC(request, "0 No value found");
}

TEST_F(rpci, info_set_then_get)
{
	EXPECT_RPC("info-set guestinfo.k value", "1 ");
	EXPECT_RPC("info-get guestinfo.k", "1 value");
	EXPECT_STREQ(vmport_get_text(self->vm, "guestinfo.k"), "value");
	EXPECT_RPC("info-set guestinfo.k other", "1 ");
	EXPECT_RPC("info-get guestinfo.k", "1 other");
}

TEST_F(rpci, info_set_value_with_spaces)
{
	EXPECT_RPC("info-set guestinfo.k  two  words ", "1 ");
	EXPECT_RPC("info-get guestinfo.k", "1  two  words ");
	EXPECT_STREQ(vmport_get_text(self->vm, "guestinfo.k"), " two  words ");
}

TEST_F(rpci, info_set_empty_value)
{
	u32 size = 0;

	EXPECT_RPC("info-set guestinfo.k x", "1 ");
	EXPECT_RPC("info-set guestinfo.k ", "1 ");
	EXPECT_RPC("info-get guestinfo.k", "1 ");
	EXPECT_EQ(vmport_get_entry(self->vm, "guestinfo.k", 11, NULL, &size, NULL), 0);
	EXPECT_EQ(size, 0);
}

TEST_F(rpci, info_set_without_value)
{
	EXPECT_RPC("info-set guestinfo.k x", "1 ");
	EXPECT_RPC("info-set guestinfo.k", "0 Two and exactly two arguments expected");
	EXPECT_RPC("info-set", "0 Two and exactly two arguments expected");
	EXPECT_RPC("info-set ", "0 Two and exactly two arguments expected");
	EXPECT_RPC("info-set host.k", "0 Two and exactly two arguments expected");
	EXPECT_RPC("info-get guestinfo.k", "1 x");
}

TEST_F(rpci, info_set_outside_guestinfo)
{
	ASSERT_EQ(vmport_set_text(self->vm, "machine.id", "host"), 0);
	EXPECT_RPC("info-set machine.id guest", "0 Permission denied");
	EXPECT_RPC("info-set host.k x", "0 Permission denied");
	EXPECT_RPC("info-set guestinfo x", "0 Permission denied");
	EXPECT_RPC("info-set GUESTINFO.k x", "0 Permission denied");
	EXPECT_RPC("info-set  x", "0 Permission denied");
	EXPECT_STREQ(vmport_get_text(self->vm, "machine.id"), "host");
	EXPECT_EQ(vmport_get_text(self->vm, "host.k"), NULL);
}

TEST_F(rpci, info_set_read_only)
{
	ASSERT_EQ(vmport_set_entry(self->vm, "guestinfo.ro", 12, "host", 4,
				   KVM_VMPORT_GUESTINFO_READONLY), 0);
	EXPECT_RPC("info-get guestinfo.ro", "1 host");
	EXPECT_RPC("info-set guestinfo.ro guest", "0 Permission denied");
	EXPECT_RPC("info-set guestinfo.ro ", "0 Permission denied");
	EXPECT_RPC("info-get guestinfo.ro", "1 host");
	/* The VMM can, and can take the flag away. */
	ASSERT_EQ(vmport_set_entry(self->vm, "guestinfo.ro", 12, "host2", 5,
				   KVM_VMPORT_GUESTINFO_READONLY), 0);
	EXPECT_RPC("info-set guestinfo.ro guest", "0 Permission denied");
	EXPECT_RPC("info-get guestinfo.ro", "1 host2");
	ASSERT_EQ(vmport_set_text(self->vm, "guestinfo.ro", "host3"), 0);
	EXPECT_RPC("info-set guestinfo.ro guest", "1 ");
	EXPECT_RPC("info-get guestinfo.ro", "1 guest");
}

TEST_F(rpci, info_set_bad_keys)
{
	char request[600], key[300];

	EXPECT_RPC("info-set guestinfo. x", "0 Invalid key");

	memset(key, 'k', sizeof(key));
	snprintf(request, sizeof(request), "info-set guestinfo.%.*s longest",
		 KVM_VMPORT_MAX_KEY - 10, key);
	EXPECT_RPC(request, "1 ");
	snprintf(request, sizeof(request), "info-set guestinfo.%.*s too long",
		 KVM_VMPORT_MAX_KEY - 9, key);
	EXPECT_RPC(request, "0 Key too long");
}

TEST_F(rpci, longest_key_can_be_read)
{
	char key[KVM_VMPORT_MAX_KEY + 1] = "guestinfo.";
	char request[300];

	memset(key + 10, 'k', KVM_VMPORT_MAX_KEY - 10);
	ASSERT_EQ(vmport_set_text(self->vm, key, "v"), 0);
	snprintf(request, sizeof(request), "info-get %s", key);
	EXPECT_RPC(request, "1 v");
	EXPECT_STREQ(vmport_get_text(self->vm, key), "v");
}

TEST_F(rpci, every_byte_but_nul_in_a_value)
{
	u8 request[22 + 256], reply[300], value[300];
	u32 size = sizeof(value), i;

	memcpy(request, "info-set guestinfo.bin", 22);
	for (i = 0; i < 255; i++)
		request[23 + i] = 255 - i;
	request[22] = ' ';
	EXPECT_EQ(vmport_rpc(&self->rpci, request, 23 + 255, reply, sizeof(reply)), 2);
	EXPECT_EQ(vmport_get_entry(self->vm, "guestinfo.bin", 13, value, &size, NULL), 0);
	EXPECT_EQ(size, 255);
	EXPECT_EQ(memcmp(value, request + 23, 255), 0);
	EXPECT_EQ(vmport_rpc(&self->rpci, "info-get guestinfo.bin", 22, reply, sizeof(reply)),
		  2 + 255);
	EXPECT_EQ(memcmp(reply + 2, value, 255), 0);
}

TEST_F(rpci, the_first_nul_ends_a_request)
{
	char value[16];
	u32 size;
	int nuls;

	for (nuls = 1; nuls <= 4; nuls++) {
		ASSERT_EQ(vmport_set_text(self->vm, "guestinfo.k", "old"), 0);
		EXPECT_RPC_BYTES("info-set guestinfo.k value\0\0x", 26 + nuls, "1 ");
		size = sizeof(value);
		EXPECT_EQ(vmport_get_entry(self->vm, "guestinfo.k", 11, value, &size, NULL), 0);
		EXPECT_EQ(size, 5);
		EXPECT_RPC_BYTES("info-get guestinfo.k\0\0x", 20 + nuls, "1 value");
		EXPECT_RPC_BYTES("machine.id.get\0\0x", 14 + nuls, "0 No machine id");
		EXPECT_RPC_BYTES("log\0\0x", 3 + nuls, "1 ");
	}
	/* Wherever it is. */
	EXPECT_RPC_BYTES("info-set guestinfo.k\0 x", 23,
			 "0 Two and exactly two arguments expected");
	EXPECT_RPC_BYTES("info-set guestinfo.k \0x", 23, "1 ");
	EXPECT_STREQ(vmport_get_text(self->vm, "guestinfo.k"), "");
	EXPECT_RPC_BYTES("info-get\0guestinfo.k", 20, "0 No value found");
	EXPECT_RPC_BYTES("info\0-get guestinfo.k", 21, "0 Unknown command");
}

TEST_F(rpci, machine_id)
{
	EXPECT_RPC("machine.id.get", "0 No machine id");
	ASSERT_EQ(vmport_set_text(self->vm, "machine.id", "my id"), 0);
	EXPECT_RPC("machine.id.get", "1 my id");
	ASSERT_EQ(vmport_set_text(self->vm, "machine.id", ""), 0);
	EXPECT_RPC("machine.id.get", "1 ");
	ASSERT_EQ(vmport_delete(self->vm, "machine.id"), 0);
	EXPECT_RPC("machine.id.get", "0 No machine id");
}

TEST_F(rpci, reports_are_accepted)
{
	EXPECT_RPC("log hello from the guest", "1 ");
	EXPECT_RPC("log", "1 ");
	EXPECT_RPC("tools.set.version 12345", "1 ");
	EXPECT_RPC("tools.set.versiontype 12345 4", "1 ");
	EXPECT_RPC("tools.capability.hgfs_server toolbox 1", "1 ");
	EXPECT_RPC("tools.capability.softpowerop_retry ", "1 ");
	EXPECT_RPC("tools.capability.auto_upgrade 0", "1 ");
	EXPECT_RPC("tools.os.statechange.status OK 1", "1 ");
	EXPECT_RPC("update.tools.health green", "1 ");
	EXPECT_RPC("SetGuestInfo  4 Linux", "1 ");
	EXPECT_RPC_BYTES("SetGuestInfo  9 \0\1\2\3\0\xff", 22, "1 ");
}

TEST_F(rpci, unknown_commands)
{
	static const char * const requests[] = {
		"", " ", "x", "info", "info-ge", "info-getx guestinfo.k", "INFO-GET guestinfo.k",
		" info-get guestinfo.k", "info-set2 guestinfo.k v", "logx", "lo",
		"vmx.capability.unified_loop toolbox", "vmx.capability.edit_scripts",
		"tools.set.versio 1", "tools.set.versiontypes 1", "tools.capability",
		"tools.os.statechange.statu OK 1", "machine.id.getx",
		"machine.id", "SetGuestInfox 1", "setguestinfo  1", "update.tools.healthy 1",
		"disk.wiper.enable", "copypaste.hg.copy.files", "\xff\xfe",
	};
	char request[64];
	int i;

	for (i = 0; i < ARRAY_SIZE(requests); i++) {
		EXPECT_RPC(requests[i], "0 Unknown command")
			TH_LOG("request %d", i);
	}
	EXPECT_RPC_BYTES("\0", 1, "0 Unknown command");
	EXPECT_RPC_BYTES("\0\0\0\0", 4, "0 Unknown command");
	memset(request, 'x', sizeof(request));
	EXPECT_RPC_BYTES(request, sizeof(request), "0 Unknown command");
}

TEST_F(rpci, guest_sees_host_values_change)
{
	ASSERT_EQ(vmport_set_text(self->vm, "guestinfo.k", "1"), 0);
	EXPECT_RPC("info-get guestinfo.k", "1 1");
	ASSERT_EQ(vmport_set_text(self->vm, "guestinfo.k", "a much longer second value"), 0);
	EXPECT_RPC("info-get guestinfo.k", "1 a much longer second value");
	EXPECT_RPC("info-set guestinfo.k back", "1 ");
	EXPECT_STREQ(vmport_get_text(self->vm, "guestinfo.k"), "back");
}

TEST_F(rpci, host_value_does_not_change_under_a_reader)
{
	char reply[32];

	ASSERT_EQ(vmport_set_text(self->vm, "guestinfo.k", "12345678"), 0);
	vmport_send(&self->rpci, "info-get guestinfo.k", 20);
	EXPECT_EQ(vmport_poll(&self->rpci), 10);
	vmport_recv_payload(&self->rpci, reply, 4);
	ASSERT_EQ(vmport_set_text(self->vm, "guestinfo.k", "abcdefgh"), 0);
	vmport_recv_payload(&self->rpci, reply + 4, 6);
	EXPECT_EQ(memcmp(reply, "1 12345678", 10), 0);
}

TEST_F(rpci, provisioning_keys)
{
	static const char * const keys[] = {
		"guestinfo.metadata", "guestinfo.metadata.encoding", "guestinfo.userdata",
		"guestinfo.userdata.encoding", "guestinfo.vendordata",
		"guestinfo.ignition.config.data", "guestinfo.ovfEnv", "guestinfo.ip",
	};
	char request[80], expected[80];
	int i;

	for (i = 0; i < ARRAY_SIZE(keys); i++)
		ASSERT_EQ(vmport_set_text(self->vm, keys[i], keys[ARRAY_SIZE(keys) - 1 - i]), 0);
	for (i = 0; i < ARRAY_SIZE(keys); i++) {
		snprintf(request, sizeof(request), "info-get %s", keys[i]);
		snprintf(expected, sizeof(expected), "1 %s", keys[ARRAY_SIZE(keys) - 1 - i]);
		EXPECT_RPC(request, expected);
	}
}

TEST_F(rpci, guest_limit_value_bytes)
{
	struct kvm_vmport_limits limits;

	ASSERT_EQ(vmport_get_limits(self->vm, &limits), 0);
	limits.value_bytes = 8;
	ASSERT_EQ(vmport_set_limits(self->vm, &limits), 0);
	EXPECT_RPC("info-set guestinfo.k 12345678", "1 ");
	EXPECT_RPC("info-set guestinfo.k 123456789", "0 Value too long");
	EXPECT_RPC("info-get guestinfo.k", "1 12345678");
}

TEST_F(rpci, guest_limit_keys)
{
	struct kvm_vmport_limits limits;

	ASSERT_EQ(vmport_get_limits(self->vm, &limits), 0);
	limits.keys = 2;
	ASSERT_EQ(vmport_set_limits(self->vm, &limits), 0);
	EXPECT_RPC("info-set guestinfo.a 1", "1 ");
	EXPECT_RPC("info-set guestinfo.b 1", "1 ");
	EXPECT_RPC("info-set guestinfo.c 1", "0 Too many keys");
	EXPECT_RPC("info-get guestinfo.c", "0 No value found");
	EXPECT_RPC("info-set guestinfo.b 2", "1 ");
	EXPECT_RPC("info-get guestinfo.b", "1 2");
}

TEST_F(rpci, guest_limit_guestinfo_bytes)
{
	struct kvm_vmport_limits limits;

	ASSERT_EQ(vmport_get_limits(self->vm, &limits), 0);
	limits.guestinfo_bytes = 2 * 11 + 10;
	ASSERT_EQ(vmport_set_limits(self->vm, &limits), 0);
	EXPECT_RPC("info-set guestinfo.a 12345", "1 ");
	EXPECT_RPC("info-set guestinfo.b 123456", "0 No space left");
	EXPECT_RPC("info-get guestinfo.b", "0 No value found");
	EXPECT_RPC("info-set guestinfo.b 12345", "1 ");
	EXPECT_RPC("info-set guestinfo.b 123456", "0 No space left");
	EXPECT_RPC("info-set guestinfo.a 1234", "1 ");
	EXPECT_RPC("info-set guestinfo.b 123456", "1 ");
	EXPECT_RPC("info-get guestinfo.b", "1 123456");
}

/* The store alone, no vCPU. */
FIXTURE(store) {
	struct kvm_vm *vm;
};

FIXTURE_SETUP(store)
{
	self->vm = vmport_vm_create_barebones(VMPORT_RPC);
}

FIXTURE_TEARDOWN(store)
{
	kvm_vm_free(self->vm);
}

TEST_F(store, set_get_delete)
{
	char value[8];
	u32 size = sizeof(value), flags = ~0u;

	EXPECT_EQ(vmport_get_entry(self->vm, "k", 1, value, &size, NULL), ENOENT);
	EXPECT_EQ(vmport_delete(self->vm, "k"), ENOENT);
	EXPECT_EQ(vmport_set_text(self->vm, "k", "v"), 0);
	EXPECT_EQ(vmport_get_entry(self->vm, "k", 1, value, &size, &flags), 0);
	EXPECT_EQ(size, 1);
	EXPECT_EQ(flags, 0);
	EXPECT_EQ(vmport_delete(self->vm, "k"), 0);
	EXPECT_EQ(vmport_delete(self->vm, "k"), ENOENT);
	EXPECT_EQ(vmport_get_text(self->vm, "k"), NULL);
}

TEST_F(store, read_only_flag_is_told)
{
	char value[8];
	u32 size = sizeof(value), flags = 0;

	EXPECT_EQ(vmport_set_entry(self->vm, "k", 1, "v", 1, KVM_VMPORT_GUESTINFO_READONLY), 0);
	EXPECT_EQ(vmport_get_entry(self->vm, "k", 1, value, &size, &flags), 0);
	EXPECT_EQ(flags, KVM_VMPORT_GUESTINFO_READONLY);
	/* Read-only is for the guest. */
	EXPECT_EQ(vmport_delete(self->vm, "k"), 0);
}

TEST_F(store, keys_are_bytes_not_strings)
{
	EXPECT_EQ(vmport_set_entry(self->vm, "keyrest", 3, "v", 1, 0), 0);
	EXPECT_STREQ(vmport_get_text(self->vm, "key"), "v");
	EXPECT_EQ(vmport_get_text(self->vm, "keyrest"), NULL);
	EXPECT_EQ(vmport_get_text(self->vm, "ke"), NULL);
	EXPECT_EQ(vmport_get_text(self->vm, "Key"), NULL);
	EXPECT_EQ(vmport_set_text(self->vm, "\xc3\xa4\n\x7f", "v"), 0);
	EXPECT_STREQ(vmport_get_text(self->vm, "\xc3\xa4\n\x7f"), "v");
}

TEST_F(store, list_in_byte_order_with_prefix)
{
	static const char * const keys[] = {
		"b", "guestinfo.z", "a", "guestinfo.a\xff", "guestinfo.aa", "guestinfo.a",
		"\xf0", "guestinfo",
	};
	static const char all[] = "a\0b\0guestinfo\0guestinfo.a\0guestinfo.aa\0guestinfo.a\xff\0"
				  "guestinfo.z\0\xf0";
	static const char some[] = "guestinfo.a\0guestinfo.aa\0guestinfo.a\xff";
	char names[256];
	u32 size, count, i;

	for (i = 0; i < ARRAY_SIZE(keys); i++)
		ASSERT_EQ(vmport_set_text(self->vm, keys[i], "v"), 0);

	size = sizeof(names);
	EXPECT_EQ(vmport_list(self->vm, "", names, &size, &count), 0);
	EXPECT_EQ(count, ARRAY_SIZE(keys));
	ASSERT_EQ(size, sizeof(all));
	EXPECT_EQ(memcmp(names, all, sizeof(all)), 0);

	size = sizeof(names);
	EXPECT_EQ(vmport_list(self->vm, "guestinfo.a", names, &size, &count), 0);
	EXPECT_EQ(count, 3);
	ASSERT_EQ(size, sizeof(some));
	EXPECT_EQ(memcmp(names, some, sizeof(some)), 0);

	size = sizeof(names);
	EXPECT_EQ(vmport_list(self->vm, "guestinfo.none", names, &size, &count), 0);
	EXPECT_EQ(count, 0);
	EXPECT_EQ(size, 0);
}

TEST_F(store, list_of_nothing)
{
	u32 size = 0, count = 1;

	EXPECT_EQ(vmport_list(self->vm, "", NULL, &size, &count), 0);
	EXPECT_EQ(size, 0);
	EXPECT_EQ(count, 0);
}

TEST_F(store, value_of_64_kib_and_one_byte_more)
{
	const u32 max = KVM_VMPORT_MAX_VALUE;
	u8 *value = vmport_alloc(max + 1);
	u8 *seen = vmport_alloc(max);
	u32 size = max, i;

	for (i = 0; i < max + 1; i++)
		value[i] = i * 3 + i / 256;
	EXPECT_EQ(vmport_set_entry(self->vm, "k", 1, value, max + 1, 0), E2BIG);
	EXPECT_EQ(vmport_error, KVM_VMPORT_ERR_VALUE_SIZE);
	EXPECT_EQ(vmport_set_entry(self->vm, "k", 1, value, 0xffffffff, 0), E2BIG);
	EXPECT_EQ(vmport_error, KVM_VMPORT_ERR_VALUE_SIZE);
	EXPECT_EQ(vmport_set_entry(self->vm, "k", 1, value, max, 0), 0);
	EXPECT_EQ(vmport_get_entry(self->vm, "k", 1, seen, &size, NULL), 0);
	EXPECT_EQ(size, max);
	EXPECT_EQ(memcmp(seen, value, max), 0);
	free(value);
	free(seen);
}

TEST_F(store, one_mib_in_all_and_one_byte_more)
{
	const u32 max = KVM_VMPORT_MAX_VALUE;
	u8 *value = vmport_alloc(max);
	char key[4];
	u32 i;

	/* 16 keys of 2 bytes: 1 MiB with values of 64 KiB - 2. */
	for (i = 0; i < 16; i++) {
		snprintf(key, sizeof(key), "%02u", i);
		ASSERT_EQ(vmport_set_entry(self->vm, key, 2, value, max - 2, 0), 0);
	}
	EXPECT_EQ(vmport_set_entry(self->vm, "x", 1, NULL, 0, 0), E2BIG);
	EXPECT_EQ(vmport_error, KVM_VMPORT_ERR_GUESTINFO_SIZE);
	EXPECT_EQ(vmport_set_entry(self->vm, "07", 2, value, max - 1, 0), E2BIG);
	EXPECT_EQ(vmport_error, KVM_VMPORT_ERR_GUESTINFO_SIZE);
	EXPECT_EQ(vmport_set_entry(self->vm, "07", 2, value, max - 3, 0), 0);
	EXPECT_EQ(vmport_set_entry(self->vm, "x", 1, NULL, 0, 0), 0);
	EXPECT_EQ(vmport_set_entry(self->vm, "y", 1, NULL, 0, 0), E2BIG);
	/* What is deleted can be used again, all of it. */
	EXPECT_EQ(vmport_delete(self->vm, "00"), 0);
	EXPECT_EQ(vmport_set_entry(self->vm, "zz", 2, value, max - 2, 0), 0);
	EXPECT_EQ(vmport_set_entry(self->vm, "y", 1, NULL, 0, 0), E2BIG);
	EXPECT_EQ(vmport_error, KVM_VMPORT_ERR_GUESTINFO_SIZE);
	free(value);
}

TEST_F(store, 4096_keys_and_one_more)
{
	char *expected = vmport_alloc(KVM_VMPORT_MAX_KEYS * 8);
	char *names = vmport_alloc(KVM_VMPORT_MAX_KEYS * 8);
	u32 i, size = KVM_VMPORT_MAX_KEYS * 8, count;
	char key[16];

	for (i = 0; i < KVM_VMPORT_MAX_KEYS; i++) {
		/* Not in order. */
		snprintf(key, sizeof(key), "k%04u", (i * 1237) % KVM_VMPORT_MAX_KEYS);
		ASSERT_EQ(vmport_set_text(self->vm, key, key), 0);
		snprintf(expected + i * 6, 7, "k%04u", i);
	}
	EXPECT_EQ(vmport_set_text(self->vm, "extra", "v"), E2BIG);
	EXPECT_EQ(vmport_error, KVM_VMPORT_ERR_KEY_COUNT);
	EXPECT_EQ(vmport_set_text(self->vm, "k0815", "other"), 0);
	EXPECT_STREQ(vmport_get_text(self->vm, "k4095"), "k4095");
	EXPECT_STREQ(vmport_get_text(self->vm, "k0815"), "other");

	EXPECT_EQ(vmport_list(self->vm, "", names, &size, &count), 0);
	EXPECT_EQ(count, KVM_VMPORT_MAX_KEYS);
	EXPECT_EQ(size, KVM_VMPORT_MAX_KEYS * 6);
	EXPECT_EQ(memcmp(names, expected, size), 0);
	free(expected);
	free(names);
}

TEST_F(store, two_vms_have_two_stores)
{
	struct kvm_vm *other = vmport_vm_create_barebones(VMPORT_RPC);

	EXPECT_EQ(vmport_set_text(self->vm, "k", "1"), 0);
	EXPECT_EQ(vmport_get_text(other, "k"), NULL);
	EXPECT_EQ(vmport_set_text(other, "k", "2"), 0);
	EXPECT_STREQ(vmport_get_text(self->vm, "k"), "1");
	kvm_vm_free(other);
	EXPECT_STREQ(vmport_get_text(self->vm, "k"), "1");
}

/* Names set since, each followed by a space; @since becomes what the kernel says. */
static const char *changes(struct kvm_vm *vm, u64 *since)
{
	static char names[4096];
	u32 size = sizeof(names), count, i;

	TEST_ASSERT_EQ(vmport_changes(vm, since, names, &size, &count), 0);
	for (i = 0; i < size; i++) {
		if (!names[i]) {
			names[i] = ' ';
			count--;
		}
	}
	TEST_ASSERT_EQ(count, 0);
	names[size] = '\0';
	return names;
}

TEST_F(rpci, changes_of_both_sides_in_their_order)
{
	u64 since = 0, first;

	EXPECT_STREQ(changes(self->vm, &since), "");
	EXPECT_EQ(since, 0);
	ASSERT_EQ(vmport_set_text(self->vm, "guestinfo.b", "1"), 0);
	EXPECT_RPC("info-set guestinfo.a 1", "1 ");
	ASSERT_EQ(vmport_set_text(self->vm, "c", "1"), 0);
	EXPECT_STREQ(changes(self->vm, &since), "guestinfo.b guestinfo.a c ");
	EXPECT_EQ(since, 3);
	first = since;
	EXPECT_STREQ(changes(self->vm, &since), "");

	EXPECT_RPC("info-set guestinfo.b 1", "1 ");
	EXPECT_RPC("info-set guestinfo.b 2", "1 ");
	EXPECT_RPC("info-get guestinfo.a", "1 1");
	EXPECT_RPC("info-set other 2", "0 Permission denied");
	EXPECT_STREQ(changes(self->vm, &since), "guestinfo.b ");
	since = first - 1;
	EXPECT_STREQ(changes(self->vm, &since), "c guestinfo.b ");

	/* Deleted: not listed, and nothing is missed for it. */
	ASSERT_EQ(vmport_set_text(self->vm, "d", "1"), 0);
	ASSERT_EQ(vmport_delete(self->vm, "c"), 0);
	EXPECT_STREQ(changes(self->vm, &since), "d ");
	since = 0;
	EXPECT_STREQ(changes(self->vm, &since), "guestinfo.a guestinfo.b d ");
}

TEST_F(rpci, changes_room_and_errors)
{
	char names[32];
	u32 size, count, i;
	u64 since;

	ASSERT_EQ(vmport_set_text(self->vm, "guestinfo.b", "1"), 0);
	ASSERT_EQ(vmport_set_text(self->vm, "a", "1"), 0);
	for (i = 0; i < 14; i++) {
		memset(names, 0xa5, sizeof(names));
		since = 0;
		size = i;
		EXPECT_EQ(vmport_changes(self->vm, &since, names, &size, &count), E2BIG);
		EXPECT_EQ(vmport_error, KVM_VMPORT_ERR_BUFFER);
		EXPECT_EQ(size, 14);
		EXPECT_EQ(count, 2);
		EXPECT_EQ(since, 2);
		EXPECT_EQ((u8)names[0], 0xa5);
	}
	since = 0;
	size = 14;
	EXPECT_EQ(vmport_changes(self->vm, &since, names, &size, &count), 0);
	EXPECT_EQ(memcmp(names, "guestinfo.b\0a", 14), 0);
	since = 0;
	EXPECT_EQ(vmport_changes(self->vm, &since, (void *)1, &size, &count), EFAULT);
	/* From another host, or made up. */
	since = 3;
	EXPECT_EQ(vmport_changes(self->vm, &since, names, &size, &count), EINVAL);
	EXPECT_EQ(vmport_error, KVM_VMPORT_ERR_POSITION);
}

TEST_F(rpci, changes_go_on_over_a_loaded_state)
{
	struct vmport_blob blob;
	u64 since = 0;
	int i;

	ASSERT_EQ(vmport_set_text(self->vm, "b", "1"), 0);
	ASSERT_EQ(vmport_set_text(self->vm, "a", "1"), 0);
	blob = vmport_save(self->vm);
	for (i = 0; i < 5; i++)
		ASSERT_EQ(vmport_set_text(self->vm, "c", "1"), 0);
	EXPECT_STREQ(changes(self->vm, &since), "b a c ");
	EXPECT_EQ(since, 7);
	ASSERT_EQ(vmport_load(self->vm, &blob), 0);
	EXPECT_STREQ(changes(self->vm, &since), "a b ");
	EXPECT_GT(since, 7);
	EXPECT_RPC("info-set guestinfo.x 1", "1 ");
	EXPECT_STREQ(changes(self->vm, &since), "guestinfo.x ");
	/* The numbers are the host's: the blob does not tell how many there were. */
	EXPECT_EQ(vmport_load(self->vm, &blob), 0);
	EXPECT_TRUE(vmport_state_is(self->vm, &blob));
	vmport_blob_free(&blob);
}

TEST_F(store, many_set_and_delete_in_one_step)
{
	struct kvm_vmport_guestinfo items[] = {
		vmport_item("b", "new"), vmport_item("a", NULL), vmport_item("c", "3"),
		vmport_item("empty", ""),
	};
	u32 index = 7;
	u64 since = 0;

	ASSERT_EQ(vmport_set_text(self->vm, "a", "1"), 0);
	ASSERT_EQ(vmport_set_text(self->vm, "b", "1"), 0);
	changes(self->vm, &since);
	items[2].flags = KVM_VMPORT_GUESTINFO_READONLY;
	EXPECT_EQ(vmport_set_many(self->vm, items, ARRAY_SIZE(items), &index), 0);
	EXPECT_EQ(vmport_error, KVM_VMPORT_ERR_NONE);
	/* Nothing that could fail is written after the change. */
	EXPECT_EQ(index, 0);
	EXPECT_EQ(vmport_get_text(self->vm, "a"), NULL);
	EXPECT_STREQ(vmport_get_text(self->vm, "b"), "new");
	EXPECT_STREQ(vmport_get_text(self->vm, "c"), "3");
	EXPECT_STREQ(vmport_get_text(self->vm, "empty"), "");
	EXPECT_STREQ(changes(self->vm, &since), "b c empty ");
	EXPECT_EQ(vmport_set_many(self->vm, NULL, 0, NULL), 0);
}

TEST_F(store, many_all_or_nothing)
{
	static const char space[] = "a b";
	struct kvm_vmport_guestinfo good[] = {
		vmport_item("b", "new"), vmport_item("a", NULL), vmport_item("c", "3"),
	};
	struct vmport_blob before;
	struct {
		struct kvm_vmport_guestinfo item;
		int r;
		u32 error;
	} bad[] = {
		{ vmport_item("b", "2"), EINVAL, KVM_VMPORT_ERR_ORDER },
		{ vmport_item("a", "2"), EINVAL, KVM_VMPORT_ERR_ORDER },
		{ vmport_item("none", NULL), ENOENT, KVM_VMPORT_ERR_NONE },
		{ vmport_item(space, "2"), EINVAL, KVM_VMPORT_ERR_KEY },
		{ vmport_item("", "2"), EINVAL, KVM_VMPORT_ERR_KEY },
		{ vmport_item("x", "2"), EINVAL, KVM_VMPORT_ERR_FLAGS },
		{ vmport_item("x", "2"), EINVAL, KVM_VMPORT_ERR_RESERVED },
		{ vmport_item("x", "2"), EFAULT, KVM_VMPORT_ERR_NONE },
		{ vmport_item("x", "2"), E2BIG, KVM_VMPORT_ERR_VALUE_SIZE },
		{ vmport_item("x", "2"), E2BIG, KVM_VMPORT_ERR_KEY_SIZE },
	};
	u32 index;
	int i;

	bad[5].item.flags = 1 << 4;
	bad[6].item.reserved[3] = 1;
	bad[7].item.value = 1;
	bad[8].item.value_size = KVM_VMPORT_MAX_VALUE + 1;
	bad[9].item.key_size = KVM_VMPORT_MAX_KEY + 1;
	ASSERT_EQ(vmport_set_text(self->vm, "a", "1"), 0);
	ASSERT_EQ(vmport_set_text(self->vm, "b", "1"), 0);
	before = vmport_save(self->vm);
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		good[2] = bad[i].item;
		EXPECT_EQ(vmport_set_many(self->vm, good, 3, &index), bad[i].r)
			TH_LOG("item %d", i);
		EXPECT_EQ(vmport_error, bad[i].error)
			TH_LOG("item %d", i);
		EXPECT_EQ(index, 2);
		EXPECT_TRUE(vmport_state_is(self->vm, &before));
	}
	EXPECT_EQ(vmport_set_many(self->vm, (void *)1, 3, &index), EFAULT);
	EXPECT_EQ(index, 0);
	vmport_blob_free(&before);
}

TEST_F(store, many_256_and_one_more)
{
	struct kvm_vmport_guestinfo *items = vmport_alloc(257 * sizeof(*items));
	char (*keys)[8] = vmport_alloc(257 * 8);
	u32 index, size = 0, count;
	int i;

	for (i = 0; i < 257; i++) {
		snprintf(keys[i], sizeof(keys[i]), "k%03d", i);
		items[i] = vmport_item(keys[i], keys[i]);
	}
	EXPECT_EQ(vmport_set_many(self->vm, items, 257, NULL), E2BIG);
	EXPECT_EQ(vmport_error, KVM_VMPORT_ERR_MANY);
	EXPECT_EQ(vmport_set_many(self->vm, items, ~0u, NULL), E2BIG);
	EXPECT_EQ(vmport_set_many(self->vm, items, 256, NULL), 0);
	EXPECT_STREQ(vmport_get_text(self->vm, "k255"), "k255");
	EXPECT_EQ(vmport_get_text(self->vm, "k256"), NULL);
	for (i = 0; i < 256; i++)
		items[i] = vmport_item(keys[i], NULL);
	EXPECT_EQ(vmport_set_many(self->vm, items, 256, &index), 0);
	EXPECT_EQ(vmport_list(self->vm, "", NULL, &size, &count), 0);
	EXPECT_EQ(count, 0);
	free(items);
	free(keys);
}

TEST_F(store, many_limits_on_the_final_state)
{
	struct kvm_vmport_guestinfo swap[] = { vmport_item("new", "123"), vmport_item("a", NULL) };
	struct kvm_vmport_guestinfo more[] = { vmport_item("b", "1"), vmport_item("c", "1") };
	const u32 max = KVM_VMPORT_MAX_VALUE;
	struct kvm_vmport_guestinfo large[17];
	char keys[17][4];
	struct kvm_vmport_limits limits;
	u8 *value = vmport_alloc(max);
	u32 index;
	int i;

	for (i = 0; i < 17; i++) {
		snprintf(keys[i], sizeof(keys[i]), "%02d", i);
		large[i] = vmport_item(keys[i], "");
		large[i].value = (unsigned long)value;
		large[i].value_size = max - 2;
	}
	/* One MiB in one step, and not a byte more. */
	EXPECT_EQ(vmport_set_many(self->vm, large, 17, &index), E2BIG);
	EXPECT_EQ(vmport_error, KVM_VMPORT_ERR_GUESTINFO_SIZE);
	EXPECT_EQ(vmport_set_many(self->vm, large, 16, &index), 0);
	large[0] = vmport_item("00", NULL);
	large[1] = large[16];
	EXPECT_EQ(vmport_set_many(self->vm, large, 2, &index), 0);
	large[2] = vmport_item("x", "");
	EXPECT_EQ(vmport_set_many(self->vm, &large[2], 1, &index), E2BIG);
	EXPECT_EQ(vmport_error, KVM_VMPORT_ERR_GUESTINFO_SIZE);
	EXPECT_EQ(index, 1);
	for (i = 0; i < 16; i++)
		EXPECT_EQ(vmport_delete(self->vm, keys[i + 1]), 0);

	ASSERT_EQ(vmport_set_text(self->vm, "a", "1"), 0);
	ASSERT_EQ(vmport_get_limits(self->vm, &limits), 0);
	limits.keys = 1;
	ASSERT_EQ(vmport_set_limits(self->vm, &limits), 0);
	EXPECT_EQ(vmport_set_many(self->vm, swap, 2, &index), 0);
	EXPECT_EQ(vmport_set_many(self->vm, more, 2, &index), E2BIG);
	EXPECT_EQ(vmport_error, KVM_VMPORT_ERR_KEY_COUNT);
	EXPECT_EQ(index, 2);
	EXPECT_STREQ(vmport_get_text(self->vm, "new"), "123");
	free(value);
}

/* A VMM that sets two keys to the same number, up and up. */
struct pairs {
	pthread_t thread;
	struct kvm_vm *vm;
	bool stop;
	unsigned int failures;
	unsigned int last;
};

static void *pairs_run(void *arg)
{
	struct pairs *pairs = arg;
	char value[16];

	while (!READ_ONCE(pairs->stop)) {
		struct kvm_vmport_guestinfo items[2];

		snprintf(value, sizeof(value), "%u", ++pairs->last);
		items[0] = vmport_item("guestinfo.first", value);
		items[1] = vmport_item("guestinfo.second", value);
		pairs->failures += !!vmport_set_many(pairs->vm, items, 2, NULL);
	}
	return NULL;
}

TEST_F(rpci, race_a_guest_sees_all_of_a_step_or_nothing)
{
	static const char * const names[] = {
		"info-get guestinfo.first", "info-get guestinfo.second",
	};
	struct pairs pairs = { .vm = self->vm };
	unsigned int first, second, different = 0, i;
	const char *reply;

	ASSERT_EQ(vmport_set_text(self->vm, "guestinfo.first", "0"), 0);
	ASSERT_EQ(vmport_set_text(self->vm, "guestinfo.second", "0"), 0);
	ASSERT_EQ(pthread_create(&pairs.thread, NULL, pairs_run, &pairs), 0);
	for (i = 0; i < 300; i++) {
		reply = vmport_rpc_text(&self->rpci, names[i % 2]);
		ASSERT_EQ(strncmp(reply, "1 ", 2), 0);
		first = atoi(reply + 2);
		reply = vmport_rpc_text(&self->rpci, names[!(i % 2)]);
		/* A key that is replaced is there at any time. */
		ASSERT_EQ(strncmp(reply, "1 ", 2), 0);
		second = atoi(reply + 2);
		ASSERT_GE(second, first);
		different += second != first;
	}
	WRITE_ONCE(pairs.stop, true);
	pthread_join(pairs.thread, NULL);
	EXPECT_EQ(pairs.failures, 0);
	TH_LOG("%u steps, %u seen between two reads", pairs.last, different);
	EXPECT_GT(pairs.last, 0);
}

/* A guest that sets keys, while its VMM asks what has changed. */
struct guest {
	pthread_t thread;
	struct vmport_channel rpci;
	bool done;
	unsigned int wrong;
};

#define GUEST_SETS	300
#define GUEST_KEYS	7

static void *guest_run(void *arg)
{
	struct guest *guest = arg;
	char text[64];
	int i;

	for (i = 0; i < GUEST_SETS; i++) {
		snprintf(text, sizeof(text), "info-set guestinfo.k%d %d", i % GUEST_KEYS, i);
		if (strcmp(vmport_rpc_text(&guest->rpci, text), "1 "))
			guest->wrong++;
	}
	__atomic_store_n(&guest->done, true, __ATOMIC_RELEASE);
	return NULL;
}

TEST_F(rpci, race_no_change_is_missed)
{
	struct guest guest = { .rpci = self->rpci };
	unsigned int listed = 0, known[GUEST_KEYS] = { }, i;
	char names[512], *name;
	u64 since = 0, last;
	u32 size, count;
	bool done;

	ASSERT_EQ(pthread_create(&guest.thread, NULL, guest_run, &guest), 0);
	do {
		done = __atomic_load_n(&guest.done, __ATOMIC_ACQUIRE);
		last = since;
		size = sizeof(names);
		ASSERT_EQ(vmport_changes(self->vm, &since, names, &size, &count), 0);
		ASSERT_GE(since, last);
		/* Something is listed if and only if something has changed. */
		ASSERT_EQ(!count, since == last);
		for (name = names; name < names + size; name += strlen(name) + 1) {
			ASSERT_EQ(strncmp(name, "guestinfo.k", 11), 0);
			i = atoi(name + 11);
			ASSERT_LT(i, GUEST_KEYS);
			known[i] = atoi(vmport_get_text(self->vm, name));
			listed++;
		}
	} while (!done);
	pthread_join(guest.thread, NULL);
	EXPECT_EQ(guest.wrong, 0);
	EXPECT_EQ(since, GUEST_SETS);
	TH_LOG("%u names listed of %u changes", listed, GUEST_SETS);
	for (i = 0; i < GUEST_KEYS; i++) {
		snprintf(names, sizeof(names), "guestinfo.k%u", i);
		EXPECT_EQ(known[i], atoi(vmport_get_text(self->vm, names)));
	}
}

int main(int argc, char *argv[])
{
	TEST_REQUIRE(kvm_has_cap(KVM_CAP_X86_VMPORT));

	return test_harness_run(argc, argv);
}
