#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Tests of what make-series.sh is made of: who signs, the stages of the code, its checks; and
that the series for QEMU's versions say the same.  TAP.

They need no kernel and no QEMU.  make-series.sh itself checks the whole series that it has made.
"""
import glob
import os
import re
import subprocess
import sys
import tempfile
import unittest

from test_scripts import SCRIPTS, Tests
# pylint: disable=wrong-import-position
import api
import series
import stages
import upstream

TOP = os.path.join(SCRIPTS, "..")
VMPORT = stages.VMPORT


def our_files():
    """The files of the series, as they are at its end, but for a kernel's numbers."""
    files = {}
    for name in upstream.series_files(TOP):
        text = upstream.read(os.path.join(TOP, name))
        if name == upstream.HEADER:
            files[upstream.UAPI] = upstream.code(upstream.header(text))
        else:
            files[name] = upstream.code(text) if name.endswith((".c", ".h")) else text
    return files


class Costs(unittest.TestCase):
    def test_figures(self):
        """series: the cover letter's figures are those of the chart"""
        table = series.cost_table(os.path.join(TOP, "Documentation/virt/kvm/x86/vmport-bench.svg"))
        self.assertRegex(table, r"GETVERSION, ring 0 +[\d,]+ +[\d,]+ \(QEMU\)")

    def test_missing(self):
        """series: a chart that lacks a figure is named, and what to do"""
        with tempfile.NamedTemporaryFile("w", suffix=".svg") as chart:
            chart.write('<text x="1">ring 0, this</text><text x="2">1,149</text>')
            chart.flush()
            with self.assertRaisesRegex(series.Refused, "no figure for .*: run make bench"):
                series.cost_table(chart.name)


class Author(unittest.TestCase):
    def test_somebody(self):
        """series: a name and an address can sign off"""
        for name, email in (("A. Nother", "a@kernel.org"), ("Zoë B", "zoe+kvm@mail.example-inc.de")):
            series.author(name, email)

    def test_nobody(self):
        """series: no name, no address or a placeholder is refused"""
        for name, email in (("", "a@b.de"), ("A B", ""), ("root", "a@b.de"), ("A B", "root@b.de"),
                            ("Some Maintainers", "a@b.de"), ("A B", "1+a@users.noreply.github.com"),
                            ("A B", "a@b.example"), ("A B", "a@example.com"),
                            ("A B", "a@localhost"), ("Your Name", "you@b.de"),
                            ("A B", "a@b.(none)")):
            with self.assertRaises(series.Refused, msg=f"{name} <{email}>"):
                series.author(name, email)

    def run_script(self, name, email):
        with tempfile.TemporaryDirectory() as folder:
            environment = {**os.environ, "BUILD": folder, "KVM_VMPORT_CACHE": folder,
                           "GIT_CONFIG_COUNT": "2", "GIT_CONFIG_KEY_0": "user.name",
                           "GIT_CONFIG_VALUE_0": name, "GIT_CONFIG_KEY_1": "user.email",
                           "GIT_CONFIG_VALUE_1": email}
            return subprocess.run([os.path.join(SCRIPTS, "release/make-series.sh")],
                                  env=environment, stdout=subprocess.PIPE, check=False,
                                  stderr=subprocess.STDOUT, universal_newlines=True)

    def test_script(self):
        """make-series.sh: without an author it ends with one line, before it fetches anything"""
        for name, email, says in (("", "", "needs an author"),
                                  ("kvm-vmport maintainers", "a@b.de", "nobody who can sign off")):
            done = self.run_script(name, email)
            self.assertEqual(done.returncode, 1)
            self.assertRegex(done.stdout, f"^error: [^\n]*{says}[^\n]*\n$")


