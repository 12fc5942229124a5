#!/usr/bin/env python3
"""Asks a compiler whether each fact of abi/abi.json is what it sees in the headers, and whether a fact is missing:
abi_facts.py COMPILER c|c++ STANDARD"""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, Iterator

TOP = Path(__file__).resolve().parents[1]
SAME = {
    "c": "#define SAME(A, B) _Static_assert(__builtin_types_compatible_p(A, B), #A)\n#define TYPE __typeof__\n",
    "c++": "#include <type_traits>\n#define SAME(...) static_assert(std::is_same<__VA_ARGS__>::value, #__VA_ARGS__)\n"
    "#define TYPE decltype\n#define _Static_assert static_assert\n#define _Alignof alignof\n",
}


def is_equal(expression: str, number: int) -> str:
    return f'_Static_assert((long long)({expression}) == {number}LL, "{expression}");'


def signature(function: "dict[str, Any]", pointer: bool) -> str:
    parameters = ", ".join(p["type"] for p in function["parameters"]) or "void"
    return f"{function['returns']} {'(*)' if pointer else ''}({parameters})"


def program(facts: "dict[str, Any]", language: str) -> Iterator[str]:
    yield f"#include <stddef.h>\n#include <dmf.h>\n{SAME[language]}"
    for name, value in facts["constants"].items():
        yield is_equal(name, value)
    for name, fact in facts["types"].items():
        yield is_equal(f"sizeof({name})", fact["size"])
        yield is_equal(f"_Alignof({name})", fact["alignment"])
        # WCHAR is a type of the language's own in C++.
        if fact["is"] not in ("handle", "function*") and not (language == "c++" and name == "WCHAR"):
            yield f"SAME({name}, {fact['is']});"
        if fact["is"] == "handle":
            yield f'_Static_assert(sizeof(*({name})0), "{name} is a pointer");'
    for name, fact in facts["enumerations"].items():
        yield is_equal(f"sizeof({name})", fact["size"])
        for enumerator, value in fact["values"].items():
            yield is_equal(enumerator, value)
            if language == "c++":
                yield f"SAME(TYPE({enumerator}), {name});"
    for name, fact in facts["structures"].items():
        yield is_equal(f"sizeof({name})", fact["size"])
        yield is_equal(f"_Alignof({name})", fact["alignment"])
        for member in fact["members"]:
            place = f"(({name}*)0)->{member['name']}"
            yield is_equal(f"offsetof({name}, {member['name']})", member["offset"])
            yield is_equal(f"sizeof({place})", member["size"])
            yield f"SAME(TYPE({place}), {member['type']});"
    for name, fact in facts["callbacks"].items():
        yield f"SAME({name}, {signature(fact, name.startswith('PFN_'))});"
    # The facts are about symbols; at the later level this name is a macro for the other symbol.
    yield "#undef DMF_ContinuousRequestTarget_SendEx"
    for name, fact in facts["functions"].items():
        yield f"SAME(TYPE({name}), {signature(fact, False)});"


def compiled(command: "list[str]", text: str) -> str:
    done = subprocess.run(command, input=text, text=True, capture_output=True, check=False, cwd=TOP)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)}:\n{done.stderr}")
    return done.stdout


def missing(facts: "dict[str, Any]", macros: str) -> "set[str]":
    """What the headers, looked at with other eyes, have beyond the facts."""
    headers = "".join(path.read_text() for path in sorted((TOP / "include/dmf").glob("*.h")))
    names = set(re.findall(r"^\} (\w+)[,;]", headers, re.M)) - {"u", "BufferType", "MdlType", "HandleType"}
    names |= set(re.findall(r"^DECLARE_HANDLE\((\w+)\)", headers, re.M))
    names |= set(re.findall(r"^typedef \w+ (EVT_\w+)\(", headers, re.M))
    names |= set((TOP / "abi/symbols.txt").read_text().split())
    names |= set(re.findall(r"^#define ((?:STATUS|IOCTL|DMF_VERSION)_\w+) ", macros, re.M))
    known = {name for section in facts.values() if isinstance(section, dict) for name in section}
    return names - known


def main() -> None:
    compiler, language, standard = sys.argv[1:]
    if not shutil.which(compiler):
        print(f"SKIPPED: {compiler} is not installed")
        sys.exit(77)
    facts = json.loads((TOP / "abi/abi.json").read_text())
    later = facts.pop("at_api_level_2025")
    levels = {facts["api_level"]: facts, 2025: {**facts, **{n: {**facts[n], **later[n]} for n in later}}}
    for level, facts_there in levels.items():
        command = [compiler, "-x", language, f"-std={standard}", "-Iinclude", f"-DDMF_API_LEVEL={level}"]
        lines = list(program(facts_there, language))
        compiled([*command, "-Wno-invalid-offsetof", "-fsyntax-only", "-"], "\n".join(lines))
        print(f"{compiler}, {standard}, API level {level}: {len(lines) - 2} facts")
    macros = compiled([compiler, "-x", language, f"-std={standard}", "-Iinclude", "-dM", "-E", "-"], "#include <dmf.h>\n")
    left_out = missing(facts, macros)
    if left_out:
        sys.exit(f"abi/abi.json lacks: {' '.join(sorted(left_out))}")


main()
