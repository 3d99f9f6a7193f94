#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Tests of tools/virt/vmport/vmport-state, as its users run it.  TAP.

What it says of blobs that are wrong is held against the engine in test_tool.c.  The
program is in the environment, VMPORT_STATE.
"""
import array
import bz2
import gzip
import json
import lzma
import os
import re
import resource
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import zlib

HERE = os.path.dirname(os.path.abspath(__file__))
TOOL = os.environ["VMPORT_STATE"]
DIR = tempfile.TemporaryDirectory()

# Struct kvm_vmport_blob_* of the header.
HEADER = struct.Struct("<IHHQIIQ")
SECTION = struct.Struct("<IIQ")
CHANNEL = struct.Struct("<HHIIIIIIIQ")
TCLO = struct.Struct("<QII")
REQUEST = struct.Struct("<QIHH")
GUESTINFO = struct.Struct("<IHH")
NAME = struct.Struct("<QHHI")
COOKIE, SEND, RECV, RUN, ASK, PRIVILEGED_REPLY = 1, 2, 4, 8, 16, 32
RPCI, TCLO_PROTOCOL = 0x49435052, 0x4F4C4354

# What was put into v1-rich when it was written, see rich_state() of the C tests.
RICH = """\
version 1, 616 bytes, checksum 0x203c5517 is right
channel 0: RPCI, cookie hidden
  sending: 20 of 26 bytes
channel 1: RPCI, no cookie
  receiving message: 4 of 7 bytes
channel 2: TCLO, cookie hidden
  receiving request 4: 4 of 11 bytes
channel 3: TCLO, cookie hidden
  sending: 4 of 8 bytes
  runs request 3
channel 6: TCLO, no cookie
  receiving message: 0 of 5 bytes
host's requests: 4, the next is request 7
  request 1: lost, 0 bytes
  request 2: answered, 4 bytes
  request 5: queued, 4 bytes
  request 6: queued, 5 bytes
guestinfo: 4 entries, 64 bytes of keys and values
  "guestinfo.empty": 0 bytes
  "guestinfo.metadata": 5 bytes
  "guestinfo.ro": 3 bytes, read-only
  "machine.id": 1 byte
"""

PRIVILEGED = """\
version 1, 208 bytes, checksum 0x1c2f8f95 is right
channel 0: RPCI, no cookie
  receiving privileged message: 4 of 8 bytes
guestinfo: 3 entries, 58 bytes of keys and values
  "guestinfo.both": 4 bytes, read-only, privileged, wipeable
  "guestinfo.secret": 6 bytes, privileged
  "guestinfo.wipe": 4 bytes, read-only, wipeable
