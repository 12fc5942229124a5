#!/usr/bin/env python3
"""Runs stream_hid on a pseudo-terminal and looks at the screen: terminal.py BUILD_DIR"""

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios

RECORDING = "examples-c/data/usb-mouse.hid"


def run(program, arguments, rows, columns, charset):
    """Its exit code, and what it wrote to a terminal of that size."""
    controller, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    environment = dict(os.environ, LC_ALL=charset)
    process = subprocess.Popen([program, *arguments], stdout=terminal, env=environment)
    os.close(terminal)
    written = b""
    while True:
        try:
            part = os.read(controller, 65536)
        except OSError:  # the program has closed its end
            break
        if not part:
            break
        written += part
    return process.wait(), written.decode()


def screen_of(written):
    """The lines that stand there at the end."""
    lines, row, column = [""], 0, 0
    for token in re.findall(r"\x1b\[\d*[A-Z]|.|\n", written, re.S):
        up = re.fullmatch(r"\x1b\[(\d+)A", token)
        if up:
            row -= int(up[1])
        elif token == "\x1b[K":
            lines[row] = lines[row][:column]
        elif token == "\r":
            column = 0
        elif token == "\n":
            row += 1
            if row == len(lines):
                lines.append("")
        else:
            line = lines[row].ljust(column)
            lines[row] = line[:column] + token + line[column + 1 :]
            column += 1
    return [line.rstrip() for line in lines]


def check(what, good, screen):
    if not good:
        sys.exit(f"FAILED: {what}\n" + "\n".join(screen))
    print(what)


def main():
    program = os.path.join(sys.argv[1], "stream_hid")
    arguments = ["--seconds", "4", RECORDING]

    code, written = run(program, arguments, 40, 100, "C.UTF-8")
    screen = screen_of(written)
    check("it ends with 0", code == 0, screen)
    check("it is drawn again and again", len(re.findall(r"\x1b\[\d+A", written)) >= 5, screen)
    rates = [i for i, line in enumerate(screen) if line.startswith("reports/s, the last minute (most: ")]
    check("there is one sparkline", len(rates) == 1, screen)
    sparkline = screen[rates[0] + 1]
    check("a second has a character each, at the right", len(sparkline) == 60 and re.fullmatch(r" +[▁▂▃▄▅▆▇█]{1,4}", sparkline), screen)
    counts = [int(m[1]) for line in screen if (m := re.fullmatch(r" +(?:up to|longer than) .*█ (\d+)", line))]
    reports = int(next(re.match(r"(\d+) reports, ", line)[1] for line in screen if re.match(r"\d+ reports, ", line)))
    check("the histogram has every report but the first", sum(counts) == reports - 1 > 100, screen)
    check("no line of it is too long", max(map(len, screen[:15])) <= 80, screen)
    print("\n".join(screen))

    _, written = run(program, arguments, 40, 100, "C")
    check("without UTF-8 it is ASCII", written.isascii() and "#" in written, screen_of(written))

    _, written = run(program, arguments, 10, 100, "C.UTF-8")
    screen = screen_of(written)
    check("where it does not fit there is one line", "\x1b[K" in written and "█" not in written, screen)
    check("... and the summary", any(" overruns suspected" in line for line in screen), screen)


if __name__ == "__main__":
    main()
