/* SPDX-License-Identifier: GPL-2.0-only */
#if !defined(_TRACE_KVM_VMPORT_H) || defined(TRACE_HEADER_MULTI_READ)
#define _TRACE_KVM_VMPORT_H

#include <linux/tracepoint.h>

#undef TRACE_SYSTEM
#define TRACE_SYSTEM kvm

/* A call on the port, with the registers that say what it asks. */
TRACE_EVENT(kvm_vmport_call,
	TP_PROTO(unsigned int vcpu_id, u32 bx, u32 cx, u32 dx),
	TP_ARGS(vcpu_id, bx, cx, dx),

	TP_STRUCT__entry(
		__field(unsigned int,	vcpu_id)
		__field(u32,		bx)
		__field(u16,		command)
		__field(u16,		request)
		__field(u16,		channel)
	),

	TP_fast_assign(
		__entry->vcpu_id = vcpu_id;
		__entry->bx = bx;
		__entry->command = cx;
		__entry->request = cx >> 16;
		__entry->channel = dx >> 16;
	),

	TP_printk("vcpu %u command %u request %u channel %u ebx 0x%x",
		  __entry->vcpu_id, __entry->command, __entry->request,
		  __entry->channel, __entry->bx)
);

/* What became of it: answered here, or the VMM's. */
TRACE_EVENT(kvm_vmport_result,
	TP_PROTO(unsigned int vcpu_id, bool answered, u32 ax, u32 bx, u32 cx),
	TP_ARGS(vcpu_id, answered, ax, bx, cx),

	TP_STRUCT__entry(
		__field(unsigned int,	vcpu_id)
		__field(bool,		answered)
		__field(u32,		ax)
		__field(u32,		bx)
		__field(u16,		status)
	),

	TP_fast_assign(
		__entry->vcpu_id = vcpu_id;
		__entry->answered = answered;
		__entry->ax = ax;
		__entry->bx = bx;
		__entry->status = cx >> 16;
	),

	TP_printk("vcpu %u %s status 0x%x eax 0x%x ebx 0x%x",
		  __entry->vcpu_id, __entry->answered ? "answered" : "left to the VMM",
		  __entry->status, __entry->ax, __entry->bx)
);

/* Bytes of a message that one string instruction has moved. */
TRACE_EVENT(kvm_vmport_hb,
	TP_PROTO(unsigned int vcpu_id, bool in, u32 dx, u64 left, u32 moved, bool success),
	TP_ARGS(vcpu_id, in, dx, left, moved, success),

	TP_STRUCT__entry(
		__field(unsigned int,	vcpu_id)
		__field(bool,		in)
		__field(bool,		success)
		__field(u16,		channel)
		__field(u64,		left)
		__field(u32,		moved)
	),

	TP_fast_assign(
		__entry->vcpu_id = vcpu_id;
		__entry->in = in;
		__entry->success = success;
		__entry->channel = dx >> 16;
		__entry->left = left;
		__entry->moved = moved;
	),

	TP_printk("vcpu %u %s channel %u: %u of %llu bytes, %s", __entry->vcpu_id,
		  __entry->in ? "receive" : "send", __entry->channel, __entry->moved,
		  __entry->left, __entry->success ? "success" : "failure")
);

#endif /* _TRACE_KVM_VMPORT_H */

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH ../../arch/x86/kvm/vmport
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE vmport_trace

/* This part must be outside protection */
#include <trace/define_trace.h>
