# SPDX-License-Identifier: GPL-2.0-only
"""In an emulated host: does what comes in on a serial line (scripts/suite/machine.py).

A line is a JSON list, the name of a method of the host's and its arguments; the answer
is a JSON list too, ["ok", RESULT] or ["failed", WHY].
"""
import json
import socket
import subprocess
import termios
import time
import tty


class Failed(Exception):
    """One line for the reader."""


def until(what, seconds, condition):
    """The first answer of condition() that is not nothing."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        answer = condition()
        if answer:
            return answer
        time.sleep(0.05)
    raise Failed(f"{what}: not within {seconds} s")


class Line:
    """A guest's command line (see guest-init.sh), on a UNIX socket of its QEMU."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(path)
        self.buffer = b""

    def read(self, seconds):
        """[STATUS, OUTPUT] of what it was told last; READY when it has booted."""
        self.socket.settimeout(seconds)
        output = []
        while True:
            while b"\n" not in self.buffer:
                try:
                    data = self.socket.recv(1 << 16)
                except socket.timeout:
                    data = b""
                if not data:
                    raise Failed("the guest does not answer")
                self.buffer += data
            line, _, self.buffer = self.buffer.partition(b"\n")
            text = line.decode("utf-8", "replace").rstrip("\r")
            if text.startswith("@@"):
                return [text[2:], "\n".join(output)]
            output.append(text[1:])

    def run(self, command, seconds):
        self.socket.sendall(command.encode() + b"\n")
        return self.read(seconds)

    def close(self):
        self.socket.close()


def shell(command):
    """[STATUS, OUTPUT]"""
    done = subprocess.run(["sh", "-c", command], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, text=True,
                          errors="replace")
    return [done.returncode, done.stdout]


def serve(path, host, errors):
    """Until it is told to leave; ERRORS are what a method may raise, beside Failed."""
    with open(path, "rb") as requests, open(path, "wb", buffering=0) as answers:
        tty.setraw(requests.fileno(), termios.TCSANOW)
        answers.write(b'["ready"]\n')
        for request in requests:
            try:
                name, *arguments = json.loads(request)
                if name == "leave":
                    return
                answer = ["ok", getattr(host, name)(*arguments)]
            except (Failed, OSError, KeyError, TypeError, ValueError, *errors) as error:
                answer = ["failed", str(error) or type(error).__name__]
            answers.write(json.dumps(answer).encode() + b"\n")
