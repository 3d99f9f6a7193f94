/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The instructions of the two ports, as KVM's emulator decodes them.
 */
#ifndef _VMPORT_INSN_H
#define _VMPORT_INSN_H

#include <linux/kvm_host.h>

#include "kvm_emulate.h"

#define VMPORT_OPCODE_INSB	0x6c
#define VMPORT_OPCODE_OUTSB	0x6e
#define VMPORT_OPCODE_IN	0xed	/* IN EAX, DX */
#define VMPORT_OPCODE_OUT	0xef	/* OUT DX, EAX */

/* Is this a 32-bit IN EAX, DX or OUT DX, EAX? */
static inline bool kvm_vmport_is_port_insn(const struct x86_emulate_ctxt *ctxt)
{
	return ctxt->opcode_len == 1 && ctxt->op_bytes != 2 &&
	       (ctxt->b == VMPORT_OPCODE_IN || ctxt->b == VMPORT_OPCODE_OUT);
}

/* Is this REP INSB or REP OUTSB? */
static inline bool kvm_vmport_is_string_insn(const struct x86_emulate_ctxt *ctxt)
{
	return ctxt->opcode_len == 1 && ctxt->rep_prefix &&
	       (ctxt->b == VMPORT_OPCODE_INSB || ctxt->b == VMPORT_OPCODE_OUTSB);
}

#endif /* _VMPORT_INSN_H */