"""

# Where things stand in v1-rich.
CHANNEL_0, GUESTINFO_AT = 32, 496
PAYLOAD = 16

tests = []


def test(name):
    def add(function):
        tests.append((name, function))
        return function
    return add


def check(condition, what=""):
    if not condition:
        raise AssertionError(what)


def equal(a, b):
    check(a == b, f"{a!r} is not {b!r}")


def path(name):
    return os.path.join(HERE, "golden", name + ".bin")


def golden(name):
    with open(path(name), "rb") as file:
        return bytearray(file.read())


def run_bytes(*args, stdin=b""):
    done = subprocess.run([TOOL, *args], input=stdin, capture_output=True, check=False)
    check(done.returncode in range(6), done.stderr.decode())
    return done.returncode, done.stdout, done.stderr.decode()


def run(*args, stdin=b""):
    status, out, err = run_bytes(*args, stdin=stdin)
    return status, out.decode(), err


def new_file(name, data):
    name = os.path.join(DIR.name, name)
    os.makedirs(os.path.dirname(name), exist_ok=True)
    with open(name, "wb") as file:
        file.write(data)
    return name


def content(name):
    with open(name, "rb") as file:
        return file.read()


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def seal(blob):
    """Make length and checksum right again."""
    blob = bytearray(blob)
    struct.pack_into("<Q", blob, 8, len(blob))
    struct.pack_into("<I", blob, 16, 0)
    struct.pack_into("<I", blob, 16, crc32c(blob))
    return bytes(blob)


def show(blob, *options):
    status, out, err = run(*options, stdin=bytes(blob))
    equal((status, err), (0, ""))
    return out


def refused(blob, offset, error, *options):
    """A blob that is refused at this byte, for this reason, in one line."""
    status, out, err = run("verify", *options, stdin=bytes(blob))
    equal((status, err, out.count("\n")), (1, "", 1))
    check(out.startswith(f"standard input: byte {offset}: "), out)
    check(f"KVM_VMPORT_ERR_{error}): " in out, out)


def patched(offset, layout, *values):
    blob = golden("v1-rich")
    struct.pack_into("<" + layout, blob, offset, *values)
    return seal(blob)


def blob_of(*sections):
    blob = bytearray(HEADER.pack(0x53504D56, 1, 32, 0, 0, 0, 0))
    for kind, flags, payload in sections:
        blob += SECTION.pack(kind, flags, len(payload)) + payload
        blob += bytes(-len(blob) % 8)
    return seal(blob)


def channel(number, flags, protocol=RPCI, send=(0, 0), recv=(0, 0), request=0, data=b""):
    return (1, 1, CHANNEL.pack(number, flags, protocol, 0, 0, *send, *recv, request) + data)


def name(number, kind, text):
    record = NAME.pack(number, kind, len(text), 0) + text
    return record + bytes(-len(record) % 8)


@test("the empty state")
def _():
    equal(run(path("v1-empty")),
          (0, "version 1, 32 bytes, checksum 0xcb281c4f is right\n", ""))


@test("every section, secrets hidden; from a file and from standard input")
def _():
    equal(run(path("v1-rich")), (0, RICH, ""))
    equal(run(stdin=bytes(golden("v1-rich"))), (0, RICH, ""))
    equal(run("-", stdin=bytes(golden("v1-rich"))), (0, RICH, ""))


@test("--cookies shows the cookies and nothing else that is hidden")
def _():
    status, out, _ = run("--cookies", path("v1-rich"))
    equal(status, 0)
    check("channel 0: RPCI, cookie 2da8f5e6:d193c632\n" in out, out)
    equal(re.sub("cookie [0-9a-f:]{17}", "cookie hidden", out), RICH)


@test("--values shows messages and values, with no byte that a terminal obeys")
def _():
    status, out, _ = run("--values", path("v1-rich"))
    equal(status, 0)
    check('sending: 20 of 26 bytes: "info-set guestinfo.b"\n' in out, out)
    check('request 2: answered, 4 bytes: "OK 2"\n' in out, out)
    check('"guestinfo.ro": 3 bytes, read-only: "a\\x00\\xff"\n' in out, out)
    check("cookie hidden" in out)
    check(out.isascii())


@test("40 entries of guestinfo, in the order of the blob")
def _():
    status, out, _ = run("--values", path("v1-guestinfo"))
    equal(status, 0)
    lines = out.splitlines()
    equal(len(lines), 42)
    keys = [line.split('"')[1] for line in lines[2:]]
    equal(keys, sorted(f"guestinfo.key{i * 7}" for i in range(40)))
    check('  "guestinfo.key35": 5 bytes, read-only: "00005"' in lines)


@test("a guest's escape sequences stay text, in keys too")
def _():
    payload = GUESTINFO.pack(3, 4, 0) + b"a\x1b[m\x1b\"\\"
    out = show(blob_of((3, 1, payload + bytes(-len(payload) % 8))), "--values")
    check('  "a\\x1b[m": 3 bytes: "\\x1b\\x22\\x5c"' in out, out)


@test("a message that waits for the VMM, and the order of the channels")
def _():
    out = show(blob_of(channel(3, ASK, send=(4, 4), request=9, data=b"what"),
                         channel(5, 0), (4, 0, bytes((5, 0, 3, 0)))), "--values")
    check('  asks the VMM, request 9: 4 bytes: "what"\n' in out, out)
    check("last used: channels 5, 3\n" in out, out)


@test("who may have what: privileged and wipeable entries, and a reply that waits")
def _():
    equal(run(path("v1-privileged")), (0, PRIVILEGED, ""))


@test("the names of daemons, and of those that requests are for")
def _():
    equal(run(path("v1-names"))[0], 0)
    queued = TCLO.pack(3, 1, 0) + REQUEST.pack(2, 4, 2, 0) + b"ping" + bytes(4)
    out = show(blob_of(channel(0, 0, TCLO_PROTOCOL), channel(1, 0, TCLO_PROTOCOL),
                         (2, 1, queued), (5, 0, name(0, 0, b"toolbox-dnd") + name(1, 0, b"") +
                                          name(2, 1, b"vm\x1b"))))
    check('  channel 0 is "toolbox-dnd"\n  channel 1 is nobody\n'
          '  request 2 is for "vm\\x1b"\n' in out, out)


@test("names of requests that a channel holds, and of results")
def _():
    results = TCLO.pack(3, 1, 0) + REQUEST.pack(1, 0, 1, 0)
    out = show(blob_of(channel(0, RUN, TCLO_PROTOCOL, request=2), (2, 1, results),
                         (5, 0, name(2, 1, b"runs") + name(1, 1, b"lost"))))
    check('  request 2 is for "runs"\n  request 1 is for "lost"\n' in out, out)


@test("what the kernel does not keep of the order and the names is not shown, and a note says so")
def _():
    out = show(blob_of(channel(0, 0), channel(3, 0),
                       (4, 0, bytes((3, 2, 0, 0, 200, 9, 7, 0, 3, 1, 0)))))
    check("last used: channels 0, 3\nnote: the kernel does not keep all" in out, out)
    out = show(blob_of(channel(0, 0), channel(1, 0, TCLO_PROTOCOL),
                       (5, 0, name(0, 0, b"rpci") + name(1, 0, b"good") + name(1, 0, bytes(32)))))
    check('names:\n  channel 1 is "good"\nnote: ' in out, out)


@test("an unknown section: shown, or refused when it is critical")
def _():
    check("section 77: not known, 5 bytes\n" in show(blob_of((77, 0, b"12345"))))
    refused(blob_of((77, 1, b"12345")), 32, "CRITICAL")


@test("v1-steal: whose clock, and where")
def _():
    text = show(golden("v1-steal"))
    check("steal clocks:\n  vCPU 2: at 0x3fc00040\n  vCPU 16383: at 0xfffc0\n" in text, text)


@test("errors: one line that names the file, the byte, KVM's error and what to do, status 1")
def _():
    status, out, err = run(stdin=bytes(golden("v1-rich")[:100]))
    equal((status, out), (1, ""))
    equal(err, "vmport-state: standard input: byte 8: the length in the header is not the blob's "
               "(EINVAL, KVM_VMPORT_ERR_LENGTH): it was cut or something was added: copy it "
               "again, whole\n")
    equal(run(stdin=b"")[0], 1)
    blob = golden("v1-rich")
    blob[200] ^= 1
    refused(blob, 16, "CHECKSUM")
    refused(patched(GUESTINFO_AT + PAYLOAD + 6, "H", 2), GUESTINFO_AT + PAYLOAD + 6, "FLAGS")
    out = run("verify", stdin=patched(GUESTINFO_AT + PAYLOAD + 6, "H", 2))[1]
    check("in the section at byte 496, type 3 (GUESTINFO)" in out, out)
    refused(patched(0, "B", 0), 0, "MAGIC", "--raw")
    refused(b"VMPS" + bytes(33554432 - 3), 0, "STATE_SIZE")
    refused(bytes(33554432), 0, "MAGIC", "--raw")
    refused(patched(4, "H", 2), 4, "VERSION")


@test("errors: a file that is not there, a wrong option, argument or command: status 2")
def _():
    status, _, err = run("/nowhere/blob")
    equal((status, err), (2, "vmport-state: /nowhere/blob: No such file or directory\n"))
    for args in (("--nonsense",), ("get", "x"), ("diff", "x"), ("nonsense", "x"),
                 ("--features", "ENABLE,NO"), ("--limits", "keys=4097"), ("--limits", "x=1"),
                 ("--flags", "x"), ("--at", "-1"), ("--at", "1x")):
        status, out, err = run(*args)
        equal((status, out), (2, ""))
        check(err, str(args))


@test("--version, --help and the commands that the man page and the completion have")
def _():
    check(re.fullmatch(r"vmport-state \S+, state format 1, JSON schema 1\n", run("--version")[1]))
    status, text, _ = run("--help")
    equal(status, 0)
    place = os.path.join(HERE, "../../virt/vmport/vmport-state")
    page = content(place + ".1").decode()
    completion = content(place + ".bash").decode()
    for command in re.findall(r"^  vmport-state (\S+)", text, re.M):
        check(re.search(rf"^\.It (Cm|Ic) {command}\b", page, re.M), command)
        check(re.search(rf"\b{command}\b", completion), command)
    options = set(re.findall(r"--([a-z-]+)", text))
    check(len(options) == 16, str(options))
    for option in options:
        check(f".Fl -{option}" in page or f"Fl -{option}" in page, option)
        check(f"--{option}" in completion, option)


@test("completion: commands, options, the words of an option, the keys of a blob")
def _():
    script = os.path.join(HERE, "../../virt/vmport/vmport-state.bash")
    # One at which nobody types.
    terminal, keyboard = os.pipe()

    def complete(*words):
        done = subprocess.run(
            ["bash", "-c", 'source "$0"; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); '
             '_vmport_state; printf "%s\\n" "${COMPREPLY[@]}"', script, "vmport-state", *words],
            env={**os.environ, "PATH": os.path.dirname(TOOL) + ":" + os.environ["PATH"]},
            cwd=DIR.name, capture_output=True, check=True, stdin=terminal, timeout=20)
        equal(done.stderr, b"")
        return done.stdout.decode().split()

    equal(complete("ver"), ["verify"])
    equal(complete("--va"), ["--values", "--value-file"])
    equal(complete("--features", "EN"), ["ENABLE"])
    equal(complete("set", "--flags", "r"), ["read-only"])
    equal(complete("get", path("v1-rich"), "guestinfo.e"), ["guestinfo.empty"])
    equal(complete("delete", path("v1-rich"), "machine.id", "guestinfo.r"), ["guestinfo.ro"])
    new_file("a-file", b"")
    equal(complete("show", "a-f"), ["a-file"])
    equal(complete("-o", "a-f"), ["a-file"])
    equal(complete("--features", "ENABLE,R"), ["ENABLE,RPC", "ENABLE,RING3"])
    equal(complete("set", "--flags", "read-only,w"), ["read-only,wipeable"])
    os.mkfifo(os.path.join(DIR.name, "fifo"))
    try:
        equal(complete("get", "-", ""), [])
        equal(complete("get", "fifo", ""), [])
    except subprocess.TimeoutExpired:
        check(False, "it waits for a terminal or a pipe")
    finally:
        os.close(keyboard)
        os.close(terminal)


@test("features that the guest was promised; a VM that lacks some refuses the blob")
def _():
    promised = patched(24, "Q", 1 | 2 | 1 << 7)
    check("the guest was promised: ENABLE, RPC, NESTED\n" in show(promised))
    refused(promised, 24, "FEATURE", "--features", "ENABLE,RPC")
    check(": NESTED (EPERM" in run("verify", "--features", "3", stdin=promised)[1])
    equal(run("verify", "-q", "--features", "ENABLE,RPC,NESTED", stdin=promised), (0, "", ""))
    refused(patched(24, "Q", 1 << 63), 24, "FEATURE")


@test("verify: each file, the worst status; as JSON one line for each")
def _():
    bad = new_file("bad", bytes(golden("v1-rich")[:-8]))
    status, out, _ = run("verify", path("v1-rich"), bad, path("v1-empty"))
    equal(status, 1)
    equal([": good, " in line for line in out.splitlines()], [True, False, True])
    status, out, _ = run("verify", "--json", path("v1-rich"), bad)
    lines = [json.loads(line) for line in out.splitlines()]
    equal(lines[0], {"file": path("v1-rich"), "at": 0, "size": 616, "good": True, "errno": "0",
                     "error": 0, "name": "NONE", "offset": 0, "missing": []})
    equal([lines[1][key] for key in ("errno", "error", "name", "offset")],
          ["EINVAL", 33, "LENGTH", 8])
    equal(run("verify", bad, "/nowhere")[0], 2)


@test("--json: the schema of the man page; secrets only on request")
def _():
    state = json.loads(show(golden("v1-rich"), "--json"))
    equal([state[key] for key in ("format", "schema", "version", "size", "checksum")],
          ["kvm-vmport-state", 1, 1, 616, "0x203c5517"])
    equal(state["channels"][0], {"id": 0, "protocol": "RPCI", "activity": "sending",
                                 "cookie": True, "send": {"size": 26, "done": 20},
                                 "privileged": False})
    equal(state["channels"][2]["request"], 4)
    equal(state["requests"]["next"], 7)
    equal([item["kind"] for item in state["requests"]["items"]],
          ["lost", "answered", "queued", "queued"])
    equal(state["guestinfo"][2], {"key": "guestinfo.ro", "flags": ["read-only"], "size": 3})
    full = json.loads(show(golden("v1-rich"), "--json", "--values", "--cookies"))
    equal(full["channels"][0]["cookie"], "2da8f5e6:d193c632")
    equal(full["channels"][0]["send"]["data"], "info-set guestinfo.b")
    equal(full["guestinfo"][2]["value"], {"hex": "6100ff"})
    equal(json.loads(show(golden("v1-steal"), "--json"))["stealclocks"],
          [{"vcpu": 2, "address": "0x3fc00040"}, {"vcpu": 16383, "address": "0xfffc0"}])


def built(state):
    return run_bytes("build", stdin=json.dumps(state).encode())


def as_json(blob):
    return json.loads(show(blob, "--json", "--values", "--cookies"))


@test("build: what --json shows becomes the same blob again")
def _():
    for one in ("empty", "rich", "guestinfo", "names", "privileged", "steal", "marks"):
        equal(built(as_json(golden("v1-" + one))), (0, bytes(golden("v1-" + one)), ""))
    # These have what the kernel does not write any more.
    for one in ("ask", "order"):
        first = built(as_json(golden("v1-" + one)))[1]
        again = as_json(first)
        equal(built(again)[1], first)
        equal({**again, "size": 0, "checksum": 0},
              {**as_json(golden("v1-" + one)), "size": 0, "checksum": 0})


@test("build: what is wrong in the JSON is named; what KVM would refuse is not written")
def _():
    def fails(change, text, status=2):
        state = as_json(golden("v1-rich"))
        change(state)
        code, out, err = built(state)
        check((code, out) == (status, b"") and text in err, f"{code}, {err}, not {text}")

    fails(lambda s: s.pop("format"), "format: ")
    fails(lambda s: s.update(schema=2), "schema: ")
    fails(lambda s: s.update(unknown=[{"type": 77}]), "unknown: ")
    fails(lambda s: s["channels"][0].update(cookie=True), "channels[0].cookie: ")
    fails(lambda s: s["channels"][0].update(cookie="-1234567:89abcdef"), "channels[0].cookie: ")
    fails(lambda s: s["channels"][1].update(protocol="X"), "channels[1].protocol: no such word")
    fails(lambda s: s["channels"][1].update(id=-1), "channels[1].id: ")
    fails(lambda s: s["channels"][0]["send"].pop("data"), "--values")
    fails(lambda s: s["requests"]["items"][1].update(id=1 << 63), "")
    fails(lambda s: s["guestinfo"][1].update(value={"hex": "123"}), "guestinfo[1].value: half")
    fails(lambda s: s["guestinfo"][1].update(value={"hex": "xx"}), "guestinfo[1].value: not hex")
    fails(lambda s: s["guestinfo"][1].update(key="a" * 257), "guestinfo[1].key: too long")
    fails(lambda s: s["guestinfo"][1].update(key=7), "guestinfo[1].key: ")
    fails(lambda s: s["guestinfo"][1].update(flags=["x"]), "guestinfo[1].flags: ")
    fails(lambda s: s.update(features=["X"]), "features: ")
    fails(lambda s: s.update(order=[300]), "order: ")
    fails(lambda s: s.update(stealclocks=[{"vcpu": 1, "address": "x"}]), "stealclocks[0].address")
    fails(lambda s: s["channels"].reverse(), "KVM_VMPORT_ERR_ORDER", 1)
    fails(lambda s: s["requests"].update(next=3), "KVM_VMPORT_ERR_REQUEST", 1)
    equal(run("build", stdin=b"{")[0], 2)
    equal(run("build", stdin=b"[" * 100000)[0], 2)
    equal(run("build", stdin=b'{"format":1,"format":2}')[0], 2)


@test("build: a field that is missing, misspelt or no such thing does not become a 0")
def _():
    def fails(change, text, source="v1-rich"):
        state = as_json(golden(source))
        change(state)
        code, out, err = built(state)
        check((code, out) == (2, b"") and text in err, f"{code}, {err}, not {text}")

    fails(lambda s: s.update(stealclocks=[{"vcpu": 3}]), "stealclocks[0].address: not there")
    fails(lambda s: s.update(stealclocks=[{"address": "0x40"}]), "stealclocks[0].vcpu: not there")
    fails(lambda s: s.update(stealclocks=[5]), "stealclocks[0]: not an object")
    fails(lambda s: s["channels"][0].pop("id"), "channels[0].id: not there")
    fails(lambda s: s["channels"][0]["send"].pop("size"), "channels[0].send.size: not there")
    fails(lambda s: s["channels"][1]["receive"].pop("done"), "channels[1].receive.done: not there")
    fails(lambda s: s["channels"][0].update(privileged=1), "channels[0].privileged: not true")
    fails(lambda s: s["channels"][0].update(cancelled="x"), "channels[0].cancelled: not true")
    fails(lambda s: s["requests"]["items"][0].pop("id"), "requests.items[0].id: not there")
    fails(lambda s: s["requests"].pop("next"), "requests.next: not there")
    fails(lambda s: s.update(requests=[]), "requests: not an object", "v1-guestinfo")
    for change, text in (
            (lambda s: s.update(guestInfo=[]), "guestInfo"),
            (lambda s: s["channels"][0].update(privilegd=True), "channels[0].privilegd"),
            (lambda s: s["channels"][0]["send"].update(x=1), "channels[0].send.x"),
            (lambda s: s["requests"].update(x=1), "requests.x"),
            (lambda s: s["requests"]["items"][0].update({"From": "x"}), "requests.items[0].From"),
            (lambda s: s["guestinfo"][0].update(flag=["privileged"]), "guestinfo[0].flag"),
            (lambda s: s.update(stealclocks=[{"vcpu": 0, "address": 64, "x": 1}]),
             "stealclocks[0].x")):
        fails(change, text + ": no such field")
    fails(lambda s: s.update(format="kvm-vmport-state\0x"), "format: ")
    fails(lambda s: s["channels"][0].update(protocol="RPCI\0"), "channels[0].protocol: ")
    fails(lambda s: s["channels"][0].update(id="0\0"), "channels[0].id: ")
    fails(lambda s: s["guestinfo"][0].update(flags=["privileged\0"]), "guestinfo[0].flags: ")
    # What may be left out.
    state = as_json(golden("v1-guestinfo"))
    for name in ("version", "size", "checksum", "features", "channels", "requests", "order",
                 "stealclocks", "unknown"):
        del state[name]
    for entry in state["guestinfo"]:
        del entry["size"]
    equal(built(state), (0, bytes(golden("v1-guestinfo")), ""))


@test("get, set and delete: an entry of a saved blob")
def _():
    blob = new_file("blob", bytes(golden("v1-rich")))
    os.chmod(blob, 0o640)
    equal(run_bytes("get", blob, "guestinfo.ro"), (0, b"a\0\xff", ""))
    status, out, err = run("get", blob, "guestinfo.no")
    equal((status, out, err.count("\n")), (4, "", 1))
    equal(run("set", blob, "guestinfo.a=b=c", "guestinfo.ro=new"), (0, "", ""))
    equal(os.stat(blob).st_mode & 0o777, 0o640)
    equal(run_bytes("get", blob, "guestinfo.a"), (0, b"b=c", ""))
    check('  "guestinfo.ro": 3 bytes, read-only: "new"\n' in show(content(blob), "--values"))
    equal(run("set", "--flags", "privileged", "--value-file", path("v1-empty"), blob,
              "guestinfo.a"), (0, "", ""))
    equal(run_bytes("get", blob, "guestinfo.a")[1], bytes(golden("v1-empty")))
    check('"guestinfo.a": 32 bytes, privileged\n' in show(content(blob)))
    equal(run("delete", blob, "guestinfo.a", "machine.id"), (0, "", ""))
    equal(run("set", blob, "machine.id=7"), (0, "", ""))
    equal(run("set", "--flags", "none", blob, "guestinfo.ro=x"), (0, "", ""))
    equal(run("set", "--flags", "read-only", "--value-file",
              new_file("value", b"a\0\xff"), blob, "guestinfo.ro"), (0, "", ""))
    equal(content(blob), bytes(golden("v1-rich")))
    equal(os.listdir(DIR.name).count("blob"), 1)


@test("set: what KVM would refuse, a limit of the VM included, changes nothing")
def _():
    good = bytes(golden("v1-rich"))
    blob = new_file("blob", good)
    for args in (("a b=c",), ("=c",), ("a",), ("x" * 257 + "=",), ("a=b", "a b=c"),
                 ("--limits", "keys=4", "a=b"), ("--limits", "value=4", "machine.id=12345"),
                 ("--limits", "guestinfo=64", "a=b"), ("--flags", "wipeable", "a=b"),
                 ("--value-file", "/nowhere", "a"), ("--value-file", path("v1-rich"), "a", "b")):
        status, out, err = run("set", blob, *args)
        check(status in (1, 2) and not out and err, str(args))
        equal(content(blob), good)
    equal(run("set", "--limits", "keys=4", blob, "machine.id=8"), (0, "", ""))
    equal(run("delete", blob, "guestinfo.no")[0], 4)


@test("set and delete: a section that is not known is not left out without a word")
def _():
    blob = new_file("blob", bytes(blob_of((0x77, 0, b"later"), (0x7A, 0, b""))))
    status, out, err = run("set", blob, "a=b")
    equal((status, out), (0, ""))
    equal([f"section {n} is not known" in err for n in (0x77, 0x7A, 0x78)], [True, True, False])
    equal(run("delete", blob, "a"), (0, "", ""))


@test("set: from standard input to standard output, or with -o to another file")
def _():
    status, out, _ = run_bytes("set", "-", "a=b", stdin=bytes(golden("v1-empty")))
    equal(status, 0)
    equal(run_bytes("get", "-", "a", stdin=out)[1], b"b")
    other = os.path.join(DIR.name, "other")
    equal(run("set", path("v1-empty"), "a=b", "-o", other), (0, "", ""))
    equal(content(other), out)


@test("diff: what differs, by name; secrets only on request; status 5")
def _():
    equal(run("diff", path("v1-rich"), path("v1-rich")), (0, "", ""))
    blob = new_file("blob", bytes(golden("v1-rich")))
    run("set", blob, "guestinfo.metadata=id: 2", "guestinfo.new=x")
    run("delete", blob, "guestinfo.empty")
    equal(run("diff", path("v1-rich"), blob),
          (5, '- guestinfo["guestinfo.empty"]\n'
              '~ guestinfo["guestinfo.metadata"].value: differs\n'
              '+ guestinfo["guestinfo.new"]\n', ""))
    check('.value: "id: 1" -> "id: 2"\n' in run("diff", "--values", path("v1-rich"), blob)[1])
    equal(run("diff", "-q", path("v1-rich"), blob), (5, "", ""))
    out = run("diff", path("v1-rich"), path("v1-names"))[1]
    check("- channels[3]\n" in out and "~ requests.next: 7 -> 3\n" in out, out)
    check("~ channels[1].cookie: differs" in out and "2da8f5e6" not in out, out)


def on_terminal(*args, stdin=None):
    """What the program writes to a terminal, and its status."""
    master, terminal = os.openpty()
    done = subprocess.run([TOOL, *args], stdin=stdin, stdout=terminal, stderr=subprocess.PIPE,
                          check=False)
    os.close(terminal)
    os.set_blocking(master, False)
    try:
        seen = os.read(master, 65536)
    except OSError:
        seen = b""
    os.close(master)
    return done.returncode, seen, done.stderr.decode()


@test("a terminal gets no blob, and no value with control characters")
def _():
    blob = new_file("blob", bytes(golden("v1-empty")))
    run("set", blob, "plain=gr\u00fc\u00df\n\tx", "title=\x1b]0;x\x07", "csi=\u009b31m")
    equal(on_terminal("get", blob, "plain")[:2], (0, "gr\u00fc\u00df\r\n\tx".encode()))
    for key in ("title", "csi"):
        status, seen, err = on_terminal("get", blob, key)
        equal((status, seen), (2, b""))
        check("-o" in err, err)
        equal(run_bytes("get", blob, key)[0], 0)
    for command in (("extract", blob), ("set", "-", "a=b"), ("delete", "-", "title")):
        with open(blob, "rb") as file:
            status, seen, err = on_terminal(*command, stdin=file)
        equal((status, seen), (2, b""))
        check("-o" in err, err)


@test("keys and values: nothing that is shown has a control character")
def _():
    blob = new_file("blob", bytes(golden("v1-empty")))
    every = "".join(chr(c) for c in range(1, 0xA1) if c != ord("\n"))
    equal(run("set", blob, f"key{every.replace(' ', '').replace('=', '')}=v", f"a={every}\n")[0], 0)
    for args in (("--values", blob), ("--json", "--values", blob),
                 ("diff", "--values", blob, path("v1-empty")),
                 ("diff", "--values", path("v1-empty"), blob)):
        out = run_bytes(*args)[1]
        check(b"key" in out and not re.search(rb"[^\n -~]", out), out)
    state = run("--json", "--values", blob)[1]
    equal(json.loads(state)["guestinfo"][0]["value"], every + "\n")
    equal(run_bytes("build", stdin=state.encode())[1], content(blob))
    other = new_file("other", content(blob))
    run("set", other, "a=\x7fx")
    out = run("diff", "--values", blob, other)[1]
    check('\\u007Fx"\n' in out and not re.search("[^\n -~]", out), out)


@test("names of files are shown so that they are nothing but names")
def _():
    for name in ("a\x1b[31m", "a\nb: good, 1 bytes", "a\u009b31m", b"a\x9b"):
        name = os.fsdecode(os.path.join(os.fsencode(DIR.name), os.fsencode(name)))
        for data in (golden("v1-empty"), golden("v1-empty")[:-1], b"n" * 100):
            new_file(name, bytes(data))
            _, out, err = run_bytes("verify", name)
            text = out + err.encode()
            check(not re.search(rb"[\x00-\x09\x0b-\x1f\x7f-\x9f]", text), text)
            equal(text.count(b"\n"), 1)
        err = run("get", name, "a")[2]
        check("\x1b" not in err and err.count("\n") == 1, err)
    new_file("gr\u00fc\u00df", bytes(golden("v1-empty")))
    check(run("verify", os.path.join(DIR.name, "gr\u00fc\u00df"))[1].endswith("gr\u00fc\u00df: good, 32 bytes\n"))


@test("set: the file keeps its owner and mode, and a link stays a link")
def _():
    blob = new_file("blob", bytes(golden("v1-empty")))
    link = os.path.join(DIR.name, "link")
    os.symlink("blob", link)
    os.chmod(blob, 0o640)
    if not os.getuid():
        os.chown(blob, 12345, 54321)
    before = os.stat(blob)
    equal(run("set", link, "a=b"), (0, "", ""))
    after = os.stat(blob)
    check(os.path.islink(link))
    equal((after.st_mode, after.st_uid, after.st_gid),
          (before.st_mode, before.st_uid, before.st_gid))
    equal(run("get", blob, "a"), (0, "b", ""))
    os.unlink(link)
    # Where -o is a name of what the shell has opened.
    out = os.path.join(DIR.name, "out")
    with open(out, "wb") as file:
        os.symlink(f"/proc/{os.getpid()}/fd/{file.fileno()}", link)
        equal(run("get", blob, "a", "-o", link), (0, "", ""))
    check(os.path.islink(link))
    equal(content(out), b"b")
    os.unlink(link)


@test("what was read is not overwritten, but for a blob by set and delete")
def _():
    blob = new_file("blob", bytes(golden("v1-rich")))
    whole = new_file("stream", stream(framed(golden("v1-rich"))))
    text = new_file("text", run_bytes("--json", "--values", "--cookies", blob)[1])
    os.link(whole, whole + ".link")
    for args in (("get", whole, "machine.id"), ("extract", whole), ("set", whole, "a=b"),
                 ("delete", whole, "machine.id"), ("build", text), ("get", blob, "machine.id")):
        for output in (args[1], whole + ".link" if args[1] == whole else args[1]):
            before = content(output)
            status, _, err = run(*args, "-o", output)
            equal(status, 2)
            check("another name" in err, err)
            equal(content(output), before)
    equal(run("set", blob, "a=b", "-o", blob), (0, "", ""))
    equal(run("get", blob, "a"), (0, "b", ""))


@test("set: from a named pipe, with -o; without it says so")
def _():
    pipe = os.path.join(DIR.name, "pipe")
    os.mkfifo(pipe)
    for options, status in ((["-o", os.path.join(DIR.name, "out")], 0), ([], 2)):
        with subprocess.Popen(["cp", path("v1-rich"), pipe]) as writer:
            try:
                done = subprocess.run([TOOL, "set", pipe, "a=b", *options], check=False,
                                      stderr=subprocess.PIPE, timeout=20)
            except subprocess.TimeoutExpired:
                check(False, "it waits for a second writer")
            finally:
                writer.kill()
        equal(done.returncode, status)


@test("standard input is read for one thing only")
def _():
    for args in (("set", "-", "--value-file", "-", "a"), ("diff", "-", "-"),
                 ("verify", "-", "-")):
        status, _, err = run_bytes(*args, stdin=bytes(golden("v1-rich")))
        equal(status, 2)
        check("standard input: it can only be read once" in err, err)


@test("set: where the file cannot be written nothing is left beside it")
def _():
    blob = new_file("alone/blob", bytes(golden("v1-empty")))
    done = subprocess.run([TOOL, "set", blob, "a=" + "x" * 3000], stderr=subprocess.PIPE,
                          check=False, preexec_fn=lambda: resource.setrlimit(
                              resource.RLIMIT_FSIZE, (1024, 1024)))
    equal(done.returncode, 2)
    check(b"too large" in done.stderr, done.stderr)
    equal(os.listdir(os.path.dirname(blob)), ["blob"])
    equal(content(blob), bytes(golden("v1-empty")))


@test("-o where nothing is written to it is no success")
def _():
    for args in (("show", path("v1-rich")), (path("v1-rich"),), ("verify", path("v1-rich")),
                 ("diff", path("v1-rich"), path("v1-rich"))):
        status, out, err = run(*args, "-o", os.path.join(DIR.name, "no"))
        equal((status, out), (2, ""))
        check("-o" in err, err)


@test("verify: --quiet with --json, and records that end too soon")
def _():
    equal(run("verify", "--quiet", "--json", path("v1-rich")), (0, "", ""))
    bad = golden("v1-rich")
    bad[100] ^= 1
    check(not json.loads(run("verify", "--quiet", "--json", stdin=bad)[1])["good"])
    record = struct.pack("<I", 616) + bytes(golden("v1-rich"))
    for size in (1, 3, 4, 619):
        status, out, err = run("verify", "--records", stdin=record + record[:size])
        equal((status, out.count("\n")), (2, 1))
        check("record 1 is cut" in err, err)


# A migration stream, as docs/devel/migration of QEMU has it.
def stream(device, memory=b"", early=b"", machine=b"pc-i440fx-10.0", capabilities=()):
    def section(kind, number, payload, title=None):
        named = b"" if title is None else bytes([len(title)]) + title + struct.pack(">II", 0, 4)
        return (struct.pack(">BI", kind, number) + named + payload +
                struct.pack(">BI", 0x7E, number))

    head = (b"QEVM\0\0\0\3" + b"\7" + struct.pack(">I", len(machine)) + machine +
            b"\5\x15configuration/storage" + struct.pack(">II", 1, 0x01000101))
    if capabilities:
        head += b"\5\x1aconfiguration/capabilities" + struct.pack(">II", 1, len(capabilities))
        head += b"".join(bytes([len(c)]) + c for c in capabilities)
    head += struct.pack(">BHHI", 8, 2, 4, 1) + early
    mapped = b"mapped-ram" in capabilities
    size = max(4096, -(-len(memory) // 4096) * 4096)
    sizes = struct.pack(">Q", size + 4096 | 4)
    for title, count, data in ((b"pc.ram", size, memory), (b"vram", 4096, b"")):
        sizes += bytes([len(title)]) + title + struct.pack(">Q", count)
        if b"x-ignore-shared" in capabilities:
            sizes += struct.pack(">Q", 0xFFFC0000)
        if mapped:
            at = len(head) + 17 + len(sizes) + 28       # behind the section's header and this one
            pages_at = -(-(at + 8) // 4096) * 4096
            sizes += struct.pack(">IQQQ", 1, 4096, at, pages_at)
            sizes += bytes(pages_at - at) + data.ljust(count, b"\0")
    pages = b""
    for i in range(0, 0 if mapped else size, 4096):
        page = memory[i:i + 4096].ljust(4096, b"\0")
        flags = 8 | (0x20 if i else 0)
        pages += struct.pack(">Q", i | flags) + (b"" if i else b"\6pc.ram") + page
    pages += b"" if mapped else struct.pack(">Q", 0 | 2) + b"\4vram\0"
    eos = struct.pack(">Q", 0x10)
    return (head +
            section(1, 2, sizes + eos, b"ram") + section(2, 2, pages + eos) +
            section(3, 2, eos) + section(4, 5, b"\x7e\0\0\0", b"timer") +
            section(4, 9, device, b"kvm-vmport") + b"\0\6" + struct.pack(">I", 2) + b"{}")


def framed(blob):
    """As QEMU's vmstate has it: features, the size, the bytes."""
    return struct.pack(">QI", 3, len(blob)) + bytes(blob)


