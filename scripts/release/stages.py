#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""stages.py FROM TO: write the code as it is after each stage of the series.

FROM has all files of the series as they are at its end.  TO/STAGE gets what of them is there
after that stage: the files without those of later stages, and in each file no statement,
field, row or function that names what comes later.  After the last stage it is FROM itself.

A stage's files and names are below.  What no pattern matches belongs to the base, so that a
new file of the glue needs no line here.  A condition that is left out of an "or" or of an
"and" is taken for false, and its opposite for true, as a feature that is not there never is
enabled.  What cannot be cut that way stops the script with a line that says where.
"""
import fnmatch
import os
import re
import sys
import textwrap

import ctext
from upstream import write

VMPORT = "arch/x86/kvm/vmport/"
UAPI = "arch/x86/include/uapi/asm/kvm_vmport.h"

STAGES = ("base", "rpc", "state", "hb", "steal")

# Files of arch/x86/kvm/vmport by stage; the first that matches counts.
FILES = (
    ("steal", ("steal.*", "clock.c", "section_steal.c")),
    ("hb", ("hb.*", "string.c", "memory.*")),
    ("state", ("pack*", "unpack*", "section*", "blob_types.h")),
    ("rpc", ("alloc.h", "events.h", "state.*", "guestinfo.*", "reply.*", "tclo.*", "channel*",
             "rpci.*", "count.h", "stat.c", "debugfs.c", "ask.*", "requests.*", "message.*", "attr_*",
             "privilege.*", "exit.c")),
)

# What the header for user space defines, without KVM_VMPORT_ and kvm_vmport_; else rpc.
ABI = (
    ("base", r"FEATURE_(ENABLE|RING3|HYPERCALL|PMC|NESTED)|ERR_(NONE|RESERVED|ATTR|IDENTITY|FEATURE)"
             r"|ATTR_(IDENTITY|INFO)|VCPU_INFO_.*|identity|info|attr|attr_data"),
    ("steal", r".*STEALCLOCK|MAX_VCPU_ID|ERR_VCPU_ID|ERR_ADDRESS|blob_stealclock"),
    ("hb", r"FEATURE_HB"),
    ("state", r"state|MAX_STATE|BLOB_.*|SECTION_.*|CHANNEL_.*|REQUEST_.*|NAME_.*|MARK_.*|blob_.*"
              r"|ERR_(STATE_SIZE|MAGIC|LENGTH|CHECKSUM|SECTION|CHANNEL_ID|PROTOCOL|VERSION|CRITICAL)"),
)

# Other names that come with a stage: functions, fields, parameters, columns of tables.
NAMES = {
    "rpc": r"vmport_message|(VMPORT_CMD_)?MESSAGE|RPC|EXIT_RPC|is_privileged|asks|copies|KVM_REQ_VMPORT_EXIT"
           r"|kvm_vmport_(create_debugfs|fill_exit|check_exit|attr_is_read|put_eventfd|dup_user)"
           r"|vmport_(signal|max_limits)"
           r"|RESET|reset_guest|\w*replace_eventfd|vmport_state|eventfd|eventfd_ctx|kvm_vmport_exit"
           r"|(trace_)?kvm_vmport_(message|data|guestinfo|tclo|rpc)"
           r"|vmport_show_(answer|data|tclo|rpc)",
    "state": r"KVM_[GS]ET_VMPORT_STATE|\w*(state_arg_ok|user_sink|user_source|write_to_user"
             r"|read_from_user|get_state|set_state|state_ioctl)|vmport_(entry_size|state_activate)"
             r"|saved_ask_id|vmport_(state_number_asks|state_next_ask|counted_number)"
             r"|vmport_count_state|(trace_)?kvm_vmport_state",
    "hb": r"HB|\w*FLAG_HB|no_hb|VMPORT_HB_\w+|\w*string_gp|kvm_vmport_(string_in|string_out|is_hb_access"
          r"|is_string|read_guest|write_guest)|(trace_)?kvm_vmport_hb|KVM_VMPORT_NO_VECTOR",
    "steal": r"(VMPORT_CMD_)?STEALCLOCK\w*|\w*cmd_stealclock|\w*may_use_stealclock|steals"
             r"|kvm_vmport_(record_steal_time|update_steal_clock)"
             r"|vmport_vcpu_(is_ring0|waited|has_memory)",
}
# Fields of structures that are there before.
FIELDS = {
    "rpc": {"state", "events", "eventfd", "limits", "guestinfo", "list", "tclo", "many",
            "changes", "rpc", "tclo_list", "asks", "is_privileged"},
    "hb": {"no_hb"},
    "steal": {"steals"},
}


def fail(text):
    sys.exit(f"error: stages.py: {text}")


def stage_of_file(path):
    """The stage that brings a file of the series."""
    if not path.startswith(VMPORT):
        return "base"
    name = path[len(VMPORT):]
    matching = [stage for stage, patterns in FILES
                if any(fnmatch.fnmatch(name, pattern) for pattern in patterns)]
    # section_steal.c is a section and the steal clock's: the later stage has it.
    return matching[0] if matching else "base"


def stage_of_abi(name):
    if not re.match(r"KVM_VMPORT_|kvm_vmport_", name):
        return "base"
    for stage, pattern in ABI:
        if re.fullmatch(rf"(?:KVM_VMPORT_|kvm_vmport_)(?:{pattern})", name):
            return stage
    return "rpc"


class Absent:
    """What is not there yet."""

    def __init__(self, files, stage):
        later = STAGES[STAGES.index(stage) + 1:]
        self.files = {path for path in files if stage_of_file(path) in later}
        self.patterns = [re.compile(NAMES[name]) for name in later]
        self.fields = set().union(*(FIELDS.get(name, ()) for name in later)) if later else set()
        self.names = set()
        for path in self.files:
            self.names |= exported(files[path], path.endswith(".h"))
        for piece in ctext.pieces(files.get(UAPI, "")):
            name = ctext.defined(piece.code)
            if name and stage_of_abi(name) in later:
                self.names.add(name)

    def has(self, name, local=frozenset()):
        return name in self.names or name in local or \
            any(pattern.fullmatch(name) for pattern in self.patterns)

    def named_in(self, code, local=frozenset()):
        """Does code name something that is not there?"""
        plain = ctext.strip_comments(code)
        if any(self.has(name, local) for name in ctext.identifiers(
                re.sub(r"(?:->|\.)\s*\w+", " ", plain))):
            return True
        fields = re.findall(r"(?:->|\.)\s*(\w+)", plain)
        return any(name in self.fields or self.has(name) for name in fields)


def exported(text, is_header):
    """What other files can use of a file."""
    names = set()
    for piece in ctext.pieces(text):
        name = ctext.defined(piece.code)
        if re.match(r"struct \w+;", piece.code):
            continue
        if name and (is_header or not re.match(r"static|#define|struct \w+ \{", piece.code)):
            names.add(name)
        if is_header and re.match(r"enum \w+ \{", piece.code):
            names |= {word for word in ctext.identifiers(piece.code) if word.isupper()}
    return names


def condition(text, is_absent):
    """A condition without what is not there: True, False or what is left."""
    for separator, gone in (("||", (True, False)), ("&&", (True,))):
        parts, operators = ctext.split_at(text, (separator,))
        if not operators:
            continue
        kept = [condition(part, is_absent) for part in parts]
        if separator == "&&" and False in kept:
            return False
        kept = [part for part in kept if part not in gone]
        if not kept:
            return separator == "&&"
        if len(kept) < len(parts):
            kept[0] = kept[0].lstrip()
            kept[-1] = kept[-1].rstrip()
        return separator.join(kept)
    if not is_absent(text):
        return text
    plain = text.strip()
    if plain.startswith("!"):
        left = condition(plain[1:], is_absent)
        return (not left) if isinstance(left, bool) else "!" + left
    if plain.startswith("(") and ctext.closing(plain, 0) == len(plain):
        left = condition(plain[1:-1], is_absent)
        return left if isinstance(left, bool) else text.replace(plain, "(" + left + ")")
    return False


class Cutter:
    """One file without what is not there."""

    def __init__(self, path, text, absent):
        self.path, self.text, self.absent = path, text, absent
        self.dead, self.failed = set(), []
        self.where, self.is_predicate = "", False

    def has(self, name):
        return name in self.dead or self.absent.has(name)

    def named_in(self, code, local=frozenset()):
        return self.absent.named_in(code, self.dead | local)

    def condition(self, text, local):
        return condition(text, lambda code: self.named_in(code, local))

    def cut(self):
        """To the end: what nobody uses any more goes too."""
        while True:
            self.failed = []
            text = self.file(without_operands(self.text, self))
            dead = self.unused(text)
            if not dead and self.failed:
                fail(self.failed[0])
            if not dead:
                return text
            self.dead |= dead

    def unused(self, text):
        """What a file had for itself, and used, and does not use any more."""
        dead = set()
        for piece in ctext.pieces(text):
            name = ctext.defined(piece.code)
            local = re.match(r"static(?! inline)|#define|struct \w+ \{", piece.code)
            if not name or not local or self.path.endswith(".h"):
                continue
            used = len(re.findall(rf"\b{name}\b", ctext.strip_comments(self.text)))
            left = len(re.findall(rf"\b{name}\b", ctext.strip_comments(text)))
            if used > 1 and left == 1:
                dead.add(name)
        return dead

    def file(self, text):
        out = []
        for piece in ctext.pieces(text):
            code = self.top_level(piece)
            if code is None:
                out.append(piece.without())
            else:
                out.append(self.documented(piece, code) + code + piece.tail)
        return tidy("".join(out))

    def top_level(self, piece):
        code = piece.code
        match = re.match(r'#include "(?:vmport/)?([\w/.]+)"', code)
        if match:
            return None if VMPORT + match[1] in self.absent.files else code
        name = ctext.defined(code)
        if name and self.has(name):
            return None
        if code.startswith("#"):
            return code
        head = ctext.function_head(code)
        if head:
            return self.function(code, *head)
        parts = ctext.braced(code)
        if parts and re.match(r"(?:static )?(?:struct|union|enum)\b[^=]*$", parts[0]):
            return parts[0] + self.members(parts[1], "enum" in parts[0]) + parts[2]
        if parts and "=" in parts[0]:
            return None if self.named_in(parts[0]) else \
                parts[0] + self.initialiser(parts[1]) + parts[2]
        return None if self.named_in(code) else code

    def documented(self, piece, code):
        """The comment without the fields and parameters that went."""
        lead = piece.lead
        for name in re.findall(r"^ \* @(\w+):", lead, re.M):
            if name not in ctext.identifiers(code):
                lead = re.sub(rf"^ \* @{name}:.*\n(?:^ \*[ \t]+(?!@).*\n)*", "", lead, flags=re.M)
        return lead

    def members(self, text, enum):
        if enum:
            return self.initialiser(text)
        out = []
        for piece in ctext.pieces(text):
            parts = ctext.braced(piece.code)
            field = re.search(r"(\w+)\s*(?:\[[^\]]*\])?\s*;$", piece.code)
            if parts:
                out.append(piece.lead + parts[0] + self.members(parts[1], False) + parts[2] +
                           piece.tail)
            elif self.named_in(piece.code) or (field and field[1] in self.absent.fields):
                out.append(piece.without())
            else:
                out.append(str(piece))
        return "".join(out)

    def initialiser(self, text, local=frozenset()):
        return "".join(entry for entry in ctext.entries(text)
                       if not entry.strip() or not self.named_in(entry, local))

    def function(self, code, name, head):
        """A function or its prototype, without the parameters that went."""
        result = head[:head.index(name)]
        begin = head.index("(", head.index(name))
        end = ctext.closing(head, begin) - 1
        parameters, _ = ctext.split_at(head[begin + 1:end], (",",))
        for parameter in parameters:
            words = re.findall(r"\w+", parameter)
            if words and self.absent.has(words[-1]):
                continue
            if self.named_in(parameter.rsplit(words[-1], 1)[0] if words else ""):
                return None
        if self.named_in(result):
            return None
        parts = ctext.braced(code)
        if not parts or code.rstrip().endswith(";"):
            return code
        self.where, self.is_predicate = name, bool(re.search(r"\bbool\b", result))
        body = self.body(parts[1], set())
        return parts[0] + self.used_locals(body, parts[1]) + parts[2]

    def used_locals(self, body, before):
        """Without the declarations of what is not used any more."""
        out = []
        for piece in ctext.pieces(body):
            match = DECLARATION.match(piece.code)
            if match and "=" not in piece.code and not piece.code.startswith(("return", "goto")):
                names = [declared(part) for part in piece.code.rstrip(";").split(",")]
                kept = [part for part, name in zip(piece.code.rstrip(";").split(","), names)
                        if len(re.findall(rf"\b{name}\b", body)) > 1 or
                        len(re.findall(rf"\b{name}\b", before)) == 1]
                if not kept:
                    out.append(piece.without())
                    continue
                if len(kept) < len(names):
                    kept[0] = match[1] + kept[0][len(match[1]):] if kept[0].startswith(match[1]) \
                        else match[1] + kept[0].strip()
                    piece.code = ",".join(kept) + ";"
            out.append(str(piece))
        return "".join(out)

    def body(self, text, local):
        out = []
        for piece in ctext.pieces(text):
            code = self.statement(piece.code, local)
            out.append(piece.without() if code is None else piece.lead + code + piece.tail)
        return "".join(out)

    def statement(self, code, local):
        """A statement without what is not there, None if nothing is left."""
        match = re.match(r"(if|for|while|switch|else if)\b[^(]*\(|(\w*for_each\w*) ?\(", code)
        if match:
            return self.controlled(code, code.index("("), local)
        if not self.named_in(code, local):
            return code
        if code.startswith("return"):
            return self.returned(code, local)
        match = DECLARATION.match(code)
        parts = ctext.braced(code)
        if parts and "=" in parts[0] and not self.named_in(parts[0].split("=")[0], local):
            return parts[0] + self.initialiser(parts[1], local) + parts[2]
        if match:
            for part in re.sub(r"=[^,;]*", "", code).rstrip(";").split(","):
                local.add(declared(part))
        return None

    def controlled(self, code, opening, local):
        """An if or a loop."""
        end = ctext.closing(code, opening)
        head, inside, rest = code[:opening], code[opening + 1:end - 1], code[end:]
        then, otherwise = split_else(rest) if head.startswith("if") else (rest, "")
        left = self.condition(inside, local)
        if not head.startswith("if") and left != inside:
            return None
        done = None if left is False else self.block(then, local)
        other = self.block(otherwise[otherwise.index("else") + 4:], local) if otherwise else None
        if done is None:
            return undent(other) if left is False and other is not None else None
        if left is True:
            return undent(done)
        if other is not None:
            done += otherwise[:otherwise.index("else") + 4] + other
        return f"{head}({left}){done}"

    def block(self, text, local):
        lead = ctext.LEAD.match(text).group()
        code = text[len(lead):]
        if code.startswith("{"):
            body = self.body(code[1:code.rindex("}")], local)
            return lead + "{" + body + "}" if ctext.strip_comments(body).strip() else None
        left = self.statement(code, local)
        return None if left is None else lead + left

    def returned(self, code, local):
        value = code[len("return"):].rstrip(";").strip()
        parts, operators = ctext.split_at(value, ("?", ":"))
        if operators == ["?", ":"]:
            left = self.condition(parts[0], local)
            if left is False or self.named_in(parts[1], local):
                return f"return {parts[2].strip()};"
            if left is True or self.named_in(parts[2], local):
                return f"return {parts[1].strip()};"
            return f"return {left} ?{parts[1]}:{parts[2]};"
        left = self.condition(value, local)
        if not isinstance(left, bool):
            return f"return {left};"
        if not self.is_predicate:
            self.failed.append(f"{self.path}: {self.where}() ends with what is not there yet: {code}")
        return f"return {str(left).lower()};"


DECLARATION = re.compile(r"((?:(?:const|static|unsigned|volatile|struct|enum|union)\s+)*"
                         r"[A-Za-z_]\w*(?:\s+__\w+)?\s[\s*]*)\w+\s*(?:[=,;\[]|$)")


def declared(part):
    """The name in a declarator."""
    return re.findall(r"\w+", re.sub(r"\[.*?\]", "", part))[-1]


def undent(text):
    """A block that is not conditional any more; declarations in it would be a surprise."""
    text = text.strip()
    if text.startswith("{"):
        text = re.sub(r"^\t", "", text[1:-1], flags=re.M).strip()
    return text


def split_else(rest):
    """What follows a condition: the statement, and "else" with its own."""
    start = ctext.LEAD.match(rest).end()
    if rest.startswith("{", start):
        stop = ctext.closing(rest, start)
    elif rest.startswith(("if", "for", "while"), start):
        stop = len(rest)
    else:
        stop = rest.index(";", start) + 1
    return rest[:stop], rest[stop:]


def without_operands(text, cutter):
    """Masks without the bits that are not there; a mask of them alone stays, and is cut."""
    def mask(match):
        kept = [word for word in re.findall(r"KVM_VMPORT_FEATURE_\w+", match[0])
                if not cutter.has(word)]
        words = re.findall(r"KVM_VMPORT_FEATURE_\w+", match[0])
        if not kept or kept == words:
            return match[0]
        if "\\\n" not in match[0]:
            return " | ".join(kept)
        lines, out = [kept[i:i + 2] for i in range(0, len(kept), 2)], []
        for number, line in enumerate(lines):
            line = " | ".join(line) + (" |" if number < len(lines) - 1 else "")
            width = 8 + 1 + len(line)
            out.append(line + ("\t" * ((79 - width) // 8) + "\\" if number < len(lines) - 1
                               else ""))
        return "\n\t ".join(out)
    text = re.sub(r"KVM_VMPORT_FEATURE_\w+(?:[\s\\]*\|[\s\\]*KVM_VMPORT_FEATURE_\w+)+", mask, text)
    return text


def without_arguments(text, functions):
    """Calls and heads without the parameters that are not there, by position."""
    for name, (count, positions) in functions.items():
        at = 0
        while True:
            match = re.compile(rf"\b{name}\(").search(text, at)
            if not match:
                break
            end = ctext.closing(text, match.end() - 1) - 1
            arguments, _ = ctext.split_at(text[match.end():end], (",",))
            if len(arguments) == count:
                kept = [value for number, value in enumerate(arguments) if number not in positions]
                text = text[:match.end()] + ",".join(kept).strip() + text[end:]
            at = match.end()
    return text


def parameters_gone(files, absent):
    """Which functions lose which parameters."""
    found = {}
    for text in files.values():
        for piece in ctext.pieces(text):
            head = ctext.function_head(piece.code)
            if not head:
                continue
            name, head = head
            begin = head.index("(", head.index(name))
            values, _ = ctext.split_at(head[begin + 1:ctext.closing(head, begin) - 1], (",",))
            gone = [number for number, value in enumerate(values)
                    if re.findall(r"\w+", value) and absent.has(re.findall(r"\w+", value)[-1])]
            if gone:
                found[name] = (len(values), gone)
    return found


def tidy(text):
    """Blank lines as checkpatch wants them."""
    text = re.sub(r"\n{3,}", "\n\n", text)
    text = re.sub(r"\{\n\n+", "{\n", text)
    text = re.sub(r"\n\n+(\t*\})", r"\n\1", text)
    return text.strip("\n") + "\n"


def makefile(text, absent):
    """Without the objects whose sources are not there."""
    def objects(match):
        there = [name for name in re.findall(r"vmport/\w+\.o", match[2])
                 if VMPORT + name[len("vmport/"):-2] + ".c" not in absent.files]
        lines = [match[1]]
        for name in there:
            if len(lines[-1].expandtabs()) + len(name) > 95:
                lines[-1] += " \\"
                lines.append("\t\t\t   ")
            lines[-1] += " " + name
        return "\n".join(lines) + "\n"
    return re.sub(r"^(kvm-\S+ \+=)((?:[^\\\n]|\\\n)*)\n", objects, text, flags=re.M)


def kconfig(text, stage):
    """The checksum is the state's, and so is half of a sentence."""
    if STAGES.index(stage) >= STAGES.index("state"):
        return text
    text = re.sub(r"\tselect CRC32\n", "", text)
    begin, end = text.index("\thelp\n") + len("\thelp\n"), text.index("\n\n\t  If unsure")
    help_text = " ".join(text[begin:end].split())
    help_text = re.sub(r", with ioctls that save[^.]*\.", ".", help_text)
    if stage == "base":
        help_text = re.sub(r", the GuestRPC channels and guestinfo\.", ".", help_text)
    return text[:begin] + textwrap.fill(help_text.replace(". ", ".  "), 77,
                                        initial_indent="\t  ", subsequent_indent="\t  ") + text[end:]