class Stages(unittest.TestCase):
    HEAD = "// SPDX\n#include <linux/x.h>\n#include \"hb.h\"\n\n"

    def cut(self, text, stage="state", name="exit.c"):
        files = {VMPORT + name: text, VMPORT + "hb.h": "int vmport_hb_move(void);\n"}
        return stages.stage_files(files, stage)[VMPORT + name]

    def expect(self, before, after, **options):
        self.assertEqual(self.cut(before, **options), after)

    def test_whole(self):
        """stages: after the last one nothing is left out"""
        self.expect(self.HEAD + "int f(void)\n{\n\treturn vmport_hb_move();\n}\n",
                    self.HEAD + "int f(void)\n{\n\treturn vmport_hb_move();\n}\n", stage="steal")

    def test_statements(self):
        """stages: includes, fields with their comment, statements and initialisers go"""
        self.expect(self.HEAD + "/**\n * struct a - a\n * @b: one\n * @no_hb: two\n *\tlines\n */\n"
                    "struct a {\n\tbool b;\n\tbool no_hb;\n};\n\n"
                    "void f(struct a *a)\n{\n\t*a = (struct a) {\n\t\t.b = true,\n"
                    "\t\t/* why */\n\t\t.no_hb = true,\n\t};\n\ta->no_hb = false;\n\tg();\n}\n",
                    "// SPDX\n#include <linux/x.h>\n\n/**\n * struct a - a\n * @b: one\n */\n"
                    "struct a {\n\tbool b;\n};\n\n"
                    "void f(struct a *a)\n{\n\t*a = (struct a) {\n\t\t.b = true,\n\t};\n\tg();\n}\n")

    def test_conditions(self):
        """stages: what is not there is false in a condition, and its opposite true"""
        for before, after in (
                ("if (a || vmport_hb_move())\n\t\tb();", "if (a)\n\t\tb();"),
                ("if (!vmport_hb_move() && a)\n\t\tb();", "if (a)\n\t\tb();"),
                ("if (a && vmport_hb_move())\n\t\tb();\n\tc();", "c();"),
                ("if (vmport_hb_move())\n\t\tb();\n\telse\n\t\tc();", "c();"),
                ("if (a || (b && vmport_hb_move()) || c)\n\t\td();", "if (a || c)\n\t\td();"),
                ("return a || vmport_hb_move();", "return a;"),
                ("return a && vmport_hb_move();", "return false;"),
                ("return vmport_hb_move() ? a : b;", "return b;"),
                ("for (i = 0; i < N(x); i++) {\n\t\tb();\n\t}\n\treturn 0;",) * 2):
            self.expect("bool f(void)\n{\n\t" + before + "\n}\n",
                        "bool f(void)\n{\n\t" + after + "\n}\n")

    def test_dead(self):
        """stages: what only served what is left out goes too, and unused locals"""
        self.expect("#define ONE 1\n\nstatic int g(void)\n{\n\treturn ONE;\n}\n\n"
                    "void f(void)\n{\n\tint r, s;\n\n\tr = vmport_hb_move() + g();\n\ts = 2;\n}\n",
                    "void f(void)\n{\n\tint s;\n\n\ts = 2;\n}\n")

    def test_parameters(self):
        """stages: a parameter goes from the function and from its calls"""
        self.expect("bool f(int a, bool no_hb)\n{\n\treturn a;\n}\n\nbool g(void)\n{\n"
                    "\treturn f(1, h(2));\n}\n",
                    "bool f(int a)\n{\n\treturn a;\n}\n\nbool g(void)\n{\n\treturn f(1);\n}\n")

    def test_refused(self):
        """stages: an error number that would become a boolean stops it"""
        with self.assertRaises(SystemExit) as raised:
            self.cut("int f(void)\n{\n\tif (a)\n\t\treturn vmport_hb_move();\n\treturn 0;\n}\n")
        self.assertIn("f() ends with what is not there yet", str(raised.exception))

    def test_makefile(self):
        """stages: objects without a source go from the Makefile"""
        files = {VMPORT + "Makefile": "kvm-$(X) += vmport/a.o vmport/hb.o \\\n\t\tvmport/b.o\n",
                 VMPORT + "hb.c": "", VMPORT + "a.c": "", VMPORT + "b.c": ""}
        self.assertEqual(stages.stage_files(files, "state")[VMPORT + "Makefile"],
                         "kvm-$(X) += vmport/a.o vmport/b.o\n")


