// SPDX-License-Identifier: GPL-2.0-only
/*
 * The commands of the VMware guest interface: one table, one small function
 * each.  Register use as open-vm-tools (lib/include/backdoor_def.h) and Linux
 * (arch/x86/include/asm/vmware.h, arch/x86/kernel/cpu/vmware.c,
 * drivers/ptp/ptp_vmw.c) expect it.
 */
#include <linux/align.h>
#include <linux/kernel.h>
#include <linux/ktime.h>
#include <linux/math64.h>
#include <linux/nospec.h>
#include <linux/string.h>
#include <linux/timekeeping.h>

#include "command.h"
#include "message.h"
#include "state.h"
#include "steal.h"

struct vmport_command {
	enum vmport_result (*handler)(struct vmport_call *call);
	u64 feature;		/* owned by the kernel when this is enabled */
	/* and when this, if there is one, says that there is an answer to this call */
	bool (*has_answer)(const struct vmport_call *call);
};

static enum vmport_result vmport_cmd_getmhz(struct vmport_call *call)
{
	call->regs.ax = div_u64(vmport_tsc_hz(call), 1000000);
	return VMPORT_DONE;
}

static enum vmport_result vmport_cmd_getversion(struct vmport_call *call)
{
	call->regs.ax = call->config->identity.version;
	call->regs.bx = VMPORT_MAGIC;
	call->regs.cx = call->config->identity.product_type;
	return VMPORT_DONE;
}

static enum vmport_result vmport_cmd_gethwversion(struct vmport_call *call)
{
	call->regs.ax = call->config->identity.hw_version;
	return VMPORT_DONE;
}

static bool vmport_has_uuid(const struct vmport_call *call)
{
	const struct kvm_vmport_identity *identity = &call->config->identity;

	return memchr_inv(identity->uuid, 0, sizeof(identity->uuid));
}

static enum vmport_result vmport_cmd_getuuid(struct vmport_call *call)
{
	__le32 word[4];

	static_assert(sizeof(word) == sizeof(call->config->identity.uuid));

	memcpy(word, call->config->identity.uuid, sizeof(word));
	call->regs.ax = le32_to_cpu(word[0]);
	call->regs.bx = le32_to_cpu(word[1]);
	call->regs.cx = le32_to_cpu(word[2]);
	call->regs.dx = le32_to_cpu(word[3]);
	return VMPORT_DONE;
}

static bool vmport_has_memory_size(const struct vmport_call *call)
{
	return call->config->identity.memory_mib;
}

static enum vmport_result vmport_cmd_getmemsize(struct vmport_call *call)
{
	/* All ones say that there is no such command. */
	call->regs.ax = min_t(u64, call->config->identity.memory_mib, U32_MAX - 1);
	return VMPORT_DONE;
}

/* Microseconds in EBX and the lag in ECX are the same in all three. */
static u64 vmport_host_time(struct vmport_call *call)
{
	struct timespec64 now;

	ktime_get_real_ts64(&now);
	call->regs.bx = (u32)now.tv_nsec / 1000;
	call->regs.cx = call->config->identity.max_time_lag_us;
	return now.tv_sec;
}

static enum vmport_result vmport_cmd_gettime(struct vmport_call *call)
{
	call->regs.ax = vmport_host_time(call);
	return VMPORT_DONE;
}

/* EAX keeps the magic: that is how the guest knows of success. */
static enum vmport_result vmport_cmd_gettimefull(struct vmport_call *call)
{
	u64 seconds = vmport_host_time(call);

	call->regs.si = upper_32_bits(seconds);
	call->regs.dx = lower_32_bits(seconds);
	return VMPORT_DONE;
}

static enum vmport_result vmport_cmd_gettimefull_with_lag(struct vmport_call *call)
{
	/* KVM's timers catch up at once: the guest's time never lags behind. */
	call->regs.di = 0;
	return vmport_cmd_gettimefull(call);
}