@test("a migration stream: the blob is found, from a file and a pipe, and shown")
def _():
    whole = stream(framed(golden("v1-rich")), bytes(20000))
    equal(show(whole), RICH)
    equal(run(new_file("stream", whole)), (0, RICH, ""))
    equal(run_bytes("extract", stdin=whole), (0, bytes(golden("v1-rich")), ""))
    line = json.loads(run("verify", "--json", stdin=whole)[1])
    equal(line["at"], whole.index(b"VMPS"))
    status, _, err = run("set", new_file("stream", whole), "a=b")
    equal(status, 2)
    check("-o" in err, err)
    status, out, _ = run_bytes("set", new_file("stream", whole), "a=b", "-o", "-")
    equal(run_bytes("get", "-", "a", stdin=out)[1], b"b")


@test("a migration stream: what the guest wrote into its memory is no blob")
def _():
    forged = bytes(golden("v1-guestinfo"))
    for place in (0, 100, 4096 - 8, 8191):
        equal(show(stream(framed(golden("v1-rich")), bytes(place) + forged + forged)), RICH)
    status, _, err = run(stdin=stream(b"nothing", forged))
    equal(status, 3)
    check("no blob" in err, err)


@test("mapped-ram and x-ignore-shared: what the guest wrote into its memory is no blob")
def _():
    forged = bytes(golden("v1-guestinfo"))
    for names in ([b"mapped-ram"], [b"x-ignore-shared"], [b"x-ignore-shared", b"mapped-ram"]):
        for place in (0, 100, 4096 - 8, 8191):
            memory = bytes(place) + forged + forged
            whole = stream(framed(golden("v1-rich")), memory, capabilities=names)
            equal(show(whole), RICH)
            status, _, err = run(stdin=stream(b"nothing", memory, capabilities=names))
            equal(status, 3)
            check("there is no blob in this: was" in err, err)


