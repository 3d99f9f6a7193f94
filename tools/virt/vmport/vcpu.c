// SPDX-License-Identifier: GPL-2.0-only
/* What the engine asks of whoever links it.  The fuzzers have their own. */
#include <stdlib.h>

#include "call.h"
#include "count.h"
#include "events.h"

/* Here are no vCPUs: nothing that reads or writes a blob asks for one. */

u64 vmport_vcpu_tsc_hz(void *vcpu)
{
	abort();
}

u32 vmport_vcpu_apic_hz(void *vcpu)
{
	abort();
}

bool vmport_vcpu_has_x2apic(void *vcpu)
{
	abort();
}

u32 vmport_vcpu_id(void *vcpu)
{
	abort();
}

bool vmport_vcpu_is_ring0(void *vcpu)
{
	abort();
}

u64 vmport_vcpu_waited(void *vcpu)
{
	abort();
}

bool vmport_vcpu_has_memory(void *vcpu, u64 address)
{
	abort();
}

void vmport_count(void *vcpu, enum vmport_count which, u64 n)
{
	abort();
}

/* Nobody looks at how much there is. */
void vmport_gauge_add(struct vmport_events *events, enum vmport_gauge which, s64 n)
{
}

/* Nobody waits to be told. */
void vmport_signal(struct vmport_events *events)
{
}
