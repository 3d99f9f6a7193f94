#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""What Documentation/virt/kvm/x86/vmport.rst has for machines: its C code and its tables.

page.py program: write the program that the page is, all of its code but the structures
that it shows, to standard output.
"""
import os
import re
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.join(HERE, "../../..")
PAGE = os.path.join(ROOT, "Documentation/virt/kvm/x86/vmport.rst")
HEADER = os.path.join(ROOT, "include/uapi/linux/kvm_vmport.h")


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def indent(line):
    return len(line) - len(line.lstrip())


def bodies(text, directive):
    """What is indented below each of these directives: argument, first line, lines."""
    lines = text.splitlines()
    for number, line in enumerate(lines):
        if not line.startswith(f".. {directive}::"):
            continue
        end = number + 1
        while end < len(lines) and (not lines[end] or indent(lines[end])):
            end += 1
        body = lines[number + 1:end]
        first = next(i for i, text in enumerate(body) if text)
        while not body[-1]:
            body.pop()
        yield line.split("::", 1)[1].strip(), number + 2 + first, body[first:]


class Block:
    """A block of C code."""

    def __init__(self, number, lines):
        width = indent(lines[0])
        self.number = number
        self.text = "\n".join(line[width:] for line in lines) + "\n"
        self.shows = self.text.startswith(("struct kvm_vmport_", "union kvm_vmport_"))


def blocks(text):
    return [Block(number, lines) for kind, number, lines in bodies(text, "code-block")
            if kind == "c"]


def program(text):
    """The page's code as one file; errors of the compiler name the page's lines."""
    name = os.path.relpath(PAGE, ROOT)
    return "".join(f'#line {block.number} "{name}"\n{block.text}' for block in blocks(text)
                   if not block.shows)


def simple_table(lines):
    """Rows of a simple table, each a dictionary by the names of the columns."""
    width = indent(lines[0])
    lines = [line[width:] for line in lines]
    columns = [match.span() for match in re.finditer("=+", lines[0])]
    rows = []
    for line in lines[1:]:
        if line.startswith("=="):
            continue
        cells = [line[start:(end if i + 1 < len(columns) else None)].strip()
                 for i, (start, end) in enumerate(columns)]
        if cells[0] or not rows:
            rows.append(cells)
        else:
            rows[-1] = [" ".join(filter(None, pair)) for pair in zip(rows[-1], cells)]
    return [dict(zip(rows[0], row)) for row in rows[1:]]


def tables(text):
    """The tables that have a name, by that name.  "NAME: STRUCT" names a structure too."""
    found = {}
    for title, number, lines in bodies(text, "table"):
        if title in found:
            raise ValueError(f"line {number}: another table {title}")
        found[title] = simple_table(lines)
    return found


def structures(text):
    """The structures and unions of C source by their names: [(type, field, elements)]."""
    text = re.sub(r"/\*.*?\*/", "", text, flags=re.S)
    found = {}
    for name, body in re.findall(r"^(?:struct|union) (\w+) \{\n(.*?)^\};", text, flags=re.M | re.S):
        fields = re.findall(r"^\s*([\w ]+?)\s+(\w+)((?:\[[^]]*\])?);", body, flags=re.M)
        found[name] = [(" ".join(kind.split()), field, size) for kind, field, size in fields]
    return found


if __name__ == "__main__":
    if sys.argv[1:] != ["program"]:
        sys.exit(__doc__)
    sys.stdout.write(program(read(PAGE)))