@test("background-snapshot, and a VM without memory: the end of the sections is one, too")
def _():
    end = struct.pack(">BIQBI", 3, 2, 0x10, 0x7E, 2)
    for device, status in ((framed(golden("v1-rich")), 0), (b"nothing", 3)):
        whole = stream(device, bytes(golden("v1-guestinfo")))
        check(whole.count(end) == 1)
        result = run(stdin=whole.replace(end, b""))
        equal(result[0], status)
        check(not status or "was the interface on" in result[2], result[2])


@test("a save file of libvirt: what the guest wrote into its memory is no blob")
def _():
    xml = b"<domain/>" + bytes(golden("v1-steal"))
    forged = bytes(golden("v1-guestinfo"))
    head = b"LibvirtQemudSave" + struct.pack("<IIIII56x", 2, len(xml), 1, 0, 0) + xml
    equal(show(head + stream(framed(golden("v1-rich")), forged)), RICH)
    equal(run(stdin=head + stream(b"nothing", forged))[0], 3)
    equal(run(stdin=head[:50])[0], 3)


@test("a stream that is not understood: a blob behind that may be the guest's, and counts with --at")
def _():
    whole = bytearray(stream(framed(golden("v1-rich"))))
    lost = whole.index(struct.pack(">Q", 8) + b"\6pc.ram") + 7
    whole[lost] = 0x88
    at = whole.index(b"VMPS")
    status, out, err = run(stdin=bytes(whole))
    equal((status, out), (3, ""))
    check(f"byte {at}" in err and f"--at {at}" in err and "its memory" in err, err)
    equal(show(bytes(whole), "--at", str(at)), RICH)


