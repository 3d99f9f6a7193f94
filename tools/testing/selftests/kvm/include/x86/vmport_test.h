/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The harness of the tests of KVM's VMware guest interface, and the time that they need.
 */
#ifndef SELFTEST_KVM_VMPORT_TEST_H
#define SELFTEST_KVM_VMPORT_TEST_H

#include "kvm_test_harness.h"
#include "vmport.h"

/* Emulated processors are slow, and some tests make tens of thousands of calls. */
#undef TEST_TIMEOUT_DEFAULT
#define TEST_TIMEOUT_DEFAULT		280

/*
 * In a test whose fixture has @vm and, as @old, its state: that blob is refused with this
 * errno and this error, and nothing has changed.
 */
#define EXPECT_REFUSED(_blob, _errno, _error)						\
do {											\
	const struct vmport_blob *__refused = (_blob);					\
											\
	EXPECT_EQ(vmport_load(self->vm, __refused), _errno);				\
	EXPECT_EQ(vmport_error, _error);						\
	EXPECT_LE(vmport_error_offset, __refused->size);				\
	EXPECT_TRUE(vmport_state_is(self->vm, &self->old));				\
} while (0)

#endif /* SELFTEST_KVM_VMPORT_TEST_H */
