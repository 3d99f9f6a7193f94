#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""
diagram.py FILE: draw the README's picture: a guest, KVM, the VMM, and what moves to another
host in a migration.  The same picture each time: `make unit` looks whether the file is it.
"""
import html
import sys

WIDTH, HEIGHT = 720, 372
BLUE, GREY, PALE = "#3a6ea5", "#777777", "#eef3f8"


def box(x, y, width, height, lines, fill="white", stroke=GREY, bold=True):
    """A rectangle; the first line is its title."""
    yield (f'<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="4" fill="{fill}" '
           f'stroke="{stroke}"/>')
    for number, line in enumerate(lines):
        weight = ' font-weight="bold"' if bold and not number else ""
        yield (f'<text x="{x + 10}" y="{y + 20 + 17 * number}"{weight}>'
               f'{html.escape(line)}</text>')


def arrow(points, label, at, color=GREY, both=True):
    path = " ".join(f"{x},{y}" for x, y in points)
    start = ' marker-start="url(#arrow)"' if both else ""
    yield (f'<polyline points="{path}" fill="none" stroke="{color}" stroke-width="2"{start} '
           'marker-end="url(#arrow)"/>')
    for number, line in enumerate(label):
        yield (f'<text x="{at[0]}" y="{at[1] + 15 * number}" fill="{color}">'
               f'{html.escape(line)}</text>')


def host(x, name):
    yield f'<text x="{x}" y="18" font-weight="bold" fill="{GREY}">{html.escape(name)}</text>'


def picture():
    yield from host(10, "a host")
    yield from box(10, 28, 430, 66, [
        "the guest", "open-vm-tools, cloud-init, Ignition, drivers",
        "words by port 0x5658, whole messages by port 0x5659"])
    yield from box(10, 144, 430, 104, [
        "KVM, with vmport", "identity and time: version, UUID, clock rates",
        "GuestRPC channels: half-sent messages, half-read replies",
        "guestinfo: keys and values", "requests to the guest's tools, and their results"],
                   PALE, BLUE)
    yield from box(10, 312, 430, 50, ["the VMM", "all other commands, and with EXIT_RPC other RPCs"])
    yield from arrow([(60, 96), (60, 142)], ["an exit, answered before KVM's exit loop ends"],
                     (76, 124), BLUE)
    yield from arrow([(60, 250), (60, 310)],
                     ["ioctls: features, identity, guestinfo, requests, state"], (76, 284))
    yield from host(510, "another host")
    yield from box(510, 144, 200, 104, ["KVM, with vmport", "the same, to the byte"], PALE, BLUE)
    yield from box(510, 312, 200, 50, ["the VMM"])
    yield from arrow([(442, 196), (508, 196)], ["state"], (456, 187), BLUE, both=False)
    yield from arrow([(442, 337), (508, 337)], ["stream"], (452, 328), both=False)
    yield from arrow([(600, 310), (600, 250)], ["KVM_SET_", "VMPORT_STATE"], (608, 276), both=False)
    yield from box(510, 28, 200, 66, ["the guest", "finishes its message"])
    yield from arrow([(600, 142), (600, 96)], [], (0, 0), BLUE)


def svg():
    return (f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" '
            f'viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="13">\n'
            '<!-- Made by scripts/suite/diagram.py. -->\n'
            '<defs><marker id="arrow" viewBox="0 0 10 10" refX="8" refY="5" markerWidth="7" '
            'markerHeight="7" orient="auto-start-reverse">'
            f'<path d="M0,0 L10,5 L0,10 z" fill="{GREY}"/></marker></defs>\n'
            '<rect width="100%" height="100%" fill="white"/>\n' + "\n".join(picture()) +
            "\n</svg>\n")


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__.strip())
    with open(sys.argv[1], "w", encoding="utf-8") as file:
        file.write(svg())


if __name__ == "__main__":
    main()