class OurFiles(unittest.TestCase):
    files = our_files()

    def test_patterns(self):
        """stages: every pattern of a file matches one, in one stage"""
        names = [name[len(VMPORT):] for name in self.files if name.startswith(VMPORT)]
        for _, patterns in stages.FILES:
            for pattern in patterns:
                self.assertTrue(series.fnmatch.filter(names, pattern), pattern)

    def test_base(self):
        """stages: the base has no file and no name of messages, and no header is missing"""
        for stage in stages.STAGES:
            after = stages.stage_files(self.files, stage)
            for path, text in after.items():
                if not path.startswith(VMPORT):
                    continue
                for include in re.findall(r'(?m)^#include "(?:vmport/)?([\w.]+)"', text):
                    self.assertFalse(VMPORT + include in self.files and
                                     VMPORT + include not in after, f"{stage}: {path}: {include}")
        base = stages.stage_files(self.files, "base")
        for path, text in base.items():
            if path.startswith(VMPORT) and path.endswith(".c"):
                code = stages.ctext.strip_comments(text)
                self.assertIsNone(re.search(r"guestinfo|channel|rpci|tclo|steal|vmport_state|_RPC\b",
                                            code), path)

    def test_end(self):
        """stages: after the last one the code is the repository's"""
        self.assertEqual(stages.stage_files(self.files, "steal"), self.files)

    def test_engine(self):
        """stages: after each one the engine compiles in user space"""
        unit = os.path.join(TOP, "tools/testing/vmport")
        for stage in stages.STAGES:
            with tempfile.TemporaryDirectory() as folder:
                for path, text in stages.stage_files(self.files, stage).items():
                    stages.write(os.path.join(folder, path), text)
                    if path == upstream.UAPI:
                        stages.write(os.path.join(folder, "include/uapi/asm/kvm_vmport.h"), text)
                # What the series puts into <linux/kvm.h>.
                exits = os.path.join(folder, "exit.h")
                stages.write(exits, "#include <linux/types.h>\n" + upstream.exit_structure(
                    upstream.read(os.path.join(TOP, upstream.HEADER))))
                sources = [os.path.join(folder, path) for path in series.engine(TOP, folder)
                           if path.endswith(".c")]
                self.assertTrue(sources)
                done = subprocess.run(
                    ["gcc", "-std=gnu11", "-fsyntax-only", "-include", exits, "-Wall", "-Werror", "-Wno-pointer-sign",
                     "-D_GNU_SOURCE", "-Dkzalloc_obj(_o, _gfp)=kzalloc(sizeof(_o), _gfp)",
                     "-Dkvmalloc_obj(_o, _gfp)=kvmalloc(sizeof(_o), _gfp)", "-I" + unit, "-I" + unit + "/shim", "-I" + folder + "/include",
                     *sources], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
                    universal_newlines=True)
                self.assertEqual(done.returncode, 0, f"{stage}: {done.stdout}")

    def test_upstream(self):
        """upstream: no compat header, provisional number or accessor is left"""
        for path, text in self.files.items():
            self.assertNotRegex(path, "compat")
            if path.endswith((".c", ".h")):
                self.assertIsNone(re.search(r"compat\.h|provisional|kvm_run_vmport|LINUX_VERSION_CODE"
                                            r"|linux/kvm_vmport\.h", text), path)