@test("a stream that was cut: which byte, and not that the interface was off")
def _():
    whole = stream(framed(golden("v1-rich")), b"m" * 5000)
    at = whole.index(b"VMPS")
    for size in (at + 40, at + 615):
        err = run(stdin=whole[:size])[2]
        check(f"a blob begins at byte {at}, and the end of the input is in it" in err, err)
    err = run(stdin=whole[:3000])[2]
    check("at byte 3000 the stream ends" in err and "was the" not in err, err)


@test("what is compressed, or one of multifd's channels: one line says what to do")
def _():
    whole = stream(framed(golden("v1-rich")))
    for data, advice in ((gzip.compress(whole), "zcat"), (lzma.compress(whole), "xzcat"),
                         (bz2.compress(whole), "bzcat"), (b"\x28\xb5\x2f\xfd" + whole, "zstdcat"),
                         (b"\x11\x22\x33\x44\0\0\0\1" + bytes(600) + bytes(golden("v1-rich")),
                          "multifd")):
        status, out, err = run(stdin=data)
        equal((status, out, err.count("\n")), (3, "", 1))
        check(advice in err, err)
    equal(run_bytes("extract", "--at", "608",
              stdin=b"\x11\x22\x33\x44\0\0\0\1" + bytes(600) + bytes(golden("v1-rich")))[0], 0)


