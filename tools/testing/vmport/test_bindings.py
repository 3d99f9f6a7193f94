#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Tests of what bindgen makes of the header for VMMs in Rust, against what a C compiler
makes of it.  TAP.  The environment: CC, OUT for what is built."""
import os
import re
import shutil
import subprocess
import sys

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "../../.."))
UAPI = os.path.join(ROOT, "include/uapi")
HEADER = os.path.join(UAPI, "linux/kvm_vmport.h")
SAMPLE = os.path.join(ROOT, "samples/vmport/vmport.rs")
OUT = os.path.join(os.environ.get("OUT", os.path.join(ROOT, "build/unit")), "bindings")
CC = os.environ.get("CC", "gcc")

# Their size is in them, which bindgen does not evaluate; samples/vmport/vmport.rs does.
IOCTLS = {way + "_VMPORT_" + what for way in ("KVM_GET", "KVM_SET") for what in ("STATE", "ATTR")}

# As samples/vmport/README.rst says.
BINDGEN = ["bindgen", HEADER, "--allowlist-type", "kvm_vmport_.*|kvm_run",
           "--allowlist-var", "KVM_.*VMPORT.*|KVMIO", "-o",
           os.path.join(OUT, "kvm_vmport.rs"), "--", "-I", UAPI]

tests = []


def test(name):
    def add(function):
        tests.append((name, function))
        return function
    return add


def run(command, **more):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          universal_newlines=True, **more)
    assert done.returncode == 0, "\n".join([" ".join(command)] + done.stdout.splitlines()[-20:])
    return done.stdout


def macros():
    """The header's own macros: those with a value, and those with arguments."""
    text = run([CC, "-E", "-dM", "-I", UAPI, HEADER])
    names = re.findall(r"^#define (\w*vmport\w*)(\(?) *(.*)", text, re.I | re.M)
    return ({name for name, call, value in names if value and not call},
            {name for name, call, _ in names if call})


def structs():
    """{structure or union: its fields}"""
    with open(HEADER) as file:
        text = re.sub(r"/\*.*?\*/", "", file.read(), flags=re.S)
    found = re.findall(r"^((?:struct|union) \w+) \{(.*?)^\};", text, re.S | re.M)
    return {name: re.findall(r"(\w+)(?:\[[^]]*\])?;", body) for name, body in found}


def c_values(expressions):
    """What a C compiler makes of them, in their order."""
    source = os.path.join(OUT, "values.c")
    with open(source, "w") as file:
        file.write("#include <stddef.h>\n#include <stdio.h>\n#include <linux/kvm_vmport.h>\n"
                   "int main(void)\n{\n")
        for expression in expressions:
            file.write('\tprintf("%%llu\\n", (unsigned long long)(%s));\n' % expression)
        file.write("\treturn 0;\n}\n")
    run([CC, "-I", UAPI, "-o", source[:-2], source])
    return [int(line) for line in run([source[:-2]]).split()]


def bindings():
    """bindgen's output; without spaces, as it has other ones where there is no rustfmt."""
    with open(BINDGEN[BINDGEN.index("-o") + 1]) as file:
        return re.sub(r"\s", "", file.read())


def constants():
    return {name: (kind, int(value)) for name, kind, value in
            re.findall(r"pubconst(\w+):(\w+)=(\d+);", bindings())}


@test("bindgen reads the header, and has nothing to say of it")
def _():
    said = [line for line in run(BINDGEN).splitlines() if "rustfmt" not in line]
    assert not said, said


@test("bindgen leaves out nothing but the ioctl numbers and kvm_run_vmport()")
def _():
    values, calls = macros()
    assert IOCTLS < values and len(values) > 90, values
    assert calls == {"kvm_run_vmport"}, calls
    assert values - set(constants()) <= IOCTLS, values - set(constants()) - IOCTLS
    text = bindings()
    missing = [name for name in structs() if "pub%s{" % name.replace(" ", "") not in text]
    assert not missing, missing


