// SPDX-License-Identifier: GPL-2.0-only
/*
 * The shims catch what they are there to catch: a test that relies on them is
 * worth nothing otherwise.
 */
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/crc32c.h>
#include <linux/mutex.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/vmalloc.h>

#include "guest.h"

/* Does it end in shim_bug()? */
static bool aborts(void (*body)(void))
{
	int status;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	CHECK(pid >= 0);
	if (!pid) {
		/* What it says is expected, and not for the terminal. */
		if (!freopen("/dev/null", "w", stdout))
			_exit(1);
		body();
		_exit(0);
	}
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}

static struct mutex first, second;
static raw_spinlock_t spinlock;

static void lock_twice(void)
{
	mutex_init(&first);
	mutex_lock(&first);
	mutex_lock(&first);
}

static void unlock_unlocked(void)
{
	mutex_init(&first);
	mutex_unlock(&first);
}

static void lock_uninitialised(void)
{
	mutex_lock(&first);
}

static void lock_both_ways(void)
{
	mutex_init(&first);
	mutex_init(&second);
	mutex_lock(&first);
	mutex_lock(&second);
	mutex_unlock(&second);
	mutex_unlock(&first);
	mutex_lock(&second);
	mutex_lock(&first);
}

static void destroy_locked(void)
{
	mutex_init(&first);
	mutex_lock(&first);
	mutex_destroy(&first);
}

TEST("shims: a mutex taken twice, not at all, in another order or destroyed while held aborts")
{
	CHECK(aborts(lock_twice));
	CHECK(aborts(unlock_unlocked));
	CHECK(aborts(lock_uninitialised));
	CHECK(aborts(lock_both_ways));
	CHECK(aborts(destroy_locked));
}

static void mutex_under_spinlock(void)
{
	mutex_init(&first);
	raw_spin_lock_init(&spinlock);
	raw_spin_lock(&spinlock);
	mutex_lock(&first);
}

static void alloc_under_spinlock(void)
{
	raw_spin_lock(&spinlock);
	kvmalloc(1, VMPORT_GFP);
}

static void free_under_spinlock(void)
{
	void *p = kvmalloc(1, VMPORT_GFP);

	raw_spin_lock(&spinlock);
	kvfree(p);
}

static void alloc_in_fast_path(void)
{
	shim_atomic_begin();
	kzalloc(1, VMPORT_GFP);
}

static void spin_twice(void)
{
	raw_spin_lock(&spinlock);
	raw_spin_lock(&spinlock);
}

static void spin_left(void)
{
	raw_spin_lock(&spinlock);
	shim_check_idle();
}

TEST("shims: sleeping under a raw spinlock or in the fast path, and a lock left held, aborts")
{
	CHECK(aborts(mutex_under_spinlock));
	CHECK(aborts(alloc_under_spinlock));
	CHECK(aborts(free_under_spinlock));
	CHECK(aborts(alloc_in_fast_path));
	CHECK(aborts(spin_twice));
	CHECK(aborts(spin_left));
}

static void kfree_of_kvmalloc(void)
{
	kfree(kvmalloc(1, VMPORT_GFP));
}

static void not_charged(void)
{
	kvmalloc(1, VMPORT_GFP & ~GFP_KERNEL_ACCOUNT);
}

static void warns(void)
{
	kvmalloc(1, VMPORT_GFP & ~__GFP_NOWARN);
}

TEST("shims: a wrong free, and memory not charged or worth a warning, abort")
{
	CHECK(aborts(kfree_of_kvmalloc));
	CHECK(aborts(not_charged));
	CHECK(aborts(warns));
}

TEST("shims: the Nth allocation fails, once, and bytes are counted as the kernel takes them")
{
	static const struct {
		size_t size;
		size_t taken;
	} sizes[] = {
		{ 0, 8 }, { 8, 8 }, { 9, 16 }, { 65, 96 }, { 96, 96 }, { 97, 128 },
		{ 129, 192 }, { 193, 256 }, { 8193, 16384 }, { 65536, 65536 }, { 65537, 131072 },
	};
	void *p, *q;
	unsigned int i;

	shim_fail_alloc(2);
	p = kvmalloc(10, VMPORT_GFP);
	q = kzalloc(20, VMPORT_GFP);
	CHECK(p);
	CHECK(!q);
	CHECK(shim_alloc_failed());
	q = kzalloc(20, VMPORT_GFP);
	CHECK(q);
	CHECK_EQ(shim_live_bytes(), 16 + 32);
	kvfree(p);
	kfree(q);
	CHECK_EQ(shim_live_bytes(), 0);
	CHECK_EQ(shim_peak_bytes(), 16 + 32);

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		p = kvmalloc(sizes[i].size, VMPORT_GFP);
		CHECK_EQ(shim_live_bytes(), sizes[i].taken);
		kvfree(p);
	}
	p = __vmalloc(65537, VMPORT_GFP);
	CHECK_EQ(shim_live_bytes(), 17 * 4096);
	kvfree(p);
}

TEST("shims: crc32c gives the published check value")
{
	CHECK_EQ((u32)~crc32c(~0u, "123456789", 9), 0xe3069283);
}
