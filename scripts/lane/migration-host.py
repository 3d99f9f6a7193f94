#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""One of the two hosts of make test-migration: does what comes in on a serial line.

  migration-host.py LINE

A line is a JSON list, the name of a function of Host below and its arguments; the
answer is a JSON list too, ["ok", RESULT] or ["failed", WHY].  QEMUs have names.
"""
import json
import os
import socket
import subprocess
import sys
import termios
import time
import tty

sys.path.insert(0, "/bin")
import qmp      # noqa: E402 (this host has no other place for it)

PLACE = "/tmp/"
PROGRAM = ["qemu-system-x86_64", "-L", "/demo/firmware", "-nodefaults", "-display", "none",
           "-no-reboot", "-kernel", "/demo/vmlinuz", "-initrd", "/demo/disk.cpio.gz",
           "-append", "console=ttyS0 quiet panic=-1 random.trust_cpu=on mitigations=off"]


def until(what, seconds, condition):
    """The first answer of condition() that is not nothing."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        answer = condition()
        if answer:
            return answer
        time.sleep(0.05)
    raise qmp.Failed(f"{what}: not within {seconds} s")


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
        self.line = socket.socket(socket.AF_UNIX)
        self.line.connect(sockets["line"])
        self.buffer = b""

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

    def read(self, seconds):
        """[STATUS, OUTPUT] of what it was told last; READY when it has booted."""
        self.line.settimeout(seconds)
        output = []
        while True:
            while b"\n" not in self.buffer:
                try:
                    data = self.line.recv(1 << 16)
                except socket.timeout:
                    data = b""
                if not data:
                    raise qmp.Failed(f"{self.name}: the guest does not answer: {self.said()}")
                self.buffer += data
            line, _, self.buffer = self.buffer.partition(b"\n")
            text = line.decode("utf-8", "replace").rstrip("\r")
            if text.startswith("@@"):
                return [text[2:], "\n".join(output)]
            output.append(text[1:])


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
        return self.guests[name].read(seconds)[0]

    def guest(self, name, line, seconds=120):
        guest = self.guests[name]
        guest.line.sendall(line.encode() + b"\n")
        return guest.read(seconds)

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
        done = subprocess.run(["sh", "-c", command], stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True)
        return [done.returncode, done.stdout]


def serve(path):
    with open(path, "rb") as requests, open(path, "wb", buffering=0) as answers:
        tty.setraw(requests.fileno(), termios.TCSANOW)
        host = Host()
        answers.write(b'["ready"]\n')
        for request in requests:
            try:
                name, *arguments = json.loads(request)
                if name == "leave":
                    return
                answer = ["ok", getattr(host, name)(*arguments)]
            except (qmp.Failed, OSError, KeyError, TypeError, ValueError) as error:
                answer = ["failed", str(error) or type(error).__name__]
            answers.write(json.dumps(answer).encode() + b"\n")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    serve(sys.argv[1])
