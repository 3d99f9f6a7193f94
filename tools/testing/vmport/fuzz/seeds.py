#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Makes seeds of the fuzzers from messages that real guests have sent.

recorded/*.txt have one message a line, as "make guests" shows them.  Each file becomes
one seed of fuzz_rpci and one of fuzz_calls, corpus/*/recorded-*: there a channel is
opened for each message, or kept, as vmtoolsd does, and each reply is read.
"""
import pathlib

here = pathlib.Path(__file__).resolve().parent

# Bytes of input_number() and do_one().
NOTHING, RPCI_COOKIE, TCLO_COOKIE = 0, 29, 30
OPEN, REQUEST, SEND, RECEIVE, HOST_TCLO, MIGRATE = 0, 1, 4, 0xd5, 11, 15
CLOSE = 6
RPC_AND_HB = 9


def conversation(messages, kept):
    """One client's; the daemon's results go through a TCLO channel."""
    rpci, tclo = 0, 1
    seed = bytearray([RPC_AND_HB, OPEN, tclo, TCLO_COOKIE])
    if kept:
        seed += bytes([OPEN, rpci, RPCI_COOKIE])
    for message in messages:
        message = message[:255]
        if message.startswith(b'OK '):
            # The answer to a request, which the daemon takes first.
            seed += bytes([HOST_TCLO, tclo, 4]) + b'ping'
            seed += bytes([SEND, tclo, 0, RECEIVE, tclo, 1])
            seed += bytes([SEND, tclo, len(message)]) + message
            seed += bytes([HOST_TCLO, tclo, 0])
            continue
        if not kept:
            seed += bytes([OPEN, rpci, RPCI_COOKIE])
        seed += bytes([SEND, rpci, len(message)]) + message + bytes([RECEIVE, rpci, 1])
        if not kept:
            seed += bytes([REQUEST, rpci, CLOSE, NOTHING])
    return seed + bytes([MIGRATE, 0])


def main():
    for path in sorted((here / 'recorded').glob('*.txt')):
        messages = [line for line in path.read_bytes().splitlines()
                    if not line.startswith(b'#')]
        name = 'recorded-' + path.stem
        (here / 'corpus/rpci' / name).write_bytes(b'\0' + b'\n'.join(messages))
        for kept in (False, True):
            (here / 'corpus/calls' / (name + '-kept' * kept)).write_bytes(
                conversation(messages, kept))


if __name__ == '__main__':
    main()