@test("a blob in a section that comes before the memory is found")
def _():
    early = (struct.pack(">BI", 4, 1) + b"\5early" + struct.pack(">II", 0, 1) +
             framed(golden("v1-rich")) + struct.pack(">BI", 0x7E, 1))
    equal(show(stream(b"other", bytes(golden("v1-guestinfo")), early)), RICH)


@test("two blobs outside of the memory: nobody guesses, --at says which")
def _():
    two = stream(framed(golden("v1-rich")) + framed(golden("v1-steal")))
    status, out, err = run(stdin=two)
    equal((status, out), (3, ""))
    first, second = two.index(b"VMPS"), two.rindex(b"VMPS")
    check(f"at the bytes {first}, {second}: " in err, err)
    equal(show(two, "--at", str(first)), RICH)
    check("steal clocks" in show(two, "--at", str(second)))
    equal(run("--at", str(first + 1), stdin=two)[0], 3)
    equal(run("--at", str(len(two) + 1), stdin=two)[0], 3)


@test("a blob in a value of a blob is a value")
def _():
    inner = bytes(golden("v1-steal"))
    outer = run_bytes("set", "-", "--value-file", path("v1-steal"), "guestinfo.x",
                      stdin=bytes(golden("v1-empty")))[1]
    check(inner in outer)
    check('"guestinfo.x": 120 bytes' in show(stream(framed(outer))))


