#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""What each stage of the series adds to Documentation/virt/kvm/api.rst."""
import re

IOCTL = """
4.{number} {name}
{line}

:Capability: KVM_CAP_X86_VMPORT
:Architectures: x86
:Type: vm ioctl
:Parameters: struct {structure}
:Returns: 0 on success, < 0 on error

{text}"""

ATTR = """::

  struct kvm_vmport_attr {
	__u32 type;
	__u32 error;
	union {
		struct kvm_vmport_identity identity;
		struct kvm_vmport_info info;
		__u64 pad[31];
	} u;
  };

``type`` says which member of ``u`` is used.  On an error, ``error`` is a
KVM_VMPORT_ERR_* value that says what was wrong.

KVM_VMPORT_ATTR_IDENTITY
  What the commands for identity and time answer: version, UUID, memory size
  and clock rates.

KVM_VMPORT_ATTR_INFO
  Can only be read: the features that are enabled, and what this kernel knows.

The call fails with -EPERM if the capability is not enabled, and with -EINVAL
if the type is unknown or a reserved field is not zero.
"""

CAPABILITY = """
7.{number} KVM_CAP_X86_VMPORT
{line}

:Architectures: x86
:Parameters: args[0] is a mask of features
:Returns: 0 on success; -EINVAL if the mask has unknown bits or another
          argument is not zero; -ENXIO if a feature lacks another one that it
          needs; -EBUSY if vCPUs were already created for the VM; -EEXIST if
          the capability is enabled already; -EOPNOTSUPP if KVM cannot read the
          registers or the memory of the VM

With this capability KVM answers calls of guests that were built for VMware,
which they make through I/O port 0x5658.  KVM_CHECK_EXTENSION returns the mask
of features that can be enabled:

=================================  ============================================
KVM_VMPORT_FEATURE_ENABLE          the port, commands for identity and time.
                                   All others need it
KVM_VMPORT_FEATURE_RING3           the same from ring 3, whatever IOPL and the
                                   I/O bitmap of the TSS say
KVM_VMPORT_FEATURE_HYPERCALL       the same by VMCALL and VMMCALL
KVM_VMPORT_FEATURE_PMC             RDPMC of 0x10000, 0x10001 and 0x10002
KVM_VMPORT_FEATURE_NESTED          calls from ring 3 of L2, whatever L1
                                   intercepts.  Needs RING3
=================================  ============================================

An access that KVM does not answer is a port exit, as without the capability.
The module parameter enable_vmware_backdoor stays as it is and is independent
of this.
"""

ROWS = {
    "rpc": """\
KVM_VMPORT_FEATURE_RPC             GuestRPC: messages in both directions, and
                                   guestinfo
KVM_VMPORT_FEATURE_EXIT_RPC        messages that KVM does not answer leave with
                                   KVM_EXIT_VMPORT.  Needs RPC
""",
    "hb": """\
KVM_VMPORT_FEATURE_HB              port 0x5659, whole messages by REP INSB and
                                   REP OUTSB.  Needs RPC
""",
    "steal": """\
KVM_VMPORT_FEATURE_STEALCLOCK      a steal clock in the guest's memory
""",
}

EXIT = """
::

		/* KVM_EXIT_VMPORT */
		struct kvm_vmport_exit vmport;

The guest has sent a message that KVM_CAP_X86_VMPORT's feature EXIT_RPC leaves
to the VMM.  The instruction is complete.  ``channel`` is the guest's channel,
``id`` the number of the message and ``size`` its bytes.  The VMM reads the
message and sets the reply with KVM_VMPORT_ATTR_RPC, and calls KVM_RUN.
Without a reply the guest gets "0 Unknown command", or "1 " to a report.

"""

STATE = """::

  struct kvm_vmport_state {
	__u32 flags;
	__u32 error;
	__u64 size;
	__u64 data;
	__u64 sections;
	__u64 error_offset;
	__u64 error_mask;
	__u64 reserved[4];
  };

"""

GET_STATE = STATE + """\
Pack channels, requests and guestinfo of the VM into the ``size`` bytes at
``data``.  If they are not enough, the call fails with -E2BIG, ``size`` says how
many are needed and nothing is written.  vCPUs may run.
"""

SET_STATE = STATE + """\
Replace all of that by the blob of ``size`` bytes at ``data``.  KVM checks the
whole blob first; on an error nothing has changed, ``error`` is a
KVM_VMPORT_ERR_* value, and ``error_offset`` says where in the blob.
"""

PAGE = """
Documentation/virt/kvm/x86/vmport.rst describes attributes, limits, the format
of the state and what guests see.
"""

IOCTLS = "\n.. _kvm_run:\n\n5. The kvm_run structure\n"
CAPABILITIES = "\n8. Other capabilities.\n"
VCPU_CAPABILITIES = "\n.. _cap_enable:\n"
TABLE_END = "=================================  ============================================\n\nAn access"


def _titled(template, name, number, **values):
    line = "-" * len(f"4.{number} {name}")
    return template.format(name=name, number=number, line=line, **values)


def _insert(text, before, new):
    if text.count(before) != 1:
        raise ValueError(f"{before.strip()!r} is there {text.count(before)} times and not once")
    return text.replace(before, new + before)


def _ioctls(text, number, structure, *sections):
    for offset, (name, body) in enumerate(sections):
        text = _insert(text, IOCTLS, _titled(IOCTL, name, number + offset, structure=structure,
                                             text=body))
    return text


def add(text, stage, numbers):
    """api.rst after a stage; numbers.section has the next free ones before the series."""
    if stage == "base":
        text = _ioctls(text, numbers.section[4], "kvm_vmport_attr",
                       ("KVM_GET_VMPORT_ATTR", "Get an attribute of the VMware guest interface.\n\n"
                        + ATTR),
                       ("KVM_SET_VMPORT_ATTR", "Set an attribute of the VMware guest interface.  "
                        "See\nKVM_GET_VMPORT_ATTR for the structure and the errors.\n"))
        text = _insert(text, CAPABILITIES,
                       _titled(CAPABILITY, "KVM_CAP_X86_VMPORT", numbers.section[7]))
    if stage in ROWS:
        text = _insert(text, TABLE_END, ROWS[stage])
    if stage == "rpc":
        text = _insert(text, VCPU_CAPABILITIES, EXIT.rstrip("\n") + "\n")
    if stage == "state":
        text = _ioctls(text, numbers.section[4] + 2, "kvm_vmport_state",
                       ("KVM_GET_VMPORT_STATE", GET_STATE), ("KVM_SET_VMPORT_STATE", SET_STATE))
    if stage == "page":
        text = re.sub(r"(The module parameter enable_vmware_backdoor stays as it is and is "
                      r"independent\nof this\.\n)", lambda match: match[0] + PAGE, text)
    return text
