#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Talk to QEMU's machine protocol (QMP).

  qmp.py MONITOR run COMMAND [ARGUMENTS [FORMAT]]
  qmp.py MONITOR wait EVENT SECONDS CONDITIONS FORMAT
  qmp.py MONITOR migrate SOCKET FORMAT [CAPABILITY]...
  qmp.py MONITOR ended FORMAT

MONITOR is the path of a pair of pipes, MONITOR.in and MONITOR.out, as QEMU's
"-chardev pipe" takes them.  ARGUMENTS and CONDITIONS are JSON: an event is waited
for whose data have all of CONDITIONS.  FORMAT says what to print of what QEMU
answers, as in "{status} after {total-time} ms"; without it a string is printed as
it is, anything else as JSON, and an empty answer not at all.

Each call is a process of its own.  The events that were read so far outlive it in
MONITOR.events, one a line.

When something fails, one line on standard error says what, and the status is 1.
"""
import json
import os
import select
import socket
import sys
import time

WAIT = 60       # seconds until a command is answered
MIGRATION = 120 # seconds until a migration ends
DRAIN = 5       # seconds for the rest of a line


class Failed(Exception):
    """One line for the reader."""


class Gone(Failed):
    """The other side was closed."""


class Monitor:
    """One connection; reader and writer are file descriptors that do not block."""

    def __init__(self, name, reader, writer):
        self.name = name
        self.reader, self.writer = reader, writer
        self.events = []
        self.buffer = b""
        self.greeted = False
        self.number = 0

    def more(self, deadline):
        """Read what there is into the buffer, or wait for it."""
        while True:
            try:
                data = os.read(self.reader, 1 << 16)
                if data:
                    self.buffer += data
                    return
                if self.greeted:
                    raise Gone(f"{self.name}: QEMU has gone")
                # It has not opened its end yet.
                time.sleep(0.1)
            except ConnectionResetError:
                # It ended before it had read all that it was sent.
                raise Gone(f"{self.name}: QEMU has gone") from None
            except BlockingIOError:
                select.select([self.reader], [], [], max(deadline - time.monotonic(), 0))
            if time.monotonic() >= deadline:
                raise Failed(f"{self.name}: QEMU does not answer in time")

    def message(self, deadline):
        while b"\n" not in self.buffer:
            self.more(deadline)
        line, _, self.buffer = self.buffer.partition(b"\n")
        try:
            message = json.loads(line)
        except ValueError:
            message = None
        if not isinstance(message, dict):
            raise Failed(f"{self.name}: this is no QMP, is it another monitor? {line[:100]!r}")
        return message

    def greet(self):
        deadline = time.monotonic() + WAIT
        if "QMP" not in self.message(deadline):
            raise Failed(f"{self.name}: QEMU does not begin with a greeting")
        self.greeted = True
        self.command("qmp_capabilities")

    def send(self, line):
        """All of it, however little QEMU takes at a time."""
        deadline = time.monotonic() + WAIT
        while line:
            try:
                line = line[os.write(self.writer, line):]
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    raise Failed(f"{self.name}: QEMU does not read in time") from None
                select.select([], [self.writer], [], deadline - time.monotonic())

    def command(self, name, arguments=None):
        """The answer; events that come before it are kept."""
        self.number += 1
        identity = f"{os.getpid()}.{self.number}"
        request = {"execute": name, "arguments": arguments or {}, "id": identity}
        self.send(json.dumps(request).encode() + b"\n")
        deadline = time.monotonic() + WAIT
        while True:
            message = self.message(deadline)
            if "event" in message:
                self.events.append(message)
            elif message.get("id") != identity:
                # Of an earlier command that had stopped waiting.
                continue
            elif "error" in message:
                raise Failed(f"{self.name}: {name}: {message['error']['desc']}")
            else:
                return message["return"]

    def wait(self, name, seconds, conditions):
        """The data of an event, of one that has come already too."""
        deadline = time.monotonic() + seconds
        seen = 0
        while True:
            for event in self.events[seen:]:
                data = event.get("data", {})
                if event["event"] == name and conditions.items() <= data.items():
                    return data
            seen = len(self.events)
            message = self.message(deadline)
            if "event" in message:
                self.events.append(message)

    def migrate(self, uri, capabilities):
        """What query-migrate says at its end."""
        self.command("migrate-set-capabilities", {
            "capabilities": [{"capability": name, "state": True} for name in capabilities]})
        self.command("migrate", {"uri": uri})
        return self.ended()

    def ended(self):
        """What query-migrate says at the end of a migration from here or to here."""
        deadline = time.monotonic() + MIGRATION
        while True:
            answer = self.command("query-migrate")
            if answer.get("status") in ("completed", "failed"):
                return answer
            if time.monotonic() >= deadline:
                raise Failed(f"{self.name}: the migration does not end: {json.dumps(answer)}")
            time.sleep(0.1)

    def wait_for_end(self):
        """Until QEMU has closed its side."""
        try:
            while True:
                self.message(time.monotonic() + WAIT)
        except Gone:
            pass

    def drain(self):
        """Read lines to their ends: who comes next cannot read half of one."""
        deadline = time.monotonic() + DRAIN
        try:
            while self.buffer:
                message = self.message(deadline)
                if "event" in message:
                    self.events.append(message)
        except Failed:
            pass


def connect(path):
    """The monitor on a UNIX socket."""
    connection = socket.socket(socket.AF_UNIX)
    try:
        connection.connect(path)
    except OSError as error:
        raise Failed(f"{path}: {error.strerror}: is QEMU there?") from None
    connection.setblocking(False)
    # A descriptor that lives as long as the process.
    descriptor = connection.detach()
    monitor = Monitor(path, descriptor, descriptor)
    monitor.greet()
    return monitor


def on_pipes(path, action):
    """What action(monitor) returns, on a pair of pipes that processes use in turn."""
    try:
        # Both ways: to open it does not wait for QEMU to do so.
        writer = os.open(path + ".in", os.O_RDWR)
        reader = os.open(path + ".out", os.O_RDONLY | os.O_NONBLOCK)
    except OSError as error:
        raise Failed(f"{error.filename}: {error.strerror}: start QEMU first") from None
    monitor = Monitor(os.path.basename(path), reader, writer)
    # It is there as soon as QEMU's greeting was read.
    kept = path + ".events"
    if os.path.exists(kept):
        with open(kept, encoding="utf-8") as file:
            monitor.events = [json.loads(line) for line in file]
        monitor.greeted = True
    old = len(monitor.events)
    try:
        if not monitor.greeted:
            monitor.greet()
        return action(monitor)
    finally:
        monitor.drain()
        if monitor.greeted:
            with open(kept, "a", encoding="utf-8") as file:
                for event in monitor.events[old:]:
                    file.write(json.dumps(event) + "\n")


def text(value):
    return value if isinstance(value, str) else json.dumps(value)


def shown(answer, form):
    if form is None:
        return None if answer == {} else text(answer)
    if not isinstance(answer, dict):
        raise Failed(f"the answer has no fields: {text(answer)}")
    # Numbers and truth as in JSON, and {ram[total]} goes on into the value.
    fields = {name: json.dumps(value) if value is None or isinstance(value, bool) else value
              for name, value in answer.items()}
    try:
        return form.format_map(fields)
    except (KeyError, IndexError, ValueError) as error:
        raise Failed(f"{form}: {error}: the answer is {text(answer)}") from None


def parsed(what, source):
    try:
        value = json.loads(source or "{}")
    except ValueError as error:
        raise Failed(f"the {what} are no JSON: {source}: {error}") from None
    if not isinstance(value, dict):
        raise Failed(f"the {what} are no JSON object: {source}")
    return value


def run(monitor, command, arguments="", form=None):
    return shown(monitor.command(command, parsed("arguments", arguments)), form)


def wait(monitor, event, seconds, conditions, form):
    try:
        return shown(monitor.wait(event, float(seconds), parsed("conditions", conditions)), form)
    except ValueError:
        raise Failed(f"{seconds}: give a number of seconds") from None


def migrate(monitor, path, form, *capabilities):
    return shown(monitor.migrate("unix:" + path, capabilities), form)


def ended(monitor, form):
    return shown(monitor.ended(), form)


ACTIONS = {"run": (run, (1, 2, 3)), "wait": (wait, (4,)), "migrate": (migrate, (2, 3, 4)),
           "ended": (ended, (1,))}


def main(arguments):
    path, name, *rest = arguments if len(arguments) > 1 else ("", "")
    action, counts = ACTIONS.get(name, (None, ()))
    if len(rest) not in counts:
        sys.exit(__doc__)
    try:
        output = on_pipes(path, lambda monitor: action(monitor, *rest))
    except Failed as error:
        sys.exit(f"qmp: {error}")
    if output is not None:
        print(output)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