/*
 * The guest has stepped its clock, so that timer interrupts which it missed need not
 * be made up for.  KVM's timers have none in hand.  No register has a result.
 */
static enum vmport_result vmport_cmd_stopcatchup(struct vmport_call *call)
{
	return VMPORT_DONE;
}

#define PRECISIONCLOCK_GETTIME	0

/* The other sub-commands set the clock and its rate: a matter of the VMM's. */
static bool vmport_is_precisionclock_gettime(const struct vmport_call *call)
{
	return call->regs.cx >> 16 == PRECISIONCLOCK_GETTIME;
}

/* EAX is 0 for success. */
static enum vmport_result vmport_cmd_precisionclock(struct vmport_call *call)
{
	u64 ns = ktime_get_real_ns();

	call->regs.ax = 0;
	call->regs.bx = upper_32_bits(ns);
	call->regs.cx = lower_32_bits(ns);
	return VMPORT_DONE;
}

static enum vmport_result vmport_cmd_gethz(struct vmport_call *call)
{
	u64 apic_hz = call->config->identity.apic_hz ?: vmport_vcpu_apic_hz(call->vcpu);
	u64 hz = vmport_tsc_hz(call);

	call->regs.ax = lower_32_bits(hz);
	call->regs.bx = upper_32_bits(hz);
	call->regs.cx = min_t(u64, apic_hz, U32_MAX);
	return VMPORT_DONE;
}

static enum vmport_result vmport_cmd_get_vcpu_info(struct vmport_call *call)
{
	u32 info = call->config->identity.vcpu_info;

	if (!vmport_vcpu_has_x2apic(call->vcpu))
		info &= ~KVM_VMPORT_VCPU_INFO_LEGACY_X2APIC;

	call->regs.ax = info;
	return VMPORT_DONE;
}

/* STEALCLOCK, EAX of the answer: whether the clock runs. */
#define STEALCLOCK_DISABLED	0
#define STEALCLOCK_ENABLED	1

/* Who may not make the call learns nothing, not even that there is such a command. */
static bool vmport_may_use_stealclock(const struct vmport_call *call)
{
	/* Linux has 0 in both.  What else there may be is not known. */
	return !(call->regs.cx >> 16) && !call->regs.bx && vmport_vcpu_is_ring0(call->vcpu);
}

/*
 * The address stands in ESI:EDI; an odd one is Linux's way to say none.  What is no address
 * of a clock stops the clock, and the guest is told that it stands.
 */
static enum vmport_result vmport_cmd_stealclock(struct vmport_call *call)
{
	u64 address = (u64)call->regs.si << 32 | call->regs.di;
	struct xarray *steals = &call->state->steals;
	u32 id = vmport_vcpu_id(call->vcpu);
	bool on;

	if (call->atomic)
		return VMPORT_NEEDS_SLEEP;

	on = IS_ALIGNED(address, VMPORT_STEAL_SIZE) && id < KVM_VMPORT_MAX_VCPU_ID &&
	     vmport_vcpu_has_memory(call->vcpu, address) &&
	     !vmport_steal_set(steals, id, address, vmport_vcpu_waited(call->vcpu));
	/* To stop it takes no memory, so that this cannot fail. */
	if (!on)
		vmport_steal_set(steals, id, VMPORT_STEAL_OFF, 0);

	call->regs.ax = on ? STEALCLOCK_ENABLED : STEALCLOCK_DISABLED;
	return VMPORT_DONE;
}

#define COMMAND_IF(_name, _handler, _feature, _has_answer)	\
	[VMPORT_CMD_##_name] = {				\
		.handler = _handler,				\
		.feature = KVM_VMPORT_FEATURE_##_feature,	\
		.has_answer = _has_answer,			\
	}
#define COMMAND(_name, _handler, _feature)			\
	COMMAND_IF(_name, _handler, _feature, NULL)

