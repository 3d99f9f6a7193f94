// SPDX-License-Identifier: GPL-2.0-only
/* The guestinfo store, from the VMM's side and by itself. */
#include <linux/slab.h>

#include "guest.h"

static char value[KVM_VMPORT_MAX_VALUE + 1];

CONVERSATION("the VMM sets, replaces, reads and deletes an entry")
{
	u32 size;

	CHECK(!host_get(vm, "guestinfo.k", NULL));
	CHECK_EQ(host_delete(vm, "guestinfo.k"), -ENOENT);
	host_set_text(vm, "guestinfo.k", "one");
	CHECK(!strcmp(host_get(vm, "guestinfo.k", &size), "one"));
	CHECK_EQ(size, 3);
	host_set_text(vm, "guestinfo.k", "two and more");
	CHECK(!strcmp(host_get(vm, "guestinfo.k", &size), "two and more"));
	host_set_text(vm, "guestinfo.k", "");
	CHECK(!strcmp(host_get(vm, "guestinfo.k", &size), ""));
	CHECK_EQ(size, 0);
	CHECK_EQ(vm->state->guestinfo.count, 1);
	CHECK_EQ(host_delete(vm, "guestinfo.k"), 0);
	CHECK(!host_get(vm, "guestinfo.k", NULL));
	CHECK_EQ(host_delete(vm, "guestinfo.k"), -ENOENT);
	CHECK_EQ(vm->state->guestinfo.count, 0);
	CHECK_EQ(vm->state->guestinfo.bytes, 0);
}

CONVERSATION("read-only: the VMM may change and delete the entry, and lift the flag")
{
	CHECK_EQ(host_set(vm, "guestinfo.k", "a", 1, KVM_VMPORT_GUESTINFO_READONLY, NULL), 0);
	CHECK(!strcmp(rpc(vm, "info-set guestinfo.k x"), "0 Permission denied"));
	CHECK_EQ(host_set(vm, "guestinfo.k", "b", 1, KVM_VMPORT_GUESTINFO_READONLY, NULL), 0);
	CHECK(!strcmp(rpc(vm, "info-set guestinfo.k x"), "0 Permission denied"));
	CHECK(!strcmp(rpc(vm, "info-get guestinfo.k"), "1 b"));
	CHECK_EQ(host_set(vm, "guestinfo.k", "c", 1, 0, NULL), 0);
	CHECK(!strcmp(rpc(vm, "info-set guestinfo.k x"), "1 "));
	CHECK_EQ(host_set(vm, "guestinfo.k", "b", 1, KVM_VMPORT_GUESTINFO_READONLY, NULL), 0);
	CHECK_EQ(host_delete(vm, "guestinfo.k"), 0);
	CHECK(!strcmp(rpc(vm, "info-set guestinfo.k x"), "1 "));
}

CONVERSATION("malformed keys: empty, with a space; too long is a limit of its own")
{
	u32 error;
	char key[KVM_VMPORT_MAX_KEY + 2];

	CHECK_EQ(host_set(vm, "", "v", 1, 0, &error), -EINVAL);
	CHECK_EQ(error, KVM_VMPORT_ERR_KEY);
	CHECK_EQ(host_set(vm, "a b", "v", 1, 0, &error), -EINVAL);
	CHECK_EQ(error, KVM_VMPORT_ERR_KEY);
	CHECK_EQ(host_set(vm, " ", "v", 1, 0, &error), -EINVAL);
	CHECK_EQ(error, KVM_VMPORT_ERR_KEY);

	memset(key, 'k', sizeof(key));
	key[257] = '\0';
	CHECK_EQ(host_set(vm, key, "v", 1, 0, &error), -E2BIG);
	CHECK_EQ(error, KVM_VMPORT_ERR_KEY_SIZE);
	key[256] = '\0';
	CHECK_EQ(host_set(vm, key, "v", 1, 0, &error), 0);
	CHECK_EQ(error, KVM_VMPORT_ERR_NONE);
	CHECK_EQ(vm->state->guestinfo.count, 1);
}

TEST("keys: each byte but space and NUL may stand in one")
{
	u8 key[3] = { 'a', 0, 'b' };
	int byte;

	for (byte = 0; byte < 256; byte++) {
		key[1] = byte;
		CHECK_EQ(vmport_guestinfo_key_ok(key, 3), byte != ' ' && byte != 0);
		CHECK_EQ(vmport_guestinfo_key_ok(key + 1, 1), byte != ' ' && byte != 0);
	}
	CHECK(!vmport_guestinfo_key_ok(key, 0));
}

