#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""One of the two hosts of make test-migration: does what comes in on a serial line.

  migration-host.py LINE

See agent.py; the functions are those of Host below.  QEMUs have names.
"""
import os
import subprocess
import sys

sys.path.insert(0, "/bin")
import agent    # noqa: E402 (this host has no other place for it)
import qmp      # noqa: E402
from agent import until     # noqa: E402

PLACE = "/tmp/"
PROGRAM = ["qemu-system-x86_64", "-L", "/demo/firmware", "-nodefaults", "-display", "none",
           "-no-reboot", "-kernel", "/demo/vmlinuz", "-initrd", "/demo/disk.cpio.gz",
           "-append", "console=ttyS0 quiet panic=-1 random.trust_cpu=on mitigations=off"]


class Guest:
    """A QEMU: its monitor, and the guest's command line (see guest-init.sh)."""

    def __init__(self, name, options):
        self.name = name
        self.log = PLACE + name + ".log"
        sockets = {part: f"{PLACE}{name}.{part}" for part in ("qmp", "line")}
        for path in sockets.values():
            if os.path.exists(path):
                os.unlink(path)
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                PROGRAM + ["-serial", f"file:{PLACE}{name}.console",
                           "-chardev", f"socket,id=l,path={sockets['line']},server=on,wait=off",
                           "-serial", "chardev:l",
                           "-qmp", f"unix:{sockets['qmp']},server=on,wait=off"] + options,
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self.monitor = until(name + "'s monitor", 60, lambda: self.connect(sockets["qmp"]))
        self.line = agent.Line(sockets["line"])

    def connect(self, path):
        if self.process.poll() is not None:
            raise qmp.Failed(f"{self.name} did not start: {self.said()}")
        try:
            return qmp.connect(path)
        except qmp.Failed:
            return None

    def said(self):
        with open(self.log, encoding="utf-8", errors="replace") as file:
            return file.read().strip()


class Host:
    def __init__(self):
        self.guests = {}

    def start(self, name, options):
        self.guests[name] = Guest(name, options)

    def command(self, name, command, arguments=None):
        return self.guests[name].monitor.command(command, arguments)

    def wait(self, name, event, seconds, conditions=None):
        return self.guests[name].monitor.wait(event, seconds, conditions or {})

    def events(self, name):
        """Those that have come and were not asked for yet."""
        monitor = self.guests[name].monitor
        try:
            monitor.command("query-status")
        except (qmp.Failed, OSError):
            pass
        events, monitor.events = monitor.events, []
        return events

    def booted(self, name, seconds):
        return self.guests[name].line.read(seconds)[0]

    def guest(self, name, line, seconds=120):
        return self.guests[name].line.run(line, seconds)

    def end(self, name, how="quit", seconds=30):
        """Ends it, or waits for its end; says what it has said."""
        guest = self.guests.pop(name)
        if how == "quit":
            try:
                guest.monitor.command("quit")
            except (qmp.Failed, OSError):
                pass
        elif how == "kill":
            guest.process.kill()
        try:
            guest.process.wait(seconds)
        except subprocess.TimeoutExpired:
            guest.process.kill()
            raise qmp.Failed(f"{name} does not end") from None
        finally:
            guest.line.close()
            os.close(guest.monitor.reader)
        return guest.said()

    def shell(self, command):
        return agent.shell(command)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    agent.serve(sys.argv[1], Host(), (qmp.Failed,))
