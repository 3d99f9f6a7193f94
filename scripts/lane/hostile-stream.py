#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""hostile-stream.py STREAM OUTPUT state|power|snapshot

A migration stream of QEMU's, in which the guest's VMware tools are in a state of that
kind that there is none of.
"""
import struct
import sys

SECTION = b"vmware-interface/tools"
REQUESTS = 16 * (8 + 1 + 8)
REPORTS = 13
# Behind the reports: state, when they were seen, power's busy, operation and what is
# left, snapshot.
OFFSETS = {"state": 0, "power": 1 + 8 + 1, "snapshot": 1 + 8 + 1 + 1 + 8}


def main(stream, output, field):
    with open(stream, "rb") as file:
        data = bytearray(file.read())
    # Its name is also in the description of the stream, behind the state.
    at = data.index(SECTION) + len(SECTION) + 4 + REQUESTS
    for _ in range(REPORTS):
        at += 4 + struct.unpack_from(">I", data, at)[0]
    data[at + OFFSETS[field]] = 200
    with open(output, "wb") as file:
        file.write(data)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