TEST("limits: value_bytes, keys and guestinfo_bytes hold to the byte")
{
	struct vm *vm = vm_new(SLEEPING);
	u32 error;

	vm->config.limits.value_bytes = 100;
	CHECK_EQ(host_set(vm, "a", value, 101, 0, &error), -E2BIG);
	CHECK_EQ(error, KVM_VMPORT_ERR_VALUE_SIZE);
	CHECK_EQ(host_set(vm, "a", value, 100, 0, &error), 0);

	vm->config.limits.keys = 1;
	CHECK_EQ(host_set(vm, "b", value, 1, 0, &error), -E2BIG);
	CHECK_EQ(error, KVM_VMPORT_ERR_KEY_COUNT);
	CHECK_EQ(host_set(vm, "a", value, 50, 0, &error), 0);
	vm->config.limits.keys = 2;

	vm->config.limits.guestinfo_bytes = 51 + 10;
	CHECK_EQ(host_set(vm, "b", value, 10, 0, &error), -E2BIG);
	CHECK_EQ(error, KVM_VMPORT_ERR_GUESTINFO_SIZE);
	CHECK_EQ(host_set(vm, "b", value, 9, 0, &error), 0);
	CHECK_EQ(vm->state->guestinfo.bytes, 61);
	CHECK_EQ(host_set(vm, "a", value, 51, 0, &error), -E2BIG);
	CHECK_EQ(error, KVM_VMPORT_ERR_GUESTINFO_SIZE);
	vm_free(vm);
}

TEST("lowered limits take nothing away: entries stay readable, may shrink, may not grow")
{
	struct vm *vm = vm_new(SLEEPING);
	u32 error;

	CHECK_EQ(host_set(vm, "a", value, 1000, 0, NULL), 0);
	CHECK_EQ(host_set(vm, "b", value, 1000, 0, NULL), 0);
	vm->config.limits.guestinfo_bytes = 100;
	vm->config.limits.keys = 1;
	CHECK(host_get(vm, "a", NULL));
	CHECK_EQ(host_set(vm, "a", value, 1000, 0, &error), 0);
	CHECK_EQ(host_set(vm, "a", value, 999, 0, &error), 0);
	CHECK_EQ(host_set(vm, "a", value, 1000, 0, &error), -E2BIG);
	CHECK_EQ(error, KVM_VMPORT_ERR_GUESTINFO_SIZE);
	CHECK_EQ(host_set(vm, "c", value, 1, 0, &error), -E2BIG);
	CHECK_EQ(error, KVM_VMPORT_ERR_KEY_COUNT);
	CHECK_EQ(host_delete(vm, "a"), 0);
	CHECK_EQ(host_delete(vm, "b"), 0);
	CHECK_EQ(host_set(vm, "c", value, 99, 0, &error), 0);
	vm_free(vm);
}

TEST("4096 entries are found, listed in byte order, and the next is refused")
{
	struct vm *vm = vm_new(SLEEPING);
	struct vmport_entry **sorted;
	u32 error;
	char key[32], text[32];
	unsigned int i;

	for (i = 0; i < KVM_VMPORT_MAX_KEYS; i++) {
		snprintf(key, sizeof(key), "guestinfo.%u", i * 7919 % KVM_VMPORT_MAX_KEYS);
		host_set_text(vm, key, key + 10);
	}
	CHECK_EQ(host_set(vm, "guestinfo.x", "v", 1, 0, &error), -E2BIG);
	CHECK_EQ(error, KVM_VMPORT_ERR_KEY_COUNT);

	for (i = 0; i < KVM_VMPORT_MAX_KEYS; i++) {
		snprintf(key, sizeof(key), "guestinfo.%u", i);
		snprintf(text, sizeof(text), "%u", i);
		CHECK(!strcmp(host_get(vm, key, NULL), text));
	}

	mutex_lock(&vm->state->guestinfo.lock);
	sorted = vmport_guestinfo_sort(&vm->state->guestinfo, false);
	mutex_unlock(&vm->state->guestinfo.lock);
	for (i = 1; i < KVM_VMPORT_MAX_KEYS; i++) {
		u32 size = min(sorted[i]->key_size, sorted[i - 1]->key_size);
		int r = memcmp(sorted[i - 1]->data, sorted[i]->data, size);

		CHECK(r < 0 || (!r && sorted[i - 1]->key_size < sorted[i]->key_size));
	}
	kvfree(sorted);

	for (i = 0; i < KVM_VMPORT_MAX_KEYS; i += 2) {
		snprintf(key, sizeof(key), "guestinfo.%u", i);
		CHECK_EQ(host_delete(vm, key), 0);
	}
	for (i = 0; i < KVM_VMPORT_MAX_KEYS; i++) {
		snprintf(key, sizeof(key), "guestinfo.%u", i);
		CHECK_EQ(!!host_get(vm, key, NULL), i % 2);
	}
	CHECK_EQ(vm->state->guestinfo.count, KVM_VMPORT_MAX_KEYS / 2);
	vm_free(vm);
}

