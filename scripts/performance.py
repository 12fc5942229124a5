#!/usr/bin/env python3
"""Writes what `dmf_bench --save FILE` measured into docs/performance.md, and draws it: performance.py FILE...

The page is text by people, with blocks between `<!-- make bench: NAME -->` and `<!-- end -->` that are replaced. Several files
are parts of one measurement: dmf_bench was told with --only which rows each has.
"""

import math
import pathlib
import re
import sys
from itertools import groupby

DOCS = pathlib.Path(__file__).resolve().parent.parent / "docs"
ORDER = "a b c c4 w d f f2 n e e2 h h' i i' s t o m l".split()
NOTES = {
    "a": "Each item is written and read at once.",
    "b": "Both threads on a core of their own; the time from the start to the last item read.",
    "c": "Two threads on each core.",
    "c4": "Four threads on each of two cores: who holds a lock may have to wait for its core.",
    "w": "The library alone. Ratios of its times for an item in all, so that more than 1 means: slower with 2 threads.",
    "d": "256 items are written, then read.",
    "f": "The ring is full all the time. Queues that cannot overwrite take an item out when they are full, and try again.",
    "f2": "As before, while another thread reads what it can get.",
    "n": "1,000 items, shown to a callback one after the other.",
    "e": "Every buffer is zeroed when it is fetched, as BufferQueue does; the peers' too.",
    "e2": "As before; one thread fetches and enqueues, the other dequeues and reuses.",
    "h": "A packet of 1,024 bytes in 16 pieces, consumed when it is whole.",
    "h'": "Every packet begins in the middle of a piece.",
    "i": "The Requests are made before. The peer has neither handles nor Request states.",
    "i'": "As before, in the other order.",
    "s": "A target of the program's own that completes every Request at once.",
    "t": "All are put, then all are taken; no timer expires.",
    "o": "RingBuffer: 32 items of 64 bytes; PingPongBuffer: 2,048 bytes; the others: 32 buffers of 64 bytes. Peers have no "
    "handles, no threads and no callbacks; where there is no such thing as the Module, they are the queues inside of it.",
    "m": "As before, 2,000 of them: what the process grew by, divided by their number.",
    "l": "Locks alone, without the library: ratios of the first in the list to the others.",
}


class Line:
    def __init__(self, words):
        self.row, self.what, self.variant, self.peer, self.kind, self.unit = words[:6]
        self.value, self.ratio, self.low, self.high = map(float, words[6:10])
        self.rounds = int(words[10])


def read(paths):
    machine, cases, bars = [], [], []
    for path in paths:
        for line in pathlib.Path(path).read_text().splitlines():
            kind, *words = line.split("\t")
            if kind == "machine":
                machine = words
            elif kind == "case":
                cases.append(Line(words))
            elif kind == "bar":
                bars.append(words)
    cases.sort(key=lambda case: ORDER.index(case.row))
    bars.sort(key=lambda bar: ORDER.index(bar[0]))
    return machine, cases, bars


def machine_block(machine, cases):
    rounds = sorted({case.rounds for case in cases})
    return f"Measured on {', '.join(machine)}; {' or '.join(map(str, rounds))} rounds."


def is_met(ratio, limit):
    """To two decimals, as they are shown."""
    return round(float(ratio), 2) <= float(limit)


def bars_block(bars):
    lines = ["| row | size | compared with | ratio | bar | |", "|---|---|---|---|---|---|"]
    for row, variant, against, ratio, limit in bars:
        met = "met" if is_met(ratio, limit) else f"missed by {(float(ratio) / float(limit) - 1) * 100:.0f} %"
        lines.append(f"| {row} | {variant} | {against} | {float(ratio):.2f} | ≤ {float(limit):.2f} | {met} |")
    met = sum(is_met(bar[3], bar[4]) for bar in bars)
    return "\n".join([f"{met} of {len(bars)} are met.", "", *lines])


def rows_block(cases):
    parts = []
    for row, of_row in groupby(cases, key=lambda case: case.row):
        of_row = list(of_row)
        parts.append(f"### {row}. {of_row[0].what}\n\n{NOTES.get(row, '')}\n")
        if row in DRAWN:
            parts.append(f"![{of_row[0].what}]({plot_name(row)})\n")
        memory = of_row[0].unit == "bytes"
        size = "bytes" if of_row[0].variant.isdigit() else ""
        if memory:
            parts.append("| | | bytes |\n|---|---|---|")
            parts += [f"| {case.variant} | {case.peer} | {case.value:.0f} |" for case in of_row]
        else:
            parts.append(f"| {size} | peer | what it is | ours / peer | lowest – highest |\n|---|---|---|---|---|")
            parts += [
                f"| {case.variant} | {case.peer} | {case.kind} | {case.ratio:.2f} | {case.low:.2f} – {case.high:.2f} |"
                for case in of_row
                if case.kind != "ours"
            ]
        parts.append("")
    return "\n".join(parts).rstrip()


DRAWN = []


def plot_name(row):
    return f"performance-{row}.svg"


def replaced(text, blocks):
    for name, block in blocks.items():
        mark = f"<!-- make bench: {name} -->"
        if mark not in text:
            sys.exit(f"performance.py: docs/performance.md has no {mark}")
        text = re.sub(f"(?s)({re.escape(mark)}\n).*?(<!-- end -->)", lambda m: f"{m[1]}{block}\n{m[2]}", text)
    return text


def main():
    if len(sys.argv) < 2:
        sys.exit("usage: performance.py FILE...")
    machine, cases, bars = read(sys.argv[1:])
    page = DOCS / "performance.md"
    blocks = {"machine": machine_block(machine, cases), "bars": bars_block(bars), "rows": rows_block(cases)}
    page.write_text(replaced(page.read_text(), blocks))


if __name__ == "__main__":
    main()
