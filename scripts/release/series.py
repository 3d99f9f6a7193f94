#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""What make-series.sh does with the text of files.

  series.py author NAME EMAIL             can they sign a patch off?
  series.py take TOP STAGES REPOSITORY STAGE PATTERN...
                                          copy files of a stage; @engine are those that
                                          tools/testing/vmport builds, and their headers; what
                                          matches after a "!" is left for later
  series.py hunks PATCH WANTED UNWANTED   print the hunks of a patch whose "file: text"
                                          matches WANTED, but not UNWANTED
  series.py programs REPOSITORY           add the tests that are there to their Makefile
  series.py maintainers FILE NAME EMAIL   add our entry to the kernel's MAINTAINERS
  series.py cover FILE VERSION COUNT CHART
                                          fill in the cover letter that git has made; the
                                          first COUNT patches stand alone, CHART is bench.py's
  series.py check TOP KERNEL FINAL REPOSITORY PATCHES
                                          is the series what it is to be?

When something is not as expected, one line says so, and the status is 1.
"""
import fnmatch
import glob
import html
import os
import re
import subprocess
import sys
import tempfile

import stages
import upstream
from upstream import read, write

# Names that nobody has, and addresses at which nobody is read.
PLACEHOLDER_NAME = re.compile(r"^(|root|user|nobody|your name|.*\bmaintainers?|.*\bbot)$", re.I)
PLACEHOLDER_EMAIL = re.compile(r"^$|^(root|you|nobody)@|noreply|localhost|\(none\)"
                               r"|[@.]example(\.|$)|\.(invalid|test|local|localdomain)$", re.I)

# Our entry goes before this one.
NEXT_ENTRY = "\nKERNFS\n"
ENTRY = """\
KERNEL VIRTUAL MACHINE FOR X86: VMWARE GUEST INTERFACE (KVM/vmport)
M:	{name} <{email}>
L:	kvm@vger.kernel.org
S:	Maintained
F:	Documentation/virt/kvm/x86/vmport*
F:	arch/x86/include/uapi/asm/kvm_vmport.h
F:	arch/x86/kvm/vmport/
F:	tools/testing/selftests/kvm/x86/vmport*
F:	tools/testing/vmport/

"""

SUBJECT = "KVM: x86: Answer the VMware guest interface"
# Label in the chart of "make bench" of what this costs, and of what user space takes for it.
COSTS = (
    ("GETVERSION, ring 0", "ring 0, this", "ring 0, QEMU's vmport", "(QEMU)"),
    ("  answered by a minimal VMM", None, "ring 0, a VMM that does nothing else", ""),
    ("GETVERSION, ring 3", "ring 3, this", "ring 3, enable_vmware_backdoor and QEMU", "(QEMU)"),
    ("any port read that KVM answers", None, "another port read, by KVM", ""),
    ("any port read that QEMU answers", None, "another port read, by QEMU", "(QEMU)"),
    ("info-get of 32 KiB, four bytes a call", "info-get of 32 KiB, words", None, ""),
    ("info-get of 32 KiB, REP INSB", "info-get of 32 KiB, REP INSB", None, ""),
)

BLURB = """\
Answer in KVM, for each VM whose VMM asks for it, what guests that were
built for VMware ask through I/O port 0x5658: commands for identity and
time; and, as further features, GuestRPC with guestinfo, its state for
live migration, messages by string instructions and a steal clock.

This takes up "KVM: Improve VMware guest support" by Zack Rusin [1][2] and
what was asked for in its review:

- One capability that takes a mask of features, in a header of x86's, and
  that can be enabled only before there are vCPUs [3][4]:
  KVM_CAP_X86_VMPORT.
- A Kconfig option around it [3]: CONFIG_KVM_VMPORT.  Without it KVM's
  object code is unchanged.
- #GP handling and pseudo performance counters for one VM rather than by
  enable_vmware_backdoor for all [2].  The parameter stays as it is.  Unlike
  the proposal in [3] it is no default for the capability, as a VMM that
  knows nothing of the interface would lose commands to KVM.
- Hypercalls only with VMware's magic in EAX, beside those of Xen and
  Hyper-V [3].
