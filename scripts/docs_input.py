#!/usr/bin/env python3
"""Prepares what Doxygen reads: docs_input.py OUT_DIR

The headers' comments are in a fixed order (summary, prose, Parameters, Returns, Memory, Source) in plain text; here these
words become Doxygen's commands, and what belongs to a Module goes to its group. Each page in docs/modules/ becomes the
text of that group. The other documents and the man pages become pages.
"""

import pathlib
import re
import shutil
import subprocess
import sys

TOP = pathlib.Path(__file__).resolve().parent.parent
# In the order of README.md, which is the one of the site.
MODULES = re.findall(r"\]\(docs/modules/(\w+)\.md\)", (TOP / "README.md").read_text())
OTHERS = {
    "Targets": ("Targets", "Requests, I/O targets, HID devices and recordings."),
    "Objects": ("Objects", "What all Modules share: objects, attributes, statuses, misuse."),
    "Cpp": ("C++ classes", "The classes of `dmf.hpp`. @ref md_cpp says how they are used."),
}
# The documents, by the names of their pages, in the order of the site.
PAGES = {
    "porting": "docs/porting.md",
    "threads": "docs/threads.md",
    "cpp": "docs/cpp.md",
    "python": "bindings/python/README.md",
    **{path.stem: f"docs/{path.name}" for path in sorted((TOP / "docs").glob("*.md"))},
    "security": "SECURITY.md",
    "changelog": "CHANGELOG.md",
}
MAN_PAGES = sorted((TOP / "docs/man").glob("*.1"))
CLASSES = {name for path in (TOP / "include/dmf/hpp").glob("*.hpp") for name in re.findall(r"(?m)^class (\w+)", path.read_text())}
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
    # A structure is called by its own name, not by its pointer's.
    text = re.sub(r"(?m)^(\} \w+), \*P\w+;", r"\1;", text)
    module = next((m for m in MODULES if path.name == f"Dmf_{m}.h"), None)
    if path.suffix == ".hpp":
        # What a class says of all its members.
        text = re.sub(r"(?m)^ \* (Statuses(?: of [^:]*)?|Threads|Ownership|Exceptions): ", " *\n * @par \\1\n * ", text)
        # Doxygen leaves what is private out, but links to the place where it would stand.
        text = re.sub(r"(?ms)^private:\n.*?(?=^(?:\};|public:))", "", text)
        # Classes are not among a namespace's own members, which is what a group around them takes.
        text = re.sub(r"(?m)^( \*/\n(?:template <.*>\n)?class )", r" * @ingroup Cpp\n\1", text)
        text = re.sub(r"(?m)^/\*\* (.*) \*/\n((?:template <.*>\n)?class )", r"/** \1\n * @ingroup Cpp */\n\2", text)
    elif relative == "dmf/types.h":
        # Words of the framework's sources that expand to nothing.
        text = re.sub(r"(?s)/\* -+ annotations \*/.*?(?=/\* -{10,})", "", text)
        text = sections(text)
    elif path.name != "dmf.h":
        group = module or ("Targets" if path.name in ("io_target.h", "hid.h") else "Objects")
        about = f"The Methods of {module}." if module else OTHERS[group][1]
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


def page(name):
    """A page of a Module as the text of its group. Line comments: the program in it may have the others."""
    path = TOP / f"docs/modules/{name}.md"
    title, _, text = path.read_text().partition("\n")
    if title != f"# {name}":
        sys.exit(f"{path}: the title is not {name}")
    lines = [f"@defgroup {name} {name}", *text.splitlines()]
    return "".join(f"/// {line}".rstrip() + "\n" for line in lines)


def markdown(document, text):
    """A document with its links as they are in the site, where all pages stand in one folder; to pages, not into them."""

    def link(match):
        words, target = match.groups()
        path = (TOP / document).parent.joinpath(target).resolve().relative_to(TOP).as_posix()
        module = re.fullmatch(r"docs/modules/(\w+)\.md", path)
        if module:
            return f'@ref {module[1]} "{words}"'
        if path == "README.md":
            return f'@ref index "{words}"'
        name = next((name for name, source in PAGES.items() if source == path), None)
        if name:
            return f'@ref md_{name} "{words}"'
        # Pictures stand beside the pages. What is not part of the site stays as text.
        return f"[{words}]({path.rpartition('/')[2]})" if path.endswith(".svg") else words

    text = re.sub(r"\[([^\]]+)\]\((?!https?:|#)([^)#]+)(?:#[^)]*)?\)", link, text)
    if document.endswith("cpp.md"):
        text = re.sub(r"`(\w+)`", lambda m: f'@ref dmf::{m[1]} "{m[1]}"' if m[1] in CLASSES else m[0], text)
    return text


def titled(name, text):
    """The page's name in the site, behind its title."""
    title, _, rest = text.partition("\n")
    return f"{title} {{#md_{name}}}\n{rest}"


def man_page(path):
    """A man page in Markdown, without the line above its first heading."""
    text = subprocess.run(["mandoc", "-T", "markdown", path], check=True, capture_output=True, text=True).stdout
    text = text[text.index("# NAME") : text.rindex("\n\n")]
    text = re.sub(r"(?m)^# (\w)(.*)", lambda m: f"## {m[1]}{m[2].lower()}", text)
    # Two hyphens stay two hyphens only in code.
    text = re.sub(r"\*\*(.+?)\*\*", lambda m: f"`{m[1]}`".replace("\\", "").replace("&nbsp;", " "), text)
    text = re.sub(r"\*([^*\n]+)\*", r"<em>\1</em>", text)
    return f"# {path.stem} {{#man_{path.stem}}}\n\n{text}\n"


def main():
    out = pathlib.Path(sys.argv[1])
    shutil.rmtree(out, ignore_errors=True)
    for path in [*(TOP / "include").rglob("*.h"), *(TOP / "include").rglob("*.hpp")]:
        if "compat" in path.parts:
            continue
        target = out / path.relative_to(TOP)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(header(path, path.read_text()))
    without = {path.stem for path in (TOP / "docs/modules").glob("*.md")} ^ set(MODULES)
    if without:
        sys.exit(f"README.md and docs/modules/ do not have the same Modules: {without}")
    groups = [f"/** @defgroup {name} {title}\n * {text} */\n" for name, (title, text) in OTHERS.items()]
    (out / "0-groups.dox").write_text("".join([*map(page, MODULES), *groups]))
    (out / "README.md").write_text(markdown("README.md", (TOP / "README.md").read_text()))
    for number, (name, document) in enumerate(PAGES.items()):
        (out / f"{number}-{name}.md").write_text(titled(name, markdown(document, (TOP / document).read_text())))
    for path in MAN_PAGES:
        (out / f"9-{path.stem}.md").write_text(man_page(path))
    for path in (TOP / "docs").glob("*.svg"):
        shutil.copy(path, out)


if __name__ == "__main__":
    main()
