#!/usr/bin/env python3
"""Draws what `stream_hid --csv FILE` wrote, as SVG on standard output: plot.py FILE

Above, the rate in each tenth of a second; below, how many reports came how long after the one before.
"""

import csv
import math
import sys

WIDTH, HEIGHT = 720, 170  # of each of the two
LEFT, RIGHT, TOP, BOTTOM = 60, 20, 34, 40
SLICE = 0.1  # seconds
CLASS = 0.5  # milliseconds
MOST_CLASSES = 64
BLUE, GREY, BLACK = "#2b6cb0", "#cccccc", "#222222"


def text(x, y, words, anchor="middle"):
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{words}</text>'


def step_of(highest):
    """A round distance of about a quarter of that."""
    step = 10.0 ** math.floor(math.log10(highest / 4))
    return next(step * factor for factor in (1, 2, 5, 10) if step * factor * 4 >= highest * 0.99)


def chart(top, title, across, down, columns, width_of_column):
    """A bar for each column."""
    highest = max(columns) or 1
    step = step_of(highest)
    height = math.ceil(highest / step) * step
    inner_width, inner_height = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM
    bottom = top + TOP + inner_height
    parts = [f'<text x="{LEFT}" y="{top + 18}" font-weight="bold">{title}</text>']
    for i in range(round(height / step) + 1):
        y = bottom - i * step / height * inner_height
        parts.append(f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}" stroke="{GREY}"/>')
        parts.append(text(LEFT - 6, y + 4, f"{i * step:g}", "end"))
    bar = inner_width / len(columns)
    for i, value in enumerate(columns):
        if value > 0:
            tall = value / height * inner_height
            parts.append(
                f'<rect x="{LEFT + i * bar:.2f}" y="{bottom - tall:.2f}" width="{bar * 0.9:.2f}" '
                f'height="{tall:.2f}" fill="{BLUE}"/>'
            )
    whole = len(columns) * width_of_column
    mark = step_of(whole) / 2 if whole > 0 else 1
    for i in range(int(whole / mark + 1e-9) + 1):
        parts.append(text(LEFT + i * mark / whole * inner_width, bottom + 16, f"{i * mark:g}"))
    parts.append(text(WIDTH - RIGHT, bottom + 32, across, "end"))
    parts.append(text(WIDTH - RIGHT, top + 18, down, "end"))
    return parts


def main():
    if len(sys.argv) != 2:
        sys.exit("usage: plot.py FILE")
    with open(sys.argv[1], newline="") as file:
        rows = list(csv.DictReader(file))
    if len(rows) < 2:
        sys.exit(f"plot.py: {sys.argv[1]} has too few reports to draw")
    times = [float(row["seconds"]) for row in rows]
    gaps = [float(row["seconds_since_the_last"]) * 1e3 for row in rows[1:]]

    # The last slice is not whole, unless it is the only one.
    slices = [0] * max(int(times[-1] / SLICE), 1)
    for time in times:
        if int(time / SLICE) < len(slices):
            slices[int(time / SLICE)] += 1
    classes = [0] * min(int(max(gaps) / CLASS) + 1, MOST_CLASSES)
    for gap in gaps:
        classes[min(int(gap / CLASS), len(classes) - 1)] += 1

    longer = " (the last: all that is longer)" if max(gaps) >= MOST_CLASSES * CLASS else ""
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {2 * HEIGHT}" width="{WIDTH}" '
        f'height="{2 * HEIGHT}" font-family="sans-serif" font-size="12" fill="{BLACK}">',
        f'<rect width="{WIDTH}" height="{2 * HEIGHT}" fill="white"/>',
        *chart(0, "Rate", "seconds", "reports/s in each 0.1 s", [n / SLICE for n in slices], SLICE),
        *chart(HEIGHT, "Time between reports", f"milliseconds{longer}", "reports", classes, CLASS),
        "</svg>",
    ]
    print("\n".join(parts))


if __name__ == "__main__":
    main()
