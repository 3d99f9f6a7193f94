#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""
bench.py [--partial] [--json FILE] [--chart FILE] LOG...

Make a table, build/bench.json and a chart of the "@@BENCH GROUP NAME NUMBER"
lines in the logs of bench.sh.  The status is 1 when a figure is missing.
"""

import argparse
import json
import re
import sys

GROUPS = ('instructions', 'bytes', 'scaling')

WANTED = {
    'instructions': (
        'pio_kernel', 'pio_kernel_unpatched', 'pio_kernel_string', 'pio_qemu',
        'invd', 'invd_unpatched', 'wrmsr', 'wrmsr_unpatched', 'vmm_getversion',
        'qemu_vmport_getversion', 'stock_ring3_getversion', 'getversion_ring0',
        'getversion_ring3', 'sendsize_ring0',
        'sendpayload_ring0', 'recvsize_ring0', 'recvpayload_ring0', 'info_get_16_lb',
        'info_get_32k_lb', 'info_get_32k_hb', 'hb_send_64k', 'copy_64k',
        'state_get_empty', 'state_set_empty', 'state_get_typical', 'state_set_typical',
        'state_get_1m', 'state_set_1m', 'copy_1m'),
    'bytes': ('idle_vm', 'state_empty', 'state_typical', 'state_1m'),
    'scaling': ('two_vcpus_over_one', 'lookup_4096_over_4', 'channels_64_over_1', 'vms_8_over_1'),
}

# What the chart shows: title, then name and label of each bar.
CHART = (
    ('GETVERSION, instructions a call', (
        ('stock_ring3_getversion', 'ring 3, enable_vmware_backdoor and QEMU'),
        ('qemu_vmport_getversion', "ring 0, QEMU's vmport"),
        ('vmm_getversion', 'ring 0, a VMM that does nothing else'),
        ('getversion_ring3', 'ring 3, this'),
        ('getversion_ring0', 'ring 0, this'))),
    ('For comparison, instructions', (
        ('pio_qemu', 'another port read, by QEMU'),
        ('pio_kernel', 'another port read, by KVM'),
        ('recvpayload_ring0', 'RECVPAYLOAD, this'),
        ('sendpayload_ring0', 'SENDPAYLOAD, this'))),
    ('Whole messages, instructions', (
        ('info_get_32k_lb', 'info-get of 32 KiB, words'),
        ('info_get_32k_hb', 'info-get of 32 KiB, REP INSB'),
        ('hb_send_64k', '64 KiB by REP OUTSB'),
        ('copy_64k', '64 KiB copied'))),
    ('State of 1 MiB, instructions', (
        ('state_set_1m', 'KVM_SET_VMPORT_STATE'),
        ('state_get_1m', 'KVM_GET_VMPORT_STATE'),
        ('copy_1m', '1 MiB copied'))),
)


def at_most(name, figures, limit):
    return figures[name], limit, figures[name] <= limit


def goals(f):
    """Text, measured, limit, met; a goal whose figures are missing is left out."""
    # The cheapest exit of KVM's own.  Its fast path is for processors that say where the next
    # instruction is, as that of Bochs, and not that of QEMU.
    floor = min((f[name] for name in ('wrmsr', 'invd', 'pio_kernel') if name in f), default=0)

    def over(name, other, limit):
        return lambda: below(f[name] / f[other], limit)

    table = (
        ("GETVERSION, ring 0, over KVM's cheapest exit",
         lambda: below(f['getversion_ring0'] / floor, 1.1)),
        *((f"{name.upper()}, ring 0, over KVM's cheapest exit",
           lambda name=name: below(f[name + '_ring0'] / floor, 1.25))
          for name in ('sendsize', 'sendpayload', 'recvsize', 'recvpayload')),
        ('GETVERSION, ring 3 over ring 0', over('getversion_ring3', 'getversion_ring0', 1.9)),
        ('a VMM that does nothing else, over GETVERSION, at least',
         lambda: at_least(f['vmm_getversion'] / f['getversion_ring0'], 20)),
        ("QEMU's vmport over GETVERSION, at least",
         lambda: at_least(f['qemu_vmport_getversion'] / f['getversion_ring0'], 70)),
        ('a port read without the feature, over the unpatched modules',
         over('pio_kernel', 'pio_kernel_unpatched', 1.005)),
        ('INVD without the feature, over the unpatched modules',
         over('invd', 'invd_unpatched', 1.005)),
        ("info-get of 32 KiB by HB, over two copies",
         lambda: below(f['info_get_32k_hb'] / f['copy_64k'], 3)),
        ('64 KiB by REP OUTSB, less the exit for one byte, over a copy',
         lambda: below((f['hb_send_64k'] - f['pio_kernel_string']) / f['copy_64k'], 1.5)),
        ('an idle VM with the feature, bytes', lambda: at_most('idle_vm', f, 4096)),
        ('a lookup among 4,096 keys, over 4', lambda: at_most('lookup_4096_over_4', f, 1.05)),
        ('a request with 64 channels open, over 1', lambda: at_most('channels_64_over_1', f, 1.01)),
        ('GETVERSION with 8 VMs, over 1', lambda: at_most('vms_8_over_1', f, 1.01)),
        ('blob with 1 MiB in 16 keys, bytes',
         lambda: at_most('state_1m', f, f['state_1m_live'] + 16 * 16 + 256)),
        ('blob with 4,096 keys, bytes',
         lambda: at_most('state_4096_keys', f, f['state_4096_keys_live'] + 16 * 4096 + 256)),
        ('blob with 128 channels, bytes',
         lambda: at_most('state_128_channels', f, 64 * 128 + 256)),
        ('GET of 1 MiB, over a copy', lambda: below(f['state_get_1m'] / f['copy_1m'], 1.2)),
        ('SET of 1 MiB, over a copy', lambda: below(f['state_set_1m'] / f['copy_1m'], 1.5)),
        ('what a second vCPU gains on its own channel, over what it gains with CPUID, at least',
         lambda: at_least(f['two_vcpus_over_one'] / f['two_vcpus_over_one_cpuid'], 0.95)),
    )
    for text, check in table:
        try:
            yield (text,) + check()
        except (KeyError, ZeroDivisionError):
            continue


def below(value, limit):
    return value, limit, value <= limit


def at_least(value, limit):
    return value, limit, value >= limit


def number(value):
    return f'{value:,.0f}' if value >= 100 or value == int(value) else f'{value:,.2f}'


def read(logs):
    figures = {group: {} for group in GROUPS}
    failures = []
    for path in logs:
        with open(path, errors='replace') as log:
            for line in log:
                match = re.match(r'@@BENCH (\S+) (\S+) (\d[\d.]*)\s*$', line)
                if match and match[1] in figures:
                    value = round(float(match[3]), 3)
                    figures[match[1]][match[2]] = int(value) if value == int(value) else value
                elif line.startswith('@@BENCH failed') or line.startswith('@@LOG bad'):
                    failures.append(line.strip()[2:])
                elif line.startswith('@@TIMEOUT'):
                    failures.append(f'the run of {path} took too long')
    return figures, failures


def print_table(figures):
    width = max((len(name) for group in GROUPS for name in figures[group]), default=0)
    for group in GROUPS:
        print(f'\n{group}')
        for name, value in figures[group].items():
            print(f'  {name:<{width}} {number(value):>14}')

    everything = {name: value for group in GROUPS for name, value in figures[group].items()}
    print('\ngoals')
    for text, value, limit, met in goals(everything):
        print(f'  {"met   " if met else "MISSED"} {text:<62}'
              f'{number(value):>12}  goal {number(limit)}')


# What is not ours in the chart.
OTHERS = ('QEMU', "QEMU's vmport", 'nothing else', 'by KVM', 'copied')


def chart(figures):
    """The same figures give the same file.  Every part has a scale of its own."""
    left, bar, row, width = 310, 320, 22, 720
    lines = []
    y = 28
    for title, bars in CHART:
        bars = [(label, figures[name]) for name, label in bars if name in figures]
        if not bars:
            continue
        lines.append(f'<text x="10" y="{y}" font-weight="bold">{title}</text>')
        most = max(value for _, value in bars)
        for label, value in bars:
            y += row
            lines.append(f'<text x="{left - 8}" y="{y}" text-anchor="end">{label}</text>')
            lines.append(f'<rect x="{left}" y="{y - 12}" height="15" '
                         f'width="{max(value / most * bar, 1):.1f}" '
                         f'fill="{"#999999" if label.endswith(OTHERS) else "#3a6ea5"}"/>')
            lines.append(f'<text x="{left + max(value / most * bar, 1) + 6:.1f}" y="{y}">'
                         f'{number(value)}</text>')
        y += row + 16
    head = (f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{y - 14}" '
            f'viewBox="0 0 {width} {y - 14}" font-family="sans-serif" font-size="13">\n'
            '<!-- Made by scripts/suite/bench.py. -->\n'
            '<rect width="100%" height="100%" fill="white"/>\n')
    return (head + '\n'.join(lines) + '\n</svg>\n').replace("'", '&#39;')


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--json')
    parser.add_argument('--chart')
    parser.add_argument('--partial', action='store_true', help='not all is there')
    parser.add_argument('logs', nargs='+')
    arguments = parser.parse_args()

    figures, failures = read(arguments.logs)
    print_table(figures)
    for group, names in () if arguments.partial else WANTED.items():
        failures += [f'missing: {group} {name}' for name in names if name not in figures[group]]
    for failure in failures:
        print(f'error: {failure}')

    if arguments.json:
        with open(arguments.json, 'w') as out:
            json.dump(figures, out, indent=1)
            out.write('\n')
    if arguments.chart and not failures:
        with open(arguments.chart, 'w') as out:
            out.write(chart({**figures['instructions'], **figures['bytes']}))
    return 1 if failures else 0


if __name__ == '__main__':
    sys.exit(main())