- L2's calls to L0 [2].
- Tests with each value of the parameter and of the capability [5].

Patches 1 to {count} are that, and stand alone: they build and work without the
rest.  The remaining code patches add messages, each part with a feature
bit of its own.

In the kernel or in user space?  In review it was said that what can have
shared code across all operating systems does not belong in the kernel [6],
and that the calls are not performance critical [7].

- Port access from ring 3, RDPMC, hypercalls and L2's calls need KVM in any
  case, if they are not to be for all VMs of a host.
- The vCPU's TSC rate, the APIC timer's clock, x2APIC and the time that a
  vCPU has waited are what KVM knows.
- Identity, GuestRPC and guestinfo a VMM can do: without the features KVM
  sends all of it to user space, as today, and with EXIT_RPC it leaves all
  messages but three to the VMM.  What KVM has to offer there is one
  implementation, and one format for migration, for VMMs that have neither.

In instructions on an emulated AMD processor, which counts them the same on
every run, with Linux 6.12, and enable_vmware_backdoor where ring 3 goes to
QEMU:

                                         this series       without
{table}

QEMU's handler reads and writes all of the vCPU's registers.  The VMM of the
second line has them in memory that it shares with KVM, and makes no other
system call, so that is what to compare with.

Tested in emulators, with both values of enable_vmware_backdoor: the
selftests of the series and KVM's own with {version} on kvm-amd, where
kvm-intel was only built, and with 6.12 on kvm-amd and kvm-intel.  Not
tested on hardware.

Based on {version}, with the next free numbers of it for the capability, the
ioctls and the exit.

[1] https://lore.kernel.org/all/20241030033514.1728937-1-zack.rusin@broadcom.com/
[2] https://lore.kernel.org/all/20250422161304.579394-1-zack.rusin@broadcom.com/
[3] https://lore.kernel.org/all/c60b32a3-e699-4a8c-8d52-09b34c4d5269@redhat.com/
[4] https://lore.kernel.org/all/aIEkrc7Mdf2ia1Mm@google.com/
[5] https://lore.kernel.org/all/aIEoNpe-LFoH6LBm@google.com/
[6] https://lore.kernel.org/all/e3f943a7-a40a-45cb-b0d9-e3ed58344d8b@redhat.com/
[7] https://lore.kernel.org/all/CADH9ctD1uf_yBA3NXNQu7TJa_TPhLRN=0YZ3j2gGhgmaFRdCFg@mail.gmail.com/"""


class Refused(Exception):
    """With a line that says what is not as expected."""


def author(name, email):
    """Nothing, where they are somebody's."""
    if not name or not email:
        raise Refused("a series needs an author: set git config user.name and user.email")
    if PLACEHOLDER_NAME.search(name.strip()) or PLACEHOLDER_EMAIL.search(email.strip()):
        raise Refused(f"{name} <{email}> is nobody who can sign off: set git config user.name "
                      "and user.email to your own")


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
        raise Refused(f"{path} has {old.strip()!r} {text.count(old)} times and not once:"
                      " change series.py")
    return text.replace(old, new)


def engine(top, directory):
    """The engine's files that are there, from the Makefile that builds them in user space."""
    makefile = read(os.path.join(top, "tools/testing/vmport/Makefile"))
    names = re.search(r"(?m)^engine\s*:=((?:[^\\\n]|\\\n)*)$", makefile)[1].replace("\\\n", " ")
    found = set()
    wanted = [stages.VMPORT + name + ".c" for name in names.split()]
    while wanted:
        path = wanted.pop()
        if path in found or not os.path.isfile(os.path.join(directory, path)):
            continue
        found.add(path)
        includes = re.findall(r'(?m)^#include "([\w.]+)"', read(os.path.join(directory, path)))
        wanted += [stages.VMPORT + name for name in includes]
    return found


def take(top, directory, repository, stage, *patterns):
    """Copy what matches; a pattern that matches nothing is a mistake."""
    directory = os.path.join(directory, stage)
    files = stages.read_all(directory)
    left_out = [pattern[1:] for pattern in patterns if pattern.startswith("!")]
    for pattern in patterns:
        if pattern.startswith("!"):
            continue
        matching = engine(top, directory) if pattern == "@engine" else \
            fnmatch.filter(files, pattern)
        if not matching and "/lib/" not in pattern:
            raise Refused(f"no file of stage {stage} matches {pattern}: change make-series.sh")
        for path in matching:
            if any(fnmatch.fnmatch(path, other) for other in left_out):
                continue
            write(os.path.join(repository, path), files[path])


