#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""upstream.py TOP KERNEL TO: write the files of the series as they are to be in KERNEL.

TOP is this repository, and KERNEL the source of the kernel that the series is for.  TO gets
the files that the series adds, without what older kernels need, with the header for user
space where an architecture's own belongs, and with the numbers that are free in KERNEL.

  upstream.py edit KERNEL STAGE COPY: put the numbers and the structures of a stage into the
  files of COPY, which are KVM's own, that have them
"""
import os
import re
import subprocess
import sys
import textwrap

import api

VMPORT = "arch/x86/kvm/vmport/"
HEADER = "include/uapi/linux/kvm_vmport.h"
UAPI = "arch/x86/include/uapi/asm/kvm_vmport.h"
TESTS = "tools/testing/selftests/kvm/"
TRACE_H = "include/trace/events/kvm.h"
KVM_H = "include/uapi/linux/kvm.h"
API_RST = "Documentation/virt/kvm/api.rst"

# What the series consists of, apart from the hooks; what is not named is not sent.
PATHS = (VMPORT, HEADER, TESTS, "tools/testing/vmport/clients.",
         "tools/testing/vmport/commands.h",
         "Documentation/virt/kvm/x86/vmport.rst", "Documentation/virt/kvm/x86/vmport-security.rst",
         "Documentation/virt/kvm/x86/vmport-bench.svg")
# What of that stays here: for other kernels, a fuzzer that needs a script around it, and the
# test of a program that is not sent.
LEFT_OUT = re.compile(r"compat\.h$|/vmport_(state_fuzz|tool_test)\.c$")

# Sentences of the documentation that are about what stays here.
ABOUT_US = re.compile(r"``make [a-z-]+[ `]|tools/virt/|samples/vmport|vmport-testing\.rst"
                      r"|is provisional|far from those that upstream")


def fail(text):
    sys.exit(f"error: upstream.py: {text}")


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def write(path, text):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def replace_once(text, old, new, what):
    """A part of a text that must be there, and once."""
    if text.count(old) != 1:
        fail(f"{what} has {old.strip()[:60]!r} {text.count(old)} times and not once")
    return text.replace(old, new)


class Numbers:
    """What is free in a kernel."""

    def __init__(self, kernel):
        kvm = read(os.path.join(kernel, KVM_H))
        host = read(os.path.join(kernel, "arch/x86/include/asm/kvm_host.h"))
        rst = read(os.path.join(kernel, API_RST))
        def largest(pattern, text):
            found = re.findall(pattern, text, re.M)
            if not found:
                fail(f"{kernel}: nothing matches {pattern}")
            return max(int(number) for number in found)
        self.capability = largest(r"^#define KVM_CAP_\w+ +(\d+)$", kvm) + 1
        self.exit = largest(r"^#define KVM_EXIT_[A-Z0-9_]+ +(\d+)$", kvm) + 1
        self.request = largest(r"KVM_ARCH_REQ(?:_FLAGS)?\((\d+)\b", host) + 1
        self.section = {part: largest(rf"^{part}\.(\d+) KVM_", rst) + 1 for part in (4, 7)}
        used = {int(number, 16) for number in re.findall(r"KVMIO,\s*(0x[0-9a-f]+)", kvm)}
        below = max(number for number in used if number < 0xe0)
        self.ioctl = below + 1
        if any(number in used for number in range(self.ioctl, self.ioctl + 4)) or \
                self.ioctl + 4 > 0xe0:
            fail(f"{kernel}: there are no four numbers of ioctls after {below:#x}")


def header(text):
    """The header, where x86's are; the numbers and the exit are <linux/kvm.h>'s."""
    begin = text.index("/*\n * The numbers that KVM hands out.")
    end = text.index("#endif\n", begin) + len("#endif\n\n")
    text = text[:begin] + text[end:]
    structure = re.search(r"struct kvm_vmport_exit \{.*?\n\};\n\n#define KVM_VMPORT_EXIT_RPC\s+1\n\n",
                          text, re.S)
    accessor = re.search(r"/\*(?:(?!\*/).)*?\*/\n#define kvm_run_vmport\(_run\)[^\n]*\n\n", text,
                         re.S)
    if not structure or not accessor:
        fail(f"{HEADER} has no struct kvm_vmport_exit or no kvm_run_vmport()")
    text = text.replace(structure[0], "\n").replace(accessor[0], "")
    # What was said of the structure stands before the attribute that belongs to it.
    text = replace_once(text, " */\n\n/*\n * KVM_VMPORT_ATTR_RPC:", " *\n * KVM_VMPORT_ATTR_RPC:",
                        HEADER)
    return text.replace("_UAPI_LINUX_KVM_VMPORT_H", "_UAPI_ASM_X86_KVM_VMPORT_H")


def exit_structure(text):
    """struct kvm_vmport_exit, for <linux/kvm.h>."""
    match = re.search(r"struct kvm_vmport_exit \{\n(.*?)\n\};", text, re.S)
    return ("struct kvm_vmport_exit {\n#define KVM_VMPORT_EXIT_RPC          1\n" + match[1] +
            "\n};\n\n")


def code(text):
    """C without what older kernels need."""
    text = re.sub(r'^#include "[\w/]*compat\.h"\n', "", text, flags=re.M)
    for old, new in (
            (r"kvm_apic_bus_cycle_ns\((.*->kvm)\)", r"\1->arch.apic_bus_cycle_ns"),
            (r"KVM_VMPORT_GUESTDBG_STEPS",
             "(KVM_GUESTDBG_USE_HW_BP | KVM_GUESTDBG_SINGLESTEP)"),
            (r"kvm_has_protected_state\(kvm\)", "kvm->arch.has_protected_state"),
            (r"\b(kzalloc|kvmalloc)\(sizeof\((\*\w+)\), ", r"\1_obj(\2, "),
            (r"static_assert\(sizeof\(struct kvm_vmport_exit\) <= [^\n]*\n\n?", ""),
            (r"\*kvm_run_vmport\(([\w.>-]+)\)", r"\1->vmport"),
            (r"kvm_run_vmport\(([\w.>-]+)\)->", r"\1->vmport."),
            (r"kvm_run_vmport\(([\w.>-]+)\)", r"&\1->vmport"),
            (r"include/uapi/linux/kvm_vmport\.h", UAPI),
            (r"<(uapi/)?linux/kvm_vmport\.h>", r"<\1asm/kvm_vmport.h>")):
        text = re.sub(old, new, text)
    return sorted_includes(re.sub(r"\n{3,}", "\n\n", text))


def sorted_includes(text):
    """<asm/kvm_vmport.h> comes after those of <linux/>."""
    return re.sub(r"(?m)^(#include <asm/kvm_vmport\.h>\n)((?:#include <linux/[^\n]*\n)+)",
                  r"\2\1", text)


def without_sentences(paragraph):
    """A paragraph without the sentences that are about what stays here."""
    if not ABOUT_US.search(paragraph):
        return paragraph
    if re.search(r"^\* ", paragraph, re.M):
        items = re.split(r"(?m)^(?=\* )", paragraph)
        return "".join(item for item in items if not ABOUT_US.search(item)).rstrip("\n")
    indent = re.match(r" *", paragraph)[0]
    sentences = re.split(r"(?<=\.)\s+(?=[A-Z`])", " ".join(
        line.strip() if number else line.rstrip() for number, line in
        enumerate(paragraph.split("\n"))).strip())
    kept = [sentence for sentence in sentences if not ABOUT_US.search(sentence)]
    return textwrap.fill("  ".join(kept), 100, initial_indent=indent, subsequent_indent=indent,
                         break_long_words=False, break_on_hyphens=False)


def documentation(text, numbers):
    text = text.replace("``kvm_run_vmport(run)`` is a pointer to this structure.  It lies",
                        "The structure is the member ``vmport`` of struct kvm_run.  It lies")
    text = re.sub(r"(KVM_CAP_X86_VMPORT), 0x5658", rf"\1, {numbers.capability}", text)
    text = re.sub(r"(exit reason of KVM_RUN), 0x5658", rf"\1, {numbers.exit}", text)
    parts = [without_sentences(part) for part in text.rstrip("\n").split("\n\n")]
    return code("\n\n".join(part for part in parts if part.strip()) + "\n")


def kconfig(text, kernel):
    """Without what the kernel's own options do not have any more."""
    symbols = subprocess.run(["grep", "-rhoE", "^config LIBCRC32C$", "--include=Kconfig*",
                              os.path.join(kernel, "lib")], stdout=subprocess.PIPE, check=False)
    return text if symbols.stdout else text.replace("\tselect LIBCRC32C\n", "")


