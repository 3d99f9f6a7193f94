/* SPDX-License-Identifier: GPL-2.0-only */
#if !defined(_TRACE_KVM_VMPORT_H) || defined(TRACE_HEADER_MULTI_READ)
#define _TRACE_KVM_VMPORT_H

#include <linux/tracepoint.h>

#include "ask.h"
#include "call.h"
#include "channel.h"
#include "guestinfo.h"
#include "message.h"
#include "tclo.h"
#include "text.h"

#undef TRACE_SYSTEM
#define TRACE_SYSTEM kvm

/*
 * Bytes of text in an event.  All text of the guest goes through vmport_text_copy(): its
 * length is bounded, and nothing in it can be taken for another field or line.  A double
 * quotation mark in a format would end it for user space's parsers.
 */
#define VMPORT_TRACE_WORD	32
#define VMPORT_TRACE_KEY	128
#define VMPORT_TRACE_DATA	65

/*
 * The command, with the request if it is MESSAGE: only then has the high half of ECX one.
 * Numbers rather than names of constants: this is the protocol's, and some are the VMM's.
 */
#define vmport_traced_what(_cx)	((u16)(_cx) == 30 ? (_cx) : (u16)(_cx))

#define vmport_show_what(_what)						\
	__print_symbolic(_what,						\
		{ 1, "GETMHZ" }, { 10, "GETVERSION" },			\
		{ 17, "GETHWVERSION" }, { 19, "GETUUID" },		\
		{ 20, "GETMEMSIZE" }, { 23, "GETTIME" },		\
		{ 24, "STOPCATCHUP" },					\
		{ 0x0001e, "MESSAGE OPEN" },				\
		{ 0x1001e, "MESSAGE SENDSIZE" },			\
		{ 0x2001e, "MESSAGE SENDPAYLOAD" },			\
		{ 0x3001e, "MESSAGE RECVSIZE" },			\
		{ 0x4001e, "MESSAGE RECVPAYLOAD" },			\
		{ 0x5001e, "MESSAGE RECVSTATUS" },			\
		{ 0x6001e, "MESSAGE CLOSE" },				\
		{ 39, "ABSPOINTER_DATA" }, { 40, "ABSPOINTER_STATUS" },	\
		{ 41, "ABSPOINTER_COMMAND" },				\
		{ 45, "GETHZ" }, { 46, "GETTIMEFULL" },			\
		{ 55, "GETTIMEFULL_WITH_LAG" }, { 68, "GET_VCPU_INFO" }, \
		{ 91, "STEALCLOCK" }, { 97, "PRECISIONCLOCK" })

/* Of MESSAGE; others have none. */
#define VMPORT_TRACE_NO_STATUS	0xffff

#define vmport_show_status(_status)					\
	__print_symbolic(_status,					\
		{ 0x00, "FAIL" }, { 0x01, "SUCCESS" },			\
		{ 0x03, "SUCCESS|DORECV" }, { 0x81, "SUCCESS|HB" },	\
		{ 0x83, "SUCCESS|DORECV|HB" }, { 0xffff, "-" })

/* A call on the port: registers, which may hold bytes of a message or a cookie. */
TRACE_EVENT(kvm_vmport_call,
	TP_PROTO(unsigned int vcpu_id, const struct vmport_regs *regs, bool fast),
	TP_ARGS(vcpu_id, regs, fast),

	TP_STRUCT__entry(
		__field(unsigned int,	vcpu_id)
		__field(u32,		what)
		__field(u16,		command)
		__field(u16,		request)
		__field(u16,		channel)
		__field(bool,		fast)
		__field(u32,		bx)
		__field(u32,		si)
		__field(u32,		di)
	),

	TP_fast_assign(
		__entry->vcpu_id = vcpu_id;
		__entry->what = vmport_traced_what(regs->cx);
		__entry->command = regs->cx;
		__entry->request = regs->cx >> 16;
		__entry->channel = regs->dx >> 16;
		__entry->fast = fast;
		__entry->bx = regs->bx;
		__entry->si = regs->si;
		__entry->di = regs->di;
	),

	TP_printk("vcpu %u %s channel %u ebx 0x%x esi 0x%x edi 0x%x%s",
		  __entry->vcpu_id, vmport_show_what(__entry->what), __entry->channel,
		  __entry->bx, __entry->si, __entry->di, __entry->fast ? " fast" : "")
);

