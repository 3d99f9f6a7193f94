#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Tests of tools/virt/vmport/vmport-state, against the golden blobs.  TAP."""
import importlib.machinery
import importlib.util
import io
import os
import re
import struct
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
TOOL = os.path.join(HERE, "../../virt/vmport/vmport-state")

sys.dont_write_bytecode = True
loader = importlib.machinery.SourceFileLoader("vmport_state", TOOL)
tool = importlib.util.module_from_spec(importlib.util.spec_from_loader("vmport_state", loader))
loader.exec_module(tool)

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
CHANNEL_0, CHANNEL_1, TCLO, GUESTINFO = 32, 112, 376, 496
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


def run(*args, stdin=b""):
    done = subprocess.run([sys.executable, TOOL, *args], input=stdin, capture_output=True)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def seal(blob):
    """Make length and checksum right again."""
    struct.pack_into("<Q", blob, 8, len(blob))
    struct.pack_into("<I", blob, 16, 0)
    struct.pack_into("<I", blob, 16, tool.crc32c(blob))
    return bytes(blob)


def decode(blob, cookies=False, values=False):
    out = io.StringIO()
    tool.State(bytes(blob), cookies, values, out).decode()
    return out.getvalue()


def refused(blob, offset, text):
    """A blob that is refused at this byte, with these words."""
    try:
        decode(blob)
    except tool.Malformed as error:
        check(str(error).startswith(f"byte {offset}: "), f"{error}, not at byte {offset}")
        check(text in str(error), f"{error}: no '{text}'")
        check("\n" not in str(error))
        return
    raise AssertionError(f"accepted, not refused at byte {offset}: {text}")


def patched(offset, layout, *values):
    blob = golden("v1-rich")
    struct.pack_into("<" + layout, blob, offset, *values)
    return seal(blob)


def blob_of(*sections):
    blob = bytearray(tool.HEADER.pack(tool.MAGIC, 1, 32, 0, 0, 0, 0))
    for kind, flags, payload in sections:
        blob += tool.SECTION.pack(kind, flags, len(payload)) + payload
        blob += bytes(-len(blob) % 8)
    return seal(blob)


def channel(number, flags, protocol=tool.RPCI, send=(0, 0), recv=(0, 0), request=0, data=b""):
    return (1, 1, tool.CHANNEL.pack(number, flags, protocol, 0, 0, *send, *recv, request) + data)


@test("checksum: the value that the ABI's documentation gives")
def _():
    equal(tool.crc32c(b"123456789"), 0xE3069283)


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
    payload = tool.GUESTINFO.pack(3, 4, 0) + b"a\x1b[m\x1b\"\\"
    out = decode(blob_of((3, 1, payload + bytes(-len(payload) % 8))), values=True)
    check('  "a\\x1b[m": 3 bytes: "\\x1b\\x22\\x5c"' in out, out)


@test("a message that waits for the VMM, and the order of the channels")
def _():
    out = decode(blob_of(channel(3, tool.ASK, send=(4, 4), request=9, data=b"what"),
                         channel(5, 0), (4, 0, bytes((5, 0, 3, 0)))), values=True)
    check('  asks the VMM, request 9: 4 bytes: "what"\n' in out, out)
    check("last used: channels 5, 3\n" in out, out)


@test("who may have what: privileged and wipeable entries, and a reply that waits")
def _():
    equal(run(path("v1-privileged")), (0, PRIVILEGED, ""))


@test("flags of entries and replies that contradict are refused where they stand")
def _():
    def entry(flags):
        payload = tool.GUESTINFO.pack(1, 1, flags) + b"kv"
        return blob_of((3, 1, payload + bytes(-len(payload) % 8)))

    for flags in (1, 4, 5, 9, 13):
        decode(entry(flags))
    refused(entry(8), 32 + PAYLOAD + 6, "not read-only")
    refused(entry(12), 32 + PAYLOAD + 6, "not read-only")
    refused(entry(2), 32 + PAYLOAD + 6, "unknown flags")
    refused(entry(16), 32 + PAYLOAD + 6, "unknown flags")
    secret = tool.PRIVILEGED_REPLY
    decode(blob_of(channel(0, secret | tool.RECV, recv=(1, 0), data=b"x")))
    refused(blob_of(channel(0, secret)), 32 + PAYLOAD + 2, "contradict")
    refused(blob_of(channel(0, secret | tool.RECV, tool.TCLO_PROTOCOL, recv=(1, 0), data=b"x")),
            32 + PAYLOAD + 2, "contradict")


def name(number, kind, text):
    record = tool.NAME.pack(number, kind, len(text), 0) + text
    return record + bytes(-len(record) % 8)


