#!/usr/bin/env python3
"""Writes what `dmf_bench --save FILE` measured into docs/performance.md, and draws it: performance.py FILE [--check]

The page is text by people, with blocks between `<!-- make bench: NAME -->` and `<!-- end -->` that are replaced. With --check,
nothing is written: it fails if the page or a plot is not what the file makes of it.
"""

import math
import pathlib
import re
import sys
from itertools import groupby

DOCS = pathlib.Path(__file__).resolve().parent.parent / "docs"

# What belongs together, and is drawn together: the rows, and the title.
FAMILIES = {
    "one-thread": (["a", "d", "f", "n"], "RingBuffer, one thread"),
    "threads": (["b", "c", "c4", "f2"], "RingBuffer, several threads"),
    "more-threads": (["w"], "RingBuffer, more threads than two"),
    "queues": (["e", "e2"], "BufferQueue"),
    "packets": (["h", "h2"], "PingPongBuffer"),
    "requests": (["i", "i2"], "NotifyUserWithRequest"),
    "streams": (["s"], "ContinuousRequestTarget"),
    "timers": (["t"], "BufferPool with timers"),
    "objects": (["o"], "Objects"),
    "memory": (["m"], "Memory"),
    "locks": (["l"], "Locks"),
}
ORDER = [row for rows, _ in FAMILIES.values() for row in rows]
NOTES = {
    "a": "Each item is written and read at once.",
    "b": "Both threads on a core of their own; the time from the start to the last item read.",
    "c": "Two threads on each core.",
    "c4": "Four threads on each of two cores: who holds a lock may have to wait for its core. Not for rte_ring, which spins "
    "until a thread that is inside has got its core back.",
    "w": "The library alone. Ratios of its times for an item in all, so that more than 1 means: slower with 2 threads.",
    "d": "256 items are written, then read.",
    "f": "The ring is full all the time. Queues that cannot overwrite take an item out when they are full, and try again.",
    "f2": "As before, while another thread reads what it can get.",
    "n": "1,000 items, shown to a callback one after the other.",
    "e": "Every buffer is zeroed when it is fetched, as BufferQueue does; the peers' too.",
    "e2": "As before; one thread fetches and enqueues, the other dequeues and reuses.",
    "h": "A packet of 1,024 bytes in 16 pieces, consumed when it is whole.",
    "h2": "Every packet begins in the middle of a piece.",
    "i": "The Requests are made before. The peer has neither handles nor Request states.",
    "i2": "As before, in the other order.",
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


def read(path):
    machine, cases, bars, counts, disturbed = [], [], [], [], []
    for line in pathlib.Path(path).read_text().splitlines():
        kind, *words = line.split("\t")
        if kind == "machine":
            machine = words
        elif kind == "disturbed":
            disturbed = words
        elif kind == "case":
            cases.append(Line(words))
        elif kind == "bar":
            bars.append(words)
        elif kind == "count":
            counts.append(words)
    cases.sort(key=lambda case: ORDER.index(case.row))
    bars.sort(key=lambda bar: ORDER.index(bar[0]))
    counts.sort(key=lambda count: (ORDER.index(count[0]), int(count[1])))
    return machine, disturbed, cases, bars, counts


def machine_block(machine, disturbed, cases):
    rounds = sorted({case.rounds for case in cases})
    some, of_all = map(int, disturbed)
    return f"""Measured on {', '.join(machine)}; {' or '.join(map(str, rounds))} rounds.
Of {of_all:,} measurements {some:,} were taken while others used the processors."""


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


def counts_block(counts):
    lines = ["| row | bytes | library | peers |", "|---|---|---|---|"]
    for (row, variant), group in groupby(counts, key=lambda count: count[:2]):
        (_, _, _, ours), *peers = group
        others = ", ".join(f"{peer}: {float(value):.0f}" for _, _, peer, value in peers)
        lines.append(f"| {row} | {variant} | {float(ours):.0f} | {others} |")
    return "\n".join(lines)


def table(cases):
    if cases[0].unit == "bytes":
        yield "| | | bytes |\n|---|---|---|"
        yield from (f"| {case.variant} | {case.peer} | {case.value:.0f} |" for case in cases)
        return
    sizes = "bytes" if cases[0].variant.isdigit() else ""
    yield f"| {sizes} | peer | what it is | ours / peer | lowest – highest |\n|---|---|---|---|---|"
    for case in cases:
        if case.kind != "ours":
            spread = f"{case.low:.2f} – {case.high:.2f}"
            yield f"| {case.variant} | {case.peer} | {case.kind} | {case.ratio:.2f} | {spread} |"


def rows_block(cases, bars):
    parts, plots = [], {}
    for name, (rows, title) in FAMILIES.items():
        family = [case for case in cases if case.row in rows]
        if not family:
            continue
        parts.append(f"### {title}\n")
        if family[0].unit != "bytes":
            plots[f"performance-{name}.svg"] = plot(title, family, bars)
            parts.append(f"![Ratios: {title}](performance-{name}.svg)\n")
        for row, of_row in groupby(family, key=lambda case: case.row):
            of_row = list(of_row)
            parts += [f"#### {row}. {of_row[0].what}\n", f"{NOTES.get(row, '')}\n", *table(of_row), ""]
    return "\n".join(parts).rstrip(), plots


# The plots: a column for each row of the benchmark, a line for each peer, a dot for each size.

LABELS, COLUMN, LINE, TOP, BOTTOM = 330, 190, 18, 64, 34
COLOURS = ["#2b6cb0", "#c05621", "#2f855a"]
INK, GREY, PAPER = "#222222", "#cccccc", "#ffffff"


def escaped(words):
    return words.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def text(x, y, words, more=""):
    return f'<text x="{x:.1f}" y="{y:.1f}" {more}>{escaped(words)}</text>'


def labels_and_series(cases):
    """Sizes and numbers of threads are colours; names of Modules belong to the label."""
    series = list(dict.fromkeys(case.variant for case in cases))
    if len(series) > len(COLOURS):
        return lambda case: (f"{case.variant}: {case.peer}", ""), [""]
    return lambda case: (case.peer, case.variant), series


def plot(title, cases, bars):
    peers = [case for case in cases if case.kind != "ours"]
    key, series = labels_and_series(peers)
    labels = list(dict.fromkeys(key(case)[0] for case in peers))
    rows = list(dict.fromkeys(case.row for case in peers))
    lowest = min(case.ratio for case in peers)
    highest = max(case.ratio for case in peers)
    left, right = math.floor(math.log2(min(lowest, 0.7))), math.ceil(math.log2(max(highest, 1.4)))
    width, height = LABELS + COLUMN * len(rows), TOP + LINE * len(labels) + BOTTOM
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        f'font-family="sans-serif" font-size="12" fill="{INK}">',
        f'<rect width="{width}" height="{height}" fill="{PAPER}"/>',
        text(10, 20, f"{title}: the library's time / the peer's", 'font-weight="bold"'),
    ]
    across = 10
    for i, name in enumerate(series if series != [""] else []):
        unit = " bytes" if name.isdigit() else ""
        parts.append(f'<circle cx="{across + 4}" cy="34" r="4" fill="{COLOURS[i]}"/>')
        parts.append(text(across + 12, 38, name + unit))
        across += 30 + 7 * len(name + unit)
    if any(bar[0] in rows and "/" not in bar[2] for bar in bars):
        parts.append(f'<line x1="{across + 4}" x2="{across + 4}" y1="28" y2="40" stroke="{INK}" stroke-width="2"/>')
        parts.append(text(across + 12, 38, "the bar, at the best peer that many threads can use"))
    for i, label in enumerate(labels):
        parts.append(text(LABELS - 12, TOP + LINE * (i + 0.5) + 4, label, 'text-anchor="end"'))
    for column, row in enumerate(rows):
        parts += panel(row, LABELS + COLUMN * column, [case for case in peers if case.row == row], bars, key, labels, series, left, right)
    return "\n".join(parts) + "\n</svg>\n"