class Upstream(unittest.TestCase):
    KERNEL = {
        upstream.KVM_H: "#define KVM_EXIT_A               7\n"
                        "#define KVM_CAP_A 41\n#define KVM_CAP_B 40\n"
                        "#define KVM_A _IO(KVMIO, 0x20)\n#define KVM_B _IO(KVMIO,  0xe1)\n"
                        "/* for KVM_RUN, returned by mmap(vcpu_fd, offset=0) */\n"
                        "struct kvm_run {\n\tunion {\n\t\t/* Fix the size of the union. */\n\t};\n};\n"
                        "\n#endif /* __LINUX_KVM_H */\n",
        upstream.TRACE_H: "#define kvm_trace_exit_reason\t\\\n\tERSN(A),\t\\\n\tERSN(B), ERSN(C)\n",
        "arch/x86/include/asm/kvm_host.h": "#define KVM_REQ_A KVM_ARCH_REQ(3)\n\n#define INVALID_PAGE 0\n",
        upstream.API_RST: "4.9 KVM_A\n\n.. _kvm_run:\n\n5. The kvm_run structure\n"
                          "\n.. _cap_enable:\n\n7.5 KVM_CAP_A\n\n8. Other capabilities.\n",
    }

    def test_numbers(self):
        """upstream: the numbers are the next free ones of the kernel, and stay so in each stage"""
        with tempfile.TemporaryDirectory() as kernel, tempfile.TemporaryDirectory() as copy:
            for path, text in self.KERNEL.items():
                upstream.write(os.path.join(kernel, path), text)
                upstream.write(os.path.join(copy, path), text)
            for stage in ("base", "rpc", "request", "state", "hb", "steal", "page"):
                upstream.edit(kernel, stage, copy)
            text = upstream.read(os.path.join(copy, upstream.KVM_H))
            for line in ("#define KVM_CAP_X86_VMPORT 42\n", "#define KVM_EXIT_VMPORT           8\n",
                         "KVM_GET_VMPORT_ATTR\t_IOWR(KVMIO, 0x21,", "KVM_SET_VMPORT_ATTR\t_IOWR(KVMIO, 0x22,",
                         "KVM_GET_VMPORT_STATE\t_IOWR(KVMIO, 0x23,",
                         "KVM_SET_VMPORT_STATE\t_IOWR(KVMIO, 0x24,",
                         "\t\tstruct kvm_vmport_exit vmport;\n", "struct kvm_vmport_exit {\n"):
                self.assertEqual(text.count(line), 1, line)
            self.assertIn("KVM_ARCH_REQ(4)\n",
                          upstream.read(os.path.join(copy, "arch/x86/include/asm/kvm_host.h")))
            self.assertIn("ERSN(B), ERSN(C),\t\\\n\tERSN(VMPORT)\n",
                          upstream.read(os.path.join(copy, upstream.TRACE_H)))
            rst = upstream.read(os.path.join(copy, upstream.API_RST))
            for line in ("4.10 KVM_GET_VMPORT_ATTR\n", "4.11 KVM_SET_VMPORT_ATTR\n",
                         "4.12 KVM_GET_VMPORT_STATE\n", "4.13 KVM_SET_VMPORT_STATE\n",
                         "7.6 KVM_CAP_X86_VMPORT\n", "/* KVM_EXIT_VMPORT */",
                         "\nKVM_VMPORT_FEATURE_STEALCLOCK "):
                self.assertEqual(rst.count(line), 1, line)

    def test_changed(self):
        """upstream: a text of the kernel that is not as expected is an error"""
        with self.assertRaises(ValueError):
            api.add("nothing", "base", type("Numbers", (), {"section": {4: 1, 7: 1}}))

    def test_documentation(self):
        """upstream: sentences about this repository go, and the paragraphs around them stay"""
        before = "One.  ``make bench`` measures it.  Two goes\non.\n\n* a\n* samples/vmport: b\n* c"
        parts = [upstream.without_sentences(part) for part in before.split("\n\n")]
        self.assertEqual(parts, ["One.  Two goes on.", "* a\n* c"])


