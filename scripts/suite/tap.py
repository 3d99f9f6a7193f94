#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Merge the output of all test suites into one flat TAP stream.

Reads standard input, writes one "ok" or "not ok" line a test and, last,
"N passed, N failed, N skipped".  The exit status is 1 when a test failed or
none ran.  Besides TAP it understands

  @@BEGIN WHERE PROGRAM ... @@END WHERE PROGRAM STATUS   around a kselftest
  @@AGAIN WHERE PROGRAM STATUS   instead of @@END: it failed and is run again
  @@FAIL TEXT      something that had to work did not
  @@LOG clean|bad  the guest's kernel log
  @@TIMEOUT S, @@QEMU STATUS   the guest did not end by itself
  @@LANE, @@DONE   a lane begins, its script has run to the end

WHERE "stock" and "vmport" are the same program with the distribution's modules
and ours: one test says whether the result is the same.
"""
import collections
import re
import sys

SKIPPED = 4     # kselftest's exit status
RESULT = re.compile(r"^(not )?ok\b\s*(?:\d+)?\s*(?:-\s*)?(.*)$")
NOISE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1bc|\r")


class Merger:
    def __init__(self, out):
        self.out = out
        self.count = {"passed": 0, "failed": 0, "skipped": 0}
        self.number = 0
        self.program = None     # between @@BEGIN and @@END
        self.lane_open = False
        self.stock = {}
        self.tail = collections.deque(maxlen=25)    # for when the guest dies

    def say(self, line):
        print(line, file=self.out, flush=True)

    def result(self, passed, name, skip=None):
        self.number += 1
        if skip is not None:
            self.count["skipped"] += 1
        else:
            self.count["passed" if passed else "failed"] += 1
        self.say("%sok %d - %s%s" % ("" if passed else "not ", self.number, name,
                                     "" if skip is None else " # SKIP " + skip))

    def tap_line(self, line):
        """Handle a line of TAP; return whether it was one."""
        match = RESULT.match(line)
        if not match:
            return False
        passed, rest = not match.group(1), match.group(2)
        name, _, directive = rest.partition("# SKIP")
        where = ""
        if self.program:
            self.program["seen"] += 1
            self.program["failed"] += not passed
            where = "%s (%s): " % (self.program["name"], self.program["where"])
        self.result(passed, where + name.strip(),
                    directive.strip() if "# SKIP" in rest else None)
        return True

    def begin(self, where, name):
        self.program = {"where": where, "name": name, "seen": 0, "failed": 0,
                        "plan": None, "quiet": where in ("stock", "vmport"),
                        "lines": []}

    def end(self, status):
        program, self.program = self.program, None
        name = "%s (%s)" % (program["name"], program["where"])
        if program["where"] == "stock":
            self.stock[program["name"]] = status
        elif program["where"] == "vmport":
            before = self.stock.get(program["name"])
            if before == status == SKIPPED:
                self.result(True, "KVM's own " + name, "not supported here")
                return
            if before and status == 0:
                # Nothing of ours can be at fault; emulation has its own bugs.
                self.result(True, "KVM's own " + name,
                            "failed with the stock modules (%s), passes with ours" % before)
                return
            if before != status:
                for line in program["lines"][-10:]:
                    self.say("# " + line)
            self.result(before == status, "KVM's own %s ends as with the stock modules (%s, %s)" %
                        (program["name"], before, status))
        elif status == SKIPPED:
            if not program["seen"]:
                self.result(True, name, " ".join(program["lines"][-1:]) or "not supported")
        elif not program["seen"]:
            self.result(status == 0, name + " ends with status %d" % status)
        else:
            if program["plan"] not in (None, program["seen"]):
                self.result(False, "%s ran %d of %d tests" %
                            (name, program["seen"], program["plan"]))
            elif status and not program["failed"]:
                self.result(False, name + " ends with status %d" % status)

    def special(self, line):
        word, _, rest = line[2:].partition(" ")
        if word == "BEGIN":
            self.begin(*rest.split())
        elif word == "END" and self.program:
            self.end(int(rest.split()[-1]))
        elif word == "AGAIN" and self.program:
            self.program = None
            self.say("# KVM's own %s (%s) ended with %s: once more" % tuple(
                rest.split()[i] for i in (1, 0, 2)))
        elif word == "FAIL":
            self.result(False, rest)
        elif word == "LOG":
            self.result(rest == "clean", "the host's kernel log is clean")
        elif word == "TIMEOUT":
            self.broken()
            self.result(False, "the guest ends within %s s" % rest)
        elif word == "QEMU":
            self.broken()
            self.result(False, "QEMU ends with status 0, not " + rest)
        elif word == "LANE":
            self.lane_open = True
        elif word == "DONE":
            self.lane_open = False

    def broken(self):
        """The guest has gone in the middle of something."""
        for line in self.tail:
            self.say("#   " + line)
        self.tail.clear()
        if self.program:
            program, self.program = self.program, None
            self.result(False, "%s (%s) ends" % (program["name"], program["where"]))
        self.lane_open = False

    def line(self, raw):
        line = NOISE.sub("", raw).rstrip()
        self.tail.append(line)
        if line.startswith("@@"):
            self.special(line)
            return
        if self.program and self.program["quiet"]:
            self.program["lines"].append(line)
            return
        if self.tap_line(line):
            return
        plan = re.match(r"^1\.\.(\d+)\b", line)
        if plan:
            # A test that skips has a plan of none of its own.
            if self.program and self.program["plan"] is None:
                self.program["plan"] = int(plan.group(1))
        elif self.program:
            self.program["lines"].append(line)
            # The harness's own chatter, one line a test, says nothing new.
            if line and not re.match(r"^(TAP version|#\s+(RUN|OK|PASSED|Starting|Totals))", line):
                self.say(line if line.startswith("#") else "# " + line)
        elif line.startswith("error: "):
            self.say("# " + line)
        elif line.startswith("#"):
            self.say(line)

    def finish(self):
        if self.lane_open or self.program:
            self.broken()
            self.result(False, "the lane's script runs to its end")
        self.say("1..%d" % self.number)
        self.say("%(passed)d passed, %(failed)d failed, %(skipped)d skipped" % self.count)
        return 0 if self.count["passed"] and not self.count["failed"] else 1


def main():
    merger = Merger(sys.stdout)
    print("TAP version 13", flush=True)
    for raw in iter(sys.stdin.buffer.readline, b""):
        merger.line(raw.decode("utf-8", "replace"))
    return merger.finish()


if __name__ == "__main__":
    sys.exit(main())