def panel(row, start, cases, bars, key, labels, series, left, right):
    def place(ratio):
        return start + (math.log2(max(ratio, 2.0**left)) - left) / (right - left) * (COLUMN - 24)

    bottom = TOP + LINE * len(labels)
    parts = [text(start, TOP - 8, f"row {row}", 'font-weight="bold"')]
    step = max(1, math.ceil((right - left) / 5))
    for power in range(left, right + 1):
        if power % step and power != 0:
            continue
        x = place(2.0**power)
        parts.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" y2="{bottom}" stroke="{INK if power == 0 else GREY}"/>')
        parts.append(text(x, bottom + 16, f"{2.0**power:g}" if power >= 0 else f"1/{2**-power}", 'text-anchor="middle" font-size="10"'))
    for case in cases:
        label, name = key(case)
        index = series.index(name)
        y = TOP + LINE * (labels.index(label) + 0.5) + (index - (len(series) - 1) / 2) * 4.5
        low, high = min(max(case.low, 2.0**left), 2.0**right), min(case.high, 2.0**right)
        parts.append(f'<line x1="{place(low):.1f}" x2="{place(high):.1f}" y1="{y:.1f}" y2="{y:.1f}" stroke="{COLOURS[index]}"/>')
        parts.append(f'<circle cx="{place(case.ratio):.1f}" cy="{y:.1f}" r="3" fill="{COLOURS[index]}"/>')
        for bar in bars:
            if bar[0] == row and bar[1] == case.variant and bar[2] == case.peer:
                x = place(float(bar[4]))
                parts.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{y - 5:.1f}" y2="{y + 5:.1f}" stroke="{INK}" stroke-width="2"/>')
    return parts


def replaced(text, blocks):
    for name, block in blocks.items():
        mark = f"<!-- make bench: {name} -->"
        if mark not in text:
            sys.exit(f"performance.py: docs/performance.md has no {mark}")
        text = re.sub(f"(?s)({re.escape(mark)}\n).*?(<!-- end -->)", lambda found: f"{found[1]}{block}\n{found[2]}", text)
    return text


def main():
    check = sys.argv[2:] == ["--check"]
    if len(sys.argv) < 2 or (len(sys.argv) > 2 and not check):
        sys.exit("usage: performance.py FILE [--check]")
    machine, disturbed, cases, bars, counts = read(sys.argv[1])
    rows, files = rows_block(cases, bars)
    blocks = {
        "machine": machine_block(machine, disturbed, cases),
        "bars": bars_block(bars),
        "counts": counts_block(counts),
        "rows": rows,
    }
    files["performance.md"] = replaced((DOCS / "performance.md").read_text(), blocks)
    for name, content in files.items():
        path = DOCS / name
        if not check:
            path.write_text(content)
        elif not path.exists() or path.read_text() != content:
            sys.exit(f"performance.py: {path} is not what {sys.argv[1]} makes of it; make bench writes both")


if __name__ == "__main__":
    main()
