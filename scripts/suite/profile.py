#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""profile.py DIRECTORY FUNCTION: see profile.sh.

DIRECTORY has QEMU's monitor (QMP), its log and the guest's serial line.  A round goes
from one entry of FUNCTION to the next.
"""
import bisect
import collections
import os
import re
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lane"))
import qmp

WAIT = 120              # seconds until the guest loops
LOG_BYTES = 600 << 20   # of the log, and
LOG_SECONDS = 60        # of logging at most
ROUNDS = 40
KERNEL = 0xffff800000000000
PC = re.compile(rb"\[[0-9a-f]+/([0-9a-f]{16})/")


def fail(text):
    sys.exit("error: " + text)


def wait_for_loop(serial):
    for _ in range(WAIT):
        with open(serial, "rb") as file:
            if b"@@BENCH loops" in file.read():
                time.sleep(2)
                return
        time.sleep(1)
    fail(f"the guest does not get to its loop: see {serial}")


def symbols(serial):
    table = {}
    with open(serial, errors="replace") as file:
        for line in file:
            match = re.match(r"([0-9a-f]{16}) [tT] (\S+)", line)
            # The names of the padding before functions say nothing.
            if match and not match[2].startswith("__pfx_"):
                table.setdefault(int(match[1], 16), match[2])
    if not table:
        fail(f"no symbols in {serial}")
    return table


def human(monitor, line):
    """What QMP has no command for."""
    monitor.command("human-monitor-command", {"command-line": line})


def take_log(directory, log, address):
    """Log every instruction until there are rounds enough."""
    monitor = qmp.connect(os.path.join(directory, "monitor"))
    # The first is the name that QEMU before version 8.1 has for the second.
    for line in ("singlestep on", "one-insn-per-tb on", "log exec,nochain"):
        human(monitor, line)
    wanted = b"/%016x/" % address
    found = position = 0
    end = time.time() + LOG_SECONDS
    while found <= ROUNDS and time.time() < end and position < LOG_BYTES:
        time.sleep(0.5)
        if os.path.exists(log):
            with open(log, "rb") as file:
                file.seek(position)
                text = file.read()
                position += len(text)
                found += text.count(wanted)
    human(monitor, "log none")
    monitor.command("quit")
    # QEMU writes the log's end.
    monitor.wait_for_end()


def rounds(log, address):
    """The program counters of each whole round."""
    current = None
    with open(log, "rb") as file:
        for line in file:
            match = PC.search(line)
            if not match:
                continue
            counter = int(match[1], 16)
            if counter == address:
                if current is not None:
                    yield current
                current = []
            if current is not None:
                current.append(counter)


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    directory, mark = sys.argv[1:]
    serial, log = (os.path.join(directory, name) for name in ("serial", "log"))
    wait_for_loop(serial)
    table = symbols(serial)
    starts = sorted(table)
    address = next((a for a, name in table.items() if name == mark), None)
    if address is None:
        fail(f"the kernel has no function {mark}")
    take_log(directory, log, address)
    os.sync()
    all_rounds = sorted(rounds(log, address), key=len)
    if not all_rounds:
        fail(f"{mark} was not met twice: see {log}")
    # The others have interrupts of the host in them, as with bench.sh.
    shortest = all_rounds[0]

    def name(counter):
        if counter < KERNEL:
            return "(the guest, and user space)"
        return table[starts[max(bisect.bisect_right(starts, counter) - 1, 0)]]

    counts = collections.Counter(name(counter) for counter in shortest)
    os.remove(log)
    print(f"{len(shortest)} instructions, the least of {len(all_rounds)} rounds")
    for function, count in counts.most_common():
        print(f"{count:9}  {function}")


if __name__ == "__main__":
    try:
        main()
    except qmp.Failed as error:
        fail(str(error))