@test("a damaged blob in a stream is refused where it is damaged, and cut streams have none")
def _():
    blob = golden("v1-rich")
    blob[300] ^= 4
    whole = stream(framed(blob))
    status, out, _ = run("verify", stdin=whole)
    equal(status, 1)
    check(f"the blob at byte {whole.index(b'VMPS')}: byte 16: the checksum" in out, out)
    whole = stream(framed(golden("v1-rich")), b"m" * 5000)
    end = whole.index(b"VMPS") + 616
    for size in list(range(32, end, 97)) + [end - 1]:
        status, out, err = run(stdin=whole[:size])
        equal((status, out), (3, ""))
    equal(show(whole[:end]), RICH)


@test("memory that is not as it should be: all is looked through, and what is twice refused")
def _():
    whole = bytearray(stream(framed(golden("v1-rich")), bytes(golden("v1-steal"))))
    at = whole.index(struct.pack(">Q", 8) + b"\6pc.ram")
    whole[at + 7] = 0x88
    equal(run(stdin=bytes(whole))[0], 3)


@test("many headers that promise much end in a refusal, and soon")
def _():
    header = HEADER.pack(0x53504D56, 1, 32, 33554432, 0, 0, 0)
    status, _, err = run(stdin=b"x" * 32 + header * 200 + bytes(33554432))
    equal(status, 3)
    check("--at" in err, err)


