#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""A decoder of state blobs that knows only the tables in vmport.rst, and its tests.

The tests decode the golden blobs with it, and compare what it finds with what
tools/virt/vmport/vmport-state says, which reads them with the engine's code.  The program
is in the environment, VMPORT_STATE.  TAP.
"""
import collections
import copy
import glob
import os
import re
import subprocess
import sys

sys.dont_write_bytecode = True
import page

TOOL = os.environ["VMPORT_STATE"]
GOLDEN = sorted(glob.glob(os.path.join(page.HERE, "golden/*.bin")))
NUMBERS = ("1", "2", "4", "8")

tests = []


class Wrong(Exception):
    """The blob is not as the page says."""


class Decoder:
    """Decodes one blob by the tables."""

    def __init__(self, tables, blob):
        # "NAME: STRUCT" without the latter.
        self.tables = {title.split(":")[0]: rows for title, rows in tables.items()}
        self.blob = blob
        self.covered = [0] * len(blob)
        self.pos = 0

    def need(self, condition, text):
        if not condition:
            raise Wrong(f"byte {self.pos}: {text}")

    def take(self, size, end):
        self.need(size <= end - self.pos, f"{size} bytes, but {end - self.pos} are left")
        for i in range(self.pos, self.pos + size):
            self.covered[i] += 1
        self.pos += size
        return self.blob[self.pos - size:self.pos]

    def bits(self, table, value):
        """The names of the bits that are set."""
        names = {int(row["bit"]): row["name"].strip("`") for row in self.tables[table]}
        for bit in range(64):
            self.need(not value >> bit & 1 or bit in names, f"bit {bit} is not in {table}")
        return [name.rsplit("_", 1)[1] for bit, name in sorted(names.items()) if value >> bit & 1]

    def value(self, table, value):
        for row in self.tables[table]:
            if int(row["value"]) == value:
                return row["name"].strip("`").rsplit("_", 1)[1]
        raise Wrong(f"byte {self.pos}: {value} is not in {table}")

    def names_in(self, table, field):
        """The values of a field that its row names: "NAME 0xVALUE"."""
        row = next(row for row in self.tables[table] if row["name"] == field)
        return {int(value, 16): name
                for name, value in re.findall(r"(\w+) (0x[0-9a-f]+)", row["meaning"])}

    def field(self, name, row, record, end):
        size = row["size"]
        if size == "to 8":
            data = self.take(-self.pos % 8, end)
        elif size.isdigit():
            data = self.take(int(size), end)
        else:
            self.need(size in record, f"{size} is no field")
            data = self.take(record[size], end)
        value = int.from_bytes(data, "little") if size in NUMBERS else bytes(data)

        if row["name"].startswith(("reserved", "padding")):
            self.need(not any(data), f"{row['name']} is not 0")
        if f"{name}.{row['name']}" in self.tables:
            table = f"{name}.{row['name']}"
            kind = "bit" if "bit" in self.tables[table][0] else "value"
            value = self.bits(table, value) if kind == "bit" else self.value(table, value)
        return value

    def record(self, name, end):
        """The fields of a record that begins here."""
        start, record = self.pos, {}
        for row in self.tables[name]:
            if row["offset"].isdigit():
                self.need(self.pos - start == int(row["offset"]),
                          f"{name}.{row['name']} is not at {row['offset']}")
            # What a payload holds is in other tables.
            if row["name"] == "payload":
                self.need(record["size"] <= end - self.pos, "a payload that is cut")
                record["payload"] = self.payload(record, self.pos + record["size"])
            else:
                record[row["name"]] = self.field(name, row, record, end)
        return record

    def payload(self, section, end):
        """The records of a section, in order: (name, record)."""
        rows = [row for row in self.tables["sections"] if int(row["type"]) == section["type"]]
        self.need(rows, f"section {section['type']} is not in the table")
        critical = 1 if rows[0]["critical"] == "yes" else 0
        self.need(section["flags"] == critical, f"flags {section['flags']}")

        records, last = [], {}
        for part in re.split(", then ", rows[0]["payload"]):
            words = part.split()
            if words[1:] == ["to", "the", "end"]:
                while self.pos < end:
                    records.append((words[0], self.record(words[0], end)))
            else:
                for _ in range(1 if words[0] == "one" else last[words[0]]):
                    last = self.record(words[1], end)
                    records.append((words[1], last))
        self.need(self.pos == end, f"{end - self.pos} bytes too many in section {section['type']}")
        return records

    def decode(self):
        """The header, and all records of all sections."""
        header = self.record("blob_header", len(self.blob))
        for name in ("magic", "version", "header_size"):
            row = next(row for row in self.tables["blob_header"] if row["name"] == name)
            self.need(header[name] == int(re.match(r"\w+", row["meaning"]).group(), 0), name)
        self.need(header["size"] == len(self.blob), "the length")
        records = []
        while self.pos < len(self.blob):
            records += self.record("blob_section", len(self.blob))["payload"]
        if set(self.covered) - {1}:
            raise Wrong("bytes that no row covers, or two")
        return header, records


def crc32c(data):
    """As the page has it."""
    text = " ".join(page.read(page.PAGE).split())
    poly, initial, final = (int(number, 16) for number in re.search(
        "reflected polynomial (0x[0-9a-f]+), initial value (0x[0-9a-f]+), and a final XOR with "
        "(0x[0-9a-f]+)", text).groups())
    crc = initial
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (poly if crc & 1 else 0)
    return crc ^ final


def quote(data):
    text = "".join(chr(c) if 0x20 <= c < 0x7F and c not in b'"\\' else f"\\x{c:02x}"
                   for c in data)
    return f'"{text}"'


def count(number, what="byte"):
    return f"{number} {what}" + ("" if number == 1 else "s")


def content(data):
    return f": {quote(data)}" if data else ""


def say_channel(protocols, c, marks):
    flags = c["flags"]
    reset = "cancelled request" if "CANCELLED" in marks else "reset"
    cookie = f"cookie {c['cookie_high']:08x}:{c['cookie_low']:08x}"
    yield (f"channel {c['id']}: {protocols[c['protocol']]}, "
           f"{cookie if 'COOKIE' in flags else 'no cookie'}")
    if "SEND" in flags:
        yield f"  sending: {c['send_done']} of {count(c['send_size'])}{content(c['sent'])}"
    if "ASK" in flags:
        who = "privileged " if "PRIVILEGED" in marks else ""
        yield (f"  asks the VMM, {who}request {c['request']}: "
               f"{count(c['send_size'])}{content(c['sent'])}")
    if "RECV" in flags:
        what = f"request {c['request']}" if c["request"] else "message"
        if "CANCELLED" in marks:
            what = "cancelled request"
        if "PRIVILEGED" in flags:
            what = "privileged " + what
        yield (f"  receiving {what}: {c['recv_done']} of {count(c['recv_size'])}"
               f"{content(c['waiting'])}")
    if "RUN" in flags:
        yield f"  runs request {c['request']}" if c["request"] else f"  runs {reset}"


def say_guestinfo(entries):
    total = sum(len(e["key"]) + len(e["value"]) for e in entries)
    yield (f"guestinfo: {len(entries)} {'entry' if len(entries) == 1 else 'entries'}, "
           f"{total} bytes of keys and values")
    marks = {"READONLY": "read-only", "PRIVILEGED": "privileged", "WIPEABLE": "wipeable"}
    for e in entries:
        mark = "".join(f", {marks[flag]}" for flag in e["flags"])
        yield f"  {quote(e['key'])}: {count(len(e['value']))}{mark}{content(e['value'])}"


def say_name(n):
    if n["kind"] == "CHANNEL":
        return f"  channel {n['id']} is " + (quote(n["name"]) if n["size"] else "nobody")
    return f"  request {n['id']} is for {quote(n['name'])}"


def describe(decoder):
    """What the decoder has found, in the words of vmport-state."""
    header, records = decoder.decode()
    by_kind = collections.defaultdict(list)
    for name, record in records:
        by_kind[name].append(record)

    yield (f"version {header['version']}, {header['size']} bytes, checksum "
           f"0x{header['checksum']:08x} is right")
    if header["features"]:
        features = [row["name"].strip("`").replace("KVM_VMPORT_FEATURE_", "")
                    for row in decoder.tables["features"]
                    if header["features"] >> int(row["bit"]) & 1]
        yield "the guest was promised: " + ", ".join(features)
    protocols = decoder.names_in("blob_channel", "protocol")
    marks = {mark["id"]: mark["marks"] for mark in by_kind["blob_mark"]}
    for channel in by_kind["blob_channel"]:
        yield from say_channel(protocols, channel, marks.get(channel["id"], []))
    for tclo in by_kind["blob_tclo"]:
        yield f"host's requests: {tclo['count']}, the next is request {tclo['next_id']}"
    for r in by_kind["blob_request"]:
        yield f"  request {r['id']}: {r['kind'].lower()}, {count(r['size'])}{content(r['data'])}"
    if by_kind["blob_guestinfo"]:
        yield from say_guestinfo(by_kind["blob_guestinfo"])
    if by_kind["blob_order"]:
        yield "last used: channels " + ", ".join(str(o["id"]) for o in by_kind["blob_order"])
    if by_kind["blob_name"]:
        yield "names:"
        yield from map(say_name, by_kind["blob_name"])
    if by_kind["blob_stealclock"]:
        yield "steal clocks:"
        for clock in by_kind["blob_stealclock"]:
            yield f"  vCPU {clock['vcpu_id']}: at 0x{clock['address']:x}"


def by_page(tables, blob):
    return "\n".join(describe(Decoder(tables, blob))) + "\n"


def by_tool(path):
    done = subprocess.run([TOOL, "--cookies", "--values", path],
                          capture_output=True, check=False)
    check(not done.returncode, done.stderr.decode())
    # What it says of the kernel is not in the blob.
    return re.sub(r"^note: .*\n", "", done.stdout.decode(), flags=re.M)


def golden(path):
    with open(path, "rb") as file:
        return file.read()


TABLES = page.tables(page.read(page.PAGE))
BLOBS = {path: golden(path) for path in GOLDEN}
SAID = {}


def is_wrong(tables):
    """Do these tables fail at any golden blob?"""
    for path, blob in BLOBS.items():
        try:
            if by_page(tables, blob) != SAID[path]:
                return True
        except (Wrong, KeyError):
            return True
    return False


def test(name):
    def add(function):
        tests.append((name, function))
        return function
    return add


def check(condition, what=""):
    if not condition:
        raise AssertionError(what)


for blob_path in GOLDEN:
    @test(f"{os.path.basename(blob_path)} decodes by the tables, to the byte")
    def _(path=blob_path):
        seen = by_page(TABLES, BLOBS[path])
        check(seen == SAID[path], f"by the page:\n{seen}by vmport-state:\n{SAID[path]}")


@test("the checksum is the one that the page describes")
def _():
    check(crc32c(b"123456789") == 0xe3069283)
    for path, blob in BLOBS.items():
        stored = int.from_bytes(blob[16:20], "little")
        check(crc32c(blob[:16] + bytes(4) + blob[20:]) == stored, path)


@test("each row of a record that the golden blobs have is needed")
def _():
    used = {name for blob in BLOBS.values() for name, _ in Decoder(TABLES, blob).decode()[1]}
    used |= {"blob_header", "blob_section"}
    check(used >= {"blob_channel", "blob_tclo", "blob_request", "blob_guestinfo", "blob_order",
                   "blob_name", "blob_mark"}, str(used))
    for title, rows in TABLES.items():
        if title.split(":")[0] not in used:
            continue
        for i in range(len(rows)):
            without = copy.deepcopy(TABLES)
            del without[title][i]
            check(is_wrong(without), f"{title} without {rows[i]['name']} decodes all")


@test("a wrong size or offset in a row does not decode")
def _():
    for title, row, column, wrong in (("blob_channel", 4, "size", "2"),
                                      ("blob_request", 1, "size", "2"),
                                      ("blob_guestinfo", 3, "offset", "12"),
                                      ("blob_guestinfo", 4, "size", "key_size"),
                                      ("blob_name", 2, "size", "4")):
        tables = copy.deepcopy(TABLES)
        title = next(t for t in tables if t.split(":")[0] == title)
        check(tables[title][row][column] != wrong)
        tables[title][row][column] = wrong
        check(is_wrong(tables), f"{title}, row {row}: {column} {wrong}")


@test("a blob that is cut, or has a byte too many, does not decode")
def _():
    blob = BLOBS[next(path for path in GOLDEN if "rich" in path)]
    for wrong in [blob[:size] for size in range(len(blob))] + [blob + b"\0"]:
        try:
            Decoder(TABLES, wrong).decode()
        except Wrong:
            continue
        raise AssertionError(f"{len(wrong)} bytes")


def main():
    words = sys.argv[1:]
    chosen = [t for t in tests if not words or any(word in t[0] for word in words)]
    failed = 0
    print("TAP version 13")
    print(f"1..{len(chosen)}")
    for number, (name, function) in enumerate(chosen, 1):
        try:
            SAID.update((path, by_tool(path)) for path in GOLDEN if path not in SAID)
            function()
            print(f"ok {number} - vmport.rst: {name}")
        except (AssertionError, Wrong) as error:
            print("".join(f"# {line}\n" for line in str(error).splitlines()), end="")
            print(f"not ok {number} - vmport.rst: {name}")
            failed += 1
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