static const struct vmport_command vmport_commands[] = {
	COMMAND(GETMHZ,			vmport_cmd_getmhz,			ENABLE),
	COMMAND(GETVERSION,		vmport_cmd_getversion,			ENABLE),
	COMMAND(GETHWVERSION,		vmport_cmd_gethwversion,		ENABLE),
	COMMAND_IF(GETUUID,		vmport_cmd_getuuid,			ENABLE,
		   vmport_has_uuid),
	COMMAND_IF(GETMEMSIZE,		vmport_cmd_getmemsize,			ENABLE,
		   vmport_has_memory_size),
	COMMAND(GETTIME,		vmport_cmd_gettime,			ENABLE),
	COMMAND(STOPCATCHUP,		vmport_cmd_stopcatchup,			ENABLE),
	COMMAND(MESSAGE,		vmport_message,				RPC),
	COMMAND(GETHZ,			vmport_cmd_gethz,			ENABLE),
	COMMAND(GETTIMEFULL,		vmport_cmd_gettimefull,			ENABLE),
	COMMAND(GETTIMEFULL_WITH_LAG,	vmport_cmd_gettimefull_with_lag,	ENABLE),
	COMMAND(GET_VCPU_INFO,		vmport_cmd_get_vcpu_info,		ENABLE),
	COMMAND_IF(STEALCLOCK,		vmport_cmd_stealclock,			STEALCLOCK,
		   vmport_may_use_stealclock),
	COMMAND_IF(PRECISIONCLOCK,	vmport_cmd_precisionclock,		ENABLE,
		   vmport_is_precisionclock_gettime),
};

/* The command of @call, NULL when it is not the kernel's. */
static const struct vmport_command *vmport_find_command(const struct vmport_call *call)
{
	u16 nr = call->regs.cx;
	const struct vmport_command *command;

	if (call->regs.ax != VMPORT_MAGIC || nr >= ARRAY_SIZE(vmport_commands))
		return NULL;

	nr = array_index_nospec(nr, ARRAY_SIZE(vmport_commands));
	command = &vmport_commands[nr];
	if (!command->handler || !vmport_has_feature(call->config, command->feature))
		return NULL;
	if (command->has_answer && !command->has_answer(call))
		return NULL;

	return command;
}

/*
 * Does the kernel own the command of a call?
 * @call: magic in EAX, command in ECX bits 0..15
 *
 * Returns false where vmport_command() would return VMPORT_NOT_OURS.  In any context.
 */
bool vmport_command_is_ours(const struct vmport_call *call)
{
	return vmport_find_command(call);
}

/*
 * Answer one call.
 * @call: magic in EAX, command in ECX bits 0..15
 *
 * See enum vmport_result; the registers change with VMPORT_DONE only.  In any context when
 * @call->atomic, else may sleep.
 */
enum vmport_result vmport_command(struct vmport_call *call)
{
	const struct vmport_command *command = vmport_find_command(call);

	return command ? command->handler(call) : VMPORT_NOT_OURS;
}

const struct kvm_vmport_limits vmport_max_limits = {
	.channels	 = KVM_VMPORT_MAX_CHANNELS,
	.keys		 = KVM_VMPORT_MAX_KEYS,
	.value_bytes	 = KVM_VMPORT_MAX_VALUE,
	.guestinfo_bytes = KVM_VMPORT_MAX_GUESTINFO,
};

/*
 * What a VM answers until its VMM says otherwise.
 * @features: KVM_VMPORT_FEATURE_*
 */
void vmport_default_config(struct vmport_config *config, u64 features)
{
	*config = (struct vmport_config) {
		.features = features,
		.identity = {
			.version	 = 6,	/* the only one that guests accept */
			.product_type	 = 2,	/* ESX */
			.hw_version	 = 17,	/* ESXi 7.0's */
			.vcpu_info	 = KVM_VMPORT_VCPU_INFO_LEGACY_X2APIC,
			.max_time_lag_us = 1000000,
		},
		.limits = vmport_max_limits,
	};
}