@test("the names of daemons, and of those that requests are for")
def _():
    equal(run(path("v1-names"))[0], 0)
    queued = tool.TCLO.pack(3, 1, 0) + tool.REQUEST.pack(2, 4, 2, 0) + b"ping" + bytes(4)
    out = decode(blob_of(channel(0, 0, tool.TCLO_PROTOCOL), channel(1, 0, tool.TCLO_PROTOCOL),
                         (2, 1, queued), (5, 0, name(0, 0, b"toolbox-dnd") + name(1, 0, b"") +
                                          name(2, 1, b"vm\x1b"))))
    check('  channel 0 is "toolbox-dnd"\n  channel 1 is nobody\n'
          '  request 2 is for "vm\\x1b"\n' in out, out)


@test("names of requests that a channel holds, and of results")
def _():
    results = tool.TCLO.pack(3, 1, 0) + tool.REQUEST.pack(1, 0, 1, 0)
    out = decode(blob_of(channel(0, tool.RUN, tool.TCLO_PROTOCOL, request=2), (2, 1, results),
                         (5, 0, name(1, 1, b"lost") + name(2, 1, b"runs"))))
    check('  request 1 is for "lost"\n  request 2 is for "runs"\n' in out, out)


@test("what is wrong in the order and the names is left out, as the kernel does")
def _():
    out = decode(blob_of(channel(0, 0), channel(3, 0),
                         (4, 0, bytes((3, 2, 0, 0, 200, 9, 7, 0, 3, 1, 0)))))
    check("last used: channels 0, 3\n  left out from byte 170: " in out, out)
    out = decode(blob_of(channel(0, 0), channel(1, 0, tool.TCLO_PROTOCOL), (4, 0, b""),
                         (5, 0, name(0, 0, b"rpci") + name(9, 0, b"none") + name(1, 2, b"kind") +
                          name(5, 1, b"queued") + name(1, 0, b"a b") + name(1, 0, b"good") +
                          name(1, 0, bytes(32)))))
    equal(out.count(": left out\n"), 5)
    check('  channel 1 is "good"\n  left out from byte ' in out, out)
    check("a name of 32 bytes" in out, out)


@test("an unknown section: skipped, or refused when it is critical")
def _():
    check("section 77: not known, 5 bytes\n" in decode(blob_of((77, 0, b"12345"))))
    refused(blob_of((77, 1, b"12345")), 32, "critical section 77")
    equal(decode(blob_of((77, 0, b"1"), (77, 0, b"2"))).count("section 77"), 2)


@test("errors: one line that names the file and the byte, status 1")
def _():
    status, out, err = run(stdin=bytes(golden("v1-rich")[:100]))
    equal((status, out), (1, ""))
    equal(err, "vmport-state: standard input: byte 8: length 616, but there are 100 bytes\n")
    status, _, err = run(stdin=b"")
    equal((status, err), (1, "vmport-state: standard input: byte 0: 0 bytes, but the header "
                             "has 32\n"))


@test("errors: a file that is not there, a wrong option: status 2")
def _():
    status, _, err = run("/nowhere/blob")
    equal((status, err), (2, "vmport-state: /nowhere/blob: No such file or directory\n"))
    equal(run("--nonsense")[0], 2)


@test("errors: magic, version, length, checksum, reserved fields of the header")
def _():
    refused(patched(0, "B", 0), 0, "not a state blob")
    refused(patched(4, "H", 2), 4, "version 2")
    refused(patched(6, "H", 40), 6, "40 bytes")
    refused(golden("v1-rich") + b"\0", 8, "length 616")
    blob = golden("v1-rich")
    blob[200] ^= 1
    refused(blob, 16, "checksum")
    refused(patched(20, "I", 1), 20, "reserved")


@test("features that the guest was promised, by their names; unknown ones by their bit")
def _():
    def promised(mask):
        status, out, err = run(stdin=bytes(patched(24, "Q", mask)))
        equal((status, err), (0, ""))
        return [line for line in out.splitlines() if "promised" in line]

    equal(promised(0), [])
    equal(promised(1), ["the guest was promised: ENABLE"])
    equal(promised(1 << 63 | 1 << 7 | 2), ["the guest was promised: RPC, NESTED, bit 63"])


@test("errors: sections that are cut, too long, out of order, not critical")
def _():
    refused(patched(CHANNEL_0 + 8, "Q", 1 << 63), CHANNEL_0 + PAYLOAD, "but 568 are left")
    refused(patched(CHANNEL_0 + 8, "Q", 61), CHANNEL_0 + PAYLOAD + 60, "1 byte too many")
    refused(patched(CHANNEL_0 + 8, "Q", 39), CHANNEL_0 + PAYLOAD, "a channel of 40 bytes")
    refused(patched(CHANNEL_0 + 4, "I", 0), CHANNEL_0 + 4, "must be critical")
    refused(patched(CHANNEL_0 + 4, "I", 3), CHANNEL_0 + 4, "unknown flags")
    refused(patched(CHANNEL_1, "I", 0), CHANNEL_1, "section 0 behind section 1")
    refused(blob_of((77, 0, b""), (4, 0, b"")), 48, "section 4 behind section 77")
    refused(blob_of((4, 1, b"")), 36, "must not be critical")
    entry = tool.GUESTINFO.pack(0, 1, 0) + b"k" + bytes(7)
    refused(blob_of((3, 1, entry), (3, 1, entry)), 64, "section 3 behind section 3")
    refused(patched(CHANNEL_0 + PAYLOAD + 60, "B", 7), CHANNEL_0 + PAYLOAD + 60, "padding")


