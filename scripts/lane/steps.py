#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""steps.py [--tap] TITLE TRANSCRIPT COMMAND...

Run COMMAND, which boots a host that runs steps (see host-lib.sh), show what it says
and keep it in the file TRANSCRIPT.  With --tap every step is a test line, and what
is said a comment.  The last line is "TITLE: PASS" or "TITLE: FAIL: WHY", and the
status 0 or 1.

  step NUMBER: NAME     a step begins
    result:   ok|FAIL   it ends; other lines are for the reader
  @@STEPS PASS, @@STEPS FAIL: NAME   the last step has ended
  @@LOG clean|bad       the host's kernel log
"""
import re
import signal
import subprocess
import sys
import time

STEP = re.compile(r"step \d+: (.*)")
RESULT = re.compile(r"  result:   (ok|FAIL)")


class Transcript:
    def __init__(self, title, tap, out):
        self.title, self.tap, self.out = title, tap, out
        self.step = None        # that has begun and not ended
        self.last = None
        self.steps = self.log = None

    def say(self, line):
        print(line, file=self.out, flush=True)

    def test(self, passed, name):
        if self.tap:
            self.say(f"{'' if passed else 'not '}ok - {self.title}: {name}")

    def line(self, raw):
        line = raw.rstrip("\r\n")
        begins, ends = STEP.match(line), RESULT.match(line)
        if self.tap:
            self.say(line if line.startswith("#") else "# " + line)
        elif not line.startswith(("@@STEPS", "@@LOG")):
            self.say(line)
        if begins:
            self.step = self.last = begins[1]
        elif ends and self.step is not None:
            self.test(ends[1] == "ok", self.step)
            self.step = None
        elif line.startswith("@@STEPS ") and self.steps is None:
            self.steps = line[len("@@STEPS "):]
        elif line.startswith("@@LOG "):
            self.log = line[len("@@LOG "):]

    def verdict(self, status):
        """Why it failed, None when it passed."""
        if self.step is not None:
            self.test(False, self.step + " (it did not end)")
        if (self.steps, self.log, status) == ("PASS", "clean", 0):
            return None
        if self.steps and self.steps.startswith("FAIL: "):
            return self.steps[len("FAIL: "):]
        if self.log == "bad":
            return "the host's kernel complained"
        return self.last or "booting the host"


def interrupted(*_):
    raise KeyboardInterrupt


def main(arguments):
    tap = arguments[:1] == ["--tap"]
    if len(arguments) < 3 + tap:
        sys.exit(__doc__)
    title, path, *command = arguments[tap:]
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
        signal.signal(number, interrupted)
    transcript = Transcript(title, tap, sys.stdout)
    begun = time.monotonic()
    with open(path, "wb", buffering=0) as file, \
            subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as child:
        try:
            for raw in child.stdout:
                file.write(raw)
                transcript.line(raw.decode("utf-8", "replace"))
            why = transcript.verdict(child.wait())
        except KeyboardInterrupt:
            child.terminate()
            why = "interrupted"
    print(f"# the steps themselves: {time.monotonic() - begun:.0f} s, transcript in {path}")
    print(f"{title}: FAIL: {why}" if why else f"{title}: PASS")
    return 1 if why else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
