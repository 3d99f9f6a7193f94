#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""references.py [DIRECTORY]

Does every file that another one names exist?  In the files that git tracks in
DIRECTORY, "." without: paths that begin with scripts/ or with $top/, as far as no
variable stands in them, and lower-case names that end in .sh or .py.  One line for each that
does not, and the status 1.
"""
import os
import re
import subprocess
import sys

# Not ours to mend, as they are of other trees; and the test has names of nothing.
LEFT_OUT = re.compile(r"^(vmm|patches)/|/fuzz/corpus/|\.(bin|svg)$|/test_scripts\.py$")
# A slash before it makes it another tree's, such as $K_SOURCE/scripts/checkpatch.pl.
PATH = re.compile(r"(?:\$top/|(?<![\w/$.}-])(?=scripts/))"
                  r"((?:arch|Documentation|include|packaging|scripts|tools|vmm)/[\w./-]*)")
NAME = re.compile(r"(?<![\w.*$}-])([a-z0-9_-]+\.(?:sh|py))\b")
# Scripts write these themselves.
MADE = {"guest.sh"}


def tracked(directory):
    """What is there or will be with the next commit."""
    names = subprocess.run(["git", "-C", directory, "ls-files", "-z", "-co", "--exclude-standard"],
                           check=True, stdout=subprocess.PIPE).stdout.decode().split("\0")
    return [name for name in names
            if name and os.path.isfile(os.path.join(directory, name))]


def dangling(directory):
    names = tracked(directory)
    known = {os.path.basename(name) for name in names} | MADE
    for name in names:
        if LEFT_OUT.search(name):
            continue
        with open(os.path.join(directory, name), encoding="utf-8", errors="replace") as file:
            for number, line in enumerate(file, 1):
                for path in PATH.findall(line):
                    if not os.path.exists(os.path.join(directory, path.rstrip("."))):
                        yield f"{name}:{number}: there is no {path}"
                for script in NAME.findall(line):
                    if script not in known:
                        yield f"{name}:{number}: there is no {script}"


def main(arguments):
    found = list(dangling(*arguments or ["."]))
    print(*found, sep="\n", end="\n" if found else "")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
