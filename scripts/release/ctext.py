#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""C source as stages.py sees it: pieces that can be left out, and what they name.

Nothing here knows a language but kernel C as checkpatch wants it.
"""
import re
from dataclasses import dataclass

COMMENT = r"(?:/\*.*?\*/|//[^\n]*)"
TOKEN = re.compile(COMMENT + r"|\"(?:\\.|[^\"\\])*\"|'(?:\\.|[^'\\])*'|[A-Za-z_]\w*|.", re.S)
LEAD = re.compile(rf"(?:\s+|{COMMENT})*", re.S)
TAIL = re.compile(rf"[ \t]*(?:{COMMENT})?[ \t]*(?=\n|$)", re.S)
DIRECTIVE = re.compile(rf"#(?:{COMMENT}|\\\n|[^\n])*", re.S)
LABEL = re.compile(r"(?:case\s[^:;{}?]*|default|[A-Za-z_]\w*):(?!:)")
TYPE = re.compile(r"(?:typedef\s+)?(?:struct|union|enum)\s*\w*$")
ELSE = re.compile(rf"(?:\s|{COMMENT})*else\b", re.S)


@dataclass
class Piece:
    """A statement, a declaration or a directive: comments before it, it, and the line's rest."""
    lead: str
    code: str
    tail: str

    def __str__(self):
        return self.lead + self.code + self.tail

    def without(self):
        """What stays when it goes: comments that a blank line parts from it."""
        return self.lead[:self.lead.rfind("\n\n") + 1] if "\n\n" in self.lead else ""


def strip_comments(text):
    return re.sub(COMMENT, " ", text, flags=re.S)


def identifiers(text):
    """What code names; not its comments and strings."""
    return {token for token in TOKEN.findall(text) if re.match(r"[A-Za-z_]\w*$", token)}


def without_brackets(text):
    """Text without what stands in round brackets."""
    before = None
    while before != text:
        before, text = text, re.sub(r"\([^()]*\)", "", text)
    return text


def _statement_end(text, start):
    """Where the statement ends that begins at start."""
    depth, brace, opened = 0, False, 0
    for match in TOKEN.finditer(text, start):
        token = match[0]
        if token in "([{":
            if depth == 0:
                opened = match.start()
            depth += 1
        elif token in ")]}":
            depth -= 1
            brace = token == "}" and depth == 0
            plain = without_brackets(strip_comments(text[start:opened])).strip() if brace else ""
            if brace and not (TYPE.match(plain) or plain.startswith("return") or
                              re.search(r"[^=!<>]=[^=]", plain + " ")):
                end = match.end()
                break
        elif token == ";" and depth == 0:
            end = match.end()
            break
    else:
        return len(text)
    if ELSE.match(text, end) and text.startswith("if", start):
        return _statement_end(text, ELSE.match(text, end).end())
    if text.startswith("do", start) and brace and re.match(r"\s*while\b", text[end:]):
        return text.index(";", end) + 1
    return end


def pieces(text):
    """The pieces of a file, of a function's body or of a structure's; joined they are text."""
    found, at = [], 0
    while at < len(text):
        start = LEAD.match(text, at).end()
        if start == len(text):
            found.append(Piece(text[at:], "", ""))
            break
        match = DIRECTIVE.match(text, start) or LABEL.match(text, start)
        end = match.end() if match else _statement_end(text, start)
        tail = TAIL.match(text, end)
        stop = tail.end() if tail else end
        found.append(Piece(text[at:start], text[start:end], text[end:stop]))
        at = stop
    return found


def split_at(text, separators):
    """Parts of an expression between operators outside of brackets, and the operators."""
    parts, operators, depth, begin = [], [], 0, 0
    tokens = [(match.start(), match[0]) for match in TOKEN.finditer(text)]
    for number, (at, token) in enumerate(tokens):
        if token in ("(", "[", "{"):
            depth += 1
        elif token in (")", "]", "}"):
            depth -= 1
        if depth or at < begin:
            continue
        for separator in separators:
            if text.startswith(separator, at) and (len(separator) == 1 or
                                                   tokens[number + 1][1] == separator[1]):
                parts.append(text[begin:at])
                operators.append(separator)
                begin = at + len(separator)
                break
    return parts + [text[begin:]], operators


def braced(code):
    """Before, inside and behind the last outermost braces of a piece; None if there are none."""
    end = code.rfind("}")
    if end < 0:
        return None
    depth, start = 0, None
    for match in TOKEN.finditer(code):
        if match[0] == "{":
            if depth == 0:
                start = match.end()
            depth += 1
        elif match[0] == "}":
            depth -= 1
            if depth == 0 and match.start() == end:
                return code[:start], code[start:end], code[end:]
    return None


def closing(text, start):
    """The end of the bracket that opens at start."""
    depth = 0
    for match in TOKEN.finditer(text, start):
        depth += (match[0] in ("(", "[", "{")) - (match[0] in (")", "]", "}"))
        if depth == 0:
            return match.end()
    raise ValueError("a bracket does not close: " + text[start:start + 60])


def entries(text):
    """An initialiser's or an enum's entries; joined they are text."""
    found, depth, begin = [], 0, 0
    for match in TOKEN.finditer(text):
        if match[0] in ("(", "[", "{"):
            depth += 1
        elif match[0] in (")", "]", "}"):
            depth -= 1
        elif match[0] == "," and depth == 0 and match.start() >= begin:
            tail = TAIL.match(text, match.end())
            end = tail.end() if tail else match.end()
            found.append(text[begin:end])
            begin = end
    return found + [text[begin:]]


FUNCTION = re.compile(r"([A-Za-z_]\w*)\s*\(")


def function_head(code):
    """The name and the head of a function's definition or prototype; None if it is none."""
    head = code.split("{")[0]
    if "=" in strip_comments(head) or head.startswith(("#", "struct {")) or "(" not in head:
        return None
    match = FUNCTION.search(head)
    if not match or not re.match(r"[\w\s*]*[\s*]$", head[:match.start()]):
        return None
    return match[1], head


def defined(code):
    """What a piece outside of functions defines or declares; None if nothing."""
    match = re.match(r"#define\s+(\w+)", code)
    if match:
        return match[1]
    match = re.match(r"(?:struct|union|enum)\s+(\w+)\s*[{;]", code)
    if match:
        return match[1]
    if function_head(code):
        return function_head(code)[0]
    match = re.match(r"(?:(?:static|extern|const|struct)\s+)*\w+[\s*]+(?:const\s+)?(\w+)\s*[\[=;]",
                     code)
    return match[1] if match else None