@test("bindgen has C's values, as u32, or u64 where they need it")
def _():
    ours = {name: seen for name, seen in constants().items() if "VMPORT" in name}
    names = sorted(ours)
    for name, value in zip(names, c_values(names)):
        assert ours[name] == ("u64" if value >> 32 else "u32", value), (name, ours[name], value)


@test("bindgen has C's sizes and offsets of all structures and fields")
def _():
    text = bindings()
    sizes = dict(re.findall(r"size_of::<(\w+)>\(\)[,-](\d+)usize", text))
    # As versions before 0.70 write it, and as later ones do.
    offsets = re.findall(r"MaybeUninit::<(\w+)>::uninit\(\);letptr=uninit\.as_ptr\(\);"
                         r"::std::ptr::addr_of!\(\(\*ptr\)\.(\w+)\)asusize-ptrasusize\},"
                         r"(\d+)usize", text)
    offsets += re.findall(r"offset_of!\((\w+),(\w+)\)-(\d+)usize", text)
    rust = {name: (int(size), {}) for name, size in sizes.items() if "vmport" in name}
    for name, field, offset in offsets:
        if name in rust:
            rust[name][1]["type" if field == "type_" else field] = int(offset)

    asked = []
    for what, fields in structs().items():
        name = what.split()[1]
        asked.append((name, None, "sizeof(%s)" % what))
        asked += [(name, field, "offsetof(%s, %s)" % (what, field)) for field in fields]
    c = {}
    for (name, field, _), value in zip(asked, c_values([how for _, _, how in asked])):
        if field is None:
            c[name] = (value, {})
        else:
            c[name][1][field] = value
    for name in sorted(c):
        assert rust.get(name) == c[name], (name, rust.get(name), c[name])
    assert set(rust) == set(c), set(rust) ^ set(c)


@test("samples/vmport/vmport.rs has the header's ioctl numbers")
def _():
    names = sorted(IOCTLS)
    with open(SAMPLE) as file:
        text = file.read()
    for name, value in zip(names, c_values(names)):
        assert "assert_eq!(%s, %#x);" % (name, value) in text, (name, hex(value))


@test("bindgen's own tests of the layout and those of samples/vmport/vmport.rs pass")
def _():
    if not shutil.which("rustc"):
        return "needs rustc"
    program = os.path.join(OUT, "vmport-rs")
    run(["rustc", "--edition", "2021", "-D", "warnings", "--test", SAMPLE, "-o", program],
        env=dict(os.environ, OUT_DIR=OUT))
    output = run([program])
    assert "ioctl_numbers_are_those_of_the_header ... ok" in output, output


def why_not():
    """Why bindgen cannot be tried here; None when it can."""
    if not shutil.which("bindgen"):
        return "needs bindgen"
    # Versions before 0.62 panic at <linux/kvm.h> with the libclang of LLVM 16 and later.
    source = os.path.join(OUT, "kvm.h")
    with open(source, "w") as file:
        file.write("#include <linux/kvm.h>\n")
    if subprocess.run(["bindgen", source, "--allowlist-type", "kvm_run", "-o", os.devnull],
                      stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode:
        return "this bindgen cannot read <linux/kvm.h>"
    return None


def main(words):
    status = 0
    os.makedirs(OUT, exist_ok=True)
    os.environ["RUST_BACKTRACE"] = "0"
    no_bindgen = why_not()
    for name, function in tests:
        if words and not any(word in name for word in words):
            continue
        skip = None
        try:
            skip = no_bindgen or function()
            print("ok - bindings: %s%s" % (name, " # SKIP " + skip if skip else ""))
        except AssertionError as error:
            status = 1
            print("\n".join("# " + line for line in str(error).splitlines()))
            print("not ok - bindings: " + name)
        sys.stdout.flush()
    return status


sys.exit(main(sys.argv[1:]))
