#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""rpc-manager.py MONITOR [MIGRATION]

A management program that answers a guest's own RPCs (QEMU's vmware-rpc objects), well
or badly.  MONITOR is a socket of QEMU's; on MIGRATION another QEMU waits for the guest.
The first word of a message, behind its prefix and a dot, says what to do: the methods
below.  Prints a line when it is there, and for whatever QEMU has refused.
"""
import base64
import os
import re
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import qmp      # noqa: E402 (this host has no other place for it)

# Longer than any message waits.
LONG = 6


def say(text):
    print(text, flush=True)


class Manager:
    def __init__(self, path, migration):
        self.path = path
        self.monitor = qmp.connect(path)
        self.migration = migration
        self.times = {}

    def event(self, name, seconds):
        """The data of the next event of that name; it does not come once more."""
        deadline = time.monotonic() + seconds
        while True:
            for event in self.monitor.events:
                if event["event"] == name:
                    self.monitor.events.remove(event)
                    return event.get("data", {})
            message = self.monitor.message(deadline)
            if "event" in message:
                self.monitor.events.append(message)

    def reply(self, request, data, status="ok"):
        """In base64 where the data are bytes."""
        arguments = {"request": request, "status": status, "data": data}
        if isinstance(data, bytes):
            arguments.update(base64=True, data=base64.b64encode(data).decode())
        self.monitor.command("vmware-rpc-reply", arguments)

    def refused(self, request, data="late"):
        """A reply that QEMU must refuse; says why it does."""
        try:
            self.reply(request, data)
            say("QEMU takes it")
        except qmp.Failed as error:
            say(re.sub(r"request \d+", "request N", str(error).split(": ", 2)[2]))

    def human(self, line):
        return self.monitor.command("human-monitor-command", {"command-line": line})

    def waiting(self):
        return [rpc["request"] for rpc in self.monitor.command("query-vmware-rpcs")["waiting"]]

    # ---- what messages say ------------------------------------------------------

    def echo(self, request, text):
        self.reply(request, text)

    def length(self, request, text):
        self.reply(request, str(len(text)))

    def error(self, request, text):
        self.reply(request, text, "error")

    def mute(self, request, text):
        pass

    def late(self, request, text):
        while request in self.waiting():
            time.sleep(0.05)
        self.refused(request)

    def twice(self, request, text):
        self.reply(request, text)
        self.refused(request)

    def wrong(self, request, text):
        self.refused(request + 1000000)
        self.reply(request, text)

    def huge(self, request, text):
        # QEMU reads a byte at a time, which takes long here.
        self.monitor.command("stop")
        self.refused(request, b"x" * 65599)
        self.reply(request, "x" * 65598)
        self.monitor.command("cont")

    def nul(self, request, text):
        self.refused(request, "a\0b")
        self.reply(request, text)

    def malformed(self, request, text):
        """Base64 that is none."""
        try:
            self.monitor.command("vmware-rpc-reply", {
                "request": request, "status": "ok", "base64": True, "data": "?"})
        except qmp.Failed:
            self.reply(request, text)

    def reconnect(self, request, text):
        """Who has just come finds what waits."""
        os.close(self.monitor.reader)
        self.monitor = qmp.connect(self.path)
        for rpc in self.monitor.command("query-vmware-rpcs")["waiting"]:
            self.reply(rpc["request"], base64.b64decode(rpc["message"]).partition(b" ")[2])

    def registers(self, request, text):
        self.reply(request, b"they are there" if "RIP=" in self.human("info registers")
                   else b"there are none")

    def stopped(self, request, text):
        """For longer than the message can wait, and answered then."""
        self.monitor.command("stop")
        time.sleep(LONG)
        self.reply(request, text)
        self.monitor.command("cont")

    def paused(self, request, text):
        """The same, and answered afterwards."""
        self.monitor.command("stop")
        time.sleep(LONG)
        self.monitor.command("cont")
        self.reply(request, text)

    def save(self, request, text):
        """A snapshot is made; when it is loaded the message comes once more."""
        self.times["save"] = self.times.get("save", 0) + 1
        if self.times["save"] == 1:
            said = self.human("savevm waits").strip()
            self.reply(request, said.encode() or b"when it was saved")
        else:
            self.reply(request, b"when it was loaded")

    def delete(self, request, text):
        self.monitor.command("object-del", {"id": "acme"})
        self.refused(request)

    def reset(self, request, text):
        self.monitor.command("system_reset")
        self.event("RESET", 60)
        self.refused(request)

    def migrate(self, request, text):
        if not self.migration:
            # The guest has come here.
            self.reply(request, b"from the destination")
            return
        self.monitor.command("stop")
        say(self.monitor.migrate("unix:" + self.migration, [])["status"])
        self.refused(request)

    def quit(self, request, text):
        self.monitor.command("quit")

    # -----------------------------------------------------------------------------

    def serve(self):
        say("here")
        while True:
            rpc = self.event("VMWARE_RPC", 3600)
            message = base64.b64decode(rpc["message"])
            word, _, text = message.partition(b".")[2].partition(b" ")
            try:
                getattr(self, word.decode())(rpc["request"], text)
            except qmp.Gone:
                raise
            except qmp.Failed as error:
                # It may be of a state that is there no more.
                say(error)


def main(path, migration=None):
    try:
        Manager(path, migration).serve()
    except qmp.Gone:
        pass


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
