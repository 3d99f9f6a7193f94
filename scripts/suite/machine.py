# SPDX-License-Identifier: GPL-2.0-only
"""Two emulated machines with a network between them, for migration.py and libvirt.py."""
import json
import os
import select
import signal
import socket
import subprocess
import time

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BOOT = 400      # seconds until a host or a guest has booted, on a busy machine
LIMIT = 7200    # seconds that a host may live


class Failed(Exception):
    """One line for the reader."""


class Host:
    """An emulated machine, and what runs in it and answers (scripts/lane/agent.py).

    TITLE is the suite's name and NAME the machine's; NUMBER is 1 or 2.  ENVIRONMENT is
    boot.sh's.
    """

    def __init__(self, build, title, name, number, initramfs, arguments, environment):
        self.name, self.address = name, f"10.0.0.{number}"
        self.log = f"{build}/log/{title}-{name}.log"
        ours, peer = (f"{build}/{title}-net.{n}" for n in (number, 3 - number))
        path = f"{build}/{title}-line.{number}"
        for old in (ours, path):
            if os.path.exists(old):
                os.unlink(old)
        # On a busy machine an emulated timer may look as if it did not work.
        append = f"no_timer_check ADDRESS={self.address} {environment.get('APPEND', '')}"
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                [f"{TOP}/scripts/lane/boot.sh", initramfs, str(LIMIT),
                 "-chardev", f"socket,id=line,path={path},server=on,wait=off",
                 "-serial", "chardev:line",
                 "-netdev", f"dgram,id=net,local.type=unix,local.path={ours},"
                            f"remote.type=unix,remote.path={peer}",
                 "-device", f"virtio-net-pci,netdev=net,romfile=,mac=52:54:00:00:00:0{number}",
                 *arguments],
                env=dict(os.environ, QEMU_CPUS="1", **dict(environment, APPEND=append)),
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self.line = socket.socket(socket.AF_UNIX)
        self.buffer = b""
        self.reach(path)

    def reach(self, path):
        deadline = time.monotonic() + 60
        while True:
            try:
                self.line.connect(path)
                return
            except OSError:
                if time.monotonic() > deadline or self.process.poll() is not None:
                    raise Failed(f"{self.name} does not start: see {self.log}") from None
                time.sleep(0.1)

    def answer(self, seconds):
        deadline = time.monotonic() + seconds
        while b"\n" not in self.buffer:
            left = max(deadline - time.monotonic(), 0)
            data = b""
            if select.select([self.line], [], [], left)[0]:
                data = self.line.recv(1 << 16)
            if not data:
                raise Failed(f"{self.name} does not answer: see {self.log}")
            self.buffer += data
        line, _, self.buffer = self.buffer.partition(b"\n")
        return json.loads(line)

    def call(self, function, *arguments, seconds=BOOT):
        self.line.sendall(json.dumps([function, *arguments]).encode() + b"\n")
        verdict, result = self.answer(seconds)
        if verdict != "ok":
            raise Failed(f"{self.name}: {result}")
        return result

    def leave(self):
        """Whether its kernel has not complained."""
        self.line.sendall(b'["leave"]\n')
        self.process.wait(60)
        with open(self.log, "rb") as file:
            return b"@@LOG clean" in file.read()

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait()


class Suite:
    """Tests on two such machines, as TAP."""

    def __init__(self, build, title):
        self.build, self.title = build, title
        self.hosts = []
        self.tests = []
        self.begun = time.monotonic()

    def say(self, text):
        print(f"# {time.monotonic() - self.begun:5.0f} s: {text}", flush=True)

    def test(self, name, expected, seen):
        good = expected == seen
        self.tests.append({"name": name, "passed": good, "seen": str(seen)})
        if not good:
            print(f"#   expected: {expected}\n#   seen:     {seen}")
        print(f"{'' if good else 'not '}ok - {self.title}: {name}", flush=True)

    def stop(self):
        for host in self.hosts:
            host.stop()

    def run_to_end(self, steps):
        """Whatever ends the STEPS, the machines are stopped, and report() is called."""
        interruptible()
        try:
            steps()
        except (Failed, KeyboardInterrupt, subprocess.TimeoutExpired) as error:
            self.test("it comes to its end", "", f"{type(error).__name__}: {error}")
        finally:
            self.stop()
            self.report()


def interruptible():
    """A signal that ends this process ends its machines first."""
    def interrupted(*_):
        raise KeyboardInterrupt

    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
        signal.signal(number, interrupted)
