/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A memory cgroup for the tests of what a guest can make its host hold.
 */
#ifndef SELFTEST_KVM_VMPORT_CGROUP_H
#define SELFTEST_KVM_VMPORT_CGROUP_H

#include <stdbool.h>

#include <linux/types.h>

#include "test_util.h"

#define VMPORT_CGROUPS		"/tmp/cgroup"
#define VMPORT_CGROUP		VMPORT_CGROUPS "/vmport"

/* One for this process and what it does from now on; false where that cannot be. */
bool vmport_enter_cgroup(void);
void vmport_leave_cgroup(void);
/* Of its files: a number, memory.max, how often something has happened. */
u64 vmport_cgroup_number(const char *name);
void vmport_cgroup_limit(u64 bytes);
u64 vmport_cgroup_event(const char *name);

#endif /* SELFTEST_KVM_VMPORT_CGROUP_H */