def programs(repository):
    """Every test that is there and not in its Makefile; KVM's lists are sorted by name."""
    folder = os.path.join(repository, "tools/testing/selftests/kvm")
    path = os.path.join(folder, "Makefile.kvm")
    text = read(path)
    lists = {"TEST_GEN_PROGS_x86": "x86/vmport_*_test.c",
             "TEST_GEN_PROGS_EXTENDED_x86": "x86/vmport_bench.c", "LIBKVM_x86": "lib/x86/vmport*"}
    for name, pattern in lists.items():
        for source in sorted(glob.glob(os.path.join(folder, pattern))):
            program = os.path.relpath(source, folder)
            line = f"{name} += {program if name.startswith('LIB') else program[:-2]}\n"
            if line in text or source.endswith(".h"):
                continue
            before = [entry for entry in re.findall(rf"(?m)^{name} \+= x86/.*\n|^{name} \+= lib/.*\n",
                                                    text) if entry < line]
            if not before:
                raise Refused(f"{path} has no {name}: change series.py")
            text = replace_once(text, before[-1], before[-1] + line, path)
    write(path, text)


def git(repository, *arguments):
    return subprocess.run(["git", "-C", repository, *arguments], check=True,
                          stdout=subprocess.PIPE).stdout.decode()


def check_files(final, repository):
    """The series' files are what they are to be, and each comes with one patch."""
    files = stages.read_all(final)
    there = set(git(repository, "ls-tree", "-r", "--name-only", "HEAD").split("\n")) - {""}
    before = set(git(repository, "ls-tree", "-r", "--name-only", "base").split("\n")) - {""}
    if there - before != set(files):
        odd = sorted((there - before) ^ set(files))
        raise Refused(f"in the series or in the repository alone: {' '.join(odd)}")
    for path, text in files.items():
        if git(repository, "show", f"HEAD:{path}") != text:
            raise Refused(f"{path} is not at the end of the series what it is to be")
        added = git(repository, "log", "--format=%h", "--diff-filter=A", "base..HEAD", "--", path)
        if len(added.split()) != 1:
            raise Refused(f"{path} comes with {len(added.split())} patches")


def check_hooks(top, kernel, repository):
    """KVM's own code is what patches/ make of it, but for the number of the request."""
    version = git(repository, "log", "-1", "--format=%s", "base").split("v")[-1]
    series = ".".join(version.split(".")[:2])
    with tempfile.TemporaryDirectory() as folder:
        archive = subprocess.run(["git", "-C", repository, "archive", "base"], check=True,
                                 stdout=subprocess.PIPE).stdout
        subprocess.run(["tar", "-x", "-C", folder], check=True, input=archive)
        for patch in sorted(glob.glob(os.path.join(top, "patches", series, "*.patch"))):
            with open(patch, "rb") as file:
                subprocess.run(["patch", "-s", "-p1", "-d", folder], check=True, stdin=file)
        host = os.path.join(folder, "arch/x86/include/asm/kvm_host.h")
        write(host, re.sub(r"(?m)^/\* The highest there can be[^\n]*\n#define KVM_REQ_VMPORT_EXIT.*\n",
                           "", read(host)))
        upstream.edit(kernel, "request", folder)
        for name in git(repository, "ls-tree", "-r", "--name-only", "base", "arch").split():
            if git(repository, "show", f"HEAD:{name}") != read(os.path.join(folder, name)):
                raise Refused(f"{name} is not what patches/{series} make of it")


def forbidden(top):
    """What means nothing to a reader of the kernel."""
    targets = re.search(r"(?m)^\.PHONY: (.*)$", read(os.path.join(top, "Makefile")))[1].split()
    return re.compile(r"\bmake (?:-C \S+ )?(?:" + "|".join(targets) + r")\b|Debian|\bdistro"
                      r"|\bdistributions?\b|scripts/(?:suite|lane|setup|release)/|kvm-vmport"
                      r"|provisional|\bcompat\.h|\*\*\* ", re.I)


