#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Does it take no more than CONTRIBUTING.md says to add a command, an RPCI request and a
section of the state blob?  Adds one of each to a copy, in the places that it names, and builds
the engine and tests with them.  TAP.  The environment: CC, OUT for what is built."""
import collections
import difflib
import os
import re
import shutil
import subprocess
import sys

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "../../.."))
OUT = os.path.join(os.environ.get("OUT", os.path.join(ROOT, "build/unit")), "adding")
CC = os.environ.get("CC", "gcc")
COPY = os.path.join(OUT, "tree")

UAPI = "include/uapi/linux/kvm_vmport.h"
VMPORT = "arch/x86/kvm/vmport/"

# What is added: where, in front of what or behind what, and the text.
BEFORE, BEHIND = r"\g<new>\g<0>", r"\g<0>\g<new>"
Added = collections.namedtuple("Added", "path place way text")

COMMAND = (
    Added(UAPI, r"(?m)^#define KVM_VMPORT_FEATURE_\w+\s.*\n(?!(?:.*\n)*#define KVM_VMPORT_FEATURE_)",
          BEHIND, "#define KVM_VMPORT_FEATURE_ADDED\t(1ULL << 40)\n"),
    Added(VMPORT + "vm.h", r"\)\n(?<=KVM_VMPORT_FEATURE_STEALCLOCK\)\n)", BEFORE,
          " | KVM_VMPORT_FEATURE_ADDED"),
    Added(VMPORT + "command.h", r"(?m)^#define VMPORT_CMD_\w+\s.*\n(?!#define)", BEHIND,
          "#define VMPORT_CMD_ADDED\t\t4711\n"),
    Added(VMPORT + "command.c", r"#define COMMAND_IF\(", BEFORE, """\
/* Keeps EBX, and says what it kept before. */
static enum vmport_result cmd_added(struct vmport_call *call)
{
	call->regs.ax = call->state->added;
	call->state->added = call->regs.bx;
	return VMPORT_DONE;
}

"""),
    Added(VMPORT + "command.c", r"(?m)^\};\n(?=\n/\* The command of)", BEFORE,
          "\tCOMMAND(ADDED,\t\t\tcmd_added,\t\t\tADDED),\n"),
)
REQUEST = (
    Added(VMPORT + "rpci.c", r"/\*\n \* KVM_VMPORT_FEATURE_RPC will own no others", BEFORE, """\
static void rpci_added(const struct vmport_call *call, const struct rpci_text *arg,
		       struct vmport_reply *reply)
{
	vmport_reply_text(reply, arg->size == 4 && !memcmp(arg->data, "this", 4) ? "1 added" :
			  "0 What?");
}