/* What became of it: answered here, or the VMM's.  OPEN has the channel that it gave. */
TRACE_EVENT(kvm_vmport_result,
	TP_PROTO(unsigned int vcpu_id, bool answered, const struct vmport_regs *before,
		 const struct vmport_regs *after),
	TP_ARGS(vcpu_id, answered, before, after),

	TP_STRUCT__entry(
		__field(unsigned int,	vcpu_id)
		__field(u32,		what)
		__field(u16,		command)
		__field(u16,		request)
		__field(u16,		channel)
		__field(u16,		status)
		__field(bool,		answered)
		__field(u32,		ax)
		__field(u32,		bx)
	),

	TP_fast_assign(
		__entry->vcpu_id = vcpu_id;
		__entry->what = vmport_traced_what(before->cx);
		__entry->command = before->cx;
		__entry->request = before->cx >> 16;
		__entry->channel = (before->cx == 30 ? after->dx : before->dx) >> 16;
		__entry->status = answered && (u16)before->cx == 30 ? after->cx >> 16 :
				  VMPORT_TRACE_NO_STATUS;
		__entry->answered = answered;
		__entry->ax = after->ax;
		__entry->bx = after->bx;
	),

	TP_printk("vcpu %u %s channel %u %s status %s eax 0x%x ebx 0x%x",
		  __entry->vcpu_id, vmport_show_what(__entry->what), __entry->channel,
		  __entry->answered ? "answered" : "left to the VMM",
		  vmport_show_status(__entry->status), __entry->ax, __entry->bx)
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

#define vmport_show_answer(_answer)					\
	__print_symbolic(_answer,					\
		{ VMPORT_ANSWER_KERNEL, "kernel" },			\
		{ VMPORT_ANSWER_REPORT, "report" },			\
		{ VMPORT_ANSWER_UNKNOWN, "unknown" },			\
		{ VMPORT_ANSWER_VMM, "VMM" },				\
		{ VMPORT_ANSWER_RESULT, "result" },			\
		{ VMPORT_ANSWER_NAME, "name" },				\
		{ VMPORT_ANSWER_NONE, "none" })

/*
 * A whole message from the guest, by words or as a block, and who answers it.  Of its text
 * only names are here: what it asks, the key of guestinfo, what a TCLO channel calls itself.
 */
TRACE_EVENT(kvm_vmport_message,
	TP_PROTO(const struct vmport_call *call, const struct vmport_channel *channel, u32 size,
		 unsigned int answer),
	TP_ARGS(call, channel, size, answer),

	TP_STRUCT__entry(
		__field(unsigned int,	vcpu_id)
		__field(u16,		channel)
		__field(bool,		tclo)
		__field(bool,		privileged)
		__field(bool,		success)
		__field(unsigned int,	answer)
		__field(u32,		size)
		__field(u32,		reply_size)
		__array(char,		name,	VMPORT_TRACE_WORD)
		__array(char,		key,	VMPORT_TRACE_KEY)
		__array(char,		reason,	VMPORT_REPLY_INLINE)
	),

	TP_fast_assign(
		const u8 *reply = vmport_reply_data(&channel->reply);
		bool has_reply = answer <= VMPORT_ANSWER_UNKNOWN;

		__entry->vcpu_id = vmport_vcpu_id(call->vcpu);
		__entry->channel = call->regs.dx >> 16;
		__entry->tclo = channel->protocol == VMPORT_PROTOCOL_TCLO;
		__entry->privileged = call->is_privileged;
		__entry->success = !has_reply || *reply == '1';
		__entry->answer = answer;
		__entry->size = size;
		__entry->reply_size = has_reply ? channel->reply.size : 0;
		vmport_text_word(__entry->name, sizeof(__entry->name), channel->send, size, 0);
		/* Other requests may have a value there. */
		vmport_text_word(__entry->key, sizeof(__entry->key), channel->send,
				 !strncmp(__entry->name, "info-", 5) ? size : 0, 1);
		if (answer == VMPORT_ANSWER_NAME)
			vmport_text_copy(__entry->key, sizeof(__entry->key),
					 channel->name.text, channel->name.size);
		/* A refusal is one of the texts in rpci.c. */
		vmport_text_copy(__entry->reason, sizeof(__entry->reason), reply + 2,
				 __entry->success ? 0 : channel->reply.size - 2);
	),

	TP_printk("vcpu %u channel %u %s '%s' key '%s' %u bytes%s: %s, %s '%s' %u bytes",
		  __entry->vcpu_id, __entry->channel, __entry->tclo ? "TCLO" : "RPCI",
		  __entry->name, __entry->key, __entry->size,
		  __entry->privileged ? "" : " unprivileged",
		  vmport_show_answer(__entry->answer), __entry->success ? "success" : "failure",
		  __entry->reason, __entry->reply_size)
);

#define vmport_show_data(_what)						\
	__print_symbolic(_what,						\
		{ VMPORT_DATA_MESSAGE, "message" },			\
		{ VMPORT_DATA_REPLY, "reply" },				\
		{ VMPORT_DATA_VMM_REPLY, "VMM reply" },		\
		{ VMPORT_DATA_REQUEST, "request" })

/*
 * The first bytes of a message in either direction, which can be anybody's secret: the one
 * event with values.
 */
TRACE_EVENT(kvm_vmport_data,
	TP_PROTO(unsigned int what, const u8 *data, u32 size),
	TP_ARGS(what, data, size),

	TP_STRUCT__entry(
		__field(unsigned int,	what)
		__field(u32,		size)
		__array(char,		text,	VMPORT_TRACE_DATA)
	),

	TP_fast_assign(
		__entry->what = what;
		__entry->size = size;
		vmport_text_copy(__entry->text, sizeof(__entry->text), data, size);
	),

	TP_printk("%s %u bytes '%s'", vmport_show_data(__entry->what), __entry->size,
		  __entry->text)
);

/* An entry is set or deleted, by guest or VMM; or may not be. */
TRACE_EVENT(kvm_vmport_guestinfo,
	TP_PROTO(const struct vmport_guestinfo_change *change, u64 number, int error),
	TP_ARGS(change, number, error),

	TP_STRUCT__entry(
		__field(bool,		guest)
		__field(bool,		set)
		__field(bool,		privileged)
		__field(u32,		size)
		__field(u32,		flags)
		__field(u64,		number)
		__field(int,		error)
		__array(char,		key,	VMPORT_TRACE_KEY)
	),

	TP_fast_assign(
		__entry->guest = change->by_guest;
		__entry->set = !(change->flags & KVM_VMPORT_GUESTINFO_DELETE);
		__entry->privileged = !change->by_guest || change->is_privileged;
		__entry->size = change->value_size;
		__entry->flags = change->flags;
		__entry->number = number;
		__entry->error = error;
		vmport_text_copy(__entry->key, sizeof(__entry->key), change->key,
				 change->key_size);
	),

	TP_printk("%s%s %s '%s' %u bytes flags 0x%x change %llu error %d",
		  __entry->guest ? "guest" : "VMM",
		  __entry->privileged ? "" : " unprivileged",
		  __entry->set ? "set" : "delete", __entry->key, __entry->size,
		  __entry->flags, __entry->number, __entry->error)
);

#define vmport_show_tclo(_action)					\
	__print_symbolic(_action,					\
		{ VMPORT_TCLO_QUEUED, "queued" },			\
		{ VMPORT_TCLO_TAKEN, "taken" },				\
		{ VMPORT_TCLO_ANSWERED, "answered" },			\
		{ VMPORT_TCLO_LOST, "lost" },				\
		{ VMPORT_TCLO_CANCELLED, "cancelled" })

/* A request of the VMM to the guest's tools; with "answered" the size of the answer. */
TRACE_EVENT(kvm_vmport_tclo,
	TP_PROTO(const struct vmport_request *request, unsigned int action),
	TP_ARGS(request, action),

	TP_STRUCT__entry(
		__field(u64,		id)
		__field(unsigned int,	action)
		__field(u32,		size)
		__array(char,		channel,	VMPORT_TRACE_WORD)
		__array(char,		name,		VMPORT_TRACE_WORD)
	),

	TP_fast_assign(
		__entry->id = request->id;
		__entry->action = action;
		__entry->size = request->size;
		vmport_text_copy(__entry->channel, sizeof(__entry->channel),
				 request->name.text, request->name.size);
		vmport_text_word(__entry->name, sizeof(__entry->name), request->data,
				 request->size, 0);
	),

	TP_printk("%s %llu for '%s' '%s' %u bytes", vmport_show_tclo(__entry->action),
		  __entry->id, __entry->channel, __entry->name, __entry->size)
);

#define vmport_show_rpc(_action)					\
	__print_symbolic(_action,					\
		{ VMPORT_RPC_ASKED, "asked" },				\
		{ VMPORT_RPC_TOLD, "exit" },				\
		{ VMPORT_RPC_REPLIED, "replied" },			\
		{ VMPORT_RPC_WITHDRAWN, "withdrawn" })

/* A message that waits for the VMM's reply.  On a channel that has none, nothing. */
TRACE_EVENT_CONDITION(kvm_vmport_rpc,
	TP_PROTO(const struct vmport_channel *channel, unsigned int action),
	TP_ARGS(channel, action),
	TP_CONDITION(channel->activity == VMPORT_ASKING),

	TP_STRUCT__entry(
		__field(u64,		id)
		__field(unsigned int,	action)
		__field(u32,		size)
		__field(u32,		reply_size)
		__array(char,		name,	VMPORT_TRACE_WORD)
	),

	TP_fast_assign(
		__entry->id = channel->ask_id;
		__entry->action = action;
		__entry->size = channel->send_size;
		__entry->reply_size = channel->reply.size;
		vmport_text_word(__entry->name, sizeof(__entry->name), channel->send,
				 channel->send_size, 0);
	),

	TP_printk("%s %llu '%s' %u bytes, reply %u bytes", vmport_show_rpc(__entry->action),
		  __entry->id, __entry->name, __entry->size, __entry->reply_size)
);

/* A state is saved or loaded; or refused: error and offset as the VMM is told them. */
TRACE_EVENT(kvm_vmport_state,
	TP_PROTO(bool save, u64 size, int result, u32 error, u64 offset),
	TP_ARGS(save, size, result, error, offset),

	TP_STRUCT__entry(
		__field(bool,		save)
		__field(u64,		size)
		__field(int,		result)
		__field(u32,		error)
		__field(u64,		offset)
	),

	TP_fast_assign(
		__entry->save = save;
		__entry->size = size;
		__entry->result = result;
		__entry->error = error;
		__entry->offset = offset;
	),

	TP_printk("%s %s %llu bytes errno %d error %u offset %llu",
		  __entry->save ? "save" : "load", __entry->result ? "refused" : "done",
		  __entry->size, __entry->result, __entry->error, __entry->offset)
);

#endif /* _TRACE_KVM_VMPORT_H */

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH ../../arch/x86/kvm/vmport
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE vmport_trace

/* This part must be outside protection */
#include <trace/define_trace.h>