class Check(unittest.TestCase):
    """A series of two patches."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.repository = os.path.join(folder.name, "repository")
        self.final = os.path.join(folder.name, "final")
        self.patches = os.path.join(folder.name, "patches")
        self.git("init", "-q", self.repository)
        self.commit("Linux v1", {"arch/a.c": "1\n"})
        self.git("-C", self.repository, "tag", "base")

    def git(self, *arguments):
        subprocess.run(["git", "-c", "user.name=A", "-c", "user.email=a@b.de", *arguments],
                       check=True, stdout=subprocess.DEVNULL)

    def commit(self, message, files):
        for path, text in files.items():
            series.write(os.path.join(self.repository, path), text)
        self.git("-C", self.repository, "add", "-A")
        self.git("-C", self.repository, "commit", "-q", "-s", "-m", message)

    def add(self, message, **files):
        self.commit(message, {"arch/vmport/" + name + ".c": text for name, text in files.items()})
        for name, text in files.items():
            series.write(os.path.join(self.final, "arch/vmport", name + ".c"), text)

    def words(self):
        self.git("-C", self.repository, "format-patch", "-q", "-o", self.patches, "base")
        series.check_words(TOP, self.repository, self.patches)

    def test_files(self):
        """series check: each file comes once, and is at the end what it is to be"""
        self.add("KVM: x86: A", one="1\n")
        self.add("KVM: x86: B", two="2\n", one="3\n")
        series.check_files(self.final, self.repository)
        series.write(os.path.join(self.final, "arch/vmport/one.c"), "4\n")
        with self.assertRaises(series.Refused):
            series.check_files(self.final, self.repository)

    def test_forgotten(self):
        """series check: a file that no patch has, or that is not the series', is found"""
        self.add("KVM: x86: A", one="1\n")
        series.write(os.path.join(self.final, "arch/vmport/forgotten.c"), "")
        with self.assertRaisesRegex(series.Refused, "forgotten"):
            series.check_files(self.final, self.repository)
        os.remove(os.path.join(self.final, "arch/vmport/forgotten.c"))
        self.commit("KVM: x86: B", {"arch/odd.c": ""})
        with self.assertRaisesRegex(series.Refused, "odd"):
            series.check_files(self.final, self.repository)

    def test_words(self):
        """series check: a patch may name what the kernel has, in message and text"""
        self.add("KVM: x86: A\n\nSee arch/vmport/one.c.", one="/* arch/vmport/one.c; make it */\n")
        self.words()

    def test_bad_words(self):
        """series check: targets, distributions and files of this repository are found"""
        for number, text in enumerate(("as make lane shows", "Debian's", "a distribution's",
                                       "see scripts/suite/test.sh", "tools/virt/vmport/state",
                                       "samples/vmport", "include \"compat.h\"")):
            self.add(f"KVM: x86: A{number}", **{f"file{number}": f"/* {text} */\n"})
            with self.assertRaises(series.Refused, msg=text):
                self.words()
            self.git("-C", self.repository, "reset", "-q", "--hard", "base")
        self.add("KVM: x86: A\n\nAs make unit shows.", one="1\n")
        with self.assertRaises(series.Refused):
            self.words()

    def test_subjects(self):
        """series check: subjects are KVM x86's"""
        self.add("KVM: x86: Add it", one="1\n")
        series.check_subjects(self.repository)
        for number, subject in enumerate(("KVM: x86/vmport: Add", "x86/kvm: Add", "KVM: x86: add",
                                          "KVM: x86: Add.")):
            self.add(subject, one=f"{number + 2}\n")
            with self.assertRaises(series.Refused, msg=subject):
                series.check_subjects(self.repository)
            self.git("-C", self.repository, "reset", "-q", "--hard", "HEAD~1")


