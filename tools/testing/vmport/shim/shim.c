// SPDX-License-Identifier: GPL-2.0-only
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <linux/atomic.h>
#include <linux/crc32c.h>
#include <linux/jiffies.h>
#include <linux/kernel.h>
#include <linux/log2.h>
#include <linux/math64.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/random.h>
#include <linux/sched.h>
#include <linux/siphash.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/string.h>
#include <linux/timekeeping.h>
#include <linux/tracepoint.h>
#include <linux/vmalloc.h>
#include <linux/xarray.h>

#include "shim.h"

#ifndef __has_feature
#define __has_feature(_feature)	0	/* clang's */
#endif

#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(_p, _size)	((void)(_p), (void)(_size))
#define ASAN_UNPOISON_MEMORY_REGION(_p, _size)	((void)(_p), (void)(_size))
#endif

void shim_bug(const char *fmt, ...)
{
	va_list args;

	fflush(stdout);
	va_start(args, fmt);
	printf("# BUG: ");
	vprintf(fmt, args);
	printf("\n");
	va_end(args);
	fflush(stdout);
	abort();
}

/* Context */

static unsigned int spinlocks, atomic_sections, mutexes;
static unsigned long rescheds;

static void might_sleep(const char *what)
{
	if (spinlocks || atomic_sections)
		shim_bug("%s() where sleeping is not allowed", what);
}

void cond_resched(void)
{
	might_sleep(__func__);
	rescheds++;
}

unsigned long shim_rescheds(void)
{
	return rescheds;
}

void shim_atomic_begin(void)
{
	if (mutexes)
		shim_bug("atomic, but a mutex is held");
	atomic_sections++;
}

void shim_atomic_end(void)
{
	atomic_sections--;
}

void shim_check_idle(void)
{
	if (spinlocks || atomic_sections || mutexes)
		shim_bug("%u spinlocks, %u atomic sections, %u mutexes left",
			 spinlocks, atomic_sections, mutexes);
}

/*
 * Memory: in front of every allocation stands its size, out of the engine's reach.  It
 * counts as what the kernel takes for it.
 */

enum alloc_kind {
	ALLOC_K = 0x6b6d616c,
	ALLOC_KV = 0x6b766d61,
};

struct alloc_header {
	size_t size;
	enum alloc_kind kind;
} __attribute__((aligned(16)));

static size_t live_bytes, peak_bytes;
static unsigned long allocs, fail_at;
static bool failed;

void (*shim_alloc_hook)(size_t size);

size_t shim_live_bytes(void)
{
	return live_bytes;
}

size_t shim_peak_bytes(void)
{
	return peak_bytes;
}

void shim_reset_peak(void)
{
	peak_bytes = live_bytes;
}

unsigned long shim_allocs(void)
{
	return allocs;
}

void shim_fail_alloc(unsigned long nth)
{
	fail_at = nth ? allocs + nth : 0;
	failed = false;
}

bool shim_alloc_failed(void)
{
	return failed;
}

/* Of kmalloc()'s caches the smallest that fits, or a power of two of pages. */
static size_t kmalloc_size(size_t size)
{
	if (size <= 8)
		return 8;
	if (size > 64 && size <= 96)
		return 96;
	if (size > 128 && size <= 192)
		return 192;
	return roundup_pow_of_two(size);
}

static void *alloc(size_t size, size_t taken, gfp_t flags, enum alloc_kind kind,
		   const char *what)
{
	struct alloc_header *header;

	might_sleep(what);
	if (flags != (GFP_KERNEL_ACCOUNT | __GFP_RETRY_MAYFAIL | __GFP_NOWARN))
		shim_bug("%s() with flags %u: not charged, or could kill or warn", what, flags);
	if (shim_alloc_hook)
		shim_alloc_hook(size);
	if (++allocs == fail_at) {
		failed = true;
		return NULL;
	}

	header = malloc(sizeof(*header) + size);
	if (!header)
		shim_bug("no memory");
	header->size = taken;
	header->kind = kind;
	live_bytes += taken;
	peak_bytes = max(peak_bytes, live_bytes);
	/* What the kernel leaves uninitialised is not zero. */
	memset(header + 1, 0xa5, size);
	ASAN_POISON_MEMORY_REGION(header, sizeof(*header));
	return header + 1;
}

static void release(const void *p, bool kv, const char *what)
{
	struct alloc_header *header;

	might_sleep(what);
	if (!p)
		return;

	header = (struct alloc_header *)p - 1;
	ASAN_UNPOISON_MEMORY_REGION(header, sizeof(*header));
	if (header->kind != ALLOC_K && (header->kind != ALLOC_KV || !kv))
		shim_bug("%s() of memory that is not its", what);
	live_bytes -= header->size;
	header->kind = 0;
	free(header);
}

