#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Tests of what the scripts do in Python.  TAP."""
import hashlib
import io
import json
import os
import subprocess
import sys
import tempfile
import threading
import unittest

SCRIPTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")

sys.dont_write_bytecode = True
for folder in ("lane", "release", "suite"):
    sys.path.insert(0, os.path.join(SCRIPTS, folder))
# pylint: disable=wrong-import-position
import diagram
import fuzz_states
import qmp
import references
import series
import steps
import tap

GREETING = '{"QMP": {"version": {}, "capabilities": []}}\r\n'


class FakeQemu:
    """Answers on a pair of pipes what a script of lines says: None is the request's answer."""

    def __init__(self, path, *script):
        self.path, self.script = path, script
        self.requests = []
        for end in (".in", ".out"):
            os.mkfifo(path + end)
        # As QEMU opens them.
        self.inward = open(path + ".in", "rb+", buffering=0)
        self.outward = open(path + ".out", "rb+", buffering=0)
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def say(self, text):
        self.outward.write(text.encode())

    def run(self):
        for line in self.script:
            if callable(line):
                request = json.loads(self.inward.readline())
                self.requests.append((request["execute"], request["arguments"]))
                self.say(line(request["id"]))
            else:
                self.say(line)

    def end(self):
        self.thread.join()
        self.inward.close()
        self.outward.close()


def returns(value, before="", after=""):
    """The answer to a request, between other lines."""
    return lambda number: (before + json.dumps({"return": value, "id": number}) + "\r\n" + after)


def event(name, **data):
    return json.dumps({"event": name, "data": data}) + "\r\n"


