#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""What make-series.sh does with the text of files.

  series.py hunks PATCH WANTED UNWANTED   print the hunks of a patch whose "file: text"
                                          matches WANTED, but not UNWANTED
  series.py maintainers FILE NAME EMAIL   add our entry to the kernel's MAINTAINERS
  series.py cover FILE                    fill in the cover letter that git has made

When the text is not as expected, one line says so, and the status is 1.
"""
import re
import sys

# Our entry goes before this one.
NEXT_ENTRY = "\nKERNFS\n"
ENTRY = """\
KERNEL VIRTUAL MACHINE FOR X86: VMWARE GUEST INTERFACE (KVM/vmport)
M:	{name} <{email}>
L:	kvm@vger.kernel.org
S:	Maintained
F:	Documentation/virt/kvm/x86/vmport*
F:	arch/x86/kvm/vmport/
F:	include/uapi/linux/kvm_vmport.h
F:	tools/testing/selftests/kvm/*/x86/vmport*
F:	tools/testing/selftests/kvm/x86/vmport*
F:	tools/testing/vmport/

"""

COVER = {
    "*** SUBJECT HERE ***": "KVM: x86: The VMware guest interface",
    "*** BLURB HERE ***": """\
Guests that were built for VMware, open-vm-tools in every distribution
among them, ask their hypervisor for time, identity, configuration and
commands through I/O port 0x5658.  KVM has enable_vmware_backdoor, which
lets ring 3 use the port of all VMs of the host, and leaves every access
to user space.

This series answers it in KVM, per VM, by one capability with a mask of
features: the commands, GuestRPC with guestinfo, messages by string
instructions, ring 3, hypercalls, pseudo performance counters and nested
guests.  The state migrates.  A VMM can own RPCs that the kernel does
not.  Where CONFIG_KVM_VMPORT is off KVM's object code is unchanged;
where no VM uses it a hook is a static branch.

Patch 1 is the ABI, 2 to 6 are the engine, which knows no struct
kvm_vcpu and has unit tests in user space; 7 ties it to KVM, then each
hook is a patch, and the capability comes when all are there."""}


def hunks(patch, wanted, unwanted):
    """The chosen hunks, with the heads of their files."""
    chosen = []
    for part in re.split(r"(?m)^(?=diff --git )", patch)[1:]:
        head, *rest = re.split(r"(?m)^(?=@@ )", part)
        match = re.search(r"(?m)^\+\+\+ b/(.*)$", head)
        name = match[1] if match else "/dev/null"
        rest = [hunk for hunk in rest if re.search(wanted, f"{name}: {hunk}") and
                not (unwanted and re.search(unwanted, f"{name}: {hunk}"))]
        if rest:
            chosen.append(head + "".join(rest).rstrip("\n") + "\n")
    return "".join(chosen)


def replace_once(text, old, new, path):
    if text.count(old) != 1:
        sys.exit(f"error: {path} has {old.strip()!r} {text.count(old)} times and not once:"
                 " change series.py")
    return text.replace(old, new)


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def write(path, text):
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def main(arguments):
    counts = {"hunks": 3, "maintainers": 3, "cover": 1}
    if not arguments or counts.get(arguments[0]) != len(arguments) - 1:
        sys.exit(__doc__)
    action, path, *rest = arguments
    try:
        text = read(path)
    except OSError as error:
        sys.exit(f"error: {path}: {error.strerror}")
    if action == "hunks":
        print(hunks(text, *rest), end="")
        return
    if action == "maintainers":
        entry = ENTRY.format(name=rest[0], email=rest[1])
        text = replace_once(text, NEXT_ENTRY, "\n" + entry + NEXT_ENTRY[1:], path)
    else:
        for old, new in COVER.items():
            text = replace_once(text, old, new, path)
    write(path, text)


if __name__ == "__main__":
    main(sys.argv[1:])