PATH = re.compile(r"(?<![\w/$.<-])((?:arch|Documentation|include|samples|tools|packaging|vmm|patches)/"
                  r"[\w./-]*vmport[\w./-]*)")


def check_words(top, repository, patches):
    """No text of a patch names what is not in the kernel."""
    words = forbidden(top)
    there = git(repository, "ls-tree", "-r", "-t", "--name-only", "HEAD").split("\n")
    for patch in sorted(glob.glob(os.path.join(patches, "*.patch"))):
        text = read(patch)
        name = os.path.basename(patch)
        head = text.split("\ndiff --git ")[0]
        lines = head.split("\n") + re.findall(r"(?m)^\+(?!\+\+ )(.*)$", text)
        for line in lines:
            found = words.search(line)
            if found and not line.startswith(("From: ", "Signed-off-by: ", "M:\t")):
                raise Refused(f"{name} says {found[0]!r}: {line.strip()}")
            for path in PATH.findall(line):
                path = path.rstrip("./")
                if not any(entry.startswith(path) for entry in there):
                    raise Refused(f"{name} names {path}, which is not in the series")


def check_subjects(repository):
    for subject in git(repository, "log", "--format=%s", "base..HEAD").strip().split("\n"):
        if not re.match(r"(KVM: (x86|SVM|VMX|selftests)|Documentation: KVM|MAINTAINERS): [A-Z]",
                        subject) or len(subject) > 75 or subject.endswith("."):
            raise Refused(f"a subject is not as KVM x86's maintainers want it: {subject}")


def check(top, kernel, final, repository, patches):
    check_files(final, repository)
    check_hooks(top, kernel, repository)
    check_words(top, repository, patches)
    check_subjects(repository)


def maintainers(path, name, email):
    entry = ENTRY.format(name=name, email=email)
    write(path, replace_once(read(path), NEXT_ENTRY, "\n" + entry + NEXT_ENTRY[1:], path))


def chart_figures(path):
    """Label to figure, as printed, of the chart that bench.py makes."""
    texts = [html.unescape(text) for text in re.findall(r"<text [^>]*>([^<]*)</text>", read(path))]
    return {label: figure for label, figure in zip(texts, texts[1:])
            if re.fullmatch(r"[\d,.]+", figure)}


def cost_table(chart):
    figures = chart_figures(chart)
    missing = [label for _, *labels, _ in COSTS for label in labels if label not in
               (None, *figures)]
    if missing:
        raise Refused(f"{chart} has no figure for {missing[0]}: run make bench")
    lines = []
    for name, ours, theirs, who in COSTS:
        columns = f"{figures.get(ours, ''):>12}{figures.get(theirs, ''):>14}"
        lines.append(f"  {name:<38}{columns} {who}".rstrip())
    return "\n".join(lines)


def cover(path, version, count, chart):
    text = replace_once(read(path), "*** SUBJECT HERE ***", SUBJECT, path)
    blurb = BLURB.format(version=version, count=count, table=cost_table(chart))
    write(path, replace_once(text, "*** BLURB HERE ***", blurb, path))


ACTIONS = {"author": (author, 2), "take": (take, 5), "programs": (programs, 1),
           "maintainers": (maintainers, 3), "cover": (cover, 4), "check": (check, 5)}


def main(arguments):
    action, rest = (arguments[0], arguments[1:]) if arguments else ("", [])
    try:
        if action == "hunks" and len(rest) == 3:
            print(hunks(read(rest[0]), *rest[1:]), end="")
            return
        if action not in ACTIONS or len(rest) < ACTIONS[action][1] or \
                (action != "take" and len(rest) > ACTIONS[action][1]):
            sys.exit(__doc__)
        ACTIONS[action][0](*rest)
    except Refused as error:
        if action == "author":
            print(error)
            sys.exit(1)
        sys.exit(f"error: {error}")
    except OSError as error:
        sys.exit(f"error: {error.filename}: {error.strerror}")


if __name__ == "__main__":
    main(sys.argv[1:])