@test("errors: channels")
def _():
    at = CHANNEL_0 + PAYLOAD
    refused(patched(at, "H", 128), at, "channel 128")
    refused(patched(CHANNEL_1 + PAYLOAD, "H", 0), CHANNEL_1 + PAYLOAD, "behind channel 0")
    refused(patched(at + 2, "H", 0x40), at + 2, "unknown flags")
    refused(patched(at + 2, "H", 3 | 8), at + 2, "contradict")
    refused(patched(at + 2, "H", 2), at + 8, "cookie")
    refused(patched(at + 2, "H", 1), at + 16, "not begun")
    refused(patched(at + 4, "I", 0), at + 4, "protocol")
    refused(patched(at + 16, "I", 20), at + 20, "goes on")
    refused(patched(at + 20, "I", 21), at + 40, "sent of 21 bytes, but 20 are left")
    refused(patched(at + 28, "I", 1), at + 28, "were read")
    refused(patched(at + 32, "Q", 1), at + 32, "waits for nothing")
    refused(blob_of(channel(0, 16, send=(4, 3), request=1, data=b"abc")), 48 + 20, "asked")
    refused(blob_of(channel(0, 4, tool.TCLO_PROTOCOL, recv=(1, 0), request=1, data=b"a")), 80,
            "the next is 1")
    refused(blob_of(channel(0, 6, send=(1, 0), recv=(1, 0), data=b"a")), 48 + 2, "contradict")


@test("errors: the host's requests")
def _():
    at = TCLO + PAYLOAD
    first = at + 16
    refused(patched(at, "Q", 1), at, "would be 1")
    refused(patched(at, "Q", 1 << 63), at, "would be")
    refused(patched(at + 8, "I", 3), at + 80, "24 bytes too many")
    refused(patched(at + 12, "I", 1), at + 12, "reserved")
    refused(patched(first, "Q", 7), first, "the next is 7")
    refused(patched(first, "Q", 0), first, "the next is 7")
    refused(patched(first, "Q", 4), first, "request 4 twice")
    refused(patched(first + 12, "H", 3), first + 12, "kind 3")
    refused(patched(first + 12, "H", 2), first + 8, "queued and has 0 bytes")
    refused(patched(first + 14, "H", 1), first + 14, "reserved")


@test("errors: guestinfo")
def _():
    at = GUESTINFO + PAYLOAD
    refused(patched(at, "I", 1 << 31), at + 23, "the value of")
    refused(patched(at + 4, "H", 0), at + 8, 'the key ""')
    refused(patched(at + 6, "H", 2), at + 6, "flags")
    refused(patched(at + 8, "B", 0x20), at + 8, "the key")
    refused(patched(at + 8, "B", 0x7A), at + 32, "behind")
    refused(blob_of((3, 1, b"")), 48, "a guestinfo entry of 8 bytes")


@test("v1-steal: whose clock, and where")
def _():
    text = decode(golden("v1-steal"))
    check("steal clocks:\n  vCPU 2: at 0x3fc00040\n  vCPU 16383: at 0xfffc0\n" in text, text)


@test("errors: steal clocks")
def _():
    def clocks(*records):
        return blob_of((6, 1, b"".join(struct.pack("<QII", *r) for r in records)))

    good = (0x1000, 5, 0)
    decode(clocks(good, (0x1040, 6, 0)))
    for record, offset, text in (((0x1000, 16384, 0), 8, "vCPU 16384"),
                                 ((0x1000, 5, 0), 8, "vCPU 5 behind vCPU 5"),
                                 ((0x1020, 6, 0), 0, "at 0x1020"),
                                 ((0x1000, 6, 1), 12, "reserved")):
        refused(clocks(good, record), 64 + offset, text)
    refused(clocks(), 48, "a steal clock of 16 bytes")


@test("no byte of a blob makes it fail in any other way")
def _():
    for blob_name in ("v1-names", "v1-order", "v1-steal", "v1-rich"):
        good = golden(blob_name)
        for i in range(32, len(good)):
            for value in (0, 0xFF, good[i] ^ 1, good[i] ^ 0x80):
                blob = bytearray(good)
                blob[i] = value
                try:
                    decode(seal(blob), True, True)
                except tool.Malformed as error:
                    offset = int(re.match(r"byte (\d+): ", str(error)).group(1))
                    check(32 <= offset <= len(good), str(error))
    for size in range(32, len(good)):
        try:
            decode(seal(good[:size]))
        except tool.Malformed:
            continue
        # Behind a section, where no channel has a request that is not counted.
        check(size in (32, CHANNEL_1, CHANNEL_1 + 64, GUESTINFO), f"accepted when cut to {size}")


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
