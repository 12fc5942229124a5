#!/usr/bin/env python3
"""Prepares what Doxygen reads: docs_input.py OUT_DIR

The headers' comments are in a fixed order (summary, prose, Parameters, Returns, Memory, Source) in plain text; here these
words become Doxygen's commands, and what belongs to a Module goes to its group. Each page in docs/modules/ becomes the
text of that group.
"""

import pathlib
import re
import shutil
import sys

TOP = pathlib.Path(__file__).resolve().parent.parent
MODULES = sorted(path.stem for path in (TOP / "docs/modules").glob("*.md"))
OTHERS = {
    "Targets": "Requests, I/O targets, HID devices and recordings.",
    "Objects": "What all Modules share: objects, attributes, statuses, misuse.",
    "Cpp": "The classes of dmf.hpp: owners, lambdas as callbacks, spans, statuses as std::error_code.",
}
HEADINGS = {
    "Parameters:": "@par Parameters\n * ",
    "Memory:": "@par Memory\n * ",
    "Misuse:": "@par Misuse\n * ",
    "Cancellation:": "@par Cancellation\n * ",
    "Source:": "@par Source\n * ",
}


def comment(match):
    """A comment of a function or type, its words turned into commands."""
    text = match[0]
    for word, command in HEADINGS.items():
        text = re.sub(rf"(?m)(?:^ \* |(?<=\. )){word} ", lambda m: f"\n * {command}", text)
    # What follows a summary on its own line.
    text = re.sub(r"(?m)^ \* Returns ", "\n * @returns ", text)
    return re.sub(r"\n(?:(?: \*)?\n)+ \* @", "\n *\n * @", text)


def group_of(name):
    module = next((module for module in MODULES if f"_{module}" in name or name.startswith(module)), None)
    return module


def header(path, text):
    relative = path.relative_to(TOP / "include").as_posix()
    text = re.sub(r"(?m)^ ?/\*\*\n(?: \*[^/].*\n| \*\n)* \*/$", comment, text)
    # `dmf.h - what it is` at the head of a written header.
    text = re.sub(r"\A/\*\*\n \* (?:dmf/)?\S+\.h(?:pp)? - (\w)", lambda m: f"/** @file {relative}\n * {m[1].upper()}", text)
    text = re.sub(r"#ifdef __cplusplus\nextern \"C\" \{\n#endif.*\n", "", text)
    text = re.sub(r"#ifdef __cplusplus\n\}  // extern.*\n#endif.*\n", "", text)
    module = next((m for m in MODULES if path.name == f"Dmf_{m}.h"), None)
    if path.suffix == ".hpp":
        # What a class says of all its members.
        text = re.sub(r"(?m)^ \* (Statuses(?: of [^:]*)?|Threads|Ownership|Exceptions): ", " *\n * @par \\1\n * ", text)
        text = grouped("Cpp", text)
    elif relative == "dmf/types.h":
        # Words of the framework's sources that expand to nothing.
        text = re.sub(r"(?s)/\* -+ annotations \*/.*?(?=/\* -{10,})", "", text)
        text = sections(text)
    elif path.name != "dmf.h":
        group = module or ("Targets" if path.name in ("io_target.h", "hid.h") else "Objects")
        about = f"The Methods of {module}." if module else OTHERS[group]
        head = "" if "@file" in text else f"/** @file {relative}\n * {about} */\n"
        text = head + grouped(group, text)
    return text


def grouped(group, text):
    return f"/** @addtogroup {group} */\n/** @{{ */\n{text}\n/** @}} */\n"


def sections(text):
    """types.h has a section for each Module, with a line that names it."""
    parts = re.split(r"(?m)^(/\* -{10,} .* \*/)$", text)
    result = parts[0]
    for title, body in zip(parts[1::2], parts[2::2]):
        name = title.strip("/* -")
        group = name if name in MODULES else "Targets" if name in ("targets", "HID") else "Objects"
        # The last section ends before the end of the header.
        body, guard, rest = body.partition("#ifdef __cplusplus\n}") if "#ifdef __cplusplus\n}" in body else (body, "", "")
        result += grouped(group, body) + guard + rest
    return result


def page(path):
    """A page of a Module as the text of its group. Line comments: the program in it may have the others."""
    title, _, text = path.read_text().partition("\n")
    name = title.removeprefix("# ")
    if name != path.stem:
        sys.exit(f"{path}: the title is not {path.stem}")
    lines = [f"@defgroup {name} {name}", *text.splitlines()]
    return "".join(f"/// {line}".rstrip() + "\n" for line in lines)


def main():
    out = pathlib.Path(sys.argv[1])
    shutil.rmtree(out, ignore_errors=True)
    for path in [*(TOP / "include").rglob("*.h"), *(TOP / "include").rglob("*.hpp")]:
        if "compat" in path.parts:
            continue
        target = out / path.relative_to(TOP)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(header(path, path.read_text()))
    for path in (TOP / "docs/modules").glob("*.md"):
        (out / f"{path.stem}.dox").write_text(page(path))
    groups = [f"/** @defgroup {name} {name}\n * {text} */\n" for name, text in OTHERS.items()]
    (out / "groups.dox").write_text("".join(groups))
    for path in [TOP / "README.md", *(TOP / "docs").glob("*.md")]:
        (out / path.name).write_text(markdown(path.read_text()))
    for path in (TOP / "docs").glob("*.svg"):
        shutil.copy(path, out)


def markdown(text):
    """Links between the documents, as they are in the site: all in one folder."""
    text = re.sub(r"\]\(docs/modules/(\w+)\.md\)", r"](@ref \1)", text)
    text = re.sub(r"\]\(modules/(\w+)\.md\)", r"](@ref \1)", text)
    text = re.sub(r"\]\(docs/", "](", text)
    text = re.sub(r"\]\(\.\./README\.md", "](README.md", text)
    # What is not part of the site stays as text.
    return re.sub(r"\[([^\]]+)\]\((?!http|@ref|#)(?![\w.-]+\.(?:md|svg)\b)[^)]*\)", r"\1", text)


if __name__ == "__main__":
    main()
