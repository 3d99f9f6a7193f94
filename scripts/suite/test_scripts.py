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
for folder in ("suite",):
    sys.path.insert(0, os.path.join(SCRIPTS, folder))
# pylint: disable=wrong-import-position
import references
import tap

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