def read_all(directory):
    files = {}
    for folder, _, names in os.walk(directory):
        for name in names:
            path = os.path.join(folder, name)
            with open(path, encoding="utf-8") as file:
                files[os.path.relpath(path, directory)] = file.read()
    return files


def has_function(text):
    return any(ctext.function_head(piece.code) for piece in ctext.pieces(text))


def stage_files(files, stage):
    """The files of the series after a stage."""
    absent = Absent(files, stage)
    if stage == STAGES[-1]:
        return dict(files)
    ours = {path: text for path, text in files.items() if path not in absent.files}
    code = {path: text for path, text in ours.items() if path.endswith((".c", ".h"))}
    functions = parameters_gone(code, absent)
    out = {}
    for path, text in ours.items():
        if path == VMPORT + "Makefile":
            text = makefile(text, absent)
        elif path == VMPORT + "Kconfig":
            text = kconfig(text, stage)
        elif path in code and (path.startswith(VMPORT) or path == UAPI):
            text = without_arguments(text, functions)
            text = Cutter(path, text, absent).cut()
            if path.endswith(".c") and has_function(ours[path]) and not has_function(text):
                fail(f"{path}: after stage {stage} no function is left in it: it needs a pattern"
                     " in FILES")
        out[path] = text
    return out


def main(arguments):
    if len(arguments) != 2:
        sys.exit(__doc__)
    files = read_all(arguments[0])
    for stage in STAGES:
        for path, text in stage_files(files, stage).items():
            write(os.path.join(arguments[1], stage, path), text)


if __name__ == "__main__":
    main(sys.argv[1:])
