#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Hold the files of the subsystem against what CONTRIBUTING.md says of them: includes go
one way between files, the engine knows nothing of KVM, no file has more than 500 lines,
no function more than 60, a static function's name says whose it is, no comment is
kernel-doc.  One line for each that does not; the status is 1 then."""
import glob
import os
import re
import sys

TOP = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../..")
PLACE = os.path.join(TOP, "arch/x86/kvm/vmport")
MAX_FILE = 500
MAX_FUNCTION = 60


def read(name):
    with open(os.path.join(PLACE, name)) as file:
        return file.read()


def topic(name):
    return os.path.splitext(name)[0]


def includes(text, names):
    """The files of ours that are included."""
    return {os.path.basename(path) for path in re.findall(r'^#include "([^"]*)"', text, re.M)
            if os.path.basename(path) in names}


def circle(graph):
    """Topics that include each other, one by one, as a list that ends where it begins."""
    done = set()

    def walk(node, path):
        if node in path:
            return path[path.index(node):] + [node]
        if node in done:
            return None
        for other in sorted(graph.get(node, ())):
            found = walk(other, path + [node])
            if found:
                return found
        done.add(node)
        return None

    for node in sorted(graph):
        found = walk(node, [])
        if found:
            return found
    return None


def functions(text):
    """(name, lines) of each function; its body begins and ends in the first column."""
    name, start = None, 0
    lines = text.split("\n")
    for number, line in enumerate(lines):
        if line == "{":
            head = " ".join(lines[max(0, number - 4):number])
            name, start = re.findall(r"(\w+)\(", head)[-1:] or ["?"], number
        elif line == "}" and name:
            yield name[0], number - start - 1
            name = None


def nameless(text):
    """Static functions whose names mean nothing in a stack trace."""
    for name in re.findall(r"^static [^=;()]*?(\w+)\(", text, re.M):
        if not re.match("(kvm_)?vmport_", name):
            yield name


def engine():
    """The objects that the Makefile lists as the engine's."""
    text = read("Makefile")
    part = text[text.index("# The engine"):text.index("# What ties")]
    return set(re.findall(r"vmport/(\w+)\.o", part))


def complaints():
    names = {os.path.basename(path) for path in glob.glob(os.path.join(PLACE, "*.[ch]"))}
    of_engine = engine()
    graph = {}
    for name in sorted(names):
        text = read(name)
        if text.count("\n") > MAX_FILE:
            yield "%s has %d lines" % (name, text.count("\n"))
        if "/**" in text:
            yield "%s has kernel-doc, which KVM x86 does not want" % name
        if name.endswith(".c"):
            for function in nameless(text):
                yield "%s: %s() does not begin with vmport_" % (name, function)
        for function, lines in functions(text):
            if lines > MAX_FUNCTION:
                yield "%s: %s() has %d lines" % (name, function, lines)
        others = {topic(other) for other in includes(text, names)} - {topic(name)}
        # Events print what others define, and define nothing that these use.
        if not name.endswith("_trace.h"):
            graph.setdefault(topic(name), set()).update(others)
        if topic(name) in of_engine and "linux/kvm_host.h" in text:
            yield "%s is the engine's, and includes linux/kvm_host.h" % name
    headers = {topic(name) for name in names if name.endswith(".h")}
    glue = {topic(name) for name in names if name.endswith(".c")} - of_engine
    for node in sorted(of_engine):
        for other in sorted(graph.get(node, set()) & (glue | {"vmport", "compat", "insn"})):
            yield "%s is the engine's, and includes %s.h" % (node, other)
    if not of_engine or not headers:
        yield "nothing found in " + PLACE
    found = circle(graph)
    if found:
        yield "includes go round: " + " -> ".join(found)


def main():
    status = 0
    for line in complaints():
        print(line)
        status = 1
    return status


sys.exit(main())