TEST("1 MiB in all: reached to the byte with 64 KiB values, the next byte refused")
{
	struct vm *vm = vm_new(SLEEPING);
	u32 error;
	char key[] = "guestinfo.a";
	u32 left = KVM_VMPORT_MAX_GUESTINFO;

	while (left > 11 + KVM_VMPORT_MAX_VALUE) {
		CHECK_EQ(host_set(vm, key, value, KVM_VMPORT_MAX_VALUE, 0, NULL), 0);
		left -= 11 + KVM_VMPORT_MAX_VALUE;
		key[10]++;
	}
	CHECK_EQ(host_set(vm, key, value, left - 11 + 1, 0, &error), -E2BIG);
	CHECK_EQ(error, KVM_VMPORT_ERR_GUESTINFO_SIZE);
	CHECK_EQ(host_set(vm, key, value, left - 11, 0, &error), 0);
	CHECK_EQ(vm->state->guestinfo.bytes, KVM_VMPORT_MAX_GUESTINFO);
	CHECK_EQ(host_set(vm, "b", value, 0, 0, &error), -E2BIG);
	CHECK(!strcmp(rpc(vm, "info-set guestinfo.B "), "0 No space left"));
	vm_free(vm);
}

TEST("a value past 64 KiB is refused, whatever the limits")
{
	struct vm *vm = vm_new(SLEEPING);
	u32 error;

	CHECK_EQ(host_set(vm, "a", value, KVM_VMPORT_MAX_VALUE + 1, 0, &error), -E2BIG);
	CHECK_EQ(error, KVM_VMPORT_ERR_VALUE_SIZE);
	CHECK_EQ(host_set(vm, "a", value, KVM_VMPORT_MAX_VALUE, 0, &error), 0);
	vm_free(vm);
}

TEST("keys that collide, in the bucket or in all of the hash, or are prefixes are told apart")
{
	static const u64 hash_bits[] = { U64_MAX, 3, 0 };
	char key[16] = "", other[16];
	unsigned int i, h;
	const char *found;
	struct vm *vm;

	for (h = 0; h < ARRAY_SIZE(hash_bits); h++) {
		tap_context("hash bits %#llx", hash_bits[h]);
		shim_hash_bits = hash_bits[h];
		vm = vm_new(SLEEPING);
		memset(key, 0, sizeof(key));
		for (i = 1; i < 15; i++) {
			memset(key, 'k', i);
			host_set_text(vm, key, key);
		}
		for (i = 0; i < 300; i++) {
			snprintf(key, sizeof(key), "%u", i);
			host_set_text(vm, key, key);
		}
		/* From the middle, the front and the end of chains. */
		for (i = 0; i < 300; i += 3) {
			snprintf(key, sizeof(key), "%u", i);
			CHECK_EQ(host_delete(vm, key), 0);
		}
		for (i = 0; i < 300; i++) {
			snprintf(key, sizeof(key), "%u", i);
			found = host_get(vm, key, NULL);
			CHECK_EQ(!!found, i % 3 != 0);
			CHECK(!found || !strcmp(found, key));
		}
		memset(key, 0, sizeof(key));
		for (i = 1; i < 15; i++) {
			memset(key, 'k', i);
			CHECK(!strcmp(host_get(vm, key, NULL), key));
		}
		/* As long, and the same but for the last byte. */
		strcpy(other, key);
		other[13] = 'l';
		CHECK(!host_get(vm, other, NULL));
		vm_free(vm);
	}
}

TEST("the hash is seeded: two VMs spread the same keys differently")
{
	struct vm *a = vm_new(SLEEPING), *b = vm_new(SLEEPING);

	CHECK(memcmp(&a->state->guestinfo.hash_key, &b->state->guestinfo.hash_key,
		     sizeof(siphash_key_t)));
	vm_free(a);
	vm_free(b);
}

TEST("a reader keeps what it found: replaced and deleted under it, the value stays")
{
	struct vm *vm = vm_new(SLEEPING);
	struct vmport_entry *entry;

	host_set_text(vm, "k", "old");
	entry = vmport_guestinfo_get(&vm->state->guestinfo, "k", 1);
	CHECK(entry);
	host_set_text(vm, "k", "new");
	CHECK(!memcmp(vmport_entry_value(entry), "old", 3));
	CHECK_EQ(host_delete(vm, "k"), 0);
	CHECK(!memcmp(vmport_entry_value(entry), "old", 3));
	CHECK(shim_live_bytes());
	vmport_guestinfo_put(entry);
	vm_free(vm);
}

TEST("what is replaced or deleted is freed at once, or with its last reader")
{
	struct vm *vm = vm_new(SLEEPING);
	struct vmport_entry *entry;
	size_t live, one;

	host_set_text(vm, "k", "v");
	one = shim_live_bytes();
	host_set_text(vm, "l", "v");
	live = shim_live_bytes();
	one = live - one;
	host_set_text(vm, "k", "w");
	CHECK_EQ(shim_live_bytes(), live);
	entry = vmport_guestinfo_get(&vm->state->guestinfo, "k", 1);
	host_set_text(vm, "k", "x");
	CHECK_EQ(shim_live_bytes(), live + one);
	vmport_guestinfo_put(entry);
	CHECK_EQ(shim_live_bytes(), live);
	CHECK_EQ(host_delete(vm, "k"), 0);
	CHECK_EQ(shim_live_bytes(), live - one);
	vm_free(vm);
}