def series_files(top):
    names = subprocess.run(["git", "-C", top, "ls-files", "-z", "-co", "--exclude-standard"],
                           check=True, stdout=subprocess.PIPE).stdout.decode().split("\0")
    return sorted(name for name in names
                  if name.startswith(PATHS) and not LEFT_OUT.search(name) and
                  os.path.isfile(os.path.join(top, name)))


def final(top, kernel, to):
    numbers = Numbers(kernel)
    for name in series_files(top):
        text, target = read(os.path.join(top, name)), name
        if name == HEADER:
            text, target = code(header(text)), UAPI
        elif name.endswith(".rst"):
            text = documentation(text, numbers)
        elif name == VMPORT + "Kconfig":
            text = kconfig(text, kernel)
        elif name.endswith(".svg"):
            text = re.sub(r"<!--.*?-->\n?", "", text, flags=re.S)
        elif name.endswith((".c", ".h")):
            text = code(text)
        write(os.path.join(to, target), text)


def edit_base(kernel, numbers):
    path = os.path.join(kernel, KVM_H)
    text = read(path)
    last = re.findall(r"(?m)^#define KVM_CAP_\w+ +\d+\n", text)[-1]
    text = replace_once(text, last, last + f"#define KVM_CAP_X86_VMPORT {numbers.capability}\n",
                        KVM_H)
    end = "\n#endif /* __LINUX_KVM_H */\n"
    text = replace_once(text, end, f"""
/* Available with KVM_CAP_X86_VMPORT, see <asm/kvm_vmport.h> */
#define KVM_GET_VMPORT_ATTR	_IOWR(KVMIO, {numbers.ioctl:#x}, struct kvm_vmport_attr)
#define KVM_SET_VMPORT_ATTR	_IOWR(KVMIO, {numbers.ioctl + 1:#x}, struct kvm_vmport_attr)
{end}""", KVM_H)
    write(path, text)


