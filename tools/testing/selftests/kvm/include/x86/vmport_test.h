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

#endif /* SELFTEST_KVM_VMPORT_TEST_H */
