#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Tests of the code and the numbers in vmport.rst, against the ABI's header.  TAP.

test_page_code.py OUT [WORD...]: OUT is a directory for what is built.  CC and CXX name
the compilers.
"""
import os
import re
import shlex
import subprocess
import sys

sys.dont_write_bytecode = True
import page

README = os.path.join(page.ROOT, "README.md")
TEXT = page.read(page.PAGE)
HEADER = page.read(page.HEADER)
IN_HEADER = page.structures(HEADER)
TABLES = page.tables(TEXT)

LANGUAGES = {
    "C": (os.environ.get("CC", "gcc"), "c", "gnu11"),
    "C++": (os.environ.get("CXX", "g++"), "cpp", "c++17"),
}
# Exit status of the page's program where KVM does not have the interface.
NO_KVM = 4

tests = []


def test(name):
    def add(function):
        tests.append((name, function))
        return function
    return add


def check(condition, what=""):
    if not condition:
        raise AssertionError(what)


def equal(a, b, what=""):
    check(a == b, f"{what}{a!r} is not {b!r}")


def build(language, name, source, *options):
    """Compile @source, without a warning."""
    compiler, suffix, standard = LANGUAGES[language]
    path = os.path.join(OUT, f"{name}.{suffix}")
    output = os.path.join(OUT, f"{name}-{suffix}")
    with open(path, "w", encoding="utf-8") as file:
        file.write(source)
    done = subprocess.run([*shlex.split(compiler), f"-std={standard}", "-Wall", "-Werror",
                           "-I", os.path.join(page.ROOT, "include/uapi"), path, "-o", output,
                           *options], capture_output=True, text=True)
    check(not done.returncode, done.stderr)
    return output


def shown():
    """The structures that the page shows."""
    found = {}
    for block in page.blocks(TEXT):
        if block.shows:
            found.update(page.structures(block.text))
    return found


def records():
    """The tables of records, with the structure that each is of."""
    for title, rows in TABLES.items():
        name, _, structure = title.partition(": struct ")
        if structure:
            yield name, structure, rows


def assertions():
    """What has to be so of header and page, as C that compiles then."""
    lines = ["#include <assert.h>", "#include <stddef.h>", "#include <linux/kvm_vmport.h>"]
    for block in page.blocks(TEXT):
        if block.shows:
            lines.append(re.sub(r"^(struct|union) (\w+) \{", r"\1 page_\2 {", block.text,
                                flags=re.M))
    for name, fields in shown().items():
        kind = "union" if name == "kvm_vmport_attr_data" else "struct"
        lines.append(f"static_assert(sizeof({kind} page_{name}) == sizeof({kind} {name}), "
                     f'"{name}");')
        for _, field, _ in fields:
            lines.append(f"static_assert(offsetof({kind} page_{name}, {field}) == "
                         f'offsetof({kind} {name}, {field}), "{name}.{field}");')
    for name, structure, rows in records():
        size = 0
        for row in rows:
            if not row["offset"].isdigit() or not row["size"].isdigit():
                continue
            size = int(row["offset"]) + int(row["size"])
            lines.append(f"static_assert(offsetof(struct {structure}, {row['name']}) == "
                         f'{row["offset"]}, "{name}.{row["name"]}");')
            lines.append(f"static_assert(sizeof(((struct {structure} *)0)->{row['name']}) == "
                         f'{row["size"]}, "{name}.{row["name"]}");')
        lines.append(f'static_assert(sizeof(struct {structure}) == {size}, "{name}");')
    for rows in TABLES.values():
        for row in rows:
            if "bit" in row:
                lines.append(f'static_assert({row["name"].strip("`")} == 1U << {row["bit"]}, "");')
            elif "value" in row or "type" in row:
                lines.append(f'static_assert({row["name"].strip("`")} == '
                             f'{row.get("value", row.get("type"))}, "");')
    return "\n".join(lines) + "\n"


@test("every structure of the header is shown, with the same fields")
def _():
    structures = {name: fields for name, fields in IN_HEADER.items()
                  if not name.startswith("kvm_vmport_blob_")}
    equal(sorted(shown()), sorted(structures))
    for name, fields in shown().items():
        equal(fields, structures[name], f"struct {name}: ")


@test("every record of the blob has a table, with the same fields")
def _():
    structures = {name: fields for name, fields in IN_HEADER.items()
                  if name.startswith("kvm_vmport_blob_")}
    equal(sorted(structure for _, structure, _ in records()), sorted(structures))
    for _, structure, rows in records():
        equal([row["name"] for row in rows if row["offset"].isdigit() and row["size"].isdigit()],
              [field for _, field, _ in structures[structure]], f"struct {structure}: ")


@test("every constant of the header is on the page, and none that it does not have")
def _():
    constants = set(re.findall(r"^#define\s+(KVM_\w+)", HEADER, flags=re.M))
    named = set(re.findall(r"\bKVM_VMPORT_[A-Z0-9_]*[A-Z0-9]\b(?!_?\*)", TEXT))
    equal(sorted(name for name in constants if not re.search(rf"\b{name}\b", TEXT)), [])
    equal(sorted(named - constants), [])


@test("the commands of the page and of the header are those of the table for the tests")
def _():
    table = {name: (int(number), feature) for name, number, feature in re.findall(
        r"X\((\w+),\s*(\d+),\s*(\w+),", page.read(os.path.join(page.HERE, "commands.h")))}
    check(len(table) > 10, f"only {len(table)}")
    equal({name: int(number) for number, name in re.findall(
        r"^(\d+) +(\w+).*\*\*kernel\*\*", TEXT, flags=re.M)},
          {name: number for name, (number, _) in table.items()})
    comment = re.search(r"/\*\n \* Port 0x5658: (.*?)\*/", HEADER, flags=re.S)[1]
    equal({name: int(number) for name, number in re.findall(
        r"(\w+)\s*(?:\*\s*)?\((\d+)\)", comment)},
          {name: number for name, (number, feature) in table.items() if feature == "ENABLE"})


for lang in LANGUAGES:
    @test(f"sizes, offsets and numbers of the page are those of the header, in {lang}")
    def _(language=lang):
        build(language, "page-numbers", assertions(), "-c")

    @test(f"a wrong offset on the page does not compile, in {lang}")
    def _(language=lang):
        wrong = assertions().replace("send_done) == 20", "send_done) == 24")
        check(wrong != assertions())
        try:
            build(language, "page-wrong", wrong, "-c")
        except AssertionError as error:
            check("blob_channel.send_done" in str(error), str(error))
            return
        raise AssertionError("it compiles")

    @test(f"the code of the page is a program, in {lang}")
    def _(language=lang):
        build(language, "page-program", page.program(TEXT))

    @test(f"the code in README.md compiles, in {lang}")
    def _(language=lang):
        code = re.findall(r"^```c\n(.*?)^```", page.read(README), flags=re.M | re.S)
        check(code, "there is none")
        build(language, "readme", "".join(code), "-c")

    @test(f"the program runs, or says that there is no KVM for it, in {lang}")
    def _(language=lang):
        done = subprocess.run([build(language, "page-program", page.program(TEXT))],
                              capture_output=True, text=True, timeout=60)
        last = {0: "all is well", NO_KVM: "no KVM with the VMware guest interface"}
        check(done.returncode in last, f"status {done.returncode}: {done.stderr}")
        equal(done.stdout.splitlines()[-1], last[done.returncode])


def main():
    chosen = [t for t in tests if not WORDS or any(word in t[0] for word in WORDS)]
    failed = 0
    print("TAP version 13")
    print(f"1..{len(chosen)}")
    for number, (name, function) in enumerate(chosen, 1):
        try:
            function()
            print(f"ok {number} - vmport.rst: {name}")
        except AssertionError as error:
            print("".join(f"# {line}\n" for line in str(error).splitlines()), end="")
            print(f"not ok {number} - vmport.rst: {name}")
            failed += 1
    return 1 if failed else 0


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    OUT, WORDS = sys.argv[1], sys.argv[2:]
    os.makedirs(OUT, exist_ok=True)
    sys.exit(main())