void *kzalloc(size_t size, gfp_t flags)
{
	void *p = alloc(size, kmalloc_size(size), flags, ALLOC_K, __func__);

	return p ? memset(p, 0, size) : NULL;
}

void kfree(const void *p)
{
	release(p, false, __func__);
}

/* kmalloc() is tried first, and takes most. */
void *kvmalloc(size_t size, gfp_t flags)
{
	return alloc(size, kmalloc_size(size), flags, ALLOC_KV, __func__);
}

void *kvmalloc_array(size_t n, size_t size, gfp_t flags)
{
	return kvmalloc(n * size, flags);
}

void *kvcalloc(size_t n, size_t size, gfp_t flags)
{
	void *p = kvmalloc(n * size, flags);

	return p ? memset(p, 0, n * size) : NULL;
}

void *__vmalloc(size_t size, gfp_t flags)
{
	return alloc(size, PAGE_ALIGN(size), flags, ALLOC_KV, __func__);
}

void kvfree(const void *p)
{
	release(p, true, __func__);
}

/* Locks.  The order in which two kinds are once taken is the order for ever. */

#define MAX_CLASSES	16

static const char *classes[MAX_CLASSES];
static bool after[MAX_CLASSES][MAX_CLASSES];	/* [x][y]: y was taken under x */
static unsigned int held_classes[MAX_CLASSES];

static unsigned int lock_class(const char *name)
{
	unsigned int i;

	for (i = 0; i < MAX_CLASSES; i++) {
		if (!classes[i])
			classes[i] = name;
		if (!strcmp(classes[i], name))
			return i;
	}
	shim_bug("more than %u kinds of mutexes", MAX_CLASSES);
}

void shim_mutex_init(struct mutex *lock, const char *name)
{
	lock->name = name;
	lock->held = false;
}

void mutex_destroy(struct mutex *lock)
{
	if (lock->held)
		shim_bug("mutex_destroy() of %s, which is held", lock->name);
	lock->name = NULL;
}

void (*shim_mutex_hook)(struct mutex *lock);

static void take_mutex(struct mutex *lock, bool may_have_others)
{
	unsigned int class, i;

	might_sleep("mutex_lock");
	if (shim_mutex_hook)
		shim_mutex_hook(lock);
	if (!lock->name)
		shim_bug("mutex_lock() before mutex_init() or after mutex_destroy()");
	if (lock->held)
		shim_bug("deadlock: %s is held already", lock->name);

	class = lock_class(lock->name);
	for (i = 0; i < MAX_CLASSES; i++) {
		if (!held_classes[i])
			continue;
		if (i == class && may_have_others)
			continue;
		if (i == class || after[class][i])
			shim_bug("%s under %s: the wrong way round", lock->name, classes[i]);
		after[i][class] = true;
	}
	held_classes[class]++;
	lock->held = true;
	mutexes++;
}

void mutex_lock(struct mutex *lock)
{
	take_mutex(lock, false);
}

void mutex_lock_nest_lock(struct mutex *lock, struct mutex *outer)
{
	if (!outer->held)
		shim_bug("mutex_lock_nest_lock() of %s without %s", lock->name, outer->name);
	take_mutex(lock, true);
}

void mutex_unlock(struct mutex *lock)
{
	might_sleep(__func__);
	if (!lock->held)
		shim_bug("mutex_unlock() of %s, which is not held", lock->name);
	held_classes[lock_class(lock->name)]--;
	lock->held = false;
	mutexes--;
}

void raw_spin_lock_init(raw_spinlock_t *lock)
{
	lock->held = false;
}

void raw_spin_lock(raw_spinlock_t *lock)
{
	if (lock->held)
		shim_bug("deadlock: a raw spinlock is held already");
	lock->held = true;
	spinlocks++;
}

void raw_spin_unlock(raw_spinlock_t *lock)
{
	if (!lock->held)
		shim_bug("raw_spin_unlock() of a lock that is not held");
	lock->held = false;
	spinlocks--;
}

/* The rest */

void (*shim_cmpxchg_hook)(atomic64_t *v);

/* Never twice the same, unless it is held. */
static u64 jiffies = 4294667296ull;
static bool jiffies_held;

void shim_hold_jiffies(bool hold)
{
	jiffies_held = hold;
}

void shim_add_jiffies(u64 add)
{
	jiffies += add;
}

u64 get_jiffies_64(void)
{
	if (!jiffies_held)
		jiffies++;
	return jiffies;
}

static u64 random_state = 1;
void (*shim_random_hook)(void *buf, size_t len);

void shim_random_seed(u64 seed)
{
	random_state = seed * 2 + 1;
}

