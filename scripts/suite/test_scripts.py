#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Tests of what the scripts do in Python.  TAP."""
import io
import os
import subprocess
import sys
import tempfile
import unittest

SCRIPTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")

sys.dont_write_bytecode = True
for folder in ("lane", "suite"):
    sys.path.insert(0, os.path.join(SCRIPTS, folder))
# pylint: disable=wrong-import-position
import references
import steps
import tap

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
