#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""One of the two hosts of make test-libvirt: does what comes in on a serial line.

  libvirt-host.py LINE

See agent.py; the functions are those of Host below.  Virtual machines have names; the
guest's command line is on the socket PLACE/NAME.line.
"""
import os
import sys

sys.path.insert(0, "/usr/local/lib/kvm-vmport")
import agent    # noqa: E402 (the only place for it here)

PLACE = "/run/kvm-vmport/"


class Host:
    def __init__(self):
        self.lines = {}

    def shell(self, command):
        return agent.shell(command)

    def write(self, path, text):
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)

    def connect(self, name):
        """To the guest that has just come here, by a boot or a migration."""
        self.disconnect(name)
        self.lines[name] = agent.Line(f"{PLACE}{name}.line")

    def disconnect(self, name):
        if name in self.lines:
            self.lines.pop(name).close()

    def booted(self, name, seconds):
        return self.lines[name].read(seconds)[0]

    def guest(self, name, line, seconds=300):
        return self.lines[name].run(line, seconds)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    agent.serve(sys.argv[1], Host(), ())