def qcow2(vmstate, version=3, compressed=False, snapshots=1, bits=16, subclusters=False,
          disk=1 << 20, name=b"snap"):
    """An image whose internal snapshots have this state."""
    size = 1 << bits
    clusters = [bytearray(size) for _ in range(3)]      # header, snapshots, first table
    entry = 16 if subclusters else 8
    per_table = size // entry
    first = -(-disk // (per_table * size))
    pieces = [vmstate[i:i + size].ljust(size, b"\0") for i in range(0, len(vmstate), size)]
    tables = []
    for i in range(0, len(pieces), per_table):
        table = bytearray(size)
        for j, piece in enumerate(pieces[i:i + per_table]):
            at = len(clusters) * size
            if compressed:
                packer = zlib.compressobj(9, zlib.DEFLATED, -12)
                packed = packer.compress(piece) + packer.flush()
                shift = 62 - (bits - 8)
                sectors = (at % 512 + len(packed) + 511) // 512 - 1
                value = 1 << 62 | sectors << shift | at
                clusters.append(bytearray(packed.ljust(size, b"\0")))
                check(len(clusters[-1]) == size)
            else:
                value = at | 1 << 63
                clusters.append(bytearray(piece))
            struct.pack_into(">Q", table, j * entry, value)
            if subclusters and not compressed:
                struct.pack_into(">Q", table, j * entry + 8, 0xFFFFFFFF)
        tables.append(len(clusters) * size)
        clusters.append(table)
    for i, at in enumerate(tables):
        struct.pack_into(">Q", clusters[2], (first + i) * 8, at | 1 << 63)
    features = 16 if subclusters else 0
    struct.pack_into(">IIQIIQIIQQIIQ", clusters[0], 0, 0x514649FB, version, 0, 0, bits, disk, 0, 0,
                     0, 0, 0, snapshots, size)
    struct.pack_into(">QQQII", clusters[0], 72, features, 0, 0, 4, 104)
    pos = 0
    for i in range(snapshots):
        struct.pack_into(">QIHHIIQII", clusters[1], pos, 2 * size, first + len(tables), 1,
                         len(name), 0, 0, 0, 0, 24)
        struct.pack_into(">QQQ", clusters[1], pos + 40, len(vmstate), disk, 0)
        clusters[1][pos + 64:pos + 65 + len(name)] = str(i + 1).encode() + name
        pos += -(-(65 + len(name)) // 8) * 8
    return b"".join(bytes(c) for c in clusters)


@test("savevm: the blob in a qcow2 image, plain, compressed and with subclusters")
def _():
    state = stream(framed(golden("v1-rich")), bytes(golden("v1-steal")) + bytes(300000))
    for image in (qcow2(state), qcow2(state, version=2), qcow2(state, compressed=True),
                  qcow2(state, bits=9), qcow2(state, bits=14, subclusters=True),
                  qcow2(state, disk=0)):
        equal(run(new_file("image", image)), (0, RICH, ""))
        equal(show(image), RICH)


@test("savevm: an image of another compression is read where it is not compressed")
def _():
    for compressed, seen in ((False, (0, RICH)), (True, (2, ""))):
        image = bytearray(qcow2(stream(framed(golden("v1-rich"))), compressed=compressed))
        struct.pack_into(">Q", image, 72, 8)
        struct.pack_into(">IB", image, 100, 112, 1)
        status, out, err = run(new_file("image", bytes(image)))
        equal((status, out), seen)
        check(not compressed or "else than zlib" in err, err)


@test("savevm: which snapshot, if there are several")
def _():
    image = new_file("image", qcow2(stream(framed(golden("v1-rich"))), snapshots=2))
    status, _, err = run(image)
    equal(status, 3)
    check("--snapshot" in err, err)
    equal(run("--snapshot", "2", image), (0, RICH, ""))
    equal(run("--snapshot", "no", image)[0], 3)
    equal(run("--snapshot", "snap", image)[0], 3)


@test("savevm: an image that is wrong or not for us is refused by its byte, soon")
def _():
    good = qcow2(stream(framed(golden("v1-rich"))))

    def wrong(text, *patches, status=2):
        image = bytearray(good)
        for at, layout, value in patches:
            struct.pack_into(">" + layout, image, at, value)
        code, out, err = run(new_file("image", bytes(image)))
        equal((code, out), (status, ""))
        check(text in err, err)

    wrong("byte 4 of the image", (4, "I", 4))
    wrong("byte 20 of the image", (20, "I", 8))
    wrong("byte 20 of the image", (20, "I", 63))
    wrong("byte 32 of the image", (32, "I", 1))
    wrong("byte 60 of the image", (60, "I", 0xFFFFFFFF))
    wrong("byte 72 of the image: features 0x2 that are not known here: QEMU has", (72, "Q", 2))
    wrong("byte 72 of the image: features 0x4 that are not known here: its data", (72, "Q", 4))
    wrong("byte 72 of the image: features 0x8000000000000000", (72, "Q", 1 << 63))
    wrong("ends or cannot be read", (64, "Q", 1 << 63))
    wrong("ends or cannot be read", (64, "Q", len(good)))
    wrong("extra data", (65536 + 36, "I", 0xFFFFFFFF))
    wrong("table", (65536 + 8, "I", 0xFFFFFFFF))
    wrong("table", (65536 + 8, "I", 0))
    wrong("bytes, more than", (65536 + 40, "Q", 1 << 60))
    wrong("more than the image can hold", (65536 + 40, "Q", 500 << 20))
    wrong("state of a VM", (65536 + 40, "Q", 0), status=3)
    wrong("ends or cannot be read", (2 * 65536 + 8, "Q", 1 << 50))
    wrong("no blob", (2 * 65536 + 8, "Q", 0), status=3)
    equal(run("-", stdin=good[:100])[0], 2)


@test("--progress: a line on standard error that says how much was read")
def _():
    whole = stream(framed(golden("v1-rich")), bytes(3 << 20))
    status, out, err = run("--progress", new_file("stream", whole))
    equal((status, out), (0, RICH))
    check(re.search(r"\rvmport-state: \S+stream: 3 of 3 MiB read\n$", err), err)


@test("the session in the README")
def _():
    session = content(os.path.join(HERE, "../../../README.md")).decode()
    session = re.search(r"(^    \$ vmport-state.*\n(?:    .*\n)*)", session, re.M).group(1)
    new_file("vm.stream", stream(framed(golden("v1-privileged")), bytes(9000)))
    seen, commands = "", re.findall(r"^    (\$ vmport-state (.*)\n)", session, re.M)
    equal(len(commands), 5)
    for line, command in commands:
        done = subprocess.run([TOOL, *command.split()], stdout=subprocess.PIPE, check=False,
                              stderr=subprocess.STDOUT, cwd=DIR.name)
        seen += line + done.stdout.decode()
    equal(seen, re.sub("^    ", "", session, flags=re.M))
    equal(content(os.path.join(DIR.name, "value")), b"wipe")


class Qemu(threading.Thread):
    """As much of QEMU's monitor as the program talks to."""

    def __init__(self, state, running=True, refuses=None, answer=None, name="qmp"):
        super().__init__(daemon=True)
        self.state, self.running, self.refuses = state, running, refuses
        self.was_running, self.migrated, self.said, self.pipe = running, False, [], None
        self.answer_it = answer or Qemu.answer
        self.path = os.path.join(DIR.name, name)
        if os.path.exists(self.path):
            os.unlink(self.path)
        self.server = socket.socket(socket.AF_UNIX)
        self.server.bind(self.path)
        self.server.listen(1)
        self.start()

    def send(self, what):
        self.client.sendall(json.dumps(what).encode() + b"\r\n")

    def answer(self, command):
        if command == self.refuses:
            return self.send({"error": {"class": "GenericError", "desc": "it cannot\x1b be"}})
        result = {}
        if command == "query-status":
            result = {"running": self.running, "status": "x"}
        elif command == "query-migrate":
            result = {"status": "completed" if self.migrated else "active"}
        elif command == "cont":
            self.running = True
        self.send({"event": "STOP", "data": {}})
        self.send({"return": result})
        if command == "migrate":
            with os.fdopen(self.pipe, "wb") as file:
                file.write(self.state)
            self.running, self.migrated = False, True
        return None

    def run(self):
        self.client, _ = self.server.accept()
        self.send({"QMP": {"version": {}}})
        while True:
            fds = array.array("i")
            data, extra, _, _ = self.client.recvmsg(4096, socket.CMSG_SPACE(4))
            for _, _, bytes_of in extra:
                fds.frombytes(bytes_of[:4])
                self.pipe = fds[0]
            if not data:
                break
            command = json.loads(data)["execute"]
            self.said.append(command)
            try:
                self.answer_it(self, command)
            except OSError:
                break
        self.client.close()
        self.server.close()


@test("from-vm: the VM's blob through QMP, and the VM goes on as before")
def _():
    for running in (True, False):
        qemu = Qemu(stream(framed(golden("v1-rich")), bytes(200000)), running)
        equal(run("from-vm", qemu.path), (0, RICH, ""))
        qemu.join()
        equal(qemu.running, running)
        equal("cont" in qemu.said, running)
    qemu = Qemu(stream(framed(golden("v1-rich"))))
    out = os.path.join(DIR.name, "out")
    equal(run("from-vm", "-o", out, qemu.path), (0, "", ""))
    qemu.join()
    equal(content(out), bytes(golden("v1-rich")))


@test("from-vm: no blob, no socket, a command that QEMU refuses: said, and the VM goes on")
def _():
    qemu = Qemu(stream(b"nothing"))
    equal(run("from-vm", qemu.path)[0], 3)
    qemu.join()
    check(qemu.running)
    for command in ("qmp_capabilities", "getfd", "migrate"):
        qemu = Qemu(b"", refuses=command)
        status, _, err = run("from-vm", qemu.path)
        qemu.join()
        equal(status, 2)
        check("QEMU: it cannot" in err and "\x1b" not in err and qemu.running, err)
    status, _, err = run("from-vm", "/nowhere/socket")
    equal(status, 2)
    check("-qmp" in err, err)


def says_for_ever(what):
    def answer(qemu, _):
        while True:
            qemu.client.sendall(what)
            time.sleep(0.001)
    return answer


def stalls(qemu, command):
    """The migration waits for somebody, and is over when it is cancelled."""
    if command == "migrate":
        os.write(qemu.pipe, b"QEVM\0\0\0\3")
    qemu.migrated = command == "migrate_cancel"
    qemu.send({"return": {"running": True, "status": "cancelled"}})


@test("from-vm: a QEMU that is silent, or talks of other things, is not waited for, for ever")
def _():
    def ask(number, answer):
        qemu = Qemu(b"", answer=answer, name=f"qmp{number}")
        try:
            done = subprocess.run([TOOL, "from-vm", qemu.path], stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE, timeout=150, check=False)
            seen[number] = done.returncode, done.stderr.decode(), qemu.said
        except subprocess.TimeoutExpired:
            pass

    answers = (says_for_ever(b'{"event":"x"}\n'), says_for_ever(b"x"), lambda *_: None, stalls)
    seen = [None] * len(answers)
    threads = [threading.Thread(target=ask, args=one) for one in enumerate(answers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for one, text in zip(seen, ("no answer", "no answer", "no answer", "in the middle")):
        check(one and one[0] == 2 and text in one[1], one)
    equal(seen[3][2][-3:], ["migrate_cancel", "query-migrate", "query-status"])


@test("a reader that goes away, and a disk that is full, are no success")
def _():
    with open("/dev/full", "wb") as full:
        done = subprocess.run([TOOL, path("v1-rich")], stdout=full, stderr=subprocess.PIPE,
                              check=False)
    equal(done.returncode, 2)
    check(b"No space" in done.stderr, done.stderr)


def main():
    words = sys.argv[1:]
    chosen = [t for t in tests if not words or any(word in t[0] for word in words)]
    failed = 0
    print("TAP version 13")
    print(f"1..{len(chosen)}")
    for number, (name, function) in enumerate(chosen, 1):
        try:
            function()
            print(f"ok {number} - vmport-state: {name}")
        except AssertionError as error:
            print(f"# {error}")
            print(f"not ok {number} - vmport-state: {name}")
            failed += 1
    return 1 if failed else 0


sys.exit(main())