def edit_rpc(kernel, numbers):
    path = os.path.join(kernel, KVM_H)
    text = read(path)
    last = re.findall(r"(?m)^#define KVM_EXIT_[A-Z0-9_]+ +\d+\n", text)
    last = next(line for line in last if int(line.split()[2]) == numbers.exit - 1)
    text = replace_once(text, last, last + f"#define KVM_EXIT_VMPORT           {numbers.exit}\n",
                        KVM_H)
    structure = exit_structure(read(os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                                 "../..", HEADER)))
    run = "/* for KVM_RUN, returned by mmap(vcpu_fd, offset=0) */\n"
    if run not in text:
        run = re.search(r"(?m)^(?:/\*[^\n]*\*/\n)?struct kvm_run \{\n", text)[0]
    text = replace_once(text, run, structure + run, KVM_H)
    padding = "\t\t/* Fix the size of the union. */\n"
    text = replace_once(text, padding, "\t\t/* KVM_EXIT_VMPORT */\n\t\tstruct kvm_vmport_exit vmport;\n"
                        + padding, KVM_H)
    write(path, text)
    edit_exit_name(kernel)


def edit_exit_name(kernel):
    path = os.path.join(kernel, TRACE_H)
    last = re.findall(r"(?m)^\t.*ERSN\(\w+\)\n", read(path))
    if len(last) != 1:
        fail(f"{TRACE_H}: the names of exits do not end in one place")
    write(path, replace_once(read(path), last[0], last[0][:-1] + ",\t\\\n\tERSN(VMPORT)\n",
                             TRACE_H))


def edit_request(kernel, numbers):
    path = os.path.join(kernel, "arch/x86/include/asm/kvm_host.h")
    text = read(path)
    before = "\n#define INVALID_PAGE "
    text = replace_once(text, before, f"#define KVM_REQ_VMPORT_EXIT\t\tKVM_ARCH_REQ({numbers.request})\n"
                        + before, path)
    write(path, text)


def edit_state(kernel, numbers):
    path = os.path.join(kernel, KVM_H)
    line = re.search(r"(?m)^#define KVM_SET_VMPORT_ATTR.*\n", read(path))[0]
    write(path, replace_once(read(path), line, line + f"""\
#define KVM_GET_VMPORT_STATE	_IOWR(KVMIO, {numbers.ioctl + 2:#x}, struct kvm_vmport_state)
#define KVM_SET_VMPORT_STATE	_IOWR(KVMIO, {numbers.ioctl + 3:#x}, struct kvm_vmport_state)
""", KVM_H))


def edit(kernel, stage, copy):
    numbers = Numbers(kernel)
    actions = {"base": edit_base, "rpc": edit_rpc, "request": edit_request, "state": edit_state}
    actions.get(stage, lambda *_: None)(copy, numbers)
    path = os.path.join(copy, API_RST)
    try:
        write(path, api.add(read(path), stage, numbers))
    except ValueError as error:
        fail(f"{API_RST}: {error}")


def main(arguments):
    if len(arguments) == 4 and arguments[0] == "edit":
        edit(*arguments[1:])
    elif len(arguments) == 3:
        final(*arguments)
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main(sys.argv[1:])