class QemuSeries(unittest.TestCase):
    """vmm/qemu is the series; the folder of another version has the patches that differ."""
    OURS = os.path.join(TOP, "vmm/qemu")
    OTHERS = sorted(glob.glob(OURS + "-[0-9]*"))
    # How paths begin that QEMU keeps elsewhere in the other version: a folder for each target.
    MOVED = ("tests/functional/test_x86_64_", "tests/functional/x86_64/test_")
    HUNK = re.compile(r"@@ -(\d+)(?:,\d+)? \+\d+(?:,\d+)? @@")

    @staticmethod
    def patches(paths):
        return {os.path.basename(path): upstream.read(path) for path in sorted(paths)}

    def folder(self, folder):
        return self.patches(glob.glob(os.path.join(folder, "*.patch")))

    def series(self, version):
        with tempfile.TemporaryDirectory() as directory:
            return self.patches(subprocess.run(
                ["sh", "-c", '. "$top/scripts/lib.sh"; qemu_patches "$1"', "sh", version],
                env={**os.environ, "top": TOP, "BUILD": directory, "KVM_VMPORT_CACHE": directory},
                check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines())

    def patched(self, lines, part, where):
        """The lines of a file after the part of a patch that changes it.  Lines may not move."""
        new, taken = [], 0
        for hunk in re.split(r"^(?=@@ )", part, flags=re.M)[1:]:
            head, *body = hunk.splitlines()
            start = max(int(self.HUNK.match(head).group(1)) - 1, 0)
            new += lines[taken:start]
            taken = start
            for line in body:
                if line[:1] in (" ", "-"):
                    self.assertEqual(lines[taken], line[1:], where)
                    taken += 1
                if line[:1] in (" ", "+"):
                    new.append(line[1:])
        return new + lines[taken:]

    def added(self, patches):
        """The files that a series adds, as they are at its end."""
        files = {}
        for name, patch in sorted(patches.items()):
            for part in re.split(r"^(?=diff --git )", patch, flags=re.M)[1:]:
                path = re.match(r"diff --git a/(\S+) b/\1\n", part).group(1)
                if "\nnew file mode " in part.split("\n@@ ")[0]:
                    files[path] = []
                if path in files:
                    files[path] = self.patched(files[path], part, f"{name}: {path}")
        return files

    def test_numbers(self):
        """QEMU's series: each is numbered from 1 to its end, and names say the same"""
        for version in ["10.0", *(folder.rpartition("-")[2] for folder in self.OTHERS)]:
            patches = self.series(f"1:{version}.7+ds-1")
            self.assertEqual(patches, self.series(version))
            self.assertGreater(len(patches), 10)
            for number, (name, patch) in enumerate(sorted(patches.items()), 1):
                self.assertEqual(name[:5], f"{number:04}-")
                self.assertIn(f"\nSubject: [PATCH {number:02}/{len(patches)}] ", patch, name)

    def test_no_series(self):
        """QEMU's series: for a version without a folder there is none"""
        for version in ("1:9.2.1+ds-1", "1:1.10.0+ds-1", "10", "libvirt", "10.99"):
            self.assertEqual(self.series(version), {}, version)

    def test_same_subjects(self):
        """QEMU's series: a patch for another version has the message of the one it is for"""
        self.assertTrue(self.OTHERS)
        message = re.compile(r"^Subject: .*?^---$", re.M | re.S)
        ours = self.folder(self.OURS)
        for folder in self.OTHERS:
            for name, patch in self.folder(folder).items():
                self.assertIn(name, ours)
                self.assertEqual(message.search(patch).group(), message.search(ours[name]).group())
                self.assertNotEqual(patch, ours[name], f"{name} does not differ: remove it")

    def test_same_files(self):
        """QEMU's series: the files that they add are the same"""
        ours = self.added(self.series("10.0"))
        self.assertGreater(len(ours), 10)
        for folder in self.OTHERS:
            theirs = self.added(self.series(folder.rpartition("-")[2]))
            for path, lines in ours.items():
                other = path if path in theirs else path.replace(*self.MOVED)
                self.assertIn(other, theirs, folder)
                self.assertEqual(lines, theirs.pop(other), f"{folder}: {other}")
            self.assertEqual(list(theirs), [], folder)


if __name__ == "__main__":
    with open(os.devnull, "w", encoding="utf-8") as nowhere:
        runner = unittest.TextTestRunner(stream=nowhere, resultclass=Tests)
        outcome = unittest.main(testRunner=runner, exit=False).result
    sys.exit(not outcome.wasSuccessful())