class Qmp(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.path = os.path.join(directory.name, "vm.qmp")

    def qemu(self, *script):
        """One that has greeted and answers these."""
        fake = FakeQemu(self.path, GREETING, returns({}), *script)
        self.addCleanup(fake.end)
        return fake

    def call(self, *arguments):
        """Standard output, and what is said of a failure."""
        process = subprocess.run([sys.executable, "-I", "-S", os.path.join(SCRIPTS, "lane/qmp.py"),
                                  self.path, *arguments], capture_output=True, text=True,
                                 timeout=60, check=False)
        self.assertEqual(process.returncode, 1 if process.stderr else 0)
        return process.stdout or process.stderr

    def test_greets_once_and_sends_arguments(self):
        """qmp: the first command greets, each has its arguments"""
        fake = self.qemu(returns({}), returns("a \"quoted\" value"))
        self.assertEqual(self.call("run", "cont"), "")
        self.assertEqual(self.call("run", "qom-get", '{"path": "/x"}'), 'a "quoted" value\n')
        fake.thread.join()
        self.assertEqual(fake.requests, [("qmp_capabilities", {}), ("cont", {}),
                                         ("qom-get", {"path": "/x"})])

    def test_format(self):
        """qmp: fields are found by name, at any depth, whatever else has that name"""
        self.qemu(returns({"ram": {"status": "no", "total": 7}, "status": "ok", "on": True}))
        self.assertEqual(self.call("run", "query-migrate", "", "{status} {on} {ram[total]}"),
                         "ok true 7\n")

    def test_missing_field(self):
        """qmp: a field that is not there is one line with the answer"""
        self.qemu(returns({"status": "ok"}))
        self.assertEqual(self.call("run", "query-status", "", "{running}"),
                         "qmp: {running}: 'running': the answer is {\"status\": \"ok\"}\n")

    def test_error(self):
        """qmp: QEMU's error is one line"""
        self.qemu(lambda number: json.dumps({"error": {"class": "GenericError", "desc": "no"},
                                             "id": number}) + "\r\n")
        self.assertEqual(self.call("run", "cont"), "qmp: vm.qmp: cont: no\n")

    def test_ended(self):
        """qmp: a migration is asked for until it has ended, however it ends"""
        fake = self.qemu(returns({}), returns({"status": "active"}), returns({"status": "failed"}))
        self.assertEqual(self.call("ended", "{status}"), "failed\n")
        fake.thread.join()
        self.assertEqual(fake.requests[1:], [("query-migrate", {})] * 3)

    def test_event_between(self):
        """qmp: an event before an answer is kept for who waits for it"""
        self.qemu(returns({}, before=event("OTHER", id=3) + event("RESULT", id=31, text="no") +
                          event("RESULT", id=3, text="\"event\": yes")))
        self.call("run", "cont")
        self.assertEqual(self.call("wait", "RESULT", "5", '{"id": 3}', "{text}"),
                         '"event": yes\n')

    def test_event_in_halves(self):
        """qmp: half an event behind an answer is read to its end"""
        whole = event("RESULT", id=3)
        self.qemu(returns({}, after=whole[:20]), whole[20:])
        self.call("run", "cont")
        self.assertEqual(self.call("wait", "RESULT", "5", "{}", "id {id}"), "id 3\n")

    def test_no_event(self):
        """qmp: an event that does not come is one line, in time"""
        self.qemu(returns({}))
        self.call("run", "cont")
        self.assertEqual(self.call("wait", "RESULT", "0.3", "{}", "x"),
                         "qmp: vm.qmp: QEMU does not answer in time\n")

    def test_late_answer(self):
        """qmp: the answer to another command is not taken for this one's"""
        self.qemu(returns("mine", before='{"return": "late", "id": "other"}\r\n'))
        self.assertEqual(self.call("run", "cont"), "mine\n")

    def test_gone(self):
        """qmp: a QEMU that has gone is one line, at once"""
        fake = self.qemu(returns({}))
        self.call("run", "cont")
        fake.end()
        self.assertEqual(self.call("run", "cont"), "qmp: vm.qmp: QEMU has gone\n")

    def test_no_qmp(self):
        """qmp: what is no QMP is one line that says so"""
        fake = FakeQemu(self.path, "QEMU 10.0 monitor\n")
        self.addCleanup(fake.end)
        self.assertEqual(self.call("run", "cont"), "qmp: vm.qmp: this is no QMP, is it another "
                         "monitor? b'QEMU 10.0 monitor'\n")

    def test_bad_arguments(self):
        """qmp: arguments that are no JSON object are one line"""
        self.qemu()
        self.assertTrue(self.call("run", "cont", "{").startswith(
            "qmp: the arguments are no JSON: {: "))
        self.assertEqual(self.call("run", "cont", "[]"),
                         "qmp: the arguments are no JSON object: []\n")

    def test_migrate(self):
        """qmp: a migration is asked about until it ends"""
        fake = self.qemu(returns({}), returns({}), returns({}), returns({"status": "active"}),
                         returns({"status": "failed"}))
        self.assertEqual(self.call("migrate", "/s", "{status}"), "failed\n")
        fake.thread.join()
        self.assertEqual(fake.requests[2], ("migrate", {"uri": "unix:/s"}))

    def test_migrate_with_capabilities(self):
        """qmp: a migration has the capabilities that are named, and no other"""
        fake = self.qemu(returns({}), returns({}), returns({}), returns({"status": "completed"}))
        self.assertEqual(self.call("migrate", "/s", "{status}", "return-path"), "completed\n")
        fake.thread.join()
        self.assertEqual(fake.requests[1], ("migrate-set-capabilities", {
            "capabilities": [{"capability": "return-path", "state": True}]}))

    def test_socket(self):
        """qmp: a socket that is not there is one line"""
        with self.assertRaisesRegex(qmp.Failed, "No such file or directory: is QEMU there"):
            qmp.connect(self.path)


class Steps(unittest.TestCase):
    PASSED = ("step 1: a\r\n  expected: 1\r\n  result:   ok\r\n@@STEPS PASS\r\n"
              "@@LOG clean\r\n")

    def call(self, text, status=0, tap_lines=True):
        """The lines that are shown, and the status."""
        with tempfile.TemporaryDirectory() as directory:
            path = os.path.join(directory, "transcript")
            process = subprocess.run(
                [sys.executable, os.path.join(SCRIPTS, "lane/steps.py"),
                 *(["--tap"] if tap_lines else []), "demo", path,
                 "sh", "-c", f"printf %s \"$1\"; exit {status}", "-", text],
                stdout=subprocess.PIPE, text=True, check=False)
            with open(path, newline="", encoding="utf-8") as file:
                self.assertEqual(file.read(), text)
        return process.stdout.splitlines(), process.returncode

    def test_passes(self):
        """steps: each is a test, and the last line says PASS"""
        lines, status = self.call(self.PASSED)
        self.assertEqual(lines[:4], ["# step 1: a", "#   expected: 1", "#   result:   ok",
                                     "ok - demo: a"])
        self.assertEqual((lines[-1], status), ("demo: PASS", 0))

    def test_people(self):
        """steps: people see the steps as they are, without marks"""
        lines, _ = self.call(self.PASSED, tap_lines=False)
        self.assertEqual(lines[:-2], ["step 1: a", "  expected: 1", "  result:   ok"])

    def verdict(self, text, status=0):
        lines, code = self.call(text, status)
        self.assertEqual(code, 1)
        return lines[-1]

    def test_failures(self):
        """steps: the last line says what failed"""
        self.assertEqual(self.verdict(self.PASSED, 124), "demo: FAIL: a")
        self.assertEqual(self.verdict(self.PASSED.replace("clean", "bad")),
                         "demo: FAIL: the host's kernel complained")
        self.assertEqual(self.verdict(""), "demo: FAIL: booting the host")
        self.assertEqual(self.verdict("step 1: a\n  result:   FAIL\n@@STEPS FAIL: a\n"),
                         "demo: FAIL: a")

    def test_hangs(self):
        """steps: one that does not end is a failed test and the reason"""
        lines, status = self.call("step 1: a\n  result:   ok\nstep 2: b\n", 124)
        self.assertIn("not ok - demo: b (it did not end)", lines)
        self.assertEqual((lines[-1], status), ("demo: FAIL: b", 1))

    def test_passes_too_early(self):
        """steps: the verdict needs the kernel's log"""
        self.assertEqual(self.verdict("step 1: a\n  result:   ok\n@@STEPS PASS\n"),
                         "demo: FAIL: a")

    def test_interrupted(self):
        """steps: a signal ends what was started, and is the reason"""
        with tempfile.TemporaryDirectory() as directory:
            process = subprocess.Popen(
                [sys.executable, os.path.join(SCRIPTS, "lane/steps.py"), "demo",
                 os.path.join(directory, "transcript"), "sh", "-c", "echo here; exec sleep 60"],
                stdout=subprocess.PIPE, text=True)
            process.stdout.readline()
            process.terminate()
            output, _ = process.communicate(timeout=30)
        self.assertEqual(output.splitlines()[-1], "demo: FAIL: interrupted")
        self.assertEqual(process.returncode, 1)


class Tap(unittest.TestCase):
    def merge(self, text):
        merger = tap.Merger(io.StringIO())
        for line in text.splitlines():
            merger.line(line)
        return merger.finish(), merger.out.getvalue().splitlines()

    def test_counts(self):
        """tap: results are numbered anew and counted"""
        self.assertEqual(self.merge("ok 7 - a\nok - b # SKIP no\nnot ok 1 c"),
                         (1, ["ok 1 - a", "ok 2 - b # SKIP no", "not ok 3 - c", "1..3",
                              "1 passed, 1 failed, 1 skipped"]))

    def test_none(self):
        """tap: no test at all is a failure"""
        self.assertEqual(self.merge("# nothing")[0], 1)

    def test_lane_that_ends(self):
        """tap: a lane that does not run to its end is a failed test"""
        self.assertIn("not ok 2 - the lane's script runs to its end",
                      self.merge("@@LANE\nok - a")[1])

    def as_tap(self, suite, how="suite"):
        """What a suite prints, and its status: a function in the shell of the scripts"""
        top = os.path.join(SCRIPTS, "..")
        with tempfile.TemporaryDirectory() as build:
            script = f"top={top}; . {top}/scripts/lib.sh; suite() {{ {suite}; }}; as_tap {how}"
            run = subprocess.run(
                ["sh", "-c", script, "test-it.sh"], env={**os.environ, "BUILD": build},
                capture_output=True, text=True, check=False)
        return run.returncode, run.stdout.splitlines()

    def test_suite_that_ends(self):
        """tap: a suite that ends in the middle has not passed"""
        for how in ("suite", "logged $build/log/it suite"):
            self.assertEqual(self.as_tap("echo ok - a; true; echo ok - b", how)[0], 0)
            for end in ("die it has", "false", "exit 3", "return 1"):
                status, lines = self.as_tap(f"echo ok - a; {end}; echo ok - b", how)
                self.assertEqual(status, 1)
                self.assertIn("not ok 2 - test-it.sh runs to its end", lines)
                self.assertNotIn("ok 2 - b", lines)


class Series(unittest.TestCase):
    HUNKS = ("@@ -1 +1,2 @@\n one\n+two\n", "@@ -9 +10,2 @@ f()\n nine\n+ten\n")
    A = "diff --git a/x/a.c b/x/a.c\nindex 1..2\n--- a/x/a.c\n+++ b/x/a.c\n"
    B = "diff --git a/x/b.h b/x/b.h\n--- a/x/b.h\n+++ b/x/b.h\n"
    PATCH = "Subject: two and ten\n\n" + A + "".join(HUNKS) + B + HUNKS[0]

    def test_hunks(self):
        """series: hunks are chosen by their file and their text"""
        one, two = self.HUNKS
        self.assertEqual(series.hunks(self.PATCH, r"\.h: ", ""), self.B + one)
        self.assertEqual(series.hunks(self.PATCH, "two", r"\.h: "), self.A + one)
        self.assertEqual(series.hunks(self.PATCH, ".", "nine"), self.A + one + self.B + one)
        self.assertEqual(series.hunks(self.PATCH, "ten", ""), self.A + two)
        self.assertEqual(series.hunks(self.PATCH, "eleven", ""), "")

    def test_maintainers(self):
        """series: the entry is put in once, before the one that follows it"""
        with tempfile.TemporaryDirectory() as directory:
            path = os.path.join(directory, "MAINTAINERS")
            series.write(path, "JFS\nS:\tMaintained\n\nKERNFS\n")
            series.main(["maintainers", path, "A", "a@b"])
            text = series.read(path)
            self.assertRegex(text, r"Maintained\n\nKERNEL VIRTUAL MACHINE FOR X86: VMW.*"
                                   r"\nM:\tA <a@b>\n(?s:.*)/vmport/\n\nKERNFS\n$")
            series.write(path, "JFS\n")
            with self.assertRaisesRegex(SystemExit, "has 'KERNFS' 0 times and not once"):
                series.main(["maintainers", path, "A", "a@b"])


class FuzzStates(unittest.TestCase):
    GOOD = ["# seed 3: 5 cases, 70 exits, 7 a second", "# seed 3: 9 cases, 90 exits, 8 a second",
            "@@FUZZED 0", "# seed 4: 1 cases, 10 exits, 8 a second", "@@FUZZED 0", "@@LOG clean"]

    def follow(self, lines):
        shown = []
        return (*fuzz_states.follow(lines, shown.append), len(shown))

    def test_good(self):
        """fuzz_states: two runs without a finding, and the sum of their exits"""
        self.assertEqual(self.follow(self.GOOD), (None, 100, 3))

    def test_bad(self):
        """fuzz_states: a finding, a run that fails or is missing, and the kernel's log"""
        self.assertEqual(self.follow(self.GOOD + ["# seed 4 case 7: rip"])[0], "1 findings")
        self.assertEqual(self.follow(self.GOOD[:-1] + ["@@LOG bad"])[0],
                         "the kernel has something to say")
        for lines in (self.GOOD[:-1], self.GOOD[2:], self.GOOD[:2] + self.GOOD[3:],
                      self.GOOD[:2] + ["@@FUZZED 1"] + self.GOOD[3:], []):
            self.assertEqual(self.follow(lines)[0], "not all ended as it has to")


class References(unittest.TestCase):
    def found(self, text):
        with tempfile.TemporaryDirectory() as directory:
            subprocess.run(["git", "init", "-q", directory], check=True)
            os.makedirs(os.path.join(directory, "scripts/a"))
            for name, content in (("scripts/a/here.sh", ""), ("Makefile", text)):
                with open(os.path.join(directory, name), "w", encoding="utf-8") as file:
                    file.write(content)
            return list(references.dangling(directory))

    def test_good(self):
        """references: what is there, and what other trees have, is no fault"""
        self.assertEqual(self.found("\"$top/scripts/a/here.sh\", see scripts/a/here.sh.  "
                                    "here.sh $K/scripts/checkpatch.pl scripts/a/$1.sh *.sh"), [])

    def test_gone(self):
        """references: a path or a name that is gone is a line"""
        self.assertEqual(self.found("\n\t@scripts/here.sh\n"),
                         ["Makefile:2: there is no scripts/here.sh"])
        self.assertEqual(self.found("$top/tools/x.c"), ["Makefile:1: there is no tools/x.c"])
        self.assertEqual(self.found("# see gone.py"), ["Makefile:1: there is no gone.py"])


class Diagram(unittest.TestCase):
    def test_is_what_the_script_draws(self):
        """diagram: the README's picture is what the script draws, within the page's width"""
        name = os.path.join(SCRIPTS, "..", "Documentation/virt/kvm/x86/vmport-overview.svg")
        with open(name, encoding="utf-8") as file:
            self.assertEqual(file.read(), diagram.svg())
        self.assertLessEqual(diagram.WIDTH, 720)


class Package(unittest.TestCase):
    def why(self, release, **versions):
        """What the package says of a kernel, with these packages installed."""
        source = os.path.join(SCRIPTS, "../packaging/dkms/source.sh")
        with tempfile.TemporaryDirectory() as top:
            for name in ("6.1", "6.12", "7.3"):
                os.makedirs(os.path.join(top, "patches", name))
            query = os.path.join(top, "dpkg-query")
            with open(query, "w", encoding="utf-8") as file:
                file.write("#!/bin/sh\ncase $3 in\n")
                for name, version in versions.items():
                    file.write(f"linux-{name}-*) printf {version} ;;\n")
                file.write("*) exit 1 ;;\nesac\n")
            os.chmod(query, 0o755)
            script = f'PATH={top}:$PATH top={top}; . {source}; find_source {release} || echo "$why"'
            return subprocess.run(["sh", "-c", script], capture_output=True, text=True,
                                  check=True).stdout

    def test_source(self):
        """package: one line says what to install for a kernel"""
        for release, series_name in (("6.1.0-56-cloud-amd64", "6.1"), ("7.3.4+deb13-amd64", "7.3"),
                                     ("6.12.117+deb13-amd64", "6.12")):
            self.assertEqual(self.why(release), "no kernel headers from a package: apt install "
                             f"linux-headers-{release} linux-source-{series_name}\n")
            self.assertEqual(self.why(release, headers="2-1", source="2-2"),
                             f"needs version 2-1 of linux-source-{series_name}, not 2-2: boot a "
                             f"newer kernel, or apt install linux-source-{series_name}=2-1\n")
            self.assertEqual(self.why(release, headers="2-2", source="2-1"),
                             f"needs version 2-2 of linux-source-{series_name}, not 2-1: "
                             f"apt install linux-source-{series_name}=2-2\n")
            self.assertIn(", not none: apt install ", self.why(release, headers="2-1"))

    def test_unknown(self):
        """package: a kernel that it does not know is named as such"""
        for release in ("6.13.1-amd64", "6.10-amd64", "7.30.1-amd64"):
            self.assertRegex(self.why(release), "^not supported.* kernels 6.1 6.12 7.3, or remove")


class Fetch(unittest.TestCase):
    def test_cached(self):
        """fetch-qemu: without a network the cached source of that series is used"""
        for series_name, version in (("10.0", "1:10.0.13+ds-1"), ("10.2", "1:10.2.2+ds-1")):
            with tempfile.TemporaryDirectory() as top:
                source = os.path.join(top, "cache/qemu/source", version.replace(":", "_"))
                os.makedirs(source)
                for name, text in (("apt-get", "#!/bin/sh\nexit 100\n"),
                                   (f"{source}/env", f"Q_VERSION='{version}'\n"),
                                   (f"{source}/qemu_it", ""),
                                   (f"{source}/sums",
                                    hashlib.sha256().hexdigest() + "  qemu_it\n")):
                    with open(os.path.join(top, name), "w", encoding="utf-8") as file:
                        file.write(text)
                os.chmod(os.path.join(top, "apt-get"), 0o755)
                run = subprocess.run(
                    [os.path.join(SCRIPTS, "setup/fetch-qemu.sh")], capture_output=True, text=True,
                    check=False, env={**os.environ, "PATH": f"{top}:{os.environ['PATH']}",
                                      "BUILD": top, "KVM_VMPORT_CACHE": top + "/cache",
                                      "QEMU_SERIES": series_name})
                self.assertEqual((run.returncode, run.stdout.splitlines()[-1:]),
                                 (0, [f"# QEMU {version}"]), run.stderr)


class Tests(unittest.TextTestResult):
    """A line of TAP for each."""

    def stopTest(self, test):
        super().stopTest(test)
        bad = dict(self.failures + self.errors).get(test)
        for line in (bad or "").splitlines():
            print("# " + line)
        print(f"{'not ' if bad else ''}ok - {test.shortDescription()}", flush=True)


if __name__ == "__main__":
    with open(os.devnull, "w", encoding="utf-8") as nowhere:
        runner = unittest.TextTestRunner(stream=nowhere, resultclass=Tests)
        outcome = unittest.main(testRunner=runner, exit=False).result
    sys.exit(not outcome.wasSuccessful())
