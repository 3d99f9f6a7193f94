#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""fuzz_states.py LOG < what the host says

Keep what the host of fuzz-states.sh says in LOG, show vmport_state_fuzz's comments,
and say how it ended, with status 0 when nothing was found.

  # seed SEED: N cases, N exits, ...   a run has come so far
  # seed SEED case N: WHY              a finding
  @@FUZZED STATUS                      a run has ended
  @@LOG clean|bad                      the host's kernel log
"""
import re
import sys

RUNS = 2
EXITS = re.compile(r"# seed (\d+): \d+ cases, (\d+) exits\b")
FINDING = re.compile(r"# seed \d+ case \d+: ")


def follow(lines, show):
    """Why it is no success, and the number of exits."""
    exits, ended, findings, log = {}, [], 0, None
    for line in lines:
        if line.startswith("# "):
            show(line)
        match = EXITS.match(line)
        if match:
            exits[match[1]] = int(match[2])
        elif FINDING.match(line):
            findings += 1
        elif line.startswith("@@FUZZED "):
            ended.append(line.split()[1])
        elif line.startswith("@@LOG "):
            log = line.split()[1]
    why = None
    if findings:
        why = f"{findings} findings"
    elif log == "bad":
        why = "the kernel has something to say"
    elif log is None or ended != ["0"] * RUNS or len(exits) != RUNS:
        why = "not all ended as it has to"
    return why, sum(exits.values())


def kept(source, log):
    for raw in iter(source.readline, b""):
        log.write(raw)
        yield raw.decode("utf-8", "replace").rstrip("\r\n")


def main(path):
    with open(path, "wb", buffering=0) as log:
        why, exits = follow(kept(sys.stdin.buffer, log), lambda line: print(line, flush=True))
    if why:
        sys.exit(f"error: {why}: {path}")
    print(f"{exits} exits, 0 findings")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
