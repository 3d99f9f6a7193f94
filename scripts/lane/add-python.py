#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""add-python.py ROOT PROGRAM

Add to the file system below ROOT what the Python program PROGRAM needs of the
standard library, compiled.  What the program loads is found by importing it here,
by the same interpreter.  Prints the files that are no Python, one a line: the
interpreter and modules in C, which need libraries of their own.
"""
import importlib.util
import os
import py_compile
import shutil
import subprocess
import sys

# What an interpreter has loaded that has only done this.
LOADED = """
import os, sys
sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(sys.argv[1]))
__import__(os.path.basename(sys.argv[1])[:-3])
for module in list(sys.modules.values()):
    print(getattr(module, "__file__", None) or "")
"""


def add(root, path):
    """A module, in its place, with the code that importing it would compile."""
    copy = root + path
    os.makedirs(os.path.dirname(copy), exist_ok=True)
    shutil.copyfile(path, copy)
    # Unchecked, whatever happens to the files' times on the way.
    py_compile.compile(copy, importlib.util.cache_from_source(copy), path, doraise=True,
                       invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)


def main(root, program):
    loaded = subprocess.run([sys.executable, "-I", "-S", "-c", LOADED, program], check=True,
                            stdout=subprocess.PIPE, text=True).stdout.split("\n")
    # The interpreter tells its library by this folder.
    os.makedirs(os.path.join(root + os.path.dirname(os.__file__), "lib-dynload"), exist_ok=True)
    print(os.path.realpath(sys.executable))
    for path in sorted(set(loaded) - {"", program}):
        if path.endswith(".py"):
            add(root, path)
        else:
            print(path)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