"""),
    Added(VMPORT + "rpci.c", r"(?m)^\};\n(?=\n/\*\n \* What guests report)", BEFORE,
          "\t{ \"added.get\",\t\tKVM_VMPORT_FEATURE_ADDED, rpci_added },\n"),
)
SECTION = (
    Added(UAPI, r"(?m)^#define KVM_VMPORT_SECTION_\w+\s+\d.*\n(?!#define)", BEHIND,
          "#define KVM_VMPORT_SECTION_ADDED\t63\t/* critical; at most one */\n"),
    Added(UAPI, r"#endif /\* _UAPI_LINUX_KVM_VMPORT_H \*/", BEFORE,
          "/* KVM_VMPORT_SECTION_ADDED */\nstruct kvm_vmport_blob_added {\n\t__le64 value;\n};\n\n"),
    Added(VMPORT + "state.h", r"\tstruct vmport_events \*events;\n(?=\};)", BEHIND, "\tu32 added;\n"),
    Added(VMPORT + "section.c", r"\t\},\n\};\n", "\\g<new>\t},\n};\n", """\
	}, {
		.type = KVM_VMPORT_SECTION_ADDED,
		.feature = KVM_VMPORT_FEATURE_ADDED,
		.is_critical = true,
		.pack = vmport_pack_added,
		.unpack = vmport_unpack_added,
"""),
    Added(VMPORT + "section.h", r"\n#endif /\* _VMPORT_SECTION_H \*/", BEFORE, """
int vmport_pack_added(struct vmport_packer *p, const struct vmport_section *section,
		      struct vmport_state *state);
int vmport_unpack_added(struct vmport_unpacker *u, u64 size);
"""),
    Added(VMPORT + "section_steal.c", r"\Z", BEFORE, """
int vmport_pack_added(struct vmport_packer *p, const struct vmport_section *section,
		      struct vmport_state *state)
{
	struct kvm_vmport_blob_added packed = { .value = cpu_to_le64(state->added) };
	struct vmport_place place;

	if (!state->added)
		return 0;
	place = vmport_pack_begin(p);
	vmport_pack_bytes(p, &packed, sizeof(packed));
	vmport_pack_end(p, &place, section);
	return 0;
}

int vmport_unpack_added(struct vmport_unpacker *u, u64 size)
{
	struct kvm_vmport_blob_added packed;
	size_t pos = u->pos;
	int r = vmport_unpack_record(u, &packed, sizeof(packed));

	if (r)
		return r;
	if (le64_to_cpu(packed.value) > U32_MAX)
		return vmport_malformed(u, VMPORT_FIELD_POS(pos, &packed, value),
					KVM_VMPORT_ERR_RESERVED);
	u->state->added = le64_to_cpu(packed.value);
	return 0;
}
"""),
)
# By the title of their steps.
ADDED = {"To add a command": COMMAND, "To add an RPCI request": REQUEST,
         "To add a section to the state blob": SECTION}

TEST = r"""
#include "blob.h"
#include "guest.h"

static enum vmport_result added(struct vm *vm, u32 bx, u32 *ax)
{
	struct vmport_regs regs = { .ax = VMPORT_MAGIC, .bx = bx, .cx = 4711 };
	enum vmport_result result = vm_call(vm, &regs);

	*ax = regs.ax;
	return result;
}

CONVERSATION("adding: the new command answers, with its feature only")
{
	u32 ax;

	CHECK_EQ(added(vm, 5, &ax), VMPORT_NOT_OURS);
	vm->config.features |= KVM_VMPORT_FEATURE_ADDED;
	CHECK_EQ(added(vm, 7, &ax), VMPORT_DONE);
	CHECK_EQ(ax, 0);
	CHECK_EQ(added(vm, 9, &ax), VMPORT_DONE);
	CHECK_EQ(ax, 7);
}

CONVERSATION("adding: the new request replies, with its feature only")
{
	CHECK(!strcmp(rpc(vm, "added.get this"), "0 Unknown command"));
	vm->config.features |= KVM_VMPORT_FEATURE_ADDED;
	CHECK(!strcmp(rpc(vm, "added.get this"), "1 added"));
	CHECK(!strcmp(rpc(vm, "added.get that"), "0 What?"));
	CHECK(!strcmp(rpc(vm, "added.set this"), "0 Unknown command"));
}

TEST("adding: the new section packs and unpacks, and what is wrong in it is refused")
{
	struct vm *vm = vm_new(SLEEPING);
	struct vm *to = vm_new(SLEEPING);
	struct blob blob;
	size_t size;
	__le64 value;
	u8 *packed;
	u32 ax;

	vm->config.features |= KVM_VMPORT_FEATURE_ADDED;
	to->config.features |= KVM_VMPORT_FEATURE_ADDED;
	CHECK_EQ(added(vm, 0xabcdef01, &ax), VMPORT_DONE);
	packed = vm_pack(vm, &size);

	blob_init(&blob);
	blob_begin(&blob, 63, 1);
	value = cpu_to_le64(0xabcdef01);
	blob_bytes(&blob, &value, 8);
	blob_end(&blob);
	blob_seal(&blob);
	CHECK_EQ(size, blob.size);
	CHECK(!memcmp(packed, blob.data, size));
	check_accepted(to, packed, size);
	CHECK_EQ(added(to, 0, &ax), VMPORT_DONE);
	CHECK_EQ(ax, 0xabcdef01);

	blob.data[blob.size - 1] = 1;
	blob_seal(&blob);
	check_refused(to, blob.data, blob.size, -EINVAL, KVM_VMPORT_ERR_RESERVED, blob.size - 8);
	free(packed);
	blob_free(&blob);
	vm_free(vm);
	vm_free(to);
}
"""

tests = []


def test(name):
    def add(function):
        tests.append((name, function))
        return function
    return add


def read(root, path):
    with open(os.path.join(root, path), encoding="utf-8") as file:
        return file.read()


def write(path, text):
    with open(os.path.join(COPY, path), "w", encoding="utf-8") as file:
        file.write(text)


def add_all(added):
    for one in added:
        text = read(COPY, one.path)
        found = list(re.finditer(one.place, text))
        assert len(found) == 1, f"{one.path} has {one.place!r} {len(found)} times and not once"
        match = found[0]
        new = one.way.replace(r"\g<new>", one.text).replace(r"\g<0>", match[0])
        write(one.path, text[:match.start()] + new + text[match.end():])


def places():
    """How many places of each file differ from the original."""
    count = collections.Counter()
    for folder, _, names in os.walk(COPY):
        for name in names:
            path = os.path.relpath(os.path.join(folder, name), COPY)
            if not path.endswith((".c", ".h", "Makefile")) or path.endswith("test_added.c"):
                continue
            matcher = difflib.SequenceMatcher(None, read(ROOT, path).split("\n"),
                                              read(COPY, path).split("\n"), autojunk=False)
            changed = sum(operation[0] != "equal" for operation in matcher.get_opcodes())
            if changed:
                count[path] = changed
    return count


def promised():
    """The steps of CONTRIBUTING.md: file by file."""
    text = read(ROOT, "CONTRIBUTING.md")
    steps = {}
    for title in ADDED:
        part = text.split(f"### {title}\n")
        assert len(part) == 2, f"CONTRIBUTING.md has no section {title!r}"
        part = part[1].split("\n#")[0]
        steps[title] = collections.Counter(re.findall(r"(?m)^\d+\. `([\w./-]+)`", part))
    return steps


def copy():
    shutil.rmtree(OUT, ignore_errors=True)
    for path in ("arch/x86/kvm/vmport", "include", "tools/testing/vmport",
                 "Documentation/virt/kvm/x86"):
        shutil.copytree(os.path.join(ROOT, path), os.path.join(COPY, path),
                        ignore=shutil.ignore_patterns("corpus", "golden", "*.o", "__pycache__"))
    shutil.copytree(os.path.join(ROOT, "tools/testing/vmport/golden"),
                    os.path.join(COPY, "tools/testing/vmport/golden"))


@test("adding: a command, a request and a section need no more places than CONTRIBUTING.md names")
def check_places():
    copy()
    steps = promised()
    before = collections.Counter()
    for title, added in ADDED.items():
        add_all(added)
        now = places()
        for path, count in (now - before).items():
            assert count <= steps[title][path], \
                f"{title}: {count} places in {path}, and CONTRIBUTING.md says {steps[title][path]}"
        named = sum(steps[title].values())
        assert sum((now - before).values()) == named, \
            f"{title}: {named} steps, and {sum((now - before).values())} were needed"
        before = now
    assert sum(steps["To add a command"].values()) == 5


def run_added():
    """Build the engine with what was added, without the sanitizers, which take time."""
    write("tools/testing/vmport/test_added.c", "// SPDX-License-Identifier: GPL-2.0-only\n" + TEST)
    command = ["make", "-s", "-C", os.path.join(COPY, "tools/testing/vmport"), "OUT=" + OUT,
               "CC=" + CC, "SANITIZE=", "WERROR=1", "tests=added command rpci tclo steal",
               os.path.join(OUT, "check/vmport-test")]
    environment = {name: value for name, value in os.environ.items()
                   if name not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "OUT", "TESTS")}
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
                          universal_newlines=True, env=environment)
    assert done.returncode == 0, "\n".join(done.stdout.splitlines()[-20:])
    done = subprocess.run([os.path.join(OUT, "check/vmport-test")], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, check=False, universal_newlines=True,
                          cwd=os.path.join(COPY, "tools/testing/vmport"), env=environment)
    bad = [line for line in done.stdout.splitlines() if line.startswith(("not ok", "#"))]
    assert done.returncode == 0, "\n".join(bad[-20:])
    return done.stdout


@test("adding: with them the engine builds, its tests pass, and the new ones answer")
def check_engine():
    output = run_added()
    for name in ("the new command answers", "the new request replies", "the new section packs"):
        assert re.search(f"(?m)^ok .*adding: {name}", output), f"no test says that {name}"


def main(words):
    failed = False
    for name, function in tests:
        if words and not any(word in name for word in words):
            continue
        try:
            function()
            print(f"ok - {name}", flush=True)
        except AssertionError as error:
            failed = True
            print("".join(f"# {line}\n" for line in str(error).splitlines()), end="")
            print(f"not ok - {name}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