/* SplitMix64's step. */
static u64 mix(u64 *state)
{
	u64 z = *state += 0x9e3779b97f4a7c15ull;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
	return z ^ (z >> 31);
}

void get_random_bytes(void *buf, size_t len)
{
	u8 *bytes = buf;

	if (shim_random_hook) {
		shim_random_hook(buf, len);
		return;
	}
	while (len--)
		*bytes++ = mix(&random_state);
}

u64 shim_hash_bits = U64_MAX;

u64 siphash(const void *data, size_t len, const siphash_key_t *key)
{
	u64 hash = key->key[0] ^ len;
	const u8 *bytes = data;

	while (len--) {
		hash ^= *bytes++;
		hash = mix(&hash);
	}
	hash ^= key->key[1];
	return mix(&hash) & shim_hash_bits;
}

u32 crc32c(u32 crc, const void *address, unsigned int length)
{
	static u32 table[256];
	const u8 *bytes = address;
	unsigned int i, bit;

	for (i = 0; !table[255] && i < 256; i++) {
		table[i] = i;
		for (bit = 0; bit < 8; bit++)
			table[i] = table[i] >> 1 ^ (table[i] & 1 ? 0x82f63b78 : 0);
	}
	while (length--)
		crc = crc >> 8 ^ table[(crc ^ *bytes++) & 0xff];
	return crc;
}

void *memchr_inv(const void *start, int c, size_t bytes)
{
	const u8 *p = start;

	for (; bytes; bytes--, p++) {
		if (*p != (u8)c)
			return (void *)p;
	}
	return NULL;
}

static struct timespec64 now = { .tv_sec = 1700000000, .tv_nsec = 123456789 };

void shim_set_time(s64 seconds, long nanoseconds)
{
	now = (struct timespec64){ .tv_sec = seconds, .tv_nsec = nanoseconds };
}

void ktime_get_real_ts64(struct timespec64 *ts)
{
	*ts = now;
}

u64 ktime_get_real_ns(void)
{
	return now.tv_sec * 1000000000ull + now.tv_nsec;
}

u64 mul_u64_u32_div(u64 a, u32 mul, u32 divisor)
{
	unsigned __int128 quotient = (unsigned __int128)a * mul / divisor;

	if (quotient >> 64)
		shim_bug("%llu * %u / %u does not fit", a, mul, divisor);
	return quotient;
}

/* Arrays of pointers */

void xa_init_flags(struct xarray *xa, gfp_t flags)
{
	if (flags != XA_FLAGS_ACCOUNT)
		shim_bug("xa_init_flags() with flags %u: not charged", flags);
	*xa = (struct xarray){ };
}

void *xa_load(struct xarray *xa, unsigned long index)
{
	unsigned long found = index;
	void *entry = xa_find(xa, &found);

	return found == index ? entry : NULL;
}

void *xa_store(struct xarray *xa, unsigned long index, void *entry, gfp_t gfp)
{
	struct xarray_item *items;
	unsigned long i;

	if (!entry || xa_load(xa, index))
		shim_bug("xa_store() of what this has not");
	items = kvmalloc_array(xa->count + 1, sizeof(*items), gfp);
	if (!items)
		return ERR_PTR(-ENOMEM);

	for (i = 0; i < xa->count && xa->items[i].index < index; i++)
		items[i] = xa->items[i];
	items[i] = (struct xarray_item){ .index = index, .entry = entry };
	for (; i < xa->count; i++)
		items[i + 1] = xa->items[i];
	kvfree(xa->items);
	xa->items = items;
	xa->count++;
	return NULL;
}

void xa_destroy(struct xarray *xa)
{
	kvfree(xa->items);
	*xa = (struct xarray){ };
}

void *xa_find(struct xarray *xa, unsigned long *index)
{
	unsigned long i;

	for (i = 0; i < xa->count; i++) {
		if (xa->items[i].index >= *index) {
			*index = xa->items[i].index;
			return xa->items[i].entry;
		}
	}
	return NULL;
}

void (*shim_trace_hook)(const char *event, const char *text);

void shim_trace(const char *event, const char *fmt, ...)
{
	char text[1024];
	va_list args;

	if (strchr(fmt, '"'))
		shim_bug("perf and trace-cmd cannot parse the format of %s", event);
	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	shim_trace_hook(event, text);
}

const char *shim_show_symbol(unsigned long value, const struct shim_symbol *symbols, size_t count)
{
	static char numbers[4][24];
	static unsigned int n;

	while (count--) {
		if (symbols[count].value == value)
			return symbols[count].name;
	}
	n = (n + 1) % ARRAY_SIZE(numbers);
	snprintf(numbers[n], sizeof(numbers[n]), "0x%lx", value);
	return numbers[n];
}
